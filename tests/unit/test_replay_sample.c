#include "learner/replay_sample.h"

#include <errno.h>
#include <math.h>

#include "learner/replay_cfg.h"
#include "support/alloc_count.h"
#include "support/replay_model.h"
#include "support/replay_rig.h"
#include "support/test.h"

#define ROWS_MAX 512

static struct pawl_replay online, offline;
static struct pawl_replay_sampler sampler;
static struct pawl_err err;

static float states[ROWS_MAX][2], nexts[ROWS_MAX][2], rewards[ROWS_MAX], discounts[ROWS_MAX];
static float weights[ROWS_MAX], sums[ROWS_MAX];
static uint64_t frames[ROWS_MAX];

static struct pawl_batch make_batch(uint32_t count)
{
    return (struct pawl_batch){
        .count = count,
        .column_count = 3,
        .columns = {{.field = REPLAY_RIG_STATE, .rows = states, .stride = sizeof(states[0])},
                    {.field = REPLAY_RIG_STATE,
                     .is_next = true,
                     .rows = nexts,
                     .stride = sizeof(nexts[0])},
                    {.field = REPLAY_RIG_ACTION,
                     .is_summed = true,
                     .rows = sums,
                     .stride = sizeof(sums[0])}},
        .reward = rewards,
        .discount = discounts,
        .weight = weights,
        .frame = frames,
    };
}

static struct pawl_replay_sampler_cfg uniform_cfg(void)
{
    return (struct pawl_replay_sampler_cfg){.seed = 7,
                                            .batch_count_max = ROWS_MAX,
                                            .n_step = 1,
                                            .discount = 0.5,
                                            .offline_ratio = 0.5};
}

static struct pawl_replay_sampler_cfg prioritized_cfg(void)
{
    struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    cfg.is_prioritized = true;
    cfg.alpha = 1.0;
    cfg.beta = 1.0;
    return cfg;
}

static void open_sampler(const struct pawl_replay_sampler_cfg *cfg, bool has_offline)
{
    err = (struct pawl_err){0};
    ck_assert_msg(pawl_replay_sampler_open(&sampler, cfg, &online,
                                           has_offline ? &offline : NULL, &err) == 0,
                  "%s", err.text);
}

static void fill(uint32_t count, uint64_t draw)
{
    struct pawl_batch batch = make_batch(count);
    err = (struct pawl_err){0};
    ck_assert_msg(sampler.base.fill(sampler.base.arg, &batch, draw, &err) == 0, "%s", err.text);
}

static void close_all(void)
{
    pawl_replay_sampler_close(&sampler);
    pawl_replay_close(&online);
    pawl_replay_close(&offline);
}

/* Steps of one endless episode: count - 1 transitions. */
static void fill_store(struct pawl_replay *replay, uint32_t count, float observation)
{
    struct replay_rig_lane lane = replay_rig_lane(0);
    for (uint32_t i = 0; i < count; i++) {
        replay_rig_put(replay, &lane, observation + (float)i, 1.0f, PAWL_RECORD_STEP);
        pawl_replay_commit(replay);
    }
}

START_TEST(a_batch_is_a_function_of_seed_and_draw)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    static uint64_t kept[3][ROWS_MAX];
    replay_rig_open(&online, 1000);
    fill_store(&online, 1000, 0.0f);
    open_sampler(&cfg, false);
    const uint64_t draws[] = {5, 6, 5 + (1ull << 32)};
    for (int i = 0; i < 3; i++) {
        fill(256, draws[i]);
        memcpy(kept[i], frames, sizeof(frames));
    }
    ck_assert_mem_ne(kept[0], kept[1], 256 * sizeof(frames[0]));
    ck_assert_mem_ne(kept[0], kept[2], 256 * sizeof(frames[0]));
    for (int i = 2; i >= 0; i--) {
        fill(256, draws[i]);
        ck_assert_mem_eq(kept[i], frames, 256 * sizeof(frames[0]));
    }
    pawl_replay_sampler_close(&sampler);
    struct pawl_replay_sampler_cfg other = cfg;
    other.seed++;
    open_sampler(&other, false);
    fill(256, draws[0]);
    ck_assert_mem_ne(kept[0], frames, 256 * sizeof(frames[0]));
    close_all();
}
END_TEST

