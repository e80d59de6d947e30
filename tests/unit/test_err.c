#include "runtime/err.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

START_TEST(an_error_is_a_code_and_a_sentence)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_err_set(&err, ENOENT, "open %s: none", "x"), -ENOENT);
    ck_assert_str_eq(err.text, "open x: none");
}
END_TEST

START_TEST(the_first_error_stays)
{
    struct pawl_err err = {0};
    pawl_err_set(&err, ENOENT, "first");
    ck_assert_int_eq(pawl_err_set(&err, EIO, "second"), -ENOENT);
    ck_assert_str_eq(err.text, "first");
}
END_TEST

START_TEST(wrapping_names_the_outer_step_first)
{
    struct pawl_err err = {0};
    pawl_err_set(&err, EINVAL, "slot size 7: not a multiple of 8");
    ck_assert_int_eq(pawl_err_wrap(&err, "open ring %d", 3), -EINVAL);
    ck_assert_str_eq(err.text, "open ring 3: slot size 7: not a multiple of 8");
}
END_TEST

START_TEST(wrapping_without_an_error_is_still_a_failure)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_err_wrap(&err, "open"), -EIO);
    ck_assert_str_eq(err.text, "open: failed without a reason");
    ck_assert_int_eq(pawl_err_wrap(NULL, "open"), -EIO);
}
END_TEST

START_TEST(no_error_object_still_returns_the_code)
{
    ck_assert_int_eq(pawl_err_set(NULL, EPERM, "unseen"), -EPERM);
    ck_assert_int_eq(pawl_err_set(NULL, 0, "a lost errno"), -EIO);
}
END_TEST

START_TEST(a_text_too_long_ends_in_dots)
{
    char text[3 * PAWL_ERR_TEXT_BYTES];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct pawl_err err = {0};
    pawl_err_set(&err, EINVAL, "%s", text);
    ck_assert_uint_eq(strlen(err.text), PAWL_ERR_TEXT_BYTES - 1);
    ck_assert_str_eq(err.text + PAWL_ERR_TEXT_BYTES - 4, "...");
    pawl_err_wrap(&err, "wrapped");
    ck_assert_str_eq(err.text + PAWL_ERR_TEXT_BYTES - 4, "...");
}
END_TEST

PAWL_TEST_MAIN("err", an_error_is_a_code_and_a_sentence, the_first_error_stays,
               wrapping_names_the_outer_step_first,
               wrapping_without_an_error_is_still_a_failure,
               no_error_object_still_returns_the_code, a_text_too_long_ends_in_dots)
