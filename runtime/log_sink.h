/* log_sink.h: where lines end up: a descriptor, and what was lost on the way to it.
 *
 * A line is one write(2). A sink that fails loses lines, counts them, and says so itself once
 * it works again; a line cut short by a full disk is ended before the next one begins.
 *
 * Thread safety: one thread at a time. All of it may run in a signal handler.
 */
#ifndef PAWL_RUNTIME_LOG_SINK_H
#define PAWL_RUNTIME_LOG_SINK_H

#include "runtime/log_line.h"

#include <stdatomic.h>
#include <stdbool.h>

struct pawl_log_sink {
    int fd; /* negative: swallows everything */
    enum pawl_log_level level;
    bool is_coloured;
    bool is_polled; /* somebody else may stop reading: look before writing, give up soon */

    bool is_torn;          /* the last line lacks its end */
    bool is_failing;       /* the last write failed */
    int code;              /* why, an errno value */
    uint64_t told_dropped; /* of dropped_count, what the sink's reader was told */

    /* Written by the sink's thread only, read by any; relaxed: they order nothing. */
    _Atomic uint64_t written_count;
    _Atomic uint64_t dropped_count;
};

/* Writes the line if the sink wants its level; 0, or -errno for a line that was dropped. */
int pawl_log_sink_write(struct pawl_log_sink *sink, enum pawl_log_level level, const char *line,
                        size_t length);

#endif
