/* hub.h: where the processes of a run meet; the supervisor's part of the shared memory.
 *
 *     struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
 *     cfg.folder = "/run/user/1000/pawl/RUN";             where others join and look
 *     cfg.on_event = tell_me;
 *     pawl_hub_open(&hub, &cfg, &err);
 *     pawl_hub_invite(&hub, PAWL_ROLE_ACTOR, 0, &child_fd, &err);
 *     start the actor with child_fd, close child_fd
 *     when hub.fd is readable, and at pawl_hub_deadline_ns(): pawl_hub_serve(&hub, &err);
 *
 * The hub keeps a table of segments with a duplicate of every descriptor, and shows each
 * program those it needs (hub_table.h says which), whenever it comes. So whoever dies leaves
 * its memory to the others: the ring of a dead actor until it is drained, a dead learner's last
 * acknowledgements, stores and parameters until a successor has its own.
 *
 * It maps no data, has no thread, never waits, and its memory is bounded: per program and
 * segment it holds what that program has been told, and tells it the rest when its socket has
 * room. It trusts no message: a program that breaks a rule is told so in a sentence and
 * disconnected, and no other is affected.
 *
 * Thread safety: one thread per hub.
 */
#ifndef PAWL_SHM_HUB_H
#define PAWL_SHM_HUB_H

#include "runtime/err.h"
#include "runtime/sock.h"
#include "shm/hub_msg.h"
#include "shm/hub_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pawl_hub_event_kind {
    PAWL_HUB_WELCOMED, /* peer said hello and was let in */
    PAWL_HUB_STATE,    /* state, value, text: as peer says */
    PAWL_HUB_REFUSED,  /* the learner does not take peer's segment: do not start it again as it
                          is; code, text */
    PAWL_HUB_REJECTED, /* peer was disconnected for breaking a rule, or not let in; code, text
                        */
    PAWL_HUB_GONE,     /* peer has ended; `how`, and value is its bye's position */
    PAWL_HUB_LIMIT,    /* the hub is at a limit and refuses somebody; code, text */
};

/* One connection. */
struct pawl_hub_peer {
    uint64_t incarnation; /* 0: no connection here */
    uint32_t role;
    uint32_t index; /* PAWL_HUB_ANY_INDEX: not known yet */
    uint32_t pid;   /* a label; certain only for who came through the folder */
    uint8_t epoch[PAWL_HUB_EPOCH_BYTES];
    char name[PAWL_HUB_NAME_BYTES_MAX + 1];
    bool is_invited;
    bool is_welcome; /* hello and welcome are behind it */
    bool is_refused; /* the learner does not take a segment of it */
    bool has_said_bye;
    uint64_t bye_position;
    uint32_t state;
    uint64_t state_value;

    /* The hub's own. */
    int fd;
    bool is_blocked; /* its socket is full; it will be told the rest when there is room */
    bool is_watched_for_room;
    uint64_t blocked_since_ns;
    uint64_t retry_ns; /* UINT64_MAX: when there is room */
    uint64_t hello_deadline_ns;
    uint64_t tokens_refilled_ns;
    uint64_t token_count; /* messages it may send now */
    uint32_t offer_number_last;
    uint32_t stop_reason; /* 0: not asked to stop */
    uint64_t stop_deadline_ns;
    bool is_stop_told;
    bool is_all_told;
    struct pawl_hub_shown *shown; /* what it has been told of each segment of the table */
};

struct pawl_hub_event {
    enum pawl_hub_event_kind kind;
    const struct pawl_hub_peer *peer; /* as it is, or was; NULL for LIMIT */
    uint32_t how;                     /* PAWL_GONE_... */
    uint32_t state;
    uint64_t value;
    int code;
    const char *text; /* "" when there is none */
};

struct pawl_hub_cfg {
    const char *folder; /* NULL: nobody joins. Made if missing, 0700. */
    uint32_t peer_count_max;
    uint32_t offer_count_max;      /* of all */
    uint32_t peer_offer_count_max; /* of one connection, with what it withdrew and is kept */
    uint32_t message_rate_hz_max;  /* of one program, after a burst of as many */
    uint32_t joined_index_min;     /* who joins as PAWL_HUB_ANY_INDEX is counted from here */
    uint64_t hello_ns_max;         /* who has connected says hello within this */
    uint64_t inspector_ns_max;     /* an inspector that reads nothing for so long is let go */

    /* Called from the functions below; everything in the event is valid during the call. It may
     * call pawl_hub_tell_stop() and the functions that only look. NULL: none. */
    void (*on_event)(void *context, const struct pawl_hub_event *event);
    void *context;
};

/* Zeroed: closed. */
struct pawl_hub {
    bool is_open;
    int fd; /* readable when pawl_hub_serve() has something to do */
    struct pawl_hub_cfg cfg;
    uint8_t run_epoch[PAWL_HUB_EPOCH_BYTES];
    struct pawl_sock_listener listener;
    struct pawl_hub_peer *peers; /* peer_count_max */
    struct pawl_hub_table table;
    uint64_t incarnation_last;
    int spare_fd;  /* given up for a moment to tell somebody that descriptors are short */
    bool is_dirty; /* somebody may have to be told something */
};

/* 128 programs, 1024 segments, 64 of one program, 1000 messages a second, 5 s for hello. */
struct pawl_hub_cfg pawl_hub_default_cfg(void);

int pawl_hub_open(struct pawl_hub *hub, const struct pawl_hub_cfg *cfg, struct pawl_err *err);

/* Makes the connection of a child that is about to be started. *child_fd is for the child; the
 * caller closes it once the child has it, or the child's death would not be seen. */
int pawl_hub_invite(struct pawl_hub *hub, uint32_t role, uint32_t index, int *child_fd,
                    struct pawl_err *err);

/* Does what there is to do, and returns; a bounded amount of work. Fails only when the hub
 * itself cannot go on. */
int pawl_hub_serve(struct pawl_hub *hub, struct pawl_err *err);

/* When to call pawl_hub_serve() at the latest, a time of pawl_clock_now_ns(); UINT64_MAX when
 * nothing is due. */
uint64_t pawl_hub_deadline_ns(const struct pawl_hub *hub);

/* Asks a program, or with incarnation 0 all, to end in order. Told by the next serve, after
 * all else there is to tell: so who stops the actors first and then, when they have ended, the
 * learner has every record drained. */
void pawl_hub_tell_stop(struct pawl_hub *hub, uint64_t incarnation, uint32_t reason,
                        uint64_t deadline_ns);

/* Tells a program why and disconnects it. */
void pawl_hub_reject(struct pawl_hub *hub, uint64_t incarnation, int code, const char *text);

/* NULL when there is none. Valid until the next call that is not a look. */
const struct pawl_hub_peer *pawl_hub_find_peer(const struct pawl_hub *hub, uint32_t role,
                                               uint32_t index);

/* All programs see a hang-up. A zeroed hub is left alone. */
void pawl_hub_close(struct pawl_hub *hub);

#endif
