/* journal.c: the writer. One chain of operations is in flight at a time:
 *
 *     FILE     open or make the file; its header, sync, its name
 *     CLOSE    sync, close; remove it when nothing in it is worth anything
 *     CHUNK    header, frames; sync when it is time
 *     SYNC     of what is written
 *     REMOVE   a file whose frames nobody wants any more
 *
 * What a chain has done is entered when its results are in. Nothing here is undone: a failure
 * leaves offset and next where they were, and the same is tried again after a period.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "learner/journal_internal.h"
#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"

#define SLOT          0u /* of the queue: the file that is written */
#define FLUSH_STEP_NS (50 * PAWL_NS_PER_MS)

/* --- what a chain has done --- */

static void note_failure(struct pawl_journal *journal, const struct pawl_err *err,
                         uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;

    journal->counts.failures++;
    journal->failure = *err;
    state->retry_ns = now_ns + state->cfg.retry_period_ns;
    pawl_log_warn_once("replay is not being written", "error=%s frames_behind=%" PRIu64,
                       journal->failure.text, journal->replay->head - state->durable);
}

static void fail(struct pawl_journal *journal, int code, const char *what, uint64_t now_ns)
{
    const struct pawl_journal_state *state = journal->state;
    struct pawl_err err = {0};

    pawl_err_set(&err, code, "%s %s/%s: %s", what, state->folder, state->name, strerror(code));
    note_failure(journal, &err, now_ns);
}

static void succeed(struct pawl_journal *journal)
{
    if (journal->failure.code)
        pawl_log_info("replay is being written again", "folder=%s", journal->state->folder);
    journal->failure = (struct pawl_err){0};
}

/* The disk has said so, before this line does. */
static void note_durable(struct pawl_journal *journal)
{
    struct pawl_journal_state *state = journal->state;

    journal->counts.syncs++;
    state->durable = state->next;
    pawl_log_debug("replay durable", "folder=%s head=%" PRIu64, state->folder, state->durable);
}

static void note_synced(struct pawl_journal *journal)
{
    struct pawl_journal_state *state = journal->state;

    if (state->entries[state->entry_count - 1].end != 0)
        state->has_synced = true;
    note_durable(journal);
}

/* The kernel may have dropped what it could not write, so this file's end is worth nothing. The
 * frames are still in the store: they are written again, elsewhere. */
static void spoil(struct pawl_journal_state *state)
{
    state->is_spoilt = true;
    if (state->durable < state->next)
        state->next = state->durable;
}

/* The queue has lost the file: it is given up like one that a sync failed of, since a sync of
 * what was written to it through another descriptor would say less. */
static void check_slot(struct pawl_journal_state *state)
{
    if (state->slots_lost_count == state->queue.slots_lost_count)
        return;
    state->slots_lost_count = state->queue.slots_lost_count;
    if (!state->is_open)
        return;
    state->is_open = false;
    spoil(state);
}

/* What has failed in a chain, as a word; NULL: nothing. */
static const char *find_failure(const struct pawl_journal_state *state, int *code,
                                enum pawl_io_op_kind *kind)
{
    static const char *const words[] = {
        [PAWL_IO_OP_OPEN] = "open",     [PAWL_IO_OP_ALLOCATE] = "allocate",
        [PAWL_IO_OP_WRITE] = "write",   [PAWL_IO_OP_SYNC] = "sync",
        [PAWL_IO_OP_CLOSE] = "close",   [PAWL_IO_OP_RENAME] = "rename",
        [PAWL_IO_OP_UNLINK] = "remove", [PAWL_IO_OP_SYNC_FOLDER] = "sync the folder of",
    };
    for (unsigned i = 0; i < state->op_count; i++) {
        const struct pawl_io_op *op = &state->ops[i];
        if (pawl_io_op_is_complete(op))
            continue;
        *code = op->result < 0 ? (int)-op->result : ENOSPC; /* a short write */
        *kind = op->kind;
        return words[op->kind];
    }
    return NULL;
}

