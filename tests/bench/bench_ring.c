/* bench_ring.c: our ring beside what else carries records between two processes, all in turn.
 *
 *     bench_ring [ROUNDS]
 *     bench_ring instructions       for ring_instructions.sh: fills, drains and acquires, and
 *                                   prints nothing
 *
 * shm/bench.h says how it is measured; the peers are in peers/. */
#include "shm/bench_pair.h"
#include "shm/board.h"

#include <stdlib.h>

#include "bench/peers/peers.h"

#define COUNTED_ROUNDS 10 /* of COUNTED_SLOTS records, as in ring_instructions.sh */
#define COUNTED_SLOTS  4096

static const struct pawl_bench_way *const ways[] = {
    &pawl_bench_ring_plain,
    &pawl_bench_ring_streaming,
#ifdef PAWL_BENCH_HAS_CK
    &peer_ck,
#endif
#ifdef PAWL_BENCH_HAS_BOOST
    &peer_boost,
#endif
#ifdef PAWL_BENCH_HAS_ICEORYX
    &peer_iceoryx,
#endif
    &peer_pipe,
    &peer_unix,
};

static int fail(const struct pawl_err *err)
{
    fprintf(stderr, "bench_ring: %s\n", err->text);
    return 1;
}

/* Counted one by one by callgrind, so they are functions of their own. The reader never sleeps
 * and the payload is left out: what remains is the ring, or the board. */
static __attribute__((noinline)) void fill_ring(struct pawl_ring_tx *tx, uint32_t count)
{
    while (count-- > 0) {
        pawl_ring_claim(tx)->record.bytes = 0;
        pawl_ring_publish(tx);
    }
}

static __attribute__((noinline)) uint64_t drain_ring(struct pawl_ring_rx *rx, uint32_t count)
{
    uint64_t sum = 0;
    while (count-- > 0) {
        sum += pawl_ring_peek(rx)->record.bytes;
        pawl_ring_release(rx);
    }
    return sum;
}

static __attribute__((noinline)) uint64_t acquire_board(struct pawl_board_rx *rx,
                                                        uint32_t count)
{
    uint64_t sum = 0;
    while (count-- > 0) {
        sum += pawl_board_acquire(rx)->bytes;
        pawl_board_release(rx);
    }
    return sum;
}

static int open_board(struct pawl_board_tx *tx, struct pawl_board_rx *rx, struct pawl_pin *pin,
                      struct pawl_segment segments[2], struct pawl_err *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    const struct pawl_board_rx_cfg rx_cfg = {0};
    const uint64_t shape = 8;
    uint32_t reader_index;
    pawl_pin_init(pin);
    cfg.manifest = &manifest;
    int status = pawl_manifest_add(&manifest, "blob", PAWL_U8, 1, &shape, err);
    if (status == 0)
        status = pawl_board_create(tx, &segments[0], &cfg, err);
    if (status == 0)
        status = pawl_board_add_reader(tx, pin, &reader_index, err);
    if (status == 0)
        status = pawl_board_attach(rx, &segments[1], NULL, segments[0].fd, pin, &rx_cfg, err);
    pawl_manifest_close(&manifest);
    return status;
}

static int run_for_instructions(struct pawl_err *err)
{
    static struct pawl_bench_pair pair;
    static struct pawl_board_tx board_tx;
    static struct pawl_board_rx board_rx;
    static struct pawl_pin pin;
    struct pawl_segment segments[2] = {0};
    const uint64_t blob = 1;
    uint64_t sum = 0;
    if (pawl_bench_pair_open(&pair, COUNTED_SLOTS, 64, true, err) != 0 ||
        open_board(&board_tx, &board_rx, &pin, segments, err) != 0)
        return fail(err);
    pawl_board_put(&board_tx, &blob, 1);
    for (int i = 0; i < COUNTED_ROUNDS; i++) {
        fill_ring(&pair.tx, COUNTED_SLOTS);
        sum += drain_ring(&pair.rx, COUNTED_SLOTS);
        sum += acquire_board(&board_rx, COUNTED_SLOTS) - 8ull * COUNTED_SLOTS;
    }
    pawl_segment_close(&segments[1]);
    pawl_segment_close(&segments[0]);
    pawl_bench_pair_close(&pair);
    return sum != 0;
}

int main(int argc, char **argv)
{
    struct pawl_err err = {0};
    if (argc > 1 && strcmp(argv[1], "instructions") == 0)
        return run_for_instructions(&err);
    unsigned long round_count = argc > 1 ? strtoul(argv[1], NULL, 10) : PAWL_BENCH_ROUNDS;
    if (round_count < 1 || round_count > PAWL_BENCH_ROUNDS_MAX) {
        fprintf(stderr, "bench_ring: ROUNDS must be 1 to %u\n", PAWL_BENCH_ROUNDS_MAX);
        return 2;
    }
    const struct pawl_bench_cfg cfg = {.ways = ways,
                                       .way_count = sizeof(ways) / sizeof(ways[0]),
                                       .round_count = (uint32_t)round_count};
    if (pawl_bench_ring(&cfg, stdout, &err) != 0 ||
        pawl_bench_sleep(cfg.round_count, stdout, &err) != 0)
        return fail(&err);
    return 0;
}
