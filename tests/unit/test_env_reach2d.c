#include "actor/env_reach2d.h"

#include <math.h>

#include "actor/env_registry.h"
#include "actor/env_spec.h"
#include "actor/lanes.h"
#include "support/test.h"

#define EPISODE_COUNT 200

static struct pawl_lanes *lanes;
static float state[4];
static void *const obs[] = {state};

static void open_lane(enum pawl_env_reach2d_reward reward)
{
    struct pawl_env_reach2d_cfg cfg;
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_cfg_default(&pawl_env_reach2d_table, &cfg, NULL), 0);
    cfg.reward = (int32_t)reward;
    lanes_cfg.ops = &pawl_env_reach2d;
    lanes_cfg.args.fields = &cfg;
    ck_assert_msg(pawl_lanes_open(&lanes, &lanes_cfg, &err) == 0, "%s", err.text);
}

static struct pawl_env_step step(float x, float y)
{
    float action[2] = {x, y};
    struct pawl_env_step out;
    ck_assert_int_eq(pawl_lanes_step(lanes, 0, action, obs, &out, NULL), 0);
    return out;
}

START_TEST(who_walks_straight_to_the_goal_solves_it)
{
    open_lane(PAWL_ENV_REACH2D_SPARSE);
    const struct pawl_lane *lane = pawl_lanes_get(lanes, 0);
    for (int i = 0; i < EPISODE_COUNT; i++) {
        ck_assert_int_eq(pawl_lanes_begin(lanes, 0, obs, NULL), 0);
        float way = fmaxf(fabsf(state[2] - state[0]), fabsf(state[3] - state[1]));
        struct pawl_env_step out;
        do {
            float action[2];
            pawl_env_reach2d_act(action, state);
            out = step(action[0], action[1]);
        } while (!lane->has_ended);
        ck_assert_uint_eq(out.terminated, 1);
        ck_assert_uint_eq(out.success, 1);
        ck_assert(lane->is_success);
        ck_assert_double_eq(lane->return_sum, 1.0);
        ck_assert_uint_le(lane->step_index, (uint32_t)ceilf(way / PAWL_ENV_REACH2D_SPEED) + 1);
    }
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(who_stays_is_cut_off)
{
    open_lane(PAWL_ENV_REACH2D_SPARSE);
    ck_assert_int_eq(pawl_lanes_begin(lanes, 0, obs, NULL), 0);
    for (uint32_t i = 1; i < PAWL_ENV_REACH2D_STEPS_MAX; i++)
        ck_assert_uint_eq(step(0.0f, 0.0f).truncated, 0);
    struct pawl_env_step out = step(0.0f, 0.0f);
    ck_assert_uint_eq(out.truncated, 1);
    ck_assert_uint_eq(out.success, 0);
    ck_assert_double_eq(pawl_lanes_get(lanes, 0)->return_sum, 0.0);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(a_dense_reward_is_less_the_distance)
{
    open_lane(PAWL_ENV_REACH2D_DENSE);
    ck_assert_int_eq(pawl_lanes_begin(lanes, 0, obs, NULL), 0);
    for (int i = 0; i < 10; i++) {
        struct pawl_env_step out = step(0.3f, -0.2f);
        float distance = hypotf(state[0] - state[2], state[1] - state[3]);
        ck_assert_float_eq_tol(out.reward, -distance, 1e-6f);
    }
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(the_point_moves_by_the_action_and_stays_in_the_square)
{
    open_lane(PAWL_ENV_REACH2D_DENSE);
    ck_assert_int_eq(pawl_lanes_begin(lanes, 0, obs, NULL), 0);
    float x = state[0], goal = state[2];
    step(0.5f, 0.0f);
    ck_assert_float_eq_tol(state[0], fminf(x + 0.05f, 1.0f), 1e-6f);
    for (int i = 0; i < 30; i++)
        if (pawl_lanes_get(lanes, 0)->is_running)
            step(1.0f, 1.0f);
    ck_assert_float_eq(state[0], 1.0f);
    ck_assert_float_eq(state[1], 1.0f);
    ck_assert_float_eq(state[2], goal);
    pawl_lanes_close(lanes);
}
END_TEST

PAWL_TEST_MAIN("env_reach2d", who_walks_straight_to_the_goal_solves_it, who_stays_is_cut_off,
               a_dense_reward_is_less_the_distance,
               the_point_moves_by_the_action_and_stays_in_the_square)
