/* cpu_kernels.h: all kernels of cpu.h, compiled once for each instruction set by the files that
 * make a table of them.
 */
#ifndef PAWL_POLICY_CPU_KERNELS_H
#define PAWL_POLICY_CPU_KERNELS_H

#include "policy/cpu_norm.h"
#include "policy/cpu_product.h"
#include "policy/cpu_rows.h"
#include "policy/cpu_step.h"

/* clang-format off */
#define PAWL_CPU_TABLE(table_name, blas_is_better)                                             \
    {                                                                                          \
        .name = table_name,                                                                    \
        .run = {                                                                               \
            [PAWL_OP_COPY] = copy,                                                             \
            [PAWL_OP_NORM_ACT] = norm_act,                                                     \
            [PAWL_OP_NORM_ACT_GRAD] = norm_act_grad,                                           \
            [PAWL_OP_TANH_GAUSS] = tanh_gauss,                                                 \
            [PAWL_OP_TANH_GAUSS_GRAD] = tanh_gauss_grad,                                       \
            [PAWL_OP_TD_TARGET] = pawl_cpu_td_target,                                          \
            [PAWL_OP_CRITIC_LOSS] = pawl_cpu_critic_loss,                                      \
            [PAWL_OP_ACTOR_LOSS] = pawl_cpu_actor_loss,                                        \
            [PAWL_OP_TEMPERATURE_LOSS] = pawl_cpu_temperature_loss,                            \
            [PAWL_OP_CHOICE_TARGET] = pawl_cpu_choice_target,                                  \
            [PAWL_OP_CHOICE_LOSS] = pawl_cpu_choice_loss,                                      \
            [PAWL_OP_CLIP] = clip,                                                             \
            [PAWL_OP_ADAM] = adam,                                                             \
            [PAWL_OP_POLYAK] = polyak,                                                         \
        },                                                                                     \
        .product = product,                                                                    \
        .is_blas_better = blas_is_better,                                                      \
        .column_sums = column_sums,                                                            \
    }
/* clang-format on */

#endif
