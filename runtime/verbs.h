/* verbs.h: the verbs of the runtime library, for the list in the program. */
#ifndef PAWL_RUNTIME_VERBS_H
#define PAWL_RUNTIME_VERBS_H

#include "runtime/cli.h"
#include "runtime/err.h"

extern const struct pawl_cli_verb pawl_verb_help;
extern const struct pawl_cli_verb pawl_verb_info;
extern const struct pawl_cli_verb pawl_verb_completion;

extern const struct pawl_cli_verb pawl_verb_config; /* the group */
extern const struct pawl_cli_verb pawl_verb_config_check;
extern const struct pawl_cli_verb pawl_verb_config_dump;
extern const struct pawl_cli_verb pawl_verb_config_schema;
extern const struct pawl_cli_verb pawl_verb_config_diff;

/* What `pawl info --json` prints, for the folder of a run; without pawl_cli_facts. */
int pawl_info_print_json(const struct pawl_cli_program *program, FILE *out,
                         struct pawl_err *err);

#endif
