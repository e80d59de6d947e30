#include "shm/inspect_read.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "runtime/clock.h"
#include "shm/process.h"

#define STILL_TRY_COUNT 200 /* looks until numbers that belong together stood still */

/* Relaxed, here and below: a figure is right for itself, and which belong together is found out
 * by reading them twice. */
#define READ(shared, field) atomic_load_explicit(&(shared)->field, memory_order_relaxed)

static uint64_t age_of(uint64_t time_ns, uint64_t now_ns)
{
    if (time_ns == 0)
        return PAWL_INSPECT_UNKNOWN;
    return time_ns < now_ns ? now_ns - time_ns : 0; /* the other one's word */
}

static enum pawl_inspect_state state_of(const struct pawl_inspect_segment *segment,
                                        uint64_t heartbeat_age_ns)
{
    const struct pawl_segment_header *header = &segment->segment.header;
    struct pawl_process process;
    if (segment->is_gone || pawl_process_read(&process, header->pid) != 0 ||
        process.start_ns != header->process_start_ns || process.state == 'Z' ||
        process.state == 'X')
        return PAWL_INSPECT_ENDED;
    if (process.state == 'T' || process.state == 't')
        return PAWL_INSPECT_STOPPED;
    if (heartbeat_age_ns != PAWL_INSPECT_UNKNOWN && heartbeat_age_ns > PAWL_INSPECT_SILENT_NS)
        return PAWL_INSPECT_SILENT;
    return PAWL_INSPECT_RUNNING;
}

const struct pawl_ring_ack *pawl_inspect_search_ack(const struct pawl_inspect *inspect,
                                                    const struct pawl_inspect_segment *ring)
{
    const struct pawl_ring_ack *ended = NULL;
    uint64_t epoch[2];
    memcpy(epoch, ring->segment.header.writer_epoch, sizeof(epoch));
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        const struct pawl_inspect_segment *acks = &inspect->segments[i];
        const struct pawl_ring_ack *page;
        if (acks->problem[0] || acks->segment.header.kind != PAWL_SEGMENT_ACK)
            continue;
        for (uint32_t k = 0; (page = pawl_ring_acks_page(&acks->segment, k)); k++) {
            if (READ(page, ring_epoch[0]) != epoch[0] || READ(page, ring_epoch[1]) != epoch[1])
                continue;
            if (acks->state != PAWL_INSPECT_ENDED)
                return page;
            ended = page;
        }
    }
    return ended; /* of a reader that died, until there is a next one */
}

/* --- rings --- */

static bool is_still(const struct pawl_ring_counts *a, const struct pawl_ring_counts *b)
{
    return a->attempted == b->attempted && a->committed == b->committed &&
           a->dropped_newest == b->dropped_newest && a->aborted == b->aborted &&
           a->claimed == b->claimed && a->consumed == b->consumed && a->lost == b->lost &&
           a->in_ring == b->in_ring;
}

/* As pawl_ring_count(), but nothing is mended: each word of a sum as it is, claimed from resv
 * and in_ring from tail. */
static struct pawl_ring_counts count_apart(const struct pawl_ring_page *page,
                                           const struct pawl_ring_ack *ack,
                                           const struct pawl_ring_geometry *geometry)
{
    struct pawl_ring_counts counts = pawl_ring_count(page, ack, geometry->first);
    uint64_t head = READ(page, head);
    uint64_t claimed = READ(page, resv) - head;
    counts.committed = head - geometry->first;
    counts.claimed = claimed <= geometry->slot_count ? claimed : 0;
    counts.in_ring = counts.committed;
    if (ack) {
        counts.consumed = READ(ack, consumed);
        counts.lost = READ(ack, lost);
        counts.in_ring = geometry->policy == PAWL_RING_OVERWRITE
                             ? counts.committed - counts.consumed - counts.lost
                             : head - READ(ack, tail);
    }
    return counts;
}

static struct pawl_inspect_rule judge(uint64_t left, uint64_t right, uint64_t slack,
                                      bool may_move)
{
    struct pawl_inspect_rule rule = {.left = left, .right = right};
    uint64_t apart = left - right <= right - left ? left - right : right - left;
    rule.is_moving = apart != 0 && apart <= slack && may_move;
    rule.is_broken = apart != 0 && !rule.is_moving;
    return rule;
}

/* One step of an end moves a sum by at most a ring full, and an end that was halted within one
 * stays there. */
