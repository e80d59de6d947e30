/* training_open.c: where training goes on, and the parts that it opens for that. */
#include "learner/training_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "learner/checkpoint_cfg.h"
#include "policy/door.h"
#include "runtime/clock.h"
#include "runtime/log.h"

#define RESUME_TEXT_BYTES_MAX (4u << 20)

/* --- where it goes on --- */

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
    int code = pawl_training_go_back(training, PAWL_WARM_LATEST, mark, err);
    if (code == -ENOENT)
        code = pawl_training_go_back(training, PAWL_WARM_GOOD, mark, err);
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

int pawl_training_fall_back(struct pawl_training *training, struct pawl_warm_mark *mark,
                            char from[PATH_MAX], struct pawl_err *err)
{
    struct pawl_resume_source source = {.io = training->setup.io,
                                        .folder = training->setup.folder};
    int code = pawl_resume_find(&source, err);
    if (code == 0)
        code = load_checkpoint(training, source.path, PAWL_CHECKPOINT_OURS, err);
    if (code != 0)
        return code;
    *mark = source.resume.mark;
    if (from)
        memcpy(from, source.path, PATH_MAX);
    return 0;
}

/* Where all that a dead learner has left is passed over, as going back: other batches are drawn
 * than those that led there. */
static int replace_warm(struct pawl_training *training, struct pawl_warm_mark *mark,
                        char from[PATH_MAX], struct pawl_err *err)
{
    struct pawl_err why = {0};
    int code = pawl_training_fall_back(training, mark, from, &why);
    if (code != 0 && code != -ENOENT)
        return pawl_err_set(err, why.code, "%s", why.text);
    if (code == -ENOENT)
        pawl_log_error("training begins again: a number of every warm state is not finite",
                       "reason=%s", why.text);
    else
        pawl_log_error("back to the newest checkpoint: a number of every warm state is not "
                       "finite",
                       "from=%s updates=%" PRIu64, from, mark->update_count);
    mark->draw_offset += PAWL_TRAINING_DRAWS_PER_ROLLBACK;
    return 0;
}

/* Where a run begins that nobody has died in. *from stays NULL: with first values. */
static int take_up_first(struct pawl_training *training, struct pawl_warm_mark *mark,
                         const char **from, struct pawl_err *err)
{
    if (training->setup.resume) {
        if (pawl_resume_find(training->setup.resume, err) != 0)
            return -err->code;
        *from = training->setup.resume->path;
        *mark = training->setup.resume->resume.mark;
        return load_checkpoint(training, *from, PAWL_CHECKPOINT_OURS, err);
    }
    if (!training->cfg->start_from[0])
        return 0;
    *from = training->cfg->start_from;
    if (load_checkpoint(training, *from, PAWL_CHECKPOINT_FOREIGN, err) != 0)
        return pawl_err_wrap(err, "learner.start_from");
    return 0; /* updates of another run are not counted */
}

/* The trainer as the run left it, and what the run owed it. */
static int take_up(struct pawl_training *training, struct pawl_err *err)
{
    struct pawl_warm_mark mark = {0};
    char checkpoint[PATH_MAX] = "";
    bool is_warm;

    if (open_warm(training, &mark, &is_warm, err) != 0)
        return -err->code;
    if (!is_warm && training->has_passed_over &&
        replace_warm(training, &mark, checkpoint, err) != 0)
        return -err->code;
    const char *from = is_warm ? "warm state" : checkpoint[0] ? checkpoint : NULL;
    if (!from && take_up_first(training, &mark, &from, err) != 0)
        return -err->code;
    training->draw_offset = mark.draw_offset;
    training->guard = mark.guard; /* of a checkpoint: nothing seen yet */
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
                      pawl_training_update_count(training), pawl_training_step_count(training));
    return pawl_training_mirror(training, PAWL_WARM_LATEST, err);
}

/* --- opening --- */

/* A thread that waits for a core which others use makes all of an update wait. */
static void warn_of_threads(const struct pawl_learner_cfg *cfg)
{
    if (cfg->threads > 1 && cfg->cpus.count < (uint32_t)cfg->threads)
        pawl_log_warn("more threads than processors of its own: where others compute, updates "
                      "take ten times as long and more; name as many in learner.cpus, or set "
                      "learner.threads = 1",
                      "threads=%" PRId64 " cpus=%u", cfg->threads, cfg->cpus.count);
}