START_TEST(the_next_learner_draws_the_same_batch)
{
    const struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    static uint64_t kept[ROWS_MAX];
    static float kept_weights[ROWS_MAX];
    replay_rig_open(&online, 100);
    fill_store(&online, 250, 0.0f);
    open_sampler(&cfg, false);
    fill(256, 1);
    for (uint32_t i = 0; i < 256; i++)
        rewards[i] = (float)(frames[i] % 7);
    sampler.base.prioritise(sampler.base.arg, frames, rewards, 256);
    fill(256, 2);
    memcpy(kept, frames, sizeof(frames));
    memcpy(kept_weights, weights, sizeof(weights));
    pawl_replay_sampler_close(&sampler);
    replay_rig_crash(&online, online.head);
    open_sampler(&cfg, false);
    fill(256, 2);
    ck_assert_mem_eq(kept, frames, 256 * sizeof(frames[0]));
    ck_assert_mem_eq(kept_weights, weights, 256 * sizeof(weights[0]));
    close_all();
}
END_TEST

/* Sum over cells of (seen - wanted)^2 / wanted. */
static double chi_square(const uint32_t *seen, const double *wanted, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += ((double)seen[i] - wanted[i]) * ((double)seen[i] - wanted[i]) / wanted[i];
    return sum;
}

START_TEST(every_transition_is_drawn_equally_often)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    static uint32_t seen[200];
    static double wanted[200];
    struct replay_rig_lane lane = replay_rig_lane(0);
    float observation = 0.0f;
    replay_rig_open(&online, 120);
    while (online.head < 200) /* a third of the frames are no transitions */
        replay_rig_episode(&online, &lane, 2, PAWL_RECORD_TRUNCATED, &observation);
    open_sampler(&cfg, false);
    for (uint64_t draw = 0; draw < 400; draw++) {
        fill(500, draw);
        for (uint32_t i = 0; i < 500; i++) {
            ck_assert(frames[i] >= online.head - 120 && frames[i] < online.head);
            seen[frames[i] - (online.head - 120)]++;
        }
    }
    size_t cells = 0;
    for (uint64_t i = 0; i < 120; i++) {
        if (!pawl_replay_is_transition(&online, online.head - 120 + i)) {
            ck_assert_uint_eq(seen[i], 0);
            continue;
        }
        seen[cells] = seen[i];
        wanted[cells++] = 200000.0 / (double)online.sample_count;
    }
    ck_assert_uint_eq(cells, online.sample_count);
    double freedom = (double)cells - 1.0;
    double value = chi_square(seen, wanted, cells);
    ck_assert_double_le(fabs(value - freedom), 4.0 * sqrt(2.0 * freedom));
    close_all();
}
END_TEST

START_TEST(a_store_without_a_transition_is_not_waited_for)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct pawl_batch batch = make_batch(8);
    replay_rig_open(&online, 1000);
    open_sampler(&cfg, false);
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 0, NULL), -EAGAIN);
    for (uint32_t i = 0; i < 900; i++) {
        struct replay_rig_lane lane = replay_rig_lane(i); /* one step each, then it dies */
        replay_rig_put(&online, &lane, 0.0f, 0.0f, PAWL_RECORD_STEP);
        pawl_replay_commit(&online);
    }
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 0, NULL), -EAGAIN);
    close_all();
}
END_TEST

START_TEST(the_only_transition_among_many_frames_is_found)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    replay_rig_open(&online, 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        struct replay_rig_lane lane = replay_rig_lane(i);
        replay_rig_put(&online, &lane, 0.0f, 0.0f,
                       PAWL_RECORD_STEP | (i == 777 ? PAWL_RECORD_TERMINATED : 0));
        pawl_replay_commit(&online);
    }
    open_sampler(&cfg, false);
    fill(4, 0);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(frames[i], 777);
    close_all();
}
END_TEST

