/* test_actor.c: the real pawl-actor, beside a hub and a learner that live in the test. The
 * dummy environment's observation says whose it is, so every record is held against the seed of
 * its episode: torn, lost, doubled and misplaced ones are seen. */
#include "actor/actor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_dummy.h"
#include "actor/lanes.h"
#include "runtime/pace.h"
#include "runtime/proc.h"
#include "runtime/sha256.h"
#include "shm/board.h"
#include "shm/record.h"
#include "shm/ring.h"
#include "shm/run_stats.h"
#include "support/run.h"
#include "support/scratch.h"
#include "support/test.h"

#define RINGS_MAX    16
#define LANES_MAX    4
#define RUN_SEED     11
#define HASHED_COUNT 1500
#define DRAIN_MAX    10000 /* records, before the hub is served again */

/* One incarnation of the actor, as its ring shows it. */
struct reader {
    uint64_t id;
    struct pawl_segment segment;
    struct pawl_ring_rx rx;
    struct pawl_spec spec;
    size_t state_offset, state_count;
    bool is_gone, has_bye;
    uint64_t record_count, step_count, final_count, truncated_count;
    struct {
        bool has_record, is_final_due;
        uint32_t episode, step;
    } lanes[LANES_MAX];
    struct pawl_sha256 bytes; /* of the first records, heads and payload */
};

static struct theatre {
    struct scratch scratch;
    struct run run;
    struct pawl_peer learner;
    struct pawl_segment acks, board_segment;
    struct pawl_board_tx board;
    uint64_t acks_id;
    struct reader readers[RINGS_MAX];
    uint32_t reader_count;
    struct pawl_proc actor;
    bool is_deaf;           /* the learner reads no record */
    uint64_t publish_every; /* records, in lock-step; 0: no board */
} theatre;

static struct pawl_err err;

#define DO(call) ck_assert_msg((call) == 0, "%s", err.text)

static void theatre_open(void)
{
    scratch_open(&theatre.scratch);
    run_open(&theatre.run, NULL);
    run_join(&theatre.run, &theatre.learner, PAWL_ROLE_LEARNER, 0);
    DO(pawl_ring_acks_create(&theatre.acks, RINGS_MAX, true, &err));
    DO(pawl_peer_offer(&theatre.learner, &theatre.acks, -1, &theatre.acks_id, &err));
}

static void theatre_close(void)
{
    pawl_proc_close(&theatre.actor);
    for (uint32_t i = 0; i < theatre.reader_count; i++)
        pawl_segment_close(&theatre.readers[i].segment);
    pawl_segment_close(&theatre.acks);
    pawl_segment_close(&theatre.board_segment);
    pawl_peer_close(&theatre.learner);
    run_close(&theatre.run);
    scratch_close(&theatre.scratch);
}

