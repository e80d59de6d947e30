#include "shm/hub.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "shm/hub_internal.h"

#define LISTENER          UINT64_MAX /* its mark among those that epoll reports */
#define SERVE_COUNT_MAX   64         /* connections looked at by one serve */
#define ACCEPT_COUNT_MAX  16
#define OFFER_COUNT_LIMIT (1u << 16)
#define PEER_COUNT_LIMIT  (1u << 12)

struct pawl_hub_cfg pawl_hub_default_cfg(void)
{
    return (struct pawl_hub_cfg){
        .peer_count_max = 128,
        .offer_count_max = 1024,
        .peer_offer_count_max = 64,
        .message_rate_hz_max = 1000,
        .hello_ns_max = 5 * PAWL_NS_PER_S,
        .inspector_ns_max = 5 * PAWL_NS_PER_S,
    };
}

void pawl_hub_report(struct pawl_hub *hub, const struct pawl_hub_event *event)
{
    if (hub->cfg.on_event)
        hub->cfg.on_event(hub->cfg.context, event);
}

const char *pawl_hub_who(const struct pawl_hub_peer *peer, char *text)
{
    if (peer->index > PAWL_HUB_INDEX_MAX)
        snprintf(text, PAWL_HUB_WHO_BYTES, "%s (process %" PRIu32 ")",
                 peer->role ? pawl_role_name(peer->role) : "somebody", peer->pid);
    else
        snprintf(text, PAWL_HUB_WHO_BYTES, "%s %" PRIu32 " (process %" PRIu32 ")",
                 pawl_role_name(peer->role), peer->index, peer->pid);
    return text;
}

bool pawl_hub_has_fds(const struct pawl_hub *hub, int count)
{
    int fds[4];
    int had_count = 0;
    while (had_count < count &&
           (fds[had_count] = fcntl(hub->spare_fd, F_DUPFD_CLOEXEC, 0)) >= 0)
        had_count++;
    for (int i = 0; i < had_count; i++)
        close(fds[i]);
    return had_count == count;
}

/* --- open and close --- */

static int check_cfg(const struct pawl_hub_cfg *cfg, struct pawl_err *err)
{
    if (cfg->peer_count_max < 1 || cfg->peer_count_max > PEER_COUNT_LIMIT)
        return pawl_err_set(err, EINVAL, "peer_count_max = %" PRIu32 ", must be 1 to %u",
                            cfg->peer_count_max, PEER_COUNT_LIMIT);
    if (cfg->offer_count_max < 1 || cfg->offer_count_max > OFFER_COUNT_LIMIT)
        return pawl_err_set(err, EINVAL, "offer_count_max = %" PRIu32 ", must be 1 to %u",
                            cfg->offer_count_max, OFFER_COUNT_LIMIT);
    if (cfg->peer_offer_count_max < 1 || cfg->message_rate_hz_max < 1)
        return pawl_err_set(err, EINVAL,
                            "peer_offer_count_max and message_rate_hz_max must be at least 1");
    if (cfg->joined_index_min > PAWL_HUB_INDEX_MAX)
        return pawl_err_set(err, EINVAL, "joined_index_min = %" PRIu32 ", must be 0 to %u",
                            cfg->joined_index_min, PAWL_HUB_INDEX_MAX);
    return 0;
}

static int watch(struct pawl_hub *hub, int operation, int fd, uint64_t mark, uint32_t events,
                 struct pawl_err *err)
{
    struct epoll_event event = {.events = events, .data.u64 = mark};
    if (epoll_ctl(hub->fd, operation, fd, &event) == 0)
        return 0;
    return pawl_err_set(err, errno, "watch a connection: %s", strerror(errno));
}

