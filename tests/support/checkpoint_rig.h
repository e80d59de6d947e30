/* checkpoint_rig.h: saves whose content tells of which step they are. */
#ifndef PAWL_TEST_CHECKPOINT_RIG_H
#define PAWL_TEST_CHECKPOINT_RIG_H

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/checkpoint_find.h"
#include "runtime/clock.h"
#include "runtime/safetensors.h"

#define RIG_FLOATS 700u
#define RIG_JSON   "training_state/step.json"
#define RIG_MODEL  "pretrained_model/model.safetensors"
#define RIG_MOMENT "training_state/actor/optimizer_state.safetensors"

struct rig {
    struct pawl_checkpoint saver;
    float *numbers; /* two files of them; owned, for the saver borrows */
    char json[64];
    struct iovec json_part;
    struct pawl_safetensors_layout layouts[2];
    struct pawl_checkpoint_file files[3];
};

static inline float rig_number(uint64_t step, size_t i)
{
    return (float)(step % 1000003) + (float)i / 1024.0f;
}

/* Fills the files for a step. */
static inline void rig_fill(struct rig *rig, uint64_t step)
{
    for (size_t i = 0; i < RIG_FLOATS; i++)
        rig->numbers[i] = rig_number(step, i);
    rig->json_part.iov_len = (size_t)snprintf(rig->json, sizeof(rig->json),
                                              "{\"step\": %llu}\n", (unsigned long long)step);
}

static inline struct pawl_checkpoint_setup
rig_setup(struct pawl_io *io, enum pawl_io_queue_kind queue, const char *run_path)
{
    return (struct pawl_checkpoint_setup){
        .io = io,
        .queue = queue,
        .run_path = run_path,
        .run = "a run",
        .spec_hash = {1, 2, 3},
        .cfg = {.period_s = 60, .keep_last = 2, .keep_best = 0},
        .step = INT64_MAX,
        .part_count_max = 16,
    };
}

static inline int rig_open(struct rig *rig, const struct pawl_checkpoint_setup *setup,
                           struct pawl_err *err)
{
    memset(rig, 0, sizeof(*rig));
    rig->numbers = calloc(RIG_FLOATS, sizeof(float));
    ck_assert_ptr_nonnull(rig->numbers);
    for (int i = 0; i < 2; i++) {
        struct pawl_tensor tensor = {
            .name = "w",
            .dtype = PAWL_F32,
            .rank = 1,
            .shape = {RIG_FLOATS / 2},
            .data = rig->numbers + (size_t)i * RIG_FLOATS / 2,
        };
        ck_assert_int_eq(
            pawl_safetensors_layout_open(&rig->layouts[i], &tensor, 1, NULL, 0, NULL), 0);
    }
    rig->json_part.iov_base = rig->json;
    rig->files[0] = (struct pawl_checkpoint_file){RIG_MODEL, rig->layouts[0].parts,
                                                  rig->layouts[0].part_count};
    rig->files[1] = (struct pawl_checkpoint_file){RIG_MOMENT, rig->layouts[1].parts,
                                                  rig->layouts[1].part_count};
    rig->files[2] = (struct pawl_checkpoint_file){RIG_JSON, &rig->json_part, 1};
    return pawl_checkpoint_open(&rig->saver, setup, err);
}

static inline void rig_close(struct rig *rig)
{
    pawl_checkpoint_close(&rig->saver);
    for (int i = 0; i < 2; i++)
        pawl_safetensors_layout_close(&rig->layouts[i]);
    free(rig->numbers);
    memset(rig, 0, sizeof(*rig));
}

/* Saves and waits until old ones are removed too: DONE or FAILED; IDLE when begin refused. */
static inline enum pawl_checkpoint_state rig_save_filled(struct rig *rig, uint64_t step,
                                                         double score, struct pawl_err *err)
{
    if (pawl_checkpoint_begin(&rig->saver, step, score, rig->files, 3, 0, err) != 0)
        return PAWL_CHECKPOINT_IDLE;
    uint64_t deadline_ns = pawl_clock_now_ns() + 60 * PAWL_NS_PER_S;
    enum pawl_checkpoint_state state = pawl_checkpoint_wait(&rig->saver, deadline_ns, err);
    ck_assert_int_ne(state, PAWL_CHECKPOINT_BUSY);
    ck_assert_int_eq(pawl_checkpoint_wait(&rig->saver, deadline_ns, NULL),
                     PAWL_CHECKPOINT_IDLE);
    return state;
}

static inline enum pawl_checkpoint_state rig_save(struct rig *rig, uint64_t step, double score,
                                                  struct pawl_err *err)
{
    rig_fill(rig, step);
    return rig_save_filled(rig, step, score, err);
}

/* The files hold what rig_fill() put for the step, no other. */
static inline void rig_expect(struct pawl_io *io, const char *path, uint64_t step)
{
    char *bytes;
    size_t byte_count;
    struct pawl_err err = {0};
    char wanted[64];
    ck_assert_msg(pawl_checkpoint_read(io, path, RIG_JSON, 4096, &bytes, &byte_count, &err) ==
                      0,
                  "%s", err.text);
    snprintf(wanted, sizeof(wanted), "{\"step\": %llu}\n", (unsigned long long)step);
    ck_assert_str_eq(bytes, wanted);
    free(bytes);
    for (int i = 0; i < 2; i++) {
        struct pawl_safetensors file;
        ck_assert_int_eq(pawl_checkpoint_read(io, path, i ? RIG_MOMENT : RIG_MODEL, 1 << 20,
                                              &bytes, &byte_count, &err),
                         0);
        ck_assert_int_eq(
            pawl_safetensors_open(&file, bytes, byte_count, byte_count, path, &err), 0);
        const float *data = file.tensors[0].data;
        for (size_t k = 0; k < RIG_FLOATS / 2; k++)
            ck_assert_float_eq(data[k], rig_number(step, (size_t)i * RIG_FLOATS / 2 + k));
        pawl_safetensors_close(&file);
        free(bytes);
    }
}

#endif
