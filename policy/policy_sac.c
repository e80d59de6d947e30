/* policy_sac.c: the acting half of SAC as LeRobot's SACPolicy has it, on its tensor names.
 *
 *     e_f  = tanh(norm(W_f o_f + b_f))                 for obs.environment_state, obs.state
 *     h    = silu(norm(W h + b)) for each hidden layer, from the concatenated encodings
 *     s    = clamp(exp(W_s h + b_s), std_min, std_max)
 *     a    = tanh(W_m h + b_m + sd * noise)
 *     c    = arg max of the discrete critic's values   where the action ends in a choice
 *
 * sd is sqrt(s) with compat = "lerobot": there s enters the distribution as a variance. It is s
 * itself, the standard deviation that its name says, with compat = "fixed". With network =
 * "plain", h is relu(W h + b) from the observations themselves.
 *
 * O = components of an observation field, L = components of all encodings, H = hidden widths,
 * A = action components without the choice, C = choices, B = lanes.
 */
#include "policy/nn.h"
#include "policy/policy.h"
#include "policy/policy_cfg.h"
#include "policy/sac_model.h"
#include "policy/sac_trainer.h"
#include "runtime/philox.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sac_policy {
    struct pawl_policy base;
    const struct pawl_nn *nn;
    const struct pawl_sac_cfg *cfg;
    struct pawl_sac_model *model;
    bool is_greedy;
    uint64_t seed;
    const float **data; /* of the model's tensors; NULL for those not of the manifest */
    struct pawl_philox *streams; /* one for each lane */
    float *field;                /* (B, O) */
    float *encoding;             /* (B, L) */
    float *first;                /* (B, widest) */
    float *second;               /* (B, widest) */
};

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t widest_of(const struct pawl_sac_net *net)
{
    uint32_t widest = 0;
    for (uint32_t i = 0; i < net->layer_count; i++)
        widest = max_u32(widest, net->layers[i].out_count);
    return widest;
}

static int allocate_rows(struct sac_policy *sac, const struct pawl_policy_setup *setup,
                         struct pawl_err *err)
{
    const struct pawl_sac_model *model = sac->model;
    size_t lanes = setup->lane_count;
    uint32_t field = 0;
    for (uint32_t i = 0; i < model->input_count; i++)
        field = max_u32(field, model->inputs[i].count);
    uint32_t widest = max_u32(max_u32(widest_of(&model->actor), widest_of(&model->discrete)),
                              model->encoding_count);

    sac->data = calloc(model->tensor_count, sizeof(sac->data[0]));
    sac->streams = calloc(lanes, sizeof(sac->streams[0]));
    sac->field = calloc(lanes * field, sizeof(float));
    sac->encoding = calloc(lanes * model->encoding_count, sizeof(float));
    sac->first = calloc(lanes * widest, sizeof(float));
    sac->second = calloc(lanes * widest, sizeof(float));
    if (!sac->data || !sac->streams || !sac->field || !sac->encoding || !sac->first ||
        !sac->second)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory for %zu lanes", lanes);
    for (size_t lane = 0; lane < lanes; lane++)
        pawl_philox_open(&sac->streams[lane], setup->seed, PAWL_STREAM_EXPLORATION,
                         setup->lane_first + (uint32_t)lane);
    return 0;
}

static void sac_close(struct pawl_policy *policy)
{
    struct sac_policy *sac = (struct sac_policy *)policy;
    if (!sac)
        return;
    pawl_sac_model_close(sac->model);
    free(sac->data);
    free(sac->streams);
    free(sac->field);
    free(sac->encoding);
    free(sac->first);
    free(sac->second);
    free(sac);
}

static int sac_open(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                    struct pawl_err *err)
{
    *policy = NULL;
    struct sac_policy *sac = calloc(1, sizeof(*sac));
    if (!sac)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory");
    sac->base.ops = &pawl_sac_policy;
    sac->nn = pawl_nn_best();
    sac->cfg = pawl_cfg_fields(setup->cfg, &pawl_sac_table);
    sac->is_greedy = setup->is_greedy;
    sac->seed = setup->seed;

    int code =
        pawl_sac_model_open(&sac->model, setup->cfg, setup->spec, setup->choice_count, err);
    if (code == 0)
        code = allocate_rows(sac, setup, err);
    if (code != 0) {
        sac_close(&sac->base);
        return code;
    }
    *policy = &sac->base;
    return 0;
}