static int open_parts(struct pawl_hub *hub, struct pawl_err *err)
{
    const struct pawl_hub_cfg *cfg = &hub->cfg;
    size_t shown_count = (size_t)cfg->peer_count_max * cfg->offer_count_max;

    hub->peers = calloc(cfg->peer_count_max, sizeof(*hub->peers));
    hub->table.entries = calloc(cfg->offer_count_max, sizeof(*hub->table.entries));
    hub->table.entry_count_max = cfg->offer_count_max;
    struct pawl_hub_shown *shown = calloc(shown_count, sizeof(*shown));
    if (hub->peers)
        hub->peers[0].shown = shown; /* owns them all */
    else
        free(shown);
    if (!hub->peers || !hub->table.entries || !shown)
        return pawl_err_set(err, ENOMEM,
                            "tables for %" PRIu32 " programs and %" PRIu32
                            " segments: out of memory",
                            cfg->peer_count_max, cfg->offer_count_max);
    for (uint32_t i = 0; i < cfg->peer_count_max; i++) {
        hub->peers[i].fd = -1;
        hub->peers[i].shown = shown + (size_t)i * cfg->offer_count_max;
    }
    if (getrandom(hub->run_epoch, sizeof(hub->run_epoch), 0) != (ssize_t)sizeof(hub->run_epoch))
        return pawl_err_set(err, errno, "random epoch: %s", strerror(errno));
    hub->fd = epoll_create1(EPOLL_CLOEXEC);
    if (hub->fd < 0)
        return pawl_err_set(err, errno, "make an epoll: %s", strerror(errno));
    hub->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (hub->spare_fd < 0)
        return pawl_err_set(err, errno, "open /dev/null: %s", strerror(errno));
    if (!cfg->folder)
        return 0;
    int status = pawl_sock_listen(&hub->listener, cfg->folder, PAWL_HUB_SOCKET_NAME, err);
    return status ? status
                  : watch(hub, EPOLL_CTL_ADD, hub->listener.fd, LISTENER, EPOLLIN, err);
}

int pawl_hub_open(struct pawl_hub *hub, const struct pawl_hub_cfg *cfg, struct pawl_err *err)
{
    *hub = (struct pawl_hub){.fd = -1, .spare_fd = -1, .cfg = *cfg};
    int status = check_cfg(cfg, err);
    if (status == 0) {
        hub->is_open = true;
        status = open_parts(hub, err);
    }
    if (status == 0) {
        hub->cfg.folder = NULL; /* the caller's, for the call */
        return 0;
    }
    pawl_hub_close(hub);
    pawl_err_wrap(err, "open hub");
    return status;
}

void pawl_hub_close(struct pawl_hub *hub)
{
    if (!hub->is_open)
        return;
    for (uint32_t i = 0; hub->peers && i < hub->cfg.peer_count_max; i++)
        if (hub->peers[i].incarnation)
            close(hub->peers[i].fd);
    for (uint32_t i = 0; i < hub->table.used_count; i++)
        pawl_hub_entry_drop(&hub->table.entries[i]);
    pawl_sock_listener_close(&hub->listener);
    if (hub->fd >= 0)
        close(hub->fd);
    if (hub->spare_fd >= 0)
        close(hub->spare_fd);
    if (hub->peers)
        free(hub->peers[0].shown);
    free(hub->peers);
    free(hub->table.entries);
    *hub = (struct pawl_hub){0};
}

/* --- connections --- */

/* Takes fd over; NULL and closes it when there is no room. */
static struct pawl_hub_peer *add_peer(struct pawl_hub *hub, int fd, struct pawl_err *err)
{
    struct pawl_hub_peer *peer = hub->peers;
    const struct pawl_hub_peer *end = hub->peers + hub->cfg.peer_count_max;
    while (peer < end && peer->incarnation)
        peer++;
    if (peer == end)
        pawl_err_set(err, EUSERS, "the hub has %" PRIu32 " programs and takes no more",
                     hub->cfg.peer_count_max);
    else if (hub->incarnation_last == UINT32_MAX)
        pawl_err_set(err, EOVERFLOW, "the hub has had all the connections it can number");
    else if (watch(hub, EPOLL_CTL_ADD, fd, (uint64_t)(peer - hub->peers), EPOLLIN, err) == 0) {
        struct pawl_hub_shown *shown = peer->shown;
        uint64_t now_ns = pawl_clock_now_ns();
        memset(shown, 0, hub->cfg.offer_count_max * sizeof(*shown));
        *peer = (struct pawl_hub_peer){
            .incarnation = ++hub->incarnation_last,
            .index = PAWL_HUB_ANY_INDEX,
            .fd = fd,
            .hello_deadline_ns = UINT64_MAX,
            .tokens_refilled_ns = now_ns,
            .token_count = hub->cfg.message_rate_hz_max,
            .shown = shown,
        };
        return peer;
    }
    close(fd);
    return NULL;
}

