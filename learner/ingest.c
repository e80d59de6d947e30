#include "learner/ingest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/fault.h"
#include "runtime/log.h"
#include "shm/copy.h"
#include "shm/distance.h"
#include "shm/record.h"

int pawl_ingest_open(struct pawl_ingest *ingest, const struct pawl_ingest_cfg *cfg,
                     struct pawl_err *err)
{
    *ingest = (struct pawl_ingest){.cfg = *cfg, .acks.fd = -1, .tally.segment.fd = -1};
    ingest->rings = calloc(cfg->ring_count_max, sizeof(*ingest->rings));
    if (!ingest->rings)
        return pawl_err_set(err, ENOMEM, "no memory for %u rings", cfg->ring_count_max);
    if (pawl_ring_acks_create(&ingest->acks, cfg->ring_count_max, false, err) != 0)
        goto fail;
    if (pawl_bell_open(&ingest->bell, &ingest->acks, err) != 0)
        goto fail;
    return 0;

fail:
    pawl_ingest_close(ingest);
    return pawl_err_wrap(err, "open ingest");
}

static void close_ring(struct pawl_ingest_ring *ring)
{
    pawl_book_drop_ring(&ring->book);
    pawl_segment_close(&ring->segment);
    *ring = (struct pawl_ingest_ring){0};
}

void pawl_ingest_close(struct pawl_ingest *ingest)
{
    for (uint32_t i = 0; ingest->rings && i < ingest->cfg.ring_count_max; i++)
        if (ingest->rings[i].state != PAWL_INGEST_FREE)
            close_ring(&ingest->rings[i]);
    pawl_dead_acks_close(&ingest->pasts);
    free(ingest->rings);
    free(ingest->copy);
    pawl_book_close(&ingest->book);
    pawl_quarantine_close(&ingest->quarantine);
    pawl_tally_close(&ingest->tally);
    if (ingest->bell.shared)
        pawl_bell_close(&ingest->bell);
    if (ingest->acks.base)
        pawl_segment_close(&ingest->acks);
    *ingest = (struct pawl_ingest){.acks.fd = -1, .tally.segment.fd = -1};
}

int pawl_ingest_adopt(struct pawl_ingest *ingest, int fd, uint64_t total_bytes,
                      struct pawl_err *err)
{
    pawl_tally_close(&ingest->tally);
    return pawl_tally_attach(&ingest->tally, fd, total_bytes, err);
}

int pawl_ingest_restore(struct pawl_ingest *ingest, const struct pawl_tally_totals *totals,
                        uint64_t version_next, struct pawl_err *err)
{
    pawl_tally_close(&ingest->tally);
    int code = pawl_tally_create(&ingest->tally, err);
    if (code == 0)
        pawl_tally_restore(&ingest->tally, totals, version_next);
    return code;
}

void pawl_ingest_set_sink(struct pawl_ingest *ingest, struct pawl_ingest_sink sink)
{
    ingest->cfg.sink = sink;
}

int pawl_ingest_begin(struct pawl_ingest *ingest, struct pawl_err *err)
{
    if (ingest->is_begun)
        return 0;
    if (!ingest->tally.shared && pawl_tally_create(&ingest->tally, err) != 0)
        return -err->code;
    int code = pawl_book_open(&ingest->book, &ingest->cfg.book, &ingest->tally, err);
    ingest->is_begun = code == 0;
    return code;
}

int pawl_ingest_add_past(struct pawl_ingest *ingest, uint64_t id, int fd, uint64_t total_bytes,
                         struct pawl_err *err)
{
    return pawl_dead_acks_add(&ingest->pasts, id, fd, total_bytes, err);
}

void pawl_ingest_remove_past(struct pawl_ingest *ingest, uint64_t id)
{
    pawl_dead_acks_remove(&ingest->pasts, id);
}

