#include "policy/plan.h"

#include <errno.h>
#include <string.h>

#include "policy/plan_check.h"
#include "support/test.h"

static struct pawl_plan *plan;

static void begin(void)
{
    ck_assert_int_eq(pawl_plan_open(&plan, NULL), 0);
    ck_assert_uint_eq(pawl_plan_begin(plan, "step"), 0);
}

static struct pawl_view make(uint32_t rows, uint32_t cols)
{
    return pawl_plan_new(plan, PAWL_WORK, rows, cols);
}

/* An operation that writes y, and nothing else that may be wrong. */
static void copy_to(struct pawl_view y)
{
    struct pawl_view x = pawl_plan_new(plan, PAWL_STATE, y.rows, y.cols < 100 ? y.cols : 1);
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = x});
}

/* The plan is refused with each of these words, and closed. */
static void refused(const char *first, const char *second)
{
    struct pawl_err err = {0};
    ck_assert_int_lt(pawl_plan_finish(plan, &err), 0);
    ck_assert_msg(strstr(err.text, first) != NULL, "no '%s' in: %s", first, err.text);
    ck_assert_msg(strstr(err.text, second) != NULL, "no '%s' in: %s", second, err.text);
    pawl_plan_close(plan);
}

static void accepted(void)
{
    struct pawl_err err = {0};
    int rc = pawl_plan_finish(plan, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    pawl_plan_close(plan);
}

START_TEST(state_has_no_gaps_and_the_other_arenas_begin_at_64_bytes)
{
    begin();
    for (int arena = 0; arena < PAWL_ARENA_COUNT; arena++) {
        struct pawl_view a = pawl_plan_new(plan, (enum pawl_arena)arena, 3, 5);
        struct pawl_view b = pawl_plan_new(plan, (enum pawl_arena)arena, 1, 7);
        ck_assert_uint_eq(a.at, 0);
        ck_assert_uint_eq(a.stride, 5);
        ck_assert_uint_eq(b.at, arena == PAWL_STATE ? 15 : 16);
        ck_assert_uint_eq(pawl_plan_float_count(plan, (enum pawl_arena)arena), b.at + 7);
    }
    accepted();
}
END_TEST

START_TEST(parts_of_a_view_are_where_they_should_be)
{
    begin();
    struct pawl_view a = pawl_plan_new(plan, PAWL_STATE, 4, 6);
    struct pawl_view b = pawl_plan_new(plan, PAWL_STATE, 2, 3);
    struct pawl_view g = pawl_plan_new(plan, PAWL_WORK, 1, 30);

    struct pawl_view part = pawl_view_rows(pawl_view_cols(a, 2, 3), 1, 2);
    ck_assert_uint_eq(part.at, 8);
    ck_assert_uint_eq(part.rows, 2);
    ck_assert_uint_eq(part.cols, 3);
    ck_assert_uint_eq(part.stride, 6);

    struct pawl_view both = {.arena = PAWL_STATE, .rows = 1, .cols = 30, .stride = 30};
    struct pawl_view of_b = pawl_view_like(b, both, g); /* to the end of both */
    ck_assert_uint_eq(of_b.arena, PAWL_WORK);
    ck_assert_uint_eq(of_b.at, g.at + 24);
    ck_assert_uint_eq(of_b.rows, 2);
    accepted();
}
END_TEST

START_TEST(an_impossible_part_is_refused_where_it_is_used)
{
    for (int i = 0; i < 6; i++) {
        begin();
        struct pawl_view a = make(4, 6), b = make(2, 2), part = a, row = make(1, 64);
        (void)make(8, 8); /* behind them there is memory of others */
        if (i == 0)
            part = pawl_view_cols(a, 4, 3);
        if (i == 1)
            part = pawl_view_rows(a, 3, 2);
        if (i == 2)
            part = pawl_view_like(a, b, a);
        if (i == 3) /* another matrix would lie there */
            part = pawl_view_like(pawl_view_cols(a, 4, 2), a, b);
        if (i == 4) /* behind the end of what it lies in */
            part = pawl_view_like(b, pawl_view_rows(a, 0, 2), row);
        if (i == 5) /* behind the end of where it would lie */
            part = pawl_view_like(pawl_view_rows(a, 2, 1), a, pawl_view_rows(a, 0, 2));
        copy_to(part);
        refused("copy: y", i == 0 ? "stride" : "impossible part");
    }
}
END_TEST

START_TEST(a_mistake_names_the_list_the_operation_and_the_numbers)
{
    begin();
    pawl_plan_begin(plan, "critic");
    struct pawl_view x = make(8, 5), y = make(8, 3);
    copy_to(x);
    pawl_plan_linear(plan, &(struct pawl_op_linear){.y = y, .x = x, .w = make(3, 4)});
    copy_to(make(1, 1));
    refused("list \"critic\", operation 2, linear: w has 4 columns, x asks for 5", "");
}
END_TEST

/* Rows and columns of each view of each operation; a letter is one number. */
static const char *const shapes[PAWL_OP_KIND_COUNT] = {
    [PAWL_OP_COPY] = "Bn Bn",
    [PAWL_OP_LINEAR] = "Bo Bi oi 1o",
    [PAWL_OP_LINEAR_DX] = "Bi Bo oi",
    [PAWL_OP_LINEAR_DW] = "oi 1o Bo Bi",
    [PAWL_OP_NORM_ACT] = "Bn Bn B1 Bn 1n 1n 1n",
    [PAWL_OP_NORM_ACT_GRAD] = "Bn 1n 1n 1n Bn Bn Bn B1 1n 1n",
    [PAWL_OP_TANH_GAUSS] = "BA B1 BA BA BA",
    [PAWL_OP_TANH_GAUSS_GRAD] = "BA BA BA B1 BA BA BA",
    [PAWL_OP_TD_TARGET] = "B1 BE 1E B1 B1 B1 11",
    [PAWL_OP_CRITIC_LOSS] = "BE 1E B1 BE B1 B1",
    [PAWL_OP_ACTOR_LOSS] = "BE B1 11 BE B1 11",
    [PAWL_OP_TEMPERATURE_LOSS] = "11 11 B1 11",
    [PAWL_OP_CHOICE_TARGET] = "B1 BC BC B1 B1 B1",
    [PAWL_OP_CHOICE_LOSS] = "BC 11 BC B1 B1 B1",
    [PAWL_OP_CLIP] = "11 11 1a 1b 1c 1d 1e 11",
    [PAWL_OP_ADAM] = "1n 1n 1n 11 1n 11",
    [PAWL_OP_POLYAK] = "1n 1n 11",
};

static uint32_t size_of(char letter)
{
    return letter == '1' ? 1 : 2 + (uint32_t)(letter & 15);
}

/* A right operation, each view in a place of its own. */
static struct pawl_op example(enum pawl_op_kind kind)
{
    struct pawl_op op;
    memset(&op, 0, sizeof(op));
    op.kind = kind;
    switch (kind) { /* constants that may not be 0 */
    case PAWL_OP_TANH_GAUSS:
        op.tanh_gauss.s_min = op.tanh_gauss.s_max = 1.0f;
        break;
    case PAWL_OP_TANH_GAUSS_GRAD:
        op.tanh_gauss_grad.s_min = op.tanh_gauss_grad.s_max = 1.0f;
        break;
    case PAWL_OP_CRITIC_LOSS:
        op.critic_loss.scale = 1.0f;
        break;
    default:
        break;
    }
    const char *shape = shapes[kind];
    for (uint32_t v = 0; v < pawl_op_form_of(kind)->view_count; v++, shape += 3)
        op.views[v] = (struct pawl_view){.arena = PAWL_WORK,
                                         .rows = size_of(shape[0]),
                                         .cols = size_of(shape[1]),
                                         .stride = 100,
                                         .at = 10000 * v};
    return op;
}

START_TEST(every_operation_checks_rows_and_columns_of_each_of_its_views)
{
    const uint64_t float_count[PAWL_ARENA_COUNT] = {[PAWL_WORK] = 1000000};
    for (int k = 0; k < PAWL_OP_KIND_COUNT; k++) {
        enum pawl_op_kind kind = (enum pawl_op_kind)k;
        const struct pawl_op_form *form = pawl_op_form_of(kind);
        struct pawl_err err = {0};
        struct pawl_op op = example(kind);
        ck_assert_uint_eq(strlen(shapes[k]), 3 * form->view_count - 1);
        ck_assert_msg(pawl_op_check(&op, float_count, &err) == 0, "%s: %s", form->name,
                      err.text);
        for (uint32_t i = 0; i < 2 * form->view_count; i++) {
            char letter = shapes[k][3 * (i / 2) + i % 2];
            if (letter != '1' && strchr(shapes[k], letter) == strrchr(shapes[k], letter))
                continue; /* a size that nothing has to agree with */
            op = example(kind);
            uint32_t *size = i % 2 ? &op.views[i / 2].cols : &op.views[i / 2].rows;
            *size += 1;
            err = (struct pawl_err){0};
            ck_assert_msg(pawl_op_check(&op, float_count, &err) != 0, "%s: %s is not checked",
                          form->name, form->views[i / 2]);
            ck_assert_ptr_nonnull(strstr(err.text, form->views[i / 2]));
        }
    }
}
END_TEST

START_TEST(every_operation_refuses_overlaps_of_what_it_writes)
{
    const uint64_t float_count[PAWL_ARENA_COUNT] = {[PAWL_WORK] = 1000000};
    for (int k = 0; k < PAWL_OP_KIND_COUNT; k++) {
        const struct pawl_op_form *form = pawl_op_form_of((enum pawl_op_kind)k);
        for (uint32_t w = 0; w < form->output_count; w++)
            for (uint32_t v = 0; v < form->view_count; v++) {
                struct pawl_err err = {0};
                struct pawl_op op = example((enum pawl_op_kind)k);
                if (v == w)
                    continue;
                op.views[v].at = op.views[w].at;
                op.views[v].stride = 99; /* so that it is never the same view */
                ck_assert_msg(pawl_op_check(&op, float_count, &err) != 0, "%s: %s and %s",
                              form->name, form->views[w], form->views[v]);
            }
    }
}
END_TEST

START_TEST(a_view_outside_its_arena_or_of_a_strange_arena_is_refused)
{
    begin();
    struct pawl_view a = make(4, 4);
    a.at += 1;
    copy_to(a);
    refused("copy: y, 4 x 4, is not within the 16 floats", "WORK");

    begin();
    a = make(4, 4);
    a.arena = 9;
    copy_to(a);
    refused("copy: y is in arena 9", "");

    begin();
    a = make(4, 4);
    a.at = UINT64_MAX - 3;
    copy_to(a);
    refused("not within", "");
}
END_TEST

START_TEST(an_absent_view_is_refused_unless_it_may_be_absent)
{
    begin();
    struct pawl_view x = make(2, 5), y = make(2, 3), w = make(3, 5);
    pawl_plan_linear(plan, &(struct pawl_op_linear){.y = y, .x = x, .w = w});
    accepted();

    begin();
    pawl_plan_linear(plan, &(struct pawl_op_linear){.y = make(2, 3), .x = make(2, 5)});
    refused("linear: w is absent", "");
}
END_TEST

START_TEST(input_is_never_written)
{
    begin();
    struct pawl_view in = pawl_plan_new(plan, PAWL_INPUT, 2, 3);
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = in, .x = make(2, 3)});
    refused("copy: y is written, and lies in INPUT", "");
}
END_TEST

