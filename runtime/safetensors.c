#include "runtime/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"
#include "runtime/text.h"

#define META_KEY "__metadata__"

/* Every tensor's entry is an object of three members, one of them with two numbers. */
static const struct pawl_json_limits limits = {.bytes_max = PAWL_SAFETENSORS_HEADER_MAX,
                                               .depth_max = 4};

static const struct {
    const char *name;
    enum pawl_dtype dtype;
} dtypes[] = {
    {"BOOL", PAWL_BOOL}, {"U8", PAWL_U8},   {"I8", PAWL_I8},     {"U16", PAWL_U16},
    {"I16", PAWL_I16},   {"U32", PAWL_U32}, {"I32", PAWL_I32},   {"U64", PAWL_U64},
    {"I64", PAWL_I64},   {"F16", PAWL_F16}, {"BF16", PAWL_BF16}, {"F32", PAWL_F32},
    {"F64", PAWL_F64},
};
#define DTYPE_COUNT (sizeof(dtypes) / sizeof(dtypes[0]))

const char *pawl_safetensors_dtype_name(enum pawl_dtype dtype)
{
    for (size_t i = 0; i < DTYPE_COUNT; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].name;
    return NULL;
}

/* False when the product has no place in 64 bits. */
static bool size_of(const struct pawl_tensor *tensor, uint64_t *size_bytes)
{
    uint64_t size = pawl_dtype_bytes(tensor->dtype);
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (__builtin_mul_overflow(size, tensor->shape[i], &size))
            return false;
    *size_bytes = size;
    return true;
}

/* --- writing --- */

static int check_tensor(const struct pawl_tensor *tensor, uint64_t *size_bytes,
                        struct pawl_err *err)
{
    if (strnlen(tensor->name, sizeof(tensor->name)) == sizeof(tensor->name) ||
        tensor->name[0] == '\0' || strcmp(tensor->name, META_KEY) == 0 ||
        !pawl_text_is_utf8(tensor->name, strlen(tensor->name)))
        return pawl_err_set(err, EINVAL, "\"%.*s\" is no name of a tensor",
                            PAWL_TENSOR_NAME_BYTES, tensor->name);
    if (!pawl_safetensors_dtype_name(tensor->dtype) || tensor->rank > PAWL_SPEC_RANK_MAX)
        return pawl_err_set(err, EINVAL, "%s: dtype %d and %u extents, at most %d",
                            tensor->name, (int)tensor->dtype, tensor->rank, PAWL_SPEC_RANK_MAX);
    if (!size_of(tensor, size_bytes))
        return pawl_err_set(err, EINVAL, "%s: more than 2^64 bytes", tensor->name);
    if (*size_bytes > 0 && !tensor->data)
        return pawl_err_set(err, EINVAL, "%s: no data", tensor->name);
    return 0;
}

static void put_tensor(struct pawl_json_writer *out, const struct pawl_tensor *tensor,
                       uint64_t begin_bytes, uint64_t end_bytes)
{
    pawl_json_begin_object(out, tensor->name);
    pawl_json_put_string(out, "dtype", pawl_safetensors_dtype_name(tensor->dtype));
    pawl_json_begin_array(out, "shape");
    for (uint32_t i = 0; i < tensor->rank; i++)
        pawl_json_put_u64(out, NULL, tensor->shape[i]);
    pawl_json_end(out);
    pawl_json_begin_array(out, "data_offsets");
    pawl_json_put_u64(out, NULL, begin_bytes);
    pawl_json_put_u64(out, NULL, end_bytes);
    pawl_json_end(out);
    pawl_json_end(out);
}

static void put_metas(struct pawl_json_writer *out, const struct pawl_safetensors_meta *metas,
                      size_t meta_count)
{
    if (meta_count == 0)
        return;
    pawl_json_begin_object(out, META_KEY);
    for (size_t i = 0; i < meta_count; i++)
        pawl_json_put_string(out, metas[i].key, metas[i].value);
    pawl_json_end(out);
}

static void add_part(struct pawl_safetensors_layout *layout, const void *data,
                     size_t byte_count)
{
    struct iovec *last = &layout->parts[layout->part_count - 1];
    if (byte_count == 0)
        return;
    if (layout->part_count > 1 && (const char *)last->iov_base + last->iov_len == data)
        last->iov_len += byte_count;
    else
        layout->parts[layout->part_count++] =
            (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = byte_count};
}

/* Goes through the tensors, wider dtypes first: text into out, data into parts. */
static int put_tensors(struct pawl_safetensors_layout *layout, struct pawl_json_writer *out,
                       const struct pawl_tensor *tensors, size_t tensor_count,
                       struct pawl_err *err)
{
    uint64_t offset_bytes = 0;