/* The spec of a ring: the run's from now on, or equal to it. */
static int take_spec(struct pawl_ingest *ingest, const struct pawl_segment *segment,
                     struct pawl_err *err)
{
    struct pawl_spec spec = {0};
    size_t length = (size_t)segment->header.spec_bytes;
    const char *shared = pawl_segment_spec(segment);
    char *text = shared && length <= PAWL_SEGMENT_SPEC_BYTES_MAX ? malloc(length) : NULL;
    if (!text)
        return pawl_err_set(err, EINVAL, "it has no spec");
    memcpy(text, shared, length); /* its writer could change it while we read */
    int code = pawl_spec_parse(&spec, text, length, err);
    free(text);
    if (code != 0)
        return code;
    if (ingest->spec.field_count != 0)
        return pawl_spec_match(&ingest->spec, &spec, err) == 0
                   ? 0
                   : pawl_err_wrap(err, "another spec than the run's");

    const struct pawl_spec_field *reward = pawl_spec_find(&spec, PAWL_RECORD_REWARD_NAME);
    if (!reward || reward->dtype != PAWL_F32 || reward->rank != 0)
        return pawl_err_set(err, EINVAL, "its records have no field '%s' of one float32",
                            PAWL_RECORD_REWARD_NAME);
    ingest->copy = malloc(spec.record_bytes);
    if (!ingest->copy)
        return pawl_err_set(err, ENOMEM, "no memory for a record of %" PRIu64 " bytes",
                            spec.record_bytes);
    ingest->spec = spec;
    ingest->reward_offset = reward->offset_bytes;
    pawl_finite_make(&ingest->finite, &spec);
    return 0;
}

/* Maps the ring, looks at what it says of itself, and finds the first record to take. */
static int attach_ring(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                       const struct pawl_hub_offer *offer, int fd, struct pawl_err *err)
{
    struct pawl_ring_rx_cfg cfg = {.ack_index = ring->page, .total_bytes = offer->total_bytes};

    if (pawl_dead_acks_find_start(&ingest->pasts, offer, &cfg, err) != 0)
        return -err->code;
    if (pawl_ring_attach(&ring->rx, &ring->segment, fd, &ingest->acks, &cfg, err) != 0)
        return -err->code;
    if (ring->rx.policy == PAWL_RING_OVERWRITE)
        return pawl_err_set(err, EINVAL, "a ring that overwrites is for telemetry");
    if (take_spec(ingest, &ring->segment, err) != 0)
        return -err->code;
    if (pawl_ring_check_record(ring->rx.data_bytes, "the spec's", ingest->spec.record_bytes,
                               err) != 0)
        return -err->code;
    ring->book = (struct pawl_book_ring){
        .id = offer->id,
        .actor = offer->index,
        .may_miss = ring->rx.policy == PAWL_RING_DROP_NEWEST,
    };
    memcpy(ring->book.epoch, offer->epoch, sizeof(ring->book.epoch));
    return pawl_book_add_ring(&ingest->book, &ring->book, ring->rx.next, &ring->skip_until,
                              err);
}

struct pawl_ingest_ring *pawl_ingest_add_ring(struct pawl_ingest *ingest,
                                              const struct pawl_hub_offer *offer, int fd,
                                              struct pawl_err *err)
{
    struct pawl_ingest_ring *ring = ingest->rings;
    struct pawl_ingest_ring *end = ring + ingest->cfg.ring_count_max;
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    while (ring < end && ring->state != PAWL_INGEST_FREE)
        ring++;
    if (ring == end) {
        pawl_err_set(err, ENOSPC, "more than %u rings (learner.rings_max)",
                     ingest->cfg.ring_count_max);
        return NULL;
    }
    *ring = (struct pawl_ingest_ring){.page = (uint32_t)(ring - ingest->rings)};
    if (attach_ring(ingest, ring, offer, fd, err) != 0) {
        close_ring(ring);
        pawl_err_wrap(err, "ring of actor %u", offer->index);
        return NULL;
    }
    ring->state = offer->is_gone ? PAWL_INGEST_GONE : PAWL_INGEST_READ;
    if (ingest->ring_end <= ring->page)
        ingest->ring_end = ring->page + 1;
    return ring;
}

