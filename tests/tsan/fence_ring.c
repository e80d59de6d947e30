/* The two store-then-look handshakes of a ring, in lockstep on two cores: one side announces
 * that it will sleep and looks once more, the other stores and looks whether somebody sleeps.
 * At least one has to see the other, every time; else a wake-up is lost. Processors reorder
 * exactly this, x86 as well, so the mutants without a fence are caught by running.
 *
 *     fence_ring bell|room ROUNDS
 *
 * Exit code 1: a wake-up was lost. 77: there is one core only and nothing can be seen. */
#include "shm/ring.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_COUNT 2
#define LEAD_MAX   64 /* steps that one side may be ahead, to sweep over the moment */

static struct pawl_ring_tx tx;
static struct pawl_ring_rx rx;
static struct pawl_ring_bell bell;
static struct pawl_ring_ack ack;
static uint64_t round_count;
static bool is_room;
static bool was_woken;
static _Atomic uint32_t arrived_count;
static uint64_t done_count;
static _Atomic bool is_over; /* a wake-up was lost */

/* These two are park.c's in the product. */
void pawl_ring_wake_reader(struct pawl_ring_tx *end, uint32_t waiter)
{
    (void)end;
    (void)waiter;
    was_woken = true;
}

void pawl_ring_wake_writer(struct pawl_ring_rx *end)
{
    (void)end;
    was_woken = true;
}

/* Both threads are here for the `count`-th time. */
static void meet(uint32_t count)
{
    atomic_fetch_add(&arrived_count, 1);
    for (uint32_t look = 1; atomic_load(&arrived_count) < 2 * count; look++)
        if (look % 20000 == 0)
            sched_yield();
}

static void lead(uint64_t steps)
{
    for (; steps > 0; steps--)
        atomic_signal_fence(memory_order_seq_cst);
}

/* The side that stores, then looks for a sleeper. */
static void *store_then_look(void *unused)
{
    for (uint64_t round = 0; round < round_count; round++) {
        if (!is_room)
            pawl_ring_claim(&tx)->record.bytes = 0;
        else
            pawl_ring_peek(&rx);
        meet((uint32_t)(3 * round + 1));
        lead(round % LEAD_MAX);
        if (is_room)
            pawl_ring_release(&rx);
        else
            pawl_ring_publish(&tx);
        meet((uint32_t)(3 * round + 2));
        meet((uint32_t)(3 * round + 3));
        if (atomic_load(&is_over))
            break;
    }
    return unused;
}

/* The side that says it sleeps, then looks; it also puts everything back. */
static void sleep_then_look(void)
{
    for (uint64_t round = 0; round < round_count; round++) {
        bool has_seen;
        meet((uint32_t)(3 * round + 1));
        lead(round / LEAD_MAX % LEAD_MAX);
        if (is_room) {
            pawl_ring_space_waiter_set(&tx);
            has_seen = pawl_ring_room(&tx, 1) == 1;
        } else {
            pawl_ring_bell_set(&bell, 1);
            has_seen = pawl_ring_peek(&rx) != NULL;
        }
        meet((uint32_t)(3 * round + 2));
        if (!has_seen && !was_woken)
            atomic_store(&is_over, true);
        was_woken = false;
        done_count = round + 1;
        if (is_room) {
            pawl_ring_space_waiter_clear(&tx);
            pawl_ring_claim(&tx)->record.bytes = 0;
            pawl_ring_publish(&tx);
        } else {
            pawl_ring_bell_clear(&bell);
            pawl_ring_peek(&rx);
            pawl_ring_release(&rx);
        }
        meet((uint32_t)(3 * round + 3));
        if (atomic_load(&is_over))
            break;
    }
}

int main(int argc, char **argv)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    struct pawl_ring_geometry geometry;
    pthread_t other;
    cpu_set_t cpus;

    if (argc != 3)
        return 2;
    is_room = strcmp(argv[1], "room") == 0;
    round_count = strtoull(argv[2], NULL, 0);
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0 || CPU_COUNT(&cpus) < 2) {
        puts("one core: nothing to see");
        return 77;
    }
    cfg.slot_count = SLOT_COUNT;
    cfg.data_bytes = 64;
    if (pawl_ring_layout(&geometry, &cfg, NULL) != 0)
        return 2;
    void *body = aligned_alloc(4096, (geometry.body_bytes + 4095) / 4096 * 4096);
    if (!body)
        return 2;
    pawl_ring_place(body, &geometry);
    pawl_ring_tx_init(&tx, body, &geometry);
    pawl_ring_rx_init(&rx, body, &geometry, &ack, 0);
    rx.flush_count = 1;
    tx.ack = &ack;
    tx.bell = &bell;
    if (is_room)
        for (int i = 0; i < SLOT_COUNT; i++) {
            pawl_ring_claim(&tx)->record.bytes = 0;
            pawl_ring_publish(&tx);
        }
    if (pthread_create(&other, NULL, store_then_look, NULL) != 0)
        return 2;
    sleep_then_look();
    pthread_join(other, NULL);
    bool is_lost = atomic_load(&is_over);
    printf("%s: %s after %" PRIu64 " rounds\n", argv[1],
           is_lost ? "a wake-up was lost" : "no wake-up lost", done_count);
    free(body);
    return is_lost;
}
