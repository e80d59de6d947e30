#include "runtime/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

static const struct pawl_json_limits limits = {.bytes_max = 4096, .depth_max = 8};

static struct pawl_json_writer out;
static struct pawl_json doc;
static struct pawl_err err;

static const char *finished(void)
{
    err = (struct pawl_err){0};
    const char *text = pawl_json_finish(&out, NULL, &err);
    ck_assert_msg(text != NULL, "%s", err.text);
    return text;
}

static void begin_array(void)
{
    pawl_json_open_growing(&out, 4096);
    pawl_json_begin_array(&out, NULL);
}

static struct pawl_json_at opened(const char *text)
{
    err = (struct pawl_err){0};
    ck_assert_msg(pawl_json_open_text(&doc, text, strlen(text), "t.json", &limits, &err) == 0,
                  "%s", err.text);
    return pawl_json_root(&doc);
}

static void assert_refused(const char *text, int code, const char *message)
{
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_json_open_text(&doc, text, strlen(text), "t.json", &limits, &err),
                     -code);
    ck_assert_str_eq(err.text, message);
    ck_assert_ptr_null(doc.root);
}

START_TEST(a_text_is_written_member_by_member)
{
    pawl_json_open_growing(&out, 4096);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_i64(&out, "step", INT64_MIN);
    pawl_json_put_u64(&out, "env_step", UINT64_MAX);
    pawl_json_put_bool(&out, "done", true);
    pawl_json_begin_array(&out, "hz");
    pawl_json_put_f64(&out, NULL, 9.5);
    pawl_json_put_null(&out, NULL);
    pawl_json_put_bool(&out, NULL, false);
    pawl_json_end(&out);
    pawl_json_begin_object(&out, "empty");
    pawl_json_end(&out);
    pawl_json_put_string(&out, "name", "a");
    pawl_json_put_string(&out, "none", NULL);
    pawl_json_end(&out);
    ck_assert_str_eq(finished(),
                     "{\"step\":-9223372036854775808,\"env_step\":18446744073709551615,"
                     "\"done\":true,\"hz\":[9.5,null,false],\"empty\":{},\"name\":\"a\","
                     "\"none\":null}");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(an_indented_text_has_a_line_per_value)
{
    begin_array();
    out.indent_count = 2;
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_i64(&out, "a", 1);
    pawl_json_end(&out);
    pawl_json_begin_array(&out, NULL);
    pawl_json_end(&out);
    pawl_json_end(&out);
    ck_assert_str_eq(finished(), "[\n  {\n    \"a\": 1\n  },\n  []\n]");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(strings_are_escaped)
{
    begin_array();
    pawl_json_put_string(&out, NULL, "\"\\/\b\f\n\r\t\x01\x1f\x7f");
    pawl_json_put_string(&out, NULL, "\xc3\xa9\xe2\x82\xac\xf0\x9f\xa4\x96");
    pawl_json_end(&out);
    ck_assert_str_eq(finished(), "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\","
                                 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\xa4\x96\"]");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced_one_by_one)
{
    /* a lone continuation, an overlong slash, a surrogate, beyond U+10FFFF, a cut sequence */
    begin_array();
    pawl_json_put_string(&out, NULL, "\x80|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82");
    pawl_json_end(&out);
    ck_assert_str_eq(finished(), "[\"\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
                                 "\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\"]");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(a_double_is_short_and_keeps_its_type)
{
    begin_array();
    pawl_json_put_f64(&out, NULL, 1.0);
    pawl_json_put_f64(&out, NULL, -1.5e-7);
    pawl_json_end(&out);
    ck_assert_str_eq(finished(), "[1.0,-1.5e-7]");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(nan_and_infinity_are_refused_or_null)
{
    begin_array();
    pawl_json_put_f64_or_null(&out, NULL, NAN);
    pawl_json_put_f64_or_null(&out, NULL, -INFINITY);
    pawl_json_put_f64_or_null(&out, NULL, 2.5);
    pawl_json_end(&out);
    ck_assert_str_eq(finished(), "[null,null,2.5]");

    pawl_json_reset(&out);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_f64(&out, "loss", NAN);
    pawl_json_put_f64(&out, "later", INFINITY);
    pawl_json_end(&out);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_int_eq(err.code, EDOM);
    ck_assert_str_eq(err.text, "JSON member \"loss\": NaN has no JSON");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(a_fixed_buffer_is_filled_to_its_last_byte_and_no_further)
{
    for (size_t capacity = 0; capacity < 16; capacity++) {
        char bytes[17];
        memset(bytes, '#', sizeof(bytes));
        pawl_json_open_fixed(&out, bytes, capacity);
        pawl_json_begin_array(&out, NULL);
        pawl_json_put_string(&out, NULL, "123456");
        pawl_json_end(&out);
        err = (struct pawl_err){0};
        const char *text = pawl_json_finish(&out, NULL, &err);
        if (capacity < 11) {
            ck_assert_ptr_null(text);
            ck_assert_int_eq(err.code, ENOBUFS);
        } else {
            ck_assert_str_eq(text, "[\"123456\"]");
        }
        ck_assert_int_eq(bytes[capacity], '#');
        pawl_json_close_writer(&out);
    }
}
END_TEST

START_TEST(a_growing_buffer_stops_at_its_limit)
{
    pawl_json_open_growing(&out, 1000);
    pawl_json_begin_array(&out, NULL);
    for (int i = 0; i < 400; i++)
        pawl_json_put_i64(&out, NULL, 7);
    pawl_json_end(&out);
    size_t length = 0;
    ck_assert_uint_eq(strlen(pawl_json_finish(&out, &length, &err)), 801);
    ck_assert_uint_eq(length, 801);

    pawl_json_reset(&out);
    pawl_json_begin_array(&out, NULL);
    for (int i = 0; i < 600; i++)
        pawl_json_put_i64(&out, NULL, 7);
    pawl_json_end(&out);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "the JSON text does not fit into 1000 bytes");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(a_text_that_would_not_be_json_is_refused)
{
    pawl_json_open_growing(&out, 4096);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_i64(&out, NULL, 1);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "a JSON member without a key");

    err = (struct pawl_err){0};
    pawl_json_reset(&out);
    pawl_json_begin_array(&out, NULL);
    pawl_json_put_i64(&out, "k", 1);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "JSON key \"k\" outside an object");

    err = (struct pawl_err){0};
    pawl_json_reset(&out);
    pawl_json_put_i64(&out, NULL, 1);
    pawl_json_put_i64(&out, NULL, 2);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "a second outermost JSON value");

    err = (struct pawl_err){0};
    pawl_json_reset(&out);
    pawl_json_begin_array(&out, NULL);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "the JSON text is not complete: 1 levels are open");

    err = (struct pawl_err){0};
    pawl_json_reset(&out);
    pawl_json_end(&out);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "a JSON level is ended that was not begun");

    err = (struct pawl_err){0};
    pawl_json_reset(&out);
    for (int i = 0; i < PAWL_JSON_DEPTH_MAX + 1; i++)
        pawl_json_begin_array(&out, NULL);
    ck_assert_ptr_null(pawl_json_finish(&out, NULL, &err));
    ck_assert_str_eq(err.text, "JSON deeper than 64 levels");
    pawl_json_close_writer(&out);
}
END_TEST

