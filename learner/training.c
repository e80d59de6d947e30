#include "learner/training.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learner/checkpoint_cfg.h"
#include "policy/door.h"
#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "shm/record.h"
#include "shm/run_stats.h"

/* Going back draws other batches than those that led here: a run has fewer draws than this. */
#define DRAWS_PER_ROLLBACK (UINT64_C(1) << 48)

/* Updates of longer than this are mirrored one by one. */
#define MIRROR_NS_MAX (200 * PAWL_NS_PER_MS)

#define RESUME_TEXT_BYTES_MAX (4u << 20)

static uint64_t step_count(const struct pawl_training *training)
{
    return pawl_tally_totals(&training->setup.ingest->tally)->step_count;
}

uint64_t pawl_training_update_count(const struct pawl_training *training)
{
    return training->setup.policy->trainer->update_count(training->trainer);
}

/* --- where it goes on --- */

/* What was earned is noted as of now, so that a run that goes on at another ratio has it at the
 * old one for the steps up to here. */
static void note_mark(const struct pawl_training *training, struct pawl_warm_mark *mark)
{
    uint64_t steps = step_count(training);
    *mark = (struct pawl_warm_mark){
        .update_count = pawl_training_update_count(training),
        .draw_offset = training->draw_offset,
        .ratio_step_count = steps,
        .ratio_credit = pawl_ratio_credit(&training->ratio, steps),
    };
}

static void mirror(struct pawl_training *training, enum pawl_warm_kind kind)
{
    struct pawl_warm_mark mark;
    size_t byte_count = 0;

    note_mark(training, &mark);
    const void *block = training->setup.policy->trainer->state(training->trainer, &byte_count);
    pawl_warm_put(&training->warm, kind, block, &mark);
    if (kind == PAWL_WARM_LATEST) {
        training->mirrored_ns = pawl_clock_now_ns();
        training->mirrored_updates = mark.update_count;
    }
}

static bool is_finite(const float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]))
            return false;
    return true;
}

/* Puts a warm state back. -ENOENT: there is none, or none of sense. */
static int go_back(struct pawl_training *training, enum pawl_warm_kind kind,
                   struct pawl_warm_mark *mark, struct pawl_err *err)
{
    const struct pawl_trainer_ops *ops = training->setup.policy->trainer;
    size_t byte_count = 0;
    void *block = ops->state(training->trainer, &byte_count);
    if (!pawl_warm_get(&training->warm, kind, block, mark) ||
        !is_finite(block, byte_count / sizeof(float)))
        return -ENOENT;
    return ops->restore(training->trainer, err);
}

static int open_warm(struct pawl_training *training, struct pawl_warm_mark *mark, bool *is_warm,
                     struct pawl_err *err)
{
    const struct pawl_heirloom *heirloom =
        pawl_estate_find(training->setup.estate, PAWL_WARM_LABEL);
    size_t byte_count = 0;

    training->setup.policy->trainer->state(training->trainer, &byte_count);
    *is_warm = false;
    if (!heirloom)
        return pawl_warm_create(&training->warm, byte_count, err);
    if (pawl_warm_attach(&training->warm, heirloom->fd, heirloom->total_bytes, byte_count,
                         err) != 0)
        return -err->code;
    int code = go_back(training, PAWL_WARM_LATEST, mark, err);
    if (code == -ENOENT)
        code = go_back(training, PAWL_WARM_GOOD, mark, err);
    *is_warm = code == 0;
    return code == -ENOENT ? 0 : code;
}

static int load_checkpoint(struct pawl_training *training, const char *path,
                           enum pawl_checkpoint_origin origin, struct pawl_err *err)
{
    struct pawl_checkpoint_loaded loaded = {0};
    int code = pawl_checkpoint_tree_load(training->setup.io, path, training->trainer, origin,
                                         &loaded, err);
    if (code == 0 && loaded.missing_count > 0)
        pawl_log_warn("not in the checkpoint", "path=%s tensors=%u names=%s", path,
                      loaded.missing_count, loaded.missing);
    free(loaded.pawl_json);
    return code;
}

