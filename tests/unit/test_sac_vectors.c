/* test_sac_vectors.c: the losses and updates of SAC against vectors that torch made
 * (tests/golden/sac), run as the learner runs them: as operations on the CPU's engine. */
#include "policy/engine.h"
#include "policy/plan.h"
#include "policy/sac_model.h"

#include <string.h>

#include "support/golden.h"
#include "support/test.h"

#define VIEWS_MAX 16

/* One list, its inputs by name, and what it leaves. */
static struct pawl_plan *plan;
static struct pawl_engine *engine;
static struct {
    struct pawl_view view;
    float data[GOLDEN_FLOATS_MAX];
} writes[VIEWS_MAX];
static uint32_t write_count;

static void begin(void)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_plan_open(&plan, &err) == 0, "%s", err.text);
    write_count = 0;
}

/* A matrix with these first values. */
static struct pawl_view put(uint32_t rows, uint32_t cols, const float *data)
{
    struct pawl_view view = pawl_plan_new(plan, PAWL_STATE, rows, cols);
    writes[write_count].view = view;
    memcpy(writes[write_count++].data, data, rows * cols * sizeof(float));
    return view;
}

/* The vectors have critics in rows; an operation has them in columns. */
static struct pawl_view put_transposed(const struct golden_array *array)
{
    float data[GOLDEN_FLOATS_MAX];
    uint32_t rows = array->shape[0], cols = array->shape[1];
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < cols; c++)
            data[c * rows + r] = array->data[r * cols + c];
    return put(cols, rows, data);
}

static struct pawl_view put_column(const struct golden_case *test, const char *key)
{
    struct golden_array array = golden_input(test, key);
    return put((uint32_t)array.count, 1, array.data);
}

static struct pawl_view put_matrix(const struct golden_case *test, const char *key)
{
    struct golden_array array = golden_input(test, key);
    return put(array.shape[0], array.shape[1], array.data);
}

static struct pawl_view work(uint32_t rows, uint32_t cols)
{
    return pawl_plan_new(plan, PAWL_WORK, rows, cols);
}

static void open_engine(void)
{
    struct pawl_err err = {0};
    struct pawl_engine_setup setup = {.thread_count = 1};

    ck_assert_msg(pawl_plan_finish(plan, &err) == 0, "%s", err.text);
    ck_assert_msg(pawl_engine_cpu.open(&engine, plan, &setup, &err) == 0, "%s", err.text);
    for (uint32_t i = 0; i < write_count; i++)
        ck_assert_int_eq(engine->ops->write(engine, writes[i].view, writes[i].data, &err), 0);
}

static void run(uint32_t list)
{
    struct pawl_err err = {0};
    ck_assert_msg(engine->ops->run(engine, list, &err) == 0, "%s", err.text);
    ck_assert_int_eq(engine->ops->finish(engine, &err), 0);
}

static void read_view(struct pawl_view view, float *data)
{
    struct pawl_err err = {0};
    ck_assert_msg(engine->ops->read(engine, view, data, &err) == 0, "%s", err.text);
}

static void end(void)
{
    engine->ops->close(engine);
    pawl_plan_close(plan);
}

static void check_view(const struct golden_case *test, const char *key, struct pawl_view view)
{
    float data[GOLDEN_FLOATS_MAX];
    read_view(view, data);
    golden_check(test, key, data, (size_t)pawl_view_count(view));
}

static void check_transposed(const struct golden_case *test, const char *key,
                             struct pawl_view view)
{
    float data[GOLDEN_FLOATS_MAX], turned[GOLDEN_FLOATS_MAX];
    read_view(view, data);
    for (uint32_t r = 0; r < view.rows; r++)
        for (uint32_t c = 0; c < view.cols; c++)
            turned[c * view.rows + r] = data[r * view.cols + c];
    golden_check(test, key, turned, (size_t)pawl_view_count(view));
}

/* --- the squashed Gaussian --- */

struct gauss {
    struct pawl_view mean, raw, eps, action, logp, dmean, draw;
    uint32_t forward, of_action, of_logp;
};

