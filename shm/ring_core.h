/* ring_core.h: what the two ends of a ring share, and every access to it.
 *
 *  position:    tail                 head           tail <= head <= tail + slot_count
 *                 |                    |
 *  slots:   ......[record][record].....[free][free]...
 *
 * Positions count records from `first` and do not wrap in practice (2^64 at 1 MHz is 584,000
 * years); all arithmetic is modulo 2^64 all the same, and the tests start just below it. The
 * record at position p lies in slot p mod slot_count and is marked by the slot's commit word:
 *
 *     p + 1                the record is there
 *     p + 1 - slot_count   it is not there yet (so the slots are marked when they are placed)
 *
 * Anything else is a broken writer. Nothing but commit words decides what the reader reads: no
 * length or offset of the shared memory is followed.
 *
 * The steps are numbered as in the models under tests/model:
 *
 *     producer                                          consumer
 *     P1 is there room (tail, acquire)                  C1 is it there (commit, acquire)
 *     P2 resv, then fill the payload in place           C2 read the payload in place
 *     P3 the slot's fields                              C3 tail := position, release
 *     P4 commit := p + 1, release                       C4 before sleeping: waiter := 1, fence,
 *     P5 head, for statistics                              and C1 once more
 *     P6 fence, wake the reader if it waits
 *
 *  1. No torn record: C1 that sees p + 1 read the store of P4, so P2 and P3 happen before C2.
 *  2. No overwriting under the reader: P2 of p + slot_count needs a tail above p, which is
 *     stored by C3 after C2 of p. A stale tail is only smaller.
 *  3. No lost wake-up: P4, fence, load waiter against store waiter, fence, C1: with both fences
 *     at least one side sees the other.
 *  4. A process killed anywhere leaves the commit word old (the record never was) or new (it is
 *     delivered).
 *
 * Free of system calls, so that thread sanitizer, GenMC and others can compile it as it is; the
 * cold functions at the end are theirs to define. Users include ring.h.
 */
#ifndef PAWL_SHM_RING_CORE_H
#define PAWL_SHM_RING_CORE_H

#include "runtime/fault.h"
#include "shm/order.h"
#include "shm/pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Two cache lines: adjacent lines are fetched together. */
#define PAWL_RING_BLOCK_BYTES 128

/* Read by the reader of the ring and by the inspector; written by the producer alone. */
struct pawl_ring_page {
    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint64_t head; /* P5: records committed, + first */
    _Atomic uint64_t bytes;                                /* of payload, committed */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint64_t resv; /* P2: position after the claimed */
    _Atomic uint64_t attempted;                            /* claims and refusals */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint32_t space_waiter; /* 1: sleeps for room */

    _Alignas(PAWL_RING_BLOCK_BYTES) struct pawl_pin pin; /* parameters in use (board.h) */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint64_t dropped_newest;
    _Atomic uint64_t aborted;
    _Atomic uint64_t blocked_count;
    _Atomic uint64_t blocked_ns;
    _Atomic uint64_t block_timeouts; /* gave up waiting */
    _Atomic uint64_t late_wakes;     /* found room only when a bound ran out: stays 0 */
    _Atomic uint64_t wakes_sent;
    _Atomic uint64_t heartbeat_ns; /* monotonic clock */
    _Atomic uint64_t step_count;
    _Atomic uint32_t copy_method; /* enum pawl_copy_method */
    _Atomic uint32_t distance_ns; /* one way to the reader's core; 0: not measured */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint32_t probe_ping; /* distance.h */
    unsigned char reserved[4096 - 5 * PAWL_RING_BLOCK_BYTES - 4];
};

/* Read by the producer and the inspector; written by the reader alone. */
struct pawl_ring_ack {
    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint64_t tail; /* C3 */
    _Atomic uint32_t tail_futex;                           /* low half of tail, to sleep on */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint64_t consumed;
    _Atomic uint64_t lost; /* overwrite: records that were gone before they were read */
    _Atomic uint64_t corrupt;
    _Atomic uint64_t lag_max;       /* most records seen waiting */
    _Atomic uint64_t ring_epoch[2]; /* writer_epoch of the ring that this page is for */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint32_t probe_pong;
    unsigned char reserved[4096 - 2 * PAWL_RING_BLOCK_BYTES - 4];
};

