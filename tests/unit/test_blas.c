#include "policy/blas.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/door_blas.h"
#include "policy/engine_cpu.h"
#include "runtime/fault.h"
#include "support/log_file.h"
#include "support/test.h"

#define REFERENCE "/usr/lib/" PAWL_LIBRARY_ARCHITECTURE "/blas/libblas.so.3"

static const struct pawl_blas *opened(uint32_t thread_count)
{
    struct pawl_err err = {0};
    const struct pawl_blas *blas = pawl_blas_open(thread_count, &err);
    ck_assert_msg(blas != NULL, "%s", err.text);
    return blas;
}

static void check_product(const struct pawl_blas *blas)
{
    static const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 2, 0, 1, 3};
    static const float want[] = {10 + 7, 20 + 11, 30 + 16, 40 + 23};
    float c[] = {10, 20, 30, 40};
    /* (2, 3) times (2, 3) turned, added */
    blas->sgemm(PAWL_BLAS_ROW_MAJOR, PAWL_BLAS_AS_IS, PAWL_BLAS_TRANSPOSE, 2, 2, 3, 1.0f, a, 3,
                b, 3, 1.0f, c, 2);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq((double)c[i], (double)want[i]);
}

START_TEST(the_best_library_multiplies_and_says_what_it_is)
{
    const struct pawl_blas *blas = opened(1);
    check_product(blas);
    ck_assert_uint_eq(blas->thread_count, 1);
    ck_assert_uint_gt(strlen(blas->name), 0);
    ck_assert_int_eq(blas->path[0], '/');
    ck_assert_ptr_eq(opened(1), blas);
}
END_TEST

START_TEST(openblas_is_preferred_in_its_openmp_flavour)
{
    const struct pawl_blas *blas = opened(1);
    ck_assert_int_eq(blas->flavour, PAWL_BLAS_OPENBLAS_OPENMP);
    ck_assert_ptr_nonnull(strstr(blas->config, "OpenBLAS"));
    ck_assert_ptr_null(blas->warning);
}
END_TEST

START_TEST(the_number_of_threads_is_the_one_asked_for_last)
{
    ck_assert_uint_eq(opened(1)->thread_count, 1);
    ck_assert_uint_eq(opened(2)->thread_count, 2);
    ck_assert_uint_eq(opened(0)->thread_count, 2);
    ck_assert_uint_eq(opened(1)->thread_count, 1);
}
END_TEST

START_TEST(reference_blas_works_and_is_warned_about_with_the_command_that_helps)
{
    setenv(PAWL_BLAS_ENV, REFERENCE, 1);
    const struct pawl_blas *blas = opened(1);
    check_product(blas);
    ck_assert_int_eq(blas->flavour, PAWL_BLAS_REFERENCE);
    ck_assert_uint_eq(blas->thread_count, 1);
    ck_assert_ptr_nonnull(strstr(blas->warning, "apt install libopenblas0-openmp"));
}
END_TEST

START_TEST(a_library_that_is_not_there_is_a_sentence)
{
    struct pawl_err err = {0};
    setenv(PAWL_BLAS_ENV, "/nowhere/libblas.so.3", 1);
    ck_assert_ptr_null(pawl_blas_open(1, &err));
    ck_assert_ptr_eq(
        strstr(err.text, PAWL_BLAS_ENV "=/nowhere/libblas.so.3 is no BLAS library: "),
        err.text);
    ck_assert_ptr_nonnull(
        strstr(err.text, "; name one that is there, or unset " PAWL_BLAS_ENV));
}
END_TEST

