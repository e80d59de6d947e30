/* record.h: what a record of a ring means, to the actor that writes it and the learner that
 * reads it.
 *
 *     STEP    the observation an action was chosen on, the action, what followed from it
 *     FINAL   the last observation of an episode; all fields but obs.* are zero
 *
 * The payload is laid out by the run's spec (runtime/spec.h), which is in the ring's segment:
 * obs.*, then the fields below, then extra.* of the policy. Every record has the size of the
 * spec. What it is, and where in its episode, is in the slot's header:
 *
 *     flags            PAWL_RECORD_..., what followed the action, as in the payload
 *     lane             number among all lanes of the run
 *     episode          number of the lane's episode, modulo 2^32
 *     step             STEP: actions of the episode before this one; FINAL: all its actions
 *     actor_step       actions of this incarnation of the actor before this one, in all lanes
 *                      and given up STEPs included; FINAL: so far
 *     capture_ns       when the observation was there (pawl_clock_now_ns)
 *     policy_version   generation of the parameters that chose the action; 0: none
 *
 * Records of a lane are in order: STEP 0, 1, ... n - 1, FINAL n, STEP 0 of the next episode.
 * The FINAL record of an episode that the actor cut off (it was told to stop, or what the next
 * step led to could not be recorded) is neither TERMINATED nor TRUNCATED; n may be 0. A killed
 * actor leaves no FINAL. Where records are given up because the ring is full, the steps of a
 * lane have gaps: what precedes one has no successor.
 */
#ifndef PAWL_SHM_RECORD_H
#define PAWL_SHM_RECORD_H

/* Exactly one of the first two; the others go with STEP and, about the whole episode's end,
 * with FINAL. The values are part of the layout. */
enum pawl_record_flag {
    PAWL_RECORD_STEP = 1u << 0,
    PAWL_RECORD_FINAL = 1u << 1,
    PAWL_RECORD_TERMINATED = 1u << 2,
    PAWL_RECORD_TRUNCATED = 1u << 3,
    PAWL_RECORD_SUCCESS = 1u << 4,      /* FINAL: some step of the episode said so */
    PAWL_RECORD_INTERVENTION = 1u << 5, /* FINAL: likewise */
};
#define PAWL_RECORD_FLAGS_KNOWN ((1u << 6) - 1)

/* Lane numbers are below this. */
#define PAWL_RECORD_LANES_MAX (1u << 20)

/* The fields of a spec besides obs.* and extra.*. */
#define PAWL_RECORD_OBS_PREFIX        "obs."
#define PAWL_RECORD_ACTION_NAME       "action"       /* float32[n], as executed */
#define PAWL_RECORD_REWARD_NAME       "reward"       /* float32 */
#define PAWL_RECORD_TERMINATED_NAME   "terminated"   /* bool */
#define PAWL_RECORD_TRUNCATED_NAME    "truncated"    /* bool */
#define PAWL_RECORD_SUCCESS_NAME      "success"      /* bool */
#define PAWL_RECORD_INTERVENTION_NAME "intervention" /* bool */
#define PAWL_RECORD_EXTRA_PREFIX      "extra."

#endif
