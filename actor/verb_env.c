/* verb_env.c: pawl env: what environments there are, whether one keeps its promises, how fast
 * it is. */
#include "actor/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_cfg.h"
#include "actor/env_check.h"
#include "actor/env_spec.h"
#include "actor/record.h"
#include "policy/policy.h"
#include "runtime/clock.h"
#include "runtime/json.h"
#include "runtime/print.h"
#include "runtime/run_cfg.h"

#define STEPS_DEFAULT      1000u
#define EPISODES_SHOWN_MAX 1000u
#define POLICY_DEFAULT     "random"
#define CELL_BYTES         160
#define OBS_FIELD_BYTES    (PAWL_ENV_NAME_MAX + PAWL_ENV_TYPE_TEXT_BYTES)
#define OBS_BYTES          (PAWL_ENV_FIELDS_MAX * OBS_FIELD_BYTES)

/* Of `pawl env list`. */
#define NAME_COLUMNS   13
#define OBS_COLUMNS    24
#define ACTION_COLUMNS 24

/* A device that is missing is another exit code than one that is broken. */
static int exit_code_of(int code)
{
    return code == -ENODEV || code == -ENOENT || code == -ENXIO ? PAWL_EXIT_MISSING
                                                                : PAWL_EXIT_FAILED;
}

/* --- pawl env list --- */

static void obs_text(const struct pawl_env_spec *spec, char text[OBS_BYTES])
{
    char type[PAWL_ENV_TYPE_TEXT_BYTES];
    int length = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < spec->obs_count && length < (int)OBS_BYTES; i++) {
        pawl_env_field_type_text(&spec->obs[i], type);
        length += snprintf(text + length, OBS_BYTES - (size_t)length, "%s%s %s", i ? ", " : "",
                           spec->obs[i].name, type);
    }
}

static void action_text(const struct pawl_env_spec *spec, char text[CELL_BYTES])
{
    size_t count = pawl_env_field_count(&spec->action);

    if (spec->choice_count && count == 1)
        snprintf(text, CELL_BYTES, "one of %u", spec->choice_count);
    else if (spec->choice_count)
        snprintf(text, CELL_BYTES, "%zu numbers, one of %u", count - 1, spec->choice_count);
    else
        snprintf(text, CELL_BYTES, "%zu in %g .. %g", count,
                 (double)pawl_env_field_low(&spec->action, 0),
                 (double)pawl_env_field_high(&spec->action, 0));
}

static void limit_text(const struct pawl_env_spec *spec, char text[CELL_BYTES])
{
    if (spec->steps_max)
        snprintf(text, CELL_BYTES, "%u", spec->steps_max);
    else
        snprintf(text, CELL_BYTES, "none");
}

static void put_json(struct pawl_json_writer *json, const struct pawl_env_entry *entry,
                     const struct pawl_env_spec *spec)
{
    char type[PAWL_ENV_TYPE_TEXT_BYTES];

    pawl_json_begin_object(json, NULL);
    pawl_json_put_string(json, "name", entry->ops->name);
    pawl_json_put_string(json, "help", entry->ops->help);
    pawl_json_begin_object(json, "obs");
    for (uint32_t i = 0; i < spec->obs_count; i++) {
        pawl_env_field_type_text(&spec->obs[i], type);
        pawl_json_put_string(json, spec->obs[i].name, type);
    }
    pawl_json_end(json);
    pawl_json_put_u64(json, "action_count", pawl_env_field_count(&spec->action));
    pawl_json_put_u64(json, "choice_count", spec->choice_count);
    pawl_json_put_u64(json, "steps_max", spec->steps_max);
    pawl_json_put_f64(json, "rate_hz", (double)spec->rate_hz);
    pawl_json_end(json);
}

/* Two lines, or more where an observation has many fields: none is wider than a help text. */
static void print_entry(struct pawl_cli *cli, const struct pawl_env_entry *entry,
                        const struct pawl_env_spec *spec)
{
    char obs[OBS_BYTES], action[CELL_BYTES], limit[CELL_BYTES];

    obs_text(spec, obs);
    action_text(spec, action);
    limit_text(spec, limit);
    fprintf(cli->out, "%-*s ", NAME_COLUMNS, entry->ops->name);
    if (strlen(obs) <= OBS_COLUMNS) {
        fprintf(cli->out, "%-*s ", OBS_COLUMNS, obs);
    } else {
        pawl_print_wrapped(cli->out, obs, NAME_COLUMNS + 1, NAME_COLUMNS + 1, "");
        fprintf(cli->out, "%*s", NAME_COLUMNS + 1 + OBS_COLUMNS + 1, "");
    }
    fprintf(cli->out, "%-*s %s\n", ACTION_COLUMNS, action, limit);
    pawl_print_wrapped(cli->out, entry->ops->help, 0, NAME_COLUMNS + 1, "");
}

