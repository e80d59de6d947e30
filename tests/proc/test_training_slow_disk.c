/* A real pawl-learner on a disk that does not answer: every sync takes longer than the test. A
 * learner that was killed is back and takes in what its actors have, all the same. */
#include "support/learn.h"
#include "support/test.h"

#ifdef PAWL_FAULTS

#define PROGRAM PAWL_BIN_DIR "/pawl-learner"
#define CONFIG                                                                                 \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmetrics_period_s = 0.01\n"               \
    "[checkpoint]\nevery_updates = 20\n"                                                       \
    "[replay]\njournal_sync_period_s = 0.01\n"

/* No sync of this learner comes to its end before the test gives up (RUN_HANG_NS), wherever it
 * is made. */
#define SYNCS_HANG                                                                             \
    "io.uring.setup:error=EPERM@1+;io.sync:delay=60s@1+;io.sync_folder:delay=60s@1+"

static void kill_learner(void)
{
    kill(rig.learner.pid, SIGKILL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    pawl_proc_close(&rig.learner);
}

static char *read_episodes(void)
{
    size_t length = 0;
    return scratch_read(scratch_path(&rig.scratch, "episodes.jsonl"), &length);
}

static unsigned count_lines(const char *text)
{
    unsigned count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

/* Killed and back on a disk that hangs, then on one that is well: nothing is missing. */
static void live_through(void)
{
    uint64_t count = learn_count;
    kill_learner();
    learner_rig_start(&rig, SYNCS_HANG);
    learn_until(count + 80);
    kill_learner();
    learner_rig_start(&rig, SYNCS_HANG);
    learn_until(count + 160);
    kill_learner();
    learner_rig_start(&rig, NULL);
    learn_until(count + 240);
    (void)learn_end();
    char *episodes = read_episodes();
    ck_assert_ptr_nonnull(episodes);
    ck_assert_uint_eq(count_lines(episodes), learn_count / LEARN_ROUND * 2);
    free(episodes);
    learner_rig_close(&rig);
}

START_TEST(a_killed_learner_ingests_while_its_first_sync_is_under_way)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    live_through();
}
END_TEST

START_TEST(so_does_one_of_a_resumed_run)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    (void)learn_end();
    learn_resume();
    learner_rig_start(&rig, NULL);
    learn_until(240);
    live_through();
}
END_TEST

/* What a learner that died in a write has left: half a line, and a line that does not count. */
START_TEST(so_does_one_whose_files_have_torn_ends)
{
    static const char *const names[] = {"episodes.jsonl", "metrics.jsonl"};
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    kill(rig.learner.pid, SIGKILL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    pawl_proc_close(&rig.learner);
    for (size_t i = 0; i < 2; i++) {
        FILE *file = fopen(scratch_path(&rig.scratch, names[i]), "ae");
        ck_assert_ptr_nonnull(file);
        fputs("{\"env_step\":1}\n{\"env_st", file);
        fclose(file);
    }
    learner_rig_start(&rig, SYNCS_HANG);
    learn_until(320);
    live_through();
}
END_TEST

/* Whoever stops a run is not kept by a disk; what is lost is said. */
START_TEST(an_orderly_end_does_not_wait_for_a_disk_for_ever)
{
    size_t length = 0;
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    kill_learner();
    learner_rig_start(&rig, SYNCS_HANG);
    learn_until(240);
    pawl_hub_tell_stop(&rig.run.hub, 0, PAWL_STOP_ASKED, pawl_clock_now_ns() + PAWL_NS_PER_S);
    learner_rig_remove_actor(&rig, 0, true);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    ck_assert_int_eq(rig.learner.exit.code, 1);
    char *log = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    const char *const said[] = {"lines since the last sync may be lost",
                                "files=episodes.jsonl",
                                "a checkpoint is given up",
                                "path=",
                                "frames of the replay are not on it",
                                "journal="};
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        ck_assert_msg(strstr(log, said[i]) != NULL, "not said: %s", said[i]);
    free(log);
    learner_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("training_slow_disk", a_killed_learner_ingests_while_its_first_sync_is_under_way,
               so_does_one_of_a_resumed_run, so_does_one_whose_files_have_torn_ends,
               an_orderly_end_does_not_wait_for_a_disk_for_ever)

#else

int main(void)
{
    return 0; /* no fault points in this build: no disk is slow */
}

#endif
