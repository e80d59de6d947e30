/* test.h: the main() of a test program, from the list of its tests.
 *
 *     START_TEST(a_promise_in_words) { ck_assert(...); } END_TEST
 *     PAWL_TEST_MAIN("ring", a_promise_in_words, another_promise)
 *
 * Each test runs in its own process (check's default), so a test may crash, leak or exit
 * without hurting the next. A test that is not listed does not compile: its constant is unused.
 */
#ifndef PAWL_TEST_H
#define PAWL_TEST_H

#include <check.h>
#include <stddef.h>

#define PAWL_TEST_TIMEOUT_S 60

#define PAWL_TEST_MAIN(suite_name, ...)                                                        \
    int main(void)                                                                             \
    {                                                                                          \
        const TTest *const tests[] = {__VA_ARGS__};                                            \
        Suite *suite = suite_create(suite_name);                                               \
        TCase *tcase = tcase_create(suite_name);                                               \
        tcase_set_timeout(tcase, PAWL_TEST_TIMEOUT_S);                                         \
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                          \
            tcase_add_test(tcase, tests[i]);                                                   \
        suite_add_tcase(suite, tcase);                                                         \
        SRunner *runner = srunner_create(suite);                                               \
        srunner_run_all(runner, CK_NORMAL);                                                    \
        int failed_count = srunner_ntests_failed(runner);                                      \
        srunner_free(runner);                                                                  \
        return failed_count != 0;                                                              \
    }

#endif
