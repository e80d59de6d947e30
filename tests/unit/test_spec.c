#include "runtime/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/text.h"
#include "support/test.h"

static struct pawl_spec spec, other;
static struct pawl_err err;
static char text[PAWL_SPEC_TEXT_BYTES];

static int add(struct pawl_spec *to, const char *name, enum pawl_dtype dtype, uint32_t rank,
               uint32_t a, uint32_t b)
{
    err = (struct pawl_err){0};
    return pawl_spec_add(to, name, dtype, rank, (uint32_t[]){a, b, 1, 1}, &err);
}

static void add_all(struct pawl_spec *to)
{
    ck_assert_int_eq(add(to, "obs.state", PAWL_F32, 1, 18, 0), 0);
    ck_assert_int_eq(add(to, "obs.images.front", PAWL_U8, 2, 5, 3), 0);
    ck_assert_int_eq(add(to, "action", PAWL_F32, 1, 4, 0), 0);
    ck_assert_int_eq(add(to, "terminated", PAWL_BOOL, 0, 0, 0), 0);
    ck_assert_int_eq(add(to, "extra.logprob", PAWL_F64, 0, 0, 0), 0);
    ck_assert_int_eq(add(to, "extra.flag-2", PAWL_BOOL, 0, 0, 0), 0);
}

static const char canonical[] = "obs.state float32[18] @0\n"
                                "obs.images.front uint8[5,3] @72\n"
                                "action float32[4] @88\n"
                                "terminated bool @104\n"
                                "extra.logprob float64 @112\n"
                                "extra.flag-2 bool @120\n";

START_TEST(fields_are_laid_out_in_order_each_aligned_to_its_type)
{
    static const uint64_t offsets[] = {0, 72, 88, 104, 112, 120};
    static const uint64_t sizes[] = {72, 15, 16, 1, 8, 1};
    add_all(&spec);
    ck_assert_uint_eq(spec.field_count, 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(spec.fields[i].offset_bytes, offsets[i]);
        ck_assert_uint_eq(spec.fields[i].size_bytes, sizes[i]);
    }
    ck_assert_uint_eq(spec.record_bytes, 128);
}
END_TEST

START_TEST(a_small_field_follows_without_a_gap)
{
    /* The record is rounded up to 8 after each field, but the next field does not begin there.
     */
    add(&spec, "a", PAWL_BOOL, 0, 0, 0);
    ck_assert_uint_eq(spec.record_bytes, 8);
    add(&spec, "b", PAWL_BOOL, 0, 0, 0);
    ck_assert_uint_eq(spec.fields[1].offset_bytes, 1);
    ck_assert_uint_eq(spec.record_bytes, 8);
}
END_TEST

START_TEST(the_canonical_text_has_one_line_per_field)
{
    add_all(&spec);
    ck_assert_uint_eq(pawl_spec_text(&spec, text), strlen(canonical));
    ck_assert_str_eq(text, canonical);
}
END_TEST

START_TEST(the_hash_is_the_sha256_of_the_text)
{
    uint8_t hash[PAWL_SHA256_BYTES];
    char hex[PAWL_SHA256_HEX_BYTES];
    add_all(&spec);
    pawl_spec_hash(&spec, hash);
    pawl_text_hex(hash, PAWL_SHA256_BYTES, hex);
    ck_assert_str_eq(hex, "afda11de9353f059213454ed522c2cfa4133c254bd1a8692e72d45cbf351d769");
}
END_TEST

START_TEST(the_text_parses_back_to_the_same_spec)
{
    add_all(&spec);
    ck_assert_int_eq(pawl_spec_parse(&other, canonical, strlen(canonical), &err), 0);
    ck_assert_mem_eq(&spec, &other, sizeof(spec));
    ck_assert_int_eq(pawl_spec_parse(&other, NULL, 0, &err), 0);
    ck_assert_uint_eq(other.field_count, 0);
}
END_TEST

