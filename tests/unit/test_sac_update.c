/* test_sac_update.c: SAC's networks and a whole optimization step against vectors that torch
 * made (tests/golden/sac), through the learning half as the learner drives it. */
#include "policy/sac_trainer.h"

#include <stdio.h>

#include "support/golden.h"
#include "support/sac_rig.h"
#include "support/test.h"

#define ROWS_NETWORK 4
#define ROWS_UPDATE  6
#define CRITICS      2

static struct sac_rig rig;
static struct golden golden;
static struct golden_case test;

/* The vectors' name of a tensor, without "P/", as the trainer's. */
static void name_of(char *name, size_t bytes, const char *key)
{
    bool is_encoder = strncmp(key, "encoder.", 8) == 0;
    snprintf(name, bytes, "model/%s%s", is_encoder ? "actor." : "", key);
}

/* From inputs P/..., with "critic_target" as "critic_ensemble" when is_swapped. */
static void load_parameters(bool is_swapped)
{
    const char *key;
    const json_t *value;
    uint32_t taken = 0;

    json_object_foreach((json_t *)(uintptr_t)test.inputs, key, value)
    {
        char name[128];
        uint64_t count;
        if (strncmp(key, "P/", 2) != 0)
            continue;
        name_of(name, sizeof(name), key + 2);
        if (is_swapped && strncmp(name, "model/critic_ensemble", 21) == 0)
            continue;
        if (is_swapped && strncmp(name, "model/critic_target.", 20) == 0)
            snprintf(name, sizeof(name), "model/critic_ensemble.%s", key + 2 + 14);
        struct golden_array array = golden_array(value);
        float *data = sac_rig_tensor(&rig, name, &count);
        ck_assert_uint_eq(count, array.count);
        memcpy(data, array.data, count * sizeof(float));
        taken++;
    }
    ck_assert_uint_eq(taken, is_swapped ? 36 : 56);
    sac_rig_restore(&rig);
}

static void take_noise(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                       uint32_t count)
{
    static const char *const keys[] = {"eps_next", "eps_pi", "eps_temp"};
    (void)arg;
    if (which == PAWL_SAC_NOISE_CHOSEN) {
        for (uint32_t i = 0; i < count; i++)
            out[i] = 1.0f;
        return;
    }
    bool is_forward = json_object_get(test.inputs, "eps") != NULL;
    struct golden_array eps = golden_input(&test, is_forward ? "eps" : keys[which]);
    memcpy(out, eps.data + (eps.rank == 3 ? draw * count : 0), count * sizeof(float));
}

/* --- the networks --- */

static void fill_network(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    struct golden_array state = golden_input(&test, "state");
    struct golden_array action = golden_input(&test, "action");
    (void)draw;
    for (uint32_t row = 0; row < batch->count; row++) {
        for (uint32_t next = 0; next < 2; next++)
            memcpy(sac_rig_row(at, batch, "obs.state", next, row),
                   state.data + row * SAC_RIG_OBS, SAC_RIG_OBS * sizeof(float));
        memcpy(sac_rig_row(at, batch, "action", false, row), action.data + row * SAC_RIG_ACTION,
               SAC_RIG_ACTION * sizeof(float));
        batch->reward[row] = 0.0f;
        batch->discount[row] = 1.0f;
        batch->weight[row] = 1.0f;
    }
}

static void open_network(bool is_swapped)
{
    static const char *const words[] = {"policy.sac.hidden=[8, 8]", "policy.sac.latent_dim=8"};
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/sac_network.json");
    test = golden_case(&golden, 0);
    sac_rig_open(&rig, words, 2, ROWS_NETWORK, 0);
    pawl_sac_trainer_noise(rig.trainer, take_noise, NULL);
    rig.fill = fill_network;
    load_parameters(is_swapped);
    sac_rig_stage(&rig);
}

static void close_network(void)
{
    sac_rig_close(&rig);
    golden_close(&golden);
}

static void check_q(const char *key)
{
    float q[ROWS_NETWORK * CRITICS], turned[ROWS_NETWORK * CRITICS];
    sac_rig_read(&rig, pawl_sac_trainer_steps(rig.trainer)->q, q);
    for (uint32_t row = 0; row < ROWS_NETWORK; row++)
        for (uint32_t c = 0; c < CRITICS; c++)
            turned[c * ROWS_NETWORK + row] = q[row * CRITICS + c];
    golden_check(&test, key, turned, ROWS_NETWORK * CRITICS);
}

