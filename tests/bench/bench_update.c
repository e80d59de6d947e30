/* bench_update.c: what one SAC update costs beside its own matrix products, replayed in the
 * same run by the same library: obs 18, action 4, two hidden layers of 256, two critics, one
 * thread. "norm" has LayerNorm and SiLU as LeRobot's networks have, "plain" ReLU as those of
 * others. Time of the processor, so that a busy machine shows in the spread but not as a longer
 * update. */
#include "policy/engine_cpu.h"

#include <stdlib.h>

#include "policy/blas.h"
#include "runtime/philox.h"
#include "support/bench.h"

#define OBS          18u
#define ACTIONS      4u
#define HIDDEN       256u
#define CRITICS      2u
#define RUN_COUNT    101
#define SETTLE_COUNT 3

/* Layers of several networks beside each other; the first of all of them is one product. */
struct net {
    struct pawl_view w1, b1, gamma1, beta1, w2, b2, gamma2, beta2, w3, b3, all;
};

/* What a pass through them leaves. */
struct pass {
    struct pawl_view z1, rstd1, y1, z2, rstd2, y2;
};

struct bench {
    struct pawl_plan *plan;
    struct pawl_engine *engine;
    uint32_t batch;
    bool is_plain;
    uint32_t lists[4];
};

static struct pawl_view work(struct bench *b, uint32_t rows, uint32_t cols)
{
    return pawl_plan_new(b->plan, PAWL_WORK, rows, cols);
}

static struct net new_net(struct bench *b, uint32_t count, uint32_t in, uint32_t out)
{
    uint32_t wide = count * HIDDEN;
    struct pawl_plan *plan = b->plan;
    struct net net;
    net.w1 = pawl_plan_new(plan, PAWL_STATE, wide, in);
    net.b1 = pawl_plan_new(plan, PAWL_STATE, 1, wide);
    net.gamma1 = pawl_plan_new(plan, PAWL_STATE, 1, wide);
    net.beta1 = pawl_plan_new(plan, PAWL_STATE, 1, wide);
    net.w2 = pawl_plan_new(plan, PAWL_STATE, wide, HIDDEN);
    net.b2 = pawl_plan_new(plan, PAWL_STATE, 1, wide);
    net.gamma2 = pawl_plan_new(plan, PAWL_STATE, 1, wide);
    net.beta2 = pawl_plan_new(plan, PAWL_STATE, 1, wide);
    net.w3 = pawl_plan_new(plan, PAWL_STATE, count * out, HIDDEN);
    net.b3 = pawl_plan_new(plan, PAWL_STATE, 1, count * out);
    net.all = pawl_view_span(net.w1, net.b3);
    return net;
}

static struct pass new_pass(struct bench *b, uint32_t count)
{
    uint32_t wide = count * HIDDEN;
    return (struct pass){work(b, b->batch, wide),  work(b, b->batch, count),
                         work(b, b->batch, wide),  work(b, b->batch, wide),
                         work(b, b->batch, count), work(b, b->batch, wide)};
}

static void activate(struct bench *b, struct pawl_view y, struct pawl_view z,
                     struct pawl_view rstd, struct pawl_view bias, struct pawl_view gamma,
                     struct pawl_view beta, uint32_t count, bool keep)
{
    struct pawl_op_norm_act op = {.y = y, .z = z, .b = bias, .act = PAWL_ACT_RELU};
    if (!b->is_plain) {
        op.act = PAWL_ACT_SILU;
        op.gamma = gamma;
        op.beta = beta;
        op.group_count = count;
        if (keep) {
            op.keep = z;
            op.rstd = rstd;
        }
    }
    pawl_plan_norm_act(b->plan, &op);
}

/* Columns or rows of network e of `count`. */
static struct pawl_view cols_of(struct pawl_view view, uint32_t e, uint32_t count)
{
    return pawl_view_cols(view, e * (view.cols / count), view.cols / count);
}

static struct pawl_view rows_of(struct pawl_view view, uint32_t e, uint32_t count)
{
    return pawl_view_rows(view, e * (view.rows / count), view.rows / count);
}

