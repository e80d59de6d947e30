#include "learner/replay.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "support/replay_model.h"
#include "support/replay_rig.h"
#include "support/test.h"

static struct pawl_replay replay;
static struct pawl_err err;

static void expect_next(uint64_t number, float observation)
{
    uint64_t next = pawl_replay_next(&replay, number);
    ck_assert(next != PAWL_REPLAY_NONE);
    ck_assert_float_eq(replay_rig_observation(&replay, next), observation);
}

START_TEST(every_next_observation_of_short_truncated_episodes_is_right)
{
    /* One slot per step with the next slot as successor gets a tenth of these wrong. */
    struct replay_rig_lane lane = replay_rig_lane(0);
    float observation = 0.0f;
    replay_rig_open(&replay, 1000);
    for (int i = 0; i < 200; i++)
        replay_rig_episode(&replay, &lane, 10, PAWL_RECORD_TRUNCATED, &observation);
    uint64_t count = 0;
    for (uint64_t i = pawl_replay_first(&replay); i < replay.head; i++) {
        if (!pawl_replay_is_transition(&replay, i))
            continue;
        expect_next(i, replay_rig_observation(&replay, i) + 1.0f);
        count++;
    }
    ck_assert_uint_eq(count, replay.sample_count);
    ck_assert_uint_ge(count, 1000 * 10 / 11 - 1);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_terminated_step_is_a_transition_at_once)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP | PAWL_RECORD_TERMINATED);
    pawl_replay_commit(&replay);
    ck_assert(pawl_replay_is_transition(&replay, 0));
    ck_assert_uint_eq(replay.sample_count, 1);
    replay_rig_put(&replay, &lane, 2.0f, 0.0f, PAWL_RECORD_FINAL | PAWL_RECORD_TERMINATED);
    pawl_replay_commit(&replay);
    ck_assert_uint_eq(replay.sample_count, 1);
    expect_next(0, 2.0f);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_truncated_step_is_a_transition_once_its_last_observation_is_there)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP | PAWL_RECORD_TRUNCATED);
    pawl_replay_commit(&replay);
    ck_assert(!pawl_replay_is_transition(&replay, 0));
    ck_assert_uint_eq(replay.sample_count, 0);
    replay_rig_put(&replay, &lane, 2.0f, 0.0f, PAWL_RECORD_FINAL | PAWL_RECORD_TRUNCATED);
    pawl_replay_commit(&replay);
    expect_next(0, 2.0f);
    ck_assert(!pawl_replay_is_transition(&replay, 1));
    ck_assert_uint_eq(replay.sample_count, 1);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(an_episode_that_was_cut_ends_with_its_last_observation)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    float observation = 0.0f;
    replay_rig_open(&replay, 8);
    replay_rig_episode(&replay, &lane, 2, 0, &observation);
    expect_next(1, 2.0f);
    ck_assert_uint_eq(replay.sample_count, 2);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_new_episode_never_follows_a_truncated_step)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP | PAWL_RECORD_TRUNCATED);
    replay_rig_put(&replay, &lane, 2.0f, 0.0f, PAWL_RECORD_STEP); /* as if it went on */
    pawl_replay_commit(&replay);
    ck_assert_uint_eq(replay.sample_count, 0);
    ck_assert_uint_eq(replay.cut_count, 1);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_missing_step_cuts_the_link)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP);
    lane.step++;
    replay_rig_put(&replay, &lane, 3.0f, 0.0f, PAWL_RECORD_STEP);
    replay_rig_put(&replay, &lane, 4.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    ck_assert(!pawl_replay_is_transition(&replay, 0));
    expect_next(1, 4.0f);
    ck_assert_uint_eq(replay.sample_count, 1);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_step_of_the_next_episode_is_no_successor)
{
    /* The FINAL and the next episode's first steps are missing: the numbers go on. */
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP);
    lane.episode++;
    replay_rig_put(&replay, &lane, 2.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    ck_assert(!pawl_replay_is_transition(&replay, 0));
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_frame_follows_one_at_most_and_none_of_another_lane_or_after_the_last)
{
    struct replay_rig_lane lane = replay_rig_lane(0), stranger = replay_rig_lane(1), twin;
    replay_rig_open(&replay, 8);
    stranger.prev = replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP);
    stranger.step = 1;
    twin = lane;
    replay_rig_put(&replay, &stranger, 2.0f, 0.0f, PAWL_RECORD_STEP);
    replay_rig_put(&replay, &lane, 3.0f, 0.0f, PAWL_RECORD_STEP);
    replay_rig_put(&replay, &twin, 4.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    expect_next(0, 3.0f);
    ck_assert_uint_eq(replay.sample_count, 1);
    ck_assert_uint_eq(replay.cut_count, 2);
    replay_rig_put(&replay, &lane, 5.0f, 0.0f, PAWL_RECORD_FINAL);
    lane.episode--;
    lane.step = 3;
    replay_rig_put(&replay, &lane, 6.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    ck_assert(!pawl_replay_is_transition(&replay, 4));
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_dead_actors_last_step_is_no_transition)
{
    struct replay_rig_lane lane = replay_rig_lane(3);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP);
    lane = replay_rig_lane(3); /* its next incarnation */
    replay_rig_put(&replay, &lane, 7.0f, 0.0f, PAWL_RECORD_STEP);
    replay_rig_put(&replay, &lane, 8.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    ck_assert(!pawl_replay_is_transition(&replay, 0));
    expect_next(1, 8.0f);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(links_hold_where_the_slots_wrap)
{
    struct replay_rig_lane lanes[2] = {replay_rig_lane(0), replay_rig_lane(1)};
    replay_rig_open(&replay, 4);
    for (int i = 0; i < 2000; i++) {
        replay_rig_put(&replay, &lanes[i % 2], (float)i, 0.0f, PAWL_RECORD_STEP);
        pawl_replay_commit(&replay);
        ck_assert_uint_le(pawl_replay_size(&replay), 4);
        if (i < 4)
            continue;
        expect_next((uint64_t)i - 2, (float)i);
        expect_next((uint64_t)i - 3, (float)i - 1.0f);
        ck_assert_uint_eq(replay.sample_count, 2);
    }
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(the_window_holds_the_last_frames_and_no_other)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 3);
    for (int i = 0; i < 300; i++)
        replay_rig_put(&replay, &lane, (float)i, 0.0f, PAWL_RECORD_STEP),
            pawl_replay_commit(&replay);
    ck_assert_uint_eq(pawl_replay_first(&replay), 297);
    ck_assert(!pawl_replay_has(&replay, 296));
    ck_assert(pawl_replay_has(&replay, 297));
    ck_assert(pawl_replay_has(&replay, 299));
    ck_assert(!pawl_replay_has(&replay, 300));
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(what_is_not_committed_counts_for_nothing)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    replay_rig_put(&replay, &lane, 2.0f, 0.0f, PAWL_RECORD_STEP);
    ck_assert(!pawl_replay_is_transition(&replay, 0));
    ck_assert_uint_eq(pawl_replay_size(&replay), 1);
    ck_assert_uint_eq(replay.sample_count, 0);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(redelivered_records_go_to_the_same_numbers)
{
    struct replay_rig_lane lane = replay_rig_lane(0), before;
    replay_rig_open(&replay, 8);
    for (int i = 0; i < 5; i++)
        replay_rig_put(&replay, &lane, (float)i, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    before = lane;
    uint64_t number = replay_rig_put(&replay, &lane, 5.0f, 0.0f, PAWL_RECORD_STEP);
    replay_rig_crash(&replay, 5);
    ck_assert_uint_eq(replay.sample_count, 4);
    ck_assert_uint_eq(replay_rig_put(&replay, &before, 5.0f, 0.0f, PAWL_RECORD_STEP), number);
    pawl_replay_commit(&replay);
    ck_assert_uint_eq(replay.sample_count, 5);
    expect_next(4, 5.0f);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(a_dead_learners_link_leads_to_no_other_lanes_frame)
{
    struct replay_rig_lane a = replay_rig_lane(0), b = replay_rig_lane(1), before;
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &a, 0.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    before = a;
    replay_rig_put(&replay, &a, 1.0f, 0.0f, PAWL_RECORD_STEP); /* number 1, and it dies */
    replay_rig_crash(&replay, 1);
    replay_rig_put(&replay, &b, 100.0f, 0.0f, PAWL_RECORD_STEP); /* number 1 now */
    pawl_replay_commit(&replay);
    ck_assert(!pawl_replay_is_transition(&replay, 0));
    replay_rig_put(&replay, &before, 1.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    expect_next(0, 1.0f);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(frames_under_way_never_touch_the_window)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 5);
    for (int i = 0; i < 1000; i++)
        replay_rig_put(&replay, &lane, (float)i, 0.0f, PAWL_RECORD_STEP),
            pawl_replay_commit(&replay);
    for (uint32_t i = 0; i < PAWL_REPLAY_GUARD; i++)
        replay_rig_put(&replay, &lane, -1.0f, 0.0f, PAWL_RECORD_STEP);
    for (uint64_t i = 995; i < 1000; i++)
        ck_assert_float_eq(replay_rig_observation(&replay, i), (float)i);
    replay_rig_crash(&replay, 1000);
    for (uint64_t i = 995; i < 999; i++)
        expect_next(i, (float)i + 1.0f);
    ck_assert_uint_eq(replay.sample_count, 4);
    pawl_replay_close(&replay);
}
END_TEST

static int attach_with(uint64_t head, const struct pawl_spec *spec, struct pawl_replay *other)
{
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = spec, .capacity = 8};
    err = (struct pawl_err){0};
    return pawl_replay_attach(other, replay.segment.fd, 0, head, &setup, &err);
}

START_TEST(attach_refuses_a_head_that_cannot_be)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    struct pawl_spec spec = replay_rig_spec();
    struct pawl_replay other;
    replay_rig_open(&replay, 8);
    replay_rig_put(&replay, &lane, 0.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    ck_assert_int_eq(attach_with(3, &spec, &other), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "frame 1 of 3"));
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(attach_refuses_another_spec_by_its_field)
{
    struct pawl_spec spec = {0};
    struct pawl_replay other;
    replay_rig_open(&replay, 8);
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){3}, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, NULL);
    ck_assert_int_eq(attach_with(0, &spec, &other), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "obs.state"));
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(what_a_learner_had_not_finished_loading_is_gone)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    pawl_replay_skip_to(&replay, 500);
    replay_rig_put(&replay, &lane, 0.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    replay_rig_crash(&replay, 0); /* the tally had not been told */
    ck_assert_uint_eq(replay.head, 0);
    ck_assert_uint_eq(pawl_replay_size(&replay), 0);
    ck_assert_uint_eq(replay_rig_put(&replay, &lane, 0.0f, 0.0f, PAWL_RECORD_STEP), 0);
    pawl_replay_commit(&replay);
    replay_rig_crash(&replay, 1);
    ck_assert_uint_eq(pawl_replay_size(&replay), 1);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(skipped_numbers_are_empty_and_cut_no_other_link)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 16);
    replay_rig_put(&replay, &lane, 0.0f, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_skip_to(&replay, 4);
    ck_assert_uint_eq(replay_rig_put(&replay, &lane, 1.0f, 0.0f, PAWL_RECORD_STEP), 4);
    pawl_replay_commit(&replay);
    expect_next(0, 1.0f);
    ck_assert_uint_eq(replay.sample_count, 1);
    replay_rig_crash(&replay, 5);
    expect_next(0, 1.0f);
    pawl_replay_skip_to(&replay, 1000);
    ck_assert_uint_eq(pawl_replay_size(&replay), 0);
    ck_assert_uint_eq(replay.sample_count, 0);
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(priorities_outlive_the_learner)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&replay, 8);
    for (int i = 0; i < 4; i++)
        replay_rig_put(&replay, &lane, (float)i, 0.0f, PAWL_RECORD_STEP);
    pawl_replay_commit(&replay);
    pawl_replay_set_priority(&replay, 1, -7.5f);
    pawl_replay_set_priority(&replay, 2, NAN);
    pawl_replay_set_priority(&replay, 3, 9.0f); /* no transition */
    replay_rig_crash(&replay, 4);
    ck_assert_float_eq(pawl_replay_priority(&replay, 0), 1.0f);
    ck_assert_float_eq(pawl_replay_priority(&replay, 1), 7.5f);
    ck_assert_float_eq(pawl_replay_priority(&replay, 2), 1.0f);
    replay_rig_put(&replay, &lane, 4.0f, 0.0f, PAWL_RECORD_STEP);
    ck_assert_float_eq(pawl_replay_priority(&replay, 4), 7.5f); /* the largest there was */
    pawl_replay_close(&replay);
}
END_TEST

