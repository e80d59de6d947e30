#include "learner/sum_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

int pawl_sum_tree_open(struct pawl_sum_tree *tree, uint64_t count, struct pawl_err *err)
{
    *tree = (struct pawl_sum_tree){.leaf_count = 1};
    while (tree->leaf_count < count && tree->leaf_count < UINT64_MAX / 4)
        tree->leaf_count *= 2;
    tree->nodes = calloc(2 * tree->leaf_count, sizeof(*tree->nodes));
    if (tree->nodes)
        return 0;
    *tree = (struct pawl_sum_tree){0};
    return pawl_err_set(err, ENOMEM, "no memory for a sum tree over %" PRIu64 " weights",
                        count);
}

void pawl_sum_tree_close(struct pawl_sum_tree *tree)
{
    free(tree->nodes);
    *tree = (struct pawl_sum_tree){0};
}

void pawl_sum_tree_set(struct pawl_sum_tree *tree, uint64_t index, double weight)
{
    uint64_t node = tree->leaf_count + index;

    tree->used_count += weight > 0.0;
    tree->used_count -= tree->nodes[node] > 0.0;
    tree->nodes[node] = weight;
    while (node > 1) {
        node /= 2;
        tree->nodes[node] = tree->nodes[2 * node] + tree->nodes[2 * node + 1];
    }
}

double pawl_sum_tree_get(const struct pawl_sum_tree *tree, uint64_t index)
{
    return tree->nodes[tree->leaf_count + index];
}

double pawl_sum_tree_total(const struct pawl_sum_tree *tree)
{
    return tree->nodes[1];
}

uint64_t pawl_sum_tree_find(const struct pawl_sum_tree *tree, double point)
{
    uint64_t node = 1; /* its sum is above 0, on every level */

    while (node < tree->leaf_count) {
        double left = tree->nodes[2 * node], right = tree->nodes[2 * node + 1];
        bool is_left = right <= 0.0 || point < left;
        point -= is_left ? 0.0 : left;
        node = 2 * node + (is_left ? 0 : 1);
    }
    return node - tree->leaf_count;
}