static bool has_done(const struct pawl_journal_state *state, enum pawl_io_op_kind kind)
{
    for (unsigned i = 0; i < state->op_count; i++)
        if (state->ops[i].kind == kind && pawl_io_op_is_complete(&state->ops[i]))
            return true;
    return false;
}

/* The new file begins with an empty chunk. */
static void note_taken_back(struct pawl_journal_state *state)
{
    if (state->take_back_at == PAWL_REPLAY_NONE)
        return;
    state->offset_bytes += sizeof(state->chunk);
    state->has_synced = true;
    state->take_back_at = PAWL_REPLAY_NONE;
}

static void finish_file(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    enum pawl_io_op_kind kind = PAWL_IO_OP_OPEN;
    int code = 0;
    const char *what = find_failure(state, &code, &kind);

    if (has_done(state, PAWL_IO_OP_OPEN))
        state->is_open = true;
    if (!what) {
        state->has_header = true;
        if (state->offset_bytes == 0) {
            state->offset_bytes = state->header_bytes;
            journal->counts.files++;
            note_taken_back(state);
        }
        succeed(journal);
        return;
    }
    if (code == EEXIST) { /* somebody else's */
        state->has_file = false;
        state->entry_count--;
        return;
    }
    if (kind == PAWL_IO_OP_SYNC)
        state->is_spoilt = true;
    if (kind == PAWL_IO_OP_OPEN && state->has_header)
        state->has_file = false; /* it was there, and cannot be opened any more */
    fail(journal, code, what, now_ns);
}

static void forget_file(struct pawl_journal_state *state)
{
    state->has_file = state->is_open = state->has_header = false;
    state->has_synced = state->is_spoilt = false;
    state->offset_bytes = 0;
}

/* The old file, before another one is opened. */
static void finish_close(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    enum pawl_io_op_kind kind = PAWL_IO_OP_OPEN;
    int code = 0;
    const char *what = find_failure(state, &code, &kind);

    if (has_done(state, PAWL_IO_OP_UNLINK))
        state->entry_count--;
    forget_file(state);
    if (what && kind == PAWL_IO_OP_SYNC) {
        if (state->durable < state->next)
            state->next = state->durable;
        fail(journal, code, what, now_ns);
    } else if (has_done(state, PAWL_IO_OP_SYNC)) {
        note_durable(journal);
    }
}

/* New frames have taken the place of those that were being written. */
static bool is_lapped(const struct pawl_journal *journal)
{
    return journal->replay->next > journal->state->chunk.first + journal->replay->slot_count;
}

static void finish_chunk(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    const struct pawl_journal_chunk *chunk = &state->chunk;
    enum pawl_io_op_kind kind = PAWL_IO_OP_OPEN;
    int code = 0;
    const char *what = find_failure(state, &code, &kind);

    if (what) {
        if (kind == PAWL_IO_OP_SYNC)
            spoil(state);
        fail(journal, code, what, now_ns);
        return;
    }
    if (is_lapped(journal)) { /* it is written over by the next one */
        journal->counts.dropped += chunk->count;
        state->next = chunk->first + chunk->count;
        return;
    }
    struct pawl_journal_entry *entry = &state->entries[state->entry_count - 1];
    state->offset_bytes += sizeof(*chunk) + chunk->bytes;
    state->next = chunk->first + chunk->count;
    if (state->next > entry->end)
        entry->end = state->next;
    journal->counts.chunks++;
    journal->counts.frames += chunk->count;
    journal->counts.bytes += sizeof(*chunk) + chunk->bytes;
    if (has_done(state, PAWL_IO_OP_SYNC))
        note_synced(journal);
    succeed(journal);
}

static void finish_sync(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    enum pawl_io_op_kind kind = PAWL_IO_OP_OPEN;
    int code = 0;
    const char *what = find_failure(state, &code, &kind);

    if (!what) {
        note_synced(journal);
        succeed(journal);
        return;
    }
    spoil(state);
    fail(journal, code, what, now_ns);
}

