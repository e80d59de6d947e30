#include "runtime/cli_text.h"

#include <string.h>

#include "runtime/cfg.h"
#include "runtime/print.h"

#define TERM_COLUMNS    34 /* where the explanation of a verb or an option begins */
#define LABEL_BYTES_MAX 160

static void print_heading(FILE *out, const char *heading, bool has_color)
{
    fprintf(out, has_color ? "\n\033[1m%s\033[0m\n" : "\n%s\n", heading);
}

/* "  LABEL    explanation", the explanation in its own column. */
static void print_term(FILE *out, const char *label, const char *help)
{
    int column = fprintf(out, "  %s", label);
    if (column > TERM_COLUMNS - 2) {
        fputc('\n', out);
        column = 0;
    }
    pawl_print_wrapped(out, help, column, TERM_COLUMNS, "");
}

static void format_option(char *label, size_t label_bytes, const struct pawl_cli_option *option)
{
    int length = snprintf(label, label_bytes, "--%s", option->name);
    if (option->value && !option->choices)
        snprintf(label + length, label_bytes - (size_t)length, "=%s", option->value);
    for (const char *const *choice = option->choices; choice && *choice; choice++) {
        length = (int)strlen(label);
        snprintf(label + length, label_bytes - (size_t)length, "%s%s",
                 choice == option->choices ? "=" : "|", *choice);
    }
}

/* "config check|dump|schema" for a group, the name for any other verb. */
static void format_verb(char *label, size_t label_bytes, const struct pawl_cli_program *program,
                        const struct pawl_cli_verb *verb)
{
    int length = snprintf(label, label_bytes, "%s", verb->name);
    if (!pawl_cli_is_group(verb))
        return;
    const char *between = " ";
    for (const struct pawl_cli_verb *const *other = program->verbs; *other; other++) {
        if (!pawl_cli_is_member(*other, verb))
            continue;
        length += snprintf(label + length, label_bytes - (size_t)length, "%s%s", between,
                           (*other)->name + strlen(verb->name) + 1);
        if ((size_t)length >= label_bytes)
            return;
        between = "|";
    }
}

static bool is_first_level(const struct pawl_cli_verb *verb)
{
    return !strchr(verb->name, ' ');
}

static void print_tables(const struct pawl_cli_program *program, FILE *out)
{
    for (const struct pawl_cfg_table *const *table = program->tables; *table; table++)
        print_term(out, (*table)->name, (*table)->help);
}

void pawl_cli_print_overview(const struct pawl_cli_program *program, FILE *out, bool has_color)
{
    fprintf(out, "%s %s: %s\n", program->name, program->version, program->help);
    fprintf(out, "usage: %s VERB [--OPTION[=VALUE]]... [ARGUMENT]...\n\n", program->name);
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++) {
        if (!is_first_level(*verb))
            continue;
        char label[LABEL_BYTES_MAX];
        format_verb(label, sizeof(label), program, *verb);
        print_term(out, label, (*verb)->help);
    }
    print_heading(out, "more", has_color);
    char label[LABEL_BYTES_MAX];
    snprintf(label, sizeof(label), "%s VERB --help", program->name);
    print_term(out, label, "All about a verb.");
    snprintf(label, sizeof(label), "%s help TABLE", program->name);
    print_term(out, label, "The configuration keys of a table.");
    snprintf(label, sizeof(label), "%s --help=all", program->name);
    print_term(out, label, "All about everything.");
    snprintf(label, sizeof(label), "%s --version", program->name);
    print_term(out, label, "The version.");
    if (!program->tables[0])
        return;
    struct pawl_print_lines lines = {.out = out, .indent = 8};
    lines.column = fprintf(out, "\ntables:") - 1;
    lines.has_word = true;
    for (const struct pawl_cfg_table *const *table = program->tables; *table; table++)
        pawl_print_word(&lines, (*table)->name, (int)strlen((*table)->name));
    fputc('\n', out);
}

void pawl_cli_print_usage(const struct pawl_cli_program *program,
                          const struct pawl_cli_verb *verb, FILE *out)
{
    char label[LABEL_BYTES_MAX];

    format_verb(label, sizeof(label), program, verb);
    struct pawl_print_lines lines = {.out = out, .indent = 11};
    lines.column = fprintf(out, "usage: %s %s", program->name, label);
    lines.has_word = true;
    pawl_print_words(&lines, verb->operands ? verb->operands : "");
    for (size_t i = 0; i < verb->option_count; i++) {
        char word[LABEL_BYTES_MAX];
        format_option(label, sizeof(label), &verb->options[i]);
        int length = snprintf(word, sizeof(word), "[%s]", label);
        pawl_print_word(&lines, word,
                        length < (int)sizeof(word) ? length : (int)sizeof(word) - 1);
    }
    if (verb->takes_config)
        pawl_print_words(&lines, "[KEY=VALUE]...");
    fputc('\n', out);
}

static void print_members(const struct pawl_cli_program *program,
                          const struct pawl_cli_verb *group, FILE *out)
{
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++)
        if (pawl_cli_is_member(*verb, group))
            print_term(out, (*verb)->name, (*verb)->help);
}

void pawl_cli_print_verb(const struct pawl_cli_program *program,
                         const struct pawl_cli_verb *verb, FILE *out, bool has_color)
{
    int column = fprintf(out, "%s %s:", program->name, verb->name);
    pawl_print_wrapped(out, verb->help, column, 0, "");
    pawl_cli_print_usage(program, verb, out);
    if (verb->details) {
        fputc('\n', out);
        pawl_print_wrapped(out, verb->details, 0, 0, "");
    }
    if (pawl_cli_is_group(verb)) {
        print_heading(out, "verbs", has_color);
        print_members(program, verb, out);
    }
    print_heading(out, "options", has_color);
    for (size_t i = 0; i < verb->option_count; i++) {
        char label[LABEL_BYTES_MAX];
        format_option(label, sizeof(label), &verb->options[i]);
        print_term(out, label, verb->options[i].help);
    }
    print_term(out, verb->takes_config ? "--help[=TABLE]" : "--help",
               verb->takes_config ? "This, or the keys of a table; --help=all for all of them."
                                  : "This.");
    if (!verb->takes_config)
        return;
    print_heading(out, "configuration", has_color);
    pawl_print_wrapped(out,
                       "A later source wins: default, file, environment (PAWL__TABLE__KEY), "
                       "command line (--table.key=value or table.key=value).",
                       0, 2, "");
    if (program->tables[0]) {
        print_heading(out, "tables", has_color);
        print_tables(program, out);
    }
}

void pawl_cli_print_all(const struct pawl_cli_program *program, FILE *out, bool has_color)
{
    pawl_cli_print_overview(program, out, has_color);
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++) {
        fputc('\n', out);
        pawl_cli_print_verb(program, *verb, out, has_color);
    }
    if (program->tables[0]) {
        print_heading(out, "All configuration keys", has_color);
        pawl_cfg_schema(program->tables, PAWL_CFG_FORMAT_HELP, out);
    }
}
