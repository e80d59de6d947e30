/* A real pawl-learner that learns, killed wherever it hurts; hub and actors are the test's. */
#include "runtime/installed.h"
#include "support/learn.h"
#include "support/test.h"

#define PROGRAM         PAWL_BIN_DIR "/pawl-learner"
#define LEARNING_STARTS 10
#define CONFIG          CONFIG_SYNCED_EVERY("0.01")
#define CONFIG_SYNCED_EVERY(s)                                                                 \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmirror_updates = 5\n"                    \
    "publish_updates = 3\nmetrics_period_s = 0.01\n"                                           \
    "[checkpoint]\nevery_updates = 20\n"                                                       \
    "[replay]\njournal_sync_period_s = " s "\n"

/* After an end in order: as many updates as earned, too. */
static struct pawl_resume end_with_all_updates(void)
{
    struct pawl_resume resume = learn_end();
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - LEARNING_STARTS);
    return resume;
}

START_TEST(an_update_is_done_for_every_step_and_saved_at_the_end)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(200);
    struct pawl_resume resume = end_with_all_updates();
    /* Another ratio would hold from here on, not for the steps before. */
    ck_assert_uint_eq(resume.mark.ratio_step_count, 150);
    ck_assert_double_eq_tol(resume.mark.ratio_credit, 150.0 - LEARNING_STARTS, 1e-6);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_replay_that_does_not_fit_is_refused_with_both_numbers)
{
    learn_begin(PROGRAM, CONFIG "capacity = 1000000000\n");
    learner_rig_start(&rig, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    ck_assert_int_eq(rig.learner.exit.code, 3);
    size_t length = 0;
    char *log = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    ck_assert_ptr_nonnull(log);
    ck_assert_ptr_nonnull(strstr(log, "replay"));
    ck_assert_ptr_nonnull(strstr(log, "bytes"));
    free(log);
    learner_rig_close(&rig);
}
END_TEST

static bool has(const char *name, const char *text)
{
    size_t length = 0;
    char *lines = scratch_read(scratch_path(&rig.scratch, name), &length);
    bool is_there = lines && strstr(lines, text);
    free(lines);
    return is_there;
}

/* Where there is a module, too, it is not found there. */
START_TEST(a_device_that_is_not_there_is_refused_with_its_key_and_the_way_out)
{
    char wanted[PATH_MAX + 256];
    size_t length;
    setenv(PAWL_INSTALLED_ENV, "/nonexistent", 1);
    learn_begin(PROGRAM, "[learner]\ndevice = \"cuda\"\n[policy]\ntype = \"sac\"\n");
    learner_rig_start(&rig, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    unsetenv(PAWL_INSTALLED_ENV);
    ck_assert_int_eq(rig.learner.exit.code, 3);
    char *text = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    snprintf(wanted, sizeof(wanted), "learner.device = \\\"cuda\\\" (%s:2): the CUDA half",
             scratch_path(&rig.scratch, "config.toml"));
    ck_assert_msg(strstr(text, wanted) != NULL, "%s\ninstead of\n%s", text, wanted);
    ck_assert_ptr_nonnull(strstr(text,
                                 "\\\"cpu\\\" computes on the processor, \\\"auto\\\" on a GPU "
                                 "where there is one"));
    free(text);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_value_in_the_file_of_a_run_is_from_where_the_run_had_it)
{
    setenv(PAWL_INSTALLED_ENV, "/nonexistent", 1);
    learn_begin(PROGRAM, "[learner]\ndevice = \"cuda\"  # command line\n"
                         "[policy]\ntype = \"sac\"\n");
    learner_rig_start(&rig, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    unsetenv(PAWL_INSTALLED_ENV);
    ck_assert(has("log.txt", "learner.device = \\\"cuda\\\" (command line): "));
    learner_rig_close(&rig);
}
END_TEST

START_TEST(frames_that_a_power_cut_would_lose_are_told)
{
    learn_begin(PROGRAM, CONFIG_SYNCED_EVERY("1000"));
    learner_rig_start(&rig, NULL);
    learn_until(8);
    LEARNER_RIG_UNTIL(&rig, has("metrics.jsonl", "\"replay/not_durable\":8.0"));
    (void)learn_end();
    learner_rig_close(&rig);
}
END_TEST

START_TEST(with_allow_nobody_waits_for_updates_that_are_due)
{
    learn_begin(PROGRAM,
                "[learner]\nupdate_ratio = 1000.0\nbehind = \"allow\"\nbatch_size = 4\n"
                "[policy]\ntype = \"sac\"\n[policy.sac]\nhidden = [8]\n"
                "latent_dim = 8\n");
    learner_rig_start(&rig, NULL);
    learn_until(400); /* in time, which 200,000 updates are not */
    struct pawl_resume resume = learn_end();
    ck_assert_uint_lt(resume.mark.update_count, 1000 * (learn_step_count() - 100));
    learner_rig_close(&rig);
}
END_TEST

START_TEST(what_came_in_since_the_last_update_counts_in_the_last_checkpoint)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(38); /* the 30th step: the checkpoint of update 20 is begun */
    learn_until(40); /* no step: no update comes of these */
    struct pawl_resume resume = learn_end();
    ck_assert_uint_eq(resume.mark.update_count, 20);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_run_that_ends_before_its_first_update_is_saved_and_goes_on)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(8);
    struct pawl_resume resume = learn_end();
    ck_assert_uint_eq(resume.mark.update_count, 0);
    for (uint64_t count = 16; count <= 80; count += 64) {
        learn_resume();
        learner_rig_start(&rig, NULL);
        learn_until(count);
        (void)end_with_all_updates();
    }
    learner_rig_close(&rig);
}
END_TEST

static double newest_score(void)
{
    struct pawl_checkpoint_info info;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_checkpoint_find(pawl_io_sys(), rig.scratch.path,
                                       PAWL_CHECKPOINT_NEWEST_VALID, NULL, NULL, &info,
                                       &err) == 0,
                  "%s", err.text);
    return info.manifest.score;
}

