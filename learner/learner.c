#include "learner/learner.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "learner/ingest.h"
#include "learner/keeper.h"
#include "learner/learner_cfg.h"
#include "learner/publish.h"
#include "policy/policy_cfg.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/run_cfg.h"
#include "shm/peer.h"
#include "shm/run_stats.h"

#define HEAR_PERIOD_NS  PAWL_NS_PER_MS /* how often a busy learner listens to the hub */
#define STATE_PERIOD_NS PAWL_NS_PER_S
#define GAUGE_PERIOD_NS (100 * PAWL_NS_PER_MS)
#define SLEEP_MS_MAX    100
#define RETRY_MS        100 /* until a full disk is tried again */
/* After the hub's hang-up the actors end by themselves: silence for so long, or at most so long
 * in all. */
#define ORPHAN_QUIET_NS (300 * PAWL_NS_PER_MS)
#define ORPHAN_NS_MAX   (3 * PAWL_NS_PER_S)
/* Kept back from the time the hub gives for ending, for closing the files. */
#define STOP_RESERVE_NS (100 * PAWL_NS_PER_MS)

enum phase {
    PHASE_RUN,
    PHASE_STOP,   /* until all rings have ended, or deadline_ns */
    PHASE_ORPHAN, /* the hub is gone: until the rings are silent, or deadline_ns */
    PHASE_OVER,
};

struct pawl_learner {
    struct pawl_learner_setup setup;
    const struct pawl_learner_cfg *cfg;
    const struct pawl_run_cfg *run;
    struct pawl_peer peer;
    struct pawl_ingest ingest;
    struct pawl_publisher publisher;
    struct pawl_stats stats;
    struct pawl_keeper keeper;
    uint64_t acks_id;
    uint32_t spin_count;

    enum phase phase;
    uint64_t deadline_ns;
    uint64_t heard_ns, published_ns, state_ns, gauge_ns, busy_ns; /* when last */
    uint64_t publish_round;       /* deterministic: publications so far, by steps */
    struct pawl_book_counts told; /* what stats has of the book's counts */
    bool is_done_told;
    bool is_held; /* the disk is full */
};

const struct pawl_cfg_table *const pawl_learner_tables[] = {
    &pawl_run_table, &pawl_log_table,     &pawl_policy_table,
    &pawl_sac_table, &pawl_learner_table, NULL,
};

static int offer(struct pawl_learner *learner, const struct pawl_segment *segment,
                 int doorbell_fd, uint64_t *id, struct pawl_err *err)
{
    uint64_t unread;
    return pawl_peer_offer(&learner->peer, segment, doorbell_fd, id ? id : &unread, err);
}

