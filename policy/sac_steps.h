/* sac_steps.h: the steps of SAC as lists of operations (plan.h), and the matrices in which
 * their inputs, outputs and state are.
 *
 *     pawl_sac_steps_open(&steps, model, batch_count, err);
 *     engine->open(&engine, steps->plan, ...);
 *     fill steps->obs, ->action, ... through engine->input()
 *     engine->run(engine, steps->lists[PAWL_SAC_CRITIC], err);
 *     ... steps->critic.gate, ->q, ... through engine->output()
 *     pawl_sac_steps_close(steps);
 *
 * Which list follows which is the trainer's affair. What they leave for each other is in WORK:
 * the gradients of the encoder, which with compat = "lerobot" and a shared encoder stay from
 * the critic's step, shortened, and count in the actor's norm (as torch's .grad does there),
 * and the encodings, which the temperature's list takes from the actor's.
 *
 * B = rows of a batch, O = components of an observation field, A = components of the action
 * without the choice, E = critics.
 *
 * Thread safety: constant once open.
 */
#ifndef PAWL_POLICY_SAC_STEPS_H
#define PAWL_POLICY_SAC_STEPS_H

#include "policy/plan.h"
#include "policy/sac_model.h"
#include "runtime/err.h"

enum pawl_sac_list {
    PAWL_SAC_CRITIC,      /* one step of the critics and their encoder */
    PAWL_SAC_DISCRETE,    /* one of the discrete critic and that encoder */
    PAWL_SAC_ACTOR,       /* one of the actor */
    PAWL_SAC_TEMPERATURE, /* one of log_alpha; behind the actor's */
    PAWL_SAC_TARGETS,     /* the targets follow; counters go into the state */
    PAWL_SAC_LIST_COUNT,
};

#define PAWL_SAC_OPTIMIZER_COUNT 4u /* critic, actor, temperature, discrete_critic */

/* An optimizer: one range of the row, and its moments. */
struct pawl_sac_optimizer {
    const char *name; /* as LeRobot's folders: "critic" */
    double learning_rate;
    struct pawl_sac_range range;
    struct pawl_view m, v;       /* STATE (1, range.count) */
    struct pawl_view step;       /* STATE (1, 1) */
    struct pawl_view norm, gate; /* OUTPUT (1, 1) */
    struct pawl_view loss;       /* OUTPUT (1, 1), critics (1, E) */
};

struct pawl_sac_steps {
    const struct pawl_sac_model *model;
    uint32_t batch_count;
    struct pawl_plan *plan;
    uint32_t lists[PAWL_SAC_LIST_COUNT];

    /* STATE */
    struct pawl_view row;      /* (1, N): the model's */
    struct pawl_view counters; /* (1, 2): the updates, an uint64_t */
    struct pawl_sac_optimizer critic, actor, temperature, discrete;

    /* INPUT */
    struct pawl_view obs[PAWL_SAC_INPUTS_MAX], next[PAWL_SAC_INPUTS_MAX]; /* (B, O) */
    struct pawl_view action;                                              /* (B, A [+ 1]) */
    struct pawl_view reward, discount, weight, penalty;                   /* (B, 1) */
    struct pawl_view chosen;                                              /* (1, E) */
    struct pawl_view eps_next, eps_actor, eps_temperature;                /* (B, A) */
    struct pawl_view counters_next;                                       /* (1, 2) */

    /* OUTPUT */
    struct pawl_view q;         /* (B, E) of the critics' step */
    struct pawl_view target;    /* (B, 1) likewise */
    struct pawl_view error;     /* (B, 1) |q - target|, mean of the critics */
    struct pawl_view logp;      /* (B, 1) of the actor's step */
    struct pawl_view log_alpha; /* (1, 1) as the targets' list found it */

    /* WORK, for tests */
    struct pawl_view grads;         /* (1, n): as the row, up to log_alpha */
    struct pawl_view heads;         /* (B, 2 A): mean and raw of the last actor's pass */
    struct pawl_view joined;        /* (B, encodings + A): what critics read */
    struct pawl_view choice_target; /* (B, 1) */
    struct pawl_view values;        /* (B, C) of the discrete critic's step */
};

/* The model has to stay. On failure *steps is NULL. */
int pawl_sac_steps_open(struct pawl_sac_steps **steps, const struct pawl_sac_model *model,
                        uint32_t batch_count, struct pawl_err *err);

/* NULL is left alone. */
void pawl_sac_steps_close(struct pawl_sac_steps *steps);

/* Tensor `index` of the model, a part of the row. */
struct pawl_view pawl_sac_steps_tensor(const struct pawl_sac_steps *steps, uint32_t index);

#endif
