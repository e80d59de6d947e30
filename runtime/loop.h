/* loop.h: one thread waits for many things: descriptors, processes, times, signals.
 *
 *     static void on_child(void *context, const struct pawl_loop_event *event) { ... }
 *
 *     pawl_loop_open(&loop, &cfg, &err);
 *     pawl_loop_add_fd(loop, proc.pidfd, POLLIN, on_child, &actor, &watch, &err);
 *     pawl_loop_add_timer(loop, now_ns + PAWL_NS_PER_S, PAWL_NS_PER_S, on_second, ...);
 *     pawl_loop_add_signals(loop, (int[]){SIGINT, SIGTERM}, 2, on_stop, ...);
 *     while (!is_over && pawl_loop_step(loop, PAWL_LOOP_NO_DEADLINE, &err) >= 0)
 *         ;
 *     pawl_loop_close(loop);
 *
 * A callback may add and remove watches, its own too; it may not step the loop. A
 * removed watch never calls again, whatever was already on its way. Descriptors are watched by
 * level: as long as one is ready, its callback is called once in each step. An event says that
 * it was ready a moment ago; where somebody else may have read since, read without blocking.
 *
 * It waits on an io_uring, or with ppoll() where the kernel refuses one; the behaviour is the
 * same. All memory is taken when the loop is opened.
 *
 * Thread safety: a loop belongs to one thread.
 */
#ifndef PAWL_RUNTIME_LOOP_H
#define PAWL_RUNTIME_LOOP_H

#include "runtime/err.h"

#include <stddef.h>
#include <stdint.h>

#define PAWL_LOOP_WATCH_COUNT_MAX 4096
#define PAWL_LOOP_NO_DEADLINE     UINT64_MAX

enum pawl_loop_backend { PAWL_LOOP_ANY, PAWL_LOOP_URING, PAWL_LOOP_POLL };

struct pawl_loop_cfg {
    uint32_t watch_count_max;       /* 1 to PAWL_LOOP_WATCH_COUNT_MAX, of all kinds together */
    enum pawl_loop_backend backend; /* ANY: an io_uring where there is one */
};

/* 256 watches, any backend. */
struct pawl_loop_cfg pawl_loop_default_cfg(void);

struct pawl_loop;

struct pawl_loop_event {
    struct pawl_loop *loop;
    uint64_t watch;      /* whose event it is */
    short ready;         /* of a descriptor: POLLIN, POLLOUT, POLLHUP, POLLERR, POLLNVAL */
    int signal;          /* of signals: which one */
    uint64_t tick_count; /* of a timer: periods that have passed; 1 when none was missed */
};

/* *loop is the caller's to close. */
int pawl_loop_open(struct pawl_loop **loop, const struct pawl_loop_cfg *cfg,
                   struct pawl_err *err);

/* Ends all watches without calling anyone. Descriptors stay open, they are the caller's. NULL
 * is ignored. */
void pawl_loop_close(struct pawl_loop *loop);

/* "io_uring", or "ppoll (io_uring: REASON)". Valid as long as the loop. */
const char *pawl_loop_backend_text(const struct pawl_loop *loop);

/* Adding: *watch names the watch until it is removed and is never 0; NULL when nobody wants to
 * know. `context` is passed to each call and must live as long as the watch. -ENOSPC when
 * watch_count_max are there. */

/* Watches `fd` for `events` (POLLIN, POLLOUT); POLLHUP and POLLERR are reported unasked, and
 * again in each step until the watch is removed. A descriptor is removed from the loop before
 * it is closed: until then the loop may hold on to the file, so that the other side sees no
 * hang-up. If it finds one closed it reports POLLNVAL, once, and removes the watch. Any
 * descriptor may be watched; a plain file (such as a redirected stdin) is always ready. */
int pawl_loop_add_fd(struct pawl_loop *loop, int fd, short events,
                     void (*on_event)(void *context, const struct pawl_loop_event *event),
                     void *context, uint64_t *watch, struct pawl_err *err);

/* Calls at deadline_ns (a time of pawl_clock_now_ns()) and then, when period_ns is not 0, at
 * each whole number of periods after it: lateness does not add up. Periods that passed unserved
 * are counted in one event. With period_ns = 0 the watch is removed before the one call. */
int pawl_loop_add_timer(struct pawl_loop *loop, uint64_t deadline_ns, uint64_t period_ns,
                        void (*on_event)(void *context, const struct pawl_loop_event *event),
                        void *context, uint64_t *watch, struct pawl_err *err);

/* Blocks the signals in this thread and reports each one that comes. Threads started later
 * inherit the mask; ones started before would still be interrupted. Removing puts the mask
 * back. */
int pawl_loop_add_signals(struct pawl_loop *loop, const int *signals, size_t signal_count,
                          void (*on_event)(void *context, const struct pawl_loop_event *event),
                          void *context, uint64_t *watch, struct pawl_err *err);

/* Ends a watch; one that is not there any more (or 0) is ignored. */
void pawl_loop_remove(struct pawl_loop *loop, uint64_t watch);

uint32_t pawl_loop_watch_count(const struct pawl_loop *loop);

/* Waits until something happens or deadline_ns (0: does not wait), and makes the calls that are
 * due, each watch at most once (signals: once for each signal). Returns how many, or an error.
 */
int pawl_loop_step(struct pawl_loop *loop, uint64_t deadline_ns, struct pawl_err *err);

#endif