static void read_ingest_cfg(const struct pawl_learner *learner, struct pawl_ingest_cfg *cfg)
{
    *cfg = (struct pawl_ingest_cfg){
        .ring_count_max = (uint32_t)learner->cfg->rings_max,
        /* In lock-step every record is a batch, so that what is published where does not
         * depend on how many were found together. */
        .batch_count = learner->run->deterministic ? 1 : (uint32_t)learner->cfg->batch,
        .is_lockstep = learner->run->deterministic,
        .book = {.folder = learner->setup.folder,
                 .has_ledger = learner->cfg->ledger,
                 .has_times = !learner->run->deterministic,
                 .step_goal = (uint64_t)learner->run->steps,
                 .io = pawl_io_sys()},
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
    learner->cfg = pawl_cfg_fields(setup->cfg, &pawl_learner_table);
    learner->run = pawl_cfg_fields(setup->cfg, &pawl_run_table);
    learner->spin_count = pawl_park_spin_count(2);
    peer.role = PAWL_ROLE_LEARNER;
    peer.index = 0;
    peer.fd = setup->hub_fd;
    read_ingest_cfg(learner, &ingest);
    if (pawl_peer_open(&learner->peer, &peer, err) != 0)
        goto fail;
    if (pawl_ingest_open(&learner->ingest, &ingest, err) != 0)
        goto fail;
    if (pawl_keeper_open(&learner->keeper, pawl_io_sys(), setup->folder, PAWL_KEEPER_PERIOD_NS,
                         err) != 0)
        goto fail;
    if (pawl_stats_create(&learner->stats, "learner", pawl_learner_stat_rows,
                          PAWL_LEARNER_STAT_COUNT, err) != 0)
        goto fail;
    if (offer(learner, &learner->stats.segment, -1, NULL, err) != 0 ||
        offer(learner, &learner->ingest.acks, learner->ingest.bell.fd, &learner->acks_id,
              err) != 0)
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
    pawl_publisher_close(&learner->publisher);
    pawl_keeper_close(&learner->keeper);
    pawl_ingest_close(&learner->ingest);
    pawl_stats_close(&learner->stats);
    pawl_peer_close(&learner->peer);
    free(learner);
}

static uint64_t step_count(const struct pawl_learner *learner)
{
    return learner->ingest.is_begun ? pawl_tally_totals(&learner->ingest.tally)->step_count : 0;
}

/* The first ring tells the run's spec: from here on there are books and parameters. */
static int begin(struct pawl_learner *learner, struct pawl_err *err)
{
    struct pawl_ingest *ingest = &learner->ingest;
    if (ingest->is_begun)
        return 0;
    if (pawl_ingest_begin(ingest, err) != 0)
        return -err->code;
    const struct pawl_tally_totals *totals = pawl_tally_totals(&ingest->tally);
    pawl_log_info("books open", "steps=%" PRIu64 " episodes=%" PRIu64, totals->step_count,
                  totals->episode_count);
    if (ingest->tally.segment.fd < 0)
        return 0; /* a dead learner's: the hub has it */
    return offer(learner, &ingest->tally.segment, -1, NULL, err);
}

static void publish(struct pawl_learner *learner)
{
    uint64_t began_ns = pawl_clock_now_ns();
    uint64_t version = pawl_publisher_publish(&learner->publisher, step_count(learner));
    learner->published_ns = began_ns;
    if (!version)
        return;
    pawl_stats_add(&learner->stats, PAWL_LEARNER_STAT_VERSIONS_PUBLISHED, 1);
    pawl_stats_set(&learner->stats, PAWL_LEARNER_STAT_VERSION, (double)version);
    pawl_stats_record(&learner->stats, PAWL_LEARNER_STAT_PUBLISH_NS,
                      pawl_clock_now_ns() - began_ns);
    pawl_log_debug("published", "version=%" PRIu64 " bytes=%" PRIu64, version,
                   learner->publisher.manifest.blob_bytes);
}

/* Makes the board, with the pin of the first ring in it before anybody sees it. */
static int open_publisher(struct pawl_learner *learner, const struct pawl_ingest_ring *ring,
                          struct pawl_err *err)
{
    const struct pawl_policy_cfg *policy =
        pawl_cfg_fields(learner->setup.cfg, &pawl_policy_table);
    const struct pawl_publisher_cfg cfg = {
        .ops = pawl_policies[policy->type],
        .setup = {.cfg = learner->setup.cfg,
                  .spec = &learner->ingest.spec,
                  .lane_count = 1,
                  .seed = (uint64_t)learner->run->seed},
        .reader_count = (uint32_t)learner->cfg->rings_max,
        .slot_count = (uint32_t)learner->cfg->version_slots,
        .tally = &learner->ingest.tally,
    };
    if (pawl_publisher_open(&learner->publisher, &cfg, err) != 0 ||
        pawl_publisher_add(&learner->publisher, ring->page, &ring->rx.page->pin, err) != 0)
        return -err->code;
    publish(learner);
    learner->publish_round = step_count(learner) / (uint64_t)learner->cfg->publish_every;
    return offer(learner, &learner->publisher.segment, -1, NULL, err);
}

static int on_ring(struct pawl_learner *learner, const struct pawl_peer_event *event,
                   struct pawl_err *err)
{
    struct pawl_err why = {0};
    if (begin(learner, err) != 0)
        return -err->code;
    struct pawl_ingest_ring *ring =
        pawl_ingest_add_ring(&learner->ingest, &event->offer, event->fds[0], &why);
    if (!ring) {
        pawl_log_error("ring refused", "actor=%u reason=%s", event->offer.index, why.text);
        return pawl_peer_refuse(&learner->peer, event->offer.id, &why, err);
    }
    if (!learner->publisher.is_open) {
        if (open_publisher(learner, ring, err) != 0)
            return -err->code;
    } else if (ring->state == PAWL_INGEST_READ &&
               pawl_publisher_add(&learner->publisher, ring->page, &ring->rx.page->pin, err) !=
                   0)
        return -err->code;
    pawl_log_info("ring attached", "actor=%u start=%" PRIu64 " gone=%u", event->offer.index,
                  ring->rx.next, event->offer.is_gone);
    return pawl_peer_bind(&learner->peer, event->offer.id, learner->acks_id, ring->page, err);
}

static int on_offer(struct pawl_learner *learner, const struct pawl_peer_event *event,
                    struct pawl_err *err)
{
    const struct pawl_hub_offer *offered = &event->offer;
    switch (offered->kind) {
    case PAWL_SEGMENT_RING:
        return on_ring(learner, event, err);
    case PAWL_SEGMENT_ACK:
        return pawl_ingest_add_past(&learner->ingest, offered->id, event->fds[0],
                                    offered->total_bytes, err);
    case PAWL_SEGMENT_STORE:
        if (learner->ingest.is_begun || strcmp(offered->label, PAWL_TALLY_LABEL) != 0)
            return 0;
        return pawl_ingest_adopt(&learner->ingest, event->fds[0], offered->total_bytes, err);
    default:
        return 0;
    }
}

static void stop(struct pawl_learner *learner, enum phase phase, uint64_t deadline_ns)
{
    if (learner->phase >= phase)
        return;
    pawl_log_info("stopping", "steps=%" PRIu64 " because=%s", step_count(learner),
                  phase == PHASE_STOP ? "asked" : "the hub is gone");
    learner->phase = phase;
    learner->deadline_ns = deadline_ns;
    learner->busy_ns = pawl_clock_now_ns();
    if (phase == PHASE_STOP)
        (void)pawl_peer_state(&learner->peer, PAWL_STATE_STOPPING, step_count(learner), NULL,
                              NULL);
}

static int on_event(struct pawl_learner *learner, const struct pawl_peer_event *event,
                    struct pawl_err *err)
{
    struct pawl_ingest_ring *ring;
    switch (event->kind) {
    case PAWL_PEER_OFFER:
        return on_offer(learner, event, err);
    case PAWL_PEER_GONE:
        ring = pawl_ingest_find_ring(&learner->ingest, event->gone.id);
        if (ring) {
            pawl_publisher_remove(&learner->publisher, ring->page);
            pawl_ingest_ring_gone(ring);
        }
        return 0;
    case PAWL_PEER_WITHDRAW:
        pawl_ingest_remove_past(&learner->ingest, event->withdraw.id);
        return 0;
    case PAWL_PEER_STOP:
        stop(learner, PHASE_STOP,
             event->stop.deadline_ns > STOP_RESERVE_NS
                 ? event->stop.deadline_ns - STOP_RESERVE_NS
                 : 0);
        return 0;
    case PAWL_PEER_REJECT:
        return pawl_err_set(err, (int)event->reject.code, "the hub refuses: %s",
                            event->reject.text);
    case PAWL_PEER_HANGUP:
        stop(learner, PHASE_ORPHAN, pawl_clock_now_ns() + ORPHAN_NS_MAX);
        return 0;
    default:
        return 0;
    }
}

/* Everything the hub has to say. */
static int hear(struct pawl_learner *learner, struct pawl_err *err)
{
    while (learner->phase < PHASE_ORPHAN) {
        struct pawl_peer_event event;
        if (pawl_peer_poll(&learner->peer, &event, err) != 0)
            return -err->code;
        if (event.kind == PAWL_PEER_NONE)
            break;
        int code = on_event(learner, &event, err);
        pawl_peer_event_drop(&event);
        if (code == -EPIPE && event.kind != PAWL_PEER_REJECT)
            *err = (struct pawl_err){0}; /* the hub has hung up; its last words come first */
        else if (code != 0)
            return code;
    }
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

/* Takes in what is there: how many records. A disk that is full is waited for, and told. */
static int64_t drain(struct pawl_learner *learner)
{
    struct pawl_err err = {0};
    uint64_t began_ns = pawl_clock_now_ns();
    if (!learner->ingest.is_begun)
        return 0;
    int64_t count = pawl_ingest_drain(&learner->ingest, UINT64_MAX, &err);
    if (count >= 0 && end_rings(learner, &err) != 0)
        count = -EIO;
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
            (void)pawl_peer_state(&learner->peer, PAWL_STATE_HELD, step_count(learner),
                                  err.text, NULL);
        }
    }
    return count;
}

