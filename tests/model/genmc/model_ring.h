/* model_ring.h: a ring of two slots over plain memory, and the cold functions of ring_core.h.
 */
#ifndef PAWL_TESTS_MODEL_RING_H
#define PAWL_TESTS_MODEL_RING_H

#include "model.h"
#include "shm/ring_core.h"

#define SLOT_COUNT 2

#define SLOT_BYTES (sizeof(struct pawl_ring_slot) + 64) /* a payload of one word, aligned */

static struct pawl_ring_page page;
static struct pawl_ring_ack ack;
static struct pawl_ring_bell bell;
_Alignas(64) static unsigned char slots[SLOT_COUNT * SLOT_BYTES];
static _Atomic uint32_t reader_wakes, writer_wakes;

void pawl_ring_tx_quarantine(struct pawl_ring_tx *tx, enum pawl_ring_fault fault,
                             uint64_t value)
{
    (void)value;
    tx->fault = fault;
    MODEL_ASSERT(fault == PAWL_RING_SOUND);
}

void pawl_ring_rx_quarantine(struct pawl_ring_rx *rx, enum pawl_ring_fault fault,
                             uint64_t position, uint64_t value)
{
    (void)position;
    (void)value;
    rx->fault = fault;
    MODEL_ASSERT(fault == PAWL_RING_SOUND);
}

void pawl_ring_wake_reader(struct pawl_ring_tx *tx, uint32_t waiter)
{
    (void)tx;
    (void)waiter;
    atomic_fetch_add_explicit(&reader_wakes, 1, memory_order_relaxed);
}

void pawl_ring_wake_writer(struct pawl_ring_rx *rx)
{
    (void)rx;
    atomic_fetch_add_explicit(&writer_wakes, 1, memory_order_relaxed);
}

/* All marks as pawl_ring_place() sets them; before the threads start. */
static inline void model_ring_place(uint32_t policy)
{
    for (uint64_t i = 0; i < SLOT_COUNT; i++) {
        uint64_t before = i + 1 - SLOT_COUNT;
        struct pawl_ring_slot *slot = (struct pawl_ring_slot *)(void *)(slots + i * SLOT_BYTES);
        atomic_store_explicit(&slot->commit,
                              policy == PAWL_RING_OVERWRITE ? 2 * before : before,
                              memory_order_relaxed);
    }
    atomic_store_explicit(&ack.tail, 0, memory_order_relaxed);
    atomic_store_explicit(&ack.tail_futex, 0, memory_order_relaxed);
    atomic_store_explicit(&page.space_waiter, 0, memory_order_relaxed);
    atomic_store_explicit(&bell.waiter, 0, memory_order_relaxed);
    atomic_store_explicit(&reader_wakes, 0, memory_order_relaxed);
    atomic_store_explicit(&writer_wakes, 0, memory_order_relaxed);
}

static inline struct pawl_ring_tx model_tx(uint32_t policy)
{
    return (struct pawl_ring_tx){
        .room_count = policy == PAWL_RING_OVERWRITE ? 0 : SLOT_COUNT,
        .mask = SLOT_COUNT - 1,
        .stride_bytes = SLOT_BYTES,
        .slots = slots,
        .page = &page,
        .ack = &ack,
        .slot_count = SLOT_COUNT,
        .data_bytes = 8,
        .policy = policy,
    };
}

static inline struct pawl_ring_rx model_rx(uint32_t policy)
{
    return (struct pawl_ring_rx){
        .flush_count = 1,
        .slot_count = SLOT_COUNT,
        .mask = SLOT_COUNT - 1,
        .stride_bytes = SLOT_BYTES,
        .slots = slots,
        .page = &page,
        .ack = &ack,
        .data_bytes = 8,
        .policy = policy,
    };
}

#endif
