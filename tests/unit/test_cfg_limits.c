/* Inputs at and beyond the limits, files that cannot be read, rows that contradict themselves.
 */
#include "support/cfg_sample.h"

#include <errno.h>

#include "runtime/fault.h"
#include "support/test.h"

static struct pawl_cfg *cfg;
static struct pawl_err err;

static int open_file(const char *path)
{
    struct pawl_cfg_source source = {.path = path};
    err = (struct pawl_err){0};
    return pawl_cfg_open(&cfg, sample_tables, &source, &err);
}

static void expect(const char *part)
{
    char *text = sample_print(pawl_cfg_problems_print, cfg);
    ck_assert_msg(strstr(text, part) != NULL, "%s\nlacks\n%s", text, part);
    free(text);
    pawl_cfg_close(cfg);
}

START_TEST(a_file_that_cannot_be_read_is_named_with_the_reason)
{
    sample_folder_open();
    ck_assert_int_eq(open_file("none.toml"), -EINVAL);
    ck_assert_str_eq(err.text, "none.toml: cannot read it: No such file or directory");
    expect("none.toml: error: cannot read it: No such file or directory\n"
           "1 error; nothing was started.\n");
    ck_assert_int_eq(open_file("."), -EINVAL);
    expect(".: error: cannot read it: Is a directory\n");
    sample_folder_close();
}
END_TEST

START_TEST(the_first_problem_stands_for_all_in_the_error)
{
    sample_folder_open();
    sample_write("test.toml", "[ring]\nbatch = 0\n[env]\nfps = 0\n");
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    ck_assert_str_eq(err.text,
                     "test.toml:2:9: 'ring.batch' must be at least 1, got 0 (and 1 more)");
    pawl_cfg_close(cfg);
    sample_folder_close();
}
END_TEST

#ifdef PAWL_FAULTS
START_TEST(a_read_that_fails_is_a_problem_and_one_that_is_interrupted_is_not)
{
    sample_folder_open();
    sample_write("test.toml", "[ring]\nbatch = 3\n");
    ck_assert_int_eq(pawl_fault_arm("cfg.file.open:error=EACCES", NULL), 0);
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    expect("cannot read it: Permission denied");
    ck_assert_int_eq(pawl_fault_arm("file.read:error=EIO", NULL), 0);
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    expect("cannot read it: Input/output error");
    pawl_fault_disarm();
    ck_assert_int_eq(pawl_fault_arm("file.read:error=EINTR", NULL), 0);
    ck_assert_int_eq(open_file("test.toml"), 0);
    pawl_cfg_close(cfg);
    pawl_fault_disarm();
    sample_folder_close();
}
END_TEST
#endif

static void write_repeated(const char *path, const char *text, size_t count)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < count; i++)
        fputs(text, file);
    fclose(file);
}

START_TEST(a_file_that_is_too_big_is_not_read_to_its_end)
{
    sample_folder_open();
    write_repeated("test.toml", "# 456789abcdef\n", PAWL_CFG_FILE_BYTES_MAX / 15 + 1);
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    expect("it has more than 4194304 bytes");
    ck_assert_int_eq(open_file("/dev/zero"), -EINVAL);
    expect("/dev/zero: error: cannot read it: it has more than 4194304 bytes");
    sample_folder_close();
}
END_TEST

START_TEST(problems_beyond_the_limit_are_counted)
{
    sample_folder_open();
    FILE *file = fopen("test.toml", "w");
    for (int i = 0; i < PAWL_CFG_PROBLEM_MAX + 7; i++)
        fprintf(file, "k%d = 1\n", i);
    fclose(file);
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    ck_assert_uint_eq(pawl_cfg_problem_count(cfg), PAWL_CFG_PROBLEM_MAX + 7);
    expect("... and 7 more\n107 errors; nothing was started.");
    sample_folder_close();
}
END_TEST

START_TEST(files_extend_each_other_only_so_far)
{
    sample_folder_open();
    for (int i = 0; i <= PAWL_CFG_EXTENDS_NEST_MAX; i++) {
        char path[32], text[64];
        snprintf(path, sizeof(path), "%d.toml", i);
        snprintf(text, sizeof(text), "extends = \"%d.toml\"\n", i + 1);
        sample_write(path, text);
    }
    sample_write("8.toml", "");
    ck_assert_int_eq(open_file("0.toml"), 0);
    pawl_cfg_close(cfg);
    sample_write("8.toml", "extends = \"9.toml\"\n");
    ck_assert_int_eq(open_file("0.toml"), -EINVAL);
    expect("8.toml:1:11: error: 'extends' goes through more than 8 files");
    sample_folder_close();
}
END_TEST

