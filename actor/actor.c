#include "actor/actor.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/acting.h"
#include "actor/actor_cfg.h"
#include "actor/actor_hub.h"
#include "actor/env_cfg.h"
#include "actor/watchdog.h"
#include "policy/policy_cfg.h"
#include "runtime/affinity.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "runtime/pace.h"
#include "runtime/philox.h"
#include "runtime/run_cfg.h"
#include "shm/ring_cfg.h"

#define LISTEN_NS        (10 * PAWL_NS_PER_MS) /* the hub is listened to so often */
#define CHECK_CLOCK_NS   PAWL_NS_PER_S
#define TELL_BLOCKED_NS  PAWL_NS_PER_S /* a wait that is longer is told */
#define TSC_WINDOW_NS    (4 * PAWL_NS_PER_MS)
#define EPISODES_OF_LIFE (UINT64_C(1) << 20)
#define ROLE_LIFE        0x6163746cu /* "actl": of a stream (philox.h) */

const struct pawl_cfg_table *const pawl_actor_tables[] = {
    &pawl_run_table,       &pawl_log_table,
    &pawl_env_table,       &pawl_env_reach2d_table,
    &pawl_env_dummy_table, &pawl_actor_table,
    &pawl_ring_table,      &pawl_policy_table,
    &pawl_sac_table,       NULL,
};

struct pawl_actor {
    const struct pawl_cfg *cfg;
    const struct pawl_run_cfg *run;
    const struct pawl_env_cfg *env;
    const struct pawl_actor_cfg *actor;
    const struct pawl_ring_table_cfg *ring;

    struct pawl_actor_hub hub; /* the connection is opened first and closed last */
    struct pawl_lanes *lanes;
    struct pawl_record_layout layout;
    struct pawl_policy *policy;
    struct pawl_segment ring_segment;
    struct pawl_ring_tx tx;
    struct pawl_params params;
    struct pawl_outbox outbox;
    struct pawl_stats stats;
    struct pawl_tsc tsc;
    struct pawl_acting *acting;
    struct pawl_pace pace;
    struct pawl_watchdog watchdog;

    double rate_hz;        /* of the schedule; 0: there is none */
    uint64_t listen_ticks; /* when to listen to the hub again */
    uint64_t listen_period_ticks;
    uint64_t clock_due_ns;
    uint64_t blocked_since_ns; /* 0: it acts */
    uint64_t tick_before_ns;   /* of the schedule; 0: none before */
    bool is_held;
    _Atomic bool is_asked_to_stop;
};

/* The life's part in all that is random, so that a new life does not repeat the last. */
static uint64_t seed_of_life(const struct pawl_actor *actor, uint32_t life)
{
    uint64_t seed = (uint64_t)actor->run->seed;
    struct pawl_philox stream;

    if (life == 0)
        return seed;
    pawl_philox_open(&stream, seed, ROLE_LIFE, life);
    return pawl_philox_next64(&stream);
}

static int pin_to_cpu(const struct pawl_actor_cfg *cfg, uint32_t index, struct pawl_err *err)
{
    if (cfg->cpus.count == 0)
        return 0;
    return pawl_affinity_set(&cfg->cpus.items[index % cfg->cpus.count], 1, "actor.cpus", err);
}

static int open_worlds(struct pawl_actor *actor, uint32_t index, uint32_t life,
                       struct pawl_err *err)
{
    struct pawl_lanes_cfg lanes_cfg = pawl_lanes_default_cfg();

    int code = pawl_env_cfg_lanes(&lanes_cfg, actor->cfg, NULL, err);
    if (code != 0)
        return code;
    lanes_cfg.index_first = index * lanes_cfg.lane_count;
    lanes_cfg.episode_first = life * EPISODES_OF_LIFE;
    code = pawl_lanes_open(&actor->lanes, &lanes_cfg, err);
    if (code != 0)
        return code;

