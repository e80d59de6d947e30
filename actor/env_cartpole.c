/* env_cartpole.c: Gymnasium 1.4.0's CartPole-v1: balance a pole on a cart by pushing left (0)
 * or right (1).
 *
 *     temp = (force + mp l thdot^2 sin th) / m                        force = -10 or 10
 *     thacc = (g sin th - cos th temp) / (l (4/3 - mp cos^2 th / m))
 *     xacc = temp - mp l thacc cos th / m
 *     x, xdot, th, thdot += dt (xdot, xacc, thdot, thacc)             all of the old state
 *     terminated when |x| > 2.4 or |th| > 12 degrees; reward 1 per step, the last one included
 *
 * g = 9.8, cart 1 kg, pole mp = 0.1 kg, m both, l = 0.5 (half its length), dt = 0.02 s. reset:
 * all four uniform in +-0.05. 500 steps. Bit for bit what Python gives.
 */
#include "actor/env_registry.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/rng.h"

#define GRAVITY     9.8
#define POLE_MASS   0.1
#define TOTAL_MASS  (POLE_MASS + 1.0)
#define HALF_LENGTH 0.5
#define POLE_MOMENT (POLE_MASS * HALF_LENGTH)
#define FORCE       10.0
#define DT_S        0.02
#define X_MAX       2.4
#define TH_MAX_RAD  (12.0 * 2.0 * M_PI / 360.0)

struct cartpole {
    double x, xdot, th_rad, thdot;
};

/* Twice what terminates, so that a last observation is within. */
static const float obs_lows[] = {(float)(-2.0 * X_MAX), -INFINITY, (float)(-2.0 * TH_MAX_RAD),
                                 -INFINITY};
static const float obs_highs[] = {(float)(2.0 * X_MAX), INFINITY, (float)(2.0 * TH_MAX_RAD),
                                  INFINITY};

static int cartpole_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                         struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    spec->obs_count = 1;
    spec->obs[0] = (struct pawl_env_field){.name = "state",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {4},
                                           .lows = obs_lows,
                                           .highs = obs_highs};
    spec->action = (struct pawl_env_field){.name = "action",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {1},
                                           .low = 0.0f,
                                           .high = 1.0f};
    spec->choice_count = 2;
    spec->steps_max = 500;
    spec->rate_hz = 50.0f;
    return 0;
}

static int cartpole_open(const struct pawl_env_args *args, void **env, struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    *env = calloc(1, sizeof(struct cartpole));
    return *env ? 0 : -ENOMEM;
}

static void observe(const struct cartpole *cart, void *const *obs)
{
    float *state = obs[0];
    state[0] = (float)cart->x;
    state[1] = (float)cart->xdot;
    state[2] = (float)cart->th_rad;
    state[3] = (float)cart->thdot;
}

static int cartpole_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    struct cartpole *cart = env;
    struct pawl_rng rng;
    (void)err;
    pawl_rng_seed(&rng, seed);
    cart->x = pawl_rng_uniform(&rng, -0.05, 0.05);
    cart->xdot = pawl_rng_uniform(&rng, -0.05, 0.05);
    cart->th_rad = pawl_rng_uniform(&rng, -0.05, 0.05);
    cart->thdot = pawl_rng_uniform(&rng, -0.05, 0.05);
    observe(cart, obs);
    return 0;
}

static int cartpole_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                         struct pawl_env_err *err)
{
    struct cartpole *cart = env;
    double xdot = cart->xdot, thdot = cart->thdot;
    double cos_th = cos(cart->th_rad), sin_th = sin(cart->th_rad);
    double force = action[0] == 1.0f ? FORCE : -FORCE;
    (void)err;

    double temp = (force + POLE_MOMENT * (thdot * thdot) * sin_th) / TOTAL_MASS;
    double thacc = (GRAVITY * sin_th - cos_th * temp) /
                   (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cos_th * cos_th) / TOTAL_MASS));
    double xacc = temp - POLE_MOMENT * thacc * cos_th / TOTAL_MASS;
    cart->x += DT_S * xdot;
    cart->xdot = xdot + DT_S * xacc;
    cart->th_rad += DT_S * thdot;
    cart->thdot = thdot + DT_S * thacc;
    observe(cart, obs);
    step->reward = 1.0f;
    step->terminated = cart->x < -X_MAX || cart->x > X_MAX || cart->th_rad < -TH_MAX_RAD ||
                       cart->th_rad > TH_MAX_RAD;
    return 0;
}

/* Pushes to the side to which the pole falls, and the cart back to the middle. */
static int cartpole_expert(void *env, float *action, struct pawl_env_err *err)
{
    const struct cartpole *cart = env;
    (void)err;
    action[0] =
        0.1 * cart->x + 0.2 * cart->xdot + cart->th_rad + 0.5 * cart->thdot > 0.0 ? 1.0f : 0.0f;
    return 0;
}

const struct pawl_env_ops pawl_env_cartpole = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "cartpole",
    .help = "Balance a pole on a cart, pushing left or right (Gymnasium's CartPole-v1).",
    .spec = cartpole_spec,
    .open = cartpole_open,
    .reset = cartpole_reset,
    .step = cartpole_step,
    .close = free,
    .expert = cartpole_expert,
};
