#include "learner/checkpoint_find.h"

#include "runtime/fault.h"
#include "support/checkpoint_rig.h"
#include "support/scratch.h"
#include "support/test.h"

static struct rig rig;
static struct scratch scratch;
static struct pawl_err err;
static struct pawl_checkpoint_info info;

/* A run with checkpoints of the steps 1 to 3. */
static void make_run(void)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup =
        rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_INLINE, scratch.path);
    setup.cfg.keep_last = 10;
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    for (uint64_t step = 1; step <= 3; step++)
        ck_assert_int_eq(rig_save(&rig, step, (double)step, &err), PAWL_CHECKPOINT_DONE);
    rig_close(&rig);
}

/* Writes the byte at `at` of a file anew, or cuts the file there. */
static void damage(const char *file, long at, bool is_cut)
{
    const char *path = scratch_path(&scratch, file);
    if (is_cut) {
        ck_assert_int_eq(truncate(path, at), 0);
        return;
    }
    FILE *stream = fopen(path, "r+e");
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(fseek(stream, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(stream);
    ck_assert_int_eq(fseek(stream, -1, SEEK_CUR), 0);
    ck_assert_int_ne(fputc(byte ^ 4, stream), EOF);
    ck_assert_int_eq(fclose(stream), 0);
}

static char skips[4][PAWL_ERR_TEXT_BYTES];
static unsigned skip_count;

static void note_skip(void *arg, const char *sentence)
{
    (void)arg;
    ck_assert_uint_lt(skip_count, 4);
    snprintf(skips[skip_count++], sizeof(skips[0]), "%s", sentence);
}

static int find(enum pawl_checkpoint_wanted wanted)
{
    skip_count = 0;
    err = (struct pawl_err){0};
    return pawl_checkpoint_find(pawl_io_sys(), scratch.path, wanted, note_skip, NULL, &info,
                                &err);
}

START_TEST(the_newest_valid_one_is_found_and_each_skipped_one_has_its_reason)
{
    make_run();
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_STRICT), 0);
    ck_assert_uint_eq(info.step, 3);
    damage("checkpoints/000003/" RIG_MODEL, -1, false);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), 0);
    ck_assert_uint_eq(info.step, 2);
    ck_assert(!info.is_last);
    ck_assert_uint_eq(skip_count, 1);
    ck_assert_ptr_nonnull(strstr(skips[0], "/checkpoints/000003: " RIG_MODEL ": CRC-32C "));

    damage("checkpoints/000002/" RIG_MOMENT, 100, true);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), 0);
    ck_assert_uint_eq(info.step, 1);
    ck_assert_ptr_nonnull(strstr(skips[1], RIG_MOMENT ": 100 bytes, the manifest says "));

    ck_assert_int_eq(unlink(scratch_path(&scratch, "checkpoints/000001/" RIG_JSON)), 0);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "none of its 3 checkpoints is valid"));
    ck_assert_ptr_nonnull(strstr(skips[2], RIG_JSON ": No such file or directory"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_has_a_number_that_is_not_finite_is_not_valid)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    make_run();
    struct pawl_checkpoint_setup setup =
        rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_INLINE, scratch.path);
    setup.cfg.keep_last = 10;
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    for (uint64_t i = 0; i < 3; i++) {
        rig_fill(&rig, 4 + i);
        rig.numbers[RIG_FLOATS - 1] = bad[i];
        ck_assert_int_eq(rig_save_filled(&rig, 4 + i, 1.0, &err), PAWL_CHECKPOINT_DONE);
        ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), 0);
        ck_assert_uint_eq(info.step, 3);
        ck_assert_uint_eq(skip_count, i + 1);
        ck_assert_ptr_nonnull(
            strstr(skips[0], RIG_MOMENT ": w has a number that is not finite"));
    }
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

START_TEST(strict_refuses_when_the_newest_is_not_valid)
{
    make_run();
    damage("checkpoints/000003/" RIG_JSON, 2, false);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_STRICT), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "the newest checkpoint is not valid: "));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_without_checkpoints_says_so)
{
    scratch_open(&scratch);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "has no checkpoint"));
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints"), 0700), 0);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), -ENOENT);
    scratch_close(&scratch);
}
END_TEST

