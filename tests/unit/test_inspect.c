/* What an inspector finds, reads and shows, from segments of this process. */
#include "shm/inspect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/json.h"

#include "support/run.h"
#include "support/scratch.h"
#include "support/test.h"

#define SLOT_COUNT 8

/* So many that a slot that is not there is not mapped either. */
#define PARAMETER_COUNT (1u << 18)

/* A ring between two ends, a board and stats, and an inspector of them. */
struct example {
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_segment ring, ring_seen, acks;
    struct pawl_board_tx board_tx;
    struct pawl_board_rx board_rx;
    struct pawl_segment board, board_seen;
    struct pawl_stats stats;
    struct pawl_inspect inspect;
};

static struct example e;
static struct pawl_err err;
static char text[1 << 20];

enum { STEPS, LOSS, STEP_NS };
static const struct pawl_stat_row rows[] = {
    [STEPS] = {"actor.steps", PAWL_STAT_COUNTER, "steps", "Steps."},
    [LOSS] = {"sac.loss", PAWL_STAT_GAUGE, "", "Loss."},
    [STEP_NS] = {"actor.step_ns", PAWL_STAT_HIST, "ns", "Time."},
};

static void open_example(uint32_t policy, uint64_t first)
{
    struct pawl_ring_cfg ring_cfg = pawl_ring_default_cfg();
    const struct pawl_ring_rx_cfg rx_cfg = {0};
    struct pawl_board_cfg board_cfg = pawl_board_default_cfg();
    const struct pawl_board_rx_cfg board_rx_cfg = {0};
    struct pawl_manifest manifest = {0};
    const uint64_t shape = PARAMETER_COUNT;
    uint32_t reader_index;
    e = (struct example){0};
    err = (struct pawl_err){0};
    ring_cfg.slot_count = SLOT_COUNT;
    ring_cfg.data_bytes = 64;
    ring_cfg.policy = policy;
    ring_cfg.first = first;
    ring_cfg.label = "actor";
    board_cfg.manifest = &manifest;
    board_cfg.label = "params";
    bool is_open =
        pawl_ring_create(&e.tx, &e.ring, &ring_cfg, &err) == 0 &&
        pawl_ring_acks_create(&e.acks, 2, false, &err) == 0 &&
        pawl_ring_attach(&e.rx, &e.ring_seen, e.ring.fd, &e.acks, &rx_cfg, &err) == 0 &&
        pawl_ring_bind(&e.tx, &e.acks, 0, -1, &err) == 0 &&
        pawl_manifest_add(&manifest, "w", PAWL_F32, 1, &shape, &err) == 0 &&
        pawl_board_create(&e.board_tx, &e.board, &board_cfg, &err) == 0 &&
        pawl_board_add_reader(&e.board_tx, &e.tx.page->pin, &reader_index, &err) == 0 &&
        pawl_board_attach(&e.board_rx, &e.board_seen, NULL, e.board.fd, &e.tx.page->pin,
                          &board_rx_cfg, &err) == 0 &&
        pawl_stats_create(&e.stats, "actor stats", rows, 3, &err) == 0;
    ck_assert_msg(is_open, "%s", err.text);
    pawl_manifest_close(&manifest);
    const int fds[] = {e.ring.fd, e.acks.fd, e.board.fd, e.stats.segment.fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        ck_assert_int_eq(pawl_inspect_add(&e.inspect, fds[i], NULL, &err), 0);
}

static void close_example(void)
{
    pawl_inspect_close(&e.inspect);
    pawl_segment_close(&e.ring_seen);
    pawl_segment_close(&e.ring);
    pawl_segment_close(&e.acks);
    pawl_segment_close(&e.board_seen);
    pawl_segment_close(&e.board);
    pawl_stats_close(&e.stats);
}

static void publish(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct pawl_ring_slot *slot = pawl_ring_claim(&e.tx);
        ck_assert_ptr_nonnull(slot);
        slot->record = (struct pawl_ring_record){
            .bytes = 64, .capture_ns = pawl_clock_now_ns() - 5 * PAWL_NS_PER_S};
        pawl_ring_publish(&e.tx);
    }
}

