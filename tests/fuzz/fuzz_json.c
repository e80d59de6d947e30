/* Whatever is read is walked by the accessors, written again and read once more, equal. */
#include "runtime/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes);

static void put_value(struct pawl_json_writer *out, const struct pawl_json_at *at,
                      const char *key);

static void put_items(struct pawl_json_writer *out, const struct pawl_json_at *at)
{
    for (size_t i = 0; i < pawl_json_count(at); i++) {
        struct pawl_json_at item = pawl_json_item(at, i);
        put_value(out, &item, NULL);
    }
}

static void put_members(struct pawl_json_writer *out, const struct pawl_json_at *at)
{
    struct pawl_json_at member = {0};
    while (pawl_json_next(at, &member)) {
        if (!pawl_json_has(at, member.key))
            abort();
        put_value(out, &member, member.key);
    }
}

static void put_value(struct pawl_json_writer *out, const struct pawl_json_at *at,
                      const char *key)
{
    struct pawl_err err = {0};
    const char *string = NULL;
    int64_t integer = 0;
    double real = 0;
    bool flag = false;
    int code = 0;

    switch (pawl_json_type_of(at)) {
    case PAWL_JSON_OBJECT:
        pawl_json_begin_object(out, key);
        put_members(out, at);
        pawl_json_end(out);
        break;
    case PAWL_JSON_ARRAY:
        pawl_json_begin_array(out, key);
        put_items(out, at);
        pawl_json_end(out);
        break;
    case PAWL_JSON_STRING:
        code = pawl_json_get_string(at, NULL, &string, &err);
        pawl_json_put_string(out, key, string);
        break;
    case PAWL_JSON_INTEGER:
        code = pawl_json_get_i64(at, NULL, INT64_MIN, INT64_MAX, &integer, &err);
        pawl_json_put_i64(out, key, integer);
        break;
    case PAWL_JSON_REAL:
        code = pawl_json_get_f64(at, NULL, -1e308 * 10, 1e308 * 10, &real, &err);
        pawl_json_put_f64(out, key, real);
        break;
    case PAWL_JSON_BOOL:
        code = pawl_json_get_bool(at, NULL, &flag, &err);
        pawl_json_put_bool(out, key, flag);
        break;
    case PAWL_JSON_NULL:
        /* Here the getters have to refuse, with a sentence that names the place. */
        if (pawl_json_get_bool(at, NULL, &flag, &err) == 0 || !err.text[0])
            abort();
        pawl_json_put_null(out, key);
        break;
    }
    if (code != 0)
        abort();
}

static const char *write_again(struct pawl_json_writer *out, const struct pawl_json *doc,
                               size_t *length_bytes)
{
    pawl_json_open_growing(out, 1 << 20);
    struct pawl_json_at root = pawl_json_root(doc);
    put_value(out, &root, NULL);
    const char *text = pawl_json_finish(out, length_bytes, NULL);
    if (!text)
        abort();
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes)
{
    static const struct pawl_json_limits limits = {.bytes_max = 1 << 16, .depth_max = 32};
    static const struct pawl_json_limits wide = {.bytes_max = 1 << 20, .depth_max = 32};
    struct pawl_json doc, again;
    struct pawl_err err = {0};

    if (pawl_json_open_text(&doc, (const char *)data, length_bytes, "fuzz", &limits, &err) !=
        0) {
        if (!err.code || !err.text[0] || strchr(err.text, '\n'))
            abort();
        return 0;
    }
    struct pawl_json_writer first, second;
    size_t first_bytes, second_bytes;
    const char *first_text = write_again(&first, &doc, &first_bytes);
    if (pawl_json_open_text(&again, first_text, first_bytes, "again", &wide, NULL) != 0)
        abort();
    const char *second_text = write_again(&second, &again, &second_bytes);
    if (first_bytes != second_bytes || memcmp(first_text, second_text, first_bytes) != 0)
        abort();
    pawl_json_close_writer(&first);
    pawl_json_close_writer(&second);
    pawl_json_close(&doc);
    pawl_json_close(&again);
    return 0;
}