START_TEST(last_is_a_hint_and_other_names_are_no_checkpoints)
{
    make_run();
    ck_assert_int_eq(unlink(scratch_path(&scratch, "checkpoints/last")), 0);
    ck_assert_int_eq(symlink("000001", scratch_path(&scratch, "checkpoints/last")), 0);
    static const char *const names[] = {"9", "0000004", "00005x", "999999999999999999999",
                                        ".tmp-000009-1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "checkpoints/%s", names[i]);
        ck_assert_int_eq(mkdir(scratch_path(&scratch, path), 0700), 0);
    }
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_STRICT), 0);
    ck_assert_uint_eq(info.step, 3);

    struct pawl_checkpoint_info *infos;
    size_t count;
    ck_assert_int_eq(pawl_checkpoint_list(pawl_io_sys(), scratch.path, PAWL_CHECKPOINT_QUICK,
                                          &infos, &count, &err),
                     0);
    ck_assert_uint_eq(count, 3);
    ck_assert(infos[2].is_last && !infos[0].is_last);
    ck_assert_uint_eq(infos[2].step, 1);
    free(infos);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_folder_with_another_ones_number_is_refused_and_a_copy_elsewhere_is_not)
{
    make_run();
    const char *from = scratch_path(&scratch, "checkpoints/000003");
    ck_assert_int_eq(rename(from, scratch_path(&scratch, "checkpoints/000009")), 0);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), 0);
    ck_assert_uint_eq(info.step, 2);
    ck_assert_ptr_nonnull(strstr(skips[0], "the manifest is of step 3"));
    ck_assert_int_eq(
        rename(scratch_path(&scratch, "checkpoints/000009"), scratch_path(&scratch, "copy")),
        0);
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/copy//", scratch.path);
    ck_assert_int_eq(
        pawl_checkpoint_verify(pawl_io_sys(), path, PAWL_CHECKPOINT_FULL, &info, &err), 0);
    ck_assert_uint_eq(info.step, 3);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_file_that_is_right_by_its_sum_but_has_no_structure_is_refused)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup =
        rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_INLINE, scratch.path);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    struct iovec part = {.iov_base = "nothing like it", .iov_len = 15};
    static const char *const names[] = {"a.safetensors", "a.json"};
    for (uint64_t i = 0; i < 2; i++) {
        struct pawl_checkpoint_file file = {names[i], &part, 1};
        ck_assert_int_eq(pawl_checkpoint_begin(&rig.saver, i + 1, NAN, &file, 1, 0, &err), 0);
        ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, 0, &err), PAWL_CHECKPOINT_DONE);
        ck_assert_int_eq(pawl_checkpoint_wait(&rig.saver, 0, &err), PAWL_CHECKPOINT_IDLE);
        ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), -ENOENT);
        ck_assert_ptr_nonnull(strstr(skips[0], names[i]));
    }
    rig_close(&rig);
    scratch_close(&scratch);
}
END_TEST

/* Manifests. */

static size_t write_manifest(char text[PAWL_CHECKPOINT_MANIFEST_MAX])
{
    struct pawl_checkpoint_manifest manifest = {.step = 500,
                                                .rollback_count = 3,
                                                .score = 0.25,
                                                .run = "r\"un",
                                                .saved_unix_s = 7,
                                                .file_count = 2};
    strcpy(manifest.files[0].path, "a/b.json");
    manifest.files[0].size_bytes = 12345678901;
    manifest.files[0].crc32c = 0x0b1c2d3e;
    strcpy(manifest.files[1].path, "c");
    size_t length_bytes;
    ck_assert_int_eq(pawl_checkpoint_manifest_write(
                         &manifest, text, PAWL_CHECKPOINT_MANIFEST_MAX, &length_bytes, &err),
                     0);
    ck_assert_uint_eq(strlen(text), length_bytes);
    return length_bytes;
}

START_TEST(a_manifest_is_read_as_written)
{
    static char text[PAWL_CHECKPOINT_MANIFEST_MAX];
    static struct pawl_checkpoint_manifest read;
    size_t length_bytes = write_manifest(text);
    ck_assert_int_eq(pawl_checkpoint_manifest_parse(&read, text, length_bytes, "m", &err), 0);
    ck_assert_uint_eq(read.step, 500);
    ck_assert_uint_eq(read.rollback_count, 3);
    ck_assert_double_eq(read.score, 0.25);
    ck_assert_str_eq(read.run, "r\"un");
    ck_assert_uint_eq(read.file_count, 2);
    ck_assert_str_eq(read.files[0].path, "a/b.json");
    ck_assert_uint_eq(read.files[0].size_bytes, 12345678901);
    ck_assert_uint_eq(read.files[0].crc32c, 0x0b1c2d3e);
    char small[64];
    ck_assert_int_eq(
        pawl_checkpoint_manifest_write(&read, small, sizeof(small), &length_bytes, NULL),
        -ENOSPC);
}
END_TEST

