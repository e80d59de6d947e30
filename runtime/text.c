#include "runtime/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- characters --- */

size_t pawl_text_character(const char *text, size_t left, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)text[0];
    size_t more;

    if (lead < 0x80)
        more = 0;
    else if (lead >= 0xc2 && lead <= 0xdf)
        more = 1;
    else if (lead >= 0xe0 && lead <= 0xef)
        more = 2;
    else if (lead >= 0xf0 && lead <= 0xf4)
        more = 3;
    else
        return 0;
    if (left <= more)
        return 0;

    uint32_t value = more ? lead & (0x3fu >> more) : lead;
    for (size_t i = 1; i <= more; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte & 0x3fu);
    }
    bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < smallest[more] || value > 0x10ffff || is_surrogate)
        return 0;
    if (code)
        *code = value;
    return more + 1;
}

bool pawl_text_is_printable(uint32_t code)
{
    bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    bool is_steering = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return !is_control && !is_steering;
}

bool pawl_text_is_utf8(const char *text, size_t text_bytes)
{
    for (size_t at = 0; at < text_bytes;) {
        size_t bytes = pawl_text_character(text + at, text_bytes - at, NULL);
        if (!bytes)
            return false;
        at += bytes;
    }
    return true;
}

void pawl_text_plain(const char *from, size_t from_bytes, char *text, size_t text_bytes)
{
    size_t to = 0, whole = 0; /* whole: as far as there is room for the dots as well */

    for (size_t at = 0; at < from_bytes;) {
        uint32_t code = 0;
        size_t bytes = pawl_text_character(from + at, from_bytes - at, &code);
        bool is_plain = bytes && pawl_text_is_printable(code);
        size_t written = is_plain ? bytes : 1;

        if (to + written + 1 > text_bytes) {
            memcpy(text + whole, "...", 4);
            return;
        }
        if (is_plain)
            memmove(text + to, from + at, bytes);
        else
            text[to] = from[at] == '\t' ? ' ' : '?';
        to += written;
        at += bytes ? bytes : 1;
        if (to + 4 <= text_bytes)
            whole = to;
    }
    text[to] = '\0';
}

size_t pawl_text_escape(char c, char escape[PAWL_TEXT_ESCAPE_BYTES])
{
    static const char escaped[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    unsigned char byte = (unsigned char)c;
    const char *found = c ? strchr(escaped, c) : NULL;

    if (found)
        return (size_t)snprintf(escape, PAWL_TEXT_ESCAPE_BYTES, "\\%c",
                                letters[found - escaped]);
    if (byte < 0x20 || byte == 0x7f)
        return (size_t)snprintf(escape, PAWL_TEXT_ESCAPE_BYTES, "\\u%04x", byte);
    return 0;
}

/* --- numbers --- */

/* Decimal exponents between which a number is written without one: 0.001, but 3e-4. */
#define PLAIN_EXPONENT_MIN -3
#define PLAIN_EXPONENT_MAX 9

/* The next decimal of the same length: the last digit of the mantissa plus one, with its carry.
 * False when all digits are nines. */
static bool increment_decimal(char *text)
{
    for (size_t i = strcspn(text, "e"); i-- > 0;) {
        if (text[i] == '.')
            continue;
        if (text[i] != '9') {
            text[i]++;
            return true;
        }
        text[i] = '0';
    }
    return false;
}

/* "d.ddde-x" of a number that is not negative, with as few digits as read back.
 *
 * 15 digits are the shortest wherever they suffice (behind them zeros are left out), for
 * decimals of 15 digits are further apart than doubles; subnormals are coarser and start at one
 * digit. At 16 digits the nearest decimal is the only candidate, except above a power of two:
 * there the gap to the double above is twice the gap below, and the decimal beyond the nearest
 * may be the one that reads back. */
static void print_shortest(char text[PAWL_TEXT_F64_BYTES], double f64)
{
    for (int digits = f64 < DBL_MIN ? 1 : DBL_DIG; digits < DBL_DECIMAL_DIG; digits++) {
        snprintf(text, PAWL_TEXT_F64_BYTES, "%.*e", digits - 1, f64);
        if (strtod(text, NULL) == f64)
            return;
    }
    int exponent;
    if (frexp(f64, &exponent) == 0.5 && increment_decimal(text) && strtod(text, NULL) == f64)
        return;
    snprintf(text, PAWL_TEXT_F64_BYTES, "%.*e", DBL_DECIMAL_DIG - 1, f64);
}

/* The shortest digits, without a dot and zeros behind, and the exponent of the first. */
static int shortest_digits(double f64, char digits[PAWL_TEXT_F64_BYTES])
{
    char text[PAWL_TEXT_F64_BYTES];
    print_shortest(text, f64);

    size_t count = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return (int)strtol(at + 1, NULL, 10);
}

size_t pawl_text_f64(char text[PAWL_TEXT_F64_BYTES], double f64, enum pawl_text_f64_form form)
{
    static const char zeros[] = "000000000"; /* PLAIN_EXPONENT_MAX of them */
    const char *sign = signbit(f64) ? "-" : "";
    char digits[PAWL_TEXT_F64_BYTES];
    int length;

    if (isnan(f64))
        return (size_t)snprintf(text, PAWL_TEXT_F64_BYTES, "nan");
    if (isinf(f64))
        return (size_t)snprintf(text, PAWL_TEXT_F64_BYTES, "%sinf", sign);

    int exponent = shortest_digits(fabs(f64), digits);
    int count = (int)strlen(digits);
    if (exponent < PLAIN_EXPONENT_MIN || exponent > PLAIN_EXPONENT_MAX)
        length = snprintf(text, PAWL_TEXT_F64_BYTES, "%s%.1s%s%se%d", sign, digits,
                          count > 1 ? "." : "", digits + 1, exponent);
    else if (exponent < 0)
        length = snprintf(text, PAWL_TEXT_F64_BYTES, "%s0.%.*s%s", sign, -exponent - 1, zeros,
                          digits);
    else if (count > exponent + 1)
        length = snprintf(text, PAWL_TEXT_F64_BYTES, "%s%.*s.%s", sign, exponent + 1, digits,
                          digits + exponent + 1);
    else
        length = snprintf(text, PAWL_TEXT_F64_BYTES, "%s%s%.*s%s", sign, digits,
                          exponent + 1 - count, zeros,
                          form == PAWL_TEXT_F64_FOR_PROGRAMS ? ".0" : "");
    return (size_t)length;
}

/* --- terminals --- */

void pawl_text_hex(const void *bytes, size_t byte_count, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < byte_count; i++) {
        text[2 * i] = digits[from[i] >> 4];
        text[2 * i + 1] = digits[from[i] & 15];
    }
    text[2 * byte_count] = '\0';
}

bool pawl_text_wants_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fd) && !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
}