    for (size_t width = 8; width > 0; width /= 2) {
        for (size_t i = 0; i < tensor_count; i++) {
            uint64_t size_bytes = 0, end_bytes = 0;
            int code = check_tensor(&tensors[i], &size_bytes, err);
            if (code != 0)
                return code;
            if (pawl_dtype_bytes(tensors[i].dtype) != width)
                continue;
            if (__builtin_add_overflow(offset_bytes, size_bytes, &end_bytes) ||
                end_bytes > INT64_MAX - PAWL_SAFETENSORS_HEADER_MAX - 16)
                return pawl_err_set(err, EINVAL, "%s: more bytes than a file can have",
                                    tensors[i].name);
            put_tensor(out, &tensors[i], offset_bytes, end_bytes);
            add_part(layout, tensors[i].data, (size_t)size_bytes);
            offset_bytes = end_bytes;
        }
    }
    layout->file_bytes = offset_bytes;
    return 0;
}

static void put_length(unsigned char to[PAWL_SAFETENSORS_LENGTH_BYTES], uint64_t length)
{
    for (unsigned i = 0; i < PAWL_SAFETENSORS_LENGTH_BYTES; i++)
        to[i] = (unsigned char)(length >> (8 * i));
}

static int finish_header(struct pawl_safetensors_layout *layout, struct pawl_json_writer *out,
                         struct pawl_err *err)
{
    size_t length_bytes;
    const char *text = pawl_json_finish(out, &length_bytes, err);
    if (!text)
        return -EINVAL;
    size_t padded_bytes =
        (length_bytes + 7) / 8 * 8; /* with blanks, so that data are aligned */
    if (padded_bytes > PAWL_SAFETENSORS_HEADER_MAX)
        return pawl_err_set(err, EFBIG, "a header of %zu bytes, at most %u", padded_bytes,
                            PAWL_SAFETENSORS_HEADER_MAX);

    layout->header_bytes = PAWL_SAFETENSORS_LENGTH_BYTES + padded_bytes;
    layout->header = malloc(layout->header_bytes);
    if (!layout->header)
        return pawl_err_set(err, ENOMEM, "header of %zu bytes: out of memory", padded_bytes);
    put_length((unsigned char *)layout->header, padded_bytes);
    memset(layout->header + PAWL_SAFETENSORS_LENGTH_BYTES, ' ', padded_bytes);
    memcpy(layout->header + PAWL_SAFETENSORS_LENGTH_BYTES, text, length_bytes);
    layout->parts[0] =
        (struct iovec){.iov_base = layout->header, .iov_len = layout->header_bytes};
    layout->file_bytes += layout->header_bytes;
    return 0;
}

int pawl_safetensors_layout_open(struct pawl_safetensors_layout *layout,
                                 const struct pawl_tensor *tensors, size_t tensor_count,
                                 const struct pawl_safetensors_meta *metas, size_t meta_count,
                                 struct pawl_err *err)
{
    *layout = (struct pawl_safetensors_layout){0};
    if (tensor_count > PAWL_SAFETENSORS_TENSORS_MAX)
        return pawl_err_set(err, E2BIG, "%zu tensors, at most %u", tensor_count,
                            PAWL_SAFETENSORS_TENSORS_MAX);
    layout->parts = calloc(tensor_count + 1, sizeof(*layout->parts));
    if (!layout->parts)
        return pawl_err_set(err, ENOMEM, "a header of %zu tensors: out of memory",
                            tensor_count);
    layout->part_count = 1; /* the header's */

    struct pawl_json_writer out;
    pawl_json_open_growing(&out, PAWL_SAFETENSORS_HEADER_MAX);
    pawl_json_begin_object(&out, NULL);
    put_metas(&out, metas, meta_count);
    int code = put_tensors(layout, &out, tensors, tensor_count, err);
    pawl_json_end(&out);
    if (code == 0)
        code = finish_header(layout, &out, err);
    pawl_json_close_writer(&out);

    /* What our own reader would refuse is not written: a name twice, or one that is no UTF-8.
     */
    struct pawl_safetensors check = {0};
    if (code == 0)
        code = pawl_safetensors_open(&check, layout->header, layout->header_bytes,
                                     layout->file_bytes, "header", err);
    pawl_safetensors_close(&check);
    if (code != 0)
        pawl_safetensors_layout_close(layout);
    return code;
}

void pawl_safetensors_layout_close(struct pawl_safetensors_layout *layout)
{
    free(layout->header);
    free(layout->parts);
    *layout = (struct pawl_safetensors_layout){0};
}

