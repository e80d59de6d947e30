/* A journal's file comes from a disk, or from somebody who recorded demonstrations: with any
 * bytes it is refused, or its frames are in the store with links that can be. The first byte
 * says whether the checksums are put right, and whether it is one file or a run's folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "learner/journal.h"
#include "learner/journal_file.h"
#include "runtime/crc32c.h"
#include "shm/record.h"
#include "support/fuzz.h"

#define CAPACITY 16u

static unsigned char *content;
static size_t content_bytes;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int disk_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode)
{
    (void)io, (void)folder, (void)name, (void)flags, (void)mode;
    return 100;
}

static int64_t disk_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                         uint64_t offset_bytes)
{
    (void)io, (void)fd;
    if (offset_bytes >= content_bytes)
        return 0;
    if (byte_count > content_bytes - offset_bytes)
        byte_count = content_bytes - offset_bytes;
    memcpy(bytes, content + offset_bytes, byte_count);
    return (int64_t)byte_count;
}

static int disk_size(struct pawl_io *io, int fd, uint64_t *size_bytes)
{
    (void)io, (void)fd;
    *size_bytes = content_bytes;
    return 0;
}

static int disk_list(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                     void *arg)
{
    (void)io, (void)folder;
    each(arg, "not one of ours");
    each(arg, "000000000001.journal"); /* twice: the second takes frames of the first back */
    return each(arg, "000000000000.journal");
}

static int disk_close(struct pawl_io *io, int fd)
{
    (void)io, (void)fd;
    return 0;
}

static struct pawl_io disk = {.name = "fuzz",
                              .open = disk_open,
                              .read = disk_read,
                              .size = disk_size,
                              .list = disk_list,
                              .close = disk_close};

/* As somebody who means harm would. */
static void put_checksums_right(void)
{
    struct pawl_journal_header header;
    struct pawl_journal_chunk chunk;

    if (content_bytes < sizeof(header))
        return;
    memcpy(&header, content, sizeof(header));
    uint64_t at = sizeof(header) + ((uint64_t)header.spec_bytes + 7) / 8 * 8;
    if (at > content_bytes)
        return;
    uint32_t crc = pawl_crc32c(0, &header, offsetof(struct pawl_journal_header, crc32c));
    header.crc32c = pawl_crc32c(crc, content + sizeof(header), at - sizeof(header));
    memcpy(content, &header, sizeof(header));
    while (content_bytes - at >= sizeof(chunk)) {
        memcpy(&chunk, content + at, sizeof(chunk));
        if (chunk.bytes > content_bytes - at - sizeof(chunk))
            return;
        chunk.offset_bytes = at;
        chunk.data_crc32c = pawl_crc32c(0, content + at + sizeof(chunk), chunk.bytes);
        chunk.crc32c = pawl_crc32c(0, &chunk, offsetof(struct pawl_journal_chunk, crc32c));
        memcpy(content + at, &chunk, sizeof(chunk));
        at += sizeof(chunk) + chunk.bytes;
    }
}

static void check_store(const struct pawl_replay *replay)
{
    uint64_t count = 0;
    require(pawl_replay_size(replay) <= CAPACITY);
    for (uint64_t i = pawl_replay_first(replay); i < replay->head; i++) {
        const struct pawl_replay_frame *frame = pawl_replay_frame(replay, i);
        uint64_t next = pawl_replay_next(replay, i);
        require(frame->number == i);
        require(next == PAWL_REPLAY_NONE || (next > i && next < replay->head &&
                                             pawl_replay_frame(replay, next)->prev == i));
        count += pawl_replay_is_transition(replay, i);
    }
    require(count == replay->sample_count);
}

static void load(bool is_folder)
{
    struct pawl_spec spec = {0};
    struct pawl_replay replay;
    struct pawl_journal_loaded loaded;
    struct pawl_err err = {0};
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = CAPACITY};

    pawl_spec_add(&spec, "obs.x", PAWL_F32, 0, NULL, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, NULL);
    require(pawl_replay_create(&replay, &setup, &err) == 0);
    int code =
        is_folder ? pawl_journal_load(&disk, "replay", &replay, PAWL_REPLAY_NONE, &loaded, &err)
                  : pawl_journal_load_file(&disk, "demos", &replay, &loaded, &err);
    require((code == 0) == (err.code == 0) && (code == 0 || err.text[0] != '\0'));
    check_store(&replay);
    pawl_replay_close(&replay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    content_bytes = size - 1;
    content = malloc(content_bytes + 1);
    require(content != NULL);
    memcpy(content, data + 1, content_bytes);
    if (data[0] & 1)
        put_checksums_right();
    load((data[0] & 2) != 0);
    free(content);
    return 0;
}
