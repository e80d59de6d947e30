/* tensor.h: an array of numbers with a name, as parameters travel: in a board, in a file, to a
 * policy. It is a view; who owns the numbers says how long they stay.
 */
#ifndef PAWL_RUNTIME_TENSOR_H
#define PAWL_RUNTIME_TENSOR_H

#include "runtime/spec.h"

#define PAWL_TENSOR_NAME_BYTES 128 /* with the closing zero */

struct pawl_tensor {
    char name[PAWL_TENSOR_NAME_BYTES]; /* LeRobot's, e.g. "network.net.0.weight" */
    enum pawl_dtype dtype;
    uint32_t rank;
    uint32_t shape[PAWL_SPEC_RANK_MAX];
    const void *data; /* row-major; NULL where only the form is meant */
};

/* Of numbers; no extents: 1. */
static inline uint64_t pawl_tensor_count(const struct pawl_tensor *tensor)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

#endif
