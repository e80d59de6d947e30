#include "runtime/durable.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/io_faulty.h"
#include "runtime/io_mem.h"
#include "support/scratch.h"
#include "support/test.h"

static const char old_text[] = "the old content";
static const char new_text[] = "the new content, which is longer than the old";

static const enum pawl_io_queue_kind kinds[] = {PAWL_IO_QUEUE_URING, PAWL_IO_QUEUE_THREAD,
                                                PAWL_IO_QUEUE_INLINE};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static bool can_run(enum pawl_io_queue_kind kind)
{
    return kind != PAWL_IO_QUEUE_URING || pawl_io_uring_works(NULL, 0);
}

static struct iovec part_of(const char *text)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
}

static int replace(struct pawl_io *io, const char *path, const char *text)
{
    struct iovec part = part_of(text);
    struct pawl_err err = {0};
    return pawl_durable_replace(io, path, &part, 1, &err);
}

static enum pawl_durable_state finish(struct pawl_durable *durable, struct pawl_err *err)
{
    return pawl_durable_wait(durable, pawl_clock_now_ns() + 30 * PAWL_NS_PER_S, err);
}

/* 0: old, 1: new; anything else fails. Reads with the table given. */
static int content_of(struct pawl_io *io, const char *path)
{
    char bytes[sizeof(old_text) + sizeof(new_text)];
    int fd = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY, 0);
    ck_assert_int_ge(fd, 0);
    int64_t count = pawl_io_read_up_to(io, fd, bytes, sizeof(bytes), 0);
    pawl_io_close(io, fd);
    if (count == (int64_t)strlen(old_text) && memcmp(bytes, old_text, (size_t)count) == 0)
        return 0;
    ck_assert_int_eq(count, (int64_t)strlen(new_text));
    ck_assert_int_eq(memcmp(bytes, new_text, (size_t)count), 0);
    return 1;
}

START_TEST(every_runner_replaces_the_content)
{
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");

    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct pawl_durable durable;
        struct pawl_err err = {0};
        if (!can_run(kinds[i]))
            continue;
        scratch_write(path, old_text, strlen(old_text));
        ck_assert_int_eq(pawl_durable_open(&durable, pawl_io_sys(), kinds[i], path, &err), 0);
        struct iovec parts[] = {part_of("one,"), part_of(""), part_of("two")};
        ck_assert_int_eq(pawl_durable_begin(&durable, parts, 3, &err), 0);
        ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_DONE);
        ck_assert_int_eq(pawl_durable_poll(&durable, &err), PAWL_DURABLE_IDLE);
        scratch_expect(path, "one,two");
        ck_assert_int_eq(pawl_durable_begin(&durable, NULL, 0, &err), 0);
        ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_DONE);
        scratch_expect(path, "");
        ck_assert_uint_eq(durable.done_count, 2);
        pawl_durable_close(&durable);
        ck_assert_int_eq(scratch_file_count(&scratch), 1);
    }
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_path_without_a_folder_is_in_the_working_directory)
{
    struct scratch scratch;
    scratch_open(&scratch);
    ck_assert_int_eq(chdir(scratch.path), 0);
    ck_assert_int_eq(replace(pawl_io_sys(), "x", new_text), 0);
    scratch_expect("x", new_text);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_second_begin_is_busy_until_the_result_is_taken)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_durable durable;
    struct pawl_err err = {0};
    struct iovec part = part_of(new_text);
    ck_assert_int_eq(pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_THREAD,
                                       scratch_path(&scratch, "x"), &err),
                     0);
    ck_assert_int_eq(pawl_durable_begin(&durable, &part, 1, &err), 0);
    ck_assert_int_eq(pawl_durable_begin(&durable, &part, 1, &err), -EBUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "in flight"));
    ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_DONE);
    ck_assert_int_eq(pawl_durable_begin(&durable, &part, 1, &err), 0);
    pawl_durable_close(&durable);
    scratch_close(&scratch);
}
END_TEST

START_TEST(close_in_flight_leaves_old_or_new_and_no_temporary_file)
{
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    int fd_count = temp_fd_count();

    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct pawl_durable durable;
        struct pawl_err err = {0};
        if (!can_run(kinds[i]))
            continue;
        scratch_write(path, old_text, strlen(old_text));
        ck_assert_int_eq(pawl_durable_open(&durable, pawl_io_sys(), kinds[i], path, &err), 0);
        struct iovec part = part_of(new_text);
        ck_assert_int_eq(pawl_durable_begin(&durable, &part, 1, &err), 0);
        pawl_durable_close(&durable);
        pawl_durable_close(&durable);
        content_of(pawl_io_sys(), path);
        ck_assert_int_eq(scratch_file_count(&scratch), 1);
    }
    ck_assert_int_eq(temp_fd_count(), fd_count);
    scratch_close(&scratch);
}
END_TEST

