/* verb_config.c: pawl config: thin verbs over cfg.h. */
#include "runtime/verbs.h"

#include <errno.h>
#include <string.h>

#include "runtime/cfg.h"
#include "runtime/cli_text.h"

static int run_check(struct pawl_cli *cli, int argc, char **argv)
{
    int code = PAWL_EXIT_DONE;

    for (int i = 0; i < argc; i++) {
        struct pawl_cfg *cfg;
        int file_code = pawl_cli_open_cfg(cli, argv[i], &cfg);
        if (file_code == PAWL_EXIT_DONE)
            file_code = pawl_cli_look(cli, cfg);
        if (file_code == PAWL_EXIT_DONE)
            fprintf(cli->out, "%s: ok\n", argv[i]);
        else if (code == PAWL_EXIT_DONE)
            code = file_code;
        pawl_cfg_close(cfg);
    }
    return code;
}

static int run_dump(struct pawl_cli *cli, int argc, char **argv)
{
    struct pawl_cfg *cfg;
    int code = pawl_cli_open_cfg(cli, argc ? argv[0] : NULL, &cfg);
    if (code == PAWL_EXIT_DONE && pawl_cli_has(cli, "origin"))
        pawl_cfg_dump_origin(cfg, cli->out);
    else if (code == PAWL_EXIT_DONE)
        pawl_cfg_dump(cfg, cli->out);
    pawl_cfg_close(cfg);
    return code;
}

static int run_diff(struct pawl_cli *cli, int argc, char **argv)
{
    struct pawl_cfg *a;
    struct pawl_cfg *b = NULL;
    (void)argc;
    int code = pawl_cli_open_cfg(cli, argv[0], &a);
    int b_code = pawl_cli_open_cfg(cli, argv[1], &b);
    if (code == PAWL_EXIT_DONE)
        code = b_code;
    if (code == PAWL_EXIT_DONE)
        pawl_cfg_diff(a, b, cli->out);
    pawl_cfg_close(a);
    pawl_cfg_close(b);
    return code;
}

static const char *const schema_formats[] = {"text", "md", "json", "toml", "man", NULL};

static int run_schema(struct pawl_cli *cli, int argc, char **argv)
{
    const struct pawl_cfg_table *const *tables = cli->program->tables;
    const struct pawl_cfg_table *one[2] = {NULL, NULL};

    if (argc) {
        one[0] = pawl_cli_table(cli, argv[0]);
        if (!one[0])
            return PAWL_EXIT_USAGE;
        tables = one;
    }
    const char *format = pawl_cli_value(cli, "format");
    if (format && strcmp(format, "json") == 0) {
        struct pawl_err err = {0};
        return pawl_cfg_schema_json(tables, cli->out, &err) == 0
                   ? PAWL_EXIT_DONE
                   : pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    }
    if (format && strcmp(format, "man") == 0)
        pawl_cli_print_man_config(cli->program, tables, cli->out);
    else if (format && strcmp(format, "md") == 0)
        pawl_cfg_schema(tables, PAWL_CFG_FORMAT_MD, cli->out);
    else if (format && strcmp(format, "toml") == 0)
        pawl_cfg_schema(tables, PAWL_CFG_FORMAT_TOML, cli->out);
    else
        pawl_cfg_schema(tables, PAWL_CFG_FORMAT_HELP, cli->out);
    return PAWL_EXIT_DONE;
}

const struct pawl_cli_verb pawl_verb_config = {
    .name = "config",
    .help = "Check, print and compare configurations.",
};

const struct pawl_cli_verb pawl_verb_config_check = {
    .name = "config check",
    .help = "Report every problem of a configuration.",
    .operands = "FILE...",
    .details =
        "All problems are printed at once, each with its place, the rule and the nearest "
        "known key. Nothing is started or written. The environment and the overrides of "
        "the line count. What values name, a file of demonstrations, a checkpoint, a device, "
        "is looked for, too: exit code 3 when only such things are missing.",
    .operand_min = 1,
    .operand_max = PAWL_CLI_OPERANDS_ANY,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .takes_config = true,
    .run = run_check,
};

static const struct pawl_cli_option dump_options[] = {
    {.name = "origin", .help = "Add where each value comes from."},
};

const struct pawl_cli_verb pawl_verb_config_dump = {
    .name = "config dump",
    .help = "Print the configuration a run would use.",
    .operands = "[FILE]",
    .details = "All keys, as TOML that gives the same configuration again. Without FILE: the "
               "defaults, the environment and the overrides of the line.",
    .options = dump_options,
    .option_count = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .takes_config = true,
    .run = run_dump,
};

static const struct pawl_cli_option schema_options[] = {
    {.name = "format",
     .value = "FORMAT",
     .choices = schema_formats,
     .help = "text for a terminal, md for a reference page, json for programs, toml for a file "
             "with every key at its default, man for pawl.toml(5)."},
};

const struct pawl_cli_verb pawl_verb_config_schema = {
    .name = "config schema",
    .help = "Print all keys with their rules.",
    .operands = "[TABLE]",
    .options = schema_options,
    .option_count = 1,
    .operand_max = 1,
    .operand_type = PAWL_CLI_OPERAND_TABLE,
    .run = run_schema,
};

const struct pawl_cli_verb pawl_verb_config_diff = {
    .name = "config diff",
    .help = "Print the keys in which two files differ.",
    .operands = "FILE FILE",
    .details =
        "One block per key: the value and the origin in the first file, then in the second. "
        "Files that give the same configuration print nothing; either way the exit code "
        "is 0.",
    .operand_min = 2,
    .operand_max = 2,
    .operand_type = PAWL_CLI_OPERAND_FILE,
    .takes_config = true,
    .run = run_diff,
};
