/* What stores.h promises: records through a real ring and a real ingest. */
#include "learner/stores.h"

#include <math.h>
#include <unistd.h>

#include "learner/journal_internal.h"
#include "support/producer.h"
#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_ingest ingest;
static struct pawl_stores stores;
static struct pawl_estate estate;
static struct producer actor;
static struct pawl_err err;
static struct pawl_replay_cfg cfg = {
    .capacity = 1000, .n_step = 1, .offline_capacity = 1000, .offline_ratio = 0.5};

static void open_stores(void)
{
    const struct pawl_stores_setup setup = {
        .cfg = &cfg,
        .spec = &ingest.spec,
        .estate = &estate,
        .tally = &ingest.tally,
        .folder = scratch.path,
        .batch_count = 4,
        .discount = 0.9,
        .io = pawl_io_sys(),
    };
    ck_assert_msg(pawl_stores_open(&stores, &setup, &err) == 0, "%s", err.text);
    pawl_ingest_set_sink(&ingest, pawl_stores_sink(&stores));
}

static void open_ingest(void)
{
    const struct pawl_ingest_cfg ingest_cfg = {
        .ring_count_max = 4,
        .batch_count = PAWL_BOOK_BATCH_MAX,
        .book = {.folder = scratch.path, .io = pawl_io_sys()},
    };
    ck_assert_msg(pawl_ingest_open(&ingest, &ingest_cfg, &err) == 0, "%s", err.text);
}

static void add_ring(uint64_t acks_id)
{
    struct pawl_hub_offer offer = producer_offer(&actor, 1);
    offer.acks_id = acks_id;
    struct pawl_ingest_ring *ring =
        pawl_ingest_add_ring(&ingest, &offer, actor.segment.fd, &err);
    ck_assert_msg(ring != NULL, "%s", err.text);
    ck_assert_int_eq(pawl_ring_bind(&actor.tx, &ingest.acks, ring->page, -1, &err), 0);
}

static void open_all(void)
{
    scratch_open(&scratch);
    open_ingest();
    ck_assert_msg(pawl_ingest_begin(&ingest, &err) == 0, "%s", err.text);
    producer_open(&actor, 256);
    add_ring(0);
    open_stores();
}

static void close_all(void)
{
    pawl_stores_close(&stores);
    pawl_ingest_close(&ingest);
    pawl_estate_close(&estate);
    producer_close(&actor);
    scratch_close(&scratch);
}

static void drain_all(void)
{
    int64_t count;
    while ((count = pawl_ingest_drain(&ingest, UINT64_MAX, &err)) > 0)
        continue;
    ck_assert_msg(count == 0, "%s", err.text);
}

static uint64_t transition_count(const struct pawl_replay *replay)
{
    uint64_t count = 0;
    for (uint64_t n = pawl_replay_first(replay); n < replay->head; n++)
        count += pawl_replay_is_transition(replay, n);
    return count;
}

START_TEST(every_counted_record_is_a_frame_that_follows_its_lanes_last)
{
    open_all();
    for (uint32_t step = 0; step < 3; step++)
        for (uint32_t lane = 0; lane < 2; lane++)
            producer_step(&actor, lane, 7, step, 1.0f, 0);
    producer_final(&actor, 0, 7, 3, PAWL_RECORD_TRUNCATED);
    drain_all();
    const struct pawl_replay *replay = &stores.online.replay;
    ck_assert_uint_eq(replay->head, 7);
    ck_assert_uint_eq(pawl_tally_totals(&ingest.tally)->frame_count, 7);
    ck_assert_uint_eq(pawl_replay_next(replay, 0), 2);
    ck_assert_uint_eq(pawl_replay_next(replay, 1), 3);
    ck_assert_uint_eq(pawl_replay_next(replay, 4), 6);
    ck_assert_uint_eq(pawl_replay_next(replay, 5), PAWL_REPLAY_NONE);
    ck_assert_uint_eq(transition_count(replay), 5);
    close_all();
}
END_TEST

START_TEST(a_refused_step_cuts_the_link)
{
    open_all();
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    producer_step(&actor, 0, 0, 1, NAN, 0);
    producer_step(&actor, 0, 0, 2, 1.0f, 0);
    producer_step(&actor, 0, 0, 3, 1.0f, 0);
    drain_all();
    const struct pawl_replay *replay = &stores.online.replay;
    ck_assert_uint_eq(replay->head, 3);
    ck_assert_uint_eq(pawl_replay_next(replay, 0), PAWL_REPLAY_NONE);
    ck_assert_uint_eq(pawl_replay_next(replay, 1), 2);
    close_all();
}
END_TEST

