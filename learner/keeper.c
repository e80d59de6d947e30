#include "learner/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
    bool is_condemned;              /* a sync of it failed: there is no other */
    bool is_told;                   /* that it cannot be made durable */
    bool is_under_way;              /* in the sync that is, its operations from op_index on */
    unsigned op_index;
};

struct pawl_keeper_state {
    struct pawl_io_queue queue;
    int folder;
    uint64_t period_ns;
    bool is_failing; /* the last try left out a file: the next one is when it is due */
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

static void note_failure(struct keeper_file *file, int code)
{
    if (!file->is_told)
        pawl_log_warn("cannot be made durable", "file=%s error=%s", file->name, strerror(code));
    file->is_told = true;
}

/* How the folder was synced, if it was. Some file systems cannot; they order such changes
 * themselves. */
static int folder_code(const struct pawl_io_op *op)
{
    bool is_one = op->kind == PAWL_IO_OP_SYNC_FOLDER;
    return !is_one || op->result == -EINVAL || op->result == -EOPNOTSUPP ? 0 : (int)op->result;
}

/* Whether nothing was tried: what was not synced before can be as well afterwards. */
static bool is_untried(int synced)
{
    return synced == -ECANCELED || synced == -EINTR;
}

/* named: how the folder was synced. */
static void take_result(struct pawl_keeper *keeper, struct keeper_file *file, int named)
{
    const struct pawl_io_op *ops = &keeper->state->ops[file->op_index];
    bool is_there = ops[0].result != -ENOENT; /* one that is not there has nothing to lose */
    int opened = is_there ? (int)ops[0].result : 0;
    int synced = is_there ? (int)ops[1].result : 0;

    file->is_under_way = false;
    if (opened == 0 && synced == 0 && file->is_new)
        synced = named;
    if (opened != 0 || is_untried(synced)) {
        note_failure(file, opened ? -opened : -synced);
        keeper->state->is_failing = true;
        return;
    }
    if (synced != 0)
        note_failure(file, -synced);
    file->is_condemned = synced != 0;
    file->is_told = file->is_condemned;
    file->is_new = false;
    pawl_linefile_synced(file->file, &file->mark, synced);
}

static void take_results(struct pawl_keeper *keeper)
{
    struct pawl_keeper_state *state = keeper->state;
    int named = folder_code(&state->ops[0]);

    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++)
        if (state->files[i].is_under_way) /* others have come since */
            take_result(keeper, &state->files[i], named);
    keeper->sync_count++;
}

static bool has_new(const struct pawl_keeper_state *state)
{
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++)
        if (state->files[i].name && state->files[i].is_new && !state->files[i].is_condemned)
            return true;
    return false;
}

/* The queue has begun nothing. */
static void leave_all(struct pawl_keeper_state *state, int code)
{
    state->is_failing = true;
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX; i++) {
        if (state->files[i].is_under_way)
            note_failure(&state->files[i], code);
        state->files[i].is_under_way = false;
    }
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
        if (!file->name || file->is_condemned)
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
    keeper->begun_ns = now_ns;
    state->is_failing = false;
    if (count == 0)
        return;
    struct pawl_err err = {0};
    keeper->is_syncing = pawl_io_queue_begin(&state->queue, state->ops, count,
                                             PAWL_IO_GO_ON_AFTER_FAILURE, &err) == 0;
    if (!keeper->is_syncing)
        leave_all(state, err.code);
}

static void take_ended(struct pawl_keeper *keeper)
{
    if (!keeper->is_syncing || !pawl_io_queue_poll(&keeper->state->queue))
        return;
    keeper->is_syncing = false;
    take_results(keeper);
}

static void take_until(struct pawl_keeper *keeper, uint64_t deadline_ns)
{
    if (keeper->is_syncing)
        (void)pawl_io_queue_wait(&keeper->state->queue, deadline_ns);
    take_ended(keeper);
}

void pawl_keeper_poll(struct pawl_keeper *keeper, uint64_t now_ns)
{
    struct pawl_keeper_state *state = keeper->state;
    if (!state)
        return;
    take_ended(keeper);
    if (keeper->is_syncing)
        return;
    bool is_hurried = !state->is_failing && is_waited_for(keeper);
    if (is_hurried || now_ns - keeper->begun_ns >= state->period_ns)
        begin(keeper, now_ns);
}

void pawl_keeper_wait(struct pawl_keeper *keeper, uint64_t deadline_ns)
{
    if (!keeper->state)
        return;
    take_until(keeper, deadline_ns);
    if (!keeper->is_syncing && is_waited_for(keeper))
        begin(keeper, keeper->begun_ns);
}

/* Those of the sync under way, with commas. */
static void list_names(const struct pawl_keeper_state *state, char *text, size_t text_bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < PAWL_KEEPER_FILES_MAX && length < text_bytes; i++)
        if (state->files[i].is_under_way)
            length += (size_t)snprintf(text + length, text_bytes - length, "%s%s",
                                       length ? "," : "", state->files[i].name);
}

int pawl_keeper_close(struct pawl_keeper *keeper, uint64_t deadline_ns)
{
    struct pawl_keeper_state *state = keeper->state;
    if (!state)
        return 0;
    take_until(keeper, deadline_ns);
    if (!keeper->is_syncing)
        begin(keeper, pawl_clock_now_ns());
    take_until(keeper, deadline_ns);
    bool is_stuck = keeper->is_syncing;
    if (is_stuck) {
        char names[1024];
        list_names(state, names, sizeof(names));
        pawl_log_error("the disk does not answer: lines since the last sync may be lost",
                       "files=%s", names);
    } else {
        struct pawl_io *io = state->queue.io;
        (void)pawl_io_queue_close(&state->queue);
        pawl_io_close(io, state->folder);
        free(state);
    }
    *keeper = (struct pawl_keeper){0};
    return is_stuck ? -ETIMEDOUT : 0;
}