/* The trainer as the run left it, and what the run owed it. */
static int take_up(struct pawl_training *training, struct pawl_err *err)
{
    struct pawl_warm_mark mark = {0};
    bool is_warm;

    if (open_warm(training, &mark, &is_warm, err) != 0)
        return -err->code;
    const char *from = is_warm ? "warm state" : NULL;
    if (!is_warm && training->setup.resume) {
        from = training->setup.resume_path;
        mark = training->setup.resume->mark;
        if (load_checkpoint(training, from, PAWL_CHECKPOINT_OURS, err) != 0)
            return -err->code;
    } else if (!is_warm && training->cfg->start_from[0]) {
        from = training->cfg->start_from;
        if (load_checkpoint(training, from, PAWL_CHECKPOINT_FOREIGN, err) != 0)
            return pawl_err_wrap(err, "learner.start_from");
        /* Updates of another run: they were not earned by steps of this one. */
        mark.ratio_credit = (double)pawl_training_update_count(training);
    }
    training->draw_offset = mark.draw_offset;
    const struct pawl_ratio_cfg ratio = {
        .updates_per_step = training->cfg->update_ratio,
        .learning_starts = (uint64_t)training->cfg->learning_starts,
        .is_learner_waited_for = training->cfg->behind == PAWL_LEARNER_BEHIND_THROTTLE,
    };
    const struct pawl_ratio_mark ratio_mark = {.step_count = mark.ratio_step_count,
                                               .credit = mark.ratio_credit};
    pawl_ratio_open(&training->ratio, &ratio, &ratio_mark);
    if (from)
        pawl_log_info("training goes on", "from=%s updates=%" PRIu64 " steps=%" PRIu64, from,
                      pawl_training_update_count(training), step_count(training));
    mirror(training, PAWL_WARM_LATEST);
    return 0;
}

/* --- opening --- */

/* A thread that waits for a core which others use makes all of an update wait. */
static void warn_of_threads(const struct pawl_learner_cfg *cfg)
{
    if (cfg->threads > 1 && cfg->cpus.count < (uint32_t)cfg->threads)
        pawl_log_warn("more threads than processors of its own: updates may take ten times as "
                      "long; name as many in learner.cpus, or set learner.threads = 1",
                      "threads=%" PRId64 " cpus=%u", cfg->threads, cfg->cpus.count);
}

static int open_trainer(struct pawl_training *training, struct pawl_err *err)
{
    static const char *const devices[] = {"auto", "cpu", "cuda"};
    const struct pawl_trainer_setup setup = {
        .cfg = training->setup.cfg,
        .spec = &training->setup.ingest->spec,
        .choice_count = training->setup.choice_count,
        .batch_count = (uint32_t)training->cfg->batch_size,
        .seed = (uint64_t)training->run->seed,
        .device = pawl_door_device(devices[training->cfg->device]),
        .thread_count = (uint32_t)training->cfg->threads,
    };
    warn_of_threads(training->cfg);
    return training->setup.policy->trainer->open(&training->trainer, &setup, err);
}

static int open_stores(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_stores_setup setup = {
        .cfg = pawl_cfg_fields(training->setup.cfg, &pawl_replay_table),
        .spec = &training->setup.ingest->spec,
        .estate = training->setup.estate,
        .tally = &training->setup.ingest->tally,
        .folder = training->setup.folder,
        .seed = (uint64_t)training->run->seed,
        .batch_count = (uint32_t)training->cfg->batch_size,
        .discount = training->setup.policy->trainer->discount(training->trainer),
        .io = training->setup.io,
    };
    return pawl_stores_open(&training->stores, &setup, err);
}

static int open_saver(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_checkpoint_tree_setup tree = {.trainer = training->trainer,
                                                    .seed = (uint64_t)training->run->seed};
    if (pawl_checkpoint_tree_open(&training->tree, &tree, err) != 0)
        return -err->code;

    struct pawl_checkpoint_setup setup = {
        .io = training->setup.io,
        .queue = PAWL_IO_QUEUE_AUTO,
        .run_path = training->setup.folder,
        .run = training->run->name,
        .cfg = *(const struct pawl_checkpoint_cfg *)pawl_cfg_fields(training->setup.cfg,
                                                                    &pawl_checkpoint_table),
        .step = pawl_training_update_count(training),
        .part_count_max = training->tree.part_count,
    };
    pawl_spec_hash(&training->setup.ingest->spec, setup.spec_hash);
    pawl_json_open_growing(&training->resume_text, RESUME_TEXT_BYTES_MAX);
    return pawl_checkpoint_open(&training->saver, &setup, err);
}

static int open_metrics(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_metrics_cfg cfg = {
        .folder = training->setup.folder,
        .io = training->setup.io,
        .period_ns = (uint64_t)(training->cfg->metrics_period_s * (double)PAWL_NS_PER_S),
        .start_ns = training->setup.start_ns,
    };
    training->rate_ns = pawl_clock_now_ns();
    training->rate_updates = pawl_training_update_count(training);
    training->rate_steps = step_count(training);
    return pawl_metrics_open(&training->metrics, &cfg, err);
}