START_TEST(the_networks_are_lerobots)
{
    open_network(false);
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    float data[64];

    sac_rig_run(&rig, PAWL_SAC_ACTOR);
    sac_rig_read(&rig, pawl_view_cols(steps->joined, 0, 8), data);
    golden_check(&test, "encoding", data, ROWS_NETWORK * 8);
    sac_rig_read(&rig, pawl_view_cols(steps->joined, 8, SAC_RIG_ACTION), data);
    golden_check(&test, "action", data, ROWS_NETWORK * SAC_RIG_ACTION);
    sac_rig_read(&rig, pawl_view_cols(steps->heads, 0, SAC_RIG_ACTION), data);
    golden_check(&test, "mean", data, ROWS_NETWORK * SAC_RIG_ACTION);
    sac_rig_read(&rig, pawl_view_cols(steps->heads, SAC_RIG_ACTION, SAC_RIG_ACTION), data);
    golden_check(&test, "log_std", data, ROWS_NETWORK * SAC_RIG_ACTION);
    sac_rig_read(&rig, steps->logp, data);
    golden_check(&test, "log_prob", data, ROWS_NETWORK);
    close_network();
}
END_TEST

START_TEST(the_critics_are_lerobots)
{
    open_network(false);
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    check_q("q");
    close_network();
    open_network(true); /* the targets' numbers, where the critics' are */
    sac_rig_run(&rig, PAWL_SAC_CRITIC);
    check_q("q_target");
    close_network();
}
END_TEST

/* --- an optimization step --- */

/* Of the first batch of two; the report has those of the last. */
static double first_loss, first_norm;

static void fill_update(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    struct golden_array obs[2] = {golden_input(&test, "state"),
                                  golden_input(&test, "next_state")};
    struct golden_array action = golden_input(&test, "action");
    struct golden_array reward = golden_input(&test, "reward");
    struct golden_array done = golden_input(&test, "done");
    float discount = (float)golden_param(&test, "discount");

    for (uint32_t row = 0; row < batch->count; row++) {
        size_t from = draw * batch->count + row;
        for (uint32_t next = 0; next < 2; next++)
            memcpy(sac_rig_row(at, batch, "obs.state", next, row),
                   obs[next].data + from * SAC_RIG_OBS, SAC_RIG_OBS * sizeof(float));
        if (action.shape[2] == SAC_RIG_ACTION)
            memcpy(sac_rig_row(at, batch, "action", false, row),
                   action.data + from * SAC_RIG_ACTION, SAC_RIG_ACTION * sizeof(float));
        batch->reward[row] = reward.data[from];
        batch->discount[row] = discount * (1.0f - done.data[from]);
        batch->weight[row] = 1.0f;
    }
    if (draw == 0)
        return;
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig.trainer);
    float loss[8], norm;
    sac_rig_read(&rig, steps->critic.loss, loss);
    sac_rig_read(&rig, steps->critic.norm, &norm);
    first_loss = (double)loss[0] + (double)loss[1];
    first_norm = (double)norm;
}

static void open_update(void)
{
    char words[10][80];
    const char *pointers[10];
    const char *const lines[] = {"policy.sac.hidden=[8, 8]", "policy.sac.latent_dim=8",
                                 "policy.sac.utd_ratio=2"};
    static const char *const keys[][2] = {{"critic_target_update_weight", "tau"},
                                          {"critic_lr", "critic_lr"},
                                          {"actor_lr", "actor_lr"},
                                          {"temperature_lr", "temperature_lr"},
                                          {"target_entropy", "target_entropy"},
                                          {"grad_clip_norm", "grad_clip_norm"}};
    for (uint32_t i = 0; i < 3; i++)
        snprintf(words[i], sizeof(words[i]), "%s", lines[i]);
    for (uint32_t i = 0; i < 6; i++)
        snprintf(words[3 + i], sizeof(words[0]), "policy.sac.%s=%.17g", keys[i][0],
                 golden_param(&test, keys[i][1]));
    for (uint32_t i = 0; i < 9; i++)
        pointers[i] = words[i];
    sac_rig_open(&rig, pointers, 9, ROWS_UPDATE, 0);
    pawl_sac_trainer_noise(rig.trainer, take_noise, NULL);
    rig.fill = fill_update;

    uint64_t count;
    struct golden_array log_alpha = golden_input(&test, "log_alpha");
    *sac_rig_tensor(&rig, "model/log_alpha", &count) = log_alpha.data[0];
    load_parameters(false);
}

