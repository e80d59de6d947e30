/* A reader that goes to sleep while a record is committed: it sees the record or is woken.
 * Mutants 5 and 6. */
#include "model_ring.h"

static uint32_t slept;

static void *produce(void *unused)
{
    struct pawl_ring_tx tx = model_tx(PAWL_RING_DROP_NEWEST);
    tx.bell = &bell;
    pawl_ring_claim(&tx);
    pawl_ring_publish(&tx);
    return unused;
}

static void *consume(void *unused)
{
    struct pawl_ring_rx rx = model_rx(PAWL_RING_DROP_NEWEST);
    pawl_ring_bell_set(&bell, 1);
    slept = pawl_ring_peek(&rx) == NULL;
    return unused;
}

int main(void)
{
    for (uint32_t i = 0; i < MODEL_BIG(1, 200); i++) {
        model_ring_place(PAWL_RING_DROP_NEWEST);
        model_run(produce, consume);
        MODEL_ASSERT(!slept || atomic_load_explicit(&reader_wakes, memory_order_relaxed) == 1);
    }
    return 0;
}
