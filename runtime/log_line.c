#include "runtime/log_line.h"

#include "runtime/clock.h"
#include "runtime/text.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#define SPEC_BYTES 32

struct out {
    char *start, *at, *end; /* one byte before the buffer's end: the newline's */
    bool is_cut;
};

static void put_bytes(struct out *out, const char *bytes, size_t count)
{
    size_t space = (size_t)(out->end - out->at);
    if (count > space) {
        count = space;
        out->is_cut = true;
    }
    memcpy(out->at, bytes, count);
    out->at += count;
}

static void put(struct out *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

static void put_number(struct out *out, uint64_t number, unsigned base, int digits_min)
{
    char digits[20];
    int start = sizeof(digits);
    do {
        digits[--start] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number || (int)sizeof(digits) - start < digits_min);
    put_bytes(out, digits + start, sizeof(digits) - (size_t)start);
}

static struct out begin_line(char *line, const struct pawl_log_head *head)
{
    struct out out = {.start = line, .at = line, .end = line + PAWL_LOG_LINE_BYTES - 1};
    put_number(&out, head->since_start_ns / PAWL_NS_PER_S, 10, 1);
    put(&out, ".");
    put_number(&out, head->since_start_ns % PAWL_NS_PER_S / PAWL_NS_PER_MS, 10, 3);
    put(&out, " ");
    put(&out, pawl_log_level_name(head->level));
    put(&out, " ");
    put(&out, head->role);
    put(&out, " ");
    return out;
}

static size_t end_line(struct out *out)
{
    if (out->is_cut) {
        out->at -= 3;
        while (((unsigned char)*out->at & 0xc0) == 0x80) /* not amid a character */
            out->at--;
        memcpy(out->at, "...", 3);
        out->at += 3;
    }
    *out->at++ = '\n';
    return (size_t)(out->at - out->start);
}

const char *pawl_log_level_name(enum pawl_log_level level)
{
    switch (level) {
    case PAWL_LOG_ERROR:
        return "error";
    case PAWL_LOG_WARN:
        return "warn";
    case PAWL_LOG_INFO:
        return "info";
    case PAWL_LOG_DEBUG:
        return "debug";
    case PAWL_LOG_OFF:
        break;
    }
    return "off";
}

/* The bytes of the character at `text` when it shows as itself; 0 for anything else. */
static size_t printable_bytes(const char *text, size_t count)
{
    uint32_t code;
    size_t bytes = pawl_text_character(text, count, &code);
    return bytes && pawl_text_is_printable(code) ? bytes : 0;
}

/* Escapes what would end the line or steer a terminal; inside quotes also what ends them. */
static void put_escaped(struct out *out, const char *text, size_t count, bool is_quoted)
{
    for (size_t i = 0; i < count;) {
        unsigned char byte = (unsigned char)text[i];
        size_t whole =
            byte < 0x80 ? byte >= 0x20 && byte != 0x7f : printable_bytes(text + i, count - i);
        if (is_quoted && (byte == '"' || byte == '\\')) {
            put_bytes(out, "\\", 1);
            put_bytes(out, text + i, 1);
        } else if (whole) {
            put_bytes(out, text + i, whole);
        } else if (byte == '\n' || byte == '\t' || byte == '\r') {
            put(out, byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : "\\r");
        } else {
            put(out, "\\x");
            put_number(out, byte, 16, 2);
        }
        i += whole ? whole : 1;
    }
}

static void put_value(struct out *out, const char *text, size_t count)
{
    bool is_plain = count > 0;
    for (size_t i = 0; i < count && is_plain; i++) {
        unsigned char byte = (unsigned char)text[i];
        is_plain = byte > 0x20 && byte < 0x7f && byte != '"' && byte != '=' && byte != '\\';
    }
    if (is_plain) {
        put_bytes(out, text, count);
        return;
    }
    put(out, "\"");
    put_escaped(out, text, count, true);
    put(out, "\"");
}

/* One conversion of a printf format, `%-8.3ld`: copied without its stars and its size. */
struct spec {
    char text[SPEC_BYTES]; /* "%-8.3" */
    size_t length;
    char size[3]; /* "", "hh", "h", "l", "ll", "j", "z", "t", "L" */
    char conversion;
};

static bool spec_add(struct spec *spec, char c)
{
    if (spec->length + 4 >= sizeof(spec->text)) /* room for the size, conversion and zero */
        return false;
    spec->text[spec->length++] = c;
    return true;
}

/* A va_list that is passed by address has the same type in all functions. */
struct args {
    va_list list;
};

static bool spec_add_star(struct spec *spec, struct args *args)
{
    int number = va_arg(args->list, int);
    if (number < 0 && spec->length && spec->text[spec->length - 1] == '.') {
        spec->length--; /* a negative precision is none */
        return true;
    }
    char digits[12];
    int count = snprintf(digits, sizeof(digits), "%d", number);
    for (int i = 0; i < count; i++)
        if (!spec_add(spec, digits[i]))
            return false;
    return true;
}

/* Returns what follows the conversion, NULL for one that is too long. */
static const char *read_spec(struct spec *spec, const char *format, struct args *args)
{
    *spec = (struct spec){0};
    spec_add(spec, *format++);
    for (; *format && strchr("-+ #0123456789.*", *format); format++) {
        if (!(*format == '*' ? spec_add_star(spec, args) : spec_add(spec, *format)))
            return NULL;
    }
    for (size_t i = 0; i < 2 && *format && strchr("hljztL", *format); i++)
        spec->size[i] = *format++;
    spec->conversion = *format;
    return *format ? format + 1 : NULL;
}

/* The type is checked where the format was written, by -Wformat. */
static intmax_t integer_argument(const struct spec *spec, bool is_signed, struct args *args)
{
    if (strcmp(spec->size, "ll") == 0 || spec->size[0] == 'j')
        return va_arg(args->list, intmax_t);
    if (spec->size[0] == 'l' || spec->size[0] == 'z' || spec->size[0] == 't')
        return va_arg(args->list, long);
    if (!is_signed) {
        unsigned number = va_arg(args->list, unsigned);
        return strcmp(spec->size, "hh") == 0 ? (unsigned char)number
               : spec->size[0] == 'h'        ? (unsigned short)number
                                             : number;
    }
    int number = va_arg(args->list, int);
    return strcmp(spec->size, "hh") == 0 ? (signed char)number
           : spec->size[0] == 'h'        ? (short)number
                                         : number;
}

static int print_integer(char *text, size_t bytes, struct spec *spec, struct args *args)
{
    bool is_signed = spec->conversion == 'd' || spec->conversion == 'i';
    intmax_t number = integer_argument(spec, is_signed, args);

    /* Most are plain decimals, and printf takes three times as long for them. */
    if (spec->length == 1 && (is_signed || spec->conversion == 'u') && bytes > 21) {
        struct out out = {.start = text, .at = text, .end = text + bytes};
        bool is_negative = is_signed && number < 0;
        if (is_negative)
            put(&out, "-");
        put_number(&out, is_negative ? 0 - (uintmax_t)number : (uintmax_t)number, 10, 1);
        return (int)(out.at - out.start);
    }
    spec->text[spec->length] = 'j';
    spec->text[spec->length + 1] = spec->conversion;
    return snprintf(text, bytes, spec->text, number);
}

_Static_assert(sizeof(long long) == sizeof(intmax_t) && sizeof(long) == sizeof(size_t) &&
                   sizeof(long) == sizeof(ptrdiff_t),
               "integer_argument() reads them as one another");

/* Appends the converted argument to `text`; false for a conversion that is not known. */
static bool print_argument(char *text, size_t bytes, size_t *length, struct spec *spec,
                           struct args *args, int code)
{
    char *at = text + *length;
    size_t space = bytes - *length;
    int count;

    spec->text[spec->length] = spec->conversion;
    switch (spec->conversion) {
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        count = print_integer(at, space, spec, args);
        break;
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (spec->size[0] == 'L') {
            spec->text[spec->length] = 'L';
            spec->text[spec->length + 1] = spec->conversion;
            count = snprintf(at, space, spec->text, va_arg(args->list, long double));
        } else {
            count = snprintf(at, space, spec->text, va_arg(args->list, double));
        }
        break;
    case 'c':
    case 's':
        if (spec->size[0])
            return false;
        if (spec->conversion == 'c')
            count = snprintf(at, space, spec->text, va_arg(args->list, int));
        else
            count = snprintf(at, space, spec->text, va_arg(args->list, const char *));
        break;
    case 'p':
        count = snprintf(at, space, spec->text, va_arg(args->list, const void *));
        break;
    case 'm':
        spec->text[spec->length] = 's';
        count = snprintf(at, space, spec->text, strerror(code));
        break;
    case '%':
        count = snprintf(at, space, "%%");
        break;
    default:
        return false;
    }
    if (count > 0)
        *length += (size_t)count < space ? (size_t)count : space - 1;
    return true;
}

/* Text, and each value, are put together first and then put out as one: whether a value needs
 * quotes is seen at its end. */
struct piece {
    enum { PIECE_TEXT, PIECE_NAME, PIECE_VALUE } kind;
    size_t length;
    char bytes[PAWL_LOG_LINE_BYTES];
};

static void end_piece(struct piece *piece, struct out *out)
{
    if (piece->kind == PIECE_VALUE)
        put_value(out, piece->bytes, piece->length);
    else
        put_escaped(out, piece->bytes, piece->length, false);
    piece->length = 0;
}

static void add_literal(struct piece *piece, char c, struct out *out)
{
    if (piece->kind == PIECE_TEXT && c == '\n') {
        end_piece(piece, out);
        piece->kind = PIECE_NAME;
        return;
    }
    if (piece->kind == PIECE_VALUE && c == ' ') {
        end_piece(piece, out);
        piece->kind = PIECE_NAME;
    }
    if (piece->length < sizeof(piece->bytes) - 1)
        piece->bytes[piece->length++] = c;
    if (piece->kind == PIECE_NAME && c == '=') {
        end_piece(piece, out);
        piece->kind = PIECE_VALUE;
    }
}

size_t pawl_log_line_format(char line[static PAWL_LOG_LINE_BYTES],
                            const struct pawl_log_head *head, const char *format, va_list list)
{
    int code = errno; /* for %m, before anything changes it */
    struct out out = begin_line(line, head);
    struct piece piece;
    piece.kind = PIECE_TEXT;
    piece.length = 0; /* its bytes are not worth clearing */
    struct args args;
    va_copy(args.list, list);

    while (*format) {
        if (*format != '%') {
            /* The newline between text and fields becomes a space, if there are fields. */
            if (*format == '\n' && piece.kind == PIECE_TEXT && format[1]) {
                add_literal(&piece, '\n', &out);
                add_literal(&piece, ' ', &out);
            } else {
                add_literal(&piece, *format, &out);
            }
            format++;
            continue;
        }
        struct spec spec;
        format = read_spec(&spec, format, &args);
        if (!format || !print_argument(piece.bytes, sizeof(piece.bytes), &piece.length, &spec,
                                       &args, code)) {
            end_piece(&piece, &out);
            piece.kind = PIECE_NAME;
            put(&out, " (a conversion that the log does not know)");
            break;
        }
    }
    end_piece(&piece, &out);
    va_end(args.list);

    if (head->file) {
        const char *slash = strrchr(head->file, '/');
        put(&out, " at=");
        put(&out, slash ? slash + 1 : head->file);
        put(&out, ":");
        put_number(&out, (uint64_t)head->line, 10, 1);
    }
    errno = code;
    return end_line(&out);
}

static const char *signal_name(int signal)
{
    switch (signal) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGABRT:
        return "SIGABRT";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    default:
        return NULL;
    }
}

size_t pawl_log_line_crash(char line[static PAWL_LOG_LINE_BYTES],
                           const struct pawl_log_head *head, int signal, const void *address)
{
    struct out out = begin_line(line, head);
    put(&out, "crashed signal=");
    if (signal_name(signal))
        put(&out, signal_name(signal));
    else
        put_number(&out, (uint64_t)signal, 10, 1);
    put(&out, " addr=0x");
    put_number(&out, (uintptr_t)address, 16, 1);
    return end_line(&out);
}
