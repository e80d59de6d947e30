#include "runtime/text.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

START_TEST(a_number_is_written_as_short_as_it_reads_back)
{
    static const struct {
        double f64;
        const char *programs, *people;
    } cases[] = {
        {0.0, "0.0", "0"},
        {-0.0, "-0.0", "-0"},
        {1.0, "1.0", "1"},
        {0.1, "0.1", "0.1"},
        {-0.25, "-0.25", "-0.25"},
        {0.001, "0.001", "0.001"},
        {0.0123, "0.0123", "0.0123"},
        {3e-4, "3e-4", "3e-4"},
        {1.5e-7, "1.5e-7", "1.5e-7"},
        {3600.0, "3600.0", "3600"},
        {12.5, "12.5", "12.5"},
        {9876543210.0, "9876543210.0", "9876543210"},
        {1e10, "1e10", "1e10"},
        {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333", "0.3333333333333333"},
        {100.0, "100.0", "100"},
        {9007199254740993.0, "9.007199254740992e15", "9.007199254740992e15"},
        /* the powers of two whose nearest 16 digits fail, and a smallest normal number */
        {0x1p-44, "5.684341886080802e-14", "5.684341886080802e-14"},
        {-0x1p-44, "-5.684341886080802e-14", "-5.684341886080802e-14"},
        {DBL_MIN, "2.2250738585072014e-308", "2.2250738585072014e-308"},
        {DBL_MAX, "1.7976931348623157e308", "1.7976931348623157e308"},
        {DBL_TRUE_MIN, "5e-324", "5e-324"},
        {(double)INFINITY, "inf", "inf"},
        {-(double)INFINITY, "-inf", "-inf"},
        {(double)NAN, "nan", "nan"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[PAWL_TEXT_F64_BYTES];
        ck_assert_uint_eq(pawl_text_f64(text, cases[i].f64, PAWL_TEXT_F64_FOR_PROGRAMS),
                          strlen(cases[i].programs));
        ck_assert_str_eq(text, cases[i].programs);
        pawl_text_f64(text, cases[i].f64, PAWL_TEXT_F64_FOR_PEOPLE);
        ck_assert_str_eq(text, cases[i].people);
    }
}
END_TEST

START_TEST(any_number_survives_being_written)
{
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        char text[PAWL_TEXT_F64_BYTES];
        double f64;
        state = state * 6364136223846793005u + 1442695040888963407u;
        memcpy(&f64, &state, sizeof(f64));
        if (!isfinite(f64))
            continue;
        pawl_text_f64(text, f64, PAWL_TEXT_F64_FOR_PROGRAMS);
        double back = strtod(text, NULL);
        ck_assert_msg(memcmp(&back, &f64, sizeof(f64)) == 0, "%s", text);
    }
}
END_TEST

static const struct {
    const char *text;
    bool is_utf8;
} bytes[] = {
    {"plain", true},
    {"\xc3\xa9", true},
    {"\xe2\x82\xac", true},
    {"\xf0\x9f\x98\x80", true},
    {"\xed\x9f\xbf", true},
    {"\xef\xbf\xbf", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\x80", false},
    {"\xc0\xaf", false},
    {"\xc3", false},
    {"\xe0\x80\xaf", false},
    {"\xed\xa0\x80", false},
    {"\xf0\x80\x80\xaf", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf5\x80\x80\x80", false},
    {"\xe2\x82", false},
    {"\xe2\x82x", false},
    {"\xff", false},
};

START_TEST(bytes_are_utf8_exactly_when_rfc_3629_says_so)
{
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
        ck_assert_msg(pawl_text_is_utf8(bytes[i].text, strlen(bytes[i].text)) ==
                          bytes[i].is_utf8,
                      "case %zu", i);
}
END_TEST

START_TEST(text_for_a_terminal_can_not_drive_it)
{
    char text[64];
    const char *from = "a\x1b[31m\tb\x7f\xc2\x9b\xff\xc3\xa9\xe2\x80\xae.";
    pawl_text_plain(from, strlen(from), text, sizeof(text));
    ck_assert_str_eq(text, "a?[31m b???\xc3\xa9?.");
    strcpy(text, from);
    pawl_text_plain(text, strlen(text), text, sizeof(text)); /* in place */
    ck_assert_str_eq(text, "a?[31m b???\xc3\xa9?.");
}
END_TEST

START_TEST(text_that_is_cut_ends_in_dots_between_two_characters)
{
    char text[8];
    pawl_text_plain("1234567", 7, text, sizeof(text));
    ck_assert_str_eq(text, "1234567");
    pawl_text_plain("12345678", 8, text, sizeof(text));
    ck_assert_str_eq(text, "1234...");
    pawl_text_plain("123\xc3\xa9"
                    "567",
                    8, text, sizeof(text));
    ck_assert_str_eq(text, "123...");
}
END_TEST

START_TEST(a_byte_that_would_end_a_string_is_escaped)
{
    char escape[PAWL_TEXT_ESCAPE_BYTES], all[1024] = "";
    for (int c = 0; c < 256; c++)
        if (pawl_text_escape((char)c, escape))
            strcat(all, escape);
    ck_assert_str_eq(all, "\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n"
                          "\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011\\u0012\\u0013\\u0014"
                          "\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d"
                          "\\u001e\\u001f\\\"\\\\\\u007f");
}
END_TEST

START_TEST(each_byte_is_two_digits)
{
    const unsigned char data[] = {0x00, 0x0f, 0xa5, 0xff};
    char text[2 * sizeof(data) + 1];
    pawl_text_hex(data, sizeof(data), text);
    ck_assert_str_eq(text, "000fa5ff");
    pawl_text_hex(data, 0, text);
    ck_assert_str_eq(text, "");
}
END_TEST

PAWL_TEST_MAIN("text", a_number_is_written_as_short_as_it_reads_back,
               any_number_survives_being_written, bytes_are_utf8_exactly_when_rfc_3629_says_so,
               text_for_a_terminal_can_not_drive_it,
               text_that_is_cut_ends_in_dots_between_two_characters,
               a_byte_that_would_end_a_string_is_escaped, each_byte_is_two_digits)
