/* print.h: text laid out for people: filled lines for a terminal, roff for a man page.
 *
 *     int column = fprintf(out, "  --json");
 *     pawl_print_wrapped(out, "Print JSON.", column, 34, "");
 *
 * Thread safety: that of the stream.
 */
#ifndef PAWL_RUNTIME_PRINT_H
#define PAWL_RUNTIME_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#define PAWL_PRINT_COLUMNS 80

/* Lines that are filled with words; one that does not fit begins the next line. */
struct pawl_print_lines {
    FILE *out;
    int column;         /* how wide the line is already */
    int indent;         /* where words begin: the first one too, if the line is shorter */
    const char *prefix; /* at the very beginning of each further line; NULL: nothing */
    bool has_word;      /* a blank goes before the next word */
};

void pawl_print_word(struct pawl_print_lines *lines, const char *word, int length);

/* All words of the text. A newline in it begins a line. */
void pawl_print_words(struct pawl_print_lines *lines, const char *text);

/* The words of the text behind what made the line `column` wide, and a newline. */
void pawl_print_wrapped(FILE *out, const char *text, int column, int indent,
                        const char *prefix);

/* Text that roff takes literally: no escape, no request at the start of a line, dashes that can
 * be copied into a shell; a line for about as many words as fit. Ends without a newline. */
void pawl_print_roff(FILE *out, const char *text);

#endif