/* --- reading --- */

int pawl_safetensors_header_bytes(const void *bytes, uint64_t file_bytes, const char *source,
                                  size_t *header_bytes, struct pawl_err *err)
{
    const unsigned char *from = bytes;
    uint64_t length = 0;

    if (file_bytes < PAWL_SAFETENSORS_LENGTH_BYTES)
        return pawl_err_set(err, EINVAL, "%s: %llu bytes are too few for a safetensors file",
                            source, (unsigned long long)file_bytes);
    for (unsigned i = PAWL_SAFETENSORS_LENGTH_BYTES; i-- > 0;)
        length = length << 8 | from[i];
    if (length > PAWL_SAFETENSORS_HEADER_MAX)
        return pawl_err_set(err, EFBIG, "%s: a header of %llu bytes, at most %u", source,
                            (unsigned long long)length, PAWL_SAFETENSORS_HEADER_MAX);
    if (length > file_bytes - PAWL_SAFETENSORS_LENGTH_BYTES)
        return pawl_err_set(err, EINVAL, "%s: a header of %llu bytes in a file of %llu", source,
                            (unsigned long long)length, (unsigned long long)file_bytes);
    *header_bytes = (size_t)length + PAWL_SAFETENSORS_LENGTH_BYTES;
    return 0;
}

static int read_dtype(const struct pawl_json_at *entry, enum pawl_dtype *dtype,
                      struct pawl_err *err)
{
    const char *name;
    int code = pawl_json_get_string(entry, "dtype", &name, err);
    if (code != 0)
        return code;
    for (size_t i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *dtype = dtypes[i].dtype;
            return 0;
        }
    }
    return pawl_err_set(err, EINVAL, "dtype \"%.20s\" is none that is known", name);
}

static int read_shape(const struct pawl_json_at *entry, struct pawl_tensor *tensor,
                      struct pawl_err *err)
{
    struct pawl_json_at shape;
    int code = pawl_json_get_array(entry, "shape", &shape, err);
    if (code != 0)
        return code;
    size_t rank = pawl_json_count(&shape);
    if (rank > PAWL_SPEC_RANK_MAX)
        return pawl_err_set(err, EINVAL, "%zu extents, at most %d", rank, PAWL_SPEC_RANK_MAX);
    tensor->rank = (uint32_t)rank;
    for (size_t i = 0; code == 0 && i < rank; i++) {
        struct pawl_json_at item = pawl_json_item(&shape, i);
        int64_t extent = 0;
        code = pawl_json_get_i64(&item, NULL, 0, UINT32_MAX, &extent, err);
        tensor->shape[i] = (uint32_t)extent;
    }
    return code;
}

/* Where the data are, as the entry says, counted from the end of the header. */
static int read_range(const struct pawl_json_at *entry, uint64_t data_bytes,
                      uint64_t *begin_bytes, uint64_t *end_bytes, struct pawl_err *err)
{
    struct pawl_json_at range;
    int64_t begin = 0, end = 0;
    int code = pawl_json_get_array(entry, "data_offsets", &range, err);
    if (code != 0)
        return code;
    if (pawl_json_count(&range) != 2)
        return pawl_err_set(err, EINVAL, "data_offsets: %zu numbers, 2 are wanted",
                            pawl_json_count(&range));
    struct pawl_json_at first = pawl_json_item(&range, 0), second = pawl_json_item(&range, 1);
    if ((code = pawl_json_get_i64(&first, NULL, 0, (int64_t)data_bytes, &begin, err)) != 0 ||
        (code = pawl_json_get_i64(&second, NULL, begin, (int64_t)data_bytes, &end, err)) != 0)
        return code;
    *begin_bytes = (uint64_t)begin;
    *end_bytes = (uint64_t)end;
    return 0;
}