/* The reader's one word for all its rings: going to sleep is one store and one fence. */
struct pawl_ring_bell {
    _Alignas(
        PAWL_RING_BLOCK_BYTES) _Atomic uint32_t waiter; /* C4: number of this sleep; 0: awake */

    _Alignas(PAWL_RING_BLOCK_BYTES) _Atomic uint64_t sleeps;
    _Atomic uint64_t spurious;   /* woken and found nothing */
    _Atomic uint64_t late_wakes; /* found a record only when a bound ran out: stays 0 */
    _Atomic uint64_t heartbeat_ns;
    unsigned char reserved[4096 - PAWL_RING_BLOCK_BYTES - 32];
};

/* What is known of a record besides its payload. */
struct pawl_ring_record {
    uint32_t bytes; /* of payload */
    uint32_t flags;
    uint32_t step; /* within the episode */
    uint32_t episode;
    uint64_t actor_step;
    uint64_t capture_ns;
    uint64_t policy_version;
    uint32_t crc32c; /* of the payload when the ring has checksums; else 0 */
    uint32_t lane;
    uint64_t reserved;
};

/* The record and its payload are plain: P4 and C1 order them. */
struct pawl_ring_slot {
    _Alignas(64) _Atomic uint64_t commit;
    struct pawl_ring_record record;
    unsigned char data[]; /* 64-byte aligned */
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in an atomic is private to one process");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "an atomic word is a word");
_Static_assert(sizeof(struct pawl_ring_page) == 4096, "layout 1");
_Static_assert(sizeof(struct pawl_ring_ack) == 4096, "layout 1");
_Static_assert(sizeof(struct pawl_ring_bell) == 4096, "layout 1");
_Static_assert(sizeof(struct pawl_ring_slot) == 64, "layout 1");
_Static_assert(offsetof(struct pawl_ring_page, resv) == 128, "layout 1");
_Static_assert(offsetof(struct pawl_ring_page, space_waiter) == 256, "layout 1");
_Static_assert(offsetof(struct pawl_ring_page, pin) == 384, "layout 1");
_Static_assert(offsetof(struct pawl_ring_page, dropped_newest) == 512, "layout 1");
_Static_assert(offsetof(struct pawl_ring_page, probe_ping) == 640, "layout 1");
_Static_assert(offsetof(struct pawl_ring_ack, tail_futex) == 8, "layout 1");
_Static_assert(offsetof(struct pawl_ring_ack, consumed) == 128, "layout 1");
_Static_assert(offsetof(struct pawl_ring_ack, ring_epoch) == 160, "layout 1");
_Static_assert(offsetof(struct pawl_ring_slot, record.policy_version) == 40, "layout 1");
_Static_assert(sizeof(struct pawl_ring_record) == 7 * 8, "layout 1");

/* Why an end stopped using its peer. */
enum pawl_ring_fault {
    PAWL_RING_SOUND,
    PAWL_RING_BAD_COMMIT,  /* a commit word that no honest writer stores */
    PAWL_RING_BAD_TAIL,    /* a tail that went back, or ahead of what was written */
    PAWL_RING_BAD_PAYLOAD, /* a checksum that does not match */
};

/* What a writer does when the ring is full. The values are part of the layout. */
#define PAWL_RING_BLOCK       0u /* waits: nothing is lost */
#define PAWL_RING_DROP_NEWEST 1u /* refuses the new record and counts it */
#define PAWL_RING_OVERWRITE   2u /* the oldest goes; telemetry, by put and get only */

/* The producer's end, in private memory: the peer can neither read nor break it. */
struct pawl_ring_tx {
    uint64_t next;       /* position of the next record */
    uint64_t tail_seen;  /* a tail that was true once */
    uint64_t room_count; /* slots; 0 for an overwrite ring, where nothing is claimed */
    uint64_t mask;
    uint64_t stride_bytes;
    unsigned char *slots;
    struct pawl_ring_page *page;
    const struct pawl_ring_ack *ack;   /* NULL: no reader yet */
    const struct pawl_ring_bell *bell; /* NULL: the reader never sleeps */
    uint64_t claimed_count;
    uint64_t attempted_count;
    uint64_t bytes;