START_TEST(image_frames_cost_at_most_two_percent_more_than_their_bytes)
{
    struct pawl_spec spec = {0};
    const uint32_t shape[] = {3, 128, 128};
    uint64_t bytes = 0;
    pawl_spec_add(&spec, "obs.front", PAWL_U8, 3, shape, NULL);
    pawl_spec_add(&spec, "obs.wrist", PAWL_U8, 3, shape, NULL);
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){18}, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_ACTION_NAME, PAWL_F32, 1, (uint32_t[]){4}, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, NULL);
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = 100000};
    ck_assert_int_eq(pawl_replay_bytes(&setup, &bytes, &err), 0);
    ck_assert_double_le((double)bytes, 1.02 * 100000.0 * 2.0 * 3.0 * 128.0 * 128.0);
    ck_assert_uint_ge(bytes, 100000 * spec.record_bytes);
}
END_TEST

START_TEST(a_store_that_does_not_fit_is_refused_with_numbers)
{
    struct pawl_spec spec = replay_rig_spec();
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = PAWL_REPLAY_CAPACITY_MAX};
    ck_assert_int_eq(pawl_replay_check_memory(1ull << 60, "replay", &err), -ENOMEM);
    ck_assert_ptr_nonnull(strstr(err.text, "1099511627776.0 MiB"));
    ck_assert_ptr_nonnull(strstr(err.text, "replay.capacity"));
    err = (struct pawl_err){0};
    uint64_t bytes = 0;
    ck_assert_int_eq(pawl_replay_bytes(&setup, &bytes, &err), 0);
    if (pawl_replay_check_memory(bytes, "replay", NULL) != 0)
        ck_assert_int_eq(pawl_replay_create(&replay, &setup, &err), -ENOMEM);
}
END_TEST

