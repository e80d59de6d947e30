/* Each operation of a plan on libtorch beside the engine that trains on the CPU: same plan,
 * same random arenas, and afterwards all of each arena is the same. */
#include "policy/door.h"
#include "policy/engine.h"
#include "policy/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"
#include "support/test.h"

#define B         7 /* rows; few enough for sums to stay close */
#define TOLERANCE 2e-5

static struct pawl_plan *plan;
static uint32_t the_list;
static struct pawl_philox philox;
static struct pawl_engine *ours, *theirs;
static float *arena_rows;

/* Values that a view must have instead of random ones. */
static struct {
    struct pawl_view view;
    float first, step; /* element i is first + i * step */
} given[32];
static size_t given_count;

static void setup(void)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_plan_open(&plan, &err), 0);
    pawl_philox_open(&philox, 5, 0, 0);
    the_list = pawl_plan_begin(plan, "test");
}

/* In the middle of wider rows, so that strides count. */
static struct pawl_view work(uint32_t rows, uint32_t cols)
{
    return pawl_view_cols(pawl_plan_new(plan, PAWL_WORK, rows, cols + 5), 2, cols);
}

static struct pawl_view input(uint32_t rows, uint32_t cols)
{
    return pawl_view_cols(pawl_plan_new(plan, PAWL_INPUT, rows, cols + 5), 3, cols);
}

static struct pawl_view state(uint32_t rows, uint32_t cols)
{
    return pawl_plan_new(plan, PAWL_STATE, rows, cols);
}

static struct pawl_view output(uint32_t rows, uint32_t cols)
{
    return pawl_plan_new(plan, PAWL_OUTPUT, rows, cols);
}

static struct pawl_view give(struct pawl_view view, float first, float step)
{
    given[given_count].view = view;
    given[given_count].first = first;
    given[given_count++].step = step;
    return view;
}

static struct pawl_view whole(enum pawl_arena arena)
{
    uint32_t count = (uint32_t)pawl_plan_float_count(plan, arena);
    return (struct pawl_view){.arena = arena, .rows = 1, .cols = count, .stride = count};
}

static void write_both(struct pawl_view view, const float *rows)
{
    struct pawl_err err = {0};
    ck_assert_msg(ours->ops->write(ours, view, rows, &err) == 0, "%s", err.text);
    ck_assert_msg(theirs->ops->write(theirs, view, rows, &err) == 0, "%s", err.text);
}

static void open_both(void)
{
    struct pawl_err err = {0};
    struct pawl_engine_setup one = {.thread_count = 1};
    const struct pawl_engine_ops *torch = pawl_door_engine("torch", 1, &err);
    ck_assert_msg(torch != NULL, "%s", err.text);
    ck_assert_msg(pawl_plan_finish(plan, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_engine_cpu.open(&ours, plan, &one, &err) == 0, "%s", err.text);
    ck_assert_msg(torch->open(&theirs, plan, &one, &err) == 0, "%s", err.text);
    for (uint32_t arena = 0; arena < PAWL_ARENA_COUNT; arena++) {
        struct pawl_view all = whole(arena);
        arena_rows = realloc(arena_rows, (all.cols + 1) * sizeof(float));
        for (uint32_t i = 0; i < all.cols; i++)
            arena_rows[i] = (float)pawl_philox_normal(&philox);
        if (all.cols)
            write_both(all, arena_rows);
    }
    for (size_t k = 0; k < given_count; k++) {
        uint64_t count = pawl_view_count(given[k].view);
        arena_rows = realloc(arena_rows, count * sizeof(float));
        for (uint64_t i = 0; i < count; i++)
            arena_rows[i] = given[k].first + (float)i * given[k].step;
        write_both(given[k].view, arena_rows);
    }
}

static void compare_arena(enum pawl_arena arena, double tolerance)
{
    struct pawl_err err = {0};
    struct pawl_view all = whole(arena);
    float *a = malloc((all.cols + 1) * sizeof(float)),
          *b = malloc((all.cols + 1) * sizeof(float));
    if (all.cols) {
        ck_assert_msg(ours->ops->read(ours, all, a, &err) == 0, "%s", err.text);
        ck_assert_msg(theirs->ops->read(theirs, all, b, &err) == 0, "%s", err.text);
    }
    for (uint32_t i = 0; i < all.cols; i++) {
        double x = (double)a[i], y = (double)b[i];
        bool is_same =
            x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= tolerance * (1.0 + fabs(x));
        ck_assert_msg(is_same, "arena %u, float %u: ours %.9g, theirs %.9g", arena, i, x, y);
    }
    free(a);
    free(b);
}

static void run_both(double tolerance)
{
    struct pawl_err err = {0};
    ck_assert_msg(ours->ops->run(ours, the_list, &err) == 0, "%s", err.text);
    ck_assert_msg(theirs->ops->run(theirs, the_list, &err) == 0, "%s", err.text);
    ck_assert_msg(theirs->ops->finish(theirs, &err) == 0, "%s", err.text);
    for (uint32_t arena = 0; arena < PAWL_ARENA_COUNT; arena++)
        compare_arena(arena, tolerance);
}

static void teardown(void)
{
    ours->ops->close(ours);
    theirs->ops->close(theirs);
    pawl_plan_close(plan);
    free(arena_rows);
    arena_rows = NULL;
    ours = theirs = NULL;
    given_count = 0;
}

static void compare(void)
{
    open_both();
    run_both(TOLERANCE);
    teardown();
}

START_TEST(copies_are_ours)
{
    setup();
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = work(B, 5), .x = input(B, 5)});
    pawl_plan_copy(
        plan, &(struct pawl_op_copy){.y = work(B, 5), .x = work(B, 5), .accumulate = true});
    compare();
}
END_TEST