START_TEST(open_removes_the_leftovers_of_its_own_path_only)
{
    struct scratch scratch;
    scratch_open(&scratch);
    static const char *const names[] = {
        ".x.0123456789abcdef.pawl-tmp",  /* ours */
        ".xy.0123456789abcdef.pawl-tmp", /* of another path */
        ".x.0123456789abcde.pawl-tmp",   /* 15 digits */
        ".x.0123456789abcdeg.pawl-tmp",  /* not a digit */
        "x.0123456789abcdef.pawl-tmp",   /* no dot */
        ".pawl-tmp",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        scratch_write(scratch_path(&scratch, names[i]), "", 0);

    struct pawl_durable durable;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_INLINE,
                                       scratch_path(&scratch, "x"), &err),
                     0);
    ck_assert_uint_eq(durable.leftover_count, 1);
    ck_assert_int_ne(access(scratch_path(&scratch, names[0]), F_OK), 0);
    ck_assert_int_eq(scratch_file_count(&scratch), 5);
    pawl_durable_close(&durable);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    struct pawl_durable durable;
    struct pawl_err err = {0};
    ck_assert_int_eq(replace(pawl_io_sys(), "/nowhere/at/all/x", ""), -ENOENT);
    ck_assert_int_eq(
        pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_INLINE, "/nowhere/x", &err),
        -ENOENT);
    ck_assert_str_eq(err.text, "open folder /nowhere: No such file or directory");
    ck_assert_int_eq(replace(pawl_io_sys(), "/tmp/", ""), -EISDIR);

    char name[PAWL_DURABLE_NAME_MAX + 8] = "/tmp/";
    memset(name + 5, 'a', PAWL_DURABLE_NAME_MAX + 1);
    err = (struct pawl_err){0};
    ck_assert_int_eq(
        pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_INLINE, name, &err),
        -ENAMETOOLONG);
    ck_assert_ptr_nonnull(strstr(err.text, "229 bytes, at most 228"));
}
END_TEST

START_TEST(too_many_parts_are_refused_with_the_rule)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_durable durable;
    struct pawl_err err = {0};
    struct iovec parts[PAWL_DURABLE_PARTS_MAX + 1] = {{0}};
    ck_assert_int_eq(pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_INLINE,
                                       scratch_path(&scratch, "x"), &err),
                     0);
    ck_assert_int_eq(pawl_durable_begin(&durable, parts, PAWL_DURABLE_PARTS_MAX + 1, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "17 parts, at most 16"));
    pawl_durable_close(&durable);
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_calls_are_in_the_order_that_makes_it_durable)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_faulty faulty;
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    ck_assert_int_eq(replace(&faulty.io, scratch_path(&scratch, "x"), new_text), 0);

    static const enum pawl_io_call expected[] = {
        PAWL_IO_CALL_OPEN,        PAWL_IO_CALL_LIST, /* the folder */
        PAWL_IO_CALL_OPEN,        PAWL_IO_CALL_ALLOCATE, PAWL_IO_CALL_WRITE,
        PAWL_IO_CALL_SYNC,        PAWL_IO_CALL_CLOSE,    PAWL_IO_CALL_RENAME,
        PAWL_IO_CALL_SYNC_FOLDER, PAWL_IO_CALL_CLOSE, /* the folder */
    };
    ck_assert_uint_eq(faulty.call_count, sizeof(expected) / sizeof(expected[0]));
    for (uint64_t i = 0; i < faulty.call_count; i++)
        ck_assert_str_eq(pawl_io_call_name(faulty.trace[i].call),
                         pawl_io_call_name(expected[i]));
    scratch_close(&scratch);
}
END_TEST

/* A sync that failed is the last one its file has seen. */
static void assert_condemned(const struct pawl_io_faulty *faulty)
{
    uint64_t count =
        faulty->call_count < PAWL_IO_TRACE_MAX ? faulty->call_count : PAWL_IO_TRACE_MAX;
    for (uint64_t i = 0; i < count; i++) {
        if (faulty->trace[i].call != PAWL_IO_CALL_SYNC || faulty->trace[i].result == 0)
            continue;
        for (uint64_t j = i + 1; j < count; j++) {
            if (faulty->trace[j].fd != faulty->trace[i].fd)
                continue;
            if (faulty->trace[j].call == PAWL_IO_CALL_OPEN)
                break; /* another file with the number */
            ck_assert_int_eq(faulty->trace[j].call, PAWL_IO_CALL_CLOSE);
        }
    }
}

