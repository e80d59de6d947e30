#include "learner/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

#define OPS_PER_FILE 3u /* open, sync, close */
#define OPS_MAX      (1 + OPS_PER_FILE * PAWL_KEEPER_FILES_MAX)

struct keeper_file {
    const char *name; /* NULL: free */
    struct pawl_linefile *file;
    struct pawl_linefile_mark mark; /* when the sync under way began */
    bool is_new;                    /* its name may not be durable */
    bool is_under_way;              /* in the sync that is, its operations from op_index on */
    unsigned op_index;
};

struct pawl_keeper_state {
    struct pawl_io_queue queue;
    int folder;
    uint64_t period_ns;
    struct keeper_file files[PAWL_KEEPER_FILES_MAX];
    struct pawl_io_op ops[OPS_MAX];
};

int pawl_keeper_open(struct pawl_keeper *keeper, struct pawl_io *io, const char *folder,
                     uint64_t period_ns, struct pawl_err *err)
{
    *keeper = (struct pawl_keeper){.begun_ns = pawl_clock_now_ns()};
    struct pawl_keeper_state *state = calloc(1, sizeof(*state));
    if (!state)
        return pawl_err_set(err, ENOMEM, "syncs of the run's files: out of memory");
    state->period_ns = period_ns;
    state->folder = pawl_io_open(io, PAWL_IO_CWD, folder, O_RDONLY | O_DIRECTORY, 0);
    int code = state->folder < 0
                   ? pawl_err_set(err, -state->folder, "open folder %s: %s", folder,
                                  strerror(-state->folder))
                   : pawl_io_queue_open(&state->queue, io, PAWL_IO_QUEUE_AUTO, err);
    if (code != 0) {
        if (state->folder >= 0)
            pawl_io_close(io, state->folder);
        free(state);
        return pawl_err_wrap(err, "syncs of the run's files");
    }
    keeper->state = state;
    return 0;
}

void pawl_keeper_add(struct pawl_keeper *keeper, const char *name, struct pawl_linefile *file)
{
    struct keeper_file *place = keeper->state->files;
    while (place->name && place < keeper->state->files + PAWL_KEEPER_FILES_MAX - 1)
        place++;
    PAWL_CHECK(!place->name);
    *place = (struct keeper_file){.name = name, .file = file, .is_new = true};
}

void pawl_keeper_remove(struct pawl_keeper *keeper, const struct pawl_linefile *file)
{
    for (unsigned i = 0; keeper->state && i < PAWL_KEEPER_FILES_MAX; i++)
        if (keeper->state->files[i].file == file)
            keeper->state->files[i] = (struct keeper_file){0};
}

static bool is_waited_for(const struct pawl_keeper *keeper)
{
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++) {
        const struct pawl_linefile *file = keeper->state->files[i].file;
        if (file && pawl_linefile_is_waiting(file))
            return true;
    }
    return false;
}

static void note_failure(struct pawl_keeper *keeper, const char *name, int code)
{
    if (!keeper->has_failed)
        pawl_log_warn("cannot be made durable", "file=%s error=%s", name, strerror(code));
    keeper->has_failed = true;
}

/* After a failure nothing is synced any more, and nobody is to wait for it. */
static void release_all(struct pawl_keeper *keeper)
{
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++)
        if (keeper->state->files[i].file)
            pawl_linefile_synced(keeper->state->files[i].file, &keeper->state->files[i].mark,
                                 -EIO);
}

/* How the folder was synced, if it was. Some file systems cannot; they order such changes
 * themselves. */
static int folder_code(const struct pawl_io_op *op)
{
    bool is_one = op->kind == PAWL_IO_OP_SYNC_FOLDER;
    return !is_one || op->result == -EINVAL || op->result == -EOPNOTSUPP ? 0 : (int)op->result;
}

