/* What holds for every environment that is built in, and for [env]. */
#include "actor/env_registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_cfg.h"
#include "actor/env_check.h"
#include "actor/env_spec.h"
#include "runtime/run_cfg.h"
#include "support/alloc_count.h"
#include "support/test.h"

static const struct pawl_cfg_table *const tables[] = {
    &pawl_run_table, &pawl_env_table, &pawl_env_reach2d_table, &pawl_env_dummy_table, NULL,
};

static struct pawl_cfg *open_cfg(char *const *words, int count)
{
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    struct pawl_cfg_source source = {.words = words, .word_count = count};
    ck_assert_msg(pawl_cfg_open(&cfg, tables, &source, &err) == 0, "%s", err.text);
    return cfg;
}

START_TEST(the_rows_agree_with_themselves)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(tables, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(each_is_found_by_the_name_that_the_file_has)
{
    int count = 0;
    for (; pawl_env_entries[count].ops; count++) {
        ck_assert_str_eq(pawl_env_entries[count].ops->name, pawl_env_names[count]);
        ck_assert_ptr_eq(pawl_env_find(pawl_env_names[count]), &pawl_env_entries[count]);
    }
    ck_assert_ptr_null(pawl_env_names[count]);
    ck_assert_int_gt(count, 4);
    ck_assert_ptr_null(pawl_env_find("robot"));
}
END_TEST

START_TEST(each_table_of_keys_is_named_after_its_environment)
{
    for (const struct pawl_env_entry *entry = pawl_env_entries; entry->ops; entry++)
        if (entry->table) {
            ck_assert_int_eq(strncmp(entry->table->name, "env.", 4), 0);
            ck_assert_str_eq(entry->table->name + 4, entry->ops->name);
        }
}
END_TEST

START_TEST(each_keeps_the_promises_of_an_environment)
{
    struct pawl_cfg *cfg = open_cfg(NULL, 0);
    for (const struct pawl_env_entry *entry = pawl_env_entries; entry->ops; entry++) {
        static struct pawl_env_check check;
        struct pawl_env_check_cfg check_cfg = pawl_env_check_default_cfg();
        check_cfg.ops = entry->ops;
        check_cfg.speed_ns = 1;
        check_cfg.step_count = 2000;
        ck_assert_int_eq(pawl_env_cfg_args(&check_cfg.args, cfg, entry, NULL), 0);
        pawl_env_check_run(&check, &check_cfg);
        for (uint32_t i = 0; i < check.item_count; i++)
            ck_assert_msg(check.items[i].verdict == PAWL_ENV_CHECK_GOOD, "%s: %s: %s",
                          entry->ops->name, check.items[i].name, check.items[i].text);
        ck_assert_uint_eq(check.item_count, 8);
    }
    pawl_cfg_close(cfg);
}
END_TEST

/* A hundred steps of each lane and a beginning after each end; how many calls failed. Asserts
 * of check allocate, so none is in here. */
static int run_lanes(struct pawl_lanes *lanes, void *const *obs)
{
    float action[PAWL_ENV_ACTIONS_MAX] = {0};
    struct pawl_env_step step;
    int failed_count = 0;
    for (int i = 0; i < 100; i++)
        for (uint32_t lane = 0; lane < pawl_lanes_count(lanes); lane++) {
            if (!pawl_lanes_get(lanes, lane)->is_running)
                failed_count += pawl_lanes_begin(lanes, lane, obs, NULL) != 0;
            failed_count += pawl_lanes_step(lanes, lane, action, obs, &step, NULL) != 0;
        }
    return failed_count;
}

START_TEST(nothing_is_allocated_once_the_lanes_are_open)
{
    char *words[] = {"env.lanes=3", "env.steps_max=7", "env.dummy.image_count=2",
                     "env.dummy.image_height=16", "env.dummy.image_width=16"};
    struct pawl_cfg *cfg = open_cfg(words, 5);
    static float state[64];
    static uint8_t images[2][16 * 16 * 3];
    void *const obs[] = {state, images[0], images[1]};
    for (const struct pawl_env_entry *entry = pawl_env_entries; entry->ops; entry++) {
        struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();
        struct pawl_lanes *lanes;
        ck_assert_int_eq(pawl_env_cfg_lanes(&lanes_cfg, cfg, entry, NULL), 0);
        unsigned long before = alloc_count();
        int code = pawl_lanes_open(&lanes, &lanes_cfg, NULL);
        unsigned long opened = alloc_count();
        ck_assert_int_eq(code, 0);
        ck_assert_uint_eq(opened - before, ALLOC_COUNT_WORKS ? 4 : 0); /* the lanes and 3 */
        before = alloc_count();
        int failed_count = run_lanes(lanes, obs);
        unsigned long after = alloc_count();
        ck_assert_int_eq(failed_count, 0);
        ck_assert_uint_eq(after, before);
        pawl_lanes_close(lanes);
    }
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(the_lanes_are_what_the_configuration_says)
{
    char *words[] = {"env.type=dummy",    "env.lanes=6",           "env.steps_max=31",
                     "env.seeding=plain", "env.dummy.obs_count=5", "run.seed=9"};
    struct pawl_cfg *cfg = open_cfg(words, 6);
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();
    struct pawl_lanes *lanes;
    ck_assert_int_eq(pawl_env_cfg_lanes(&lanes_cfg, cfg, NULL, NULL), 0);
    lanes_cfg.index_first = 100;
    ck_assert_int_eq(pawl_lanes_open(&lanes, &lanes_cfg, NULL), 0);
    ck_assert_ptr_eq(lanes_cfg.ops, &pawl_env_dummy);
    ck_assert_uint_eq(pawl_lanes_count(lanes), 6);
    ck_assert_uint_eq(lanes_cfg.steps_max, 31);
    ck_assert_uint_eq(pawl_lanes_spec(lanes)->obs[0].shape[0], 5);
    float state[5];
    void *const obs[] = {state};
    ck_assert_int_eq(pawl_lanes_begin(lanes, 3, obs, NULL), 0);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 3)->episode_seed, 9 + 103);
    pawl_lanes_close(lanes);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(keys_that_the_program_does_not_read_are_a_mistake_of_the_program)
{
    static const struct pawl_cfg_table *const few[] = {&pawl_run_table, &pawl_env_table, NULL};
    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {.path = NULL};
    struct pawl_env_args args;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_cfg_open(&cfg, few, &source, NULL), 0);
    ck_assert_int_eq(pawl_env_cfg_args(&args, cfg, pawl_env_find("dummy"), &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "[env.dummy]"));
    ck_assert_int_eq(pawl_env_cfg_args(&args, cfg, pawl_env_find("pendulum"), NULL), 0);
    pawl_cfg_close(cfg);
}
END_TEST

PAWL_TEST_MAIN("env_registry", the_rows_agree_with_themselves,
               each_is_found_by_the_name_that_the_file_has,
               each_table_of_keys_is_named_after_its_environment,
               each_keeps_the_promises_of_an_environment,
               nothing_is_allocated_once_the_lanes_are_open,
               the_lanes_are_what_the_configuration_says,
               keys_that_the_program_does_not_read_are_a_mistake_of_the_program)
