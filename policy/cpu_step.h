/* cpu_step.h: kernels (cpu_kernels.h) for the sample of a policy, and for what changes
 * parameters: each walks its vectors once.
 */
#ifndef PAWL_POLICY_CPU_STEP_H
#define PAWL_POLICY_CPU_STEP_H

#include "policy/cpu.h"
#include "policy/vec.h"

#include <math.h>
#include <string.h>

#define BLOCK_FLOATS 512u /* of a sample that is computed at once */

/* A part of a matrix, gathered without gaps so that few columns fill vectors too. */
struct block {
    size_t row, rows;
    uint32_t col, cols;
};

static void gather(float *to, const float *from, size_t stride, struct block at)
{
    from += at.row * stride + at.col;
    for (size_t r = 0; r < at.rows; r++, from += stride)
        for (uint32_t c = 0; c < at.cols; c++)
            *to++ = from[c];
}

static void scatter(float *to, size_t stride, const float *from, struct block at)
{
    to += at.row * stride + at.col;
    for (size_t r = 0; r < at.rows; r++, to += stride)
        for (uint32_t c = 0; c < at.cols; c++)
            to[c] = *from++;
}

/* The next block of a (rows, cols) matrix; begins with {0}, false behind the last. */
static bool next_block(struct block *at, size_t rows, uint32_t cols)
{
    at->col += at->cols;
    if (at->cols == 0 || at->col == cols) {
        at->row += at->rows;
        at->col = 0;
    }
    if (at->row == rows)
        return false;
    at->cols = cols - at->col < BLOCK_FLOATS ? cols - at->col : BLOCK_FLOATS;
    at->rows = at->cols < cols ? 1 : BLOCK_FLOATS / cols;
    if (at->rows > rows - at->row)
        at->rows = rows - at->row;
    return true;
}

/* log std = log s or its half. */
VEC_INLINE vec log_std_of(vec raw, float log_min, float log_max, bool s_is_variance)
{
    return vec_clamp(raw, log_min, log_max) * vec_all(s_is_variance ? 0.5f : 1.0f);
}

static void tanh_gauss(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_tanh_gauss *op = &any->tanh_gauss;
    float *action = pawl_cpu_at(memory, op->action), *logp = pawl_cpu_at(memory, op->logp);
    float mean[BLOCK_FLOATS + VEC_LANES], raw[BLOCK_FLOATS + VEC_LANES];
    float eps[BLOCK_FLOATS + VEC_LANES];
    float log_min = logf(op->s_min), log_max = logf(op->s_max);
    struct block at = {0};

    memset(mean, 0, sizeof(mean));
    memset(raw, 0, sizeof(raw));
    memset(eps, 0, sizeof(eps));
    while (next_block(&at, op->mean.rows, op->mean.cols)) {
        size_t count = at.rows * at.cols;
        gather(mean, pawl_cpu_at(memory, op->mean), op->mean.stride, at);
        gather(raw, pawl_cpu_at(memory, op->raw), op->raw.stride, at);
        gather(eps, pawl_cpu_at(memory, op->eps), op->eps.stride, at);
        for (size_t i = 0; i < count; i += VEC_LANES) {
            vec e = vec_load(eps + i);
            vec log_std = log_std_of(vec_load(raw + i), log_min, log_max, op->s_is_variance);
            vec x = vec_load(mean + i) + vec_exp(log_std) * e;
            vec far = vec_abs(x);
            vec squash = vec_all(0.69314718f) - far - vec_log1p(vec_exp(vec_all(-2.0f) * far));
            vec_store(mean + i, vec_tanh(x));
            vec_store(raw + i, vec_all(-0.5f) * e * e - vec_all(0.91893853f) - log_std -
                                   vec_all(2.0f) * squash);
        }
        if (action)
            scatter(action, op->action.stride, mean, at);
        for (size_t r = 0; logp && r < at.rows; r++) {
            float *sum = logp + (at.row + r) * op->logp.stride;
            if (at.col == 0)
                *sum = 0.0f;
            for (uint32_t c = 0; c < at.cols; c++)
                *sum += raw[r * at.cols + c];
        }
    }
}

static void tanh_gauss_grad(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_tanh_gauss_grad *op = &any->tanh_gauss_grad;
    const float *daction = pawl_cpu_at(memory, op->daction);
    const float *dlogp = pawl_cpu_at(memory, op->dlogp);
    float action[BLOCK_FLOATS + VEC_LANES], raw[BLOCK_FLOATS + VEC_LANES];
    float eps[BLOCK_FLOATS + VEC_LANES], da[BLOCK_FLOATS + VEC_LANES];
    float dp[BLOCK_FLOATS + VEC_LANES];
    float log_min = logf(op->s_min), log_max = logf(op->s_max);
    float share = op->s_is_variance ? 0.5f : 1.0f; /* of d raw in d log std */
    struct block at = {0};

    memset(action, 0, sizeof(action));
    memset(raw, 0, sizeof(raw));
    memset(eps, 0, sizeof(eps));
    memset(da, 0, sizeof(da));
    memset(dp, 0, sizeof(dp));
    while (next_block(&at, op->raw.rows, op->raw.cols)) {
        size_t count = at.rows * at.cols;
        gather(action, pawl_cpu_at(memory, op->action), op->action.stride, at);
        gather(raw, pawl_cpu_at(memory, op->raw), op->raw.stride, at);
        gather(eps, pawl_cpu_at(memory, op->eps), op->eps.stride, at);
        if (daction)
            gather(da, daction, op->daction.stride, at);
        for (size_t r = 0; dlogp && r < at.rows; r++)
            for (uint32_t c = 0; c < at.cols; c++)
                dp[r * at.cols + c] = dlogp[(at.row + r) * op->dlogp.stride];

        for (size_t i = 0; i < count; i += VEC_LANES) {
            vec a = vec_load(action + i), p = vec_load(dp + i), w = vec_load(raw + i);
            vec std = vec_exp(log_std_of(w, log_min, log_max, op->s_is_variance));
            /* d logp / d x = 2 tanh(x), and d tanh / d x = 1 - tanh^2. */
            vec dx = vec_load(da + i) * (vec_all(1.0f) - a * a) + p * (a + a);
            vec dw = (dx * vec_load(eps + i) * std - p) * vec_all(share);
            dw = vec_choose((w < vec_all(log_min)) | (w > vec_all(log_max)), vec_all(0.0f), dw);
            vec_store(action + i, dx);
            vec_store(raw + i, dw);
        }
        scatter(pawl_cpu_at(memory, op->dmean), op->dmean.stride, action, at);
        scatter(pawl_cpu_at(memory, op->draw), op->draw.stride, raw, at);
    }
}

