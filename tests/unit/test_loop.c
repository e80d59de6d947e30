#include "runtime/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "support/temp.h"
#include "support/test.h"

#define HANG_GUARD_NS (20 * PAWL_NS_PER_S)

static struct pawl_loop *loop;

static uint64_t soon(void)
{
    return pawl_clock_now_ns() + HANG_GUARD_NS;
}

static void open_loop(enum pawl_loop_backend backend, uint32_t watch_count_max)
{
    struct pawl_loop_cfg cfg = {.watch_count_max = watch_count_max, .backend = backend};
    struct pawl_err err = {0};
    ck_assert_msg(pawl_loop_open(&loop, &cfg, &err) == 0, "%s", err.text);
    if (backend == PAWL_LOOP_ANY && strcmp(pawl_loop_backend_text(loop), "io_uring") != 0)
        printf("NOT TESTED ON io_uring: %s\n", pawl_loop_backend_text(loop));
}

/* A test whose body runs once on each backend. */
#define TEST_ON_BOTH(name)                                                                     \
    static void name##_on_one(void);                                                           \
    START_TEST(name)                                                                           \
    {                                                                                          \
        for (int i = 0; i < 2; i++) {                                                          \
            open_loop(i == 0 ? PAWL_LOOP_ANY : PAWL_LOOP_POLL, 16);                            \
            name##_on_one();                                                                   \
            pawl_loop_close(loop);                                                             \
        }                                                                                      \
    }                                                                                          \
    END_TEST                                                                                   \
    static void name##_on_one(void)

/* What a callback has seen, and what it is to do. */
struct seen {
    int call_count;
    short ready;
    int signal;
    uint64_t tick_count;
    uint64_t watch;
    uint64_t to_remove[2];
    int fd;
};

static void on_event(void *context, const struct pawl_loop_event *event)
{
    struct seen *seen = context;
    seen->call_count++;
    seen->ready = event->ready;
    seen->signal = event->signal;
    seen->tick_count += event->tick_count;
    seen->watch = event->watch;
    for (int i = 0; i < 2; i++)
        pawl_loop_remove(event->loop, seen->to_remove[i]);
}

static uint64_t add_fd(int fd, short events, struct seen *seen)
{
    uint64_t watch = 0;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_loop_add_fd(loop, fd, events, on_event, seen, &watch, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_ne(watch, 0);
    return watch;
}

static uint64_t add_timer(uint64_t deadline_ns, uint64_t period_ns, struct seen *seen)
{
    uint64_t watch = 0;
    struct pawl_err err = {0};
    int result =
        pawl_loop_add_timer(loop, deadline_ns, period_ns, on_event, seen, &watch, &err);
    ck_assert_msg(result == 0, "%s", err.text);
    return watch;
}

static int step(uint64_t deadline_ns)
{
    struct pawl_err err = {0};
    int result = pawl_loop_step(loop, deadline_ns, &err);
    ck_assert_msg(result >= 0, "%s", err.text);
    return result;
}

static void make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void fill(int fd)
{
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void close_pipe(int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* --- descriptors --- */

TEST_ON_BOTH(a_ready_descriptor_is_reported_in_each_step_until_it_is_not)
{
    int ends[2];
    make_pipe(ends);
    struct seen seen = {0};
    uint64_t watch = add_fd(ends[0], POLLIN, &seen);
    ck_assert_int_eq(step(0), 0);
    fill(ends[1]);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(step(soon()), 1);
        ck_assert_int_eq(seen.call_count, i);
        ck_assert_int_eq(seen.ready, POLLIN);
        ck_assert_uint_eq(seen.watch, watch);
    }
    char byte;
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(step(0), 0);
    ck_assert_int_eq(seen.call_count, 3);
    pawl_loop_remove(loop, watch);
    close_pipe(ends);
}

TEST_ON_BOTH(room_to_write_and_a_hang_up_are_reported)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    struct seen seen = {0};
    uint64_t watch = add_fd(ends[0], POLLOUT, &seen);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.ready, POLLOUT);
    pawl_loop_remove(loop, watch);

    watch = add_fd(ends[0], POLLIN, &seen);
    ck_assert_int_eq(step(0), 0);
    close(ends[1]);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_ne(seen.ready & POLLHUP, 0);
    pawl_loop_remove(loop, watch);
    close(ends[0]);
}

