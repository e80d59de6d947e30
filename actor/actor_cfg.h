/* actor_cfg.h: the table [actor]: how many actors a run has and how they act. */
#ifndef PAWL_ACTOR_ACTOR_CFG_H
#define PAWL_ACTOR_ACTOR_CFG_H

#include "actor/env_cfg.h"
#include "policy/policy_cfg.h"
#include "runtime/cfg.h"
#include "runtime/err.h"

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

/* Steps per second of each lane: env.target_hz, or what a real-time environment itself asks
 * for; 0: as fast as possible, and in lock-step always. -EINVAL: a real-time environment that
 * nothing gives a schedule, or one that would have to wait for the learner. */
int pawl_actor_cfg_rate(double *rate_hz, const struct pawl_env_cfg *env,
                        const struct pawl_env_spec *spec, bool is_lock_step,
                        struct pawl_err *err);

/* Whether a method that learns can act there. -EINVAL: *key is the one to change. */
int pawl_actor_cfg_match(const struct pawl_policy_cfg *policy, const struct pawl_env_cfg *env,
                         const struct pawl_env_spec *spec, const char **key,
                         struct pawl_err *err);

#endif
