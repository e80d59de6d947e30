/* train.c: pawl train, learner and actor: from the command line to a run. */
#include "pawl/train.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor/actor_cfg.h"
#include "learner/learner_cfg.h"
#include "learner/replay_cfg.h"
#include "pawl/join.h"
#include "pawl/run.h"
#include "pawl/start_from.h"
#include "policy/policy_cfg.h"

/* On top of what the run begins with; says what that changed, and what it could not. */
static int open_new(struct pawl_cli *cli, const char *path, struct pawl_cfg **cfg)
{
    static struct pawl_start_from from;
    struct pawl_cfg *part;
    struct pawl_err err = {0};
    *cfg = NULL;
    int code = pawl_cli_open_cfg_part(cli, path, &part);
    if (code == PAWL_EXIT_DONE && pawl_start_from_read(&from, part, &err) != 0)
        code = pawl_cli_fail(cli, PAWL_EXIT_USAGE, "%s", err.text);
    if (code == PAWL_EXIT_DONE)
        code = pawl_cli_open_cfg_on(cli, &from.base, path, cfg);
    if (code == PAWL_EXIT_DONE)
        fputs(from.words.note, cli->out);
    if (code == PAWL_EXIT_DONE && pawl_cfg_diff(part, *cfg, cli->out) > 0)
        fprintf(cli->out, "so says the checkpoint; a key that is given has the last word\n");
    if (code == PAWL_EXIT_DONE)
        code = pawl_cli_look(cli, *cfg);
    pawl_cfg_close(part);
    return code;
}

static bool is_of_line(const struct pawl_cfg *cfg, const char *key)
{
    char origin[PATH_MAX];
    pawl_cfg_origin(cfg, key, origin, sizeof(origin));
    return strcmp(origin, "command line") == 0;
}

/* What a run that has begun takes no notice of, or can do nothing with: said, not stored. */
static void refuse_late(struct pawl_cfg *cfg, const struct pawl_cfg *before, const char *run)
{
    const struct pawl_learner_cfg *learner = pawl_cfg_fields(cfg, &pawl_learner_table);
    const struct pawl_replay_cfg *replay = pawl_cfg_fields(cfg, &pawl_replay_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);
    const struct pawl_policy_cfg *old_policy = pawl_cfg_fields(before, &pawl_policy_table);
    const struct pawl_replay_cfg *old = pawl_cfg_fields(before, &pawl_replay_table);
    if (is_of_line(cfg, "policy.type") && policy->type != old_policy->type)
        pawl_cfg_refuse(cfg, "policy.type", EINVAL, "leave it out, or begin a new run with it",
                        "the run has begun with another, whose checkpoints are no use to it");
    if (is_of_line(cfg, "run.dir"))
        pawl_cfg_refuse(cfg, "run.dir", EINVAL, "leave it out",
                        "the run stays in its folder, %s", run);
    if (is_of_line(cfg, "learner.start_from") && learner->start_from[0])
        pawl_cfg_refuse(cfg, "learner.start_from", EINVAL,
                        "leave it out, or begin a new run with it",
                        "the run has begun and goes on from its own checkpoint");
    if (is_of_line(cfg, "replay.offline") && old->offline[0] && old->journal &&
        strcmp(old->offline, replay->offline) != 0)
        pawl_cfg_refuse(cfg, "replay.offline", EINVAL,
                        "leave it out; replay.offline_ratio says how much of a batch is theirs",
                        "the run has its demonstrations already, those of %s", old->offline);
}

/* What the line overrides is looked at, not what the run has had all along. */
static int open_resumed(struct pawl_cli *cli, const char *path, const char *run,
                        struct pawl_cfg **cfg, struct pawl_cfg **before)
{
    const struct pawl_cfg_source source = {.path = path};
    struct pawl_err err = {0};
    int code = pawl_cli_open_cfg(cli, path, cfg);
    if (code != PAWL_EXIT_DONE)
        return code;
    if (pawl_cfg_open(before, cli->program->tables, &source, &err) != 0)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "%s", err.text);
    refuse_late(*cfg, *before, run);
    return pawl_cli_look_given(cli, *cfg);
}

/* Starts a run of this file, or goes on with the one that has it. Nothing has been started or
 * made when the configuration is wrong. */
static int run_file(struct pawl_cli *cli, const char *path, const char *resumed_path,
                    bool has_actors)
{
    struct pawl_cfg *cfg, *before = NULL;
    int exit_code = resumed_path ? open_resumed(cli, path, resumed_path, &cfg, &before)
                                 : open_new(cli, path, &cfg);
    if (exit_code == PAWL_EXIT_DONE) {
        const struct pawl_actor_cfg *actor = pawl_cfg_fields(cfg, &pawl_actor_table);
        const struct pawl_run_order order = {
            .cli = cli,
            .cfg = cfg,
            .actor_count = has_actors ? (uint32_t)actor->count : 0,
            .actor_count_min = has_actors ? (uint32_t)actor->min_count : 0,
            .resumed_path = resumed_path,
            .cfg_before = before,
        };
        exit_code = pawl_run_do(&order);
    }
    pawl_cfg_close(before);
    pawl_cfg_close(cfg);
    return exit_code;
}

