/* The files in configs/: each is one that pawl takes, and a run of it begins and ends. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support/scratch.h"
#include "support/test.h"

static void assert_done(const char *line)
{
    char text[8192];
    FILE *pipe = popen(line, "re");
    ck_assert_ptr_nonnull(pipe);
    text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %d\n%s", line, status,
                  text);
}

START_TEST(each_configuration_is_taken_and_runs)
{
    struct scratch scratch;
    char line[4096];
    glob_t files;
    scratch_open(&scratch);
    ck_assert_int_eq(glob(PAWL_SOURCE_DIR "/configs/*.toml", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        snprintf(line, sizeof(line), "%s/pawl config check %s 2>&1", PAWL_BIN_DIR,
                 files.gl_pathv[i]);
        assert_done(line);
        snprintf(line, sizeof(line),
                 "%s/pawl train %s run.dir=%s run.steps=300 learner.learning_starts=250 2>&1",
                 PAWL_BIN_DIR, files.gl_pathv[i], scratch.path);
        assert_done(line);
    }
    globfree(&files);
    scratch_close(&scratch);
}
END_TEST

#define GRIPPER                                                                                \
    "[env]\ntype = \"dummy\"\n[env.dummy]\nchoice_count = 3\n[policy]\ntype = \"sac\"\n"       \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n[learner]\nbatch_size = 8\n"

/* How `pawl train` of it ended, and what it printed. */
static int train_gripper(const struct scratch *scratch, int choice_count, char text[8192])
{
    char line[4096];
    snprintf(line, sizeof(line),
             "%s/pawl train %s/gripper.toml run.dir=%s run.steps=300 "
             "policy.num_discrete_actions=%d 2>&1",
             PAWL_BIN_DIR, scratch->path, scratch->path, choice_count);
    FILE *pipe = popen(line, "re");
    ck_assert_ptr_nonnull(pipe);
    text[fread(text, 1, 8191, pipe)] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(the_choices_of_a_gripper_are_learned_when_they_are_told)
{
    struct scratch scratch;
    static char text[8192];
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "gripper.toml"), GRIPPER, strlen(GRIPPER));
    ck_assert_msg(train_gripper(&scratch, 3, text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "200 updates"));
    ck_assert_int_eq(train_gripper(&scratch, 2, text), 2);
    ck_assert_ptr_nonnull(strstr(text, "policy.num_discrete_actions = 2: an action of "
                                       "env.type = \"dummy\" ends with 3 choices"));
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("configs", each_configuration_is_taken_and_runs,
               the_choices_of_a_gripper_are_learned_when_they_are_told)
