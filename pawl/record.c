/* record.c: pawl record: demonstrations by an environment's expert. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "learner/journal.h"
#include "pawl/eval.h"

#define EPISODES_DEFAULT 20u

struct record {
    struct pawl_journal_recorder recorder;
    uint64_t last; /* number of the frame before, of this episode */
    uint64_t episode_count, success_count, step_count;
    double return_sum;
    bool is_path_wrong; /* nothing can be made there */
};

static int take_step(void *context, const struct pawl_play_step *step, struct pawl_err *err)
{
    struct record *record = context;
    const struct pawl_replay_frame frame = {
        .prev = step->step_index == 0 ? PAWL_REPLAY_NONE : record->last,
        .lane = step->lane,
        .episode = (uint32_t)step->episode,
        .step = step->step_index,
        .flags = step->flags,
    };
    return pawl_journal_recorder_put(&record->recorder, &frame, step->record, &record->last,
                                     err);
}

static int take_episode(void *context, const struct pawl_play_episode *episode,
                        struct pawl_err *err)
{
    struct record *record = context;
    (void)err;
    record->episode_count++;
    record->success_count += episode->is_success;
    record->step_count += episode->step_count;
    record->return_sum += episode->return_sum;
    return 0;
}

/* The whole file or none of it. */
static int play(struct record *record, const struct pawl_play_cfg *cfg, const char *path,
                struct pawl_err *err)
{
    struct pawl_play *play;
    int code = pawl_play_open(&play, cfg, err);
    if (code != 0)
        return code;
    code = pawl_journal_recorder_open(&record->recorder, pawl_io_sys(), path,
                                      &play->layout.spec, err);
    bool is_made = code == 0;
    record->is_path_wrong =
        code == -EEXIST || code == -ENOENT || code == -ENOTDIR || code == -EISDIR;
    if (code == 0)
        code = pawl_play_run(play, err);
    int close_code = pawl_journal_recorder_close(&record->recorder, code == 0 ? err : NULL);
    code = code ? code : close_code;
    if (code != 0 && is_made)
        unlink(path);
    pawl_play_close(play);
    return code;
}

static void print_done(struct pawl_cli *cli, const struct record *record, const char *path)
{
    struct stat status;
    double count = (double)record->episode_count;
    fprintf(cli->out,
            "recorded    %" PRIu64 " episodes, %" PRIu64 " steps; %" PRIu64
            " solved (success %.2f), return %.6g mean\n",
            record->episode_count, record->step_count, record->success_count,
            (double)record->success_count / count, record->return_sum / count);
    fprintf(cli->out, "wrote       %s", path);
    if (stat(path, &status) == 0)
        fprintf(cli->out, ", %jd bytes", (intmax_t)status.st_size);
    fprintf(cli->out, "\nnext        pawl train CONFIG --replay.offline=%s\n", path);
}

static int record_all(struct pawl_cli *cli, const struct pawl_cfg *cfg, const char *path)
{
    struct record record = {.last = PAWL_REPLAY_NONE};
    struct pawl_play_cfg play_cfg;
    struct pawl_err err = {0};

    int code = pawl_eval_play_cfg(&play_cfg, cfg, PAWL_LANES_DEMO, &err);
    if (code != 0)
        return pawl_cli_fail(cli, pawl_eval_exit_code(code), "%s", err.text);
    play_cfg.is_expert = true;
    play_cfg.lanes.lane_count = 1; /* one episode after the other */
    play_cfg.on_step = take_step;
    play_cfg.on_episode = take_episode;
    play_cfg.context = &record;
    play_cfg.episode_count = EPISODES_DEFAULT;
    int exit_code = pawl_eval_take_options(cli, &play_cfg);
    if (exit_code != PAWL_EXIT_DONE)
        return exit_code;
    code = play(&record, &play_cfg, path, &err);
    if (code == -EEXIST)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "%s; nothing is overwritten: choose another name", err.text);
    if (code != 0)
        return pawl_cli_fail(cli,
                             record.is_path_wrong ? PAWL_EXIT_USAGE : pawl_eval_exit_code(code),
                             "%s; nothing is kept", err.text);
    print_done(cli, &record, path);
    return PAWL_EXIT_DONE;
}

static int run_record(struct pawl_cli *cli, int argc, char **argv)
{
    const char *path = pawl_cli_value(cli, "output");
    struct pawl_cfg *cfg;
    (void)argc;

    if (!path)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "say where to write: --output=FILE (demos.journal)");
    int exit_code = pawl_cli_open_cfg(cli, argv[0], &cfg);
    if (exit_code == PAWL_EXIT_DONE)
        exit_code = record_all(cli, cfg, path);
    pawl_cfg_close(cfg);
    return exit_code;
}

static const struct pawl_cli_option options[] = {
    {.name = "output", .value = "FILE", .help = "What is written; it must not be there yet."},
    {.name = "episodes", .value = "N", .help = "How many are played; 20."},
    {.name = "seed", .value = "N", .help = "Of the episodes, instead of run.seed."},
};

const struct pawl_cli_verb pawl_verb_record = {
    .name = "record",
    .help = "Record demonstrations by a scripted expert.",
    .operands = "CONFIG",
    .operand_min = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .takes_config = true,
    .details =
        "The environment's own expert plays, where somebody wrote one; reward and all else are "
        "as a learner would see them. The file is for replay.offline of a run whose records "
        "have the same fields, and is there as a whole or not at all. The episodes are none of "
        "those that are trained on or evaluated with the same seed.",
    .run = run_record,
};
