#include "learner/checkpoint.h"

#include "runtime/fault.h"
#include "support/checkpoint_rig.h"
#include "support/scratch.h"
#include "support/test.h"

static struct rig rig;
static struct scratch scratch;
static struct pawl_err err;

static const enum pawl_io_queue_kind kinds[] = {PAWL_IO_QUEUE_AUTO, PAWL_IO_QUEUE_THREAD,
                                                PAWL_IO_QUEUE_INLINE};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static void open_rig(const struct pawl_checkpoint_setup *setup)
{
    err = (struct pawl_err){0};
    ck_assert_msg(rig_open(&rig, setup, &err) == 0, "%s", err.text);
}

static struct pawl_checkpoint_setup setup_here(enum pawl_io_queue_kind kind)
{
    return rig_setup(pawl_io_sys(), kind, scratch.path);
}

static void save(uint64_t step, double score)
{
    ck_assert_msg(rig_save(&rig, step, score, &err) == PAWL_CHECKPOINT_DONE, "%s", err.text);
}

static bool is_there(const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "%s/checkpoints/%s", scratch.path, name);
    return lstat(path, &status) == 0;
}

static int folder_count(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/checkpoints", scratch.path);
    return temp_entry_count(path) - 2;
}

static void newest(struct pawl_checkpoint_info *info)
{
    err = (struct pawl_err){0};
    ck_assert_msg(pawl_checkpoint_find(pawl_io_sys(), scratch.path,
                                       PAWL_CHECKPOINT_NEWEST_VALID, NULL, NULL, info,
                                       &err) == 0,
                  "%s", err.text);
}

START_TEST(a_save_is_a_numbered_folder_that_last_points_to_with_every_runner)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        scratch_open(&scratch);
        struct pawl_checkpoint_setup setup = setup_here(kinds[i]);
        open_rig(&setup);
        int fd_count = temp_fd_count();
        save(500, NAN);
        save(1000, 0.5);
        ck_assert_int_eq(temp_fd_count(), fd_count);
        ck_assert_uint_eq(rig.saver.done_count, 2);
        ck_assert_uint_eq(rig.saver.done_step, 1000);
        ck_assert_str_eq(rig.saver.warning, "");
        ck_assert_int_eq(folder_count(), 3);
        char target[16];
        ck_assert_int_eq(
            readlink(scratch_path(&scratch, "checkpoints/last"), target, sizeof(target)), 6);
        ck_assert_mem_eq(target, "001000", 6);

        struct pawl_checkpoint_info info;
        newest(&info);
        ck_assert_uint_eq(info.step, 1000);
        ck_assert(info.is_last);
        ck_assert_uint_eq(info.size_bytes, rig.saver.done_bytes);
        ck_assert_double_eq(info.manifest.score, 0.5);
        ck_assert_str_eq(info.manifest.run, "a run");
        ck_assert_mem_eq(info.manifest.spec_hash, setup.spec_hash, PAWL_SHA256_BYTES);
        rig_expect(pawl_io_sys(), info.path, 1000);
        rig_expect(pawl_io_sys(), scratch_path(&scratch, "checkpoints/000500"), 500);
        rig_close(&rig);
        scratch_close(&scratch);
    }
}
END_TEST

START_TEST(the_newest_are_kept_and_the_best)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.cfg.keep_best = 1;
    open_rig(&setup);
    static const double scores[] = {1, 9, 3, NAN, 9, 2, 1};
    for (uint64_t i = 0; i < 7; i++)
        save(i + 1, scores[i]);
    ck_assert(is_there("000007") && is_there("000006")); /* the newest */
    ck_assert(is_there("000005"));                       /* as good as 2, and newer */
    ck_assert_int_eq(folder_count(), 4);
    ck_assert_uint_eq(rig.saver.removed_count, 4);

    rig_close(&rig); /* the scores are in the manifests: a new writer knows them too */
    open_rig(&setup);
    save(8, 0);
    ck_assert(is_there("000008") && is_there("000007") && is_there("000005"));
    ck_assert_int_eq(folder_count(), 4);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

