#include "learner/journal.h"

#include <errno.h>

#include "support/journal_rig.h"
#include "support/scratch.h"
#include "support/test.h"

START_TEST(what_was_written_comes_back_with_its_links)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    for (int i = 0; i < 40; i++) {
        put(10);
        turns(3);
    }
    flush();
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 400);
    load(&mem.io, 500, 400);
    ck_assert_uint_eq(loaded.frames, 400);
    ck_assert_uint_eq(loaded.empty, 0);
    ck_assert_uint_eq(loaded.torn_files, 0);
    ck_assert_uint_gt(loaded.files, 1);
    ck_assert_uint_eq(other.sample_count, replay.sample_count);
    ck_assert_uint_eq(other.next, 400);
    expect_same(0, 400);
    close_all();
}
END_TEST

START_TEST(frames_below_a_head_alone_are_loaded)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(100);
    flush();
    load(&mem.io, 500, 57);
    ck_assert_uint_eq(other.head, 57);
    ck_assert_uint_eq(pawl_replay_size(&other), 57);
    expect_same(0, 57);
    close_all();
}
END_TEST

START_TEST(a_smaller_store_gets_the_newest)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(300);
    flush();
    load(&mem.io, 50, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(pawl_replay_first(&other), 250);
    ck_assert_uint_eq(other.head, 300);
    ck_assert_uint_eq(loaded.frames, 50);
    expect_same(250, 300);
    close_all();
}
END_TEST

START_TEST(a_head_beyond_what_is_there_leaves_empty_places)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(30);
    flush();
    load(&mem.io, 500, 40);
    ck_assert_uint_eq(other.next, 40);
    ck_assert_uint_eq(loaded.empty, 10);
    expect_same(0, 30);
    pawl_replay_close(&other);
    load(&mem.io, 5, 4000);
    ck_assert_uint_eq(other.next, 4000);
    ck_assert_uint_eq(other.sample_count, 0);
    close_all();
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_empty)
{
    struct scratch scratch;
    scratch_open(&scratch);
    replay_rig_open(&other, 5);
    ck_assert_int_eq(pawl_journal_load(pawl_io_sys(), scratch_path(&scratch, "none"), &other, 7,
                                       &loaded, &err),
                     0);
    ck_assert_uint_eq(other.next, 7);
    pawl_replay_close(&other);
    scratch_close(&scratch);
}
END_TEST

START_TEST(few_frames_wait_for_others_and_not_longer_than_the_period)
{
    struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(1);
    turn(); /* the file */
    turn(); /* due since a second */
    pawl_journal_poll(&journal, now_ns + 1000);
    ck_assert_uint_eq(journal.counts.frames, 1);
    put(1);
    pawl_journal_poll(&journal, now_ns + 2000);
    pawl_journal_poll(&journal, now_ns + cfg.write_period_ns - 1);
    ck_assert_uint_eq(journal.counts.chunks, 1);
    pawl_journal_poll(&journal, now_ns + cfg.write_period_ns);
    pawl_journal_poll(&journal, now_ns + cfg.write_period_ns);
    ck_assert_uint_eq(journal.counts.chunks, 2);
    close_all();
}
END_TEST

START_TEST(the_next_learner_goes_on_where_the_dead_one_was)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(100);
    turns(9); /* some of it */
    ck_assert_uint_lt(journal.counts.frames, 100);
    ck_assert_uint_gt(journal.counts.frames, 0);
    pawl_journal_close(&journal);
    replay_rig_crash(&replay, 100);
    open_journal(&cfg);
    put(50);
    flush();
    load(&mem.io, 500, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(loaded.frames, 150);
    expect_same(0, 150);
    close_all();
}
END_TEST

/* The file of the folder with this sequence, to be closed. */
static int open_file(uint64_t sequence, uint64_t *size_bytes)
{
    char name[PAWL_JOURNAL_NAME_BYTES], path[64];
    pawl_journal_name(name, sequence);
    snprintf(path, sizeof(path), "run/replay/%s", name);
    int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, path, O_RDWR, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pawl_io_size(&mem.io, fd, size_bytes), 0);
    return fd;
}

