#include "actor/play.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "actor/env_reach2d.h"
#include "actor/env_registry.h"
#include "shm/record.h"
#include "support/env_count.h"
#include "support/test.h"

#define EPISODES_MAX 256

static struct pawl_play_cfg cfg;
static struct pawl_play_episode episodes[EPISODES_MAX];
static size_t episode_count, success_count;
static double return_mean;
static _Atomic bool is_stopping;

static int keep_episode(void *context, const struct pawl_play_episode *episode,
                        struct pawl_err *err)
{
    (void)context;
    (void)err;
    ck_assert_uint_lt(episode->number, EPISODES_MAX);
    episodes[episode->number] = *episode;
    episode_count++;
    success_count += episode->is_success;
    return_mean += (episode->return_sum - return_mean) / (double)episode_count;
    return 0;
}

static void begin(const struct pawl_env_ops *ops, uint64_t count, uint32_t lane_count)
{
    cfg = pawl_play_default_cfg();
    cfg.lanes.ops = ops;
    cfg.lanes.lane_count = lane_count;
    cfg.lanes.seed = 7;
    cfg.policy = &pawl_random_policy;
    cfg.episode_count = count;
    cfg.on_episode = keep_episode;
    episode_count = success_count = 0;
    return_mean = 0.0;
}

static int play(struct pawl_err *err)
{
    struct pawl_play *all;
    int code = pawl_play_open(&all, &cfg, err);
    if (code == 0)
        code = pawl_play_run(all, err);
    pawl_play_close(all);
    return code;
}

static void play_well(void)
{
    struct pawl_err err = {0};
    ck_assert_msg(play(&err) == 0, "%s", err.text);
    ck_assert_uint_eq(episode_count, cfg.episode_count);
}

START_TEST(the_episodes_are_the_same_however_many_lanes_there_are)
{
    static struct pawl_play_episode alone[EPISODES_MAX];
    count_rules.terminate_at = 9;
    begin(&count_ops, 10, 1);
    play_well();
    memcpy(alone, episodes, sizeof(alone));
    begin(&count_ops, 10, 4);
    play_well();
    for (size_t i = 0; i < 10; i++) {
        ck_assert_uint_eq(alone[i].seed, episodes[i].seed);
        ck_assert_uint_eq(episodes[i].step_count, 9);
        ck_assert(episodes[i].is_terminated);
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(episodes[i].seed, episodes[k].seed);
    }
}
END_TEST

static uint32_t step_flags[64], step_indices[64];
static float step_obs[64];
static size_t step_count;

static int keep_step(void *context, const struct pawl_play_step *step, struct pawl_err *err)
{
    const struct pawl_play *const *all = context;
    void *obs[PAWL_ENV_FIELDS_MAX];
    (void)err;
    pawl_record_obs(&(*all)->layout, step->record, obs);
    step_flags[step_count] = step->flags;
    step_indices[step_count] = step->step_index;
    step_obs[step_count++] = *(const float *)obs[0];
    return 0;
}

START_TEST(a_step_has_the_observation_it_was_taken_on_and_the_final_one_the_last)
{
    struct pawl_play *all;
    count_rules.terminate_at = 3;
    begin(&count_ops, 2, 1);
    cfg.on_step = keep_step;
    cfg.context = &all;
    ck_assert_int_eq(pawl_play_open(&all, &cfg, NULL), 0);
    ck_assert_int_eq(pawl_play_run(all, NULL), 0);
    pawl_play_close(all);
    ck_assert_uint_eq(step_count, 8);
    for (size_t i = 0; i < 8; i++) {
        ck_assert_float_eq(step_obs[i], (float)(i % 4));
        ck_assert_uint_eq(step_indices[i], i % 4);
        ck_assert_uint_eq(step_flags[i], (i % 4 == 3 ? PAWL_RECORD_FINAL : PAWL_RECORD_STEP) |
                                             (i % 4 >= 2 ? PAWL_RECORD_TERMINATED : 0u));
    }
}
END_TEST

START_TEST(experts_solve_their_tasks)
{
    struct pawl_env_reach2d_cfg reach;
    ck_assert_int_eq(pawl_cfg_default(&pawl_env_reach2d_table, &reach, NULL), 0);
    begin(&pawl_env_reach2d, 200, 1);
    cfg.is_expert = true;
    cfg.lanes.args.fields = &reach;
    play_well();
    ck_assert_uint_eq(success_count, 200);

    begin(&pawl_env_pendulum, 100, 4);
    cfg.is_expert = true;
    play_well();
    ck_assert_double_gt(return_mean, -250.0);

    begin(&pawl_env_mountain_car, 20, 1);
    cfg.is_expert = true;
    play_well();
    ck_assert_uint_eq(success_count, 20);

    begin(&pawl_env_cartpole, 50, 1);
    cfg.is_expert = true;
    play_well();
    ck_assert_double_gt(return_mean, 490.0);
}
END_TEST

START_TEST(an_environment_without_an_expert_says_so)
{
    struct pawl_err err = {0};
    begin(&count_ops, 1, 1);
    cfg.is_expert = true;
    ck_assert_int_eq(play(&err), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(err.text, "has no expert"));
}
END_TEST

START_TEST(an_older_table_ends_before_the_expert)
{
    struct pawl_env_ops old = pawl_env_pendulum;
    struct pawl_err err = {0};
    old.size = offsetof(struct pawl_env_ops, expert);
    begin(&old, 1, 1);
    play_well();
    cfg.is_expert = true;
    ck_assert_int_eq(play(&err), -ENOTSUP);
}
END_TEST

START_TEST(who_stops_it_gets_what_has_ended_so_far)
{
    struct pawl_err err = {0};
    begin(&count_ops, 5, 1);
    cfg.is_stopping = &is_stopping;
    atomic_store(&is_stopping, true);
    ck_assert_int_eq(play(&err), -EINTR);
    ck_assert_str_eq(err.text, "stopped after 0 of 5 episodes");
}
END_TEST

START_TEST(a_failing_environment_ends_it_with_its_sentence)
{
    struct pawl_err err = {0};
    begin(&count_ops, 5, 1);
    count_rules.fail_step = -EIO;
    ck_assert_int_eq(play(&err), -EIO);
    ck_assert_ptr_nonnull(strstr(err.text, "environment count"));
}
END_TEST

PAWL_TEST_MAIN("play", the_episodes_are_the_same_however_many_lanes_there_are,
               a_step_has_the_observation_it_was_taken_on_and_the_final_one_the_last,
               experts_solve_their_tasks, an_environment_without_an_expert_says_so,
               an_older_table_ends_before_the_expert, who_stops_it_gets_what_has_ended_so_far,
               a_failing_environment_ends_it_with_its_sentence)
