/* io_uring.c: the runner of a queue whose chains the kernel runs.
 *
 * A chain is a row of linked submissions. One would do, but for this: a failed open, write or
 * close cancels what is linked to it, while a failed fsync, fallocate, rename or unlink does
 * not (Linux 6.18; test_io.c shows it). A rename linked to an fdatasync that failed would put a
 * file in place whose content is lost. So a submission ends with such an operation, and the
 * next one is made when its result has been seen, by the caller's poll.
 *
 * Files are opened into slots of the ring's own table (direct descriptors): a later operation
 * of the submission can name a file that is not open yet. IOSQE_ASYNC sends everything to the
 * kernel's worker threads, so that io_uring_enter() does not begin the work in the caller's
 * time.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/io_queue.h"

#define PROBE_OP_COUNT 256 /* as many as the kernel's answer can name */

_Static_assert(PAWL_IO_OP_BYTES_MAX <= INT32_MAX, "a completion carries the count as an int");

struct uring {
    struct io_uring ring;
    bool has_ring;
    unsigned next;            /* the first operation of the chain that is not submitted */
    unsigned submitted_count; /* by the kernel's count */
    unsigned reaped_count;
    bool is_cut_off;                   /* see submit() */
    int faults[PAWL_IO_QUEUE_OPS_MAX]; /* errno values a test asked for; 0: none */
};

static int refused(struct pawl_err *err, int code, const char *what)
{
    char sysctl[64] = "";
    FILE *file = code == EPERM ? fopen("/proc/sys/kernel/io_uring_disabled", "re") : NULL;
    if (file) {
        int value = 0;
        if (fscanf(file, "%d", &value) == 1 && value != 0)
            snprintf(sysctl, sizeof(sysctl), " (kernel.io_uring_disabled = %d)", value);
        fclose(file);
    }
    return pawl_err_set(err, code, "io_uring: %s: %s%s", what, strerror(code), sysctl);
}

/* What a chain needs; the newest is the linked file, Linux 5.17. */
static int check_abilities(struct io_uring *ring, struct pawl_err *err)
{
    static const int needed[] = {
        IORING_OP_OPENAT,   IORING_OP_CLOSE,   IORING_OP_FALLOCATE,
        IORING_OP_WRITE,    IORING_OP_FSYNC,   IORING_OP_RENAMEAT,
        IORING_OP_UNLINKAT, IORING_OP_MKDIRAT, IORING_OP_SYMLINKAT,
    };
    struct io_uring_probe *probe =
        calloc(1, sizeof(*probe) + PROBE_OP_COUNT * sizeof(probe->ops[0]));
    if (!probe)
        return pawl_err_set(err, ENOMEM, "io_uring: out of memory");
    int code = io_uring_register_probe(ring, probe, PROBE_OP_COUNT);
    int missing = -1;
    for (size_t i = 0; code == 0 && i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!io_uring_opcode_supported(probe, needed[i]))
            missing = needed[i];
    free(probe);
    if (code < 0)
        return refused(err, -code, "asking for its operations");
    if (missing >= 0)
        return pawl_err_set(err, ENOSYS, "io_uring: this kernel lacks operation %d", missing);
    if (!(ring->features & IORING_FEAT_LINKED_FILE) || !(ring->features & IORING_FEAT_EXT_ARG))
        return pawl_err_set(
            err, ENOSYS, "io_uring: this kernel cannot link an open to a write (needs 5.17)");
    return 0;
}

static int register_slots(struct io_uring *ring, struct pawl_err *err)
{
    int slots[PAWL_IO_QUEUE_SLOTS_MAX];
    memset(slots, -1, sizeof(slots));
    int code = io_uring_register_files(ring, slots, PAWL_IO_QUEUE_SLOTS_MAX);
    return code < 0 ? refused(err, -code, "registering file slots") : 0;
}

/* A filter may let the ring be made and refuse its use: try before anything depends on it. */
static int check_submission(struct io_uring *ring, struct pawl_err *err)
{
    io_uring_prep_nop(io_uring_get_sqe(ring));
    int count = io_uring_submit_and_wait(ring, 1);
    if (count < 0)
        return refused(err, -count, "submitting");
    struct io_uring_cqe *cqe;
    if (io_uring_peek_cqe(ring, &cqe) != 0)
        return refused(err, EIO, "submitting");
    io_uring_cqe_seen(ring, cqe);
    return 0;
}

static int make_ring(struct uring *uring, struct pawl_err *err)
{
    int code = PAWL_FAULT_ERRNO("io.uring.setup");
    if (code)
        return refused(err, code, "setting up a ring");
    code = io_uring_queue_init(PAWL_IO_QUEUE_OPS_MAX, &uring->ring, 0);
    if (code < 0)
        return refused(err, -code, "setting up a ring");

    code = check_abilities(&uring->ring, err);
    if (code == 0)
        code = register_slots(&uring->ring, err);
    if (code == 0)
        code = check_submission(&uring->ring, err);
    uring->has_ring = code == 0;
    if (code != 0)
        io_uring_queue_exit(&uring->ring);
    return code;
}

