/* training.h: all that turns frames into a better policy: trainer, stores, ratio, guard, warm
 * state, checkpoints, metrics.
 *
 *     pawl_training_open(&training, &setup, &err);
 *     offer the segments of pawl_training_segment(), and let records go to its sink
 *     for (;;) {
 *         drain at most pawl_training_room(&training) records
 *         pawl_training_update(&training, &err);      one optimization step, if one is due
 *         pawl_training_turn(&training, now_ns);      what goes on beside it
 *     }
 *     pawl_training_finish(&training, deadline_ns, &err);     the last checkpoint
 *     pawl_training_close(&training);
 *
 * Where it goes on, the first that is there:
 *
 *     1. the warm state of a learner that died, learner.mirror_updates updates old at most
 *     2. where that has numbers that are not finite alone: the run's newest valid checkpoint
 *     3. with setup.resume likewise
 *     4. learner.start_from: a checkpoint of another run, or of LeRobot
 *     5. first values
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_TRAINING_H
#define PAWL_LEARNER_TRAINING_H

#include "learner/checkpoint.h"
#include "learner/checkpoint_tree.h"
#include "learner/guard.h"
#include "learner/learner_cfg.h"
#include "learner/metrics.h"
#include "learner/ratio.h"
#include "learner/resume.h"
#include "learner/stores.h"
#include "learner/warm.h"
#include "policy/policy.h"
#include "policy/trainer.h"
#include "runtime/run_cfg.h"
#include "shm/stats.h"

/* Versions; what is older is counted with these. */
#define PAWL_TRAINING_STALE_MAX 255u

/* Everything is borrowed for as long as it is open, but resume and estate: for open only. */
struct pawl_training_setup {
    const struct pawl_cfg *cfg;
    const struct pawl_policy_ops *policy; /* has a trainer */
    uint32_t choice_count;                /* of the action's last component; 0: none */
    const char *folder;                   /* of the run */
    struct pawl_ingest *ingest;           /* its books are open */
    const struct pawl_estate *estate;
    struct pawl_resume_source *resume; /* NULL: not a resumed run */
    struct pawl_stats *stats;          /* of the learner */
    uint64_t start_ns;                 /* of the run */
    struct pawl_io *io;
    enum pawl_io_queue_kind queue; /* who writes checkpoints and journals */
    struct pawl_keeper *keeper;    /* syncs metrics.jsonl; NULL: nobody does */
};

/* What a checkpoint has. */
struct pawl_training_saved {
    uint64_t update_count, version_next;
    struct pawl_tally_totals totals;
};

/* Zeroed: closed. It must not be moved while open. */
struct pawl_training {
    struct pawl_training_setup setup;
    const struct pawl_learner_cfg *cfg;
    const struct pawl_run_cfg *run;
    bool is_open;
    struct pawl_trainer *trainer;
    struct pawl_sampler sampler; /* stores's, with a fault point and draw_offset */
    struct pawl_stores stores;
    struct pawl_ratio ratio;
    struct pawl_guard guard;
    struct pawl_warm warm;
    struct pawl_metrics metrics;
    struct pawl_checkpoint saver;
    struct pawl_checkpoint_tree tree;
    struct pawl_json_writer resume_text;
    struct pawl_trainer_report report;      /* of the last update */
    struct pawl_training_saved saving;      /* the checkpoint under way */
    struct pawl_training_saved saved;       /* the last that was committed; zeroed: none */
    uint64_t mirrored_ns, mirrored_updates; /* of the warm state */
    uint64_t draw_offset;
    uint64_t version;     /* published last, for the staleness of what comes in */
    bool is_starved;      /* the last update found no transition */
    bool is_put_off;      /* a checkpoint is due, and training in trouble */
    bool is_spoilt;       /* the state has numbers that are not finite: it goes back next */
    bool has_passed_over; /* such a state in warm */
    uint32_t stale_counts[PAWL_TRAINING_STALE_MAX + 1]; /* of steps by their versions' age since
                                                           the last line of metrics */
    uint64_t skipped_count, rollback_count;
    uint64_t rate_ns, rate_updates, rate_steps; /* at the last line of metrics */
};

int pawl_training_open(struct pawl_training *training, const struct pawl_training_setup *setup,
                       struct pawl_err *err);

/* Gives up what is not on the disk. -ETIMEDOUT: the disk does not answer, and what it may still
 * read was not given back: that is for the end of the process. A zeroed one is left alone. */
int pawl_training_close(struct pawl_training *training);

/* The new segments for the hub, one after the other; NULL behind the last. */
const struct pawl_segment *pawl_training_segment(const struct pawl_training *training,
                                                 uint32_t index);

/* Where counted records go. */
struct pawl_ingest_sink pawl_training_sink(struct pawl_training *training);

/* Steps that may be taken in before the next update; UINT64_MAX: as many as there are. */
uint64_t pawl_training_room(const struct pawl_training *training);

/* Updates that are due; below 1: none. */
double pawl_training_owed(const struct pawl_training *training);

/* 1: one has been done. 0: none is due, or there is nothing to learn from yet. Negative: there
 * is no use in going on. */
int pawl_training_update(struct pawl_training *training, struct pawl_err *err);

uint64_t pawl_training_update_count(const struct pawl_training *training);

/* Journals, checkpoints, metrics. Never waits. */
void pawl_training_turn(struct pawl_training *training, uint64_t now_ns);

/* A version has been published: what is older is stale by so much. */
void pawl_training_published(struct pawl_training *training, uint64_t version);

/* Saves what has been learned and counted: waits until it is committed or the time is over. */
int pawl_training_finish(struct pawl_training *training, uint64_t deadline_ns,
                         struct pawl_err *err);

#endif
