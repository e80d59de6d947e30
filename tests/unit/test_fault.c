#include "runtime/fault.h"

#include "runtime/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/test.h"

#ifdef PAWL_FAULTS

static void arm(const char *text)
{
    struct pawl_err err = {0};
    int rc = pawl_fault_arm(text, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

START_TEST(a_point_that_is_not_armed_does_nothing)
{
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    arm("other:error=EIO");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    ck_assert_uint_eq(pawl_fault_passages("a"), 0);
}
END_TEST

START_TEST(an_error_comes_at_the_named_passage_only)
{
    arm("a:error=ENOSPC@3");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), ENOSPC);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    ck_assert_uint_eq(pawl_fault_passages("a"), 4);
}
END_TEST

START_TEST(a_plus_means_all_later_passages_too)
{
    arm("a:error=EIO@2+");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EIO);
}
END_TEST

START_TEST(without_a_passage_it_is_the_first)
{
    arm("a:error=EIO");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EIO);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
}
END_TEST

START_TEST(several_points_are_counted_apart)
{
    arm("a:error=EIO@2;b:error=ENOMEM;a:error=EINTR@3");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("b"), ENOMEM);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EIO);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EINTR);
}
END_TEST

START_TEST(disarming_ends_it)
{
    arm("a:error=EIO@1+");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EIO);
    pawl_fault_disarm();
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    ck_assert_uint_eq(pawl_fault_passages("a"), 0);
    arm("a:error=EIO");
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EIO);
}
END_TEST

START_TEST(a_delay_waits)
{
    arm("a:delay=5ms@2");
    PAWL_FAULT("a");
    uint64_t before_ns = pawl_clock_now_ns();
    PAWL_FAULT("a");
    ck_assert_uint_ge(pawl_clock_now_ns() - before_ns, 5 * PAWL_NS_PER_MS);
}
END_TEST

START_TEST(kill_is_a_death_without_a_goodbye)
{
    pid_t child = fork();
    if (child == 0) {
        arm("a:kill@2");
        PAWL_FAULT("a");
        PAWL_FAULT("a");
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}
END_TEST

START_TEST(stop_waits_for_somebody_to_continue_it)
{
    pid_t child = fork();
    if (child == 0) {
        arm("a:stop");
        PAWL_FAULT("a");
        _exit(7);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

START_TEST(the_environment_arms)
{
    struct pawl_err err = {0};
    unsetenv("PAWL_FAULT");
    ck_assert_int_eq(pawl_fault_arm_from_env(&err), 0);
    ck_assert(!atomic_load(&pawl_fault_is_armed));
    setenv("PAWL_FAULT", "a:error=EIO", 1);
    ck_assert_int_eq(pawl_fault_arm_from_env(&err), 0);
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), EIO);
}
END_TEST

START_TEST(a_point_that_is_reached_is_told_once)
{
    struct scratch scratch;
    scratch_open(&scratch);
    setenv("PAWL_FAULT_TOLD", scratch_path(&scratch, "told.txt"), 1);
    arm("a:error=EIO@2+;b:error=EIO@3");
    for (int i = 0; i < 2; i++) {
        PAWL_FAULT("b");
        PAWL_FAULT("a");
    }
    PAWL_FAULT("a");
    unsetenv("PAWL_FAULT_TOLD");
    scratch_expect(scratch_path(&scratch, "told.txt"), "a 2\n");
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_mistake_is_named_and_arms_nothing)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"a", "fault: \"a\": expected NAME:ACTION"},
        {";", "fault: \"\": expected NAME:ACTION"},
        {":kill", "fault: \"\": a name has 1 to 63 characters"},
        {"a:die", "fault: a: \"die\": expected kill, stop, error=ERRNO or delay=N{us,ms,s}"},
        {"a:error=EOOPS", "fault: a: \"EOOPS\" is not the name of an errno"},
        {"a:error=", "fault: a: \"\" is not the name of an errno"},
        {"a:delay=5", "fault: a: \"5\" is not a delay: expected a number with us, ms or s, at "
                      "most 3600s"},
        {"a:delay=3601s",
         "fault: a: \"3601s\" is not a delay: expected a number with us, ms or "
         "s, at most 3600s"},
        {"a:delay=99999999999999999999us",
         "fault: a: \"99999999999999999999us\" is not a delay: "
         "expected a number with us, ms or s, at most 3600s"},
        {"a:kill@0", "fault: a: \"@0\" is not a passage: expected @N or @N+, N from 1"},
        {"a:kill@-1", "fault: a: \"@-1\" is not a passage: expected @N or @N+, N from 1"},
        {"a:kill@1+x", "fault: a: \"@1+x\" is not a passage: expected @N or @N+, N from 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "good:error=EIO;%s", cases[i].text);
        struct pawl_err err = {0};
        ck_assert_int_eq(pawl_fault_arm(text, &err), -EINVAL);
        ck_assert_str_eq(err.text, cases[i].says);
        ck_assert_int_eq(PAWL_FAULT_ERRNO("good"), 0);
    }
}
END_TEST

START_TEST(more_points_than_fit_are_refused)
{
    char text[1024] = "";
    struct pawl_err err = {0};
    for (int i = 0; i < 33; i++)
        strcat(text, "p:error=EIO;");
    ck_assert_int_eq(pawl_fault_arm(text, &err), -EINVAL);
    ck_assert_str_eq(err.text, "fault: \"p:error=EIO\": only 32 points can be armed");

    memset(text, 'n', 300);
    text[300] = '\0';
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_fault_arm(text, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "is longer than 159 characters"));
}
END_TEST

static atomic_int hit_count;

static void *pass_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        if (PAWL_FAULT_ERRNO("a"))
            atomic_fetch_add(&hit_count, 1);
    return NULL;
}

START_TEST(threads_count_together_and_one_of_them_is_hit)
{
    arm("a:error=EIO@1234");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, pass_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(pawl_fault_passages("a"), 4000);
    ck_assert_int_eq(atomic_load(&hit_count), 1);
}
END_TEST

PAWL_TEST_MAIN("fault", a_point_that_is_not_armed_does_nothing,
               an_error_comes_at_the_named_passage_only, a_plus_means_all_later_passages_too,
               without_a_passage_it_is_the_first, several_points_are_counted_apart,
               disarming_ends_it, a_delay_waits, kill_is_a_death_without_a_goodbye,
               stop_waits_for_somebody_to_continue_it, the_environment_arms,
               a_point_that_is_reached_is_told_once, a_mistake_is_named_and_arms_nothing,
               more_points_than_fit_are_refused, threads_count_together_and_one_of_them_is_hit)

#else

START_TEST(a_build_without_faults_has_no_points)
{
    ck_assert_int_eq(PAWL_FAULT_ERRNO("a"), 0);
    PAWL_FAULT("a");
}
END_TEST

PAWL_TEST_MAIN("fault", a_build_without_faults_has_no_points)

#endif
