#include "shm/board.h"

#include "runtime/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#define READERS_MAX 4

static struct pawl_manifest manifest;
static struct pawl_segment segment, mapped[READERS_MAX];
static struct pawl_board_tx tx;
static struct pawl_board_rx rx[READERS_MAX];
static struct pawl_pin pins[READERS_MAX];
static struct pawl_err err;
static uint64_t blob[16], copy[16];

static void add_reader(uint32_t i, uint64_t generation)
{
    const struct pawl_board_rx_cfg cfg = {.generation = generation};
    uint32_t reader_index;
    pawl_pin_init(&pins[i]);
    ck_assert_msg(pawl_board_add_reader(&tx, &pins[i], &reader_index, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(reader_index, i);
    ck_assert_msg(
        pawl_board_attach(&rx[i], &mapped[i], NULL, segment.fd, &pins[i], &cfg, &err) == 0,
        "%s", err.text);
}

static void open_board(struct pawl_board_cfg cfg)
{
    if (!manifest.tensor_count) {
        pawl_manifest_add(&manifest, "a", PAWL_U64, 1, (uint64_t[]){8}, &err);
        pawl_manifest_add(&manifest, "b", PAWL_U64, 1, (uint64_t[]){8}, &err);
    }
    cfg.manifest = &manifest;
    ck_assert_msg(pawl_board_create(&tx, &segment, &cfg, &err) == 0, "%s", err.text);
    for (uint32_t i = 0; i < cfg.reader_count; i++)
        add_reader(i, 0);
}

static void open_default(uint32_t reader_count)
{
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.reader_count = reader_count;
    open_board(cfg);
}

static uint64_t put(uint64_t value)
{
    for (size_t i = 0; i < 16; i++)
        blob[i] = value;
    return pawl_board_put(&tx, blob, value);
}

static const uint64_t *words(const struct pawl_board_slot *slot)
{
    return (const uint64_t *)(const void *)slot->data;
}

static struct pawl_board_page *page(void)
{
    return tx.page;
}

START_TEST(before_the_first_version_there_is_nothing)
{
    struct pawl_board_version version;
    open_default(1);
    ck_assert_ptr_null(pawl_board_acquire(&rx[0]));
    ck_assert_int_eq(pawl_board_get(&rx[0], copy, &version, &err), -EAGAIN);
    ck_assert_uint_eq(pawl_board_latest(&rx[0]), 0);
}
END_TEST

START_TEST(the_latest_version_is_read_in_place)
{
    open_default(1);
    ck_assert_uint_eq(put(7), 1);
    ck_assert_uint_eq(put(8), 2);
    const struct pawl_board_slot *slot = pawl_board_acquire(&rx[0]);
    ck_assert_ptr_nonnull(slot);
    ck_assert_uint_eq(words(slot)[0], 8);
    ck_assert_uint_eq(words(slot)[15], 8);
    ck_assert((const unsigned char *)slot > mapped[0].body);
    struct pawl_board_version version = pawl_board_held(&rx[0]);
    ck_assert_uint_eq(version.generation, 2);
    ck_assert_uint_eq(version.step, 8);
    ck_assert(version.published_ns <= pawl_clock_now_ns());
    ck_assert(pawl_board_is_intact(&rx[0]));
    pawl_board_release(&rx[0]);
    ck_assert_uint_eq(pins[0].word, PAWL_PIN_NONE);
}
END_TEST

START_TEST(a_claim_without_a_publish_is_invisible)
{
    open_default(1);
    put(1);
    struct pawl_board_slot *claimed = pawl_board_claim(&tx);
    claimed->data[0] = 9;
    ck_assert_ptr_eq(pawl_board_claim(&tx), claimed);
    ck_assert_uint_eq(words(pawl_board_acquire(&rx[0]))[0], 1);
    ck_assert(pawl_board_is_intact(&rx[0]));
}
END_TEST

START_TEST(a_pinned_version_stays_while_others_are_published)
{
    open_default(2);
    put(1);
    const struct pawl_board_slot *old = pawl_board_acquire(&rx[0]);
    for (uint64_t value = 2; value < 100; value++) {
        ck_assert_uint_eq(put(value), value);
        ck_assert_uint_eq(words(pawl_board_acquire(&rx[1]))[0], value);
        ck_assert_uint_eq(words(old)[0], 1);
        ck_assert_uint_eq(words(old)[15], 1);
    }
    ck_assert(pawl_board_is_intact(&rx[0]));
    ck_assert_uint_eq(pawl_board_latest(&rx[0]) - rx[0].generation, 98);
    ck_assert_uint_eq(pawl_board_count(page()).skipped, 0);
}
END_TEST

START_TEST(acquiring_the_next_version_lets_the_last_go)
{
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.slot_count = 2;
    open_board(cfg);
    put(1);
    pawl_board_acquire(&rx[0]);
    ck_assert_uint_eq(put(2), 2);
    pawl_board_acquire(&rx[0]);
    ck_assert_uint_eq(put(3), 3);
}
END_TEST

START_TEST(with_too_few_slots_a_version_is_skipped_and_counted)
{
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.slot_count = 2;
    open_board(cfg);
    put(1);
    pawl_board_acquire(&rx[0]);
    ck_assert_uint_eq(put(2), 2);
    ck_assert_uint_eq(put(3), 0);
    ck_assert_uint_eq(put(4), 0);
    ck_assert_uint_eq(pawl_board_count(page()).skipped, 2);
    pawl_board_release(&rx[0]);
    ck_assert_uint_eq(put(5), 3);
    ck_assert_uint_eq(pawl_board_count(page()).published, 3);
    ck_assert_uint_eq(words(pawl_board_acquire(&rx[0]))[0], 5);
}
END_TEST

START_TEST(the_pin_of_a_reader_that_was_removed_holds_nothing)
{
    open_default(1);
    put(1);
    pawl_board_acquire(&rx[0]);
    pawl_board_remove_reader(&tx, 0);
    ck_assert_uint_eq(pawl_board_count(page()).readers, 0);
    for (uint64_t value = 2; value < 5; value++)
        put(value);
    ck_assert_uint_eq(pawl_board_count(page()).skipped, 0);
    add_reader(0, 0); /* its place is free for the next one */
}
END_TEST

START_TEST(a_reader_taken_for_dead_is_told_that_its_version_is_gone)
{
    open_default(1);
    put(1);
    pawl_board_acquire(&rx[0]);
    pawl_board_remove_reader(&tx, 0);
    while (pawl_board_is_intact(&rx[0]))
        put(2);
    ck_assert_uint_eq(pins[0].discards, 1);
    ck_assert_uint_eq(words(pawl_board_acquire(&rx[0]))[0], 2);
}
END_TEST

START_TEST(the_header_is_void_while_a_slot_is_filled)
{
    open_default(1);
    put(1);
    pawl_board_acquire(&rx[0]);
    pawl_board_remove_reader(&tx, 0);
    put(2);
    ck_assert_ptr_eq(pawl_board_claim(&tx), pawl_board_tx_slot(&tx, 0)); /* that was pinned */
    ck_assert(!pawl_board_is_intact(&rx[0]));
}
END_TEST

START_TEST(one_reader_more_than_configured_is_refused)
{
    uint32_t reader_index;
    open_default(2);
    ck_assert_int_eq(pawl_board_add_reader(&tx, &pins[2], &reader_index, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "2 readers"));
}
END_TEST

START_TEST(the_next_incarnation_goes_on_above_the_last_generation)
{
    open_default(1);
    put(1);
    put(2);
    uint64_t last = pawl_board_last_generation(&segment);
    ck_assert_uint_eq(last, 2);
    pawl_segment_close(&segment);
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.first_generation = last + 1;
    cfg.reader_count = 1;
    open_board(cfg);
    ck_assert_uint_eq(put(3), 3);
}
END_TEST

START_TEST(a_writer_that_dies_before_its_first_version_hides_none_of_the_ones_before)
{
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.first_generation = 58;
    open_board(cfg);
    ck_assert_uint_eq(pawl_board_last_generation(&segment), 57);
    put(1);
    ck_assert_uint_eq(pawl_board_last_generation(&segment), 58);
    open_default(1);
    ck_assert_uint_eq(pawl_board_last_generation(&segment), 0);
}
END_TEST

START_TEST(a_generation_that_goes_back_is_quarantined)
{
    open_default(1);
    rx[0].generation = 100; /* as seen on the board of an earlier incarnation */
    put(1);
    ck_assert_ptr_null(pawl_board_acquire(&rx[0]));
    ck_assert_int_eq(pawl_board_rx_state(&rx[0], &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "generation 1 in slot 0, must be 100"));
}
END_TEST

START_TEST(a_slot_that_does_not_exist_is_never_read)
{
    open_default(1);
    put(1);
    atomic_store(&page()->latest, pawl_board_word(5, 3));
    ck_assert_ptr_null(pawl_board_acquire(&rx[0]));
    ck_assert_int_eq(rx[0].fault, PAWL_BOARD_BAD_LATEST);
    ck_assert_uint_eq(pins[0].word, PAWL_PIN_NONE);
    ck_assert_ptr_null(pawl_board_acquire(&rx[0]));
}
END_TEST

START_TEST(a_slot_that_never_holds_the_latest_is_quarantined)
{
    open_default(1);
    put(1);
    atomic_store(&page()->latest, pawl_board_word(5, 1));
    ck_assert_ptr_null(pawl_board_acquire(&rx[0]));
    ck_assert_int_eq(pawl_board_rx_state(&rx[0], &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "never holds it"));
}
END_TEST

START_TEST(a_pin_with_any_value_costs_a_slot_at_most)
{
    open_default(2);
    for (uint64_t value = 1; value < 5000; value++) {
        atomic_store(&pins[0].word, value * 0x9e3779b97f4a7c15u);
        ck_assert_uint_eq(put(value), value);
    }
}
END_TEST

START_TEST(a_checksum_that_does_not_match_is_quarantined)
{
    struct pawl_board_version version;
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.has_checksums = true;
    open_board(cfg);
    put(1);
    ck_assert_int_eq(pawl_board_get(&rx[0], copy, &version, &err), 0);
    ck_assert_mem_eq(copy, blob, sizeof(copy));
    pawl_board_acquire(&rx[0]);
    ck_assert(pawl_board_verify(&rx[0]));
    pawl_board_tx_slot(&tx, 0)->data[77] ^= 1;
    ck_assert(!pawl_board_verify(&rx[0]));
    ck_assert_int_eq(pawl_board_get(&rx[0], copy, &version, &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "checksum"));
}
END_TEST

START_TEST(a_copy_reader_holds_no_slot)
{
    struct pawl_board_version version;
    open_default(1);
    put(41);
    ck_assert_int_eq(pawl_board_get(&rx[0], copy, &version, &err), 0);
    ck_assert_uint_eq(copy[15], 41);
    ck_assert_uint_eq(version.step, 41);
    ck_assert_uint_eq(pins[0].word, PAWL_PIN_NONE);
}
END_TEST

START_TEST(large_blobs_arrive_whole)
{
    struct pawl_board_version version;
    uint64_t bytes = PAWL_BOARD_STREAMING_BYTES_MIN + 24, count = bytes / 8;
    uint64_t *from = malloc(bytes), *to = malloc(bytes);
    for (uint64_t i = 0; i < count; i++)
        from[i] = i * i;
    pawl_manifest_add(&manifest, "large", PAWL_U64, 1, &count, &err);
    open_default(1);
    ck_assert_uint_eq(pawl_board_put(&tx, from, 0), 1);
    ck_assert_int_eq(pawl_board_get(&rx[0], to, &version, &err), 0);
    ck_assert_mem_eq(from, to, bytes);
    free(from);
    free(to);
}
END_TEST

START_TEST(generations_pass_2_to_the_32)
{
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.first_generation = (UINT64_C(1) << 32) - 3;
    open_board(cfg);
    for (uint64_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(put(i), cfg.first_generation + i);
        const struct pawl_board_slot *slot = pawl_board_acquire(&rx[0]);
        ck_assert_uint_eq(words(slot)[0], i);
        ck_assert_uint_eq(rx[0].generation, cfg.first_generation + i);
    }
}
END_TEST

START_TEST(after_the_last_generation_nothing_is_published)
{
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    cfg.first_generation = PAWL_BOARD_GENERATION_MAX - 1;
    open_board(cfg);
    ck_assert_uint_eq(put(1), PAWL_BOARD_GENERATION_MAX - 1);
    ck_assert_uint_eq(put(2), PAWL_BOARD_GENERATION_MAX);
    ck_assert_uint_eq(put(3), 0);
    ck_assert_uint_eq(words(pawl_board_acquire(&rx[0]))[0], 2);
    ck_assert_uint_ne(pins[0].word, PAWL_PIN_NONE);
    ck_assert_uint_eq(pawl_board_count(page()).skipped, 1);
    cfg.first_generation++;
    cfg.first_generation++;
    ck_assert_int_eq(pawl_board_create(&tx, &segment, &cfg, &err), -EINVAL);
}
END_TEST

START_TEST(layout_names_the_rule_that_was_broken)
{
    struct pawl_board_geometry geometry;
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    ck_assert_int_eq(pawl_board_layout(&geometry, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "without tensors"));
    pawl_manifest_add(&manifest, "a", PAWL_U8, 0, NULL, NULL);
    cfg.manifest = &manifest;
    cfg.slot_count = 1;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_board_layout(&geometry, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "readers + 2"));
    cfg.reader_count = PAWL_BOARD_READERS_MAX + 1;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_board_layout(&geometry, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "1 to 1020"));
}
END_TEST

