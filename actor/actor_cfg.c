#include "actor/actor_cfg.h"

#include <stddef.h>

#define ACTOR struct pawl_actor_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_I64_ROW(ACTOR, "actor.count", count, 1, 1, PAWL_ACTOR_COUNT_MAX, "",
                     "Processes that act, each with its own environments."),
    PAWL_CFG_I64_ROW(ACTOR, "actor.min_count", min_count, 1, 0, PAWL_ACTOR_COUNT_MAX, "",
                     "With fewer that have not died for good, the run ends."),
};

static void check(struct pawl_cfg *cfg)
{
    const struct pawl_actor_cfg *actor = pawl_cfg_fields(cfg, &pawl_actor_table);

    if (actor->min_count > actor->count)
        pawl_cfg_conflict(cfg, "actor.min_count", "actor.count",
                          "a run has to start with as many actors as it needs");
}

const struct pawl_cfg_table pawl_actor_table = {
    .name = "actor",
    .help = "The processes that act.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(ACTOR),
    .check = check,
};
