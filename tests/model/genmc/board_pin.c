/* A reader goes from version to version, giving its pin back or not, while the writer publishes
 * as fast as it can: no version is torn or older than the last, none is skipped. The tensor is
 * plain, so an order that does not hold is a data race. Mutants 33 to 37, 41, 43, 45, 46;
 * 38 with MODEL_RELEASE. */
#include "model.h"
#include "shm/board_core.h"

#define SLOT_COUNT    3
#define VERSION_COUNT MODEL_BIG(3, 20000)
#define ACQUIRE_COUNT MODEL_BIG(2, 20000)
#define SLOT_BYTES    (sizeof(struct pawl_board_slot) + 64) /* one word, aligned */

static struct pawl_board_page page;
_Alignas(64) static unsigned char slots[SLOT_COUNT * SLOT_BYTES];
static struct pawl_pin pin;

void pawl_board_quarantine(struct pawl_board_rx *rx, enum pawl_board_fault fault,
                           uint64_t value)
{
    (void)value;
    rx->fault = fault;
    MODEL_ASSERT(fault == PAWL_BOARD_SOUND);
}

void pawl_board_wake_readers(struct pawl_board_tx *tx)
{
    (void)tx;
}

void pawl_board_streaming_fence(void)
{
}

static struct pawl_board_tx tx;
static struct pawl_board_rx rx;

static void *publish(void *unused)
{
    for (uint64_t i = 0; i < VERSION_COUNT; i++) {
        uint64_t generation = tx.generation;
        struct pawl_board_slot *slot = pawl_board_claim(&tx);
        MODEL_ASSERT(slot != NULL);
        *(uint64_t *)(void *)slot->data = generation + 100;
        pawl_board_commit(&tx);
    }
    return unused;
}

static void *acquire(void *unused)
{
    for (uint64_t i = 0; i < ACQUIRE_COUNT; i++) {
        const struct pawl_board_slot *slot = pawl_board_acquire(&rx);
        if (!slot)
            continue;
        MODEL_ASSERT(*(const uint64_t *)(const void *)slot->data == rx.generation + 100);
#ifdef MODEL_RELEASE
        pawl_board_release(&rx);
#endif
    }
    return unused;
}

int main(void)
{
    atomic_store_explicit(&pin.word, PAWL_PIN_NONE, memory_order_relaxed);
    tx.generation = 1;
    tx.stride_bytes = SLOT_BYTES;
    tx.slots = slots;
    tx.page = &page;
    tx.slot_count = SLOT_COUNT;
    tx.reader_room = 1;
    tx.pins[0] = &pin;
    rx.stride_bytes = SLOT_BYTES;
    rx.slots = slots;
    rx.page = &page;
    rx.pin = &pin;
    rx.slot_count = SLOT_COUNT;
    model_run(publish, acquire);
    MODEL_ASSERT(tx.skipped_count == 0);
    return 0;
}
