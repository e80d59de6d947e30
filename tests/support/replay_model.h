/* replay_model.h: what a store has to answer, worked out the slow way, and random lives of
 * lanes to ask it about: ends of all kinds, missing steps, deaths, wraps, and learners that die
 * between put and commit.
 *
 * The model knows every committed frame of the run and looks for successors among all of them.
 */
#ifndef PAWL_TEST_REPLAY_MODEL_H
#define PAWL_TEST_REPLAY_MODEL_H

#include <math.h>

#include "runtime/rng.h"
#include "support/replay_rig.h"

#define REPLAY_MODEL_FRAMES 4096
#define REPLAY_MODEL_LANES  5

struct replay_model_frame {
    uint32_t life; /* of a lane: incarnations count apart */
    uint32_t episode, step, flags;
    float observation, reward;
};

struct replay_model_lane {
    struct replay_rig_lane rig;
    uint32_t life;
};

struct replay_model {
    struct pawl_replay *replay;
    struct pawl_rng rng;
    uint64_t capacity;
    uint64_t head;
    uint64_t under_way; /* frames behind head */
    uint32_t life_count;
    float observation;
    struct replay_model_lane lanes[REPLAY_MODEL_LANES];
    struct replay_model_frame frames[REPLAY_MODEL_FRAMES];
};

static inline uint32_t replay_model_below(struct replay_model *model, uint32_t count)
{
    return (uint32_t)(pawl_rng_double(&model->rng) * count);
}

static inline void replay_model_open(struct replay_model *model, struct pawl_replay *replay,
                                     uint64_t seed)
{
    memset(model, 0, sizeof(*model));
    model->replay = replay;
    model->capacity = replay->capacity;
    pawl_rng_seed(&model->rng, seed);
    for (uint32_t i = 0; i < REPLAY_MODEL_LANES; i++) {
        model->lanes[i].rig = replay_rig_lane(i);
        model->lanes[i].life = model->life_count++;
    }
}

static inline uint64_t replay_model_first(const struct replay_model *model)
{
    return model->head > model->capacity ? model->head - model->capacity : 0;
}

/* The frame that follows, or PAWL_REPLAY_NONE. */
static inline uint64_t replay_model_next(const struct replay_model *model, uint64_t number)
{
    const struct replay_model_frame *from = &model->frames[number];
    if (!(from->flags & PAWL_RECORD_STEP))
        return PAWL_REPLAY_NONE;
    for (uint64_t i = number + 1; i < model->head; i++) {
        const struct replay_model_frame *to = &model->frames[i];
        if (to->life == from->life && to->episode == from->episode &&
            to->step == from->step + 1)
            return i;
    }
    return PAWL_REPLAY_NONE;
}

static inline bool replay_model_is_transition(const struct replay_model *model, uint64_t number)
{
    uint32_t flags = model->frames[number].flags;
    return ((flags & PAWL_RECORD_STEP) && (flags & PAWL_RECORD_TERMINATED)) ||
           replay_model_next(model, number) != PAWL_REPLAY_NONE;
}

/* One record comes, or fails to. */
static inline void replay_model_step(struct replay_model *model)
{
    struct replay_model_lane *lane = &model->lanes[replay_model_below(model, 5)];
    uint32_t chance = replay_model_below(model, 100);
    uint32_t flags = PAWL_RECORD_STEP;

    if (chance < 3) { /* killed; the next incarnation counts its episodes from 0 */
        lane->rig = replay_rig_lane(lane->rig.lane);
        lane->life = model->life_count++;
        return;
    }
    if (chance < 8) { /* given up, or refused: FINAL ones too */
        lane->rig.step++;
        if (lane->rig.is_ended) {
            lane->rig.step = 0;
            lane->rig.episode++;
            lane->rig.is_ended = false;
        }
        return;
    }
    if (lane->rig.is_ended)
        flags = PAWL_RECORD_FINAL | lane->rig.end_flags;
    else if (chance < 14)
        flags |= PAWL_RECORD_TERMINATED;
    else if (chance < 22)
        flags |= PAWL_RECORD_TRUNCATED;
    else if (chance < 25)
        flags = PAWL_RECORD_FINAL; /* cut */
    lane->rig.is_ended = !(flags & PAWL_RECORD_FINAL) && chance < 22 && chance >= 8;
    lane->rig.end_flags = flags & (PAWL_RECORD_TERMINATED | PAWL_RECORD_TRUNCATED);

    float reward = (float)replay_model_below(model, 64);
    model->frames[model->head + model->under_way++] =
        (struct replay_model_frame){.life = lane->life,
                                    .episode = lane->rig.episode,
                                    .step = lane->rig.step,
                                    .flags = flags,
                                    .observation = model->observation,
                                    .reward = reward};
    replay_rig_put(model->replay, &lane->rig, model->observation, reward, flags);
    model->observation += 1.0f;
}

/* A batch of records, which is committed; or the learner dies, and another one gets its
 * records, or others before them. */
static inline void replay_model_batch(struct replay_model *model, uint32_t count)
{
    struct replay_model_lane before[REPLAY_MODEL_LANES];
    memcpy(before, model->lanes, sizeof(before));
    for (uint32_t i = 0; i < count; i++)
        replay_model_step(model);
    if (replay_model_below(model, 4) == 0) {
        memcpy(model->lanes, before, sizeof(before));
        model->under_way = 0;
        replay_rig_crash(model->replay, model->head);
        return;
    }
    model->head += model->under_way;
    model->under_way = 0;
    pawl_replay_commit(model->replay);
}

static inline bool replay_model_has_room(const struct replay_model *model, uint32_t count)
{
    return model->head + count < REPLAY_MODEL_FRAMES;
}

#endif
