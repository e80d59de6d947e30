/* board_core.h: what the writer and the readers of a board share, and every access to it.
 *
 * `latest` is generation << 10 | slot. Generations go up by one with every version, over all
 * incarnations of the writer, so a word never repeats. The steps are numbered as in the models
 * under tests/model:
 *
 *     writer                                          reader
 *     W1 the pin of every reader, acquire             R1 l := latest
 *     W2 a slot that is neither pinned nor latest;    R2 pin := l, release
 *        its header := 0, fence                       R3 fence
 *     W3 the tensors, then the slot's header          R4 latest again, acquire: if it is not
 *     W4 latest := new, release; fence; wake          l, then l := it and back to R2
 *                                                     R5 use the tensors in place
 *                                                     R6 pin := none, release
 *
 *  1. Nobody reads a slot that is written: W4, fence, W1 against R2, fence, R4 is store
 *     buffering with fences, so either R4 sees the newer version (and R2 is done again), or W1
 *     sees the pin.
 *  2. A version is whole: R4 that sees the word of W4 comes after all of W3.
 *  3. A slot is written again only after its last use: whatever pin W1 finds in place of the
 *     slot's, acquire, was stored by a release after that use. So R2 has to be a release too: a
 *     reader goes from one version to the next without R6 between them.
 *  4. With slots >= readers + 2 there is always a free one: latest, and a pin for each reader.
 *  5. A pin that the writer ignores (its reader was taken for dead) protects nothing. Then the
 *     header tells: it is 0 before the first tensor changes, and who reads it after the last
 *     use and finds its generation there has used a whole version.
 *  6. A writer that dies anywhere leaves `latest` old or new. A reader that dies leaves a pin,
 *     which counts until the writer is told to ignore it.
 *
 * Free of system calls, so that thread sanitizer, GenMC and others can compile it as it is; the
 * cold functions at the end are theirs to define. Users include board.h.
 */
#ifndef PAWL_SHM_BOARD_CORE_H
#define PAWL_SHM_BOARD_CORE_H

#include "runtime/fault.h"
#include "shm/order.h"
#include "shm/pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_BOARD_BLOCK_BYTES    128
#define PAWL_BOARD_SLOT_BITS      10
#define PAWL_BOARD_SLOT_MASK      ((1u << PAWL_BOARD_SLOT_BITS) - 1)
#define PAWL_BOARD_READERS_MAX    1020u
#define PAWL_BOARD_SLOTS_MAX      (PAWL_BOARD_READERS_MAX + 2)
#define PAWL_BOARD_GENERATION_MAX (UINT64_MAX >> PAWL_BOARD_SLOT_BITS)
/* More than any writer publishes meanwhile; the models have fewer versions. */
#ifndef PAWL_BOARD_RETRIES_MAX
#define PAWL_BOARD_RETRIES_MAX 100000u
#endif

/* Orderings of the board, as PAWL_RING_MUTANT_LIST (order.h). 33 to 42 weaken an ordering, the
 * others break a rule of the protocol. */
#define PAWL_BOARD_MUTANT_LIST(X)                                                              \
    X(33, "W1", "the pin load is relaxed")                                                     \
    X(34, "W4", "the store of latest is relaxed")                                              \
    X(35, "R2", "the pin store is relaxed")                                                    \
    X(36, "R3", "no fence between the pin and the second look at latest")                      \
    X(37, "R4", "the second load of latest is relaxed")                                        \
    X(38, "R6", "the pin is given back relaxed")                                               \
    X(39, "W2", "no fence between the header and the tensors")                                 \
    X(40, "R5", "no fence between the tensors and the header")                                 \
    X(41, "W4", "no fence between latest and the pins, and the waiters")                       \
    X(42, "R7", "no fence between the waiter and the last look")                               \
    X(43, "W1", "pins are not looked at")                                                      \
    X(44, "W4", "latest before the tensors are written")                                       \
    X(45, "R4", "latest is not looked at again")                                               \
    X(46, "W2", "the slot of latest counts as free")

/* Written by the writer only. */
struct pawl_board_page {
    _Alignas(PAWL_BOARD_BLOCK_BYTES) _Atomic uint64_t latest; /* W4; 0: nothing published */
    _Atomic uint32_t latest_futex; /* low half of the generation, to sleep on */

    _Alignas(PAWL_BOARD_BLOCK_BYTES) _Atomic uint64_t published;
    _Atomic uint64_t skipped; /* versions that found no free slot */
    _Atomic uint64_t wakes;
    _Atomic uint64_t published_ns; /* monotonic clock, of the last version */
    _Atomic uint64_t readers;      /* whose pins count */
    unsigned char reserved[4096 - PAWL_BOARD_BLOCK_BYTES - 40];
};