START_TEST(a_new_episode_does_not_follow_the_one_before)
{
    open_all();
    producer_step(&actor, 0, 0, 0, 1.0f, 0);
    producer_step(&actor, 0, 1, 0, 1.0f, 0); /* the first was given up */
    producer_final(&actor, 0, 1, 1, PAWL_RECORD_TERMINATED);
    producer_step(&actor, 0, 2, 0, 1.0f, 0);
    drain_all();
    const struct pawl_replay *replay = &stores.online.replay;
    ck_assert_uint_eq(pawl_replay_next(replay, 0), PAWL_REPLAY_NONE);
    ck_assert_uint_eq(pawl_replay_next(replay, 1), 2);
    ck_assert_uint_eq(pawl_replay_next(replay, 2), PAWL_REPLAY_NONE);
    close_all();
}
END_TEST

START_TEST(interventions_are_demonstrations_too_with_what_followed)
{
    open_all();
    const uint32_t flags[] = {0, PAWL_RECORD_INTERVENTION, PAWL_RECORD_INTERVENTION, 0, 0};
    for (uint32_t step = 0; step < 5; step++)
        producer_step(&actor, 0, 0, step, (float)step, flags[step]);
    drain_all();
    const struct pawl_replay *offline = &stores.offline.replay;
    ck_assert_uint_eq(stores.online.replay.head, 5);
    ck_assert_uint_eq(offline->head, 3);
    ck_assert_uint_eq(transition_count(offline), 2);
    ck_assert_uint_eq(pawl_replay_frame(offline, 0)->step, 1);
    ck_assert_uint_eq(pawl_replay_next(offline, 1), 2);
    ck_assert_uint_eq(pawl_tally_totals(&ingest.tally)->offline_frame_count, 3);
    close_all();
}
END_TEST

START_TEST(an_intervention_whose_rest_is_missing_has_no_end)
{
    open_all();
    producer_step(&actor, 0, 0, 0, 1.0f, PAWL_RECORD_INTERVENTION);
    producer_step(&actor, 0, 0, 1, 1.0f, PAWL_RECORD_INTERVENTION);
    producer_step(&actor, 0, 1, 0, 1.0f, 0); /* the first was given up */
    producer_step(&actor, 0, 1, 1, 1.0f, 0);
    drain_all();
    ck_assert_uint_eq(stores.offline.replay.head, 2);
    ck_assert_uint_eq(transition_count(&stores.offline.replay), 1);
    close_all();
}
END_TEST

