#include "policy/plan_check.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

/* A form is what is the same for every operation of a kind; the shape of a view is two letters,
 * a letter being the same number in all views of one operation, and '1' being 1. */
struct rule {
    struct pawl_op_form form;
    const char *shapes[PAWL_OP_VIEWS_MAX]; /* "Bo"; "1o?" when the view may be absent */
    const char *same[3]; /* "ad": views 0 and 3, letters from 'a', may be one */
};

static const struct rule rules[PAWL_OP_KIND_COUNT] = {
    [PAWL_OP_COPY] = {.form = {"copy", 2, 1, {"y", "x"}}, .shapes = {"Bn", "Bn"}},
    [PAWL_OP_LINEAR] = {.form = {"linear", 4, 1, {"y", "x", "w", "b"}},
                        .shapes = {"Bo", "Bi", "oi", "1o?"}},
    [PAWL_OP_LINEAR_DX] = {.form = {"linear_dx", 3, 1, {"dx", "dy", "w"}},
                           .shapes = {"Bi", "Bo", "oi"}},
    [PAWL_OP_LINEAR_DW] = {.form = {"linear_dw", 4, 2, {"dw", "db", "dy", "x"}},
                           .shapes = {"oi", "1o?", "Bo", "Bi"}},
    [PAWL_OP_NORM_ACT] =
        {.form = {"norm_act", 7, 3, {"y", "keep", "rstd", "z", "b", "gamma", "beta"}},
         .shapes = {"Bn", "Bn?", "Bg?", "Bn", "1n?", "1n?", "1n?"},
         .same = {"ad", "bd"}},
    [PAWL_OP_NORM_ACT_GRAD] = {.form = {"norm_act_grad",
                                        10,
                                        4,
                                        {"dz", "dgamma", "dbeta", "db", "dy", "y", "keep",
                                         "rstd", "gamma", "beta"}},
                               .shapes = {"Bn", "1n?", "1n?", "1n?", "Bn", "Bn?", "Bn?", "Bg?",
                                          "1n?", "1n?"},
                               .same = {"ae"}},
    [PAWL_OP_TANH_GAUSS] =
        {.form = {"tanh_gauss", 5, 2, {"action", "logp", "mean", "raw", "eps"}},
         .shapes = {"BA?", "B1?", "BA", "BA", "BA"}},
    [PAWL_OP_TANH_GAUSS_GRAD] = {.form = {"tanh_gauss_grad",
                                          7,
                                          2,
                                          {"dmean", "draw", "daction", "dlogp", "action", "raw",
                                           "eps"}},
                                 .shapes = {"BA", "BA", "BA?", "B1?", "BA", "BA", "BA"}},
    [PAWL_OP_TD_TARGET] = {.form = {"td_target",
                                    7,
                                    1,
                                    {"y", "q", "chosen", "reward", "discount", "logp",
                                     "log_alpha"}},
                           .shapes = {"B1", "BE", "1E?", "B1", "B1", "B1?", "11?"}},
    [PAWL_OP_CRITIC_LOSS] =
        {.form = {"critic_loss", 6, 3, {"dq", "loss", "error", "q", "y", "weight"}},
         .shapes = {"BE", "1E", "B1?", "BE", "B1", "B1?"}},
    [PAWL_OP_ACTOR_LOSS] =
        {.form = {"actor_loss", 6, 3, {"dq", "dlogp", "loss", "q", "logp", "log_alpha"}},
         .shapes = {"BE", "B1", "11", "BE", "B1", "11"}},
    [PAWL_OP_TEMPERATURE_LOSS] =
        {.form = {"temperature_loss", 4, 2, {"dlog_alpha", "loss", "logp", "log_alpha"}},
         .shapes = {"11", "11", "B1", "11"}},
    [PAWL_OP_CHOICE_TARGET] = {.form = {"choice_target",
                                        6,
                                        1,
                                        {"y", "q", "q_target", "reward", "discount",
                                         "penalty"}},
                               .shapes = {"B1", "BC", "BC", "B1", "B1", "B1?"}},
    [PAWL_OP_CHOICE_LOSS] =
        {.form = {"choice_loss", 6, 2, {"dq", "loss", "q", "choice", "y", "weight"}},
         .shapes = {"BC", "11", "BC", "B1", "B1", "B1?"}},
    [PAWL_OP_CLIP] = {.form = {"clip",
                               8,
                               6,
                               {"norm", "gate", "g[0]", "g[1]", "g[2]", "g[3]", "loss",
                                "before"}},
                      .shapes = {"11", "11", "1a", "1b?", "1c?", "1d?", "1e?", "11?"}},
    [PAWL_OP_ADAM] = {.form = {"adam", 6, 4, {"p", "m", "v", "step", "g", "gate"}},
                      .shapes = {"1n", "1n", "1n", "11", "1n", "11?"}},
    [PAWL_OP_POLYAK] = {.form = {"polyak", 3, 1, {"target", "p", "gate"}},
                        .shapes = {"1n", "1n", "11?"}},
};