/* All but the generation are plain: W4 and R4 order them. */
struct pawl_board_slot {
    _Alignas(64) _Atomic uint64_t generation; /* 0: empty, or being written */
    uint64_t bytes;
    uint64_t step;         /* of the learner */
    uint64_t published_ns; /* monotonic clock */
    uint64_t wall_ns;
    uint32_t crc32c; /* of the tensors when the board has checksums; else 0 */
    uint32_t reserved;
    uint64_t reserved_2[2];
    unsigned char data[]; /* 64-byte aligned; the manifest says what is where */
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in an atomic is private to one process");
_Static_assert(sizeof(struct pawl_board_page) == 4096, "layout 1");
_Static_assert(sizeof(struct pawl_board_slot) == 64, "layout 1");
_Static_assert(offsetof(struct pawl_board_page, latest_futex) == 8, "layout 1");
_Static_assert(offsetof(struct pawl_board_page, published) == 128, "layout 1");
_Static_assert(offsetof(struct pawl_board_slot, crc32c) == 40, "layout 1");
_Static_assert(offsetof(struct pawl_board_slot, data) == 64, "layout 1");
_Static_assert(PAWL_BOARD_SLOTS_MAX <= PAWL_BOARD_SLOT_MASK, "no word is PAWL_PIN_NONE");

/* Why a reader stopped using a board. */
enum pawl_board_fault {
    PAWL_BOARD_SOUND,
    PAWL_BOARD_BAD_LATEST,   /* a word that no honest writer stores, or one that went back */
    PAWL_BOARD_BAD_SLOT,     /* a header that never fits latest */
    PAWL_BOARD_BAD_CHECKSUM, /* tensors that do not have the checksum they came with */
};

/* The writer's end, in private memory. */
struct pawl_board_tx {
    uint64_t generation; /* of the next version */
    uint64_t latest;
    uint64_t stride_bytes;
    unsigned char *slots;
    struct pawl_board_page *page;
    uint32_t slot_count;
    uint32_t claimed; /* slot index + 1; 0: none */
    uint32_t reader_room;
    bool has_checksums;
    uint64_t data_bytes;
    uint64_t published_count, skipped_count, wakes_count, reader_count;
    const struct pawl_pin *pins[PAWL_BOARD_READERS_MAX]; /* NULL: no reader, or one ignored */
};

/* A reader's end, in private memory. */
struct pawl_board_rx {
    uint64_t generation; /* last acquired */
    uint64_t stride_bytes;
    const unsigned char *slots;
    const struct pawl_board_page *page;
    struct pawl_pin *pin;
    const struct pawl_board_slot *held; /* NULL: nothing is pinned */
    uint32_t slot_count;
    enum pawl_board_fault fault;
    uint64_t fault_value; /* what was read */
    uint64_t data_bytes;
    uint64_t retries_count, discards_count, waits_count;
    uint64_t late_wakes; /* found only because a bound ran out */
    bool has_checksums;
};

/* Cold, defined in board.c. */
void pawl_board_quarantine(struct pawl_board_rx *rx, enum pawl_board_fault fault,
                           uint64_t value);
void pawl_board_wake_readers(struct pawl_board_tx *tx);
/* Orders streaming stores, which a release does not, with the stores before and after. */
void pawl_board_streaming_fence(void);

static inline uint64_t pawl_board_word(uint64_t generation, uint32_t slot_index)
{
    return generation << PAWL_BOARD_SLOT_BITS | slot_index;
}

static inline struct pawl_board_slot *pawl_board_tx_slot(const struct pawl_board_tx *tx,
                                                         uint32_t slot_index)
{
    return (struct pawl_board_slot *)(void *)(tx->slots + slot_index * tx->stride_bytes);
}

/* W1 and W2: the slot for the next version, or NULL when all are in use, or when generations
 * are used up after 2^54 versions (counted as skipped). Its tensors
 * are undefined: those of some older version, or a part of one. A second claim before publish
 * gives the same slot. Never waits. */
static inline struct pawl_board_slot *pawl_board_claim(struct pawl_board_tx *tx)
{
    uint64_t busy[(PAWL_BOARD_SLOTS_MAX + 63) / 64] = {0};
    uint32_t slot_index = 0;

    if (tx->claimed)
        return pawl_board_tx_slot(tx, tx->claimed - 1);
    PAWL_FAULT("board.claim.W1");
    if (tx->latest && PAWL_MUTANT != 46)
        busy[(tx->latest & PAWL_BOARD_SLOT_MASK) / 64] |= UINT64_C(1) << (tx->latest & 63);
    for (uint32_t i = 0; i < tx->reader_room && PAWL_MUTANT != 43; i++) {
        if (!tx->pins[i])
            continue;
        /* Acquire pairs with the release stores of the pin in pawl_board_acquire() and
         * pawl_board_release(): the reader is done with any slot that it no longer pins. */
        uint64_t pin = atomic_load_explicit(&tx->pins[i]->word,
                                            PAWL_ORDER_AT_FENCE(33, 41, memory_order_acquire));
        if (pin !=
            PAWL_PIN_NONE) /* the reader's word: any value marks a slot, or none of ours */
            busy[(pin & PAWL_BOARD_SLOT_MASK) / 64] |= UINT64_C(1) << (pin & 63);
    }
    PAWL_FAULT("board.claim.W2");
    while (slot_index < tx->slot_count && (busy[slot_index / 64] >> (slot_index & 63) & 1))
        slot_index++;
    if (slot_index == tx->slot_count || tx->generation > PAWL_BOARD_GENERATION_MAX) {
        tx->skipped_count++;
        atomic_store_explicit(&tx->page->skipped, tx->skipped_count, memory_order_relaxed);
        return NULL;
    }
    tx->claimed = slot_index + 1;
    struct pawl_board_slot *slot = pawl_board_tx_slot(tx, slot_index);
    atomic_store_explicit(&slot->generation, 0, memory_order_relaxed);
    /* Release pairs with the acquire fence in pawl_board_is_intact(): who saw a byte of the
     * next version sees the header changed. */
    PAWL_FENCE(39, memory_order_release);
    pawl_board_streaming_fence();
    if (PAWL_MUTANT == 44)
        atomic_store_explicit(&tx->page->latest, pawl_board_word(tx->generation, slot_index),
                              memory_order_release);
    return slot;
}

/* W3's end and W4: the claimed slot, filled, is the latest version; returns its generation. The
 * fields but the generation are the caller's to set before. */
static inline uint64_t pawl_board_commit(struct pawl_board_tx *tx)
{
    struct pawl_board_slot *slot = pawl_board_tx_slot(tx, tx->claimed - 1);
    uint64_t generation = tx->generation;

    pawl_board_streaming_fence();
    PAWL_FAULT("board.publish.W3");
    /* Relaxed: the release below publishes it. */
    atomic_store_explicit(&slot->generation, generation, memory_order_relaxed);
    tx->latest = pawl_board_word(generation, tx->claimed - 1);
    tx->claimed = 0;
    tx->generation++;
    PAWL_FAULT("board.publish.W4");
    /* Release pairs with the acquire load in pawl_board_acquire(): who sees the word sees the
     * whole version. */
    atomic_store_explicit(&tx->page->latest, tx->latest,
                          PAWL_ORDER_AT_FENCE(34, 41, memory_order_release));
    /* Release pairs with the acquire load in pawl_board_wait(): a reader that read this word
     * sees `latest` as well, so it cannot sleep on a word that is already new. */
    atomic_store_explicit(&tx->page->latest_futex, (uint32_t)generation, memory_order_release);
    PAWL_FAULT("board.publish.wake");
    /* Pairs with the fence in pawl_board_waiter_set(): either a waiter is seen here, or its
     * last look sees the version. */
    PAWL_FENCE(41, memory_order_seq_cst);
    pawl_board_wake_readers(tx);
    return generation;
}

static inline const struct pawl_board_slot *pawl_board_rx_slot(const struct pawl_board_rx *rx,
                                                               uint64_t slot_index)
{
    return (const struct pawl_board_slot *)(const void *)(rx->slots +
                                                          slot_index * rx->stride_bytes);
}

/* R2 to R4 until `word` is pinned and still the latest; 0 when a writer never lets it be. */
static inline uint64_t pawl_board_pin(struct pawl_board_rx *rx, uint64_t word)
{
    for (uint32_t i = 0; i < PAWL_BOARD_RETRIES_MAX; i++) {
        PAWL_FAULT("board.acquire.R2");
        /* Release pairs with the acquire load in pawl_board_claim(): the uses of the slot that
         * was pinned before are over. */
        atomic_store_explicit(&rx->pin->word, word,
                              PAWL_ORDER_AT_FENCE(35, 36, memory_order_release));
        PAWL_FAULT("board.acquire.R3");
        /* Pairs with the fence in pawl_board_commit(). */
        PAWL_FENCE(36, memory_order_seq_cst);
        if (PAWL_MUTANT == 45)
            return word;
        PAWL_FAULT("board.acquire.R4");
        /* Acquire pairs with the release store in pawl_board_commit(). */
        uint64_t again = atomic_load_explicit(
            &rx->page->latest, PAWL_ORDER_AT_FENCE(37, 36, memory_order_acquire));
        if (again == word)
            return word;
        word = again;
        rx->retries_count++;
        atomic_store_explicit(&rx->pin->retries, rx->retries_count, memory_order_relaxed);
    }
    return 0;
}

/* The latest version, to be used in place until it is released or the next is acquired; NULL
 * when nothing was published yet, or the board is under quarantine. Never waits. A pin that was
 * held goes over to the new version. */
static inline const struct pawl_board_slot *pawl_board_acquire(struct pawl_board_rx *rx)
{
    PAWL_FAULT("board.acquire.R1");
    /* R1. Relaxed: R4 looks again. */
    uint64_t word = atomic_load_explicit(&rx->page->latest, memory_order_relaxed);

    for (uint32_t i = 0; i < PAWL_BOARD_RETRIES_MAX && word && !rx->fault; i++) {
        word = pawl_board_pin(rx, word);
        uint64_t generation = word >> PAWL_BOARD_SLOT_BITS;
        uint32_t slot_index = (uint32_t)(word & PAWL_BOARD_SLOT_MASK);
        if (generation == 0 || generation < rx->generation || slot_index >= rx->slot_count) {
            /* the writer's word */
            pawl_board_quarantine(rx, PAWL_BOARD_BAD_LATEST, word);
            return NULL;
        }
        const struct pawl_board_slot *slot = pawl_board_rx_slot(rx, slot_index);
        /* Relaxed: R4 ordered it. Other than ours only when our pin is ignored, or the writer
         * is broken. */
        if (atomic_load_explicit(&slot->generation, memory_order_relaxed) == generation) {
            if (generation != rx->generation)
                atomic_store_explicit(&rx->pin->generation, generation, memory_order_relaxed);
            rx->generation = generation;
            rx->held = slot;
            PAWL_FAULT("board.acquire.R5");
            return slot;
        }
    }
    if (word != 0 && !rx->fault)
        pawl_board_quarantine(rx, PAWL_BOARD_BAD_SLOT, word);
    return NULL;
}

/* Whether what was read of the held version since it was acquired is that version: true unless
 * the writer took this reader for dead. False: forget it and acquire again (counted). To be
 * asked after the last use and before the next acquire or release. */
static inline bool pawl_board_is_intact(struct pawl_board_rx *rx)
{
    /* Acquire pairs with the release fence in pawl_board_claim(). */
    PAWL_FENCE(40, memory_order_acquire);
    if (__builtin_expect(atomic_load_explicit(&rx->held->generation, memory_order_relaxed) ==
                             rx->generation,
                         1))
        return true;
    rx->discards_count++;
    atomic_store_explicit(&rx->pin->discards, rx->discards_count, memory_order_relaxed);
    return false;
}

/* R6: the held version is used no more. */
static inline void pawl_board_release(struct pawl_board_rx *rx)
{
    PAWL_FAULT("board.release.R6");
    /* Release pairs with the acquire load in pawl_board_claim(). */
    atomic_store_explicit(&rx->pin->word, PAWL_PIN_NONE,
                          PAWL_ORDER_AT_FENCE(38, 36, memory_order_release));
    rx->held = NULL;
}

/* R7: says that the reader is about to sleep. After it, pawl_board_latest() once more. */
static inline void pawl_board_waiter_set(struct pawl_board_rx *rx)
{
    PAWL_FAULT("board.wait.R7");
    atomic_store_explicit(&rx->pin->waiter, 1,
                          PAWL_ORDER_AT_FENCE(42, 42, memory_order_relaxed));
    /* Pairs with the fence in pawl_board_commit(). */
    PAWL_FENCE(42, memory_order_seq_cst);
}

/* Relaxed: a writer that still sees 1 wakes once for nothing. */
static inline void pawl_board_waiter_clear(struct pawl_board_rx *rx)
{
    atomic_store_explicit(&rx->pin->waiter, 0, memory_order_relaxed);
}

/* Generation of the latest version, 0 when there is none: how far behind is it -
 * rx->generation. It announces nothing; acquire does. */
static inline uint64_t pawl_board_latest(const struct pawl_board_rx *rx)
{
    return atomic_load_explicit(&rx->page->latest,
                                PAWL_ORDER_AT_FENCE(42, 42, memory_order_relaxed)) >>
           PAWL_BOARD_SLOT_BITS;
}

#endif
