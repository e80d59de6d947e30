/* eval.c: pawl eval: how good is what was learnt, and how sure is that. */
#include "pawl/eval.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "actor/actor_cfg.h"
#include "actor/env_cfg.h"
#include "actor/env_spec.h"
#include "pawl/eval_target.h"
#include "pawl/weights.h"
#include "policy/policy_cfg.h"
#include "runtime/clock.h"
#include "runtime/interval.h"
#include "runtime/json.h"
#include "runtime/run_cfg.h"

#define EPISODES_DEFAULT 50u
#define NUMBER_BYTES     330 /* the largest double with a decimal */

/* --- what a recording needs, too --- */

static _Atomic bool is_stopping;

static void on_signal(int signal)
{
    (void)signal;
    /* Relaxed: it is all there is to say. */
    atomic_store_explicit(&is_stopping, true, memory_order_relaxed);
}

int pawl_eval_play_cfg(struct pawl_play_cfg *play, const struct pawl_cfg *cfg,
                       enum pawl_lanes_role role, struct pawl_err *err)
{
    /* Once: a second signal ends the program at once. */
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    const struct pawl_env_cfg *env = pawl_cfg_fields(cfg, &pawl_env_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);
    struct pawl_env_spec spec;

    *play = pawl_play_default_cfg();
    play->cfg = cfg;
    play->policy = pawl_policies[policy->type];
    play->is_stopping = &is_stopping;
    int code = pawl_env_cfg_lanes(&play->lanes, cfg, NULL, err);
    play->lanes.role = role;
    if (code == 0)
        code = pawl_env_spec_read(&spec, play->lanes.ops, &play->lanes.args, err);
    if (code == 0 && (spec.flags & PAWL_ENV_REALTIME))
        code = pawl_actor_cfg_rate(&play->rate_hz, env, &spec, false, err);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return code;
}

int pawl_eval_take_options(struct pawl_cli *cli, struct pawl_play_cfg *play)
{
    int exit_code =
        pawl_cli_number(cli, "episodes", play->episode_count, 1, &play->episode_count);
    if (exit_code == PAWL_EXIT_DONE)
        exit_code = pawl_cli_number(cli, "seed", play->lanes.seed, 0, &play->lanes.seed);
    return exit_code;
}

int pawl_eval_exit_code(int code)
{
    switch (-code) {
    case 0:
        return PAWL_EXIT_DONE;
    case EINTR:
        return PAWL_EXIT_INTERRUPTED;
    case ENODEV:
    case ENXIO:
        return PAWL_EXIT_MISSING;
    default:
        return PAWL_EXIT_FAILED;
    }
}

/* --- what was seen --- */

struct eval {
    struct pawl_cli *cli;
    const struct pawl_cfg *cfg;
    const struct pawl_eval_target *target;
    const struct pawl_play_cfg *play;
    uint64_t episode_count, success_count, step_count;
    double return_mean, return_m2, return_min, return_max; /* m2: sum of squared differences */
    uint64_t length_min, length_max;
    uint64_t took_ns;
    bool is_unfit; /* the checkpoint is of another configuration */
};

static int take_episode(void *context, const struct pawl_play_episode *episode,
                        struct pawl_err *err)
{
    struct eval *eval = context;
    double value = episode->return_sum;
    (void)err;

    bool is_first = eval->episode_count++ == 0;
    double difference = value - eval->return_mean;
    eval->return_mean += difference / (double)eval->episode_count;
    eval->return_m2 += difference * (value - eval->return_mean);
    eval->return_min = is_first ? value : fmin(value, eval->return_min);
    eval->return_max = is_first ? value : fmax(value, eval->return_max);
    if (is_first || episode->step_count < eval->length_min)
        eval->length_min = episode->step_count;
    if (episode->step_count > eval->length_max)
        eval->length_max = episode->step_count;
    eval->success_count += episode->is_success;
    eval->step_count += episode->step_count;
    return 0;
}

struct figures {
    double sd;
    struct pawl_interval mean, success;
    double success_share, length_mean, steps_per_s;
};

static struct figures figures_of(const struct eval *eval)
{
    double count = (double)eval->episode_count;
    struct figures figures = {
        .sd = eval->episode_count > 1 ? sqrt(eval->return_m2 / (count - 1.0)) : 0.0,
        .success = pawl_interval_share(eval->success_count, eval->episode_count),
        .success_share = (double)eval->success_count / count,
        .length_mean = (double)eval->step_count / count,
        .steps_per_s =
            (double)eval->step_count * 1e9 / (double)(eval->took_ns ? eval->took_ns : 1),
    };
    figures.mean = pawl_interval_mean(eval->return_mean, figures.sd, eval->episode_count);
    return figures;
}

