/* run_stats.h: the figures that the roles of a run record, and under which names.
 *
 *     pawl_stats_create(&stats, "actor 3", pawl_actor_stat_rows, PAWL_ACTOR_STAT_COUNT, &err);
 *     pawl_peer_offer(&peer, &stats.segment, -1, &id, &err);
 *     pawl_stats_add(&stats, PAWL_ACTOR_STAT_ENV_STEPS, lane_count);
 *
 * The supervisor's line per period, `pawl top` and reports find them by name. A role counts
 * from 0 when it starts; who reads adds up the incarnations (run_figures.h). A role records
 * what it has and leaves the others at 0. Histograms are of ns.
 */
#ifndef PAWL_SHM_RUN_STATS_H
#define PAWL_SHM_RUN_STATS_H

#include "shm/stats.h"

/* clang-format off */
#define PAWL_ACTOR_STATS(ROW)                                                                  \
    ROW(ENV_STEPS, "actor.env_steps", COUNTER, "steps", "Environment steps, all lanes together.") \
    ROW(EPISODES, "actor.episodes", COUNTER, "", "Episodes that have ended.")                  \
    ROW(EPISODE_RETURN, "actor.episode_return", GAUGE, "", "Mean return of the last episodes; meaningless before the first has ended.") \
    ROW(EPISODE_STEPS, "actor.episode_steps", GAUGE, "steps", "Mean length of the last episodes.") \
    ROW(SUCCESSES, "actor.successes", COUNTER, "", "Episodes that ended in success.")          \
    ROW(POLICY_VERSION, "actor.policy_version", GAUGE, "", "Version of the parameters acted with.") \
    ROW(RING_FILL, "actor.ring_fill", GAUGE, "", "Part of the ring that the learner has yet to read, 0 to 1.") \
    ROW(RECORDS, "actor.records", COUNTER, "records", "Records committed to the ring.")        \
    ROW(RECORDS_DROPPED, "actor.records_dropped", COUNTER, "records", "Records given up because the ring was full.") \
    ROW(BLOCKED_NS, "actor.blocked_ns", COUNTER, "ns", "Time spent waiting for room in the ring.") \
    ROW(DEADLINE_MISSES, "actor.deadline_misses", COUNTER, "steps", "Steps of a paced loop that began after their deadline.") \
    ROW(ACTIONS_CLAMPED, "actor.actions_clamped", COUNTER, "steps", "Actions that were brought back into their range.") \
    ROW(ACTIONS_HELD, "actor.actions_held", COUNTER, "steps", "Actions that were not finite and were replaced.") \
    ROW(EPISODES_GIVEN_UP, "actor.episodes_given_up", COUNTER, "", "Episodes given up because the environment failed or its observation was refused.") \
    ROW(OBSERVATIONS_REFUSED, "actor.observations_refused", COUNTER, "", "Observations and rewards that no record may hold.") \
    ROW(TICKS_HELD, "actor.ticks_held", COUNTER, "steps", "Steps of a paced loop that were not taken: no room for their records, or no parameters.") \
    ROW(RECORDS_STAGED, "actor.records_staged", COUNTER, "records", "Records that waited outside the ring because it was full.") \
    ROW(OBSERVE_NS, "actor.observe_ns", HIST, "ns", "Reading the observations, for each turn of the loop.") \
    ROW(INFER_NS, "actor.infer_ns", HIST, "ns", "The policy, likewise.")                       \
    ROW(STEP_NS, "actor.step_ns", HIST, "ns", "The environments, likewise.")                   \
    ROW(PUSH_NS, "actor.push_ns", HIST, "ns", "Committing the records, likewise.")             \
    ROW(IDLE_NS, "actor.idle_ns", HIST, "ns", "Waiting for the schedule, likewise.")           \
    ROW(LATENESS_NS, "actor.lateness_ns", HIST, "ns", "How late the steps of a paced loop began.") \
    ROW(JITTER_NS, "actor.jitter_ns", HIST, "ns", "How far two steps of a paced loop were from a period apart.")

