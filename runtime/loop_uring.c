#include "runtime/loop_backend.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

/* Each watched descriptor has one poll request, which completes once; it is asked again before
 * the next wait. That makes it a watch by level, and each request's completion is at most one
 * entry. */

#define CANCEL_NAME       0 /* no watch has it */
#define SHORTAGE_PAUSE_NS PAWL_NS_PER_MS

static int uring_open(struct pawl_loop *loop, struct pawl_err *err)
{
    /* Between two waits a watch can leave two completions (its poll and the request to cancel
     * it) and be replaced by another that completes: the queue never overflows. */
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                     .cq_entries = 4 * loop->watch_count_max};
    unsigned entry_count = loop->watch_count_max < 256 ? loop->watch_count_max : 256;

    int code = PAWL_FAULT_ERRNO("loop.uring");
    if (code == 0)
        code = -io_uring_queue_init_params(entry_count, &loop->ring, &params);
    if (code != 0)
        return pawl_err_set(err, code, "io_uring: %s", strerror(code));
    if (!(params.features & IORING_FEAT_EXT_ARG) || !(params.features & IORING_FEAT_NODROP)) {
        io_uring_queue_exit(&loop->ring);
        return pawl_err_set(err, ENOSYS, "io_uring: needs Linux 5.11");
    }
    return 0;
}

static void uring_close(struct pawl_loop *loop)
{
    io_uring_queue_exit(&loop->ring);
}

static struct io_uring_sqe *entry_take(struct pawl_loop *loop)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&loop->ring);
    if (!entry) {
        io_uring_submit(&loop->ring);
        entry = io_uring_get_sqe(&loop->ring);
    }
    return entry;
}

static void uring_forget(struct pawl_loop *loop, struct pawl_loop_watch *watch, uint64_t name)
{
    if (!watch->is_armed)
        return;
    struct io_uring_sqe *entry = entry_take(loop);
    if (!entry)
        return; /* the request stays until the file is ready, and its completion is ignored */
    io_uring_prep_poll_remove(entry, name);
    io_uring_sqe_set_data64(entry, CANCEL_NAME);
    /* Now and not with the next wait: the caller is about to close the descriptor, and the
     * other side is to see it. */
    io_uring_submit(&loop->ring);
}

static int arm_all(struct pawl_loop *loop, struct pawl_err *err)
{
    for (uint32_t i = 0; i < loop->watch_count_max; i++) {
        struct pawl_loop_watch *watch = &loop->watches[i];
        if ((watch->kind != PAWL_LOOP_FD && watch->kind != PAWL_LOOP_SIGNALS) ||
            watch->is_armed)
            continue;
        struct io_uring_sqe *entry = entry_take(loop);
        if (!entry)
            return pawl_err_set(err, EBUSY, "loop: the io_uring takes no requests");
        io_uring_prep_poll_add(entry, watch->fd, (unsigned)watch->events);
        io_uring_sqe_set_data64(entry, pawl_loop_name_of(loop, watch));
        watch->is_armed = true;
    }
    return 0;
}

static void take_completions(struct pawl_loop *loop)
{
    struct io_uring_cqe *completion;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&loop->ring, head, completion)
    {
        count++;
        /* A name of a watch that was removed since, or of a request to cancel, finds none. */
        struct pawl_loop_watch *watch =
            pawl_loop_find(loop, io_uring_cqe_get_data64(completion));
        if (!watch)
            continue;
        watch->is_armed = false;
        short ready = completion->res >= 0        ? (short)completion->res
                      : completion->res == -EBADF ? POLLNVAL
                                                  : POLLERR;
        assert(loop->ready_count < loop->watch_count_max);
        loop->ready[loop->ready_count++] = (struct pawl_loop_ready){
            .name = io_uring_cqe_get_data64(completion), .ready = ready};
    }
    io_uring_cq_advance(&loop->ring, count);
}

static int uring_wait(struct pawl_loop *loop, uint64_t timeout_ns, struct pawl_err *err)
{
    int result = arm_all(loop, err);
    if (result != 0)
        return result;

    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(timeout_ns / PAWL_NS_PER_S),
                                        .tv_nsec = (int64_t)(timeout_ns % PAWL_NS_PER_S)};
    struct io_uring_cqe *first;
    result = -PAWL_FAULT_ERRNO("loop.wait");
    if (result == 0)
        result = io_uring_submit_and_wait_timeout(&loop->ring, &first, 1, &timeout, NULL);
    if (result == -EAGAIN || result == -EBUSY) /* the kernel is short of memory: not for ever */
        nanosleep(&(struct timespec){.tv_nsec = SHORTAGE_PAUSE_NS}, NULL);
    else if (result < 0 && result != -ETIME && result != -EINTR)
        return pawl_err_set(err, -result, "loop: wait on the io_uring: %s", strerror(-result));
    take_completions(loop);
    return 0;
}

const struct pawl_loop_wait pawl_loop_wait_uring = {.name = "io_uring",
                                                    .open = uring_open,
                                                    .close = uring_close,
                                                    .forget = uring_forget,
                                                    .wait = uring_wait};
