/* cfg_problem.c: what is wrong with a configuration, in the words and the layout people see. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"

/* A source line is shown whole up to here; of a longer one, the part around the caret. */
#define SHOWN_BYTES_MAX    120
#define SHOWN_BEFORE_CARET 40

struct pawl_cfg_problem *pawl_cfg_problem_add(struct pawl_cfg *cfg,
                                              const struct pawl_cfg_mark *mark,
                                              struct pawl_cfg_slot *slot, const char *text, ...)
{
    if (slot)
        slot->has_problem = true;
    if (cfg->problem_count++ >= PAWL_CFG_PROBLEM_MAX)
        return NULL;

    struct pawl_cfg_problem *problem = &cfg->problems[cfg->problem_count - 1];
    problem->mark = *mark;
    problem->sequence_index = (uint32_t)cfg->problem_count;
    problem->is_known_key = slot != NULL;
    if (slot)
        problem->table_name = slot->table->name;
    va_list args;
    va_start(args, text);
    vsnprintf(problem->text, sizeof(problem->text), text, args);
    va_end(args);
    return problem;
}

void pawl_cfg_problem_hint(struct pawl_cfg_problem *problem, const char *hint, ...)
{
    if (!problem)
        return;
    va_list args;
    va_start(args, hint);
    vsnprintf(problem->hint, sizeof(problem->hint), hint, args);
    va_end(args);
}

void pawl_cfg_mark_subject(const struct pawl_cfg_mark *mark, const char *key, char *text,
                           size_t text_bytes)
{
    char word[96], next[64];

    if (mark->layer != PAWL_CFG_LAYER_ENVIRONMENT && mark->layer != PAWL_CFG_LAYER_WORDS) {
        snprintf(text, text_bytes, "'%s'", key);
        return;
    }
    pawl_text_plain(mark->word, strlen(mark->word), word, sizeof(word));
    next[0] = '\0';
    if (mark->next_word)
        pawl_text_plain(mark->next_word, strlen(mark->next_word), next, sizeof(next));
    snprintf(text, text_bytes, "'%s%s%s'", word, mark->next_word ? " " : "", next);
}

/* The file of a run has been written with where each value came from behind it, which says
 * more to people than the line there. */
static bool read_noted_origin(const struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                              char *text, size_t text_bytes)
{
    static const char sign[] = "  # ";
    size_t sign_bytes = sizeof(sign) - 1, bytes = 0;
    const char *line = cfg->has_other_tables ? pawl_cfg_file_line(&cfg->files[mark->file_index],
                                                                  mark->key_at.line, &bytes)
                                             : NULL;
    for (size_t at = bytes; line && at-- > 0;) {
        if (bytes - at <= sign_bytes || memcmp(line + at, sign, sign_bytes) != 0)
            continue;
        pawl_text_plain(line + at + sign_bytes, bytes - at - sign_bytes, text, text_bytes);
        return true;
    }
    return false;
}

void pawl_cfg_mark_origin(const struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                          char *text, size_t text_bytes)
{
    char path[1024];

    switch (mark->layer) {
    case PAWL_CFG_LAYER_DEFAULT:
        snprintf(text, text_bytes, "default");
        break;
    case PAWL_CFG_LAYER_BASE:
        pawl_text_plain(cfg->base_origin, strlen(cfg->base_origin), path, sizeof(path));
        snprintf(text, text_bytes, "%s", path);
        break;
    case PAWL_CFG_LAYER_FILE:
        if (read_noted_origin(cfg, mark, text, text_bytes))
            break;
        pawl_text_plain(cfg->files[mark->file_index].path,
                        strlen(cfg->files[mark->file_index].path), path, sizeof(path));
        snprintf(text, text_bytes, "%s:%u", path, mark->key_at.line);
        break;
    case PAWL_CFG_LAYER_ENVIRONMENT:
        snprintf(text, text_bytes, "%.*s", (int)strcspn(mark->word, "="), mark->word);
        break;
    case PAWL_CFG_LAYER_WORDS:
        snprintf(text, text_bytes, "command line");
        break;
    }
}

