/* env_check.h: whether an environment keeps the promises of env.h: what `pawl env check` does.
 *
 *     struct pawl_env_check check;
 *     struct pawl_env_check_cfg cfg = pawl_env_check_default_cfg();
 *     cfg.ops = ops; cfg.args = args;
 *     pawl_env_check_run(&check, &cfg);
 *     for (i = 0; i < check.item_count; i++)
 *         check.items[i].name, .verdict, .text
 *
 * A step that never returns is not noticed here. Nothing is allocated that stays. Thread
 * safety: the only thread of its process, since it counts memory and descriptors.
 */
#ifndef PAWL_ACTOR_ENV_CHECK_H
#define PAWL_ACTOR_ENV_CHECK_H

#include "actor/env.h"
#include "runtime/philox.h"

#define PAWL_ENV_CHECK_ITEMS_MAX  12
#define PAWL_ENV_CHECK_TEXT_BYTES 512

struct pawl_env_check_cfg {
    const struct pawl_env_ops *ops;
    struct pawl_env_args args;
    uint64_t seed;
    uint32_t step_count;  /* whose observations are looked at */
    uint32_t reset_count; /* among which a leak has to show */
    uint64_t speed_ns;    /* how long the speed is measured */
};

enum pawl_env_check_verdict {
    PAWL_ENV_CHECK_GOOD,
    PAWL_ENV_CHECK_BAD,
    PAWL_ENV_CHECK_SKIPPED,
};

struct pawl_env_check {
    uint32_t item_count;
    struct pawl_env_check_item {
        const char *name;
        enum pawl_env_check_verdict verdict;
        char text[PAWL_ENV_CHECK_TEXT_BYTES]; /* what was seen */
    } items[PAWL_ENV_CHECK_ITEMS_MAX];
    uint32_t bad_count;
    int open_code;       /* what open() returned */
    double steps_per_s;  /* 0: not measured */
    double resets_per_s; /* likewise */
};

struct pawl_env_check_cfg pawl_env_check_default_cfg(void);

void pawl_env_check_run(struct pawl_env_check *check, const struct pawl_env_check_cfg *cfg);

/* Each number uniform within its bounds; a choice is one of its values. */
void pawl_env_act_random(float *action, const struct pawl_env_spec *spec,
                         struct pawl_philox *philox);

/* Each number 0, or the bound that is nearest to it. */
void pawl_env_act_null(float *action, const struct pawl_env_spec *spec);

#endif
