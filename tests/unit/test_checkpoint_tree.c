#include "learner/checkpoint_tree.h"

#include "learner/checkpoint_find.h"
#include "learner/checkpoint_rng.h"
#include "runtime/clock.h"
#include "runtime/safetensors.h"
#include "support/scratch.h"
#include "support/test.h"

#include <errno.h>
#include <math.h>

static struct scratch scratch;
static struct pawl_err err;

/* A trainer of a few numbers. */

#define TENSOR_COUNT 9u

struct block {
    double count;
    float w[6], log_alpha[1], target[6], moment[6], square[6], step;
};

struct fake {
    struct pawl_trainer trainer; /* first */
    struct block block;
    struct pawl_tensor tensors[TENSOR_COUNT];
    unsigned restore_count, fetch_count;
    bool is_lost;
};

static struct fake fake;

static void *fake_state(struct pawl_trainer *trainer, size_t *byte_count)
{
    *byte_count = sizeof(struct block);
    return &((struct fake *)trainer)->block;
}

static int fake_fetch(struct pawl_trainer *trainer, struct pawl_err *fake_err)
{
    struct fake *at = (struct fake *)trainer;
    at->fetch_count++;
    return at->is_lost ? pawl_err_set(fake_err, ENOTRECOVERABLE, "the device is lost") : 0;
}

static const struct pawl_tensor *fake_tensors(const struct pawl_trainer *trainer, size_t *count)
{
    *count = TENSOR_COUNT;
    return ((const struct fake *)trainer)->tensors;
}

static int fake_restore(struct pawl_trainer *trainer, struct pawl_err *fake_err)
{
    (void)fake_err;
    ((struct fake *)trainer)->restore_count++;
    return 0;
}

static const struct pawl_trainer_alias *fake_aliases(const struct pawl_trainer *trainer,
                                                     size_t *count)
{
    static const struct pawl_trainer_alias aliases[] = {
        {"critic_ensemble.encoder.weight", "actor.encoder.weight"}};
    (void)trainer;
    *count = 1;
    return aliases;
}

static const struct pawl_trainer_optimizer *fake_optimizers(const struct pawl_trainer *trainer,
                                                            size_t *count)
{
    static const struct pawl_trainer_optimizer optimizers[] = {
        {.name = "critic", .learning_rate = 3e-4, .param_count = 2}};
    (void)trainer;
    *count = 1;
    return optimizers;
}

static int fake_describe(const struct pawl_trainer *trainer, enum pawl_trainer_text which,
                         struct pawl_json_writer *writer, struct pawl_err *fake_err)
{
    (void)trainer;
    (void)fake_err;
    pawl_json_begin_object(writer, NULL);
    pawl_json_put_string(writer, "type", which == PAWL_TRAINER_CONFIG ? "sac" : "train");
    pawl_json_end(writer);
    return 0;
}

static const struct pawl_trainer_ops fake_ops = {
    .state = fake_state,
    .fetch = fake_fetch,
    .tensors = fake_tensors,
    .restore = fake_restore,
    .aliases = fake_aliases,
    .optimizers = fake_optimizers,
    .describe = fake_describe,
};

static void set_tensor(size_t i, const char *name, enum pawl_dtype dtype, uint32_t rank,
                       uint32_t rows, uint32_t cols, const void *data)
{
    fake.tensors[i] =
        (struct pawl_tensor){.dtype = dtype, .rank = rank, .shape = {rows, cols}, .data = data};
    snprintf(fake.tensors[i].name, sizeof(fake.tensors[i].name), "%s", name);
}

