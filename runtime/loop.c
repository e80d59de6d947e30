#include "runtime/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/loop_backend.h"

#define WAIT_NS_MAX         (3600 * PAWL_NS_PER_S) /* then it looks at the clock again */
#define SIGNALS_IN_STEP_MAX 64

/* --- names: the place of a watch, plus one, and the generation of that place --- */

uint64_t pawl_loop_name_of(const struct pawl_loop *loop, const struct pawl_loop_watch *watch)
{
    uint64_t place = (uint64_t)(watch - loop->watches) + 1;
    return (uint64_t)watch->generation << 32 | place;
}

struct pawl_loop_watch *pawl_loop_find(const struct pawl_loop *loop, uint64_t name)
{
    uint32_t place = (uint32_t)name;
    if (place == 0 || place > loop->watch_count_max)
        return NULL;
    struct pawl_loop_watch *watch = &loop->watches[place - 1];
    return watch->kind != PAWL_LOOP_FREE && watch->generation == name >> 32 ? watch : NULL;
}

/* --- open, close --- */

struct pawl_loop_cfg pawl_loop_default_cfg(void)
{
    return (struct pawl_loop_cfg){.watch_count_max = 256, .backend = PAWL_LOOP_ANY};
}

static int choose_backend(struct pawl_loop *loop, enum pawl_loop_backend backend,
                          struct pawl_err *err)
{
    struct pawl_err reason = {0};
    loop->wait = &pawl_loop_wait_uring;
    snprintf(loop->backend_text, sizeof(loop->backend_text), "io_uring");
    if (backend != PAWL_LOOP_POLL) {
        int result = loop->wait->open(loop, backend == PAWL_LOOP_ANY ? &reason : err);
        if (result == 0 || backend == PAWL_LOOP_URING)
            return result;
    }
    loop->wait = &pawl_loop_wait_poll;
    snprintf(loop->backend_text, sizeof(loop->backend_text), "ppoll (%.100s)",
             reason.code ? reason.text : "as configured");
    return loop->wait->open(loop, err);
}

int pawl_loop_open(struct pawl_loop **loop, const struct pawl_loop_cfg *cfg,
                   struct pawl_err *err)
{
    *loop = NULL;
    uint32_t count = cfg->watch_count_max;
    if (count == 0 || count > PAWL_LOOP_WATCH_COUNT_MAX)
        return pawl_err_set(err, EINVAL, "open loop: watch_count_max = %u: expected 1 to %d",
                            count, PAWL_LOOP_WATCH_COUNT_MAX);

    struct pawl_loop *made = calloc(1, sizeof(*made));
    if (!made)
        return pawl_err_set(err, ENOMEM, "open loop: out of memory");
    made->watch_count_max = count;
    made->watches = calloc(count, sizeof(*made->watches));
    made->ready = calloc(count, sizeof(*made->ready));
    made->poll_fds = calloc(count, sizeof(*made->poll_fds));
    made->poll_names = calloc(count, sizeof(*made->poll_names));

    int result = 0;
    if (!made->watches || !made->ready || !made->poll_fds || !made->poll_names)
        result = pawl_err_set(err, ENOMEM, "open loop of %u watches: out of memory", count);
    else if ((result = choose_backend(made, cfg->backend, err)) != 0) {
        made->wait = NULL;
        pawl_err_wrap(err, "open loop");
    }
    if (result != 0) {
        pawl_loop_close(made);
        return result;
    }
    *loop = made;
    return 0;
}

void pawl_loop_close(struct pawl_loop *loop)
{
    if (!loop)
        return;
    for (uint32_t i = 0; loop->wait && i < loop->watch_count_max; i++) {
        if (loop->watches[i].kind != PAWL_LOOP_FREE)
            pawl_loop_remove(loop, pawl_loop_name_of(loop, &loop->watches[i]));
    }
    if (loop->wait)
        loop->wait->close(loop);
    free(loop->watches);
    free(loop->ready);
    free(loop->poll_fds);
    free(loop->poll_names);
    free(loop);
}

const char *pawl_loop_backend_text(const struct pawl_loop *loop)
{
    return loop->backend_text;
}

/* --- watches --- */

