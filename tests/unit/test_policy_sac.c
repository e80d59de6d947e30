/* test_policy_sac.c: the golden values are those of tests/golden/sac (LeRobot's layer names,
 * made with torch by gen_sac.py). */
#include "policy/policy.h"
#include "policy/policy_cfg.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"
#include "support/test.h"

#define LANES      4
#define OBS_COUNT  3
#define ACTION_MAX 2

static struct pawl_spec spec;
static struct pawl_cfg *cfg;
static _Alignas(8) unsigned char memory[LANES][64];
static unsigned char *records[LANES] = {memory[0], memory[1], memory[2], memory[3]};
static struct pawl_tensor tensors[PAWL_POLICY_TENSOR_COUNT_MAX];
static size_t tensor_count;
static json_t *golden;

static float *action_of(uint32_t lane)
{
    return (float *)(void *)(records[lane] + pawl_spec_find(&spec, "action")->offset_bytes);
}

static void open_cfg(const char *const *words, int count)
{
    static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                          NULL};
    struct pawl_cfg_source source = {.words = (char *const *)(uintptr_t)words,
                                     .word_count = count};
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_open(&cfg, tables, &source, &err) == 0, "%s", err.text);
}

static struct pawl_policy_setup small_setup(void)
{
    static const char *const words[] = {"policy.sac.hidden=[8, 8]", "policy.sac.latent_dim=8"};
    open_cfg(words, 2);
    memset(&spec, 0, sizeof(spec));
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){OBS_COUNT}, NULL);
    pawl_spec_add(&spec, "action", PAWL_F32, 1, (uint32_t[]){ACTION_MAX}, NULL);
    return (struct pawl_policy_setup){
        .cfg = cfg, .spec = &spec, .lane_count = LANES, .seed = 3, .is_greedy = true};
}

static void read_floats(const json_t *tensor, float *out)
{
    const json_t *data = json_object_get(tensor, "data");
    for (size_t i = 0; i < json_array_size(data); i++)
        out[i] = (float)json_number_value(json_array_get(data, i));
}

/* The tensors of the golden actor, under the names that travel: without "P/" and "actor.". */
static json_t *load_golden(void)
{
    golden = json_load_file(PAWL_SOURCE_DIR "/tests/golden/sac/sac_network.json", 0, NULL);
    json_t *test = json_array_get(json_object_get(golden, "cases"), 0);
    json_t *inputs = json_object_get(test, "inputs");
    const char *key;
    json_t *value;

    ck_assert_ptr_nonnull(inputs);
    tensor_count = 0;
    json_object_foreach(inputs, key, value)
    {
        const char *name = strncmp(key, "P/actor.", 8) == 0 ? key + 8 : key + 2;
        if (strncmp(key, "P/", 2) != 0 || strncmp(name, "critic", 6) == 0)
            continue;
        struct pawl_tensor *tensor = &tensors[tensor_count++];
        json_t *shape = json_object_get(value, "shape");
        *tensor =
            (struct pawl_tensor){.dtype = PAWL_F32, .rank = (uint32_t)json_array_size(shape)};
        strncpy(tensor->name, name, sizeof(tensor->name) - 1);
        for (uint32_t i = 0; i < tensor->rank; i++)
            tensor->shape[i] = (uint32_t)json_integer_value(json_array_get(shape, i));
        float *data = malloc(json_array_size(json_object_get(value, "data")) * sizeof(float));
        read_floats(value, data);
        tensor->data = data;
    }
    float states[LANES * OBS_COUNT];
    read_floats(json_object_get(inputs, "state"), states);
    for (uint32_t lane = 0; lane < LANES; lane++)
        memcpy(records[lane], states + lane * OBS_COUNT, OBS_COUNT * sizeof(float));
    return json_object_get(test, "expected");
}

static void unload_golden(void)
{
    for (size_t i = 0; i < tensor_count; i++)
        free((void *)(uintptr_t)tensors[i].data);
    json_decref(golden);
}

