#include "learner/learner_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "policy/policy_cfg.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "shm/run_stats.h"

#define HEAR_PERIOD_NS  PAWL_NS_PER_MS /* how often a busy learner listens to the hub */
#define STATE_PERIOD_NS PAWL_NS_PER_S
#define GAUGE_PERIOD_NS (100 * PAWL_NS_PER_MS)
#define NAP_NS          20000                  /* the kernel adds its own 50 us */
#define NAP_QUIET_NS    (300 * PAWL_NS_PER_US) /* after the last record the bell is armed */
#define SLEEP_MS_MAX    100
#define LINE_SYNCS_MAX  4   /* at the end, for lines that wait for one */
#define RETRY_MS        100 /* until a full disk is tried again */
/* What the last checkpoint may take once the hub is gone. */
#define ORPHAN_SAVE_NS (5 * PAWL_NS_PER_S)

const struct pawl_cfg_table *const pawl_learner_tables[] = {
    &pawl_run_table,     &pawl_log_table,    &pawl_policy_table,     &pawl_sac_table,
    &pawl_learner_table, &pawl_replay_table, &pawl_checkpoint_table, NULL,
};

static void read_ingest_cfg(struct pawl_learner *learner, struct pawl_ingest_cfg *cfg)
{
    *cfg = (struct pawl_ingest_cfg){
        .ring_count_max = (uint32_t)learner->cfg->rings_max,
        /* In lock-step every record is a batch, so that what is published where does not
         * depend on how many were found together. */
        .batch_count = learner->run->deterministic ? 1 : (uint32_t)learner->cfg->drain_records,
        .is_lockstep = learner->run->deterministic,
        .book = {.folder = learner->setup.folder,
                 .has_ledger = learner->cfg->ledger,
                 .has_times = !learner->run->deterministic,
                 .step_goal = (uint64_t)learner->run->steps,
                 .io = pawl_io_sys(),
                 .keeper = &learner->keeper},
    };
}

