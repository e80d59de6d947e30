/* training.c: what comes in, the updates, and the state of the trainer that is kept beside
 * them. */
#include "learner/training_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "shm/record.h"
#include "shm/run_stats.h"

/* Of a batch that a test wants to be spoilt, with gradients that are finite and far too high.
 */
#define HUGE_REWARD 1e6f

/* Updates of longer than this are mirrored one by one. */
#define MIRROR_NS_MAX (200 * PAWL_NS_PER_MS)

uint64_t pawl_training_step_count(const struct pawl_training *training)
{
    return pawl_tally_totals(&training->setup.ingest->tally)->step_count;
}

uint64_t pawl_training_update_count(const struct pawl_training *training)
{
    return training->setup.policy->trainer->update_count(training->trainer);
}

/* --- the state of the trainer, kept and put back --- */

void pawl_training_note_mark(const struct pawl_training *training, struct pawl_warm_mark *mark)
{
    uint64_t steps = pawl_training_step_count(training);
    *mark = (struct pawl_warm_mark){
        .update_count = pawl_training_update_count(training),
        .draw_offset = training->draw_offset,
        .ratio_step_count = steps,
        .ratio_credit = pawl_ratio_credit(&training->ratio, steps),
        .guard = training->guard,
    };
}

int pawl_training_mirror(struct pawl_training *training, enum pawl_warm_kind kind,
                         struct pawl_err *err)
{
    if (training->setup.policy->trainer->fetch(training->trainer, err) != 0)
        return pawl_err_wrap(err, "keep the state");
    pawl_training_mirror_fetched(training, kind);
    return 0;
}

void pawl_training_mirror_fetched(struct pawl_training *training, enum pawl_warm_kind kind)
{
    struct pawl_warm_mark mark;
    size_t byte_count = 0;

    pawl_training_note_mark(training, &mark);
    const void *block = training->setup.policy->trainer->state(training->trainer, &byte_count);
    pawl_warm_put(&training->warm, kind, block, &mark);
    if (kind == PAWL_WARM_LATEST) {
        training->mirrored_ns = pawl_clock_now_ns();
        training->mirrored_updates = mark.update_count;
    }
}

struct judged {
    struct pawl_training *training;
    const void *state;
};

static bool is_sound(void *arg, const void *block)
{
    const struct judged *judged = arg;
    const struct pawl_tensor *spoilt =
        pawl_trainer_find_spoilt(judged->training->trainer, judged->state, block);
    if (!spoilt)
        return true;
    judged->training->has_passed_over = true;
    pawl_log_warn("warm state passed over: a number is not finite", "tensor=%s", spoilt->name);
    return false;
}

int pawl_training_go_back(struct pawl_training *training, enum pawl_warm_kind kind,
                          struct pawl_warm_mark *mark, struct pawl_err *err)
{
    const struct pawl_trainer_ops *ops = training->setup.policy->trainer;
    size_t byte_count = 0;
    void *block = ops->state(training->trainer, &byte_count);
    struct judged judged = {.training = training, .state = block};
    if (!pawl_warm_get(&training->warm, kind, is_sound, &judged, block, mark))
        return -ENOENT;
    return ops->restore(training->trainer, err);
}

/* --- what comes in --- */

static void take(void *arg, const struct pawl_ring_record *record, const unsigned char *data,
                 uint32_t lane)
{
    struct pawl_training *training = arg;
    struct pawl_ingest_sink sink = pawl_stores_sink(&training->stores);

    if (record->flags & PAWL_RECORD_STEP) {
        uint64_t age = training->version > record->policy_version
                           ? training->version - record->policy_version
                           : 0;
        training->stale_counts[age < PAWL_TRAINING_STALE_MAX ? age : PAWL_TRAINING_STALE_MAX]++;
    }
    sink.take(sink.arg, record, data, lane);
}

