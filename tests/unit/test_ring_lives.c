/* A ring over the lives of its two ends: what a death leaves in the pages, and what the next
 * life finds there. */
#include "shm/ring.h"

#include "runtime/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#define SLOT_COUNT 8

static struct pawl_ring_tx tx;
static struct pawl_ring_rx rx;
static struct pawl_segment tx_segment, rx_segment, acks, acks_seen;
static struct pawl_err err;

static void make_ring(uint32_t policy, uint64_t first)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    cfg.slot_count = SLOT_COUNT;
    cfg.data_bytes = 64;
    cfg.policy = policy;
    cfg.first = first;
    ck_assert_msg(pawl_ring_create(&tx, &tx_segment, &cfg, &err) == 0, "%s", err.text);
}

/* The reader's end, in the first page of its acks. */
static void read_ring(void)
{
    const struct pawl_ring_rx_cfg cfg = {.flush_count = 1};
    ck_assert_msg(pawl_ring_attach(&rx, &rx_segment, tx_segment.fd, &acks, &cfg, &err) == 0,
                  "%s", err.text);
}

static void open_ring(uint32_t policy, uint64_t first)
{
    make_ring(policy, first);
    ck_assert_int_eq(pawl_ring_acks_create(&acks, 1, true, &err), 0);
    ck_assert_int_eq(pawl_ring_acks_attach(&acks_seen, acks.fd, &err), 0);
    read_ring();
    ck_assert_int_eq(pawl_ring_bind(&tx, &acks_seen, 0, -1, &err), 0);
}

static void close_ring(void)
{
    pawl_segment_close(&tx_segment);
    pawl_segment_close(&rx_segment);
}

static void close_all(void)
{
    close_ring();
    pawl_segment_close(&acks);
    pawl_segment_close(&acks_seen);
}

static void put(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct pawl_ring_record record = {.bytes = 8, .actor_step = i};
        ck_assert_int_eq(pawl_ring_put(&tx, &record, &i), PAWL_RING_DONE);
    }
}

static void get(uint64_t count)
{
    unsigned char data[64];
    struct pawl_ring_record record;
    for (uint64_t i = 0; i < count; i++)
        ck_assert_int_eq(pawl_ring_get(&rx, &record, data), PAWL_RING_DONE);
}

static struct pawl_ring_counts counts_of_page(void)
{
    return pawl_ring_count(tx.page, rx.ack, rx.first);
}

START_TEST(a_writer_killed_after_its_commit_is_counted_as_one_that_committed)
{
    open_ring(PAWL_RING_BLOCK, UINT64_MAX - 2);
    put(4);
    uint64_t head = atomic_load(&tx.page->head);
    put(1);
    atomic_store(&tx.page->head, head); /* as a kill between P4 and P5 leaves it */
    get(5);
    struct pawl_ring_counts counts = counts_of_page();
    ck_assert_uint_eq(counts.committed, 5);
    ck_assert_uint_eq(counts.consumed, 5);
    ck_assert_uint_eq(counts.in_ring, 0);
    ck_assert_uint_eq(counts.claimed, 0);
    close_all();
}
END_TEST

START_TEST(a_reader_killed_within_its_release_is_counted_by_its_tail)
{
    open_ring(PAWL_RING_BLOCK, UINT32_MAX);
    put(4);
    get(4);
    atomic_store(&rx.ack->consumed, 3); /* as a kill after C3 leaves it */
    struct pawl_ring_counts counts = counts_of_page();
    ck_assert_uint_eq(counts.consumed, 4);
    ck_assert_uint_eq(counts.in_ring, 0);
    close_all();
}
END_TEST

START_TEST(figures_that_do_not_fit_together_never_go_below_zero)
{
    open_ring(PAWL_RING_BLOCK, 0);
    put(3);
    atomic_store(&tx.page->attempted, 0); /* an older look than the one at head */
    atomic_store(&rx.ack->tail, 77);      /* a broken reader */
    struct pawl_ring_counts counts = counts_of_page();
    ck_assert_uint_eq(counts.claimed, 0);
    ck_assert_uint_eq(counts.in_ring, 3);
    close_all();
}
END_TEST

START_TEST(a_page_says_nothing_of_the_ring_it_was_used_for_before)
{
    unsigned char data[64];
    struct pawl_ring_record record;
    open_ring(PAWL_RING_OVERWRITE, 0);
    put(5 * SLOT_COUNT);
    get(1);
    atomic_store(&pawl_ring_tx_slot(&tx, rx.next)->commit, 2 * (rx.next + 2)); /* broken */
    ck_assert_int_eq(pawl_ring_get(&rx, &record, data), PAWL_RING_QUARANTINED);
    ck_assert_uint_gt(counts_of_page().lost, 0);
    ck_assert_uint_eq(counts_of_page().corrupt, 1);
    close_ring();

    make_ring(PAWL_RING_BLOCK, 0);
    read_ring();
    ck_assert_int_eq(pawl_ring_bind(&tx, &acks_seen, 0, -1, &err), 0);
    put(2);
    struct pawl_ring_counts counts = counts_of_page();
    ck_assert_uint_eq(counts.lost, 0);
    ck_assert_uint_eq(counts.corrupt, 0);
    ck_assert_uint_eq(counts.lag_max, 0);
    ck_assert_uint_eq(counts.in_ring, 2);
    close_all();
}
END_TEST