int pawl_learner_open(struct pawl_learner **out, const struct pawl_learner_setup *setup,
                      struct pawl_err *err)
{
    struct pawl_peer_cfg peer = pawl_peer_default_cfg();
    struct pawl_ingest_cfg ingest;
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *out = NULL;
    struct pawl_learner *learner = calloc(1, sizeof(*learner));
    if (!learner)
        return pawl_err_set(err, ENOMEM, "open learner: out of memory");
    learner->setup = *setup;
    learner->opened_ns = pawl_clock_now_ns();
    learner->cfg = pawl_cfg_fields(setup->cfg, &pawl_learner_table);
    learner->run = pawl_cfg_fields(setup->cfg, &pawl_run_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(setup->cfg, &pawl_policy_table);
    learner->policy = pawl_policies[policy->type];
    learner->choice_count = (uint32_t)policy->num_discrete_actions;
    learner->spin_count = pawl_park_spin_count(2);
    peer.role = PAWL_ROLE_LEARNER;
    peer.index = 0;
    peer.fd = setup->hub_fd;
    read_ingest_cfg(learner, &ingest);
    learner->resume = (struct pawl_resume_source){.io = pawl_io_sys(), .folder = setup->folder};
    if (pawl_peer_open(&learner->peer, &peer, err) != 0)
        goto fail;
    if (pawl_keeper_open(&learner->keeper, pawl_io_sys(), setup->folder, PAWL_KEEPER_PERIOD_NS,
                         err) != 0)
        goto fail;
    if (pawl_ingest_open(&learner->ingest, &ingest, err) != 0)
        goto fail;
    if (pawl_stats_create(&learner->stats, "learner", pawl_learner_stat_rows,
                          PAWL_LEARNER_STAT_COUNT, err) != 0)
        goto fail;
    if (pawl_learner_offer(learner, &learner->stats.segment, -1, NULL, err) != 0 ||
        pawl_learner_offer(learner, &learner->ingest.acks, learner->ingest.bell.fd,
                           &learner->acks_id, err) != 0)
        goto fail;
    *out = learner;
    return 0;

fail:
    pawl_learner_close(learner);
    return pawl_err_wrap(err, "open learner");
}

void pawl_learner_close(struct pawl_learner *learner)
{
    if (!learner)
        return;
    uint64_t deadline_ns = pawl_clock_now_ns() + PAWL_IO_QUEUE_CLOSE_NS;
    pawl_publisher_close(&learner->publisher);
    int kept = pawl_keeper_close(&learner->keeper, deadline_ns);
    if (pawl_training_close(&learner->training) != 0 || kept != 0)
        return; /* of what a disk may still read nothing is given back */
    pawl_estate_close(&learner->estate);
    pawl_ingest_close(&learner->ingest);
    pawl_stats_close(&learner->stats);
    pawl_peer_close(&learner->peer);
    free(learner);
}

uint64_t pawl_learner_step_count(const struct pawl_learner *learner)
{
    return learner->ingest.is_begun ? pawl_tally_totals(&learner->ingest.tally)->step_count : 0;
}

int pawl_learner_publish(struct pawl_learner *learner, struct pawl_err *err)
{
    uint64_t began_ns = pawl_clock_now_ns();
    int64_t put =
        pawl_publisher_publish(&learner->publisher, pawl_learner_step_count(learner), err);
    if (put < 0)
        return -err->code;
    uint64_t version = (uint64_t)put;
    learner->published_ns = began_ns;
    if (learner->training.is_open)
        learner->published_updates = pawl_training_update_count(&learner->training);
    if (!version)
        return 0;
    pawl_training_published(&learner->training, version);
    pawl_stats_add(&learner->stats, PAWL_LEARNER_STAT_VERSIONS_PUBLISHED, 1);
    pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_VERSION, (double)version);
    pawl_stats_record(&learner->stats, PAWL_LEARNER_STAT_PUBLISH_NS,
                      pawl_clock_now_ns() - began_ns);
    pawl_log_debug("published", "version=%" PRIu64 " bytes=%" PRIu64, version,
                   learner->publisher.manifest.blob_bytes);
    return 0;
}

/* Tells of the rings that have come to their end, and lets them go. */
static int end_rings(struct pawl_learner *learner, struct pawl_err *err)
{
    for (uint32_t i = 0; i < learner->ingest.ring_end; i++) {
        struct pawl_ingest_ring *ring = &learner->ingest.rings[i];
        if (ring->state != PAWL_INGEST_ENDED && ring->state != PAWL_INGEST_BROKEN)
            continue;
        if (ring->state == PAWL_INGEST_ENDED) {
            pawl_log_info("ring drained", "actor=%u records=%" PRIu64, ring->book.actor,
                          ring->rx.next - ring->rx.first);
            (void)pawl_peer_drained(&learner->peer, ring->book.id, ring->rx.next, NULL);
        } else
            (void)pawl_peer_refuse(&learner->peer, ring->book.id, &ring->fault, NULL);
        pawl_publisher_remove(&learner->publisher, ring->page);
        if (pawl_ingest_remove_ring(&learner->ingest, ring, err) != 0)
            return -EIO;
    }
    return 0;
}

/* Records that may be taken in: while the run is on, no more than the ratio allows. */
static uint64_t room(const struct pawl_learner *learner)
{
    if (!learner->training.is_open || learner->phase != PAWL_LEARNER_ON)
        return UINT64_MAX;
    return pawl_training_room(&learner->training);
}

