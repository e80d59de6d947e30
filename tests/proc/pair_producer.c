/* pair_producer.c: the actor's part of the example in pair.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pair.h"
#include "runtime/clock.h"
#include "runtime/fault.h"
#include "shm/board.h"
#include "shm/park.h"
#include "shm/peer.h"
#include "shm/ring.h"

#define POLL_PERIOD_NS  PAWL_NS_PER_MS
#define BOARD_WAIT_EACH 256 /* records, after which it waits for newer parameters */
#define PUT_EACH        8   /* records, of which one is copied in instead of made in place */
#define SLOW_PASS_COUNT 100
#define FAST_PASS_COUNT 1

/* An acks segment: where the consumer says what it has read, and how to wake it. */
struct acks {
    uint64_t id; /* 0: none */
    struct pawl_segment segment;
    int doorbell_fd;
};

struct producer {
    struct pawl_peer peer;
    struct pawl_segment ring_segment;
    struct pawl_ring_tx ring;
    uint64_t ring_id;
    struct acks bound;   /* the one the ring uses */
    struct acks offered; /* the next one; bound once BIND says so */

    struct pawl_segment board_segment;
    struct pawl_board_rx board;
    uint64_t board_id;         /* 0: none yet */
    uint64_t board_generation; /* newest that was used, on any board */

    struct pair_ledger *ledger;
    struct pair_life *life;
    uint64_t next_poll_ns;
    uint64_t pass_count; /* of filling a record */
    bool is_ending;
};

/* --- what the hub says --- */

static void acks_close(struct acks *acks)
{
    if (acks->id == 0)
        return;
    pawl_segment_close(&acks->segment);
    if (acks->doorbell_fd >= 0)
        close(acks->doorbell_fd);
    *acks = (struct acks){0};
}

static int take_acks(struct producer *p, struct pawl_peer_event *event, struct pawl_err *err)
{
    acks_close(&p->offered);
    int status = pawl_ring_acks_attach(&p->offered.segment, event->fds[0], err);
    if (status)
        return status;
    p->offered.id = event->offer.id;
    p->offered.doorbell_fd = event->fd_count == 2 ? event->fds[1] : -1;
    if (event->fd_count == 2)
        event->fds[1] = -1; /* ours now */
    return 0;
}

static int bind_ring(struct producer *p, const struct pawl_peer_event *event,
                     struct pawl_err *err)
{
    if (event->bind.acks_id == p->offered.id) {
        /* The dead consumer's page is left for good, so its segment may go after. */
        struct acks before = p->bound;
        int status = pawl_ring_bind(&p->ring, &p->offered.segment, event->bind.acks_page,
                                    p->offered.doorbell_fd, err);
        if (status)
            return status;
        p->bound = p->offered;
        p->offered = (struct acks){0};
        acks_close(&before);
        return 0;
    }
    return pawl_ring_bind(&p->ring, &p->bound.segment, event->bind.acks_page,
                          p->bound.doorbell_fd, err);
}

static int take_board(struct producer *p, const struct pawl_peer_event *event,
                      struct pawl_err *err)
{
    const struct pawl_board_rx_cfg cfg = {.generation = p->board_generation,
                                          .total_bytes = event->offer.total_bytes};
    pawl_segment_close(&p->board_segment);
    p->board_id = 0;
    /* Our pin is in the ring's page, where the consumer has looked for it since before it told
     * the hub to bind us. */
    int status = pawl_board_attach(&p->board, &p->board_segment, NULL, event->fds[0],
                                   &p->ring.page->pin, &cfg, err);
    if (status == 0)
        p->board_id = event->offer.id;
    return status;
}