static int list(struct pawl_cli *cli, const struct pawl_cfg *cfg, struct pawl_json_writer *json)
{
    if (!json)
        fprintf(cli->out, "%-*s %-*s %-*s %s\n", NAME_COLUMNS, "NAME", OBS_COLUMNS,
                "OBSERVATION", ACTION_COLUMNS, "ACTION", "LIMIT");
    for (const struct pawl_env_entry *entry = pawl_env_entries; entry->ops; entry++) {
        struct pawl_env_args args;
        struct pawl_env_spec spec;
        struct pawl_err err = {0};
        if (pawl_env_cfg_args(&args, cfg, entry, &err) != 0 ||
            pawl_env_spec_read(&spec, entry->ops, &args, &err) != 0)
            return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
        if (json)
            put_json(json, entry, &spec);
        else
            print_entry(cli, entry, &spec);
    }
    return PAWL_EXIT_DONE;
}

static int run_list(struct pawl_cli *cli, int argc, char **argv)
{
    struct pawl_cfg *cfg;
    struct pawl_json_writer json;
    (void)argc;
    (void)argv;
    int code = pawl_cli_open_cfg(cli, NULL, &cfg);
    if (code == PAWL_EXIT_DONE && pawl_cli_has(cli, "json")) {
        pawl_cli_open_json(&json);
        pawl_json_begin_array(&json, NULL);
        code = list(cli, cfg, &json);
        pawl_json_end(&json);
        if (code == PAWL_EXIT_DONE)
            code = pawl_cli_print_json(cli, &json);
        else
            pawl_json_close_writer(&json);
    } else if (code == PAWL_EXIT_DONE) {
        code = list(cli, cfg, NULL);
    }
    pawl_cfg_close(cfg);
    return code;
}

/* --- pawl env check --- */

static const char *const verdicts[] = {"ok", "BAD", "skipped"};

static void print_check(struct pawl_cli *cli, const struct pawl_env_check *check)
{
    for (uint32_t i = 0; i < check->item_count; i++)
        fprintf(cli->out, "%-12s %-8s %s\n", check->items[i].name,
                verdicts[check->items[i].verdict], check->items[i].text);
}

static int print_check_json(struct pawl_cli *cli, const char *name,
                            const struct pawl_env_check *check)
{
    struct pawl_json_writer json;

    pawl_cli_open_json(&json);
    pawl_json_begin_object(&json, NULL);
    pawl_json_put_string(&json, "name", name);
    pawl_json_put_u64(&json, "bad_count", check->bad_count);
    pawl_json_put_f64(&json, "steps_per_s", check->steps_per_s);
    pawl_json_put_f64(&json, "resets_per_s", check->resets_per_s);
    pawl_json_begin_array(&json, "checks");
    for (uint32_t i = 0; i < check->item_count; i++) {
        pawl_json_begin_object(&json, NULL);
        pawl_json_put_string(&json, "name", check->items[i].name);
        pawl_json_put_string(&json, "verdict", verdicts[check->items[i].verdict]);
        pawl_json_put_string(&json, "text", check->items[i].text);
        pawl_json_end(&json);
    }
    pawl_json_end(&json);
    pawl_json_end(&json);
    return pawl_cli_print_json(cli, &json);
}

static int check(struct pawl_cli *cli, const struct pawl_cfg *cfg,
                 const struct pawl_env_entry *entry)
{
    const struct pawl_run_cfg *run = pawl_cfg_fields(cfg, &pawl_run_table);
    struct pawl_env_check_cfg check_cfg = pawl_env_check_default_cfg();
    struct pawl_env_check result;
    struct pawl_err err = {0};
    int code = PAWL_EXIT_DONE;

    check_cfg.ops = entry->ops;
    check_cfg.seed = (uint64_t)run->seed;
    if (pawl_env_cfg_args(&check_cfg.args, cfg, entry, &err) != 0)
        return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    pawl_env_check_run(&result, &check_cfg);
    if (pawl_cli_has(cli, "json"))
        code = print_check_json(cli, entry->ops->name, &result);
    else
        print_check(cli, &result);
    if (code != PAWL_EXIT_DONE || result.bad_count == 0)
        return code;
    return pawl_cli_fail(cli,
                         result.open_code ? exit_code_of(result.open_code) : PAWL_EXIT_FAILED,
                         "%s: %u of %u promises are not kept", entry->ops->name,
                         result.bad_count, result.item_count);
}