/* Draws until the frame has come: its row. */
static uint32_t row_of(uint64_t number)
{
    for (uint64_t draw = 0; draw < 100; draw++) {
        fill(ROWS_MAX, draw);
        for (uint32_t i = 0; i < ROWS_MAX; i++)
            if (frames[i] == number)
                return i;
    }
    ck_abort_msg("frame %llu was never drawn", (unsigned long long)number);
    return 0;
}

/* A gripper's penalty is summed so, and the action is minus the reward here. */
static void expect_row(uint64_t number, float reward, float discount, float next)
{
    uint32_t row = row_of(number);
    ck_assert_float_eq(rewards[row], reward);
    ck_assert_float_eq(sums[row], -reward);
    ck_assert_float_eq(discounts[row], discount);
    ck_assert_float_eq(nexts[row][0], next);
}

START_TEST(n_steps_stop_at_a_terminal_one_which_is_worth_nothing)
{
    struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct replay_rig_lane lane = replay_rig_lane(0);
    float observation = 1.0f;
    cfg.n_step = 3;
    replay_rig_open(&online, 100);
    replay_rig_episode(&online, &lane, 5, PAWL_RECORD_TERMINATED, &observation);
    open_sampler(&cfg, false);
    expect_row(0, 1.0f + 2.0f / 2 + 3.0f / 4, 0.125f, 4.0f);
    expect_row(2, 3.0f + 4.0f / 2 + 5.0f / 4, 0.0f, 6.0f);
    expect_row(3, 4.0f + 5.0f / 2, 0.0f, 6.0f);
    expect_row(4, 5.0f, 0.0f, 6.0f);
    close_all();
}
END_TEST

START_TEST(n_steps_stop_at_a_truncation_which_is_worth_its_last_observation)
{
    struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct replay_rig_lane lane = replay_rig_lane(0);
    float observation = 1.0f;
    cfg.n_step = 3;
    replay_rig_open(&online, 100);
    replay_rig_episode(&online, &lane, 5, PAWL_RECORD_TRUNCATED, &observation);
    replay_rig_episode(&online, &lane, 5, PAWL_RECORD_TRUNCATED, &observation);
    open_sampler(&cfg, false);
    expect_row(2, 3.0f + 4.0f / 2 + 5.0f / 4, 0.125f, 6.0f);
    expect_row(3, 4.0f + 5.0f / 2, 0.25f, 6.0f);
    expect_row(4, 5.0f, 0.5f, 6.0f);
    close_all();
}
END_TEST

START_TEST(n_steps_stop_at_the_last_frame_before_a_gap)
{
    struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct replay_rig_lane lane = replay_rig_lane(0);
    cfg.n_step = 4;
    replay_rig_open(&online, 100);
    for (int i = 1; i <= 3; i++)
        replay_rig_put(&online, &lane, (float)i, (float)i, PAWL_RECORD_STEP);
    lane.step++;
    for (int i = 5; i <= 9; i++)
        replay_rig_put(&online, &lane, (float)i, (float)i, PAWL_RECORD_STEP);
    pawl_replay_commit(&online);
    open_sampler(&cfg, false);
    expect_row(0, 1.0f + 2.0f / 2, 0.25f, 3.0f);
    expect_row(1, 2.0f, 0.5f, 3.0f);
    expect_row(3, 5.0f + 6.0f / 2 + 7.0f / 4 + 8.0f / 8, 0.0625f, 9.0f);
    expect_row(6, 8.0f, 0.5f, 9.0f);
    close_all();
}
END_TEST

