/* What a journal keeps when the disk is full, broken or hangs, or the power fails. */
#include "learner/journal.h"

#include <errno.h>
#include <semaphore.h>

#include "runtime/fault.h"
#include "support/journal_rig.h"
#include "support/scratch.h"
#include "support/test.h"

/* --- a disk that fails --- */

START_TEST(a_full_disk_costs_nothing_once_it_has_room_again)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(50);
    flush();
    pawl_io_faulty_arm(&faulty, 1, ENOSPC, PAWL_IO_FOR_EVER);
    for (int i = 0; i < 100; i++) {
        put(1);
        for (int k = 0; k < 10; k++) /* ten turns per period: one try */
            pawl_journal_poll(&journal, now_ns += PAWL_NS_PER_S / 10);
    }
    ck_assert_uint_le(journal.counts.failures, 101);
    ck_assert_uint_ge(journal.counts.failures, 50);
    ck_assert_int_eq(journal.failure.code, ENOSPC);
    ck_assert_ptr_nonnull(strstr(journal.failure.text, "run/replay/000000000000.journal"));
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 50);
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    turns(3);
    flush();
    ck_assert_int_eq(journal.failure.code, 0);
    load(&mem.io, 500, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(loaded.frames, 150);
    ck_assert_uint_eq(loaded.torn_files, 0);
    expect_same(0, 150);
    close_all();
}
END_TEST

START_TEST(what_left_the_window_before_there_was_room_is_counted)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(40);
    open_journal(&cfg);
    put(10);
    flush();
    pawl_io_faulty_arm(&faulty, 1, EIO, PAWL_IO_FOR_EVER);
    for (int i = 0; i < 50; i++) {
        put(10);
        turn();
    }
    pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
    flush();
    ck_assert_uint_eq(journal.counts.dropped, 460);
    load(&mem.io, 40, 510);
    ck_assert_uint_eq(loaded.frames, 40);
    expect_same(470, 510);
    close_all();
}
END_TEST

START_TEST(frames_of_a_failed_sync_are_written_again_elsewhere)
{
    struct pawl_journal_cfg cfg = small_cfg();
    cfg.file_bytes_max = 1 << 20;
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(50);
    flush();
    ck_assert_uint_eq(file_count(), 1);
    mem.fail_sync_at = mem.sync_count + 1; /* the kernel drops what it could not write */
    put(50);
    ck_assert_int_eq(pawl_journal_flush(&journal, pawl_clock_now_ns() + PAWL_NS_PER_S, NULL),
                     -EIO);
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 50);
    flush();
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 100);
    ck_assert_uint_eq(file_count(), 2);
    pawl_journal_close(&journal);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 1);
    load(&mem.io, 500, 100);
    ck_assert_uint_eq(loaded.frames, 100);
    expect_same(0, 100);
    close_all();
}
END_TEST

START_TEST(a_file_that_cannot_be_made_durable_when_opened_is_written_again)
{
    struct pawl_journal_cfg cfg = small_cfg();
    cfg.file_bytes_max = 1 << 20;
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(50);
    turns(3); /* in the file, and synced by nobody's wish */
    pawl_journal_close(&journal);
    mem.fail_sync_at = mem.sync_count + 1;
    open_journal(&cfg);
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 0);
    flush();
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 50);
    ck_assert_uint_eq(file_count(), 2);
    pawl_journal_close(&journal);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 1);
    load(&mem.io, 500, 50);
    ck_assert_uint_eq(loaded.frames, 50);
    expect_same(0, 50);
    close_all();
}
END_TEST

/* A short run on the disk as it is; what it says is durable. */
static uint64_t run_to_durable(const struct pawl_journal_cfg *cfg, uint64_t *head)
{
    uint64_t durable = 0;
    open_store(120);
    if (pawl_journal_open(&journal, cfg, &replay, NULL) == 0) {
        for (int i = 0; i < 40; i++) {
            put(7);
            turns(2);
        }
        pawl_journal_flush(&journal, pawl_clock_now_ns() + PAWL_NS_PER_S, NULL);
        durable = pawl_journal_durable_head(&journal);
    }
    pawl_journal_close(&journal);
    *head = replay.head;
    return durable;
}

