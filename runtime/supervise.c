#include "runtime/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

#define LINE_READ_COUNT_MAX 16 /* of one child before the others have their turn */

static void start_child(struct pawl_child *child);

static uint32_t index_of(const struct pawl_child *child)
{
    return (uint32_t)(child - child->set->children);
}

static void report(struct pawl_child *child, enum pawl_supervise_event_kind kind,
                   const char *text)
{
    const struct pawl_supervise_cfg *cfg = &child->set->cfg;
    const struct pawl_supervise_event event = {
        .kind = kind, .index = index_of(child), .child = child, .text = text};
    if (cfg->on_event)
        cfg->on_event(cfg->context, &event);
}

static void unwatch(struct pawl_child *child, uint64_t *watch)
{
    pawl_loop_remove(child->set->loop, *watch);
    *watch = 0;
}

/* --- what it writes to standard error --- */

static void end_line(struct pawl_child *child)
{
    if (child->line_bytes == 0)
        return;
    child->line[child->line_bytes] = '\0';
    child->line_bytes = 0;
    memcpy(child->last_line, child->line, sizeof(child->last_line));
    report(child, PAWL_SUPERVISE_LINE, child->last_line);
}

static void take_bytes(struct pawl_child *child, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n') {
            end_line(child);
            child->is_line_cut = false;
        } else if (!child->is_line_cut) {
            child->line[child->line_bytes++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
            if (child->line_bytes == sizeof(child->line) - 1) {
                end_line(child);
                child->is_line_cut = true;
            }
        }
    }
}

static void close_lines(struct pawl_child *child)
{
    if (child->line_fd < 0)
        return;
    unwatch(child, &child->line_watch);
    close(child->line_fd);
    child->line_fd = -1;
    end_line(child);
}

/* False at the end of the pipe. */
static bool read_lines(struct pawl_child *child)
{
    char bytes[4096];
    for (int i = 0; i < LINE_READ_COUNT_MAX; i++) {
        ssize_t count = read(child->line_fd, bytes, sizeof(bytes));
        if (count <= 0)
            return count < 0 && (errno == EAGAIN || errno == EINTR);
        take_bytes(child, bytes, (size_t)count);
    }
    return true;
}

static void on_lines(void *context, const struct pawl_loop_event *event)
{
    struct pawl_child *child = context;
    (void)event;
    if (!read_lines(child))
        close_lines(child);
}

/* --- the end of a process --- */

static void pause_child(struct pawl_child *child);

static bool wants_again(struct pawl_child *child)
{
    const struct pawl_supervise_cfg *cfg = &child->set->cfg;
    if (child->is_stopping || child->is_left)
        return false;
    if (cfg->wants_again)
        return cfg->wants_again(cfg->context, index_of(child), &child->exit);
    return !(child->exit.is_known && child->exit.signal == 0 && child->exit.code == 0);
}

static void on_exit_of(void *context, const struct pawl_loop_event *event)
{
    struct pawl_child *child = context;
    (void)event;
    if (pawl_proc_wait(&child->proc, 0, NULL) == -EAGAIN)
        return;
    unwatch(child, &child->exit_watch);
    unwatch(child, &child->term_watch);
    unwatch(child, &child->kill_watch);
    if (child->line_fd >= 0)
        read_lines(child); /* the last words are in the pipe already */
    close_lines(child);
    child->exit = child->proc.exit;
    pawl_proc_close(&child->proc);
    child->state = PAWL_CHILD_ENDED;
    if (wants_again(child))
        pause_child(child);
    report(child, PAWL_SUPERVISE_ENDED, child->last_line);
}

/* --- starting --- */

static void on_start_due(void *context, const struct pawl_loop_event *event)
{
    struct pawl_child *child = context;
    (void)event;
    child->start_watch = 0;
    start_child(child);
}

