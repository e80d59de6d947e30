#include "shm/hub_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

#define HEAR_COUNT_MAX 64 /* messages of one program before the others have their turn */

/* One message with what it brought. The handlers take descriptors out by setting fd_count to 0;
 * the rest is closed. -errno and a sentence: the program broke a rule. */
struct heard {
    const struct pawl_msg_kind *kind;
    union pawl_hub_any any;
    int fds[PAWL_HUB_FD_COUNT_MAX];
    size_t fd_count;
};

typedef int handler(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                    struct pawl_err *err);

/* --- hello --- */

static struct pawl_hub_peer *find_rival(struct pawl_hub *hub, const struct pawl_hub_peer *peer,
                                        uint32_t role, uint32_t index)
{
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++) {
        struct pawl_hub_peer *other = &hub->peers[i];
        if (other != peer && other->is_welcome && other->role == role &&
            (other->index == index || role == PAWL_ROLE_LEARNER))
            return other;
    }
    return NULL;
}

static bool has_hung_up(const struct pawl_hub_peer *peer)
{
    struct pollfd look = {.fd = peer->fd};
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR));
}

static int choose_index(struct pawl_hub *hub, const struct pawl_hub_peer *peer, uint32_t role,
                        uint32_t *index, struct pawl_err *err)
{
    uint32_t first = role == PAWL_ROLE_INSPECTOR ? 0 : hub->cfg.joined_index_min;
    for (uint32_t i = first; i <= PAWL_HUB_INDEX_MAX; i++) {
        if (!find_rival(hub, peer, role, i)) {
            *index = i;
            return 0;
        }
    }
    return pawl_err_set(err, EUSERS, "all indices of %ss are taken", pawl_role_name(role));
}

static int check_hello(const struct pawl_hub_peer *peer, const struct pawl_hub_hello *hello,
                       struct pawl_err *err)
{
    if (peer->is_welcome)
        return pawl_err_set(err, EPROTO, "said hello twice");
    if (hello->abi_major != PAWL_HUB_ABI_MAJOR)
        return pawl_err_set(err, EPROTONOSUPPORT,
                            "speaks protocol %" PRIu32 ".%" PRIu32 ", this run's hub %u.%u: "
                            "the programs are of different versions",
                            hello->abi_major, hello->abi_minor, PAWL_HUB_ABI_MAJOR,
                            PAWL_HUB_ABI_MINOR);
    if (peer->is_invited && (hello->role != peer->role || (hello->index != peer->index &&
                                                           hello->index != PAWL_HUB_ANY_INDEX)))
        return pawl_err_set(
            err, EPROTO, "says it is %s %" PRIu32 ", was started as %s %" PRIu32,
            pawl_role_name(hello->role), hello->index, pawl_role_name(peer->role), peer->index);
    if (!peer->is_invited && hello->role == PAWL_ROLE_LEARNER)
        return pawl_err_set(err, EPERM, "a learner is started by its run, it cannot join one");
    return 0;
}

static int hear_hello(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                      struct pawl_err *err)
{
    const struct pawl_hub_hello *hello = &heard->any.pawl_hub_hello;
    uint32_t index = peer->is_invited ? peer->index : hello->index;
    int status = check_hello(peer, hello, err);
    if (status == 0 && index == PAWL_HUB_ANY_INDEX)
        status = choose_index(hub, peer, hello->role, &index, err);
    if (status)
        return status;

    /* The one it replaces may have died without our having heard it. */
    struct pawl_hub_peer *rival;
    while ((rival = find_rival(hub, peer, hello->role, index)) && has_hung_up(rival))
        pawl_hub_hear(hub, rival);
    char who[PAWL_HUB_WHO_BYTES];
    if (rival)
        return pawl_err_set(err, EBUSY, "there is %s already", pawl_hub_who(rival, who));

    struct pawl_hub_welcome welcome = {.incarnation = peer->incarnation, .index = index};
    memcpy(welcome.run_epoch, hub->run_epoch, sizeof(welcome.run_epoch));
    status = pawl_hub_send(peer->fd, pawl_hub_welcome_id, pawl_hub_welcome_version, &welcome,
                           NULL, 0, 0, err);
    if (status)
        return status == -EAGAIN ? pawl_err_set(err, EAGAIN, "has no room for a welcome")
                                 : status;
    peer->role = hello->role;
    peer->index = index;
    if (peer->pid == 0)
        peer->pid = hello->pid;
    memcpy(peer->epoch, hello->epoch, sizeof(peer->epoch));
    memcpy(peer->name, hello->name, sizeof(peer->name));
    peer->is_welcome = true;
    hub->is_dirty = true;
    pawl_hub_report(
        hub, &(struct pawl_hub_event){.kind = PAWL_HUB_WELCOMED, .peer = peer, .text = ""});
    return 0;
}

