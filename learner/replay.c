#include "learner/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shm/memory.h"
#include "shm/record.h"

/*  body:  [page of struct pawl_replay_shared][priorities][slots]
 *
 *  A slot is a struct pawl_replay_frame and the payload. It does not change from put until it
 *  is lapped, so whoever writes it to a disk needs no copy. Links would change: they are kept
 *  beside, in private memory, and follow from the frames' prev.
 */
struct pawl_replay_shared {
    uint64_t base;      /* no frame before it was ever here */
    float priority_max; /* that was ever told */
    uint32_t reserved;
};

_Static_assert(sizeof(struct pawl_replay_shared) == 16, "layout 1");

enum {
    GEOMETRY_LAYOUT,
    GEOMETRY_CAPACITY,
    GEOMETRY_SLOTS,
    GEOMETRY_SLOT_BYTES,
};

#define MIB (1024.0 * 1024.0)

/* A link: how many numbers further the next frame of the lane is, 0 while there is none, and
 * whether the step terminated. */
#define LINK_TERMINATED (1u << 31)
#define LINK_DISTANCE   (LINK_TERMINATED - 1)

_Static_assert(PAWL_REPLAY_CAPACITY_MAX + PAWL_REPLAY_GUARD < LINK_DISTANCE, "fits a link");

static uint64_t round_up(uint64_t bytes, uint64_t step)
{
    return (bytes + step - 1) / step * step;
}

static uint64_t slot_bytes_of(const struct pawl_spec *spec)
{
    return sizeof(struct pawl_replay_frame) + round_up(spec->record_bytes, 8);
}

static uint64_t priorities_offset(void)
{
    return PAWL_SEGMENT_PAGE_BYTES;
}

static uint64_t slots_offset(uint64_t slot_count)
{
    return priorities_offset() + round_up(slot_count * sizeof(float), 64);
}

static uint64_t body_bytes_of(uint64_t slot_count, uint64_t slot_bytes)
{
    return slots_offset(slot_count) + slot_count * slot_bytes;
}

static int check_setup(const struct pawl_replay_setup *setup, struct pawl_err *err)
{
    const struct pawl_spec_field *reward = pawl_spec_find(setup->spec, PAWL_RECORD_REWARD_NAME);

    if (setup->capacity < 1 || setup->capacity > PAWL_REPLAY_CAPACITY_MAX)
        return pawl_err_set(err, EINVAL, "%s: a capacity of %" PRIu64 " frames is not 1 .. %u",
                            setup->label, setup->capacity, PAWL_REPLAY_CAPACITY_MAX);
    if (!reward || reward->dtype != PAWL_F32 || reward->rank != 0)
        return pawl_err_set(err, EINVAL, "%s: the spec has no field '%s' of one float32",
                            setup->label, PAWL_RECORD_REWARD_NAME);
    uint64_t slot_bytes = slot_bytes_of(setup->spec);
    if (setup->capacity + PAWL_REPLAY_GUARD > PAWL_SEGMENT_BODY_BYTES_MAX / 2 / slot_bytes)
        return pawl_err_set(
            err, EINVAL, "%s: %" PRIu64 " frames of %" PRIu64 " bytes are more than %llu",
            setup->label, setup->capacity, slot_bytes, PAWL_SEGMENT_BODY_BYTES_MAX / 2);
    return 0;
}

int pawl_replay_bytes(const struct pawl_replay_setup *setup, uint64_t *bytes,
                      struct pawl_err *err)
{
    *bytes = 0;
    if (check_setup(setup, err) != 0)
        return -EINVAL;
    uint64_t slot_count = setup->capacity + PAWL_REPLAY_GUARD;
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.body_bytes = body_bytes_of(slot_count, slot_bytes_of(setup->spec));
    *bytes = pawl_segment_bytes(&cfg) + slot_count * sizeof(uint32_t); /* and the links */
    return 0;
}

int pawl_replay_check_memory(uint64_t bytes, const char *what, struct pawl_err *err)
{
    uint64_t free_bytes = pawl_memory_free_bytes();
    if (bytes <= free_bytes)
        return 0;
    return pawl_err_set(err, ENOMEM,
                        "%s needs %.1f MiB of memory, and %.1f MiB can be had; "
                        "a smaller replay.capacity or replay.offline_capacity needs less",
                        what, (double)bytes / MIB, (double)free_bytes / MIB);
}

/* Sizes and pointers, once the segment is there. */
static int lay_out(struct pawl_replay *replay, const struct pawl_spec *spec, uint64_t capacity,
                   struct pawl_err *err)
{
    unsigned char *body = replay->segment.body;

