#include "runtime/io_queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"

bool pawl_io_op_is_complete(const struct pawl_io_op *op)
{
    if (op->kind == PAWL_IO_OP_WRITE)
        return op->result >= 0 && (uint64_t)op->result == op->byte_count;
    return op->result >= 0;
}

static int64_t do_close(struct pawl_io_queue *queue, unsigned slot)
{
    int fd = queue->fds[slot];
    if (fd < 0)
        return -EBADF;
    queue->fds[slot] = -1;
    return pawl_io_close(queue->io, fd);
}

int64_t pawl_io_queue_do(struct pawl_io_queue *queue, const struct pawl_io_op *op)
{
    struct pawl_io *io = queue->io;
    int *fd = &queue->fds[op->slot];

    switch (op->kind) {
    case PAWL_IO_OP_OPEN:
        assert(*fd < 0);
        *fd = pawl_io_open(io, op->folder, op->name, op->flags, op->mode);
        return *fd < 0 ? *fd : 0;
    case PAWL_IO_OP_ALLOCATE:
        return pawl_io_allocate(io, *fd, op->offset_bytes);
    case PAWL_IO_OP_WRITE:
        return pawl_io_write(io, *fd, op->bytes, op->byte_count, op->offset_bytes);
    case PAWL_IO_OP_SYNC:
        return pawl_io_sync(io, *fd);
    case PAWL_IO_OP_CLOSE:
        return do_close(queue, op->slot);
    case PAWL_IO_OP_RENAME:
        return pawl_io_rename(io, op->folder, op->name, op->to);
    case PAWL_IO_OP_EXCHANGE:
        return pawl_io_exchange(io, op->folder, op->name, op->to);
    case PAWL_IO_OP_UNLINK:
        return pawl_io_unlink(io, op->folder, op->name);
    case PAWL_IO_OP_SYNC_FOLDER:
        return pawl_io_sync_folder(io, op->folder);
    case PAWL_IO_OP_SYNC_SLOT:
        return pawl_io_sync_folder(io, *fd);
    case PAWL_IO_OP_MKDIR:
        return pawl_io_mkdir(io, op->folder, op->name, op->mode);
    case PAWL_IO_OP_RMDIR:
        return pawl_io_rmdir(io, op->folder, op->name);
    case PAWL_IO_OP_SYMLINK:
        return pawl_io_symlink(io, op->folder, op->to, op->name);
    }
    return -EINVAL;
}

static void run_chain(struct pawl_io_queue *queue)
{
    bool is_cut = false;

    for (unsigned i = 0; i < queue->op_count; i++) {
        struct pawl_io_op *op = &queue->ops[i];
        op->result = is_cut ? -ECANCELED : pawl_io_queue_do(queue, op);
        if (queue->failure == PAWL_IO_STOP_AT_FAILURE && !pawl_io_op_is_complete(op))
            is_cut = true;
    }
}

/* The inline runner. */

static int inline_open(struct pawl_io_queue *queue, struct pawl_err *err)
{
    (void)queue;
    (void)err;
    return 0;
}

static int inline_begin(struct pawl_io_queue *queue, struct pawl_err *err)
{
    (void)err;
    run_chain(queue);
    return 0;
}

static bool inline_reap(struct pawl_io_queue *queue, uint64_t deadline_ns)
{
    (void)queue;
    (void)deadline_ns;
    return true;
}

static void inline_close(struct pawl_io_queue *queue)
{
    (void)queue;
}

static const struct pawl_io_queue_ops inline_runner = {
    .name = "inline",
    .open = inline_open,
    .begin = inline_begin,
    .reap = inline_reap,
    .close = inline_close,
};

/* The thread runner: one thread, one chain at a time; the mutex covers `turn` alone, and who
 * has the turn has the chain. */

enum turn { TURN_CALLER, TURN_WORKER, TURN_END };

struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* on the monotonic clock */
    enum turn turn;
};

