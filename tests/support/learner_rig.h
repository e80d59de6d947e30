/* learner_rig.h: a real pawl-learner, with the hub and an actor in the test's own process.
 *
 *     struct learner_rig rig;
 *     learner_rig_open(&rig, PAWL_BIN_DIR "/pawl-learner", "[learner]\nledger = true\n");
 *     learner_rig_start(&rig, "learner.commit:kill@3");      or NULL
 *     learner_rig_add_actor(&rig, 0, 64);
 *     producer_step(&rig.actors[0].producer, ...);
 *     learner_rig_serve_until(&rig, is_drained, &rig);
 *     learner_rig_close(&rig);
 */
#ifndef PAWL_TEST_LEARNER_RIG_H
#define PAWL_TEST_LEARNER_RIG_H

#include <signal.h>
#include <stdlib.h>

#include "runtime/proc.h"
#include "shm/board.h"
#include "support/producer.h"
#include "support/run.h"
#include "support/scratch.h"

#define LEARNER_RIG_ACTORS 4
#define LEARNER_RIG_ACKS   8

/* An acks segment that the actor was offered. */
struct learner_rig_acks {
    uint64_t id;
    struct pawl_segment segment;
    int doorbell_fd;
};

struct learner_rig_actor {
    bool is_open;
    struct producer producer;
    struct pawl_peer peer;
    uint64_t ring_id;
    struct learner_rig_acks acks[LEARNER_RIG_ACKS];
    uint32_t bind_count, board_count;
    int reject_code;
    char reject_text[512];
};

struct learner_rig {
    const char *program;
    struct scratch scratch;
    struct run run;
    struct pawl_proc learner;
    bool is_resumed;
    struct learner_rig_actor actors[LEARNER_RIG_ACTORS];
};

/* program: the path of pawl-learner. */
static inline void learner_rig_open(struct learner_rig *rig, const char *program,
                                    const char *config)
{
    *rig = (struct learner_rig){.program = program};
    scratch_open(&rig->scratch);
    scratch_write(scratch_path(&rig->scratch, "config.toml"), config, strlen(config));
    run_open(&rig->run, NULL);
}

/* faults as in runtime/fault.h; NULL: none. */
static inline void learner_rig_start(struct learner_rig *rig, const char *faults)
{
    char path[PATH_MAX];
    int fd = -1;
    struct pawl_err err = {0};
    snprintf(path, sizeof(path), "%s", scratch_path(&rig->scratch, "config.toml"));
    ck_assert_int_eq(pawl_hub_invite(&rig->run.hub, PAWL_ROLE_LEARNER, 0, &fd, &err), 0);
    const char *const argv[] = {
        "pawl-learner", "--config", path, "--hub", "3", rig->is_resumed ? "--resume" : NULL,
        NULL,
    };
    const struct pawl_proc_fd fds[] = {{.fd = fd, .number = 3}};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    cfg.path = rig->program;
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = 1;
    setenv("PAWL_FAULT", faults ? faults : "", 1);
    ck_assert_msg(pawl_proc_start(&rig->learner, &cfg, &err) == 0, "%s", err.text);
    unsetenv("PAWL_FAULT");
    close(fd);
}

/* spec_name as in producer_open_as(). */
static inline struct learner_rig_actor *learner_rig_add_actor_as(struct learner_rig *rig,
                                                                 uint32_t index,
                                                                 uint32_t slot_count,
                                                                 const char *spec_name)
{
    struct learner_rig_actor *actor = &rig->actors[index];
    struct pawl_err err = {0};
    *actor = (struct learner_rig_actor){.is_open = true};
    producer_open_as(&actor->producer, slot_count, spec_name, PAWL_RING_BLOCK);
    run_join(&rig->run, &actor->peer, PAWL_ROLE_ACTOR, index);
    ck_assert_msg(
        pawl_peer_offer(&actor->peer, &actor->producer.segment, -1, &actor->ring_id, &err) == 0,
        "%s", err.text);
    return actor;
}

static inline struct learner_rig_actor *
learner_rig_add_actor(struct learner_rig *rig, uint32_t index, uint32_t slot_count)
{
    return learner_rig_add_actor_as(rig, index, slot_count, "obs.state");
}

static inline void learner_rig_take_acks(struct learner_rig_actor *actor,
                                         struct pawl_peer_event *event)
{
    struct learner_rig_acks *acks = actor->acks;
    struct pawl_err err = {0};
    while (acks->id && acks < actor->acks + LEARNER_RIG_ACKS - 1)
        acks++;
    if (acks->id) { /* the oldest is of a learner long dead */
        close(actor->acks[0].doorbell_fd);
        pawl_segment_close(&actor->acks[0].segment);
        memmove(actor->acks, actor->acks + 1, sizeof(*acks) * (LEARNER_RIG_ACKS - 1));
    }
    ck_assert_msg(pawl_ring_acks_attach(&acks->segment, event->fds[0], &err) == 0, "%s",
                  err.text);
    acks->id = event->offer.id;
    acks->doorbell_fd = event->fds[1];
    event->fds[1] = -1;
}

