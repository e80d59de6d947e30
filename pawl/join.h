/* join.h: an actor of its own for a run that was started elsewhere on this machine. */
#ifndef PAWL_PAWL_JOIN_H
#define PAWL_PAWL_JOIN_H

#include "runtime/cli.h"

/* Keeps an actor running until the run ends or a signal comes. Returns an enum pawl_exit. */
int pawl_join_do(struct pawl_cli *cli, const char *run_folder);

#endif
