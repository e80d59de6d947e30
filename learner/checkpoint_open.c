/* checkpoint_open.c: the folder of the checkpoints as a saver finds it: what dead writers left
 * is removed, what is there is listed. */
#include "learner/checkpoint_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/clock.h"
#include "runtime/log.h"

/* What is in the folder: looked for beside the owner's thread, or while it waits. */
struct pawl_checkpoint_found {
    struct pawl_io *io;
    char run_path[PATH_MAX];
    uint64_t step, rollback_count; /* of the setup */
    int folder;
    struct pawl_checkpoint_entry *entries;
    size_t entry_count;
    uint64_t leftover_count;
    bool is_wanted; /* there is none with this count */
};

/* --- what dead writers left --- */

/* Removes a file or a folder with all in it. */
static int remove_tree(struct pawl_io *io, int folder, const char *name, int depth);

struct removal {
    struct pawl_io *io;
    int folder;
    int depth;
};

static int remove_inner(void *arg, const char *name)
{
    const struct removal *removal = arg;
    return remove_tree(removal->io, removal->folder, name, removal->depth);
}

static int remove_tree(struct pawl_io *io, int folder, const char *name, int depth)
{
    int code = pawl_io_unlink(io, folder, name);
    if (code != -EISDIR && code != -EPERM)
        return code == -ENOENT ? 0 : code;
    if (depth == 0)
        return -ELOOP;
    int inner = pawl_io_open(io, folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (inner < 0)
        return inner;
    struct removal removal = {.io = io, .folder = inner, .depth = depth - 1};
    code = pawl_io_list(io, inner, remove_inner, &removal);
    pawl_io_close(io, inner);
    return code != 0 ? code : pawl_io_rmdir(io, folder, name);
}

struct sweep {
    const struct pawl_checkpoint_found *found;
    uint64_t count;
    int code;
};

static int sweep_one(void *arg, const char *name)
{
    struct sweep *sweep = arg;
    if (strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0 &&
        strncmp(name, TRASH_PREFIX, strlen(TRASH_PREFIX)) != 0 && strcmp(name, LAST_NEW) != 0)
        return 0;
    int code = remove_tree(sweep->found->io, sweep->found->folder, name, 4);
    if (code == 0)
        sweep->count++;
    else if (sweep->code == 0)
        sweep->code = code;
    return 0;
}

static int remove_leftovers(struct pawl_checkpoint_found *found)
{
    struct sweep sweep = {.found = found};
    /* An exchange of names before which a writer died must not come back once the older one,
     * which is a leftover then, is gone. */
    int code = pawl_io_sync_folder(found->io, found->folder);
    if (code != 0 && code != -EINVAL && code != -EOPNOTSUPP) {
        pawl_log_warn("leftovers of checkpoints stay", "reason=%s", strerror(-code));
        return 0;
    }
    code = pawl_io_list(found->io, found->folder, sweep_one, &sweep);
    found->leftover_count = sweep.count;
    return code != 0 ? code : sweep.code;
}

/* --- the folder --- */

static int open_folder(struct pawl_checkpoint_found *found, struct pawl_err *err)
{
    struct pawl_io *io = found->io;
    int run = pawl_io_open(io, PAWL_IO_CWD, found->run_path, O_RDONLY | O_DIRECTORY, 0);
    if (run < 0)
        return pawl_err_set(err, -run, "open folder %s: %s", found->run_path, strerror(-run));
    int code = pawl_io_mkdir(io, run, PAWL_CHECKPOINT_FOLDER, 0777);
    /* Who made it may have died, or failed, before its name was on the disk. */
    if (code == 0 || code == -EEXIST)
        code = pawl_io_sync_folder(io, run);
    if (code == -EINVAL || code == -EOPNOTSUPP)
        code = 0;
    if (code == 0)
        code = found->folder =
            pawl_io_open(io, run, PAWL_CHECKPOINT_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    pawl_io_close(io, run);
    if (code < 0)
        return pawl_err_set(err, -code, "make folder %s/%s: %s", found->run_path,
                            PAWL_CHECKPOINT_FOLDER, strerror(-code));
    return 0;
}

/* What is there, by a quick look: whether the bytes are right is for who resumes to know, who
 * says with the setup what it took. */
static int find_entries(struct pawl_checkpoint_found *found, struct pawl_err *err)
{
    const struct pawl_checkpoint_entry taken = {.step = found->step,
                                                .rollback_count = found->rollback_count};
    struct pawl_checkpoint_info *infos;
    size_t count;
    int code = pawl_checkpoint_list(found->io, found->run_path, PAWL_CHECKPOINT_QUICK, &infos,
                                    &count, err);
    if (code != 0)
        return code;
    found->is_wanted = found->rollback_count > 0;
    for (size_t i = count; i-- > 0;) { /* oldest first */
        struct pawl_checkpoint_entry *entry = &found->entries[found->entry_count++];
        *entry = (struct pawl_checkpoint_entry){
            .step = infos[i].step,
            .rollback_count = infos[i].manifest.rollback_count,
            .score = infos[i].is_valid ? infos[i].manifest.score : (double)NAN,
        };
        entry->is_committed = infos[i].is_valid && !pawl_checkpoint_is_newer(entry, &taken);
        if (entry->is_committed && entry->rollback_count == found->rollback_count)
            found->is_wanted = false;
    }
    free(infos);
    return 0;
}

/* All that waits for the disk, on whatever thread. */
static int survey(void *arg, struct pawl_err *err)
{
    struct pawl_checkpoint_found *found = arg;
    found->entries = calloc(PAWL_CHECKPOINT_ENTRIES_MAX, sizeof(*found->entries));
    if (!found->entries)
        return pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    int code = open_folder(found, err);
    if (code != 0)
        return code;
    code = remove_leftovers(found);
    if (code != 0)
        return pawl_err_set(err, -code, "remove leftovers of %s/%s: %s", found->run_path,
                            PAWL_CHECKPOINT_FOLDER, strerror(-code));
    return find_entries(found, err);
}

static int make_found(struct pawl_checkpoint_writer *writer, struct pawl_err *err)
{
    struct pawl_checkpoint_found *found = calloc(1, sizeof(*found));
    if (!found)
        return pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    *found = (struct pawl_checkpoint_found){.io = writer->io,
                                            .step = writer->taken_step,
                                            .rollback_count = writer->rollback_count,
                                            .folder = -1};
    memcpy(found->run_path, writer->run_path, sizeof(found->run_path));
    writer->found = found;
    return 0;
}

static void drop_found(struct pawl_checkpoint_writer *writer)
{
    if (!writer->found)
        return;
    if (writer->found->folder >= 0)
        pawl_io_close(writer->io, writer->found->folder);
    free(writer->found->entries);
    free(writer->found);
    writer->found = NULL;
}

int pawl_checkpoint_begin_survey(struct pawl_checkpoint *saver, struct pawl_err *err)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    int code = make_found(writer, err);
    if (code == 0)
        code = pawl_errand_begin(&writer->errand, survey, writer->found, err);
    if (code != 0)
        drop_found(writer);
    return code;
}

/* code: of the survey. */
static void take_found(struct pawl_checkpoint *saver, int code)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    struct pawl_checkpoint_found *found = writer->found;
    saver->leftover_count += found->leftover_count;
    if (found->leftover_count > 0)
        pawl_log_info("what a save that was cut off had left is removed", "count=%" PRIu64,
                      found->leftover_count);
    if (code == 0) {
        writer->entries = found->entries;
        writer->entry_count = found->entry_count;
        writer->folder = found->folder;
        writer->is_wanted |= found->is_wanted;
        found->entries = NULL;
        found->folder = -1;
    }
    drop_found(writer);
}

