#include "actor/acting.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env_spec.h"
#include "runtime/fault.h"
#include "shm/record.h"

/* The stages of one round in 16 are timed where a round is shorter than this; of every round
 * elsewhere. Four readings of the clock are then far below 1 %. */
#define SHORT_ROUND_NS 4096u
#define SHORT_MASK     15u

/* Means over the last episodes forget by this part with each. */
#define EPISODES_KEPT 32.0

struct lane {
    struct pawl_outbox_frame *now;  /* holds an observation; NULL: no episode */
    struct pawl_outbox_frame *next; /* during a round */
    struct pawl_env_step step;
    int step_code;
    uint32_t episode_flags; /* SUCCESS, INTERVENTION of some step */
    uint32_t failure_count; /* in a row */
    bool has_late_frame;    /* its episode began in this round: claimed after the others */
    float *held;            /* the action executed last, in units of the policy */
    float *action;          /* in units of the environment */
};

struct pawl_acting {
    struct pawl_acting_cfg cfg;
    const struct pawl_env_spec *spec;
    uint32_t lane_count;
    uint32_t continuous_count; /* components before the choice, if there is one */
    struct lane *lanes;
    uint32_t *order; /* of the lanes, as the frames of their records were claimed */
    uint32_t *order_spare;
    unsigned char **records;       /* of all lanes, for the policy */
    struct pawl_env_scale *scales; /* of the action's components */
    float *numbers;                /* held and action of all lanes */
    bool needs_params;
    bool has_begun; /* all lanes are in an episode */
    _Atomic bool is_resetting;

    uint64_t step_count;
    uint64_t step_count_after; /* as it will be at the end of this round */
    uint64_t round_count;
    uint64_t sample_mask;
    uint64_t ticks;         /* when the observations of `now` were there */
    uint64_t now_ns;        /* the same on the monotonic clock */
    uint64_t episode_count; /* ended, for the means */
    double return_mean, steps_mean;
    struct pawl_err lane_err; /* why the last step or observation was refused */
};

int pawl_acting_open(struct pawl_acting **out, const struct pawl_acting_cfg *cfg,
                     struct pawl_err *err)
{
    uint32_t lane_count = pawl_lanes_count(cfg->lanes);
    uint32_t action_count = cfg->layout->action_count;

    *out = NULL;
    struct pawl_acting *acting = calloc(1, sizeof(*acting));
    if (!acting)
        return pawl_err_set(err, ENOMEM, "acting: out of memory");
    acting->cfg = *cfg;
    acting->spec = pawl_lanes_spec(cfg->lanes);
    acting->lane_count = lane_count;
    acting->continuous_count = action_count - (cfg->layout->choice_count != 0);
    acting->needs_params = cfg->policy->ops->manifest != NULL;
    acting->lanes = calloc(lane_count, sizeof(acting->lanes[0]));
    acting->order = calloc(2 * (size_t)lane_count, sizeof(acting->order[0]));
    acting->records = calloc(lane_count, sizeof(acting->records[0]));
    acting->scales = calloc(action_count, sizeof(acting->scales[0]));
    acting->numbers = calloc(2 * (size_t)lane_count * action_count, sizeof(float));
    if (!acting->lanes || !acting->order || !acting->records || !acting->scales ||
        !acting->numbers) {
        pawl_acting_close(acting);
        return pawl_err_set(err, ENOMEM, "acting in %u lanes: out of memory", lane_count);
    }
    acting->order_spare = acting->order + lane_count;
    for (uint32_t i = 0; i < lane_count; i++) {
        acting->order[i] = i;
        acting->lanes[i].held = acting->numbers + 2 * (size_t)i * action_count;
        acting->lanes[i].action = acting->lanes[i].held + action_count;
    }
    for (uint32_t i = 0; i < action_count; i++)
        acting->scales[i] = pawl_env_scale_of(acting->spec, i);
    *out = acting;
    return 0;
}

void pawl_acting_close(struct pawl_acting *acting)
{
    if (!acting)
        return;
    free(acting->lanes);
    free(acting->order < acting->order_spare ? acting->order : acting->order_spare);
    free(acting->records);
    free(acting->scales);
    free(acting->numbers);
    free(acting);
}

