#include "runtime/pace.h"

#include <errno.h>

#include "support/test.h"

#define MS PAWL_NS_PER_MS
#define US PAWL_NS_PER_US

/* A clock that moves only when it is read or slept on. */
static struct {
    uint64_t now_ns, suspended_ns;
    uint64_t overslept_ns; /* how late the next sleeps wake */
    uint64_t slept_until_ns, sleep_count;
} fake;

static uint64_t fake_now_ns(void *context)
{
    (void)context;
    return fake.now_ns += 10;
}

static void fake_sleep_until_ns(void *context, uint64_t deadline_ns)
{
    (void)context;
    ck_assert_uint_gt(deadline_ns, fake.now_ns);
    fake.now_ns = deadline_ns + fake.overslept_ns;
    fake.slept_until_ns = deadline_ns;
    fake.sleep_count++;
}

static uint64_t fake_suspended_ns(void *context)
{
    (void)context;
    return fake.suspended_ns;
}

static const struct pawl_pace_clock fake_clock = {
    .now_ns = fake_now_ns,
    .sleep_until_ns = fake_sleep_until_ns,
    .suspended_ns = fake_suspended_ns,
};

static struct pawl_pace started(uint64_t period_ns, uint64_t spin_ns_max)
{
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg(period_ns);
    cfg.spin_ns_max = spin_ns_max;
    cfg.gap_ns = 5 * PAWL_NS_PER_S;
    cfg.clock = &fake_clock;
    fake.now_ns = 1000 * PAWL_NS_PER_S;

    struct pawl_pace pace;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_pace_start(&pace, &cfg, &err) == 0, "%s", err.text);
    return pace;
}

START_TEST(ticks_come_on_a_grid_that_lateness_does_not_move)
{
    struct pawl_pace pace = started(10 * MS, 0);
    uint64_t first_due_ns = pace.due_ns;
    fake.overslept_ns = 77 * US;
    for (uint64_t i = 0; i < 1000; i++) {
        struct pawl_pace_tick tick = pawl_pace_wait(&pace);
        ck_assert_uint_eq(fake.slept_until_ns, first_due_ns + i * 10 * MS);
        ck_assert_uint_eq(tick.skipped_count, 0);
        ck_assert_uint_ge(tick.lateness_ns, 77 * US);
        ck_assert_uint_le(tick.lateness_ns, 78 * US);
    }
    ck_assert_uint_eq(pace.tick_count, 1000);
    ck_assert_uint_eq(pace.skipped_count, 0);
}
END_TEST

START_TEST(a_late_tick_runs_at_once_and_the_next_one_on_time)
{
    struct pawl_pace pace = started(10 * MS, 0);
    pawl_pace_wait(&pace);
    uint64_t due_ns = pace.due_ns;
    fake.now_ns = due_ns + 4 * MS; /* the work took 14 ms */
    fake.sleep_count = 0;

    struct pawl_pace_tick tick = pawl_pace_wait(&pace);
    ck_assert_uint_eq(fake.sleep_count, 0);
    ck_assert_uint_eq(tick.lateness_ns / US, 4000);
    ck_assert_uint_eq(tick.skipped_count, 0);

    tick = pawl_pace_wait(&pace);
    ck_assert_uint_eq(fake.slept_until_ns, due_ns + 10 * MS);
    ck_assert_uint_lt(tick.lateness_ns, US);
}
END_TEST

START_TEST(whole_periods_are_skipped_and_counted_and_the_grid_stays)
{
    struct pawl_pace pace = started(10 * MS, 0);
    pawl_pace_wait(&pace);
    uint64_t due_ns = pace.due_ns;
    fake.now_ns = due_ns + 25 * MS;

    struct pawl_pace_tick tick = pawl_pace_wait(&pace);
    ck_assert_uint_eq(tick.skipped_count, 2);
    ck_assert_uint_eq(tick.lateness_ns / US, 25000); /* what was due longest, not the last */
    ck_assert_uint_eq(tick.gap_ns, 0);
    ck_assert_uint_eq(pace.due_ns, due_ns + 30 * MS);

    tick = pawl_pace_wait(&pace);
    ck_assert_uint_eq(tick.skipped_count, 0);
    ck_assert_uint_eq(pace.skipped_count, 2);
    ck_assert_uint_eq(pace.tick_count, 3);
}
END_TEST

