/* nn_kernels.h: the kernels of nn.h, compiled once for each instruction set by the files that
 * make a table of layer_forward(). Eight floats are one vector of the compiler, which splits it
 * where the processor's are shorter.
 */
#ifndef PAWL_POLICY_NN_KERNELS_H
#define PAWL_POLICY_NN_KERNELS_H

#include "policy/nn.h"

#include <math.h>
#include <string.h>

#define NN_INLINE static inline __attribute__((always_inline))
#define NN_LANES  8

typedef float v8 __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));

NN_INLINE v8 load(const float *p)
{
    v8 v;
    memcpy(&v, p, sizeof(v)); /* parameters and observations have a float's alignment */
    return v;
}

NN_INLINE void store(float *p, v8 v)
{
    memcpy(p, &v, sizeof(v));
}

NN_INLINE v8 all(float x)
{
    return (v8){x, x, x, x, x, x, x, x};
}

NN_INLINE v4 fold(v8 v)
{
    v4 low, high;
    memcpy(&low, &v, sizeof(low));
    memcpy(&high, (const char *)&v + sizeof(low), sizeof(high));
    return low + high;
}

/* The sums of four vectors. */
NN_INLINE v4 sums(v8 a8, v8 b8, v8 c8, v8 d8)
{
    v4 a = fold(a8), b = fold(b8), c = fold(c8), d = fold(d8);
    v4 ab =
        __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    v4 cd =
        __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

NN_INLINE float sum(v8 v)
{
    v4 s = fold(v);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* yes where the mask is set, else no. */
NN_INLINE v8 choose(v8i mask, v8 yes, v8 no)
{
    return (v8)(((v8i)yes & mask) | ((v8i)no & ~mask));
}

/* e^x for |x| up to 87, beyond that as at 87: 2^n e^r with |r| <= ln 2 / 2, the polynomial and
 * the two halves of ln 2 as in Cephes (Moshier). */
NN_INLINE v8 exp8(v8 x)
{
    const v8 magic = all(0x1.8p23f); /* adding and taking it away rounds to an integer */
    x = choose(x < all(-87.0f), all(-87.0f), x);
    x = choose(x > all(87.0f), all(87.0f), x);
    v8 n = (x * all(1.44269504f) + magic) - magic;
    v8 r = x - n * all(0.693359375f);
    r = r - n * all(-2.12194440e-4f);

    v8 p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    p = p * (r * r) + r + all(1.0f);

    v8i exponent = (__builtin_convertvector(n, v8i) + 127) << 23;
    return p * (v8)exponent;
}

NN_INLINE v8 activate8(v8 x, enum pawl_nn_activation activation)
{
    const v8 one = all(1.0f);
    switch (activation) {
    case PAWL_NN_RELU:
        return choose(x < all(0.0f), all(0.0f), x); /* not a number stays one */
    case PAWL_NN_SILU:
        return x / (one + exp8(-x));
    case PAWL_NN_TANH:
        return one - all(2.0f) / (exp8(x + x) + one);
    case PAWL_NN_LINEAR:
        break;
    }
    return x;
}

static inline void activate(float *y, uint32_t count, enum pawl_nn_activation activation)
{
    uint32_t i = 0;
    for (; i + NN_LANES <= count; i += NN_LANES)
        store(y + i, activate8(load(y + i), activation));
    if (i < count) {
        float rest[NN_LANES] = {0};
        memcpy(rest, y + i, (count - i) * sizeof(float));
        store(rest, activate8(load(rest), activation));
        memcpy(y + i, rest, (count - i) * sizeof(float));
    }
}

/* y := (y - mean) / sqrt(variance + eps) * weight + bias, over the whole row. */
static inline void normalise(float *y, uint32_t count, const float *weight, const float *bias)
{
    v8 sum8 = all(0.0f), square8 = all(0.0f);
    float total = 0.0f, squares = 0.0f;
    uint32_t i = 0;

    for (; i + NN_LANES <= count; i += NN_LANES)
        sum8 += load(y + i);
    for (; i < count; i++)
        total += y[i];
    float mean = (total + sum(sum8)) / (float)count;

    for (i = 0; i + NN_LANES <= count; i += NN_LANES) {
        v8 d = load(y + i) - all(mean);
        square8 += d * d;
    }
    for (; i < count; i++)
        squares += (y[i] - mean) * (y[i] - mean);
    float scale = 1.0f / sqrtf((squares + sum(square8)) / (float)count + PAWL_NN_NORM_EPS);

    for (i = 0; i + NN_LANES <= count; i += NN_LANES)
        store(y + i,
              (load(y + i) - all(mean)) * all(scale) * load(weight + i) + load(bias + i));
    for (; i < count; i++)
        y[i] = (y[i] - mean) * scale * weight[i] + bias[i];
}

/* y(r, o) for `rows` rows of x and four outputs from W's row o on; rows is a constant. */
NN_INLINE void tile(float *y, const float *x, const float *weight, const float *bias,
                    uint32_t in_count, uint32_t out_count, const int rows)
{
    v8 total[3][4];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < 4; o++)
            total[r][o] = all(0.0f);

    uint32_t i = 0;
    for (; i + NN_LANES <= in_count; i += NN_LANES) {
        v8 w[4];
#pragma GCC unroll 4
        for (int o = 0; o < 4; o++)
            w[o] = load(weight + (size_t)o * in_count + i);
#pragma GCC unroll 3
        for (int r = 0; r < rows; r++) {
            v8 v = load(x + (size_t)r * in_count + i);
#pragma GCC unroll 4
            for (int o = 0; o < 4; o++)
                total[r][o] += w[o] * v;
        }
    }

    for (int r = 0; r < rows; r++) {
        v4 s = sums(total[r][0], total[r][1], total[r][2], total[r][3]);
        for (int o = 0; o < 4; o++) {
            float rest = bias[o];
            for (uint32_t k = i; k < in_count; k++)
                rest += weight[(size_t)o * in_count + k] * x[(size_t)r * in_count + k];
            y[(size_t)r * out_count + (size_t)o] = s[o] + rest;
        }
    }
}

/* One row of x and eight outputs: enough sums at once to hide the latency of each. */
NN_INLINE void tile_one(float *y, const float *x, const float *weight, const float *bias,
                        uint32_t in_count)
{
    v8 total[8];
    for (int o = 0; o < 8; o++)
        total[o] = all(0.0f);

    uint32_t i = 0;
    for (; i + NN_LANES <= in_count; i += NN_LANES) {
        v8 v = load(x + i);
#pragma GCC unroll 8
        for (int o = 0; o < 8; o++)
            total[o] += load(weight + (size_t)o * in_count + i) * v;
    }

    v4 s[2] = {sums(total[0], total[1], total[2], total[3]),
               sums(total[4], total[5], total[6], total[7])};
    for (int o = 0; o < 8; o++) {
        float rest = bias[o];
        for (uint32_t k = i; k < in_count; k++)
            rest += weight[(size_t)o * in_count + k] * x[k];
        y[o] = s[o / 4][o % 4] + rest;
    }
}

static inline float dot(const float *weight, const float *x, uint32_t in_count)
{
    v8 total = all(0.0f);
    float rest = 0.0f;
    uint32_t i = 0;
    for (; i + NN_LANES <= in_count; i += NN_LANES)
        total += load(weight + i) * load(x + i);
    for (; i < in_count; i++)
        rest += weight[i] * x[i];
    return rest + sum(total);
}

static inline void linear(const struct pawl_nn_layer *layer, float *y, const float *x,
                          uint32_t batch)
{
    const uint32_t in = layer->in_count, out = layer->out_count;
    uint32_t o = 0;

    /* Outputs outermost: four rows of W stay in the first cache for the whole batch. */
    for (; batch > 1 && o + 4 <= out; o += 4) {
        const float *weight = layer->weight + (size_t)o * in;
        uint32_t b = 0;
        for (; b + 3 <= batch; b += 3)
            tile(y + (size_t)b * out + o, x + (size_t)b * in, weight, layer->bias + o, in, out,
                 3);
        if (batch - b == 2)
            tile(y + (size_t)b * out + o, x + (size_t)b * in, weight, layer->bias + o, in, out,
                 2);
        else if (batch - b == 1)
            tile(y + (size_t)b * out + o, x + (size_t)b * in, weight, layer->bias + o, in, out,
                 1);
    }
    for (; batch == 1 && o + 8 <= out; o += 8)
        tile_one(y + o, x, layer->weight + (size_t)o * in, layer->bias + o, in);
    for (; o < out; o++)
        for (uint32_t b = 0; b < batch; b++)
            y[(size_t)b * out + o] =
                dot(layer->weight + (size_t)o * in, x + (size_t)b * in, in) + layer->bias[o];
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