static void stat_add(struct pawl_acting *acting, enum pawl_actor_stat stat, uint64_t amount)
{
    pawl_stats_add(acting->cfg.stats, stat, amount);
}

static uint64_t read_ticks(const struct pawl_acting *acting)
{
    return pawl_tsc_read(acting->cfg.tsc);
}

/* The observation in a frame that just got it. */
static int check_observation(struct pawl_acting *acting, const struct pawl_outbox_frame *frame)
{
    void *obs[PAWL_ENV_FIELDS_MAX];

    pawl_record_obs(acting->cfg.layout, frame->slot->data, obs);
    int bad = pawl_env_obs_find_bad(acting->spec, obs);
    if (__builtin_expect(bad < 0, 1))
        return 0;
    stat_add(acting, PAWL_ACTOR_STAT_OBSERVATIONS_REFUSED, 1);
    return pawl_env_obs_explain(acting->spec, obs, bad, &acting->lane_err);
}

/* Counts a failure of the lane; the last one that is borne is the actor's. */
static int lane_failed(struct pawl_acting *acting, uint32_t index, struct pawl_err *err)
{
    struct lane *lane = &acting->lanes[index];

    lane->failure_count++;
    if (lane->failure_count < PAWL_ACTING_FAILURES_MAX)
        return 0;
    int code = acting->lane_err.code ? acting->lane_err.code : EIO;
    return pawl_err_set(err, code, "lane %u, %u times in a row: %s",
                        pawl_lanes_get(acting->cfg.lanes, index)->lane_index,
                        lane->failure_count, acting->lane_err.text);
}

/* The header of a lane's record of this instant. */
static void write_header(struct pawl_acting *acting, uint32_t index,
                         struct pawl_ring_record *record, uint32_t flags, uint32_t step,
                         uint64_t actor_step)
{
    const struct pawl_lane *lane = pawl_lanes_get(acting->cfg.lanes, index);

    record->bytes = (uint32_t)acting->cfg.layout->record_bytes;
    record->flags = flags;
    record->step = step;
    record->episode = (uint32_t)lane->episode_index;
    record->actor_step = actor_step;
    record->policy_version = acting->cfg.params->version;
    record->lane = lane->lane_index;
    record->crc32c = 0;
    record->reserved = 0;
}

static void stamp(const struct pawl_acting *acting, struct pawl_outbox_frame *frame,
                  uint64_t capture_ns)
{
    frame->slot->record.capture_ns = acting->cfg.has_times ? capture_ns : 0;
}

/* Makes the observation in a frame the last one of its lane's episode of `steps` steps. */
static void complete_final(struct pawl_acting *acting, uint32_t index,
                           struct pawl_outbox_frame *frame, uint32_t flags, uint32_t steps,
                           uint64_t actor_step)
{
    pawl_record_write_final(acting->cfg.layout, frame->slot->data);
    write_header(acting, index, &frame->slot->record, PAWL_RECORD_FINAL | flags, steps,
                 actor_step);
    pawl_outbox_complete(acting->cfg.outbox, frame);
}

static void count_episode(struct pawl_acting *acting, uint32_t index, bool is_success)
{
    const struct pawl_lane *lane = pawl_lanes_get(acting->cfg.lanes, index);
    struct pawl_stats *stats = acting->cfg.stats;
    double count = (double)++acting->episode_count;
    double weight = 1.0 / (count < EPISODES_KEPT ? count : EPISODES_KEPT);

    acting->return_mean += weight * (lane->return_sum - acting->return_mean);
    acting->steps_mean += weight * ((double)lane->step_index - acting->steps_mean);
    pawl_stats_set(stats, PAWL_ACTOR_STAT_EPISODE_RETURN, acting->return_mean);
    pawl_stats_set(stats, PAWL_ACTOR_STAT_EPISODE_STEPS, acting->steps_mean);
    stat_add(acting, PAWL_ACTOR_STAT_EPISODES, 1);
    if (is_success)
        stat_add(acting, PAWL_ACTOR_STAT_SUCCESSES, 1);
}

