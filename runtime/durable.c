#include "runtime/durable.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/clock.h"

/* A temporary name: . NAME . DIGITS SUFFIX */
#define NONCE_DIGITS     16
#define TEMP_EXTRA_BYTES (1 + 1 + NONCE_DIGITS + (sizeof(PAWL_DURABLE_SUFFIX) - 1))

_Static_assert(PAWL_DURABLE_NAME_MAX + TEMP_EXTRA_BYTES == NAME_MAX,
               "the temporary name is the longest");

/* Besides the writes: open, allocate, sync, close, rename, sync of the folder. */
#define OPS_BESIDES_WRITES 6

_Static_assert(PAWL_DURABLE_PARTS_MAX + OPS_BESIDES_WRITES <= PAWL_IO_QUEUE_OPS_MAX,
               "a write of ordinary size is one chain");

/* Temporary names. */

struct sweep {
    struct pawl_io *io;
    int folder;
    const char *target;
    uint64_t *removed_count;
    int code; /* the first failure to remove */
};

static bool is_temp_name(const char *name, const char *target)
{
    size_t suffix_length = sizeof(PAWL_DURABLE_SUFFIX) - 1;
    size_t length = strlen(name);
    if (length <= TEMP_EXTRA_BYTES || name[0] != '.' ||
        strcmp(name + length - suffix_length, PAWL_DURABLE_SUFFIX) != 0)
        return false;

    const char *digits = name + length - suffix_length - NONCE_DIGITS;
    if (digits[-1] != '.' || strspn(digits, "0123456789abcdef") != NONCE_DIGITS)
        return false;
    size_t target_length = length - TEMP_EXTRA_BYTES;
    return strlen(target) == target_length && strncmp(name + 1, target, target_length) == 0;
}

static int sweep_one(void *arg, const char *name)
{
    struct sweep *sweep = arg;
    if (!is_temp_name(name, sweep->target))
        return 0;
    int code = pawl_io_unlink(sweep->io, sweep->folder, name);
    if (code == 0)
        (*sweep->removed_count)++;
    else if (code != -ENOENT && sweep->code == 0)
        sweep->code = code;
    return 0;
}

/* Removes the temporary files of target in the folder. */
static int remove_leftovers(struct pawl_io *io, int folder, const char *target,
                            uint64_t *removed_count)
{
    struct sweep sweep = {
        .io = io, .folder = folder, .target = target, .removed_count = removed_count};
    int code = -EINTR; /* to sweep twice does no harm */
    for (int i = 0; i < PAWL_IO_INTERRUPTS_MAX && code == -EINTR; i++)
        code = pawl_io_list(io, folder, sweep_one, &sweep);
    return code != 0 ? code : sweep.code;
}

static void choose_temp_name(struct pawl_durable *durable)
{
    snprintf(durable->temp_name, sizeof(durable->temp_name), ".%s.%0*" PRIx64 "%s",
             durable->name, NONCE_DIGITS, durable->nonce++, PAWL_DURABLE_SUFFIX);
}

int pawl_durable_open(struct pawl_durable *durable, struct pawl_io *io,
                      enum pawl_io_queue_kind kind, const char *path, struct pawl_err *err)
{
    memset(durable, 0, sizeof(*durable));
    durable->folder = -1;
    int code = pawl_io_queue_open(&durable->queue, io, kind, err);
    if (code != 0)
        return code;

    const char *name;
    code = durable->folder = pawl_io_open_folder_of(io, path, &name, err);
    if (code < 0)
        goto fail;
    if (strlen(name) > PAWL_DURABLE_NAME_MAX) {
        code =
            pawl_err_set(err, ENAMETOOLONG,
                         "%s: a name of %zu bytes, at most %d (its temporary file adds some)",
                         path, strlen(name), PAWL_DURABLE_NAME_MAX);
        goto fail;
    }
    strcpy(durable->name, name);
    if (getrandom(&durable->nonce, sizeof(durable->nonce), GRND_NONBLOCK) < 0)
        durable->nonce = pawl_clock_now_ns(); /* uniqueness is wanted, not secrecy */

