/* One end of a ring writes anything anywhere in its own memory; the other must not crash, read
 * outside, hang or hand on a record that is not one, and must say what it found. */
#include "shm/park.h"

#include "runtime/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "support/test.h"

#define SLOT_COUNT 4
#define DATA_BYTES 64

struct pair {
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_segment tx_segment, rx_segment, acks, acks_seen;
};

/* Each ring begins at another place: at 0, and shortly before a word wraps. */
static void open_pair(struct pair *pair, uint32_t policy)
{
    static const uint64_t firsts[] = {0, UINT32_MAX - 2ull, UINT64_MAX - 2, UINT64_MAX / 2 - 2};
    static size_t opened_count;
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    cfg.first = firsts[opened_count++ % (sizeof(firsts) / sizeof(firsts[0]))];
    const struct pawl_ring_rx_cfg rx_cfg = {0};
    cfg.slot_count = SLOT_COUNT;
    cfg.data_bytes = DATA_BYTES;
    cfg.policy = policy;
    ck_assert_int_eq(pawl_ring_create(&pair->tx, &pair->tx_segment, &cfg, NULL), 0);
    ck_assert_int_eq(pawl_ring_acks_create(&pair->acks, 1, false, NULL), 0);
    ck_assert_int_eq(pawl_ring_attach(&pair->rx, &pair->rx_segment, pair->tx_segment.fd,
                                      &pair->acks, &rx_cfg, NULL),
                     0);
    ck_assert_int_eq(pawl_ring_acks_attach(&pair->acks_seen, pair->acks.fd, NULL), 0);
    ck_assert_int_eq(pawl_ring_bind(&pair->tx, &pair->acks_seen, 0, -1, NULL), 0);
}

static void close_pair(struct pair *pair)
{
    pawl_segment_close(&pair->tx_segment);
    pawl_segment_close(&pair->rx_segment);
    pawl_segment_close(&pair->acks);
    pawl_segment_close(&pair->acks_seen);
}

static void put_some(struct pair *pair, int count)
{
    const unsigned char data[DATA_BYTES] = {9};
    const struct pawl_ring_record record = {.bytes = DATA_BYTES};
    for (int i = 0; i < count; i++)
        pawl_ring_put(&pair->tx, &record, data);
}

/* Reads what there is; returns whether the writer was found out, and then with a sentence. */
static bool read_and_check(struct pair *pair)
{
    unsigned char data[DATA_BYTES];
    struct pawl_ring_record record;
    struct pawl_err err = {0};
    int read_count = 0;
    while (pawl_ring_get(&pair->rx, &record, data) == PAWL_RING_DONE) {
        ck_assert_uint_le(record.bytes, DATA_BYTES);
        ck_assert_int_le(++read_count, SLOT_COUNT);
    }
    pawl_ring_count(pair->rx.page, pair->rx.ack, 0);
    if (pawl_ring_rx_state(&pair->rx, &err) == 0)
        return false;
    ck_assert_ptr_nonnull(strstr(err.text, "writer under quarantine"));
    return true;
}

static const unsigned char masks[] = {0x01, 0x80, 0xff};

