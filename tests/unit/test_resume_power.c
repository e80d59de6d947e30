/* A run that learns on a disk that forgets what was not synced, and what is resumed from there.
 * The disk is in memory, for one thread at a time; the books, the training and the resume are
 * the learner's own. */
#include "learner/training.h"

#include <errno.h>
#include <stdlib.h>

#include "learner/checkpoint_find.h"
#include "learner/learner.h"
#include "policy/policy_cfg.h"
#include "runtime/io_mem.h"
#include "runtime/log.h"
#include "shm/run_stats.h"
#include "support/io_locked.h"
#include "support/producer.h"
#include "support/test.h"

#define RUN           "runs/x"
#define CAPACITY      40u
#define FRAMES_MAX    256u
#define SLOT_BYTES    128u
#define EPISODE_STEPS 20u
#define STEPS         63u /* three after the last update that is saved by itself */
#define MORE_STEPS    24u
#define TURN_NS       (100 * PAWL_NS_PER_MS)
#define HANG_NS       (20 * PAWL_NS_PER_S)

static struct pawl_io_mem mem;
static struct io_locked disk;
static struct pawl_err err;
static struct pawl_cfg *cfg;
static struct pawl_spec spec; /* of the run */

/* What the run has put into its replay, by number. */
static _Alignas(8) unsigned char truth[FRAMES_MAX][SLOT_BYTES];

/* What the run was told of the disk before the power failed. */
struct promise {
    struct pawl_training_saved saved; /* zeroed: no checkpoint */
    uint64_t durable_head;
};

/* A run from its start to its end, or to the power's. */
struct life {
    struct pawl_stats stats;
    struct pawl_ingest ingest;
    struct pawl_training training;
    struct pawl_estate estate; /* empty */
    struct producer actor;
    uint32_t episode, step;
    uint64_t now_ns;
    uint64_t noted; /* frames in truth */
};

/* The newest valid checkpoint; -ENOENT. */
static int find(struct pawl_checkpoint_info *info, struct pawl_resume *resume)
{
    char *text = NULL;
    size_t length = 0;
    err = (struct pawl_err){0};
    int code = pawl_checkpoint_find(&disk.io, RUN, PAWL_CHECKPOINT_NEWEST_VALID, NULL, NULL,
                                    info, &err);
    if (code == 0)
        code = pawl_checkpoint_read(&disk.io, info->path, PAWL_CHECKPOINT_PAWL_JSON,
                                    PAWL_CHECKPOINT_PAWL_JSON_MAX, &text, &length, &err);
    if (code == 0)
        code = pawl_resume_parse(resume, text, length, info->path, &err);
    free(text);
    return code;
}

static int open_books(struct life *life, const struct pawl_resume *resume)
{
    const struct pawl_ingest_cfg books = {
        .ring_count_max = 1,
        .batch_count = PAWL_BOOK_BATCH_MAX,
        .book = {.folder = RUN, .io = &disk.io},
    };
    const struct pawl_hub_offer offer = producer_offer(&life->actor, 1);

    if (pawl_ingest_open(&life->ingest, &books, &err) != 0 ||
        (resume && pawl_ingest_restore(&life->ingest, &resume->totals, resume->version_next,
                                       &err) != 0) ||
        pawl_ingest_begin(&life->ingest, &err) != 0)
        return -err.code;
    struct pawl_ingest_ring *ring =
        pawl_ingest_add_ring(&life->ingest, &offer, life->actor.segment.fd, &err);
    if (!ring)
        return -err.code;
    return pawl_ring_bind(&life->actor.tx, &life->ingest.acks, ring->page, -1, &err);
}