/* Saves another content under a number, until nothing is left to do. */
static void save_again(uint64_t step, uint64_t content)
{
    rig_fill(&rig, content);
    ck_assert_msg(pawl_checkpoint_begin(&rig.saver, step, NAN, rig.files, 3, 0, &err) == 0,
                  "%s", err.text);
    ck_assert_msg(pawl_checkpoint_wait(&rig.saver, UINT64_MAX, &err) == PAWL_CHECKPOINT_DONE,
                  "%s", err.text);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, UINT64_MAX, &err), PAWL_CHECKPOINT_IDLE);
}

START_TEST(a_step_that_is_saved_again_replaces_the_older_one_with_every_runner)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        scratch_open(&scratch);
        struct pawl_checkpoint_setup setup = setup_here(kinds[i]);
        open_rig(&setup);
        save(4, NAN);
        save(5, NAN);
        save_again(5, 77);
        save_again(5, 78);
        ck_assert_str_eq(rig.saver.warning, "");
        rig_expect(pawl_io_sys(), scratch_path(&scratch, "checkpoints/000005"), 78);
        ck_assert_int_eq(folder_count(), 3); /* with `last`: what was replaced is gone */
        rig_close(&rig);
        scratch_close(&scratch);
    }
}
END_TEST

#ifdef PAWL_FAULTS
START_TEST(where_names_cannot_be_exchanged_the_older_one_is_set_aside)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    save(5, NAN);
    ck_assert_int_eq(pawl_fault_arm("io.exchange:error=EINVAL@1", &err), 0);
    save_again(5, 77);
    ck_assert_uint_eq(pawl_fault_passages("io.exchange"), 1);
    pawl_fault_disarm();
    rig_expect(pawl_io_sys(), scratch_path(&scratch, "checkpoints/000005"), 77);
    ck_assert_int_eq(folder_count(), 2);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST
#endif

START_TEST(what_the_run_did_not_go_on_from_is_replaced)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.cfg.keep_last = 10;
    open_rig(&setup);
    save(5, NAN);
    save(10, NAN);
    rig_close(&rig);

    setup.step = 5; /* 10 was refused, say */
    open_rig(&setup);
    rig_fill(&rig, 77);
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 10, NAN, rig.files, 3, 0, &err), 0);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, 0, &err), PAWL_CHECKPOINT_DONE);
    rig_expect(pawl_io_sys(), scratch_path(&scratch, "checkpoints/000010"), 77);
    rig_close(&rig);
    open_rig(&setup); /* closed too soon, what it replaced is a leftover */
    ck_assert_uint_eq(rig.saver.leftover_count, 1);
    ck_assert_int_eq(folder_count(), 3);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