/* fault NULL: none. Standard error goes to `words`. */
static void actor_start(const char *toml, const char *fault)
{
    const char *path = scratch_path(&theatre.scratch, "config.toml");
    FILE *file = fopen(path, "w");
    fprintf(file, "[run]\nseed = %d\n%s", RUN_SEED, toml);
    fclose(file);
    const char *const argv[] = {
        PAWL_BIN_DIR "/pawl-actor", "--config", path, "--index", "0", "--hub", "3", NULL};
    char fault_text[128];
    const char *const env[] = {fault_text, NULL};
    snprintf(fault_text, sizeof(fault_text), "PAWL_FAULT=%s", fault ? fault : "");
    int hub_fd;
    DO(pawl_hub_invite(&theatre.run.hub, PAWL_ROLE_ACTOR, 0, &hub_fd, &err));
    int words_fd = open(scratch_path(&theatre.scratch, "words"),
                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const struct pawl_proc_fd fds[] = {{.fd = hub_fd, .number = 3},
                                       {.fd = words_fd, .number = 2}};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    cfg.path = argv[0];
    cfg.argv = argv;
    cfg.env = fault ? env : NULL;
    cfg.fds = fds;
    cfg.fd_count = 2;
    cfg.death_signal = SIGKILL;
    pawl_proc_close(&theatre.actor);
    DO(pawl_proc_start(&theatre.actor, &cfg, &err));
    close(hub_fd);
    close(words_fd);
}

static const char *words(void)
{
    static char text[16384];
    FILE *file = fopen(scratch_path(&theatre.scratch, "words"), "r");
    size_t bytes = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[bytes] = '\0';
    if (file)
        fclose(file);
    return text;
}

static void board_open(struct reader *reader)
{
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    uint32_t reader_index;
    uint64_t id, first = 1;
    DO(pawl_manifest_add(&manifest, "w", PAWL_U64, 0, NULL, &err));
    cfg.manifest = &manifest;
    cfg.reader_count = 1;
    DO(pawl_board_create(&theatre.board, &theatre.board_segment, &cfg, &err));
    DO(pawl_board_add_reader(&theatre.board, &reader->rx.page->pin, &reader_index, &err));
    pawl_board_put(&theatre.board, &first, 0);
    DO(pawl_peer_offer(&theatre.learner, &theatre.board_segment, -1, &id, &err));
    pawl_manifest_close(&manifest);
}

static void take_ring(struct pawl_peer_event *event)
{
    uint32_t page = theatre.reader_count++;
    struct reader *reader = &theatre.readers[page];
    struct pawl_ring_rx_cfg cfg = {.ack_index = page, .flush_count = 1};
    ck_assert_uint_lt(page, RINGS_MAX);
    reader->id = event->offer.id;
    reader->is_gone = event->offer.is_gone;
    DO(pawl_ring_attach(&reader->rx, &reader->segment, event->fds[0], &theatre.acks, &cfg,
                        &err));
    DO(pawl_spec_parse(&reader->spec, pawl_segment_spec(&reader->segment),
                       reader->segment.header.spec_bytes, &err));
    const struct pawl_spec_field *state = pawl_spec_find(&reader->spec, "obs.state");
    reader->state_offset = state->offset_bytes;
    reader->state_count = state->shape[0];
    pawl_sha256_start(&reader->bytes);
    if (theatre.publish_every)
        board_open(reader);
    DO(pawl_peer_bind(&theatre.learner, reader->id, theatre.acks_id, page, &err));
}

static void take_gone(const struct pawl_hub_gone *gone)
{
    for (uint32_t i = 0; i < theatre.reader_count; i++)
        if (theatre.readers[i].id == gone->id) {
            theatre.readers[i].is_gone = true;
            theatre.readers[i].has_bye = gone->how == PAWL_GONE_BYE;
        }
}

/* As ck_assert, but without a word to the test's parent for each of a million records. */
#define EXPECT(condition)                                                                      \
    do {                                                                                       \
        if (!(condition))                                                                      \
            ck_abort_msg("record %" PRIu64 ": not so: " #condition, reader->record_count);     \
    } while (0)

/* The record belongs where it stands. */
static void check_record(struct reader *reader, const struct pawl_ring_slot *slot)
{
    const struct pawl_ring_record *head = &slot->record;
    bool is_final = (head->flags & PAWL_RECORD_FINAL) != 0;

    EXPECT(head->lane < LANES_MAX);
    EXPECT(head->bytes == reader->spec.record_bytes);
    EXPECT(is_final != ((head->flags & PAWL_RECORD_STEP) != 0));
    uint64_t seed =
        pawl_lanes_episode_seed(RUN_SEED, PAWL_LANES_TRAIN, head->lane, head->episode);
    float number = pawl_env_dummy_number(seed, head->step);
    for (size_t i = 0; i < reader->state_count; i++) {
        float value;
        memcpy(&value, slot->data + reader->state_offset + 4 * i, 4);
        EXPECT(value == number);
    }
    EXPECT(is_final ? head->actor_step <= reader->step_count
                    : head->actor_step == reader->step_count);
    if (reader->lanes[head->lane].has_record) {
        EXPECT(head->episode == reader->lanes[head->lane].episode);
        EXPECT(head->step == reader->lanes[head->lane].step);
    } else
        EXPECT(head->step == 0);
    EXPECT(is_final || !reader->lanes[head->lane].is_final_due);
    reader->lanes[head->lane].has_record = true;
    reader->lanes[head->lane].is_final_due =
        !is_final && (head->flags & (PAWL_RECORD_TERMINATED | PAWL_RECORD_TRUNCATED)) != 0;
    reader->lanes[head->lane].episode = head->episode + is_final;
    reader->lanes[head->lane].step = is_final ? 0 : head->step + 1;
    reader->record_count++;
    reader->step_count += !is_final;
    reader->final_count += is_final;
    reader->truncated_count += is_final && (head->flags & PAWL_RECORD_TRUNCATED);
}

static void drain(struct reader *reader)
{
    const struct pawl_ring_slot *slot;

    for (int i = 0; i < DRAIN_MAX && (slot = pawl_ring_peek(&reader->rx)); i++) {
        check_record(reader, slot);
        if (reader->record_count <= HASHED_COUNT) {
            pawl_sha256_update(&reader->bytes, &slot->record, sizeof(slot->record));
            pawl_sha256_update(&reader->bytes, slot->data, reader->spec.record_bytes);
        }
        /* Lock-step: what follows from a record comes before it is let go. */
        if (theatre.publish_every && reader->record_count % theatre.publish_every == 0)
            pawl_board_put(&theatre.board, &reader->record_count, 0);
        pawl_ring_release(&reader->rx);
    }
    DO(pawl_ring_rx_state(&reader->rx, &err));
}

static void pump(void)
{
    struct pawl_peer_event event;

    run_serve(&theatre.run);
    do {
        DO(pawl_peer_poll(&theatre.learner, &event, &err));
        if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_RING)
            take_ring(&event);
        if (event.kind == PAWL_PEER_GONE)
            take_gone(&event.gone);
        pawl_peer_event_drop(&event);
    } while (event.kind != PAWL_PEER_NONE);
    for (uint32_t i = 0; i < theatre.reader_count && !theatre.is_deaf; i++)
        drain(&theatre.readers[i]);
}

static struct reader *newest(void)
{
    return theatre.reader_count ? &theatre.readers[theatre.reader_count - 1] : NULL;
}

/* Until the newest actor has made so many steps, as the learner sees them. */
static void pump_until(uint32_t ring_count, uint64_t step_count)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
    while (theatre.reader_count < ring_count || newest()->step_count < step_count) {
        pump();
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "no progress; the actor says: %s",
                      words());
    }
}

