/* What a run prints of itself, with the real roles. */
#include <stdio.h>
#include <string.h>

#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"

static struct scratch scratch;

static void run_pawl(int exit_code, const char *before, const char *words)
{
    static const char config[] = "[env]\ntype = \"dummy\"\n[policy]\ntype = \"random\"\n";
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "run.toml"), config, strlen(config));
    int code = shell_run("cd %s && %s %s/pawl %s", scratch.path, before, PAWL_BIN_DIR, words);
    ck_assert_msg(code == exit_code, "exit code %d: %s", code, shell_text);
}

static void assert_said(const char *wanted)
{
    ck_assert_msg(strstr(shell_text, wanted) != NULL, "not said: %s\n%s", wanted, shell_text);
}

START_TEST(steps_beyond_the_goal_are_not_counted)
{
    run_pawl(0, "", "train run.toml run.steps=123");
    assert_said(": 123 steps, ");
    shell_run("cat %s/runs/*/*/exit.json", scratch.path);
    assert_said("\"env_steps\": 123,");
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_learner_alone_says_that_it_waits_for_actors)
{
    run_pawl(124, "timeout 5", "learner run.toml");
    assert_said("            waits for actors: pawl actor --join=runs/");
    assert_said("s: learner 0 waits for actors: pawl actor --join=runs/");
    scratch_close(&scratch);
}
END_TEST

START_TEST(the_memory_is_told_before_the_first_period)
{
    run_pawl(0, "", "train run.toml run.steps=2500 env.target_hz=1000 log.period_s=0.1");
    const char *memory = strstr(shell_text, "\nmemory      ");
    const char *period = strstr(shell_text, "/s (10 s)");
    ck_assert_msg(memory && period && memory < period, "%s", shell_text);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("run_says", the_memory_is_told_before_the_first_period,
               steps_beyond_the_goal_are_not_counted,
               a_learner_alone_says_that_it_waits_for_actors)