static int obey(struct producer *p, struct pawl_peer_event *event, struct pawl_err *err)
{
    switch (event->kind) {
    case PAWL_PEER_OFFER:
        return event->offer.kind == PAWL_SEGMENT_ACK ? take_acks(p, event, err)
                                                     : take_board(p, event, err);
    case PAWL_PEER_BIND:
        return bind_ring(p, event, err);
    case PAWL_PEER_REJECT:
        return pawl_err_set(err, (int)event->reject.code, "rejected: %s", event->reject.text);
    case PAWL_PEER_STOP:
    case PAWL_PEER_HANGUP:
        p->is_ending = true;
        return 0;
    default: /* a dead consumer's memory stays readable: go on until there is the next one */
        return 0;
    }
}

static int listen_to_hub(struct producer *p, struct pawl_err *err)
{
    struct pawl_peer_event event;
    int status;
    do {
        status = pawl_peer_poll(&p->peer, &event, err);
        if (status == 0)
            status = obey(p, &event, err);
        pawl_peer_event_drop(&event);
    } while (status == 0 && event.kind != PAWL_PEER_NONE && !p->is_ending);
    p->next_poll_ns = pawl_clock_now_ns() + POLL_PERIOD_NS;
    return status;
}

/* --- parameters --- */

/* All words of a version are its generation; a mixture would show. */
static void read_board(struct producer *p)
{
    const struct pawl_board_slot *slot = p->board_id ? pawl_board_acquire(&p->board) : NULL;
    if (!slot)
        return;
    const uint64_t *words = (const uint64_t *)(const void *)slot->data;
    uint64_t generation = p->board.generation;
    bool is_whole = generation >= p->board_generation;
    for (size_t i = 0; i < PAIR_BOARD_WORDS; i++)
        is_whole = is_whole && words[i] == generation;
    if (pawl_board_is_intact(&p->board)) {
        p->board_generation = generation;
        atomic_fetch_add(&p->ledger->boards_read, 1);
        if (!is_whole)
            atomic_fetch_add(&p->life->torn_boards, 1);
    } else {
        atomic_fetch_add(&p->ledger->boards_discarded, 1);
    }
    pawl_board_release(&p->board);
}

static int wait_for_board(struct producer *p, struct pawl_err *err)
{
    const struct pawl_wait wait = {.whom = "the consumer", .timeout_ns = 2 * PAWL_NS_PER_MS};
    int status = p->board_id ? pawl_board_wait(&p->board, &wait, NULL) : 0;
    if (status == -ETIMEDOUT) /* it may be dead */
        return 0;
    return status ? pawl_err_set(err, -status, "wait for parameters") : 0;
}

/* --- records --- */

/* Several passes, as of a program that computes in place: all but the last leave what is wrong.
 * Some lives are slower than the consumer, so that a kill is likely to come within a record;
 * some are faster, so that the ring is full. */
static void fill(const struct producer *p, uint64_t sequence, _Atomic uint64_t *words)
{
    for (uint64_t pass = p->pass_count; pass-- > 0;)
        for (uint64_t i = 0; i < PAIR_PAYLOAD_WORDS; i++)
            atomic_store_explicit(&words[i], pair_word(p->peer.incarnation, sequence + pass, i),
                                  memory_order_relaxed);
}

/* Room, or the end of a slice of waiting in which the hub was not listened to. */
static int wait_for_room(struct producer *p, struct pawl_err *err)
{
    const struct pawl_wait wait = {.whom = "the consumer", .timeout_ns = POLL_PERIOD_NS};
    struct pollfd look = {.fd = p->peer.fd, .events = POLLIN};

    if (!p->ring.ack) { /* nobody reads yet: the hub will say who does */
        poll(&look, 1, 20);
        return listen_to_hub(p, err);
    }
    int status = pawl_ring_wait_room(&p->ring, 1, &wait, NULL);
    if (status == 0 || status == -ETIMEDOUT)
        return listen_to_hub(p, err);
    status = pawl_ring_tx_state(&p->ring, err);
    return status ? status : pawl_err_set(err, EIO, "wait for room");
}

