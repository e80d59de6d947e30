/* sac_rig.h: a small learner of SAC, and a store whose batches a test writes.
 *
 *     sac_rig_open(&rig, words, word_count, rows, choice_count);
 *     rig.fill = ...;                      what a batch holds
 *     sac_rig_update(&rig, &report);
 *     sac_rig_close(&rig);
 *
 * Observations have 3 components, actions 2 and, with choice_count, the choice.
 */
#ifndef PAWL_TEST_SAC_RIG_H
#define PAWL_TEST_SAC_RIG_H

#include "policy/policy.h"
#include "policy/policy_cfg.h"
#include "policy/sac_trainer.h"
#include "runtime/philox.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SAC_RIG_OBS    3u
#define SAC_RIG_ACTION 2u

/* Behind words that set a width of LeRobot's encoders, which it has not. */
#define PLAIN "policy.sac.network=plain", "policy.sac.latent_dim=256"

struct sac_rig {
    struct pawl_cfg *cfg;
    struct pawl_spec spec;
    uint32_t choice_count;
    struct pawl_trainer *trainer;
    struct pawl_sampler sampler;
    uint64_t draws[256]; /* that were asked for */
    uint32_t draw_count;
    uint32_t prioritised_count;
    float discount; /* of every row that does not end */
    /* Instead of the default, which is noise by `draw`. */
    void (*fill)(struct sac_rig *rig, struct pawl_batch *batch, uint64_t draw);
};

/* Where column `field`, of the next frame or not, puts its row. */
static inline float *sac_rig_row(const struct sac_rig *rig, const struct pawl_batch *batch,
                                 const char *field, bool is_next, uint32_t row)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct pawl_batch_column *column = &batch->columns[c];
        if (column->is_next == is_next &&
            strcmp(rig->spec.fields[column->field].name, field) == 0)
            return (float *)(void *)((unsigned char *)column->rows + row * column->stride);
    }
    return NULL;
}

static inline void sac_rig_noise_batch(struct sac_rig *rig, struct pawl_batch *batch,
                                       uint64_t draw)
{
    struct pawl_philox noise;
    pawl_philox_open(&noise, 77, 0, (uint32_t)draw);
    for (uint32_t row = 0; row < batch->count; row++) {
        for (uint32_t next = 0; next < 2; next++)
            for (uint32_t i = 0; i < SAC_RIG_OBS; i++)
                sac_rig_row(rig, batch, "obs.state", next, row)[i] =
                    (float)pawl_philox_normal(&noise);
        float *action = sac_rig_row(rig, batch, "action", false, row);
        for (uint32_t i = 0; i < SAC_RIG_ACTION; i++)
            action[i] = (float)(2.0 * pawl_philox_double(&noise) - 1.0);
        if (rig->choice_count) {
            action[SAC_RIG_ACTION] = (float)(row % rig->choice_count);
            sac_rig_row(rig, batch, "extra.discrete_penalty", false, row)[0] = -0.5f;
        }
        batch->reward[row] = (float)pawl_philox_normal(&noise);
        batch->discount[row] = row % 4 == 3 ? 0.0f : rig->discount;
        batch->weight[row] = 1.0f;
        batch->frame[row] = 1000 * draw + row;
    }
}

static inline int sac_rig_fill(void *arg, struct pawl_batch *batch, uint64_t draw,
                               struct pawl_err *err)
{
    struct sac_rig *rig = arg;
    (void)err;
    rig->draws[rig->draw_count++ % 256] = draw;
    rig->fill(rig, batch, draw);
    return 0;
}

static inline void sac_rig_prioritise(void *arg, const uint64_t *frames, const float *errors,
                                      uint32_t count)
{
    struct sac_rig *rig = arg;
    for (uint32_t i = 0; i < count; i++)
        ck_assert_msg(errors[i] >= 0.0f, "frame %llu has error %g",
                      (unsigned long long)frames[i], (double)errors[i]);
    rig->prioritised_count += count;
}

