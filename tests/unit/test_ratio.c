/* What ratio.h promises. */
#include "learner/ratio.h"
#include "support/test.h"

static struct pawl_ratio open_ratio(double updates_per_step, uint64_t learning_starts)
{
    struct pawl_ratio ratio;
    const struct pawl_ratio_cfg cfg = {.updates_per_step = updates_per_step,
                                       .learning_starts = learning_starts,
                                       .is_learner_waited_for = true};
    pawl_ratio_open(&ratio, &cfg, NULL);
    return ratio;
}

/* Plays steps and updates as the learner's loop does; returns the updates done. */
static uint64_t play(const struct pawl_ratio *ratio, uint64_t *step_count, uint64_t until)
{
    uint64_t update_count = 0;
    while (*step_count < until) {
        uint64_t room = pawl_ratio_room(ratio, *step_count, update_count);
        if (room > until - *step_count)
            room = until - *step_count;
        *step_count += room;
        while (pawl_ratio_owed(ratio, *step_count, update_count) >= 1.0)
            update_count++;
    }
    return update_count;
}

START_TEST(the_updates_of_many_steps_are_the_ratio_to_within_one)
{
    const double ratios[] = {0.1, 1.0, 8.0, 0.37};
    for (size_t i = 0; i < 4; i++) {
        struct pawl_ratio ratio = open_ratio(ratios[i], 100);
        uint64_t steps = 0;
        uint64_t updates = play(&ratio, &steps, 10100);
        ck_assert_double_ge((double)updates, ratios[i] * 10000 - 1.0);
        ck_assert_double_le((double)updates, ratios[i] * 10000 + 0.5);
    }
}
END_TEST

START_TEST(no_step_is_taken_in_while_an_update_is_due)
{
    struct pawl_ratio ratio = open_ratio(1.0, 0);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 5, 4), 0);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 5, 5), 1);
}
END_TEST

START_TEST(room_ends_where_the_next_update_is_due)
{
    struct pawl_ratio ratio = open_ratio(0.1, 0);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 0, 0), 10);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 7, 0), 3);
    ck_assert_double_ge(pawl_ratio_owed(&ratio, 10, 0), 1.0);
}
END_TEST

START_TEST(steps_before_learning_starts_are_worth_nothing)
{
    struct pawl_ratio ratio = open_ratio(1.0, 100);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 0, 0), 101);
    ck_assert_double_lt(pawl_ratio_owed(&ratio, 100, 0), 1.0);
    ck_assert_double_ge(pawl_ratio_owed(&ratio, 101, 0), 1.0);
}
END_TEST

START_TEST(a_learner_that_nobody_waits_for_takes_everything_in)
{
    struct pawl_ratio ratio = open_ratio(1.0, 0);
    ratio.cfg.is_learner_waited_for = false;
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 1000, 3), UINT64_MAX);
    ck_assert_double_ge(pawl_ratio_owed(&ratio, 1000, 3), 996.0);
}
END_TEST

START_TEST(another_ratio_counts_from_the_mark_on)
{
    struct pawl_ratio ratio = open_ratio(1.0, 100);
    struct pawl_ratio_mark mark = {.step_count = 1100,
                                   .credit = pawl_ratio_credit(&ratio, 1100)};
    struct pawl_ratio_cfg cfg = ratio.cfg;
    cfg.updates_per_step = 2.0;
    pawl_ratio_open(&ratio, &cfg, &mark);
    ck_assert_double_eq_tol(pawl_ratio_credit(&ratio, 1200), 1200.0, 1e-6);
}
END_TEST

START_TEST(an_update_that_is_due_but_for_the_last_digit_is_due)
{
    struct pawl_ratio ratio = open_ratio(0.29, 0);
    ck_assert_double_lt(0.29 * 100, 29.0);
    ck_assert_double_ge(pawl_ratio_owed(&ratio, 100, 28), 1.0);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 100, 28), 0);
}
END_TEST

START_TEST(room_before_learning_starts_has_the_steps_that_are_worth_nothing)
{
    struct pawl_ratio ratio = open_ratio(0.5, 100);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 0, 0), 102);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 99, 0), 3);
    ck_assert_uint_eq(pawl_ratio_room(&ratio, 100, 0), 2);
}
END_TEST

PAWL_TEST_MAIN("ratio", the_updates_of_many_steps_are_the_ratio_to_within_one,
               no_step_is_taken_in_while_an_update_is_due,
               room_ends_where_the_next_update_is_due,
               steps_before_learning_starts_are_worth_nothing,
               a_learner_that_nobody_waits_for_takes_everything_in,
               another_ratio_counts_from_the_mark_on,
               an_update_that_is_due_but_for_the_last_digit_is_due,
               room_before_learning_starts_has_the_steps_that_are_worth_nothing)
