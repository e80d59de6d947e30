/* run_figures.h: the figures of a whole run, added up over its programs and their restarts.
 *
 *     pawl_run_figures_update(&figures, &hub.table);       after each pawl_hub_serve()
 *     struct pawl_run_sum steps = pawl_run_figures_sum(&figures, "actor.env_steps");
 *     ... steps.count
 *
 * The hub holds a descriptor of every segment of figures; they are mapped here for reading, so
 * that a counter goes on where the dead program's ended. The names are those of run_stats.h.
 *
 * Thread safety: one thread per object.
 */
#ifndef PAWL_SHM_RUN_FIGURES_H
#define PAWL_SHM_RUN_FIGURES_H

#include "shm/hub_table.h"
#include "shm/run_stats.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_RUN_FIGURES_SEGMENTS_MAX 256u

struct pawl_run_figures_segment {
    uint64_t id;
    uint32_t role;
    uint32_t index;
    bool is_live;                /* its writer */
    bool is_had;                 /* by the hub, at the last update */
    struct pawl_stats_view view; /* no rows: it could not be read */
};

/* Zeroed: nothing is known yet. */
struct pawl_run_figures {
    struct pawl_run_figures_segment *segments[PAWL_RUN_FIGURES_SEGMENTS_MAX];
    uint32_t segment_count;
    uint64_t unread_count; /* segments that could not be read, each tried once */

    /* Of segments that are no longer had. */
    uint64_t actor_counts[PAWL_ACTOR_STAT_COUNT];
    uint64_t learner_counts[PAWL_LEARNER_STAT_COUNT];
};

/* One figure of all programs. */
struct pawl_run_sum {
    uint64_t count;       /* of counters and histograms: all that was ever counted */
    uint32_t gauge_count; /* programs that live and have the gauge */
    double gauge_mean, gauge_max;
};

/* Maps what is new in the table, and lets go of what has left it. */
void pawl_run_figures_update(struct pawl_run_figures *figures,
                             const struct pawl_hub_table *table);

struct pawl_run_sum pawl_run_figures_sum(const struct pawl_run_figures *figures,
                                         const char *name);

void pawl_run_figures_close(struct pawl_run_figures *figures);

#endif