    code = remove_leftovers(io, durable->folder, durable->name, &durable->leftover_count);
    if (code != 0) {
        pawl_err_set(err, -code, "remove leftovers of %s: %s", path, strerror(-code));
        goto fail;
    }
    return 0;

fail:
    pawl_durable_close(durable);
    return code;
}

/* The chain of what is left to do. */

static struct pawl_io_op *add_op(struct pawl_durable *durable, enum pawl_io_op_kind kind)
{
    struct pawl_io_op *op = &durable->ops[durable->op_count++];
    *op = (struct pawl_io_op){.kind = kind, .folder = durable->folder, .slot = 0};
    return op;
}

/* False when the chain is full before the parts are at their end. */
static bool add_writes(struct pawl_durable *durable)
{
    uint64_t part_offset = 0; /* of the part, in the file */
    uint64_t at = durable->progress.written_bytes;

    for (size_t i = 0; i < durable->part_count; i++) {
        const struct iovec *part = &durable->parts[i];
        while (at < part_offset + part->iov_len) {
            if (durable->op_count == PAWL_IO_QUEUE_OPS_MAX)
                return false;
            size_t skip = (size_t)(at - part_offset);
            size_t left = part->iov_len - skip;
            struct pawl_io_op *op = add_op(durable, PAWL_IO_OP_WRITE);
            op->bytes = (const char *)part->iov_base + skip;
            op->byte_count = left < PAWL_IO_OP_BYTES_MAX ? left : PAWL_IO_OP_BYTES_MAX;
            op->offset_bytes = at;
            at += op->byte_count;
        }
        part_offset += part->iov_len;
    }
    return true;
}

static void build_chain(struct pawl_durable *durable)
{
    const struct pawl_durable_progress *progress = &durable->progress;
    durable->op_count = 0;

    if (!progress->is_created) {
        struct pawl_io_op *op = add_op(durable, PAWL_IO_OP_OPEN);
        op->name = durable->temp_name;
        op->flags = O_WRONLY | O_CREAT | O_EXCL;
        op->mode = 0666;
    }
    if (!progress->is_allocated && durable->total_bytes > 0)
        add_op(durable, PAWL_IO_OP_ALLOCATE)->offset_bytes = durable->total_bytes;
    if (!add_writes(durable) || durable->op_count + OPS_BESIDES_WRITES > PAWL_IO_QUEUE_OPS_MAX)
        return; /* the writes alone; the rest is another chain */

    if (!progress->is_synced)
        add_op(durable, PAWL_IO_OP_SYNC);
    if (!progress->is_closed)
        add_op(durable, PAWL_IO_OP_CLOSE);
    if (!progress->is_renamed) {
        struct pawl_io_op *op = add_op(durable, PAWL_IO_OP_RENAME);
        op->name = durable->temp_name;
        op->to = durable->name;
    }
    if (!progress->is_folder_synced)
        add_op(durable, PAWL_IO_OP_SYNC_FOLDER);
}

/* Ends the write: its result is there to be taken. */
static void end(struct pawl_durable *durable)
{
    durable->phase = PAWL_DURABLE_RESTING;
    durable->is_ended = true;
    if (durable->failure.code) {
        durable->failed_count++;
    } else {
        durable->done_count++;
        durable->took_ns = pawl_clock_now_ns() - durable->begun_ns;
    }
}

/* Closes the file; removes it, unless it has become the path's. */
static void begin_removing(struct pawl_durable *durable)
{
    durable->op_count = 0;
    if (durable->progress.is_created && !durable->progress.is_closed)
        add_op(durable, PAWL_IO_OP_CLOSE);
    if (!durable->progress.is_renamed)
        add_op(durable, PAWL_IO_OP_UNLINK)->name = durable->temp_name;

    durable->phase = PAWL_DURABLE_REMOVING;
    struct pawl_err ignored = {0}; /* what cannot be removed is a leftover for the next open */
    if (durable->op_count == 0 ||
        pawl_io_queue_begin(&durable->queue, durable->ops, durable->op_count,
                            PAWL_IO_GO_ON_AFTER_FAILURE, &ignored) != 0)
        end(durable);
}