#define SQUARES_FLOATS 4096u /* are summed in float32, their sums in float64 */

static double sum_of_squares(const float *g, size_t count)
{
    double total = 0.0;
    for (size_t begin = 0; begin < count; begin += SQUARES_FLOATS) {
        size_t n = count - begin < SQUARES_FLOATS ? count - begin : SQUARES_FLOATS, i = 0;
        const float *at = g + begin;
        vec sum[4] = {{0}};
        for (; i + 4 * VEC_LANES <= n; i += 4 * VEC_LANES)
#pragma GCC unroll 4
            for (size_t k = 0; k < 4; k++) {
                vec v = vec_load(at + i + k * VEC_LANES);
                sum[k] += v * v;
            }
        for (; i < n; i += VEC_LANES) {
            vec v = vec_load_part(at + i, n - i < VEC_LANES ? (uint32_t)(n - i) : VEC_LANES);
            sum[0] += v * v;
        }
        total += (double)vec_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
    return total;
}

static void clip(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_clip *op = &any->clip;
    double squares = 0.0;
    bool is_finite = true;

    for (uint32_t k = 0; k < PAWL_OP_CLIP_MAX && pawl_view_is(op->g[k]); k++)
        squares += sum_of_squares(pawl_cpu_at(memory, op->g[k]), op->g[k].cols);
    for (uint32_t i = 0; pawl_view_is(op->loss) && i < op->loss.cols; i++)
        is_finite = is_finite && isfinite(pawl_cpu_at(memory, op->loss)[i]);

    float norm = (float)sqrt(squares);
    bool is_open = is_finite && isfinite(norm) && pawl_cpu_gate_is_open(memory, op->before);
    *pawl_cpu_at(memory, op->norm) = norm;
    *pawl_cpu_at(memory, op->gate) = is_open ? 1.0f : 0.0f;

    float factor = op->max_norm / (norm + 1e-6f);
    if (!is_open || op->max_norm <= 0.0f || factor >= 1.0f)
        return;
    for (uint32_t k = 0; k < PAWL_OP_CLIP_MAX && pawl_view_is(op->g[k]); k++) {
        float *g = pawl_cpu_at(memory, op->g[k]);
        for (uint32_t i = 0; i < op->g[k].cols; i += VEC_LANES) {
            uint32_t rest = op->g[k].cols - i;
            vec_store_part(g + i, vec_load_part(g + i, rest) * vec_all(factor), rest);
        }
    }
}

static void adam(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_adam *op = &any->adam;
    float *p = pawl_cpu_at(memory, op->p), *m = pawl_cpu_at(memory, op->m);
    float *v = pawl_cpu_at(memory, op->v), *step = pawl_cpu_at(memory, op->step);
    const float *g = pawl_cpu_at(memory, op->g);

    if (!pawl_cpu_gate_is_open(memory, op->gate))
        return;
    *step += 1.0f;
    double correction1 = 1.0 - pow(op->beta1, (double)*step);
    double correction2 = 1.0 - pow(op->beta2, (double)*step);
    const vec size = vec_all((float)(op->lr / correction1));
    const vec root = vec_all((float)(1.0 / sqrt(correction2))), eps = vec_all((float)op->eps);
    const vec beta1 = vec_all((float)op->beta1), rest1 = vec_all((float)(1.0 - op->beta1));
    const vec beta2 = vec_all((float)op->beta2), rest2 = vec_all((float)(1.0 - op->beta2));

    for (uint32_t i = 0; i < op->p.cols; i += VEC_LANES) {
        uint32_t rest = op->p.cols - i;
        vec gi = vec_load_part(g + i, rest);
        vec mi = beta1 * vec_load_part(m + i, rest) + rest1 * gi;
        vec vi = beta2 * vec_load_part(v + i, rest) + rest2 * gi * gi;
        vec_store_part(m + i, mi, rest);
        vec_store_part(v + i, vi, rest);
        vec pi = vec_load_part(p + i, rest) - size * (mi / (vec_sqrt(vi) * root + eps));
        vec_store_part(p + i, pi, rest);
    }
}

static void polyak(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_polyak *op = &any->polyak;
    float *target = pawl_cpu_at(memory, op->target);
    const float *p = pawl_cpu_at(memory, op->p);
    const vec w = vec_all((float)op->w), rest_w = vec_all((float)(1.0 - op->w));

    if (!pawl_cpu_gate_is_open(memory, op->gate))
        return;
    for (uint32_t i = 0; i < op->p.cols; i += VEC_LANES) {
        uint32_t rest = op->p.cols - i;
        vec moved = vec_rounded(w * vec_load_part(p + i, rest));
        vec stayed = vec_rounded(rest_w * vec_load_part(target + i, rest));
        vec_store_part(target + i, moved + stayed, rest);
    }
}

#endif
