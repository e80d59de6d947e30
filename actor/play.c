#include "actor/play.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_spec.h"
#include "runtime/pace.h"
#include "shm/record.h"

#define ALIGN_BYTES 64u

struct pawl_play_lane {
    unsigned char *now, *next; /* records: the one to be acted on, and what follows */
    uint64_t episode;          /* that it plays, or the next one it would */
    uint32_t flags;            /* of the episode, for its FINAL record */
};

struct pawl_play_cfg pawl_play_default_cfg(void)
{
    return (struct pawl_play_cfg){
        .lanes = pawl_lanes_default_cfg(), .is_greedy = true, .episode_count = 1};
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

/* One block for all that a round needs. */
static int make_room(struct pawl_play *play, struct pawl_err *err)
{
    size_t lane_count = pawl_lanes_count(play->lanes);
    size_t record_bytes = aligned(play->layout.record_bytes);
    size_t action_bytes = aligned(pawl_env_field_bytes(&pawl_lanes_spec(play->lanes)->action));
    size_t state_bytes = aligned(lane_count * sizeof(play->lane_states[0]));
    size_t total_bytes = 2 * lane_count * record_bytes + action_bytes + state_bytes +
                         aligned(lane_count * sizeof(play->records[0]));
    unsigned char *at = aligned_alloc(ALIGN_BYTES, total_bytes);
    if (!at)
        return pawl_err_set(err, ENOMEM, "%zu records of %zu bytes: out of memory",
                            2 * lane_count, record_bytes);
    play->memory = memset(at, 0, total_bytes);
    play->action = (float *)(void *)at;
    at += action_bytes;
    play->lane_states = (struct pawl_play_lane *)(void *)at;
    at += state_bytes;
    for (size_t i = 0; i < lane_count; i++, at += 2 * record_bytes)
        play->lane_states[i] =
            (struct pawl_play_lane){.now = at, .next = at + record_bytes, .episode = i};
    play->records = (unsigned char **)(void *)at;
    return 0;
}

static int open_play(struct pawl_play *play, struct pawl_err *err)
{
    struct pawl_play_cfg *cfg = &play->cfg;
    if (cfg->lanes.lane_count > cfg->episode_count)
        cfg->lanes.lane_count = (uint32_t)cfg->episode_count;
    int code = pawl_lanes_open(&play->lanes, &cfg->lanes, err);
    if (code != 0)
        return code;
    if (cfg->is_expert && !pawl_env_has_expert(cfg->lanes.ops))
        return pawl_err_set(
            err, ENOTSUP,
            "environment %s has no expert to play it: record what a policy does, "
            "or write expert() in its table (actor/env.h)",
            cfg->lanes.ops->name);
    const struct pawl_env_spec *spec = pawl_lanes_spec(play->lanes);
    struct pawl_policy_setup setup = {
        .cfg = cfg->cfg,
        .choice_count = spec->choice_count,
        .lane_count = pawl_lanes_count(play->lanes),
        .seed = cfg->lanes.seed,
        .is_greedy = cfg->is_greedy,
    };
    code = pawl_record_layout_make(&play->layout, spec, cfg->policy, &setup, err);
    if (code == 0)
        code = make_room(play, err);
    setup.spec = &play->layout.spec;
    if (code == 0 && !cfg->is_expert)
        code = cfg->policy->open(&play->policy, &setup, err);
    return code;
}

int pawl_play_open(struct pawl_play **out, const struct pawl_play_cfg *cfg,
                   struct pawl_err *err)
{
    *out = NULL;
    if (cfg->episode_count == 0)
        return pawl_err_set(err, EINVAL, "0 episodes to play; 1 or more are wanted");
    struct pawl_play *play = calloc(1, sizeof(*play));
    if (!play)
        return pawl_err_set(err, ENOMEM, "play: out of memory");
    play->cfg = *cfg;
    int code = open_play(play, err);
    if (code != 0) {
        pawl_play_close(play);
        return code;
    }
    *out = play;
    return 0;
}

void pawl_play_close(struct pawl_play *play)
{
    if (!play)
        return;
    play->cfg.policy->close(play->policy);
    pawl_lanes_close(play->lanes);
    free(play->memory);
    free(play);
}

/* --- one lane --- */

static int check_observation(struct pawl_play *play, unsigned char *record,
                             struct pawl_err *err)
{
    const struct pawl_env_spec *spec = pawl_lanes_spec(play->lanes);
    void *obs[PAWL_ENV_FIELDS_MAX];

