/* checkpoint_load.c: the files of a checkpoint back into a trainer's block. All is looked at
 * before the first number is written. */
#include "learner/checkpoint_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/checkpoint_find.h"
#include "runtime/numbers.h"
#include "runtime/safetensors.h"

#define FILES_MAX      (3 + PAWL_CHECKPOINT_OPTIMIZERS_MAX)
#define FILE_BYTES_MAX ((size_t)1 << 40)
#define JSON_MAX       ((size_t)16 << 20)
#define COMPILED       "_orig_mod." /* torch.compile() puts it into names */
#define OPTIMIZER      "optimizer/"
#define SHAPE_BYTES    64

/* A file of tensors, and which of the table's are in it. */
struct source {
    char file[PAWL_CHECKPOINT_PATH_BYTES];
    char prefix[PAWL_TENSOR_NAME_BYTES]; /* of their names in the table: "optimizer/actor/" */
    char *bytes;
    struct pawl_safetensors tensors;
};

struct load {
    struct pawl_io *io;
    const char *path;
    struct pawl_trainer *trainer;
    enum pawl_checkpoint_origin origin;
    struct source sources[FILES_MAX];
    size_t source_count;
    struct pawl_checkpoint_loaded *loaded;
};

/* --- files --- */

static int add_source(struct load *load, const char *file, const char *prefix,
                      struct pawl_err *err)
{
    struct source *source = &load->sources[load->source_count];
    char name[PATH_MAX + PAWL_CHECKPOINT_PATH_BYTES];
    size_t byte_count;
    *source = (struct source){0};
    snprintf(source->file, sizeof(source->file), "%s", file);
    snprintf(source->prefix, sizeof(source->prefix), "%s", prefix);
    int code = pawl_checkpoint_read(load->io, load->path, file, FILE_BYTES_MAX, &source->bytes,
                                    &byte_count, err);
    if (code != 0)
        return code;
    snprintf(name, sizeof(name), "%s: %s", load->path, file);
    code = pawl_safetensors_open(&source->tensors, source->bytes, byte_count, byte_count, name,
                                 err);
    if (code != 0)
        free(source->bytes);
    else
        load->source_count++;
    return code;
}

/* One that a foreign checkpoint may lack. */
static int add_source_if_there(struct load *load, const char *file, const char *prefix,
                               struct pawl_err *err)
{
    struct pawl_err why = {0};
    int code = add_source(load, file, prefix, &why);
    if (code == 0 || (code == -ENOENT && load->origin == PAWL_CHECKPOINT_FOREIGN))
        return 0;
    return pawl_err_set(err, why.code, "%s", why.text);
}

/* The optimizers that the table names. */
static int add_optimizers(struct load *load, struct pawl_err *err)
{
    size_t count;
    const struct pawl_tensor *tensors = load->trainer->ops->tensors(load->trainer, &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = tensors[i].name;
        if (strncmp(name, OPTIMIZER, sizeof(OPTIMIZER) - 1) != 0)
            continue;
        const char *slash = strchr(name + sizeof(OPTIMIZER) - 1, '/');
        if (!slash)
            return pawl_err_set(err, EINVAL, "%s: no name of an optimizer's tensor", name);
        char prefix[PAWL_TENSOR_NAME_BYTES];
        char file[PAWL_CHECKPOINT_PATH_BYTES];
        snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash + 1 - name), name);
        bool is_known = false;
        for (size_t k = 0; k < load->source_count; k++)
            is_known |= strcmp(load->sources[k].prefix, prefix) == 0;
        if (is_known)
            continue;
        if (load->source_count == FILES_MAX)
            return pawl_err_set(err, E2BIG, "more than %u optimizers",
                                PAWL_CHECKPOINT_OPTIMIZERS_MAX);
        snprintf(file, sizeof(file), "training_state/%.*s/optimizer_state.safetensors",
                 (int)(slash - name - (long)sizeof(OPTIMIZER) + 1),
                 name + sizeof(OPTIMIZER) - 1);
        int code = add_source_if_there(load, file, prefix, err);
        if (code != 0)
            return code;
    }
    return 0;
}

/* The model first; newer LeRobot keeps the critics in a file of their own. */
static int add_sources(struct load *load, struct pawl_err *err)
{
    bool is_foreign = load->origin == PAWL_CHECKPOINT_FOREIGN;
    int code = add_source(load, "pretrained_model/model.safetensors", "model/", err);
    if (code == 0 && is_foreign)
        code = add_source_if_there(load, "algorithm/model.safetensors", "model/", err);
    if (code == 0)
        code = add_source_if_there(load, PAWL_CHECKPOINT_STATE, "pawl/", err);
    return code != 0 ? code : add_optimizers(load, err);
}

