/* cpu_norm.h: kernels (cpu_kernels.h) for what follows the matrix product of a layer, and for
 * its gradient. Passes over a matrix cost more here than arithmetic: each kernel reads and
 * writes its matrices once, and comes back to a row only while it is in the first cache.
 */
#ifndef PAWL_POLICY_CPU_NORM_H
#define PAWL_POLICY_CPU_NORM_H

#include "policy/cpu.h"
#include "policy/nn.h"
#include "policy/vec.h"

#include <math.h>
#include <string.h>

VEC_INLINE vec act_of(vec u, const enum pawl_op_act act)
{
    switch (act) {
    case PAWL_ACT_RELU:
        return vec_at_least(u, 0.0f);
    case PAWL_ACT_SILU:
        return u / (vec_all(1.0f) + vec_exp(-u));
    case PAWL_ACT_TANH:
        return vec_tanh(u);
    case PAWL_ACT_NONE:
        break;
    }
    return u;
}

/* d act / du from u and y = act(u). SiLU's sigmoid is y / u again, without a second
 * exponential; near 0 it is taken from its series. */
VEC_INLINE vec act_slope(vec u, vec y, const enum pawl_op_act act)
{
    const vec one = vec_all(1.0f);
    switch (act) {
    case PAWL_ACT_RELU:
        return vec_choose(y > vec_all(0.0f), one, vec_all(0.0f));
    case PAWL_ACT_SILU: {
        vec near = vec_all(0.5f) + vec_all(0.25f) * u;
        vec sigmoid = vec_choose(vec_abs(u) < vec_all(1e-3f), near, y / u);
        return sigmoid + y * (one - sigmoid);
    }
    case PAWL_ACT_TANH:
        return one - y * y;
    case PAWL_ACT_NONE:
        break;
    }
    return one;
}

/* The first `count` lanes of v, the others 0. */
VEC_INLINE vec first_lanes(vec v, uint32_t count)
{
    vec part = {0};
    memcpy(&part, &v, count * sizeof(float));
    return part;
}

/* tmp = z [+ b]; returns the sum. */
VEC_INLINE float add_bias(float *tmp, const float *z, const float *b, uint32_t n)
{
    vec sum[4] = {{0}};
    uint32_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES)
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++) {
            uint32_t at = i + k * VEC_LANES;
            vec u = vec_load(z + at);
            if (b)
                u += vec_load(b + at);
            vec_store(tmp + at, u);
            sum[k] += u;
        }
    for (; i < n; i += VEC_LANES) {
        vec u = vec_load_part(z + i, n - i);
        if (b)
            u += vec_load_part(b + i, n - i);
        vec_store_part(tmp + i, u, n - i);
        sum[0] += u;
    }
    return vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

VEC_INLINE float square_deviations(const float *u, float mean, uint32_t n)
{
    vec sum[4] = {{0}};
    uint32_t i = 0;
    for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES)
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++) {
            vec d = vec_load(u + i + k * VEC_LANES) - vec_all(mean);
            sum[k] += d * d;
        }
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec d = vec_load(u + i) - vec_all(mean);
        sum[0] += d * d;
    }
    if (i < n) {
        vec d = first_lanes(vec_load_part(u + i, n - i) - vec_all(mean), n - i);
        sum[0] += d * d;
    }
    return vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* One row of one group. keep, when wanted, holds u until it holds x. */
VEC_INLINE void norm_act_row(float *y, float *keep, float *rstd, const float *z, const float *b,
                             const float *gamma, const float *beta, uint32_t n,
                             const enum pawl_op_act act)
{
    float *tmp = keep ? keep : y;
    float mean = add_bias(tmp, z, b, n) / (float)n;
    float scale = 1.0f / sqrtf(square_deviations(tmp, mean, n) / (float)n + PAWL_NN_NORM_EPS);
    if (rstd)
        *rstd = scale;

    uint32_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec x = (vec_load(tmp + i) - vec_all(mean)) * vec_all(scale);
        if (keep)
            vec_store(keep + i, x);
        vec_store(y + i, act_of(x * vec_load(gamma + i) + vec_load(beta + i), act));
    }
    if (i < n) {
        uint32_t rest = n - i;
        vec x = (vec_load_part(tmp + i, rest) - vec_all(mean)) * vec_all(scale);
        if (keep)
            vec_store_part(keep + i, x, rest);
        vec u = x * vec_load_part(gamma + i, rest) + vec_load_part(beta + i, rest);
        vec_store_part(y + i, act_of(u, act), rest);
    }
}

VEC_INLINE void act_row(float *y, float *keep, const float *z, const float *b, uint32_t n,
                        const enum pawl_op_act act)
{
    for (uint32_t i = 0; i < n; i += VEC_LANES) {
        vec u = vec_load_part(z + i, n - i);
        if (b)
            u += vec_load_part(b + i, n - i);
        if (keep)
            vec_store_part(keep + i, u, n - i);
        vec_store_part(y + i, act_of(u, act), n - i);
    }
}

