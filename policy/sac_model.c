#include "policy/sac_model.h"

#include "policy/policy.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *field;
    const char *encoder;
    const char *feature, *feature_type;
} known_inputs[PAWL_SAC_INPUTS_MAX] = {
    {"obs.environment_state", "env_encoder", "observation.environment_state", "ENV"},
    {"obs.state", "state_encoder", "observation.state", "STATE"},
};

static const char norm_name[] = "normalize_inputs.buffer_observation_state";

static struct pawl_sac_tensor *add_tensor(struct pawl_sac_model *model, uint32_t out,
                                          uint32_t in, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static struct pawl_sac_tensor *add_tensor(struct pawl_sac_model *model, uint32_t out,
                                          uint32_t in, const char *format, ...)
{
    struct pawl_sac_tensor *tensor = &model->tensors[model->tensor_count++];
    va_list words;

    va_start(words, format);
    vsnprintf(tensor->name, sizeof(tensor->name), format, words);
    va_end(words);
    tensor->rank = in ? 2 : 1;
    tensor->shape[0] = out;
    tensor->shape[1] = in;
    tensor->count = in ? (uint64_t)out * in : out;
    tensor->at = model->float_count + model->stack_index * tensor->count;
    model->float_count += (model->stack_count * tensor->count + PAWL_SAC_ALIGN_FLOATS - 1) /
                          PAWL_SAC_ALIGN_FLOATS * PAWL_SAC_ALIGN_FLOATS;
    return tensor;
}

static float root_bound(uint32_t in)
{
    return (float)(1.0 / sqrt((double)in));
}

/* A Linear as torch draws it. */
static struct pawl_sac_layer add_linear(struct pawl_sac_model *model, const char *name,
                                        uint32_t out, uint32_t in)
{
    struct pawl_sac_layer layer = {
        .tensor = model->tensor_count, .in_count = in, .out_count = out};

    add_tensor(model, out, in, "%s.weight", name)->bound = root_bound(in);
    add_tensor(model, out, 0, "%s.bias", name)->bound = root_bound(in);
    return layer;
}

static void add_norm(struct pawl_sac_model *model, struct pawl_sac_layer *layer,
                     const char *name)
{
    struct pawl_sac_tensor *weight = add_tensor(model, layer->out_count, 0, "%s.weight", name);
    weight->init = PAWL_SAC_INIT_VALUE;
    weight->bound = 1.0f;
    struct pawl_sac_tensor *bias = add_tensor(model, layer->out_count, 0, "%s.bias", name);
    bias->init = PAWL_SAC_INIT_VALUE;
    bias->bound = 0.0f;
    layer->has_norm = true;
}

/* Of the hidden layers of a network. */
struct form {
    const struct pawl_cfg_i64_list *widths;
    bool is_final_active;
    int32_t final; /* enum pawl_sac_activation */
};

static enum pawl_op_act act_of(int32_t activation)
{
    switch ((enum pawl_sac_activation)activation) {
    case PAWL_SAC_ACTIVATION_RELU:
        return PAWL_ACT_RELU;
    case PAWL_SAC_ACTIVATION_TANH:
        return PAWL_ACT_TANH;
    case PAWL_SAC_ACTIVATION_IDENTITY:
        return PAWL_ACT_NONE;
    case PAWL_SAC_ACTIVATION_SILU:
        break;
    }
    return PAWL_ACT_SILU;
}

/* Hidden layers PREFIX.0, PREFIX.1, ..., numbered as torch's Sequential does: Linear, LayerNorm
 * and SiLU, or Linear and ReLU. LeRobot's last may be a Linear alone, or have another
 * activation. */
static struct pawl_sac_net add_hidden(struct pawl_sac_model *model, const char *prefix,
                                      uint32_t in, const struct form *form)
{
    struct pawl_sac_net net = {.layer_count = form->widths->count};
    uint32_t step = model->is_plain ? 2 : 3;

    for (uint32_t i = 0; i < net.layer_count; i++) {
        char name[PAWL_TENSOR_NAME_BYTES - 8];
        uint32_t out = (uint32_t)form->widths->items[i];
        bool is_last = i + 1 == net.layer_count;
        snprintf(name, sizeof(name), "%s.%u", prefix, step * i);
        net.layers[i] = add_linear(model, name, out, in);
        in = out;
        if (model->is_plain) {
            net.layers[i].act = PAWL_ACT_RELU;
        } else if (!is_last || form->is_final_active) {
            snprintf(name, sizeof(name), "%s.%u", prefix, step * i + 1);
            add_norm(model, &net.layers[i], name);
            net.layers[i].act = act_of(is_last ? form->final : PAWL_SAC_ACTIVATION_SILU);
        }
    }
    return net;
}

static uint32_t out_of(const struct pawl_sac_net *net, uint32_t in)
{
    return net->layer_count ? net->layers[net->layer_count - 1].out_count : in;
}

/* A network that ends in values: PREFIX.net.net.*, PREFIX.output_layer.* */
static struct pawl_sac_net add_values(struct pawl_sac_model *model, const char *prefix,
                                      uint32_t in, uint32_t out, const struct form *form)
{
    char name[PAWL_TENSOR_NAME_BYTES - 16];

    snprintf(name, sizeof(name), "%s.net.net", prefix);
    struct pawl_sac_net net = add_hidden(model, name, in, form);
    snprintf(name, sizeof(name), "%s.output_layer", prefix);
    struct pawl_sac_layer layer = add_linear(model, name, out, out_of(&net, in));
    if (!model->is_plain)
        model->tensors[layer.tensor].init = PAWL_SAC_INIT_ORTHOGONAL;
    net.layers[net.layer_count++] = layer;
    return net;
}

static void add_encoders(struct pawl_sac_model *model, const char *prefix,
                         struct pawl_sac_layer layers[PAWL_SAC_INPUTS_MAX])
{
    for (uint32_t i = 0; i < model->input_count; i++) {
        char name[PAWL_TENSOR_NAME_BYTES - 16];
        snprintf(name, sizeof(name), "%s.%s.0", prefix, model->inputs[i].encoder);
        layers[i] =
            add_linear(model, name, (uint32_t)model->cfg->latent_dim, model->inputs[i].count);
        name[strlen(name) - 1] = '1';
        add_norm(model, &layers[i], name);
    }
}

static struct pawl_sac_range begin_range(const struct pawl_sac_model *model)
{
    return (struct pawl_sac_range){.at = model->float_count};
}

static void end_range(const struct pawl_sac_model *model, struct pawl_sac_range *range)
{
    range->count = model->float_count - range->at;
}

/* Tensors first.. are a copy of those from `copied` on, until the last. */
static void copy_from(struct pawl_sac_model *model, uint32_t first, uint32_t copied)
{
    for (uint32_t i = first; i < model->tensor_count; i++) {
        model->tensors[i].init = PAWL_SAC_INIT_COPY;
        model->tensors[i].copied = copied + (i - first);
    }
}

static const struct pawl_cfg_i64_list *widths_or(const struct pawl_cfg_i64_list *widths,
                                                 const struct pawl_cfg_i64_list *otherwise)
{
    return widths->count ? widths : otherwise;
}

/* Returns the first; the others' tensors follow, critic by critic. */
static struct pawl_sac_net add_ensemble(struct pawl_sac_model *model, const char *prefix)
{
    const struct form form = {.widths =
                                  widths_or(&model->cfg->critic_hidden, &model->cfg->hidden),
                              .is_final_active = model->cfg->critic_activate_final,
                              .final = model->cfg->critic_final_activation};
    uint32_t in = model->encoding_count + model->action_count;
    uint64_t begin = model->float_count;
    uint32_t first = model->tensor_count;
    struct pawl_sac_net net = {0};

    model->stack_count = model->critic_count;
    for (uint32_t c = 0; c < model->critic_count; c++) {
        char name[64];
        snprintf(name, sizeof(name), "%s.critics.%u", prefix, c);
        model->float_count = begin;
        model->stack_index = c;
        struct pawl_sac_net added = add_values(model, name, in, 1, &form);
        if (c == 0)
            net = added;
        if (c == 0)
            model->critic_stride = model->tensor_count - first;
    }
    model->stack_count = 1;
    model->stack_index = 0;
    return net;
}

static struct pawl_sac_net add_discrete_net(struct pawl_sac_model *model, const char *prefix)
{
    const struct form form = {
        .widths = widths_or(&model->cfg->discrete_critic_hidden, &model->cfg->hidden),
        .is_final_active = model->cfg->discrete_critic_activate_final,
        .final = model->cfg->discrete_critic_final_activation};
    return add_values(model, prefix, model->encoding_count, model->choice_count, &form);
}

static void add_critics(struct pawl_sac_model *model)
{
    /* A shared encoder is stored under the first of its names in the alphabet, as safetensors'
     * save_model() does. */
    const char *encoder =
        model->is_shared ? "model/actor.encoder" : "model/critic_ensemble.encoder";

    model->encoder_range = begin_range(model);
    if (!model->is_plain)
        add_encoders(model, encoder, model->encoder);
    end_range(model, &model->encoder_range);

    model->critic_range = begin_range(model);
    model->critic = add_ensemble(model, "model/critic_ensemble");
    end_range(model, &model->critic_range);
}

static void add_heads(struct pawl_sac_model *model)
{
    uint32_t in = out_of(&model->actor, model->encoding_count);
    uint64_t begin = model->float_count;

    model->stack_count = 2;
    model->mean = add_linear(model, "model/actor.mean_layer", model->action_count, in);
    model->float_count = begin;
    model->stack_index = 1;
    model->std = add_linear(model, "model/actor.std_layer", model->action_count, in);
    model->stack_count = 1;
    model->stack_index = 0;

    struct pawl_sac_layer both = model->mean;
    both.out_count = 2 * model->action_count;
    model->actor.layers[model->actor.layer_count++] = both;
}

static void add_actor(struct pawl_sac_model *model)
{
    model->actor_encoder_range = begin_range(model);
    if (model->is_shared)
        memcpy(model->actor_encoder, model->encoder, sizeof(model->encoder));
    else
        add_encoders(model, "model/actor.encoder", model->actor_encoder);
    end_range(model, &model->actor_encoder_range);

    const struct form form = {.widths = &model->cfg->hidden,
                              .is_final_active = model->cfg->actor_activate_final};
    model->actor_range = begin_range(model);
    model->actor = add_hidden(model, "model/actor.network.net", model->encoding_count, &form);
    add_heads(model);
    end_range(model, &model->actor_range);
    for (uint32_t i = model->mean.tensor; !model->is_plain && i < model->tensor_count; i++)
        model->tensors[i].bound = (float)model->cfg->init_final;
}

static void add_targets(struct pawl_sac_model *model)
{
    uint32_t first = model->tensor_count;

    model->target_range = begin_range(model);
    model->target = add_ensemble(model, "model/critic_target");
    end_range(model, &model->target_range);
    copy_from(model, first, model->critic.layers[0].tensor);

    if (!model->choice_count)
        return;
    first = model->tensor_count;
    model->discrete_target_range = begin_range(model);
    model->discrete_target = add_discrete_net(model, "model/discrete_critic_target");
    end_range(model, &model->discrete_target_range);
    copy_from(model, first, model->discrete.layers[0].tensor);
}

static void add_discrete(struct pawl_sac_model *model)
{
    if (!model->choice_count)
        return;
    model->discrete_range = begin_range(model);
    model->discrete = add_discrete_net(model, "model/discrete_critic");
    end_range(model, &model->discrete_range);
}

static void add_norms(struct pawl_sac_model *model)
{
    for (uint32_t i = 0; i < model->input_count; i++) {
        struct pawl_sac_input *input = &model->inputs[i];
        if (!input->is_normalised)
            continue;
        input->norm_tensor = model->tensor_count;
        add_tensor(model, input->count, 0, "pawl/%s.mean", norm_name)->init =
            PAWL_SAC_INIT_MEAN;
        add_tensor(model, input->count, 0, "pawl/%s.std", norm_name)->init = PAWL_SAC_INIT_STD;
    }
}

static void add_to_manifest(struct pawl_sac_model *model, uint32_t first, uint32_t count,
                            const char *prefix, const char *instead)
{
    for (uint32_t i = first; i < first + count; i++) {
        const struct pawl_sac_tensor *tensor = &model->tensors[i];
        struct pawl_tensor *out = &model->manifest[model->manifest_count];
        snprintf(out->name, sizeof(out->name), "%s%s", instead, tensor->name + strlen(prefix));
        out->dtype = PAWL_F32;
        out->rank = tensor->rank;
        memcpy(out->shape, tensor->shape, sizeof(tensor->shape));
        model->manifest_tensors[model->manifest_count++] = i;
    }
}

static uint32_t tensor_count_of(const struct pawl_sac_net *net)
{
    const struct pawl_sac_layer *last = &net->layers[net->layer_count - 1];
    return last->tensor + (last->has_norm ? 4 : 2) - net->layers[0].tensor;
}

static void make_manifest(struct pawl_sac_model *model)
{
    uint32_t encoder_count = model->is_plain ? 0 : 4 * model->input_count;

    add_to_manifest(model, model->actor_encoder[0].tensor, encoder_count, "model/actor.", "");
    add_to_manifest(model, model->actor.layers[0].tensor,
                    model->std.tensor + 2 - model->actor.layers[0].tensor, "model/actor.", "");
    if (model->choice_count) {
        if (!model->is_shared)
            add_to_manifest(model, model->encoder[0].tensor, encoder_count,
                            "model/critic_ensemble.", "discrete_critic.");
        add_to_manifest(model, model->discrete.layers[0].tensor,
                        tensor_count_of(&model->discrete), "model/", "");
    }
    for (uint32_t i = 0; i < model->input_count; i++)
        if (model->inputs[i].is_normalised)
            add_to_manifest(model, model->inputs[i].norm_tensor, 2, "pawl/", "");
}

static int add_input(struct pawl_sac_model *model, const struct pawl_spec_field *field,
                     uint32_t index, uint32_t known, struct pawl_err *err)
{
    const struct pawl_cfg_f64_list *mean = &model->cfg->observation_mean;

    if (field->dtype != PAWL_F32 || field->rank != 1)
        return pawl_err_set(err, EINVAL, "policy sac: '%s' is not a row of float32",
                            field->name);
    struct pawl_sac_input *input = &model->inputs[model->input_count++];
    input->field = index;
    input->offset_bytes = field->offset_bytes;
    input->count = field->shape[0];
    input->column = model->encoding_count;
    input->width = model->is_plain ? input->count : (uint32_t)model->cfg->latent_dim;
    input->encoder = known_inputs[known].encoder;
    input->feature = known_inputs[known].feature;
    input->feature_type = known_inputs[known].feature_type;
    input->is_normalised = strcmp(field->name, "obs.state") == 0 && mean->count > 0;
    if (input->is_normalised && mean->count != input->count)
        return pawl_err_set(err, EINVAL,
                            "policy.sac.observation_mean has %u components, '%s' has %u",
                            mean->count, field->name, input->count);
    model->encoding_count += input->width;
    return 0;
}

/* obs.state alone is normalised: numbers for it are of no use without it. */
static int check_norm(const struct pawl_sac_model *model, const struct pawl_cfg *cfg,
                      const struct pawl_spec *spec, struct pawl_err *err)
{
    static const char key[] = "policy.sac.observation_mean";
    const struct pawl_cfg_f64_list *mean = &model->cfg->observation_mean;
    char origin[256];

    if (mean->count == 0 || pawl_spec_find(spec, "obs.state"))
        return 0;
    pawl_cfg_origin(cfg, key, origin, sizeof(origin));
    return pawl_err_set(err, EINVAL,
                        "%s: %s = [%g, ...], %u components: it normalises obs.state, which "
                        "the records of this env.type do not have (`pawl env list`); leave it "
                        "and policy.sac.observation_std out",
                        origin, key, mean->items[0], mean->count);
}

static int find_inputs(struct pawl_sac_model *model, const struct pawl_spec *spec,
                       struct pawl_err *err)
{
    for (uint32_t i = 0; i < spec->field_count; i++) {
        const char *name = spec->fields[i].name;
        if (strncmp(name, "obs.", 4) == 0 && strcmp(name, known_inputs[0].field) != 0 &&
            strcmp(name, known_inputs[1].field) != 0)
            return pawl_err_set(err, EINVAL,
                                "policy sac: cannot read '%s'; it reads obs.state and "
                                "obs.environment_state",
                                name);
    }
    for (uint32_t k = 0; k < PAWL_SAC_INPUTS_MAX; k++) {
        const struct pawl_spec_field *field = pawl_spec_find(spec, known_inputs[k].field);
        int code = 0;
        if (field)
            code = add_input(model, field, (uint32_t)(field - spec->fields), k, err);
        if (code != 0)
            return code;
    }
    if (model->input_count == 0)
        return pawl_err_set(err, EINVAL,
                            "policy sac: the records have neither obs.state nor "
                            "obs.environment_state");
    return 0;
}

static int find_action(struct pawl_sac_model *model, const struct pawl_spec *spec,
                       struct pawl_err *err)
{
    const struct pawl_spec_field *action = pawl_spec_find(spec, "action");
    uint32_t taken = model->choice_count ? 1 : 0;

    if (!action || action->dtype != PAWL_F32 || action->rank != 1 || action->shape[0] <= taken)
        return pawl_err_set(err, EINVAL,
                            "policy sac: wants a continuous action, a row of float32; that of "
                            "this env.type is another (`pawl env list`), which "
                            "policy.type = \"random\" can play");
    model->action_field = (uint32_t)(action - spec->fields);
    model->action_offset_bytes = action->offset_bytes;
    model->action_count = action->shape[0] - taken;
    return 0;
}

static int check_widths(const struct pawl_sac_cfg *cfg, struct pawl_err *err)
{
    const struct {
        const char *key;
        const struct pawl_cfg_i64_list *widths;
    } lists[] = {{"hidden", &cfg->hidden},
                 {"critic_hidden", &cfg->critic_hidden},
                 {"discrete_critic_hidden", &cfg->discrete_critic_hidden}};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (lists[i].widths->count >= PAWL_SAC_LAYERS_MAX)
            return pawl_err_set(err, EINVAL, "policy.sac.%s has %u layers, at most %d are made",
                                lists[i].key, lists[i].widths->count, PAWL_SAC_LAYERS_MAX - 1);
    return 0;
}

static int allocate(struct pawl_sac_model *model, struct pawl_err *err)
{
    /* Four tensors to a layer, two nets to a critic; encoders, actor and the rest in 256. */
    uint32_t most = 256 + 4 * PAWL_SAC_LAYERS_MAX * 2 * (model->critic_count + 1);

    model->tensors = calloc(most, sizeof(model->tensors[0]));
    model->manifest = calloc(PAWL_POLICY_TENSOR_COUNT_MAX, sizeof(model->manifest[0]));
    model->manifest_tensors =
        calloc(PAWL_POLICY_TENSOR_COUNT_MAX, sizeof(model->manifest_tensors[0]));
    if (!model->tensors || !model->manifest || !model->manifest_tensors)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory for %u critics",
                            model->critic_count);
    return 0;
}