START_TEST(a_header_of_another_geometry_is_refused)
{
    struct pawl_board_geometry geometry;
    open_default(1);
    for (size_t i = 0; i < 6; i++)
        for (unsigned bit = 0; bit < 64; bit++) {
            struct pawl_segment_header header = segment.header;
            header.geometry[i] ^= UINT64_C(1) << bit;
            int code = pawl_board_read_geometry(&geometry, &header, NULL);
            ck_assert(code == -EPROTO || geometry.body_bytes <= header.body_bytes);
        }
}
END_TEST

START_TEST(the_manifest_is_in_the_segment)
{
    struct pawl_manifest read;
    open_default(1);
    ck_assert_int_eq(pawl_board_read_manifest(&read, &mapped[0], &err), 0);
    ck_assert_uint_eq(read.tensor_count, 2);
    ck_assert_uint_eq(pawl_manifest_find(&read, "b")->offset_bytes, 64);
    pawl_manifest_close(&read);
    segment.body[sizeof(struct pawl_board_page)] = '@';
    ck_assert_int_lt(pawl_board_read_manifest(&read, &mapped[0], &err), 0);
}
END_TEST

static void *publish_later(void *unused)
{
    const struct timespec a_while = {.tv_nsec = 20000000};
    nanosleep(&a_while, NULL);
    put(2);
    return unused;
}

