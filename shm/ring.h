/* ring.h: a bounded queue of fixed-size slots between one producer and one consumer.
 *
 * Data are written in place and read in place; nothing is copied by the ring and neither claim
 * nor peek waits. The two ends have two types, so holding the wrong end does not compile.
 *
 *     producer                                  consumer
 *     slot = pawl_ring_claim(&tx);              slot = pawl_ring_peek(&rx);
 *     fill slot->record and slot->data          use slot->record and slot->data
 *     pawl_ring_publish(&tx);                   pawl_ring_release(&rx);
 *
 * The producer makes the segment with the slots and its own page; the consumer makes one
 * segment with an acknowledgement page for each of its rings. Neither can write the other's.
 *
 *     pawl_ring_create(&tx, &segment, &cfg, &err);       pawl_ring_acks_create(&acks, 16,
 *     send segment.fd ...                                                      false, &err);
 *     pawl_ring_bind(&tx, &acks, index, bell_fd, &err);  pawl_ring_attach(&rx, &segment, fd,
 *                                                                         &acks, &cfg, &err);
 *
 * Accounting is exact, whoever dies:
 *     attempted = committed + dropped_newest + aborted (+ claimed and not yet published)
 *     committed = consumed + in_ring (+ lost, in an overwrite ring)
 *
 * Thread safety: one thread per end. Crash safety: a process that dies between claim and
 * publish leaves no trace; one that dies between peek and release leaves the slot readable. A
 * peer that writes nonsense is found out and put under quarantine: the end that notices says
 * why (pawl_ring_tx_state, pawl_ring_rx_state) and uses the peer no more.
 *
 * claim, publish, peek, release and their batch forms are in ring_core.h; waiting is in park.h.
 * Pawl's actor and learner use these alone. For a program that has its records elsewhere there
 * are put and get, which copy; tests/proc/pair.h is such a program, of public headers only.
 */
#ifndef PAWL_SHM_RING_H
#define PAWL_SHM_RING_H

#include "runtime/err.h"
#include "shm/copy.h"
#include "shm/ring_core.h"
#include "shm/segment.h"

#define PAWL_RING_SLOTS_MIN      2u
#define PAWL_RING_SLOTS_MAX      (1u << 24)
#define PAWL_RING_DATA_BYTES_MAX (1u << 30)
#define PAWL_RING_GUARD_BYTES    1024u /* between slots: the prefetcher reads ahead so far */
#define PAWL_RING_ACKS_MAX       1024u
#define PAWL_RING_EVIDENCE_BYTES 4096u

struct pawl_ring_cfg {
    uint32_t slot_count; /* a power of two */
    uint32_t data_bytes; /* the largest payload; every record of the spec has to fit */
    uint32_t policy;     /* PAWL_RING_BLOCK, _DROP_NEWEST, _OVERWRITE */
    uint64_t first;      /* position of the first record; 0 but in tests */
    bool has_checksums;
    bool wants_huge_pages;
    const char *label;
    const char *spec;
    size_t spec_bytes;
};

/* Where things are in a ring's segment; follows from the configuration alone. */
struct pawl_ring_geometry {
    uint64_t slot_count;
    uint64_t data_bytes;
    uint64_t stride_bytes;
    uint64_t policy;
    uint64_t first;
    uint64_t has_checksums;
    uint64_t body_bytes;
};

enum pawl_ring_result {
    PAWL_RING_DONE,
    PAWL_RING_FULL,  /* put */
    PAWL_RING_EMPTY, /* get */
    PAWL_RING_TOO_BIG,
    PAWL_RING_QUARANTINED,
};

/* What both pages say. While neither end moves, dead or alive, the sums are exact; of ends that
 * move each number is right for itself, and none is below zero. */
struct pawl_ring_counts {
    uint64_t attempted, committed, dropped_newest, aborted, claimed;
    uint64_t consumed, lost, in_ring;
    uint64_t bytes, corrupt, lag_max, blocked_count, blocked_ns, block_timeouts, wakes_sent;
    uint64_t late_wakes;
    uint64_t heartbeat_ns;
    uint32_t copy_method, distance_ns;
};

struct pawl_ring_cfg pawl_ring_default_cfg(void);

/* -EINVAL with the rule that is broken. */
int pawl_ring_layout(struct pawl_ring_geometry *geometry, const struct pawl_ring_cfg *cfg,
                     struct pawl_err *err);

/* Whether a record of so many bytes fits a slot of data_bytes: asked when a ring is made or
 * attached to, so that it is never a question at run time. -EMSGSIZE names both sizes. */
int pawl_ring_check_record(uint32_t data_bytes, const char *record_name, uint64_t record_bytes,
                           struct pawl_err *err);

/* Lays a ring out in geometry->body_bytes of memory that is aligned to a page. */
void pawl_ring_place(void *body, const struct pawl_ring_geometry *geometry);

/* The two ends over memory that is placed; what create and attach do after the segment. `start`
 * is the position to read from: geometry->first, or the last tail of a reader that died. */
void pawl_ring_tx_init(struct pawl_ring_tx *tx, void *body,
                       const struct pawl_ring_geometry *geometry);
