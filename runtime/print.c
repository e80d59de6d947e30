#include "runtime/print.h"

#include <string.h>

#define ROFF_COLUMNS 72

static void end_line(struct pawl_print_lines *lines)
{
    fprintf(lines->out, "\n%s", lines->prefix ? lines->prefix : "");
    lines->column = lines->prefix ? (int)strlen(lines->prefix) : 0;
    lines->has_word = false;
}

void pawl_print_word(struct pawl_print_lines *lines, const char *word, int length)
{
    int blanks = lines->column < lines->indent ? lines->indent - lines->column
                                               : (lines->has_word ? 1 : 0);
    if (lines->has_word && lines->column + blanks + length > PAWL_PRINT_COLUMNS) {
        end_line(lines);
        blanks = lines->column < lines->indent ? lines->indent - lines->column : 0;
    }
    fprintf(lines->out, "%*s%.*s", blanks, "", length, word);
    lines->column += blanks + length;
    lines->has_word = true;
}

void pawl_print_words(struct pawl_print_lines *lines, const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, " \n");
        if (length)
            pawl_print_word(lines, text, length);
        text += length;
        for (; *text == ' ' || *text == '\n'; text++)
            if (*text == '\n')
                end_line(lines);
    }
}

void pawl_print_wrapped(FILE *out, const char *text, int column, int indent, const char *prefix)
{
    struct pawl_print_lines lines = {.out = out,
                                     .column = column,
                                     .indent = indent,
                                     .prefix = prefix,
                                     .has_word = column > (int)strlen(prefix)};
    pawl_print_words(&lines, text);
    fputc('\n', out);
}

void pawl_print_roff(FILE *out, const char *text)
{
    int column = 0;

    for (; *text; text++) {
        if (column == 0 && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        bool is_break = *text == '\n' || (*text == ' ' && column > ROFF_COLUMNS);
        if (is_break)
            fputc('\n', out);
        else if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        column = is_break ? 0 : column + 1;
    }
}