static struct pawl_policy *open_policy(const struct pawl_policy_setup *setup)
{
    struct pawl_policy *policy;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sac_policy.open(&policy, setup, &err) == 0, "%s", err.text);
    return policy;
}

START_TEST(the_greedy_action_is_the_golden_mean_squashed)
{
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *policy = open_policy(&setup);
    json_t *expected = load_golden();
    float mean[LANES * ACTION_MAX];
    struct pawl_err err = {0};

    ck_assert_msg(policy->ops->bind(policy, tensors, tensor_count, &err) == 0, "%s", err.text);
    policy->ops->act(policy, records, LANES);
    read_floats(json_object_get(expected, "mean"), mean);
    for (uint32_t i = 0; i < LANES * ACTION_MAX; i++)
        ck_assert_float_eq_tol(action_of(i / ACTION_MAX)[i % ACTION_MAX], tanhf(mean[i]),
                               2e-5f);
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
    unload_golden();
}
END_TEST

/* log_std of the vectors is what std_layer gives. */
static void check_sampled(const char *compat, double std_min, double std_max)
{
    struct pawl_policy_setup setup = small_setup();
    char least[48], most[48];
    const char *words[] = {"policy.sac.hidden=[8, 8]", "policy.sac.latent_dim=8", compat, least,
                           most};
    snprintf(least, sizeof(least), "policy.sac.std_min=%g", std_min);
    snprintf(most, sizeof(most), "policy.sac.std_max=%g", std_max);
    pawl_cfg_close(cfg);
    open_cfg(words, 5);
    setup.cfg = cfg;
    setup.is_greedy = false;
    struct pawl_policy *policy = open_policy(&setup);
    json_t *expected = load_golden();
    float mean[LANES * ACTION_MAX], raw[LANES * ACTION_MAX];
    struct pawl_err err = {0};

    ck_assert_msg(policy->ops->bind(policy, tensors, tensor_count, &err) == 0, "%s", err.text);
    policy->ops->act(policy, records, LANES);
    read_floats(json_object_get(expected, "mean"), mean);
    read_floats(json_object_get(expected, "log_std"), raw);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        struct pawl_philox noise;
        pawl_philox_open(&noise, setup.seed, PAWL_STREAM_EXPLORATION, lane);
        for (uint32_t i = 0; i < ACTION_MAX; i++) {
            double s = fmin(fmax(exp(raw[lane * ACTION_MAX + i]), std_min), std_max);
            double sd = strstr(compat, "fixed") ? s : sqrt(s);
            double right = tanh(mean[lane * ACTION_MAX + i] + sd * pawl_philox_normal(&noise));
            ck_assert_double_eq_tol(action_of(lane)[i], right, 5e-5);
        }
    }
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
    unload_golden();
}

START_TEST(lerobots_deviation_is_the_root_of_what_std_layer_says)
{
    check_sampled("policy.sac.compat=lerobot", 1e-5, 10.0);
}
END_TEST

START_TEST(the_spread_of_actions_is_held_within_its_bounds)
{
    check_sampled("policy.sac.compat=lerobot", 4.0, 10.0);
    check_sampled("policy.sac.compat=lerobot", 1e-5, 0.01);
}
END_TEST

START_TEST(the_fixed_deviation_is_what_std_layer_says)
{
    check_sampled("policy.sac.compat=fixed", 1e-5, 10.0);
}
END_TEST

START_TEST(a_lane_acts_the_same_alone_and_in_a_batch)
{
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *policy = open_policy(&setup);
    load_golden();
    float together[LANES][ACTION_MAX];

    ck_assert_int_eq(policy->ops->bind(policy, tensors, tensor_count, NULL), 0);
    policy->ops->act(policy, records, LANES);
    for (uint32_t lane = 0; lane < LANES; lane++)
        memcpy(together[lane], action_of(lane), sizeof(together[lane]));
    for (uint32_t lane = 0; lane < LANES; lane++) {
        policy->ops->act(policy, &records[lane], 1);
        for (uint32_t i = 0; i < ACTION_MAX; i++)
            ck_assert_float_eq_tol(action_of(lane)[i], together[lane][i], 1e-6f);
    }
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
    unload_golden();
}
END_TEST

