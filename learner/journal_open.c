/* journal_open.c: finds what a folder holds, and where to go on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int sync_folder(struct pawl_io *io, int folder)
{
    int code = pawl_io_sync_folder(io, folder);
    /* Some file systems cannot sync a folder; they order such changes themselves. */
    return code == -EINVAL || code == -EOPNOTSUPP ? 0 : code;
}

/* The folder may have been made by a learner that died before its name was durable. */
static int make_folder(struct pawl_io *io, const char *path, struct pawl_err *err)
{
    const char *name;
    int above = pawl_io_open_folder_of(io, path, &name, err);
    if (above < 0)
        return above;
    int code = pawl_io_mkdir(io, above, name, 0700);
    if (code == 0 || code == -EEXIST)
        code = sync_folder(io, above);
    pawl_io_close(io, above);
    return code == 0 ? 0 : pawl_err_set(err, -code, "make %s: %s", path, strerror(-code));
}

static int open_folder(struct pawl_journal_found *found, struct pawl_err *err)
{
    int code = make_folder(found->io, found->folder, err);
    if (code != 0)
        return code;
    found->folder_fd =
        pawl_io_open(found->io, PAWL_IO_CWD, found->folder, O_RDONLY | O_DIRECTORY, 0);
    if (found->folder_fd < 0)
        return pawl_err_set(err, -found->folder_fd, "open %s: %s", found->folder,
                            strerror(-found->folder_fd));
    return 0;
}

/* What one of the files holds: *first is its first frame. The last one is read with its frames,
 * since a torn end is to be cut off; *end_bytes is where. */
