/* A real pawl-learner that learns, killed wherever it hurts; hub and actors are the test's. */
#include <errno.h>
#include <math.h>

#include "learner/checkpoint_find.h"
#include "learner/checkpoint_tree.h"
#include "learner/journal.h"
#include "learner/resume.h"
#include "support/learner_rig.h"
#include "support/test.h"

#define PROGRAM         PAWL_BIN_DIR "/pawl-learner"
#define LEARNING_STARTS 10
#define CONFIG                                                                                 \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmirror_updates = 5\n"                    \
    "publish_updates = 3\nmetrics_period_s = 0.01\n"                                           \
    "[checkpoint]\nevery_updates = 20\n"                                                       \
    "[replay]\njournal_sync_period_s = 0.01\n"

static struct learner_rig rig;
static uint32_t episode_next, step_next;

/* Episodes of 3 steps from two lanes as long as there is room. */
static void produce(struct producer *producer, int record_count)
{
    for (int i = 0; i < record_count; i++) {
        float *state = producer_field(producer, "obs.state");
        for (int k = 0; k < PRODUCER_OBS_COUNT; k++)
            state[k] = sinf((float)(episode_next * 8 + step_next + (uint32_t)k));
        bool is_put = step_next < 6 ? producer_step(producer, step_next % 2, episode_next,
                                                    step_next / 2, 1.0f, 0)
                                    : producer_final(producer, step_next % 2, episode_next, 3,
                                                     PAWL_RECORD_TERMINATED);
        if (!is_put)
            return;
        if (++step_next == 8) {
            step_next = 0;
            episode_next++;
        }
    }
}

static void begin_run(const char *config)
{
    episode_next = step_next = 0;
    learner_rig_open(&rig, PROGRAM, config);
    learner_rig_add_actor(&rig, 0, 64);
}

/* Serves until the learner has taken so many records of actor 0. */
static void produce_until(uint64_t record_count)
{
    struct producer *producer = &rig.actors[0].producer;
    uint64_t began_ns = pawl_clock_now_ns();
    while (producer->tx.next < record_count || !learner_rig_is_drained(&rig, 0)) {
        if (producer->tx.next < record_count)
            produce(producer, 1);
        learner_rig_serve(&rig);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%llu of %llu records",
                      (unsigned long long)producer->tx.next, (unsigned long long)record_count);
    }
}

