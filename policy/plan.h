/* plan.h: a training step as a list of operations on matrices, made once and run many times.
 *
 *     pawl_plan_open(&plan);
 *     w = pawl_plan_new(plan, PAWL_STATE, 256, 18);      parameters, one behind the other
 *     b = pawl_plan_new(plan, PAWL_STATE, 1, 256);
 *     x = pawl_plan_new(plan, PAWL_INPUT, 64, 18);       the host fills it before a run
 *     h = pawl_plan_new(plan, PAWL_WORK, 64, 256);
 *
 *     forward = pawl_plan_begin(plan, "forward");        a list; operations are appended to it
 *     pawl_plan_linear(plan, &(struct pawl_op_linear){.y = h, .x = x, .w = w, .b = b});
 *
 *     if (pawl_plan_finish(plan, err) != 0) ...          the first mistake of all of the above
 *     engine->open(...)                                  policy/engine.h runs it
 *
 * A list is data: one builder writes the mathematics, and each engine (plain C on the CPU, the
 * torch door) runs the same list. Nothing in it depends on values, so that an engine may record
 * it once.
 *
 * Memory is in four arenas of float32:
 *
 *     PAWL_STATE    what a checkpoint keeps: parameters, targets, moments, counters
 *     PAWL_INPUT    the host writes it before a run, operations only read it
 *     PAWL_OUTPUT   operations write it, the host reads it after a run: losses, norms, errors
 *     PAWL_WORK     everything between: activations, gradients; kept from list to list
 *
 * Allocations of PAWL_STATE lie one behind the other without gaps, so that several are also one
 * vector; those of the other three begin at 64 bytes. All arenas begin as zeros.
 *
 * A view is a matrix in an arena, row-major, with a stride between its rows; columns of it are
 * a view again, so concatenation costs nothing: who computes writes his columns. A view of no
 * rows is absent; operations say which of theirs may be. Within an operation the views it
 * writes overlap no other view of it, except where it says "may be": then it is the same view
 * exactly.
 *
 * Mistakes (shapes, arenas, overlaps) are kept, and the first is what finish() says, with the
 * list and the operation; so builders need no checks of their own.
 *
 * Sizes: B rows of a batch, in and out features of a layer, E critics, A components of an
 * action.
 *
 * Thread safety: a plan is built by one thread; finished, it is constant.
 */
#ifndef PAWL_POLICY_PLAN_H
#define PAWL_POLICY_PLAN_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_PLAN_LISTS_MAX  64u
#define PAWL_OP_VIEWS_MAX    12u
#define PAWL_OP_CLIP_MAX     4u
#define PAWL_PLAN_FLOATS_MAX ((uint64_t)1 << 34) /* of an arena: 64 GiB */

enum pawl_arena {
    PAWL_STATE,
    PAWL_INPUT,
    PAWL_OUTPUT,
    PAWL_WORK,
    PAWL_ARENA_COUNT,
};

/* Element (r, c) is float at + r * stride + c of the arena. */
struct pawl_view {
    uint32_t arena;
    uint32_t rows;
    uint32_t cols;
    uint32_t stride; /* floats from row to row; at least cols */
    uint64_t at;
};

enum pawl_op_kind {
    PAWL_OP_COPY,
    PAWL_OP_LINEAR,
    PAWL_OP_LINEAR_DX,
    PAWL_OP_LINEAR_DW,
    PAWL_OP_NORM_ACT,
    PAWL_OP_NORM_ACT_GRAD,
    PAWL_OP_TANH_GAUSS,
    PAWL_OP_TANH_GAUSS_GRAD,
    PAWL_OP_TD_TARGET,
    PAWL_OP_CRITIC_LOSS,
    PAWL_OP_ACTOR_LOSS,
    PAWL_OP_TEMPERATURE_LOSS,
    PAWL_OP_CHOICE_TARGET,
    PAWL_OP_CHOICE_LOSS,
    PAWL_OP_CLIP,
    PAWL_OP_ADAM,
    PAWL_OP_POLYAK,
    PAWL_OP_KIND_COUNT,
};

enum pawl_op_act {
    PAWL_ACT_NONE,
    PAWL_ACT_RELU,
    PAWL_ACT_SILU,
    PAWL_ACT_TANH,
};

/* The operations. Views come first in each, outputs before inputs; what stands in [ ] may be
 * absent. */