START_TEST(what_is_written_overlaps_nothing)
{
    begin();
    struct pawl_view all = make(6, 10);
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = pawl_view_cols(all, 0, 5),
                                                .x = pawl_view_cols(all, 5, 5)});
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = pawl_view_cols(all, 6, 4),
                                                .x = pawl_view_cols(all, 0, 4)});
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = pawl_view_rows(all, 0, 3),
                                                .x = pawl_view_rows(all, 3, 3)});
    accepted();

    for (int i = 0; i < 4; i++) {
        begin();
        all = make(6, 10);
        struct pawl_view y = pawl_view_cols(all, 0, 5), x = pawl_view_cols(all, 4, 5);
        if (i == 1)
            y = pawl_view_cols(all, 4, 5), x = pawl_view_cols(all, 0, 5);
        if (i == 2)
            y = pawl_view_rows(all, 0, 3), x = pawl_view_rows(all, 2, 3);
        if (i == 3)
            y = x = all;
        pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = x});
        refused("copy: y, which is written, and x overlap", "");
    }
}
END_TEST

START_TEST(two_outputs_overlap_neither)
{
    begin();
    struct pawl_view q = make(4, 2), y = make(4, 1), loss = make(1, 2);
    pawl_plan_critic_loss(plan, &(struct pawl_op_critic_loss){
                                    .dq = q, .loss = loss, .q = q, .y = y, .scale = 1.0f});
    refused("critic_loss: dq, which is written, and q overlap", "");

    begin();
    q = make(4, 2);
    struct pawl_view first = q;
    first.rows = 1;
    first.cols = first.stride = 4;
    pawl_plan_linear_dw(plan, &(struct pawl_op_linear_dw){
                                  .dw = q, .db = first, .dy = make(3, 4), .x = make(3, 2)});
    refused("linear_dw: dw, which is written, and db overlap", "");
}
END_TEST