/* Loads what a disk has, and looks whether the promise held. */
static void expect_promise(uint64_t durable, uint64_t head)
{
    load(&mem.io, 120, durable);
    uint64_t first = pawl_replay_first(&replay);
    for (uint64_t i = pawl_replay_first(&other); i < durable; i++) {
        if (i >= first) { /* what has left it may have been removed */
            ck_assert_uint_ne(pawl_replay_frame(&other, i)->flags, 0);
            ck_assert_mem_eq(pawl_replay_payload(&replay, i), pawl_replay_payload(&other, i),
                             replay.spec.record_bytes);
        }
    }
    pawl_replay_close(&other);
    load(&mem.io, 120, PAWL_REPLAY_NONE);
    ck_assert_uint_le(other.head, head);
    for (uint64_t i = pawl_replay_first(&other); i < other.head; i++)
        if (i >= first && pawl_replay_frame(&other, i)->flags)
            ck_assert_mem_eq(pawl_replay_payload(&replay, i), pawl_replay_payload(&other, i),
                             replay.spec.record_bytes);
    pawl_replay_close(&other);
}

START_TEST(a_power_cut_at_any_call_loses_nothing_that_was_durable)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    const enum pawl_io_cut cuts[] = {PAWL_IO_CUT_SYNCED, PAWL_IO_CUT_PREFIX, PAWL_IO_CUT_SUBSET,
                                     PAWL_IO_CUT_ALL};
    uint64_t head, call_count;
    open_disk();
    run_to_durable(&cfg, &head);
    call_count = mem.call_count;
    pawl_replay_close(&replay);
    pawl_io_mem_close(&mem);
    ck_assert_uint_gt(call_count, 100);
    for (uint64_t cut = 0; cut < call_count; cut += 1 + cut / 16)
        for (int k = 0; k < 4; k++) {
            open_disk();
            pawl_io_mem_cut_after(&mem, cut);
            uint64_t durable = run_to_durable(&cfg, &head);
            pawl_io_mem_restart(&mem, cuts[k], cut);
            expect_promise(durable, head);
            open_journal(&cfg); /* whatever is there, it goes on */
            put(3);
            flush();
            pawl_journal_close(&journal);
            expect_promise(replay.head, replay.head);
            pawl_replay_close(&replay);
            pawl_io_mem_close(&mem);
        }
}
END_TEST

/* The first life's frames from 123 on are on the disk; the second, resumed from before them,
 * loses its own. */
START_TEST(what_a_resumed_run_has_taken_back_does_not_come_back)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    for (uint32_t count = 150; count <= 450; count += 300) { /* in one file, in several */
        open_disk();
        open_store(500);
        open_journal(&cfg);
        put(count);
        flush();
        pawl_journal_close(&journal);
        pawl_replay_close(&replay);
        load(&mem.io, 500, 123);
        replay = other;
        other = (struct pawl_replay){.segment.fd = -1};
        open_journal(&cfg);
        put(20);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
        pawl_journal_close(&journal);
        load(&mem.io, 500, 143); /* a checkpoint of the second life */
        ck_assert_uint_eq(loaded.frames, 123);
        ck_assert_uint_eq(loaded.empty, 20);
        expect_same(0, 123);
        close_all();
    }
}
END_TEST

/* The newest file was just made when the first life ended; or the one that is to take back
 * cannot be made durable. */
static void take_back_after(bool is_newest_torn)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    put(150);
    flush();
    uint32_t count = file_count();
    pawl_journal_close(&journal);
    pawl_replay_close(&replay);
    for (uint32_t i = count; i < count + 2 && is_newest_torn; i++) {
        char path[64];
        snprintf(path, sizeof(path), "run/replay/%012u.journal", i);
        int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, path, O_RDWR | O_CREAT | O_EXCL, 0600);
        ck_assert_int_ge(fd, 0);
        pawl_io_close(&mem.io, fd);
    }
    load(&mem.io, 500, 123);
    replay = other;
    other = (struct pawl_replay){.segment.fd = -1};
    if (!is_newest_torn)
        mem.fail_sync_at = mem.sync_count + 1;
    open_journal(&cfg);
    if (!is_newest_torn)
        pawl_journal_poll(&journal, now_ns); /* there is nothing to write yet */
    put(20);
    ck_assert_uint_eq(file_count(), is_newest_torn ? count : count + 1);
    pawl_journal_close(&journal);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    load(&mem.io, 500, 143);
    ck_assert_uint_eq(loaded.frames, 123);
    ck_assert_uint_eq(loaded.empty, 20);
    expect_same(0, 123);
    pawl_replay_close(&other);
    pawl_replay_close(&replay);
    load(&mem.io, 500, 123);
    replay = other;
    other = (struct pawl_replay){.segment.fd = -1};
    open_journal(&cfg);
    put(40);
    flush();
    load(&mem.io, 500, 163);
    ck_assert_uint_eq(loaded.frames, 163);
    close_all();
}

