#include "actor/actor_hub.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/log.h"
#include "shm/distance.h"

int pawl_actor_hub_open(struct pawl_actor_hub *hub, int fd, uint32_t index,
                        struct pawl_err *err)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();

    *hub = (struct pawl_actor_hub){0};
    for (int i = 0; i < PAWL_ACTOR_HUB_ACKS_MAX; i++)
        hub->acks[i].doorbell_fd = -1;
    cfg.role = PAWL_ROLE_ACTOR;
    cfg.index = index;
    cfg.fd = fd;
    return pawl_peer_open(&hub->peer, &cfg, err);
}

static void acks_close(struct pawl_actor_acks *acks)
{
    if (!acks->id)
        return;
    pawl_segment_close(&acks->segment);
    if (acks->doorbell_fd >= 0)
        close(acks->doorbell_fd);
    *acks = (struct pawl_actor_acks){.doorbell_fd = -1};
}

void pawl_actor_hub_close(struct pawl_actor_hub *hub)
{
    for (int i = 0; i < PAWL_ACTOR_HUB_ACKS_MAX; i++)
        acks_close(&hub->acks[i]);
    pawl_peer_close(&hub->peer);
}

int pawl_actor_hub_offer(struct pawl_actor_hub *hub, const struct pawl_segment *ring,
                         struct pawl_ring_tx *tx, const struct pawl_segment *stats,
                         struct pawl_params *params, struct pawl_err *err)
{
    uint64_t stats_id;

    hub->tx = tx;
    hub->params = params;
    int code = pawl_peer_offer(&hub->peer, ring, -1, &hub->ring_id, err);
    if (code == 0)
        code = pawl_peer_offer(&hub->peer, stats, -1, &stats_id, err);
    return code;
}

static struct pawl_actor_acks *acks_find(struct pawl_actor_hub *hub, uint64_t id)
{
    for (int i = 0; i < PAWL_ACTOR_HUB_ACKS_MAX; i++)
        if (hub->acks[i].id == id)
            return &hub->acks[i];
    return NULL;
}

/* A free place; else the oldest that the ring does not use. */
static struct pawl_actor_acks *acks_place(struct pawl_actor_hub *hub)
{
    struct pawl_actor_acks *place = acks_find(hub, 0);
    if (place)
        return place;
    for (int i = 0; i < PAWL_ACTOR_HUB_ACKS_MAX; i++) {
        struct pawl_actor_acks *acks = &hub->acks[i];
        if (acks->id != hub->acks_bound && (!place || acks->id < place->id))
            place = acks;
    }
    acks_close(place);
    return place;
}

static int take_acks(struct pawl_actor_hub *hub, struct pawl_peer_event *event,
                     struct pawl_err *err)
{
    struct pawl_actor_acks *acks = acks_place(hub);

    int code = pawl_ring_acks_attach(&acks->segment, event->fds[0], err);
    if (code != 0)
        return code;
    acks->id = event->offer.id;
    acks->is_gone = event->offer.is_gone;
    acks->doorbell_fd = event->fd_count > 1 ? event->fds[1] : -1;
    if (event->fd_count > 1)
        event->fds[1] = -1; /* ours now */
    return 0;
}

static int take_offer(struct pawl_actor_hub *hub, struct pawl_peer_event *event,
                      struct pawl_err *err)
{
    int code = 0;

    if (event->offer.kind == PAWL_SEGMENT_ACK)
        code = take_acks(hub, event, err);
    else if (event->offer.kind == PAWL_SEGMENT_BOARD)
        code = pawl_params_attach(hub->params, event->fds[0], event->offer.total_bytes, err);
    return code == 0 ? 0 : pawl_err_wrap(err, "segment '%s'", event->offer.label);
}

static int take_bind(struct pawl_actor_hub *hub, const struct pawl_hub_bind *bind,
                     struct pawl_err *err)
{
    if (bind->ring_id != hub->ring_id)
        return 0;
    struct pawl_actor_acks *acks = acks_find(hub, bind->acks_id);
    if (!acks)
        return pawl_err_set(err, EPROTO, "bound to a segment %" PRIx64 " that was not offered",
                            bind->acks_id);
    int code = pawl_ring_bind(hub->tx, &acks->segment, bind->acks_page, acks->doorbell_fd, err);
    if (code != 0)
        return code;
    if (!acks->is_gone && !hub->acks_bound)
        pawl_distance_meet_reader(hub->tx);
    hub->acks_bound = acks->id;
    hub->gone_ns = acks->is_gone ? pawl_clock_now_ns() : 0;
    pawl_log_info("learner attached", "is_gone=%d", acks->is_gone);
    return 0;
}

static void take_gone(struct pawl_actor_hub *hub, uint64_t id)
{
    struct pawl_actor_acks *acks = acks_find(hub, id);
    if (!acks || acks->is_gone)
        return;
    acks->is_gone = true;
    if (id != hub->acks_bound)
        return;
    hub->gone_ns = pawl_clock_now_ns();
    pawl_log_warn("learner gone", "version=%" PRIu64, hub->params->version);
}

static void take_reject(struct pawl_actor_hub *hub, const struct pawl_hub_reject *reject)
{
    hub->is_rejected = true;
    pawl_err_set(&hub->why, (int)reject->code, "%s: %s",
                 reject->id ? "the learner refuses the records" : "the hub", reject->text);
}

static int take(struct pawl_actor_hub *hub, struct pawl_peer_event *event, struct pawl_err *err)
{
    switch (event->kind) {
    case PAWL_PEER_OFFER:
        return take_offer(hub, event, err);
    case PAWL_PEER_BIND:
        return take_bind(hub, &event->bind, err);
    case PAWL_PEER_GONE:
        take_gone(hub, event->gone.id);
        return 0;
    case PAWL_PEER_STOP:
        hub->is_stopping = true;
        hub->stop_deadline_ns = event->stop.deadline_ns;
        return 0;
    case PAWL_PEER_REJECT:
        take_reject(hub, &event->reject);
        return 0;
    case PAWL_PEER_HANGUP:
        hub->is_hung_up = true;
        return 0;
    case PAWL_PEER_WITHDRAW: /* kept: the ring may still be acknowledged there */
    case PAWL_PEER_ALL:
    case PAWL_PEER_NONE:
        return 0;
    }
    return 0;
}

int pawl_actor_hub_listen(struct pawl_actor_hub *hub, struct pawl_err *err)
{
    while (!hub->is_hung_up) {
        struct pawl_peer_event event;
        int code = pawl_peer_poll(&hub->peer, &event, err);
        if (code != 0)
            return code;
        if (event.kind == PAWL_PEER_NONE)
            return 0;
        code = take(hub, &event, err);
        pawl_peer_event_drop(&event);
        if (code != 0)
            return code;
    }
    return 0;
}

void pawl_actor_hub_wait(const struct pawl_actor_hub *hub, uint64_t timeout_ns)
{
    struct pollfd fd = {.fd = hub->is_hung_up ? -1 : hub->peer.fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / PAWL_NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % PAWL_NS_PER_S)};
    ppoll(&fd, 1, &timeout, NULL);
}

void pawl_actor_hub_tell(struct pawl_actor_hub *hub, uint32_t state, uint64_t step_count,
                         const char *text)
{
    if (state == hub->state || hub->is_hung_up)
        return;
    hub->state = state;
    /* A hub that is gone is found out by listening. */
    pawl_peer_state(&hub->peer, state, step_count, text, NULL);
}
