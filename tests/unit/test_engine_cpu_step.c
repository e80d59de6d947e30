#include "policy/engine_cpu.h"

#include "support/engine_rig.h"
#include "support/test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static double *room(size_t count)
{
    double *values = rig.pool + rig.pool_used;
    rig.pool_used += count;
    memset(values, 0, count * sizeof(*values));
    return values;
}

/* The sample in float64. */
static struct {
    uint32_t rows, cols;
    double s_min, s_max;
    bool s_is_variance;
    double *mean, *raw, *eps, *action, *logp;
    const double *daction, *dlogp;
} sample;

static void draw_sample(void)
{
    for (uint32_t r = 0; r < sample.rows; r++) {
        sample.logp[r] = 0.0;
        for (uint32_t c = 0; c < sample.cols; c++) {
            uint32_t i = r * sample.cols + c;
            double s = fmin(fmax(exp(sample.raw[i]), sample.s_min), sample.s_max);
            double std = sample.s_is_variance ? sqrt(s) : s;
            double x = sample.mean[i] + std * sample.eps[i];
            double softplus = x > 0 ? log1p(exp(-2 * x)) : -2 * x + log1p(exp(2 * x));
            sample.action[i] = tanh(x);
            sample.logp[r] += -0.5 * sample.eps[i] * sample.eps[i] - 0.5 * log(2 * acos(-1.0)) -
                              log(std) - 2 * (log(2.0) - x - softplus);
        }
    }
}

static double weighed_sample(void)
{
    double sum = 0.0;
    draw_sample();
    for (uint32_t r = 0; r < sample.rows; r++) {
        sum += sample.dlogp ? sample.dlogp[r] * sample.logp[r] : 0.0;
        for (uint32_t c = 0; c < sample.cols; c++) {
            uint32_t i = r * sample.cols + c;
            sum += sample.daction ? sample.daction[i] * sample.action[i] : 0.0;
        }
    }
    return sum;
}

static const struct {
    uint32_t rows, cols;
} samples[] = {{1, 1}, {7, 4}, {300, 3}, {3, 600}};

START_TEST(tanh_gauss_is_the_squashed_normal_and_its_density)
{
    for (size_t s = 0; s < 2 * COUNT(samples); s++)
        for (size_t k = 0; rig_begin(k);) {
            uint32_t B = samples[s / 2].rows, A = samples[s / 2].cols;
            struct pawl_op_tanh_gauss op = {.action = rig_new(B, A),
                                            .logp = rig_new(B, 1),
                                            .mean = rig_new(B, A),
                                            .raw = rig_new(B, A),
                                            .eps = rig_new(B, A),
                                            .s_min = 0.25f,
                                            .s_max = 2.0f,
                                            .s_is_variance = s % 2};
            pawl_plan_tanh_gauss(rig.plan, &op);
            rig_open();
            if (B == 7) { /* far from 0, where tanh saturates */
                double *mean = rig_get(op.mean);
                for (uint32_t i = 0; i < B * A; i++)
                    mean[i] *= 20.0;
                rig_set(op.mean, mean);
            }
            sample.rows = B, sample.cols = A;
            sample.s_min = 0.25, sample.s_max = 2.0, sample.s_is_variance = s % 2;
            sample.mean = rig_get(op.mean), sample.raw = rig_get(op.raw);
            sample.eps = rig_get(op.eps);
            sample.action = room(B * A), sample.logp = room(B);
            draw_sample();
            rig_go();
            rig_check("action", rig_get(op.action), sample.action, B * A, 5e-7);
            rig_check("logp", rig_get(op.logp), sample.logp, B, 2e-6);
            k = rig_end();
        }
}
END_TEST

