/* Demonstrations: written, read back, and refused where they cannot be. */
#include <errno.h>
#include <math.h>

#include "learner/journal.h"
#include "support/journal_rig.h"
#include "support/test.h"

static struct pawl_journal_recorder recorder;

static void record(uint32_t count, uint32_t bad_index, struct pawl_replay_frame bad,
                   float bad_reward)
{
    struct pawl_spec spec = replay_rig_spec();
    uint64_t prev = PAWL_REPLAY_NONE;
    ck_assert_int_eq(
        pawl_journal_recorder_open(&recorder, &mem.io, "demos.journal", &spec, &err), 0);
    for (uint32_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        uint32_t flags = is_last ? PAWL_RECORD_FINAL : PAWL_RECORD_STEP;
        struct pawl_replay_frame frame = {.prev = prev, .step = i, .flags = flags};
        struct replay_rig_record payload = replay_rig_record((float)i, 0.0f, flags);
        if (i == bad_index) {
            frame = bad;
            payload.reward = bad_reward;
        }
        ck_assert_int_eq(pawl_journal_recorder_put(&recorder, &frame, &payload, &prev, &err),
                         0);
    }
    ck_assert_int_eq(pawl_journal_recorder_close(&recorder, &err), 0);
}

static int load_demos(void)
{
    err = (struct pawl_err){0};
    return pawl_journal_load_file(&mem.io, "demos.journal", &other, &loaded, &err);
}

START_TEST(demonstrations_come_behind_what_is_there)
{
    float own = 900.0f;
    open_disk();
    record(30000, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 3); /* and outlive a power cut */
    replay_rig_open(&other, 40000);
    lane = replay_rig_lane(0);
    replay_rig_episode(&other, &lane, 5, PAWL_RECORD_TERMINATED, &own);
    ck_assert_msg(load_demos() == 0, "%s", err.text);
    ck_assert_uint_eq(loaded.frames, 30000);
    ck_assert_uint_gt(loaded.chunks, 1);
    ck_assert_uint_eq(other.head, 30006);
    ck_assert_uint_eq(other.sample_count, 5 + 29999);
    for (uint64_t i = 6; i < 30005; i++)
        ck_assert_float_eq(replay_rig_observation(&other, pawl_replay_next(&other, i)),
                           (float)(i - 6) + 1.0f);
    close_all();
}
END_TEST

START_TEST(demonstrations_are_never_written_over)
{
    struct pawl_spec spec = replay_rig_spec();
    open_disk();
    record(3, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    ck_assert_int_eq(
        pawl_journal_recorder_open(&recorder, &mem.io, "demos.journal", &spec, NULL), -EEXIST);
    ck_assert_int_eq(pawl_journal_recorder_close(&recorder, NULL), 0);
    pawl_io_mem_close(&mem);
}
END_TEST

static void expect_refused(const char *text)
{
    replay_rig_open(&other, 100);
    ck_assert_int_eq(load_demos(), -EINVAL); /* which no other start would change */
    ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "demos.journal"));
    pawl_replay_close(&other);
    pawl_io_mem_close(&mem);
}

START_TEST(a_demonstration_that_is_no_number_is_refused_by_its_field)
{
    open_disk();
    record(9, 4, (struct pawl_replay_frame){.prev = 3, .step = 4, .flags = 1}, NAN);
    expect_refused("frame 4: reward is nan");
}
END_TEST

START_TEST(a_frame_whose_flags_cannot_be_is_refused)
{
    open_disk();
    record(9, 4, (struct pawl_replay_frame){.prev = 3, .step = 4, .flags = 3}, 0.0f);
    expect_refused("frame 4: it is neither STEP nor FINAL, or both");
    open_disk();
    record(9, 4, (struct pawl_replay_frame){.prev = 3, .step = 4, .flags = 65}, 0.0f);
    expect_refused("frame 4: a flag that is not known");
}
END_TEST

START_TEST(a_frame_that_follows_a_later_one_is_refused)
{
    open_disk();
    record(9, 4, (struct pawl_replay_frame){.prev = 4, .step = 4, .flags = 1}, 0.0f);
    expect_refused("frame 4: the frame before it comes after it");
}
END_TEST

START_TEST(demonstrations_without_a_transition_are_refused)
{
    open_disk();
    record(1, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    expect_refused("holds no transition");
}
END_TEST

static void damage(uint64_t at_from_end, bool is_cut)
{
    uint64_t size_bytes;
    unsigned char byte;
    int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, "demos.journal", O_RDWR, 0);
    ck_assert_int_eq(pawl_io_size(&mem.io, fd, &size_bytes), 0);
    uint64_t at = size_bytes - at_from_end;
    ck_assert_int_eq(pawl_io_read_up_to(&mem.io, fd, &byte, 1, at), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pawl_io_write_all(&mem.io, fd, &byte, 1, at), 0);
    if (is_cut)
        ck_assert_int_eq(pawl_io_truncate(&mem.io, fd, at), 0);
    pawl_io_close(&mem.io, fd);
}

START_TEST(torn_demonstrations_are_refused)
{
    open_disk();
    record(9, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    damage(100, false);
    expect_refused("the checksum of a chunk's frames is another");
    open_disk();
    record(9, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    damage(100, true);
    expect_refused("the file ends inside a chunk");
    open_disk();
    record(9, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    damage(9 * 72 + 8, false);
    expect_refused("the checksum of a chunk's header is another");
    open_disk();
    record(9, UINT32_MAX, (struct pawl_replay_frame){0}, 0.0f);
    damage(9 * 72 + 40 + 20, false);
    expect_refused("the checksum of its header is another");
}
END_TEST

START_TEST(another_file_is_refused_with_what_is_wanted)
{
    open_disk();
    int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, "demos.journal", O_RDWR | O_CREAT, 0600);
    static const char text[] =
        "# Something else, of more bytes than a header has, and so on on";
    ck_assert_int_eq(pawl_io_write_all(&mem.io, fd, text, sizeof(text), 0), 0);
    ck_assert_int_eq(pawl_io_write_all(&mem.io, fd, text, sizeof(text), sizeof(text)), 0);
    pawl_io_close(&mem.io, fd);
    expect_refused("wanted is a file as `pawl record` writes it");
}
END_TEST

START_TEST(a_part_of_a_runs_replay_is_refused)
{
    const struct pawl_journal_cfg cfg = small_cfg();
    open_disk();
    open_store(1000);
    open_journal(&cfg);
    for (int i = 0; i < 40; i++) {
        put(20);
        flush();
    }
    ck_assert_uint_gt(file_count(), 1);
    replay_rig_open(&other, 1000);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_journal_load_file(&mem.io, "run/replay/000000000001.journal", &other,
                                            &loaded, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, " where 0 has to follow"));
    close_all();
}
END_TEST

PAWL_TEST_MAIN("journal_record", another_file_is_refused_with_what_is_wanted,
               demonstrations_come_behind_what_is_there, demonstrations_are_never_written_over,
               a_demonstration_that_is_no_number_is_refused_by_its_field,
               a_frame_whose_flags_cannot_be_is_refused,
               a_frame_that_follows_a_later_one_is_refused,
               demonstrations_without_a_transition_are_refused, torn_demonstrations_are_refused,
               a_part_of_a_runs_replay_is_refused)