START_TEST(the_next_reader_ends_the_quarantine_of_the_one_before)
{
    struct pawl_segment next_acks;
    const struct pawl_ring_rx_cfg next_cfg = {.has_start = true, .start = 2};
    open_ring(PAWL_RING_BLOCK, 0);
    put(2);
    get(2);
    put(SLOT_COUNT);
    atomic_store(&rx.ack->tail, 99);
    ck_assert_ptr_null(pawl_ring_claim(&tx));
    ck_assert_int_eq(pawl_ring_tx_state(&tx, &err), -EPROTO);

    pawl_segment_close(&rx_segment);
    ck_assert_int_eq(pawl_ring_acks_create(&next_acks, 1, true, &err), 0);
    ck_assert_msg(
        pawl_ring_attach(&rx, &rx_segment, tx_segment.fd, &next_acks, &next_cfg, &err) == 0,
        "%s", err.text);
    ck_assert_int_eq(pawl_ring_bind(&tx, &next_acks, 0, -1, &err), 0);
    ck_assert_int_eq(pawl_ring_tx_state(&tx, &err), 0);
    get(1);
    pawl_ring_flush(&rx);
    put(1);
    get(SLOT_COUNT);
    pawl_segment_close(&next_acks);
    close_all();
}
END_TEST

START_TEST(the_sentence_names_the_slot_that_is_broken)
{
    open_ring(PAWL_RING_BLOCK, 0);
    put(3);
    atomic_store(&pawl_ring_tx_slot(&tx, 2)->commit, 77);
    ck_assert_uint_eq(pawl_ring_peek_batch(&rx, 3), 2);
    ck_assert_int_eq(pawl_ring_rx_state(&rx, &err), -EPROTO);
    ck_assert_msg(strstr(err.text, "commit word of slot 2 is 77, must be 3 (record)") != NULL,
                  "%s", err.text);
    pawl_ring_release_batch(&rx, 2);
    ck_assert_int_eq(pawl_ring_rx_state(&rx, &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "commit word of slot 2 is 77"));
    close_all();
}
END_TEST

START_TEST(the_sentence_of_an_overwrite_ring_names_its_marks)
{
    unsigned char data[64];
    struct pawl_ring_record record;
    open_ring(PAWL_RING_OVERWRITE, 0);
    atomic_store(&pawl_ring_tx_slot(&tx, 0)->commit, 3);
    ck_assert_int_eq(pawl_ring_get(&rx, &record, data), PAWL_RING_QUARANTINED);
    ck_assert_int_eq(pawl_ring_rx_state(&rx, &err), -EPROTO);
    ck_assert_msg(strstr(err.text, "mark of slot 0 is 3, must be 2 (record)") != NULL, "%s",
                  err.text);
    close_all();
}
END_TEST

#ifdef PAWL_FAULTS
/* The writer of an overwrite ring, in a process of its own, dies while it puts record `count`.
 */
static void die_while_putting(const char *point, uint64_t count)
{
    pid_t child = fork();
    if (child == 0) {
        char text[64];
        snprintf(text, sizeof(text), "%s:kill", point);
        put(count);
        pawl_fault_arm(text, NULL);
        put(1);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(a_writer_that_dies_while_it_overwrites_leaves_no_torn_record)
{
    static const char *const points[] = {"ring.overwrite.O1", "ring.overwrite.O2"};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t count = 0; count < 3 * SLOT_COUNT; count++) {
            unsigned char data[64];
            struct pawl_ring_record record;
            uint64_t read_count = 0, value, next = 0;
            open_ring(PAWL_RING_OVERWRITE, UINT64_MAX / 2 - SLOT_COUNT);
            die_while_putting(points[i], count);
            while (pawl_ring_get(&rx, &record, data) == PAWL_RING_DONE) {
                memcpy(&value, data, sizeof(value));
                ck_assert_uint_eq(value, record.actor_step);
                ck_assert_uint_ge(value, next);
                ck_assert_uint_lt(value, count);
                next = value + 1;
                read_count++;
            }
            struct pawl_ring_counts counts = counts_of_page();
            ck_assert_int_eq(pawl_ring_rx_state(&rx, NULL), 0);
            ck_assert_uint_eq(counts.committed, count);
            ck_assert_uint_eq(counts.consumed, read_count);
            ck_assert_uint_eq(counts.lost, count - read_count);
            ck_assert_uint_eq(counts.in_ring, 0);
            ck_assert_uint_eq(counts.claimed, 1); /* attempted, and never there */
            close_all();
        }
}
END_TEST

#define FAULT_TESTS , a_writer_that_dies_while_it_overwrites_leaves_no_torn_record
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("ring_lives", a_writer_killed_after_its_commit_is_counted_as_one_that_committed,
               a_reader_killed_within_its_release_is_counted_by_its_tail,
               figures_that_do_not_fit_together_never_go_below_zero,
               a_page_says_nothing_of_the_ring_it_was_used_for_before,
               the_next_reader_ends_the_quarantine_of_the_one_before,
               the_sentence_names_the_slot_that_is_broken,
               the_sentence_of_an_overwrite_ring_names_its_marks FAULT_TESTS)
