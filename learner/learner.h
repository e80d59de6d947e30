/* learner.h: the learner: one thread that does one thing after the other.
 *
 *     drain -> ingest -> update, if the method has one -> publish -> account
 *
 *     pawl_learner_open(&learner, &setup, &err);
 *     pawl_learner_run(learner, &err);             until the run ends
 *     pawl_learner_close(learner);
 *
 * A method without an update is the zero line of every benchmark: it takes all records in,
 * counts them and publishes a version now and then.
 *
 * It ends in order when the hub says stop (it drains what the actors still commit, until they
 * have ended or the time is over, and publishes nothing more), when the hub is gone, and on
 * SIGTERM through setup.is_stopping. Killed, it leaves to its successor what tally.h says.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_LEARNER_H
#define PAWL_LEARNER_LEARNER_H

#include "runtime/cfg.h"
#include "runtime/err.h"

#include <stdatomic.h>
#include <stdbool.h>

struct pawl_learner;

/* Everything is borrowed for as long as the learner is open. */
struct pawl_learner_setup {
    const struct pawl_cfg *cfg; /* has the tables of pawl_learner_tables */
    const char *folder;         /* of the run */
    int hub_fd;                 /* the learner takes it over */
    uint64_t start_ns;          /* of the run */
    bool is_resumed; /* the run was there before: it goes on from a checkpoint or fails */
    const _Atomic bool *is_stopping;
};

/* The tables a learner reads, NULL behind the last. */
extern const struct pawl_cfg_table *const pawl_learner_tables[];

/* Joins the run. *learner is NULL on failure. */
int pawl_learner_open(struct pawl_learner **learner, const struct pawl_learner_setup *setup,
                      struct pawl_err *err);

/* 0: the run has ended and all that was committed is counted. -EPIPE: the hub is gone. */
int pawl_learner_run(struct pawl_learner *learner, struct pawl_err *err);

/* NULL is fine. */
void pawl_learner_close(struct pawl_learner *learner);

#endif
