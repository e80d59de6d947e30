/* A real pawl-learner that learns, killed again and again: at any moment, and at each fault
 * point.
 *
 *     PAWL_KILLS=500 proc_training_chaos       20 kills by default
 *
 * After every few kills the run is ended in order, judged, and resumed. Prints how soon after a
 * kill records are taken in again.
 */
#include "support/learn.h"
#include "support/test.h"

#define PROGRAM         PAWL_BIN_DIR "/pawl-learner"
#define LEARNING_STARTS 10
#define MIRROR_UPDATES  5
#define LIFE_KILLS      24 /* until the run is judged */
#define KILLS_MAX       10000
#define CONFIG          CONFIG_EVERY("20")
#define CONFIG_EVERY(updates)                                                                  \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmirror_updates = 5\n"                    \
    "publish_updates = 3\nmetrics_period_s = 0.01\n"                                           \
    "[checkpoint]\nevery_updates = " updates "\n"                                              \
    "[replay]\njournal_sync_period_s = 0.01\n"

static uint64_t random_state;
static double back_ms[KILLS_MAX];
static size_t back_count;

static uint64_t random_below(uint64_t limit)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % limit;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

#ifdef PAWL_FAULTS
/* Where it dies by itself, after up to so many passages. */
static const struct {
    const char *name;
    uint64_t passages;
} points[] = {
    {"learner.drain", 60},      {"learner.ingest", 60},   {"learner.write_episodes", 60},
    {"learner.commit", 60},     {"tally.commit", 60},     {"learner.committed", 60},
    {"learner.sample", 40},     {"learner.step", 40},     {"learner.publish", 10},
    {"board.publish.W4", 10},   {"learner.mirror", 8},    {"checkpoint.mkdir", 1},
    {"checkpoint.allocate", 1}, {"checkpoint.write", 1},  {"checkpoint.sync", 1},
    {"checkpoint.manifest", 1}, {"checkpoint.rename", 1}, {"checkpoint.link", 1},
    {"ring.release.C3", 40},
};
#define POINT_COUNT (sizeof(points) / sizeof(points[0]))
#else
#define POINT_COUNT 0
#endif

static size_t point_next;

/* In turn each point and none, which is a kill from outside. */
static const char *choose_fault(void)
{
    size_t i = point_next++ % (POINT_COUNT + 5);
#ifdef PAWL_FAULTS
    static char fault[64];
    if (i < POINT_COUNT) {
        snprintf(fault, sizeof(fault), "%s:kill@%llu", points[i].name,
                 (unsigned long long)(1 + random_below(points[i].passages)));
        return fault;
    }
#endif
    (void)i;
    return NULL;
}

static uint64_t taken(void)
{
    const struct pawl_ring_tx *tx = &rig.actors[0].producer.tx;
    return tx->ack ? atomic_load(&tx->ack->tail) : 0;
}

static void feed(uint64_t began_ns, const char *what)
{
    learn_put();
    learner_rig_serve(&rig);
    ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%s: it hangs", what);
}

/* A life that ends by SIGKILL. */
static void live_and_die(void)
{
    const char *fault = choose_fault();
    uint64_t began_ns = pawl_clock_now_ns();
    const struct pawl_ring_tx *tx = &rig.actors[0].producer.tx;
    uint32_t binds = rig.actors[0].bind_count;
    learner_rig_start(&rig, fault);
    while (!learner_rig_has_ended(&rig) && rig.actors[0].bind_count == binds)
        feed(began_ns, "bind");
    uint64_t first = tx->ack ? taken() : 0;
    while (!learner_rig_has_ended(&rig) && taken() <= first)
        feed(began_ns, "first record");
    if (!learner_rig_has_ended(&rig) && back_count < KILLS_MAX)
        back_ms[back_count++] =
            (double)(pawl_clock_now_ns() - began_ns) / (double)PAWL_NS_PER_MS;
    uint64_t die_ns = pawl_clock_now_ns() + random_below(30 * PAWL_NS_PER_MS);
    while (!learner_rig_has_ended(&rig)) {
        feed(began_ns, fault ? fault : "kill");
        if (!fault && pawl_clock_now_ns() >= die_ns)
            kill(rig.learner.pid, SIGKILL);
    }
    ck_assert_msg(rig.learner.exit.signal == SIGKILL, "%s: exit code %d", fault ? fault : "",
                  rig.learner.exit.code);
    pawl_proc_close(&rig.learner);
}