/* --- offer --- */

static bool may_offer(uint32_t role, uint32_t kind)
{
    switch (kind) {
    case PAWL_SEGMENT_RING:
        return role == PAWL_ROLE_ACTOR || role == PAWL_ROLE_BRIDGE;
    case PAWL_SEGMENT_ACK:
    case PAWL_SEGMENT_BOARD:
        return role == PAWL_ROLE_LEARNER;
    default:
        return role != PAWL_ROLE_INSPECTOR;
    }
}

/* Only memory whose size and writer the kernel guarantees is handed on. */
static int check_segment_fd(int fd, const struct pawl_hub_offer *offer, struct pawl_err *err)
{
    struct stat stat;
    int seals = fcntl(fd, F_GET_SEALS);
    int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (offer->kind != PAWL_SEGMENT_STORE)
        wanted |= F_SEAL_FUTURE_WRITE;
    if (seals < 0 || fstat(fd, &stat) != 0)
        return pawl_err_set(err, EINVAL, "offered a descriptor that is no memfd");
    if ((seals & wanted) != wanted)
        return pawl_err_set(err, EPERM,
                            "offered a segment with seals 0x%x, must have at least 0x%x", seals,
                            wanted);
    if ((uint64_t)stat.st_size != offer->total_bytes)
        return pawl_err_set(err, EINVAL,
                            "offered a segment of %" PRIu64 " bytes whose file has %lld",
                            offer->total_bytes, (long long)stat.st_size);
    return 0;
}

/* What producers will write to must not be a file or a pipe. */
static int check_doorbell_fd(int fd, struct pawl_err *err)
{
    char path[64], what[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, what, sizeof(what) - 1);
    what[length > 0 ? length : 0] = '\0';
    if (strcmp(what, "anon_inode:[eventfd]") == 0)
        return 0;
    return pawl_err_set(err, EINVAL, "offered a doorbell that is no eventfd");
}

static int check_offer(const struct pawl_hub *hub, const struct pawl_hub_peer *peer,
                       const struct heard *heard, struct pawl_err *err)
{
    const struct pawl_hub_offer *offer = &heard->any.pawl_hub_offer;
    size_t fd_count_max = offer->kind == PAWL_SEGMENT_ACK ? 2 : 1;
    uint32_t number = (uint32_t)offer->id;

    if (!may_offer(peer->role, offer->kind))
        return pawl_err_set(err, EPERM, "offered a segment of kind %s, not for this role",
                            pawl_segment_kind_name(offer->kind));
    if (pawl_hub_incarnation_of(offer->id) != peer->incarnation ||
        number <= peer->offer_number_last)
        return pawl_err_set(err, EPROTO,
                            "offered segment %" PRIu64 ":%" PRIu32 ", must be %" PRIu64
                            " with a number above %" PRIu32,
                            pawl_hub_incarnation_of(offer->id), number, peer->incarnation,
                            peer->offer_number_last);
    if (pawl_hub_table_count(&hub->table, peer->incarnation) >= hub->cfg.peer_offer_count_max)
        return pawl_err_set(err, ENOSPC, "offered more than %" PRIu32 " segments",
                            hub->cfg.peer_offer_count_max);
    if (heard->fd_count < 1 || heard->fd_count > fd_count_max)
        return pawl_err_set(err, EPROTO, "offered a segment with %zu descriptors",
                            heard->fd_count);
    int status = check_segment_fd(heard->fds[0], offer, err);
    if (status == 0 && heard->fd_count == 2)
        status = check_doorbell_fd(heard->fds[1], err);
    return status;
}

static int hear_offer(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                      struct pawl_err *err)
{
    const struct pawl_hub_offer *offer = &heard->any.pawl_hub_offer;
    int status = check_offer(hub, peer, heard, err);
    if (status)
        return status;
    PAWL_FAULT("hub.offer");
    struct pawl_hub_entry *entry = pawl_hub_table_add(&hub->table);
    if (!entry) {
        pawl_err_set(err, ENOSPC, "the hub keeps %" PRIu32 " segments and takes no more",
                     hub->cfg.offer_count_max);
        pawl_hub_report(hub, &(struct pawl_hub_event){
                                 .kind = PAWL_HUB_LIMIT, .code = ENOSPC, .text = err->text});
        return -ENOSPC;
    }
    entry->id = offer->id;
    entry->kind = offer->kind;
    entry->role = peer->role;
    entry->index = peer->index;
    entry->total_bytes = offer->total_bytes;
    memcpy(entry->epoch, offer->epoch, sizeof(entry->epoch));
    memcpy(entry->label, offer->label, sizeof(entry->label));
    memcpy(entry->fds, heard->fds, sizeof(entry->fds));
    entry->fd_count = heard->fd_count;
    heard->fd_count = 0;
    peer->offer_number_last = (uint32_t)offer->id;
    hub->is_dirty = true;
    return 0;
}

