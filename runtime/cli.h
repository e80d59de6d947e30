/* cli.h: what people type. A verb is one row of a constant table; parsing, help, the man page
 * and completion all come from the rows.
 *
 *     static const struct pawl_cli_option options[] = {
 *         {.name = "json", .help = "Print JSON."},
 *     };
 *     static int run_info(struct pawl_cli *cli, int argc, char **argv)
 *     {
 *         if (pawl_cli_has(cli, "json")) ... fprintf(cli->out, ...);
 *         return PAWL_EXIT_DONE;
 *     }
 *     const struct pawl_cli_verb pawl_verb_info = {
 *         .name = "info", .help = "What this program and this machine are.",
 *         .options = options, .option_count = 1, .run = run_info,
 *     };
 *
 * A verb of two words ("config check") has a row of its own and a row of the first word,
 * without run, that gives the group its help. A library declares its verbs in its verbs.h; the
 * one list of all is in the program (pawl/main_pawl.c), which hands it to pawl_cli_main().
 *
 * The line is `pawl VERB [--option[=VALUE]]... [OPERAND]...`, in any order behind the verb;
 * `--` ends the options. A verb that takes a configuration also takes overrides (cfg.h).
 *
 * Thread safety: main thread only.
 */
#ifndef PAWL_RUNTIME_CLI_H
#define PAWL_RUNTIME_CLI_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a program of ours exits with. */
enum pawl_exit {
    PAWL_EXIT_DONE = 0,
    PAWL_EXIT_FAILED = 1,
    PAWL_EXIT_USAGE = 2,   /* what was typed is wrong, a path that is not there too */
    PAWL_EXIT_MISSING = 3, /* the machine lacks it: a library, a device, a program */
    PAWL_EXIT_CHILD = 4,   /* a child process died for good */
    PAWL_EXIT_FINAL = 5,   /* of a child: it failed, and would again; its run then ends with
                              PAWL_EXIT_FAILED */
    PAWL_EXIT_INTERRUPTED = 130, /* stopped from outside, the state is saved */
};

#define PAWL_CLI_OPERANDS_ANY (-1) /* operand_max: no limit */

struct pawl_cfg;
struct pawl_cfg_base;
struct pawl_cli;
struct pawl_cfg_table;
struct pawl_json_writer;

/* All texts are constants of the program, ASCII. `choices` arrays end with NULL. */
struct pawl_cli_option {
    const char *name;           /* without its dashes */
    const char *value;          /* what stands behind "=": "FILE"; NULL: a switch */
    const char *const *choices; /* the values there are; NULL: any */
    const char *help;           /* one sentence */
};

/* What the operands of a verb are, for completion. */
enum pawl_cli_operand {
    PAWL_CLI_OPERAND_OTHER,
    PAWL_CLI_OPERAND_FILE,
    PAWL_CLI_OPERAND_TABLE, /* of the configuration */
    PAWL_CLI_OPERAND_TOPIC, /* a verb or a table */
};

struct pawl_cli_verb {
    const char *name;                   /* "info", "config check" */
    const char *help;                   /* one sentence of at most 46 characters */
    const char *operands;               /* as in the usage line: "FILE..."; NULL: none */
    const char *const *operand_choices; /* what an operand may be; NULL: anything */
    const char *details;                /* paragraphs for the verb's own help; NULL: none */
    const struct pawl_cli_option *options;
    size_t option_count;
    int operand_min, operand_max;
    bool takes_config; /* overrides are allowed, and the help leads to the tables of keys */
    enum pawl_cli_operand operand_type;

    /* argv: the operands alone, argv[argc] is NULL. Returns an enum pawl_exit. NULL for the row
     * of a group. */
    int (*run)(struct pawl_cli *cli, int argc, char **argv);
};

/* A library and the version that was found when the program was built. */
struct pawl_cli_library {
    const char *name, *version;
};

/* How the program was built; the texts come from the build. */
struct pawl_cli_build {
    const char *type;      /* "Release" */
    const char *compiler;  /* "GNU 12.2.0" */
    const char *options;   /* "PAWL_FAULTS=ON ..." */
    const char *sanitizer; /* "" when there is none */
    const struct pawl_cli_library *libraries;
    size_t library_count;
};

/* What a layer above adds to `pawl info`, which alone asks for it: reading may take a while. */
struct pawl_cli_facts {
    const char *section;
    /* Calls put(sink, key, text) for each fact; keys as in the other sections. */
    void (*read)(void (*put)(void *sink, const char *key, const char *text), void *sink);
};

