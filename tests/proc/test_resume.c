/* pawl train --resume, with role_fake.c in the place of the roles and a checkpoint that is
 * written here. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/run_folder.h"
#include "support/saved.h"
#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"

#define HANG_TURNS 3000

static struct scratch scratch;
static char run[128];

static int pawl(const char *words)
{
    return shell_run("cd %s && PAWL_LIBEXEC=%s/roles %s/pawl %s", scratch.path, scratch.path,
                     PAWL_BIN_DIR, words);
}

static int resume(const char *words)
{
    char line[512];
    snprintf(line, sizeof(line), "train --resume=%s %s", run, words);
    return pawl(line);
}

static void assert_said(int code, int exit_code, const char *part)
{
    ck_assert_msg(code == exit_code && strstr(shell_text, part), "%d, no '%s' in:\n%s", code,
                  part, shell_text);
}

static const char *in_run(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", run, name);
    return scratch_path(&scratch, path);
}

static bool has(const char *name, const char *wanted)
{
    size_t bytes;
    char *text = scratch_read(in_run(name), &bytes);
    bool is_there = text && strstr(text, wanted);
    free(text);
    return is_there;
}

/* A run that has ended. */
static void open_run(void)
{
    scratch_open(&scratch);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "roles"), 0700), 0);
    ck_assert_int_eq(symlink(PAWL_ROLE_FAKE, scratch_path(&scratch, "roles/pawl-learner")), 0);
    ck_assert_int_eq(symlink(PAWL_ROLE_FAKE, scratch_path(&scratch, "roles/pawl-actor")), 0);
    setenv("FAKE", "learner:done=200", 1);
    scratch_write(scratch_path(&scratch, "run.toml"), "[run]\nstop_s = 30\n", 18);
    ck_assert_int_eq(pawl("train run.toml"), 0);
    const char *line = strstr(shell_text, "run folder  ");
    ck_assert(line && sscanf(line, "run folder  %100s", run) == 1);
}