static void make_fake(float first)
{
    struct block *block = &fake.block;
    memset(&fake, 0, sizeof(fake));
    fake.trainer.ops = &fake_ops;
    block->count = (double)first * 100.0;
    for (int i = 0; i < 6; i++) {
        block->w[i] = first + (float)i;
        block->target[i] = first + (float)i + 0.5f;
        block->moment[i] = -first - (float)i;
        block->square[i] = first * (float)i;
    }
    block->log_alpha[0] = first / 8;
    block->step = first;
    set_tensor(0, "model/actor.encoder.weight", PAWL_F32, 2, 2, 2, block->w);
    set_tensor(1, "model/critic_ensemble.critics.0.net.net.0.weight", PAWL_F32, 1, 2, 0,
               block->w + 4);
    set_tensor(2, "model/log_alpha", PAWL_F32, 1, 1, 0, block->log_alpha);
    set_tensor(3, "model/critic_target.critics.0.net.net.0.weight", PAWL_F32, 1, 2, 0,
               block->target + 4);
    set_tensor(4, "optimizer/critic/state/0/exp_avg", PAWL_F32, 2, 2, 2, block->moment);
    set_tensor(5, "optimizer/critic/state/0/exp_avg_sq", PAWL_F32, 2, 2, 2, block->square);
    set_tensor(6, "optimizer/critic/state/0/step", PAWL_F32, 0, 0, 0, &block->step);
    set_tensor(7, "optimizer/critic/state/1/step", PAWL_F32, 0, 0, 0, &block->step);
    set_tensor(8, "pawl/update_count", PAWL_F64, 0, 0, 0, &block->count);
}

static const char pawl_json[] = "{\"debt\": 0.25}";

/* Saves the fake under the step; returns the checkpoint's path. */
static const char *save(uint64_t step)
{
    static char path[PATH_MAX];
    struct pawl_checkpoint_tree tree;
    struct pawl_checkpoint saver;
    struct pawl_checkpoint_tree_setup tree_setup = {.trainer = &fake.trainer, .seed = 7};
    err = (struct pawl_err){0};
    ck_assert_msg(pawl_checkpoint_tree_open(&tree, &tree_setup, &err) == 0, "%s", err.text);
    struct pawl_checkpoint_setup setup = {
        .io = pawl_io_sys(),
        .queue = PAWL_IO_QUEUE_INLINE,
        .run_path = scratch.path,
        .run = "r",
        .part_count_max = tree.part_count,
    };
    ck_assert_msg(pawl_checkpoint_open(&saver, &setup, &err) == 0, "%s", err.text);
    struct pawl_checkpoint_counts counts = {.step = step, .interaction_step = 3 * step};
    ck_assert_int_eq(
        pawl_checkpoint_tree_snap(&tree, &counts, pawl_json, sizeof(pawl_json) - 1, &err), 0);
    struct block before = fake.block;
    memset(&fake.block, 0, sizeof(fake.block)); /* training goes on */
    ck_assert_int_eq(
        pawl_checkpoint_begin(&saver, step, NAN, tree.files, tree.file_count, 0, &err), 0);
    ck_assert_msg(pawl_checkpoint_wait(&saver, pawl_clock_now_ns() + 30 * PAWL_NS_PER_S,
                                       &err) == PAWL_CHECKPOINT_DONE,
                  "%s", err.text);
    fake.block = before;
    pawl_checkpoint_close(&saver);
    pawl_checkpoint_tree_close(&tree);
    pawl_checkpoint_tree_close(&tree);
    snprintf(path, sizeof(path), "%s/checkpoints/%06u", scratch.path, (unsigned)step);
    return path;
}

static int load(const char *path, enum pawl_checkpoint_origin origin,
                struct pawl_checkpoint_loaded *loaded)
{
    err = (struct pawl_err){0};
    return pawl_checkpoint_tree_load(pawl_io_sys(), path, &fake.trainer, origin, loaded, &err);
}