/* NULL when all places are taken. */
static struct pawl_loop_watch *watch_add(struct pawl_loop *loop,
                                         const struct pawl_loop_watch *like, uint64_t *name,
                                         struct pawl_err *err)
{
    for (uint32_t i = 0; i < loop->watch_count_max; i++) {
        struct pawl_loop_watch *watch = &loop->watches[i];
        if (watch->kind != PAWL_LOOP_FREE)
            continue;
        uint32_t generation = watch->generation;
        *watch = *like;
        watch->generation = generation;
        watch->added_in_step = loop->step_count;
        loop->watch_count++;
        if (name)
            *name = pawl_loop_name_of(loop, watch);
        return watch;
    }
    pawl_err_set(err, ENOSPC, "loop: all %u watches are taken", loop->watch_count_max);
    return NULL;
}

int pawl_loop_add_fd(struct pawl_loop *loop, int fd, short events,
                     void (*on_event)(void *context, const struct pawl_loop_event *event),
                     void *context, uint64_t *watch, struct pawl_err *err)
{
    if (fcntl(fd, F_GETFD) < 0)
        return pawl_err_set(err, EBADF, "loop: descriptor %d is not open", fd);
    struct pawl_loop_watch like = {.kind = PAWL_LOOP_FD,
                                   .on_event = on_event,
                                   .context = context,
                                   .fd = fd,
                                   .events = events};
    return watch_add(loop, &like, watch, err) ? 0 : -ENOSPC;
}

int pawl_loop_add_timer(struct pawl_loop *loop, uint64_t deadline_ns, uint64_t period_ns,
                        void (*on_event)(void *context, const struct pawl_loop_event *event),
                        void *context, uint64_t *watch, struct pawl_err *err)
{
    struct pawl_loop_watch like = {.kind = PAWL_LOOP_TIMER,
                                   .on_event = on_event,
                                   .context = context,
                                   .fd = -1,
                                   .deadline_ns = deadline_ns,
                                   .period_ns = period_ns};
    return watch_add(loop, &like, watch, err) ? 0 : -ENOSPC;
}

int pawl_loop_add_signals(struct pawl_loop *loop, const int *signals, size_t signal_count,
                          void (*on_event)(void *context, const struct pawl_loop_event *event),
                          void *context, uint64_t *watch, struct pawl_err *err)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    for (size_t i = 0; i < signal_count; i++) {
        if (sigaddset(&wanted, signals[i]) != 0 || signals[i] == SIGKILL ||
            signals[i] == SIGSTOP)
            return pawl_err_set(err, EINVAL, "loop: signal %d cannot be watched", signals[i]);
    }

    struct pawl_loop_watch like = {.kind = PAWL_LOOP_SIGNALS,
                                   .on_event = on_event,
                                   .context = context,
                                   .fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK),
                                   .events = POLLIN};
    if (like.fd < 0)
        return pawl_err_set(err, errno, "loop: signalfd: %s", strerror(errno));
    struct pawl_loop_watch *added = watch_add(loop, &like, watch, err);
    if (!added) {
        close(like.fd);
        return -ENOSPC;
    }
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &wanted, &before);
    sigemptyset(&added->unblock);
    for (size_t i = 0; i < signal_count; i++) {
        if (!sigismember(&before, signals[i]))
            sigaddset(&added->unblock, signals[i]);
    }
    return 0;
}

void pawl_loop_remove(struct pawl_loop *loop, uint64_t name)
{
    struct pawl_loop_watch *watch = pawl_loop_find(loop, name);
    if (!watch)
        return;
    loop->wait->forget(loop, watch, name);
    if (watch->kind == PAWL_LOOP_SIGNALS) {
        close(watch->fd);
        pthread_sigmask(SIG_UNBLOCK, &watch->unblock, NULL);
    }
    watch->kind = PAWL_LOOP_FREE;
    watch->generation++; /* whatever is still on its way bears the old name */
    loop->watch_count--;
}

uint32_t pawl_loop_watch_count(const struct pawl_loop *loop)
{
    return loop->watch_count;
}

/* --- a step --- */

static void call(struct pawl_loop *loop, const struct pawl_loop_watch *watch,
                 struct pawl_loop_event *event)
{
    event->loop = loop;
    watch->on_event(watch->context, event);
}

