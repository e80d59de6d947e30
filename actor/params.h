/* params.h: the parameters an actor acts with: the newest of the learner's board, in place.
 *
 *     pawl_params_open(&params, policy, pin);
 *     pawl_params_attach(&params, fd, total_bytes, &err);      a board was offered
 *     if (pawl_params_is_newer(&params))                       a load or two
 *         pawl_params_adopt(&params, &err);
 *     policy->ops->act(...)                                    on params.version
 *     if (!pawl_params_is_intact(&params)) act again
 *
 * A learner that died leaves its board, and it is acted with until the next board has a version
 * of its own. So versions only go up, and once there were parameters there always are.
 *
 * Thread safety: one thread, the owner of the pin.
 */
#ifndef PAWL_ACTOR_PARAMS_H
#define PAWL_ACTOR_PARAMS_H

#include "policy/policy.h"
#include "runtime/err.h"
#include "shm/board.h"

#include <stdbool.h>
#include <stdint.h>

struct pawl_params_board {
    bool is_open;
    struct pawl_segment segment;
    struct pawl_board_rx rx;
    struct pawl_tensor *tensors; /* as the manifest; data is set with each version */
    uint64_t *offsets;
    size_t tensor_count;
};

/* Zeroed: no board, version 0. */
struct pawl_params {
    struct pawl_policy *policy; /* borrowed */
    struct pawl_pin *pin;       /* in the page of the actor's ring; borrowed */
    uint64_t version;           /* 0: none yet */
    struct pawl_params_board now;
    struct pawl_params_board next; /* of another learner; nothing of it is used yet */
};

void pawl_params_open(struct pawl_params *params, struct pawl_policy *policy,
                      struct pawl_pin *pin);
void pawl_params_close(struct pawl_params *params);

/* Maps a board; fd stays the caller's. One that was attached and never had a version is let
 * go. */
int pawl_params_attach(struct pawl_params *params, int fd, uint64_t total_bytes,
                       struct pawl_err *err);

static inline bool pawl_params_is_newer(const struct pawl_params *params)
{
    return (params->now.is_open && pawl_board_latest(&params->now.rx) > params->version) ||
           __builtin_expect(params->next.is_open && pawl_board_latest(&params->next.rx) != 0,
                            0);
}

/* Acts on the newest version from now on. -EINVAL: the board does not have what the policy
 * needs; -EPROTO: it is broken. The policy then has no parameters that may be used. */
int pawl_params_adopt(struct pawl_params *params, struct pawl_err *err);

/* Whether what was computed since the last adoption was computed from one whole version. False
 * only when the learner took this actor for dead: adopt again and forget the results. */
static inline bool pawl_params_is_intact(struct pawl_params *params)
{
    return !params->now.rx.held || pawl_board_is_intact(&params->now.rx);
}

#endif
