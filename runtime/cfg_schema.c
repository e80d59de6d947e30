/* cfg_schema.c: what is known of the keys, from the rows, in each form that somebody reads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"
#include "runtime/json.h"
#include "runtime/print.h"

#define HELP_COLUMN    30 /* where the text beside a key begins */
#define ALLOWED_BYTES  512
#define STANDARD_BYTES 1024
#define JSON_BYTES_MAX (16u << 20)

static const char *last_part(const struct pawl_cfg_row *row)
{
    return strrchr(row->key, '.') + 1;
}

static const char *type_word(const struct pawl_cfg_row *row)
{
    static const char *const words[] = {
        [PAWL_CFG_BOOL] = "bool",
        [PAWL_CFG_I64] = "integer",
        [PAWL_CFG_F64] = "number",
        [PAWL_CFG_TEXT] = "text",
        [PAWL_CFG_CHOICE] = "choice",
        [PAWL_CFG_I64_LIST] = "integer list",
        [PAWL_CFG_F64_LIST] = "number list",
        [PAWL_CFG_TEXT_LIST] = "text list",
    };
    return words[row->type];
}

static void summary(const struct pawl_cfg_table *table, FILE *out)
{
    char name[PAWL_CFG_KEY_BYTES_MAX + 2];

    snprintf(name, sizeof(name), "[%s]", table->name);
    int column = fprintf(out, "  %-20s", name);
    pawl_print_wrapped(out, table->help, column, 23, "");
}

static void help(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES], text[2048];

    int heading = fprintf(out, "[%s]", table->name);
    pawl_print_wrapped(out, table->help, heading, 4, "");
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        snprintf(text, sizeof(text), "%s (%s; default %s)", row->help, allowed, standard);
        int column = fprintf(out, "  --%s", row->key);
        if (column + 1 > HELP_COLUMN) {
            fputc('\n', out);
            column = 0;
        }
        pawl_print_wrapped(out, text, column, HELP_COLUMN, "");
    }
}

static void man(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES];

    fprintf(out, ".SS [%s]\n", table->name);
    pawl_print_roff(out, table->help);
    fputc('\n', out);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        fprintf(out, ".TP\n.B %s\n", row->key);
        pawl_print_roff(out, row->help);
        fputs("\nAllowed: ", out);
        pawl_print_roff(out, allowed);
        fputs("; default: ", out);
        pawl_print_roff(out, standard);
        fputs(".\n", out);
    }
}

