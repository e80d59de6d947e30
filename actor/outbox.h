/* outbox.h: where an actor's records go: into the ring, and where they stay while it is full.
 *
 *     if (!pawl_outbox_has_room(&out, 2 * lane_count))    for what a round can need at most
 *         wait, or let the tick pass
 *     frame = pawl_outbox_claim(&out, lane);
 *     fill frame->slot                                    in the ring itself if there is room
 *     pawl_outbox_complete(&out, frame);
 *     pawl_outbox_flush(&out);                            once a round
 *
 * Frames are claimed in the order in which they will be read and completed in any order; flush
 * commits those before the first that is incomplete. A frame is in one of three places:
 *
 *     ring      a claimed slot: what is written there is never copied
 *     staged    a private slot, bounded in number, for a loop that must not wait; it follows
 *               into the ring, in order and by one copy, as soon as there is room
 *     dropped   where neither has room and records may be given up: a private slot that goes
 *               nowhere, so that the loop runs as ever; counted in the ring
 *
 * Accounting is the ring's: attempted = committed + dropped_newest + aborted.
 *
 * Thread safety: one thread, the ring's writer. Allocates when opened only.
 */
#ifndef PAWL_ACTOR_OUTBOX_H
#define PAWL_ACTOR_OUTBOX_H

#include "runtime/err.h"
#include "shm/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A round of an actor has at most so many incomplete frames for each lane, with the FINAL ones
 * that wait behind them: the ring has to have as many slots. */
#define PAWL_OUTBOX_FRAMES_PER_LANE 4u

enum pawl_outbox_place { PAWL_OUTBOX_RING, PAWL_OUTBOX_STAGED, PAWL_OUTBOX_DROPPED };

struct pawl_outbox_frame {
    struct pawl_ring_slot *slot; /* record and data are the owner's to fill */
    enum pawl_outbox_place place;
    bool is_complete;
};

struct pawl_outbox_cfg {
    struct pawl_ring_tx *tx; /* borrowed */
    uint32_t lane_count;
    uint32_t staged_count_max; /* complete records that may wait; 0: none */
    bool may_drop;
};

/* Zeroed: closed. */
struct pawl_outbox {
    struct pawl_ring_tx *tx;
    /* Of all that is claimed and not committed, in order: those in the ring first. */
    struct pawl_outbox_frame *frames;
    uint64_t frames_head, frames_tail, frames_mask;
    unsigned char *staged; /* slots, used in a circle */
    uint64_t staged_head, staged_tail, staged_room;
    struct pawl_outbox_frame *spare; /* one for each lane, which what is dropped shares */
    unsigned char *spare_slots;
    uint32_t lane_count;
    uint32_t staged_max_count; /* most that ever waited */
    bool may_drop;
    uint64_t committed_count;
    uint64_t dropped_count;
    uint64_t staged_count; /* all that went the long way */
};

/* -EINVAL when the ring is too small for the lanes; says how many slots it needs. */
int pawl_outbox_open(struct pawl_outbox *out, const struct pawl_outbox_cfg *cfg,
                     struct pawl_err *err);

/* What is incomplete is aborted; complete records that are still staged count as dropped. */
void pawl_outbox_close(struct pawl_outbox *out);

/* Whether so many claims would find a place: always where records may be dropped. */
bool pawl_outbox_has_room(struct pawl_outbox *out, uint32_t count);

/* Never NULL after pawl_outbox_has_room(), whose count includes it. Its payload has what was in
 * it before. */
struct pawl_outbox_frame *pawl_outbox_claim(struct pawl_outbox *out, uint32_t lane);

/* The record is written, all of slot->record and its payload. */
void pawl_outbox_complete(struct pawl_outbox *out, struct pawl_outbox_frame *frame);

void pawl_outbox_flush(struct pawl_outbox *out);

/* Complete records that wait for room in the ring. */
uint64_t pawl_outbox_staged(const struct pawl_outbox *out);

#endif