/* What the newest checkpoint says. */
static struct pawl_resume read_checkpoint(void)
{
    static struct pawl_checkpoint_info info;
    struct pawl_resume resume;
    struct pawl_err err = {0};
    char *text = NULL;
    size_t length = 0;
    ck_assert_msg(pawl_checkpoint_find(pawl_io_sys(), rig.scratch.path,
                                       PAWL_CHECKPOINT_NEWEST_STRICT, NULL, NULL, &info,
                                       &err) == 0,
                  "%s", err.text);
    ck_assert_msg(pawl_checkpoint_read(pawl_io_sys(), info.path, PAWL_CHECKPOINT_PAWL_JSON,
                                       PAWL_CHECKPOINT_PAWL_JSON_MAX, &text, &length,
                                       &err) == 0,
                  "%s", err.text);
    ck_assert_msg(pawl_resume_parse(&resume, text, length, info.path, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(info.step, resume.mark.update_count);
    free(text);
    return resume;
}

/* Every record of the actor is in the journal of the replay, once and in its place. */
static void check_journal(uint64_t record_count)
{
    static struct pawl_replay replay;
    struct pawl_journal_loaded loaded;
    struct pawl_err err = {0};
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &rig.actors[0].producer.spec, .capacity = 100000};
    ck_assert_msg(pawl_replay_create(&replay, &setup, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_journal_load(pawl_io_sys(), scratch_path(&rig.scratch, "replay"),
                                    &replay, PAWL_REPLAY_NONE, &loaded, &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(loaded.frames, record_count);
    ck_assert_uint_eq(replay.head, record_count);
    for (uint64_t n = 0; n < record_count; n++) {
        const struct pawl_replay_frame *frame = pawl_replay_frame(&replay, n);
        uint64_t step = n % 8;
        ck_assert_uint_eq(frame->episode, n / 8);
        ck_assert_uint_eq(frame->lane, step % 2);
        ck_assert_uint_eq(frame->step, step / 2);
        ck_assert_uint_eq(pawl_replay_is_transition(&replay, n), step < 6);
    }
    pawl_replay_close(&replay);
}

/* After an end in order: everything counted, everything kept, as many updates as earned. */
static void check_end(uint64_t record_count, uint64_t step_count)
{
    struct pawl_resume resume = read_checkpoint();
    ck_assert_uint_eq(resume.totals.record_count, record_count);
    ck_assert_uint_eq(resume.totals.frame_count, record_count);
    ck_assert_uint_eq(resume.totals.step_count, step_count);
    ck_assert_uint_eq(resume.mark.update_count, step_count - LEARNING_STARTS);
    check_journal(record_count);
}

START_TEST(an_update_is_done_for_every_step_and_saved_at_the_end)
{
    begin_run(CONFIG);
    learner_rig_start(&rig, NULL);
    produce_until(200);
    uint64_t steps = rig.actors[0].producer.step_count;
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    rig.actors[0].producer.step_count = steps;
    struct pawl_resume resume = read_checkpoint();
    ck_assert_uint_eq(resume.totals.step_count, 150);
    ck_assert_uint_eq(resume.mark.update_count, 150 - LEARNING_STARTS);
    /* Another ratio would hold from here on, not for the steps before. */
    ck_assert_uint_eq(resume.mark.ratio_step_count, 150);
    ck_assert_double_eq_tol(resume.mark.ratio_credit, 150.0 - LEARNING_STARTS, 1e-6);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_replay_that_does_not_fit_is_refused_with_both_numbers)
{
    begin_run(CONFIG "capacity = 1000000000\n");
    learner_rig_start(&rig, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    ck_assert_int_eq(rig.learner.exit.code, 3);
    size_t length = 0;
    char *log = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    ck_assert_ptr_nonnull(log);
    ck_assert_ptr_nonnull(strstr(log, "replay"));
    ck_assert_ptr_nonnull(strstr(log, "bytes"));
    free(log);
    learner_rig_close(&rig);
}
END_TEST

static void die_and_go_on(const char *faults, int death_count)
{
    begin_run(CONFIG);
    struct producer *producer = &rig.actors[0].producer;
    for (int i = 0; i < death_count; i++) {
        learner_rig_start(&rig, faults);
        uint64_t began_ns = pawl_clock_now_ns();
        while (!learner_rig_has_ended(&rig)) {
            produce(producer, 1);
            learner_rig_serve(&rig);
            ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%s: never reached",
                          faults);
        }
        ck_assert_msg(rig.learner.exit.signal == SIGKILL, "%s: exit code %d", faults,
                      rig.learner.exit.code);
        pawl_proc_close(&rig.learner);
    }
    learner_rig_start(&rig, NULL);
    produce_until((producer->tx.next + 100) / 8 * 8);
    struct pawl_spec spec = producer->spec;
    uint64_t record_count = producer->tx.next, step_count = producer->step_count;
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    rig.actors[0].producer.spec = spec;
    check_end(record_count, step_count);
    learner_rig_close(&rig);
}

START_TEST(a_learner_killed_anywhere_goes_on_with_every_transition_once)
{
    const char *const places[] = {
        "learner.drain:kill@40",     "learner.ingest:kill@30", "tally.commit:kill@30",
        "learner.committed:kill@30", "learner.sample:kill@20", "learner.step:kill@20",
        "learner.publish:kill@5",    "learner.mirror:kill@4",  "checkpoint.mkdir:kill@1",
        "checkpoint.write:kill@3",   "checkpoint.sync:kill@3", "checkpoint.manifest:kill@1",
        "checkpoint.rename:kill@1",  "checkpoint.link:kill@1",
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        die_and_go_on(places[i], 2);
}
END_TEST

PAWL_TEST_MAIN("training", a_replay_that_does_not_fit_is_refused_with_both_numbers,
               an_update_is_done_for_every_step_and_saved_at_the_end,
               a_learner_killed_anywhere_goes_on_with_every_transition_once)
