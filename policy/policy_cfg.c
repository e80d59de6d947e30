#include "policy/policy_cfg.h"

#include "policy/policy.h"

#include <stddef.h>

static const char *const types[] = {"null", "random", "sac", NULL}; /* as pawl_policies */
static const char *const compats[] = {"lerobot", "fixed", NULL};

static const char *const networks[] = {"lerobot", "plain", NULL};
const char *const pawl_sac_activations[] = {"SiLU", "ReLU", "Tanh", "Identity", NULL};

static const struct pawl_cfg_row policy_rows[] = {
#define S struct pawl_policy_cfg
    PAWL_CFG_CHOICE_ROW(S, "policy.type", type, 2, types,
                        "How actions are chosen and what learns from them."),
    PAWL_CFG_I64_ROW(S, "policy.num_discrete_actions", num_discrete_actions, 0, 0, 1024, "",
                     "Choices of the action's last component, as of a gripper, for a method "
                     "that learns them; 0: it has none."),
#undef S
};

static const struct pawl_cfg_row sac_rows[] = {
#define S struct pawl_sac_cfg
    PAWL_CFG_CHOICE_ROW(
        S, "policy.sac.network", network, PAWL_SAC_NETWORK_LEROBOT, networks,
        "LeRobot's encoders, LayerNorm and SiLU, or hidden layers of ReLU alone."),
    PAWL_CFG_I64_LIST_ROW(S, "policy.sac.hidden", hidden, "[256, 256]", 1, 8192,
                          PAWL_CFG_IS_NOT_EMPTY, "", "Widths of the hidden layers."),
    PAWL_CFG_I64_LIST_ROW(S, "policy.sac.critic_hidden", critic_hidden, "[]", 1, 8192, 0, "",
                          "Widths of the hidden layers of each critic; empty: as hidden."),
    PAWL_CFG_I64_LIST_ROW(S, "policy.sac.discrete_critic_hidden", discrete_critic_hidden, "[]",
                          1, 8192, 0, "",
                          "The same for the critic of a choice (a gripper); empty: as hidden."),
    PAWL_CFG_BOOL_ROW(
        S, "policy.sac.actor_activate_final", actor_activate_final, true,
        "The actor's last hidden layer has a norm and an activation as the others have."),
    PAWL_CFG_BOOL_ROW(S, "policy.sac.critic_activate_final", critic_activate_final, true,
                      "The same for the last hidden layer of each critic."),
    PAWL_CFG_BOOL_ROW(S, "policy.sac.discrete_critic_activate_final",
                      discrete_critic_activate_final, true,
                      "The same for the critic of a choice."),
    PAWL_CFG_CHOICE_ROW(S, "policy.sac.critic_final_activation", critic_final_activation,
                        PAWL_SAC_ACTIVATION_SILU, pawl_sac_activations,
                        "Which activation the last hidden layer of each critic has."),
    PAWL_CFG_CHOICE_ROW(S, "policy.sac.discrete_critic_final_activation",
                        discrete_critic_final_activation, PAWL_SAC_ACTIVATION_SILU,
                        pawl_sac_activations, "The same for the critic of a choice."),
    PAWL_CFG_F64_ROW(S, "policy.sac.init_final", init_final, 0.05, 0.0, 1e3, "",
                     "First values of the actor's last layers are drawn from within this on "
                     "both sides of 0."),
    PAWL_CFG_F64_ROW(S, "policy.sac.std_min", std_min, 1e-5, PAWL_SAC_STD_LEAST, 1e6, "",
                     "What the actor gives as the spread of an action is at least this."),
    PAWL_CFG_F64_ROW(S, "policy.sac.std_max", std_max, 10.0, PAWL_SAC_STD_LEAST, 1e6, "",
                     "And at most this."),
    PAWL_CFG_I64_ROW(S, "policy.sac.latent_dim", latent_dim, 256, 1, 8192, "",
                     "Width of the encoding of each observation field."),
    PAWL_CFG_BOOL_ROW(S, "policy.sac.shared_encoder", shared_encoder, true,
                      "The actor reads the critics' encoder, which the critics train."),
    PAWL_CFG_CHOICE_ROW(S, "policy.sac.compat", compat, PAWL_SAC_COMPAT_LEROBOT, compats,
                        "Where LeRobot differs from the textbook: equal to it, or fixed."),
    PAWL_CFG_F64_ROW(S, "policy.sac.discount", discount, 0.99, 0.0, 1.0, "",
                     "Worth of a reward one step later."),
    PAWL_CFG_F64_ROW(S, "policy.sac.temperature_init", temperature_init, 1.0, 1e-8, 1e8, "",
                     "First weight of the entropy beside the reward; LeRobot advises 0.01."),
    PAWL_CFG_F64_ROW(S, "policy.sac.target_entropy", target_entropy, 0.0, -1e6, 1e6, "",
                     "Entropy that the temperature keeps; 0: minus half of the action's size."),
    PAWL_CFG_I64_ROW(S, "policy.sac.num_critics", num_critics, 2, 1, 64, "",
                     "Critics of the ensemble."),
    PAWL_CFG_I64_ROW(S, "policy.sac.num_subsample_critics", num_subsample_critics, 0, 0, 64, "",
                     "Of how many target critics, drawn each time, the least counts; 0: all."),
    PAWL_CFG_BOOL_ROW(S, "policy.sac.use_backup_entropy", use_backup_entropy, true,
                      "The critics' targets contain the entropy of the next action."),
    PAWL_CFG_F64_ROW(S, "policy.sac.critic_lr", critic_lr, 3e-4, 0.0, 1.0, "",
                     "Learning rate of the critics and of the encoder."),
    PAWL_CFG_F64_ROW(S, "policy.sac.actor_lr", actor_lr, 3e-4, 0.0, 1.0, "",
                     "Learning rate of the actor."),
    PAWL_CFG_F64_ROW(
        S, "policy.sac.temperature_lr", temperature_lr, 3e-4, 0.0, 1.0, "",
        "Learning rate of the temperature with compat = \"fixed\"; else critic_lr."),
    PAWL_CFG_F64_ROW(S, "policy.sac.grad_clip_norm", grad_clip_norm, 40.0, 1e-6, 1e12, "",
                     "Gradients longer than this are shortened to it, per optimizer."),
    PAWL_CFG_F64_ROW(S, "policy.sac.critic_target_update_weight", critic_target_update_weight,
                     0.005, 0.0, 1.0, "",
                     "How far the target critics go towards the critics at each update."),
    PAWL_CFG_I64_ROW(S, "policy.sac.utd_ratio", utd_ratio, 1, 1, 64, "",
                     "Critic updates for each optimization step (UTD ratio)."),
    PAWL_CFG_I64_ROW(S, "policy.sac.policy_update_freq", policy_update_freq, 1, 1, 64, "",
                     "Every so many optimization steps the actor makes as many of its own."),
    PAWL_CFG_F64_LIST_ROW(S, "policy.sac.observation_mean", observation_mean, "[]",
                          PAWL_CFG_F64_LOWEST, PAWL_CFG_F64_HIGHEST, 0, "",
                          "Taken from each component of obs.state; empty: nothing is."),
    PAWL_CFG_F64_LIST_ROW(S, "policy.sac.observation_std", observation_std, "[]", 1e-6,
                          PAWL_CFG_F64_HIGHEST, 0, "",
                          "What each component of obs.state is then divided by."),
#undef S
};

