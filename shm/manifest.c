#include "shm/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-' || c == '/';
}

static int check_name(const struct pawl_manifest *manifest, const char *name,
                      struct pawl_err *err)
{
    size_t length = strnlen(name, PAWL_MANIFEST_NAME_BYTES);
    if (length == 0 || length == PAWL_MANIFEST_NAME_BYTES)
        return pawl_err_set(err, EINVAL, "tensor name of %s: must have 1 to %u bytes",
                            length ? "too many bytes" : "0 bytes",
                            PAWL_MANIFEST_NAME_BYTES - 1);
    for (size_t i = 0; i < length; i++)
        if (!is_name_char(name[i]))
            return pawl_err_set(err, EINVAL,
                                "tensor name with byte 0x%02x at %zu: only letters, digits and "
                                ". _ - / may be in it",
                                (unsigned char)name[i], i);
    if (pawl_manifest_find(manifest, name))
        return pawl_err_set(err, EINVAL, "tensor '%s' is there twice", name);
    return 0;
}

static int check_shape(const char *name, enum pawl_dtype dtype, uint32_t rank,
                       const uint64_t *shape, uint64_t *size_bytes, struct pawl_err *err)
{
    *size_bytes = pawl_dtype_bytes(dtype);
    if (*size_bytes == 0)
        return pawl_err_set(err, EINVAL, "tensor '%s': dtype %d does not exist", name,
                            (int)dtype);
    if (rank > PAWL_MANIFEST_RANK_MAX)
        return pawl_err_set(err, E2BIG, "tensor '%s' of rank %u: at most %u", name, rank,
                            PAWL_MANIFEST_RANK_MAX);
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] == 0)
            return pawl_err_set(err, EINVAL, "tensor '%s': extent %u is 0, must be at least 1",
                                name, i);
        if (shape[i] > PAWL_MANIFEST_BLOB_BYTES_MAX / *size_bytes)
            return pawl_err_set(err, E2BIG, "tensor '%s': more than %" PRIu64 " bytes", name,
                                (uint64_t)PAWL_MANIFEST_BLOB_BYTES_MAX);
        *size_bytes *= shape[i];
    }
    return 0;
}

static int make_room(struct pawl_manifest *manifest, struct pawl_err *err)
{
    if (manifest->tensor_count < manifest->tensor_room)
        return 0;
    uint32_t room = manifest->tensor_room ? 2 * manifest->tensor_room : 16;
    struct pawl_manifest_tensor *tensors = realloc(manifest->tensors, room * sizeof(*tensors));
    if (!tensors)
        return pawl_err_set(err, ENOMEM, "manifest of %u tensors: out of memory", room);
    manifest->tensors = tensors;
    manifest->tensor_room = room;
    return 0;
}

int pawl_manifest_add(struct pawl_manifest *manifest, const char *name, enum pawl_dtype dtype,
                      uint32_t rank, const uint64_t *shape, struct pawl_err *err)
{
    uint64_t size_bytes;
    int code = check_name(manifest, name, err);
    if (code == 0)
        code = check_shape(name, dtype, rank, shape, &size_bytes, err);
    if (code != 0)
        return code;
    uint64_t offset_bytes = (manifest->blob_bytes + PAWL_MANIFEST_ALIGN - 1) /
                            PAWL_MANIFEST_ALIGN * PAWL_MANIFEST_ALIGN;
    if (manifest->tensor_count == PAWL_MANIFEST_TENSORS_MAX)
        return pawl_err_set(err, E2BIG, "more than %u tensors", PAWL_MANIFEST_TENSORS_MAX);
    if (offset_bytes + size_bytes > PAWL_MANIFEST_BLOB_BYTES_MAX)
        return pawl_err_set(err, E2BIG, "tensor '%s' ends after %" PRIu64 " bytes", name,
                            (uint64_t)PAWL_MANIFEST_BLOB_BYTES_MAX);
    code = make_room(manifest, err);
    if (code != 0)
        return code;

    struct pawl_manifest_tensor *tensor = &manifest->tensors[manifest->tensor_count++];
    *tensor = (struct pawl_manifest_tensor){
        .dtype = dtype,
        .rank = rank,
        .offset_bytes = offset_bytes,
        .size_bytes = size_bytes,
    };
    memcpy(tensor->name, name, strlen(name));
    for (uint32_t i = 0; i < rank; i++)
        tensor->shape[i] = shape[i];
    manifest->blob_bytes = offset_bytes + size_bytes;
    return 0;
}

const struct pawl_manifest_tensor *pawl_manifest_find(const struct pawl_manifest *manifest,
                                                      const char *name)
{
    for (uint32_t i = 0; i < manifest->tensor_count; i++)
        if (strcmp(manifest->tensors[i].name, name) == 0)
            return &manifest->tensors[i];
    return NULL;
}