static int dispatch_signals(struct pawl_loop *loop, uint64_t name)
{
    struct pawl_loop_watch *watch;
    int call_count = 0;
    while (call_count < SIGNALS_IN_STEP_MAX && (watch = pawl_loop_find(loop, name)) != NULL) {
        struct signalfd_siginfo info;
        if (read(watch->fd, &info, sizeof(info)) != sizeof(info))
            break;
        call(loop, watch,
             &(struct pawl_loop_event){.watch = name, .signal = (int)info.ssi_signo});
        call_count++;
    }
    return call_count;
}

static int dispatch_ready(struct pawl_loop *loop)
{
    int call_count = 0;
    for (uint32_t i = 0; i < loop->ready_count; i++) {
        uint64_t name = loop->ready[i].name;
        short ready = loop->ready[i].ready;
        struct pawl_loop_watch *watch = pawl_loop_find(loop, name);
        if (!watch) /* removed by a callback of this step */
            continue;
        if (watch->kind == PAWL_LOOP_SIGNALS) {
            call_count += dispatch_signals(loop, name);
            continue;
        }
        call(loop, watch, &(struct pawl_loop_event){.watch = name, .ready = ready});
        call_count++;
        if (ready & POLLNVAL)
            pawl_loop_remove(loop, name);
    }
    loop->ready_count = 0;
    return call_count;
}

/* The timer that is due first. A linear search: a loop has tens of timers, and each step looks
 * at all watches anyway. `max_step` leaves out those added later. */
static struct pawl_loop_watch *first_timer(const struct pawl_loop *loop, uint64_t max_step)
{
    struct pawl_loop_watch *first = NULL;
    for (uint32_t i = 0; i < loop->watch_count_max; i++) {
        struct pawl_loop_watch *watch = &loop->watches[i];
        if (watch->kind == PAWL_LOOP_TIMER && watch->added_in_step <= max_step &&
            (!first || watch->deadline_ns < first->deadline_ns))
            first = watch;
    }
    return first;
}

/* Timers that callbacks of this step add wait for the next one, so that a step ends. */
static int dispatch_timers(struct pawl_loop *loop, uint64_t now_ns)
{
    int call_count = 0;
    struct pawl_loop_watch *timer;
    while ((timer = first_timer(loop, loop->step_count - 1)) != NULL &&
           timer->deadline_ns <= now_ns) {
        struct pawl_loop_watch copy = *timer;
        struct pawl_loop_event event = {.watch = pawl_loop_name_of(loop, timer),
                                        .tick_count = 1};
        if (timer->period_ns == 0)
            pawl_loop_remove(loop, event.watch);
        else {
            event.tick_count += (now_ns - timer->deadline_ns) / timer->period_ns;
            timer->deadline_ns += event.tick_count * timer->period_ns;
        }
        call(loop, &copy, &event);
        call_count++;
    }
    return call_count;
}

static uint64_t timeout_until(const struct pawl_loop *loop, uint64_t deadline_ns)
{
    const struct pawl_loop_watch *timer = first_timer(loop, UINT64_MAX);
    if (timer && timer->deadline_ns < deadline_ns)
        deadline_ns = timer->deadline_ns;
    uint64_t now_ns = deadline_ns ? pawl_clock_now_ns() : 0;
    uint64_t timeout_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    return timeout_ns < WAIT_NS_MAX ? timeout_ns : WAIT_NS_MAX;
}

int pawl_loop_step(struct pawl_loop *loop, uint64_t deadline_ns, struct pawl_err *err)
{
    int result;
    if (loop->is_stepping)
        return pawl_err_set(err, EBUSY, "loop: one of its own callbacks may not step it");
    loop->is_stepping = true;
    do {
        loop->step_count++;
        result = loop->wait->wait(loop, timeout_until(loop, deadline_ns), err);
        if (result != 0)
            break;
        result = dispatch_ready(loop);
        result += dispatch_timers(loop, pawl_clock_now_ns());
    } while (result == 0 && deadline_ns != 0 && pawl_clock_now_ns() < deadline_ns);
    loop->is_stepping = false;
    return result;
}
