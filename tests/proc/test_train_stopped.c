/* A learner that is stopped for seconds (SIGSTOP, a disk, a debugger) and a robot's loop: the
 * actor keeps its schedule, and every step is accounted for. */
#include "shm/peer.h"
#include "shm/run_stats.h"
#include "support/ledger_file.h"
#include "support/scratch.h"
#include "support/test.h"
#include "support/train.h"

#define STOP_S 5

static struct scratch scratch;
static struct train train;
static struct pawl_peer peer;
static struct pawl_stats_view stats; /* of the actor */
static struct ledger_file ledger;

/* Keeps the actor's figures. */
static void keep_stats(struct pawl_peer_event *event)
{
    struct pawl_err err = {0};
    if (event->kind == PAWL_PEER_OFFER && event->offer.kind == PAWL_SEGMENT_STATS &&
        event->offer.role == PAWL_ROLE_ACTOR)
        ck_assert_msg(pawl_stats_attach(&stats, event->fds[0], &err) == 0, "%s", err.text);
}

static uint64_t count(const char *name)
{
    int index = pawl_stats_find(&stats, name);
    ck_assert_msg(index >= 0, "no figure %s", name);
    return pawl_stats_count(&stats, (uint32_t)index);
}

static void join(void)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    struct pawl_err err = {0};
    cfg.role = PAWL_ROLE_INSPECTOR;
    cfg.folder = train_path(&train, "runtime");
    ck_assert_msg(pawl_peer_open(&peer, &cfg, &err) == 0, "%s", err.text);
    uint64_t began_ns = pawl_clock_now_ns();
    while (!stats.rows || count("actor.env_steps") < 20) {
        train_hear(&peer, 10 * PAWL_NS_PER_MS, keep_stats);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < TRAIN_HANG_NS, "%s",
                      train_read(train.out_path));
    }
}

START_TEST(a_stopped_learner_costs_a_paced_actor_no_step)
{
    scratch_open(&scratch);
    train_start(&train, PAWL_BIN_DIR "/pawl", scratch.path,
                "[env]\ntype = \"dummy\"\ntarget_hz = 100\nsteps_max = 30\n"
                "[policy]\ntype = \"null\"\n[ring]\nslots = 64\n[actor]\nstage_s = 20\n"
                "[learner]\nledger = true\npublish_period_s = 0.05\n",
                NULL);
    join();
    train_find_children(&train);
    const struct train_child *learner = train_child_of(&train, true, 0);
    ck_assert_ptr_nonnull(learner);
    uint64_t steps = count("actor.env_steps"), misses = count("actor.deadline_misses");

    ck_assert_int_eq(kill(learner->pid, SIGSTOP), 0);
    train_hear(&peer, STOP_S * PAWL_NS_PER_S, keep_stats);
    uint64_t steps_meanwhile = count("actor.env_steps") - steps;
    uint64_t misses_meanwhile = count("actor.deadline_misses") - misses;
    ck_assert_int_eq(kill(learner->pid, SIGCONT), 0);

    /* On a busy machine the kernel may wake a loop late; the learner never makes it so. */
    ck_assert_uint_eq(count("actor.blocked_ns"), 0);
    ck_assert_uint_eq(count("actor.ticks_held"), 0);
    ck_assert_uint_ge(steps_meanwhile + misses_meanwhile, STOP_S * 100 - 10);
    ck_assert_uint_gt(steps_meanwhile, 64 * 2); /* far more than the ring holds */

    train_hear(&peer, 300 * PAWL_NS_PER_MS, keep_stats);
    ck_assert_int_eq(kill(train.proc.pid, SIGTERM), 0);
    int code = train_wait(&train);
    ck_assert_msg(code == 130, "exit code %d: %s", code, train_read(train.out_path));
    const char *wrong = ledger_read(&ledger, train_path(&train, "ledger.jsonl"));
    ck_assert_msg(wrong == NULL, "%s", wrong);
    ck_assert_uint_eq(count("actor.records_dropped"), 0);
    ck_assert_uint_eq(ledger.record_count, count("actor.records"));
    printf("stopped_learner_misses %llu of %llu steps\n", (unsigned long long)misses_meanwhile,
           (unsigned long long)steps_meanwhile);
    scratch_close(&scratch);
}
END_TEST

PAWL_TEST_MAIN("train_stopped", a_stopped_learner_costs_a_paced_actor_no_step)
