#include "runtime/nearest.h"

#include <stddef.h>
#include <string.h>

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

unsigned pawl_nearest_distance(const char *a, const char *b)
{
    size_t a_bytes = strlen(a);
    size_t b_bytes = strlen(b);
    if (a_bytes >= PAWL_NEAREST_BYTES_MAX || b_bytes >= PAWL_NEAREST_BYTES_MAX)
        return PAWL_NEAREST_BYTES_MAX;

    /* rows[i % 3][j]: edits from the first i letters of a to the first j of b */
    unsigned rows[3][PAWL_NEAREST_BYTES_MAX];
    for (unsigned j = 0; j <= b_bytes; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_bytes; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_bytes; j++) {
            char x = folded(a[i - 1]);
            char y = folded(b[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && folded(a[i - 2]) == y) {
                unsigned swapped = rows[(i - 2) % 3][j - 2] + 1;
                row[j] = swapped < row[j] ? swapped : row[j];
            }
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

void pawl_nearest_offer(struct pawl_nearest *nearest, const char *name)
{
    unsigned distance = pawl_nearest_distance(nearest->word, name);
    size_t word_bytes = strlen(nearest->word);
    size_t name_bytes = strlen(name);
    size_t longer_bytes = word_bytes > name_bytes ? word_bytes : name_bytes;

    size_t distance_max = longer_bytes < 3 ? 1 : longer_bytes / 3;
    if (distance > distance_max || distance >= longer_bytes ||
        distance >= PAWL_NEAREST_BYTES_MAX)
        return;
    if (nearest->best && distance >= nearest->distance_count)
        return;
    nearest->best = name;
    nearest->distance_count = distance;
}
