#include "learner/replay_cfg.h"

#include <stddef.h>

#include "learner/journal.h"
#include "learner/replay.h"

#define REPLAY struct pawl_replay_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_I64_ROW(REPLAY, "replay.capacity", capacity, 100000, 1, PAWL_REPLAY_CAPACITY_MAX,
                     "frames", "Frames kept, of all lanes together; the oldest give way."),
    PAWL_CFG_I64_ROW(REPLAY, "replay.n_step", n_step, 1, 1, 1000, "steps",
                     "Steps whose rewards are added up before the value of what follows."),
    PAWL_CFG_BOOL_ROW(REPLAY, "replay.prioritized", prioritized, false,
                      "Draw transitions more often about which the critic was wrong."),
    PAWL_CFG_F64_ROW(REPLAY, "replay.alpha", alpha, 0.6, 0.0, 1.0, "",
                     "Prioritized: 0 is uniform, 1 in proportion to the error."),
    PAWL_CFG_F64_ROW(REPLAY, "replay.beta", beta, 0.4, 0.0, 1.0, "",
                     "Prioritized: how far weights make up for it; 1 is fully."),
    PAWL_CFG_I64_ROW(REPLAY, "replay.beta_draws", beta_draws, 100000, 0, PAWL_CFG_I64_HIGHEST,
                     "batches", "Prioritized: beta has grown to 1 after these; 0: it stays."),
    PAWL_CFG_TEXT_ROW(REPLAY, "replay.offline", offline, "", 0,
                      "A file of demonstrations (`pawl record`) to learn from as well."),
    PAWL_CFG_I64_ROW(REPLAY, "replay.offline_capacity", offline_capacity, 100000, 1,
                     PAWL_REPLAY_CAPACITY_MAX, "frames",
                     "Frames kept of demonstrations and interventions."),
    PAWL_CFG_F64_ROW(REPLAY, "replay.offline_ratio", offline_ratio, 0.5, 0.0, 1.0, "",
                     "Their part of each batch, once there are any."),
    PAWL_CFG_BOOL_ROW(REPLAY, "replay.journal", journal, true,
                      "Write frames to the run's folder, so that a power cut loses none."),
    PAWL_CFG_F64_ROW(REPLAY, "replay.journal_sync_period_s", journal_sync_period_s, 1.0, 0.01,
                     3600.0, "s", "A power cut loses at most the frames of this time."),
};

static void look(struct pawl_cfg *cfg)
{
    static const char *const of_prioritized[] = {"replay.alpha", "replay.beta",
                                                 "replay.beta_draws"};
    const struct pawl_replay_cfg *replay = pawl_cfg_fields(cfg, &pawl_replay_table);
    struct pawl_err err = {0};

    for (size_t i = 0; i < sizeof(of_prioritized) / sizeof(of_prioritized[0]); i++)
        if (!replay->prioritized)
            pawl_cfg_warn_idle(cfg, of_prioritized[i], "replay.prioritized");
    if (!replay->journal)
        pawl_cfg_warn_idle(cfg, "replay.journal_sync_period_s", "replay.journal");
    if (!(replay->offline_ratio > 0.0))
        pawl_cfg_warn_idle(cfg, "replay.offline", "replay.offline_ratio");
    if (replay->offline[0] && replay->offline_ratio > 0.0 &&
        pawl_journal_check_file(pawl_io_sys(), replay->offline, &err) != 0)
        pawl_cfg_refuse(cfg, "replay.offline", err.code,
                        "`pawl record` writes such a file; \"\" learns without one", "%s",
                        err.text);
}

const struct pawl_cfg_table pawl_replay_table = {
    .name = "replay",
    .help = "How many frames are kept, and how batches are drawn from them.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(REPLAY),
    .look = look,
};
