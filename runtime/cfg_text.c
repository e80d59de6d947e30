/* cfg_text.c: values and ranges as text. */
#include <inttypes.h>
#include <math.h>

#include "runtime/cfg_internal.h"

void pawl_cfg_quote(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        char escape[PAWL_TEXT_ESCAPE_BYTES];
        if (pawl_text_escape(*text, escape))
            fputs(escape, out);
        else
            fputc(*text, out);
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
        char text[PAWL_TEXT_F64_BYTES];
        pawl_text_f64(text, list->items[i], PAWL_TEXT_F64_FOR_PROGRAMS);
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
    char text[PAWL_TEXT_F64_BYTES];

    switch (row->type) {
    case PAWL_CFG_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case PAWL_CFG_I64:
        fprintf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case PAWL_CFG_F64:
        pawl_text_f64(text, *(const double *)field, PAWL_TEXT_F64_FOR_PROGRAMS);
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
                        char text[PAWL_TEXT_F64_BYTES])
{
    if (is_of_f64(row))
        pawl_text_f64(text, number.f64, PAWL_TEXT_F64_FOR_PEOPLE);
    else
        snprintf(text, PAWL_TEXT_F64_BYTES, "%" PRId64, number.i64);
}

void pawl_cfg_low_text(const struct pawl_cfg_row *row, char text[PAWL_TEXT_F64_BYTES])
{
    number_text(row, row->min, text);
}

void pawl_cfg_high_text(const struct pawl_cfg_row *row, char text[PAWL_TEXT_F64_BYTES])
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
    char low[PAWL_TEXT_F64_BYTES], high[PAWL_TEXT_F64_BYTES];

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
    char number[PAWL_TEXT_F64_BYTES];

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
