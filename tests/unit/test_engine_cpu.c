#include "policy/engine_cpu.h"

#include <stdlib.h>

#include "support/engine_rig.h"
#include "support/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* want (m, n) = [start +] op(a) op(b): a (m, k), or (k, m) when turned; b (k, n), or (n, k). */
static double *product(const double *a, bool a_is_turned, const double *b, bool b_is_turned,
                       uint32_t m, uint32_t n, uint32_t k, const double *start)
{
    double *want = rig.pool + rig.pool_used;
    rig.pool_used += (size_t)m * n;
    for (uint32_t r = 0; r < m; r++)
        for (uint32_t c = 0; c < n; c++) {
            double sum = start ? start[r * n + c] : 0.0;
            for (uint32_t i = 0; i < k; i++)
                sum += (a_is_turned ? a[i * m + r] : a[r * k + i]) *
                       (b_is_turned ? b[c * k + i] : b[i * n + c]);
            want[r * n + c] = sum;
        }
    return want;
}

static double *column_sums(const double *x, uint32_t rows, uint32_t cols, const double *start)
{
    double *want = rig.pool + rig.pool_used;
    rig.pool_used += cols;
    for (uint32_t c = 0; c < cols; c++) {
        want[c] = start ? start[c] : 0.0;
        for (uint32_t r = 0; r < rows; r++)
            want[c] += x[r * cols + c];
    }
    return want;
}

static const struct {
    uint32_t rows, in, out;
} products[] = {{1, 1, 1},  {7, 5, 1},  {11, 37, 2},  {5, 18, 3}, {9, 22, 4},
                {4, 33, 8}, {3, 17, 9}, {33, 18, 40}, {13, 64, 1}};

START_TEST(linear_is_the_product_with_w_transposed_and_the_bias)
{
    for (size_t p = 0; p < 2 * COUNT(products); p++)
        for (size_t k = 0; rig_begin(k);) {
            uint32_t B = products[p / 2].rows, in = products[p / 2].in,
                     out = products[p / 2].out;
            struct pawl_op_linear op = {
                .y = rig_new(B, out), .x = rig_new(B, in), .w = rig_new(out, in)};
            struct pawl_view b = rig_new(1, out);
            if (p % 2)
                op.b = b;
            pawl_plan_linear(rig.plan, &op);
            rig_open();
            rig_go();
            double *want = product(rig_get(op.x), false, rig_get(op.w), true, B, out, in, NULL);
            double *bias = rig_get(b);
            for (uint32_t i = 0; p % 2 && i < B * out; i++)
                want[i] += bias[i % out];
            rig_check("y", rig_get(op.y), want, (size_t)B * out, 1e-5);
            k = rig_end();
        }
}
END_TEST

START_TEST(linear_dx_is_the_product_with_w_or_adds_it)
{
    for (size_t p = 0; p < 2 * COUNT(products); p++)
        for (size_t k = 0; rig_begin(k);) {
            uint32_t B = products[p / 2].rows, in = products[p / 2].in,
                     out = products[p / 2].out;
            struct pawl_op_linear_dx op = {.dx = rig_new(B, in),
                                           .dy = rig_new(B, out),
                                           .w = rig_new(out, in),
                                           .accumulate = p % 2};
            pawl_plan_linear_dx(rig.plan, &op);
            rig_open();
            const double *before = rig_get(op.dx);
            rig_go();
            rig_check("dx", rig_get(op.dx),
                      product(rig_get(op.dy), false, rig_get(op.w), false, B, in, out,
                              p % 2 ? before : NULL),
                      (size_t)B * in, 1e-5);
            k = rig_end();
        }
}
END_TEST

