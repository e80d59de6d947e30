/* A board's writer and readers as threads over the same memory, for the thread sanitizer: the
 * tensors are plain memory, so an ordering that does not hold is a data race and is reported.
 *
 *     tsan_board VERSIONS FIRST
 *
 * The accesses are compiled into this file; with PAWL_MUTANT they are weakened here. One reader
 * gives every version back, one goes from version to version, one does either. Exit code 1: a
 * version was wrong; the sanitizer has its own. */
#include "shm/board.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READER_COUNT 3
#define WORD_COUNT   4

static struct pawl_board_tx tx;
static struct pawl_board_rx rx[READER_COUNT];
static struct pawl_pin pins[READER_COUNT];
static uint64_t version_count;
static _Atomic bool is_over; /* the writer is done, or a version was wrong */
static _Atomic bool is_wrong;
static uint64_t acquired_counts[READER_COUNT];

static void fail(const char *what, uint64_t generation)
{
    fprintf(stderr, "tsan_board: version %" PRIu64 ": %s\n", generation, what);
    atomic_store(&is_wrong, true);
    atomic_store(&is_over, true);
}

static void *write_versions(void *unused)
{
    for (uint64_t i = 0; i < version_count && !atomic_load(&is_over); i++) {
        uint64_t generation = tx.generation;
        struct pawl_board_slot *slot = pawl_board_claim(&tx);
        if (!slot) {
            fail("skipped", generation);
            break;
        }
        for (size_t word = 0; word < WORD_COUNT; word++)
            memcpy(slot->data + 8 * word, &generation, sizeof(generation));
        slot->step = generation;
        pawl_board_commit(&tx);
        if (i % 64 == 0)
            sched_yield();
    }
    atomic_store(&is_over, true);
    return unused;
}

static void check(struct pawl_board_rx *end, const struct pawl_board_slot *slot, uint64_t last)
{
    uint64_t word;
    if (end->generation < last)
        fail("older than the one before", end->generation);
    if (slot->step != end->generation)
        fail("another one's step", end->generation);
    for (size_t i = 0; i < WORD_COUNT; i++) {
        memcpy(&word, slot->data + 8 * i, sizeof(word));
        if (word != end->generation)
            fail("torn", end->generation);
    }
    if (!pawl_board_is_intact(end))
        fail("written while it was pinned", end->generation);
}

static void *read_versions(void *argument)
{
    struct pawl_board_rx *end = argument;
    size_t index = (size_t)(end - rx);
    for (uint64_t i = 0; !atomic_load_explicit(&is_over, memory_order_relaxed); i++) {
        uint64_t last = end->generation;
        const struct pawl_board_slot *slot = pawl_board_acquire(end);
        if (end->fault)
            fail("the board is under quarantine", last);
        if (!slot) {
            sched_yield();
            continue;
        }
        check(end, slot, last);
        acquired_counts[index] += end->generation != last;
        if (index == 0 || (index == 2 && i % 3 == 0))
            pawl_board_release(end);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct pawl_manifest manifest = {0};
    struct pawl_board_geometry geometry;
    pthread_t writer, readers[READER_COUNT];
    if (argc != 3) {
        fprintf(stderr, "usage: tsan_board VERSIONS FIRST\n");
        return 2;
    }
    version_count = strtoull(argv[1], NULL, 0);
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.manifest = &manifest;
    cfg.reader_count = READER_COUNT;
    cfg.first_generation = strtoull(argv[2], NULL, 0);
    if (pawl_manifest_add(&manifest, "words", PAWL_U64, 1, (uint64_t[]){WORD_COUNT}, NULL) ||
        pawl_board_layout(&geometry, &cfg, NULL))
        return 2;
    void *body = aligned_alloc(4096, geometry.body_bytes);
    memset(body, 0, geometry.body_bytes);
    pawl_board_tx_init(&tx, body, &geometry, READER_COUNT, cfg.first_generation);
    for (uint32_t i = 0; i < READER_COUNT; i++) {
        uint32_t reader_index;
        pawl_pin_init(&pins[i]);
        pawl_board_add_reader(&tx, &pins[i], &reader_index, NULL);
        pawl_board_rx_init(&rx[i], body, &geometry, &pins[i], 0);
    }
    for (uint32_t i = 0; i < READER_COUNT; i++)
        pthread_create(&readers[i], NULL, read_versions, &rx[i]);
    pthread_create(&writer, NULL, write_versions, NULL);
    pthread_join(writer, NULL);
    for (uint32_t i = 0; i < READER_COUNT; i++)
        pthread_join(readers[i], NULL);
    printf("%" PRIu64 " versions; acquired %" PRIu64 ", %" PRIu64 ", %" PRIu64
           ", retries %" PRIu64 "\n",
           version_count, acquired_counts[0], acquired_counts[1], acquired_counts[2],
           rx[0].retries_count + rx[1].retries_count + rx[2].retries_count);
    free(body);
    pawl_manifest_close(&manifest);
    return atomic_load(&is_wrong) ? 1 : 0;
}