static void consume(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        ck_assert_ptr_nonnull(pawl_ring_peek(&e.rx));
        pawl_ring_release(&e.rx);
    }
}

static const struct pawl_inspect_segment *of_kind(uint32_t kind)
{
    for (uint32_t i = 0; i < e.inspect.segment_count; i++)
        if (e.inspect.segments[i].segment.header.kind == kind)
            return &e.inspect.segments[i];
    ck_abort_msg("no segment of the kind");
}

static const struct pawl_inspect_ring *ring(void)
{
    return &of_kind(PAWL_SEGMENT_RING)->ring;
}

/* The tables, of which every line has to fit. */
static const char *printed(bool has_color)
{
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    pawl_inspect_print(&e.inspect, out, has_color);
    fclose(out);
    for (const char *line = text, *end; !has_color && (end = strchr(line, '\n'));
         line = end + 1)
        ck_assert_msg(end - line <= 80, "%.*s", (int)(end - line), line);
    return text;
}

static void assert_json(struct pawl_json *doc)
{
    const struct pawl_json_limits limits = {.bytes_max = sizeof(text), .depth_max = 16};
    FILE *out = fmemopen(text, sizeof(text), "w");
    ck_assert_ptr_nonnull(out);
    ck_assert_msg(pawl_inspect_json(&e.inspect, out, 2, &err) == 0, "%s", err.text);
    fclose(out);
    ck_assert_msg(pawl_json_open_text(doc, text, strlen(text), "shm", &limits, &err) == 0, "%s",
                  err.text);
}

START_TEST(both_sums_are_right_after_every_kind_of_step)
{
    static const uint64_t firsts[] = {0, UINT32_MAX - 11ull, UINT64_MAX - 11ull};
    for (size_t f = 0; f < 3; f++) {
        open_example(PAWL_RING_DROP_NEWEST, firsts[f]);
        publish(5);
        consume(3);
        pawl_ring_claim(&e.tx);
        pawl_ring_abort(&e.tx);
        pawl_ring_drop(&e.tx);
        pawl_ring_claim(&e.tx); /* and neither published nor aborted */
        pawl_inspect_look(&e.inspect);
        ck_assert_uint_eq(ring()->attempted.left, 8);
        ck_assert_uint_eq(ring()->attempted.right, 8);
        ck_assert_uint_eq(ring()->counts.claimed, 1);
        ck_assert_uint_eq(ring()->committed.left, 5);
        ck_assert_uint_eq(ring()->committed.right, 5);
        ck_assert_uint_eq(ring()->in_ring, 2);
        ck_assert(!ring()->attempted.is_broken && !ring()->attempted.is_moving);
        ck_assert(!ring()->committed.is_broken && !ring()->committed.is_moving);
        ck_assert_ptr_nonnull(strstr(printed(false), "ok     attempted 8 ="));
        close_example();
    }
}
END_TEST

START_TEST(a_sum_that_is_wrong_is_told_with_its_numbers)
{
    open_example(PAWL_RING_BLOCK, 0);
    publish(5);
    consume(3);
    atomic_fetch_add(&e.tx.page->aborted, 1);
    atomic_fetch_sub(&e.rx.ack->consumed, 1);
    pawl_inspect_look(&e.inspect);
    ck_assert(ring()->attempted.is_broken);
    ck_assert(ring()->committed.is_broken);
    printed(false);
    ck_assert_ptr_nonnull(strstr(text, "BROKEN attempted 5 = 5 committed + 0 dropped + 1"));
    ck_assert_ptr_nonnull(strstr(text, "BROKEN committed 5 = 2 consumed + 2 in ring + 0"));
    close_example();
}
END_TEST

