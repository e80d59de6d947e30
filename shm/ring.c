#include "shm/ring.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FIRST_SLOT_OFFSET sizeof(struct pawl_ring_page)

/* Index of each number in a segment's geometry; layout 1. */
enum {
    GEOMETRY_SLOT_COUNT,
    GEOMETRY_DATA_BYTES,
    GEOMETRY_STRIDE_BYTES,
    GEOMETRY_POLICY,
    GEOMETRY_FIRST,
    GEOMETRY_HAS_CHECKSUMS,
};

/* Likewise, of a segment of acks. */
enum { ACKS_RING_COUNT, ACKS_NEVER_SLEEPS };

static uint64_t round_up_64(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

struct pawl_ring_cfg pawl_ring_default_cfg(void)
{
    return (struct pawl_ring_cfg){.slot_count = 64, .data_bytes = 1024, .label = "ring"};
}

int pawl_ring_layout(struct pawl_ring_geometry *geometry, const struct pawl_ring_cfg *cfg,
                     struct pawl_err *err)
{
    if (cfg->slot_count < PAWL_RING_SLOTS_MIN || cfg->slot_count > PAWL_RING_SLOTS_MAX ||
        (cfg->slot_count & (cfg->slot_count - 1)) != 0)
        return pawl_err_set(err, EINVAL, "ring of %u slots: must be a power of two, %u to %u",
                            cfg->slot_count, PAWL_RING_SLOTS_MIN, PAWL_RING_SLOTS_MAX);
    if (cfg->data_bytes < 1 || cfg->data_bytes > PAWL_RING_DATA_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "ring slots of %u bytes: must be 1 to %u",
                            cfg->data_bytes, PAWL_RING_DATA_BYTES_MAX);
    if (cfg->policy > PAWL_RING_OVERWRITE)
        return pawl_err_set(err, EINVAL,
                            "ring policy %u: must be block (0), drop_newest (1) or "
                            "overwrite (2)",
                            cfg->policy);
    uint64_t data_bytes = round_up_64(cfg->data_bytes);
    uint64_t guard_bytes =
        data_bytes < PAWL_RING_GUARD_BYTES ? data_bytes : PAWL_RING_GUARD_BYTES;
    *geometry = (struct pawl_ring_geometry){
        .slot_count = cfg->slot_count,
        .data_bytes = cfg->data_bytes,
        .stride_bytes = sizeof(struct pawl_ring_slot) + data_bytes + guard_bytes,
        .policy = cfg->policy,
        .first = cfg->first,
        .has_checksums = cfg->has_checksums,
    };
    geometry->body_bytes = FIRST_SLOT_OFFSET + geometry->slot_count * geometry->stride_bytes;
    return 0;
}

int pawl_ring_check_record(uint32_t data_bytes, const char *record_name, uint64_t record_bytes,
                           struct pawl_err *err)
{
    if (record_bytes <= data_bytes)
        return 0;
    return pawl_err_set(err, EMSGSIZE,
                        "%s record of %" PRIu64 " bytes does not fit a ring slot of %u: the "
                        "slot has to take the largest record",
                        record_name, record_bytes, data_bytes);
}

void pawl_ring_place(void *body, const struct pawl_ring_geometry *geometry)
{
    struct pawl_ring_page *page = body;
    memset(page, 0, sizeof(*page));
    atomic_store_explicit(&page->head, geometry->first, memory_order_relaxed);
    atomic_store_explicit(&page->resv, geometry->first, memory_order_relaxed);
    pawl_pin_init(&page->pin);

    struct pawl_ring_tx tx;
    pawl_ring_tx_init(&tx, body, geometry);
    for (uint64_t i = 0; i < geometry->slot_count; i++) {
        uint64_t position = geometry->first + i;
        uint64_t before = position + 1 - geometry->slot_count;
        struct pawl_ring_slot *slot = pawl_ring_tx_slot(&tx, position);
        memset(&slot->record, 0, sizeof(slot->record));
        /* Relaxed: handing the memory to the reader orders it. */
        atomic_store_explicit(&slot->commit,
                              geometry->policy == PAWL_RING_OVERWRITE ? 2 * before : before,
                              memory_order_relaxed);
    }
}

static uint64_t room_count(uint32_t policy, uint64_t slot_count)
{
    return policy == PAWL_RING_OVERWRITE ? 0 : slot_count;
}

void pawl_ring_tx_init(struct pawl_ring_tx *tx, void *body,
                       const struct pawl_ring_geometry *geometry)
{
    *tx = (struct pawl_ring_tx){
        .next = geometry->first,
        .tail_seen = geometry->first,
        .room_count = room_count((uint32_t)geometry->policy, geometry->slot_count),
        .mask = geometry->slot_count - 1,
        .stride_bytes = geometry->stride_bytes,
        .slots = (unsigned char *)body + FIRST_SLOT_OFFSET,
        .page = body,
        .slot_count = geometry->slot_count,
        .data_bytes = (uint32_t)geometry->data_bytes,
        .policy = (uint32_t)geometry->policy,
        .has_checksums = geometry->has_checksums != 0,
        .doorbell_fd = -1,
    };
}

void pawl_ring_rx_init(struct pawl_ring_rx *rx, const void *body,
                       const struct pawl_ring_geometry *geometry, struct pawl_ring_ack *ack,
                       uint64_t start)
{
    uint64_t flush_count = geometry->slot_count / 8;
    *rx = (struct pawl_ring_rx){
        .next = start,
        .tail = start,
        .flush_count = flush_count ? flush_count : 1,
        .slot_count = geometry->slot_count,
        .mask = geometry->slot_count - 1,
        .stride_bytes = geometry->stride_bytes,
        .slots = (const unsigned char *)body + FIRST_SLOT_OFFSET,
        .page = body,
        .ack = ack,
        .first = geometry->first,
        .data_bytes = (uint32_t)geometry->data_bytes,
        .policy = (uint32_t)geometry->policy,
        .has_checksums = geometry->has_checksums != 0,
        .consumed_count = start - geometry->first,
    };
    atomic_store_explicit(&ack->tail_futex, (uint32_t)start, memory_order_relaxed);
    atomic_store_explicit(&ack->consumed, rx->consumed_count, memory_order_relaxed);
    /* The page may have been another ring's. */
    atomic_store_explicit(&ack->lost, 0, memory_order_relaxed);
    atomic_store_explicit(&ack->corrupt, 0, memory_order_relaxed);
    atomic_store_explicit(&ack->lag_max, 0, memory_order_relaxed);
    /* Release pairs with the acquire load in pawl_ring_room_refresh(), as in a flush. */
    atomic_store_explicit(&ack->tail, start, memory_order_release);
}

int pawl_ring_create(struct pawl_ring_tx *tx, struct pawl_segment *segment,
                     const struct pawl_ring_cfg *cfg, struct pawl_err *err)
{
    struct pawl_ring_geometry geometry;
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    *tx = (struct pawl_ring_tx){.doorbell_fd = -1};
    *segment = (struct pawl_segment){.fd = -1};
    if (pawl_ring_layout(&geometry, cfg, err) != 0)
        return pawl_err_wrap(err, "create ring \"%s\"", cfg->label);

    struct pawl_segment_cfg segment_cfg = pawl_segment_default_cfg();
    segment_cfg.kind = PAWL_SEGMENT_RING;
    segment_cfg.label = cfg->label;
    segment_cfg.spec = cfg->spec;
    segment_cfg.spec_bytes = cfg->spec_bytes;
    segment_cfg.body_bytes = geometry.body_bytes;
    segment_cfg.wants_huge_pages = cfg->wants_huge_pages;
    segment_cfg.geometry[GEOMETRY_SLOT_COUNT] = geometry.slot_count;
    segment_cfg.geometry[GEOMETRY_DATA_BYTES] = geometry.data_bytes;
    segment_cfg.geometry[GEOMETRY_STRIDE_BYTES] = geometry.stride_bytes;
    segment_cfg.geometry[GEOMETRY_POLICY] = geometry.policy;
    segment_cfg.geometry[GEOMETRY_FIRST] = geometry.first;
    segment_cfg.geometry[GEOMETRY_HAS_CHECKSUMS] = geometry.has_checksums;
    if (pawl_segment_create(segment, &segment_cfg, err) != 0)
        return pawl_err_wrap(err, "create ring");

    pawl_ring_place(segment->body, &geometry);
    pawl_ring_tx_init(tx, segment->body, &geometry);
    return 0;
}

int pawl_ring_read_geometry(struct pawl_ring_geometry *geometry,
                            const struct pawl_segment_header *header, struct pawl_err *err)
{
    const uint64_t *given = header->geometry;
    if (given[GEOMETRY_SLOT_COUNT] > PAWL_RING_SLOTS_MAX ||
        given[GEOMETRY_DATA_BYTES] > PAWL_RING_DATA_BYTES_MAX ||
        given[GEOMETRY_POLICY] > PAWL_RING_OVERWRITE || given[GEOMETRY_HAS_CHECKSUMS] > 1)
        return pawl_err_set(err, EPROTO,
                            "geometry of %" PRIu64 " slots of %" PRIu64
                            " bytes, policy %" PRIu64 ", checksums %" PRIu64 ": not a ring",
                            given[GEOMETRY_SLOT_COUNT], given[GEOMETRY_DATA_BYTES],
                            given[GEOMETRY_POLICY], given[GEOMETRY_HAS_CHECKSUMS]);
    const struct pawl_ring_cfg cfg = {
        .slot_count = (uint32_t)given[GEOMETRY_SLOT_COUNT],
        .data_bytes = (uint32_t)given[GEOMETRY_DATA_BYTES],
        .policy = (uint32_t)given[GEOMETRY_POLICY],
        .first = given[GEOMETRY_FIRST],
        .has_checksums = given[GEOMETRY_HAS_CHECKSUMS] != 0,
    };
    if (pawl_ring_layout(geometry, &cfg, err) != 0)
        return -EPROTO;
    if (given[GEOMETRY_STRIDE_BYTES] != geometry->stride_bytes)
        return pawl_err_set(err, EPROTO,
                            "slot stride of %" PRIu64 " bytes, this program has %" PRIu64,
                            given[GEOMETRY_STRIDE_BYTES], geometry->stride_bytes);
    if (header->body_bytes < geometry->body_bytes)
        return pawl_err_set(err, EPROTO,
                            "body of %" PRIu64 " bytes, its geometry needs %" PRIu64,
                            header->body_bytes, geometry->body_bytes);
    return 0;
}

int pawl_ring_acks_create(struct pawl_segment *acks, uint32_t ring_count, bool never_sleeps,
                          struct pawl_err *err)
{
    *acks = (struct pawl_segment){.fd = -1};
    if (ring_count < 1 || ring_count > PAWL_RING_ACKS_MAX)
        return pawl_err_set(err, EINVAL, "acks for %u rings: must be 1 to %u", ring_count,
                            PAWL_RING_ACKS_MAX);
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_ACK;
    cfg.label = "acks";
    cfg.body_bytes =
        sizeof(struct pawl_ring_bell) + (uint64_t)ring_count * sizeof(struct pawl_ring_ack);
    cfg.geometry[ACKS_RING_COUNT] = ring_count;
    cfg.geometry[ACKS_NEVER_SLEEPS] = never_sleeps;
    return pawl_segment_create(acks, &cfg, err);
}

int pawl_ring_acks_attach(struct pawl_segment *acks, int fd, struct pawl_err *err)
{
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_ACK};
    int status = pawl_segment_attach(acks, fd, &want, err);
    if (status)
        return status;
    uint64_t ring_count = acks->header.geometry[ACKS_RING_COUNT];
    if (ring_count < 1 || ring_count > PAWL_RING_ACKS_MAX ||
        sizeof(struct pawl_ring_bell) + ring_count * sizeof(struct pawl_ring_ack) >
            acks->body_bytes) {
        uint64_t body_bytes = acks->body_bytes;
        pawl_segment_close(acks);
        return pawl_err_set(err, EPROTO, "acks for %" PRIu64 " rings in %" PRIu64 " bytes",
                            ring_count, body_bytes);
    }
    return 0;
}

