/* sum_tree.h: draws an index with a probability in proportion to its weight, and changes a
 * weight, in log2(count) steps each.
 *
 *     pawl_sum_tree_open(&tree, 1000, &err);           all weights are 0
 *     pawl_sum_tree_set(&tree, 7, 2.5);
 *     index = pawl_sum_tree_find(&tree, u * pawl_sum_tree_total(&tree));    u in [0, 1)
 *
 * A sum is always made anew from its two parts, so nothing drifts however often a weight
 * changes. Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_SUM_TREE_H
#define PAWL_LEARNER_SUM_TREE_H

#include "runtime/err.h"

#include <stdint.h>

/* Zeroed: closed. */
struct pawl_sum_tree {
    double *nodes;       /* nodes[1] is the sum of all; node i has the parts 2i and 2i + 1 */
    uint64_t leaf_count; /* a power of two */
    uint64_t used_count; /* leaves with a weight above 0 */
};

int pawl_sum_tree_open(struct pawl_sum_tree *tree, uint64_t count, struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_sum_tree_close(struct pawl_sum_tree *tree);

/* weight is finite and at least 0. */
void pawl_sum_tree_set(struct pawl_sum_tree *tree, uint64_t index, double weight);
double pawl_sum_tree_get(const struct pawl_sum_tree *tree, uint64_t index);
double pawl_sum_tree_total(const struct pawl_sum_tree *tree);

/* The index in whose share of [0, total) the point lies; of an index with a weight above 0 even
 * where rounding says otherwise. The total is above 0. */
uint64_t pawl_sum_tree_find(const struct pawl_sum_tree *tree, double point);

#endif