static int uring_open(struct pawl_io_queue *queue, struct pawl_err *err)
{
    struct uring *uring = calloc(1, sizeof(*uring));
    if (!uring)
        return pawl_err_set(err, ENOMEM, "io_uring: out of memory");
    int code = make_ring(uring, err);
    if (code != 0) {
        free(uring);
        return code;
    }
    queue->state = uring;
    return 0;
}

static void prepare(struct io_uring_sqe *sqe, const struct pawl_io_op *op, size_t byte_count)
{
    int slot = (int)op->slot;
    unsigned flags = IOSQE_ASYNC;

    switch (op->kind) {
    case PAWL_IO_OP_OPEN: /* a slot is never inherited, and O_CLOEXEC on it is an error */
        io_uring_prep_openat_direct(sqe, op->folder, op->name, op->flags & ~O_CLOEXEC, op->mode,
                                    op->slot);
        break;
    case PAWL_IO_OP_ALLOCATE:
        io_uring_prep_fallocate(sqe, slot, 0, 0, (off_t)op->offset_bytes);
        flags |= IOSQE_FIXED_FILE;
        break;
    case PAWL_IO_OP_WRITE:
        io_uring_prep_write(sqe, slot, op->bytes, (unsigned)byte_count, op->offset_bytes);
        flags |= IOSQE_FIXED_FILE;
        break;
    case PAWL_IO_OP_SYNC:
        io_uring_prep_fsync(sqe, slot, IORING_FSYNC_DATASYNC);
        flags |= IOSQE_FIXED_FILE;
        break;
    case PAWL_IO_OP_CLOSE:
        io_uring_prep_close_direct(sqe, op->slot);
        break;
    case PAWL_IO_OP_RENAME:
        io_uring_prep_renameat(sqe, op->folder, op->name, op->folder, op->to, 0);
        break;
    case PAWL_IO_OP_EXCHANGE:
        io_uring_prep_renameat(sqe, op->folder, op->name, op->folder, op->to, RENAME_EXCHANGE);
        break;
    case PAWL_IO_OP_UNLINK:
        io_uring_prep_unlinkat(sqe, op->folder, op->name, 0);
        break;
    case PAWL_IO_OP_SYNC_FOLDER:
        io_uring_prep_fsync(sqe, op->folder, 0);
        break;
    case PAWL_IO_OP_SYNC_SLOT: /* not DATASYNC: a name may be no datum of its folder */
        io_uring_prep_fsync(sqe, slot, 0);
        flags |= IOSQE_FIXED_FILE;
        break;
    case PAWL_IO_OP_MKDIR:
        io_uring_prep_mkdirat(sqe, op->folder, op->name, op->mode);
        break;
    case PAWL_IO_OP_RMDIR:
        io_uring_prep_unlinkat(sqe, op->folder, op->name, AT_REMOVEDIR);
        break;
    case PAWL_IO_OP_SYMLINK:
        io_uring_prep_symlinkat(sqe, op->to, op->folder, op->name);
        break;
    }
    sqe->flags = (unsigned char)flags;
}

/* "io.uring.op" is passed by every operation, "io.uring.OPERATION" by those of that kind. */
static int pass_fault(const struct pawl_io_op *op)
{
#ifdef PAWL_FAULTS
    static const char *const points[] = {
        [PAWL_IO_OP_OPEN] = "io.uring.open",
        [PAWL_IO_OP_ALLOCATE] = "io.uring.allocate",
        [PAWL_IO_OP_WRITE] = "io.uring.write",
        [PAWL_IO_OP_SYNC] = "io.uring.sync",
        [PAWL_IO_OP_CLOSE] = "io.uring.close",
        [PAWL_IO_OP_RENAME] = "io.uring.rename",
        [PAWL_IO_OP_EXCHANGE] = "io.uring.exchange",
        [PAWL_IO_OP_UNLINK] = "io.uring.unlink",
        [PAWL_IO_OP_SYNC_FOLDER] = "io.uring.sync_folder",
        [PAWL_IO_OP_SYNC_SLOT] = "io.uring.sync_slot",
        [PAWL_IO_OP_MKDIR] = "io.uring.mkdir",
        [PAWL_IO_OP_RMDIR] = "io.uring.rmdir",
        [PAWL_IO_OP_SYMLINK] = "io.uring.symlink",
    };
    int code = PAWL_FAULT_ERRNO("io.uring.op");
    return code ? code : PAWL_FAULT_ERRNO(points[op->kind]);
#else
    (void)op;
    return 0;
#endif
}

/* Whether the kernel cancels what is linked to this operation when it fails. */
static bool cancels_the_rest(const struct pawl_io_op *op)
{
    return op->kind == PAWL_IO_OP_OPEN || op->kind == PAWL_IO_OP_WRITE ||
           op->kind == PAWL_IO_OP_CLOSE;
}

