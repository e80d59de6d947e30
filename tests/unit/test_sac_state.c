/* test_sac_state.c: the block of SAC's learning half: what is in it and under which name, going
 * back to it, and what actors and LeRobot get from it. */
#include "policy/sac_trainer.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "support/alloc_count.h"
#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS 8
#define SMALL                                                                                  \
    "policy.sac.hidden=[6, 4]", "policy.sac.latent_dim=5", "policy.sac.utd_ratio=2",           \
        "policy.sac.num_critics=3", "policy.sac.num_subsample_critics=2",                      \
        "policy.sac.policy_update_freq=2"

static struct pawl_trainer_report report;

#define OPEN(rig, choice_count, ...)                                                           \
    sac_rig_open(rig, (const char *[]){SMALL, ##__VA_ARGS__},                                  \
                 sizeof((const char *[]){SMALL, ##__VA_ARGS__}) / sizeof(char *), ROWS,        \
                 choice_count)

static void update(struct sac_rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sac_rig_update(rig, &report);
}

static void *copy_of(struct sac_rig *rig, size_t *bytes)
{
    const void *state = pawl_sac_trainer.state(rig->trainer, bytes);
    void *copy = malloc(*bytes);
    memcpy(copy, state, *bytes);
    return copy;
}

/* --- going back --- */

START_TEST(who_restores_a_block_goes_on_to_the_bit)
{
    struct sac_rig rig, other;
    size_t bytes;

    OPEN(&rig, 3);
    update(&rig, 7);
    void *middle = copy_of(&rig, &bytes);
    update(&rig, 6);
    void *end = copy_of(&rig, &bytes);

    /* The same trainer, and one that has just been opened with another past. */
    memcpy(pawl_sac_trainer.state(rig.trainer, &bytes), middle, bytes);
    sac_rig_restore(&rig);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(rig.trainer), 7);
    update(&rig, 6);
    ck_assert_mem_eq(pawl_sac_trainer.state(rig.trainer, &bytes), end, bytes);

    OPEN(&other, 3);
    update(&other, 3);
    memcpy(pawl_sac_trainer.state(other.trainer, &bytes), middle, bytes);
    sac_rig_restore(&other);
    update(&other, 6);
    ck_assert_mem_eq(pawl_sac_trainer.state(other.trainer, &bytes), end, bytes);
    ck_assert_uint_eq(pawl_sac_trainer.update_count(other.trainer), 13);
    free(middle);
    free(end);
    sac_rig_close(&rig);
    sac_rig_close(&other);
}
END_TEST

START_TEST(the_same_seed_learns_the_same_to_the_bit)
{
    struct sac_rig rig, other;
    size_t bytes;

    OPEN(&rig, 3);
    OPEN(&other, 3);
    update(&rig, 5);
    update(&other, 5);
    ck_assert_mem_eq(pawl_sac_trainer.state(rig.trainer, &bytes),
                     pawl_sac_trainer.state(other.trainer, &bytes), bytes);
    sac_rig_close(&rig);
    sac_rig_close(&other);
}
END_TEST

START_TEST(a_block_with_what_is_not_a_number_is_refused_by_name)
{
    struct sac_rig rig;
    struct pawl_err err = {0};
    uint64_t count;

    OPEN(&rig, 0);
    sac_rig_tensor(&rig, "optimizer/actor/state/3/exp_avg", &count)[1] = INFINITY;
    ck_assert_int_eq(pawl_sac_trainer.restore(rig.trainer, &err), -EINVAL);
    ck_assert_str_eq(err.text, "tensor 'optimizer/actor/state/3/exp_avg': number 1 is inf");
    sac_rig_close(&rig);
}
END_TEST

START_TEST(an_update_allocates_nothing)
{
    struct sac_rig rig;

    OPEN(&rig, 3);
    update(&rig, 2);
    rig.sampler.prioritise = NULL; /* check's assertions allocate */
    int code = 0;
    unsigned long before = alloc_count();
    for (uint32_t i = 0; i < 20; i++)
        code |= pawl_sac_trainer.update(rig.trainer, &rig.sampler, &report, NULL);
    unsigned long after = alloc_count();
    ck_assert_int_eq(code, 0);
    ck_assert_uint_eq(after, before);
    sac_rig_close(&rig);
}
END_TEST

/* --- names --- */

static void check_shape(const struct sac_rig *rig, const char *name, uint32_t rank,
                        uint32_t rows, uint32_t cols)
{
    size_t count;
    const struct pawl_tensor *tensors = pawl_sac_trainer.tensors(rig->trainer, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tensors[i].name, name) != 0)
            continue;
        ck_assert_uint_eq(tensors[i].rank, rank);
        ck_assert(rank < 1 || tensors[i].shape[0] == rows);
        ck_assert(rank < 2 || tensors[i].shape[1] == cols);
        return;
    }
    ck_abort_msg("no tensor '%s'", name);
}

