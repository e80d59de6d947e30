/* Processes that write are killed before and after every call, and at random instants; what
 * they leave is judged. */
#include "runtime/durable.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/linefile.h"
#include "support/scratch.h"
#include "support/test.h"

#define CONTENT_BYTES  ((size_t)256 << 10)
#define VERSION_MODULO 251
#define KILL_COUNT     60
#define LINES_MAX      100000

static struct scratch scratch;
static char path[TEMP_BYTES + 8];
static unsigned char *content;

/* What a child has been told is durable; its parent reads it after the death. */
static _Atomic uint64_t *acknowledged;

static void set_up(void)
{
    scratch_open(&scratch);
    snprintf(path, sizeof(path), "%s/x", scratch.path);
    content = malloc(CONTENT_BYTES);
    acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(content && acknowledged != MAP_FAILED);
}

static void tear_down(void)
{
    free(content);
    munmap((void *)acknowledged, sizeof(*acknowledged));
    scratch_close(&scratch);
}

static uint64_t get_acknowledged(void)
{
    return atomic_load_explicit(acknowledged, memory_order_relaxed); /* waitpid() orders it */
}

static void set_acknowledged(uint64_t value)
{
    atomic_store_explicit(acknowledged, value, memory_order_relaxed);
}

/* Every byte of the content says its version. */
static struct iovec version(uint64_t v)
{
    memset(content, (int)(v % VERSION_MODULO), CONTENT_BYTES);
    return (struct iovec){.iov_base = content, .iov_len = CONTENT_BYTES};
}

static uint64_t version_there(void)
{
    size_t byte_count;
    char *bytes = scratch_read(path, &byte_count);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(byte_count, CONTENT_BYTES);
    for (size_t i = 1; i < byte_count; i++)
        if (bytes[i] != bytes[0])
            ck_abort_msg("byte %zu is of another version", i);
    uint64_t v = (unsigned char)bytes[0];
    free(bytes);
    return v;
}

static void replace_by(uint64_t v)
{
    struct iovec part = version(v);
    ck_assert_int_eq(pawl_durable_replace(pawl_io_sys(), path, &part, 1, NULL), 0);
}

/* True when the child has ended by itself, false when it was killed. */
static bool reap(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        ck_assert_int_eq(WEXITSTATUS(status), 0);
        return true;
    }
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    return false;
}

/* The next program finds its way: leftovers go, and what it writes is there. */
static void assert_recovers(void)
{
    replace_by(3);
    ck_assert_uint_eq(version_there(), 3);
    ck_assert_int_eq(scratch_file_count(&scratch), 1);
}

/* "line 0\nline 1\n..." without a gap; how many. */
static uint64_t count_lines(void)
{
    size_t byte_count;
    char *bytes = scratch_read(path, &byte_count);
    ck_assert_ptr_nonnull(bytes);
    uint64_t count = 0;
    for (const char *at = bytes; *at != '\0'; count++) {
        char text[32];
        int length = snprintf(text, sizeof(text), "line %" PRIu64 "\n", count);
        if (strncmp(at, text, (size_t)length) != 0)
            ck_abort_msg("line %" PRIu64 " is \"%.20s\"", count, at);
        at += length;
    }
    free(bytes);
    return count;
}

static void open_lines(struct pawl_linefile *file)
{
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    struct pawl_err err = {0};
    if (pawl_linefile_open(file, pawl_io_sys(), path, &cfg, &err) != 0)
        _exit(1);
}

static void append_line(struct pawl_linefile *file, uint64_t i)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "line %" PRIu64, i);
    if (pawl_linefile_append(file, text, (size_t)length, NULL) != 0)
        _exit(1);
    set_acknowledged(i + 1);
}

static uint64_t settle_and_count_lines(void)
{
    struct pawl_linefile file;
    open_lines(&file);
    pawl_linefile_close(&file);
    return count_lines();
}

#ifdef PAWL_FAULTS

