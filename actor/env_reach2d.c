#include "actor/env_reach2d.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "actor/env_registry.h"
#include "runtime/rng.h"

struct reach2d {
    float p[2], goal[2];
    float radius;
    bool is_sparse;
};

static const char *const rewards[] = {"dense", "sparse", NULL};

#define S struct pawl_env_reach2d_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_CHOICE_ROW(S, "env.reach2d.reward", reward, PAWL_ENV_REACH2D_DENSE, rewards,
                        "dense: less the distance, every step; sparse: 1 at the goal."),
    PAWL_CFG_F64_ROW(S, "env.reach2d.radius", radius, 0.05, 0.001, 1.0, "",
                     "How near is at the goal; the square is 2 wide."),
};
#undef S

const struct pawl_cfg_table pawl_env_reach2d_table = {
    .name = "env.reach2d",
    .help = "Bring a point to a goal in the plane.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(struct pawl_env_reach2d_cfg),
};

static int reach2d_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                        struct pawl_env_err *err)
{
    (void)args;
    (void)err;
    spec->obs_count = 1;
    spec->obs[0] = (struct pawl_env_field){.name = "state",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {4},
                                           .low = -1.0f,
                                           .high = 1.0f};
    spec->action = (struct pawl_env_field){.name = "action",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {2},
                                           .low = -1.0f,
                                           .high = 1.0f};
    spec->steps_max = PAWL_ENV_REACH2D_STEPS_MAX;
    return 0;
}

static int reach2d_open(const struct pawl_env_args *args, void **env, struct pawl_env_err *err)
{
    const struct pawl_env_reach2d_cfg *cfg = args->fields;
    (void)err;
    struct reach2d *reach = calloc(1, sizeof(*reach));
    if (!reach)
        return -ENOMEM;
    reach->radius = (float)cfg->radius;
    reach->is_sparse = cfg->reward == PAWL_ENV_REACH2D_SPARSE;
    *env = reach;
    return 0;
}

static void observe(const struct reach2d *reach, void *const *obs)
{
    float *state = obs[0];
    for (int i = 0; i < 2; i++) {
        state[i] = reach->p[i];
        state[2 + i] = reach->goal[i];
    }
}

static int reach2d_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    struct reach2d *reach = env;
    struct pawl_rng rng;
    (void)err;
    pawl_rng_seed(&rng, seed);
    for (int i = 0; i < 2; i++)
        reach->p[i] = (float)pawl_rng_uniform(&rng, -1.0, 1.0);
    for (int i = 0; i < 2; i++)
        reach->goal[i] = (float)pawl_rng_uniform(&rng, -1.0, 1.0);
    observe(reach, obs);
    return 0;
}

static float clip(float value)
{
    return fminf(fmaxf(value, -1.0f), 1.0f);
}

static int reach2d_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                        struct pawl_env_err *err)
{
    struct reach2d *reach = env;
    (void)err;
    for (int i = 0; i < 2; i++)
        reach->p[i] = clip(reach->p[i] + PAWL_ENV_REACH2D_SPEED * clip(action[i]));
    observe(reach, obs);
    float dx = reach->p[0] - reach->goal[0], dy = reach->p[1] - reach->goal[1];
    float distance = sqrtf(dx * dx + dy * dy);
    bool is_there = distance <= reach->radius;
    step->reward = !reach->is_sparse ? -distance : is_there ? 1.0f : 0.0f;
    step->terminated = is_there;
    step->success = is_there;
    return 0;
}

void pawl_env_reach2d_act(float action[2], const float state[4])
{
    for (int i = 0; i < 2; i++)
        action[i] = clip((state[2 + i] - state[i]) / PAWL_ENV_REACH2D_SPEED);
}

static int reach2d_expert(void *env, float *action, struct pawl_env_err *err)
{
    const struct reach2d *reach = env;
    const float state[4] = {reach->p[0], reach->p[1], reach->goal[0], reach->goal[1]};
    (void)err;
    pawl_env_reach2d_act(action, state);
    return 0;
}

const struct pawl_env_ops pawl_env_reach2d = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "reach2d",
    .help = "Bring a point to a goal in the plane, with a dense or a sparse reward.",
    .spec = reach2d_spec,
    .open = reach2d_open,
    .reset = reach2d_reset,
    .step = reach2d_step,
    .close = free,
    .expert = reach2d_expert,
};
