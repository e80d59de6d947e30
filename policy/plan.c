#include "policy/plan.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "policy/plan_check.h"

#define ALIGN_FLOATS 16u /* 64 bytes */

struct list {
    const char *name;
    size_t first; /* of its operations; they end where those of the next begin */
};

struct pawl_plan {
    uint64_t float_count[PAWL_ARENA_COUNT];
    struct pawl_op *ops;
    size_t op_count, op_room;
    struct list lists[PAWL_PLAN_LISTS_MAX + 1];
    uint32_t list_count;
    bool is_finished;
    struct pawl_err mistake; /* the first */
};

int pawl_plan_open(struct pawl_plan **plan, struct pawl_err *err)
{
    *plan = calloc(1, sizeof(**plan));
    return *plan ? 0 : pawl_err_set(err, ENOMEM, "plan: out of memory");
}

void pawl_plan_close(struct pawl_plan *plan)
{
    if (!plan)
        return;
    free(plan->ops);
    free(plan);
}

struct pawl_view pawl_plan_new(struct pawl_plan *plan, enum pawl_arena arena, uint32_t rows,
                               uint32_t cols)
{
    struct pawl_view view = {.arena = arena, .rows = rows, .cols = cols, .stride = cols};
    uint64_t count = (uint64_t)rows * cols;

    assert(!plan->is_finished);
    if ((unsigned)arena >= PAWL_ARENA_COUNT || count == 0) {
        pawl_err_set(&plan->mistake, EINVAL, "plan: a matrix of %u x %u in arena %u", rows,
                     cols, (unsigned)arena);
        return (struct pawl_view){0};
    }
    view.at = plan->float_count[arena];
    if (arena != PAWL_STATE)
        view.at = (view.at + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    if (count > PAWL_PLAN_FLOATS_MAX || view.at > PAWL_PLAN_FLOATS_MAX - count) {
        pawl_err_set(&plan->mistake, EFBIG,
                     "plan: a matrix of %u x %u makes its arena larger than %" PRIu64 " floats",
                     rows, cols, PAWL_PLAN_FLOATS_MAX);
        return (struct pawl_view){0};
    }
    plan->float_count[arena] = view.at + count;
    return view;
}

uint32_t pawl_plan_begin(struct pawl_plan *plan, const char *name)
{
    assert(!plan->is_finished);
    if (plan->list_count == PAWL_PLAN_LISTS_MAX) {
        pawl_err_set(&plan->mistake, ENOSPC, "plan: list \"%s\" is one more than %u", name,
                     PAWL_PLAN_LISTS_MAX);
        return 0;
    }
    plan->lists[plan->list_count] = (struct list){.name = name, .first = plan->op_count};
    return plan->list_count++;
}

static int make_room(struct pawl_plan *plan)
{
    if (plan->op_count < plan->op_room)
        return 0;
    size_t room = plan->op_room ? 2 * plan->op_room : 64;
    struct pawl_op *ops = realloc(plan->ops, room * sizeof(*ops));
    if (!ops)
        return pawl_err_set(&plan->mistake, ENOMEM, "plan: out of memory");
    plan->ops = ops;
    plan->op_room = room;
    return 0;
}

static void append(struct pawl_plan *plan, const struct pawl_op *op)
{
    struct pawl_err err = {0};

    assert(!plan->is_finished);
    if (plan->mistake.code || make_room(plan) != 0)
        return;
    if (plan->list_count == 0) {
        pawl_err_set(&plan->mistake, EINVAL, "plan: %s before the first list",
                     pawl_op_form_of(op->kind)->name);
        return;
    }
    if (pawl_op_check(op, plan->float_count, &err) != 0) {
        const struct list *list = &plan->lists[plan->list_count - 1];
        pawl_err_wrap(&err, "plan: list \"%s\", operation %zu, %s", list->name,
                      plan->op_count - list->first + 1, pawl_op_form_of(op->kind)->name);
        plan->mistake = err;
        return;
    }
    plan->ops[plan->op_count++] = *op;
}

#define APPEND(kind_name, KIND)                                                                \
    void pawl_plan_##kind_name(struct pawl_plan *plan, const struct pawl_op_##kind_name *op)   \
    {                                                                                          \
        append(plan, &(struct pawl_op){.kind = KIND, .kind_name = *op});                       \
    }

APPEND(copy, PAWL_OP_COPY)
APPEND(linear, PAWL_OP_LINEAR)
APPEND(linear_dx, PAWL_OP_LINEAR_DX)
APPEND(linear_dw, PAWL_OP_LINEAR_DW)
APPEND(norm_act, PAWL_OP_NORM_ACT)
APPEND(norm_act_grad, PAWL_OP_NORM_ACT_GRAD)
APPEND(tanh_gauss, PAWL_OP_TANH_GAUSS)
APPEND(tanh_gauss_grad, PAWL_OP_TANH_GAUSS_GRAD)
APPEND(td_target, PAWL_OP_TD_TARGET)
APPEND(critic_loss, PAWL_OP_CRITIC_LOSS)
APPEND(actor_loss, PAWL_OP_ACTOR_LOSS)
APPEND(temperature_loss, PAWL_OP_TEMPERATURE_LOSS)
APPEND(choice_target, PAWL_OP_CHOICE_TARGET)
APPEND(choice_loss, PAWL_OP_CHOICE_LOSS)
APPEND(clip, PAWL_OP_CLIP)
APPEND(adam, PAWL_OP_ADAM)
APPEND(polyak, PAWL_OP_POLYAK)

int pawl_plan_finish(struct pawl_plan *plan, struct pawl_err *err)
{
    if (plan->mistake.code)
        return pawl_err_set(err, plan->mistake.code, "%s", plan->mistake.text);
    plan->lists[plan->list_count].first = plan->op_count;
    plan->is_finished = true;
    return 0;
}

uint32_t pawl_plan_list_count(const struct pawl_plan *plan)
{
    return plan->list_count;
}

const struct pawl_op *pawl_plan_ops(const struct pawl_plan *plan, uint32_t list, size_t *count)
{
    assert(plan->is_finished && list < plan->list_count);
    *count = plan->lists[list + 1].first - plan->lists[list].first;
    return plan->ops + plan->lists[list].first;
}

uint64_t pawl_plan_float_count(const struct pawl_plan *plan, enum pawl_arena arena)
{
    return plan->float_count[arena];
}
