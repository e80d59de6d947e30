/* board.h: the newest parameters, from one writer to many readers, read in place.
 *
 * A board has a few slots, each for one version of all tensors. The writer fills a free slot
 * and makes it the latest; it never waits, for nobody and nothing. A reader pins the latest
 * version and uses it where it lies, for as long as it likes: no copy, no lock, never torn.
 *
 *     writer                                       reader
 *     pawl_board_create(&tx, &segment, &cfg,       pawl_board_attach(&rx, &segment, NULL,
 *                       &err);                                       fd, pin, &rx_cfg, &err);
 *     pawl_board_add_reader(&tx, pin, &i, &err);   slot = pawl_board_acquire(&rx);
 *     slot = pawl_board_claim(&tx);                use slot->data + tensor->offset_bytes
 *     fill slot->data                              if (!pawl_board_is_intact(&rx)) forget it
 *     pawl_board_publish(&tx, step);               pawl_board_release(&rx);
 *
 * The reader's pin lies in a page of its own (pin.h), which the writer maps. The manifest
 * (manifest.h) says which tensors a version holds; it is in the segment.
 *
 * With slots for readers + 2 there is always a free one. With fewer, a version that finds none
 * is skipped and counted. A reader that died is removed, and its pin with it; if it was not
 * dead after all, pawl_board_is_intact() tells it so. Generations go up by one with every
 * version: the next incarnation of a writer starts its board above the last, whatever died.
 *
 * Pawl's actor reads in place and looks for newer versions once a step. get, which copies, and
 * wait, which sleeps, are for programs of another kind (tests/proc/pair.h).
 *
 * Thread safety: one thread per end. claim, commit, acquire, is_intact, release are in
 * board_core.h.
 */
#ifndef PAWL_SHM_BOARD_H
#define PAWL_SHM_BOARD_H

#include "runtime/err.h"
#include "shm/board_core.h"
#include "shm/manifest.h"
#include "shm/park.h"
#include "shm/segment.h"

/* From here on a version is copied in by streaming stores, which leave the cache alone. */
#define PAWL_BOARD_STREAMING_BYTES_MIN (UINT64_C(1) << 20)

struct pawl_board_cfg {
    const struct pawl_manifest *manifest; /* borrowed during create */
    uint32_t reader_count;                /* most readers at a time */
    uint32_t slot_count;                  /* 0: reader_count + 2 */
    uint64_t first_generation; /* above all of the incarnations before; 1 for the first */
    bool has_checksums;
    bool wants_huge_pages;
    const char *label;
    const char *spec;
    size_t spec_bytes;
};

/* Where things are in a board's segment; follows from the configuration alone. */
struct pawl_board_geometry {
    uint64_t slot_count;
    uint64_t data_bytes;
    uint64_t stride_bytes;
    uint64_t manifest_bytes;
    uint64_t first_slot_offset;
    uint64_t has_checksums;
    uint64_t body_bytes;
};

/* What is known of a version besides its tensors. */
struct pawl_board_version {
    uint64_t generation;
    uint64_t step;
    uint64_t published_ns; /* monotonic clock */
    uint64_t wall_ns;
};

/* What the board and the pins say; each number is right for itself. */
struct pawl_board_counts {
    uint64_t generation; /* latest, 0: none */
    uint64_t published, skipped, wakes, published_ns, readers;
};

struct pawl_board_cfg pawl_board_default_cfg(void);

/* -EINVAL with the rule that is broken. */
int pawl_board_layout(struct pawl_board_geometry *geometry, const struct pawl_board_cfg *cfg,
                      struct pawl_err *err);

/* The two ends over memory that is placed (zeroed); what create and attach do after the
 * segment. */
void pawl_board_tx_init(struct pawl_board_tx *tx, void *body,
                        const struct pawl_board_geometry *geometry, uint32_t reader_count,
                        uint64_t first_generation);
