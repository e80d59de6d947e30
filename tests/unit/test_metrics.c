/* What metrics.h promises. */
#include "learner/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_metrics metrics;
static struct pawl_err err;

static void open_here(void)
{
    scratch_open(&scratch);
    const struct pawl_metrics_cfg cfg = {
        .folder = scratch.path, .io = pawl_io_sys(), .period_ns = 1000, .start_ns = 5};
    ck_assert_msg(pawl_metrics_open(&metrics, &cfg, &err) == 0, "%s", err.text);
}

/* The file from its first `"role"` on, where wall is behind it. */
static const char *read_from_role(void)
{
    static char text[4096];
    size_t length;
    char *bytes = scratch_read(scratch_path(&scratch, PAWL_METRICS_NAME), &length);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_lt(length, sizeof(text));
    memcpy(text, bytes, length + 1);
    free(bytes);
    const char *role = strstr(text, "\"role\"");
    ck_assert_ptr_nonnull(role);
    return role;
}

START_TEST(a_line_has_the_mean_of_what_was_added_and_the_last_of_what_was_set)
{
    open_here();
    pawl_metrics_add(&metrics, "loss/critic", 1.0);
    pawl_metrics_add(&metrics, "loss/critic", 2.0);
    pawl_metrics_set(&metrics, "replay/size", 3.0);
    pawl_metrics_set(&metrics, "replay/size", 4.0);
    pawl_metrics_write(&metrics, 1005, 7, 9);
    ck_assert_str_eq(read_from_role(), "\"role\":\"learner\",\"step\":7,\"env_step\":9,"
                                       "\"loss/critic\":1.5,\"replay/size\":4.0}\n");
    pawl_metrics_close(&metrics);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_new_period_begins_with_nothing)
{
    open_here();
    pawl_metrics_add(&metrics, "a", 1.0);
    pawl_metrics_write(&metrics, 1005, 1, 1);
    pawl_metrics_add(&metrics, "b", 2.0);
    pawl_metrics_write(&metrics, 2005, 2, 2);
    const char *second = strstr(strstr(read_from_role(), "\n"), "\"role\"");
    ck_assert_str_eq(second, "\"role\":\"learner\",\"step\":2,\"env_step\":2,\"b\":2.0}\n");
    pawl_metrics_close(&metrics);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
    open_here();
    pawl_metrics_add(&metrics, "loss/critic", (double)NAN);
    pawl_metrics_write(&metrics, 1005, 7, 9);
    ck_assert_ptr_nonnull(strstr(read_from_role(), "\"loss/critic\":null}"));
    pawl_metrics_close(&metrics);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_line_is_due_once_a_period)
{
    open_here();
    metrics.written_ns = 10000;
    ck_assert(!pawl_metrics_is_due(&metrics, 10999));
    ck_assert(pawl_metrics_is_due(&metrics, 11000));
    pawl_metrics_write(&metrics, 11000, 1, 1);
    ck_assert(!pawl_metrics_is_due(&metrics, 11500));
    pawl_metrics_close(&metrics);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_second_learner_goes_on_behind_the_lines_of_the_first)
{
    open_here();
    pawl_metrics_write(&metrics, 1005, 1, 1);
    pawl_metrics_close(&metrics);
    const struct pawl_metrics_cfg cfg = {
        .folder = scratch.path, .io = pawl_io_sys(), .period_ns = 1000};
    ck_assert_int_eq(pawl_metrics_open(&metrics, &cfg, &err), 0);
    pawl_metrics_write(&metrics, 1005, 2, 2);
    pawl_metrics_close(&metrics);
    const char *first = read_from_role();
    ck_assert_ptr_nonnull(strstr(first, "\"step\":1,"));
    ck_assert_ptr_nonnull(strstr(first, "\"step\":2,"));
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("metrics", a_line_has_the_mean_of_what_was_added_and_the_last_of_what_was_set,
               a_new_period_begins_with_nothing, what_is_not_finite_is_null,
               a_line_is_due_once_a_period,
               a_second_learner_goes_on_behind_the_lines_of_the_first)
