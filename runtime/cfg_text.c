/* cfg_text.c: values, ranges and foreign bytes as text. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"

/* Decimal exponents between which a number is written without one: 0.001, but 3e-4. */
#define PLAIN_EXPONENT_MIN -3
#define PLAIN_EXPONENT_MAX 9

#define DIGIT_TEXT_BYTES 20 /* 17 digits tell any two numbers apart */

/* The shortest digits that read back as the same number (without a dot) and the exponent of the
 * first of them. */
static int shortest_digits(double f64, char digits[DIGIT_TEXT_BYTES])
{
    char text[PAWL_CFG_NUMBER_TEXT_BYTES];

    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, f64);
        if (strtod(text, NULL) == f64)
            break;
    }
    size_t count = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    digits[count] = '\0';
    return (int)strtol(at + 1, NULL, 10);
}

void pawl_cfg_f64_text(double f64, enum pawl_cfg_f64_form form,
                       char text[PAWL_CFG_NUMBER_TEXT_BYTES])
{
    char digits[DIGIT_TEXT_BYTES];
    const char *sign = signbit(f64) ? "-" : "";

    if (!isfinite(f64)) {
        snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "%s", isnan(f64) ? "nan" : "inf");
        if (isinf(f64) && f64 < 0)
            snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "-inf");
        return;
    }
    static const char zeros[] = "000000000"; /* PLAIN_EXPONENT_MAX of them */
    int exponent = shortest_digits(fabs(f64), digits);
    int count = (int)strlen(digits);

    if (exponent < PLAIN_EXPONENT_MIN || exponent > PLAIN_EXPONENT_MAX)
        snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "%s%.1s%s%se%d", sign, digits,
                 count > 1 ? "." : "", digits + 1, exponent);
    else if (exponent < 0)
        snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "%s0.%.*s%s", sign, -exponent - 1, zeros,
                 digits);
    else if (count > exponent + 1)
        snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "%s%.*s.%s", sign, exponent + 1, digits,
                 digits + exponent + 1);
    else
        snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "%s%s%.*s%s", sign, digits,
                 exponent + 1 - count, zeros, form == PAWL_CFG_F64_AS_TOML ? ".0" : "");
}

/* The letter of a byte's short escape, 0 when it has none. */
static char escape_letter(char c)
{
    switch (c) {
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    case '"':
    case '\\':
        return c;
    default:
        return 0;
    }
}

void pawl_cfg_quote(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        char letter = escape_letter(*text);
        unsigned char c = (unsigned char)*text;

        if (letter)
            fprintf(out, "\\%c", letter);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04X", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void print_i64_list(FILE *out, const struct pawl_cfg_i64_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        fprintf(out, "%s%" PRId64, i ? ", " : "", list->items[i]);
}

static void print_f64_list(FILE *out, const struct pawl_cfg_f64_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        char text[PAWL_CFG_NUMBER_TEXT_BYTES];
        pawl_cfg_f64_text(list->items[i], PAWL_CFG_F64_AS_TOML, text);
        fprintf(out, "%s%s", i ? ", " : "", text);
    }
}

static void print_text_list(FILE *out, const struct pawl_cfg_text_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        fputs(i ? ", " : "", out);
        pawl_cfg_quote(out, list->items[i]);
    }
}

void pawl_cfg_value_print(FILE *out, const struct pawl_cfg_row *row, const void *fields)
{
    const void *field = (const char *)fields + row->offset;
    char text[PAWL_CFG_NUMBER_TEXT_BYTES];

    switch (row->type) {
    case PAWL_CFG_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case PAWL_CFG_I64:
        fprintf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case PAWL_CFG_F64:
        pawl_cfg_f64_text(*(const double *)field, PAWL_CFG_F64_AS_TOML, text);
        fputs(text, out);
        break;
    case PAWL_CFG_TEXT:
        pawl_cfg_quote(out, field);
        break;
    case PAWL_CFG_CHOICE:
        pawl_cfg_quote(out, row->choices[*(const int32_t *)field]);
        break;
    case PAWL_CFG_I64_LIST:
    case PAWL_CFG_F64_LIST:
    case PAWL_CFG_TEXT_LIST:
        fputc('[', out);
        if (row->type == PAWL_CFG_I64_LIST)
            print_i64_list(out, field);
        else if (row->type == PAWL_CFG_F64_LIST)
            print_f64_list(out, field);
        else
            print_text_list(out, field);
        fputc(']', out);
        break;
    }
}

