#include "shm/park.h"

#include "runtime/clock.h"
#include "shm/distance.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/test.h"

#define SLOT_COUNT  4
#define HANG_NS     (30 * PAWL_NS_PER_S) /* a guard, never reached by what works */
#define CYCLE_COUNT 3000

/* A writer and a reader that sleeps, in one process: two threads with the maps of two. */
struct pair {
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_segment tx_segment, rx_segment, acks, acks_seen;
    struct pawl_bell bell;
    uint32_t spin_count;
    uint64_t record_count;
    struct pawl_err err;
};

static void open_pair(struct pair *pair, uint64_t first)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    const struct pawl_ring_rx_cfg rx_cfg = {.flush_count = 1};
    *pair = (struct pair){0};
    cfg.slot_count = SLOT_COUNT;
    cfg.data_bytes = 64;
    cfg.first = first;
    ck_assert_int_eq(pawl_ring_create(&pair->tx, &pair->tx_segment, &cfg, NULL), 0);
    ck_assert_int_eq(pawl_ring_acks_create(&pair->acks, 1, false, NULL), 0);
    ck_assert_int_eq(pawl_bell_open(&pair->bell, &pair->acks, NULL), 0);
    ck_assert_int_eq(pawl_ring_attach(&pair->rx, &pair->rx_segment, pair->tx_segment.fd,
                                      &pair->acks, &rx_cfg, NULL),
                     0);
    ck_assert_int_eq(pawl_ring_acks_attach(&pair->acks_seen, pair->acks.fd, NULL), 0);
    ck_assert_int_eq(pawl_ring_bind(&pair->tx, &pair->acks_seen, 0, pair->bell.fd, NULL), 0);
}

static void close_pair(struct pair *pair)
{
    pawl_bell_close(&pair->bell);
    pawl_segment_close(&pair->tx_segment);
    pawl_segment_close(&pair->rx_segment);
    pawl_segment_close(&pair->acks);
    pawl_segment_close(&pair->acks_seen);
}

static void publish_step(struct pawl_ring_tx *tx, uint32_t step)
{
    struct pawl_ring_slot *slot = pawl_ring_claim(tx);
    ck_assert_ptr_nonnull(slot);
    slot->record = (struct pawl_ring_record){.step = step};
    pawl_ring_publish(tx);
}

