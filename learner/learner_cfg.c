#include "learner/learner_cfg.h"

#include "learner/book.h"
#include "learner/checkpoint_find.h"
#include "learner/replay_cfg.h"
#include "learner/tally.h"
#include "policy/door.h"
#include "policy/policy.h"
#include "policy/policy_cfg.h"
#include "runtime/run_cfg.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const behinds[] = {"throttle", "allow", NULL};
const char *const pawl_learner_devices[] = {"auto", "cpu", "cuda", NULL};

#define LEARNER struct pawl_learner_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_F64_ROW(LEARNER, "learner.update_ratio", update_ratio, 1.0, 0.0, 1000.0, "updates",
                     "Optimization steps for each environment step. The learner waits for "
                     "steps rather than do more."),
    PAWL_CFG_CHOICE_ROW(LEARNER, "learner.behind", behind, PAWL_LEARNER_BEHIND_THROTTLE,
                        behinds,
                        "When updates are due: actors wait for them, or go on as far as their "
                        "rings hold (ring.slots) and the ratio is missed, which is shown."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.learning_starts", learning_starts, 100, 0,
                     PAWL_CFG_I64_HIGHEST, "steps", "Steps before the first update."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.batch_size", batch_size, 256, 1, 65536, "transitions",
                     "What one update learns from."),
    PAWL_CFG_CHOICE_ROW(
        LEARNER, "learner.device", device, PAWL_LEARNER_DEVICE_AUTO, pawl_learner_devices,
        "Where updates are computed; auto: on a GPU where one can be used, else on the "
        "processor."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.threads", threads, 1, 1, 256, "",
                     "Threads of an update. More than one only on cores that nobody else uses: "
                     "a thread that waits for its core makes all wait."),
    PAWL_CFG_I64_ROW(
        LEARNER, "learner.mirror_updates", mirror_updates, 20, 1, 1000000, "updates",
        "How often the learner's state is copied to where it outlives the learner; "
        "a learner that is killed loses at most so many."),
    PAWL_CFG_F64_ROW(LEARNER, "learner.metrics_period_s", metrics_period_s, 1.0, 0.01, 3600.0,
                     "s", "Time between two lines of metrics.jsonl."),
    PAWL_CFG_TEXT_ROW(
        LEARNER, "learner.start_from", start_from, "", 0,
        "A checkpoint of Pawl or LeRobot whose parameters a new run begins with, and "
        "its keys of the method where none are given."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.publish_updates", publish_updates, 8, 0, 1000000,
                     "updates",
                     "The actors get new parameters after so many; 0: by time alone."),
    PAWL_CFG_F64_ROW(LEARNER, "learner.publish_period_s", publish_period_s, 4.0, 0.001, 3600.0,
                     "s", "Time between two publications of the actors' parameters."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.publish_every", publish_every, 1000, 1,
                     PAWL_CFG_I64_HIGHEST, "steps",
                     "Likewise in a deterministic run, which knows no time."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.version_slots", version_slots, 8, 2, 1022, "",
                     "Versions of the parameters that have room; readers use up to one each."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.rings_max", rings_max, 64, 1, PAWL_TALLY_RINGS_MAX - 4,
                     "", "Actors that may be read at a time, the dead ones until drained."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.drain_records", drain_records, PAWL_BOOK_BATCH_MAX, 1,
                     PAWL_BOOK_BATCH_MAX, "records",
                     "Records taken from a ring before the next ring has its turn."),
    PAWL_CFG_BOOL_ROW(LEARNER, "learner.ledger", ledger, false,
                      "Write ledger.jsonl: which records were counted, with checksums."),
    PAWL_CFG_I64_LIST_ROW(LEARNER, "learner.cpus", cpus, "[]", 0, 1023, 0, "",
                          "Processors that the learner may use, all of them; empty: any."),
};

#define PATH_BYTES (PAWL_LEARNER_PATH_BYTES + 80)

