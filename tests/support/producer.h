/* producer.h: an actor's ring and what an actor writes into it, for tests of the learner.
 *
 *     struct producer actor;
 *     producer_open(&actor, 64);
 *     producer_step(&actor, lane, episode, step, reward, flags);
 *     producer_final(&actor, lane, episode, steps, PAWL_RECORD_TERMINATED);
 *     producer_close(&actor);
 */
#ifndef PAWL_TEST_PRODUCER_H
#define PAWL_TEST_PRODUCER_H

#include <check.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/spec.h"
#include "shm/hub_msg.h"
#include "shm/record.h"
#include "shm/ring.h"

#define PRODUCER_OBS_COUNT 3

struct producer {
    struct pawl_spec spec;
    struct pawl_segment segment;
    struct pawl_ring_tx tx;
    uint64_t step_count;
    uint64_t policy_version;
    unsigned char data[256];
};

/* name: of the observation, so that a test can have another spec. cfg: of the ring, but for
 * what the spec says. */
static inline void producer_open_with(struct producer *producer, const char *name,
                                      struct pawl_ring_cfg cfg)
{
    struct pawl_err err = {0};
    static char text[PAWL_SPEC_TEXT_BYTES];
    struct pawl_spec *spec = &producer->spec;

    *producer = (struct producer){0};
    pawl_spec_add(spec, name, PAWL_F32, 1, (uint32_t[]){PRODUCER_OBS_COUNT}, &err);
    pawl_spec_add(spec, PAWL_RECORD_ACTION_NAME, PAWL_F32, 1, (uint32_t[]){1}, &err);
    pawl_spec_add(spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, &err);
    pawl_spec_add(spec, PAWL_RECORD_TERMINATED_NAME, PAWL_BOOL, 0, NULL, &err);
    pawl_spec_add(spec, PAWL_RECORD_TRUNCATED_NAME, PAWL_BOOL, 0, NULL, &err);
    pawl_spec_add(spec, PAWL_RECORD_SUCCESS_NAME, PAWL_BOOL, 0, NULL, &err);
    pawl_spec_add(spec, PAWL_RECORD_INTERVENTION_NAME, PAWL_BOOL, 0, NULL, &err);
    ck_assert_msg(err.code == 0, "%s", err.text);
    cfg.data_bytes = (uint32_t)spec->record_bytes;
    cfg.label = "test";
    cfg.spec = text;
    cfg.spec_bytes = pawl_spec_text(spec, text);
    ck_assert_msg(pawl_ring_create(&producer->tx, &producer->segment, &cfg, &err) == 0, "%s",
                  err.text);
}

static inline void producer_open_as(struct producer *producer, uint32_t slot_count,
                                    const char *name, uint32_t policy)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    cfg.slot_count = slot_count;
    cfg.policy = policy;
    producer_open_with(producer, name, cfg);
}

static inline void producer_open(struct producer *producer, uint32_t slot_count)
{
    producer_open_as(producer, slot_count, "obs.state", PAWL_RING_BLOCK);
}

/* The field of the next record. */
static inline void *producer_field(struct producer *producer, const char *name)
{
    const struct pawl_spec_field *field = pawl_spec_find(&producer->spec, name);
    ck_assert_ptr_nonnull(field);
    return producer->data + field->offset_bytes;
}

/* As the record says, with the payload in producer->data; false when the ring is full. */
static inline bool producer_put(struct producer *producer,
                                const struct pawl_ring_record *record)
{
    return pawl_ring_put(&producer->tx, record, producer->data) == PAWL_RING_DONE;
}

static inline bool producer_step(struct producer *producer, uint32_t lane, uint32_t episode,
                                 uint32_t step, float reward, uint32_t flags)
{
    const struct pawl_ring_record record = {
        .bytes = (uint32_t)producer->spec.record_bytes,
        .flags = PAWL_RECORD_STEP | flags,
        .lane = lane,
        .episode = episode,
        .step = step,
        .actor_step = producer->step_count,
        .capture_ns = pawl_clock_now_ns(),
        .policy_version = producer->policy_version,
    };
    memcpy(producer_field(producer, PAWL_RECORD_REWARD_NAME), &reward, sizeof(reward));
    bool is_put = producer_put(producer, &record);
    producer->step_count += is_put;
    return is_put;
}

static inline bool producer_final(struct producer *producer, uint32_t lane, uint32_t episode,
                                  uint32_t steps, uint32_t flags)
{
    const struct pawl_ring_record record = {
        .bytes = (uint32_t)producer->spec.record_bytes,
        .flags = PAWL_RECORD_FINAL | flags,
        .lane = lane,
        .episode = episode,
        .step = steps,
        .actor_step = producer->step_count,
        .policy_version = producer->policy_version,
    };
    memset(producer->data, 0, sizeof(producer->data));
    return producer_put(producer, &record);
}

/* An episode of so many steps with a reward of 1 each. */
static inline void producer_episode(struct producer *producer, uint32_t lane, uint32_t episode,
                                    uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++)
        ck_assert(producer_step(producer, lane, episode, i, 1.0f,
                                i + 1 == steps ? PAWL_RECORD_TERMINATED : 0));
    ck_assert(producer_final(producer, lane, episode, steps, PAWL_RECORD_TERMINATED));
}

static inline void producer_close(struct producer *producer)
{
    pawl_segment_close(&producer->segment);
}

/* As the hub would offer it to a learner. */
static inline struct pawl_hub_offer producer_offer(const struct producer *producer, uint64_t id)
{
    struct pawl_hub_offer offer = {
        .id = id,
        .kind = PAWL_SEGMENT_RING,
        .role = PAWL_ROLE_ACTOR,
        .index = (uint32_t)id - 1,
        .total_bytes = producer->segment.total_bytes,
    };
    memcpy(offer.epoch, producer->segment.header.writer_epoch, sizeof(offer.epoch));
    return offer;
}

#endif
