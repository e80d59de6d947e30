/* training_metrics.c: the line of figures that training writes now and then. */
#include "learner/training_internal.h"

#include <math.h>
#include <string.h>

#include "runtime/clock.h"

static double stale_percentile(const struct pawl_training *training, double part)
{
    uint64_t total = 0, below = 0;
    for (uint32_t i = 0; i <= PAWL_TRAINING_STALE_MAX; i++)
        total += training->stale_counts[i];
    for (uint32_t i = 0; i <= PAWL_TRAINING_STALE_MAX; i++) {
        below += training->stale_counts[i];
        if ((double)below >= part * (double)total)
            return i;
    }
    return PAWL_TRAINING_STALE_MAX;
}

void pawl_training_write_metrics(struct pawl_training *training, uint64_t now_ns)
{
    struct pawl_metrics *metrics = &training->metrics;
    const struct pawl_book *book = &training->setup.ingest->book;
    uint64_t updates = pawl_training_update_count(training),
             steps = pawl_training_step_count(training);
    double seconds = (double)(now_ns - training->rate_ns) / (double)PAWL_NS_PER_S;
    /* Both may have gone back: training to a good state, a rate is never negative. */
    uint64_t new_updates =
        updates > training->rate_updates ? updates - training->rate_updates : 0;
    uint64_t new_steps = steps > training->rate_steps ? steps - training->rate_steps : 0;

    pawl_metrics_set(metrics, "perf/env_sps", (double)new_steps / seconds);
    pawl_metrics_set(metrics, "perf/update_hz", (double)new_updates / seconds);
    if (new_steps > 0)
        pawl_metrics_set(metrics, "perf/update_ratio", (double)new_updates / (double)new_steps);
    /* Without the last digits, which are rounding. */
    pawl_metrics_set(metrics, "perf/updates_owed",
                     round(pawl_training_owed(training) * 1e6) / 1e6);
    pawl_metrics_set(metrics, "replay/size",
                     (double)pawl_replay_size(&training->stores.online.replay));
    if (training->stores.online.journal.state)
        pawl_metrics_set(metrics, "replay/not_durable",
                         (double)(training->stores.online.replay.head -
                                  pawl_journal_durable_head(&training->stores.online.journal)));
    if (training->stores.offline.replay.segment.base)
        pawl_metrics_set(metrics, "replay/offline_size",
                         (double)pawl_replay_size(&training->stores.offline.replay));
    if (new_steps > 0) {
        pawl_metrics_set(metrics, "policy/staleness_p50", stale_percentile(training, 0.5));
        pawl_metrics_set(metrics, "policy/staleness_p99", stale_percentile(training, 0.99));
    }
    if (book->mean_count > 0) {
        pawl_metrics_set(metrics, "episode/return", book->return_mean);
        pawl_metrics_set(metrics, "episode/length", book->length_mean);
    }
    pawl_metrics_set(metrics, "train/updates_skipped", (double)training->skipped_count);
    pawl_metrics_set(metrics, "train/rollbacks", (double)training->rollback_count);
    pawl_metrics_write(metrics, now_ns, updates, steps);
    memset(training->stale_counts, 0, sizeof(training->stale_counts));
    training->rate_ns = now_ns;
    training->rate_updates = updates;
    training->rate_steps = steps;
}