/* As exactly as somebody reads it. */
static const char *short_text(double value, char text[NUMBER_BYTES])
{
    snprintf(text, NUMBER_BYTES, fabs(value) >= 1000.0 ? "%.1f" : "%.4g", value);
    return text;
}

static void print_text(const struct eval *eval)
{
    char mean[NUMBER_BYTES], low[NUMBER_BYTES], high[NUMBER_BYTES], least[NUMBER_BYTES],
        most[NUMBER_BYTES];
    FILE *out = eval->cli->out;
    struct figures figures = figures_of(eval);
    const struct pawl_eval_target *target = eval->target;

    fprintf(out, "checkpoint  %s", target->checkpoint[0] ? target->checkpoint : target->model);
    if (target->has_step)
        fprintf(out, ", update %" PRIu64, target->step);
    fprintf(out, "\nplayed      %s, %" PRIu64 " episodes, seed %" PRIu64 ", %s\n",
            eval->play->lanes.ops->name, eval->episode_count, eval->play->lanes.seed,
            eval->play->is_greedy ? "the most likely actions" : "sampled actions");
    fprintf(out, "return      %s", short_text(eval->return_mean, mean));
    if (eval->episode_count > 1)
        fprintf(out, "  [%s, %s]  mean and its 95 %% interval; %s .. %s",
                short_text(figures.mean.low, low), short_text(figures.mean.high, high),
                short_text(eval->return_min, least), short_text(eval->return_max, most));
    fprintf(out, "\nsuccess     %.3g  [%.3g, %.3g]  %" PRIu64 " of %" PRIu64 " episodes\n",
            figures.success_share, figures.success.low, figures.success.high,
            eval->success_count, eval->episode_count);
    fprintf(out, "length      %s steps, %" PRIu64 " .. %" PRIu64 "\n",
            short_text(figures.length_mean, mean), eval->length_min, eval->length_max);
    fprintf(out, "speed       %.0f steps/s\n", figures.steps_per_s);
}

static int print_json(const struct eval *eval)
{
    struct pawl_json_writer json;
    struct figures figures = figures_of(eval);
    const struct pawl_eval_target *target = eval->target;

    pawl_cli_open_json(&json);
    pawl_json_begin_object(&json, NULL);
    pawl_json_put_string(&json, "checkpoint",
                         target->checkpoint[0] ? target->checkpoint : target->model);
    if (target->has_step)
        pawl_json_put_u64(&json, "step", target->step);
    pawl_json_put_string(&json, "env", eval->play->lanes.ops->name);
    pawl_json_put_string(&json, "policy", eval->play->policy->name);
    pawl_json_put_bool(&json, "is_greedy", eval->play->is_greedy);
    pawl_json_put_u64(&json, "seed", eval->play->lanes.seed);
    pawl_json_put_u64(&json, "episodes", eval->episode_count);
    pawl_json_put_u64(&json, "steps", eval->step_count);
    pawl_json_put_f64_or_null(&json, "return_mean", eval->return_mean);
    pawl_json_put_f64_or_null(&json, "return_low", figures.mean.low);
    pawl_json_put_f64_or_null(&json, "return_high", figures.mean.high);
    pawl_json_put_f64_or_null(&json, "return_sd", figures.sd);
    pawl_json_put_f64_or_null(&json, "return_min", eval->return_min);
    pawl_json_put_f64_or_null(&json, "return_max", eval->return_max);
    pawl_json_put_u64(&json, "success_count", eval->success_count);
    pawl_json_put_f64(&json, "success", figures.success_share);
    pawl_json_put_f64(&json, "success_low", figures.success.low);
    pawl_json_put_f64(&json, "success_high", figures.success.high);
    pawl_json_put_f64(&json, "length_mean", figures.length_mean);
    pawl_json_put_u64(&json, "length_min", eval->length_min);
    pawl_json_put_u64(&json, "length_max", eval->length_max);
    pawl_json_put_f64(&json, "steps_per_s", figures.steps_per_s);
    pawl_json_end(&json);
    return pawl_cli_print_json(eval->cli, &json);
}

/* --- the verb --- */

