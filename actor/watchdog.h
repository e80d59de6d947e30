/* watchdog.h: ends a process whose acting thread makes no progress.
 *
 *     struct pawl_watchdog_cfg cfg = {.heartbeat = &page->heartbeat_ns, ...};
 *     pawl_watchdog_start(&dog, &cfg, &err);
 *     the loop stores another value into the heartbeat with every round
 *     pawl_watchdog_stop(&dog);
 *
 * A step of an environment that does not return cannot be taken back within its process: the
 * environment is made safe, the last words are said, and the process ends with exit code 1. Who
 * supervises it starts the next one; to the learner the episode is cut off.
 *
 * Time counts by the watchdog's own wake-ups, not by the clock: a process that was stopped, or
 * a machine that slept, has not hung.
 *
 * Thread safety: start and stop belong to one thread. It is a thread of its own: a signal in
 * the acting thread would cut short what the environment waits for.
 */
#ifndef PAWL_ACTOR_WATCHDOG_H
#define PAWL_ACTOR_WATCHDOG_H

#include "runtime/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pawl_watchdog_cfg {
    const _Atomic uint64_t *heartbeat; /* borrowed until stop */
    uint64_t limit_ns;                 /* without a change of the heartbeat */
    uint64_t patient_limit_ns;         /* the same while is_patient */
    const _Atomic bool *is_patient;    /* something that takes its time is under way */
    void (*make_safe)(void *context);  /* from the watchdog's thread; before the end */
    void *context;
};

/* Zeroed: not started. */
struct pawl_watchdog {
    struct pawl_watchdog_cfg cfg;
    bool is_started;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_stopping; /* under the mutex */
};

/* limit_ns 0: it never bites, and nothing is started. */
int pawl_watchdog_start(struct pawl_watchdog *dog, const struct pawl_watchdog_cfg *cfg,
                        struct pawl_err *err);

/* One that was not started is left alone. */
void pawl_watchdog_stop(struct pawl_watchdog *dog);

#endif