struct pawl_ring_bell *pawl_ring_acks_bell(const struct pawl_segment *acks)
{
    return (struct pawl_ring_bell *)(void *)acks->body;
}

struct pawl_ring_ack *pawl_ring_acks_page(const struct pawl_segment *acks, uint32_t index)
{
    if (!acks->body || index >= acks->header.geometry[ACKS_RING_COUNT])
        return NULL;
    return (struct pawl_ring_ack *)(void *)(acks->body + sizeof(struct pawl_ring_bell)) + index;
}

int pawl_ring_bind(struct pawl_ring_tx *tx, const struct pawl_segment *acks, uint32_t index,
                   int doorbell_fd, struct pawl_err *err)
{
    const struct pawl_ring_ack *ack = pawl_ring_acks_page(acks, index);
    if (!ack)
        return pawl_err_set(err, EINVAL, "ack page %u: the segment has %" PRIu64, index,
                            acks->header.geometry[ACKS_RING_COUNT]);
    /* Acquire, as in pawl_ring_room_refresh(). */
    uint64_t tail = atomic_load_explicit(&ack->tail, memory_order_acquire);
    if (tx->policy != PAWL_RING_OVERWRITE && tail - tx->tail_seen > tx->next - tx->tail_seen)
        return pawl_err_set(err, EPROTO,
                            "bind ring: the reader's tail is %" PRIu64 ", must be %" PRIu64
                            " to %" PRIu64,
                            tail, tx->tail_seen, tx->next);
    tx->ack = ack;
    tx->bell = acks->header.geometry[ACKS_NEVER_SLEEPS] ? NULL : pawl_ring_acks_bell(acks);
    tx->doorbell_fd = doorbell_fd;
    tx->rung_for = 0;            /* this reader counts its sleeps from 1 again */
    tx->fault = PAWL_RING_SOUND; /* that was the reader before */
    tx->room_count = room_count(tx->policy, tx->slot_count);
    if (tx->bell) {
        /* P6 for all that was committed while no reader, or the dead one, was told: pairs with
         * the fence in pawl_ring_bell_set(). */
        PAWL_FENCE(5, memory_order_seq_cst);
        uint32_t waiter = atomic_load_explicit(&tx->bell->waiter,
                                               PAWL_ORDER_AT_FENCE(5, 5, memory_order_relaxed));
        if (waiter != 0)
            pawl_ring_wake_reader(tx, waiter);
    }
    return 0;
}

