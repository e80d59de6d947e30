/* process.h: what /proc tells of a process.
 *
 *     struct pawl_process process;
 *     if (pawl_process_read(&process, pid) == 0 && process.start_ns == header.process_start_ns)
 *         it is the same one, and process.state is 'T' when it is stopped
 *
 * Process numbers are used again; number and start together are not.
 */
#ifndef PAWL_SHM_PROCESS_H
#define PAWL_SHM_PROCESS_H

#include <stdint.h>

struct pawl_process {
    uint32_t pid;
    uint32_t parent_pid;
    char state;        /* as in ps: R, S, D, T, Z, ... */
    char name[16];     /* fit to be printed */
    uint64_t start_ns; /* since boot */
};

/* -ENOENT when there is none. */
int pawl_process_read(struct pawl_process *process, uint32_t pid);

#endif