/* The keys of a table, or the tables: for somebody who typed something that is near nothing. */
static void hint_what_there_is(const struct pawl_cfg *cfg, struct pawl_cfg_problem *problem,
                               const char *key)
{
    const char *dot = strrchr(key, '.');
    char name[PAWL_CFG_KEY_BYTES_MAX];
    char *at = problem->hint;
    size_t left = sizeof(problem->hint) - 8;

    snprintf(name, sizeof(name), "%.*s", dot ? (int)(dot - key) : 0, key);
    const struct pawl_cfg_table *table = pawl_cfg_table_find(cfg->tables, name);
    size_t count = table ? table->row_count : cfg->table_count;
    if (table) {
        problem->table_name = table->name;
        at += snprintf(at, left, "keys of [%s]:", table->name);
    } else {
        at += snprintf(at, left, "tables:");
    }
    for (size_t i = 0; i < count; i++) {
        const char *word = table ? strrchr(table->rows[i].key, '.') + 1 : cfg->tables[i]->name;
        size_t used = (size_t)(at - problem->hint);

        if (used + strlen(word) + 4 > left) {
            strcpy(at, " ...");
            return;
        }
        at += sprintf(at, table ? " %s" : " [%s]", word);
    }
}

/* a.b_c as PAWL__A__B_C */
static void environment_name(const char *key, char *name, size_t name_bytes)
{
    size_t at = (size_t)snprintf(name, name_bytes, "PAWL__");

    for (; *key && at + 3 < name_bytes; key++) {
        if (*key == '.') {
            name[at++] = '_';
            name[at++] = '_';
        } else {
            name[at++] = (char)(*key >= 'a' && *key <= 'z' ? *key - 'a' + 'A' : *key);
        }
    }
    name[at] = '\0';
}

void pawl_cfg_problem_unknown_key(struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                                  const char *key)
{
    char plain[PAWL_CFG_KEY_BYTES_MAX], word[256], allowed[256], standard[128];
    struct pawl_cfg_problem *problem;

    pawl_text_plain(key, strlen(key), plain, sizeof(plain));
    if (mark->layer == PAWL_CFG_LAYER_FILE) {
        problem = pawl_cfg_problem_add(cfg, mark, NULL, "unknown key '%s'", plain);
    } else {
        pawl_cfg_mark_subject(mark, plain, word, sizeof(word));
        problem = pawl_cfg_problem_add(cfg, mark, NULL, "unknown key '%s' in %s", plain, word);
    }
    if (!problem)
        return; /* beyond those that are shown; a suggestion is not free */

    const char *near = pawl_cfg_key_nearest(cfg->tables, key);
    if (!near) {
        hint_what_there_is(cfg, problem, key);
        return;
    }
    const struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, near);
    problem->table_name = slot->table->name;
    pawl_cfg_row_allowed(slot->row, allowed, sizeof(allowed));
    pawl_cfg_row_standard(slot->row, standard, sizeof(standard));
    if (mark->layer == PAWL_CFG_LAYER_ENVIRONMENT) {
        environment_name(near, word, sizeof(word));
        near = word;
    }
    pawl_cfg_problem_hint(problem, "did you mean '%s'?  (allowed %s, default %s)", near,
                          allowed, standard);
}

void pawl_cfg_problem_unknown_table(struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                                    const char *name)
{
    struct pawl_cfg_problem *problem =
        pawl_cfg_problem_add(cfg, mark, NULL, "unknown table '%s'", name);
    const char *near = problem ? pawl_cfg_table_nearest(cfg->tables, name) : NULL;

    if (near) {
        problem->table_name = near;
        pawl_cfg_problem_hint(problem, "did you mean [%s]?  (tables called x-... are ignored)",
                              near);
    } else if (problem) {
        hint_what_there_is(cfg, problem, "");
    }
}

/* True when b was given after a and so overrides it. */
static bool is_later(const struct pawl_cfg_mark *a, const struct pawl_cfg_mark *b)
{
    if (a->layer != b->layer)
        return b->layer > a->layer;
    if (a->layer != PAWL_CFG_LAYER_FILE)
        return false;
    if (a->file_index != b->file_index)
        return b->file_index < a->file_index; /* what is extended is read first */
    return b->key_at.line > a->key_at.line;
}

