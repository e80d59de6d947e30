/* `pawl train` with learner.start_from: a run that begins with what another one learnt. */
#include "learner/checkpoint_find.h"
#include "learner/checkpoint_tree.h"
#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"
#include "support/train.h"

#define PAWL PAWL_BIN_DIR "/pawl"
#define SMALL                                                                                  \
    "[env]\ntype = \"dummy\"\n[run]\nsteps = 60\n"                                             \
    "[learner]\nlearning_starts = 20\nbatch_size = 8\n"

static struct scratch scratch;
static struct train train;

static void run(const char *config, const char *const *words)
{
    train_start(&train, PAWL, scratch.path, config, words);
    int code = train_wait(&train);
    ck_assert_msg(code == 0, "%d: %s", code, train_read(train.out_path));
}

static bool says(const char *path, const char *wanted)
{
    char *text = train_read(path);
    bool is_there = strstr(text, wanted) != NULL;
    free(text);
    return is_there;
}

/* A learner that has other networks refuses the tensors. */
START_TEST(a_run_takes_what_its_configuration_does_not_say_from_the_checkpoint)
{
    char word[PATH_MAX + 128];
    scratch_open(&scratch);
    run(SMALL,
        (const char *const[]){"policy.sac.hidden=[24, 8]", "policy.sac.latent_dim=12",
                              "policy.sac.std_max=2.5", "policy.sac.discount=0.9", NULL});
    snprintf(word, sizeof(word), "learner.start_from=%s",
             train_path(&train, "checkpoints/last"));
    run(SMALL "[policy.sac]\ndiscount = 0.8\n", (const char *const[]){word, NULL});
    const char *config = train_path(&train, "config.toml");
    ck_assert(says(config, "hidden = [24, 8]"));
    ck_assert(says(config, "latent_dim = 12"));
    ck_assert(says(config, "std_max = 2.5"));
    ck_assert(says(config, "discount = 0.8"));
    ck_assert(says(train.out_path, "+ policy.sac.std_max = 2.5"));
    ck_assert(says(train.out_path, "/checkpoints/last/pretrained_model/config.json"));
    ck_assert(says(train_path(&train, "log.txt"), "training goes on from="));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_run_in_the_place_of_its_checkpoint_is_answered_with_that)
{
    scratch_open(&scratch);
    run(SMALL, (const char *const[]){"policy.sac.hidden=[8]", NULL});
    SHELL_PRINTS(shell_run("cd %s && %s train %s env.type=dummy run.steps=60 run.dir=x "
                           "learner.start_from=%s",
                           scratch.path, PAWL, "1.toml", train_path(&train, "")),
                 2, "that is a run, and wanted is one of its checkpoints");
    ck_assert_ptr_nonnull(strstr(shell_text, "its newest is checkpoints/last in it"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_checkpoint_that_is_not_as_it_was_written_starts_nothing)
{
    scratch_open(&scratch);
    run(SMALL, (const char *const[]){"policy.sac.hidden=[8]", NULL});
    int fd = open(train_path(&train, "checkpoints/last/pretrained_model/model.safetensors"),
                  O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, "\0\0\0\0", 4, lseek(fd, 0, SEEK_END) - 4), 4);
    close(fd);
    SHELL_PRINTS(shell_run("cd %s && %s train %s env.type=dummy run.steps=60 run.dir=x "
                           "learner.start_from=%s",
                           scratch.path, PAWL, "1.toml",
                           train_path(&train, "checkpoints/last")),
                 2, "model.safetensors: CRC-32C");
    ck_assert_ptr_nonnull(strstr(shell_text, "nothing was started"));
    ck_assert_int_eq(access(scratch_path(&scratch, "x"), F_OK), -1);
    scratch_close(&scratch);
}
END_TEST

/* The default of the one key would not go with the other that is given. */
START_TEST(what_keys_demand_of_each_other_is_asked_of_the_checkpoints_values)
{
    char word[PATH_MAX + 128];
    scratch_open(&scratch);
    run(SMALL,
        (const char *const[]){"policy.sac.num_critics=4", "policy.sac.hidden=[8]", NULL});
    snprintf(word, sizeof(word), "learner.start_from=%s",
             train_path(&train, "checkpoints/last"));
    run(SMALL, (const char *const[]){word, "policy.sac.num_subsample_critics=3", NULL});
    ck_assert(says(train_path(&train, "config.toml"), "num_subsample_critics = 3"));
    scratch_close(&scratch);
}
END_TEST

/* LeRobot keeps our tags and not our state. */
START_TEST(a_checkpoint_that_went_through_lerobot_is_lerobots_and_the_run_says_so)
{
    char word[PATH_MAX + 128], state[PATH_MAX + 128];
    scratch_open(&scratch);
    run(SMALL, (const char *const[]){"policy.sac.compat=fixed", "policy.sac.hidden=[8]", NULL});
    snprintf(word, sizeof(word), "learner.start_from=%s",
             train_path(&train, "checkpoints/last"));
    run(SMALL, (const char *const[]){word, NULL});
    ck_assert(says(train_path(&train, "config.toml"), "compat = \"fixed\""));

    snprintf(state, sizeof(state), "%s/" PAWL_CHECKPOINT_STATE, strchr(word, '=') + 1);
    ck_assert_int_eq(unlink(state), 0);
    snprintf(state, sizeof(state), "%s/" PAWL_CHECKPOINT_MANIFEST, strchr(word, '=') + 1);
    ck_assert_int_eq(unlink(state), 0);
    run(SMALL, (const char *const[]){word, NULL});
    ck_assert(says(train_path(&train, "config.toml"), "compat = \"lerobot\""));
    ck_assert(says(train.out_path, "config.json: its state of Pawl is not there, so LeRobot "));
    scratch_close(&scratch);
}
END_TEST

/* It has all keys by then, and the checkpoint may be gone. */
START_TEST(a_resumed_run_goes_on_by_its_own_configuration)
{
    char word[PATH_MAX + 128];
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_proc proc;
    struct pawl_err err = {0};
    scratch_open(&scratch);
    run(SMALL, (const char *const[]){"policy.sac.hidden=[24, 8]", NULL});
    snprintf(word, sizeof(word), "learner.start_from=%s",
             train_path(&train, "checkpoints/last"));
    run(SMALL, (const char *const[]){word, NULL});
    ck_assert_int_eq(rename(word + strlen("learner.start_from="), scratch_path(&scratch, "x")),
                     0);
    snprintf(word, sizeof(word), "--resume=%s", train.run_folder);
    cfg.path = PAWL;
    cfg.argv = (const char *const[]){"pawl", "train", word, "run.steps=80", NULL};
    ck_assert_msg(pawl_proc_start(&proc, &cfg, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_proc_wait(&proc, pawl_clock_now_ns() + TRAIN_HANG_NS, &err), 0);
    ck_assert_int_eq(proc.exit.code, 0);
    pawl_proc_close(&proc);
    ck_assert(says(train_path(&train, "config.toml"), "hidden = [24, 8]"));
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("start_from",
               a_run_takes_what_its_configuration_does_not_say_from_the_checkpoint,
               a_run_in_the_place_of_its_checkpoint_is_answered_with_that,
               a_checkpoint_that_is_not_as_it_was_written_starts_nothing,
               what_keys_demand_of_each_other_is_asked_of_the_checkpoints_values,
               a_checkpoint_that_went_through_lerobot_is_lerobots_and_the_run_says_so,
               a_resumed_run_goes_on_by_its_own_configuration)
