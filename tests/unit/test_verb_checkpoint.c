#include "learner/verbs.h"

#include "runtime/json.h"
#include "support/checkpoint_rig.h"
#include "support/scratch.h"
#include "support/test.h"

static struct rig rig;
static struct scratch scratch;
static struct pawl_err err;

static const struct pawl_cli_verb *const verbs[] = {
    &pawl_verb_checkpoint, &pawl_verb_checkpoint_list, &pawl_verb_checkpoint_verify,
    &pawl_verb_checkpoint_show, NULL};
static const struct pawl_cfg_table *const tables[] = {NULL};

static char *out;
static char *complaint;

/* Runs `pawl checkpoint VERB OPERAND [OPTION]`; the exit code. */
static int run(const char *verb, const char *operand, const char *option)
{
    static const struct pawl_cli_program program = {
        .name = "pawl", .version = "0", .help = "a test", .verbs = verbs, .tables = tables};
    char *argv[] = {(char[]){"pawl"},          (char[]){"checkpoint"},
                    (char *)(uintptr_t)verb,   (char *)(uintptr_t)operand,
                    (char *)(uintptr_t)option, NULL};
    size_t size;
    free(out);
    free(complaint);
    FILE *out_file = open_memstream(&out, &size);
    FILE *err_file = open_memstream(&complaint, &size);
    int code = pawl_cli_run(&program, option ? 5 : 4, argv, out_file, err_file);
    fclose(out_file);
    fclose(err_file);
    return code;
}

static void make_run(void)
{
    scratch_open(&scratch);
    struct pawl_checkpoint_setup setup =
        rig_setup(pawl_io_sys(), PAWL_IO_QUEUE_INLINE, scratch.path);
    ck_assert_int_eq(rig_open(&rig, &setup, &err), 0);
    ck_assert_int_eq(rig_save(&rig, 500, NAN, &err), PAWL_CHECKPOINT_DONE);
    ck_assert_int_eq(rig_save(&rig, 1000, -12.5, &err), PAWL_CHECKPOINT_DONE);
    rig_close(&rig);
}

static void break_newest(void)
{
    const char *path = scratch_path(&scratch, "checkpoints/001000/" RIG_MODEL);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    FILE *file = fopen(path, "r+e");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, -1, SEEK_END), 0);
    ck_assert_int_eq(fputc('!', file), '!');
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(list_shows_the_newest_first_and_which_is_last)
{
    make_run();
    ck_assert_int_eq(run("list", scratch.path, NULL), PAWL_EXIT_DONE);
    const char *newest = strstr(out, "001000            -12.5");
    const char *oldest = strstr(out, "000500                -");
    ck_assert(newest && oldest && newest < oldest);
    ck_assert_ptr_nonnull(strstr(newest, "  last\n"));
    ck_assert_ptr_null(strstr(oldest, "last"));

    ck_assert_int_eq(run("list", scratch.path, "--json"), PAWL_EXIT_DONE);
    struct pawl_json doc;
    struct pawl_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    ck_assert_int_eq(pawl_json_open_text(&doc, out, strlen(out), "out", &limits, &err), 0);
    struct pawl_json_at root = pawl_json_root(&doc);
    ck_assert_uint_eq(pawl_json_count(&root), 2);
    struct pawl_json_at item = pawl_json_item(&root, 0);
    int64_t step;
    ck_assert_int_eq(pawl_json_get_i64(&item, "step", 0, INT64_MAX, &step, &err), 0);
    ck_assert_int_eq(step, 1000);
    pawl_json_close(&doc);
    scratch_close(&scratch);
}
END_TEST

START_TEST(verify_reads_all_and_fails_with_the_reason)
{
    make_run();
    ck_assert_int_eq(run("verify", scratch.path, NULL), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "/checkpoints/001000: ok\n"));
    ck_assert_ptr_nonnull(strstr(out, "/checkpoints/000500: ok\n"));
    break_newest();
    ck_assert_int_eq(run("list", scratch.path, NULL), PAWL_EXIT_DONE); /* too quick to see it */
    ck_assert_int_eq(run("verify", scratch.path, NULL), PAWL_EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "/checkpoints/001000: " RIG_MODEL ": CRC-32C "));
    ck_assert_ptr_nonnull(strstr(out, "/checkpoints/000500: ok\n"));
    ck_assert_int_eq(run("verify", scratch.path, "--json"), PAWL_EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(out, "\"valid\": false"));
    ck_assert_int_eq(run("verify", scratch_path(&scratch, "checkpoints/000500"), NULL),
                     PAWL_EXIT_DONE);
    scratch_close(&scratch);
}
END_TEST

START_TEST(show_takes_the_newest_valid_one_of_a_run)
{
    make_run();
    ck_assert_int_eq(run("show", scratch.path, NULL), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "step    1000\n"));
    ck_assert_ptr_nonnull(strstr(out, "\n  " RIG_MODEL ", "));
    ck_assert_ptr_nonnull(strstr(out, "F32 350              w\n"));
    break_newest();
    ck_assert_int_eq(run("show", scratch.path, "--json"), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, "\"step\": 500"));
    ck_assert_ptr_nonnull(strstr(out, "\"dtype\": \"F32\""));
    ck_assert_int_eq(run("show", scratch_path(&scratch, "checkpoints/001000"), NULL),
                     PAWL_EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(complaint, "CRC-32C"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_is_not_there_is_said)
{
    scratch_open(&scratch);
    static const char *const names[] = {"list", "verify", "show"};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(run(names[i], scratch_path(&scratch, "nothing"), NULL),
                         PAWL_EXIT_USAGE);
        ck_assert_ptr_nonnull(strstr(complaint, "No such file or directory"));
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(run(names[i], scratch.path, NULL), PAWL_EXIT_USAGE);
        ck_assert_ptr_nonnull(strstr(complaint, "neither a run (no checkpoints/) nor a "));
    }
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "checkpoints"), 0700), 0);
    ck_assert_int_eq(run("list", scratch.path, NULL), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out, " has no checkpoint\n"));
    ck_assert_int_eq(run("verify", scratch.path, NULL), PAWL_EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(complaint, "has no checkpoint"));
    ck_assert_int_eq(run("show", scratch.path, NULL), PAWL_EXIT_FAILED);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("verb_checkpoint", list_shows_the_newest_first_and_which_is_last,
               verify_reads_all_and_fails_with_the_reason,
               show_takes_the_newest_valid_one_of_a_run, what_is_not_there_is_said)