/* --- the learner's words on rings ---
 *
 * A segment that is not in the table any more is no broken rule: its owner may have withdrawn
 * it while the message was under way. */

static int check_learner(const struct pawl_hub_peer *peer, const char *what,
                         struct pawl_err *err)
{
    if (peer->role == PAWL_ROLE_LEARNER)
        return 0;
    return pawl_err_set(err, EPERM, "said %s, which is the learner's to say", what);
}

static int hear_bind(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                     struct pawl_err *err)
{
    const struct pawl_hub_bind *bind = &heard->any.pawl_hub_bind;
    int status = check_learner(peer, "bind", err);
    if (status)
        return status;
    struct pawl_hub_entry *ring = pawl_hub_table_find(&hub->table, bind->ring_id);
    const struct pawl_hub_entry *acks = pawl_hub_table_find(&hub->table, bind->acks_id);
    if (pawl_hub_incarnation_of(bind->acks_id) != peer->incarnation || !acks ||
        acks->kind != PAWL_SEGMENT_ACK)
        return pawl_err_set(err, EINVAL, "bound a ring to what is no acks segment of its own");
    if (!ring)
        return 0;
    if (ring->kind != PAWL_SEGMENT_RING)
        return pawl_err_set(err, EINVAL, "bound a %s segment, must be a ring",
                            pawl_segment_kind_name(ring->kind));
    PAWL_FAULT("hub.bind");
    ring->acks_id = bind->acks_id;
    ring->acks_page = bind->acks_page;
    ring->bind_count++;
    hub->is_dirty = true;
    return 0;
}

static int hear_drained(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                        struct pawl_err *err)
{
    int status = check_learner(peer, "drained", err);
    if (status)
        return status;
    struct pawl_hub_entry *ring =
        pawl_hub_table_find(&hub->table, heard->any.pawl_hub_drained.id);
    if (!ring)
        return 0;
    if (ring->kind != PAWL_SEGMENT_RING || ring->gone_how == 0)
        return pawl_err_set(err, EINVAL, "drained a segment that is no ring of a dead program");
    PAWL_FAULT("hub.drained");
    ring->is_drained = true;
    hub->is_dirty = true;
    return 0;
}

static struct pawl_hub_peer *find_owner(struct pawl_hub *hub, uint64_t id)
{
    for (uint32_t i = 0; i < hub->cfg.peer_count_max; i++)
        if (hub->peers[i].incarnation == pawl_hub_incarnation_of(id))
            return &hub->peers[i];
    return NULL;
}

static int hear_refuse(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                       struct pawl_err *err)
{
    const struct pawl_hub_refuse *refuse = &heard->any.pawl_hub_refuse;
    int status = check_learner(peer, "refuse", err);
    if (status)
        return status;
    struct pawl_hub_entry *entry = pawl_hub_table_find(&hub->table, refuse->id);
    if (!entry)
        return 0;
    if (entry->kind != PAWL_SEGMENT_RING)
        return pawl_err_set(err, EINVAL, "refused a %s segment, must be a ring",
                            pawl_segment_kind_name(entry->kind));
    entry->refusal_code = refuse->code;
    memcpy(entry->refusal_text, refuse->text, sizeof(entry->refusal_text));
    hub->is_dirty = true;

    /* An owner that has died is still the one not to start again. */
    struct pawl_hub_peer dead = {.incarnation = pawl_hub_incarnation_of(entry->id),
                                 .role = entry->role,
                                 .index = entry->index};
    struct pawl_hub_peer *owner = find_owner(hub, entry->id);
    owner = owner ? owner : &dead;
    owner->is_refused = true;
    pawl_hub_report(hub, &(struct pawl_hub_event){.kind = PAWL_HUB_REFUSED,
                                                  .peer = owner,
                                                  .value = entry->id,
                                                  .code = (int)entry->refusal_code,
                                                  .text = entry->refusal_text});
    return 0;
}

/* --- an owner's other words --- */

static int hear_withdraw(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                         struct pawl_err *err)
{
    struct pawl_hub_entry *entry =
        pawl_hub_table_find(&hub->table, heard->any.pawl_hub_withdraw.id);
    if (!entry)
        return 0;
    bool is_own = pawl_hub_incarnation_of(entry->id) == peer->incarnation;
    bool is_heir = entry->kind == PAWL_SEGMENT_STORE && entry->role == peer->role &&
                   entry->index == peer->index;
    if (!is_own && !is_heir)
        return pawl_err_set(err, EPERM, "withdrew a segment of another program");
    if (entry->kind == PAWL_SEGMENT_RING)
        entry->gone_how = PAWL_GONE_BYE; /* what is in it is drained before it goes */
    else
        pawl_hub_entry_drop(entry);
    hub->is_dirty = true;
    return 0;
}