int pawl_checkpoint_end_survey(struct pawl_checkpoint *saver, struct pawl_err *err)
{
    int code = pawl_errand_end(&saver->writer->errand, err);
    take_found(saver, code);
    return code;
}

/* --- open and close --- */

static int allocate(struct pawl_checkpoint *saver, const struct pawl_checkpoint_setup *setup,
                    struct pawl_err *err)
{
    struct pawl_checkpoint_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    saver->writer = writer;
    writer->folder = -1;
    writer->io = setup->io;
    writer->cfg = setup->cfg;
    writer->op_count_max = pawl_checkpoint_ops_max(setup->part_count_max);
    writer->part_count_max = setup->part_count_max;
    writer->ops = calloc(writer->op_count_max, sizeof(*writer->ops));
    if (!writer->ops)
        return pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    if ((size_t)snprintf(writer->run_path, sizeof(writer->run_path), "%s", setup->run_path) >=
        sizeof(writer->run_path))
        return pawl_err_set(err, ENAMETOOLONG, "checkpoint: the run's path is too long");
    snprintf(writer->manifest.run, sizeof(writer->manifest.run), "%s", setup->run);
    memcpy(writer->manifest.spec_hash, setup->spec_hash, PAWL_SHA256_BYTES);
    writer->rollback_count = setup->rollback_count;
    writer->taken_step = setup->step;
    bool is_begun = setup->begun_ns != 0 && setup->begun_step < setup->step;
    writer->begun_step = is_begun ? setup->begun_step : setup->step;
    writer->begun_ns = setup->begun_ns != 0 ? setup->begun_ns : pawl_clock_now_ns();
    if (getrandom(&writer->nonce, sizeof(writer->nonce), GRND_NONBLOCK) < 0)
        writer->nonce = pawl_clock_now_ns(); /* uniqueness is wanted, not secrecy */
    return 0;
}

static int survey_now(struct pawl_checkpoint *saver, struct pawl_err *err)
{
    int code = make_found(saver->writer, err);
    if (code != 0)
        return code;
    code = survey(saver->writer->found, err);
    take_found(saver, code);
    return code;
}

int pawl_checkpoint_open(struct pawl_checkpoint *saver,
                         const struct pawl_checkpoint_setup *setup, struct pawl_err *err)
{
    *saver = (struct pawl_checkpoint){0};
    int code = allocate(saver, setup, err);
    if (code == 0)
        code = pawl_io_queue_open(&saver->writer->queue, setup->io, setup->queue, err);
    if (code == 0)
        code = setup->is_looked_for_later ? pawl_checkpoint_begin_survey(saver, err)
                                          : survey_now(saver, err);
    if (code != 0)
        (void)pawl_checkpoint_close(saver);
    return code;
}

int pawl_checkpoint_close(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    if (!writer)
        return 0;
    bool is_idle =
        pawl_errand_wait(&writer->errand, pawl_clock_now_ns() + PAWL_IO_QUEUE_CLOSE_NS);
    if (!is_idle || pawl_io_queue_close(&writer->queue) != 0) {
        pawl_log_error("the disk does not answer: a checkpoint is given up",
                       "path=%s/" PAWL_CHECKPOINT_FOLDER " step=%s", writer->run_path,
                       writer->step != STEP_RESTING ? writer->final_name : "none");
        return -ETIMEDOUT;
    }
    if (writer->errand.state)
        (void)pawl_errand_end(&writer->errand, NULL);
    drop_found(writer);
    if (writer->is_temp_there)
        remove_tree(writer->io, writer->folder, writer->temp_name, 4);
    if (writer->folder >= 0)
        pawl_io_close(writer->io, writer->folder);
    free(writer->ops);
    free(writer->entries);
    free(writer);
    *saver = (struct pawl_checkpoint){0};
    return 0;
}