static void committed(void *arg)
{
    struct pawl_training *training = arg;
    struct pawl_ingest_sink sink = pawl_stores_sink(&training->stores);
    sink.committed(sink.arg);
    training->is_starved = false;
}

struct pawl_ingest_sink pawl_training_sink(struct pawl_training *training)
{
    return (struct pawl_ingest_sink){.arg = training, .take = take, .committed = committed};
}

void pawl_training_published(struct pawl_training *training, uint64_t version)
{
    training->version = version;
}

/* --- updates --- */

double pawl_training_owed(const struct pawl_training *training)
{
    return pawl_ratio_owed(&training->ratio, pawl_training_step_count(training),
                           pawl_training_update_count(training));
}

uint64_t pawl_training_room(const struct pawl_training *training)
{
    uint64_t room = pawl_ratio_room(&training->ratio, pawl_training_step_count(training),
                                    pawl_training_update_count(training));
    /* An update that waits for the successor of the only frame must let it in. */
    return room == 0 && training->is_starved ? 1 : room;
}

/* As stores's, with other batches after each time that training went back. */
static int fill(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    struct pawl_training *training = arg;
    struct pawl_replay_sampler *sampler = &training->stores.sampler;
    PAWL_FAULT("learner.sample");
    sampler->draw_offset = training->draw_offset;
    int code = sampler->base.fill(sampler, batch, draw, err);
    int fault = code == 0 ? PAWL_FAULT_ERRNO("learner.batch") : 0; /* a test wants it spoilt */
    if (fault)
        batch->reward[0] = fault == ERANGE ? HUGE_REWARD : NAN;
    return code;
}

static void prioritise(void *arg, const uint64_t *frames, const float *errors, uint32_t count)
{
    struct pawl_training *training = arg;
    const struct pawl_sampler *sampler = &training->stores.sampler.base;
    sampler->prioritise(sampler->arg, frames, errors, count);
}

void pawl_training_prepare_sampler(struct pawl_training *training)
{
    training->sampler = (struct pawl_sampler){.arg = training, .fill = fill};
    if (training->stores.sampler.base.prioritise)
        training->sampler.prioritise = prioritise;
}

uint64_t pawl_training_rollbacks(const struct pawl_training *training)
{
    return training->draw_offset / PAWL_TRAINING_DRAWS_PER_ROLLBACK;
}

int pawl_training_roll_back(struct pawl_training *training, struct pawl_err *err)
{
    struct pawl_warm_mark mark;
    struct pawl_err why = {0};
    int code = pawl_training_go_back(training, PAWL_WARM_GOOD, &mark, err);
    if (code == -ENOENT)
        code = pawl_training_go_back(training, PAWL_WARM_LATEST, &mark, err);
    if (code == -ENOENT)
        code = pawl_training_fall_back(training, &mark, NULL, &why);
    if (why.code) /* EDOM: no other start would find more */
        return pawl_err_set(err, why.code == ENOENT ? EDOM : why.code,
                            "training went wrong, and no warm state can be gone back to: %s",
                            why.text);
    if (code != 0)
        return code;
    training->is_spoilt = false;
    training->rollback_count++;
    training->draw_offset += PAWL_TRAINING_DRAWS_PER_ROLLBACK;
    pawl_checkpoint_note_rollback(&training->saver, pawl_training_rollbacks(training));
    pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_ROLLBACKS, 1);
    pawl_log_error("training went wrong: back to the last good state",
                   "updates=%" PRIu64 " times=%" PRIu64, mark.update_count,
                   training->rollback_count);
    return pawl_training_mirror(training, PAWL_WARM_LATEST, err);
}

static int give_up(struct pawl_err *err)
{
    return pawl_err_set(err, EDOM,
                        "training diverges: back to the last good state %u times without "
                        "progress; lower the learning rates or look at the rewards",
                        PAWL_GUARD_ROLLBACKS_MAX);
}

