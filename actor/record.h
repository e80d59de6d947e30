/* record.h: the record of a run, laid out from its environment and its policy.
 *
 *     pawl_record_layout_make(&layout, &env_spec, policy_ops, &setup, &err);
 *     layout.spec                              is the spec of the ring's segment
 *     pawl_record_obs(&layout, slot->data, obs);
 *     ops->step(env, action, obs, &step, ...)  the observation, straight into the record
 *     pawl_record_write_step(&layout, slot->data, &step);
 *
 * The fields are obs.* as the environment names them, action, reward, terminated, truncated,
 * success, intervention, and extra.* of the policy; shm/record.h says what they mean, and what
 * the slot's header holds. An action is in units of the policy (policy.h), as it was executed.
 * An environment with a choice adds extra.discrete_penalty.
 *
 * The bytes between two fields are never written: the memory of a record begins zeroed and is
 * used for nothing but records of one layout, so equal runs have equal bytes.
 *
 * Thread safety: a layout is constant once made.
 */
#ifndef PAWL_ACTOR_RECORD_H
#define PAWL_ACTOR_RECORD_H

#include "actor/env.h"
#include "policy/policy.h"
#include "runtime/err.h"
#include "runtime/spec.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PAWL_RECORD_PENALTY_NAME "extra.discrete_penalty"

struct pawl_record_layout {
    struct pawl_spec spec;
    uint32_t obs_count;
    uint32_t action_count; /* numbers of the action, a choice included */
    uint32_t choice_count; /* 0: no choice; otherwise the last number is one */
    size_t obs_offset[PAWL_ENV_FIELDS_MAX];
    size_t action_offset; /* everything from here to record_bytes is zero in a FINAL record */
    size_t reward_offset, terminated_offset, truncated_offset;
    size_t success_offset, intervention_offset;
    size_t penalty_offset; /* 0: there is none */
    size_t record_bytes;
};

/* `setup` is what the policy will be opened with; its spec may be unset and is not read.
 * -EINVAL and -E2BIG name the field. */
int pawl_record_layout_make(struct pawl_record_layout *layout, const struct pawl_env_spec *env,
                            const struct pawl_policy_ops *policy,
                            const struct pawl_policy_setup *setup, struct pawl_err *err);

/* Where the fields of an observation are in a record. */
static inline void pawl_record_obs(const struct pawl_record_layout *layout, unsigned char *data,
                                   void *obs[PAWL_ENV_FIELDS_MAX])
{
    for (uint32_t i = 0; i < layout->obs_count; i++)
        obs[i] = data + layout->obs_offset[i];
}

static inline float *pawl_record_action(const struct pawl_record_layout *layout,
                                        unsigned char *data)
{
    return (float *)(void *)(data + layout->action_offset);
}

/* What followed the action. */
static inline void pawl_record_write_step(const struct pawl_record_layout *layout,
                                          unsigned char *data, const struct pawl_env_step *step)
{
    memcpy(data + layout->reward_offset, &step->reward, sizeof(step->reward));
    data[layout->terminated_offset] = step->terminated;
    data[layout->truncated_offset] = step->truncated;
    data[layout->success_offset] = step->success;
    data[layout->intervention_offset] = step->intervention;
    if (layout->penalty_offset)
        memcpy(data + layout->penalty_offset, &step->discrete_penalty,
               sizeof(step->discrete_penalty));
}

/* Keeps the observation and nothing else. */
static inline void pawl_record_write_final(const struct pawl_record_layout *layout,
                                           unsigned char *data)
{
    memset(data + layout->action_offset, 0, layout->record_bytes - layout->action_offset);
}

#endif
