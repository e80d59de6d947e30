#include "runtime/cli.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/cfg.h"
#include "runtime/cli_text.h"
#include "runtime/print.h"
#include "runtime/verbs.h"

#include "support/temp.h"
#include "support/test.h"

/* What the verbs of this program were called with. */
static char seen[1024];

static int run_seen(struct pawl_cli *cli, int argc, char **argv)
{
    int length = snprintf(seen, sizeof(seen), "%s:", cli->verb->name);
    for (int i = 0; i < argc; i++)
        length += snprintf(seen + length, sizeof(seen) - (size_t)length, " %s", argv[i]);
    for (size_t i = 0; i < cli->verb->option_count; i++)
        if (pawl_cli_has(cli, cli->verb->options[i].name))
            length += snprintf(seen + length, sizeof(seen) - (size_t)length, " {%s=%s}",
                               cli->verb->options[i].name,
                               pawl_cli_value(cli, cli->verb->options[i].name));
    for (int i = 0; i < cli->override_count; i++)
        length +=
            snprintf(seen + length, sizeof(seen) - (size_t)length, " <%s>", cli->overrides[i]);
    ck_assert_ptr_null(argv[argc]);
    ck_assert_ptr_null(pawl_cli_value(cli, "nothing"));
    return PAWL_EXIT_CHILD;
}

static const char *const kinds[] = {"fast", "slow", NULL};

static const struct pawl_cli_option options[] = {
    {.name = "watch", .help = "Look at it while it runs."},
    {.name = "kind", .value = "KIND", .choices = kinds, .help = "How it runs."},
    {.name = "seconds",
     .value = "N",
     .help = "For how long it runs, which is a sentence that has "
             "to be wrapped, since it is so long."},
};

static const struct pawl_cli_verb verb_train = {
    .name = "train",
    .help = "Train a policy.",
    .operands = "FILE",
    .options = options,
    .option_count = 3,
    .operand_min = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .takes_config = true,
    .run = run_seen,
};
static const struct pawl_cli_verb verb_env = {.name = "env", .help = "Environments."};
static const struct pawl_cli_verb verb_env_list = {
    .name = "env list", .help = "List them.", .run = run_seen};
static const struct pawl_cli_verb verb_env_check = {
    .name = "env check",
    .help = "Try them.",
    .operands = "[FILE]...",
    .operand_max = PAWL_CLI_OPERANDS_ANY,
    .run = run_seen,
};

static const struct pawl_cli_verb *const verbs[] = {
    &verb_train,
    &verb_env,
    &verb_env_list,
    &verb_env_check,
    &pawl_verb_info,
    &pawl_verb_help,
    &pawl_verb_completion,
    &pawl_verb_config,
    &pawl_verb_config_check,
    &pawl_verb_config_dump,
    &pawl_verb_config_schema,
    &pawl_verb_config_diff,
    NULL,
};

struct run_cfg {
    int64_t seed;
    bool repeat;
};
struct sac_cfg {
    double discount;
    int32_t critic;
};

static const struct pawl_cfg_row run_rows[] = {
    PAWL_CFG_I64_ROW(struct run_cfg, "run.seed", seed, 7, 0, 100, "", "Where chance begins."),
    PAWL_CFG_BOOL_ROW(struct run_cfg, "run.repeat", repeat, false, "Again and again."),
};
static const struct pawl_cfg_table run_table = {
    .name = "run",
    .help = "What a run is.",
    .rows = run_rows,
    .row_count = 2,
    .fields_bytes = sizeof(struct run_cfg),
};
static const char *const critics[] = {"one", "two", NULL};
static const struct pawl_cfg_row sac_rows[] = {
    PAWL_CFG_F64_ROW(struct sac_cfg, "policy.sac.discount", discount, 0.99, 0.0, 1.0, "",
                     "Worth of a reward one step later."),
    PAWL_CFG_CHOICE_ROW(struct sac_cfg, "policy.sac.critic", critic, 1, critics,
                        "How many there are."),
};
static const struct pawl_cfg_table sac_table = {
    .name = "policy.sac",
    .help = "Soft actor-critic.",
    .rows = sac_rows,
    .row_count = 2,
    .fields_bytes = sizeof(struct sac_cfg),
};
static const struct pawl_cfg_table *const tables[] = {&run_table, &sac_table, NULL};