void pawl_ring_rx_init(struct pawl_ring_rx *rx, const void *body,
                       const struct pawl_ring_geometry *geometry, struct pawl_ring_ack *ack,
                       uint64_t start);

/* Makes the segment and the producer's end. The segment is the caller's to close, after the
 * last use of tx. Without a reader the ring takes slot_count records. */
int pawl_ring_create(struct pawl_ring_tx *tx, struct pawl_segment *segment,
                     const struct pawl_ring_cfg *cfg, struct pawl_err *err);

/* The reader's segment: a bell (park.h) and ring_count acknowledgement pages.
 * With never_sleeps the reader only polls, and producers skip the fence of P6. */
int pawl_ring_acks_create(struct pawl_segment *acks, uint32_t ring_count, bool never_sleeps,
                          struct pawl_err *err);

/* The producer's view of it, as received from the reader. */
int pawl_ring_acks_attach(struct pawl_segment *acks, int fd, struct pawl_err *err);

/* Bell and page in a segment of acks; NULL past its end. */
struct pawl_ring_bell *pawl_ring_acks_bell(const struct pawl_segment *acks);
struct pawl_ring_ack *pawl_ring_acks_page(const struct pawl_segment *acks, uint32_t index);

/* Gives the producer its reader, or the next one after a reader died: from now on page `index`
 * of `acks` says what is read, and a quarantine of the reader before is over. `acks` stays the
 * caller's and mapped for as long as tx is used. doorbell_fd is an eventfd of the reader, the
 * caller's; -1 when the reader never sleeps. -EPROTO when the page's tail cannot be. */
int pawl_ring_bind(struct pawl_ring_tx *tx, const struct pawl_segment *acks, uint32_t index,
                   int doorbell_fd, struct pawl_err *err);

struct pawl_ring_rx_cfg {
    uint32_t ack_index;
    bool has_start;       /* false: from the first record */
    uint64_t start;       /* the last tail of the reader before */
    uint64_t flush_count; /* 0: slot_count / 8, at least 1 */
    const char *spec;
    size_t spec_bytes;
    uint64_t total_bytes;
};

/* Maps a ring whose descriptor was received and makes the consumer's end, which writes into its
 * own page of `acks`. Both segments are the caller's to close, after the last use of rx. */
int pawl_ring_attach(struct pawl_ring_rx *rx, struct pawl_segment *segment, int fd,
                     const struct pawl_segment *acks, const struct pawl_ring_rx_cfg *cfg,
                     struct pawl_err *err);

/* Gives back what is claimed and not published. */
void pawl_ring_abort(struct pawl_ring_tx *tx);

/* Counts a record that the writer gave up because the ring is full. */
void pawl_ring_drop(struct pawl_ring_tx *tx);

/* Copies a record in, by the ring's copy method and with its checksum. Never waits; FULL is
 * counted as dropped in a drop_newest ring. record->bytes of data are read. */
enum pawl_ring_result pawl_ring_put(struct pawl_ring_tx *tx,
                                    const struct pawl_ring_record *record, const void *data);

/* Copies the next record out and releases it; the only way to read an overwrite ring. data has
 * room for rx->data_bytes. */
enum pawl_ring_result pawl_ring_get(struct pawl_ring_rx *rx, struct pawl_ring_record *record,
                                    void *data);

/* The payload bytes of a peeked slot that may be read: the writer's word, read once and never
 * above the slot. */
uint32_t pawl_ring_slot_bytes(const struct pawl_ring_rx *rx, const struct pawl_ring_slot *slot);

/* Whether a peeked payload has the checksum it came with; true in a ring without. A false puts
 * the writer under quarantine. */
bool pawl_ring_verify(struct pawl_ring_rx *rx, const struct pawl_ring_slot *slot);

/* As the writer set it, for pawl_copy_out(). */
static inline uint32_t pawl_ring_copy_method(const struct pawl_ring_rx *rx)
{
    /* Relaxed: any value copies. */
    return atomic_load_explicit(&rx->page->copy_method, memory_order_relaxed);
}

void pawl_ring_set_copy_method(struct pawl_ring_tx *tx, enum pawl_copy_method method,
                               uint32_t distance_ns);

/* 0, or -EPROTO and the sentence why the peer is under quarantine. */
int pawl_ring_tx_state(const struct pawl_ring_tx *tx, struct pawl_err *err);
int pawl_ring_rx_state(const struct pawl_ring_rx *rx, struct pawl_err *err);

/* Copies the writer's page (without its unused end) and then the slot that is broken, or else
 * the one at which the reader is, for a dump of what was found wrong; returns the bytes copied.
 */
size_t pawl_ring_evidence(const struct pawl_ring_rx *rx,
                          unsigned char evidence[PAWL_RING_EVIDENCE_BYTES]);

/* ack may be NULL: nothing was read. */
struct pawl_ring_counts pawl_ring_count(const struct pawl_ring_page *page,
                                        const struct pawl_ring_ack *ack, uint64_t first);

/* Geometry as a header has it, checked against the body it has to describe. */
int pawl_ring_read_geometry(struct pawl_ring_geometry *geometry,
                            const struct pawl_segment_header *header, struct pawl_err *err);

#endif
