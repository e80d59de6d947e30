#include "actor/env_spec.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "support/env_count.h"
#include "support/test.h"

static struct pawl_env_args args;
static struct pawl_env_spec spec;

static void read_spec(void)
{
    struct pawl_err err = {0};
    args = pawl_env_default_args();
    ck_assert_msg(pawl_env_spec_read(&spec, &count_ops, &args, &err) == 0, "%s", err.text);
}

static void assert_refused(const char *text)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_env_spec_check(&spec, &err), -EINVAL);
    ck_assert_msg(strstr(err.text, text) != NULL, "no '%s' in '%s'", text, err.text);
    read_spec();
}

START_TEST(a_plugin_of_another_abi_is_refused_before_it_is_called)
{
    struct pawl_env_ops ops = count_ops;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_env_ops_check(&ops, NULL), 0);
    ops.abi = PAWL_ENV_ABI + 1;
    ck_assert_int_eq(pawl_env_ops_check(&ops, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "compile it again"));
    ops = count_ops;
    ops.size = offsetof(struct pawl_env_ops, expert) - 8;
    ck_assert_int_eq(pawl_env_ops_check(&ops, NULL), -EINVAL);
    ops.size = sizeof(ops) + 8; /* a newer one, which only has more */
    ck_assert_int_eq(pawl_env_ops_check(&ops, NULL), 0);
    ck_assert_int_eq(pawl_env_ops_check(NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(a_table_without_a_function_is_refused_by_its_name)
{
    struct pawl_env_ops ops = count_ops;
    struct pawl_err err = {0};
    ops.step = NULL;
    ck_assert_int_eq(pawl_env_ops_check(&ops, &err), -EINVAL);
    ck_assert_str_eq(err.text, "environment count: its table has no step()");
    ops = count_ops;
    ops.safe = NULL;
    ops.render = NULL;
    ck_assert_int_eq(pawl_env_ops_check(&ops, NULL), 0);
}
END_TEST

START_TEST(a_spec_that_no_record_can_hold_is_refused)
{
    read_spec();
    spec.obs_count = 0;
    assert_refused("an observation of 0 fields");
    spec.obs_count = PAWL_ENV_FIELDS_MAX + 1;
    assert_refused("an observation of 17 fields");
    spec.obs[0].name = "two words";
    assert_refused("two words");
    spec.obs[0].name = "a_name_that_is_longer_than_forty_letters_";
    assert_refused("more than 40 letters");
    spec.obs[0].name = NULL;
    assert_refused("no name");
    spec.obs[0].dtype = 13;
    assert_refused("'obs.state': type 13");
    spec.obs[0].shape[0] = 0;
    assert_refused("obs.state");
    spec.obs[0].rank = 5;
    assert_refused("obs.state");
    spec.obs_count = 2;
    spec.obs[1] = spec.obs[0];
    assert_refused("obs.state");
    spec.rate_hz = NAN;
    assert_refused("nan steps per second");
    spec.camera_count = 17;
    assert_refused("17 cameras");
}
END_TEST

START_TEST(bounds_that_contradict_themselves_are_refused)
{
    static const float low[] = {0.0f, 1.0f}, high[] = {1.0f, 0.0f};
    read_spec();
    spec.obs[0].lows = low;
    assert_refused("one of lows and highs");
    spec.obs[0].lows = low;
    spec.obs[0].highs = high;
    assert_refused("'obs.state', number 1: bounds 1 .. 0");
    spec.action.high = INFINITY;
    assert_refused("number 0 of the action: bounds -1 .. inf");
    spec.action.low = spec.action.high = 0.0f;
    assert_refused("number 0 of the action");
    spec.action.dtype = PAWL_ENV_U8;
    assert_refused("a list of float32");
    spec.action.shape[0] = PAWL_ENV_ACTIONS_MAX + 1;
    assert_refused("257 numbers");
    spec.action.name = "act";
    assert_refused("\"action\"");
}
END_TEST

START_TEST(a_choice_has_the_bounds_of_its_values)
{
    read_spec();
    spec.choice_count = 3;
    assert_refused("a choice among 3");
    spec.choice_count = 3;
    spec.action.low = 0.0f;
    spec.action.high = 2.0f;
    ck_assert_int_eq(pawl_env_spec_check(&spec, NULL), 0);
    spec.choice_count = 1;
    assert_refused("a choice among 1");
}
END_TEST

static int realtime_spec(const struct pawl_env_args *of, struct pawl_env_spec *out,
                         struct pawl_env_err *err)
{
    int code = count_spec(of, out, err);
    out->flags = PAWL_ENV_REALTIME;
    return code;
}

static int sad_spec(const struct pawl_env_args *of, struct pawl_env_spec *out,
                    struct pawl_env_err *err)
{
    (void)of;
    (void)out;
    snprintf(err->text, sizeof(err->text), "no model 'x.xml'");
    return -ENOENT;
}

START_TEST(what_moves_something_real_has_to_be_able_to_stop_it)
{
    struct pawl_env_ops ops = count_ops;
    struct pawl_err err = {0};
    args = pawl_env_default_args();
    ops.spec = realtime_spec;
    ck_assert_int_eq(pawl_env_spec_read(&spec, &ops, &args, NULL), 0);
    ops.safe = NULL;
    ck_assert_int_eq(pawl_env_spec_read(&spec, &ops, &args, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "no safe()"));
}
END_TEST

START_TEST(an_environment_says_itself_why_it_has_no_spec)
{
    struct pawl_env_ops ops = count_ops;
    struct pawl_err err = {0};
    args = pawl_env_default_args();
    ops.spec = sad_spec;
    ck_assert_int_eq(pawl_env_spec_read(&spec, &ops, &args, &err), -ENOENT);
    ck_assert_str_eq(err.text, "environment count: no model 'x.xml'");
}
END_TEST

/* A spec of four fields of all kinds, and an observation of it. */
static float numbers[37];
static uint8_t pixels[12], flags[5];
static int64_t counter;
static void *const obs[] = {numbers, pixels, flags, &counter};

static void open_fields(void)
{
    spec = (struct pawl_env_spec){.obs_count = 4};
    spec.obs[0] = (struct pawl_env_field){
        .name = "joints", .dtype = PAWL_ENV_F32, .rank = 1, .shape = {37}};
    spec.obs[1] = (struct pawl_env_field){
        .name = "images.a", .dtype = PAWL_ENV_U8, .rank = 3, .shape = {2, 2, 3}};
    spec.obs[2] = (struct pawl_env_field){
        .name = "touch", .dtype = PAWL_ENV_BOOL, .rank = 1, .shape = {5}};
    spec.obs[3] = (struct pawl_env_field){
        .name = "count", .dtype = PAWL_ENV_I64, .low = -5.0f, .high = 5.0f};
}

START_TEST(every_number_that_is_not_finite_is_found_wherever_it_stands)
{
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    const float good[] = {0.0f, -0.0f, 3.4e38f, -3.4e38f, 1e-45f, -1e-45f, 1.0f};
    int wrong_count = 0;
    open_fields();
    for (uint32_t count = 1; count <= 37; count++)
        for (uint32_t i = 0; i < count; i++) {
            spec.obs[0].shape[0] = count;
            for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
                numbers[i] = bad[j];
                wrong_count += pawl_env_obs_find_bad(&spec, obs) != 0;
            }
            for (size_t j = 0; j < sizeof(good) / sizeof(good[0]); j++) {
                numbers[i] = good[j];
                wrong_count += pawl_env_obs_find_bad(&spec, obs) != -1;
            }
        }
    ck_assert_int_eq(wrong_count, 0);
    spec.obs[0].shape[0] = 36;
    numbers[36] = NAN; /* behind the field, and none of its business */
    ck_assert_int_eq(pawl_env_obs_find_bad(&spec, obs), -1);
}
END_TEST

START_TEST(a_bool_is_0_or_1_and_a_pixel_is_anything)
{
    open_fields();
    memset(pixels, 0xff, sizeof(pixels));
    flags[4] = 1;
    ck_assert_int_eq(pawl_env_obs_find_bad(&spec, obs), -1);
    flags[4] = 2;
    ck_assert_int_eq(pawl_env_obs_find_bad(&spec, obs), 2);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_field_place_and_value)
{
    struct pawl_err err = {0};
    open_fields();
    numbers[36] = INFINITY;
    ck_assert_int_eq(pawl_env_obs_explain(&spec, obs, 0, &err), -EINVAL);
    ck_assert_str_eq(err.text, "obs.joints[36] is inf, not a finite number");
    flags[1] = 255;
    err = (struct pawl_err){0};
    pawl_env_obs_explain(&spec, obs, 2, &err);
    ck_assert_str_eq(err.text, "obs.touch[1] is 255, a bool is 0 or 1");
    counter = 6;
    err = (struct pawl_err){0};
    pawl_env_obs_explain(&spec, obs, 3, &err);
    ck_assert_str_eq(err.text, "obs.count[0] is 6, outside -5 .. 5");
}
END_TEST

START_TEST(a_number_outside_its_bounds_is_found)
{
    static const float low[] = {-1.0f, -2.0f}, high[] = {1.0f, INFINITY};
    open_fields();
    counter = -5;
    ck_assert_int_eq(pawl_env_obs_find_outside(&spec, obs), -1);
    counter = -6;
    ck_assert_int_eq(pawl_env_obs_find_outside(&spec, obs), 3);
    counter = 0;
    spec.obs[0].shape[0] = 2;
    spec.obs[0].lows = low;
    spec.obs[0].highs = high;
    numbers[0] = 1.0f;
    numbers[1] = 1e30f;
    ck_assert_int_eq(pawl_env_obs_find_outside(&spec, obs), -1);
    numbers[0] = 1.0000001f;
    ck_assert_int_eq(pawl_env_obs_find_outside(&spec, obs), 0);
    numbers[0] = 0.0f;
    numbers[1] = NAN;
    ck_assert_int_eq(pawl_env_obs_find_outside(&spec, obs), 0);
}
END_TEST

START_TEST(a_type_is_written_as_in_the_spec_of_a_record)
{
    char text[PAWL_ENV_TYPE_TEXT_BYTES];
    open_fields();
    pawl_env_field_type_text(&spec.obs[0], text);
    ck_assert_str_eq(text, "float32[37]");
    pawl_env_field_type_text(&spec.obs[1], text);
    ck_assert_str_eq(text, "uint8[2,2,3]");
    pawl_env_field_type_text(&spec.obs[3], text);
    ck_assert_str_eq(text, "int64");
    ck_assert_uint_eq(pawl_env_field_bytes(&spec.obs[1]), 12);
    ck_assert_uint_eq(pawl_env_field_bytes(&spec.obs[3]), 8);
}
END_TEST

START_TEST(a_policys_action_is_brought_within_the_bounds_and_a_choice_stays)
{
    static const float lows[] = {-2.0f, 1.0f, 0.0f}, highs[] = {2.0f, 4.0f, 4.0f};
    struct pawl_env_spec wide = {.action = {.dtype = PAWL_ENV_F32,
                                            .rank = 1,
                                            .shape = {3},
                                            .lows = lows,
                                            .highs = highs},
                                 .choice_count = 5};
    const float units[3][3] = {{-1.0f, 0.0f, 3.0f}, {0.5f, 1.0f, 0.0f}, {7.0f, -9.0f, 4.0f}};
    const float wanted[3][3] = {{-2.0f, 2.5f, 3.0f}, {1.0f, 4.0f, 0.0f}, {2.0f, 1.0f, 4.0f}};
    float action[3];
    for (size_t i = 0; i < 3; i++) {
        pawl_env_action_from_units(action, &wide, units[i]);
        for (size_t j = 0; j < 3; j++)
            ck_assert_float_eq(action[j], wanted[i][j]);
    }
}
END_TEST

START_TEST(a_reward_is_finite_and_a_flag_is_0_or_1)
{
    struct pawl_env_step step = {.reward = -3.0f, .terminated = 1};
    ck_assert(pawl_env_step_is_sane(&step));
    step.reward = NAN;
    ck_assert(!pawl_env_step_is_sane(&step));
    step = (struct pawl_env_step){.truncated = 2};
    ck_assert(!pawl_env_step_is_sane(&step));
    step = (struct pawl_env_step){.discrete_penalty = INFINITY};
    ck_assert(!pawl_env_step_is_sane(&step));
}
END_TEST

PAWL_TEST_MAIN(
    "env_spec", a_plugin_of_another_abi_is_refused_before_it_is_called,
    a_table_without_a_function_is_refused_by_its_name,
    a_spec_that_no_record_can_hold_is_refused, bounds_that_contradict_themselves_are_refused,
    a_choice_has_the_bounds_of_its_values, what_moves_something_real_has_to_be_able_to_stop_it,
    an_environment_says_itself_why_it_has_no_spec,
    every_number_that_is_not_finite_is_found_wherever_it_stands,
    a_bool_is_0_or_1_and_a_pixel_is_anything, what_is_wrong_is_said_with_field_place_and_value,
    a_number_outside_its_bounds_is_found, a_type_is_written_as_in_the_spec_of_a_record,
    a_policys_action_is_brought_within_the_bounds_and_a_choice_stays,
    a_reward_is_finite_and_a_flag_is_0_or_1)