static void finish_remove(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    enum pawl_io_op_kind kind = PAWL_IO_OP_OPEN;
    int code = 0;
    const char *what = find_failure(state, &code, &kind);

    if (what && code != ENOENT) {
        fail(journal, code, what, now_ns);
        return;
    }
    journal->counts.removed_files++;
    state->entry_count--;
    memmove(state->entries, state->entries + 1, state->entry_count * sizeof(*state->entries));
}

static void finish(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    enum pawl_journal_chain chain = state->chain;

    state->chain = PAWL_JOURNAL_CHAIN_NONE;
    switch (chain) {
    case PAWL_JOURNAL_CHAIN_NONE:
        break;
    case PAWL_JOURNAL_CHAIN_FILE:
        finish_file(journal, now_ns);
        break;
    case PAWL_JOURNAL_CHAIN_CLOSE:
        finish_close(journal, now_ns);
        break;
    case PAWL_JOURNAL_CHAIN_CHUNK:
        finish_chunk(journal, now_ns);
        break;
    case PAWL_JOURNAL_CHAIN_SYNC:
        finish_sync(journal, now_ns);
        break;
    case PAWL_JOURNAL_CHAIN_REMOVE:
        finish_remove(journal, now_ns);
        break;
    }
}

/* --- what is due --- */

static struct pawl_io_op *add_op(struct pawl_journal_state *state, enum pawl_io_op_kind kind)
{
    struct pawl_io_op *op = &state->ops[state->op_count++];
    *op = (struct pawl_io_op){
        .kind = kind, .slot = SLOT, .folder = state->folder_fd, .name = state->name};
    return op;
}

static void add_write(struct pawl_journal_state *state, const void *bytes, size_t byte_count,
                      uint64_t offset_bytes)
{
    struct pawl_io_op *op = add_op(state, PAWL_IO_OP_WRITE);
    op->bytes = bytes;
    op->byte_count = byte_count;
    op->offset_bytes = offset_bytes;
}

static void begin(struct pawl_journal *journal, enum pawl_journal_chain chain,
                  enum pawl_io_failure failure, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    struct pawl_err err = {0};

    state->chain = chain;
    if (pawl_io_queue_begin(&state->queue, state->ops, state->op_count, failure, &err) == 0)
        return;
    state->chain = PAWL_JOURNAL_CHAIN_NONE;
    fail(journal, err.code, "begin to write", now_ns);
}

/* The file is full, or spoilt. */
static void begin_close(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;

    if (state->is_open && !state->is_spoilt && state->durable < state->next)
        add_op(state, PAWL_IO_OP_SYNC);
    if (state->is_open)
        add_op(state, PAWL_IO_OP_CLOSE);
    if (state->is_spoilt && !state->has_synced)
        add_op(state, PAWL_IO_OP_UNLINK);
    if (state->op_count == 0) {
        forget_file(state);
        return;
    }
    begin(journal, PAWL_JOURNAL_CHAIN_CLOSE, PAWL_IO_GO_ON_AFTER_FAILURE, now_ns);
}

/* Opens the file, or makes it; what an earlier try has done is not done again. */
static void begin_file(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;

    if (!state->has_file) {
        if (state->entry_count == PAWL_JOURNAL_FILES_MAX) {
            fail(journal, EMFILE, "make one more file than there may be in", now_ns);
            return;
        }
        state->entries[state->entry_count++] =
            (struct pawl_journal_entry){.sequence = state->next_sequence++};
        forget_file(state);
        state->has_file = true;
    }
    bool is_new = !state->has_header;
    pawl_journal_name(state->name, state->entries[state->entry_count - 1].sequence);
    if (!state->is_open) {
        struct pawl_io_op *op = add_op(state, PAWL_IO_OP_OPEN);
        op->flags = O_RDWR | (is_new ? O_CREAT | O_EXCL : 0);
        op->mode = 0600;
    }
    if (is_new) {
        state->header_bytes =
            pawl_journal_make_header(state->header, &journal->replay->spec,
                                     state->entries[state->entry_count - 1].sequence);
        add_write(state, state->header, state->header_bytes, 0);
        if (state->take_back_at != PAWL_REPLAY_NONE) {
            pawl_journal_make_chunk(&state->chunk, state->take_back_at, 0, 0,
                                    state->header_bytes, NULL);
            add_write(state, &state->chunk, sizeof(state->chunk), state->header_bytes);
        }
        add_op(state, PAWL_IO_OP_SYNC);
        add_op(state, PAWL_IO_OP_SYNC_FOLDER);
    }
    begin(journal, PAWL_JOURNAL_CHAIN_FILE, PAWL_IO_STOP_AT_FAILURE, now_ns);
}

