/* finite.h: whether every number of a record is a number.
 *
 *     pawl_finite_make(&finite, &spec);
 *     if (!pawl_finite_is(&finite, data))          one pass over the floats, per record
 *         pawl_finite_explain(&finite, data, err); "obs.state[3] is nan"
 *
 * What is not finite never enters a store: it would spread through every update. A bool that is
 * neither 0 nor 1 is as little a value.
 *
 * Thread safety: constant once made.
 */
#ifndef PAWL_LEARNER_FINITE_H
#define PAWL_LEARNER_FINITE_H

#include "runtime/err.h"
#include "runtime/spec.h"

#include <stdbool.h>

/* Fields of one type that lie side by side. */
struct pawl_finite_span {
    enum pawl_dtype dtype;
    uint64_t offset_bytes;
    uint64_t count;
};

struct pawl_finite {
    struct pawl_spec spec;
    uint32_t span_count;
    struct pawl_finite_span spans[PAWL_SPEC_FIELDS_MAX];
};

void pawl_finite_make(struct pawl_finite *finite, const struct pawl_spec *spec);

/* data is a record of the spec, aligned to 8 bytes. */
bool pawl_finite_is(const struct pawl_finite *finite, const unsigned char *data);

/* Sets the sentence about the first number that is none, with its field; returns -EINVAL, or 0
 * when there is none. */
int pawl_finite_explain(const struct pawl_finite *finite, const unsigned char *data,
                        struct pawl_err *err);

#endif
