#include "learner/keeper.h"

#include <errno.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_keeper keeper;
static struct pawl_io counting;
static _Atomic int sync_count, sync_code;

static int count_sync(struct pawl_io *io, int fd)
{
    (void)io;
    if (fd < 0)
        return -EBADF; /* of a file that is not there */
    sync_count++;
    return sync_code ? sync_code : pawl_io_sys()->sync(pawl_io_sys(), fd);
}

static void open_all(void)
{
    scratch_open(&scratch);
    sync_count = sync_code = 0;
    scratch_write(scratch_path(&scratch, "episodes.jsonl"), "{}\n", 3);
    counting = *pawl_io_sys();
    counting.name = "counting";
    counting.sync = count_sync;
    ck_assert_int_eq(pawl_keeper_open(&keeper, &counting, scratch.path, 1000, NULL), 0);
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
    pawl_keeper_close(&keeper);
    scratch_close(&scratch);
}

START_TEST(what_is_there_is_synced_once_in_a_period)
{
    open_all();
    uint64_t now_ns = keeper.begun_ns;
    poll_at(now_ns + 999);
    ck_assert_int_eq(sync_count, 0);
    poll_at(now_ns + 1000);
    ck_assert_int_eq(sync_count, 1); /* there is no metrics.jsonl */
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
    scratch_write(scratch_path(&scratch, "episodes.jsonl"), "{}\n", 3);
    ck_assert_int_eq(pawl_keeper_open(&keeper, pawl_io_sys(), scratch.path, 1000, NULL), 0);
    poll_at(keeper.begun_ns + 1000);
    ck_assert_uint_eq(keeper.sync_count, 1);
    ck_assert(!keeper.has_failed);
    close_all();
}
END_TEST

PAWL_TEST_MAIN("keeper", what_is_there_is_synced_once_in_a_period,
               after_a_failure_it_does_not_pretend, the_kernels_own_queue_does_the_same)