static int play(struct eval *eval, struct pawl_err *err)
{
    struct pawl_weights weights = {0};
    struct pawl_play *play = NULL;

    int code = pawl_play_open(&play, eval->play, err);
    if (code == 0)
        code = pawl_weights_open(&weights, eval->target->model, play->policy, err);
    eval->is_unfit = play && code == -EINVAL;
    if (code == 0 && play->policy->ops->manifest)
        code = play->policy->ops->bind(play->policy, weights.tensors, weights.count, err);
    uint64_t start_ns = pawl_clock_now_ns();
    if (code == 0)
        code = pawl_play_run(play, err);
    eval->took_ns = pawl_clock_now_ns() - start_ns;
    pawl_play_close(play);
    pawl_weights_close(&weights);
    return code;
}

static int evaluate(struct pawl_cli *cli, const struct pawl_eval_target *target,
                    const struct pawl_cfg *cfg)
{
    struct pawl_play_cfg play_cfg;
    struct eval eval = {.cli = cli, .cfg = cfg, .target = target, .play = &play_cfg};
    struct pawl_err err = {0};

    int code = pawl_eval_play_cfg(&play_cfg, cfg, PAWL_LANES_EVAL, &err);
    if (code != 0)
        return pawl_cli_fail(cli, pawl_eval_exit_code(code), "%s", err.text);
    play_cfg.is_greedy = !pawl_cli_has(cli, "sample");
    play_cfg.on_episode = take_episode;
    play_cfg.context = &eval;
    play_cfg.episode_count = EPISODES_DEFAULT;
    int exit_code = pawl_eval_take_options(cli, &play_cfg);
    if (exit_code != PAWL_EXIT_DONE)
        return exit_code;
    code = play(&eval, &err);
    if (eval.episode_count > 0 && (code == 0 || code == -EINTR)) {
        if (pawl_cli_has(cli, "json"))
            exit_code = print_json(&eval);
        else
            print_text(&eval);
    }
    if (code != 0)
        exit_code = eval.is_unfit ? PAWL_EXIT_USAGE : pawl_eval_exit_code(code);
    return code ? pawl_cli_fail(cli, exit_code, "%s", err.text) : exit_code;
}

static int run_eval(struct pawl_cli *cli, int argc, char **argv)
{
    const char *config = pawl_cli_value(cli, "config");
    struct pawl_eval_target target;
    struct pawl_cfg *cfg;
    struct pawl_err err = {0};
    (void)argc;

    int code = pawl_eval_target_find(&target, argv[0], cli->err, &err);
    if (code != 0)
        return pawl_cli_fail(
            cli, code == -ENOENT || code == -ENOTDIR ? PAWL_EXIT_USAGE : PAWL_EXIT_FAILED, "%s",
            err.text);
    if (!config && !target.config[0])
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "%s: lies in no run, so nothing says which environment it is for: "
                             "give its configuration by --config=FILE",
                             argv[0]);
    int exit_code = pawl_cli_open_cfg(cli, config ? config : target.config, &cfg);
    if (exit_code == PAWL_EXIT_DONE)
        exit_code = evaluate(cli, &target, cfg);
    pawl_cfg_close(cfg);
    return exit_code;
}

static const struct pawl_cli_option eval_options[] = {
    {.name = "episodes", .value = "N", .help = "How many are played; 50."},
    {.name = "seed", .value = "N", .help = "Of the episodes, instead of run.seed."},
    {.name = "sample", .help = "Sample actions as in training, not the most likely ones."},
    {.name = "config", .value = "FILE", .help = "Of a checkpoint that lies in no run."},
    {.name = "json", .help = "Print JSON."},
};

const struct pawl_cli_verb pawl_verb_eval = {
    .name = "eval",
    .help = "See how good a run or a checkpoint is.",
    .operands = "RUN|CHECKPOINT",
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .options = eval_options,
    .option_count = sizeof(eval_options) / sizeof(eval_options[0]),
    .operand_min = 1,
    .operand_max = 1,
    .takes_config = true,
    .details =
        "Of a run the newest valid checkpoint is taken, also while it goes on. The "
        "configuration is the run's, with what is overridden on this line. The episodes are "
        "none of those that were trained on; the same seed gives the same ones, however many "
        "env.lanes play them. Printed are the mean return with its 95 % interval (Student's "
        "t), the share of successes with Wilson's, lengths and speed.\n"
        "\n"
        "Exit codes: 0 done, 1 failed (no valid checkpoint), 2 the line or the configuration "
        "is "
        "wrong, or not the checkpoint's, 3 a device is missing, 130 stopped: what had ended is "
        "printed.",
    .run = run_eval,
};
