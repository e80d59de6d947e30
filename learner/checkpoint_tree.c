#include "learner/checkpoint_tree.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/checkpoint_rng.h"
#include "runtime/safetensors.h"

#define TEXT_MAX    ((size_t)16 << 20) /* of a JSON file that a trainer describes */
#define TEXTS_MAX   (2 + PAWL_CHECKPOINT_OPTIMIZERS_MAX)
#define LAYOUTS_MAX (3 + PAWL_CHECKPOINT_OPTIMIZERS_MAX)

struct pawl_checkpoint_tree_files {
    struct pawl_trainer *trainer;
    unsigned char *copy; /* of the trainer's block */
    size_t copy_bytes;

    struct pawl_safetensors_layout layouts[LAYOUTS_MAX];
    size_t layout_count;
    struct pawl_json_writer texts[TEXTS_MAX];
    struct iovec text_parts[TEXTS_MAX];
    size_t text_count;

    char step_text[96];
    struct iovec step_part;
    char *pawl_json;
    size_t pawl_json_capacity;
    struct iovec pawl_json_part;

    char paths[PAWL_CHECKPOINT_FILES_MAX][PAWL_CHECKPOINT_PATH_BYTES];
    struct pawl_checkpoint_rng rng;
};

static struct pawl_checkpoint_file *add_file(struct pawl_checkpoint_tree *tree,
                                             const char *folder, const char *name)
{
    assert(tree->file_count < PAWL_CHECKPOINT_FILES_MAX);
    char *path = tree->made->paths[tree->file_count];
    snprintf(path, PAWL_CHECKPOINT_PATH_BYTES, "%s/%s", folder, name);
    struct pawl_checkpoint_file *file = &tree->files[tree->file_count++];
    file->path = path;
    return file;
}

static void add_part(struct pawl_checkpoint_tree *tree, const char *folder, const char *name,
                     const struct iovec *part)
{
    struct pawl_checkpoint_file *file = add_file(tree, folder, name);
    file->parts = part;
    file->part_count = 1;
    tree->part_count++;
}

/* --- tensors --- */

static int compare_places(const void *a, const void *b)
{
    const struct pawl_tensor *x = a, *y = b;
    uintptr_t x_at = (uintptr_t)x->data, y_at = (uintptr_t)y->data;
    return x_at != y_at ? (x_at < y_at ? -1 : 1) : strcmp(x->name, y->name);
}

/* The tensors whose names begin with the prefix, without it, in the copy, in its order: what
 * is side by side there is one part of the file. */
static size_t pick(const struct pawl_checkpoint_tree_files *made, const char *prefix,
                   struct pawl_tensor *picked)
{
    size_t count, byte_count, picked_count = 0;
    const struct pawl_tensor *tensors = made->trainer->ops->tensors(made->trainer, &count);
    const unsigned char *block = made->trainer->ops->state(made->trainer, &byte_count);
    size_t prefix_length = strlen(prefix);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(tensors[i].name, prefix, prefix_length) != 0)
            continue;
        struct pawl_tensor *to = &picked[picked_count++];
        *to = tensors[i];
        snprintf(to->name, sizeof(to->name), "%s", tensors[i].name + prefix_length);
        size_t at = (size_t)((const unsigned char *)tensors[i].data - block);
        assert(at <= byte_count);
        to->data = made->copy + at;
    }
    qsort(picked, picked_count, sizeof(*picked), compare_places);
    return picked_count;
}

static int add_layout(struct pawl_checkpoint_tree *tree, const char *folder, const char *name,
                      const struct pawl_tensor *tensors, size_t tensor_count,
                      const struct pawl_safetensors_meta *metas, size_t meta_count,
                      struct pawl_err *err)
{
    struct pawl_safetensors_layout *layout = &tree->made->layouts[tree->made->layout_count];
    int code =
        pawl_safetensors_layout_open(layout, tensors, tensor_count, metas, meta_count, err);
    if (code != 0)
        return pawl_err_wrap(err, "%s/%s", folder, name);
    tree->made->layout_count++;
    struct pawl_checkpoint_file *file = add_file(tree, folder, name);
    file->parts = layout->parts;
    file->part_count = layout->part_count;
    tree->part_count += layout->part_count;
    return 0;
}