static size_t print_line(const struct pawl_manifest_tensor *tensor,
                         char line[PAWL_MANIFEST_LINE_BYTES_MAX])
{
    const size_t room = PAWL_MANIFEST_LINE_BYTES_MAX;
    size_t length =
        (size_t)snprintf(line, room, "%s %s", tensor->name, pawl_dtype_name(tensor->dtype));
    for (uint32_t i = 0; i < tensor->rank; i++)
        length += (size_t)snprintf(line + length, room - length, "%c%" PRIu64, i ? ',' : '[',
                                   tensor->shape[i]);
    length += (size_t)snprintf(line + length, room - length, "%s @%" PRIu64 "\n",
                               tensor->rank ? "]" : "", tensor->offset_bytes);
    return length;
}

size_t pawl_manifest_text(const struct pawl_manifest *manifest, char *text, size_t room_bytes)
{
    char line[PAWL_MANIFEST_LINE_BYTES_MAX];
    size_t length = 0;
    for (uint32_t i = 0; i < manifest->tensor_count; i++) {
        size_t line_bytes = print_line(&manifest->tensors[i], line);
        if (length + line_bytes <= room_bytes)
            memcpy(text + length, line, line_bytes);
        length += line_bytes;
    }
    return length;
}

static enum pawl_dtype dtype_of(const char *text, size_t length)
{
    for (int i = PAWL_BOOL; i <= PAWL_F64; i++) {
        const char *name = pawl_dtype_name((enum pawl_dtype)i);
        if (strlen(name) == length && memcmp(name, text, length) == 0)
            return (enum pawl_dtype)i;
    }
    return (enum pawl_dtype)0;
}

/* Up to 13 digits; moves *at past them. A leading zero or a wrong offset is found when the line
 * is compared with what it should be. */
static bool read_number(const char **at, const char *end, uint64_t *value)
{
    const char *start = *at;
    *value = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - start < 13)
        *value = *value * 10 + (uint64_t)(*(*at)++ - '0');
    return *at > start;
}

/* Reads what of the line cannot be derived, and adds it. False: not a line at all. */
static bool add_line(struct pawl_manifest *manifest, const char *line, const char *end,
                     struct pawl_err *err)
{
    char name[PAWL_MANIFEST_NAME_BYTES] = {0};
    uint64_t shape[PAWL_MANIFEST_RANK_MAX];
    uint32_t rank = 0;
    const char *space = memchr(line, ' ', (size_t)(end - line));
    if (!space || (size_t)(space - line) >= sizeof(name))
        return false;
    memcpy(name, line, (size_t)(space - line));
    const char *at = space + 1, *dtype = at;
    while (at < end && *at != '[' && *at != ' ')
        at++;
    size_t dtype_bytes = (size_t)(at - dtype);
    if (at < end && *at == '[') {
        do {
            at++;
            if (rank == PAWL_MANIFEST_RANK_MAX || !read_number(&at, end, &shape[rank++]))
                return false;
        } while (at < end && *at == ',');
    }
    return pawl_manifest_add(manifest, name, dtype_of(dtype, dtype_bytes), rank, shape, err) ==
           0;
}

int pawl_manifest_parse(struct pawl_manifest *manifest, const char *text, size_t length_bytes,
                        struct pawl_err *err)
{
    char wanted[PAWL_MANIFEST_LINE_BYTES_MAX];
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    uint32_t line_number = 0;
    *manifest = (struct pawl_manifest){0};

    for (const char *line = text, *all_end = text + length_bytes; line < all_end;) {
        const char *end = memchr(line, '\n', (size_t)(all_end - line));
        line_number++;
        if (!end || !add_line(manifest, line, end, err))
            goto fail;
        size_t wanted_bytes =
            print_line(&manifest->tensors[manifest->tensor_count - 1], wanted);
        if (wanted_bytes != (size_t)(end + 1 - line) || memcmp(wanted, line, wanted_bytes) != 0)
            goto fail;
        line = end + 1;
    }
    if (manifest->tensor_count > 0)
        return 0;
fail:
    pawl_manifest_close(manifest);
    if (!err->code)
        pawl_err_set(err, EPROTO,
                     line_number == 0
                         ? "no tensors"
                         : "must be NAME DTYPE[SHAPE] @OFFSET as this program writes it");
    return pawl_err_wrap(err, "manifest, line %u", line_number);
}

void pawl_manifest_close(struct pawl_manifest *manifest)
{
    free(manifest->tensors);
    *manifest = (struct pawl_manifest){0};
}
