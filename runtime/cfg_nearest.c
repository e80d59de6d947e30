/* cfg_nearest.c: the nearest known word to what somebody typed.
 *
 * Two ways to be near: few edits (Damerau-Levenshtein with adjacent swaps), or one word being
 * an abbreviation of the other: actor_lr of actor_learning_rate. A cost counts quarters of an
 * edit, and a long word may differ in more places than a short one.
 */
#include <string.h>

#include "runtime/cfg_internal.h"

#define EDIT_COST      4u
#define FAR            (~0u)
#define WORD_BYTES_MAX PAWL_CFG_KEY_BYTES_MAX

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Three rows of the usual matrix: the last two and the one being filled. */
static unsigned edit_count(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_bytes; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            unsigned change = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min_of(change, 1 + min_of(last[j], row[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_of(row[j], before[j - 2] + 1);
        }
        unsigned *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_bytes];
}

static bool is_abbreviation(const char *shorter, size_t shorter_bytes, const char *longer,
                            size_t longer_bytes)
{
    size_t at = 0;

    if (shorter_bytes < 2 || shorter[0] != longer[0])
        return false;
    for (size_t i = 0; i < longer_bytes && at < shorter_bytes; i++)
        at += shorter[at] == longer[i];
    return at == shorter_bytes;
}

/* FAR when the two have too little in common to be worth a suggestion. */
static unsigned cost_between(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    size_t longer_bytes = a_bytes > b_bytes ? a_bytes : b_bytes;
    size_t more = longer_bytes - (a_bytes > b_bytes ? b_bytes : a_bytes);
    unsigned cost_max = EDIT_COST * (1 + (unsigned)longer_bytes / 4), cost = FAR;

    if (longer_bytes >= WORD_BYTES_MAX)
        return FAR;
    if (more * EDIT_COST <= cost_max)
        cost = EDIT_COST * edit_count(a, a_bytes, b, b_bytes);
    if (a_bytes < b_bytes ? is_abbreviation(a, a_bytes, b, b_bytes)
                          : is_abbreviation(b, b_bytes, a, a_bytes))
        cost = min_of(cost, EDIT_COST + (unsigned)more);
    return cost <= cost_max ? cost : FAR;
}

const char *pawl_cfg_nearest(const char *typed, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    unsigned cost_least = FAR;

    for (size_t i = 0; i < count; i++) {
        unsigned cost = cost_between(typed, strlen(typed), words[i], strlen(words[i]));
        if (cost < cost_least) {
            cost_least = cost;
            nearest = words[i];
        }
    }
    return nearest;
}

const char *pawl_cfg_table_nearest(const struct pawl_cfg_table *const *tables, const char *name)
{
    const char *nearest = NULL;
    unsigned cost_least = FAR;

    for (; *tables; tables++) {
        const char *known = (*tables)->name, *dot = strrchr(known, '.');
        unsigned cost = cost_between(name, strlen(name), known, strlen(known));
        /* [sac] for [policy.sac] */
        if (dot && strcmp(dot + 1, name) == 0)
            cost = min_of(cost, EDIT_COST);
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
        return cost_between(typed, typed_bytes, known, known_bytes);

    size_t typed_table_bytes = (size_t)(typed_dot - typed);
    size_t known_table_bytes = (size_t)(known_dot - known);
    unsigned leaf_cost = cost_between(typed_dot + 1, strlen(typed_dot + 1), known_dot + 1,
                                      strlen(known_dot + 1));

    if (typed_table_bytes == known_table_bytes && memcmp(typed, known, typed_table_bytes) == 0)
        return leaf_cost;
    if (leaf_cost > EDIT_COST || typed_bytes >= WORD_BYTES_MAX)
        return cost_between(typed, typed_bytes, known, known_bytes);
    return leaf_cost + 1 + edit_count(typed, typed_table_bytes, known, known_table_bytes);
}

const char *pawl_cfg_key_nearest(const struct pawl_cfg_table *const *tables, const char *key)
{
    const char *nearest = NULL;
    unsigned cost_least = FAR;

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