static bool has_record(void *context)
{
    return pawl_ring_peek(context) != NULL;
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

START_TEST(an_awake_reader_is_not_rung_for)
{
    struct pair pair;
    open_pair(&pair, 0);
    publish_step(&pair.tx, 0);
    ck_assert(!is_readable(pair.bell.fd));
    ck_assert_uint_eq(atomic_load(&pair.tx.page->wakes_sent), 0);
    close_pair(&pair);
}
END_TEST

START_TEST(a_sleeping_reader_is_rung_for_once_per_sleep)
{
    struct pair pair;
    open_pair(&pair, 0);
    for (uint64_t sleep = 1; sleep <= 2; sleep++) {
        pawl_bell_arm(&pair.bell);
        ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
        publish_step(&pair.tx, 0);
        publish_step(&pair.tx, 1);
        ck_assert(is_readable(pair.bell.fd));
        ck_assert_uint_eq(atomic_load(&pair.tx.page->wakes_sent), sleep);
        ck_assert(pawl_bell_disarm(&pair.bell));
        ck_assert(!is_readable(pair.bell.fd));
        while (pawl_ring_peek(&pair.rx))
            pawl_ring_release(&pair.rx);
    }
    close_pair(&pair);
}
END_TEST

START_TEST(the_next_reader_is_rung_for_from_its_first_sleep)
{
    struct pair pair;
    struct pawl_segment acks;
    struct pawl_bell bell;
    open_pair(&pair, 0);
    pawl_bell_arm(&pair.bell);
    publish_step(&pair.tx, 0);
    ck_assert(pawl_bell_disarm(&pair.bell));

    ck_assert_int_eq(pawl_ring_acks_create(&acks, 1, false, NULL), 0);
    ck_assert_int_eq(pawl_bell_open(&bell, &acks, NULL), 0);
    ck_assert_int_eq(pawl_ring_bind(&pair.tx, &acks, 0, bell.fd, NULL), 0);
    pawl_bell_arm(&bell);
    publish_step(&pair.tx, 1);
    ck_assert(pawl_bell_disarm(&bell));
    pawl_bell_close(&bell);
    pawl_segment_close(&acks);
    close_pair(&pair);
}
END_TEST

/* The next reader of the pair's ring, which has looked and found nothing; asleep as its first
 * time. */
struct successor {
    struct pawl_segment rx_segment, acks, acks_seen;
    struct pawl_bell bell;
    struct pawl_ring_rx rx;
};

static void open_successor(struct successor *next, const struct pair *pair)
{
    const struct pawl_ring_rx_cfg rx_cfg = {
        .flush_count = 1, .has_start = true, .start = pair->rx.tail};
    *next = (struct successor){0};
    ck_assert_int_eq(pawl_ring_acks_create(&next->acks, 1, false, NULL), 0);
    ck_assert_int_eq(pawl_bell_open(&next->bell, &next->acks, NULL), 0);
    ck_assert_int_eq(pawl_ring_attach(&next->rx, &next->rx_segment, pair->tx_segment.fd,
                                      &next->acks, &rx_cfg, NULL),
                     0);
    ck_assert_int_eq(pawl_ring_acks_attach(&next->acks_seen, next->acks.fd, NULL), 0);
    pawl_bell_arm(&next->bell);
    ck_assert_ptr_null(pawl_ring_peek(&next->rx));
}

static void close_successor(struct successor *next)
{
    pawl_bell_close(&next->bell);
    pawl_segment_close(&next->rx_segment);
    pawl_segment_close(&next->acks);
    pawl_segment_close(&next->acks_seen);
}

START_TEST(a_new_reader_is_rung_for_what_was_committed_before_the_bind)
{
    struct pair pair;
    struct successor next;
    open_pair(&pair, 0);
    open_successor(&next, &pair);
    publish_step(&pair.tx, 0); /* the writer has not heard of the new reader yet */
    ck_assert(!is_readable(next.bell.fd));
    ck_assert_int_eq(pawl_ring_bind(&pair.tx, &next.acks_seen, 0, next.bell.fd, NULL), 0);
    ck_assert(is_readable(next.bell.fd));
    close_successor(&next);
    close_pair(&pair);
}
END_TEST

START_TEST(a_record_that_is_there_needs_no_sleep)
{
    struct pair pair;
    const struct pawl_wait wait = {.timeout_ns = HANG_NS};
    open_pair(&pair, 0);
    publish_step(&pair.tx, 0);
    ck_assert_int_eq(pawl_bell_wait(&pair.bell, has_record, &pair.rx, &wait, NULL), 0);
    ck_assert_uint_eq(pair.bell.sleeps, 0);
    close_pair(&pair);
}
END_TEST

START_TEST(a_wait_ends_at_its_bound_and_says_for_whom)
{
    struct pair pair;
    struct pawl_err err = {0};
    const struct pawl_wait for_record = {.whom = "actor 3", .timeout_ns = 2 * PAWL_NS_PER_MS};
    const struct pawl_wait for_room = {.whom = "the learner", .timeout_ns = 2 * PAWL_NS_PER_MS};
    open_pair(&pair, 0);
    uint64_t start_ns = pawl_clock_now_ns();
    ck_assert_int_eq(pawl_bell_wait(&pair.bell, has_record, &pair.rx, &for_record, &err),
                     -ETIMEDOUT);
    ck_assert_uint_ge(pawl_clock_now_ns() - start_ns, 2 * PAWL_NS_PER_MS);
    ck_assert_msg(strstr(err.text, "for a record of actor 3: nothing came") != NULL, "%s",
                  err.text);
    ck_assert_uint_eq(atomic_load(&pair.bell.shared->waiter), 0);
    ck_assert_uint_ge(atomic_load(&pair.bell.shared->sleeps), 1);

    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        publish_step(&pair.tx, i);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_ring_wait_room(&pair.tx, 1, &for_room, &err), -ETIMEDOUT);
    ck_assert_msg(strstr(err.text, "for room in the ring of the learner: nothing came") != NULL,
                  "%s", err.text);
    ck_assert_uint_eq(atomic_load(&pair.tx.page->space_waiter), 0);
    ck_assert_uint_eq(atomic_load(&pair.tx.page->block_timeouts), 1);
    ck_assert_uint_eq(atomic_load(&pair.tx.page->blocked_count), 1);
    ck_assert_uint_ge(atomic_load(&pair.tx.page->blocked_ns), 2 * PAWL_NS_PER_MS);
    close_pair(&pair);
}
END_TEST