START_TEST(a_waiting_reader_is_woken_by_the_next_version)
{
    pthread_t publisher;
    const struct pawl_wait wait = {.timeout_ns = 30 * PAWL_NS_PER_S};
    open_default(1);
    put(1);
    ck_assert_int_eq(pawl_board_wait(&rx[0], &wait, &err), 0);
    pawl_board_acquire(&rx[0]);
    pthread_create(&publisher, NULL, publish_later, NULL);
    ck_assert_int_eq(pawl_board_wait(&rx[0], &wait, &err), 0);
    pthread_join(publisher, NULL);
    ck_assert_uint_eq(pawl_board_latest(&rx[0]), 2);
    ck_assert_uint_eq(rx[0].late_wakes, 0);
    ck_assert_uint_eq(pins[0].waiter, 0);
}
END_TEST

START_TEST(a_wait_on_a_board_under_quarantine_says_so)
{
    const struct pawl_wait wait = {.timeout_ns = 0};
    open_default(1);
    put(1);
    atomic_store(&page()->latest, pawl_board_word(5, 3));
    ck_assert_ptr_null(pawl_board_acquire(&rx[0]));
    ck_assert_int_eq(pawl_board_wait(&rx[0], &wait, &err), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "board under quarantine"));
}
END_TEST

START_TEST(a_wait_ends_and_says_for_whom_it_waited)
{
    static _Atomic bool is_stopping;
    struct pawl_wait wait = {.whom = "learner 3", .timeout_ns = 1000};
    open_default(1);
    ck_assert_int_eq(pawl_board_wait(&rx[0], &wait, &err), -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(err.text, "learner 3"));
    wait.timeout_ns = UINT64_MAX;
    wait.is_stopping = &is_stopping;
    is_stopping = true;
    ck_assert_int_eq(pawl_board_wait(&rx[0], &wait, NULL), -ECANCELED);
}
END_TEST