static void forward(struct bench *b, const struct net *net, const struct pass *pass,
                    struct pawl_view out, struct pawl_view x, uint32_t count, bool keep)
{
    pawl_plan_linear(b->plan, &(struct pawl_op_linear){.y = pass->z1, .x = x, .w = net->w1});
    activate(b, pass->y1, pass->z1, pass->rstd1, net->b1, net->gamma1, net->beta1, count, keep);
    for (uint32_t e = 0; e < count; e++)
        pawl_plan_linear(b->plan, &(struct pawl_op_linear){.y = cols_of(pass->z2, e, count),
                                                           .x = cols_of(pass->y1, e, count),
                                                           .w = rows_of(net->w2, e, count)});
    activate(b, pass->y2, pass->z2, pass->rstd2, net->b2, net->gamma2, net->beta2, count, keep);
    for (uint32_t e = 0; e < count; e++)
        pawl_plan_linear(b->plan, &(struct pawl_op_linear){.y = cols_of(out, e, count),
                                                           .x = cols_of(pass->y2, e, count),
                                                           .w = rows_of(net->w3, e, count),
                                                           .b = cols_of(net->b3, e, count)});
}

static void slope(struct bench *b, struct pawl_view dy, struct pawl_view y, struct pawl_view z,
                  struct pawl_view rstd, struct pawl_view gamma, struct pawl_view beta,
                  struct pawl_view dgamma, struct pawl_view dbeta, struct pawl_view db,
                  uint32_t count)
{
    struct pawl_op_norm_act_grad op = {
        .dz = dy, .dy = dy, .y = y, .db = db, .act = PAWL_ACT_RELU};
    if (!b->is_plain) {
        op.act = PAWL_ACT_SILU;
        op.keep = z;
        op.rstd = rstd;
        op.gamma = gamma;
        op.beta = beta;
        op.dgamma = dgamma;
        op.dbeta = dbeta;
        op.group_count = count;
    }
    pawl_plan_norm_act_grad(b->plan, &op);
}

/* `grads` is absent when only the gradient of the first `dx.cols` columns from `dx_from` of the
 * input is wanted, which `dx` then gets. */
static void backward(struct bench *b, const struct net *net, const struct pass *pass,
                     struct pawl_view dy1, struct pawl_view dy2, struct pawl_view dout,
                     struct pawl_view x, uint32_t count, struct pawl_view grads,
                     struct pawl_view dx, uint32_t dx_from)
{
    bool has_grads = pawl_view_is(grads);
    const struct pawl_view none = {0};
#define GRAD(view) (has_grads ? pawl_view_like(view, net->all, grads) : none)

    for (uint32_t e = 0; e < count; e++) {
        struct pawl_view dy = cols_of(dout, e, count), w3 = rows_of(net->w3, e, count);
        pawl_plan_linear_dx(b->plan, &(struct pawl_op_linear_dx){
                                         .dx = cols_of(dy2, e, count), .dy = dy, .w = w3});
        if (has_grads)
            pawl_plan_linear_dw(
                b->plan, &(struct pawl_op_linear_dw){.dw = GRAD(w3),
                                                     .db = GRAD(cols_of(net->b3, e, count)),
                                                     .dy = dy,
                                                     .x = cols_of(pass->y2, e, count)});
    }
    slope(b, dy2, pass->y2, pass->z2, pass->rstd2, net->gamma2, net->beta2, GRAD(net->gamma2),
          GRAD(net->beta2), GRAD(net->b2), count);
    for (uint32_t e = 0; e < count; e++) {
        struct pawl_view dy = cols_of(dy2, e, count), w2 = rows_of(net->w2, e, count);
        pawl_plan_linear_dx(b->plan, &(struct pawl_op_linear_dx){
                                         .dx = cols_of(dy1, e, count), .dy = dy, .w = w2});
        if (has_grads)
            pawl_plan_linear_dw(
                b->plan, &(struct pawl_op_linear_dw){
                             .dw = GRAD(w2), .dy = dy, .x = cols_of(pass->y1, e, count)});
    }
    slope(b, dy1, pass->y1, pass->z1, pass->rstd1, net->gamma1, net->beta1, GRAD(net->gamma1),
          GRAD(net->beta1), GRAD(net->b1), count);
    if (has_grads)
        pawl_plan_linear_dw(
            b->plan, &(struct pawl_op_linear_dw){.dw = GRAD(net->w1), .dy = dy1, .x = x});
    else
        pawl_plan_linear_dx(
            b->plan, &(struct pawl_op_linear_dx){
                         .dx = dx, .dy = dy1, .w = pawl_view_cols(net->w1, dx_from, dx.cols)});
#undef GRAD
}

