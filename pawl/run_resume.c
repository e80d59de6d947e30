#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learner/checkpoint_find.h"
#include "learner/episodes.h"
#include "pawl/run.h"
#include "runtime/json.h"
#include "runtime/log.h"

#define STEP_JSON           "training_state/training_step.json"
#define STEP_JSON_BYTES_MAX 4096u

/* "config.toml" and 2 give RUN/config.002.toml. */
static void kept_path(const struct pawl_run *run, const char *name, uint32_t number,
                      char path[PATH_MAX])
{
    char kept[64];
    const char *dot = strrchr(name, '.');
    snprintf(kept, sizeof(kept), "%.*s.%03" PRIu32 "%s", (int)(dot - name), name, number, dot);
    pawl_run_folder_path(&run->folder, kept, path);
}

/* A second name for the file of the time before: the first is replaced in one step later, so a
 * run has a config.toml at every instant. */
static int keep(const struct pawl_run *run, const char *name, uint32_t number,
                struct pawl_err *err)
{
    char path[PATH_MAX], kept[PATH_MAX];
    pawl_run_folder_path(&run->folder, name, path);
    kept_path(run, name, number, kept);
    if (link(path, kept) != 0 && errno != ENOENT)
        return pawl_err_set(err, errno, "keep %s as %s: %s", path, kept, strerror(errno));
    return 0;
}

/* The file of the time before has its name again, whatever stands there now. Where both names
 * are one file, a rename leaves both. */
static void put_back(const struct pawl_run *run, const char *name)
{
    char path[PATH_MAX], kept[PATH_MAX];
    pawl_run_folder_path(&run->folder, name, path);
    kept_path(run, name, run->resume_number, kept);
    if (rename(kept, path) == 0)
        unlink(kept);
    else if (errno != ENOENT)
        pawl_log_error("cannot be put back", "file=%s error=%s", kept, strerror(errno));
}

/* The first number that no file of a time before has. */
static int find_number(struct pawl_run *run, struct pawl_err *err)
{
    char path[PATH_MAX];
    for (uint32_t i = 1; i <= PAWL_RUN_RESUMES_MAX; i++) {
        kept_path(run, "config.toml", i, path);
        if (access(path, F_OK) != 0) {
            run->resume_number = i;
            return 0;
        }
    }
    return pawl_err_set(err, EMLINK,
                        "%s was resumed %u times, which is all there are numbers for: start a "
                        "new run",
                        run->folder.path, PAWL_RUN_RESUMES_MAX);
}

static void tell_skipped(void *arg, const char *sentence)
{
    const struct pawl_run *run = arg;
    fprintf(run->order.cli->err, "skipped: %s\n", sentence);
}

/* The figures of the run go on where they were when the checkpoint was written. A file that
 * does not say costs figures alone. */
static void take_figures(struct pawl_run *run, const struct pawl_checkpoint_info *info)
{
    static const struct pawl_json_limits limits = {.bytes_max = STEP_JSON_BYTES_MAX,
                                                   .depth_max = 4};
    struct pawl_json doc;
    char *text;
    size_t bytes;
    int64_t steps = 0;
    if (pawl_checkpoint_read(pawl_io_sys(), info->path, STEP_JSON, STEP_JSON_BYTES_MAX, &text,
                             &bytes, NULL) != 0)
        return;
    if (pawl_json_open_text(&doc, text, bytes, STEP_JSON, &limits, NULL) == 0) {
        struct pawl_json_at root = pawl_json_root(&doc);
        pawl_json_get_i64(&root, "interaction_step", 0, INT64_MAX, &steps, NULL);
        pawl_json_close(&doc);
    }
    free(text);
    run->figures.actor_counts[PAWL_ACTOR_STAT_ENV_STEPS] = (uint64_t)steps;
    run->figures.actor_counts[PAWL_ACTOR_STAT_EPISODES] =
        pawl_episodes_count(run->folder.path, (uint64_t)steps);
    run->figures.learner_counts[PAWL_LEARNER_STAT_STEPS_INGESTED] = (uint64_t)steps;
    run->figures.learner_counts[PAWL_LEARNER_STAT_UPDATES] = info->step;
}