    const struct pawl_policy_cfg *policy_cfg = pawl_cfg_fields(actor->cfg, &pawl_policy_table);
    const struct pawl_policy_ops *ops = pawl_policies[policy_cfg->type];
    const struct pawl_env_spec *spec = pawl_lanes_spec(actor->lanes);
    code =
        pawl_actor_cfg_rate(&actor->rate_hz, actor->env, spec, actor->run->deterministic, err);
    if (code != 0)
        return code;
    const char *key;
    code = pawl_actor_cfg_match(policy_cfg, actor->env, spec, &key, err);
    if (code != 0) {
        pawl_err_wrap(err, "%s", key);
        return code;
    }
    struct pawl_policy_setup setup = {
        .cfg = actor->cfg,
        .choice_count = spec->choice_count,
        .lane_count = lanes_cfg.lane_count,
        .lane_first = lanes_cfg.index_first,
        .seed = seed_of_life(actor, life),
    };
    code = pawl_record_layout_make(&actor->layout, spec, ops, &setup, err);
    if (code != 0)
        return code;
    setup.spec = &actor->layout.spec;
    return ops->open(&actor->policy, &setup, err);
}

static bool is_paced(const struct pawl_actor *actor)
{
    return actor->rate_hz > 0.0;
}

/* With fewer, actor and learner wait for each other at every step. */
#define LEARNING_SLOTS_MIN 64u

/* What waits in the ring is old when the learner gets it, and where it learns it lets the actor
 * wait (learner.behind): an actor that is not paced has no more room than to go on meanwhile.
 */
static uint32_t slots_for_learning(const struct pawl_actor *actor, uint32_t slot_count,
                                   uint32_t lane_count)
{
    uint32_t enough = 2 * PAWL_OUTBOX_FRAMES_PER_LANE * lane_count;
    if (enough < LEARNING_SLOTS_MIN)
        enough = LEARNING_SLOTS_MIN;
    if (actor->ring->slots || is_paced(actor) || !actor->policy->ops->trainer)
        return slot_count;
    while (slot_count > PAWL_RING_SLOTS_MIN && slot_count / 2 >= enough)
        slot_count /= 2;
    return slot_count;
}

static int open_ring(struct pawl_actor *actor, uint32_t index, struct pawl_err *err)
{
    struct pawl_ring_cfg cfg;
    static char text[PAWL_SPEC_TEXT_BYTES];
    char label[PAWL_SEGMENT_LABEL_BYTES];
    uint32_t lane_count = pawl_lanes_count(actor->lanes);

    int code = pawl_ring_cfg_make(&cfg, actor->ring, actor->layout.record_bytes,
                                  PAWL_OUTBOX_FRAMES_PER_LANE * lane_count, err);
    if (code != 0)
        return code;
    cfg.slot_count = slots_for_learning(actor, cfg.slot_count, lane_count);
    snprintf(label, sizeof(label), "actor %u ring", index);
    cfg.label = label;
    cfg.spec = text;
    cfg.spec_bytes = pawl_spec_text(&actor->layout.spec, text);
    code = pawl_ring_create(&actor->tx, &actor->ring_segment, &cfg, err);
    if (code != 0)
        return code;

    double staged = ceil(actor->actor->stage_s * actor->rate_hz * lane_count);
    if (staged > PAWL_RING_SLOTS_MAX)
        return pawl_err_set(err, EINVAL,
                            "actor.stage_s = %g: %.0f records to be staged, at most %u",
                            actor->actor->stage_s, staged, PAWL_RING_SLOTS_MAX);
    struct pawl_outbox_cfg outbox_cfg = {
        .tx = &actor->tx,
        .lane_count = lane_count,
        .staged_count_max = (uint32_t)staged,
        .may_drop = actor->ring->full == PAWL_RING_FULL_DROP_NEWEST,
    };
    return pawl_outbox_open(&actor->outbox, &outbox_cfg, err);
}

static int open_acting(struct pawl_actor *actor, uint32_t index, struct pawl_err *err)
{
    char label[PAWL_SEGMENT_LABEL_BYTES];

    snprintf(label, sizeof(label), "actor %u", index);
    int code = pawl_stats_create(&actor->stats, label, pawl_actor_stat_rows,
                                 PAWL_ACTOR_STAT_COUNT, err);
    if (code != 0)
        return code;
    pawl_tsc_calibrate(&actor->tsc, TSC_WINDOW_NS, NULL);
    actor->listen_period_ticks = LISTEN_NS;
    if (!actor->tsc.fallback_reason)
        actor->listen_period_ticks = (LISTEN_NS << 32) / (uint64_t)actor->tsc.ns_per_tick_q32;
    pawl_params_open(&actor->params, actor->policy, &actor->tx.page->pin);
    struct pawl_acting_cfg cfg = {
        .lanes = actor->lanes,
        .layout = &actor->layout,
        .policy = actor->policy,
        .params = &actor->params,
        .outbox = &actor->outbox,
        .stats = &actor->stats,
        .tsc = &actor->tsc,
        .adopt = (enum pawl_acting_adopt)actor->actor->adopt,
        .chunk_steps = (uint32_t)actor->actor->chunk_steps,
        .excess = (enum pawl_acting_excess)actor->actor->excess,
        .has_times = !actor->run->deterministic,
    };
    return pawl_acting_open(&actor->acting, &cfg, err);
}