static int make_record(struct producer *p, struct pawl_err *err)
{
    static _Atomic uint64_t words[PAIR_PAYLOAD_WORDS];
    uint64_t sequence = p->ring.next - pair_first(p->peer.incarnation);
    const struct pawl_ring_record record = {.bytes = PAIR_PAYLOAD_BYTES,
                                            .actor_step = sequence,
                                            .policy_version = p->board_generation};

    atomic_store(&p->life->started, sequence + 1);
    if (sequence % PUT_EACH == 0) {
        fill(p, sequence, words);
        if (pawl_ring_put(&p->ring, &record, words) != PAWL_RING_DONE)
            return wait_for_room(p, err);
    } else {
        struct pawl_ring_slot *slot = pawl_ring_claim(&p->ring);
        if (!slot)
            return wait_for_room(p, err);
        fill(p, sequence, (_Atomic uint64_t *)(void *)slot->data);
        PAWL_FAULT("ring.publish.P3");
        slot->record = record;
        pawl_ring_publish(&p->ring);
    }
    atomic_store(&p->life->published, sequence + 1);
    return 0;
}

static int run(struct producer *p, struct pawl_err *err)
{
    int status = 0;
    while (status == 0 && !p->is_ending) {
        read_board(p);
        status = make_record(p, err);
        if (status == 0 && p->ring.next % BOARD_WAIT_EACH == 0)
            status = wait_for_board(p, err);
        if (status == 0 && pawl_clock_now_ns() >= p->next_poll_ns)
            status = listen_to_hub(p, err);
    }
    return status;
}

/* --- a life --- */

static int start(struct producer *p, const char *label, struct pawl_err *err)
{
    struct pawl_peer_cfg peer_cfg = pawl_peer_default_cfg();
    peer_cfg.role = PAWL_ROLE_ACTOR;
    peer_cfg.fd = PAIR_HUB_FD;
    p->ledger =
        mmap(NULL, sizeof(*p->ledger), PROT_READ | PROT_WRITE, MAP_SHARED, PAIR_LEDGER_FD, 0);
    if (p->ledger == MAP_FAILED)
        return pawl_err_set(err, errno, "map the ledger: %s", strerror(errno));
    int status = pawl_peer_open(&p->peer, &peer_cfg, err);
    if (status)
        return status;
    p->life = &p->ledger->lives[p->peer.incarnation % PAIR_INCARNATION_COUNT];
    p->pass_count = p->peer.incarnation % 8 ? SLOW_PASS_COUNT : FAST_PASS_COUNT;

    struct pawl_ring_cfg ring_cfg = pawl_ring_default_cfg();
    ring_cfg.slot_count = PAIR_SLOT_COUNT;
    ring_cfg.data_bytes = PAIR_PAYLOAD_BYTES;
    ring_cfg.policy = PAWL_RING_BLOCK;
    ring_cfg.first = pair_first(p->peer.incarnation);
    ring_cfg.label = label;
    status = pawl_ring_create(&p->ring, &p->ring_segment, &ring_cfg, err);
    if (status == 0)
        status = pawl_peer_offer(&p->peer, &p->ring_segment, -1, &p->ring_id, err);
    if (status == 0) {
        atomic_store(&p->life->pid, (uint32_t)getpid());
        atomic_store(&p->life->has_offered, 1);
    }
    return status;
}

int main(int argc, char **argv)
{
    static struct producer p;
    struct pawl_err err = {0};
    int status = pair_arm_faults(&err);
    if (status == 0)
        status = start(&p, argc > 1 ? argv[1] : "pair", &err);
    if (status == 0)
        status = run(&p, &err);
    if (status == 0)
        pawl_peer_bye(&p.peer, p.ring.next, NULL);
    else if (status == -EPIPE) /* the hub has gone while we spoke to it: a hang-up, too */
        status = 0;
    else
        fprintf(stderr, "pair_producer: %s\n", err.text);

    pawl_segment_close(&p.board_segment);
    acks_close(&p.offered);
    acks_close(&p.bound);
    pawl_segment_close(&p.ring_segment);
    pawl_peer_close(&p.peer);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
