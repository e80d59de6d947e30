/* metrics.h: metrics.jsonl, the learner's figures over time.
 *
 *     pawl_metrics_open(&metrics, &cfg, &err);
 *     pawl_metrics_add(&metrics, "loss/critic", 0.25);       the mean of the period
 *     pawl_metrics_set(&metrics, "replay/size", 4200.0);     as it is
 *     if (pawl_metrics_is_due(&metrics, now_ns))
 *         pawl_metrics_write(&metrics, now_ns, step, env_step);
 *     pawl_metrics_close(&metrics);
 *
 * A line is one flat object: t_ns (since the run began), wall (s), role, step (updates),
 * env_step, and every name that has a value, in the order in which they first came. A value
 * that is not finite is null. What cannot be written is counted and said once a period; nobody
 * waits for a disk.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_METRICS_H
#define PAWL_LEARNER_METRICS_H

#include "learner/keeper.h"
#include "runtime/err.h"
#include "runtime/linefile.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_METRICS_NAME      "metrics.jsonl"
#define PAWL_METRICS_COUNT_MAX 64u

struct pawl_metrics_cfg {
    const char *folder; /* of the run */
    struct pawl_io *io;
    uint64_t period_ns;
    uint64_t start_ns;          /* the zero of t_ns */
    struct pawl_keeper *keeper; /* syncs the file; NULL: open does, and then nobody */
};

struct pawl_metric {
    const char *name; /* the caller's, constant */
    double sum;
    uint64_t count; /* of the values in sum; 0: nothing to say */
};

/* Zeroed: closed. */
struct pawl_metrics {
    struct pawl_metrics_cfg cfg;
    struct pawl_linefile file;
    bool is_open;
    uint32_t count;
    struct pawl_metric metrics[PAWL_METRICS_COUNT_MAX];
    uint64_t written_ns;
    uint64_t lost_count; /* lines that could not be written */
};

int pawl_metrics_open(struct pawl_metrics *metrics, const struct pawl_metrics_cfg *cfg,
                      struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_metrics_close(struct pawl_metrics *metrics);

void pawl_metrics_add(struct pawl_metrics *metrics, const char *name, double value);
void pawl_metrics_set(struct pawl_metrics *metrics, const char *name, double value);

bool pawl_metrics_is_due(const struct pawl_metrics *metrics, uint64_t now_ns);

/* Writes the line and begins a new period. */
void pawl_metrics_write(struct pawl_metrics *metrics, uint64_t now_ns, uint64_t step,
                        uint64_t env_step);

#endif
