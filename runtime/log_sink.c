#include "runtime/log_sink.h"

#include "runtime/fault.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS      100
#define COLOUR_BYTES 16

static const char *colour_of(enum pawl_log_level level)
{
    switch (level) {
    case PAWL_LOG_ERROR:
        return "\033[31m";
    case PAWL_LOG_WARN:
        return "\033[33m";
    case PAWL_LOG_DEBUG:
        return "\033[2m";
    default:
        return NULL;
    }
}

static size_t append(char *to, size_t length, const char *from, size_t count)
{
    memcpy(to + length, from, count);
    return length + count;
}

/* The line with its second word, the level, in colour. */
static size_t add_colour(char *to, size_t start, const char *colour, const char *line,
                         size_t length)
{
    const char *word = memchr(line, ' ', length);
    const char *rest = word ? memchr(word + 1, ' ', length - (size_t)(word + 1 - line)) : NULL;
    if (!colour || !rest)
        return append(to, start, line, length);
    size_t at = append(to, start, line, (size_t)(word + 1 - line));
    at = append(to, at, colour, strlen(colour));
    at = append(to, at, word + 1, (size_t)(rest - word - 1));
    at = append(to, at, "\033[0m", 4);
    return append(to, at, rest, length - (size_t)(rest - line));
}

/* A reader that is stopped holds a pipe or terminal full; then a write would wait for it. */
static int wait_for_room(const struct pawl_log_sink *sink)
{
    struct pollfd pollfd = {.fd = sink->fd, .events = POLLOUT};
    /* Once it fails, lines do not wait for it one after the other. */
    int ready_count = poll(&pollfd, 1, sink->is_failing ? 0 : POLL_MS);
    return ready_count == 0 ? -EAGAIN : 0;
}

static int write_all(struct pawl_log_sink *sink, const char *bytes, size_t count)
{
    if (sink->is_polled) {
        int rc = wait_for_room(sink);
        if (rc != 0)
            return rc;
    }
    for (size_t done = 0; done < count;) {
        int code = PAWL_FAULT_ERRNO("log.write");
        ssize_t written = code ? -1 : write(sink->fd, bytes + done, count - done);
        if (written > 0) {
            done += (size_t)written;
            sink->is_torn = done < count;
            continue;
        }
        code = code ? code : written < 0 ? errno : EIO;
        if (code != EINTR)
            return -code;
    }
    return 0;
}

int pawl_log_sink_write(struct pawl_log_sink *sink, enum pawl_log_level level, const char *line,
                        size_t length)
{
    if (sink->fd < 0 || level > sink->level)
        return 0;

    char text[1 + PAWL_LOG_LINE_BYTES + COLOUR_BYTES];
    size_t at = sink->is_torn ? append(text, 0, "\n", 1) : 0;
    at = add_colour(text, at, sink->is_coloured ? colour_of(level) : NULL, line, length);

    int rc = write_all(sink, text, at);
    sink->is_failing = rc != 0;
    if (rc != 0)
        sink->code = -rc;
    atomic_fetch_add_explicit(rc == 0 ? &sink->written_count : &sink->dropped_count, 1,
                              memory_order_relaxed);
    return rc;
}
