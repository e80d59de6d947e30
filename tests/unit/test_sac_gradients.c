/* test_sac_gradients.c: SAC's backward passes against difference quotients of its own forward
 * passes, for each kind of network, and what must not be differentiated. */
#include "policy/sac_trainer.h"

#include <math.h>

#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS      5
#define GRADS_MAX 2048

/* No step moves anything, nothing is shortened: lists only compute. */
#define STILL                                                                                  \
    "policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5", "policy.sac.critic_lr=0",           \
        "policy.sac.actor_lr=0", "policy.sac.grad_clip_norm=1e12"

static struct sac_rig rig;
static const struct pawl_sac_steps *steps;

static void weighty_batch(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    sac_rig_noise_batch(at, batch, draw);
    for (uint32_t row = 0; row < batch->count; row++)
        batch->weight[row] = 0.5f + 0.25f * (float)row;
}

static void open_rig(const char *const *words, int word_count, uint32_t choice_count,
                     float discount)
{
    sac_rig_open(&rig, words, word_count, ROWS, choice_count);
    rig.discount = discount;
    rig.fill = weighty_batch;
    steps = pawl_sac_trainer_steps(rig.trainer);
    /* Norms begin as 1 and 0: then much of a wrong gradient would not be seen. */
    size_t bytes;
    float *state = pawl_sac_trainer.state(rig.trainer, &bytes);
    struct pawl_philox noise;
    pawl_philox_open(&noise, 9, 0, 0);
    for (uint32_t i = 0; i < steps->model->tensor_count; i++) {
        const struct pawl_sac_tensor *tensor = &steps->model->tensors[i];
        for (uint64_t k = 0; k < tensor->count; k++)
            state[tensor->at + k] += 0.3f * (float)pawl_philox_normal(&noise);
    }
    sac_rig_restore(&rig);
    sac_rig_stage(&rig);
}

static double loss_of(enum pawl_sac_list list, struct pawl_view loss)
{
    float values[8];
    double sum = 0.0;
    sac_rig_run(&rig, list);
    sac_rig_read(&rig, loss, values);
    for (uint32_t i = 0; i < loss.cols; i++)
        sum += (double)values[i];
    return sum;
}

static struct pawl_view float_of(uint64_t at)
{
    return (struct pawl_view){
        .arena = PAWL_STATE, .rows = 1, .cols = 1, .stride = 1, .at = steps->row.at + at};
}

/* A ReLU has a corner, which a wide step goes around. */
static double slope(uint64_t at, enum pawl_sac_list list, struct pawl_view loss)
{
    float here, there, step = steps->model->is_plain ? 1e-3f : 1e-2f;
    sac_rig_read(&rig, float_of(at), &here);
    there = here + step;
    sac_rig_write(&rig, float_of(at), &there);
    double above = loss_of(list, loss);
    there = here - step;
    sac_rig_write(&rig, float_of(at), &there);
    double below = loss_of(list, loss);
    sac_rig_write(&rig, float_of(at), &here);
    return (above - below) / (2.0 * (double)step);
}

static void read_grads(struct pawl_sac_range range, float *grads)
{
    ck_assert_uint_le(range.count, GRADS_MAX);
    sac_rig_read(&rig, pawl_view_cols(steps->grads, (uint32_t)range.at, (uint32_t)range.count),
                 grads);
}

/* Whether grads are the slopes of the loss, number by number; at least most of them are far
 * from zero, or nothing would be said. */
static void check_slopes(struct pawl_sac_range range, const float *grads,
                         enum pawl_sac_list list, struct pawl_view loss)
{
    uint32_t seen_count = 0, all_count = 0;

