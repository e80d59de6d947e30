/* loop_backend.h: the inside of a loop that its two ways of waiting share. Only for loop*.c. */
#ifndef PAWL_RUNTIME_LOOP_BACKEND_H
#define PAWL_RUNTIME_LOOP_BACKEND_H

#include "runtime/loop.h"

#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>

enum pawl_loop_kind { PAWL_LOOP_FREE, PAWL_LOOP_FD, PAWL_LOOP_SIGNALS, PAWL_LOOP_TIMER };

struct pawl_loop_watch {
    enum pawl_loop_kind kind;
    uint32_t generation; /* of this place; in the upper half of the watch's name */
    void (*on_event)(void *context, const struct pawl_loop_event *event);
    void *context;
    uint64_t added_in_step;

    int fd; /* PAWL_LOOP_SIGNALS: ours to close */
    short events;
    bool is_armed;    /* the io_uring has a poll request of this name */
    sigset_t unblock; /* PAWL_LOOP_SIGNALS: what was not blocked before */

    uint64_t deadline_ns;
    uint64_t period_ns;
};

struct pawl_loop_ready {
    uint64_t name;
    short ready;
};

/* How a loop waits. */
struct pawl_loop_wait {
    const char *name;

    /* May refuse with a reason in err. */
    int (*open)(struct pawl_loop *loop, struct pawl_err *err);
    void (*close)(struct pawl_loop *loop);

    /* The watch is about to be removed: lets go of its file. */
    void (*forget)(struct pawl_loop *loop, struct pawl_loop_watch *watch, uint64_t name);

    /* Waits for any watched descriptor, at most timeout_ns, and fills loop->ready. May return
     * early with nothing. */
    int (*wait)(struct pawl_loop *loop, uint64_t timeout_ns, struct pawl_err *err);
};

extern const struct pawl_loop_wait pawl_loop_wait_uring;
extern const struct pawl_loop_wait pawl_loop_wait_poll;

struct pawl_loop {
    const struct pawl_loop_wait *wait;
    char backend_text[128];
    uint64_t step_count;
    bool is_stepping;

    uint32_t watch_count;
    uint32_t watch_count_max;
    struct pawl_loop_watch *watches; /* watch_count_max */

    uint32_t ready_count;
    struct pawl_loop_ready *ready; /* watch_count_max: a watch is there once at most */

    struct io_uring ring;
    struct pollfd *poll_fds; /* watch_count_max */
    uint64_t *poll_names;    /* of poll_fds */
};

uint64_t pawl_loop_name_of(const struct pawl_loop *loop, const struct pawl_loop_watch *watch);

/* NULL when the watch of this name is gone. */
struct pawl_loop_watch *pawl_loop_find(const struct pawl_loop *loop, uint64_t name);

#endif