START_TEST(a_library_is_taken_where_kernels_are_not_better_for_more_threads_and_by_name)
{
    const struct pawl_cpu_kernels good = {.is_blas_better = false};
    const struct pawl_cpu_kernels poor = {.is_blas_better = true};
    setenv(PAWL_BLAS_ENV, "", 1); /* as if it were not set */
    const struct pawl_blas *blas = opened(1);
    ck_assert(!pawl_blas_is_taken(blas, &good, 1));
    ck_assert(pawl_blas_is_taken(blas, &good, 2));
    ck_assert(pawl_blas_is_taken(blas, &poor, 1));
    setenv(PAWL_BLAS_ENV, blas->path, 1);
    ck_assert(pawl_blas_is_taken(blas, &good, 1));
}
END_TEST

START_TEST(reference_blas_is_taken_by_name_alone)
{
    const struct pawl_cpu_kernels poor = {.is_blas_better = true};
    const struct pawl_blas reference = {.flavour = PAWL_BLAS_REFERENCE};
    ck_assert(!pawl_blas_is_taken(&reference, &poor, 1));
    ck_assert(!pawl_blas_is_taken(&reference, &poor, 2));
    setenv(PAWL_BLAS_ENV, REFERENCE, 1);
    ck_assert(pawl_blas_is_taken(&reference, &poor, 1));
}
END_TEST

static bool is_a_blas_loaded(void)
{
    char line[512];
    bool is_there = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps))
        is_there = is_there || strstr(line, "/libblas") || strstr(line, "/libopenblas");
    fclose(maps);
    return is_there;
}

static int open_engine(struct pawl_engine **engine, bool is_better, uint32_t thread_count,
                       struct pawl_err *err)
{
    struct pawl_cpu_kernels kernels = *pawl_cpu_kernels(0);
    const struct pawl_engine_setup setup = {.thread_count = thread_count};
    struct pawl_plan *plan;
    kernels.is_blas_better = is_better;
    ck_assert_int_eq(pawl_plan_open(&plan, err), 0);
    ck_assert_int_eq(pawl_plan_finish(plan, err), 0);
    int code = pawl_engine_cpu_open_with(engine, plan, &setup, &kernels, err);
    if (code == 0)
        pawl_engine_cpu.close(*engine);
    pawl_plan_close(plan);
    return code;
}

static void check_that_an_engine_opens(bool is_better, uint32_t thread_count)
{
    struct pawl_err err = {0};
    struct pawl_engine *engine;
    ck_assert_msg(open_engine(&engine, is_better, thread_count, &err) == 0, "%s", err.text);
}

static void check_that_an_engine_loads_a_blas(bool is_better, bool is_loaded)
{
    check_that_an_engine_opens(is_better, 1);
    ck_assert(is_a_blas_loaded() == is_loaded);
}

START_TEST(an_engine_that_multiplies_by_reference_blas_says_so_once)
{
    setenv(PAWL_BLAS_ENV, REFERENCE, 1);
    struct pawl_log_cfg log = quiet_cfg();
    start(&log);
    check_that_an_engine_loads_a_blas(true, true);
    check_that_an_engine_loads_a_blas(true, true);
    const char *said = stopped_file();
    ck_assert_uint_eq(count_of(said, "warn learner another BLAS library is better here"), 1);
    ck_assert_uint_eq(count_of(said, "apt install libopenblas0-openmp"), 1);
}
END_TEST

START_TEST(an_engine_whose_kernels_are_better_needs_no_library)
{
    check_that_an_engine_loads_a_blas(false, false);
    check_that_an_engine_loads_a_blas(true, true);
}
END_TEST

/* Of the kernels, and says once that they have one thread. */
static void check_that_products_are_the_kernels(void)
{
    const struct pawl_cpu_kernels poor = {.is_blas_better = true};
    struct pawl_err err = {0};
    const struct pawl_blas *blas = NULL;
    struct pawl_log_cfg log = quiet_cfg();
    start(&log);
    for (uint32_t i = 1; i <= 2; i++) {
        ck_assert_int_eq(pawl_blas_choose(&blas, &poor, 2, &err), 0);
        ck_assert_ptr_null(blas);
        check_that_an_engine_opens(true, 2);
    }
    const char *said = stopped_file();
    ck_assert_uint_eq(count_of(said, "warn learner learner.threads counts for nothing: "), 1);
    ck_assert_uint_eq(count_of(said, "apt install libopenblas0-openmp"), 1);
}

