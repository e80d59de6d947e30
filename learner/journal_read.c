/* journal_read.c: frames out of files, into a store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/finite.h"
#include "learner/journal.h"
#include "learner/journal_file.h"
#include "shm/record.h"

/* Where frames of the run are. Of two chunks with the same number the later one counts. */
struct piece {
    struct pawl_journal_chunk chunk;
    uint32_t use_count; /* its first frames that a later chunk did not take back */
    uint32_t file;
};

struct load {
    struct pawl_io *io;
    int folder;
    struct pawl_replay *replay;
    struct pawl_journal_loaded *loaded;
    struct pawl_finite finite;
    uint64_t *sequences;
    uint32_t file_count;
    bool *is_torn; /* by file */
    struct piece *pieces;
    uint64_t piece_count, piece_room;
};

static void note_torn(struct load *load, uint32_t file, const struct pawl_err *err)
{
    struct pawl_journal_loaded *loaded = load->loaded;

    if (!load->is_torn[file] && loaded->torn_files++ == 0)
        snprintf(loaded->torn_text, sizeof(loaded->torn_text), "%.255s", err->text);
    load->is_torn[file] = true;
}

/* --- one frame --- */

static int check_frame(const struct pawl_journal_reader *reader,
                       const struct pawl_journal_chunk *chunk, uint32_t index,
                       const struct pawl_replay_frame *frame, const struct pawl_finite *finite,
                       struct pawl_err *err)
{
    uint32_t kind = frame->flags & (PAWL_RECORD_STEP | PAWL_RECORD_FINAL);
    const char *rule = NULL;
    struct pawl_err why = {0};

    if (frame->number != chunk->first + index)
        rule = "its number is not that of its place";
    else if (frame->flags & ~PAWL_RECORD_FLAGS_KNOWN)
        rule = "a flag that is not known";
    else if (frame->flags != 0 && kind != PAWL_RECORD_STEP && kind != PAWL_RECORD_FINAL)
        rule = "it is neither STEP nor FINAL, or both";
    else if (frame->lane >= PAWL_RECORD_LANES_MAX)
        rule = "a lane that cannot be";
    else if (frame->prev != PAWL_REPLAY_NONE && frame->prev >= frame->number)
        rule = "the frame before it comes after it";
    else if (frame->flags != 0 &&
             pawl_finite_explain(finite, (const unsigned char *)(frame + 1), &why) != 0)
        rule = why.text;
    if (!rule)
        return 0;
    return pawl_err_set(err, EPROTO, "%s: at byte %" PRIu64 ": frame %" PRIu64 ": %s",
                        reader->name,
                        chunk->offset_bytes + sizeof(*chunk) + index * reader->slot_bytes,
                        chunk->first + index, rule);
}

static const struct pawl_replay_frame *frame_of(const struct pawl_journal_reader *reader,
                                                uint32_t index)
{
    return (const struct pawl_replay_frame *)(const void *)(reader->data +
                                                            index * reader->slot_bytes);
}

/* --- a folder --- */

static int open_file(const struct load *load, uint32_t file, struct pawl_journal_reader *reader,
                     char name[PAWL_JOURNAL_NAME_BYTES], struct pawl_err *err)
{
    pawl_journal_name(name, load->sequences[file]);
    int fd = pawl_io_open(load->io, load->folder, name, O_RDONLY, 0);
    if (fd < 0)
        return pawl_err_set(err, -fd, "open %s: %s", name, strerror(-fd));
    int code = pawl_journal_reader_open(reader, load->io, fd, name, err);
    if (code == 0 && pawl_spec_match(&load->replay->spec, &reader->spec, err) != 0) {
        pawl_err_wrap(err, "%s is of another spec", name);
        code = -EINVAL;
    }
    if (code == 0)
        return 0;
    pawl_journal_reader_close(reader);
    pawl_io_close(load->io, fd);
    return code;
}

static void close_file(struct pawl_journal_reader *reader)
{
    struct pawl_io *io = reader->io;
    int fd = reader->fd;
    if (!io)
        return;
    pawl_journal_reader_close(reader);
    pawl_io_close(io, fd);
}

static int add_piece(struct load *load, const struct pawl_journal_chunk *chunk, uint32_t file,
                     struct pawl_err *err)
{
    while (load->piece_count > 0) {
        struct piece *last = &load->pieces[load->piece_count - 1];
        if (last->chunk.first + last->use_count <= chunk->first)
            break;
        if (last->chunk.first < chunk->first) {
            last->use_count = (uint32_t)(chunk->first - last->chunk.first);
            break;
        }
        load->piece_count--;
    }
    if (chunk->count == 0)
        return 0;
    if (load->piece_count == load->piece_room) {
        uint64_t room = load->piece_room ? 2 * load->piece_room : 256;
        struct piece *pieces = realloc(load->pieces, room * sizeof(*pieces));
        if (!pieces)
            return pawl_err_set(err, ENOMEM, "no memory for %" PRIu64 " chunks", room);
        load->pieces = pieces;
        load->piece_room = room;
    }
    load->pieces[load->piece_count++] =
        (struct piece){.chunk = *chunk, .use_count = chunk->count, .file = file};
    return 0;
}