START_TEST(a_successor_has_every_transition_once)
{
    static struct pawl_ingest dead;
    static struct pawl_stores dead_stores;
    open_all();
    for (uint32_t step = 0; step < 5; step++)
        producer_step(&actor, 0, 0, step, 1.0f, 0);
    drain_all();
    /* Taken and never committed: as a learner that dies in between. */
    struct pawl_ring_record record = {.flags = PAWL_RECORD_STEP, .step = 5};
    struct pawl_ingest_sink sink = pawl_stores_sink(&stores);
    sink.take(sink.arg, &record, actor.data, ingest.rings[0].book.lane_taken);
    for (uint32_t step = 5; step < 8; step++)
        producer_step(&actor, 0, 0, step, 1.0f, 0);

    ck_assert_int_eq(pawl_estate_add(&estate, PAWL_REPLAY_LABEL,
                                     stores.online.replay.segment.fd,
                                     stores.online.replay.segment.total_bytes, &err),
                     0);
    int acks_fd = dup(ingest.acks.fd), tally_fd = dup(ingest.tally.segment.fd);
    dead = ingest;
    dead_stores = stores;
    open_ingest();
    ck_assert_int_eq(pawl_ingest_adopt(&ingest, tally_fd, dead.tally.segment.total_bytes, &err),
                     0);
    ck_assert_msg(pawl_ingest_begin(&ingest, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_ingest_add_past(&ingest, 9, acks_fd, dead.acks.total_bytes, &err), 0);
    add_ring(9);
    open_stores();
    drain_all();
    const struct pawl_replay *replay = &stores.online.replay;
    ck_assert_uint_eq(replay->head, 8);
    for (uint64_t n = 0; n < 8; n++)
        ck_assert_uint_eq(pawl_replay_frame(replay, n)->step, n);
    ck_assert_uint_eq(transition_count(replay), 7);
    pawl_stores_close(&dead_stores);
    pawl_ingest_close(&dead);
    close(acks_fd);
    close(tally_fd);
    close_all();
}
END_TEST

static void record_demonstrations(const char *path)
{
    struct pawl_journal_recorder recorder;
    uint64_t prev = PAWL_REPLAY_NONE;
    ck_assert_int_eq(
        pawl_journal_recorder_open(&recorder, pawl_io_sys(), path, &ingest.spec, &err), 0);
    for (uint32_t step = 0; step < 5; step++) {
        const struct pawl_replay_frame frame = {
            .prev = prev, .step = step, .flags = PAWL_RECORD_STEP};
        ck_assert_int_eq(pawl_journal_recorder_put(&recorder, &frame, actor.data, &prev, &err),
                         0);
    }
    ck_assert_int_eq(pawl_journal_recorder_close(&recorder, &err), 0);
}

/* The next learner, or a resumed run without a journal: the tally counts them, and the store
 * that held them is gone. */
START_TEST(demonstrations_whose_store_is_gone_are_loaded_again)
{
    open_all();
    pawl_stores_close(&stores);
    snprintf(cfg.offline, sizeof(cfg.offline), "%s", scratch_path(&scratch, "demos.journal"));
    record_demonstrations(cfg.offline);
    for (uint64_t times = 1; times <= 3; times++) {
        open_stores();
        const struct pawl_replay *offline = &stores.offline.replay;
        ck_assert_uint_eq(transition_count(offline), 4);
        ck_assert_uint_eq(offline->sample_count, 4);
        ck_assert_uint_eq(offline->head, 5 * times);
        ck_assert_uint_eq(pawl_tally_totals(&ingest.tally)->offline_frame_count, 5 * times);
        pawl_stores_close(&stores);
    }
    cfg.offline[0] = '\0';
    scratch_close(&scratch);
}
END_TEST

/* Its next checkpoint may be a long way off, or never come. */
START_TEST(a_resumed_run_keeps_the_frames_that_it_was_resumed_with)
{
    open_all();
    for (uint32_t step = 0; step < 5; step++)
        producer_step(&actor, 0, 0, step, 1.0f, 0);
    drain_all();
    pawl_stores_close(&stores);
    cfg.journal = true;
    cfg.journal_sync_period_s = 1.0;
    open_stores();
    ck_assert_uint_eq(stores.online.journal.state->keep_head, 5);
    const struct pawl_tally_totals saved = {.frame_count = 9};
    pawl_stores_saved(&stores, &saved);
    ck_assert_uint_eq(stores.online.journal.state->keep_head, 5); /* this one may be damaged */
    pawl_stores_saved(&stores, &saved);
    ck_assert_uint_eq(stores.online.journal.state->keep_head, 9);
    pawl_stores_close(&stores);
    cfg.journal = false;
    scratch_close(&scratch);
}
END_TEST

/* A learner that is killed between two checkpoints, and its successor. */
START_TEST(a_successor_keeps_the_frames_of_the_last_checkpoints)
{
    static struct pawl_tally dead;
    open_all();
    pawl_stores_close(&stores);
    cfg.journal = true;
    cfg.journal_sync_period_s = 1.0;
    open_stores();
    ck_assert_uint_eq(stores.online.journal.state->keep_head, PAWL_REPLAY_NONE);
    pawl_stores_saved(&stores, &(struct pawl_tally_totals){.frame_count = 3});
    pawl_stores_saved(&stores, &(struct pawl_tally_totals){.frame_count = 4});
    for (uint32_t step = 0; step < 5; step++)
        producer_step(&actor, 0, 0, step, 1.0f, 0);
    drain_all();
    ck_assert_int_eq(pawl_estate_add(&estate, PAWL_REPLAY_LABEL,
                                     stores.online.replay.segment.fd,
                                     stores.online.replay.segment.total_bytes, &err),
                     0);
    pawl_stores_close(&stores);
    dead = ingest.tally;
    ck_assert_int_eq(
        pawl_tally_attach(&ingest.tally, dead.segment.fd, dead.segment.total_bytes, &err), 0);
    open_stores();
    ck_assert_uint_eq(stores.online.journal.state->keep_head, 3);
    pawl_stores_saved(&stores, &(struct pawl_tally_totals){.frame_count = 5});
    ck_assert_uint_eq(stores.online.journal.state->keep_head, 4);
    pawl_tally_close(&dead);
    cfg.journal = false;
    close_all();
}
END_TEST

PAWL_TEST_MAIN("stores", every_counted_record_is_a_frame_that_follows_its_lanes_last,
               a_refused_step_cuts_the_link, a_new_episode_does_not_follow_the_one_before,
               interventions_are_demonstrations_too_with_what_followed,
               a_successor_has_every_transition_once,
               demonstrations_whose_store_is_gone_are_loaded_again,
               a_resumed_run_keeps_the_frames_that_it_was_resumed_with,
               an_intervention_whose_rest_is_missing_has_no_end,
               a_successor_keeps_the_frames_of_the_last_checkpoints)