static const int codes[] = {EIO, ENOSPC, EINTR, EAGAIN, EOPNOTSUPP, EINVAL};
#define CODE_COUNT (sizeof(codes) / sizeof(codes[0]))

/* Every call of the replacement fails with every code, once and for ever, with whole and with
 * short writes. */
static void fail_every_call(struct pawl_io_faulty *faulty, const char *path,
                            const struct scratch *scratch, size_t write_bytes_max)
{
    faulty->write_bytes_max = write_bytes_max;
    pawl_io_faulty_arm(faulty, 0, 0, PAWL_IO_ONCE);
    ck_assert_int_eq(replace(&faulty->io, path, new_text), 0);
    uint64_t clean_count = faulty->call_count;
    int fd_count = temp_fd_count();

    for (uint64_t n = 1; n <= clean_count; n++) {
        for (size_t i = 0; i < 2 * CODE_COUNT; i++) {
            int code = codes[i / 2];
            enum pawl_io_persistence persistence = i % 2 ? PAWL_IO_FOR_EVER : PAWL_IO_ONCE;
            scratch_write(path, old_text, strlen(old_text));
            pawl_io_faulty_arm(faulty, n, code, persistence);
            int result = replace(&faulty->io, path, new_text);

            int content = content_of(pawl_io_sys(), path);
            ck_assert(result != 0 || content == 1);
            ck_assert_int_eq(temp_fd_count(), fd_count);
            assert_condemned(faulty);
            if (code == EINTR && persistence == PAWL_IO_ONCE)
                ck_assert_int_eq(result, 0); /* a signal is no reason to fail */
            if (persistence == PAWL_IO_ONCE)
                ck_assert_int_eq(scratch_file_count(scratch), 1);

            pawl_io_faulty_arm(faulty, 0, 0, PAWL_IO_ONCE);
            ck_assert_int_eq(replace(&faulty->io, path, new_text), 0);
            ck_assert_int_eq(content_of(pawl_io_sys(), path), 1);
            ck_assert_int_eq(scratch_file_count(scratch), 1);
        }
    }
}

START_TEST(whatever_call_fails_the_old_or_the_new_content_is_there)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_faulty faulty;
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    fail_every_call(&faulty, scratch_path(&scratch, "x"), &scratch, 0);
    fail_every_call(&faulty, scratch_path(&scratch, "x"), &scratch, 10);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_failure_on_the_way_back_too_leaves_old_or_new)
{
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    struct pawl_io_faulty inner, outer; /* the two count the same calls */
    pawl_io_faulty_open(&inner, pawl_io_sys());
    pawl_io_faulty_open(&outer, &inner.io);
    int fd_count = temp_fd_count();

    for (uint64_t first = 1; first <= 12; first++) {
        for (uint64_t second = first; second <= 14; second++) {
            scratch_write(path, old_text, strlen(old_text));
            pawl_io_faulty_arm(&outer, first, EIO, PAWL_IO_ONCE);
            pawl_io_faulty_arm(&inner, second, ENOSPC, PAWL_IO_ONCE);
            int result = replace(&outer.io, path, new_text);
            ck_assert(content_of(pawl_io_sys(), path) == 1 || result != 0);
            ck_assert_int_eq(temp_fd_count(), fd_count);
        }
    }
    scratch_close(&scratch);
}
END_TEST

static int64_t write_nothing(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                             uint64_t offset_bytes)
{
    (void)io;
    (void)fd;
    (void)bytes;
    (void)byte_count;
    (void)offset_bytes;
    return 0;
}