static const struct pawl_tensor *sac_manifest(const struct pawl_policy *policy, size_t *count)
{
    const struct sac_policy *sac = (const struct sac_policy *)policy;
    *count = sac->model->manifest_count;
    return sac->model->manifest;
}

static void sac_init(const struct pawl_policy *policy, size_t index, void *data)
{
    const struct sac_policy *sac = (const struct sac_policy *)policy;
    pawl_sac_model_init(sac->model, sac->model->manifest_tensors[index], sac->seed, data);
}

static int sac_bind(struct pawl_policy *policy, const struct pawl_tensor *tensors, size_t count,
                    struct pawl_err *err)
{
    struct sac_policy *sac = (struct sac_policy *)policy;
    const struct pawl_sac_model *model = sac->model;
    const void *data[PAWL_POLICY_TENSOR_COUNT_MAX];

    int code =
        pawl_policy_match(model->manifest, model->manifest_count, tensors, count, data, err);
    for (uint32_t i = 0; code == 0 && i < model->manifest_count; i++)
        sac->data[model->manifest_tensors[i]] = data[i];
    return code;
}

static struct pawl_nn_layer layer_of(const struct sac_policy *sac,
                                     const struct pawl_sac_layer *layer,
                                     enum pawl_nn_activation activation)
{
    return (struct pawl_nn_layer){
        .weight = sac->data[layer->tensor],
        .bias = sac->data[layer->tensor + 1],
        .norm_weight = layer->has_norm ? sac->data[layer->tensor + 2] : NULL,
        .norm_bias = layer->has_norm ? sac->data[layer->tensor + 3] : NULL,
        .in_count = layer->in_count,
        .out_count = layer->out_count,
        .activation = activation,
    };
}

/* field (B, O) from the records. */
static void gather(struct sac_policy *sac, const struct pawl_sac_input *input,
                   unsigned char *const *records, uint32_t lane_count)
{
    for (uint32_t lane = 0; lane < lane_count; lane++) {
        float *row = sac->field + (size_t)lane * input->count;
        memcpy(row, records[lane] + input->offset_bytes, input->count * sizeof(float));
        if (!input->is_normalised)
            continue;
        const float *mean = sac->data[input->norm_tensor];
        const float *std = sac->data[input->norm_tensor + 1];
        for (uint32_t i = 0; i < input->count; i++)
            row[i] = (row[i] - mean[i]) / std[i];
    }
}

/* encoding (B, L): those of the fields side by side. */
static void encode(struct sac_policy *sac, const struct pawl_sac_layer *encoders,
                   unsigned char *const *records, uint32_t lane_count)
{
    const struct pawl_sac_model *model = sac->model;

    for (uint32_t i = 0; i < model->input_count; i++) {
        const struct pawl_sac_input *input = &model->inputs[i];
        const float *rows = sac->field;
        gather(sac, input, records, lane_count);
        if (!model->is_plain) {
            struct pawl_nn_layer layer = layer_of(sac, &encoders[i], PAWL_NN_TANH);
            sac->nn->layer(&layer, sac->second, sac->field, lane_count);
            rows = sac->second;
        }
        for (uint32_t lane = 0; lane < lane_count; lane++)
            memcpy(sac->encoding + (size_t)lane * model->encoding_count + input->column,
                   rows + (size_t)lane * input->width, input->width * sizeof(float));
    }
}

static enum pawl_nn_activation activation_of(enum pawl_op_act act)
{
    switch (act) {
    case PAWL_ACT_RELU:
        return PAWL_NN_RELU;
    case PAWL_ACT_SILU:
        return PAWL_NN_SILU;
    case PAWL_ACT_TANH:
        return PAWL_NN_TANH;
    case PAWL_ACT_NONE:
        break;
    }
    return PAWL_NN_LINEAR;
}