START_TEST(no_byte_of_a_writers_memory_breaks_the_reader)
{
    for (uint32_t policy = PAWL_RING_BLOCK; policy <= PAWL_RING_OVERWRITE; policy += 2) {
        struct pair pair;
        size_t found_out_count = 0;
        open_pair(&pair, policy);
        size_t body_bytes = sizeof(struct pawl_ring_page) + SLOT_COUNT * pair.tx.stride_bytes;
        for (size_t at = 0; at < body_bytes; at++)
            for (size_t m = 0; m < sizeof(masks); m++) {
                put_some(&pair, 2);
                pair.tx_segment.body[at] ^= masks[m];
                bool is_found_out = read_and_check(&pair);
                pair.tx_segment.body[at] ^= masks[m];
                if (!is_found_out) {
                    put_some(&pair, 1);
                    is_found_out = read_and_check(&pair);
                }
                if (is_found_out) {
                    found_out_count++;
                    close_pair(&pair);
                    open_pair(&pair, policy);
                }
            }
        /* The commit words at least; in an overwrite ring most values are possible ones. */
        ck_assert_uint_ge(found_out_count, policy == PAWL_RING_BLOCK ? 8 * SLOT_COUNT : 1);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(no_byte_of_a_readers_memory_breaks_the_writer)
{
    struct pair pair;
    size_t found_out_count = 0;
    open_pair(&pair, PAWL_RING_BLOCK);
    const struct pawl_wait wait = {.timeout_ns = 0};
    for (size_t at = 0; at < pair.acks.body_bytes; at++)
        for (size_t m = 0; m < sizeof(masks); m++) {
            struct pawl_err err = {0};
            pair.acks.body[at] ^= masks[m];
            put_some(&pair, 2 * SLOT_COUNT);
            int code = pawl_ring_wait_room(&pair.tx, 1, &wait, NULL);
            ck_assert(code == 0 || code == -ETIMEDOUT || code == -EPROTO);
            bool is_found_out = pawl_ring_tx_state(&pair.tx, &err) != 0;
            ck_assert_uint_le(pair.tx.next - pair.tx.tail_seen, SLOT_COUNT);
            pair.acks.body[at] ^= masks[m];
            read_and_check(&pair);
            if (is_found_out) {
                ck_assert_ptr_nonnull(strstr(err.text, "reader under quarantine"));
                found_out_count++;
            }
            if (is_found_out || pair.rx.fault) {
                close_pair(&pair);
                open_pair(&pair, PAWL_RING_BLOCK);
            }
        }
    ck_assert_uint_ge(found_out_count, 8); /* the bytes of tail at least */
    close_pair(&pair);
}
END_TEST

START_TEST(no_byte_of_a_header_breaks_who_attaches_or_is_attached)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK);
    for (size_t at = 0; at < PAWL_SEGMENT_HEADER_BYTES; at++)
        for (size_t m = 0; m < sizeof(masks); m++) {
            struct pawl_segment segment, acks;
            struct pawl_ring_rx rx;
            const struct pawl_ring_rx_cfg cfg = {0};
            struct pawl_err err = {0}, acks_err = {0};
            pair.tx_segment.base[at] ^= masks[m];
            pair.acks.base[at] ^= masks[m];
            ck_assert_int_eq(pawl_ring_attach(&rx, &segment, pair.tx_segment.fd,
                                              &pair.acks_seen, &cfg, &err),
                             -EPROTO);
            ck_assert_uint_gt(strlen(err.text), 20);
            ck_assert_int_eq(pawl_ring_acks_attach(&acks, pair.acks.fd, &acks_err), -EPROTO);
            put_some(&pair, 1);
            ck_assert(!read_and_check(&pair));
            pair.tx_segment.base[at] ^= masks[m];
            pair.acks.base[at] ^= masks[m];
        }
    close_pair(&pair);
}
END_TEST

struct scribbler {
    unsigned char *memory;
    size_t bytes;
    _Atomic bool is_over;
};

static void *scribble(void *context)
{
    struct scribbler *scribbler = context;
    uint64_t random = 88172645463325252ull;
    while (!atomic_load_explicit(&scribbler->is_over, memory_order_relaxed)) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* Relaxed: a store at no particular moment is the point. */
        __atomic_store_n(&scribbler->memory[(random >> 16) % scribbler->bytes],
                         (unsigned char)random, __ATOMIC_RELAXED);
    }
    return NULL;
}

#define ROUND_COUNT 20000

START_TEST(a_writer_that_scribbles_all_the_time_is_found_out_or_harmless)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_OVERWRITE);
    struct scribbler scribbler = {.memory = pair.tx_segment.base,
                                  .bytes = pair.tx_segment.total_bytes};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &scribbler), 0);
    for (int i = 0; i < ROUND_COUNT; i++) {
        unsigned char data[DATA_BYTES];
        struct pawl_ring_record record;
        pawl_ring_get(&pair.rx, &record, data);
        pawl_ring_count(pair.rx.page, pair.rx.ack, 0);
        pair.rx.fault = PAWL_RING_SOUND; /* as one that would not notice: reads on */
    }
    atomic_store(&scribbler.is_over, true);
    pthread_join(thread, NULL);
    close_pair(&pair);
}
END_TEST

START_TEST(a_reader_that_scribbles_all_the_time_is_found_out_or_harmless)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK);
    struct scribbler scribbler = {.memory = pair.acks.base, .bytes = pair.acks.total_bytes};
    const struct pawl_wait wait = {.timeout_ns = 0};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &scribbler), 0);
    /* Not so many rounds: on a busy machine all of them pass before the other thread runs. */
    uint64_t hang_ns = pawl_clock_now_ns() + 20 * PAWL_NS_PER_S;
    while (pair.tx.fault == PAWL_RING_SOUND && pawl_clock_now_ns() < hang_ns) {
        put_some(&pair, 1);
        pawl_ring_wait_room(&pair.tx, 1, &wait, NULL);
        sched_yield();
    }
    atomic_store(&scribbler.is_over, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(pawl_ring_tx_state(&pair.tx, NULL), -EPROTO);
    close_pair(&pair);
}
END_TEST

PAWL_TEST_MAIN("ring_hostile", no_byte_of_a_writers_memory_breaks_the_reader,
               no_byte_of_a_readers_memory_breaks_the_writer,
               no_byte_of_a_header_breaks_who_attaches_or_is_attached,
               a_writer_that_scribbles_all_the_time_is_found_out_or_harmless,
               a_reader_that_scribbles_all_the_time_is_found_out_or_harmless)