/* Bytes of the character at text, 0 when it is not UTF-8 (RFC 3629: no surrogates, nothing
 * overlong, nothing above U+10FFFF). */
static size_t character_bytes(const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char lowest = 0x80, highest = 0xbf;
    size_t bytes;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        bytes = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        bytes = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        bytes = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        lowest = 0xa0;
    else if (at[0] == 0xed)
        highest = 0x9f;
    else if (at[0] == 0xf0)
        lowest = 0x90;
    else if (at[0] == 0xf4)
        highest = 0x8f;
    if (left < bytes || at[1] < lowest || at[1] > highest)
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return bytes;
}

bool pawl_cfg_is_utf8(const char *text, size_t text_bytes)
{
    for (size_t at = 0; at < text_bytes;) {
        size_t bytes = character_bytes(text + at, text_bytes - at);
        if (!bytes)
            return false;
        at += bytes;
    }
    return true;
}

void pawl_cfg_plain(const char *from, size_t from_bytes, char *text, size_t text_bytes)
{
    size_t to = 0, whole = 0; /* whole: as far as there is room for the dots as well */

    for (size_t at = 0; at < from_bytes;) {
        size_t bytes = character_bytes(from + at, from_bytes - at);
        unsigned char c = (unsigned char)from[at];
        /* Controls: C0, DEL, and C1, which is U+0080 to U+009F. */
        bool is_plain = bytes > 1 ? !(c == 0xc2 && (unsigned char)from[at + 1] < 0xa0)
                                  : bytes == 1 && c >= 0x20 && c != 0x7f;
        size_t written = is_plain ? bytes : 1;

        if (to + written + 1 > text_bytes) {
            memcpy(text + whole, "...", 4);
            return;
        }
        if (is_plain)
            memcpy(text + to, from + at, bytes);
        else
            text[to] = c == '\t' ? ' ' : '?';
        to += written;
        at += bytes ? bytes : 1;
        if (to + 4 <= text_bytes)
            whole = to;
    }
    text[to] = '\0';
}

static bool is_of_f64(const struct pawl_cfg_row *row)
{
    return row->type == PAWL_CFG_F64 || row->type == PAWL_CFG_F64_LIST;
}

static bool has_numbers(const struct pawl_cfg_row *row)
{
    return is_of_f64(row) || row->type == PAWL_CFG_I64 || row->type == PAWL_CFG_I64_LIST;
}

bool pawl_cfg_has_low(const struct pawl_cfg_row *row)
{
    return has_numbers(row) &&
           (is_of_f64(row) ? isfinite(row->min.f64) : row->min.i64 != PAWL_CFG_I64_LOWEST);
}

bool pawl_cfg_has_high(const struct pawl_cfg_row *row)
{
    return has_numbers(row) &&
           (is_of_f64(row) ? isfinite(row->max.f64) : row->max.i64 != PAWL_CFG_I64_HIGHEST);
}

static void number_text(const struct pawl_cfg_row *row, union pawl_cfg_number number,
                        char text[PAWL_CFG_NUMBER_TEXT_BYTES])
{
    if (is_of_f64(row))
        pawl_cfg_f64_text(number.f64, PAWL_CFG_F64_FOR_PEOPLE, text);
    else
        snprintf(text, PAWL_CFG_NUMBER_TEXT_BYTES, "%" PRId64, number.i64);
}

void pawl_cfg_low_text(const struct pawl_cfg_row *row, char text[PAWL_CFG_NUMBER_TEXT_BYTES])
{
    number_text(row, row->min, text);
}

