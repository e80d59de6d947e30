/* training_save.c: the checkpoints of training: when one is begun, what it has, how it ended.
 */
#include "learner/training_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "shm/run_stats.h"

/* At the end there is no later one: what is in memory alone is worth some more tries. */
#define LAST_TRIES 3u

/* A mean of fewer says more of their luck than of the policy, as soon after a start. */
#define SCORE_EPISODES_MIN 20u

static struct pawl_training_saved what_there_is(const struct pawl_training *training)
{
    const struct pawl_tally *tally = &training->setup.ingest->tally;
    return (struct pawl_training_saved){
        .update_count = pawl_training_update_count(training),
        .version_next = pawl_tally_version_next(tally),
        .totals = *pawl_tally_totals(tally),
    };
}

static int begin_checkpoint(struct pawl_training *training, uint64_t now_ns,
                            struct pawl_err *err)
{
    const struct pawl_book *book = &training->setup.ingest->book;
    const struct pawl_checkpoint_counts counts = {
        .step = pawl_training_update_count(training),
        .interaction_step = pawl_training_step_count(training),
    };
    struct pawl_warm_mark mark;
    size_t length = 0;

    pawl_training_note_mark(training, &mark);
    pawl_json_reset(&training->resume_text);
    pawl_resume_write(&training->resume_text, &mark, training->setup.ingest);
    const char *text = pawl_json_finish(&training->resume_text, &length, err);
    int code = text ? pawl_checkpoint_tree_snap(&training->tree, &counts, text, length, err)
                    : -err->code;
    if (code == 0 && PAWL_FAULT_ERRNO("learner.unsound")) /* which no loss shows */
        code = pawl_err_set(err, EDOM, "a test wants a number that is not finite");
    training->is_spoilt = code == -EDOM;
    if (code != 0)
        return code;
    pawl_guard_note_sound(&training->guard, counts.step);
    training->saving = what_there_is(training);
    pawl_stores_hurry(&training->stores);
    double score = book->mean_count >= SCORE_EPISODES_MIN ? book->return_mean : (double)NAN;
    code = pawl_checkpoint_begin(&training->saver, counts.step, score, training->tree.files,
                                 training->tree.file_count, now_ns, err);
    /* Whoever follows a learner that is killed goes on behind no checkpoint: one that is ahead
     * of the run is of another past, and may be replaced. */
    if (code == 0)
        pawl_training_mirror_fetched(training, PAWL_WARM_LATEST);
    return code;
}

/* Counts with the next batch: for who dies before it the next one is due sooner. */
static void note_saved(struct pawl_training *training)
{
    struct pawl_tally_saved *saved = pawl_tally_edit_saved(&training->setup.ingest->tally);
    saved->update_count = training->saving.update_count;
    saved->begun_ns = training->saver.begun_ns;
}

static void end_checkpoint(struct pawl_training *training, enum pawl_checkpoint_state state,
                           const struct pawl_err *err)
{
    struct pawl_checkpoint *saver = &training->saver;
    if (state == PAWL_CHECKPOINT_DONE) {
        /* One that took the place of another is not one more that journals are kept for. */
        if (saver->done_count == 1 ||
            training->saving.update_count != training->saved.update_count)
            pawl_stores_saved(&training->stores, &training->saving.totals);
        note_saved(training);
        training->saved = training->saving;
        pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_CHECKPOINTS, 1);
        pawl_stats_set(training->setup.stats, PAWL_LEARNER_STAT_LAST_CHECKPOINT_STEP,
                       (double)saver->done_step);
        pawl_log_info("checkpoint", "step=%" PRIu64 " bytes=%" PRIu64 " took_ms=%" PRIu64,
                      saver->done_step, saver->done_bytes,
                      (uint64_t)(saver->took_ns / PAWL_NS_PER_MS));
    } else if (state == PAWL_CHECKPOINT_FAILED && pawl_checkpoint_is_durability_lost(saver))
        pawl_log_error_once("durability lost: no checkpoint can be written",
                            "in_row=%" PRIu64 " reason=%s", saver->failures_in_row, err->text);
    else if (state == PAWL_CHECKPOINT_FAILED)
        pawl_log_error_once("checkpoint failed; training goes on, older ones are untouched",
                            "in_row=%" PRIu64 " reason=%s", saver->failures_in_row, err->text);
    if (saver->warning[0])
        pawl_log_warn("checkpoint", "step=%" PRIu64 " reason=%s", saver->done_step,
                      saver->warning);
    saver->warning[0] = '\0';
}