/* Frames from state->next on that lie side by side, not more than a chunk. */
static uint32_t chunk_count(const struct pawl_journal *journal)
{
    const struct pawl_replay *replay = journal->replay;
    const struct pawl_journal_state *state = journal->state;
    uint64_t count = replay->head - state->next;
    uint64_t side_by_side = replay->slot_count - state->next % replay->slot_count;
    uint64_t fit = state->cfg.chunk_bytes_max / replay->slot_bytes;

    count = count < side_by_side ? count : side_by_side;
    fit = fit < 1 ? 1 : fit;
    return (uint32_t)(count < fit ? count : fit);
}

static bool is_sync_due(const struct pawl_journal_state *state, uint64_t now_ns)
{
    return state->durable < state->hurry_until ||
           now_ns - state->sync_ns >= state->cfg.sync_period_ns;
}

static void begin_chunk(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    uint32_t count = chunk_count(journal);
    const struct pawl_replay_frame *frames = pawl_replay_frame(journal->replay, state->next);

    PAWL_FAULT("learner.journal");
    pawl_journal_make_chunk(&state->chunk, state->next, count, journal->replay->slot_bytes,
                            state->offset_bytes, frames);
    add_write(state, &state->chunk, sizeof(state->chunk), state->offset_bytes);
    add_write(state, frames, state->chunk.bytes, state->offset_bytes + sizeof(state->chunk));
    bool is_last = state->next + count == journal->replay->head;
    if (is_sync_due(state, now_ns) && (is_last || state->durable >= state->hurry_until)) {
        add_op(state, PAWL_IO_OP_SYNC);
        state->sync_ns = now_ns;
    }
    state->write_ns = now_ns;
    begin(journal, PAWL_JOURNAL_CHAIN_CHUNK, PAWL_IO_STOP_AT_FAILURE, now_ns);
}

static void begin_sync(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;

    add_op(state, PAWL_IO_OP_SYNC);
    state->sync_ns = now_ns;
    begin(journal, PAWL_JOURNAL_CHAIN_SYNC, PAWL_IO_STOP_AT_FAILURE, now_ns);
}

/* What is older than the window, or was lapped before there was time, cannot be written. */
static void skip_lost(struct pawl_journal *journal)
{
    struct pawl_journal_state *state = journal->state;
    uint64_t first = pawl_replay_first(journal->replay);

    if (state->next >= first)
        return;
    journal->counts.dropped += first - state->next;
    if (state->durable == state->next)
        state->durable = first; /* nothing that could be lost is missing */
    state->next = first;
}

/* The oldest file, when nothing in it is wanted and it is not the one that is written. */
static bool has_old_file(const struct pawl_journal *journal)
{
    const struct pawl_journal_state *state = journal->state;
    uint64_t first = pawl_replay_first(journal->replay);

    if (state->entry_count < 2)
        return false;
    if (state->keep_head != PAWL_REPLAY_NONE) {
        uint64_t kept = state->keep_head > journal->replay->capacity
                            ? state->keep_head - journal->replay->capacity
                            : 0;
        first = kept < first ? kept : first;
    }
    return state->entries[0].end <= first && state->durable >= first;
}

static void begin_remove(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;

    pawl_journal_name(state->old_name, state->entries[0].sequence);
    add_op(state, PAWL_IO_OP_UNLINK)->name = state->old_name;
    begin(journal, PAWL_JOURNAL_CHAIN_REMOVE, PAWL_IO_STOP_AT_FAILURE, now_ns);
}

