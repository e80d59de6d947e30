/* sac_trainer.c: the order of LeRobot's learner, one optimization step:
 *
 *     utd_ratio times:  a batch; the critics' step; with a choice the discrete critic's;
 *                       the targets follow, but for the last
 *     every policy_update_freq-th step, as many times, on the last batch:
 *                       the actor's step, then the temperature's
 *     the targets follow
 *
 * The first step whose loss or gradient is not finite is not made, nor is any behind it; the
 * targets follow what has moved before. (LeRobot makes them all, and is lost.)
 *
 * compat = "lerobot" differs from "fixed" in this:
 *
 *     s of the actor      is a variance             is a standard deviation
 *     temperature's rate  critic_lr                 temperature_lr
 *     discrete penalty    not in the last batch     in all
 *     shared encoder      counts, with what other   no part of the actor's step
 *                         steps left in its
 *                         gradients, in the
 *                         actor's norm
 *     its target          moves towards itself,     is it
 *                         which rounds
 *
 * With n steps (LeRobot knows one) penalties are added up over them as rewards are.
 *
 * LeRobot stores `truncated` and never reads it; here a batch's discount says what a following
 * frame is worth, which after a truncation is the frame that really followed.
 */
#include "policy/sac_trainer.h"

#include "policy/door.h"
#include "policy/policy.h"
#include "policy/sac_lerobot.h"
#include "policy/sac_table.h"
#include "runtime/log.h"
#include "runtime/philox.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PENALTY_FIELD "extra.discrete_penalty"
#define DRAW_BLOCKS   (UINT64_C(1) << 24) /* of a stream; a draw takes far fewer */

struct sac_trainer {
    struct pawl_trainer base;
    const struct pawl_sac_cfg *cfg;
    struct pawl_sac_model *model;
    struct pawl_sac_steps *steps;
    struct pawl_engine *engine;
    struct pawl_batch batch; /* into the engine's inputs */
    float *penalty;          /* (B), as the batch has it; the engine's may be zeros */
    float *norm;             /* what observations are normalised with: means, then deviations */
    struct pawl_sac_texts texts;
    struct pawl_sac_table table;
    uint64_t seed;
    uint64_t update_count;
    void (*noise)(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                  uint32_t count);
    void *noise_arg;
};

static struct sac_trainer *of(struct pawl_trainer *trainer)
{
    return (struct sac_trainer *)trainer;
}

static const struct sac_trainer *of_const(const struct pawl_trainer *trainer)
{
    return (const struct sac_trainer *)trainer;
}

static float *input(const struct sac_trainer *sac, struct pawl_view view)
{
    return sac->engine->ops->input(sac->engine, view);
}

static const float *output(const struct sac_trainer *sac, struct pawl_view view)
{
    return sac->engine->ops->output(sac->engine, view);
}

/* --- random numbers --- */

/* The first so many of a random order of all critics. */
static void choose(const struct sac_trainer *sac, struct pawl_philox *stream, float *chosen,
                   uint32_t count)
{
    uint32_t left = (uint32_t)sac->cfg->num_subsample_critics;

    if (left == 0)
        left = count;
    for (uint32_t i = 0; i < count; i++) {
        bool is_in = pawl_philox_double(stream) * (double)(count - i) < (double)left;
        chosen[i] = is_in ? 1.0f : 0.0f;
        left -= is_in;
    }
}

