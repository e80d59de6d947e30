#include "runtime/nearest.h"

#include <string.h>

#include "runtime/cfg.h"
#include "support/test.h"

static unsigned edits(const char *a, const char *b)
{
    return pawl_nearest_edit_count(a, strlen(a), b, strlen(b));
}

START_TEST(each_kind_of_slip_is_one_edit)
{
    ck_assert_uint_eq(edits("train", "train"), 0);
    ck_assert_uint_eq(edits("tran", "train"), 1);
    ck_assert_uint_eq(edits("trrain", "train"), 1);
    ck_assert_uint_eq(edits("troin", "train"), 1);
    ck_assert_uint_eq(edits("trian", "train"), 1);
    ck_assert_uint_eq(edits("", "abc"), 3);
    ck_assert_uint_eq(edits("abc", ""), 3);
    ck_assert_uint_eq(edits("kitten", "sitting"), 3);
    ck_assert_uint_eq(edits("ca", "abc"), 3);
}
END_TEST

START_TEST(case_and_dashes_cost_nothing)
{
    ck_assert_uint_eq(edits("Learning-Rate", "learning_rate"), 0);
}
END_TEST

START_TEST(the_closest_wins_and_the_first_of_equals)
{
    struct pawl_nearest nearest = {.word = "chek"};
    pawl_nearest_offer(&nearest, "cheek");
    pawl_nearest_offer(&nearest, "check");
    ck_assert_str_eq(nearest.best, "cheek");
    pawl_nearest_offer(&nearest, "CHEK");
    ck_assert_str_eq(nearest.best, "CHEK");
}
END_TEST

START_TEST(an_abbreviation_is_near_what_it_stands_for)
{
    struct pawl_nearest nearest = {.word = "actor_lr"};
    pawl_nearest_offer(&nearest, "critic_learning_rate");
    ck_assert_ptr_null(nearest.best);
    pawl_nearest_offer(&nearest, "actor-learning-rate");
    ck_assert_str_eq(nearest.best, "actor-learning-rate");

    nearest = (struct pawl_nearest){.word = "completion"};
    pawl_nearest_offer(&nearest, "comp");
    ck_assert_str_eq(nearest.best, "comp");

    /* A slip is nearer than an abbreviation. */
    nearest = (struct pawl_nearest){.word = "conf"};
    pawl_nearest_offer(&nearest, "config");
    pawl_nearest_offer(&nearest, "cond");
    ck_assert_str_eq(nearest.best, "cond");
}
END_TEST

START_TEST(what_shares_too_little_is_not_offered)
{
    struct pawl_nearest nearest = {.word = "xyz"};
    pawl_nearest_offer(&nearest, "info");
    pawl_nearest_offer(&nearest, "xab");
    pawl_nearest_offer(&nearest, "q");
    ck_assert_ptr_null(nearest.best);
    nearest.word = "q";
    pawl_nearest_offer(&nearest, "z");
    ck_assert_ptr_null(nearest.best);
}
END_TEST

START_TEST(a_very_long_word_is_close_to_nothing)
{
    char text[4 * PAWL_NEAREST_BYTES_MAX];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct pawl_nearest nearest = {.word = text};
    pawl_nearest_offer(&nearest, "aaa");
    ck_assert_ptr_null(nearest.best);
    text[PAWL_NEAREST_BYTES_MAX - 1] = '\0';
    pawl_nearest_offer(&nearest, text);
    ck_assert_ptr_eq(nearest.best, text);
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

PAWL_TEST_MAIN("nearest", each_kind_of_slip_is_one_edit, case_and_dashes_cost_nothing,
               the_closest_wins_and_the_first_of_equals,
               an_abbreviation_is_near_what_it_stands_for,
               what_shares_too_little_is_not_offered, a_very_long_word_is_close_to_nothing,
               the_nearest_word_is_a_typo_or_an_abbreviation_away)