START_TEST(what_was_saved_is_loaded_bit_for_bit_though_training_went_on)
{
    scratch_open(&scratch);
    make_fake(3);
    struct block saved = fake.block;
    const char *path = save(12);
    struct pawl_checkpoint_info info;
    ck_assert_msg(
        pawl_checkpoint_verify(pawl_io_sys(), path, PAWL_CHECKPOINT_FULL, &info, &err) == 0,
        "%s", err.text);
    ck_assert_uint_eq(info.manifest.file_count, 9);

    make_fake(1000);
    struct pawl_checkpoint_loaded loaded;
    ck_assert_msg(load(path, PAWL_CHECKPOINT_OURS, &loaded) == 0, "%s", err.text);
    ck_assert_mem_eq(fake.block.w, saved.w, sizeof(saved.w));
    ck_assert_mem_eq(fake.block.target + 4, saved.target + 4, 2 * sizeof(float));
    ck_assert_mem_eq(fake.block.moment, saved.moment, 4 * sizeof(float));
    ck_assert_mem_eq(fake.block.square, saved.square, 4 * sizeof(float));
    ck_assert_float_eq(fake.block.step, saved.step);
    ck_assert_float_eq(fake.block.log_alpha[0], saved.log_alpha[0]);
    ck_assert_double_eq(fake.block.count, saved.count);
    ck_assert_uint_eq(fake.restore_count, 1);
    ck_assert_uint_eq(loaded.counts.step, 12);
    ck_assert_uint_eq(loaded.counts.interaction_step, 36);
    ck_assert_str_eq(loaded.pawl_json, pawl_json);
    ck_assert_uint_eq(loaded.missing_count, 0);
    free(loaded.pawl_json);
    scratch_close(&scratch);
}
END_TEST

static void read_tensors(const char *path, const char *file, char **bytes,
                         struct pawl_safetensors *tensors)
{
    size_t byte_count;
    ck_assert_int_eq(
        pawl_checkpoint_read(pawl_io_sys(), path, file, 1 << 20, bytes, &byte_count, &err), 0);
    ck_assert_int_eq(pawl_safetensors_open(tensors, *bytes, byte_count, byte_count, file, &err),
                     0);
}

static bool is_in(const char *path, const char *file, const char *text)
{
    char *bytes;
    size_t byte_count;
    ck_assert_int_eq(
        pawl_checkpoint_read(pawl_io_sys(), path, file, 1 << 20, &bytes, &byte_count, &err), 0);
    bool is_found = strstr(bytes, text) != NULL;
    free(bytes);
    return is_found;
}

START_TEST(the_tree_is_lerobots_with_its_names)
{
    scratch_open(&scratch);
    make_fake(3);
    const char *path = save(12);
    char *bytes;
    struct pawl_safetensors file;
    read_tensors(path, "pretrained_model/model.safetensors", &bytes, &file);
    ck_assert_uint_eq(file.tensor_count, 4);
    ck_assert_ptr_nonnull(
        pawl_safetensors_find(&file, "critic_ensemble.critics.0.net.net.0.weight"));
    ck_assert_str_eq(pawl_safetensors_meta(&file, "critic_ensemble.encoder.weight"),
                     "actor.encoder.weight");
    pawl_safetensors_close(&file);
    free(bytes);
    read_tensors(path, "training_state/critic/optimizer_state.safetensors", &bytes, &file);
    ck_assert_uint_eq(file.tensor_count, 4);
    ck_assert_uint_eq(pawl_safetensors_find(&file, "state/1/step")->rank, 0);
    pawl_safetensors_close(&file);
    free(bytes);
    read_tensors(path, "training_state/rng_state.safetensors", &bytes, &file);
    ck_assert_uint_eq(file.tensor_count, PAWL_CHECKPOINT_RNG_TENSORS);
    ck_assert_uint_eq(pawl_safetensors_find(&file, "torch_rng_state")->shape[0], 5056);
    pawl_safetensors_close(&file);
    free(bytes);
    ck_assert(is_in(path, "pretrained_model/config.json", "\"sac\""));
    ck_assert(is_in(path, "pretrained_model/train_config.json", "\"train\""));
    ck_assert(is_in(path, "training_state/training_step.json", "\"interaction_step\": 36"));
    ck_assert(is_in(path, "training_state/critic/optimizer_param_groups.json",
                    "\"weight_decay\": 0,"));
    scratch_close(&scratch);
}
END_TEST

/* Puts what is no number where the file has this one. */
static void spoil(const char *file, float number)
{
    const float none = NAN;
    size_t length = 0;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", scratch_path(&scratch, file));
    char *bytes = scratch_read(path, &length);
    ck_assert_ptr_nonnull(bytes);
    char *at = memmem(bytes, length, &number, sizeof(number));
    ck_assert_ptr_nonnull(at);
    memcpy(at, &none, sizeof(none));
    scratch_write(path, bytes, length);
    free(bytes);
}

