/* pawl record, as a shell starts it; what it wrote is read as a learner reads it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actor/env_reach2d.h"
#include "actor/env_registry.h"
#include "actor/env_spec.h"
#include "actor/record.h"
#include "learner/journal.h"
#include "shm/record.h"
#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"

#define CONFIG                                                                                 \
    "[env]\ntype = \"reach2d\"\n[env.reach2d]\nreward = \"sparse\"\n[policy]\ntype = "         \
    "\"random\"\n"

static struct scratch scratch;

static int pawl(const char *words)
{
    return shell_run("cd %s && %s/pawl %s", scratch.path, PAWL_BIN_DIR, words);
}

static void assert_prints(const char *words, int exit_code, const char *part)
{
    SHELL_PRINTS(pawl(words), exit_code, part);
}

static void open_test(void)
{
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "x.toml"), CONFIG, strlen(CONFIG));
}

START_TEST(a_learner_finds_every_step_of_the_expert_and_the_sparse_reward)
{
    struct pawl_record_layout layout;
    struct pawl_env_reach2d_cfg reach;
    struct pawl_env_args args = pawl_env_default_args();
    struct pawl_env_spec spec;
    struct pawl_replay replay;
    struct pawl_journal_loaded loaded;
    struct pawl_err err = {0};
    unsigned steps = 0;

    open_test();
    assert_prints("record x.toml --output=demos.journal", 0, /* 20 unless another is given */
                  "20 solved (success 1.00), return 1 mean\n");
    ck_assert(sscanf(shell_text, "recorded    20 episodes, %u steps", &steps) == 1);
    ck_assert_int_eq(pawl_cfg_default(&pawl_env_reach2d_table, &reach, NULL), 0);
    args.fields = &reach;
    ck_assert_int_eq(pawl_env_spec_read(&spec, &pawl_env_reach2d, &args, NULL), 0);
    ck_assert_int_eq(pawl_record_layout_make(&layout, &spec, &pawl_random_policy,
                                             &(struct pawl_policy_setup){0}, NULL),
                     0);
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_OFFLINE_LABEL, .spec = &layout.spec, .capacity = 4096};
    ck_assert_int_eq(pawl_replay_create(&replay, &setup, &err), 0);
    int code = pawl_journal_load_file(pawl_io_sys(), scratch_path(&scratch, "demos.journal"),
                                      &replay, &loaded, &err);
    ck_assert_msg(code == 0, "%s", err.text);
    ck_assert_uint_eq(replay.sample_count, steps); /* each has its successor */
    ck_assert_uint_eq(loaded.frames, steps + 20);  /* and each episode its FINAL */
    pawl_replay_close(&replay);
    scratch_close(&scratch);
}
END_TEST

START_TEST(nothing_is_overwritten)
{
    open_test();
    scratch_write(scratch_path(&scratch, "mine"), "precious", 8);
    assert_prints("record x.toml --output=mine", 2, "nothing is overwritten");
    size_t bytes;
    char *text = scratch_read(scratch_path(&scratch, "mine"), &bytes);
    ck_assert_str_eq(text, "precious");
    free(text);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_wrong_line_writes_nothing)
{
    open_test();
    assert_prints("record x.toml", 2, "--output=FILE");
    assert_prints("record --output=out", 2, "not complete");
    assert_prints("record x.toml --output=out --episodes=0", 2, "--episodes=0");
    assert_prints("record x.toml --output=out env.type=dummy", 1, "has no expert");
    assert_prints("record x.toml --output=nowhere/out", 2, "folder nowhere");
    ck_assert_int_eq(access(scratch_path(&scratch, "out"), F_OK), -1);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("record", a_learner_finds_every_step_of_the_expert_and_the_sparse_reward,
               nothing_is_overwritten, a_wrong_line_writes_nothing)
