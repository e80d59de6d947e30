#include "policy/sac_lerobot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_PREFIX "model/"

/* --- aliases --- */

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void add_alias(struct pawl_sac_texts *texts, const char *prefix, const char *rest,
                      const char *of)
{
    size_t at = texts->alias_count++;

    snprintf(texts->names[at], sizeof(texts->names[at]), "%s%s", prefix, rest);
    texts->aliases[at].name = texts->names[at];
    texts->aliases[at].of = of;
}

/* All names by which LeRobot's modules hold one encoder, but the first in the alphabet. */
static void add_aliases(struct pawl_sac_texts *texts, const char *of)
{
    static const char actor[] = "actor.encoder.", critic[] = "critic_ensemble.encoder.";
    const struct pawl_sac_model *model = texts->model;
    bool is_actor = has_prefix(of, actor), is_critic = has_prefix(of, critic);
    const char *rest = of + (is_actor ? sizeof(actor) : sizeof(critic)) - 1;

    if (!is_actor && !is_critic)
        return;
    if (is_actor)
        add_alias(texts, "encoder_actor.", rest, of);
    if (is_actor && model->is_shared)
        add_alias(texts, critic, rest, of);
    if (is_actor && !model->is_shared)
        return;
    add_alias(texts, "encoder_critic.", rest, of);
    add_alias(texts, "critic_target.encoder.", rest, of);
    if (!model->choice_count)
        return;
    add_alias(texts, "discrete_critic.encoder.", rest, of);
    add_alias(texts, "discrete_critic_target.encoder.", rest, of);
}

int pawl_sac_texts_open(struct pawl_sac_texts *texts, const struct pawl_sac_model *model,
                        const struct pawl_trainer_setup *setup, struct pawl_err *err)
{
    size_t most = 6 * 4 * 2 * PAWL_SAC_INPUTS_MAX; /* names, tensors, encoders */

    *texts = (struct pawl_sac_texts){
        .model = model, .batch_count = setup->batch_count, .seed = setup->seed};
    snprintf(texts->device, sizeof(texts->device), "%s", setup->device);
    texts->aliases = calloc(most, sizeof(texts->aliases[0]));
    texts->names = calloc(most, sizeof(texts->names[0]));
    if (!texts->aliases || !texts->names) {
        pawl_sac_texts_close(texts);
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory");
    }
    for (uint32_t i = 0; i < model->tensor_count; i++)
        if (has_prefix(model->tensors[i].name, MODEL_PREFIX))
            add_aliases(texts, model->tensors[i].name + sizeof(MODEL_PREFIX) - 1);
    return 0;
}

void pawl_sac_texts_close(struct pawl_sac_texts *texts)
{
    free(texts->aliases);
    free(texts->names);
    *texts = (struct pawl_sac_texts){0};
}

/* --- texts --- */

static void put_numbers(struct pawl_json_writer *out, const char *key,
                        const struct pawl_cfg_f64_list *list)
{
    pawl_json_begin_array(out, key);
    for (uint32_t i = 0; i < list->count; i++)
        pawl_json_put_f64(out, NULL, list->items[i]);
    pawl_json_end(out);
}

/* own: empty for those of the actor. final: NULL for the actor, who has none to say. */
static void put_network(struct pawl_json_writer *out, const char *key,
                        const struct pawl_sac_cfg *cfg, const struct pawl_cfg_i64_list *own,
                        bool is_final_active, const int32_t *final)
{
    const struct pawl_cfg_i64_list *widths = own->count ? own : &cfg->hidden;

    pawl_json_begin_object(out, key);
    pawl_json_begin_array(out, "hidden_dims");
    for (uint32_t i = 0; i < widths->count; i++)
        pawl_json_put_i64(out, NULL, widths->items[i]);
    pawl_json_end(out);
    pawl_json_put_bool(out, "activate_final", is_final_active);
    if (final && *final == PAWL_SAC_ACTIVATION_SILU)
        pawl_json_put_null(out, "final_activation");
    else if (final)
        pawl_json_put_string(out, "final_activation", pawl_sac_activations[*final]);
    pawl_json_end(out);
}

static void put_feature(struct pawl_json_writer *out, const char *key, const char *type,
                        uint32_t count)
{
    pawl_json_begin_object(out, key);
    pawl_json_put_string(out, "type", type);
    pawl_json_begin_array(out, "shape");
    pawl_json_put_i64(out, NULL, count);
    pawl_json_end(out);
    pawl_json_end(out);
}

static void put_features(struct pawl_json_writer *out, const struct pawl_sac_model *model)
{
    pawl_json_begin_object(out, "input_features");
    for (uint32_t i = 0; i < model->input_count; i++)
        put_feature(out, model->inputs[i].feature, model->inputs[i].feature_type,
                    model->inputs[i].count);
    pawl_json_end(out);
    pawl_json_begin_object(out, "output_features");
    put_feature(out, "action", "ACTION", model->action_count);
    pawl_json_end(out);
}

/* What is not normalised is said to be so: LeRobot's own defaults would stretch it. */
static void put_normalisation(struct pawl_json_writer *out, const struct pawl_sac_model *model)
{
    bool is_normalised = model->cfg->observation_mean.count > 0;

    pawl_json_begin_object(out, "normalization_mapping");
    pawl_json_put_string(out, "VISUAL", "MEAN_STD");
    pawl_json_put_string(out, "STATE", is_normalised ? "MEAN_STD" : "IDENTITY");
    pawl_json_put_string(out, "ENV", "IDENTITY");
    pawl_json_put_string(out, "ACTION", "IDENTITY");
    pawl_json_end(out);
    pawl_json_begin_object(out, "dataset_stats");
    if (is_normalised) {
        pawl_json_begin_object(out, "observation.state");
        put_numbers(out, "mean", &model->cfg->observation_mean);
        put_numbers(out, "std", &model->cfg->observation_std);
        pawl_json_end(out);
    }
    pawl_json_end(out);
}