START_TEST(the_tail_is_learned_and_hides_the_timers_lateness)
{
    struct pawl_pace pace = started(MS, 200 * US);
    for (int i = 0; i < 4000; i++) {
        fake.overslept_ns = i % 10 == 0 ? 60 * US : 30 * US;
        struct pawl_pace_tick tick = pawl_pace_wait(&pace);
        if (i >= 2000)
            ck_assert_uint_lt(tick.lateness_ns, US);
    }
    ck_assert_uint_ge(pace.spin_ns, 59 * US);
    ck_assert_uint_le(pace.spin_ns, 70 * US);
}
END_TEST

START_TEST(one_long_hiccup_does_not_make_the_tail_long)
{
    struct pawl_pace pace = started(10 * MS, 200 * US);
    fake.overslept_ns = 20 * US;
    for (int i = 0; i < 4000; i++)
        pawl_pace_wait(&pace);
    uint64_t before_ns = pace.spin_ns;
    fake.overslept_ns = 4 * MS;
    pawl_pace_wait(&pace);
    ck_assert_uint_le(pace.spin_ns, before_ns + 10 * US);
}
END_TEST

START_TEST(the_tail_is_never_longer_than_allowed)
{
    struct pawl_pace pace = started(10 * MS, 50 * US);
    fake.overslept_ns = MS;
    for (int i = 0; i < 100; i++) {
        uint64_t due_ns = pace.due_ns;
        pawl_pace_wait(&pace);
        ck_assert_uint_le(pace.spin_ns, 50 * US);
        ck_assert_uint_ge(fake.slept_until_ns, due_ns - 50 * US);
    }
}
END_TEST

START_TEST(without_a_tail_it_never_spins)
{
    struct pawl_pace pace = started(10 * MS, 0);
    fake.overslept_ns = 30 * US;
    for (int i = 0; i < 100; i++) {
        uint64_t due_ns = pace.due_ns;
        pawl_pace_wait(&pace);
        ck_assert_uint_eq(fake.slept_until_ns, due_ns);
        ck_assert_uint_eq(pace.spin_ns, 0);
    }
}
END_TEST

START_TEST(a_tick_never_comes_early)
{
    struct pawl_pace pace = started(MS, 200 * US);
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t due_ns = pace.due_ns;
        fake.overslept_ns = i * 7919 % (90 * US);
        pawl_pace_wait(&pace);
        ck_assert_uint_ge(fake.now_ns, due_ns);
    }
}
END_TEST

START_TEST(a_gap_longer_than_all_deadlines_begins_the_grid_anew_once)
{
    struct pawl_pace pace = started(10 * MS, 0);
    pawl_pace_wait(&pace);
    fake.now_ns += 60 * PAWL_NS_PER_S; /* a debugger held us */

    struct pawl_pace_tick tick = pawl_pace_wait(&pace);
    ck_assert_uint_ge(tick.gap_ns, 59 * PAWL_NS_PER_S);
    ck_assert_uint_eq(tick.lateness_ns, 0);
    ck_assert_uint_eq(tick.skipped_count, 0);
    ck_assert_uint_le(pace.due_ns - fake.now_ns, 10 * MS);

    tick = pawl_pace_wait(&pace);
    ck_assert_uint_eq(tick.gap_ns, 0);
    ck_assert_uint_lt(tick.lateness_ns, US);
    ck_assert_uint_eq(pace.gap_count, 1);
    ck_assert_uint_eq(pace.skipped_count, 0);
}
END_TEST