START_TEST(a_linear_layer_and_its_gradients_are_ours)
{
    for (int accumulate = 0; accumulate < 2; accumulate++) {
        setup();
        struct pawl_view w = state(6, 4), b = state(1, 6), x = input(B, 4);
        struct pawl_view y = work(B, 6), dy = work(B, 6);
        pawl_plan_linear(plan, &(struct pawl_op_linear){.y = y, .x = x, .w = w, .b = b});
        pawl_plan_linear(plan, &(struct pawl_op_linear){.y = work(B, 6), .x = x, .w = w});
        pawl_plan_linear_dx(plan,
                            &(struct pawl_op_linear_dx){
                                .dx = work(B, 4), .dy = dy, .w = w, .accumulate = accumulate});
        pawl_plan_linear_dx(plan, &(struct pawl_op_linear_dx){.dx = work(B, 2),
                                                              .dy = dy,
                                                              .w = pawl_view_cols(w, 1, 2),
                                                              .accumulate = accumulate});
        pawl_plan_linear_dw(plan, &(struct pawl_op_linear_dw){.dw = work(6, 4),
                                                              .db = work(1, 6),
                                                              .dy = dy,
                                                              .x = x,
                                                              .accumulate = accumulate});
        pawl_plan_linear_dw(plan,
                            &(struct pawl_op_linear_dw){
                                .dw = work(6, 4), .dy = dy, .x = x, .accumulate = accumulate});
        compare();
    }
}
END_TEST

/* A layer of `groups` layers of 6 beside each other, forward and back, with every part that can
 * be absent there or not. */
static void add_norm_act(enum pawl_op_act act, uint32_t groups, bool has_norm, bool has_bias,
                         bool is_in_place, bool accumulate)
{
    uint32_t n = 6 * groups;
    struct pawl_view none = {0}, z = work(B, n), y = is_in_place ? z : work(B, n);
    struct pawl_view gamma = has_norm ? state(1, n) : none;
    struct pawl_view beta = has_norm ? state(1, n) : none;
    struct pawl_view keep = work(B, n), rstd = has_norm ? work(B, groups) : none;
    struct pawl_view dy = work(B, n);
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = y,
                                                        .keep = keep,
                                                        .rstd = rstd,
                                                        .z = z,
                                                        .b = has_bias ? state(1, n) : none,
                                                        .gamma = gamma,
                                                        .beta = beta,
                                                        .group_count = groups,
                                                        .act = act});
    pawl_plan_norm_act_grad(
        plan, &(struct pawl_op_norm_act_grad){.dz = is_in_place ? dy : work(B, n),
                                              .dgamma = has_norm ? work(1, n) : none,
                                              .dbeta = has_norm ? work(1, n) : none,
                                              .db = has_bias ? work(1, n) : none,
                                              .dy = dy,
                                              .y = y,
                                              .keep = keep,
                                              .rstd = rstd,
                                              .gamma = gamma,
                                              .beta = beta,
                                              .group_count = groups,
                                              .act = act,
                                              .accumulate = accumulate});
}

