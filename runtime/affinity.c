#include "runtime/affinity.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>

int pawl_affinity_set(const int64_t *cpus, size_t count, const char *key, struct pawl_err *err)
{
    cpu_set_t set;
    if (count == 0)
        return 0;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count; i++) {
        if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE)
            return pawl_err_set(err, EINVAL, "%s: processor %" PRId64 ", must be 0 to %d", key,
                                cpus[i], CPU_SETSIZE - 1);
        CPU_SET((size_t)cpus[i], &set);
    }
    if (sched_setaffinity(0, sizeof(set), &set) != 0)
        return pawl_err_set(err, EINVAL, "%s: processor %" PRId64 "%s: %s", key, cpus[0],
                            count > 1 ? " and others" : "", strerror(errno));
    return 0;
}
