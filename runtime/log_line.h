/* log_line.h: the text of one line of the log.
 *
 *     12.483 info learner published version=41 bytes=1048576 path="runs/my run/a.st"
 *     time   level role   text      fields
 *
 * Time is in seconds since the start. A value with a space, a quote or a control character in
 * it, or an empty one, is quoted and escaped as in JSON (bytes that are not UTF-8 as \xNN), so
 * that a line is always one line, splits at spaces outside of quotes, and carries nothing from
 * another process that a terminal would obey.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_RUNTIME_LOG_LINE_H
#define PAWL_RUNTIME_LOG_LINE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_LOG_LINE_BYTES 1008 /* at most, with the newline */

enum pawl_log_level {
    PAWL_LOG_OFF, /* as a limit: nothing */
    PAWL_LOG_ERROR,
    PAWL_LOG_WARN,
    PAWL_LOG_INFO,
    PAWL_LOG_DEBUG,
};

struct pawl_log_head {
    uint64_t since_start_ns;
    enum pawl_log_level level;
    const char *role;
    const char *file; /* NULL, or printed last, without its folders: at=ring.c:123 */
    int line;
};

/* "error", "warn", "info", "debug", "off". */
const char *pawl_log_level_name(enum pawl_log_level level);

/* Writes the line, ended by a newline and no zero, and returns its length. `format` is the
 * text, a newline, and the fields, `name=%d name=%s`: a value is what stands between `=` and
 * the next space of the format. Too long a line ends in "...". %n and wide characters are not
 * known; a line ends where they stand. */
size_t pawl_log_line_format(char line[static PAWL_LOG_LINE_BYTES],
                            const struct pawl_log_head *head, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* The last line of a process that dies by a signal. May be called by a signal handler. */
size_t pawl_log_line_crash(char line[static PAWL_LOG_LINE_BYTES],
                           const struct pawl_log_head *head, int signal, const void *address);

#endif