START_TEST(closing_a_zeroed_writer_or_document_does_nothing)
{
    out = (struct pawl_json_writer){0};
    pawl_json_close_writer(&out);
    doc = (struct pawl_json){0};
    pawl_json_close(&doc);
}
END_TEST

START_TEST(members_are_read_by_name_type_and_range)
{
    struct pawl_json_at root =
        opened("{\"n\": 7, \"x\": 0.5, \"whole\": 3, \"s\": \"t\", \"b\": true, \"z\": null,"
               " \"o\": {\"a\": [1, {\"deep\": -2}]}}");
    int64_t n = 0;
    double x = 0;
    const char *s = NULL;
    bool b = false;
    ck_assert_int_eq(pawl_json_get_i64(&root, "n", 0, 9, &n, &err), 0);
    ck_assert_int_eq(n, 7);
    ck_assert_int_eq(pawl_json_get_f64(&root, "x", 0, 1, &x, &err), 0);
    ck_assert(x == 0.5);
    ck_assert_int_eq(pawl_json_get_f64(&root, "whole", 0, 3, &x, &err), 0);
    ck_assert(x == 3.0);
    ck_assert_int_eq(pawl_json_get_string(&root, "s", &s, &err), 0);
    ck_assert_str_eq(s, "t");
    ck_assert_int_eq(pawl_json_get_bool(&root, "b", &b, &err), 0);
    ck_assert(b);
    ck_assert(pawl_json_has(&root, "z"));
    ck_assert(!pawl_json_has(&root, "zz"));
    ck_assert_uint_eq(pawl_json_count(&root), 7);

    struct pawl_json_at object, array;
    ck_assert_int_eq(pawl_json_get_object(&root, "o", &object, &err), 0);
    ck_assert_int_eq(pawl_json_get_array(&object, "a", &array, &err), 0);
    ck_assert_uint_eq(pawl_json_count(&array), 2);
    struct pawl_json_at item = pawl_json_item(&array, 0);
    ck_assert_int_eq(pawl_json_get_i64(&item, NULL, 0, 9, &n, &err), 0);
    ck_assert_int_eq(n, 1);
    item = pawl_json_item(&array, 1);
    ck_assert_int_eq(pawl_json_get_i64(&item, "deep", -2, 9, &n, &err), 0);
    ck_assert_int_eq(n, -2);
    pawl_json_close(&doc);
}
END_TEST