static void expect_newest(uint64_t step)
{
    static struct pawl_checkpoint_info info;
    ck_assert_msg(pawl_checkpoint_find(pawl_io_sys(), scratch.path,
                                       PAWL_CHECKPOINT_NEWEST_STRICT, NULL, NULL, &info,
                                       &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(info.step, step);
}

START_TEST(what_is_saved_after_training_went_back_is_the_newest)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.cfg.every_updates = 100;
    setup.step = 0;
    open_rig(&setup);
    save(5000, NAN);
    save(5100, NAN);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 4900));
    pawl_checkpoint_note_rollback(&rig.saver, 1);
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 4900));
    expect_newest(5100);
    save(4900, NAN);
    expect_newest(4900);
    ck_assert(!is_there("005000") && is_there("005100")); /* the two newest are kept */
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 4950));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 5000));
    save(5000, NAN);
    expect_newest(5000);
    ck_assert(!is_there("005100"));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_writer_that_died_before_it_saved_what_training_went_back_to_is_made_up_for)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    save(5000, NAN);
    rig_close(&rig);
    setup.step = 4900;
    setup.rollback_count = 2;
    open_rig(&setup);
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 4900));
    save(4900, NAN);
    rig_close(&rig);
    open_rig(&setup);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 4900));
    save(4950, NAN);
    ck_assert(!is_there("005000"));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(leftovers_of_dead_writers_are_removed)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    save(5, NAN);
    rig_close(&rig);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints/.tmp-000006-1"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints/.tmp-000006-1/a"), 0700), 0);
    scratch_write(scratch_path(&scratch, "checkpoints/.tmp-000006-1/a/b"), "text", 4);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints/.trash-000004-2"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints/mine"), 0700), 0);
    ck_assert_int_eq(symlink("x", scratch_path(&scratch, "checkpoints/.last-new")), 0);
    open_rig(&setup);
    ck_assert_uint_eq(rig.saver.leftover_count, 3);
    ck_assert(is_there("000005") && is_there("mine"));
    ck_assert_int_eq(folder_count(), 3);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(one_is_in_flight_and_the_next_is_skipped_and_counted)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_THREAD);
    setup.step = 0;
    setup.cfg = (struct pawl_checkpoint_cfg){.every_updates = 10, .keep_last = 2};
    open_rig(&setup);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 9));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 10));
    rig_fill(&rig, 10);
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 10, NAN, rig.files, 3, 0, &err), 0);
    ck_assert(pawl_checkpoint_is_busy(&rig.saver));
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 11, NAN, rig.files, 3, 0, &err), -EBUSY);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 20));
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 21));
    ck_assert_uint_eq(rig.saver.skipped_count, 2);
    uint64_t deadline_ns = pawl_clock_now_ns() + 30 * PAWL_NS_PER_S;
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, deadline_ns, &err), PAWL_CHECKPOINT_DONE);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, deadline_ns, &err), PAWL_CHECKPOINT_IDLE);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 29));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 30));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(it_is_due_by_time_when_something_was_learned)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.step = 100;
    open_rig(&setup);
    uint64_t now_ns = pawl_clock_now_ns();
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, now_ns + 59 * PAWL_NS_PER_S, 101));
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, now_ns + 61 * PAWL_NS_PER_S, 100));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns + 61 * PAWL_NS_PER_S, 101));
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 101));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

/* Each of them for less than the period. */
START_TEST(writers_that_die_again_and_again_save_when_one_would)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    uint64_t now_ns = pawl_clock_now_ns();
    setup.cfg.every_updates = 20;
    setup.step = 105;
    setup.begun_step = 100;
    setup.begun_ns = now_ns - 50 * PAWL_NS_PER_S;
    open_rig(&setup);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, now_ns, 119));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns, 120));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns + 11 * PAWL_NS_PER_S, 106));
    rig_close(&rig);
    setup.step = 50; /* back before the last one */
    open_rig(&setup);
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns + 11 * PAWL_NS_PER_S, 51));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(one_that_could_not_be_begun_is_not_due_again_at_once)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.step = 0;
    setup.cfg.every_updates = 10;
    open_rig(&setup);
    uint64_t now_ns = pawl_clock_now_ns();
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns, 10));
    pawl_checkpoint_note_unbegun(&rig.saver);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, now_ns, 10));
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 10));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns + 2 * PAWL_NS_PER_S, 10));
    ck_assert_uint_eq(rig.saver.failures_in_row, 1);
    save(10, NAN);
    ck_assert_uint_eq(rig.saver.failures_in_row, 0);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_was_replaced_goes_before_the_next_save)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.step = 0;
    setup.cfg.every_updates = 1;
    open_rig(&setup);
    save(5, NAN);
    rig_fill(&rig, 77);
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 5, NAN, rig.files, 3, 0, &err), 0);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, UINT64_MAX, &err), PAWL_CHECKPOINT_DONE);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 6));
    ck_assert(pawl_checkpoint_is_busy(&rig.saver));
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 6, NAN, rig.files, 3, 0, &err), -EBUSY);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, UINT64_MAX, &err), PAWL_CHECKPOINT_IDLE);
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 6));
    save(6, NAN);
    ck_assert_int_eq(folder_count(), 3); /* with `last` */
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(closing_amid_a_save_leaves_nothing_of_it)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_THREAD);
    open_rig(&setup);
    rig_fill(&rig, 10);
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 10, NAN, rig.files, 3, 0, &err), 0);
    rig_close(&rig);
    ck_assert_int_eq(folder_count(), 0);
    pawl_checkpoint_close(&rig.saver); /* a zeroed one is left alone */
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_set_of_files_that_cannot_be_is_refused_with_the_rule)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.part_count_max = 2;
    open_rig(&setup);
    rig_fill(&rig, 1);
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 1, NAN, rig.files, 0, 0, &err), -EINVAL);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 1, NAN, rig.files, 3, 0, &err), -EINVAL);
    ck_assert_str_eq(err.text, "a checkpoint of 5 parts, at most 2");
    rig_close(&rig);
    setup.run_path = "/tmp/pawl-no-such-run";
    err = (struct pawl_err){0};
    ck_assert_int_eq(rig_open(&rig, &setup, &err), -ENOENT);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