/* The run that a folder is in, RUN of RUN/checkpoints/last say; false where it is in none. */
static bool find_run_of(const char *path, char run[PATH_MAX])
{
    char whole[PATH_MAX], config[PATH_MAX + 16];
    if (!realpath(path, whole))
        return false;
    for (char *slash; (slash = strrchr(whole, '/')) != NULL && slash > whole;) {
        *slash = '\0';
        snprintf(config, sizeof(config), "%s/config.toml", whole);
        snprintf(run, PATH_MAX, "%s", whole);
        if (access(config, R_OK) == 0)
            return true;
    }
    return false;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* A run, or something in one, in the place of a file. */
static int fail_folder(const struct pawl_cli *cli, const char *typed)
{
    char path[PATH_MAX], config[PATH_MAX + 16], run[PATH_MAX];
    pawl_cli_folder(typed, path);
    snprintf(config, sizeof(config), "%s/config.toml", path);
    if (access(config, R_OK) == 0)
        return pawl_cli_fail(
            cli, PAWL_EXIT_USAGE,
            "%s is a run: --resume=%s goes on with it, and %s begins a new one "
            "like it",
            path, path, config);
    if (find_run_of(path, run))
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "%s is in a run: --resume=%s goes on with it", path, run);
    return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                         "%s is a folder; a configuration is a file (there are some in "
                         "configs/)",
                         path);
}

/* A new run of CONFIG, or one that was there before. */
static int start(struct pawl_cli *cli, int argc, char **argv, bool has_actors)
{
    const char *typed = pawl_cli_value(cli, "resume");
    char folder[PATH_MAX], path[PATH_MAX], above[PATH_MAX];
    const char *run = typed ? pawl_cli_folder(typed, folder) : NULL;
    if (!run && argc == 1 && is_folder(argv[0]))
        return fail_folder(cli, argv[0]);
    if (!run && argc == 1)
        return run_file(cli, argv[0], NULL, has_actors);
    if (!run)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "say what to run: a configuration file (there are some in "
                             "configs/), or --resume=RUN, the folder of a run to go on with");
    if (argc == 1)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "'%s' and --resume=%s: a run goes on with its own config.toml; "
                             "override keys of it by KEY=VALUE",
                             argv[0], run);
    if ((size_t)snprintf(path, sizeof(path), "%s/config.toml", run) >= sizeof(path))
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "--resume=%.60s...: the path is too long",
                             run);
    if (access(path, R_OK) != 0 && find_run_of(run, above))
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "--resume=%s: that is no run but in one: --resume=%s goes on with "
                             "it, from its newest valid checkpoint",
                             run, above);
    if (access(path, R_OK) != 0)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "--resume=%s: %s: %s; give the run folder that 'pawl %s' printed",
                             run, path, strerror(errno), cli->verb->name);
    return run_file(cli, path, run, has_actors);
}

static int run_train(struct pawl_cli *cli, int argc, char **argv)
{
    return start(cli, argc, argv, true);
}

static int run_learner(struct pawl_cli *cli, int argc, char **argv)
{
    return start(cli, argc, argv, false);
}

static int run_actor(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const char *folder = pawl_cli_value(cli, "join");
    char path[PATH_MAX];
    if (!folder)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "say which run: --join=RUN, the folder that 'pawl train' or 'pawl "
                             "learner' printed");
    return pawl_join_do(cli, pawl_cli_folder(folder, path));
}

#define EXIT_CODES                                                                             \
    "Exit codes: 0 done, 1 failed, 2 what was typed is wrong, 3 the machine lacks something, " \
    "4 a "                                                                                     \
    "process died for good, 130 stopped and all have ended in order. A run that fails "        \
    "repeats "                                                                                 \
    "its first error in its last line and in exit.json."

static const struct pawl_cli_option start_options[] = {
    {.name = "resume",
     .value = "RUN",
     .help = "Go on with the run in this folder, from its newest valid checkpoint."},
};

#define RESUME                                                                                 \
    "With --resume there is no CONFIG: the run goes on in its own folder and by its own "      \
    "config.toml, with what is overridden on this line, from the newest checkpoint whose "     \
    "every byte is as it was written; one that is not is skipped with a sentence. Where "      \
    "there is none the exit code is 1: a run never begins anew by itself. The files of the "   \
    "time before stay as config.001.toml, exit.001.json and so on."

const struct pawl_cli_verb pawl_verb_train = {
    .name = "train",
    .help = "Start a run: a learner and its actors.",
    .operands = "[CONFIG]",
    .options = start_options,
    .option_count = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .takes_config = true,
    .details =
        "Makes a new run folder under run.dir, starts the processes, starts those again that "
        "die, and prints a line each log.period_s. Ctrl-C or SIGTERM ends the run within "
        "run.stop_s: actors finish their step and make their environment safe, then the "
        "learner takes in what they left; a second signal, half a second later at the "
        "soonest, ends it at once, with exit code 1.\n"
        "\n" RESUME "\n"
        "\n" EXIT_CODES "\n"
        "\n"
        "The environment variable PAWL_LIBEXEC names the folder of pawl-learner and "
        "pawl-actor, where they are not beside this program or in ../libexec/pawl.",
    .run = run_train,
};

const struct pawl_cli_verb pawl_verb_learner = {
    .name = "learner",
    .help = "Start a run without actors; others join it.",
    .operands = "[CONFIG]",
    .options = start_options,
    .option_count = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .takes_config = true,
    .details = "As 'pawl train', with the learner alone. Actors join by 'pawl actor "
               "--join=RUN'.\n\n" RESUME "\n\n" EXIT_CODES,
    .run = run_learner,
};

static const struct pawl_cli_option actor_options[] = {
    {.name = "join", .value = "RUN", .help = "The run folder of the run to take part in."},
};

const struct pawl_cli_verb pawl_verb_actor = {
    .name = "actor",
    .help = "Add an actor to a run that is going on.",
    .options = actor_options,
    .option_count = 1,
    .details = "The actor has the configuration of the run. It may be stopped (Ctrl-C) and "
               "another started at any time; it ends when the run ends, with exit code 0.",
    .run = run_actor,
};