static void save(const char *step_json)
{
    static const char *const folders[] = {"checkpoints", "checkpoints/000007",
                                          "checkpoints/000007/training_state"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        ck_assert_int_eq(mkdir(in_run(folders[i]), 0700), 0);
    scratch_write(in_run("checkpoints/000007/training_state/training_step.json"), step_json,
                  strlen(step_json));
    saved_seal(in_run("checkpoints/000007"), 7, "training_state/training_step.json");
}

START_TEST(a_run_goes_on_in_its_folder_with_what_is_overridden)
{
    open_run();
    ck_assert(!has("starts", "resumed"));
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    assert_said(resume("actor.count=2"), 0, "checkpoints/000007, update 7\n");
    assert_said(0, 0, "123.");
    ck_assert(has("starts", "resumed"));
    ck_assert(has("starts", "actor1 "));
    ck_assert(has("config.toml", "count = 2"));
    ck_assert(has("config.toml", "stop_s = 30"));
    ck_assert(has("config.001.toml", "count = 1"));
    ck_assert(has("exit.001.json", "\"done\""));
    ck_assert(has("exit.json", "\"env_steps\": 123"));
    ck_assert(has("command.txt", "--resume="));
    ck_assert(has("command.001.txt", "train run.toml"));
    ck_assert_int_eq(resume(""), 0);
    ck_assert(has("config.002.toml", "count = 2"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_whose_goal_is_reached_is_left_as_it_is)
{
    open_run();
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    ck_assert_int_eq(symlink("000007", in_run("checkpoints/last")), 0);
    ck_assert_int_eq(resume("run.steps=1000"), 0);
    assert_said(0, 0, "123000 steps are taken, run.steps is 1000: nothing is left to do");
    assert_said(0, 0, " run.steps=246000\n");
    ck_assert(!has("starts", "resumed"));
    ck_assert(has("config.toml", "steps = 0"));
    ck_assert_int_eq(access(in_run("config.001.toml"), F_OK), -1);
    ck_assert_int_eq(access(in_run("exit.json"), F_OK), 0);
    ck_assert_int_eq(resume("run.steps=200000"), 0);
    ck_assert_ptr_null(strstr(shell_text, "nothing is left to do"));
    ck_assert_ptr_nonnull(strstr(shell_text, " run.steps=400000\n"));
    ck_assert(has("starts", "resumed"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_that_a_role_refuses_to_go_on_with_is_as_it_was)
{
    static const char *const wishes[] = {"learner:exit=2", "learner:exit=3",
                                         "actor0:exit=2 learner:held"};
    open_run();
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    ck_assert_int_eq(symlink("000007", in_run("checkpoints/last")), 0);
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        setenv("FAKE", wishes[i], 1);
        assert_said(resume("run.stop_s=20"), i == 1 ? 3 : 2, " is as it was\n");
        assert_said(0, 0, "- run.stop_s = 30");
        assert_said(0, 0, "+ run.stop_s = 20");
        assert_said(0, 0, "/config.toml KEY=VALUE\n");
        ck_assert_msg(!strstr(shell_text, "next  "), "%s", shell_text);
        ck_assert(has("config.toml", "stop_s = 30"));
        ck_assert(has("command.txt", "train run.toml"));
        ck_assert(has("exit.json", "\"done\""));
        ck_assert_int_eq(access(in_run("config.001.toml"), F_OK), -1);
        ck_assert_int_eq(access(in_run("command.001.txt"), F_OK), -1);
        ck_assert_int_eq(access(in_run("exit.001.json"), F_OK), -1);
    }
    setenv("FAKE", "learner:done=200", 1);
    ck_assert_int_eq(resume(""), 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(what_a_run_that_has_begun_takes_no_notice_of_is_refused)
{
    open_run();
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    assert_said(resume("run.dir=elsewhere"), 2, "the run stays in its folder, ");
    assert_said(resume("policy.type=random"), 2, "the run has begun with another");
    assert_said(resume("learner.start_from=x"), 2, "goes on from its own checkpoint");
    assert_said(resume("replay.offline=no.journal"), 2, "command line: error: ");
    ck_assert(!has("starts", "resumed"));
    ck_assert_int_eq(access(in_run("config.001.toml"), F_OK), -1);

    /* What it has had all along may be gone. */
    ck_assert_int_eq(shell_run("cd %s && sed -i 's/^offline = \"\"/offline = \"gone\"/' "
                               "%s/config.toml",
                               scratch.path, run),
                     0);
    assert_said(resume("replay.offline=other"), 2, "has its demonstrations already");
    assert_said(resume("run.stop_s=20"), 0, "done after");
    scratch_close(&scratch);
}
END_TEST

START_TEST(without_a_valid_checkpoint_it_fails_and_nothing_changes)
{
    open_run();
    assert_said(resume(""), 1, "does not begin anew by itself");
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    scratch_write(in_run("checkpoints/000007/training_state/training_step.json"), "{}", 2);
    assert_said(resume(""), 1, "skipped: ");
    ck_assert(!has("starts", "resumed"));
    ck_assert(has("exit.json", "\"done\""));
    ck_assert_int_eq(access(in_run("config.001.toml"), F_OK), -1);
    scratch_close(&scratch);
}
END_TEST

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

/* A number of exit.json. */
static unsigned long number_at_end(const char *key)
{
    size_t bytes;
    char *text = scratch_read(in_run("exit.json"), &bytes);
    const char *at = text ? strstr(text, key) : NULL;
    ck_assert_msg(at != NULL, "no %s", key);
    unsigned long number = strtoul(at + strlen(key), NULL, 10);
    free(text);
    return number;
}

/* With the real roles, which look for themselves. */
START_TEST(a_checkpoint_that_is_passed_over_is_told_once)
{
    static const char config[] = "[env]\ntype = \"dummy\"\n[policy]\ntype = \"sac\"\n"
                                 "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"
                                 "[learner]\nbatch_size = 4\nlearning_starts = 10\n"
                                 "[checkpoint]\nevery_updates = 50\n[run]\nsteps = 200\n";
    char model[PATH_MAX];
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "run.toml"), config, strlen(config));
    ck_assert_int_eq(shell_run("cd %s && %s/pawl train run.toml", scratch.path, PAWL_BIN_DIR),
                     0);
    const char *line = strstr(shell_text, "run folder  ");
    ck_assert(line && sscanf(line, "run folder  %100s", run) == 1);
    snprintf(model, sizeof(model), "%s",
             in_run("checkpoints/last/pretrained_model/model.safetensors"));
    scratch_write(model, "", 0);
    ck_assert_int_eq(shell_run("cd %s && %s/pawl train --resume=%s run.steps=300", scratch.path,
                               PAWL_BIN_DIR, run),
                     0);
    ck_assert_msg(count_of(shell_text, "skipped") == 1, "%s", shell_text);
    ck_assert(has("log.txt", "checkpoint skipped"));

    /* It went on from update 50, after some 60 steps: what its processes did since is less. */
    unsigned long step_count = number_at_end("\"env_steps\": ");
    ck_assert_uint_eq(step_count, 300);
    ck_assert_uint_ge(number_at_end("\"updates\": "), 290);
    ck_assert_uint_gt(number_at_end("\"learner.records_ingested\": "), 0);
    ck_assert_uint_lt(number_at_end("\"learner.records_ingested\": "), step_count);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_that_somebody_has_is_left_to_them)
{
    struct pawl_run_folder folder;
    struct pawl_err err = {0};
    open_run();
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    int code = pawl_run_folder_open(&folder, scratch_path(&scratch, run), "this test", &err);
    ck_assert_msg(code == 0, "%s", err.text);
    assert_said(resume(""), 2, ": this test");
    assert_said(0, 0, "is in use by process ");
    pawl_run_folder_close(&folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_learner_that_outlives_its_supervisor_keeps_the_folder)
{
    char line[1024];
    int learner = 0, supervisor = 0;
    open_run();
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    setenv("FAKE", "learner:mute", 1);
    unlink(in_run("starts"));
    snprintf(line, sizeof(line),
             "cd %s && (PAWL_LIBEXEC=%s/roles %s/pawl train --resume=%s >/dev/null 2>&1 & echo "
             "$! >pid)",
             scratch.path, scratch.path, PAWL_BIN_DIR, run);
    ck_assert_int_eq(system(line), 0);
    for (int i = 0; learner == 0 && i < HANG_TURNS; i++) {
        size_t bytes;
        char *text = scratch_read(in_run("starts"), &bytes);
        const char *at = text ? strstr(text, "learner ") : NULL;
        if (at && strchr(at, '\n'))
            learner = atoi(at + strlen("learner "));
        free(text);
        usleep(10000);
    }
    ck_assert_int_gt(learner, 0);
    FILE *in = fopen(scratch_path(&scratch, "pid"), "re");
    ck_assert(in && fscanf(in, "%d", &supervisor) == 1 && supervisor > 0);
    fclose(in);
    ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
    for (int i = 0; kill(supervisor, 0) == 0 && i < HANG_TURNS; i++)
        usleep(10000);
    assert_said(resume(""), 2, "has ended, and what it started is about to end too");
    ck_assert_int_eq(kill(learner, SIGKILL), 0);
    for (int i = 0; kill(learner, 0) == 0 && i < HANG_TURNS; i++)
        usleep(10000);
    setenv("FAKE", "learner:done=200", 1);
    assert_said(resume(""), 0, "checkpoints/000007, update 7\n");
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_wrong_line_says_what_is_wanted)
{
    char line[256];
    open_run();
    assert_said(pawl("train"), 2, "say what to run");
    assert_said(pawl("train --resume=nowhere"), 2, "nowhere/config.toml");
    assert_said(resume("run.toml"), 2, "goes on with its own config.toml");
    assert_said(resume("--resume=other"), 2, "option '--resume' is given twice");
    save("{\"step\": 7, \"interaction_step\": 123000}\n");
    snprintf(line, sizeof(line), "train %s/", run);
    assert_said(pawl(line), 2, " is a run: --resume=runs/");
    snprintf(line, sizeof(line), "train --resume=%s/checkpoints/000007", run);
    assert_said(pawl(line), 2, " goes on with it, from its newest valid checkpoint");
    assert_said(pawl("train --resume=runs"), 2, "runs/config.toml: No such file or directory");
    assert_said(pawl("train runs"), 2, "runs is a folder; a configuration is a file");
    snprintf(line, sizeof(line), "checkpoint list %s//", run);
    ck_assert_int_eq(pawl(line), 0);
    snprintf(line, sizeof(line), "train --resume=%s//", run);
    ck_assert_int_eq(pawl(line), 0);
    ck_assert_msg(!strstr(shell_text, "//"), "%s", shell_text);
    assert_said(resume("run.sead=3"), 2, "did you mean 'run.seed'?");
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("resume", a_run_goes_on_in_its_folder_with_what_is_overridden,
               a_run_whose_goal_is_reached_is_left_as_it_is,
               a_run_that_a_role_refuses_to_go_on_with_is_as_it_was,
               what_a_run_that_has_begun_takes_no_notice_of_is_refused,
               without_a_valid_checkpoint_it_fails_and_nothing_changes,
               a_checkpoint_that_is_passed_over_is_told_once,
               a_run_that_somebody_has_is_left_to_them,
               a_learner_that_outlives_its_supervisor_keeps_the_folder,
               a_wrong_line_says_what_is_wanted)
