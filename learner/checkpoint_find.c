/* checkpoint_find.c: which checkpoints a run has, and which is the newest. */
#include "learner/checkpoint_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

bool pawl_checkpoint_number(const char *name, uint64_t *step)
{
    char again[PAWL_CHECKPOINT_NAME_BYTES];
    if (name[0] < '0' || name[0] > '9')
        return false;
    errno = 0;
    *step = strtoull(name, NULL, 10);
    if (errno != 0 || *step > INT64_MAX)
        return false;
    pawl_checkpoint_name(*step, again);
    return strcmp(name, again) == 0;
}

struct numbers {
    uint64_t *steps;
    size_t count, max;
};

static int note_number(void *arg, const char *name)
{
    struct numbers *numbers = arg;
    uint64_t step;
    if (pawl_checkpoint_number(name, &step) && numbers->count < numbers->max)
        numbers->steps[numbers->count++] = step;
    return 0;
}

static int compare_steps(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

int pawl_checkpoint_steps(struct pawl_io *io, int folder, uint64_t *steps, size_t steps_max,
                          size_t *count, struct pawl_err *err)
{
    struct numbers numbers = {.steps = steps, .max = steps_max};
    int code = pawl_io_list(io, folder, note_number, &numbers);
    if (code != 0)
        return pawl_err_set(err, -code, "list the folder of checkpoints: %s", strerror(-code));
    qsort(steps, numbers.count, sizeof(*steps), compare_steps);
    *count = numbers.count;
    return 0;
}

struct numbered {
    uint64_t step, rollback_count;
};

static int compare_newest_first(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    if (x->rollback_count != y->rollback_count)
        return x->rollback_count < y->rollback_count ? 1 : -1;
    return compare_steps(&x->step, &y->step);
}

static int try_rollback_count(struct pawl_io *io, int folder, uint64_t step, uint64_t *count)
{
    struct pawl_checkpoint_info info = {0};
    int code = pawl_checkpoint_read_manifest(io, folder, step, &info);
    *count = info.manifest.rollback_count;
    return code;
}

/* Twice when the disk fails, as verify_twice(). */
static bool read_rollback_count(struct pawl_io *io, int folder, uint64_t step, uint64_t *count)
{
    int code = try_rollback_count(io, folder, step, count);
    if (code == -EIO) {
        pawl_log_warn("checkpoint cannot be read, tried again", "step=%" PRIu64 " reason=%s",
                      step, strerror(EIO));
        code = try_rollback_count(io, folder, step, count);
    }
    return code == 0;
}

/* Steps, highest first, become newest first. */
static int put_in_order(struct pawl_io *io, int folder, uint64_t *steps, size_t count)
{
    struct numbered *all = calloc(count + 1, sizeof(*all));
    uint64_t most = 0;
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        all[i].step = steps[i];
        if (!read_rollback_count(io, folder, steps[i], &all[i].rollback_count))
            all[i].rollback_count = UINT64_MAX;
        else if (all[i].rollback_count > most)
            most = all[i].rollback_count;
    }
    for (size_t i = 0; i < count; i++)
        if (all[i].rollback_count == UINT64_MAX)
            all[i].rollback_count = most;
    qsort(all, count, sizeof(*all), compare_newest_first);
    for (size_t i = 0; i < count; i++)
        steps[i] = all[i].step;
    free(all);
    return 0;
}

/* The numbers of a run's checkpoints, highest or newest first, and what `last` says. A run
 * without the folder has none. */
static int find_steps(struct pawl_io *io, const char *run_path, bool is_newest_first,
                      uint64_t **steps, size_t *count, char last[PAWL_CHECKPOINT_NAME_BYTES],
                      struct pawl_err *err)
{
    char path[PATH_MAX];
    *steps = NULL;
    *count = 0;
    last[0] = '\0';
    if (snprintf(path, sizeof(path), "%s/%s", run_path, PAWL_CHECKPOINT_FOLDER) >=
        (int)sizeof(path))
        return pawl_err_set(err, ENAMETOOLONG, "%s: too long a path", run_path);
    int folder = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (folder == -ENOENT)
        return 0;
    if (folder < 0)
        return pawl_err_set(err, -folder, "open folder %s: %s", path, strerror(-folder));
    *steps = calloc(PAWL_CHECKPOINT_ENTRIES_MAX, sizeof(**steps));
    int code = *steps ? pawl_checkpoint_steps(io, folder, *steps, PAWL_CHECKPOINT_ENTRIES_MAX,
                                              count, err)
                      : pawl_err_set(err, ENOMEM, "%s: out of memory", path);
    if (code == 0 && is_newest_first && put_in_order(io, folder, *steps, *count) != 0)
        code = pawl_err_set(err, ENOMEM, "%s: out of memory", path);
    if (pawl_io_readlink(io, folder, PAWL_CHECKPOINT_LAST, last, PAWL_CHECKPOINT_NAME_BYTES) !=
        0)
        last[0] = '\0';
    pawl_io_close(io, folder);
    return code;
}