START_TEST(the_largest_spec_fits_its_buffers)
{
    char name[PAWL_SPEC_NAME_BYTES];
    for (int i = 0; i < PAWL_SPEC_FIELDS_MAX; i++) {
        memset(name, 'n', sizeof(name));
        snprintf(name + 61, 3, "%02d", i);
        ck_assert_int_eq(
            pawl_spec_add(&spec, name, PAWL_BF16, 4,
                          i ? (uint32_t[]){1, 1, 1, 1} : (uint32_t[]){1000000, 100, 5, 1},
                          &err),
            0);
    }
    size_t length = pawl_spec_text(&spec, text);
    ck_assert_int_eq(pawl_spec_parse(&other, text, length, &err), 0);
    ck_assert_mem_eq(&spec, &other, sizeof(spec));
    ck_assert_int_eq(add(&spec, "one_more", PAWL_U8, 0, 0, 0), -E2BIG);
    ck_assert_str_eq(err.text, "field 'one_more': a record has at most 64 fields");
}
END_TEST

START_TEST(every_dtype_has_a_name_and_a_size_that_parse_back)
{
    static const char *const names[] = {"bool",     "uint8",   "int8",   "uint16", "int16",
                                        "uint32",   "int32",   "uint64", "int64",  "float16",
                                        "bfloat16", "float32", "float64"};
    static const size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum pawl_dtype dtype = (enum pawl_dtype)(i + 1);
        ck_assert_str_eq(pawl_dtype_name(dtype), names[i]);
        ck_assert_uint_eq(pawl_dtype_bytes(dtype), sizes[i]);
        int length = snprintf(text, sizeof(text), "x %s @0\n", names[i]);
        ck_assert_int_eq(pawl_spec_parse(&spec, text, (size_t)length, &err), 0);
        ck_assert_int_eq(spec.fields[0].dtype, dtype);
    }
    ck_assert_ptr_null(pawl_dtype_name((enum pawl_dtype)0));
    ck_assert_ptr_null(pawl_dtype_name((enum pawl_dtype)14));
    ck_assert_uint_eq(pawl_dtype_bytes((enum pawl_dtype)255), 0);
}
END_TEST

START_TEST(a_field_is_found_by_its_name)
{
    add_all(&spec);
    ck_assert_ptr_eq(pawl_spec_find(&spec, "action"), &spec.fields[2]);
    ck_assert_ptr_null(pawl_spec_find(&spec, "act"));
}
END_TEST

START_TEST(a_name_that_breaks_the_rule_is_refused)
{
    static const char *const names[] = {"",   ".a",  "a.",   "a..b",     "9a",     "_a",
                                        "-a", "a b", "a\nb", "\xc3\xa4", "a\x1b[", "a@"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_int_eq(add(&spec, names[i], PAWL_F32, 0, 0, 0), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "a name is words of letters, digits, _ and -"));
        for (const char *c = err.text; *c; c++)
            ck_assert(*c >= ' ' && *c <= '~');
    }
    ck_assert_uint_eq(spec.field_count, 0);
    ck_assert_int_eq(add(&spec, "a.9", PAWL_F32, 0, 0, 0), 0);
    ck_assert_int_eq(add(&spec, "A_b-c.D", PAWL_F32, 0, 0, 0), 0);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
    char name[PAWL_SPEC_NAME_BYTES + 1] = {0};
    memset(name, 'n', PAWL_SPEC_NAME_BYTES);
    ck_assert_int_eq(add(&spec, name, PAWL_F32, 0, 0, 0), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "a name has at most 63 characters"));
    name[PAWL_SPEC_NAME_BYTES - 1] = '\0';
    ck_assert_int_eq(add(&spec, name, PAWL_F32, 0, 0, 0), 0);
}
END_TEST

START_TEST(a_field_that_breaks_another_rule_is_refused)
{
    add(&spec, "a", PAWL_F32, 0, 0, 0);
    ck_assert_int_eq(add(&spec, "a", PAWL_U8, 0, 0, 0), -EINVAL);
    ck_assert_str_eq(err.text, "field 'a': there is one of this name already");
    ck_assert_int_eq(add(&spec, "b", (enum pawl_dtype)99, 0, 0, 0), -EINVAL);
    ck_assert_str_eq(err.text, "field 'b': dtype 99 does not exist");
    ck_assert_int_eq(add(&spec, "b", PAWL_U8, 5, 1, 1), -EINVAL);
    ck_assert_str_eq(err.text, "field 'b': rank 5, a shape has at most 4 extents");
    ck_assert_int_eq(add(&spec, "b", PAWL_U8, 2, 3, 0), -EINVAL);
    ck_assert_str_eq(err.text, "field 'b': extent 1 is 0, it must be at least 1");
    ck_assert_uint_eq(spec.field_count, 1);
    ck_assert_uint_eq(spec.record_bytes, 8);
}
END_TEST

