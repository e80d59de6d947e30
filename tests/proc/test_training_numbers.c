/* A real pawl-learner that meets numbers which are none, or far too high: in records, in what
 * an update makes of them, and in its parameters. */
#include "runtime/cli.h"
#include "support/learn.h"
#include "support/test.h"

#define PROGRAM PAWL_BIN_DIR "/pawl-learner"
#define CONFIG  CONFIG_EVERY("20")
#define CONFIG_EVERY(updates)                                                                  \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmirror_updates = 5\n"                    \
    "publish_updates = 1\nmetrics_period_s = 0.01\n"                                           \
    "[checkpoint]\nevery_updates = " updates "\n"                                              \
    "[replay]\njournal_sync_period_s = 0.01\n"

static unsigned count_in(const char *name, const char *wanted)
{
    size_t length = 0;
    unsigned count = 0;
    char *text = scratch_read(scratch_path(&rig.scratch, name), &length);
    for (const char *at = text; at && (at = strstr(at, wanted)); at++)
        count++;
    free(text);
    return count;
}

START_TEST(a_record_with_a_number_that_is_none_is_in_quarantine_and_nowhere_else)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(160);
    struct producer *producer = &rig.actors[0].producer;
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (uint32_t i = 0; i < 6; i++) {
        float *state = producer_field(producer, "obs.state");
        state[0] = state[1] = state[2] = 0.5f;
        if (i >= 3)
            state[i % 3] = values[i % 3];
        ck_assert(producer_step(producer, 0, 100 + i, 0, i < 3 ? values[i] : 1.0f, 0));
    }
    LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
    learn_until(240);
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    struct pawl_resume resume = learn_read_checkpoint();
    ck_assert_uint_eq(resume.totals.refused_count, 6);
    ck_assert_uint_eq(resume.totals.record_count, 240);
    ck_assert_uint_eq(resume.totals.frame_count, 240); /* none of the six in the replay */
    ck_assert_uint_eq(count_in("quarantine.jsonl", "\"reason\":"), 6);
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 0);
    learner_rig_close(&rig);
}
END_TEST

#ifdef PAWL_FAULTS

/* A run of 80 rounds with this wrong in it. */
static struct pawl_resume run_with(const char *faults)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, faults);
    learn_until(640);
    return learn_end();
}

START_TEST(a_loss_that_is_none_costs_one_update)
{
    struct pawl_resume resume = run_with("learner.batch:error=EDOM@30");
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 1);
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 0);
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(three_in_a_row_are_a_way_back_to_the_last_good_state_and_other_batches)
{
    struct pawl_resume resume = run_with("learner.batch:error=EDOM@200;"
                                         "learner.batch:error=EDOM@201;"
                                         "learner.batch:error=EDOM@202");
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 3);
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    ck_assert_uint_gt(resume.mark.draw_offset, 0);
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10); /* made up for */
    learn_resume(); /* with other batches still */
    learner_rig_start(&rig, NULL);
    learn_until(720);
    ck_assert_uint_eq(learn_end().mark.draw_offset, resume.mark.draw_offset);
    learner_rig_close(&rig);
}
END_TEST

/* Until there is a checkpoint of after going back: its step. */
static uint64_t learn_until_back(void)
{
    static struct pawl_checkpoint_info info;
    uint64_t began_ns = pawl_clock_now_ns();
    do {
        learn_put();
        learner_rig_serve(&rig);
        ck_assert(!learner_rig_has_ended(&rig));
        ck_assert_uint_lt(pawl_clock_now_ns() - began_ns, RUN_HANG_NS);
        (void)pawl_checkpoint_find(pawl_io_sys(), rig.scratch.path,
                                   PAWL_CHECKPOINT_NEWEST_VALID, NULL, NULL, &info, NULL);
    } while (info.manifest.rollback_count == 0);
    return info.step;
}

/* Updates are slow, so that the 80 that lead to the older checkpoint again take longer than a
 * new one takes to be saved. */