START_TEST(a_missing_or_misshapen_tensor_is_named_and_nothing_changes)
{
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *policy = open_policy(&setup);
    load_golden();
    struct pawl_err err = {0};

    ck_assert_int_eq(policy->ops->bind(policy, tensors, tensor_count, &err), 0);
    policy->ops->act(policy, records, 1);
    float before = action_of(0)[0];

    ck_assert_int_eq(policy->ops->bind(policy, tensors, tensor_count - 1, &err), -ENOENT);
    ck_assert_str_eq(err.text, "tensor 'std_layer.bias' is missing");
    err.code = 0;
    tensors[0].shape[1] = 17;
    ck_assert_int_eq(policy->ops->bind(policy, tensors, tensor_count, &err), -EINVAL);
    ck_assert_str_eq(err.text,
                     "tensor 'encoder.state_encoder.0.weight': extent 1 is 17, 3 wanted");
    err.code = 0;
    tensors[0].shape[1] = 3;
    tensors[0].dtype = PAWL_F64;
    ck_assert_int_eq(policy->ops->bind(policy, tensors, tensor_count, &err), -EINVAL);
    ck_assert_str_eq(err.text,
                     "tensor 'encoder.state_encoder.0.weight': float32 wanted, float64 given");

    policy->ops->act(policy, records, 1);
    ck_assert(action_of(0)[0] == before);
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
    unload_golden();
}
END_TEST