static void close_sources(struct load *load)
{
    for (size_t i = 0; i < load->source_count; i++) {
        pawl_safetensors_close(&load->sources[i].tensors);
        free(load->sources[i].bytes);
    }
}

/* --- names --- */

static bool is_same_name(const char *stored, const char *name)
{
    while (*stored != '\0') {
        if (strncmp(stored, COMPILED, sizeof(COMPILED) - 1) == 0) {
            stored += sizeof(COMPILED) - 1;
        } else if (*stored++ != *name++) {
            return false;
        }
    }
    return *name == '\0';
}

/* Under the name itself, or a compiled one's, or as another name in the file's metadata. */
static const struct pawl_tensor *find_stored(const struct pawl_safetensors *file,
                                             const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (is_same_name(file->tensors[i].name, name))
            return &file->tensors[i];
    for (size_t i = 0; i < file->meta_count; i++)
        if (is_same_name(file->metas[i].key, name))
            return pawl_safetensors_find(file, file->metas[i].value);
    return NULL;
}

static const struct pawl_tensor *find_in_sources(const struct load *load, const char *prefix,
                                                 const char *name)
{
    for (size_t i = 0; i < load->source_count; i++) {
        if (strcmp(load->sources[i].prefix, prefix) != 0)
            continue;
        const struct pawl_tensor *stored = find_stored(&load->sources[i].tensors, name);
        if (stored)
            return stored;
    }
    return NULL;
}

/* Where a target may come from that a foreign checkpoint lacks. */
static const struct pawl_tensor *find_copied(const struct load *load, const char *name)
{
    static const char *const pairs[][2] = {
        {"critic_target.", "critic_ensemble."},
        {"discrete_critic_target.", "discrete_critic."},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char copied[2 * PAWL_TENSOR_NAME_BYTES];
        size_t length = strlen(pairs[i][0]);
        if (strncmp(name, pairs[i][0], length) != 0)
            continue;
        snprintf(copied, sizeof(copied), "%s%s", pairs[i][1], name + length);
        return find_in_sources(load, "model/", copied);
    }
    return NULL;
}

static const struct pawl_tensor *find_foreign(const struct load *load, const char *name)
{
    const struct pawl_tensor *stored = find_in_sources(load, "model/", name);
    size_t count = 0;
    const struct pawl_trainer_alias *aliases =
        load->trainer->ops->aliases ? load->trainer->ops->aliases(load->trainer, &count) : NULL;
    for (size_t i = 0; !stored && i < count; i++)
        if (strcmp(aliases[i].of, name) == 0)
            stored = find_in_sources(load, "model/", aliases[i].name);
    return stored ? stored : find_copied(load, name);
}

/* The stored tensor for one of the table, or NULL. */
static const struct pawl_tensor *find(const struct load *load, const char *table_name)
{
    for (size_t i = 0; i < load->source_count; i++) {
        const struct source *source = &load->sources[i];
        size_t length = strlen(source->prefix);
        if (strncmp(table_name, source->prefix, length) != 0)
            continue;
        bool is_model = strcmp(source->prefix, "model/") == 0;
        if (is_model && load->origin == PAWL_CHECKPOINT_FOREIGN)
            return find_foreign(load, table_name + length);
        return pawl_safetensors_find(&source->tensors, table_name + length);
    }
    return NULL;
}

/* --- checks --- */

static const char *shape_text(const struct pawl_tensor *tensor, char text[SHAPE_BYTES])
{
    size_t at =
        (size_t)snprintf(text, SHAPE_BYTES, "%s (", pawl_safetensors_dtype_name(tensor->dtype));
    for (uint32_t i = 0; i < tensor->rank && at < SHAPE_BYTES; i++)
        at += (size_t)snprintf(text + at, SHAPE_BYTES - at, "%s%" PRIu32, i ? ", " : "",
                               tensor->shape[i]);
    if (at < SHAPE_BYTES)
        snprintf(text + at, SHAPE_BYTES - at, ")");
    return text;
}

static int check(const struct load *load, const struct pawl_tensor *tensor,
                 const struct pawl_tensor *stored, struct pawl_err *err)
{
    char here[SHAPE_BYTES], there[SHAPE_BYTES];
    if (stored->dtype != tensor->dtype || stored->rank != tensor->rank ||
        memcmp(stored->shape, tensor->shape, tensor->rank * sizeof(tensor->shape[0])) != 0)
        return pawl_err_set(
            err, EINVAL, "%s: %s is %s, this configuration has %s; " PAWL_CHECKPOINT_UNFIT,
            load->path, tensor->name, shape_text(stored, there), shape_text(tensor, here));
    if (!pawl_numbers_are_finite(stored->dtype, stored->data, pawl_tensor_count(stored)))
        return pawl_err_set(err, EINVAL, "%s: %s has a number that is not finite", load->path,
                            tensor->name);
    return 0;
}

