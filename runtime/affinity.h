/* affinity.h: which processors a process may use.
 *
 * Thread safety: it is for the calling thread and those that it starts later.
 */
#ifndef PAWL_RUNTIME_AFFINITY_H
#define PAWL_RUNTIME_AFFINITY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/err.h"

/* These and no others from now on; none: as it is. key: who says so, for the error. -EINVAL:
 * the kernel has none of them for us. */
int pawl_affinity_set(const int64_t *cpus, size_t count, const char *key, struct pawl_err *err);

#endif
