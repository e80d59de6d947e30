#include "actor/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/crc32c.h"

static uint64_t power_of_two_above(uint64_t count)
{
    uint64_t power = 1;
    while (power < count)
        power *= 2;
    return power;
}

static unsigned char *slots_allocate(const struct pawl_ring_tx *tx, uint64_t count)
{
    size_t bytes = (size_t)(count * tx->stride_bytes);
    void *slots = NULL;
    if (posix_memalign(&slots, 64, bytes) != 0)
        return NULL;
    memset(slots, 0, bytes); /* touched now, not in the first steps; and zero (record.h) */
    return slots;
}

static struct pawl_ring_slot *slot_at(const struct pawl_outbox *out, unsigned char *slots,
                                      uint64_t index)
{
    return (struct pawl_ring_slot *)(void *)(slots + index * out->tx->stride_bytes);
}

int pawl_outbox_open(struct pawl_outbox *out, const struct pawl_outbox_cfg *cfg,
                     struct pawl_err *err)
{
    uint64_t open_count_max = (uint64_t)PAWL_OUTBOX_FRAMES_PER_LANE * cfg->lane_count;

    *out = (struct pawl_outbox){
        .tx = cfg->tx, .lane_count = cfg->lane_count, .may_drop = cfg->may_drop};
    if (cfg->tx->slot_count < open_count_max)
        return pawl_err_set(err, EINVAL,
                            "a ring of %llu slots for %u lanes: ring.slots has to be at least "
                            "%llu",
                            (unsigned long long)cfg->tx->slot_count, cfg->lane_count,
                            (unsigned long long)open_count_max);

    /* Whoever acts with staged frames has those of a round open besides. */
    out->staged_room = cfg->staged_count_max ? cfg->staged_count_max + open_count_max : 0;
    uint64_t frame_count = power_of_two_above(open_count_max + out->staged_room);
    out->frames_mask = frame_count - 1;
    out->frames = calloc(frame_count, sizeof(out->frames[0]));
    out->spare = calloc(cfg->lane_count, sizeof(out->spare[0]));
    bool is_whole = out->frames && out->spare;
    if (is_whole && out->staged_room)
        is_whole = (out->staged = slots_allocate(cfg->tx, out->staged_room)) != NULL;
    if (is_whole && out->may_drop)
        is_whole = (out->spare_slots = slots_allocate(cfg->tx, cfg->lane_count)) != NULL;
    if (!is_whole) {
        pawl_outbox_close(out);
        return pawl_err_set(err, ENOMEM, "%llu staged records: out of memory",
                            (unsigned long long)out->staged_room);
    }
    return 0;
}

void pawl_outbox_close(struct pawl_outbox *out)
{
    if (!out->tx)
        return;
    if (out->frames) {
        for (; out->frames_tail != out->frames_head; out->frames_tail++) {
            const struct pawl_outbox_frame *frame =
                &out->frames[out->frames_tail & out->frames_mask];
            if (frame->place == PAWL_OUTBOX_STAGED && frame->is_complete)
                pawl_ring_drop(out->tx);
        }
        pawl_ring_abort(out->tx);
    }
    free(out->frames);
    free(out->staged);
    free(out->spare);
    free(out->spare_slots);
    *out = (struct pawl_outbox){0};
}

bool pawl_outbox_has_room(struct pawl_outbox *out, uint32_t count)
{
    if (out->may_drop)
        return true;
    if (out->staged_head == out->staged_tail) {
        uint64_t wanted_count = out->tx->claimed_count + count;
        if (__builtin_expect(pawl_ring_room(out->tx, wanted_count) >= wanted_count, 1))
            return true;
    }
    return out->staged_room - (out->staged_head - out->staged_tail) >= count;
}

static struct pawl_outbox_frame *frame_push(struct pawl_outbox *out)
{
    struct pawl_outbox_frame *frame = &out->frames[out->frames_head & out->frames_mask];
    out->frames_head++;
    frame->is_complete = false;
    return frame;
}

static struct pawl_outbox_frame *spare_of(struct pawl_outbox *out, uint32_t lane)
{
    /* It may be the lane's present record, too, of which only the action is still read, and
     * that before the next observation is written. */
    struct pawl_outbox_frame *frame = &out->spare[lane];
    frame->slot = slot_at(out, out->spare_slots, lane);
    frame->place = PAWL_OUTBOX_DROPPED;
    return frame;
}

