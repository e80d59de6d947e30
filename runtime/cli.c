#include "runtime/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cfg.h"
#include "runtime/cli_text.h"
#include "runtime/err.h"
#include "runtime/fault.h"
#include "runtime/nearest.h"
#include "runtime/text.h"

/* What is left of a command line while it is split. */
struct words {
    char *const *items;
    int count;
    int at;
};

/* Where the operands and overrides go; each holds at most all words. */
struct split {
    char **overrides;
    char **operands;
    int override_count, operand_count;
    const char *help; /* the value of --help; NULL: not given */
};

bool pawl_cli_is_group(const struct pawl_cli_verb *verb)
{
    return !verb->run;
}

bool pawl_cli_is_member(const struct pawl_cli_verb *verb, const struct pawl_cli_verb *group)
{
    size_t length = strlen(group->name);
    return strncmp(verb->name, group->name, length) == 0 && verb->name[length] == ' ';
}

const struct pawl_cli_verb *pawl_cli_verb_find(const struct pawl_cli_program *program,
                                               const char *name)
{
    for (const struct pawl_cli_verb *const *verb = program->verbs; *verb; verb++)
        if (strcmp((*verb)->name, name) == 0)
            return *verb;
    return NULL;
}

const char *pawl_cli_value(const struct pawl_cli *cli, const char *option_name)
{
    for (size_t i = 0; i < cli->verb->option_count; i++)
        if (strcmp(cli->verb->options[i].name, option_name) == 0)
            return cli->option_values[i];
    return NULL;
}

bool pawl_cli_has(const struct pawl_cli *cli, const char *option_name)
{
    return pawl_cli_value(cli, option_name) != NULL;
}

int pawl_cli_number(const struct pawl_cli *cli, const char *option_name, uint64_t standard,
                    uint64_t min, uint64_t *number)
{
    const char *text = pawl_cli_value(cli, option_name);
    char *end;

    *number = standard;
    if (!text)
        return PAWL_EXIT_DONE;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
        value > INT64_MAX)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "--%s=%s: a whole number from %" PRIu64 " to %" PRId64,
                             option_name, text, min, INT64_MAX);
    *number = value;
    return PAWL_EXIT_DONE;
}

int pawl_cli_fail(const struct pawl_cli *cli, int exit_code, const char *format, ...)
{
    fprintf(cli->err, "%s", cli->program->name);
    if (cli->verb)
        fprintf(cli->err, " %s", cli->verb->name);
    fputs(": ", cli->err);
    va_list args;
    va_start(args, format);
    vfprintf(cli->err, format, args);
    va_end(args);
    fputc('\n', cli->err);
    return exit_code;
}

/* The same with "; did you mean 'X'?" where something is near. */
static int fail_nearest(const struct pawl_cli *cli, const struct pawl_nearest *nearest,
                        const char *prefix, const char *what, const char *or_see)
{
    if (nearest->best)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "%s '%s%s'; did you mean '%s%s'?", what,
                             prefix, nearest->word, prefix, nearest->best);
    return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "%s '%s%s'; %s", what, prefix, nearest->word,
                         or_see);
}

static int fail_verb(const struct pawl_cli *cli, const char *word)
{
    struct pawl_nearest nearest = {.word = word};
    if (strcmp(word, "version") == 0)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "no verb 'version'; did you mean '--version'?");
    for (const struct pawl_cli_verb *const *verb = cli->program->verbs; *verb; verb++)
        pawl_nearest_offer(&nearest, (*verb)->name);
    return fail_nearest(cli, &nearest, "", "no verb", "'pawl help' lists the verbs");
}

static int fail_member(const struct pawl_cli *cli, const char *word)
{
    const struct pawl_cli_verb *group = cli->verb;
    struct pawl_nearest nearest = {.word = word};
    char members[256] = "";
    for (const struct pawl_cli_verb *const *verb = cli->program->verbs; *verb; verb++) {
        if (!pawl_cli_is_member(*verb, group))
            continue;
        const char *name = (*verb)->name + strlen(group->name) + 1;
        pawl_nearest_offer(&nearest, name);
        size_t length = strlen(members);
        snprintf(members + length, sizeof(members) - length, "%s%s", length ? ", " : "", name);
    }
    if (!word[0])
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "one of these is missing: %s", members);
    char or_see[300];
    snprintf(or_see, sizeof(or_see), "there is %s", members);
    return fail_nearest(cli, &nearest, "", "no verb", or_see);
}

