/* test_sac_rules.c: what SAC's learning half promises beside its formulas: which batch, which
 * order, how often, at which rate, and where compat = "lerobot" and "fixed" differ. */
#include "policy/sac_trainer.h"

#include <errno.h>
#include <math.h>

#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS  8
#define SMALL "policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5"

static struct sac_rig rig;
static struct pawl_trainer_report report;

#define OPEN(choice_count, ...)                                                                \
    open_rig((const char *[]){SMALL, ##__VA_ARGS__},                                           \
             sizeof((const char *[]){SMALL, ##__VA_ARGS__}) / sizeof(char *), choice_count)

static void open_rig(const char *const *words, size_t word_count, uint32_t choice_count)
{
    sac_rig_open(&rig, words, (int)word_count, ROWS, choice_count);
}

static float number(const char *tensor)
{
    uint64_t count;
    return sac_rig_tensor(&rig, tensor, &count)[0];
}

static void set_all(const char *tensor, float value)
{
    uint64_t count;
    float *data = sac_rig_tensor(&rig, tensor, &count);
    for (uint64_t i = 0; i < count; i++)
        data[i] = value;
}

static void set_numbers(const char *tensor, const float *values)
{
    uint64_t count;
    float *data = sac_rig_tensor(&rig, tensor, &count);
    memcpy(data, values, count * sizeof(float));
}

/* --- order and number --- */

START_TEST(batches_are_numbered_through_the_run)
{
    OPEN(0, "policy.sac.utd_ratio=3");
    sac_rig_update(&rig, &report);
    sac_rig_update(&rig, &report);
    ck_assert_uint_eq(rig.draw_count, 6);
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_uint_eq(rig.draws[i], i);
    ck_assert_uint_eq(rig.prioritised_count, 6 * ROWS);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(rig.trainer), 2);
    ck_assert(number("optimizer/critic/state/0/step") == 6.0f);
    ck_assert(number("optimizer/actor/state/0/step") == 2.0f);
    ck_assert(number("optimizer/temperature/state/0/step") == 2.0f);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(the_actor_waits_and_then_makes_up_for_it)
{
    OPEN(0, "policy.sac.policy_update_freq=3");
    static const float made[] = {3, 3, 3, 6};
    for (uint32_t i = 0; i < 4; i++) {
        sac_rig_update(&rig, &report);
        ck_assert(number("optimizer/actor/state/0/step") == made[i]);
        ck_assert(number("optimizer/temperature/state/0/step") == made[i]);
        bool has_actor = false;
        for (uint32_t k = 0; k < report.figure_count; k++)
            has_actor |= strcmp(report.figures[k].name, "loss/actor") == 0;
        ck_assert(has_actor == (i % 3 == 0));
    }
    sac_rig_close(&rig);
}
END_TEST

START_TEST(an_update_reports_what_dashboards_ask_for)
{
    static const char *const names[] = {"loss/critic",
                                        "loss/actor",
                                        "loss/temperature",
                                        "loss/discrete_critic",
                                        "grad/critic",
                                        "grad/actor",
                                        "grad/temperature",
                                        "grad/discrete_critic",
                                        "q/mean",
                                        "q/min",
                                        "q/max",
                                        "q/target_mean",
                                        "policy/entropy",
                                        "policy/temperature"};
    OPEN(3);
    sac_rig_update(&rig, &report);
    ck_assert_uint_eq(report.figure_count, sizeof(names) / sizeof(names[0]));
    double most = 0.0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        double value = sac_rig_figure(&report, names[i]);
        ck_assert(isfinite(value));
        if (strncmp(names[i], "grad/", 5) == 0)
            most = fmax(most, value);
    }
    ck_assert_double_eq(report.grad_norm, most);
    ck_assert(sac_rig_figure(&report, "q/min") <= sac_rig_figure(&report, "q/mean"));
    ck_assert(sac_rig_figure(&report, "q/mean") <= sac_rig_figure(&report, "q/max"));
    ck_assert_double_eq_tol(sac_rig_figure(&report, "policy/temperature"),
                            exp((double)number("model/log_alpha")), 1e-6);
    sac_rig_close(&rig);
}
END_TEST

/* --- critics --- */

static float weights[ROWS];

static void weighted_batch(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    sac_rig_noise_batch(at, batch, draw);
    memcpy(batch->weight, weights, sizeof(weights));
}

START_TEST(a_rows_weight_is_its_share_of_the_critics_loss)
{
    double parts = 0.0;
    for (uint32_t row = 0; row <= ROWS; row++) {
        OPEN(0);
        rig.fill = weighted_batch;
        for (uint32_t i = 0; i < ROWS; i++)
            weights[i] = row == ROWS ? 0.25f * (float)i : (i == row ? 0.25f * (float)i : 0.0f);
        sac_rig_update(&rig, &report);
        double loss = sac_rig_figure(&report, "loss/critic");
        if (row == ROWS)
            ck_assert_double_eq_tol(loss, parts, 1e-5 * parts);
        else
            parts += loss;
        sac_rig_close(&rig);
    }
    ck_assert_double_gt(parts, 0.0);
}
END_TEST

START_TEST(as_many_targets_are_drawn_as_are_asked_for_and_all_in_turn)
{
    OPEN(0, "policy.sac.num_critics=5", "policy.sac.num_subsample_critics=2");
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig.trainer);
    uint32_t drawn[5] = {0};
    for (uint32_t i = 0; i < 100; i++) {
        sac_rig_update(&rig, &report);
        const float *chosen = engine->ops->input(engine, steps->chosen);
        float count = 0.0f;
        for (uint32_t c = 0; c < 5; c++) {
            ck_assert(chosen[c] == 0.0f || chosen[c] == 1.0f);
            count += chosen[c];
            drawn[c] += chosen[c] == 1.0f;
        }
        ck_assert(count == 2.0f);
    }
    for (uint32_t c = 0; c < 5; c++)
        ck_assert_uint_gt(drawn[c], 20); /* of 40 */
    sac_rig_close(&rig);
}
END_TEST

/* Rows of the last batch that the report is of: y = reward + discount * least chosen target. */
START_TEST(the_least_of_the_drawn_targets_counts)
{
    OPEN(0, "policy.sac.num_critics=3", "policy.sac.num_subsample_critics=1",
         "policy.sac.use_backup_entropy=false");
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig.trainer);
    for (uint32_t c = 0; c < 3; c++) {
        char name[80];
        snprintf(name, sizeof(name), "model/critic_target.critics.%u.output_layer.weight", c);
        set_all(name, 0.0f);
        snprintf(name, sizeof(name), "model/critic_target.critics.%u.output_layer.bias", c);
        set_all(name, 10.0f * (float)(c + 1));
    }
    sac_rig_restore(&rig);
    sac_rig_update(&rig, &report);
    const float *chosen = engine->ops->input(engine, steps->chosen);
    const float *reward = engine->ops->input(engine, steps->reward);
    const float *y = engine->ops->output(engine, steps->target);
    float value = 10.0f * chosen[0] + 20.0f * chosen[1] + 30.0f * chosen[2];
    ck_assert_float_eq_tol(y[0] - reward[0], 0.9f * value, 1e-4f);
    ck_assert_float_eq_tol(y[3] - reward[3], 0.0f, 1e-6f); /* an end */
    sac_rig_close(&rig);
}
END_TEST

START_TEST(targets_follow_at_every_turn_by_their_weight)
{
    for (uint32_t turns = 1; turns <= 3; turns++) {
        char word[40];
        snprintf(word, sizeof(word), "policy.sac.utd_ratio=%u", turns);
        OPEN(0, word, "policy.sac.critic_lr=0", "policy.sac.critic_target_update_weight=0.25");
        set_all("model/critic_ensemble.critics.1.output_layer.bias", 1.0f);
        set_all("model/critic_target.critics.1.output_layer.bias", 0.0f);
        sac_rig_restore(&rig);
        sac_rig_update(&rig, &report);
        ck_assert_float_eq_tol(number("model/critic_target.critics.1.output_layer.bias"),
                               1.0f - powf(0.75f, (float)turns), 1e-6f);
        sac_rig_close(&rig);
    }
}
END_TEST

/* --- the discrete critic --- */

/* Values that do not depend on the observation: y = reward + penalty + discount * value. */
static void set_choices(void)
{
    set_all("model/discrete_critic.output_layer.weight", 0.0f);
    set_all("model/discrete_critic_target.output_layer.weight", 0.0f);
    set_numbers("model/discrete_critic.output_layer.bias", (float[]){1, 3, 2});
    set_numbers("model/discrete_critic_target.output_layer.bias", (float[]){50, 7, 60});
    sac_rig_restore(&rig);
}

static double discrete_loss(double penalty)
{
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig.trainer);
    const float *reward = engine->ops->input(engine, steps->reward);
    static const double online[] = {1, 3, 2};
    double sum = 0.0;
    for (uint32_t row = 0; row < ROWS; row++) {
        /* The online critic prefers choice 1, and the target says what that is worth: 7. */
        double y = (double)reward[row] + penalty + (row % 4 == 3 ? 0.0 : 0.9 * 7.0);
        double error = online[row % 3] - y;
        sum += error * error;
    }
    return sum / ROWS;
}