/* resume NULL: a new run. */
static int life_open(struct life *life, const struct pawl_checkpoint_info *info,
                     const struct pawl_resume *resume)
{
    *life = (struct life){.now_ns = pawl_clock_now_ns()};
    err = (struct pawl_err){0};
    producer_open(&life->actor, 64);
    spec = life->actor.spec;
    ck_assert_int_eq(pawl_stats_create(&life->stats, "learner", pawl_learner_stat_rows,
                                       PAWL_LEARNER_STAT_COUNT, &err),
                     0);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);
    struct pawl_resume_source source = {.is_found = resume != NULL};
    if (resume) {
        source.resume = *resume;
        memcpy(source.path, info->path, sizeof(source.path));
    }
    const struct pawl_training_setup setup = {
        .cfg = cfg,
        .policy = pawl_policies[policy->type],
        .folder = RUN,
        .ingest = &life->ingest,
        .estate = &life->estate,
        .resume = resume ? &source : NULL,
        .stats = &life->stats,
        .start_ns = life->now_ns,
        .io = &disk.io,
        .queue = PAWL_IO_QUEUE_INLINE,
    };
    if (open_books(life, resume) != 0 || pawl_training_open(&life->training, &setup, &err) != 0)
        return -err.code;
    pawl_ingest_set_sink(&life->ingest, pawl_training_sink(&life->training));
    return 0;
}

static void life_close(struct life *life)
{
    pawl_training_close(&life->training);
    pawl_ingest_close(&life->ingest);
    pawl_stats_close(&life->stats);
    producer_close(&life->actor);
}

static const struct pawl_replay *replay_of(const struct life *life)
{
    return &life->training.stores.online.replay;
}

static uint64_t step_count(const struct life *life)
{
    return pawl_tally_totals(&life->ingest.tally)->step_count;
}

/* A step, or the last observation of an episode. Each has another one. */
static void act(struct life *life)
{
    float *observation = producer_field(&life->actor, "obs.state");
    for (uint32_t i = 0; i < PRODUCER_OBS_COUNT; i++)
        observation[i] = (float)(life->actor.step_count * PRODUCER_OBS_COUNT + i) / 1000.0f;
    if (life->step == EPISODE_STEPS) {
        ck_assert(producer_final(&life->actor, 0, life->episode++, life->step,
                                 PAWL_RECORD_TRUNCATED));
        life->step = 0;
        return;
    }
    bool is_last = life->step + 1 == EPISODE_STEPS;
    ck_assert(producer_step(&life->actor, 0, life->episode, life->step++, -1.0f,
                            is_last ? PAWL_RECORD_TRUNCATED : 0));
}

static void note_frames(struct life *life)
{
    const struct pawl_replay *replay = replay_of(life);
    ck_assert_uint_le(replay->slot_bytes, SLOT_BYTES);
    ck_assert_uint_le(replay->head, FRAMES_MAX);
    for (; life->noted < replay->head; life->noted++)
        memcpy(truth[life->noted], pawl_replay_frame(replay, life->noted), replay->slot_bytes);
}

static bool is_cut(void)
{
    pthread_mutex_lock(&disk.lock);
    bool is_cut = mem.call_count >= mem.cut_after;
    pthread_mutex_unlock(&disk.lock);
    return is_cut;
}

/* So many steps, with the updates they are worth; less when the power fails. */
static void live(struct life *life, uint64_t steps)
{
    uint64_t goal = step_count(life) + steps;
    while (step_count(life) < goal && !is_cut()) {
        act(life);
        int64_t count = pawl_ingest_drain(&life->ingest, UINT64_MAX, &err);
        ck_assert_msg(count > 0 || is_cut(), "%s", err.text);
        int code;
        while ((code = pawl_training_update(&life->training, &err)) == 1)
            continue;
        ck_assert_msg(code == 0, "%s", err.text);
        for (int i = 0; i < 2; i++)
            pawl_training_turn(&life->training, life->now_ns += TURN_NS);
        note_frames(life);
    }
}

static struct promise promise_of(const struct life *life)
{
    return (struct promise){
        .saved = life->training.saved,
        .durable_head = pawl_journal_durable_head(&life->training.stores.online.journal),
    };
}

static const struct pawl_replay_frame *true_frame(uint64_t number)
{
    return (const struct pawl_replay_frame *)(const void *)truth[number];
}

static bool has_frame(const struct pawl_replay *replay, uint64_t number)
{
    return pawl_replay_has(replay, number) && pawl_replay_frame(replay, number)->flags != 0;
}

/* All of the last `capacity` that was durable is there, and what is there is as it was; a link
 * to a frame that is not there is none. */
