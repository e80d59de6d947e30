/* learner_internal.h: the learner's own state, for its two files:
 *
 *     learner.c        the loop: drain, update, publish, account
 *     learner_hub.c    the conversation with the hub: what is offered, what is said
 */
#ifndef PAWL_LEARNER_LEARNER_INTERNAL_H
#define PAWL_LEARNER_LEARNER_INTERNAL_H

#include "learner/estate.h"
#include "learner/ingest.h"
#include "learner/keeper.h"
#include "learner/learner.h"
#include "learner/learner_cfg.h"
#include "learner/publish.h"
#include "learner/resume.h"
#include "learner/training.h"
#include "runtime/run_cfg.h"
#include "shm/peer.h"
#include "shm/stats.h"

#include <limits.h>

/* After the hub's hang-up the actors end by themselves: silence for so long, or at most so long
 * in all. */
#define PAWL_LEARNER_ORPHAN_QUIET_NS (300 * PAWL_NS_PER_MS)
#define PAWL_LEARNER_ORPHAN_NS_MAX   (3 * PAWL_NS_PER_S)

enum pawl_learner_phase {
    PAWL_LEARNER_ON,
    PAWL_LEARNER_STOP,   /* until all rings have ended, or deadline_ns */
    PAWL_LEARNER_ORPHAN, /* the hub is gone: until the rings are silent, or deadline_ns */
};

struct pawl_learner {
    struct pawl_learner_setup setup;
    const struct pawl_learner_cfg *cfg;
    const struct pawl_run_cfg *run;
    const struct pawl_policy_ops *policy;
    uint32_t choice_count; /* of the action's last component; 0: it has none */
    struct pawl_peer peer;
    struct pawl_estate estate;
    struct pawl_resume_source resume; /* of a resumed run */
    struct pawl_ingest ingest;
    struct pawl_training training; /* closed: the method does not learn */
    struct pawl_publisher publisher;
    struct pawl_stats stats;
    struct pawl_keeper keeper;
    uint64_t acks_id;
    uint32_t spin_count;

    uint64_t opened_ns;
    bool has_ingested;

    enum pawl_learner_phase phase;
    uint64_t deadline_ns;      /* for what the rings still have */
    uint64_t save_deadline_ns; /* for what has been learned */
    uint64_t heard_ns, published_ns, state_ns, gauge_ns, busy_ns; /* when last */
    uint64_t publish_round;       /* deterministic: publications so far, by steps */
    uint64_t published_updates;   /* updates of the version published last */
    struct pawl_book_counts told; /* what stats has of the book's counts */
    bool is_done_told;
    bool is_held; /* the ledger cannot be written */
};

/* --- learner.c --- */

uint64_t pawl_learner_step_count(const struct pawl_learner *learner);
int pawl_learner_publish(struct pawl_learner *learner, struct pawl_err *err);

/* --- learner_hub.c --- */

/* Everything the hub has to say. */
int pawl_learner_hear(struct pawl_learner *learner, struct pawl_err *err);

/* id may be NULL. */
int pawl_learner_offer(struct pawl_learner *learner, const struct pawl_segment *segment,
                       int doorbell_fd, uint64_t *id, struct pawl_err *err);

/* The run ends; a later phase is not left for an earlier one. */
void pawl_learner_stop(struct pawl_learner *learner, enum pawl_learner_phase phase,
                       uint64_t deadline_ns);

#endif
