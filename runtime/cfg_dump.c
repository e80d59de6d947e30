/* cfg_dump.c: a configuration as TOML, and what differs between two. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"

#define ORIGIN_BYTES 1200 /* a path, a line */

static void dump(const struct pawl_cfg *cfg, FILE *out, bool has_origin)
{
    char origin[ORIGIN_BYTES];

    for (size_t i = 0; i < cfg->table_count; i++) {
        const struct pawl_cfg_table *table = cfg->tables[i];

        fprintf(out, "%s[%s]\n", i ? "\n" : "", table->name);
        for (size_t j = 0; j < table->row_count; j++) {
            const struct pawl_cfg_row *row = &table->rows[j];

            fprintf(out, "%s = ", strrchr(row->key, '.') + 1);
            pawl_cfg_value_print(out, row, cfg->fields[i]);
            if (has_origin) {
                pawl_cfg_origin(cfg, row->key, origin, sizeof(origin));
                fprintf(out, "  # %s", origin);
            }
            fputc('\n', out);
        }
    }
}

void pawl_cfg_dump(const struct pawl_cfg *cfg, FILE *out)
{
    dump(cfg, out, false);
}

void pawl_cfg_dump_origin(const struct pawl_cfg *cfg, FILE *out)
{
    dump(cfg, out, true);
}

/* The value as TOML; NULL when there is no memory. The caller frees it. */
static char *value_text(const struct pawl_cfg_row *row, const void *fields)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);

    if (!out)
        return NULL;
    pawl_cfg_value_print(out, row, fields);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static void print_side(FILE *out, char sign, const struct pawl_cfg *cfg, const char *key,
                       const char *value)
{
    char origin[ORIGIN_BYTES];
    pawl_cfg_origin(cfg, key, origin, sizeof(origin));
    fprintf(out, "%c %s = %s  # %s\n", sign, key, value, origin);
}

size_t pawl_cfg_diff(const struct pawl_cfg *a, const struct pawl_cfg *b, FILE *out)
{
    size_t count = 0;

    for (size_t i = 0; i < a->slot_count; i++) {
        const struct pawl_cfg_slot *left = &a->slots[i];
        const struct pawl_cfg_slot *right = pawl_cfg_slot_find(b, left->row->key);
        char *text = value_text(left->row, left->fields);
        char *other = right ? value_text(right->row, right->fields) : NULL;

        if (text && other && strcmp(text, other) != 0) {
            print_side(out, '-', a, left->row->key, text);
            print_side(out, '+', b, left->row->key, other);
            count++;
        }
        free(text);
        free(other);
    }
    return count;
}
