/* checkpoint_verify.c: whether one checkpoint is right. */
#include "learner/checkpoint_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/crc32c.h"
#include "runtime/json.h"
#include "runtime/numbers.h"
#include "runtime/safetensors.h"

#define SLICE_BYTES ((size_t)1 << 20)
#define JSON_MAX    (16u << 20) /* bytes of a JSON file */

/* --- one file --- */

/* Opens a file of the checkpoint; `what` is how messages call it. */
static int open_file(struct pawl_io *io, int folder, const char *file, const char *path,
                     uint64_t *size_bytes, struct pawl_err *err)
{
    int fd = pawl_io_open(io, folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return pawl_err_set(err, -fd, "%s: %s: %s", path, file, strerror(-fd));
    int code = pawl_io_size(io, fd, size_bytes);
    if (code != 0) {
        pawl_io_close(io, fd);
        return pawl_err_set(err, -code, "%s: %s: %s", path, file, strerror(-code));
    }
    return fd;
}

static int open_checkpoint(struct pawl_io *io, const char *path, struct pawl_err *err)
{
    int folder = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return pawl_err_set(err, -folder, "open folder %s: %s", path, strerror(-folder));
    return folder;
}

/* All of a file whose folder is open. */
static int read_whole(struct pawl_io *io, int folder, const char *path, const char *file,
                      size_t bytes_max, char **bytes, size_t *byte_count, struct pawl_err *err)
{
    uint64_t size_bytes = 0;
    int fd = open_file(io, folder, file, path, &size_bytes, err);
    if (fd < 0)
        return fd;
    int code = 0;
    *bytes = NULL;
    if (size_bytes > bytes_max) {
        code = pawl_err_set(err, EFBIG, "%s: %s: %" PRIu64 " bytes, at most %zu", path, file,
                            size_bytes, bytes_max);
    } else if (!(*bytes = malloc((size_t)size_bytes + 1))) {
        code = pawl_err_set(err, ENOMEM, "%s: %s: out of memory", path, file);
    } else {
        int64_t count = pawl_io_read_up_to(io, fd, *bytes, (size_t)size_bytes, 0);
        if (count < 0)
            code =
                pawl_err_set(err, (int)-count, "%s: %s: %s", path, file, strerror((int)-count));
        else
            (*bytes)[ *byte_count = (size_t)count] = '\0';
    }
    pawl_io_close(io, fd);
    if (code != 0) {
        free(*bytes);
        *bytes = NULL;
    }
    return code;
}

int pawl_checkpoint_read(struct pawl_io *io, const char *path, const char *file,
                         size_t bytes_max, char **bytes, size_t *byte_count,
                         struct pawl_err *err)
{
    int folder = open_checkpoint(io, path, err);
    if (folder < 0)
        return folder;
    int code = read_whole(io, folder, path, file, bytes_max, bytes, byte_count, err);
    pawl_io_close(io, folder);
    return code;
}

/* --- is it right? --- */

struct check {
    struct pawl_io *io;
    const char *path;
    int folder;
    enum pawl_checkpoint_depth depth;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static int check_json(const struct check *check, const char *file, struct pawl_err *err)
{
    static const struct pawl_json_limits limits = {.bytes_max = JSON_MAX,
                                                   .depth_max = PAWL_JSON_DEPTH_MAX};
    char *text;
    size_t length_bytes;
    int code = read_whole(check->io, check->folder, check->path, file, JSON_MAX, &text,
                          &length_bytes, err);
    if (code != 0)
        return code;
    char source[PATH_MAX + PAWL_CHECKPOINT_PATH_BYTES];
    snprintf(source, sizeof(source), "%s: %s", check->path, file);
    struct pawl_json doc;
    code = pawl_json_open_text(&doc, text, length_bytes, source, &limits, err);
    if (code == 0)
        pawl_json_close(&doc);
    free(text);
    return code;
}

/* Whoever goes on from a checkpoint refuses what is not finite: then it is not valid. */
static int check_finite(const struct check *check, int fd, const struct pawl_safetensors *form,
                        const char *source, struct pawl_err *err)
{
    int64_t count = 1;
    bool is_finite = true;
    char *slice = malloc(SLICE_BYTES);
    if (!slice)
        return pawl_err_set(err, ENOMEM, "%s: out of memory", source);
    for (size_t i = 0; i < form->tensor_count && is_finite && count >= 0; i++) {
        const struct pawl_tensor *tensor = &form->tensors[i];
        uint64_t size_bytes = form->sizes_bytes[i];
        count = 1;
        for (uint64_t at = 0; at < size_bytes && is_finite && count > 0;
             at += (uint64_t)count) {
            uint64_t left_bytes = size_bytes - at;
            count = pawl_io_read_up_to(check->io, fd, slice,
                                       left_bytes < SLICE_BYTES ? left_bytes : SLICE_BYTES,
                                       form->offsets_bytes[i] + at);
            is_finite = count <= 0 || pawl_numbers_are_finite(
                                          tensor->dtype, slice,
                                          (uint64_t)count / pawl_dtype_bytes(tensor->dtype));
        }
        if (!is_finite)
            pawl_err_set(err, EINVAL, "%s: %s has a number that is not finite", source,
                         tensor->name);
    }
    free(slice);
    if (count < 0)
        return pawl_err_set(err, (int)-count, "%s: %s", source, strerror((int)-count));
    return is_finite ? 0 : -EINVAL;
}

static int check_safetensors(const struct check *check, int fd,
                             const struct pawl_checkpoint_manifest_file *file,
                             struct pawl_err *err)
{
    char source[PATH_MAX + PAWL_CHECKPOINT_PATH_BYTES];
    snprintf(source, sizeof(source), "%s: %s", check->path, file->path);
    char length[PAWL_SAFETENSORS_LENGTH_BYTES] = {0};
    size_t header_bytes = 0;
    int64_t count = pawl_io_read_up_to(check->io, fd, length, sizeof(length), 0);
    if (count < 0)
        return pawl_err_set(err, (int)-count, "%s: %s", source, strerror((int)-count));
    int code =
        pawl_safetensors_header_bytes(length, file->size_bytes, source, &header_bytes, err);
    if (code != 0)
        return code;
    char *header = malloc(header_bytes);
    if (!header)
        return pawl_err_set(err, ENOMEM, "%s: out of memory", source);
    count = pawl_io_read_up_to(check->io, fd, header, header_bytes, 0);
    struct pawl_safetensors form = {0};
    code = count < 0 ? pawl_err_set(err, (int)-count, "%s: %s", source, strerror((int)-count))
                     : pawl_safetensors_open(&form, header, (size_t)count, file->size_bytes,
                                             source, err);
    if (code == 0)
        code = check_finite(check, fd, &form, source, err);
    pawl_safetensors_close(&form);
    free(header);
    return code;
}

static int check_sum(const struct check *check, int fd,
                     const struct pawl_checkpoint_manifest_file *file, struct pawl_err *err)
{
    uint32_t crc = 0;
    int64_t count = 1;
    char *slice = malloc(SLICE_BYTES);
    if (!slice)
        return pawl_err_set(err, ENOMEM, "%s: %s: out of memory", check->path, file->path);
    for (uint64_t at = 0; at < file->size_bytes && count > 0; at += (uint64_t)count) {
        count = pawl_io_read_up_to(check->io, fd, slice, SLICE_BYTES, at);
        if (count > 0)
            crc = pawl_crc32c(crc, slice, (size_t)count);
    }
    free(slice);
    if (count < 0)
        return pawl_err_set(err, (int)-count, "%s: %s: %s", check->path, file->path,
                            strerror((int)-count));
    if (crc != file->crc32c)
        return pawl_err_set(err, EINVAL,
                            "%s: %s: CRC-32C %08" PRIx32 ", the manifest says %08" PRIx32,
                            check->path, file->path, crc, file->crc32c);
    return 0;
}

static int check_file(const struct check *check,
                      const struct pawl_checkpoint_manifest_file *file, struct pawl_err *err)
{
    uint64_t size_bytes = 0;
    int fd = open_file(check->io, check->folder, file->path, check->path, &size_bytes, err);
    if (fd < 0)
        return fd;
    int code = 0;
    if (size_bytes != file->size_bytes)
        code =
            pawl_err_set(err, EINVAL, "%s: %s: %" PRIu64 " bytes, the manifest says %" PRIu64,
                         check->path, file->path, size_bytes, file->size_bytes);
    if (code == 0 && check->depth == PAWL_CHECKPOINT_FULL)
        code = check_sum(check, fd, file, err);
    if (code == 0 && check->depth == PAWL_CHECKPOINT_FULL &&
        ends_with(file->path, ".safetensors"))
        code = check_safetensors(check, fd, file, err);
    pawl_io_close(check->io, fd);
    if (code == 0 && check->depth == PAWL_CHECKPOINT_FULL && ends_with(file->path, ".json"))
        code = check_json(check, file->path, err);
    return code;
}

static int check_manifest(const struct check *check, struct pawl_checkpoint_info *info,
                          struct pawl_err *err)
{
    char *text;
    size_t length_bytes;
    int code = read_whole(check->io, check->folder, check->path, PAWL_CHECKPOINT_MANIFEST,
                          PAWL_CHECKPOINT_MANIFEST_MAX, &text, &length_bytes, err);
    if (code != 0)
        return code;
    char source[PATH_MAX + PAWL_CHECKPOINT_PATH_BYTES];
    snprintf(source, sizeof(source), "%s: %s", check->path, PAWL_CHECKPOINT_MANIFEST);
    code = pawl_checkpoint_manifest_parse(&info->manifest, text, length_bytes, source, err);
    free(text);
    if (code != 0)
        return code;

    uint64_t step;
    const char *name = strrchr(check->path, '/');
    if (pawl_checkpoint_number(name ? name + 1 : check->path, &step) &&
        step != info->manifest.step)
        return pawl_err_set(err, EINVAL, "%s: the manifest is of step %" PRIu64, check->path,
                            info->manifest.step);
    info->step = info->manifest.step;
    for (uint32_t i = 0; i < info->manifest.file_count; i++)
        info->size_bytes += info->manifest.files[i].size_bytes;
    return 0;
}

int pawl_checkpoint_read_manifest(struct pawl_io *io, int folder, uint64_t step,
                                  struct pawl_checkpoint_info *info)
{
    char name[PAWL_CHECKPOINT_NAME_BYTES];
    pawl_checkpoint_name(step, name);
    struct check check = {.io = io, .path = name};
    check.folder = pawl_io_open(io, folder, name, O_RDONLY | O_DIRECTORY, 0);
    if (check.folder < 0)
        return check.folder;
    int code = check_manifest(&check, info, NULL);
    pawl_io_close(io, check.folder);
    return code;
}

static int check_all(const struct check *check, struct pawl_checkpoint_info *info,
                     struct pawl_err *err)
{
    int code = check_manifest(check, info, err);
    for (uint32_t i = 0; code == 0 && i < info->manifest.file_count; i++)
        code = check_file(check, &info->manifest.files[i], err);
    return code;
}

int pawl_checkpoint_verify(struct pawl_io *io, const char *path,
                           enum pawl_checkpoint_depth depth, struct pawl_checkpoint_info *info,
                           struct pawl_err *err)
{
    *info = (struct pawl_checkpoint_info){.manifest.score = (double)NAN};
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length >= sizeof(info->path))
        return pawl_err_set(err, ENAMETOOLONG, "a path of %zu bytes", length);
    memcpy(info->path, path, length);

    struct pawl_err why = {0};
    struct check check = {.io = io, .path = info->path, .depth = depth};
    int code = check.folder = open_checkpoint(io, info->path, &why);
    if (code >= 0) {
        code = check_all(&check, info, &why);
        pawl_io_close(io, check.folder);
    }
    info->is_valid = code == 0;
    if (code == 0)
        return 0;
    snprintf(info->reason, sizeof(info->reason), "%s", why.text);
    return pawl_err_set(err, why.code, "%s", why.text);
}

int pawl_checkpoint_verify_foreign(struct pawl_io *io, const char *path, struct pawl_err *err)
{
    struct pawl_checkpoint_info info;
    char manifest[PATH_MAX];
    if ((size_t)snprintf(manifest, sizeof(manifest), "%s/" PAWL_CHECKPOINT_MANIFEST, path) >=
        sizeof(manifest))
        return pawl_err_set(err, ENAMETOOLONG, "a path of %zu bytes", strlen(path));
    int fd = pawl_io_open(io, PAWL_IO_CWD, manifest, O_RDONLY, 0);
    if (fd == -ENOENT)
        return 0;
    if (fd >= 0)
        pawl_io_close(io, fd);
    return pawl_checkpoint_verify(io, path, PAWL_CHECKPOINT_FULL, &info, err);
}
