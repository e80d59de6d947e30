/* journal_file.h: the form of a journal's file, for those who write it and those who read it.
 *
 *     [struct pawl_journal_header][spec text][zeros to 8 bytes]
 *     [struct pawl_journal_chunk][count slots of the store]...
 *
 * All numbers are little-endian, as in memory; another machine's file is refused by its tag.
 * What is read is checked before it is used: nothing is allocated that the file is not long
 * enough for.
 *
 * Thread safety: one thread per reader.
 */
#ifndef PAWL_LEARNER_JOURNAL_FILE_H
#define PAWL_LEARNER_JOURNAL_FILE_H

#include "learner/replay.h"
#include "runtime/err.h"
#include "runtime/io.h"
#include "runtime/spec.h"

#include <stdint.h>

#define PAWL_JOURNAL_MAGIC       "PAWLJRNL"
#define PAWL_JOURNAL_CHUNK_MAGIC 0x4b484350u /* "PCHK" */
#define PAWL_JOURNAL_VERSION     1u
#define PAWL_JOURNAL_ENDIAN_TAG  0x01020304u

/* Of one chunk, unless it is of one frame. */
#define PAWL_JOURNAL_CHUNK_BYTES_MAX (64ull << 20)

/* Frame numbers are below it, so that sums do not wrap. */
#define PAWL_JOURNAL_NUMBER_MAX (1ull << 62)

struct pawl_journal_header {
    char magic[8];
    uint32_t version;
    uint32_t endian_tag;
    uint64_t sequence; /* of the file in its folder, as in its name */
    uint64_t slot_bytes;
    uint32_t frame_bytes; /* of struct pawl_replay_frame */
    uint32_t spec_bytes;
    uint64_t reserved[2];
    uint32_t reserved_zero;
    uint32_t crc32c; /* of all before, then of the spec with its zeros */
};

struct pawl_journal_chunk {
    uint32_t magic;
    uint32_t count;
    uint64_t first;
    uint64_t bytes;        /* of the frames */
    uint64_t offset_bytes; /* of this chunk in the file */
    uint32_t data_crc32c;
    uint32_t crc32c; /* of all before */
};

_Static_assert(sizeof(struct pawl_journal_header) == 64, "version 1");
_Static_assert(sizeof(struct pawl_journal_chunk) == 40, "version 1");

#define PAWL_JOURNAL_HEADER_BYTES_MAX                                                          \
    (sizeof(struct pawl_journal_header) + PAWL_SPEC_TEXT_BYTES + 8)

/* Writes header and spec; returns the bytes. */
size_t pawl_journal_make_header(unsigned char bytes[PAWL_JOURNAL_HEADER_BYTES_MAX],
                                const struct pawl_spec *spec, uint64_t sequence);

/* The header of a chunk of `count` slots, which are at data. */
void pawl_journal_make_chunk(struct pawl_journal_chunk *chunk, uint64_t first, uint32_t count,
                             uint64_t slot_bytes, uint64_t offset_bytes, const void *data);

/* Bytes of a slot of the store. */
uint64_t pawl_journal_slot_bytes(const struct pawl_spec *spec);

/* Zeroed: closed. */
struct pawl_journal_reader {
    struct pawl_io *io;
    int fd;           /* borrowed */
    const char *name; /* for messages; borrowed */
    uint64_t size_bytes;
    struct pawl_spec spec;
    uint64_t sequence;
    uint64_t slot_bytes;
    uint64_t offset_bytes; /* behind the last chunk that was whole */
    unsigned char *data;   /* of the last chunk that was read */
    uint64_t data_room;
};

/* Reads the header. -ENODATA: it is torn, so the file holds nothing. -EPROTO: it is whole and
 * is none, or of another version. Texts name file, offset and rule, here and below. */
int pawl_journal_reader_open(struct pawl_journal_reader *reader, struct pawl_io *io, int fd,
                             const char *name, struct pawl_err *err);
void pawl_journal_reader_close(struct pawl_journal_reader *reader);

/* The next chunk, without its frames; 1, or 0 at the end of the file. -ENODATA: what is there
 * is torn. */
int pawl_journal_reader_next(struct pawl_journal_reader *reader,
                             struct pawl_journal_chunk *chunk, struct pawl_err *err);

/* Its frames, to reader->data. -ENODATA: they are torn. */
int pawl_journal_reader_data(struct pawl_journal_reader *reader,
                             const struct pawl_journal_chunk *chunk, struct pawl_err *err);

/* Names in a folder: "000000000007.journal". */
#define PAWL_JOURNAL_NAME_BYTES 32
void pawl_journal_name(char name[PAWL_JOURNAL_NAME_BYTES], uint64_t sequence);

/* The sequences of all journals in the folder, ascending; to be freed. -E2BIG: more than
 * PAWL_JOURNAL_FILES_MAX. */
int pawl_journal_list(struct pawl_io *io, int folder, uint64_t **sequences, uint32_t *count,
                      struct pawl_err *err);

#endif
