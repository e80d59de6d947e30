/* nearest.h: the known name that somebody who mistyped it most likely meant.
 *
 *     struct pawl_nearest nearest = {.word = "chekc"};
 *     for (...)
 *         pawl_nearest_offer(&nearest, names[i]);
 *     if (nearest.best)
 *         ... did you mean 'check'? ...
 *
 * Close means: few letters inserted, dropped, exchanged or swapped with their neighbour, at
 * most one in three. Upper and lower case are equal, and so are dash and underscore.
 */
#ifndef PAWL_RUNTIME_NEAREST_H
#define PAWL_RUNTIME_NEAREST_H

#define PAWL_NEAREST_BYTES_MAX 96 /* longer words are close to nothing */

struct pawl_nearest {
    const char *word;
    const char *best;        /* borrowed from the offer; NULL: nothing offered was close */
    unsigned distance_count; /* edits from word to best */
};

/* Keeps the closest; of two equally close the one offered first. */
void pawl_nearest_offer(struct pawl_nearest *nearest, const char *name);

/* Edits between the two (optimal string alignment), PAWL_NEAREST_BYTES_MAX where one is too
 * long. */
unsigned pawl_nearest_distance(const char *a, const char *b);

#endif
