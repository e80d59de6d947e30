/* env_reach2d.h: bring a point to a goal in the plane: the smallest task that is worth
 * learning.
 *
 *     p, goal in [-1, 1]^2; action a in [-1, 1]^2
 *     p' = clip(p + 0.1 a, -1, 1)
 *     d  = |p' - goal|
 *     at the goal: d <= radius           terminated, success
 *     reward dense: -d                   sparse: 1 at the goal, else 0
 *
 * obs.state = (p, goal), four numbers. reset: p, then goal, each uniform in the square. 50
 * steps; the longest way, from corner to corner, takes 20. All numbers are float32.
 *
 * a = clip((goal - p) / 0.1, -1, 1) is the best one can do, pawl_env_reach2d_act().
 */
#ifndef PAWL_ACTOR_ENV_REACH2D_H
#define PAWL_ACTOR_ENV_REACH2D_H

#include <stdint.h>

#define PAWL_ENV_REACH2D_SPEED     0.1f
#define PAWL_ENV_REACH2D_STEPS_MAX 50u

enum pawl_env_reach2d_reward {
    PAWL_ENV_REACH2D_DENSE,
    PAWL_ENV_REACH2D_SPARSE,
};

struct pawl_env_reach2d_cfg {
    int32_t reward; /* enum pawl_env_reach2d_reward */
    double radius;
};

void pawl_env_reach2d_act(float action[2], const float state[4]);

#endif
