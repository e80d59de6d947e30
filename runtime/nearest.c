#include "runtime/nearest.h"

#include <stdbool.h>
#include <string.h>

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: the usual matrix, of which a row needs the two before it. */
unsigned pawl_nearest_edit_count(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned rows[3][PAWL_NEAREST_BYTES_MAX];

    for (size_t j = 0; j <= b_bytes; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            char x = folded(a[i - 1]);
            char y = folded(b[j - 1]);
            row[j] = min_of(above[j - 1] + (x != y), 1 + min_of(above[j], row[j - 1]));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && folded(a[i - 2]) == y)
                row[j] = min_of(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

/* All letters of the shorter are in the longer, in their order, the first letter first. */
static bool is_abbreviation(const char *shorter, size_t shorter_bytes, const char *longer,
                            size_t longer_bytes)
{
    size_t at = 0;

    if (shorter_bytes < 2 || folded(shorter[0]) != folded(longer[0]))
        return false;
    for (size_t i = 0; i < longer_bytes && at < shorter_bytes; i++)
        at += folded(shorter[at]) == folded(longer[i]);
    return at == shorter_bytes;
}

unsigned pawl_nearest_cost(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    if (a_bytes > b_bytes)
        return pawl_nearest_cost(b, b_bytes, a, a_bytes);
    if (b_bytes >= PAWL_NEAREST_BYTES_MAX)
        return PAWL_NEAREST_FAR;

    unsigned more = (unsigned)(b_bytes - a_bytes);
    unsigned cost_max = PAWL_NEAREST_EDIT_COST * (1 + (unsigned)b_bytes / 4);
    unsigned cost = PAWL_NEAREST_FAR;
    if (more * PAWL_NEAREST_EDIT_COST <= cost_max) {
        unsigned edit_count = pawl_nearest_edit_count(a, a_bytes, b, b_bytes);
        if (edit_count < b_bytes || !b_bytes) /* otherwise not one letter is in its place */
            cost = PAWL_NEAREST_EDIT_COST * edit_count;
    }
    if (is_abbreviation(a, a_bytes, b, b_bytes))
        cost = min_of(cost, PAWL_NEAREST_EDIT_COST + more);
    return cost <= cost_max ? cost : PAWL_NEAREST_FAR;
}

void pawl_nearest_offer(struct pawl_nearest *nearest, const char *name)
{
    unsigned cost = pawl_nearest_cost(nearest->word, strlen(nearest->word), name, strlen(name));
    if (cost == PAWL_NEAREST_FAR || (nearest->best && cost >= nearest->best_cost))
        return;
    nearest->best = name;
    nearest->best_cost = cost;
}
