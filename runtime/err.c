#include "runtime/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void mark_cut(char *text)
{
    memcpy(text + PAWL_ERR_TEXT_BYTES - 4, "...", 4);
}

int pawl_err_set(struct pawl_err *err, int code, const char *format, ...)
{
    if (code <= 0)
        code =
            EIO; /* a caller that reports an error has one, even if errno was already cleared */
    if (!err)
        return -code;
    if (err->code)
        return -err->code;

    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (length >= (int)sizeof(err->text))
        mark_cut(err->text);
    err->code = code;
    return -code;
}

int pawl_err_wrap(struct pawl_err *err, const char *format, ...)
{
    if (!err)
        return -EIO;

    char outer[PAWL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(outer, sizeof(outer), format, args);
    va_end(args);

    char inner[PAWL_ERR_TEXT_BYTES];
    memcpy(inner, err->text, sizeof(inner));
    if (!err->code) {
        err->code = EIO;
        strcpy(inner, "failed without a reason");
    }
    int length = snprintf(err->text, sizeof(err->text), "%s: %s", outer, inner);
    if (length >= (int)sizeof(err->text))
        mark_cut(err->text);
    return -err->code;
}

void pawl_check_failed(const char *condition, const char *file, int line)
{
    /* No stdio: the process may be in any state. */
    char text[512];
    int length =
        snprintf(text, sizeof(text), "%s:%d: broken invariant: %s\n", file, line, condition);
    if (length > 0 && write(STDERR_FILENO, text, strnlen(text, sizeof(text))) < 0)
        abort();
    abort();
}