static struct pawl_view step(struct bench *b, struct pawl_view p, struct pawl_view g,
                             struct pawl_view loss)
{
    struct pawl_view gate = pawl_plan_new(b->plan, PAWL_OUTPUT, 1, 1);
    pawl_plan_clip(b->plan,
                   &(struct pawl_op_clip){.norm = pawl_plan_new(b->plan, PAWL_OUTPUT, 1, 1),
                                          .gate = gate,
                                          .g = {g},
                                          .loss = loss,
                                          .max_norm = 40.0f});
    pawl_plan_adam(b->plan,
                   &(struct pawl_op_adam){.p = p,
                                          .m = pawl_plan_new(b->plan, PAWL_STATE, 1, p.cols),
                                          .v = pawl_plan_new(b->plan, PAWL_STATE, 1, p.cols),
                                          .step = pawl_plan_new(b->plan, PAWL_STATE, 1, 1),
                                          .g = g,
                                          .gate = gate,
                                          .lr_scale = 3e-4,
                                          .beta1 = 0.9,
                                          .beta2 = 0.999,
                                          .eps = 1e-8});
    return gate;
}

static void act(struct bench *b, const struct net *actor, const struct pass *pass,
                struct pawl_view heads, struct pawl_view x, struct pawl_view eps,
                struct pawl_view action, struct pawl_view logp, bool keep)
{
    forward(b, actor, pass, heads, x, 1, keep);
    pawl_plan_tanh_gauss(b->plan, &(struct pawl_op_tanh_gauss){.action = action,
                                                               .logp = logp,
                                                               .mean = cols_of(heads, 0, 2),
                                                               .raw = cols_of(heads, 1, 2),
                                                               .eps = eps,
                                                               .s_min = 1e-5f,
                                                               .s_max = 10.0f,
                                                               .s_is_variance = true});
}

