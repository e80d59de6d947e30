#include "runtime/cli_text.h"

#include <ctype.h>
#include <string.h>

#include "runtime/cfg.h"
#include "runtime/print.h"

static void print_paragraphs(FILE *out, const char *text)
{
    for (;;) {
        const char *end = strstr(text, "\n\n");
        char paragraph[2048];
        size_t length = end ? (size_t)(end - text) : strlen(text);
        snprintf(paragraph, sizeof(paragraph), "%.*s", (int)length, text);
        fputs(".PP\n", out);
        pawl_print_roff(out, paragraph);
        fputc('\n', out);
        if (!end)
            return;
        text = end + 2;
    }
}

static void print_title(const struct pawl_cli_program *program, const char *page, int section,
                        const char *help, FILE *out)
{
    fputs(".TH \"", out);
    for (const char *c = page; *c; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, "\" %d \"\" \"%s %s\" \"\"\n.SH NAME\n%s \\- ", section, program->name,
            program->version, page);
    pawl_print_roff(out, help);
    fputc('\n', out);
}

static void print_option(const struct pawl_cli_option *option, FILE *out)
{
    fputs(".TP\n\\fB\\-\\-", out);
    pawl_print_roff(out, option->name);
    fputs("\\fR", out);
    if (option->value)
        fprintf(out, "=\\fI%s\\fR", option->value);
    fputc('\n', out);
    pawl_print_roff(out, option->help);
    for (const char *const *choice = option->choices; choice && *choice; choice++)
        fprintf(out, "%s\\fB%s\\fR", choice == option->choices ? "\nOne of " : ", ", *choice);
    fputs(option->choices ? ".\n" : "\n", out);
}

static void print_verb(const struct pawl_cli_program *program, const struct pawl_cli_verb *verb,
                       FILE *out)
{
    if (pawl_cli_is_group(verb))
        return;
    fprintf(out, ".SS \"%s\"\n\\fB%s %s\\fR", verb->name, program->name, verb->name);
    for (size_t i = 0; i < verb->option_count; i++) {
        fputs(" [\\fB\\-\\-", out);
        pawl_print_roff(out, verb->options[i].name);
        fprintf(out, "\\fR%s%s]", verb->options[i].value ? "=" : "",
                verb->options[i].value ? verb->options[i].value : "");
    }
    if (verb->operands) {
        fputc(' ', out);
        pawl_print_roff(out, verb->operands);
    }
    fputs(verb->takes_config ? " [KEY=VALUE]...\n.PP\n" : "\n.PP\n", out);
    pawl_print_roff(out, verb->help);
    fputc('\n', out);
    if (verb->details)
        print_paragraphs(out, verb->details);
    for (size_t i = 0; i < verb->option_count; i++)
        print_option(&verb->options[i], out);
}

void pawl_cli_print_man(const struct pawl_cli_program *program, FILE *out)
{
    static const struct {
        enum pawl_exit code;
        const char *meaning;
    } exits[] = {
        {PAWL_EXIT_DONE, "Done."},
        {PAWL_EXIT_FAILED, "Failed."},
        {PAWL_EXIT_USAGE,
         "The command line or the configuration is wrong, or names a path that is not there; "
         "nothing was started."},
        {PAWL_EXIT_MISSING, "The machine lacks something: a library, a device, a program."},
        {PAWL_EXIT_CHILD, "A child process died for good."},
        {PAWL_EXIT_INTERRUPTED, "Interrupted; the state is saved."},
    };

    print_title(program, program->name, 1, program->help, out);
    fprintf(
        out,
        ".SH SYNOPSIS\n\\fB%s\\fR \\fIVERB\\fR [\\fB\\-\\-\\fIOPTION\\fR[=\\fIVALUE\\fR]]... "
        "[\\fIARGUMENT\\fR]...\n.br\n\\fB%s\\fR \\fIVERB\\fR \\fB\\-\\-help\\fR\n.br\n"
        "\\fB%s \\-\\-version\\fR\n.SH VERBS\n",
        program->name, program->name, program->name);
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++)
        print_verb(program, *verb, out);
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        fprintf(out, ".TP\n%d\n", (int)exits[i].code);
        pawl_print_roff(out, exits[i].meaning);
        fputc('\n', out);
    }
    fprintf(out,
            ".SH ENVIRONMENT\n.TP\n\\fBPAWL__\\fITABLE\\fB__\\fIKEY\\fR\n"
            "The value of a configuration key; see %s.toml(5).\n"
            ".TP\n\\fBNO_COLOR\\fR\nWhen set and not empty, nothing is coloured.\n"
            ".TP\n\\fBTERM\\fR\nOn a terminal called dumb no escape sequence is written.\n"
            ".SH SEE ALSO\n%s.toml(5)\n",
            program->name, program->name);
}

void pawl_cli_print_man_config(const struct pawl_cli_program *program,
                               const struct pawl_cfg_table *const *tables, FILE *out)
{
    char page[64];
    snprintf(page, sizeof(page), "%s.toml", program->name);
    print_title(program, page, 5, "the configuration of a run", out);
    fputs(".SH DESCRIPTION\n"
          "A configuration is a TOML file.\n"
          "An unknown key is an error; tables called x\\-... are ignored.\n"
          "The array \\fBextends\\fR names files that are read first.\n"
          ".PP\n"
          "Lowest first, a value comes from its default, the files extended, the file,\n"
          "the environment (\\fBPAWL__\\fITABLE\\fB__\\fIKEY\\fR) and the command line\n"
          "(\\fB\\-\\-table.key=value\\fR, \\fB\\-\\-table.key value\\fR or "
          "\\fBtable.key=value\\fR).\n"
          ".SH KEYS\n",
          out);
    pawl_cfg_schema(tables, PAWL_CFG_FORMAT_MAN, out);
    fprintf(out, ".SH SEE ALSO\n%s(1)\n", program->name);
}