START_TEST(a_run_resumed_soon_after_going_back_goes_on_from_the_good_state)
{
    char wanted[64];
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, "learner.batch:error=EDOM@199;learner.batch:error=EDOM@200;"
                            "learner.batch:error=EDOM@201;learner.step:delay=200ms@190+");
    uint64_t step = learn_until_back();
    ck_assert_uint_ge(step, 100);
    ck_assert_uint_lt(step, 180); /* which was saved before */
    pawl_proc_signal(&rig.learner, SIGKILL, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    pawl_proc_close(&rig.learner);
    learner_rig_remove_actor(&rig, 0, false);
    learner_rig_reopen(&rig);
    learner_rig_start(&rig, NULL);
    snprintf(wanted, sizeof(wanted), "checkpoints/%06u updates=%u", (unsigned)step,
             (unsigned)step);
    LEARNER_RIG_UNTIL(&rig, count_in("log.txt", wanted) == 1);
    learner_rig_close(&rig);
}
END_TEST

/* It would be the first. */
START_TEST(a_checkpoint_that_is_due_in_trouble_waits_for_its_end)
{
    learn_begin(PROGRAM, CONFIG_EVERY("200"));
    learner_rig_start(&rig, "learner.batch:error=EDOM@199;learner.batch:error=EDOM@200");
    learn_until(640);
    LEARNER_RIG_UNTIL(&rig, count_in("log.txt", " checkpoint step=") >= 1);
    ck_assert_uint_eq(count_in("log.txt", "checkpoint put off until training goes well"), 1);
    ck_assert_uint_eq(count_in("log.txt", " checkpoint step=200 "), 0);
    ck_assert_uint_eq(count_in("log.txt", " checkpoint step=201 "), 1);
    learner_rig_close(&rig);
}
END_TEST

/* The last of the updates that were earned is cut short. */
START_TEST(a_run_that_ends_in_trouble_saves_its_last_good_state)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, "learner.batch:error=EDOM@150");
    learn_until(26 * LEARN_ROUND + 4); /* 160 steps: 150 updates */
    LEARNER_RIG_UNTIL(&rig, count_in("log.txt", "update cut short") == 1);
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    struct pawl_resume resume = learn_read_checkpoint();
    ck_assert_uint_eq(resume.mark.update_count, 100);
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    learner_rig_close(&rig);
}
END_TEST

/* What the supervisor takes for the reason. */
static bool is_last_in_log(const char *words)
{
    size_t length = 0;
    char *text = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    ck_assert_ptr_nonnull(text);
    text[length - 1] = '\0'; /* the newline */
    const char *line = strrchr(text, '\n');
    bool is_last = line && strstr(line, words);
    free(text);
    return is_last;
}

/* Feeds it until it has ended, by itself. */
static void diverge_with(const char *faults)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, faults);
    uint64_t began_ns = pawl_clock_now_ns();
    while (!learner_rig_has_ended(&rig)) {
        learn_put();
        learner_rig_serve(&rig);
        ck_assert_uint_lt(pawl_clock_now_ns() - began_ns, RUN_HANG_NS);
    }
    ck_assert_int_eq(rig.learner.exit.signal, 0);
    ck_assert_int_eq(rig.learner.exit.code, PAWL_EXIT_FINAL); /* nobody starts it again */
    ck_assert_uint_eq(count_in("log.txt", "training diverges: back to the last good state 3"),
                      1);
    ck_assert(is_last_in_log(" error learner failed reason="));
    (void)learn_read_checkpoint(); /* there is a valid one */
}

START_TEST(what_does_not_get_better_ends_the_run_with_a_sentence)
{
    diverge_with("learner.batch:error=EDOM@200+");
    learner_rig_close(&rig);
}
END_TEST

/* Not by the losses, which are all right: by who looks at the whole state to save it. */
START_TEST(a_number_that_no_loss_shows_ends_the_run_with_a_sentence_too)
{
    diverge_with("learner.unsound:error=EDOM@2+");
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 0);
    learner_rig_close(&rig);
}
END_TEST

/* The faults that give so many updates in a row gradients far above their mean. */
static const char *high_gradients(unsigned first, unsigned count)
{
    static char faults[2048];
    faults[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        size_t length = strlen(faults);
        snprintf(faults + length, sizeof(faults) - length, "%slearner.batch:error=ERANGE@%u",
                 i > 0 ? ";" : "", first + i);
    }
    return faults;
}

START_TEST(twenty_gradients_in_a_row_far_above_their_mean_are_a_way_back)
{
    struct pawl_resume resume = run_with(high_gradients(230, 20));
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 0); /* all are finite */
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    ck_assert_uint_eq(count_in("log.txt", "updates=200 times=1"),
                      1); /* not to what they led to */
    ck_assert_uint_gt(resume.mark.draw_offset, 0);
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10); /* made up for */
    learner_rig_close(&rig);
}
END_TEST