static void value_text(struct pawl_cfg *cfg, const struct pawl_cfg_slot *slot, char *text,
                       size_t text_bytes)
{
    FILE *out = fmemopen(cfg->scratch, sizeof(cfg->scratch), "w");

    text[0] = '\0';
    if (!out)
        return;
    pawl_cfg_value_print(out, slot->row, slot->fields);
    fclose(out);
    cfg->scratch[sizeof(cfg->scratch) - 1] = '\0';
    pawl_text_plain(cfg->scratch, strlen(cfg->scratch), text, text_bytes);
}

void pawl_cfg_conflict(struct pawl_cfg *cfg, const char *key, const char *other_key,
                       const char *rule, ...)
{
    struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, key);
    struct pawl_cfg_slot *other = pawl_cfg_slot_find(cfg, other_key);
    char why[256], value[64], other_value[64], origin[256];

    if (!slot || !other || slot->has_problem || other->has_problem || cfg->is_incomplete)
        return;
    if (is_later(&slot->mark, &other->mark)) {
        struct pawl_cfg_slot *swap = slot;
        slot = other;
        other = swap;
    }
    va_list args;
    va_start(args, rule);
    vsnprintf(why, sizeof(why), rule, args);
    va_end(args);
    value_text(cfg, slot, value, sizeof(value));
    value_text(cfg, other, other_value, sizeof(other_value));
    pawl_cfg_mark_origin(cfg, &other->mark, origin, sizeof(origin));

    struct pawl_cfg_problem *problem =
        pawl_cfg_problem_add(cfg, &slot->mark, slot, "'%s' = %s conflicts with '%s' = %s: %s",
                             slot->row->key, value, other->row->key, other_value, why);
    slot->has_problem = false; /* its own value is good, and may conflict with others too */
    if (slot->mark.layer == PAWL_CFG_LAYER_FILE) {
        pawl_cfg_problem_hint(problem, "'%s' comes from: %s", other->row->key, origin);
    } else {
        char own_origin[256];
        pawl_cfg_mark_origin(cfg, &slot->mark, own_origin, sizeof(own_origin));
        pawl_cfg_problem_hint(problem, "'%s' comes from: %s; '%s' comes from: %s",
                              slot->row->key, own_origin, other->row->key, origin);
    }
}

void pawl_cfg_refuse(struct pawl_cfg *cfg, const char *key, int code, const char *way_out,
                     const char *why, ...)
{
    struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, key);
    char reason[512], value[128];

    if (!slot || slot->has_problem ||
        (cfg->is_given_looked_at && slot->mark.layer <= PAWL_CFG_LAYER_FILE))
        return;
    cfg->has_unusable |= code != ENODEV;
    va_list args;
    va_start(args, why);
    vsnprintf(reason, sizeof(reason), why, args);
    va_end(args);
    value_text(cfg, slot, value, sizeof(value));
    pawl_cfg_problem_hint(
        pawl_cfg_problem_add(cfg, &slot->mark, slot, "'%s' = %s: %s", key, value, reason), "%s",
        way_out);
}

static void warn(struct pawl_cfg *cfg, const struct pawl_cfg_slot *slot, const char *why)
{
    char value[128];

    if (cfg->is_given_looked_at && slot->mark.layer <= PAWL_CFG_LAYER_FILE)
        return;
    if (cfg->warning_count++ >= PAWL_CFG_PROBLEM_MAX)
        return;
    struct pawl_cfg_problem *warning = &cfg->warnings[cfg->warning_count - 1];
    value_text(cfg, slot, value, sizeof(value));
    warning->mark = slot->mark;
    warning->sequence_index = (uint32_t)cfg->warning_count;
    snprintf(warning->text, sizeof(warning->text), "'%s' = %s%s", slot->row->key, value, why);
}

void pawl_cfg_warn(struct pawl_cfg *cfg, const char *key, const char *why, ...)
{
    const struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, key);
    char text[512] = ": ";

    if (!slot)
        return;
    va_list args;
    va_start(args, why);
    vsnprintf(text + 2, sizeof(text) - 2, why, args);
    va_end(args);
    warn(cfg, slot, text);
}

