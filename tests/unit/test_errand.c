#include "runtime/errand.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>

#include "runtime/clock.h"
#include "support/test.h"

#define HANG_NS (20 * PAWL_NS_PER_S)

static atomic_bool may_return;

static int answer(void *arg, struct pawl_err *err)
{
    int *value = arg;
    while (!atomic_load(&may_return))
        sched_yield();
    if (*value == 0)
        return pawl_err_set(err, ENODEV, "no such disk");
    *value += 1;
    return 0;
}

START_TEST(the_caller_goes_on_until_it_has_returned)
{
    struct pawl_errand errand = {0};
    int value = 41;
    ck_assert(pawl_errand_poll(&errand));
    atomic_store(&may_return, false);
    ck_assert_int_eq(pawl_errand_begin(&errand, answer, &value, NULL), 0);
    ck_assert(!pawl_errand_poll(&errand));
    ck_assert(!pawl_errand_wait(&errand, pawl_clock_now_ns() + PAWL_NS_PER_MS));
    atomic_store(&may_return, true);
    ck_assert(pawl_errand_wait(&errand, pawl_clock_now_ns() + HANG_NS));
    ck_assert_int_eq(pawl_errand_end(&errand, NULL), 0);
    ck_assert_int_eq(value, 42);
    ck_assert(pawl_errand_poll(&errand));
}
END_TEST

START_TEST(its_failure_comes_with_its_text)
{
    struct pawl_errand errand = {0};
    struct pawl_err err = {0};
    int value = 0;
    atomic_store(&may_return, true);
    ck_assert_int_eq(pawl_errand_begin(&errand, answer, &value, NULL), 0);
    ck_assert(pawl_errand_wait(&errand, pawl_clock_now_ns() + HANG_NS));
    ck_assert_int_eq(pawl_errand_end(&errand, &err), -ENODEV);
    ck_assert_str_eq(err.text, "no such disk");
    ck_assert_ptr_null(errand.state);
}
END_TEST

PAWL_TEST_MAIN("errand", the_caller_goes_on_until_it_has_returned,
               its_failure_comes_with_its_text)