static void build(struct bench *b)
{
    struct pawl_plan *plan = b->plan;
    uint32_t B = b->batch;
    struct net actor = new_net(b, 1, OBS, 2 * ACTIONS);
    struct net critics = new_net(b, CRITICS, OBS + ACTIONS, 1);
    struct net targets = new_net(b, CRITICS, OBS + ACTIONS, 1);
    struct pawl_view log_alpha = pawl_plan_new(plan, PAWL_STATE, 1, 1);
    struct pawl_view reward = pawl_plan_new(plan, PAWL_INPUT, B, 1);
    struct pawl_view discount = pawl_plan_new(plan, PAWL_INPUT, B, 1);
    struct pawl_view joined = pawl_plan_new(plan, PAWL_INPUT, B, OBS + ACTIONS);
    struct pawl_view now = work(b, B, OBS + ACTIONS), next = work(b, B, OBS + ACTIONS);
    struct pawl_view next_obs = pawl_plan_new(plan, PAWL_INPUT, B, OBS);
    struct pawl_view eps[3];
    for (int i = 0; i < 3; i++)
        eps[i] = pawl_plan_new(plan, PAWL_INPUT, B, ACTIONS);
    struct pass act_pass = new_pass(b, 1), critic_pass = new_pass(b, CRITICS);
    struct pawl_view heads = work(b, B, 2 * ACTIONS), dheads = work(b, B, 2 * ACTIONS);
    struct pawl_view q = work(b, B, CRITICS), dq = work(b, B, CRITICS);
    struct pawl_view logp = work(b, B, 1), dlogp = work(b, B, 1), y = work(b, B, 1);
    struct pawl_view dy1 = work(b, B, CRITICS * HIDDEN), dy2 = work(b, B, CRITICS * HIDDEN);
    struct pawl_view daction = work(b, B, ACTIONS);
    struct pawl_view critic_g = work(b, 1, critics.all.cols);
    struct pawl_view actor_g = work(b, 1, actor.all.cols), dlog_alpha = work(b, 1, 1);
    struct pawl_view losses = pawl_plan_new(plan, PAWL_OUTPUT, 1, CRITICS);
    struct pawl_view actor_loss = pawl_plan_new(plan, PAWL_OUTPUT, 1, 1);
    struct pawl_view alpha_loss = pawl_plan_new(plan, PAWL_OUTPUT, 1, 1);
    const struct pawl_view none = {0};

    b->lists[0] = pawl_plan_begin(plan, "critic");
    pawl_plan_copy(plan,
                   &(struct pawl_op_copy){.y = pawl_view_cols(next, 0, OBS), .x = next_obs});
    act(b, &actor, &act_pass, heads, next_obs, eps[0], pawl_view_cols(next, OBS, ACTIONS), logp,
        false);
    forward(b, &targets, &critic_pass, q, next, CRITICS, false);
    pawl_plan_td_target(plan, &(struct pawl_op_td_target){.y = y,
                                                          .q = q,
                                                          .reward = reward,
                                                          .discount = discount,
                                                          .logp = logp,
                                                          .log_alpha = log_alpha});
    forward(b, &critics, &critic_pass, q, joined, CRITICS, true);
    pawl_plan_critic_loss(plan, &(struct pawl_op_critic_loss){
                                    .dq = dq, .loss = losses, .q = q, .y = y, .scale = 1.0f});
    backward(b, &critics, &critic_pass, dy1, dy2, dq, joined, CRITICS, critic_g, none, 0);
    struct pawl_view gate = step(b, critics.all, critic_g, losses);

    b->lists[1] = pawl_plan_begin(plan, "actor");
    struct pawl_view obs = pawl_view_cols(joined, 0, OBS);
    pawl_plan_copy(plan, &(struct pawl_op_copy){.y = pawl_view_cols(now, 0, OBS), .x = obs});
    struct pawl_view action = pawl_view_cols(now, OBS, ACTIONS);
    act(b, &actor, &act_pass, heads, obs, eps[1], action, logp, true);
    forward(b, &critics, &critic_pass, q, now, CRITICS, true);
    pawl_plan_actor_loss(plan, &(struct pawl_op_actor_loss){.dq = dq,
                                                            .dlogp = dlogp,
                                                            .loss = actor_loss,
                                                            .q = q,
                                                            .logp = logp,
                                                            .log_alpha = log_alpha});
    backward(b, &critics, &critic_pass, dy1, dy2, dq, now, CRITICS, none, daction, OBS);
    pawl_plan_tanh_gauss_grad(plan,
                              &(struct pawl_op_tanh_gauss_grad){.dmean = cols_of(dheads, 0, 2),
                                                                .draw = cols_of(dheads, 1, 2),
                                                                .daction = daction,
                                                                .dlogp = dlogp,
                                                                .action = action,
                                                                .raw = cols_of(heads, 1, 2),
                                                                .eps = eps[1],
                                                                .s_min = 1e-5f,
                                                                .s_max = 10.0f,
                                                                .s_is_variance = true});
    backward(b, &actor, &act_pass, pawl_view_cols(dy1, 0, HIDDEN),
             pawl_view_cols(dy2, 0, HIDDEN), dheads, obs, 1, actor_g, none, 0);
    step(b, actor.all, actor_g, actor_loss);

    b->lists[2] = pawl_plan_begin(plan, "temperature");
    act(b, &actor, &act_pass, heads, obs, eps[2], none, logp, false);
    pawl_plan_temperature_loss(plan,
                               &(struct pawl_op_temperature_loss){.dlog_alpha = dlog_alpha,
                                                                  .loss = alpha_loss,
                                                                  .logp = logp,
                                                                  .log_alpha = log_alpha,
                                                                  .target_entropy = -2.0f});
    step(b, log_alpha, dlog_alpha, alpha_loss);

    b->lists[3] = pawl_plan_begin(plan, "targets");
    pawl_plan_polyak(plan,
                     &(struct pawl_op_polyak){
                         .target = targets.all, .p = critics.all, .gate = gate, .w = 0.005});
}