/* After a crash: the next start, or quarantine. */
static void pause_child(struct pawl_child *child)
{
    uint64_t now_ns = pawl_clock_now_ns();
    child->state = PAWL_CHILD_QUARANTINED;
    if (!pawl_restart_crashed(&child->restart, now_ns, &child->start_ns))
        return;
    if (pawl_loop_add_timer(child->set->loop, child->start_ns, 0, on_start_due, child,
                            &child->start_watch, NULL) == 0)
        child->state = PAWL_CHILD_PAUSED;
}

/* Standard error is a pipe to us; *fd is the child's end. */
static int open_lines(struct pawl_child *child, int *fd, struct pawl_err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return pawl_err_set(err, errno, "make a pipe: %s", strerror(errno));
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->line_fd = ends[0];
    child->line_bytes = 0;
    child->is_line_cut = false;
    child->last_line[0] = '\0';
    *fd = ends[1];
    return pawl_loop_add_fd(child->set->loop, ends[0], POLLIN, on_lines, child,
                            &child->line_watch, err);
}

static int start_process(struct pawl_child *child, struct pawl_err *err)
{
    const struct pawl_supervise_cfg *cfg = &child->set->cfg;
    struct pawl_proc_fd fds[PAWL_SUPERVISE_FD_COUNT_MAX + 1];
    size_t fd_count = 0;

    PAWL_FAULT("supervise.start");
    int status =
        cfg->equip ? cfg->equip(cfg->context, index_of(child), fds, &fd_count, err) : 0;
    fds[fd_count] = (struct pawl_proc_fd){.fd = -1, .number = STDERR_FILENO};
    if (status == 0)
        status = open_lines(child, &fds[fd_count].fd, err);
    if (status == 0) {
        struct pawl_proc_cfg proc_cfg = pawl_proc_default_cfg();
        proc_cfg.path = child->cfg.path;
        proc_cfg.argv = child->cfg.argv;
        proc_cfg.fds = fds;
        proc_cfg.fd_count = fd_count + 1;
        proc_cfg.oom_score_adj = child->cfg.oom_score_adj;
        status = pawl_proc_start(&child->proc, &proc_cfg, err);
    }
    for (size_t i = 0; i <= fd_count; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    if (status == 0)
        status = pawl_loop_add_fd(child->set->loop, child->proc.pidfd, POLLIN, on_exit_of,
                                  child, &child->exit_watch, err);
    return status;
}

static void start_child(struct pawl_child *child)
{
    struct pawl_err err = {0};
    child->start_count++;
    child->start_ns = pawl_clock_now_ns();
    child->is_stopping = false;
    child->was_killed = false;
    pawl_restart_started(&child->restart, child->start_ns);
    if (start_process(child, &err) == 0) {
        child->state = PAWL_CHILD_RUNNING;
        report(child, PAWL_SUPERVISE_STARTED, "");
        return;
    }
    pawl_proc_close(&child->proc);
    close_lines(child);
    pause_child(child);
    report(child, PAWL_SUPERVISE_FAILED, err.text);
}

void pawl_supervise_start(struct pawl_supervise *set, uint32_t index)
{
    struct pawl_child *child = &set->children[index];
    if (child->state == PAWL_CHILD_RUNNING)
        return;
    unwatch(child, &child->start_watch);
    start_child(child);
}

/* --- stopping --- */

void pawl_supervise_leave(struct pawl_supervise *set, uint32_t index)
{
    struct pawl_child *child = &set->children[index];
    child->is_left = true;
    unwatch(child, &child->start_watch);
    if (child->state == PAWL_CHILD_PAUSED || child->state == PAWL_CHILD_IDLE)
        child->state = PAWL_CHILD_ENDED;
}

static void on_term_due(void *context, const struct pawl_loop_event *event)
{
    struct pawl_child *child = context;
    (void)event;
    child->term_watch = 0;
    pawl_proc_signal(&child->proc, SIGTERM, NULL);
}

static void kill_child(struct pawl_child *child)
{
    if (child->was_killed)
        return;
    child->was_killed = true;
    pawl_proc_signal(&child->proc, SIGKILL, NULL);
    report(child, PAWL_SUPERVISE_KILLED, "");
}

static void on_kill_due(void *context, const struct pawl_loop_event *event)
{
    struct pawl_child *child = context;
    (void)event;
    child->kill_watch = 0;
    kill_child(child);
}

void pawl_supervise_stop(struct pawl_supervise *set, uint32_t index, uint64_t deadline_ns)
{
    struct pawl_child *child = &set->children[index];
    uint64_t now_ns = pawl_clock_now_ns();

    pawl_supervise_leave(set, index);
    if (child->state != PAWL_CHILD_RUNNING)
        return;
    child->is_stopping = true;
    unwatch(child, &child->term_watch);
    unwatch(child, &child->kill_watch);
    if (deadline_ns <= now_ns) {
        kill_child(child);
        return;
    }
    if (set->cfg.ask) {
        set->cfg.ask(set->cfg.context, index, deadline_ns);
        pawl_loop_add_timer(set->loop, now_ns + (deadline_ns - now_ns) / 2, 0, on_term_due,
                            child, &child->term_watch, NULL);
    } else
        pawl_proc_signal(&child->proc, SIGTERM, NULL);
    pawl_proc_signal(&child->proc, SIGCONT, NULL); /* one that is stopped hears nothing */
    if (pawl_loop_add_timer(set->loop, deadline_ns, 0, on_kill_due, child, &child->kill_watch,
                            NULL) != 0)
        kill_child(child); /* without a bound nobody is asked */
}

uint32_t pawl_supervise_alive_count(const struct pawl_supervise *set)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < set->child_count; i++)
        count += set->children[i].state == PAWL_CHILD_RUNNING ||
                 set->children[i].state == PAWL_CHILD_PAUSED;
    return count;
}