static struct pawl_proc_exit actor_wait(void)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
    while (pawl_proc_wait(&theatre.actor, 0, &err) == -EAGAIN) {
        pump();
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "does not end; the actor says: %s",
                      words());
    }
    theatre.is_deaf = false;
    do /* until all that it left is read */
        pump();
    while (newest() && pawl_ring_peek(&newest()->rx));
    return theatre.actor.exit;
}

static const char fast[] = "[env]\ntype = \"dummy\"\nlanes = 2\n[env.dummy]\nsteps_max = 50\n"
                           "[policy]\ntype = \"random\"\n[x-other]\nkey = 1\n";

START_TEST(an_actor_acts_until_told_to_stop_and_hands_over_every_record)
{
    theatre_open();
    actor_start(fast, NULL);
    pump_until(1, 20000);
    pawl_hub_tell_stop(&theatre.run.hub, 0, PAWL_STOP_ASKED,
                       pawl_clock_now_ns() + 5 * PAWL_NS_PER_S);
    struct pawl_proc_exit how = actor_wait();
    ck_assert_msg(how.code == 0 && how.signal == 0, "%s", words());
    struct reader *reader = newest();
    ck_assert(reader->has_bye);
    ck_assert_uint_eq(reader->rx.next, atomic_load(&reader->rx.page->head));
    ck_assert_uint_eq(atomic_load(&reader->rx.page->resv), reader->rx.next);
    /* Every lane's last record is a FINAL one. */
    for (int i = 0; i < 2; i++)
        ck_assert_uint_eq(reader->lanes[i].step, 0);
    /* All but the last two were truncated by the environment, those were cut. */
    ck_assert_uint_le(reader->final_count - reader->truncated_count, 2);
    ck_assert_uint_gt(reader->truncated_count, 100);
    const struct run_event *bye = run_find(&theatre.run, PAWL_HUB_GONE);
    ck_assert_uint_eq(bye->value, reader->record_count);
    theatre_close();
}
END_TEST