/* Squashed by a tanh it is always, here as in LeRobot, whatever is said. */
static void put_networks(struct pawl_json_writer *out, const struct pawl_sac_cfg *cfg)
{
    put_network(out, "critic_network_kwargs", cfg, &cfg->critic_hidden,
                cfg->critic_activate_final, &cfg->critic_final_activation);
    put_network(out, "actor_network_kwargs", cfg, &cfg->hidden, cfg->actor_activate_final,
                NULL);
    put_network(out, "discrete_critic_network_kwargs", cfg, &cfg->discrete_critic_hidden,
                cfg->discrete_critic_activate_final, &cfg->discrete_critic_final_activation);
    pawl_json_begin_object(out, "policy_kwargs");
    pawl_json_put_bool(out, "use_tanh_squash", true);
    pawl_json_put_f64(out, "std_min", cfg->std_min);
    pawl_json_put_f64(out, "std_max", cfg->std_max);
    pawl_json_put_f64(out, "init_final", cfg->init_final);
    pawl_json_end(out);
}

static void put_method(struct pawl_json_writer *out, const struct pawl_sac_model *model)
{
    const struct pawl_sac_cfg *cfg = model->cfg;

    pawl_json_put_i64(out, "latent_dim", cfg->latent_dim);
    pawl_json_put_bool(out, "shared_encoder", cfg->shared_encoder);
    if (model->choice_count)
        pawl_json_put_i64(out, "num_discrete_actions", model->choice_count);
    else
        pawl_json_put_null(out, "num_discrete_actions");
    pawl_json_put_i64(out, "policy_update_freq", cfg->policy_update_freq);
    pawl_json_put_f64(out, "discount", cfg->discount);
    pawl_json_put_f64(out, "temperature_init", cfg->temperature_init);
    pawl_json_put_i64(out, "num_critics", cfg->num_critics);
    if (cfg->num_subsample_critics)
        pawl_json_put_i64(out, "num_subsample_critics", cfg->num_subsample_critics);
    else
        pawl_json_put_null(out, "num_subsample_critics");
    pawl_json_put_f64(out, "critic_lr", cfg->critic_lr);
    pawl_json_put_f64(out, "actor_lr", cfg->actor_lr);
    pawl_json_put_f64(out, "temperature_lr", cfg->temperature_lr);
    pawl_json_put_f64(out, "critic_target_update_weight", cfg->critic_target_update_weight);
    pawl_json_put_i64(out, "utd_ratio", cfg->utd_ratio);
    if (cfg->target_entropy != 0.0)
        pawl_json_put_f64(out, "target_entropy", cfg->target_entropy);
    else
        pawl_json_put_null(out, "target_entropy");
    pawl_json_put_bool(out, "use_backup_entropy", cfg->use_backup_entropy);
    pawl_json_put_f64(out, "grad_clip_norm", cfg->grad_clip_norm);
}

/* Compiled, LeRobot's critics have other names than these ("_orig_mod."), so not compiled. */
static void put_config(const struct pawl_sac_texts *texts, struct pawl_json_writer *out,
                       const char *key)
{
    const struct pawl_sac_model *model = texts->model;

    pawl_json_begin_object(out, key);
    pawl_json_put_string(out, "type",
                         model->is_plain ? PAWL_SAC_PLAIN_TYPE : PAWL_SAC_LEROBOT_TYPE);
    pawl_json_put_i64(out, "n_obs_steps", 1);
    put_features(out, model);
    pawl_json_put_string(out, "device", texts->device);
    pawl_json_put_string(out, "storage_device", "cpu");
    pawl_json_put_bool(out, "push_to_hub", false);
    pawl_json_begin_array(out, "tags");
    pawl_json_put_string(out, NULL, PAWL_SAC_TAG);
    if (model->cfg->compat == PAWL_SAC_COMPAT_FIXED)
        pawl_json_put_string(out, NULL, PAWL_SAC_TAG_FIXED);
    pawl_json_end(out);
    put_normalisation(out, model);
    put_method(out, model);
    put_networks(out, model->cfg);
    pawl_json_put_bool(out, "use_torch_compile", false);
    pawl_json_end(out);
}

static void put_train_config(const struct pawl_sac_texts *texts, struct pawl_json_writer *out)
{
    pawl_json_begin_object(out, NULL);
    pawl_json_put_null(out, "dataset");
    pawl_json_put_null(out, "env");
    put_config(texts, out, "policy");
    pawl_json_put_null(out, "output_dir");
    pawl_json_put_string(out, "job_name", "pawl");
    pawl_json_put_bool(out, "resume", false);
    pawl_json_put_i64(out, "seed", (int64_t)(texts->seed & INT64_MAX));
    pawl_json_put_i64(out, "batch_size", texts->batch_count);
    pawl_json_put_bool(out, "save_checkpoint", true);
    pawl_json_end(out);
}

int pawl_sac_texts_write(const struct pawl_sac_texts *texts, enum pawl_trainer_text which,
                         struct pawl_json_writer *writer, struct pawl_err *err)
{
    switch (which) {
    case PAWL_TRAINER_CONFIG:
        put_config(texts, writer, NULL);
        return 0;
    case PAWL_TRAINER_TRAIN_CONFIG:
        put_train_config(texts, writer);
        return 0;
    }
    return pawl_err_set(err, EINVAL, "policy sac: there is no text %d", (int)which);
}
