/* env_pendulum.c: Gymnasium 1.4.0's Pendulum-v1: swing a pole up and keep it there.
 *
 *     th', thdot' from u, |u| <= 2:
 *     thdot' = clip(thdot + (3 g / (2 l) sin th + 3 / (m l^2) u) dt, -8, 8)
 *     th'    = th + thdot' dt
 *     reward = -(norm(th)^2 + 0.1 thdot^2 + 0.001 u^2)      of the state before
 *
 * g = 10, m = l = 1, dt = 0.05 s; th = 0 is upright; norm() brings an angle into [-pi, pi).
 * reset: th uniform in +-pi, thdot uniform in +-1. Never terminates; 200 steps.
 *
 * Bit for bit what Python gives with NumPy 2, where a float32 times a Python float is a
 * float32: so the torque's terms are rounded to float before they meet the state.
 */
#include "actor/env_registry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/rng.h"

#define DT_S        0.05
#define SPEED_MAX   8.0
#define TORQUE_MAX  2.0f
#define GRAVITY_SIN 15.0 /* 3 g / (2 l) */

/* Of the expert. */
#define NEAR_RAD 0.4
#define SPRING   15.0
#define DAMPING  3.5

struct pendulum {
    double th_rad, thdot;
};

static const float obs_lows[] = {-1.0f, -1.0f, -8.0f};
static const float obs_highs[] = {1.0f, 1.0f, 8.0f};

static int pendulum_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                         struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    spec->obs_count = 1;
    spec->obs[0] = (struct pawl_env_field){.name = "state",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {3},
                                           .lows = obs_lows,
                                           .highs = obs_highs};
    spec->action = (struct pawl_env_field){.name = "action",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {1},
                                           .low = -TORQUE_MAX,
                                           .high = TORQUE_MAX};
    spec->steps_max = 200;
    spec->rate_hz = 20.0f;
    return 0;
}

static int pendulum_open(const struct pawl_env_args *args, void **env, struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    *env = calloc(1, sizeof(struct pendulum));
    return *env ? 0 : -ENOMEM;
}

static void observe(const struct pendulum *pendulum, void *const *obs)
{
    float *state = obs[0];
    state[0] = (float)cos(pendulum->th_rad);
    state[1] = (float)sin(pendulum->th_rad);
    state[2] = (float)pendulum->thdot;
}

static int pendulum_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    struct pendulum *pendulum = env;
    struct pawl_rng rng;
    (void)err;
    pawl_rng_seed(&rng, seed);
    pendulum->th_rad = pawl_rng_uniform(&rng, -M_PI, M_PI);
    pendulum->thdot = pawl_rng_uniform(&rng, -1.0, 1.0);
    observe(pendulum, obs);
    return 0;
}

/* Python's ((th + pi) % (2 pi)) - pi, whose remainder has the sign of the divisor. */
static double normalize(double th_rad)
{
    double remainder = fmod(th_rad + M_PI, 2.0 * M_PI);
    if (remainder < 0.0)
        remainder += 2.0 * M_PI;
    return remainder - M_PI;
}

static int pendulum_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                         struct pawl_env_err *err)
{
    struct pendulum *pendulum = env;
    double th_rad = pendulum->th_rad, thdot = pendulum->thdot;
    float u = fminf(fmaxf(action[0], -TORQUE_MAX), TORQUE_MAX);
    double angle = normalize(th_rad);
    double cost = angle * angle + 0.1 * (thdot * thdot) + (double)(0.001f * (u * u));
    (void)err;

    thdot += (GRAVITY_SIN * sin(th_rad) + (double)(3.0f * u)) * DT_S;
    thdot = fmin(fmax(thdot, -SPEED_MAX), SPEED_MAX);
    pendulum->thdot = thdot;
    pendulum->th_rad = th_rad + thdot * DT_S;
    observe(pendulum, obs);
    step->reward = (float)-cost;
    return 0;
}

/* Brings the energy to that of the pole at rest upright; near there, springs back. */
static int pendulum_expert(void *env, float *action, struct pawl_env_err *err)
{
    const struct pendulum *pendulum = env;
    double angle = normalize(pendulum->th_rad), thdot = pendulum->thdot;
    double lack = GRAVITY_SIN * (1.0 - cos(angle)) - 0.5 * thdot * thdot;
    double u = (lack > 0.0) == (thdot >= 0.0) ? (double)TORQUE_MAX : (double)-TORQUE_MAX;
    (void)err;

    if (fabs(angle) < NEAR_RAD)
        u = -(SPRING * angle + DAMPING * thdot);
    action[0] = fminf(fmaxf((float)u, -TORQUE_MAX), TORQUE_MAX);
    return 0;
}

const struct pawl_env_ops pawl_env_pendulum = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "pendulum",
    .help = "Swing a pole up and keep it there (Gymnasium's Pendulum-v1).",
    .spec = pendulum_spec,
    .open = pendulum_open,
    .reset = pendulum_reset,
    .step = pendulum_step,
    .close = free,
    .expert = pendulum_expert,
};