START_TEST(tanh_gauss_grad_agrees_with_difference_quotients)
{
    for (size_t s = 0; s < 6; s++)
        for (size_t k = 0; rig_begin(k);) {
            uint32_t B = s / 3 ? 9 : 2, A = s / 3 ? 4 : 1;
            struct pawl_op_tanh_gauss op = {.action = rig_new(B, A),
                                            .mean = rig_new(B, A),
                                            .raw = rig_new(B, A),
                                            .eps = rig_new(B, A),
                                            .s_min = 0.5f,
                                            .s_max = 2.0f,
                                            .s_is_variance = s % 2};
            struct pawl_op_tanh_gauss_grad grad = {.dmean = rig_new(B, A),
                                                   .draw = rig_new(B, A),
                                                   .action = op.action,
                                                   .raw = op.raw,
                                                   .eps = op.eps,
                                                   .s_min = 0.5f,
                                                   .s_max = 2.0f,
                                                   .s_is_variance = s % 2};
            if (s % 3 != 1)
                grad.daction = rig_new(B, A);
            if (s % 3 != 2)
                grad.dlogp = rig_new(B, 1);
            pawl_plan_tanh_gauss(rig.plan, &op);
            pawl_plan_tanh_gauss_grad(rig.plan, &grad);
            rig_open();
            sample.rows = B, sample.cols = A;
            sample.s_min = 0.5, sample.s_max = 2.0, sample.s_is_variance = s % 2;
            sample.mean = rig_get(op.mean), sample.raw = rig_get(op.raw);
            sample.eps = rig_get(op.eps);
            sample.action = room(B * A), sample.logp = room(B);
            sample.daction = pawl_view_is(grad.daction) ? rig_get(grad.daction) : NULL;
            sample.dlogp = pawl_view_is(grad.dlogp) ? rig_get(grad.dlogp) : NULL;
            rig_go();
            double *want = room(B * A);
            rig_differentiate(weighed_sample, sample.mean, B * A, want);
            rig_check("dmean", rig_get(grad.dmean), want, B * A, 1e-5);
            rig_differentiate(weighed_sample, sample.raw, B * A, want);
            rig_check("draw", rig_get(grad.draw), want, B * A, 1e-5);
            k = rig_end();
        }
}
END_TEST

START_TEST(td_target_takes_the_least_of_the_chosen_critics)
{
    for (int variant = 0; variant < 4; variant++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_td_target op = {.y = rig_new(6, 1),
                                           .q = rig_new(6, 3),
                                           .reward = rig_new(6, 1),
                                           .discount = rig_new(6, 1)};
            struct pawl_view chosen = rig_new(1, 3), logp = rig_new(6, 1);
            struct pawl_view log_alpha = rig_new(1, 1);
            if (variant & 1)
                op.chosen = chosen;
            if (variant & 2)
                op.logp = logp, op.log_alpha = log_alpha;
            pawl_plan_td_target(rig.plan, &op);
            rig_open();
            rig_set(chosen, (const double[]){1.0, 0.0, 1.0});
            const double *q = rig_get(op.q), *r = rig_get(op.reward);
            const double *d = rig_get(op.discount), *p = rig_get(logp);
            double alpha = exp(rig_get(log_alpha)[0]), want[6];
            for (int b = 0; b < 6; b++) {
                double least = fmin(q[3 * b], q[3 * b + 2]);
                if (!(variant & 1))
                    least = fmin(least, q[3 * b + 1]);
                want[b] = r[b] + d[b] * (least - (variant & 2 ? alpha * p[b] : 0.0));
            }
            rig_go();
            rig_check("y", rig_get(op.y), want, 6, 1e-6);

            double spoilt[18];
            memcpy(spoilt, q, sizeof(spoilt));
            spoilt[2] = (double)NAN; /* chosen in all variants; of row 0 */
            spoilt[4] = -INFINITY;   /* not chosen in half of them; of row 1 */
            rig_set(op.q, spoilt);
            rig_go();
            ck_assert(isnan(rig_get(op.y)[0]));
            ck_assert_int_eq(isfinite(rig_get(op.y)[1]) != 0, variant & 1);
            k = rig_end();
        }
}
END_TEST