#ifdef PAWL_FAULTS

START_TEST(a_step_that_fails_leaves_older_ones_and_three_in_a_row_are_told)
{
    static const char *const points[] = {"mkdir", "allocate", "write",
                                         "sync",  "manifest", "rename"};
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    save(1, NAN);
    save(2, NAN);
    for (uint64_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "checkpoint.%s:error=ENOSPC@1", points[i]);
        ck_assert_int_eq(pawl_fault_arm(text, &err), 0);
        err = (struct pawl_err){0};
        ck_assert_int_eq(rig_save(&rig, 10 + i, NAN, &err), PAWL_CHECKPOINT_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "No space left on device"));
        ck_assert_int_eq(pawl_checkpoint_is_durability_lost(&rig.saver), i >= 2);
        pawl_fault_disarm();
        ck_assert_int_eq(folder_count(), 3);
    }
    uint64_t now_ns = pawl_clock_now_ns();
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, now_ns, 50));
    ck_assert(pawl_checkpoint_is_due(&rig.saver, now_ns + 61 * PAWL_NS_PER_S, 50));
    save(50, NAN);
    ck_assert(!pawl_checkpoint_is_durability_lost(&rig.saver));
    ck_assert_uint_eq(rig.saver.failed_count, 6);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_link_that_cannot_be_replaced_is_a_warning)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    save(1, NAN);
    ck_assert_int_eq(pawl_fault_arm("checkpoint.link:error=EIO@1", &err), 0);
    save(2, NAN);
    pawl_fault_disarm();
    ck_assert_ptr_nonnull(strstr(rig.saver.warning, "checkpoint 000002: replace link"));
    struct pawl_checkpoint_info info;
    newest(&info);
    ck_assert_uint_eq(info.step, 2);
    ck_assert(!info.is_last);
    save(3, NAN);
    ck_assert_str_eq(rig.saver.warning, "");
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_cannot_be_removed_is_removed_later)
{
    static const char *const points[] = {"trash", "remove"};
    static const char *const warnings[] = {": set aside: Input/output error",
                                           "checkpoint 000001: remove: Input/output error"};
    for (int i = 0; i < 2; i++) {
        scratch_open(&scratch);
        struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
        open_rig(&setup);
        char text[64];
        snprintf(text, sizeof(text), "checkpoint.%s:error=EIO@1", points[i]);
        ck_assert_int_eq(pawl_fault_arm(text, &err), 0);
        for (uint64_t step = 1; step <= 3; step++)
            save(step, NAN);
        ck_assert_int_eq(folder_count(), 4);
        ck_assert_ptr_nonnull(strstr(rig.saver.warning, warnings[i]));
        pawl_fault_disarm();
        save(4, NAN);
        ck_assert_int_eq(folder_count(), i == 0 ? 3 : 4); /* .trash-... is for the next open */
        rig_close(&rig);
        open_rig(&setup);
        ck_assert_int_eq(folder_count(), 3);
        rig_close(&rig);
        scratch_close(&scratch);
    }
}
END_TEST

