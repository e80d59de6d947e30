/* nn_kernels.h: the kernels of nn.h, compiled once for each instruction set by the files that
 * make a table of layer_forward(). Vectors are those of vec.h.
 */
#ifndef PAWL_POLICY_NN_KERNELS_H
#define PAWL_POLICY_NN_KERNELS_H

#include "policy/nn.h"
#include "policy/vec.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Rows of x at once: with four outputs and AVX2's 16 registers 12 sums, 3 of x and 1 of W. */
#if VEC_LANES == 16
#define NN_ROWS 4
#else
#define NN_ROWS 3
#endif

VEC_INLINE vec4 load4(const float *p)
{
    vec4 v;
    memcpy(&v, p, sizeof(v));
    return v;
}

VEC_INLINE void store4(float *p, vec4 v)
{
    memcpy(p, &v, sizeof(v));
}

/* The sums of four vectors. */
VEC_INLINE vec4 sums(vec a8, vec b8, vec c8, vec d8)
{
    vec4 a = vec_fold(a8), b = vec_fold(b8), c = vec_fold(c8), d = vec_fold(d8);
    vec4 ab =
        __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    vec4 cd =
        __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

VEC_INLINE vec activate_all(vec x, enum pawl_nn_activation activation)
{
    const vec one = vec_all(1.0f);
    switch (activation) {
    case PAWL_NN_RELU:
        return vec_at_least(x, 0.0f);
    case PAWL_NN_SILU:
        return x / (one + vec_exp(-x));
    case PAWL_NN_TANH:
        return vec_tanh(x);
    case PAWL_NN_LINEAR:
        break;
    }
    return x;
}

static inline void activate(float *y, uint32_t count, enum pawl_nn_activation activation)
{
    uint32_t i = 0;
    for (; i + VEC_LANES <= count; i += VEC_LANES)
        vec_store(y + i, activate_all(vec_load(y + i), activation));
    if (i < count) {
        float rest[VEC_LANES] = {0};
        memcpy(rest, y + i, (count - i) * sizeof(float));
        vec_store(rest, activate_all(vec_load(rest), activation));
        memcpy(y + i, rest, (count - i) * sizeof(float));
    }
}

/* y := (y - mean) / sqrt(variance + eps) * weight + bias, over the whole row. */
static inline void normalise(float *y, uint32_t count, const float *weight, const float *bias)
{
    vec sum8 = vec_all(0.0f), square8 = vec_all(0.0f);
    float total = 0.0f, squares = 0.0f;
    uint32_t i = 0;

    for (; i + VEC_LANES <= count; i += VEC_LANES)
        sum8 += vec_load(y + i);
    for (; i < count; i++)
        total += y[i];
    float mean = (total + vec_sum(sum8)) / (float)count;

    for (i = 0; i + VEC_LANES <= count; i += VEC_LANES) {
        vec d = vec_load(y + i) - vec_all(mean);
        square8 += d * d;
    }
    for (; i < count; i++)
        squares += (y[i] - mean) * (y[i] - mean);
    float scale = 1.0f / sqrtf((squares + vec_sum(square8)) / (float)count + PAWL_NN_NORM_EPS);

    for (i = 0; i + VEC_LANES <= count; i += VEC_LANES)
        vec_store(y + i,
                  (vec_load(y + i) - vec_all(mean)) * vec_all(scale) * vec_load(weight + i) +
                      vec_load(bias + i));
    for (; i < count; i++)
        y[i] = (y[i] - mean) * scale * weight[i] + bias[i];
}

/* The last in_count % VEC_LANES inputs: a vector that ends with the row, of whose weights only
 * those count that `mask` leaves. */
struct tail {
    uint32_t at;
    bool is_there;
    veci mask;
};

static inline struct tail tail_of(uint32_t in_count)
{
    const uint32_t rest = in_count % VEC_LANES;
    struct tail tail = {.at = in_count - VEC_LANES, .is_there = rest > 0};
    for (uint32_t i = 0; i < VEC_LANES; i++)
        tail.mask[i] = i >= VEC_LANES - rest ? -1 : 0;
    return tail;
}

/* y(r, o) for `rows` rows of x and `outs` outputs from W's first row on, both constants: enough
 * sums at once to hide the latency of each, few enough for the registers. in_count >=
 * VEC_LANES.
 */
VEC_INLINE void tile(float *y, const float *x, const struct pawl_nn_layer *layer,
                     uint32_t first, const struct tail *tail, const int rows, const int outs)
{
    const uint32_t in = layer->in_count;
    const float *weight = layer->weight + (size_t)first * in;
    vec total[NN_ROWS][8];

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++)
            total[r][o] = vec_all(0.0f);
    for (uint32_t i = 0; i + VEC_LANES <= in; i += VEC_LANES) {
        vec v[NN_ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            v[r] = vec_load(x + (size_t)r * in + i);
#pragma GCC unroll 8
        for (int o = 0; o < outs; o++) {
            vec w = vec_load(weight + (size_t)o * in + i);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                total[r][o] += w * v[r];
        }
    }
    if (tail->is_there) {
#pragma GCC unroll 8
        for (int o = 0; o < outs; o++) {
            vec w = (vec)((veci)vec_load(weight + (size_t)o * in + tail->at) & tail->mask);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                total[r][o] += w * vec_load(x + (size_t)r * in + tail->at);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int o = 0; o < outs; o += 4) {
            vec4 s = sums(total[r][o], total[r][o + 1], total[r][o + 2], total[r][o + 3]);
            store4(y + (size_t)r * layer->out_count + first + o,
                   s + load4(layer->bias + first + o));
        }
}

static inline float dot(const float *weight, const float *x, uint32_t in_count)
{
    vec total[4] = {vec_all(0.0f), vec_all(0.0f), vec_all(0.0f), vec_all(0.0f)};
    float rest = 0.0f;
    uint32_t i = 0;

    for (; i + 4 * VEC_LANES <= in_count; i += 4 * VEC_LANES)
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++)
            total[k] += vec_load(weight + i + k * VEC_LANES) * vec_load(x + i + k * VEC_LANES);
    for (; i < in_count; i++)
        rest += weight[i] * x[i];
    return rest + vec_sum((total[0] + total[1]) + (total[2] + total[3]));
}

/* Outputs outermost: a few rows of W stay in the first cache for the whole batch. */
static inline void linear_wide(const struct pawl_nn_layer *layer, float *y, const float *x,
                               uint32_t batch)
{
    const uint32_t in = layer->in_count, out = layer->out_count;
    const struct tail tail = tail_of(in);
    uint32_t o = 0;

    for (; batch == 1 && o + 8 <= out; o += 8)
        tile(y, x, layer, o, &tail, 1, 8);
    for (; o + 4 <= out; o += 4) {
        uint32_t b = 0;
        for (; b + NN_ROWS <= batch; b += NN_ROWS)
            tile(y + (size_t)b * out, x + (size_t)b * in, layer, o, &tail, NN_ROWS, 4);
        for (; b + 2 <= batch; b += 2)
            tile(y + (size_t)b * out, x + (size_t)b * in, layer, o, &tail, 2, 4);
        if (b < batch)
            tile(y + (size_t)b * out, x + (size_t)b * in, layer, o, &tail, 1, 4);
    }
    for (; o < out; o++)
        for (uint32_t b = 0; b < batch; b++)
            y[(size_t)b * out + o] =
                dot(layer->weight + (size_t)o * in, x + (size_t)b * in, in) + layer->bias[o];
}

/* Fewer inputs than a vector has floats: then a vector is as many outputs. The last one ends
 * with the outputs and may make some of them twice. out_count >= VEC_LANES. */
static inline void linear_narrow(const struct pawl_nn_layer *layer, float *y, const float *x,
                                 uint32_t batch)
{
    const uint32_t in = layer->in_count, out = layer->out_count;

    for (uint32_t next = 0; next < out; next += VEC_LANES) {
        const uint32_t o = next + VEC_LANES <= out ? next : out - VEC_LANES;
        const float *weight = layer->weight + (size_t)o * in;
        const vec bias = vec_load(layer->bias + o);
        float columns[VEC_LANES][VEC_LANES];
        for (uint32_t l = 0; l < VEC_LANES; l++)
            for (uint32_t k = 0; k < in; k++)
                columns[k][l] = weight[l * in + k];
        for (uint32_t b = 0; b < batch; b++) {
            vec total = bias;
            for (uint32_t k = 0; k < in; k++)
                total += vec_load(columns[k]) * vec_all(x[(size_t)b * in + k]);
            vec_store(y + (size_t)b * out + o, total);
        }
    }
}

static inline void linear(const struct pawl_nn_layer *layer, float *y, const float *x,
                          uint32_t batch)
{
    const uint32_t in = layer->in_count, out = layer->out_count;

    if (in >= VEC_LANES)
        linear_wide(layer, y, x, batch);
    else if (out >= VEC_LANES)
        linear_narrow(layer, y, x, batch);
    else
        for (uint32_t b = 0; b < batch; b++)
            for (uint32_t o = 0; o < out; o++)
                y[(size_t)b * out + o] =
                    dot(layer->weight + (size_t)o * in, x + (size_t)b * in, in) +
                    layer->bias[o];
}

static inline void layer_forward(const struct pawl_nn_layer *layer, float *y, const float *x,
                                 uint32_t batch)
{
    linear(layer, y, x, batch);
    if (layer->norm_weight)
        for (uint32_t b = 0; b < batch; b++)
            normalise(y + (size_t)b * layer->out_count, layer->out_count, layer->norm_weight,
                      layer->norm_bias);
    if (layer->activation != PAWL_NN_LINEAR)
        activate(y, batch * layer->out_count, layer->activation);
}

#endif
