/* inspect_find.h: the segments of a run, found without anybody's help.
 *
 * A segment has no name, but who has one shows it: /proc/PID/fd and /proc/PID/maps name memfds,
 * by what they were called and by their inode. Segments and processes make a graph; what hangs
 * together with one process is one run.
 */
#ifndef PAWL_SHM_INSPECT_FIND_H
#define PAWL_SHM_INSPECT_FIND_H

#include "runtime/err.h"
#include "shm/hub_msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAWL_FIND_SIGHTINGS_MAX 65536u

#define PAWL_HUB_LOCK_NAME                                                                     \
    PAWL_HUB_SOCKET_NAME ".lock" /* of runtime/sock.h, beside the socket */

/* Process `pid` has this segment. */
struct pawl_sighting {
    uint32_t pid;
    bool is_in_run;
    bool is_chosen; /* the one through which the segment is to be opened */
    dev_t device;
    ino_t inode;
    char path[80]; /* opens it; empty: only a map, which this user may not open */
};

struct pawl_sightings {
    struct pawl_sighting *all; /* to be freed by pawl_sightings_close() */
    size_t count, room;
};

/* Everything that processes of this user have, but this process. */
int pawl_sightings_find(struct pawl_sightings *found, struct pawl_err *err);

/* Marks what hangs together with the process or, where folder is not NULL, with those that have
 * a file of that run folder among their arguments or open; returns how many segments that are.
 * Of each, one sighting with a path is chosen, if there is any. */
size_t pawl_sightings_mark_run(struct pawl_sightings *found, uint32_t seed_pid,
                               const char *folder);

/* "process 12 (pawl-actor), process 14 (pawl-actor)", each once. */
void pawl_sightings_list(const struct pawl_sightings *found, char *text, size_t text_bytes);

void pawl_sightings_close(struct pawl_sightings *found);

/* The folder with the hub of a process, or of one that it descends from: true. */
bool pawl_find_hub_folder(uint32_t pid, char *folder, size_t folder_bytes);

/* The process that has, or last had, the hub in this folder; 0: none. */
uint32_t pawl_find_hub_pid(const char *folder);

#endif
