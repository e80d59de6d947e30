/* checkpoint_open.c: the folder of the checkpoints as a saver finds it: what dead writers left
 * is removed, what is there is listed. */
#include "learner/checkpoint_writer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/clock.h"
#include "runtime/log.h"

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
    struct pawl_checkpoint_writer *writer;
    uint64_t count;
    int code;
};

static int sweep_one(void *arg, const char *name)
{
    struct sweep *sweep = arg;
    if (strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0 &&
        strncmp(name, TRASH_PREFIX, strlen(TRASH_PREFIX)) != 0 && strcmp(name, LAST_NEW) != 0)
        return 0;
    int code = remove_tree(sweep->writer->io, sweep->writer->folder, name, 4);
    if (code == 0)
        sweep->count++;
    else if (sweep->code == 0)
        sweep->code = code;
    return 0;
}

static int remove_leftovers(struct pawl_checkpoint *saver)
{
    struct sweep sweep = {.writer = saver->writer};
    struct pawl_io *io = sweep.writer->io;
    /* An exchange of names before which a writer died must not come back once the older one,
     * which is a leftover then, is gone. */
    int code = pawl_io_sync_folder(io, sweep.writer->folder);
    if (code != 0 && code != -EINVAL && code != -EOPNOTSUPP) {
        pawl_log_warn("leftovers of checkpoints stay", "reason=%s", strerror(-code));
        return 0;
    }
    code = pawl_io_list(io, sweep.writer->folder, sweep_one, &sweep);
    saver->leftover_count = sweep.count;
    return code != 0 ? code : sweep.code;
}

/* --- the folder --- */

static int open_folder(struct pawl_checkpoint_writer *writer, const char *run_path,
                       struct pawl_err *err)
{
    struct pawl_io *io = writer->io;
    int run = pawl_io_open(io, PAWL_IO_CWD, run_path, O_RDONLY | O_DIRECTORY, 0);
    if (run < 0)
        return pawl_err_set(err, -run, "open folder %s: %s", run_path, strerror(-run));
    int code = pawl_io_mkdir(io, run, PAWL_CHECKPOINT_FOLDER, 0777);
    if (code == 0)
        code = pawl_io_sync_folder(io, run);
    else if (code == -EEXIST)
        code = 0;
    if (code == 0)
        code = writer->folder =
            pawl_io_open(io, run, PAWL_CHECKPOINT_FOLDER, O_RDONLY | O_DIRECTORY, 0);
    pawl_io_close(io, run);
    if (code < 0)
        return pawl_err_set(err, -code, "make folder %s/%s: %s", run_path,
                            PAWL_CHECKPOINT_FOLDER, strerror(-code));
    return 0;
}

/* What is there, by a quick look: whether the bytes are right is for who resumes to know, who
 * says with the setup what it took. */
static int find_entries(struct pawl_checkpoint_writer *writer,
                        const struct pawl_checkpoint_setup *setup, struct pawl_err *err)
{
    const struct pawl_checkpoint_entry taken = {.step = setup->step,
                                                .rollback_count = setup->rollback_count};
    struct pawl_checkpoint_info *infos;
    size_t count;
    int code = pawl_checkpoint_list(writer->io, setup->run_path, PAWL_CHECKPOINT_QUICK, &infos,
                                    &count, err);
    if (code != 0)
        return code;
    writer->is_wanted = setup->rollback_count > 0;
    for (size_t i = count; i-- > 0;) { /* oldest first */
        struct pawl_checkpoint_entry *entry = &writer->entries[writer->entry_count++];
        *entry = (struct pawl_checkpoint_entry){
            .step = infos[i].step,
            .rollback_count = infos[i].manifest.rollback_count,
            .score = infos[i].is_valid ? infos[i].manifest.score : (double)NAN,
        };
        entry->is_committed = infos[i].is_valid && !pawl_checkpoint_is_newer(entry, &taken);
        if (entry->is_committed && entry->rollback_count == setup->rollback_count)
            writer->is_wanted = false;
    }
    free(infos);
    return 0;
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
    writer->entries = calloc(PAWL_CHECKPOINT_ENTRIES_MAX, sizeof(*writer->entries));
    if (!writer->ops || !writer->entries)
        return pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    snprintf(writer->manifest.run, sizeof(writer->manifest.run), "%s", setup->run);
    memcpy(writer->manifest.spec_hash, setup->spec_hash, PAWL_SHA256_BYTES);
    writer->rollback_count = setup->rollback_count;
    writer->begun_step = setup->step;
    writer->begun_ns = pawl_clock_now_ns();
    if (getrandom(&writer->nonce, sizeof(writer->nonce), GRND_NONBLOCK) < 0)
        writer->nonce = writer->begun_ns; /* uniqueness is wanted, not secrecy */
    return 0;
}

int pawl_checkpoint_open(struct pawl_checkpoint *saver,
                         const struct pawl_checkpoint_setup *setup, struct pawl_err *err)
{
    *saver = (struct pawl_checkpoint){0};
    int code = allocate(saver, setup, err);
    if (code != 0)
        goto fail;
    struct pawl_checkpoint_writer *writer = saver->writer;
    code = pawl_io_queue_open(&writer->queue, setup->io, setup->queue, err);
    if (code != 0)
        goto fail;
    code = open_folder(writer, setup->run_path, err);
    if (code != 0)
        goto fail;

    code = remove_leftovers(saver);
    if (code != 0) {
        pawl_err_set(err, -code, "remove leftovers of %s/%s: %s", setup->run_path,
                     PAWL_CHECKPOINT_FOLDER, strerror(-code));
        goto fail;
    }
    code = find_entries(writer, setup, err);
    if (code != 0)
        goto fail;
    return 0;

fail:
    pawl_checkpoint_close(saver);
    return code;
}

void pawl_checkpoint_close(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    if (!writer)
        return;
    pawl_io_queue_close(&writer->queue);
    if (writer->is_temp_there)
        remove_tree(writer->io, writer->folder, writer->temp_name, 4);
    if (writer->folder >= 0)
        pawl_io_close(writer->io, writer->folder);
    free(writer->ops);
    free(writer->entries);
    free(writer);
    *saver = (struct pawl_checkpoint){0};
}