    for (uint32_t i = 0; i < steps->model->tensor_count; i++) {
        const struct pawl_sac_tensor *tensor = &steps->model->tensors[i];
        if (tensor->at < range.at || tensor->at >= range.at + range.count)
            continue;
        for (uint64_t k = 0; k < tensor->count; k++) {
            double got = (double)grads[tensor->at - range.at + k];
            double want = slope(tensor->at + k, list, loss);
            ck_assert_msg(fabs(got - want) <= 2e-3 + 2e-2 * fabs(want),
                          "%s[%llu]: gradient %g, slope %g", tensor->name,
                          (unsigned long long)k, got, want);
            seen_count += fabs(want) > 1e-2;
            all_count++;
        }
    }
    ck_assert_msg(all_count > 0 && 3 * seen_count > all_count, "%u of %u are seen", seen_count,
                  all_count);
}

/* --- critics --- */

static void check_critics(const char *const *words, int word_count)
{
    static float grads[GRADS_MAX];

    open_rig(words, word_count, 0, 0.0f); /* no discount: the target moves with nothing */
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    read_grads(steps->critic.range, grads);
    check_slopes(steps->critic.range, grads, PAWL_SAC_CRITIC, steps->critic.loss);
    sac_rig_close(&rig);
}

START_TEST(critics_and_encoder_get_the_slopes_of_the_loss)
{
    check_critics((const char *[]){STILL}, 5);
    check_critics((const char *[]){STILL, "policy.sac.num_critics=3"}, 6);
    check_critics((const char *[]){STILL, "policy.sac.shared_encoder=false"}, 6);
}
END_TEST

START_TEST(plain_critics_get_the_slopes_of_the_loss)
{
    check_critics((const char *[]){STILL, PLAIN}, 7);
}
END_TEST

/* What a list leaves in the gradients when its targets come through the network, and when the
 * same numbers are given as rewards. */
static void check_target_is_constant(enum pawl_sac_list list,
                                     const struct pawl_sac_optimizer *optimizer,
                                     struct pawl_view target)
{
    static float through[GRADS_MAX], given[GRADS_MAX];
    float y[ROWS];
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig.trainer);

    sac_rig_run(&rig, list);
    read_grads(optimizer->range, through);
    sac_rig_read(&rig, target, y);
    for (uint32_t row = 0; row < ROWS; row++) {
        engine->ops->input(engine, steps->reward)[row] = y[row];
        engine->ops->input(engine, steps->discount)[row] = 0.0f;
        engine->ops->input(engine, steps->penalty)[row] = 0.0f;
    }
    sac_rig_run(&rig, list);
    read_grads(optimizer->range, given);
    ck_assert_mem_eq(through, given, optimizer->range.count * sizeof(float));
}

START_TEST(nothing_is_learnt_through_the_critics_target)
{
    open_rig((const char *[]){STILL}, 5, 0, 0.9f);
    check_target_is_constant(PAWL_SAC_CRITIC, &steps->critic, steps->target);
    sac_rig_close(&rig);
}
END_TEST

/* --- actor --- */

static void check_actor(const char *const *words, int word_count)
{
    static float grads[GRADS_MAX];

    open_rig(words, word_count, 0, 0.9f);
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    sac_rig_run(&rig, PAWL_SAC_ACTOR);
    read_grads(steps->actor.range, grads);
    check_slopes(steps->actor.range, grads, PAWL_SAC_ACTOR, steps->actor.loss);
    sac_rig_close(&rig);
}

START_TEST(the_actor_gets_the_slopes_of_the_loss)
{
    check_actor((const char *[]){STILL}, 5);
    check_actor((const char *[]){STILL, "policy.sac.compat=fixed"}, 6);
}
END_TEST

START_TEST(the_actors_own_encoder_gets_the_slopes_of_the_loss)
{
    check_actor((const char *[]){STILL, "policy.sac.shared_encoder=false"}, 6);
}
END_TEST

START_TEST(a_plain_actor_gets_the_slopes_of_the_loss)
{
    check_actor((const char *[]){STILL, PLAIN}, 7);
}
END_TEST

