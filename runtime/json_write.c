#include "runtime/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"

#define GROWING_BYTES_MIN 256

void pawl_json_open_fixed(struct pawl_json_writer *out, char *bytes, size_t capacity_bytes)
{
    *out = (struct pawl_json_writer){.bytes = bytes, .capacity_bytes = capacity_bytes};
}

void pawl_json_open_growing(struct pawl_json_writer *out, size_t bytes_max)
{
    *out = (struct pawl_json_writer){.bytes_max = bytes_max ? bytes_max : 1};
}

void pawl_json_close_writer(struct pawl_json_writer *out)
{
    if (out->bytes_max)
        free(out->bytes);
    *out = (struct pawl_json_writer){0};
}

void pawl_json_reset(struct pawl_json_writer *out)
{
    out->length_bytes = 0;
    out->depth_count = 0;
    out->has_item[0] = false;
    out->err = (struct pawl_err){0};
}

/* Room for `more` bytes and the final NUL. */
static bool make_room(struct pawl_json_writer *out, size_t more)
{
    if (out->err.code)
        return false;
    if (more < out->capacity_bytes - out->length_bytes)
        return true;

    size_t limit = out->bytes_max ? out->bytes_max : out->capacity_bytes;
    if (more >= limit - out->length_bytes) {
        pawl_err_set(&out->err, ENOBUFS, "the JSON text does not fit into %zu bytes", limit);
        return false;
    }
    size_t capacity = out->capacity_bytes ? out->capacity_bytes : GROWING_BYTES_MIN;
    while (capacity <= out->length_bytes + more)
        capacity *= 2;
    if (capacity > limit)
        capacity = limit;
    char *bytes = realloc(out->bytes, capacity);
    if (!bytes) {
        pawl_err_set(&out->err, ENOMEM, "no memory for %zu bytes of JSON", capacity);
        return false;
    }
    out->bytes = bytes;
    out->capacity_bytes = capacity;
    return true;
}

static void put_bytes(struct pawl_json_writer *out, const char *bytes, size_t count)
{
    if (!make_room(out, count))
        return;
    memcpy(out->bytes + out->length_bytes, bytes, count);
    out->length_bytes += count;
}

static void put_char(struct pawl_json_writer *out, char c)
{
    put_bytes(out, &c, 1);
}

static void put_line_break(struct pawl_json_writer *out)
{
    if (!out->indent_count)
        return;
    put_char(out, '\n');
    for (unsigned i = 0; i < out->indent_count * out->depth_count; i++)
        put_char(out, ' ');
}

static void put_quoted(struct pawl_json_writer *out, const char *value)
{
    size_t left = strlen(value);

    put_char(out, '"');
    while (left && !out->err.code) {
        char escape[PAWL_TEXT_ESCAPE_BYTES];
        size_t count = pawl_text_character(value, left, NULL);
        size_t escape_bytes = count == 1 ? pawl_text_escape(*value, escape) : 0;

        if (!count)
            put_bytes(out, "\\ufffd", 6);
        else if (escape_bytes)
            put_bytes(out, escape, escape_bytes);
        else
            put_bytes(out, value, count);
        count += !count;
        value += count;
        left -= count;
    }
    put_char(out, '"');
}

/* What comes before a value: the comma, the line, the key. False: the call is out of place. */
static bool begin_value(struct pawl_json_writer *out, const char *key)
{
    if (out->err.code)
        return false;
    unsigned depth = out->depth_count;
    bool in_object = depth && out->closers[depth - 1] == '}';
    if (!depth && out->has_item[0])
        pawl_err_set(&out->err, EINVAL, "a second outermost JSON value");
    else if (in_object && !key)
        pawl_err_set(&out->err, EINVAL, "a JSON member without a key");
    else if (!in_object && key)
        pawl_err_set(&out->err, EINVAL, "JSON key \"%s\" outside an object", key);
    if (out->err.code)
        return false;

    if (out->has_item[depth])
        put_char(out, ',');
    if (depth)
        put_line_break(out);
    out->has_item[depth] = true;
    if (key) {
        put_quoted(out, key);
        put_char(out, ':');
        if (out->indent_count)
            put_char(out, ' ');
    }
    return !out->err.code;
}

static void begin_level(struct pawl_json_writer *out, const char *key, char opener, char closer)
{
    if (!begin_value(out, key))
        return;
    if (out->depth_count == PAWL_JSON_DEPTH_MAX) {
        pawl_err_set(&out->err, EINVAL, "JSON deeper than %d levels", PAWL_JSON_DEPTH_MAX);
        return;
    }
    put_char(out, opener);
    out->closers[out->depth_count++] = closer;
    out->has_item[out->depth_count] = false;
}

void pawl_json_begin_object(struct pawl_json_writer *out, const char *key)
{
    begin_level(out, key, '{', '}');
}

void pawl_json_begin_array(struct pawl_json_writer *out, const char *key)
{
    begin_level(out, key, '[', ']');
}

void pawl_json_end(struct pawl_json_writer *out)
{
    if (out->err.code)
        return;
    if (!out->depth_count) {
        pawl_err_set(&out->err, EINVAL, "a JSON level is ended that was not begun");
        return;
    }
    bool was_empty = !out->has_item[out->depth_count--];
    if (!was_empty)
        put_line_break(out);
    put_char(out, out->closers[out->depth_count]);
}

static void put_literal(struct pawl_json_writer *out, const char *key, const char *literal)
{
    if (begin_value(out, key))
        put_bytes(out, literal, strlen(literal));
}

void pawl_json_put_string(struct pawl_json_writer *out, const char *key, const char *value)
{
    if (!value)
        put_literal(out, key, "null");
    else if (begin_value(out, key))
        put_quoted(out, value);
}

void pawl_json_put_i64(struct pawl_json_writer *out, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put_literal(out, key, text);
}

void pawl_json_put_u64(struct pawl_json_writer *out, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    put_literal(out, key, text);
}

void pawl_json_put_bool(struct pawl_json_writer *out, const char *key, bool value)
{
    put_literal(out, key, value ? "true" : "false");
}

void pawl_json_put_null(struct pawl_json_writer *out, const char *key)
{
    put_literal(out, key, "null");
}

void pawl_json_put_f64(struct pawl_json_writer *out, const char *key, double value)
{
    if (!isfinite(value)) {
        if (!out->err.code)
            pawl_err_set(&out->err, EDOM, "JSON member \"%s\": %s has no JSON",
                         key ? key : "(item)", isnan(value) ? "NaN" : "infinity");
        return;
    }
    char text[PAWL_TEXT_F64_BYTES];
    pawl_text_f64(text, value, PAWL_TEXT_F64_FOR_PROGRAMS);
    put_literal(out, key, text);
}

void pawl_json_put_f64_or_null(struct pawl_json_writer *out, const char *key, double value)
{
    if (isfinite(value))
        pawl_json_put_f64(out, key, value);
    else
        pawl_json_put_null(out, key);
}

const char *pawl_json_finish(struct pawl_json_writer *out, size_t *length_bytes,
                             struct pawl_err *err)
{
    if (!out->err.code && (out->depth_count || !out->has_item[0]))
        pawl_err_set(&out->err, EINVAL, "the JSON text is not complete: %u levels are open",
                     out->depth_count);
    make_room(out, 0); /* for the NUL */
    if (out->err.code) {
        pawl_err_set(err, out->err.code, "%s", out->err.text);
        return NULL;
    }
    out->bytes[out->length_bytes] = '\0';
    if (length_bytes)
        *length_bytes = out->length_bytes;
    return out->bytes;
}