TEST_ON_BOTH(the_end_of_a_process_is_reported)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int pidfd = pidfd_open(child, 0);
    struct seen seen = {0};
    uint64_t watch = add_fd(pidfd, POLLIN, &seen);
    ck_assert_int_eq(step(soon()), 1);
    pawl_loop_remove(loop, watch);
    close(pidfd);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

TEST_ON_BOTH(a_plain_file_is_always_ready)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct seen seen = {0};
    uint64_t watch = add_fd(fd, POLLIN, &seen);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.ready & (POLLIN | POLLERR | POLLNVAL), POLLIN);
    pawl_loop_remove(loop, watch);
    close(fd);
}

/* As stdin is for a dashboard: keys one by one, and the window that is closed. */
TEST_ON_BOTH(the_keys_and_the_end_of_a_terminal_are_reported)
{
    int keyboard, terminal;
    char key;
    ck_assert_int_eq(openpty(&keyboard, &terminal, NULL, NULL, NULL), 0);
    struct termios raw;
    ck_assert_int_eq(tcgetattr(terminal, &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &raw), 0);
    struct seen seen = {0};
    uint64_t watch = add_fd(terminal, POLLIN, &seen);
    ck_assert_int_eq(step(0), 0);
    ck_assert_int_eq(write(keyboard, "q", 1), 1);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.ready, POLLIN);
    ck_assert_int_eq(read(terminal, &key, 1), 1);
    ck_assert_int_eq(key, 'q');
    ck_assert_int_eq(step(0), 0);
    close(keyboard);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.ready & POLLHUP, POLLHUP);
    pawl_loop_remove(loop, watch);
    close(terminal);
}

TEST_ON_BOTH(the_other_side_sees_a_close_after_a_removal)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    struct seen seen = {0};
    uint64_t watch = add_fd(ends[0], POLLIN, &seen);
    ck_assert_int_eq(step(0), 0);
    pawl_loop_remove(loop, watch);
    close(ends[0]);
    struct pollfd other = {.fd = ends[1], .events = POLLIN};
    ck_assert_int_eq(poll(&other, 1, HANG_GUARD_NS / PAWL_NS_PER_MS), 1);
    close(ends[1]);
}

TEST_ON_BOTH(a_descriptor_closed_too_early_is_reported_once)
{
    int ends[2];
    make_pipe(ends);
    struct seen seen = {0};
    add_fd(ends[0], POLLIN, &seen);
    close_pipe(ends);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.ready, POLLNVAL);
    ck_assert_uint_eq(pawl_loop_watch_count(loop), 0);
    ck_assert_int_eq(step(0), 0);
}

TEST_ON_BOTH(a_descriptor_that_is_not_open_is_refused)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_loop_add_fd(loop, 9999, POLLIN, on_event, NULL, NULL, &err), -EBADF);
    ck_assert_str_eq(err.text, "loop: descriptor 9999 is not open");
}

/* --- removal --- */

TEST_ON_BOTH(a_watch_removed_by_another_callback_of_the_step_does_not_call)
{
    int a[2];
    int b[2];
    make_pipe(a);
    make_pipe(b);
    struct seen seen = {0};
    seen.to_remove[0] = add_fd(a[0], POLLIN, &seen);
    seen.to_remove[1] = add_fd(b[0], POLLIN, &seen);
    fill(a[1]);
    fill(b[1]);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.call_count, 1);
    ck_assert_int_eq(step(0), 0);
    ck_assert_uint_eq(pawl_loop_watch_count(loop), 0);
    close_pipe(a);
    close_pipe(b);
}