/* The next episode of a lane, its first observation in `frame`. */
static int begin_episode(struct pawl_acting *acting, uint32_t index,
                         struct pawl_outbox_frame *frame, struct pawl_err *err)
{
    struct lane *lane = &acting->lanes[index];
    void *obs[PAWL_ENV_FIELDS_MAX];

    lane->now = frame;
    lane->episode_flags = 0;
    memset(lane->held, 0, acting->cfg.layout->action_count * sizeof(lane->held[0]));
    /* Relaxed: it orders nothing; who asks sees it soon enough. */
    atomic_store_explicit(&acting->is_resetting, true, memory_order_relaxed);
    int code = 0;
    while (code == 0) {
        pawl_record_obs(acting->cfg.layout, frame->slot->data, obs);
        if (pawl_lanes_begin(acting->cfg.lanes, index, obs, &acting->lane_err) == 0 &&
            check_observation(acting, frame) == 0)
            break;
        code = lane_failed(acting, index, err);
    }
    atomic_store_explicit(&acting->is_resetting, false, memory_order_relaxed);
    if (code != 0)
        return code;
    acting->ticks = read_ticks(acting);
    stamp(acting, frame, pawl_tsc_to_ns(acting->cfg.tsc, acting->ticks));
    return 0;
}

/* Brings one component within -1..1; `held` is what was executed before. */
static float bounded(const struct pawl_acting *acting, float a, float held)
{
    if (!isfinite(a) || acting->cfg.excess == PAWL_ACTING_EXCESS_HOLD)
        return held;
    return a < 0.0f ? -1.0f : 1.0f;
}

/* A choice that is one: the nearest, or the one before. */
static float chosen(const struct pawl_acting *acting, float a, float held)
{
    float last = (float)(acting->cfg.layout->choice_count - 1);
    if (!isfinite(a))
        return held;
    if (a < -0.5f || a > last + 0.5f) {
        if (acting->cfg.excess == PAWL_ACTING_EXCESS_HOLD)
            return held;
        return a < 0.0f ? 0.0f : last;
    }
    float nearest = rintf(a);
    return nearest < 0.0f ? 0.0f : nearest > last ? last : nearest;
}

/* From the record to the environment: what is executed is finite and within the bounds, and is
 * what the record says. */
static void guard_action(struct pawl_acting *acting, struct lane *lane, float *a)
{
    uint32_t count = acting->continuous_count;
    bool was_held = false, was_clamped = false;

    for (uint32_t i = 0; i < count; i++) {
        if (__builtin_expect(!(fabsf(a[i]) <= 1.0f), 0)) { /* a NaN, too */
            was_held |= !isfinite(a[i]) || acting->cfg.excess == PAWL_ACTING_EXCESS_HOLD;
            was_clamped |= isfinite(a[i]) && acting->cfg.excess == PAWL_ACTING_EXCESS_CLAMP;
            a[i] = bounded(acting, a[i], lane->held[i]);
        }
        lane->action[i] = pawl_env_scale_from_unit(&acting->scales[i], a[i]);
        lane->held[i] = a[i];
    }
    if (acting->cfg.layout->choice_count) {
        float choice = chosen(acting, a[count], lane->held[count]);
        if (__builtin_expect(!(choice == a[count]), 0)) {
            was_held |= !isfinite(a[count]) || acting->cfg.excess == PAWL_ACTING_EXCESS_HOLD;
            was_clamped |= isfinite(a[count]) && acting->cfg.excess == PAWL_ACTING_EXCESS_CLAMP;
            a[count] = choice;
        }
        lane->action[count] = lane->held[count] = choice;
    }
    if (__builtin_expect(was_held, 0))
        stat_add(acting, PAWL_ACTOR_STAT_ACTIONS_HELD, 1);
    if (__builtin_expect(was_clamped, 0))
        stat_add(acting, PAWL_ACTOR_STAT_ACTIONS_CLAMPED, 1);
}

/* Back from the environment, where a person acted instead. -EINVAL when what it says was
 * executed is no number. */
