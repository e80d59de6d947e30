#include "learner/learner_internal.h"

#include <errno.h>
#include <inttypes.h>

#include "runtime/clock.h"
#include "runtime/log.h"

/* Kept back from the time the hub gives for ending, for closing the files. */
#define STOP_RESERVE_NS (100 * PAWL_NS_PER_MS)

int pawl_learner_offer(struct pawl_learner *learner, const struct pawl_segment *segment,
                       int doorbell_fd, uint64_t *id, struct pawl_err *err)
{
    uint64_t unread;
    return pawl_peer_offer(&learner->peer, segment, doorbell_fd, id ? id : &unread, err);
}

/* Opens the books: a dead learner's, a checkpoint's, or new ones. */
static int begin(struct pawl_learner *learner, struct pawl_err *err)
{
    struct pawl_ingest *ingest = &learner->ingest;
    const struct pawl_heirloom *left = pawl_estate_find(&learner->estate, PAWL_TALLY_LABEL);
    int code = 0;

    if (ingest->is_begun)
        return 0;
    if (left)
        code = pawl_ingest_adopt(ingest, left->fd, left->total_bytes, err);
    else if (learner->setup.is_resumed) {
        code = pawl_resume_find(&learner->resume, err);
        if (code == 0)
            code = pawl_ingest_restore(ingest, &learner->resume.resume.totals,
                                       learner->resume.resume.version_next, err);
    }
    if (code != 0 || pawl_ingest_begin(ingest, err) != 0)
        return -err->code;
    const struct pawl_tally_totals *totals = pawl_tally_totals(&ingest->tally);
    pawl_log_info("books open", "steps=%" PRIu64 " episodes=%" PRIu64, totals->step_count,
                  totals->episode_count);
    if (ingest->tally.segment.fd < 0)
        return 0; /* a dead learner's: the hub has it */
    return pawl_learner_offer(learner, &ingest->tally.segment, -1, NULL, err);
}

/* The dead learner whose warm state is there had the memory and the device, which come back a
 * while after it: another start may go well (exit_code_of() in main_learner.c). */
static int fail_training(const struct pawl_learner *learner, struct pawl_err *err)
{
    bool may_pass = err->code == ENOMEM || err->code == ENXIO;
    if (may_pass && pawl_estate_find(&learner->estate, PAWL_WARM_LABEL))
        err->code = EREMOTEIO;
    return -err->code;
}

/* The first ring has told the run's spec: what the method learns with is opened and offered
 * before any record is taken. */
static int open_training(struct pawl_learner *learner, struct pawl_err *err)
{
    const struct pawl_training_setup setup = {
        .cfg = learner->setup.cfg,
        .policy = learner->policy,
        .choice_count = learner->choice_count,
        .folder = learner->setup.folder,
        .ingest = &learner->ingest,
        .estate = &learner->estate,
        .resume = learner->setup.is_resumed ? &learner->resume : NULL,
        .stats = &learner->stats,
        .start_ns = learner->setup.start_ns,
        .io = pawl_io_sys(),
        .keeper = &learner->keeper,
    };
    if (!learner->policy->trainer || learner->training.is_open)
        return 0;
    if (pawl_training_open(&learner->training, &setup, err) != 0)
        return fail_training(learner, err);
    pawl_estate_close(&learner->estate);
    pawl_ingest_set_sink(&learner->ingest, pawl_training_sink(&learner->training));
    const struct pawl_segment *segment;
    for (uint32_t i = 0; (segment = pawl_training_segment(&learner->training, i)); i++)
        if (pawl_learner_offer(learner, segment, -1, NULL, err) != 0)
            return -err->code;
    return 0;
}

/* Makes the board, with the pin of the first ring in it before anybody sees it. */
static int open_publisher(struct pawl_learner *learner, const struct pawl_ingest_ring *ring,
                          struct pawl_err *err)
{
    const struct pawl_publisher_cfg cfg = {
        .ops = learner->policy,
        .setup = {.cfg = learner->setup.cfg,
                  .spec = &learner->ingest.spec,
                  .choice_count = learner->choice_count,
                  .lane_count = 1,
                  .seed = (uint64_t)learner->run->seed},
        .reader_count = (uint32_t)learner->cfg->rings_max,
        .slot_count = (uint32_t)learner->cfg->version_slots,
        .tally = &learner->ingest.tally,
        .trainer = learner->training.trainer,
    };
    if (pawl_publisher_open(&learner->publisher, &cfg, err) != 0 ||
        pawl_publisher_add(&learner->publisher, ring->page, &ring->rx.page->pin, err) != 0 ||
        pawl_learner_publish(learner, err) != 0)
        return -err->code;
    learner->publish_round =
        pawl_learner_step_count(learner) / (uint64_t)learner->cfg->publish_every;
    return pawl_learner_offer(learner, &learner->publisher.segment, -1, NULL, err);
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
    if (open_training(learner, err) != 0)
        return -err->code;
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
        if (learner->ingest.is_begun)
            return 0;
        return pawl_estate_add(&learner->estate, offered->label, event->fds[0],
                               offered->total_bytes, err);
    default:
        return 0;
    }
}

void pawl_learner_stop(struct pawl_learner *learner, enum pawl_learner_phase phase,
                       uint64_t deadline_ns)
{
    if (learner->phase >= phase)
        return;
    pawl_log_info("stopping", "steps=%" PRIu64 " because=%s", pawl_learner_step_count(learner),
                  phase == PAWL_LEARNER_STOP ? "asked" : "the hub is gone");
    learner->phase = phase;
    learner->busy_ns = pawl_clock_now_ns();
    learner->deadline_ns = learner->save_deadline_ns = deadline_ns;
    /* Who waits for a ring that does not end must still have time for a checkpoint. */
    if (learner->training.is_open && deadline_ns > learner->busy_ns)
        learner->deadline_ns -= (deadline_ns - learner->busy_ns) / 2;
    if (phase == PAWL_LEARNER_STOP)
        (void)pawl_peer_state(&learner->peer, PAWL_STATE_STOPPING,
                              pawl_learner_step_count(learner), NULL, NULL);
}

static int on_event(struct pawl_learner *learner, const struct pawl_peer_event *event,
                    struct pawl_err *err)
{
    struct pawl_ingest_ring *ring;
    switch (event->kind) {
    case PAWL_PEER_OFFER:
        return on_offer(learner, event, err);
    case PAWL_PEER_ALL: /* a checkpoint that cannot be gone on from is told before any actor
                           comes */
        if (!learner->setup.is_resumed || learner->ingest.is_begun ||
            pawl_estate_find(&learner->estate, PAWL_TALLY_LABEL))
            return 0;
        return pawl_resume_find(&learner->resume, err);
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
        pawl_learner_stop(learner, PAWL_LEARNER_STOP,
                          event->stop.deadline_ns > STOP_RESERVE_NS
                              ? event->stop.deadline_ns - STOP_RESERVE_NS
                              : 0);
        return 0;
    case PAWL_PEER_REJECT:
        return pawl_err_set(err, (int)event->reject.code, "the hub refuses: %s",
                            event->reject.text);
    case PAWL_PEER_HANGUP:
        pawl_learner_stop(learner, PAWL_LEARNER_ORPHAN,
                          pawl_clock_now_ns() + PAWL_LEARNER_ORPHAN_NS_MAX);
        return 0;
    default:
        return 0;
    }
}

int pawl_learner_hear(struct pawl_learner *learner, struct pawl_err *err)
{
    while (learner->phase < PAWL_LEARNER_ORPHAN) {
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