START_TEST(fewer_than_twenty_are_not)
{
    struct pawl_resume resume = run_with(high_gradients(230, 19));
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 0);
    ck_assert_uint_eq(resume.mark.draw_offset, 0);
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(gradients_that_stay_high_end_the_run_with_a_sentence)
{
    diverge_with("learner.batch:error=ERANGE@230+");
    learner_rig_close(&rig);
}
END_TEST

START_TEST(parameters_that_are_none_are_not_published_and_not_kept)
{
    struct pawl_resume resume = run_with("learner.parameters:error=EDOM@202");
    ck_assert_uint_gt(count_in("log.txt", "parameters not published"), 0);
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10);
    learner_rig_close(&rig);
}
END_TEST

/* Feeds a learner until it dies as `faults` say. */
static void live_and_die(const char *faults)
{
    learner_rig_start(&rig, faults);
    uint64_t began_ns = pawl_clock_now_ns();
    while (!learner_rig_has_ended(&rig)) {
        learn_put();
        learner_rig_serve(&rig);
        ck_assert_uint_lt(pawl_clock_now_ns() - began_ns, RUN_HANG_NS);
    }
    ck_assert_int_eq(rig.learner.exit.signal, SIGKILL);
    pawl_proc_close(&rig.learner);
}

static void die_with(const char *faults)
{
    live_and_die(faults);
    learner_rig_start(&rig, NULL);
}

/* The state of update 205, of which none is a number, is mirrored when it dies. */
START_TEST(a_learner_that_dies_with_parameters_that_are_none_is_followed_by_a_good_one)
{
    learn_begin(PROGRAM, CONFIG);
    die_with("learner.parameters:error=EDOM@205;learner.step:kill@206");
    learn_until((learn_count / LEARN_ROUND + 10) * LEARN_ROUND);
    struct pawl_resume resume = learn_end();
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10);
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 0);
    learner_rig_close(&rig);
}
END_TEST

#define MIRRORED_CONFIG                                                                        \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmirror_updates = 1\n"                    \
    "[checkpoint]\nperiod_s = 3600\n"

/* Goes on, ends, and has made all updates that were earned, with numbers that are some. */
static struct pawl_resume go_on(void)
{
    learn_until((learn_count / LEARN_ROUND + 10) * LEARN_ROUND);
    struct pawl_resume resume = learn_end();
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10);
    return resume;
}

/* Ten high gradients before the death, ten behind it. */
START_TEST(what_was_known_of_the_gradients_outlives_a_learner)
{
    char faults[2048];
    learn_begin(PROGRAM, MIRRORED_CONFIG);
    snprintf(faults, sizeof(faults), "%s;learner.step:kill@240", high_gradients(230, 10));
    live_and_die(faults);
    learner_rig_start(&rig, high_gradients(1, 10));
    struct pawl_resume resume = go_on();
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    ck_assert_uint_eq(count_in("log.txt", "updates=200 times=1"), 1);
    ck_assert_uint_gt(resume.mark.draw_offset, 0);
    learner_rig_close(&rig);
}
END_TEST

/* The copy of update 40 would be the last that is due before the death. */
START_TEST(who_follows_goes_on_behind_no_checkpoint)
{
    size_t length = 0;
    unsigned updates = 0;
    learn_begin(PROGRAM, CONFIG_EVERY("42"));
    die_with("learner.step:kill@44");
    (void)go_on();
    char *text = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    const char *at = strstr(text, "from=\"warm state\" updates=");
    ck_assert_int_eq(sscanf(at ? at : "", "from=\"warm state\" updates=%u", &updates), 1);
    ck_assert_uint_ge(updates, 42);
    free(text);
    learner_rig_close(&rig);
}
END_TEST

/* Before there is a good state: the state of update 40 is mirrored, that of 39 is beside it. */
START_TEST(of_two_warm_states_the_one_that_has_numbers_is_gone_on_from)
{
    learn_begin(PROGRAM, MIRRORED_CONFIG);
    die_with("learner.parameters:error=EDOM@40;learner.step:kill@41");
    (void)go_on();
    ck_assert_uint_eq(count_in("log.txt", "updates=39"), 1);
    ck_assert_uint_eq(count_in("log.txt", "warm state passed over"), 1);
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 0);
    learner_rig_close(&rig);
}
END_TEST

