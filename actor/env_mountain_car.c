/* env_mountain_car.c: Gymnasium 1.4.0's MountainCarContinuous-v0: rock a weak car out of a
 * valley.
 *
 *     v' = clip(v + 0.0015 clip(a, -1, 1) - 0.0025 cos(3 x), -0.07, 0.07)
 *     x' = clip(x + v', -1.2, 0.6), and v' = 0 at the left wall
 *     terminated when x' >= 0.45 and v' >= 0
 *     reward = 100 when terminated, less 0.1 a^2 (a as it came)
 *
 * reset: x uniform in [-0.6, -0.4), v = 0. 999 steps.
 *
 * Bit for bit what Python gives with NumPy 2: the state is float64 after a reset and float32
 * from the first step on, and a float32 with a Python float is a float32. A clipped action is a
 * Python float, so its term of the velocity is a float64 until it meets the state.
 */
#include "actor/env_registry.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "runtime/rng.h"

#define POSITION_MIN  -1.2
#define POSITION_MAX  0.6
#define POSITION_GOAL 0.45
#define SPEED_MAX     0.07
#define POWER         0.0015
#define SLOPE         0.0025

struct mountain_car {
    double position, velocity; /* values of float32 when not is_first */
    bool is_first;             /* the episode has had no step */
};

static const float obs_lows[] = {(float)POSITION_MIN, (float)-SPEED_MAX};
static const float obs_highs[] = {(float)POSITION_MAX, (float)SPEED_MAX};

static int mountain_car_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                             struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    spec->obs_count = 1;
    spec->obs[0] = (struct pawl_env_field){.name = "state",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {2},
                                           .lows = obs_lows,
                                           .highs = obs_highs};
    spec->action = (struct pawl_env_field){.name = "action",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {1},
                                           .low = -1.0f,
                                           .high = 1.0f};
    spec->steps_max = 999;
    return 0;
}

static int mountain_car_open(const struct pawl_env_args *args, void **env,
                             struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    *env = calloc(1, sizeof(struct mountain_car));
    return *env ? 0 : -ENOMEM;
}

static void observe(const struct mountain_car *car, void *const *obs)
{
    float *state = obs[0];
    state[0] = (float)car->position;
    state[1] = (float)car->velocity;
}

static int mountain_car_reset(void *env, uint64_t seed, void *const *obs,
                              struct pawl_env_err *err)
{
    struct mountain_car *car = env;
    struct pawl_rng rng;
    (void)err;
    pawl_rng_seed(&rng, seed);
    *car = (struct mountain_car){
        .position = pawl_rng_uniform(&rng, -0.6, -0.4),
        .is_first = true,
    };
    observe(car, obs);
    return 0;
}

/* What a step adds to the velocity: force * power - slope * cos(3 * position). */
static double velocity_change(float action, double cos_3x)
{
    if (action < -1.0f)
        return -POWER - SLOPE * cos_3x;
    if (action > 1.0f)
        return POWER - SLOPE * cos_3x;
    return (double)(action * (float)POWER - (float)(SLOPE * cos_3x));
}

/* The first step: float64 up to the new state. */
static bool step_f64(struct mountain_car *car, float action)
{
    double velocity = car->velocity + velocity_change(action, cos(3.0 * car->position));
    velocity = fmin(fmax(velocity, -SPEED_MAX), SPEED_MAX);
    double position = fmin(fmax(car->position + velocity, POSITION_MIN), POSITION_MAX);
    if (position == POSITION_MIN && velocity < 0.0)
        velocity = 0.0;
    car->position = (double)(float)position;
    car->velocity = (double)(float)velocity;
    return position >= POSITION_GOAL && velocity >= 0.0;
}

static bool step_f32(struct mountain_car *car, float action)
{
    float position = (float)car->position;
    float velocity =
        (float)car->velocity + (float)velocity_change(action, cos((double)(3.0f * position)));
    velocity = fminf(fmaxf(velocity, (float)-SPEED_MAX), (float)SPEED_MAX);
    position = fminf(fmaxf(position + velocity, (float)POSITION_MIN), (float)POSITION_MAX);
    if (position == (float)POSITION_MIN && velocity < 0.0f)
        velocity = 0.0f;
    car->position = (double)position;
    car->velocity = (double)velocity;
    return position >= (float)POSITION_GOAL && velocity >= 0.0f;
}

static int mountain_car_step(void *env, float *action, void *const *obs,
                             struct pawl_env_step *step, struct pawl_env_err *err)
{
    struct mountain_car *car = env;
    double a = (double)action[0];
    (void)err;

    bool is_at_goal = car->is_first ? step_f64(car, action[0]) : step_f32(car, action[0]);
    car->is_first = false;
    observe(car, obs);
    step->reward = (float)((is_at_goal ? 100.0 : 0.0) - a * a * 0.1);
    step->terminated = is_at_goal;
    step->success = is_at_goal;
    return 0;
}

/* Pushes the way it rolls, as hard as it can. */
static int mountain_car_expert(void *env, float *action, struct pawl_env_err *err)
{
    const struct mountain_car *car = env;
    (void)err;
    action[0] = car->velocity < 0.0 ? -1.0f : 1.0f;
    return 0;
}

const struct pawl_env_ops pawl_env_mountain_car = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "mountain_car",
    .help = "Rock a weak car out of a valley (Gymnasium's MountainCarContinuous-v0).",
    .spec = mountain_car_spec,
    .open = mountain_car_open,
    .reset = mountain_car_reset,
    .step = mountain_car_step,
    .close = free,
    .expert = mountain_car_expert,
};
