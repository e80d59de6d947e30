#include "runtime/toml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static struct pawl_toml toml;
static struct pawl_toml_place place;
static struct pawl_err err;

static int open_text(const char *text)
{
    err = (struct pawl_err){0};
    return pawl_toml_open(&toml, text, strlen(text), &place, &err);
}

/* The child of a table by its key; 0 when there is none. */
static uint32_t child(uint32_t table_index, const char *key)
{
    uint32_t i = pawl_toml_first(&toml, table_index);
    while (i && strcmp(toml.nodes[i].key, key) != 0)
        i = pawl_toml_next(&toml, i);
    return i;
}

START_TEST(each_type_of_value_is_read)
{
    ck_assert_int_eq(open_text("a = -5\nb = 1.5\nc = \"x\\u0000y\"\nd = true\n"
                               "e = 2026-11-21\nf = [1, [2]]\ng = {h = inf}\n"),
                     0);
    ck_assert_uint_eq(toml.nodes[0].child_count, 7);
    ck_assert_int_eq(toml.nodes[child(0, "a")].i64, -5);
    ck_assert(toml.nodes[child(0, "b")].f64 == 1.5);
    ck_assert_uint_eq(toml.nodes[child(0, "c")].text_bytes, 3);
    ck_assert_int_eq(memcmp(toml.nodes[child(0, "c")].text, "x\0y", 4), 0);
    ck_assert(toml.nodes[child(0, "d")].is_true);
    ck_assert_int_eq(toml.nodes[child(0, "e")].type, PAWL_TOML_TIME);
    uint32_t list = child(0, "f");
    ck_assert_int_eq(toml.nodes[list].type, PAWL_TOML_LIST);
    uint32_t inner = pawl_toml_next(&toml, pawl_toml_first(&toml, list));
    ck_assert_int_eq(toml.nodes[inner].type, PAWL_TOML_LIST);
    ck_assert_uint_eq(pawl_toml_next(&toml, inner), 0);
    ck_assert(isinf(toml.nodes[child(child(0, "g"), "h")].f64));
    pawl_toml_close(&toml);
}
END_TEST

START_TEST(keys_and_values_have_their_places)
{
    ck_assert_int_eq(open_text("[run]\nseed = 77 # c\n  name = \"a\"\n"), 0);
    const struct pawl_toml_node *seed = &toml.nodes[child(child(0, "run"), "seed")];
    const struct pawl_toml_node *name = &toml.nodes[child(child(0, "run"), "name")];
    ck_assert_uint_eq(seed->key_at.line, 2);
    ck_assert_uint_eq(seed->key_at.column, 1);
    ck_assert_uint_eq(seed->key_at.end_column, 5);
    ck_assert_uint_eq(seed->value_at.column, 8);
    ck_assert_uint_eq(seed->value_at.end_column, 10);
    ck_assert_uint_eq(name->key_at.line, 3);
    ck_assert_uint_eq(name->key_at.column, 3);
    ck_assert_uint_eq(name->value_at.end_column, 13);
    pawl_toml_close(&toml);
}
END_TEST

START_TEST(an_empty_text_is_an_empty_table)
{
    ck_assert_int_eq(open_text(""), 0);
    ck_assert_uint_eq(toml.node_count, 1);
    ck_assert_uint_eq(pawl_toml_first(&toml, 0), 0);
    pawl_toml_close(&toml);
    pawl_toml_close(&toml);
}
END_TEST

START_TEST(an_error_has_a_place_and_leaves_nothing_open)
{
    ck_assert_int_eq(open_text("a = 1\nb = [1 2]\n"), -EINVAL);
    ck_assert_uint_eq(place.line, 2);
    ck_assert_uint_eq(place.column, 8);
    ck_assert_str_eq(err.text, "expected comma or closing ']', saw '2'");
    ck_assert_ptr_null(toml.owner);
}
END_TEST

START_TEST(a_key_given_twice_has_a_code_of_its_own)
{
    ck_assert_int_eq(open_text("a = 1\na = 2\n"), -EEXIST);
    ck_assert_uint_eq(place.line, 2);
    ck_assert_int_eq(open_text("[a]\n[a]\n"), -EEXIST);
}
END_TEST

