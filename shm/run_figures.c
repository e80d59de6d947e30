#include "shm/run_figures.h"

#include <stdlib.h>
#include <string.h>

static struct pawl_run_figures_segment *find(struct pawl_run_figures *figures, uint64_t id)
{
    for (uint32_t i = 0; i < figures->segment_count; i++)
        if (figures->segments[i]->id == id)
            return figures->segments[i];
    return NULL;
}

static void add(struct pawl_run_figures *figures, const struct pawl_hub_entry *entry)
{
    if (figures->segment_count == PAWL_RUN_FIGURES_SEGMENTS_MAX || entry->fd_count == 0)
        return;
    struct pawl_run_figures_segment *segment = calloc(1, sizeof(*segment));
    if (!segment)
        return;
    if (pawl_stats_attach(&segment->view, entry->fds[0], NULL) != 0)
        figures->unread_count++;
    segment->id = entry->id;
    segment->role = entry->role;
    segment->index = entry->index;
    segment->is_live = entry->gone_how == 0;
    segment->is_had = true;
    figures->segments[figures->segment_count++] = segment;
}

static void keep_counts(uint64_t *counts, const struct pawl_stat_row *rows, uint32_t row_count,
                        const struct pawl_stats_view *view)
{
    for (uint32_t i = 0; i < row_count; i++) {
        int index = pawl_stats_find(view, rows[i].name);
        if (index >= 0)
            counts[i] += pawl_stats_count(view, (uint32_t)index);
    }
}

static void remove_at(struct pawl_run_figures *figures, uint32_t i)
{
    struct pawl_run_figures_segment *segment = figures->segments[i];
    keep_counts(figures->actor_counts, pawl_actor_stat_rows, PAWL_ACTOR_STAT_COUNT,
                &segment->view);
    keep_counts(figures->learner_counts, pawl_learner_stat_rows, PAWL_LEARNER_STAT_COUNT,
                &segment->view);
    pawl_stats_detach(&segment->view);
    free(segment);
    figures->segments[i] = figures->segments[--figures->segment_count];
}

void pawl_run_figures_update(struct pawl_run_figures *figures,
                             const struct pawl_hub_table *table)
{
    for (uint32_t i = 0; i < figures->segment_count; i++)
        figures->segments[i]->is_had = false;
    for (uint32_t i = 0; i < table->used_count; i++) {
        const struct pawl_hub_entry *entry = &table->entries[i];
        if (entry->id == 0 || entry->is_dropped || entry->kind != PAWL_SEGMENT_STATS)
            continue;
        struct pawl_run_figures_segment *segment = find(figures, entry->id);
        if (segment) {
            segment->is_live = entry->gone_how == 0;
            segment->is_had = true;
        } else
            add(figures, entry);
    }
    for (uint32_t i = figures->segment_count; i-- > 0;)
        if (!figures->segments[i]->is_had)
            remove_at(figures, i);
}

static uint64_t kept_count(const uint64_t *counts, const struct pawl_stat_row *rows,
                           uint32_t row_count, const char *name)
{
    for (uint32_t i = 0; i < row_count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return counts[i];
    return 0;
}

struct pawl_run_sum pawl_run_figures_sum(const struct pawl_run_figures *figures,
                                         const char *name)
{
    struct pawl_run_sum sum = {0};
    sum.count =
        kept_count(figures->actor_counts, pawl_actor_stat_rows, PAWL_ACTOR_STAT_COUNT, name) +
        kept_count(figures->learner_counts, pawl_learner_stat_rows, PAWL_LEARNER_STAT_COUNT,
                   name);
    for (uint32_t i = 0; i < figures->segment_count; i++) {
        const struct pawl_run_figures_segment *segment = figures->segments[i];
        int found = pawl_stats_find(&segment->view, name);
        if (found < 0)
            continue;
        uint32_t row = (uint32_t)found;
        sum.count += pawl_stats_count(&segment->view, row);
        if (segment->view.rows[row].kind != PAWL_STAT_GAUGE || !segment->is_live)
            continue;
        double value = pawl_stats_value(&segment->view, row);
        if (sum.gauge_count == 0 || value > sum.gauge_max)
            sum.gauge_max = value;
        sum.gauge_mean += value;
        sum.gauge_count++;
    }
    if (sum.gauge_count)
        sum.gauge_mean /= sum.gauge_count;
    return sum;
}

void pawl_run_figures_close(struct pawl_run_figures *figures)
{
    for (uint32_t i = 0; i < figures->segment_count; i++) {
        pawl_stats_detach(&figures->segments[i]->view);
        free(figures->segments[i]);
    }
    *figures = (struct pawl_run_figures){0};
}
