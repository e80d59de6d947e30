#include "learner/keeper.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_keeper keeper;
static struct pawl_linefile file;
static struct pawl_io counting;
static _Atomic int sync_count, sync_code;
static atomic_bool are_syncs_held;

/* A file whose syncs are the keeper's; `text` is in it. */
static void open_file(const char *text)
{
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    struct pawl_err err = {0};
    const char *path = scratch_path(&scratch, "episodes.jsonl");
    cfg.sync_period_ns = 0;
    cfg.syncs = PAWL_LINEFILE_SYNCS_ELSEWHERE;
    scratch_write(path, text, strlen(text));
    ck_assert_msg(pawl_linefile_open(&file, pawl_io_sys(), path, &cfg, &err) == 0, "%s",
                  err.text);
    pawl_keeper_add(&keeper, "episodes.jsonl", &file);
}

static int count_sync(struct pawl_io *io, int fd)
{
    (void)io;
    if (fd < 0)
        return -EBADF; /* of a file that is not there */
    sync_count++;
    while (atomic_load(&are_syncs_held))
        usleep(100);
    return sync_code ? sync_code : pawl_io_sys()->sync(pawl_io_sys(), fd);
}

static void open_all(void)
{
    scratch_open(&scratch);
    sync_count = sync_code = 0;
    atomic_store(&are_syncs_held, false);
    counting = *pawl_io_sys();
    counting.name = "counting";
    counting.sync = count_sync;
    ck_assert_int_eq(pawl_keeper_open(&keeper, &counting, scratch.path, 1000, NULL), 0);
    open_file("{}\n");
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
    ck_assert(!keeper.has_failed);
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
    ck_assert(keeper.has_failed);
    poll_at(keeper.begun_ns + 1000);
    ck_assert_int_eq(sync_count, 1);
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
    ck_assert(!keeper.has_failed);
    close_all();
}
END_TEST

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
    atomic_store(&are_syncs_held, true);
    ck_assert_int_eq(pawl_keeper_close(&keeper, pawl_clock_now_ns() + PAWL_NS_PER_MS),
                     -ETIMEDOUT);
    pawl_linefile_close(&file);
    scratch_close(&scratch);
    atomic_store(&are_syncs_held, false);
}
END_TEST

PAWL_TEST_MAIN("keeper", what_is_there_is_synced_once_in_a_period,
               after_a_failure_it_does_not_pretend, the_kernels_own_queue_does_the_same,
               a_line_waits_until_the_end_before_it_is_cut_off_for_good,
               after_a_failure_nobody_waits,
               a_disk_that_does_not_answer_is_not_waited_for_at_the_end)
