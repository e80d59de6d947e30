/* cli_text.h: the texts that are made from the rows of the verbs: help, man page, completion.
 *
 * Help fits 80 columns, and the list of verbs a screen of 24 lines.
 */
#ifndef PAWL_RUNTIME_CLI_TEXT_H
#define PAWL_RUNTIME_CLI_TEXT_H

#include "runtime/cli.h"

/* The list of all verbs; a group is one line. */
void pawl_cli_print_overview(const struct pawl_cli_program *program, FILE *out, bool has_color);

/* All of one verb, or of a group. */
void pawl_cli_print_verb(const struct pawl_cli_program *program,
                         const struct pawl_cli_verb *verb, FILE *out, bool has_color);

/* Both of the above for every verb, and every table of keys. */
void pawl_cli_print_all(const struct pawl_cli_program *program, FILE *out, bool has_color);

/* pawl(1) and pawl.toml(5), in roff. */
void pawl_cli_print_man(const struct pawl_cli_program *program, FILE *out);
void pawl_cli_print_man_config(const struct pawl_cli_program *program,
                               const struct pawl_cfg_table *const *tables, FILE *out);

/* A script that the shell loads. */
void pawl_cli_print_completion_bash(const struct pawl_cli_program *program, FILE *out);
void pawl_cli_print_completion_zsh(const struct pawl_cli_program *program, FILE *out);

/* "usage: pawl VERB ...". */
void pawl_cli_print_usage(const struct pawl_cli_program *program,
                          const struct pawl_cli_verb *verb, FILE *out);

#endif