TEST_ON_BOTH(a_removed_watch_whose_event_is_on_its_way_does_not_call)
{
    int a[2];
    int b[2];
    make_pipe(a);
    make_pipe(b);
    struct seen removed = {0};
    struct seen successor = {0};
    uint64_t watch = add_fd(a[0], POLLIN, &removed);
    ck_assert_int_eq(step(0), 0); /* asks the kernel */
    fill(a[1]);                   /* the kernel answers */
    pawl_loop_remove(loop, watch);
    uint64_t next = add_fd(b[0], POLLIN, &successor); /* in the same place */
    ck_assert_int_eq(step(pawl_clock_now_ns() + 5 * PAWL_NS_PER_MS), 0);
    fill(b[1]);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(removed.call_count, 0);
    ck_assert_int_eq(successor.call_count, 1);

    pawl_loop_remove(loop, watch); /* the old name does not reach the successor */
    pawl_loop_remove(loop, 0);
    pawl_loop_remove(loop, UINT64_MAX);
    ck_assert_uint_eq(pawl_loop_watch_count(loop), 1);
    pawl_loop_remove(loop, next);
    close_pipe(a);
    close_pipe(b);
}

TEST_ON_BOTH(a_callback_may_remove_its_own_watch)
{
    int ends[2];
    make_pipe(ends);
    struct seen seen = {0};
    seen.to_remove[0] = add_fd(ends[0], POLLIN, &seen);
    fill(ends[1]);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(step(0), 0);
    seen.to_remove[0] = add_timer(0, 1, &seen);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(step(0), 0);
    close_pipe(ends);
}

static void add_another(void *context, const struct pawl_loop_event *event)
{
    pawl_loop_remove(event->loop, event->watch);
    struct seen *seen = context;
    add_fd(seen->fd, POLLIN, seen);
}

TEST_ON_BOTH(a_callback_may_add_a_watch)
{
    int ends[2];
    make_pipe(ends);
    fill(ends[1]);
    struct seen seen = {.fd = ends[0]};
    ck_assert_int_eq(pawl_loop_add_timer(loop, 0, 1, add_another, &seen, NULL, NULL), 0);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.call_count, 0);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.call_count, 1);
    pawl_loop_remove(loop, seen.watch);
    close_pipe(ends);
}

TEST_ON_BOTH(the_number_of_watches_is_bounded)
{
    uint64_t watches[16];
    for (int i = 0; i < 16; i++)
        watches[i] = add_timer(UINT64_MAX, 0, NULL);
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_loop_add_fd(loop, 0, POLLIN, on_event, NULL, NULL, &err), -ENOSPC);
    ck_assert_str_eq(err.text, "loop: all 16 watches are taken");
    ck_assert_int_eq(pawl_loop_add_timer(loop, 0, 0, on_event, NULL, NULL, NULL), -ENOSPC);
    int before = temp_fd_count();
    ck_assert_int_eq(
        pawl_loop_add_signals(loop, (int[]){SIGUSR1}, 1, on_event, NULL, NULL, NULL), -ENOSPC);
    ck_assert_int_eq(temp_fd_count(), before);
    pawl_loop_remove(loop, watches[7]);
    add_timer(UINT64_MAX, 0, NULL);
}

struct piped {
    int ends[2];
    bool is_full;
    bool was_full; /* at some time since the last step */
    uint64_t watch;
    struct seen seen;
};

static void change_at_random(struct piped *piped, uint64_t random)
{
    char byte;
    if (random % 2 == 0 && piped->watch) {
        pawl_loop_remove(loop, piped->watch);
        piped->watch = 0;
    } else if (random % 2 == 0)
        piped->watch = add_fd(piped->ends[0], POLLIN, &piped->seen);
    else if (piped->is_full)
        piped->is_full = read(piped->ends[0], &byte, 1) != 1;
    else
        piped->is_full = piped->was_full = write(piped->ends[1], "x", 1) == 1;
}

/* Watches come and go at random. In each step all call that are there and ready, and no others
 * do, except one that was ready since the last step and was read empty by us. */
TEST_ON_BOTH(in_a_long_mixed_life_the_ready_ones_call)
{
    enum { COUNT = 12 };
    static struct piped piped[COUNT];
    memset(piped, 0, sizeof(piped));
    for (int i = 0; i < COUNT; i++)
        make_pipe(piped[i].ends);

    uint64_t random = 1;
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < COUNT; i++) {
            piped[i].was_full = piped[i].is_full;
            piped[i].seen = (struct seen){0};
        }
        for (int change = 0; change < 4; change++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            change_at_random(&piped[(random >> 33) % COUNT], random >> 60);
        }
        step(0);
        for (int i = 0; i < COUNT; i++) {
            ck_assert_int_ge(piped[i].seen.call_count, piped[i].watch && piped[i].is_full);
            ck_assert_int_le(piped[i].seen.call_count, piped[i].watch && piped[i].was_full);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        pawl_loop_remove(loop, piped[i].watch);
        close_pipe(piped[i].ends);
    }
}

