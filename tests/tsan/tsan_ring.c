/* Both ends of a ring as threads over the same memory, for the thread sanitizer: the payload is
 * plain memory, so an ordering that does not hold is a data race and is reported.
 *
 *     tsan_ring MODE RECORDS FIRST
 *
 * The accesses are compiled into this file; with PAWL_MUTANT they are weakened here and nowhere
 * else. Exit code 1: a record was wrong; the sanitizer has its own. */
#include "shm/park.h"

#include "runtime/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define SLOT_COUNT  64
#define WORD_COUNT  2
#define BATCH_COUNT 7
#define HANG_NS     (60 * PAWL_NS_PER_S)

enum mode { MODE_SINGLE, MODE_BATCH, MODE_SLEEP, MODE_OVERWRITE };

static const char *const mode_names[] = {"single", "batch", "sleep", "overwrite"};

struct run {
    enum mode mode;
    uint64_t record_count;
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_ring_bell *bell_page;
    struct pawl_bell bell;
    _Atomic bool is_over; /* the reader found a fault */
};

static void fail(struct run *run, const char *what, uint64_t record)
{
    fprintf(stderr, "tsan_ring: record %" PRIu64 ": %s\n", record, what);
    atomic_store(&run->is_over, true);
}

static void fill(struct pawl_ring_slot *slot, uint64_t record)
{
    uint64_t words[WORD_COUNT];
    for (uint64_t i = 0; i < WORD_COUNT; i++)
        words[i] = record * WORD_COUNT + i;
    memcpy(slot->data, words, sizeof(words));
    slot->record.bytes = sizeof(words);
    slot->record.actor_step = record;
}

static bool is_whole(const unsigned char *data, uint64_t record)
{
    uint64_t words[WORD_COUNT];
    memcpy(words, data, sizeof(words));
    for (uint64_t i = 0; i < WORD_COUNT; i++)
        if (words[i] != record * WORD_COUNT + i)
            return false;
    return true;
}

static void write_batches(struct run *run, uint64_t batch_count)
{
    for (uint64_t record = 0; record < run->record_count && !atomic_load(&run->is_over);) {
        uint64_t left = run->record_count - record;
        uint64_t count =
            pawl_ring_claim_batch(&run->tx, left < batch_count ? left : batch_count);
        if (run->tx.fault) {
            fail(run, "tail", record);
            return;
        }
        if (count == 0)
            sched_yield();
        for (uint64_t i = 0; i < count; i++)
            fill(pawl_ring_claimed(&run->tx, i), record + i);
        pawl_ring_publish_batch(&run->tx, count);
        record += count;
    }
}

static void write_sleeping(struct run *run)
{
    const struct pawl_wait wait = {.timeout_ns = HANG_NS, .spin_count = 20};
    for (uint64_t record = 0; record < run->record_count; record++) {
        struct pawl_err err = {0};
        if (pawl_ring_wait_room(&run->tx, 1, &wait, &err) != 0) {
            fail(run, err.text, record);
            return;
        }
        fill(pawl_ring_claim(&run->tx), record);
        pawl_ring_publish(&run->tx);
    }
}

static void write_over(struct run *run)
{
    for (uint64_t record = 0; record < run->record_count; record++) {
        uint64_t words[WORD_COUNT];
        const struct pawl_ring_record fields = {.bytes = sizeof(words), .actor_step = record};
        for (uint64_t i = 0; i < WORD_COUNT; i++)
            words[i] = record * WORD_COUNT + i;
        pawl_ring_overwrite(&run->tx, &fields, words);
    }
    atomic_store(&run->is_over, true);
}

static void *write_all(void *context)
{
    struct run *run = context;
    if (run->mode == MODE_OVERWRITE)
        write_over(run);
    else if (run->mode == MODE_SLEEP)
        write_sleeping(run);
    else
        write_batches(run, run->mode == MODE_BATCH ? BATCH_COUNT : 1);
    return NULL;
}

static bool has_record(void *context)
{
    return pawl_ring_peek(context) != NULL;
}