/* A device that is asked for and not there; "auto" makes do. */
static int check_device(const struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_learner_cfg *cfg = training->cfg;
    struct pawl_err why = {0};
    char origin[PATH_MAX];

    if (cfg->device != PAWL_LEARNER_DEVICE_CUDA ||
        pawl_door_engine("cuda", (uint32_t)cfg->threads, &why))
        return 0;
    pawl_cfg_origin(training->setup.cfg, "learner.device", origin, sizeof(origin));
    return pawl_err_set(err, why.code == ENOENT ? ENODEV : why.code,
                        "learner.device = \"cuda\" (%s): %s; " PAWL_LEARNER_DEVICE_WAY_OUT,
                        origin, why.text);
}

static int open_trainer(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_trainer_setup setup = {
        .cfg = training->setup.cfg,
        .spec = &training->setup.ingest->spec,
        .choice_count = training->setup.choice_count,
        .batch_count = (uint32_t)training->cfg->batch_size,
        .seed = (uint64_t)training->run->seed,
        .device = pawl_learner_devices[training->cfg->device],
        .thread_count = (uint32_t)training->cfg->threads,
    };
    const struct pawl_trainer_ops *ops = training->setup.policy->trainer;
    warn_of_threads(training->cfg);
    if (check_device(training, err) != 0)
        return -err->code;
    if (ops->open(&training->trainer, &setup, err) != 0)
        return -err->code;
    pawl_log_info("learning", "device=%s threads=%u", ops->device(training->trainer),
                  setup.thread_count);
    return 0;
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
        .queue = training->setup.queue,
    };
    return pawl_stores_open(&training->stores, &setup, err);
}

/* The first learner of a run says when it began. */
static const struct pawl_tally_saved *know_saved(struct pawl_training *training)
{
    struct pawl_tally *tally = &training->setup.ingest->tally;
    if (pawl_tally_saved(tally)->begun_ns == 0) {
        struct pawl_tally_saved *saved = pawl_tally_edit_saved(tally);
        saved->update_count = pawl_training_update_count(training);
        saved->begun_ns = pawl_clock_now_ns();
        pawl_tally_commit(tally);
    }
    return pawl_tally_saved(tally);
}

static int open_saver(struct pawl_training *training, struct pawl_err *err)
{
    const struct pawl_checkpoint_tree_setup tree = {.trainer = training->trainer,
                                                    .seed = (uint64_t)training->run->seed};
    if (pawl_checkpoint_tree_open(&training->tree, &tree, err) != 0)
        return -err->code;

    const struct pawl_tally_saved *saved = know_saved(training);
    struct pawl_checkpoint_setup setup = {
        .io = training->setup.io,
        .queue = training->setup.queue,
        .run_path = training->setup.folder,
        .run = training->run->name,
        .cfg = *(const struct pawl_checkpoint_cfg *)pawl_cfg_fields(training->setup.cfg,
                                                                    &pawl_checkpoint_table),
        .step = pawl_training_update_count(training),
        .begun_step = saved->update_count,
        .begun_ns = saved->begun_ns,
        .rollback_count = pawl_training_rollbacks(training),
        .part_count_max = training->tree.part_count,
        /* A dead learner's successor has all it needs in memory: no disk is waited for. */
        .is_looked_for_later = training->warm.segment.fd < 0,
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
        .keeper = training->setup.keeper,
    };
    training->rate_ns = pawl_clock_now_ns();
    training->rate_updates = pawl_training_update_count(training);
    training->rate_steps = pawl_training_step_count(training);
    return pawl_metrics_open(&training->metrics, &cfg, err);
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
        (void)pawl_training_close(training);
        return pawl_err_wrap(err, "open training");
    }
    pawl_training_prepare_sampler(training);
    training->setup.estate = NULL;
    training->setup.resume = NULL;
    return 0;
}

int pawl_training_close(struct pawl_training *training)
{
    if (!training->is_open)
        return 0;
    int saver = pawl_checkpoint_close(&training->saver);
    if (pawl_stores_close(&training->stores) != 0 || saver != 0)
        return -ETIMEDOUT;
    pawl_metrics_close(&training->metrics);
    pawl_checkpoint_tree_close(&training->tree);
    pawl_json_close_writer(&training->resume_text);
    pawl_warm_close(&training->warm);
    training->setup.policy->trainer->close(training->trainer);
    *training = (struct pawl_training){0};
    return 0;
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