/* A cell of a table of Markdown: a bar would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void md(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES];

    fprintf(out, "## [%s]\n\n%s\n\n", table->name, table->help);
    fputs("| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        fprintf(out, "| `%s` | %s | `", last_part(row), type_word(row));
        print_cell(out, standard);
        fputs("` | ", out);
        print_cell(out, allowed);
        fputs(" | ", out);
        print_cell(out, row->help);
        fputs(" |\n", out);
    }
}

static void json_list(struct pawl_json_writer *out, const struct pawl_cfg_row *row,
                      const void *field)
{
    const struct pawl_cfg_i64_list *i64s = field;
    const struct pawl_cfg_f64_list *f64s = field;
    const struct pawl_cfg_text_list *texts = field;

    pawl_json_begin_array(out, "default");
    if (row->type == PAWL_CFG_I64_LIST)
        for (uint32_t i = 0; i < i64s->count; i++)
            pawl_json_put_i64(out, NULL, i64s->items[i]);
    else if (row->type == PAWL_CFG_F64_LIST)
        for (uint32_t i = 0; i < f64s->count; i++)
            pawl_json_put_f64(out, NULL, f64s->items[i]);
    else
        for (uint32_t i = 0; i < texts->count; i++)
            pawl_json_put_string(out, NULL, texts->items[i]);
    pawl_json_end(out);
}

static void json_default(struct pawl_json_writer *out, const struct pawl_cfg_row *row,
                         const void *fields)
{
    const void *field = (const char *)fields + row->offset;

    switch (row->type) {
    case PAWL_CFG_BOOL:
        pawl_json_put_bool(out, "default", row->standard.i64 != 0);
        break;
    case PAWL_CFG_I64:
        pawl_json_put_i64(out, "default", row->standard.i64);
        break;
    case PAWL_CFG_F64:
        pawl_json_put_f64(out, "default", row->standard.f64);
        break;
    case PAWL_CFG_TEXT:
        pawl_json_put_string(out, "default", row->standard_text);
        break;
    case PAWL_CFG_CHOICE:
        pawl_json_put_string(out, "default", row->choices[row->standard.i64]);
        break;
    case PAWL_CFG_I64_LIST:
    case PAWL_CFG_F64_LIST:
    case PAWL_CFG_TEXT_LIST:
        json_list(out, row, field);
        break;
    }
}

static void json_bound(struct pawl_json_writer *out, const struct pawl_cfg_row *row,
                       const char *key, union pawl_cfg_number bound)
{
    if (row->type == PAWL_CFG_F64 || row->type == PAWL_CFG_F64_LIST)
        pawl_json_put_f64(out, key, bound.f64);
    else
        pawl_json_put_i64(out, key, bound.i64);
}

static void json_row(struct pawl_json_writer *out, const struct pawl_cfg_row *row,
                     const void *fields)
{
    pawl_json_begin_object(out, NULL);
    pawl_json_put_string(out, "key", row->key);
    pawl_json_put_string(out, "type", type_word(row));
    json_default(out, row, fields);
    if (pawl_cfg_has_low(row))
        json_bound(out, row, "min", row->min);
    if (pawl_cfg_has_high(row))
        json_bound(out, row, "max", row->max);
    if (row->choices) {
        pawl_json_begin_array(out, "choices");
        for (const char *const *choice = row->choices; *choice; choice++)
            pawl_json_put_string(out, NULL, *choice);
        pawl_json_end(out);
    }
    if (row->type == PAWL_CFG_TEXT)
        pawl_json_put_i64(out, "bytes_max", (int64_t)row->field_bytes - 1);
    if (row->flags & PAWL_CFG_IS_POWER_OF_TWO)
        pawl_json_put_bool(out, "power_of_two", true);
    if (row->flags & PAWL_CFG_IS_NOT_EMPTY)
        pawl_json_put_bool(out, "not_empty", true);
    pawl_json_put_string(out, "unit", row->unit);
    pawl_json_put_string(out, "help", row->help);
    pawl_json_end(out);
}

static int json_table(struct pawl_json_writer *out, const struct pawl_cfg_table *table,
                      struct pawl_err *err)
{
    void *fields = malloc(table->fields_bytes);
    if (!fields)
        return pawl_err_set(err, ENOMEM, "table '%s': out of memory", table->name);
    int code = pawl_cfg_default(table, fields, err);
    if (code == 0) {
        pawl_json_begin_object(out, NULL);
        pawl_json_put_string(out, "table", table->name);
        pawl_json_put_string(out, "help", table->help);
        pawl_json_begin_array(out, "keys");
        for (size_t i = 0; i < table->row_count; i++)
            json_row(out, &table->rows[i], fields);
        pawl_json_end(out);
        pawl_json_end(out);
    }
    free(fields);
    return code;
}

int pawl_cfg_schema_json(const struct pawl_cfg_table *const *tables, FILE *out,
                         struct pawl_err *err)
{
    struct pawl_json_writer writer;
    int code = 0;

    pawl_json_open_growing(&writer, JSON_BYTES_MAX);
    writer.indent_count = 2;
    pawl_json_begin_array(&writer, NULL);
    for (size_t i = 0; tables[i] && code == 0; i++)
        code = json_table(&writer, tables[i], err);
    pawl_json_end(&writer);
    const char *text = code == 0 ? pawl_json_finish(&writer, NULL, err) : NULL;
    if (text)
        fprintf(out, "%s\n", text);
    else if (code == 0)
        code = -writer.err.code;
    pawl_json_close_writer(&writer);
    return code;
}

static void toml(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES], text[2048];

    fputc('#', out);
    pawl_print_wrapped(out, table->help, 1, 2, "#");
    fprintf(out, "[%s]\n", table->name);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        snprintf(text, sizeof(text), "%s (%s)", row->help, allowed);
        fputs("\n#", out);
        pawl_print_wrapped(out, text, 1, 2, "#");
        fprintf(out, "%s = %s\n", last_part(row), standard);
    }
}

void pawl_cfg_schema(const struct pawl_cfg_table *const *tables, enum pawl_cfg_format format,
                     FILE *out)
{
    static void (*const printers[])(const struct pawl_cfg_table *table, FILE *out) = {
        [PAWL_CFG_FORMAT_SUMMARY] = summary, [PAWL_CFG_FORMAT_HELP] = help,
        [PAWL_CFG_FORMAT_MAN] = man,         [PAWL_CFG_FORMAT_MD] = md,
        [PAWL_CFG_FORMAT_TOML] = toml,
    };
    bool is_apart = format != PAWL_CFG_FORMAT_SUMMARY && format != PAWL_CFG_FORMAT_MAN;

    for (size_t i = 0; tables[i]; i++) {
        if (i && is_apart)
            fputc('\n', out);
        printers[format](tables[i], out);
    }
}