START_TEST(the_views_that_may_be_one_may_only_be_the_same)
{
    begin();
    struct pawl_view z = make(4, 6), y = make(4, 6);
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = z, .z = z});
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = y, .keep = z, .z = z});
    accepted();

    begin();
    z = make(5, 6);
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = pawl_view_rows(z, 0, 4),
                                                        .z = pawl_view_rows(z, 1, 4)});
    refused("norm_act: y, which is written, and z overlap", "");

    begin();
    z = make(5, 6);
    y = make(5, 6);
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = y, .keep = y, .z = z});
    refused("norm_act: y, which is written, and keep overlap", "");
}
END_TEST

START_TEST(a_norm_is_whole_or_absent)
{
    struct pawl_op_norm_act op;
#define NORM_ACT(...)                                                                          \
    begin();                                                                                   \
    op = (struct pawl_op_norm_act){.y = make(4, 6), .z = make(4, 6), __VA_ARGS__};             \
    pawl_plan_norm_act(plan, &op)

    NORM_ACT(.gamma = make(1, 6));
    refused("norm_act: gamma and beta", "together");
    NORM_ACT(.gamma = make(1, 6), .beta = make(1, 6), .keep = make(4, 6));
    refused("norm_act: keep and rstd", "together");
    NORM_ACT(.gamma = make(1, 6), .beta = make(1, 6), .group_count = 4);
    refused("norm_act: 6 columns are not 4 groups", "");
    NORM_ACT(.group_count = 2);
    refused("norm_act: groups and rstd belong to a norm", "");
    NORM_ACT(.gamma = make(1, 6), .beta = make(1, 6), .keep = make(4, 6), .rstd = make(4, 1),
             .group_count = 2);
    refused("norm_act: rstd has 1 columns for 2 groups", "");
    NORM_ACT(.act = (enum pawl_op_act)7);
    refused("norm_act: act 7", "");
    NORM_ACT(.gamma = make(1, 6), .beta = make(1, 6), .keep = make(4, 6), .rstd = make(4, 2),
             .group_count = 2, .act = PAWL_ACT_SILU);
    accepted();
}
END_TEST