static bool is_publication_due(struct pawl_learner *learner)
{
    if (!learner->publisher.is_open || learner->phase != PHASE_RUN)
        return false;
    if (!learner->run->deterministic)
        return pawl_clock_now_ns() - learner->published_ns >=
               (uint64_t)(learner->cfg->publish_period_s * (double)PAWL_NS_PER_S);
    uint64_t round = step_count(learner) / (uint64_t)learner->cfg->publish_every;
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
        /* Relaxed: a figure for people. */
        atomic_store_explicit(&learner->ingest.bell.shared->heartbeat_ns, now_ns,
                              memory_order_relaxed);
    }
    bool is_done = learner->ingest.is_begun && pawl_book_is_done(&learner->ingest.book);
    if (learner->phase != PHASE_RUN || learner->is_held)
        return;
    if (is_done != learner->is_done_told || now_ns - learner->state_ns >= STATE_PERIOD_NS) {
        if (is_done && !learner->is_done_told)
            pawl_log_info("goal reached", "steps=%" PRIu64, step_count(learner));
        learner->state_ns = now_ns;
        learner->is_done_told = is_done;
        (void)pawl_peer_state(&learner->peer, is_done ? PAWL_STATE_DONE : PAWL_STATE_RUNNING,
                              step_count(learner), NULL, NULL);
    }
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
    if (learner->publisher.is_open && !learner->run->deterministic) {
        uint64_t since_ms = (began_ns - learner->published_ns) / PAWL_NS_PER_MS;
        double left_ms = learner->cfg->publish_period_s * 1000.0 - (double)since_ms;
        if (left_ms < timeout_ms)
            timeout_ms = left_ms > 1.0 ? (int)left_ms : 1;
    }
    struct pollfd looks[] = {{.fd = ingest->bell.fd, .events = POLLIN},
                             {.fd = learner->peer.fd, .events = POLLIN}};
    pawl_bell_arm(&ingest->bell);
    if (!pawl_ingest_has_work(ingest))
        poll(looks, learner->phase < PHASE_ORPHAN ? 2 : 1,
             learner->is_held ? RETRY_MS : timeout_ms);
    pawl_bell_disarm(&ingest->bell);
    learner->heard_ns = 0; /* the hub may have spoken */
    pawl_stats_record(&learner->stats, PAWL_LEARNER_STAT_IDLE_NS,
                      pawl_clock_now_ns() - began_ns);
}

