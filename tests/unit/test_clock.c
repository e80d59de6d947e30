#include "runtime/clock.h"

#include <time.h>

#include "support/test.h"

START_TEST(now_never_goes_back)
{
    uint64_t before_ns = pawl_clock_now_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now_ns = pawl_clock_now_ns();
        ck_assert_uint_ge(now_ns, before_ns);
        before_ns = now_ns;
    }
}
END_TEST

START_TEST(now_is_the_clock_that_every_process_has)
{
    struct timespec spec;
    uint64_t before_ns = pawl_clock_now_ns();
    ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &spec), 0);
    uint64_t between_ns = (uint64_t)spec.tv_sec * PAWL_NS_PER_S + (uint64_t)spec.tv_nsec;
    ck_assert_uint_le(before_ns, between_ns);
    ck_assert_uint_le(between_ns, pawl_clock_now_ns());
}
END_TEST

START_TEST(wall_time_is_the_calendar)
{
    uint64_t before_s = (uint64_t)time(NULL);
    uint64_t wall_s = pawl_clock_wall_ns() / PAWL_NS_PER_S;
    /* time() may be a tick behind; a clock that is set while we run is not our business. */
    ck_assert_uint_ge(wall_s, before_s);
    ck_assert_uint_le(wall_s, before_s + 3600);
}
END_TEST

PAWL_TEST_MAIN("clock", now_never_goes_back, now_is_the_clock_that_every_process_has,
               wall_time_is_the_calendar)