START_TEST(frames_are_taken_back_though_the_newest_file_is_torn)
{
    take_back_after(true);
}
END_TEST

START_TEST(frames_are_taken_back_though_the_last_file_cannot_be_made_durable)
{
    take_back_after(false);
}
END_TEST

START_TEST(what_is_called_durable_is_in_a_file_whose_name_is)
{
    for (uint64_t n = 1; n <= 6; n++) {
        const struct pawl_journal_cfg cfg = small_cfg();
        open_disk();
        open_store(500);
        open_journal(&cfg);
        put(10);
        pawl_io_faulty_arm(&faulty, n, EIO, PAWL_IO_ONCE); /* one of the calls that make it */
        turn();
        pawl_journal_close(&journal);
        pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
        open_journal(&cfg);
        put(10);
        flush();
        uint64_t durable = pawl_journal_durable_head(&journal);
        ck_assert_uint_eq(durable, 20);
        pawl_journal_close(&journal);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, n);
        load(&mem.io, 500, durable);
        ck_assert_uint_eq(loaded.frames, durable);
        close_all();
    }
}
END_TEST

START_TEST(what_is_called_durable_is_in_a_folder_whose_name_is)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    int run = pawl_io_open(&mem.io, PAWL_IO_CWD, "run", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_eq(pawl_io_mkdir(&mem.io, run, "replay", 0700), 0); /* and killed */
    pawl_io_close(&mem.io, run);
    open_store(500);
    open_journal(&cfg);
    put(10);
    flush();
    pawl_journal_close(&journal);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 1);
    load(&mem.io, 500, 10);
    ck_assert_uint_eq(loaded.frames, 10);
    close_all();
}
END_TEST

START_TEST(any_call_may_fail_once_and_all_is_written_in_the_end)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    uint64_t head, call_count;
    open_disk();
    run_to_durable(&cfg, &head);
    call_count = faulty.call_count;
    pawl_replay_close(&replay);
    pawl_io_mem_close(&mem);
    for (uint64_t n = 1; n <= call_count; n += 1 + n / 32) {
        open_disk();
        pawl_io_faulty_arm(&faulty, n, EIO, PAWL_IO_ONCE);
        uint64_t durable = run_to_durable(&cfg, &head);
        pawl_io_faulty_arm(&faulty, 0, 0, PAWL_IO_ONCE);
        ck_assert(durable == 0 || durable <= head);
        expect_promise(durable, head);
        open_journal(&cfg);
        flush();
        pawl_journal_close(&journal);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, n);
        expect_promise(head, head);
        pawl_replay_close(&replay);
        ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0);
        pawl_io_mem_close(&mem);
    }
}
END_TEST

START_TEST(a_broken_disk_is_not_filled_with_files)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(500);
    open_journal(&cfg);
    for (int i = 0; i < 60; i++) {
        put(1);
        mem.fail_sync_at = mem.sync_count + 1;
        turns(2);
    }
    ck_assert_uint_gt(journal.counts.failures, 10);
    ck_assert_uint_le(file_count(), 2);
    mem.fail_sync_at = 0;
    turns(5);
    flush();
    load(&mem.io, 500, 60);
    ck_assert_uint_eq(loaded.frames, 60);
    close_all();
}
END_TEST

/* --- a disk that hangs --- */

static sem_t gate;
static int64_t (*real_write)(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                             uint64_t offset_bytes);

static int64_t gated_write(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                           uint64_t offset_bytes)
{
    while (sem_wait(&gate) != 0)
        continue;
    return real_write(io, fd, bytes, byte_count, offset_bytes);
}

