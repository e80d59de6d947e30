#include "actor/acting.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/act_rig.h"
#include "support/alloc_count.h"
#include "support/test.h"

static struct rig rig;

/* Per lane: what its next record has to be. */
static struct {
    bool has_begun, is_final_due;
    float step, episode;
    uint32_t end_flags;
} expected[RIG_LANES_MAX];

/* Takes everything there is and holds each record against its lane's last one. */
static uint64_t steps_taken;

static uint64_t take_all(void)
{
    uint64_t count = 0;
    while (pawl_ring_peek(&rig.rx)) {
        struct rig_record r = rig_take(&rig);
        if (r.head.flags & PAWL_RECORD_STEP)
            ck_assert_uint_eq(r.head.actor_step, steps_taken++);
        else /* of the round before, among the first records of this one */
            ck_assert(r.head.actor_step <= steps_taken && r.head.actor_step + 5 > steps_taken);
        uint32_t lane = r.head.lane;
        ck_assert_float_eq(r.lane, (float)lane);
        ck_assert_uint_eq(r.head.bytes, rig.layout.record_bytes);
        ck_assert_uint_eq(r.head.step, (uint32_t)r.step);
        ck_assert_uint_eq(r.head.episode, (uint32_t)r.episode);
        ck_assert_float_eq(r.step, expected[lane].step);
        ck_assert_float_eq(r.episode, expected[lane].episode);
        bool is_final = (r.head.flags & PAWL_RECORD_FINAL) != 0;
        ck_assert_int_ne(is_final, (r.head.flags & PAWL_RECORD_STEP) != 0);
        ck_assert_int_eq(is_final, expected[lane].is_final_due);
        uint32_t end_flags = r.head.flags & (PAWL_RECORD_TERMINATED | PAWL_RECORD_TRUNCATED);
        if (is_final) {
            ck_assert_uint_eq(end_flags, expected[lane].end_flags);
            ck_assert(r.action[0] == 0.0f && r.reward == 0.0f && !r.terminated && !r.truncated);
            expected[lane].step = 0.0f;
            expected[lane].episode += 1.0f;
            expected[lane].is_final_due = false;
        } else {
            ck_assert_float_eq(r.reward, r.step + 1.0f);
            ck_assert_int_eq(r.terminated, (end_flags & PAWL_RECORD_TERMINATED) != 0);
            ck_assert_int_eq(r.truncated, (end_flags & PAWL_RECORD_TRUNCATED) != 0);
            expected[lane].step += 1.0f;
            expected[lane].end_flags = end_flags;
            expected[lane].is_final_due = end_flags != 0;
        }
        count++;
    }
    return count;
}

START_TEST(each_record_is_followed_by_its_successor_in_every_lane)
{
    rig_rules.terminate_at = 7;
    rig_open(&rig, (struct rig_cfg){.lane_count = 5, .slot_count = 64});
    uint64_t count = 0;
    for (int i = 0; i < 1000; i++) {
        rig_round(&rig);
        count += take_all();
    }
    pawl_acting_cut(rig.acting);
    for (uint32_t lane = 0; lane < 5; lane++) {
        expected[lane].end_flags = 0;
        expected[lane].is_final_due = expected[lane].step > 0.0f;
    }
    /* 1000 = 142 * 7 + 6: the last episodes have six steps, and their FINAL. */
    count += take_all();
    ck_assert_uint_eq(count, 5 * (1000 + 143));
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ENV_STEPS), 5000);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_EPISODES), 5 * 142);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_SUCCESSES), 5 * 142);
    ck_assert_uint_eq(rig.tx.claimed_count, 0);
    rig_close(&rig);
}
END_TEST

START_TEST(the_order_of_records_is_that_of_the_steps_whichever_lane_ends)
{
    rig_rules.terminate_at = 6;
    rig_rules.is_staggered = true; /* lane i ends after 6 + i steps */
    rig_open(&rig, (struct rig_cfg){.lane_count = 5, .slot_count = 64});
    for (int i = 0; i < 500; i++) {
        rig_round(&rig);
        take_all();
    }
    ck_assert_uint_ge(rig_stat(&rig, PAWL_ACTOR_STAT_EPISODES), 300);
    rig_close(&rig);
}
END_TEST

