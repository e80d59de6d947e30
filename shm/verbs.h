/* verbs.h: the verbs of the shared-memory library, for the list in the program. */
#ifndef PAWL_SHM_VERBS_H
#define PAWL_SHM_VERBS_H

#include "runtime/cli.h"

extern const struct pawl_cli_verb pawl_verb_shm;

extern const struct pawl_cli_verb pawl_verb_bench; /* the group */
extern const struct pawl_cli_verb pawl_verb_bench_ring;
extern const struct pawl_cli_verb pawl_verb_bench_params;

#endif