static void open_gauss(struct gauss *gauss, const struct golden_case *test, bool is_variance)
{
    begin();
    gauss->mean = put_matrix(test, "mean");
    gauss->raw = put_matrix(test, "log_std");
    gauss->eps = put_matrix(test, "eps");
    uint32_t rows = gauss->mean.rows, cols = gauss->mean.cols;
    float ones[GOLDEN_FLOATS_MAX];
    for (uint32_t i = 0; i < rows * cols; i++)
        ones[i] = 1.0f;
    struct pawl_view daction = put(rows, cols, ones), dlogp = put(rows, 1, ones);
    gauss->action = work(rows, cols);
    gauss->logp = work(rows, 1);
    gauss->dmean = work(rows, cols);
    gauss->draw = work(rows, cols);

    struct pawl_op_tanh_gauss op = {.action = gauss->action,
                                    .logp = gauss->logp,
                                    .mean = gauss->mean,
                                    .raw = gauss->raw,
                                    .eps = gauss->eps,
                                    .s_min = (float)golden_param(test, "std_min"),
                                    .s_max = (float)golden_param(test, "std_max"),
                                    .s_is_variance = is_variance};
    struct pawl_op_tanh_gauss_grad grad = {.dmean = gauss->dmean,
                                           .draw = gauss->draw,
                                           .action = gauss->action,
                                           .raw = gauss->raw,
                                           .eps = gauss->eps,
                                           .s_min = (float)golden_param(test, "std_min"),
                                           .s_max = (float)golden_param(test, "std_max"),
                                           .s_is_variance = is_variance};
    gauss->forward = pawl_plan_begin(plan, "forward");
    pawl_plan_tanh_gauss(plan, &op);
    gauss->of_action = pawl_plan_begin(plan, "of_action");
    grad.daction = daction;
    pawl_plan_tanh_gauss_grad(plan, &grad);
    gauss->of_logp = pawl_plan_begin(plan, "of_logp");
    grad.daction = (struct pawl_view){0};
    grad.dlogp = dlogp;
    pawl_plan_tanh_gauss_grad(plan, &grad);
    open_engine();
    run(gauss->forward);
}

START_TEST(the_squashed_gaussian_is_lerobots)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/tanh_gaussian.json");
    struct golden_case test = golden_case(&golden, 0);
    struct gauss gauss;

    ck_assert_double_eq(golden_param(&test, "std_min"), 1e-5);
    ck_assert_double_eq(golden_param(&test, "std_max"), 10.0);
    open_gauss(&gauss, &test, true);
    check_view(&test, "action", gauss.action);
    check_view(&test, "log_prob", gauss.logp);
    run(gauss.of_action);
    check_view(&test, "grad_action_mean", gauss.dmean);
    check_view(&test, "grad_action_log_std", gauss.draw);
    run(gauss.of_logp);
    check_view(&test, "grad_logprob_mean", gauss.dmean);
    check_view(&test, "grad_logprob_log_std", gauss.draw);
    end();
    golden_close(&golden);
}
END_TEST

START_TEST(the_fixed_gaussian_is_the_textbooks)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/tanh_gaussian.json");
    struct golden_case test = golden_case(&golden, 0);
    struct gauss gauss;

    open_gauss(&gauss, &test, false);
    check_view(&test, "action_if_std_not_variance", gauss.action);
    check_view(&test, "log_prob_if_std_not_variance", gauss.logp);
    end();
    golden_close(&golden);
}
END_TEST

/* --- losses --- */

static float sum(struct pawl_view view)
{
    float data[GOLDEN_FLOATS_MAX], total = 0.0f;
    read_view(view, data);
    for (uint32_t i = 0; i < pawl_view_count(view); i++)
        total += data[i];
    return total;
}

static struct pawl_view put_chosen(const struct golden_case *test, uint32_t critics)
{
    const json_t *subset = json_object_get(test->params, "subset");
    float chosen[GOLDEN_FLOATS_MAX] = {0};
    for (uint32_t i = 0; i < critics; i++)
        chosen[i] = json_is_null(subset) ? 1.0f : 0.0f;
    for (size_t i = 0; i < json_array_size(subset); i++)
        chosen[json_integer_value(json_array_get(subset, i))] = 1.0f;
    return put(1, critics, chosen);
}

/* In the place of the vectors' done and discount, what a batch holds. */
static struct pawl_view put_discount(const struct golden_case *test)
{
    struct golden_array done = golden_input(test, "done");
    for (size_t i = 0; i < done.count; i++)
        done.data[i] = (float)golden_param(test, "discount") * (1.0f - done.data[i]);
    return put((uint32_t)done.count, 1, done.data);
}