static int add_model(struct pawl_checkpoint_tree *tree, struct pawl_tensor *picked,
                     struct pawl_err *err)
{
    const struct pawl_trainer *trainer = tree->made->trainer;
    size_t alias_count = 0;
    const struct pawl_trainer_alias *aliases =
        trainer->ops->aliases ? trainer->ops->aliases(trainer, &alias_count) : NULL;
    struct pawl_safetensors_meta *metas = calloc(alias_count + 1, sizeof(*metas));
    if (!metas)
        return pawl_err_set(err, ENOMEM, "model.safetensors: out of memory");
    for (size_t i = 0; i < alias_count; i++)
        metas[i] = (struct pawl_safetensors_meta){aliases[i].name, aliases[i].of};
    size_t count = pick(tree->made, "model/", picked);
    int code = add_layout(tree, "pretrained_model", "model.safetensors", picked, count, metas,
                          alias_count, err);
    free(metas);
    return code;
}

/* --- texts --- */

static int finish_text(struct pawl_checkpoint_tree *tree, const char *folder, const char *name,
                       struct pawl_err *err)
{
    struct pawl_checkpoint_tree_files *made = tree->made;
    size_t length_bytes;
    const char *text = pawl_json_finish(&made->texts[made->text_count], &length_bytes, err);
    if (!text) {
        pawl_json_close_writer(&made->texts[made->text_count]);
        return pawl_err_wrap(err, "%s/%s", folder, name);
    }
    struct iovec *part = &made->text_parts[made->text_count++];
    *part = (struct iovec){.iov_base = (void *)(uintptr_t)text, .iov_len = length_bytes};
    add_part(tree, folder, name, part);
    return 0;
}

static struct pawl_json_writer *begin_text(struct pawl_checkpoint_tree *tree)
{
    struct pawl_json_writer *out = &tree->made->texts[tree->made->text_count];
    pawl_json_open_growing(out, TEXT_MAX);
    out->indent_count = 4;
    return out;
}

static int add_description(struct pawl_checkpoint_tree *tree, enum pawl_trainer_text which,
                           const char *name, struct pawl_err *err)
{
    const struct pawl_trainer *trainer = tree->made->trainer;
    if (!trainer->ops->describe)
        return 0;
    int code = trainer->ops->describe(trainer, which, begin_text(tree), err);
    if (code == 0)
        return finish_text(tree, "pretrained_model", name, err);
    pawl_json_close_writer(&tree->made->texts[tree->made->text_count]);
    return pawl_err_wrap(err, "pretrained_model/%s", name);
}

/* As torch (2.7 and later) keeps the group of an Adam that was given a rate and no more. The
 * types count too: LeRobot compares them with its own. */
static void put_param_group(struct pawl_json_writer *out,
                            const struct pawl_trainer_optimizer *optimizer)
{
    pawl_json_begin_array(out, NULL);
    pawl_json_begin_object(out, NULL);
    pawl_json_put_f64(out, "lr", optimizer->learning_rate);
    pawl_json_begin_array(out, "betas");
    pawl_json_put_f64(out, NULL, 0.9);
    pawl_json_put_f64(out, NULL, 0.999);
    pawl_json_end(out);
    pawl_json_put_f64(out, "eps", 1e-8);
    pawl_json_put_i64(out, "weight_decay", 0);
    pawl_json_put_bool(out, "amsgrad", false);
    pawl_json_put_bool(out, "maximize", false);
    pawl_json_put_null(out, "foreach");
    pawl_json_put_bool(out, "capturable", false);
    pawl_json_put_bool(out, "differentiable", false);
    pawl_json_put_null(out, "fused");
    pawl_json_put_bool(out, "decoupled_weight_decay", false);
    pawl_json_begin_array(out, "params");
    for (uint32_t i = 0; i < optimizer->param_count; i++)
        pawl_json_put_u64(out, NULL, i);
    pawl_json_end(out);
    pawl_json_end(out);
    pawl_json_end(out);
}