START_TEST(linear_dw_is_the_product_of_dy_transposed_and_its_sums_or_adds_them)
{
    for (size_t p = 0; p < 2 * COUNT(products); p++)
        for (size_t k = 0; rig_begin(k);) {
            uint32_t B = products[p / 2].rows, in = products[p / 2].in,
                     out = products[p / 2].out;
            struct pawl_op_linear_dw op = {.dw = rig_new(out, in),
                                           .db = rig_new(1, out),
                                           .dy = rig_new(B, out),
                                           .x = rig_new(B, in),
                                           .accumulate = p % 2};
            pawl_plan_linear_dw(rig.plan, &op);
            rig_open();
            const double *dw = p % 2 ? rig_get(op.dw) : NULL;
            const double *db = p % 2 ? rig_get(op.db) : NULL;
            rig_go();
            rig_check("dw", rig_get(op.dw),
                      product(rig_get(op.dy), true, rig_get(op.x), false, out, in, B, dw),
                      (size_t)out * in, 1e-5);
            rig_check("db", rig_get(op.db), column_sums(rig_get(op.dy), B, out, db), out, 1e-5);
            k = rig_end();
        }
}
END_TEST

/* The forward operation in float64, on the arrays of `now`. */
static struct {
    uint32_t rows, cols, groups;
    enum pawl_op_act act;
    bool has_norm;
    double *z, *b, *gamma, *beta; /* b, gamma, beta: NULL as in the operation */
    double *y, *keep, *rstd;
    const double *dy;
} now;

static double activated(double u)
{
    switch (now.act) {
    case PAWL_ACT_RELU:
        return u < 0.0 ? 0.0 : u;
    case PAWL_ACT_SILU:
        return u / (1.0 + exp(-u));
    case PAWL_ACT_TANH:
        return tanh(u);
    case PAWL_ACT_NONE:
        break;
    }
    return u;
}

static void forward(void)
{
    uint32_t n = now.cols / now.groups;
    for (uint32_t at = 0; at < now.rows * now.cols; at += n) {
        double mean = 0.0, variance = 0.0;
        uint32_t col = at % now.cols;
        for (uint32_t i = 0; i < n; i++) {
            now.keep[at + i] = now.z[at + i] + (now.b ? now.b[col + i] : 0.0);
            mean += now.keep[at + i] / n;
        }
        for (uint32_t i = 0; i < n; i++)
            variance += (now.keep[at + i] - mean) * (now.keep[at + i] - mean) / n;
        double rstd = 1.0 / sqrt(variance + 1e-5);
        now.rstd[at / n] = rstd;
        for (uint32_t i = 0; i < n; i++) {
            if (now.has_norm)
                now.keep[at + i] = (now.keep[at + i] - mean) * rstd;
            now.y[at + i] = activated(now.has_norm ? now.keep[at + i] * now.gamma[col + i] +
                                                         now.beta[col + i]
                                                   : now.keep[at + i]);
        }
    }
}

static double weighed(void)
{
    double sum = 0.0;
    forward();
    for (uint32_t i = 0; i < now.rows * now.cols; i++)
        sum += now.dy[i] * now.y[i];
    return sum;
}

static double *room(size_t count)
{
    double *values = rig.pool + rig.pool_used;
    rig.pool_used += count;
    return values;
}

static const struct {
    uint32_t rows, cols, groups;
    bool has_norm, has_bias;
} layers[] = {{1, 6, 1, true, true},   {5, 18, 2, true, false}, {9, 40, 1, true, true},
              {6, 70, 2, true, true},  {5, 37, 1, false, true}, {4, 16, 1, false, false},
              {1, 3, 1, false, false}, {2, 130, 2, true, true}};

static struct pawl_op_norm_act layer_of(size_t l, enum pawl_op_act act)
{
    uint32_t B = layers[l].rows, n = layers[l].cols, g = layers[l].groups;
    struct pawl_op_norm_act op = {.y = rig_new(B, n),
                                  .keep = rig_new(B, n),
                                  .z = rig_new(B, n),
                                  .group_count = g,
                                  .act = act};
    if (layers[l].has_bias)
        op.b = rig_new(1, n);
    if (layers[l].has_norm) {
        op.rstd = rig_new(B, g);
        op.gamma = rig_new(1, n);
        op.beta = rig_new(1, n);
    }
    return op;
}

