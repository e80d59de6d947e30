/* Commit word and reuse of slots: every record arrives whole and in order. The payload is
 * plain, so an order that does not hold is a data race. Mutants 1 to 4, 13 to 15. */
#include "model_ring.h"

#define RECORD_COUNT MODEL_BIG(4, 20000)

static void *produce(void *unused)
{
    struct pawl_ring_tx tx = model_tx(PAWL_RING_DROP_NEWEST);
    for (uint64_t i = 0; i < RECORD_COUNT; i++) {
        struct pawl_ring_slot *slot;
        MODEL_WAIT_UNTIL((slot = pawl_ring_claim(&tx)) != NULL);
        *(uint64_t *)(void *)slot->data = i + 100;
        pawl_ring_publish(&tx);
    }
    return unused;
}

static void *consume(void *unused)
{
    struct pawl_ring_rx rx = model_rx(PAWL_RING_DROP_NEWEST);
    for (uint64_t i = 0; i < RECORD_COUNT; i++) {
        const struct pawl_ring_slot *slot;
        MODEL_WAIT_UNTIL((slot = pawl_ring_peek(&rx)) != NULL);
        MODEL_ASSERT(*(const uint64_t *)(const void *)slot->data == i + 100);
        pawl_ring_release(&rx);
    }
    return unused;
}

int main(void)
{
    model_ring_place(PAWL_RING_DROP_NEWEST);
    model_run(produce, consume);
    return 0;
}