START_TEST(a_suspend_is_a_gap_although_the_monotonic_clock_stood_still)
{
    struct pawl_pace pace = started(10 * MS, 0);
    pawl_pace_wait(&pace);
    fake.suspended_ns += 3600 * PAWL_NS_PER_S;
    ck_assert_uint_ge(pawl_pace_wait(&pace).gap_ns, 3600 * PAWL_NS_PER_S);
    ck_assert_uint_eq(pawl_pace_wait(&pace).gap_ns, 0);
    ck_assert_uint_eq(pace.gap_count, 1);
}
END_TEST

START_TEST(a_gap_of_zero_makes_no_gap_special)
{
    struct pawl_pace pace = started(10 * MS, 0);
    pace.cfg.gap_ns = 0;
    fake.now_ns = pace.due_ns + 60 * PAWL_NS_PER_S;
    struct pawl_pace_tick tick = pawl_pace_wait(&pace);
    ck_assert_uint_eq(tick.gap_ns, 0);
    ck_assert_uint_eq(tick.skipped_count, 6000);
}
END_TEST

START_TEST(what_cannot_be_paced_is_refused)
{
    static const struct {
        struct pawl_pace_cfg cfg;
        const char *says;
    } cases[] = {
        {{.period_ns = 0}, "pace: a period of 0 ns is not between 1 us and 1 h"},
        {{.period_ns = 3601 * PAWL_NS_PER_S},
         "pace: a period of 3601000000000 ns is not between 1 us and 1 h"},
        {{.period_ns = MS, .gap_ns = MS},
         "pace: a gap of 1000000 ns is not longer than the period of 1000000 ns"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_pace pace;
        struct pawl_err err = {0};
        ck_assert_int_eq(pawl_pace_start(&pace, &cases[i].cfg, &err), -EINVAL);
        ck_assert_str_eq(err.text, cases[i].says);
    }
}
END_TEST

START_TEST(defaults_suit_any_period)
{
    for (uint64_t period_ns = US; period_ns <= 3600 * PAWL_NS_PER_S; period_ns *= 10) {
        struct pawl_pace_cfg cfg = pawl_pace_default_cfg(period_ns);
        struct pawl_pace pace;
        ck_assert_int_eq(pawl_pace_start(&pace, &cfg, NULL), 0);
    }
}
END_TEST

START_TEST(the_kernels_clock_does_the_same)
{
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg(MS);
    struct pawl_pace pace;
    ck_assert_int_eq(pawl_pace_start(&pace, &cfg, NULL), 0);
    uint64_t start_ns = pace.due_ns - MS;
    for (int i = 0; i < 50; i++) {
        uint64_t due_ns = pace.due_ns;
        struct pawl_pace_tick tick = pawl_pace_wait(&pace);
        ck_assert_uint_ge(pawl_clock_now_ns(), due_ns + tick.lateness_ns);
        ck_assert_uint_eq((pace.due_ns - start_ns) % MS, 0);
    }
    ck_assert_uint_eq((pace.due_ns - start_ns) / MS, 51 + pace.skipped_count);
}
END_TEST

PAWL_TEST_MAIN("pace", ticks_come_on_a_grid_that_lateness_does_not_move,
               a_late_tick_runs_at_once_and_the_next_one_on_time,
               whole_periods_are_skipped_and_counted_and_the_grid_stays,
               the_tail_is_learned_and_hides_the_timers_lateness,
               one_long_hiccup_does_not_make_the_tail_long,
               the_tail_is_never_longer_than_allowed, without_a_tail_it_never_spins,
               a_tick_never_comes_early,
               a_gap_longer_than_all_deadlines_begins_the_grid_anew_once,
               a_suspend_is_a_gap_although_the_monotonic_clock_stood_still,
               a_gap_of_zero_makes_no_gap_special, what_cannot_be_paced_is_refused,
               defaults_suit_any_period, the_kernels_clock_does_the_same)
