#include "shm/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

struct pawl_peer_cfg pawl_peer_default_cfg(void)
{
    return (struct pawl_peer_cfg){
        .index = PAWL_HUB_ANY_INDEX, .fd = -1, .timeout_ns = 5 * PAWL_NS_PER_S};
}

/* Waits for what the hub says to hello. */
static int be_welcomed(struct pawl_peer *peer, uint64_t deadline_ns, struct pawl_err *err)
{
    union pawl_hub_any any;
    const struct pawl_msg_kind *kind;
    int fds[PAWL_HUB_FD_COUNT_MAX];
    size_t fd_count;
    int status = pawl_hub_receive(peer->fd, &any, &kind, fds, &fd_count, deadline_ns, err);
    if (status == -EAGAIN)
        return pawl_err_set(err, ETIMEDOUT, "waited %.1f s for the hub to answer hello",
                            (double)peer->timeout_ns / (double)PAWL_NS_PER_S);
    if (status == -EPIPE)
        return pawl_err_wrap(err, "the hub hung up on hello");
    if (status)
        return pawl_err_wrap(err, "the hub's answer to hello");
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);

    if (kind->id == pawl_hub_reject_id)
        return pawl_err_set(err, (int)any.pawl_hub_reject.code, "the hub says no: %s",
                            any.pawl_hub_reject.text);
    if (kind->id != pawl_hub_welcome_id || fd_count != 0)
        return pawl_err_set(err, EPROTO, "the hub answered hello with %s, must be welcome",
                            kind->name);
    peer->incarnation = any.pawl_hub_welcome.incarnation;
    peer->index = any.pawl_hub_welcome.index;
    memcpy(peer->run_epoch, any.pawl_hub_welcome.run_epoch, sizeof(peer->run_epoch));
    return 0;
}

static int say_hello(struct pawl_peer *peer, const struct pawl_peer_cfg *cfg,
                     uint64_t deadline_ns, struct pawl_err *err)
{
    struct pawl_hub_hello hello = {.abi_major = PAWL_HUB_ABI_MAJOR,
                                   .abi_minor = PAWL_HUB_ABI_MINOR,
                                   .role = cfg->role,
                                   .index = cfg->index,
                                   .pid = (uint32_t)getpid()};
    pawl_hub_set_text(hello.name, sizeof(hello.name), cfg->name ? cfg->name : "");
    if (getrandom(peer->epoch, sizeof(peer->epoch), 0) != (ssize_t)sizeof(peer->epoch))
        return pawl_err_set(err, errno, "random epoch: %s", strerror(errno));
    memcpy(hello.epoch, peer->epoch, sizeof(hello.epoch));

    PAWL_FAULT("peer.hello");
    int status = pawl_hub_send(peer->fd, pawl_hub_hello_id, pawl_hub_hello_version, &hello,
                               NULL, 0, deadline_ns, err);
    if (status == -EAGAIN)
        return pawl_err_set(err, ETIMEDOUT, "waited %.1f s for room to say hello to the hub",
                            (double)cfg->timeout_ns / (double)PAWL_NS_PER_S);
    /* A hub that hung up may have said why before. */
    if (status && status != -EPIPE)
        return status;
    if (status && err)
        err->code = 0;
    return be_welcomed(peer, deadline_ns, err);
}

int pawl_peer_open(struct pawl_peer *peer, const struct pawl_peer_cfg *cfg,
                   struct pawl_err *err)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + cfg->timeout_ns;
    struct pawl_err unread = {0};
    err = err ? err : &unread;

    *peer = (struct pawl_peer){.fd = cfg->fd, .role = cfg->role, .timeout_ns = cfg->timeout_ns};
    if (cfg->fd < 0) {
        int status =
            pawl_sock_connect(&peer->fd, cfg->folder, PAWL_HUB_SOCKET_NAME, deadline_ns, err);
        if (status == -EAGAIN)
            pawl_err_set(err, ETIMEDOUT, "waited %.1f s for the hub in %s to take us in",
                         (double)cfg->timeout_ns / (double)PAWL_NS_PER_S, cfg->folder);
        if (status) {
            *peer = (struct pawl_peer){0};
            return pawl_err_wrap(err, "join run");
        }
    }
    peer->is_open = true;
    if (say_hello(peer, cfg, deadline_ns, err) != 0) {
        pawl_peer_close(peer);
        return pawl_err_wrap(err, "join run");
    }
    return 0;
}

static int tell(struct pawl_peer *peer, uint16_t id, const void *body, const int *fds,
                size_t fd_count, struct pawl_err *err)
{
    if (!peer->is_open)
        return pawl_err_set(err, ENOTCONN, "tell the hub: not connected");
    uint64_t deadline_ns = pawl_clock_now_ns() + peer->timeout_ns;
    PAWL_FAULT("peer.tell");
    /* All kinds are of version 1. */
    int status = pawl_hub_send(peer->fd, id, 1, body, fds, fd_count, deadline_ns, err);
    if (status == -EAGAIN)
        return pawl_err_set(err, ETIMEDOUT, "waited %.1f s for the hub to listen",
                            (double)peer->timeout_ns / (double)PAWL_NS_PER_S);
    return status;
}

