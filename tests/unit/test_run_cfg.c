#include "runtime/run_cfg.h"

#include "support/test.h"

static const struct pawl_cfg_table *const tables[] = {&pawl_run_table, &pawl_log_table, NULL};

START_TEST(the_rows_agree_with_themselves)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(tables, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_run_needs_no_file)
{
    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {.path = NULL};
    ck_assert_int_eq(pawl_cfg_open(&cfg, tables, &source, NULL), 0);
    const struct pawl_run_cfg *run = pawl_cfg_fields(cfg, &pawl_run_table);
    ck_assert_str_ne(run->name, "");
    ck_assert_str_ne(run->dir, "");
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(a_run_and_its_log_need_a_name_and_a_level_that_exist)
{
    struct pawl_cfg *cfg;
    char *words[] = {"run.name=", "run.dir=", "log.level=loud"};
    struct pawl_cfg_source source = {.words = words, .word_count = 3};
    ck_assert_int_lt(pawl_cfg_open(&cfg, tables, &source, NULL), 0);
    ck_assert_uint_eq(pawl_cfg_problem_count(cfg), 3);
    pawl_cfg_close(cfg);
}
END_TEST

PAWL_TEST_MAIN("run_cfg", the_rows_agree_with_themselves, a_run_needs_no_file,
               a_run_and_its_log_need_a_name_and_a_level_that_exist)