    enum pawl_ring_fault fault;
    uint64_t fault_value; /* what was read */
    uint64_t slot_count;
    uint32_t data_bytes; /* a slot's room for payload */
    uint32_t policy;
    uint32_t copy_method; /* enum pawl_copy_method */
    bool has_checksums;
    int doorbell_fd;   /* an eventfd, the caller's; -1: none */
    uint32_t rung_for; /* the reader's sleep that the doorbell was last rung for */
    uint64_t dropped_count, aborted_count, wakes_count;
};

/* The consumer's end, likewise. */
struct pawl_ring_rx {
    uint64_t next;        /* position of the next record to peek at */
    uint64_t tail;        /* as published */
    uint64_t flush_count; /* C3 is delayed by at most so many records */
    uint64_t slot_count;
    uint64_t mask;
    uint64_t stride_bytes;
    const unsigned char *slots;
    const struct pawl_ring_page *page;
    struct pawl_ring_ack *ack;

    enum pawl_ring_fault fault;
    uint64_t fault_position;
    uint64_t fault_value;
    uint64_t first; /* position of the first record of this ring */
    uint32_t data_bytes;
    uint32_t policy;
    bool has_checksums;
    uint64_t consumed_count, lost_count, lag_max_count;
};

/* Cold, defined in ring_state.c and park.c. A fault is set once; from then on the end refuses.
 */
void pawl_ring_tx_quarantine(struct pawl_ring_tx *tx, enum pawl_ring_fault fault,
                             uint64_t value);
void pawl_ring_rx_quarantine(struct pawl_ring_rx *rx, enum pawl_ring_fault fault,
                             uint64_t position, uint64_t value);
void pawl_ring_wake_reader(struct pawl_ring_tx *tx, uint32_t waiter);
void pawl_ring_wake_writer(struct pawl_ring_rx *rx);

static inline struct pawl_ring_slot *pawl_ring_tx_slot(const struct pawl_ring_tx *tx,
                                                       uint64_t position)
{
    return (struct pawl_ring_slot *)(void *)(tx->slots +
                                             (position & tx->mask) * tx->stride_bytes);
}

static inline const struct pawl_ring_slot *pawl_ring_rx_slot(const struct pawl_ring_rx *rx,
                                                             uint64_t position)
{
    return (const struct pawl_ring_slot *)(const void *)(rx->slots + (position & rx->mask) *
                                                                         rx->stride_bytes);
}

/* P1 when the ring was full at the last look. Acquire pairs with the release store in
 * pawl_ring_flush(): the reader is done with the slots before they are filled again. */
static inline uint64_t pawl_ring_room_refresh(struct pawl_ring_tx *tx)
{
    if (!tx->ack || tx->fault)
        return 0;
    uint64_t tail =
        atomic_load_explicit(&tx->ack->tail, PAWL_ORDER_AT_FENCE(4, 7, memory_order_acquire));
    if (tail - tx->tail_seen > tx->next - tx->tail_seen) { /* the reader's word */
        pawl_ring_tx_quarantine(tx, PAWL_RING_BAD_TAIL, tail);
        return 0;
    }
    tx->tail_seen = tail;
    return tx->room_count - (tx->next - tail);
}

/* How many records fit now: P1. */
static inline uint64_t pawl_ring_room(struct pawl_ring_tx *tx, uint64_t wanted_count)
{
    uint64_t limit = tx->room_count + (PAWL_MUTANT == 13);
    uint64_t used = tx->next - tx->tail_seen;
    if (__builtin_expect(used + wanted_count <= limit, 1))
        return wanted_count;
    if (tx->room_count == 0)
        return 0;
    uint64_t room = pawl_ring_room_refresh(tx) + (PAWL_MUTANT == 13 && tx->ack);
    return room < wanted_count ? room : wanted_count;
}

/* The `index`-th claimed slot. */
static inline struct pawl_ring_slot *pawl_ring_claimed(const struct pawl_ring_tx *tx,
                                                       uint64_t index)
{
    return pawl_ring_tx_slot(tx, tx->next + index);
}

/* Claims up to wanted_count slots and returns how many are claimed; 0 when the ring is full.
 * What was claimed before and not published stays claimed and counts. Never waits, and counts
 * no refusal: a writer that gives the record up says so with pawl_ring_drop(). */
static inline uint64_t pawl_ring_claim_batch(struct pawl_ring_tx *tx, uint64_t wanted_count)
{
    if (__builtin_expect(tx->claimed_count >= wanted_count, 0))
        return tx->claimed_count;
    PAWL_FAULT("ring.claim.P1");
    uint64_t count = pawl_ring_room(tx, wanted_count);
    if (__builtin_expect(count <= tx->claimed_count, 0))
        return tx->claimed_count;
    tx->attempted_count += count - tx->claimed_count;
    tx->claimed_count = count;
    PAWL_FAULT("ring.claim.P2");
    /* P2. Relaxed: for the inspector and for counting what a dead writer left unfinished. */
    atomic_store_explicit(&tx->page->attempted, tx->attempted_count, memory_order_relaxed);
    atomic_store_explicit(&tx->page->resv, tx->next + count, memory_order_relaxed);
    if (PAWL_MUTANT == 14)
        for (uint64_t i = 0; i < count; i++)
            atomic_store_explicit(&pawl_ring_claimed(tx, i)->commit, tx->next + i + 1,
                                  memory_order_release);
    return count;
}

/* The next slot to fill, or NULL when the ring is full. Never waits. Again without a publish:
 * the same slot. */
static inline struct pawl_ring_slot *pawl_ring_claim(struct pawl_ring_tx *tx)
{
    return pawl_ring_claim_batch(tx, 1) ? pawl_ring_tx_slot(tx, tx->next) : NULL;
}

/* Hands over the first `count` claimed slots, whose fields and payload are written; what is
 * claimed beyond stays claimed. */
static inline void pawl_ring_publish_batch(struct pawl_ring_tx *tx, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct pawl_ring_slot *slot = pawl_ring_claimed(tx, i);
        tx->bytes += slot->record.bytes;
        PAWL_FAULT("ring.publish.P4");
        /* P4. Release pairs with the acquire load in pawl_ring_ready(): the record is complete
         * for a reader that sees this. The point at which the record comes to be. */
        atomic_store_explicit(&slot->commit, tx->next + i + 1,
                              PAWL_ORDER_AT_FENCE(1, 5, memory_order_release));
    }
    tx->next += count;
    tx->claimed_count -= count;
    PAWL_FAULT("ring.publish.P5");
    /* P5. Relaxed: nobody reads data because of it. */
    atomic_store_explicit(&tx->page->head, tx->next, memory_order_relaxed);
    atomic_store_explicit(&tx->page->bytes, tx->bytes, memory_order_relaxed);
    if (tx->bell) {
        PAWL_FAULT("ring.publish.P6");
        /* P6. Pairs with the fence in pawl_ring_bell_set(): either this load sees the waiter,
         * or the reader's last look sees the record. */
        PAWL_FENCE(5, memory_order_seq_cst);
        uint32_t waiter = atomic_load_explicit(&tx->bell->waiter,
                                               PAWL_ORDER_AT_FENCE(5, 5, memory_order_relaxed));
        if (__builtin_expect(waiter != 0, 0))
            pawl_ring_wake_reader(tx, waiter);
    }
}