struct pawl_cli_program {
    const char *name, *version;
    const char *help;                           /* what it is, one line */
    const struct pawl_cli_verb *const *verbs;   /* in the order of the help; NULL at the end */
    const struct pawl_cfg_table *const *tables; /* of the configuration; NULL at the end */
    const struct pawl_cli_build *build;
    const struct pawl_cli_facts *const *facts; /* NULL at the end; NULL: none */
};

/* One command line, while its verb runs. */
struct pawl_cli {
    const struct pawl_cli_program *program;
    const struct pawl_cli_verb *verb;
    FILE *out, *err;        /* a verb prints here and nowhere else */
    bool has_color;         /* out is a terminal that wants it */
    char *const *overrides; /* the words that override keys, in their order */
    int override_count;
    const char **option_values; /* one per option of the verb; NULL: not given */
};

/* The whole program: puts the standard descriptors in order, arms fault points, runs the verb
 * and flushes standard output. What cannot be written is an error, never silence: SIGPIPE is
 * ignored from here on (children reset it). Returns what main() returns. */
int pawl_cli_main(const struct pawl_cli_program *program, int argc, char **argv);

/* The same on other streams and without touching the process, for tests. */
int pawl_cli_run(const struct pawl_cli_program *program, int argc, char **argv, FILE *out,
                 FILE *err);

/* A folder as it was typed, without slashes at its end: what is in it is named behind it. Cut
 * when too long, which who opens it finds. Returns path. */
const char *pawl_cli_folder(const char *typed, char path[PATH_MAX]);

/* The value of an option of this verb: "" for a switch that is on, NULL when it was not given.
 * Given twice, no verb runs. */
const char *pawl_cli_value(const struct pawl_cli *cli, const char *option_name);
bool pawl_cli_has(const struct pawl_cli *cli, const char *option_name);

/* The whole number of an option, from min to INT64_MAX; `standard` when it was not given.
 * Returns PAWL_EXIT_DONE, or PAWL_EXIT_USAGE with a sentence on cli->err. */
int pawl_cli_number(const struct pawl_cli *cli, const char *option_name, uint64_t standard,
                    uint64_t min, uint64_t *number);

/* Prints "pawl VERB: " and the sentence on cli->err; returns exit_code. */
int pawl_cli_fail(const struct pawl_cli *cli, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The table of configuration keys that somebody typed; NULL when there is none, and cli->err
 * was told what is near. */
const struct pawl_cfg_table *pawl_cli_table(const struct pawl_cli *cli, const char *name);

/* The configuration of a file (NULL: none), the environment and the overrides of the line.
 * Where it is wrong, prints all that is and returns the exit code; *cfg is the caller's to
 * close in all cases. */
int pawl_cli_open_cfg(struct pawl_cli *cli, const char *path, struct pawl_cfg **cfg);

/* The same in two parts, where some values say on what base the others stand, which has to
 * stay itself: the first looks at each key alone. */
int pawl_cli_open_cfg_part(struct pawl_cli *cli, const char *path, struct pawl_cfg **cfg);
int pawl_cli_open_cfg_on(struct pawl_cli *cli, const struct pawl_cfg_base *base,
                         const char *path, struct pawl_cfg **cfg);

/* Whether there is what an open configuration names. Where it is not, prints all that is
 * missing and returns PAWL_EXIT_USAGE, or PAWL_EXIT_MISSING where the machine lacks it all. */
int pawl_cli_look(struct pawl_cli *cli, struct pawl_cfg *cfg);
/* The same of what the environment and the line give alone. */
int pawl_cli_look_given(struct pawl_cli *cli, struct pawl_cfg *cfg);

/* A writer for what a verb prints with --json. print() prints what it holds, closes it and
 * returns the exit code. */
void pawl_cli_open_json(struct pawl_json_writer *json);
int pawl_cli_print_json(struct pawl_cli *cli, struct pawl_json_writer *json);

/* The row with the whole name; NULL when there is none. */
const struct pawl_cli_verb *pawl_cli_verb_find(const struct pawl_cli_program *program,
                                               const char *name);

/* True for the row of a group, and for a verb that is in it. */
bool pawl_cli_is_group(const struct pawl_cli_verb *verb);
bool pawl_cli_is_member(const struct pawl_cli_verb *verb, const struct pawl_cli_verb *group);

#endif