void pawl_cfg_warn_idle(struct pawl_cfg *cfg, const char *key, const char *other_key)
{
    const struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, key);
    const struct pawl_cfg_slot *other = pawl_cfg_slot_find(cfg, other_key);
    char value[128], standard[128], text[512];

    if (!slot || !other || slot->mark.layer <= PAWL_CFG_LAYER_BASE)
        return;
    value_text(cfg, slot, value, sizeof(value));
    pawl_cfg_row_standard(slot->row, standard, sizeof(standard));
    if (strcmp(value, standard) == 0)
        return;
    value_text(cfg, other, value, sizeof(value));
    snprintf(text, sizeof(text), " has no effect with '%s' = %s", other_key, value);
    warn(cfg, slot, text);
}

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_problems(const void *a, const void *b)
{
    const struct pawl_cfg_problem *left = a, *right = b;
    const struct pawl_cfg_mark *x = &left->mark, *y = &right->mark;
    int order = compare_numbers(x->layer, y->layer);

    if (order == 0 && x->layer == PAWL_CFG_LAYER_FILE) {
        order = compare_numbers(x->file_index, y->file_index);
        if (order == 0)
            order = compare_numbers(x->at.line, y->at.line);
        if (order == 0)
            order = compare_numbers(x->at.column, y->at.column);
    }
    if (order == 0 && x->layer == PAWL_CFG_LAYER_ENVIRONMENT)
        order = strcmp(x->word, y->word);
    return order ? order : compare_numbers(left->sequence_index, right->sequence_index);
}

static size_t with_room(size_t count)
{
    return count < PAWL_CFG_PROBLEM_MAX ? count : PAWL_CFG_PROBLEM_MAX;
}

static size_t shown_count(const struct pawl_cfg *cfg)
{
    return with_room(cfg->problem_count);
}

void pawl_cfg_problems_sort(struct pawl_cfg *cfg)
{
    qsort(cfg->problems, shown_count(cfg), sizeof(cfg->problems[0]), compare_problems);
    qsort(cfg->warnings, with_room(cfg->warning_count), sizeof(cfg->warnings[0]),
          compare_problems);
}

size_t pawl_cfg_problem_count(const struct pawl_cfg *cfg)
{
    return cfg->problem_count;
}

/* "configs/mine.toml:14:1", "environment", "command line" */
static void place_text(const struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark, char *text,
                       size_t text_bytes)
{
    char path[1024];
    const char *from = cfg->files[mark->file_index].path;

    switch (mark->layer) {
    case PAWL_CFG_LAYER_DEFAULT:
        snprintf(text, text_bytes, "default");
        break;
    case PAWL_CFG_LAYER_BASE:
        pawl_text_plain(cfg->base_origin, strlen(cfg->base_origin), path, sizeof(path));
        snprintf(text, text_bytes, "%s", path);
        break;
    case PAWL_CFG_LAYER_FILE:
        pawl_text_plain(from, strlen(from), path, sizeof(path));
        if (mark->at.line)
            snprintf(text, text_bytes, "%s:%u:%u", path, mark->at.line, mark->at.column);
        else
            snprintf(text, text_bytes, "%s", path);
        break;
    case PAWL_CFG_LAYER_ENVIRONMENT:
        snprintf(text, text_bytes, "environment");
        break;
    case PAWL_CFG_LAYER_WORDS:
        snprintf(text, text_bytes, "command line");
        break;
    }
}

void pawl_cfg_problem_first(const struct pawl_cfg *cfg, struct pawl_err *err)
{
    char place[1100];

    place_text(cfg, &cfg->problems[0].mark, place, sizeof(place));
    if (cfg->problem_count > 1)
        pawl_err_set(err, EINVAL, "%s: %s (and %zu more)", place, cfg->problems[0].text,
                     cfg->problem_count - 1);
    else
        pawl_err_set(err, EINVAL, "%s: %s", place, cfg->problems[0].text);
}