static int run_check(struct pawl_cli *cli, int argc, char **argv)
{
    struct pawl_cfg *cfg;
    (void)argc;
    int code = pawl_cli_open_cfg(cli, NULL, &cfg);
    if (code == PAWL_EXIT_DONE)
        code = check(cli, cfg, pawl_env_find(argv[0]));
    pawl_cfg_close(cfg);
    return code;
}

/* --- pawl env run --- */

struct run {
    struct pawl_cli *cli;
    struct pawl_json_writer *json; /* NULL: text */
    struct pawl_lanes *lanes;
    struct pawl_policy *policy;
    struct pawl_record_layout layout;
    unsigned char **records; /* one for each lane; what follows an action replaces it */
    float *action;           /* in units of the environment */
    uint64_t step_count, steps_max;
    uint64_t episode_count, success_count;
    double return_sum, return_min, return_max;
};

/* The policy, and one block for the records of all lanes, which *memory owns. */
static int open_policy(struct run *run, const struct pawl_policy_ops *ops,
                       const struct pawl_cfg *cfg, const struct pawl_lanes_cfg *lanes_cfg,
                       void **memory, struct pawl_err *err)
{
    const struct pawl_env_spec *spec = pawl_lanes_spec(run->lanes);
    size_t lane_count = pawl_lanes_count(run->lanes);
    struct pawl_policy_setup setup = {
        .cfg = cfg,
        .choice_count = spec->choice_count,
        .lane_count = (uint32_t)lane_count,
        .lane_first = lanes_cfg->index_first,
        .seed = lanes_cfg->seed,
    };

    *memory = NULL;
    int code = pawl_record_layout_make(&run->layout, spec, ops, &setup, err);
    if (code != 0)
        return code;
    setup.spec = &run->layout.spec;
    size_t record_bytes = (run->layout.record_bytes + 63) / 64 * 64;
    size_t action_bytes = (pawl_env_field_bytes(&spec->action) + 63) / 64 * 64;
    size_t pointer_bytes = (lane_count * sizeof(run->records[0]) + 63) / 64 * 64;
    size_t total_bytes = lane_count * record_bytes + action_bytes + pointer_bytes;
    unsigned char *block = aligned_alloc(64, total_bytes);
    if (!block)
        return pawl_err_set(err, ENOMEM, "%zu records of %zu bytes: out of memory", lane_count,
                            record_bytes);
    memset(block, 0, total_bytes);
    *memory = block;
    run->action = (float *)(void *)(block + lane_count * record_bytes);
    run->records = (unsigned char **)(void *)(block + lane_count * record_bytes + action_bytes);
    for (size_t lane = 0; lane < lane_count; lane++)
        run->records[lane] = block + lane * record_bytes;
    return ops->open(&run->policy, &setup, err);
}

static void end_episode(struct run *run, const struct pawl_lane *lane,
                        const struct pawl_env_step *step)
{
    bool is_first = run->episode_count++ == 0;

    run->success_count += lane->is_success;
    run->return_sum += lane->return_sum;
    if (is_first || lane->return_sum < run->return_min)
        run->return_min = lane->return_sum;
    if (is_first || lane->return_sum > run->return_max)
        run->return_max = lane->return_sum;
    if (run->episode_count > EPISODES_SHOWN_MAX)
        return;
    const char *end = step->terminated ? "terminated" : "truncated";
    if (!run->json) {
        fprintf(run->cli->out,
                "lane %" PRIu32 " episode %" PRIu64 " seed %" PRIu64 ": return %.6g in %" PRIu32
                " steps, %s%s\n",
                lane->lane_index, lane->episode_index, lane->episode_seed, lane->return_sum,
                lane->step_index, end, lane->is_success ? ", success" : "");
        return;
    }
    char seed[24]; /* as text: our reader, and others, have no integers of 64 bits */
    snprintf(seed, sizeof(seed), "%" PRIu64, lane->episode_seed);
    pawl_json_begin_object(run->json, NULL);
    pawl_json_put_u64(run->json, "lane", lane->lane_index);
    pawl_json_put_u64(run->json, "episode", lane->episode_index);
    pawl_json_put_string(run->json, "seed", seed);
    pawl_json_put_u64(run->json, "steps", lane->step_index);
    pawl_json_put_f64_or_null(run->json, "return", lane->return_sum);
    pawl_json_put_string(run->json, "end", end);
    pawl_json_put_bool(run->json, "success", lane->is_success);
    pawl_json_end(run->json);
}

