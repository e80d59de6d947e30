/* policy_sac.c: the acting half of SAC as LeRobot's SACPolicy has it, on its tensor names.
 *
 *     e_f  = tanh(norm(W_f o_f + b_f))                 for obs.environment_state, obs.state
 *     h    = silu(norm(W h + b)) for each hidden layer, from the concatenated encodings
 *     s    = clamp(exp(W_s h + b_s), 1e-5, 10)
 *     a    = tanh(W_m h + b_m + sd * noise)
 *
 * sd is sqrt(s) with compat = "lerobot": there s enters the distribution as a variance. It is s
 * itself, the standard deviation that its name says, with compat = "fixed".
 *
 * O = components of an observation field, L = latent_dim, H = hidden widths, A = action
 * components, B = lanes.
 */
#include "policy/nn.h"
#include "policy/policy.h"
#include "policy/policy_cfg.h"
#include "runtime/philox.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAC_FIELD_COUNT 2
#define SAC_S_MIN       1e-5f
#define SAC_S_MAX       10.0f
#define SAC_HEAD_INIT   0.05f /* LeRobot's init_final */

/* What stands for an observation field in the order of the encodings. */
static const struct {
    const char *field;
    const char *encoder;
} sac_fields[SAC_FIELD_COUNT] = {
    {"obs.environment_state", "encoder.env_encoder"},
    {"obs.state", "encoder.state_encoder"},
};

static const char mean_name[] = "normalize_inputs.buffer_observation_state.mean";
static const char std_name[] = "normalize_inputs.buffer_observation_state.std";

struct sac_input {
    size_t offset;
    uint32_t count;        /* O */
    uint32_t tensor_index; /* of the encoder's first, weight, bias, norm weight, norm bias */
    bool is_normalised;    /* by the tensors norm_index and norm_index + 1 */
    uint32_t norm_index;
};

struct sac_policy {
    struct pawl_policy base;
    const struct pawl_nn *nn;
    const struct pawl_sac_cfg *cfg;
    bool is_greedy;
    uint64_t seed;
    size_t action_offset;
    uint32_t action_count; /* A */
    uint32_t latent_count; /* L */
    uint32_t width_max;
    uint32_t input_count;
    struct sac_input inputs[SAC_FIELD_COUNT];
    uint32_t hidden_index; /* of the tensors of the first hidden layer, four each */
    uint32_t heads_index;  /* of mean and std, two each */
    struct pawl_tensor manifest[PAWL_POLICY_TENSOR_COUNT_MAX];
    size_t tensor_count;
    const void *data[PAWL_POLICY_TENSOR_COUNT_MAX]; /* in the manifest's order, as bound */
    struct pawl_philox *streams;                    /* one for each lane */
    float *field;  /* (B, O), and after that (B, A): the means */
    float *first;  /* (B, width_max) */
    float *second; /* (B, width_max) */
};

static void add_tensor(struct sac_policy *sac, const char *prefix, const char *rest,
                       uint32_t out, uint32_t in)
{
    struct pawl_tensor *tensor = &sac->manifest[sac->tensor_count++];
    snprintf(tensor->name, sizeof(tensor->name), "%s%s", prefix, rest);
    tensor->dtype = PAWL_F32;
    tensor->rank = in ? 2 : 1;
    tensor->shape[0] = out;
    tensor->shape[1] = in;
}

static void add_linear(struct sac_policy *sac, const char *prefix, const char *weight,
                       const char *bias, uint32_t out, uint32_t in)
{
    add_tensor(sac, prefix, weight, out, in);
    add_tensor(sac, prefix, bias, out, 0);
}

