/* Checkpoints on a disk that forgets what was not synced, and on one whose calls fail. */
#include "learner/checkpoint.h"

#include "runtime/io_faulty.h"
#include "runtime/io_mem.h"
#include "support/checkpoint_rig.h"
#include "support/test.h"

#define RUN "runs/x"

static struct pawl_io_mem mem;
static struct rig rig;
static struct pawl_err err;
static struct pawl_checkpoint_info info;

static struct pawl_checkpoint_setup setup_on(struct pawl_io *io)
{
    return rig_setup(io, PAWL_IO_QUEUE_INLINE, RUN);
}

/* Opens and saves the steps 1 to `count`, the last of them twice; the last that was reported as
 * done, or 0. */
static uint64_t save_some(uint64_t count)
{
    struct pawl_checkpoint_setup setup = setup_on(&mem.io);
    uint64_t done_step = 0;
    if (rig_open(&rig, &setup, NULL) == 0)
        for (uint64_t step = 1; step <= count + 1; step++) {
            uint64_t number = step <= count ? step : count;
            if (rig_save(&rig, number, NAN, NULL) == PAWL_CHECKPOINT_DONE)
                done_step = number;
        }
    rig_close(&rig);
    return done_step;
}

static int find(void)
{
    err = (struct pawl_err){0};
    return pawl_checkpoint_find(&mem.io, RUN, PAWL_CHECKPOINT_NEWEST_VALID, NULL, NULL, &info,
                                &err);
}

/* What is found is one that was saved, whole, and no older than the last that was done. */
static void expect_newest(uint64_t done_step)
{
    int code = find();
    if (done_step == 0 && code == -ENOENT)
        return;
    ck_assert_msg(code == 0, "%s", err.text);
    ck_assert_uint_ge(info.step, done_step);
    ck_assert_uint_ge(info.step, 1);
    rig_expect(&mem.io, info.path, info.step);

    /* What has a number is whole: old ones too, which may be being removed. */
    struct pawl_checkpoint_info *infos;
    size_t count;
    ck_assert_int_eq(
        pawl_checkpoint_list(&mem.io, RUN, PAWL_CHECKPOINT_FULL, &infos, &count, &err), 0);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(infos[i].is_valid, "%s", infos[i].reason);
    free(infos);
}

static int count_hidden(void *arg, const char *name)
{
    *(unsigned *)arg += name[0] == '.';
    return 0;
}

/* The next run cleans up, saves and finds what it saved. */
static void expect_that_it_goes_on(uint64_t step)
{
    struct pawl_checkpoint_setup setup = setup_on(&mem.io);
    setup.step = find() == 0 ? info.step : 0;
    err = (struct pawl_err){0};
    ck_assert_msg(rig_open(&rig, &setup, &err) == 0, "%s", err.text);
    ck_assert_msg(rig_save(&rig, step, NAN, &err) == PAWL_CHECKPOINT_DONE, "%s", err.text);
    ck_assert_str_eq(rig.saver.warning, "");
    rig_close(&rig);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    ck_assert_int_eq(find(), 0);
    ck_assert_uint_eq(info.step, step);
    ck_assert(info.is_last);
    int folder = pawl_io_open(&mem.io, PAWL_IO_CWD, RUN "/checkpoints", O_DIRECTORY, 0);
    unsigned hidden_count = 0;
    ck_assert_int_eq(pawl_io_list(&mem.io, folder, count_hidden, &hidden_count), 0);
    /* Removals need no sync of their own: they may come back, and then the next open finds
     * them. */
    ck_assert_uint_le(hidden_count, 4);
    pawl_io_close(&mem.io, folder);
}

static void cut_everywhere(enum pawl_io_cut cut, unsigned seed_count, uint64_t stride)
{
    pawl_io_mem_open(&mem);
    ck_assert_uint_eq(save_some(4), 4);
    uint64_t call_count = mem.call_count;
    pawl_io_mem_close(&mem);
    ck_assert_uint_gt(call_count, 100);

    uint64_t highest = 0;
    for (uint64_t at = 0; at <= call_count; at += stride) {
        for (unsigned seed = 0; seed < seed_count; seed++) {
            pawl_io_mem_open(&mem);
            pawl_io_mem_cut_after(&mem, at);
            uint64_t done_step = save_some(4);
            ck_assert_uint_ge(done_step, highest);
            highest = done_step;
            pawl_io_mem_restart(&mem, cut, at * 1000 + seed);
            expect_newest(done_step);
            if (seed == 0)
                expect_that_it_goes_on(9);
            pawl_io_mem_close(&mem);
        }
    }
    ck_assert_uint_eq(highest, 4);
}

