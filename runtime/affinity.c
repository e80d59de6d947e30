#include "runtime/affinity.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* "0-3,6", as taskset(1) has it; as much as there is room for. */
static void allowed_text(char *text, size_t text_bytes)
{
    cpu_set_t set;
    size_t used = 0;
    text[0] = '\0';
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && used < text_bytes; cpu++) {
        size_t last = cpu;
        if (!CPU_ISSET(cpu, &set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
            last++;
        int length = snprintf(text + used, text_bytes - used,
                              last > cpu ? "%s%zu-%zu" : "%s%zu", used ? "," : "", cpu, last);
        used += length > 0 ? (size_t)length : text_bytes;
        cpu = last;
    }
}

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
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        int code = errno;
        char allowed[128];
        allowed_text(allowed, sizeof(allowed));
        return pawl_err_set(err, EINVAL, "%s: processor %" PRId64 "%s: %s; there are %s", key,
                            cpus[0], count > 1 ? " and others" : "", strerror(code), allowed);
    }
    return 0;
}
