/* A real pawl-learner, killed wherever it hurts; hub and actors are the test's. */
#include <errno.h>

#include "support/learner_rig.h"
#include "support/ledger_file.h"
#include "support/test.h"

#define PROGRAM PAWL_BIN_DIR "/pawl-learner"
#define CONFIG  "[policy]\ntype = \"null\"\n[learner]\nledger = true\npublish_period_s = 0.01\n"

static struct learner_rig rig;
static struct ledger_file ledger;

/* The sum of a number over all lines of episodes.jsonl, and how many lines there are. */
static unsigned long sum_episodes(const char *key, size_t *line_count)
{
    size_t length = 0;
    char *text = scratch_read(scratch_path(&rig.scratch, "episodes.jsonl"), &length);
    unsigned long sum = 0;
    *line_count = 0;
    if (!text)
        return 0;
    for (char *line = text; *line; line = strchr(line, '\n') + 1) {
        const char *at = strstr(line, key);
        ck_assert_ptr_nonnull(at);
        sum += strtoul(at + strlen(key), NULL, 10);
        ++*line_count;
    }
    free(text);
    return sum;
}

static void read_ledger(void)
{
    const char *wrong = ledger_read(&ledger, scratch_path(&rig.scratch, "ledger.jsonl"));
    ck_assert_msg(wrong == NULL, "%s", wrong);
}

START_TEST(records_are_taken_in_until_the_run_is_stopped)
{
    size_t line_count;
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    for (uint32_t i = 0; i < 40; i++) {
        producer_episode(&actor->producer, 0, i, 5);
        LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
    }
    producer_step(&actor->producer, 0, 40, 0, 1.0f, 0);
    ck_assert_int_eq(learner_rig_stop(&rig), 0); /* drains the last record, too */
    ck_assert_uint_eq(sum_episodes("\"length\":", &line_count), 201);
    ck_assert_uint_eq(line_count, 41);
    read_ledger();
    ck_assert_uint_eq(ledger.record_count, 241);
    ck_assert(ledger.sources[0].has_end);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(an_actor_gets_the_board_before_its_ring_is_bound)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    LEARNER_RIG_UNTIL(&rig, actor->bind_count > 0);
    ck_assert_uint_eq(actor->board_count, 1);
    learner_rig_close(&rig);
}
END_TEST

/* Produces episodes of 3 steps from two lanes as long as there is room. */
static uint32_t episode_next, step_next;

static void produce(struct producer *producer, int record_count)
{
    for (int i = 0; i < record_count; i++) {
        bool is_put = step_next < 6 ? producer_step(producer, step_next % 2, episode_next,
                                                    step_next / 2, 1.0f, 0)
                                    : producer_final(producer, step_next % 2, episode_next, 3,
                                                     PAWL_RECORD_TERMINATED);
        if (!is_put)
            return;
        if (++step_next == 8) {
            step_next = 0;
            episode_next++;
        }
    }
}