START_TEST(norms_activations_and_their_gradients_are_ours)
{
    for (int act = PAWL_ACT_NONE; act <= PAWL_ACT_TANH; act++) {
        for (unsigned parts = 0; parts < 16; parts++) {
            setup();
            add_norm_act((enum pawl_op_act)act, 1, parts & 1, parts & 2, parts & 4, parts & 8);
            compare();
        }
    }
}
END_TEST

START_TEST(layers_beside_each_other_are_normalised_each_for_itself)
{
    for (unsigned parts = 0; parts < 8; parts++) {
        setup();
        add_norm_act(PAWL_ACT_SILU, 3, true, parts & 1, parts & 2, parts & 4);
        compare();
    }
}
END_TEST

START_TEST(a_layer_that_only_acts_keeps_nothing)
{
    setup();
    struct pawl_view z = work(B, 6);
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = z,
                                                        .z = z,
                                                        .b = state(1, 6),
                                                        .gamma = state(1, 6),
                                                        .beta = state(1, 6),
                                                        .act = PAWL_ACT_TANH});
    compare();
}
END_TEST

START_TEST(what_is_kept_may_lie_where_the_product_was)
{
    setup();
    struct pawl_view z = work(B, 6), gamma = state(1, 6), beta = state(1, 6);
    struct pawl_view y = work(B, 6), rstd = work(B, 1), dy = work(B, 6);
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = y,
                                                        .keep = z,
                                                        .rstd = rstd,
                                                        .z = z,
                                                        .gamma = gamma,
                                                        .beta = beta,
                                                        .act = PAWL_ACT_SILU});
    pawl_plan_norm_act_grad(plan, &(struct pawl_op_norm_act_grad){.dz = dy,
                                                                  .dy = dy,
                                                                  .y = y,
                                                                  .keep = z,
                                                                  .rstd = rstd,
                                                                  .gamma = gamma,
                                                                  .beta = beta,
                                                                  .act = PAWL_ACT_SILU});
    compare();
}
END_TEST

/* Narrow bounds, so that some of exp(raw) is clamped at either. */
START_TEST(the_policys_sample_its_density_and_their_gradients_are_ours)
{
    for (unsigned parts = 2; parts < 8; parts++) { /* one gradient at least */
        setup();
        struct pawl_view none = {0}, action = work(B, 3), raw = work(B, 3), eps = input(B, 3);
        bool is_variance = parts & 1;
        pawl_plan_tanh_gauss(plan, &(struct pawl_op_tanh_gauss){.action = action,
                                                                .logp = work(B, 1),
                                                                .mean = work(B, 3),
                                                                .raw = raw,
                                                                .eps = eps,
                                                                .s_min = 0.5f,
                                                                .s_max = 1.5f,
                                                                .s_is_variance = is_variance});
        pawl_plan_tanh_gauss_grad(
            plan, &(struct pawl_op_tanh_gauss_grad){.dmean = work(B, 3),
                                                    .draw = work(B, 3),
                                                    .daction = parts & 2 ? work(B, 3) : none,
                                                    .dlogp = parts & 4 ? work(B, 1) : none,
                                                    .action = action,
                                                    .raw = raw,
                                                    .eps = eps,
                                                    .s_min = 0.5f,
                                                    .s_max = 1.5f,
                                                    .s_is_variance = is_variance});
        compare();
    }
}
END_TEST

START_TEST(a_density_stays_a_number_far_outside)
{
    setup();
    pawl_plan_tanh_gauss(plan, &(struct pawl_op_tanh_gauss){.action = work(B, 1),
                                                            .logp = work(B, 1),
                                                            .mean = give(work(B, 1), -60, 20),
                                                            .raw = work(B, 1),
                                                            .eps = input(B, 1),
                                                            .s_min = 1e-3f,
                                                            .s_max = 2.0f});
    compare();
}
END_TEST

START_TEST(the_targets_of_critics_are_ours)
{
    setup();
    struct pawl_view logp = work(B, 1), log_alpha = state(1, 1);
    pawl_plan_td_target(plan, &(struct pawl_op_td_target){.y = work(B, 1),
                                                          .q = work(B, 4),
                                                          .chosen = give(input(1, 4), -1, 1),
                                                          .reward = input(B, 1),
                                                          .discount = input(B, 1),
                                                          .logp = logp,
                                                          .log_alpha = log_alpha});
    pawl_plan_td_target(plan, &(struct pawl_op_td_target){.y = work(B, 1),
                                                          .q = give(work(B, 2), NAN, 0),
                                                          .reward = input(B, 1),
                                                          .discount = input(B, 1)});
    compare();
}
END_TEST