static void *worker_main(void *arg)
{
    struct pawl_io_queue *queue = arg;
    struct worker *worker = queue->state;

    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (worker->turn == TURN_CALLER)
            pthread_cond_wait(&worker->changed, &worker->mutex);
        if (worker->turn == TURN_END)
            break;
        pthread_mutex_unlock(&worker->mutex);
        run_chain(queue);
        pthread_mutex_lock(&worker->mutex);
        worker->turn = TURN_CALLER;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static int thread_open(struct pawl_io_queue *queue, struct pawl_err *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker)
        return pawl_err_set(err, ENOMEM, "writer thread: out of memory");
    queue->state = worker;

    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&worker->mutex, NULL);

    /* The program's signals are for its own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&worker->thread, NULL, worker_main, queue);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0)
        return 0;

    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
    queue->state = NULL;
    return pawl_err_set(err, code, "writer thread: %s", strerror(code));
}

static void give_turn(struct worker *worker, enum turn turn)
{
    pthread_mutex_lock(&worker->mutex);
    worker->turn = turn;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

static int thread_begin(struct pawl_io_queue *queue, struct pawl_err *err)
{
    (void)err;
    give_turn(queue->state, TURN_WORKER);
    return 0;
}

static bool thread_reap(struct pawl_io_queue *queue, uint64_t deadline_ns)
{
    struct worker *worker = queue->state;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / PAWL_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % PAWL_NS_PER_S),
    };

    pthread_mutex_lock(&worker->mutex);
    int code = 0;
    while (worker->turn != TURN_CALLER && deadline_ns != 0 && code == 0)
        code = pthread_cond_timedwait(&worker->changed, &worker->mutex, &deadline);
    bool is_done = worker->turn == TURN_CALLER;
    pthread_mutex_unlock(&worker->mutex);
    return is_done;
}

static void thread_close(struct pawl_io_queue *queue)
{
    struct worker *worker = queue->state;
    give_turn(worker, TURN_END);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

static const struct pawl_io_queue_ops thread_runner = {
    .name = "thread",
    .open = thread_open,
    .begin = thread_begin,
    .reap = thread_reap,
    .close = thread_close,
};

static int open_runner(struct pawl_io_queue *queue, const struct pawl_io_queue_ops *runner,
                       struct pawl_err *err)
{
    int code = runner->open(queue, err);
    if (code == 0)
        queue->runner = runner;
    return code;
}

int pawl_io_queue_open(struct pawl_io_queue *queue, struct pawl_io *io,
                       enum pawl_io_queue_kind kind, struct pawl_err *err)
{
    *queue = (struct pawl_io_queue){.io = io};
    for (unsigned slot = 0; slot < PAWL_IO_QUEUE_SLOTS_MAX; slot++)
        queue->fds[slot] = -1;

    bool is_sys = io == pawl_io_sys();
    struct pawl_err refusal = {0};
    switch (kind) {
    case PAWL_IO_QUEUE_URING:
        if (!is_sys)
            return pawl_err_set(err, EINVAL,
                                "io_uring makes its own calls, not those of the %s io table",
                                io->name);
        snprintf(queue->reason, sizeof(queue->reason), "asked for by the caller");
        return open_runner(queue, &pawl_io_queue_uring, err);
    case PAWL_IO_QUEUE_THREAD:
        snprintf(queue->reason, sizeof(queue->reason), "asked for by the caller");
        return open_runner(queue, &thread_runner, err);
    case PAWL_IO_QUEUE_INLINE:
        snprintf(queue->reason, sizeof(queue->reason), "asked for by the caller");
        return open_runner(queue, &inline_runner, err);
    case PAWL_IO_QUEUE_AUTO:
        break;
    }

    if (!is_sys) {
        snprintf(queue->reason, sizeof(queue->reason),
                 "io_uring makes its own calls, not those of the %s io table", io->name);
    } else if (open_runner(queue, &pawl_io_queue_uring, &refusal) == 0) {
        snprintf(queue->reason, sizeof(queue->reason), "io_uring works here");
        return 0;
    } else {
        snprintf(queue->reason, sizeof(queue->reason), "%.150s", refusal.text);
    }
    return open_runner(queue, &thread_runner, err);
}

const char *pawl_io_queue_name(const struct pawl_io_queue *queue)
{
    return queue->runner ? queue->runner->name : "closed";
}

int pawl_io_queue_begin(struct pawl_io_queue *queue, struct pawl_io_op *ops, unsigned op_count,
                        enum pawl_io_failure failure, struct pawl_err *err)
{
    if (queue->is_busy)
        return pawl_err_set(err, EBUSY, "a chain of %u operations is still in flight",
                            queue->op_count);
    if (op_count == 0 || op_count > PAWL_IO_QUEUE_OPS_MAX)
        return pawl_err_set(err, EINVAL, "%u operations: a chain has 1 to %d", op_count,
                            PAWL_IO_QUEUE_OPS_MAX);
    for (unsigned i = 0; i < op_count; i++) {
        if (ops[i].slot >= PAWL_IO_QUEUE_SLOTS_MAX)
            return pawl_err_set(err, EINVAL, "operation %u: slot %u is not below %d", i,
                                ops[i].slot, PAWL_IO_QUEUE_SLOTS_MAX);
        if (ops[i].byte_count > PAWL_IO_OP_BYTES_MAX)
            return pawl_err_set(err, EINVAL, "operation %u: %zu bytes, at most %zu in one", i,
                                ops[i].byte_count, PAWL_IO_OP_BYTES_MAX);
        ops[i].result = -ECANCELED;
    }

    queue->ops = ops;
    queue->op_count = op_count;
    queue->failure = failure;
    int code = queue->runner->begin(queue, err);
    queue->is_busy = code == 0;
    return code;
}

bool pawl_io_queue_wait(struct pawl_io_queue *queue, uint64_t deadline_ns)
{
    if (queue->is_busy && queue->runner->reap(queue, deadline_ns))
        queue->is_busy = false;
    return !queue->is_busy;
}

bool pawl_io_queue_poll(struct pawl_io_queue *queue)
{
    return pawl_io_queue_wait(queue, 0);
}

int pawl_io_queue_close(struct pawl_io_queue *queue)
{
    if (!queue->runner)
        return 0;
    if (!pawl_io_queue_wait(queue, pawl_clock_now_ns() + PAWL_IO_QUEUE_CLOSE_NS))
        return -ETIMEDOUT;
    queue->runner->close(queue);
    for (unsigned slot = 0; slot < PAWL_IO_QUEUE_SLOTS_MAX; slot++)
        do_close(queue, slot);
    *queue = (struct pawl_io_queue){0};
    return 0;
}

bool pawl_io_uring_works(char *reason, size_t reason_bytes)
{
    struct pawl_io_queue queue;
    struct pawl_err err = {0};
    int code = pawl_io_queue_open(&queue, pawl_io_sys(), PAWL_IO_QUEUE_URING, &err);
    if (reason)
        snprintf(reason, reason_bytes, "%s", code == 0 ? "works" : err.text);
    pawl_io_queue_close(&queue);
    return code == 0;
}
