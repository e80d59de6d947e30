/* sac_table.h: what is where in SAC's state, under the names of trainer.h. */
#ifndef PAWL_POLICY_SAC_TABLE_H
#define PAWL_POLICY_SAC_TABLE_H

#include "policy/sac_steps.h"
#include "policy/trainer.h"
#include "runtime/err.h"
#include "runtime/tensor.h"

struct pawl_sac_table {
    const struct pawl_sac_steps *steps;
    const float *state; /* the arena STATE */
    struct pawl_tensor *tensors;
    size_t count;
    struct pawl_trainer_optimizer optimizers[PAWL_SAC_OPTIMIZER_COUNT];
    size_t optimizer_count;
};

/* steps and state have to stay. Zeroed, there is nothing to close. */
int pawl_sac_table_open(struct pawl_sac_table *table, const struct pawl_sac_steps *steps,
                        const float *state, struct pawl_err *err);
void pawl_sac_table_close(struct pawl_sac_table *table);

/* -EINVAL and the tensor's name for the first number that is not finite. */
int pawl_sac_table_check(const struct pawl_sac_table *table, struct pawl_err *err);

#endif
