/* clock.h: what time it is.
 *
 * Every deadline, age and duration is on the monotonic clock, in nanoseconds. The wall clock is
 * a label for people and files; no decision depends on it.
 */
#ifndef PAWL_RUNTIME_CLOCK_H
#define PAWL_RUNTIME_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_NS_PER_US 1000ull
#define PAWL_NS_PER_MS 1000000ull
#define PAWL_NS_PER_S  1000000000ull

/* CLOCK_MONOTONIC: the same for all processes of the machine. */
uint64_t pawl_clock_now_ns(void);

/* CLOCK_REALTIME, a label. */
uint64_t pawl_clock_wall_ns(void);

#ifdef __cplusplus
}
#endif

#endif