static inline void pawl_ring_publish(struct pawl_ring_tx *tx)
{
    pawl_ring_publish_batch(tx, 1);
}

/* C1: whether the record `index` places after the next is there. Acquire pairs with the release
 * store in pawl_ring_publish_batch(). */
static inline bool pawl_ring_ready(struct pawl_ring_rx *rx, uint64_t index)
{
    uint64_t position = rx->next + index;
    PAWL_FAULT("ring.peek.C1");
    uint64_t commit = atomic_load_explicit(&pawl_ring_rx_slot(rx, position)->commit,
                                           PAWL_ORDER_AT_FENCE(2, 6, memory_order_acquire));
    if (commit == position + 1)
        return true;
    if (__builtin_expect(commit != position + 1 - rx->slot_count, 0)) /* the writer's word */
        pawl_ring_rx_quarantine(rx, PAWL_RING_BAD_COMMIT, position, commit);
    return false;
}

/* C3: everything before rx->next is done with. */
static inline void pawl_ring_flush(struct pawl_ring_rx *rx)
{
    if (rx->tail == rx->next)
        return;
    rx->consumed_count += rx->next - rx->tail;
    rx->tail = rx->next;
    uint64_t tail = rx->tail + (PAWL_MUTANT == 15);
    PAWL_FAULT("ring.release.C3");
    /* Release pairs with the acquire load in pawl_ring_room_refresh(): our reads of the slots
     * are done before the writer fills them again. */
    atomic_store_explicit(&rx->ack->tail, tail,
                          PAWL_ORDER_AT_FENCE(3, 8, memory_order_release));
    /* Release pairs with the acquire load before the futex wait: a writer that read this word
     * sees the tail as well, so it cannot sleep on a word that is already new. */
    atomic_store_explicit(&rx->ack->tail_futex, (uint32_t)tail, memory_order_release);
    atomic_store_explicit(&rx->ack->consumed, rx->consumed_count, memory_order_relaxed);
    if (rx->policy == PAWL_RING_BLOCK) {
        /* Pairs with the fence in pawl_ring_space_waiter_set(): either this load sees the
         * waiting writer, or its last look sees the tail. */
        PAWL_FENCE(8, memory_order_seq_cst);
        if (__builtin_expect(
                atomic_load_explicit(&rx->page->space_waiter,
                                     PAWL_ORDER_AT_FENCE(8, 8, memory_order_relaxed)) != 0,
                0))
            pawl_ring_wake_writer(rx);
    }
}

