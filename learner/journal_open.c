/* journal_open.c: finds what a folder holds, and where to go on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "learner/journal_internal.h"
#include "runtime/clock.h"
#include "runtime/log.h"

struct pawl_journal_cfg pawl_journal_default_cfg(void)
{
    return (struct pawl_journal_cfg){
        .queue_kind = PAWL_IO_QUEUE_AUTO,
        .chunk_bytes_max = 1ull << 20,
        .file_bytes_max = 256ull << 20,
        .write_period_ns = 200 * PAWL_NS_PER_MS,
        .sync_period_ns = PAWL_NS_PER_S,
        .retry_period_ns = PAWL_NS_PER_S,
    };
}

static int open_folder(struct pawl_journal_state *state, struct pawl_err *err)
{
    struct pawl_io *io = state->cfg.io;
    int flags = O_RDONLY | O_DIRECTORY;

    state->folder_fd = pawl_io_open(io, PAWL_IO_CWD, state->folder, flags, 0);
    if (state->folder_fd == -ENOENT) {
        const char *name;
        int above = pawl_io_open_folder_of(io, state->folder, &name, err);
        if (above < 0)
            return above;
        int code = mkdir(state->folder, 0700) == 0 ? pawl_io_sync_folder(io, above) : -errno;
        pawl_io_close(io, above);
        if (code != 0 && code != -EINVAL && code != -EOPNOTSUPP)
            return pawl_err_set(err, -code, "make %s: %s", state->folder, strerror(-code));
        state->folder_fd = pawl_io_open(io, PAWL_IO_CWD, state->folder, flags, 0);
    }
    if (state->folder_fd < 0)
        return pawl_err_set(err, -state->folder_fd, "open %s: %s", state->folder,
                            strerror(-state->folder_fd));
    return 0;
}

/* What one of the files holds: *first is its first frame. The last one is read with its frames,
 * since a torn end is to be cut off; *end_bytes is where. */
static int scan(struct pawl_journal *journal, struct pawl_journal_reader *reader, bool is_last,
                struct pawl_journal_entry *entry, uint64_t *first, uint64_t *end_bytes,
                struct pawl_err *err)
{
    struct pawl_journal_state *state = journal->state;
    struct pawl_journal_chunk chunk;
    int code;

    *first = PAWL_REPLAY_NONE;
    *end_bytes = reader->offset_bytes;
    while ((code = pawl_journal_reader_next(reader, &chunk, err)) == 1) {
        if (is_last && (code = pawl_journal_reader_data(reader, &chunk, err)) != 0)
            break;
        *first = chunk.first < *first ? chunk.first : *first;
        *end_bytes = reader->offset_bytes;
        state->next = chunk.first + chunk.count;
        if (state->next > entry->end)
            entry->end = state->next;
    }
    return code == -ENODATA ? 0 : code;
}

/* An empty chunk at `head`: frames from there on are of a run that was resumed from before
 * them, and do not come back, whether or not what this one will write there is lost. */
static int take_back(struct pawl_io *io, int fd, uint64_t head, uint64_t *end_bytes)
{
    struct pawl_journal_chunk chunk;

    pawl_journal_make_chunk(&chunk, head, 0, 0, *end_bytes, NULL);
    int code = pawl_io_write_all(io, fd, &chunk, sizeof(chunk), *end_bytes);
    *end_bytes += sizeof(chunk);
    return code;
}

/* Cuts the file, takes frames from `head` on back if there are any, and makes it durable as it
 * is. */
static int settle(struct pawl_io *io, int fd, uint64_t size_bytes, uint64_t *end_bytes,
                  uint64_t next, uint64_t head)
{
    int code = size_bytes > *end_bytes ? pawl_io_truncate(io, fd, *end_bytes) : 0;
    if (code == 0 && next != PAWL_REPLAY_NONE && next > head)
        code = take_back(io, fd, head, end_bytes);
    return code == 0 ? pawl_io_sync(io, fd) : code;
}

/* The last file is written on. One that the disk fails to make durable is not: what it holds is
 * written again, elsewhere. */
static void go_on_with(struct pawl_journal_state *state, int code, uint64_t first,
                       uint64_t end_bytes)
{
    if (code != 0) {
        pawl_log_warn("the replay's last file cannot be made durable, it is written again",
                      "file=%s/%s error=%s", state->folder, state->name, strerror(-code));
        state->next = first;
        return;
    }
    state->has_file = state->has_header = true;
    state->offset_bytes = end_bytes;
    state->has_synced = state->entries[state->entry_count - 1].end != 0;
}

static int take_file(struct pawl_journal *journal, uint64_t sequence, bool is_last,
                     struct pawl_err *err)
{
    struct pawl_journal_state *state = journal->state;
    struct pawl_io *io = state->cfg.io;
    struct pawl_journal_reader reader = {0};
    struct pawl_journal_entry entry = {.sequence = sequence};
    struct pawl_err why = {0};