#define PAWL_LEARNER_STATS(ROW)                                                                \
    ROW(RECORDS_INGESTED, "learner.records_ingested", COUNTER, "records", "Records taken from the rings.") \
    ROW(STEPS_INGESTED, "learner.steps_ingested", COUNTER, "steps", "Environment steps among them.") \
    ROW(EPISODES, "learner.episodes", COUNTER, "", "Episodes whose end has been taken in.")    \
    ROW(RECORDS_REFUSED, "learner.records_refused", COUNTER, "records", "Records that broke a rule.") \
    ROW(SEQUENCE_GAPS, "learner.sequence_gaps", COUNTER, "", "Places in a ring where records are missing.") \
    ROW(UPDATES, "learner.updates", COUNTER, "", "Optimization steps; those that are done again after a kill or going back count again.") \
    ROW(UPDATES_SKIPPED, "learner.updates_skipped", COUNTER, "", "Updates cut short: a loss or gradient was not finite.") \
    ROW(ROLLBACKS, "learner.rollbacks", COUNTER, "", "Times that training went back to its last good state.") \
    ROW(UPDATES_OWED, "learner.updates_owed", GAUGE, "", "Updates behind the ratio that was asked for.") \
    ROW(VERSIONS_PUBLISHED, "learner.versions_published", COUNTER, "", "Times that parameters were published.") \
    ROW(VERSION, "learner.version", GAUGE, "", "Version of the parameters published last.")    \
    ROW(RING_FILL, "learner.ring_fill", GAUGE, "", "How full the fullest ring is, 0 to 1.")    \
    ROW(RINGS, "learner.rings", GAUGE, "", "Rings that are read.")                             \
    ROW(DRAIN_NS, "learner.drain_ns", HIST, "ns", "Taking in what is there, for each turn of the loop.") \
    ROW(UPDATE_NS, "learner.update_ns", HIST, "ns", "One optimization step.")                  \
    ROW(PUBLISH_NS, "learner.publish_ns", HIST, "ns", "Publishing the parameters once.")       \
    ROW(IDLE_NS, "learner.idle_ns", HIST, "ns", "Waiting for records, for each turn of the loop.") \
    ROW(UPDATE_RATIO, "learner.update_ratio", GAUGE, "", "Updates for each environment step, as they were asked for.") \
    ROW(REPLAY_SIZE, "learner.replay_size", GAUGE, "frames", "Transitions that may be sampled from replay.") \
    ROW(OFFLINE_SIZE, "learner.offline_size", GAUGE, "frames", "Likewise, of demonstrations and interventions.") \
    ROW(CHECKPOINTS, "learner.checkpoints", COUNTER, "", "Checkpoints that were written.")     \
    ROW(LAST_CHECKPOINT_STEP, "learner.last_checkpoint_step", GAUGE, "", "The update at which the last one was.")
/* clang-format on */

#define PAWL_ACTOR_STAT_INDEX(word, name, kind, unit, help)   PAWL_ACTOR_STAT_##word,
#define PAWL_LEARNER_STAT_INDEX(word, name, kind, unit, help) PAWL_LEARNER_STAT_##word,

enum pawl_actor_stat { PAWL_ACTOR_STATS(PAWL_ACTOR_STAT_INDEX) PAWL_ACTOR_STAT_COUNT };
enum pawl_learner_stat { PAWL_LEARNER_STATS(PAWL_LEARNER_STAT_INDEX) PAWL_LEARNER_STAT_COUNT };

extern const struct pawl_stat_row pawl_actor_stat_rows[PAWL_ACTOR_STAT_COUNT];
extern const struct pawl_stat_row pawl_learner_stat_rows[PAWL_LEARNER_STAT_COUNT];

#endif