static uint32_t count_of(const struct sac_rig *rig, const char *prefix)
{
    size_t count;
    uint32_t found = 0;
    const struct pawl_tensor *tensors = pawl_sac_trainer.tensors(rig->trainer, &count);
    for (size_t i = 0; i < count; i++)
        found += strncmp(tensors[i].name, prefix, strlen(prefix)) == 0;
    return found;
}

START_TEST(tensors_have_lerobots_names_and_numbers)
{
    struct sac_rig rig;

    OPEN(&rig, 0, "policy.sac.num_critics=2", "policy.sac.num_subsample_critics=0");
    ck_assert_uint_eq(count_of(&rig, "model/"), 57); /* as LeRobot's file of such a policy */
    check_shape(&rig, "model/log_alpha", 1, 1, 0);
    check_shape(&rig, "model/actor.encoder.state_encoder.0.weight", 2, 5, 3);
    check_shape(&rig, "model/actor.encoder.state_encoder.1.bias", 1, 5, 0);
    check_shape(&rig, "model/critic_ensemble.critics.1.net.net.3.weight", 2, 4, 6);
    check_shape(&rig, "model/critic_target.critics.0.output_layer.weight", 2, 1, 4);

    /* An optimizer's parameters are numbered: the critics' encoder first. */
    ck_assert_uint_eq(count_of(&rig, "optimizer/critic/"), 3 * 24);
    ck_assert_uint_eq(count_of(&rig, "optimizer/actor/"), 3 * 12);
    ck_assert_uint_eq(count_of(&rig, "optimizer/temperature/"), 3);
    check_shape(&rig, "optimizer/critic/state/0/exp_avg", 2, 5, 3);
    check_shape(&rig, "optimizer/critic/state/4/exp_avg_sq", 2, 6, 7);
    check_shape(&rig, "optimizer/critic/state/23/exp_avg", 1, 1, 0);
    check_shape(&rig, "optimizer/actor/state/0/exp_avg", 2, 6, 5);
    check_shape(&rig, "optimizer/actor/state/10/exp_avg", 2, 2, 4);
    check_shape(&rig, "optimizer/actor/state/10/step", 0, 0, 0);
    check_shape(&rig, "pawl/updates", 1, 1, 0);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(the_discrete_critics_optimizer_begins_with_the_encoder)
{
    struct sac_rig rig;

    OPEN(&rig, 4);
    ck_assert_uint_eq(count_of(&rig, "model/discrete_critic."), 10);
    ck_assert_uint_eq(count_of(&rig, "model/discrete_critic_target."), 10);
    ck_assert_uint_eq(count_of(&rig, "optimizer/discrete_critic/"), 3 * 14);
    check_shape(&rig, "optimizer/discrete_critic/state/0/exp_avg", 2, 5, 3);
    check_shape(&rig, "optimizer/discrete_critic/state/4/exp_avg", 2, 6, 5);
    check_shape(&rig, "optimizer/discrete_critic/state/12/exp_avg", 2, 4, 4);
    sac_rig_close(&rig);
}
END_TEST

/* A moment is that of its parameter: one step of a fresh Adam moves against it. */
START_TEST(moments_lie_beside_their_parameters)
{
    static const char *const pairs[][2] = {
        {"model/actor.encoder.state_encoder.0.weight", "optimizer/critic/state/0/exp_avg"},
        {"model/critic_ensemble.critics.0.net.net.3.weight",
         "optimizer/critic/state/8/exp_avg"},
        {"model/critic_ensemble.critics.2.output_layer.weight",
         "optimizer/critic/state/32/exp_avg"},
        {"model/actor.network.net.4.bias", "optimizer/actor/state/7/exp_avg"},
        {"model/actor.std_layer.weight", "optimizer/actor/state/10/exp_avg"},
        {"model/log_alpha", "optimizer/temperature/state/0/exp_avg"}};
    struct sac_rig rig;
    uint64_t count;

    OPEN(&rig, 0, "policy.sac.utd_ratio=1", "policy.sac.policy_update_freq=1",
         "policy.sac.critic_lr=0.01", "policy.sac.actor_lr=0.01");
    for (size_t p = 0; p < sizeof(pairs) / sizeof(pairs[0]); p++) {
        size_t bytes;
        void *first = copy_of(&rig, &bytes);
        const float *value = sac_rig_tensor(&rig, pairs[p][0], &count);
        const float *moment = sac_rig_tensor(&rig, pairs[p][1], &count);
        float before[64];
        memcpy(before, value, count * sizeof(float));
        update(&rig, 1);
        for (uint64_t i = 0; i < count; i++)
            if (fabsf(moment[i]) > 1e-5f)
                ck_assert_msg((value[i] - before[i]) * moment[i] < 0.0f, "%s[%llu]",
                              pairs[p][0], (unsigned long long)i);
        memcpy(pawl_sac_trainer.state(rig.trainer, &bytes), first, bytes);
        sac_rig_restore(&rig);
        free(first);
    }
    sac_rig_close(&rig);
}
END_TEST

/* m = 0.1 g and v = 0.001 g^2 after the first step; 1 - 0.999f is 0.00099998713. */
START_TEST(moments_are_adams_to_the_last_digits)
{
    static const char *const moments[][2] = {
        {"optimizer/critic/state/6/exp_avg", "optimizer/critic/state/6/exp_avg_sq"},
        {"optimizer/actor/state/0/exp_avg", "optimizer/actor/state/0/exp_avg_sq"},
        {"optimizer/temperature/state/0/exp_avg", "optimizer/temperature/state/0/exp_avg_sq"}};
    struct sac_rig rig;

    OPEN(&rig, 0, "policy.sac.utd_ratio=1", "policy.sac.policy_update_freq=1");
    update(&rig, 1);
    for (size_t p = 0; p < sizeof(moments) / sizeof(moments[0]); p++) {
        uint64_t count, seen_count = 0;
        const float *m = sac_rig_tensor(&rig, moments[p][0], &count);
        const float *v = sac_rig_tensor(&rig, moments[p][1], &count);
        for (uint64_t i = 0; i < count; i++) {
            double g = (double)m[i] / 0.1;
            if (fabs(g) < 1e-3)
                continue;
            ck_assert_double_eq_tol((double)v[i] / (0.001 * g * g), 1.0, 1e-6);
            seen_count++;
        }
        ck_assert_uint_gt(seen_count, 0);
    }
    sac_rig_close(&rig);
}
END_TEST

/* --- for actors --- */

static struct pawl_policy *open_policy(struct sac_rig *rig, bool is_greedy)
{
    struct pawl_policy_setup setup = {.cfg = rig->cfg,
                                      .spec = &rig->spec,
                                      .choice_count = rig->choice_count,
                                      .lane_count = ROWS,
                                      .seed = 5,
                                      .is_greedy = is_greedy};
    struct pawl_policy *policy;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sac_policy.open(&policy, &setup, &err) == 0, "%s", err.text);
    return policy;
}