static int find_inputs(struct sac_policy *sac, const struct pawl_spec *spec,
                       struct pawl_err *err)
{
    for (uint32_t i = 0; i < spec->field_count; i++) {
        const char *name = spec->fields[i].name;
        if (strncmp(name, "obs.", 4) == 0 && strcmp(name, sac_fields[0].field) != 0 &&
            strcmp(name, sac_fields[1].field) != 0)
            return pawl_err_set(err, EINVAL,
                                "policy sac: cannot read '%s'; it reads obs.state and "
                                "obs.environment_state",
                                name);
    }
    for (size_t f = 0; f < SAC_FIELD_COUNT; f++) {
        const struct pawl_spec_field *field = pawl_spec_find(spec, sac_fields[f].field);
        if (!field)
            continue;
        if (field->dtype != PAWL_F32 || field->rank != 1)
            return pawl_err_set(err, EINVAL, "policy sac: '%s' is not a row of float32",
                                field->name);
        struct sac_input *input = &sac->inputs[sac->input_count++];
        input->offset = field->offset_bytes;
        input->count = field->shape[0];
        input->is_normalised = f == 1 && sac->cfg->observation_mean.count > 0;
        if (input->is_normalised && sac->cfg->observation_mean.count != input->count)
            return pawl_err_set(err, EINVAL,
                                "policy.sac.observation_mean has %u components, '%s' has %u",
                                sac->cfg->observation_mean.count, field->name, input->count);
        input->tensor_index = (uint32_t)sac->tensor_count;
        add_linear(sac, sac_fields[f].encoder, ".0.weight", ".0.bias", sac->latent_count,
                   input->count);
        add_linear(sac, sac_fields[f].encoder, ".1.weight", ".1.bias", sac->latent_count, 0);
    }
    if (sac->input_count == 0)
        return pawl_err_set(err, EINVAL,
                            "policy sac: the records have neither obs.state nor "
                            "obs.environment_state");
    return 0;
}

static int make_manifest(struct sac_policy *sac, const struct pawl_spec *spec,
                         struct pawl_err *err)
{
    int code = find_inputs(sac, spec, err);
    if (code != 0)
        return code;

    uint32_t in = sac->latent_count * sac->input_count;
    sac->width_max = in;
    sac->hidden_index = (uint32_t)sac->tensor_count;
    for (uint32_t i = 0; i < sac->cfg->hidden.count; i++) {
        uint32_t out = (uint32_t)sac->cfg->hidden.items[i];
        char linear[32], norm[32]; /* torch numbers Linear, LayerNorm and SiLU alike */
        snprintf(linear, sizeof(linear), "network.net.%u", 3 * i);
        snprintf(norm, sizeof(norm), "network.net.%u", 3 * i + 1);
        add_linear(sac, linear, ".weight", ".bias", out, in);
        add_linear(sac, norm, ".weight", ".bias", out, 0);
        sac->width_max = out > sac->width_max ? out : sac->width_max;
        in = out;
    }
    sac->heads_index = (uint32_t)sac->tensor_count;
    add_linear(sac, "mean_layer", ".weight", ".bias", sac->action_count, in);
    add_linear(sac, "std_layer", ".weight", ".bias", sac->action_count, in);
    if (sac->action_count > sac->width_max)
        sac->width_max = sac->action_count;

    for (uint32_t i = 0; i < sac->input_count; i++) {
        struct sac_input *input = &sac->inputs[i];
        if (!input->is_normalised)
            continue;
        input->norm_index = (uint32_t)sac->tensor_count;
        add_tensor(sac, mean_name, "", input->count, 0);
        add_tensor(sac, std_name, "", input->count, 0);
    }
    return 0;
}

static int allocate_rows(struct sac_policy *sac, const struct pawl_policy_setup *setup,
                         struct pawl_err *err)
{
    size_t lanes = setup->lane_count;
    size_t field_max = sac->action_count;
    for (uint32_t i = 0; i < sac->input_count; i++)
        if (sac->inputs[i].count > field_max)
            field_max = sac->inputs[i].count;