START_TEST(a_terminated_episode_ends_with_a_final_record_that_says_so)
{
    rig_rules.terminate_at = 2;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_round(&rig);
    rig_round(&rig);
    struct rig_record first = rig_take(&rig), last = rig_take(&rig), end = rig_take(&rig);
    ck_assert_uint_eq(first.head.flags, PAWL_RECORD_STEP);
    ck_assert_uint_eq(last.head.flags,
                      PAWL_RECORD_STEP | PAWL_RECORD_TERMINATED | PAWL_RECORD_SUCCESS);
    ck_assert_uint_eq(end.head.flags,
                      PAWL_RECORD_FINAL | PAWL_RECORD_TERMINATED | PAWL_RECORD_SUCCESS);
    ck_assert_float_eq(end.step, 2.0f);
    ck_assert_uint_eq(end.head.step, 2);
    ck_assert_uint_eq(end.head.actor_step, 2);
    rig_close(&rig);
}
END_TEST

START_TEST(the_limit_of_steps_truncates)
{
    rig_rules.steps_max = 2;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_round(&rig);
    rig_round(&rig);
    rig_take(&rig);
    struct rig_record last = rig_take(&rig), end = rig_take(&rig);
    ck_assert_uint_eq(last.head.flags, PAWL_RECORD_STEP | PAWL_RECORD_TRUNCATED);
    ck_assert_int_eq(last.truncated, 1);
    ck_assert_uint_eq(end.head.flags, PAWL_RECORD_FINAL | PAWL_RECORD_TRUNCATED);
    rig_close(&rig);
}
END_TEST

START_TEST(an_action_is_scaled_to_the_bounds)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_rules.action[0] = 0.5f;
    rig_rules.action[1] = -1.0f;
    rig_round(&rig);
    ck_assert_float_eq(rig_rules.executed[0], 4.0f);
    ck_assert_float_eq(rig_rules.executed[1], 0.0f);
    struct rig_record r = rig_take(&rig);
    ck_assert_float_eq(r.action[0], 0.5f);
    ck_assert_float_eq(r.action[1], -1.0f);
    rig_close(&rig);
}
END_TEST

START_TEST(an_action_out_of_range_is_clamped_and_recorded_as_executed)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_rules.action[0] = 1e30f;
    rig_rules.action[1] = -1.5f;
    rig_round(&rig);
    ck_assert_float_eq(rig_rules.executed[0], 6.0f);
    ck_assert_float_eq(rig_rules.executed[1], 0.0f);
    struct rig_record r = rig_take(&rig);
    ck_assert_float_eq(r.action[0], 1.0f);
    ck_assert_float_eq(r.action[1], -1.0f);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ACTIONS_CLAMPED), 1);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ACTIONS_HELD), 0);
    rig_close(&rig);
}
END_TEST

START_TEST(an_action_that_is_not_finite_is_the_one_before)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
        rig_rules.action[0] = wrong[i];
        rig_rules.action[1] = 0.25f;
        rig_round(&rig);
        ck_assert_float_eq(rig_take(&rig).action[0], 0.0f); /* nothing came before */
        ck_assert_float_eq(rig_rules.executed[0], 2.0f);
        rig_rules.action[0] = 0.75f;
        rig_round(&rig);
        rig_rules.action[0] = wrong[i];
        rig_round(&rig);
        ck_assert_float_eq(rig_take(&rig).action[0], 0.75f);
        ck_assert_float_eq(rig_take(&rig).action[0], 0.75f);
        ck_assert_float_eq(rig_rules.executed[0], 5.0f);
        ck_assert_float_eq(rig_rules.executed[1], 1.25f);
        ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ACTIONS_HELD), 2);
        rig_close(&rig);
    }
}
END_TEST

START_TEST(an_action_before_the_episode_is_not_held)
{
    rig_rules.terminate_at = 1;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_rules.action[0] = 0.75f;
    rig_round(&rig);
    rig_rules.action[0] = NAN;
    rig_round(&rig);
    ck_assert_float_eq(rig_rules.executed[0], 2.0f);
    rig_close(&rig);
}
END_TEST