void pawl_board_rx_init(struct pawl_board_rx *rx, const void *body,
                        const struct pawl_board_geometry *geometry, struct pawl_pin *pin,
                        uint64_t generation);

/* Makes the segment and the writer's end. The segment is the caller's to close, after the last
 * use of tx. */
int pawl_board_create(struct pawl_board_tx *tx, struct pawl_segment *segment,
                      const struct pawl_board_cfg *cfg, struct pawl_err *err);

/* From now on the pin counts; to be done before the reader is told of the board. The page the
 * pin is in stays mapped until the reader is removed. -ENOSPC: reader_count are there. */
int pawl_board_add_reader(struct pawl_board_tx *tx, const struct pawl_pin *pin,
                          uint32_t *reader_index, struct pawl_err *err);

/* The reader is gone, or taken for gone: its pin counts no more. */
void pawl_board_remove_reader(struct pawl_board_tx *tx, uint32_t reader_index);

/* Makes the claimed slot, whose tensors are all filled in, the latest version, and wakes who
 * waits for it. Returns its generation. */
uint64_t pawl_board_publish(struct pawl_board_tx *tx, uint64_t step);

/* Copies a whole version in and publishes it: its generation, or 0 when all slots were in use
 * (counted as skipped). blob has tx->data_bytes. Never waits. */
uint64_t pawl_board_put(struct pawl_board_tx *tx, const void *blob, uint64_t step);

struct pawl_board_rx_cfg {
    uint64_t generation; /* last seen on the board before; this one has to be above. 0: none */
    const char *spec;
    size_t spec_bytes;
    uint64_t total_bytes;
};

/* Maps a board whose descriptor was received. `pin` is in the reader's own page and was added
 * by the writer. The manifest is the caller's to close; NULL: not wanted. The segment is the
 * caller's to close, after the last use of rx. */
int pawl_board_attach(struct pawl_board_rx *rx, struct pawl_segment *segment,
                      struct pawl_manifest *manifest, int fd, struct pawl_pin *pin,
                      const struct pawl_board_rx_cfg *cfg, struct pawl_err *err);

/* The manifest of a segment, checked; for the inspector, which needs no pin. */
int pawl_board_read_manifest(struct pawl_manifest *manifest, const struct pawl_segment *segment,
                             struct pawl_err *err);

/* Geometry as a header has it, checked against the body it has to describe. */
int pawl_board_read_geometry(struct pawl_board_geometry *geometry,
                             const struct pawl_segment_header *header, struct pawl_err *err);

/* Copies the latest version to `blob` (rx->data_bytes) and lets it go: for a reader that keeps
 * parameters for long, or on a device. 0; -EAGAIN: nothing published yet; -EPROTO: the board is
 * under quarantine. */
int pawl_board_get(struct pawl_board_rx *rx, void *blob, struct pawl_board_version *version,
                   struct pawl_err *err);

/* Waits until there is a version newer than the last acquired: 0. -ETIMEDOUT and -ECANCELED say
 * for whom it waited; -EPROTO: the board is under quarantine. */
int pawl_board_wait(struct pawl_board_rx *rx, const struct pawl_wait *wait,
                    struct pawl_err *err);

/* What the held version is; read once from the writer's memory. */
struct pawl_board_version pawl_board_held(const struct pawl_board_rx *rx);

/* Whether the held tensors have the checksum they came with; true on a board without. A false
 * on a version that is intact puts the board under quarantine. */
bool pawl_board_verify(struct pawl_board_rx *rx);

/* 0, or -EPROTO and the sentence why the board is under quarantine. */
int pawl_board_rx_state(const struct pawl_board_rx *rx, struct pawl_err *err);

struct pawl_board_counts pawl_board_count(const struct pawl_board_page *page);

/* Last generation that was published in a segment or, when none was, on a board before it, by
 * whoever it was, dead or alive: the next incarnation starts above it. */
uint64_t pawl_board_last_generation(const struct pawl_segment *segment);

#endif
