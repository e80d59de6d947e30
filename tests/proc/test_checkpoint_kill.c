/* Processes that save are killed at each step, and before and after every call; what they leave
 * is judged. */
#include "learner/checkpoint.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "runtime/fault.h"
#include "support/checkpoint_rig.h"
#include "support/scratch.h"
#include "support/test.h"

#ifdef PAWL_FAULTS

#define SAVES_MAX 6

static struct scratch scratch;
static struct rig rig;

/* What the child has been told is done; its parent reads it after the death. */
static _Atomic uint64_t *acknowledged;

/* Saves after the newest that is there until the fault point kills it, or it has saved enough.
 */
static void be_saver(enum pawl_io_queue_kind kind, const char *fault, uint64_t step)
{
    struct pawl_checkpoint_setup setup = rig_setup(pawl_io_sys(), kind, scratch.path);
    setup.step = step;
    struct pawl_err err = {0};
    if (pawl_fault_arm(fault, &err) != 0 || rig_open(&rig, &setup, &err) != 0)
        _exit(3);
    for (int i = 0; i < SAVES_MAX; i++) {
        rig_fill(&rig, ++step);
        if (pawl_checkpoint_begin(&rig.saver, step, NAN, rig.files, 3, 0, &err) != 0)
            _exit(4);
        enum pawl_checkpoint_state state;
        while ((state = pawl_checkpoint_wait(&rig.saver, UINT64_MAX, &err)) !=
               PAWL_CHECKPOINT_IDLE) {
            if (state != PAWL_CHECKPOINT_DONE)
                _exit(5);
            atomic_store_explicit(acknowledged, step, memory_order_relaxed);
        }
    }
    _exit(0);
}

/* Returns whether the child was killed rather than done. */
static bool save_until_killed(enum pawl_io_queue_kind kind, const char *fault, uint64_t *step)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        be_saver(kind, fault, *step);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    ck_assert_msg(is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0),
                  "%s: wait status %x", fault, (unsigned)status);

    struct pawl_checkpoint_info info;
    struct pawl_err err = {0};
    uint64_t least = atomic_load_explicit(acknowledged, memory_order_relaxed);
    int code = pawl_checkpoint_find(pawl_io_sys(), scratch.path, PAWL_CHECKPOINT_NEWEST_STRICT,
                                    NULL, NULL, &info, &err);
    if (code == -ENOENT && least == 0)
        return is_killed;
    ck_assert_msg(code == 0, "%s: %s", fault, err.text);
    ck_assert_uint_ge(info.step, least);
    rig_expect(pawl_io_sys(), info.path, info.step);
    *step = info.step;
    return is_killed;
}

static void set_up(void)
{
    scratch_open(&scratch);
    acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(acknowledged != MAP_FAILED);
}

static void tear_down(void)
{
    munmap((void *)acknowledged, sizeof(*acknowledged));
    scratch_close(&scratch);
}

START_TEST(a_death_at_any_step_leaves_the_newest_that_was_done)
{
    static const char *const steps[] = {"mkdir",  "allocate", "write", "sync",  "manifest",
                                        "rename", "link",     "trash", "remove"};
    static const enum pawl_io_queue_kind kinds[] = {PAWL_IO_QUEUE_AUTO, PAWL_IO_QUEUE_THREAD};
    set_up();
    uint64_t step = 0;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        for (unsigned passage = 1; passage <= 3; passage++) {
            char fault[64];
            snprintf(fault, sizeof(fault), "checkpoint.%s:kill@%u", steps[i], passage);
            ck_assert_msg(save_until_killed(kinds[passage % 2], fault, &step), "%s", fault);
        }
    }
    ck_assert_uint_gt(step, 20);
    tear_down();
}
END_TEST

START_TEST(a_death_before_or_after_any_call_leaves_the_newest_that_was_done)
{
    set_up();
    uint64_t step = 0;
    bool is_killed = true;
    for (unsigned at = 1; is_killed; at += 5) {
        char fault[64];
        snprintf(fault, sizeof(fault), "io.%s:kill@%u", at % 2 ? "before" : "after", at);
        is_killed = save_until_killed(PAWL_IO_QUEUE_INLINE, fault, &step);
    }
    tear_down();
}
END_TEST

PAWL_TEST_MAIN("checkpoint_kill", a_death_at_any_step_leaves_the_newest_that_was_done,
               a_death_before_or_after_any_call_leaves_the_newest_that_was_done)

#else

int main(void)
{
    return 0; /* no fault points in this build: nothing to be killed at */
}

#endif