static int fail_choice(const struct pawl_cli *cli, const char *what, const char *typed,
                       const char *const *choices)
{
    struct pawl_nearest nearest = {.word = typed};
    char all[256] = "";
    for (; *choices; choices++) {
        pawl_nearest_offer(&nearest, *choices);
        size_t length = strlen(all);
        snprintf(all + length, sizeof(all) - length, "%s%s", length ? ", " : "", *choices);
    }
    char hint[128] = "";
    if (nearest.best)
        snprintf(hint, sizeof(hint), "; did you mean '%s'?", nearest.best);
    return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "%s'%s' is none of %s%s", what, typed, all,
                         hint);
}

static bool is_choice(const char *const *choices, const char *word)
{
    for (; *choices; choices++)
        if (strcmp(*choices, word) == 0)
            return true;
    return false;
}

/* The verb that the first words name, the longest name first; NULL when there is none. */
static const struct pawl_cli_verb *take_verb(const struct pawl_cli_program *program,
                                             struct words *words)
{
    if (words->at == words->count)
        return NULL;
    const struct pawl_cli_verb *verb = pawl_cli_verb_find(program, words->items[words->at]);
    if (!verb)
        return NULL;
    words->at++;
    if (pawl_cli_is_group(verb) && words->at < words->count) {
        char name[64];
        snprintf(name, sizeof(name), "%s %s", verb->name, words->items[words->at]);
        const struct pawl_cli_verb *member = pawl_cli_verb_find(program, name);
        if (member) {
            words->at++;
            return member;
        }
    }
    return verb;
}

/* --- help --- */

const struct pawl_cfg_table *pawl_cli_table(const struct pawl_cli *cli, const char *name)
{
    const struct pawl_cfg_table *table = pawl_cfg_table_find(cli->program->tables, name);
    struct pawl_nearest nearest = {.word = name};
    if (!table) {
        nearest.best = pawl_cfg_table_nearest(cli->program->tables, name);
        fail_nearest(cli, &nearest, "", "no configuration table",
                     "'pawl help' lists the tables");
    }
    return table;
}

static int print_table_help(const struct pawl_cli *cli, const char *name)
{
    const struct pawl_cfg_table *const one[] = {pawl_cli_table(cli, name), NULL};
    if (!one[0])
        return PAWL_EXIT_USAGE;
    pawl_cfg_schema(one, PAWL_CFG_FORMAT_HELP, cli->out);
    return PAWL_EXIT_DONE;
}

static int print_verb_help(const struct pawl_cli *cli, const char *table_name)
{
    bool is_all = strcmp(table_name, "all") == 0;
    if (!table_name[0] || is_all)
        pawl_cli_print_verb(cli->program, cli->verb, cli->out, cli->has_color);
    if (!cli->verb->takes_config && table_name[0] && !is_all)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "it reads no configuration, so there is no help on '%s'",
                             table_name);
    if (cli->verb->takes_config && is_all) {
        fputc('\n', cli->out);
        pawl_cfg_schema(cli->program->tables, PAWL_CFG_FORMAT_HELP, cli->out);
    } else if (table_name[0] && !is_all) {
        return print_table_help(cli, table_name);
    }
    return PAWL_EXIT_DONE;
}

/* `pawl help [VERB] [TABLE]`; also what follows `pawl --help`. */
static int print_help(struct pawl_cli *cli, int word_count, char *const *items)
{
    struct words words = {.items = items, .count = word_count};
    const struct pawl_cli_verb *help_verb = cli->verb;

    if (word_count == 0) {
        pawl_cli_print_overview(cli->program, cli->out, cli->has_color);
        return PAWL_EXIT_DONE;
    }
    if (strcmp(items[0], "all") == 0 && word_count == 1) {
        pawl_cli_print_all(cli->program, cli->out, cli->has_color);
        return PAWL_EXIT_DONE;
    }
    cli->verb = take_verb(cli->program, &words);
    const char *table_name = words.at < word_count ? items[words.at++] : "";
    if (words.at < word_count) {
        cli->verb = help_verb;
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "'%s' is too much; VERB and TABLE are enough", items[words.at]);
    }
    if (cli->verb && pawl_cli_is_group(cli->verb) && table_name[0])
        return fail_member(cli, table_name);
    if (cli->verb)
        return print_verb_help(cli, table_name);
    if (word_count == 1 && pawl_cfg_table_find(cli->program->tables, table_name))
        return print_table_help(cli, table_name);
    return fail_verb(cli, items[0]);
}

