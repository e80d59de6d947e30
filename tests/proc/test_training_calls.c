/* A real pawl-learner of which one call to the disk fails, each in turn: it says so, goes on,
 * and has lost nothing. And one whose disk fails for good from a call on.
 *
 *     PAWL_CALLS=all proc_training_calls       each call; by default some of each kind
 *
 * Each run goes on from a copy of the same run of two checkpoints.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "support/learn.h"
#include "support/test.h"

#ifdef PAWL_FAULTS

#define PROGRAM PAWL_BIN_DIR "/pawl-learner"
#define CONFIG                                                                                 \
    "[policy]\ntype = \"sac\"\n"                                                               \
    "[policy.sac]\nhidden = [8]\nlatent_dim = 8\n"                                             \
    "[learner]\nbatch_size = 4\nlearning_starts = 10\nmetrics_period_s = 0.01\n"               \
    "[checkpoint]\nevery_updates = 40\nkeep_last = 2\n"                                        \
    "[replay]\ncapacity = 1000\njournal_sync_period_s = 0.01\n"

#define FIRST_RECORDS   80u  /* of the run that is copied */
#define WHOLE_RECORDS   240u /* with those of the run in which a call fails */
#define LEARNING_STARTS 10u
#define KEEP_LAST       2u
#define NO_URING        "io.uring.setup:error=EPERM@1+;"

static struct scratch master;
static struct pawl_resume master_resume;

extern char **environ;

static bool takes_all(void)
{
    const char *text = getenv("PAWL_CALLS");
    return text && strcmp(text, "all") == 0;
}