static int begin_writing(struct pawl_durable *durable)
{
    build_chain(durable);
    durable->phase = PAWL_DURABLE_WRITING;
    return pawl_io_queue_begin(&durable->queue, durable->ops, durable->op_count,
                               PAWL_IO_STOP_AT_FAILURE, &durable->failure);
}

static void begin_attempt(struct pawl_durable *durable)
{
    durable->progress = (struct pawl_durable_progress){0};
    durable->is_restart_due = false;
    choose_temp_name(durable);
    if (begin_writing(durable) != 0)
        end(durable);
}

static void go_on_writing(struct pawl_durable *durable)
{
    if (begin_writing(durable) != 0)
        begin_removing(durable);
}

/* What a completed operation means for the attempt; a write also when it was short. */
static void advance(struct pawl_durable *durable, const struct pawl_io_op *op)
{
    struct pawl_durable_progress *progress = &durable->progress;

    switch (op->kind) {
    case PAWL_IO_OP_OPEN:
        progress->is_created = true;
        break;
    case PAWL_IO_OP_ALLOCATE:
        progress->is_allocated = true;
        break;
    case PAWL_IO_OP_WRITE:
        assert(op->offset_bytes == progress->written_bytes);
        progress->written_bytes += (uint64_t)op->result;
        break;
    case PAWL_IO_OP_SYNC:
        progress->is_synced = true;
        break;
    case PAWL_IO_OP_RENAME:
        progress->is_renamed = true;
        break;
    case PAWL_IO_OP_SYNC_FOLDER:
        progress->is_folder_synced = true;
        break;
    case PAWL_IO_OP_CLOSE:
        progress->is_closed = true;
        break;
    default: /* nothing that the attempt depends on */
        break;
    }
}

static const char *describe(const struct pawl_io_op *op)
{
    switch (op->kind) {
    case PAWL_IO_OP_OPEN:
        return "create the temporary file";
    case PAWL_IO_OP_ALLOCATE:
        return "allocate";
    case PAWL_IO_OP_WRITE:
        return "write";
    case PAWL_IO_OP_SYNC:
        return "sync";
    case PAWL_IO_OP_RENAME:
        return "rename the temporary file";
    case PAWL_IO_OP_SYNC_FOLDER:
        return "sync the folder (the new content is in place, but may not survive a power cut)";
    default:
        break;
    }
    return "close";
}

/* What some file systems cannot do and durability can do without. */
static bool is_dispensable(const struct pawl_io_op *op, int code)
{
    if (op->kind == PAWL_IO_OP_ALLOCATE)
        return code == EOPNOTSUPP || code == ENOSYS;
    if (op->kind == PAWL_IO_OP_SYNC_FOLDER)
        return code == EINVAL || code == EOPNOTSUPP; /* such a one orders renames itself */
    /* The content is on the disk by then, and the descriptor gone if the close was tried. */
    return op->kind == PAWL_IO_OP_CLOSE && code != ECANCELED;
}

static void fail_at(struct pawl_durable *durable, const struct pawl_io_op *op, int code)
{
    bool is_passing = code == EINTR || code == EAGAIN || code == ECANCELED;

    if (is_passing && durable->retry_count < PAWL_DURABLE_RETRIES_MAX) {
        durable->retry_count++;
        durable->interrupted_count++;
        if (op->kind != PAWL_IO_OP_SYNC && code != ECANCELED) {
            go_on_writing(durable);
            return;
        }
        /* The file of a failed sync is condemned, whatever the reason; a chain that was
         * canceled without a failure may have lost its open file. */
        durable->is_restart_due = true;
    } else {
        pawl_err_set(&durable->failure, code, "%s of %" PRIu64 " bytes: %s: %s", durable->name,
                     durable->total_bytes, describe(op), strerror(code));
    }
    begin_removing(durable);
}

/* The chain has ended, or was cut: ends the write or begins what is left of it. */
static void look_at_results(struct pawl_durable *durable)
{
    for (unsigned i = 0; i < durable->op_count; i++) {
        struct pawl_io_op *op = &durable->ops[i];
        bool is_stuck = op->kind == PAWL_IO_OP_WRITE && op->result == 0;

        if (op->result >= 0 && !is_stuck) {
            advance(durable, op);
            if (pawl_io_op_is_complete(op))
                continue;
            durable->short_write_count++;
        } else if (!is_stuck && is_dispensable(op, (int)-op->result)) {
            op->result = 0;
            advance(durable, op);
        } else {
            fail_at(durable, op, is_stuck ? EIO : (int)-op->result);
            return;
        }
        break; /* the chain was cut here */
    }
    if (durable->progress.is_folder_synced)
        end(durable);
    else
        go_on_writing(durable);
}

