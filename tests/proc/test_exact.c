/* A run that is stopped and resumed, or killed, is the same run to the bit: the same records in
 * deterministic mode, cut somewhere, give the same parameters, moments and random draws as
 * without a cut.
 *
 *     PAWL_CUTS=20 proc_exact       2 of each kind by default
 */
#include "support/learn_state.h"
#include "support/test.h"

#define PROGRAM      PAWL_BIN_DIR "/pawl-learner"
#define ROUND_COUNT  35u /* 210 steps */
#define RECORD_COUNT (ROUND_COUNT * LEARN_ROUND)
#define UPDATE_COUNT 200u
#define CONFIG                                                                                 \
    "[run]\ndeterministic = true\nseed = 7\n"                                                  \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [16]\nlatent_dim = 8\n"                                            \
    "[learner]\nbatch_size = 16\nlearning_starts = 10\n"                                       \
    "[replay]\njournal_sync_period_s = 0.01\n"

static struct learn_state whole;

static unsigned cut_count(void)
{
    const char *text = getenv("PAWL_CUTS");
    return text ? (unsigned)atoi(text) : 2;
}

static void expect_the_same(const char *what, uint64_t record)
{
    char text[128];
    snprintf(text, sizeof(text), "%s at record %llu", what, (unsigned long long)record);
    learn_expect_state(&whole, UPDATE_COUNT, text);
}

/* The run without a cut. */
static void run_whole(void)
{
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(RECORD_COUNT);
    learn_end();
    learn_read_state(&whole, UPDATE_COUNT);
    learner_rig_close(&rig);
}

START_TEST(a_run_that_is_stopped_and_resumed_is_the_same_to_the_bit)
{
    unsigned count = cut_count();
    run_whole();
    for (unsigned i = 0; i < count; i++) {
        /* An actor that is no more leaves no episode to go on with: cuts are between them. */
        uint64_t at = (1 + i * (ROUND_COUNT - 2) / count) * LEARN_ROUND;
        learn_begin(PROGRAM, CONFIG);
        learner_rig_start(&rig, NULL);
        learn_until(at);
        learn_end();
        learn_resume();
        learner_rig_start(&rig, NULL);
        learn_until(RECORD_COUNT);
        learn_end();
        expect_the_same("stopped", at);
        learner_rig_close(&rig);
    }
    learn_drop_state(&whole);
}
END_TEST

/* Feeds records until it has ended, and starts it again without what killed it. */
static void die_of(const char *fault)
{
    uint64_t began_ns = pawl_clock_now_ns();
    learner_rig_start(&rig, fault);
    while (!learner_rig_has_ended(&rig)) {
        while (learn_count < RECORD_COUNT && learn_put())
            continue;
        learner_rig_serve(&rig);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%s: never reached", fault);
    }
    ck_assert_int_eq(rig.learner.exit.signal, SIGKILL);
    pawl_proc_close(&rig.learner);
}

START_TEST(a_learner_that_is_killed_is_the_same_to_the_bit)
{
    static const char *const places[] = {"learner.sample", "learner.mirror", "learner.step",
                                         "tally.commit"};
    unsigned count = cut_count();
    run_whole();
    for (unsigned i = 0; i < count; i++) {
        char fault[64];
        unsigned at = 5 + i * 190 / count;
        snprintf(fault, sizeof(fault), "%s:kill@%u", places[i % 4], at);
        learn_begin(PROGRAM, CONFIG);
        die_of(fault);
        learner_rig_start(&rig, NULL);
        learn_until(RECORD_COUNT);
        learn_end();
        expect_the_same(fault, at);
        learner_rig_close(&rig);
    }
    learn_drop_state(&whole);
}
END_TEST

PAWL_TEST_MAIN("exact", a_run_that_is_stopped_and_resumed_is_the_same_to_the_bit,
               a_learner_that_is_killed_is_the_same_to_the_bit)
