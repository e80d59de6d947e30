/* nn_kernels.h: the kernels of nn.h, compiled once for each instruction set by the files that
 * make a table of layer_forward(). A vector is NN_WIDTH floats to the compiler, which splits it
 * where the processor's are shorter.
 */
#ifndef PAWL_POLICY_NN_KERNELS_H
#define PAWL_POLICY_NN_KERNELS_H

#include "policy/nn.h"

#ifdef __AVX__
#include <immintrin.h>
#endif
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define NN_INLINE static inline __attribute__((always_inline))

/* Floats in a vector: 8, or 16 where nn_avx512.c says so. */
#ifndef NN_WIDTH
#define NN_WIDTH 8
#endif

/* Rows of x at once: with four outputs and AVX2's 16 registers 12 sums, 3 of x and 1 of W. */
#if NN_WIDTH == 16
#define NN_ROWS 4
#else
#define NN_ROWS 3
#endif

typedef float vf __attribute__((vector_size(NN_WIDTH * 4)));
typedef int32_t vi __attribute__((vector_size(NN_WIDTH * 4)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));

NN_INLINE vf load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof(v)); /* parameters and observations have a float's alignment */
    return v;
}

NN_INLINE void store(float *p, vf v)
{
    memcpy(p, &v, sizeof(v));
}

NN_INLINE vf all(float x)
{
    return x - (vf){0};
}

NN_INLINE v4 load4(const float *p)
{
    v4 v;
    memcpy(&v, p, sizeof(v));
    return v;
}

NN_INLINE void store4(float *p, v4 v)
{
    memcpy(p, &v, sizeof(v));
}

NN_INLINE v4 fold(vf v)
{
#if NN_WIDTH == 16
    v8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
              __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    v8 half = v;
#endif
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) +
           __builtin_shufflevector(half, half, 4, 5, 6, 7);
}

