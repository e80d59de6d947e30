#include "policy/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/installed.h"
#include "support/test.h"

static const struct pawl_door_cfg plain = {.thread_count = 3};

static const struct pawl_torch *open_fake(const char *kind, const struct pawl_door_cfg *cfg,
                                          struct pawl_err *err)
{
    char folder[1024];
    snprintf(folder, sizeof(folder), "%s/%s", PAWL_FAKE_DOORS, kind);
    setenv(PAWL_INSTALLED_ENV, folder, 1);
    *err = (struct pawl_err){0};
    return pawl_door_open(cfg, err);
}

static void assert_refused(const char *kind, int code, const char *words)
{
    struct pawl_err err;
    ck_assert_ptr_null(open_fake(kind, &plain, &err));
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
}

START_TEST(a_module_finds_the_threads_set_in_the_environment)
{
    struct pawl_err err;
    struct pawl_torch_about about;
    const struct pawl_torch *torch = open_fake("good", &plain, &err);
    ck_assert_msg(torch != NULL, "%s", err.text);
    ck_assert_int_eq(torch->about(&about, &err), 0);
    ck_assert_str_eq(about.blas_own, "3 3");
    ck_assert_uint_eq(about.thread_count, 3);
}
END_TEST

START_TEST(without_a_number_of_threads_the_environment_stays)
{
    struct pawl_err err;
    struct pawl_torch_about about;
    struct pawl_door_cfg cfg = {0};
    unsetenv("OPENBLAS_NUM_THREADS");
    setenv("OMP_NUM_THREADS", "7", 1);
    const struct pawl_torch *torch = open_fake("good", &cfg, &err);
    ck_assert_msg(torch != NULL, "%s", err.text);
    ck_assert_int_eq(torch->about(&about, &err), 0);
    ck_assert_str_eq(about.blas_own, "unset 7");
}
END_TEST

START_TEST(the_door_opens_once)
{
    struct pawl_err err;
    const struct pawl_torch *torch = open_fake("good", &plain, &err);
    ck_assert_ptr_nonnull(torch);
    ck_assert_ptr_eq(open_fake("older", &plain, &err), torch);
}
END_TEST

START_TEST(an_open_door_gets_no_cuda_later)
{
    struct pawl_err err;
    struct pawl_door_cfg cuda = {.wants_cuda = true};
    ck_assert_ptr_nonnull(open_fake("good", &plain, &err));
    ck_assert_ptr_null(open_fake("good", &cuda, &err));
    ck_assert_int_eq(err.code, EBUSY);
}
END_TEST

START_TEST(a_door_that_is_not_there_says_where_it_was_looked_for)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/none/pawl_torch.so: ", PAWL_FAKE_DOORS);
    assert_refused("none", ENOENT, path);
    assert_refused("none", ENOENT, PAWL_INSTALLED_ENV);
    ck_assert(!pawl_door_has(false));
}
END_TEST

START_TEST(without_a_folder_named_the_ways_to_one_are_said)
{
    struct pawl_err err = {0};
    unsetenv(PAWL_INSTALLED_ENV); /* the folder of the tests holds no door */
    ck_assert_ptr_null(pawl_door_open(&plain, &err));
    ck_assert_int_eq(err.code, ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "../libexec/pawl"));
    ck_assert_ptr_nonnull(strstr(err.text, "PAWL_TORCH=OFF"));
}
END_TEST

START_TEST(cuda_without_its_half_is_refused_and_the_door_can_be_opened_without)
{
    struct pawl_err err;
    struct pawl_door_cfg cuda = {.wants_cuda = true};
    ck_assert_ptr_null(open_fake("good", &cuda, &err));
    ck_assert_msg(strstr(err.text, "pawl_torch_cuda.so") != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(open_fake("good", &plain, &err));
}
END_TEST

START_TEST(a_door_of_another_version_is_refused)
{
    assert_refused("older", EPROTO, "of another build: version 0 of ");
    assert_refused("longer", EPROTO, "of another build: version 2 of ");
}
END_TEST

START_TEST(a_module_that_is_no_door_is_refused)
{
    assert_refused("stranger", EPROTO, "no pawl_torch_door()");
}
END_TEST

START_TEST(a_missing_library_is_named_with_its_package)
{
    assert_refused("poor", ENOENT, "needs libtorch_cpu.so.0.0, which is not there: ");
    assert_refused("poor", ENOENT, "libtorch of that version");
}
END_TEST

PAWL_TEST_MAIN("door", a_module_finds_the_threads_set_in_the_environment,
               without_a_number_of_threads_the_environment_stays, the_door_opens_once,
               an_open_door_gets_no_cuda_later,
               a_door_that_is_not_there_says_where_it_was_looked_for,
               without_a_folder_named_the_ways_to_one_are_said,
               cuda_without_its_half_is_refused_and_the_door_can_be_opened_without,
               a_door_of_another_version_is_refused, a_module_that_is_no_door_is_refused,
               a_missing_library_is_named_with_its_package)