/* Replaces version 1 by version 2, as a child that dies at the n-th passage of the point. True
 * when it did not come that far. */
static bool die_at(const char *point, int n, enum pawl_io_queue_kind kind)
{
    pid_t pid = fork();
    if (pid != 0)
        return reap(pid);

    char fault[64];
    struct pawl_durable durable;
    struct iovec part = version(2);
    snprintf(fault, sizeof(fault), "%s:kill@%d", point, n);
    if (pawl_fault_arm(fault, NULL) != 0 ||
        pawl_durable_open(&durable, pawl_io_sys(), kind, path, NULL) != 0 ||
        pawl_durable_begin(&durable, &part, 1, NULL) != 0 ||
        pawl_durable_wait(&durable, pawl_clock_now_ns() + 30 * PAWL_NS_PER_S, NULL) !=
            PAWL_DURABLE_DONE)
        _exit(1);
    set_acknowledged(2);
    pawl_durable_close(&durable);
    _exit(0);
}

static void die_at_every(const char *point, enum pawl_io_queue_kind kind, int passages_min)
{
    bool is_done = false, is_old_seen = false, is_new_seen = false;
    int n = 0;

    while (!is_done) {
        replace_by(1);
        set_acknowledged(1);
        is_done = die_at(point, ++n, kind);
        uint64_t found = version_there();
        ck_assert(found == 1 || found == 2);
        ck_assert_uint_ge(found, get_acknowledged());
        is_old_seen |= found == 1;
        is_new_seen |= found == 2;
        assert_recovers();
    }
    ck_assert_int_gt(n, passages_min);
    ck_assert(is_old_seen && is_new_seen);
}

START_TEST(a_kill_before_or_after_any_call_leaves_old_or_new)
{
    set_up();
    die_at_every("io.before", PAWL_IO_QUEUE_INLINE, 10);
    die_at_every("io.after", PAWL_IO_QUEUE_INLINE, 10);
    tear_down();
}
END_TEST

START_TEST(a_kill_in_the_writing_thread_leaves_old_or_new)
{
    set_up();
    die_at_every("io.before", PAWL_IO_QUEUE_THREAD, 10);
    die_at_every("io.after", PAWL_IO_QUEUE_THREAD, 10);
    tear_down();
}
END_TEST

START_TEST(a_kill_between_the_kernels_submissions_leaves_old_or_new)
{
    set_up();
    if (pawl_io_uring_works(NULL, 0)) {
        die_at_every("io.uring.submit", PAWL_IO_QUEUE_URING, 4);
        die_at_every("io.uring.op", PAWL_IO_QUEUE_URING, 7);
    }
    tear_down();
}
END_TEST

START_TEST(a_kill_before_or_after_any_call_keeps_acknowledged_lines)
{
    static const char *const points[] = {"io.before", "io.after"};
    set_up();
    for (int i = 0; i < 2; i++) {
        bool is_done = false;
        for (int n = 1; !is_done; n++) {
            unlink(path);
            set_acknowledged(0);
            pid_t pid = fork();
            if (pid == 0) {
                char fault[64];
                struct pawl_linefile file;
                snprintf(fault, sizeof(fault), "%s:kill@%d", points[i], n);
                if (pawl_fault_arm(fault, NULL) != 0)
                    _exit(2);
                open_lines(&file);
                file.cfg.sync_period_ns = 1;
                for (uint64_t line = 0; line < 3; line++)
                    append_line(&file, line);
                pawl_linefile_close(&file);
                _exit(0);
            }
            is_done = reap(pid);
            uint64_t count = settle_and_count_lines();
            ck_assert(count == get_acknowledged() || count == get_acknowledged() + 1);
            ck_assert(!is_done || n > 10);
        }
    }
    tear_down();
}
END_TEST

#endif

/* Says by the pipe that work begins; its parent kills it at some instant of the next 8 ms. */
static void say_started(int fd)
{
    if (write(fd, "", 1) != 1)
        _exit(3);
}