void pawl_cfg_high_text(const struct pawl_cfg_row *row, char text[PAWL_CFG_NUMBER_TEXT_BYTES])
{
    number_text(row, row->max, text);
}

const char *pawl_cfg_type_name(const struct pawl_cfg_row *row)
{
    switch (row->type) {
    case PAWL_CFG_BOOL:
        return "true or false";
    case PAWL_CFG_I64:
        return "a whole number";
    case PAWL_CFG_F64:
        return "a number";
    case PAWL_CFG_TEXT:
        return "a text in quotes";
    case PAWL_CFG_CHOICE:
        return "one of its choices";
    case PAWL_CFG_I64_LIST:
        return "a list of whole numbers";
    case PAWL_CFG_F64_LIST:
        return "a list of numbers";
    case PAWL_CFG_TEXT_LIST:
        return "a list of texts";
    }
    return "";
}

static void allowed_choices(const struct pawl_cfg_row *row, FILE *out)
{
    for (const char *const *choice = row->choices; *choice; choice++) {
        if (choice != row->choices)
            fputs(choice[1] ? ", " : " or ", out);
        pawl_cfg_quote(out, *choice);
    }
}

static void allowed_numbers(const struct pawl_cfg_row *row, FILE *out)
{
    char low[PAWL_CFG_NUMBER_TEXT_BYTES], high[PAWL_CFG_NUMBER_TEXT_BYTES];

    pawl_cfg_low_text(row, low);
    pawl_cfg_high_text(row, high);
    if (row->type == PAWL_CFG_I64_LIST || row->type == PAWL_CFG_F64_LIST)
        fputs("list of ", out);
    if (pawl_cfg_has_low(row) && pawl_cfg_has_high(row))
        fprintf(out, "%s .. %s", low, high);
    else if (pawl_cfg_has_low(row))
        fprintf(out, "%s or more", low);
    else if (pawl_cfg_has_high(row))
        fprintf(out, "%s or less", high);
    else
        fputs(is_of_f64(row) ? "any number" : "any whole number", out);
    if (*row->unit)
        fprintf(out, " %s", row->unit);
    if (row->flags & PAWL_CFG_IS_POWER_OF_TWO)
        fputs(", a power of two", out);
}

void pawl_cfg_row_allowed(const struct pawl_cfg_row *row, char *text, size_t text_bytes)
{
    FILE *out = fmemopen(text, text_bytes, "w");

    if (!out)
        return;
    switch (row->type) {
    case PAWL_CFG_BOOL:
        fputs("true or false", out);
        break;
    case PAWL_CFG_CHOICE:
        allowed_choices(row, out);
        break;
    case PAWL_CFG_TEXT:
        fprintf(out, "text of up to %zu bytes", row->field_bytes - 1);
        break;
    case PAWL_CFG_TEXT_LIST:
        fprintf(out, "list of up to %d texts", PAWL_CFG_LIST_TEXT_MAX);
        break;
    default:
        allowed_numbers(row, out);
    }
    if (row->flags & PAWL_CFG_IS_NOT_EMPTY)
        fputs(", not empty", out);
    fclose(out);
    text[text_bytes - 1] = '\0';
}

void pawl_cfg_row_standard(const struct pawl_cfg_row *row, char *text, size_t text_bytes)
{
    FILE *out = fmemopen(text, text_bytes, "w");
    char number[PAWL_CFG_NUMBER_TEXT_BYTES];

    if (!out)
        return;
    switch (row->type) {
    case PAWL_CFG_BOOL:
        fputs(row->standard.i64 ? "true" : "false", out);
        break;
    case PAWL_CFG_CHOICE:
        pawl_cfg_quote(out, row->choices[row->standard.i64]);
        break;
    case PAWL_CFG_TEXT:
        pawl_cfg_quote(out, row->standard_text);
        break;
    case PAWL_CFG_I64:
    case PAWL_CFG_F64:
        number_text(row, row->standard, number);
        fputs(number, out);
        break;
    default:
        fputs(row->standard_text, out);
    }
    fclose(out);
    text[text_bytes - 1] = '\0';
}
