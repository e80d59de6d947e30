/* nearest.h: the known name that somebody who mistyped it most likely meant.
 *
 *     struct pawl_nearest nearest = {.word = "chekc"};
 *     for (...)
 *         pawl_nearest_offer(&nearest, names[i]);
 *     if (nearest.best)
 *         ... did you mean 'check'? ...
 *
 * There are two ways to be near: few edits (a letter inserted, dropped, exchanged, or swapped
 * with its neighbour), or one being an abbreviation of the other: actor_lr of
 * actor_learning_rate. Upper and lower case are equal, and so are dash and underscore.
 */
#ifndef PAWL_RUNTIME_NEAREST_H
#define PAWL_RUNTIME_NEAREST_H

#include <stddef.h>

#define PAWL_NEAREST_BYTES_MAX 128 /* longer words are near to nothing */
#define PAWL_NEAREST_EDIT_COST 4u
#define PAWL_NEAREST_FAR       (~0u)

struct pawl_nearest {
    const char *word;
    const char *best;   /* borrowed from the offer; NULL: nothing offered was near */
    unsigned best_cost; /* of best, where there is one */
};

/* Keeps the nearest; of two equally near the one offered first. */
void pawl_nearest_offer(struct pawl_nearest *nearest, const char *name);

/* How far the two are apart, in quarters of an edit; PAWL_NEAREST_FAR where they have too
 * little in common to be worth a suggestion: a long word may differ in more places than a short
 * one. */
unsigned pawl_nearest_cost(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

/* Edits between the two, both shorter than PAWL_NEAREST_BYTES_MAX. */
unsigned pawl_nearest_edit_count(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

#endif