static void expect_frames(const struct pawl_replay *replay, uint64_t capacity,
                          uint64_t durable_head)
{
    size_t frame_bytes = sizeof(struct pawl_replay_frame);
    uint64_t first = replay->head > capacity ? replay->head - capacity : 0;
    for (uint64_t i = first; i < replay->head; i++) {
        if (!has_frame(replay, i)) {
            ck_assert_msg(i >= durable_head, "frame %llu of %llu durable ones is not there",
                          (unsigned long long)i, (unsigned long long)durable_head);
            continue;
        }
        struct pawl_replay_frame wanted = *true_frame(i);
        if (wanted.prev != PAWL_REPLAY_NONE && !has_frame(replay, wanted.prev))
            wanted.prev = PAWL_REPLAY_NONE;
        ck_assert_mem_eq(pawl_replay_frame(replay, i), &wanted, frame_bytes);
        ck_assert_mem_eq(pawl_replay_payload(replay, i), truth[i] + frame_bytes,
                         replay->spec.record_bytes);
    }
}

/* Behind the checkpoint's frames, too. */
static void expect_journal(uint64_t durable_head)
{
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = FRAMES_MAX};
    struct pawl_replay replay;
    struct pawl_journal_loaded loaded;
    ck_assert_int_eq(pawl_replay_create(&replay, &setup, &err), 0);
    int code = pawl_journal_load(&disk.io, RUN "/" PAWL_JOURNAL_FOLDER, &replay,
                                 PAWL_REPLAY_NONE, &loaded, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    ck_assert_uint_ge(replay.head, durable_head);
    expect_frames(&replay, FRAMES_MAX, durable_head);
    pawl_replay_close(&replay);
}

/* Resumes from what is there, learns on and comes to a good end. False: there is nothing, and
 * nothing was promised. */