static int add_optimizer(struct pawl_checkpoint_tree *tree,
                         const struct pawl_trainer_optimizer *optimizer,
                         struct pawl_tensor *picked, struct pawl_err *err)
{
    char prefix[PAWL_TENSOR_NAME_BYTES];
    char folder[PAWL_CHECKPOINT_PATH_BYTES];
    if (strlen(optimizer->name) > 48 || strchr(optimizer->name, '/'))
        return pawl_err_set(err, EINVAL, "\"%.60s\" is no name of an optimizer",
                            optimizer->name);
    snprintf(prefix, sizeof(prefix), "optimizer/%s/", optimizer->name);
    snprintf(folder, sizeof(folder), "training_state/%s", optimizer->name);
    size_t count = pick(tree->made, prefix, picked);
    int code =
        add_layout(tree, folder, "optimizer_state.safetensors", picked, count, NULL, 0, err);
    if (code != 0)
        return code;
    put_param_group(begin_text(tree), optimizer);
    return finish_text(tree, folder, "optimizer_param_groups.json", err);
}

/* --- open --- */

static int allocate(struct pawl_checkpoint_tree *tree,
                    const struct pawl_checkpoint_tree_setup *setup, struct pawl_err *err)
{
    struct pawl_checkpoint_tree_files *made = tree->made = calloc(1, sizeof(*made));
    if (!made)
        return pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    made->trainer = setup->trainer;
    setup->trainer->ops->state(setup->trainer, &made->copy_bytes);
    made->copy = malloc(made->copy_bytes + 1);
    if (!made->copy)
        return pawl_err_set(err, ENOMEM, "checkpoint: %zu bytes for a copy of the state",
                            made->copy_bytes);
    memset(made->copy, 0, made->copy_bytes + 1); /* its pages are there from now on */
    pawl_checkpoint_rng_seed(&made->rng, setup->seed);
    return 0;
}

static int add_all(struct pawl_checkpoint_tree *tree, struct pawl_tensor *picked,
                   struct pawl_err *err)
{
    struct pawl_checkpoint_tree_files *made = tree->made;
    const struct pawl_trainer_ops *ops = made->trainer->ops;
    size_t optimizer_count = 0;
    const struct pawl_trainer_optimizer *optimizers =
        ops->optimizers ? ops->optimizers(made->trainer, &optimizer_count) : NULL;
    if (optimizer_count > PAWL_CHECKPOINT_OPTIMIZERS_MAX)
        return pawl_err_set(err, E2BIG, "%zu optimizers, at most %u", optimizer_count,
                            PAWL_CHECKPOINT_OPTIMIZERS_MAX);

    int code = add_description(tree, PAWL_TRAINER_CONFIG, "config.json", err);
    if (code == 0)
        code = add_description(tree, PAWL_TRAINER_TRAIN_CONFIG, "train_config.json", err);
    if (code == 0)
        code = add_model(tree, picked, err);
    for (size_t i = 0; code == 0 && i < optimizer_count; i++)
        code = add_optimizer(tree, &optimizers[i], picked, err);
    if (code == 0)
        code = add_layout(tree, "training_state", "pawl_state.safetensors", picked,
                          pick(made, "pawl/", picked), NULL, 0, err);
    if (code == 0)
        code = add_layout(tree, "training_state", "rng_state.safetensors", made->rng.tensors,
                          PAWL_CHECKPOINT_RNG_TENSORS, NULL, 0, err);
    if (code != 0)
        return code;
    add_part(tree, "training_state", "training_step.json", &made->step_part);
    add_part(tree, "training_state", "pawl.json", &made->pawl_json_part);
    return 0;
}

/* Every tensor has a file. */
static int check_complete(const struct pawl_checkpoint_tree *tree, struct pawl_err *err)
{
    const struct pawl_trainer *trainer = tree->made->trainer;
    size_t count, optimizer_count = 0;
    const struct pawl_tensor *tensors = trainer->ops->tensors(trainer, &count);
    const struct pawl_trainer_optimizer *optimizers =
        trainer->ops->optimizers ? trainer->ops->optimizers(trainer, &optimizer_count) : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = tensors[i].name;
        bool is_saved = strncmp(name, "model/", 6) == 0 || strncmp(name, "pawl/", 5) == 0;
        for (size_t k = 0; k < optimizer_count; k++) {
            char prefix[PAWL_TENSOR_NAME_BYTES];
            int length = snprintf(prefix, sizeof(prefix), "optimizer/%s/", optimizers[k].name);
            is_saved |= strncmp(name, prefix, (size_t)length) == 0;
        }
        if (!is_saved)
            return pawl_err_set(err, EINVAL, "tensor %s belongs to no file of a checkpoint",
                                name);
    }
    return 0;
}