#ifdef PAWL_FAULTS
/* A process that maps the board for writing, and dies at the point. */
START_TEST(a_writer_that_dies_at_any_step_leaves_old_or_new)
{
    static const char *const points[] = {"board.claim.W1", "board.claim.W2", "board.publish.W3",
                                         "board.publish.W4", "board.publish.wake"};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        char text[64];
        open_default(1);
        put(1);
        pid_t child = fork();
        if (child == 0) {
            snprintf(text, sizeof(text), "%s:kill", points[i]);
            pawl_fault_arm(text, NULL);
            put(2);
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        const struct pawl_board_slot *slot = pawl_board_acquire(&rx[0]);
        uint64_t wanted = i == 4 ? 2 : 1;
        ck_assert_uint_eq(pawl_board_last_generation(&segment), wanted);
        ck_assert_uint_eq(words(slot)[0], wanted);
        ck_assert_uint_eq(words(slot)[15], wanted);
        ck_assert(pawl_board_is_intact(&rx[0]));
        pawl_segment_close(&mapped[0]);
        pawl_segment_close(&segment);
    }
}
END_TEST

START_TEST(a_newer_version_during_a_pin_is_taken_instead)
{
    open_default(1);
    put(1);
    ck_assert_int_eq(pawl_fault_arm("board.acquire.R3:delay=50ms", &err), 0);
    pthread_t publisher;
    pthread_create(&publisher, NULL, publish_later, NULL);
    ck_assert_uint_eq(words(pawl_board_acquire(&rx[0]))[0], 2);
    pthread_join(publisher, NULL);
    ck_assert_uint_eq(pins[0].retries, 1);
    pawl_fault_disarm();
}
END_TEST

