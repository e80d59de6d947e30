/* A real pawl-learner on a device with memory of its own (a fake GPU, support/fake_gpu.h): it
 * learns what the processor would, to the bit, and a device that fails is no end of the run. */
#include "runtime/cli.h"
#include "runtime/installed.h"
#include "support/learn_state.h"
#include "support/test.h"

#define PROGRAM      PAWL_BIN_DIR "/pawl-learner"
#define RECORD_COUNT (35u * LEARN_ROUND) /* 210 steps */
#define UPDATE_COUNT 200u
#define CONFIG(device)                                                                         \
    "[run]\ndeterministic = true\nseed = 7\n"                                                  \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [16]\nlatent_dim = 8\n"                                            \
    "[learner]\nbatch_size = 16\nlearning_starts = 10\ndevice = \"" device "\"\n"              \
    "[replay]\njournal_sync_period_s = 0.01\n"

/* What the learner that is started next finds; NULL: nothing fails. */
static void use_gpu(const char *failure)
{
    setenv(PAWL_INSTALLED_ENV, PAWL_FAKE_DOORS "/gpu", 1);
    setenv("FAKE_GPU", failure ? failure : "", 1);
}

static bool is_logged(const char *wanted)
{
    size_t length = 0;
    char *text = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    bool is_there = text && strstr(text, wanted);
    free(text);
    return is_there;
}

/* Feeds records until it has ended. */
static void serve_to_the_end(const char *faults)
{
    uint64_t began_ns = pawl_clock_now_ns();
    learner_rig_start(&rig, faults);
    while (!learner_rig_has_ended(&rig)) {
        while (learn_count < RECORD_COUNT && learn_put())
            continue;
        learner_rig_serve(&rig);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "it does not end");
    }
}

static void go_on(void)
{
    pawl_proc_close(&rig.learner);
    learner_rig_start(&rig, NULL);
    learn_until(RECORD_COUNT);
    learn_end();
}

static void run_on_the_processor(struct learn_state *whole, const char *faults)
{
    learn_begin(PROGRAM, CONFIG("cpu"));
    learner_rig_start(&rig, faults);
    learn_until(RECORD_COUNT);
    learn_end();
    learn_read_state(whole, UPDATE_COUNT);
    learner_rig_close(&rig);
}

static void check_failure(const char *failure, const char *text)
{
    struct learn_state whole;
    run_on_the_processor(&whole, NULL);
    learn_begin(PROGRAM, CONFIG("cuda"));
    use_gpu(failure);
    serve_to_the_end(NULL);
    ck_assert_int_eq(rig.learner.exit.signal, 0);
    ck_assert_int_eq(rig.learner.exit.code, PAWL_EXIT_FAILED); /* it is started again */
    ck_assert_msg(is_logged(text), "no '%s' in the log", text);
    use_gpu(NULL);
    go_on();
    learn_expect_state(&whole, UPDATE_COUNT, failure);
    ck_assert(is_logged("device=cuda"));
    learner_rig_close(&rig);
    learn_drop_state(&whole);
}

START_TEST(a_device_that_is_lost_at_a_mirror_costs_a_start)
{
    check_failure("fetch 60 131", "fetch: the device fails"); /* ENOTRECOVERABLE */
}
END_TEST

START_TEST(a_device_that_fails_at_an_update_costs_a_start)
{
    check_failure("run 250 121", "run: the device fails"); /* EREMOTEIO */
}
END_TEST

static void check_start(const char *failure, int exit_code)
{
    use_gpu(failure);
    serve_to_the_end(NULL);
    ck_assert_int_eq(rig.learner.exit.signal, 0);
    ck_assert_int_eq(rig.learner.exit.code, exit_code);
    pawl_proc_close(&rig.learner);
}

/* A dead learner's device, and its memory, are free again a while after it. */
START_TEST(a_device_that_does_not_open_ends_a_run_only_where_nobody_has_had_it)
{
    learn_begin(PROGRAM, CONFIG("cuda"));
    check_start("open 1 6", PAWL_EXIT_MISSING); /* ENXIO */
    learner_rig_close(&rig);

    learn_begin(PROGRAM, CONFIG("cuda"));
    check_start("run 250 121", PAWL_EXIT_FAILED);
    check_start("open 1 6", PAWL_EXIT_FAILED);
    check_start("open 1 12", PAWL_EXIT_FAILED); /* ENOMEM */
    use_gpu(NULL);
    learner_rig_start(&rig, NULL);
    learn_until(RECORD_COUNT);
    learn_end();
    learner_rig_close(&rig);
}
END_TEST

#ifdef PAWL_FAULTS

START_TEST(a_learner_that_is_killed_goes_on_as_on_the_processor)
{
    struct learn_state whole;
    run_on_the_processor(&whole, NULL);
    learn_begin(PROGRAM, CONFIG("cuda"));
    use_gpu(NULL);
    serve_to_the_end("learner.step:kill@120");
    ck_assert_int_eq(rig.learner.exit.signal, SIGKILL);
    go_on();
    learn_expect_state(&whole, UPDATE_COUNT, "killed");
    learner_rig_close(&rig);
    learn_drop_state(&whole);
}
END_TEST

START_TEST(a_learner_that_goes_back_goes_on_as_on_the_processor)
{
    static const char faults[] = "learner.batch:error=EDOM@150;learner.batch:error=EDOM@151;"
                                 "learner.batch:error=EDOM@152";
    struct learn_state whole;
    run_on_the_processor(&whole, faults);
    learn_begin(PROGRAM, CONFIG("cuda"));
    use_gpu(NULL);
    learner_rig_start(&rig, faults);
    learn_until(RECORD_COUNT);
    learn_end();
    ck_assert(is_logged("back to the last good state"));
    learn_expect_state(&whole, UPDATE_COUNT, "gone back");
    learner_rig_close(&rig);
    learn_drop_state(&whole);
}
END_TEST

#define FAULT_TESTS                                                                            \
    , a_learner_that_is_killed_goes_on_as_on_the_processor,                                    \
        a_learner_that_goes_back_goes_on_as_on_the_processor
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("device", a_device_that_is_lost_at_a_mirror_costs_a_start,
               a_device_that_fails_at_an_update_costs_a_start,
               a_device_that_does_not_open_ends_a_run_only_where_nobody_has_had_it FAULT_TESTS)