static void judge_ring(struct pawl_inspect_ring *ring, bool is_still, bool is_writer_halted,
                       bool is_reader_halted)
{
    const struct pawl_ring_counts *counts = &ring->counts;
    uint64_t slack = ring->geometry.slot_count;
    ring->attempted =
        judge(counts->attempted,
              counts->committed + counts->dropped_newest + counts->aborted + counts->claimed,
              slack, !is_still || is_writer_halted);
    ring->committed = judge(counts->committed, counts->consumed + counts->lost + ring->in_ring,
                            slack, !is_still || is_reader_halted || is_writer_halted);
    if (ring->geometry.policy != PAWL_RING_OVERWRITE && ring->has_reader &&
        ring->in_ring > slack) /* more than there is room for */
        ring->committed.is_broken = is_still;
}

static void read_rates(struct pawl_inspect_ring *ring, uint64_t now_ns)
{
    const struct pawl_ring_counts *counts = &ring->counts;
    ring->rate_hz = ring->bytes_hz = ring->blocked_share = -1;
    if (ring->look_ns && now_ns > ring->look_ns) {
        double took_ns = (double)(now_ns - ring->look_ns);
        /* Of words that went back nothing is known. */
        if (counts->committed >= ring->last_committed)
            ring->rate_hz = (double)(counts->committed - ring->last_committed) * 1e9 / took_ns;
        if (counts->bytes >= ring->last_bytes)
            ring->bytes_hz = (double)(counts->bytes - ring->last_bytes) * 1e9 / took_ns;
        if (counts->blocked_ns >= ring->last_blocked_ns)
            ring->blocked_share =
                (double)(counts->blocked_ns - ring->last_blocked_ns) / took_ns;
    }
    ring->look_ns = now_ns;
    ring->last_committed = counts->committed;
    ring->last_bytes = counts->bytes;
    ring->last_blocked_ns = counts->blocked_ns;
}

/* How long the record at which the reader is has waited. */
static uint64_t lag_of(const struct pawl_inspect_segment *segment,
                       const struct pawl_ring_ack *ack, uint64_t now_ns)
{
    const struct pawl_inspect_ring *ring = &segment->ring;
    if (!ack || ring->in_ring == 0 || ring->in_ring > ring->geometry.slot_count ||
        ring->geometry.policy == PAWL_RING_OVERWRITE)
        return 0;
    uint64_t tail = READ(ack, tail);
    const struct pawl_ring_slot *slot =
        (const struct pawl_ring_slot *)(const void *)(segment->segment.body +
                                                      sizeof(struct pawl_ring_page) +
                                                      (tail & (ring->geometry.slot_count - 1)) *
                                                          ring->geometry.stride_bytes);
    /* Acquire pairs with the release store in pawl_ring_publish_batch(): the time is written.
     */
    if (atomic_load_explicit(&slot->commit, memory_order_acquire) != tail + 1)
        return 0;
    uint64_t age_ns = age_of(slot->record.capture_ns, now_ns);
    return age_ns == PAWL_INSPECT_UNKNOWN ? 0 : age_ns;
}

/* Whether the reader with this page does not run, so that it may be halted within a step. */
static bool is_halted(const struct pawl_inspect *inspect, const struct pawl_ring_ack *ack)
{
    const unsigned char *page = (const unsigned char *)(const void *)ack;
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        const struct pawl_inspect_segment *acks = &inspect->segments[i];
        if (acks->segment.body && page >= acks->segment.body &&
            page < acks->segment.body + acks->segment.body_bytes)
            return acks->state != PAWL_INSPECT_RUNNING;
    }
    return true;
}

static void read_ring(const struct pawl_inspect *inspect, struct pawl_inspect_segment *segment,
                      uint64_t now_ns)
{
    struct pawl_inspect_ring *ring = &segment->ring;
    const struct pawl_ring_page *page =
        (const struct pawl_ring_page *)(const void *)segment->segment.body;
    const struct pawl_ring_ack *ack = pawl_inspect_ack(inspect, segment);
    bool is_calm = false;

    ring->heartbeat_age_ns = age_of(READ(page, heartbeat_ns), now_ns);
    segment->state = state_of(segment, ring->heartbeat_age_ns);
    ring->has_reader = ack != NULL;
    ring->counts = count_apart(page, ack, &ring->geometry);
    struct pawl_ring_counts before = ring->counts;
    for (int i = 0; i < STILL_TRY_COUNT && !is_calm; i++) {
        before = ring->counts;
        ring->counts = count_apart(page, ack, &ring->geometry);
        is_calm = is_still(&before, &ring->counts);
        if (is_calm && i < STILL_TRY_COUNT - 1) {
            /* Still, and right? Else somebody may be between two stores: look again. */
            ring->in_ring = ring->counts.in_ring;
            judge_ring(ring, true, false, false);
            is_calm = !ring->attempted.is_broken && !ring->committed.is_broken;
            sched_yield();
        }
    }
    ring->in_ring = ring->counts.in_ring;
    judge_ring(ring, is_still(&before, &ring->counts), segment->state != PAWL_INSPECT_RUNNING,
               is_halted(inspect, ack));
    read_rates(ring, now_ns);
    ring->lag_ns = lag_of(segment, ack, now_ns);
    ring->pin_word = READ(page, pin.word);
    ring->version = READ(page, pin.generation);
}

