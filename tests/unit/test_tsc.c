#include "runtime/tsc.h"

#include <stdlib.h>
#include <string.h>

#include "support/test.h"

/* A machine whose time passes only here: a tick lasts 0.4 ns at first. */
static uint64_t fake_ns;
static double fake_ticks, ticks_per_ns;
static bool fake_is_invariant;

static void pass_ns(uint64_t duration_ns)
{
    fake_ns += duration_ns;
    fake_ticks += ticks_per_ns * (double)duration_ns;
}

static bool read_is_invariant(void)
{
    return fake_is_invariant;
}

static uint64_t read_ticks(void)
{
    pass_ns(10);
    return (uint64_t)fake_ticks;
}

static uint64_t read_now_ns(void)
{
    pass_ns(20);
    return fake_ns;
}

/* What the counter does at the n-th sleep of a calibration. */
static int sleep_count, sleep_of_change;
static double new_ticks_per_ns, new_ticks;

static void sleep_ns(uint64_t duration_ns)
{
    if (++sleep_count == sleep_of_change) {
        ticks_per_ns = new_ticks_per_ns;
        fake_ticks = new_ticks;
    }
    pass_ns(duration_ns + 77 * PAWL_NS_PER_US);
}

static const struct pawl_tsc_source fake = {
    .is_invariant = read_is_invariant,
    .read_ticks = read_ticks,
    .now_ns = read_now_ns,
    .sleep_ns = sleep_ns,
};

static struct pawl_tsc calibrated(void)
{
    struct pawl_tsc tsc;
    fake_is_invariant = true;
    fake_ns = 5 * PAWL_NS_PER_S;
    fake_ticks = 1e15;
    ticks_per_ns = 2.5;
    sleep_count = 0;
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, &fake);
    return tsc;
}

START_TEST(ticks_become_the_time_of_the_monotonic_clock)
{
    struct pawl_tsc tsc = calibrated();
    ck_assert_ptr_null(tsc.fallback_reason);
    pass_ns(PAWL_NS_PER_S);
    int64_t ahead_ns = (int64_t)(pawl_tsc_to_ns(&tsc, (uint64_t)fake_ticks) - fake_ns);
    /* 30 ns of uncertainty over a window of 10 ms are 3 us in a second. */
    ck_assert_int_le(llabs(ahead_ns), 6000);
}
END_TEST

START_TEST(ticks_from_before_the_calibration_are_earlier)
{
    struct pawl_tsc tsc = calibrated();
    ck_assert_uint_eq(pawl_tsc_to_ns(&tsc, tsc.base_ticks), tsc.base_ns);
    uint64_t earlier_ns = pawl_tsc_to_ns(&tsc, tsc.base_ticks - 2500000);
    ck_assert_int_le(llabs((int64_t)(tsc.base_ns - earlier_ns) - 1000000), 20);
}
END_TEST

START_TEST(a_processor_without_an_invariant_counter_falls_back)
{
    struct pawl_tsc tsc;
    fake_is_invariant = false;
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, &fake);
    ck_assert_str_eq(tsc.fallback_reason, "this processor has no invariant time stamp counter");

    uint64_t before_ns = pawl_clock_now_ns();
    uint64_t read_ns = pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc));
    ck_assert_uint_le(before_ns, read_ns);
    ck_assert_uint_le(read_ns, pawl_clock_now_ns());
    ck_assert_int_eq(pawl_tsc_check(&tsc), 0);
}
END_TEST

START_TEST(a_counter_that_changes_its_rate_is_not_trusted)
{
    sleep_of_change = 2;
    new_ticks = 1e15 + 5e6 * 2.5;
    new_ticks_per_ns = 2.6;
    struct pawl_tsc tsc = calibrated();
    ck_assert_str_eq(tsc.fallback_reason,
                     "the time stamp counter does not agree with the monotonic clock");
}
END_TEST

START_TEST(a_counter_that_goes_back_is_not_trusted)
{
    sleep_of_change = 1;
    new_ticks = 1e12;
    new_ticks_per_ns = 2.5;
    struct pawl_tsc tsc = calibrated();
    ck_assert_str_eq(tsc.fallback_reason,
                     "the time stamp counter does not advance with the clock");
}
END_TEST

START_TEST(a_check_says_how_far_apart_they_are_and_begins_anew)
{
    struct pawl_tsc tsc = calibrated();
    pass_ns(PAWL_NS_PER_S);
    fake_ns -= 300 * PAWL_NS_PER_US; /* NTP slewed the clock by 300 ppm */
    int64_t ahead_ns = pawl_tsc_check(&tsc);
    ck_assert_ptr_null(tsc.fallback_reason);
    ck_assert_int_le(llabs(ahead_ns - 300000), 6000);
    ck_assert_uint_lt(fake_ns - tsc.base_ns, PAWL_NS_PER_MS);
    ck_assert_int_le(llabs((int64_t)(pawl_tsc_to_ns(&tsc, (uint64_t)fake_ticks) - fake_ns)),
                     60);
}
END_TEST

START_TEST(a_counter_that_went_astray_is_given_up_for_good)
{
    struct pawl_tsc tsc = calibrated();
    fake_ticks = 12345; /* as after a suspend */
    pass_ns(PAWL_NS_PER_S);
    ck_assert_int_eq(pawl_tsc_check(&tsc), 0);
    ck_assert_str_eq(tsc.fallback_reason,
                     "the time stamp counter went astray from the monotonic clock");
    ck_assert_int_eq(pawl_tsc_check(&tsc), 0);
}
END_TEST

START_TEST(the_machines_own_counter_agrees_or_says_why_not)
{
    struct pawl_tsc tsc;
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    for (int i = 0; i < 100; i++) {
        uint64_t before_ns = pawl_clock_now_ns();
        uint64_t read_ns = pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc));
        uint64_t after_ns = pawl_clock_now_ns();
        /* A loaded machine calibrates badly; a wrong unit or base is wrong by far more. */
        ck_assert_uint_ge(read_ns + 10 * PAWL_NS_PER_MS, before_ns);
        ck_assert_uint_le(read_ns, after_ns + 10 * PAWL_NS_PER_MS);
    }
    if (tsc.fallback_reason)
        ck_assert_uint_gt(strlen(tsc.fallback_reason), 0);
}
END_TEST

PAWL_TEST_MAIN("tsc", ticks_become_the_time_of_the_monotonic_clock,
               ticks_from_before_the_calibration_are_earlier,
               a_processor_without_an_invariant_counter_falls_back,
               a_counter_that_changes_its_rate_is_not_trusted,
               a_counter_that_goes_back_is_not_trusted,
               a_check_says_how_far_apart_they_are_and_begins_anew,
               a_counter_that_went_astray_is_given_up_for_good,
               the_machines_own_counter_agrees_or_says_why_not)
