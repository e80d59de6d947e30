#include "learner/metrics.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/json.h"
#include "runtime/log.h"

#define LINE_BYTES_MAX 8192

int pawl_metrics_open(struct pawl_metrics *metrics, const struct pawl_metrics_cfg *cfg,
                      struct pawl_err *err)
{
    struct pawl_linefile_cfg file = pawl_linefile_default_cfg();
    char path[PATH_MAX];

    *metrics = (struct pawl_metrics){.cfg = *cfg, .written_ns = pawl_clock_now_ns()};
    file.sync_period_ns = 0; /* no update waits for a disk */
    file.syncs = cfg->keeper ? PAWL_LINEFILE_SYNCS_ELSEWHERE : PAWL_LINEFILE_SYNCS;
    snprintf(path, sizeof(path), "%s/" PAWL_METRICS_NAME, cfg->folder);
    if (pawl_linefile_open(&metrics->file, cfg->io, path, &file, err) != 0)
        return -err->code;
    if (cfg->keeper)
        pawl_keeper_add(cfg->keeper, PAWL_METRICS_NAME, &metrics->file);
    metrics->is_open = true;
    return 0;
}

void pawl_metrics_close(struct pawl_metrics *metrics)
{
    if (metrics->is_open && metrics->cfg.keeper)
        pawl_keeper_remove(metrics->cfg.keeper, &metrics->file);
    if (metrics->is_open)
        pawl_linefile_close(&metrics->file);
    *metrics = (struct pawl_metrics){0};
}

static struct pawl_metric *find(struct pawl_metrics *metrics, const char *name)
{
    for (uint32_t i = 0; i < metrics->count; i++)
        if (metrics->metrics[i].name == name || strcmp(metrics->metrics[i].name, name) == 0)
            return &metrics->metrics[i];
    if (metrics->count == PAWL_METRICS_COUNT_MAX)
        return NULL;
    struct pawl_metric *metric = &metrics->metrics[metrics->count++];
    *metric = (struct pawl_metric){.name = name};
    return metric;
}

void pawl_metrics_add(struct pawl_metrics *metrics, const char *name, double value)
{
    struct pawl_metric *metric = find(metrics, name);
    if (!metric)
        return;
    metric->sum += value;
    metric->count++;
}

void pawl_metrics_set(struct pawl_metrics *metrics, const char *name, double value)
{
    struct pawl_metric *metric = find(metrics, name);
    if (!metric)
        return;
    metric->sum = value;
    metric->count = 1;
}

bool pawl_metrics_is_due(const struct pawl_metrics *metrics, uint64_t now_ns)
{
    return metrics->is_open && now_ns - metrics->written_ns >= metrics->cfg.period_ns &&
           !pawl_linefile_is_waiting(&metrics->file); /* the figures go on adding up */
}

void pawl_metrics_write(struct pawl_metrics *metrics, uint64_t now_ns, uint64_t step,
                        uint64_t env_step)
{
    struct pawl_json_writer out;
    struct pawl_err err = {0};
    char text[LINE_BYTES_MAX];
    size_t length = 0;

    pawl_json_open_fixed(&out, text, sizeof(text));
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_u64(&out, "t_ns", now_ns - metrics->cfg.start_ns);
    pawl_json_put_f64(&out, "wall", (double)(pawl_clock_wall_ns() / PAWL_NS_PER_MS) / 1000.0);
    pawl_json_put_string(&out, "role", "learner");
    pawl_json_put_u64(&out, "step", step);
    pawl_json_put_u64(&out, "env_step", env_step);
    for (uint32_t i = 0; i < metrics->count; i++) {
        struct pawl_metric *metric = &metrics->metrics[i];
        if (metric->count > 0)
            pawl_json_put_f64_or_null(&out, metric->name, metric->sum / (double)metric->count);
        metric->sum = 0.0;
        metric->count = 0;
    }
    pawl_json_end(&out);
    metrics->written_ns = now_ns;
    if (!pawl_json_finish(&out, &length, &err) ||
        pawl_linefile_append(&metrics->file, text, length, &err) != 0) {
        metrics->lost_count++;
        pawl_log_warn_once("metrics not written", "lost=%llu reason=%s",
                           (unsigned long long)metrics->lost_count, err.text);
    }
}
