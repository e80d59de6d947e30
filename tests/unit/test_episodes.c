#include "learner/episodes.h"

#include <stdio.h>

#include "support/scratch.h"
#include "support/test.h"

static struct scratch scratch;
static struct pawl_episodes_recent recent;

static void put(const char *mode, int count, double first_return, const char *end,
                const char *rest)
{
    FILE *out = fopen(scratch_path(&scratch, "episodes.jsonl"), mode);
    ck_assert_ptr_nonnull(out);
    for (int i = 0; i < count; i++)
        fprintf(out,
                "{\"env_step\":%d,\"actor\":0,\"lane\":0,\"episode\":%d,\"length\":10,"
                "\"return\":%.1f,\"end\":\"%s\",\"success\":%s,\"intervention\":false}\n",
                10 * (i + 1), i, first_return + i, end, i % 2 ? "true" : "false");
    fputs(rest, out);
    fclose(out);
}

START_TEST(the_last_episodes_count)
{
    scratch_open(&scratch);
    put("we", 1000, 0.0, "truncated", "");
    pawl_episodes_read_recent(&recent, scratch.path, 20);
    ck_assert_uint_eq(recent.count, 20);
    ck_assert_uint_eq(recent.success_count, 10);
    ck_assert_double_eq_tol(recent.return_mean, 989.5, 1e-9);
    ck_assert_double_eq_tol(recent.length_mean, 10.0, 1e-9);
    ck_assert_uint_eq(pawl_episodes_count(scratch.path, UINT64_MAX), 1000);
    ck_assert_uint_eq(pawl_episodes_count(scratch.path, 500), 50);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_was_cut_and_what_is_half_written_does_not_count)
{
    scratch_open(&scratch);
    put("we", 3, 100.0, "terminated", "");
    put("ae", 5, -9.0, "cut", "no line\n{\"env_step\":80,\"actor\":0,\"len");
    pawl_episodes_read_recent(&recent, scratch.path, 20);
    ck_assert_uint_eq(recent.count, 3);
    ck_assert_double_eq_tol(recent.return_mean, 101.0, 1e-9);
    ck_assert_uint_eq(pawl_episodes_count(scratch.path, UINT64_MAX), 8);
    scratch_close(&scratch);
}
END_TEST

START_TEST(no_file_is_no_episode)
{
    scratch_open(&scratch);
    pawl_episodes_read_recent(&recent, scratch.path, 20);
    ck_assert_uint_eq(recent.count, 0);
    ck_assert_uint_eq(pawl_episodes_count(scratch.path, UINT64_MAX), 0);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("episodes", the_last_episodes_count,
               what_was_cut_and_what_is_half_written_does_not_count, no_file_is_no_episode)
