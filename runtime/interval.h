/* interval.h: how sure a mean or a share is that was measured n times: 95 % intervals.
 *
 *     struct pawl_interval of_mean = pawl_interval_mean(mean, sd, n);        Student's t
 *     struct pawl_interval of_share = pawl_interval_share(hits, n);          Wilson's
 *
 * Thread safety: no state.
 */
#ifndef PAWL_RUNTIME_INTERVAL_H
#define PAWL_RUNTIME_INTERVAL_H

#include <stdint.h>

struct pawl_interval {
    double low, high;
};

/* mean -+ t sd / sqrt(n), t the 97.5 % quantile at n - 1 degrees of freedom and sd the standard
 * deviation with n - 1 in its denominator. n = 1: infinite to both sides. */
struct pawl_interval pawl_interval_mean(double mean, double sd, uint64_t n);

/* The score interval: right, too, near 0 and 1, and for small n. n = 0: all of 0 .. 1. */
struct pawl_interval pawl_interval_share(uint64_t hits, uint64_t n);

/* The t that Student's distribution stays below with probability 0.975; freedom from 1 on. */
double pawl_interval_t(uint64_t freedom);

#endif