    replay->spec = *spec;
    replay->capacity = capacity;
    replay->slot_count = capacity + PAWL_REPLAY_GUARD;
    replay->slot_bytes = slot_bytes_of(spec);
    replay->reward_offset = pawl_spec_find(spec, PAWL_RECORD_REWARD_NAME)->offset_bytes;
    replay->shared = (struct pawl_replay_shared *)(void *)body;
    replay->priorities = (float *)(void *)(body + priorities_offset());
    replay->slots = body + slots_offset(replay->slot_count);
    replay->links = calloc(replay->slot_count, sizeof(*replay->links));
    if (!replay->links)
        return pawl_err_set(err, ENOMEM, "no memory for %" PRIu64 " links", replay->slot_count);
    return 0;
}

int pawl_replay_create(struct pawl_replay *replay, const struct pawl_replay_setup *setup,
                       struct pawl_err *err)
{
    char text[PAWL_SPEC_TEXT_BYTES];
    uint64_t bytes;

    *replay = (struct pawl_replay){.segment.fd = -1};
    if (pawl_replay_bytes(setup, &bytes, err) != 0)
        return -EINVAL;
    if (pawl_replay_check_memory(bytes, setup->label, err) != 0)
        return -ENOMEM;
    uint64_t slot_count = setup->capacity + PAWL_REPLAY_GUARD;
    uint64_t slot_bytes = slot_bytes_of(setup->spec);
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.label = setup->label;
    cfg.spec = text;
    cfg.spec_bytes = pawl_spec_text(setup->spec, text);
    cfg.body_bytes = body_bytes_of(slot_count, slot_bytes);
    cfg.is_shared_writable = true;
    cfg.geometry[GEOMETRY_LAYOUT] = PAWL_REPLAY_LAYOUT;
    cfg.geometry[GEOMETRY_CAPACITY] = setup->capacity;
    cfg.geometry[GEOMETRY_SLOTS] = slot_count;
    cfg.geometry[GEOMETRY_SLOT_BYTES] = slot_bytes;
    if (pawl_segment_create(&replay->segment, &cfg, err) != 0)
        return pawl_err_wrap(err, "make %s", setup->label);
    if (lay_out(replay, setup->spec, setup->capacity, err) != 0) {
        pawl_replay_close(replay);
        return pawl_err_wrap(err, "make %s", setup->label);
    }
    replay->shared->priority_max = 1.0f;
    return 0;
}

void pawl_replay_close(struct pawl_replay *replay)
{
    if (replay->segment.base)
        pawl_segment_close(&replay->segment);
    free(replay->links);
    *replay = (struct pawl_replay){.segment.fd = -1};
}

static uint64_t slot_of(const struct pawl_replay *replay, uint64_t number)
{
    return number % replay->slot_count;
}

static struct pawl_replay_frame *frame_at(const struct pawl_replay *replay, uint64_t number)
{
    unsigned char *slot = replay->slots + slot_of(replay, number) * replay->slot_bytes;
    return (struct pawl_replay_frame *)(void *)slot;
}

const struct pawl_replay_frame *pawl_replay_frame(const struct pawl_replay *replay,
                                                  uint64_t number)
{
    return frame_at(replay, number);
}

const unsigned char *pawl_replay_payload(const struct pawl_replay *replay, uint64_t number)
{
    return (const unsigned char *)(frame_at(replay, number) + 1);
}

uint64_t pawl_replay_first(const struct pawl_replay *replay)
{
    return replay->head - replay->base > replay->capacity ? replay->head - replay->capacity
                                                          : replay->base;
}

uint64_t pawl_replay_size(const struct pawl_replay *replay)
{
    return replay->head - pawl_replay_first(replay);
}

bool pawl_replay_has(const struct pawl_replay *replay, uint64_t number)
{
    return number < replay->head && number >= pawl_replay_first(replay);
}

uint64_t pawl_replay_next(const struct pawl_replay *replay, uint64_t number)
{
    uint64_t distance = replay->links[slot_of(replay, number)] & LINK_DISTANCE;
    /* One that is under way does not count yet. */
    return distance != 0 && distance < replay->head - number ? number + distance
                                                             : PAWL_REPLAY_NONE;
}

bool pawl_replay_is_transition(const struct pawl_replay *replay, uint64_t number)
{
    return (replay->links[slot_of(replay, number)] & LINK_TERMINATED) ||
           pawl_replay_next(replay, number) != PAWL_REPLAY_NONE;
}