static void look(struct pawl_keeper *keeper)
{
    struct pawl_keeper_state *state = keeper->state;
    int named = folder_code(&state->ops[0]);

    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++) {
        struct keeper_file *file = &state->files[i];
        if (!file->is_under_way) /* it has come since */
            continue;
        const struct pawl_io_op *ops = &state->ops[file->op_index];
        int code = ops[0].result < 0 ? (int)ops[0].result : (int)ops[1].result;
        if (ops[0].result == -ENOENT) /* one that is not there has nothing to lose */
            code = 0;
        if (code == 0 && file->is_new)
            code = named;
        if (code != 0)
            note_failure(keeper, file->name, -code);
        pawl_linefile_synced(file->file, &file->mark, code);
        file->is_new = file->is_under_way = false;
    }
    keeper->sync_count++;
}

static bool has_new(const struct pawl_keeper_state *state)
{
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++)
        if (state->files[i].name && state->files[i].is_new)
            return true;
    return false;
}

static void begin(struct pawl_keeper *keeper, uint64_t now_ns)
{
    struct pawl_keeper_state *state = keeper->state;
    unsigned count = 0;

    if (has_new(state))
        state->ops[count++] =
            (struct pawl_io_op){.kind = PAWL_IO_OP_SYNC_FOLDER, .folder = state->folder};
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++) {
        struct keeper_file *file = &state->files[i];
        if (!file->name)
            continue;
        file->is_under_way = true;
        file->op_index = count;
        file->mark = pawl_linefile_mark(file->file);
        state->ops[count++] = (struct pawl_io_op){.kind = PAWL_IO_OP_OPEN,
                                                  .slot = i,
                                                  .folder = state->folder,
                                                  .name = file->name,
                                                  .flags = O_WRONLY | O_CLOEXEC};
        state->ops[count++] = (struct pawl_io_op){.kind = PAWL_IO_OP_SYNC, .slot = i};
        state->ops[count++] = (struct pawl_io_op){.kind = PAWL_IO_OP_CLOSE, .slot = i};
    }
    struct pawl_err err = {0};
    keeper->begun_ns = now_ns;
    if (count == 0)
        return;
    keeper->is_syncing = pawl_io_queue_begin(&state->queue, state->ops, count,
                                             PAWL_IO_GO_ON_AFTER_FAILURE, &err) == 0;
    if (!keeper->is_syncing)
        note_failure(keeper, ".", err.code);
}

void pawl_keeper_poll(struct pawl_keeper *keeper, uint64_t now_ns)
{
    if (!keeper->state)
        return;
    if (keeper->is_syncing && pawl_io_queue_poll(&keeper->state->queue)) {
        keeper->is_syncing = false;
        look(keeper);
    }
    if (keeper->is_syncing)
        return;
    bool is_waited = is_waited_for(keeper);
    if (keeper->has_failed) {
        if (is_waited)
            release_all(keeper);
    } else if (is_waited || now_ns - keeper->begun_ns >= keeper->state->period_ns)
        begin(keeper, now_ns);
}

void pawl_keeper_wait(struct pawl_keeper *keeper, uint64_t deadline_ns)
{
    if (keeper->is_syncing)
        (void)pawl_io_queue_wait(&keeper->state->queue, deadline_ns);
    pawl_keeper_poll(keeper,
                     keeper->begun_ns); /* takes what has ended, begins what is waited for */
}

int pawl_keeper_close(struct pawl_keeper *keeper, uint64_t deadline_ns)
{
    struct pawl_keeper_state *state = keeper->state;
    if (!state)
        return 0;
    pawl_keeper_wait(keeper, deadline_ns);
    if (!keeper->is_syncing && !keeper->has_failed)
        begin(keeper, pawl_clock_now_ns());
    pawl_keeper_wait(keeper, deadline_ns);
    bool is_stuck = keeper->is_syncing;
    if (is_stuck) {
        pawl_log_error("the disk does not answer: lines since the last sync may be lost",
                       "files=episodes.jsonl,metrics.jsonl");
    } else {
        struct pawl_io *io = state->queue.io;
        (void)pawl_io_queue_close(&state->queue);
        pawl_io_close(io, state->folder);
        free(state);
    }
    *keeper = (struct pawl_keeper){0};
    return is_stuck ? -ETIMEDOUT : 0;
}
