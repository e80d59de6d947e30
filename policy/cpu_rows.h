/* cpu_rows.h: kernels (cpu_kernels.h) that walk the rows of matrices: copies, sums of columns,
 * and matrix products with so few columns that packing them for a BLAS costs more than the
 * product.
 */
#ifndef PAWL_POLICY_CPU_ROWS_H
#define PAWL_POLICY_CPU_ROWS_H

#include "policy/cpu.h"
#include "policy/vec.h"

#include <string.h>

static void copy(const struct pawl_op *any, const struct pawl_cpu_memory *memory)
{
    const struct pawl_op_copy *op = &any->copy;
    float *y = pawl_cpu_at(memory, op->y);
    const float *x = pawl_cpu_at(memory, op->x);

    for (size_t row = 0; row < op->y.rows; row++, y += op->y.stride, x += op->x.stride) {
        if (!op->accumulate) {
            memcpy(y, x, op->y.cols * sizeof(float));
            continue;
        }
        for (uint32_t i = 0; i < op->y.cols; i += VEC_LANES) {
            uint32_t rest = op->y.cols - i;
            vec_store_part(y + i, vec_load_part(y + i, rest) + vec_load_part(x + i, rest),
                           rest);
        }
    }
}

/* y (n) += scale[0] x_0 + scale[stride] x_1 + ... of `rows` rows x_r. */
VEC_INLINE void add_rows(float *y, const float *x, size_t x_stride, uint32_t n,
                         const float *scale, size_t scale_stride, const int rows)
{
    float factor[8];
    for (int r = 0; r < rows; r++)
        factor[r] = scale ? scale[(size_t)r * scale_stride] : 1.0f;
    for (uint32_t i = 0; i < n; i += VEC_LANES) {
        vec even = vec_load_part(y + i, n - i), odd = {0};
#pragma GCC unroll 4
        for (int r = 0; r + 1 < rows; r += 2) {
            const float *at = x + (size_t)r * x_stride + i;
            even += vec_all(factor[r]) * vec_load_part(at, n - i);
            odd += vec_all(factor[r + 1]) * vec_load_part(at + x_stride, n - i);
        }
        if (rows % 2)
            even += vec_all(factor[rows - 1]) *
                    vec_load_part(x + (size_t)(rows - 1) * x_stride + i, n - i);
        vec_store_part(y + i, even + odd, n - i);
    }
}

/* The same for any number of rows, eight at a time. */
static void add_all_rows(float *y, const float *x, size_t x_stride, uint32_t n, size_t rows,
                         const float *scale, size_t scale_stride)
{
    size_t r = 0;
    for (; r + 8 <= rows; r += 8)
        add_rows(y, x + r * x_stride, x_stride, n, scale ? scale + r * scale_stride : NULL,
                 scale_stride, 8);
    for (; r < rows; r++)
        add_rows(y, x + r * x_stride, x_stride, n, scale ? scale + r * scale_stride : NULL,
                 scale_stride, 1);
}

static void column_sums(struct pawl_view y, struct pawl_view x, bool accumulate,
                        const struct pawl_cpu_memory *memory)
{
    float *sums = pawl_cpu_at(memory, y);
    if (!accumulate)
        memset(sums, 0, y.cols * sizeof(float));
    add_all_rows(sums, pawl_cpu_at(memory, x), x.stride, x.cols, x.rows, NULL, 0);
}

/* The products of x with w, for a few rows of x, a constant: one sum alone would wait for
 * itself at each addition. */
VEC_INLINE void dots(float *y, size_t y_stride, const float *x, size_t x_stride, const float *w,
                     float b, uint32_t n, const int rows)
{
    vec total[4];
    uint32_t i = 0;
    for (int r = 0; r < rows; r++)
        total[r] = (vec){0};
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vec v = vec_load(w + i);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
            total[r] += v * vec_load(x + (size_t)r * x_stride + i);
    }
    for (int r = 0; r < rows; r++) {
        float sum = vec_sum(total[r]);
        for (uint32_t k = i; k < n; k++)
            sum += w[k] * x[(size_t)r * x_stride + k];
        y[(size_t)r * y_stride] = sum + b;
    }
}

static void linear_one(const struct pawl_op_linear *op, const struct pawl_cpu_memory *memory)
{
    float *y = pawl_cpu_at(memory, op->y);
    const float *x = pawl_cpu_at(memory, op->x), *w = pawl_cpu_at(memory, op->w);
    float b = pawl_view_is(op->b) ? *pawl_cpu_at(memory, op->b) : 0.0f;
    size_t row = 0;

    for (; row + 4 <= op->y.rows; row += 4)
        dots(y + row * op->y.stride, op->y.stride, x + row * op->x.stride, op->x.stride, w, b,
             op->w.cols, 4);
    for (; row < op->y.rows; row++)
        dots(y + row * op->y.stride, 0, x + row * op->x.stride, 0, w, b, op->w.cols, 1);
}

static void linear_dw_one(const struct pawl_op_linear_dw *op,
                          const struct pawl_cpu_memory *memory)
{
    float *dw = pawl_cpu_at(memory, op->dw);

    if (!op->accumulate)
        memset(dw, 0, op->dw.cols * sizeof(float));
    add_all_rows(dw, pawl_cpu_at(memory, op->x), op->x.stride, op->dw.cols, op->x.rows,
                 pawl_cpu_at(memory, op->dy), op->dy.stride);
}

#endif
