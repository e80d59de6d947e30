#include "actor/lanes.h"

#include <errno.h>
#include <string.h>

#include "actor/env_spec.h"
#include "support/env_count.h"
#include "support/test.h"

static struct pawl_lanes *lanes;
static float now[2]; /* the observation of the last call */
static void *const obs[] = {now};

static void open_lanes(const struct pawl_lanes_cfg *cfg)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_lanes_open(&lanes, cfg, &err) == 0, "%s", err.text);
}

static struct pawl_lanes_cfg count_cfg(uint32_t lane_count)
{
    struct pawl_lanes_cfg cfg = pawl_lanes_default_cfg();
    cfg.ops = &count_ops;
    cfg.lane_count = lane_count;
    return cfg;
}

static void begin(uint32_t lane)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_lanes_begin(lanes, lane, obs, &err) == 0, "%s", err.text);
}

static struct pawl_env_step step(uint32_t lane, float action)
{
    struct pawl_env_step out;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_lanes_step(lanes, lane, &action, obs, &out, &err) == 0, "%s", err.text);
    return out;
}

START_TEST(the_final_observation_comes_before_the_first_of_the_next_episode)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    count_rules.terminate_at = 3.0f;
    open_lanes(&cfg);
    begin(0);
    ck_assert_float_eq(now[0], 0.0f);
    step(0, 0.0f);
    step(0, 0.0f);
    ck_assert(!pawl_lanes_get(lanes, 0)->has_ended);
    struct pawl_env_step last = step(0, 0.0f);
    ck_assert_uint_eq(last.terminated, 1);
    ck_assert(pawl_lanes_get(lanes, 0)->has_ended);
    ck_assert_float_eq(now[0], 3.0f);
    float seed = now[1];

    begin(0);
    ck_assert_float_eq(now[0], 0.0f);
    ck_assert_float_ne(now[1], seed);
    ck_assert(!pawl_lanes_get(lanes, 0)->has_ended);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(the_limit_of_steps_truncates_and_does_not_terminate)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    count_rules.steps_max = 5;
    open_lanes(&cfg);
    begin(0);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(step(0, 0.0f).truncated, 0);
    struct pawl_env_step last = step(0, 0.0f);
    ck_assert_uint_eq(last.truncated, 1);
    ck_assert_uint_eq(last.terminated, 0);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(a_limit_of_the_caller_replaces_that_of_the_environment)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    count_rules.steps_max = 5;
    cfg.steps_max = 2;
    open_lanes(&cfg);
    begin(0);
    ck_assert_uint_eq(step(0, 0.0f).truncated, 0);
    ck_assert_uint_eq(step(0, 0.0f).truncated, 1);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(an_end_at_the_limit_is_an_end_and_not_a_cut)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    cfg.steps_max = 2;
    count_rules.terminate_at = 2.0f;
    count_rules.truncate_at = 2.0f;
    open_lanes(&cfg);
    begin(0);
    step(0, 0.0f);
    struct pawl_env_step last = step(0, 0.0f);
    ck_assert_uint_eq(last.terminated, 1);
    ck_assert_uint_eq(last.truncated, 0);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(an_environment_may_cut_an_episode_off_itself)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    count_rules.truncate_at = 2.0f;
    open_lanes(&cfg);
    begin(0);
    step(0, 0.0f);
    ck_assert_uint_eq(step(0, 0.0f).truncated, 1);
    ck_assert(pawl_lanes_get(lanes, 0)->has_ended);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(a_lane_counts_its_steps_episodes_and_rewards)
{
    struct pawl_lanes_cfg cfg = count_cfg(2);
    cfg.steps_max = 3;
    count_rules.solve_at = 2.0f;
    open_lanes(&cfg);
    const struct pawl_lane *lane = pawl_lanes_get(lanes, 1);
    begin(1);
    ck_assert(lane->is_running);
    step(1, 0.5f);
    ck_assert(!lane->is_success);
    step(1, 0.25f);
    ck_assert_uint_eq(lane->step_index, 2);
    ck_assert_double_eq(lane->return_sum, 0.75);
    step(1, 0.0f);
    ck_assert(lane->is_success);
    ck_assert_uint_eq(lane->episode_index, 0);
    begin(1);
    ck_assert_uint_eq(lane->episode_index, 1);
    ck_assert_uint_eq(lane->step_index, 0);
    ck_assert_double_eq(lane->return_sum, 0.0);
    ck_assert(!lane->is_success);
    ck_assert(!pawl_lanes_get(lanes, 0)->is_running);
    pawl_lanes_close(lanes);
}
END_TEST

