#include "runtime/pace.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/prctl.h>
#include <time.h>

#define PERIOD_NS_MIN PAWL_NS_PER_US
#define PERIOD_NS_MAX (3600 * PAWL_NS_PER_S)

/* The learned tail goes up by 99 steps when a wake-up was later than it and down by one when
 * not, so it rests where one wake-up of a hundred is later. */
#define LEARN_STEP_NS 100u
#define LEARN_UP      99u

static uint64_t kernel_now_ns(void *context)
{
    (void)context;
    return pawl_clock_now_ns();
}

static void kernel_sleep_until_ns(void *context, uint64_t deadline_ns)
{
    (void)context;
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / PAWL_NS_PER_S),
                                .tv_nsec = (long)(deadline_ns % PAWL_NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
        ;
}

static uint64_t kernel_suspended_ns(void *context)
{
    (void)context;
    struct timespec boot = {0};
    uint64_t now_ns = pawl_clock_now_ns();
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (uint64_t)boot.tv_sec * PAWL_NS_PER_S + (uint64_t)boot.tv_nsec - now_ns;
}

static const struct pawl_pace_clock kernel_clock = {
    .now_ns = kernel_now_ns,
    .sleep_until_ns = kernel_sleep_until_ns,
    .suspended_ns = kernel_suspended_ns,
};

static void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

struct pawl_pace_cfg pawl_pace_default_cfg(uint64_t period_ns)
{
    return (struct pawl_pace_cfg){
        .period_ns = period_ns,
        .spin_ns_max = 200 * PAWL_NS_PER_US,
        .gap_ns = 5 * PAWL_NS_PER_S > 2 * period_ns ? 5 * PAWL_NS_PER_S : 2 * period_ns,
    };
}

int pawl_pace_start(struct pawl_pace *pace, const struct pawl_pace_cfg *cfg,
                    struct pawl_err *err)
{
    if (cfg->period_ns < PERIOD_NS_MIN || cfg->period_ns > PERIOD_NS_MAX)
        return pawl_err_set(err, EINVAL,
                            "pace: a period of %" PRIu64 " ns is not between 1 us and 1 h",
                            cfg->period_ns);
    if (cfg->gap_ns && cfg->gap_ns <= cfg->period_ns)
        return pawl_err_set(err, EINVAL,
                            "pace: a gap of %" PRIu64 " ns is not longer than the period of "
                            "%" PRIu64 " ns",
                            cfg->gap_ns, cfg->period_ns);

    *pace = (struct pawl_pace){.cfg = *cfg, .spin_ns = cfg->spin_ns_max};
    if (!pace->cfg.clock) {
        pace->cfg.clock = &kernel_clock;
        prctl(PR_SET_TIMERSLACK, 1ul); /* refused nowhere; without it sleeps are only later */
    }
    const struct pawl_pace_clock *clock = pace->cfg.clock;
    pace->suspended_ns = clock->suspended_ns(clock->context);
    pace->due_ns = clock->now_ns(clock->context) + cfg->period_ns;
    return 0;
}

static void learn(struct pawl_pace *pace, uint64_t overslept_ns)
{
    if (overslept_ns > pace->spin_ns)
        pace->spin_ns += LEARN_UP * LEARN_STEP_NS;
    else
        pace->spin_ns -= pace->spin_ns < LEARN_STEP_NS ? pace->spin_ns : LEARN_STEP_NS;
    if (pace->spin_ns > pace->cfg.spin_ns_max)
        pace->spin_ns = pace->cfg.spin_ns_max;
}

/* Returns the time, which is not before due_ns. */
static uint64_t wait_for_due(struct pawl_pace *pace)
{
    const struct pawl_pace_clock *clock = pace->cfg.clock;
    uint64_t now_ns = clock->now_ns(clock->context);

    if (pace->due_ns > now_ns && pace->due_ns - now_ns > pace->spin_ns) {
        uint64_t wake_ns = pace->due_ns - pace->spin_ns;
        clock->sleep_until_ns(clock->context, wake_ns);
        now_ns = clock->now_ns(clock->context);
        learn(pace, now_ns > wake_ns ? now_ns - wake_ns : 0);
    }
    while (now_ns < pace->due_ns) {
        cpu_pause();
        now_ns = clock->now_ns(clock->context);
    }
    return now_ns;
}

struct pawl_pace_tick pawl_pace_wait(struct pawl_pace *pace)
{
    const struct pawl_pace_clock *clock = pace->cfg.clock;
    uint64_t period_ns = pace->cfg.period_ns;
    struct pawl_pace_tick tick = {0};

    uint64_t now_ns = wait_for_due(pace);
    tick.lateness_ns = now_ns - pace->due_ns;
    pace->tick_count++;

    /* The sum is a difference of two clocks read one after the other: it can seem to shrink. */
    uint64_t suspended_ns = clock->suspended_ns(clock->context);
    uint64_t suspend_ns =
        suspended_ns > pace->suspended_ns ? suspended_ns - pace->suspended_ns : 0;
    pace->suspended_ns = suspended_ns;
    if (pace->cfg.gap_ns && tick.lateness_ns + suspend_ns > pace->cfg.gap_ns) {
        pace->due_ns = now_ns + period_ns;
        pace->gap_count++;
        return (struct pawl_pace_tick){.gap_ns = tick.lateness_ns + suspend_ns};
    }

    tick.skipped_count = tick.lateness_ns / period_ns;
    pace->skipped_count += tick.skipped_count;
    pace->due_ns += (tick.skipped_count + 1) * period_ns;
    return tick;
}
