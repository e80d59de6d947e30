#include "runtime/restart.h"

#include <errno.h>
#include <inttypes.h>

#include "runtime/clock.h"

struct pawl_restart_cfg pawl_restart_default_cfg(void)
{
    return (struct pawl_restart_cfg){.pause_ns_min = 50 * PAWL_NS_PER_MS,
                                     .pause_ns_max = 10 * PAWL_NS_PER_S,
                                     .window_ns = 60 * PAWL_NS_PER_S,
                                     .crash_count_max = 5};
}

int pawl_restart_open(struct pawl_restart *restart, const struct pawl_restart_cfg *cfg,
                      struct pawl_err *err)
{
    if (cfg->pause_ns_min == 0 || cfg->pause_ns_min > cfg->pause_ns_max ||
        cfg->pause_ns_max > UINT64_MAX / 2)
        return pawl_err_set(err, EINVAL,
                            "restart pause %" PRIu64 " to %" PRIu64
                            " ns: expected 0 < shortest <= longest",
                            cfg->pause_ns_min, cfg->pause_ns_max);
    if (cfg->crash_count_max == 0 || cfg->crash_count_max > PAWL_RESTART_CRASH_COUNT_MAX)
        return pawl_err_set(err, EINVAL, "restart limit of %u crashes: expected 1 to %d",
                            cfg->crash_count_max, PAWL_RESTART_CRASH_COUNT_MAX);
    *restart = (struct pawl_restart){.cfg = *cfg};
    return 0;
}

void pawl_restart_started(struct pawl_restart *restart, uint64_t now_ns)
{
    restart->started_ns = now_ns;
}

static bool has_crashed_too_often(const struct pawl_restart *restart, uint64_t now_ns)
{
    uint32_t count_max = restart->cfg.crash_count_max;
    if (restart->crash_count < count_max)
        return false;
    uint64_t first_ns =
        restart->crash_ns[(restart->crash_count - count_max) % PAWL_RESTART_CRASH_COUNT_MAX];
    return now_ns - first_ns < restart->cfg.window_ns;
}

bool pawl_restart_crashed(struct pawl_restart *restart, uint64_t now_ns, uint64_t *start_ns)
{
    if (restart->is_quarantined)
        return false;

    restart->crash_ns[restart->crash_count % PAWL_RESTART_CRASH_COUNT_MAX] = now_ns;
    restart->crash_count++;
    if (has_crashed_too_often(restart, now_ns)) {
        restart->is_quarantined = true;
        return false;
    }

    if (now_ns - restart->started_ns >= restart->cfg.window_ns)
        restart->streak_count = 0;
    uint64_t pause_ns = restart->cfg.pause_ns_min;
    for (uint32_t i = 0; i < restart->streak_count && pause_ns < restart->cfg.pause_ns_max; i++)
        pause_ns *= 2;
    if (pause_ns > restart->cfg.pause_ns_max)
        pause_ns = restart->cfg.pause_ns_max;
    if (restart->streak_count < UINT32_MAX)
        restart->streak_count++;
    *start_ns = now_ns + pause_ns;
    return true;
}
