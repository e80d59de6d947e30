/* durable.h: a file that is replaced as a whole, or not at all, across crashes and power cuts.
 *
 * The new content is written to a temporary file of the same folder (allocated, written,
 * synced), which is renamed over the old one; then the folder is synced. At every instant the
 * path holds the old content or the new one. It is durable once DONE has been reported.
 *
 *     struct pawl_durable file;
 *     pawl_durable_open(&file, pawl_io_sys(), PAWL_IO_QUEUE_AUTO, "runs/x/state.bin", &err);
 *     ...
 *     struct iovec part = {bytes, byte_count};
 *     if (pawl_durable_begin(&file, &part, 1, &err) == 0)        microseconds; copies nothing
 *         ...
 *     switch (pawl_durable_poll(&file, &err)) {                  once per turn of a loop
 *     case PAWL_DURABLE_DONE:   the bytes are free again, the file is on the disk
 *     case PAWL_DURABLE_FAILED: likewise free; err says why; begin again when you like
 *     }
 *     ...
 *     pawl_durable_close(&file);
 *
 * One write is in flight per object. A failed attempt leaves the old content. One whose sync
 * failed is never synced again, for the kernel may have dropped the pages it could not write:
 * its file is removed and the next attempt writes a new one from memory. If only the last step
 * failed, the sync of the folder, the new content is in place but may not survive a power cut;
 * that is reported as FAILED too.
 *
 * A killed process leaves its temporary file, `.NAME.<16 hex digits>.pawl-tmp`;
 * pawl_durable_open() of the same path removes it. Let one object at a time, in all processes,
 * write a path: a second open takes the first one's temporary file away, whose attempt then
 * fails; the content stays whole even then.
 *
 * The path is replaced, not written through: a symbolic link there becomes a file. Thread
 * safety: an object belongs to one thread and is not used after fork() by the child.
 */
#ifndef PAWL_RUNTIME_DURABLE_H
#define PAWL_RUNTIME_DURABLE_H

#include <limits.h>
#include <sys/uio.h>

#include "runtime/io_queue.h"

#define PAWL_DURABLE_PARTS_MAX 16
#define PAWL_DURABLE_SUFFIX    ".pawl-tmp"
#define PAWL_DURABLE_NAME_MAX  228 /* the temporary name adds 27 bytes to the file's */

/* Attempts to go on after an interrupted call, in one write. */
#define PAWL_DURABLE_RETRIES_MAX 8

enum pawl_durable_state {
    PAWL_DURABLE_IDLE,   /* nothing in flight and nothing to report */
    PAWL_DURABLE_BUSY,   /* in flight */
    PAWL_DURABLE_DONE,   /* reported once, then IDLE */
    PAWL_DURABLE_FAILED, /* likewise */
};

/* How far the attempt has come. */
struct pawl_durable_progress {
    bool is_created;
    bool is_allocated;
    uint64_t written_bytes;
    bool is_synced;
    bool is_closed;
    bool is_renamed;
    bool is_folder_synced;
};

struct pawl_durable {
    struct pawl_io_queue queue; /* queue.runner->name and queue.reason: who writes, and why */
    int folder;
    char name[PAWL_DURABLE_NAME_MAX + 1];
    char temp_name[NAME_MAX + 1];
    uint64_t nonce; /* of the next temporary name */

    /* The write in flight. */
    struct iovec parts[PAWL_DURABLE_PARTS_MAX]; /* the bytes are the caller's */
    size_t part_count;
    uint64_t total_bytes;
    uint64_t begun_ns;
    struct pawl_durable_progress progress;
    struct pawl_io_op ops[PAWL_IO_QUEUE_OPS_MAX];
    unsigned op_count;
    unsigned retry_count;
    enum pawl_durable_phase {
        PAWL_DURABLE_RESTING,
        PAWL_DURABLE_WRITING,
        PAWL_DURABLE_REMOVING, /* the temporary file of an attempt that failed */
    } phase;
    bool is_restart_due; /* after removing: once more, with a new file */
    bool is_ended;       /* the result is to be reported */
    struct pawl_err failure;

    /* Since open; read by the owner's thread. */
    uint64_t done_count;
    uint64_t failed_count;
    uint64_t short_write_count;
    uint64_t interrupted_count;
    uint64_t leftover_count; /* temporary files of dead writers that open removed */
    uint64_t took_ns;        /* the last DONE, from begin until it was noticed */
};

/* Opens the folder and the queue and removes leftovers of this path; the memory of all later
 * writes is made here. `io` stays the caller's. The folder must exist, the file need not. */
int pawl_durable_open(struct pawl_durable *durable, struct pawl_io *io,
                      enum pawl_io_queue_kind kind, const char *path, struct pawl_err *err);

/* Begins to replace the content by the parts, one after the other (part_count 0: an empty
 * file). The array `parts` is copied; the bytes it points to are not, and must stay unchanged
 * until poll or wait has said DONE or FAILED. -EBUSY while a write is in flight or its result
 * has not been taken. */
int pawl_durable_begin(struct pawl_durable *durable, const struct iovec *parts,
                       size_t part_count, struct pawl_err *err);

/* Moves the write on where the kernel or the thread stopped, in microseconds: a handful of
 * calls are needed from begin to DONE. Sets err with FAILED. */
enum pawl_durable_state pawl_durable_poll(struct pawl_durable *durable, struct pawl_err *err);

/* The same, waiting until deadline_ns (pawl_clock_now_ns()) at most; BUSY: the time is up. */
enum pawl_durable_state pawl_durable_wait(struct pawl_durable *durable, uint64_t deadline_ns,
                                          struct pawl_err *err);

/* Waits for the step in flight, PAWL_IO_QUEUE_CLOSE_NS at most, then gives up what is left of
 * the attempt: the path holds the old content or the new one. -ETIMEDOUT: see
 * pawl_io_queue_close(); nothing was closed. */
int pawl_durable_close(struct pawl_durable *durable);

/* Opens, writes, waits and closes, in the caller's time. */
int pawl_durable_replace(struct pawl_io *io, const char *path, const struct iovec *parts,
                         size_t part_count, struct pawl_err *err);

#endif
