/* nn.h: fully connected layers evaluated in plain C, for networks small enough that loading a
 * tensor library would cost more than it gives.
 *
 *     const struct pawl_nn *nn = pawl_nn_best();
 *     nn->layer(&layer, y, x, batch);
 *
 *     y = activation(norm(x W^T + b))        x (B, in), W (out, in), b (out), y (B, out)
 *
 * All arrays are row-major; the parameters are read where they lie, in the form in which torch
 * keeps them, and need no alignment beyond that of a float. Sums are formed in another order
 * than torch's, and exp is accurate to about 2 ulp, so results agree with a float64 evaluation
 * to 1e-5 relative to the largest term, not bit for bit.
 *
 * Thread safety: constant tables; the functions keep no state and allocate nothing.
 */
#ifndef PAWL_POLICY_NN_H
#define PAWL_POLICY_NN_H

#include <stdint.h>

#define PAWL_NN_NORM_EPS 1e-5f /* torch's default for LayerNorm */

enum pawl_nn_activation {
    PAWL_NN_LINEAR,
    PAWL_NN_RELU,
    PAWL_NN_SILU,
    PAWL_NN_TANH,
};

struct pawl_nn_layer {
    const float *weight;      /* (out, in) */
    const float *bias;        /* (out) */
    const float *norm_weight; /* (out); NULL: no layer normalisation */
    const float *norm_bias;   /* (out) */
    uint32_t in_count;
    uint32_t out_count;
    enum pawl_nn_activation activation;
};

struct pawl_nn {
    const char *name; /* "avx2" */
    /* y and x must not overlap. */
    void (*layer)(const struct pawl_nn_layer *layer, float *y, const float *x, uint32_t batch);
};

extern const struct pawl_nn pawl_nn_baseline;
extern const struct pawl_nn pawl_nn_avx2_table; /* taken through the functions below only */
extern const struct pawl_nn pawl_nn_avx512_table;

/* NULL when this processor, or the one the program is built for, has no AVX2 and FMA, or no
 * AVX-512 (F, VL and DQ). */
const struct pawl_nn *pawl_nn_avx2(void);
const struct pawl_nn *pawl_nn_avx512(void);

const struct pawl_nn *pawl_nn_best(void);

#endif