static inline void learner_rig_bind(struct learner_rig_actor *actor,
                                    const struct pawl_hub_bind *bind)
{
    struct pawl_err err = {0};
    for (int i = 0; i < LEARNER_RIG_ACKS; i++)
        if (actor->acks[i].id == bind->acks_id) {
            ck_assert_msg(pawl_ring_bind(&actor->producer.tx, &actor->acks[i].segment,
                                         bind->acks_page, actor->acks[i].doorbell_fd,
                                         &err) == 0,
                          "%s", err.text);
            actor->bind_count++;
        }
}

/* What an actor does with the hub's words. */
static inline void learner_rig_hear(struct learner_rig_actor *actor)
{
    struct pawl_peer_event event;
    do {
        ck_assert_int_eq(pawl_peer_poll(&actor->peer, &event, NULL), 0);
        if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_ACK)
            learner_rig_take_acks(actor, &event);
        else if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_BOARD)
            actor->board_count++;
        else if (event.kind == PAWL_PEER_BIND)
            learner_rig_bind(actor, &event.bind);
        else if (event.kind == PAWL_PEER_REJECT) {
            actor->reject_code = (int)event.reject.code;
            snprintf(actor->reject_text, sizeof(actor->reject_text), "%s", event.reject.text);
        }
        pawl_peer_event_drop(&event);
    } while (event.kind != PAWL_PEER_NONE && event.kind != PAWL_PEER_HANGUP);
}

/* One round of hub and actors, at most about a millisecond. */
static inline void learner_rig_serve(struct learner_rig *rig)
{
    struct pollfd look = {.fd = rig->run.hub.fd, .events = POLLIN};
    poll(&look, 1, 1);
    ck_assert_int_eq(pawl_hub_serve(&rig->run.hub, NULL), 0);
    for (int i = 0; i < LEARNER_RIG_ACTORS; i++)
        if (rig->actors[i].is_open)
            learner_rig_hear(&rig->actors[i]);
}

static inline bool learner_rig_has_ended(struct learner_rig *rig)
{
    return pawl_proc_wait(&rig->learner, 0, NULL) == 0;
}

/* Serves until the condition holds, or the test hangs. */
#define LEARNER_RIG_UNTIL(rig, condition)                                                      \
    do {                                                                                       \
        uint64_t rig_began_ns = pawl_clock_now_ns();                                           \
        while (!(condition)) {                                                                 \
            learner_rig_serve(rig);                                                            \
            ck_assert_msg(pawl_clock_now_ns() - rig_began_ns < RUN_HANG_NS,                    \
                          "waited in vain: " #condition);                                      \
        }                                                                                      \
    } while (0)

/* Whether the learner has given back all that was committed. */
static inline bool learner_rig_is_drained(const struct learner_rig *rig, uint32_t index)
{
    const struct pawl_ring_tx *tx = &rig->actors[index].producer.tx;
    return tx->ack && atomic_load(&tx->ack->tail) == tx->next;
}

static inline void learner_rig_remove_actor(struct learner_rig *rig, uint32_t index,
                                            bool says_bye)
{
    struct learner_rig_actor *actor = &rig->actors[index];
    if (says_bye)
        pawl_peer_bye(&actor->peer, actor->producer.tx.next, NULL);
    pawl_peer_close(&actor->peer);
    for (int i = 0; i < LEARNER_RIG_ACKS; i++)
        if (actor->acks[i].id) {
            close(actor->acks[i].doorbell_fd);
            pawl_segment_close(&actor->acks[i].segment);
        }
    producer_close(&actor->producer);
    actor->is_open = false;
}

/* Stops the run in order: how the learner ended. */
static inline int learner_rig_stop(struct learner_rig *rig)
{
    pawl_hub_tell_stop(&rig->run.hub, 0, PAWL_STOP_ASKED, pawl_clock_now_ns() + RUN_HANG_NS);
    for (uint32_t i = 0; i < LEARNER_RIG_ACTORS; i++)
        if (rig->actors[i].is_open)
            learner_rig_remove_actor(rig, i, true);
    LEARNER_RIG_UNTIL(rig, learner_rig_has_ended(rig));
    return rig->learner.exit.signal ? -rig->learner.exit.signal : rig->learner.exit.code;
}

/* Another run in the folder of one that has ended: a learner that is started now resumes. */
static inline void learner_rig_reopen(struct learner_rig *rig)
{
    run_close(&rig->run);
    run_open(&rig->run, NULL);
    rig->is_resumed = true;
}

static inline void learner_rig_close(struct learner_rig *rig)
{
    for (uint32_t i = 0; i < LEARNER_RIG_ACTORS; i++)
        if (rig->actors[i].is_open)
            learner_rig_remove_actor(rig, i, false);
    pawl_proc_close(&rig->learner);
    run_close(&rig->run);
    scratch_close(&rig->scratch);
}

#endif
