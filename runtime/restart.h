/* restart.h: when to start a process again that keeps dying, and when to give up.
 *
 *     pawl_restart_started(&restart, now_ns);
 *     ... it died ...
 *     if (pawl_restart_crashed(&restart, now_ns, &start_ns))
 *         start it again at start_ns
 *     else
 *         leave it: it is in quarantine
 *
 * Each crash in a row doubles the pause before the next start; a process that ran for a whole
 * window without a crash starts afresh. Too many crashes within one window end in quarantine.
 * The caller passes the time in: nothing here waits or looks at a clock.
 */
#ifndef PAWL_RUNTIME_RESTART_H
#define PAWL_RUNTIME_RESTART_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_RESTART_CRASH_COUNT_MAX 32

struct pawl_restart_cfg {
    uint64_t pause_ns_min; /* before the first restart */
    uint64_t pause_ns_max;
    uint64_t window_ns;
    uint32_t crash_count_max; /* within window_ns: this crash is the last */
};

/* 0.05 s to 10 s; the fifth crash within 60 s is the last. */
struct pawl_restart_cfg pawl_restart_default_cfg(void);

struct pawl_restart {
    struct pawl_restart_cfg cfg;
    uint64_t crash_ns[PAWL_RESTART_CRASH_COUNT_MAX]; /* the latest, a ring by crash_count */
    uint64_t crash_count;                            /* since the last reset */
    uint64_t started_ns;
    uint32_t streak_count; /* crashes without a quiet window between them */
    bool is_quarantined;
};

/* Nothing to close. -EINVAL names the rule of cfg that is broken. */
int pawl_restart_open(struct pawl_restart *restart, const struct pawl_restart_cfg *cfg,
                      struct pawl_err *err);

void pawl_restart_started(struct pawl_restart *restart, uint64_t now_ns);

/* True: start again at *start_ns. False: in quarantine, now or already, until a reset. */
bool pawl_restart_crashed(struct pawl_restart *restart, uint64_t now_ns, uint64_t *start_ns);

#endif