START_TEST(a_manifest_that_is_cut_or_changed_anywhere_is_refused)
{
    static char text[PAWL_CHECKPOINT_MANIFEST_MAX];
    static struct pawl_checkpoint_manifest read;
    size_t length_bytes = write_manifest(text);
    for (size_t i = 0; i < length_bytes; i++) {
        ck_assert_int_lt(pawl_checkpoint_manifest_parse(&read, text, i, "m", NULL), 0);
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ (1 << bit));
            ck_assert_int_lt(
                pawl_checkpoint_manifest_parse(&read, text, length_bytes, "m", NULL), 0);
            text[i] = (char)(text[i] ^ (1 << bit));
        }
    }
}
END_TEST

START_TEST(a_manifest_names_nothing_outside_its_folder)
{
    static const char *const paths[] = {"../x", "/x", "a/../x", "a//x", "", ".", "a/"};
    static char text[PAWL_CHECKPOINT_MANIFEST_MAX];
    static struct pawl_checkpoint_manifest manifest = {.file_count = 1};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t length_bytes;
        strcpy(manifest.files[0].path, paths[i]);
        ck_assert_int_eq(
            pawl_checkpoint_manifest_write(&manifest, text, sizeof(text), &length_bytes, NULL),
            0);
        static struct pawl_checkpoint_manifest read;
        err = (struct pawl_err){0};
        ck_assert_int_eq(pawl_checkpoint_manifest_parse(&read, text, length_bytes, "m", &err),
                         -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "is no path of a file in a checkpoint"));
    }
}
END_TEST

/* What cannot be read is told, and is not taken for one of before training went back. */
START_TEST(a_newest_one_that_cannot_be_read_is_the_newest_still)
{
    make_run();
    struct pawl_checkpoint_setup setup =
        rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_INLINE, scratch.path);
    setup.cfg.keep_last = 10;
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    pawl_checkpoint_note_rollback(&rig.saver, 1);
    for (uint64_t step = 4; step <= 5; step++)
        ck_assert_int_eq(rig_save(&rig, step, NAN, &err), PAWL_CHECKPOINT_DONE);
    rig_close(&rig);
    damage("checkpoints/000005/" PAWL_CHECKPOINT_MANIFEST, 0, true);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_STRICT), -EINVAL);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), 0);
    ck_assert_uint_eq(info.step, 4);
    ck_assert_uint_eq(skip_count, 1);
    scratch_close(&scratch);
}
END_TEST

#ifdef PAWL_FAULTS

START_TEST(one_read_that_fails_passes_over_no_checkpoint)
{
    static const char *const points[] = {"io.open", "io.size", "io.read"};
    make_run();
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        /* The first to be opened is the folder of all. */
        for (unsigned call = i == 0 ? 2 : 1; call < 10; call++) {
            char text[64];
            snprintf(text, sizeof(text), "%s:error=EIO@%u", points[i], call);
            ck_assert_int_eq(pawl_fault_arm(text, NULL), 0);
            ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), 0);
            pawl_fault_disarm();
            ck_assert_uint_eq(info.step, 3);
            ck_assert_uint_eq(skip_count, 0);
        }
    }
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_disk_that_cannot_be_read_is_no_run_without_checkpoints)
{
    make_run();
    ck_assert_int_eq(pawl_fault_arm("io.read:error=EIO@1+", NULL), 0);
    ck_assert_int_eq(find(PAWL_CHECKPOINT_NEWEST_VALID), -EIO);
    pawl_fault_disarm();
    ck_assert_uint_eq(skip_count, 3);
    ck_assert_ptr_nonnull(strstr(err.text, "none of its 3 checkpoints is valid, as far as"));
    scratch_close(&scratch);
}
END_TEST

#define FAULT_TESTS                                                                            \
    , one_read_that_fails_passes_over_no_checkpoint,                                           \
        a_disk_that_cannot_be_read_is_no_run_without_checkpoints
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("checkpoint_find",
               the_newest_valid_one_is_found_and_each_skipped_one_has_its_reason,
               what_has_a_number_that_is_not_finite_is_not_valid,
               strict_refuses_when_the_newest_is_not_valid, a_run_without_checkpoints_says_so,
               last_is_a_hint_and_other_names_are_no_checkpoints,
               a_folder_with_another_ones_number_is_refused_and_a_copy_elsewhere_is_not,
               a_file_that_is_right_by_its_sum_but_has_no_structure_is_refused,
               a_manifest_is_read_as_written,
               a_manifest_that_is_cut_or_changed_anywhere_is_refused,
               a_manifest_names_nothing_outside_its_folder,
               a_newest_one_that_cannot_be_read_is_the_newest_still FAULT_TESTS)