/* The sums of four vectors. */
NN_INLINE v4 sums(vf a8, vf b8, vf c8, vf d8)
{
    v4 a = fold(a8), b = fold(b8), c = fold(c8), d = fold(d8);
    v4 ab =
        __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    v4 cd =
        __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

NN_INLINE float sum(vf v)
{
    v4 s = fold(v);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* Where x is not a number it stays one. */
NN_INLINE vf at_least(vf x, float low)
{
#if NN_WIDTH == 16
    return _mm512_max_ps(all(low), x);
#elif defined(__AVX__)
    return _mm256_max_ps(all(low), x);
#else
    vi is_less = x < all(low);
    return (vf)(((vi)all(low) & is_less) | ((vi)x & ~is_less));
#endif
}

/* e^x for |x| up to 87, beyond that as at 87: 2^n e^r with |r| <= ln 2 / 2, the polynomial and
 * the two halves of ln 2 as in Cephes (Moshier). */
NN_INLINE vf exp_all(vf x)
{
    const vf magic = all(0x1.8p23f); /* adding and taking it away rounds to an integer */
    x = at_least(-at_least(-x, -87.0f), -87.0f);
    vf n = (x * all(1.44269504f) + magic) - magic;
    vf r = x - n * all(0.693359375f);
    r = r - n * all(-2.12194440e-4f);

    vf p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    p = p * (r * r) + r + all(1.0f);

    vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    return p * (vf)exponent;
}

NN_INLINE vf activate_all(vf x, enum pawl_nn_activation activation)
{
    const vf one = all(1.0f);
    switch (activation) {
    case PAWL_NN_RELU:
        return at_least(x, 0.0f);
    case PAWL_NN_SILU:
        return x / (one + exp_all(-x));
    case PAWL_NN_TANH:
        return one - all(2.0f) / (exp_all(x + x) + one);
    case PAWL_NN_LINEAR:
        break;
    }
    return x;
}

static inline void activate(float *y, uint32_t count, enum pawl_nn_activation activation)
{
    uint32_t i = 0;
    for (; i + NN_WIDTH <= count; i += NN_WIDTH)
        store(y + i, activate_all(load(y + i), activation));
    if (i < count) {
        float rest[NN_WIDTH] = {0};
        memcpy(rest, y + i, (count - i) * sizeof(float));
        store(rest, activate_all(load(rest), activation));
        memcpy(y + i, rest, (count - i) * sizeof(float));
    }
}

/* y := (y - mean) / sqrt(variance + eps) * weight + bias, over the whole row. */
static inline void normalise(float *y, uint32_t count, const float *weight, const float *bias)
{
    vf sum8 = all(0.0f), square8 = all(0.0f);
    float total = 0.0f, squares = 0.0f;
    uint32_t i = 0;

    for (; i + NN_WIDTH <= count; i += NN_WIDTH)
        sum8 += load(y + i);
    for (; i < count; i++)
        total += y[i];
    float mean = (total + sum(sum8)) / (float)count;

    for (i = 0; i + NN_WIDTH <= count; i += NN_WIDTH) {
        vf d = load(y + i) - all(mean);
        square8 += d * d;
    }
    for (; i < count; i++)
        squares += (y[i] - mean) * (y[i] - mean);
    float scale = 1.0f / sqrtf((squares + sum(square8)) / (float)count + PAWL_NN_NORM_EPS);

    for (i = 0; i + NN_WIDTH <= count; i += NN_WIDTH)
        store(y + i,
              (load(y + i) - all(mean)) * all(scale) * load(weight + i) + load(bias + i));
    for (; i < count; i++)
        y[i] = (y[i] - mean) * scale * weight[i] + bias[i];
}

/* The last in_count % NN_WIDTH inputs: a vector that ends with the row, of whose weights only
 * those count that `mask` leaves. */
struct tail {
    uint32_t at;
    bool is_there;
    vi mask;
};

static inline struct tail tail_of(uint32_t in_count)
{
    const uint32_t rest = in_count % NN_WIDTH;
    struct tail tail = {.at = in_count - NN_WIDTH, .is_there = rest > 0};
    for (uint32_t i = 0; i < NN_WIDTH; i++)
        tail.mask[i] = i >= NN_WIDTH - rest ? -1 : 0;
    return tail;
}

/* y(r, o) for `rows` rows of x and `outs` outputs from W's first row on, both constants: enough
 * sums at once to hide the latency of each, few enough for the registers. in_count >= NN_WIDTH.
 */
NN_INLINE void tile(float *y, const float *x, const struct pawl_nn_layer *layer, uint32_t first,
                    const struct tail *tail, const int rows, const int outs)
{
    const uint32_t in = layer->in_count;
    const float *weight = layer->weight + (size_t)first * in;
    vf total[NN_ROWS][8];

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < outs; o++)
            total[r][o] = all(0.0f);
    for (uint32_t i = 0; i + NN_WIDTH <= in; i += NN_WIDTH) {
        vf v[NN_ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            v[r] = load(x + (size_t)r * in + i);
#pragma GCC unroll 8
        for (int o = 0; o < outs; o++) {
            vf w = load(weight + (size_t)o * in + i);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                total[r][o] += w * v[r];
        }
    }
    if (tail->is_there) {
#pragma GCC unroll 8
        for (int o = 0; o < outs; o++) {
            vf w = (vf)((vi)load(weight + (size_t)o * in + tail->at) & tail->mask);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                total[r][o] += w * load(x + (size_t)r * in + tail->at);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int o = 0; o < outs; o += 4) {
            v4 s = sums(total[r][o], total[r][o + 1], total[r][o + 2], total[r][o + 3]);
            store4(y + (size_t)r * layer->out_count + first + o,
                   s + load4(layer->bias + first + o));
        }
}

static inline float dot(const float *weight, const float *x, uint32_t in_count)
{
    vf total[4] = {all(0.0f), all(0.0f), all(0.0f), all(0.0f)};
    float rest = 0.0f;
    uint32_t i = 0;

    for (; i + 4 * NN_WIDTH <= in_count; i += 4 * NN_WIDTH)
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++)
            total[k] += load(weight + i + k * NN_WIDTH) * load(x + i + k * NN_WIDTH);
    for (; i < in_count; i++)
        rest += weight[i] * x[i];
    return rest + sum((total[0] + total[1]) + (total[2] + total[3]));
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
 * with the outputs and may make some of them twice. out_count >= NN_WIDTH. */
static inline void linear_narrow(const struct pawl_nn_layer *layer, float *y, const float *x,
                                 uint32_t batch)
{
    const uint32_t in = layer->in_count, out = layer->out_count;

    for (uint32_t next = 0; next < out; next += NN_WIDTH) {
        const uint32_t o = next + NN_WIDTH <= out ? next : out - NN_WIDTH;
        const float *weight = layer->weight + (size_t)o * in;
        const vf bias = load(layer->bias + o);
        float columns[NN_WIDTH][NN_WIDTH];
        for (uint32_t l = 0; l < NN_WIDTH; l++)
            for (uint32_t k = 0; k < in; k++)
                columns[k][l] = weight[l * in + k];
        for (uint32_t b = 0; b < batch; b++) {
            vf total = bias;
            for (uint32_t k = 0; k < in; k++)
                total += load(columns[k]) * all(x[(size_t)b * in + k]);
            store(y + (size_t)b * out + o, total);
        }
    }
}

static inline void linear(const struct pawl_nn_layer *layer, float *y, const float *x,
                          uint32_t batch)
{
    const uint32_t in = layer->in_count, out = layer->out_count;

    if (in >= NN_WIDTH)
        linear_wide(layer, y, x, batch);
    else if (out >= NN_WIDTH)
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