static void bind_published(struct sac_rig *rig, struct pawl_policy *policy, float data[][256])
{
    size_t count;
    static struct pawl_tensor tensors[PAWL_POLICY_TENSOR_COUNT_MAX];
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &count);

    for (size_t i = 0; i < count; i++) {
        tensors[i] = manifest[i];
        tensors[i].data = data[i];
        pawl_sac_trainer.publish(rig->trainer, i, data[i]);
    }
    ck_assert_int_eq(policy->ops->bind(policy, tensors, count, NULL), 0);
}

static void check_choices(struct sac_rig *rig, unsigned char *const *records)
{
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig->trainer);
    float values[ROWS * 3];

    sac_rig_run(rig, PAWL_SAC_DISCRETE);
    sac_rig_read(rig, steps->values, values);
    for (uint32_t row = 0; row < ROWS; row++) {
        const float *action =
            (const float *)(const void *)(records[row] + rig->spec.fields[1].offset_bytes);
        const float *q = values + row * 3;
        ck_assert(action[2] == (q[0] >= q[1] && q[0] >= q[2] ? 0.0f
                                : q[1] >= q[2]               ? 1.0f
                                                             : 2.0f));
    }
}

/* The acting half on the observations of the batch that is staged, greedily. */
static void check_actions(struct sac_rig *rig)
{
    static float data[64][256];
    static _Alignas(8) unsigned char memory[ROWS][64];
    unsigned char *records[ROWS];
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig->trainer);
    float obs[ROWS * SAC_RIG_OBS], heads[ROWS * 4];
    struct pawl_policy *policy = open_policy(rig, true);

    update(rig, 10);
    bind_published(rig, policy, data);
    sac_rig_stage(rig);
    sac_rig_run(rig, PAWL_SAC_ACTOR); /* its pass comes before its step */
    sac_rig_read(rig, steps->heads, heads);
    sac_rig_read(rig, steps->obs[0], obs);
    const double mean[] = {1.0, -2.0, 0.5}, std[] = {2.0, 0.5, 1.0};
    for (uint32_t row = 0; row < ROWS; row++) {
        records[row] = memory[row];
        float *at = (float *)(void *)memory[row];
        for (uint32_t i = 0; i < SAC_RIG_OBS; i++) {
            double x = (double)obs[row * SAC_RIG_OBS + i];
            at[i] = (float)(steps->model->inputs[0].is_normalised ? x * std[i] + mean[i] : x);
        }
    }
    policy->ops->act(policy, records, ROWS);
    for (uint32_t row = 0; row < ROWS; row++) {
        const float *action =
            (const float *)(const void *)(memory[row] + rig->spec.fields[1].offset_bytes);
        for (uint32_t i = 0; i < SAC_RIG_ACTION; i++)
            ck_assert_float_eq_tol(action[i], tanhf(heads[row * 4 + i]), 1e-5f);
    }
    if (rig->choice_count)
        check_choices(rig, records);
    policy->ops->close(policy);
}