START_TEST(depth_is_bounded_wherever_it_comes_from)
{
    char dots[200001], lists[2001], tables[200001];
    for (size_t i = 0; i + 1 < sizeof(dots); i += 2)
        memcpy(dots + i, "a.", 3);
    ck_assert_int_eq(open_text(dots), -E2BIG);
    ck_assert_str_eq(err.text, "a key of more than 16 parts");
    ck_assert_uint_eq(place.column, 33);

    tables[0] = '[';
    memcpy(tables + 1, dots, sizeof(dots) - 1);
    tables[sizeof(tables) - 1] = '\0';
    ck_assert_int_eq(open_text(tables), -E2BIG);

    memset(lists, '[', sizeof(lists) - 1);
    memcpy(lists, "a =", 3);
    lists[sizeof(lists) - 1] = '\0';
    ck_assert_int_eq(open_text(lists), -EINVAL);
}
END_TEST

START_TEST(dots_that_are_not_in_a_key_are_not_counted)
{
    char text[4096] = "# ";
    memset(text + 2, '.', 100);
    strcat(
        text,
        "\na = \"..................... \\\" .....\"\nb = '.................'\n"
        "c = \"\"\"...........\n....\"..........\\\"\"\"\"\nd = '''.........\n......''....'''\n"
        "e = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5,\n"
        " 1.6, 1.7, 1.8, 1.9]\n");
    ck_assert_msg(open_text(text) == 0, "%s", err.text);
    ck_assert_uint_eq(toml.nodes[0].child_count, 5);
    pawl_toml_close(&toml);
    ck_assert_int_eq(open_text("'a'.\"b.c\".'d' . e.f.g.h.i.j.k.l.m.n.o.p = 1"), 0);
    pawl_toml_close(&toml);
    ck_assert_int_eq(open_text("'a'.\"b\\\".c\".'d' . e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1"),
                     -E2BIG);
}
END_TEST

START_TEST(letters_beyond_ascii_belong_into_texts_and_comments)
{
    ck_assert_int_eq(open_text("\"k\xc3\xa9\" = '\xc3\xa9' # \xc3\xa9\n"), 0);
    pawl_toml_close(&toml);
    ck_assert_int_eq(open_text("a = \"\"\"x \\\n  \xc3\xa9\"\"\"\n"), 0);
    ck_assert_str_eq(toml.nodes[1].text, "x \xc3\xa9");
    pawl_toml_close(&toml);
    ck_assert_int_eq(open_text("k\xc3\xa9 = 1\n"), -EINVAL);
    ck_assert_int_eq(open_text("k = 1 \xd0\xb6\n"), -EINVAL);
    ck_assert_int_eq(open_text("k = \xe2\x82\xac\n"), -EINVAL);
    ck_assert_int_eq(open_text("\xf0\x9f\x98\x80\n"), -EINVAL);
}
END_TEST

START_TEST(what_the_reader_did_not_expect_is_an_error_with_a_place)
{
    ck_assert_int_eq(open_text("x = 1\na = [256,}\nb = 1\n"), -EINVAL);
    ck_assert_str_eq(err.text, "this does not belong here");
    ck_assert_uint_eq(place.line, 2);
    ck_assert_uint_eq(place.column, 10);
    ck_assert_int_eq(pawl_toml_open(&toml, "[\0\0b = 1\n", 9, &place, NULL), -EINVAL);
    ck_assert_uint_eq(place.column, 2);
}
END_TEST

START_TEST(a_text_beyond_the_limit_is_not_read)
{
    char *text = calloc(1, PAWL_TOML_TEXT_BYTES_MAX + 1);
    ck_assert_ptr_nonnull(text);
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_toml_open(&toml, text, PAWL_TOML_TEXT_BYTES_MAX + 1, &place, &err),
                     -E2BIG);
    free(text);
}
END_TEST

PAWL_TEST_MAIN("toml", each_type_of_value_is_read, keys_and_values_have_their_places,
               an_empty_text_is_an_empty_table, an_error_has_a_place_and_leaves_nothing_open,
               a_key_given_twice_has_a_code_of_its_own, depth_is_bounded_wherever_it_comes_from,
               dots_that_are_not_in_a_key_are_not_counted,
               letters_beyond_ascii_belong_into_texts_and_comments,
               what_the_reader_did_not_expect_is_an_error_with_a_place,
               a_text_beyond_the_limit_is_not_read)
