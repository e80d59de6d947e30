#include "runtime/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static struct pawl_err err;

static size_t gather(const struct pawl_safetensors_layout *layout, char **bytes)
{
    size_t at = 0;
    *bytes = malloc(layout->file_bytes);
    ck_assert_ptr_nonnull(*bytes);
    for (size_t i = 0; i < layout->part_count; i++) {
        ck_assert_uint_le(at + layout->parts[i].iov_len, layout->file_bytes);
        memcpy(*bytes + at, layout->parts[i].iov_base, layout->parts[i].iov_len);
        at += layout->parts[i].iov_len;
    }
    ck_assert_uint_eq(at, layout->file_bytes);
    return at;
}

/* A file of a header and so many bytes of data. */
static int open_text(struct pawl_safetensors *file, const char *text, size_t data_bytes)
{
    static char bytes[4096];
    uint64_t length = strlen(text);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, text, length);
    err = (struct pawl_err){0};
    return pawl_safetensors_open(file, bytes, 8 + length + data_bytes, 8 + length + data_bytes,
                                 "m.st", &err);
}

#define A "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"

START_TEST(what_is_written_is_read)
{
    static const float f32[6] = {1, 2, 3, 4, 5, 6};
    static const double f64[2] = {0.5, -0.25};
    const uint8_t flags[3] = {1, 0, 1};
    int64_t step = 41;
    const struct pawl_tensor tensors[] = {
        {.name = "flags", .dtype = PAWL_BOOL, .rank = 1, .shape = {3}, .data = flags},
        {.name = "w", .dtype = PAWL_F32, .rank = 2, .shape = {2, 2}, .data = f32},
        {.name = "b", .dtype = PAWL_F32, .rank = 1, .shape = {2}, .data = f32 + 4},
        {.name = "d", .dtype = PAWL_F64, .rank = 1, .shape = {2}, .data = f64},
        {.name = "step", .dtype = PAWL_I64, .data = &step},
        {.name = "none", .dtype = PAWL_U8, .rank = 2, .shape = {0, 7}},
    };
    const struct pawl_safetensors_meta metas[] = {{"critic.w", "w"}, {"k\"ey", "\n"}};
    struct pawl_safetensors_layout layout;
    ck_assert_int_eq(pawl_safetensors_layout_open(&layout, tensors, 6, metas, 2, &err), 0);
    ck_assert_uint_eq(layout.header_bytes % 8, 0);
    ck_assert_uint_eq(layout.part_count, 5); /* w and b are neighbours, d and step are not */

    char *bytes;
    size_t byte_count = gather(&layout, &bytes);
    struct pawl_safetensors file;
    ck_assert_int_eq(pawl_safetensors_open(&file, bytes, byte_count, byte_count, "x", &err), 0);
    ck_assert_uint_eq(file.tensor_count, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct pawl_tensor *found = pawl_safetensors_find(&file, tensors[i].name);
        ck_assert_ptr_nonnull(found);
        ck_assert_int_eq(found->dtype, tensors[i].dtype);
        ck_assert_uint_eq(found->rank, tensors[i].rank);
        ck_assert_mem_eq(found->shape, tensors[i].shape, sizeof(found->shape));
        uint64_t size_bytes = file.sizes_bytes[found - file.tensors];
        if (size_bytes)
            ck_assert_mem_eq(found->data, tensors[i].data, size_bytes);
    }
    ck_assert_str_eq(pawl_safetensors_meta(&file, "critic.w"), "w");
    ck_assert_str_eq(pawl_safetensors_meta(&file, "k\"ey"), "\n");
    ck_assert_ptr_null(pawl_safetensors_meta(&file, "w"));
    ck_assert_ptr_null(pawl_safetensors_find(&file, "critic.w"));
    pawl_safetensors_close(&file);
    pawl_safetensors_layout_close(&layout);
    free(bytes);
}
END_TEST

START_TEST(a_file_of_the_reference_is_read)
{
    /* As the library `safetensors` 0.4 writes it: metadata first, padded with blanks. */
    struct pawl_safetensors file;
    ck_assert_int_eq(open_text(&file,
                               "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"I64\","
                               "\"shape\":[],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F16\","
                               "\"shape\":[2],\"data_offsets\":[8,12]}}   ",
                               12),
                     0);
    ck_assert_str_eq(file.tensors[0].name, "b");
    ck_assert_str_eq(pawl_safetensors_meta(&file, "format"), "pt");
    pawl_safetensors_close(&file);
}
END_TEST

START_TEST(the_header_alone_tells_what_is_in_the_file)
{
    static const char text[] = A "}";
    char bytes[8 + sizeof(text)];
    uint64_t length = sizeof(text) - 1;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, text, sizeof(text));
    size_t header_bytes = 0;
    ck_assert_int_eq(
        pawl_safetensors_header_bytes(bytes, 8 + length + 24, "x", &header_bytes, &err), 0);
    ck_assert_uint_eq(header_bytes, 8 + length);
    struct pawl_safetensors file;
    ck_assert_int_eq(
        pawl_safetensors_open(&file, bytes, header_bytes, header_bytes + 24, "x", &err), 0);
    ck_assert_ptr_null(file.tensors[0].data);
    ck_assert_uint_eq(file.offsets_bytes[0], header_bytes);
    pawl_safetensors_close(&file);
    ck_assert_int_eq(
        pawl_safetensors_open(&file, bytes, header_bytes - 1, header_bytes + 24, "x", &err),
        -EINVAL);
}
END_TEST