START_TEST(a_terminal_step_without_a_last_observation_is_worth_nothing)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&online, 100);
    replay_rig_put(&online, &lane, 3.0f, 2.0f, PAWL_RECORD_STEP | PAWL_RECORD_TERMINATED);
    pawl_replay_commit(&online);
    open_sampler(&cfg, false);
    fill(1, 0);
    ck_assert_float_eq(rewards[0], 2.0f);
    ck_assert_float_eq(discounts[0], 0.0f);
    ck_assert(isfinite(nexts[0][0]));
    close_all();
}
END_TEST

START_TEST(columns_go_where_they_are_wanted)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    static unsigned char rows[4][64];
    struct pawl_batch batch = make_batch(4);
    memset(rows, 0xee, sizeof(rows));
    batch.weight = NULL;
    batch.column_count = 3;
    batch.columns[1] = (struct pawl_batch_column){
        .field = REPLAY_RIG_ACTION, .rows = &rows[0][4], .stride = sizeof(rows[0])};
    batch.columns[2] = (struct pawl_batch_column){.field = REPLAY_RIG_IMAGE,
                                                  .is_next = true,
                                                  .rows = &rows[0][8],
                                                  .stride = sizeof(rows[0])};
    replay_rig_open(&online, 100);
    fill_store(&online, 50, 10.0f);
    open_sampler(&cfg, false);
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 3, NULL), 0);
    for (int i = 0; i < 4; i++) {
        float action;
        memcpy(&action, &rows[i][4], sizeof(action));
        ck_assert_float_eq(action, -states[i][0]);
        for (int j = 8; j < 20; j++)
            ck_assert_uint_eq(rows[i][j], (unsigned)states[i][0] + 1);
        ck_assert_uint_eq(rows[i][3], 0xee);
        ck_assert_uint_eq(rows[i][20], 0xee);
    }
    close_all();
}
END_TEST

START_TEST(a_column_that_cannot_be_is_refused)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct pawl_batch batch = make_batch(4);
    replay_rig_open(&online, 10);
    fill_store(&online, 5, 0.0f);
    open_sampler(&cfg, false);
    batch.columns[1].stride = 7;
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 0, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "7 bytes from row to row, 'obs.state' has 8"));
    batch = make_batch(4);
    batch.columns[0].field = 6;
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 0, NULL), -EINVAL);
    batch = make_batch(4);
    batch.columns[2].field = REPLAY_RIG_STATE;
    err = (struct pawl_err){0};
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 0, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "'obs.state' is not one float32"));
    batch = make_batch(ROWS_MAX + 1);
    ck_assert_int_eq(sampler.base.fill(&sampler, &batch, 0, NULL), -EINVAL);
    close_all();
}
END_TEST

static uint32_t offline_count(uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_offline = (frames[i] & PAWL_REPLAY_IS_OFFLINE) != 0;
        ck_assert_msg(is_offline || found == 0, "an online row behind an offline one");
        ck_assert((states[i][0] >= 1000.0f) == is_offline);
        found += is_offline;
    }
    return found;
}

START_TEST(the_offline_part_of_a_batch_is_exact)
{
    struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    const struct {
        double ratio;
        uint32_t count, wanted;
    } cases[] = {{0.5, 256, 128}, {0.5, 7, 4},   {0.25, 256, 64},
                 {0.1, 64, 6},    {0.0, 256, 0}, {1.0, 256, 256}};
    replay_rig_open(&online, 100);
    replay_rig_open(&offline, 100);
    fill_store(&online, 100, 0.0f);
    fill_store(&offline, 100, 1000.0f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cfg.offline_ratio = cases[i].ratio;
        open_sampler(&cfg, true);
        for (uint64_t draw = 0; draw < 20; draw++) {
            fill(cases[i].count, draw);
            ck_assert_uint_eq(offline_count(cases[i].count), cases[i].wanted);
        }
        pawl_replay_sampler_close(&sampler);
    }
    close_all();
}
END_TEST

