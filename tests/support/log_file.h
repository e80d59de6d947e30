/* log_file.h: a started log whose file a test can read. One test, one process: the descriptors
 * that it bends stay bent. */
#ifndef PAWL_TEST_LOG_FILE_H
#define PAWL_TEST_LOG_FILE_H

#include "runtime/clock.h"
#include "runtime/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

#define GUARD_NS (20 * PAWL_NS_PER_S) /* against hanging, not a promise */

static char path[64];
static char text[1 << 20];

/* Into a new file, and nothing on stderr. */
static inline struct pawl_log_cfg quiet_cfg(void)
{
    strcpy(path, "/tmp/pawl_test_log_XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    struct pawl_log_cfg cfg = pawl_log_default_cfg("learner");
    cfg.path = path;
    cfg.stderr_level = PAWL_LOG_OFF;
    return cfg;
}

static inline void start(const struct pawl_log_cfg *cfg)
{
    struct pawl_err err = {0};
    int rc = pawl_log_start(cfg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static inline const char *read_fd(int fd)
{
    size_t length = 0;
    for (ssize_t count; (count = read(fd, text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)count;
    text[length] = '\0';
    return text;
}

static inline const char *read_file(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    read_fd(fd);
    close(fd);
    return text;
}

/* What is in the file after the log has stopped; the file is gone then. */
static inline const char *stopped_file(void)
{
    ck_assert_int_eq(pawl_log_stop(), 0);
    read_file();
    unlink(path);
    return text;
}

static inline size_t count_of(const char *in, const char *what)
{
    size_t count = 0;
    for (const char *at = in; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

/* stderr into a pipe; the reader's end. */
static inline int redirect_stderr(void)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    return ends[0];
}

/* Ends what redirect_stderr() began, so that its reader sees the end; the number stays taken.
 */
static inline void drop_stderr(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

/* Long enough for a window that ends after `window_ns` to have been told. */
static inline void wait_for(const char *what, size_t count)
{
    uint64_t end_ns = pawl_clock_now_ns() + GUARD_NS;
    while (count_of(read_file(), what) < count) {
        ck_assert_msg(pawl_clock_now_ns() < end_ns, "\"%s\" is not in the log:\n%s", what,
                      text);
        usleep(5000);
    }
}

#endif
