#include "learner/learner_cfg.h"

#include <unistd.h>

#include "learner/learner.h"
#include "learner/replay_cfg.h"
#include "policy/policy_cfg.h"
#include "runtime/installed.h"
#include "runtime/run_cfg.h"
#include "support/cfg_messages.h"
#include "support/test.h"

START_TEST(the_rows_agree_with_themselves)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_cfg_tables_check(pawl_learner_tables, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_learner_needs_no_file)
{
    struct pawl_cfg *cfg;
    struct pawl_cfg_source source = {.path = NULL};
    ck_assert_int_eq(pawl_cfg_open(&cfg, pawl_learner_tables, &source, NULL), 0);
    const struct pawl_learner_cfg *learner = pawl_cfg_fields(cfg, &pawl_learner_table);
    ck_assert_int_gt(learner->rings_max, 0);
    ck_assert(!learner->ledger);
    pawl_cfg_close(cfg);
}
END_TEST

static const struct pawl_cfg_table *const looked_at[] = {
    &pawl_run_table,    &pawl_learner_table, &pawl_replay_table,
    &pawl_policy_table, &pawl_sac_table,     NULL};

/* clang-format off */
static const struct message_case cases[] = {
    {.about = "a device that there is no module for",
     .file = "[learner]\n"
         "device = \"cuda\"\n",
     .is_looked_at = true,
     .message =
         "test.toml:2:1: error: 'learner.device' = \"cuda\": this build of Pawl has no pawl_torch_cuda.so, the CUDA half of the torch door; -DPAWL_TORCH=PYTHON makes it with a torch that has CUDA\n"
         "   2 | device = \"cuda\"\n"
         "     | ^^^^^^\n"
         "  \"cpu\" computes on the processor, \"auto\" on a GPU where there is one\n"
         "1 error; nothing was started.   see: pawl config schema learner\n"},
    {.about = "a checkpoint that is not there",
     .words = {"learner.start_from=nowhere"},
     .is_looked_at = true,
     .message =
         "command line: error: 'learner.start_from' = \"nowhere\": nowhere/pretrained_model/model.safetensors: No such file or directory\n"
         "  wanted is the folder of a checkpoint, RUN/checkpoints/last say\n"
         "1 error; nothing was started.   see: pawl config schema learner\n"},
    {.about = "demonstrations that are not there",
     .file = "[replay]\n"
         "offline = \"nowhere.journal\"\n",
     .is_looked_at = true,
     .message =
         "test.toml:2:1: error: 'replay.offline' = \"nowhere.journal\": open nowhere.journal: No such file or directory\n"
         "   2 | offline = \"nowhere.journal\"\n"
         "     | ^^^^^^^\n"
         "  `pawl record` writes such a file; \"\" learns without one\n"
         "1 error; nothing was started.   see: pawl config schema replay\n"},
    {.about = "demonstrations that are none, and a checkpoint that is not there",
     .base = "what `pawl record` does not write, and longer than a header is at the least of it"
         ", by some bytes\n",
     .words = {"replay.offline=base.toml", "learner.start_from=nowhere"},
     .is_looked_at = true,
     .message =
         "command line: error: 'learner.start_from' = \"nowhere\": nowhere/pretrained_model/model.safetensors: No such file or directory\n"
         "  wanted is the folder of a checkpoint, RUN/checkpoints/last say\n"
         "command line: error: 'replay.offline' = \"base.toml\": base.toml: at byte 0: it does not begin with \"PAWLJRNL\"; wanted is a file as `pawl record` writes it\n"
         "  `pawl record` writes such a file; \"\" learns without one\n"
         "2 errors; nothing was started.   see: pawl config schema learner\n"},
    {.about = "a run that is over before it learns",
     .words = {"run.steps=100", "learner.learning_starts=100"},
     .is_warning = true,
     .message =
         "command line: warning: 'learner.learning_starts' = 100: the run ends after run.steps = 100, before its first update\n"},
    {.about = "a replay that is too small",
     .words = {"replay.capacity=50", "replay.n_step=50", "learner.batch_size=60"},
     .is_warning = true,
     .message =
         "command line: warning: 'replay.capacity' = 50: fewer frames than the 100 steps before the first update (learner.learning_starts): the oldest of them are never learnt from\n"
         "command line: warning: 'replay.n_step' = 50: replay.capacity = 50 has no room for so many in a row\n"},
    {.about = "a replay that is smaller than a batch",
     .words = {"replay.capacity=50", "learner.learning_starts=10", "learner.batch_size=60"},
     .is_warning = true,
     .message =
         "command line: warning: 'replay.capacity' = 50: fewer frames than a batch has (learner.batch_size = 60): each of its transitions is there several times\n"},
    {.about = "keys of replay that do nothing",
     .file = "[replay]\n"
         "alpha = 0.7\n"
         "beta = 0.4\n"
         "journal = false\n"
         "journal_sync_period_s = 2\n"
         "offline = \"demos\"\n"
         "offline_ratio = 0\n",
     .is_warning = true,
     .message =
         "test.toml:2:1: warning: 'replay.alpha' = 0.7 has no effect with 'replay.prioritized' = false\n"
         "test.toml:5:1: warning: 'replay.journal_sync_period_s' = 2.0 has no effect with 'replay.journal' = false\n"
         "test.toml:6:1: warning: 'replay.offline' = \"demos\" has no effect with 'replay.offline_ratio' = 0.0\n"},
};
/* clang-format on */

