#include "actor/env_cfg.h"

#include <errno.h>

#include "actor/env_spec.h"
#include "runtime/run_cfg.h"

static const char *const seedings[] = {"derived", "plain", NULL};

#define S struct pawl_env_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_CHOICE_ROW(S, "env.type", type, 0, pawl_env_names,
                        "The environment; 'pawl env list' says what each one is."),
    PAWL_CFG_I64_ROW(S, "env.lanes", lane_count, 1, 1, PAWL_LANES_MAX, "",
                     "Environments that each actor runs side by side."),
    PAWL_CFG_I64_ROW(S, "env.steps_max", steps_max, 0, 0, UINT32_MAX, "steps",
                     "An episode is cut off after so many; 0: the environment's own limit."),
    PAWL_CFG_F64_ROW(S, "env.target_hz", target_hz, 0.0, 0.0, 100000.0, "Hz",
                     "Steps per second of each lane, on a schedule; 0: as fast as possible."),
    PAWL_CFG_CHOICE_ROW(S, "env.seeding", seeding, PAWL_LANES_DERIVED, seedings,
                        "plain: run.seed plus the lane's index, as in Gymnasium."),
};
#undef S

const struct pawl_cfg_table pawl_env_table = {
    .name = "env",
    .help = "The environment, and how an actor runs it.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(struct pawl_env_cfg),
};

int pawl_env_cfg_args(struct pawl_env_args *args, const struct pawl_cfg *cfg,
                      const struct pawl_env_entry *entry, struct pawl_err *err)
{
    *args = pawl_env_default_args();
    if (!entry->table)
        return 0;
    args->fields = pawl_cfg_fields(cfg, entry->table);
    if (!args->fields)
        return pawl_err_set(err, EINVAL, "[%s] is not among the tables of this program",
                            entry->table->name);
    return 0;
}

int pawl_env_cfg_lanes(struct pawl_lanes_cfg *lanes_cfg, const struct pawl_cfg *cfg,
                       const struct pawl_env_entry *entry, struct pawl_err *err)
{
    const struct pawl_env_cfg *env = pawl_cfg_fields(cfg, &pawl_env_table);
    const struct pawl_run_cfg *run = pawl_cfg_fields(cfg, &pawl_run_table);
    if (!env || !run)
        return pawl_err_set(err, EINVAL,
                            "[env] and [run] are not among the tables of this "
                            "program");
    if (!entry)
        entry = &pawl_env_entries[env->type];
    lanes_cfg->ops = entry->ops;
    lanes_cfg->lane_count = (uint32_t)env->lane_count;
    lanes_cfg->steps_max = (uint32_t)env->steps_max;
    lanes_cfg->seed = (uint64_t)run->seed;
    lanes_cfg->seeding = (enum pawl_lanes_seeding)env->seeding;
    return pawl_env_cfg_args(&lanes_cfg->args, cfg, entry, err);
}