static struct {
    uint32_t rows, cols;
    double *q, *y, *weight, *logp, *choice;
    double scale, log_alpha, entropy;
} loss;

static double critic_loss_of(uint32_t e)
{
    double sum = 0.0;
    for (uint32_t b = 0; b < loss.rows; b++) {
        double d = loss.q[b * loss.cols + e] - loss.y[b];
        sum += (loss.weight ? loss.weight[b] : 1.0) * d * d;
    }
    return loss.scale * sum / loss.rows;
}

static double critic_losses(void)
{
    double sum = 0.0;
    for (uint32_t e = 0; e < loss.cols; e++)
        sum += critic_loss_of(e);
    return sum;
}

START_TEST(critic_loss_its_gradient_and_the_errors_agree)
{
    for (int has_weight = 0; has_weight < 2; has_weight++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_critic_loss op = {.dq = rig_new(7, 3),
                                             .loss = rig_new(1, 3),
                                             .error = rig_new(7, 1),
                                             .q = rig_new(7, 3),
                                             .y = rig_new(7, 1),
                                             .scale = 0.5f};
            if (has_weight)
                op.weight = rig_new(7, 1);
            pawl_plan_critic_loss(rig.plan, &op);
            rig_open();
            loss.rows = 7, loss.cols = 3, loss.scale = 0.5;
            loss.q = rig_get(op.q), loss.y = rig_get(op.y);
            loss.weight = has_weight ? rig_get(op.weight) : NULL;
            rig_go();
            double want[21], error[7] = {0};
            for (uint32_t e = 0; e < 3; e++)
                want[e] = critic_loss_of(e);
            rig_check("loss", rig_get(op.loss), want, 3, 1e-6);
            for (int i = 0; i < 21; i++)
                error[i / 3] += fabs(loss.q[i] - loss.y[i / 3]) / 3.0;
            rig_check("error", rig_get(op.error), error, 7, 1e-6);
            rig_differentiate(critic_losses, loss.q, 21, want);
            rig_check("dq", rig_get(op.dq), want, 21, 1e-6);
            k = rig_end();
        }
}
END_TEST

static double actor_loss(void)
{
    double sum = 0.0;
    for (uint32_t b = 0; b < loss.rows; b++) {
        double least = INFINITY;
        for (uint32_t e = 0; e < loss.cols; e++)
            least = fmin(least, loss.q[b * loss.cols + e]);
        sum += exp(loss.log_alpha) * loss.logp[b] - least;
    }
    return sum / loss.rows;
}

START_TEST(actor_loss_and_its_gradient_agree)
{
    for (size_t k = 0; rig_begin(k);) {
        struct pawl_op_actor_loss op = {.dq = rig_new(9, 3),
                                        .dlogp = rig_new(9, 1),
                                        .loss = rig_new(1, 1),
                                        .q = rig_new(9, 3),
                                        .logp = rig_new(9, 1),
                                        .log_alpha = rig_new(1, 1)};
        double want[27];
        pawl_plan_actor_loss(rig.plan, &op);
        rig_open();
        loss.rows = 9, loss.cols = 3;
        loss.q = rig_get(op.q), loss.logp = rig_get(op.logp);
        loss.log_alpha = rig_get(op.log_alpha)[0];
        rig_go();
        want[0] = actor_loss();
        rig_check("loss", rig_get(op.loss), want, 1, 1e-6);
        rig_differentiate(actor_loss, loss.q, 27, want);
        rig_check("dq", rig_get(op.dq), want, 27, 1e-6);
        rig_differentiate(actor_loss, loss.logp, 9, want);
        rig_check("dlogp", rig_get(op.dlogp), want, 9, 1e-6);

        rig_fill(op.q, 2.0); /* equal critics: the first gets all */
        rig_go();
        for (int i = 0; i < 27; i++)
            ck_assert_double_eq_tol(rig_get(op.dq)[i], i % 3 == 0 ? -1.0 / 9 : 0.0, 1e-7);
        k = rig_end();
    }
}
END_TEST

