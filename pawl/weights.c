#include "pawl/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "learner/checkpoint_tree.h"
#include "runtime/file.h"
#include "runtime/safetensors.h"

#define MODEL_NAME      "model.safetensors"
#define MODEL_BYTES_MAX ((size_t)4 << 30)
#define ALIGN_BYTES     64u

static size_t tensor_bytes(const struct pawl_tensor *tensor)
{
    size_t bytes = pawl_dtype_bytes(tensor->dtype);
    for (uint32_t i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

/* By its name, or by that of the tensor that has its numbers. */
static const struct pawl_tensor *find_named(const struct pawl_safetensors *file,
                                            const char *name)
{
    const struct pawl_tensor *tensor = pawl_safetensors_find(file, name);
    const char *shared = tensor ? NULL : pawl_safetensors_meta(file, name);
    return shared ? pawl_safetensors_find(file, shared) : tensor;
}

static const struct pawl_tensor *find(const struct pawl_safetensors *file, const char *name)
{
    char whole[PAWL_TENSOR_NAME_BYTES + sizeof("actor.")];
    snprintf(whole, sizeof(whole), "actor.%s", name);
    const struct pawl_tensor *tensor = find_named(file, whole);
    return tensor ? tensor : find_named(file, name);
}

static int check_finite(const struct pawl_tensor *tensor, const char *path,
                        struct pawl_err *err)
{
    const float *numbers = tensor->data;
    size_t count = tensor->dtype == PAWL_F32 ? tensor_bytes(tensor) / sizeof(float) : 0;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]))
            return pawl_err_set(err, EBADMSG, "%s: actor.%s: number %zu is %g, must be finite",
                                path, tensor->name, i, (double)numbers[i]);
    return 0;
}

/* Fills tensor `index` from the file or, where it may be missing there, as a new run would. */
static int take(struct pawl_weights *weights, size_t index, unsigned char *room,
                const struct pawl_safetensors *file, const struct pawl_policy *policy,
                const char *path, struct pawl_err *err)
{
    struct pawl_tensor *tensor = &weights->tensors[index];
    const struct pawl_tensor *found = find(file, tensor->name);
    tensor->data = room;
    if (!found && strncmp(tensor->name, "normalize_inputs.", 17) == 0) {
        policy->ops->init(policy, index, room);
        return 0;
    }
    if (!found)
        return pawl_err_set(err, EINVAL, "%s: no tensor actor.%s; " PAWL_CHECKPOINT_UNFIT, path,
                            tensor->name);
    struct pawl_tensor wanted = *tensor, given = *found;
    const void *data;
    memcpy(given.name, wanted.name, sizeof(given.name));
    struct pawl_err why = {0};
    if (pawl_policy_match(&wanted, 1, &given, 1, &data, &why) != 0)
        return pawl_err_set(err, EINVAL, "%s: %s; " PAWL_CHECKPOINT_UNFIT, path, why.text);
    memcpy(room, found->data, tensor_bytes(tensor));
    return check_finite(tensor, path, err);
}

static int take_all(struct pawl_weights *weights, const struct pawl_safetensors *file,
                    const struct pawl_policy *policy, const char *path, struct pawl_err *err)
{
    size_t room_bytes = 0;
    int code = 0;
    const struct pawl_tensor *manifest = policy->ops->manifest(policy, &weights->count);
    for (size_t i = 0; i < weights->count; i++)
        room_bytes +=
            (tensor_bytes(&manifest[i]) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    weights->tensors = calloc(weights->count + 1, sizeof(*weights->tensors));
    weights->numbers = aligned_alloc(ALIGN_BYTES, room_bytes + ALIGN_BYTES);
    if (!weights->tensors || !weights->numbers)
        return pawl_err_set(err, ENOMEM, "%s: out of memory", path);
    unsigned char *room = weights->numbers;
    for (size_t i = 0; code == 0 && i < weights->count; i++) {
        weights->tensors[i] = manifest[i];
        code = take(weights, i, room, file, policy, path, err);
        room += (tensor_bytes(&manifest[i]) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    }
    return code;
}

static int read_model(const char *path, char **bytes, size_t *byte_count, struct pawl_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = fd < 0 ? -errno : pawl_file_read(fd, MODEL_BYTES_MAX, bytes, byte_count);
    if (fd >= 0)
        close(fd);
    if (code == 0 && *byte_count > MODEL_BYTES_MAX) {
        free(*bytes);
        return pawl_err_set(err, EFBIG, "%s: more than %zu bytes", path, MODEL_BYTES_MAX);
    }
    return code ? pawl_err_set(err, -code, "%s: %s", path, strerror(-code)) : 0;
}

int pawl_weights_open(struct pawl_weights *weights, const char *folder,
                      const struct pawl_policy *policy, struct pawl_err *err)
{
    struct pawl_safetensors file = {0};
    char path[PATH_MAX];
    char *bytes;
    size_t byte_count;

    *weights = (struct pawl_weights){0};
    if (!policy->ops->manifest)
        return 0;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, MODEL_NAME) >= sizeof(path))
        return pawl_err_set(err, ENAMETOOLONG, "%.60s...: the path is too long", folder);
    int code = read_model(path, &bytes, &byte_count, err);
    if (code != 0)
        return code;
    code = pawl_safetensors_open(&file, bytes, byte_count, byte_count, path, err);
    if (code == 0)
        code = take_all(weights, &file, policy, path, err);
    pawl_safetensors_close(&file);
    free(bytes);
    if (code != 0)
        pawl_weights_close(weights);
    return code;
}

void pawl_weights_close(struct pawl_weights *weights)
{
    free(weights->tensors);
    free(weights->numbers);
    *weights = (struct pawl_weights){0};
}
