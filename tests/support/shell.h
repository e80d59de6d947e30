/* shell.h: a command line as a shell starts it, and what it printed.
 *
 *     ck_assert_int_eq(shell_run("cd %s && %s/pawl info", folder, PAWL_BIN_DIR), 0);
 *     strstr(shell_text, "torch")
 *     SHELL_PRINTS(shell_run(...), 2, "unknown key");
 */
#ifndef PAWL_TEST_SHELL_H
#define PAWL_TEST_SHELL_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "support/test.h"

#define SHELL_TEXT_BYTES (1 << 18)

/* What the last one printed, errors included; cut where there is more. */
static char shell_text[SHELL_TEXT_BYTES];

/* Its exit code. */
__attribute__((format(printf, 1, 2))) static inline int shell_run(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof(line) - 8, format, args);
    va_end(args);
    ck_assert_int_lt(length, (int)sizeof(line) - 8);
    strcat(line, " 2>&1");
    FILE *pipe = popen(line, "re");
    ck_assert_ptr_nonnull(pipe);
    shell_text[fread(shell_text, 1, SHELL_TEXT_BYTES - 1, pipe)] = '\0';
    int status = pclose(pipe);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define SHELL_PRINTS(run, exit_code, part)                                                     \
    do {                                                                                       \
        int shell_code = (run);                                                                \
        ck_assert_msg(shell_code == (exit_code) && strstr(shell_text, part),                   \
                      "%s: %d, no '%s' in:\n%s", #run, shell_code, part, shell_text);          \
    } while (0)

#endif
