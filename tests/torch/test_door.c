#include "policy/blas.h"
#include "policy/door.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

static const struct pawl_torch *open_door(uint32_t thread_count)
{
    struct pawl_err err = {0};
    struct pawl_door_cfg cfg = {.thread_count = thread_count};
    const struct pawl_torch *torch = pawl_door_open(&cfg, &err);
    ck_assert_msg(torch != NULL, "%s", err.text);
    return torch;
}

START_TEST(libtorch_multiplies_on_the_cpu)
{
    struct pawl_err err = {0};
    const struct pawl_torch *torch = open_door(1);
    ck_assert_msg(torch->self_test("cpu", &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(what_libtorch_throws_is_a_sentence)
{
    struct pawl_err err = {0};
    const struct pawl_torch *torch = open_door(1);
    ck_assert_int_eq(torch->self_test("abacus", &err), -EINVAL);
    ck_assert_msg(strstr(err.text, "self test of libtorch on abacus: ") == err.text, "%s",
                  err.text);
    ck_assert_ptr_null(strchr(err.text, '\n'));
}
END_TEST

START_TEST(cuda_is_refused_where_the_door_was_opened_without)
{
    struct pawl_err err = {0};
    struct pawl_torch_device device;
    const struct pawl_torch *torch = open_door(1);
    ck_assert_int_eq(torch->device(0, &device, &err), -ENODEV);
    err = (struct pawl_err){0};
    ck_assert_int_lt(torch->self_test("cuda", &err), 0);
}
END_TEST

START_TEST(libtorch_has_the_threads_it_was_given)
{
    struct pawl_torch_about about;
    struct pawl_err err = {0};
    ck_assert_int_eq(open_door(2)->about(&about, &err), 0);
    ck_assert_uint_eq(about.thread_count, 2);
    ck_assert_ptr_nonnull(strchr(about.version, '.'));
    ck_assert_ptr_nonnull(strstr(about.library, "libtorch_cpu.so"));
}
END_TEST

START_TEST(a_libtorch_without_a_blas_of_its_own_computes_with_openblas)
{
    struct pawl_torch_about about;
    struct pawl_err err = {0};
    ck_assert_int_eq(open_door(1)->about(&about, &err), 0);
    const struct pawl_blas *blas = pawl_blas_open(1, &err);
    ck_assert_msg(about.blas_own[0] || (blas && strstr(blas->name, "OpenBLAS")), "%s",
                  blas ? blas->name : err.text);
}
END_TEST

PAWL_TEST_MAIN("torch door", libtorch_multiplies_on_the_cpu, what_libtorch_throws_is_a_sentence,
               cuda_is_refused_where_the_door_was_opened_without,
               libtorch_has_the_threads_it_was_given,
               a_libtorch_without_a_blas_of_its_own_computes_with_openblas)
