/* io_queue.h: a chain of file operations that runs while the caller goes on.
 *
 * The operations of a chain run one after the other: each starts when the one before has done
 * all it was asked to. After a failure, and after a write that moved fewer bytes, the rest does
 * not run and gets -ECANCELED. So `open, write, sync, rename` can be begun as a whole: there is
 * never a rename of what was not written.
 *
 *     struct pawl_io_op ops[] = {
 *         {.kind = PAWL_IO_OP_OPEN, .folder = folder, .name = "x.new", .flags = flags},
 *         {.kind = PAWL_IO_OP_WRITE, .bytes = bytes, .byte_count = n},
 *         {.kind = PAWL_IO_OP_SYNC},
 *         {.kind = PAWL_IO_OP_CLOSE},
 *         {.kind = PAWL_IO_OP_RENAME, .folder = folder, .name = "x.new", .to = "x"},
 *         {.kind = PAWL_IO_OP_SYNC_FOLDER, .folder = folder},
 *     };
 *     pawl_io_queue_begin(&queue, ops, 6, PAWL_IO_STOP_AT_FAILURE, &err);
 *     ... go on; ops and bytes stay untouched ...
 *     if (pawl_io_queue_poll(&queue))
 *         look at ops[i].result;
 *
 * Who runs it: the kernel, through linked io_uring submissions; or where io_uring is refused (a
 * container, a sysctl, an old kernel) a thread that makes the calls of the io table; or for
 * tests and one-shot programs the caller itself. pawl_io_queue_open() chooses and says why.
 * Poll until it says true: under io_uring the polls move the chain from one submission to the
 * next.
 *
 * Thread safety: a queue belongs to one thread. After fork() the child must not touch it.
 */
#ifndef PAWL_RUNTIME_IO_QUEUE_H
#define PAWL_RUNTIME_IO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/clock.h"
#include "runtime/err.h"
#include "runtime/io.h"

#define PAWL_IO_QUEUE_OPS_MAX 64

/* How long a close waits for a disk that does not answer. */
#define PAWL_IO_QUEUE_CLOSE_NS PAWL_NS_PER_S

/* Files a queue can hold open at once. An operation names its file by slot, since a chain is
 * begun before its files are open. */
#define PAWL_IO_QUEUE_SLOTS_MAX 4

/* One operation writes at most so much: system calls stop short of 2 GiB. */
#define PAWL_IO_OP_BYTES_MAX ((size_t)1 << 30)

enum pawl_io_op_kind {
    PAWL_IO_OP_OPEN,        /* folder, name, flags, mode -> slot, which must be empty */
    PAWL_IO_OP_ALLOCATE,    /* slot, offset_bytes = the size to allocate */
    PAWL_IO_OP_WRITE,       /* slot, bytes, byte_count, offset_bytes */
    PAWL_IO_OP_SYNC,        /* slot */
    PAWL_IO_OP_CLOSE,       /* slot */
    PAWL_IO_OP_RENAME,      /* folder, name, to */
    PAWL_IO_OP_EXCHANGE,    /* folder, name, to, which is there too */
    PAWL_IO_OP_UNLINK,      /* folder, name */
    PAWL_IO_OP_SYNC_FOLDER, /* folder */
    PAWL_IO_OP_SYNC_SLOT,   /* slot, which was opened as a folder */
    PAWL_IO_OP_MKDIR,       /* folder, name, mode */
    PAWL_IO_OP_RMDIR,       /* folder, name */
    PAWL_IO_OP_SYMLINK,     /* folder, name, to = the link's text */
};

struct pawl_io_op {
    enum pawl_io_op_kind kind;
    unsigned slot;
    int folder; /* a descriptor that stays open, or PAWL_IO_CWD */
    const char *name;
    const char *to;
    int flags;
    mode_t mode;
    const void *bytes;
    size_t byte_count; /* at most PAWL_IO_OP_BYTES_MAX */
    uint64_t offset_bytes;

    int64_t result; /* out: 0 or the bytes written, or -errno; -ECANCELED: not run */
};

enum pawl_io_failure { PAWL_IO_STOP_AT_FAILURE, PAWL_IO_GO_ON_AFTER_FAILURE };