static int run_help(struct pawl_cli *cli, int argc, char **argv)
{
    const char *format = pawl_cli_value(cli, "format");
    if (format && strcmp(format, "man") == 0) {
        if (argc)
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                                 "the man page is one for all verbs; leave '%s' out", argv[0]);
        pawl_cli_print_man(cli->program, cli->out);
        return PAWL_EXIT_DONE;
    }
    return print_help(cli, argc, argv);
}

static const char *const help_formats[] = {"text", "man", NULL};

static const struct pawl_cli_option help_options[] = {
    {.name = "format",
     .value = "FORMAT",
     .choices = help_formats,
     .help = "text, or man for the page that man(1) shows."},
};

const struct pawl_cli_verb pawl_verb_help = {
    .name = "help",
    .help = "Explain a verb, or the keys of a table.",
    .operands = "[VERB [TABLE]]",
    .details =
        "VERB --help does the same. Where a verb reads a configuration, TABLE names a table "
        "of its keys (VERB --help TABLE), and all stands for all of them.",
    .options = help_options,
    .option_count = 1,
    .operand_max = 3,
    .operand_type = PAWL_CLI_OPERAND_TOPIC,
    .run = run_help,
};

/* --- splitting a line --- */

/* The key whose last part is the word: people leave the table out. NULL when there is none. */
static const char *key_ending(const struct pawl_cfg_table *const *tables, const char *word)
{
    for (; *tables; tables++) {
        for (size_t i = 0; i < (*tables)->row_count; i++) {
            const char *key = (*tables)->rows[i].key;
            const char *last = strrchr(key, '.') + 1;
            if (pawl_nearest_edit_count(word, strlen(word), last, strlen(last)) == 0)
                return key;
        }
    }
    return NULL;
}

static int fail_option(const struct pawl_cli *cli, const char *name)
{
    struct pawl_nearest nearest = {.word = name};
    for (size_t i = 0; i < cli->verb->option_count; i++)
        pawl_nearest_offer(&nearest, cli->verb->options[i].name);
    pawl_nearest_offer(&nearest, "help");
    if (cli->verb->takes_config && !nearest.best)
        nearest.best = key_ending(cli->program->tables, name);
    char or_see[128];
    snprintf(or_see, sizeof(or_see), "'%s %s --help' lists the options", cli->program->name,
             cli->verb->name);
    return fail_nearest(cli, &nearest, "--", "no option", or_see);
}

/* "seed=3" where a file may stand: an override that lacks its table, not the name of a file. */
static bool is_half_key(const char *word)
{
    size_t length =
        strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return word[0] != '-' && length && length < PAWL_NEAREST_BYTES_MAX && word[length] == '=';
}

static int fail_half_key(const struct pawl_cli *cli, const char *word)
{
    char name[PAWL_NEAREST_BYTES_MAX];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    const char *key = key_ending(cli->program->tables, name);
    if (key)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "no key '%s'; did you mean '%s'? (a file is written ./%s)", name,
                             key, word);
    return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                         "no key '%s'; a key is TABLE.KEY, and a file is written ./%s", name,
                         word);
}

