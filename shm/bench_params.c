/* bench_params.c: what it costs to acquire parameters and to publish them. A reader thread
 * acquires all the time while 1 MiB versions come as fast as they can be written, and looks at
 * every word of some of them; then versions of 1 GiB, where there is memory for it. The
 * distance of the cores is probed before and after. */
#include "shm/bench.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "runtime/clock.h"
#include "shm/bench_pair.h"
#include "shm/board.h"
#include "shm/memory.h"

#define MIB           (UINT64_C(1) << 20)
#define ACQUIRE_COUNT 200000
#define PUBLISH_COUNT 2000
#define LARGE_BYTES   (1024 * MIB)
#define LARGE_COUNT   7
#define CHECK_EVERY   512 /* acquires per version that is looked at word by word */

struct board {
    struct pawl_manifest manifest;
    struct pawl_segment segment, mapped;
    struct pawl_board_tx tx;
    struct pawl_board_rx rx;
    struct pawl_pin pin;
};

static struct board board;
static _Atomic bool is_stopping;
static uint64_t torn_count, acquire_count;
static double acquire_ns[ACQUIRE_COUNT], took_ns[PUBLISH_COUNT];

/* Sorts the values; the median and the 99th percentile. */
static void print_spread(FILE *out, const char *name, double *values, size_t count,
                         double scale, const char *unit)
{
    if (!count)
        return;
    pawl_bench_sort(values, count);
    fprintf(out, "%s_best %.1f %s\n", name, values[0] * scale, unit);
    fprintf(out, "%s_p50 %.1f %s\n", name, values[count / 2] * scale, unit);
    fprintf(out, "%s_p99 %.1f %s\n", name, values[count * 99 / 100] * scale, unit);
}

static int open_board(uint64_t bytes, uint32_t slot_count, struct pawl_err *err)
{
    const struct pawl_board_rx_cfg rx_cfg = {0};
    uint32_t reader_index;
    board = (struct board){0};
    pawl_pin_init(&board.pin);
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.manifest = &board.manifest;
    cfg.slot_count = slot_count;
    int status = pawl_manifest_add(&board.manifest, "blob", PAWL_U8, 1, &bytes, err);
    if (status == 0)
        status = pawl_board_create(&board.tx, &board.segment, &cfg, err);
    if (status == 0)
        status = pawl_board_add_reader(&board.tx, &board.pin, &reader_index, err);
    if (status == 0)
        status = pawl_board_attach(&board.rx, &board.mapped, NULL, board.segment.fd, &board.pin,
                                   &rx_cfg, err);
    return status;
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
        uint64_t start = pawl_tsc_read(&pawl_bench_tsc);
        const struct pawl_board_slot *slot = pawl_board_acquire(&board.rx);
        uint64_t end = pawl_tsc_read(&pawl_bench_tsc);
        if (!slot)
            continue;
        if (acquire_count < ACQUIRE_COUNT)
            acquire_ns[acquire_count++] = (double)(pawl_tsc_to_ns(&pawl_bench_tsc, end) -
                                                   pawl_tsc_to_ns(&pawl_bench_tsc, start));
        if (i % CHECK_EVERY == 0)
            torn_count += !is_whole(slot, board.rx.data_bytes);
        torn_count += slot->step != pawl_board_held(&board.rx).generation;
        pawl_board_release(&board.rx);
    }
    return unused;
}

/* Versions one after the other; how long each took. */
static void publish(size_t count, uint64_t *blob, uint64_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        for (uint64_t word = 0; word < bytes / 8; word++)
            blob[word] = board.tx.generation;
        double start_ns = (double)pawl_clock_now_ns();
        pawl_board_put(&board.tx, blob, board.tx.generation);
        took_ns[i] = (double)pawl_clock_now_ns() - start_ns;
    }
}