static const struct pawl_cli_library libraries[] = {{"liburing", "2.3"}};
static const struct pawl_cli_build build = {
    .type = "Debug",
    .compiler = "GNU 12",
    .options = "",
    .sanitizer = "",
    .libraries = libraries,
    .library_count = 1,
};
static const struct pawl_cli_program program = {
    .name = "pawl",
    .version = "1.2.3",
    .help = "a test",
    .verbs = verbs,
    .tables = tables,
    .build = &build,
};

static char *out_text;
static char *err_text;

/* Runs a line, words between single blanks; "''" is the empty word. */
static int run_line(const char *line)
{
    char words[512];
    char *argv[32] = {NULL};
    int argc = 0;
    size_t out_bytes, err_bytes;

    free(out_text);
    free(err_text);
    seen[0] = '\0';
    FILE *out = open_memstream(&out_text, &out_bytes);
    FILE *err = open_memstream(&err_text, &err_bytes);
    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    int code = pawl_cli_run(&program, argc, argv, out, err);
    fclose(out);
    fclose(err);
    return code;
}

/* Wrong lines say one sentence on standard error, nothing else, and exit with 2. */
static void assert_wrong(const char *line, const char *sentence)
{
    ck_assert_msg(run_line(line) == PAWL_EXIT_USAGE, "%s: exit code", line);
    ck_assert_str_eq(out_text, "");
    ck_assert_str_eq(err_text, sentence);
    ck_assert_str_eq(seen, "");
}

static void assert_runs(const char *line, const char *what)
{
    ck_assert_msg(run_line(line) == PAWL_EXIT_CHILD, "%s: %s", line, err_text);
    ck_assert_str_eq(seen, what);
    ck_assert_str_eq(err_text, "");
}

START_TEST(options_operands_and_overrides_come_in_any_order)
{
    assert_runs("pawl train x.toml", "train: x.toml");
    assert_runs("pawl train --watch x.toml --kind=slow", "train: x.toml {watch=} {kind=slow}");
    assert_runs("pawl train --kind slow --seconds 3 x.toml",
                "train: x.toml {kind=slow} {seconds=3}");
    assert_runs("pawl train run.seed=3 x.toml --policy.sac.discount=0.5 --run.seed 4",
                "train: x.toml <run.seed=3> <--policy.sac.discount=0.5> <--run.seed> <4>");
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    assert_runs("pawl train -- --watch", "train: --watch");
    assert_runs("pawl train -- run.seed=3", "train: run.seed=3");
    assert_runs("pawl train -", "train: -");
}
END_TEST

START_TEST(a_verb_may_have_two_words)
{
    assert_runs("pawl env list", "env list:");
    assert_runs("pawl env check a b c", "env check: a b c");
    assert_wrong("pawl env", "pawl env: one of these is missing: list, check\n");
    assert_wrong("pawl env lits", "pawl env: no verb 'lits'; did you mean 'list'?\n");
    assert_wrong("pawl env frobnicate",
                 "pawl env: no verb 'frobnicate'; there is list, check\n");
}
END_TEST

START_TEST(a_wrong_verb_is_answered_with_the_nearest)
{
    assert_wrong("pawl trian x.toml", "pawl: no verb 'trian'; did you mean 'train'?\n");
    assert_wrong("pawl TRAIN", "pawl: no verb 'TRAIN'; did you mean 'train'?\n");
    assert_wrong("pawl frobnicate",
                 "pawl: no verb 'frobnicate'; 'pawl help' lists the verbs\n");
    assert_wrong("pawl ''", "pawl: no verb ''; 'pawl help' lists the verbs\n");
    assert_wrong("pawl help trian", "pawl: no verb 'trian'; did you mean 'train'?\n");
}
END_TEST

START_TEST(a_wrong_option_is_answered_with_the_nearest)
{
    assert_wrong("pawl train x --wacth",
                 "pawl train: no option '--wacth'; did you mean '--watch'?\n");
    assert_wrong("pawl train x --xyzzy",
                 "pawl train: no option '--xyzzy'; 'pawl train --help' lists the options\n");
    assert_wrong("pawl train x -w", "pawl train: no option '-w'; options have two dashes\n");
    assert_wrong("pawl train --watch=1 x",
                 "pawl train: option '--watch' takes no value, got '1'\n");
    assert_wrong("pawl train x --seconds", "pawl train: option '--seconds' needs its N\n");
    assert_wrong("pawl train x --seconds=1 --seconds=2",
                 "pawl train: option '--seconds' is given twice\n");
    assert_wrong("pawl train x --seconds=", "pawl train: option '--seconds' needs its N\n");
    assert_wrong("pawl train x --kind=fats",
                 "pawl train: --kind: 'fats' is none of fast, slow; did you mean 'fast'?\n");
    assert_wrong("pawl env list --json", "pawl env list: no option '--json'; "
                                         "'pawl env list --help' lists the options\n");
    assert_wrong("pawl -version", "pawl: no option '-version'; did you mean '--version'?\n");
    assert_wrong(
        "pawl --verbose",
        "pawl: no option '--verbose'; before the verb there is --version and --help\n");
    assert_wrong("pawl --version now", "pawl: 'now' is too much behind --version\n");
}
END_TEST