static int scan(struct pawl_journal_found *found, struct pawl_journal_reader *reader,
                bool is_last, struct pawl_journal_entry *entry, uint64_t *first,
                uint64_t *end_bytes, struct pawl_err *err)
{
    struct pawl_journal_chunk chunk;
    int code;

    *first = PAWL_REPLAY_NONE;
    *end_bytes = reader->offset_bytes;
    while ((code = pawl_journal_reader_next(reader, &chunk, err)) == 1) {
        if (is_last && (code = pawl_journal_reader_data(reader, &chunk, err)) != 0)
            break;
        *first = chunk.first < *first ? chunk.first : *first;
        *end_bytes = reader->offset_bytes;
        found->next = chunk.first + chunk.count;
        if (found->next > entry->end)
            entry->end = found->next;
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
 * is, with its name: its writer may have died before either was. */
static int settle(struct pawl_journal_found *found, int fd, uint64_t size_bytes,
                  uint64_t *end_bytes)
{
    struct pawl_io *io = found->io;
    int code = size_bytes > *end_bytes ? pawl_io_truncate(io, fd, *end_bytes) : 0;
    if (code == 0 && found->next != PAWL_REPLAY_NONE && found->next > found->head)
        code = take_back(io, fd, found->head, end_bytes);
    if (code == 0)
        code = pawl_io_sync(io, fd);
    return code == 0 ? sync_folder(io, found->folder_fd) : code;
}

/* The last file is written on. One that the disk fails to make durable is not: what it holds is
 * written again, elsewhere, and so is what it was to take back. */
static void go_on_with(struct pawl_journal_found *found, int code, uint64_t first,
                       uint64_t end_bytes)
{
    if (code != 0) {
        pawl_log_warn("the replay's last file cannot be made durable, it is written again",
                      "file=%s/%s error=%s", found->folder, found->name, strerror(-code));
        if (found->next != PAWL_REPLAY_NONE && found->next > found->head)
            found->take_back_at = found->head;
        if (first < found->next)
            found->next = first;
        return;
    }
    found->has_file = true;
    found->offset_bytes = end_bytes;
    found->has_synced = found->entries[found->entry_count - 1].end != 0;
}

/* Made when its writer died: nothing is in it. */
static int remove_torn(struct pawl_journal_found *found, struct pawl_err *err)
{
    int code = pawl_io_unlink(found->io, found->folder_fd, found->name);
    return code == 0 ? 0
                     : pawl_err_set(err, -code, "remove %s: %s", found->name, strerror(-code));
}

/* -ENODATA: its header is torn. */
static int open_file(struct pawl_journal_found *found, uint64_t sequence, int flags,
                     struct pawl_journal_reader *reader, struct pawl_err *err)
{
    pawl_journal_name(found->name, sequence);
    int fd = pawl_io_open(found->io, found->folder_fd, found->name, flags, 0);
    if (fd < 0)
        return pawl_err_set(err, -fd, "open %s: %s", found->name, strerror(-fd));
    int code = pawl_journal_reader_open(reader, found->io, fd, found->name, err);
    if (code == 0 && pawl_spec_match(&found->spec, &reader->spec, err) != 0)
        code = pawl_err_wrap(err, "%s is of another spec", found->name);
    if (code != 0) {
        pawl_journal_reader_close(reader);
        pawl_io_close(found->io, fd);
    }
    return code;
}

static void close_file(struct pawl_journal_found *found, struct pawl_journal_reader *reader)
{
    int fd = reader->fd;
    pawl_journal_reader_close(reader);
    pawl_io_close(found->io, fd);
}

/* Removes the newest files of which the header is torn: the one to be settled comes last then.
 */
static int find_last(struct pawl_journal_found *found, const uint64_t *sequences,
                     uint32_t *count, struct pawl_err *err)
{
    while (*count > 0) {
        struct pawl_journal_reader reader = {0};
        int code = open_file(found, sequences[*count - 1], O_RDONLY, &reader, err);
        if (code == 0)
            close_file(found, &reader);
        if (code != -ENODATA)
            return code;
        code = remove_torn(found, err);
        if (code != 0)
            return code;
        --*count;
    }
    return 0;
}

static int take_file(struct pawl_journal_found *found, uint64_t sequence, bool is_last,
                     struct pawl_err *err)
{
    struct pawl_journal_reader reader = {0};
    struct pawl_journal_entry entry = {.sequence = sequence};
    uint64_t first, end_bytes;

    int code = open_file(found, sequence, is_last ? O_RDWR : O_RDONLY, &reader, err);
    if (code != 0)
        return code == -ENODATA ? remove_torn(found, err) : code;
    code = scan(found, &reader, is_last, &entry, &first, &end_bytes, err);
    if (code == 0)
        found->entries[found->entry_count++] = entry;
    if (code == 0 && is_last)
        go_on_with(found, settle(found, reader.fd, reader.size_bytes, &end_bytes), first,
                   end_bytes);
    close_file(found, &reader);
    return code;
}

/* All that waits for the disk, on whatever thread. */
static int read_folder(void *arg, struct pawl_err *err)
{
    struct pawl_journal_found *found = arg;
    uint64_t *sequences = NULL;
    uint32_t count = 0;

    found->entries = calloc(PAWL_JOURNAL_FILES_MAX, sizeof(*found->entries));
    if (!found->entries)
        return pawl_err_set(err, ENOMEM, "out of memory");
    int code = open_folder(found, err);
    if (code == 0)
        code = pawl_journal_list(found->io, found->folder_fd, &sequences, &count, err);
    if (code == 0 && count > 0) {
        found->next_sequence = sequences[count - 1] + 1;
        code = find_last(found, sequences, &count, err);
    }
    for (uint32_t i = 0; code == 0 && i < count; i++)
        code = take_file(found, sequences[i], i + 1 == count, err);
    free(sequences);
    return code;
}

static int make_found(struct pawl_journal *journal, struct pawl_err *err)
{
    struct pawl_journal_state *state = journal->state;
    struct pawl_journal_found *found = calloc(1, sizeof(*found));
    if (!found)
        return pawl_err_set(err, ENOMEM, "out of memory");
    *found = (struct pawl_journal_found){.io = state->cfg.io,
                                         .spec = journal->replay->spec,
                                         .head = journal->replay->head,
                                         .folder_fd = -1,
                                         .take_back_at = PAWL_REPLAY_NONE,
                                         .next = PAWL_REPLAY_NONE};
    snprintf(found->folder, sizeof(found->folder), "%s", state->folder);
    state->found = found;
    return 0;
}

static void drop_found(struct pawl_journal_state *state)
{
    if (!state->found)
        return;
    if (state->found->folder_fd >= 0)
        pawl_io_close(state->cfg.io, state->found->folder_fd);
    free(state->found->entries);
    free(state->found);
    state->found = NULL;
}

int pawl_journal_begin_look(struct pawl_journal *journal, struct pawl_err *err)
{
    struct pawl_journal_state *state = journal->state;
    int code = make_found(journal, err);
    if (code == 0)
        code = pawl_errand_begin(&state->errand, read_folder, state->found, err);
    if (code != 0)
        drop_found(state);
    return code;
}

/* code: of the look. */
static void take_found(struct pawl_journal *journal, int code)
{
    struct pawl_journal_state *state = journal->state;
    struct pawl_journal_found *found = state->found;
    const struct pawl_replay *replay = journal->replay;

    if (code == 0) {
        state->entries = found->entries;
        state->entry_count = found->entry_count;
        state->folder_fd = found->folder_fd;
        memcpy(state->name, found->name, sizeof(state->name));
        state->has_file = state->has_header = found->has_file;
        state->has_synced = found->has_synced;
        state->take_back_at = found->take_back_at;
        state->offset_bytes = found->offset_bytes;
        state->next_sequence = found->next_sequence;
        state->next = found->next == PAWL_REPLAY_NONE ? pawl_replay_first(replay) : found->next;
        if (state->next > replay->head)
            state->next = replay->head;
        state->durable = state->next;
        found->entries = NULL;
        found->folder_fd = -1;
    }
    drop_found(state);
}

int pawl_journal_end_look(struct pawl_journal *journal, struct pawl_err *err)
{
    int code = pawl_errand_end(&journal->state->errand, err);
    take_found(journal, code);
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

static int look_now(struct pawl_journal *journal, struct pawl_err *err)
{
    int code = make_found(journal, err);
    if (code != 0)
        return code;
    code = read_folder(journal->state->found, err);
    take_found(journal, code);
    return code;
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
    state->keep_head = state->take_back_at = PAWL_REPLAY_NONE;
    snprintf(state->folder, sizeof(state->folder), "%s", cfg->folder);
    state->cfg.folder = state->folder;
    if (pawl_io_queue_open(&state->queue, cfg->io, cfg->queue_kind, err) != 0)
        goto fail;
    if (cfg->is_looked_for_later ? pawl_journal_begin_look(journal, err) != 0
                                 : look_now(journal, err) != 0)
        goto fail;
    state->write_ns = state->sync_ns = pawl_clock_now_ns();
    return 0;

fail:
    (void)pawl_journal_close(journal);
    return pawl_err_wrap(err, "open the replay's journal in %s", cfg->folder);
}

int pawl_journal_close(struct pawl_journal *journal)
{
    struct pawl_journal_state *state = journal->state;
    if (state) {
        bool is_idle =
            pawl_errand_wait(&state->errand, pawl_clock_now_ns() + PAWL_IO_QUEUE_CLOSE_NS);
        if (!is_idle || pawl_io_queue_close(&state->queue) != 0) {
            pawl_log_error("the disk does not answer: frames of the replay are not on it",
                           "journal=%s frames=%" PRIu64, state->folder,
                           journal->replay->head - state->durable);
            return -ETIMEDOUT;
        }
        if (state->errand.state)
            (void)pawl_errand_end(&state->errand, NULL);
        drop_found(state);
        if (state->folder_fd >= 0)
            pawl_io_close(state->cfg.io, state->folder_fd);
        free(state->entries);
        free(state);
    }
    *journal = (struct pawl_journal){0};
    return 0;
}
