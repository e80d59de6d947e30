#include "runtime/tsc.h"

#include <stddef.h>
#include <time.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* The kernel slews the monotonic clock by at most 500 ppm; twice that is no slewing. */
#define DISAGREEMENT_PPM_MAX 1000u

#define PAIR_TRIES 32

static bool machine_is_invariant(void)
{
#ifdef __x86_64__
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007u, &eax, &ebx, &ecx, &edx) && (edx & 1u << 8);
#else
    return false;
#endif
}

static uint64_t machine_read_ticks(void)
{
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return pawl_clock_now_ns();
#endif
}

static void machine_sleep_ns(uint64_t duration_ns)
{
    struct timespec duration = {.tv_sec = (time_t)(duration_ns / PAWL_NS_PER_S),
                                .tv_nsec = (long)(duration_ns % PAWL_NS_PER_S)};
    /* A signal may cut it short; the window is measured, so that only costs exactness. */
    clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

static const struct pawl_tsc_source machine = {
    .is_invariant = machine_is_invariant,
    .read_ticks = machine_read_ticks,
    .now_ns = pawl_clock_now_ns,
    .sleep_ns = machine_sleep_ns,
};

/* One instant on both clocks; the true time of `ticks` is within uncertainty_ns of `ns`. */
struct pair {
    uint64_t ticks, ns, uncertainty_ns;
};

static struct pair read_pair(const struct pawl_tsc_source *source)
{
    struct pair best = {.uncertainty_ns = UINT64_MAX};

    /* The narrowest of several: an interrupt or the host can fall between two readings. */
    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before_ns = source->now_ns();
        uint64_t ticks = source->read_ticks();
        uint64_t width_ns = source->now_ns() - before_ns;
        if (width_ns < best.uncertainty_ns)
            best = (struct pair){
                .ticks = ticks, .ns = before_ns + width_ns / 2, .uncertainty_ns = width_ns};
    }
    return best;
}

static void begin_at(struct pawl_tsc *tsc, const struct pair *pair)
{
    tsc->base_ticks = pair->ticks;
    tsc->base_ns = pair->ns;
    tsc->uncertainty_ns = pair->uncertainty_ns;
}

/* False when no positive rate that fits 32 bits before the point leads from a to b. */
static bool set_rate(struct pawl_tsc *tsc, const struct pair *a, const struct pair *b)
{
    uint64_t ticks = b->ticks - a->ticks, ns = b->ns - a->ns;
    if ((int64_t)ticks <= 0 || (int64_t)ns <= 0)
        return false;
    unsigned __int128 rate_q32 = ((unsigned __int128)ns << 32) / ticks;
    if (rate_q32 == 0 || rate_q32 > INT64_MAX)
        return false;
    tsc->ns_per_tick_q32 = (int64_t)rate_q32;
    return true;
}

/* How far the counter is ahead at `pair`; false when that is more than slewing and reading
 * explain. */
static bool agrees(const struct pawl_tsc *tsc, const struct pair *pair, int64_t *ahead_ns)
{
    int64_t span_ns = (int64_t)(pair->ns - tsc->base_ns);
    *ahead_ns = (int64_t)(pawl_tsc_to_ns(tsc, pair->ticks) - pair->ns);
    uint64_t distance_ns = (uint64_t)(*ahead_ns < 0 ? -*ahead_ns : *ahead_ns);
    uint64_t slew_ns = span_ns > 0 ? (uint64_t)span_ns / 1000000u * DISAGREEMENT_PPM_MAX : 0;
    return distance_ns <= slew_ns + 2 * (tsc->uncertainty_ns + pair->uncertainty_ns);
}

void pawl_tsc_calibrate(struct pawl_tsc *tsc, uint64_t window_ns,
                        const struct pawl_tsc_source *source)
{
    *tsc = (struct pawl_tsc){.source = source ? source : &machine};
    if (!tsc->source->is_invariant()) {
        tsc->fallback_reason = "this processor has no invariant time stamp counter";
        return;
    }

    /* The first half gives a rate, the second has to confirm it, both together refine it. */
    struct pair start = read_pair(tsc->source);
    tsc->source->sleep_ns(window_ns / 2);
    struct pair middle = read_pair(tsc->source);
    begin_at(tsc, &start);
    if (!set_rate(tsc, &start, &middle)) {
        tsc->fallback_reason = "the time stamp counter does not advance with the clock";
        return;
    }
    tsc->source->sleep_ns(window_ns / 2);
    struct pair end = read_pair(tsc->source);
    int64_t ahead_ns;
    if (!agrees(tsc, &end, &ahead_ns) || !set_rate(tsc, &start, &end)) {
        tsc->fallback_reason = "the time stamp counter does not agree with the monotonic clock";
        return;
    }
    begin_at(tsc, &end);
}

int64_t pawl_tsc_check(struct pawl_tsc *tsc)
{
    if (tsc->fallback_reason)
        return 0;

    struct pair start = {.ticks = tsc->base_ticks, .ns = tsc->base_ns};
    struct pair now = read_pair(tsc->source);
    int64_t ahead_ns;
    if (!agrees(tsc, &now, &ahead_ns)) {
        tsc->fallback_reason = "the time stamp counter went astray from the monotonic clock";
        return 0;
    }
    /* A span shorter than the calibration's would make the rate worse. */
    if (now.ns - start.ns > PAWL_TSC_WINDOW_NS)
        set_rate(tsc, &start, &now);
    begin_at(tsc, &now);
    return ahead_ns;
}