struct pawl_ingest_ring *pawl_ingest_find_ring(struct pawl_ingest *ingest, uint64_t id)
{
    for (uint32_t i = 0; i < ingest->ring_end; i++)
        if (ingest->rings[i].state != PAWL_INGEST_FREE && ingest->rings[i].book.id == id)
            return &ingest->rings[i];
    return NULL;
}

void pawl_ingest_turn(struct pawl_ingest *ingest)
{
    if (!ingest->is_begun || ingest->is_held)
        return;
    pawl_book_turn(&ingest->book);
    pawl_quarantine_turn(&ingest->quarantine);
}

void pawl_ingest_ring_gone(struct pawl_ingest_ring *ring)
{
    if (ring->state == PAWL_INGEST_READ)
        ring->state = PAWL_INGEST_GONE;
}

static void keep_refused(struct pawl_ingest *ingest, const struct pawl_quarantine_case *refused)
{
    const struct pawl_quarantine_cfg cfg = {.io = ingest->cfg.book.io,
                                            .folder = ingest->cfg.book.folder,
                                            .spec = &ingest->spec,
                                            .keeper = ingest->cfg.book.keeper};
    pawl_quarantine_add(&ingest->quarantine, &cfg, refused);
}

static void report_refused(struct pawl_ingest *ingest, const struct pawl_ingest_ring *ring,
                           uint64_t position, const struct pawl_ring_record *record,
                           const unsigned char *data)
{
    struct pawl_err err = {0};
    if (record->bytes != ingest->spec.record_bytes)
        pawl_err_set(&err, EINVAL, "it has %u bytes, must be %" PRIu64, record->bytes,
                     ingest->spec.record_bytes);
    else
        pawl_finite_explain(&ingest->finite, data, &err);
    const struct pawl_quarantine_case refused = {
        .actor = ring->book.actor,
        .epoch = ring->book.epoch,
        .sequence = position,
        .record = record,
        .data = data,
        .data_bytes = record->bytes,
        .reason = err.code ? err.text : "its flags or its lane cannot be",
    };
    pawl_log_warn("record refused", "actor=%u sequence=%" PRIu64 " lane=%u step=%u reason=%s",
                  refused.actor, position, record->lane, record->step, refused.reason);
    keep_refused(ingest, &refused);
}

/* The record at the place: 0 when it was taken or came before. */
static int take_record(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                       uint64_t position, const struct pawl_ring_slot *slot,
                       struct pawl_err *err)
{
    if (position - ring->rx.first < ring->skip_until - ring->rx.first) {
        ingest->counts.redelivered++;
        return 0;
    }
    /* The writer's words, read once. */
    struct pawl_ring_record record = slot->record;
    record.bytes = pawl_ring_slot_bytes(&ring->rx, slot);

    uint64_t refused_count = ingest->book.counts.refused;
    float reward = 0.0f;
    bool is_sound = record.bytes == ingest->spec.record_bytes;
    const unsigned char *data = slot->data;
    if (is_sound && ingest->cfg.sink.take) {
        /* A writer with a fault could change it between this look at its numbers and the
         * store's copy. */
        pawl_copy_out(pawl_ring_copy_method(&ring->rx), ingest->copy, data, record.bytes);
        data = ingest->copy;
    }
    is_sound = is_sound && pawl_finite_is(&ingest->finite, data);
    if (is_sound)
        memcpy(&reward, data + ingest->reward_offset, sizeof(reward));
    int code = pawl_book_take(&ingest->book, &ring->book, &record, data, reward, is_sound, err);
    if (ingest->book.counts.refused != refused_count)
        report_refused(ingest, ring, position, &record, data);
    else if (code == 0 && ingest->cfg.sink.take)
        ingest->cfg.sink.take(ingest->cfg.sink.arg, &record, data, ring->book.lane_taken);
    return code;
}