START_TEST(what_was_overwritten_is_part_of_the_sum)
{
    unsigned char data[64] = {0};
    const struct pawl_ring_record record = {.bytes = 64};
    struct pawl_ring_record got;
    open_example(PAWL_RING_OVERWRITE, 0);
    for (int i = 0; i < 3 * SLOT_COUNT; i++)
        pawl_ring_put(&e.tx, &record, data);
    while (pawl_ring_get(&e.rx, &got, data) == PAWL_RING_DONE)
        ;
    pawl_inspect_look(&e.inspect);
    ck_assert_uint_gt(ring()->counts.lost, 0);
    ck_assert_uint_eq(ring()->committed.left, 3 * SLOT_COUNT);
    ck_assert_uint_eq(ring()->committed.right, 3 * SLOT_COUNT);
    ck_assert(!ring()->committed.is_broken);
    close_example();
}
END_TEST

START_TEST(the_reader_of_a_ring_is_found_by_what_its_page_says)
{
    open_example(PAWL_RING_BLOCK, 0);
    pawl_inspect_look(&e.inspect);
    ck_assert(ring()->has_reader);
    atomic_fetch_xor(&e.rx.ack->ring_epoch[1], 1);
    pawl_inspect_look(&e.inspect);
    ck_assert(!ring()->has_reader);
    ck_assert_ptr_nonnull(strstr(printed(false), " none "));
    close_example();
}
END_TEST

START_TEST(a_waiting_record_has_an_age_and_two_looks_have_a_rate)
{
    open_example(PAWL_RING_BLOCK, 0);
    pawl_inspect_look(&e.inspect);
    ck_assert(ring()->rate_hz < 0);
    publish(4);
    consume(1);
    pawl_inspect_look(&e.inspect);
    ck_assert_uint_ge(ring()->lag_ns, 5 * PAWL_NS_PER_S);
    ck_assert(ring()->rate_hz > 0);
    ck_assert(ring()->bytes_hz > 63 * ring()->rate_hz);
    ck_assert(ring()->blocked_share == 0);
    for (uint32_t i = 0; i < e.inspect.segment_count; i++)
        e.inspect.segments[i].ring.blocked_share = 1.012; /* its two clocks differ */
    ck_assert_ptr_nonnull(strstr(printed(false), " 100.0 %\n"));
    close_example();
}
END_TEST

START_TEST(who_pins_which_version_is_shown_and_how_old_it_is)
{
    static const float blob[PARAMETER_COUNT];
    uint32_t slot_index;
    open_example(PAWL_RING_BLOCK, 0);
    pawl_inspect_look(&e.inspect);
    ck_assert_uint_eq(ring()->version_age_ns, PAWL_INSPECT_UNKNOWN);
    pawl_board_put(&e.board_tx, blob, 1);
    pawl_board_acquire(&e.board_rx);
    pawl_inspect_look(&e.inspect);
    ck_assert_uint_eq(ring()->version, 1);
    ck_assert_uint_eq(ring()->behind_count, 0);
    ck_assert_uint_ne(ring()->version_age_ns, PAWL_INSPECT_UNKNOWN);
    ck_assert(pawl_inspect_pins(of_kind(PAWL_SEGMENT_BOARD), of_kind(PAWL_SEGMENT_RING),
                                &slot_index));
    ck_assert_ptr_nonnull(strstr(printed(false), "pins version 1 in slot"));
    pawl_board_release(&e.board_rx);
    for (int i = 0; i < 5; i++)
        pawl_board_put(&e.board_tx, blob, 1);
    pawl_inspect_look(&e.inspect);
    ck_assert_uint_eq(ring()->behind_count, 5);
    ck_assert_uint_ne(ring()->version_age_ns, PAWL_INSPECT_UNKNOWN);
    ck_assert_ptr_null(strstr(printed(false), "pins version"));
    close_example();
}
END_TEST

START_TEST(a_pin_on_a_slot_that_is_not_there_is_none)
{
    open_example(PAWL_RING_BLOCK, 0);
    for (uint32_t slot = 0; slot <= PAWL_BOARD_SLOT_MASK; slot++) {
        atomic_store(&e.tx.page->pin.word, pawl_board_word(1, slot));
        pawl_inspect_look(&e.inspect);
        ck_assert_ptr_null(strstr(printed(false), "pins version"));
    }
    close_example();
}
END_TEST

