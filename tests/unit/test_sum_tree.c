#include "learner/sum_tree.h"

#include <math.h>

#include "runtime/rng.h"
#include "support/test.h"

static struct pawl_sum_tree tree;

static void open_tree(uint64_t count)
{
    ck_assert_int_eq(pawl_sum_tree_open(&tree, count, NULL), 0);
}

START_TEST(a_point_finds_the_index_in_whose_share_it_lies)
{
    const double weights[] = {1.0, 0.0, 2.0, 0.5, 0.0};
    open_tree(5);
    for (uint64_t i = 0; i < 5; i++)
        pawl_sum_tree_set(&tree, i, weights[i]);
    ck_assert_double_eq(pawl_sum_tree_total(&tree), 3.5);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 0.0), 0);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 0.999), 0);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 1.0), 2);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 2.999), 2);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 3.0), 3);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 3.499), 3);
    pawl_sum_tree_close(&tree);
}
END_TEST

START_TEST(an_index_without_weight_is_never_found)
{
    /* Also where rounding puts the point behind the last share. */
    open_tree(1000);
    pawl_sum_tree_set(&tree, 637, 0.1);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 0.0), 637);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 0.1), 637);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 1e9), 637);
    pawl_sum_tree_set(&tree, 12, 1e-300);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 0.1), 637);
    pawl_sum_tree_close(&tree);
}
END_TEST

START_TEST(a_million_changes_leave_no_drift)
{
    struct pawl_rng rng;
    pawl_rng_seed(&rng, 1);
    open_tree(37);
    for (int i = 0; i < 1000000; i++)
        pawl_sum_tree_set(&tree, (uint64_t)pawl_rng_integer(&rng, 0, 36),
                          exp(20.0 * pawl_rng_normal(&rng)));
    for (uint64_t i = 0; i < 37; i++)
        pawl_sum_tree_set(&tree, i, i % 2 ? 1.0 : 0.0);
    ck_assert_double_eq(pawl_sum_tree_total(&tree), 18.0);
    ck_assert_uint_eq(tree.used_count, 18);
    for (uint64_t i = 0; i < 37; i++)
        pawl_sum_tree_set(&tree, i, 0.0);
    ck_assert_double_eq(pawl_sum_tree_total(&tree), 0.0);
    ck_assert_uint_eq(tree.used_count, 0);
    pawl_sum_tree_close(&tree);
}
END_TEST

START_TEST(shares_are_drawn_in_proportion)
{
    struct pawl_rng rng;
    static uint32_t hits[10];
    pawl_rng_seed(&rng, 2);
    open_tree(10);
    for (uint64_t i = 0; i < 10; i++)
        pawl_sum_tree_set(&tree, i, (double)i);
    for (int i = 0; i < 90000; i++)
        hits[pawl_sum_tree_find(&tree, pawl_rng_double(&rng) * pawl_sum_tree_total(&tree))]++;
    for (uint32_t i = 0; i < 10; i++) {
        double want = 2000.0 * i;
        ck_assert_double_le(fabs((double)hits[i] - want), 5.0 * sqrt(want));
    }
    pawl_sum_tree_close(&tree);
}
END_TEST

START_TEST(one_weight_is_a_tree_too)
{
    open_tree(1);
    pawl_sum_tree_set(&tree, 0, 3.0);
    ck_assert_double_eq(pawl_sum_tree_total(&tree), 3.0);
    ck_assert_uint_eq(pawl_sum_tree_find(&tree, 2.9), 0);
    pawl_sum_tree_close(&tree);
    pawl_sum_tree_close(&tree);
}
END_TEST

START_TEST(each_change_is_in_the_total_at_once)
{
    open_tree(8);
    double total = 0.0;
    for (uint64_t i = 8; i-- > 0;) {
        pawl_sum_tree_set(&tree, i, (double)(i + 1));
        total += (double)(i + 1);
        ck_assert_double_eq(pawl_sum_tree_total(&tree), total);
    }
    pawl_sum_tree_close(&tree);
}
END_TEST

PAWL_TEST_MAIN("sum_tree", a_point_finds_the_index_in_whose_share_it_lies,
               an_index_without_weight_is_never_found, a_million_changes_leave_no_drift,
               shares_are_drawn_in_proportion, one_weight_is_a_tree_too,
               each_change_is_in_the_total_at_once)
