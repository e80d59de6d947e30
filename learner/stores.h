/* stores.h: from records that count to frames that are learned from.
 *
 *     pawl_stores_open(&stores, &setup, &err);        a dead learner's, or from the disk, or
 *                                                     empty ones
 *     ingest.cfg.sink = pawl_stores_sink(&stores);    every record becomes a frame
 *     ops->update(trainer, &stores.sampler.base, ...);
 *     pawl_stores_poll(&stores, now_ns);              journals, once per turn
 *     pawl_stores_close(&stores);
 *
 * Two stores: the replay of all that the run's actors did, and the one of demonstrations: those
 * of a file, and every step in which somebody intervened. A step that follows an intervention
 * and is none is kept there as the observation it begins with, so that the last step of the
 * intervention has its successor.
 *
 * What a frame follows is in the tally (tally.h) with the numbers of frames that count, so that
 * frames and accounts change by the same commit.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_STORES_H
#define PAWL_LEARNER_STORES_H

#include "learner/estate.h"
#include "learner/ingest.h"
#include "learner/journal.h"
#include "learner/replay.h"
#include "learner/replay_cfg.h"
#include "learner/replay_sample.h"

struct pawl_stores_setup {
    const struct pawl_replay_cfg *cfg;
    const struct pawl_spec *spec;
    const struct pawl_estate *estate; /* looked at during open only */
    struct pawl_tally *tally;         /* borrowed */
    const char *folder;               /* of the run */
    uint64_t seed;
    uint32_t batch_count;
    double discount;
    struct pawl_io *io;
    enum pawl_io_queue_kind queue; /* who writes journals */
};

/* One of the two. */
struct pawl_store {
    struct pawl_replay replay;
    struct pawl_journal journal;
};

/* Zeroed: closed. It must not be moved while open. */
struct pawl_stores {
    struct pawl_stores_setup setup;
    bool is_open;
    struct pawl_store online, offline;
    struct pawl_replay_sampler sampler;
};

/* Refused, with both numbers, when the stores do not fit into memory. Stores that are new have
 * a segment.fd that is not -1: it goes to the hub before a ring is read. */
int pawl_stores_open(struct pawl_stores *stores, const struct pawl_stores_setup *setup,
                     struct pawl_err *err);

/* Waits for what journals have under way. -ETIMEDOUT: a disk does not answer (journal.h), and
 * nothing was closed. A zeroed one is left alone. */
int pawl_stores_close(struct pawl_stores *stores);

struct pawl_ingest_sink pawl_stores_sink(struct pawl_stores *stores);

void pawl_stores_poll(struct pawl_stores *stores, uint64_t now_ns);

/* A checkpoint is about to be written: what it counts should be on the disk soon. */
void pawl_stores_hurry(struct pawl_stores *stores);

/* A checkpoint with these counts is committed: journals keep what it needs, and what the one
 * before it needs, should this one be damaged. */
void pawl_stores_saved(struct pawl_stores *stores, const struct pawl_tally_totals *totals);

/* Everything that counts is on the disk, or the time is over: for the end of a run. */
int pawl_stores_flush(struct pawl_stores *stores, uint64_t deadline_ns, struct pawl_err *err);

#endif