/* Dies by the faults as often as a start reaches them; then nothing is missing or double. */
static void die_and_count(const char *faults, int death_count)
{
    size_t line_count;
    episode_next = step_next = 0;
    learner_rig_open(&rig, PROGRAM, CONFIG);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    for (int i = 0; i < death_count; i++) {
        learner_rig_start(&rig, faults);
        uint64_t began_ns = pawl_clock_now_ns();
        while (!learner_rig_has_ended(&rig)) {
            produce(&actor->producer, 7);
            learner_rig_serve(&rig);
            ck_assert_msg(pawl_clock_now_ns() - began_ns < RUN_HANG_NS, "%s: never reached",
                          faults);
        }
        ck_assert_int_eq(rig.learner.exit.signal, SIGKILL);
        pawl_proc_close(&rig.learner);
    }
    learner_rig_start(&rig, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
    uint64_t record_count = actor->producer.tx.next;
    uint64_t steps = actor->producer.step_count;
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    read_ledger();
    ck_assert_uint_eq(ledger.source_count, 1);
    ck_assert_uint_eq(ledger.record_count, record_count);
    ck_assert_uint_eq(sum_episodes("\"length\":", &line_count), steps);
    ck_assert_uint_eq(sum_episodes("\"return\":", &line_count), steps);
    /* Episodes under way at the end are cut: a line for each lane that has one. */
    ck_assert_uint_eq(line_count, 2 * episode_next + (step_next < 2 ? step_next : 2));
    learner_rig_close(&rig);
}

START_TEST(a_learner_killed_anywhere_loses_and_doubles_nothing)
{
    const char *const places[] = {
        "learner.drain:kill@5",   "learner.ingest:kill@3", "learner.write_episodes:kill@3",
        "learner.commit:kill@3",  "tally.commit:kill@4",   "learner.publish:kill@2",
        "ring.release.C3:kill@2", "peer.tell:kill@4",
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        die_and_count(places[i], 3);
}
END_TEST

START_TEST(a_killed_actors_ring_is_drained_and_let_go)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    LEARNER_RIG_UNTIL(&rig, actor->bind_count > 0);
    uint64_t ring_id = actor->ring_id;
    producer_episode(&actor->producer, 0, 0, 9);
    learner_rig_remove_actor(&rig, 0, false);
    LEARNER_RIG_UNTIL(&rig, !pawl_hub_table_find(&rig.run.hub.table, ring_id));
    actor = learner_rig_add_actor(&rig, 0, 64); /* its next incarnation */
    producer_episode(&actor->producer, 0, 0, 4);
    LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    read_ledger();
    ck_assert_uint_eq(ledger.source_count, 2);
    ck_assert_uint_eq(ledger.record_count, 15);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(learner_and_actor_die_together_and_the_ring_is_drained_by_the_next)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, "learner.commit:kill@2");
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    while (!learner_rig_has_ended(&rig)) {
        producer_step(&actor->producer, 0, 0, (uint32_t)actor->producer.step_count, 1.0f, 0);
        learner_rig_serve(&rig);
    }
    uint64_t record_count = actor->producer.tx.next, ring_id = actor->ring_id;
    learner_rig_remove_actor(&rig, 0, false);
    pawl_proc_close(&rig.learner);
    learner_rig_start(&rig, NULL);
    LEARNER_RIG_UNTIL(&rig, !pawl_hub_table_find(&rig.run.hub.table, ring_id));
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    read_ledger();
    ck_assert_uint_eq(ledger.record_count, record_count);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_learner_that_is_started_to_stop_drains_what_is_left)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    producer_episode(&actor->producer, 0, 0, 9);
    uint64_t ring_id = actor->ring_id;
    learner_rig_remove_actor(&rig, 0, true);
    learner_rig_start(&rig, NULL);
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    ck_assert_ptr_null(pawl_hub_table_find(&rig.run.hub.table, ring_id));
    read_ledger();
    ck_assert_uint_eq(ledger.record_count, 10);
    learner_rig_close(&rig);
}
END_TEST

static bool is_reported(enum pawl_hub_event_kind kind, uint32_t state)
{
    for (size_t i = 0; i < rig.run.event_count; i++)
        if (rig.run.events[i].kind == kind && rig.run.events[i].state == state)
            return true;
    return false;
}

START_TEST(the_goal_is_told_and_nothing_is_counted_beyond)
{
    size_t line_count;
    learner_rig_open(&rig, PROGRAM, CONFIG "[run]\nsteps = 10\n");
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    for (uint32_t i = 0; i < 4; i++)
        producer_episode(&actor->producer, 0, i, 5);
    LEARNER_RIG_UNTIL(&rig, is_reported(PAWL_HUB_STATE, PAWL_STATE_DONE));
    ck_assert_int_eq(learner_rig_stop(&rig), 0);
    ck_assert_uint_eq(sum_episodes("\"length\":", &line_count), 10);
    ck_assert_uint_eq(line_count, 2);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_ring_with_another_spec_is_refused_in_a_sentence)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *first = learner_rig_add_actor(&rig, 0, 64);
    LEARNER_RIG_UNTIL(&rig, first->bind_count > 0);
    struct learner_rig_actor *second = learner_rig_add_actor_as(&rig, 1, 64, "obs.other");
    LEARNER_RIG_UNTIL(&rig, second->reject_code != 0);
    ck_assert_int_eq(second->reject_code, EINVAL);
    ck_assert_ptr_nonnull(strstr(second->reject_text, "another spec than the run's"));
    producer_episode(&first->producer, 0, 0, 3);
    LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
    learner_rig_close(&rig);
}
END_TEST