START_TEST(a_gradient_asks_for_what_it_needs)
{
    struct pawl_op_norm_act_grad op;
#define GRAD(...)                                                                              \
    begin();                                                                                   \
    op = (struct pawl_op_norm_act_grad){.dz = make(4, 6), .dy = make(4, 6), __VA_ARGS__};      \
    pawl_plan_norm_act_grad(plan, &op)

    GRAD(.act = PAWL_ACT_RELU);
    refused("norm_act_grad: the gradient of an activation needs y", "");
    GRAD(.gamma = make(1, 6), .keep = make(4, 6));
    refused("norm_act_grad: the gradient of a norm needs", "");
    GRAD(.dbeta = make(1, 6));
    refused("norm_act_grad: dgamma and dbeta", "");
    GRAD(.act = PAWL_ACT_SILU, .y = make(4, 6));
    refused("norm_act_grad: the gradient of SiLU needs keep", "");
    GRAD(.act = PAWL_ACT_SILU, .y = make(4, 6), .keep = make(4, 6), .rstd = make(4, 1),
         .gamma = make(1, 6));
    refused("norm_act_grad: the gradient of SiLU behind a norm needs beta", "");
    GRAD(.act = PAWL_ACT_TANH, .y = make(4, 6), .keep = make(4, 6), .rstd = make(4, 1),
         .gamma = make(1, 6));
    accepted();
}
END_TEST