START_TEST(sigterm_is_an_order_to_stop_as_well)
{
    theatre_open();
    actor_start(fast, NULL);
    pump_until(1, 1000);
    DO(pawl_proc_signal(&theatre.actor, SIGTERM, &err));
    struct pawl_proc_exit how = actor_wait();
    ck_assert_msg(how.code == 0 && how.signal == 0, "%s", words());
    ck_assert(newest()->has_bye);
    theatre_close();
}
END_TEST

START_TEST(killed_anywhere_it_leaves_whole_records_and_the_next_one_goes_on)
{
    static const char *const faults[] = {
        "acting.step:kill@3001",     "ring.publish.P4:kill@2003", "ring.publish.P5:kill@999",
        "ring.claim.P2:kill@1500",   "env.reset:kill@20",         "env.step:kill@777",
        "ring.publish.P4:kill@2004",
    };
    const size_t count = sizeof(faults) / sizeof(faults[0]);
    theatre_open();
    for (size_t i = 0; i < count; i++) {
        actor_start(fast, faults[i]);
        struct pawl_proc_exit how = actor_wait();
        ck_assert_msg(how.signal == SIGKILL, "%s: %s", faults[i], words());
        ck_assert_uint_eq(theatre.reader_count, i + 1);
        ck_assert(newest()->is_gone && !newest()->has_bye);
        ck_assert_uint_gt(newest()->step_count, 300);
    }
    actor_start(fast, NULL);
    pump_until((uint32_t)count + 1, 1000);
    /* No life repeats the episodes of another. */
    for (uint32_t i = 0; i + 1 < theatre.reader_count; i++)
        ck_assert_uint_lt(theatre.readers[i].lanes[0].episode,
                          theatre.readers[i + 1].lanes[0].episode - 1000);
    theatre_close();
}
END_TEST

START_TEST(an_environment_that_hangs_ends_the_actor_and_the_next_one_goes_on)
{
    theatre_open();
    static const char toml[] = "[env]\ntype = \"dummy\"\n[policy]\ntype = \"null\"\n"
                               "[actor]\nhang_s = 0.2\n";
    actor_start(toml, "env.step:delay=60s@2000");
    struct pawl_proc_exit how = actor_wait();
    ck_assert_msg(how.code == 1 && how.signal == 0, "%s", words());
    ck_assert_ptr_nonnull(strstr(words(), "environment hung"));
    ck_assert_ptr_nonnull(strstr(words(), "in=step"));
    ck_assert_uint_eq(newest()->step_count, 1999);
    ck_assert(!newest()->has_bye);
    actor_start(toml, NULL);
    pump_until(2, 1000);
    theatre_close();
}
END_TEST

START_TEST(a_reset_may_take_longer_and_a_stop_is_no_hang)
{
    theatre_open();
    actor_start("[env]\ntype = \"dummy\"\n[policy]\ntype = \"null\"\n"
                "[actor]\nhang_s = 0.1\n",
                "env.reset:delay=600ms@2");
    pump_until(1, 1500);
    DO(pawl_proc_signal(&theatre.actor, SIGSTOP, &err));
    struct timespec pause = {.tv_nsec = 500 * 1000 * 1000};
    nanosleep(&pause, NULL);
    DO(pawl_proc_signal(&theatre.actor, SIGCONT, &err));
    pump_until(1, newest()->step_count + 2000);
    ck_assert_int_eq(pawl_proc_wait(&theatre.actor, 0, &err), -EAGAIN);
    theatre_close();
}
END_TEST