/* As stores's, with other batches after each time that training went back. */
static int fill(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    struct pawl_training *training = arg;
    struct pawl_replay_sampler *sampler = &training->stores.sampler;
    PAWL_FAULT("learner.sample");
    sampler->draw_offset = training->draw_offset;
    int code = sampler->base.fill(sampler, batch, draw, err);
    if (code == 0 && PAWL_FAULT_ERRNO("learner.batch")) /* a test wants it spoilt */
        batch->reward[0] = NAN;
    return code;
}

static void prioritise(void *arg, const uint64_t *frames, const float *errors, uint32_t count)
{
    struct pawl_training *training = arg;
    const struct pawl_sampler *sampler = &training->stores.sampler.base;
    sampler->prioritise(sampler->arg, frames, errors, count);
}

int pawl_training_open(struct pawl_training *training, const struct pawl_training_setup *setup,
                       struct pawl_err *err)
{
    *training = (struct pawl_training){
        .setup = *setup,
        .cfg = pawl_cfg_fields(setup->cfg, &pawl_learner_table),
        .run = pawl_cfg_fields(setup->cfg, &pawl_run_table),
        .is_open = true,
    };
    if (open_trainer(training, err) != 0 || take_up(training, err) != 0 ||
        open_stores(training, err) != 0 || open_saver(training, err) != 0 ||
        open_metrics(training, err) != 0) {
        pawl_training_close(training);
        return pawl_err_wrap(err, "open training");
    }
    training->sampler = (struct pawl_sampler){.arg = training, .fill = fill};
    if (training->stores.sampler.base.prioritise)
        training->sampler.prioritise = prioritise;
    training->setup.estate = NULL;
    training->setup.resume = NULL;
    return 0;
}

void pawl_training_close(struct pawl_training *training)
{
    if (!training->is_open)
        return;
    pawl_metrics_close(&training->metrics);
    pawl_checkpoint_close(&training->saver);
    pawl_checkpoint_tree_close(&training->tree);
    pawl_json_close_writer(&training->resume_text);
    pawl_stores_close(&training->stores);
    pawl_warm_close(&training->warm);
    training->setup.policy->trainer->close(training->trainer);
    *training = (struct pawl_training){0};
}

const struct pawl_segment *pawl_training_segment(const struct pawl_training *training,
                                                 uint32_t index)
{
    const struct pawl_segment *const segments[] = {
        &training->warm.segment,
        &training->stores.online.replay.segment,
        &training->stores.offline.replay.segment,
    };
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
        if (segments[i]->base && segments[i]->fd >= 0 && index-- == 0)
            return segments[i];
    return NULL;
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
    return pawl_ratio_owed(&training->ratio, step_count(training),
                           pawl_training_update_count(training));
}

uint64_t pawl_training_room(const struct pawl_training *training)
{
    uint64_t room = pawl_ratio_room(&training->ratio, step_count(training),
                                    pawl_training_update_count(training));
    /* An update that waits for the successor of the only frame must let it in. */
    return room == 0 && training->is_starved ? 1 : room;
}

static int roll_back(struct pawl_training *training, struct pawl_err *err)
{
    struct pawl_warm_mark mark;
    int code = go_back(training, PAWL_WARM_GOOD, &mark, err);
    if (code == -ENOENT)
        code = go_back(training, PAWL_WARM_LATEST, &mark, err);
    if (code != 0)
        return code;
    training->rollback_count++;
    training->draw_offset += DRAWS_PER_ROLLBACK;
    pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_ROLLBACKS, 1);
    pawl_log_error("training went wrong: back to the last good state",
                   "updates=%" PRIu64 " times=%" PRIu64, mark.update_count,
                   training->rollback_count);
    mirror(training, PAWL_WARM_LATEST);
    return 0;
}

