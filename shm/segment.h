/* segment.h: a piece of memory that one process writes and others can only read.
 *
 * A segment is a memfd. Its creator maps it for writing and then seals it, so that nobody can
 * map it for writing again, resize it or punch holes into it: the kernel enforces the single
 * writer, and a reader can neither be corrupted through its own map nor hit by SIGBUS. It has
 * no name; who holds a descriptor or a map of it keeps it, and nothing is left behind.
 *
 *     writer                                       reader, with the descriptor it was sent
 *     struct pawl_segment_cfg cfg =                struct pawl_segment_want want = {
 *         pawl_segment_default_cfg();                  .kind = PAWL_SEGMENT_RING};
 *     cfg.kind = PAWL_SEGMENT_RING;                pawl_segment_attach(&segment, fd, &want,
 *     cfg.body_bytes = 1 << 20;                                        &err);
 *     pawl_segment_create(&segment, &cfg, &err);   read segment.body
 *     fill segment.body, send segment.fd           pawl_segment_close(&segment);
 *     pawl_segment_close(&segment);
 *
 *  file:  [header 4096][spec text, to a page][body ............................]
 *
 * The header does not change after create; it holds offsets and sizes, never a pointer. attach
 * copies it to private memory, checks the copy and never looks at the shared one again.
 *
 * Thread safety: create, attach and close belong to one thread per segment; `header`, `body`
 * and the sizes may be read from any.
 */
#ifndef PAWL_SHM_SEGMENT_H
#define PAWL_SHM_SEGMENT_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_SEGMENT_MAGIC          "PAWLSEG"
#define PAWL_SEGMENT_ABI_MAJOR      1
#define PAWL_SEGMENT_ABI_MINOR      0
#define PAWL_SEGMENT_ENDIAN_TAG     0x01020304u
#define PAWL_SEGMENT_HEADER_BYTES   4096
#define PAWL_SEGMENT_PAGE_BYTES     4096
#define PAWL_SEGMENT_GEOMETRY_COUNT 16
#define PAWL_SEGMENT_LABEL_BYTES    32
#define PAWL_SEGMENT_SPEC_BYTES_MAX (1u << 20)
#define PAWL_SEGMENT_BODY_BYTES_MAX (1ull << 46)

/* What a segment holds. The values are part of the layout. */
#define PAWL_SEGMENT_RING  1u /* an actor's records */
#define PAWL_SEGMENT_ACK   2u /* the reader's word on one ring */
#define PAWL_SEGMENT_BOARD 3u /* parameters */
#define PAWL_SEGMENT_STATS 4u /* counters and histograms */
#define PAWL_SEGMENT_STORE                                                                     \
    5u /* what one role keeps over its own restarts: replay, warm state */
#define PAWL_SEGMENT_LAST PAWL_SEGMENT_STORE

/* Feature bits. A reader refuses a bit of the low half that it does not know. */
#define PAWL_SEGMENT_SHARED_WRITABLE (1ull << 0) /* without F_SEAL_FUTURE_WRITE */
#define PAWL_SEGMENT_HUGE_PAGES      (1ull << 1)
#define PAWL_SEGMENT_FEATURES_KNOWN  (PAWL_SEGMENT_SHARED_WRITABLE | PAWL_SEGMENT_HUGE_PAGES)
#define PAWL_SEGMENT_FEATURES_STRICT 0xffffffffull

/* Layout 1.0. All fields are the creator's, written before the descriptor is handed on. */
struct pawl_segment_header {
    char magic[8];
    uint16_t abi_major; /* other: refused */
    uint16_t abi_minor; /* may differ */
    uint32_t endian_tag;
    uint32_t header_bytes;
    uint32_t kind;
    uint64_t total_bytes;
    uint8_t spec_hash[32]; /* SHA-256 of the spec text */
    uint64_t spec_offset;
    uint64_t spec_bytes;
    uint64_t body_offset;
    uint64_t body_bytes;
    uint32_t page_bytes;
    uint32_t reserved_zero;
    uint64_t features;
    uint8_t writer_epoch[16]; /* random: names this incarnation of the writer */
    uint8_t boot_id[16];
    uint32_t pid; /* a label, as all below down to the geometry */
    uint32_t uid;
    uint64_t process_start_ns; /* since boot */
    uint64_t created_wall_ns;
    uint64_t geometry[PAWL_SEGMENT_GEOMETRY_COUNT]; /* the kind's own numbers; it checks them */
    char label[PAWL_SEGMENT_LABEL_BYTES];
    uint8_t reserved[3764]; /* zero */
    uint32_t crc32c;        /* of all bytes before it */
};

