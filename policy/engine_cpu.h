/* engine_cpu.h: the engine of networks without convolutions on the CPU: kernels of our own
 * (cpu.h), and a BLAS for the matrix products where it is the better one (blas.h). What only
 * this engine can do:
 *
 *     pawl_engine_cpu_products(engine, list);       what the products of a list cost alone
 *     pawl_engine_cpu_profile(engine, took_ns);     what each kind of operation costs
 */
#ifndef PAWL_POLICY_ENGINE_CPU_H
#define PAWL_POLICY_ENGINE_CPU_H

#include "policy/cpu.h"
#include "policy/engine.h"

/* Like pawl_engine_cpu.open() with these kernels instead of the best. */
int pawl_engine_cpu_open_with(struct pawl_engine **engine, const struct pawl_plan *plan,
                              const struct pawl_engine_setup *setup,
                              const struct pawl_cpu_kernels *kernels, struct pawl_err *err);

/* Runs the matrix products of a list and nothing else, on what the arenas hold. */
void pawl_engine_cpu_products(struct pawl_engine *engine, uint32_t list);

/* From now on run() adds the processor time of each operation to took_ns[kind]; NULL ends that.
 */
void pawl_engine_cpu_profile(struct pawl_engine *engine, uint64_t *took_ns);

#endif