static int judge(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_trainer_report *report = &training->report;
    if (report->is_skipped) {
        training->skipped_count++;
        pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_UPDATES_SKIPPED, 1);
        pawl_log_warn("update without effect: a loss or gradient is not finite",
                      "update=%" PRIu64 " draw_offset=%" PRIu64,
                      pawl_training_update_count(training), training->draw_offset);
    }
    switch (pawl_guard_judge(&training->guard, report->is_skipped, report->grad_norm)) {
    case PAWL_GUARD_GOOD:
        mirror(training, PAWL_WARM_GOOD);
        return 0;
    case PAWL_GUARD_ROLL_BACK:
        return roll_back(training, err);
    case PAWL_GUARD_GIVE_UP:
        return pawl_err_set(err, EDOM,
                            "training diverges: back to the last good state %u times without "
                            "progress; lower the learning rates or look at the rewards",
                            PAWL_GUARD_ROLLBACKS_MAX);
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
    /* One without effect has left nothing to keep, or something that nobody should keep. */
    if (code == 0 && !training->report.is_skipped &&
        is_mirror_due(training, pawl_clock_now_ns()))
        mirror(training, PAWL_WARM_LATEST);
    return code == 0 ? 1 : code;
}

/* --- beside it --- */

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
        .interaction_step = step_count(training),
    };
    struct pawl_warm_mark mark;
    size_t length = 0;

    note_mark(training, &mark);
    pawl_json_reset(&training->resume_text);
    pawl_resume_write(&training->resume_text, &mark, training->setup.ingest);
    const char *text = pawl_json_finish(&training->resume_text, &length, err);
    if (!text || pawl_checkpoint_tree_snap(&training->tree, &counts, text, length, err) != 0)
        return -err->code;
    training->saving = what_there_is(training);
    pawl_stores_hurry(&training->stores);
    double score = book->mean_count > 0 ? book->return_mean : (double)NAN;
    return pawl_checkpoint_begin(&training->saver, counts.step, score, training->tree.files,
                                 training->tree.file_count, now_ns, err);
}

static void end_checkpoint(struct pawl_training *training, enum pawl_checkpoint_state state,
                           const struct pawl_err *err)
{
    const struct pawl_checkpoint *saver = &training->saver;
    if (state == PAWL_CHECKPOINT_DONE) {
        /* One that took the place of another is not one more that journals are kept for. */
        if (saver->done_count == 1 ||
            training->saving.update_count != training->saved.update_count)
            pawl_stores_saved(&training->stores, &training->saving.totals);
        training->saved = training->saving;
        pawl_stats_add(training->setup.stats, PAWL_LEARNER_STAT_CHECKPOINTS, 1);
        pawl_stats_set(training->setup.stats, PAWL_LEARNER_STAT_LAST_CHECKPOINT_STEP,
                       (double)saver->done_step);
        pawl_log_info("checkpoint", "step=%" PRIu64 " bytes=%" PRIu64 " took_ms=%" PRIu64,
                      saver->done_step, saver->done_bytes,
                      (uint64_t)(saver->took_ns / PAWL_NS_PER_MS));
        if (saver->warning[0])
            pawl_log_warn("checkpoint", "step=%" PRIu64 " reason=%s", saver->done_step,
                          saver->warning);
    } else if (state == PAWL_CHECKPOINT_FAILED && pawl_checkpoint_is_durability_lost(saver))
        pawl_log_error("durability lost: no checkpoint can be written",
                       "in_row=%" PRIu64 " reason=%s", saver->failures_in_row, err->text);
    else if (state == PAWL_CHECKPOINT_FAILED)
        pawl_log_error("checkpoint failed; training goes on, older ones are untouched",
                       "in_row=%" PRIu64 " reason=%s", saver->failures_in_row, err->text);
}

static double stale_percentile(const struct pawl_training *training, double part)
{
    uint64_t total = 0, below = 0;
    for (uint32_t i = 0; i <= PAWL_TRAINING_STALE_MAX; i++)
        total += training->stale_counts[i];
    for (uint32_t i = 0; i <= PAWL_TRAINING_STALE_MAX; i++) {
        below += training->stale_counts[i];
        if ((double)below >= part * (double)total)
            return i;
    }
    return PAWL_TRAINING_STALE_MAX;
}

