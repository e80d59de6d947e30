/* training_internal.h: what training_open.c, training.c, training_save.c and training_metrics.c
 * need of each other. Nobody else includes it. */
#ifndef PAWL_LEARNER_TRAINING_INTERNAL_H
#define PAWL_LEARNER_TRAINING_INTERNAL_H

#include "learner/training.h"

/* Going back draws other batches than those that led here: a run has fewer draws than this. */
#define PAWL_TRAINING_DRAWS_PER_ROLLBACK (UINT64_C(1) << 48)

/* Steps that count. */
uint64_t pawl_training_step_count(const struct pawl_training *training);

/* What was earned is noted as of now, so that a run that goes on at another ratio has it at the
 * old one for the steps up to here. */
void pawl_training_note_mark(const struct pawl_training *training, struct pawl_warm_mark *mark);

/* Keeps the trainer's state in the warm segment (once it is fetched), and puts it back.
 * -ENOENT: there is none whose numbers are all finite, and the trainer's state is as it was. */
int pawl_training_mirror(struct pawl_training *training, enum pawl_warm_kind kind,
                         struct pawl_err *err);
void pawl_training_mirror_fetched(struct pawl_training *training, enum pawl_warm_kind kind);
int pawl_training_go_back(struct pawl_training *training, enum pawl_warm_kind kind,
                          struct pawl_warm_mark *mark, struct pawl_err *err);

/* Takes up the run's newest valid checkpoint instead of a warm state. `from` (may be NULL) gets
 * its path. -ENOENT: there is none. */
int pawl_training_fall_back(struct pawl_training *training, struct pawl_warm_mark *mark,
                            char from[PATH_MAX], struct pawl_err *err);

/* Takes the last good state up again, and other batches. */
int pawl_training_roll_back(struct pawl_training *training, struct pawl_err *err);

/* How often that was, over all of the run. */
uint64_t pawl_training_rollbacks(const struct pawl_training *training);

/* Once the stores are open: training->sampler draws from them. */
void pawl_training_prepare_sampler(struct pawl_training *training);

/* Moves the checkpoint under way on, and begins one that is due. Never waits. */
void pawl_training_save(struct pawl_training *training, uint64_t now_ns);

/* A line of what happened since the last one. */
void pawl_training_write_metrics(struct pawl_training *training, uint64_t now_ns);

#endif
