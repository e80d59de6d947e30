/* run.h: a hub and its programs within one test process.
 *
 *     struct run run;
 *     run_open(&run, NULL);
 *     run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
 *     pawl_peer_offer(&actor, ...);
 *     run_expect(&run, &learner, &event, PAWL_PEER_OFFER);
 *     run_close(&run);
 */
#ifndef PAWL_TEST_RUN_H
#define PAWL_TEST_RUN_H

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/hub.h"
#include "shm/peer.h"
#include "support/temp.h"

#define RUN_EVENT_COUNT_MAX 64
#define RUN_HANG_NS         (20 * PAWL_NS_PER_S)

/* What the hub reported, copied. */
struct run_event {
    enum pawl_hub_event_kind kind;
    uint32_t role, index, how, state;
    uint64_t incarnation, value;
    int code;
    char text[1024];
};

struct run {
    struct pawl_hub hub;
    struct run_event events[RUN_EVENT_COUNT_MAX]; /* the first ones */
    size_t event_count;
};

static void run_note(void *context, const struct pawl_hub_event *event)
{
    struct run *run = context;
    if (run->event_count == RUN_EVENT_COUNT_MAX)
        return;
    struct run_event *to = &run->events[run->event_count++];
    *to = (struct run_event){.kind = event->kind,
                             .how = event->how,
                             .state = event->state,
                             .value = event->value,
                             .code = event->code};
    if (event->peer) {
        to->role = event->peer->role;
        to->index = event->peer->index;
        to->incarnation = event->peer->incarnation;
    }
    snprintf(to->text, sizeof(to->text), "%s", event->text);
}

/* cfg NULL: the defaults, and nobody joins through a folder. */
static inline void run_open(struct run *run, const struct pawl_hub_cfg *cfg)
{
    struct pawl_hub_cfg own = cfg ? *cfg : pawl_hub_default_cfg();
    struct pawl_err err = {0};
    run->event_count = 0;
    own.on_event = run_note;
    own.context = run;
    ck_assert_msg(pawl_hub_open(&run->hub, &own, &err) == 0, "%s", err.text);
}

/* Serves until nothing more happens at once. */
static inline void run_serve(struct run *run)
{
    struct pawl_err err = {0};
    for (int quiet = 0; quiet < 2;) {
        struct pollfd look = {.fd = run->hub.fd, .events = POLLIN};
        bool is_due = poll(&look, 1, 0) > 0 || pawl_hub_deadline_ns(&run->hub) == 0;
        quiet = is_due ? 0 : quiet + 1;
        ck_assert_msg(pawl_hub_serve(&run->hub, &err) == 0, "%s", err.text);
    }
}

/* The first event of the kind; NULL when the hub has reported none. */
static inline const struct run_event *run_find(struct run *run, enum pawl_hub_event_kind kind)
{
    run_serve(run);
    for (size_t i = 0; i < run->event_count; i++)
        if (run->events[i].kind == kind)
            return &run->events[i];
    return NULL;
}

struct run_opening {
    struct pawl_peer *peer;
    const struct pawl_peer_cfg *cfg;
    struct pawl_err *err;
    int status;
    atomic_bool is_done;
};

static inline void *run_opening_thread(void *argument)
{
    struct run_opening *opening = argument;
    opening->status = pawl_peer_open(opening->peer, opening->cfg, opening->err);
    atomic_store(&opening->is_done, true);
    return NULL;
}

/* pawl_peer_open() while the hub is served. */
static inline int run_open_peer(struct run *run, struct pawl_peer *peer,
                                const struct pawl_peer_cfg *cfg, struct pawl_err *err)
{
    struct run_opening opening = {.peer = peer, .cfg = cfg, .err = err};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_opening_thread, &opening), 0);
    while (!atomic_load(&opening.is_done)) {
        struct pollfd look = {.fd = run->hub.fd, .events = POLLIN};
        poll(&look, 1, 1);
        ck_assert_int_eq(pawl_hub_serve(&run->hub, NULL), 0);
    }
    pthread_join(thread, NULL);
    run_serve(run);
    return opening.status;
}

static inline struct pawl_peer_cfg run_invite(struct run *run, uint32_t role, uint32_t index)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    struct pawl_err err = {0};
    cfg.role = role;
    cfg.index = index;
    ck_assert_msg(pawl_hub_invite(&run->hub, role, index, &cfg.fd, &err) == 0, "%s", err.text);
    return cfg;
}

static inline void run_join(struct run *run, struct pawl_peer *peer, uint32_t role,
                            uint32_t index)
{
    struct pawl_peer_cfg cfg = run_invite(run, role, index);
    struct pawl_err err = {0};
    ck_assert_msg(run_open_peer(run, peer, &cfg, &err) == 0, "%s", err.text);
}

/* The next event of the peer but ALL, which must be of this kind; its descriptors are the
 * caller's. */
static inline void run_expect(struct run *run, struct pawl_peer *peer,
                              struct pawl_peer_event *event, enum pawl_peer_event_kind kind)
{
    struct pawl_err err = {0};
    run_serve(run);
    do
        ck_assert_msg(pawl_peer_poll(peer, event, &err) == 0, "%s", err.text);
    while (event->kind == PAWL_PEER_ALL && kind != PAWL_PEER_ALL);
    ck_assert_int_eq(event->kind, kind);
}

static inline void run_expect_nothing(struct run *run, struct pawl_peer *peer)
{
    struct pawl_peer_event event;
    run_expect(run, peer, &event, PAWL_PEER_NONE);
}

/* A small segment of the kind, with the peer's word that it is there. Returns its name. */
static inline uint64_t run_offer(struct pawl_peer *peer, struct pawl_segment *segment,
                                 uint32_t kind, int doorbell_fd)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    struct pawl_err err = {0};
    uint64_t id = 0;
    cfg.kind = kind;
    cfg.label = "test";
    cfg.body_bytes = PAWL_SEGMENT_PAGE_BYTES;
    cfg.is_shared_writable = kind == PAWL_SEGMENT_STORE;
    ck_assert_msg(pawl_segment_create(segment, &cfg, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_peer_offer(peer, segment, doorbell_fd, &id, &err) == 0, "%s", err.text);
    return id;
}

/* As a program that is killed: no bye. */
static inline void run_kill(struct run *run, struct pawl_peer *peer)
{
    pawl_peer_close(peer);
    run_serve(run);
}

static inline void run_close(struct run *run)
{
    pawl_hub_close(&run->hub);
}

#endif
