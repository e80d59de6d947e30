/* A deterministic run is the same run again: what the episodes were, and every byte of every
 * record (the ledger has their checksums), with real processes. */
#include "learner/checkpoint_find.h"
#include "support/ledger_file.h"
#include "support/scratch.h"
#include "support/shell.h"
#include "support/test.h"
#include "support/train.h"

static struct scratch scratch;
static struct ledger_file ledger;

/* A run to its end: its episodes.jsonl, to be freed, and the checksum of its records. */
static char *run(const char *config, const char *seed, unsigned *crc32c)
{
    struct train train;
    const char *const words[] = {"run.deterministic=true", "learner.ledger=true", seed, NULL};
    train_start(&train, PAWL_BIN_DIR "/pawl", scratch.path, config, words);
    int code = train_wait(&train);
    ck_assert_msg(code == 0, "exit code %d: %s", code, train_read(train.out_path));
    const char *wrong = ledger_read(&ledger, train_path(&train, "ledger.jsonl"));
    ck_assert_msg(wrong == NULL, "%s", wrong);
    ck_assert_uint_eq(ledger.source_count, 1);
    ck_assert(ledger.sources[0].has_end);
    *crc32c = ledger.sources[0].crc32c;
    return train_read(train_path(&train, "episodes.jsonl"));
}

static void expect_equal_runs(const char *config)
{
    unsigned crc32c[3];
    scratch_open(&scratch);
    char *first = run(config, "run.seed=5", &crc32c[0]);
    char *again = run(config, "run.seed=5", &crc32c[1]);
    char *other = run(config, "run.seed=6", &crc32c[2]);
    ck_assert_uint_gt(strlen(first), 0);
    ck_assert_str_eq(first, again);
    ck_assert_msg(crc32c[0] == crc32c[1],
                  "the episodes are the same, the records are not: checksums %08x and %08x",
                  crc32c[0], crc32c[1]);
    ck_assert_uint_ne(crc32c[0], crc32c[2]);
    ck_assert_str_ne(first, other);
    free(first);
    free(again);
    free(other);
    scratch_close(&scratch);
}

START_TEST(a_run_of_one_lane_is_the_same_again)
{
    expect_equal_runs("[run]\nsteps = 1000\n[env]\ntype = \"cartpole\"\n"
                      "[policy]\ntype = \"random\"\n[learner]\npublish_every = 7\n");
}
END_TEST

START_TEST(a_run_of_several_lanes_is_the_same_again)
{
    /* The goal is in the middle of a round. */
    expect_equal_runs("[run]\nsteps = 1001\n[env]\ntype = \"cartpole\"\nlanes = 4\n"
                      "[policy]\ntype = \"random\"\n[learner]\npublish_every = 3\n");
}
END_TEST

START_TEST(a_run_with_a_network_is_the_same_again)
{
    expect_equal_runs("[run]\nsteps = 450\n[env]\ntype = \"pendulum\"\n"
                      "[policy]\ntype = \"sac\"\n[policy.sac]\nhidden = [16, 16]\n"
                      "[learner]\npublish_every = 10\n");
}
END_TEST

/* Resumes a copy of the run: to be compared with another one. */
static void resume_copy(const struct train *train, const char *name)
{
    int code =
        shell_run("cp -a %s %s/%s && %s/pawl train --resume=%s/%s run.steps=700",
                  train->run_folder, scratch.path, name, PAWL_BIN_DIR, scratch.path, name);
    ck_assert_msg(code == 0, "exit code %d: %s", code, shell_text);
}

/* Tensors, counts, episodes; a manifest says when it was written. */
START_TEST(two_resumes_of_one_run_are_the_same_run)
{
    struct train train;
    const char *const words[] = {"run.deterministic=true", "learner.ledger=true", "run.seed=5",
                                 NULL};
    scratch_open(&scratch);
    train_start(&train, PAWL_BIN_DIR "/pawl", scratch.path,
                "[run]\nsteps = 450\n[env]\ntype = \"pendulum\"\n"
                "[policy]\ntype = \"sac\"\n[policy.sac]\nhidden = [16, 16]\n"
                "[learner]\npublish_every = 10\nlearning_starts = 100\nbatch_size = 16\n",
                words);
    ck_assert_int_eq(train_wait(&train), 0);
    resume_copy(&train, "one");
    resume_copy(&train, "other");
    int code = shell_run("cd %s && test -d one/checkpoints/000600 && "
                         "diff -r --exclude=" PAWL_CHECKPOINT_MANIFEST
                         " one/checkpoints other/checkpoints && "
                         "cmp one/episodes.jsonl other/episodes.jsonl",
                         scratch.path);
    ck_assert_msg(code == 0, "%s", shell_text);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("deterministic", a_run_of_one_lane_is_the_same_again,
               a_run_of_several_lanes_is_the_same_again, a_run_with_a_network_is_the_same_again,
               two_resumes_of_one_run_are_the_same_run)