/* --- timers --- */

TEST_ON_BOTH(a_timer_calls_once_at_its_time)
{
    struct seen seen = {0};
    uint64_t deadline_ns = pawl_clock_now_ns() + 3 * PAWL_NS_PER_MS;
    add_timer(deadline_ns, 0, &seen);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_uint_ge(pawl_clock_now_ns(), deadline_ns);
    ck_assert_uint_eq(seen.tick_count, 1);
    ck_assert_uint_eq(pawl_loop_watch_count(loop), 0);
    ck_assert_int_eq(step(0), 0);
}

TEST_ON_BOTH(a_periodic_timer_keeps_its_schedule_however_late_it_is_served)
{
    const uint64_t period_ns = PAWL_NS_PER_MS;
    struct seen seen = {0};
    uint64_t start_ns = pawl_clock_now_ns();
    uint64_t watch = add_timer(start_ns, period_ns, &seen);
    for (int i = 0; i < 5; i++) {
        nanosleep(&(struct timespec){.tv_nsec = i % 2 ? 3700000 : 0}, NULL);
        uint64_t before_ns = pawl_clock_now_ns();
        ck_assert_int_eq(step(soon()), 1);
        uint64_t after_ns = pawl_clock_now_ns();
        /* Ticks are at start, start + period, ...: as many as that have passed. */
        ck_assert_uint_ge(seen.tick_count, (before_ns - start_ns) / period_ns + 1);
        ck_assert_uint_le(seen.tick_count, (after_ns - start_ns) / period_ns + 1);
    }
    pawl_loop_remove(loop, watch);
}

static int order[4];
static int order_count;

static void note_order(void *context, const struct pawl_loop_event *event)
{
    (void)event;
    order[order_count++] = *(int *)context;
}

TEST_ON_BOTH(timers_that_are_due_call_in_the_order_of_their_times)
{
    static int numbers[] = {0, 1, 2};
    uint64_t now_ns = pawl_clock_now_ns();
    order_count = 0;
    pawl_loop_add_timer(loop, now_ns - 10, 0, note_order, &numbers[1], NULL, NULL);
    pawl_loop_add_timer(loop, now_ns - 5, 0, note_order, &numbers[2], NULL, NULL);
    pawl_loop_add_timer(loop, now_ns - 20, 0, note_order, &numbers[0], NULL, NULL);
    ck_assert_int_eq(step(0), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(order[i], i);
}

static void add_due_timer(void *context, const struct pawl_loop_event *event)
{
    ++*(int *)context;
    pawl_loop_add_timer(event->loop, 0, 0, add_due_timer, context, NULL, NULL);
}

TEST_ON_BOTH(a_timer_added_by_a_callback_waits_for_the_next_step)
{
    int call_count = 0;
    pawl_loop_add_timer(loop, 0, 0, add_due_timer, &call_count, NULL, NULL);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(step(soon()), 1);
        ck_assert_int_eq(call_count, i);
    }
}

/* --- signals --- */

TEST_ON_BOTH(signals_are_reported_and_the_mask_is_put_back)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);

    struct seen seen = {0};
    uint64_t watch = 0;
    struct pawl_err err = {0};
    int result = pawl_loop_add_signals(loop, (int[]){SIGUSR1, SIGUSR2}, 2, on_event, &seen,
                                       &watch, &err);
    ck_assert_msg(result == 0, "%s", err.text);
    kill(getpid(), SIGUSR2);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(seen.signal, SIGUSR2);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    ck_assert_int_eq(step(soon()), 2);
    ck_assert_int_eq(step(0), 0);

    pawl_loop_remove(loop, watch);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    ck_assert(!sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGUSR2));
}