/* Takes the operation's inputs over and evaluates it. */
static void evaluate(const struct pawl_op_norm_act *op)
{
    size_t count = pawl_view_count(op->y);
    now.rows = op->y.rows;
    now.cols = op->y.cols;
    now.groups = op->group_count;
    now.act = op->act;
    now.has_norm = pawl_view_is(op->gamma);
    now.z = rig_get(op->z);
    now.b = pawl_view_is(op->b) ? rig_get(op->b) : NULL;
    now.gamma = now.has_norm ? rig_get(op->gamma) : NULL;
    now.beta = now.has_norm ? rig_get(op->beta) : NULL;
    now.y = room(count);
    now.keep = room(count);
    now.rstd = room(op->y.rows * op->group_count);
    forward();
}

START_TEST(norm_act_is_bias_norm_and_activation_and_keeps_what_the_gradient_needs)
{
    for (size_t l = 0; l < 4 * COUNT(layers); l++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_norm_act op = layer_of(l / 4, (enum pawl_op_act)(l % 4));
            size_t count = pawl_view_count(op.y);
            pawl_plan_norm_act(rig.plan, &op);
            rig_open();
            evaluate(&op);
            rig_go();
            rig_check("y", rig_get(op.y), now.y, count, 2e-6);
            rig_check("keep", rig_get(op.keep), now.keep, count, 2e-6);
            if (now.has_norm)
                rig_check("rstd", rig_get(op.rstd), now.rstd, op.y.rows * op.group_count, 1e-6);
            k = rig_end();
        }
}
END_TEST

START_TEST(norm_act_works_in_place_and_without_keeping)
{
    for (size_t l = 0; l < 3 * COUNT(layers); l++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_norm_act op = layer_of(l / 3, PAWL_ACT_SILU);
            if (l % 3 == 0)
                op.keep = op.z; /* z is lost, y is beside it */
            else
                op.keep = op.rstd = (struct pawl_view){0};
            if (l % 3 == 1)
                op.y = op.z;
            pawl_plan_norm_act(rig.plan, &op);
            rig_open();
            evaluate(&op);
            rig_go();
            rig_check("y", rig_get(op.y), now.y, pawl_view_count(op.y), 2e-6);
            if (l % 3 == 0)
                rig_check("keep", rig_get(op.keep), now.keep, pawl_view_count(op.y), 2e-6);
            k = rig_end();
        }
}
END_TEST

/* Kinks of ReLU have no difference quotient: keep away from them. */
static void leave_kinks(struct pawl_view z)
{
    double *values = rig_get(z);
    for (uint64_t i = 0; i < pawl_view_count(z); i++)
        values[i] += values[i] < 0 ? -0.01 : 0.01;
    rig_set(z, values);
}