/* Takes in what is there: how many records. A disk that is full is waited for, and told. */
static int64_t drain(struct pawl_learner *learner)
{
    struct pawl_err err = {0};
    uint64_t began_ns = pawl_clock_now_ns();
    uint64_t limit = room(learner);
    if (!learner->ingest.is_begun || limit == 0)
        return 0;
    int64_t count = pawl_ingest_drain(&learner->ingest, limit, &err);
    if (count >= 0 && end_rings(learner, &err) != 0)
        count = -EIO;
    if (count > 0 && !learner->has_ingested) {
        learner->has_ingested = true;
        pawl_log_info("first records taken in", "after_ms=%.1f",
                      (double)(pawl_clock_now_ns() - learner->opened_ns) /
                          (double)PAWL_NS_PER_MS);
    }
    if (count > 0) {
        learner->busy_ns = pawl_clock_now_ns();
        pawl_stats_record(&learner->stats, PAWL_LEARNER_STAT_DRAIN_NS,
                          learner->busy_ns - began_ns);
    }
    learner->is_held = count < 0;
    if (learner->is_held) {
        pawl_log_error("cannot count", "reason=%s", err.text);
        if (began_ns - learner->state_ns > STATE_PERIOD_NS) {
            learner->state_ns = began_ns;
            (void)pawl_peer_state(&learner->peer, PAWL_STATE_HELD,
                                  pawl_learner_step_count(learner), err.text, NULL);
        }
    }
    return count;
}

static bool is_publication_due(struct pawl_learner *learner)
{
    if (!learner->publisher.is_open || learner->phase != PAWL_LEARNER_ON)
        return false;
    if (!learner->run->deterministic) {
        uint64_t every = (uint64_t)learner->cfg->publish_updates;
        bool is_due =
            learner->training.is_open && every > 0 &&
            pawl_training_update_count(&learner->training) - learner->published_updates >=
                every;
        return is_due || pawl_clock_now_ns() - learner->published_ns >=
                             (uint64_t)(learner->cfg->publish_period_s * (double)PAWL_NS_PER_S);
    }
    if (learner->training.is_open && pawl_training_owed(&learner->training) >= 1.0)
        return false; /* in lock-step a version has all updates of its step */
    uint64_t round = pawl_learner_step_count(learner) / (uint64_t)learner->cfg->publish_every;
    if (round == learner->publish_round)
        return false;
    learner->publish_round = round;
    return true;
}

static void count_up(struct pawl_learner *learner, uint32_t stat, uint64_t now, uint64_t *told)
{
    if (now == *told)
        return;
    pawl_stats_add(&learner->stats, stat, now - *told);
    *told = now;
}

static uint32_t ring_count(const struct pawl_learner *learner)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < learner->ingest.ring_end; i++)
        count += learner->ingest.rings[i].state != PAWL_INGEST_FREE;
    return count;
}

/* What the steps so far are worth has not been learned from them yet. */
static bool owes_updates(const struct pawl_learner *learner)
{
    return learner->training.is_open && learner->cfg->behind == PAWL_LEARNER_BEHIND_THROTTLE &&
           !learner->training.is_starved && pawl_training_owed(&learner->training) >= 1.0;
}

static void account_training(struct pawl_learner *learner)
{
    const struct pawl_stores *stores = &learner->training.stores;
    if (!learner->training.is_open)
        return;
    /* Without the last digits, which are rounding. */
    pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_UPDATES_OWED,
                   round(pawl_training_owed(&learner->training) * 1e6) / 1e6);
    pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_UPDATE_RATIO, learner->cfg->update_ratio);
    pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_REPLAY_SIZE,
                   (double)pawl_replay_size(&stores->online.replay));
    if (stores->offline.replay.segment.base)
        pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_OFFLINE_SIZE,
                       (double)pawl_replay_size(&stores->offline.replay));
}

