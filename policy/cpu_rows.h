/* cpu_rows.h: kernels (cpu_kernels.h) that walk the rows of matrices: copies and sums of
 * columns.
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

#endif