START_TEST(a_wait_ends_when_its_owner_is_stopping)
{
    struct pair pair;
    struct pawl_err err = {0};
    const _Atomic bool stopping = true;
    const struct pawl_wait wait = {.timeout_ns = HANG_NS, .is_stopping = &stopping};
    open_pair(&pair, 0);
    ck_assert_int_eq(pawl_bell_wait(&pair.bell, has_record, &pair.rx, &wait, &err), -ECANCELED);
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        publish_step(&pair.tx, i);
    ck_assert_int_eq(pawl_ring_wait_room(&pair.tx, 1, &wait, NULL), -ECANCELED);
    close_pair(&pair);
}
END_TEST

START_TEST(a_full_ring_without_a_reader_or_with_a_broken_one_says_so)
{
    struct pair pair;
    struct pawl_err err = {0};
    const struct pawl_wait wait = {.timeout_ns = HANG_NS};
    open_pair(&pair, 0);
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        publish_step(&pair.tx, i);
    ck_assert_int_eq(pawl_ring_wait_room(&pair.tx, SLOT_COUNT + 1, &wait, NULL), -EINVAL);
    atomic_store(&pair.rx.ack->tail, 1000);
    ck_assert_int_eq(pawl_ring_wait_room(&pair.tx, 1, &wait, &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "reader under quarantine"));
    close_pair(&pair);

    open_pair(&pair, 0);
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        publish_step(&pair.tx, i);
    pair.tx.ack = NULL;
    ck_assert_int_eq(pawl_ring_wait_room(&pair.tx, 1, &wait, NULL), -ENOTCONN);
    close_pair(&pair);
}
END_TEST

START_TEST(no_core_to_spare_means_no_spinning)
{
    ck_assert_uint_eq(pawl_park_spin_count(100000), 0);
    ck_assert_uint_eq(pawl_park_spin_count(0), PAWL_PARK_SPIN_COUNT);
}
END_TEST

/* A little time, different each time, so that the two sides meet at every step of going to
 * sleep. */
static void dawdle(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    for (uint64_t n = (*state >> 33) % 200; n > 0; n--)
        atomic_signal_fence(memory_order_seq_cst);
    if (*state >> 60 == 0)
        sched_yield();
}

static void *write_all(void *context)
{
    struct pair *pair = context;
    uint64_t dawdling = 1;
    const struct pawl_wait wait = {
        .whom = "the reader", .timeout_ns = HANG_NS, .spin_count = pair->spin_count};
    for (uint32_t i = 0; i < pair->record_count; i++) {
        if (pawl_ring_wait_room(&pair->tx, 1, &wait, &pair->err) != 0)
            return NULL;
        publish_step(&pair->tx, i);
        dawdle(&dawdling);
    }
    return NULL;
}

START_TEST(two_sides_that_sleep_all_the_time_miss_no_wake_up)
{
    const uint64_t firsts[] = {0, UINT32_MAX - 100ull, UINT64_MAX - 100};
    const uint32_t spins[] = {0, 10, PAWL_PARK_SPIN_COUNT};
    for (size_t i = 0; i < 3; i++) {
        struct pair pair;
        pthread_t writer;
        uint64_t dawdling = 2;
        struct pawl_err err = {0};
        const struct pawl_wait wait = {.timeout_ns = HANG_NS, .spin_count = spins[i]};
        open_pair(&pair, firsts[i]);
        pair.spin_count = spins[i];
        pair.record_count = CYCLE_COUNT;
        ck_assert_int_eq(pthread_create(&writer, NULL, write_all, &pair), 0);
        for (uint32_t n = 0; n < CYCLE_COUNT; n++) {
            ck_assert_msg(pawl_bell_wait(&pair.bell, has_record, &pair.rx, &wait, &err) == 0,
                          "%s", err.text);
            ck_assert_uint_eq(pawl_ring_peek(&pair.rx)->record.step, n);
            pawl_ring_release(&pair.rx);
            dawdle(&dawdling);
        }
        pthread_join(writer, NULL);
        ck_assert_str_eq(pair.err.text, "");
        ck_assert_uint_eq(pair.bell.late_wakes, 0);
        ck_assert_uint_eq(atomic_load(&pair.tx.page->block_timeouts), 0);
        ck_assert_uint_eq(atomic_load(&pair.tx.page->late_wakes), 0);
        close_pair(&pair);
    }
}
END_TEST