static void account(struct pawl_learner *learner, uint64_t now_ns)
{
    const struct pawl_book_counts *counts = &learner->ingest.book.counts;
    struct pawl_book_counts *told = &learner->told;

    count_up(learner, PAWL_LEARNER_STAT_RECORDS_INGESTED, counts->records, &told->records);
    count_up(learner, PAWL_LEARNER_STAT_STEPS_INGESTED, counts->steps, &told->steps);
    count_up(learner, PAWL_LEARNER_STAT_EPISODES, counts->episodes, &told->episodes);
    count_up(learner, PAWL_LEARNER_STAT_RECORDS_REFUSED, counts->refused, &told->refused);
    count_up(learner, PAWL_LEARNER_STAT_SEQUENCE_GAPS, counts->gaps, &told->gaps);
    if (now_ns - learner->gauge_ns >= GAUGE_PERIOD_NS) {
        learner->gauge_ns = now_ns;
        pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_RING_FILL,
                       pawl_ingest_fill(&learner->ingest));
        pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_RINGS, ring_count(learner));
        account_training(learner);
        /* Relaxed: a figure for people. */
        atomic_store_explicit(&learner->ingest.bell.shared->heartbeat_ns, now_ns,
                              memory_order_relaxed);
    }
    bool is_done = learner->ingest.is_begun && pawl_book_is_done(&learner->ingest.book) &&
                   !owes_updates(learner);
    if (learner->phase != PAWL_LEARNER_ON || learner->is_held)
        return;
    if (is_done != learner->is_done_told || now_ns - learner->state_ns >= STATE_PERIOD_NS) {
        if (is_done && !learner->is_done_told)
            pawl_log_info("goal reached", "steps=%" PRIu64, pawl_learner_step_count(learner));
        learner->state_ns = now_ns;
        learner->is_done_told = is_done;
        (void)pawl_peer_state(&learner->peer, is_done ? PAWL_STATE_DONE : PAWL_STATE_RUNNING,
                              pawl_learner_step_count(learner), NULL, NULL);
    }
}

/* Whether records come faster than a wake-up is worth: it would cost their writer a system call
 * for every few of them. */
static bool is_in_a_stream(const struct pawl_learner *learner, uint64_t now_ns)
{
    return !learner->run->deterministic && !learner->is_held &&
           now_ns - learner->busy_ns < NAP_QUIET_NS;
}

/* Until a record may be there, the hub speaks, or a while is over. */
static void wait_for_work(struct pawl_learner *learner)
{
    struct pawl_ingest *ingest = &learner->ingest;
    uint64_t began_ns = pawl_clock_now_ns();
    int timeout_ms = SLEEP_MS_MAX;

    for (uint32_t i = 0; i < learner->spin_count; i++)
        if (pawl_ingest_has_work(ingest))
            return;
    if (is_in_a_stream(learner, began_ns)) {
        const struct timespec nap = {.tv_nsec = NAP_NS};
        nanosleep(&nap, NULL);
        pawl_stats_record(&learner->stats, PAWL_LEARNER_STAT_IDLE_NS,
                          pawl_clock_now_ns() - began_ns);
        return;
    }
    if (learner->publisher.is_open && !learner->run->deterministic) {
        uint64_t since_ms = (began_ns - learner->published_ns) / PAWL_NS_PER_MS;
        double left_ms = learner->cfg->publish_period_s * 1000.0 - (double)since_ms;
        if (left_ms < timeout_ms)
            timeout_ms = left_ms > 1.0 ? (int)left_ms : 1;
    }
    if (learner->training.is_open && pawl_checkpoint_is_busy(&learner->training.saver))
        timeout_ms = 1; /* it goes on in turns of the loop */
    struct pollfd looks[] = {{.fd = ingest->bell.fd, .events = POLLIN},
                             {.fd = learner->peer.fd, .events = POLLIN}};
    pawl_bell_arm(&ingest->bell);
    if (!pawl_ingest_has_work(ingest))
        poll(looks, learner->phase < PAWL_LEARNER_ORPHAN ? 2 : 1,
             learner->is_held ? RETRY_MS : timeout_ms);
    pawl_bell_disarm(&ingest->bell);
    learner->heard_ns = 0; /* the hub may have spoken */
    pawl_stats_record(&learner->stats, PAWL_LEARNER_STAT_IDLE_NS,
                      pawl_clock_now_ns() - began_ns);
}

