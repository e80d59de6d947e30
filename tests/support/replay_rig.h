/* replay_rig.h: a store with small frames that say who they are, and lanes that fill it.
 *
 * Every observation is its own number, so that a test sees which frame a row came from.
 */
#ifndef PAWL_TEST_REPLAY_RIG_H
#define PAWL_TEST_REPLAY_RIG_H

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "learner/replay.h"
#include "shm/record.h"

/* A record of the spec. */
struct replay_rig_record {
    float state[2]; /* the observation's number, and 1 of a FINAL */
    float action;
    float reward;
    uint8_t image[12];
    uint8_t terminated;
    uint8_t truncated;
    uint8_t rest[2];
};

enum { REPLAY_RIG_STATE, REPLAY_RIG_ACTION, REPLAY_RIG_REWARD, REPLAY_RIG_IMAGE };

static inline struct pawl_spec replay_rig_spec(void)
{
    struct pawl_spec spec = {0};
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){2}, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_ACTION_NAME, PAWL_F32, 0, NULL, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, NULL);
    pawl_spec_add(&spec, "obs.image", PAWL_U8, 1, (uint32_t[]){12}, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_TERMINATED_NAME, PAWL_BOOL, 0, NULL, NULL);
    pawl_spec_add(&spec, PAWL_RECORD_TRUNCATED_NAME, PAWL_BOOL, 0, NULL, NULL);
    ck_assert_uint_eq(spec.record_bytes, sizeof(struct replay_rig_record));
    return spec;
}

static inline void replay_rig_open(struct pawl_replay *replay, uint64_t capacity)
{
    struct pawl_spec spec = replay_rig_spec();
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = capacity};
    struct pawl_err err = {0};
    ck_assert_msg(pawl_replay_create(replay, &setup, &err) == 0, "%s", err.text);
}

/* The next learner: forgets all that is private and attaches with the head of the tally. */
static inline void replay_rig_crash(struct pawl_replay *replay, uint64_t head)
{
    struct pawl_spec spec = replay_rig_spec();
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = replay->capacity};
    struct pawl_err err = {0};
    int fd = dup(replay->segment.fd); /* the supervisor's */
    ck_assert_int_ge(fd, 0);
    pawl_replay_close(replay);
    ck_assert_msg(pawl_replay_attach(replay, fd, 0, head, &setup, &err) == 0, "%s", err.text);
    replay->segment.fd = fd; /* to be handed on again; closed with the segment */
}

/* A lane of an actor's incarnation. */
struct replay_rig_lane {
    uint32_t lane;
    uint32_t episode, step;
    uint64_t prev;
    bool is_ended; /* a FINAL is next */
    uint32_t end_flags;
};

static inline struct replay_rig_lane replay_rig_lane(uint32_t lane)
{
    return (struct replay_rig_lane){.lane = lane, .prev = PAWL_REPLAY_NONE};
}

static inline struct replay_rig_record replay_rig_record(float observation, float reward,
                                                         uint32_t flags)
{
    struct replay_rig_record record = {
        .state = {observation, flags & PAWL_RECORD_FINAL ? 1.0f : 0.0f},
        .action = -observation,
        .reward = reward,
        .terminated = (flags & PAWL_RECORD_TERMINATED) != 0,
        .truncated = (flags & PAWL_RECORD_TRUNCATED) != 0,
    };
    memset(record.image, (int)observation & 0xff, sizeof(record.image));
    return record;
}

/* A STEP with these flags, or after an end the FINAL; returns its number. The lane always tells
 * its last frame as the one before, whatever came in between. */
static inline uint64_t replay_rig_put(struct pawl_replay *replay, struct replay_rig_lane *lane,
                                      float observation, float reward, uint32_t flags)
{
    struct pawl_replay_frame frame = {.prev = lane->prev,
                                      .policy_version = 1,
                                      .lane = lane->lane,
                                      .episode = lane->episode,
                                      .step = lane->step,
                                      .flags = flags};
    struct replay_rig_record record = replay_rig_record(observation, reward, flags);
    lane->prev = pawl_replay_put(replay, &frame, &record);
    lane->step++;
    if (flags & PAWL_RECORD_FINAL) {
        lane->episode++;
        lane->step = 0;
    }
    return lane->prev;
}

/* A whole episode of `count` steps with observations from `*observation` on, and its FINAL with
 * the last. Rewards are those numbers too. Commits. */
static inline void replay_rig_episode(struct pawl_replay *replay, struct replay_rig_lane *lane,
                                      uint32_t count, uint32_t end_flags, float *observation)
{
    for (uint32_t i = 0; i < count; i++, *observation += 1.0f) {
        uint32_t flags = PAWL_RECORD_STEP | (i + 1 == count ? end_flags : 0);
        replay_rig_put(replay, lane, *observation, *observation, flags);
        pawl_replay_commit(replay);
    }
    replay_rig_put(replay, lane, *observation, 0.0f, PAWL_RECORD_FINAL | end_flags);
    *observation += 1.0f;
    pawl_replay_commit(replay);
}

static inline float replay_rig_observation(const struct pawl_replay *replay, uint64_t number)
{
    struct replay_rig_record record;
    memcpy(&record, pawl_replay_payload(replay, number), sizeof(record));
    return record.state[0];
}

#endif
