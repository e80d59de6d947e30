/* lanes.h: the environments of one actor, side by side, each in an episode of its own.
 *
 * An observation goes straight into the record that will hold it, and each is kept once: what
 * follows an action is the first half of the next record of the lane. At an end it is the FINAL
 * record, and the next episode begins in the same round, in one record more:
 *
 *     record 0        record 1        record 2         record 3
 *     obs 0           obs 1           obs 2 (last)     obs 0 of the next episode
 *     action 0        action 1        FINAL            action 0
 *     reward, flags   reward, ended                    ...
 *
 *     pawl_lanes_open(&lanes, &cfg, &err);
 *     pawl_lanes_begin(lanes, i, record->obs, &err);
 *     for (;;) {
 *         choose record->action from record->obs;
 *         struct record *next = ...;
 *         pawl_lanes_step(lanes, i, record->action, next->obs, &step, &err);
 *         record is complete with step.reward, step.terminated ...;
 *         if (pawl_lanes_get(lanes, i)->has_ended) {
 *             next is the FINAL record; next = ... one more;
 *             pawl_lanes_begin(lanes, i, next->obs, &err);
 *         }
 *         record = next;
 *     }
 *
 * An episode ends for one reason: `terminated` when the environment says so, otherwise
 * `truncated` when it says so or the limit of steps is reached. An end that is cut off is worth
 * what would have followed, so the two are never mixed up.
 *
 * The seed of an episode follows from the run's seed, the role, the lane's index among all
 * lanes of the run and the number of the episode alone: not from the number of actors, nor
 * their order, nor from what died meanwhile.
 *
 * Thread safety: one thread per struct; pawl_lanes_safe() from any thread.
 */
#ifndef PAWL_ACTOR_LANES_H
#define PAWL_ACTOR_LANES_H

#include "actor/env.h"
#include "runtime/err.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_LANES_MAX 4096u

/* What the episodes are for; part of their seeds, so that an evaluation meets none of those
 * that were trained on. The numbers are the roles of philox.h. */
enum pawl_lanes_role {
    PAWL_LANES_TRAIN = 0x6c6e7472, /* "lntr" */
    PAWL_LANES_EVAL = 0x6c6e6576,  /* "lnev" */
    PAWL_LANES_DEMO = 0x6c6e646d,  /* "lndm" */
};

enum pawl_lanes_seeding {
    /* pawl_lanes_episode_seed(). */
    PAWL_LANES_DERIVED,
    /* seed + index for the first episode of a lane, as Gymnasium's vector environments do for
     * reset(seed=seed); PAWL_LANES_MAX more for each episode after. To compare with Python. */
    PAWL_LANES_PLAIN,
};

struct pawl_lanes_cfg {
    const struct pawl_env_ops *ops; /* checked (env_spec.h); outlives the lanes */
    struct pawl_env_args args;      /* its index is set for each lane */
    uint32_t lane_count;
    uint32_t index_first;   /* of lane 0 among all lanes of the run */
    uint32_t steps_max;     /* of an episode; 0: the environment's own limit */
    uint64_t episode_first; /* where an actor that was restarted goes on */
    uint64_t seed;          /* of the run */
    enum pawl_lanes_role role;
    enum pawl_lanes_seeding seeding;
};

/* What is to be known of a lane between two calls. */
struct pawl_lane {
    uint64_t episode_index; /* the present one, or the one that has just ended */
    uint64_t episode_seed;
    uint32_t step_index; /* of the next action: how many the episode has had */
    uint32_t lane_index; /* among all lanes of the run */
    bool is_running;     /* begun and not ended: may be stepped */
    bool has_ended;      /* the observation of the last step was the final one */
    bool is_success;     /* some step of the episode said so */
    double return_sum;   /* of the rewards of the episode so far */
};

struct pawl_lanes;

struct pawl_lanes_cfg pawl_lanes_default_cfg(void);

/* Opens the environments; what is allocated, is here. -EINVAL, or what the environment
 * returned: -ENODEV when a device is missing. On failure *lanes is NULL. */
int pawl_lanes_open(struct pawl_lanes **lanes, const struct pawl_lanes_cfg *cfg,
                    struct pawl_err *err);
void pawl_lanes_close(struct pawl_lanes *lanes); /* NULL is fine */

/* Valid until close. */
const struct pawl_env_spec *pawl_lanes_spec(const struct pawl_lanes *lanes);
const struct pawl_lane *pawl_lanes_get(const struct pawl_lanes *lanes, uint32_t lane);
uint32_t pawl_lanes_count(const struct pawl_lanes *lanes);
void *pawl_lanes_env(const struct pawl_lanes *lanes, uint32_t lane); /* for render() */

/* The next episode and its first observation, one pointer per field of the spec. One that is
 * running is given up. The code of the environment and its sentence on failure: the lane has no
 * episode then, and the same one may be begun again. */
int pawl_lanes_begin(struct pawl_lanes *lanes, uint32_t lane, void *const *obs,
                     struct pawl_err *err);

/* The same with a seed of the caller's choice: Gymnasium's reset(seed=seed). */
int pawl_lanes_begin_seeded(struct pawl_lanes *lanes, uint32_t lane, uint64_t seed,
                            void *const *obs, struct pawl_err *err);

/* One action. `action` may be overwritten (env.h: intervention); `obs` gets what followed, and
 * that is the final observation if the lane has ended after the call. On failure the lane has
 * no episode any more, and what is in obs is not to be used. */
int pawl_lanes_step(struct pawl_lanes *lanes, uint32_t lane, float *action, void *const *obs,
                    struct pawl_env_step *step, struct pawl_err *err);

/* What the environment's expert would do now. -ENOTSUP: it has none. */
int pawl_lanes_ask_expert(struct pawl_lanes *lanes, uint32_t lane, float *action,
                          struct pawl_err *err);

/* Stops what moves, in all lanes. From any thread between open and close. */
void pawl_lanes_safe(struct pawl_lanes *lanes);

/* What PAWL_LANES_DERIVED gives to an episode of a lane. */
uint64_t pawl_lanes_episode_seed(uint64_t run_seed, enum pawl_lanes_role role,
                                 uint32_t lane_index, uint64_t episode_index);

#endif
