/* bench.h: what all benches share: two clocks, and figures printed as `name value unit`.
 *
 *     static double took_ns[RUN_COUNT];
 *     for (size_t run = 0; run < RUN_COUNT; run++) {
 *         double start_ns = bench_now_ns();
 *         work();
 *         took_ns[run] = bench_now_ns() - start_ns;
 *     }
 *     bench_print_spread("work_us", took_ns, RUN_COUNT, 1e-3, "us");
 *
 *     work_us 12.300 us           the median
 *     work_us_p99 15.125 us
 */
#ifndef PAWL_TEST_BENCH_H
#define PAWL_TEST_BENCH_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/clock.h"

static inline double bench_now_ns(void)
{
    return (double)pawl_clock_now_ns();
}

/* The processor time of this thread: what a call costs it, without being preempted. */
static inline double bench_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline void bench_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), bench_compare);
}

/* Of sorted values, nearest rank; count is at least 1. */
static inline double bench_percentile(const double *sorted, size_t count, double percent)
{
    size_t index = (size_t)((double)count * percent / 100.0);
    return sorted[index < count ? index : count - 1];
}

static inline void bench_print(const char *name, double value, const char *unit)
{
    printf(value == floor(value) ? "%s %.0f %s\n" : "%s %.3f %s\n", name, value, unit);
}

/* Sorts the values; NAME is the median and NAME_p99 the 99th percentile, times `scale`. */
static inline void bench_print_spread(const char *name, double *values, size_t count,
                                      double scale, const char *unit)
{
    char p99_name[128];
    bench_sort(values, count);
    snprintf(p99_name, sizeof(p99_name), "%s_p99", name);
    bench_print(name, bench_percentile(values, count, 50) * scale, unit);
    bench_print(p99_name, bench_percentile(values, count, 99) * scale, unit);
}

#endif