/* The chunks of one file, by their headers alone. */
static int scan_file(struct load *load, uint32_t file, struct pawl_err *err)
{
    struct pawl_journal_reader reader;
    struct pawl_journal_chunk chunk;
    char name[PAWL_JOURNAL_NAME_BYTES];
    struct pawl_err why = {0};
    int code = open_file(load, file, &reader, name, &why);

    load->loaded->files++;
    if (code == 0) {
        while ((code = pawl_journal_reader_next(&reader, &chunk, &why)) == 1)
            if (add_piece(load, &chunk, file, &why) != 0) {
                code = -ENOMEM;
                break;
            }
        close_file(&reader);
    }
    if (code == -ENODATA) {
        note_torn(load, file, &why);
        return 0;
    }
    return code == 0 ? 0 : pawl_err_set(err, why.code, "%s", why.text);
}

/* Puts the frames of a piece that are in [first, end). */
static int put_piece(struct load *load, const struct pawl_journal_reader *reader,
                     const struct piece *piece, uint64_t first, uint64_t end,
                     struct pawl_err *err)
{
    for (uint32_t i = 0; i < piece->use_count; i++) {
        uint64_t number = piece->chunk.first + i;
        const struct pawl_replay_frame *frame = frame_of(reader, i);
        if (number < first || number >= end)
            continue;
        if (check_frame(reader, &piece->chunk, i, frame, &load->finite, err) != 0)
            return -EPROTO;
        if (frame->flags == 0)
            continue;
        pawl_replay_skip_to(load->replay, number);
        pawl_replay_put(load->replay, frame, frame + 1);
        pawl_replay_commit(load->replay);
        load->loaded->frames++;
    }
    load->loaded->chunks++;
    return 0;
}

static int put_pieces(struct load *load, uint64_t first, uint64_t end, struct pawl_err *err)
{
    struct pawl_journal_reader reader = {0};
    char name[PAWL_JOURNAL_NAME_BYTES];
    uint32_t file = UINT32_MAX, torn_file = UINT32_MAX;
    int code = 0;

    for (uint64_t i = 0; code == 0 && i < load->piece_count; i++) {
        const struct piece *piece = &load->pieces[i];
        if (piece->chunk.first + piece->use_count <= first || piece->chunk.first >= end ||
            piece->file == torn_file)
            continue;
        if (piece->file != file) {
            close_file(&reader);
            file = piece->file;
            code = open_file(load, file, &reader, name, err);
            if (code != 0)
                break;
        }
        struct pawl_err why = {0};
        code = pawl_journal_reader_data(&reader, &piece->chunk, &why);
        if (code == -ENODATA) {
            note_torn(load, file, &why);
            torn_file = file;
            code = 0;
        } else if (code != 0) {
            code = pawl_err_set(err, why.code, "%s", why.text);
        } else {
            code = put_piece(load, &reader, piece, first, end, err);
        }
    }
    close_file(&reader);
    return code;
}

static int load_folder(struct load *load, uint64_t head, struct pawl_err *err)
{
    struct pawl_replay *replay = load->replay;

    if (pawl_journal_list(load->io, load->folder, &load->sequences, &load->file_count, err) !=
        0)
        return -err->code;
    load->is_torn = calloc(load->file_count + 1, sizeof(*load->is_torn));
    if (!load->is_torn)
        return pawl_err_set(err, ENOMEM, "out of memory");
    for (uint32_t i = 0; i < load->file_count; i++)
        if (scan_file(load, i, err) != 0)
            return -err->code;
    uint64_t end = head;
    if (head == PAWL_REPLAY_NONE) {
        end = 0;
        if (load->piece_count > 0) {
            const struct piece *last = &load->pieces[load->piece_count - 1];
            end = last->chunk.first + last->use_count;
        }
    }
    uint64_t first = end > replay->capacity ? end - replay->capacity : 0;
    int code = put_pieces(load, first, end, err);
    if (code != 0)
        return code;
    if (end > replay->head)
        pawl_replay_skip_to(replay, end);
    load->loaded->empty = end - first - load->loaded->frames;
    return 0;
}