/* Counters of another run, which a new one does not go on with. */
static bool is_of_the_run(const struct load *load, const char *name)
{
    return load->origin == PAWL_CHECKPOINT_FOREIGN && strncmp(name, "pawl/", 5) == 0 &&
           strncmp(name, PAWL_TRAINER_NORM, sizeof(PAWL_TRAINER_NORM) - 1) != 0;
}

static const struct source *own_state_of(const struct load *load)
{
    for (size_t i = 0; i < load->source_count; i++)
        if (strcmp(load->sources[i].prefix, "pawl/") == 0)
            return &load->sources[i];
    return NULL;
}

static int refuse_norm(const struct load *load, const char *name, const char *how,
                       struct pawl_err *err)
{
    return pawl_err_set(
        err, EINVAL,
        "%s: %s %s: its networks know no other numbers than they were made "
        "with; leave policy.sac.observation_mean and _std out, and `pawl train` "
        "takes them from there",
        load->path, name, how);
}

/* What a checkpoint of ours normalises its inputs with is what this configuration does; LeRobot
 * does not normalise them. */
static int check_norm(const struct load *load, struct pawl_err *err)
{
    const struct source *state = own_state_of(load);
    size_t count;
    const struct pawl_tensor *tensors = load->trainer->ops->tensors(load->trainer, &count);
    uint32_t here = 0, there = 0;

    for (size_t i = 0; state && i < state->tensors.tensor_count; i++) {
        char name[2 * PAWL_TENSOR_NAME_BYTES];
        snprintf(name, sizeof(name), "pawl/%s", state->tensors.tensors[i].name);
        there += strncmp(name, PAWL_TRAINER_NORM, sizeof(PAWL_TRAINER_NORM) - 1) == 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct pawl_tensor *tensor = &tensors[i];
        if (strncmp(tensor->name, PAWL_TRAINER_NORM, sizeof(PAWL_TRAINER_NORM) - 1) != 0)
            continue;
        here++;
        const struct pawl_tensor *stored = find(load, tensor->name);
        if (!stored)
            return refuse_norm(load, tensor->name, "is not there, and here it is", err);
        if (check(load, tensor, stored, err) != 0)
            return -err->code;
        if (memcmp(stored->data, tensor->data,
                   pawl_tensor_count(tensor) * pawl_dtype_bytes(tensor->dtype)) != 0)
            return refuse_norm(load, tensor->name, "has other numbers than here", err);
    }
    return here == there ? 0
                         : refuse_norm(load, PAWL_TRAINER_NORM, "is there, and not here", err);
}

static void note_missing(struct pawl_checkpoint_loaded *loaded, const char *name)
{
    size_t used = strlen(loaded->missing);
    size_t left = sizeof(loaded->missing) - used;
    if ((size_t)snprintf(loaded->missing + used, left, "%s%s",
                         loaded->missing_count ? ", " : "", name) >= left)
        strcpy(loaded->missing + sizeof(loaded->missing) - 4, "...");
    loaded->missing_count++;
}

static int check_all(struct load *load, struct pawl_err *err)
{
    size_t count;
    const struct pawl_tensor *tensors = load->trainer->ops->tensors(load->trainer, &count);
    for (size_t i = 0; i < count; i++) {
        if (is_of_the_run(load, tensors[i].name))
            continue;
        const struct pawl_tensor *stored = find(load, tensors[i].name);
        bool is_needed =
            load->origin == PAWL_CHECKPOINT_OURS ||
            (strncmp(tensors[i].name, "model/", 6) == 0 && !strstr(tensors[i].name, "target"));
        if (!stored && is_needed)
            return pawl_err_set(err, EINVAL, "%s: there is no %s", load->path, tensors[i].name);
        if (!stored) {
            note_missing(load->loaded, tensors[i].name);
            continue;
        }
        int code = check(load, &tensors[i], stored, err);
        if (code != 0)
            return code;
    }
    return 0;
}

/* Ours has nothing that the table does not know. */
static int check_no_others(const struct load *load, struct pawl_err *err)
{
    size_t count;
    const struct pawl_tensor *tensors = load->trainer->ops->tensors(load->trainer, &count);
    for (size_t k = 0; k < load->source_count; k++) {
        const struct source *source = &load->sources[k];
        for (size_t i = 0; i < source->tensors.tensor_count; i++) {
            char name[2 * PAWL_TENSOR_NAME_BYTES];
            snprintf(name, sizeof(name), "%s%s", source->prefix,
                     source->tensors.tensors[i].name);
            size_t t = 0;
            while (t < count && strcmp(tensors[t].name, name) != 0)
                t++;
            if (t == count)
                return pawl_err_set(err, EINVAL, "%s: %s: this configuration has no tensor %s",
                                    load->path, source->file, source->tensors.tensors[i].name);
        }
    }
    return 0;
}