static bool is_over(const struct pawl_learner *learner, uint64_t now_ns, int64_t count)
{
    if (learner->phase == PAWL_LEARNER_ON || count > 0)
        return learner->phase != PAWL_LEARNER_ON && now_ns >= learner->deadline_ns;
    if (now_ns >= learner->deadline_ns)
        return true;
    return learner->phase == PAWL_LEARNER_STOP
               ? ring_count(learner) == 0
               : now_ns - learner->busy_ns > PAWL_LEARNER_ORPHAN_QUIET_NS;
}

/* 1: one optimization step was done; 0: none was due. */
static int update(struct pawl_learner *learner, struct pawl_err *err)
{
    if (!learner->training.is_open || learner->phase != PAWL_LEARNER_ON)
        return 0;
    return pawl_training_update(&learner->training, err);
}

/* Lines that wait until what was cut off is so for good are written now, if the disk answers.
 */
static void write_waiting_lines(struct pawl_learner *learner)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + PAWL_IO_QUEUE_CLOSE_NS;
    for (int i = 0; i < LINE_SYNCS_MAX && pawl_clock_now_ns() < deadline_ns &&
                    pawl_linefile_is_waiting(&learner->ingest.book.episodes);
         i++)
        pawl_keeper_wait(&learner->keeper, deadline_ns);
    pawl_ingest_turn(&learner->ingest);
}

/* Saves what was learned, and says goodbye. */
static int end(struct pawl_learner *learner, struct pawl_err *err)
{
    uint64_t steps = pawl_learner_step_count(learner);
    uint64_t now_ns = pawl_clock_now_ns();
    bool is_orphan = learner->phase == PAWL_LEARNER_ORPHAN;

    write_waiting_lines(learner);
    pawl_log_info("ended", "steps=%" PRIu64 " episodes=%" PRIu64, steps,
                  learner->ingest.book.counts.episodes);
    if (learner->training.is_open &&
        pawl_training_finish(&learner->training,
                             is_orphan ? now_ns + ORPHAN_SAVE_NS : learner->save_deadline_ns,
                             err) != 0)
        return pawl_err_wrap(err, "learner");
    if (is_orphan)
        return pawl_err_set(err, EPIPE, "the supervisor is gone; %" PRIu64 " steps are counted",
                            steps);
    (void)pawl_peer_bye(&learner->peer, steps, NULL);
    return 0;
}

int pawl_learner_run(struct pawl_learner *learner, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    int64_t count = 0;

    (void)pawl_peer_state(&learner->peer, PAWL_STATE_STARTING, 0, NULL, NULL);
    for (;;) {
        if (pawl_clock_now_ns() - learner->heard_ns >= HEAR_PERIOD_NS) {
            learner->heard_ns = pawl_clock_now_ns();
            if (pawl_learner_hear(learner, err) != 0)
                return pawl_err_wrap(err, "learner");
        }
        if (atomic_load_explicit(learner->setup.is_stopping, memory_order_relaxed))
            pawl_learner_stop(learner, PAWL_LEARNER_STOP,
                              pawl_clock_now_ns() + PAWL_LEARNER_ORPHAN_NS_MAX);

        /* Behind all that was opened and noted while hearing: no time since is below 0. */
        uint64_t now_ns = pawl_clock_now_ns();
        count = drain(learner);
        int updated = update(learner, err);
        if (updated < 0)
            return pawl_err_wrap(err, "learner");
        if (is_publication_due(learner) && pawl_learner_publish(learner, err) != 0)
            return pawl_err_wrap(err, "learner");
        if (learner->training.is_open)
            pawl_training_turn(&learner->training, now_ns);
        account(learner, now_ns);
        pawl_keeper_poll(&learner->keeper, now_ns);
        pawl_ingest_turn(&learner->ingest);

        if (is_over(learner, now_ns, count))
            break;
        if (count <= 0 && updated == 0)
            wait_for_work(learner);
    }
    return end(learner, err);
}