/* One of them may be what a name stands for after a power cut. */
START_TEST(while_the_folder_cannot_be_made_durable_leftovers_stay)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    rig_close(&rig);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints/.tmp-000007-1"), 0700), 0);
    /* The second: the first is of the folder's own name. */
    ck_assert_int_eq(pawl_fault_arm("io.sync_folder:error=EIO@2", &err), 0);
    open_rig(&setup);
    pawl_fault_disarm();
    ck_assert_uint_eq(rig.saver.leftover_count, 0);
    ck_assert(is_there(".tmp-000007-1"));
    rig_close(&rig);
    open_rig(&setup);
    ck_assert_uint_eq(rig.saver.leftover_count, 1);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

/* In a run that does not look at the time, either. */
START_TEST(what_training_went_back_to_is_saved_when_that_failed_first)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    pawl_checkpoint_note_rollback(&rig.saver, 1);
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 100));
    ck_assert_int_eq(pawl_fault_arm("checkpoint.write:error=EIO@1", &err), 0);
    ck_assert_int_eq(rig_save(&rig, 100, NAN, &err), PAWL_CHECKPOINT_FAILED);
    pawl_fault_disarm();
    uint64_t failed_ns = pawl_clock_now_ns();
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 100));
    while (!pawl_checkpoint_is_due(&rig.saver, 0, 100)) {
        ck_assert_uint_lt(pawl_clock_now_ns(), failed_ns + 30 * PAWL_NS_PER_S);
        usleep(10000);
    }
    save(100, NAN);
    ck_assert(!pawl_checkpoint_is_due(&rig.saver, 0, 100));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(going_back_while_a_save_is_under_way_wants_another)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    rig_fill(&rig, 100);
    ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, 100, NAN, rig.files, 3, 0, &err), 0);
    pawl_checkpoint_note_rollback(&rig.saver, 1);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, UINT64_MAX, &err), PAWL_CHECKPOINT_DONE);
    ck_assert(pawl_checkpoint_is_due(&rig.saver, 0, 90));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

/* Polls until the survey beside the owner has failed. */
static void poll_until_failed(uint64_t failures_in_row)
{
    uint64_t began_ns = pawl_clock_now_ns();
    err = (struct pawl_err){0};
    while (pawl_checkpoint_poll(&rig.saver, &err) != PAWL_CHECKPOINT_FAILED) {
        ck_assert_uint_lt(pawl_clock_now_ns(), began_ns + 30 * PAWL_NS_PER_S);
        usleep(1000);
    }
    ck_assert_uint_eq(rig.saver.failures_in_row, failures_in_row);
}

START_TEST(the_end_of_a_run_does_not_wait_for_the_pause_after_a_failure)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.is_looked_for_later = true;
    ck_assert_int_eq(pawl_fault_arm("io.mkdir:error=EIO@1", &err), 0);
    open_rig(&setup);
    poll_until_failed(1);
    ck_assert_int_eq(pawl_checkpoint_poll(&rig.saver, &err), PAWL_CHECKPOINT_BUSY);
    uint64_t deadline_ns = pawl_clock_now_ns() + 30 * PAWL_NS_PER_S;
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, deadline_ns, &err), PAWL_CHECKPOINT_IDLE);
    pawl_fault_disarm();
    save(1, NAN);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_survey_that_cannot_be_begun_is_a_failure_with_its_pause)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    setup.is_looked_for_later = true;
    ck_assert_int_eq(pawl_fault_arm("io.mkdir:error=EIO@1;errand.begin:error=ENOMEM@2", &err),
                     0);
    open_rig(&setup);
    poll_until_failed(1);
    uint64_t deadline_ns = pawl_clock_now_ns() + 30 * PAWL_NS_PER_S;
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, deadline_ns, &err),
                     PAWL_CHECKPOINT_FAILED);
    ck_assert_uint_eq(rig.saver.failures_in_row, 2);
    for (int i = 0; i < 3; i++) /* there is a pause now */
        ck_assert_int_eq(pawl_checkpoint_poll(&rig.saver, &err), PAWL_CHECKPOINT_BUSY);
    ck_assert_uint_eq(pawl_fault_passages("errand.begin"), 2);
    pawl_fault_disarm();
    ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, deadline_ns, &err), PAWL_CHECKPOINT_IDLE);
    save(1, NAN);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