/* One of the verb's own options; words->at is behind it afterwards. */
static int take_option(struct pawl_cli *cli, struct words *words, struct split *split)
{
    const char *word = words->items[words->at++] + 2;
    size_t name_length = strcspn(word, "=");
    const char *value = word[name_length] ? word + name_length + 1 : NULL;
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)name_length, word);

    if (strcmp(name, "help") == 0) {
        /* TABLE may stand in the next word: it is the one operand that may follow. */
        if (!value && words->at + 1 == words->count && words->items[words->at][0] != '-' &&
            split->operand_count == 0)
            value = words->items[words->at++];
        split->help = value ? value : "";
        return PAWL_EXIT_DONE;
    }
    for (size_t i = 0; i < cli->verb->option_count; i++) {
        const struct pawl_cli_option *option = &cli->verb->options[i];
        if (strcmp(option->name, name) != 0)
            continue;
        if (cli->option_values[i])
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "option '--%s' is given twice", name);
        if (!option->value && value)
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "option '--%s' takes no value, got '%s'",
                                 name, value);
        if (option->value && !value && words->at < words->count)
            value = words->items[words->at++];
        if (option->value && (!value || !value[0]))
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "option '--%s' needs its %s", name,
                                 option->value);
        if (option->choices && !is_choice(option->choices, value)) {
            char what[80];
            snprintf(what, sizeof(what), "--%s: ", name);
            return fail_choice(cli, what, value, option->choices);
        }
        cli->option_values[i] = value ? value : "";
        return PAWL_EXIT_DONE;
    }
    return fail_option(cli, name);
}

static int split_words(struct pawl_cli *cli, struct words *words, struct split *split)
{
    bool is_ended = false; /* by "--" */

    while (words->at < words->count) {
        char *word = words->items[words->at];
        int override_words =
            cli->verb->takes_config && !is_ended
                ? pawl_cfg_override_words(cli->program->tables, words->count - words->at,
                                          words->items + words->at)
                : 0;
        if (override_words) {
            while (override_words--)
                split->overrides[split->override_count++] = words->items[words->at++];
        } else if (cli->verb->takes_config && !is_ended && is_half_key(word)) {
            return fail_half_key(cli, word);
        } else if (cli->verb->takes_config && !is_ended &&
                   pawl_cfg_row_find(cli->program->tables, word)) {
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                                 "'%s' is a key and has no value: %s=VALUE (a file is written "
                                 "./%s)",
                                 word, word, word);
        } else if (is_ended || word[0] != '-' || !word[1]) {
            split->operands[split->operand_count++] = words->items[words->at];
            words->at++;
        } else if (strcmp(word, "--") == 0) {
            is_ended = true;
            words->at++;
        } else if (word[1] == '-') {
            int code = take_option(cli, words, split);
            if (code != PAWL_EXIT_DONE)
                return code;
        } else if (strcmp(word, "-h") == 0) {
            split->help = "";
            words->at++;
        } else {
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                                 "no option '%s'; options have two dashes", word);
        }
    }
    return PAWL_EXIT_DONE;
}

static int check_operands(const struct pawl_cli *cli, const struct split *split)
{
    const struct pawl_cli_verb *verb = cli->verb;
    if (split->operand_count < verb->operand_min)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "the line is not complete: %s %s %s",
                             cli->program->name, verb->name, verb->operands);
    if (verb->operand_max != PAWL_CLI_OPERANDS_ANY && split->operand_count > verb->operand_max)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "'%s' is too much; the line is: %s %s%s%s",
                             split->operands[verb->operand_max], cli->program->name, verb->name,
                             verb->operands ? " " : "", verb->operands ? verb->operands : "");
    for (int i = 0; i < split->operand_count; i++)
        if (!split->operands[i][0])
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "an argument is empty: %s %s %s",
                                 cli->program->name, verb->name, verb->operands);
    for (int i = 0; verb->operand_choices && i < split->operand_count; i++)
        if (!is_choice(verb->operand_choices, split->operands[i]))
            return fail_choice(cli, "", split->operands[i], verb->operand_choices);
    return PAWL_EXIT_DONE;
}

static int run_verb(struct pawl_cli *cli, struct words *words, struct split *split)
{
    int code = split_words(cli, words, split);
    if (code != PAWL_EXIT_DONE)
        return code;
    if (split->help)
        return print_verb_help(cli, split->help);
    if (pawl_cli_is_group(cli->verb)) {
        const char *word = split->operand_count ? split->operands[0] : "";
        return strcmp(word, "help") == 0 ? print_verb_help(cli, "") : fail_member(cli, word);
    }
    code = check_operands(cli, split);
    if (code != PAWL_EXIT_DONE)
        return code;
    cli->overrides = split->overrides;
    cli->override_count = split->override_count;
    return cli->verb->run(cli, split->operand_count, split->operands);
}

