#include "learner/tally.h"

#include <errno.h>
#include <string.h>

#include "runtime/fault.h"

enum { GEOMETRY_LAYOUT, GEOMETRY_RINGS, GEOMETRY_LANES };

/* The copy with the latest batch that counts. */
static uint8_t choose(uint64_t batch_0, uint64_t batch_1, uint64_t committed)
{
    if (batch_1 > committed)
        return 0;
    return batch_0 > committed || batch_1 > batch_0;
}

/* What a dead learner had under way would come true with our first batch, which has its number:
 * it is marked as older than everything. */
static void forget(uint64_t *batch, uint64_t committed)
{
    if (*batch > committed)
        *batch = 0;
}

static void settle(struct pawl_tally *tally)
{
    struct pawl_tally_shared *shared = tally->shared;
    /* Relaxed: who wrote it is dead, and the hub told us so. */
    uint64_t committed = atomic_load_explicit(&shared->committed, memory_order_relaxed);

    tally->batch = committed + 1;
    tally->totals_at = choose(shared->totals[0].batch, shared->totals[1].batch, committed);
    forget(&shared->totals[!tally->totals_at].batch, committed);
    tally->saved_at = choose(shared->saved[0].batch, shared->saved[1].batch, committed);
    forget(&shared->saved[!tally->saved_at].batch, committed);
    for (uint32_t i = 0; i < PAWL_TALLY_RINGS_MAX; i++) {
        struct pawl_tally_ring *copies = shared->rings[i];
        tally->rings_at[i] = choose(copies[0].batch, copies[1].batch, committed);
        forget(&copies[!tally->rings_at[i]].batch, committed);
    }
    tally->lanes_end = 0;
    for (uint32_t i = 0; i < PAWL_TALLY_LANES_MAX; i++) {
        struct pawl_tally_lane *copies = shared->lanes[i];
        tally->lanes_at[i] = choose(copies[0].batch, copies[1].batch, committed);
        forget(&copies[!tally->lanes_at[i]].batch, committed);
        if (copies[tally->lanes_at[i]].ring_id != 0)
            tally->lanes_end = i + 1;
    }
}

int pawl_tally_create(struct pawl_tally *tally, struct pawl_err *err)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();

    *tally = (struct pawl_tally){.segment.fd = -1};
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.label = PAWL_TALLY_LABEL;
    cfg.body_bytes = sizeof(struct pawl_tally_shared);
    cfg.is_shared_writable = true;
    cfg.geometry[GEOMETRY_LAYOUT] = PAWL_TALLY_LAYOUT;
    cfg.geometry[GEOMETRY_RINGS] = PAWL_TALLY_RINGS_MAX;
    cfg.geometry[GEOMETRY_LANES] = PAWL_TALLY_LANES_MAX;
    if (pawl_segment_create(&tally->segment, &cfg, err) != 0)
        return pawl_err_wrap(err, "make the learner's tally");
    tally->shared = (struct pawl_tally_shared *)(void *)tally->segment.body;
    atomic_store_explicit(&tally->shared->version_next, 1, memory_order_relaxed);
    settle(tally);
    return 0;
}

int pawl_tally_attach(struct pawl_tally *tally, int fd, uint64_t total_bytes,
                      struct pawl_err *err)
{
    const struct pawl_segment_want want = {
        .kind = PAWL_SEGMENT_STORE, .total_bytes = total_bytes, .is_shared_writable = true};

    *tally = (struct pawl_tally){.segment.fd = -1};
    if (pawl_segment_attach(&tally->segment, fd, &want, err) != 0)
        return pawl_err_wrap(err, "attach the learner's tally");
    const uint64_t *geometry = tally->segment.header.geometry;
    if (geometry[GEOMETRY_LAYOUT] != PAWL_TALLY_LAYOUT ||
        geometry[GEOMETRY_RINGS] != PAWL_TALLY_RINGS_MAX ||
        geometry[GEOMETRY_LANES] != PAWL_TALLY_LANES_MAX ||
        tally->segment.body_bytes < sizeof(struct pawl_tally_shared)) {
        pawl_err_set(err, EPROTO,
                     "attach the learner's tally: layout %llu, this program has %u",
                     (unsigned long long)geometry[GEOMETRY_LAYOUT], PAWL_TALLY_LAYOUT);
        pawl_tally_close(tally);
        return -EPROTO;
    }
    tally->shared = (struct pawl_tally_shared *)(void *)tally->segment.body;
    settle(tally);
    return 0;
}

void pawl_tally_close(struct pawl_tally *tally)
{
    if (tally->segment.base)
        pawl_segment_close(&tally->segment);
    *tally = (struct pawl_tally){.segment.fd = -1};
}

void pawl_tally_restore(struct pawl_tally *tally, const struct pawl_tally_totals *totals,
                        uint64_t version_next)
{
    struct pawl_tally_totals *edit = pawl_tally_edit_totals(tally);
    uint64_t batch = edit->batch;
    *edit = *totals;
    edit->batch = batch;
    pawl_tally_reserve_version(tally, version_next - 1);
    pawl_tally_commit(tally);
}

const struct pawl_tally_totals *pawl_tally_totals(const struct pawl_tally *tally)
{
    return &tally->shared->totals[tally->totals_at];
}

