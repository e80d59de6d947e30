/* numbers.h: whether numbers are finite.
 *
 *     if (!pawl_numbers_are_finite(tensor->dtype, tensor->data, pawl_tensor_count(tensor)))
 *         ...
 *
 * One pass without a branch in it, so that the compiler makes vectors of it.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_RUNTIME_NUMBERS_H
#define PAWL_RUNTIME_NUMBERS_H

#include "runtime/spec.h"

#include <stdbool.h>
#include <stdint.h>

/* data may be unaligned. What a dtype has no other numbers of is finite. */
bool pawl_numbers_are_finite(enum pawl_dtype dtype, const void *data, uint64_t count);

#endif