START_TEST(a_write_that_moves_nothing_ends_the_attempt)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io io = *pawl_io_sys();
    io.write = write_nothing;
    ck_assert_int_eq(replace(&io, scratch_path(&scratch, "x"), new_text), -EIO);
    ck_assert_int_eq(scratch_file_count(&scratch), 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_thread_runner_survives_every_failure_too)
{
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    struct pawl_io_faulty faulty;
    struct pawl_durable durable;
    struct pawl_err err = {0};
    struct iovec part = part_of(new_text);
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    ck_assert_int_eq(pawl_durable_open(&durable, &faulty.io, PAWL_IO_QUEUE_AUTO, path, &err),
                     0);
    ck_assert_str_eq(pawl_io_queue_name(&durable.queue), "thread");

    for (uint64_t n = 1; n <= 7; n++) {
        scratch_write(path, old_text, strlen(old_text));
        pawl_io_faulty_arm(&faulty, n, EIO, PAWL_IO_ONCE);
        ck_assert_int_eq(pawl_durable_begin(&durable, &part, 1, &err), 0);
        err = (struct pawl_err){0};
        bool is_done = n == 5; /* the close, by when all is on the disk */
        enum pawl_durable_state state = finish(&durable, &err);
        ck_assert_int_eq(state, is_done ? PAWL_DURABLE_DONE : PAWL_DURABLE_FAILED);
        ck_assert_int_eq(err.code, is_done ? 0 : EIO);
        ck_assert_int_eq(content_of(pawl_io_sys(), path), is_done || n == 7);
        ck_assert_int_eq(scratch_file_count(&scratch), 1);
    }
    ck_assert_uint_eq(durable.failed_count, 6);
    pawl_durable_close(&durable);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_failure_says_what_failed_and_what_it_means)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_faulty faulty;
    struct pawl_durable durable;
    struct pawl_err err = {0};
    struct iovec part = part_of(new_text);
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    ck_assert_int_eq(pawl_durable_open(&durable, &faulty.io, PAWL_IO_QUEUE_INLINE,
                                       scratch_path(&scratch, "x"), &err),
                     0);
    pawl_io_faulty_arm(&faulty, 2, ENOSPC, PAWL_IO_ONCE);
    pawl_durable_begin(&durable, &part, 1, &err);
    ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_FAILED);
    ck_assert_str_eq(err.text, "x of 45 bytes: allocate: No space left on device");

    err = (struct pawl_err){0};
    pawl_io_faulty_arm(&faulty, 7, EIO, PAWL_IO_ONCE);
    pawl_durable_begin(&durable, &part, 1, &err);
    ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_FAILED);
    ck_assert_ptr_nonnull(strstr(err.text, "may not survive a power cut"));
    pawl_durable_close(&durable);
    scratch_close(&scratch);
}
END_TEST

/* io_uring: the error is injected into the chain that the kernel runs. */
START_TEST(whatever_operation_of_the_kernels_chain_fails_old_or_new_is_there)
{
#ifdef PAWL_FAULTS
    if (!can_run(PAWL_IO_QUEUE_URING))
        return;
    struct scratch scratch;
    scratch_open(&scratch);
    const char *path = scratch_path(&scratch, "x");
    static const char *const names[] = {"EIO", "ENOSPC", "EINTR"};
    for (int n = 1; n <= 8; n++) {
        for (int i = 0; i < 6; i++) {
            struct pawl_durable durable;
            struct pawl_err err = {0};
            struct iovec part = part_of(new_text);
            char fault[64];
            scratch_write(path, old_text, strlen(old_text));
            ck_assert_int_eq(
                pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_URING, path, &err), 0);
            snprintf(fault, sizeof(fault), "io.uring.op:error=%s@%d%s", names[i / 2], n,
                     i % 2 ? "+" : "");
            ck_assert_int_eq(pawl_fault_arm(fault, &err), 0);
            pawl_durable_begin(&durable, &part, 1, &err);
            enum pawl_durable_state state = finish(&durable, &err);
            pawl_fault_disarm();
            ck_assert_int_ne(state, PAWL_DURABLE_BUSY);

            int content = content_of(pawl_io_sys(), path);
            ck_assert(state != PAWL_DURABLE_DONE || content == 1);
            if (i % 2 == 0)
                ck_assert_int_eq(scratch_file_count(&scratch), 1);
            if (i == 0) /* a rename comes after a good sync or not at all */
                ck_assert_int_eq(content, n == 5 || n >= 7);
            if (i == 4)
                ck_assert_int_eq(state, PAWL_DURABLE_DONE);
            err = (struct pawl_err){0};
            ck_assert_int_eq(pawl_durable_begin(&durable, &part, 1, &err), 0);
            ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_DONE);
            ck_assert_int_eq(content_of(pawl_io_sys(), path), 1);
            pawl_durable_close(&durable);
        }
    }
    scratch_close(&scratch);
#endif
}
END_TEST