/* It dies while the state that it has gone back to takes the place of the last but one: what is
 * left is that of update 35, of which none is a number. */
#define LEAVES_NOTHING "learner.parameters:error=EDOM@35;learner.mirror:kill@37"

START_TEST(where_no_warm_state_is_of_use_the_newest_checkpoint_is)
{
    char wanted[64];
    learn_begin(PROGRAM, MIRRORED_CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(8 * LEARN_ROUND);
    uint64_t saved = learn_end().mark.update_count;
    learn_resume();
    die_with(LEAVES_NOTHING);
    struct pawl_resume resume = go_on();
    ck_assert_uint_eq(count_in("log.txt", "back to the newest checkpoint"), 1);
    snprintf(wanted, sizeof(wanted), "checkpoints/%06u updates=%u", (unsigned)saved,
             (unsigned)saved);
    ck_assert_uint_ge(count_in("log.txt", wanted), 2); /* one when it was resumed */
    ck_assert_uint_gt(resume.mark.draw_offset, 0);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(without_a_checkpoint_either_training_begins_again_and_says_so)
{
    learn_begin(PROGRAM, MIRRORED_CONFIG);
    die_with(LEAVES_NOTHING);
    struct pawl_resume resume = go_on();
    ck_assert_uint_eq(count_in("log.txt", "training begins again"), 1);
    ck_assert_uint_gt(resume.mark.draw_offset, 0);
    learner_rig_close(&rig);
}
END_TEST

/* What the last update leaves is what a run would end with. */
START_TEST(a_run_ends_with_numbers_that_are_some)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, "learner.parameters:error=EDOM@150");
    learn_until(26 * LEARN_ROUND + 4); /* 160 steps: 150 updates */
    LEARNER_RIG_UNTIL(&rig, count_in("log.txt", "parameters not published") > 0);
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    struct pawl_resume resume = learn_read_checkpoint();
    ck_assert_uint_eq(resume.mark.update_count, 100);
    ck_assert_uint_eq(count_in("log.txt", "last checkpoint not begun"), 1);
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    learner_rig_close(&rig);
}
END_TEST

/* The first checkpoint is due behind update 20. */
START_TEST(what_is_no_number_is_not_saved_on_the_way_either)
{
    struct pawl_resume resume = run_with("learner.parameters:error=EDOM@20");
    ck_assert_uint_eq(count_in("log.txt", "checkpoint not begun"), 1);
    ck_assert_uint_eq(count_in("log.txt", "back to the last good state"), 1);
    ck_assert_uint_eq(count_in("log.txt", "update cut short"), 0);
    ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - 10);
    learner_rig_close(&rig);
}
END_TEST

#define FAULT_TESTS                                                                            \
    , what_was_known_of_the_gradients_outlives_a_learner,                                      \
        who_follows_goes_on_behind_no_checkpoint,                                              \
        of_two_warm_states_the_one_that_has_numbers_is_gone_on_from,                           \
        where_no_warm_state_is_of_use_the_newest_checkpoint_is,                                \
        without_a_checkpoint_either_training_begins_again_and_says_so,                         \
        a_run_ends_with_numbers_that_are_some,                                                 \
        what_is_no_number_is_not_saved_on_the_way_either,                                      \
        a_loss_that_is_none_costs_one_update,                                                  \
        three_in_a_row_are_a_way_back_to_the_last_good_state_and_other_batches,                \
        a_run_resumed_soon_after_going_back_goes_on_from_the_good_state,                       \
        a_checkpoint_that_is_due_in_trouble_waits_for_its_end,                                 \
        a_run_that_ends_in_trouble_saves_its_last_good_state,                                  \
        what_does_not_get_better_ends_the_run_with_a_sentence,                                 \
        a_number_that_no_loss_shows_ends_the_run_with_a_sentence_too,                          \
        twenty_gradients_in_a_row_far_above_their_mean_are_a_way_back,                         \
        fewer_than_twenty_are_not, gradients_that_stay_high_end_the_run_with_a_sentence,       \
        parameters_that_are_none_are_not_published_and_not_kept,                               \
        a_learner_that_dies_with_parameters_that_are_none_is_followed_by_a_good_one
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN(
    "training_numbers",
    a_record_with_a_number_that_is_none_is_in_quarantine_and_nowhere_else FAULT_TESTS)
