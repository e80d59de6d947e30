/* supervise.h: a table of child processes that are kept running.
 *
 *     struct pawl_supervise_cfg cfg = {.equip = give_it_its_socket, .on_event = tell_me, ...};
 *     pawl_supervise_open(&set, loop, &cfg, &err);
 *     pawl_supervise_add(&set, &(struct pawl_child_cfg){.name = "worker 0", ...}, &err);
 *     pawl_supervise_start(&set, 0);
 *     pawl_loop_step(loop, ...);                       as often as wanted
 *     pawl_supervise_stop(&set, 0, now_ns + 4 * PAWL_NS_PER_S);    and step on until
 *     pawl_supervise_close(&set);                                  nobody is left
 *
 * A child that dies is started again after a pause that grows (restart.h), never before its
 * death is certain; one that keeps dying is left alone, in quarantine, while the others go on.
 * What a child writes to standard error passes through here line by line, so that its last
 * words are known when it has died.
 *
 * Stopping is bounded: the child is asked (by whatever `ask` does, or by SIGTERM), asked by
 * SIGTERM when half of the time is over, and killed at the deadline.
 *
 * Thread safety: the loop's thread, which must live as long as the children.
 */
#ifndef PAWL_RUNTIME_SUPERVISE_H
#define PAWL_RUNTIME_SUPERVISE_H

#include "runtime/err.h"
#include "runtime/loop.h"
#include "runtime/proc.h"
#include "runtime/restart.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_SUPERVISE_CHILD_COUNT_MAX 256
#define PAWL_SUPERVISE_FD_COUNT_MAX    8
#define PAWL_SUPERVISE_NAME_BYTES      32
#define PAWL_SUPERVISE_LINE_BYTES      1024

enum pawl_child_state {
    PAWL_CHILD_IDLE,        /* not started yet */
    PAWL_CHILD_PAUSED,      /* died, will be started at start_ns */
    PAWL_CHILD_RUNNING,     /* has a process */
    PAWL_CHILD_ENDED,       /* and is not to be started again */
    PAWL_CHILD_QUARANTINED, /* died too often */
};

/* Borrowed for as long as the child is in the table, but for the name. */
struct pawl_child_cfg {
    const char *name;
    const char *path;
    const char *const *argv;
    int oom_score_adj;
    struct pawl_restart_cfg restart;
};

/* All fields are for reading only. */
struct pawl_child {
    struct pawl_child_cfg cfg;
    char name[PAWL_SUPERVISE_NAME_BYTES];
    enum pawl_child_state state;
    struct pawl_proc proc;
    struct pawl_proc_exit exit; /* of the last process */
    uint64_t start_count;
    uint64_t start_ns;                         /* PAUSED: of the next start; else of the last */
    bool is_left;                              /* not to be started again once it ends */
    bool is_stopping;                          /* has been asked to end */
    bool was_killed;                           /* because it did not end in time */
    char last_line[PAWL_SUPERVISE_LINE_BYTES]; /* it wrote, of this incarnation; "": none */

    /* The table's own. */
    struct pawl_supervise *set;
    struct pawl_restart restart;
    uint64_t exit_watch, start_watch, term_watch, kill_watch, line_watch;
    int line_fd;
    char line[PAWL_SUPERVISE_LINE_BYTES]; /* what has come of the next line */
    size_t line_bytes;
    bool is_line_cut; /* the rest of a line that was too long is passed over */
};

enum pawl_supervise_event_kind {
    PAWL_SUPERVISE_STARTED,
    PAWL_SUPERVISE_FAILED, /* could not be started: text; tried again as if it had crashed */
    PAWL_SUPERVISE_ENDED,  /* child->exit; child->state says what is to come */
    PAWL_SUPERVISE_LINE, /* text: one line of its standard error, without control characters */
    PAWL_SUPERVISE_KILLED, /* because it did not end in time; ENDED follows */
};

struct pawl_supervise_event {
    enum pawl_supervise_event_kind kind;
    uint32_t index;
    const struct pawl_child *child;
    const char *text; /* "" when there is none */
};

struct pawl_supervise_cfg {
    uint32_t child_count_max;

    /* Before each start: the descriptors the child is given besides standard error. They are
     * closed here afterwards. A failure counts as a failed start. NULL: none. */
    int (*equip)(void *context, uint32_t index, struct pawl_proc_fd *fds, size_t *fd_count,
                 struct pawl_err *err);

    /* Whether a child that ended in this way should run again; not called for one that was
     * asked to end. NULL: unless it returned 0. */
    bool (*wants_again)(void *context, uint32_t index, const struct pawl_proc_exit *how);

    /* Asks a child to end in order. NULL: SIGTERM does. */
    void (*ask)(void *context, uint32_t index, uint64_t deadline_ns);

    /* May call all functions below but close(). */
    void (*on_event)(void *context, const struct pawl_supervise_event *event);
    void *context;
};

/* Zeroed: closed. */
struct pawl_supervise {
    bool is_open;
    struct pawl_loop *loop;
    struct pawl_supervise_cfg cfg;
    struct pawl_child *children;
    uint32_t child_count;
};

/* The loop stays the caller's and outlives the table; it needs five watches for each child. */
int pawl_supervise_open(struct pawl_supervise *set, struct pawl_loop *loop,
                        const struct pawl_supervise_cfg *cfg, struct pawl_err *err);

/* Its index is the number of children before. -ENOSPC when the table is full. */
int pawl_supervise_add(struct pawl_supervise *set, const struct pawl_child_cfg *cfg,
                       struct pawl_err *err);

/* Starts a child that has no process, at once. A failure is an event, and tried again. */
void pawl_supervise_start(struct pawl_supervise *set, uint32_t index);

/* It will not be started again, whatever happens; one that runs goes on. */
void pawl_supervise_leave(struct pawl_supervise *set, uint32_t index);

/* Makes a child end until deadline_ns, and not come back. */
void pawl_supervise_stop(struct pawl_supervise *set, uint32_t index, uint64_t deadline_ns);

/* Children that have a process, or will have one again. */
uint32_t pawl_supervise_alive_count(const struct pawl_supervise *set);

/* Kills whoever is left, waits for their ends and calls nobody. */
void pawl_supervise_close(struct pawl_supervise *set);

#endif