START_TEST(the_actors_loss_adds_to_what_the_critics_left_in_a_shared_encoder)
{
    static float before[GRADS_MAX], after[GRADS_MAX];

    open_rig((const char *[]){STILL}, 5, 0, 0.9f);
    struct pawl_sac_range encoder = steps->model->encoder_range;
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    read_grads(encoder, before);
    sac_rig_run(&rig, PAWL_SAC_ACTOR);
    read_grads(encoder, after);
    for (uint64_t i = 0; i < encoder.count; i++)
        after[i] -= before[i];
    check_slopes(encoder, after, PAWL_SAC_ACTOR, steps->actor.loss);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(fixed_the_actors_loss_does_not_reach_a_shared_encoder)
{
    static float before[GRADS_MAX], after[GRADS_MAX];

    open_rig((const char *[]){STILL, "policy.sac.compat=fixed"}, 6, 0, 0.9f);
    struct pawl_sac_range encoder = steps->model->encoder_range;
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    read_grads(encoder, before);
    sac_rig_run(&rig, PAWL_SAC_ACTOR);
    read_grads(encoder, after);
    ck_assert_mem_eq(before, after, encoder.count * sizeof(float));
    float norm;
    double sum = 0.0;
    sac_rig_read(&rig, steps->actor.norm, &norm);
    read_grads(steps->actor.range, after);
    for (uint64_t i = 0; i < steps->actor.range.count; i++)
        sum += (double)after[i] * (double)after[i];
    ck_assert_double_eq_tol((double)norm, sqrt(sum), 1e-5 * sqrt(sum));
    sac_rig_close(&rig);
}
END_TEST

START_TEST(the_actors_step_leaves_the_critics_gradients_alone)
{
    static float before[GRADS_MAX], after[GRADS_MAX];

    open_rig((const char *[]){STILL}, 5, 0, 0.9f);
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    read_grads(steps->model->critic_range, before);
    sac_rig_run(&rig, PAWL_SAC_ACTOR);
    read_grads(steps->model->critic_range, after);
    ck_assert_mem_eq(before, after, steps->model->critic_range.count * sizeof(float));
    sac_rig_close(&rig);
}
END_TEST

/* --- the discrete critic --- */

static void check_discrete(const char *const *words, int word_count)
{
    static float grads[GRADS_MAX];

    open_rig(words, word_count, 3, 0.0f);
    sac_rig_run(&rig, PAWL_SAC_DISCRETE);
    read_grads(steps->discrete.range, grads);
    check_slopes(steps->discrete.range, grads, PAWL_SAC_DISCRETE, steps->discrete.loss);
    sac_rig_close(&rig);
}

START_TEST(the_discrete_critic_gets_the_slopes_of_the_loss)
{
    check_discrete((const char *[]){STILL}, 5);
    check_discrete((const char *[]){STILL, "policy.sac.shared_encoder=false"}, 6);
    check_discrete((const char *[]){STILL, PLAIN}, 7);
}
END_TEST

START_TEST(nothing_is_learnt_through_the_discrete_target)
{
    open_rig((const char *[]){STILL}, 5, 3, 0.9f);
    check_target_is_constant(PAWL_SAC_DISCRETE, &steps->discrete, steps->choice_target);
    sac_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("sac_gradients", critics_and_encoder_get_the_slopes_of_the_loss,
               plain_critics_get_the_slopes_of_the_loss,
               nothing_is_learnt_through_the_critics_target,
               the_actor_gets_the_slopes_of_the_loss,
               the_actors_own_encoder_gets_the_slopes_of_the_loss,
               a_plain_actor_gets_the_slopes_of_the_loss,
               the_actors_loss_adds_to_what_the_critics_left_in_a_shared_encoder,
               fixed_the_actors_loss_does_not_reach_a_shared_encoder,
               the_actors_step_leaves_the_critics_gradients_alone,
               the_discrete_critic_gets_the_slopes_of_the_loss,
               nothing_is_learnt_through_the_discrete_target)