/* Twice when the disk fails: one that is passed over falls behind those that follow, and one
 * of the best is kept no longer. */
static int verify_twice(struct pawl_io *io, const char *run_path, uint64_t step,
                        const char *last, enum pawl_checkpoint_depth depth,
                        struct pawl_checkpoint_info *info)
{
    char name[PAWL_CHECKPOINT_NAME_BYTES];
    char path[PATH_MAX];
    pawl_checkpoint_name(step, name);
    snprintf(path, sizeof(path), "%.*s/%s/%s", PATH_MAX - 64, run_path, PAWL_CHECKPOINT_FOLDER,
             name);
    int code = pawl_checkpoint_verify(io, path, depth, info, NULL);
    if (code == -EIO) {
        pawl_log_warn("checkpoint cannot be read, tried again", "reason=%s", info->reason);
        code = pawl_checkpoint_verify(io, path, depth, info, NULL);
    }
    info->step = step;
    info->is_last = strcmp(last, name) == 0;
    return code;
}

int pawl_checkpoint_find(struct pawl_io *io, const char *run_path,
                         enum pawl_checkpoint_wanted wanted,
                         void (*skipped)(void *arg, const char *sentence), void *arg,
                         struct pawl_checkpoint_info *info, struct pawl_err *err)
{
    uint64_t *steps;
    size_t count;
    char last[PAWL_CHECKPOINT_NAME_BYTES];
    int code = find_steps(io, run_path, true, &steps, &count, last, err);
    if (code == 0 && count == 0)
        code = pawl_err_set(err, ENOENT, "%s has no checkpoint", run_path);

    bool is_found = false, is_unread = false;
    for (size_t i = 0; code == 0 && !is_found && i < count; i++) {
        is_unread |=
            verify_twice(io, run_path, steps[i], last, PAWL_CHECKPOINT_FULL, info) == -EIO;
        is_found = info->is_valid;
        if (is_found)
            break;
        if (wanted == PAWL_CHECKPOINT_NEWEST_STRICT)
            code = pawl_err_set(err, EINVAL, "the newest checkpoint is not valid: %s",
                                info->reason);
        else if (skipped)
            skipped(arg, info->reason);
    }
    if (code == 0 && !is_found)
        code = is_unread ? pawl_err_set(err, EIO,
                                        "%s: none of its %zu checkpoints is valid, as "
                                        "far as they can be read",
                                        run_path, count)
                         : pawl_err_set(err, ENOENT, "%s: none of its %zu checkpoints is valid",
                                        run_path, count);
    free(steps);
    return code;
}

static bool has_manifest(const struct pawl_checkpoint_info *info)
{
    return info->manifest.file_count > 0;
}

static int compare_infos(const void *a, const void *b)
{
    const struct pawl_checkpoint_info *x = a, *y = b;
    const struct numbered left = {.step = x->step,
                                  .rollback_count = x->manifest.rollback_count};
    const struct numbered right = {.step = y->step,
                                   .rollback_count = y->manifest.rollback_count};
    return compare_newest_first(&left, &right);
}

/* As put_in_order(), of those that have been looked at. */
static void sort_infos(struct pawl_checkpoint_info *infos, size_t count)
{
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++)
        if (has_manifest(&infos[i]) && infos[i].manifest.rollback_count > most)
            most = infos[i].manifest.rollback_count;
    for (size_t i = 0; i < count; i++)
        if (!has_manifest(&infos[i]))
            infos[i].manifest.rollback_count = most;
    qsort(infos, count, sizeof(*infos), compare_infos);
}

int pawl_checkpoint_list(struct pawl_io *io, const char *run_path,
                         enum pawl_checkpoint_depth depth, struct pawl_checkpoint_info **infos,
                         size_t *count, struct pawl_err *err)
{
    uint64_t *steps;
    char last[PAWL_CHECKPOINT_NAME_BYTES];
    *infos = NULL;
    int code = find_steps(io, run_path, false, &steps, count, last, err);
    if (code == 0 && !(*infos = calloc(*count + 1, sizeof(**infos))))
        code = pawl_err_set(err, ENOMEM, "%s: out of memory", run_path);
    for (size_t i = 0; code == 0 && i < *count; i++)
        verify_twice(io, run_path, steps[i], last, depth, &(*infos)[i]);
    if (code == 0)
        sort_infos(*infos, *count);
    free(steps);
    if (code != 0)
        *count = 0;
    return code;
}
