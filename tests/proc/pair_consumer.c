/* pair_consumer.c: the learner's part of the example in pair.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"
#include "runtime/clock.h"
#include "shm/board.h"
#include "shm/dead_acks.h"
#include "shm/park.h"
#include "shm/peer.h"
#include "shm/ring.h"

#define POLL_PERIOD_NS     PAWL_NS_PER_MS
#define PUBLISH_PERIOD_NS  (PAWL_NS_PER_MS / 2)
#define WRITERS_END_NS_MAX (2 * PAWL_NS_PER_S)

/* One ring that is read; its place in `lanes` is its page in the acks segment. */
struct lane {
    uint64_t id; /* 0: free */
    struct pawl_segment segment;
    struct pawl_ring_rx ring;
    uint32_t reader_index; /* of its pin, on the board */
    int writer_pidfd;      /* -1: it has ended already */
    bool is_gone;
    struct pair_life *life;
};

struct consumer {
    struct pawl_peer peer;
    struct pawl_segment acks;
    struct pawl_bell bell;
    uint64_t acks_id;
    struct lane lanes[PAIR_ACK_COUNT];
    struct pawl_dead_acks dead_acks;

    struct pawl_segment board_segment;
    struct pawl_board_tx board;
    uint64_t board_generation; /* of the last consumer's board */

    struct pair_ledger *ledger;
    struct pair_life *life;
    uint64_t next_poll_ns, next_publish_ns;
    uint64_t stop_deadline_ns; /* 0: go on */
    const char *label;
    bool has_hung_up;
};

/* --- parameters --- */

static void publish(struct consumer *c)
{
    struct pawl_board_slot *slot = pawl_board_claim(&c->board);
    c->next_publish_ns = pawl_clock_now_ns() + PUBLISH_PERIOD_NS;
    if (!slot)
        return;
    uint64_t *words = (uint64_t *)(void *)slot->data;
    for (size_t i = 0; i < PAIR_BOARD_WORDS; i++)
        words[i] = c->board.generation;
    pawl_board_publish(&c->board, 0);
}

/* Once the hub has told what the consumer before us has left, which comes before the rings. */
static int make_segments(struct consumer *c, struct pawl_err *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg cfg = pawl_board_default_cfg();
    uint64_t board_id;

    if (c->acks_id != 0)
        return 0;
    int status = pawl_ring_acks_create(&c->acks, PAIR_ACK_COUNT, false, err);
    if (status == 0)
        status = pawl_bell_open(&c->bell, &c->acks, err);
    if (status == 0)
        status = pawl_peer_offer(&c->peer, &c->acks, c->bell.fd, &c->acks_id, err);
    if (status == 0)
        status = pawl_manifest_add(&manifest, "words", PAWL_U64, 1,
                                   (uint64_t[]){PAIR_BOARD_WORDS}, err);
    cfg.manifest = &manifest;
    cfg.reader_count = PAIR_ACK_COUNT;
    cfg.first_generation = c->board_generation + 1;
    cfg.label = c->label;
    if (status == 0)
        status = pawl_board_create(&c->board, &c->board_segment, &cfg, err);
    pawl_manifest_close(&manifest);
    if (status == 0)
        publish(c);
    return status ? status : pawl_peer_offer(&c->peer, &c->board_segment, -1, &board_id, err);
}

/* --- what the hub says --- */

static int take_ring(struct consumer *c, const struct pawl_peer_event *event,
                     struct pawl_err *err)
{
    uint32_t page = 0;
    while (page < PAIR_ACK_COUNT && c->lanes[page].id != 0)
        page++;
    if (page == PAIR_ACK_COUNT)
        return pawl_err_set(err, ENOSPC, "more than %u rings at a time", PAIR_ACK_COUNT);

