/* cfg_schema.c: what is known of the keys, from the rows, in each form that somebody reads. */
#include <string.h>

#include "runtime/cfg_internal.h"

#define SCREEN_COLUMNS 80
#define HELP_COLUMN    30 /* where the text beside a key begins */
#define ALLOWED_BYTES  512
#define STANDARD_BYTES 1024

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

/* Prints words from `column` on, wrapped, each further line indented to `indent`, after
 * `prefix` at its very beginning. */
static void print_wrapped(FILE *out, const char *text, int column, int indent,
                          const char *prefix)
{
    bool is_first = true;

    while (*text) {
        int bytes = (int)strcspn(text, " ");
        if (!is_first && column + 1 + bytes > SCREEN_COLUMNS) {
            fprintf(out, "\n%s%*s", prefix, indent - (int)strlen(prefix), "");
            column = indent;
            is_first = true;
        }
        fprintf(out, "%s%.*s", is_first ? "" : " ", bytes, text);
        column += bytes + !is_first;
        is_first = false;
        text += bytes;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void summary(const struct pawl_cfg_table *table, FILE *out)
{
    char name[PAWL_CFG_KEY_BYTES_MAX + 2];

    snprintf(name, sizeof(name), "[%s]", table->name);
    int column = fprintf(out, "  %-20s ", name);
    print_wrapped(out, table->help, column, 23, "");
}

static void help(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES], text[2048];

    fprintf(out, "[%s] ", table->name);
    print_wrapped(out, table->help, (int)strlen(table->name) + 3, 4, "");
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        snprintf(text, sizeof(text), "%s (%s; default %s)", row->help, allowed, standard);
        int column = fprintf(out, "  --%s", row->key);
        if (column + 1 > HELP_COLUMN)
            fprintf(out, "\n%*s", HELP_COLUMN, "");
        else
            fprintf(out, "%*s", HELP_COLUMN - column, "");
        print_wrapped(out, text, HELP_COLUMN, HELP_COLUMN, "");
    }
}

/* Text for roff: a line may not begin with a control character, and - is a hyphen there. */
static void print_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void man(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES];

    fprintf(out, ".SS [%s]\n", table->name);
    print_roff(out, table->help);
    fputc('\n', out);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        fprintf(out, ".TP\n.B %s\n", row->key);
        print_roff(out, row->help);
        fputs("\nAllowed: ", out);
        print_roff(out, allowed);
        fputs("; default: ", out);
        print_roff(out, standard);
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

static void json_bound(FILE *out, const struct pawl_cfg_row *row)
{
    char number[PAWL_TEXT_F64_BYTES];

    if (pawl_cfg_has_low(row)) {
        pawl_cfg_low_text(row, number);
        fprintf(out, ", \"min\": %s", number);
    }
    if (pawl_cfg_has_high(row)) {
        pawl_cfg_high_text(row, number);
        fprintf(out, ", \"max\": %s", number);
    }
}

static void json_row(const struct pawl_cfg_row *row, FILE *out)
{
    char standard[STANDARD_BYTES];

    pawl_cfg_row_standard(row, standard, sizeof(standard));
    fprintf(out, "    {\"key\": \"%s\", \"type\": \"%s\", \"default\": ", row->key,
            type_word(row));
    fputs(standard, out);
    json_bound(out, row);
    if (row->choices) {
        fputs(", \"choices\": [", out);
        for (const char *const *choice = row->choices; *choice; choice++) {
            fputs(choice == row->choices ? "" : ", ", out);
            pawl_cfg_quote(out, *choice);
        }
        fputc(']', out);
    }
    if (row->type == PAWL_CFG_TEXT)
        fprintf(out, ", \"bytes_max\": %zu", row->field_bytes - 1);
    if (row->flags & PAWL_CFG_IS_POWER_OF_TWO)
        fputs(", \"power_of_two\": true", out);
    if (row->flags & PAWL_CFG_IS_NOT_EMPTY)
        fputs(", \"not_empty\": true", out);
    fputs(", \"unit\": ", out);
    pawl_cfg_quote(out, row->unit);
    fputs(", \"help\": ", out);
    pawl_cfg_quote(out, row->help);
    fputc('}', out);
}

static void json(const struct pawl_cfg_table *table, FILE *out)
{
    fprintf(out, "  {\"table\": \"%s\", \"help\": ", table->name);
    pawl_cfg_quote(out, table->help);
    fputs(", \"keys\": [\n", out);
    for (size_t i = 0; i < table->row_count; i++) {
        json_row(&table->rows[i], out);
        fputs(i + 1 < table->row_count ? ",\n" : "\n", out);
    }
    fputs("  ]}", out);
}

static void toml(const struct pawl_cfg_table *table, FILE *out)
{
    char allowed[ALLOWED_BYTES], standard[STANDARD_BYTES], text[2048];

    fputs("# ", out);
    print_wrapped(out, table->help, 2, 2, "#");
    fprintf(out, "[%s]\n", table->name);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct pawl_cfg_row *row = &table->rows[i];

        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        pawl_cfg_row_standard(row, standard, sizeof(standard));
        snprintf(text, sizeof(text), "%s (%s)", row->help, allowed);
        fputs("\n# ", out);
        print_wrapped(out, text, 2, 2, "#");
        fprintf(out, "%s = %s\n", last_part(row), standard);
    }
}

void pawl_cfg_schema(const struct pawl_cfg_table *const *tables, enum pawl_cfg_format format,
                     FILE *out)
{
    static void (*const printers[])(const struct pawl_cfg_table *table, FILE *out) = {
        [PAWL_CFG_FORMAT_SUMMARY] = summary, [PAWL_CFG_FORMAT_HELP] = help,
        [PAWL_CFG_FORMAT_MAN] = man,         [PAWL_CFG_FORMAT_MD] = md,
        [PAWL_CFG_FORMAT_JSON] = json,       [PAWL_CFG_FORMAT_TOML] = toml,
    };
    bool is_json = format == PAWL_CFG_FORMAT_JSON;
    bool is_apart = format != PAWL_CFG_FORMAT_SUMMARY && format != PAWL_CFG_FORMAT_MAN;

    if (is_json)
        fputs("[\n", out);
    for (size_t i = 0; tables[i]; i++) {
        if (i)
            fputs(is_json ? ",\n" : is_apart ? "\n" : "", out);
        printers[format](tables[i], out);
    }
    if (is_json)
        fputs("\n]\n", out);
}