START_TEST(without_its_supervisor_it_ends_by_itself)
{
    theatre_open();
    actor_start(fast, NULL);
    pump_until(1, 1000);
    pawl_hub_close(&theatre.run.hub);
    uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
    struct reader *reader = newest();
    while (pawl_proc_wait(&theatre.actor, 0, &err) == -EAGAIN) {
        drain(reader);
        ck_assert(pawl_clock_now_ns() < deadline_ns);
    }
    while (pawl_ring_peek(&reader->rx))
        drain(reader);
    ck_assert_int_eq(theatre.actor.exit.code, 1);
    ck_assert_ptr_nonnull(strstr(words(), "the supervisor is gone"));
    ck_assert_uint_eq(reader->lanes[0].step, 0);
    theatre_close();
}
END_TEST

START_TEST(records_that_the_learner_refuses_end_the_actor_with_2)
{
    theatre_open();
    actor_start(fast, NULL);
    pump_until(1, 1000);
    struct pawl_err why = {0};
    pawl_err_set(&why, EPROTO, "field 'obs.state': float32[18] here, float32[17] there");
    DO(pawl_peer_refuse(&theatre.learner, newest()->id, &why, &err));
    struct pawl_proc_exit how = actor_wait();
    ck_assert_int_eq(how.code, 2);
    ck_assert_ptr_nonnull(strstr(words(), "float32[17] there"));
    theatre_close();
}
END_TEST

START_TEST(a_full_ring_is_waited_for_and_nothing_is_lost)
{
    theatre_open();
    actor_start("[env]\ntype = \"dummy\"\n[policy]\ntype = \"null\"\n[ring]\nslots = 64\n",
                NULL);
    theatre.is_deaf = true;
    uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
    while (!newest() || atomic_load(&newest()->rx.page->head) < 60) {
        pump();
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "%s", words());
    }
    /* It says that it waits, and goes on afterwards. */
    const struct run_event *held = NULL;
    while (!held) {
        pump();
        for (size_t i = 0; i < theatre.run.event_count; i++)
            if (theatre.run.events[i].kind == PAWL_HUB_STATE &&
                theatre.run.events[i].state == PAWL_STATE_HELD)
                held = &theatre.run.events[i];
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "never said that it waits");
    }
    ck_assert_ptr_nonnull(strstr(held->text, "waits for the learner"));
    theatre.is_deaf = false;
    pump_until(1, 5000);
    ck_assert_uint_gt(atomic_load(&newest()->rx.page->blocked_ns), 0);
    theatre_close();
}
END_TEST

/* The stats segment of the actor, from the hub's table. */
static struct pawl_stats_view figures(void)
{
    struct pawl_stats_view view = {0};
    const struct pawl_hub_table *table = &theatre.run.hub.table;
    for (uint32_t i = 0; i < table->used_count; i++)
        if (table->entries[i].id && table->entries[i].kind == PAWL_SEGMENT_STATS)
            DO(pawl_stats_attach(&view, table->entries[i].fds[0], &err));
    ck_assert_ptr_nonnull(view.rows);
    return view;
}

static uint64_t figure(const struct pawl_stats_view *view, const char *name)
{
    int index = pawl_stats_find(view, name);
    ck_assert_int_ge(index, 0);
    return pawl_stats_count(view, (uint32_t)index);
}

