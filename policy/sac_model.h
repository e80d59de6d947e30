/* sac_model.h: the networks of SAC for a run: their tensors, LeRobot's names of them, and where
 * each lies in one row of float32.
 *
 *     struct pawl_sac_model *model;
 *     pawl_sac_model_open(&model, cfg, spec, choice_count, err);
 *     ... model->tensors[model->actor.layers[0].tensor] is a weight, the next its bias
 *     pawl_sac_model_init(model, index, seed, row + model->tensors[index].at);
 *     pawl_sac_model_close(model);
 *
 * The row is made so that what an optimizer or a clipped norm takes together has no other
 * tensor in between:
 *
 *     discrete critic | encoder | critics | own encoder | actor | log_alpha | targets | pawl
 *                     |<---- critic ----->|<----- actor ------>|
 *     |<---- discrete critic --->|
 *
 * "encoder" is the critics', and with shared_encoder everybody's: the actor has no own one
 * then. Equal tensors of all critics lie one behind the other, and so do those of the actor's
 * two heads: stacked, they are one tensor with more rows. Each stack begins at a multiple of 64
 * bytes; the floats in between are zero and stay so.
 *
 * With network = "plain" there are no encoders and no normalisations, and hidden layers are
 * ReLU: "encodings" are then the observations themselves, and layers have the numbers that
 * torch's Sequential gives them.
 *
 * Thread safety: constant once open.
 */
#ifndef PAWL_POLICY_SAC_MODEL_H
#define PAWL_POLICY_SAC_MODEL_H

#include "policy/plan.h"
#include "policy/policy_cfg.h"
#include "runtime/err.h"
#include "runtime/spec.h"
#include "runtime/tensor.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_SAC_INPUTS_MAX   2  /* obs.environment_state, obs.state */
#define PAWL_SAC_LAYERS_MAX   17 /* of a network: hidden ones and the last */
#define PAWL_SAC_ALIGN_FLOATS 16

enum pawl_sac_init {
    PAWL_SAC_INIT_UNIFORM,    /* within `bound` */
    PAWL_SAC_INIT_ORTHOGONAL, /* rows, or columns where these are fewer */
    PAWL_SAC_INIT_VALUE,      /* all `bound` */
    PAWL_SAC_INIT_MEAN,       /* policy.sac.observation_mean */
    PAWL_SAC_INIT_STD,        /* policy.sac.observation_std */
    PAWL_SAC_INIT_COPY,       /* of the tensor `copied` */
};

struct pawl_sac_tensor {
    char name[PAWL_TENSOR_NAME_BYTES]; /* as trainer.h says: "model/actor.mean_layer.bias" */
    uint32_t rank;
    uint32_t shape[2];
    uint64_t at;    /* its first float in the row */
    uint64_t count; /* of floats */
    enum pawl_sac_init init;
    float bound;
    uint32_t copied;
};

/* Its tensors follow each other: weight (out, in), bias (out), and with a norm its weight and
 * bias. */
struct pawl_sac_layer {
    uint32_t tensor;
    uint32_t in_count;
    uint32_t out_count;
    bool has_norm;
    enum pawl_op_act act; /* of a hidden layer */
};

/* Hidden layers one behind the other, and the last, which is linear. */
struct pawl_sac_net {
    uint32_t layer_count;
    struct pawl_sac_layer layers[PAWL_SAC_LAYERS_MAX];
};

struct pawl_sac_range {
    uint64_t at, count; /* floats of the row */
};

struct pawl_sac_input {
    uint32_t field;  /* its index in the spec */
    uint32_t count;  /* components */
    uint32_t column; /* where its encoding begins among all encodings */
    uint32_t width;  /* of its encoding */
    size_t offset_bytes;
    bool is_normalised;
    uint32_t norm_tensor;               /* then: the mean; behind it the deviation */
    const char *encoder;                /* LeRobot's: "state_encoder" */
    const char *feature, *feature_type; /* likewise: "observation.state", "STATE" */
};

struct pawl_sac_model {
    const struct pawl_sac_cfg *cfg;
    bool is_plain;
    bool is_shared;        /* the actor has no encoder of its own */
    uint32_t choice_count; /* 0: no discrete critic */
    uint32_t action_field;
    size_t action_offset_bytes;
    uint32_t action_count; /* without the choice */
    uint32_t critic_count;
    uint32_t encoding_count; /* of all inputs together */
    uint32_t input_count;
    struct pawl_sac_input inputs[PAWL_SAC_INPUTS_MAX];

    struct pawl_sac_layer encoder[PAWL_SAC_INPUTS_MAX];       /* the critics' */
    struct pawl_sac_layer actor_encoder[PAWL_SAC_INPUTS_MAX]; /* is_shared: the same */
    struct pawl_sac_net actor; /* the last layer is mean and std stacked */
    struct pawl_sac_layer mean, std;
    struct pawl_sac_net critic; /* the first; that of the c-th are c * critic_stride further */
    struct pawl_sac_net target; /* likewise */
    uint32_t critic_stride;     /* in tensors */
    struct pawl_sac_net discrete, discrete_target;
    uint32_t log_alpha; /* a tensor */

    struct pawl_sac_range encoder_range, critic_range, actor_encoder_range, actor_range;
    struct pawl_sac_range discrete_range, target_range, discrete_target_range;

    struct pawl_sac_tensor *tensors;
    uint32_t tensor_count;
    uint64_t float_count;              /* of the row */
    uint32_t stack_count, stack_index; /* of the tensor that is added next */

    /* What acts, in LeRobot's order and under the names of its messages; data NULL. */
    struct pawl_tensor *manifest;
    uint32_t *manifest_tensors; /* which of `tensors` each is */
    uint32_t manifest_count;
};

/* Refuses what it cannot read or make, by name. On failure *model is NULL. cfg has to stay. */
int pawl_sac_model_open(struct pawl_sac_model **model, const struct pawl_cfg *cfg,
                        const struct pawl_spec *spec, uint32_t choice_count,
                        struct pawl_err *err);

/* NULL is left alone. */
void pawl_sac_model_close(struct pawl_sac_model *model);

/* First values of tensor `index`: as torch and LeRobot draw them, the same for the same seed.
 */
void pawl_sac_model_init(const struct pawl_sac_model *model, uint32_t index, uint64_t seed,
                         float *data);

#endif