static inline void sac_rig_open_on(struct sac_rig *rig, const char *device,
                                   const char *const *words, int word_count, uint32_t rows,
                                   uint32_t choice_count)
{
    static const struct pawl_cfg_table *const tables[] = {&pawl_policy_table, &pawl_sac_table,
                                                          NULL};
    struct pawl_cfg_source source = {.words = (char *const *)(uintptr_t)words,
                                     .word_count = word_count};
    struct pawl_err err = {0};

    *rig = (struct sac_rig){
        .choice_count = choice_count, .discount = 0.9f, .fill = sac_rig_noise_batch};
    ck_assert_msg(pawl_cfg_open(&rig->cfg, tables, &source, &err) == 0, "%s", err.text);
    uint32_t actions = SAC_RIG_ACTION + (choice_count ? 1 : 0);
    pawl_spec_add(&rig->spec, "obs.state", PAWL_F32, 1, (uint32_t[]){SAC_RIG_OBS}, NULL);
    pawl_spec_add(&rig->spec, "action", PAWL_F32, 1, &actions, NULL);
    pawl_spec_add(&rig->spec, "extra.discrete_penalty", PAWL_F32, 0, NULL, NULL);
    struct pawl_trainer_setup setup = {.cfg = rig->cfg,
                                       .spec = &rig->spec,
                                       .choice_count = choice_count,
                                       .batch_count = rows,
                                       .seed = 5,
                                       .device = device,
                                       .thread_count = 1};
    ck_assert_msg(pawl_sac_trainer.open(&rig->trainer, &setup, &err) == 0, "%s", err.text);
    rig->sampler = (struct pawl_sampler){
        .arg = rig, .fill = sac_rig_fill, .prioritise = sac_rig_prioritise};
}

static inline void sac_rig_open(struct sac_rig *rig, const char *const *words, int word_count,
                                uint32_t rows, uint32_t choice_count)
{
    sac_rig_open_on(rig, "cpu", words, word_count, rows, choice_count);
}

static inline void sac_rig_close(struct sac_rig *rig)
{
    pawl_sac_trainer.close(rig->trainer);
    pawl_cfg_close(rig->cfg);
}

static inline void sac_rig_update(struct sac_rig *rig, struct pawl_trainer_report *report)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sac_trainer.update(rig->trainer, &rig->sampler, report, &err) == 0, "%s",
                  err.text);
}

static inline double sac_rig_figure(const struct pawl_trainer_report *report, const char *name)
{
    for (uint32_t i = 0; i < report->figure_count; i++)
        if (strcmp(report->figures[i].name, name) == 0)
            return report->figures[i].value;
    ck_abort_msg("no figure '%s'", name);
}

/* A tensor of the trainer's table; its numbers are those of the last fetch (on the CPU of now),
 * may be written, and count after a restore. */
static inline float *sac_rig_tensor(const struct sac_rig *rig, const char *name,
                                    uint64_t *count)
{
    size_t tensor_count;
    const struct pawl_tensor *tensors = pawl_sac_trainer.tensors(rig->trainer, &tensor_count);
    for (size_t i = 0; i < tensor_count; i++) {
        if (strcmp(tensors[i].name, name) != 0)
            continue;
        *count = 1;
        for (uint32_t k = 0; k < tensors[i].rank; k++)
            *count *= tensors[i].shape[k];
        return (float *)(uintptr_t)tensors[i].data;
    }
    ck_abort_msg("no tensor '%s'", name);
}

/* What the device has learnt is in the tensors. */
static inline void sac_rig_fetch(struct sac_rig *rig)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sac_trainer.fetch(rig->trainer, &err) == 0, "%s", err.text);
}

static inline void sac_rig_restore(struct sac_rig *rig)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sac_trainer.restore(rig->trainer, &err) == 0, "%s", err.text);
}

/* One list, as the trainer runs it. */
static inline void sac_rig_run(struct sac_rig *rig, enum pawl_sac_list list)
{
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig->trainer);
    const struct pawl_sac_steps *steps = pawl_sac_trainer_steps(rig->trainer);
    ck_assert_int_eq(engine->ops->run(engine, steps->lists[list], NULL), 0);
    ck_assert_int_eq(engine->ops->finish(engine, NULL), 0);
}

static inline void sac_rig_write(struct sac_rig *rig, struct pawl_view view, const float *data)
{
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig->trainer);
    ck_assert_int_eq(engine->ops->write(engine, view, data, NULL), 0);
}

static inline void sac_rig_read(struct sac_rig *rig, struct pawl_view view, float *data)
{
    struct pawl_engine *engine = pawl_sac_trainer_engine(rig->trainer);
    ck_assert_int_eq(engine->ops->read(engine, view, data, NULL), 0);
}

/* A batch and noise stay in the inputs, for lists that a test runs itself: an update puts them
 * there, and what it moved is put back. */
static inline void sac_rig_stage(struct sac_rig *rig)
{
    struct pawl_trainer_report report;
    size_t bytes;
    void *state = pawl_sac_trainer.state(rig->trainer, &bytes);
    void *before = malloc(bytes);

    sac_rig_fetch(rig);
    memcpy(before, state, bytes);
    sac_rig_update(rig, &report);
    memcpy(state, before, bytes);
    free(before);
    sac_rig_restore(rig);
}

#endif
