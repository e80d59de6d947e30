/* oracle.h: SAC's losses and their gradients by libtorch's automatic differentiation, in
 * float64: what the lists of policy/sac_steps.h, whose gradients are written by hand, are
 * compared with. A module of its own (ORACLE_SYMBOL), since it sees tensors.
 */
#ifndef PAWL_TESTS_ORACLE_H
#define PAWL_TESTS_ORACLE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ORACLE_SYMBOL      "oracle_solve"
#define ORACLE_NETS_MAX    10
#define ORACLE_LAYERS_MAX  4
#define ORACLE_INPUTS_MAX  2
#define ORACLE_NO_FLOAT    UINT64_MAX
#define ORACLE_ERROR_BYTES 256

/* Where parameters begin in the row. */
struct oracle_layer {
    uint64_t weight, bias;           /* (out, in), (out) */
    uint64_t norm_weight, norm_bias; /* (out); ORACLE_NO_FLOAT: not normalised */
    uint32_t in_count, out_count;
};

struct oracle_net {
    uint32_t layer_count;
    struct oracle_layer layers[ORACLE_LAYERS_MAX];
};

/* B rows, A components of an action, E critics; all arrays without gaps. */
struct oracle_problem {
    const float *row; /* all parameters */
    uint64_t float_count;
    uint32_t batch_count, input_count, action_count, critic_count;
    uint32_t obs_counts[ORACLE_INPUTS_MAX];
    const float *obs[ORACLE_INPUTS_MAX], *next[ORACLE_INPUTS_MAX]; /* (B, O) */
    const float *action;                                           /* (B, A) */
    const float *reward, *discount, *weight;                       /* (B) */
    const float *eps_next, *eps_actor, *eps_temperature;           /* (B, A) */
    const float *chosen;                                           /* (E) */

    int is_plain;    /* ReLU, and encodings are observations */
    int is_variance; /* of the policy: s is one */
    int has_backup_entropy;
    double s_min, s_max, target_entropy;
    struct oracle_layer encoders[ORACLE_INPUTS_MAX], actor_encoders[ORACLE_INPUTS_MAX];
    struct oracle_net actor, critics[ORACLE_NETS_MAX], targets[ORACLE_NETS_MAX];
    uint64_t log_alpha;
};

/* Losses, and their gradients by the whole row. */
struct oracle_answer {
    double critic_loss[ORACLE_NETS_MAX], actor_loss, temperature_loss;
    double *critic_grads, *actor_grads,
        *temperature_grads; /* of the caller; float_count each */
    char error[ORACLE_ERROR_BYTES];
};

/* 0, or -1 with a text in answer->error. */
int oracle_solve(const struct oracle_problem *problem, struct oracle_answer *answer);

#ifdef __cplusplus
}
#endif

#endif
