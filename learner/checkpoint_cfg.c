#include "learner/checkpoint_cfg.h"

#include "learner/checkpoint.h"

#define CHECKPOINT struct pawl_checkpoint_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_F64_ROW(CHECKPOINT, "checkpoint.period_s", period_s, 60.0, 0.0, 86400.0, "s",
                     "Time between two checkpoints, as much as a power cut may cost; 0: not by "
                     "time."),
    PAWL_CFG_I64_ROW(CHECKPOINT, "checkpoint.every_updates", every_updates, 0, 0,
                     PAWL_CFG_I64_HIGHEST, "updates",
                     "Updates between two checkpoints, beside the period; 0: not by updates."),
    PAWL_CFG_I64_ROW(CHECKPOINT, "checkpoint.keep_last", keep_last, 3, PAWL_CHECKPOINT_KEEP_MIN,
                     1000, "", "The newest checkpoints that are kept."),
    PAWL_CFG_I64_ROW(CHECKPOINT, "checkpoint.keep_best", keep_best, 1, 0, 1000, "",
                     "Those of the highest score that are kept besides: the mean return of "
                     "the last 100 episodes; none has fewer than 20."),
};

const struct pawl_cfg_table pawl_checkpoint_table = {
    .name = "checkpoint",
    .help = "When a run is saved, and what is kept of it.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(CHECKPOINT),
};
