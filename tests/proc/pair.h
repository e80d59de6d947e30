/* pair.h: what the producer and the consumer of the example agree on, and the ledger in which a
 * test sees what became of every record.
 *
 * pair_producer.c and pair_consumer.c are the smallest programs that do all an actor and a
 * learner do with the shared memory: records one way, parameters the other, and going on when
 * the other one dies. They use public headers only. pair_hub.c is the smallest supervisor for
 * them. test_chaos.c kills all three.
 *
 *     pair_hub PRODUCER CONSUMER LABEL      starts the two others; descriptor 3: the ledger
 *     pair_producer LABEL                   descriptor 3: the hub, descriptor 4: the ledger
 *     pair_consumer LABEL                   likewise
 *
 * Exit code 0: told to stop, or the hub has gone; 1: with a sentence on standard error.
 */
#ifndef PAWL_TEST_PAIR_H
#define PAWL_TEST_PAIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/err.h"
#include "runtime/fault.h"

#define PAIR_HUB_FD    3
#define PAIR_LEDGER_FD 4

#define PAIR_SLOT_COUNT    64u
#define PAIR_PAYLOAD_WORDS 512u
#define PAIR_PAYLOAD_BYTES (PAIR_PAYLOAD_WORDS * 8)
#define PAIR_ACK_COUNT     32u /* rings the consumer reads at a time, of living and of dead */
#define PAIR_BOARD_WORDS   1024u

/* Entries are found by incarnation, so nobody has to look for a place. */
#define PAIR_INCARNATION_COUNT 65536u

/* One life of a producer or consumer. It is memory of no process, so a life's last word stays.
 * Written by the life itself, or for `stored` and all below by the consumers, one at a time. */
struct pair_life {
    _Atomic uint64_t started;   /* producer: records it began; a ring was offered before */
    _Atomic uint64_t published; /* producer: records whose publish returned */
    _Atomic uint64_t progress;  /* consumer: records it stored in this life */
    _Atomic uint64_t torn_boards;
    _Atomic uint32_t has_offered; /* producer: its ring is with the hub */
    _Atomic uint32_t pid;         /* producer: a label */

    /* A store that is idempotent by (incarnation, sequence): the next sequence wanted. */
    _Atomic uint64_t stored;
    _Atomic uint64_t again; /* redelivered after a consumer died, and not stored twice */
    _Atomic uint64_t torn, lost;
    _Atomic uint32_t is_drained;
    _Atomic uint32_t was_mid_record; /* killed between claim and publish */
};

struct pair_ledger {
    _Atomic uint64_t boards_read;
    _Atomic uint64_t boards_discarded;
    struct pair_life lives[PAIR_INCARNATION_COUNT];
};

/* Word i of record `sequence` of a producer's life; all differ, so no mixture looks right. */
static inline uint64_t pair_word(uint64_t incarnation, uint64_t sequence, uint64_t i)
{
    return (incarnation << 40 ^ sequence << 12 ^ i) * UINT64_C(0x9e3779b97f4a7c15);
}

/* What a main does first: it dies where its environment says. */
static inline int pair_arm_faults(struct pawl_err *err)
{
#ifdef PAWL_FAULTS
    return pawl_fault_arm_from_env(err);
#else
    (void)err;
    return 0;
#endif
}

/* Where a life's positions begin: at 0, and shortly before each wrap of a word. */
static inline uint64_t pair_first(uint64_t incarnation)
{
    static const uint64_t firsts[] = {0, UINT32_MAX - 20ull, UINT64_MAX - 20ull};
    return firsts[incarnation % 3];
}

#endif