static void set_broken(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                       const struct pawl_err *err)
{
    unsigned char evidence[PAWL_RING_EVIDENCE_BYTES];
    const struct pawl_quarantine_case refused = {
        .actor = ring->book.actor,
        .epoch = ring->book.epoch,
        .sequence = ring->rx.fault ? ring->rx.fault_position : ring->rx.next,
        .data = evidence,
        .data_bytes = pawl_ring_evidence(&ring->rx, evidence),
        .reason = err->text,
    };
    pawl_log_error("ring broken", "actor=%u reason=%s", ring->book.actor, err->text);
    keep_refused(ingest, &refused);
    ring->fault = *err;
    ring->state = PAWL_INGEST_BROKEN;
}

static void give_back(struct pawl_ingest_ring *ring)
{
    pawl_ring_release_batch(&ring->rx, ring->held_count);
    ring->held_count = 0;
}

/* Whether an empty ring would make an actor act beyond the goal. */
static bool keeps_records(const struct pawl_ingest *ingest)
{
    return ingest->cfg.is_lockstep && pawl_book_is_done(&ingest->book);
}

/* Ends a ring whose writer has gone and that is empty. */
static int end_ring(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                    struct pawl_err *err)
{
    give_back(ring);
    pawl_ring_flush(&ring->rx);
    if (pawl_book_end_ring(&ingest->book, &ring->book, err) != 0)
        return -EIO;
    ring->state = PAWL_INGEST_ENDED;
    return 0;
}

/* How many of `count` records behind those that are held could be taken. */
static uint64_t take_batch(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                           uint64_t count)
{
    struct pawl_err err = {0};
    uint64_t taken_count = 0;
    while (taken_count < count) {
        uint64_t index = ring->held_count + taken_count;
        const struct pawl_ring_slot *slot = pawl_ring_peeked(&ring->rx, index);
        uint64_t position = ring->rx.next + index;
        if (ring->rx.has_checksums && !pawl_ring_verify(&ring->rx, slot)) {
            pawl_ring_rx_state(&ring->rx, &err);
            break;
        }
        if (!pawl_book_wants(&ingest->book, slot->record.flags))
            break;
        if (take_record(ingest, ring, position, slot, &err) != 0)
            break;
        taken_count++;
    }
    if (err.code)
        set_broken(ingest, ring, &err);
    return taken_count;
}

/* Once, when the writer has been told of us. */
static void meet_writer(struct pawl_ingest_ring *ring)
{
    if (!ring->has_met && ring->state == PAWL_INGEST_READ)
        pawl_distance_meet_writer(&ring->rx);
    ring->has_met = true;
}

/* What was taken counts, for the book and for who else got it. */
static int commit(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring, uint64_t next,
                  struct pawl_err *err)
{
    if (pawl_book_commit(&ingest->book, &ring->book, next, err) != 0)
        return -EIO;
    PAWL_FAULT("learner.committed");
    if (ingest->cfg.sink.committed)
        ingest->cfg.sink.committed(ingest->cfg.sink.arg);
    return 0;
}

static int64_t drain_ring(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                          uint64_t limit, struct pawl_err *err)
{
    meet_writer(ring);
    if (!keeps_records(ingest))
        give_back(ring);
    PAWL_FAULT("learner.drain");
    if (limit > ingest->cfg.batch_count)
        limit = ingest->cfg.batch_count;
    uint64_t count = pawl_ring_peek_batch(&ring->rx, ring->held_count + limit);
    struct pawl_err fault = {0};
    if (count <= ring->held_count && pawl_ring_rx_state(&ring->rx, &fault) != 0) {
        set_broken(ingest, ring, &fault);
        return 0;
    }
    uint64_t taken_count = take_batch(ingest, ring, count - ring->held_count);
    if (taken_count == 0 && ring->state == PAWL_INGEST_GONE)
        return end_ring(ingest, ring, err);
    if (taken_count == 0)
        return 0;
    PAWL_FAULT("learner.ingest");
    ring->held_count += taken_count;
    uint64_t next = ring->rx.next + ring->held_count;
    if (next - ring->rx.first <= ring->skip_until - ring->rx.first)
        return (int64_t)taken_count; /* all of it came before */
    if (commit(ingest, ring, next, err) != 0) {
        ingest->pending = ring;
        return -EIO;
    }
    return (int64_t)taken_count;
}