static void write_metrics(struct pawl_training *training, uint64_t now_ns)
{
    struct pawl_metrics *metrics = &training->metrics;
    const struct pawl_book *book = &training->setup.ingest->book;
    uint64_t updates = pawl_training_update_count(training), steps = step_count(training);
    double seconds = (double)(now_ns - training->rate_ns) / (double)PAWL_NS_PER_S;
    /* Both may have gone back: training to a good state, a rate is never negative. */
    uint64_t new_updates =
        updates > training->rate_updates ? updates - training->rate_updates : 0;
    uint64_t new_steps = steps > training->rate_steps ? steps - training->rate_steps : 0;

    pawl_metrics_set(metrics, "perf/env_sps", (double)new_steps / seconds);
    pawl_metrics_set(metrics, "perf/update_hz", (double)new_updates / seconds);
    if (new_steps > 0)
        pawl_metrics_set(metrics, "perf/update_ratio", (double)new_updates / (double)new_steps);
    /* Without the last digits, which are rounding. */
    pawl_metrics_set(metrics, "perf/updates_owed",
                     round(pawl_training_owed(training) * 1e6) / 1e6);
    pawl_metrics_set(metrics, "replay/size",
                     (double)pawl_replay_size(&training->stores.online.replay));
    if (training->stores.offline.replay.segment.base)
        pawl_metrics_set(metrics, "replay/offline_size",
                         (double)pawl_replay_size(&training->stores.offline.replay));
    if (new_steps > 0) {
        pawl_metrics_set(metrics, "policy/staleness_p50", stale_percentile(training, 0.5));
        pawl_metrics_set(metrics, "policy/staleness_p99", stale_percentile(training, 0.99));
    }
    if (book->mean_count > 0) {
        pawl_metrics_set(metrics, "episode/return", book->return_mean);
        pawl_metrics_set(metrics, "episode/length", book->length_mean);
    }
    pawl_metrics_set(metrics, "train/updates_skipped", (double)training->skipped_count);
    pawl_metrics_set(metrics, "train/rollbacks", (double)training->rollback_count);
    pawl_metrics_write(metrics, now_ns, updates, steps);
    memset(training->stale_counts, 0, sizeof(training->stale_counts));
    training->rate_ns = now_ns;
    training->rate_updates = updates;
    training->rate_steps = steps;
}

void pawl_training_turn(struct pawl_training *training, uint64_t now_ns)
{
    struct pawl_err err = {0};

    pawl_stores_poll(&training->stores, now_ns);
    end_checkpoint(training, pawl_checkpoint_poll(&training->saver, &err), &err);
    uint64_t updates = pawl_training_update_count(training);
    if (!training->report.is_skipped &&
        pawl_checkpoint_is_due(&training->saver, training->run->deterministic ? 0 : now_ns,
                               updates) &&
        begin_checkpoint(training, now_ns, &err) != 0)
        pawl_log_error("checkpoint not begun", "reason=%s", err.text);
    if (pawl_metrics_is_due(&training->metrics, now_ns))
        write_metrics(training, now_ns);
}

static int save_last(struct pawl_training *training, uint64_t deadline_ns, struct pawl_err *err)
{
    int code = begin_checkpoint(training, pawl_clock_now_ns(), err);
    if (code != 0)
        return code;
    enum pawl_checkpoint_state state = pawl_checkpoint_wait(&training->saver, deadline_ns, err);
    end_checkpoint(training, state, err);
    if (state == PAWL_CHECKPOINT_BUSY)
        return pawl_err_set(err, ETIMEDOUT, "not on the disk in time");
    return state == PAWL_CHECKPOINT_FAILED ? -err->code : 0;
}

int pawl_training_finish(struct pawl_training *training, uint64_t deadline_ns,
                         struct pawl_err *err)
{
    uint64_t now_ns = pawl_clock_now_ns();
    struct pawl_err last = {0};

    write_metrics(training, now_ns);
    /* Half of the time: frames that the disk is slow with must not cost the checkpoint. */
    uint64_t flush_ns = deadline_ns > now_ns ? (deadline_ns - now_ns) / 2 : 0;
    if (pawl_stores_flush(&training->stores, now_ns + flush_ns, &last) != 0)
        pawl_log_warn("replay not all on the disk", "reason=%s", last.text);
    last = (struct pawl_err){0};
    if (pawl_checkpoint_is_busy(&training->saver))
        end_checkpoint(training, pawl_checkpoint_wait(&training->saver, deadline_ns, &last),
                       &last);
    /* Records that came in since the last update are not learned from, but they count. */
    struct pawl_training_saved now = what_there_is(training);
    bool is_saved =
        training->saver.done_count > 0 && memcmp(&now, &training->saved, sizeof(now)) == 0;
    if (!is_saved && pawl_checkpoint_is_busy(&training->saver)) /* its bytes are still read */
        return pawl_err_set(err, ETIMEDOUT,
                            "last checkpoint: the one before is not on the disk in time");
    if (!is_saved && save_last(training, deadline_ns, err) != 0)
        return pawl_err_wrap(err, "last checkpoint");
    (void)pawl_checkpoint_wait(&training->saver, deadline_ns, NULL); /* old ones go */
    return 0;
}