START_TEST(all_rows_come_from_the_store_that_has_any)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    replay_rig_open(&online, 100);
    replay_rig_open(&offline, 100);
    open_sampler(&cfg, true);
    fill_store(&offline, 10, 1000.0f);
    fill(64, 0);
    ck_assert_uint_eq(offline_count(64), 64);
    pawl_replay_sampler_close(&sampler);
    pawl_replay_close(&offline);
    replay_rig_open(&offline, 100);
    fill_store(&online, 10, 0.0f);
    open_sampler(&cfg, true);
    fill(64, 0);
    ck_assert_uint_eq(offline_count(64), 0);
    close_all();
}
END_TEST

START_TEST(priorities_are_drawn_in_proportion_to_their_power)
{
    struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    static uint32_t seen[20];
    static double wanted[20];
    double total = 0.0;
    cfg.alpha = 0.5;
    replay_rig_open(&online, 100);
    fill_store(&online, 20, 0.0f);
    open_sampler(&cfg, false);
    for (uint64_t i = 0; i < 19; i++) {
        float priority = (float)(i + 1);
        sampler.base.prioritise(&sampler, &i, &priority, 1);
        total += sqrt((double)priority + 1e-6);
    }
    for (uint64_t draw = 0; draw < 400; draw++) {
        fill(500, draw);
        for (uint32_t i = 0; i < 500; i++)
            seen[frames[i]]++;
    }
    for (uint32_t i = 0; i < 19; i++)
        wanted[i] = 200000.0 * sqrt(i + 1.0 + 1e-6) / total;
    ck_assert_double_le(chi_square(seen, wanted, 19), 18.0 + 4.0 * sqrt(36.0));
    ck_assert_uint_eq(seen[19], 0);
    close_all();
}
END_TEST

START_TEST(weights_make_up_for_the_probabilities)
{
    struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    const float priorities[] = {1.0f, 4.0f};
    const uint64_t numbers[] = {0, 1};
    cfg.beta = 0.5;
    cfg.beta_draws = 100;
    replay_rig_open(&online, 100);
    fill_store(&online, 3, 0.0f);
    open_sampler(&cfg, false);
    sampler.base.prioritise(&sampler, numbers, priorities, 2);
    const uint64_t draws[] = {0, 50, 100, 1000};
    const double betas[] = {0.5, 0.75, 1.0, 1.0};
    for (int k = 0; k < 4; k++) {
        fill(100, draws[k]);
        for (uint32_t i = 0; i < 100; i++)
            ck_assert_double_eq_tol(weights[i], frames[i] == 0 ? 1.0 : pow(0.25, betas[k]),
                                    1e-5);
    }
    close_all();
}
END_TEST

/* As after going back, when other batches are drawn. */
START_TEST(beta_goes_on_when_other_rows_are_picked)
{
    struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    const float priority = 4.0f;
    const uint64_t number = 1;
    uint64_t before[100];
    cfg.beta = 0.5;
    cfg.beta_draws = 100;
    replay_rig_open(&online, 100);
    fill_store(&online, 30, 0.0f);
    open_sampler(&cfg, false);
    sampler.base.prioritise(&sampler, &number, &priority, 1);
    fill(100, 50);
    memcpy(before, frames, sizeof(before));
    sampler.draw_offset = UINT64_C(1) << 48;
    fill(100, 50);
    ck_assert_int_ne(memcmp(before, frames, sizeof(before)), 0);
    for (uint32_t i = 0; i < 100; i++)
        ck_assert_double_eq_tol(weights[i], frames[i] == 1 ? pow(0.25, 0.75) : 1.0, 1e-5);
    close_all();
}
END_TEST

START_TEST(uniform_rows_weigh_one)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    replay_rig_open(&online, 100);
    fill_store(&online, 30, 0.0f);
    open_sampler(&cfg, false);
    ck_assert_ptr_null(sampler.base.prioritise);
    fill(100, 0);
    for (uint32_t i = 0; i < 100; i++)
        ck_assert_float_eq(weights[i], 1.0f);
    close_all();
}
END_TEST