int pawl_checkpoint_tree_open(struct pawl_checkpoint_tree *tree,
                              const struct pawl_checkpoint_tree_setup *setup,
                              struct pawl_err *err)
{
    *tree = (struct pawl_checkpoint_tree){0};
    size_t tensor_count;
    setup->trainer->ops->tensors(setup->trainer, &tensor_count);
    struct pawl_tensor *picked = calloc(tensor_count + 1, sizeof(*picked));
    int code = picked ? allocate(tree, setup, err)
                      : pawl_err_set(err, ENOMEM, "checkpoint: out of memory");
    if (code == 0)
        code = add_all(tree, picked, err);
    if (code == 0)
        code = check_complete(tree, err);
    free(picked);
    if (code == 0)
        return 0;
    pawl_checkpoint_tree_close(tree);
    return pawl_err_wrap(err, "checkpoint");
}

/* --- use --- */

static int copy_pawl_json(struct pawl_checkpoint_tree_files *made, const char *text,
                          size_t byte_count, struct pawl_err *err)
{
    if (byte_count > PAWL_CHECKPOINT_PAWL_JSON_MAX)
        return pawl_err_set(err, EFBIG, "%s: %zu bytes, at most %u", PAWL_CHECKPOINT_PAWL_JSON,
                            byte_count, PAWL_CHECKPOINT_PAWL_JSON_MAX);
    if (byte_count > made->pawl_json_capacity || !made->pawl_json) {
        size_t capacity = byte_count * 2 + 4096;
        char *grown = realloc(made->pawl_json, capacity);
        if (!grown)
            return pawl_err_set(err, ENOMEM, "%s: %zu bytes", PAWL_CHECKPOINT_PAWL_JSON,
                                capacity);
        made->pawl_json = grown;
        made->pawl_json_capacity = capacity;
    }
    if (byte_count > 0)
        memcpy(made->pawl_json, text, byte_count);
    made->pawl_json_part = (struct iovec){.iov_base = made->pawl_json, .iov_len = byte_count};
    return 0;
}

int pawl_checkpoint_tree_snap(struct pawl_checkpoint_tree *tree,
                              const struct pawl_checkpoint_counts *counts,
                              const char *pawl_json, size_t pawl_json_bytes,
                              struct pawl_err *err)
{
    struct pawl_checkpoint_tree_files *made = tree->made;
    int code = made->trainer->ops->fetch(made->trainer, err);
    if (code == 0)
        code = copy_pawl_json(made, pawl_json, pawl_json_bytes, err);
    if (code != 0)
        return code;
    int length =
        snprintf(made->step_text, sizeof(made->step_text),
                 "{\n    \"step\": %" PRIu64 ",\n    \"interaction_step\": %" PRIu64 "\n}",
                 counts->step, counts->interaction_step);
    made->step_part = (struct iovec){.iov_base = made->step_text, .iov_len = (size_t)length};

    size_t byte_count;
    const void *block = made->trainer->ops->state(made->trainer, &byte_count);
    assert(byte_count == made->copy_bytes);
    memcpy(made->copy, block, byte_count);
    const struct pawl_tensor *spoilt =
        pawl_trainer_find_spoilt(made->trainer, block, made->copy);
    if (spoilt)
        return pawl_err_set(err, EDOM,
                            "%s has a number that is not finite: nobody could go on from it",
                            spoilt->name);
    return 0;
}

void pawl_checkpoint_tree_close(struct pawl_checkpoint_tree *tree)
{
    struct pawl_checkpoint_tree_files *made = tree->made;
    if (!made)
        return;
    for (size_t i = 0; i < made->layout_count; i++)
        pawl_safetensors_layout_close(&made->layouts[i]);
    for (size_t i = 0; i < made->text_count; i++)
        pawl_json_close_writer(&made->texts[i]);
    free(made->copy);
    free(made->pawl_json);
    free(made);
    *tree = (struct pawl_checkpoint_tree){0};
}