static int begin_lane(struct run *run, uint32_t lane, struct pawl_err *err)
{
    void *obs[PAWL_ENV_FIELDS_MAX];

    if (pawl_lanes_get(run->lanes, lane)->is_running)
        return 0;
    pawl_record_obs(&run->layout, run->records[lane], obs);
    return pawl_lanes_begin(run->lanes, lane, obs, err);
}

static int step_lane(struct run *run, uint32_t lane, struct pawl_err *err)
{
    const struct pawl_env_spec *spec = pawl_lanes_spec(run->lanes);
    const struct pawl_lane *state = pawl_lanes_get(run->lanes, lane);
    struct pawl_env_step step;
    void *obs[PAWL_ENV_FIELDS_MAX];

    pawl_record_obs(&run->layout, run->records[lane], obs);
    pawl_env_action_from_units(run->action, spec,
                               pawl_record_action(&run->layout, run->records[lane]));
    int code = pawl_lanes_step(run->lanes, lane, run->action, obs, &step, err);
    if (code != 0)
        return code;
    run->step_count++;
    int bad = pawl_env_obs_find_bad(spec, obs);
    if (bad >= 0)
        return pawl_env_obs_explain(spec, obs, bad, err);
    if (state->has_ended)
        end_episode(run, state, &step);
    return 0;
}

/* One step of every lane, or of the first ones when no more are wanted. */
static int round_of_steps(struct run *run, struct pawl_err *err)
{
    uint32_t lane_count = pawl_lanes_count(run->lanes);
    int code = 0;

    for (uint32_t i = 0; code == 0 && i < lane_count; i++)
        code = begin_lane(run, i, err);
    if (code == 0)
        run->policy->ops->act(run->policy, run->records, lane_count);
    for (uint32_t i = 0; code == 0 && i < lane_count && run->step_count < run->steps_max; i++)
        code = step_lane(run, i, err);
    return code;
}

static void print_end(const struct run *run, uint64_t took_ns)
{
    double steps_per_s = (double)run->step_count * 1e9 / (double)(took_ns ? took_ns : 1);
    double count = (double)(run->episode_count ? run->episode_count : 1);
    FILE *out = run->cli->out;

    if (run->json) {
        pawl_json_put_u64(run->json, "steps", run->step_count);
        pawl_json_put_u64(run->json, "episode_count", run->episode_count);
        pawl_json_put_u64(run->json, "success_count", run->success_count);
        pawl_json_put_f64_or_null(run->json, "return_mean", run->return_sum / count);
        pawl_json_put_f64_or_null(run->json, "return_min", run->return_min);
        pawl_json_put_f64_or_null(run->json, "return_max", run->return_max);
        pawl_json_put_f64(run->json, "steps_per_s", steps_per_s);
        return;
    }
    if (run->episode_count > EPISODES_SHOWN_MAX)
        fprintf(out, "... and %" PRIu64 " episodes more\n",
                run->episode_count - EPISODES_SHOWN_MAX);
    if (run->episode_count)
        fprintf(out,
                "%" PRIu64 " episodes: return %.6g mean, %.6g .. %.6g; %" PRIu64 " solved\n",
                run->episode_count, run->return_sum / count, run->return_min, run->return_max,
                run->success_count);
    fprintf(out, "%" PRIu64 " steps, %.0f steps/s\n", run->step_count, steps_per_s);
}

static int steps(struct run *run, struct pawl_err *err)
{
    uint64_t start_ns = pawl_clock_now_ns();
    int code = 0;

    if (run->json)
        pawl_json_begin_array(run->json, "episodes");
    while (code == 0 && run->step_count < run->steps_max)
        code = round_of_steps(run, err);
    uint64_t took_ns = pawl_clock_now_ns() - start_ns;
    if (run->json)
        pawl_json_end(run->json);
    if (code == 0)
        print_end(run, took_ns);
    return code;
}