    struct lane *lane = &c->lanes[page];
    struct pawl_ring_rx_cfg cfg = {.ack_index = page, .total_bytes = event->offer.total_bytes};
    struct pawl_err why = {0};
    int status = make_segments(c, err);
    if (status)
        return status;
    /* A ring that is none is its writer's end, not ours. */
    if (pawl_dead_acks_find_start(&c->dead_acks, &event->offer, &cfg, &why) != 0 ||
        pawl_ring_attach(&lane->ring, &lane->segment, event->fds[0], &c->acks, &cfg, &why) != 0)
        return pawl_peer_refuse(&c->peer, event->offer.id, &why, err);
    status = pawl_board_add_reader(&c->board, &lane->ring.page->pin, &lane->reader_index, err);
    /* Now the writer may read the board, and our page is the one that counts. */
    if (status == 0)
        status = pawl_peer_bind(&c->peer, event->offer.id, c->acks_id, page, err);
    if (status)
        return status;
    lane->id = event->offer.id;
    lane->is_gone = event->offer.is_gone;
    lane->life = &c->ledger->lives[pawl_hub_incarnation_of(lane->id) % PAIR_INCARNATION_COUNT];
    /* For the case that no hub will tell when the writer ends. */
    lane->writer_pidfd =
        lane->is_gone ? -1 : (int)syscall(SYS_pidfd_open, (pid_t)lane->segment.header.pid, 0);
    return 0;
}

static int take_offer(struct consumer *c, const struct pawl_peer_event *event,
                      struct pawl_err *err)
{
    switch (event->offer.kind) {
    case PAWL_SEGMENT_ACK:
        return pawl_dead_acks_add(&c->dead_acks, event->offer.id, event->fds[0],
                                  event->offer.total_bytes, err);
    case PAWL_SEGMENT_BOARD: {
        struct pawl_segment segment;
        const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_BOARD,
                                               .total_bytes = event->offer.total_bytes};
        int status = pawl_segment_attach(&segment, event->fds[0], &want, err);
        if (status)
            return status;
        c->board_generation = pawl_board_last_generation(&segment);
        pawl_segment_close(&segment);
        return 0;
    }
    case PAWL_SEGMENT_RING:
        return take_ring(c, event, err);
    default:
        return 0;
    }
}

static int obey(struct consumer *c, const struct pawl_peer_event *event, struct pawl_err *err)
{
    switch (event->kind) {
    case PAWL_PEER_OFFER:
        return take_offer(c, event, err);
    case PAWL_PEER_GONE:
        for (size_t i = 0; i < PAIR_ACK_COUNT; i++)
            if (c->lanes[i].id == event->gone.id)
                c->lanes[i].is_gone = true;
        return 0;
    case PAWL_PEER_WITHDRAW:
        pawl_dead_acks_remove(&c->dead_acks, event->withdraw.id);
        return 0;
    case PAWL_PEER_ALL:
        return make_segments(c, err);
    case PAWL_PEER_STOP:
        c->stop_deadline_ns = event->stop.deadline_ns;
        return 0;
    case PAWL_PEER_HANGUP:
        c->has_hung_up = true;
        return 0;
    case PAWL_PEER_REJECT:
        return pawl_err_set(err, (int)event->reject.code, "rejected: %s", event->reject.text);
    default:
        return 0;
    }
}

static int listen_to_hub(struct consumer *c, struct pawl_err *err)
{
    struct pawl_peer_event event;
    int status;
    do {
        status = pawl_peer_poll(&c->peer, &event, err);
        if (status == 0)
            status = obey(c, &event, err);
        pawl_peer_event_drop(&event);
    } while (status == 0 && event.kind != PAWL_PEER_NONE && !c->has_hung_up);
    c->next_poll_ns = pawl_clock_now_ns() + POLL_PERIOD_NS;
    return status;
}

/* --- records --- */

static bool is_whole(const struct lane *lane, const struct pawl_ring_slot *slot,
                     uint64_t sequence)
{
    const uint64_t *words = (const uint64_t *)(const void *)slot->data;
    uint64_t incarnation = pawl_hub_incarnation_of(lane->id);
    bool is_so = slot->record.actor_step == sequence &&
                 pawl_ring_slot_bytes(&lane->ring, slot) == PAIR_PAYLOAD_BYTES;
    for (uint64_t i = 0; i < PAIR_PAYLOAD_WORDS; i++)
        is_so = is_so && words[i] == pair_word(incarnation, sequence, i);
    return is_so;
}

