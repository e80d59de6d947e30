#include "runtime/affinity.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "support/test.h"

static cpu_set_t before;
static int64_t allowed[CPU_SETSIZE];
static size_t allowed_count;

static void look(void)
{
    allowed_count = 0;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &before))
            allowed[allowed_count++] = (int64_t)cpu;
}

START_TEST(the_processors_that_are_named_are_the_only_ones)
{
    struct pawl_err err = {0};
    cpu_set_t after;
    look();
    ck_assert_int_eq(pawl_affinity_set(&allowed[allowed_count - 1], 1, "x.cpus", &err), 0);
    ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
    ck_assert_int_eq(CPU_COUNT(&after), 1);
    ck_assert(CPU_ISSET((size_t)allowed[allowed_count - 1], &after));
    ck_assert_int_eq(pawl_affinity_set(allowed, allowed_count, "x.cpus", &err), 0);
    ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
    ck_assert(CPU_EQUAL(&after, &before));
}
END_TEST

START_TEST(none_named_leaves_it_as_it_is)
{
    cpu_set_t after;
    look();
    ck_assert_int_eq(pawl_affinity_set(NULL, 0, "x.cpus", NULL), 0);
    ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
    ck_assert(CPU_EQUAL(&after, &before));
}
END_TEST

START_TEST(a_processor_that_is_not_there_is_named_with_its_key)
{
    struct pawl_err err = {0};
    const int64_t high = CPU_SETSIZE - 1, beyond = CPU_SETSIZE;
    look();
    if (!CPU_ISSET((size_t)high, &before)) {
        ck_assert_int_eq(pawl_affinity_set(&high, 1, "x.cpus", &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "x.cpus: processor 1023"));
        ck_assert_ptr_nonnull(strstr(err.text, "; there are "));
    }
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_affinity_set(&beyond, 1, "x.cpus", &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "x.cpus: processor 1024, must be 0 to 1023"));
}
END_TEST

PAWL_TEST_MAIN("affinity", the_processors_that_are_named_are_the_only_ones,
               none_named_leaves_it_as_it_is,
               a_processor_that_is_not_there_is_named_with_its_key)
