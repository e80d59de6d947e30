#include "actor/actor_cfg.h"

#include <errno.h>
#include <stddef.h>

#include "actor/acting.h"
#include "actor/env_spec.h"
#include "policy/policy.h"

#include "runtime/run_cfg.h"
#include "shm/ring_cfg.h"

static const char *const adopts[] = {"step", "chunk", "episode", NULL};
static const char *const excesses[] = {"clamp", "hold", NULL};

#define ACTOR struct pawl_actor_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_I64_ROW(ACTOR, "actor.count", count, 1, 1, PAWL_ACTOR_COUNT_MAX, "",
                     "Processes that act, each with its own environments."),
    PAWL_CFG_I64_ROW(ACTOR, "actor.min_count", min_count, 1, 0, PAWL_ACTOR_COUNT_MAX, "",
                     "With fewer that have not died for good, the run ends."),
    PAWL_CFG_CHOICE_ROW(ACTOR, "actor.adopt", adopt, PAWL_ACTING_ADOPT_STEP, adopts,
                        "When newer parameters are taken: before any step, between chunks of "
                        "actor.chunk_steps, or between episodes."),
    PAWL_CFG_I64_ROW(ACTOR, "actor.chunk_steps", chunk_steps, 1, 1, 65536, "steps",
                     "Steps of an episode that are acted with the same parameters."),
    PAWL_CFG_CHOICE_ROW(ACTOR, "actor.excess", excess, PAWL_ACTING_EXCESS_CLAMP, excesses,
                        "What is executed for an action out of range: the nearest within, or "
                        "the one before. One that is not finite is always the one before."),
    PAWL_CFG_F64_ROW(ACTOR, "actor.param_age_s_max", param_age_s_max, 30.0, 0.0, 86400.0, "s",
                     "How long an actor whose learner is gone goes on with the last "
                     "parameters, before it stops its environments and waits."),
    PAWL_CFG_F64_ROW(ACTOR, "actor.stage_s", stage_s, 5.0, 0.0, 3600.0, "s",
                     "Records of so long are kept outside a full ring by a loop with "
                     "env.target_hz, which does not wait."),
    PAWL_CFG_F64_ROW(ACTOR, "actor.hang_s", hang_s, 2.0, 0.0, 3600.0, "s",
                     "An actor without a step for so long, and for ten periods of "
                     "env.target_hz, has hung and is ended; 0: never."),
    PAWL_CFG_F64_ROW(ACTOR, "actor.reset_s_max", reset_s_max, 60.0, 0.0, 86400.0, "s",
                     "The same while an environment is reset."),
    PAWL_CFG_I64_LIST_ROW(ACTOR, "actor.cpus", cpus, "[]", 0, 1023, 0, "",
                          "Processors for the actors, one each and in turns; empty: any."),
};

static void check_deterministic(struct pawl_cfg *cfg, const struct pawl_actor_cfg *actor)
{
    const struct pawl_run_cfg *run = pawl_cfg_fields(cfg, &pawl_run_table);
    const struct pawl_ring_table_cfg *ring = pawl_cfg_fields(cfg, &pawl_ring_table);

    if (!run || !run->deterministic)
        return;
    if (actor->count > 1)
        pawl_cfg_conflict(cfg, "actor.count", "run.deterministic",
                          "one actor is in lock-step with the learner, not several");
    if (ring && ring->full != PAWL_RING_FULL_BLOCK)
        pawl_cfg_conflict(cfg, "ring.full", "run.deterministic",
                          "in lock-step no record is given up");
}

static void check(struct pawl_cfg *cfg)
{
    const struct pawl_actor_cfg *actor = pawl_cfg_fields(cfg, &pawl_actor_table);
    const struct pawl_env_cfg *env = pawl_cfg_fields(cfg, &pawl_env_table);

    if (actor->min_count > actor->count)
        pawl_cfg_conflict(cfg, "actor.min_count", "actor.count",
                          "a run has to start with as many actors as it needs");
    if (env && env->lane_count > 1 && actor->adopt != PAWL_ACTING_ADOPT_STEP)
        pawl_cfg_conflict(cfg, "actor.adopt", "env.lanes",
                          "lanes are at different steps of their episodes and share the "
                          "parameters");
    check_deterministic(cfg, actor);
}