START_TEST(stats_are_shown_with_their_units)
{
    open_example(PAWL_RING_BLOCK, 0);
    pawl_stats_add(&e.stats, STEPS, 41);
    pawl_stats_set(&e.stats, LOSS, 0.25);
    pawl_stats_record(&e.stats, STEP_NS, 1500);
    pawl_inspect_look(&e.inspect);
    printed(false);
    ck_assert_ptr_nonnull(strstr(text, "41 steps\n"));
    ck_assert_ptr_nonnull(strstr(text, "0.25"));
    ck_assert_ptr_nonnull(strstr(text, "p50 1500, p99 1500, max 1500 ns\n"));
    close_example();
}
END_TEST

START_TEST(an_owner_that_lives_and_does_not_move_is_called_silent)
{
    open_example(PAWL_RING_BLOCK, 0);
    atomic_store(&e.tx.page->heartbeat_ns, pawl_clock_now_ns());
    pawl_inspect_look(&e.inspect);
    ck_assert_int_eq(of_kind(PAWL_SEGMENT_RING)->state, PAWL_INSPECT_RUNNING);
    atomic_store(&e.tx.page->heartbeat_ns, pawl_clock_now_ns() - 30 * PAWL_NS_PER_S);
    pawl_inspect_look(&e.inspect);
    ck_assert_int_eq(of_kind(PAWL_SEGMENT_RING)->state, PAWL_INSPECT_SILENT);
    ck_assert_ptr_nonnull(
        strstr(printed(false), "lives, and has shown no progress for 30.0 s"));
    close_example();
}
END_TEST

START_TEST(json_has_a_stable_name_for_everything_in_the_table)
{
    static const char *const names[] = {
        "rate_hz",         "bytes_hz",      "blocked_share",  "in_ring",
        "in_ring_max",     "lag_s",         "dropped",        "aborted",
        "wakes",           "version",       "distance_ns",    "copy_method",
        "heartbeat_age_s", "version_age_s", "page_bytes",     "owner",
        "state",           "pid",           "versions_behind"};
    struct pawl_json doc;
    struct pawl_json_at segments, sum;
    const char *verdict;
    open_example(PAWL_RING_BLOCK, 0);
    publish(2);
    pawl_inspect_look(&e.inspect);
    assert_json(&doc);
    const struct pawl_json_at root = pawl_json_root(&doc);
    ck_assert_int_eq(pawl_json_get_array(&root, "segments", &segments, &err), 0);
    ck_assert_uint_eq(pawl_json_count(&segments), 4);
    const struct pawl_json_at first = pawl_json_item(&segments, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_msg(pawl_json_has(&first, names[i]), "%s", names[i]);
    ck_assert_int_eq(pawl_json_get_object(&first, "sum_committed", &sum, &err), 0);
    ck_assert_int_eq(pawl_json_get_string(&sum, "verdict", &verdict, &err), 0);
    ck_assert_str_eq(verdict, "ok");
    pawl_json_close(&doc);
    close_example();
}
END_TEST

START_TEST(without_color_there_is_no_escape_byte_and_with_it_there_is)
{
    open_example(PAWL_RING_BLOCK, 0);
    pawl_inspect_look(&e.inspect);
    ck_assert_ptr_null(strchr(printed(false), '\x1b'));
    ck_assert_ptr_nonnull(strchr(printed(true), '\x1b'));
    close_example();
}
END_TEST

START_TEST(a_label_cannot_speak_to_the_terminal)
{
    struct pawl_segment segment;
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    struct pawl_inspect inspect = {0};
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.label = "a\x1b]0;b\a";
    cfg.body_bytes = 1;
    cfg.is_shared_writable = true;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), 0);
    ck_assert_int_eq(pawl_inspect_add(&inspect, segment.fd, NULL, &err), 0);
    ck_assert_str_eq(inspect.segments[0].owner, "a?]0;b?");
    e.inspect = inspect;
    pawl_inspect_look(&e.inspect);
    ck_assert_ptr_null(strpbrk(printed(false), "\x1b\a"));
    pawl_inspect_close(&e.inspect);
    pawl_segment_close(&segment);
}
END_TEST