/* y = x (rows, cols), or y += x. */
struct pawl_op_copy {
    struct pawl_view y, x;
    bool accumulate;
};

/* y = x w^T [+ b]: y (B, out), x (B, in), w (out, in), [b (1, out)]. Layers that read the same
 * x and whose w lie one behind the other are one layer with more outputs. */
struct pawl_op_linear {
    struct pawl_view y, x, w, b;
};

/* dx = dy w, or +=: dx (B, in), dy (B, out), w (out, in). Columns of w are allowed: the
 * gradient of a part of x. */
struct pawl_op_linear_dx {
    struct pawl_view dx, dy, w;
    bool accumulate;
};

/* dw = dy^T x [db = column sums of dy], both or += : dw (out, in), [db (1, out)], dy (B, out),
 * x (B, in). */
struct pawl_op_linear_dw {
    struct pawl_view dw, db, dy, x;
    bool accumulate;
};

/* What follows the matrix product of a layer, in one pass:
 *
 *     u = z [+ b]                                 z (B, n), b (1, n)
 *     [x = (u - mean) * rstd,  u = x gamma + beta]  LayerNorm, eps 1e-5; gamma, beta (1, n)
 *     y = act(u)                                  y (B, n)
 *
 * group_count > 1 (0 counts as 1): n is that many layers beside each other, each normalised for
 * itself. gamma and beta are both there or both absent. For the gradient: keep (B, n) gets what
 * act() or the norm must know again (x, or u without a norm), rstd (B, group_count) the norm's;
 * both absent: no gradient is wanted; without a norm rstd is absent, and keep is needed for
 * SiLU only. y may be z, keep may be z; y is not keep. */
struct pawl_op_norm_act {
    struct pawl_view y, keep, rstd, z, b, gamma, beta;
    uint32_t group_count;
    enum pawl_op_act act;
};

/* Its gradient: dz (B, n), [dgamma, dbeta (1, n)], [db (1, n)] from dy, and y, keep, rstd,
 * gamma, beta as the forward operation left or had them: y is needed with an activation, keep
 * with a norm or SiLU, rstd and gamma with a norm, beta with both; what is not needed may be
 * absent. dz may be dy. accumulate is for dgamma, dbeta and db; dz is always =. */
struct pawl_op_norm_act_grad {
    struct pawl_view dz, dgamma, dbeta, db, dy, y, keep, rstd, gamma, beta;
    uint32_t group_count;
    enum pawl_op_act act;
    bool accumulate;
};

/* A sample of the policy and its density, all (B, A), logp (B, 1):
 *
 *     s = clamp(exp(raw), s_min, s_max),  std = sqrt(s) if s_is_variance, else s
 *     x = mean + std eps,  action = tanh(x)
 *     logp = sum over A of  -eps^2/2 - log(2 pi)/2 - log(std) - 2 (log 2 - x - softplus(-2 x))
 *
 * s_is_variance: LeRobot passes s where a covariance is meant. [logp], [action]: not wanted. */
struct pawl_op_tanh_gauss {
    struct pawl_view action, logp, mean, raw, eps;
    float s_min, s_max;
    bool s_is_variance;
};

/* Its gradient with eps held: dmean, draw (B, A) from [daction (B, A)], [dlogp (B, 1)]; action,
 * raw, eps as in the forward operation. Where exp(raw) was clamped, draw is 0. */
struct pawl_op_tanh_gauss_grad {
    struct pawl_view dmean, draw, daction, dlogp, action, raw, eps;
    float s_min, s_max;
    bool s_is_variance;
};

/* y = reward + discount * (min over the chosen critics of q [- exp(log_alpha) logp]): y,
 * reward, discount (B, 1), q (B, E), [chosen (1, E): 1 or 0, at least one 1], [logp (B, 1),
 * log_alpha (1, 1): both or none]. A q that is not a number makes y one. */
struct pawl_op_td_target {
    struct pawl_view y, q, chosen, reward, discount, logp, log_alpha;
};

/* loss (1, E) = scale * mean over B of [weight] (q - y)^2, dq (B, E) its gradient, [error (B,
 * 1)] = mean over E of |q - y|, for priorities; q (B, E), y (B, 1), [weight (B, 1)]. */
struct pawl_op_critic_loss {
    struct pawl_view dq, loss, error, q, y, weight;
    float scale;
};

/* loss (1, 1) = mean over B of (exp(log_alpha) logp - min over E of q); dq (B, E) is its
 * gradient (at the first of equal critics), dlogp (B, 1) likewise. */