/* The batch of the last drain that could not be committed. */
static int commit_pending(struct pawl_ingest *ingest, struct pawl_err *err)
{
    struct pawl_ingest_ring *ring = ingest->pending;
    if (!ring)
        return 0;
    if (commit(ingest, ring, ring->rx.next + ring->held_count, err) != 0)
        return -EIO;
    ingest->pending = NULL;
    return 0;
}

static int64_t drain(struct pawl_ingest *ingest, uint64_t limit, struct pawl_err *err)
{
    uint64_t total = 0;
    if (commit_pending(ingest, err) != 0)
        return -EIO;
    uint32_t first = ingest->turn < ingest->ring_end ? ingest->turn : 0;
    for (uint32_t i = 0; i < ingest->ring_end && total < limit; i++) {
        uint32_t index = (first + i) % ingest->ring_end;
        struct pawl_ingest_ring *ring = &ingest->rings[index];
        if (ring->state != PAWL_INGEST_READ && ring->state != PAWL_INGEST_GONE)
            continue;
        int64_t count = drain_ring(ingest, ring, limit - total, err);
        if (count < 0)
            return count;
        total += (uint64_t)count;
        ingest->turn = index + 1; /* so that with a small limit each has its turn */
    }
    ingest->counts.drains++;
    return (int64_t)total;
}

int64_t pawl_ingest_drain(struct pawl_ingest *ingest, uint64_t limit, struct pawl_err *err)
{
    int64_t count = drain(ingest, limit, err);
    ingest->is_held = count < 0;
    return count;
}

static bool has_work(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring)
{
    if (ring->state == PAWL_INGEST_GONE)
        return true;
    if (ring->state != PAWL_INGEST_READ)
        return false;
    if (ring->held_count != 0 && !keeps_records(ingest))
        return true; /* to be given back */
    if (ring->held_count == 0 && !pawl_ring_peek(&ring->rx))
        return ring->rx.fault != 0;
    return pawl_ring_peek_batch(&ring->rx, ring->held_count + 1) > ring->held_count &&
           pawl_book_wants(&ingest->book,
                           pawl_ring_peeked(&ring->rx, ring->held_count)->record.flags);
}

bool pawl_ingest_has_work(struct pawl_ingest *ingest)
{
    if (ingest->is_held)
        return false; /* what it waits for rings no bell */
    for (uint32_t i = 0; i < ingest->ring_end; i++)
        if (has_work(ingest, &ingest->rings[i]))
            return true;
    return false;
}

double pawl_ingest_fill(const struct pawl_ingest *ingest)
{
    double fullest = 0.0;
    for (uint32_t i = 0; i < ingest->ring_end; i++) {
        const struct pawl_ingest_ring *ring = &ingest->rings[i];
        if (ring->state != PAWL_INGEST_READ && ring->state != PAWL_INGEST_GONE)
            continue;
        /* Relaxed: a figure for people, and the writer's word. */
        uint64_t waiting =
            atomic_load_explicit(&ring->rx.page->head, memory_order_relaxed) - ring->rx.next;
        double fill = (double)waiting / (double)ring->rx.slot_count;
        if (fill > fullest && fill <= 1.0)
            fullest = fill;
    }
    return fullest;
}

int pawl_ingest_remove_ring(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                            struct pawl_err *err)
{
    if (commit_pending(ingest, err) != 0)
        return -EIO;
    if (ring->state == PAWL_INGEST_BROKEN &&
        pawl_book_end_ring(&ingest->book, &ring->book, err) != 0)
        return -EIO;
    pawl_book_strike_ring(&ingest->book, &ring->book);
    close_ring(ring);
    while (ingest->ring_end > 0 &&
           ingest->rings[ingest->ring_end - 1].state == PAWL_INGEST_FREE)
        ingest->ring_end--;
    return 0;
}