/* Not a unit of work: a look at what is scribbled over, and a line of it. */
static void look_at_nonsense(void)
{
    struct pawl_json doc;
    pawl_inspect_look(&e.inspect);
    printed(false);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    assert_json(&doc);
    pawl_json_close(&doc);
}

START_TEST(no_bytes_of_a_run_break_the_inspector)
{
    static const unsigned char fills[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    open_example(PAWL_RING_BLOCK, 0);
    publish(3);
    const struct pawl_segment *segments[] = {&e.ring, &e.acks, &e.board, &e.stats.segment};
    for (size_t s = 0; s < 4; s++)
        for (size_t f = 0; f < sizeof(fills); f++) {
            /* All of it, and then each block of a page of figures on its own. */
            memset(segments[s]->body, fills[f], segments[s]->body_bytes);
            look_at_nonsense();
            memset(segments[s]->body, 0, segments[s]->body_bytes);
            for (size_t at = 0; at < 1024; at += 64) {
                memset(segments[s]->body + at, fills[f], 24);
                pawl_inspect_look(&e.inspect);
                memset(segments[s]->body + at, 0, 24);
            }
        }
    look_at_nonsense();
    close_example();
}
END_TEST

START_TEST(what_is_no_segment_is_shown_with_the_reason)
{
    int fd = memfd_create("pawl:nonsense", MFD_CLOEXEC);
    open_example(PAWL_RING_BLOCK, 0);
    e.ring.base[40] ^= 1; /* the hash of its spec */
    struct pawl_inspect inspect = {0};
    ck_assert_int_eq(ftruncate(fd, 8192), 0);
    ck_assert_int_eq(pawl_inspect_add(&inspect, fd, NULL, &err), 0);
    ck_assert_int_eq(pawl_inspect_add(&inspect, e.ring.fd, NULL, &err), 0);
    ck_assert_ptr_nonnull(strstr(inspect.segments[0].problem, "magic"));
    ck_assert_ptr_nonnull(strstr(inspect.segments[1].problem, "crc32c"));
    pawl_inspect_close(&e.inspect);
    e.inspect = inspect;
    pawl_inspect_look(&e.inspect);
    ck_assert_ptr_nonnull(strstr(printed(false), "cannot be read: "));
    look_at_nonsense();
    close(fd);
    close_example();
}
END_TEST

START_TEST(the_inspector_cannot_write)
{
    open_example(PAWL_RING_BLOCK, 0);
    for (uint32_t i = 0; i < e.inspect.segment_count; i++) {
        const struct pawl_inspect_segment *segment = &e.inspect.segments[i];
        ck_assert(!segment->segment.is_writable && !segment->stats.segment.is_writable);
        ck_assert_int_eq(segment->segment.fd, -1);
        if (segment->segment.base)
            ck_assert_int_ne(
                mprotect(segment->segment.base, segment->segment.total_bytes, PROT_WRITE), 0);
    }
    close_example();
}
END_TEST

START_TEST(a_segment_is_shown_once_whoever_tells_of_it)
{
    open_example(PAWL_RING_BLOCK, 0);
    int again = dup(e.ring.fd);
    ck_assert_int_eq(pawl_inspect_add(&e.inspect, again, NULL, &err), 0);
    ck_assert_uint_eq(e.inspect.segment_count, 4);
    close(again);
    close_example();
}
END_TEST

static struct run run;

/* pawl_inspect_open() while a hub is served. */
struct opening {
    const char *folder;
    int status;
    atomic_bool is_done;
};

static void *open_in_thread(void *context)
{
    struct opening *opening = context;
    opening->status = pawl_inspect_open(&e.inspect, opening->folder, &err);
    atomic_store(&opening->is_done, true);
    return NULL;
}

START_TEST(the_hub_tells_who_owns_what_and_who_reads_it)
{
    struct scratch scratch;
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    static struct pawl_peer actor, learner;
    uint64_t ring_id, acks_id;
    pthread_t thread;
    int doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    open_example(PAWL_RING_BLOCK, 0);
    pawl_inspect_close(&e.inspect);
    scratch_open(&scratch);
    cfg.folder = scratch_path(&scratch, "runtime");
    struct opening opening = {.folder = scratch.path};
    run_open(&run, &cfg);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 3);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    ck_assert_int_eq(pawl_peer_offer(&learner, &e.acks, doorbell_fd, &acks_id, &err), 0);
    ck_assert_int_eq(pawl_peer_offer(&actor, &e.ring, -1, &ring_id, &err), 0);
    run_serve(&run);
    ck_assert_int_eq(pawl_peer_bind(&learner, ring_id, acks_id, 0, &err), 0);
    run_serve(&run);
    atomic_fetch_xor(&e.rx.ack->ring_epoch[1], 1); /* the hub is asked, not the page */

    pthread_create(&thread, NULL, open_in_thread, &opening);
    while (!atomic_load(&opening.is_done)) {
        run_serve(&run);
        poll(NULL, 0, 1);
    }
    pthread_join(thread, NULL);
    ck_assert_msg(opening.status == 0, "%s", err.text);
    pawl_inspect_look(&e.inspect);
    ck_assert_str_eq(of_kind(PAWL_SEGMENT_RING)->owner, "actor 3");
    ck_assert_str_eq(of_kind(PAWL_SEGMENT_ACK)->owner, "learner 0");
    ck_assert(ring()->has_reader);

    run_kill(&run, &actor);
    pawl_inspect_look(&e.inspect);
    ck_assert_int_eq(of_kind(PAWL_SEGMENT_RING)->state, PAWL_INSPECT_ENDED);
    pawl_hub_close(&run.hub);
    pawl_inspect_look(&e.inspect);
    ck_assert_uint_eq(e.inspect.segment_count, 2); /* what it offered stays */
    ck_assert_ptr_nonnull(strstr(printed(false), "the supervisor hung up"));
    pawl_peer_close(&learner);
    close(doorbell_fd);
    close_example();
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_that_is_not_there_is_told_with_the_way_out)
{
    struct scratch scratch;
    struct pawl_inspect inspect;
    static const struct {
        const char *run;
        int status;
        const char *words;
    } cases[] = {
        {"no/such/folder", -EINVAL, "give the run folder"},
        {"", -EINVAL, "give the run folder"},
        {"99999999999", -EINVAL, "give the run folder"},
        {"4194304", -ENOENT, "process 4194304 has ended"},
        {"/", -EINVAL, "/: no run folder: it has no run.lock"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = (struct pawl_err){0};
        ck_assert_int_eq(pawl_inspect_open(&inspect, cases[i].run, &err), cases[i].status);
        ck_assert_msg(strstr(err.text, cases[i].words), "%s", err.text);
    }
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "run.lock"), "", 0); /* of one that has ended */
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_inspect_open(&inspect, scratch.path, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "leaves no shared memory, by design"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(nothing_is_left_open)
{
    int before = temp_fd_count();
    open_example(PAWL_RING_BLOCK, 0);
    pawl_inspect_look(&e.inspect);
    close_example();
    ck_assert_int_eq(temp_fd_count(), before);
}
END_TEST

PAWL_TEST_MAIN("inspect", both_sums_are_right_after_every_kind_of_step,
               a_sum_that_is_wrong_is_told_with_its_numbers,
               what_was_overwritten_is_part_of_the_sum,
               the_reader_of_a_ring_is_found_by_what_its_page_says,
               a_waiting_record_has_an_age_and_two_looks_have_a_rate,
               who_pins_which_version_is_shown_and_how_old_it_is,
               a_pin_on_a_slot_that_is_not_there_is_none, stats_are_shown_with_their_units,
               an_owner_that_lives_and_does_not_move_is_called_silent,
               json_has_a_stable_name_for_everything_in_the_table,
               without_color_there_is_no_escape_byte_and_with_it_there_is,
               a_label_cannot_speak_to_the_terminal, no_bytes_of_a_run_break_the_inspector,
               what_is_no_segment_is_shown_with_the_reason, the_inspector_cannot_write,
               a_segment_is_shown_once_whoever_tells_of_it,
               the_hub_tells_who_owns_what_and_who_reads_it,
               a_run_that_is_not_there_is_told_with_the_way_out, nothing_is_left_open)
