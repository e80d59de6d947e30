#include "actor/lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_spec.h"
#include "runtime/fault.h"
#include "runtime/philox.h"

struct pawl_lanes {
    struct pawl_lanes_cfg cfg;
    struct pawl_env_spec spec;
    uint32_t steps_max;
    uint32_t open_count;
    /* Of the last call into an environment. A hardened build clears what is on the stack, which
     * would cost as much as a whole step of the dummy. */
    struct pawl_env_err why;
    struct one {
        struct pawl_lane lane;
        void *env;
        uint64_t begun_count; /* episodes */
    } lanes[];
};

struct pawl_lanes_cfg pawl_lanes_default_cfg(void)
{
    return (struct pawl_lanes_cfg){
        .args = pawl_env_default_args(),
        .lane_count = 1,
        .role = PAWL_LANES_TRAIN,
        .seeding = PAWL_LANES_DERIVED,
    };
}

/* The cold end of every call into an environment. */
__attribute__((cold)) static int fail(struct pawl_lanes *lanes, uint32_t lane, const char *what,
                                      int code, struct pawl_err *err)
{
    int number = code < 0 ? -code : EIO;
    char *why = lanes->why.text;

    why[sizeof(lanes->why.text) - 1] = '\0';
    return pawl_err_set(err, number, "environment %s, lane %u: %s: %s", lanes->cfg.ops->name,
                        lanes->cfg.index_first + lane, what, why[0] ? why : strerror(number));
}

static int check_cfg(const struct pawl_lanes_cfg *cfg, struct pawl_err *err)
{
    if (pawl_env_ops_check(cfg->ops, err) != 0)
        return err ? -err->code : -EINVAL;
    if (cfg->lane_count < 1 || cfg->lane_count > PAWL_LANES_MAX)
        return pawl_err_set(err, EINVAL, "%u lanes; an actor has 1 to %u", cfg->lane_count,
                            PAWL_LANES_MAX);
    if (cfg->index_first > UINT32_MAX - cfg->lane_count)
        return pawl_err_set(err, EINVAL, "%u lanes from index %u on: there are 2^32",
                            cfg->lane_count, cfg->index_first);
    return 0;
}

int pawl_lanes_open(struct pawl_lanes **out, const struct pawl_lanes_cfg *cfg,
                    struct pawl_err *err)
{
    *out = NULL;
    int code = check_cfg(cfg, err);
    if (code != 0)
        return code;
    struct pawl_lanes *lanes =
        calloc(1, sizeof(*lanes) + cfg->lane_count * sizeof(lanes->lanes[0]));
    if (!lanes)
        return pawl_err_set(err, ENOMEM, "%u lanes: out of memory", cfg->lane_count);
    lanes->cfg = *cfg;
    code = pawl_env_spec_read(&lanes->spec, cfg->ops, &cfg->args, err);
    lanes->steps_max = cfg->steps_max ? cfg->steps_max : lanes->spec.steps_max;

    for (uint32_t i = 0; code == 0 && i < cfg->lane_count; i++) {
        struct pawl_env_args args = cfg->args;
        args.index = cfg->index_first + i;
        code = cfg->ops->open(&args, &lanes->lanes[i].env, &lanes->why);
        if (code != 0) {
            code = fail(lanes, i, "open", code, err);
            break;
        }
        lanes->lanes[i].lane.lane_index = args.index;
        lanes->open_count++;
    }
    if (code != 0) {
        pawl_lanes_close(lanes);
        return code;
    }
    /* They were borrowed for this call. */
    lanes->cfg.args = pawl_env_default_args();
    *out = lanes;
    return 0;
}

void pawl_lanes_close(struct pawl_lanes *lanes)
{
    if (!lanes)
        return;
    for (uint32_t i = 0; i < lanes->open_count; i++)
        lanes->cfg.ops->close(lanes->lanes[i].env);
    free(lanes);
}

const struct pawl_env_spec *pawl_lanes_spec(const struct pawl_lanes *lanes)
{
    return &lanes->spec;
}

const struct pawl_lane *pawl_lanes_get(const struct pawl_lanes *lanes, uint32_t lane)
{
    return &lanes->lanes[lane].lane;
}