START_TEST(a_paced_actor_keeps_its_schedule_while_the_learner_stands_still)
{
    theatre_open();
    actor_start("[env]\ntype = \"dummy\"\ntarget_hz = 100.0\n[policy]\ntype = \"random\"\n"
                "[ring]\nslots = 64\n",
                NULL);
    pump_until(1, 20);
    struct pawl_stats_view view = figures();
    uint64_t steps_before = figure(&view, "actor.env_steps");
    uint64_t misses_before = figure(&view, "actor.deadline_misses");

    /* The test keeps a schedule of its own: what this one misses is the machine's. */
    theatre.is_deaf = true;
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg(10 * PAWL_NS_PER_MS);
    struct pawl_pace pace;
    DO(pawl_pace_start(&pace, &cfg, &err));
    for (int i = 0; i < 200; i++) {
        pawl_pace_wait(&pace);
        pump();
    }
    uint64_t steps = figure(&view, "actor.env_steps") - steps_before;
    uint64_t misses = figure(&view, "actor.deadline_misses") - misses_before;
    theatre.is_deaf = false;
    if (pace.skipped_count == 0 && misses == 0)
        ck_assert_uint_ge(steps, 195);
    ck_assert_uint_ge(steps + misses, 195);
    ck_assert_msg(misses == 0 || pace.skipped_count > 0 || misses <= 2,
                  "%" PRIu64 " misses, the machine's own: %" PRIu64, misses,
                  pace.skipped_count);
    ck_assert_uint_eq(figure(&view, "actor.ticks_held"), 0);

    uint64_t staged = figure(&view, "actor.records_staged");
    ck_assert_uint_ge(staged, 100);
    /* All that was staged follows, in order, and then the ring is used again. */
    pump_until(1, newest()->step_count + 250);
    ck_assert_uint_eq(figure(&view, "actor.records_dropped"), 0);
    ck_assert_uint_le(figure(&view, "actor.records_staged"), staged + 30);
    pawl_stats_detach(&view);
    pawl_hub_tell_stop(&theatre.run.hub, 0, PAWL_STOP_ASKED,
                       pawl_clock_now_ns() + 5 * PAWL_NS_PER_S);
    ck_assert_int_eq(actor_wait().code, 0);
    theatre_close();
}
END_TEST

START_TEST(what_a_paced_actor_staged_is_handed_over_when_it_stops)
{
    theatre_open();
    actor_start("[env]\ntype = \"dummy\"\ntarget_hz = 500.0\n[policy]\ntype = \"null\"\n"
                "[ring]\nslots = 8\n",
                NULL);
    theatre.is_deaf = true;
    uint64_t until_ns = pawl_clock_now_ns() + 300 * PAWL_NS_PER_MS;
    while (pawl_clock_now_ns() < until_ns || !newest())
        pump();
    struct pawl_stats_view view = figures();
    theatre.is_deaf = false;
    pawl_hub_tell_stop(&theatre.run.hub, 0, PAWL_STOP_ASKED,
                       pawl_clock_now_ns() + 5 * PAWL_NS_PER_S);
    ck_assert_int_eq(actor_wait().code, 0);
    ck_assert_uint_ge(newest()->step_count, 30);
    ck_assert_uint_eq(newest()->step_count, figure(&view, "actor.env_steps"));
    pawl_stats_detach(&view);
    theatre_close();
}
END_TEST

START_TEST(an_actor_whose_learner_is_gone_for_too_long_holds_and_goes_on_with_the_next)
{
    theatre_open();
    actor_start("[env]\ntype = \"dummy\"\n[policy]\ntype = \"null\"\n"
                "[actor]\nparam_age_s_max = 0.05\n",
                NULL);
    pump_until(1, 100);
    struct reader *old = newest();
    run_kill(&theatre.run, &theatre.learner);
    uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
    const struct run_event *held = NULL;
    while (!held) {
        run_serve(&theatre.run);
        drain(old);
        for (size_t i = 0; i < theatre.run.event_count; i++)
            if (theatre.run.events[i].kind == PAWL_HUB_STATE &&
                theatre.run.events[i].state == PAWL_STATE_HELD)
                held = &theatre.run.events[i];
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "%s", words());
    }
    ck_assert_ptr_nonnull(strstr(held->text, "too old"));
    drain(old);
    ck_assert_uint_eq(old->lanes[0].step, 0); /* its last record is a FINAL one */

    /* The next learner reads on where the last one stopped, in a page of its own. */
    uint64_t steps_before = old->step_count;
    struct pawl_segment acks_before = theatre.acks;
    run_join(&theatre.run, &theatre.learner, PAWL_ROLE_LEARNER, 0);
    DO(pawl_ring_acks_create(&theatre.acks, RINGS_MAX, true, &err));
    DO(pawl_peer_offer(&theatre.learner, &theatre.acks, -1, &theatre.acks_id, &err));
    struct pawl_ring_rx_cfg cfg = {.ack_index = 3,
                                   .has_start = true,
                                   .start = old->rx.next,
                                   .flush_count = 1,
                                   .total_bytes = 0};
    struct pawl_peer_event event;
    do {
        run_serve(&theatre.run);
        DO(pawl_peer_poll(&theatre.learner, &event, &err));
        if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_RING)
            break;
        pawl_peer_event_drop(&event);
    } while (pawl_clock_now_ns() < deadline_ns);
    ck_assert_int_eq(event.kind, PAWL_PEER_OFFER);
    pawl_segment_close(&old->segment);
    DO(pawl_ring_attach(&old->rx, &old->segment, event.fds[0], &theatre.acks, &cfg, &err));
    DO(pawl_peer_bind(&theatre.learner, event.offer.id, theatre.acks_id, 3, &err));
    pawl_peer_event_drop(&event);
    pump_until(1, steps_before + 1000);
    pawl_segment_close(&acks_before);
    theatre_close();
}
END_TEST

