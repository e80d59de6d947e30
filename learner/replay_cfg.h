/* replay_cfg.h: the table [replay]: how many frames are kept, and how batches are drawn. */
#ifndef PAWL_LEARNER_REPLAY_CFG_H
#define PAWL_LEARNER_REPLAY_CFG_H

#include "runtime/cfg.h"

struct pawl_replay_cfg {
    int64_t capacity;
    int64_t n_step;
    bool prioritized;
    double alpha;
    double beta;
    int64_t beta_draws;
    char offline[4096];
    int64_t offline_capacity;
    double offline_ratio;
    bool journal;
    double journal_sync_period_s;
};

extern const struct pawl_cfg_table pawl_replay_table; /* fills struct pawl_replay_cfg */

#endif