/* Whether `to` is what followed `from`. */
static bool follows(const struct pawl_replay_frame *from, const struct pawl_replay_frame *to)
{
    bool is_end = (from->flags & (PAWL_RECORD_TERMINATED | PAWL_RECORD_TRUNCATED)) != 0;
    return (from->flags & PAWL_RECORD_STEP) && from->lane == to->lane &&
           from->episode == to->episode && from->step + 1 == to->step &&
           ((to->flags & PAWL_RECORD_FINAL) || ((to->flags & PAWL_RECORD_STEP) && !is_end));
}

/* Makes the links of frame replay->next, which is in its slot. Those before `oldest` are not
 * there. */
static void link_frame(struct pawl_replay *replay, struct pawl_replay_frame *frame,
                       uint64_t oldest)
{
    uint64_t number = replay->next;
    bool is_terminated =
        (frame->flags & PAWL_RECORD_STEP) && (frame->flags & PAWL_RECORD_TERMINATED);

    replay->links[slot_of(replay, number)] = is_terminated ? LINK_TERMINATED : 0;
    if (frame->prev == PAWL_REPLAY_NONE)
        return;
    if (frame->prev >= oldest && frame->prev < number) {
        uint32_t *link = &replay->links[slot_of(replay, frame->prev)];
        if (!(*link & LINK_DISTANCE) && follows(frame_at(replay, frame->prev), frame)) {
            *link |= (uint32_t)(number - frame->prev);
            return;
        }
    }
    frame->prev = PAWL_REPLAY_NONE;
    replay->cut_count++;
}

/* The oldest frame that is still there when replay->next has been written. */
static uint64_t oldest_beside_next(const struct pawl_replay *replay)
{
    uint64_t count = replay->next - replay->base;
    return count < replay->slot_count ? replay->base : replay->next - replay->slot_count + 1;
}

uint64_t pawl_replay_put(struct pawl_replay *replay, const struct pawl_replay_frame *frame,
                         const void *payload)
{
    PAWL_CHECK(replay->next - replay->head < PAWL_REPLAY_GUARD);
    uint64_t number = replay->next;
    struct pawl_replay_frame *place = frame_at(replay, number);

    *place = *frame;
    place->number = number;
    if (payload)
        memcpy(place + 1, payload, replay->spec.record_bytes);
    link_frame(replay, place, oldest_beside_next(replay));
    replay->priorities[slot_of(replay, number)] = replay->shared->priority_max;
    replay->next++;
    return number;
}

static void set_transition(struct pawl_replay *replay, uint64_t number, bool is_transition)
{
    replay->sample_count += is_transition ? 1 : UINT64_MAX;
    if (replay->changed)
        replay->changed(replay->changed_arg, number, is_transition);
}

/* Frame replay->head enters the window, and the oldest may leave it. */
static void commit_frame(struct pawl_replay *replay)
{
    uint64_t number = replay->head;

    if (pawl_replay_size(replay) == replay->capacity) {
        uint64_t oldest = pawl_replay_first(replay);
        if (pawl_replay_is_transition(replay, oldest))
            set_transition(replay, oldest, false);
    }
    replay->head++;
    if (replay->links[slot_of(replay, number)] & LINK_TERMINATED)
        set_transition(replay, number, true);
    uint64_t prev = frame_at(replay, number)->prev;
    if (prev == PAWL_REPLAY_NONE || !pawl_replay_has(replay, prev))
        return;
    if (!(replay->links[slot_of(replay, prev)] & LINK_TERMINATED))
        set_transition(replay, prev, true);
}

void pawl_replay_commit(struct pawl_replay *replay)
{
    while (replay->head < replay->next)
        commit_frame(replay);
}

void pawl_replay_skip_to(struct pawl_replay *replay, uint64_t number)
{
    const struct pawl_replay_frame empty = {.prev = PAWL_REPLAY_NONE};

    pawl_replay_commit(replay);
    while (replay->head < number) {
        if (replay->head == replay->base || number - replay->head >= replay->capacity) {
            /* Nothing of what is here would be in the window. */
            for (uint64_t i = pawl_replay_first(replay); i < replay->head; i++)
                if (pawl_replay_is_transition(replay, i))
                    set_transition(replay, i, false);
            replay->shared->base = replay->base = number;
            replay->head = replay->next = number;
            return;
        }
        pawl_replay_put(replay, &empty, NULL);
        pawl_replay_commit(replay);
    }
}

