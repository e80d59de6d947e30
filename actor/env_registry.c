#include "actor/env_registry.h"

#include <string.h>

const struct pawl_env_entry pawl_env_entries[] = {
    {&pawl_env_pendulum, NULL},
    {&pawl_env_mountain_car, NULL},
    {&pawl_env_cartpole, NULL},
    {&pawl_env_reach2d, &pawl_env_reach2d_table},
    {&pawl_env_dummy, &pawl_env_dummy_table},
    {NULL, NULL},
};

const char *const pawl_env_names[] = {
    "pendulum", "mountain_car", "cartpole", "reach2d", "dummy", NULL,
};

_Static_assert(sizeof(pawl_env_names) / sizeof(pawl_env_names[0]) ==
                   sizeof(pawl_env_entries) / sizeof(pawl_env_entries[0]),
               "the two arrays are one list");

const struct pawl_env_entry *pawl_env_find(const char *name)
{
    for (const struct pawl_env_entry *entry = pawl_env_entries; entry->ops; entry++)
        if (strcmp(entry->ops->name, name) == 0)
            return entry;
    return NULL;
}