/* What the hidden layers make of the encodings: (B, H), in one of the two rows. */
static const float *hidden(struct sac_policy *sac, const struct pawl_sac_net *net,
                           uint32_t lane_count)
{
    const float *x = sac->encoding;
    for (uint32_t i = 0; i + 1 < net->layer_count; i++) {
        struct pawl_nn_layer layer =
            layer_of(sac, &net->layers[i], activation_of(net->layers[i].act));
        float *y = x == sac->first ? sac->second : sac->first;
        sac->nn->layer(&layer, y, x, lane_count);
        x = y;
    }
    return x;
}

static float noisy(const struct sac_policy *sac, struct pawl_philox *stream, float mean,
                   float raw)
{
    float s = fminf(fmaxf(expf(raw), (float)sac->cfg->std_min), (float)sac->cfg->std_max);
    float sd = sac->cfg->compat == PAWL_SAC_COMPAT_LEROBOT ? sqrtf(s) : s;
    return mean + sd * (float)pawl_philox_normal(stream);
}

static float *action_of(const struct sac_policy *sac, unsigned char *record)
{
    return (float *)(void *)(record + sac->model->action_offset_bytes);
}

static void choose(struct sac_policy *sac, unsigned char *const *records, uint32_t lane_count)
{
    const struct pawl_sac_model *model = sac->model;
    const struct pawl_sac_net *net = &model->discrete;

    if (!model->is_shared)
        encode(sac, model->encoder, records, lane_count);
    const float *x = hidden(sac, net, lane_count);
    float *values = x == sac->first ? sac->second : sac->first;
    struct pawl_nn_layer layer =
        layer_of(sac, &net->layers[net->layer_count - 1], PAWL_NN_LINEAR);
    sac->nn->layer(&layer, values, x, lane_count);
    for (uint32_t lane = 0; lane < lane_count; lane++) {
        const float *row = values + (size_t)lane * model->choice_count;
        uint32_t best = 0;
        for (uint32_t i = 1; i < model->choice_count; i++)
            if (row[i] > row[best])
                best = i;
        action_of(sac, records[lane])[model->action_count] = (float)best;
    }
}

static void sac_act(struct pawl_policy *policy, unsigned char *const *records,
                    uint32_t lane_count)
{
    struct sac_policy *sac = (struct sac_policy *)policy;
    const struct pawl_sac_model *model = sac->model;
    uint32_t count = model->action_count;

    encode(sac, model->actor_encoder, records, lane_count);
    const float *x = hidden(sac, &model->actor, lane_count);
    float *mean = x == sac->first ? sac->second : sac->first;
    float *raw = mean + (size_t)lane_count * count;
    struct pawl_nn_layer mean_layer = layer_of(sac, &model->mean, PAWL_NN_LINEAR);
    sac->nn->layer(&mean_layer, mean, x, lane_count);
    if (!sac->is_greedy) {
        struct pawl_nn_layer std_layer = layer_of(sac, &model->std, PAWL_NN_LINEAR);
        sac->nn->layer(&std_layer, raw, x, lane_count);
    }
    for (uint32_t lane = 0; lane < lane_count; lane++) {
        float *action = action_of(sac, records[lane]);
        for (uint32_t i = 0; i < count; i++) {
            float at = mean[lane * count + i];
            if (!sac->is_greedy)
                at = noisy(sac, &sac->streams[lane], at, raw[lane * count + i]);
            action[i] = tanhf(at);
        }
    }
    if (model->choice_count)
        choose(sac, records, lane_count);
}

const struct pawl_policy_ops pawl_sac_policy = {
    .name = "sac",
    .help = "Soft actor-critic with a tanh-Gaussian policy, as in LeRobot's HIL-SERL.",
    .open = sac_open,
    .close = sac_close,
    .manifest = sac_manifest,
    .init = sac_init,
    .bind = sac_bind,
    .act = sac_act,
    .trainer = &pawl_sac_trainer,
};