static size_t character_count(const char *text, size_t text_bytes)
{
    size_t count = 0;

    for (size_t i = 0; i < text_bytes; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* Bytes of the first `count` characters. */
static size_t characters_bytes(const char *text, size_t text_bytes, size_t count)
{
    size_t at = 0;

    while (at < text_bytes && count--) {
        at++;
        while (at < text_bytes && ((unsigned char)text[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static void print_line(const struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark, FILE *out)
{
    size_t bytes = 0, skipped_count = 0;
    const struct pawl_cfg_file *file = &cfg->files[mark->file_index];
    const char *line = pawl_cfg_file_line(file, mark->at.line, &bytes);
    char shown[SHOWN_BYTES_MAX + 8] = "";

    if (!line || mark->at.column == 0)
        return;
    if (bytes > SHOWN_BYTES_MAX && mark->at.column > 2 * SHOWN_BEFORE_CARET)
        skipped_count = mark->at.column - SHOWN_BEFORE_CARET;
    size_t skipped_bytes = characters_bytes(line, bytes, skipped_count);
    size_t dots = skipped_count ? (size_t)sprintf(shown, "...") : 0;
    pawl_text_plain(line + skipped_bytes, bytes - skipped_bytes, shown + dots,
                    sizeof(shown) - dots);

    size_t indent = mark->at.column - 1 - skipped_count + dots;
    size_t shown_characters = character_count(shown, strlen(shown));
    size_t end = mark->at.end_line == mark->at.line && mark->at.end_column > mark->at.column
                     ? indent + mark->at.end_column - mark->at.column
                 : mark->at.end_line > mark->at.line ? shown_characters
                                                     : indent + 1;
    if (indent > shown_characters)
        indent = shown_characters; /* the place is the end of the line */
    if (end > shown_characters)
        end = shown_characters;
    if (end <= indent)
        end = indent + 1;

    char number[16];
    int width = snprintf(number, sizeof(number), "%4u", mark->at.line);
    fprintf(out, "%s | %s\n%*s | %*s", number, shown, width, "", (int)indent, "");
    for (size_t i = indent; i < end; i++)
        fputc('^', out);
    fputc('\n', out);
}

static const char *table_to_look_up(const struct pawl_cfg *cfg)
{
    for (size_t i = 0; i < shown_count(cfg); i++)
        if (cfg->problems[i].is_known_key)
            return cfg->problems[i].table_name;
    for (size_t i = 0; i < shown_count(cfg); i++)
        if (cfg->problems[i].table_name)
            return cfg->problems[i].table_name;
    return NULL;
}

/* False where all that is wrong is that a file cannot be read. */
static bool is_about_values(const struct pawl_cfg *cfg)
{
    for (size_t i = 0; i < shown_count(cfg); i++) {
        const struct pawl_cfg_mark *mark = &cfg->problems[i].mark;
        if (mark->layer != PAWL_CFG_LAYER_FILE || mark->at.line > 0)
            return true;
    }
    return false;
}

void pawl_cfg_problems_print(const struct pawl_cfg *cfg, FILE *out)
{
    char place[1100];

    for (size_t i = 0; i < shown_count(cfg); i++) {
        const struct pawl_cfg_problem *problem = &cfg->problems[i];

        place_text(cfg, &problem->mark, place, sizeof(place));
        fprintf(out, "%s: error: %s\n", place, problem->text);
        if (problem->mark.layer == PAWL_CFG_LAYER_FILE)
            print_line(cfg, &problem->mark, out);
        if (*problem->hint)
            fprintf(out, "  %s\n", problem->hint);
    }
    if (cfg->problem_count == 0)
        return;
    if (cfg->problem_count > PAWL_CFG_PROBLEM_MAX)
        fprintf(out, "... and %zu more\n", cfg->problem_count - PAWL_CFG_PROBLEM_MAX);
    const char *name = table_to_look_up(cfg);
    fprintf(out, "%zu error%s; nothing was started.", cfg->problem_count,
            cfg->problem_count == 1 ? "" : "s");
    if (is_about_values(cfg))
        fprintf(out, "   see: pawl config schema%s%s", name ? " " : "", name ? name : "");
    fputc('\n', out);
}

void pawl_cfg_warnings_print(const struct pawl_cfg *cfg, FILE *out)
{
    char place[1100];

    for (size_t i = 0; i < with_room(cfg->warning_count); i++) {
        place_text(cfg, &cfg->warnings[i].mark, place, sizeof(place));
        fprintf(out, "%s: warning: %s\n", place, cfg->warnings[i].text);
    }
}