static bool is_over(const struct pawl_learner *learner, uint64_t now_ns, int64_t count)
{
    if (learner->phase == PHASE_RUN || count > 0)
        return learner->phase != PHASE_RUN && now_ns >= learner->deadline_ns;
    if (now_ns >= learner->deadline_ns)
        return true;
    return learner->phase == PHASE_STOP ? ring_count(learner) == 0
                                        : now_ns - learner->busy_ns > ORPHAN_QUIET_NS;
}

int pawl_learner_run(struct pawl_learner *learner, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    int64_t count = 0;

    (void)pawl_peer_state(&learner->peer, PAWL_STATE_STARTING, 0, NULL, NULL);
    for (;;) {
        uint64_t now_ns = pawl_clock_now_ns();
        if (now_ns - learner->heard_ns >= HEAR_PERIOD_NS) {
            learner->heard_ns = now_ns;
            if (hear(learner, err) != 0)
                return pawl_err_wrap(err, "learner");
        }
        if (atomic_load_explicit(learner->setup.is_stopping, memory_order_relaxed))
            stop(learner, PHASE_STOP, now_ns + ORPHAN_NS_MAX);

        count = drain(learner);
        /* A method's update belongs here: after the records are in, before the parameters go
         * out. */
        if (is_publication_due(learner))
            publish(learner);
        account(learner, now_ns);
        pawl_keeper_poll(&learner->keeper, now_ns);

        if (is_over(learner, now_ns, count))
            break;
        if (count <= 0)
            wait_for_work(learner);
    }
    uint64_t steps = step_count(learner);
    pawl_log_info("ended", "steps=%" PRIu64 " episodes=%" PRIu64, steps,
                  learner->ingest.book.counts.episodes);
    if (learner->phase == PHASE_ORPHAN)
        return pawl_err_set(err, EPIPE, "the supervisor is gone; %" PRIu64 " steps are counted",
                            steps);
    (void)pawl_peer_bye(&learner->peer, steps, NULL);
    return 0;
}