START_TEST(rounding_does_not_leave_the_bounds)
{
    rig_lows[0] = -1.5f; /* middle - half is below, middle + half above */
    rig_highs[0] = 2.8f;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_rules.action[0] = 1.0f;
    rig_round(&rig);
    ck_assert_float_le(rig_rules.executed[0], rig_highs[0]);
    rig_rules.action[0] = -1.0f;
    rig_round(&rig);
    ck_assert_float_ge(rig_rules.executed[0], rig_lows[0]);
    rig_close(&rig);
}
END_TEST

START_TEST(with_hold_an_action_out_of_range_is_the_one_before)
{
    rig_open(&rig, (struct rig_cfg){
                       .lane_count = 1, .slot_count = 16, .excess = PAWL_ACTING_EXCESS_HOLD});
    rig_rules.action[0] = -0.5f;
    rig_round(&rig);
    rig_rules.action[0] = 1.01f;
    rig_round(&rig);
    ck_assert_float_eq(rig_rules.executed[0], 0.0f);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ACTIONS_HELD), 1);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ACTIONS_CLAMPED), 0);
    rig_close(&rig);
}
END_TEST

START_TEST(a_choice_is_a_whole_number_of_those_there_are)
{
    static const struct {
        float chosen, executed;
    } cases[] = {{1.0f, 1.0f},  {2.4f, 2.0f}, {-0.4f, 0.0f}, {7.0f, 2.0f},
                 {-3.0f, 0.0f}, {NAN, 0.0f},  {1.6f, 2.0f}};
    rig_rules.choice_count = 3;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
        rig_rules.action[1] = cases[i].chosen;
        rig_round(&rig);
        ck_assert_float_eq(rig_rules.executed[1], cases[i].executed);
        ck_assert_float_eq(rig_take(&rig).action[1], cases[i].executed);
        ck_assert_uint_ne(rig.layout.penalty_offset, 0);
        rig_close(&rig);
    }
}
END_TEST

START_TEST(an_intervention_is_recorded_in_units_of_the_policy)
{
    rig_rules.intervene_at = 2;
    rig_rules.intervention[0] = -2.0f;
    rig_rules.intervention[1] = 1.5f;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16});
    rig_round(&rig);
    rig_round(&rig);
    ck_assert_int_eq(rig_take(&rig).intervention, 0);
    struct rig_record r = rig_take(&rig);
    ck_assert_int_eq(r.intervention, 1);
    ck_assert_uint_eq(r.head.flags, PAWL_RECORD_STEP | PAWL_RECORD_INTERVENTION);
    ck_assert_float_eq(r.action[0], -1.0f);
    ck_assert_float_eq(r.action[1], 0.5f);
    rig_close(&rig);
}
END_TEST

/* The third step of the episode leads to something that no record may hold. */
static void expect_given_up(void)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 32});
    for (int i = 0; i < 4; i++)
        rig_round(&rig);
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(rig_take(&rig).head.flags, PAWL_RECORD_STEP);
    struct rig_record end = rig_take(&rig), next = rig_take(&rig);
    ck_assert_uint_eq(end.head.flags, PAWL_RECORD_FINAL); /* neither terminated nor truncated */
    ck_assert_float_eq(end.step, 2.0f);
    ck_assert_uint_eq(end.head.step, 2);
    ck_assert_uint_eq(end.head.actor_step, 3);
    ck_assert_uint_eq(next.head.flags, PAWL_RECORD_STEP);
    ck_assert_float_eq(next.step, 0.0f);
    ck_assert_float_eq(next.episode, 1.0f);
    ck_assert_uint_eq(next.head.episode, 1);
    ck_assert_uint_eq(next.head.actor_step, 3);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_EPISODES_GIVEN_UP), 1);
    rig_close(&rig);
}

START_TEST(a_malformed_observation_ends_the_episode_before_it)
{
    rig_rules.bad_obs_from = rig_rules.bad_obs_until = 3;
    expect_given_up();
}
END_TEST

START_TEST(a_failed_step_ends_the_episode_before_it)
{
    rig_rules.fail_at = 3;
    expect_given_up();
}
END_TEST

START_TEST(a_reward_that_is_not_finite_ends_the_episode_before_it)
{
    rig_rules.bad_reward_at = 3;
    expect_given_up();
}
END_TEST

START_TEST(an_intervention_that_is_no_number_ends_the_episode_before_it)
{
    rig_rules.intervene_at = 3;
    rig_rules.intervention[0] = NAN;
    expect_given_up();
}
END_TEST

