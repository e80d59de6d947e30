/* pawl eval, as a shell starts it, on checkpoints that are written here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actor/env_registry.h"
#include "actor/play.h"
#include "policy/policy_cfg.h"
#include "runtime/json.h"
#include "runtime/run_cfg.h"
#include "runtime/safetensors.h"
#include "support/saved.h"
#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"

/* The car gains 0 where it does nothing and loses 0.1 a step where it pushes to one side. */
#define CONFIG                                                                                 \
    "[env]\ntype = \"mountain_car\"\nlanes = 2\n[policy]\ntype = \"sac\"\n"                    \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"

static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                      NULL};
static struct scratch scratch;

static int pawl(const char *words)
{
    return shell_run("cd %s && %s/pawl %s", scratch.path, PAWL_BIN_DIR, words);
}

static void assert_prints(const char *words, int exit_code, const char *part)
{
    SHELL_PRINTS(pawl(words), exit_code, part);
}

/* The tensors of a policy that always answers tanh(bias). */
static void write_model(const char *path, float bias)
{
    struct pawl_cfg_source source = {.path = scratch_path(&scratch, "run/config.toml"),
                                     .has_other_tables = true};
    struct pawl_play_cfg play_cfg = pawl_play_default_cfg();
    struct pawl_safetensors_layout layout;
    struct pawl_tensor tensors[64];
    struct pawl_cfg *cfg;
    struct pawl_play *play;
    struct pawl_err err = {0};
    size_t count;

    ck_assert_msg(pawl_cfg_open(&cfg, tables, &source, &err) == 0, "%s", err.text);
    play_cfg.cfg = cfg;
    play_cfg.lanes.ops = &pawl_env_mountain_car;
    play_cfg.policy = &pawl_sac_policy;
    ck_assert_msg(pawl_play_open(&play, &play_cfg, &err) == 0, "%s", err.text);
    const struct pawl_tensor *manifest = play->policy->ops->manifest(play->policy, &count);
    ck_assert_uint_le(count, 64);
    for (size_t i = 0; i < count; i++) {
        float *data = calloc(1, (1 << 16) * sizeof(float));
        tensors[i] = manifest[i];
        tensors[i].data = data;
        if (strcmp(manifest[i].name, "mean_layer.bias") == 0)
            data[0] = bias;
        else if (strcmp(manifest[i].name, "mean_layer.weight") != 0)
            play->policy->ops->init(play->policy, i, data);
        snprintf(tensors[i].name, sizeof(tensors[i].name), "actor.%.100s", manifest[i].name);
    }
    ck_assert_msg(pawl_safetensors_layout_open(&layout, tensors, count, NULL, 0, &err) == 0,
                  "%s", err.text);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < layout.part_count; i++)
        fwrite(layout.parts[i].iov_base, 1, layout.parts[i].iov_len, file);
    ck_assert_int_eq(fclose(file), 0);
    pawl_safetensors_layout_close(&layout);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)tensors[i].data);
    pawl_play_close(play);
    pawl_cfg_close(cfg);
}

static void open_run(float bias)
{
    static const char *const folders[] = {"run", "run/checkpoints", "run/checkpoints/000005",
                                          "run/checkpoints/000005/pretrained_model"};
    scratch_open(&scratch);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        ck_assert_int_eq(mkdir(scratch_path(&scratch, folders[i]), 0700), 0);
    scratch_write(scratch_path(&scratch, "run/config.toml"), CONFIG, strlen(CONFIG));
    write_model(
        scratch_path(&scratch, "run/checkpoints/000005/pretrained_model/model.safetensors"),
        bias);
}

