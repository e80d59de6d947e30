/* plan_check.h: whether an operation is one that engines can run. */
#ifndef PAWL_POLICY_PLAN_CHECK_H
#define PAWL_POLICY_PLAN_CHECK_H

#include "policy/plan.h"
#include "runtime/err.h"

/* Shapes, arenas, overlaps and constants of an operation; float_count of each arena as
 * allocated by now. The text names views and sizes, not the operation. */
int pawl_op_check(const struct pawl_op *op, const uint64_t float_count[PAWL_ARENA_COUNT],
                  struct pawl_err *err);

#endif
