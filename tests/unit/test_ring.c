#include "shm/ring.h"

#include "runtime/fault.h"
#include "shm/distance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

#define SLOT_COUNT 8

/* Where positions begin in a test: at 0, and shortly before each wrap of a word. */
static const uint64_t firsts[] = {0, UINT32_MAX - 11ull, UINT64_MAX - 11ull,
                                  UINT64_MAX / 2 - 11};
#define FIRST_COUNT (sizeof(firsts) / sizeof(firsts[0]))

/* Both ends of a ring, with the segments as two processes would have them. */
struct pair {
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_segment tx_segment, rx_segment, acks, acks_seen;
};

static struct pawl_ring_cfg example_cfg(uint32_t policy, uint64_t first)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    cfg.slot_count = SLOT_COUNT;
    cfg.data_bytes = 256;
    cfg.policy = policy;
    cfg.first = first;
    return cfg;
}

static void open_pair_with(struct pair *pair, const struct pawl_ring_cfg *cfg)
{
    struct pawl_err err = {0};
    const struct pawl_ring_rx_cfg rx_cfg = {.ack_index = 1};
    ck_assert_msg(pawl_ring_create(&pair->tx, &pair->tx_segment, cfg, &err) == 0, "%s",
                  err.text);
    ck_assert_msg(pawl_ring_acks_create(&pair->acks, 2, true, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_ring_attach(&pair->rx, &pair->rx_segment, pair->tx_segment.fd,
                                   &pair->acks, &rx_cfg, &err) == 0,
                  "%s", err.text);
    ck_assert_msg(pawl_ring_acks_attach(&pair->acks_seen, pair->acks.fd, &err) == 0, "%s",
                  err.text);
    ck_assert_msg(pawl_ring_bind(&pair->tx, &pair->acks_seen, 1, -1, &err) == 0, "%s",
                  err.text);
}

static void open_pair(struct pair *pair, uint32_t policy, uint64_t first)
{
    struct pawl_ring_cfg cfg = example_cfg(policy, first);
    open_pair_with(pair, &cfg);
}

static void close_pair(struct pair *pair)
{
    pawl_segment_close(&pair->tx_segment);
    pawl_segment_close(&pair->rx_segment);
    pawl_segment_close(&pair->acks);
    pawl_segment_close(&pair->acks_seen);
}

static void publish_value(struct pair *pair, uint64_t value)
{
    struct pawl_ring_slot *slot = pawl_ring_claim(&pair->tx);
    ck_assert_ptr_nonnull(slot);
    slot->record = (struct pawl_ring_record){.bytes = 8, .actor_step = value};
    memcpy(slot->data, &value, 8);
    pawl_ring_publish(&pair->tx);
}

static uint64_t peek_value(struct pair *pair)
{
    const struct pawl_ring_slot *slot = pawl_ring_peek(&pair->rx);
    uint64_t value;
    ck_assert_ptr_nonnull(slot);
    ck_assert_uint_eq(pawl_ring_slot_bytes(&pair->rx, slot), 8);
    memcpy(&value, slot->data, 8);
    ck_assert_uint_eq(slot->record.actor_step, value);
    return value;
}

static struct pawl_ring_counts counts_of(const struct pair *pair)
{
    return pawl_ring_count(pair->tx.page, pair->rx.ack, pair->rx.first);
}

static void sums_hold(const struct pair *pair, uint64_t claimed)
{
    struct pawl_ring_counts counts = counts_of(pair);
    ck_assert_uint_eq(counts.attempted,
                      counts.committed + counts.dropped_newest + counts.aborted + claimed);
    ck_assert_uint_eq(counts.committed, counts.consumed + counts.in_ring + counts.lost);
    ck_assert_uint_le(counts.in_ring, SLOT_COUNT);
}

START_TEST(records_come_out_in_the_order_they_went_in)
{
    for (size_t f = 0; f < FIRST_COUNT; f++) {
        struct pair pair;
        uint64_t in = 0, out = 0;
        open_pair(&pair, PAWL_RING_BLOCK, firsts[f]);
        while (out < 10 * SLOT_COUNT) {
            for (uint64_t n = 0; n < 1 + out % SLOT_COUNT && pawl_ring_claim(&pair.tx); n++)
                publish_value(&pair, in++);
            for (uint64_t n = 0; n < 1 + in % 3 && pawl_ring_peek(&pair.rx); n++) {
                ck_assert_uint_eq(peek_value(&pair), out++);
                pawl_ring_release(&pair.rx);
            }
        }
        while (pawl_ring_peek(&pair.rx)) {
            ck_assert_uint_eq(peek_value(&pair), out++);
            pawl_ring_release(&pair.rx);
        }
        ck_assert_uint_eq(in, out);
        sums_hold(&pair, pair.tx.claimed_count);
        ck_assert_uint_eq(counts_of(&pair).consumed, out);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(a_claim_without_a_publish_is_invisible)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    struct pawl_ring_slot *slot = pawl_ring_claim(&pair.tx);
    memset(slot->data, 7, 8);
    ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
    ck_assert_ptr_eq(pawl_ring_claim(&pair.tx), slot);
    sums_hold(&pair, 1);
    close_pair(&pair);
}
END_TEST

START_TEST(an_abort_is_counted_and_its_slot_used_again)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK, firsts[2]);
    struct pawl_ring_slot *slot = pawl_ring_claim(&pair.tx);
    pawl_ring_abort(&pair.tx);
    ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
    ck_assert_uint_eq(counts_of(&pair).aborted, 1);
    ck_assert_ptr_eq(pawl_ring_claim(&pair.tx), slot);
    publish_value(&pair, 5);
    ck_assert_uint_eq(peek_value(&pair), 5);
    sums_hold(&pair, 0);
    close_pair(&pair);
}
END_TEST