/* --- parameters --- */

static const struct pawl_board_slot *slot_of(const struct pawl_inspect_segment *segment,
                                             uint64_t slot_index)
{
    const struct pawl_board_geometry *geometry = &segment->board.geometry;
    return (const struct pawl_board_slot *)(const void *)(segment->segment.body +
                                                          geometry->first_slot_offset +
                                                          slot_index * geometry->stride_bytes);
}

static bool is_board(const struct pawl_inspect_segment *segment)
{
    return segment->segment.header.kind == PAWL_SEGMENT_BOARD && !segment->problem[0];
}

static void read_board(struct pawl_inspect_segment *segment, uint64_t now_ns)
{
    segment->board.counts =
        pawl_board_count((const struct pawl_board_page *)(const void *)segment->segment.body);
    segment->board.age_ns = age_of(segment->board.counts.published_ns, now_ns);
    segment->state = state_of(segment, PAWL_INSPECT_UNKNOWN);
}

/* The version that a ring's owner acts with is on a board still, or it is older than all there.
 */
static void read_version(const struct pawl_inspect *inspect, struct pawl_inspect_ring *ring,
                         uint64_t now_ns)
{
    ring->version_age_ns = PAWL_INSPECT_UNKNOWN;
    ring->behind_count = 0;
    if (ring->version == 0)
        return;
    uint64_t oldest_above_ns = 0;
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        const struct pawl_inspect_segment *board = &inspect->segments[i];
        if (!is_board(board))
            continue;
        uint64_t latest = board->board.counts.generation;
        if (latest > ring->version && latest - ring->version > ring->behind_count)
            ring->behind_count = latest - ring->version;
        for (uint64_t k = 0; k < board->board.geometry.slot_count; k++) {
            const struct pawl_board_slot *slot = slot_of(board, k);
            uint64_t generation = READ(slot, generation);
            uint64_t published_ns = slot->published_ns;
            if (generation == ring->version && READ(slot, generation) == generation) {
                ring->version_age_ns = age_of(published_ns, now_ns);
                return;
            }
            if (generation > ring->version && published_ns &&
                (oldest_above_ns == 0 || published_ns < oldest_above_ns))
                oldest_above_ns = published_ns;
        }
    }
    ring->version_age_ns = age_of(oldest_above_ns, now_ns);
}

bool pawl_inspect_pins(const struct pawl_inspect_segment *board,
                       const struct pawl_inspect_segment *ring, uint32_t *slot_index)
{
    uint64_t word = ring->ring.pin_word;
    if (!is_board(board) || word == PAWL_PIN_NONE || word == 0)
        return false;
    *slot_index = (uint32_t)(word & PAWL_BOARD_SLOT_MASK);
    return *slot_index < board->board.geometry.slot_count &&
           READ(slot_of(board, *slot_index), generation) == word >> PAWL_BOARD_SLOT_BITS;
}

/* --- all --- */

static void read_acks(struct pawl_inspect_segment *segment, uint64_t now_ns)
{
    const struct pawl_ring_bell *bell = pawl_ring_acks_bell(&segment->segment);
    segment->acks = (struct pawl_inspect_acks){
        .sleeps = READ(bell, sleeps),
        .spurious = READ(bell, spurious),
        .late_wakes = READ(bell, late_wakes),
        .is_asleep = READ(bell, waiter) != 0,
        .heartbeat_age_ns = age_of(READ(bell, heartbeat_ns), now_ns),
    };
    segment->state = state_of(segment, segment->acks.heartbeat_age_ns);
}

void pawl_inspect_read(struct pawl_inspect *inspect)
{
    uint64_t now_ns = pawl_clock_now_ns();
    /* Boards and acks first: rings are put in relation to them. */
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        struct pawl_inspect_segment *segment = &inspect->segments[i];
        if (segment->problem[0] || segment->segment.header.kind >= PAWL_SEGMENT_STATS)
            segment->state = state_of(segment, PAWL_INSPECT_UNKNOWN);
        else if (segment->segment.header.kind == PAWL_SEGMENT_BOARD)
            read_board(segment, now_ns);
        else if (segment->segment.header.kind == PAWL_SEGMENT_ACK)
            read_acks(segment, now_ns);
    }
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        struct pawl_inspect_segment *segment = &inspect->segments[i];
        if (segment->problem[0] || segment->segment.header.kind != PAWL_SEGMENT_RING)
            continue;
        read_ring(inspect, segment, now_ns);
        read_version(inspect, &segment->ring, now_ns);
    }
    inspect->look_ns = now_ns;
}