static void kill_soon(pid_t pid, int pipe_fds[2])
{
    char byte;
    close(pipe_fds[1]);
    ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
    close(pipe_fds[0]);
    struct timespec delay = {.tv_nsec = rand() % 8000000};
    nanosleep(&delay, NULL);
    kill(pid, SIGKILL);
    ck_assert(!reap(pid));
}

static void replace_for_ever(enum pawl_io_queue_kind kind, int started_fd, uint64_t v)
{
    struct pawl_durable durable;
    if (pawl_durable_open(&durable, pawl_io_sys(), kind, path, NULL) != 0)
        _exit(1);
    say_started(started_fd);
    for (;; v++) {
        struct iovec part = version(v);
        if (pawl_durable_begin(&durable, &part, 1, NULL) != 0 ||
            pawl_durable_wait(&durable, pawl_clock_now_ns() + 30 * PAWL_NS_PER_S, NULL) !=
                PAWL_DURABLE_DONE)
            _exit(1);
        set_acknowledged(v);
    }
}

static void kill_at_random(enum pawl_io_queue_kind kind)
{
    replace_by(0);
    set_acknowledged(0);
    for (int i = 0; i < KILL_COUNT; i++) {
        int started[2];
        ck_assert_int_eq(pipe2(started, O_CLOEXEC), 0);
        uint64_t next = get_acknowledged() + 1;
        pid_t pid = fork();
        if (pid == 0)
            replace_for_ever(kind, started[1], next);
        kill_soon(pid, started);

        uint64_t last = get_acknowledged();
        uint64_t found = version_there();
        bool is_last = found == last % VERSION_MODULO;
        ck_assert_msg(is_last || found == (last + 1) % VERSION_MODULO,
                      "version %" PRIu64 " was acknowledged, %" PRIu64 " is there", last,
                      found);
        set_acknowledged(is_last ? last : last + 1);
    }
    ck_assert_uint_gt(get_acknowledged(), 0);
    assert_recovers();
}

START_TEST(a_kill_at_any_instant_of_the_kernels_work_leaves_the_last_or_the_next)
{
    set_up();
    if (pawl_io_uring_works(NULL, 0))
        kill_at_random(PAWL_IO_QUEUE_URING);
    tear_down();
}
END_TEST

START_TEST(a_kill_at_any_instant_of_the_thread_leaves_the_last_or_the_next)
{
    set_up();
    kill_at_random(PAWL_IO_QUEUE_THREAD);
    tear_down();
}
END_TEST

START_TEST(a_kill_at_any_instant_keeps_acknowledged_lines)
{
    set_up();
    for (int i = 0; i < KILL_COUNT; i++) {
        uint64_t count = settle_and_count_lines();
        ck_assert_uint_ge(count, get_acknowledged());
        if (count > LINES_MAX)
            break;
        int started[2];
        ck_assert_int_eq(pipe2(started, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct pawl_linefile file;
            open_lines(&file);
            say_started(started[1]);
            for (;; count++)
                append_line(&file, count);
        }
        kill_soon(pid, started);
    }
    ck_assert_uint_ge(settle_and_count_lines(), get_acknowledged());
    tear_down();
}
END_TEST

#ifdef PAWL_FAULTS
#define FAULT_TESTS                                                                            \
    a_kill_before_or_after_any_call_leaves_old_or_new,                                         \
        a_kill_in_the_writing_thread_leaves_old_or_new,                                        \
        a_kill_between_the_kernels_submissions_leaves_old_or_new,                              \
        a_kill_before_or_after_any_call_keeps_acknowledged_lines,
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN(
    "durable_kill",
    FAULT_TESTS a_kill_at_any_instant_of_the_kernels_work_leaves_the_last_or_the_next,
    a_kill_at_any_instant_of_the_thread_leaves_the_last_or_the_next,
    a_kill_at_any_instant_keeps_acknowledged_lines)