int pawl_peer_offer(struct pawl_peer *peer, const struct pawl_segment *segment, int doorbell_fd,
                    uint64_t *id, struct pawl_err *err)
{
    int fds[PAWL_HUB_FD_COUNT_MAX] = {segment->fd, doorbell_fd};
    struct pawl_hub_offer offer = {.id = peer->incarnation << 32 | (peer->offer_count + 1),
                                   .kind = segment->header.kind,
                                   .total_bytes = segment->total_bytes};
    memcpy(offer.epoch, segment->header.writer_epoch, sizeof(offer.epoch));
    pawl_hub_set_text(offer.label, sizeof(offer.label), segment->header.label);

    int status = tell(peer, pawl_hub_offer_id, &offer, fds, doorbell_fd < 0 ? 1 : 2, err);
    if (status) {
        pawl_err_wrap(err, "offer %s segment", pawl_segment_kind_name(offer.kind));
        return status;
    }
    peer->offer_count++;
    *id = offer.id;
    return 0;
}

int pawl_peer_withdraw(struct pawl_peer *peer, uint64_t id, struct pawl_err *err)
{
    const struct pawl_hub_withdraw withdraw = {.id = id};
    return tell(peer, pawl_hub_withdraw_id, &withdraw, NULL, 0, err);
}

int pawl_peer_bind(struct pawl_peer *peer, uint64_t ring_id, uint64_t acks_id,
                   uint32_t acks_page, struct pawl_err *err)
{
    const struct pawl_hub_bind bind = {
        .ring_id = ring_id, .acks_id = acks_id, .acks_page = acks_page};
    return tell(peer, pawl_hub_bind_id, &bind, NULL, 0, err);
}

int pawl_peer_drained(struct pawl_peer *peer, uint64_t id, uint64_t tail, struct pawl_err *err)
{
    const struct pawl_hub_drained drained = {.id = id, .tail = tail};
    return tell(peer, pawl_hub_drained_id, &drained, NULL, 0, err);
}

int pawl_peer_refuse(struct pawl_peer *peer, uint64_t id, const struct pawl_err *why,
                     struct pawl_err *err)
{
    struct pawl_hub_refuse refuse = {.id = id, .code = (uint32_t)why->code};
    pawl_hub_set_text(refuse.text, sizeof(refuse.text), why->text);
    return tell(peer, pawl_hub_refuse_id, &refuse, NULL, 0, err);
}

int pawl_peer_state(struct pawl_peer *peer, uint32_t state, uint64_t value, const char *text,
                    struct pawl_err *err)
{
    struct pawl_hub_state message = {.state = state, .value = value};
    pawl_hub_set_text(message.text, sizeof(message.text), text ? text : "");
    return tell(peer, pawl_hub_state_id, &message, NULL, 0, err);
}

int pawl_peer_bye(struct pawl_peer *peer, uint64_t position, struct pawl_err *err)
{
    const struct pawl_hub_bye bye = {.position = position};
    return tell(peer, pawl_hub_bye_id, &bye, NULL, 0, err);
}

/* The event of a message; NONE for one that is not the hub's to say. */
static enum pawl_peer_event_kind take(struct pawl_peer_event *event, uint16_t id,
                                      const union pawl_hub_any *any)
{
    switch (id) {
    case pawl_hub_offer_id:
        event->offer = any->pawl_hub_offer;
        return PAWL_PEER_OFFER;
    case pawl_hub_all_id:
        return PAWL_PEER_ALL;
    case pawl_hub_bind_id:
        event->bind = any->pawl_hub_bind;
        return PAWL_PEER_BIND;
    case pawl_hub_gone_id:
        event->gone = any->pawl_hub_gone;
        return PAWL_PEER_GONE;
    case pawl_hub_withdraw_id:
        event->withdraw = any->pawl_hub_withdraw;
        return PAWL_PEER_WITHDRAW;
    case pawl_hub_stop_id:
        event->stop = any->pawl_hub_stop;
        return PAWL_PEER_STOP;
    case pawl_hub_reject_id:
        event->reject = any->pawl_hub_reject;
        return PAWL_PEER_REJECT;
    default:
        return PAWL_PEER_NONE;
    }
}

int pawl_peer_poll(struct pawl_peer *peer, struct pawl_peer_event *event, struct pawl_err *err)
{
    union pawl_hub_any any;
    const struct pawl_msg_kind *kind;

    event->kind = PAWL_PEER_NONE;
    event->fd_count = 0;
    if (!peer->is_open) {
        event->kind = PAWL_PEER_HANGUP;
        return 0;
    }
    struct pawl_err local = {0};
    int status =
        pawl_hub_receive(peer->fd, &any, &kind, event->fds, &event->fd_count, 0, &local);
    if (status == -EAGAIN)
        return 0;
    if (status == -EPIPE) {
        event->kind = PAWL_PEER_HANGUP;
        return 0;
    }
    if (status)
        return pawl_err_set(err, local.code, "the hub: %s", local.text);
    event->kind = take(event, kind->id, &any);
    bool is_offer = event->kind == PAWL_PEER_OFFER;
    if (event->kind != PAWL_PEER_NONE && (event->fd_count > 0) == is_offer)
        return 0;
    size_t fd_count = event->fd_count;
    pawl_peer_event_drop(event);
    event->kind = PAWL_PEER_NONE;
    return pawl_err_set(err, EPROTO, "the hub sent %s with %zu descriptors", kind->name,
                        fd_count);
}

void pawl_peer_event_drop(struct pawl_peer_event *event)
{
    for (size_t i = 0; i < event->fd_count; i++)
        if (event->fds[i] >= 0)
            close(event->fds[i]);
    event->fd_count = 0;
}

void pawl_peer_close(struct pawl_peer *peer)
{
    if (peer->is_open)
        close(peer->fd);
    *peer = (struct pawl_peer){0};
}