START_TEST(what_is_not_strictly_a_file_is_refused_with_the_rule)
{
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *rule;
    } cases[] = {
        {A "}", 23, "a"}, /* beyond the end */
        {A "}", 25, "m.st: 25 bytes of data, the tensors have 24"},
        {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[25,29]}}", 29,
         "b: its data begin at 25, those before it end at 24"},
        {A ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[20,24]}}", 24,
         "b: its data begin at 20, those before it end at 24"},
        {A ","
           "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[24,24]}}",
         24, "dupl"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,16]}}", 16,
         "m.st: a: 16 bytes of data, which is not what F32 and its shape ask for"},
        {"{\"a\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "\"F8\""},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967295,4294967295,4294967295],"
         "\"data_offsets\":[0,1]}}",
         1, "shape"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4294967295,2147483648,4294967295,2],"
         "\"data_offsets\":[0,0]}}",
         0, "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
         "5 extents, at most 4"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "2 are wanted"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1,
         "dtype, shape and data_offsets are wanted"},
        {"{\"a\":[]}", 0, "m.st: a: dtype, shape and data_offsets are wanted"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
        {"{\"__metadata__\":[]}", 0, "an object of texts"},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "1 to 127"},
        {"[]", 0, "begins with no"},
        {" {}", 0, "begins with no"},
        {"", 0, "begins with no"},
        {"{", 0, "m.st"},
        {"{}{}", 0, "m.st"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_safetensors file;
        ck_assert_msg(open_text(&file, cases[i].header, cases[i].data_bytes) < 0, "%s",
                      cases[i].header);
        ck_assert_msg(strstr(err.text, cases[i].rule) != NULL, "%s: %s", cases[i].header,
                      err.text);
        ck_assert_ptr_null(file.tensors);
        pawl_safetensors_close(&file);
    }
}
END_TEST

START_TEST(a_length_beyond_the_file_or_the_limit_is_refused)
{
    static const uint64_t lengths[] = {9, PAWL_SAFETENSORS_HEADER_MAX + 1, UINT64_MAX,
                                       UINT64_MAX - 7};
    for (size_t i = 0; i < 4; i++) {
        char bytes[16] = {0};
        struct pawl_safetensors file;
        memcpy(bytes, &lengths[i], 8);
        err = (struct pawl_err){0};
        ck_assert_int_lt(pawl_safetensors_open(&file, bytes, 16, 16, "m.st", &err), 0);
        ck_assert_ptr_nonnull(strstr(err.text, "a header of"));
    }
    struct pawl_safetensors file;
    ck_assert_int_eq(pawl_safetensors_open(&file, "1234567", 7, 7, "m.st", NULL), -EINVAL);
    ck_assert_int_eq(pawl_safetensors_open(&file, "", 0, 0, "m.st", NULL), -EINVAL);
}
END_TEST

START_TEST(what_the_reader_would_refuse_is_not_written)
{
    static const float f32[2];
    struct pawl_tensor tensors[2] = {
        {.name = "a", .dtype = PAWL_F32, .rank = 1, .shape = {2}, .data = f32},
        {.name = "a", .dtype = PAWL_F32, .rank = 1, .shape = {2}, .data = f32},
    };
    struct pawl_safetensors_layout layout;
    ck_assert_int_lt(pawl_safetensors_layout_open(&layout, tensors, 2, NULL, 0, NULL), 0);
    static const char *const names[] = {"", "__metadata__", "\xff"};
    for (size_t i = 0; i < 3; i++) {
        strcpy(tensors[1].name, names[i]);
        ck_assert_int_eq(pawl_safetensors_layout_open(&layout, tensors, 2, NULL, 0, NULL),
                         -EINVAL);
    }
    strcpy(tensors[1].name, "b");
    tensors[1].data = NULL;
    ck_assert_int_eq(pawl_safetensors_layout_open(&layout, tensors, 2, NULL, 0, NULL), -EINVAL);
    tensors[1].data = f32;
    tensors[1].dtype = 0;
    ck_assert_int_eq(pawl_safetensors_layout_open(&layout, tensors, 2, NULL, 0, NULL), -EINVAL);
    ck_assert_ptr_null(layout.header);
    pawl_safetensors_layout_close(&layout);
}
END_TEST

PAWL_TEST_MAIN("safetensors", what_is_written_is_read, a_file_of_the_reference_is_read,
               the_header_alone_tells_what_is_in_the_file,
               what_is_not_strictly_a_file_is_refused_with_the_rule,
               a_length_beyond_the_file_or_the_limit_is_refused,
               what_the_reader_would_refuse_is_not_written)