static int read_tensor(struct pawl_safetensors *file, const struct pawl_json_at *entry,
                       uint64_t data_bytes, struct pawl_err *err)
{
    size_t i = file->tensor_count;
    struct pawl_tensor *tensor = &file->tensors[i];
    uint64_t begin_bytes = 0, end_bytes = 0, size_bytes = 0;
    int code;

    if (pawl_json_type_of(entry) != PAWL_JSON_OBJECT || pawl_json_count(entry) != 3)
        return pawl_err_set(err, EINVAL, "dtype, shape and data_offsets are wanted");
    if (strlen(entry->key) >= sizeof(tensor->name) || entry->key[0] == '\0')
        return pawl_err_set(err, EINVAL, "a name has 1 to %d bytes",
                            PAWL_TENSOR_NAME_BYTES - 1);
    if ((code = read_dtype(entry, &tensor->dtype, err)) != 0 ||
        (code = read_shape(entry, tensor, err)) != 0 ||
        (code = read_range(entry, data_bytes, &begin_bytes, &end_bytes, err)) != 0)
        return code;
    if (!size_of(tensor, &size_bytes) || size_bytes != end_bytes - begin_bytes)
        return pawl_err_set(err, EINVAL,
                            "%llu bytes of data, which is not what %s and its shape ask for",
                            (unsigned long long)(end_bytes - begin_bytes),
                            pawl_safetensors_dtype_name(tensor->dtype));
    memcpy(tensor->name, entry->key, strlen(entry->key) + 1);
    file->offsets_bytes[i] = begin_bytes;
    file->sizes_bytes[i] = size_bytes;
    file->tensor_count++;
    return 0;
}

/* Sizes first, then copies: the texts of a document end with it. */
static int read_metas(struct pawl_safetensors *file, const struct pawl_json_at *entry,
                      struct pawl_err *err)
{
    size_t text_bytes = 1;
    const char *value;

    if (pawl_json_type_of(entry) != PAWL_JSON_OBJECT)
        return pawl_err_set(err, EINVAL, "an object of texts is wanted");
    struct pawl_json_at member = {0};
    while (pawl_json_next(entry, &member)) {
        int code = pawl_json_get_string(&member, NULL, &value, err);
        if (code != 0)
            return code;
        text_bytes += strlen(member.key) + strlen(value) + 2;
    }
    file->metas = calloc(pawl_json_count(entry) + 1, sizeof(*file->metas));
    char *to = file->texts = malloc(text_bytes);
    if (!file->metas || !file->texts)
        return pawl_err_set(err, ENOMEM, "out of memory");

    member = (struct pawl_json_at){0};
    while (pawl_json_next(entry, &member)) {
        pawl_json_get_string(&member, NULL, &value, NULL);
        struct pawl_safetensors_meta *meta = &file->metas[file->meta_count++];
        meta->key = to;
        to = stpcpy(to, member.key) + 1;
        meta->value = to;
        to = stpcpy(to, value) + 1;
    }
    return 0;
}

static int read_entries(struct pawl_safetensors *file, const struct pawl_json_at *root,
                        uint64_t data_bytes, const char *source, struct pawl_err *err)
{
    struct pawl_json_at member = {0};
    while (pawl_json_next(root, &member)) {
        struct pawl_err why = {0};
        int code = strcmp(member.key, META_KEY) == 0
                       ? read_metas(file, &member, &why)
                       : read_tensor(file, &member, data_bytes, &why);
        if (code == 0)
            continue;
        /* A failure inside the document begins with its source already. */
        const char *text = why.text;
        size_t source_length = strlen(source);
        if (strncmp(text, source, source_length) == 0)
            return pawl_err_set(err, why.code, "%s", text);
        return pawl_err_set(err, why.code, "%s: %.*s: %s", source, PAWL_TENSOR_NAME_BYTES,
                            member.key, text);
    }
    return 0;
}

/* An order of the tensors by where their data begin; of equal ones the empty first. */
struct rank {
    uint64_t begin_bytes, size_bytes;
    size_t index;
};

static int compare_ranks(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->begin_bytes != y->begin_bytes)
        return x->begin_bytes < y->begin_bytes ? -1 : 1;
    if (x->size_bytes != y->size_bytes)
        return x->size_bytes < y->size_bytes ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void put_in_order(struct pawl_safetensors *file, const struct rank *ranks,
                         struct pawl_tensor *tensors)
{
    for (size_t i = 0; i < file->tensor_count; i++) {
        tensors[i] = file->tensors[ranks[i].index];
        file->offsets_bytes[i] = ranks[i].begin_bytes;
        file->sizes_bytes[i] = ranks[i].size_bytes;
    }
    free(file->tensors);
    file->tensors = tensors;
}

/* Sorts by place and refuses a hole, an overlap and what is left over at the end. */
static int order(struct pawl_safetensors *file, uint64_t data_bytes, const char *source,
                 struct pawl_err *err)
{
    size_t count = file->tensor_count;
    struct rank *ranks = calloc(count + 1, sizeof(*ranks));
    struct pawl_tensor *tensors = calloc(count + 1, sizeof(*tensors));
    if (!ranks || !tensors) {
        free(ranks);
        free(tensors);
        return pawl_err_set(err, ENOMEM, "%s: out of memory", source);
    }
    for (size_t i = 0; i < count; i++)
        ranks[i] = (struct rank){file->offsets_bytes[i], file->sizes_bytes[i], i};
    qsort(ranks, count, sizeof(*ranks), compare_ranks);
    put_in_order(file, ranks, tensors);
    free(ranks);

