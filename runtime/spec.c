#include "runtime/spec.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* DTYPE[A,B,C,D] and a zero, rounded up. */
#define TYPE_BYTES (8 + 2 + PAWL_SPEC_RANK_MAX * 11)

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [PAWL_BOOL] = {"bool", 1},   [PAWL_U8] = {"uint8", 1},      [PAWL_I8] = {"int8", 1},
    [PAWL_U16] = {"uint16", 2},  [PAWL_I16] = {"int16", 2},     [PAWL_U32] = {"uint32", 4},
    [PAWL_I32] = {"int32", 4},   [PAWL_U64] = {"uint64", 8},    [PAWL_I64] = {"int64", 8},
    [PAWL_F16] = {"float16", 2}, [PAWL_BF16] = {"bfloat16", 2}, [PAWL_F32] = {"float32", 4},
    [PAWL_F64] = {"float64", 8},
};

#define DTYPE_COUNT (sizeof(dtypes) / sizeof(dtypes[0]))

static bool is_dtype(enum pawl_dtype dtype)
{
    return (size_t)dtype < DTYPE_COUNT && dtypes[dtype].name;
}

const char *pawl_dtype_name(enum pawl_dtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].name : NULL;
}

size_t pawl_dtype_bytes(enum pawl_dtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].bytes : 0;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) / align * align;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(const char *name)
{
    if (!is_letter(name[0]))
        return false;
    for (const char *c = name; *c; c++) {
        bool is_word = is_letter(*c) || is_digit(*c) || *c == '_' || *c == '-';
        bool is_dot_between = *c == '.' && c[-1] != '.' && c[1];
        if (!is_word && !is_dot_between)
            return false;
    }
    return true;
}