/* Runs lanes first .. first + count - 1 in the given order and notes the seeds of two episodes
 * each. */
static void seeds_of(uint32_t first, uint32_t count, bool backwards, uint64_t seeds[][2])
{
    struct pawl_lanes_cfg cfg = count_cfg(count);
    cfg.index_first = first;
    cfg.seed = 7;
    open_lanes(&cfg);
    for (int episode = 0; episode < 2; episode++)
        for (uint32_t i = 0; i < count; i++) {
            uint32_t lane = backwards ? count - 1 - i : i;
            begin(lane);
            seeds[first + lane][episode] = pawl_lanes_get(lanes, lane)->episode_seed;
        }
    pawl_lanes_close(lanes);
}

START_TEST(seeds_depend_neither_on_the_number_of_actors_nor_on_their_order)
{
    uint64_t one_actor[6][2], three_actors[6][2];
    seeds_of(0, 6, false, one_actor);
    seeds_of(4, 2, true, three_actors);
    seeds_of(0, 2, false, three_actors);
    seeds_of(2, 2, true, three_actors);
    ck_assert_mem_eq(one_actor, three_actors, sizeof(one_actor));
}
END_TEST

START_TEST(no_two_episodes_have_the_same_seed)
{
    uint64_t seeds[8][2];
    seeds_of(0, 8, false, seeds);
    const uint64_t *all = seeds[0];
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < i; j++)
            ck_assert_uint_ne(all[i], all[j]);
    ck_assert_uint_ne(pawl_lanes_episode_seed(7, PAWL_LANES_TRAIN, 0, 0),
                      pawl_lanes_episode_seed(7, PAWL_LANES_EVAL, 0, 0));
    ck_assert_uint_ne(pawl_lanes_episode_seed(7, PAWL_LANES_TRAIN, 0, 0),
                      pawl_lanes_episode_seed(8, PAWL_LANES_TRAIN, 0, 0));
}
END_TEST

START_TEST(a_restarted_actor_goes_on_with_the_next_episode)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    cfg.seed = 7;
    cfg.episode_first = 41;
    open_lanes(&cfg);
    begin(0);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 0)->episode_index, 41);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 0)->episode_seed,
                      pawl_lanes_episode_seed(7, PAWL_LANES_TRAIN, 0, 41));
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(plain_seeds_are_those_of_a_vector_environment_of_gymnasium)
{
    struct pawl_lanes_cfg cfg = count_cfg(3);
    cfg.seeding = PAWL_LANES_PLAIN;
    cfg.seed = 100;
    open_lanes(&cfg);
    for (uint32_t i = 0; i < 3; i++) {
        begin(i);
        ck_assert_uint_eq(pawl_lanes_get(lanes, i)->episode_seed, 100 + i);
    }
    begin(2);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 2)->episode_seed, 102 + PAWL_LANES_MAX);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(a_seed_can_be_given)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    open_lanes(&cfg);
    ck_assert_int_eq(pawl_lanes_begin_seeded(lanes, 0, 123, obs, NULL), 0);
    ck_assert_float_eq(now[1], 123.0f);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 0)->episode_seed, 123);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(a_lane_that_cannot_be_opened_is_named_and_the_others_are_closed)
{
    struct pawl_lanes_cfg cfg = count_cfg(4);
    struct pawl_err err = {0};
    cfg.index_first = 10;
    count_rules.fail_open_at = 12;
    ck_assert_int_eq(pawl_lanes_open(&lanes, &cfg, &err), -ENODEV);
    ck_assert_ptr_null(lanes);
    ck_assert_int_eq(count_rules.open_count, 0);
    ck_assert_str_eq(err.text, "environment count, lane 12: open: no counter at /dev/count12");
}
END_TEST