static void log_start(const struct pawl_actor *actor, uint32_t life)
{
    const struct pawl_outbox *out = &actor->outbox;

    pawl_log_info("acting",
                  "env=%s policy=%s lanes=%u life=%u record_bytes=%zu ring_slots=%" PRIu64
                  " ring_bytes=%" PRIu64 " staged_bytes=%" PRIu64,
                  pawl_env_names[actor->env->type], actor->policy->ops->name,
                  pawl_lanes_count(actor->lanes), life, actor->layout.record_bytes,
                  actor->tx.slot_count, actor->ring_segment.total_bytes,
                  out->staged_room * actor->tx.stride_bytes);
    if (actor->tsc.fallback_reason)
        pawl_log_warn("slow clock", "reason=%s", actor->tsc.fallback_reason);
}

static int open_all(struct pawl_actor *actor, const struct pawl_actor_start *start,
                    struct pawl_err *err)
{
    int code = pawl_actor_hub_open(&actor->hub, start->hub_fd, start->index, err);
    if (code != 0)
        return code;
    uint32_t index = actor->hub.peer.index; /* the hub's choice where it was asked for one */
    uint32_t life = start->life;
    if (life == PAWL_ACTOR_LIFE_UNKNOWN)
        life = actor->run->deterministic ? 0 : (uint32_t)actor->hub.peer.incarnation;
    pawl_actor_hub_tell(&actor->hub, PAWL_STATE_STARTING, 0, NULL);
    if ((code = pin_to_cpu(actor->actor, index, err)) != 0 ||
        (code = open_worlds(actor, index, life, err)) != 0 ||
        (code = open_ring(actor, index, err)) != 0 ||
        (code = open_acting(actor, index, err)) != 0)
        return code;
    code = pawl_actor_hub_offer(&actor->hub, &actor->ring_segment, &actor->tx,
                                &actor->stats.segment, &actor->params, err);
    if (code == 0)
        log_start(actor, life);
    return code;
}

int pawl_actor_open(struct pawl_actor **out, const struct pawl_actor_start *start,
                    struct pawl_err *err)
{
    *out = NULL;
    struct pawl_actor *actor = calloc(1, sizeof(*actor));
    if (!actor)
        return pawl_err_set(err, ENOMEM, "actor %u: out of memory", start->index);
    actor->cfg = start->cfg;
    actor->run = pawl_cfg_fields(start->cfg, &pawl_run_table);
    actor->env = pawl_cfg_fields(start->cfg, &pawl_env_table);
    actor->actor = pawl_cfg_fields(start->cfg, &pawl_actor_table);
    actor->ring = pawl_cfg_fields(start->cfg, &pawl_ring_table);
    int code = open_all(actor, start, err);
    if (code != 0) {
        pawl_actor_close(actor);
        return code;
    }
    *out = actor;
    return 0;
}

void pawl_actor_close(struct pawl_actor *actor)
{
    if (!actor)
        return;
    pawl_watchdog_stop(&actor->watchdog);
    pawl_acting_close(actor->acting);
    pawl_params_close(&actor->params);
    pawl_outbox_close(&actor->outbox);
    if (actor->policy)
        actor->policy->ops->close(actor->policy);
    pawl_lanes_close(actor->lanes);
    pawl_stats_close(&actor->stats);
    pawl_segment_close(&actor->ring_segment);
    pawl_actor_hub_close(&actor->hub);
    free(actor);
}

void pawl_actor_ask_to_stop(struct pawl_actor *actor)
{
    /* Relaxed: it orders nothing. */
    atomic_store_explicit(&actor->is_asked_to_stop, true, memory_order_relaxed);
}

