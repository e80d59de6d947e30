/* env_count.h: an environment for tests: it counts, and ends when told. One file, as a plugin
 * is; a test changes `count_rules` between calls.
 *
 *     obs.state   float32[2]: how many steps the episode has had, and its seed modulo 1000
 *     action      one number in -1 .. 1, which is the reward
 */
#ifndef PAWL_TEST_ENV_COUNT_H
#define PAWL_TEST_ENV_COUNT_H

#include "actor/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    float terminate_at; /* the step after which the episode is over; 0: never */
    float truncate_at;
    float solve_at;
    int fail_open_at; /* the index that cannot be opened; -1: none */
    int fail_reset, fail_step;
    uint32_t steps_max;
    int open_count, safe_count;
} count_rules = {.fail_open_at = -1};

struct count_env {
    float step, seed;
};

static inline int count_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                             struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    spec->obs_count = 1;
    spec->obs[0] = (struct pawl_env_field){
        .name = "state", .dtype = PAWL_ENV_F32, .rank = 1, .shape = {2}};
    spec->action = (struct pawl_env_field){.name = "action",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {1},
                                           .low = -1.0f,
                                           .high = 1.0f};
    spec->steps_max = count_rules.steps_max;
    return 0;
}

static inline int count_open(const struct pawl_env_args *args, void **env,
                             struct pawl_env_err *err)
{
    if ((int)args->index == count_rules.fail_open_at) {
        snprintf(err->text, sizeof(err->text), "no counter at /dev/count%u", args->index);
        return -ENODEV;
    }
    *env = calloc(1, sizeof(struct count_env));
    if (!*env)
        return -ENOMEM;
    count_rules.open_count++;
    return 0;
}

static inline void count_observe(const struct count_env *count, void *const *obs)
{
    float *state = obs[0];
    state[0] = count->step;
    state[1] = count->seed;
}

static inline int count_reset(void *env, uint64_t seed, void *const *obs,
                              struct pawl_env_err *err)
{
    struct count_env *count = env;
    (void)err;
    if (count_rules.fail_reset)
        return count_rules.fail_reset;
    *count = (struct count_env){.seed = (float)(seed % 1000)};
    count_observe(count, obs);
    return 0;
}

static inline int count_step(void *env, float *action, void *const *obs,
                             struct pawl_env_step *step, struct pawl_env_err *err)
{
    struct count_env *count = env;
    if (count_rules.fail_step) {
        snprintf(err->text, sizeof(err->text), "the counter is stuck at %g",
                 (double)count->step);
        return count_rules.fail_step;
    }
    count->step++;
    count_observe(count, obs);
    step->reward = action[0];
    step->terminated = count->step == count_rules.terminate_at;
    step->truncated = count->step == count_rules.truncate_at;
    step->success = count->step == count_rules.solve_at;
    return 0;
}

static inline void count_safe(void *env)
{
    (void)env;
    count_rules.safe_count++;
}

static inline void count_close(void *env)
{
    count_rules.open_count--;
    free(env);
}

static const struct pawl_env_ops count_ops = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "count",
    .help = "Counts.",
    .spec = count_spec,
    .open = count_open,
    .reset = count_reset,
    .step = count_step,
    .safe = count_safe,
    .close = count_close,
};

#endif