START_TEST(the_losses_of_critics_actor_and_temperature_are_ours)
{
    setup();
    struct pawl_view q = work(B, 3), logp = work(B, 1), log_alpha = state(1, 1);
    pawl_plan_critic_loss(plan, &(struct pawl_op_critic_loss){.dq = work(B, 3),
                                                              .loss = output(1, 3),
                                                              .error = output(B, 1),
                                                              .q = q,
                                                              .y = work(B, 1),
                                                              .weight = input(B, 1),
                                                              .scale = 0.5f});
    pawl_plan_critic_loss(
        plan,
        &(struct pawl_op_critic_loss){
            .dq = work(B, 3), .loss = output(1, 3), .q = q, .y = work(B, 1), .scale = 1.0f});
    pawl_plan_actor_loss(plan, &(struct pawl_op_actor_loss){.dq = work(B, 3),
                                                            .dlogp = work(B, 1),
                                                            .loss = output(1, 1),
                                                            .q = q,
                                                            .logp = logp,
                                                            .log_alpha = log_alpha});
    pawl_plan_temperature_loss(plan,
                               &(struct pawl_op_temperature_loss){.dlog_alpha = work(1, 1),
                                                                  .loss = output(1, 1),
                                                                  .logp = logp,
                                                                  .log_alpha = log_alpha,
                                                                  .target_entropy = -1.5f});
    compare();
}
END_TEST

START_TEST(of_equal_critics_the_first_gets_the_gradient)
{
    setup();
    pawl_plan_actor_loss(plan, &(struct pawl_op_actor_loss){.dq = work(B, 3),
                                                            .dlogp = work(B, 1),
                                                            .loss = output(1, 1),
                                                            .q = give(work(B, 3), 0.5f, 0.0f),
                                                            .logp = work(B, 1),
                                                            .log_alpha = state(1, 1)});
    pawl_plan_actor_loss(plan, &(struct pawl_op_actor_loss){.dq = work(B, 3),
                                                            .dlogp = work(B, 1),
                                                            .loss = output(1, 1),
                                                            .q = give(work(B, 3), NAN, 0.0f),
                                                            .logp = work(B, 1),
                                                            .log_alpha = state(1, 1)});
    compare();
}
END_TEST

START_TEST(choices_are_rounded_and_held_as_ours)
{
    for (int has_more = 0; has_more < 2; has_more++) {
        setup();
        struct pawl_view none = {0}, q = work(B, 3);
        pawl_plan_choice_target(
            plan, &(struct pawl_op_choice_target){.y = work(B, 1),
                                                  .q = q,
                                                  .q_target = work(B, 3),
                                                  .reward = input(B, 1),
                                                  .discount = input(B, 1),
                                                  .penalty = has_more ? input(B, 1) : none});
        pawl_plan_choice_loss(
            plan, &(struct pawl_op_choice_loss){.dq = work(B, 3),
                                                .loss = output(1, 1),
                                                .q = q,
                                                .choice = give(input(B, 1), -1, 0.75f),
                                                .y = work(B, 1),
                                                .weight = has_more ? input(B, 1) : none});
        pawl_plan_choice_loss(plan,
                              &(struct pawl_op_choice_loss){.dq = work(B, 3),
                                                            .loss = output(1, 1),
                                                            .q = q,
                                                            .choice = give(input(B, 1), NAN, 0),
                                                            .y = work(B, 1)});
        compare();
    }
}
END_TEST

static void add_clip(float max_norm, float g_first, float loss_first, float before)
{
    pawl_plan_clip(plan,
                   &(struct pawl_op_clip){.norm = output(1, 1),
                                          .gate = output(1, 1),
                                          .g = {give(work(1, 9), g_first, 0.5f), work(1, 3)},
                                          .loss = give(work(1, 2), loss_first, 1.0f),
                                          .before = give(work(1, 1), before, 0.0f),
                                          .max_norm = max_norm});
}