START_TEST(a_spec_without_a_reward_is_refused)
{
    struct pawl_spec spec = {0};
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){2}, NULL);
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = 8};
    ck_assert_int_eq(pawl_replay_create(&replay, &setup, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "'reward'"));
}
END_TEST

static void expect_model(const struct replay_model *model)
{
    uint64_t count = 0;
    ck_assert_uint_eq(replay.head, model->head);
    ck_assert_uint_eq(pawl_replay_first(&replay), replay_model_first(model));
    for (uint64_t i = replay_model_first(model); i < model->head; i++) {
        bool is_transition = replay_model_is_transition(model, i);
        ck_assert_uint_eq(pawl_replay_next(&replay, i), replay_model_next(model, i));
        ck_assert(pawl_replay_is_transition(&replay, i) == is_transition);
        ck_assert_float_eq(replay_rig_observation(&replay, i), model->frames[i].observation);
        count += is_transition;
    }
    ck_assert_uint_eq(replay.sample_count, count);
}

START_TEST(any_lives_of_lanes_and_learners_equal_the_naive_model)
{
    static struct replay_model model;
    for (uint64_t seed = 0; seed < 12; seed++) {
        replay_rig_open(&replay, seed % 3 == 0 ? 300 : 17 * seed + 1);
        replay_model_open(&model, &replay, seed);
        while (replay_model_has_room(&model, PAWL_REPLAY_GUARD)) {
            uint32_t count = replay_model_below(&model, 8) ? 16 : PAWL_REPLAY_GUARD;
            replay_model_batch(&model, 1 + replay_model_below(&model, count));
            expect_model(&model);
        }
        pawl_replay_close(&replay);
    }
}
END_TEST

