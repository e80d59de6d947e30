#include "runtime/interval.h"

#include <math.h>

#include "support/test.h"

START_TEST(the_quantile_of_t_is_that_of_the_tables)
{
    static const struct {
        uint64_t freedom;
        double t;
    } rows[] = {{1, 12.7062}, {2, 4.3027},  {3, 3.1824},   {4, 2.7764},   {9, 2.2622},
                {19, 2.0930}, {30, 2.0423}, {100, 1.9840}, {1000, 1.9623}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_double_eq_tol(pawl_interval_t(rows[i].freedom), rows[i].t, 6e-5);
    ck_assert_double_eq_tol(pawl_interval_t(100000), 1.959964, 3e-5);
    ck_assert_double_eq_tol(pawl_interval_t(UINT64_MAX), 1.959964, 1e-6);
}
END_TEST

START_TEST(the_interval_of_a_mean_is_students)
{
    struct pawl_interval of_ten = pawl_interval_mean(5.0, 2.0, 10);
    ck_assert_double_eq_tol(of_ten.low, 5.0 - 1.43071, 1e-4);
    ck_assert_double_eq_tol(of_ten.high, 5.0 + 1.43071, 1e-4);
    ck_assert(isinf(pawl_interval_mean(5.0, 0.0, 1).high));
}
END_TEST

START_TEST(the_interval_of_a_share_is_wilsons)
{
    struct pawl_interval some = pawl_interval_share(15, 20);
    ck_assert_double_eq_tol(some.low, 0.5313, 1e-4);
    ck_assert_double_eq_tol(some.high, 0.8881, 1e-4);
    ck_assert_double_eq(pawl_interval_share(0, 20).low, 0.0);
    ck_assert_double_eq_tol(pawl_interval_share(0, 20).high, 0.1611, 1e-4);
    ck_assert_double_eq(pawl_interval_share(20, 20).high, 1.0);
    ck_assert_double_eq(pawl_interval_share(0, 0).high, 1.0);
}
END_TEST

PAWL_TEST_MAIN("interval", the_quantile_of_t_is_that_of_the_tables,
               the_interval_of_a_mean_is_students, the_interval_of_a_share_is_wilsons)