static void write_figures(struct pawl_actor *actor, uint64_t now_ns)
{
    struct pawl_ring_page *page = actor->tx.page;
    struct pawl_ring_counts counts = pawl_ring_count(page, actor->tx.ack, 0);
    _Atomic uint64_t *words = actor->stats.words;

    /* Relaxed: figures, each for itself. */
    atomic_store_explicit(&words[PAWL_ACTOR_STAT_RECORDS], counts.committed,
                          memory_order_relaxed);
    atomic_store_explicit(&words[PAWL_ACTOR_STAT_RECORDS_DROPPED], counts.dropped_newest,
                          memory_order_relaxed);
    atomic_store_explicit(&words[PAWL_ACTOR_STAT_RECORDS_STAGED], actor->outbox.staged_count,
                          memory_order_relaxed);
    atomic_store_explicit(&words[PAWL_ACTOR_STAT_BLOCKED_NS], counts.blocked_ns,
                          memory_order_relaxed);
    pawl_stats_set(&actor->stats, PAWL_ACTOR_STAT_RING_FILL,
                   (double)counts.in_ring / (double)actor->tx.slot_count);
    atomic_store_explicit(&page->step_count, pawl_acting_step_count(actor->acting),
                          memory_order_relaxed);
    atomic_store_explicit(&page->heartbeat_ns, now_ns, memory_order_relaxed);
}

static bool has_to_end(const struct pawl_actor *actor)
{
    return actor->hub.is_stopping || actor->hub.is_hung_up || actor->hub.is_rejected ||
           atomic_load_explicit(&actor->is_asked_to_stop, memory_order_relaxed);
}

/* Ends the episodes and makes the environments safe, once. */
static void hold(struct pawl_actor *actor, const char *text)
{
    if (!actor->is_held) {
        pawl_acting_safe(actor->acting);
        pawl_acting_cut(actor->acting);
        actor->is_held = true;
    }
    pawl_actor_hub_tell(&actor->hub, PAWL_STATE_HELD, pawl_acting_step_count(actor->acting),
                        text);
}

static void go_on(struct pawl_actor *actor)
{
    actor->is_held = false;
    actor->blocked_since_ns = 0;
    pawl_actor_hub_tell(&actor->hub, PAWL_STATE_RUNNING, pawl_acting_step_count(actor->acting),
                        NULL);
}

static bool are_params_too_old(const struct pawl_actor *actor)
{
    if (__builtin_expect(!actor->hub.gone_ns, 1))
        return false;
    uint64_t age_ns = pawl_clock_now_ns() - actor->hub.gone_ns;
    return (double)age_ns > actor->actor->param_age_s_max * 1e9;
}

/* What is done every 10 ms, whatever the loop is at. */
static int listen_to_hub(struct pawl_actor *actor, struct pawl_err *err)
{
    uint64_t now_ns = pawl_clock_now_ns();

    actor->listen_ticks = pawl_tsc_read(&actor->tsc) + actor->listen_period_ticks;
    write_figures(actor, now_ns);
    if (now_ns >= actor->clock_due_ns) {
        pawl_tsc_check(&actor->tsc);
        actor->clock_due_ns = now_ns + CHECK_CLOCK_NS;
    }
    return pawl_actor_hub_listen(&actor->hub, err);
}

/* A short wait for the learner: for room in the ring, or for its first word. */
static int wait_for_learner(struct pawl_actor *actor, uint64_t slot_count, const char *text,
                            struct pawl_err *err)
{
    struct pawl_wait wait = {.whom = "the learner",
                             .timeout_ns = LISTEN_NS,
                             .spin_count = PAWL_PARK_SPIN_COUNT,
                             .is_stopping = &actor->is_asked_to_stop};
    struct pawl_err unread = {0};
    uint64_t now_ns = pawl_clock_now_ns();

    if (!actor->blocked_since_ns)
        actor->blocked_since_ns = now_ns;
    if (now_ns - actor->blocked_since_ns > TELL_BLOCKED_NS)
        pawl_actor_hub_tell(&actor->hub, PAWL_STATE_HELD, pawl_acting_step_count(actor->acting),
                            text);
    if (slot_count && actor->tx.ack) {
        int code = pawl_ring_wait_room(&actor->tx, slot_count, &wait, &unread);
        if (code == -EPROTO)
            return pawl_ring_tx_state(&actor->tx, err);
        if (code == 0)
            return 0;
        return listen_to_hub(actor, err);
    }
    pawl_actor_hub_wait(&actor->hub, LISTEN_NS);
    return listen_to_hub(actor, err);
}