/* The SHA-256 of the first records of a run in lock-step. */
static void deterministic_run(uint64_t publish_every, uint8_t hash[PAWL_SHA256_BYTES])
{
    memset(&theatre, 0, sizeof(theatre));
    theatre.publish_every = publish_every;
    theatre_open();
    actor_start("deterministic = true\n[env]\ntype = \"dummy\"\nlanes = 3\n"
                "[env.dummy]\nsteps_max = 20\n[policy]\ntype = \"random\"\n",
                NULL);
    uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
    while (!newest() || newest()->record_count < HASHED_COUNT) {
        pump();
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "%s", words());
    }
    pawl_sha256_finish(&newest()->bytes, hash);
    theatre_close();
}

START_TEST(in_lock_step_equal_seeds_make_equal_records)
{
    uint8_t first[PAWL_SHA256_BYTES], again[PAWL_SHA256_BYTES], other[PAWL_SHA256_BYTES];
    deterministic_run(10, first);
    deterministic_run(10, again);
    deterministic_run(11, other);
    ck_assert_mem_eq(first, again, sizeof(first));
    ck_assert_mem_ne(first, other, sizeof(first)); /* the versions are in the records */
}
END_TEST

START_TEST(a_line_that_people_type_is_answered_with_what_to_type)
{
    const char *const argv[] = {PAWL_BIN_DIR "/pawl-actor", NULL};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    scratch_open(&theatre.scratch);
    int fd =
        open(scratch_path(&theatre.scratch, "words"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const struct pawl_proc_fd fds[] = {{.fd = fd, .number = 2}};
    cfg.path = argv[0];
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = 1;
    DO(pawl_proc_start(&theatre.actor, &cfg, &err));
    DO(pawl_proc_wait(&theatre.actor, pawl_clock_now_ns() + RUN_HANG_NS, &err));
    ck_assert_int_eq(theatre.actor.exit.code, 2);
    ck_assert_ptr_nonnull(strstr(words(), "pawl train"));
    close(fd);
    pawl_proc_close(&theatre.actor);
    scratch_close(&theatre.scratch);
}
END_TEST

PAWL_TEST_MAIN("actor", an_actor_acts_until_told_to_stop_and_hands_over_every_record,
               sigterm_is_an_order_to_stop_as_well,
               killed_anywhere_it_leaves_whole_records_and_the_next_one_goes_on,
               an_environment_that_hangs_ends_the_actor_and_the_next_one_goes_on,
               a_reset_may_take_longer_and_a_stop_is_no_hang,
               without_its_supervisor_it_ends_by_itself,
               records_that_the_learner_refuses_end_the_actor_with_2,
               a_full_ring_is_waited_for_and_nothing_is_lost,
               a_paced_actor_keeps_its_schedule_while_the_learner_stands_still,
               what_a_paced_actor_staged_is_handed_over_when_it_stops,
               an_actor_whose_learner_is_gone_for_too_long_holds_and_goes_on_with_the_next,
               in_lock_step_equal_seeds_make_equal_records,
               a_line_that_people_type_is_answered_with_what_to_type)