/* Four records are an episode. */
START_TEST(a_few_episodes_make_no_score_at_the_start_nor_after_a_resume)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(72);
    (void)learn_end();
    ck_assert(isnan(newest_score()));
    learn_resume();
    learner_rig_start(&rig, NULL);
    learn_until(72 + 80);
    (void)learn_end();
    ck_assert(isfinite(newest_score()));
    learn_resume();
    learner_rig_start(&rig, NULL);
    learn_until(72 + 80 + 16);
    (void)learn_end();
    ck_assert(isnan(newest_score()));
    learner_rig_close(&rig);
}
END_TEST

static void die_of(const char *faults)
{
    uint64_t began_ns = pawl_clock_now_ns();
    learner_rig_start(&rig, faults);
    while (!learner_rig_has_ended(&rig)) {
        learn_put();
        learner_rig_serve(&rig);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%s: never reached",
                      faults);
    }
    ck_assert_msg(rig.learner.exit.signal == SIGKILL, "%s: exit code %d", faults,
                  rig.learner.exit.code);
    pawl_proc_close(&rig.learner);
}

START_TEST(a_learner_killed_anywhere_goes_on_with_every_transition_once)
{
    const char *const places[] = {
        "learner.drain:kill@40",     "learner.ingest:kill@30", "tally.commit:kill@30",
        "learner.committed:kill@30", "learner.sample:kill@20", "learner.step:kill@20",
        "learner.publish:kill@5",    "learner.mirror:kill@4",  "checkpoint.mkdir:kill@1",
        "checkpoint.write:kill@3",   "checkpoint.sync:kill@3", "checkpoint.manifest:kill@1",
        "checkpoint.rename:kill@1",  "checkpoint.link:kill@1",
    };
    learn_begin(PROGRAM, CONFIG);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        die_of(places[i]);
    learner_rig_start(&rig, NULL);
    learn_until((learn_count + 100) / LEARN_ROUND * LEARN_ROUND);
    ck_assert(has("log.txt", "what a save that was cut off had left is removed"));
    (void)end_with_all_updates();
    learner_rig_close(&rig);
}
END_TEST

PAWL_TEST_MAIN("training", a_replay_that_does_not_fit_is_refused_with_both_numbers,
               a_device_that_is_not_there_is_refused_with_its_key_and_the_way_out,
               a_value_in_the_file_of_a_run_is_from_where_the_run_had_it,
               frames_that_a_power_cut_would_lose_are_told,
               with_allow_nobody_waits_for_updates_that_are_due,
               an_update_is_done_for_every_step_and_saved_at_the_end,
               what_came_in_since_the_last_update_counts_in_the_last_checkpoint,
               a_run_that_ends_before_its_first_update_is_saved_and_goes_on,
               a_few_episodes_make_no_score_at_the_start_nor_after_a_resume,
               a_learner_killed_anywhere_goes_on_with_every_transition_once)