static double number_of(const char *key)
{
    static const struct pawl_json_limits limits = {.bytes_max = SHELL_TEXT_BYTES,
                                                   .depth_max = 4};
    struct pawl_json doc;
    struct pawl_err err = {0};
    double value = NAN;
    int code = pawl_json_open_text(&doc, shell_text, strlen(shell_text), "out", &limits, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    struct pawl_json_at root = pawl_json_root(&doc);
    code = pawl_json_get_f64(&root, key, -1e9, 1e9, &value, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    pawl_json_close(&doc);
    return value;
}

START_TEST(what_the_checkpoint_learnt_is_what_acts)
{
    open_run(0.0f);
    ck_assert_int_eq(pawl("eval run/checkpoints/000005 --episodes=3 --json"), 0);
    ck_assert_double_eq_tol(number_of("return_mean"), 0.0, 1e-9);
    scratch_close(&scratch);
    open_run(20.0f);
    ck_assert_int_eq(pawl("eval run/checkpoints/000005/pretrained_model --episodes=3 --json"),
                     0);
    ck_assert_double_eq_tol(number_of("return_mean"), -99.9, 1e-4);
    ck_assert_double_eq_tol(number_of("return_low"), -99.9, 1e-4);
    ck_assert_double_eq(number_of("success_low"), 0.0);
    ck_assert_double_eq_tol(number_of("success_high"), 0.5615, 1e-4);
    ck_assert_double_eq(number_of("steps"), 3 * 999);
    scratch_close(&scratch);
}
END_TEST

START_TEST(people_read_a_few_lines)
{
    open_run(20.0f);
    assert_prints("eval run/checkpoints/000005 --episodes=2 --seed=4", 0,
                  "played      mountain_car, 2 episodes, seed 4, the most likely actions\n");
    ck_assert_ptr_nonnull(strstr(shell_text, "return      -99.9  [-99.9, -99.9]"));
    ck_assert_ptr_nonnull(strstr(shell_text, "0 of 2 episodes"));
    assert_prints("eval run/checkpoints/000005 env.steps_max=5", 0,
                  "mountain_car, 50 episodes,");
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_line_overrides_the_configuration_of_the_run)
{
    open_run(20.0f);
    ck_assert_int_eq(pawl("eval run/checkpoints/000005 --episodes=1 --json env.steps_max=50"),
                     0);
    ck_assert_double_eq(number_of("steps"), 50);
    scratch_close(&scratch);
}
END_TEST

START_TEST(sampled_actions_are_those_of_training)
{
    open_run(0.0f); /* the most likely action costs nothing, any other does */
    ck_assert_int_eq(pawl("eval run/checkpoints/000005 --episodes=1 --json --sample "
                          "env.steps_max=50"),
                     0);
    ck_assert_double_lt(number_of("return_mean"), -0.1);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_checkpoint_of_no_run_wants_a_configuration)
{
    open_run(20.0f);
    ck_assert_int_eq(rename(scratch_path(&scratch, "run/checkpoints/000005"),
                            scratch_path(&scratch, "loose")),
                     0);
    assert_prints("eval loose --episodes=1", 2, "--config=FILE");
    assert_prints("eval loose --episodes=1 --config=run/config.toml", 0, "return      -99.9");
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_does_not_fit_is_named_with_the_file)
{
    open_run(20.0f);
    assert_prints("eval run/checkpoints/000005 policy.sac.hidden='[16]'", 2,
                  "model.safetensors: tensor 'network.net.0.weight'");
    assert_prints("eval run/checkpoints/000005 policy.sac.hidden='[8, 8]'", 2,
                  "model.safetensors: no tensor actor.network.net.3.weight");
    ck_assert_ptr_nonnull(strstr(shell_text, "; its networks are others: policy.sac.hidden"));
    write_model(
        scratch_path(&scratch, "run/checkpoints/000005/pretrained_model/model.safetensors"),
        NAN);
    assert_prints("eval run/checkpoints/000005", 1, "actor.mean_layer.bias: number 0 is nan");
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_wrong_line_says_what_is_wanted)
{
    open_run(20.0f);
    assert_prints("eval", 2, "not complete");
    assert_prints("eval nowhere", 2, "No such file or directory; give a run folder");
    assert_prints("eval .", 2, "neither a run (no config.toml) nor a checkpoint");
    assert_prints("eval run/checkpoints/000005 --episodes=0", 2, "--episodes=0");
    assert_prints("eval run/checkpoints/000005 --seed=x", 2, "--seed=x");
    assert_prints("eval run/checkpoints/000005 env.lane=3", 2, "did you mean 'env.lanes'?");
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_without_a_checkpoint_fails_and_says_so)
{
    open_run(20.0f);
    assert_prints("eval run", 1, "nothing to evaluate yet");
    scratch_close(&scratch);
}
END_TEST

START_TEST(of_a_run_the_newest_valid_checkpoint_is_taken)
{
    open_run(20.0f);
    saved_seal(scratch_path(&scratch, "run/checkpoints/000005"), 5,
               "pretrained_model/model.safetensors");
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "run/checkpoints/000009"), 0700), 0);
    assert_prints("eval run --episodes=1", 0, "checkpoints/000005, update 5\n");
    ck_assert_ptr_nonnull(strstr(shell_text, "skipped: "));
    ck_assert_ptr_nonnull(strstr(shell_text, "000009"));
    assert_prints("eval run/checkpoints/000005 --episodes=1 --json", 0, "\"step\": 5");
    write_model(
        scratch_path(&scratch, "run/checkpoints/000005/pretrained_model/model.safetensors"),
        0.0f);
    assert_prints("eval run/checkpoints/000005 --episodes=1", 1, "CRC-32C");
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("eval", what_the_checkpoint_learnt_is_what_acts, people_read_a_few_lines,
               the_line_overrides_the_configuration_of_the_run,
               sampled_actions_are_those_of_training,
               a_checkpoint_of_no_run_wants_a_configuration,
               what_does_not_fit_is_named_with_the_file, a_wrong_line_says_what_is_wanted,
               a_run_without_a_checkpoint_fails_and_says_so,
               of_a_run_the_newest_valid_checkpoint_is_taken)
