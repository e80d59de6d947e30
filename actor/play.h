/* play.h: episodes played to their end in this process, without rings and without learning:
 * what an evaluation and a recording are made of.
 *
 *     struct pawl_play_cfg play_cfg = pawl_play_default_cfg();
 *     play_cfg.lanes, .policy, .episode_count ...
 *     pawl_play_open(&play, &play_cfg, &err);
 *     play->policy->ops->bind(play->policy, tensors, count, &err);
 *     pawl_play_run(play, &err);                   on_step and on_episode are called
 *     pawl_play_close(play);
 *
 * Episode i has the same seed however many lanes there are, and lane i mod lane_count plays it.
 * So no lane plays more episodes because its own are short, which would favour short ones.
 *
 * No action that is not finite, no observation and no reward that a record may not hold gets
 * through: the run fails with a sentence.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_ACTOR_PLAY_H
#define PAWL_ACTOR_PLAY_H

#include "actor/lanes.h"
#include "actor/record.h"
#include "policy/policy.h"
#include "runtime/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A record that is complete. Borrowed for the call. */
struct pawl_play_step {
    uint64_t episode;    /* which one of those played, from 0 */
    uint32_t lane;       /* who plays it */
    uint32_t step_index; /* of the episode; FINAL: how many it had */
    uint32_t flags;      /* enum pawl_record_flag (shm/record.h) */
    unsigned char *record;
};

struct pawl_play_episode {
    uint64_t number; /* from 0 */
    uint64_t seed;
    uint32_t step_count;
    double return_sum;
    bool is_success, is_terminated;
};

struct pawl_play_cfg {
    struct pawl_lanes_cfg lanes;
    const struct pawl_cfg *cfg;           /* constant while open, as the next one */
    const struct pawl_policy_ops *policy; /* says also what a record holds */
    bool is_expert; /* the environment's expert acts; the policy does not */
    bool is_greedy;
    uint64_t episode_count;
    double rate_hz;                  /* steps per second of each lane; 0: as fast as possible */
    const _Atomic bool *is_stopping; /* looked at once a round; NULL: nobody stops it */

    /* Each returns 0 or fails the run with what it set. NULL: not wanted. */
    int (*on_step)(void *context, const struct pawl_play_step *step, struct pawl_err *err);
    int (*on_episode)(void *context, const struct pawl_play_episode *episode,
                      struct pawl_err *err);
    void *context;
};

struct pawl_play {
    struct pawl_play_cfg cfg;
    struct pawl_lanes *lanes;
    struct pawl_policy *policy; /* NULL when the expert acts */
    struct pawl_record_layout layout;
    uint64_t step_count; /* of all lanes, so far */
    uint64_t episode_done_count;

    struct pawl_play_lane *lane_states;
    unsigned char **records; /* of all lanes, as act() wants them */
    float *action;           /* in units of the environment */
    void *memory;
};

struct pawl_play_cfg pawl_play_default_cfg(void);

/* Opens lanes and policy; a policy with a manifest then wants its bind. -ENODEV when a device
 * is missing, -ENOTSUP without an expert when one is asked for. *play is NULL on failure. */
int pawl_play_open(struct pawl_play **play, const struct pawl_play_cfg *cfg,
                   struct pawl_err *err);

/* Until all episodes have ended, -EINTR when stopped before. What moves is made safe after. */
int pawl_play_run(struct pawl_play *play, struct pawl_err *err);

void pawl_play_close(struct pawl_play *play); /* NULL is fine */

#endif