uint32_t pawl_lanes_count(const struct pawl_lanes *lanes)
{
    return lanes->cfg.lane_count;
}

void *pawl_lanes_env(const struct pawl_lanes *lanes, uint32_t lane)
{
    return lanes->lanes[lane].env;
}

uint64_t pawl_lanes_episode_seed(uint64_t run_seed, enum pawl_lanes_role role,
                                 uint32_t lane_index, uint64_t episode_index)
{
    struct pawl_philox stream;

    pawl_philox_open(&stream, run_seed, (uint32_t)role, lane_index);
    pawl_philox_seek(&stream, episode_index);
    return pawl_philox_next64(&stream);
}

int pawl_lanes_begin_seeded(struct pawl_lanes *lanes, uint32_t lane, uint64_t seed,
                            void *const *obs, struct pawl_err *err)
{
    struct one *one = &lanes->lanes[lane];

    lanes->why.text[0] = '\0';
    one->lane = (struct pawl_lane){
        .episode_index = lanes->cfg.episode_first + one->begun_count,
        .episode_seed = seed,
        .lane_index = one->lane.lane_index,
    };
    PAWL_FAULT("env.reset");
    int code = lanes->cfg.ops->reset(one->env, seed, obs, &lanes->why);
    if (code != 0)
        return fail(lanes, lane, "reset", code, err);
    one->begun_count++;
    one->lane.is_running = true;
    return 0;
}

int pawl_lanes_begin(struct pawl_lanes *lanes, uint32_t lane, void *const *obs,
                     struct pawl_err *err)
{
    const struct pawl_lanes_cfg *cfg = &lanes->cfg;
    const struct one *one = &lanes->lanes[lane];
    uint64_t episode = cfg->episode_first + one->begun_count;
    uint64_t seed =
        cfg->seeding == PAWL_LANES_PLAIN
            ? cfg->seed + one->lane.lane_index + episode * PAWL_LANES_MAX
            : pawl_lanes_episode_seed(cfg->seed, cfg->role, one->lane.lane_index, episode);
    return pawl_lanes_begin_seeded(lanes, lane, seed, obs, err);
}

int pawl_lanes_step(struct pawl_lanes *lanes, uint32_t lane, float *action, void *const *obs,
                    struct pawl_env_step *step, struct pawl_err *err)
{
    struct one *one = &lanes->lanes[lane];

    if (!one->lane.is_running)
        return pawl_err_set(err, EINVAL,
                            "environment %s, lane %u: a step without an episode: begin one",
                            lanes->cfg.ops->name, one->lane.lane_index);
    lanes->why.text[0] = '\0';
    *step = (struct pawl_env_step){0};
    PAWL_FAULT("env.step");
    int code = lanes->cfg.ops->step(one->env, action, obs, step, &lanes->why);
    if (__builtin_expect(code != 0, 0)) {
        one->lane.is_running = false;
        return fail(lanes, lane, "step", code, err);
    }
    one->lane.step_index++;
    one->lane.return_sum += (double)step->reward;
    one->lane.is_success |= step->success != 0;
    if (lanes->steps_max && one->lane.step_index >= lanes->steps_max)
        step->truncated = 1;
    if (step->terminated)
        step->truncated = 0;
    one->lane.has_ended = step->terminated || step->truncated;
    one->lane.is_running = !one->lane.has_ended;
    return 0;
}

int pawl_lanes_ask_expert(struct pawl_lanes *lanes, uint32_t lane, float *action,
                          struct pawl_err *err)
{
    if (!pawl_env_has_expert(lanes->cfg.ops))
        return pawl_err_set(err, ENOTSUP, "environment %s: nobody wrote an expert for it",
                            lanes->cfg.ops->name);
    lanes->why.text[0] = '\0';
    int code = lanes->cfg.ops->expert(lanes->lanes[lane].env, action, &lanes->why);
    return code == 0 ? 0 : fail(lanes, lane, "expert", code, err);
}

void pawl_lanes_safe(struct pawl_lanes *lanes)
{
    if (!lanes->cfg.ops->safe)
        return;
    for (uint32_t i = 0; i < lanes->open_count; i++)
        lanes->cfg.ops->safe(lanes->lanes[i].env);
}