enum pawl_io_queue_kind {
    PAWL_IO_QUEUE_AUTO, /* io_uring where it works, else a thread */
    PAWL_IO_QUEUE_URING,
    PAWL_IO_QUEUE_THREAD,
    PAWL_IO_QUEUE_INLINE, /* pawl_io_queue_begin() returns when all has been done */
};

struct pawl_io_queue {
    const struct pawl_io_queue_ops *runner; /* NULL: not open */
    struct pawl_io *io;
    void *state; /* the runner's */

    struct pawl_io_op *ops; /* the chain in flight; the caller's */
    unsigned op_count;
    enum pawl_io_failure failure;
    bool is_busy;
    uint64_t slots_lost_count;        /* see pawl_io_queue_begin() */
    int fds[PAWL_IO_QUEUE_SLOTS_MAX]; /* behind the slots, where calls need them; -1: empty */

    char reason[160]; /* why this runner: one sentence, for `pawl info` and the log */
};

/* What a runner is; only io_queue.c and the runners look inside. */
struct pawl_io_queue_ops {
    const char *name;
    int (*open)(struct pawl_io_queue *queue, struct pawl_err *err);
    /* Starts the chain in queue->ops. On failure nothing has run. */
    int (*begin)(struct pawl_io_queue *queue, struct pawl_err *err);
    /* True when all results are in. Waits until deadline_ns; 0 does not wait. */
    bool (*reap)(struct pawl_io_queue *queue, uint64_t deadline_ns);
    void (*close)(struct pawl_io_queue *queue); /* nothing is in flight */
};

extern const struct pawl_io_queue_ops pawl_io_queue_uring;

/* Memory, threads and rings are made here and nowhere later. `io` stays the caller's; the
 * kernel's runner needs pawl_io_sys(), since it bypasses the table. PAWL_IO_QUEUE_URING fails
 * where io_uring is refused, with the reason; PAWL_IO_QUEUE_AUTO takes a thread then. */
int pawl_io_queue_open(struct pawl_io_queue *queue, struct pawl_io *io,
                       enum pawl_io_queue_kind kind, struct pawl_err *err);

/* "io_uring", "thread" or "inline"; queue->reason says why. */
const char *pawl_io_queue_name(const struct pawl_io_queue *queue);

/* Begins ops[0..op_count) and returns without waiting (the inline runner apart). The ops, their
 * names and bytes must stay as they are until pawl_io_queue_poll() says true. -EBUSY while a
 * chain is in flight. On failure nothing has run.
 *
 * A submission that the kernel refuses, at the begin or amid a chain, costs the files that are
 * open in slots: slots_lost_count has grown then, and who keeps files open from one chain to
 * the next has to open them again. */
int pawl_io_queue_begin(struct pawl_io_queue *queue, struct pawl_io_op *ops, unsigned op_count,
                        enum pawl_io_failure failure, struct pawl_err *err);

/* Moves the chain on, without waiting. True when none is in flight: the results of the last one
 * are in its ops. */
bool pawl_io_queue_poll(struct pawl_io_queue *queue);

/* The same, waiting until deadline_ns (pawl_clock_now_ns()) at most. */
bool pawl_io_queue_wait(struct pawl_io_queue *queue, uint64_t deadline_ns);

/* Waits for what is in flight, PAWL_IO_QUEUE_CLOSE_NS at most; then closes all slots and gives
 * everything back. -ETIMEDOUT: the disk does not answer. The queue is as it was then: it, the
 * ops, their names and bytes are in use until the process ends or a later close returns 0, and
 * the caller says aloud what was under way. */
int pawl_io_queue_close(struct pawl_io_queue *queue);

/* Does one operation with the calls of queue->io, and returns its result. For runners. */
int64_t pawl_io_queue_do(struct pawl_io_queue *queue, const struct pawl_io_op *op);

/* Whether an operation with this result lets the chain go on. */
bool pawl_io_op_is_complete(const struct pawl_io_op *op);

/* Whether io_uring can do here what a queue needs, and if not, why (reason may be NULL). */
bool pawl_io_uring_works(char *reason, size_t reason_bytes);

#endif
