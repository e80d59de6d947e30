#include "learner/learner_cfg.h"

#include "learner/learner.h"
#include "learner/replay_cfg.h"
#include "policy/policy_cfg.h"
#include "runtime/installed.h"
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
    &pawl_learner_table, &pawl_replay_table, &pawl_policy_table, &pawl_sac_table, NULL};

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

START_TEST(what_is_missing_and_what_is_wrong_are_told_apart)
{
    char *missing[] = {"replay.offline=/nonexistent"};
    char *wrong[] = {"replay.offline=" PAWL_SOURCE_DIR "/README.md"};
    ck_assert_int_eq(look(missing, 1), -ENOENT);
    ck_assert_int_eq(look(wrong, 1), -EINVAL);
}
END_TEST

PAWL_TEST_MAIN("learner_cfg", the_rows_agree_with_themselves, a_learner_needs_no_file,
               what_is_named_and_not_there_is_told_before_anything_is_started,
               what_is_not_used_is_not_looked_at,
               what_is_missing_and_what_is_wrong_are_told_apart)
