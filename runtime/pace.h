/* pace.h: a loop that runs at a fixed rate.
 *
 *     struct pawl_pace_cfg cfg = pawl_pace_default_cfg(100 * PAWL_NS_PER_MS);
 *     struct pawl_pace pace;
 *     if (pawl_pace_start(&pace, &cfg, &err) != 0)
 *         ...
 *     while (!stopped) {
 *         struct pawl_pace_tick tick = pawl_pace_wait(&pace);
 *         record(tick.lateness_ns);
 *         work();
 *     }
 *
 * The schedule is a grid, start + k * period. It never moves because one tick was late, so
 * delays do not add up, and lateness is what the schedule's reader sees:
 *
 *     grid:    0       1       2       3       4       5       6
 *     ticks:   0       1             2..3.............5        6
 *                                    ^ at once, late  ^ late, one whole period skipped
 *
 * A tick whose time has passed runs at once; when whole periods have passed, the latest of
 * them runs and the others are skipped and counted. A gap longer than any deadline (suspend,
 * debugger, SIGSTOP) is not lateness: the grid begins anew from now, once, and the tick says
 * so.
 *
 * The kernel's timer wakes late by a time that differs between machines. The pace learns its
 * 99th percentile, sleeps that much shorter and spins the rest, never more than spin_ns_max
 * per tick.
 *
 * Thread safety: one thread, the one that started it.
 */
#ifndef PAWL_RUNTIME_PACE_H
#define PAWL_RUNTIME_PACE_H

#include "runtime/clock.h"
#include "runtime/err.h"

#include <stdint.h>

/* The clocks a pace lives by. NULL in the configuration means the kernel's; a test brings a
 * clock of its own. */
struct pawl_pace_clock {
    uint64_t (*now_ns)(void *context);
    void (*sleep_until_ns)(void *context, uint64_t deadline_ns);
    /* The sum of all suspends so far: the monotonic clock stands still in them. */
    uint64_t (*suspended_ns)(void *context);
    void *context;
};

struct pawl_pace_cfg {
    uint64_t period_ns;   /* 1 us to 1 h */
    uint64_t spin_ns_max; /* 0: never spin; right where loops outnumber cores */
    uint64_t gap_ns;      /* longer than any deadline of the caller; 0: no gap is special */
    const struct pawl_pace_clock *clock; /* borrowed */
};

struct pawl_pace_tick {
    uint64_t lateness_ns;   /* of the oldest tick that was due, against the schedule */
    uint64_t skipped_count; /* periods that got no tick since the last one */
    uint64_t gap_ns;        /* 0, or how long everything stood still; the rest is 0 then */
};

struct pawl_pace {
    struct pawl_pace_cfg cfg;
    uint64_t due_ns;       /* of the next tick; always on the grid */
    uint64_t spin_ns;      /* as learned so far */
    uint64_t suspended_ns; /* at the last tick */

    uint64_t tick_count;
    uint64_t skipped_count;
    uint64_t gap_count;
};

struct pawl_pace_cfg pawl_pace_default_cfg(uint64_t period_ns);

/* The first tick is due one period from now. With the kernel's clock this takes the calling
 * thread's timer slack away (50 us by default, which would be added to each sleep). */
int pawl_pace_start(struct pawl_pace *pace, const struct pawl_pace_cfg *cfg,
                    struct pawl_err *err);

/* Returns when the next tick is due, or at once when it is overdue. */
struct pawl_pace_tick pawl_pace_wait(struct pawl_pace *pace);

#endif