START_TEST(the_third_malformed_observation_in_a_row_is_an_error_that_names_the_field)
{
    rig_rules.bad_obs_from = 5;
    rig_rules.bad_obs_until = 100;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 64});
    for (int i = 0; i < 6; i++)
        rig_round(&rig);
    ck_assert_int_eq(pawl_acting_round(rig.acting, &rig.err), PAWL_ACTING_FAILED);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "lane 0, 3 times in a row"));
    ck_assert_ptr_nonnull(strstr(rig.err.text, "obs.state[1]"));
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_OBSERVATIONS_REFUSED), 3);
    rig_close(&rig);
}
END_TEST

START_TEST(a_good_step_forgives_those_before)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 64});
    for (int i = 0; i < 10; i++) {
        rig_rules.bad_obs_from = rig_rules.call_count + 1;
        rig_rules.bad_obs_until = rig_rules.call_count + 2;
        for (int k = 0; k < 3; k++) {
            rig_round(&rig);
            while (pawl_ring_peek(&rig.rx))
                rig_take(&rig);
        }
    }
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_EPISODES_GIVEN_UP), 20);
    rig_close(&rig);
}
END_TEST

START_TEST(a_policy_with_parameters_waits_for_the_first_version)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16, .is_learned = true});
    ck_assert_int_eq(pawl_acting_round(rig.acting, &rig.err), PAWL_ACTING_NO_PARAMS);
    rig_open_board(&rig);
    ck_assert_int_eq(pawl_acting_round(rig.acting, &rig.err), PAWL_ACTING_NO_PARAMS);
    ck_assert_int_eq(rig_rules.reset_count, 0);
    rig_publish(&rig, 0.5f);
    rig_round(&rig);
    struct rig_record r = rig_take(&rig);
    ck_assert_float_eq(r.action[0], 0.5f);
    ck_assert_uint_eq(r.head.policy_version, 1);
    rig_close(&rig);
}
END_TEST

/* Publishes a version before each step; which step uses which. */
static void expect_versions(struct rig_cfg cfg, const uint64_t *versions, int count)
{
    cfg.lane_count = 1;
    cfg.slot_count = 64;
    cfg.is_learned = true;
    rig_rules.terminate_at = 4;
    rig_open(&rig, cfg);
    rig_open_board(&rig);
    for (int i = 0; i < count; i++) {
        rig_publish(&rig, 0.01f * (float)(i + 1));
        rig_round(&rig);
    }
    for (int i = 0; i < count;) {
        struct rig_record r = rig_take(&rig);
        if (r.head.flags & PAWL_RECORD_FINAL)
            continue;
        ck_assert_uint_eq(r.head.policy_version, versions[i]);
        ck_assert_float_eq(r.w, 0.01f * (float)versions[i]);
        i++;
    }
    rig_close(&rig);
}

START_TEST(parameters_are_adopted_before_any_step)
{
    static const uint64_t versions[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    expect_versions((struct rig_cfg){.adopt = PAWL_ACTING_ADOPT_STEP}, versions, 9);
}
END_TEST

START_TEST(parameters_are_adopted_between_chunks)
{
    static const uint64_t versions[] = {1, 1, 1, 4, 5, 5, 5, 8, 9};
    expect_versions((struct rig_cfg){.adopt = PAWL_ACTING_ADOPT_CHUNK, .chunk_steps = 3},
                    versions, 9);
}
END_TEST

START_TEST(parameters_are_adopted_between_episodes)
{
    static const uint64_t versions[] = {1, 1, 1, 1, 5, 5, 5, 5, 9};
    expect_versions((struct rig_cfg){.adopt = PAWL_ACTING_ADOPT_EPISODE}, versions, 9);
}
END_TEST

START_TEST(the_board_of_the_next_learner_is_used_from_its_first_version_on)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 64, .is_learned = true});
    rig_open_board(&rig);
    rig_publish(&rig, 0.25f);
    rig_round(&rig);
    struct pawl_segment dead = rig.board;
    struct pawl_board_tx before = rig.board_tx;
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    struct pawl_manifest manifest = {0};
    uint32_t index;
    pawl_manifest_add(&manifest, "w", PAWL_F32, 0, NULL, NULL);
    cfg.manifest = &manifest;
    cfg.reader_count = 1;
    cfg.first_generation = before.generation;
    RIG_DO(&rig, pawl_board_create(&rig.board_tx, &rig.board, &cfg, &rig.err));
    RIG_DO(&rig, pawl_board_add_reader(&rig.board_tx, &rig.tx.page->pin, &index, &rig.err));
    RIG_DO(&rig, pawl_params_attach(&rig.params, rig.board.fd, 0, &rig.err));
    pawl_segment_close(&dead);
    ck_assert_int_eq(pawl_params_adopt(&rig.params, &rig.err), 0); /* of the last learner */
    rig_round(&rig);
    rig_publish(&rig, 0.5f);
    rig_round(&rig);
    static const uint64_t versions[] = {1, 1, 2};
    static const float ws[] = {0.25f, 0.25f, 0.5f};
    for (int i = 0; i < 3; i++) {
        struct rig_record r = rig_take(&rig);
        ck_assert_uint_eq(r.head.policy_version, versions[i]);
        ck_assert_float_eq(r.w, ws[i]);
    }
    pawl_manifest_close(&manifest);
    rig_close(&rig);
}
END_TEST

