/* bench_params.c: what it costs to acquire parameters and to publish them. A reader thread
 * acquires all the time while 1 MiB versions come as fast as they can be written, and looks at
 * every word of some of them; then versions of 1 GiB, where there is memory for it. */
#include "runtime/tsc.h"
#include "shm/board.h"
#include "shm/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/bench.h"

#define MIB           (UINT64_C(1) << 20)
#define ACQUIRE_COUNT 200000
#define PUBLISH_COUNT 2000
#define CHECK_EVERY   512 /* acquires per version that is looked at word by word */

struct board {
    struct pawl_manifest manifest;
    struct pawl_segment segment, mapped;
    struct pawl_board_tx tx;
    struct pawl_board_rx rx;
    struct pawl_pin pin;
};

static struct board board;
static struct pawl_tsc tsc;
static _Atomic bool is_stopping;
static uint64_t torn_count, acquire_count;
static double acquire_ns[ACQUIRE_COUNT];

static bool open_board(uint64_t bytes, uint32_t slot_count, struct pawl_err *err)
{
    const struct pawl_board_rx_cfg rx_cfg = {0};
    uint32_t reader_index;
    board = (struct board){0};
    pawl_pin_init(&board.pin);
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.manifest = &board.manifest;
    cfg.slot_count = slot_count;
    return pawl_manifest_add(&board.manifest, "blob", PAWL_U8, 1, &bytes, err) == 0 &&
           pawl_board_create(&board.tx, &board.segment, &cfg, err) == 0 &&
           pawl_board_add_reader(&board.tx, &board.pin, &reader_index, err) == 0 &&
           pawl_board_attach(&board.rx, &board.mapped, NULL, board.segment.fd, &board.pin,
                             &rx_cfg, err) == 0;
}

static void close_board(void)
{
    pawl_segment_close(&board.mapped);
    pawl_segment_close(&board.segment);
    pawl_manifest_close(&board.manifest);
}

static bool is_whole(const struct pawl_board_slot *slot, uint64_t bytes)
{
    const uint64_t *words = (const uint64_t *)(const void *)slot->data;
    for (uint64_t i = 0; i < bytes / 8; i++)
        if (words[i] != slot->step)
            return false;
    return true;
}

static void *read_all_the_time(void *unused)
{
    for (uint64_t i = 0; !atomic_load(&is_stopping); i++) {
        uint64_t start = pawl_tsc_read(&tsc);
        const struct pawl_board_slot *slot = pawl_board_acquire(&board.rx);
        uint64_t end = pawl_tsc_read(&tsc);
        if (!slot)
            continue;
        if (acquire_count < ACQUIRE_COUNT)
            acquire_ns[acquire_count++] =
                (double)(pawl_tsc_to_ns(&tsc, end) - pawl_tsc_to_ns(&tsc, start));
        if (i % CHECK_EVERY == 0)
            torn_count += !is_whole(slot, board.rx.data_bytes);
        torn_count += slot->step != pawl_board_held(&board.rx).generation;
        pawl_board_release(&board.rx);
    }
    return unused;
}

/* Versions one after the other; how long each took. */
static void publish(double *took_ns, size_t count, uint64_t *blob, uint64_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        for (uint64_t word = 0; word < bytes / 8; word++)
            blob[word] = board.tx.generation;
        double start_ns = bench_now_ns();
        pawl_board_put(&board.tx, blob, board.tx.generation);
        took_ns[i] = bench_now_ns() - start_ns;
    }
}

static int bench_small(struct pawl_err *err)
{
    static double took_ns[PUBLISH_COUNT];
    uint64_t *blob = aligned_alloc(64, MIB);
    pthread_t reader;
    if (!blob || !open_board(MIB, 0, err))
        return 1;
    publish(took_ns, PUBLISH_COUNT, blob, MIB);
    bench_print_spread("publish_1mib_idle_us", took_ns, PUBLISH_COUNT, 1e-3, "us");
    pthread_create(&reader, NULL, read_all_the_time, NULL);
    publish(took_ns, PUBLISH_COUNT, blob, MIB);
    atomic_store(&is_stopping, true);
    pthread_join(reader, NULL);
    bench_print_spread("publish_1mib_us", took_ns, PUBLISH_COUNT, 1e-3, "us");
    bench_print_spread("acquire_ns", acquire_ns, acquire_count, 1.0, "ns");
    bench_print("acquire_retries", (double)board.rx.retries_count, "count");
    bench_print("acquired", (double)acquire_count, "count");
    bench_print("torn", (double)torn_count, "count");
    bench_print("skipped", (double)pawl_board_count(board.tx.page).skipped, "count");
    close_board();
    free(blob);
    return torn_count != 0;
}

/* An acquire where nothing changes: what the acting loop pays. */
static int bench_quiet(struct pawl_err *err)
{
    uint64_t word = 1;
    if (!open_board(8, 0, err))
        return 1;
    pawl_board_put(&board.tx, &word, 1);
    for (size_t i = 0; i < ACQUIRE_COUNT; i++) {
        uint64_t start = pawl_tsc_read(&tsc);
        pawl_board_acquire(&board.rx);
        uint64_t end = pawl_tsc_read(&tsc);
        pawl_board_release(&board.rx);
        acquire_ns[i] = (double)(pawl_tsc_to_ns(&tsc, end) - pawl_tsc_to_ns(&tsc, start));
    }
    bench_print_spread("acquire_quiet_ns", acquire_ns, ACQUIRE_COUNT, 1.0, "ns");
    close_board();
    return 0;
}

static int bench_large(struct pawl_err *err)
{
    double took_ns[7];
    const uint64_t bytes = 1024 * MIB;
    if (pawl_memory_free_bytes() < 6 * bytes) {
        fprintf(stderr, "bench_params: 1 GiB versions left out, they want 6 GiB of memory\n");
        return 0;
    }
    uint64_t *blob = aligned_alloc(64, bytes);
    if (!blob || !open_board(bytes, 2, err))
        return 1;
    publish(took_ns, 7, blob, bytes);
    bench_print_spread("publish_1gib_ms", took_ns, 7, 1e-6, "ms");
    bench_print("publish_1gib_best_ms", took_ns[0] * 1e-6, "ms");
    const struct pawl_board_slot *slot = pawl_board_acquire(&board.rx);
    torn_count += !slot || !is_whole(slot, bytes);
    bench_print("torn_1gib", (double)torn_count, "count");
    close_board();
    free(blob);
    return torn_count != 0;
}

int main(void)
{
    struct pawl_err err = {0};
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    int status = bench_quiet(&err);
    if (status == 0)
        status = bench_small(&err);
    if (status == 0)
        status = bench_large(&err);
    if (err.code)
        fprintf(stderr, "bench_params: %s\n", err.text);
    return status;
}