/* Keys of an environment that is not the one. */
static void look_at_env_keys(struct pawl_cfg *cfg, const struct pawl_env_cfg *env)
{
    for (size_t i = 0; pawl_env_entries[i].ops; i++) {
        const struct pawl_cfg_table *table = pawl_env_entries[i].table;
        if (!table || table == pawl_env_entries[env->type].table)
            continue;
        for (size_t k = 0; k < table->row_count; k++)
            pawl_cfg_warn_idle(cfg, table->rows[k].key, "env.type");
    }
}

static void look(struct pawl_cfg *cfg)
{
    const struct pawl_env_cfg *env = pawl_cfg_fields(cfg, &pawl_env_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);
    struct pawl_lanes_cfg lanes = pawl_lanes_default_cfg();
    struct pawl_env_spec spec;
    struct pawl_err err = {0};
    const char *key;

    if (!env || !policy)
        return;
    look_at_env_keys(cfg, env);
    /* One that cannot say what it is says why when it is made. */
    if (pawl_env_cfg_lanes(&lanes, cfg, NULL, &err) != 0 ||
        pawl_env_spec_read(&spec, lanes.ops, &lanes.args, &err) != 0)
        return;
    if (pawl_actor_cfg_match(policy, env, &spec, &key, &err) != 0)
        pawl_cfg_refuse(cfg, key, EINVAL, "'pawl env list' says what each one takes", "%s",
                        err.text);
}

const struct pawl_cfg_table pawl_actor_table = {
    .name = "actor",
    .help = "The processes that act.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(ACTOR),
    .check = check,
    .look = look,
};

int pawl_actor_cfg_match(const struct pawl_policy_cfg *policy, const struct pawl_env_cfg *env,
                         const struct pawl_env_spec *spec, const char **key,
                         struct pawl_err *err)
{
    const struct pawl_policy_ops *ops = pawl_policies[policy->type];
    size_t number_count = pawl_env_field_count(&spec->action) - (spec->choice_count != 0);

    if (!ops->trainer)
        return 0;
    *key = "env.type";
    if (spec->action.dtype != PAWL_ENV_F32 || number_count == 0)
        return pawl_err_set(err, EINVAL,
                            "its action is a choice alone, and policy.type = \"%s\" wants a "
                            "continuous one; policy.type = \"random\" can play it",
                            ops->name);
    /* The learner sees records alone, which do not tell a choice from a number. */
    *key = "policy.num_discrete_actions";
    if (spec->choice_count != (uint32_t)policy->num_discrete_actions)
        return pawl_err_set(
            err, EINVAL, "an action of env.type = \"%s\" ends with %u choices; set it to that",
            pawl_env_names[env->type], spec->choice_count);
    return 0;
}

int pawl_actor_cfg_rate(double *rate_hz, const struct pawl_env_cfg *env,
                        const struct pawl_env_spec *spec, bool is_lock_step,
                        struct pawl_err *err)
{
    bool is_real = (spec->flags & PAWL_ENV_REALTIME) != 0;

    *rate_hz = env->target_hz;
    if (is_real && *rate_hz <= 0.0)
        *rate_hz = (double)spec->rate_hz;
    if (is_real && is_lock_step)
        return pawl_err_set(err, EINVAL,
                            "run.deterministic: something real moves in this environment and "
                            "does not wait for a learner");
    if (is_real && !(*rate_hz > 0.0))
        return pawl_err_set(err, EINVAL,
                            "env.target_hz = 0: something real moves in this environment, so "
                            "it needs a schedule");
    if (is_lock_step)
        *rate_hz = 0.0;
    return 0;
}