static int take_intervention(struct pawl_acting *acting, struct lane *lane)
{
    float *a = pawl_record_action(acting->cfg.layout, lane->now->slot->data);

    for (uint32_t i = 0; i < acting->continuous_count; i++) {
        float executed = lane->action[i];
        if (!isfinite(executed))
            return pawl_err_set(&acting->lane_err, EINVAL,
                                "action[%u] of an intervention is %g", i, (double)executed);
        a[i] = lane->held[i] = pawl_env_scale_to_unit(&acting->scales[i], executed);
    }
    if (acting->cfg.layout->choice_count) {
        uint32_t last = acting->continuous_count;
        a[last] = chosen(acting, lane->action[last], lane->held[last]);
        lane->held[last] = a[last];
    }
    return 0;
}

/* One action into each lane's record, from one version of the parameters. */
static enum pawl_acting_result infer(struct pawl_acting *acting, struct pawl_err *err)
{
    struct pawl_params *params = acting->cfg.params;
    struct pawl_policy *policy = acting->cfg.policy;
    uint32_t step = pawl_lanes_get(acting->cfg.lanes, 0)->step_index;
    bool may_adopt =
        acting->cfg.adopt == PAWL_ACTING_ADOPT_STEP || step == 0 || params->version == 0 ||
        (acting->cfg.adopt == PAWL_ACTING_ADOPT_CHUNK && step % acting->cfg.chunk_steps == 0);

    if (may_adopt && pawl_params_is_newer(params)) {
        if (pawl_params_adopt(params, err) != 0)
            return PAWL_ACTING_FAILED;
        pawl_stats_set(acting->cfg.stats, PAWL_ACTOR_STAT_POLICY_VERSION,
                       (double)params->version);
    }
    for (uint32_t i = 0; i < PAWL_ACTING_FAILURES_MAX; i++) {
        policy->ops->act(policy, acting->records, acting->lane_count);
        if (__builtin_expect(pawl_params_is_intact(params), 1))
            return PAWL_ACTING_STEPPED;
        if (pawl_params_adopt(params, err) != 0)
            return PAWL_ACTING_FAILED;
    }
    pawl_err_set(err, EPROTO, "the parameters changed while they were used, %u times",
                 PAWL_ACTING_FAILURES_MAX);
    return PAWL_ACTING_FAILED;
}

static void step_lanes(struct pawl_acting *acting)
{
    void *obs[PAWL_ENV_FIELDS_MAX];

    for (uint32_t k = 0; k < acting->lane_count; k++) {
        uint32_t i = acting->order[k];
        struct lane *lane = &acting->lanes[i];
        guard_action(acting, lane,
                     pawl_record_action(acting->cfg.layout, lane->now->slot->data));
        lane->next = pawl_outbox_claim(acting->cfg.outbox, i);
        pawl_record_obs(acting->cfg.layout, lane->next->slot->data, obs);
        PAWL_FAULT("acting.step");
        lane->step_code = pawl_lanes_step(acting->cfg.lanes, i, lane->action, obs, &lane->step,
                                          &acting->lane_err);
    }
}

/* Whether what an action led to may be recorded; lane_err otherwise. */
static int check_step(struct pawl_acting *acting, struct lane *lane)
{
    if (__builtin_expect(lane->step_code != 0, 0))
        return lane->step_code;
    if (__builtin_expect(!pawl_env_step_is_sane(&lane->step), 0)) {
        stat_add(acting, PAWL_ACTOR_STAT_OBSERVATIONS_REFUSED, 1);
        return pawl_err_set(&acting->lane_err, EINVAL,
                            "reward %g, discrete_penalty %g: no record may hold this",
                            (double)lane->step.reward, (double)lane->step.discrete_penalty);
    }
    if (lane->step.intervention && take_intervention(acting, lane) != 0)
        return -EINVAL;
    return check_observation(acting, lane->next);
}

/* The episode ends at the observation before the step that failed; the lane goes on. */
static int give_up_episode(struct pawl_acting *acting, uint32_t index, struct pawl_err *err)
{
    struct lane *lane = &acting->lanes[index];
    const struct pawl_lane *at = pawl_lanes_get(acting->cfg.lanes, index);
    /* A step that succeeded was counted by the lane before its observation was refused. */
    uint32_t steps = at->step_index - (lane->step_code == 0);

    acting->step_count++;
    complete_final(acting, index, lane->now, lane->episode_flags, steps, acting->step_count);
    stat_add(acting, PAWL_ACTOR_STAT_EPISODES_GIVEN_UP, 1);
    int code = lane_failed(acting, index, err);
    if (code != 0) {
        lane->now = NULL;
        return code;
    }
    return begin_episode(acting, index, lane->next, err);
}