START_TEST(members_are_walked_in_the_order_of_the_text)
{
    struct pawl_json_at root =
        opened("{\"z\": 1, \"a\": \"s\", \"m\": [], \"b\": null, \"c\": 1.5,"
               " \"d\": false, \"e\": {}}");
    static const enum pawl_json_type types[] = {
        PAWL_JSON_INTEGER, PAWL_JSON_STRING, PAWL_JSON_ARRAY,  PAWL_JSON_NULL,
        PAWL_JSON_REAL,    PAWL_JSON_BOOL,   PAWL_JSON_OBJECT,
    };
    char keys[16] = "";
    size_t i = 0;
    struct pawl_json_at member = {0};
    while (pawl_json_next(&root, &member)) {
        strcat(keys, member.key);
        ck_assert_int_eq(pawl_json_type_of(&member), types[i++]);
    }
    ck_assert_str_eq(keys, "zambcde");
    pawl_json_close(&doc);
}
END_TEST

START_TEST(a_member_that_does_not_fit_is_named_with_its_path)
{
    struct pawl_json_at root =
        opened("{\"a\": {\"b\": [{\"lr\": 3, \"s\": \"x\\ny\\u009b\", \"r\": 2.5,"
               " \"o\": {}, \"t\": true, \"z\": null, \"l\": []}]}}");
    struct pawl_json_at a, b;
    ck_assert_int_eq(pawl_json_get_object(&root, "a", &a, &err), 0);
    ck_assert_int_eq(pawl_json_get_array(&a, "b", &b, &err), 0);
    struct pawl_json_at item = pawl_json_item(&b, 0);
    double x;
    int64_t n;
    bool t;
    const char *s;
    struct pawl_json_at at;
#define ASSERT_SAYS(call, errno_code, message)                                                 \
    err = (struct pawl_err){0};                                                                \
    ck_assert_int_eq(call, -(errno_code));                                                     \
    ck_assert_str_eq(err.text, message)

    ASSERT_SAYS(pawl_json_get_f64(&item, "lr", 0, 1, &x, &err), EINVAL,
                "t.json: a.b[0].lr: a number within 0 .. 1 is wanted, got 3");
    ASSERT_SAYS(pawl_json_get_f64(&item, "lr", 1234567.5, 1e300, &x, &err), EINVAL,
                "t.json: a.b[0].lr: a number within 1234567.5 .. 1e300 is wanted, got 3");
    ASSERT_SAYS(pawl_json_get_f64(&item, "eps", 0, 1, &x, &err), ENOENT,
                "t.json: a.b[0].eps: missing; a number within 0 .. 1 is wanted");
    ASSERT_SAYS(
        pawl_json_get_i64(&item, "s", 0, 1, &n, &err), EINVAL,
        "t.json: a.b[0].s: an integer within 0 .. 1 is wanted, got the string \"x?y?\"");
    ASSERT_SAYS(pawl_json_get_i64(&item, "r", 0, 9, &n, &err), EINVAL,
                "t.json: a.b[0].r: an integer within 0 .. 9 is wanted, got 2.5");
    ASSERT_SAYS(pawl_json_get_bool(&item, "z", &t, &err), EINVAL,
                "t.json: a.b[0].z: true or false is wanted, got null");
    ASSERT_SAYS(pawl_json_get_string(&item, "t", &s, &err), EINVAL,
                "t.json: a.b[0].t: a string is wanted, got true");
    ASSERT_SAYS(pawl_json_get_array(&item, "o", &at, &err), EINVAL,
                "t.json: a.b[0].o: an array is wanted, got an object of 0 members");
    ASSERT_SAYS(pawl_json_get_object(&item, "l", &at, &err), EINVAL,
                "t.json: a.b[0].l: an object is wanted, got an array of 0");
    ASSERT_SAYS(pawl_json_get_string(&item, NULL, &s, &err), EINVAL,
                "t.json: a.b[0]: a string is wanted, got an object of 7 members");
    ASSERT_SAYS(pawl_json_get_array(&root, NULL, &at, &err), EINVAL,
                "t.json: the whole text: an array is wanted, got an object of 1 members");
    pawl_json_close(&doc);
}
END_TEST

