/* A writer that goes to sleep on a full ring while a record is released: it sees the room, or
 * is woken (and FUTEX_WAIT compares, so a wake that comes before the sleep is not lost).
 * Mutants 7 and 8. */
#include "model_ring.h"

static uint32_t slept;

static void *produce(void *unused)
{
    struct pawl_ring_tx tx = model_tx(PAWL_RING_BLOCK);
    tx.next = SLOT_COUNT; /* all are filled */
    pawl_ring_space_waiter_set(&tx);
    slept = pawl_ring_room(&tx, 1) == 0;
    return unused;
}

static void *consume(void *unused)
{
    struct pawl_ring_rx rx = model_rx(PAWL_RING_BLOCK);
    rx.next = 1; /* one was peeked at */
    pawl_ring_flush(&rx);
    return unused;
}

int main(void)
{
    for (uint32_t i = 0; i < MODEL_BIG(1, 200); i++) {
        model_ring_place(PAWL_RING_BLOCK);
        model_run(produce, consume);
        MODEL_ASSERT(!slept || atomic_load_explicit(&writer_wakes, memory_order_relaxed) == 1);
    }
    return 0;
}