static const char *const arena_names[PAWL_ARENA_COUNT] = {"STATE", "INPUT", "OUTPUT", "WORK"};

const struct pawl_op_form *pawl_op_form_of(enum pawl_op_kind kind)
{
    return &rules[kind].form;
}

static int check_view(const char *name, struct pawl_view view,
                      const uint64_t float_count[PAWL_ARENA_COUNT], struct pawl_err *err)
{
    if (view.arena >= PAWL_ARENA_COUNT)
        return pawl_err_set(err, EINVAL, "%s is in arena %u, there are %d", name, view.arena,
                            PAWL_ARENA_COUNT);
    if (view.cols == 0 || view.cols > view.stride || view.rows > INT32_MAX ||
        view.stride > INT32_MAX)
        return pawl_err_set(err, EINVAL,
                            "%s is %u x %u with a stride of %u; a view has columns, its stride "
                            "is at least as many, and all are below 2^31",
                            name, view.rows, view.cols, view.stride);
    uint64_t extent = pawl_view_extent(view);
    uint64_t limit = float_count[view.arena];
    if (extent > limit || view.at > limit - extent)
        return pawl_err_set(err, EINVAL,
                            "%s, %u x %u, is not within the %" PRIu64
                            " floats of its arena %s, or was made as an impossible part",
                            name, view.rows, view.cols, limit, arena_names[view.arena]);
    return 0;
}

/* The numbers that the letters of an operation stand for. */
struct sizes {
    uint32_t of[128];
    const char *from[128]; /* the view that said so */
};

static int check_size(struct sizes *sizes, char letter, const char *name, const char *what,
                      uint32_t value, struct pawl_err *err)
{
    unsigned char at = (unsigned char)letter;
    if (letter == '1') {
        if (value != 1)
            return pawl_err_set(err, EINVAL, "%s has %u %s, must have 1", name, value, what);
        return 0;
    }
    if (!sizes->from[at]) {
        sizes->of[at] = value;
        sizes->from[at] = name;
    } else if (sizes->of[at] != value) {
        return pawl_err_set(err, EINVAL, "%s has %u %s, %s asks for %u", name, value, what,
                            sizes->from[at], sizes->of[at]);
    }
    return 0;
}

static bool is_optional(const struct rule *rule, uint32_t index)
{
    return rule->shapes[index][2] == '?';
}

static int check_shapes(const struct rule *rule, const struct pawl_op *op,
                        const uint64_t float_count[PAWL_ARENA_COUNT], struct pawl_err *err)
{
    struct sizes sizes = {0};

    for (uint32_t i = 0; i < rule->form.view_count; i++) {
        const char *name = rule->form.views[i], *shape = rule->shapes[i];
        struct pawl_view view = op->views[i];
        int rc = 0;

        if (!pawl_view_is(view)) {
            if (!is_optional(rule, i))
                return pawl_err_set(err, EINVAL, "%s is absent", name);
            continue;
        }
        if ((rc = check_view(name, view, float_count, err)) != 0 ||
            (rc = check_size(&sizes, shape[0], name, "rows", view.rows, err)) != 0 ||
            (rc = check_size(&sizes, shape[1], name, "columns", view.cols, err)) != 0)
            return rc;
        if (i < rule->form.output_count && view.arena == PAWL_INPUT)
            return pawl_err_set(err, EINVAL, "%s is written, and lies in INPUT", name);
    }
    return 0;
}

/* Exact for views of one stride, as columns of one matrix are; others overlap when their
 * extents do. */