int pawl_hub_invite(struct pawl_hub *hub, uint32_t role, uint32_t index, int *child_fd,
                    struct pawl_err *err)
{
    int ends[2];
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    if (role < 1 || role > PAWL_ROLE_LAST || index > PAWL_HUB_INDEX_MAX)
        return pawl_err_set(err, EINVAL, "invite role %" PRIu32 ", index %" PRIu32, role,
                            index);
    int status = pawl_sock_pair(ends, err);
    if (status == 0) {
        struct pawl_hub_peer *peer = add_peer(hub, ends[0], err);
        if (peer) {
            peer->role = role;
            peer->index = index;
            peer->is_invited = true;
            *child_fd = ends[1];
            return 0;
        }
        close(ends[1]);
        status = -err->code;
    }
    pawl_err_wrap(err, "invite %s %" PRIu32, pawl_role_name(role), index);
    return status;
}

static void send_reject(int fd, int code, const char *text)
{
    struct pawl_hub_reject reject = {.code = (uint32_t)code};
    pawl_hub_set_text(reject.text, sizeof(reject.text), text);
    pawl_hub_send(fd, pawl_hub_reject_id, pawl_hub_reject_version, &reject, NULL, 0, 0, NULL);
}

void pawl_hub_lose(struct pawl_hub *hub, struct pawl_hub_peer *peer, uint32_t how)
{
    struct pawl_hub_peer was = *peer;
    struct pawl_hub_shown *shown = peer->shown;

    close(peer->fd);
    *peer = (struct pawl_hub_peer){.fd = -1, .shown = shown};
    memset(shown, 0, hub->cfg.offer_count_max * sizeof(*shown));
    pawl_hub_table_orphan(&hub->table, was.incarnation, how);
    hub->is_dirty = true;
    if (was.is_invited || was.is_welcome)
        pawl_hub_report(hub, &(struct pawl_hub_event){.kind = PAWL_HUB_GONE,
                                                      .peer = &was,
                                                      .how = how,
                                                      .value = was.bye_position,
                                                      .text = ""});
}

void pawl_hub_reject_peer(struct pawl_hub *hub, struct pawl_hub_peer *peer, int code,
                          const char *text)
{
    send_reject(peer->fd, code, text);
    pawl_hub_report(hub,
                    &(struct pawl_hub_event){
                        .kind = PAWL_HUB_REJECTED, .peer = peer, .code = code, .text = text});
    pawl_hub_lose(hub, peer, PAWL_GONE_REJECT);
}

/* Nobody can be let in, and who waits is told so; the spare descriptor makes room for it. */
static bool turn_one_away(struct pawl_hub *hub)
{
    static const char text[] = "the hub can open no more descriptors; raise its limit (ulimit "
                               "-n) or start fewer programs";
    close(hub->spare_fd);
    int fd = accept4(hub->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        send_reject(fd, EMFILE, text);
        close(fd);
    }
    hub->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        pawl_hub_report(hub, &(struct pawl_hub_event){
                                 .kind = PAWL_HUB_LIMIT, .code = EMFILE, .text = text});
    return fd >= 0;
}

/* False when nobody waits. */
static bool accept_one(struct pawl_hub *hub)
{
    enum { FD_COUNT = 3 }; /* the connection, who it is, and the way to tell it no */
    struct pawl_sock_peer who;
    struct pawl_err err = {0};
    int fd;

    if (!pawl_hub_has_fds(hub, FD_COUNT))
        return turn_one_away(hub);
    int status = pawl_sock_accept(&hub->listener, &fd, &who, 0, &err);
    if (status) /* not -EAGAIN: a stranger, or somebody who has gone again */
        return status != -EAGAIN;
    close(who.pidfd);
    int kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct pawl_hub_peer *peer = add_peer(hub, fd, &err);
    if (peer) {
        peer->pid = (uint32_t)who.pid;
        peer->hello_deadline_ns = pawl_clock_now_ns() + hub->cfg.hello_ns_max;
    } else {
        send_reject(kept_fd, err.code, err.text);
        pawl_hub_report(hub, &(struct pawl_hub_event){
                                 .kind = PAWL_HUB_LIMIT, .code = err.code, .text = err.text});
    }
    if (kept_fd >= 0)
        close(kept_fd);
    return true;
}

