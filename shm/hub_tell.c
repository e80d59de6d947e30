#include "shm/hub_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

#define RETRY_NS 10000000ull

/* Sends, or marks the program as one that has to be told later: when its socket has room, or
 * after a moment when so many descriptors are under way that the kernel takes no more. What
 * else may go wrong is a hang-up, which the next serve hears. */
static bool say(struct pawl_hub_peer *peer, uint16_t id, const void *body, const int *fds,
                size_t fd_count)
{
    PAWL_FAULT("hub.tell");
    /* All kinds are of version 1. */
    int status = pawl_hub_send(peer->fd, id, 1, body, fds, fd_count, 0, NULL);
    if (status == 0)
        return true;
    peer->is_blocked = true;
    peer->blocked_since_ns = pawl_clock_now_ns();
    peer->retry_ns = status == -ETOOMANYREFS ? peer->blocked_since_ns + RETRY_NS : UINT64_MAX;
    return false;
}

static const struct pawl_hub_entry *entry_at(const struct pawl_hub *hub, uint32_t i)
{
    const struct pawl_hub_entry *entry = &hub->table.entries[i];
    return entry->id != 0 ? entry : NULL;
}

static bool tell_stop(struct pawl_hub_peer *peer)
{
    if (peer->stop_reason == 0 || peer->is_stop_told)
        return true;
    const struct pawl_hub_stop stop = {.reason = peer->stop_reason,
                                       .deadline_ns = peer->stop_deadline_ns};
    peer->is_stop_told = say(peer, pawl_hub_stop_id, &stop, NULL, 0);
    return peer->is_stop_told;
}

/* Rings in a pass of their own, after the acks segments that they refer to. */
static bool tell_offers(struct pawl_hub *hub, struct pawl_hub_peer *peer, bool is_rings)
{
    const struct pawl_hub_reader reader = {
        .incarnation = peer->incarnation, .role = peer->role, .index = peer->index};
    for (uint32_t i = 0; i < hub->table.used_count; i++) {
        const struct pawl_hub_entry *entry = entry_at(hub, i);
        struct pawl_hub_shown *shown = &peer->shown[i];
        if (!entry || shown->is_offered || (entry->kind == PAWL_SEGMENT_RING) != is_rings ||
            !pawl_hub_table_is_due(&hub->table, entry, &reader))
            continue;
        struct pawl_hub_offer offer = {
            .id = entry->id,
            .kind = entry->kind,
            .role = entry->role,
            .index = entry->index,
            .is_gone = entry->gone_how != 0,
            .total_bytes = entry->total_bytes,
            .acks_id = entry->acks_id,
            .acks_page = entry->acks_page,
        };
        memcpy(offer.epoch, entry->epoch, sizeof(offer.epoch));
        memcpy(offer.label, entry->label, sizeof(offer.label));
        if (!say(peer, pawl_hub_offer_id, &offer, entry->fds, entry->fd_count))
            return false;
        shown->is_offered = true;
        shown->is_gone_told = offer.is_gone;
        shown->bind_count = entry->bind_count;
    }
    return true;
}

/* To the ring's owner and to inspectors, who have the acks segment by now, since it is due to
 * them; who bound it knows. */
static bool tell_binds(struct pawl_hub *hub, struct pawl_hub_peer *peer)
{
    for (uint32_t i = 0; i < hub->table.used_count; i++) {
        const struct pawl_hub_entry *ring = entry_at(hub, i);
        struct pawl_hub_shown *shown = &peer->shown[i];
        if (!ring || ring->is_dropped || ring->bind_count == shown->bind_count)
            continue;
        bool is_owner = pawl_hub_incarnation_of(ring->id) == peer->incarnation;
        if (!is_owner && !(shown->is_offered && peer->role == PAWL_ROLE_INSPECTOR)) {
            shown->bind_count = ring->bind_count;
            continue;
        }
        if (!pawl_hub_table_find(&hub->table, ring->acks_id))
            continue; /* withdrawn: there will be another one */
        const struct pawl_hub_bind bind = {
            .ring_id = ring->id, .acks_id = ring->acks_id, .acks_page = ring->acks_page};
        if (!say(peer, pawl_hub_bind_id, &bind, NULL, 0))
            return false;
        shown->bind_count = ring->bind_count;
    }
    return true;
}