START_TEST(norm_act_grad_agrees_with_difference_quotients)
{
    for (size_t l = 0; l < 8 * COUNT(layers); l++)
        for (size_t k = 0; rig_begin(k);) {
            enum pawl_op_act act = (enum pawl_op_act)(l % 4);
            bool accumulate = l % 8 >= 4;
            struct pawl_op_norm_act op = layer_of(l / 8, act);
            uint32_t B = op.y.rows, n = op.y.cols;
            struct pawl_op_norm_act_grad grad = {.dz = rig_new(B, n),
                                                 .db = rig_new(1, n),
                                                 .dy = rig_new(B, n),
                                                 .y = op.y,
                                                 .keep = op.keep,
                                                 .rstd = op.rstd,
                                                 .gamma = op.gamma,
                                                 .beta = op.beta,
                                                 .group_count = op.group_count,
                                                 .act = act,
                                                 .accumulate = accumulate};
            if (pawl_view_is(op.gamma)) {
                grad.dgamma = rig_new(1, n);
                grad.dbeta = rig_new(1, n);
            }
            if (accumulate)
                grad.dz = grad.dy; /* in place */
            pawl_plan_norm_act(rig.plan, &op);
            pawl_plan_norm_act_grad(rig.plan, &grad);
            rig_open();
            leave_kinks(op.z);
            now.dy = rig_get(grad.dy);
            const struct pawl_view sums[] = {grad.dgamma, grad.dbeta, grad.db};
            const double *before[3];
            for (size_t i = 0; i < 3; i++)
                before[i] = pawl_view_is(sums[i]) ? rig_get(sums[i]) : NULL;
            evaluate(&op);
            rig_go();

            double *want = room((size_t)B * n);
            rig_differentiate(weighed, now.z, (size_t)B * n, want);
            rig_check("dz", rig_get(grad.dz), want, (size_t)B * n, 2e-5);
            double *of_b = room(n);
            memset(of_b, 0, n * sizeof(*of_b));
            for (uint32_t i = 0; i < B * n; i++)
                of_b[i % n] += want[i];
            double *parameters[] = {now.gamma, now.beta, NULL};
            for (size_t i = 0; i < 3; i++) {
                if (!pawl_view_is(sums[i]))
                    continue;
                if (parameters[i])
                    rig_differentiate(weighed, parameters[i], n, want);
                else
                    memcpy(want, of_b, n * sizeof(*want));
                for (uint32_t c = 0; accumulate && c < n; c++)
                    want[c] += before[i][c];
                rig_check(i == 0   ? "dgamma"
                          : i == 1 ? "dbeta"
                                   : "db",
                          rig_get(sums[i]), want, n, 2e-5);
            }
            k = rig_end();
        }
}
END_TEST

START_TEST(silu_keeps_its_slope_where_its_value_vanishes)
{
    static const double at[] = {0.0, 1e-30, -1e-6, 9.9e-4, 1.1e-3, -60.0, -200.0, 200.0};
    for (size_t k = 0; rig_begin(k);) {
        uint32_t n = COUNT(at);
        struct pawl_op_norm_act op = {.y = rig_new(1, n),
                                      .keep = rig_new(1, n),
                                      .z = rig_new(1, n),
                                      .act = PAWL_ACT_SILU};
        struct pawl_op_norm_act_grad grad = {.dz = rig_new(1, n),
                                             .dy = rig_new(1, n),
                                             .y = op.y,
                                             .keep = op.keep,
                                             .act = PAWL_ACT_SILU};
        double want[COUNT(at)];
        pawl_plan_norm_act(rig.plan, &op);
        pawl_plan_norm_act_grad(rig.plan, &grad);
        rig_open();
        rig_set(op.z, at);
        rig_fill(grad.dy, 1.0);
        rig_go();
        for (uint32_t i = 0; i < n; i++) {
            double s = 1.0 / (1.0 + exp(-at[i]));
            want[i] = s + at[i] * s * (1.0 - s);
        }
        rig_check("dz", rig_get(grad.dz), want, n, 1e-6);
        k = rig_end();
    }
}
END_TEST

START_TEST(what_is_not_a_number_comes_through)
{
    for (size_t k = 0; rig_begin(k);) {
        struct pawl_view z = rig_new(1, 4), y[4];
        for (unsigned act = 0; act < 4; act++) {
            y[act] = rig_new(1, 4);
            pawl_plan_norm_act(
                rig.plan,
                &(struct pawl_op_norm_act){.y = y[act], .z = z, .act = (enum pawl_op_act)act});
        }
        rig_open();
        rig_fill(z, (double)NAN);
        rig_go();
        for (unsigned act = 0; act < 4; act++)
            for (int i = 0; i < 4; i++)
                ck_assert(isnan(rig_get(y[act])[i]));
        k = rig_end();
    }
}
END_TEST