static void accept_some(struct pawl_hub *hub)
{
    for (int i = 0; i < ACCEPT_COUNT_MAX && accept_one(hub); i++)
        ;
}

/* --- serving --- */

static void end_overdue(struct pawl_hub *hub)
{
    uint64_t now_ns = pawl_clock_now_ns();
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++) {
        struct pawl_hub_peer *peer = &hub->peers[i];
        if (peer->incarnation == 0)
            continue;
        if (!peer->is_welcome && peer->hello_deadline_ns <= now_ns)
            pawl_hub_reject_peer(hub, peer, ETIMEDOUT, "said no hello in time");
        else if (peer->is_blocked && peer->retry_ns <= now_ns) {
            peer->is_blocked = false;
            hub->is_dirty = true;
        } else if (peer->is_blocked && peer->role == PAWL_ROLE_INSPECTOR &&
                   now_ns - peer->blocked_since_ns >= hub->cfg.inspector_ns_max)
            pawl_hub_reject_peer(hub, peer, ETIMEDOUT, "read nothing for too long");
    }
}

int pawl_hub_serve(struct pawl_hub *hub, struct pawl_err *err)
{
    struct epoll_event events[SERVE_COUNT_MAX];
    PAWL_FAULT("hub.serve");
    int count = epoll_wait(hub->fd, events, SERVE_COUNT_MAX, 0);
    if (count < 0 && errno != EINTR)
        return pawl_err_set(err, errno, "hub: wait for events: %s", strerror(errno));

    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == LISTENER) {
            accept_some(hub);
            continue;
        }
        struct pawl_hub_peer *peer = &hub->peers[events[i].data.u64];
        if (peer->incarnation == 0)
            continue; /* lost by what was heard before */
        if (events[i].events & EPOLLOUT) {
            peer->is_blocked = false;
            hub->is_dirty = true;
        }
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            pawl_hub_hear(hub, peer);
    }
    end_overdue(hub);
    if (hub->is_dirty)
        pawl_hub_tell(hub);
    return 0;
}

uint64_t pawl_hub_deadline_ns(const struct pawl_hub *hub)
{
    uint64_t deadline_ns = hub->is_dirty ? 0 : UINT64_MAX;
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++) {
        const struct pawl_hub_peer *peer = &hub->peers[i];
        if (peer->incarnation == 0)
            continue;
        uint64_t due_ns = peer->is_blocked ? peer->retry_ns : UINT64_MAX;
        if (!peer->is_welcome)
            due_ns = peer->hello_deadline_ns;
        else if (peer->is_blocked && peer->role == PAWL_ROLE_INSPECTOR &&
                 peer->blocked_since_ns + hub->cfg.inspector_ns_max < due_ns)
            due_ns = peer->blocked_since_ns + hub->cfg.inspector_ns_max;
        if (due_ns < deadline_ns)
            deadline_ns = due_ns;
    }
    return deadline_ns;
}

void pawl_hub_tell_stop(struct pawl_hub *hub, uint64_t incarnation, uint32_t reason,
                        uint64_t deadline_ns)
{
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++) {
        struct pawl_hub_peer *peer = &hub->peers[i];
        if (peer->incarnation == 0 || (incarnation != 0 && peer->incarnation != incarnation))
            continue;
        peer->stop_reason = reason;
        peer->stop_deadline_ns = deadline_ns;
        peer->is_stop_told = false;
        hub->is_dirty = true;
    }
}

void pawl_hub_reject(struct pawl_hub *hub, uint64_t incarnation, int code, const char *text)
{
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++)
        if (incarnation != 0 && hub->peers[i].incarnation == incarnation)
            pawl_hub_reject_peer(hub, &hub->peers[i], code, text);
}

const struct pawl_hub_peer *pawl_hub_find_peer(const struct pawl_hub *hub, uint32_t role,
                                               uint32_t index)
{
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++) {
        const struct pawl_hub_peer *peer = &hub->peers[i];
        if (peer->is_welcome && peer->role == role && peer->index == index)
            return peer;
    }
    return NULL;
}