START_TEST(a_board_without_a_tensor_of_the_policy_is_refused_by_name)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16, .is_learned = true});
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    struct pawl_manifest manifest = {0};
    pawl_manifest_add(&manifest, "v", PAWL_F32, 0, NULL, NULL);
    cfg.manifest = &manifest;
    cfg.reader_count = 1;
    RIG_DO(&rig, pawl_board_create(&rig.board_tx, &rig.board, &cfg, &rig.err));
    RIG_DO(&rig, pawl_params_attach(&rig.params, rig.board.fd, 0, &rig.err));
    rig_publish(&rig, 1.0f);
    ck_assert_int_eq(pawl_acting_round(rig.acting, &rig.err), PAWL_ACTING_FAILED);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "'w'"));
    pawl_manifest_close(&manifest);
    rig_close(&rig);
}
END_TEST

START_TEST(what_a_writer_that_took_us_for_dead_overwrote_is_computed_again)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1,
                                    .slot_count = 64,
                                    .is_learned = true,
                                    .adopt = PAWL_ACTING_ADOPT_EPISODE});
    rig_open_board(&rig);
    rig_publish(&rig, 0.25f);
    rig_round(&rig);
    pawl_board_remove_reader(&rig.board_tx, 0);
    for (int i = 0; i < 8; i++)
        rig_publish(&rig, 0.5f);
    rig_round(&rig);
    ck_assert_uint_eq(rig_take(&rig).head.policy_version, 1);
    struct rig_record r = rig_take(&rig);
    ck_assert_uint_eq(r.head.policy_version, 9);
    ck_assert_float_eq(r.w, 0.5f);
    rig_close(&rig);
}
END_TEST

START_TEST(a_full_ring_stops_the_round_before_anything_is_done)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 3, .slot_count = 16});
    while (pawl_acting_round(rig.acting, &rig.err) == PAWL_ACTING_STEPPED)
        ;
    int calls = rig_rules.call_count;
    ck_assert_int_ge(calls, 9);
    ck_assert_int_eq(pawl_acting_round(rig.acting, &rig.err), PAWL_ACTING_FULL);
    ck_assert_int_eq(rig_rules.call_count, calls);
    ck_assert_uint_eq(take_all(), (uint64_t)calls);
    rig_round(&rig);
    take_all();
    rig_close(&rig);
}
END_TEST

START_TEST(staged_records_follow_in_order_and_none_is_lost)
{
    rig_rules.terminate_at = 7;
    rig_open(&rig,
             (struct rig_cfg){.lane_count = 2, .slot_count = 16, .staged_count_max = 100});
    for (int i = 0; i < 40; i++)
        rig_round(&rig); /* far beyond the ring, nobody reads */
    ck_assert_uint_ge(pawl_outbox_staged(&rig.outbox), 60);
    uint64_t count = 0;
    for (int i = 0; i < 200; i++) {
        count += take_all();
        rig_round(&rig);
    }
    ck_assert_uint_eq(pawl_outbox_staged(&rig.outbox), 0);
    count += take_all();
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ENV_STEPS), 480);
    ck_assert_uint_ge(count, 480 + 2 * 34 - 2);
    rig_close(&rig);
}
END_TEST

