#include "runtime/log_line.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"

static char line[PAWL_LOG_LINE_BYTES + 1];

__attribute__((format(printf, 2, 3))) static const char *
formatted(const struct pawl_log_head *head, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = pawl_log_line_format(line, head, format, args);
    va_end(args);
    ck_assert_uint_le(length, PAWL_LOG_LINE_BYTES);
    ck_assert_int_eq(line[length - 1], '\n');
    line[length - 1] = '\0';
    ck_assert_uint_eq(strlen(line), length - 1);
    return line;
}

static const struct pawl_log_head head = {
    .since_start_ns = 12483999999, .level = PAWL_LOG_INFO, .role = "learner"};

/* The line after "12.483 info learner ". */
#define LINE(...) (formatted(&head, __VA_ARGS__) + 20)

START_TEST(a_line_is_time_level_role_text_and_fields)
{
    ck_assert_str_eq(formatted(&head, "published\nversion=%" PRIu64 " bytes=%zu", (uint64_t)41,
                               (size_t)1048576),
                     "12.483 info learner published version=41 bytes=1048576");
    ck_assert_str_eq(formatted(&head, "stopping\n"), "12.483 info learner stopping");
}
END_TEST

START_TEST(time_has_three_decimals)
{
    static const struct {
        uint64_t ns;
        const char *says;
    } cases[] = {{0, "0.000 "},
                 {999999, "0.000 "},
                 {7000000, "0.007 "},
                 {UINT64_C(86400123456789), "86400.123 "}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_log_head at = head;
        at.since_start_ns = cases[i].ns;
        formatted(&at, "x\n");
        ck_assert_int_eq(strncmp(line, cases[i].says, strlen(cases[i].says)), 0);
    }
}
END_TEST

START_TEST(each_level_has_its_word)
{
    ck_assert_str_eq(pawl_log_level_name(PAWL_LOG_ERROR), "error");
    ck_assert_str_eq(pawl_log_level_name(PAWL_LOG_WARN), "warn");
    ck_assert_str_eq(pawl_log_level_name(PAWL_LOG_INFO), "info");
    ck_assert_str_eq(pawl_log_level_name(PAWL_LOG_DEBUG), "debug");
    ck_assert_str_eq(pawl_log_level_name(PAWL_LOG_OFF), "off");
}
END_TEST

START_TEST(the_place_comes_last_without_its_folders)
{
    struct pawl_log_head at = head;
    at.file = "/home/x/runtime/ring.c";
    at.line = 123;
    ck_assert_str_eq(formatted(&at, "a\nb=%d", 1), "12.483 info learner a b=1 at=ring.c:123");
    at.file = "ring.c";
    ck_assert_str_eq(formatted(&at, "a\n"), "12.483 info learner a at=ring.c:123");
}
END_TEST