START_TEST(a_new_frame_is_as_likely_as_the_most_wrong_one)
{
    const struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    const uint64_t number = 0;
    const float error = 1e6f;
    uint32_t seen = 0;
    replay_rig_open(&online, 100);
    fill_store(&online, 30, 0.0f);
    open_sampler(&cfg, false);
    sampler.base.prioritise(&sampler, &number, &error, 1);
    fill_store(&online, 2, 500.0f);
    fill(500, 0);
    for (uint32_t i = 0; i < 500; i++)
        seen += frames[i] == 30;
    ck_assert_uint_ge(seen, 200);
    ck_assert_uint_le(seen, 300);
    close_all();
}
END_TEST

START_TEST(errors_about_frames_that_left_or_that_are_none_are_ignored)
{
    const struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    const uint64_t numbers[] = {0, 59, 60, 1ull << 40, PAWL_REPLAY_IS_OFFLINE | 30, 31};
    const float errors[] = {1e9f, 1e9f, 1e9f, 1e9f, 1e9f, NAN};
    replay_rig_open(&online, 40);
    fill_store(&online, 60, 0.0f);
    open_sampler(&cfg, false);
    double total = pawl_sum_tree_total(&sampler.online.tree);
    sampler.base.prioritise(&sampler, numbers, errors, 6);
    ck_assert_double_eq(pawl_sum_tree_total(&sampler.online.tree), total);
    ck_assert_uint_eq(sampler.online.tree.used_count, online.sample_count);
    close_all();
}
END_TEST

START_TEST(a_batch_allocates_nothing)
{
    const struct pawl_replay_sampler_cfg cfg = prioritized_cfg();
    replay_rig_open(&online, 100);
    fill_store(&online, 60, 0.0f);
    open_sampler(&cfg, false);
    struct pawl_batch batch = make_batch(64);
    int code = 0;
    uint64_t before = alloc_count();
    for (uint64_t draw = 0; draw < 100; draw++) {
        code |= sampler.base.fill(&sampler, &batch, draw, NULL);
        sampler.base.prioritise(&sampler, frames, rewards, 64);
        fill_store(&online, 5, 0.0f);
    }
    ck_assert_uint_eq(alloc_count(), before);
    ck_assert_int_eq(code, 0);
    close_all();
}
END_TEST

/* The n-step transition from a frame, along the model's successors. */
static void expect_walk(const struct replay_model *model, uint32_t row, uint32_t n_step)
{
    uint64_t number = frames[row];
    double sum = 0.0, action_sum = 0.0, worth = 1.0;
    ck_assert(number >= replay_model_first(model) && number < model->head);
    ck_assert(replay_model_is_transition(model, number));
    ck_assert_float_eq(states[row][0], model->frames[number].observation);
    for (uint32_t step = 1;; step++) {
        sum += worth * (double)model->frames[number].reward;
        action_sum -= worth * (double)model->frames[number].observation;
        worth /= 2.0;
        if (model->frames[number].flags & PAWL_RECORD_TERMINATED) {
            ck_assert_float_eq(discounts[row], 0.0f);
            break;
        }
        number = replay_model_next(model, number);
        if (step == n_step || !replay_model_is_transition(model, number)) {
            ck_assert_float_eq(discounts[row], (float)worth);
            ck_assert_float_eq(nexts[row][0], model->frames[number].observation);
            break;
        }
    }
    ck_assert_float_eq(rewards[row], (float)sum);
    ck_assert_float_eq(sums[row], (float)action_sum);
}

START_TEST(every_row_of_any_store_equals_the_naive_model)
{
    static struct replay_model model;
    struct pawl_batch batch = make_batch(32);
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct pawl_replay_sampler_cfg cfg = seed % 2 ? uniform_cfg() : prioritized_cfg();
        cfg.n_step = 1 + (uint32_t)(seed % 5);
        replay_rig_open(&online, 10 + 30 * (seed % 7));
        replay_model_open(&model, &online, seed);
        for (uint64_t draw = 0; draw < 60; draw++) {
            replay_model_batch(&model, 1 + replay_model_below(&model, 60));
            open_sampler(&cfg, false); /* the store may be another learner's */
            int code = sampler.base.fill(&sampler, &batch, draw, NULL);
            ck_assert((code == -EAGAIN) == (online.sample_count == 0));
            for (uint32_t row = 0; code == 0 && row < batch.count; row++)
                expect_walk(&model, row, cfg.n_step);
            replay_model_batch(&model, 8);
            pawl_replay_sampler_close(&sampler);
        }
        pawl_replay_close(&online);
    }
}
END_TEST