/* Slots that have to be free for a round, those that are claimed included. */
static uint64_t slots_of_round(const struct pawl_actor *actor)
{
    uint64_t wanted = actor->tx.claimed_count + 3 * (uint64_t)pawl_lanes_count(actor->lanes);
    return wanted < actor->tx.slot_count ? wanted : actor->tx.slot_count;
}

/* Lock-step: until everything is read and there are parameters. */
static int wait_for_turn(struct pawl_actor *actor, struct pawl_err *err)
{
    int code = 0;

    while (code == 0 && !has_to_end(actor)) {
        bool has_version = actor->params.version != 0 || pawl_params_is_newer(&actor->params);
        struct pawl_wait look = {.timeout_ns = 0};
        struct pawl_err unread = {0};
        if (has_version && actor->tx.ack &&
            pawl_ring_wait_room(&actor->tx, actor->tx.slot_count, &look, &unread) == 0)
            break;
        code = wait_for_learner(actor, has_version ? actor->tx.slot_count : 0,
                                "in lock-step with the learner, which takes its time", err);
    }
    return code;
}

/* The free-running loop, and lock-step. */
static int run_free(struct pawl_actor *actor, struct pawl_err *err)
{
    int code = 0;

    while (!has_to_end(actor) && code == 0) {
        if (actor->run->deterministic && (code = wait_for_turn(actor, err)) != 0)
            break;
        switch (pawl_acting_round(actor->acting, err)) {
        case PAWL_ACTING_STEPPED:
            if (__builtin_expect(
                    actor->hub.state != PAWL_STATE_RUNNING || actor->blocked_since_ns != 0, 0))
                go_on(actor);
            if (__builtin_expect(
                    (int64_t)(pawl_acting_ticks(actor->acting) - actor->listen_ticks) >= 0, 0))
                code = listen_to_hub(actor, err);
            break;
        case PAWL_ACTING_FULL:
            code = wait_for_learner(actor, slots_of_round(actor),
                                    "the ring is full: waits for the learner", err);
            break;
        case PAWL_ACTING_NO_PARAMS:
            code = wait_for_learner(actor, 0, "waits for the first parameters", err);
            break;
        case PAWL_ACTING_FAILED:
            return -EIO;
        }
        while (code == 0 && !has_to_end(actor) && are_params_too_old(actor)) {
            hold(actor, "the learner is gone and its last parameters are too old");
            pawl_actor_hub_wait(&actor->hub, LISTEN_NS);
            code = listen_to_hub(actor, err);
        }
    }
    return code;
}

static void count_tick(struct pawl_actor *actor, const struct pawl_pace_tick *tick,
                       uint64_t waited_ns)
{
    uint64_t now_ns = pawl_clock_now_ns();
    uint64_t period_ns = actor->pace.cfg.period_ns;

    pawl_stats_record(&actor->stats, PAWL_ACTOR_STAT_IDLE_NS, waited_ns);
    if (tick->gap_ns == 0) {
        pawl_stats_record(&actor->stats, PAWL_ACTOR_STAT_LATENESS_NS, tick->lateness_ns);
        pawl_stats_add(&actor->stats, PAWL_ACTOR_STAT_DEADLINE_MISSES, tick->skipped_count);
        uint64_t since_ns = now_ns - actor->tick_before_ns;
        if (actor->tick_before_ns)
            pawl_stats_record(&actor->stats, PAWL_ACTOR_STAT_JITTER_NS,
                              since_ns > period_ns ? since_ns - period_ns
                                                   : period_ns - since_ns);
    }
    actor->tick_before_ns = now_ns;
}

/* The step of one tick; it waits for nobody. */
static int run_tick(struct pawl_actor *actor, struct pawl_err *err)
{
    bool is_real = (pawl_lanes_spec(actor->lanes)->flags & PAWL_ENV_REALTIME) != 0;

    if (are_params_too_old(actor)) {
        hold(actor, "the learner is gone and its last parameters are too old");
        pawl_stats_add(&actor->stats, PAWL_ACTOR_STAT_TICKS_HELD, 1);
        return 0;
    }
    pawl_outbox_flush(&actor->outbox);
    switch (pawl_acting_round(actor->acting, err)) {
    case PAWL_ACTING_STEPPED:
        if (__builtin_expect(actor->hub.state != PAWL_STATE_RUNNING || actor->is_held, 0))
            go_on(actor);
        return 0;
    case PAWL_ACTING_FULL:
    case PAWL_ACTING_NO_PARAMS:
        /* What moves does not wait in the middle of a movement. */
        if (is_real)
            hold(actor, "no room for records, or no parameters: waits for the learner");
        pawl_stats_add(&actor->stats, PAWL_ACTOR_STAT_TICKS_HELD, 1);
        return 0;
    case PAWL_ACTING_FAILED:
        break;
    }
    return -EIO;
}

