/* cpu.h: the parts of the CPU engine (engine_cpu.h): one function for each kind of operation
 * that is not a matrix product, and one for all of these, compiled once for each instruction
 * set.
 *
 *     kernels->run[op->kind](op, memory);
 *     kernels->product(&product, room);
 *
 * memory.base holds where each arena begins. Operations have been checked when the plan was
 * built (plan_check.h), so nothing here checks again.
 */
#ifndef PAWL_POLICY_CPU_H
#define PAWL_POLICY_CPU_H

#include "policy/plan.h"

#include <stddef.h>

struct pawl_cpu_memory {
    float *base[PAWL_ARENA_COUNT];
};

/* y (m, n) = a (m, k) b (k, n) + bias (1, n), or y += a b. What is turned lies as (k, m), or
 * (n, k). bias may be NULL, and is where accumulate is set. */
struct pawl_cpu_product {
    float *y;
    const float *a, *b, *bias;
    size_t y_stride, a_stride, b_stride;
    uint32_t m, n, k; /* at least 1 */
    bool a_is_turned, b_is_turned, accumulate;
};

/* What a product needs for copies, aligned to 64 bytes. */
#define PAWL_CPU_ROOM_FLOATS (320u * 256u)

struct pawl_cpu_kernels {
    const char *name; /* "avx2" */

    /* NULL for the matrix products. */
    void (*run[PAWL_OP_KIND_COUNT])(const struct pawl_op *op,
                                    const struct pawl_cpu_memory *memory);

    /* Of any shape. The bits of y are a function of the numbers alone. */
    void (*product)(const struct pawl_cpu_product *product, float *room);
    bool is_blas_better; /* than that, for products of more than one row and column */

    /* y (1, n) = or += column sums of x (B, n). */
    void (*column_sums)(struct pawl_view y, struct pawl_view x, bool accumulate,
                        const struct pawl_cpu_memory *memory);
};

extern const struct pawl_cpu_kernels pawl_cpu_baseline;
extern const struct pawl_cpu_kernels pawl_cpu_avx2; /* taken through pawl_cpu_kernels() only */
extern const struct pawl_cpu_kernels pawl_cpu_avx512; /* likewise */

/* Those that this processor runs, by index, the best first; NULL behind the last. */
const struct pawl_cpu_kernels *pawl_cpu_kernels(size_t index);

/* Rows of a batch that have no use for vectors (cpu_losses.c), the same for all. */
void pawl_cpu_td_target(const struct pawl_op *op, const struct pawl_cpu_memory *memory);
void pawl_cpu_critic_loss(const struct pawl_op *op, const struct pawl_cpu_memory *memory);
void pawl_cpu_actor_loss(const struct pawl_op *op, const struct pawl_cpu_memory *memory);
void pawl_cpu_temperature_loss(const struct pawl_op *op, const struct pawl_cpu_memory *memory);
void pawl_cpu_choice_target(const struct pawl_op *op, const struct pawl_cpu_memory *memory);
void pawl_cpu_choice_loss(const struct pawl_op *op, const struct pawl_cpu_memory *memory);

static inline float *pawl_cpu_at(const struct pawl_cpu_memory *memory, struct pawl_view view)
{
    return pawl_view_is(view) ? memory->base[view.arena] + view.at : NULL;
}

static inline bool pawl_cpu_gate_is_open(const struct pawl_cpu_memory *memory,
                                         struct pawl_view gate)
{
    return !pawl_view_is(gate) || *pawl_cpu_at(memory, gate) != 0.0f;
}

#endif
