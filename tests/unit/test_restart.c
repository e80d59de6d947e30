#include "runtime/restart.h"

#include <errno.h>
#include <string.h>

#include "runtime/clock.h"
#include "support/test.h"

#define MS PAWL_NS_PER_MS
#define S  PAWL_NS_PER_S

static struct pawl_restart restart;
static uint64_t now_ns;

static void setup(struct pawl_restart_cfg cfg)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_restart_open(&restart, &cfg, &err) == 0, "%s", err.text);
    now_ns = 1000 * S;
    pawl_restart_started(&restart, now_ns);
}

/* Runs for run_ns, crashes, is started again when that is allowed; how long the pause was, or 0
 * for quarantine. */
static uint64_t crash_after(uint64_t run_ns)
{
    uint64_t start_ns = 0;
    now_ns += run_ns;
    if (!pawl_restart_crashed(&restart, now_ns, &start_ns))
        return 0;
    uint64_t pause_ns = start_ns - now_ns;
    now_ns = start_ns;
    pawl_restart_started(&restart, now_ns);
    return pause_ns;
}

START_TEST(the_fifth_crash_within_a_minute_is_the_last)
{
    setup(pawl_restart_default_cfg());
    ck_assert_uint_eq(crash_after(S), 50 * MS);
    ck_assert_uint_eq(crash_after(S), 100 * MS);
    ck_assert_uint_eq(crash_after(S), 200 * MS);
    ck_assert_uint_eq(crash_after(S), 400 * MS);
    ck_assert_uint_eq(crash_after(S), 0);
    ck_assert(restart.is_quarantined);
    ck_assert_uint_eq(crash_after(1000 * S), 0);
}
END_TEST

START_TEST(slow_crashing_backs_off_to_the_longest_pause_and_stays_there)
{
    setup(pawl_restart_default_cfg());
    static const uint64_t expected_ms[] = {50,   100,  200,  400,   800,
                                           1600, 3200, 6400, 10000, 10000};
    for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++)
        ck_assert_uint_eq(crash_after(20 * S), expected_ms[i] * MS);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(crash_after(20 * S), 10 * S);
}
END_TEST

START_TEST(a_quiet_window_starts_afresh)
{
    setup(pawl_restart_default_cfg());
    crash_after(S);
    crash_after(S);
    crash_after(S);
    ck_assert_uint_eq(crash_after(60 * S), 50 * MS);
    ck_assert_uint_eq(crash_after(60 * S - 1), 100 * MS);
}
END_TEST

START_TEST(crashes_exactly_a_window_apart_are_not_too_many)
{
    struct pawl_restart_cfg cfg = pawl_restart_default_cfg();
    cfg.crash_count_max = 2;
    setup(cfg);
    uint64_t start_ns;
    ck_assert(pawl_restart_crashed(&restart, now_ns, &start_ns));
    ck_assert(pawl_restart_crashed(&restart, now_ns + cfg.window_ns, &start_ns));
    ck_assert(!pawl_restart_crashed(&restart, now_ns + 2 * cfg.window_ns - 1, &start_ns));
}
END_TEST

START_TEST(a_limit_of_one_never_restarts)
{
    struct pawl_restart_cfg cfg = pawl_restart_default_cfg();
    cfg.crash_count_max = 1;
    setup(cfg);
    ck_assert_uint_eq(crash_after(S), 0);
}
END_TEST

START_TEST(the_largest_limit_counts_every_crash)
{
    struct pawl_restart_cfg cfg = {.pause_ns_min = 1,
                                   .pause_ns_max = 1,
                                   .window_ns = 60 * S,
                                   .crash_count_max = PAWL_RESTART_CRASH_COUNT_MAX};
    setup(cfg);
    for (int i = 0; i < PAWL_RESTART_CRASH_COUNT_MAX - 1; i++)
        ck_assert_uint_eq(crash_after(1), 1);
    ck_assert_uint_eq(crash_after(1), 0);
}
END_TEST

START_TEST(a_long_life_of_rare_crashes_is_remembered_rightly)
{
    setup(pawl_restart_default_cfg());
    for (int i = 0; i < 2 * PAWL_RESTART_CRASH_COUNT_MAX + 7; i++)
        ck_assert_uint_eq(crash_after(100 * S), 50 * MS);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_ne(crash_after(S), 0);
    ck_assert_uint_eq(crash_after(S), 0);
}
END_TEST

START_TEST(impossible_rules_are_refused)
{
    struct pawl_err err = {0};
    struct pawl_restart_cfg cfg = pawl_restart_default_cfg();
    cfg.pause_ns_min = cfg.pause_ns_max + 1;
    ck_assert_int_eq(pawl_restart_open(&restart, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "expected 0 < shortest <= longest"));
    cfg.pause_ns_min = 0;
    ck_assert_int_eq(pawl_restart_open(&restart, &cfg, NULL), -EINVAL);

    cfg = pawl_restart_default_cfg();
    cfg.crash_count_max = 33;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_restart_open(&restart, &cfg, &err), -EINVAL);
    ck_assert_str_eq(err.text, "restart limit of 33 crashes: expected 1 to 32");
    cfg.crash_count_max = 0;
    ck_assert_int_eq(pawl_restart_open(&restart, &cfg, NULL), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("restart", the_fifth_crash_within_a_minute_is_the_last,
               slow_crashing_backs_off_to_the_longest_pause_and_stays_there,
               a_quiet_window_starts_afresh, crashes_exactly_a_window_apart_are_not_too_many,
               a_limit_of_one_never_restarts, the_largest_limit_counts_every_crash,
               a_long_life_of_rare_crashes_is_remembered_rightly, impossible_rules_are_refused)