static bool has_model(const char *folder, const char *inner, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s%s/pretrained_model/model.safetensors", folder, inner);
    return access(path, R_OK) == 0;
}

static void look_at_start_from(struct pawl_cfg *cfg, const char *folder)
{
    struct pawl_err err = {0};
    char path[PATH_BYTES];

    if (has_model(folder, "/checkpoints/last", path))
        pawl_cfg_refuse(
            cfg, "learner.start_from", EINVAL,
            "its newest is checkpoints/last in it; `pawl checkpoint list RUN` shows "
            "all",
            "that is a run, and wanted is one of its checkpoints");
    else if (!has_model(folder, "", path))
        pawl_cfg_refuse(cfg, "learner.start_from", errno,
                        "wanted is the folder of a checkpoint, RUN/checkpoints/last say",
                        "%s: %s", path, strerror(errno));
    else if (pawl_checkpoint_verify_foreign(pawl_io_sys(), folder, &err) != 0)
        pawl_cfg_refuse(cfg, "learner.start_from", EINVAL,
                        "`pawl checkpoint list RUN` shows those that are whole", "%s",
                        err.text);
}

/* What would learn nothing, or from less than is asked for. */
static void look_at_sizes(struct pawl_cfg *cfg, const struct pawl_learner_cfg *learner)
{
    const struct pawl_run_cfg *run = pawl_cfg_fields(cfg, &pawl_run_table);
    const struct pawl_replay_cfg *replay = pawl_cfg_fields(cfg, &pawl_replay_table);

    if (run && run->steps > 0 && learner->learning_starts >= run->steps)
        pawl_cfg_warn(cfg, "learner.learning_starts",
                      "the run ends after run.steps = %" PRId64 ", before its first update",
                      run->steps);
    if (replay && replay->capacity < learner->learning_starts)
        pawl_cfg_warn(cfg, "replay.capacity",
                      "fewer frames than the %" PRId64 " steps before the first update "
                      "(learner.learning_starts): the oldest of them are never learnt from",
                      learner->learning_starts);
    else if (replay && replay->capacity < learner->batch_size)
        pawl_cfg_warn(cfg, "replay.capacity",
                      "fewer frames than a batch has (learner.batch_size = %" PRId64
                      "): each of its transitions is there several times",
                      learner->batch_size);
    if (replay && replay->n_step >= replay->capacity)
        pawl_cfg_warn(cfg, "replay.n_step",
                      "replay.capacity = %" PRId64 " has no room for so many in a row",
                      replay->capacity);
}

/* Of a method that learns. Whether there is a GPU behind the door, its learner finds out. */
static void look(struct pawl_cfg *cfg)
{
    const struct pawl_learner_cfg *learner = pawl_cfg_fields(cfg, &pawl_learner_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);

    if (!policy || !pawl_policies[policy->type]->trainer)
        return;
    look_at_sizes(cfg, learner);
    long processor_count = sysconf(_SC_NPROCESSORS_ONLN);
    if (processor_count > 0 && learner->threads > processor_count)
        pawl_cfg_refuse(cfg, "learner.threads", EINVAL,
                        "1 is never wrong, and more help on processors of their own alone",
                        "this machine has %ld processors", processor_count);
    if (learner->device == PAWL_LEARNER_DEVICE_CUDA && !pawl_door_has(true))
        pawl_cfg_refuse(cfg, "learner.device", ENODEV, PAWL_LEARNER_DEVICE_WAY_OUT,
                        "this build of Pawl has no pawl_torch_cuda.so, the CUDA half of the "
                        "torch door; -DPAWL_TORCH=PYTHON makes it with a torch that has CUDA");
    if (learner->start_from[0])
        look_at_start_from(cfg, learner->start_from);
}

const struct pawl_cfg_table pawl_learner_table = {
    .name = "learner",
    .help = "How records are taken in and parameters handed out.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(LEARNER),
    .look = look,
};