VEC_INLINE void norm_act_rows(const struct pawl_op_norm_act *op,
                              const struct pawl_cpu_memory *memory, const enum pawl_op_act act)
{
    float *y = pawl_cpu_at(memory, op->y), *keep = pawl_cpu_at(memory, op->keep);
    float *rstd = pawl_cpu_at(memory, op->rstd);
    const float *z = pawl_cpu_at(memory, op->z), *b = pawl_cpu_at(memory, op->b);
    const float *gamma = pawl_cpu_at(memory, op->gamma), *beta = pawl_cpu_at(memory, op->beta);
    uint32_t group_count = op->group_count ? op->group_count : 1, n = op->y.cols / group_count;

    for (size_t row = 0; row < op->y.rows; row++) {
        float *y_row = y + row * op->y.stride;
        float *keep_row = keep ? keep + row * op->keep.stride : NULL;
        const float *z_row = z + row * op->z.stride;

        if (!gamma) {
            act_row(y_row, keep_row, z_row, b, n, act);
            continue;
        }
        for (uint32_t g = 0; g < group_count; g++) {
            size_t at = (size_t)g * n;
            norm_act_row(y_row + at, keep_row ? keep_row + at : NULL,
                         rstd ? rstd + row * op->rstd.stride + g : NULL, z_row + at,
                         b ? b + at : NULL, gamma + at, beta + at, n, act);
        }
    }
}

static void norm_act(const struct pawl_op *op, const struct pawl_cpu_memory *memory)
{
    switch (op->norm_act.act) {
    case PAWL_ACT_NONE:
        norm_act_rows(&op->norm_act, memory, PAWL_ACT_NONE);
        break;
    case PAWL_ACT_RELU:
        norm_act_rows(&op->norm_act, memory, PAWL_ACT_RELU);
        break;
    case PAWL_ACT_SILU:
        norm_act_rows(&op->norm_act, memory, PAWL_ACT_SILU);
        break;
    case PAWL_ACT_TANH:
        norm_act_rows(&op->norm_act, memory, PAWL_ACT_TANH);
        break;
    }
}

/* Where a gradient of norm_act reads and writes; pointers to row 0, NULL: absent. */
struct slopes {
    float *dz, *dgamma, *dbeta, *db;
    const float *dy, *y, *keep, *rstd, *gamma, *beta;
    size_t dz_stride, dy_stride, y_stride, keep_stride, rstd_stride;
};

VEC_INLINE void add_part(float *sums, vec v, uint32_t count)
{
    vec_store_part(sums, vec_load_part(sums, count) + v, count);
}

/* Columns i .. of `rows` rows behind a norm, first pass: dz gets dx = du * gamma. */
VEC_INLINE void slope_pass(const struct slopes *s, size_t row, uint32_t i, uint32_t count,
                           vec *sum, vec *sum_x, const int rows, const enum pawl_op_act act)
{
    vec gamma = vec_load_part(s->gamma + i, count);
    vec beta = s->beta ? vec_load_part(s->beta + i, count) : (vec){0};
    vec dgamma = {0}, dbeta = {0};

#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        size_t at = row + (size_t)r;
        vec x = vec_load_part(s->keep + at * s->keep_stride + i, count);
        vec du = vec_load_part(s->dy + at * s->dy_stride + i, count);
        if (act != PAWL_ACT_NONE)
            du *= act_slope(x * gamma + beta, vec_load_part(s->y + at * s->y_stride + i, count),
                            act);
        dbeta += du;
        dgamma += du * x;
        vec dx = du * gamma;
        sum[r] += dx;
        sum_x[r] += dx * x;
        vec_store_part(s->dz + at * s->dz_stride + i, dx, count);
    }
    if (s->dgamma)
        add_part(s->dgamma + i, dgamma, count);
    if (s->dbeta)
        add_part(s->dbeta + i, dbeta, count);
}

/* Second pass: dz = rstd (dx - mean(dx) - x mean(dx x)). */
VEC_INLINE void centre_pass(const struct slopes *s, size_t row, uint32_t i, uint32_t count,
                            const float *mean, const float *mean_x, const float *scale,
                            const int rows)
{
    vec db = {0};
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        size_t at = row + (size_t)r;
        float *dz_at = s->dz + at * s->dz_stride + i;
        vec x = vec_load_part(s->keep + at * s->keep_stride + i, count);
        vec dz = vec_load_part(dz_at, count) - vec_all(mean[r]) - x * vec_all(mean_x[r]);
        dz *= vec_all(scale[r]);
        db += dz;
        vec_store_part(dz_at, dz, count);
    }
    if (s->db)
        add_part(s->db + i, db, count);
}