    sac->streams = calloc(lanes, sizeof(sac->streams[0]));
    sac->field = calloc(lanes * field_max, sizeof(float));
    sac->first = calloc(lanes * sac->width_max, sizeof(float));
    sac->second = calloc(lanes * sac->width_max, sizeof(float));
    if (!sac->streams || !sac->field || !sac->first || !sac->second)
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
    free(sac->streams);
    free(sac->field);
    free(sac->first);
    free(sac->second);
    free(sac);
}

static int sac_open(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                    struct pawl_err *err)
{
    *policy = NULL;
    const struct pawl_spec_field *action = pawl_spec_find(setup->spec, "action");
    if (setup->choice_count || !action || action->dtype != PAWL_F32 || action->rank != 1)
        return pawl_err_set(err, EINVAL,
                            "policy sac: wants a continuous action, a row of float32; this "
                            "environment's is another");

    struct sac_policy *sac = calloc(1, sizeof(*sac));
    if (!sac)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory");
    sac->base.ops = &pawl_sac_policy;
    sac->nn = pawl_nn_best();
    sac->cfg = pawl_cfg_fields(setup->cfg, &pawl_sac_table);
    sac->is_greedy = setup->is_greedy;
    sac->seed = setup->seed;
    sac->action_offset = action->offset_bytes;
    sac->action_count = action->shape[0];
    sac->latent_count = (uint32_t)sac->cfg->latent_dim;

    int code = make_manifest(sac, setup->spec, err);
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
    *count = sac->tensor_count;
    return sac->manifest;
}

static void fill(float *data, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        data[i] = value;
}

static bool is_norm(const struct sac_policy *sac, size_t index)
{
    for (uint32_t i = 0; i < sac->input_count; i++)
        if (index / 2 == sac->inputs[i].tensor_index / 2 + 1)
            return true;
    return index >= sac->hidden_index && index < sac->heads_index &&
           (index - sac->hidden_index) % 4 >= 2;
}

/* As torch: Linear uniform within 1/sqrt(in), LayerNorm 1 and 0; the heads uniform within 0.05.
 */
static void sac_init(const struct pawl_policy *policy, size_t index, void *data)
{
    const struct sac_policy *sac = (const struct sac_policy *)policy;
    const struct pawl_tensor *tensor = &sac->manifest[index];
    size_t count = tensor->shape[0] * (tensor->rank == 2 ? (size_t)tensor->shape[1] : 1);
    float *out = data;

    if (index >= sac->heads_index + 4) { /* what observations are normalised with */
        const struct pawl_cfg_f64_list *list = strcmp(tensor->name, mean_name) == 0
                                                   ? &sac->cfg->observation_mean
                                                   : &sac->cfg->observation_std;
        for (size_t i = 0; i < count; i++)
            out[i] = (float)list->items[i];
        return;
    }
    if (is_norm(sac, index)) {
        fill(out, count, index % 2 == 0 ? 1.0f : 0.0f);
        return;
    }
    /* A bias follows its weight, whose columns are its inputs too. */
    const struct pawl_tensor *weight = tensor->rank == 2 ? tensor : tensor - 1;
    double bound = index >= sac->heads_index ? SAC_HEAD_INIT : 1.0 / sqrt(weight->shape[1]);
    struct pawl_philox stream;
    pawl_philox_open(&stream, sac->seed, PAWL_STREAM_PARAMETERS, (uint32_t)index);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)((2.0 * pawl_philox_double(&stream) - 1.0) * bound);
}

static int sac_bind(struct pawl_policy *policy, const struct pawl_tensor *tensors, size_t count,
                    struct pawl_err *err)
{
    struct sac_policy *sac = (struct sac_policy *)policy;
    const void *data[PAWL_POLICY_TENSOR_COUNT_MAX];

    int code = pawl_policy_match(sac->manifest, sac->tensor_count, tensors, count, data, err);
    if (code == 0)
        memcpy(sac->data, data, sac->tensor_count * sizeof(data[0]));
    return code;
}

