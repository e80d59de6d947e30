/* keep.h: from records that count to frames that are learned from.
 *
 *     pawl_keep_open(&keep, &setup, &err);            the stores: a dead learner's, or from the
 *                                                     disk, or empty ones
 *     ingest.cfg.sink = pawl_keep_sink(&keep);        every record becomes a frame
 *     ops->update(trainer, &keep.sampler.base, ...);
 *     pawl_keep_poll(&keep, now_ns);                  journals, once per turn
 *     pawl_keep_close(&keep);
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
#ifndef PAWL_LEARNER_KEEP_H
#define PAWL_LEARNER_KEEP_H

#include "learner/estate.h"
#include "learner/ingest.h"
#include "learner/journal.h"
#include "learner/replay.h"
#include "learner/replay_cfg.h"
#include "learner/replay_sample.h"

struct pawl_keep_setup {
    const struct pawl_replay_cfg *cfg;
    const struct pawl_spec *spec;
    const struct pawl_estate *estate; /* looked at during open only */
    struct pawl_tally *tally;         /* borrowed */
    const char *folder;               /* of the run */
    uint64_t seed;
    uint32_t batch_count;
    double discount;
    struct pawl_io *io;
};

/* One of the two. */
struct pawl_keep_store {
    struct pawl_replay replay;
    struct pawl_journal journal;
};

/* Zeroed: closed. It must not be moved while open. */
struct pawl_keep {
    struct pawl_keep_setup setup;
    bool is_open;
    struct pawl_keep_store online, offline;
    struct pawl_replay_sampler sampler;
};

/* Refused, with both numbers, when the stores do not fit into memory. Stores that are new have
 * a segment.fd that is not -1: it goes to the hub before a ring is read. */
int pawl_keep_open(struct pawl_keep *keep, const struct pawl_keep_setup *setup,
                   struct pawl_err *err);

/* Waits for what journals have under way. A zeroed one is left alone. */
void pawl_keep_close(struct pawl_keep *keep);

struct pawl_ingest_sink pawl_keep_sink(struct pawl_keep *keep);

void pawl_keep_poll(struct pawl_keep *keep, uint64_t now_ns);

/* Everything that counts is on the disk, or the time is over: for the end of a run. */
int pawl_keep_flush(struct pawl_keep *keep, uint64_t deadline_ns, struct pawl_err *err);

#endif