/* What stands before any verb: --version, --help. */
static int run_without_verb(struct pawl_cli *cli, struct words *words)
{
    if (words->count == 0) {
        pawl_cli_print_overview(cli->program, cli->err, false);
        return PAWL_EXIT_USAGE;
    }
    const char *word = words->items[0];
    if (strcmp(word, "--version") == 0 && words->count == 1) {
        fprintf(cli->out, "%s %s\n", cli->program->name, cli->program->version);
        return PAWL_EXIT_DONE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_help(cli, words->count - 1, words->items + 1);
    if (strncmp(word, "--help=", 7) == 0 && words->count == 1) {
        char *topic = words->items[0] + 7;
        return print_help(cli, 1, &topic);
    }
    if (strcmp(word, "--version") == 0)
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "'%s' is too much behind --version",
                             words->items[1]);
    if (word[0] == '-') {
        struct pawl_nearest nearest = {.word = word + strspn(word, "-")};
        pawl_nearest_offer(&nearest, "version");
        pawl_nearest_offer(&nearest, "help");
        if (nearest.best)
            return pawl_cli_fail(cli, PAWL_EXIT_USAGE, "no option '%s'; did you mean '--%s'?",
                                 word, nearest.best);
        return pawl_cli_fail(cli, PAWL_EXIT_USAGE,
                             "no option '%s'; before the verb there is --version and --help",
                             word);
    }
    return fail_verb(cli, word);
}

int pawl_cli_run(const struct pawl_cli_program *program, int argc, char **argv, FILE *out,
                 FILE *err)
{
    struct pawl_cli cli = {.program = program, .out = out, .err = err};
    struct words words = {.items = argv + 1, .count = argc > 0 ? argc - 1 : 0};

    int fd = fileno(out);
    cli.has_color = fd >= 0 && pawl_text_wants_colour(fd);
    cli.verb = take_verb(program, &words);
    if (!cli.verb)
        return run_without_verb(&cli, &words);

    size_t word_count = (size_t)words.count + 1;
    struct split split = {
        .overrides = calloc(word_count, sizeof(*split.overrides)),
        .operands = calloc(word_count, sizeof(*split.operands)),
    };
    cli.option_values = calloc(cli.verb->option_count + 1, sizeof(*cli.option_values));
    int code = split.overrides && split.operands && cli.option_values
                   ? run_verb(&cli, &words, &split)
                   : pawl_cli_fail(&cli, PAWL_EXIT_FAILED, "no memory for the command line");
    free(cli.option_values);
    free(split.operands);
    free(split.overrides);
    return code;
}

/* A program started without a standard descriptor would get it back as the number of the first
 * file it opens, and print into that file. What takes its place here refuses the use instead.
 */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
}

static int close_output(const struct pawl_cli_program *program, int code)
{
    bool has_failed = fflush(stdout) != 0;
    int reason = has_failed ? errno : EIO;
    if (!has_failed && ferror(stdout)) {
        /* A write before the last one failed, and stdio kept no reason. The output is broken
         * already, so one more byte is tried to learn it. */
        has_failed = true;
        if (write(STDOUT_FILENO, "\n", 1) < 0)
            reason = errno;
    }
    if (fclose(stdout) != 0 && !has_failed) {
        has_failed = true;
        reason = errno;
    }
    if (!has_failed)
        return code;
    if (reason != EPIPE) /* a reader that has seen enough knows */
        fprintf(stderr, "%s: write to standard output: %s\n", program->name, strerror(reason));
    return code == PAWL_EXIT_DONE ? PAWL_EXIT_FAILED : code;
}

int pawl_cli_main(const struct pawl_cli_program *program, int argc, char **argv)
{
    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
#ifdef PAWL_FAULTS
    struct pawl_err err = {0};
    if (pawl_fault_arm_from_env(&err) != 0) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return PAWL_EXIT_USAGE;
    }
#endif
    return close_output(program, pawl_cli_run(program, argc, argv, stdout, stderr));
}