/* Into a store that outlives us; one store of a word decides, and a record that comes again is
 * known by its sequence. */
static void store(struct consumer *c, struct lane *lane, const struct pawl_ring_slot *slot)
{
    uint64_t sequence = lane->ring.next - lane->ring.first;
    uint64_t wanted = atomic_load(&lane->life->stored);

    if (!is_whole(lane, slot, sequence))
        atomic_fetch_add(&lane->life->torn, 1);
    if (sequence < wanted) {
        atomic_fetch_add(&lane->life->again, 1);
        return;
    }
    if (sequence > wanted)
        atomic_fetch_add(&lane->life->lost, sequence - wanted);
    atomic_store(&lane->life->stored, sequence + 1);
    atomic_fetch_add(&c->life->progress, 1);
}

static bool drain(struct consumer *c, struct lane *lane)
{
    bool has_read = false;
    const struct pawl_ring_slot *slot;
    for (uint32_t i = 0; i < PAIR_SLOT_COUNT && (slot = pawl_ring_peek(&lane->ring)); i++) {
        store(c, lane, slot);
        pawl_ring_release(&lane->ring);
        has_read = true;
    }
    return has_read;
}

static void close_lane(struct consumer *c, struct lane *lane)
{
    pawl_board_remove_reader(&c->board, lane->reader_index);
    pawl_segment_close(&lane->segment);
    if (lane->writer_pidfd >= 0)
        close(lane->writer_pidfd);
    *lane = (struct lane){0};
}

/* The writer's memory is broken: it is told, and the others go on. */
static int refuse(struct consumer *c, struct lane *lane, const struct pawl_err *why,
                  struct pawl_err *err)
{
    int status = c->has_hung_up ? 0 : pawl_peer_refuse(&c->peer, lane->id, why, err);
    close_lane(c, lane);
    return status;
}

/* Everything of a dead writer is stored: its ring goes. */
static int finish(struct consumer *c, struct lane *lane, struct pawl_err *err)
{
    uint64_t tail = lane->ring.next;
    uint64_t resv = atomic_load_explicit(&lane->ring.page->resv, memory_order_relaxed);

    atomic_store(&lane->life->was_mid_record, resv != tail);
    atomic_store(&lane->life->is_drained, 1);
    int status = c->has_hung_up ? 0 : pawl_peer_drained(&c->peer, lane->id, tail, err);
    close_lane(c, lane);
    return status;
}

/* All rings once. */
static int sweep(struct consumer *c, bool *has_read, struct pawl_err *err)
{
    *has_read = false;
    for (size_t i = 0; i < PAIR_ACK_COUNT; i++) {
        struct lane *lane = &c->lanes[i];
        if (lane->id == 0)
            continue;
        /* Asked before the ring is found empty: nothing is written after. */
        bool is_gone = lane->is_gone;
        bool has_some = drain(c, lane);
        *has_read = *has_read || has_some;
        struct pawl_err why = {0};
        int status = 0;
        if (pawl_ring_rx_state(&lane->ring, &why) != 0)
            status = refuse(c, lane, &why, err);
        else if (is_gone && !has_some)
            status = finish(c, lane, err);
        if (status)
            return status;
    }
    return 0;
}

static uint32_t count_lanes(const struct consumer *c)
{
    uint32_t count = 0;
    for (size_t i = 0; i < PAIR_ACK_COUNT; i++)
        count += c->lanes[i].id != 0;
    return count;
}

static bool has_record(struct consumer *c)
{
    for (size_t i = 0; i < PAIR_ACK_COUNT; i++)
        if (c->lanes[i].id != 0 && pawl_ring_peek(&c->lanes[i].ring))
            return true;
    return false;
}