/* A name that is refused is still printed, so it must not bring control characters along. */
static const char *printable(const char *name, char text[PAWL_SPEC_NAME_BYTES])
{
    size_t i = 0;
    for (; name[i] && i + 1 < PAWL_SPEC_NAME_BYTES; i++)
        text[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    text[i] = '\0';
    return text;
}

/* 0, or the rule that the field breaks. Every product and sum stays below 2^63: a size below
 * the limit of 2^30 times an extent below 2^32. */
static int measure(const struct pawl_spec *spec, struct pawl_spec_field *field,
                   struct pawl_err *err)
{
    uint64_t dtype_bytes = dtypes[field->dtype].bytes;

    field->size_bytes = dtype_bytes;
    for (uint32_t i = 0; i < field->rank; i++) {
        if (field->shape[i] == 0)
            return pawl_err_set(err, EINVAL,
                                "field '%s': extent %" PRIu32 " is 0, it must be at least 1",
                                field->name, i);
        field->size_bytes *= field->shape[i];
        if (field->size_bytes > PAWL_SPEC_RECORD_BYTES_MAX)
            return pawl_err_set(err, E2BIG,
                                "field '%s': larger than a record may be (%" PRIu64 " bytes)",
                                field->name, PAWL_SPEC_RECORD_BYTES_MAX);
    }
    uint64_t end_bytes = 0; /* of the last field; record_bytes is rounded up already */
    if (spec->field_count) {
        const struct pawl_spec_field *last = &spec->fields[spec->field_count - 1];
        end_bytes = last->offset_bytes + last->size_bytes;
    }
    field->offset_bytes = align_up(end_bytes, dtype_bytes);
    if (field->offset_bytes + field->size_bytes > PAWL_SPEC_RECORD_BYTES_MAX)
        return pawl_err_set(
            err, E2BIG,
            "field '%s': the record would be %" PRIu64 " bytes long, more than %" PRIu64,
            field->name, field->offset_bytes + field->size_bytes, PAWL_SPEC_RECORD_BYTES_MAX);
    return 0;
}

int pawl_spec_add(struct pawl_spec *spec, const char *name, enum pawl_dtype dtype,
                  uint32_t rank, const uint32_t *shape, struct pawl_err *err)
{
    struct pawl_spec_field field = {.dtype = dtype, .rank = rank};
    char shown[PAWL_SPEC_NAME_BYTES];

    if (strnlen(name, PAWL_SPEC_NAME_BYTES) == PAWL_SPEC_NAME_BYTES)
        return pawl_err_set(err, EINVAL, "field '%s...': a name has at most %d characters",
                            printable(name, shown), PAWL_SPEC_NAME_BYTES - 1);
    if (!is_name(name))
        return pawl_err_set(err, EINVAL,
                            "field '%s': a name is words of letters, digits, _ and - with a . "
                            "between them, and begins with a letter",
                            printable(name, shown));
    strcpy(field.name, name);
    if (pawl_spec_find(spec, name))
        return pawl_err_set(err, EINVAL, "field '%s': there is one of this name already", name);
    if (!is_dtype(dtype))
        return pawl_err_set(err, EINVAL, "field '%s': dtype %d does not exist", name,
                            (int)dtype);
    if (rank > PAWL_SPEC_RANK_MAX)
        return pawl_err_set(err, EINVAL,
                            "field '%s': rank %" PRIu32 ", a shape has at most %d extents",
                            name, rank, PAWL_SPEC_RANK_MAX);
    if (spec->field_count == PAWL_SPEC_FIELDS_MAX)
        return pawl_err_set(err, E2BIG, "field '%s': a record has at most %d fields", name,
                            PAWL_SPEC_FIELDS_MAX);
    for (uint32_t i = 0; i < rank; i++)
        field.shape[i] = shape[i];
    int result = measure(spec, &field, err);
    if (result != 0)
        return result;

    spec->fields[spec->field_count++] = field;
    spec->record_bytes =
        align_up(field.offset_bytes + field.size_bytes, PAWL_SPEC_RECORD_ALIGN);
    return 0;
}

static uint32_t index_of(const struct pawl_spec *spec, const char *name)
{
    uint32_t i = 0;
    while (i < spec->field_count && strcmp(spec->fields[i].name, name) != 0)
        i++;
    return i;
}

const struct pawl_spec_field *pawl_spec_find(const struct pawl_spec *spec, const char *name)
{
    uint32_t i = index_of(spec, name);
    return i < spec->field_count ? &spec->fields[i] : NULL;
}

/* "float32[18]", or "float32" for a single value. */
static const char *type_text(const struct pawl_spec_field *field, char text[TYPE_BYTES])
{
    int length = snprintf(text, TYPE_BYTES, "%s", dtypes[field->dtype].name);
    for (uint32_t i = 0; i < field->rank; i++)
        length += snprintf(text + length, TYPE_BYTES - (size_t)length, "%c%" PRIu32,
                           i ? ',' : '[', field->shape[i]);
    if (field->rank)
        snprintf(text + length, TYPE_BYTES - (size_t)length, "]");
    return text;
}

static size_t line_text(const struct pawl_spec_field *field,
                        char line[PAWL_SPEC_LINE_BYTES_MAX + 1])
{
    char type[TYPE_BYTES];
    int length = snprintf(line, PAWL_SPEC_LINE_BYTES_MAX + 1, "%s %s @%" PRIu64 "\n",
                          field->name, type_text(field, type), field->offset_bytes);
    assert(length > 0 && length <= PAWL_SPEC_LINE_BYTES_MAX);
    return (size_t)length;
}

size_t pawl_spec_text(const struct pawl_spec *spec, char text[PAWL_SPEC_TEXT_BYTES])
{
    size_t length = 0;
    for (uint32_t i = 0; i < spec->field_count; i++)
        length += line_text(&spec->fields[i], text + length);
    text[length] = '\0';
    return length;
}

void pawl_spec_hash(const struct pawl_spec *spec, uint8_t hash[PAWL_SHA256_BYTES])
{
    char text[PAWL_SPEC_TEXT_BYTES];
    size_t length = pawl_spec_text(spec, text);
    pawl_sha256(text, length, hash);
}

/* A number below 2^32 at *at; false when there is none. */
static bool read_number(const char **at, uint32_t *number)
{
    uint64_t value = 0;
    const char *c = *at;

    for (; is_digit(*c); c++) {
        value = value * 10 + (uint64_t)(*c - '0');
        if (value > UINT32_MAX)
            return false;
    }
    if (c == *at)
        return false;
    *at = c;
    *number = (uint32_t)value;
    return true;
}

/* "[18]" or "[3,64,64]" or nothing. */
static int read_shape(const char **at, uint32_t shape[PAWL_SPEC_RANK_MAX], uint32_t *rank,
                      struct pawl_err *err)
{
    *rank = 0;
    if (**at != '[')
        return 0;
    do {
        ++*at;
        if (*rank == PAWL_SPEC_RANK_MAX)
            return pawl_err_set(err, EINVAL, "a shape has at most %d extents",
                                PAWL_SPEC_RANK_MAX);
        if (!read_number(at, &shape[(*rank)++]))
            return pawl_err_set(err, EINVAL, "extent %" PRIu32 " is not a number below 2^32",
                                *rank - 1);
    } while (**at == ',');
    if (**at != ']')
        return pawl_err_set(err, EINVAL, "a shape ends in ']'");
    ++*at;
    return 0;
}

/* Copies the word at `at`, which ends before one of `ends` or the closing zero, and returns
 * where it ends; NULL when it does not fit. */
static const char *read_word(const char *at, const char *ends, char *word, size_t word_bytes)
{
    size_t length = strcspn(at, ends);
    if (length >= word_bytes)
        return NULL;
    memcpy(word, at, length);
    word[length] = '\0';
    return at + length;
}

/* One line without its newline, closed by a zero. */
static int parse_line(struct pawl_spec *spec, const char *line, struct pawl_err *err)
{
    char name[PAWL_SPEC_NAME_BYTES], dtype_name[16];
    uint32_t shape[PAWL_SPEC_RANK_MAX], rank, offset_bytes;

    const char *at = read_word(line, " ", name, sizeof(name));
    if (!at || *at++ != ' ')
        return pawl_err_set(err, EINVAL, "not of the form NAME DTYPE[SHAPE] @OFFSET");
    at = read_word(at, "[ ", dtype_name, sizeof(dtype_name));
    enum pawl_dtype dtype = PAWL_BOOL;
    while (at && is_dtype(dtype) && strcmp(dtypes[dtype].name, dtype_name) != 0)
        dtype++;
    if (!at || !is_dtype(dtype))
        return pawl_err_set(err, EINVAL, "the second word is not a dtype");
    if (read_shape(&at, shape, &rank, err) != 0)
        return -EINVAL;
    if (at[0] != ' ' || at[1] != '@')
        return pawl_err_set(err, EINVAL, "not of the form NAME DTYPE[SHAPE] @OFFSET");
    at += 2;
    if (!read_number(&at, &offset_bytes) || *at)
        return pawl_err_set(err, EINVAL, "the offset is not a number below 2^32 at the end");

    int result = pawl_spec_add(spec, name, dtype, rank, shape, err);
    if (result != 0)
        return result;

    const struct pawl_spec_field *field = &spec->fields[spec->field_count - 1];
    if (field->offset_bytes != offset_bytes)
        return pawl_err_set(
            err, EINVAL, "field '%s': at byte %" PRIu32 ", but the layout puts it at %" PRIu64,
            name, offset_bytes, field->offset_bytes);
    char canonical[PAWL_SPEC_LINE_BYTES_MAX + 1];
    size_t length = line_text(field, canonical) - 1;
    if (strlen(line) != length || memcmp(line, canonical, length) != 0)
        return pawl_err_set(err, EINVAL, "field '%s': a number with leading zeros", name);
    return 0;
}

int pawl_spec_parse(struct pawl_spec *spec, const char *text, size_t length_bytes,
                    struct pawl_err *err)
{
    char line[PAWL_SPEC_LINE_BYTES_MAX + 1];
    uint32_t line_number = 0;
    int result = 0;

    *spec = (struct pawl_spec){0};
    for (size_t at = 0; result == 0 && at < length_bytes;) {
        const char *end = memchr(text + at, '\n', length_bytes - at);
        size_t line_bytes = end ? (size_t)(end - (text + at)) : 0;
        line_number++;
        if (!end) {
            result = pawl_err_set(err, EINVAL, "the last line has no newline");
        } else if (line_bytes >= PAWL_SPEC_LINE_BYTES_MAX) {
            result = pawl_err_set(err, EINVAL, "longer than a line can be (%d bytes)",
                                  PAWL_SPEC_LINE_BYTES_MAX);
        } else if (memchr(text + at, '\0', line_bytes)) {
            result = pawl_err_set(err, EINVAL, "has a zero byte");
        } else {
            memcpy(line, text + at, line_bytes);
            line[line_bytes] = '\0';
            result = parse_line(spec, line, err);
        }
        at += line_bytes + 1;
    }
    if (result != 0) {
        *spec = (struct pawl_spec){0};
        pawl_err_wrap(err, "spec text, line %" PRIu32, line_number);
    }
    return result;
}

static bool is_same_type(const struct pawl_spec_field *a, const struct pawl_spec_field *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->shape, b->shape, a->rank * sizeof(a->shape[0])) == 0;
}

