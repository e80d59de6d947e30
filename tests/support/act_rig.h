/* act_rig.h: an actor without its process: lanes of an environment that does what a test says,
 * a policy likewise, and both ends of its ring.
 *
 *     struct rig rig;
 *     rig_open(&rig, (struct rig_cfg){.lane_count = 2, .slot_count = 64});
 *     rig_rules.terminate_at = 5;
 *     rig_round(&rig);
 *     slot = pawl_ring_peek(&rig.rx);
 *     rig_close(&rig);
 *
 * The observation is {number of the lane, step of the episode, number of the episode}, so every
 * record says where it belongs.
 */
#ifndef PAWL_TEST_ACT_RIG_H
#define PAWL_TEST_ACT_RIG_H

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actor/acting.h"
#include "actor/env_spec.h"
#include "shm/record.h"

#define RIG_LANES_MAX 16

/* Calls are counted over all lanes from 1; 0: never. */
static struct {
    int terminate_at;  /* steps */
    bool is_staggered; /* and as many more as the number of the lane */
    uint32_t steps_max;
    int bad_obs_from, bad_obs_until; /* calls whose observation has a NaN */
    int fail_at;                     /* the call that returns -EIO */
    int bad_reward_at;
    int intervene_at; /* the call whose action is replaced by `intervention` */
    float intervention[2];
    float action[2]; /* of the policy */
    uint32_t choice_count;
    /* What happened. */
    int call_count, reset_count, safe_count;
    float executed[2];
} rig_rules;

struct rig_env {
    float lane, step, episode;
};

static float rig_lows[] = {-2.0f, 0.0f}, rig_highs[] = {6.0f, 2.0f};

static int rig_spec(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                    struct pawl_env_err *err)
{
    (void)args, (void)err;
    spec->obs_count = 1;
    spec->obs[0] = (struct pawl_env_field){
        .name = "state", .dtype = PAWL_ENV_F32, .rank = 1, .shape = {3}};
    spec->action = (struct pawl_env_field){.name = "action",
                                           .dtype = PAWL_ENV_F32,
                                           .rank = 1,
                                           .shape = {2},
                                           .lows = rig_lows,
                                           .highs = rig_highs};
    spec->choice_count = rig_rules.choice_count;
    spec->steps_max = rig_rules.steps_max;
    return 0;
}

static int rig_env_open(const struct pawl_env_args *args, void **env, struct pawl_env_err *err)
{
    (void)err;
    struct rig_env *rig = calloc(1, sizeof(*rig));
    rig->lane = (float)args->index;
    rig->episode = -1.0f;
    *env = rig;
    return 0;
}

static void rig_observe(const struct rig_env *rig, void *const *obs, bool is_bad)
{
    float *state = obs[0];
    state[0] = rig->lane;
    state[1] = is_bad ? NAN : rig->step;
    state[2] = rig->episode;
}

static int rig_reset(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err)
{
    (void)seed, (void)err;
    struct rig_env *rig = env;
    rig->step = 0.0f;
    rig->episode += 1.0f;
    rig_rules.reset_count++;
    rig_observe(rig, obs, false);
    return 0;
}

static int rig_step(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                    struct pawl_env_err *err)
{
    (void)err;
    struct rig_env *rig = env;
    int call = ++rig_rules.call_count;
    memcpy(rig_rules.executed, action, sizeof(rig_rules.executed));
    if (call == rig_rules.fail_at)
        return -EIO;
    rig->step += 1.0f;
    step->reward = call == rig_rules.bad_reward_at ? NAN : rig->step;
    int terminate_at = rig_rules.terminate_at + (rig_rules.is_staggered ? (int)rig->lane : 0);
    step->terminated = rig_rules.terminate_at && (int)rig->step >= terminate_at;
    step->success = step->terminated;
    if (call == rig_rules.intervene_at) {
        step->intervention = 1;
        memcpy(action, rig_rules.intervention, sizeof(rig_rules.intervention));
    }
    rig_observe(rig, obs,
                rig_rules.bad_obs_from && call >= rig_rules.bad_obs_from &&
                    call <= rig_rules.bad_obs_until);
    return 0;
}

static void rig_safe(void *env)
{
    (void)env;
    rig_rules.safe_count++;
}

static const struct pawl_env_ops rig_env_ops = {
    .abi = PAWL_ENV_ABI,
    .size = sizeof(struct pawl_env_ops),
    .name = "rig",
    .help = "Does what a test says.",
    .spec = rig_spec,
    .open = rig_env_open,
    .reset = rig_reset,
    .step = rig_step,
    .safe = rig_safe,
    .close = free,
};

/* Acts with rig_rules.action plus the parameter "w", and notes w in extra.w. */
struct rig_policy {
    struct pawl_policy base;
    size_t action_offset, w_offset;
    const float *w;
};

static const struct pawl_tensor rig_tensors[1] = {{.name = "w", .dtype = PAWL_F32}};

