#include "runtime/loop_backend.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

static int poll_open(struct pawl_loop *loop, struct pawl_err *err)
{
    (void)loop;
    (void)err;
    return 0;
}

static void poll_close(struct pawl_loop *loop)
{
    (void)loop;
}

static void poll_forget(struct pawl_loop *loop, struct pawl_loop_watch *watch, uint64_t name)
{
    (void)loop;
    (void)watch;
    (void)name;
}

static int poll_wait(struct pawl_loop *loop, uint64_t timeout_ns, struct pawl_err *err)
{
    nfds_t count = 0;
    for (uint32_t i = 0; i < loop->watch_count_max; i++) {
        const struct pawl_loop_watch *watch = &loop->watches[i];
        if (watch->kind != PAWL_LOOP_FD && watch->kind != PAWL_LOOP_SIGNALS)
            continue;
        loop->poll_fds[count] = (struct pollfd){.fd = watch->fd, .events = watch->events};
        loop->poll_names[count] = pawl_loop_name_of(loop, watch);
        count++;
    }

    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / PAWL_NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % PAWL_NS_PER_S)};
    errno = PAWL_FAULT_ERRNO("loop.wait");
    int ready_count = errno == 0 ? ppoll(loop->poll_fds, count, &timeout, NULL) : -1;
    if (ready_count < 0 && errno != EINTR && errno != EAGAIN)
        return pawl_err_set(err, errno, "loop: ppoll: %s", strerror(errno));

    for (nfds_t i = 0; i < count && ready_count > 0; i++) {
        if (loop->poll_fds[i].revents == 0)
            continue;
        ready_count--;
        loop->ready[loop->ready_count++] = (struct pawl_loop_ready){
            .name = loop->poll_names[i], .ready = loop->poll_fds[i].revents};
    }
    return 0;
}

const struct pawl_loop_wait pawl_loop_wait_poll = {.name = "ppoll",
                                                   .open = poll_open,
                                                   .close = poll_close,
                                                   .forget = poll_forget,
                                                   .wait = poll_wait};
