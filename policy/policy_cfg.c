#include "policy/policy_cfg.h"

#include <stddef.h>

static const char *const types[] = {"null", "random", "sac", NULL}; /* as pawl_policies */
static const char *const compats[] = {"lerobot", "fixed", NULL};

static const struct pawl_cfg_row policy_rows[] = {
#define S struct pawl_policy_cfg
    PAWL_CFG_CHOICE_ROW(S, "policy.type", type, 2, types,
                        "How actions are chosen and what learns from them."),
#undef S
};

static const struct pawl_cfg_row sac_rows[] = {
#define S struct pawl_sac_cfg
    PAWL_CFG_I64_LIST_ROW(S, "policy.sac.hidden", hidden, "[256, 256]", 1, 8192,
                          PAWL_CFG_IS_NOT_EMPTY, "", "Widths of the hidden layers."),
    PAWL_CFG_I64_ROW(S, "policy.sac.latent_dim", latent_dim, 256, 1, 8192, "",
                     "Width of the encoding of each observation field."),
    PAWL_CFG_CHOICE_ROW(S, "policy.sac.compat", compat, PAWL_SAC_COMPAT_LEROBOT, compats,
                        "Where LeRobot differs from the textbook: equal to it, or fixed."),
    PAWL_CFG_F64_LIST_ROW(S, "policy.sac.observation_mean", observation_mean, "[]",
                          PAWL_CFG_F64_LOWEST, PAWL_CFG_F64_HIGHEST, 0, "",
                          "Taken from each component of obs.state; empty: nothing is."),
    PAWL_CFG_F64_LIST_ROW(S, "policy.sac.observation_std", observation_std, "[]", 1e-6,
                          PAWL_CFG_F64_HIGHEST, 0, "",
                          "What each component of obs.state is then divided by."),
#undef S
};

static void check_sac(struct pawl_cfg *cfg)
{
    const struct pawl_sac_cfg *sac = pawl_cfg_fields(cfg, &pawl_sac_table);

    if (sac->observation_mean.count != sac->observation_std.count)
        pawl_cfg_conflict(cfg, "policy.sac.observation_mean", "policy.sac.observation_std",
                          "must have as many components as each other");
}

const struct pawl_cfg_table pawl_policy_table = {
    .name = "policy",
    .help = "How actions are chosen.",
    .rows = policy_rows,
    .row_count = sizeof(policy_rows) / sizeof(policy_rows[0]),
    .fields_bytes = sizeof(struct pawl_policy_cfg),
};

const struct pawl_cfg_table pawl_sac_table = {
    .name = "policy.sac",
    .help = "Soft actor-critic, as in LeRobot's HIL-SERL.",
    .rows = sac_rows,
    .row_count = sizeof(sac_rows) / sizeof(sac_rows[0]),
    .fields_bytes = sizeof(struct pawl_sac_cfg),
    .check = check_sac,
};