START_TEST(a_key_without_its_table_is_answered_with_the_whole_key)
{
    assert_wrong("pawl train x --seed=3",
                 "pawl train: no option '--seed'; did you mean '--run.seed'?\n");
    assert_wrong("pawl train x Seed=3", "pawl train: no key 'Seed'; did you mean 'run.seed'? "
                                        "(a file is written ./Seed=3)\n");
    assert_wrong("pawl train x xyzzy=3",
                 "pawl train: no key 'xyzzy'; a key is TABLE.KEY, and a "
                 "file is written ./xyzzy=3\n");
    assert_runs("pawl train ./seed=3", "train: ./seed=3");
    assert_runs("pawl train -- seed=3", "train: seed=3");
    assert_wrong("pawl train x run.seed",
                 "pawl train: 'run.seed' is a key and has no value: run.seed=VALUE (a file is "
                 "written ./run.seed)\n");
    assert_runs("pawl train ./run.seed", "train: ./run.seed");
}
END_TEST

START_TEST(too_few_and_too_many_operands_show_the_line)
{
    assert_wrong("pawl train", "pawl train: the line is not complete: pawl train FILE\n");
    assert_wrong("pawl train ''", "pawl train: an argument is empty: pawl train FILE\n");
    assert_wrong("pawl train a b",
                 "pawl train: 'b' is too much; the line is: pawl train FILE\n");
    assert_wrong("pawl env list x",
                 "pawl env list: 'x' is too much; the line is: pawl env list\n");
    assert_wrong("pawl completion fish",
                 "pawl completion: 'fish' is none of bash, zsh; did you mean 'bash'?\n");
}
END_TEST

START_TEST(nothing_at_all_shows_the_help_and_is_a_usage_error)
{
    ck_assert_int_eq(run_line("pawl"), PAWL_EXIT_USAGE);
    ck_assert_str_eq(out_text, "");
    ck_assert_ptr_nonnull(strstr(err_text, "usage: pawl VERB"));
}
END_TEST