VEC_INLINE void norm_slope_rows(const struct slopes *s, size_t row, uint32_t n, const int rows,
                                const enum pawl_op_act act)
{
    vec sum[4] = {{0}}, sum_x[4] = {{0}};
    float mean[4], mean_x[4], scale[4];
    uint32_t i = 0;

    for (; i + VEC_LANES <= n; i += VEC_LANES)
        slope_pass(s, row, i, VEC_LANES, sum, sum_x, rows, act);
    if (i < n)
        slope_pass(s, row, i, n - i, sum, sum_x, rows, act);

    for (int r = 0; r < rows; r++) {
        mean[r] = vec_sum(sum[r]) / (float)n;
        mean_x[r] = vec_sum(sum_x[r]) / (float)n;
        scale[r] = s->rstd[(row + (size_t)r) * s->rstd_stride];
    }
    for (i = 0; i + VEC_LANES <= n; i += VEC_LANES)
        centre_pass(s, row, i, VEC_LANES, mean, mean_x, scale, rows);
    if (i < n)
        centre_pass(s, row, i, n - i, mean, mean_x, scale, rows);
}

VEC_INLINE void act_slope_rows(const struct slopes *s, size_t row, uint32_t n, const int rows,
                               const enum pawl_op_act act)
{
    for (uint32_t i = 0; i < n; i += VEC_LANES) {
        vec db = {0};
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            size_t at = row + (size_t)r;
            vec dz = vec_load_part(s->dy + at * s->dy_stride + i, n - i);
            vec u = {0};
            if (act == PAWL_ACT_SILU)
                u = vec_load_part(s->keep + at * s->keep_stride + i, n - i);
            if (act != PAWL_ACT_NONE)
                dz *= act_slope(u, vec_load_part(s->y + at * s->y_stride + i, n - i), act);
            db += dz;
            vec_store_part(s->dz + at * s->dz_stride + i, dz, n - i);
        }
        if (s->db)
            add_part(s->db + i, db, n - i);
    }
}

VEC_INLINE void norm_act_grad_of(const struct slopes *s, size_t row_count, uint32_t n,
                                 const enum pawl_op_act act)
{
    size_t row = 0;
    if (s->gamma) {
        for (; row + 4 <= row_count; row += 4)
            norm_slope_rows(s, row, n, 4, act);
        for (; row < row_count; row++)
            norm_slope_rows(s, row, n, 1, act);
        return;
    }
    for (; row + 4 <= row_count; row += 4)
        act_slope_rows(s, row, n, 4, act);
    for (; row < row_count; row++)
        act_slope_rows(s, row, n, 1, act);
}

static float *part(const struct pawl_cpu_memory *memory, struct pawl_view view, size_t at)
{
    return pawl_view_is(view) ? pawl_cpu_at(memory, view) + at : NULL;
}

static void norm_act_grad(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_norm_act_grad *op = &any->norm_act_grad;
    uint32_t group_count = op->group_count ? op->group_count : 1, n = op->dz.cols / group_count;
    const struct pawl_view sums[] = {op->dgamma, op->dbeta, op->db};

    for (size_t i = 0; i < 3; i++)
        if (pawl_view_is(sums[i]) && !op->accumulate)
            memset(pawl_cpu_at(memory, sums[i]), 0, sums[i].cols * sizeof(float));

    for (uint32_t g = 0; g < group_count; g++) {
        size_t at = (size_t)g * n;
        struct slopes s = {
            .dz = part(memory, op->dz, at),
            .dgamma = part(memory, op->dgamma, at),
            .dbeta = part(memory, op->dbeta, at),
            .db = part(memory, op->db, at),
            .dy = part(memory, op->dy, at),
            .y = part(memory, op->y, at),
            .keep = part(memory, op->keep, at),
            .rstd = part(memory, op->rstd, g),
            .gamma = part(memory, op->gamma, at),
            .beta = part(memory, op->beta, at),
            .dz_stride = op->dz.stride,
            .dy_stride = op->dy.stride,
            .y_stride = op->y.stride,
            .keep_stride = op->keep.stride,
            .rstd_stride = op->rstd.stride,
        };
        switch (op->act) {
        case PAWL_ACT_NONE:
            norm_act_grad_of(&s, op->dz.rows, n, PAWL_ACT_NONE);
            break;
        case PAWL_ACT_RELU:
            norm_act_grad_of(&s, op->dz.rows, n, PAWL_ACT_RELU);
            break;
        case PAWL_ACT_SILU:
            norm_act_grad_of(&s, op->dz.rows, n, PAWL_ACT_SILU);
            break;
        case PAWL_ACT_TANH:
            norm_act_grad_of(&s, op->dz.rows, n, PAWL_ACT_TANH);
            break;
        }
    }
}

#endif