/* A thread writes, and each of its writes waits for the gate. */
static struct pawl_journal_cfg gated_cfg(void)
{
    struct pawl_journal_cfg cfg = small_cfg();
    real_write = mem.io.write;
    mem.io.write = gated_write;
    cfg.queue_kind = PAWL_IO_QUEUE_THREAD;
    sem_init(&gate, 0, 0);
    return cfg;
}

static void open_gate(unsigned count)
{
    while (count-- > 0)
        sem_post(&gate);
}

/* Turns until the file is there and a chunk waits for the gate. */
static void begin_chunk(void)
{
    open_gate(1); /* the header's */
    while (journal.counts.files == 0)
        turn();
    turn();
}

START_TEST(a_chunk_that_was_lapped_while_it_was_written_is_dropped)
{
    open_disk();
    open_store(30);
    const struct pawl_journal_cfg cfg = gated_cfg();
    open_journal(&cfg);
    put(13);
    begin_chunk();
    for (int i = 0; i < 50; i++)
        put(13), turn(); /* the loop goes on, over all slots */
    ck_assert_uint_eq(journal.counts.chunks, 0);
    open_gate(1000);
    flush();
    ck_assert_uint_eq(journal.counts.dropped, 51 * 13 - 30);
    load(&mem.io, 30, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(loaded.frames, 30);
    ck_assert_uint_eq(loaded.torn_files, 0);
    expect_same(pawl_replay_first(&replay), replay.head);
    close_all();
}
END_TEST

START_TEST(a_chunk_of_which_one_frame_was_lapped_is_dropped_too)
{
    open_disk();
    open_store(30);
    const struct pawl_journal_cfg cfg = gated_cfg();
    open_journal(&cfg);
    put(13);
    begin_chunk();
    put((uint32_t)replay.slot_count + 1 - 13);
    open_gate(1000);
    flush();
    load(&mem.io, 5000, PAWL_REPLAY_NONE); /* more than there was room for */
    ck_assert_uint_eq(loaded.torn_files, 0);
    ck_assert_uint_eq(loaded.frames, 30);
    expect_same(pawl_replay_first(&replay), replay.head);
    close_all();
}
END_TEST

START_TEST(links_made_while_a_chunk_is_written_do_not_tear_it)
{
    open_disk();
    open_store(100);
    const struct pawl_journal_cfg cfg = gated_cfg();
    open_journal(&cfg);
    put(13);
    begin_chunk();
    put(1); /* the successor of a frame that is under way */
    pawl_replay_set_priority(&replay, 12, 4.0f);
    open_gate(1000);
    flush();
    load(&mem.io, 100, PAWL_REPLAY_NONE);
    ck_assert_uint_eq(loaded.torn_files, 0);
    ck_assert_uint_eq(pawl_replay_next(&other, 12), 13);
    close_all();
}
END_TEST

START_TEST(a_flush_ends_at_its_deadline_though_the_disk_hangs)
{
    open_disk();
    open_store(100);
    const struct pawl_journal_cfg cfg = gated_cfg();
    open_journal(&cfg);
    put(13);
    ck_assert_int_eq(
        pawl_journal_flush(&journal, pawl_clock_now_ns() + 20 * PAWL_NS_PER_MS, &err),
        -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(err.text, "13 frames"));
    open_gate(1000);
    flush();
    close_all();
}
END_TEST

START_TEST(what_is_called_durable_in_a_file_that_was_full_is)
{
    struct pawl_journal_cfg cfg = small_cfg();
    cfg.sync_period_ns = 1000 * PAWL_NS_PER_S; /* nothing syncs but the end of a file */
    open_disk();
    open_store(5000);
    open_journal(&cfg);
    while (file_count() < 3) {
        put(10);
        turns(4);
    }
    uint64_t durable = pawl_journal_durable_head(&journal);
    ck_assert_uint_gt(durable, 0);
    put(10);
    flush();
    durable = pawl_journal_durable_head(&journal);
    pawl_journal_close(&journal);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 1);
    load(&mem.io, 5000, durable);
    ck_assert_uint_eq(loaded.frames, durable);
    expect_same(0, durable);
    close_all();
}
END_TEST

#ifdef PAWL_FAULTS

/* Six flushes over the kernel's own queue, of which the submission with this number is refused.
 */