PAWL_TEST_MAIN("replay", every_next_observation_of_short_truncated_episodes_is_right,
               a_terminated_step_is_a_transition_at_once,
               a_truncated_step_is_a_transition_once_its_last_observation_is_there,
               an_episode_that_was_cut_ends_with_its_last_observation,
               a_new_episode_never_follows_a_truncated_step, a_missing_step_cuts_the_link,
               a_step_of_the_next_episode_is_no_successor,
               a_frame_follows_one_at_most_and_none_of_another_lane_or_after_the_last,
               a_dead_actors_last_step_is_no_transition, links_hold_where_the_slots_wrap,
               the_window_holds_the_last_frames_and_no_other,
               what_is_not_committed_counts_for_nothing,
               redelivered_records_go_to_the_same_numbers,
               a_dead_learners_link_leads_to_no_other_lanes_frame,
               frames_under_way_never_touch_the_window, attach_refuses_a_head_that_cannot_be,
               attach_refuses_another_spec_by_its_field,
               what_a_learner_had_not_finished_loading_is_gone,
               skipped_numbers_are_empty_and_cut_no_other_link, priorities_outlive_the_learner,
               image_frames_cost_at_most_two_percent_more_than_their_bytes,
               a_store_that_does_not_fit_is_refused_with_numbers,
               a_spec_without_a_reward_is_refused,
               any_lives_of_lanes_and_learners_equal_the_naive_model)