TEST_ON_BOTH(a_callback_may_end_its_watch_between_two_signals)
{
    struct seen seen = {0};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mask, NULL); /* so that the second one stays blocked */
    int result = pawl_loop_add_signals(loop, (int[]){SIGUSR1, SIGUSR2}, 2, on_event, &seen,
                                       &seen.to_remove[0], NULL);
    ck_assert_int_eq(result, 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(step(0), 0);
    ck_assert_int_gt(sigtimedwait(&mask, NULL, &(struct timespec){0}), 0);
}

TEST_ON_BOTH(signals_that_cannot_be_caught_are_refused)
{
    static const int bad[] = {SIGKILL, SIGSTOP, 0, 999};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pawl_err err = {0};
        ck_assert_int_eq(pawl_loop_add_signals(loop, &bad[i], 1, on_event, NULL, NULL, &err),
                         -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "cannot be watched"));
    }
}

/* --- running --- */

static void step_again(void *context, const struct pawl_loop_event *event)
{
    struct pawl_err err = {0};
    *(int *)context = pawl_loop_step(event->loop, 0, &err);
    ck_assert_str_eq(err.text, "loop: one of its own callbacks may not step it");
}

TEST_ON_BOTH(a_callback_may_not_step_its_loop)
{
    int result = 0;
    pawl_loop_add_timer(loop, 0, 0, step_again, &result, NULL, NULL);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_int_eq(result, -EBUSY);
}

TEST_ON_BOTH(no_memory_is_taken_after_opening)
{
    int ends[2];
    make_pipe(ends);
    fill(ends[1]);
    struct seen seen = {0};
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 200; i++) {
        uint64_t watch = add_fd(ends[0], POLLIN, &seen);
        uint64_t timer = add_timer(0, 1, &seen);
        ck_assert_int_eq(step(soon()), 2);
        pawl_loop_remove(loop, watch);
        pawl_loop_remove(loop, timer);
    }
    ck_assert_uint_eq(mallinfo2().uordblks, before);
    close_pipe(ends);
}

TEST_ON_BOTH(closing_calls_nobody_and_leaves_descriptors_open)
{
    int ends[2];
    make_pipe(ends);
    fill(ends[1]);
    int before = temp_fd_count();
    struct pawl_loop *first = loop;
    struct seen seen = {0};
    open_loop(PAWL_LOOP_ANY, 4);
    add_fd(ends[0], POLLIN, &seen);
    add_timer(0, 1, &seen);
    ck_assert_int_eq(
        pawl_loop_add_signals(loop, (int[]){SIGUSR1}, 1, on_event, &seen, NULL, NULL), 0);
    pawl_loop_close(loop);
    ck_assert_int_eq(seen.call_count, 0);
    ck_assert_int_eq(temp_fd_count(), before);
    ck_assert_int_ge(fcntl(ends[0], F_GETFD), 0);
    pawl_loop_close(NULL);
    loop = first;
    close_pipe(ends);
}

START_TEST(a_loop_without_or_with_too_many_places_is_refused)
{
    struct pawl_loop_cfg cfg = pawl_loop_default_cfg();
    struct pawl_err err = {0};
    cfg.watch_count_max = 0;
    ck_assert_int_eq(pawl_loop_open(&loop, &cfg, &err), -EINVAL);
    ck_assert_str_eq(err.text, "open loop: watch_count_max = 0: expected 1 to 4096");
    ck_assert_ptr_null(loop);
    cfg.watch_count_max = 4097;
    ck_assert_int_eq(pawl_loop_open(&loop, &cfg, NULL), -EINVAL);
}
END_TEST

START_TEST(the_largest_loop_serves_all_its_watches)
{
    for (int i = 0; i < 2; i++) {
        open_loop(i == 0 ? PAWL_LOOP_ANY : PAWL_LOOP_POLL, PAWL_LOOP_WATCH_COUNT_MAX);
        int ends[2];
        make_pipe(ends);
        fill(ends[1]);
        struct seen seen = {0};
        for (int k = 0; k < PAWL_LOOP_WATCH_COUNT_MAX; k++)
            add_fd(ends[0], POLLIN, &seen);
        ck_assert_int_eq(step(soon()), PAWL_LOOP_WATCH_COUNT_MAX);
        ck_assert_int_eq(step(soon()), PAWL_LOOP_WATCH_COUNT_MAX);
        pawl_loop_close(loop);
        close_pipe(ends);
    }
}
END_TEST

