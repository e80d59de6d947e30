/* env_spec.h: whether a table, a spec and an observation are what env.h asks for.
 *
 *     struct pawl_env_spec spec;
 *     pawl_env_spec_read(&spec, ops, &args, err)           checked: safe to use from here on
 *     ...
 *     int bad = pawl_env_obs_find_bad(&spec, obs);         per step, one pass
 *     if (bad >= 0)
 *         pawl_env_obs_explain(&spec, obs, bad, err);      "obs.state[3] is nan"
 *
 * Nothing here trusts the environment: it may be a plugin.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_ACTOR_ENV_SPEC_H
#define PAWL_ACTOR_ENV_SPEC_H

#include "actor/env.h"
#include "runtime/err.h"

#include <stdbool.h>

/* The arguments of an environment that needs none. */
struct pawl_env_args pawl_env_default_args(void);

/* -EINVAL names what is missing or was compiled for another ABI. */
int pawl_env_ops_check(const struct pawl_env_ops *ops, struct pawl_err *err);

/* Of a checked table: members behind those of the first tables may be missing. */
bool pawl_env_has_expert(const struct pawl_env_ops *ops);

/* Asks for the spec and checks it: names, types, sizes, bounds. -EINVAL with the field and the
 * rule, or what the environment returned with its sentence. */
int pawl_env_spec_read(struct pawl_env_spec *spec, const struct pawl_env_ops *ops,
                       const struct pawl_env_args *args, struct pawl_err *err);
int pawl_env_spec_check(const struct pawl_env_spec *spec, struct pawl_err *err);

/* How many numbers a field of a checked spec has, and how many bytes they take. */
size_t pawl_env_field_count(const struct pawl_env_field *field);
size_t pawl_env_field_bytes(const struct pawl_env_field *field);

/* The bounds of its number at index; infinities where there are none. */
float pawl_env_field_low(const struct pawl_env_field *field, size_t index);
float pawl_env_field_high(const struct pawl_env_field *field, size_t index);

/* One component of an action, and the way there from a policy's units: -1..1 is low..high. */
struct pawl_env_scale {
    float low, high, middle, half;
};

static inline float pawl_env_scale_from_unit(const struct pawl_env_scale *scale, float unit)
{
    float x = scale->middle + scale->half * unit;
    x = x < scale->low ? scale->low : x; /* rounding may exceed them */
    return x > scale->high ? scale->high : x;
}

/* The way back, brought within what a policy can say. */
static inline float pawl_env_scale_to_unit(const struct pawl_env_scale *scale, float x)
{
    float unit = scale->half > 0.0f ? (x - scale->middle) / scale->half : 0.0f;
    unit = unit < -1.0f ? -1.0f : unit;
    return unit > 1.0f ? 1.0f : unit;
}

/* Of the action's component at index, which is no choice. */
struct pawl_env_scale pawl_env_scale_of(const struct pawl_env_spec *spec, size_t index);

/* The action of a checked spec from one in units of a policy (policy/policy.h): what is within
 * -1..1 there is within the bounds here; a choice is the same in both. */
void pawl_env_action_from_units(float *action, const struct pawl_env_spec *spec,
                                const float *units);
void pawl_env_action_to_units(float *units, const struct pawl_env_spec *spec,
                              const float *action);

/* "float32[3]", as in the spec of a record. */
#define PAWL_ENV_TYPE_TEXT_BYTES 64
void pawl_env_field_type_text(const struct pawl_env_field *field,
                              char text[PAWL_ENV_TYPE_TEXT_BYTES]);

/* The first field that cannot be an observation: a number that is not finite, a bool that is
 * neither 0 nor 1. -1: there is none. Reads every number once. */
int pawl_env_obs_find_bad(const struct pawl_env_spec *spec, void *const *obs);

/* The first field with a number outside its bounds; -1: none. For checking an environment, not
 * for every step. */
int pawl_env_obs_find_outside(const struct pawl_env_spec *spec, void *const *obs);

/* Sets the sentence about the first number of the field that is bad or outside its bounds;
 * returns -EINVAL. */
int pawl_env_obs_explain(const struct pawl_env_spec *spec, void *const *obs, int field_index,
                         struct pawl_err *err);

/* False for a reward or a flag that no record may hold. */
bool pawl_env_step_is_sane(const struct pawl_env_step *step);

#endif