static double temperature_loss(void)
{
    double sum = 0.0;
    for (uint32_t b = 0; b < loss.rows; b++)
        sum += -exp(loss.log_alpha) * (loss.logp[b] + loss.entropy);
    return sum / loss.rows;
}

START_TEST(temperature_loss_and_its_gradient_agree)
{
    for (size_t k = 0; rig_begin(k);) {
        struct pawl_op_temperature_loss op = {.dlog_alpha = rig_new(1, 1),
                                              .loss = rig_new(1, 1),
                                              .logp = rig_new(9, 1),
                                              .log_alpha = rig_new(1, 1),
                                              .target_entropy = -2.0f};
        double want;
        pawl_plan_temperature_loss(rig.plan, &op);
        rig_open();
        loss.rows = 9, loss.logp = rig_get(op.logp), loss.entropy = -2.0;
        loss.log_alpha = rig_get(op.log_alpha)[0];
        rig_go();
        want = temperature_loss();
        rig_check("loss", rig_get(op.loss), &want, 1, 1e-6);
        rig_differentiate(temperature_loss, &loss.log_alpha, 1, &want);
        rig_check("dlog_alpha", rig_get(op.dlog_alpha), &want, 1, 1e-6);
        k = rig_end();
    }
}
END_TEST

START_TEST(choice_target_takes_the_target_of_the_best_choice)
{
    static const double q[] = {1, 3, 2, 5, 5, 1, -1, -3, -2};
    static const double q_target[] = {10, 20, 30, 40, 50, 60, 70, 80, 90};
    static const double reward[] = {1, 2, 3}, discount[] = {0.5, 0.25, 0},
                        penalty[] = {7, 8, 9};
    static const double want[] = {1 + 0.5 * 20, 2 + 0.25 * 40, 3};
    for (int has_penalty = 0; has_penalty < 2; has_penalty++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_choice_target op = {.y = rig_new(3, 1),
                                               .q = rig_new(3, 3),
                                               .q_target = rig_new(3, 3),
                                               .reward = rig_new(3, 1),
                                               .discount = rig_new(3, 1)};
            if (has_penalty)
                op.penalty = rig_new(3, 1);
            pawl_plan_choice_target(rig.plan, &op);
            rig_open();
            rig_set(op.q, q);
            rig_set(op.q_target, q_target);
            rig_set(op.reward, reward);
            rig_set(op.discount, discount);
            if (has_penalty)
                rig_set(op.penalty, penalty);
            rig_go();
            for (int b = 0; b < 3; b++)
                ck_assert_double_eq_tol(rig_get(op.y)[b],
                                        want[b] + (has_penalty ? penalty[b] : 0.0), 1e-5);
            k = rig_end();
        }
}
END_TEST

static double choice_loss(void)
{
    double sum = 0.0;
    for (uint32_t b = 0; b < loss.rows; b++) {
        double d = loss.q[b * loss.cols + (uint32_t)loss.choice[b]] - loss.y[b];
        sum += (loss.weight ? loss.weight[b] : 1.0) * d * d;
    }
    return sum / loss.rows;
}

START_TEST(choice_loss_rounds_half_to_even_and_stays_within_the_choices)
{
    static const double asked[] = {0.5, 1.5, -3.0, 9.0, 1.2, 0.0};
    static double taken[] = {0, 2, 0, 2, 1, 0};
    for (int has_weight = 0; has_weight < 2; has_weight++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_choice_loss op = {.dq = rig_new(6, 3),
                                             .loss = rig_new(1, 1),
                                             .q = rig_new(6, 3),
                                             .choice = rig_new(6, 1),
                                             .y = rig_new(6, 1)};
            double want[18];
            if (has_weight)
                op.weight = rig_new(6, 1);
            pawl_plan_choice_loss(rig.plan, &op);
            rig_open();
            rig_set(op.choice, asked);
            loss.rows = 6, loss.cols = 3, loss.choice = taken;
            loss.q = rig_get(op.q), loss.y = rig_get(op.y);
            loss.weight = has_weight ? rig_get(op.weight) : NULL;
            rig_go();
            want[0] = choice_loss();
            rig_check("loss", rig_get(op.loss), want, 1, 1e-6);
            rig_differentiate(choice_loss, loss.q, 18, want);
            rig_check("dq", rig_get(op.dq), want, 18, 1e-6);
            k = rig_end();
        }
}
END_TEST