START_TEST(gradients_are_clipped_and_gated_as_ours)
{
    setup();
    add_clip(2.0f, 1.0f, 1.0f, 1.0f);
    add_clip(200.0f, 1.0f, 1.0f, 1.0f);
    add_clip(0.0f, 1.0f, 1.0f, 1.0f);
    add_clip(2.0f, NAN, 1.0f, 1.0f);
    add_clip(2.0f, 1.0f, INFINITY, 1.0f);
    add_clip(2.0f, 1.0f, 1.0f, 0.0f);
    compare();
}
END_TEST

/* gate_value < 0: no gate. */
static void add_step(float gate_value, float first_step)
{
    struct pawl_view none = {0}, p = state(1, 11);
    struct pawl_view gate = gate_value < 0.0f ? none : give(work(1, 1), gate_value, 0.0f);
    struct pawl_view g = work(1, 11);
    if (gate_value == 0.0f)
        give(g, NAN, 0.0f);
    pawl_plan_adam(plan, &(struct pawl_op_adam){.p = p,
                                                .m = state(1, 11),
                                                .v = give(state(1, 11), 0.01f, 0.03f),
                                                .step = give(state(1, 1), first_step, 0.0f),
                                                .g = g,
                                                .gate = gate,
                                                .lr = 3e-2,
                                                .beta1 = 0.9,
                                                .beta2 = 0.999,
                                                .eps = 1e-8});
    pawl_plan_polyak(plan, &(struct pawl_op_polyak){
                               .target = state(1, 11), .p = p, .gate = gate, .w = 0.005f});
    pawl_plan_polyak(plan,
                     &(struct pawl_op_polyak){.target = state(1, 11), .p = p, .w = 0.005f});
}

START_TEST(a_step_of_adam_and_a_target_that_follows_are_ours)
{
    setup();
    add_step(1.0f, 0.0f);
    add_step(1.0f, 1000.0f);
    add_step(-1.0f, 3.0f);
    compare();
}
END_TEST

START_TEST(behind_a_closed_gate_nothing_changes)
{
    setup();
    struct pawl_err err = {0};
    float before[64], after[64];
    add_step(0.0f, 0.0f);
    add_step(0.0f, 12.0f);
    open_both();
    struct pawl_view p = {.arena = PAWL_STATE, .rows = 1, .cols = 45, .stride = 45};
    theirs->ops->read(theirs, p, before, &err);
    run_both(TOLERANCE);
    theirs->ops->read(theirs, p, after, &err);
    ck_assert_int_eq(memcmp(before, after, 34 * sizeof(float)),
                     0); /* parameters, moments, step */
    ck_assert_int_eq(memcmp(before + 34, after + 34, 11 * sizeof(float)), 0); /* gated target */
    teardown();
}
END_TEST

START_TEST(the_hosts_input_output_and_state_are_where_they_are_promised)
{
    struct pawl_err err = {0};
    setup();
    struct pawl_view x = input(2, 2), y = output(2, 2), p = state(2, 2);
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = x});
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = y, .x = p, .accumulate = true});
    open_both();
    float *in = theirs->ops->input(theirs, x);
    float *all = theirs->ops->state(theirs);
    for (int i = 0; i < 4; i++)
        all[i] = 10.0f * (float)(i + 1);
    ck_assert_int_eq(theirs->ops->restore(theirs, &err), 0);
    in[0] = 1.0f;
    in[1] = 2.0f;
    in[x.stride] = 3.0f;
    in[x.stride + 1] = 4.0f;
    ck_assert_int_eq(theirs->ops->run(theirs, the_list, &err), 0);
    ck_assert_int_eq(theirs->ops->finish(theirs, &err), 0);
    const float *out = theirs->ops->output(theirs, y);
    for (int i = 0; i < 4; i++)
        ck_assert(out[i] == 11.0f * (float)(i + 1));
    ck_assert_int_eq(theirs->ops->fetch(theirs, &err), 0);
    ck_assert_ptr_eq(theirs->ops->state(theirs), all);
    teardown();
}
END_TEST

/* Two layers with norms, a squared error, Adam and a target: twenty times, so that a wrong
 * gradient or moment moves everything. */
