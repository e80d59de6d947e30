/* bench_idle.c: what a run costs that has nothing to do: 16 programs with a ring each, and who
 * reads them, all of them asleep. Figures are the processor time of all 17 processes together,
 * in percent of one core.
 *
 *     idle_16_empty     the reader waits for a record, the writers for newer parameters
 *     idle_16_full      the reader has stopped reading, the writers wait for room
 */
#include "shm/board.h"
#include "shm/park.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/bench.h"

#define WRITER_COUNT 16
#define SLOT_COUNT   64u
#define SETTLE_NS    (PAWL_NS_PER_S / 5)
#define IDLE_NS      (2 * PAWL_NS_PER_S)

struct writer {
    struct pawl_segment ring_segment, ring_seen, board_seen;
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_board_rx board;
};

static struct writer writers[WRITER_COUNT];
static struct pawl_segment acks, board_segment;
static struct pawl_bell bell;
static struct pawl_board_tx board;
static double *spent_ns; /* of each writer; shared by the processes */

static void demand(int status, const struct pawl_err *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench_idle: %s\n", err->text);
    exit(1);
}

static void open_all(void)
{
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg board_cfg = pawl_board_default_cfg();
    struct pawl_err err = {0};
    demand(pawl_ring_acks_create(&acks, WRITER_COUNT, false, &err), &err);
    demand(pawl_bell_open(&bell, &acks, &err), &err);
    demand(pawl_manifest_add(&manifest, "w", PAWL_F32, 1, (uint64_t[]){64}, &err), &err);
    board_cfg.manifest = &manifest;
    board_cfg.reader_count = WRITER_COUNT;
    demand(pawl_board_create(&board, &board_segment, &board_cfg, &err), &err);
    pawl_manifest_close(&manifest);
    for (uint32_t i = 0; i < WRITER_COUNT; i++) {
        struct writer *w = &writers[i];
        struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
        const struct pawl_ring_rx_cfg rx_cfg = {.ack_index = i};
        const struct pawl_board_rx_cfg board_rx_cfg = {0};
        uint32_t reader_index;
        cfg.slot_count = SLOT_COUNT;
        demand(pawl_ring_create(&w->tx, &w->ring_segment, &cfg, &err), &err);
        demand(
            pawl_ring_attach(&w->rx, &w->ring_seen, w->ring_segment.fd, &acks, &rx_cfg, &err),
            &err);
        demand(pawl_ring_bind(&w->tx, &acks, i, bell.fd, &err), &err);
        demand(pawl_board_add_reader(&board, &w->tx.page->pin, &reader_index, &err), &err);
        demand(pawl_board_attach(&w->board, &w->board_seen, NULL, board_segment.fd,
                                 &w->tx.page->pin, &board_rx_cfg, &err),
               &err);
    }
    spent_ns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (spent_ns == MAP_FAILED) {
        perror("bench_idle: mmap");
        exit(1);
    }
}

static void wait_as_writer(struct writer *w, bool is_full, uint64_t timeout_ns)
{
    const struct pawl_wait wait = {.timeout_ns = timeout_ns,
                                   .spin_count = pawl_park_spin_count(WRITER_COUNT + 1)};
    if (is_full)
        pawl_ring_wait_room(&w->tx, 1, &wait, NULL);
    else
        pawl_board_wait(&w->board, &wait, NULL);
}

static void be_writer(uint32_t index, bool is_full)
{
    struct writer *w = &writers[index];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (is_full && pawl_ring_claim(&w->tx))
        pawl_ring_publish(&w->tx);
    wait_as_writer(w, is_full, SETTLE_NS);
    double before_ns = bench_cpu_ns();
    wait_as_writer(w, is_full, IDLE_NS);
    spent_ns[index] = bench_cpu_ns() - before_ns;
    _exit(0);
}

static bool has_record(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < WRITER_COUNT; i++)
        if (pawl_ring_peek(&writers[i].rx))
            return true;
    return false;
}

static void idle(const char *name, bool is_full)
{
    pid_t children[WRITER_COUNT];
    const struct pawl_wait wait = {.timeout_ns = IDLE_NS,
                                   .spin_count = pawl_park_spin_count(WRITER_COUNT + 1)};
    for (uint32_t i = 0; i < WRITER_COUNT; i++) {
        children[i] = fork();
        if (children[i] == 0)
            be_writer(i, is_full);
    }
    double before_ns = bench_cpu_ns(), sum_ns = 0;
    if (!is_full)
        pawl_bell_wait(&bell, has_record, NULL, &wait, NULL);
    sum_ns = bench_cpu_ns() - before_ns;
    for (uint32_t i = 0; i < WRITER_COUNT; i++) {
        waitpid(children[i], NULL, 0);
        sum_ns += spent_ns[i];
    }
    bench_print(name, 100.0 * sum_ns / (double)IDLE_NS, "percent_of_core");
}

int main(void)
{
    open_all();
    idle("idle_16_empty", false);
    idle("idle_16_full", true);
    pawl_bell_close(&bell);
    pawl_segment_close(&acks);
    return 0;
}