int pawl_spec_match(const struct pawl_spec *here, const struct pawl_spec *there,
                    struct pawl_err *err)
{
    char type[TYPE_BYTES], other_type[TYPE_BYTES];
    uint32_t i = 0;

    while (i < here->field_count && i < there->field_count &&
           strcmp(here->fields[i].name, there->fields[i].name) == 0 &&
           is_same_type(&here->fields[i], &there->fields[i]))
        i++;

    const struct pawl_spec_field *a = i < here->field_count ? &here->fields[i] : NULL;
    const struct pawl_spec_field *b = i < there->field_count ? &there->fields[i] : NULL;
    if (!a && !b)
        return 0;
    if (a && !pawl_spec_find(there, a->name))
        return pawl_err_set(err, EINVAL, "field '%s': %s here, missing there", a->name,
                            type_text(a, type));
    if (b && !pawl_spec_find(here, b->name))
        return pawl_err_set(err, EINVAL, "field '%s': missing here, %s there", b->name,
                            type_text(b, type));
    /* All fields before are the same, so a field that the other has, it has at i or later, and
     * both have one at i. */
    assert(a && b);
    uint32_t there_index = index_of(there, a->name);
    if (there_index != i)
        return pawl_err_set(
            err, EINVAL, "field '%s': field number %" PRIu32 " here, number %" PRIu32 " there",
            a->name, i + 1, there_index + 1);
    return pawl_err_set(err, EINVAL, "field '%s': %s here, %s there", a->name,
                        type_text(a, type), type_text(b, other_type));
}
