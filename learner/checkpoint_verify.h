/* checkpoint_verify.h: what checkpoint_find.c needs of checkpoint_verify.c. */
#ifndef PAWL_LEARNER_CHECKPOINT_VERIFY_H
#define PAWL_LEARNER_CHECKPOINT_VERIFY_H

#include "learner/checkpoint_find.h"

/* True for the name of a number, as we write it. */
bool pawl_checkpoint_number(const char *name, uint64_t *step);

/* What the manifest says of the numbered folder in an open `checkpoints`. */
int pawl_checkpoint_read_manifest(struct pawl_io *io, int folder, uint64_t step,
                                  struct pawl_checkpoint_info *info);

#endif