START_TEST(a_learner_whose_supervisor_died_ends_by_itself)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    LEARNER_RIG_UNTIL(&rig, actor->bind_count > 0);
    producer_episode(&actor->producer, 0, 0, 3);
    run_close(&rig.run);
    ck_assert_int_eq(pawl_proc_wait(&rig.learner, pawl_clock_now_ns() + RUN_HANG_NS, NULL), 0);
    ck_assert_int_eq(rig.learner.exit.code, 1);
    read_ledger();
    ck_assert_uint_eq(ledger.record_count, 4);
    learner_rig_close(&rig);
}
END_TEST

/* Records that are committed while it waits for silence. The times are those of a machine that
 * was not too busy to try. */
START_TEST(what_actors_commit_after_the_supervisors_death_is_counted)
{
    uint64_t took_ns = PAWL_NS_PER_S;
    for (int try = 0; try < 20 && took_ns > 200 * PAWL_NS_PER_MS; try++) {
        learner_rig_open(&rig, PROGRAM, CONFIG);
        learner_rig_start(&rig, NULL);
        struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
        LEARNER_RIG_UNTIL(&rig, actor->bind_count > 0);
        producer_episode(&actor->producer, 0, 0, 3);
        LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
        uint64_t began_ns = pawl_clock_now_ns();
        run_close(&rig.run);
        usleep(30000);
        producer_episode(&actor->producer, 0, 1, 3);
        took_ns = pawl_clock_now_ns() - began_ns;
        uint64_t deadline_ns = pawl_clock_now_ns() + RUN_HANG_NS;
        ck_assert_int_eq(pawl_proc_wait(&rig.learner, deadline_ns, NULL), 0);
        read_ledger();
        learner_rig_close(&rig);
    }
    ck_assert_uint_eq(ledger.record_count, 8);
}
END_TEST

START_TEST(sigterm_ends_it_in_order)
{
    learner_rig_open(&rig, PROGRAM, CONFIG);
    learner_rig_start(&rig, NULL);
    struct learner_rig_actor *actor = learner_rig_add_actor(&rig, 0, 64);
    producer_episode(&actor->producer, 0, 0, 3);
    LEARNER_RIG_UNTIL(&rig, learner_rig_is_drained(&rig, 0));
    learner_rig_remove_actor(&rig, 0, true);
    pawl_proc_signal(&rig.learner, SIGTERM, NULL);
    LEARNER_RIG_UNTIL(&rig, learner_rig_has_ended(&rig));
    ck_assert_int_eq(rig.learner.exit.signal, 0);
    ck_assert_int_eq(rig.learner.exit.code, 0);
    learner_rig_close(&rig);
}
END_TEST

START_TEST(without_its_arguments_it_says_who_starts_it)
{
    const char *const argv[] = {"pawl-learner", NULL};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_proc proc;
    cfg.path = PROGRAM;
    cfg.argv = argv;
    ck_assert_int_eq(pawl_proc_start(&proc, &cfg, NULL), 0);
    ck_assert_int_eq(pawl_proc_wait(&proc, pawl_clock_now_ns() + RUN_HANG_NS, NULL), 0);
    ck_assert_int_eq(proc.exit.code, 2);
    pawl_proc_close(&proc);
}
END_TEST

PAWL_TEST_MAIN("learner", records_are_taken_in_until_the_run_is_stopped,
               an_actor_gets_the_board_before_its_ring_is_bound,
               a_learner_killed_anywhere_loses_and_doubles_nothing,
               a_killed_actors_ring_is_drained_and_let_go,
               learner_and_actor_die_together_and_the_ring_is_drained_by_the_next,
               the_goal_is_told_and_nothing_is_counted_beyond,
               a_learner_that_is_started_to_stop_drains_what_is_left,
               a_ring_with_another_spec_is_refused_in_a_sentence,
               a_learner_whose_supervisor_died_ends_by_itself,
               what_actors_commit_after_the_supervisors_death_is_counted,
               sigterm_ends_it_in_order, without_its_arguments_it_says_who_starts_it)