START_TEST(a_step_that_fails_ends_the_episode_with_a_sentence)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    struct pawl_err err = {0};
    struct pawl_env_step out;
    float action = 0.0f;
    open_lanes(&cfg);
    begin(0);
    step(0, 0.0f);
    count_rules.fail_step = -EIO;
    ck_assert_int_eq(pawl_lanes_step(lanes, 0, &action, obs, &out, &err), -EIO);
    ck_assert_str_eq(err.text, "environment count, lane 0: step: the counter is stuck at 1");
    ck_assert(!pawl_lanes_get(lanes, 0)->is_running);

    err = (struct pawl_err){0};
    count_rules.fail_step = 0;
    ck_assert_int_eq(pawl_lanes_step(lanes, 0, &action, obs, &out, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "begin one"));
    begin(0);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 0)->episode_index, 1);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(an_episode_that_did_not_begin_can_be_begun_again)
{
    struct pawl_lanes_cfg cfg = count_cfg(1);
    struct pawl_err err = {0};
    open_lanes(&cfg);
    count_rules.fail_reset = -EAGAIN;
    ck_assert_int_eq(pawl_lanes_begin(lanes, 0, obs, &err), -EAGAIN);
    ck_assert_str_eq(err.text,
                     "environment count, lane 0: reset: Resource temporarily unavailable");
    count_rules.fail_reset = 0;
    begin(0);
    ck_assert_uint_eq(pawl_lanes_get(lanes, 0)->episode_index, 0);
    pawl_lanes_close(lanes);
}
END_TEST

START_TEST(everything_that_moves_is_stopped)
{
    struct pawl_lanes_cfg cfg = count_cfg(3);
    open_lanes(&cfg);
    pawl_lanes_safe(lanes);
    ck_assert_int_eq(count_rules.safe_count, 3);
    pawl_lanes_close(lanes);
    ck_assert_int_eq(count_rules.open_count, 0);
    pawl_lanes_close(NULL);
}
END_TEST

START_TEST(a_number_of_lanes_has_a_limit)
{
    struct pawl_err err = {0};
    struct pawl_lanes_cfg cfg = count_cfg(0);
    ck_assert_int_eq(pawl_lanes_open(&lanes, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "0 lanes"));
    cfg = count_cfg(PAWL_LANES_MAX + 1);
    ck_assert_int_eq(pawl_lanes_open(&lanes, &cfg, NULL), -EINVAL);
    cfg = count_cfg(2);
    cfg.index_first = UINT32_MAX;
    ck_assert_int_eq(pawl_lanes_open(&lanes, &cfg, NULL), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("lanes", the_final_observation_comes_before_the_first_of_the_next_episode,
               the_limit_of_steps_truncates_and_does_not_terminate,
               a_limit_of_the_caller_replaces_that_of_the_environment,
               an_end_at_the_limit_is_an_end_and_not_a_cut,
               an_environment_may_cut_an_episode_off_itself,
               a_lane_counts_its_steps_episodes_and_rewards,
               seeds_depend_neither_on_the_number_of_actors_nor_on_their_order,
               no_two_episodes_have_the_same_seed,
               a_restarted_actor_goes_on_with_the_next_episode,
               plain_seeds_are_those_of_a_vector_environment_of_gymnasium, a_seed_can_be_given,
               a_lane_that_cannot_be_opened_is_named_and_the_others_are_closed,
               a_step_that_fails_ends_the_episode_with_a_sentence,
               an_episode_that_did_not_begin_can_be_begun_again,
               everything_that_moves_is_stopped, a_number_of_lanes_has_a_limit)