/* The next record, to be read in place until it is released; NULL when there is none. Never
 * waits. On NULL all releases have been published, so a writer that waits can go on. */
static inline const struct pawl_ring_slot *pawl_ring_peek(struct pawl_ring_rx *rx)
{
    if (__builtin_expect(rx->fault == PAWL_RING_SOUND, 1) && pawl_ring_ready(rx, 0)) {
        PAWL_FAULT("ring.peek.C2");
        return pawl_ring_rx_slot(rx, rx->next);
    }
    if (rx->fault == PAWL_RING_SOUND)
        pawl_ring_flush(rx);
    return NULL;
}

/* How many records are there, at most wanted_count. */
static inline uint64_t pawl_ring_peek_batch(struct pawl_ring_rx *rx, uint64_t wanted_count)
{
    uint64_t count = 0;
    while (count < wanted_count && rx->fault == PAWL_RING_SOUND && count < rx->slot_count &&
           pawl_ring_ready(rx, count))
        count++;
    if (count == 0 && rx->fault == PAWL_RING_SOUND)
        pawl_ring_flush(rx);
    return count;
}

/* The `index`-th of the records that peek_batch counted. */
static inline const struct pawl_ring_slot *pawl_ring_peeked(const struct pawl_ring_rx *rx,
                                                            uint64_t index)
{
    return pawl_ring_rx_slot(rx, rx->next + index);
}

/* The first `count` records that were peeked are done with. */
static inline void pawl_ring_release_batch(struct pawl_ring_rx *rx, uint64_t count)
{
    rx->next += count;
    if (rx->next - rx->tail < rx->flush_count)
        return;
    /* Relaxed, a figure for people; not when the ring runs empty, where it would cost the
     * writer's line for nothing. */
    uint64_t lag = atomic_load_explicit(&rx->page->head, memory_order_relaxed) - rx->tail;
    if (lag > rx->lag_max_count && lag <= rx->slot_count) { /* the writer's word */
        rx->lag_max_count = lag;
        atomic_store_explicit(&rx->ack->lag_max, lag, memory_order_relaxed);
    }
    pawl_ring_flush(rx);
}

static inline void pawl_ring_release(struct pawl_ring_rx *rx)
{
    pawl_ring_release_batch(rx, 1);
}

/* C4: says that the reader is about to sleep, for the sleep_number-th time (never 0). After it
 * every ring of the reader is looked at once more; pawl_ring_peek() does, and flushes. */
static inline void pawl_ring_bell_set(struct pawl_ring_bell *bell, uint32_t sleep_number)
{
    PAWL_FAULT("ring.sleep.C4");
    atomic_store_explicit(&bell->waiter, sleep_number,
                          PAWL_ORDER_AT_FENCE(6, 6, memory_order_relaxed));
    /* Pairs with the fence in pawl_ring_publish_batch(). */
    PAWL_FENCE(6, memory_order_seq_cst);
}

/* Relaxed: a producer that still sees the number rings once for nothing. */
static inline void pawl_ring_bell_clear(struct pawl_ring_bell *bell)
{
    atomic_store_explicit(&bell->waiter, 0, memory_order_relaxed);
}

/* Says that the writer is about to sleep for room. After it P1 is repeated. */
static inline void pawl_ring_space_waiter_set(struct pawl_ring_tx *tx)
{
    PAWL_FAULT("ring.wait.B1");
    atomic_store_explicit(&tx->page->space_waiter, 1,
                          PAWL_ORDER_AT_FENCE(7, 7, memory_order_relaxed));
    /* Pairs with the fence in pawl_ring_flush(). */
    PAWL_FENCE(7, memory_order_seq_cst);
}