START_TEST(clip_measures_all_gradients_and_shortens_them_in_place)
{
    for (int variant = 0; variant < 3; variant++) /* clips, does not, only measures */
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_op_clip op = {.norm = rig_new(1, 1),
                                      .gate = rig_new(1, 1),
                                      .g = {rig_new(1, 5000), rig_new(1, 3), rig_new(1, 70)},
                                      .loss = rig_new(1, 2),
                                      .max_norm = variant == 0   ? 2.0f
                                                  : variant == 1 ? 1e4f
                                                                 : 0.0f};
            static double want[3][5000];
            double squares = 0.0;
            pawl_plan_clip(rig.plan, &op);
            rig_open();
            for (int i = 0; i < 3; i++) {
                memcpy(want[i], rig_get(op.g[i]), op.g[i].cols * sizeof(double));
                for (uint32_t c = 0; c < op.g[i].cols; c++)
                    squares += want[i][c] * want[i][c];
            }
            double norm = sqrt(squares), factor = variant == 0 ? 2.0 / (norm + 1e-6) : 1.0;
            rig_go();
            rig_check("norm", rig_get(op.norm), &norm, 1, 1e-6);
            ck_assert_double_eq(rig_get(op.gate)[0], 1.0);
            for (int i = 0; i < 3; i++) {
                for (uint32_t c = 0; c < op.g[i].cols; c++)
                    want[i][c] *= factor;
                rig_check("g", rig_get(op.g[i]), want[i], op.g[i].cols, 1e-6);
            }
            k = rig_end();
        }
}
END_TEST

START_TEST(a_gradient_or_a_loss_that_is_not_finite_closes_the_gate_and_changes_nothing)
{
    static const double bad[] = {(double)NAN, (double)INFINITY, (double)-INFINITY};
    /* Behind them: a step that this one builds on was not made. */
    for (size_t i = 0; i < 2 * COUNT(bad) + 1; i++)
        for (size_t k = 0; rig_begin(k);) {
            bool is_before = i == 2 * COUNT(bad);
            struct pawl_op_clip clip = {.norm = rig_new(1, 1),
                                        .gate = rig_new(1, 1),
                                        .g = {rig_new(1, 40)},
                                        .loss = rig_new(1, 2),
                                        .before = rig_new(1, 1),
                                        .max_norm = 0.1f};
            struct pawl_op_adam adam = {.p = rig_new(1, 40),
                                        .m = rig_new(1, 40),
                                        .v = rig_new(1, 40),
                                        .step = rig_new(1, 1),
                                        .g = clip.g[0],
                                        .gate = clip.gate,
                                        .lr = 0.1,
                                        .beta1 = 0.9,
                                        .beta2 = 0.999,
                                        .eps = 1e-8};
            struct pawl_op_polyak polyak = {
                .target = rig_new(1, 40), .p = adam.p, .gate = clip.gate, .w = 0.5};
            const struct pawl_view kept[] = {adam.p, adam.m, adam.v, adam.step, polyak.target};
            const double *before[COUNT(kept)];
            pawl_plan_clip(rig.plan, &clip);
            pawl_plan_adam(rig.plan, &adam);
            pawl_plan_polyak(rig.plan, &polyak);
            rig_open();
            struct pawl_view spoilt =
                i % 2 ? pawl_view_cols(clip.loss, 1, 1) : pawl_view_cols(clip.g[0], 37, 1);
            rig_fill(clip.before, is_before ? 0.0 : 1.0);
            if (!is_before)
                rig_set(spoilt, &bad[i / 2]);
            const double *g = rig_get(clip.g[0]);
            for (size_t v = 0; v < COUNT(kept); v++)
                before[v] = rig_get(kept[v]);
            rig_go();
            ck_assert_double_eq(rig_get(clip.gate)[0], 0.0);
            for (size_t v = 0; v < COUNT(kept); v++)
                rig_check("kept", rig_get(kept[v]), before[v], kept[v].cols, 0.0);
            rig_check("g", rig_get(clip.g[0]), g, 37, 0.0);
            k = rig_end();
        }
}
END_TEST

