#include "shm/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"

static struct pawl_manifest manifest;
static struct pawl_err err;

static void add(const char *name, enum pawl_dtype dtype, uint32_t rank, const uint64_t *shape)
{
    ck_assert_msg(pawl_manifest_add(&manifest, name, dtype, rank, shape, &err) == 0, "%s",
                  err.text);
}

static void refuse(const char *text, const char *rule)
{
    struct pawl_manifest parsed;
    struct pawl_err why = {0};
    ck_assert_int_lt(pawl_manifest_parse(&parsed, text, strlen(text), &why), 0);
    ck_assert_msg(strstr(why.text, rule) != NULL, "\"%s\" for \"%s\"", why.text, text);
    ck_assert_ptr_null(parsed.tensors);
    ck_assert_uint_eq(parsed.tensor_count, 0);
}

START_TEST(each_tensor_starts_at_the_next_multiple_of_64)
{
    add("a.weight", PAWL_F32, 2, (uint64_t[]){3, 5});
    add("a.bias", PAWL_F32, 1, (uint64_t[]){3});
    add("step", PAWL_I64, 0, NULL);
    ck_assert_uint_eq(pawl_manifest_find(&manifest, "a.weight")->offset_bytes, 0);
    ck_assert_uint_eq(pawl_manifest_find(&manifest, "a.weight")->size_bytes, 60);
    ck_assert_uint_eq(pawl_manifest_find(&manifest, "a.bias")->offset_bytes, 64);
    ck_assert_uint_eq(pawl_manifest_find(&manifest, "step")->offset_bytes, 128);
    ck_assert_uint_eq(manifest.blob_bytes, 136);
    ck_assert_ptr_null(pawl_manifest_find(&manifest, "a"));
}
END_TEST

START_TEST(the_text_says_all_and_comes_back)
{
    char text[512];
    add("actor.net.0.weight", PAWL_F32, 2, (uint64_t[]){256, 18});
    add("log_std", PAWL_BF16, 1, (uint64_t[]){6});
    add("temperature", PAWL_F64, 0, NULL);
    size_t length = pawl_manifest_text(&manifest, text, sizeof(text) - 1);
    text[length] = '\0';
    ck_assert_str_eq(text, "actor.net.0.weight float32[256,18] @0\n"
                           "log_std bfloat16[6] @18432\n"
                           "temperature float64 @18496\n");
    struct pawl_manifest parsed;
    ck_assert_int_eq(pawl_manifest_parse(&parsed, text, length, &err), 0);
    ck_assert_uint_eq(parsed.tensor_count, 3);
    ck_assert_uint_eq(parsed.blob_bytes, manifest.blob_bytes);
    ck_assert_mem_eq(parsed.tensors, manifest.tensors, 3 * sizeof(*parsed.tensors));
    pawl_manifest_close(&parsed);
}
END_TEST

START_TEST(text_that_has_no_room_is_measured)
{
    add("a", PAWL_U8, 0, NULL);
    char text[4] = "xyz";
    ck_assert_uint_eq(pawl_manifest_text(&manifest, text, 3), strlen("a uint8 @0\n"));
    ck_assert_str_eq(text, "xyz");
}
END_TEST

START_TEST(what_this_program_would_not_write_is_refused)
{
    refuse("", "no tensors");
    refuse("a uint8 @0", "line 1");
    refuse("a uint8 @0\n\n", "line 2");
    refuse("a uint8 @1\n", "line 1");
    refuse("a uint8 @00\n", "line 1");
    refuse("a  uint8 @0\n", "line 1");
    refuse("a uint8[] @0\n", "line 1");
    refuse("a uint8[1,] @0\n", "line 1");
    refuse("a uint8[01] @0\n", "line 1");
    refuse("a uint8[1 @0\n", "line 1");
    refuse("a uint8 @0\nb uint8 @1\n", "line 2");
    refuse("a float33 @0\n", "dtype");
    refuse("a uint8[0] @0\n", "at least 1");
    refuse("a uint8 @0\na uint8 @64\n", "twice");
    refuse("a\tb uint8 @0\n", "byte 0x09");
    refuse("a uint8[1,1,1,1,1,1,1,1,1] @0\n", "line 1");
    refuse("a float64[9999999999999] @0\n", "more than");
    refuse("a uint8[1048576,1048576,2] @0\n", "more than");
}
END_TEST

START_TEST(a_name_that_breaks_the_rule_is_refused)
{
    char name[PAWL_MANIFEST_NAME_BYTES + 1];
    memset(name, 'n', sizeof(name));
    name[PAWL_MANIFEST_NAME_BYTES] = '\0';
    ck_assert_int_eq(pawl_manifest_add(&manifest, name, PAWL_F32, 0, NULL, &err), -EINVAL);
    name[PAWL_MANIFEST_NAME_BYTES - 1] = '\0';
    add(name, PAWL_F32, 0, NULL);
    ck_assert_int_eq(pawl_manifest_add(&manifest, "", PAWL_F32, 0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(pawl_manifest_add(&manifest, "a b", PAWL_F32, 0, NULL, NULL), -EINVAL);
    ck_assert_uint_eq(manifest.tensor_count, 1);
}
END_TEST

START_TEST(a_manifest_has_a_limit_on_tensors_and_bytes)
{
    char name[16];
    for (unsigned i = 0; i < 400; i++) {
        snprintf(name, sizeof(name), "t%u", i);
        add(name, PAWL_F32, 1, (uint64_t[]){16});
    }
    ck_assert_uint_eq(manifest.blob_bytes, 400 * 64);
    uint64_t most = PAWL_MANIFEST_BLOB_BYTES_MAX;
    ck_assert_int_eq(pawl_manifest_add(&manifest, "big", PAWL_U8, 1, &most, &err), -E2BIG);
    ck_assert_uint_eq(manifest.tensor_count, 400);
    pawl_manifest_close(&manifest);
    ck_assert_int_eq(pawl_manifest_add(&manifest, "big", PAWL_U8, 1, &most, NULL), 0);
}
END_TEST

PAWL_TEST_MAIN("manifest", each_tensor_starts_at_the_next_multiple_of_64,
               the_text_says_all_and_comes_back, text_that_has_no_room_is_measured,
               what_this_program_would_not_write_is_refused,
               a_name_that_breaks_the_rule_is_refused,
               a_manifest_has_a_limit_on_tensors_and_bytes)
