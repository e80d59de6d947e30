/* A reader that goes to sleep while a version is published: it sees the version or is
 * woken (and FUTEX_WAIT compares, so a wake that comes before the sleep is not lost). Mutants
 * 41 and 42. */
#include "model.h"
#include "shm/board_core.h"

static struct pawl_board_page page;
static struct pawl_board_slot slots[2];
static struct pawl_pin pin;
static uint32_t slept;
static uint32_t woken;

void pawl_board_quarantine(struct pawl_board_rx *rx, enum pawl_board_fault fault,
                           uint64_t value)
{
    (void)value;
    rx->fault = fault;
    MODEL_ASSERT(fault == PAWL_BOARD_SOUND);
}

/* As in board.c, without the system call. */
void pawl_board_wake_readers(struct pawl_board_tx *tx)
{
    woken = atomic_load_explicit(&tx->pins[0]->waiter,
                                 PAWL_ORDER_AT_FENCE(41, 41, memory_order_relaxed)) != 0;
}

void pawl_board_streaming_fence(void)
{
}

static struct pawl_board_tx tx;
static struct pawl_board_rx rx;

static void *publish(void *unused)
{
    pawl_board_claim(&tx);
    pawl_board_commit(&tx);
    return unused;
}

static void *sleep_for_newer(void *unused)
{
    pawl_board_waiter_set(&rx);
    slept = pawl_board_latest(&rx) <= rx.generation;
    return unused;
}

int main(void)
{
    for (uint32_t i = 0; i < MODEL_BIG(1, 200); i++) {
        atomic_store_explicit(&pin.word, PAWL_PIN_NONE, memory_order_relaxed);
        atomic_store_explicit(&pin.waiter, 0, memory_order_relaxed);
        tx.generation = i + 1;
        tx.stride_bytes = sizeof(slots[0]);
        tx.slots = (unsigned char *)slots;
        tx.page = &page;
        tx.slot_count = 2;
        tx.reader_room = 1;
        tx.pins[0] = &pin;
        rx.generation = i;
        rx.page = &page;
        rx.pin = &pin;
        model_run(publish, sleep_for_newer);
        MODEL_ASSERT(!slept || woken);
    }
    return 0;
}
