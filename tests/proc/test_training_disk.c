/* A real pawl-learner whose disk fails: it goes on learning, says so, and has lost nothing that
 * was saved. */
#include "support/learn.h"
#include "support/test.h"

#ifdef PAWL_FAULTS

#define PROGRAM PAWL_BIN_DIR "/pawl-learner"
#define CONFIG_AT_END                                                                          \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmetrics_period_s = 0.01\n"               \
    "[replay]\njournal_sync_period_s = 0.01\n"
#define CONFIG CONFIG_AT_END "[checkpoint]\nevery_updates = 20\n"

static bool is_in_log(const char *wanted)
{
    size_t length = 0;
    char *log = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    bool is_there = log && strstr(log, wanted);
    free(log);
    return is_there;
}

static char *read_episodes(void)
{
    size_t length = 0;
    char *text = scratch_read(scratch_path(&rig.scratch, "episodes.jsonl"), &length);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* A run of 20 rounds, orderly ended; then one that is resumed on a disk which fails, and
 * killed; then one whose disk is well. said: in the log; NULL: that is on the disk too. */
static void live_through(const char *faults, const char *said)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    struct pawl_resume before = learn_end();
    char *episodes = read_episodes();

    learn_resume();
    learner_rig_start(&rig, faults);
    learn_until(480);
    while (said && !is_in_log(said)) /* on a busy machine a call takes more records */
        learn_until(learn_count + LEARN_ROUND);
    kill(rig.learner.pid, SIGKILL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    pawl_proc_close(&rig.learner);
    char *later = read_episodes();
    ck_assert_msg(strncmp(later, episodes, strlen(episodes)) == 0, "%s: old lines changed",
                  faults);
    free(later);
    free(episodes);
    struct pawl_resume now = learn_read_checkpoint();
    ck_assert_uint_ge(now.mark.update_count, before.mark.update_count);
    ck_assert_uint_ge(now.totals.step_count, before.totals.step_count);

    /* All was counted and learned from, though it was not written. */
    learner_rig_start(&rig, NULL);
    learn_until(learn_count + 10 * LEARN_ROUND);
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    now = learn_read_checkpoint();
    ck_assert_uint_eq(now.totals.record_count, learn_count);
    ck_assert_uint_eq(now.totals.frame_count, learn_count);
    ck_assert_uint_eq(now.mark.update_count, learn_step_count() - 10);
    learner_rig_close(&rig);
}

START_TEST(a_full_disk_stops_nothing)
{
    live_through("io.allocate:error=ENOSPC@1+;io.write:error=ENOSPC@40+;"
                 "io.uring.op:error=ENOSPC@40+",
                 "checkpoint failed; training goes on");
}
END_TEST

START_TEST(a_folder_that_becomes_read_only_stops_nothing)
{
    live_through("io.write:error=EROFS@40+;io.uring.op:error=EROFS@60+",
                 "episodes not written; the run goes on");
}
END_TEST

START_TEST(at_an_orderly_end_a_disk_that_fails_is_an_error_and_the_last_checkpoint_stays)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    struct pawl_resume before = learn_end();
    learn_resume();
    learner_rig_start(&rig, "checkpoint.manifest:error=EIO@1+");
    learn_until(480);
    ck_assert_int_eq(learner_rig_stop(&rig), 1);
    ck_assert(is_in_log("older ones are untouched"));
    struct pawl_resume now = learn_read_checkpoint();
    ck_assert_uint_eq(now.mark.update_count, before.mark.update_count);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(the_last_checkpoint_of_a_run_is_tried_again)
{
    learn_begin(PROGRAM, CONFIG_AT_END);
    learner_rig_start(&rig, "checkpoint.manifest:error=EIO@1");
    learn_until(160);
    learn_end();
    ck_assert(is_in_log("checkpoint failed"));
    learner_rig_close(&rig);
}
END_TEST

/* The folders of both journals are made, too. Each would be tried again by itself, but later.
 */
START_TEST(a_run_that_ends_just_after_its_checkpoints_could_not_be_looked_at_saves_the_last)
{
    learn_begin(PROGRAM, CONFIG_AT_END);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    kill(rig.learner.pid, SIGKILL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    pawl_proc_close(&rig.learner);
    learner_rig_start(&rig, "io.mkdir:error=EIO@1;io.mkdir:error=EIO@2;io.mkdir:error=EIO@3");
    LEARNER_RIG_UNTIL(&rig, is_in_log("checkpoint failed"));
    learn_end();
    learner_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("training_disk", a_full_disk_stops_nothing,
               a_folder_that_becomes_read_only_stops_nothing,
               at_an_orderly_end_a_disk_that_fails_is_an_error_and_the_last_checkpoint_stays,
               the_last_checkpoint_of_a_run_is_tried_again,
               a_run_that_ends_just_after_its_checkpoints_could_not_be_looked_at_saves_the_last)

#else

int main(void)
{
    return 0; /* no fault points in this build: nothing fails */
}

#endif
