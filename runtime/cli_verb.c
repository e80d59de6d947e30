/* cli_verb.c: what most verbs begin and end with. */
#include "runtime/cli.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cfg.h"
#include "runtime/json.h"

#define JSON_BYTES_MAX ((size_t)64 << 20)

static int open_cfg(struct pawl_cli *cli, const struct pawl_cfg_base *base, bool is_part,
                    const char *path, struct pawl_cfg **cfg)
{
    struct pawl_err err = {0};
    struct pawl_cfg_source source = {
        .path = path,
        .environment = environ,
        .words = cli->overrides,
        .word_count = cli->override_count,
        .base = base,
        .is_part = is_part,
    };
    *cfg = NULL;
    if (pawl_cfg_open(cfg, cli->program->tables, &source, &err) == 0)
        return PAWL_EXIT_DONE;
    if (!*cfg)
        return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    pawl_cfg_problems_print(*cfg, cli->err);
    return PAWL_EXIT_USAGE;
}

int pawl_cli_open_cfg(struct pawl_cli *cli, const char *path, struct pawl_cfg **cfg)
{
    return open_cfg(cli, NULL, false, path, cfg);
}

int pawl_cli_open_cfg_part(struct pawl_cli *cli, const char *path, struct pawl_cfg **cfg)
{
    return open_cfg(cli, NULL, true, path, cfg);
}

int pawl_cli_open_cfg_on(struct pawl_cli *cli, const struct pawl_cfg_base *base,
                         const char *path, struct pawl_cfg **cfg)
{
    return open_cfg(cli, base, false, path, cfg);
}

const char *pawl_cli_folder(const char *typed, char path[PATH_MAX])
{
    size_t length = strnlen(typed, PATH_MAX - 1);
    while (length > 1 && typed[length - 1] == '/')
        length--;
    memcpy(path, typed, length);
    path[length] = '\0';
    return path;
}

static int tell_look(struct pawl_cli *cli, const struct pawl_cfg *cfg, int code)
{
    pawl_cfg_warnings_print(cfg, cli->err);
    if (code == 0)
        return PAWL_EXIT_DONE;
    pawl_cfg_problems_print(cfg, cli->err);
    return code == -ENODEV ? PAWL_EXIT_MISSING : PAWL_EXIT_USAGE;
}

int pawl_cli_look(struct pawl_cli *cli, struct pawl_cfg *cfg)
{
    struct pawl_err err = {0};
    return tell_look(cli, cfg, pawl_cfg_look(cfg, &err));
}

int pawl_cli_look_given(struct pawl_cli *cli, struct pawl_cfg *cfg)
{
    struct pawl_err err = {0};
    return tell_look(cli, cfg, pawl_cfg_look_given(cfg, &err));
}

void pawl_cli_open_json(struct pawl_json_writer *json)
{
    pawl_json_open_growing(json, JSON_BYTES_MAX);
    json->indent_count = 2;
}

int pawl_cli_print_json(struct pawl_cli *cli, struct pawl_json_writer *json)
{
    struct pawl_err err = {0};
    const char *text = pawl_json_finish(json, NULL, &err);
    if (text)
        fprintf(cli->out, "%s\n", text);
    pawl_json_close_writer(json);
    return text ? PAWL_EXIT_DONE : pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
}