START_TEST(actors_mean_what_the_learner_means)
{
    struct sac_rig rig;

    OPEN(&rig, 3);
    check_actions(&rig);
    sac_rig_close(&rig);
    OPEN(&rig, 3, "policy.sac.shared_encoder=false");
    check_actions(&rig);
    sac_rig_close(&rig);
    OPEN(&rig, 3, "policy.sac.actor_activate_final=false",
         "policy.sac.discrete_critic_final_activation=Tanh");
    check_actions(&rig);
    sac_rig_close(&rig);
    OPEN(&rig, 3, "policy.sac.discrete_critic_activate_final=false");
    check_actions(&rig);
    sac_rig_close(&rig);
    OPEN(&rig, 3, "policy.sac.discrete_critic_final_activation=Identity");
    check_actions(&rig);
    sac_rig_close(&rig);
    OPEN(&rig, 0, PLAIN);
    check_actions(&rig);
    sac_rig_close(&rig);
    OPEN(&rig, 0, "policy.sac.observation_mean=[1.0, -2.0, 0.5]",
         "policy.sac.observation_std=[2.0, 0.5, 1.0]");
    check_actions(&rig);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(a_learner_begins_where_its_actors_do)
{
    struct sac_rig rig;
    OPEN(&rig, 3);
    struct pawl_policy *policy = open_policy(&rig, true);
    size_t count;
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &count);

    for (size_t i = 0; i < count; i++) {
        float first[256] = {0}, published[256] = {0};
        policy->ops->init(policy, i, first);
        pawl_sac_trainer.publish(rig.trainer, i, published);
        ck_assert_msg(memcmp(first, published, sizeof(first)) == 0, "%s", manifest[i].name);
    }
    policy->ops->close(policy);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(critics_begin_orthogonal_and_targets_as_their_copies)
{
    struct sac_rig rig;
    uint64_t count;

    OPEN(&rig, 3);
    const float *w =
        sac_rig_tensor(&rig, "model/critic_ensemble.critics.1.output_layer.weight", &count);
    const float *target =
        sac_rig_tensor(&rig, "model/critic_target.critics.1.output_layer.weight", &count);
    double norm = 0.0;
    for (uint64_t i = 0; i < count; i++)
        norm += (double)w[i] * (double)w[i];
    ck_assert_double_eq_tol(norm, 1.0, 1e-5);
    ck_assert_mem_eq(w, target, count * sizeof(float));
    const float *d = sac_rig_tensor(&rig, "model/discrete_critic.output_layer.weight", &count);
    for (uint32_t a = 0; a < 3; a++)
        for (uint32_t b = 0; b < 3; b++) {
            double along = 0.0;
            for (uint32_t i = 0; i < 4; i++)
                along += (double)d[a * 4 + i] * (double)d[b * 4 + i];
            ck_assert_double_eq_tol(along, a == b ? 1.0 : 0.0, 1e-5);
        }
    sac_rig_close(&rig);
}
END_TEST

/* --- for LeRobot --- */

static bool has_alias(const struct sac_rig *rig, const char *name, const char *of)
{
    size_t count;
    const struct pawl_trainer_alias *aliases = pawl_sac_trainer.aliases(rig->trainer, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(aliases[i].name, name) == 0 && strcmp(aliases[i].of, of) == 0)
            return true;
    return false;
}

START_TEST(a_shared_encoder_has_all_of_lerobots_names)
{
    struct sac_rig rig;
    size_t count;

    OPEN(&rig, 0);
    pawl_sac_trainer.aliases(rig.trainer, &count);
    ck_assert_uint_eq(count, 16);
    ck_assert(has_alias(&rig, "critic_target.encoder.state_encoder.1.weight",
                        "actor.encoder.state_encoder.1.weight"));
    sac_rig_close(&rig);
    OPEN(&rig, 3);
    pawl_sac_trainer.aliases(rig.trainer, &count);
    ck_assert_uint_eq(count, 24);
    sac_rig_close(&rig);
    OPEN(&rig, 3, "policy.sac.shared_encoder=false");
    pawl_sac_trainer.aliases(rig.trainer, &count);
    ck_assert_uint_eq(count, 20);
    ck_assert(has_alias(&rig, "encoder_critic.state_encoder.0.bias",
                        "critic_ensemble.encoder.state_encoder.0.bias"));
    ck_assert(has_alias(&rig, "encoder_actor.state_encoder.0.bias",
                        "actor.encoder.state_encoder.0.bias"));
    sac_rig_close(&rig);
}
END_TEST

static json_t *text_of(const struct sac_rig *rig, enum pawl_trainer_text which)
{
    struct pawl_json_writer out;
    struct pawl_err err = {0};

    pawl_json_open_growing(&out, 1 << 20);
    ck_assert_int_eq(pawl_sac_trainer.describe(rig->trainer, which, &out, &err), 0);
    const char *text = pawl_json_finish(&out, NULL, &err);
    ck_assert_msg(text != NULL, "%s", err.text);
    json_t *root = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(root);
    pawl_json_close_writer(&out);
    return root;
}

static json_t *member(const json_t *policy, const char *object, const char *key)
{
    return json_object_get(json_object_get(policy, object), key);
}

START_TEST(lerobots_configuration_says_which_networks_there_are)
{
    struct sac_rig rig;

    OPEN(&rig, 3, "policy.sac.std_min=0.25", "policy.sac.std_max=2",
         "policy.sac.init_final=0.5", "policy.sac.critic_activate_final=false",
         "policy.sac.discrete_critic_final_activation=Tanh");
    json_t *policy = text_of(&rig, PAWL_TRAINER_CONFIG);
    const char *discrete = "discrete_critic_network_kwargs";
    ck_assert(json_number_value(member(policy, "policy_kwargs", "std_min")) == 0.25);
    ck_assert(json_number_value(member(policy, "policy_kwargs", "std_max")) == 2.0);
    ck_assert(json_number_value(member(policy, "policy_kwargs", "init_final")) == 0.5);
    ck_assert(json_is_true(member(policy, "actor_network_kwargs", "activate_final")));
    ck_assert(json_is_false(member(policy, "critic_network_kwargs", "activate_final")));
    ck_assert(json_is_null(member(policy, "critic_network_kwargs", "final_activation")));
    ck_assert(json_is_true(member(policy, discrete, "activate_final")));
    ck_assert_str_eq(json_string_value(member(policy, discrete, "final_activation")), "Tanh");
    json_decref(policy);
    sac_rig_close(&rig);
}
END_TEST

START_TEST(lerobots_configuration_says_what_was_learnt)
{
    struct sac_rig rig;

    OPEN(&rig, 3, "policy.sac.target_entropy=-4", "policy.sac.critic_hidden=[7]");
    json_t *root = text_of(&rig, PAWL_TRAINER_TRAIN_CONFIG);
    json_t *policy = json_object_get(root, "policy");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "batch_size")), ROWS);
    ck_assert_str_eq(json_string_value(json_object_get(policy, "type")), "sac");
    ck_assert_int_eq(json_integer_value(json_object_get(policy, "latent_dim")), 5);
    ck_assert_int_eq(json_integer_value(json_object_get(policy, "num_discrete_actions")), 3);
    ck_assert(json_number_value(json_object_get(policy, "target_entropy")) == -4.0);
    ck_assert(json_is_false(json_object_get(policy, "use_torch_compile")));
    json_t *critic = json_object_get(policy, "critic_network_kwargs");
    ck_assert_int_eq(
        json_integer_value(json_array_get(json_object_get(critic, "hidden_dims"), 0)), 7);
    json_t *action = json_object_get(json_object_get(policy, "output_features"), "action");
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(action, "shape"), 0)),
                     2);
    json_decref(root);
    sac_rig_close(&rig);
    OPEN(&rig, 0, PLAIN);
    root = text_of(&rig, PAWL_TRAINER_CONFIG);
    ck_assert_str_eq(json_string_value(json_object_get(root, "type")), "pawl_sac_plain");
    json_decref(root);
    sac_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("sac_state", who_restores_a_block_goes_on_to_the_bit,
               the_same_seed_learns_the_same_to_the_bit,
               a_block_with_what_is_not_a_number_is_refused_by_name,
               an_update_allocates_nothing, tensors_have_lerobots_names_and_numbers,
               the_discrete_critics_optimizer_begins_with_the_encoder,
               moments_lie_beside_their_parameters, moments_are_adams_to_the_last_digits,
               actors_mean_what_the_learner_means, a_learner_begins_where_its_actors_do,
               critics_begin_orthogonal_and_targets_as_their_copies,
               a_shared_encoder_has_all_of_lerobots_names,
               lerobots_configuration_says_which_networks_there_are,
               lerobots_configuration_says_what_was_learnt)
