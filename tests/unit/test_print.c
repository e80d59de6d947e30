#include "runtime/print.h"

#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static void assert_wrapped(const char *begin, const char *text, int indent, const char *prefix,
                           const char *expected)
{
    char *found = NULL;
    size_t bytes;
    FILE *out = open_memstream(&found, &bytes);
    int column = fprintf(out, "%s", begin);
    pawl_print_wrapped(out, text, column, indent, prefix);
    fclose(out);
    ck_assert_str_eq(found, expected);
    free(found);
}

static void assert_roff(const char *text, const char *expected)
{
    char *found = NULL;
    size_t bytes;
    FILE *out = open_memstream(&found, &bytes);
    pawl_print_roff(out, text);
    fclose(out);
    ck_assert_str_eq(found, expected);
    free(found);
}

START_TEST(words_are_wrapped_at_the_edge_and_not_before)
{
    char *text = NULL;
    size_t bytes;
    char words[128];
    memset(words, 'a', 40);
    words[40] = ' ';
    memset(words + 41, 'b', 39);
    strcpy(words + 80, " c\nd");
    FILE *out = open_memstream(&text, &bytes);
    pawl_print_wrapped(out, words, 0, 0, "");
    fclose(out);
    words[80] = '\n';
    ck_assert_uint_eq(strlen(text), strlen(words) + 1);
    ck_assert_int_eq(strncmp(text, words, strlen(words)), 0);
    free(text);
}
END_TEST

#define SIXTY "123456789 123456789 123456789 123456789 123456789 123456789 "

START_TEST(words_begin_at_the_indent_or_a_blank_behind_what_is_there)
{
    assert_wrapped("", "one two", 0, "", "one two\n");
    assert_wrapped("a:", "one", 6, "", "a:    one\n");
    assert_wrapped("abcd", "one", 4, "", "abcd one\n");
    assert_wrapped("abcdef", "one", 4, "", "abcdef one\n");
    assert_wrapped("", "", 4, "", "\n");
}
END_TEST

START_TEST(further_lines_begin_with_the_prefix_and_the_indent)
{
    assert_wrapped("x", SIXTY "abcdefghijklmnopqr next", 2, "",
                   "x " SIXTY "abcdefghijklmnopqr\n  next\n");
    assert_wrapped("#", "one\ntwo", 2, "#", "# one\n# two\n");
}
END_TEST

START_TEST(roff_reads_the_text_literally)
{
    assert_roff("a-b \\n", "a\\-b \\en");
    assert_roff(".TH 'x'", "\\&.TH 'x'");
    assert_roff("one\n.two\n'three", "one\n\\&.two\n\\&'three");
    assert_roff(SIXTY "123456789 1234 .begins", SIXTY "123456789 1234\n\\&.begins");
}
END_TEST

PAWL_TEST_MAIN("print", words_are_wrapped_at_the_edge_and_not_before,
               words_begin_at_the_indent_or_a_blank_behind_what_is_there,
               further_lines_begin_with_the_prefix_and_the_indent,
               roff_reads_the_text_literally)
