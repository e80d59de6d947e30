#include "actor/env_dummy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_registry.h"
#include "runtime/clock.h"

#define IMAGES_MAX 8

struct dummy {
    uint64_t seed, step;
    size_t obs_count;
    size_t image_count, image_bytes;
    uint64_t busy_ns;
};

static const char *const image_names[IMAGES_MAX] = {
    "images.0", "images.1", "images.2", "images.3",
    "images.4", "images.5", "images.6", "images.7",
};

#define S struct pawl_env_dummy_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_I64_ROW(S, "env.dummy.obs_count", obs_count, 18, 1, 65536, "",
                     "Numbers of an observation."),
    PAWL_CFG_I64_ROW(S, "env.dummy.action_count", action_count, 4, 1, 256, "",
                     "Numbers of an action."),
    PAWL_CFG_I64_ROW(
        S, "env.dummy.choice_count", choice_count, 0, 0, 1024, "",
        "The last number of an action is a choice among so many, at least 2; 0: none."),
    PAWL_CFG_I64_ROW(S, "env.dummy.image_count", image_count, 0, 0, IMAGES_MAX, "",
                     "Images of an observation, three bytes per pixel."),
    PAWL_CFG_I64_ROW(S, "env.dummy.image_height", image_height, 128, 1, 4096, "pixels",
                     "Rows of an image."),
    PAWL_CFG_I64_ROW(S, "env.dummy.image_width", image_width, 128, 1, 4096, "pixels",
                     "Columns of an image."),
    PAWL_CFG_F64_ROW(S, "env.dummy.busy_us", busy_us, 0.0, 0.0, 1e6, "us",
                     "How long a step keeps the processor busy, at least."),
    PAWL_CFG_I64_ROW(S, "env.dummy.steps_max", steps_max, 1000, 0, UINT32_MAX, "steps",
                     "An episode is cut off after so many; 0: never."),
};
#undef S

const struct pawl_cfg_table pawl_env_dummy_table = {
    .name = "env.dummy",
    .help = "An environment of any size and cost, for benchmarks.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(struct pawl_env_dummy_cfg),
};

static int dummy_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                      struct pawl_env_err *err)
{
    const struct pawl_env_dummy_cfg *cfg = args->fields;

    if (cfg->choice_count == 1) {
        snprintf(err->text, sizeof(err->text),
                 "env.dummy.choice_count = 1: a choice is among 2 or more; 0: there is none");
        return -EINVAL;
    }
    spec->obs[spec->obs_count++] = (struct pawl_env_field){.name = "state",
                                                           .dtype = PAWL_ENV_F32,
                                                           .rank = 1,
                                                           .shape = {(uint32_t)cfg->obs_count},
                                                           .low = 0.0f,
                                                           .high = 1.0f};
    for (int64_t i = 0; i < cfg->image_count; i++)
        spec->obs[spec->obs_count++] = (struct pawl_env_field){
            .name = image_names[i],
            .dtype = PAWL_ENV_U8,
            .rank = 3,
            .shape = {(uint32_t)cfg->image_height, (uint32_t)cfg->image_width, 3},
        };
    spec->action = (struct pawl_env_field){
        .name = "action",
        .dtype = PAWL_ENV_F32,
        .rank = 1,
        .shape = {(uint32_t)cfg->action_count},
        .low = cfg->choice_count ? 0.0f : -1.0f,
        .high = cfg->choice_count ? (float)(cfg->choice_count - 1) : 1.0f};
    spec->choice_count = (uint32_t)cfg->choice_count;
    spec->steps_max = (uint32_t)cfg->steps_max;
    return 0;
}

static int dummy_open(const struct pawl_env_args *args, void **env, struct pawl_env_err *err)
{
    const struct pawl_env_dummy_cfg *cfg = args->fields;
    (void)err;
    struct dummy *dummy = calloc(1, sizeof(*dummy));
    if (!dummy)
        return -ENOMEM;
    dummy->obs_count = (size_t)cfg->obs_count;
    dummy->image_count = (size_t)cfg->image_count;
    dummy->image_bytes = (size_t)(cfg->image_height * cfg->image_width * 3);
    dummy->busy_ns = (uint64_t)(cfg->busy_us * (double)PAWL_NS_PER_US);
    *env = dummy;
    return 0;
}

/* The finalizer of SplitMix64 over both. */
float pawl_env_dummy_number(uint64_t seed, uint64_t step)
{
    uint64_t z = seed + (step + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) * 0x1p-24f;
}

static float observe(const struct dummy *dummy, void *const *obs)
{
    float number = pawl_env_dummy_number(dummy->seed, dummy->step);
    float *state = obs[0];

    for (size_t i = 0; i < dummy->obs_count; i++)
        state[i] = number;
    for (size_t i = 0; i < dummy->image_count; i++)
        memset(obs[1 + i], (int)(number * 256.0f), dummy->image_bytes);
    return number;
}

static int dummy_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    struct dummy *dummy = env;
    (void)err;
    dummy->seed = seed;
    dummy->step = 0;
    observe(dummy, obs);
    return 0;
}

static int dummy_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                      struct pawl_env_err *err)
{
    struct dummy *dummy = env;
    (void)action;
    (void)err;
    if (dummy->busy_ns) {
        uint64_t end_ns = pawl_clock_now_ns() + dummy->busy_ns;
        while (pawl_clock_now_ns() < end_ns)
            ;
    }
    dummy->step++;
    step->reward = observe(dummy, obs);
    return 0;
}

const struct pawl_env_ops pawl_env_dummy = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "dummy",
    .help = "Any size and any cost, nothing to learn: for benchmarks.",
    .spec = dummy_spec,
    .open = dummy_open,
    .reset = dummy_reset,
    .step = dummy_step,
    .close = free,
};