    pawl_record_obs(&play->layout, record, obs);
    int bad = pawl_env_obs_find_bad(spec, obs);
    return bad < 0 ? 0 : pawl_env_obs_explain(spec, obs, bad, err);
}

static int begin_lane(struct pawl_play *play, uint32_t index, struct pawl_err *err)
{
    const struct pawl_lanes_cfg *cfg = &play->cfg.lanes;
    struct pawl_play_lane *lane = &play->lane_states[index];
    void *obs[PAWL_ENV_FIELDS_MAX];
    uint64_t seed = cfg->seeding == PAWL_LANES_PLAIN
                        ? cfg->seed + lane->episode
                        : pawl_lanes_episode_seed(cfg->seed, cfg->role, 0, lane->episode);

    if (pawl_lanes_get(play->lanes, index)->is_running ||
        lane->episode >= play->cfg.episode_count)
        return 0;
    lane->flags = 0;
    pawl_record_obs(&play->layout, lane->now, obs);
    int code = pawl_lanes_begin_seeded(play->lanes, index, seed, obs, err);
    return code ? code : check_observation(play, lane->now, err);
}

static int tell_step(struct pawl_play *play, uint32_t index, unsigned char *record,
                     uint32_t flags, uint32_t step_index, struct pawl_err *err)
{
    const struct pawl_play_step step = {
        .episode = play->lane_states[index].episode,
        .lane = index,
        .step_index = step_index,
        .flags = flags,
        .record = record,
    };
    return play->cfg.on_step ? play->cfg.on_step(play->cfg.context, &step, err) : 0;
}

static int end_episode(struct pawl_play *play, uint32_t index, struct pawl_err *err)
{
    struct pawl_play_lane *lane = &play->lane_states[index];
    const struct pawl_lane *state = pawl_lanes_get(play->lanes, index);
    const struct pawl_play_episode episode = {
        .number = lane->episode,
        .seed = state->episode_seed,
        .step_count = state->step_index,
        .return_sum = state->return_sum,
        .is_success = state->is_success,
        .is_terminated = (lane->flags & PAWL_RECORD_TERMINATED) != 0,
    };
    pawl_record_write_final(&play->layout, lane->next);
    int code = tell_step(play, index, lane->next, PAWL_RECORD_FINAL | lane->flags,
                         state->step_index, err);
    if (code == 0 && play->cfg.on_episode)
        code = play->cfg.on_episode(play->cfg.context, &episode, err);
    play->episode_done_count++;
    lane->episode += pawl_lanes_count(play->lanes);
    return code;
}

/* What the policy wrote, or what the expert does, in units of the environment. The record holds
 * what is executed. */
static int choose(struct pawl_play *play, uint32_t index, unsigned char *record,
                  struct pawl_err *err)
{
    const struct pawl_env_spec *spec = pawl_lanes_spec(play->lanes);
    float *units = pawl_record_action(&play->layout, record);