static int find_checkpoint(struct pawl_run *run, struct pawl_err *err)
{
    struct pawl_checkpoint_info info;
    int status =
        pawl_checkpoint_find(pawl_io_sys(), run->folder.path, PAWL_CHECKPOINT_NEWEST_VALID,
                             tell_skipped, run, &info, err);
    if (status != 0) {
        pawl_err_wrap(err, "nothing to go on from, and a run does not begin anew by itself");
        return status == -ENOENT ? -ENODATA : status;
    }
    take_figures(run, &info);
    uint64_t step_count = run->figures.learner_counts[PAWL_LEARNER_STAT_STEPS_INGESTED];
    run->has_nothing_to_do = run->cfg->steps > 0 && step_count >= (uint64_t)run->cfg->steps;
    if (run->has_nothing_to_do)
        fprintf(run->order.cli->out,
                "%" PRIu64 " steps are taken, run.steps is %" PRId64
                ": nothing is left to do, and nothing was changed\n"
                "next        pawl %s --resume=%s run.steps=%" PRIu64 "\n",
                step_count, run->cfg->steps, run->order.cli->verb->name, run->folder.path,
                2 * step_count);
    else
        fprintf(run->order.cli->out, "resumes     %s, update %" PRIu64 "\n", info.path,
                info.step);
    return 0;
}

/* The end of the time before is not the end of this one: who looks meanwhile finds none. */
static int put_end_away(struct pawl_run *run, struct pawl_err *err)
{
    char path[PATH_MAX], kept[PATH_MAX];
    pawl_run_folder_path(&run->folder, "exit.json", path);
    kept_path(run, "exit.json", run->resume_number, kept);
    if (rename(path, kept) != 0 && errno != ENOENT)
        return pawl_err_set(err, errno, "keep %s as %s: %s", path, kept, strerror(errno));
    return 0;
}

/* Besides exit.json. */
static const char *const names[] = {"config.toml", "command.txt", "system.json"};

int pawl_run_resume(struct pawl_run *run, const char *owner, struct pawl_err *err)
{
    int status = pawl_run_folder_open(&run->folder, run->order.resumed_path, owner, err);
    if (status != 0)
        pawl_err_wrap(err, "--resume=%s", run->order.resumed_path);
    if (status == 0)
        status = find_number(run, err);
    if (status == 0)
        status = find_checkpoint(run, err);
    bool has_begun = status == 0 && !run->has_nothing_to_do;
    for (size_t i = 0; has_begun && status == 0 && i < sizeof(names) / sizeof(names[0]); i++)
        status = keep(run, names[i], run->resume_number, err);
    if (has_begun && status == 0)
        status = put_end_away(run, err);
    if (!has_begun || status != 0)
        pawl_run_folder_close(&run->folder); /* no exit.json of ours replaces the one there */
    return status;
}

bool pawl_run_is_refused(const struct pawl_run *run)
{
    return run->resume_number > 0 && run->folder.is_open &&
           (run->exit_code == PAWL_EXIT_USAGE || run->exit_code == PAWL_EXIT_MISSING) &&
           pawl_run_figures_sum(&run->figures, "learner.records_ingested").count == 0;
}

void pawl_run_put_back(struct pawl_run *run)
{
    FILE *out = run->order.cli->out;
    int fd = open(run->folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put_back(run, names[i]);
    put_back(run, "exit.json");
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    fprintf(out, "nothing was done, and %s is as it was\n", run->folder.path);
    if (pawl_cfg_diff(run->order.cfg_before, run->order.cfg, out) > 0)
        fprintf(
            out,
            "so says the run (-), and so this line (+): leave out what it cannot go on with, "
            "or begin a new run: pawl train %s/config.toml KEY=VALUE\n",
            run->folder.path);
    fflush(out);
}