/* Relaxed: a reader that still sees 1 wakes once for nothing. */
static inline void pawl_ring_space_waiter_clear(struct pawl_ring_tx *tx)
{
    atomic_store_explicit(&tx->page->space_waiter, 0, memory_order_relaxed);
}

/* Overwrite rings (Boehm 2012): record k = p + 1 is marked 2k - 1 while it is written and 2k
 * when it is whole. All words of the slot are atomic, so a copy that raced is void but not a
 * data race; equal even marks before and after mean that the copy is whole. */

#define PAWL_RING_RECORD_WORDS (sizeof(struct pawl_ring_record) / 8)

static inline uint64_t pawl_ring_load_word(const unsigned char *from, uint64_t bytes)
{
    uint64_t word = 0;
    memcpy(&word, from, bytes < 8 ? bytes : 8);
    return word;
}

static inline void pawl_ring_overwrite(struct pawl_ring_tx *tx,
                                       const struct pawl_ring_record *record, const void *data)
{
    struct pawl_ring_slot *slot = pawl_ring_tx_slot(tx, tx->next);
    _Atomic uint64_t *words = (_Atomic uint64_t *)(void *)slot + 1;
    const unsigned char *record_bytes = (const unsigned char *)record, *payload = data;
    uint64_t k = tx->next + 1;

    PAWL_FAULT("ring.overwrite.O1");
    atomic_store_explicit(&slot->commit, 2 * k - 1, memory_order_relaxed);
    /* Release pairs with the acquire fence in pawl_ring_copy_whole(): a reader that saw a word
     * of this record sees the odd mark at its second look. */
    PAWL_FENCE(9, memory_order_release);
    for (uint64_t i = 0; i < PAWL_RING_RECORD_WORDS; i++)
        atomic_store_explicit(&words[i], pawl_ring_load_word(record_bytes + 8 * i, 8),
                              PAWL_ORDER_WORD_STORE(9));
    words += PAWL_RING_RECORD_WORDS;
    for (uint64_t i = 0; 8 * i < record->bytes; i++)
        atomic_store_explicit(&words[i],
                              pawl_ring_load_word(payload + 8 * i, record->bytes - 8 * i),
                              PAWL_ORDER_WORD_STORE(9));
    PAWL_FAULT("ring.overwrite.O2");
    /* Release pairs with the acquire load in pawl_ring_mark(). */
    atomic_store_explicit(&slot->commit, 2 * k, PAWL_ORDER(10, memory_order_release));
    tx->next++;
    tx->bytes += record->bytes;
    atomic_store_explicit(&tx->page->head, tx->next, memory_order_relaxed);
    atomic_store_explicit(&tx->page->bytes, tx->bytes, memory_order_relaxed);
}

static inline uint64_t pawl_ring_mark(const struct pawl_ring_slot *slot)
{
    return atomic_load_explicit(&slot->commit, PAWL_ORDER(11, memory_order_acquire));
}

/* Copies the record that `mark` (even) announced, of the payload at most data_bytes; false when
 * it was overwritten meanwhile, and what was copied means nothing. */
static inline bool pawl_ring_copy_whole(const struct pawl_ring_slot *slot, uint64_t mark,
                                        struct pawl_ring_record *record, void *data,
                                        uint32_t data_bytes)
{
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)(const void *)slot + 1;
    unsigned char *record_bytes = (unsigned char *)record, *payload = data;

    for (uint64_t i = 0; i < PAWL_RING_RECORD_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&words[i], PAWL_ORDER_WORD_LOAD(12));
        memcpy(record_bytes + 8 * i, &word, 8);
    }
    if (record->bytes < data_bytes)
        data_bytes = record->bytes;
    record->bytes = data_bytes; /* the writer's word, so never above what fits */
    words += PAWL_RING_RECORD_WORDS;
    for (uint64_t i = 0; 8 * i < data_bytes; i++) {
        uint64_t word = atomic_load_explicit(&words[i], PAWL_ORDER_WORD_LOAD(12));
        memcpy(payload + 8 * i, &word, data_bytes - 8 * i < 8 ? data_bytes - 8 * i : 8);
    }
    /* Acquire pairs with the release fence in pawl_ring_overwrite(). */
    PAWL_FENCE(12, memory_order_acquire);
    return atomic_load_explicit(&slot->commit, memory_order_relaxed) == mark;
}

#endif