static int bench_small(FILE *out, uint64_t *blob, struct pawl_err *err)
{
    pthread_t reader;
    int status = open_board(MIB, 0, err);
    if (status)
        return status;
    publish(PUBLISH_COUNT, blob, MIB);
    print_spread(out, "params_publish_1MiB_idle", took_ns, PUBLISH_COUNT, 1e-3, "us");
    atomic_store(&is_stopping, false);
    acquire_count = 0;
    int code = pthread_create(&reader, NULL, read_all_the_time, NULL);
    if (code)
        return pawl_err_set(err, code, "start a thread: %s", strerror(code));
    publish(PUBLISH_COUNT, blob, MIB);
    atomic_store(&is_stopping, true);
    pthread_join(reader, NULL);
    print_spread(out, "params_publish_1MiB", took_ns, PUBLISH_COUNT, 1e-3, "us");
    print_spread(out, "params_acquire", acquire_ns, acquire_count, 1.0, "ns");
    fprintf(out, "params_acquire_retries %" PRIu64 " count\n", board.rx.retries_count);
    fprintf(out, "params_acquired %" PRIu64 " count\n", acquire_count);
    fprintf(out, "params_skipped %" PRIu64 " count\n", pawl_board_count(board.tx.page).skipped);
    return 0;
}

/* An acquire where nothing changes: what the acting loop pays. */
static int bench_quiet(FILE *out, struct pawl_err *err)
{
    uint64_t word = 1;
    int status = open_board(8, 0, err);
    if (status)
        return status;
    pawl_board_put(&board.tx, &word, 1);
    for (size_t i = 0; i < ACQUIRE_COUNT; i++) {
        uint64_t start = pawl_tsc_read(&pawl_bench_tsc);
        pawl_board_acquire(&board.rx);
        uint64_t end = pawl_tsc_read(&pawl_bench_tsc);
        pawl_board_release(&board.rx);
        acquire_ns[i] = (double)(pawl_tsc_to_ns(&pawl_bench_tsc, end) -
                                 pawl_tsc_to_ns(&pawl_bench_tsc, start));
    }
    print_spread(out, "params_acquire_quiet", acquire_ns, ACQUIRE_COUNT, 1.0, "ns");
    return 0;
}

static int bench_large(FILE *out, uint64_t *blob, struct pawl_err *err)
{
    int status = open_board(LARGE_BYTES, 2, err);
    if (status)
        return status;
    publish(LARGE_COUNT, blob, LARGE_BYTES);
    print_spread(out, "params_publish_1GiB", took_ns, LARGE_COUNT, 1e-6, "ms");
    const struct pawl_board_slot *slot = pawl_board_acquire(&board.rx);
    torn_count += !slot || !is_whole(slot, LARGE_BYTES);
    return 0;
}

/* Which class of cores it was measured on, as far as they stay the same. */
static int print_distance(FILE *out, const char *when, struct pawl_err *err)
{
    uint32_t distance_ns;
    int status = pawl_bench_distance(&distance_ns, err);
    pawl_bench_release_cores();
    if (status == 0)
        fprintf(out, "params_distance_%s_%s %u ns\n", when, pawl_bench_class(distance_ns),
                distance_ns);
    return status;
}

int pawl_bench_params(FILE *out, struct pawl_err *err)
{
    bool has_room = pawl_memory_free_bytes() >= 6 * LARGE_BYTES;
    uint64_t *blob = aligned_alloc(64, has_room ? LARGE_BYTES : MIB);
    if (!blob)
        return pawl_err_set(err, ENOMEM, "bench: out of memory");
    pawl_tsc_calibrate(&pawl_bench_tsc, PAWL_TSC_WINDOW_NS, NULL);
    torn_count = 0;
    fflush(out);
    int status = print_distance(out, "before", err);
    if (status == 0) {
        status = bench_quiet(out, err);
        close_board();
    }
    if (status == 0) {
        status = bench_small(out, blob, err);
        close_board();
    }
    if (status == 0 && has_room) {
        status = bench_large(out, blob, err);
        close_board();
    }
    free(blob);
    fflush(out);
    if (status == 0)
        status = print_distance(out, "after", err);
    if (status == 0)
        fprintf(out, "params_torn %" PRIu64 " count\n", torn_count);
    if (status == 0 && torn_count)
        status = pawl_err_set(err, EIO, "bench: %" PRIu64 " torn versions", torn_count);
    return status;
}
