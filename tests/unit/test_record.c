#include "actor/record.h"

#include <errno.h>

#include "actor/env_cfg.h"
#include "actor/env_spec.h"
#include "support/test.h"

static struct pawl_env_spec env;
static struct pawl_record_layout layout;
static struct pawl_policy_setup setup = {.lane_count = 1};

static void read_env(const char *name)
{
    struct pawl_env_args args = pawl_env_default_args();
    struct pawl_err err = {0};
    const struct pawl_env_entry *entry = pawl_env_find(name);
    ck_assert_msg(pawl_env_spec_read(&env, entry->ops, &args, &err) == 0, "%s", err.text);
}

static int declare_logp(const struct pawl_policy_setup *with, struct pawl_spec *spec,
                        struct pawl_err *err)
{
    ck_assert_ptr_eq(with, &setup);
    return pawl_spec_add(spec, "extra.logp", PAWL_F32, 0, NULL, err);
}

static int declare_reward(const struct pawl_policy_setup *with, struct pawl_spec *spec,
                          struct pawl_err *err)
{
    (void)with;
    return pawl_spec_add(spec, "reward", PAWL_F32, 0, NULL, err);
}

static const struct pawl_policy_ops logp_ops = {.name = "logp", .declare = declare_logp};
static const struct pawl_policy_ops twice_ops = {.name = "twice", .declare = declare_reward};

START_TEST(the_fields_are_those_of_the_environment_and_of_the_policy)
{
    char text[PAWL_SPEC_TEXT_BYTES];
    struct pawl_err err = {0};
    read_env("pendulum");
    ck_assert_msg(pawl_record_layout_make(&layout, &env, &logp_ops, &setup, &err) == 0, "%s",
                  err.text);
    pawl_spec_text(&layout.spec, text);
    ck_assert_str_eq(text, "obs.state float32[3] @0\n"
                           "action float32[1] @12\n"
                           "reward float32 @16\n"
                           "terminated bool @20\n"
                           "truncated bool @21\n"
                           "success bool @22\n"
                           "intervention bool @23\n"
                           "extra.logp float32 @24\n");
    ck_assert_uint_eq(layout.record_bytes, 32);
}
END_TEST

START_TEST(a_choice_is_the_last_number_of_the_action_and_has_a_penalty)
{
    read_env("cartpole");
    ck_assert_int_eq(pawl_record_layout_make(&layout, &env, &pawl_null_policy, &setup, NULL),
                     0);
    ck_assert_uint_eq(layout.choice_count, 2);
    ck_assert_uint_eq(layout.action_count, 1);
    const struct pawl_spec_field *action = pawl_spec_find(&layout.spec, "action");
    ck_assert_int_eq(action->dtype, PAWL_F32);
    const struct pawl_spec_field *penalty =
        pawl_spec_find(&layout.spec, PAWL_RECORD_PENALTY_NAME);
    ck_assert_ptr_nonnull(penalty);
    ck_assert_uint_eq(layout.penalty_offset, penalty->offset_bytes);
}
END_TEST

START_TEST(a_final_record_keeps_the_observation_and_nothing_else)
{
    _Alignas(8) unsigned char data[64];
    void *obs[PAWL_ENV_FIELDS_MAX];
    struct pawl_env_step step = {.reward = 2.5f, .terminated = 1, .success = 1};
    read_env("pendulum");
    ck_assert_int_eq(pawl_record_layout_make(&layout, &env, &logp_ops, &setup, NULL), 0);
    memset(data, 0x55, sizeof(data));
    pawl_record_obs(&layout, data, obs);
    ck_assert_ptr_eq(obs[0], data);
    memset(obs[0], 0x11, 12);
    *pawl_record_action(&layout, data) = 0.5f;
    pawl_record_write_step(&layout, data, &step);
    ck_assert_mem_eq(data + 16, &step.reward, 4);
    ck_assert_mem_eq(data + 20, "\1\0\1\0", 4);
    pawl_record_write_final(&layout, data);
    for (size_t i = 0; i < 64; i++)
        ck_assert_int_eq(data[i], i < 12 ? 0x11 : i < layout.record_bytes ? 0 : 0x55);
}
END_TEST

START_TEST(a_field_that_is_there_twice_is_refused_by_name)
{
    struct pawl_err err = {0};
    read_env("pendulum");
    ck_assert_int_eq(pawl_record_layout_make(&layout, &env, &twice_ops, &setup, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "policy twice"));
    ck_assert_ptr_nonnull(strstr(err.text, "'reward'"));
}
END_TEST

PAWL_TEST_MAIN("record", the_fields_are_those_of_the_environment_and_of_the_policy,
               a_choice_is_the_last_number_of_the_action_and_has_a_penalty,
               a_final_record_keeps_the_observation_and_nothing_else,
               a_field_that_is_there_twice_is_refused_by_name)
