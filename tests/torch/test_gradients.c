/* SAC's gradients, which are written by hand, beside those of autograd, in every kind of
 * network; and the device that a learner takes. */
#include "policy/door.h"
#include "tests/torch/oracle.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS 8

/* No step moves anything, nothing is shortened: lists only compute. */
#define STILL                                                                                  \
    "policy.sac.hidden=[12, 10]", "policy.sac.latent_dim=9", "policy.sac.critic_lr=0",         \
        "policy.sac.actor_lr=0", "policy.sac.temperature_lr=0",                                \
        "policy.sac.grad_clip_norm=1e12"

static struct sac_rig rig;
static const struct pawl_sac_steps *steps;

static void open_door(void)
{
    struct pawl_err err = {0};
    struct pawl_door_cfg cfg = {.thread_count = 1};
    ck_assert_msg(pawl_door_open(&cfg, &err) != NULL, "%s", err.text);
}

/* Rows of different weight; what a real store does, too. */
static void weigh(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    sac_rig_noise_batch(at, batch, draw);
    for (uint32_t row = 0; row < batch->count; row++)
        batch->weight[row] = 0.5f + 0.25f * (float)row;
}

/* First values of norms are 1 and 0, which hides much. */
static void shake(struct sac_rig *at)
{
    struct pawl_philox noise;
    size_t bytes;
    float *state = pawl_sac_trainer.state(at->trainer, &bytes);
    const struct pawl_sac_model *model = pawl_sac_trainer_steps(at->trainer)->model;
    pawl_philox_open(&noise, 9, 0, 0);
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        for (uint64_t k = 0; k < model->tensors[i].count; k++)
            state[model->tensors[i].at + k] += 0.2f * (float)pawl_philox_normal(&noise);
    }
    sac_rig_restore(at);
}

static struct oracle_layer layer_of(const struct pawl_sac_layer *layer, uint32_t further)
{
    const struct pawl_sac_tensor *tensors = &steps->model->tensors[layer->tensor + further];
    return (struct oracle_layer){
        .weight = tensors[0].at,
        .bias = tensors[1].at,
        .norm_weight = layer->has_norm ? tensors[2].at : ORACLE_NO_FLOAT,
        .norm_bias = layer->has_norm ? tensors[3].at : ORACLE_NO_FLOAT,
        .in_count = layer->in_count,
        .out_count = layer->out_count,
    };
}

static struct oracle_net net_of(const struct pawl_sac_net *net, uint32_t further)
{
    struct oracle_net out = {.layer_count = net->layer_count};
    ck_assert_uint_le(net->layer_count, ORACLE_LAYERS_MAX);
    for (uint32_t i = 0; i < net->layer_count; i++)
        out.layers[i] = layer_of(&net->layers[i], further);
    return out;
}

/* The caller frees nothing: the test's process ends. */
static const float *rows_of(struct pawl_view view)
{
    float *rows = calloc(pawl_view_count(view), sizeof(float));
    sac_rig_read(&rig, view, rows);
    return rows;
}

static struct oracle_problem problem_of(bool is_variance, double target_entropy)
{
    const struct pawl_sac_model *model = steps->model;
    struct oracle_problem p = {
        .row = rows_of(steps->row),
        .float_count = steps->row.cols,
        .batch_count = ROWS,
        .input_count = model->input_count,
        .action_count = model->action_count,
        .critic_count = model->critic_count,
        .action = rows_of(pawl_view_cols(steps->action, 0, model->action_count)),
        .reward = rows_of(steps->reward),
        .discount = rows_of(steps->discount),
        .weight = rows_of(steps->weight),
        .eps_next = rows_of(steps->eps_next),
        .eps_actor = rows_of(steps->eps_actor),
        .eps_temperature = rows_of(steps->eps_temperature),
        .chosen = rows_of(steps->chosen),
        .is_plain = model->is_plain,
        .is_variance = is_variance,
        .has_backup_entropy = model->cfg->use_backup_entropy,
        .s_min = steps->model->cfg->std_min,
        .s_max = steps->model->cfg->std_max,
        .target_entropy = target_entropy,
        .actor = net_of(&model->actor, 0),
        .log_alpha = model->tensors[model->log_alpha].at,
    };
    for (uint32_t i = 0; i < model->input_count; i++) {
        p.obs_counts[i] = model->inputs[i].count;
        p.obs[i] = rows_of(steps->obs[i]);
        p.next[i] = rows_of(steps->next[i]);
        if (model->is_plain)
            continue;
        p.encoders[i] = layer_of(&model->encoder[i], 0);
        p.actor_encoders[i] = layer_of(&model->actor_encoder[i], 0);
    }
    for (uint32_t i = 0; i < model->critic_count; i++) {
        p.critics[i] = net_of(&model->critic, i * model->critic_stride);
        p.targets[i] = net_of(&model->target, i * model->critic_stride);
    }
    return p;
}