START_TEST(a_state_with_a_number_that_is_none_is_not_saved)
{
    struct pawl_checkpoint_tree tree;
    struct pawl_checkpoint_tree_setup setup = {.trainer = &fake.trainer, .seed = 7};
    struct pawl_checkpoint_counts counts = {.step = 1};
    static const float bad[] = {NAN, INFINITY};

    for (size_t i = 0; i < 2; i++) {
        make_fake(3);
        err = (struct pawl_err){0};
        ck_assert_int_eq(pawl_checkpoint_tree_open(&tree, &setup, &err), 0);
        fake.block.square[1] = bad[i];
        ck_assert_int_eq(pawl_checkpoint_tree_snap(&tree, &counts, "{}", 2, &err), -EDOM);
        ck_assert_str_eq(err.text, "optimizer/critic/state/0/exp_avg_sq has a number that is "
                                   "not finite: nobody could go on from it");
        pawl_checkpoint_tree_close(&tree);
    }
}
END_TEST

START_TEST(another_shape_or_dtype_or_a_number_that_is_none_is_refused_and_nothing_is_written)
{
    scratch_open(&scratch);
    make_fake(3);
    const char *path = save(12);
    struct pawl_checkpoint_loaded loaded;
    make_fake(1000);
    struct block before = fake.block;
    fake.tensors[0].shape[1] = 3;
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_OURS, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "model/actor.encoder.weight is F32 (2, 2), this "
                                           "configuration has F32 (2, 3)"));
    fake.tensors[0].shape[1] = 2;
    fake.tensors[8].dtype = PAWL_I64;
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_OURS, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "pawl/update_count is F64 (), this"));
    ck_assert_ptr_null(loaded.pawl_json);
    ck_assert_mem_eq(&fake.block, &before, sizeof(before));

    make_fake(3);
    path = save(13);
    spoil("checkpoints/000013/training_state/critic/optimizer_state.safetensors",
          fake.block.square[1]);
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_OURS, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(
        err.text, "optimizer/critic/state/0/exp_avg_sq has a number that is not finite"));
    ck_assert_uint_eq(fake.restore_count, 0);
    scratch_close(&scratch);
}
END_TEST

START_TEST(ours_has_every_tensor_and_no_other)
{
    scratch_open(&scratch);
    make_fake(3);
    const char *path = save(12);
    struct pawl_checkpoint_loaded loaded;
    strcpy(fake.tensors[2].name, "model/log_beta");
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_OURS, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "there is no model/log_beta"));
    fake.tensors[2] = fake.tensors[3];
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_OURS, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "this configuration has no tensor log_alpha"));
    scratch_close(&scratch);
}
END_TEST

/* --- foreign ones --- */

static void write_file(const char *name, const char *text)
{
    scratch_write(scratch_path(&scratch, name), text, strlen(text));
}

static void write_tensors(const char *name, const struct pawl_tensor *tensors, size_t count,
                          const struct pawl_safetensors_meta *metas, size_t meta_count)
{
    struct pawl_safetensors_layout layout;
    ck_assert_int_eq(
        pawl_safetensors_layout_open(&layout, tensors, count, metas, meta_count, &err), 0);
    FILE *file = fopen(scratch_path(&scratch, name), "we");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < layout.part_count; i++)
        ck_assert_uint_eq(fwrite(layout.parts[i].iov_base, 1, layout.parts[i].iov_len, file),
                          layout.parts[i].iov_len);
    ck_assert_int_eq(fclose(file), 0);
    pawl_safetensors_layout_close(&layout);
}

static const float stored[] = {10, 11, 12, 13, 14, 15, 16};

