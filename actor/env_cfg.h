/* env_cfg.h: the table [env]: which environment, and how an actor runs it.
 *
 *     struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();
 *     pawl_env_cfg_lanes(&lanes_cfg, cfg, NULL, &err);
 *     lanes_cfg.index_first = actor_index * lanes_cfg.lane_count;
 *     pawl_lanes_open(&lanes, &lanes_cfg, &err);
 */
#ifndef PAWL_ACTOR_ENV_CFG_H
#define PAWL_ACTOR_ENV_CFG_H

#include "actor/env_registry.h"
#include "actor/lanes.h"
#include "runtime/cfg.h"

struct pawl_env_cfg {
    int32_t type; /* the position in pawl_env_entries */
    int64_t lane_count;
    int64_t steps_max;
    double target_hz;
    int32_t seeding; /* enum pawl_lanes_seeding */
};

extern const struct pawl_cfg_table pawl_env_table; /* fills struct pawl_env_cfg */

/* What `entry` is made with; valid as long as the configuration. A table that the
 * configuration was not opened with is a mistake of the program: -EINVAL. */
int pawl_env_cfg_args(struct pawl_env_args *args, const struct pawl_cfg *cfg,
                      const struct pawl_env_entry *entry, struct pawl_err *err);

/* Fills in what [env], the environment's own table and [run] say; the rest of lanes_cfg stays.
 * entry: NULL for the one that env.type names. */
int pawl_env_cfg_lanes(struct pawl_lanes_cfg *lanes_cfg, const struct pawl_cfg *cfg,
                       const struct pawl_env_entry *entry, struct pawl_err *err);

#endif