START_TEST(a_cut_at_any_call_that_leaves_what_was_synced_loses_no_checkpoint)
{
    cut_everywhere(PAWL_IO_CUT_SYNCED, 1, 1);
}
END_TEST

START_TEST(a_cut_at_any_call_that_leaves_a_part_of_the_rest_loses_no_checkpoint)
{
    cut_everywhere(PAWL_IO_CUT_PREFIX, 2, 1);
}
END_TEST

START_TEST(a_cut_at_any_call_that_leaves_any_part_of_the_rest_loses_no_checkpoint)
{
    cut_everywhere(PAWL_IO_CUT_SUBSET, 4, 1);
}
END_TEST

START_TEST(a_death_at_any_call_loses_no_checkpoint)
{
    cut_everywhere(PAWL_IO_CUT_ALL, 1, 1);
}
END_TEST

/* --- calls that fail --- */

static struct pawl_io_faulty faulty;

/* Two clean saves, then two while call number `at` fails. False when no call was hit. */
static bool save_while_failing(uint64_t at, int code, enum pawl_io_persistence persistence)
{
    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    struct pawl_checkpoint_setup setup = setup_on(&faulty.io);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    ck_assert_int_eq(rig_save(&rig, 1, NAN, &err), PAWL_CHECKPOINT_DONE);
    ck_assert_int_eq(rig_save(&rig, 2, NAN, &err), PAWL_CHECKPOINT_DONE);

    pawl_io_faulty_arm(&faulty, at, code, persistence);
    uint64_t done_step = 2;
    for (uint64_t step = 3; step <= 4; step++) {
        err = (struct pawl_err){0};
        enum pawl_checkpoint_state state = rig_save(&rig, step, NAN, &err);
        if (state == PAWL_CHECKPOINT_DONE)
            done_step = step;
        else
            ck_assert_str_ne(err.text, "");
        ck_assert_uint_eq(rig.saver.failures_in_row == 0, state == PAWL_CHECKPOINT_DONE);
    }
    bool is_hit = faulty.call_count >= at;
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 1); /* `checkpoints` */
    expect_newest(done_step);

    /* Without the power being cut, the next attempt succeeds. */
    ck_assert_msg(rig_save(&rig, 5, NAN, &err) == PAWL_CHECKPOINT_DONE, "%s", err.text);
    rig_close(&rig);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    expect_newest(5);
    expect_that_it_goes_on(9);
    pawl_io_mem_close(&mem);
    return is_hit;
}

static void fail_everywhere(int code, enum pawl_io_persistence persistence)
{
    uint64_t at = 1;
    while (save_while_failing(at, code, persistence))
        at++;
    ck_assert_uint_gt(at, 60);
}

START_TEST(a_call_that_fails_once_costs_one_checkpoint_at_most)
{
    fail_everywhere(EIO, PAWL_IO_ONCE);
    fail_everywhere(EINTR, PAWL_IO_ONCE);
}
END_TEST

START_TEST(calls_that_fail_for_ever_leave_the_older_checkpoints)
{
    fail_everywhere(EIO, PAWL_IO_FOR_EVER);
    fail_everywhere(ENOSPC, PAWL_IO_FOR_EVER);
}
END_TEST

START_TEST(opening_with_a_call_that_fails_says_so_or_works)
{
    for (uint64_t at = 1;; at++) {
        pawl_io_mem_open(&mem);
        ck_assert_uint_eq(save_some(3), 3);
        pawl_io_faulty_open(&faulty, &mem.io);
        struct pawl_checkpoint_setup setup = setup_on(&faulty.io);
        pawl_io_faulty_arm(&faulty, at, EIO, PAWL_IO_ONCE);
        err = (struct pawl_err){0};
        int code = rig_open(&rig, &setup, &err);
        bool is_hit = faulty.call_count >= at;
        ck_assert_int_eq(code != 0, err.text[0] != '\0');
        rig_close(&rig);
        ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0);
        expect_newest(3);
        pawl_io_mem_close(&mem);
        if (!is_hit)
            break;
    }
}
END_TEST

