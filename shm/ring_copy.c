/* ring_copy.c: records that are copied in and out, and their checksums. */
#include "shm/ring.h"

#include "runtime/crc32c.h"

enum pawl_ring_result pawl_ring_put(struct pawl_ring_tx *tx,
                                    const struct pawl_ring_record *record, const void *data)
{
    if (record->bytes > tx->data_bytes)
        return PAWL_RING_TOO_BIG;
    struct pawl_ring_record kept = *record;
    kept.crc32c = tx->has_checksums ? pawl_crc32c(0, data, record->bytes) : 0;

    if (tx->policy == PAWL_RING_OVERWRITE) {
        tx->attempted_count++;
        atomic_store_explicit(&tx->page->attempted, tx->attempted_count, memory_order_relaxed);
        pawl_ring_overwrite(tx, &kept, data);
        return PAWL_RING_DONE;
    }
    struct pawl_ring_slot *slot = pawl_ring_claim(tx);
    if (!slot) {
        if (tx->fault)
            return PAWL_RING_QUARANTINED;
        if (tx->policy == PAWL_RING_DROP_NEWEST)
            pawl_ring_drop(tx);
        return PAWL_RING_FULL;
    }
    pawl_copy_in(tx->copy_method, slot->data, data, record->bytes);
    PAWL_FAULT("ring.publish.P3");
    slot->record = kept;
    pawl_ring_publish(tx);
    return PAWL_RING_DONE;
}

/* The reader of an overwrite ring was overtaken by `ahead` records: it goes on with what is
 * half a ring old, so that it has time to read it. */
static void skip_lost(struct pawl_ring_rx *rx, uint64_t ahead)
{
    uint64_t count = ahead - rx->slot_count / 2;
    rx->lost_count += count;
    rx->next += count;
    rx->tail += count; /* lost, so not consumed by the next flush */
    atomic_store_explicit(&rx->ack->lost, rx->lost_count, memory_order_relaxed);
}

static enum pawl_ring_result get_overwritten(struct pawl_ring_rx *rx,
                                             struct pawl_ring_record *record, void *data)
{
    enum { TRY_COUNT_MAX = 8 }; /* the writer is at work, so the next call finds something */

    for (int i = 0; i < TRY_COUNT_MAX; i++) {
        const struct pawl_ring_slot *slot = pawl_ring_rx_slot(rx, rx->next);
        uint64_t mark = pawl_ring_mark(slot);
        uint64_t k = rx->next + 1;
        /* Marks are 2k and 2k - 1, so they know k modulo 2^63. */
        int64_t ahead = (int64_t)((((mark + 1) >> 1) - k) << 1) >> 1;
        if (ahead % (int64_t)rx->slot_count != 0) { /* the writer's word */
            pawl_ring_rx_quarantine(rx, PAWL_RING_BAD_COMMIT, rx->next, mark);
            return PAWL_RING_QUARANTINED;
        }
        if (ahead < 0 || (ahead == 0 && mark % 2 != 0))
            break;
        if (ahead > 0) {
            skip_lost(rx, (uint64_t)ahead);
            continue;
        }
        if (!pawl_ring_copy_whole(slot, mark, record, data, rx->data_bytes))
            continue;
        if (rx->has_checksums && pawl_crc32c(0, data, record->bytes) != record->crc32c) {
            pawl_ring_rx_quarantine(rx, PAWL_RING_BAD_PAYLOAD, rx->next, record->crc32c);
            return PAWL_RING_QUARANTINED;
        }
        pawl_ring_release(rx);
        return PAWL_RING_DONE;
    }
    pawl_ring_flush(rx);
    return PAWL_RING_EMPTY;
}

enum pawl_ring_result pawl_ring_get(struct pawl_ring_rx *rx, struct pawl_ring_record *record,
                                    void *data)
{
    if (rx->fault)
        return PAWL_RING_QUARANTINED;
    if (rx->policy == PAWL_RING_OVERWRITE)
        return get_overwritten(rx, record, data);

    const struct pawl_ring_slot *slot = pawl_ring_peek(rx);
    if (!slot)
        return rx->fault ? PAWL_RING_QUARANTINED : PAWL_RING_EMPTY;
    uint32_t bytes = pawl_ring_slot_bytes(rx, slot);
    *record = slot->record;
    record->bytes = bytes;
    pawl_copy_out(pawl_ring_copy_method(rx), data, slot->data, bytes);
    if (rx->has_checksums && pawl_crc32c(0, data, bytes) != record->crc32c) {
        pawl_ring_rx_quarantine(rx, PAWL_RING_BAD_PAYLOAD, rx->next, record->crc32c);
        return PAWL_RING_QUARANTINED;
    }
    pawl_ring_release(rx);
    return PAWL_RING_DONE;
}

uint32_t pawl_ring_slot_bytes(const struct pawl_ring_rx *rx, const struct pawl_ring_slot *slot)
{
    /* One load, for an honest writer does not touch it now but another one might. Relaxed: C1
     * ordered it. */
    uint32_t bytes = __atomic_load_n(&slot->record.bytes, __ATOMIC_RELAXED);
    return bytes < rx->data_bytes ? bytes : rx->data_bytes;
}

bool pawl_ring_verify(struct pawl_ring_rx *rx, const struct pawl_ring_slot *slot)
{
    if (!rx->has_checksums)
        return true;
    uint32_t wanted = slot->record.crc32c;
    if (pawl_crc32c(0, slot->data, pawl_ring_slot_bytes(rx, slot)) == wanted)
        return true;
    uint64_t index = (uint64_t)((const unsigned char *)slot - rx->slots) / rx->stride_bytes;
    uint64_t position = rx->next + ((index - rx->next) & rx->mask);
    pawl_ring_rx_quarantine(rx, PAWL_RING_BAD_PAYLOAD, position, wanted);
    return false;
}

void pawl_ring_set_copy_method(struct pawl_ring_tx *tx, enum pawl_copy_method method,
                               uint32_t distance_ns)
{
    tx->copy_method = method;
    atomic_store_explicit(&tx->page->copy_method, (uint32_t)method, memory_order_relaxed);
    atomic_store_explicit(&tx->page->distance_ns, distance_ns, memory_order_relaxed);
}