struct pawl_op_actor_loss {
    struct pawl_view dq, dlogp, loss, q, logp, log_alpha;
};

/* loss (1, 1) = mean over B of -exp(log_alpha) (logp + target_entropy); dlog_alpha (1, 1). */
struct pawl_op_temperature_loss {
    struct pawl_view dlog_alpha, loss, logp, log_alpha;
    float target_entropy;
};

/* Double DQN over C choices: y (B, 1) = reward + discount * q_target[arg max q], q and q_target
 * (B, C) of the next observation, [penalty (B, 1)] is added to the reward. The first of equal q
 * counts. */
struct pawl_op_choice_target {
    struct pawl_view y, q, q_target, reward, discount, penalty;
};

/* loss (1, 1) = mean over B of [weight] (q[choice] - y)^2, dq (B, C) its gradient; choice (B,
 * 1) is rounded half to even and held within 0..C-1. */
struct pawl_op_choice_loss {
    struct pawl_view dq, loss, q, choice, y, weight;
};

/* torch's clip_grad_norm_ over up to four vectors: norm (1, 1) = sqrt(sum g^2), before
 * clipping; g *= min(1, max_norm / (norm + 1e-6)), in place. gate (1, 1) = 1 if the norm and
 * every [loss (1, any)] is finite and [before (1, 1)], the gate of a step that this one builds
 * on, is not 0; else 0, and then g stays as it is. max_norm 0: measures, clips nothing. Unused
 * g are absent; the used come first. Each g is one row. */
struct pawl_op_clip {
    struct pawl_view norm, gate, g[PAWL_OP_CLIP_MAX], loss, before;
    float max_norm;
};

/* One step of Adam for a range of parameters; p, m, v, g (1, n), step (1, 1) of STATE counts
 * the steps that were made. [gate (1, 1)] is 0: nothing changes, step neither.
 *
 *     step += 1,  m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
 *     p -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps) */
struct pawl_op_adam {
    struct pawl_view p, m, v, step, g, gate;
    double lr, beta1, beta2, eps; /* 1 - beta2 of a float would be off by 1e-5 */
};

/* target = w p + (1 - w) target: (1, n); [gate (1, 1)] is 0: nothing changes. */
struct pawl_op_polyak {
    struct pawl_view target, p, gate;
    double w;
};

struct pawl_op {
    enum pawl_op_kind kind;
    union {
        struct pawl_view views[PAWL_OP_VIEWS_MAX]; /* of any kind, in the order of its struct */
        struct pawl_op_copy copy;
        struct pawl_op_linear linear;
        struct pawl_op_linear_dx linear_dx;
        struct pawl_op_linear_dw linear_dw;
        struct pawl_op_norm_act norm_act;
        struct pawl_op_norm_act_grad norm_act_grad;
        struct pawl_op_tanh_gauss tanh_gauss;
        struct pawl_op_tanh_gauss_grad tanh_gauss_grad;
        struct pawl_op_td_target td_target;
        struct pawl_op_critic_loss critic_loss;
        struct pawl_op_actor_loss actor_loss;
        struct pawl_op_temperature_loss temperature_loss;
        struct pawl_op_choice_target choice_target;
        struct pawl_op_choice_loss choice_loss;
        struct pawl_op_clip clip;
        struct pawl_op_adam adam;
        struct pawl_op_polyak polyak;
    };
};

/* What is true of all operations of a kind. */
struct pawl_op_form {
    const char *name;      /* "linear_dx" */
    uint32_t view_count;   /* of its struct */
    uint32_t output_count; /* views[0 .. output_count) are written (and read too, some of them);
                              the others are only read */
    const char *views[PAWL_OP_VIEWS_MAX]; /* "dx": their names */
};

struct pawl_plan;

/* The caller frees with pawl_plan_close(); NULL is left alone there. */
int pawl_plan_open(struct pawl_plan **plan, struct pawl_err *err);
void pawl_plan_close(struct pawl_plan *plan);

/* rows x cols floats that nobody else has. After a mistake, or of no size: an absent view. */
struct pawl_view pawl_plan_new(struct pawl_plan *plan, enum pawl_arena arena, uint32_t rows,
                               uint32_t cols);

/* A new list, which the operations from now on belong to; returns its number. The name (a
 * constant) is for errors and figures. */