static int rig_declare(const struct pawl_policy_setup *setup, struct pawl_spec *spec,
                       struct pawl_err *err)
{
    (void)setup;
    return pawl_spec_add(spec, "extra.w", PAWL_F32, 0, NULL, err);
}

static int rig_policy_open(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                           struct pawl_err *err);

static void rig_policy_close(struct pawl_policy *policy)
{
    free(policy);
}

static const struct pawl_tensor *rig_manifest(const struct pawl_policy *policy, size_t *count)
{
    (void)policy;
    *count = 1;
    return rig_tensors;
}

static int rig_bind(struct pawl_policy *policy, const struct pawl_tensor *tensors, size_t count,
                    struct pawl_err *err)
{
    const void *data[1];
    int code = pawl_policy_match(rig_tensors, 1, tensors, count, data, err);
    if (code == 0)
        ((struct rig_policy *)policy)->w = data[0];
    return code;
}

static void rig_act(struct pawl_policy *policy, unsigned char *const *records,
                    uint32_t lane_count)
{
    const struct rig_policy *rig = (const struct rig_policy *)policy;
    float w = rig->w ? *rig->w : 0.0f;
    for (uint32_t i = 0; i < lane_count; i++) {
        float action[2] = {rig_rules.action[0] + w, rig_rules.action[1]};
        memcpy(records[i] + rig->action_offset, action, sizeof(action));
        memcpy(records[i] + rig->w_offset, &w, sizeof(w));
    }
}

static const struct pawl_policy_ops rig_policy_ops = {
    .name = "rig",
    .help = "Does what a test says.",
    .declare = rig_declare,
    .open = rig_policy_open,
    .close = rig_policy_close,
    .act = rig_act,
};

static const struct pawl_policy_ops rig_learned_ops = {
    .name = "rig_learned",
    .help = "Adds a parameter.",
    .declare = rig_declare,
    .open = rig_policy_open,
    .close = rig_policy_close,
    .manifest = rig_manifest,
    .bind = rig_bind,
    .act = rig_act,
};

static int rig_policy_open(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                           struct pawl_err *err)
{
    (void)err;
    struct rig_policy *rig = calloc(1, sizeof(*rig));
    rig->action_offset = pawl_spec_find(setup->spec, "action")->offset_bytes;
    rig->w_offset = pawl_spec_find(setup->spec, "extra.w")->offset_bytes;
    *policy = &rig->base;
    return 0;
}

struct rig_cfg {
    uint32_t lane_count, slot_count, staged_count_max;
    bool may_drop, is_learned, has_no_reader, has_times;
    enum pawl_acting_adopt adopt;
    uint32_t chunk_steps;
    enum pawl_acting_excess excess;
};

struct rig {
    struct pawl_lanes *lanes;
    struct pawl_record_layout layout;
    struct pawl_policy *policy;
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
    struct pawl_segment ring, acks, view, board;
    struct pawl_outbox outbox;
    struct pawl_params params;
    struct pawl_board_tx board_tx;
    struct pawl_stats stats;
    struct pawl_tsc tsc;
    struct pawl_acting *acting;
    struct pawl_err err;
};

#define RIG_DO(rig, call) ck_assert_msg((call) == 0, "%s", (rig)->err.text)

static inline void rig_open_ring(struct rig *rig, const struct rig_cfg *cfg)
{
    struct pawl_ring_cfg ring_cfg = pawl_ring_default_cfg();
    ring_cfg.slot_count = cfg->slot_count;
    ring_cfg.data_bytes = (uint32_t)rig->layout.record_bytes;
    ring_cfg.policy = cfg->may_drop ? PAWL_RING_DROP_NEWEST : PAWL_RING_BLOCK;
    RIG_DO(rig, pawl_ring_create(&rig->tx, &rig->ring, &ring_cfg, &rig->err));
    if (cfg->has_no_reader)
        return;
    struct pawl_ring_rx_cfg rx_cfg = {.flush_count = 1};
    RIG_DO(rig, pawl_ring_acks_create(&rig->acks, 1, true, &rig->err));
    RIG_DO(rig, pawl_ring_attach(&rig->rx, &rig->view, rig->ring.fd, &rig->acks, &rx_cfg,
                                 &rig->err));
    RIG_DO(rig, pawl_ring_bind(&rig->tx, &rig->acks, 0, -1, &rig->err));
}

