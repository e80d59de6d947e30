/* run_folder.h: the folder that a run leaves behind, and who owns it.
 *
 *     pawl_run_folder_create(&folder, "runs", "demo", "pawl train x.toml", &err);
 *         makes runs/2026-11-21/05-14-35_demo and locks it
 *     pawl_run_folder_write(&folder, "config.toml", text, strlen(text), &err);
 *     pawl_run_folder_close(&folder);
 *
 * Nothing is ever overwritten: a name that is taken gets _2, _3, ... Whoever holds the lock on
 * run.lock owns the folder; the kernel frees it when the owner dies, however it dies, and all
 * who inherited lock_fd have died. Folders that group or others may write are refused, for
 * whoever may write there could put files of their own in our place. What is made is for the
 * owner alone (0700, and files 0600 under the umask that pawl_run_folder_create() sets for the
 * whole process).
 *
 * Thread safety: one thread per folder.
 */
#ifndef PAWL_RUNTIME_RUN_FOLDER_H
#define PAWL_RUNTIME_RUN_FOLDER_H

#include "runtime/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define PAWL_RUN_FOLDER_LOCK_NAME "run.lock"
#define PAWL_RUN_FOLDER_NAMES_MAX 1000 /* runs of one name that began within one second */

/* Zeroed: closed. */
struct pawl_run_folder {
    bool is_open;
    char path[PATH_MAX]; /* as the caller's dir begins: relative stays relative */
    int lock_fd;
};

/* Makes DIR if it is missing, with all above it, and a new folder in it, named after the time
 * and `name` (what is no letter, digit, `.`, `-` or `_` becomes `_`). `owner` is written into
 * the lock for who finds it taken. */
int pawl_run_folder_create(struct pawl_run_folder *folder, const char *dir, const char *name,
                           const char *owner, struct pawl_err *err);

/* Takes a folder that exists. -EBUSY while somebody else owns it, naming the process. */
int pawl_run_folder_open(struct pawl_run_folder *folder, const char *path, const char *owner,
                         struct pawl_err *err);

/* Puts a file there as a whole or not at all; returns once it is on the disk. */
int pawl_run_folder_write(const struct pawl_run_folder *folder, const char *name,
                          const void *bytes, size_t byte_count, struct pawl_err *err);

/* The path of something in the folder. Returns text. Cut when too long. */
const char *pawl_run_folder_path(const struct pawl_run_folder *folder, const char *name,
                                 char text[PATH_MAX]);

/* The folder stays; a zeroed one is left alone. */
void pawl_run_folder_close(struct pawl_run_folder *folder);

#endif