static void copy_folder(const char *from, const char *to)
{
    char source[PATH_MAX];
    pid_t child;
    int status = 0;
    snprintf(source, sizeof(source), "%s/.", from);
    const char *const argv[] = {"cp", "-a", source, to, NULL};
    ck_assert_int_eq(posix_spawnp(&child, "cp", NULL, NULL, (char *const *)argv, environ), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* The run that all others go on from. In memory where that is possible: which call fails is no
 * matter of the disk, and a busy one is slow. */
static void make_master(void)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    learn_begin(PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    learn_until(FIRST_RECORDS);
    master_resume = learn_end();
    scratch_open(&master);
    copy_folder(rig.scratch.path, master.path);
    ck_assert_int_eq(unlink(scratch_path(&master, "log.txt")), 0);
    learner_rig_close(&rig);
}

static void begin_copy(void)
{
    learn_begin(PROGRAM, CONFIG);
    copy_folder(master.path, rig.scratch.path);
    rig.is_resumed = true;
    learn_count = FIRST_RECORDS;
    setenv("PAWL_FAULT_TOLD", scratch_path(&rig.scratch, "told.txt"), 1);
}

static bool has_fired(const char *point)
{
    size_t length = 0;
    char *told = scratch_read(scratch_path(&rig.scratch, "told.txt"), &length);
    bool is_there = told && strstr(told, point);
    free(told);
    return is_there;
}

/* A warning or an error says it. */
static bool is_said(const char *error)
{
    const char *text = strcmp(error, "EIO") == 0 ? "Input/output error" : "No space left";
    size_t length = 0;
    char *log = scratch_read(scratch_path(&rig.scratch, "log.txt"), &length);
    bool is_there = false;
    char *rest = log;
    for (char *line; !is_there && rest && (line = strsep(&rest, "\n"));)
        is_there = (strstr(line, " warn ") || strstr(line, " error ")) && strstr(line, text);
    free(log);
    return is_there;
}

/* After a sync it is no matter how a close ends, and `last` is a hint. What the kernel has not
 * taken is given to it again. */
static bool is_quiet(const char *point)
{
    return strstr(point, ".close") || strstr(point, ".readlink") || strstr(point, ".submit");
}

/* Every checkpoint that can be found is right to the byte. */
static uint32_t count_checkpoints(const char *what)
{
    struct pawl_checkpoint_info *infos;
    struct pawl_err err = {0};
    size_t count;
    ck_assert_msg(pawl_checkpoint_list(pawl_io_sys(), rig.scratch.path, PAWL_CHECKPOINT_FULL,
                                       &infos, &count, &err) == 0,
                  "%s: %s", what, err.text);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(infos[i].is_valid, "%s: checkpoint %llu is not valid", what,
                      (unsigned long long)infos[i].step);
    free(infos);
    return (uint32_t)count;
}

/* Feeds until it has ended or taken all; false: it has ended. */
static bool feed(uint64_t record_count, const char *what)
{
    uint64_t began_ns = pawl_clock_now_ns();
    while (learn_count < record_count || !learner_rig_is_drained(&rig, 0)) {
        while (learn_count < record_count && learn_put())
            continue;
        if (learner_rig_has_ended(&rig))
            return false;
        learner_rig_serve(&rig);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%s: it hangs", what);
    }
    return true;
}

/* A call by which the run is taken up: the supervisor starts the learner again. None behind
 * the first record ends it. */
static void start_again(const char *what)
{
    const struct pawl_ring_tx *tx = &rig.actors[0].producer.tx;
    ck_assert_msg(!tx->ack || atomic_load(&tx->ack->tail) == 0, "%s: ended amid its work",
                  what);
    ck_assert_msg(rig.learner.exit.signal == 0 && rig.learner.exit.code == 1,
                  "%s: signal %d, exit code %d", what, rig.learner.exit.signal,
                  rig.learner.exit.code);
    pawl_proc_close(&rig.learner);
    learner_rig_start(&rig, NULL);
    ck_assert_msg(feed(WHOLE_RECORDS, what), "%s: ended again", what);
}

/* What the checkpoints and the journal hold at the end: everything. */
static void expect_whole(const char *what)
{
    struct pawl_spec spec = rig.actors[0].producer.spec;
    int code = learner_rig_stop(&rig);
    ck_assert_msg(code == 0, "%s: exit code %d", what, code);
    pawl_proc_close(&rig.learner);
    struct pawl_resume resume = learn_read_checkpoint();
    ck_assert_msg(resume.mark.update_count == learn_step_count() - LEARNING_STARTS &&
                      resume.totals.frame_count == learn_count &&
                      resume.totals.record_count == learn_count,
                  "%s: %llu updates, %llu frames", what,
                  (unsigned long long)resume.mark.update_count,
                  (unsigned long long)resume.totals.frame_count);
    ck_assert_msg(count_checkpoints(what) >= KEEP_LAST, "%s: fewer checkpoints", what);
    learn_check_journal(&spec);
}

/* One run; false: there is no such call. */
static bool fail_once(const char *before, const char *point, unsigned call, const char *error)
{
    char fault[160];
    snprintf(fault, sizeof(fault), "%s%s:error=%s@%u", before, point, error, call);
    begin_copy();
    learner_rig_start(&rig, fault);
    if (!feed(WHOLE_RECORDS, fault))
        start_again(fault);
    expect_whole(fault);
    bool is_fired = has_fired(point);
    ck_assert_msg(!is_fired || is_quiet(point) || is_said(error), "%s: not a word", fault);
    learner_rig_close(&rig);
    return is_fired;
}

/* Of each kind each call, or two. */
static void fail_each(const char *before, const char *prefix, const char *const *kinds,
                      size_t kind_count, const char *error)
{
    for (size_t i = 0; i < kind_count; i++) {
        char point[64];
        unsigned call = 1;
        snprintf(point, sizeof(point), "%s%s", prefix, kinds[i]);
        while (fail_once(before, point, call, error) && (takes_all() || call == 1))
            call += takes_all() ? 1 : 9;
        if (takes_all())
            printf("%s %s: %u calls\n", point, error, call - 1);
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(an_operation_of_the_kernels_ring_that_fails_is_told_and_costs_nothing)
{
    static const char *const kinds[] = {
        "open",        "allocate",  "write", "sync",  "rename",  "unlink", "mkdir",
        "sync_folder", "sync_slot", "rmdir", "close", "symlink", "submit",
    };
    make_master();
    fail_each("", "io.uring.", kinds, COUNT_OF(kinds), "EIO");
    scratch_close(&master);
}
END_TEST

START_TEST(a_call_that_fails_is_told_and_costs_nothing)
{
    static const char *const kinds[] = {
        "open", "read",    "write", "allocate",    "size",  "rename",   "unlink", "mkdir",
        "list", "symlink", "sync",  "sync_folder", "rmdir", "readlink", "close",
    };
    make_master();
    fail_each(NO_URING, "io.", kinds, COUNT_OF(kinds), "EIO");
    scratch_close(&master);
}
END_TEST

START_TEST(a_call_that_finds_the_disk_full_is_told_and_costs_nothing)
{
    static const char *const kinds[] = {"write",   "allocate", "mkdir",
                                        "symlink", "rename",   "sync"};
    make_master();
    fail_each("", "io.uring.", kinds, COUNT_OF(kinds), "ENOSPC");
    fail_each(NO_URING, "io.", kinds, COUNT_OF(kinds), "ENOSPC");
    scratch_close(&master);
}
END_TEST

/* One run whose learner is killed while nothing can be written; false: there is no such call.
 */
static bool fail_for_good(unsigned call)
{
    char fault[160];
    snprintf(fault, sizeof(fault), NO_URING "io.before:error=EIO@%u+", call);
    begin_copy();
    learner_rig_start(&rig, fault);
    bool is_alive = feed(WHOLE_RECORDS, fault);
    bool is_fired = has_fired("io.before");
    if (is_alive) {
        kill(rig.learner.pid, SIGKILL);
        LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
        pawl_proc_close(&rig.learner);
        count_checkpoints(fault);
        struct pawl_resume resume = learn_read_checkpoint();
        ck_assert_uint_ge(resume.totals.frame_count, FIRST_RECORDS);
        learner_rig_start(&rig, NULL);
        /* Its first update comes before the next record: those that are owed, too. */
        ck_assert(feed(WHOLE_RECORDS + LEARN_ROUND, fault));
    } else {
        start_again(fault);
    }
    expect_whole(fault);
    learner_rig_close(&rig);
    return is_fired;
}

START_TEST(a_disk_that_fails_from_a_call_on_keeps_what_it_has)
{
    make_master();
    for (unsigned call = 1; fail_for_good(call);)
        call += takes_all() ? 1 : 97;
    scratch_close(&master);
}
END_TEST

PAWL_TEST_MAIN("training_calls",
               an_operation_of_the_kernels_ring_that_fails_is_told_and_costs_nothing,
               a_call_that_fails_is_told_and_costs_nothing,
               a_call_that_finds_the_disk_full_is_told_and_costs_nothing,
               a_disk_that_fails_from_a_call_on_keeps_what_it_has)

#else

int main(void)
{
    return 0; /* no fault points in this build: nothing fails */
}

#endif
