/* bench_params.c: what it costs to acquire parameters and to publish them. A reader thread
 * acquires all the time while 1 MiB versions come as fast as they can be written, and looks at
 * every word of some of them; then versions of 1 GiB, where there is memory for it. */
#include "runtime/clock.h"
#include "runtime/tsc.h"
#include "shm/board.h"
#include "shm/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, double *values, size_t count, double per, const char *unit)
{
    qsort(values, count, sizeof(values[0]), compare);
    printf("%s_p50 %.1f %s\n", name, values[count / 2] / per, unit);
    printf("%s_p99 %.1f %s\n", name, values[count * 99 / 100] / per, unit);
}

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
        uint64_t start = pawl_clock_now_ns();
        pawl_board_put(&board.tx, blob, board.tx.generation);
        took_ns[i] = (double)(pawl_clock_now_ns() - start);
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
    print("publish_1mib_idle", took_ns, PUBLISH_COUNT, 1e3, "us");
    pthread_create(&reader, NULL, read_all_the_time, NULL);
    publish(took_ns, PUBLISH_COUNT, blob, MIB);
    atomic_store(&is_stopping, true);
    pthread_join(reader, NULL);
    print("publish_1mib", took_ns, PUBLISH_COUNT, 1e3, "us");
    print("acquire", acquire_ns, acquire_count, 1.0, "ns");
    printf("acquire_retries %llu count\n", (unsigned long long)board.rx.retries_count);
    printf("acquired %llu count\n", (unsigned long long)acquire_count);
    printf("torn %llu count\n", (unsigned long long)torn_count);
    printf("skipped %llu count\n", (unsigned long long)pawl_board_count(board.tx.page).skipped);
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
    print("acquire_quiet", acquire_ns, ACQUIRE_COUNT, 1.0, "ns");
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
    print("publish_1gib", took_ns, 7, 1e6, "ms");
    printf("publish_1gib_best %.1f ms\n", took_ns[0] / 1e6);
    const struct pawl_board_slot *slot = pawl_board_acquire(&board.rx);
    torn_count += !slot || !is_whole(slot, bytes);
    printf("torn_1gib %llu count\n", (unsigned long long)torn_count);
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