START_TEST(a_foreign_one_has_compiled_names_aliases_and_no_state_of_ours)
{
    scratch_open(&scratch);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "pretrained_model"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "training_state"), 0700), 0);
    const struct pawl_tensor tensors[] = {
        /* stored once under another name, which the metadata tell */
        {.name = "a.first", .dtype = PAWL_F32, .rank = 2, .shape = {2, 2}, .data = stored},
        {.name = "critic_ensemble._orig_mod.critics.0.net.net.0.weight",
         .dtype = PAWL_F32,
         .rank = 1,
         .shape = {2},
         .data = stored + 4},
        {.name = "log_alpha", .dtype = PAWL_F32, .rank = 1, .shape = {1}, .data = stored + 6},
        {.name = "of.no.interest", .dtype = PAWL_F32, .rank = 1, .shape = {1}, .data = stored},
    };
    const struct pawl_safetensors_meta metas[] = {{"actor.encoder.weight", "a.first"}};
    write_tensors("pretrained_model/model.safetensors", tensors, 4, metas, 1);
    write_file("training_state/training_step.json", "{\"step\": 41}");

    make_fake(1);
    struct pawl_checkpoint_loaded loaded;
    ck_assert_msg(load(scratch.path, PAWL_CHECKPOINT_FOREIGN, &loaded) == 0, "%s", err.text);
    ck_assert_mem_eq(fake.block.w, stored, 6 * sizeof(float));
    ck_assert_mem_eq(fake.block.target + 4, stored + 4, 2 * sizeof(float)); /* copied */
    ck_assert_float_eq(fake.block.log_alpha[0], 16);
    ck_assert_uint_eq(loaded.counts.step, 41);
    ck_assert_uint_eq(loaded.counts.interaction_step, 0);
    ck_assert_uint_eq(loaded.missing_count, 4); /* the optimizer's */
    ck_assert_ptr_nonnull(strstr(loaded.missing, "optimizer/critic/state/0/exp_avg, "));
    ck_assert_ptr_null(loaded.pawl_json);

    ck_assert_int_lt(load(scratch.path, PAWL_CHECKPOINT_OURS, &loaded), 0);
    scratch_close(&scratch);
}
END_TEST

