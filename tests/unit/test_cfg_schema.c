#include "support/cfg_sample.h"

#include <errno.h>
#include <jansson.h>

#include "support/test.h"

static char *schema_of(const struct pawl_cfg_table *const *tables, enum pawl_cfg_format format)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out = open_memstream(&text, &text_bytes);
    ck_assert_ptr_nonnull(out);
    pawl_cfg_schema(tables, format, out);
    fclose(out);
    return text;
}

static char *json_of(const struct pawl_cfg_table *const *tables)
{
    char *text = NULL;
    size_t text_bytes = 0;
    struct pawl_err err = {0};
    FILE *out = open_memstream(&text, &text_bytes);
    ck_assert_ptr_nonnull(out);
    ck_assert_msg(pawl_cfg_schema_json(tables, out, &err) == 0, "%s", err.text);
    fclose(out);
    return text;
}

START_TEST(the_json_schema_is_json_and_has_every_key)
{
    char *text = json_of(sample_tables);
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s\n%s", error.text, text);
    ck_assert_uint_eq(json_array_size(root), 4);
    for (size_t i = 0; sample_tables[i]; i++) {
        json_t *table = json_array_get(root, i);
        ck_assert_str_eq(json_string_value(json_object_get(table, "table")),
                         sample_tables[i]->name);
        json_t *keys = json_object_get(table, "keys");
        ck_assert_uint_eq(json_array_size(keys), sample_tables[i]->row_count);
        for (size_t j = 0; j < sample_tables[i]->row_count; j++)
            ck_assert_str_eq(json_string_value(json_object_get(json_array_get(keys, j), "key")),
                             sample_tables[i]->rows[j].key);
    }
    json_t *capacity = json_array_get(json_object_get(json_array_get(root, 3), "keys"), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(capacity, "default")), 1024);
    ck_assert_int_eq(json_integer_value(json_object_get(capacity, "max")), 1048576);
    ck_assert(json_is_true(json_object_get(capacity, "power_of_two")));
    json_decref(root);
    free(text);
}
END_TEST