static void look_at_removal(struct pawl_durable *durable)
{
    if (durable->is_restart_due)
        begin_attempt(durable);
    else
        end(durable);
}

int pawl_durable_begin(struct pawl_durable *durable, const struct iovec *parts,
                       size_t part_count, struct pawl_err *err)
{
    if (durable->phase != PAWL_DURABLE_RESTING || durable->is_ended)
        return pawl_err_set(err, EBUSY, "%s: a write is in flight", durable->name);
    if (part_count > PAWL_DURABLE_PARTS_MAX)
        return pawl_err_set(err, EINVAL, "%s: %zu parts, at most %d", durable->name, part_count,
                            PAWL_DURABLE_PARTS_MAX);

    durable->total_bytes = 0;
    for (size_t i = 0; i < part_count; i++) {
        durable->parts[i] = parts[i];
        durable->total_bytes += parts[i].iov_len;
    }
    durable->part_count = part_count;
    durable->retry_count = 0;
    durable->failure = (struct pawl_err){0};
    durable->begun_ns = pawl_clock_now_ns();
    begin_attempt(durable);
    return 0;
}

enum pawl_durable_state pawl_durable_wait(struct pawl_durable *durable, uint64_t deadline_ns,
                                          struct pawl_err *err)
{
    while (durable->phase != PAWL_DURABLE_RESTING) {
        if (!pawl_io_queue_wait(&durable->queue, deadline_ns))
            return PAWL_DURABLE_BUSY;
        if (durable->phase == PAWL_DURABLE_WRITING)
            look_at_results(durable);
        else
            look_at_removal(durable);
    }
    if (!durable->is_ended)
        return PAWL_DURABLE_IDLE;

    durable->is_ended = false;
    if (!durable->failure.code)
        return PAWL_DURABLE_DONE;
    pawl_err_set(err, durable->failure.code, "%s", durable->failure.text);
    return PAWL_DURABLE_FAILED;
}

enum pawl_durable_state pawl_durable_poll(struct pawl_durable *durable, struct pawl_err *err)
{
    return pawl_durable_wait(durable, 0, err);
}

int pawl_durable_close(struct pawl_durable *durable)
{
    if (!durable->queue.runner)
        return 0;

    struct pawl_io *io = durable->queue.io;
    bool is_temp_there = false;
    if (durable->phase == PAWL_DURABLE_WRITING) {
        if (!pawl_io_queue_wait(&durable->queue, pawl_clock_now_ns() + PAWL_IO_QUEUE_CLOSE_NS))
            return -ETIMEDOUT;
        for (unsigned i = 0; i < durable->op_count; i++)
            if (durable->ops[i].result >= 0)
                advance(durable, &durable->ops[i]);
        is_temp_there = !durable->progress.is_renamed;
    }
    if (pawl_io_queue_close(&durable->queue) != 0) /* removing an attempt that failed */
        return -ETIMEDOUT;
    if (is_temp_there)
        pawl_io_unlink(io, durable->folder, durable->temp_name);
    if (durable->folder >= 0)
        pawl_io_close(io, durable->folder);
    memset(durable, 0, sizeof(*durable));
    return 0;
}

int pawl_durable_replace(struct pawl_io *io, const char *path, const struct iovec *parts,
                         size_t part_count, struct pawl_err *err)
{
    struct pawl_durable durable;
    int code = pawl_durable_open(&durable, io, PAWL_IO_QUEUE_INLINE, path, err);
    if (code != 0)
        return code;
    code = pawl_durable_begin(&durable, parts, part_count, err);
    if (code == 0 && pawl_durable_wait(&durable, 0, err) != PAWL_DURABLE_DONE)
        code = -(durable.failure.code ? durable.failure.code : EIO);
    pawl_durable_close(&durable);
    return code;
}