START_TEST(the_manifest_has_lerobots_names_in_lerobots_order)
{
    static const char *const names[] = {"encoder.env_encoder.0.weight",
                                        "encoder.env_encoder.0.bias",
                                        "encoder.env_encoder.1.weight",
                                        "encoder.env_encoder.1.bias",
                                        "encoder.state_encoder.0.weight",
                                        "encoder.state_encoder.0.bias",
                                        "encoder.state_encoder.1.weight",
                                        "encoder.state_encoder.1.bias",
                                        "network.net.0.weight",
                                        "network.net.0.bias",
                                        "network.net.1.weight",
                                        "network.net.1.bias",
                                        "network.net.3.weight",
                                        "network.net.3.bias",
                                        "network.net.4.weight",
                                        "network.net.4.bias",
                                        "mean_layer.weight",
                                        "mean_layer.bias",
                                        "std_layer.weight",
                                        "std_layer.bias"};
    struct pawl_policy_setup setup = small_setup();
    pawl_spec_add(&spec, "obs.environment_state", PAWL_F32, 1, (uint32_t[]){6}, NULL);
    struct pawl_policy *policy = open_policy(&setup);
    size_t count;
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &count);

    ck_assert_uint_eq(count, sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(manifest[i].name, names[i]);
    ck_assert_uint_eq(manifest[0].shape[1], 6);
    ck_assert_uint_eq(manifest[8].shape[1], 16); /* both encodings */
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(first_parameters_are_as_torch_draws_them)
{
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *policy = open_policy(&setup);
    size_t count;
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &count);

    for (size_t i = 0; i < count; i++) {
        float data[64], again[64];
        size_t n = manifest[i].shape[0] * (manifest[i].rank == 2 ? manifest[i].shape[1] : 1);
        float bound = strstr(manifest[i].name, "_layer") ? 0.05f : 1.0f / sqrtf(8.0f);
        if (strncmp(manifest[i].name, "encoder.state_encoder.0", 23) == 0)
            bound = 1.0f / sqrtf(3.0f);
        int is_norm = strstr(manifest[i].name, ".1.") || strstr(manifest[i].name, ".4.");
        policy->ops->init(policy, i, data);
        policy->ops->init(policy, i, again);
        ck_assert_mem_eq(data, again, n * sizeof(float));
        for (size_t k = 0; k < n; k++)
            if (is_norm)
                ck_assert(data[k] == (strstr(manifest[i].name, "weight") ? 1.0f : 0.0f));
            else
                ck_assert_msg(fabsf(data[k]) <= bound && data[k] != 0.0f, "%s[%zu] = %g",
                              manifest[i].name, k, (double)data[k]);
    }
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(the_last_layers_begin_within_init_final)
{
    static const char *const words[] = {"policy.sac.hidden=[8, 8]", "policy.sac.latent_dim=8",
                                        "policy.sac.init_final=2"};
    struct pawl_policy_setup setup = small_setup();
    pawl_cfg_close(cfg);
    open_cfg(words, 3);
    setup.cfg = cfg;
    struct pawl_policy *policy = open_policy(&setup);
    size_t count;
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &count);
    float data[64], most = 0.0f;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(manifest[i].name, "mean_layer.weight") != 0)
            continue;
        policy->ops->init(policy, i, data);
        for (size_t k = 0; k < 16; k++)
            most = fmaxf(most, fabsf(data[k]));
    }
    ck_assert_float_gt(most, 1.0f);
    ck_assert_float_le(most, 2.0f);
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(observations_are_normalised_when_told_how)
{
    static const char *const words[] = {"policy.sac.hidden=[8, 8]", "policy.sac.latent_dim=8",
                                        "policy.sac.observation_mean=[1.0, 2.0, 3.0]",
                                        "policy.sac.observation_std=[2, 4, 8]"};
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *plain = open_policy(&setup);
    struct pawl_cfg *plain_cfg = cfg;
    open_cfg(words, 4);
    setup.cfg = cfg;
    struct pawl_policy *scaled = open_policy(&setup);
    load_golden();
    float mean[] = {1, 2, 3}, std[] = {2, 4, 8}, here[ACTION_MAX];

    struct pawl_err err = {0};
    ck_assert_int_eq(scaled->ops->bind(scaled, tensors, tensor_count, &err), -ENOENT);
    ck_assert_str_eq(err.text, "tensor 'normalize_inputs.buffer_observation_state.mean' is "
                               "missing");
    size_t count;
    const struct pawl_tensor *manifest = scaled->ops->manifest(scaled, &count);
    ck_assert_uint_eq(count, tensor_count + 2);
    float first[3];
    scaled->ops->init(scaled, count - 1, first);
    ck_assert_mem_eq(first, std, sizeof(std));
    tensors[tensor_count] = manifest[count - 2];
    tensors[tensor_count].data = mean;
    tensors[tensor_count + 1] = manifest[count - 1];
    tensors[tensor_count + 1].data = std;
    ck_assert_int_eq(scaled->ops->bind(scaled, tensors, tensor_count + 2, NULL), 0);
    ck_assert_int_eq(plain->ops->bind(plain, tensors, tensor_count, NULL), 0);

    memcpy(records[0], (float[]){2.0f, -2.0f, 7.0f}, 12);
    scaled->ops->act(scaled, records, 1);
    memcpy(here, action_of(0), sizeof(here));
    memcpy(records[0], (float[]){0.5f, -1.0f, 0.5f}, 12);
    plain->ops->act(plain, records, 1);
    ck_assert_mem_eq(here, action_of(0), sizeof(here));
    scaled->ops->close(scaled);
    plain->ops->close(plain);
    pawl_cfg_close(cfg);
    pawl_cfg_close(plain_cfg);
    unload_golden();
}
END_TEST