START_TEST(a_value_is_quoted_only_when_it_needs_it)
{
    static const struct {
        const char *value, *says;
    } cases[] = {
        {"plain", "plain"},
        {"runs/x-1_y.z:8,9", "runs/x-1_y.z:8,9"},
        {"two words", "\"two words\""},
        {"", "\"\""},
        {"a=b", "\"a=b\""},
        {"say \"no\"", "\"say \\\"no\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak\ttab\rreturn", "\"line\\nbreak\\ttab\\rreturn\""},
        {"\033[31mred", "\"\\x1b[31mred\""},
        {"\x7f", "\"\\x7f\""},
        {"j\xc3\xbcrgen", "\"j\xc3\xbcrgen\""},
        {"\xe2\x82\xac \xf0\x9f\xa4\x96", "\"\xe2\x82\xac \xf0\x9f\xa4\x96\""},
        {"\xff\xfe", "\"\\xff\\xfe\""},
        {"cut \xe2\x82", "\"cut \\xe2\\x82\""},
        {"\xc0\xaf overlong", "\"\\xc0\\xaf overlong\""},
        {"\xe0\x80\xaf overlong", "\"\\xe0\\x80\\xaf overlong\""},
        {"\xed\xa0\x80 surrogate", "\"\\xed\\xa0\\x80 surrogate\""},
        {"\xf4\x90\x80\x80 beyond", "\"\\xf4\\x90\\x80\\x80 beyond\""},
        {"\xf5\x80\x80\x80 beyond", "\"\\xf5\\x80\\x80\\x80 beyond\""},
        {"\xc2\x9b steers", "\"\\xc2\\x9b steers\""},
        {"\xe2\x80\xae turns", "\"\\xe2\\x80\\xae turns\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char says[256];
        snprintf(says, sizeof(says), "read path=%s next=1", cases[i].says);
        ck_assert_str_eq(LINE("read\npath=%s next=%d", cases[i].value, 1), says);
    }
}
END_TEST

START_TEST(a_value_is_all_that_stands_before_the_next_space)
{
    ck_assert_str_eq(LINE("x\naddr=%s:%d took=%.1fms", "a b", 8, 3.25),
                     "x addr=\"a b:8\" took=3.2ms");
    ck_assert_str_eq(LINE("x\nempty=%s", ""), "x empty=\"\"");
    ck_assert_str_eq(LINE("x\nshare=%d%%", 7), "x share=7%");
}
END_TEST

START_TEST(text_cannot_break_the_line)
{
    ck_assert_str_eq(LINE("lost %s\nwhy=%d", "a\nb\033", 1), "lost a\\nb\\x1b why=1");
}
END_TEST

START_TEST(every_conversion_is_printed_as_printf_does)
{
    ck_assert_str_eq(LINE("x\na=%d b=%i c=%u d=%x e=%X f=%o", -1, 2, 3u, 255u, 255u, 8u),
                     "x a=-1 b=2 c=3 d=ff e=FF f=10");
    ck_assert_str_eq(LINE("x\na=%hhd b=%hhu c=%hd d=%hu", (signed char)-1, (unsigned char)200,
                          (short)-2, (unsigned short)65535),
                     "x a=-1 b=200 c=-2 d=65535");
    ck_assert_str_eq(LINE("x\na=%ld b=%lu c=%lld d=%llu", -1l, 2ul, -3ll, UINT64_MAX + 0ull),
                     "x a=-1 b=2 c=-3 d=18446744073709551615");
    ck_assert_str_eq(
        LINE("x\na=%jd b=%zu c=%td d=%zd", INTMAX_MIN, SIZE_MAX, (ptrdiff_t)-4, (ssize_t)-5),
        "x a=-9223372036854775808 b=18446744073709551615 c=-4 d=-5");
    ck_assert_str_eq(LINE("x\na=%f b=%.3e c=%g d=%Lf e=%G", 1.5, 1e10, 0.25, 2.5l, 1e-9),
                     "x a=1.500000 b=1.000e+10 c=0.25 d=2.500000 e=1E-09");
    ck_assert_str_eq(LINE("x\na=%c b=%p c=%5d d=%-5d. e=%05d f=%+d g=%#x", 'q', (void *)16, 42,
                          42, 42, 42, 42u),
                     "x a=q b=0x10 c=\"   42\" d=\"42   .\" e=00042 f=+42 g=0x2a");
    ck_assert_str_eq(
        LINE("x\na=%.*s b=%*d c=%-*d. d=%.*f e=%.*s", 2, "abc", 4, 1, 3, 2, 1, 0.55, -1, "all"),
        "x a=ab b=\"   1\" c=\"2  .\" d=0.6 e=all");
    ck_assert_str_eq(LINE("x\na=%f b=%g", NAN, -INFINITY), "x a=nan b=-inf");
}
END_TEST

START_TEST(errno_can_be_printed_and_is_left_alone)
{
    errno = ENOSPC;
    ck_assert_str_eq(LINE("x\nerror=%m bytes=%d", 5),
                     "x error=\"No space left on device\" bytes=5");
    ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(an_unknown_conversion_ends_the_line_instead_of_reading_astray)
{
    /* Not a literal: the compiler knows better than to let this pass. */
    static const char *const formats[] = {"x\na=%d b=%n c=%s", "x\na=%d b=%ls", "x\na=%d b=%",
                                          "x\na=%d b=%0000000000000000000000000000000d"};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        ck_assert_str_eq(LINE(formats[i], 1),
                         "x a=1 b=\"\" (a conversion that the log does not know)");
#pragma GCC diagnostic pop
    }
}
END_TEST

START_TEST(too_long_a_line_is_cut_and_says_so)
{
    char value[2 * PAWL_LOG_LINE_BYTES];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    formatted(&head, "x\na=%s b=%d", value, 1);
    ck_assert_uint_eq(strlen(line), PAWL_LOG_LINE_BYTES - 1);
    ck_assert_str_eq(line + strlen(line) - 5, "vv...");

    formatted(&head, "%s\na=%d", value, 1);
    ck_assert_str_eq(line + strlen(line) - 5, "vv...");
}
END_TEST

START_TEST(a_cut_is_not_amid_a_character)
{
    for (size_t pad = 0; pad < 4; pad++) {
        char value[2 * PAWL_LOG_LINE_BYTES + 8] = "xxx";
        for (size_t at = pad; at + 3 < sizeof(value); at += 3)
            memcpy(value + at, "\xe2\x82\xac", 4);
        formatted(&head, "x\na=%s", value);
        const char *last = line + strlen(line) - 4;
        ck_assert_str_eq(last + 1, "...");
        ck_assert_int_eq((unsigned char)*last, 0xac);
    }
}
END_TEST

START_TEST(a_crash_names_signal_and_address)
{
    struct pawl_log_head at = head;
    at.level = PAWL_LOG_ERROR;
    size_t length = pawl_log_line_crash(line, &at, SIGSEGV, (void *)0x1f0);
    line[length] = '\0';
    ck_assert_str_eq(line, "12.483 error learner crashed signal=SIGSEGV addr=0x1f0\n");

    static const struct {
        int signal;
        const char *says;
    } cases[] = {{SIGBUS, "signal=SIGBUS "},
                 {SIGABRT, "signal=SIGABRT "},
                 {SIGFPE, "signal=SIGFPE "},
                 {SIGILL, "signal=SIGILL "},
                 {SIGSYS, "signal=31 "}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        length = pawl_log_line_crash(line, &at, cases[i].signal, NULL);
        line[length] = '\0';
        ck_assert_ptr_nonnull(strstr(line, cases[i].says));
    }
}
END_TEST

PAWL_TEST_MAIN("log_line", a_line_is_time_level_role_text_and_fields, time_has_three_decimals,
               each_level_has_its_word, the_place_comes_last_without_its_folders,
               a_value_is_quoted_only_when_it_needs_it,
               a_value_is_all_that_stands_before_the_next_space, text_cannot_break_the_line,
               every_conversion_is_printed_as_printf_does,
               errno_can_be_printed_and_is_left_alone,
               an_unknown_conversion_ends_the_line_instead_of_reading_astray,
               too_long_a_line_is_cut_and_says_so, a_cut_is_not_amid_a_character,
               a_crash_names_signal_and_address)