static int run_lanes(struct pawl_cli *cli, const struct pawl_cfg *cfg,
                     const struct pawl_policy_ops *policy,
                     const struct pawl_lanes_cfg *lanes_cfg, uint64_t steps_max)
{
    struct run run = {.cli = cli, .steps_max = steps_max};
    struct pawl_json_writer json;
    struct pawl_err err = {0};
    void *memory;

    int code = pawl_lanes_open(&run.lanes, lanes_cfg, &err);
    if (code != 0)
        return pawl_cli_fail(cli, exit_code_of(code), "%s", err.text);
    if (pawl_cli_has(cli, "json")) {
        run.json = &json;
        pawl_cli_open_json(&json);
        pawl_json_begin_object(&json, NULL);
        pawl_json_put_string(&json, "name", lanes_cfg->ops->name);
        pawl_json_put_string(&json, "policy", policy->name);
    }
    code = open_policy(&run, policy, cfg, lanes_cfg, &memory, &err);
    if (code == 0)
        code = steps(&run, &err);
    policy->close(run.policy);
    pawl_lanes_close(run.lanes);
    free(memory);
    int exit_code = PAWL_EXIT_DONE;
    if (code != 0)
        exit_code = pawl_cli_fail(cli, exit_code_of(code), "%s", err.text);
    if (run.json && code == 0) {
        pawl_json_end(&json);
        exit_code = pawl_cli_print_json(cli, &json);
    } else if (run.json) {
        pawl_json_close_writer(&json);
    }
    return exit_code;
}

static int run_run(struct pawl_cli *cli, int argc, char **argv)
{
    const struct pawl_env_entry *entry = pawl_env_find(argv[0]);
    const char *policy_name = pawl_cli_value(cli, "policy");
    const struct pawl_policy_ops *policy = NULL;
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();
    struct pawl_cfg *cfg = NULL;
    struct pawl_err err = {0};
    uint64_t steps_max;
    (void)argc;

    int code = pawl_cli_number(cli, "steps", STEPS_DEFAULT, 1, &steps_max);
    if (code == PAWL_EXIT_DONE)
        code = pawl_cli_open_cfg(cli, NULL, &cfg);
    if (code == PAWL_EXIT_DONE && pawl_env_cfg_lanes(&lanes_cfg, cfg, entry, &err) != 0)
        code = pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    if (code == PAWL_EXIT_DONE)
        code = pawl_cli_number(cli, "seed", lanes_cfg.seed, 0, &lanes_cfg.seed);
    if (code == PAWL_EXIT_DONE &&
        !(policy = pawl_policy_find(policy_name ? policy_name : POLICY_DEFAULT, &err)))
        code = pawl_cli_fail(cli, PAWL_EXIT_USAGE, "%s", err.text);
    if (code == PAWL_EXIT_DONE)
        code = run_lanes(cli, cfg, policy, &lanes_cfg, steps_max);
    pawl_cfg_close(cfg);
    return code;
}

const struct pawl_cli_verb pawl_verb_env = {
    .name = "env",
    .help = "List, check and try environments.",
};

static const struct pawl_cli_option json_options[] = {
    {.name = "json", .help = "Print JSON."},
};

const struct pawl_cli_verb pawl_verb_env_list = {
    .name = "env list",
    .help = "What environments there are.",
    .details = "For each: what it shows, what it takes, after how many steps an episode "
               "is cut off, and below it what it is.",
    .options = json_options,
    .option_count = 1,
    .takes_config = true,
    .run = run_list,
};

const struct pawl_cli_verb pawl_verb_env_check = {
    .name = "env check",
    .help = "See whether an environment keeps its promises.",
    .operands = "NAME",
    .operand_choices = pawl_env_names,
    .details =
        "The table of functions and the spec; every number of thousands of observations; "
        "the same seed three times, and other seeds; memory and descriptors over 10,000 "
        "resets; the speed on one thread. Where something real moves, only a few steps "
        "without an action are made. The exit code is 0 when all is well, 1 when "
        "a promise is broken, 3 when a device is missing.",
    .options = json_options,
    .option_count = 1,
    .operand_min = 1,
    .operand_max = 1,
    .takes_config = true,
    .run = run_check,
};

/* Those of pawl_policies that act without parameters. */
static const char *const policies[] = {POLICY_DEFAULT, "null", NULL};

static const struct pawl_cli_option run_options[] = {
    {.name = "steps", .value = "N", .help = "How many in all lanes together; 1000."},
    {.name = "policy",
     .value = "POLICY",
     .choices = policies,
     .help =
         "random acts uniformly within the bounds, and is what is used when nothing is said; "
         "null keeps to the middle of the bounds, or to choice 0."},
    {.name = "seed", .value = "N", .help = "Of actions and episodes, instead of run.seed."},
    {.name = "json", .help = "Print JSON."},
};

const struct pawl_cli_verb pawl_verb_env_run = {
    .name = "env run",
    .help = "Run an environment without learning.",
    .operands = "NAME",
    .operand_choices = pawl_env_names,
    .details = "Prints the return of each episode that ended, and steps per second on one "
               "thread. The same seed gives the same episodes.",
    .options = run_options,
    .option_count = sizeof(run_options) / sizeof(run_options[0]),
    .operand_min = 1,
    .operand_max = 1,
    .takes_config = true,
    .run = run_run,
};