START_TEST(sizes_do_not_overflow)
{
    uint32_t huge[] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    ck_assert_int_eq(pawl_spec_add(&spec, "a", PAWL_F64, 4, huge, &err), -E2BIG);
    ck_assert_str_eq(err.text, "field 'a': larger than a record may be (1073741824 bytes)");
    /* 2^29 * 8 = 2^32 wraps in 32 bits */
    ck_assert_int_eq(add(&spec, "a", PAWL_F64, 1, 1u << 29, 0), -E2BIG);
    ck_assert_int_eq(add(&spec, "a", PAWL_U8, 1, 1u << 30, 0), 0);
    ck_assert_uint_eq(spec.record_bytes, 1u << 30);
    ck_assert_int_eq(add(&spec, "b", PAWL_U8, 0, 0, 0), -E2BIG);
    ck_assert_str_eq(
        err.text, "field 'b': the record would be 1073741825 bytes long, more than 1073741824");
}
END_TEST

START_TEST(a_text_that_is_not_canonical_is_refused_with_its_line)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"a int8 @0", "line 1: the last line has no newline"},
        {"\n", "line 1: not of the form NAME DTYPE[SHAPE] @OFFSET"},
        {"a int8 @0\n\n", "line 2: not of the form NAME DTYPE[SHAPE] @OFFSET"},
        {"a\n", "line 1: not of the form NAME DTYPE[SHAPE] @OFFSET"},
        {" int8 @0\n", "line 1: field '': a name is words"},
        {"a int9 @0\n", "line 1: the second word is not a dtype"},
        {"a int8xxxxxxxxxxxxxxxxxxxxxx @0\n", "line 1: the second word is not a dtype"},
        {"a  int8 @0\n", "line 1: the second word is not a dtype"},
        {"a int8  @0\n", "line 1: not of the form"},
        {"a int8 0\n", "line 1: not of the form"},
        {"a int8\n", "line 1: not of the form"},
        {"a int8 @\n", "line 1: the offset is not a number"},
        {"a int8 @0 \n", "line 1: the offset is not a number"},
        {"a int8 @0\r\n", "line 1: the offset is not a number"},
        {"a int8 @-1\n", "line 1: the offset is not a number"},
        {"a int8 @4294967296\n", "line 1: the offset is not a number"},
        {"a int8 @18446744073709551616\n", "line 1: the offset is not a number"},
        {"a int8 @1\n", "line 1: field 'a': at byte 1, but the layout puts it at 0"},
        {"a int8 @0\nb int32 @1\n",
         "line 2: field 'b': at byte 1, but the layout puts it at 4"},
        {"a int8 @00\n", "line 1: field 'a': a number with leading zeros"},
        {"a int8[01] @0\n", "line 1: field 'a': a number with leading zeros"},
        {"a int8[] @0\n", "line 1: extent 0 is not a number"},
        {"a int8[1,] @0\n", "line 1: extent 1 is not a number"},
        {"a int8[1 @0\n", "line 1: a shape ends in ']'"},
        {"a int8[1][2] @0\n", "line 1: not of the form"},
        {"a int8[4294967296] @0\n", "line 1: extent 0 is not a number below 2^32"},
        {"a int8[0] @0\n", "line 1: field 'a': extent 0 is 0"},
        {"a int8[1,1,1,1,1] @0\n", "line 1: a shape has at most 4 extents"},
        {"a int8[4294967295] @0\n", "line 1: field 'a': larger than a record may be"},
        {"a int8 @0\na int8 @1\n", "line 2: field 'a': there is one of this name"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        err = (struct pawl_err){0};
        ck_assert_int_lt(pawl_spec_parse(&spec, rows[i].text, strlen(rows[i].text), &err), 0);
        ck_assert_msg(strstr(err.text, rows[i].error), "%s: %s", rows[i].text, err.text);
        ck_assert_ptr_eq(strstr(err.text, "spec text, "), err.text);
        ck_assert_uint_eq(spec.field_count, 0);
        ck_assert_uint_eq(spec.record_bytes, 0);
    }
}
END_TEST