static void read_all(struct run *run)
{
    const struct pawl_wait wait = {.timeout_ns = HANG_NS, .spin_count = 20};
    for (uint64_t record = 0; record < run->record_count;) {
        uint64_t count = pawl_ring_peek_batch(&run->rx, run->mode == MODE_BATCH ? 5 : 1);
        for (uint64_t i = 0; i < count; i++, record++) {
            const struct pawl_ring_slot *slot = pawl_ring_peeked(&run->rx, i);
            if (!is_whole(slot->data, record) || slot->record.actor_step != record) {
                fail(run, "is not what was written", record);
                return;
            }
        }
        pawl_ring_release_batch(&run->rx, count);
        if (run->rx.fault) {
            fail(run, "commit word", record);
            return;
        }
        if (count == 0 && run->mode == MODE_SLEEP) {
            struct pawl_err err = {0};
            if (pawl_bell_wait(&run->bell, has_record, &run->rx, &wait, &err) != 0)
                fail(run, err.text, record);
        } else if (count == 0) {
            sched_yield();
        }
        if (atomic_load(&run->is_over))
            return;
    }
}

static void read_over(struct run *run)
{
    uint64_t next = 0;
    for (bool is_last = false; !is_last;) {
        struct pawl_ring_record record;
        unsigned char data[WORD_COUNT * 8];
        is_last = atomic_load(&run->is_over);
        while (pawl_ring_get(&run->rx, &record, data) == PAWL_RING_DONE) {
            if (record.actor_step < next || !is_whole(data, record.actor_step))
                fail(run, "torn or twice", record.actor_step);
            next = record.actor_step + 1;
        }
    }
    struct pawl_ring_counts counts = pawl_ring_count(run->tx.page, run->rx.ack, run->rx.first);
    if (counts.committed != run->record_count || counts.in_ring != 0 || run->rx.fault ||
        counts.consumed + counts.lost != counts.committed)
        fail(run, "the sums do not hold", next);
    else
        atomic_store(&run->is_over, false);
}

int main(int argc, char **argv)
{
    static struct run run;
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    struct pawl_ring_geometry geometry;
    pthread_t writer;

    if (argc != 4)
        return 2;
    while (strcmp(argv[1], mode_names[run.mode]) != 0)
        if (++run.mode > MODE_OVERWRITE)
            return 2;
    run.record_count = strtoull(argv[2], NULL, 0);
    cfg.first = strtoull(argv[3], NULL, 0);
    cfg.slot_count = SLOT_COUNT;
    cfg.data_bytes = WORD_COUNT * 8;
    cfg.policy = run.mode == MODE_OVERWRITE ? PAWL_RING_OVERWRITE : PAWL_RING_BLOCK;
    if (pawl_ring_layout(&geometry, &cfg, NULL) != 0)
        return 2;

    void *body = aligned_alloc(4096, (geometry.body_bytes + 4095) / 4096 * 4096);
    struct pawl_ring_ack *ack = aligned_alloc(4096, sizeof(*ack));
    run.bell_page = aligned_alloc(4096, sizeof(*run.bell_page));
    if (!body || !ack || !run.bell_page)
        return 2;
    memset(ack, 0, sizeof(*ack));
    memset(run.bell_page, 0, sizeof(*run.bell_page));
    pawl_ring_place(body, &geometry);
    pawl_ring_tx_init(&run.tx, body, &geometry);
    pawl_ring_rx_init(&run.rx, body, &geometry, ack, geometry.first);
    run.tx.ack = ack;
    if (run.mode == MODE_SLEEP) {
        run.bell = (struct pawl_bell){.shared = run.bell_page,
                                      .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
        run.tx.bell = run.bell_page;
        run.tx.doorbell_fd = run.bell.fd;
    }

    uint64_t start_ns = pawl_clock_now_ns();
    if (pthread_create(&writer, NULL, write_all, &run) != 0)
        return 2;
    if (run.mode == MODE_OVERWRITE)
        read_over(&run);
    else
        read_all(&run);
    pthread_join(writer, NULL);
    printf("%s %" PRIu64 " records from %" PRIu64 " in %.2f s\n", argv[1], run.record_count,
           cfg.first, (double)(pawl_clock_now_ns() - start_ns) / 1e9);
    pawl_bell_close(&run.bell);
    free(body);
    free(ack);
    free(run.bell_page);
    return atomic_load(&run.is_over);
}