/* Values of the size that networks have, so that no branch or denormal is special. */
static void fill(struct bench *b)
{
    struct pawl_philox philox;
    pawl_philox_open(&philox, 1, 2, 3);
    for (int arena = PAWL_STATE; arena <= PAWL_INPUT; arena++) {
        uint32_t count = (uint32_t)pawl_plan_float_count(b->plan, (enum pawl_arena)arena);
        struct pawl_view all = {(uint32_t)arena, 1, count, count, 0};
        float *values = malloc(count * sizeof(float));
        for (uint32_t i = 0; i < count; i++)
            values[i] = (arena == PAWL_STATE ? 0.06f : 1.0f) *
                        (float)fabs(pawl_philox_normal(&philox)) *
                        (i % 2 && arena == PAWL_INPUT ? -1.0f : 1.0f);
        b->engine->ops->write(b->engine, all, values, NULL);
        free(values);
    }
}

static void measure(uint32_t batch, bool is_plain, uint32_t thread_count)
{
    static double update_ns[RUN_COUNT], product_ns[RUN_COUNT], ratio[RUN_COUNT];
    uint64_t took_ns[PAWL_OP_KIND_COUNT] = {0};
    struct bench b = {.batch = batch, .is_plain = is_plain};
    struct pawl_engine_setup setup = {.thread_count = thread_count};
    struct pawl_err err = {0};
    char name[128];

    if (pawl_plan_open(&b.plan, &err) != 0)
        exit(1);
    build(&b);
    if (pawl_plan_finish(b.plan, &err) != 0 ||
        pawl_engine_cpu.open(&b.engine, b.plan, &setup, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    fill(&b);
    for (int run = -SETTLE_COUNT; run < RUN_COUNT; run++) {
        double start = bench_cpu_ns();
        for (int list = 0; list < 4; list++)
            b.engine->ops->run(b.engine, b.lists[list], NULL);
        double between = bench_cpu_ns();
        for (int list = 0; list < 4; list++)
            pawl_engine_cpu_products(b.engine, b.lists[list]);
        double end = bench_cpu_ns();
        if (run < 0)
            continue;
        update_ns[run] = between - start;
        product_ns[run] = end - between;
        ratio[run] = update_ns[run] / product_ns[run];
    }
    pawl_engine_cpu_profile(b.engine, took_ns);
    for (int run = 0; run < RUN_COUNT; run++)
        for (int list = 0; list < 4; list++)
            b.engine->ops->run(b.engine, b.lists[list], NULL);

    const char *kind = is_plain ? "plain" : "norm";
    snprintf(name, sizeof(name), "update_%s_batch%u_us", kind, batch);
    bench_print_spread(name, update_ns, RUN_COUNT, 1e-3, "us");
    snprintf(name, sizeof(name), "update_%s_batch%u_products_us", kind, batch);
    bench_print_spread(name, product_ns, RUN_COUNT, 1e-3, "us");
    snprintf(name, sizeof(name), "update_%s_batch%u_ratio", kind, batch);
    bench_print_spread(name, ratio, RUN_COUNT, 1.0, "x");
    for (int k = 0; k < PAWL_OP_KIND_COUNT; k++) {
        if (took_ns[k] == 0)
            continue;
        snprintf(name, sizeof(name), "update_%s_batch%u_%s_us", kind, batch,
                 pawl_op_form((enum pawl_op_kind)k)->name);
        bench_print(name, (double)took_ns[k] / RUN_COUNT * 1e-3, "us");
    }
    b.engine->ops->close(b.engine);
    pawl_plan_close(b.plan);
}

int main(int argc, char **argv)
{
    uint32_t thread_count = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    measure(256, false, thread_count);
    measure(256, true, thread_count);
    measure(64, false, thread_count);
    measure(64, true, thread_count);
    return 0;
}
