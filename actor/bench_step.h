/* bench_step.h: what a step costs an actor: the acting loop as pawl-actor runs it, on one
 * processor, and on another a thread that does nothing but give records back.
 *
 *     step_ENV_POLICY_lanesN_ns_median    processor time of a step: what it costs, however busy
 *                                         the machine is
 *     step_overhead_ns_median             with the null policy and the dummy environment, less
 *                                         what these two cost when they are called in a loop
 *     stage_time_ns_median                of measuring one stage: a clock reading and a record
 *     paced_1khz_lateness_p99             of a schedule, and beside it what the machine's own
 *                                         timer does
 *
 * sac2 is two layers of 256, sac3 the default network, an encoding of 256 and two such layers.
 *
 * Thread safety: one bench at a time; it pins the calling thread, and lets it go.
 */
#ifndef PAWL_ACTOR_BENCH_STEP_H
#define PAWL_ACTOR_BENCH_STEP_H

#include "runtime/err.h"

#include <stdio.h>

int pawl_bench_step(FILE *out, struct pawl_err *err);

#endif