uint32_t pawl_plan_begin(struct pawl_plan *plan, const char *name);

void pawl_plan_copy(struct pawl_plan *plan, const struct pawl_op_copy *op);
void pawl_plan_linear(struct pawl_plan *plan, const struct pawl_op_linear *op);
void pawl_plan_linear_dx(struct pawl_plan *plan, const struct pawl_op_linear_dx *op);
void pawl_plan_linear_dw(struct pawl_plan *plan, const struct pawl_op_linear_dw *op);
void pawl_plan_norm_act(struct pawl_plan *plan, const struct pawl_op_norm_act *op);
void pawl_plan_norm_act_grad(struct pawl_plan *plan, const struct pawl_op_norm_act_grad *op);
void pawl_plan_tanh_gauss(struct pawl_plan *plan, const struct pawl_op_tanh_gauss *op);
void pawl_plan_tanh_gauss_grad(struct pawl_plan *plan,
                               const struct pawl_op_tanh_gauss_grad *op);
void pawl_plan_td_target(struct pawl_plan *plan, const struct pawl_op_td_target *op);
void pawl_plan_critic_loss(struct pawl_plan *plan, const struct pawl_op_critic_loss *op);
void pawl_plan_actor_loss(struct pawl_plan *plan, const struct pawl_op_actor_loss *op);
void pawl_plan_temperature_loss(struct pawl_plan *plan,
                                const struct pawl_op_temperature_loss *op);
void pawl_plan_choice_target(struct pawl_plan *plan, const struct pawl_op_choice_target *op);
void pawl_plan_choice_loss(struct pawl_plan *plan, const struct pawl_op_choice_loss *op);
void pawl_plan_clip(struct pawl_plan *plan, const struct pawl_op_clip *op);
void pawl_plan_adam(struct pawl_plan *plan, const struct pawl_op_adam *op);
void pawl_plan_polyak(struct pawl_plan *plan, const struct pawl_op_polyak *op);

/* Ends the building. On failure *err has the first mistake and the plan can only be closed. */
int pawl_plan_finish(struct pawl_plan *plan, struct pawl_err *err);

/* Of a finished plan, for engines and trainers; valid until the close. */
uint32_t pawl_plan_list_count(const struct pawl_plan *plan);
const struct pawl_op *pawl_plan_ops(const struct pawl_plan *plan, uint32_t list, size_t *count);
uint64_t pawl_plan_float_count(const struct pawl_plan *plan, enum pawl_arena arena);
const struct pawl_op_form *pawl_op_form_of(enum pawl_op_kind kind);

/* Parts of views. They make mistakes visible later: an impossible part has the size asked for,
 * and the operation that uses it is refused as outside its arena or of a broken stride. */

static inline bool pawl_view_is(struct pawl_view view)
{
    return view.rows != 0;
}

static inline uint64_t pawl_view_count(struct pawl_view view)
{
    return (uint64_t)view.rows * view.cols;
}

/* Floats from its first to its last, with what lies between its rows. */
static inline uint64_t pawl_view_extent(struct pawl_view view)
{
    return view.rows == 0 ? 0 : (uint64_t)(view.rows - 1) * view.stride + view.cols;
}

static inline struct pawl_view pawl_view_cols(struct pawl_view view, uint32_t first,
                                              uint32_t count)
{
    view.at += first;
    view.cols = first + count <= view.cols ? count : UINT32_MAX; /* refused: above the stride */
    return view;
}

static inline struct pawl_view pawl_view_rows(struct pawl_view view, uint32_t first,
                                              uint32_t count)
{
    view.at = first + count <= view.rows ? view.at + (uint64_t)first * view.stride : UINT64_MAX;
    view.rows = count;
    return view;
}

/* The view that lies in `to` as `view` lies in `from`: the gradient, moment or target of a
 * parameter, when all of them have one block each. It lies within both, or is impossible. */
static inline struct pawl_view pawl_view_like(struct pawl_view view, struct pawl_view from,
                                              struct pawl_view to)
{
    uint64_t begin = view.at - from.at, end = begin + pawl_view_extent(view);
    bool is_inside = view.arena == from.arena && view.at >= from.at &&
                     end <= pawl_view_extent(from) && end <= pawl_view_extent(to);
    view.at = is_inside ? to.at + begin : UINT64_MAX;
    view.arena = to.arena;
    return view;
}

#ifdef __cplusplus
}
#endif

#endif