static struct pawl_nn_layer layer_at(const struct sac_policy *sac, uint32_t index,
                                     bool has_norm, enum pawl_nn_activation activation)
{
    const struct pawl_tensor *weight = &sac->manifest[index];
    return (struct pawl_nn_layer){
        .weight = sac->data[index],
        .bias = sac->data[index + 1],
        .norm_weight = has_norm ? sac->data[index + 2] : NULL,
        .norm_bias = has_norm ? sac->data[index + 3] : NULL,
        .in_count = weight->shape[1],
        .out_count = weight->shape[0],
        .activation = activation,
    };
}

/* field (B, O) from the records. */
static void gather(struct sac_policy *sac, const struct sac_input *input,
                   unsigned char *const *records, uint32_t lane_count)
{
    for (uint32_t lane = 0; lane < lane_count; lane++) {
        float *row = sac->field + (size_t)lane * input->count;
        memcpy(row, records[lane] + input->offset, input->count * sizeof(float));
        if (!input->is_normalised)
            continue;
        const float *mean = sac->data[input->norm_index];
        const float *std = sac->data[input->norm_index + 1];
        for (uint32_t i = 0; i < input->count; i++)
            row[i] = (row[i] - mean[i]) / std[i];
    }
}

/* first (B, L * inputs): the encodings side by side. */
static void encode(struct sac_policy *sac, unsigned char *const *records, uint32_t lane_count)
{
    uint32_t latent = sac->latent_count;

    for (uint32_t i = 0; i < sac->input_count; i++) {
        struct pawl_nn_layer layer =
            layer_at(sac, sac->inputs[i].tensor_index, true, PAWL_NN_TANH);
        gather(sac, &sac->inputs[i], records, lane_count);
        float *out = sac->input_count == 1 ? sac->first : sac->second;
        sac->nn->layer(&layer, out, sac->field, lane_count);
        for (uint32_t lane = 0; sac->input_count > 1 && lane < lane_count; lane++)
            memcpy(sac->first + ((size_t)lane * sac->input_count + i) * latent,
                   sac->second + (size_t)lane * latent, latent * sizeof(float));
    }
}

static float noisy(const struct sac_policy *sac, struct pawl_philox *stream, float mean,
                   float raw)
{
    float s = fminf(fmaxf(expf(raw), SAC_S_MIN), SAC_S_MAX);
    float sd = sac->cfg->compat == PAWL_SAC_COMPAT_LEROBOT ? sqrtf(s) : s;
    return mean + sd * (float)pawl_philox_normal(stream);
}

static void sac_act(struct pawl_policy *policy, unsigned char *const *records,
                    uint32_t lane_count)
{
    struct sac_policy *sac = (struct sac_policy *)policy;
    uint32_t count = sac->action_count;

    encode(sac, records, lane_count);
    for (uint32_t i = 0; i < sac->cfg->hidden.count; i++) {
        struct pawl_nn_layer layer =
            layer_at(sac, sac->hidden_index + 4 * i, true, PAWL_NN_SILU);
        sac->nn->layer(&layer, sac->second, sac->first, lane_count);
        float *swap = sac->first;
        sac->first = sac->second;
        sac->second = swap;
    }

    float *mean = sac->field, *raw = sac->second;
    struct pawl_nn_layer mean_layer = layer_at(sac, sac->heads_index, false, PAWL_NN_LINEAR);
    sac->nn->layer(&mean_layer, mean, sac->first, lane_count);
    if (!sac->is_greedy) {
        struct pawl_nn_layer std_layer =
            layer_at(sac, sac->heads_index + 2, false, PAWL_NN_LINEAR);
        sac->nn->layer(&std_layer, raw, sac->first, lane_count);
    }
    for (uint32_t lane = 0; lane < lane_count; lane++) {
        float *action = (float *)(void *)(records[lane] + sac->action_offset);
        for (uint32_t i = 0; i < count; i++) {
            float x = mean[lane * count + i];
            if (!sac->is_greedy)
                x = noisy(sac, &sac->streams[lane], x, raw[lane * count + i]);
            action[i] = tanhf(x);
        }
    }
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
};