START_TEST(what_is_named_and_not_there_is_told_before_anything_is_started)
{
    setenv(PAWL_INSTALLED_ENV, "/nonexistent", 1); /* a build may have the CUDA half */
    messages_compare_of(looked_at, cases, sizeof(cases) / sizeof(cases[0]));
}
END_TEST

static int look(char *const *words, int count)
{
    struct pawl_cfg_source source = {.words = words, .word_count = count};
    struct pawl_cfg *cfg;
    ck_assert_int_eq(pawl_cfg_open(&cfg, looked_at, &source, NULL), 0);
    int code = pawl_cfg_look(cfg, NULL);
    pawl_cfg_close(cfg);
    return code;
}

START_TEST(what_is_not_used_is_not_looked_at)
{
    char *unused[] = {"replay.offline=nowhere", "replay.offline_ratio=0"};
    char *random[] = {"policy.type=random", "learner.device=cuda",
                      "learner.start_from=nowhere"};
    setenv(PAWL_INSTALLED_ENV, "/nonexistent", 1);
    ck_assert_int_eq(look(unused, 2), 0);
    ck_assert_int_eq(look(random, 3), 0);
}
END_TEST

START_TEST(more_threads_than_processors_are_refused)
{
    char *many[] = {"learner.threads=256"}, *one[] = {"learner.threads=1"};
    ck_assert_int_eq(look(one, 1), 0);
    ck_assert_int_eq(look(many, 1), sysconf(_SC_NPROCESSORS_ONLN) < 256 ? -EINVAL : 0);
}
END_TEST

START_TEST(what_the_machine_lacks_and_what_is_typed_wrong_are_told_apart)
{
    char *missing[] = {"learner.device=cuda"};
    char *nowhere[] = {"replay.offline=/nonexistent"};
    char *wrong[] = {"replay.offline=" PAWL_SOURCE_DIR "/README.md"};
    setenv(PAWL_INSTALLED_ENV, "/nonexistent", 1);
    ck_assert_int_eq(look(missing, 1), -ENODEV);
    ck_assert_int_eq(look(nowhere, 1), -EINVAL);
    ck_assert_int_eq(look(wrong, 1), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("learner_cfg", the_rows_agree_with_themselves, a_learner_needs_no_file,
               what_is_named_and_not_there_is_told_before_anything_is_started,
               what_is_not_used_is_not_looked_at, more_threads_than_processors_are_refused,
               what_the_machine_lacks_and_what_is_typed_wrong_are_told_apart)