    uint64_t end_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (file->offsets_bytes[i] != end_bytes)
            return pawl_err_set(
                err, EINVAL, "%s: %s: its data begin at %llu, those before it end at %llu",
                source, file->tensors[i].name, (unsigned long long)file->offsets_bytes[i],
                (unsigned long long)end_bytes);
        end_bytes += file->sizes_bytes[i];
    }
    if (end_bytes != data_bytes)
        return pawl_err_set(err, EINVAL, "%s: %llu bytes of data, the tensors have %llu",
                            source, (unsigned long long)data_bytes,
                            (unsigned long long)end_bytes);
    return 0;
}

static int read_header(struct pawl_safetensors *file, const struct pawl_json *doc,
                       uint64_t data_bytes, const char *source, struct pawl_err *err)
{
    struct pawl_json_at root = pawl_json_root(doc);
    size_t count = pawl_json_count(&root);
    if (pawl_json_type_of(&root) != PAWL_JSON_OBJECT)
        return pawl_err_set(err, EINVAL, "%s: the header is no object", source);
    if (count > PAWL_SAFETENSORS_TENSORS_MAX)
        return pawl_err_set(err, E2BIG, "%s: %zu tensors, at most %u", source, count,
                            PAWL_SAFETENSORS_TENSORS_MAX);
    file->tensors = calloc(count + 1, sizeof(*file->tensors));
    file->offsets_bytes = calloc(count + 1, sizeof(*file->offsets_bytes));
    file->sizes_bytes = calloc(count + 1, sizeof(*file->sizes_bytes));
    if (!file->tensors || !file->offsets_bytes || !file->sizes_bytes)
        return pawl_err_set(err, ENOMEM, "%s: out of memory", source);
    int code = read_entries(file, &root, data_bytes, source, err);
    return code != 0 ? code : order(file, data_bytes, source, err);
}

int pawl_safetensors_open(struct pawl_safetensors *file, const void *bytes, size_t byte_count,
                          uint64_t file_bytes, const char *source, struct pawl_err *err)
{
    *file = (struct pawl_safetensors){0};
    size_t header_bytes;
    if (file_bytes > INT64_MAX || byte_count > file_bytes)
        return pawl_err_set(err, EINVAL, "%s: %zu bytes of a file of %llu", source, byte_count,
                            (unsigned long long)file_bytes);
    int code = pawl_safetensors_header_bytes(
        bytes, byte_count < PAWL_SAFETENSORS_LENGTH_BYTES ? byte_count : file_bytes, source,
        &header_bytes, err);
    if (code != 0)
        return code;
    if (byte_count < header_bytes)
        return pawl_err_set(err, EINVAL, "%s: the header has %zu bytes, here are %zu", source,
                            header_bytes, byte_count);

    const char *text = (const char *)bytes + PAWL_SAFETENSORS_LENGTH_BYTES;
    size_t text_bytes = header_bytes - PAWL_SAFETENSORS_LENGTH_BYTES;
    struct pawl_json doc = {0};
    if (text_bytes == 0 || text[0] != '{')
        return pawl_err_set(err, EINVAL, "%s: the header begins with no \"{\"", source);
    code = pawl_json_open_text(&doc, text, text_bytes, source, &limits, err);
    if (code != 0)
        return code;
    code = read_header(file, &doc, file_bytes - header_bytes, source, err);
    pawl_json_close(&doc);
    if (code != 0) {
        pawl_safetensors_close(file);
        return code;
    }

    file->data_offset_bytes = header_bytes;
    for (size_t i = 0; i < file->tensor_count; i++) {
        file->offsets_bytes[i] += header_bytes;
        if (byte_count == file_bytes)
            file->tensors[i].data = (const char *)bytes + file->offsets_bytes[i];
    }
    return 0;
}

const struct pawl_tensor *pawl_safetensors_find(const struct pawl_safetensors *file,
                                                const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *pawl_safetensors_meta(const struct pawl_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->meta_count; i++)
        if (strcmp(file->metas[i].key, key) == 0)
            return file->metas[i].value;
    return NULL;
}

void pawl_safetensors_close(struct pawl_safetensors *file)
{
    free(file->tensors);
    free(file->offsets_bytes);
    free(file->sizes_bytes);
    free(file->metas);
    free(file->texts);
    *file = (struct pawl_safetensors){0};
}