static bool tell_refusals(struct pawl_hub *hub, struct pawl_hub_peer *peer)
{
    for (uint32_t i = 0; i < hub->table.used_count; i++) {
        const struct pawl_hub_entry *entry = entry_at(hub, i);
        struct pawl_hub_shown *shown = &peer->shown[i];
        if (!entry || entry->refusal_code == 0 || shown->is_refusal_told ||
            pawl_hub_incarnation_of(entry->id) != peer->incarnation)
            continue;
        struct pawl_hub_reject reject = {.id = entry->id, .code = entry->refusal_code};
        memcpy(reject.text, entry->refusal_text, sizeof(reject.text));
        if (!say(peer, pawl_hub_reject_id, &reject, NULL, 0))
            return false;
        shown->is_refusal_told = true;
    }
    return true;
}

static bool tell_ends(struct pawl_hub *hub, struct pawl_hub_peer *peer)
{
    for (uint32_t i = 0; i < hub->table.used_count; i++) {
        const struct pawl_hub_entry *entry = entry_at(hub, i);
        struct pawl_hub_shown *shown = &peer->shown[i];
        if (!entry || !shown->is_offered)
            continue;
        if (entry->gone_how != 0 && !shown->is_gone_told) {
            const struct pawl_hub_gone gone = {.id = entry->id, .how = entry->gone_how};
            if (!say(peer, pawl_hub_gone_id, &gone, NULL, 0))
                return false;
            shown->is_gone_told = true;
        }
        if (entry->is_dropped) {
            const struct pawl_hub_withdraw withdraw = {.id = entry->id};
            if (!say(peer, pawl_hub_withdraw_id, &withdraw, NULL, 0))
                return false;
            shown->is_offered = false;
        }
    }
    return true;
}

static bool tell_all(struct pawl_hub *hub, struct pawl_hub_peer *peer)
{
    struct pawl_hub_all all = {0};
    if (peer->is_all_told)
        return true;
    for (uint32_t i = 0; i < hub->table.used_count; i++)
        all.offer_count += peer->shown[i].is_offered;
    peer->is_all_told = say(peer, pawl_hub_all_id, &all, NULL, 0);
    return peer->is_all_told;
}

static void tell_peer(struct pawl_hub *hub, struct pawl_hub_peer *peer)
{
    if (!peer->is_blocked) {
        bool is_told = tell_offers(hub, peer, false) && tell_offers(hub, peer, true) &&
                       tell_all(hub, peer) && tell_binds(hub, peer) &&
                       tell_refusals(hub, peer) && tell_ends(hub, peer) && tell_stop(peer);
        (void)is_told; /* is_blocked says the rest */
    }
    bool wants_room = peer->is_blocked && peer->retry_ns == UINT64_MAX;
    if (wants_room == peer->is_watched_for_room)
        return;
    struct epoll_event event = {
        .events = wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN,
        .data.u64 = (uint64_t)(peer - hub->peers),
    };
    if (epoll_ctl(hub->fd, EPOLL_CTL_MOD, peer->fd, &event) == 0)
        peer->is_watched_for_room = wants_room;
}

/* Entries that are dropped and that no program still has are free again. */
static void free_entries(struct pawl_hub *hub)
{
    for (uint32_t i = 0; i < hub->table.used_count; i++) {
        struct pawl_hub_entry *entry = &hub->table.entries[i];
        bool is_held = false;
        if (!entry->is_dropped)
            continue;
        for (uint32_t j = 0; j < hub->cfg.peer_count_max; j++)
            is_held = is_held || hub->peers[j].shown[i].is_offered;
        if (is_held)
            continue;
        for (uint32_t j = 0; j < hub->cfg.peer_count_max; j++)
            hub->peers[j].shown[i] = (struct pawl_hub_shown){0};
        *entry = (struct pawl_hub_entry){0};
    }
    while (hub->table.used_count > 0 && hub->table.entries[hub->table.used_count - 1].id == 0)
        hub->table.used_count--;
}

void pawl_hub_tell(struct pawl_hub *hub)
{
    hub->is_dirty = false;
    pawl_hub_table_sweep(&hub->table);
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++)
        if (hub->peers[i].is_welcome)
            tell_peer(hub, &hub->peers[i]);
    free_entries(hub);
}
