/* log.h: one line per event of a life: start, attach, version published, peer lost, stop.
 *
 *     pawl_log_info("published", "version=%" PRIu64 " bytes=%zu", version, bytes);
 *     pawl_log_warn("below target", "hz=%.1f", hz);
 *     pawl_log_error("cannot publish", "error=%s", err.text);
 *     pawl_log_info("stopping");
 *
 *     12.483 info learner published version=41 bytes=1048576
 *
 * Never per step: rates and counts live in shared counters. The fields are one printf format
 * that the compiler checks against the values; it need not care for spaces in a value, quotes
 * are added where they are needed (log_line.h). At level debug each line ends with
 * at=FILE:LINE.
 *
 * Nothing here waits. A line goes into a bounded queue that one thread writes to stderr and to
 * the run's log file: errors at once, the rest within 50 ms. A full queue, a full disk and a
 * reader that stopped reading lose lines, which are counted and reported in a line. After 8
 * lines from one place in 10 s, warnings and errors are only counted, until 10 s pass without:
 *
 *     22.483 warn actor-3 below target, 37 times in the last 10 s
 *
 * A process that dies of its own fault (crash.h) first writes the lines that were waiting, and
 * `crashed signal=SIGSEGV addr=0x10`.
 *
 * Only a main configures the log. Before that, after pawl_log_stop() and in a forked child,
 * lines go straight to stderr.
 *
 * Thread safety: any thread logs; start and stop are for the main thread, stop after the
 * threads that log have ended. Not for signal handlers. Code that logs must not be unloaded.
 */
#ifndef PAWL_RUNTIME_LOG_H
#define PAWL_RUNTIME_LOG_H

#include "runtime/err.h"
#include "runtime/log_line.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Of the lines on stderr. */
enum pawl_log_colour {
    PAWL_LOG_COLOUR_AUTO, /* on a terminal where neither NO_COLOR nor TERM says otherwise */
    PAWL_LOG_COLOUR_ALWAYS,
    PAWL_LOG_COLOUR_NEVER,
};

struct pawl_log_cfg {
    const char *role;  /* "learner", "actor-3": letters, digits, `-`, `_` and `.`; copied */
    const char *path;  /* appended to; NULL: no file */
    uint64_t start_ns; /* zero of the time column on the monotonic clock, the run's start, so
                          that all its processes agree; 0: now */
    enum pawl_log_level level;        /* of the file */
    enum pawl_log_level stderr_level; /* OFF where a dashboard has the terminal */
    enum pawl_log_colour colour;
    uint64_t write_wait_ns;    /* how long a line may wait for the writer, if it is no error */
    uint64_t repeat_window_ns; /* of the limit on repeated warnings */
};

/* Of this process since pawl_log_start(). */
struct pawl_log_counts {
    uint64_t written_count;        /* lines in the file */
    uint64_t dropped_full_count;   /* the queue was full */
    uint64_t dropped_file_count;   /* the file could not be written */
    uint64_t dropped_stderr_count; /* nor stderr */
    uint64_t held_back_count;      /* repeated warnings that were only counted */
};

struct pawl_log_cfg pawl_log_default_cfg(const char *role);

int pawl_log_start(const struct pawl_log_cfg *cfg, struct pawl_err *err);

/* Returns when all lines logged before are written (or were lost by their sinks);
 * -ETIMEDOUT when that takes longer. */
int pawl_log_flush(uint64_t timeout_ns);

/* Likewise, and tells what has been held back until now: for who is about to say the last word,
 * which a count of older lines must not follow. */
int pawl_log_settle(uint64_t timeout_ns);

/* Writes what is left, for at most a second, and ends the thread; at exit it is called anyway.
 * -ETIMEDOUT when the writer is stuck in the kernel: it is left there and the log drops
 * everything from then on. */
int pawl_log_stop(void);

struct pawl_log_counts pawl_log_read_counts(void);

/* What the macros are made of. */

#define pawl_log_error(...) PAWL_LOG(PAWL_LOG_ERROR, __VA_ARGS__)
#define pawl_log_warn(...)  PAWL_LOG(PAWL_LOG_WARN, __VA_ARGS__)
#define pawl_log_info(...)  PAWL_LOG(PAWL_LOG_INFO, __VA_ARGS__)
#define pawl_log_debug(...) PAWL_LOG(PAWL_LOG_DEBUG, __VA_ARGS__)

/* Of what stays so until somebody does something, a full disk say: shown once, then counted. */
#define pawl_log_warn_once(...)  PAWL_LOG_SHOWN(PAWL_LOG_WARN, 1, __VA_ARGS__)
#define pawl_log_error_once(...) PAWL_LOG_SHOWN(PAWL_LOG_ERROR, 1, __VA_ARGS__)

#define PAWL_LOG_SHOWN_COUNT 8 /* lines from one place in a window, before they are counted */

/* A place in the source that logs. */
struct pawl_log_site {
    const char *file;
    int line;
    enum pawl_log_level level;
    const char *text;
    uint32_t shown_count; /* in a window */

    /* The limit on repeated warnings; relaxed: they count and order nothing. */
    _Atomic uint32_t seen_count; /* in this window */
    _Atomic uint32_t held_count; /* of them, those not shown */
    _Atomic bool is_repeating;   /* since an earlier window: nothing is shown but the count */
    _Atomic bool is_listed;
    struct pawl_log_site *next; /* set before the site is listed, constant after */
};

extern _Atomic int pawl_log_level_now; /* the most detailed level that any sink wants */

/* Text and fields are joined to one literal, so neither can be a variable; without fields the
 * literal ends with the newline. */
#define PAWL_LOG(level_of_line, ...)                                                           \
    PAWL_LOG_SHOWN(level_of_line, PAWL_LOG_SHOWN_COUNT, __VA_ARGS__)
#define PAWL_LOG_SHOWN(level_of_line, shown, text_of_line, ...)                                \
    do {                                                                                       \
        static struct pawl_log_site pawl_log_site_here = {.file = __FILE__,                    \
                                                          .line = __LINE__,                    \
                                                          .level = level_of_line,              \
                                                          .text = text_of_line,                \
                                                          .shown_count = shown};               \
        if (level_of_line <= atomic_load_explicit(&pawl_log_level_now, memory_order_relaxed))  \
            pawl_log_write(&pawl_log_site_here, text_of_line "\n" __VA_ARGS__);                \
    } while (0)

void pawl_log_write(struct pawl_log_site *site, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