START_TEST(critic_targets_and_losses_are_lerobots)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/sac_critic.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct golden_case test = golden_case(&golden, i);
        begin();
        struct golden_array target = golden_input(&test, "q_target");
        struct golden_array pred = golden_input(&test, "q_pred");
        uint32_t critics = target.shape[0], rows = target.shape[1];
        float log_alpha = logf((float)golden_param(&test, "temperature"));
        struct pawl_op_td_target op = {.y = work(rows, 1),
                                       .q = put_transposed(&target),
                                       .chosen = put_chosen(&test, critics),
                                       .reward = put_column(&test, "reward"),
                                       .discount = put_discount(&test)};
        if (golden_param(&test, "backup_entropy") != 0.0) {
            op.logp = put_column(&test, "next_log_prob");
            op.log_alpha = put(1, 1, &log_alpha);
        }
        struct pawl_op_critic_loss loss = {.dq = work(rows, critics),
                                           .loss = work(1, critics),
                                           .q = put_transposed(&pred),
                                           .y = op.y,
                                           .scale = 1.0f};
        uint32_t list = pawl_plan_begin(plan, "critic");
        pawl_plan_td_target(plan, &op);
        pawl_plan_critic_loss(plan, &loss);
        open_engine();
        run(list);
        float total = sum(loss.loss);
        check_view(&test, "target", op.y);
        golden_check(&test, "loss", &total, 1);
        check_transposed(&test, "grad_q_pred", loss.dq);
        end();
    }
    golden_close(&golden);
}
END_TEST

START_TEST(actor_losses_are_lerobots)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/sac_actor.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct golden_case test = golden_case(&golden, i);
        begin();
        struct golden_array q = golden_input(&test, "q");
        float log_alpha = logf((float)golden_param(&test, "temperature"));
        struct pawl_op_actor_loss op = {.dq = work(q.shape[1], q.shape[0]),
                                        .dlogp = work(q.shape[1], 1),
                                        .loss = work(1, 1),
                                        .q = put_transposed(&q),
                                        .logp = put_column(&test, "log_prob"),
                                        .log_alpha = put(1, 1, &log_alpha)};
        uint32_t list = pawl_plan_begin(plan, "actor");
        pawl_plan_actor_loss(plan, &op);
        open_engine();
        run(list);
        check_view(&test, "loss", op.loss);
        check_transposed(&test, "grad_q", op.dq);
        check_view(&test, "grad_log_prob", op.dlogp);
        end();
    }
    golden_close(&golden);
}
END_TEST

START_TEST(temperature_losses_and_their_first_step_are_lerobots)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/sac_temperature.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct golden_case test = golden_case(&golden, i);
        begin();
        float zero = 0.0f;
        struct pawl_op_temperature_loss op = {.dlog_alpha = work(1, 1),
                                              .loss = work(1, 1),
                                              .logp = put_column(&test, "log_prob"),
                                              .log_alpha = put_column(&test, "log_alpha"),
                                              .target_entropy =
                                                  (float)golden_param(&test, "target_entropy")};
        struct pawl_op_adam adam = {.p = op.log_alpha,
                                    .m = put(1, 1, &zero),
                                    .v = put(1, 1, &zero),
                                    .step = put(1, 1, &zero),
                                    .g = op.dlog_alpha,
                                    .lr = golden_param(&test, "lr"),
                                    .beta1 = 0.9,
                                    .beta2 = 0.999,
                                    .eps = 1e-8};
        uint32_t loss = pawl_plan_begin(plan, "loss");
        pawl_plan_temperature_loss(plan, &op);
        pawl_plan_adam(plan, &adam);
        open_engine();
        run(loss);
        check_view(&test, "loss", op.loss);
        check_view(&test, "grad", op.dlog_alpha);
        check_view(&test, "log_alpha_after_adam", op.log_alpha);
        end();
    }
    golden_close(&golden);
}
END_TEST

START_TEST(the_discrete_critics_targets_and_losses_are_lerobots)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/sac_discrete.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct golden_case test = golden_case(&golden, i);
        begin();
        struct pawl_view q = put_matrix(&test, "q_pred");
        struct pawl_op_choice_target op = {.y = work(q.rows, 1),
                                           .q = put_matrix(&test, "q_next_online"),
                                           .q_target = put_matrix(&test, "q_next_target"),
                                           .reward = put_column(&test, "reward"),
                                           .discount = put_discount(&test)};
        if (golden_param(&test, "use_penalty") != 0.0)
            op.penalty = put_column(&test, "penalty");
        struct pawl_op_choice_loss loss = {.dq = work(q.rows, q.cols),
                                           .loss = work(1, 1),
                                           .q = q,
                                           .choice = put_column(&test, "action_last"),
                                           .y = op.y};
        uint32_t list = pawl_plan_begin(plan, "discrete");
        pawl_plan_choice_target(plan, &op);
        pawl_plan_choice_loss(plan, &loss);
        open_engine();
        run(list);
        check_view(&test, "target", op.y);
        check_view(&test, "loss", loss.loss);
        check_view(&test, "grad_q_pred", loss.dq);
        end();
    }
    golden_close(&golden);
}
END_TEST

