/* actor_cfg.h: the table [actor]: how many actors a run has and how they act. */
#ifndef PAWL_ACTOR_ACTOR_CFG_H
#define PAWL_ACTOR_ACTOR_CFG_H

#include "runtime/cfg.h"

#define PAWL_ACTOR_COUNT_MAX 64

struct pawl_actor_cfg {
    int64_t count;
    int64_t min_count;
    int32_t adopt; /* enum pawl_acting_adopt */
    int64_t chunk_steps;
    int32_t excess; /* enum pawl_acting_excess */
    double param_age_s_max;
    double stage_s;
    double hang_s;
    double reset_s_max;
    struct pawl_cfg_i64_list cpus;
};

extern const struct pawl_cfg_table pawl_actor_table; /* fills struct pawl_actor_cfg */

#endif