START_TEST(constants_are_within_their_ranges)
{
    struct pawl_view a, b, one;
#define WITH                                                                                   \
    begin();                                                                                   \
    a = make(4, 2);                                                                            \
    b = make(1, 8);                                                                            \
    one = make(1, 1)

    WITH;
    pawl_plan_tanh_gauss(plan,
                         &(struct pawl_op_tanh_gauss){
                             .mean = a, .raw = a, .eps = a, .s_min = 1.0f, .s_max = 2.0f});
    refused("tanh_gauss: action and logp are both absent", "");
    WITH;
    pawl_plan_tanh_gauss(
        plan,
        &(struct pawl_op_tanh_gauss){
            .action = make(4, 2), .mean = a, .raw = a, .eps = a, .s_min = 0.0f, .s_max = 2.0f});
    refused("tanh_gauss: s is held within 0..2", "");
    WITH;
    pawl_plan_tanh_gauss_grad(plan, &(struct pawl_op_tanh_gauss_grad){.dmean = make(4, 2),
                                                                      .draw = make(4, 2),
                                                                      .action = a,
                                                                      .raw = a,
                                                                      .eps = a,
                                                                      .s_min = 1.0f,
                                                                      .s_max = 2.0f});
    refused("tanh_gauss_grad: daction and dlogp are both absent", "");
    WITH;
    pawl_plan_td_target(plan, &(struct pawl_op_td_target){.y = make(4, 1),
                                                          .q = a,
                                                          .reward = make(4, 1),
                                                          .discount = make(4, 1),
                                                          .logp = make(4, 1)});
    refused("td_target: logp and log_alpha", "");
    WITH;
    pawl_plan_critic_loss(plan,
                          &(struct pawl_op_critic_loss){
                              .dq = make(4, 2), .loss = make(1, 2), .q = a, .y = make(4, 1)});
    refused("critic_loss: scale is 0", "");
    WITH;
    pawl_plan_clip(plan, &(struct pawl_op_clip){
                             .norm = one, .gate = make(1, 1), .g = {b}, .max_norm = -1.0f});
    refused("clip: max_norm is -1", "");
    WITH;
    pawl_plan_clip(plan, &(struct pawl_op_clip){
                             .norm = one, .gate = make(1, 1), .g = {b, [2] = make(1, 3)}});
    refused("clip: the g that are used come first", "");
    WITH;
    pawl_plan_clip(plan, &(struct pawl_op_clip){.norm = one, .gate = make(1, 1), .g = {b, b}});
    refused("clip: g[0], which is written, and g[1] overlap", "");
    WITH;
    pawl_plan_adam(plan, &(struct pawl_op_adam){.p = b,
                                                .m = make(1, 8),
                                                .v = make(1, 8),
                                                .step = one,
                                                .g = make(1, 8),
                                                .beta1 = 1.0});
    refused("adam: beta1, beta2 are 1, 0", "");
    WITH;
    pawl_plan_adam(plan,
                   &(struct pawl_op_adam){
                       .p = b, .m = make(1, 8), .v = make(1, 8), .step = one, .g = make(1, 7)});
    refused("adam: g has 7 columns, p asks for 8", "");
    WITH;
    pawl_plan_polyak(plan, &(struct pawl_op_polyak){.target = b, .p = make(1, 8), .w = 1.5});
    refused("polyak: w is 1.5", "");
}
END_TEST