static int observe_lane(struct pawl_acting *acting, uint32_t index, struct pawl_err *err)
{
    struct lane *lane = &acting->lanes[index];
    const struct pawl_lane *at = pawl_lanes_get(acting->cfg.lanes, index);

    if (__builtin_expect(check_step(acting, lane) != 0, 0))
        return give_up_episode(acting, index, err);
    lane->failure_count = 0;
    stamp(acting, lane->next, acting->now_ns);

    const struct pawl_env_step *step = &lane->step;
    uint32_t end_flags = (step->terminated ? PAWL_RECORD_TERMINATED : 0) |
                         (step->truncated ? PAWL_RECORD_TRUNCATED : 0);
    uint32_t step_flags = (step->success ? PAWL_RECORD_SUCCESS : 0) |
                          (step->intervention ? PAWL_RECORD_INTERVENTION : 0);
    pawl_record_write_step(acting->cfg.layout, lane->now->slot->data, step);
    write_header(acting, index, &lane->now->slot->record,
                 PAWL_RECORD_STEP | end_flags | step_flags, at->step_index - 1,
                 acting->step_count);
    pawl_outbox_complete(acting->cfg.outbox, lane->now);
    acting->step_count++;
    lane->episode_flags |= step_flags;
    lane->now = lane->next;
    if (__builtin_expect(!at->has_ended, 1))
        return 0;

    complete_final(acting, index, lane->now, end_flags | lane->episode_flags, at->step_index,
                   acting->step_count_after);
    lane->has_late_frame = true;
    count_episode(acting, index, at->is_success);
    return begin_episode(acting, index, pawl_outbox_claim(acting->cfg.outbox, index), err);
}

/* Lanes whose episode began in this round come after the others, as their frames do. */
static void sort_lanes(struct pawl_acting *acting)
{
    uint32_t *sorted = acting->order_spare;
    uint32_t count = 0;

    for (int is_late = 0; is_late < 2; is_late++)
        for (uint32_t k = 0; k < acting->lane_count; k++)
            if (acting->lanes[acting->order[k]].has_late_frame == is_late)
                sorted[count++] = acting->order[k];
    for (uint32_t i = 0; i < acting->lane_count; i++)
        acting->lanes[i].has_late_frame = false;
    acting->order_spare = acting->order;
    acting->order = sorted;
}

/* All lanes, so that no step that was taken is lost; the first failure is told. */
static int observe_lanes(struct pawl_acting *acting, struct pawl_err *err)
{
    bool has_late_frame = false;
    int code = 0;

    acting->step_count_after = acting->step_count + acting->lane_count;
    for (uint32_t k = 0; k < acting->lane_count; k++) {
        uint32_t i = acting->order[k];
        struct pawl_err unread = {0};
        int lane_code = observe_lane(acting, i, code ? &unread : err);
        code = code ? code : lane_code;
        has_late_frame |= acting->lanes[i].has_late_frame;
    }
    if (has_late_frame && acting->lane_count > 1)
        sort_lanes(acting);
    return code;
}

/* Every lane gets an episode, in the order of the lanes. */
static enum pawl_acting_result begin_all(struct pawl_acting *acting, struct pawl_err *err)
{
    for (uint32_t i = 0; i < acting->lane_count; i++) {
        acting->order[i] = i;
        struct pawl_outbox_frame *frame = pawl_outbox_claim(acting->cfg.outbox, i);
        if (begin_episode(acting, i, frame, err) != 0)
            return PAWL_ACTING_FAILED;
    }
    acting->has_begun = true;
    return PAWL_ACTING_STEPPED;
}

