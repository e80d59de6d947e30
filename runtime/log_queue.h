/* log_queue.h: a bounded queue of lines from many threads to one, without locks.
 *
 *     any thread                                   the writer
 *     slot = pawl_log_queue_claim(queue, &pos);    slot = pawl_log_queue_peek(queue);
 *     fill slot                                    use slot
 *     pawl_log_queue_publish(queue, pos);          pawl_log_queue_release(queue);
 *
 * Positions count lines since the start; the slot of a position is position mod count. The turn
 * of a slot says whose it is: `position` the thread's that may claim it, `position + 1` the
 * writer's, who hands it on as `position + count`. A full queue refuses; nobody waits.
 *
 * Crash safety: all functions may be called by a signal handler. A thread that dies between
 * claim and publish leaves a hole, at which peek stops; pawl_log_queue_skip() steps over it.
 */
#ifndef PAWL_RUNTIME_LOG_QUEUE_H
#define PAWL_RUNTIME_LOG_QUEUE_H

#include "runtime/log_line.h"

#include <stdatomic.h>
#include <stdbool.h>

#define PAWL_LOG_QUEUE_COUNT 256u /* a power of two */

struct pawl_log_slot {
    _Atomic uint64_t turn;
    uint32_t length;
    uint32_t level; /* enum pawl_log_level */
    char line[PAWL_LOG_LINE_BYTES];
};

_Static_assert(sizeof(struct pawl_log_slot) == 1024, "a slot is a whole number of cache lines");

struct pawl_log_queue {
    _Alignas(128) _Atomic uint64_t head; /* of those who claim */
    _Alignas(128) _Atomic uint64_t tail; /* the writer's */
    _Alignas(128) struct pawl_log_slot slots[PAWL_LOG_QUEUE_COUNT];
};

void pawl_log_queue_reset(struct pawl_log_queue *queue);

/* NULL when full. */
struct pawl_log_slot *pawl_log_queue_claim(struct pawl_log_queue *queue, uint64_t *position);
void pawl_log_queue_publish(struct pawl_log_queue *queue, uint64_t position);

/* NULL when empty, or when the oldest line is not published yet. */
struct pawl_log_slot *pawl_log_queue_peek(struct pawl_log_queue *queue);
void pawl_log_queue_release(struct pawl_log_queue *queue);

/* Steps over the oldest line, published or not; false when there is none. Only where the
 * threads are dead or will be. */
bool pawl_log_queue_skip(struct pawl_log_queue *queue);

/* How many lines were ever claimed, and how many of them are released. */
uint64_t pawl_log_queue_head(const struct pawl_log_queue *queue);
uint64_t pawl_log_queue_tail(const struct pawl_log_queue *queue);

#endif
