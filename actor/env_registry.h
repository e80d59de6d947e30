/* env_registry.h: the environments that are built in, in one constant array.
 *
 * A new one is a file env_NAME.c with its table of functions (env.h) and, if it has keys, their
 * table; its line in both arrays of env_registry.c; a line in pawl/main_pawl.c for the keys.
 */
#ifndef PAWL_ACTOR_ENV_REGISTRY_H
#define PAWL_ACTOR_ENV_REGISTRY_H

#include "actor/env.h"
#include "runtime/cfg.h"

struct pawl_env_entry {
    const struct pawl_env_ops *ops;
    const struct pawl_cfg_table *table; /* of its keys; NULL when it has none */
};

/* The last one has no ops. */
extern const struct pawl_env_entry pawl_env_entries[];

/* Their names in the same order, NULL behind the last: the values of env.type. */
extern const char *const pawl_env_names[];

/* NULL when there is none of this name. */
const struct pawl_env_entry *pawl_env_find(const char *name);

extern const struct pawl_env_ops pawl_env_pendulum;
extern const struct pawl_env_ops pawl_env_mountain_car;
extern const struct pawl_env_ops pawl_env_cartpole;
extern const struct pawl_env_ops pawl_env_reach2d;
extern const struct pawl_env_ops pawl_env_dummy;

extern const struct pawl_cfg_table pawl_env_reach2d_table;
extern const struct pawl_cfg_table pawl_env_dummy_table;

#endif