START_TEST(sizes_and_counts_have_limits)
{
    struct pawl_err err = {0};
    begin();
    make(0, 4);
    refused("a matrix of 0 x 4", "");
    begin();
    make(UINT32_MAX, UINT32_MAX);
    refused("larger than", "");
    begin();
    for (uint32_t i = 1; i < PAWL_PLAN_LISTS_MAX; i++)
        ck_assert_uint_eq(pawl_plan_begin(plan, "list"), i);
    pawl_plan_begin(plan, "late");
    refused("list \"late\" is one more than 64", "");

    ck_assert_int_eq(pawl_plan_open(&plan, &err), 0);
    copy_to(make(1, 1));
    refused("copy before the first list", "");
    pawl_plan_close(NULL);
}
END_TEST

START_TEST(a_finished_plan_tells_its_lists_and_operations)
{
    struct pawl_err err = {0};
    size_t count;
    begin();
    struct pawl_view a = make(2, 2), x = make(2, 2);
    for (int i = 0; i < 100; i++)
        pawl_plan_copy(plan, &(struct pawl_op_copy){.y = a, .x = x, .accumulate = i == 99});
    uint32_t second = pawl_plan_begin(plan, "second");
    pawl_plan_linear(plan, &(struct pawl_op_linear){.y = a, .x = x, .w = make(2, 2)});
    ck_assert_int_eq(pawl_plan_finish(plan, &err), 0);
    ck_assert_uint_eq(pawl_plan_list_count(plan), 2);
    const struct pawl_op *ops = pawl_plan_ops(plan, 0, &count);
    ck_assert_uint_eq(count, 100);
    ck_assert(!ops[98].copy.accumulate && ops[99].copy.accumulate);
    ops = pawl_plan_ops(plan, second, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(ops[0].kind, PAWL_OP_LINEAR);
    pawl_plan_close(plan);
}
END_TEST

PAWL_TEST_MAIN("plan", state_has_no_gaps_and_the_other_arenas_begin_at_64_bytes,
               parts_of_a_view_are_where_they_should_be,
               an_impossible_part_is_refused_where_it_is_used,
               a_mistake_names_the_list_the_operation_and_the_numbers,
               every_operation_checks_rows_and_columns_of_each_of_its_views,
               every_operation_refuses_overlaps_of_what_it_writes,
               a_view_outside_its_arena_or_of_a_strange_arena_is_refused,
               an_absent_view_is_refused_unless_it_may_be_absent, input_is_never_written,
               what_is_written_overlaps_nothing, two_outputs_overlap_neither,
               the_views_that_may_be_one_may_only_be_the_same, a_norm_is_whole_or_absent,
               a_gradient_asks_for_what_it_needs, constants_are_within_their_ranges,
               sizes_and_counts_have_limits, a_finished_plan_tells_its_lists_and_operations)