/* Lines of metrics are whole; steps never go back, updates by no more than are not mirrored. */
static void check_metrics(void)
{
    size_t length = 0;
    char *text = scratch_read(scratch_path(&rig.scratch, "metrics.jsonl"), &length);
    unsigned long long step = 0, env_step = 0, line_count = 0;
    ck_assert_ptr_nonnull(text);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, line_count++) {
        unsigned long long line_step, line_env_step;
        const char *at = strstr(line, "\"step\":");
        ck_assert_msg(line[0] == '{' && end[-1] == '}', "%.80s", line);
        ck_assert_int_eq(
            sscanf(at ? at : "", "\"step\":%llu,\"env_step\":%llu", &line_step, &line_env_step),
            2);
        ck_assert_uint_ge(line_env_step, env_step);
        ck_assert_uint_ge(line_step + MIRROR_UPDATES, step);
        step = line_step;
        env_step = line_env_step;
    }
    ck_assert_uint_gt(line_count, 0);
    free(text);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

START_TEST(a_learner_killed_again_and_again_has_every_transition_once)
{
    uint64_t kill_count = number_from("PAWL_KILLS", 20), version = 0, updates = 0;
    random_state = number_from("PAWL_SEED", pawl_clock_wall_ns());
    fprintf(stderr, "PAWL_SEED=%llu\n", (unsigned long long)random_state);
    learn_begin(PROGRAM, CONFIG);
    for (uint64_t i = 1; i <= kill_count; i++) {
        live_and_die();
        if (i % LIFE_KILLS != 0 && i != kill_count)
            continue;
        learner_rig_start(&rig, NULL);
        learn_until((learn_count / LEARN_ROUND + 10) * LEARN_ROUND);
        struct pawl_resume resume = learn_end();
        ck_assert_uint_eq(resume.mark.update_count, learn_step_count() - LEARNING_STARTS);
        ck_assert_uint_gt(resume.mark.update_count, updates);
        ck_assert_uint_gt(resume.version_next, version);
        ck_assert_uint_eq(resume.totals.gap_count, 0);
        ck_assert_uint_eq(resume.totals.refused_count, 0);
        updates = resume.mark.update_count;
        version = resume.version_next;
        check_metrics();
        learn_resume();
    }
    qsort(back_ms, back_count, sizeof(double), compare);
    printf("training_chaos_kills %llu 1\ntraining_chaos_records %llu 1\n",
           (unsigned long long)kill_count, (unsigned long long)learn_count);
    if (back_count)
        printf("training_chaos_ingests_again_p50 %.1f ms\ntraining_chaos_ingests_again_p99 "
               "%.1f ms\ntraining_chaos_ingests_again_max %.1f ms\n",
               back_ms[back_count / 2], back_ms[back_count * 99 / 100],
               back_ms[back_count - 1]);
    learner_rig_close(&rig);
}
END_TEST

#ifdef PAWL_FAULTS

/* One is due every 100 updates, and none of them makes 90. */
START_TEST(learners_that_die_again_and_again_save_when_one_would)
{
    static struct pawl_checkpoint_info info;
    struct pawl_err err = {0};
    learn_begin(PROGRAM, CONFIG_EVERY("100"));
    int code = -1;
    for (int i = 0; i < 10 && code != 0; i++) {
        uint64_t began_ns = pawl_clock_now_ns();
        learner_rig_start(&rig, "learner.step:delay=10ms@1+;learner.step:kill@90");
        while (!learner_rig_has_ended(&rig))
            feed(began_ns, "death");
        ck_assert_int_eq(rig.learner.exit.signal, SIGKILL);
        pawl_proc_close(&rig.learner);
        err = (struct pawl_err){0};
        code = pawl_checkpoint_find(pawl_io_sys(), rig.scratch.path,
                                    PAWL_CHECKPOINT_NEWEST_VALID, NULL, NULL, &info, &err);
    }
    ck_assert_msg(code == 0, "%s", err.text);
    ck_assert_uint_ge(info.step, 100);
    learner_rig_close(&rig);
}
END_TEST

#define FAULT_TESTS , learners_that_die_again_and_again_save_when_one_would
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("training_chaos",
               a_learner_killed_again_and_again_has_every_transition_once FAULT_TESTS)