START_TEST(the_choice_is_the_discrete_critics_best)
{
    struct pawl_policy_setup setup = small_setup();
    setup.choice_count = 3;
    spec.fields[1].shape[0] = 3; /* two numbers and the choice */
    spec.fields[1].size_bytes = 12;
    spec.record_bytes = 24;
    struct pawl_policy *policy = open_policy(&setup);
    size_t count;
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &count);
    static float data[32][128];

    ck_assert_uint_eq(count, 26);
    ck_assert_str_eq(manifest[16].name, "discrete_critic.net.net.0.weight");
    ck_assert_str_eq(manifest[24].name, "discrete_critic.output_layer.weight");
    for (size_t i = 0; i < count; i++) {
        policy->ops->init(policy, i, data[i]);
        tensors[i] = manifest[i];
        tensors[i].data = data[i];
    }
    memset(data[24], 0, sizeof(data[24])); /* so that the biases are the values */
    for (uint32_t best = 0; best < 3; best++) {
        memset(data[25], 0, sizeof(data[25]));
        data[25][best] = 1.0f;
        ck_assert_int_eq(policy->ops->bind(policy, tensors, count, NULL), 0);
        policy->ops->act(policy, records, LANES);
        for (uint32_t lane = 0; lane < LANES; lane++)
            ck_assert(action_of(lane)[2] == (float)best);
    }
    policy->ops->close(policy);
    pawl_cfg_close(cfg);
}
END_TEST

START_TEST(what_it_cannot_read_is_refused_by_name)
{
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *policy;
    struct pawl_err err = {0};

    pawl_spec_add(&spec, "obs.front", PAWL_U8, 3, (uint32_t[]){3, 8, 8}, NULL);
    ck_assert_int_eq(pawl_sac_policy.open(&policy, &setup, &err), -EINVAL);
    ck_assert_str_eq(err.text, "policy sac: cannot read 'obs.front'; it reads obs.state and "
                               "obs.environment_state");
    spec.field_count = 2;
    spec.fields[1].shape[0] = 1;
    setup.choice_count = 2; /* then the one number of the action is the choice */
    err.code = 0;
    ck_assert_int_eq(pawl_sac_policy.open(&policy, &setup, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "continuous action"));
    setup.choice_count = 0;
    spec.field_count = 3;
    ck_assert_int_eq(pawl_sac_policy.open(&policy, &setup, NULL), -EINVAL);
    ck_assert_ptr_null(policy);
    pawl_cfg_close(cfg);
}
END_TEST

/* Whose config.json would say MEAN_STD of what there is not. */
START_TEST(numbers_to_normalise_a_state_that_there_is_not_are_refused)
{
    static const char *const words[] = {"policy.sac.observation_mean=[1.5, 2]",
                                        "policy.sac.observation_std=[2, 4]"};
    struct pawl_policy_setup setup = small_setup();
    struct pawl_policy *policy;
    struct pawl_err err = {0};

    pawl_cfg_close(cfg);
    open_cfg(words, 2);
    setup.cfg = cfg;
    memset(&spec, 0, sizeof(spec));
    pawl_spec_add(&spec, "obs.environment_state", PAWL_F32, 1, (uint32_t[]){2}, NULL);
    pawl_spec_add(&spec, "action", PAWL_F32, 1, (uint32_t[]){ACTION_MAX}, NULL);
    ck_assert_int_eq(pawl_sac_policy.open(&policy, &setup, &err), -EINVAL);
    ck_assert_str_eq(err.text,
                     "command line: policy.sac.observation_mean = [1.5, ...], 2 components: it "
                     "normalises obs.state, which the records of this env.type do not have "
                     "(`pawl env list`); leave it and policy.sac.observation_std out");
    pawl_cfg_close(cfg);
}
END_TEST

PAWL_TEST_MAIN("policy_sac", the_greedy_action_is_the_golden_mean_squashed,
               lerobots_deviation_is_the_root_of_what_std_layer_says,
               the_fixed_deviation_is_what_std_layer_says,
               a_lane_acts_the_same_alone_and_in_a_batch,
               a_missing_or_misshapen_tensor_is_named_and_nothing_changes,
               the_manifest_has_lerobots_names_in_lerobots_order,
               first_parameters_are_as_torch_draws_them,
               the_last_layers_begin_within_init_final,
               the_spread_of_actions_is_held_within_its_bounds,
               observations_are_normalised_when_told_how,
               the_choice_is_the_discrete_critics_best, what_it_cannot_read_is_refused_by_name,
               numbers_to_normalise_a_state_that_there_is_not_are_refused)