static void copy_all(const struct load *load)
{
    size_t count, block_bytes;
    const struct pawl_tensor *tensors = load->trainer->ops->tensors(load->trainer, &count);
    unsigned char *block = load->trainer->ops->state(load->trainer, &block_bytes);
    for (size_t i = 0; i < count; i++) {
        const struct pawl_tensor *stored =
            is_of_the_run(load, tensors[i].name) ? NULL : find(load, tensors[i].name);
        size_t at = (size_t)((const unsigned char *)tensors[i].data - block);
        size_t byte_count = pawl_tensor_count(&tensors[i]) * pawl_dtype_bytes(tensors[i].dtype);
        if (stored && byte_count > 0)
            memcpy(block + at, stored->data, byte_count);
    }
}

/* --- texts --- */

static int load_counts(struct load *load, struct pawl_err *err)
{
    static const struct pawl_json_limits limits = {.bytes_max = JSON_MAX, .depth_max = 8};
    static const char file[] = "training_state/training_step.json";
    char *text;
    size_t length_bytes;
    int64_t step = 0, interaction_step = 0;
    int code =
        pawl_checkpoint_read(load->io, load->path, file, JSON_MAX, &text, &length_bytes, err);
    if (code != 0)
        return code;
    char name[PATH_MAX + PAWL_CHECKPOINT_PATH_BYTES];
    snprintf(name, sizeof(name), "%s: %s", load->path, file);
    struct pawl_json doc;
    code = pawl_json_open_text(&doc, text, length_bytes, name, &limits, err);
    free(text);
    if (code != 0)
        return code;
    struct pawl_json_at root = pawl_json_root(&doc);
    code = pawl_json_get_i64(&root, "step", 0, INT64_MAX, &step, err);
    /* LeRobot 0.4.4 keeps it in a pickle, which is not read. */
    if (code == 0 &&
        (load->origin == PAWL_CHECKPOINT_OURS || pawl_json_has(&root, "interaction_step")))
        code =
            pawl_json_get_i64(&root, "interaction_step", 0, INT64_MAX, &interaction_step, err);
    pawl_json_close(&doc);
    load->loaded->counts = (struct pawl_checkpoint_counts){
        .step = (uint64_t)step, .interaction_step = (uint64_t)interaction_step};
    return code;
}

static int load_texts(struct load *load, struct pawl_err *err)
{
    int code = load_counts(load, err);
    if (code != 0 || load->origin == PAWL_CHECKPOINT_FOREIGN)
        return code;
    return pawl_checkpoint_read(load->io, load->path, PAWL_CHECKPOINT_PAWL_JSON,
                                PAWL_CHECKPOINT_PAWL_JSON_MAX, &load->loaded->pawl_json,
                                &load->loaded->pawl_json_bytes, err);
}

int pawl_checkpoint_tree_load(struct pawl_io *io, const char *path,
                              struct pawl_trainer *trainer, enum pawl_checkpoint_origin origin,
                              struct pawl_checkpoint_loaded *loaded, struct pawl_err *err)
{
    *loaded = (struct pawl_checkpoint_loaded){0};
    struct load *load = calloc(1, sizeof(*load));
    if (!load)
        return pawl_err_set(err, ENOMEM, "%s: out of memory", path);
    *load = (struct load){
        .io = io, .path = path, .trainer = trainer, .origin = origin, .loaded = loaded};

    int code =
        origin == PAWL_CHECKPOINT_FOREIGN ? pawl_checkpoint_verify_foreign(io, path, err) : 0;
    if (code == 0)
        code = add_sources(load, err);
    if (code == 0)
        code = load_texts(load, err);
    if (code == 0)
        code = check_all(load, err);
    if (code == 0 && origin == PAWL_CHECKPOINT_OURS)
        code = check_no_others(load, err);
    if (code == 0) /* tensors that are not stored keep what they have */
        code = trainer->ops->fetch(trainer, err);
    if (code == 0 && origin == PAWL_CHECKPOINT_FOREIGN)
        code = check_norm(load, err);
    if (code == 0) {
        copy_all(load);
        code = trainer->ops->restore(trainer, err);
    }
    close_sources(load);
    free(load);
    if (code != 0) {
        free(loaded->pawl_json);
        *loaded = (struct pawl_checkpoint_loaded){0};
    }
    return code;
}
