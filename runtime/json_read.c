#include "runtime/json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"

#define PATH_TEXT_BYTES 256

/* jansson recurses up to 2048 levels; this looks for brackets outside strings beforehand. What
 * is wrong otherwise is the parser's to say. */
static int check_depth(const char *text, size_t length_bytes, const char *source,
                       unsigned depth_max, struct pawl_err *err)
{
    size_t line = 1;
    size_t line_start = 0;
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < length_bytes; i++) {
        char c = text[i];
        if (c == '\n') {
            line++;
            line_start = i + 1;
        } else if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > depth_max)
                return pawl_err_set(err, EFBIG, "%s:%zu:%zu: nested deeper than %u levels",
                                    source, line, i - line_start + 1, depth_max);
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return 0;
}

int pawl_json_open_text(struct pawl_json *doc, const char *text, size_t length_bytes,
                        const char *source, const struct pawl_json_limits *limits,
                        struct pawl_err *err)
{
    *doc = (struct pawl_json){0};
    if (length_bytes > limits->bytes_max)
        return pawl_err_set(err, EFBIG, "%s: %zu bytes of JSON, at most %zu are read", source,
                            length_bytes, limits->bytes_max);
    unsigned depth_max =
        limits->depth_max < PAWL_JSON_DEPTH_MAX ? limits->depth_max : PAWL_JSON_DEPTH_MAX;
    int code = check_depth(text, length_bytes, source, depth_max, err);
    if (code != 0)
        return code;

    json_error_t error;
    doc->root = json_loadb(text, length_bytes, JSON_REJECT_DUPLICATES, &error);
    if (!doc->root) {
        pawl_text_plain(error.text, strlen(error.text), error.text, sizeof(error.text));
        int errno_code = json_error_code(&error) == json_error_out_of_memory ? ENOMEM : EINVAL;
        return pawl_err_set(err, errno_code, "%s:%d:%d: not valid JSON: %s", source, error.line,
                            error.column, error.text);
    }
    doc->source = strdup(source);
    if (!doc->source) {
        pawl_json_close(doc);
        return pawl_err_set(err, ENOMEM, "%s: no memory", source);
    }
    return 0;
}

void pawl_json_close(struct pawl_json *doc)
{
    json_decref(doc->root);
    free(doc->source);
    *doc = (struct pawl_json){0};
}

struct pawl_json_at pawl_json_root(const struct pawl_json *doc)
{
    return (struct pawl_json_at){.doc = doc, .value = doc->root};
}

static enum pawl_json_type type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return PAWL_JSON_OBJECT;
    case JSON_ARRAY:
        return PAWL_JSON_ARRAY;
    case JSON_STRING:
        return PAWL_JSON_STRING;
    case JSON_INTEGER:
        return PAWL_JSON_INTEGER;
    case JSON_REAL:
        return PAWL_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return PAWL_JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return PAWL_JSON_NULL;
}

enum pawl_json_type pawl_json_type_of(const struct pawl_json_at *at)
{
    return type_of(at->value);
}

size_t pawl_json_count(const struct pawl_json_at *at)
{
    return json_is_object(at->value) ? json_object_size(at->value) : json_array_size(at->value);
}

bool pawl_json_has(const struct pawl_json_at *at, const char *key)
{
    return json_object_get(at->value, key) != NULL;
}

/* "a.b[3].c" of the value, or of its member `key`; a long one loses its front. */
static void format_path(char *text, size_t text_bytes, const struct pawl_json_at *at,
                        const char *key)
{
    char step[128];
    char rest[PATH_TEXT_BYTES] = "";

    if (key)
        snprintf(rest, sizeof(rest), "%s", key);
    for (; at->parent; at = at->parent) {
        if (at->key)
            snprintf(step, sizeof(step), "%s", at->key);
        else
            snprintf(step, sizeof(step), "[%zu]", at->item_index);
        const char *dot = rest[0] && rest[0] != '[' ? "." : "";
        char joined[sizeof(step) + 1 + sizeof(rest)];
        int length = snprintf(joined, sizeof(joined), "%s%s%s", step, dot, rest);
        size_t cut = (size_t)length >= sizeof(rest) ? (size_t)length - sizeof(rest) + 1 : 0;
        memmove(rest, joined + cut, (size_t)length + 1 - cut);
    }
    const char *whole = rest[0] ? rest : "the whole text";
    pawl_text_plain(whole, strlen(whole), text, text_bytes);
}

/* What is there, for a sentence: 'the string "x"', 'an array of 3'. */
static void format_value(char *text, size_t text_bytes, const json_t *value)
{
    char number[PAWL_TEXT_F64_BYTES], plain[41];

    switch (type_of(value)) {
    case PAWL_JSON_OBJECT:
        snprintf(text, text_bytes, "an object of %zu members", json_object_size(value));
        break;
    case PAWL_JSON_ARRAY:
        snprintf(text, text_bytes, "an array of %zu", json_array_size(value));
        break;
    case PAWL_JSON_STRING:
        pawl_text_plain(json_string_value(value), json_string_length(value), plain,
                        sizeof(plain));
        snprintf(text, text_bytes, "the string \"%s\"", plain);
        break;
    case PAWL_JSON_INTEGER:
        snprintf(text, text_bytes, "%" PRId64, (int64_t)json_integer_value(value));
        break;
    case PAWL_JSON_REAL:
        pawl_text_f64(number, json_real_value(value), PAWL_TEXT_F64_FOR_PROGRAMS);
        snprintf(text, text_bytes, "%s", number);
        break;
    case PAWL_JSON_BOOL:
        snprintf(text, text_bytes, "%s", json_is_true(value) ? "true" : "false");
        break;
    case PAWL_JSON_NULL:
        snprintf(text, text_bytes, "null");
        break;
    }
}