/* Checksums are made a slice a turn. */
START_TEST(a_save_that_failed_amid_its_checksums_leaves_the_next_one_right)
{
    static unsigned char bytes[3 << 20];
    const struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    const struct pawl_checkpoint_file file = {.path = "bytes", .parts = &part, .part_count = 1};
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * i >> 7);
    ck_assert_int_eq(pawl_fault_arm("checkpoint.write:error=EIO@1", &err), 0);
    for (uint64_t step = 1; step <= 2; step++) {
        enum pawl_checkpoint_state state;
        err = (struct pawl_err){0};
        ck_assert_int_eq(
            pawl_checkpoint_begin(&rig.saver, step, NAN, &file, 1, pawl_clock_now_ns(), &err),
            0);
        while ((state = pawl_checkpoint_poll(&rig.saver, &err)) == PAWL_CHECKPOINT_BUSY)
            continue;
        ck_assert_int_eq(state, step == 1 ? PAWL_CHECKPOINT_FAILED : PAWL_CHECKPOINT_DONE);
    }
    pawl_fault_disarm();
    struct pawl_checkpoint_info info;
    newest(&info);
    ck_assert_uint_eq(info.step, 2);
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_file_that_cannot_be_removed_is_a_warning)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup = setup_here(PAWL_IO_QUEUE_INLINE);
    open_rig(&setup);
    save(1, NAN);
    save(2, NAN);
    /* Behind the one of the link, which is not there. */
    ck_assert_int_eq(pawl_fault_arm("io.unlink:error=EIO@3", &err), 0);
    save(3, NAN);
    pawl_fault_disarm();
    ck_assert_ptr_nonnull(
        strstr(rig.saver.warning, "checkpoint 000001: remove .trash-000001-"));
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

#define FAULT_TESTS                                                                            \
    where_names_cannot_be_exchanged_the_older_one_is_set_aside,                                \
        a_step_that_fails_leaves_older_ones_and_three_in_a_row_are_told,                       \
        a_link_that_cannot_be_replaced_is_a_warning, what_cannot_be_removed_is_removed_later,  \
        a_file_that_cannot_be_removed_is_a_warning,                                            \
        a_save_that_failed_amid_its_checksums_leaves_the_next_one_right,                       \
        what_training_went_back_to_is_saved_when_that_failed_first,                            \
        going_back_while_a_save_is_under_way_wants_another,                                    \
        the_end_of_a_run_does_not_wait_for_the_pause_after_a_failure,                          \
        a_survey_that_cannot_be_begun_is_a_failure_with_its_pause,                             \
        while_the_folder_cannot_be_made_durable_leftovers_stay,
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("checkpoint", a_save_is_a_numbered_folder_that_last_points_to_with_every_runner,
               the_newest_are_kept_and_the_best,
               a_step_that_is_saved_again_replaces_the_older_one_with_every_runner,
               what_the_run_did_not_go_on_from_is_replaced,
               leftovers_of_dead_writers_are_removed,
               FAULT_TESTS one_is_in_flight_and_the_next_is_skipped_and_counted,
               it_is_due_by_time_when_something_was_learned,
               writers_that_die_again_and_again_save_when_one_would,
               one_that_could_not_be_begun_is_not_due_again_at_once,
               what_was_replaced_goes_before_the_next_save,
               what_is_saved_after_training_went_back_is_the_newest,
               a_writer_that_died_before_it_saved_what_training_went_back_to_is_made_up_for,
               closing_amid_a_save_leaves_nothing_of_it,
               a_set_of_files_that_cannot_be_is_refused_with_the_rule)