static bool is_overlap(struct pawl_view a, struct pawl_view b)
{
    if (a.arena != b.arena)
        return false;
    if (a.at > b.at) {
        struct pawl_view swap = a;
        a = b;
        b = swap;
    }
    uint64_t distance = b.at - a.at;
    if (distance >= pawl_view_extent(a))
        return false;
    if (a.stride != b.stride || a.rows == 1)
        return true;
    uint64_t column = distance % a.stride; /* where b begins in a row of a */
    return column < a.cols || (column + b.cols > a.stride && distance / a.stride + 1 < a.rows);
}

static bool is_same(struct pawl_view a, struct pawl_view b)
{
    return a.arena == b.arena && a.at == b.at && a.rows == b.rows && a.cols == b.cols &&
           a.stride == b.stride;
}

static bool may_be_same(const struct rule *rule, uint32_t i, uint32_t k)
{
    for (size_t s = 0; s < sizeof(rule->same) / sizeof(rule->same[0]) && rule->same[s]; s++)
        if (rule->same[s][0] == (char)('a' + i) && rule->same[s][1] == (char)('a' + k))
            return true;
    return false;
}

static int check_overlaps(const struct rule *rule, const struct pawl_op *op,
                          struct pawl_err *err)
{
    for (uint32_t i = 0; i < rule->form.output_count; i++) {
        for (uint32_t k = i + 1; k < rule->form.view_count; k++) {
            struct pawl_view a = op->views[i], b = op->views[k];
            if (!pawl_view_is(a) || !pawl_view_is(b) || !is_overlap(a, b) ||
                (may_be_same(rule, i, k) && is_same(a, b)))
                continue;
            return pawl_err_set(err, EINVAL, "%s, which is written, and %s overlap",
                                rule->form.views[i], rule->form.views[k]);
        }
    }
    return 0;
}

static int refuse(struct pawl_err *err, const char *why)
{
    return pawl_err_set(err, EINVAL, "%s", why);
}

static int check_groups(uint32_t group_count, uint32_t cols, struct pawl_view gamma,
                        struct pawl_view rstd, struct pawl_err *err)
{
    uint32_t groups = group_count ? group_count : 1;
    if (cols % groups != 0)
        return pawl_err_set(err, EINVAL, "%u columns are not %u groups of one size", cols,
                            groups);
    if (!pawl_view_is(gamma) && (groups > 1 || pawl_view_is(rstd)))
        return refuse(err, "groups and rstd belong to a norm, and gamma is absent");
    if (pawl_view_is(rstd) && rstd.cols != groups)
        return pawl_err_set(err, EINVAL, "rstd has %u columns for %u groups", rstd.cols,
                            groups);
    return 0;
}

static int check_norm_act(const struct pawl_op_norm_act *op, struct pawl_err *err)
{
    if ((unsigned)op->act > PAWL_ACT_TANH)
        return pawl_err_set(err, EINVAL, "act %u is not known", (unsigned)op->act);
    if (pawl_view_is(op->gamma) != pawl_view_is(op->beta))
        return refuse(err, "gamma and beta are there only together");
    if (pawl_view_is(op->gamma) && pawl_view_is(op->keep) != pawl_view_is(op->rstd))
        return refuse(err, "keep and rstd of a norm are there only together");
    return check_groups(op->group_count, op->y.cols, op->gamma, op->rstd, err);
}

static int check_norm_act_grad(const struct pawl_op_norm_act_grad *op, struct pawl_err *err)
{
    bool has_norm = pawl_view_is(op->gamma);

    if ((unsigned)op->act > PAWL_ACT_TANH)
        return pawl_err_set(err, EINVAL, "act %u is not known", (unsigned)op->act);
    if (op->act != PAWL_ACT_NONE && !pawl_view_is(op->y))
        return refuse(err, "the gradient of an activation needs y");
    if (has_norm && !(pawl_view_is(op->keep) && pawl_view_is(op->rstd)))
        return refuse(err, "the gradient of a norm needs keep and rstd");
    if (!has_norm && (pawl_view_is(op->dgamma) || pawl_view_is(op->dbeta)))
        return refuse(err, "dgamma and dbeta belong to a norm, and gamma is absent");
    if (op->act == PAWL_ACT_SILU && !pawl_view_is(op->keep))
        return refuse(err, "the gradient of SiLU needs keep");
    if (op->act == PAWL_ACT_SILU && has_norm && !pawl_view_is(op->beta))
        return refuse(err, "the gradient of SiLU behind a norm needs beta");
    return check_groups(op->group_count, op->dz.cols, op->gamma, op->rstd, err);
}