/* --- updates --- */

START_TEST(targets_follow_to_the_bit)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/polyak.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct golden_case test = golden_case(&golden, i);
        begin();
        struct golden_array p = golden_input(&test, "param");
        struct golden_array target = golden_input(&test, "target");
        struct golden_array want = golden_expected(&test, "target_seq");
        uint32_t count = (uint32_t)p.count, turns = (uint32_t)golden_param(&test, "iters");
        struct pawl_op_polyak op = {.target = put(1, count, target.data),
                                    .p = put(1, count, p.data),
                                    .w = golden_param(&test, "weight")};
        uint32_t list = pawl_plan_begin(plan, "polyak");
        pawl_plan_polyak(plan, &op);
        open_engine();
        for (uint32_t turn = 0; turn < turns; turn++) {
            float got[GOLDEN_FLOATS_MAX];
            run(list);
            read_view(op.target, got);
            ck_assert_mem_eq(got, want.data + turn * count, count * sizeof(float));
        }
        end();
    }
    golden_close(&golden);
}
END_TEST

/* The decay of AdamW is a step of its own towards zero, in front of Adam's. */
START_TEST(clipped_steps_of_adam_are_torchs)
{
    struct golden golden;
    golden_open(&golden, PAWL_SOURCE_DIR, "sac/optimizer.json");
    for (size_t i = 0; i < golden.case_count; i++) {
        struct golden_case test = golden_case(&golden, i);
        begin();
        struct golden_array w = golden_input(&test, "w"), b = golden_input(&test, "b");
        struct golden_array gw = golden_input(&test, "gw"), gb = golden_input(&test, "gb");
        float p[6], zero[6] = {0};
        double lr = golden_param(&test, "lr");
        memcpy(p, w.data, 4 * sizeof(float));
        memcpy(p + 4, b.data, 2 * sizeof(float));
        struct pawl_op_adam adam = {.p = put(1, 6, p),
                                    .m = put(1, 6, zero),
                                    .v = put(1, 6, zero),
                                    .step = put(1, 1, zero),
                                    .lr = lr,
                                    .beta1 = golden_param(&test, "b1"),
                                    .beta2 = golden_param(&test, "b2"),
                                    .eps = golden_param(&test, "eps")};
        adam.g = put(1, 6, zero);
        struct pawl_view gradw = pawl_view_cols(adam.g, 0, 4);
        struct pawl_view gradb = pawl_view_cols(adam.g, 4, 2);
        struct pawl_op_clip clip = {.norm = work(1, 1),
                                    .gate = work(1, 1),
                                    .g = {gradw, gradb},
                                    .max_norm = (float)golden_param(&test, "clip")};
        adam.gate = clip.gate;
        uint32_t list = pawl_plan_begin(plan, "step");
        pawl_plan_polyak(plan, &(struct pawl_op_polyak){.target = adam.p,
                                                        .p = put(1, 6, zero),
                                                        .w = lr * golden_param(&test, "wd")});
        pawl_plan_clip(plan, &clip);
        pawl_plan_adam(plan, &adam);
        open_engine();
        float seq[18], norms[3];
        for (uint32_t turn = 0; turn < 3; turn++) {
            engine->ops->write(engine, gradw, gw.data + 4 * turn, NULL);
            engine->ops->write(engine, gradb, gb.data + 2 * turn, NULL);
            run(list);
            read_view(adam.p, seq + 6 * turn);
            read_view(clip.norm, norms + turn);
        }
        golden_check(&test, "params_seq", seq, 18);
        golden_check(&test, "grad_norms", norms, 3);
        end();
    }
    golden_close(&golden);
}
END_TEST

PAWL_TEST_MAIN("sac_vectors", the_squashed_gaussian_is_lerobots,
               the_fixed_gaussian_is_the_textbooks, critic_targets_and_losses_are_lerobots,
               actor_losses_are_lerobots, temperature_losses_and_their_first_step_are_lerobots,
               the_discrete_critics_targets_and_losses_are_lerobots, targets_follow_to_the_bit,
               clipped_steps_of_adam_are_torchs)