static void *answer_probe(void *context)
{
    struct pair *pair = context;
    pair->record_count = pawl_distance_answer(&pair->rx, HANG_NS);
    return NULL;
}

START_TEST(an_answered_probe_knows_a_distance)
{
    struct pair pair;
    pthread_t reader;
    open_pair(&pair, 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, answer_probe, &pair), 0);
    uint32_t distance_ns = pawl_distance_probe(&pair.tx, HANG_NS);
    pthread_join(reader, NULL);
    ck_assert_uint_gt(distance_ns, 0);
    ck_assert_uint_eq(pair.record_count, 1);
    close_pair(&pair);
}
END_TEST

static void *meet_writer(void *context)
{
    struct pair *pair = context;
    pawl_distance_meet_writer(&pair->rx);
    return NULL;
}

/* What the ends of a ring of so many bytes a record know after they met; the reader was there
 * before if it has read. */
static struct pawl_ring_counts counts_after_meeting(uint32_t data_bytes, bool has_read)
{
    static struct pair pair;
    struct pawl_ring_geometry geometry;
    struct pawl_ring_ack ack = {0};
    const struct pawl_ring_cfg cfg = {.slot_count = 4, .data_bytes = data_bytes};
    pthread_t reader;
    ck_assert_int_eq(pawl_ring_layout(&geometry, &cfg, NULL), 0);
    void *body = aligned_alloc(4096, (geometry.body_bytes + 4095) / 4096 * 4096);
    pawl_ring_place(body, &geometry);
    pawl_ring_tx_init(&pair.tx, body, &geometry);
    pawl_ring_rx_init(&pair.rx, body, &geometry, &ack, 0);
    pair.tx.ack = &ack;
    if (has_read) {
        pawl_ring_claim(&pair.tx)->record.bytes = 1;
        pawl_ring_publish(&pair.tx);
        ck_assert_ptr_nonnull(pawl_ring_peek(&pair.rx));
        pawl_ring_release(&pair.rx);
    }
    ck_assert_int_eq(pthread_create(&reader, NULL, meet_writer, &pair), 0);
    pawl_distance_meet_reader(&pair.tx);
    pthread_join(reader, NULL);
    struct pawl_ring_counts counts = pawl_ring_count(pair.tx.page, &ack, 0);
    free(body);
    return counts;
}

START_TEST(ends_that_meet_know_their_distance_and_copy_by_it)
{
    struct pawl_ring_counts counts = {0};
    /* On a busy machine one may come late. */
    for (int i = 0; i < 100 && counts.distance_ns == 0; i++)
        counts = counts_after_meeting(4096, false);
    ck_assert_uint_gt(counts.distance_ns, 0);
    ck_assert_uint_eq(counts.copy_method,
                      (uint32_t)pawl_distance_copy_method(counts.distance_ns));
}
END_TEST

START_TEST(ends_that_do_not_meet_copy_in_the_way_that_is_never_slow)
{
    struct pawl_ring_counts counts = counts_after_meeting(4096, true);
    ck_assert_uint_eq(counts.distance_ns, 0);
    ck_assert_uint_eq(counts.copy_method, PAWL_COPY_STREAMING);
}
END_TEST

START_TEST(nobody_measures_for_small_records)
{
    ck_assert_uint_eq(counts_after_meeting(64, false).distance_ns, 0);
}
END_TEST

PAWL_TEST_MAIN(
    "park", an_awake_reader_is_not_rung_for, a_sleeping_reader_is_rung_for_once_per_sleep,
    the_next_reader_is_rung_for_from_its_first_sleep,
    a_new_reader_is_rung_for_what_was_committed_before_the_bind,
    a_record_that_is_there_needs_no_sleep, a_wait_ends_at_its_bound_and_says_for_whom,
    a_wait_ends_when_its_owner_is_stopping,
    a_full_ring_without_a_reader_or_with_a_broken_one_says_so,
    no_core_to_spare_means_no_spinning, two_sides_that_sleep_all_the_time_miss_no_wake_up,
    an_answered_probe_knows_a_distance, ends_that_meet_know_their_distance_and_copy_by_it,
    ends_that_do_not_meet_copy_in_the_way_that_is_never_slow, nobody_measures_for_small_records)
