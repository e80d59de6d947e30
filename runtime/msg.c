#include "runtime/msg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/text.h"

/* --- numbers on the wire --- */

static void put(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* --- text --- */

/* NULL, or the rule that the text breaks. There are max + 1 bytes. */
static const char *string_problem(const unsigned char *bytes,
                                  const struct pawl_msg_field *field, size_t *length)
{
    const char *text = (const char *)bytes;
    *length = strnlen(text, field->max + 1);
    if (*length > field->max)
        return "has no end";
    if (*length < field->min)
        return "is too short";
    for (size_t i = 0; i < *length;) {
        uint32_t code;
        size_t count = pawl_text_character(text + i, *length - i, &code);
        if (count == 0 || !pawl_text_is_printable(code))
            return "is not printable UTF-8";
        i += count;
    }
    return NULL;
}

/* --- the table --- */

static size_t field_bytes(const struct pawl_msg_field *field)
{
    switch (field->type) {
    case PAWL_MSG_U32:
        return 4;
    case PAWL_MSG_U64:
        return 8;
    case PAWL_MSG_BYTES:
        return field->max;
    case PAWL_MSG_STRING:
        return field->max + 1;
    }
    return 0;
}

size_t pawl_msg_bytes(const struct pawl_msg_kind *kind)
{
    size_t bytes = PAWL_MSG_HEADER_BYTES;
    for (size_t i = 0; i < kind->field_count; i++)
        bytes += field_bytes(&kind->fields[i]);
    return bytes;
}

const struct pawl_msg_kind *pawl_msg_find(const struct pawl_msg_table *table, uint16_t id,
                                          uint16_t version)
{
    for (size_t i = 0; i < table->kind_count; i++) {
        if (table->kinds[i].id == id && table->kinds[i].version == version)
            return &table->kinds[i];
    }
    return NULL;
}

static int check_field(const struct pawl_msg_kind *kind, const struct pawl_msg_field *field,
                       struct pawl_err *err)
{
    bool is_sized = field->type == PAWL_MSG_BYTES || field->type == PAWL_MSG_STRING;
    if (field->min > field->max || (field->type == PAWL_MSG_U32 && field->max > UINT32_MAX) ||
        (field->type == PAWL_MSG_BYTES && (field->min != field->max || field->max == 0)) ||
        (is_sized && field->max >= PAWL_MSG_BYTES_MAX))
        return pawl_err_set(err, EINVAL,
                            "%s.%s: impossible bounds %" PRIu64 " to %" PRIu64 " for its type",
                            kind->name, field->name, field->min, field->max);
    return 0;
}

static int check_kind(const struct pawl_msg_table *table, const struct pawl_msg_kind *kind,
                      struct pawl_err *err)
{
    for (size_t i = 0; i < kind->field_count; i++) {
        int result = check_field(kind, &kind->fields[i], err);
        if (result != 0)
            return result;
    }
    if (kind->version == 0 || pawl_msg_find(table, kind->id, kind->version) != kind)
        return pawl_err_set(err, EINVAL, "%s: kind %u version %u is taken, or the version is 0",
                            kind->name, kind->id, kind->version);
    if (pawl_msg_bytes(kind) > PAWL_MSG_BYTES_MAX)
        return pawl_err_set(err, EINVAL, "%s: %zu bytes, at most %d", kind->name,
                            pawl_msg_bytes(kind), PAWL_MSG_BYTES_MAX);
    return 0;
}

int pawl_msg_table_check(const struct pawl_msg_table *table, struct pawl_err *err)
{
    for (size_t i = 0; i < table->kind_count; i++) {
        int result = check_kind(table, &table->kinds[i], err);
        if (result != 0) {
            pawl_err_wrap(err, "message table %s", table->name);
            return result;
        }
    }
    return 0;
}

/* --- encode --- */

static int check_number(const struct pawl_msg_kind *kind, const struct pawl_msg_field *field,
                        uint64_t value, int code, struct pawl_err *err)
{
    if (value < field->min || value > field->max)
        return pawl_err_set(err, code, "%s.%s = %" PRIu64 ": expected %" PRIu64 " to %" PRIu64,
                            kind->name, field->name, value, field->min, field->max);
    return 0;
}

static int refuse_string(const struct pawl_msg_kind *kind, const struct pawl_msg_field *field,
                         const char *problem, int code, struct pawl_err *err)
{
    return pawl_err_set(err, code,
                        "%s.%s: the text %s; expected %" PRIu64 " to %" PRIu64 " bytes",
                        kind->name, field->name, problem, field->min, field->max);
}

static int encode_field(const struct pawl_msg_kind *kind, const struct pawl_msg_field *field,
                        const unsigned char *from, unsigned char *to, struct pawl_err *err)
{
    uint64_t value = 0;
    switch (field->type) {
    case PAWL_MSG_U32: {
        uint32_t narrow;
        memcpy(&narrow, from, sizeof(narrow));
        value = narrow;
        break;
    }
    case PAWL_MSG_U64:
        memcpy(&value, from, sizeof(value));
        break;
    case PAWL_MSG_BYTES:
        memcpy(to, from, field->max);
        return 0;
    case PAWL_MSG_STRING: {
        size_t length;
        const char *problem = string_problem(from, field, &length);
        if (problem)
            return refuse_string(kind, field, problem, EINVAL, err);
        memcpy(to, from, length);
        memset(to + length, 0, field->max + 1 - length);
        return 0;
    }
    }
    put(to, value, field_bytes(field));
    return check_number(kind, field, value, EINVAL, err);
}

int pawl_msg_encode(const struct pawl_msg_table *table, uint16_t id, uint16_t version,
                    const void *body, void *data, size_t bytes_max, size_t *bytes,
                    struct pawl_err *err)
{
    const struct pawl_msg_kind *kind = pawl_msg_find(table, id, version);
    if (!kind)
        return pawl_err_set(err, EINVAL, "message table %s has no kind %u version %u",
                            table->name, id, version);
    size_t total_bytes = pawl_msg_bytes(kind);
    if (bytes_max < total_bytes)
        return pawl_err_set(err, ENOBUFS, "%s is %zu bytes, there is room for %zu", kind->name,
                            total_bytes, bytes_max);

    unsigned char *to = data;
    put(to, kind->id, 2);
    put(to + 2, kind->version, 2);
    put(to + 4, total_bytes, 4);
    to += PAWL_MSG_HEADER_BYTES;
    for (size_t i = 0; i < kind->field_count; i++) {
        const struct pawl_msg_field *field = &kind->fields[i];
        int result =
            encode_field(kind, field, (const unsigned char *)body + field->offset, to, err);
        if (result != 0)
            return result;
        to += field_bytes(field);
    }
    *bytes = total_bytes;
    return 0;
}

/* --- decode --- */

static int decode_string(const struct pawl_msg_kind *kind, const struct pawl_msg_field *field,
                         const unsigned char *from, unsigned char *to, struct pawl_err *err)
{
    size_t length;
    const char *problem = string_problem(from, field, &length);
    for (size_t i = length; !problem && i <= field->max; i++)
        problem = from[i] != 0 ? "has bytes behind its end" : NULL;
    if (problem)
        return refuse_string(kind, field, problem, EPROTO, err);
    memcpy(to, from, field->max + 1);
    return 0;
}

static int decode_field(const struct pawl_msg_kind *kind, const struct pawl_msg_field *field,
                        const unsigned char *from, unsigned char *to, struct pawl_err *err)
{
    if (field->type == PAWL_MSG_STRING)
        return decode_string(kind, field, from, to, err);
    if (field->type == PAWL_MSG_BYTES) {
        memcpy(to, from, field->max);
        return 0;
    }
    uint64_t value = get(from, field_bytes(field));
    int result = check_number(kind, field, value, EPROTO, err);
    if (result != 0)
        return result;
    if (field->type == PAWL_MSG_U32)
        memcpy(to, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
    else
        memcpy(to, &value, sizeof(value));
    return 0;
}

static int refuse_kind(const struct pawl_msg_table *table, uint16_t id, uint16_t version,
                       struct pawl_err *err)
{
    for (size_t i = table->kind_count; i > 0; i--) {
        if (table->kinds[i - 1].id == id)
            return pawl_err_set(err, EPROTONOSUPPORT,
                                "%s version %u: this program has version %u; both sides need "
                                "the same build",
                                table->kinds[i - 1].name, version, table->kinds[i - 1].version);
    }
    return pawl_err_set(err, EPROTONOSUPPORT, "%s has no message kind %u version %u",
                        table->name, id, version);
}

static int decode_header(const struct pawl_msg_table *table, const unsigned char *data,
                         size_t bytes, size_t body_bytes, const struct pawl_msg_kind **found,
                         struct pawl_err *err)
{
    if (bytes < PAWL_MSG_HEADER_BYTES)
        return pawl_err_set(err, EPROTO, "a message of %zu bytes: its header has %d", bytes,
                            PAWL_MSG_HEADER_BYTES);
    uint16_t id = (uint16_t)get(data, 2);
    uint16_t version = (uint16_t)get(data + 2, 2);
    const struct pawl_msg_kind *kind = pawl_msg_find(table, id, version);
    if (!kind)
        return refuse_kind(table, id, version, err);
    uint64_t said_bytes = get(data + 4, 4);
    size_t true_bytes = pawl_msg_bytes(kind);
    if (bytes != true_bytes || said_bytes != true_bytes)
        return pawl_err_set(err, EPROTO, "%s of %zu bytes that says %" PRIu64 ": expected %zu",
                            kind->name, bytes, said_bytes, true_bytes);
    if (body_bytes < kind->struct_bytes)
        return pawl_err_set(err, EINVAL, "%s needs a struct of %zu bytes, not %zu", kind->name,
                            kind->struct_bytes, body_bytes);
    *found = kind;
    return 0;
}

int pawl_msg_decode(const struct pawl_msg_table *table, const void *data, size_t bytes,
                    void *body, size_t body_bytes, const struct pawl_msg_kind **kind,
                    struct pawl_err *err)
{
    *kind = NULL;
    memset(body, 0, body_bytes);
    const struct pawl_msg_kind *found = NULL;
    int result = decode_header(table, data, bytes, body_bytes, &found, err);
    if (result != 0)
        return result;

    const unsigned char *from = (const unsigned char *)data + PAWL_MSG_HEADER_BYTES;
    for (size_t i = 0; i < found->field_count; i++) {
        const struct pawl_msg_field *field = &found->fields[i];
        result = decode_field(found, field, from, (unsigned char *)body + field->offset, err);
        if (result != 0) {
            memset(body, 0, body_bytes);
            return result;
        }
        from += field_bytes(field);
    }
    *kind = found;
    return 0;
}