/* Until somebody rings, the hub says something, or it is time to publish. */
static void rest(struct consumer *c)
{
    struct pollfd looks[] = {{.fd = c->peer.fd, .events = POLLIN},
                             {.fd = c->bell.fd, .events = POLLIN}};
    if (c->acks_id == 0) { /* no bell yet */
        poll(looks, 1, 1);
        return;
    }
    pawl_bell_arm(&c->bell);
    if (!has_record(c))
        poll(looks, 2, 1);
    pawl_bell_disarm(&c->bell);
}

/* --- a life --- */

static int run(struct consumer *c, struct pawl_err *err)
{
    int status = 0;
    while (status == 0 && !c->has_hung_up) {
        bool has_read;
        uint64_t now_ns = pawl_clock_now_ns();
        status = sweep(c, &has_read, err);
        if (status == 0 && c->acks_id != 0 && now_ns >= c->next_publish_ns)
            publish(c);
        if (status == 0 && (now_ns >= c->next_poll_ns || !has_read))
            status = listen_to_hub(c, err);
        if (c->stop_deadline_ns && (count_lanes(c) == 0 || now_ns >= c->stop_deadline_ns))
            return status;
        if (status == 0 && !has_read)
            rest(c);
    }
    return status;
}

/* The hub has gone, and every producer ends by itself: what they still write is drained. */
static int drain_orphans(struct consumer *c, struct pawl_err *err)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + WRITERS_END_NS_MAX;
    int status = 0;
    while (status == 0 && count_lanes(c) > 0) {
        bool has_read;
        bool is_late = pawl_clock_now_ns() >= deadline_ns;
        for (size_t i = 0; i < PAIR_ACK_COUNT; i++) {
            struct lane *lane = &c->lanes[i];
            struct pollfd look = {.fd = lane->id ? lane->writer_pidfd : -1, .events = POLLIN};
            lane->is_gone = lane->writer_pidfd < 0 || is_late || poll(&look, 1, 0) == 1;
        }
        status = sweep(c, &has_read, err);
        if (!has_read)
            poll(NULL, 0, 1);
    }
    return status;
}

static int start(struct consumer *c, struct pawl_err *err)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    cfg.role = PAWL_ROLE_LEARNER;
    cfg.fd = PAIR_HUB_FD;
    c->ledger =
        mmap(NULL, sizeof(*c->ledger), PROT_READ | PROT_WRITE, MAP_SHARED, PAIR_LEDGER_FD, 0);
    if (c->ledger == MAP_FAILED)
        return pawl_err_set(err, errno, "map the ledger: %s", strerror(errno));
    int status = pawl_peer_open(&c->peer, &cfg, err);
    if (status == 0)
        c->life = &c->ledger->lives[c->peer.incarnation % PAIR_INCARNATION_COUNT];
    return status;
}

static void stop(struct consumer *c)
{
    for (size_t i = 0; i < PAIR_ACK_COUNT; i++) {
        if (c->lanes[i].id != 0 && c->lanes[i].writer_pidfd >= 0)
            close(c->lanes[i].writer_pidfd);
        pawl_segment_close(&c->lanes[i].segment);
    }
    pawl_dead_acks_close(&c->dead_acks);
    pawl_segment_close(&c->board_segment);
    pawl_bell_close(&c->bell);
    pawl_segment_close(&c->acks);
    pawl_peer_close(&c->peer);
}

int main(int argc, char **argv)
{
    static struct consumer c;
    struct pawl_err err = {0};
    c.label = argc > 1 ? argv[1] : "pair";
    int status = pair_arm_faults(&err);
    if (status == 0)
        status = start(&c, &err);
    if (status == 0)
        status = run(&c, &err);
    if (status == -EPIPE) { /* the hub has gone while we spoke to it: a hang-up, too */
        c.has_hung_up = true;
        status = 0;
        err = (struct pawl_err){0};
    }
    if (status == 0)
        status = c.has_hung_up ? drain_orphans(&c, &err) : pawl_peer_bye(&c.peer, 0, &err);
    if (status)
        fprintf(stderr, "pair_consumer: %s\n", err.text);
    stop(&c);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
