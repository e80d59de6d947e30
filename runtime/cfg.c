#include "runtime/cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"

static int compare_slots(const void *a, const void *b)
{
    const struct pawl_cfg_slot *left = a, *right = b;
    return strcmp(left->row->key, right->row->key);
}

struct pawl_cfg_slot *pawl_cfg_slot_find(const struct pawl_cfg *cfg, const char *key)
{
    const struct pawl_cfg_row row = {.key = key};
    const struct pawl_cfg_slot wanted = {.row = &row};

    return bsearch(&wanted, cfg->slots, cfg->slot_count, sizeof(wanted), compare_slots);
}

const struct pawl_cfg_table *pawl_cfg_table_find(const struct pawl_cfg_table *const *tables,
                                                 const char *name)
{
    for (; *tables; tables++)
        if (strcmp((*tables)->name, name) == 0)
            return *tables;
    return NULL;
}

const struct pawl_cfg_row *pawl_cfg_row_find(const struct pawl_cfg_table *const *tables,
                                             const char *key)
{
    for (; *tables; tables++)
        for (size_t i = 0; i < (*tables)->row_count; i++)
            if (strcmp((*tables)->rows[i].key, key) == 0)
                return &(*tables)->rows[i];
    return NULL;
}

static int check_row(const struct pawl_cfg_table *table, const struct pawl_cfg_row *row,
                     void *fields, struct pawl_err *err)
{
    size_t name_bytes = strlen(table->name);
    const char *word = row->key + name_bytes + 1;

    if (strncmp(row->key, table->name, name_bytes) != 0 || row->key[name_bytes] != '.' ||
        !*word || word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        return pawl_err_set(err, EINVAL, "row '%s' does not belong in table '%s'", row->key,
                            table->name);
    if (strlen(row->key) >= PAWL_CFG_KEY_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "row '%s': a key has at most %d bytes", row->key,
                            PAWL_CFG_KEY_BYTES_MAX - 1);
    if (row->offset + row->field_bytes > table->fields_bytes)
        return pawl_err_set(err, EINVAL, "row '%s' lies outside the struct of its table",
                            row->key);
    if (row->type == PAWL_CFG_TEXT && row->field_bytes > PAWL_CFG_TEXT_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "row '%s': a text has at most %d bytes", row->key,
                            PAWL_CFG_TEXT_BYTES_MAX);
    if (!pawl_cfg_row_default(row, fields))
        return pawl_err_set(err, EINVAL, "row '%s': its default is not allowed", row->key);
    return 0;
}

int pawl_cfg_tables_check(const struct pawl_cfg_table *const *tables, struct pawl_err *err)
{
    for (const struct pawl_cfg_table *const *at = tables; *at; at++) {
        const struct pawl_cfg_table *table = *at;
        void *fields = calloc(1, table->fields_bytes);

        if (!fields)
            return pawl_err_set(err, ENOMEM, "table '%s': out of memory", table->name);
        int code = 0;
        for (size_t i = 0; i < table->row_count && code == 0; i++) {
            const struct pawl_cfg_row *row = &table->rows[i];
            code = check_row(table, row, fields, err);
            if (code == 0 && (pawl_cfg_row_find(tables, row->key) != row ||
                              pawl_cfg_table_find(tables, row->key)))
                code = pawl_err_set(err, EINVAL, "row '%s' is there twice", row->key);
        }
        free(fields);
        if (code == 0 && pawl_cfg_table_find(tables, table->name) != table)
            code = pawl_err_set(err, EINVAL, "table '%s' is there twice", table->name);
        if (code != 0)
            return code;
    }
    return 0;
}

int pawl_cfg_default(const struct pawl_cfg_table *table, void *fields, struct pawl_err *err)
{
    memset(fields, 0, table->fields_bytes);
    for (size_t i = 0; i < table->row_count; i++)
        if (!pawl_cfg_row_default(&table->rows[i], fields))
            return pawl_err_set(err, EDOM, "row '%s': its default is not allowed",
                                table->rows[i].key);
    return 0;
}

static int make_slots(struct pawl_cfg *cfg, struct pawl_err *err)
{
    size_t row_count = 0;

    for (; cfg->tables[cfg->table_count]; cfg->table_count++)
        row_count += cfg->tables[cfg->table_count]->row_count;
    cfg->problems = calloc(PAWL_CFG_PROBLEM_MAX, sizeof(cfg->problems[0]));
    cfg->warnings = calloc(PAWL_CFG_PROBLEM_MAX, sizeof(cfg->warnings[0]));
    cfg->fields = calloc(cfg->table_count + 1, sizeof(cfg->fields[0]));
    cfg->slots = calloc(row_count + 1, sizeof(cfg->slots[0]));
    if (!cfg->problems || !cfg->warnings || !cfg->fields || !cfg->slots)
        return pawl_err_set(err, ENOMEM, "out of memory");

    for (size_t i = 0; i < cfg->table_count; i++) {
        const struct pawl_cfg_table *table = cfg->tables[i];

        cfg->fields[i] = calloc(1, table->fields_bytes);
        if (!cfg->fields[i])
            return pawl_err_set(err, ENOMEM, "out of memory");
        int code = pawl_cfg_default(table, cfg->fields[i], err);
        if (code != 0)
            return code;
        for (size_t j = 0; j < table->row_count; j++)
            cfg->slots[cfg->slot_count++] = (struct pawl_cfg_slot){
                .row = &table->rows[j], .table = table, .fields = cfg->fields[i]};
    }
    qsort(cfg->slots, cfg->slot_count, sizeof(cfg->slots[0]), compare_slots);
    return 0;
}

static int load(struct pawl_cfg *cfg, const struct pawl_cfg_source *source)
{
    int code = 0;

    cfg->has_other_tables = source->has_other_tables;
    if (source->base) {
        cfg->base_origin = source->base->origin;
        code = pawl_cfg_load_words(cfg, PAWL_CFG_LAYER_BASE, source->base->word_count,
                                   source->base->words);
    }
    if (code == 0 && source->path)
        code = pawl_cfg_load_file(cfg, source->path);
    if (code == 0 && source->environment)
        code = pawl_cfg_load_environment(cfg, source->environment);
    if (code == 0)
        code =
            pawl_cfg_load_words(cfg, PAWL_CFG_LAYER_WORDS, source->word_count, source->words);
    return code;
}

int pawl_cfg_open(struct pawl_cfg **cfg, const struct pawl_cfg_table *const *tables,
                  const struct pawl_cfg_source *source, struct pawl_err *err)
{
    struct pawl_cfg *made = *cfg = calloc(1, sizeof(*made));
    if (!made)
        return pawl_err_set(err, ENOMEM, "open configuration: out of memory");

    made->tables = tables;
    int code = make_slots(made, err);
    if (code != 0)
        goto fail;
    code = load(made, source);
    if (code != 0) {
        pawl_err_set(err, -code, "out of memory");
        goto fail;
    }
    for (size_t i = 0; i < made->table_count; i++)
        if (tables[i]->check && !source->is_part)
            tables[i]->check(made);

    pawl_cfg_problems_sort(made);
    if (made->problem_count == 0)
        return 0;
    pawl_cfg_problem_first(made, err);
    return -EINVAL;

fail:
    pawl_cfg_close(made);
    *cfg = NULL;
    pawl_err_wrap(err, "open configuration");
    return code;
}

int pawl_cfg_look(struct pawl_cfg *cfg, struct pawl_err *err)
{
    for (size_t i = 0; i < cfg->table_count; i++)
        if (cfg->tables[i]->look)
            cfg->tables[i]->look(cfg);
    pawl_cfg_problems_sort(cfg);
    if (cfg->problem_count == 0)
        return 0;
    pawl_cfg_problem_first(cfg, err);
    return cfg->has_unusable ? -EINVAL : -ENODEV;
}

int pawl_cfg_look_given(struct pawl_cfg *cfg, struct pawl_err *err)
{
    cfg->is_given_looked_at = true;
    int code = pawl_cfg_look(cfg, err);
    cfg->is_given_looked_at = false;
    return code;
}

void pawl_cfg_close(struct pawl_cfg *cfg)
{
    if (!cfg)
        return;
    pawl_cfg_files_free(cfg);
    if (cfg->fields)
        for (size_t i = 0; i < cfg->table_count; i++)
            free(cfg->fields[i]);
    free(cfg->fields);
    free(cfg->slots);
    free(cfg->problems);
    free(cfg->warnings);
    free(cfg);
}

const void *pawl_cfg_fields(const struct pawl_cfg *cfg, const struct pawl_cfg_table *table)
{
    for (size_t i = 0; i < cfg->table_count; i++)
        if (cfg->tables[i] == table)
            return cfg->fields[i];
    return NULL;
}

void pawl_cfg_origin(const struct pawl_cfg *cfg, const char *key, char *text, size_t text_bytes)
{
    const struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, key);

    if (text_bytes)
        text[0] = '\0';
    if (slot)
        pawl_cfg_mark_origin(cfg, &slot->mark, text, text_bytes);
}