const struct pawl_tally_saved *pawl_tally_saved(const struct pawl_tally *tally)
{
    return &tally->shared->saved[tally->saved_at];
}

const struct pawl_tally_ring *pawl_tally_ring(const struct pawl_tally *tally, uint32_t index)
{
    return &tally->shared->rings[index][tally->rings_at[index]];
}

const struct pawl_tally_lane *pawl_tally_lane(const struct pawl_tally *tally, uint32_t index)
{
    return &tally->shared->lanes[index][tally->lanes_at[index]];
}

/* Makes the other of two copies the batch's own: first it is marked as under way, then filled,
 * so that it counts for nothing wherever the learner dies. Only the compiler has to keep the
 * order: whoever looks does so after this process has ended. */
static void *take_other(const struct pawl_tally *tally, void *copies, size_t bytes, uint8_t *at)
{
    unsigned char *now = (unsigned char *)copies + *at * bytes;
    unsigned char *other = (unsigned char *)copies + !*at * bytes;

    memcpy(other, &tally->batch, sizeof(tally->batch));
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(other + sizeof(tally->batch), now + sizeof(tally->batch),
           bytes - sizeof(tally->batch));
    *at = !*at;
    return other;
}

/* All but the number of the batch, which says at every instant that the entry is under way. */
static void clear(void *entry, size_t bytes)
{
    memset((unsigned char *)entry + sizeof(uint64_t), 0, bytes - sizeof(uint64_t));
}

struct pawl_tally_totals *pawl_tally_edit_totals(struct pawl_tally *tally)
{
    struct pawl_tally_totals *copies = tally->shared->totals;
    if (copies[tally->totals_at].batch == tally->batch)
        return &copies[tally->totals_at];
    return take_other(tally, copies, sizeof(*copies), &tally->totals_at);
}

struct pawl_tally_saved *pawl_tally_edit_saved(struct pawl_tally *tally)
{
    struct pawl_tally_saved *copies = tally->shared->saved;
    if (copies[tally->saved_at].batch == tally->batch)
        return &copies[tally->saved_at];
    return take_other(tally, copies, sizeof(*copies), &tally->saved_at);
}

struct pawl_tally_ring *pawl_tally_edit_ring(struct pawl_tally *tally, uint32_t index)
{
    struct pawl_tally_ring *copies = tally->shared->rings[index];
    if (copies[tally->rings_at[index]].batch == tally->batch)
        return &copies[tally->rings_at[index]];
    return take_other(tally, copies, sizeof(*copies), &tally->rings_at[index]);
}

struct pawl_tally_lane *pawl_tally_edit_lane(struct pawl_tally *tally, uint32_t index)
{
    struct pawl_tally_lane *copies = tally->shared->lanes[index];
    if (copies[tally->lanes_at[index]].batch == tally->batch)
        return &copies[tally->lanes_at[index]];
    return take_other(tally, copies, sizeof(*copies), &tally->lanes_at[index]);
}

uint32_t pawl_tally_find_ring(const struct pawl_tally *tally, uint64_t id)
{
    for (uint32_t i = 0; i < PAWL_TALLY_RINGS_MAX; i++)
        if (pawl_tally_ring(tally, i)->id == id)
            return i;
    return PAWL_TALLY_NO_ENTRY;
}

uint32_t pawl_tally_add_ring(struct pawl_tally *tally, uint64_t id)
{
    uint32_t index = pawl_tally_find_ring(tally, 0);
    for (uint32_t i = 0; i < PAWL_TALLY_RINGS_MAX && index == PAWL_TALLY_NO_ENTRY; i++)
        if (pawl_tally_ring(tally, i)->is_ended)
            index = i;
    if (index == PAWL_TALLY_NO_ENTRY)
        return index;
    struct pawl_tally_ring *entry = pawl_tally_edit_ring(tally, index);
    clear(entry, sizeof(*entry));
    entry->id = id;
    return index;
}

uint32_t pawl_tally_add_lane(struct pawl_tally *tally, uint64_t ring_id, uint32_t lane)
{
    uint32_t index = 0;
    while (index < tally->lanes_end && pawl_tally_lane(tally, index)->ring_id != 0)
        index++;
    if (index == PAWL_TALLY_LANES_MAX)
        return PAWL_TALLY_NO_ENTRY;
    if (index == tally->lanes_end)
        tally->lanes_end++;
    struct pawl_tally_lane *entry = pawl_tally_edit_lane(tally, index);
    clear(entry, sizeof(*entry));
    entry->ring_id = ring_id;
    entry->lane = lane;
    return index;
}

void pawl_tally_commit(struct pawl_tally *tally)
{
    PAWL_FAULT("tally.commit");
    /* Release: the compiler keeps all edits before it, as in take_other(). */
    atomic_store_explicit(&tally->shared->committed, tally->batch, memory_order_release);
    tally->batch++;
}

uint64_t pawl_tally_version_next(const struct pawl_tally *tally)
{
    return atomic_load_explicit(&tally->shared->version_next, memory_order_relaxed);
}

void pawl_tally_reserve_version(struct pawl_tally *tally, uint64_t version)
{
    if (version < pawl_tally_version_next(tally))
        return;
    /* Release: the compiler keeps it before the publication. */
    atomic_store_explicit(&tally->shared->version_next, version + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}
