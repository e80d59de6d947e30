/* checkpoint_cfg.h: the table [checkpoint]: when a run is saved, and what is kept of it. */
#ifndef PAWL_LEARNER_CHECKPOINT_CFG_H
#define PAWL_LEARNER_CHECKPOINT_CFG_H

#include "runtime/cfg.h"

struct pawl_checkpoint_cfg {
    double period_s;       /* 0: not by time */
    int64_t every_updates; /* 0: not by updates */
    int64_t keep_last;
    int64_t keep_best;
};

extern const struct pawl_cfg_table pawl_checkpoint_table; /* fills struct pawl_checkpoint_cfg */

#endif