int pawl_journal_load(struct pawl_io *io, const char *folder, struct pawl_replay *replay,
                      uint64_t head, struct pawl_journal_loaded *loaded, struct pawl_err *err)
{
    struct load load = {.io = io, .replay = replay, .loaded = loaded};
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *loaded = (struct pawl_journal_loaded){0};
    if (replay->next != 0 || replay->base != 0)
        return pawl_err_set(err, EINVAL, "load %s: the store is not empty", folder);
    if (head != PAWL_REPLAY_NONE && head >= PAWL_JOURNAL_NUMBER_MAX)
        return pawl_err_set(err, EINVAL, "load %s: a head of %" PRIu64, folder, head);
    load.folder = pawl_io_open(io, PAWL_IO_CWD, folder, O_RDONLY | O_DIRECTORY, 0);
    if (load.folder == -ENOENT) {
        if (head != PAWL_REPLAY_NONE)
            pawl_replay_skip_to(replay, head);
        return 0;
    }
    if (load.folder < 0)
        return pawl_err_set(err, -load.folder, "open %s: %s", folder, strerror(-load.folder));
    pawl_finite_make(&load.finite, &replay->spec);
    int code = load_folder(&load, head, err);
    free(load.sequences);
    free(load.is_torn);
    free(load.pieces);
    pawl_io_close(io, load.folder);
    return code == 0 ? 0 : pawl_err_wrap(err, "load the replay from %s", folder);
}

/* --- a file of demonstrations --- */

static int put_chunk(struct pawl_replay *replay, const struct pawl_journal_reader *reader,
                     const struct pawl_journal_chunk *chunk, const struct pawl_finite *finite,
                     uint64_t shift, struct pawl_err *err)
{
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct pawl_replay_frame frame = *frame_of(reader, i);
        if (check_frame(reader, chunk, i, frame_of(reader, i), finite, err) != 0)
            return -EPROTO;
        if (frame.prev != PAWL_REPLAY_NONE)
            frame.prev += shift;
        pawl_replay_put(replay, &frame, frame_of(reader, i) + 1);
        pawl_replay_commit(replay);
    }
    return 0;
}

static int load_chunks(struct pawl_journal_reader *reader, struct pawl_replay *replay,
                       struct pawl_journal_loaded *loaded, struct pawl_err *err)
{
    struct pawl_journal_chunk chunk;
    struct pawl_finite finite;
    uint64_t begin = replay->next, next = 0;
    int code;

    if (pawl_spec_match(&replay->spec, &reader->spec, err) != 0)
        return pawl_err_wrap(err, "%s is of another spec", reader->name);
    pawl_finite_make(&finite, &replay->spec);
    while ((code = pawl_journal_reader_next(reader, &chunk, err)) == 1) {
        if (chunk.first != next)
            return pawl_err_set(err, EPROTO,
                                "%s: at byte %" PRIu64 ": frame %" PRIu64 " where %" PRIu64
                                " has to follow",
                                reader->name, chunk.offset_bytes, chunk.first, next);
        code = pawl_journal_reader_data(reader, &chunk, err);
        if (code == 0)
            code = put_chunk(replay, reader, &chunk, &finite, begin, err);
        if (code != 0)
            return code;
        next += chunk.count;
        loaded->chunks++;
    }
    loaded->frames = next;
    loaded->files = 1;
    return code;
}

/* It would be the same after another start. */
static int say_what_is_wanted(int code, struct pawl_err *err)
{
    struct pawl_err why = *err;
    if (code != -ENODATA && code != -EPROTO)
        return code;
    *err = (struct pawl_err){0};
    return pawl_err_set(err, EINVAL, "%s; wanted is a file as `pawl record` writes it",
                        why.text);
}

/* reader->fd is to be closed once it is open. */
static int open_path(struct pawl_journal_reader *reader, struct pawl_io *io, const char *path,
                     struct pawl_err *err)
{
    int fd = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY, 0);
    if (fd < 0)
        return pawl_err_set(err, -fd, "open %s: %s", path, strerror(-fd));
    int code = pawl_journal_reader_open(reader, io, fd, path, err);
    if (code != 0)
        pawl_io_close(io, fd);
    return code;
}

int pawl_journal_check_file(struct pawl_io *io, const char *path, struct pawl_err *err)
{
    struct pawl_journal_reader reader;
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    int code = open_path(&reader, io, path, err);
    if (code != 0)
        return say_what_is_wanted(code, err);
    pawl_io_close(io, reader.fd);
    pawl_journal_reader_close(&reader);
    return 0;
}

int pawl_journal_load_file(struct pawl_io *io, const char *path, struct pawl_replay *replay,
                           struct pawl_journal_loaded *loaded, struct pawl_err *err)
{
    struct pawl_journal_reader reader;
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *loaded = (struct pawl_journal_loaded){0};
    uint64_t cut_count = replay->cut_count;
    int code = open_path(&reader, io, path, err);
    if (code == 0) {
        code = load_chunks(&reader, replay, loaded, err);
        pawl_io_close(io, reader.fd);
        pawl_journal_reader_close(&reader);
    }
    replay->cut_count = cut_count;
    code = say_what_is_wanted(code, err);
    if (code == 0 && replay->sample_count == 0)
        code = pawl_err_set(err, EINVAL, "%s holds no transition", path);
    return code;
}
