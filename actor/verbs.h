/* verbs.h: the verbs of the actor library, for the list in the program. */
#ifndef PAWL_ACTOR_VERBS_H
#define PAWL_ACTOR_VERBS_H

#include "runtime/cli.h"

extern const struct pawl_cli_verb pawl_verb_env; /* the group */
extern const struct pawl_cli_verb pawl_verb_env_list;
extern const struct pawl_cli_verb pawl_verb_env_check;
extern const struct pawl_cli_verb pawl_verb_env_run;

#endif