START_TEST(a_loop_says_how_it_waits)
{
    open_loop(PAWL_LOOP_POLL, 4);
    ck_assert_str_eq(pawl_loop_backend_text(loop), "ppoll (as configured)");
    pawl_loop_close(loop);
}
END_TEST

#ifdef PAWL_FAULTS

START_TEST(where_an_io_uring_is_refused_the_loop_says_so_and_works)
{
    ck_assert_int_eq(pawl_fault_arm("loop.uring:error=EPERM@1+", NULL), 0);
    struct pawl_loop_cfg cfg = pawl_loop_default_cfg();
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_loop_open(&loop, &cfg, &err), 0);
    ck_assert_int_eq(err.code, 0);
    ck_assert_str_eq(pawl_loop_backend_text(loop), "ppoll (io_uring: Operation not permitted)");
    struct seen seen = {0};
    add_timer(0, 0, &seen);
    ck_assert_int_eq(step(soon()), 1);
    pawl_loop_close(loop);

    cfg.backend = PAWL_LOOP_URING;
    ck_assert_int_eq(pawl_loop_open(&loop, &cfg, &err), -EPERM);
    ck_assert_str_eq(err.text, "open loop: io_uring: Operation not permitted");
}
END_TEST

TEST_ON_BOTH(a_wait_that_fails_is_an_error)
{
    pawl_fault_disarm();
    ck_assert_int_eq(pawl_fault_arm("loop.wait:error=EIO", NULL), 0);
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_loop_step(loop, soon(), &err), -EIO);
    ck_assert_ptr_nonnull(strstr(err.text, "loop: "));
}

TEST_ON_BOTH(a_shortage_in_the_kernel_passes)
{
    pawl_fault_disarm();
    ck_assert_int_eq(pawl_fault_arm("loop.wait:error=EAGAIN@1", NULL), 0);
    int ends[2];
    make_pipe(ends);
    fill(ends[1]);
    struct seen seen = {0};
    uint64_t watch = add_fd(ends[0], POLLIN, &seen);
    ck_assert_int_eq(step(soon()), 1);
    ck_assert_uint_ge(pawl_fault_passages("loop.wait"), 2);
    pawl_loop_remove(loop, watch);
    close_pipe(ends);
}

#define FAULT_TESTS                                                                            \
    , where_an_io_uring_is_refused_the_loop_says_so_and_works, a_wait_that_fails_is_an_error,  \
        a_shortage_in_the_kernel_passes
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("loop", a_ready_descriptor_is_reported_in_each_step_until_it_is_not,
               room_to_write_and_a_hang_up_are_reported, the_end_of_a_process_is_reported,
               a_plain_file_is_always_ready, the_keys_and_the_end_of_a_terminal_are_reported,
               the_other_side_sees_a_close_after_a_removal,
               a_descriptor_closed_too_early_is_reported_once,
               a_descriptor_that_is_not_open_is_refused,
               a_watch_removed_by_another_callback_of_the_step_does_not_call,
               a_removed_watch_whose_event_is_on_its_way_does_not_call,
               a_callback_may_remove_its_own_watch, a_callback_may_add_a_watch,
               the_number_of_watches_is_bounded, in_a_long_mixed_life_the_ready_ones_call,
               a_timer_calls_once_at_its_time,
               a_periodic_timer_keeps_its_schedule_however_late_it_is_served,
               timers_that_are_due_call_in_the_order_of_their_times,
               a_timer_added_by_a_callback_waits_for_the_next_step,
               signals_are_reported_and_the_mask_is_put_back,
               a_callback_may_end_its_watch_between_two_signals,
               signals_that_cannot_be_caught_are_refused, a_callback_may_not_step_its_loop,
               no_memory_is_taken_after_opening,
               closing_calls_nobody_and_leaves_descriptors_open,
               a_loop_without_or_with_too_many_places_is_refused,
               the_largest_loop_serves_all_its_watches, a_loop_says_how_it_waits FAULT_TESTS)