    pawl_journal_name(state->name, sequence);
    int fd = pawl_io_open(io, state->folder_fd, state->name, is_last ? O_RDWR : O_RDONLY, 0);
    if (fd < 0)
        return pawl_err_set(err, -fd, "open %s: %s", state->name, strerror(-fd));
    int code = pawl_journal_reader_open(&reader, io, fd, state->name, &why);
    if (code == 0 && pawl_spec_match(&journal->replay->spec, &reader.spec, &why) != 0)
        code = pawl_err_wrap(&why, "%s is of another spec", state->name);
    if (code == 0) {
        uint64_t first, end_bytes;
        code = scan(journal, &reader, is_last, &entry, &first, &end_bytes, &why);
        if (code == 0)
            state->entries[state->entry_count++] = entry;
        if (code == 0 && is_last) {
            int settled = settle(io, fd, reader.size_bytes, &end_bytes, state->next,
                                 journal->replay->head);
            go_on_with(state, settled, first, end_bytes);
        }
    } else if (code == -ENODATA) { /* made when its writer died: nothing is in it */
        code = pawl_io_unlink(io, state->folder_fd, state->name);
        if (code != 0)
            pawl_err_set(&why, -code, "remove %s: %s", state->name, strerror(-code));
    }
    pawl_journal_reader_close(&reader);
    pawl_io_close(io, fd);
    return code == 0 ? 0 : pawl_err_set(err, -code, "%s", why.text);
}

static int take_over(struct pawl_journal *journal, struct pawl_err *err)
{
    struct pawl_journal_state *state = journal->state;
    const struct pawl_replay *replay = journal->replay;
    uint64_t *sequences = NULL;
    uint32_t count = 0;
    int code = pawl_journal_list(state->cfg.io, state->folder_fd, &sequences, &count, err);

    state->next = PAWL_REPLAY_NONE;
    for (uint32_t i = 0; code == 0 && i < count; i++) {
        code = take_file(journal, sequences[i], i + 1 == count, err);
        state->next_sequence = sequences[i] + 1;
    }
    free(sequences);
    if (state->next == PAWL_REPLAY_NONE) /* no chunk anywhere */
        state->next = pawl_replay_first(replay);
    if (state->next > replay->head)
        state->next = replay->head;
    state->durable = state->next;
    return code;
}

static int check_cfg(const struct pawl_journal_cfg *cfg, struct pawl_err *err)
{
    if (strlen(cfg->folder) >= PATH_MAX)
        return pawl_err_set(err, ENAMETOOLONG, "a path of %zu bytes: at most %d",
                            strlen(cfg->folder), PATH_MAX - 1);
    if (cfg->chunk_bytes_max < 1 || cfg->chunk_bytes_max > PAWL_JOURNAL_CHUNK_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "chunks of %" PRIu64 " bytes: 1 to %llu",
                            cfg->chunk_bytes_max, PAWL_JOURNAL_CHUNK_BYTES_MAX);
    return 0;
}

int pawl_journal_open(struct pawl_journal *journal, const struct pawl_journal_cfg *cfg,
                      const struct pawl_replay *replay, struct pawl_err *err)
{
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *journal = (struct pawl_journal){.replay = replay};
    if (check_cfg(cfg, err) != 0)
        return pawl_err_wrap(err, "open the replay's journal");
    struct pawl_journal_state *state = journal->state = calloc(1, sizeof(*state));
    if (!state)
        return pawl_err_set(err, ENOMEM, "no memory for the replay's journal");
    state->cfg = *cfg;
    state->folder_fd = -1;
    state->keep_head = PAWL_REPLAY_NONE;
    snprintf(state->folder, sizeof(state->folder), "%s", cfg->folder);
    state->cfg.folder = state->folder;
    state->entries = calloc(PAWL_JOURNAL_FILES_MAX, sizeof(*state->entries));
    if (!state->entries) {
        pawl_err_set(err, ENOMEM, "out of memory");
        goto fail;
    }
    if (open_folder(state, err) != 0 || take_over(journal, err) != 0 ||
        pawl_io_queue_open(&state->queue, cfg->io, cfg->queue_kind, err) != 0)
        goto fail;
    state->write_ns = state->sync_ns = pawl_clock_now_ns();
    return 0;

fail:
    pawl_journal_close(journal);
    return pawl_err_wrap(err, "open the replay's journal in %s", cfg->folder);
}

void pawl_journal_close(struct pawl_journal *journal)
{
    struct pawl_journal_state *state = journal->state;
    if (state) {
        pawl_io_queue_close(&state->queue);
        if (state->folder_fd >= 0)
            pawl_io_close(state->cfg.io, state->folder_fd);
        free(state->entries);
        free(state);
    }
    *journal = (struct pawl_journal){0};
}