START_TEST(adam_is_torchs_for_many_steps)
{
    for (int has_gate = 0; has_gate < 2; has_gate++)
        for (size_t k = 0; rig_begin(k);) {
            struct pawl_view gate = rig_new(1, 1);
            struct pawl_op_adam op = {.p = rig_new(1, 41),
                                      .m = rig_new(1, 41),
                                      .v = rig_new(1, 41),
                                      .step = rig_new(1, 1),
                                      .g = rig_new(1, 41),
                                      .lr = 0.02,
                                      .beta1 = 0.9,
                                      .beta2 = 0.999,
                                      .eps = 1e-3};
            if (has_gate)
                op.gate = gate;
            pawl_plan_adam(rig.plan, &op);
            rig_open();
            rig_fill(op.m, 0.0);
            rig_fill(op.v, 0.0);
            rig_fill(op.step, 0.0);
            rig_fill(gate, 1.0);
            const double *g = rig_get(op.g);
            double *p = rig_get(op.p), m[41] = {0}, v[41] = {0};
            double step = 20.0;
            for (int t = 1; t <= 20; t++) {
                rig_go();
                for (int i = 0; i < 41; i++) {
                    m[i] = 0.9 * m[i] + 0.1 * g[i];
                    v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                    p[i] -= 0.02 / (1 - pow(0.9, t)) * m[i] /
                            (sqrt(v[i]) / sqrt(1 - pow(0.999, t)) + 1e-3);
                }
            }
            rig_check("p", rig_get(op.p), p, 41, 1e-6);
            rig_check("m", rig_get(op.m), m, 41, 1e-6);
            rig_check("v", rig_get(op.v), v, 41, 1e-6);
            rig_check("step", rig_get(op.step), &step, 1, 0.0);
            k = rig_end();
        }
}
END_TEST

START_TEST(polyak_moves_the_target_by_its_share)
{
    for (size_t k = 0; rig_begin(k);) {
        struct pawl_op_polyak op = {.target = rig_new(1, 37), .p = rig_new(1, 37), .w = 0.25};
        pawl_plan_polyak(rig.plan, &op);
        rig_open();
        double *want = rig_get(op.target);
        const double *p = rig_get(op.p);
        rig_go();
        for (int i = 0; i < 37; i++)
            want[i] = 0.25 * p[i] + 0.75 * want[i];
        rig_check("target", rig_get(op.target), want, 37, 1e-7);
        k = rig_end();
    }
}
END_TEST

PAWL_TEST_MAIN("engine_cpu_step", tanh_gauss_is_the_squashed_normal_and_its_density,
               tanh_gauss_grad_agrees_with_difference_quotients,
               td_target_takes_the_least_of_the_chosen_critics,
               critic_loss_its_gradient_and_the_errors_agree, actor_loss_and_its_gradient_agree,
               temperature_loss_and_its_gradient_agree,
               choice_target_takes_the_target_of_the_best_choice,
               choice_loss_rounds_half_to_even_and_stays_within_the_choices,
               clip_measures_all_gradients_and_shortens_them_in_place,
               a_gradient_or_a_loss_that_is_not_finite_closes_the_gate_and_changes_nothing,
               adam_is_torchs_for_many_steps, polyak_moves_the_target_by_its_share)
