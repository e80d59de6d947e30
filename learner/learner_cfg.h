/* learner_cfg.h: the table [learner]: how records are taken in and parameters handed out. */
#ifndef PAWL_LEARNER_LEARNER_CFG_H
#define PAWL_LEARNER_LEARNER_CFG_H

#include "runtime/cfg.h"

struct pawl_learner_cfg {
    double publish_period_s;
    int64_t publish_every;
    int64_t version_slots;
    int64_t rings_max;
    int64_t batch;
    bool ledger;
    struct pawl_cfg_i64_list cpus;
};

extern const struct pawl_cfg_table pawl_learner_table; /* fills struct pawl_learner_cfg */

#endif