/* --- the table --- */

int pawl_supervise_open(struct pawl_supervise *set, struct pawl_loop *loop,
                        const struct pawl_supervise_cfg *cfg, struct pawl_err *err)
{
    *set = (struct pawl_supervise){0};
    if (cfg->child_count_max < 1 || cfg->child_count_max > PAWL_SUPERVISE_CHILD_COUNT_MAX)
        return pawl_err_set(err, EINVAL, "child_count_max = %u, must be 1 to %d",
                            cfg->child_count_max, PAWL_SUPERVISE_CHILD_COUNT_MAX);
    set->children = calloc(cfg->child_count_max, sizeof(*set->children));
    if (!set->children)
        return pawl_err_set(err, ENOMEM, "table of %u children: out of memory",
                            cfg->child_count_max);
    set->loop = loop;
    set->cfg = *cfg;
    set->is_open = true;
    return 0;
}

int pawl_supervise_add(struct pawl_supervise *set, const struct pawl_child_cfg *cfg,
                       struct pawl_err *err)
{
    if (set->child_count == set->cfg.child_count_max)
        return pawl_err_set(err, ENOSPC, "add %s: the table has room for %u children",
                            cfg->name, set->cfg.child_count_max);
    struct pawl_child *child = &set->children[set->child_count];
    *child = (struct pawl_child){.cfg = *cfg, .set = set, .line_fd = -1};
    snprintf(child->name, sizeof(child->name), "%s", cfg->name);
    child->cfg.name = child->name;
    if (pawl_restart_open(&child->restart, &cfg->restart, err) != 0)
        return pawl_err_wrap(err, "add %s", cfg->name);
    set->child_count++;
    return 0;
}

void pawl_supervise_close(struct pawl_supervise *set)
{
    if (!set->is_open)
        return;
    set->cfg.on_event = NULL;
    for (uint32_t i = 0; i < set->child_count; i++) {
        struct pawl_child *child = &set->children[i];
        unwatch(child, &child->exit_watch);
        unwatch(child, &child->start_watch);
        unwatch(child, &child->term_watch);
        unwatch(child, &child->kill_watch);
        if (child->state == PAWL_CHILD_RUNNING)
            pawl_proc_signal(&child->proc, SIGKILL, NULL); /* all, then wait for each */
    }
    for (uint32_t i = 0; i < set->child_count; i++) {
        pawl_proc_close(&set->children[i].proc);
        close_lines(&set->children[i]);
    }
    free(set->children);
    *set = (struct pawl_supervise){0};
}
