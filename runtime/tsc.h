/* tsc.h: the monotonic clock at half the price, from the processor's own counter.
 *
 *     struct pawl_tsc tsc;
 *     pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
 *     if (tsc.fallback_reason)
 *         ... say so once; everything below still works ...
 *     uint64_t before = pawl_tsc_read(&tsc);
 *     ... what is measured ...
 *     record(pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc)) - pawl_tsc_to_ns(&tsc, before));
 *
 * The counter is used only where CPUID calls it invariant and two measurements against the
 * monotonic clock agree; elsewhere a reading is the monotonic clock itself and the reason is
 * kept. It is for measuring short spans; deadlines stay on pawl_clock_now_ns(). The monotonic
 * clock is slewed by NTP and the counter is not: pawl_tsc_check() now and then brings both
 * together again.
 *
 * Thread safety: reading is free for all; calibrate and check are for the owner while nobody
 * else reads, so a thread that checks keeps a copy of its own.
 */
#ifndef PAWL_RUNTIME_TSC_H
#define PAWL_RUNTIME_TSC_H

#include "runtime/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_TSC_WINDOW_NS (10 * PAWL_NS_PER_MS)

/* Where ticks and time come from. The machine's own is the default; a test brings one that
 * misbehaves. */
struct pawl_tsc_source {
    bool (*is_invariant)(void);
    uint64_t (*read_ticks)(void);
    uint64_t (*now_ns)(void);
    void (*sleep_ns)(uint64_t duration_ns);
};

struct pawl_tsc {
    uint64_t base_ticks; /* this tick was at base_ns on the monotonic clock */
    uint64_t base_ns;
    int64_t ns_per_tick_q32;     /* 2^32 times the length of a tick */
    uint64_t uncertainty_ns;     /* how exactly base_ticks and base_ns are the same instant */
    const char *fallback_reason; /* NULL while the counter is used; a constant sentence */
    const struct pawl_tsc_source *source;
};

/* Measures the counter for about `window_ns`, asleep. `source` NULL: this machine's; it is
 * borrowed for as long as the tsc is used. Cannot fail: it falls back. */
void pawl_tsc_calibrate(struct pawl_tsc *tsc, uint64_t window_ns,
                        const struct pawl_tsc_source *source);

/* How far the counter is ahead of the monotonic clock since the last calibration or check, in
 * ns; begins anew from here. A counter that went astray (reset by a suspend, say) is given up
 * for good: fallback_reason is set and the result is 0. */
int64_t pawl_tsc_check(struct pawl_tsc *tsc);

/* Not a serializing instruction: the processor may move it by some tens of ns. */
static inline uint64_t pawl_tsc_read(const struct pawl_tsc *tsc)
{
#ifdef __x86_64__
    if (!tsc->fallback_reason)
        return __builtin_ia32_rdtsc();
#else
    (void)tsc;
#endif
    return pawl_clock_now_ns();
}

/* The instant on the monotonic clock. Ticks from before the last check stay valid, unless that
 * check fell back. */
static inline uint64_t pawl_tsc_to_ns(const struct pawl_tsc *tsc, uint64_t ticks)
{
    if (tsc->fallback_reason)
        return ticks;
    __extension__ __int128 since_q32 = (int64_t)(ticks - tsc->base_ticks);
    since_q32 *= tsc->ns_per_tick_q32;
    return tsc->base_ns + (uint64_t)(int64_t)(since_q32 >> 32);
}

#endif