/* ticks: at the begin of infer and at the end of infer, step, observe and push. */
static void record_times(struct pawl_acting *acting, const uint64_t ticks[5])
{
    static const enum pawl_actor_stat stages[4] = {
        PAWL_ACTOR_STAT_INFER_NS, PAWL_ACTOR_STAT_STEP_NS, PAWL_ACTOR_STAT_OBSERVE_NS,
        PAWL_ACTOR_STAT_PUSH_NS};
    uint64_t first_ns = pawl_tsc_to_ns(acting->cfg.tsc, ticks[0]), before_ns = first_ns;

    for (uint32_t i = 0; i < 4; i++) {
        uint64_t ns = pawl_tsc_to_ns(acting->cfg.tsc, ticks[i + 1]);
        pawl_stats_record(acting->cfg.stats, stages[i], ns > before_ns ? ns - before_ns : 0);
        before_ns = ns;
    }
    acting->sample_mask = before_ns - first_ns < SHORT_ROUND_NS ? SHORT_MASK : 0;
}

enum pawl_acting_result pawl_acting_round(struct pawl_acting *acting, struct pawl_err *err)
{
    struct pawl_outbox *outbox = acting->cfg.outbox;
    uint32_t lane_count = acting->lane_count;
    bool is_timed = (acting->round_count & acting->sample_mask) == 0;
    uint64_t ticks[5];

    if (acting->needs_params && acting->cfg.params->version == 0 &&
        !pawl_params_is_newer(acting->cfg.params))
        return PAWL_ACTING_NO_PARAMS;
    /* The next observation of each lane, and after a FINAL one the first of an episode. */
    if (!pawl_outbox_has_room(outbox, (acting->has_begun ? 2 : 3) * lane_count))
        return PAWL_ACTING_FULL;
    if (__builtin_expect(!acting->has_begun, 0) &&
        begin_all(acting, err) != PAWL_ACTING_STEPPED)
        return PAWL_ACTING_FAILED;
    for (uint32_t i = 0; i < lane_count; i++)
        acting->records[i] = acting->lanes[i].now->slot->data;

    ticks[0] = is_timed ? read_ticks(acting) : 0;
    if (infer(acting, err) != PAWL_ACTING_STEPPED)
        return PAWL_ACTING_FAILED;
    ticks[1] = is_timed ? read_ticks(acting) : 0;
    step_lanes(acting);
    ticks[2] = acting->ticks = read_ticks(acting);
    acting->now_ns = pawl_tsc_to_ns(acting->cfg.tsc, acting->ticks);
    if (observe_lanes(acting, err) != 0) {
        pawl_outbox_flush(outbox);
        return PAWL_ACTING_FAILED;
    }
    ticks[3] = is_timed ? read_ticks(acting) : 0;
    pawl_outbox_flush(outbox);
    stat_add(acting, PAWL_ACTOR_STAT_ENV_STEPS, lane_count);
    /* Relaxed: a figure, and a sign of life for who has a clock. */
    atomic_store_explicit(&outbox->tx->page->heartbeat_ns, acting->now_ns,
                          memory_order_relaxed);
    if (is_timed) {
        ticks[4] = read_ticks(acting);
        record_times(acting, ticks);
    }
    acting->round_count++;
    return PAWL_ACTING_STEPPED;
}

void pawl_acting_cut(struct pawl_acting *acting)
{
    for (uint32_t i = 0; i < acting->lane_count; i++) {
        struct lane *lane = &acting->lanes[i];
        const struct pawl_lane *at = pawl_lanes_get(acting->cfg.lanes, i);
        if (lane->now && at->is_running)
            complete_final(acting, i, lane->now, lane->episode_flags, at->step_index,
                           acting->step_count);
        lane->now = NULL;
    }
    acting->has_begun = false;
    pawl_outbox_flush(acting->cfg.outbox);
}

void pawl_acting_safe(struct pawl_acting *acting)
{
    pawl_lanes_safe(acting->cfg.lanes);
}

const _Atomic bool *pawl_acting_is_resetting(const struct pawl_acting *acting)
{
    return &acting->is_resetting;
}

uint64_t pawl_acting_ticks(const struct pawl_acting *acting)
{
    return acting->ticks;
}

uint64_t pawl_acting_step_count(const struct pawl_acting *acting)
{
    return acting->step_count;
}
