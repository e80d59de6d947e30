#include "shm/run_progress.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"
#include "support/test.h"

#define S PAWL_NS_PER_S

static struct pawl_run_figures figures;
static struct pawl_run_progress progress;
static uint64_t now_ns;

static void open_at(uint64_t at_ns)
{
    now_ns = at_ns;
    figures = (struct pawl_run_figures){0};
    pawl_run_progress_start(&progress, &figures, now_ns);
}

/* One second in which so many steps are taken. */
static void pass(uint64_t steps)
{
    now_ns += S;
    figures.actor_counts[PAWL_ACTOR_STAT_ENV_STEPS] += steps;
    pawl_run_progress_sample(&progress, &figures, now_ns);
}

START_TEST(the_rate_is_that_of_the_window)
{
    open_at(1000 * S);
    ck_assert_double_eq(pawl_run_progress_rate_hz(&progress, 10), 0.0);
    for (int i = 0; i < 100; i++)
        pass(10);
    for (int i = 0; i < 10; i++)
        pass(70);
    ck_assert_double_eq(pawl_run_progress_rate_hz(&progress, 10), 70.0);
    ck_assert_double_eq(pawl_run_progress_rate_hz(&progress, 60), 20.0);
}
END_TEST

START_TEST(the_rate_of_a_young_run_is_that_of_its_life)
{
    open_at(1000 * S);
    pass(30);
    pass(50);
    ck_assert_double_eq(pawl_run_progress_rate_hz(&progress, 60), 40.0);
}
END_TEST

START_TEST(that_nothing_moves_is_told_once_and_its_end_too)
{
    open_at(1000 * S);
    pass(1);
    pass(0);
    pass(0);
    ck_assert_uint_eq(pawl_run_progress_still_ns(&progress, now_ns, 3 * S), 0);
    pass(0);
    ck_assert_uint_eq(pawl_run_progress_still_ns(&progress, now_ns, 3 * S), 3 * S);
    pass(0);
    ck_assert_uint_eq(pawl_run_progress_still_ns(&progress, now_ns, 3 * S), 0);
    ck_assert_uint_eq(pawl_run_progress_moved_ns(&progress), 0);
    pass(1);
    ck_assert_uint_eq(pawl_run_progress_moved_ns(&progress), 5 * S);
    ck_assert_uint_eq(pawl_run_progress_moved_ns(&progress), 0);
    pass(0);
    pass(0);
    pass(0);
    ck_assert_uint_eq(pawl_run_progress_still_ns(&progress, now_ns, 3 * S), 3 * S);
}
END_TEST

START_TEST(a_learner_that_works_moves)
{
    open_at(1000 * S);
    for (int i = 0; i < 10; i++) {
        figures.learner_counts[PAWL_LEARNER_STAT_UPDATES]++;
        pass(0);
        ck_assert_uint_eq(pawl_run_progress_still_ns(&progress, now_ns, 3 * S), 0);
    }
}
END_TEST

START_TEST(numbers_are_short)
{
    char text[PAWL_RUN_PROGRESS_TEXT_BYTES];
    ck_assert_str_eq(pawl_run_progress_number(0, text), "0");
    ck_assert_str_eq(pawl_run_progress_number(999, text), "999");
    ck_assert_str_eq(pawl_run_progress_number(12.34, text), "12.3");
    ck_assert_str_eq(pawl_run_progress_number(1000, text), "1.0 k");
    ck_assert_str_eq(pawl_run_progress_number(1234567, text), "1.2 M");
    ck_assert_str_eq(pawl_run_progress_number(999999, text), "1.0 M");
    ck_assert_str_eq(pawl_run_progress_number(2e18, text), "2000000.0 T");
}
END_TEST

START_TEST(a_line_says_what_there_is)
{
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    open_at(1000 * S);
    figures.actor_counts[PAWL_ACTOR_STAT_EPISODES] = 7;
    figures.actor_counts[PAWL_ACTOR_STAT_ACTIONS_CLAMPED] = 3;
    pass(1500);
    pawl_run_progress_print(&progress, &figures, &(struct pawl_run_progress_recent){0}, now_ns,
                            0, out);
    fclose(out);
    ck_assert_str_eq(text, "     1 s  1.5 k steps  1.5 k/s (10 s)  1.5 k/s (60 s)  episodes 7  "
                           "misses 0  clamped 3\n");
    free(text);
}
END_TEST

START_TEST(a_line_of_a_run_that_learns_says_how)
{
    static const struct pawl_run_progress_recent recent = {20, 15, -214.25};
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    open_at(1000 * S);
    for (int i = 0; i < 12; i++) {
        figures.learner_counts[PAWL_LEARNER_STAT_STEPS_INGESTED] += 100;
        if (i >= 5) /* steps before are worth nothing */
            figures.learner_counts[PAWL_LEARNER_STAT_UPDATES] += 200;
        pass(100);
    }
    figures.actor_counts[PAWL_ACTOR_STAT_SUCCESSES] = 15;
    pawl_run_progress_print(&progress, &figures, &recent, now_ns, 0, out);
    pawl_run_progress_print(&progress, &figures, &recent, now_ns, 120, out);
    pawl_run_progress_print(&progress, &figures, &recent, now_ns, 80, out);
    fclose(out);
    ck_assert_str_eq(text, "    12 s  1.2 k steps  100/s (10 s)  100/s (60 s)  episodes 0  "
                           "return -214.2  success 0.75  updates 1.4 k  140/s  ratio 2.00  "
                           "misses 0\n"
                           "    12 s  1.2 k steps  100/s (10 s)  episodes 0  "
                           "return -214.2  success 0.75  updates 1.4 k  140/s  ratio 2.00  "
                           "misses 0\n"
                           "    12 s  1.2 k steps  100/s (10 s)  episodes 0  "
                           "return -214.2  success 0.75  updates 1.4 k  140/s\n");
    free(text);
}
END_TEST

START_TEST(a_run_that_is_resumed_has_no_rate_for_what_was_before)
{
    open_at(1000 * S);
    figures.actor_counts[PAWL_ACTOR_STAT_ENV_STEPS] = 5000;
    pawl_run_progress_start(&progress, &figures, now_ns);
    pass(30);
    ck_assert_double_eq(pawl_run_progress_rate_hz(&progress, 10), 30.0);
}
END_TEST

START_TEST(what_was_before_is_no_movement)
{
    open_at(1000 * S);
    figures.actor_counts[PAWL_ACTOR_STAT_ENV_STEPS] = 5000;
    pawl_run_progress_start(&progress, &figures, now_ns);
    for (int i = 0; i < 3; i++)
        pass(0);
    ck_assert(!pawl_run_progress_has_moved(&progress));
    ck_assert_uint_eq(pawl_run_progress_still_ns(&progress, now_ns, 3 * S), 3 * S);
    pass(1);
    ck_assert(pawl_run_progress_has_moved(&progress));
}
END_TEST

PAWL_TEST_MAIN("run_progress", the_rate_is_that_of_the_window,
               the_rate_of_a_young_run_is_that_of_its_life,
               that_nothing_moves_is_told_once_and_its_end_too, a_learner_that_works_moves,
               numbers_are_short, a_line_says_what_there_is,
               a_line_of_a_run_that_learns_says_how,
               a_run_that_is_resumed_has_no_rate_for_what_was_before,
               what_was_before_is_no_movement)
