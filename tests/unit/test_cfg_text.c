#include "runtime/cfg_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

START_TEST(a_number_is_written_as_short_as_it_reads_back)
{
    static const struct {
        double f64;
        const char *toml, *people;
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
        {DBL_MAX, "1.7976931348623157e308", "1.7976931348623157e308"},
        {DBL_TRUE_MIN, "5e-324", "5e-324"},
        {(double)INFINITY, "inf", "inf"},
        {-(double)INFINITY, "-inf", "-inf"},
        {(double)NAN, "nan", "nan"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[PAWL_CFG_NUMBER_TEXT_BYTES];
        pawl_cfg_f64_text(cases[i].f64, PAWL_CFG_F64_AS_TOML, text);
        ck_assert_str_eq(text, cases[i].toml);
        pawl_cfg_f64_text(cases[i].f64, PAWL_CFG_F64_FOR_PEOPLE, text);
        ck_assert_str_eq(text, cases[i].people);
    }
}
END_TEST

START_TEST(any_number_survives_being_written)
{
    uint64_t state = 1;
    for (int i = 0; i < 20000; i++) {
        char text[PAWL_CFG_NUMBER_TEXT_BYTES];
        double f64;
        state = state * 6364136223846793005u + 1442695040888963407u;
        memcpy(&f64, &state, sizeof(f64));
        if (!isfinite(f64))
            continue;
        pawl_cfg_f64_text(f64, PAWL_CFG_F64_AS_TOML, text);
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
        ck_assert_msg(pawl_cfg_is_utf8(bytes[i].text, strlen(bytes[i].text)) ==
                          bytes[i].is_utf8,
                      "case %zu", i);
}
END_TEST

START_TEST(text_for_a_terminal_can_not_drive_it)
{
    char text[64];
    const char *from = "a\x1b[31m\tb\x7f\xc2\x9b\xff\xc3\xa9";
    pawl_cfg_plain(from, strlen(from), text, sizeof(text));
    ck_assert_str_eq(text, "a?[31m b???\xc3\xa9");
}
END_TEST

START_TEST(text_that_is_cut_ends_in_dots_between_two_characters)
{
    char text[8];
    pawl_cfg_plain("1234567", 7, text, sizeof(text));
    ck_assert_str_eq(text, "1234567");
    pawl_cfg_plain("12345678", 8, text, sizeof(text));
    ck_assert_str_eq(text, "1234...");
    pawl_cfg_plain("123\xc3\xa9"
                   "567",
                   8, text, sizeof(text));
    ck_assert_str_eq(text, "123...");
}
END_TEST

START_TEST(the_nearest_word_is_a_typo_or_an_abbreviation_away)
{
    static const char *const words[] = {"train", "report", "profile", "learning_rate", "seed"};
    static const struct {
        const char *typed, *nearest;
    } cases[] = {
        {"trian", "train"},
        {"tran", "train"},
        {"reprot", "report"},
        {"profiel", "profile"},
        {"l_rate", "learning_rate"},
        {"zzz", NULL},
        {"", NULL},
        {"lr", "learning_rate"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *nearest = pawl_cfg_nearest(cases[i].typed, words, 5);
        ck_assert_msg(nearest == cases[i].nearest ||
                          (nearest && cases[i].nearest && !strcmp(nearest, cases[i].nearest)),
                      "%s: %s", cases[i].typed, nearest ? nearest : "none");
    }
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    ck_assert_ptr_null(pawl_cfg_nearest(longest, words, 5));
}
END_TEST

PAWL_TEST_MAIN("cfg_text", a_number_is_written_as_short_as_it_reads_back,
               any_number_survives_being_written, bytes_are_utf8_exactly_when_rfc_3629_says_so,
               text_for_a_terminal_can_not_drive_it,
               text_that_is_cut_ends_in_dots_between_two_characters,
               the_nearest_word_is_a_typo_or_an_abbreviation_away)