START_TEST(the_version_is_one_line)
{
    ck_assert_int_eq(run_line("pawl --version"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, "pawl 1.2.3\n");
}
END_TEST

START_TEST(the_overview_lists_every_verb_group_and_table)
{
    ck_assert_int_eq(run_line("pawl help"), PAWL_EXIT_DONE);
    ck_assert_str_eq(
        out_text, "pawl 1.2.3: a test\n"
                  "usage: pawl VERB [--OPTION[=VALUE]]... [ARGUMENT]...\n"
                  "\n"
                  "  train                           Train a policy.\n"
                  "  env list|check                  Environments.\n"
                  "  info                            What this program and this machine are.\n"
                  "  help                            Explain a verb, or the keys of a table.\n"
                  "  completion                      Print the completion script of a shell.\n"
                  "  config check|dump|schema|diff   Check, print and compare configurations.\n"
                  "\n"
                  "more\n"
                  "  pawl VERB --help                All about a verb.\n"
                  "  pawl help TABLE                 The configuration keys of a table.\n"
                  "  pawl --help=all                 All about everything.\n"
                  "  pawl --version                  The version.\n"
                  "\n"
                  "tables: run policy.sac\n");
    char *overview = strdup(out_text);
    ck_assert_int_eq(run_line("pawl --help"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, overview);
    ck_assert_int_eq(run_line("pawl -h"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, overview);
    free(overview);
}
END_TEST

START_TEST(the_help_of_a_verb_comes_from_its_row)
{
    ck_assert_int_eq(run_line("pawl train --help"), PAWL_EXIT_DONE);
    ck_assert_str_eq(
        out_text,
        "pawl train: Train a policy.\n"
        "usage: pawl train FILE [--watch] [--kind=fast|slow] [--seconds=N] [KEY=VALUE]...\n"
        "\n"
        "options\n"
        "  --watch                         Look at it while it runs.\n"
        "  --kind=fast|slow                How it runs.\n"
        "  --seconds=N                     For how long it runs, which is a sentence that\n"
        "                                  has to be wrapped, since it is so long.\n"
        "  --help[=TABLE]                  This, or the keys of a table; --help=all for\n"
        "                                  all of them.\n"
        "\n"
        "configuration\n"
        "  A later source wins: default, file, environment (PAWL__TABLE__KEY), command\n"
        "  line (--table.key=value or table.key=value).\n"
        "\n"
        "tables\n"
        "  run                             What a run is.\n"
        "  policy.sac                      Soft actor-critic.\n");
    char *help = strdup(out_text);
    ck_assert_int_eq(run_line("pawl help train"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, help);
    ck_assert_int_eq(run_line("pawl train x.toml --seconds=3 -h"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, help);
    free(help);
}
END_TEST

START_TEST(the_help_of_a_group_lists_its_verbs)
{
    ck_assert_int_eq(run_line("pawl env --help"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, "pawl env: Environments.\n"
                               "usage: pawl env list|check\n"
                               "\n"
                               "verbs\n"
                               "  env list                        List them.\n"
                               "  env check                       Try them.\n"
                               "\n"
                               "options\n"
                               "  --help                          This.\n");
    char *help = strdup(out_text);
    ck_assert_int_eq(run_line("pawl env help"), PAWL_EXIT_DONE);
    ck_assert_str_eq(out_text, help);
    free(help);
    assert_wrong("pawl help env lits", "pawl env: no verb 'lits'; did you mean 'list'?\n");
}
END_TEST

START_TEST(the_keys_of_a_table_can_be_asked_for_in_four_ways)
{
    static const char *const lines[] = {"pawl help train policy.sac",
                                        "pawl train --help policy.sac",
                                        "pawl train --help=policy.sac", "pawl help policy.sac"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(run_line(lines[i]), PAWL_EXIT_DONE);
        ck_assert_ptr_nonnull(strstr(out_text, "discount"));
        ck_assert_ptr_nonnull(strstr(out_text, "0.99"));
        ck_assert_ptr_null(strstr(out_text, "seed"));
        ck_assert_ptr_null(strstr(out_text, "usage"));
    }
    ck_assert_int_eq(run_line("pawl train --help=all"), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, "usage: pawl train"));
    ck_assert_ptr_nonnull(strstr(out_text, "seed"));
    ck_assert_ptr_nonnull(strstr(out_text, "discount"));
}
END_TEST

START_TEST(a_wrong_topic_is_answered_with_the_nearest)
{
    assert_wrong(
        "pawl train --help policy.sca",
        "pawl train: no configuration table 'policy.sca'; did you mean 'policy.sac'?\n");
    assert_wrong("pawl train --help=xyzzy", "pawl train: no configuration table 'xyzzy'; "
                                            "'pawl help' lists the tables\n");
    assert_wrong("pawl help train run x",
                 "pawl help: 'x' is too much; VERB and TABLE are enough\n");
    assert_wrong("pawl info --help=run",
                 "pawl info: it reads no configuration, so there is no help on 'run'\n");
}
END_TEST

START_TEST(help_on_all_has_every_verb_and_every_key)
{
    ck_assert_int_eq(run_line("pawl --help=all"), PAWL_EXIT_DONE);
    for (const struct pawl_cli_verb *const *verb = verbs; *verb; verb++) {
        char heading[80];
        snprintf(heading, sizeof(heading), "\npawl %s: ", (*verb)->name);
        ck_assert_msg(strstr(out_text, heading) != NULL, "no%s", heading);
    }
    ck_assert_ptr_nonnull(strstr(out_text, "critic"));
}
END_TEST

START_TEST(help_never_exceeds_eighty_columns)
{
    static const char *const lines[] = {"pawl --help=all", "pawl help train", "pawl help run"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_int_eq(run_line(lines[i]), PAWL_EXIT_DONE);
        for (char *line = strtok(out_text, "\n"); line; line = strtok(NULL, "\n")) {
            ck_assert_msg(strlen(line) <= PAWL_PRINT_COLUMNS, "%s", line);
            ck_assert_msg(line[strlen(line) - 1] != ' ', "'%s'", line);
        }
    }
}
END_TEST

START_TEST(a_man_page_has_every_verb_and_escapes_what_roff_would_read)
{
    ck_assert_int_eq(run_line("pawl help --format=man"), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, ".SS \"env check\"\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "\\fB\\-\\-kind\\fR=\\fIKIND\\fR"));
    ck_assert_ptr_nonnull(strstr(out_text, "One of \\fBfast\\fR, \\fBslow\\fR."));
    ck_assert_ptr_nonnull(strstr(out_text, ".TP\n130\n"));
    ck_assert_ptr_null(strstr(out_text, " --"));
    ck_assert_int_eq(run_line("pawl config schema --format=man"), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, ".TH \"PAWL.TOML\" 5"));
    ck_assert_ptr_nonnull(strstr(out_text, "discount"));
    assert_wrong("pawl help --format=man train",
                 "pawl help: the man page is one for all verbs; leave 'train' out\n");
}
END_TEST

START_TEST(a_stream_that_is_no_terminal_gets_no_escape_bytes)
{
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    ck_assert_int_eq(run_line("pawl --help=all"), PAWL_EXIT_DONE);
    ck_assert_ptr_null(strchr(out_text, '\033'));
}
END_TEST

START_TEST(headings_are_bold_where_colour_is_wanted)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    pawl_cli_print_verb(&program, &verb_train, out, true);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "\n\033[1moptions\033[0m\n"));
    free(text);
}
END_TEST

START_TEST(info_is_text_or_json)
{
    ck_assert_int_eq(run_line("pawl info"), PAWL_EXIT_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, "pawl       version                   1.2.3\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "           liburing                  2.3\n"));
    ck_assert_ptr_nonnull(strstr(out_text, "\nio_uring   usable"));
    ck_assert_int_eq(run_line("pawl info --json"), PAWL_EXIT_DONE);
    ck_assert_int_eq(out_text[0], '{');
    ck_assert_ptr_nonnull(strstr(out_text, "\"liburing\": \"2.3\""));
    ck_assert_ptr_nonnull(strstr(out_text, "\"locked_memory_bytes\": "));
}
END_TEST

static int run_printing(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    int fd = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fprintf(cli->out, "meant for standard output\n");
    fflush(cli->out);
    close(fd);
    return PAWL_EXIT_DONE;
}

START_TEST(a_file_opened_later_does_not_become_standard_output)
{
    static const struct pawl_cli_verb verb = {
        .name = "print", .operands = "FILE", .operand_max = 1, .run = run_printing};
    static const struct pawl_cli_verb *const one_verb[] = {&verb, NULL};
    const struct pawl_cli_program printing = {
        .name = "pawl", .version = "0", .help = "", .verbs = one_verb, .tables = tables};
    char folder[TEMP_BYTES];
    char path[TEMP_BYTES + 8];
    temp_folder_make(folder);
    snprintf(path, sizeof(path), "%s/file", folder);
    char *argv[] = {"pawl", "print", path, NULL};

    pid_t child = fork();
    if (child == 0) {
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        _exit(pawl_cli_main(&printing, 3, argv));
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), PAWL_EXIT_FAILED);
    struct stat file;
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_int_eq(file.st_size, 0);
    temp_folder_remove(folder);
}
END_TEST

PAWL_TEST_MAIN("cli", options_operands_and_overrides_come_in_any_order,
               two_dashes_end_the_options, a_verb_may_have_two_words,
               a_wrong_verb_is_answered_with_the_nearest,
               a_wrong_option_is_answered_with_the_nearest,
               a_key_without_its_table_is_answered_with_the_whole_key,
               too_few_and_too_many_operands_show_the_line,
               nothing_at_all_shows_the_help_and_is_a_usage_error, the_version_is_one_line,
               the_overview_lists_every_verb_group_and_table,
               the_help_of_a_verb_comes_from_its_row, the_help_of_a_group_lists_its_verbs,
               the_keys_of_a_table_can_be_asked_for_in_four_ways,
               a_wrong_topic_is_answered_with_the_nearest,
               help_on_all_has_every_verb_and_every_key, help_never_exceeds_eighty_columns,
               a_man_page_has_every_verb_and_escapes_what_roff_would_read,
               a_stream_that_is_no_terminal_gets_no_escape_bytes,
               headings_are_bold_where_colour_is_wanted, info_is_text_or_json,
               a_file_opened_later_does_not_become_standard_output)