#define FAULT_TESTS                                                                            \
    , a_writer_that_dies_at_any_step_leaves_old_or_new,                                        \
        a_newer_version_during_a_pin_is_taken_instead
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN(
    "board", before_the_first_version_there_is_nothing, the_latest_version_is_read_in_place,
    a_claim_without_a_publish_is_invisible, a_pinned_version_stays_while_others_are_published,
    acquiring_the_next_version_lets_the_last_go,
    with_too_few_slots_a_version_is_skipped_and_counted,
    the_pin_of_a_reader_that_was_removed_holds_nothing,
    a_reader_taken_for_dead_is_told_that_its_version_is_gone,
    the_header_is_void_while_a_slot_is_filled, one_reader_more_than_configured_is_refused,
    the_next_incarnation_goes_on_above_the_last_generation,
    a_writer_that_dies_before_its_first_version_hides_none_of_the_ones_before,
    a_generation_that_goes_back_is_quarantined, a_slot_that_does_not_exist_is_never_read,
    a_slot_that_never_holds_the_latest_is_quarantined,
    a_pin_with_any_value_costs_a_slot_at_most, a_checksum_that_does_not_match_is_quarantined,
    a_copy_reader_holds_no_slot, large_blobs_arrive_whole, generations_pass_2_to_the_32,
    after_the_last_generation_nothing_is_published, layout_names_the_rule_that_was_broken,
    a_header_of_another_geometry_is_refused, the_manifest_is_in_the_segment,
    a_waiting_reader_is_woken_by_the_next_version, a_wait_on_a_board_under_quarantine_says_so,
    a_wait_ends_and_says_for_whom_it_waited FAULT_TESTS)