static bool is_sound(const struct pawl_replay_frame *frame, uint64_t number)
{
    uint32_t kind = frame->flags & (PAWL_RECORD_STEP | PAWL_RECORD_FINAL);
    return frame->number == number && !(frame->flags & ~PAWL_RECORD_FLAGS_KNOWN) &&
           frame->lane < PAWL_RECORD_LANES_MAX &&
           (frame->flags == 0 || kind == PAWL_RECORD_STEP || kind == PAWL_RECORD_FINAL);
}

/* Takes the frames below `head` that are in the window. */
static int take_over(struct pawl_replay *replay, uint64_t head, struct pawl_err *err)
{
    uint64_t base = replay->shared->base;

    if (base > head)
        base = head;
    if (head - base > replay->capacity)
        base = head - replay->capacity;
    replay->base = replay->head = replay->next = base;
    for (uint64_t number = base; number < head; number++) {
        struct pawl_replay_frame *frame = frame_at(replay, number);
        if (!is_sound(frame, number))
            return pawl_err_set(err, EPROTO,
                                "frame %" PRIu64 " of %" PRIu64
                                " is not in its slot, or its flags 0x%x cannot be",
                                number, head, frame->flags);
        float *priority = &replay->priorities[slot_of(replay, number)];
        if (!isfinite(*priority) || *priority < 0.0f)
            *priority = 1.0f;
        link_frame(replay, frame, replay->base);
        replay->next++;
        commit_frame(replay);
    }
    float *priority_max = &replay->shared->priority_max;
    if (!isfinite(*priority_max) || *priority_max < 1.0f)
        *priority_max = 1.0f;
    replay->shared->base = base;
    replay->cut_count = 0; /* what is before the window is no cut */
    return 0;
}

static int attach(struct pawl_replay *replay, int fd, const struct pawl_segment_want *want,
                  uint64_t head, const struct pawl_replay_setup *setup, struct pawl_err *err)
{
    if (pawl_segment_attach(&replay->segment, fd, want, err) != 0)
        return -err->code;
    const uint64_t *geometry = replay->segment.header.geometry;
    uint64_t capacity = geometry[GEOMETRY_CAPACITY];
    if (geometry[GEOMETRY_LAYOUT] != PAWL_REPLAY_LAYOUT)
        return pawl_err_set(err, EPROTO, "layout %" PRIu64 ", this program has %u",
                            geometry[GEOMETRY_LAYOUT], PAWL_REPLAY_LAYOUT);
    struct pawl_replay_setup own = *setup;
    own.capacity = capacity;
    if (check_setup(&own, err) != 0)
        return -err->code;
    if (geometry[GEOMETRY_SLOTS] != capacity + PAWL_REPLAY_GUARD ||
        geometry[GEOMETRY_SLOT_BYTES] != slot_bytes_of(setup->spec) ||
        replay->segment.body_bytes <
            body_bytes_of(capacity + PAWL_REPLAY_GUARD, slot_bytes_of(setup->spec)))
        return pawl_err_set(err, EPROTO,
                            "%" PRIu64 " slots of %" PRIu64 " bytes cannot be a capacity of "
                            "%" PRIu64 " and this spec",
                            geometry[GEOMETRY_SLOTS], geometry[GEOMETRY_SLOT_BYTES], capacity);
    if (lay_out(replay, setup->spec, capacity, err) != 0)
        return -err->code;
    return take_over(replay, head, err);
}

int pawl_replay_attach(struct pawl_replay *replay, int fd, uint64_t total_bytes, uint64_t head,
                       const struct pawl_replay_setup *setup, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    char text[PAWL_SPEC_TEXT_BYTES];
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_STORE,
                                           .total_bytes = total_bytes,
                                           .spec = text,
                                           .spec_bytes = pawl_spec_text(setup->spec, text),
                                           .is_shared_writable = true};

    err = err ? err : &unread;
    *replay = (struct pawl_replay){.segment.fd = -1};
    if (attach(replay, fd, &want, head, setup, err) == 0)
        return 0;
    pawl_replay_close(replay);
    return pawl_err_wrap(err, "attach %s", setup->label);
}

void pawl_replay_set_priority(struct pawl_replay *replay, uint64_t number, float error)
{
    float priority = fabsf(error);

    if (!pawl_replay_has(replay, number) || !pawl_replay_is_transition(replay, number) ||
        !isfinite(priority))
        return;
    replay->priorities[slot_of(replay, number)] = priority;
    if (priority > replay->shared->priority_max)
        replay->shared->priority_max = priority;
}

float pawl_replay_priority(const struct pawl_replay *replay, uint64_t number)
{
    return replay->priorities[slot_of(replay, number)];
}