START_TEST(a_full_stage_stops_the_round)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16, .staged_count_max = 8});
    while (pawl_acting_round(rig.acting, &rig.err) == PAWL_ACTING_STEPPED)
        ;
    ck_assert_int_ge(rig_rules.call_count, 16 + 8);
    take_all();
    pawl_outbox_flush(&rig.outbox);
    rig_round(&rig);
    rig_close(&rig);
}
END_TEST

START_TEST(dropped_records_are_counted_and_what_is_recorded_stays_true)
{
    rig_rules.terminate_at = 5;
    rig_open(&rig, (struct rig_cfg){.lane_count = 2, .slot_count = 16, .may_drop = true});
    uint64_t taken = 0;
    for (int i = 0; i < 300; i++) {
        rig_round(&rig);
        /* Reads seldom: most records find a full ring. */
        while (i % 20 == 0 && pawl_ring_peek(&rig.rx)) {
            struct rig_record r = rig_take(&rig);
            ck_assert_uint_eq(r.head.step, (uint32_t)r.step);
            ck_assert_uint_eq(r.head.episode, (uint32_t)r.episode);
            ck_assert_uint_eq(r.head.lane, (uint32_t)r.lane);
            taken++;
        }
    }
    pawl_acting_cut(rig.acting);
    while (pawl_ring_peek(&rig.rx)) {
        rig_take(&rig);
        taken++;
    }
    struct pawl_ring_counts counts = pawl_ring_count(rig.tx.page, rig.rx.ack, 0);
    ck_assert_uint_eq(counts.attempted,
                      counts.committed + counts.dropped_newest + counts.aborted);
    ck_assert_uint_eq(counts.consumed, taken);
    ck_assert_uint_eq(counts.committed, taken);
    /* Every step and every FINAL record: 60 episodes of each lane, the last one cut short of
     * its first step. */
    ck_assert_uint_eq(counts.attempted, 2 * (300 + 60 + 1));
    ck_assert_uint_gt(counts.dropped_newest, 300);
    rig_close(&rig);
}
END_TEST

START_TEST(records_without_times_are_the_same_bytes_again)
{
    static unsigned char first[64][64], again[64][64];
    for (int run = 0; run < 2; run++) {
        rig_rules.terminate_at = 3;
        rig_open(&rig, (struct rig_cfg){.lane_count = 2, .slot_count = 128});
        for (int i = 0; i < 24; i++)
            rig_round(&rig);
        ck_assert_uint_le(rig.layout.record_bytes, 64);
        for (int i = 0; i < 60; i++) {
            const struct pawl_ring_slot *slot = pawl_ring_peek(&rig.rx);
            ck_assert_uint_eq(slot->record.capture_ns, 0);
            memcpy(run ? again[i] : first[i], slot->data, rig.layout.record_bytes);
            pawl_ring_release(&rig.rx);
        }
        rig_close(&rig);
    }
    ck_assert_mem_eq(first, again, sizeof(first));
}
END_TEST

START_TEST(a_record_says_when_its_observation_was_there)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 16, .has_times = true});
    uint64_t before_ns = pawl_clock_now_ns();
    rig_round(&rig);
    rig_round(&rig);
    uint64_t after_ns = pawl_clock_now_ns() + PAWL_NS_PER_MS;
    uint64_t first_ns = rig_take(&rig).head.capture_ns,
             second_ns = rig_take(&rig).head.capture_ns;
    ck_assert(before_ns - PAWL_NS_PER_MS <= first_ns && first_ns <= second_ns &&
              second_ns <= after_ns);
    rig_close(&rig);
}
END_TEST

START_TEST(a_million_steps_allocate_nothing)
{
    rig_rules.terminate_at = 200;
    rig_open(&rig, (struct rig_cfg){.lane_count = 4, .slot_count = 64, .is_learned = true});
    rig_open_board(&rig);
    rig_publish(&rig, 0.0f);
    rig_round(&rig);
    unsigned long before = alloc_count();
    for (int i = 0; i < 250000; i++) {
        if (i % 1000 == 0)
            rig_publish(&rig, 0.1f);
        if (pawl_acting_round(rig.acting, &rig.err) != PAWL_ACTING_STEPPED)
            break;
        while (pawl_ring_peek(&rig.rx))
            pawl_ring_release(&rig.rx);
    }
    ck_assert_uint_eq(alloc_count(), before);
    ck_assert_uint_eq(rig_stat(&rig, PAWL_ACTOR_STAT_ENV_STEPS), 1000004);
    rig_close(&rig);
}
END_TEST

