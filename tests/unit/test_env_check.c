/* A check is worth what it finds: each test breaks one promise of a good environment. */
#include "actor/env_check.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "actor/env_spec.h"
#include "support/env_count.h"
#include "support/sanitizer.h"
#include "support/test.h"

static struct pawl_env_check check;
static struct pawl_env_ops ops;
static struct pawl_env_check_cfg cfg;

static void run(void)
{
    cfg.ops = &ops;
    cfg.speed_ns = 1;
    cfg.step_count = 200;
    cfg.reset_count = 1000;
    pawl_env_check_run(&check, &cfg);
}

static void setup(void)
{
    ops = count_ops;
    count_rules.terminate_at = 20.0f;
    cfg = pawl_env_check_default_cfg();
}

/* One item alone is bad, and says so in these words. */
static void assert_bad(const char *name, const char *text)
{
    for (uint32_t i = 0; i < check.item_count; i++) {
        const struct pawl_env_check_item *item = &check.items[i];
        bool is_expected = strcmp(item->name, name) == 0;
        ck_assert_msg((item->verdict == PAWL_ENV_CHECK_BAD) == is_expected, "%s: %s",
                      item->name, item->text);
        if (is_expected)
            ck_assert_msg(strstr(item->text, text) != NULL, "no '%s' in '%s'", text,
                          item->text);
    }
    ck_assert_uint_eq(check.bad_count, 1);
}

START_TEST(a_good_one_has_nothing_against_it)
{
    setup();
    run();
    for (uint32_t i = 0; i < check.item_count; i++)
        ck_assert_msg(check.items[i].verdict == PAWL_ENV_CHECK_GOOD, "%s: %s",
                      check.items[i].name, check.items[i].text);
    ck_assert_uint_eq(check.bad_count, 0);
    ck_assert_double_gt(check.steps_per_s, 0.0);
    ck_assert_double_gt(check.resets_per_s, 0.0);
    ck_assert_int_eq(count_rules.open_count, 0);
}
END_TEST

static int nan_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                    struct pawl_env_err *err)
{
    int code = count_step(env, action, obs, step, err);
    float *state = obs[0];
    if (state[0] == 7.0f)
        state[1] = NAN;
    return code;
}

static int forgetful_step(void *env, float *action, void *const *obs,
                          struct pawl_env_step *step, struct pawl_env_err *err)
{
    float kept;
    memcpy(&kept, (float *)obs[0] + 1, sizeof(kept));
    int code = count_step(env, action, obs, step, err);
    memcpy((float *)obs[0] + 1, &kept, sizeof(kept));
    return code;
}

START_TEST(a_number_that_is_not_finite_or_not_written_is_found)
{
    setup();
    ops.step = nan_step;
    run();
    assert_bad("values", "after step 7 of reset 0: obs.state[1] is");
    ops.step = forgetful_step;
    run();
    ck_assert_int_eq(check.items[2].verdict, PAWL_ENV_CHECK_BAD);
    ck_assert_ptr_nonnull(strstr(check.items[2].text, "obs.state[1]"));
}
END_TEST

static int bounded_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                        struct pawl_env_err *err)
{
    int code = count_spec(args, spec, err);
    spec->obs[0].low = 0.0f;
    spec->obs[0].high = 12.0f;
    return code;
}

START_TEST(a_number_outside_its_bounds_is_found)
{
    setup();
    ops.spec = bounded_spec;
    run();
    assert_bad("values", "after step 13 of reset 0: obs.state[0] is 13, outside 0 .. 12");
}
END_TEST

static int far_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    float *state = obs[0];
    state[2] = 1.0f;
    return count_reset(env, seed, obs, err);
}

START_TEST(who_writes_behind_a_field_is_found)
{
    setup();
    ops.reset = far_reset;
    run();
    assert_bad("values", "behind the 8 bytes of obs.state");
}
END_TEST

static int odd_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                    struct pawl_env_err *err)
{
    int code = count_step(env, action, obs, step, err);
    step->success = 3;
    return code;
}

START_TEST(a_flag_that_is_none_is_found)
{
    setup();
    ops.step = odd_step;
    run();
    assert_bad("values", "flags 0 0 3 0");
}
END_TEST

static float drift;

static int drifting_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    int code = count_reset(env, seed, obs, err);
    float *state = obs[0];
    state[1] += drift++;
    return code;
}

static int instance_open(const struct pawl_env_args *args, void **env, struct pawl_env_err *err)
{
    drift++;
    return count_open(args, env, err);
}

static int instance_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    int code = count_reset(env, seed, obs, err);
    float *state = obs[0];
    state[1] += drift;
    return code;
}

START_TEST(an_episode_that_its_seed_does_not_decide_is_found)
{
    setup();
    ops.reset = drifting_reset;
    run();
    assert_bad("same seed", "in the same environment: other bytes from step 0 on");
    ops.reset = instance_reset;
    ops.open = instance_open;
    run();
    assert_bad("same seed", "in another environment of the process");
}
END_TEST