static int hear_state(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                      struct pawl_err *err)
{
    const struct pawl_hub_state *state = &heard->any.pawl_hub_state;
    (void)err;
    peer->state = state->state;
    peer->state_value = state->value;
    pawl_hub_report(hub, &(struct pawl_hub_event){.kind = PAWL_HUB_STATE,
                                                  .peer = peer,
                                                  .state = state->state,
                                                  .value = state->value,
                                                  .text = state->text});
    return 0;
}

static int hear_bye(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                    struct pawl_err *err)
{
    (void)hub;
    (void)err;
    peer->has_said_bye = true;
    peer->bye_position = heard->any.pawl_hub_bye.position;
    return 0;
}

/* --- one message, and all of them --- */

static handler *const handlers[] = {
    [pawl_hub_hello_id] = hear_hello,   [pawl_hub_offer_id] = hear_offer,
    [pawl_hub_bind_id] = hear_bind,     [pawl_hub_drained_id] = hear_drained,
    [pawl_hub_refuse_id] = hear_refuse, [pawl_hub_withdraw_id] = hear_withdraw,
    [pawl_hub_state_id] = hear_state,   [pawl_hub_bye_id] = hear_bye,
};

static int obey(struct pawl_hub *hub, struct pawl_hub_peer *peer, struct heard *heard,
                struct pawl_err *err)
{
    uint16_t id = heard->kind->id;
    handler *handle = id < sizeof(handlers) / sizeof(handlers[0]) ? handlers[id] : NULL;
    if (!handle)
        return pawl_err_set(err, EPROTO, "said %s, which is the hub's to say",
                            heard->kind->name);
    if (!peer->is_welcome && id != pawl_hub_hello_id)
        return pawl_err_set(err, EPROTO, "said %s before hello", heard->kind->name);
    if (heard->fd_count > 0 && id != pawl_hub_offer_id)
        return pawl_err_set(err, EPROTO, "sent descriptors with %s", heard->kind->name);
    return handle(hub, peer, heard, err);
}

static int take_token(const struct pawl_hub *hub, struct pawl_hub_peer *peer,
                      struct pawl_err *err)
{
    uint64_t rate_hz = hub->cfg.message_rate_hz_max;
    if (peer->token_count == 0) {
        uint64_t now_ns = pawl_clock_now_ns();
        uint64_t new_count =
            (now_ns - peer->tokens_refilled_ns) / (PAWL_NS_PER_S / rate_hz + 1);
        if (new_count == 0)
            return pawl_err_set(err, EDQUOT, "sent more than %" PRIu64 " messages a second",
                                rate_hz);
        peer->token_count = new_count < rate_hz ? new_count : rate_hz;
        peer->tokens_refilled_ns = now_ns;
    }
    peer->token_count--;
    return 0;
}

void pawl_hub_hear(struct pawl_hub *hub, struct pawl_hub_peer *peer)
{
    for (int i = 0; i < HEAR_COUNT_MAX; i++) {
        struct heard heard;
        struct pawl_err err = {0};
        int status = pawl_hub_receive(peer->fd, &heard.any, &heard.kind, heard.fds,
                                      &heard.fd_count, 0, &err);
        if (status == -EAGAIN)
            return;
        if (status == -EPIPE) {
            pawl_hub_lose(hub, peer, peer->has_said_bye ? PAWL_GONE_BYE : PAWL_GONE_HANGUP);
            return;
        }
        if (status == 0) {
            status = take_token(hub, peer, &err);
            if (status == 0)
                status = obey(hub, peer, &heard, &err);
            for (size_t j = 0; j < heard.fd_count; j++)
                close(heard.fds[j]);
            if (status == -EPIPE) { /* killed while it was answered: no broken rule */
                pawl_hub_lose(hub, peer, PAWL_GONE_HANGUP);
                return;
            }
        } else if (!pawl_hub_has_fds(hub, 1)) {
            pawl_hub_report(hub, &(struct pawl_hub_event){
                                     .kind = PAWL_HUB_LIMIT, .code = EMFILE, .text = err.text});
        }
        if (status) {
            char who[PAWL_HUB_WHO_BYTES];
            pawl_err_wrap(&err, "%s", pawl_hub_who(peer, who));
            pawl_hub_reject_peer(hub, peer, err.code, err.text);
            return;
        }
    }
}