START_TEST(a_torn_end_is_cut_off_and_the_journal_goes_on)
{
    struct pawl_journal_cfg cfg = small_cfg();
    cfg.file_bytes_max = 1 << 20;
    for (uint64_t cut = 9; cut < 1000; cut += 77) {
        uint64_t size_bytes, durable;
        open_disk();
        open_store(500);
        open_journal(&cfg);
        put(30);
        flush();
        pawl_journal_close(&journal);
        int fd = open_file(0, &size_bytes);
        ck_assert_int_eq(pawl_io_truncate(&mem.io, fd, size_bytes - cut), 0);
        if (cut % 2) /* and a hole where it was */
            ck_assert_int_eq(pawl_io_truncate(&mem.io, fd, size_bytes), 0);
        pawl_io_close(&mem.io, fd);

        load(&mem.io, 500, PAWL_REPLAY_NONE);
        ck_assert_uint_eq(loaded.torn_files, 1);
        ck_assert_ptr_nonnull(strstr(loaded.torn_text, "000000000000.journal: at byte "));
        ck_assert_uint_lt(loaded.frames, 30);
        expect_same(0, loaded.frames);
        pawl_replay_close(&other);

        open_journal(&cfg);
        durable = pawl_journal_durable_head(&journal);
        ck_assert_uint_lt(durable, 30);
        put(5);
        flush();
        load(&mem.io, 500, PAWL_REPLAY_NONE);
        ck_assert_uint_eq(loaded.torn_files, 0);
        ck_assert_uint_eq(loaded.frames, 35);
        expect_same(0, 35);
        close_all();
    }
}
END_TEST

START_TEST(a_run_resumed_from_an_older_checkpoint_takes_frames_back)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(400);
    flush();
    pawl_journal_close(&journal);
    pawl_replay_close(&replay);
    load(&mem.io, 500, 123);
    replay = other; /* the resumed run's, which does other things from there on */
    other = (struct pawl_replay){.segment.fd = -1};
    lane = replay_rig_lane(9);
    observation = 5000.0f;
    open_journal(&cfg);
    put(60);
    flush();
    load(&mem.io, 500, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(other.head, 183);
    ck_assert_float_eq(replay_rig_observation(&other, 122), 122.0f);
    ck_assert_float_eq(replay_rig_observation(&other, 123), 5000.0f);
    expect_same(0, 183);
    close_all();
}
END_TEST

START_TEST(files_that_nobody_wants_are_removed)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(200);
    open_journal(&cfg);
    for (int i = 0; i < 300; i++) {
        put(10);
        turns(4);
    }
    flush();
    turns(10);
    ck_assert_uint_gt(journal.counts.removed_files, 5);
    ck_assert_uint_le(file_count(), 4);
    ck_assert_uint_eq(journal.counts.dropped, 0);
    load(&mem.io, 200, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(loaded.frames, 200);
    expect_same(pawl_replay_first(&replay), 3000);
    close_all();
}
END_TEST

START_TEST(what_a_checkpoint_needs_is_kept)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(200);
    open_journal(&cfg);
    for (int i = 0; i < 100; i++) {
        put(10);
        turns(4);
        if (replay.head == 500)
            pawl_journal_keep(&journal, 500);
    }
    flush();
    turns(10);
    load(&mem.io, 200, 500);
    ck_assert_uint_eq(loaded.frames, 200);
    ck_assert_uint_eq(loaded.empty, 0);
    pawl_journal_keep(&journal, PAWL_REPLAY_NONE);
    turns(10);
    ck_assert_uint_le(file_count(), 4);
    close_all();
}
END_TEST

START_TEST(the_kernels_queue_writes_the_same)
{
    struct scratch scratch;
    struct pawl_journal_cfg cfg = pawl_journal_default_cfg();
    open_disk();
    open_store(5000);
    scratch_open(&scratch);
    cfg.io = pawl_io_sys();
    cfg.folder = scratch_path(&scratch, "replay"); /* is made */
    cfg.chunk_bytes_max = 9000;
    cfg.file_bytes_max = 50000;
    open_journal(&cfg);
    for (int i = 0; i < 300; i++) {
        put(10);
        pawl_journal_poll(&journal, pawl_clock_now_ns());
    }
    flush();
    pawl_journal_close(&journal);
    ck_assert_int_gt(temp_entry_count(scratch_path(&scratch, "replay")), 4);
    replay_rig_open(&other, 5000);
    ck_assert_int_eq(pawl_journal_load(pawl_io_sys(), scratch_path(&scratch, "replay"), &other,
                                       3000, &loaded, &err),
                     0);
    ck_assert_uint_eq(loaded.frames, 3000);
    expect_same(0, 3000);
    scratch_close(&scratch);
    close_all();
}
END_TEST

START_TEST(any_lives_of_lanes_come_back)
{
    static struct replay_model model;
    const struct pawl_journal_cfg cfg = small_cfg();
    for (uint64_t seed = 200; seed < 208; seed++) {
        open_disk();
        replay_rig_open(&replay, 60 * (seed % 4) + 20);
        replay_model_open(&model, &replay, seed);
        open_journal(&cfg);
        while (replay_model_has_room(&model, PAWL_REPLAY_GUARD)) {
            /* Its store may be another learner's then; the journal would be too. */
            pawl_journal_close(&journal);
            replay_model_batch(&model, 1 + replay_model_below(&model, 90));
            open_journal(&cfg);
            turns(3 + (int)replay_model_below(&model, 8));
        }
        flush();
        load(&mem.io, replay.capacity, model.head);
        ck_assert_uint_eq(other.sample_count, replay.sample_count);
        for (uint64_t i = replay_model_first(&model); i < model.head; i++)
            ck_assert_uint_eq(pawl_replay_next(&other, i), replay_model_next(&model, i));
        expect_same(pawl_replay_first(&replay), model.head);
        close_all();
    }
}
END_TEST