START_TEST(twenty_updates_of_a_network_stay_together)
{
    enum { IN = 5, HIDDEN = 16 };
    setup();
    struct pawl_view none = {0}, w1 = state(HIDDEN, IN), b1 = state(1, HIDDEN);
    struct pawl_view gamma = state(1, HIDDEN), beta = state(1, HIDDEN), w2 = state(2, HIDDEN);
    struct pawl_view b2 = state(1, 2), p = whole(PAWL_STATE); /* all of them */
    struct pawl_view m = state(1, p.cols), v = give(state(1, p.cols), 0, 0);
    struct pawl_view target = state(1, p.cols), count = give(state(1, 1), 0, 0);
    struct pawl_view g = pawl_plan_new(plan, PAWL_WORK, 1, p.cols);
    struct pawl_view x = input(32, IN), z = work(32, HIDDEN), y = work(32, HIDDEN);
    struct pawl_view keep = work(32, HIDDEN), rstd = work(32, 1), q = work(32, 2),
                     dq = work(32, 2);
    struct pawl_view dy = work(32, HIDDEN), loss = output(1, 2), gate = output(1, 1);
    pawl_plan_linear(plan, &(struct pawl_op_linear){.y = z, .x = x, .w = w1, .b = none});
    pawl_plan_norm_act(plan, &(struct pawl_op_norm_act){.y = y,
                                                        .keep = keep,
                                                        .rstd = rstd,
                                                        .z = z,
                                                        .b = b1,
                                                        .gamma = gamma,
                                                        .beta = beta,
                                                        .act = PAWL_ACT_SILU});
    pawl_plan_linear(plan, &(struct pawl_op_linear){.y = q, .x = y, .w = w2, .b = b2});
    pawl_plan_critic_loss(plan,
                          &(struct pawl_op_critic_loss){
                              .dq = dq, .loss = loss, .q = q, .y = input(32, 1), .scale = 1});
    pawl_plan_linear_dw(plan, &(struct pawl_op_linear_dw){.dw = pawl_view_like(w2, p, g),
                                                          .db = pawl_view_like(b2, p, g),
                                                          .dy = dq,
                                                          .x = y});
    pawl_plan_linear_dx(plan, &(struct pawl_op_linear_dx){.dx = dy, .dy = dq, .w = w2});
    pawl_plan_norm_act_grad(
        plan, &(struct pawl_op_norm_act_grad){.dz = dy,
                                              .dgamma = pawl_view_like(gamma, p, g),
                                              .dbeta = pawl_view_like(beta, p, g),
                                              .db = pawl_view_like(b1, p, g),
                                              .dy = dy,
                                              .y = y,
                                              .keep = keep,
                                              .rstd = rstd,
                                              .gamma = gamma,
                                              .beta = beta,
                                              .act = PAWL_ACT_SILU});
    pawl_plan_linear_dw(
        plan, &(struct pawl_op_linear_dw){.dw = pawl_view_like(w1, p, g), .dy = dy, .x = x});
    pawl_plan_clip(
        plan,
        &(struct pawl_op_clip){
            .norm = output(1, 1), .gate = gate, .g = {g}, .loss = loss, .max_norm = 10.0f});
    pawl_plan_adam(plan, &(struct pawl_op_adam){.p = p,
                                                .m = m,
                                                .v = v,
                                                .step = count,
                                                .g = g,
                                                .gate = gate,
                                                .lr = 1e-2f,
                                                .beta1 = 0.9,
                                                .beta2 = 0.999,
                                                .eps = 1e-8});
    pawl_plan_polyak(plan, &(struct pawl_op_polyak){.target = target, .p = p, .w = 0.1f});
    give(m, 0, 0);
    open_both();
    for (int i = 0; i < 20; i++)
        run_both(1e-3);
    teardown();
}
END_TEST

PAWL_TEST_MAIN("torch engine", copies_are_ours, a_linear_layer_and_its_gradients_are_ours,
               norms_activations_and_their_gradients_are_ours,
               layers_beside_each_other_are_normalised_each_for_itself,
               a_layer_that_only_acts_keeps_nothing, what_is_kept_may_lie_where_the_product_was,
               the_policys_sample_its_density_and_their_gradients_are_ours,
               a_density_stays_a_number_far_outside, the_targets_of_critics_are_ours,
               the_losses_of_critics_actor_and_temperature_are_ours,
               of_equal_critics_the_first_gets_the_gradient,
               choices_are_rounded_and_held_as_ours, gradients_are_clipped_and_gated_as_ours,
               a_step_of_adam_and_a_target_that_follows_are_ours,
               behind_a_closed_gate_nothing_changes,
               the_hosts_input_output_and_state_are_where_they_are_promised,
               twenty_updates_of_a_network_stay_together)
