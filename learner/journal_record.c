/* journal_record.c: writes demonstrations, a chunk at a time, in the caller's time. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "learner/journal.h"
#include "learner/journal_file.h"

#define CHUNK_BYTES (1ull << 20)

static int write_header(struct pawl_journal_recorder *recorder)
{
    unsigned char bytes[PAWL_JOURNAL_HEADER_BYTES_MAX];
    size_t count = pawl_journal_make_header(bytes, &recorder->spec, 0);

    recorder->offset_bytes = count;
    return pawl_io_write_all(recorder->io, recorder->fd, bytes, count, 0);
}

int pawl_journal_recorder_open(struct pawl_journal_recorder *recorder, struct pawl_io *io,
                               const char *path, const struct pawl_spec *spec,
                               struct pawl_err *err)
{
    const char *name;

    *recorder = (struct pawl_journal_recorder){.spec = *spec, .fd = -1};
    recorder->slot_bytes = pawl_journal_slot_bytes(spec);
    recorder->chunk_room = CHUNK_BYTES / recorder->slot_bytes;
    if (recorder->chunk_room < 1)
        recorder->chunk_room = 1;
    recorder->chunk = calloc(recorder->chunk_room, recorder->slot_bytes);
    if (!recorder->chunk)
        return pawl_err_set(err, ENOMEM, "%s: no memory for a chunk of frames", path);
    int folder = pawl_io_open_folder_of(io, path, &name, err);
    int code = folder;
    if (folder >= 0) {
        recorder->fd = code = pawl_io_open(io, folder, name, O_RDWR | O_CREAT | O_EXCL, 0666);
        recorder->io = io;
        if (code >= 0)
            code = write_header(recorder);
        if (code >= 0)
            code = pawl_io_sync_folder(io, folder);
        if (code == -EINVAL || code == -EOPNOTSUPP)
            code = 0; /* some file systems cannot, and order such changes themselves */
        pawl_io_close(io, folder);
    }
    if (code >= 0)
        return 0;
    if (recorder->fd >= 0)
        pawl_io_close(io, recorder->fd);
    free(recorder->chunk);
    *recorder = (struct pawl_journal_recorder){.fd = -1};
    return pawl_err_set(err, -code, "make %s: %s", path, strerror(-code));
}

static int write_chunk(struct pawl_journal_recorder *recorder, struct pawl_err *err)
{
    struct pawl_journal_chunk chunk;
    uint64_t bytes = recorder->chunk_frames * recorder->slot_bytes;

    if (recorder->chunk_frames == 0)
        return 0;
    pawl_journal_make_chunk(&chunk, recorder->next - recorder->chunk_frames,
                            (uint32_t)recorder->chunk_frames, recorder->slot_bytes,
                            recorder->offset_bytes, recorder->chunk);
    int code = pawl_io_write_all(recorder->io, recorder->fd, &chunk, sizeof(chunk),
                                 recorder->offset_bytes);
    if (code == 0)
        code = pawl_io_write_all(recorder->io, recorder->fd, recorder->chunk, bytes,
                                 recorder->offset_bytes + sizeof(chunk));
    if (code != 0)
        return pawl_err_set(err, -code, "write demonstrations: %s", strerror(-code));
    recorder->offset_bytes += sizeof(chunk) + bytes;
    recorder->chunk_frames = 0;
    return 0;
}

int pawl_journal_recorder_put(struct pawl_journal_recorder *recorder,
                              const struct pawl_replay_frame *frame, const void *payload,
                              uint64_t *number, struct pawl_err *err)
{
    if (recorder->chunk_frames == recorder->chunk_room) {
        int code = write_chunk(recorder, err);
        if (code != 0)
            return code;
    }
    unsigned char *slot = recorder->chunk + recorder->chunk_frames * recorder->slot_bytes;
    struct pawl_replay_frame own = *frame;
    own.number = recorder->next;
    memcpy(slot, &own, sizeof(own));
    memcpy(slot + sizeof(own), payload, recorder->spec.record_bytes);
    *number = recorder->next++;
    recorder->chunk_frames++;
    return 0;
}

int pawl_journal_recorder_close(struct pawl_journal_recorder *recorder, struct pawl_err *err)
{
    int code = 0;

    if (recorder->io) {
        code = write_chunk(recorder, err);
        if (code == 0) {
            code = pawl_io_sync(recorder->io, recorder->fd);
            if (code != 0)
                pawl_err_set(err, -code, "sync demonstrations: %s", strerror(-code));
        }
        pawl_io_close(recorder->io, recorder->fd);
    }
    free(recorder->chunk);
    *recorder = (struct pawl_journal_recorder){.fd = -1};
    return code;
}
