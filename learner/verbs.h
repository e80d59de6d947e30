/* verbs.h: the verbs of the learner's library, for the list in the program. */
#ifndef PAWL_LEARNER_VERBS_H
#define PAWL_LEARNER_VERBS_H

#include "runtime/cli.h"

extern const struct pawl_cli_verb pawl_verb_checkpoint; /* the group */
extern const struct pawl_cli_verb pawl_verb_checkpoint_list;
extern const struct pawl_cli_verb pawl_verb_checkpoint_verify;
extern const struct pawl_cli_verb pawl_verb_checkpoint_show;

#endif
