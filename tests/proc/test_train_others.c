/* `pawl train` with its real roles: what one actor does to the others. One is killed over and
 * over and the other keeps its rate; one joins from another terminal, leaves and is killed, and
 * the run's own goes on. */
#include "shm/peer.h"
#include "shm/run_stats.h"
#include "support/ledger_file.h"
#include "support/scratch.h"
#include "support/test.h"
#include "support/train.h"

#define WINDOW_COUNT 9
#define TRY_COUNT    5
#define WINDOW_NS    (200 * PAWL_NS_PER_MS)
#define RATE_HZ      "500"

static struct scratch scratch;
static struct train train;
static struct pawl_peer peer;
static struct pawl_stats_view stats[2]; /* of the newest incarnation of each actor */
static unsigned life_count[2];
static struct ledger_file ledger;

/* Keeps the actors' figures. */
static void keep_stats(struct pawl_peer_event *event)
{
    struct pawl_err err = {0};
    if (event->kind != PAWL_PEER_OFFER || event->offer.kind != PAWL_SEGMENT_STATS ||
        event->offer.role != PAWL_ROLE_ACTOR || event->offer.index >= 2)
        return;
    struct pawl_stats_view *view = &stats[event->offer.index];
    pawl_stats_detach(view);
    life_count[event->offer.index]++;
    ck_assert_msg(pawl_stats_attach(view, event->fds[0], &err) == 0, "%s", err.text);
}

static uint64_t step_count(unsigned actor)
{
    if (!stats[actor].rows)
        return 0;
    int index = pawl_stats_find(&stats[actor], "actor.env_steps");
    ck_assert_int_ge(index, 0);
    return pawl_stats_count(&stats[actor], (uint32_t)index);
}

/* Until that actor has acted in its n-th incarnation that was seen. */
static void wait_until_acting(unsigned actor, unsigned life)
{
    uint64_t began_ns = pawl_clock_now_ns();
    while (life_count[actor] < life || step_count(actor) < 20) {
        train_hear(&peer, 5 * PAWL_NS_PER_MS, keep_stats);
        ck_assert_msg(pawl_clock_now_ns() - began_ns < TRAIN_HANG_NS, "%s",
                      train_read(train.out_path));
    }
}

static void open_test(const char *words)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    struct pawl_err err = {0};
    scratch_open(&scratch);
    train_start(&train, PAWL_BIN_DIR "/pawl", scratch.path,
                "[env]\ntype = \"dummy\"\ntarget_hz = " RATE_HZ "\nsteps_max = 50\n"
                "[policy]\ntype = \"null\"\n[learner]\nledger = true\n"
                /* Killing is no reason for a quarantine here. */
                "[run]\ncrash_window_s = 0.01\nrestart_pause_s = 0.005\n",
                (const char *const[]){words, NULL});
    cfg.role = PAWL_ROLE_INSPECTOR;
    cfg.folder = train_path(&train, "runtime");
    ck_assert_msg(pawl_peer_open(&peer, &cfg, &err) == 0, "%s", err.text);
}