static int make(struct pawl_sac_model *model, const struct pawl_cfg *cfg,
                const struct pawl_spec *spec, struct pawl_err *err)
{
    int code = check_widths(model->cfg, err);
    if (code == 0)
        code = check_norm(model, cfg, spec, err);
    if (code == 0)
        code = find_action(model, spec, err);
    if (code == 0)
        code = find_inputs(model, spec, err);
    if (code == 0)
        code = allocate(model, err);
    if (code != 0)
        return code;

    add_discrete(model);
    add_critics(model);
    add_actor(model);
    model->log_alpha = model->tensor_count;
    struct pawl_sac_tensor *log_alpha = add_tensor(model, 1, 0, "model/log_alpha");
    log_alpha->init = PAWL_SAC_INIT_VALUE;
    log_alpha->bound = (float)log(model->cfg->temperature_init);
    add_targets(model);
    add_norms(model);
    make_manifest(model);
    return 0;
}

int pawl_sac_model_open(struct pawl_sac_model **out, const struct pawl_cfg *cfg,
                        const struct pawl_spec *spec, uint32_t choice_count,
                        struct pawl_err *err)
{
    *out = NULL;
    struct pawl_sac_model *model = calloc(1, sizeof(*model));
    if (!model)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory");
    model->cfg = pawl_cfg_fields(cfg, &pawl_sac_table);
    model->is_plain = model->cfg->network == PAWL_SAC_NETWORK_PLAIN;
    model->is_shared = model->is_plain || model->cfg->shared_encoder;
    model->choice_count = choice_count;
    model->critic_count = (uint32_t)model->cfg->num_critics;
    model->stack_count = 1;

    int code = make(model, cfg, spec, err);
    if (code != 0) {
        pawl_sac_model_close(model);
        return code;
    }
    *out = model;
    return 0;
}

void pawl_sac_model_close(struct pawl_sac_model *model)
{
    if (!model)
        return;
    free(model->tensors);
    free(model->manifest);
    free(model->manifest_tensors);
    free(model);
}
