#include "shm/distance.h"

#include "runtime/clock.h"

#include <sched.h>
#include <stdlib.h>

#define CHUNK_ROUNDS 50u
#define CHUNK_COUNT  (PAWL_DISTANCE_ROUNDS / CHUNK_ROUNDS)
#define PROBE_DONE   UINT32_MAX
#define LOOKS_MAX    4096u /* between two looks at the clock, where the core is also offered */

/* Until *word is `value`; false when the deadline is past. Acquire pairs with the release store
 * of the other end, so that its word is seen in order. */
static bool await(const _Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
    for (;;) {
        for (uint32_t i = 0; i < LOOKS_MAX; i++)
            if (atomic_load_explicit(word, memory_order_acquire) == value)
                return true;
        if (pawl_clock_now_ns() >= deadline_ns)
            return false;
        sched_yield();
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint32_t pawl_distance_probe(struct pawl_ring_tx *tx, uint64_t timeout_ns)
{
    _Atomic uint32_t *ping = &tx->page->probe_ping;
    uint64_t deadline_ns = pawl_clock_now_ns() + timeout_ns;
    uint64_t chunk_ns[CHUNK_COUNT];
    uint32_t round = 1;
    bool is_answered = tx->ack != NULL;

    /* Release pairs with the acquire load in await() of the other end. */
    atomic_store_explicit(ping, round, memory_order_release);
    is_answered = is_answered && await(&tx->ack->probe_pong, round, deadline_ns);
    for (uint32_t chunk = 0; chunk < CHUNK_COUNT && is_answered; chunk++) {
        uint64_t start_ns = pawl_clock_now_ns();
        for (uint32_t i = 0; i < CHUNK_ROUNDS && is_answered; i++) {
            atomic_store_explicit(ping, ++round, memory_order_release);
            is_answered = await(&tx->ack->probe_pong, round, deadline_ns);
        }
        chunk_ns[chunk] = pawl_clock_now_ns() - start_ns;
    }
    atomic_store_explicit(ping, PROBE_DONE, memory_order_release);
    if (!is_answered)
        return 0;
    qsort(chunk_ns, CHUNK_COUNT, sizeof(chunk_ns[0]), compare);
    uint64_t one_way_ns = chunk_ns[CHUNK_COUNT / 2] / (2 * CHUNK_ROUNDS);
    return one_way_ns ? (uint32_t)one_way_ns : 1;
}

bool pawl_distance_answer(struct pawl_ring_rx *rx, uint64_t timeout_ns)
{
    const _Atomic uint32_t *ping = &rx->page->probe_ping;
    _Atomic uint32_t *pong = &rx->ack->probe_pong;
    uint64_t deadline_ns = pawl_clock_now_ns() + timeout_ns;

    for (uint32_t round = 1; round <= PAWL_DISTANCE_ROUNDS + 1; round++) {
        if (!await(ping, round, deadline_ns))
            return false;
        atomic_store_explicit(pong, round, memory_order_release);
    }
    return await(ping, PROBE_DONE, deadline_ns);
}

void pawl_distance_meet_reader(struct pawl_ring_tx *tx)
{
    if (tx->data_bytes < PAWL_COPY_STREAMING_BYTES_MIN)
        return;
    uint32_t distance_ns = pawl_distance_probe(tx, PAWL_DISTANCE_WRITER_WAIT_NS);
    pawl_ring_set_copy_method(tx, pawl_distance_copy_method(distance_ns), distance_ns);
}

void pawl_distance_meet_writer(struct pawl_ring_rx *rx)
{
    if (rx->data_bytes >= PAWL_COPY_STREAMING_BYTES_MIN && rx->next == rx->first)
        pawl_distance_answer(rx, PAWL_DISTANCE_READER_WAIT_NS);
}

const char *pawl_distance_class(uint32_t distance_ns)
{
    if (distance_ns == 0)
        return "unknown";
    return distance_ns <= PAWL_DISTANCE_NEAR_NS_MAX ? "near" : "far";
}

enum pawl_copy_method pawl_distance_copy_method(uint32_t distance_ns)
{
    return distance_ns && distance_ns <= PAWL_DISTANCE_NEAR_NS_MAX ? PAWL_COPY_PLAIN
                                                                   : PAWL_COPY_STREAMING;
}
