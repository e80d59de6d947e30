#include "shm/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"

int pawl_process_read(struct pawl_process *process, uint32_t pid)
{
    char path[32], text[1024];
    *process = (struct pawl_process){.pid = pid};
    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -ENOENT;
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';

    /* PID (NAME) STATE PARENT ...; the name may hold anything. */
    const char *name = strchr(text, '('), *c = strrchr(text, ')');
    if (!name || !c || c < name ||
        sscanf(c, ") %c %" SCNu32, &process->state, &process->parent_pid) != 2)
        return -ENOENT;
    for (size_t i = 0; i + 1 < sizeof(process->name) && name + 1 + i < c; i++)
        process->name[i] = name[1 + i] >= ' ' && name[1 + i] <= '~' ? name[1 + i] : '?';
    for (int field = 2; c && field < 22; field++)
        c = strchr(c + 1, ' ');
    uint64_t ticks;
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (c && ticks_per_s > 0 && sscanf(c, " %" SCNu64, &ticks) == 1)
        process->start_ns = ticks * (PAWL_NS_PER_S / (uint64_t)ticks_per_s);
    return 0;
}
