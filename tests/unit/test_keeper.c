#include "learner/keeper.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_keeper keeper;
static struct pawl_linefile file, metrics;
static struct pawl_io counting;
static _Atomic int sync_count, sync_code, open_code;
static atomic_bool are_syncs_held;

/* A file whose syncs are the keeper's. */
static void open_lines(struct pawl_linefile *lines, const char *name)
{
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    struct pawl_err err = {0};
    cfg.sync_period_ns = 0;
    cfg.syncs = PAWL_LINEFILE_SYNCS_ELSEWHERE;
    ck_assert_msg(
        pawl_linefile_open(lines, pawl_io_sys(), scratch_path(&scratch, name), &cfg, &err) == 0,
        "%s", err.text);
    pawl_keeper_add(&keeper, name, lines);
}

/* A new one with a line. */
static void open_new(struct pawl_linefile *lines, const char *name)
{
    open_lines(lines, name);
    ck_assert_int_eq(pawl_linefile_append(lines, "{}", 2, NULL), 0);
}

/* `text` is in it. */
static void open_file(const char *text)
{
    scratch_write(scratch_path(&scratch, "episodes.jsonl"), text, strlen(text));
    open_lines(&file, "episodes.jsonl");
}

static int count_sync(struct pawl_io *io, int fd)
{
    (void)io;
    if (fd < 0)
        return -EBADF; /* of a file that is not there */
    sync_count++;
    while (atomic_load(&are_syncs_held))
        usleep(100);
    int code = atomic_exchange(&sync_code, 0);
    return code ? code : pawl_io_sys()->sync(pawl_io_sys(), fd);
}

static int open_or_fail(struct pawl_io *io, int folder, const char *name, int flags,
                        mode_t mode)
{
    (void)io;
    int code = atomic_exchange(&open_code, 0);
    return code ? code : pawl_io_sys()->open(pawl_io_sys(), folder, name, flags, mode);
}

static void open_all(void)
{
    scratch_open(&scratch);
    sync_count = sync_code = open_code = 0;
    atomic_store(&are_syncs_held, false);
    counting = *pawl_io_sys();
    counting.name = "counting";
    counting.sync = count_sync;
    counting.open = open_or_fail;
    ck_assert_int_eq(pawl_keeper_open(&keeper, &counting, scratch.path, 1000, NULL), 0);
    open_new(&file, "episodes.jsonl");
}

/* Polls at that time until nothing is under way. */
static void poll_at(uint64_t now_ns)
{
    pawl_keeper_poll(&keeper, now_ns);
    for (int i = 0; i < 10000 && keeper.is_syncing; i++) {
        usleep(1000);
        pawl_keeper_poll(&keeper, keeper.begun_ns);
    }
    ck_assert(!keeper.is_syncing);
}

static void close_all(void)
{
    ck_assert_int_eq(pawl_keeper_close(&keeper, pawl_clock_now_ns() + 20 * PAWL_NS_PER_S), 0);
    pawl_linefile_close(&file);
    scratch_close(&scratch);
}

START_TEST(what_is_there_is_synced_once_in_a_period)
{
    open_all();
    uint64_t now_ns = keeper.begun_ns;
    poll_at(now_ns + 999);
    ck_assert_int_eq(sync_count, 0);
    poll_at(now_ns + 1000);
    ck_assert_int_eq(sync_count, 1);
    ck_assert_uint_eq(file.synced_bytes, 3);
    ck_assert(!file.is_sync_lost);
    poll_at(now_ns + 1999);
    ck_assert_int_eq(sync_count, 1);
    poll_at(now_ns + 2000);
    ck_assert_int_eq(sync_count, 2);
    close_all();
}
END_TEST

START_TEST(after_a_failure_it_does_not_pretend)
{
    open_all();
    sync_code = -EIO;
    poll_at(keeper.begun_ns + 1000);
    ck_assert(file.is_sync_lost);
    poll_at(keeper.begun_ns + 1000);
    ck_assert_int_eq(sync_count, 1);
    close_all();
}
END_TEST

START_TEST(a_failed_sync_of_one_file_ends_those_of_no_other)
{
    open_all();
    open_new(&metrics, "metrics.jsonl");
    sync_code = -EIO; /* of the first that is synced */
    poll_at(keeper.begun_ns + 1000);
    ck_assert_int_eq(sync_count, 2);
    ck_assert(file.is_sync_lost);
    ck_assert(!metrics.is_sync_lost);
    ck_assert_int_eq(pawl_linefile_append(&metrics, "{}", 2, NULL), 0);
    poll_at(keeper.begun_ns + 1000);
    ck_assert_int_eq(sync_count, 3);
    ck_assert_uint_eq(metrics.synced_bytes, 6);
    pawl_keeper_remove(&keeper, &metrics);
    pawl_linefile_close(&metrics);
    close_all();
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_is_tried_again_in_the_next_period)
{
    open_all();
    ck_assert_int_eq(pawl_linefile_cut(&file, 0, NULL), 0); /* lines wait */
    open_code = -EMFILE;
    poll_at(keeper.begun_ns);
    ck_assert_int_eq(sync_count, 0);
    ck_assert(!file.is_sync_lost);
    ck_assert_int_eq(pawl_linefile_append(&file, "{}", 2, NULL), -EAGAIN);
    poll_at(keeper.begun_ns + 999);
    ck_assert_int_eq(sync_count, 0);
    poll_at(keeper.begun_ns + 1000);
    ck_assert_int_eq(sync_count, 1);
    ck_assert_int_eq(pawl_linefile_append(&file, "{}", 2, NULL), 0);
    close_all();
}
END_TEST