static void check_figure(const char *key, double got)
{
    golden_close_to(&test, key, 0, got, (double)golden_expected(&test, key).data[0]);
}

static void check_parameters(void)
{
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)test.expected, key, value)
    {
        char name[128], before[128];
        uint64_t count;
        if (strncmp(key, "after/", 6) != 0)
            continue;
        name_of(name, sizeof(name), key + 6);
        snprintf(before, sizeof(before), "P/%s", key + 6);
        struct golden_array want = golden_array(value), was = golden_input(&test, before);
        const float *data = sac_rig_tensor(&rig, name, &count);
        golden_check(&test, key, data, count);
        /* Steps are small beside parameters: how far each went is compared too. */
        for (uint64_t i = 0; i < count; i++)
            ck_assert_msg(
                fabsf((data[i] - was.data[i]) - (want.data[i] - was.data[i])) <= 5e-6f,
                "%s[%llu] moved by %g, not %g", name, (unsigned long long)i,
                (double)(data[i] - was.data[i]), (double)(want.data[i] - was.data[i]));
    }
}

START_TEST(an_optimization_step_is_lerobots)
{
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/sac_update_step.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct pawl_trainer_report report;
        uint64_t count;

        test = golden_case(&golden, i);
        open_update();
        sac_rig_update(&rig, &report);
        ck_assert(!report.is_skipped);
        check_figure("loss_critic_0", first_loss);
        check_figure("critic_grad_norm_0", first_norm);
        check_figure("loss_critic_1", sac_rig_figure(&report, "loss/critic"));
        check_figure("critic_grad_norm_1", sac_rig_figure(&report, "grad/critic"));
        check_figure("loss_actor", sac_rig_figure(&report, "loss/actor"));
        check_figure("actor_grad_norm", sac_rig_figure(&report, "grad/actor"));
        check_figure("loss_temperature", sac_rig_figure(&report, "loss/temperature"));
        golden_check(&test, "log_alpha_after", sac_rig_tensor(&rig, "model/log_alpha", &count),
                     1);
        check_parameters();
        sac_rig_close(&rig);
    }
    golden_close(&golden);
}
END_TEST

/* --- LeRobot itself --- */

#define ROWS_LEROBOT 5
#define MORE_MAX     4

static uint32_t perm_count, taken_count[3]; /* so far, of each kind */

/* The critics that LeRobot takes are the first of its permutation. */
static void draw_critics(float *out, uint32_t count)
{
    uint32_t taken = (uint32_t)golden_param(&test, "num_subsample_critics");
    const json_t *perm = json_array_get(json_object_get(test.params, "perms"), perm_count++);
    for (uint32_t i = 0; i < count; i++)
        out[i] = taken ? 0.0f : 1.0f;
    for (uint32_t i = 0; i < taken; i++)
        out[json_integer_value(json_array_get(perm, i))] = 1.0f;
}

static void take_lerobots_noise(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                                uint32_t count)
{
    static const char *const keys[] = {"eps_next", "eps_pi", "eps_temp"};
    (void)arg;
    (void)draw;
    if (which == PAWL_SAC_NOISE_CHOSEN) {
        draw_critics(out, count);
        return;
    }
    struct golden_array eps = golden_input(&test, keys[which]);
    uint32_t from = taken_count[which]++ * count;
    ck_assert_uint_le(from + count, eps.count);
    memcpy(out, eps.data + from, count * sizeof(float));
}

static void fill_lerobot(struct sac_rig *at, struct pawl_batch *batch, uint64_t draw)
{
    struct golden_array action = golden_input(&test, "action");
    struct golden_array penalty = golden_input(&test, "penalty");
    uint32_t width = action.shape[2];

    fill_update(at, batch, draw);
    for (uint32_t row = 0; row < batch->count; row++) {
        size_t from = draw * batch->count + row;
        memcpy(sac_rig_row(at, batch, "action", false, row), action.data + from * width,
               width * sizeof(float));
        if (at->choice_count)
            sac_rig_row(at, batch, "extra.discrete_penalty", false, row)[0] =
                penalty.data[from];
    }
}

