/* eval.h: the verbs that play episodes in this process: an evaluation and a recording. */
#ifndef PAWL_PAWL_EVAL_H
#define PAWL_PAWL_EVAL_H

#include "actor/play.h"
#include "runtime/cli.h"

extern const struct pawl_cli_verb pawl_verb_eval, pawl_verb_record;

/* Lanes, seed and schedule as the configuration has them, and Ctrl-C and SIGTERM end it after
 * the present step. What to play with, and for whom, is left to set. */
int pawl_eval_play_cfg(struct pawl_play_cfg *play, const struct pawl_cfg *cfg,
                       enum pawl_lanes_role role, struct pawl_err *err);

/* --episodes and --seed where they are given; returns the exit code. */
int pawl_eval_take_options(struct pawl_cli *cli, struct pawl_play_cfg *play);

/* The exit code for what pawl_play_open() or pawl_play_run() returned. */
int pawl_eval_exit_code(int code);

#endif
