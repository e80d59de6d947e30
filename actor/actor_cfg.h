/* actor_cfg.h: the table [actor]: how many actors a run has and how they act. */
#ifndef PAWL_ACTOR_ACTOR_CFG_H
#define PAWL_ACTOR_ACTOR_CFG_H

#include "runtime/cfg.h"

#define PAWL_ACTOR_COUNT_MAX 64

struct pawl_actor_cfg {
    int64_t count;
    int64_t min_count;
};

extern const struct pawl_cfg_table pawl_actor_table; /* fills struct pawl_actor_cfg */

#endif