static int run_paced(struct pawl_actor *actor, struct pawl_err *err)
{
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg((uint64_t)(1e9 / actor->rate_hz));

    int code = pawl_pace_start(&actor->pace, &cfg, err);
    while (code == 0 && !has_to_end(actor)) {
        uint64_t before_ns = pawl_clock_now_ns();
        struct pawl_pace_tick tick = pawl_pace_wait(&actor->pace);
        count_tick(actor, &tick, pawl_clock_now_ns() - before_ns);
        code = run_tick(actor, err);
        if (code == 0 && (int64_t)(pawl_tsc_read(&actor->tsc) - actor->listen_ticks) >= 0)
            code = listen_to_hub(actor, err);
    }
    return code;
}

/* Hands over what is staged, as long as there is time. */
static void drain_stage(struct pawl_actor *actor)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + (uint64_t)(actor->run->stop_s * 1e9 / 4.0);
    if (actor->hub.is_stopping && actor->hub.stop_deadline_ns < deadline_ns)
        deadline_ns = actor->hub.stop_deadline_ns;
    struct pawl_wait wait = {.whom = "the learner", .timeout_ns = LISTEN_NS};
    struct pawl_err unread = {0};

    pawl_outbox_flush(&actor->outbox);
    while (pawl_outbox_staged(&actor->outbox) && pawl_clock_now_ns() < deadline_ns &&
           !actor->hub.is_hung_up && actor->tx.ack && !actor->tx.fault) {
        pawl_ring_wait_room(&actor->tx, 1, &wait, &unread);
        pawl_outbox_flush(&actor->outbox);
        pawl_actor_hub_listen(&actor->hub, &unread);
    }
}

static void make_safe(void *context)
{
    pawl_acting_safe(context);
}

static int start_watchdog(struct pawl_actor *actor, struct pawl_err *err)
{
    double hang_s = actor->actor->hang_s;

    if (hang_s > 0.0 && is_paced(actor))
        hang_s = fmax(hang_s, 10.0 / actor->rate_hz);
    struct pawl_watchdog_cfg cfg = {
        .heartbeat = &actor->tx.page->heartbeat_ns,
        .limit_ns = (uint64_t)(hang_s * 1e9),
        .patient_limit_ns = (uint64_t)(fmax(hang_s, actor->actor->reset_s_max) * 1e9),
        .is_patient = pawl_acting_is_resetting(actor->acting),
        .make_safe = make_safe,
        .context = actor->acting,
    };
    return pawl_watchdog_start(&actor->watchdog, &cfg, err);
}

int pawl_actor_run(struct pawl_actor *actor, struct pawl_err *err)
{
    int code = listen_to_hub(actor, err);
    if (code == 0)
        code = start_watchdog(actor, err);
    if (code == 0)
        code = is_paced(actor) ? run_paced(actor, err) : run_free(actor, err);
    pawl_watchdog_stop(&actor->watchdog);
    /* First what can hurt, then what can be lost. */
    pawl_acting_safe(actor->acting);
    PAWL_FAULT("actor.stop");
    if (code == 0)
        pawl_acting_cut(actor->acting);
    pawl_actor_hub_tell(&actor->hub, PAWL_STATE_STOPPING, pawl_acting_step_count(actor->acting),
                        NULL);
    drain_stage(actor);
    write_figures(actor, pawl_clock_now_ns());
    pawl_log_info("stopped", "steps=%" PRIu64 " records=%" PRIu64 " staged=%" PRIu64,
                  pawl_acting_step_count(actor->acting), actor->tx.next,
                  pawl_outbox_staged(&actor->outbox));
    if (code != 0)
        return code;
    if (actor->hub.is_rejected) {
        if (err)
            *err = actor->hub.why;
        return -EINVAL;
    }
    if (actor->hub.is_hung_up)
        return pawl_err_set(err, EPIPE, "the supervisor is gone");
    return pawl_peer_bye(&actor->hub.peer, actor->tx.next, err);
}