/* A new run that begins with a run's checkpoint. */
START_TEST(of_another_run_the_updates_are_not_taken_and_its_inputs_are_normalised_alike)
{
    static const char norm[] = "pawl/normalize_inputs.buffer_observation_state.mean";
    struct pawl_checkpoint_loaded loaded;
    scratch_open(&scratch);
    make_fake(3);
    const char *path = save(12);
    make_fake(1);
    ck_assert_msg(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded) == 0, "%s", err.text);
    ck_assert_uint_eq(loaded.missing_count, 0);
    ck_assert_double_eq(fake.block.count, 100.0); /* as it was */
    ck_assert_float_eq(fake.block.w[0], 3);

    strcpy(fake.tensors[8].name, norm);
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "mean is not there, and here it is: "));
    path = save(13);
    fake.block.count = 500.0;
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "mean has other numbers than here: "));
    fake.block.count = 100.0;
    ck_assert_msg(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded) == 0, "%s", err.text);
    strcpy(fake.tensors[8].name, "pawl/update_count");
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "pawl/normalize_inputs. is there, and not here: "));

    char state[PATH_MAX];
    strcpy(fake.tensors[8].name, norm);
    snprintf(state, sizeof(state), "%s/" PAWL_CHECKPOINT_STATE, path);
    ck_assert_int_eq(unlink(state), 0); /* as LeRobot writes it */
    snprintf(state, sizeof(state), "%s/" PAWL_CHECKPOINT_MANIFEST, path);
    ck_assert_int_eq(unlink(state), 0);
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "mean is not there, and here it is: "));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_foreign_one_may_name_a_shared_tensor_as_we_do_not_and_keep_critics_apart)
{
    scratch_open(&scratch);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "pretrained_model"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "algorithm"), 0700), 0);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "training_state"), 0700), 0);
    const struct pawl_tensor model[] = {{.name = "critic_ensemble.encoder.weight",
                                         .dtype = PAWL_F32,
                                         .rank = 2,
                                         .shape = {2, 2},
                                         .data = stored}};
    const struct pawl_tensor algorithm[] = {
        {.name = "critic_ensemble.critics.0.net.net.0.weight",
         .dtype = PAWL_F32,
         .rank = 1,
         .shape = {2},
         .data = stored},
        {.name = "critic_target.critics.0.net.net.0.weight",
         .dtype = PAWL_F32,
         .rank = 1,
         .shape = {2},
         .data = stored + 2},
        {.name = "log_alpha", .dtype = PAWL_F32, .rank = 1, .shape = {1}, .data = stored + 6},
    };
    write_tensors("pretrained_model/model.safetensors", model, 1, NULL, 0);
    write_tensors("algorithm/model.safetensors", algorithm, 3, NULL, 0);
    write_file("training_state/training_step.json", "{\"step\": 41, \"interaction_step\": 99}");
    make_fake(1);
    struct pawl_checkpoint_loaded loaded;
    ck_assert_msg(load(scratch.path, PAWL_CHECKPOINT_FOREIGN, &loaded) == 0, "%s", err.text);
    ck_assert_mem_eq(fake.block.w, stored, 4 * sizeof(float));
    ck_assert_mem_eq(fake.block.target + 4, stored + 2, 2 * sizeof(float));
    ck_assert_uint_eq(loaded.counts.interaction_step, 99);

    write_tensors("algorithm/model.safetensors", algorithm + 1, 2, NULL, 0);
    ck_assert_int_eq(load(scratch.path, PAWL_CHECKPOINT_FOREIGN, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(
        strstr(err.text, "there is no model/critic_ensemble.critics.0.net.net.0.weight"));
    scratch_close(&scratch);
}
END_TEST

static void flip_last_bit(const char *folder, const char *file)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    off_t at = lseek(fd, -1, SEEK_END);
    char byte;
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1; /* a number still, and another one */
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

START_TEST(a_foreign_one_with_a_manifest_is_taken_by_its_checksums)
{
    scratch_open(&scratch);
    make_fake(3);
    const char *path = save(12);
    struct pawl_checkpoint_loaded loaded;
    ck_assert_msg(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded) == 0, "%s", err.text);
    flip_last_bit(path, "pretrained_model/model.safetensors");
    ck_assert_int_eq(load(path, PAWL_CHECKPOINT_FOREIGN, &loaded), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "model.safetensors: CRC-32C"));
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_tensor_without_a_file_is_noticed_before_anything_is_saved)
{
    make_fake(3);
    strcpy(fake.tensors[4].name, "optimizer/actor/state/0/exp_avg");
    struct pawl_checkpoint_tree tree;
    struct pawl_checkpoint_tree_setup setup = {.trainer = &fake.trainer};
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_checkpoint_tree_open(&tree, &setup, &err), -EINVAL);
    ck_assert_ptr_nonnull(
        strstr(err.text, "optimizer/actor/state/0/exp_avg belongs to no file"));
}
END_TEST

START_TEST(the_generators_are_the_mersenne_twister_of_the_seed)
{
    static struct pawl_checkpoint_rng rng;
    pawl_checkpoint_rng_seed(&rng, 5489); /* the seed of the authors' reference */
    ck_assert_int_eq(rng.np_values[0], 5489);
    ck_assert_int_eq(rng.np_values[1], 1301868182);
    ck_assert_int_eq(rng.np_values[623], 79981964);
    ck_assert_int_eq(rng.py_state[624], 624);
    uint64_t word;
    memcpy(&word, rng.torch_state + 24 + 8, 8);
    ck_assert_uint_eq(word, 1301868182);
}
END_TEST

PAWL_TEST_MAIN(
    "checkpoint_tree", what_was_saved_is_loaded_bit_for_bit_though_training_went_on,
    the_tree_is_lerobots_with_its_names, a_state_with_a_number_that_is_none_is_not_saved,
    another_shape_or_dtype_or_a_number_that_is_none_is_refused_and_nothing_is_written,
    ours_has_every_tensor_and_no_other,
    a_foreign_one_has_compiled_names_aliases_and_no_state_of_ours,
    of_another_run_the_updates_are_not_taken_and_its_inputs_are_normalised_alike,
    a_foreign_one_may_name_a_shared_tensor_as_we_do_not_and_keep_critics_apart,
    a_foreign_one_with_a_manifest_is_taken_by_its_checksums,
    a_tensor_without_a_file_is_noticed_before_anything_is_saved,
    the_generators_are_the_mersenne_twister_of_the_seed)