START_TEST(a_full_ring_claims_nothing_and_overwrites_nothing)
{
    for (size_t f = 0; f < FIRST_COUNT; f++) {
        struct pair pair;
        open_pair(&pair, PAWL_RING_BLOCK, firsts[f]);
        for (uint64_t i = 0; i < SLOT_COUNT; i++)
            publish_value(&pair, i);
        ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
        ck_assert_uint_eq(peek_value(&pair), 0);
        ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
        pawl_ring_release(&pair.rx);
        ck_assert_ptr_nonnull(pawl_ring_claim(&pair.tx));
        sums_hold(&pair, 1);
        ck_assert_uint_eq(counts_of(&pair).lag_max, SLOT_COUNT);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(an_empty_look_publishes_a_delayed_release)
{
    struct pair pair;
    struct pawl_ring_cfg cfg = example_cfg(PAWL_RING_BLOCK, 0);
    open_pair_with(&pair, &cfg);
    pair.rx.flush_count = SLOT_COUNT;
    for (uint64_t i = 0; i < 3; i++) {
        publish_value(&pair, i);
        peek_value(&pair);
        pawl_ring_release(&pair.rx);
    }
    ck_assert_uint_eq(atomic_load(&pair.rx.ack->tail), 0);
    ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
    ck_assert_uint_eq(atomic_load(&pair.rx.ack->tail), 3);
    ck_assert_uint_eq(atomic_load(&pair.rx.ack->tail_futex), 3);
    close_pair(&pair);
}
END_TEST

START_TEST(a_batch_is_claimed_published_peeked_and_released_as_one)
{
    for (size_t f = 0; f < FIRST_COUNT; f++) {
        struct pair pair;
        open_pair(&pair, PAWL_RING_BLOCK, firsts[f]);
        for (uint64_t round = 0; round < 5; round++) {
            ck_assert_uint_eq(pawl_ring_claim_batch(&pair.tx, 100), SLOT_COUNT);
            for (uint64_t i = 0; i < SLOT_COUNT; i++) {
                struct pawl_ring_slot *slot = pawl_ring_claimed(&pair.tx, i);
                slot->record = (struct pawl_ring_record){.bytes = 8, .step = (uint32_t)i};
            }
            ck_assert_uint_eq(pawl_ring_peek_batch(&pair.rx, 100), 0);
            pawl_ring_publish_batch(&pair.tx, 5);
            ck_assert_uint_eq(pawl_ring_peek_batch(&pair.rx, 100), 5);
            ck_assert_uint_eq(pawl_ring_peek_batch(&pair.rx, 2), 2);
            for (uint64_t i = 0; i < 5; i++)
                ck_assert_uint_eq(pawl_ring_peeked(&pair.rx, i)->record.step, i);
            sums_hold(&pair, 3);
            pawl_ring_abort(&pair.tx);
            pawl_ring_release_batch(&pair.rx, 5);
            ck_assert_uint_eq(pawl_ring_peek_batch(&pair.rx, 1), 0);
            sums_hold(&pair, 0);
        }
        ck_assert_uint_eq(counts_of(&pair).aborted, 15);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(put_and_get_copy_the_whole_record_by_either_method)
{
    for (int method = PAWL_COPY_PLAIN; method <= PAWL_COPY_STREAMING; method++) {
        struct pair pair;
        struct pawl_ring_cfg cfg = example_cfg(PAWL_RING_BLOCK, firsts[1]);
        cfg.data_bytes = 5003;
        cfg.has_checksums = true;
        open_pair_with(&pair, &cfg);
        pawl_ring_set_copy_method(&pair.tx, (enum pawl_copy_method)method, 42);
        for (uint32_t bytes = 0; bytes <= 5003; bytes += 61) {
            unsigned char in[5003], out[5003];
            struct pawl_ring_record record = {.bytes = bytes, .lane = 3, .episode = bytes}, got;
            memset(in, (int)bytes, sizeof(in));
            ck_assert_int_eq(pawl_ring_put(&pair.tx, &record, in), PAWL_RING_DONE);
            ck_assert_int_eq(pawl_ring_get(&pair.rx, &got, out), PAWL_RING_DONE);
            ck_assert_uint_eq(got.bytes, bytes);
            ck_assert_uint_eq(got.lane, 3);
            ck_assert_uint_eq(got.episode, bytes);
            ck_assert_int_eq(memcmp(in, out, bytes), 0);
        }
        ck_assert_int_eq(pawl_ring_get(&pair.rx, &(struct pawl_ring_record){0}, NULL),
                         PAWL_RING_EMPTY);
        ck_assert_uint_eq(counts_of(&pair).copy_method, (uint32_t)method);
        ck_assert_uint_eq(counts_of(&pair).distance_ns, 42);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(drop_newest_refuses_counts_and_keeps_the_old)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_DROP_NEWEST, firsts[2]);
    for (uint64_t i = 0; i < SLOT_COUNT + 5; i++) {
        struct pawl_ring_record record = {.bytes = 8, .actor_step = i};
        ck_assert_int_eq(pawl_ring_put(&pair.tx, &record, &i),
                         i < SLOT_COUNT ? PAWL_RING_DONE : PAWL_RING_FULL);
    }
    ck_assert_uint_eq(counts_of(&pair).dropped_newest, 5);
    sums_hold(&pair, 0);
    for (uint64_t i = 0; i < SLOT_COUNT; i++) {
        ck_assert_uint_eq(peek_value(&pair), i);
        pawl_ring_release(&pair.rx);
    }
    ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
    sums_hold(&pair, 0);
    close_pair(&pair);
}
END_TEST

START_TEST(overwrite_never_refuses_and_counts_exactly_what_was_lost)
{
    for (size_t f = 0; f < FIRST_COUNT; f++) {
        struct pair pair;
        unsigned char data[256];
        uint64_t in = 0, read_count = 0, next = 0;
        open_pair(&pair, PAWL_RING_OVERWRITE, firsts[f]);
        ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
        for (uint64_t round = 1; round < 60; round++) {
            for (uint64_t n = 0; n < round; n++, in++) {
                memset(data, (int)in, sizeof(data));
                struct pawl_ring_record record = {.bytes = 13, .actor_step = in};
                ck_assert_int_eq(pawl_ring_put(&pair.tx, &record, data), PAWL_RING_DONE);
            }
            for (uint64_t n = 0; n < 4; n++) {
                struct pawl_ring_record record;
                if (pawl_ring_get(&pair.rx, &record, data) == PAWL_RING_EMPTY)
                    break;
                ck_assert_uint_ge(record.actor_step, next);
                next = record.actor_step + 1;
                ck_assert_uint_eq(record.bytes, 13);
                for (int b = 0; b < 13; b++)
                    ck_assert_uint_eq(data[b], (unsigned char)record.actor_step);
                read_count++;
            }
        }
        struct pawl_ring_record record;
        while (pawl_ring_get(&pair.rx, &record, data) == PAWL_RING_DONE)
            read_count++;
        struct pawl_ring_counts counts = counts_of(&pair);
        ck_assert_uint_eq(counts.committed, in);
        ck_assert_uint_eq(counts.consumed, read_count);
        ck_assert_uint_eq(counts.lost, in - read_count);
        ck_assert_uint_gt(counts.lost, 0);
        ck_assert_uint_eq(counts.in_ring, 0);
        sums_hold(&pair, 0);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(the_next_reader_goes_on_at_the_last_tail)
{
    for (size_t f = 0; f < FIRST_COUNT; f++) {
        struct pair pair;
        struct pawl_segment acks, segment;
        struct pawl_ring_rx next;
        struct pawl_err err = {0};
        open_pair(&pair, PAWL_RING_BLOCK, firsts[f]);
        for (uint64_t i = 0; i < SLOT_COUNT; i++)
            publish_value(&pair, i);
        for (uint64_t i = 0; i < 3; i++) {
            peek_value(&pair);
            pawl_ring_release(&pair.rx);
        }
        uint64_t tail = atomic_load(&pair.rx.ack->tail);
        struct pawl_ring_rx_cfg cfg = {.has_start = true, .start = tail};
        ck_assert_int_eq(pawl_ring_acks_create(&acks, 1, true, &err), 0);
        ck_assert_msg(
            pawl_ring_attach(&next, &segment, pair.tx_segment.fd, &acks, &cfg, &err) == 0, "%s",
            err.text);
        ck_assert_int_eq(pawl_ring_bind(&pair.tx, &acks, 0, -1, &err), 0);
        const struct pawl_ring_slot *slot = pawl_ring_peek(&next);
        ck_assert_uint_eq(slot->record.actor_step, 3);
        ck_assert_ptr_nonnull(pawl_ring_claim(&pair.tx));
        pawl_segment_close(&segment);
        pawl_segment_close(&acks);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(a_start_that_cannot_be_is_refused)
{
    struct pair pair;
    struct pawl_segment segment;
    struct pawl_ring_rx next;
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    for (uint64_t i = 0; i < 3 * SLOT_COUNT; i++) {
        publish_value(&pair, i);
        peek_value(&pair);
        pawl_ring_release(&pair.rx);
    }
    const uint64_t bad[] = {3 * SLOT_COUNT + 1, 3 * SLOT_COUNT + 5, SLOT_COUNT, 0, UINT64_MAX};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pawl_ring_rx_cfg cfg = {.ack_index = 0, .has_start = true, .start = bad[i]};
        ck_assert_int_eq(
            pawl_ring_attach(&next, &segment, pair.tx_segment.fd, &pair.acks, &cfg, NULL),
            -EPROTO);
        ck_assert_ptr_null(segment.base);
    }
    close_pair(&pair);
}
END_TEST

START_TEST(a_tail_that_cannot_be_puts_the_reader_under_quarantine)
{
    const uint64_t first = firsts[2];
    const uint64_t bad[] = {first - 1, first + SLOT_COUNT + 1, first + UINT32_MAX, 77};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pair pair;
        struct pawl_err err = {0};
        open_pair(&pair, PAWL_RING_BLOCK, first);
        for (uint64_t n = 0; n < SLOT_COUNT; n++)
            publish_value(&pair, n);
        atomic_store(&pair.rx.ack->tail, bad[i]);
        ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
        ck_assert_int_eq(pawl_ring_tx_state(&pair.tx, &err), -EPROTO);
        ck_assert_msg(strstr(err.text, "reader under quarantine: its tail is") != NULL, "%s",
                      err.text);
        atomic_store(&pair.rx.ack->tail, first + SLOT_COUNT);
        ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
        ck_assert_int_eq(pawl_ring_put(&pair.tx, &(struct pawl_ring_record){0}, NULL),
                         PAWL_RING_QUARANTINED);
        close_pair(&pair);
    }
}
END_TEST

START_TEST(under_quarantine_free_slots_are_not_claimed_either)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    for (uint64_t n = 0; n < SLOT_COUNT - 1; n++)
        publish_value(&pair, n);
    atomic_store(&pair.rx.ack->tail, 99);
    ck_assert_uint_eq(pawl_ring_claim_batch(&pair.tx, 3), 0);
    ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
    close_pair(&pair);
}
END_TEST

START_TEST(a_commit_word_that_cannot_be_puts_the_writer_under_quarantine)
{
    for (size_t f = 0; f < FIRST_COUNT; f++) {
        const uint64_t k = firsts[f] + 1;
        const uint64_t bad[] = {k + 1, k - 1, k + SLOT_COUNT, k - 2 * SLOT_COUNT,
                                k ^ 1ull << 63};
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            struct pair pair;
            struct pawl_err err = {0};
            open_pair(&pair, PAWL_RING_BLOCK, firsts[f]);
            struct pawl_ring_slot *slot = pawl_ring_tx_slot(&pair.tx, firsts[f]);
            atomic_store(&slot->commit, bad[i]);
            ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
            ck_assert_int_eq(pawl_ring_rx_state(&pair.rx, &err), -EPROTO);
            ck_assert_msg(strstr(err.text, "writer under quarantine: commit word of slot") !=
                              NULL,
                          "%s", err.text);
            ck_assert_uint_eq(counts_of(&pair).corrupt, 1);
            unsigned char evidence[PAWL_RING_EVIDENCE_BYTES];
            size_t bytes = pawl_ring_evidence(&pair.rx, evidence);
            ck_assert_uint_le(bytes, sizeof(evidence));
            ck_assert_ptr_nonnull(memmem(evidence, bytes, &bad[i], sizeof(bad[i])));
            atomic_store(&slot->commit, k);
            ck_assert_ptr_null(pawl_ring_peek(&pair.rx));
            ck_assert_uint_eq(pawl_ring_peek_batch(&pair.rx, 4), 0);
            close_pair(&pair);
        }
    }
}
END_TEST

START_TEST(a_length_above_the_slot_is_cut_to_the_slot)
{
    struct pair pair;
    unsigned char data[256];
    struct pawl_ring_record record;
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    publish_value(&pair, 1);
    pawl_ring_tx_slot(&pair.tx, 0)->record.bytes = UINT32_MAX;
    ck_assert_uint_eq(pawl_ring_slot_bytes(&pair.rx, pawl_ring_peek(&pair.rx)), 256);
    ck_assert_int_eq(pawl_ring_get(&pair.rx, &record, data), PAWL_RING_DONE);
    ck_assert_uint_eq(record.bytes, 256);
    close_pair(&pair);
}
END_TEST

START_TEST(a_payload_without_its_checksum_is_never_handed_on)
{
    for (uint32_t policy = PAWL_RING_BLOCK; policy <= PAWL_RING_OVERWRITE; policy++) {
        struct pair pair;
        struct pawl_ring_cfg cfg = example_cfg(policy, 0);
        struct pawl_ring_record record = {.bytes = 100};
        unsigned char data[256] = {1, 2, 3};
        struct pawl_err err = {0};
        cfg.has_checksums = true;
        open_pair_with(&pair, &cfg);
        ck_assert_int_eq(pawl_ring_put(&pair.tx, &record, data), PAWL_RING_DONE);
        pawl_ring_tx_slot(&pair.tx, 0)->data[50] ^= 4;
        if (policy != PAWL_RING_OVERWRITE)
            ck_assert(!pawl_ring_verify(&pair.rx, pawl_ring_peek(&pair.rx)));
        ck_assert_int_eq(pawl_ring_get(&pair.rx, &record, data), PAWL_RING_QUARANTINED);
        ck_assert_int_eq(pawl_ring_rx_state(&pair.rx, &err), -EPROTO);
        ck_assert_ptr_nonnull(strstr(err.text, "does not have its checksum"));
        close_pair(&pair);
    }
}
END_TEST

START_TEST(a_record_above_the_slot_is_refused_when_the_run_is_built)
{
    struct pair pair;
    struct pawl_err err = {0};
    struct pawl_ring_cfg cfg = example_cfg(PAWL_RING_BLOCK, 0);
    ck_assert_int_eq(pawl_ring_check_record(cfg.data_bytes, "FINAL", 256, &err), 0);
    ck_assert_int_eq(pawl_ring_check_record(cfg.data_bytes, "FINAL", 257, &err), -EMSGSIZE);
    ck_assert_ptr_nonnull(
        strstr(err.text, "FINAL record of 257 bytes does not fit a ring slot of 256"));
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    struct pawl_ring_record record = {.bytes = 257};
    ck_assert_int_eq(pawl_ring_put(&pair.tx, &record, NULL), PAWL_RING_TOO_BIG);
    close_pair(&pair);
}
END_TEST

START_TEST(layout_names_the_rule_that_was_broken)
{
    struct pawl_ring_geometry geometry;
    struct pawl_ring_cfg cfg = example_cfg(PAWL_RING_BLOCK, 0);
    struct pawl_err err = {0};
    cfg.slot_count = 3;
    ck_assert_int_eq(pawl_ring_layout(&geometry, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "power of two"));
    cfg = example_cfg(3, 0);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_ring_layout(&geometry, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "policy 3"));
    cfg = example_cfg(PAWL_RING_BLOCK, 0);
    cfg.data_bytes = 0;
    ck_assert_int_eq(pawl_ring_layout(&geometry, &cfg, NULL), -EINVAL);
}
END_TEST

START_TEST(slots_are_apart_by_a_guard_and_aligned_to_lines)
{
    const uint32_t bytes[] = {1, 64, 100, 1024, 65536};
    const uint64_t strides[] = {192, 192, 320, 2112, 66624};
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        struct pawl_ring_geometry geometry;
        struct pawl_ring_cfg cfg = example_cfg(PAWL_RING_BLOCK, 0);
        cfg.data_bytes = bytes[i];
        ck_assert_int_eq(pawl_ring_layout(&geometry, &cfg, NULL), 0);
        ck_assert_uint_eq(geometry.stride_bytes, strides[i]);
    }
}
END_TEST

START_TEST(a_geometry_that_does_not_fit_its_segment_is_refused)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    for (size_t i = 0; i < 6; i++)
        for (int bit = 0; bit < 64; bit++) {
            struct pawl_ring_geometry geometry;
            struct pawl_segment_header header = pair.tx_segment.header;
            header.geometry[i] ^= 1ull << bit;
            if (pawl_ring_read_geometry(&geometry, &header, NULL) != 0)
                continue;
            ck_assert_uint_le(geometry.body_bytes, header.body_bytes);
        }

    struct pawl_ring_geometry geometry;
    struct pawl_err err = {0}, stride_err = {0};
    struct pawl_segment_header header = pair.tx_segment.header;
    header.geometry[0] = 1 << 20;
    ck_assert_int_eq(pawl_ring_read_geometry(&geometry, &header, &err), -EPROTO);
    ck_assert_msg(strstr(err.text, "its geometry needs") != NULL, "%s", err.text);
    header = pair.tx_segment.header;
    header.geometry[2] += 64;
    ck_assert_int_eq(pawl_ring_read_geometry(&geometry, &header, &stride_err), -EPROTO);
    ck_assert_msg(strstr(stride_err.text, "slot stride of 640 bytes, this program has 576"),
                  "%s", stride_err.text);
    close_pair(&pair);
}
END_TEST

START_TEST(a_writer_without_a_reader_fills_its_ring_once)
{
    struct pair pair = {0};
    struct pawl_ring_cfg cfg = example_cfg(PAWL_RING_BLOCK, 0);
    ck_assert_int_eq(pawl_ring_create(&pair.tx, &pair.tx_segment, &cfg, NULL), 0);
    for (uint64_t i = 0; i < SLOT_COUNT; i++)
        publish_value(&pair, i);
    ck_assert_ptr_null(pawl_ring_claim(&pair.tx));
    ck_assert_int_eq(pawl_ring_tx_state(&pair.tx, NULL), 0);
    close_pair(&pair);
}
END_TEST

START_TEST(an_unanswered_probe_is_unknown_and_chooses_streaming)
{
    struct pair pair;
    open_pair(&pair, PAWL_RING_BLOCK, 0);
    ck_assert_uint_eq(pawl_distance_probe(&pair.tx, 1000), 0);
    ck_assert_int_eq(pawl_distance_copy_method(0), PAWL_COPY_STREAMING);
    ck_assert_int_eq(pawl_distance_copy_method(44), PAWL_COPY_PLAIN);
    ck_assert_int_eq(pawl_distance_copy_method(170), PAWL_COPY_STREAMING);
    ck_assert_str_eq(pawl_distance_class(0), "unknown");
    ck_assert_str_eq(pawl_distance_class(44), "near");
    ck_assert_str_eq(pawl_distance_class(170), "far");
    close_pair(&pair);
}
END_TEST

PAWL_TEST_MAIN("ring", records_come_out_in_the_order_they_went_in,
               a_claim_without_a_publish_is_invisible,
               an_abort_is_counted_and_its_slot_used_again,
               a_full_ring_claims_nothing_and_overwrites_nothing,
               an_empty_look_publishes_a_delayed_release,
               a_batch_is_claimed_published_peeked_and_released_as_one,
               put_and_get_copy_the_whole_record_by_either_method,
               drop_newest_refuses_counts_and_keeps_the_old,
               overwrite_never_refuses_and_counts_exactly_what_was_lost,
               the_next_reader_goes_on_at_the_last_tail, a_start_that_cannot_be_is_refused,
               a_tail_that_cannot_be_puts_the_reader_under_quarantine,
               under_quarantine_free_slots_are_not_claimed_either,
               a_commit_word_that_cannot_be_puts_the_writer_under_quarantine,
               a_length_above_the_slot_is_cut_to_the_slot,
               a_payload_without_its_checksum_is_never_handed_on,
               a_record_above_the_slot_is_refused_when_the_run_is_built,
               layout_names_the_rule_that_was_broken,
               slots_are_apart_by_a_guard_and_aligned_to_lines,
               a_geometry_that_does_not_fit_its_segment_is_refused,
               a_writer_without_a_reader_fills_its_ring_once,
               an_unanswered_probe_is_unknown_and_chooses_streaming)