START_TEST(the_commented_file_loads_as_the_defaults)
{
    sample_folder_open();
    char *text = schema_of(sample_tables, PAWL_CFG_FORMAT_TOML);
    sample_write("test.toml", text);
    struct pawl_cfg *cfg, *standard;
    struct pawl_err err = {0};
    struct pawl_cfg_source file = {.path = "test.toml"}, none = {.path = NULL};
    ck_assert_msg(pawl_cfg_open(&cfg, sample_tables, &file, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_cfg_open(&standard, sample_tables, &none, &err), 0);
    ck_assert_uint_eq(pawl_cfg_diff(cfg, standard, stderr), 0);
    for (size_t i = 0; sample_tables[i]; i++)
        for (size_t j = 0; j < sample_tables[i]->row_count; j++) {
            char origin[64];
            pawl_cfg_origin(cfg, sample_tables[i]->rows[j].key, origin, sizeof(origin));
            ck_assert_str_ne(origin, "default");
        }
    free(text);
    pawl_cfg_close(cfg);
    pawl_cfg_close(standard);
    sample_folder_close();
}
END_TEST

START_TEST(help_fits_a_terminal_of_80_columns)
{
    static const enum pawl_cfg_format formats[] = {PAWL_CFG_FORMAT_SUMMARY,
                                                   PAWL_CFG_FORMAT_HELP, PAWL_CFG_FORMAT_TOML};
    for (int i = 0; i < 3; i++) {
        char *text = schema_of(sample_tables, formats[i]);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            ck_assert_msg(strlen(line) <= 80, "%s", line);
        free(text);
    }
}
END_TEST

START_TEST(the_help_of_a_table_reads_like_this)
{
    static const struct pawl_cfg_table *const one[] = {&sample_ring_table, NULL};
    char *text = schema_of(one, PAWL_CFG_FORMAT_HELP);
    ck_assert_str_eq(
        text,
        "[ring] Rings.\n"
        "  --ring.capacity             Steps that fit into a ring. (64 .. 1048576 steps,\n"
        "                              a power of two; default 1024)\n"
        "  --ring.batch                Steps taken at once. (1 or more steps; default 64)\n"
        "  --ring.offset               No bound below. (5 or less; default 0)\n");
    free(text);
    text = schema_of(one, PAWL_CFG_FORMAT_SUMMARY);
    ck_assert_str_eq(text, "  [ring]               Rings.\n");
    free(text);
}
END_TEST

START_TEST(the_reference_page_keeps_a_bar_inside_its_cell)
{
    static const struct pawl_cfg_table *const one[] = {&sample_env_table, NULL};
    char *text = schema_of(one, PAWL_CFG_FORMAT_MD);
    ck_assert_ptr_nonnull(
        strstr(text, "| `render` | bool | `false` | true or false | Draw; a\\|b. |\n"));
    ck_assert_ptr_nonnull(strstr(text, "## [env]\n"));
    free(text);
}
END_TEST

START_TEST(the_man_page_escapes_what_roff_would_read)
{
    static const struct pawl_cfg_row rows[] = {PAWL_CFG_TEXT_ROW(
        struct sample_env, "dots.name", name, "a\\b", 0, ".TH is no - macro.")};
    static const struct pawl_cfg_table table = {.name = "dots",
                                                .help = "'x",
                                                .rows = rows,
                                                .row_count = 1,
                                                .fields_bytes = sizeof(struct sample_env)};
    static const struct pawl_cfg_table *const one[] = {&table, NULL};
    char *text = schema_of(one, PAWL_CFG_FORMAT_MAN);
    ck_assert_str_eq(text, ".SS [dots]\n\\&'x\n.TP\n.B dots.name\n\\&.TH is no \\- macro.\n"
                           "Allowed: text of up to 31 bytes; default: \"a\\e\\eb\".\n");
    free(text);
}
END_TEST

START_TEST(tables_and_rows_are_found_by_name)
{
    ck_assert_ptr_eq(pawl_cfg_table_find(sample_tables, "policy.sac"), &sample_sac_table);
    ck_assert_ptr_null(pawl_cfg_table_find(sample_tables, "policy.sa"));
    ck_assert_ptr_eq(pawl_cfg_row_find(sample_tables, "env.name"), &sample_env_rows[1]);
    ck_assert_ptr_null(pawl_cfg_row_find(sample_tables, "env"));
}
END_TEST

START_TEST(what_is_allowed_reads_like_this)
{
    static const struct {
        const char *key, *allowed, *standard;
    } rows[] = {
        {"policy.type", "\"null\", \"sac\" or \"pi_rl\"", "\"sac\""},
        {"policy.sac.actor_lr", "1e-7 .. 1", "3e-4"},
        {"policy.sac.scales", "list of any number", "[]"},
        {"env.fps", "0.1 or more hz", "10"},
        {"env.name", "text of up to 31 bytes, not empty", "\"cube\""},
        {"env.cameras", "list of up to 32 texts", "[\"front\"]"},
        {"env.render", "true or false", "false"},
        {"ring.offset", "5 or less", "0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        const struct pawl_cfg_row *row = pawl_cfg_row_find(sample_tables, rows[i].key);
        pawl_cfg_row_allowed(row, text, sizeof(text));
        ck_assert_str_eq(text, rows[i].allowed);
        pawl_cfg_row_standard(row, text, sizeof(text));
        ck_assert_str_eq(text, rows[i].standard);
        pawl_cfg_row_allowed(row, text, 4);
        ck_assert_uint_le(strlen(text), 3);
    }
}
END_TEST

/* A list's default is written in the row as TOML, which need not be JSON. */
START_TEST(a_default_is_json_however_its_row_writes_it)
{
    struct lists {
        struct pawl_cfg_i64_list i64s;
        struct pawl_cfg_f64_list f64s;
        struct pawl_cfg_text_list texts;
        char text[16];
        bool is_on;
    };
#define S struct lists
    static const struct pawl_cfg_row rows[] = {
        PAWL_CFG_I64_LIST_ROW(S, "x.i64s", i64s, "[1_000, 0x10,]", PAWL_CFG_I64_LOWEST, 2000, 0,
                              "", "A."),
        PAWL_CFG_F64_LIST_ROW(S, "x.f64s", f64s, "[1, +2.5] # two", 0.0, 1e300, 0, "", "B."),
        PAWL_CFG_TEXT_LIST_ROW(S, "x.texts", texts, "['a\\b']", 0, "C."),
        PAWL_CFG_TEXT_ROW(S, "x.text", text, "a \"b\"", 0, "D."),
        PAWL_CFG_BOOL_ROW(S, "x.is_on", is_on, true, "E."),
    };
#undef S
    static const struct pawl_cfg_table table = {.name = "x",
                                                .help = "Lists.",
                                                .rows = rows,
                                                .row_count = 5,
                                                .fields_bytes = sizeof(struct lists)};
    static const struct pawl_cfg_table *const tables[] = {&table, NULL};
    static const char *const expected[] = {"[1000, 16]", "[1.0, 2.5]", "[\"a\\\\b\"]",
                                           "\"a \\\"b\\\"\"", "true"};

    char *text = json_of(tables);
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(root != NULL, "%s\n%s", error.text, text);
    json_t *keys = json_object_get(json_array_get(root, 0), "keys");
    for (size_t i = 0; i < 5; i++) {
        json_t *key = json_array_get(keys, i);
        char *found = json_dumps(json_object_get(key, "default"), JSON_ENCODE_ANY);
        ck_assert_str_eq(found, expected[i]);
        free(found);
    }
    ck_assert_ptr_null(json_object_get(json_array_get(keys, 0), "min"));
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(keys, 0), "max")), 2000);
    json_decref(root);
    free(text);
}
END_TEST

START_TEST(a_schema_of_rows_that_contradict_themselves_is_refused)
{
    struct one {
        double f64;
    };
    static const struct pawl_cfg_row row =
        PAWL_CFG_F64_ROW(struct one, "x.f64", f64, 2.0, 0.0, 1.0, "", "Too big.");
    static const struct pawl_cfg_table table = {
        .name = "x", .help = "One.", .rows = &row, .row_count = 1, .fields_bytes = 8};
    static const struct pawl_cfg_table *const tables[] = {&table, NULL};
    char *text = NULL;
    size_t text_bytes = 0;
    struct pawl_err err = {0};
    FILE *out = open_memstream(&text, &text_bytes);
    ck_assert_int_eq(pawl_cfg_schema_json(tables, out, &err), -EDOM);
    ck_assert_str_eq(err.text, "row 'x.f64': its default is not allowed");
    fclose(out);
    ck_assert_uint_eq(text_bytes, 0);
    free(text);
}
END_TEST

PAWL_TEST_MAIN("cfg_schema", the_json_schema_is_json_and_has_every_key,
               a_default_is_json_however_its_row_writes_it,
               a_schema_of_rows_that_contradict_themselves_is_refused,
               the_commented_file_loads_as_the_defaults, help_fits_a_terminal_of_80_columns,
               the_help_of_a_table_reads_like_this,
               the_reference_page_keeps_a_bar_inside_its_cell,
               the_man_page_escapes_what_roff_would_read, tables_and_rows_are_found_by_name,
               what_is_allowed_reads_like_this)