static void refuse_submission(unsigned number)
{
    struct pawl_journal_cfg cfg = small_cfg();
    struct scratch scratch;
    char fault[64];
    scratch_open(&scratch);
    cfg.io = pawl_io_sys();
    cfg.queue_kind = PAWL_IO_QUEUE_URING;
    cfg.folder = scratch_path(&scratch, "replay");
    open_store(500);
    open_journal(&cfg);
    snprintf(fault, sizeof(fault), "io.uring.submit:error=EAGAIN@%u", number);
    ck_assert_int_eq(pawl_fault_arm(fault, NULL), 0);
    for (int i = 0; i < 6; i++) {
        put(10);
        (void)pawl_journal_flush(&journal, pawl_clock_now_ns() + 20 * PAWL_NS_PER_S, NULL);
    }
    ck_assert_uint_ge(pawl_fault_passages("io.uring.submit"), number);
    pawl_fault_disarm();
    flush();
    ck_assert_uint_le(journal.counts.failures, 1);
    ck_assert_uint_eq(pawl_journal_durable_head(&journal), 60);
    pawl_journal_close(&journal);
    replay_rig_open(&other, 500);
    ck_assert_int_eq(
        pawl_journal_load(cfg.io, scratch_path(&scratch, "replay"), &other, 60, &loaded, NULL),
        0);
    ck_assert_uint_eq(loaded.frames, 60);
    expect_same(0, 60);
    pawl_replay_close(&replay);
    pawl_replay_close(&other);
    scratch_close(&scratch);
}

START_TEST(a_submission_that_the_kernel_refuses_costs_nothing)
{
    for (unsigned number = 1; number <= 8 && pawl_io_uring_works(NULL, 0); number++)
        refuse_submission(number);
}
END_TEST

START_TEST(a_look_at_the_folder_that_cannot_begin_is_told_and_begun_again)
{
    struct pawl_journal_cfg cfg = small_cfg();
    cfg.is_looked_for_later = true;
    open_disk();
    open_store(500);
    pawl_io_faulty_arm(&faulty, 1, EIO, PAWL_IO_ONCE);
    open_journal(&cfg);
    put(10);
    while (journal.counts.failures == 0)
        turn();
    ck_assert_int_eq(pawl_fault_arm("errand.begin:error=ENOMEM@1", NULL), 0);
    turn();
    ck_assert_uint_eq(journal.counts.failures, 2);
    ck_assert_int_eq(journal.failure.code, ENOMEM);
    pawl_journal_poll(&journal, now_ns); /* within the period */
    ck_assert_uint_eq(pawl_fault_passages("errand.begin"), 1);
    pawl_fault_disarm();
    while (pawl_journal_durable_head(&journal) < 10)
        turn();
    ck_assert_uint_eq(journal.counts.failures, 2);
    close_all();
}
END_TEST

#define FAULT_TESTS                                                                            \
    , a_submission_that_the_kernel_refuses_costs_nothing,                                      \
        a_look_at_the_folder_that_cannot_begin_is_told_and_begun_again
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("journal_disk", a_full_disk_costs_nothing_once_it_has_room_again,
               what_left_the_window_before_there_was_room_is_counted,
               frames_of_a_failed_sync_are_written_again_elsewhere,
               a_file_that_cannot_be_made_durable_when_opened_is_written_again,
               a_power_cut_at_any_call_loses_nothing_that_was_durable,
               what_a_resumed_run_has_taken_back_does_not_come_back,
               frames_are_taken_back_though_the_newest_file_is_torn,
               frames_are_taken_back_though_the_last_file_cannot_be_made_durable,
               what_is_called_durable_is_in_a_file_whose_name_is,
               what_is_called_durable_is_in_a_folder_whose_name_is,
               any_call_may_fail_once_and_all_is_written_in_the_end,
               a_broken_disk_is_not_filled_with_files,
               a_chunk_that_was_lapped_while_it_was_written_is_dropped,
               links_made_while_a_chunk_is_written_do_not_tear_it,
               a_flush_ends_at_its_deadline_though_the_disk_hangs,
               what_is_called_durable_in_a_file_that_was_full_is,
               a_chunk_of_which_one_frame_was_lapped_is_dropped_too FAULT_TESTS)