/* What would be without effect. (That a key is given says nothing: a run's own file has all.)
 */
static void check_network(struct pawl_cfg *cfg, const struct pawl_sac_cfg *sac)
{
    struct pawl_sac_cfg standard;
    if (pawl_cfg_default(&pawl_sac_table, &standard, NULL) != 0)
        return;
    const struct {
        const char *key;
        bool is_other;
    } lerobots[] = {
        {"policy.sac.actor_activate_final", !sac->actor_activate_final},
        {"policy.sac.critic_activate_final", !sac->critic_activate_final},
        {"policy.sac.discrete_critic_activate_final", !sac->discrete_critic_activate_final},
        {"policy.sac.critic_final_activation",
         sac->critic_final_activation != standard.critic_final_activation},
        {"policy.sac.discrete_critic_final_activation",
         sac->discrete_critic_final_activation != standard.discrete_critic_final_activation},
        {"policy.sac.init_final",
         sac->init_final < standard.init_final || sac->init_final > standard.init_final},
        {"policy.sac.latent_dim", sac->latent_dim != standard.latent_dim},
        {"policy.sac.shared_encoder", !sac->shared_encoder},
    };
    for (size_t i = 0; i < sizeof(lerobots) / sizeof(lerobots[0]); i++)
        if (sac->network == PAWL_SAC_NETWORK_PLAIN && lerobots[i].is_other)
            pawl_cfg_conflict(cfg, lerobots[i].key, "policy.sac.network",
                              "it is of LeRobot's network alone");
    if (!sac->critic_activate_final && lerobots[3].is_other)
        pawl_cfg_conflict(cfg, lerobots[3].key, lerobots[1].key,
                          "the last hidden layer has no activation then");
    if (!sac->discrete_critic_activate_final && lerobots[4].is_other)
        pawl_cfg_conflict(cfg, lerobots[4].key, lerobots[2].key,
                          "the last hidden layer has no activation then");
}

static void check_sac(struct pawl_cfg *cfg)
{
    const struct pawl_sac_cfg *sac = pawl_cfg_fields(cfg, &pawl_sac_table);

    if (sac->observation_mean.count != sac->observation_std.count)
        pawl_cfg_conflict(cfg, "policy.sac.observation_mean", "policy.sac.observation_std",
                          "must have as many components as each other");
    if (sac->std_min > sac->std_max)
        pawl_cfg_conflict(cfg, "policy.sac.std_min", "policy.sac.std_max",
                          "the least spread is above the greatest");
    check_network(cfg, sac);
    if (sac->num_subsample_critics > sac->num_critics)
        pawl_cfg_conflict(cfg, "policy.sac.num_subsample_critics", "policy.sac.num_critics",
                          "more critics cannot be drawn than there are");
}

static void look_sac(struct pawl_cfg *cfg)
{
    static const char *const of_choices[] = {"policy.sac.discrete_critic_hidden",
                                             "policy.sac.discrete_critic_activate_final",
                                             "policy.sac.discrete_critic_final_activation"};
    const struct pawl_sac_cfg *sac = pawl_cfg_fields(cfg, &pawl_sac_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);

    if (!policy || !pawl_policies[policy->type]->trainer)
        return;
    for (size_t i = 0; i < sizeof(of_choices) / sizeof(of_choices[0]); i++)
        if (policy->num_discrete_actions == 0)
            pawl_cfg_warn_idle(cfg, of_choices[i], "policy.num_discrete_actions");
    if (sac->compat == PAWL_SAC_COMPAT_LEROBOT)
        pawl_cfg_warn_idle(cfg, "policy.sac.temperature_lr", "policy.sac.compat");
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
    .look = look_sac,
};