/* Ends the run in order; every record was counted once. */
static void close_test(void)
{
    ck_assert_int_eq(kill(train.proc.pid, SIGTERM), 0);
    int code = train_wait(&train);
    ck_assert_msg(code == 130, "exit code %d: %s", code, train_read(train.out_path));
    const char *wrong = ledger_read(&ledger, train_path(&train, "ledger.jsonl"));
    ck_assert_msg(wrong == NULL, "%s", wrong);
    for (int i = 0; i < 2; i++) {
        pawl_stats_detach(&stats[i]);
        life_count[i] = 0;
    }
    pawl_peer_close(&peer);
    scratch_close(&scratch);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kills actor 0 where it has acted again; *life is its incarnation that is wanted. */
static bool kill_where_it_acts(unsigned *life)
{
    if (life_count[0] < *life || step_count(0) == 0)
        return false;
    train_find_children(&train);
    const struct train_child *victim = train_child_of(&train, false, 0);
    if (!victim || kill(victim->pid, SIGKILL) != 0)
        return false;
    *life = life_count[0] + 1;
    return true;
}

/* The steps that actor 1 makes in a second; actor 0 is killed meanwhile, or not. */
static double measure_window(bool kills, unsigned *life, unsigned *kill_count)
{
    uint64_t before = step_count(1), began_ns = pawl_clock_now_ns(), now_ns = began_ns;
    while (now_ns - began_ns < WINDOW_NS) {
        if (kills)
            *kill_count += kill_where_it_acts(life);
        train_hear(&peer, 5 * PAWL_NS_PER_MS, keep_stats);
        now_ns = pawl_clock_now_ns();
    }
    return (double)(step_count(1) - before) * 1e9 / (double)(now_ns - began_ns);
}

struct rates {
    double quiet, beside; /* steps per second, the medians of the windows */
    unsigned kill_count;
};

/* Windows without and with kills take turns: what others use of the machine is in both. */
static struct rates measure_rates(void)
{
    double quiet[WINDOW_COUNT], beside[WINDOW_COUNT];
    struct rates rates = {0};
    unsigned life = life_count[0];
    for (int i = 0; i < WINDOW_COUNT; i++) {
        quiet[i] = measure_window(false, &life, &rates.kill_count);
        beside[i] = measure_window(true, &life, &rates.kill_count);
    }
    qsort(quiet, WINDOW_COUNT, sizeof(quiet[0]), ascending);
    qsort(beside, WINDOW_COUNT, sizeof(beside[0]), ascending);
    rates.quiet = quiet[WINDOW_COUNT / 2];
    rates.beside = beside[WINDOW_COUNT / 2];
    return rates;
}

START_TEST(an_actor_keeps_its_rate_while_another_is_killed_again_and_again)
{
    struct rates rates;
    unsigned kill_count = 0;
    open_test("actor.count=2");
    wait_until_acting(0, 1);
    wait_until_acting(1, 1);
    /* An actor that waits for another does so each time. */
    for (int i = 0; i < TRY_COUNT; i++) {
        rates = measure_rates();
        kill_count += rates.kill_count;
        if (rates.kill_count > 0 && rates.beside >= 0.95 * rates.quiet)
            break;
    }
    printf("others_rate_kept %.1f %% of %.0f/s over %u kills\n",
           100.0 * rates.beside / rates.quiet, rates.quiet, kill_count);
    ck_assert_uint_ge(kill_count, 1); /* how many is up to the machine */
    ck_assert_uint_eq(life_count[1], 1);
    ck_assert_msg(rates.beside >= 0.95 * rates.quiet, "%.1f/s, without kills %.1f/s",
                  rates.beside, rates.quiet);
    close_test();
}
END_TEST

/* `pawl actor --join`, as from another terminal. */
static void start_joining(struct pawl_proc *proc)
{
    const char *argv[] = {"pawl", "actor", "--join", train.run_folder, NULL};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_err err = {0};
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct pawl_proc_fd fds[] = {{.fd = out, .number = 1}};
    cfg.path = PAWL_BIN_DIR "/pawl";
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = 1;
    cfg.death_signal = SIGKILL;
    ck_assert_msg(pawl_proc_start(proc, &cfg, &err) == 0, "%s", err.text);
    close(out);
}

static void wait_for_exit(struct pawl_proc *proc, int exit_code)
{
    ck_assert_int_eq(pawl_proc_wait(proc, pawl_clock_now_ns() + TRAIN_HANG_NS, NULL), 0);
    ck_assert_int_eq(proc->exit.code, exit_code);
    pawl_proc_close(proc);
}

START_TEST(who_joins_a_run_with_actors_acts_beside_them_and_may_leave)
{
    struct pawl_proc joining;
    open_test("actor.count=1");
    wait_until_acting(0, 1);
    start_joining(&joining);
    wait_until_acting(1, 1); /* the first number that none of the run's own has */
    ck_assert_int_eq(pawl_proc_signal(&joining, SIGINT, NULL), 0);
    wait_for_exit(&joining, 130);
    uint64_t before = step_count(0);
    start_joining(&joining);
    wait_until_acting(1, 2);
    ck_assert_int_eq(pawl_proc_signal(&joining, SIGKILL, NULL), 0); /* and its actor with it */
    ck_assert_int_eq(pawl_proc_wait(&joining, pawl_clock_now_ns() + TRAIN_HANG_NS, NULL), 0);
    pawl_proc_close(&joining);
    start_joining(&joining);
    wait_until_acting(1, 3);
    ck_assert_uint_gt(step_count(0), before);
    ck_assert_uint_eq(life_count[0], 1);
    close_test();
    wait_for_exit(&joining, 0); /* the run has ended */
    unsigned long record_count[2] = {0};
    unsigned source_count[2] = {0};
    for (size_t i = 0; i < ledger.source_count; i++) {
        ck_assert_uint_le(ledger.sources[i].actor, 1);
        record_count[ledger.sources[i].actor] += ledger.sources[i].next;
        source_count[ledger.sources[i].actor]++;
        ck_assert(ledger.sources[i].has_end);
    }
    ck_assert_uint_eq(source_count[0], 1);
    ck_assert_uint_eq(source_count[1], 3);
    ck_assert_uint_ge(record_count[1], 60);
}
END_TEST

PAWL_TEST_MAIN("train_others", an_actor_keeps_its_rate_while_another_is_killed_again_and_again,
               who_joins_a_run_with_actors_acts_beside_them_and_may_leave)
