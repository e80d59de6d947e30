/* ring_state.c: what is known of a ring: its counts, and why an end stopped using its peer. */
#include "shm/ring.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void pawl_ring_abort(struct pawl_ring_tx *tx)
{
    tx->aborted_count += tx->claimed_count;
    tx->claimed_count = 0;
    atomic_store_explicit(&tx->page->aborted, tx->aborted_count, memory_order_relaxed);
    atomic_store_explicit(&tx->page->resv, tx->next, memory_order_relaxed);
}

void pawl_ring_drop(struct pawl_ring_tx *tx)
{
    tx->attempted_count++;
    tx->dropped_count++;
    atomic_store_explicit(&tx->page->attempted, tx->attempted_count, memory_order_relaxed);
    atomic_store_explicit(&tx->page->dropped_newest, tx->dropped_count, memory_order_relaxed);
}

void pawl_ring_tx_quarantine(struct pawl_ring_tx *tx, enum pawl_ring_fault fault,
                             uint64_t value)
{
    if (tx->fault)
        return;
    tx->fault = fault;
    tx->fault_value = value;
    tx->room_count = 0; /* nothing is claimed any more */
}

void pawl_ring_rx_quarantine(struct pawl_ring_rx *rx, enum pawl_ring_fault fault,
                             uint64_t position, uint64_t value)
{
    if (rx->fault)
        return;
    rx->fault = fault;
    rx->fault_position = position;
    rx->fault_value = value;
    atomic_store_explicit(&rx->ack->corrupt, 1, memory_order_relaxed);
}

int pawl_ring_tx_state(const struct pawl_ring_tx *tx, struct pawl_err *err)
{
    if (!tx->fault)
        return 0;
    return pawl_err_set(err, EPROTO,
                        "reader under quarantine: its tail is %" PRIu64 ", must be %" PRIu64
                        " to %" PRIu64 "; its memory is broken, start it again",
                        tx->fault_value, tx->tail_seen, tx->next);
}

int pawl_ring_rx_state(const struct pawl_ring_rx *rx, struct pawl_err *err)
{
    if (!rx->fault)
        return 0;
    if (rx->fault == PAWL_RING_BAD_PAYLOAD)
        return pawl_err_set(err, EPROTO,
                            "writer under quarantine: record %" PRIu64
                            " does not have its checksum 0x%08" PRIx64
                            "; its memory is broken, start it again",
                            rx->fault_position, rx->fault_value);
    bool is_overwrite = rx->policy == PAWL_RING_OVERWRITE; /* marks are 2k there */
    uint64_t factor = is_overwrite ? 2 : 1;
    return pawl_err_set(
        err, EPROTO,
        "writer under quarantine: %s of slot %" PRIu64 " is %" PRIu64 ", must be %" PRIu64
        " (record) or %" PRIu64 " (none yet)%s; its memory is broken, start it again",
        is_overwrite ? "mark" : "commit word", rx->fault_position & rx->mask, rx->fault_value,
        factor * (rx->fault_position + 1), factor * (rx->fault_position + 1 - rx->slot_count),
        is_overwrite ? ", or of a later lap" : "");
}

size_t pawl_ring_evidence(const struct pawl_ring_rx *rx,
                          unsigned char evidence[PAWL_RING_EVIDENCE_BYTES])
{
    const size_t page_bytes = offsetof(struct pawl_ring_page, reserved);
    size_t slot_bytes = PAWL_RING_EVIDENCE_BYTES - page_bytes;
    if (slot_bytes > rx->stride_bytes)
        slot_bytes = rx->stride_bytes;
    uint64_t position = rx->fault ? rx->fault_position : rx->next;
    memcpy(evidence, rx->page, page_bytes);
    memcpy(evidence + page_bytes, pawl_ring_rx_slot(rx, position), slot_bytes);
    return page_bytes + slot_bytes;
}

/* Relaxed all: a snapshot for people. */
#define READ(page, field) atomic_load_explicit(&(page)->field, memory_order_relaxed)

/* All that ack says was read. A reader that died within its release has stored its tail and
 * not the count; a tail that no record can have is left to its writer to find. */
static void count_read(struct pawl_ring_counts *counts, const struct pawl_ring_ack *ack,
                       uint64_t first)
{
    uint64_t read_count = READ(ack, tail) - first;
    counts->consumed = READ(ack, consumed);
    counts->lost = READ(ack, lost);
    counts->corrupt = READ(ack, corrupt);
    counts->lag_max = READ(ack, lag_max);
    if (read_count > counts->consumed + counts->lost && read_count <= counts->committed)
        counts->consumed = read_count - counts->lost;
    /* What was read had been committed: this look at the reader is newer than the one at the
     * writer, or the writer died between P4 and P5. */
    if (counts->committed < counts->consumed + counts->lost)
        counts->committed = counts->consumed + counts->lost;
    counts->in_ring = counts->committed - counts->consumed - counts->lost;
}

struct pawl_ring_counts pawl_ring_count(const struct pawl_ring_page *page,
                                        const struct pawl_ring_ack *ack, uint64_t first)
{
    struct pawl_ring_counts counts = {
        .committed = READ(page, head) - first,
        .bytes = READ(page, bytes),
        .blocked_count = READ(page, blocked_count),
        .blocked_ns = READ(page, blocked_ns),
        .block_timeouts = READ(page, block_timeouts),
        .wakes_sent = READ(page, wakes_sent),
        .late_wakes = READ(page, late_wakes),
        .heartbeat_ns = READ(page, heartbeat_ns),
        .copy_method = READ(page, copy_method),
        .distance_ns = READ(page, distance_ns),
    };
    counts.in_ring = counts.committed;
    if (ack)
        count_read(&counts, ack, first);
    counts.dropped_newest = READ(page, dropped_newest);
    counts.aborted = READ(page, aborted);
    counts.attempted = READ(page, attempted);
    uint64_t settled = counts.committed + counts.dropped_newest + counts.aborted;
    counts.claimed = counts.attempted > settled ? counts.attempted - settled : 0;
    return counts;
}