_Static_assert(sizeof(struct pawl_segment_header) == PAWL_SEGMENT_HEADER_BYTES, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, endian_tag) == 12, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, total_bytes) == 24, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, spec_hash) == 32, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, body_offset) == 80, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, features) == 104, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, writer_epoch) == 112, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, pid) == 144, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, geometry) == 168, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, label) == 296, "layout 1");
_Static_assert(offsetof(struct pawl_segment_header, crc32c) == 4092, "layout 1");

struct pawl_segment_cfg {
    uint32_t kind;
    const char *label;     /* shown by the inspector and in /proc/PID/maps; at most 31 bytes */
    const char *spec;      /* the run's spec as text; NULL: none. Copied. */
    size_t spec_bytes;     /* without a terminating zero */
    uint64_t body_bytes;   /* rounded up to whole pages */
    bool wants_huge_pages; /* falls back to 4 KiB pages; page_note says why */
    bool is_shared_writable; /* one role's own store, which its next incarnation writes again */
    uint64_t geometry[PAWL_SEGMENT_GEOMETRY_COUNT];
};

struct pawl_segment {
    unsigned char *base; /* NULL: not open */
    unsigned char *body; /* page-aligned; zero after create */
    uint64_t total_bytes;
    uint64_t body_bytes;
    int fd;              /* the creator's, close-on-exec; -1 after attach, which needs none */
    bool is_writable;    /* false: a store into body is SIGSEGV */
    uint32_t page_bytes; /* of the memory behind it */
    char page_note[160]; /* why huge pages were wanted and not had; empty otherwise */
    struct pawl_segment_header header; /* private copy, checked */
};

/* What a reader expects; a zero field is not compared. */
struct pawl_segment_want {
    uint32_t kind;
    uint64_t total_bytes; /* as the sender of the descriptor announced it */
    const char *spec;     /* the text is compared, and a difference shown by its first line */
    size_t spec_bytes;
    const uint8_t *spec_hash;    /* 32 bytes; enough when the text is not at hand */
    const uint8_t *writer_epoch; /* 16 bytes, as announced */
    bool is_shared_writable;     /* maps for writing; only a segment created so */
};

struct pawl_segment_cfg pawl_segment_default_cfg(void);

/* "ring", "ack", ...; "unknown" for any other value. */
const char *pawl_segment_kind_name(uint32_t kind);

/* Bytes of the whole file for such a configuration with 4 KiB pages. */
uint64_t pawl_segment_bytes(const struct pawl_segment_cfg *cfg);

/* Allocates all memory before mapping any of it, so that too little memory is an error here
 * (ENOSPC, with the bytes needed and free) and never a signal later. The body is zero. */
int pawl_segment_create(struct pawl_segment *segment, const struct pawl_segment_cfg *cfg,
                        struct pawl_err *err);

/* Maps read-only what another process created. fd stays the caller's and may be closed after.
 * -EPERM: not sealed as it must be. -EPROTO: not a segment, damaged, or other than wanted; the
 * text names the field and both values. */
int pawl_segment_attach(struct pawl_segment *segment, int fd,
                        const struct pawl_segment_want *want, struct pawl_err *err);

/* Checks a private copy of a header against the file's size and against `want`: what attach
 * does, without a file. */
int pawl_segment_check(const struct pawl_segment_header *header, uint64_t file_bytes,
                       const struct pawl_segment_want *want, struct pawl_err *err);

/* What the header's last field has to be. */
uint32_t pawl_segment_header_crc32c(const struct pawl_segment_header *header);

/* The spec text in shared memory, spec_bytes of the header long and not terminated; NULL when
 * there is none. Its writer could change it: copy it before it decides anything. */
const char *pawl_segment_spec(const struct pawl_segment *segment);

/* A zeroed segment is left alone. */
void pawl_segment_close(struct pawl_segment *segment);

#endif