START_TEST(a_configuration_has_only_so_many_files)
{
    sample_folder_open();
    FILE *file = fopen("test.toml", "w");
    fputs("extends = [\n", file);
    for (int i = 0; i < PAWL_CFG_FILE_COUNT_MAX; i++)
        fputs("'e.toml',\n", file);
    fputs("]\n", file);
    fclose(file);
    sample_write("e.toml", "");
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    expect("test.toml:33:1: error: cannot read 'e.toml': a configuration has at most 32 files");
    sample_folder_close();
}
END_TEST

START_TEST(a_name_that_is_too_long_to_extend_is_refused)
{
    sample_folder_open();
    char text[6000] = "extends = '";
    memset(text + strlen(text), 'a', 5000);
    strcat(text, "'\n");
    sample_write("test.toml", text);
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    expect("'extends' holds what cannot be a file name");
    sample_folder_close();
}
END_TEST

START_TEST(a_file_with_more_syntax_errors_than_are_looked_for_is_still_refused)
{
    sample_folder_open();
    write_repeated("test.toml", "x = ?\n\n\n", 50);
    ck_assert_int_eq(open_file("test.toml"), -EINVAL);
    ck_assert_uint_eq(pawl_cfg_problem_count(cfg), 8);
    expect("test.toml:22:5: error: not valid TOML: this is not a value");
    sample_folder_close();
}
END_TEST

/* One broken row at a time, in a table of its own. */
START_TEST(rows_that_contradict_themselves_are_found)
{
    struct sample_ring ring;
    const struct pawl_cfg_row good = sample_ring_rows[1];
    struct pawl_cfg_row broken[] = {
        good, good, good, good, sample_policy_rows[0], sample_sac_rows[2], sample_env_rows[1],
        good};
    static const char *const sentences[] = {
        "row 'run.batch' does not belong in table 'ring'",
        "row 'ring.a-b' does not belong in table 'ring'",
        "row 'ring.batch': its default is not allowed",
        "row 'ring.batch' lies outside the struct of its table",
        "row 'ring.type': its default is not allowed",
        "row 'ring.hidden': its default is not allowed",
        "row 'ring.name': its default is not allowed",
        "row 'ring.batch' is there twice",
    };
    broken[0].key = "run.batch";
    broken[1].key = "ring.a-b";
    broken[2].standard.i64 = 0;
    broken[3].offset = 1u << 20;
    broken[4].key = "ring.type";
    broken[4].standard.i64 = 3;
    broken[5].key = "ring.hidden";
    broken[5].standard_text = "[1";
    broken[6].key = "ring.name";
    broken[6].standard_text = "";

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct pawl_cfg_row rows[] = {broken[i], broken[i]};
        const struct pawl_cfg_table table = {.name = "ring",
                                             .help = "",
                                             .rows = rows,
                                             .row_count = i == 7 ? 2 : 1,
                                             .fields_bytes = 65536};
        const struct pawl_cfg_table *const tables[] = {&table, NULL};
        err = (struct pawl_err){0};
        ck_assert_int_eq(pawl_cfg_tables_check(tables, &err), -EINVAL);
        ck_assert_str_eq(err.text, sentences[i]);
    }
    struct pawl_cfg_table table = sample_ring_table;
    table.rows = &broken[2];
    table.row_count = 1;
    ck_assert_int_eq(pawl_cfg_default(&table, &ring, NULL), -EDOM);
    const struct pawl_cfg_table *const tables[] = {&table, NULL};
    struct pawl_cfg_source source = {.path = NULL};
    ck_assert_int_eq(pawl_cfg_open(&cfg, tables, &source, NULL), -EDOM);
    ck_assert_ptr_null(cfg);
}
END_TEST

START_TEST(a_table_given_twice_is_found)
{
    const struct pawl_cfg_table empty = {.name = "ring", .help = "", .fields_bytes = 1};
    const struct pawl_cfg_table *const tables[] = {&sample_ring_table, &empty, NULL};
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_cfg_tables_check(tables, &err), -EINVAL);
    ck_assert_str_eq(err.text, "table 'ring' is there twice");
    ck_assert_int_eq(pawl_cfg_tables_check(sample_tables, &err), 0);
}
END_TEST

PAWL_TEST_MAIN("cfg_limits", a_file_that_cannot_be_read_is_named_with_the_reason,
               the_first_problem_stands_for_all_in_the_error,
#ifdef PAWL_FAULTS
               a_read_that_fails_is_a_problem_and_one_that_is_interrupted_is_not,
#endif
               a_file_that_is_too_big_is_not_read_to_its_end,
               problems_beyond_the_limit_are_counted, files_extend_each_other_only_so_far,
               a_configuration_has_only_so_many_files,
               a_name_that_is_too_long_to_extend_is_refused,
               a_file_with_more_syntax_errors_than_are_looked_for_is_still_refused,
               rows_that_contradict_themselves_are_found, a_table_given_twice_is_found)