static int deaf_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    (void)seed;
    return count_reset(env, 1, obs, err);
}

START_TEST(a_seed_that_does_nothing_is_found)
{
    setup();
    ops.reset = deaf_reset;
    run();
    assert_bad("other seeds", "PAWL_ENV_UNSEEDED");
}
END_TEST

static int lost_fd;

static int opening_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    static int count;
    if (count++ % 500 == 0)
        lost_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return count_reset(env, seed, obs, err);
}

START_TEST(a_reset_that_keeps_descriptors_is_found)
{
    setup();
    ops.reset = opening_reset;
    run();
    bool is_found = false;
    for (uint32_t i = 0; i < check.item_count; i++)
        is_found |= strcmp(check.items[i].name, "leaks") == 0 &&
                    check.items[i].verdict == PAWL_ENV_CHECK_BAD;
    ck_assert(is_found);
}
END_TEST

/* A sanitizer's malloc does not say how much it has given out, so there is nothing to find. */
#if PAWL_TEST_HAS_SANITIZER
#define MEMORY_TESTS
#else
#define MEMORY_TESTS a_reset_that_keeps_memory_is_found,
static char *lost;

static int leaking_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    lost = malloc(24);
    lost[0] = 1;
    return count_reset(env, seed, obs, err);
}

START_TEST(a_reset_that_keeps_memory_is_found)
{
    setup();
    ops.reset = leaking_reset;
    run();
    assert_bad("leaks", "+0 descriptors, +");
}
END_TEST
#endif

static int realtime_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                         struct pawl_env_err *err)
{
    int code = count_spec(args, spec, err);
    spec->flags = PAWL_ENV_REALTIME;
    return code;
}

static int step_count;
static int gentle_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                       struct pawl_env_err *err)
{
    step_count++;
    ck_assert_float_eq(action[0], 0.0f);
    return count_step(env, action, obs, step, err);
}

START_TEST(where_something_real_moves_it_is_not_moved_much)
{
    setup();
    ops.spec = realtime_spec;
    ops.step = gentle_step;
    run();
    ck_assert_uint_eq(check.bad_count, 0);
    ck_assert_int_le(step_count, 50);
}
END_TEST

START_TEST(a_device_that_is_missing_is_told)
{
    setup();
    count_rules.fail_open_at = 0;
    run();
    assert_bad("open, close", "no counter at /dev/count0");
    ck_assert_int_eq(check.open_code, -ENODEV);
}
END_TEST

START_TEST(a_table_or_spec_that_cannot_be_used_is_not_used)
{
    setup();
    ops.abi = 99;
    run();
    assert_bad("table", "version 99");
    setup();
    count_rules.open_count = -1000; /* open() would be seen */
    ops.reset = NULL;
    run();
    assert_bad("table", "no reset()");
    ck_assert_int_eq(count_rules.open_count, -1000);
}
END_TEST

START_TEST(random_actions_are_within_their_bounds_and_reach_them)
{
    static const float lows[] = {-2.0f, 0.0f, 0.0f}, highs[] = {3.0f, 0.5f, 2.0f};
    struct pawl_env_spec spec = {.choice_count = 3};
    struct pawl_philox philox;
    float action[3], least[3] = {9, 9, 9}, most[3] = {-9, -9, -9};
    int counts[3] = {0};
    spec.action = (struct pawl_env_field){
        .dtype = PAWL_ENV_F32, .rank = 1, .shape = {3}, .lows = lows, .highs = highs};
    pawl_philox_open(&philox, 1, 1, 1);
    for (int i = 0; i < 3000; i++) {
        pawl_env_act_random(action, &spec, &philox);
        for (int j = 0; j < 3; j++) {
            least[j] = fminf(least[j], action[j]);
            most[j] = fmaxf(most[j], action[j]);
        }
        counts[(int)action[2]]++;
        ck_assert_float_eq(action[2], floorf(action[2]));
    }
    for (int j = 0; j < 3; j++) {
        ck_assert(least[j] >= lows[j] && least[j] < lows[j] + 0.02f);
        ck_assert(most[j] <= highs[j] && most[j] > highs[j] - 0.02f);
        ck_assert_int_gt(counts[j], 850);
    }
}
END_TEST

PAWL_TEST_MAIN("env_check", a_good_one_has_nothing_against_it,
               a_number_that_is_not_finite_or_not_written_is_found,
               a_number_outside_its_bounds_is_found, who_writes_behind_a_field_is_found,
               a_flag_that_is_none_is_found, an_episode_that_its_seed_does_not_decide_is_found,
               a_seed_that_does_nothing_is_found, a_reset_that_keeps_descriptors_is_found,
               MEMORY_TESTS where_something_real_moves_it_is_not_moved_much,
               a_device_that_is_missing_is_told,
               a_table_or_spec_that_cannot_be_used_is_not_used,
               random_actions_are_within_their_bounds_and_reach_them)