/* The record before the start has to have existed, the one at the start not yet overwritten. */
static int check_start(struct pawl_ring_rx *rx, struct pawl_err *err)
{
    uint64_t start = rx->next;
    if (rx->policy == PAWL_RING_OVERWRITE)
        return 0; /* reading on is always possible */
    /* Acquire, as in pawl_ring_ready(). */
    uint64_t before =
        atomic_load_explicit(&pawl_ring_rx_slot(rx, start - 1)->commit, memory_order_acquire);
    if (start != rx->first && before != start && before != start + rx->slot_count)
        return pawl_err_set(
            err, EPROTO, "start at %" PRIu64 ": the record before it was never written", start);
    pawl_ring_ready(rx, 0);
    return pawl_ring_rx_state(rx, err);
}

int pawl_ring_attach(struct pawl_ring_rx *rx, struct pawl_segment *segment, int fd,
                     const struct pawl_segment *acks, const struct pawl_ring_rx_cfg *cfg,
                     struct pawl_err *err)
{
    const struct pawl_segment_want want = {
        .kind = PAWL_SEGMENT_RING,
        .spec = cfg->spec,
        .spec_bytes = cfg->spec_bytes,
        .total_bytes = cfg->total_bytes,
    };
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    struct pawl_ring_geometry geometry;
    struct pawl_ring_ack *ack = pawl_ring_acks_page(acks, cfg->ack_index);
    *rx = (struct pawl_ring_rx){0};
    *segment = (struct pawl_segment){.fd = -1};

    if (!ack)
        return pawl_err_set(err, EINVAL, "attach ring: no ack page %u", cfg->ack_index);
    if (pawl_segment_attach(segment, fd, &want, err) != 0)
        return pawl_err_wrap(err, "attach ring");
    if (pawl_ring_read_geometry(&geometry, &segment->header, err) != 0)
        goto fail;
    pawl_ring_rx_init(rx, segment->body, &geometry, ack,
                      cfg->has_start ? cfg->start : geometry.first);
    if (cfg->flush_count)
        rx->flush_count =
            cfg->flush_count < geometry.slot_count ? cfg->flush_count : geometry.slot_count;
    if (check_start(rx, err) != 0)
        goto fail;
    /* Relaxed: for an inspector that finds both segments and has nobody to ask. */
    uint64_t epoch[2];
    memcpy(epoch, segment->header.writer_epoch, sizeof(epoch));
    for (size_t i = 0; i < 2; i++)
        atomic_store_explicit(&ack->ring_epoch[i], epoch[i], memory_order_relaxed);
    return 0;

fail:
    pawl_segment_close(segment);
    *rx = (struct pawl_ring_rx){0};
    return pawl_err_wrap(err, "attach ring");
}