/* The number of the first call of a kind since the trace began; 0: there was none. */
static uint64_t first_call(enum pawl_io_call call)
{
    for (uint64_t i = 0; i < faulty.call_count && i < PAWL_IO_TRACE_MAX; i++)
        if (faulty.trace[i].call == call)
            return i + 1;
    return 0;
}

/* Which made the folder, and died of what followed. */
START_TEST(an_opening_after_one_that_failed_makes_the_folder_durable)
{
    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    struct pawl_checkpoint_setup setup = setup_on(&faulty.io);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    rig_close(&rig);
    uint64_t sync_at = first_call(PAWL_IO_CALL_SYNC_FOLDER);
    ck_assert_uint_gt(sync_at, 0);
    pawl_io_mem_close(&mem);

    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    pawl_io_faulty_arm(&faulty, sync_at, EIO, PAWL_IO_ONCE);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), -EIO);
    rig_close(&rig);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    ck_assert_int_eq(rig_save(&rig, 1, NAN, &err), PAWL_CHECKPOINT_DONE);
    rig_close(&rig);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    expect_newest(1);
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(a_full_disk_is_noticed_before_a_byte_is_written)
{
    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    struct pawl_checkpoint_setup setup = setup_on(&faulty.io);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    ck_assert_int_eq(rig_save(&rig, 1, NAN, &err), PAWL_CHECKPOINT_DONE);
    uint64_t allocate_at = first_call(PAWL_IO_CALL_ALLOCATE);
    uint64_t write_at = first_call(PAWL_IO_CALL_WRITE);
    ck_assert_uint_gt(allocate_at, 0);
    ck_assert_uint_gt(write_at, allocate_at);

    pawl_io_faulty_arm(&faulty, allocate_at, ENOSPC, PAWL_IO_ONCE);
    ck_assert_int_eq(rig_save(&rig, 2, NAN, &err), PAWL_CHECKPOINT_FAILED);
    ck_assert_uint_eq(pawl_io_faulty_count(&faulty, PAWL_IO_CALL_WRITE), 0);
    rig_close(&rig);
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(a_file_whose_sync_failed_is_not_synced_again)
{
    /* The disk drops what the failed sync should have written, and a second sync of the same
     * file would succeed without it. */
    for (uint64_t sync_at = 1; sync_at <= 4; sync_at++) {
        pawl_io_mem_open(&mem);
        struct pawl_checkpoint_setup setup = setup_on(&mem.io);
        ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
        mem.fail_sync_at = sync_at;
        ck_assert_int_eq(rig_save(&rig, 1, NAN, &err), PAWL_CHECKPOINT_FAILED);
        ck_assert_int_eq(rig_save(&rig, 1, NAN, &err), PAWL_CHECKPOINT_DONE);
        rig_close(&rig);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
        expect_newest(1);
        pawl_io_mem_close(&mem);
    }
}
END_TEST

START_TEST(short_writes_are_finished)
{
    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    faulty.write_bytes_max = 100;
    struct pawl_checkpoint_setup setup = setup_on(&faulty.io);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    ck_assert_int_eq(rig_save(&rig, 1, NAN, &err), PAWL_CHECKPOINT_DONE);
    rig_close(&rig);
    expect_newest(1);
    pawl_io_mem_close(&mem);
}
END_TEST

PAWL_TEST_MAIN("checkpoint_power",
               a_cut_at_any_call_that_leaves_what_was_synced_loses_no_checkpoint,
               a_cut_at_any_call_that_leaves_a_part_of_the_rest_loses_no_checkpoint,
               a_cut_at_any_call_that_leaves_any_part_of_the_rest_loses_no_checkpoint,
               a_death_at_any_call_loses_no_checkpoint,
               a_call_that_fails_once_costs_one_checkpoint_at_most,
               calls_that_fail_for_ever_leave_the_older_checkpoints,
               opening_with_a_call_that_fails_says_so_or_works,
               an_opening_after_one_that_failed_makes_the_folder_durable,
               a_full_disk_is_noticed_before_a_byte_is_written,
               a_file_whose_sync_failed_is_not_synced_again, short_writes_are_finished)