static void ask_oracle(const struct oracle_problem *problem, struct oracle_answer *answer)
{
    int (*solve)(const struct oracle_problem *, struct oracle_answer *);
    void *module = dlopen(PAWL_ORACLE, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(module != NULL, "%s", dlerror());
    void *found = dlsym(module, ORACLE_SYMBOL);
    ck_assert_ptr_nonnull(found);
    memcpy(&solve, &found, sizeof(solve));
    *answer = (struct oracle_answer){
        .critic_grads = calloc(problem->float_count, sizeof(double)),
        .actor_grads = calloc(problem->float_count, sizeof(double)),
        .temperature_grads = calloc(problem->float_count, sizeof(double))};
    ck_assert_msg(solve(problem, answer) == 0, "%s", answer->error);
}

static void compare_loss(const char *what, struct pawl_view loss, const double *want)
{
    const float *got = rows_of(loss);
    for (uint32_t i = 0; i < loss.cols; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= 1e-4 * (1.0 + fabs(want[i])),
                      "%s loss %u: %.9g, autograd has %.9g", what, i, (double)got[i], want[i]);
}

/* Relative to the largest gradient of the range: small ones are differences of large ones. */
static void compare_grads(const char *what, uint64_t at, uint64_t count, const double *want)
{
    const float *got = rows_of(pawl_view_cols(steps->grads, (uint32_t)at, (uint32_t)count));
    double largest = 0.0;
    for (uint64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(want[at + i]));
    ck_assert(largest > 1e-3);
    for (uint64_t i = 0; i < count; i++)
        ck_assert_msg(fabs((double)got[i] - want[at + i]) <= 2e-5 * largest,
                      "%s, float %llu: %.9g, autograd has %.9g (the largest %.9g)", what,
                      (unsigned long long)(at + i), (double)got[i], want[at + i], largest);
}

static void check(const char *const *words, int word_count, bool is_variance,
                  double target_entropy)
{
    struct oracle_answer want;
    open_door();
    sac_rig_open(&rig, words, word_count, ROWS, 0);
    steps = pawl_sac_trainer_steps(rig.trainer);
    rig.fill = weigh;
    shake(&rig);
    sac_rig_stage(&rig);
    struct oracle_problem problem = problem_of(is_variance, target_entropy);
    ask_oracle(&problem, &want);

    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    compare_loss("critics'", steps->critic.loss, want.critic_loss);
    compare_grads("critics", steps->critic.range.at, steps->critic.range.count,
                  want.critic_grads);
    sac_rig_run(&rig, PAWL_SAC_ACTOR);
    compare_loss("actor's", steps->actor.loss, &want.actor_loss);
    compare_grads("actor", steps->actor.range.at, steps->actor.range.count, want.actor_grads);
    sac_rig_run(&rig, PAWL_SAC_TEMPERATURE);
    compare_loss("temperature's", steps->temperature.loss, &want.temperature_loss);
    compare_grads("temperature", problem.log_alpha, 1, want.temperature_grads);
    sac_rig_close(&rig);
}

#define CHECK(is_variance, target_entropy, ...)                                                \
    do {                                                                                       \
        static const char *const words[] = {STILL, __VA_ARGS__};                               \
        check(words, (int)(sizeof(words) / sizeof(words[0])), is_variance, target_entropy);    \
    } while (0)

START_TEST(gradients_of_lerobots_networks_are_autograds)
{
    CHECK(true, -1.0, "policy.sac.num_critics=2");
}
END_TEST

START_TEST(gradients_of_an_actor_with_its_own_encoder_are_autograds)
{
    CHECK(true, -1.0, "policy.sac.shared_encoder=false");
}
END_TEST

START_TEST(gradients_with_a_standard_deviation_are_autograds)
{
    CHECK(false, -3.5, "policy.sac.compat=fixed", "policy.sac.target_entropy=-3.5");
}
END_TEST

START_TEST(gradients_of_plain_networks_are_autograds)
{
    CHECK(false, -1.0, "policy.sac.compat=fixed", "policy.sac.network=plain",
          "policy.sac.latent_dim=256");
}
END_TEST

START_TEST(gradients_of_an_ensemble_are_autograds)
{
    CHECK(true, -1.0, "policy.sac.num_critics=5", "policy.sac.num_subsample_critics=2",
          "policy.sac.use_backup_entropy=false");
}
END_TEST

START_TEST(a_learner_on_cuda_says_why_there_is_none)
{
    static const char *const words[] = {"policy.sac.hidden=[12, 10]"};
    struct pawl_err err = {0};
    struct pawl_trainer *trainer;
    sac_rig_open(&rig, words, 1, ROWS, 0);
    struct pawl_trainer_setup setup = {.cfg = rig.cfg,
                                       .spec = &rig.spec,
                                       .batch_count = ROWS,
                                       .seed = 5,
                                       .device = "cuda",
                                       .thread_count = 1};
    if (pawl_sac_trainer.open(&trainer, &setup, &err) == 0)
        pawl_sac_trainer.close(trainer); /* there is one */
    else
        ck_assert_msg(strstr(err.text, "CUDA") != NULL, "%s", err.text);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(a_learner_takes_the_cpu_where_there_is_no_cuda)
{
    static const char *const words[] = {"policy.sac.hidden=[12, 10]"};
    struct pawl_trainer_report report;
    sac_rig_open_on(&rig, "auto", words, 1, ROWS, 0);
    sac_rig_update(&rig, &report);
    ck_assert(!report.is_skipped);
    sac_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("gradients", gradients_of_lerobots_networks_are_autograds,
               gradients_of_an_actor_with_its_own_encoder_are_autograds,
               gradients_with_a_standard_deviation_are_autograds,
               gradients_of_plain_networks_are_autograds,
               gradients_of_an_ensemble_are_autograds, a_learner_on_cuda_says_why_there_is_none,
               a_learner_takes_the_cpu_where_there_is_no_cuda)