START_TEST(a_journal_of_another_spec_is_refused_by_its_field)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    struct pawl_spec spec = {0};
    open_disk();
    open_store(100);
    open_journal(&cfg);
    put(20);
    flush();
    pawl_journal_close(&journal);
    pawl_replay_close(&replay);
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){3}, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, NULL);
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = 8};
    ck_assert_int_eq(pawl_replay_create(&replay, &setup, NULL), 0);
    ck_assert_int_eq(pawl_journal_open(&journal, &cfg, &replay, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "000000000000.journal"));
    ck_assert_ptr_nonnull(strstr(err.text, "field 'obs.state'"));
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_journal_load(&mem.io, "run/replay", &replay, 20, &loaded, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "field 'obs.state'"));
    close_all();
}
END_TEST

START_TEST(a_load_into_a_store_that_is_not_empty_is_refused)
{
    open_disk();
    open_store(100);
    put(1);
    ck_assert_int_eq(pawl_journal_load(&mem.io, "run/replay", &replay, 20, &loaded, NULL),
                     -EINVAL);
    pawl_replay_close(&replay);
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(no_frame_of_the_window_goes_with_an_old_file)
{
    struct pawl_journal_cfg cfg = small_cfg();
    cfg.chunk_bytes_max = 100; /* a frame each */
    cfg.file_bytes_max = 700;
    open_disk();
    open_store(20);
    open_journal(&cfg);
    for (int i = 0; i < 200; i++) {
        put(1);
        flush();
        turns(4);
        load(&mem.io, 20, replay.head);
        ck_assert_uint_eq(loaded.frames, pawl_replay_size(&replay));
        ck_assert_uint_eq(loaded.empty, 0);
        pawl_replay_close(&other);
    }
    ck_assert_uint_gt(journal.counts.removed_files, 5);
    close_all();
}
END_TEST

START_TEST(a_name_that_somebody_else_has_taken_is_passed_over)
{
    struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    pawl_io_close(&mem.io, pawl_io_open(&mem.io, PAWL_IO_CWD, "run/replay/000000000000.journal",
                                        O_RDWR | O_CREAT, 0600));
    put(50);
    flush();
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 50);
    ck_assert_uint_eq(journal.counts.failures, 0);
    close_all();
}
END_TEST

/* A chunk of the past behind a torn one must not come back once the torn one is written over.
 */
START_TEST(nothing_behind_a_torn_chunk_comes_back)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    uint64_t size_bytes, chunk_bytes = 0;
    unsigned char byte;
    open_disk();
    open_store(500);
    open_journal(&cfg);
    for (int i = 0; i < 2; i++) {
        chunk_bytes = journal.counts.bytes;
        put(10);
        flush();
    }
    pawl_journal_close(&journal);
    int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, "run/replay/000000000000.journal", O_RDWR, 0);
    ck_assert_int_eq(pawl_io_size(&mem.io, fd, &size_bytes), 0);
    uint64_t at = size_bytes - chunk_bytes - 20; /* in the frames of the first */
    ck_assert_int_eq(pawl_io_read_up_to(&mem.io, fd, &byte, 1, at), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pawl_io_write_all(&mem.io, fd, &byte, 1, at), 0);
    pawl_io_close(&mem.io, fd);

    pawl_replay_close(&replay);
    open_store(500); /* a resumed run that has nothing else */
    observation = 5000.0f;
    open_journal(&cfg);
    put(10);
    flush();
    load(&mem.io, 500, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(loaded.frames, 10);
    expect_same(0, 10);
    close_all();
}
END_TEST

PAWL_TEST_MAIN("journal", what_was_written_comes_back_with_its_links,
               frames_below_a_head_alone_are_loaded, a_smaller_store_gets_the_newest,
               a_head_beyond_what_is_there_leaves_empty_places,
               a_folder_that_is_not_there_is_empty,
               few_frames_wait_for_others_and_not_longer_than_the_period,
               the_next_learner_goes_on_where_the_dead_one_was,
               a_torn_end_is_cut_off_and_the_journal_goes_on,
               a_run_resumed_from_an_older_checkpoint_takes_frames_back,
               files_that_nobody_wants_are_removed, what_a_checkpoint_needs_is_kept,
               the_kernels_queue_writes_the_same, any_lives_of_lanes_come_back,
               a_journal_of_another_spec_is_refused_by_its_field,
               a_load_into_a_store_that_is_not_empty_is_refused,
               no_frame_of_the_window_goes_with_an_old_file,
               a_name_that_somebody_else_has_taken_is_passed_over,
               nothing_behind_a_torn_chunk_comes_back)
