/* learn.h: what a learner that learns is fed with by its test, and what it leaves.
 *
 *     learn_begin(PAWL_BIN_DIR "/pawl-learner", config);
 *     learner_rig_start(&rig, NULL);
 *     learn_until(200);
 *     learner_rig_stop(&rig);
 *     learn_check_journal(200);
 *     learner_rig_close(&rig);
 *
 * Two lanes take turns in episodes of three steps: 8 records are a round.
 */
#ifndef PAWL_TEST_LEARN_H
#define PAWL_TEST_LEARN_H

#include <math.h>

#include "learner/checkpoint_find.h"
#include "learner/checkpoint_tree.h"
#include "learner/journal.h"
#include "learner/resume.h"
#include "support/learner_rig.h"

#define LEARN_ROUND 8u /* records */
#define LEARN_STEPS 6u /* of a round */

static struct learner_rig rig;
static uint64_t learn_count;  /* records put, by all actors of the test */
static uint64_t learn_before; /* of them by actors that are no more */

/* The next record, if there is room. */
static inline bool learn_put(void)
{
    struct producer *producer = &rig.actors[0].producer;
    uint32_t round = (uint32_t)(learn_count / LEARN_ROUND);
    uint32_t at = (uint32_t)(learn_count % LEARN_ROUND);
    float *state = producer_field(producer, "obs.state");
    for (uint32_t k = 0; k < PRODUCER_OBS_COUNT; k++)
        state[k] = sinf((float)(learn_count + k));
    bool is_put = at < LEARN_STEPS
                      ? producer_step(producer, at % 2, round, at / 2, 1.0f, 0)
                      : producer_final(producer, at % 2, round, 3, PAWL_RECORD_TERMINATED);
    learn_count += is_put;
    return is_put;
}

static inline void learn_begin(const char *program, const char *config)
{
    learn_count = learn_before = 0;
    learner_rig_open(&rig, program, config);
    learner_rig_add_actor(&rig, 0, 64);
}

/* Another hub and actor on the same folder: the learner that is started next resumes. */
static inline void learn_resume(void)
{
    learn_before = learn_count;
    learner_rig_reopen(&rig);
    learner_rig_add_actor(&rig, 0, 64);
}

/* Serves until the learner has taken so many records of the test. */
static inline void learn_until(uint64_t record_count)
{
    uint64_t began_ns = pawl_clock_now_ns();
    while (learn_count < record_count || !learner_rig_is_drained(&rig, 0)) {
        while (learn_count < record_count && learn_put())
            continue;
        learner_rig_serve(&rig);
        ck_assert_msg(!learner_rig_has_ended(&rig), "the learner has ended");
        ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%llu of %llu records",
                      (unsigned long long)learn_count, (unsigned long long)record_count);
    }
}

/* What the newest checkpoint says. */
static inline struct pawl_resume learn_read_checkpoint(void)
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

/* Every record of the test is in the journal of the replay, once and in its place. */
static inline void learn_check_journal(const struct pawl_spec *spec)
{
    static struct pawl_replay replay;
    struct pawl_journal_loaded loaded;
    struct pawl_err err = {0};
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = spec, .capacity = 100000};
    ck_assert_msg(pawl_replay_create(&replay, &setup, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_journal_load(pawl_io_sys(), scratch_path(&rig.scratch, "replay"),
                                    &replay, PAWL_REPLAY_NONE, &loaded, &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(loaded.frames, learn_count);
    ck_assert_uint_eq(replay.head, learn_count);
    for (uint64_t n = 0; n < learn_count; n++) {
        const struct pawl_replay_frame *frame = pawl_replay_frame(&replay, n);
        uint64_t at = n % LEARN_ROUND;
        ck_assert_uint_eq(frame->episode, n / LEARN_ROUND);
        ck_assert_uint_eq(frame->lane, at % 2);
        ck_assert_uint_eq(frame->step, at / 2);
        ck_assert_uint_eq(pawl_replay_is_transition(&replay, n), at < LEARN_STEPS);
    }
    pawl_replay_close(&replay);
}

/* Steps among the records of the test. */
static inline uint64_t learn_step_count(void)
{
    uint64_t at = learn_count % LEARN_ROUND;
    return learn_count / LEARN_ROUND * LEARN_STEPS + (at < LEARN_STEPS ? at : LEARN_STEPS);
}

/* Ends the learner in order: all that was put is counted and kept. */
static inline struct pawl_resume learn_end(void)
{
    struct pawl_spec spec = rig.actors[0].producer.spec;
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    pawl_proc_close(&rig.learner);
    struct pawl_resume resume = learn_read_checkpoint();
    ck_assert_uint_eq(resume.totals.record_count, learn_count);
    ck_assert_uint_eq(resume.totals.frame_count, learn_count);
    ck_assert_uint_eq(resume.totals.step_count, learn_step_count());
    learn_check_journal(&spec);
    return resume;
}

#endif