    if (play->cfg.is_expert) {
        int code = pawl_lanes_ask_expert(play->lanes, index, play->action, err);
        if (code != 0)
            return code;
        pawl_env_action_to_units(units, spec, play->action);
    }
    for (uint32_t i = 0; i < play->layout.action_count; i++)
        if (!isfinite(units[i]))
            return pawl_err_set(err, EINVAL, "%s %s: action[%" PRIu32 "] is %g, must be finite",
                                play->cfg.is_expert ? "the expert of environment" : "policy",
                                play->cfg.is_expert ? play->cfg.lanes.ops->name
                                                    : play->cfg.policy->name,
                                i, (double)units[i]);
    pawl_env_action_from_units(play->action, spec, units);
    return 0;
}

static int step_lane(struct pawl_play *play, uint32_t index, struct pawl_err *err)
{
    struct pawl_play_lane *lane = &play->lane_states[index];
    const struct pawl_lane *state = pawl_lanes_get(play->lanes, index);
    uint32_t step_index = state->step_index;
    struct pawl_env_step step;
    void *obs[PAWL_ENV_FIELDS_MAX];

    int code = choose(play, index, lane->now, err);
    pawl_record_obs(&play->layout, lane->next, obs);
    if (code == 0)
        code = pawl_lanes_step(play->lanes, index, play->action, obs, &step, err);
    if (code == 0)
        code = check_observation(play, lane->next, err);
    if (code == 0 && !pawl_env_step_is_sane(&step))
        code = pawl_err_set(err, EINVAL, "environment %s: reward %g or a flag is not allowed",
                            play->cfg.lanes.ops->name, (double)step.reward);
    if (code != 0)
        return code;
    if (step.intervention)
        pawl_env_action_to_units(pawl_record_action(&play->layout, lane->now),
                                 pawl_lanes_spec(play->lanes), play->action);
    pawl_record_write_step(&play->layout, lane->now, &step);
    uint32_t flags = (step.terminated ? PAWL_RECORD_TERMINATED : 0) |
                     (step.truncated ? PAWL_RECORD_TRUNCATED : 0) |
                     (step.success ? PAWL_RECORD_SUCCESS : 0) |
                     (step.intervention ? PAWL_RECORD_INTERVENTION : 0);
    lane->flags |= flags;
    play->step_count++;
    code = tell_step(play, index, lane->now, PAWL_RECORD_STEP | flags, step_index, err);
    if (code == 0 && state->has_ended)
        return end_episode(play, index, err);
    unsigned char *swap = lane->now;
    lane->now = lane->next;
    lane->next = swap;
    return code;
}

/* --- all lanes --- */

static int play_round(struct pawl_play *play, struct pawl_err *err)
{
    uint32_t lane_count = pawl_lanes_count(play->lanes);
    int code = 0;

    for (uint32_t i = 0; code == 0 && i < lane_count; i++) {
        code = begin_lane(play, i, err);
        play->records[i] = play->lane_states[i].now;
    }
    /* Those that have played all theirs are acted for, too: the noise of a lane is its own. */
    if (code == 0 && play->policy)
        play->policy->ops->act(play->policy, play->records, lane_count);
    for (uint32_t i = 0; code == 0 && i < lane_count; i++)
        if (pawl_lanes_get(play->lanes, i)->is_running)
            code = step_lane(play, i, err);
    return code;
}

int pawl_play_run(struct pawl_play *play, struct pawl_err *err)
{
    struct pawl_pace pace;
    int code = 0;

    if (play->cfg.rate_hz > 0.0) {
        struct pawl_pace_cfg cfg = pawl_pace_default_cfg((uint64_t)(1e9 / play->cfg.rate_hz));
        code = pawl_pace_start(&pace, &cfg, err);
    }
    while (code == 0 && play->episode_done_count < play->cfg.episode_count) {
        /* Relaxed: nothing else is read because of it. */
        if (play->cfg.is_stopping &&
            atomic_load_explicit(play->cfg.is_stopping, memory_order_relaxed)) {
            code = pawl_err_set(err, EINTR, "stopped after %" PRIu64 " of %" PRIu64 " episodes",
                                play->episode_done_count, play->cfg.episode_count);
            break;
        }
        if (play->cfg.rate_hz > 0.0)
            pawl_pace_wait(&pace);
        code = play_round(play, err);
    }
    pawl_lanes_safe(play->lanes);
    return code;
}