START_TEST(the_table_holds_what_it_says)
{
    const struct pawl_cfg_table *const tables[] = {&pawl_replay_table, NULL};
    struct pawl_replay_cfg cfg;
    ck_assert_msg(pawl_cfg_tables_check(tables, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_cfg_default(&pawl_replay_table, &cfg, &err), 0);
    ck_assert_int_eq(cfg.n_step, 1);
}
END_TEST

/* After training went back draws are far apart: they are no batches that were seen already,
 * moved by some rows. */
START_TEST(draws_far_apart_share_no_row)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    static uint64_t kept[ROWS_MAX];
    replay_rig_open(&online, 100000);
    fill_store(&online, 100000, 0.0f);
    open_sampler(&cfg, false);
    fill(64, 5);
    memcpy(kept, frames, sizeof(frames));
    for (uint32_t high = 1; high < 1u << 17; high *= 2) {
        uint32_t same_count = 0;
        fill(64, 5 + ((uint64_t)high << 32));
        for (uint32_t i = 0; i < 64; i++)
            for (uint32_t k = 0; k < 64; k++)
                same_count += frames[i] == kept[k];
        ck_assert_uint_lt(same_count, 8);
    }
    close_all();
}
END_TEST

START_TEST(the_newest_frame_is_drawn_when_it_is_a_transition)
{
    const struct pawl_replay_sampler_cfg cfg = uniform_cfg();
    struct replay_rig_lane lane = replay_rig_lane(0);
    replay_rig_open(&online, 100);
    for (uint32_t i = 0; i < 2; i++) {
        replay_rig_put(&online, &lane, (float)i, 1.0f,
                       PAWL_RECORD_STEP | PAWL_RECORD_TERMINATED);
        pawl_replay_commit(&online);
        lane.episode++;
        lane.step = 0;
    }
    open_sampler(&cfg, false);
    fill(64, 1);
    uint32_t newest_count = 0;
    for (uint32_t i = 0; i < 64; i++)
        newest_count += frames[i] == 1;
    ck_assert_uint_gt(newest_count, 16);
    ck_assert_uint_lt(newest_count, 48);
    close_all();
}
END_TEST

PAWL_TEST_MAIN("replay_sample", a_batch_is_a_function_of_seed_and_draw,
               the_next_learner_draws_the_same_batch, every_transition_is_drawn_equally_often,
               a_store_without_a_transition_is_not_waited_for,
               the_only_transition_among_many_frames_is_found,
               n_steps_stop_at_a_terminal_one_which_is_worth_nothing,
               n_steps_stop_at_a_truncation_which_is_worth_its_last_observation,
               n_steps_stop_at_the_last_frame_before_a_gap,
               a_terminal_step_without_a_last_observation_is_worth_nothing,
               columns_go_where_they_are_wanted, a_column_that_cannot_be_is_refused,
               the_offline_part_of_a_batch_is_exact, all_rows_come_from_the_store_that_has_any,
               priorities_are_drawn_in_proportion_to_their_power,
               weights_make_up_for_the_probabilities, beta_goes_on_when_other_rows_are_picked,
               uniform_rows_weigh_one, a_new_frame_is_as_likely_as_the_most_wrong_one,
               errors_about_frames_that_left_or_that_are_none_are_ignored,
               a_batch_allocates_nothing, every_row_of_any_store_equals_the_naive_model,
               the_table_holds_what_it_says, draws_far_apart_share_no_row,
               the_newest_frame_is_drawn_when_it_is_a_transition)