/* What the case has besides: LeRobot's keywords, by which of its configurations they are of. */
static int add_more(char words[MORE_MAX][80], const char **pointers)
{
    const char *part, *name;
    json_t *keywords, *value;
    int count = 0;

    json_object_foreach(json_object_get(test.params, "more"), part, keywords)
    {
        bool is_named = strcmp(part, "actor") == 0 || strstr(part, "critic");
        json_object_foreach(keywords, name, value)
        {
            char *text = json_dumps(value, JSON_ENCODE_ANY);
            ck_assert_int_lt(count, MORE_MAX);
            snprintf(words[count], sizeof(words[0]), "policy.sac.%s%s%s=%s",
                     is_named ? part : "", is_named ? "_" : "", name, text);
            pointers[count] = words[count];
            count++;
            free(text);
        }
    }
    return count;
}

static void open_lerobot(void)
{
    static const char *const keys[][2] = {{"critic_target_update_weight", "weight"},
                                          {"critic_lr", "critic_lr"},
                                          {"actor_lr", "actor_lr"},
                                          {"temperature_lr", "temperature_lr"},
                                          {"grad_clip_norm", "grad_clip_norm"},
                                          {"num_critics", "num_critics"},
                                          {"num_subsample_critics", "num_subsample_critics"},
                                          {"utd_ratio", "utd_ratio"},
                                          {"policy_update_freq", "policy_update_freq"}};
    char words[9][80], more[MORE_MAX][80];
    const char *pointers[13 + MORE_MAX] = {"policy.sac.hidden=[6, 4]",
                                           "policy.sac.latent_dim=5",
                                           "policy.sac.discrete_critic_hidden=[7]"};
    pointers[3] = golden_param(&test, "shared_encoder") != 0.0
                      ? "policy.sac.shared_encoder=true"
                      : "policy.sac.shared_encoder=false";
    for (uint32_t i = 0; i < 9; i++) {
        snprintf(words[i], sizeof(words[i]), "policy.sac.%s=%.17g", keys[i][0],
                 golden_param(&test, keys[i][1]));
        pointers[4 + i] = words[i];
    }
    int count = 13 + add_more(more, pointers + 13);
    sac_rig_open(&rig, pointers, count, ROWS_LEROBOT, (uint32_t)golden_param(&test, "choices"));
    pawl_sac_trainer_noise(rig.trainer, take_lerobots_noise, NULL);
    rig.fill = fill_lerobot;
    perm_count = 0;
    memset(taken_count, 0, sizeof(taken_count));
}

/* All of `tensors` under `prefix` are in the trainer; read from there, or compared with it. */
static void each_tensor(const json_t *tensors, const char *prefix, bool is_check)
{
    const char *key;
    const json_t *value;
    size_t length = strlen(prefix);

    json_object_foreach((json_t *)(uintptr_t)tensors, key, value)
    {
        char name[128];
        uint64_t count;
        if (strncmp(key, prefix, length) != 0)
            continue;
        snprintf(name, sizeof(name), "model/%s", key + length);
        struct golden_array array = golden_array(value);
        float *data = sac_rig_tensor(&rig, name, &count);
        ck_assert_uint_eq(count, array.count);
        if (is_check)
            golden_check(&test, key, data, count);
        else
            memcpy(data, array.data, count * sizeof(float));
    }
}

START_TEST(updates_are_those_that_lerobot_makes)
{
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/lerobot_updates.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct pawl_trainer_report report;

        test = golden_case(&golden, i);
        open_lerobot();
        each_tensor(test.inputs, "P/", false);
        sac_rig_restore(&rig);
        for (double k = golden_param(&test, "updates"); k > 0.0; k -= 1.0)
            sac_rig_update(&rig, &report);
        for (uint32_t k = 0; k < report.figure_count; k++)
            if (json_object_get(test.expected, report.figures[k].name))
                check_figure(report.figures[k].name, report.figures[k].value);
        each_tensor(test.expected, "after/", true);
        sac_rig_close(&rig);
    }
    golden_close(&golden);
}
END_TEST

PAWL_TEST_MAIN("sac_update", the_networks_are_lerobots, the_critics_are_lerobots,
               an_optimization_step_is_lerobots, updates_are_those_that_lerobot_makes)