START_TEST(a_long_path_keeps_its_end)
{
    char key[300];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    char text[400];
    snprintf(text, sizeof(text), "{\"%s\": {\"%s\": 1}}", "outer", "inner");
    struct pawl_json_at root = opened(text);
    struct pawl_json_at outer;
    ck_assert_int_eq(pawl_json_get_object(&root, "outer", &outer, &err), 0);
    int64_t n;
    ck_assert_int_eq(pawl_json_get_i64(&outer, key, 0, 1, &n, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "kkkk: missing"));
    ck_assert_uint_lt(strlen(err.text), 400);
    pawl_json_close(&doc);
}
END_TEST

START_TEST(what_json_leaves_open_is_refused)
{
    assert_refused("{\"a\": 1,\n \"a\": 2}", EINVAL,
                   "t.json:2:4: not valid JSON: duplicate object key near '\"a\"'");
    assert_refused("[1] [2]", EINVAL,
                   "t.json:1:5: not valid JSON: end of file expected near '['");
    assert_refused("[1,]", EINVAL, "t.json:1:4: not valid JSON: unexpected token near ']'");
    assert_refused("[\"a\\u0000b\"]", EINVAL,
                   "t.json:1:11: not valid JSON: \\u0000 is not allowed without JSON_ALLOW_NUL "
                   "near '\"a\\u0000b\"'");
    assert_refused("[\"\xff\"]", EINVAL,
                   "t.json:1:2: not valid JSON: unable to decode byte 0xff near '\"'");
    assert_refused("[1e999]", EINVAL,
                   "t.json:1:6: not valid JSON: real number overflow near '1e999'");
    assert_refused("[9223372036854775808]", EINVAL,
                   "t.json:1:20: not valid JSON: too big integer near '9223372036854775808'");
    assert_refused("[NaN]", EINVAL, "t.json:1:4: not valid JSON: invalid token near 'NaN'");
    assert_refused("7", EINVAL, "t.json:1:1: not valid JSON: '[' or '{' expected near '7'");
    assert_refused("", EINVAL,
                   "t.json:1:0: not valid JSON: '[' or '{' expected near end of file");
}
END_TEST

START_TEST(a_text_too_deep_or_too_long_is_refused_before_it_is_parsed)
{
    struct pawl_json_at root = opened("[[[[[[[[\"[[[[[[[[[[ \\\"[[[[\"]]]]]]]]");
    ck_assert_uint_eq(pawl_json_count(&root), 1);
    pawl_json_close(&doc);
    assert_refused("{\"a\":\n [[[[[[[[0]]]]]]]]}", EFBIG,
                   "t.json:2:9: nested deeper than 8 levels");

    char text[5000];
    memset(text, ' ', sizeof(text));
    ck_assert_int_eq(pawl_json_open_text(&doc, text, sizeof(text), "t.json", &limits, NULL),
                     -EFBIG);
}
END_TEST

PAWL_TEST_MAIN("json", a_text_is_written_member_by_member,
               an_indented_text_has_a_line_per_value, strings_are_escaped,
               bytes_that_are_not_utf8_are_replaced_one_by_one,
               a_double_is_short_and_keeps_its_type, nan_and_infinity_are_refused_or_null,
               a_fixed_buffer_is_filled_to_its_last_byte_and_no_further,
               a_growing_buffer_stops_at_its_limit, a_text_that_would_not_be_json_is_refused,
               closing_a_zeroed_writer_or_document_does_nothing,
               members_are_read_by_name_type_and_range,
               members_are_walked_in_the_order_of_the_text,
               a_member_that_does_not_fit_is_named_with_its_path, a_long_path_keeps_its_end,
               what_json_leaves_open_is_refused,
               a_text_too_deep_or_too_long_is_refused_before_it_is_parsed)
