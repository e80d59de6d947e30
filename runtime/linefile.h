/* linefile.h: a file of lines that only grows and survives a cut.
 *
 *     struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
 *     pawl_linefile_open(&file, pawl_io_sys(), "runs/x/metrics.jsonl", &cfg, &err);
 *     pawl_linefile_append(&file, text, length, &err);
 *     pawl_linefile_close(&file);
 *
 * Each line is one write, its newline included. Once append has returned 0 the line outlives
 * the process; once pawl_linefile_sync() has returned 0, or a later append with sync_period_ns
 * has synced, it outlives a power cut. A line cut short by either is found and dropped by the
 * next open: what is read back is a row of whole lines, in the order in which they were
 * appended, with every one that was promised.
 *
 * A line has no newline and no zero byte inside (a file system may leave zeros where a write
 * was lost; that is how open knows them). Thread safety: one thread; one writing object per
 * file, in all processes. Readers may follow the file meanwhile and wait for the newline.
 *
 * Once it is open, errors say what failed and not which file: the caller knows, and wraps.
 */
#ifndef PAWL_RUNTIME_LINEFILE_H
#define PAWL_RUNTIME_LINEFILE_H

#include <stdbool.h>

#include "runtime/err.h"
#include "runtime/io.h"

enum pawl_linefile_syncs {
    PAWL_LINEFILE_SYNCS, /* open, cut and, by sync_period_ns, append wait for the disk */
    PAWL_LINEFILE_SYNCS_ELSEWHERE, /* nothing here waits; see pawl_linefile_synced() */
    PAWL_LINEFILE_SYNCS_NEVER,     /* a power cut may take or mix what it likes */
};

struct pawl_linefile_cfg {
    size_t line_bytes_max;   /* without the newline */
    uint64_t sync_period_ns; /* an append syncs when the last sync is older; 0: never */
    enum pawl_linefile_syncs syncs;
};

/* How a file is when somebody begins to sync it. */
struct pawl_linefile_mark {
    uint64_t size_bytes;
    uint64_t cut_count;
};

struct pawl_linefile {
    struct pawl_io *io; /* NULL: not open */
    struct pawl_linefile_cfg cfg;
    int fd;
    char *buffer;           /* line_bytes_max and the newline */
    uint64_t size_bytes;    /* the end of the last whole line */
    uint64_t synced_bytes;  /* up to here a power cut takes nothing */
    uint64_t dropped_bytes; /* the torn end that open found and cut off */
    uint64_t last_sync_ns;
    uint64_t cut_count;    /* how often an end was cut off, since open */
    bool is_end_torn;      /* bytes of a failed append may be behind size_bytes */
    bool is_sync_lost;     /* a sync failed, so what was not synced then never will be */
    bool is_cut_uncertain; /* what was cut off, or whoever had the file before cut off, may come
                              back; only with syncs elsewhere */
};

struct pawl_linefile_cfg pawl_linefile_default_cfg(void);

/* Opens or creates the file, drops a torn end, and makes the file's name durable (unless syncs
 * are elsewhere). `io` stays the caller's. */
int pawl_linefile_open(struct pawl_linefile *file, struct pawl_io *io, const char *path,
                       const struct pawl_linefile_cfg *cfg, struct pawl_err *err);

/* Appends the text and a newline. On failure the line is not in the file (or the next append or
 * open takes away what is), with one exception: a failed periodic sync, after which the line is
 * there, unsynced. -EINVAL for a line too long or with a newline or zero byte in it. -EAGAIN:
 * see pawl_linefile_synced(). */
int pawl_linefile_append(struct pawl_linefile *file, const char *text, size_t length,
                         struct pawl_err *err);

/* Appends whole lines, each with its newline, by one write: all of them or none. A cut of the
 * power or a kill in between leaves the first ones. -EINVAL for a text that does not end with a
 * newline or has a zero byte in it. */
int pawl_linefile_append_lines(struct pawl_linefile *file, const char *text, size_t length,
                               struct pawl_err *err);

/* Takes back what is behind size_bytes, the end of an earlier line: for lines that a dead
 * process wrote and that did not come to count. -ERANGE when the file is shorter than that. */
int pawl_linefile_cut(struct pawl_linefile *file, uint64_t size_bytes, struct pawl_err *err);

/* Makes all lines durable. After one failure it fails always: the kernel may have dropped what
 * it could not write, and a later success would hide that. Appends go on and sync no more. */
int pawl_linefile_sync(struct pawl_linefile *file, struct pawl_err *err);

/* With syncs elsewhere: what the file is like now, to be taken before a sync begins that does
 * not use this object; and how that sync ended (0 or -errno). Where an end was cut off, lines
 * in its place could be mixed up with it by a power cut, so appends fail with -EAGAIN until a
 * sync that began later has ended; and so they do at first in a file that was there, for its
 * last writer may have cut it and died before its sync. One that failed ends the waiting too:
 * as with pawl_linefile_sync(), nothing is promised any more. */
struct pawl_linefile_mark pawl_linefile_mark(const struct pawl_linefile *file);
void pawl_linefile_synced(struct pawl_linefile *file, const struct pawl_linefile_mark *mark,
                          int code);

/* Whether lines are waited with for a sync, which should begin soon. */
bool pawl_linefile_is_waiting(const struct pawl_linefile *file);

/* Does not sync. */
void pawl_linefile_close(struct pawl_linefile *file);

#endif
