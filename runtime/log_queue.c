#include "runtime/log_queue.h"

#define MASK (PAWL_LOG_QUEUE_COUNT - 1)

_Static_assert((PAWL_LOG_QUEUE_COUNT & MASK) == 0, "a slot is found by a mask");

void pawl_log_queue_reset(struct pawl_log_queue *queue)
{
    for (uint64_t i = 0; i < PAWL_LOG_QUEUE_COUNT; i++)
        atomic_store_explicit(&queue->slots[i].turn, i, memory_order_relaxed);
    atomic_store_explicit(&queue->tail, 0, memory_order_relaxed);
    /* Nobody claims before it was told that the queue exists; that telling orders all this. */
    atomic_store_explicit(&queue->head, 0, memory_order_relaxed);
}

struct pawl_log_slot *pawl_log_queue_claim(struct pawl_log_queue *queue, uint64_t *position)
{
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);

    for (;;) {
        struct pawl_log_slot *slot = &queue->slots[head & MASK];
        /* Acquire pairs with the release store in pawl_log_queue_release(): the writer is done
         * with the slot before we write into it. */
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        if (turn == head) {
            /* Relaxed: the slot's turn carries the data, the head only gives out numbers. */
            if (atomic_compare_exchange_weak_explicit(&queue->head, &head, head + 1,
                                                      memory_order_relaxed,
                                                      memory_order_relaxed)) {
                *position = head;
                return slot;
            }
        } else if (turn < head) {
            return NULL; /* a round behind: the writer has not been here yet */
        } else {
            head = atomic_load_explicit(&queue->head, memory_order_relaxed);
        }
    }
}

void pawl_log_queue_publish(struct pawl_log_queue *queue, uint64_t position)
{
    /* Release pairs with the acquire load in pawl_log_queue_peek(): the line is complete. */
    atomic_store_explicit(&queue->slots[position & MASK].turn, position + 1,
                          memory_order_release);
}

struct pawl_log_slot *pawl_log_queue_peek(struct pawl_log_queue *queue)
{
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    struct pawl_log_slot *slot = &queue->slots[tail & MASK];
    /* Acquire pairs with the release store in pawl_log_queue_publish(). */
    uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
    return turn == tail + 1 ? slot : NULL;
}

void pawl_log_queue_release(struct pawl_log_queue *queue)
{
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    /* Release pairs with the acquire load in pawl_log_queue_claim(): we have read the line
     * before the next one is written over it. */
    atomic_store_explicit(&queue->slots[tail & MASK].turn, tail + PAWL_LOG_QUEUE_COUNT,
                          memory_order_release);
    /* Release pairs with the acquire load in pawl_log_queue_tail(): whoever sees the new tail
     * sees what was done with the line. */
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
}

bool pawl_log_queue_skip(struct pawl_log_queue *queue)
{
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&queue->head, memory_order_relaxed))
        return false;
    pawl_log_queue_release(queue);
    return true;
}

uint64_t pawl_log_queue_head(const struct pawl_log_queue *queue)
{
    return atomic_load_explicit(&queue->head, memory_order_relaxed);
}

uint64_t pawl_log_queue_tail(const struct pawl_log_queue *queue)
{
    /* Acquire pairs with the release store in pawl_log_queue_release(). */
    return atomic_load_explicit(&queue->tail, memory_order_acquire);
}