START_TEST(the_target_says_what_the_online_critic_chooses)
{
    OPEN(3);
    set_choices();
    sac_rig_update(&rig, &report);
    ck_assert_double_eq_tol(sac_rig_figure(&report, "loss/discrete_critic"), discrete_loss(0.0),
                            1e-4);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(lerobots_last_batch_knows_no_penalty)
{
    OPEN(3, "policy.sac.utd_ratio=2", "policy.sac.critic_lr=0",
         "policy.sac.critic_target_update_weight=0");
    set_choices();
    sac_rig_update(&rig, &report);
    ck_assert_double_eq_tol(sac_rig_figure(&report, "loss/discrete_critic"), discrete_loss(0.0),
                            1e-4);
    sac_rig_close(&rig);
}
END_TEST

static double first_loss;

/* At the second batch the first one's loss is still there. */
static void peeking_batch(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    if (draw == 1) {
        float loss;
        sac_rig_read(at, pawl_sac_trainer_steps(at->trainer)->discrete.loss, &loss);
        first_loss = (double)loss - discrete_loss(-0.5);
    }
    sac_rig_noise_batch(at, batch, draw);
}

START_TEST(lerobots_other_batches_know_the_penalty)
{
    OPEN(3, "policy.sac.utd_ratio=2", "policy.sac.critic_lr=0",
         "policy.sac.critic_target_update_weight=0");
    rig.fill = peeking_batch;
    set_choices();
    first_loss = 1.0;
    sac_rig_update(&rig, &report);
    ck_assert_double_eq_tol(first_loss, 0.0, 1e-4);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(fixed_every_batch_knows_the_penalty)
{
    OPEN(3, "policy.sac.compat=fixed");
    set_choices();
    sac_rig_update(&rig, &report);
    ck_assert_double_eq_tol(sac_rig_figure(&report, "loss/discrete_critic"),
                            discrete_loss(-0.5), 1e-4);
    sac_rig_close(&rig);
}
END_TEST

static uint32_t summed_count;

static void summing_batch(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const char *name = at->spec.fields[batch->columns[c].field].name;
        ck_assert(batch->columns[c].is_summed == (strcmp(name, "extra.discrete_penalty") == 0));
        summed_count += batch->columns[c].is_summed;
    }
    sac_rig_noise_batch(at, batch, draw);
}

START_TEST(penalties_are_added_up_over_n_steps_as_rewards_are)
{
    OPEN(3);
    rig.fill = summing_batch;
    summed_count = 0;
    sac_rig_update(&rig, &report);
    ck_assert_uint_eq(summed_count, 1);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(the_critics_see_the_action_without_the_choice)
{
    OPEN(3);
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    ck_assert_uint_eq(steps->model->critic.layers[0].in_count, 5 + 2);
    ck_assert_uint_eq(steps->model->mean.out_count, 2);
    float joined[ROWS * 7], action[ROWS * 3];
    sac_rig_stage(&rig);
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    sac_rig_read(&rig, steps->joined, joined);
    sac_rig_read(&rig, steps->action, action);
    for (uint32_t row = 0; row < ROWS; row++)
        ck_assert_mem_eq(&joined[row * 7 + 5], &action[row * 3], 2 * sizeof(float));
    sac_rig_close(&rig);
}
END_TEST

/* --- the temperature --- */

/* Adam's first step is as long as its rate. */
static double temperature_step(void)
{
    float before = number("model/log_alpha");
    sac_rig_update(&rig, &report);
    return fabs((double)number("model/log_alpha") - (double)before);
}

START_TEST(lerobots_temperature_moves_at_the_critics_rate)
{
    OPEN(0, "policy.sac.critic_lr=0.002", "policy.sac.temperature_lr=0.05");
    ck_assert_double_eq_tol(temperature_step(), 0.002, 1e-5);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(fixed_the_temperature_moves_at_its_own_rate)
{
    OPEN(0, "policy.sac.compat=fixed", "policy.sac.critic_lr=0.002",
         "policy.sac.temperature_lr=0.05");
    ck_assert_double_eq_tol(temperature_step(), 0.05, 1e-4);
    sac_rig_close(&rig);
}
END_TEST

static void quiet_noise(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                        uint32_t count)
{
    (void)arg;
    (void)draw;
    for (uint32_t i = 0; i < count; i++)
        out[i] = which == PAWL_SAC_NOISE_CHOSEN ? 1.0f : 0.5f;
}

/* loss = alpha * (entropy - target), for an actor that stands still and one sample. */
static void check_target_entropy(double want)
{
    pawl_sac_trainer_noise(rig.trainer, quiet_noise, NULL);
    sac_rig_update(&rig, &report);
    double entropy = sac_rig_figure(&report, "policy/entropy");
    ck_assert_double_eq_tol(sac_rig_figure(&report, "loss/temperature"), entropy - want, 1e-4);
    sac_rig_close(&rig);
}

START_TEST(half_of_the_actions_size_is_kept_as_entropy)
{
    OPEN(0, "policy.sac.actor_lr=0", "policy.sac.critic_lr=0");
    check_target_entropy(-1.0);
    OPEN(3, "policy.sac.actor_lr=0", "policy.sac.critic_lr=0"); /* the choice is a component */
    check_target_entropy(-1.5);
    OPEN(0, "policy.sac.actor_lr=0", "policy.sac.critic_lr=0", "policy.sac.target_entropy=-7");
    check_target_entropy(-7.0);
}
END_TEST

/* --- the shared encoder --- */

/* Rounding moves a few of a hundred numbers, so there have to be many. */
#define WIDE       "policy.sac.latent_dim=256"
#define WIDE_COUNT (256 * SAC_RIG_OBS)

START_TEST(lerobots_shared_encoder_is_rounded_as_its_own_target)
{
    OPEN(0, "policy.sac.critic_lr=0", WIDE);
    static float before[WIDE_COUNT];
    uint64_t count;
    const float *encoder =
        sac_rig_tensor(&rig, "model/actor.encoder.state_encoder.0.weight", &count);
    memcpy(before, encoder, sizeof(before));
    sac_rig_update(&rig, &report);
    uint32_t moved_count = 0;
    for (uint64_t i = 0; i < count; i++) {
        volatile float part = before[i] * 0.005f, rest = before[i] * (1.0f - 0.005f);
        ck_assert(encoder[i] == part + rest);
        moved_count += encoder[i] != before[i];
    }
    ck_assert_uint_gt(moved_count, 0);
    ck_assert_uint_lt(moved_count, count / 2);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(fixed_a_shared_encoder_stays_as_its_steps_left_it)
{
    OPEN(0, "policy.sac.critic_lr=0", "policy.sac.compat=fixed", WIDE);
    static float before[WIDE_COUNT];
    uint64_t count;
    const float *encoder =
        sac_rig_tensor(&rig, "model/actor.encoder.state_encoder.0.weight", &count);
    memcpy(before, encoder, sizeof(before));
    for (uint32_t i = 0; i < 20; i++)
        sac_rig_update(&rig, &report);
    ck_assert_mem_eq(before, encoder, sizeof(before));
    sac_rig_close(&rig);
}
END_TEST

START_TEST(the_actor_trains_an_encoder_of_its_own_and_only_that)
{
    OPEN(0, "policy.sac.shared_encoder=false", "policy.sac.critic_lr=0");
    float own[15], critics[15];
    uint64_t count;
    const float *a = sac_rig_tensor(&rig, "model/actor.encoder.state_encoder.0.weight", &count);
    const float *c =
        sac_rig_tensor(&rig, "model/critic_ensemble.encoder.state_encoder.0.weight", &count);
    memcpy(own, a, sizeof(own));
    memcpy(critics, c, sizeof(critics));
    sac_rig_update(&rig, &report);
    for (uint64_t i = 0; i < count; i++) {
        ck_assert(a[i] != own[i]);
        ck_assert_float_eq_tol(c[i], critics[i], 1e-7f);
    }
    sac_rig_close(&rig);
}
END_TEST

/* --- trouble --- */

/* From this draw on there is a reward that is no number. */
static uint64_t bad_draw;

static void poisoned_batch(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    sac_rig_noise_batch(at, batch, draw);
    if (draw >= bad_draw)
        batch->reward[2] = NAN;
}

/* All of the state but the counter of updates. */
static void copy_numbers(float *to, size_t most)
{
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    size_t bytes;
    const float *state = pawl_sac_trainer.state(rig.trainer, &bytes);
    ck_assert_uint_le(bytes, most);
    memcpy(to, state, bytes);
    memset(to + steps->counters.at, 0, 2 * sizeof(float));
}

static void check_a_bad_batch_changes_nothing(const char *const *words, size_t word_count,
                                              uint32_t choice_count)
{
    static float before[1 << 16], after[1 << 16];

    open_rig(words, word_count, choice_count);
    for (uint32_t i = 0; i < 3; i++)
        sac_rig_update(&rig, &report);
    ck_assert(!report.is_skipped);
    rig.fill = poisoned_batch;
    bad_draw = 0;
    rig.prioritised_count = 0;
    copy_numbers(before, sizeof(before));
    for (uint32_t i = 0; i < 2; i++) {
        sac_rig_update(&rig, &report);
        ck_assert(report.is_skipped);
        ck_assert(isnan(report.grad_norm));
        copy_numbers(after, sizeof(after));
        ck_assert_mem_eq(before, after, sizeof(before));
    }
    ck_assert_uint_eq(rig.prioritised_count, 0);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(rig.trainer), 5);

    rig.fill = sac_rig_noise_batch;
    sac_rig_update(&rig, &report);
    ck_assert(!report.is_skipped);
    ck_assert(isfinite(report.grad_norm));
    sac_rig_close(&rig);
}

#define CHECK_BAD(choice_count, ...)                                                           \
    check_a_bad_batch_changes_nothing(                                                         \
        (const char *[]){SMALL, ##__VA_ARGS__},                                                \
        sizeof((const char *[]){SMALL, ##__VA_ARGS__}) / sizeof(char *), choice_count)

START_TEST(a_bad_batch_changes_nothing)
{
    CHECK_BAD(0);
    CHECK_BAD(0, "policy.sac.compat=fixed");
    CHECK_BAD(0, "policy.sac.shared_encoder=false");
    CHECK_BAD(0, PLAIN);
    CHECK_BAD(3);
    CHECK_BAD(3, "policy.sac.compat=fixed", "policy.sac.shared_encoder=false");
    CHECK_BAD(3, "policy.sac.utd_ratio=2", "policy.sac.policy_update_freq=1");
}
END_TEST

/* What the discrete critic alone reads. */
static void batch_without_a_penalty(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    sac_rig_noise_batch(at, batch, draw);
    if (draw >= bad_draw)
        sac_rig_row(at, batch, "extra.discrete_penalty", false, 2)[0] = NAN;
}

/* Targets follow each turn's steps once: what stands still at 1 they have reached by as many
 * quarters of the way. */
static void check_where_it_stops(void (*fill)(struct sac_rig *at, struct pawl_batch *batch,
                                              uint64_t draw),
                                 const float *made)
{
    static const char *const steps[] = {
        "optimizer/critic/state/0/step", "optimizer/discrete_critic/state/0/step",
        "optimizer/actor/state/0/step", "optimizer/temperature/state/0/step"};
    static const float first[] = {4.0f, 4.0f, 1.0f, 1.0f};

    OPEN(3, "policy.sac.utd_ratio=4", "policy.sac.critic_lr=0",
         "policy.sac.critic_target_update_weight=0.25");
    set_all("model/critic_ensemble.critics.1.output_layer.bias", 1.0f);
    set_all("model/critic_target.critics.1.output_layer.bias", 0.0f);
    set_all("model/discrete_critic.output_layer.bias", 1.0f);
    set_all("model/discrete_critic_target.output_layer.bias", 0.0f);
    sac_rig_restore(&rig);
    rig.fill = fill;
    bad_draw = 6; /* the third of the second update */
    sac_rig_update(&rig, &report);
    ck_assert(!report.is_skipped);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert(number(steps[i]) == first[i]);
    sac_rig_update(&rig, &report);
    ck_assert(report.is_skipped);
    ck_assert(isnan(report.grad_norm));
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_msg(number(steps[i]) == made[i], "%s is %g", steps[i],
                      (double)number(steps[i]));
    ck_assert_float_eq_tol(number("model/critic_target.critics.1.output_layer.bias"),
                           1.0f - powf(0.75f, made[0]), 1e-6f);
    ck_assert_float_eq_tol(number("model/discrete_critic_target.output_layer.bias"),
                           1.0f - powf(0.75f, made[1]), 1e-6f);
    ck_assert_uint_eq(rig.draw_count, 7);
    sac_rig_close(&rig);
}

START_TEST(no_step_behind_one_that_is_not_finite_is_made)
{
    check_where_it_stops(poisoned_batch, (float[]){6.0f, 6.0f, 1.0f, 1.0f});
    check_where_it_stops(batch_without_a_penalty, (float[]){7.0f, 6.0f, 1.0f, 1.0f});
}
END_TEST

/* The actor's noise is what is not a number: critics have moved, and their targets follow. */
static void spoilt_noise(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                         uint32_t count)
{
    (void)arg;
    (void)draw;
    for (uint32_t i = 0; i < count; i++)
        out[i] = which == PAWL_SAC_NOISE_CHOSEN  ? 1.0f
                 : which == PAWL_SAC_NOISE_ACTOR ? NAN
                                                 : 0.5f;
}

START_TEST(without_the_actors_step_the_temperature_stays)
{
    static const char target[] = "model/critic_target.critics.0.output_layer.weight";
    OPEN(0, "policy.sac.policy_update_freq=2");
    pawl_sac_trainer_noise(rig.trainer, spoilt_noise, NULL);
    float log_alpha = number("model/log_alpha"), followed = number(target);
    sac_rig_update(&rig, &report);
    ck_assert(report.is_skipped);
    ck_assert(number("optimizer/critic/state/0/step") == 1.0f);
    ck_assert(number("optimizer/actor/state/0/step") == 0.0f);
    ck_assert(number("optimizer/temperature/state/0/step") == 0.0f);
    ck_assert(number("model/log_alpha") == log_alpha);
    ck_assert(number(target) != followed);
    sac_rig_close(&rig);
}
END_TEST

static int empty_store(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    (void)arg;
    (void)batch;
    (void)draw;
    return pawl_err_set(err, EAGAIN, "nothing yet");
}

START_TEST(an_empty_store_changes_nothing)
{
    OPEN(0);
    size_t bytes;
    const void *state = pawl_sac_trainer.state(rig.trainer, &bytes);
    void *before = malloc(bytes);
    struct pawl_err err = {0};

    sac_rig_update(&rig, &report);
    memcpy(before, state, bytes);
    rig.sampler.fill = empty_store;
    ck_assert_int_eq(pawl_sac_trainer.update(rig.trainer, &rig.sampler, &report, &err),
                     -EAGAIN);
    ck_assert_mem_eq(before, pawl_sac_trainer.state(rig.trainer, &bytes), bytes);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(rig.trainer), 1);
    free(before);
    sac_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN(
    "sac_rules", batches_are_numbered_through_the_run, the_actor_waits_and_then_makes_up_for_it,
    an_update_reports_what_dashboards_ask_for, a_rows_weight_is_its_share_of_the_critics_loss,
    as_many_targets_are_drawn_as_are_asked_for_and_all_in_turn,
    the_least_of_the_drawn_targets_counts, targets_follow_at_every_turn_by_their_weight,
    the_target_says_what_the_online_critic_chooses, lerobots_last_batch_knows_no_penalty,
    lerobots_other_batches_know_the_penalty, fixed_every_batch_knows_the_penalty,
    penalties_are_added_up_over_n_steps_as_rewards_are,
    the_critics_see_the_action_without_the_choice,
    lerobots_temperature_moves_at_the_critics_rate, fixed_the_temperature_moves_at_its_own_rate,
    half_of_the_actions_size_is_kept_as_entropy,
    lerobots_shared_encoder_is_rounded_as_its_own_target,
    fixed_a_shared_encoder_stays_as_its_steps_left_it,
    the_actor_trains_an_encoder_of_its_own_and_only_that, a_bad_batch_changes_nothing,
    no_step_behind_one_that_is_not_finite_is_made,
    without_the_actors_step_the_temperature_stays, an_empty_store_changes_nothing)