/* From a state that could not be saved. */
static int leave_spoilt(struct pawl_training *training, struct pawl_err *err)
{
    uint64_t updates = pawl_training_update_count(training);
    if (pawl_guard_judge_spoilt(&training->guard, updates) == PAWL_GUARD_GIVE_UP)
        return give_up(err);
    return pawl_training_roll_back(training, err);
}

static int judge(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_trainer_report *report = &training->report;
    if (report->is_skipped) {
        training->skipped_count++;
        pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_UPDATES_SKIPPED, 1);
        pawl_log_warn("update cut short: a loss or gradient is not finite; that step and those "
                      "behind it were not made",
                      "update=%" PRIu64 " draw_offset=%" PRIu64,
                      pawl_training_update_count(training), training->draw_offset);
    }
    switch (pawl_guard_judge(&training->guard, report->is_skipped, report->grad_norm)) {
    case PAWL_GUARD_GOOD:
        return pawl_training_mirror(training, PAWL_WARM_GOOD, err);
    case PAWL_GUARD_ROLL_BACK:
        return pawl_training_roll_back(training, err);
    case PAWL_GUARD_GIVE_UP:
        return give_up(err);
    default:
        return 0;
    }
}

/* Slow updates are mirrored each, so that few are done again. An update that is done again has
 * more steps to draw from than it had: where a run has to be the same again, none is. */
static bool is_mirror_due(const struct pawl_training *training, uint64_t now_ns)
{
    uint64_t updates = pawl_training_update_count(training);
    return training->run->deterministic ||
           updates - training->mirrored_updates >= (uint64_t)training->cfg->mirror_updates ||
           now_ns - training->mirrored_ns >= MIRROR_NS_MAX;
}

#ifdef PAWL_FAULTS
/* A test wants no parameter to be a number. */
static void spoil(struct pawl_training *training)
{
    size_t byte_count = 0;
    void *block = training->setup.policy->trainer->state(training->trainer, &byte_count);
    memset(block, 0xff, byte_count);
}
#endif

int pawl_training_update(struct pawl_training *training, struct pawl_err *err)
{
    if (training->is_spoilt && leave_spoilt(training, err) != 0)
        return -err->code;
    if (training->is_starved || pawl_training_owed(training) < 1.0)
        return 0;
    uint64_t began_ns = pawl_clock_now_ns();
    PAWL_FAULT("learner.step");
    int code = training->setup.policy->trainer->update(training->trainer, &training->sampler,
                                                       &training->report, err);
    if (code == -EAGAIN) {
        *err = (struct pawl_err){0};
        training->is_starved = true;
        return 0;
    }
    if (code != 0)
        return pawl_err_wrap(err, "update");
#ifdef PAWL_FAULTS
    if (PAWL_FAULT_ERRNO("learner.parameters"))
        spoil(training);
#endif
    pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_UPDATES, 1);
    pawl_stats_record(training->setup.stats, PAWL_LEARNER_STAT_UPDATE_NS,
                      pawl_clock_now_ns() - began_ns);
    for (uint32_t i = 0; i < training->report.figure_count; i++)
        pawl_metrics_add(&training->metrics, training->report.figures[i].name,
                         training->report.figures[i].value);
    code = judge(training, err);
    /* One cut short has left nothing to keep, or something that nobody should keep. */
    if (code == 0 && !training->report.is_skipped &&
        is_mirror_due(training, pawl_clock_now_ns()))
        code = pawl_training_mirror(training, PAWL_WARM_LATEST, err);
    return code == 0 ? 1 : code;
}

/* --- beside it --- */

void pawl_training_turn(struct pawl_training *training, uint64_t now_ns)
{
    pawl_stores_poll(&training->stores, now_ns);
    pawl_training_save(training, now_ns);
    if (pawl_metrics_is_due(&training->metrics, now_ns))
        pawl_training_write_metrics(training, now_ns);
}