/* After this the kernel kills the process at any call but exit. (Its strict mode forbids the
 * processor's counter as well.) */
static void seal_off(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(7);
}

START_TEST(a_hundred_thousand_steps_make_no_system_call)
{
#if PAWL_TEST_HAS_SANITIZER
    return; /* a sanitizer makes calls of its own; the other builds hold this */
#endif
    rig_rules.terminate_at = 200;
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 64, .has_times = true});
    if (rig.tsc.fallback_reason)
        printf("the clock is the kernel's here: %s\n", rig.tsc.fallback_reason);
    pid_t pid = fork();
    if (pid == 0) {
        seal_off();
        int steps = 0;
        for (; steps < 100000; steps++) {
            if (pawl_acting_round(rig.acting, &rig.err) != PAWL_ACTING_STEPPED)
                break;
            while (pawl_ring_peek(&rig.rx))
                pawl_ring_release(&rig.rx);
        }
        syscall(SYS_exit, steps == 100000 ? 42 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x", status);
    rig_close(&rig);
}
END_TEST

START_TEST(the_stages_of_rounds_are_timed)
{
    rig_open(&rig, (struct rig_cfg){.lane_count = 1, .slot_count = 64});
    for (int i = 0; i < 1600; i++) {
        rig_round(&rig);
        take_all();
    }
    uint64_t count = pawl_hist_count(rig.stats.hists[PAWL_ACTOR_STAT_STEP_NS]);
    ck_assert_uint_ge(count, 100);
    ck_assert_uint_eq(pawl_hist_count(rig.stats.hists[PAWL_ACTOR_STAT_INFER_NS]), count);
    ck_assert_uint_eq(pawl_hist_count(rig.stats.hists[PAWL_ACTOR_STAT_OBSERVE_NS]), count);
    ck_assert_uint_eq(pawl_hist_count(rig.stats.hists[PAWL_ACTOR_STAT_PUSH_NS]), count);
    ck_assert_uint_ne(atomic_load(&rig.tx.page->heartbeat_ns), 0);
    rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("acting", each_record_is_followed_by_its_successor_in_every_lane,
               the_order_of_records_is_that_of_the_steps_whichever_lane_ends,
               a_terminated_episode_ends_with_a_final_record_that_says_so,
               the_limit_of_steps_truncates, an_action_is_scaled_to_the_bounds,
               an_action_out_of_range_is_clamped_and_recorded_as_executed,
               an_action_that_is_not_finite_is_the_one_before,
               an_action_before_the_episode_is_not_held, rounding_does_not_leave_the_bounds,
               with_hold_an_action_out_of_range_is_the_one_before,
               a_choice_is_a_whole_number_of_those_there_are,
               an_intervention_is_recorded_in_units_of_the_policy,
               a_malformed_observation_ends_the_episode_before_it,
               a_failed_step_ends_the_episode_before_it,
               a_reward_that_is_not_finite_ends_the_episode_before_it,
               an_intervention_that_is_no_number_ends_the_episode_before_it,
               the_third_malformed_observation_in_a_row_is_an_error_that_names_the_field,
               a_good_step_forgives_those_before,
               a_policy_with_parameters_waits_for_the_first_version,
               parameters_are_adopted_before_any_step, parameters_are_adopted_between_chunks,
               parameters_are_adopted_between_episodes,
               the_board_of_the_next_learner_is_used_from_its_first_version_on,
               a_board_without_a_tensor_of_the_policy_is_refused_by_name,
               what_a_writer_that_took_us_for_dead_overwrote_is_computed_again,
               a_full_ring_stops_the_round_before_anything_is_done,
               staged_records_follow_in_order_and_none_is_lost, a_full_stage_stops_the_round,
               dropped_records_are_counted_and_what_is_recorded_stays_true,
               records_without_times_are_the_same_bytes_again,
               a_record_says_when_its_observation_was_there, a_million_steps_allocate_nothing,
               a_hundred_thousand_steps_make_no_system_call, the_stages_of_rounds_are_timed)