void pawl_training_save(struct pawl_training *training, uint64_t now_ns)
{
    struct pawl_err err = {0};

    end_checkpoint(training, pawl_checkpoint_poll(&training->saver, &err), &err);
    uint64_t updates = pawl_training_update_count(training);
    if (!pawl_checkpoint_is_due(&training->saver, training->run->deterministic ? 0 : now_ns,
                                updates))
        return;
    bool is_in_trouble = pawl_guard_is_in_trouble(&training->guard);
    if (is_in_trouble && !training->is_put_off)
        pawl_log_warn("checkpoint put off until training goes well or has gone back",
                      "updates=%" PRIu64, updates);
    training->is_put_off = is_in_trouble;
    if (is_in_trouble || begin_checkpoint(training, now_ns, &err) == 0)
        return;
    pawl_log_error("checkpoint not begun", "reason=%s", err.text);
    if (!training->is_spoilt) /* else the next update goes back, and then it can be */
        pawl_checkpoint_note_unbegun(&training->saver);
}

/* Until the one under way has ended and what it replaced is gone. false: not by then, and `why`
 * says what went wrong, if anything did. */
static bool wait_for_saver(struct pawl_training *training, uint64_t deadline_ns,
                           struct pawl_err *why)
{
    struct pawl_checkpoint *saver = &training->saver;
    enum pawl_checkpoint_state state = PAWL_CHECKPOINT_IDLE;
    unsigned failed_count = 0;
    while (pawl_checkpoint_is_busy(saver) && state != PAWL_CHECKPOINT_BUSY &&
           failed_count < LAST_TRIES) {
        struct pawl_err err = {0};
        state = pawl_checkpoint_wait(saver, deadline_ns, &err);
        end_checkpoint(training, state, &err);
        failed_count += state == PAWL_CHECKPOINT_FAILED;
        if (state == PAWL_CHECKPOINT_FAILED)
            *why = err;
    }
    return !pawl_checkpoint_is_busy(saver);
}

static int try_to_save(struct pawl_training *training, uint64_t deadline_ns,
                       struct pawl_err *err)
{
    *err = (struct pawl_err){0};
    if (training->is_spoilt && pawl_training_roll_back(training, err) != 0)
        return -err->code;
    int code = begin_checkpoint(training, pawl_clock_now_ns(), err);
    if (code != 0)
        return code;
    enum pawl_checkpoint_state state = pawl_checkpoint_wait(&training->saver, deadline_ns, err);
    end_checkpoint(training, state, err);
    if (state == PAWL_CHECKPOINT_BUSY)
        return pawl_err_set(err, ETIMEDOUT, "not on the disk in time");
    return state == PAWL_CHECKPOINT_FAILED ? -err->code : 0;
}

static int save_last(struct pawl_training *training, uint64_t deadline_ns, struct pawl_err *err)
{
    int code = -EIO;
    for (unsigned i = 0; i < LAST_TRIES && code != 0 && code != -ETIMEDOUT; i++) {
        code = try_to_save(training, deadline_ns, err);
        if (training->is_spoilt) /* the next try saves what is gone back to */
            pawl_log_error("last checkpoint not begun", "reason=%s", err->text);
    }
    return code;
}

/* The frames that a disk is slow with must not cost the checkpoint its time. */
static void flush_replay(struct pawl_training *training, uint64_t deadline_ns)
{
    struct pawl_err err = {0};
    int code = -EIO;
    for (unsigned i = 0; i < LAST_TRIES && code != 0 && code != -ETIMEDOUT; i++) {
        err = (struct pawl_err){0};
        code = pawl_stores_flush(&training->stores, deadline_ns, &err);
    }
    if (code != 0)
        pawl_log_warn("replay not all on the disk", "reason=%s", err.text);
}

int pawl_training_finish(struct pawl_training *training, uint64_t deadline_ns,
                         struct pawl_err *err)
{
    uint64_t now_ns = pawl_clock_now_ns();
    struct pawl_err why = {0};

    /* A resumed run makes up for what is given up here. */
    if (pawl_guard_is_in_trouble(&training->guard) &&
        pawl_training_roll_back(training, err) != 0)
        return pawl_err_wrap(err, "last checkpoint");
    pawl_training_write_metrics(training, now_ns);
    flush_replay(training, deadline_ns > now_ns ? now_ns + (deadline_ns - now_ns) / 2 : now_ns);
    bool is_idle = wait_for_saver(training, deadline_ns, &why);
    /* Records that came in since the last update are not learned from, but they count. */
    struct pawl_training_saved now = what_there_is(training);
    bool is_saved =
        training->saver.done_count > 0 && memcmp(&now, &training->saved, sizeof(now)) == 0;
    if (!is_saved && !is_idle && why.code) /* the folder cannot be looked at */
        return pawl_err_set(err, why.code, "last checkpoint: %s", why.text);
    if (!is_saved && !is_idle) /* its bytes are still read */
        return pawl_err_set(err, ETIMEDOUT,
                            "last checkpoint: the one before is not on the disk in time");
    if (!is_saved && save_last(training, deadline_ns, err) != 0)
        return pawl_err_wrap(err, "last checkpoint");
    why = (struct pawl_err){0};
    end_checkpoint(training, pawl_checkpoint_wait(&training->saver, deadline_ns, &why),
                   &why); /* old ones go */
    return 0;
}