START_TEST(a_short_write_in_the_kernels_chain_is_finished)
{
#ifdef PAWL_FAULTS
    if (!can_run(PAWL_IO_QUEUE_URING))
        return;
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_durable durable;
    struct pawl_err err = {0};
    struct iovec parts[] = {part_of("first,"), part_of(new_text)};
    ck_assert_int_eq(pawl_durable_open(&durable, pawl_io_sys(), PAWL_IO_QUEUE_URING,
                                       scratch_path(&scratch, "x"), &err),
                     0);
    ck_assert_int_eq(pawl_fault_arm("io.uring.short:error=EIO@1", &err), 0);
    ck_assert_int_eq(pawl_durable_begin(&durable, parts, 2, &err), 0);
    ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_DONE);
    pawl_fault_disarm();
    ck_assert_uint_eq(durable.short_write_count, 1);
    char expected[128];
    snprintf(expected, sizeof(expected), "first,%s", new_text);
    scratch_expect(scratch_path(&scratch, "x"), expected);
    pawl_durable_close(&durable);
    scratch_close(&scratch);
#endif
}
END_TEST

static struct pawl_io_mem mem;

static const enum pawl_io_cut cuts[] = {PAWL_IO_CUT_SYNCED, PAWL_IO_CUT_PREFIX,
                                        PAWL_IO_CUT_SUBSET, PAWL_IO_CUT_ALL};
#define CUT_COUNT (sizeof(cuts) / sizeof(cuts[0]))

static int count_name(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

static int name_count(struct pawl_io *io, const char *path)
{
    int count = 0, folder = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_eq(pawl_io_list(io, folder, count_name, &count), 0);
    pawl_io_close(io, folder);
    return count;
}

START_TEST(a_power_cut_after_any_call_leaves_old_or_new)
{
    bool is_old_seen = false, is_new_seen = false;

    for (uint64_t n = 0; n <= 12; n++) {
        for (uint64_t seed = 0; seed < 20 * CUT_COUNT; seed++) {
            pawl_io_mem_open(&mem);
            ck_assert_int_eq(replace(&mem.io, "run/x", old_text), 0);
            pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);

            pawl_io_mem_cut_after(&mem, n);
            int result = replace(&mem.io, "run/x", new_text);
            ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0);
            pawl_io_mem_restart(&mem, cuts[seed % CUT_COUNT], seed);
            int content = content_of(&mem.io, "run/x");
            ck_assert(result != 0 || content == 1);
            is_old_seen |= content == 0;
            is_new_seen |= content == 1;

            /* The next program finds its way, leftovers included. */
            ck_assert_int_eq(replace(&mem.io, "run/x", new_text), 0);
            ck_assert_int_eq(name_count(&mem.io, "run"), 1);
            pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
            ck_assert_int_eq(content_of(&mem.io, "run/x"), 1);
            pawl_io_mem_close(&mem);
        }
    }
    ck_assert(is_old_seen && is_new_seen);
}
END_TEST

START_TEST(a_sync_that_lost_pages_is_never_trusted_again)
{
    struct pawl_durable durable;
    struct pawl_err err = {0};
    struct iovec part = part_of(new_text);
    pawl_io_mem_open(&mem);
    ck_assert_int_eq(pawl_durable_open(&durable, &mem.io, PAWL_IO_QUEUE_INLINE, "run/x", &err),
                     0);
    mem.fail_sync_at = 1;
    pawl_durable_begin(&durable, &part, 1, &err);
    ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_FAILED);
    pawl_durable_begin(&durable, &part, 1, &err);
    ck_assert_int_eq(finish(&durable, &err), PAWL_DURABLE_DONE);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    ck_assert_int_eq(content_of(&mem.io, "run/x"), 1);
    pawl_durable_close(&durable);
    pawl_io_mem_close(&mem);
}
END_TEST

PAWL_TEST_MAIN("durable", every_runner_replaces_the_content,
               a_path_without_a_folder_is_in_the_working_directory,
               a_second_begin_is_busy_until_the_result_is_taken,
               close_in_flight_leaves_old_or_new_and_no_temporary_file,
               open_removes_the_leftovers_of_its_own_path_only, what_cannot_be_opened_is_named,
               too_many_parts_are_refused_with_the_rule,
               the_calls_are_in_the_order_that_makes_it_durable,
               whatever_call_fails_the_old_or_the_new_content_is_there,
               a_failure_on_the_way_back_too_leaves_old_or_new,
               a_write_that_moves_nothing_ends_the_attempt,
               the_thread_runner_survives_every_failure_too,
               a_failure_says_what_failed_and_what_it_means,
               whatever_operation_of_the_kernels_chain_fails_old_or_new_is_there,
               a_short_write_in_the_kernels_chain_is_finished,
               a_power_cut_after_any_call_leaves_old_or_new,
               a_sync_that_lost_pages_is_never_trusted_again)