START_TEST(a_sync_that_was_not_tried_condemns_no_file)
{
    static const int codes[] = {-ECANCELED, -EINTR};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        open_all();
        sync_code = codes[i];
        poll_at(keeper.begun_ns + 1000);
        ck_assert(!file.is_sync_lost);
        ck_assert_uint_eq(file.synced_bytes, 0);
        poll_at(keeper.begun_ns + 1000);
        ck_assert_uint_eq(file.synced_bytes, 3);
        close_all();
    }
}
END_TEST

START_TEST(who_waits_at_the_end_has_what_cannot_be_opened_tried_again_at_once)
{
    open_all();
    ck_assert_int_eq(pawl_linefile_cut(&file, 0, NULL), 0);
    open_code = -EMFILE;
    for (int i = 0; i < 3; i++)
        pawl_keeper_wait(&keeper, pawl_clock_now_ns() + 20 * PAWL_NS_PER_S);
    ck_assert_int_eq(pawl_linefile_append(&file, "{}", 2, NULL), 0);
    close_all();
}
END_TEST

START_TEST(the_kernels_own_queue_does_the_same)
{
    scratch_open(&scratch);
    ck_assert_int_eq(pawl_keeper_open(&keeper, pawl_io_sys(), scratch.path, 1000, NULL), 0);
    open_file("{}\n");
    poll_at(keeper.begun_ns + 1000);
    ck_assert_uint_eq(keeper.sync_count, 1);
    ck_assert(!file.is_sync_lost);
    close_all();
}
END_TEST

#ifdef PAWL_FAULTS
START_TEST(a_submission_that_the_kernel_refuses_condemns_no_file)
{
    scratch_open(&scratch);
    ck_assert_int_eq(pawl_keeper_open(&keeper, pawl_io_sys(), scratch.path, 1000, NULL), 0);
    open_file("{}\n"); /* lines wait */
    ck_assert_int_eq(pawl_fault_arm("io.uring.submit:error=EAGAIN@1", NULL), 0);
    poll_at(keeper.begun_ns);
    pawl_fault_disarm();
    ck_assert(!file.is_sync_lost);
    poll_at(keeper.begun_ns + 1000);
    ck_assert_int_eq(pawl_linefile_append(&file, "{}", 2, NULL), 0);
    ck_assert_uint_eq(keeper.sync_count, 1);
    close_all();
}
END_TEST
#define FAULT_TESTS , a_submission_that_the_kernel_refuses_condemns_no_file
#else
#define FAULT_TESTS
#endif

START_TEST(a_line_waits_until_the_end_before_it_is_cut_off_for_good)
{
    open_all();
    pawl_keeper_remove(&keeper, &file);
    pawl_linefile_close(&file);
    atomic_store(&are_syncs_held, true);
    open_file("{}\n{\"torn");
    scratch_expect(scratch_path(&scratch, "episodes.jsonl"), "{}\n");
    ck_assert_int_eq(pawl_linefile_append(&file, "{1}", 3, NULL), -EAGAIN);
    pawl_keeper_poll(&keeper, keeper.begun_ns); /* before its period is over */
    ck_assert(keeper.is_syncing);
    ck_assert_int_eq(pawl_linefile_append(&file, "{1}", 3, NULL), -EAGAIN);
    scratch_expect(scratch_path(&scratch, "episodes.jsonl"), "{}\n");
    atomic_store(&are_syncs_held, false);
    poll_at(keeper.begun_ns);
    ck_assert_int_eq(pawl_linefile_append(&file, "{1}", 3, NULL), 0);
    scratch_expect(scratch_path(&scratch, "episodes.jsonl"), "{}\n{1}\n");
    close_all();
}
END_TEST

START_TEST(after_a_failure_nobody_waits)
{
    open_all();
    sync_code = -EIO;
    ck_assert_int_eq(pawl_linefile_cut(&file, 0, NULL), 0);
    poll_at(keeper.begun_ns);
    ck_assert_int_eq(pawl_linefile_append(&file, "{1}", 3, NULL), 0);
    ck_assert(file.is_sync_lost);
    close_all();
}
END_TEST

START_TEST(a_disk_that_does_not_answer_is_not_waited_for_at_the_end)
{
    open_all();
    char told[1024] = "";
    open_new(&metrics, "metrics.jsonl");
    atomic_store(&are_syncs_held, true);
    int told_fds[2];
    ck_assert_int_eq(pipe(told_fds), 0);
    ck_assert_int_eq(dup2(told_fds[1], STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(pawl_keeper_close(&keeper, pawl_clock_now_ns() + PAWL_NS_PER_MS),
                     -ETIMEDOUT);
    ck_assert_int_gt(read(told_fds[0], told, sizeof(told) - 1), 0);
    ck_assert_ptr_nonnull(strstr(told, "files=episodes.jsonl,metrics.jsonl"));
    pawl_linefile_close(&metrics);
    pawl_linefile_close(&file);
    scratch_close(&scratch);
    atomic_store(&are_syncs_held, false);
}
END_TEST

PAWL_TEST_MAIN("keeper", what_is_there_is_synced_once_in_a_period,
               after_a_failure_it_does_not_pretend,
               a_failed_sync_of_one_file_ends_those_of_no_other,
               a_file_that_cannot_be_opened_is_tried_again_in_the_next_period,
               a_sync_that_was_not_tried_condemns_no_file,
               who_waits_at_the_end_has_what_cannot_be_opened_tried_again_at_once,
               the_kernels_own_queue_does_the_same,
               a_line_waits_until_the_end_before_it_is_cut_off_for_good,
               after_a_failure_nobody_waits,
               a_disk_that_does_not_answer_is_not_waited_for_at_the_end FAULT_TESTS)