static int check_deviation(float s_min, float s_max, struct pawl_err *err)
{
    if (!(s_min > 0.0f && s_min <= s_max && s_max < INFINITY))
        return pawl_err_set(err, EINVAL,
                            "s is held within %g..%g; both are above 0, finite and in order",
                            (double)s_min, (double)s_max);
    return 0;
}

static int check_clip(const struct pawl_op_clip *op, struct pawl_err *err)
{
    for (uint32_t i = 1; i < PAWL_OP_CLIP_MAX; i++)
        if (pawl_view_is(op->g[i]) && !pawl_view_is(op->g[i - 1]))
            return refuse(err, "the g that are used come first");
    if (!(op->max_norm >= 0.0f))
        return pawl_err_set(err, EINVAL, "max_norm is %g, must be at least 0",
                            (double)op->max_norm);
    return 0;
}

static int check_adam(const struct pawl_op_adam *op, struct pawl_err *err)
{
    if (!(op->beta1 >= 0.0 && op->beta1 < 1.0 && op->beta2 >= 0.0 && op->beta2 < 1.0))
        return pawl_err_set(err, EINVAL,
                            "beta1, beta2 are %g, %g; both are in 0..1, 1 excluded", op->beta1,
                            op->beta2);
    if (!(op->eps >= 0.0) || !isfinite(op->lr))
        return pawl_err_set(err, EINVAL,
                            "lr is %g and eps %g; must be finite, eps not negative", op->lr,
                            op->eps);
    return 0;
}

static int check_constants(const struct pawl_op *op, struct pawl_err *err)
{
    switch (op->kind) {
    case PAWL_OP_NORM_ACT:
        return check_norm_act(&op->norm_act, err);
    case PAWL_OP_NORM_ACT_GRAD:
        return check_norm_act_grad(&op->norm_act_grad, err);
    case PAWL_OP_TANH_GAUSS:
        if (!pawl_view_is(op->tanh_gauss.action) && !pawl_view_is(op->tanh_gauss.logp))
            return refuse(err, "action and logp are both absent");
        return check_deviation(op->tanh_gauss.s_min, op->tanh_gauss.s_max, err);
    case PAWL_OP_TANH_GAUSS_GRAD:
        if (!pawl_view_is(op->tanh_gauss_grad.daction) &&
            !pawl_view_is(op->tanh_gauss_grad.dlogp))
            return refuse(err, "daction and dlogp are both absent");
        return check_deviation(op->tanh_gauss_grad.s_min, op->tanh_gauss_grad.s_max, err);
    case PAWL_OP_TD_TARGET:
        if (pawl_view_is(op->td_target.logp) != pawl_view_is(op->td_target.log_alpha))
            return refuse(err, "logp and log_alpha are there only together");
        return 0;
    case PAWL_OP_CRITIC_LOSS:
        if (!isfinite(op->critic_loss.scale) || op->critic_loss.scale <= 0.0f)
            return pawl_err_set(err, EINVAL, "scale is %g, must be above 0",
                                (double)op->critic_loss.scale);
        return 0;
    case PAWL_OP_TEMPERATURE_LOSS:
        if (!isfinite(op->temperature_loss.target_entropy))
            return refuse(err, "target_entropy is not finite");
        return 0;
    case PAWL_OP_CLIP:
        return check_clip(&op->clip, err);
    case PAWL_OP_ADAM:
        return check_adam(&op->adam, err);
    case PAWL_OP_POLYAK:
        if (!(op->polyak.w >= 0.0 && op->polyak.w <= 1.0))
            return pawl_err_set(err, EINVAL, "w is %g, must be in 0..1", op->polyak.w);
        return 0;
    default:
        return 0;
    }
}

int pawl_op_check(const struct pawl_op *op, const uint64_t float_count[PAWL_ARENA_COUNT],
                  struct pawl_err *err)
{
    const struct rule *rule = &rules[op->kind];
    int rc = check_shapes(rule, op, float_count, err);

    if (rc == 0)
        rc = check_overlaps(rule, op, err);
    return rc == 0 ? check_constants(op, err) : rc;
}
