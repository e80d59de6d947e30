#include "learner/journal_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/journal.h"
#include "runtime/crc32c.h"

#define SEQUENCE_DIGITS 12

static uint64_t to_8(uint64_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

uint64_t pawl_journal_slot_bytes(const struct pawl_spec *spec)
{
    return sizeof(struct pawl_replay_frame) + to_8(spec->record_bytes);
}

size_t pawl_journal_make_header(unsigned char bytes[PAWL_JOURNAL_HEADER_BYTES_MAX],
                                const struct pawl_spec *spec, uint64_t sequence)
{
    struct pawl_journal_header header = {.version = PAWL_JOURNAL_VERSION,
                                         .endian_tag = PAWL_JOURNAL_ENDIAN_TAG,
                                         .sequence = sequence,
                                         .slot_bytes = pawl_journal_slot_bytes(spec),
                                         .frame_bytes = sizeof(struct pawl_replay_frame)};

    memset(bytes, 0, PAWL_JOURNAL_HEADER_BYTES_MAX);
    header.spec_bytes =
        (uint32_t)pawl_spec_text(spec, (char *)bytes + sizeof(struct pawl_journal_header));
    memcpy(header.magic, PAWL_JOURNAL_MAGIC, sizeof(header.magic));
    size_t total = sizeof(header) + to_8(header.spec_bytes);
    uint32_t crc = pawl_crc32c(0, &header, offsetof(struct pawl_journal_header, crc32c));
    header.crc32c = pawl_crc32c(crc, bytes + sizeof(header), total - sizeof(header));
    memcpy(bytes, &header, sizeof(header));
    return total;
}

static uint32_t chunk_crc32c(const struct pawl_journal_chunk *chunk)
{
    return pawl_crc32c(0, chunk, offsetof(struct pawl_journal_chunk, crc32c));
}

void pawl_journal_make_chunk(struct pawl_journal_chunk *chunk, uint64_t first, uint32_t count,
                             uint64_t slot_bytes, uint64_t offset_bytes, const void *data)
{
    *chunk = (struct pawl_journal_chunk){.magic = PAWL_JOURNAL_CHUNK_MAGIC,
                                         .count = count,
                                         .first = first,
                                         .bytes = count * slot_bytes,
                                         .offset_bytes = offset_bytes};
    chunk->data_crc32c = pawl_crc32c(0, data, chunk->bytes);
    chunk->crc32c = chunk_crc32c(chunk);
}

/* --- reading --- */

static int torn(const struct pawl_journal_reader *reader, const char *rule,
                struct pawl_err *err)
{
    return pawl_err_set(err, ENODATA, "%s: at byte %" PRIu64 ": %s", reader->name,
                        reader->offset_bytes, rule);
}

/* All of byte_count bytes; -ENODATA when the file ends before. */
static int read_at(struct pawl_journal_reader *reader, void *bytes, size_t byte_count,
                   uint64_t offset_bytes, struct pawl_err *err)
{
    int64_t got = pawl_io_read_up_to(reader->io, reader->fd, bytes, byte_count, offset_bytes);
    if (got < 0)
        return pawl_err_set(err, (int)-got, "%s: read at byte %" PRIu64 ": %s", reader->name,
                            offset_bytes, strerror((int)-got));
    return (uint64_t)got == byte_count ? 0 : torn(reader, "the file ends here", err);
}

static int check_header(struct pawl_journal_reader *reader,
                        const struct pawl_journal_header *header, const char *text,
                        struct pawl_err *err)
{
    if (header->version != PAWL_JOURNAL_VERSION ||
        header->endian_tag != PAWL_JOURNAL_ENDIAN_TAG)
        return pawl_err_set(err, EPROTO, "%s: version %u, this program has %u", reader->name,
                            header->version, PAWL_JOURNAL_VERSION);
    if (pawl_spec_parse(&reader->spec, text, header->spec_bytes, err) != 0) {
        pawl_err_wrap(err, "%s: its spec", reader->name);
        return err ? -err->code : -EINVAL;
    }
    if (header->frame_bytes != sizeof(struct pawl_replay_frame) ||
        header->slot_bytes != pawl_journal_slot_bytes(&reader->spec) ||
        header->sequence >= PAWL_JOURNAL_NUMBER_MAX)
        return pawl_err_set(err, EPROTO,
                            "%s: frames of %u bytes and slots of %" PRIu64
                            " cannot be with this spec",
                            reader->name, header->frame_bytes, header->slot_bytes);
    reader->sequence = header->sequence;
    reader->slot_bytes = header->slot_bytes;
    return 0;
}

static int read_header(struct pawl_journal_reader *reader, struct pawl_err *err)
{
    struct pawl_journal_header header;
    static const char magic[sizeof(header.magic)] = PAWL_JOURNAL_MAGIC;
    char text[PAWL_SPEC_TEXT_BYTES + 8];

    if (read_at(reader, &header, sizeof(header), 0, err) != 0)
        return -err->code;
    if (memcmp(header.magic, magic, sizeof(magic)) != 0)
        return torn(reader, "it does not begin with \"" PAWL_JOURNAL_MAGIC "\"", err);
    if (header.spec_bytes >= PAWL_SPEC_TEXT_BYTES)
        return torn(reader, "its spec is longer than one can be", err);
    size_t text_bytes = (size_t)to_8(header.spec_bytes);
    if (read_at(reader, text, text_bytes, sizeof(header), err) != 0)
        return -err->code;
    uint32_t crc = pawl_crc32c(0, &header, offsetof(struct pawl_journal_header, crc32c));
    if (pawl_crc32c(crc, text, text_bytes) != header.crc32c)
        return torn(reader, "the checksum of its header is another", err);
    reader->offset_bytes = sizeof(header) + text_bytes;
    return check_header(reader, &header, text, err);
}

int pawl_journal_reader_open(struct pawl_journal_reader *reader, struct pawl_io *io, int fd,
                             const char *name, struct pawl_err *err)
{
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *reader = (struct pawl_journal_reader){.io = io, .fd = fd, .name = name};
    int code = pawl_io_size(io, fd, &reader->size_bytes);
    if (code != 0)
        return pawl_err_set(err, -code, "%s: its size: %s", name, strerror(-code));
    return read_header(reader, err);
}

void pawl_journal_reader_close(struct pawl_journal_reader *reader)
{
    free(reader->data);
    *reader = (struct pawl_journal_reader){0};
}

int pawl_journal_reader_next(struct pawl_journal_reader *reader,
                             struct pawl_journal_chunk *chunk, struct pawl_err *err)
{
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    if (reader->offset_bytes == reader->size_bytes)
        return 0;
    if (read_at(reader, chunk, sizeof(*chunk), reader->offset_bytes, err) != 0)
        return -err->code;
    if (chunk->magic != PAWL_JOURNAL_CHUNK_MAGIC || chunk->crc32c != chunk_crc32c(chunk))
        return torn(reader, "the checksum of a chunk's header is another", err);
    if (chunk->offset_bytes != reader->offset_bytes)
        return torn(reader, "a chunk that was written to another place", err);
    if (chunk->bytes != chunk->count * reader->slot_bytes ||
        (chunk->count > 1 && chunk->bytes > PAWL_JOURNAL_CHUNK_BYTES_MAX) ||
        chunk->first >= PAWL_JOURNAL_NUMBER_MAX)
        return torn(reader, "a chunk whose sizes cannot be", err);
    uint64_t left_bytes = reader->size_bytes - reader->offset_bytes - sizeof(*chunk);
    if (chunk->bytes > left_bytes)
        return torn(reader, "the file ends inside a chunk", err);
    reader->offset_bytes += sizeof(*chunk) + chunk->bytes;
    return 1;
}

int pawl_journal_reader_data(struct pawl_journal_reader *reader,
                             const struct pawl_journal_chunk *chunk, struct pawl_err *err)
{
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    if (chunk->bytes > reader->data_room) {
        unsigned char *data = realloc(reader->data, chunk->bytes);
        if (!data)
            return pawl_err_set(err, ENOMEM, "%s: no memory for a chunk of %" PRIu64 " bytes",
                                reader->name, chunk->bytes);
        reader->data = data;
        reader->data_room = chunk->bytes;
    }
    uint64_t behind = reader->offset_bytes;
    reader->offset_bytes = chunk->offset_bytes; /* where it is torn, if it is */
    if (read_at(reader, reader->data, chunk->bytes, chunk->offset_bytes + sizeof(*chunk),
                err) != 0)
        return -err->code;
    if (pawl_crc32c(0, reader->data, chunk->bytes) != chunk->data_crc32c)
        return torn(reader, "the checksum of a chunk's frames is another", err);
    reader->offset_bytes = behind;
    return 0;
}

/* --- names --- */

void pawl_journal_name(char name[PAWL_JOURNAL_NAME_BYTES], uint64_t sequence)
{
    snprintf(name, PAWL_JOURNAL_NAME_BYTES, "%0*" PRIu64 "%s", SEQUENCE_DIGITS,
             sequence % UINT64_C(1000000000000000), PAWL_JOURNAL_SUFFIX);
}

struct listing {
    uint64_t *sequences;
    uint32_t count;
};

static int take_name(void *arg, const char *name)
{
    struct listing *listing = arg;
    char again[PAWL_JOURNAL_NAME_BYTES];
    char *end = NULL;

    if (name[0] < '0' || name[0] > '9')
        return 0;
    uint64_t sequence = strtoull(name, &end, 10);
    pawl_journal_name(again, sequence);
    if (strcmp(again, name) != 0)
        return 0; /* not one of ours */
    if (listing->count == PAWL_JOURNAL_FILES_MAX)
        return -E2BIG;
    listing->sequences[listing->count++] = sequence;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int pawl_journal_list(struct pawl_io *io, int folder, uint64_t **sequences, uint32_t *count,
                      struct pawl_err *err)
{
    struct listing listing = {.sequences = calloc(PAWL_JOURNAL_FILES_MAX, sizeof(uint64_t))};

    *sequences = NULL;
    *count = 0;
    if (!listing.sequences)
        return pawl_err_set(err, ENOMEM, "no memory for the names of journals");
    int code = pawl_io_list(io, folder, take_name, &listing);
    if (code != 0) {
        free(listing.sequences);
        return pawl_err_set(err, -code, "list the journals (at most %u): %s",
                            PAWL_JOURNAL_FILES_MAX, strerror(-code));
    }
    qsort(listing.sequences, listing.count, sizeof(uint64_t), compare);
    *sequences = listing.sequences;
    *count = listing.count;
    return 0;
}
