/* peer.h: a program's connection to the hub of its run.
 *
 *     struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
 *     cfg.role = PAWL_ROLE_ACTOR;
 *     cfg.fd = 3;                                       inherited, or: cfg.folder = "..."
 *     pawl_peer_open(&peer, &cfg, &err);
 *     pawl_peer_offer(&peer, &segment, -1, &ring_id, &err);
 *     ...
 *     pawl_peer_poll(&peer, &event, &err);              every 10 ms or so, or when peer.fd
 *     if (event.kind == PAWL_PEER_BIND) ...             is readable
 *     pawl_peer_event_drop(&event);
 *
 * What a role has to do with its events:
 *
 *     actor, bridge   offers its RING. OFFER of an ACK segment: attach and keep it; BIND: bind
 *                     the ring to a page of it. OFFER of a BOARD: act with the newest. GONE of
 *                     either: go on as it is, the next learner will offer its own. REJECT of
 *                     its ring: end, a restart will not help. HANGUP: make safe and end.
 *     learner         offers its ACK segment with the doorbell and its BOARD; with the first
 *                     OFFER of a RING or at ALL it knows what its predecessor left (a BOARD: go
 *                     on above its last generation). OFFER of a RING: attach it (from the tail
 *                     in page acks_page of acks_id, an acks segment offered before, if that is
 *                     not 0), let its pin count on the board, tell BIND, and only then read.
 *                     GONE of a ring: drain it, remove its pin, tell DRAINED and unmap. HANGUP:
 *                     drain, checkpoint, end.
 *     inspector       maps what it is offered.
 *
 * The hub is always listening, so sending does not wait in practice; it is bounded by
 * cfg.timeout_ns all the same. Polling is one system call and never waits.
 *
 * Thread safety: one thread per peer.
 */
#ifndef PAWL_SHM_PEER_H
#define PAWL_SHM_PEER_H

#include "runtime/err.h"
#include "shm/hub_msg.h"
#include "shm/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_peer_cfg {
    uint32_t role;       /* PAWL_ROLE_... */
    uint32_t index;      /* PAWL_HUB_ANY_INDEX: the hub chooses (others join, inspectors) */
    const char *name;    /* a label for people; NULL: none */
    int fd;              /* the inherited connection, which the peer takes over; -1: folder */
    const char *folder;  /* the run's runtime folder; NULL when fd is given */
    uint64_t timeout_ns; /* for connecting and being welcomed, and for each send */
};

/* Zeroed: closed. All fields are for reading only. */
struct pawl_peer {
    bool is_open;
    int fd; /* readable when pawl_peer_poll() has something */
    uint32_t role;
    uint32_t index;
    uint64_t incarnation;
    uint8_t epoch[PAWL_HUB_EPOCH_BYTES];     /* random: names this incarnation for good */
    uint8_t run_epoch[PAWL_HUB_EPOCH_BYTES]; /* the hub's */
    uint64_t timeout_ns;
    uint32_t offer_count;
};

enum pawl_peer_event_kind {
    PAWL_PEER_NONE,     /* nothing has come */
    PAWL_PEER_OFFER,    /* fds[0] is the segment, fds[1] the doorbell of an acks segment */
    PAWL_PEER_ALL,      /* all that was there when we joined has been told; comes once */
    PAWL_PEER_BIND,     /* of our ring; inspectors are told of all */
    PAWL_PEER_GONE,     /* the writer of gone.id has ended; what it wrote stays readable */
    PAWL_PEER_WITHDRAW, /* nobody needs withdraw.id any more: unmap it when done with it */
    PAWL_PEER_STOP,     /* end in order until stop.deadline_ns */
    PAWL_PEER_REJECT,   /* of segment reject.id, or with id 0 of ourselves: HANGUP follows */
    PAWL_PEER_HANGUP,   /* the hub is gone; so it stays */
};

struct pawl_peer_event {
    enum pawl_peer_event_kind kind;
    union {
        struct pawl_hub_offer offer;
        struct pawl_hub_bind bind;
        struct pawl_hub_gone gone;
        struct pawl_hub_withdraw withdraw;
        struct pawl_hub_stop stop;
        struct pawl_hub_reject reject;
    };
    int fds[PAWL_HUB_FD_COUNT_MAX]; /* the caller's to close */
    size_t fd_count;
};

/* No role, no name, the hub chooses the index; 5 s. */
struct pawl_peer_cfg pawl_peer_default_cfg(void);

/* Says hello and waits to be welcomed. A hub that says no: its code and its sentence. cfg->fd
 * is closed on failure, too. */
int pawl_peer_open(struct pawl_peer *peer, const struct pawl_peer_cfg *cfg,
                   struct pawl_err *err);

/* Hands a segment that this process made to all who need it. What was written into it before
 * is safe from now on, whatever happens to this process. The segment stays the caller's; the
 * hub has duplicates. doorbell_fd: the eventfd that comes with an acks segment; else -1. *id
 * names the segment from now on. */
int pawl_peer_offer(struct pawl_peer *peer, const struct pawl_segment *segment, int doorbell_fd,
                    uint64_t *id, struct pawl_err *err);

/* An owner no longer needs its segment to be had by others; also the successor of a dead owner
 * of a STORE. Pawl's programs keep what they offered for as long as they live; one that lays
 * out a second ring withdraws the first. */
int pawl_peer_withdraw(struct pawl_peer *peer, uint64_t id, struct pawl_err *err);

/* Learner: ring_id is acknowledged in page acks_page of its own acks segment acks_id. To be
 * said before the first record is released, so that a successor knows where to go on. */
int pawl_peer_bind(struct pawl_peer *peer, uint64_t ring_id, uint64_t acks_id,
                   uint32_t acks_page, struct pawl_err *err);

/* Learner: everything in the ring of a dead owner, up to tail, has been taken for good. */
int pawl_peer_drained(struct pawl_peer *peer, uint64_t id, uint64_t tail, struct pawl_err *err);

/* Says why a segment is not taken, as code and text of *why; its owner is told and should not
 * be started again as it is. */
int pawl_peer_refuse(struct pawl_peer *peer, uint64_t id, const struct pawl_err *why,
                     struct pawl_err *err);

/* Tells the supervisor. text may be NULL. */
int pawl_peer_state(struct pawl_peer *peer, uint32_t state, uint64_t value, const char *text,
                    struct pawl_err *err);

/* The last word of a program that ends in order. */
int pawl_peer_bye(struct pawl_peer *peer, uint64_t position, struct pawl_err *err);

/* Fills *event with the next event, NONE when there is none, without waiting. -EPROTO for a hub
 * that speaks nonsense. */
int pawl_peer_poll(struct pawl_peer *peer, struct pawl_peer_event *event, struct pawl_err *err);

/* Closes the descriptors that are still in the event (a taken one is replaced by -1). */
void pawl_peer_event_drop(struct pawl_peer_event *event);

/* A zeroed peer is left alone. */
void pawl_peer_close(struct pawl_peer *peer);

#endif
