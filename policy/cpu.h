/* cpu.h: the parts of the CPU engine (engine_cpu.h): one function for each kind of operation
 * that is not a matrix product, compiled once for each instruction set.
 *
 *     kernels->run[op->kind](op, memory);
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

struct pawl_cpu_kernels {
    const char *name; /* "avx2" */

    /* NULL for the matrix products. */
    void (*run[PAWL_OP_KIND_COUNT])(const struct pawl_op *op,
                                    const struct pawl_cpu_memory *memory);

    /* With one row of w: OpenBLAS' AVX-512 kernels are as fast there, its others take four
     * times as long (bench_update, OPENBLAS_CORETYPE=Haswell). */
    void (*linear_one)(const struct pawl_op_linear *op, const struct pawl_cpu_memory *memory);
    void (*linear_dw_one)(const struct pawl_op_linear_dw *op,
                          const struct pawl_cpu_memory *memory);

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
