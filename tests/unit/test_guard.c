/* What guard.h promises. */
#include "learner/guard.h"

#include <math.h>

#include "support/test.h"

static struct pawl_guard guard;

static enum pawl_guard_verdict judge_many(uint32_t count, bool is_skipped, double norm)
{
    enum pawl_guard_verdict verdict = PAWL_GUARD_GO_ON;
    for (uint32_t i = 0; i < count; i++)
        verdict = pawl_guard_judge(&guard, is_skipped, norm);
    return verdict;
}

START_TEST(a_hundred_updates_without_trouble_make_a_good_state)
{
    ck_assert_int_eq(judge_many(PAWL_GUARD_GOOD_COUNT - 1, false, 1.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(1, false, 1.0), PAWL_GUARD_GOOD);
}
END_TEST

START_TEST(three_updates_in_a_row_that_are_not_finite_go_back)
{
    ck_assert_int_eq(judge_many(2, true, 1.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(1, false, 1.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(2, true, 1.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(1, false, (double)NAN), PAWL_GUARD_ROLL_BACK);
}
END_TEST

START_TEST(twenty_gradients_far_above_their_mean_go_back)
{
    judge_many(50, false, 1.0);
    ck_assert_int_eq(judge_many(PAWL_GUARD_HIGH_MAX - 1, false, 101.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(1, false, 101.0), PAWL_GUARD_ROLL_BACK);
}
END_TEST

START_TEST(a_gradient_that_grows_slowly_is_no_trouble)
{
    double norm = 1.0;
    for (int i = 0; i < 2000; i++, norm *= 1.005)
        ck_assert_int_ne(pawl_guard_judge(&guard, false, norm), PAWL_GUARD_ROLL_BACK);
}
END_TEST

START_TEST(states_that_are_spoilt_without_getting_further_are_the_end)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pawl_guard_judge_spoilt(&guard, 1000), PAWL_GUARD_ROLL_BACK);
        pawl_guard_note_sound(&guard, 900); /* what is gone back to */
        judge_many(PAWL_GUARD_GOOD_COUNT, false, 1.0);
    }
    ck_assert_int_eq(pawl_guard_judge_spoilt(&guard, 950), PAWL_GUARD_GIVE_UP);
}
END_TEST

START_TEST(a_sound_state_as_far_on_is_progress)
{
    for (uint64_t i = 1; i <= 10; i++) {
        ck_assert_int_eq(pawl_guard_judge_spoilt(&guard, i * 1000), PAWL_GUARD_ROLL_BACK);
        pawl_guard_note_sound(&guard, i * 1000);
    }
}
END_TEST

START_TEST(a_state_in_trouble_is_not_good)
{
    judge_many(60, false, 1.0);
    ck_assert(!pawl_guard_is_in_trouble(&guard));
    judge_many(1, false, 101.0);
    ck_assert(pawl_guard_is_in_trouble(&guard));
    judge_many(1, false, 1.0);
    ck_assert(!pawl_guard_is_in_trouble(&guard));
    judge_many(1, true, 1.0);
    ck_assert(pawl_guard_is_in_trouble(&guard));
    ck_assert_int_eq(judge_many(60, false, 1.0), PAWL_GUARD_GO_ON);
}
END_TEST

START_TEST(three_times_back_without_progress_is_the_end)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(judge_many(3, true, 1.0), PAWL_GUARD_ROLL_BACK);
    ck_assert_int_eq(judge_many(3, true, 1.0), PAWL_GUARD_GIVE_UP);
}
END_TEST

START_TEST(a_good_state_in_between_counts_as_progress)
{
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(judge_many(3, true, 1.0), PAWL_GUARD_ROLL_BACK);
        ck_assert_int_eq(judge_many(PAWL_GUARD_GOOD_COUNT, false, 1.0), PAWL_GUARD_GOOD);
    }
}
END_TEST

START_TEST(high_gradients_count_in_a_row_alone)
{
    judge_many(50, false, 1.0);
    for (uint32_t i = 1; i < 3 * PAWL_GUARD_HIGH_MAX; i++) {
        double norm = i % PAWL_GUARD_HIGH_MAX == 0 ? 1.0 : 101.0;
        ck_assert_int_eq(judge_many(1, false, norm), PAWL_GUARD_GO_ON);
    }
}
END_TEST

START_TEST(a_high_gradient_puts_off_the_good_state)
{
    judge_many(PAWL_GUARD_GOOD_COUNT - 1, false, 1.0);
    judge_many(1, false, 101.0);
    ck_assert_int_eq(judge_many(PAWL_GUARD_GOOD_COUNT - 1, false, 1.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(1, false, 1.0), PAWL_GUARD_GOOD);
}
END_TEST

START_TEST(after_going_back_trouble_counts_from_nothing)
{
    judge_many(50, false, 1.0);
    ck_assert_int_eq(judge_many(PAWL_GUARD_HIGH_MAX, false, 101.0), PAWL_GUARD_ROLL_BACK);
    ck_assert_int_eq(judge_many(PAWL_GUARD_HIGH_MAX - 1, false, 101.0), PAWL_GUARD_GO_ON);
    ck_assert_int_eq(judge_many(1, false, 101.0), PAWL_GUARD_ROLL_BACK);
}
END_TEST

PAWL_TEST_MAIN("guard", states_that_are_spoilt_without_getting_further_are_the_end,
               a_sound_state_as_far_on_is_progress,
               a_hundred_updates_without_trouble_make_a_good_state,
               three_updates_in_a_row_that_are_not_finite_go_back,
               twenty_gradients_far_above_their_mean_go_back,
               a_gradient_that_grows_slowly_is_no_trouble, a_state_in_trouble_is_not_good,
               three_times_back_without_progress_is_the_end,
               a_good_state_in_between_counts_as_progress, high_gradients_count_in_a_row_alone,
               a_high_gradient_puts_off_the_good_state,
               after_going_back_trouble_counts_from_nothing)
