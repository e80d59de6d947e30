/* The files in configs/: each is one that pawl takes, and a run of it begins and ends. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"

START_TEST(each_configuration_is_taken_and_runs)
{
    struct scratch scratch;
    glob_t files;
    scratch_open(&scratch);
    ck_assert_int_eq(glob(PAWL_SOURCE_DIR "/configs/*.toml", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        int code = shell_run("%s/pawl config check %s", PAWL_BIN_DIR, files.gl_pathv[i]);
        ck_assert_msg(code == 0, "%s: %d\n%s", files.gl_pathv[i], code, shell_text);
        code =
            shell_run("%s/pawl train %s run.dir=%s run.steps=300 learner.learning_starts=250",
                      PAWL_BIN_DIR, files.gl_pathv[i], scratch.path);
        ck_assert_msg(code == 0, "%s: %d\n%s", files.gl_pathv[i], code, shell_text);
    }
    globfree(&files);
    scratch_close(&scratch);
}
END_TEST

#define GRIPPER                                                                                \
    "[env]\ntype = \"dummy\"\n[env.dummy]\nchoice_count = 3\n[policy]\ntype = \"sac\"\n"       \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n[learner]\nbatch_size = 8\n"

static int train_gripper(const struct scratch *scratch, int choice_count)
{
    return shell_run("%s/pawl train %s/gripper.toml run.dir=%s run.steps=300 "
                     "policy.num_discrete_actions=%d",
                     PAWL_BIN_DIR, scratch->path, scratch->path, choice_count);
}

START_TEST(the_choices_of_a_gripper_are_learned_when_they_are_told)
{
    struct scratch scratch;
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "gripper.toml"), GRIPPER, strlen(GRIPPER));
    SHELL_PRINTS(train_gripper(&scratch, 3), 0, "200 updates");
    SHELL_PRINTS(
        train_gripper(&scratch, 2), 2,
        "'policy.num_discrete_actions' = 2: an action of env.type = \"dummy\" ends with 3 "
        "choices");
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("configs", each_configuration_is_taken_and_runs,
               the_choices_of_a_gripper_are_learned_when_they_are_told)
