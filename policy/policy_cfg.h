/* policy_cfg.h: the tables [policy] and [policy.sac]. */
#ifndef PAWL_POLICY_POLICY_CFG_H
#define PAWL_POLICY_POLICY_CFG_H

#include "runtime/cfg.h"

struct pawl_policy_cfg {
    int32_t type; /* the position in pawl_policies (policy.h) */
};

enum pawl_sac_compat {
    PAWL_SAC_COMPAT_LEROBOT,
    PAWL_SAC_COMPAT_FIXED,
};

struct pawl_sac_cfg {
    struct pawl_cfg_i64_list hidden;           /* widths of the actor's layers */
    int64_t latent_dim;                        /* of the encoder of each observation field */
    int32_t compat;                            /* enum pawl_sac_compat */
    struct pawl_cfg_f64_list observation_mean; /* of obs.state; empty: not normalised */
    struct pawl_cfg_f64_list observation_std;
};

extern const struct pawl_cfg_table pawl_policy_table; /* fills struct pawl_policy_cfg */
extern const struct pawl_cfg_table pawl_sac_table;    /* fills struct pawl_sac_cfg */

#endif
