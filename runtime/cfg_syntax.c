/* cfg_syntax.c: from a file to TOML, with all its syntax errors and not just the first.
 *
 * The reader stops at the first error. Then the line (for a table header, all up to the next
 * header) is blanked and the file is read again, so that the other errors are found too. An
 * error right behind the last one is taken for its echo, as in a list that was never closed;
 * there the reading ends, and the values of the file are not looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"

#define SYNTAX_PROBLEM_MAX 8 /* of one file: each costs reading it once more */

struct failure {
    struct pawl_toml_place place;
    bool is_again;  /* a key or table that was there before */
    char text[256]; /* what the reader said */
};

struct attempt {
    struct failure failures[SYNTAX_PROBLEM_MAX];
    uint32_t failure_count;
    uint32_t blank_from, blank_to; /* lines, the last blanked; 0: none yet */
};

static char *line_at(char *text, size_t text_bytes, uint32_t line)
{
    char *at = text, *end = text + text_bytes;

    for (uint32_t i = 1; i < line; i++) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            return end;
        at = newline + 1;
    }
    return at;
}

static bool begins_header(const char *line, const char *end)
{
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    return line < end && *line == '[';
}

/* Blanks the line, of a header all lines up to the next one. */
static void blank(struct attempt *attempt, char *text, size_t text_bytes, uint32_t line)
{
    char *at = line_at(text, text_bytes, line), *end = text + text_bytes;
    bool is_header = begins_header(at, end);

    attempt->blank_from = attempt->blank_to = line;
    for (; at < end; at++) {
        if (*at != '\n') {
            *at = ' ';
            continue;
        }
        if (!is_header || begins_header(at + 1, end))
            return;
        attempt->blank_to++;
    }
}

/* The name that the reader put in quotes; "" when there is none. */
static void name_in(const char *text, char *name, size_t name_bytes)
{
    const char *from = strchr(text, '\''), *to = strrchr(text, '\'');

    snprintf(name, name_bytes, "%.*s", from < to ? (int)(to - from - 1) : 0,
             from < to ? from + 1 : "");
}

/* A table of the tree that was opened by a header, not inline or by a dotted key. */
static bool is_under_header(const struct pawl_toml_node *node)
{
    return node->type == PAWL_TOML_TABLE && node->key_at.line == node->value_at.line &&
           node->key_at.column > node->value_at.column;
}

/* The table that a line belongs to. */
static uint32_t table_at(const struct pawl_toml *toml, uint32_t line)
{
    uint32_t table_index = 0, table_line = 0;

    for (uint32_t i = 1; i < toml->node_count; i++) {
        const struct pawl_toml_node *node = &toml->nodes[i];
        /* A header also opens the tables around it; the last of the same line is the inmost. */
        if (is_under_header(node) && node->value_at.line <= line &&
            node->value_at.line >= table_line) {
            table_index = i;
            table_line = node->value_at.line;
        }
    }
    return table_index;
}

/* Follows a dotted name down from a table; 0 when it leads nowhere. */
static uint32_t node_named(const struct pawl_toml *toml, uint32_t table_index, const char *name)
{
    uint32_t at = table_index;

    for (;;) {
        size_t bytes = strcspn(name, ".");
        uint32_t i = pawl_toml_first(toml, at);
        while (i && (toml->nodes[i].key_bytes != bytes ||
                     memcmp(toml->nodes[i].key, name, bytes) != 0))
            i = pawl_toml_next(toml, i);
        if (!i || !name[bytes])
            return i;
        at = i;
        name += bytes + 1;
    }
}

static size_t print_path(const struct pawl_toml *toml, uint32_t node_index, char *text,
                         size_t text_bytes)
{
    const struct pawl_toml_node *node = &toml->nodes[node_index];

    if (node_index == 0)
        return 0;
    size_t at = print_path(toml, node->parent_index, text, text_bytes);
    if (!*node->key)
        return at;
    int more = snprintf(text + at, text_bytes - at, "%s.", node->key);
    return at + (size_t)more < text_bytes ? at + (size_t)more : text_bytes - 1;
}

/* Moves the place from behind the key and the equals sign, where the reader was, onto the key.
 */
static void point_at_key(const struct pawl_cfg_file *file, struct pawl_toml_place *place,
                         const char *name)
{
    size_t bytes = 0, name_bytes = strlen(name);
    const char *line = pawl_cfg_file_line(file, place->line, &bytes);
    size_t at = place->column - 1; /* characters before the place; keys are mostly ASCII */

    if (!line || at > bytes)
        return;
    while (at && strchr(" \t=", line[at - 1]))
        at--;
    if (at < name_bytes || memcmp(line + at - name_bytes, name, name_bytes) != 0)
        return;
    place->end_line = place->line;
    place->end_column = (uint32_t)at + 1;
    place->column = place->end_column - (uint32_t)name_bytes;
}

static void point_at_header(const struct pawl_cfg_file *file, struct pawl_toml_place *place)
{
    size_t bytes = 0;
    const char *line = pawl_cfg_file_line(file, place->line, &bytes);
    const char *end = line ? memchr(line, ']', bytes) : NULL;

    if (!end)
        return;
    while (end < line + bytes && *end == ']')
        end++;
    place->end_line = place->line;
    place->end_column = (uint32_t)(end - line) + 1;
}