struct pawl_outbox_frame *pawl_outbox_claim(struct pawl_outbox *out, uint32_t lane)
{
    struct pawl_ring_tx *tx = out->tx;

    if (__builtin_expect(out->staged_head == out->staged_tail, 1)) {
        uint64_t claimed_count = tx->claimed_count;
        if (__builtin_expect(pawl_ring_claim_batch(tx, claimed_count + 1) > claimed_count, 1)) {
            struct pawl_outbox_frame *frame = frame_push(out);
            frame->slot = pawl_ring_claimed(tx, claimed_count);
            frame->place = PAWL_OUTBOX_RING;
            return frame;
        }
    }
    uint64_t waiting_count = out->staged_head - out->staged_tail;
    if (waiting_count < out->staged_room) {
        struct pawl_outbox_frame *frame = frame_push(out);
        frame->slot = slot_at(out, out->staged, out->staged_head++ % out->staged_room);
        frame->place = PAWL_OUTBOX_STAGED;
        out->staged_count++;
        if (waiting_count + 1 > out->staged_max_count)
            out->staged_max_count = (uint32_t)(waiting_count + 1);
        return frame;
    }
    PAWL_CHECK(out->may_drop);
    return spare_of(out, lane);
}

void pawl_outbox_complete(struct pawl_outbox *out, struct pawl_outbox_frame *frame)
{
    if (__builtin_expect(frame->place == PAWL_OUTBOX_DROPPED, 0)) {
        pawl_ring_drop(out->tx);
        out->dropped_count++;
        return;
    }
    if (out->tx->has_checksums)
        frame->slot->record.crc32c =
            pawl_crc32c(0, frame->slot->data, frame->slot->record.bytes);
    frame->is_complete = true;
}

static void move_to_ring(const struct pawl_outbox *out, struct pawl_outbox_frame *frame,
                         struct pawl_ring_slot *slot)
{
    slot->record = frame->slot->record;
    pawl_copy_in(out->tx->copy_method, slot->data, frame->slot->data, out->tx->data_bytes);
    frame->slot = slot;
    frame->place = PAWL_OUTBOX_RING;
}

/* Moves staged records into the ring, as far as it has room. When only those are left that wait
 * for an incomplete one, all go, and the next claim is of the ring again. */
static void flush_staged(struct pawl_outbox *out)
{
    struct pawl_ring_tx *tx = out->tx;

    while (out->frames_tail != out->frames_head) {
        struct pawl_outbox_frame *frame = &out->frames[out->frames_tail & out->frames_mask];
        if (frame->place != PAWL_OUTBOX_STAGED)
            return; /* claimed in the ring and incomplete; what is staged comes after it */
        if (!frame->is_complete)
            break;
        struct pawl_ring_slot *slot = pawl_ring_claim(tx);
        if (!slot)
            return;
        move_to_ring(out, frame, slot);
        pawl_ring_publish(tx);
        out->committed_count++;
        out->staged_tail++;
        out->frames_tail++;
    }
    uint64_t count = out->frames_head - out->frames_tail;
    if (pawl_ring_room(tx, count) < count)
        return;
    pawl_ring_claim_batch(tx, count);
    for (uint64_t i = 0; i < count; i++)
        move_to_ring(out, &out->frames[(out->frames_tail + i) & out->frames_mask],
                     pawl_ring_claimed(tx, i));
    out->staged_tail = out->staged_head;
}

void pawl_outbox_flush(struct pawl_outbox *out)
{
    uint64_t count = 0;

    while (out->frames_tail + count != out->frames_head) {
        const struct pawl_outbox_frame *frame =
            &out->frames[(out->frames_tail + count) & out->frames_mask];
        if (frame->place != PAWL_OUTBOX_RING || !frame->is_complete)
            break;
        count++;
    }
    if (count) {
        out->frames_tail += count;
        out->committed_count += count;
        pawl_ring_publish_batch(out->tx, count);
    }
    if (__builtin_expect(out->staged_head != out->staged_tail, 0))
        flush_staged(out);
}

uint64_t pawl_outbox_staged(const struct pawl_outbox *out)
{
    return out->staged_head - out->staged_tail;
}