static int refuse(const struct pawl_json_at *at, const char *key, const json_t *value,
                  const char *rule, struct pawl_err *err)
{
    char path[PATH_TEXT_BYTES];
    format_path(path, sizeof(path), at, key);
    if (!value)
        return pawl_err_set(err, ENOENT, "%s: %s: missing; %s is wanted", at->doc->source, path,
                            rule);
    char found[96];
    format_value(found, sizeof(found), value);
    return pawl_err_set(err, EINVAL, "%s: %s: %s is wanted, got %s", at->doc->source, path,
                        rule, found);
}

static const json_t *find(const struct pawl_json_at *at, const char *key)
{
    return key ? json_object_get(at->value, key) : at->value;
}

static int get_container(const struct pawl_json_at *at, const char *key,
                         enum pawl_json_type type, struct pawl_json_at *container,
                         struct pawl_err *err)
{
    const json_t *value = find(at, key);
    if (!value || type_of(value) != type)
        return refuse(at, key, value, type == PAWL_JSON_OBJECT ? "an object" : "an array", err);
    if (key)
        *container =
            (struct pawl_json_at){.doc = at->doc, .parent = at, .value = value, .key = key};
    else
        *container = *at;
    return 0;
}

int pawl_json_get_object(const struct pawl_json_at *at, const char *key,
                         struct pawl_json_at *object, struct pawl_err *err)
{
    return get_container(at, key, PAWL_JSON_OBJECT, object, err);
}

int pawl_json_get_array(const struct pawl_json_at *at, const char *key,
                        struct pawl_json_at *array, struct pawl_err *err)
{
    return get_container(at, key, PAWL_JSON_ARRAY, array, err);
}

int pawl_json_get_string(const struct pawl_json_at *at, const char *key, const char **value,
                         struct pawl_err *err)
{
    const json_t *found = find(at, key);
    if (!json_is_string(found))
        return refuse(at, key, found, "a string", err);
    *value = json_string_value(found);
    return 0;
}

int pawl_json_get_i64(const struct pawl_json_at *at, const char *key, int64_t min, int64_t max,
                      int64_t *value, struct pawl_err *err)
{
    const json_t *found = find(at, key);
    int64_t number = json_is_integer(found) ? json_integer_value(found) : 0;
    if (!json_is_integer(found) || number < min || number > max) {
        char rule[80];
        snprintf(rule, sizeof(rule), "an integer within %" PRId64 " .. %" PRId64, min, max);
        return refuse(at, key, found, rule, err);
    }
    *value = number;
    return 0;
}

int pawl_json_get_f64(const struct pawl_json_at *at, const char *key, double min, double max,
                      double *value, struct pawl_err *err)
{
    const json_t *found = find(at, key);
    double number = json_number_value(found);
    if (!json_is_number(found) || !(number >= min && number <= max)) {
        char low[PAWL_TEXT_F64_BYTES], high[PAWL_TEXT_F64_BYTES], rule[128];
        pawl_text_f64(low, min, PAWL_TEXT_F64_FOR_PEOPLE);
        pawl_text_f64(high, max, PAWL_TEXT_F64_FOR_PEOPLE);
        snprintf(rule, sizeof(rule), "a number within %s .. %s", low, high);
        return refuse(at, key, found, rule, err);
    }
    *value = number;
    return 0;
}

int pawl_json_get_bool(const struct pawl_json_at *at, const char *key, bool *value,
                       struct pawl_err *err)
{
    const json_t *found = find(at, key);
    if (!json_is_boolean(found))
        return refuse(at, key, found, "true or false", err);
    *value = json_is_true(found);
    return 0;
}

struct pawl_json_at pawl_json_item(const struct pawl_json_at *array, size_t index)
{
    return (struct pawl_json_at){.doc = array->doc,
                                 .parent = array,
                                 .value = json_array_get(array->value, index),
                                 .item_index = index};
}

bool pawl_json_next(const struct pawl_json_at *object, struct pawl_json_at *member)
{
    /* jansson's iterators take a pointer that they do not write through. */
    json_t *value = (json_t *)object->value;
    void *place = member->key
                      ? json_object_iter_next(value, json_object_key_to_iter(member->key))
                      : json_object_iter(value);
    if (!place)
        return false;
    *member = (struct pawl_json_at){.doc = object->doc,
                                    .parent = object,
                                    .value = json_object_iter_value(place),
                                    .key = json_object_iter_key(place)};
    return true;
}
