/* policy_cfg.h: the tables [policy] and [policy.sac]. */
#ifndef PAWL_POLICY_POLICY_CFG_H
#define PAWL_POLICY_POLICY_CFG_H

#include "runtime/cfg.h"

struct pawl_policy_cfg {
    int32_t type; /* the position in pawl_policies (policy.h) */
    int64_t num_discrete_actions;
};

enum pawl_sac_compat {
    PAWL_SAC_COMPAT_LEROBOT,
    PAWL_SAC_COMPAT_FIXED,
};

enum pawl_sac_network {
    PAWL_SAC_NETWORK_LEROBOT,
    PAWL_SAC_NETWORK_PLAIN,
};

#define PAWL_SAC_STD_LEAST      1e-30 /* of std_min: a spread has a logarithm */
#define PAWL_SAC_STD_LEAST_TEXT "1e-30"

/* Names as LeRobot and torch have them. */
enum pawl_sac_activation {
    PAWL_SAC_ACTIVATION_SILU,
    PAWL_SAC_ACTIVATION_RELU,
    PAWL_SAC_ACTIVATION_TANH,
    PAWL_SAC_ACTIVATION_IDENTITY,
};

struct pawl_sac_cfg {
    int32_t network;                                 /* enum pawl_sac_network */
    struct pawl_cfg_i64_list hidden;                 /* widths of the actor's layers */
    struct pawl_cfg_i64_list critic_hidden;          /* of each critic; empty: as hidden */
    struct pawl_cfg_i64_list discrete_critic_hidden; /* likewise */
    bool actor_activate_final;                       /* a norm and an activation behind */
    bool critic_activate_final;                      /* the last hidden layer, too */
    bool discrete_critic_activate_final;
    int32_t critic_final_activation; /* enum pawl_sac_activation: which one there */
    int32_t discrete_critic_final_activation;
    double init_final;       /* bound of the actor's last layers' first values */
    double std_min, std_max; /* of what is clamped */
    int64_t latent_dim;      /* of the encoder of each observation field */
    bool shared_encoder;     /* of the actor and the critics */
    int32_t compat;          /* enum pawl_sac_compat */
    double discount;
    double temperature_init;
    double target_entropy; /* 0: minus half of the action's components */
    int64_t num_critics;
    int64_t num_subsample_critics; /* 0: all */
    bool use_backup_entropy;
    double critic_lr, actor_lr, temperature_lr;
    double grad_clip_norm;
    double critic_target_update_weight;
    int64_t utd_ratio;
    int64_t policy_update_freq;
    struct pawl_cfg_f64_list observation_mean; /* of obs.state; empty: not normalised */
    struct pawl_cfg_f64_list observation_std;
};

extern const char *const pawl_sac_activations[]; /* by enum pawl_sac_activation; NULL behind */

extern const struct pawl_cfg_table pawl_policy_table; /* fills struct pawl_policy_cfg */
extern const struct pawl_cfg_table pawl_sac_table;    /* fills struct pawl_sac_cfg */

#endif
