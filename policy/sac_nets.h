/* sac_nets.h: forward and backward passes of SAC's networks, appended to the list that is being
 * built (plan.h). For sac_steps.c alone.
 *
 * Networks of equal form (the critics of an ensemble) are evaluated beside each other: group g
 * has columns g * width .. of each matrix.
 *
 * B = rows, G = groups, H = width of a layer.
 */
#ifndef PAWL_POLICY_SAC_NETS_H
#define PAWL_POLICY_SAC_NETS_H

#include "policy/plan.h"
#include "policy/sac_model.h"

/* Where parameters are, and their gradients. */
struct pawl_sac_row {
    const struct pawl_sac_model *model;
    struct pawl_plan *plan;
    struct pawl_view values; /* STATE (1, N) */
    struct pawl_view grads;  /* WORK (1, n), laid out as the beginning of values */
};

/* What a network's passes keep of each hidden layer. */
struct pawl_sac_acts {
    struct pawl_view y[PAWL_SAC_LAYERS_MAX];    /* (B, G H) */
    struct pawl_view keep[PAWL_SAC_LAYERS_MAX]; /* (B, G H); absent without a norm */
    struct pawl_view rstd[PAWL_SAC_LAYERS_MAX]; /* (B, G); likewise */
    struct pawl_view d[PAWL_SAC_LAYERS_MAX];    /* (B, G H) */
};

/* A network of group_count groups, of which group g has its tensors stride * g further on. */
struct pawl_sac_group {
    const struct pawl_sac_net *net;
    uint32_t group_count, stride;
};

struct pawl_view pawl_sac_tensor_view(const struct pawl_sac_model *model,
                                      struct pawl_view values, uint32_t index);

void pawl_sac_acts_new(struct pawl_sac_acts *acts, struct pawl_plan *plan,
                       struct pawl_sac_group group, uint32_t batch_count);

/* out (B, G last) from x (B, in), through acts. has_grad: a backward pass follows. */
void pawl_sac_forward(const struct pawl_sac_row *row, struct pawl_sac_group group,
                      const struct pawl_sac_acts *acts, struct pawl_view out,
                      struct pawl_view x, bool has_grad);

/* From dout to acts->d[0], the gradient in front of the first layer's norm; has_weights: and
 * to the gradients of all parameters, which are set. x, acts as in the forward pass. */
void pawl_sac_backward(const struct pawl_sac_row *row, struct pawl_sac_group group,
                       const struct pawl_sac_acts *acts, struct pawl_view dout,
                       struct pawl_view x, bool has_weights);

/* dx (B, count) = or += what acts->d[0] is for columns first .. of x, over all groups. */
void pawl_sac_backward_input(const struct pawl_sac_row *row, struct pawl_sac_group group,
                             const struct pawl_sac_acts *acts, struct pawl_view dx,
                             uint32_t first, bool is_added);

/* What the encoders keep. */
struct pawl_sac_codes {
    struct pawl_view keep[PAWL_SAC_INPUTS_MAX]; /* (B, L) */
    struct pawl_view rstd[PAWL_SAC_INPUTS_MAX]; /* (B, 1) */
    struct pawl_view d[PAWL_SAC_INPUTS_MAX];    /* (B, L) */
};

void pawl_sac_codes_new(struct pawl_sac_codes *codes, const struct pawl_sac_model *model,
                        struct pawl_plan *plan, uint32_t batch_count);

/* Columns 0 .. of `out` become the encodings of obs. codes NULL: no backward pass follows. */
void pawl_sac_encode(const struct pawl_sac_row *row, const struct pawl_sac_layer *encoders,
                     const struct pawl_sac_codes *codes, struct pawl_view out,
                     const struct pawl_view *obs);

/* From the gradient of the encodings to the gradients of the encoders' parameters, which are
 * set, or added to. */
void pawl_sac_encode_backward(const struct pawl_sac_row *row,
                              const struct pawl_sac_layer *encoders,
                              const struct pawl_sac_codes *codes, struct pawl_view dout,
                              struct pawl_view out, const struct pawl_view *obs, bool is_added);

#endif