static bool is_chunk_due(const struct pawl_journal *journal, uint64_t now_ns)
{
    const struct pawl_journal_state *state = journal->state;
    uint64_t count = journal->replay->head - state->next;

    return count > 0 && (state->durable < state->hurry_until ||
                         count * journal->replay->slot_bytes >= state->cfg.chunk_bytes_max ||
                         now_ns - state->write_ns >= state->cfg.write_period_ns);
}

/* Whether it is known what the folder holds; a look that failed is begun again after a while.
 */
static bool look_is_over(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;
    struct pawl_err err = {0};

    if (state->folder_fd >= 0)
        return true;
    if (!pawl_errand_poll(&state->errand) || now_ns < state->retry_ns)
        return false;
    if (!state->errand.state) {
        if (pawl_journal_begin_look(journal, &err) != 0)
            note_failure(journal, &err, now_ns);
        return false;
    }
    if (pawl_journal_end_look(journal, &err) != 0)
        note_failure(journal, &err, now_ns);
    return state->folder_fd >= 0;
}

void pawl_journal_poll(struct pawl_journal *journal, uint64_t now_ns)
{
    struct pawl_journal_state *state = journal->state;

    if (!state || !look_is_over(journal, now_ns) || !pawl_io_queue_poll(&state->queue))
        return;
    if (state->chain != PAWL_JOURNAL_CHAIN_NONE)
        finish(journal, now_ns);
    check_slot(state);
    if (now_ns < state->retry_ns)
        return;
    state->op_count = 0;
    skip_lost(journal);
    bool is_full = state->offset_bytes >= state->cfg.file_bytes_max;
    if (state->has_file && (state->is_spoilt || is_full)) {
        begin_close(journal, now_ns);
    } else if (is_chunk_due(journal, now_ns) || state->take_back_at != PAWL_REPLAY_NONE) {
        if (!state->has_file || !state->is_open || !state->has_header)
            begin_file(journal, now_ns);
        else
            begin_chunk(journal, now_ns);
    } else if (state->durable < state->next && state->is_open && is_sync_due(state, now_ns)) {
        begin_sync(journal, now_ns);
    } else if (has_old_file(journal)) {
        begin_remove(journal, now_ns);
    }
}

void pawl_journal_hurry(struct pawl_journal *journal)
{
    if (journal->state)
        journal->state->hurry_until = journal->replay->head;
}

void pawl_journal_keep(struct pawl_journal *journal, uint64_t head)
{
    if (journal->state)
        journal->state->keep_head = head;
}

uint64_t pawl_journal_durable_head(const struct pawl_journal *journal)
{
    return journal->state ? journal->state->durable : 0;
}

int pawl_journal_flush(struct pawl_journal *journal, uint64_t deadline_ns, struct pawl_err *err)
{
    struct pawl_journal_state *state = journal->state;
    uint64_t failures = journal->counts.failures;

    if (!state)
        return 0;
    pawl_journal_hurry(journal);
    state->retry_ns = 0;
    for (;;) {
        uint64_t now_ns = pawl_clock_now_ns();
        pawl_journal_poll(journal, now_ns);
        if (state->durable >= state->hurry_until)
            return 0;
        if (journal->counts.failures != failures)
            return pawl_err_set(err, journal->failure.code, "%s", journal->failure.text);
        if (now_ns >= deadline_ns)
            return pawl_err_set(err, ETIMEDOUT,
                                "write the replay to %s: %" PRIu64 " frames are not durable "
                                "at the deadline",
                                state->folder, state->hurry_until - state->durable);
        uint64_t step_ns = now_ns + FLUSH_STEP_NS;
        step_ns = step_ns < deadline_ns ? step_ns : deadline_ns;
        if (state->folder_fd < 0)
            pawl_errand_wait(&state->errand, step_ns);
        else
            pawl_io_queue_wait(&state->queue, step_ns);
    }
}