#ifdef PAWL_FAULTS
START_TEST(without_a_library_products_are_the_kernels)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_fault_arm("blas.load:error=ENOENT@1", &err), 0);
    check_that_products_are_the_kernels(); /* found missing once, it stays missing */
    ck_assert(!is_a_blas_loaded());
}
END_TEST
#define FAULT_TESTS , without_a_library_products_are_the_kernels
#else
#define FAULT_TESTS
#endif

START_TEST(with_reference_blas_alone_products_are_the_kernels)
{
    ck_assert_ptr_nonnull(dlopen(REFERENCE, RTLD_NOW | RTLD_GLOBAL));
    ck_assert_int_eq(opened(1)->flavour, PAWL_BLAS_REFERENCE);
    check_that_products_are_the_kernels();
}
END_TEST

START_TEST(an_engine_without_the_library_that_was_asked_for_does_not_open)
{
    struct pawl_err err = {0};
    struct pawl_engine *engine;
    setenv(PAWL_BLAS_ENV, "/nowhere/libblas.so.3", 1);
    ck_assert_int_eq(open_engine(&engine, false, 1, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "unset " PAWL_BLAS_ENV));
}
END_TEST

static char told[4096];

static void tell(void *sink, const char *key, const char *value)
{
    size_t used = strlen(told);
    (void)sink;
    snprintf(told + used, sizeof(told) - used, "%s=%s\n", key, value);
}

START_TEST(info_warns_of_a_library_that_is_used_alone)
{
    ck_assert_ptr_nonnull(dlopen(REFERENCE, RTLD_NOW | RTLD_GLOBAL));
    pawl_blas_facts.read(tell, NULL);
    ck_assert_ptr_nonnull(strstr(told, "one_thread=the kernels', whatever"));
    ck_assert_ptr_nonnull(strstr(told, "library=reference BLAS\n"));
    ck_assert_ptr_null(strstr(told, "warning="));

    setenv(PAWL_BLAS_ENV, REFERENCE, 1);
    told[0] = '\0';
    pawl_blas_facts.read(tell, NULL);
    ck_assert_ptr_nonnull(strstr(told, "one_thread=the library's\n"));
    ck_assert_ptr_nonnull(strstr(told, "warning="));
}
END_TEST

START_TEST(threads_that_wait_sleep_unless_the_environment_says_else)
{
    unsetenv("OMP_WAIT_POLICY");
    pawl_door_blas_prepare(2);
    ck_assert_str_eq(getenv("OMP_WAIT_POLICY"), "PASSIVE");
    setenv("OMP_WAIT_POLICY", "ACTIVE", 1);
    pawl_door_blas_prepare(2);
    ck_assert_str_eq(getenv("OMP_WAIT_POLICY"), "ACTIVE");
}
END_TEST

PAWL_TEST_MAIN("blas", threads_that_wait_sleep_unless_the_environment_says_else,
               the_best_library_multiplies_and_says_what_it_is,
               openblas_is_preferred_in_its_openmp_flavour,
               the_number_of_threads_is_the_one_asked_for_last,
               reference_blas_works_and_is_warned_about_with_the_command_that_helps,
               a_library_that_is_not_there_is_a_sentence,
               a_library_is_taken_where_kernels_are_not_better_for_more_threads_and_by_name,
               reference_blas_is_taken_by_name_alone,
               an_engine_that_multiplies_by_reference_blas_says_so_once,
               an_engine_whose_kernels_are_better_needs_no_library,
               with_reference_blas_alone_products_are_the_kernels,
               an_engine_without_the_library_that_was_asked_for_does_not_open,
               info_warns_of_a_library_that_is_used_alone FAULT_TESTS)
