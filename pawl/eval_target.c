#include "pawl/eval_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learner/checkpoint_find.h"

#define MODEL_FOLDER "pretrained_model"
#define MODEL_FILE   "model.safetensors"

/* Whether FOLDER/NAME is there; its path then is in text. */
static bool has(const char *folder, const char *name, char text[PATH_MAX])
{
    int length = snprintf(text, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX && access(text, R_OK) == 0;
}

/* The folder above, in place; false at the root. */
static bool go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return false;
    *slash = '\0';
    return true;
}

static void tell_skipped(void *arg, const char *sentence)
{
    fprintf(arg, "skipped: %s\n", sentence);
}

static int take_run(struct pawl_eval_target *target, const char *run, FILE *warnings,
                    struct pawl_err *err)
{
    struct pawl_checkpoint_info info;
    int code = pawl_checkpoint_find(pawl_io_sys(), run, PAWL_CHECKPOINT_NEWEST_VALID,
                                    tell_skipped, warnings, &info, err);
    if (code == -ENOENT) {
        pawl_err_wrap(err, "the run has nothing to evaluate yet");
        return -ENODATA;
    }
    if (code != 0)
        return code;
    target->has_step = true;
    target->step = info.step;
    snprintf(target->checkpoint, PATH_MAX, "%s", info.path);
    has(run, "config.toml", target->config);
    if (!has(info.path, MODEL_FOLDER, target->model))
        return pawl_err_set(err, ENODATA, "%s: %s", target->model, strerror(errno));
    return 0;
}

/* target->checkpoint is set. One of ours has a manifest. */
static int take_checkpoint(struct pawl_eval_target *target, struct pawl_err *err)
{
    struct pawl_checkpoint_info info;
    char path[PATH_MAX], run[PATH_MAX];
    snprintf(target->model, PATH_MAX, "%.*s/" MODEL_FOLDER, PATH_MAX - 32, target->checkpoint);
    if (has(target->checkpoint, PAWL_CHECKPOINT_MANIFEST, path)) {
        int code = pawl_checkpoint_verify(pawl_io_sys(), target->checkpoint,
                                          PAWL_CHECKPOINT_FULL, &info, err);
        if (code != 0)
            return code;
        target->has_step = true;
        target->step = info.manifest.step;
    }
    snprintf(run, sizeof(run), "%s", target->checkpoint);
    if (go_up(run) && go_up(run) && has(run, "config.toml", path))
        snprintf(target->config, PATH_MAX, "%s", path);
    return 0;
}

int pawl_eval_target_find(struct pawl_eval_target *target, const char *path, FILE *warnings,
                          struct pawl_err *err)
{
    char whole[PATH_MAX], found[PATH_MAX];
    *target = (struct pawl_eval_target){0};
    if (!realpath(path, whole))
        return pawl_err_set(err, errno, "%s: %s; give a run folder or a checkpoint in one",
                            path, strerror(errno));
    if (has(whole, MODEL_FOLDER "/" MODEL_FILE, found)) {
        snprintf(target->checkpoint, PATH_MAX, "%s", whole);
        return take_checkpoint(target, err);
    }
    if (has(whole, MODEL_FILE, found)) {
        snprintf(target->checkpoint, PATH_MAX, "%s", whole);
        const char *name = strrchr(whole, '/');
        if (strcmp(name, "/" MODEL_FOLDER) == 0 && go_up(target->checkpoint))
            return take_checkpoint(target, err);
        snprintf(target->model, PATH_MAX, "%s", whole);
        target->checkpoint[0] = '\0';
        return 0;
    }
    if (has(whole, "config.toml", found))
        return take_run(target, whole, warnings, err);
    return pawl_err_set(err, ENOENT,
                        "%s: neither a run (no config.toml) nor a checkpoint (no "
                        "pretrained_model/model.safetensors)",
                        path);
}
