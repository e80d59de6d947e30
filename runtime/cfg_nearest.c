/* cfg_nearest.c: the nearest known table, key or choice to what somebody typed. */
#include <string.h>

#include "runtime/cfg_internal.h"
#include "runtime/nearest.h"

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

const char *pawl_cfg_nearest(const char *typed, const char *const *words, size_t count)
{
    struct pawl_nearest nearest = {.word = typed};
    for (size_t i = 0; i < count; i++)
        pawl_nearest_offer(&nearest, words[i]);
    return nearest.best;
}

const char *pawl_cfg_table_nearest(const struct pawl_cfg_table *const *tables, const char *name)
{
    const char *nearest = NULL;
    unsigned cost_least = PAWL_NEAREST_FAR;

    for (; *tables; tables++) {
        const char *known = (*tables)->name, *dot = strrchr(known, '.');
        unsigned cost = pawl_nearest_cost(name, strlen(name), known, strlen(known));
        /* [sac] for [policy.sac] */
        if (dot && strcmp(dot + 1, name) == 0)
            cost = min_of(cost, PAWL_NEAREST_EDIT_COST);
        if (cost < cost_least) {
            cost_least = cost;
            nearest = known;
        }
    }
    return nearest;
}

/* A key is its table and its last part; people get one of the two right. */
static unsigned key_cost(const char *typed, const char *known)
{
    const char *typed_dot = strrchr(typed, '.'), *known_dot = strrchr(known, '.');
    size_t typed_bytes = strlen(typed), known_bytes = strlen(known);

    if (!typed_dot || !known_dot)
        return pawl_nearest_cost(typed, typed_bytes, known, known_bytes);

    size_t typed_table_bytes = (size_t)(typed_dot - typed);
    size_t known_table_bytes = (size_t)(known_dot - known);
    unsigned leaf_cost = pawl_nearest_cost(typed_dot + 1, strlen(typed_dot + 1), known_dot + 1,
                                           strlen(known_dot + 1));

    if (typed_table_bytes == known_table_bytes && memcmp(typed, known, typed_table_bytes) == 0)
        return leaf_cost;
    if (leaf_cost > PAWL_NEAREST_EDIT_COST || typed_bytes >= PAWL_NEAREST_BYTES_MAX)
        return pawl_nearest_cost(typed, typed_bytes, known, known_bytes);
    return leaf_cost + 1 +
           pawl_nearest_edit_count(typed, typed_table_bytes, known, known_table_bytes);
}

const char *pawl_cfg_key_nearest(const struct pawl_cfg_table *const *tables, const char *key)
{
    const char *nearest = NULL;
    unsigned cost_least = PAWL_NEAREST_FAR;

    for (; *tables; tables++) {
        for (size_t i = 0; i < (*tables)->row_count; i++) {
            unsigned cost = key_cost(key, (*tables)->rows[i].key);
            if (cost < cost_least) {
                cost_least = cost;
                nearest = (*tables)->rows[i].key;
            }
        }
    }
    return nearest;
}
