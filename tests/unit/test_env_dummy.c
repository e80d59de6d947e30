#include "actor/env_dummy.h"

#include <string.h>

#include "actor/env_registry.h"
#include "actor/env_spec.h"
#include "runtime/clock.h"
#include "support/test.h"

static struct pawl_env_dummy_cfg cfg;
static struct pawl_env_args args;
static struct pawl_env_spec spec;
static float state[65536];
static uint8_t images[2][20 * 30 * 3];
static void *const obs[] = {state, images[0], images[1]};
static void *env;

static void default_cfg(void)
{
    ck_assert_int_eq(pawl_cfg_default(&pawl_env_dummy_table, &cfg, NULL), 0);
    args = pawl_env_default_args();
    args.fields = &cfg;
}

static void open_env(void)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_env_spec_read(&spec, &pawl_env_dummy, &args, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_env_dummy.open(&args, &env, NULL), 0);
}

START_TEST(every_number_says_whose_record_it_is_in)
{
    float action[4] = {0};
    struct pawl_env_step step = {0};
    default_cfg();
    cfg.obs_count = 65536;
    cfg.image_count = 2;
    cfg.image_height = 20;
    cfg.image_width = 30;
    open_env();
    ck_assert_int_eq(pawl_env_dummy.reset(env, 77, obs, NULL), 0);
    for (uint64_t i = 0; i < 10; i++) {
        float number = pawl_env_dummy_number(77, i);
        size_t wrong_count = 0;
        for (size_t j = 0; j < 65536; j++)
            wrong_count += state[j] != number;
        for (size_t j = 0; j < sizeof(images); j++)
            wrong_count += ((uint8_t *)images)[j] != (uint8_t)(number * 256.0f);
        ck_assert_uint_eq(wrong_count, 0);
        if (i)
            ck_assert_float_eq(step.reward, number);
        ck_assert_int_eq(pawl_env_dummy.step(env, action, obs, &step, NULL), 0);
    }
    pawl_env_dummy.close(env);
}
END_TEST

START_TEST(numbers_of_other_seeds_and_steps_are_other_numbers)
{
    for (uint64_t seed = 0; seed < 30; seed++)
        for (uint64_t step = 0; step < 30; step++) {
            float number = pawl_env_dummy_number(seed, step);
            ck_assert(number >= 0.0f && number < 1.0f);
            ck_assert_float_ne(number, pawl_env_dummy_number(seed, step + 1));
            ck_assert_float_ne(number, pawl_env_dummy_number(seed + 1, step));
        }
}
END_TEST

START_TEST(the_sizes_are_those_of_the_keys)
{
    default_cfg();
    cfg.obs_count = 3;
    cfg.action_count = 7;
    cfg.image_count = 2;
    cfg.image_height = 20;
    cfg.image_width = 30;
    cfg.steps_max = 12;
    open_env();
    ck_assert_uint_eq(spec.obs_count, 3);
    ck_assert_uint_eq(pawl_env_field_bytes(&spec.obs[0]), 12);
    ck_assert_str_eq(spec.obs[2].name, "images.1");
    ck_assert_uint_eq(pawl_env_field_bytes(&spec.obs[2]), 20 * 30 * 3);
    ck_assert_uint_eq(pawl_env_field_count(&spec.action), 7);
    ck_assert_uint_eq(spec.steps_max, 12);
    pawl_env_dummy.close(env);
}
END_TEST

START_TEST(its_last_number_may_be_a_choice)
{
    struct pawl_err err = {0};
    default_cfg();
    cfg.choice_count = 3;
    open_env();
    ck_assert_uint_eq(spec.choice_count, 3);
    ck_assert_float_eq(pawl_env_field_high(&spec.action, 3), 2.0f);
    pawl_env_dummy.close(env);
    cfg.choice_count = 1;
    ck_assert_int_lt(pawl_env_spec_read(&spec, &pawl_env_dummy, &args, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "a choice is among 2 or more"));
}
END_TEST

START_TEST(a_step_takes_at_least_as_long_as_it_is_told_to)
{
    float action[4] = {0};
    struct pawl_env_step step = {0};
    default_cfg();
    cfg.busy_us = 300.0;
    open_env();
    pawl_env_dummy.reset(env, 0, obs, NULL);
    uint64_t start_ns = pawl_clock_now_ns();
    for (int i = 0; i < 10; i++)
        pawl_env_dummy.step(env, action, obs, &step, NULL);
    ck_assert_uint_ge(pawl_clock_now_ns() - start_ns, 3 * PAWL_NS_PER_MS);
    pawl_env_dummy.close(env);
}
END_TEST

PAWL_TEST_MAIN("env_dummy", every_number_says_whose_record_it_is_in,
               numbers_of_other_seeds_and_steps_are_other_numbers,
               the_sizes_are_those_of_the_keys, its_last_number_may_be_a_choice,
               a_step_takes_at_least_as_long_as_it_is_told_to)