/* toml is NULL when the file could not be read to its end. */
static void add_again(struct pawl_cfg *cfg, const struct failure *failure,
                      const struct pawl_toml *toml, struct pawl_cfg_mark *mark)
{
    const struct pawl_cfg_file *file = &cfg->files[mark->file_index];
    char name[PAWL_CFG_KEY_BYTES_MAX], path[2 * PAWL_CFG_KEY_BYTES_MAX] = "", plain[256];
    size_t bytes = 0;
    const char *line = pawl_cfg_file_line(file, failure->place.line, &bytes);
    bool is_header = line && begins_header(line, line + bytes);
    uint32_t table_index = 0, first_index = 0;

    name_in(failure->text, name, sizeof(name));
    if (!*name) {
        pawl_cfg_problem_add(cfg, mark, NULL, "not valid TOML: %s", failure->text);
        return;
    }
    if (is_header)
        point_at_header(file, &mark->at);
    else
        point_at_key(file, &mark->at, name);
    if (toml) {
        table_index = is_header ? 0 : table_at(toml, failure->place.line);
        first_index = node_named(toml, table_index, name);
        print_path(toml, table_index, path, sizeof(path));
    }
    strncat(path, name, sizeof(path) - strlen(path) - 1);
    pawl_text_plain(path, strlen(path), plain, sizeof(plain));
    struct pawl_cfg_problem *problem =
        is_header ? pawl_cfg_problem_add(cfg, mark, NULL, "table '%s' is written twice", plain)
                  : pawl_cfg_problem_add(cfg, mark, NULL, "'%s' is set twice", plain);
    if (first_index)
        pawl_cfg_problem_hint(problem, "first on line %u",
                              toml->nodes[first_index].key_at.line);
}

/* The reader meets the end of the line inside a text, and calls it a control character. */
static bool is_open_text(const struct pawl_cfg_file *file, const struct failure *failure)
{
    size_t bytes = 0;
    const char *line = pawl_cfg_file_line(file, failure->place.line, &bytes);

    return line && strncmp(failure->text, "unescaped control", 17) == 0 &&
           failure->place.column > bytes;
}

static void add_problems(struct pawl_cfg *cfg, uint32_t file_index,
                         const struct attempt *attempt, const struct pawl_toml *toml)
{
    for (uint32_t i = 0; i < attempt->failure_count; i++) {
        const struct failure *failure = &attempt->failures[i];
        struct pawl_cfg_mark mark = {.layer = PAWL_CFG_LAYER_FILE,
                                     .file_index = file_index,
                                     .key_at = failure->place,
                                     .at = failure->place};

        if (failure->is_again) {
            add_again(cfg, failure, toml, &mark);
            continue;
        }
        const char *what = is_open_text(&cfg->files[file_index], failure)
                               ? "a text without its closing quote"
                               : failure->text;
        struct pawl_cfg_problem *problem =
            pawl_cfg_problem_add(cfg, &mark, NULL, "not valid TOML: %s", what);
        if (strcmp(failure->text, "this is not a value") == 0)
            pawl_cfg_problem_hint(problem, "a text is written in quotes: \"...\"");
    }
}

/* True when it makes sense to read again without the line that failed. */
static bool note(struct attempt *attempt, const struct pawl_toml_place *place, int code,
                 const struct pawl_err *err)
{
    if (attempt->failure_count && place->line + 1 >= attempt->blank_from &&
        place->line <= attempt->blank_to + 1)
        return false;

    struct failure *failure = &attempt->failures[attempt->failure_count++];
    failure->place = *place;
    failure->is_again = code == -EEXIST;
    pawl_text_plain(err->text, strlen(err->text), failure->text, sizeof(failure->text));
    return code != -E2BIG && attempt->failure_count < SYNTAX_PROBLEM_MAX;
}

int pawl_cfg_toml_open(struct pawl_cfg *cfg, uint32_t file_index, struct pawl_toml *toml)
{
    const struct pawl_cfg_file *file = &cfg->files[file_index];
    struct attempt attempt = {.failure_count = 0};
    char *copy = NULL;
    int code;

    for (;;) {
        struct pawl_err err = {0};
        struct pawl_toml_place place;

        code = pawl_toml_open(toml, copy ? copy : file->text, file->text_bytes, &place, &err);
        if (code == 0 || code == -ENOMEM || !note(&attempt, &place, code, &err))
            break;
        if (!copy) {
            copy = malloc(file->text_bytes + 1);
            if (!copy)
                return -ENOMEM;
            memcpy(copy, file->text, file->text_bytes);
        }
        blank(&attempt, copy, file->text_bytes, place.line);
    }
    free(copy);
    if (code == -ENOMEM)
        return code;
    if (attempt.failure_count)
        cfg->is_incomplete = true;
    add_problems(cfg, file_index, &attempt, code == 0 ? toml : NULL);
    return code == 0 ? 0 : -EINVAL;
}