static bool resume_and_end(const struct promise *promise)
{
    static struct life life;
    struct pawl_checkpoint_info info, last_info;
    struct pawl_resume resume, last;
    expect_journal(promise->durable_head);
    int code = find(&info, &resume);
    if (code == -ENOENT && promise->saved.update_count == 0)
        return false;
    ck_assert_msg(code == 0, "%s", err.text);
    ck_assert_uint_gt(info.step, 0);
    ck_assert_uint_eq(info.step, resume.mark.update_count);
    ck_assert_uint_ge(info.step, promise->saved.update_count);
    if (info.step == promise->saved.update_count)
        ck_assert_uint_ge(resume.totals.step_count, promise->saved.totals.step_count);

    ck_assert_msg(life_open(&life, &info, &resume) == 0, "%s", err.text);
    ck_assert_uint_eq(pawl_training_update_count(&life.training), info.step);
    ck_assert_uint_eq(step_count(&life), resume.totals.step_count);
    ck_assert_uint_eq(replay_of(&life)->head, resume.totals.frame_count);
    expect_frames(replay_of(&life), CAPACITY, promise->durable_head);

    life.noted = FRAMES_MAX; /* what comes now is of another life */
    live(&life, MORE_STEPS);
    code = pawl_training_finish(&life.training, pawl_clock_now_ns() + HANG_NS, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    ck_assert_int_eq(find(&last_info, &last), 0);
    ck_assert_uint_ge(last_info.step, info.step + MORE_STEPS / 2 - 1);
    ck_assert_uint_eq(last.totals.step_count, resume.totals.step_count + MORE_STEPS);
    ck_assert_uint_ge(last.totals.episode_count, resume.totals.episode_count);
    ck_assert_uint_ge(last.version_next, resume.version_next);
    life_close(&life);
    return true;
}

/* Resumes; the power fails again after so many calls. What was promised before is so still, but
 * frames behind the checkpoint: they are taken back. */
static void resume_and_cut(struct promise *promise, uint64_t call_count)
{
    static struct life life;
    struct pawl_checkpoint_info info;
    struct pawl_resume resume;
    ck_assert_msg(find(&info, &resume) == 0, "%s", err.text);
    uint64_t head = resume.totals.frame_count;
    if (promise->durable_head > head)
        promise->durable_head = head;
    pawl_io_mem_cut_after(&mem, mem.call_count + call_count);
    if (life_open(&life, &info, &resume) == 0) {
        life.noted = head;
        live(&life, MORE_STEPS);
        struct promise now = promise_of(&life);
        if (now.saved.update_count > 0)
            promise->saved = now.saved;
        if (now.durable_head > promise->durable_head)
            promise->durable_head = now.durable_head;
    } else
        ck_assert_msg(is_cut(), "%s", err.text);
    life_close(&life);
}

/* The run whose power fails after so many calls; UINT64_MAX: never. */
static struct promise begin_and_cut(uint64_t call_count)
{
    static struct life life;
    struct promise promise = {0};
    pawl_io_mem_open(&mem);
    io_locked_open(&disk, &mem.io);
    pawl_io_mem_cut_after(&mem, call_count);
    if (life_open(&life, NULL, NULL) == 0) {
        live(&life, STEPS);
        if (!is_cut())
            (void)pawl_training_finish(&life.training, pawl_clock_now_ns() + HANG_NS, &err);
        promise = promise_of(&life);
    } else
        ck_assert_msg(is_cut(), "%s", err.text);
    life_close(&life);
    return promise;
}

static void begin_quietly(void)
{
    struct pawl_log_cfg log = pawl_log_default_cfg("test");
    log.stderr_level = PAWL_LOG_OFF; /* of hundreds of calls that fail */
    ck_assert_int_eq(pawl_log_start(&log, &err), 0);
}

static void open_cfg(void)
{
    static char *const words[] = {
        "policy.type=sac",
        "policy.sac.network=plain",
        "policy.sac.hidden=[4]",
        "learner.update_ratio=0.5",
        "learner.learning_starts=4",
        "learner.batch_size=4",
        "checkpoint.period_s=0",
        "checkpoint.every_updates=10",
        "checkpoint.keep_last=2",
        "replay.capacity=40",
        "replay.offline_ratio=0",
        "learner.metrics_period_s=0.5",
        "replay.journal_sync_period_s=0.3",
    };
    const struct pawl_cfg_source source = {.words = words,
                                           .word_count = sizeof(words) / sizeof(words[0])};
    int code = pawl_cfg_open(&cfg, pawl_learner_tables, &source, &err);
    ck_assert_msg(code == 0, "%s", err.text);
}

/* How many calls the run makes when the power does not fail. */
static uint64_t begin(void)
{
    begin_quietly();
    open_cfg();
    struct promise whole = begin_and_cut(UINT64_MAX);
    uint64_t call_count = mem.call_count;
    ck_assert_uint_eq(whole.saved.totals.step_count, STEPS);
    pawl_io_mem_close(&mem);
    return call_count;
}

static void end(void)
{
    pawl_cfg_close(cfg);
    pawl_log_stop();
}

static void cut_everywhere(enum pawl_io_cut kind, unsigned cut_count)
{
    uint64_t call_count = begin();
    unsigned resumed_count = 0;
    for (unsigned i = 1; i <= cut_count; i++) {
        uint64_t at = call_count * i / cut_count;
        struct promise promise = begin_and_cut(at);
        pawl_io_mem_restart(&mem, kind, at);
        resumed_count += resume_and_end(&promise);
        pawl_io_mem_close(&mem);
    }
    ck_assert_uint_ge(resumed_count, cut_count * 2 / 3);
    end();
}

START_TEST(a_run_goes_on_from_what_was_promised_when_all_else_is_lost)
{
    cut_everywhere(PAWL_IO_CUT_SYNCED, 22);
}
END_TEST

START_TEST(a_run_goes_on_from_what_was_promised_when_any_part_of_the_rest_is_kept)
{
    cut_everywhere(PAWL_IO_CUT_SUBSET, 22);
}
END_TEST

START_TEST(a_power_cut_while_it_is_being_resumed_changes_nothing_of_that)
{
    uint64_t call_count = begin();
    for (unsigned i = 0; i < 22; i++) {
        struct promise promise = begin_and_cut(call_count * (18 + i) / 40);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SUBSET, i);
        resume_and_cut(&promise, call_count * (1 + i * 7 % 22) / 16);
        pawl_io_mem_restart(&mem, i % 2 ? PAWL_IO_CUT_SUBSET : PAWL_IO_CUT_SYNCED, i);
        ck_assert(resume_and_end(&promise));
        pawl_io_mem_close(&mem);
    }
    end();
}
END_TEST

PAWL_TEST_MAIN("resume_power", a_run_goes_on_from_what_was_promised_when_all_else_is_lost,
               a_run_goes_on_from_what_was_promised_when_any_part_of_the_rest_is_kept,
               a_power_cut_while_it_is_being_resumed_changes_nothing_of_that)