START_TEST(copies_and_sums_do_what_they_say)
{
    for (size_t k = 0; rig_begin(k);) {
        struct pawl_view a = rig_new(5, 19), b = rig_new(5, 19), c = rig_new(5, 19);
        pawl_plan_copy(rig.plan, &(struct pawl_op_copy){.y = a, .x = c});
        pawl_plan_copy(rig.plan, &(struct pawl_op_copy){.y = b, .x = c, .accumulate = true});
        rig_open();
        const double *from = rig_get(c), *before = rig_get(b);
        double sum[95];
        rig_go();
        for (int i = 0; i < 95; i++)
            sum[i] = before[i] + from[i];
        rig_check("copy", rig_get(a), from, 95, 0.0);
        rig_check("sum", rig_get(b), sum, 95, 1e-7);
        k = rig_end();
    }
}
END_TEST

START_TEST(lists_run_in_the_order_asked_for_on_memory_that_stays)
{
    struct pawl_plan *plan;
    struct pawl_engine *engine;
    struct pawl_engine_setup setup = {.thread_count = 1};
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_plan_open(&plan, NULL), 0);
    struct pawl_view state = pawl_plan_new(plan, PAWL_STATE, 1, 3);
    struct pawl_view in = pawl_plan_new(plan, PAWL_INPUT, 2, 3);
    struct pawl_view out = pawl_plan_new(plan, PAWL_OUTPUT, 1, 3);
    uint32_t add = pawl_plan_begin(plan, "add");
    pawl_plan_copy(plan, &(struct pawl_op_copy){
                             .y = state, .x = pawl_view_rows(in, 1, 1), .accumulate = true});
    uint32_t tell = pawl_plan_begin(plan, "tell");
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = out, .x = state});
    ck_assert_int_eq(pawl_plan_finish(plan, &err), 0);
    ck_assert_int_eq(pawl_engine_cpu.open(&engine, plan, &setup, &err), 0);

    float *rows = engine->ops->input(engine, in);
    rows[in.stride + 2] = 1.5f;
    ck_assert_int_eq(engine->ops->run(engine, add, &err), 0);
    rows[in.stride + 2] = 2.0f;
    ck_assert_int_eq(engine->ops->run(engine, add, &err), 0);
    ck_assert_int_eq(engine->ops->run(engine, tell, &err), 0);
    ck_assert_int_eq(engine->ops->finish(engine, &err), 0);
    ck_assert_double_eq((double)engine->ops->output(engine, out)[2], 3.5);

    float *block = engine->ops->state(engine);
    ck_assert_double_eq((double)block[2], 3.5);
    block[2] = 9.0f;
    ck_assert_int_eq(engine->ops->restore(engine, &err), 0);
    ck_assert_int_eq(engine->ops->run(engine, tell, &err), 0);
    ck_assert_double_eq((double)engine->ops->output(engine, out)[2], 9.0);

    ck_assert_int_ne(engine->ops->run(engine, 2, &err), 0);
    ck_assert_int_ne(engine->ops->read(engine, pawl_view_rows(in, 1, 2), rows, &err), 0);
    engine->ops->close(engine);
    pawl_engine_cpu.close(NULL);
    pawl_plan_close(plan);
}
END_TEST

PAWL_TEST_MAIN("engine_cpu", linear_is_the_product_with_w_transposed_and_the_bias,
               linear_dx_is_the_product_with_w_or_adds_it,
               linear_dw_is_the_product_of_dy_transposed_and_its_sums_or_adds_them,
               norm_act_is_bias_norm_and_activation_and_keeps_what_the_gradient_needs,
               norm_act_works_in_place_and_without_keeping,
               norm_act_grad_agrees_with_difference_quotients,
               silu_keeps_its_slope_where_its_value_vanishes,
               what_is_not_a_number_comes_through, copies_and_sums_do_what_they_say,
               lists_run_in_the_order_asked_for_on_memory_that_stays)