START_TEST(a_text_with_a_zero_or_an_endless_line_is_refused)
{
    ck_assert_int_eq(pawl_spec_parse(&spec, "a int8\0 @0\n", 11, &err), -EINVAL);
    ck_assert_str_eq(err.text, "spec text, line 1: has a zero byte");
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\n';
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_spec_parse(&spec, text, sizeof(text), &err), -EINVAL);
    ck_assert_str_eq(err.text, "spec text, line 1: longer than a line can be (130 bytes)");
}
END_TEST

static const char *difference(void)
{
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_spec_match(&spec, &other, &err), -EINVAL);
    return err.text;
}

START_TEST(specs_with_the_same_fields_match)
{
    ck_assert_int_eq(pawl_spec_match(&spec, &other, &err), 0);
    add_all(&spec);
    add_all(&other);
    ck_assert_int_eq(pawl_spec_match(&spec, &other, &err), 0);
    ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(the_difference_names_the_first_field_and_both_sides)
{
    add(&spec, "reward", PAWL_F32, 0, 0, 0);
    add(&other, "reward", PAWL_F32, 0, 0, 0);
    add(&spec, "obs.state", PAWL_F32, 1, 18, 0);
    add(&other, "obs.state", PAWL_F32, 1, 17, 0);
    add(&spec, "action", PAWL_F32, 1, 4, 0);
    add(&other, "action", PAWL_F32, 1, 3, 0);
    ck_assert_str_eq(difference(), "field 'obs.state': float32[18] here, float32[17] there");
}
END_TEST

START_TEST(another_dtype_or_rank_is_a_difference)
{
    add(&spec, "a", PAWL_F32, 0, 0, 0);
    add(&other, "a", PAWL_I32, 0, 0, 0);
    ck_assert_str_eq(difference(), "field 'a': float32 here, int32 there");
    other.field_count = 0;
    add(&other, "a", PAWL_F32, 2, 1, 3);
    ck_assert_str_eq(difference(), "field 'a': float32 here, float32[1,3] there");
}
END_TEST

START_TEST(a_field_of_one_side_only_is_a_difference)
{
    add(&spec, "a", PAWL_F32, 0, 0, 0);
    ck_assert_str_eq(difference(), "field 'a': float32 here, missing there");
    add(&other, "a", PAWL_F32, 0, 0, 0);
    add(&other, "b", PAWL_U8, 1, 2, 0);
    ck_assert_str_eq(difference(), "field 'b': missing here, uint8[2] there");
    add(&spec, "c", PAWL_U8, 0, 0, 0);
    add(&spec, "b", PAWL_U8, 1, 2, 0);
    ck_assert_str_eq(difference(), "field 'c': uint8 here, missing there");
    add(&other, "c", PAWL_U8, 0, 0, 0);
    add(&other, "d", PAWL_U8, 0, 0, 0);
    ck_assert_str_eq(difference(), "field 'c': field number 2 here, number 3 there");
}
END_TEST

PAWL_TEST_MAIN("spec", fields_are_laid_out_in_order_each_aligned_to_its_type,
               a_small_field_follows_without_a_gap, the_canonical_text_has_one_line_per_field,
               the_hash_is_the_sha256_of_the_text, the_text_parses_back_to_the_same_spec,
               the_largest_spec_fits_its_buffers,
               every_dtype_has_a_name_and_a_size_that_parse_back, a_field_is_found_by_its_name,
               a_name_that_breaks_the_rule_is_refused, a_name_that_is_too_long_is_refused,
               a_field_that_breaks_another_rule_is_refused, sizes_do_not_overflow,
               a_text_that_is_not_canonical_is_refused_with_its_line,
               a_text_with_a_zero_or_an_endless_line_is_refused,
               specs_with_the_same_fields_match,
               the_difference_names_the_first_field_and_both_sides,
               another_dtype_or_rank_is_a_difference, a_field_of_one_side_only_is_a_difference)
