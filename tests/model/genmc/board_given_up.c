/* A reader whose pin does not count, because the writer took it for dead: what it read while
 * the slot was written again is not called intact. The tensors are two atomic words here, since
 * such a reader does race. Mutants 39 and 40. */
#include "model.h"
#include "shm/board_core.h"

#define SLOT_COUNT    2
#define SLOT_BYTES    (sizeof(struct pawl_board_slot) + 64)
#define VERSION_COUNT MODEL_BIG(3, 20000)
#define ACQUIRE_COUNT MODEL_BIG(1, 20000)

static struct pawl_board_page page;
_Alignas(64) static unsigned char slots[SLOT_COUNT * SLOT_BYTES];
static struct pawl_pin pin;
static struct pawl_board_tx tx;
static struct pawl_board_rx rx;

/* Such a reader may also find a slot that never fits: it is told to stop. */
void pawl_board_quarantine(struct pawl_board_rx *end, enum pawl_board_fault fault,
                           uint64_t value)
{
    (void)value;
    end->fault = fault;
}

void pawl_board_wake_readers(struct pawl_board_tx *end)
{
    (void)end;
}

void pawl_board_streaming_fence(void)
{
}

static void *publish(void *unused)
{
    for (uint64_t i = 0; i < VERSION_COUNT; i++) {
        uint64_t generation = tx.generation;
        struct pawl_board_slot *slot = pawl_board_claim(&tx);
        _Atomic uint64_t *words = (_Atomic uint64_t *)(void *)slot->data;
        atomic_store_explicit(&words[0], generation, PAWL_ORDER_WORD_STORE(39));
        atomic_store_explicit(&words[1], generation, PAWL_ORDER_WORD_STORE(39));
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
        const _Atomic uint64_t *words = (const _Atomic uint64_t *)(const void *)slot->data;
        uint64_t first = atomic_load_explicit(&words[0], PAWL_ORDER_WORD_LOAD(40));
        uint64_t second = atomic_load_explicit(&words[1], PAWL_ORDER_WORD_LOAD(40));
        if (pawl_board_is_intact(&rx))
            MODEL_ASSERT(first == rx.generation && second == rx.generation);
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
    rx.stride_bytes = SLOT_BYTES;
    rx.slots = slots;
    rx.page = &page;
    rx.pin = &pin;
    rx.slot_count = SLOT_COUNT;
    model_run(publish, acquire);
    return 0;
}
