/* bench_run.h: `pawl bench step`: what a step costs an actor (actor/bench_step.h), and what
 * whole runs do: `pawl train` with its processes, an actor and the learner pinned to a core
 * each.
 *
 *     run_ENV_POLICY_lanesN_rate_median   steps/s that the null learner has taken in
 *     run_start_ms_median                 from the start of `pawl train` to the first record
 *                                         that is committed
 *     run_acts_again_ms_median, _p99      from the kill of an actor to the first record of its
 *                                         successor, run.restart_pause_s included
 *     run_learns_again_ms_median, _max    from the kill of a learner to the first record that
 * its successor has taken in, likewise; _loaded_: while another process writes and syncs to the
 * same disk
 */
#ifndef PAWL_PAWL_BENCH_RUN_H
#define PAWL_PAWL_BENCH_RUN_H

#include "runtime/cli.h"

extern const struct pawl_cli_verb pawl_verb_bench_step;

#endif