static void draw_noise(void *arg, enum pawl_sac_noise which, uint64_t draw, float *out,
                       uint32_t count)
{
    const struct sac_trainer *sac = arg;
    struct pawl_philox stream;

    pawl_philox_open(&stream, sac->seed, PAWL_STREAM_LEARNING, (uint32_t)which);
    pawl_philox_seek(&stream, draw * DRAW_BLOCKS);
    if (which == PAWL_SAC_NOISE_CHOSEN) {
        choose(sac, &stream, out, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        out[i] = (float)pawl_philox_normal(&stream);
}

static void fill_noise(struct sac_trainer *sac, enum pawl_sac_noise which, uint64_t draw,
                       struct pawl_view view)
{
    sac->noise(sac->noise_arg, which, draw, input(sac, view), view.rows * view.cols);
}

void pawl_sac_trainer_noise(struct pawl_trainer *trainer,
                            void (*fill)(void *arg, enum pawl_sac_noise which, uint64_t draw,
                                         float *out, uint32_t count),
                            void *arg)
{
    of(trainer)->noise = fill;
    of(trainer)->noise_arg = arg;
}

const struct pawl_sac_steps *pawl_sac_trainer_steps(const struct pawl_trainer *trainer)
{
    return of_const(trainer)->steps;
}

struct pawl_engine *pawl_sac_trainer_engine(const struct pawl_trainer *trainer)
{
    return of_const(trainer)->engine;
}

/* --- opening --- */

static void add_column(struct sac_trainer *sac, uint32_t field, bool is_next, void *rows,
                       uint32_t stride)
{
    sac->batch.columns[sac->batch.column_count++] = (struct pawl_batch_column){
        .field = field, .is_next = is_next, .rows = rows, .stride = stride * sizeof(float)};
}

static int make_batch(struct sac_trainer *sac, const struct pawl_spec *spec,
                      struct pawl_err *err)
{
    const struct pawl_sac_steps *steps = sac->steps;
    const struct pawl_spec_field *penalty = pawl_spec_find(spec, PENALTY_FIELD);
    uint32_t count = steps->batch_count;

    sac->penalty = calloc(count, sizeof(sac->penalty[0]));
    sac->batch.frame = calloc(count, sizeof(sac->batch.frame[0]));
    sac->norm = calloc(2 * (size_t)sac->cfg->observation_mean.count + 1, sizeof(sac->norm[0]));
    if (!sac->penalty || !sac->batch.frame || !sac->norm)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory for a batch of %u", count);
    sac->batch.count = count;
    for (uint32_t i = 0; i < sac->model->input_count; i++) {
        uint32_t field = sac->model->inputs[i].field;
        add_column(sac, field, false, input(sac, steps->obs[i]), steps->obs[i].stride);
        add_column(sac, field, true, input(sac, steps->next[i]), steps->next[i].stride);
    }
    add_column(sac, sac->model->action_field, false, input(sac, steps->action),
               steps->action.stride);
    if (sac->model->choice_count && penalty && penalty->dtype == PAWL_F32 &&
        penalty->rank == 0) {
        add_column(sac, (uint32_t)(penalty - spec->fields), false, sac->penalty, 1);
        sac->batch.columns[sac->batch.column_count - 1].is_summed = true;
    }
    sac->batch.reward = input(sac, steps->reward);
    sac->batch.discount = input(sac, steps->discount);
    sac->batch.weight = input(sac, steps->weight);
    return 0;
}

static int open_engine_on(struct sac_trainer *sac, const char *device, uint32_t thread_count,
                          struct pawl_err *err)
{
    const struct pawl_engine_setup setup = {.thread_count = thread_count};
    const struct pawl_engine_ops *ops = strcmp(device, "cpu") == 0
                                            ? &pawl_engine_cpu
                                            : pawl_door_engine(device, thread_count, err);

    if (!ops || ops->open(&sac->engine, sac->steps->plan, &setup, err) != 0)
        return pawl_err_wrap(err, "policy sac: device \"%s\"", device);
    return 0;
}

/* What "auto" takes is known when it is open: a driver does not mean a GPU, nor one with room.
 */
static int open_engine(struct sac_trainer *sac, const struct pawl_trainer_setup *setup,
                       struct pawl_err *err)
{
    struct pawl_err why = {0};

    if (strcmp(setup->device, "auto") != 0)
        return open_engine_on(sac, setup->device, setup->thread_count, err);
    if (pawl_door_has_driver()) {
        if (open_engine_on(sac, "cuda", setup->thread_count, &why) == 0)
            return 0;
        pawl_log_warn("a GPU cannot be used: learning on the CPU", "reason=%s", why.text);
    }
    return open_engine_on(sac, "cpu", setup->thread_count, err);
}

static float *state_of(const struct sac_trainer *sac)
{
    return sac->engine->ops->state(sac->engine);
}

/* obs.state alone is normalised. */
static void take_norm(struct sac_trainer *sac)
{
    const float *row = state_of(sac) + sac->steps->row.at;

    for (uint32_t i = 0; i < sac->model->input_count; i++) {
        const struct pawl_sac_input *in = &sac->model->inputs[i];
        const struct pawl_sac_tensor *tensors = &sac->model->tensors[in->norm_tensor];
        for (uint32_t k = 0; in->is_normalised && k < 2; k++)
            memcpy(sac->norm + k * in->count, row + tensors[k].at, in->count * sizeof(float));
    }
}

static int put_first_values(struct sac_trainer *sac, struct pawl_err *err)
{
    float *state = state_of(sac);

    for (uint32_t i = 0; i < sac->model->tensor_count; i++)
        pawl_sac_model_init(sac->model, i, sac->seed,
                            state + sac->steps->row.at + sac->model->tensors[i].at);
    take_norm(sac);
    return sac->engine->ops->restore(sac->engine, err);
}

static void sac_trainer_close(struct pawl_trainer *trainer)
{
    struct sac_trainer *sac = of(trainer);
    if (!sac)
        return;
    if (sac->engine)
        sac->engine->ops->close(sac->engine);
    pawl_sac_texts_close(&sac->texts);
    pawl_sac_table_close(&sac->table);
    pawl_sac_steps_close(sac->steps);
    pawl_sac_model_close(sac->model);
    free(sac->penalty);
    free(sac->norm);
    free(sac->batch.frame);
    free(sac);
}

static int make(struct sac_trainer *sac, const struct pawl_trainer_setup *setup,
                struct pawl_err *err)
{
    struct pawl_trainer_setup taken = *setup;
    int code =
        pawl_sac_model_open(&sac->model, setup->cfg, setup->spec, setup->choice_count, err);
    if (code == 0)
        code = pawl_sac_steps_open(&sac->steps, sac->model, setup->batch_count, err);
    if (code == 0)
        code = open_engine(sac, setup, err);
    if (code == 0)
        code = make_batch(sac, setup->spec, err);
    if (code == 0)
        code = put_first_values(sac, err);
    if (code == 0)
        code = pawl_sac_table_open(&sac->table, sac->steps, state_of(sac), err);
    if (code == 0) {
        taken.device = sac->engine->ops->name;
        code = pawl_sac_texts_open(&sac->texts, sac->model, &taken, err);
    }
    return code;
}

static int sac_trainer_open(struct pawl_trainer **trainer,
                            const struct pawl_trainer_setup *setup, struct pawl_err *err)
{
    *trainer = NULL;
    struct sac_trainer *sac = calloc(1, sizeof(*sac));
    if (!sac)
        return pawl_err_set(err, ENOMEM, "policy sac: out of memory");
    sac->base.ops = &pawl_sac_trainer;
    sac->cfg = pawl_cfg_fields(setup->cfg, &pawl_sac_table);
    sac->seed = setup->seed;
    sac->noise = draw_noise;
    sac->noise_arg = sac;
    int code = make(sac, setup, err);
    if (code != 0) {
        sac_trainer_close(&sac->base);
        return code;
    }
    *trainer = &sac->base;
    return 0;
}

/* --- an update --- */

static void normalise(struct sac_trainer *sac, const struct pawl_sac_input *in,
                      struct pawl_view view)
{
    const float *mean = sac->norm, *std = sac->norm + in->count;
    float *rows = input(sac, view);

    for (uint32_t r = 0; r < view.rows; r++)
        for (uint32_t i = 0; i < in->count; i++) {
            float *x = &rows[(size_t)r * view.stride + i];
            *x = (*x - mean[i]) / std[i];
        }
}

static int fill_batch(struct sac_trainer *sac, const struct pawl_sampler *sampler,
                      uint32_t turn, struct pawl_err *err)
{
    const struct pawl_sac_steps *steps = sac->steps;
    uint32_t turns = (uint32_t)sac->cfg->utd_ratio;
    uint64_t draw = sac->update_count * turns + turn;

    int code = sampler->fill(sampler->arg, &sac->batch, draw, err);
    if (code != 0)
        return code;
    for (uint32_t i = 0; i < sac->model->input_count; i++) {
        if (!sac->model->inputs[i].is_normalised)
            continue;
        normalise(sac, &sac->model->inputs[i], steps->obs[i]);
        normalise(sac, &sac->model->inputs[i], steps->next[i]);
    }
    bool is_charged = sac->cfg->compat == PAWL_SAC_COMPAT_FIXED || turn + 1 < turns;
    for (uint32_t i = 0; i < steps->batch_count; i++)
        input(sac, steps->penalty)[i] = is_charged ? sac->penalty[i] : 0.0f;
    fill_noise(sac, PAWL_SAC_NOISE_NEXT, draw, steps->eps_next);
    fill_noise(sac, PAWL_SAC_NOISE_CHOSEN, draw, steps->chosen);
    return 0;
}

static void put(struct pawl_trainer_report *report, const char *name, double value)
{
    report->figures[report->figure_count].name = name;
    report->figures[report->figure_count++].value = value;
}

static double sum_of(const struct sac_trainer *sac, struct pawl_view view)
{
    const float *rows = output(sac, view);
    double sum = 0.0;

    for (uint32_t i = 0; i < view.rows * view.cols; i++)
        sum += (double)rows[i];
    return sum;
}

static double mean_of(const struct sac_trainer *sac, struct pawl_view view)
{
    return sum_of(sac, view) / (double)(view.rows * view.cols);
}

/* What a step of an optimizer means for the report; false: it was not made. */
static bool take_step(const struct sac_trainer *sac, const struct pawl_sac_optimizer *optimizer,
                      struct pawl_trainer_report *report)
{
    double norm = (double)output(sac, optimizer->norm)[0];
    bool is_made = output(sac, optimizer->gate)[0] != 0.0f;

    if (!is_made)
        report->is_skipped = true;
    /* What is not a number is above all that is, and stays. */
    if (!(norm <= report->grad_norm) && !isnan(report->grad_norm))
        report->grad_norm = norm;
    return is_made;
}

static int run(struct sac_trainer *sac, enum pawl_sac_list list, struct pawl_err *err)
{
    return sac->engine->ops->run(sac->engine, sac->steps->lists[list], err);
}

static int learn_batch(struct sac_trainer *sac, const struct pawl_sampler *sampler,
                       uint32_t turn, struct pawl_trainer_report *report, struct pawl_err *err)
{
    const struct pawl_sac_steps *steps = sac->steps;
    bool has_choice = sac->model->choice_count > 0;

    int code = fill_batch(sac, sampler, turn, err);
    if (code == 0)
        code = run(sac, PAWL_SAC_CRITIC, err);
    if (code == 0 && has_choice)
        code = run(sac, PAWL_SAC_DISCRETE, err);
    if (code == 0)
        code = sac->engine->ops->finish(sac->engine, err);
    if (code != 0)
        return code;
    bool is_made = take_step(sac, &steps->critic, report);
    if (is_made && sampler->prioritise)
        sampler->prioritise(sampler->arg, sac->batch.frame, output(sac, steps->error),
                            steps->batch_count);
    if (has_choice)
        take_step(sac, &steps->discrete, report);
    /* Behind the last turn, and behind one that is not whole, the update does it. */
    if (report->is_skipped || turn + 1 == (uint32_t)sac->cfg->utd_ratio)
        return 0;
    return run(sac, PAWL_SAC_TARGETS, err);
}

static int learn_actor(struct sac_trainer *sac, struct pawl_trainer_report *report,
                       struct pawl_err *err)
{
    const struct pawl_sac_steps *steps = sac->steps;
    uint64_t turns = (uint64_t)sac->cfg->policy_update_freq;

    for (uint64_t turn = 0; turn < turns && !report->is_skipped; turn++) {
        uint64_t draw = sac->update_count * turns + turn;
        fill_noise(sac, PAWL_SAC_NOISE_ACTOR, draw, steps->eps_actor);
        fill_noise(sac, PAWL_SAC_NOISE_TEMPERATURE, draw, steps->eps_temperature);
        int code = run(sac, PAWL_SAC_ACTOR, err);
        if (code == 0)
            code = run(sac, PAWL_SAC_TEMPERATURE, err);
        if (code == 0)
            code = sac->engine->ops->finish(sac->engine, err);
        if (code != 0)
            return code;
        take_step(sac, &steps->actor, report);
        take_step(sac, &steps->temperature, report);
    }
    return 0;
}

/* Of the last batch and the last steps. */
static void put_figures(const struct sac_trainer *sac, bool has_actor,
                        struct pawl_trainer_report *report)
{
    const struct pawl_sac_steps *steps = sac->steps;
    const float *q = output(sac, steps->q);
    double least = (double)q[0], most = (double)q[0];

    for (uint32_t i = 1; i < steps->q.rows * steps->q.cols; i++) {
        least = fmin(least, (double)q[i]);
        most = fmax(most, (double)q[i]);
    }
    put(report, "loss/critic", sum_of(sac, steps->critic.loss));
    put(report, "grad/critic", sum_of(sac, steps->critic.norm));
    put(report, "q/mean", mean_of(sac, steps->q));
    put(report, "q/min", least);
    put(report, "q/max", most);
    put(report, "q/target_mean", mean_of(sac, steps->target));
    put(report, "policy/temperature", exp(sum_of(sac, steps->log_alpha)));
    if (sac->model->choice_count) {
        put(report, "loss/discrete_critic", sum_of(sac, steps->discrete.loss));
        put(report, "grad/discrete_critic", sum_of(sac, steps->discrete.norm));
    }
    if (!has_actor)
        return;
    put(report, "loss/actor", sum_of(sac, steps->actor.loss));
    put(report, "grad/actor", sum_of(sac, steps->actor.norm));
    put(report, "loss/temperature", sum_of(sac, steps->temperature.loss));
    put(report, "grad/temperature", sum_of(sac, steps->temperature.norm));
    put(report, "policy/entropy", -mean_of(sac, steps->logp));
}

static int sac_trainer_update(struct pawl_trainer *trainer, const struct pawl_sampler *sampler,
                              struct pawl_trainer_report *report, struct pawl_err *err)
{
    struct sac_trainer *sac = of(trainer);
    uint32_t turns = (uint32_t)sac->cfg->utd_ratio;
    bool has_actor = sac->update_count % (uint64_t)sac->cfg->policy_update_freq == 0;
    uint64_t update_count = sac->update_count + 1;
    int code = 0;

    *report = (struct pawl_trainer_report){0};
    memcpy(input(sac, sac->steps->counters_next), &update_count, sizeof(update_count));
    for (uint32_t turn = 0; code == 0 && turn < turns && !report->is_skipped; turn++)
        code = learn_batch(sac, sampler, turn, report, err);
    has_actor = has_actor && !report->is_skipped;
    if (code == 0 && has_actor)
        code = learn_actor(sac, report, err);
    if (code == 0)
        code = run(sac, PAWL_SAC_TARGETS, err);
    if (code == 0)
        code = sac->engine->ops->finish(sac->engine, err);
    if (code != 0)
        return code;
    sac->update_count = update_count;
    put_figures(sac, has_actor, report);
    return 0;
}

/* --- the block --- */

static const char *sac_trainer_device(const struct pawl_trainer *trainer)
{
    return of_const(trainer)->engine->ops->name;
}

static uint64_t sac_trainer_update_count(const struct pawl_trainer *trainer)
{
    return of_const(trainer)->update_count;
}

static void *sac_trainer_state(struct pawl_trainer *trainer, size_t *byte_count)
{
    struct sac_trainer *sac = of(trainer);

    *byte_count = pawl_plan_float_count(sac->steps->plan, PAWL_STATE) * sizeof(float);
    return state_of(sac);
}

static int sac_trainer_fetch(struct pawl_trainer *trainer, struct pawl_err *err)
{
    struct pawl_engine *engine = of(trainer)->engine;
    return engine->ops->fetch(engine, err);
}

static const struct pawl_tensor *sac_trainer_tensors(const struct pawl_trainer *trainer,
                                                     size_t *count)
{
    *count = of_const(trainer)->table.count;
    return of_const(trainer)->table.tensors;
}

static int sac_trainer_restore(struct pawl_trainer *trainer, struct pawl_err *err)
{
    struct sac_trainer *sac = of(trainer);

    int code = pawl_sac_table_check(&sac->table, err);
    if (code == 0)
        code = sac->engine->ops->restore(sac->engine, err);
    if (code != 0)
        return code;
    take_norm(sac);
    memcpy(&sac->update_count, state_of(sac) + sac->steps->counters.at,
           sizeof(sac->update_count));
    return 0;
}

static void sac_trainer_publish(const struct pawl_trainer *trainer, size_t index, void *data)
{
    const struct sac_trainer *sac = of_const(trainer);
    const struct pawl_sac_tensor *tensor =
        &sac->model->tensors[sac->model->manifest_tensors[index]];

    memcpy(data, state_of(sac) + sac->steps->row.at + tensor->at,
           tensor->count * sizeof(float));
}

static const struct pawl_trainer_alias *sac_trainer_aliases(const struct pawl_trainer *trainer,
                                                            size_t *count)
{
    *count = of_const(trainer)->texts.alias_count;
    return of_const(trainer)->texts.aliases;
}

static int sac_trainer_describe(const struct pawl_trainer *trainer,
                                enum pawl_trainer_text which, struct pawl_json_writer *writer,
                                struct pawl_err *err)
{
    return pawl_sac_texts_write(&of_const(trainer)->texts, which, writer, err);
}

static double sac_trainer_discount(const struct pawl_trainer *trainer)
{
    return of_const(trainer)->cfg->discount;
}

static const struct pawl_trainer_optimizer *
sac_trainer_optimizers(const struct pawl_trainer *trainer, size_t *count)
{
    *count = of_const(trainer)->table.optimizer_count;
    return of_const(trainer)->table.optimizers;
}

const struct pawl_trainer_ops pawl_sac_trainer = {
    .open = sac_trainer_open,
    .close = sac_trainer_close,
    .device = sac_trainer_device,
    .update = sac_trainer_update,
    .discount = sac_trainer_discount,
    .update_count = sac_trainer_update_count,
    .state = sac_trainer_state,
    .fetch = sac_trainer_fetch,
    .tensors = sac_trainer_tensors,
    .restore = sac_trainer_restore,
    .publish = sac_trainer_publish,
    .aliases = sac_trainer_aliases,
    .optimizers = sac_trainer_optimizers,
    .describe = sac_trainer_describe,
    .recall = pawl_sac_recall,
};