/* Cancel its own rules before; the count of calls begins at 0. */
static inline void rig_open(struct rig *rig, struct rig_cfg cfg)
{
    const struct pawl_policy_ops *ops = cfg.is_learned ? &rig_learned_ops : &rig_policy_ops;
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();

    memset(rig, 0, sizeof(*rig));
    rig_rules.call_count = rig_rules.reset_count = 0;
    lanes_cfg.ops = &rig_env_ops;
    lanes_cfg.lane_count = cfg.lane_count;
    RIG_DO(rig, pawl_lanes_open(&rig->lanes, &lanes_cfg, &rig->err));
    struct pawl_policy_setup setup = {.lane_count = cfg.lane_count};
    RIG_DO(rig, pawl_record_layout_make(&rig->layout, pawl_lanes_spec(rig->lanes), ops, &setup,
                                        &rig->err));
    setup.spec = &rig->layout.spec;
    RIG_DO(rig, ops->open(&rig->policy, &setup, &rig->err));
    rig->policy->ops = ops;
    rig_open_ring(rig, &cfg);
    struct pawl_outbox_cfg outbox_cfg = {.tx = &rig->tx,
                                         .lane_count = cfg.lane_count,
                                         .staged_count_max = cfg.staged_count_max,
                                         .may_drop = cfg.may_drop};
    RIG_DO(rig, pawl_outbox_open(&rig->outbox, &outbox_cfg, &rig->err));
    pawl_params_open(&rig->params, rig->policy, &rig->tx.page->pin);
    RIG_DO(rig, pawl_stats_create(&rig->stats, "rig", pawl_actor_stat_rows,
                                  PAWL_ACTOR_STAT_COUNT, &rig->err));
    pawl_tsc_calibrate(&rig->tsc, PAWL_NS_PER_MS, NULL);
    struct pawl_acting_cfg acting_cfg = {.lanes = rig->lanes,
                                         .layout = &rig->layout,
                                         .policy = rig->policy,
                                         .params = &rig->params,
                                         .outbox = &rig->outbox,
                                         .stats = &rig->stats,
                                         .tsc = &rig->tsc,
                                         .adopt = cfg.adopt,
                                         .chunk_steps = cfg.chunk_steps,
                                         .excess = cfg.excess,
                                         .has_times = cfg.has_times};
    RIG_DO(rig, pawl_acting_open(&rig->acting, &acting_cfg, &rig->err));
}

static inline void rig_open_board(struct rig *rig)
{
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    uint32_t index;
    RIG_DO(rig, pawl_manifest_add(&manifest, "w", PAWL_F32, 0, NULL, &rig->err));
    cfg.manifest = &manifest;
    cfg.reader_count = 1;
    RIG_DO(rig, pawl_board_create(&rig->board_tx, &rig->board, &cfg, &rig->err));
    RIG_DO(rig, pawl_board_add_reader(&rig->board_tx, &rig->tx.page->pin, &index, &rig->err));
    RIG_DO(rig,
           pawl_params_attach(&rig->params, rig->board.fd, rig->board.total_bytes, &rig->err));
    pawl_manifest_close(&manifest);
}

static inline uint64_t rig_publish(struct rig *rig, float w)
{
    return pawl_board_put(&rig->board_tx, &w, 0);
}

static inline void rig_round(struct rig *rig)
{
    enum pawl_acting_result result = pawl_acting_round(rig->acting, &rig->err);
    ck_assert_msg(result == PAWL_ACTING_STEPPED, "result %d: %s", (int)result, rig->err.text);
}

static inline void rig_close(struct rig *rig)
{
    pawl_acting_close(rig->acting);
    pawl_params_close(&rig->params);
    pawl_outbox_close(&rig->outbox);
    rig->policy->ops->close(rig->policy);
    pawl_lanes_close(rig->lanes);
    pawl_stats_close(&rig->stats);
    pawl_segment_close(&rig->view);
    pawl_segment_close(&rig->acks);
    pawl_segment_close(&rig->ring);
    pawl_segment_close(&rig->board);
}

/* What a record holds. */
struct rig_record {
    struct pawl_ring_record head;
    float lane, step, episode;
    float action[2];
    float reward;
    float w;
    uint8_t terminated, truncated, success, intervention;
};

static inline struct rig_record rig_read(const struct rig *rig, const struct pawl_ring_slot *s)
{
    struct rig_record r = {.head = s->record};
    const struct pawl_record_layout *at = &rig->layout;
    memcpy(&r.lane, s->data + at->obs_offset[0], 12);
    memcpy(r.action, s->data + at->action_offset, 8);
    memcpy(&r.reward, s->data + at->reward_offset, 4);
    memcpy(&r.w, s->data + pawl_spec_find(&at->spec, "extra.w")->offset_bytes, 4);
    r.terminated = s->data[at->terminated_offset];
    r.truncated = s->data[at->truncated_offset];
    r.success = s->data[at->success_offset];
    r.intervention = s->data[at->intervention_offset];
    return r;
}

/* Takes the next record; fails when there is none. */
static inline struct rig_record rig_take(struct rig *rig)
{
    const struct pawl_ring_slot *slot = pawl_ring_peek(&rig->rx);
    ck_assert_ptr_nonnull(slot);
    struct rig_record record = rig_read(rig, slot);
    pawl_ring_release(&rig->rx);
    return record;
}

static inline uint64_t rig_stat(const struct rig *rig, enum pawl_actor_stat stat)
{
    return atomic_load(&rig->stats.words[stat]);
}

#endif
