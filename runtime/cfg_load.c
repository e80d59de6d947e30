/* cfg_load.c: a file and what it extends, down to single values. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "runtime/cfg_internal.h"

/* Longer than any key that could be known, so that a cut one is not taken for one that is. */
#define PATH_TEXT_BYTES (2 * PAWL_CFG_KEY_BYTES_MAX)

static int load_one(struct pawl_cfg *cfg, const char *path, const struct pawl_cfg_mark *by,
                    unsigned nest);

static struct pawl_cfg_mark mark_of(uint32_t file_index, const struct pawl_toml_node *node)
{
    return (struct pawl_cfg_mark){.layer = PAWL_CFG_LAYER_FILE,
                                  .file_index = file_index,
                                  .key_at = node->key_at,
                                  .at = node->key_at};
}

static bool is_word(const struct pawl_toml_node *node)
{
    for (uint32_t i = 0; i < node->key_bytes; i++) {
        char c = node->key[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return node->key_bytes > 0;
}

/* The whole key of a node in a table; a part that is not a plain word goes in quotes, and so
 * equals no key of a row. */
static void make_path(char *path, const char *table_name, const struct pawl_toml_node *node)
{
    char plain[PAWL_CFG_KEY_BYTES_MAX];
    size_t table_bytes = strlen(table_name), dot_bytes = table_bytes > 0;

    memcpy(path, table_name, table_bytes + 1);
    if (is_word(node) && table_bytes + dot_bytes + node->key_bytes < PATH_TEXT_BYTES) {
        path[table_bytes] = '.';
        memcpy(path + table_bytes + dot_bytes, node->key, node->key_bytes + 1);
        return;
    }
    pawl_text_plain(node->key, node->key_bytes, plain, sizeof(plain));
    snprintf(path + table_bytes, PATH_TEXT_BYTES - table_bytes, "%s\"%s\"",
             dot_bytes ? "." : "", plain);
}

/* True for "policy" when there is a table "policy" or "policy.sac". */
static bool is_table_name(const struct pawl_cfg *cfg, const char *name)
{
    size_t bytes = strlen(name);

    for (size_t i = 0; i < cfg->table_count; i++) {
        const char *known = cfg->tables[i]->name;
        if (strncmp(known, name, bytes) == 0 && (known[bytes] == '\0' || known[bytes] == '.'))
            return true;
    }
    return false;
}

static void load_table(struct pawl_cfg *cfg, const struct pawl_toml *toml, uint32_t table_index,
                       uint32_t file_index, const char *table_name)
{
    for (uint32_t i = pawl_toml_first(toml, table_index); i; i = pawl_toml_next(toml, i)) {
        const struct pawl_toml_node *node = &toml->nodes[i];
        struct pawl_cfg_mark mark = mark_of(file_index, node);
        char path[PATH_TEXT_BYTES];

        make_path(path, table_name, node);
        struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, path);
        bool is_known_table = !slot && is_table_name(cfg, path);

        if (table_index == 0 && (strncmp(path, "x-", 2) == 0 || strcmp(path, "extends") == 0))
            continue;
        if (slot)
            pawl_cfg_value_set(cfg, slot, toml, i, &mark);
        else if (is_known_table && node->type == PAWL_TOML_TABLE)
            load_table(cfg, toml, i, file_index, path);
        else if (is_known_table)
            pawl_cfg_problem_hint(
                pawl_cfg_problem_add(cfg, &mark, NULL, "'%s' is a table, not a value", path),
                "its keys stand below a line [%s]", path);
        else if (node->type == PAWL_TOML_TABLE && cfg->has_other_tables)
            continue;
        else if (node->type == PAWL_TOML_TABLE)
            pawl_cfg_problem_unknown_table(cfg, &mark, path);
        else
            pawl_cfg_problem_unknown_key(cfg, &mark, path);
    }
}

/* What a file extends is meant relative to it. */
static bool join(const char *from, const char *name, char *path, size_t path_bytes)
{
    const char *slash = name[0] == '/' ? NULL : strrchr(from, '/');
    int length =
        snprintf(path, path_bytes, "%.*s%s", slash ? (int)(slash - from) + 1 : 0, from, name);

    return length > 0 && (size_t)length < path_bytes;
}

static int extend(struct pawl_cfg *cfg, const struct pawl_toml_node *node,
                  const struct pawl_toml_node *item, uint32_t file_index, unsigned nest)
{
    struct pawl_cfg_mark mark = mark_of(file_index, node);
    char path[PATH_MAX];

    mark.at = item->value_at;
    if (item->type != PAWL_TOML_TEXT) {
        pawl_cfg_problem_add(cfg, &mark, NULL, "'extends' must be a list of file names");
        return 0;
    }
    if (item->text_bytes == 0 || strlen(item->text) != item->text_bytes ||
        !join(cfg->files[file_index].path, item->text, path, sizeof(path))) {
        pawl_cfg_problem_add(cfg, &mark, NULL, "'extends' holds what cannot be a file name");
        return 0;
    }
    return load_one(cfg, path, &mark, nest + 1);
}

static int load_bases(struct pawl_cfg *cfg, const struct pawl_toml *toml, uint32_t file_index,
                      unsigned nest)
{
    int code = 0;

    for (uint32_t i = pawl_toml_first(toml, 0); i; i = pawl_toml_next(toml, i)) {
        const struct pawl_toml_node *node = &toml->nodes[i];

        if (strcmp(node->key, "extends") != 0)
            continue;
        if (node->type != PAWL_TOML_LIST)
            return extend(cfg, node, node, file_index, nest);
        for (uint32_t j = pawl_toml_first(toml, i); j && code == 0; j = pawl_toml_next(toml, j))
            code = extend(cfg, node, &toml->nodes[j], file_index, nest);
    }
    return code;
}

/* Reports a file that extends itself, over however many others; false when it does not. */
static bool is_cycle(struct pawl_cfg *cfg, uint32_t file_index, const struct pawl_cfg_mark *by)
{
    const struct pawl_cfg_file *file = &cfg->files[file_index];
    const struct pawl_cfg_file *chain[PAWL_CFG_EXTENDS_NEST_MAX + 2];
    char text[512], plain[128];
    size_t count = 0, at = 0;
    bool is_met = false;

    for (uint32_t i = file_index; count < sizeof(chain) / sizeof(chain[0]);) {
        chain[count++] = &cfg->files[i];
        is_met = count > 1 && cfg->files[i].inode == file->inode &&
                 cfg->files[i].device == file->device;
        if (is_met || cfg->files[i].parent_index == i)
            break;
        i = cfg->files[i].parent_index;
    }
    if (!is_met)
        return false;
    for (size_t i = count; i-- > 0 && at < sizeof(text);) {
        pawl_text_plain(chain[i]->path, strlen(chain[i]->path), plain, sizeof(plain));
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", plain, i ? " -> " : "");
    }
    pawl_cfg_problem_add(cfg, by, NULL, "'extends' goes in a circle: %s", text);
    return true;
}

/* `by` is the entry of `extends` that named the file; NULL for the first. */
static int load_one(struct pawl_cfg *cfg, const char *path, const struct pawl_cfg_mark *by,
                    unsigned nest)
{
    struct pawl_err err = {0};
    struct pawl_toml toml;
    char plain[512];
    uint32_t file_index = 0;

    if (nest > PAWL_CFG_EXTENDS_NEST_MAX) {
        pawl_cfg_problem_add(cfg, by, NULL, "'extends' goes through more than %d files",
                             PAWL_CFG_EXTENDS_NEST_MAX);
        return 0;
    }
    int code =
        pawl_cfg_file_read(cfg, path, by ? by->file_index : cfg->file_count, &file_index, &err);
    if (code == -ENOMEM)
        return code;
    if (code != 0) {
        const struct pawl_cfg_mark whole = {.layer = PAWL_CFG_LAYER_FILE,
                                            .file_index = file_index};
        pawl_text_plain(path, strlen(path), plain, sizeof(plain));
        if (by)
            pawl_cfg_problem_add(cfg, by, NULL, "cannot read '%s': %s", plain, err.text);
        else
            pawl_cfg_problem_add(cfg, &whole, NULL, "cannot read it: %s", err.text);
        return 0;
    }
    if (by && is_cycle(cfg, file_index, by))
        return 0;

    code = pawl_cfg_toml_open(cfg, file_index, &toml);
    if (code != 0)
        return code == -EINVAL ? 0 : code;
    code = load_bases(cfg, &toml, file_index, nest);
    if (code == 0)
        load_table(cfg, &toml, 0, file_index, "");
    pawl_toml_close(&toml);
    return code;
}

int pawl_cfg_load_file(struct pawl_cfg *cfg, const char *path)
{
    return load_one(cfg, path, NULL, 0);
}