/* Prepares operations from uring->next on and moves it behind the last one. */
static void prepare_submission(struct pawl_io_queue *queue)
{
    struct uring *uring = queue->state;
    bool is_strict = queue->failure == PAWL_IO_STOP_AT_FAILURE;

    for (bool is_last = false; !is_last; uring->next++) {
        unsigned i = uring->next;
        const struct pawl_io_op *op = &queue->ops[i];
        struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring); /* as many as ops fit */
        bool is_short = op->kind == PAWL_IO_OP_WRITE && PAWL_FAULT_ERRNO("io.uring.short") != 0;

        /* An error that a test wants is made by an operation that really fails; its completion
         * is given the wanted value. */
        uring->faults[i] = pass_fault(op);
        if (uring->faults[i]) {
            io_uring_prep_write(sqe, -1, "", 0, 0);
            sqe->flags = IOSQE_ASYNC;
        } else {
            prepare(sqe, op, is_short ? op->byte_count / 2 : op->byte_count);
        }
        io_uring_sqe_set_data64(sqe, i);
        is_last = i + 1 == queue->op_count || is_short || (is_strict && !cancels_the_rest(op));
        if (!is_last)
            sqe->flags =
                (unsigned char)(sqe->flags | (is_strict ? IOSQE_IO_LINK : IOSQE_IO_HARDLINK));
    }
}

static int submit(struct pawl_io_queue *queue)
{
    struct uring *uring = queue->state;
    unsigned first = uring->next;

    prepare_submission(queue);
    int fault = PAWL_FAULT_ERRNO("io.uring.submit");
    int submitted_count = fault ? -fault : io_uring_submit(&uring->ring);
    uring->submitted_count += submitted_count < 0 ? 0 : (unsigned)submitted_count;
    /* What the kernel did not take is still in the ring, and it would take that for a chain of
     * its own, a rename without the write before it: such a ring is not used again, and what
     * its slots hold is closed with it. */
    uring->is_cut_off = submitted_count < (int)(uring->next - first);
    queue->slots_lost_count += uring->is_cut_off;
    return submitted_count < 0 ? submitted_count : 0;
}

static int uring_begin(struct pawl_io_queue *queue, struct pawl_err *err)
{
    struct uring *uring = queue->state;

    if (uring->is_cut_off && uring->has_ring) {
        io_uring_queue_exit(&uring->ring);
        uring->has_ring = false;
    }
    if (!uring->has_ring) {
        int code = make_ring(uring, err);
        if (code != 0)
            return code;
    }

    uring->next = 0;
    uring->submitted_count = 0;
    uring->reaped_count = 0;
    int code = submit(queue);
    if (code < 0)
        return pawl_err_set(err, -code, "io_uring: submitting: %s", strerror(-code));
    return 0;
}

/* All that was submitted is in: true when the chain goes on, with a further submission. */
static bool submit_next(struct pawl_io_queue *queue)
{
    struct uring *uring = queue->state;
    if (uring->next == queue->op_count || uring->is_cut_off)
        return false;
    for (unsigned i = 0; i < uring->next; i++)
        if (!pawl_io_op_is_complete(&queue->ops[i]))
            return false;
    return submit(queue) == 0; /* else the rest stays canceled */
}

static void take(struct pawl_io_queue *queue, struct io_uring_cqe *cqe)
{
    struct uring *uring = queue->state;
    uint64_t i = io_uring_cqe_get_data64(cqe);
    int fault = uring->faults[i];
    bool has_run = cqe->res != -ECANCELED;

    queue->ops[i].result = fault && has_run ? -fault : cqe->res;
    uring->reaped_count++;
    io_uring_cqe_seen(&uring->ring, cqe);
}

static bool uring_reap(struct pawl_io_queue *queue, uint64_t deadline_ns)
{
    struct uring *uring = queue->state;

    for (;;) {
        if (uring->reaped_count == uring->submitted_count && !submit_next(queue))
            return true;
        struct io_uring_cqe *cqe;
        if (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
            take(queue, cqe);
            continue;
        }
        uint64_t now_ns = deadline_ns == 0 ? 0 : pawl_clock_now_ns();
        if (now_ns >= deadline_ns)
            return false;
        uint64_t left_ns = deadline_ns - now_ns;
        struct __kernel_timespec left = {
            .tv_sec = (int64_t)(left_ns / PAWL_NS_PER_S),
            .tv_nsec = (long long)(left_ns % PAWL_NS_PER_S),
        };
        /* Whatever it returns (a completion, the time is up, a signal), the loop looks. */
        io_uring_wait_cqe_timeout(&uring->ring, &cqe, &left);
    }
}

static void uring_close(struct pawl_io_queue *queue)
{
    struct uring *uring = queue->state;
    if (uring->has_ring)
        io_uring_queue_exit(&uring->ring); /* closes the files in the slots */
    free(uring);
}

const struct pawl_io_queue_ops pawl_io_queue_uring = {
    .name = "io_uring",
    .open = uring_open,
    .begin = uring_begin,
    .reap = uring_reap,
    .close = uring_close,
};
