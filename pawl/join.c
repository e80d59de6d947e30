#include "pawl/join.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "pawl/run.h"
#include "runtime/clock.h"
#include "runtime/sock.h"

#define CONNECT_NS_MAX (5 * PAWL_NS_PER_S)
#define STOP_NS_MAX    (5 * PAWL_NS_PER_S)

struct join {
    struct pawl_cli *cli;
    struct pawl_loop *loop;
    struct pawl_supervise set;
    struct pawl_run_role role;
    char socket_folder[PATH_MAX];
    bool is_over;
    bool is_stopping;
    uint64_t asked_ns; /* when the first signal came; 0: none has */
    bool is_run_over;  /* nobody listens any more */
    bool was_there;    /* an actor has been connected */
    int exit_code;
    char failed_text[PAWL_ERR_TEXT_BYTES];
};

/* The actor gets a connection like that of a child of the run; each start has its own. */
static int equip(void *context, uint32_t index, struct pawl_proc_fd *fds, size_t *fd_count,
                 struct pawl_err *err)
{
    struct join *join = context;
    (void)index;
    int status = pawl_sock_connect(&fds[0].fd, join->socket_folder, PAWL_HUB_SOCKET_NAME,
                                   pawl_clock_now_ns() + CONNECT_NS_MAX, err);
    if (status == -EAGAIN)
        return pawl_err_set(err, ETIMEDOUT,
                            "waited %" PRIu64 " s for the supervisor of the run",
                            (uint64_t)(CONNECT_NS_MAX / PAWL_NS_PER_S));
    if (status != 0) {
        join->is_run_over = status == -ENOENT || status == -ECONNREFUSED;
        return status;
    }
    fds[0].number = PAWL_RUN_HUB_FD;
    *fd_count = 1;
    join->was_there = true;
    return 0;
}

static bool wants_again(void *context, uint32_t index, const struct pawl_proc_exit *how)
{
    (void)context;
    (void)index;
    return how->signal != 0 || (how->code != PAWL_EXIT_DONE && how->code != PAWL_EXIT_USAGE &&
                                how->code != PAWL_EXIT_MISSING);
}

static void end(struct join *join, int exit_code, const char *text)
{
    join->is_over = true;
    join->exit_code = exit_code;
    snprintf(join->failed_text, sizeof(join->failed_text), "%s", text);
}

static void take_end(struct join *join, const struct pawl_child *child)
{
    char how[64], text[PAWL_ERR_TEXT_BYTES];
    bool is_clean = child->exit.is_known && child->exit.signal == 0 && child->exit.code == 0;
    snprintf(text, sizeof(text), "%s%s%.900s",
             pawl_proc_exit_text(&child->exit, how, sizeof(how)),
             child->last_line[0] ? ": " : "", child->last_line);
    if (child->state == PAWL_CHILD_PAUSED)
        fprintf(join->cli->err, "actor: %s; starts again\n", text);
    else if (join->is_stopping)
        end(join, is_clean ? PAWL_EXIT_INTERRUPTED : PAWL_EXIT_FAILED, is_clean ? "" : text);
    else if (is_clean)
        end(join, PAWL_EXIT_DONE, "");
    else if (child->state == PAWL_CHILD_QUARANTINED)
        end(join, PAWL_EXIT_CHILD, text);
    else
        end(join, child->exit.code, text);
}

static void on_child(void *context, const struct pawl_supervise_event *event)
{
    struct join *join = context;
    switch (event->kind) {
    case PAWL_SUPERVISE_STARTED:
        fprintf(join->cli->out, "actor started (process %ld)\n", (long)event->child->proc.pid);
        fflush(join->cli->out);
        break;
    case PAWL_SUPERVISE_FAILED:
        if (join->is_run_over && join->was_there)
            end(join, PAWL_EXIT_DONE, "");
        else if (join->is_run_over)
            end(join, PAWL_EXIT_USAGE, event->text);
        else if (event->child->state == PAWL_CHILD_QUARANTINED)
            end(join, PAWL_EXIT_FAILED, event->text);
        break;
    case PAWL_SUPERVISE_ENDED:
        take_end(join, event->child);
        break;
    case PAWL_SUPERVISE_LINE:
        pawl_run_forward_line(join->cli, event->child->name, event->text);
        break;
    case PAWL_SUPERVISE_KILLED:
        break;
    }
}

static void on_signal(void *context, const struct pawl_loop_event *event)
{
    struct join *join = context;
    (void)event;
    if (pawl_run_is_asked_again(&join->asked_ns))
        end(join, PAWL_EXIT_FAILED, "ended at once by a second signal");
    if (join->is_stopping || join->is_over)
        return;
    join->is_stopping = true;
    bool is_running = join->set.children[0].state == PAWL_CHILD_RUNNING;
    pawl_supervise_stop(&join->set, 0, pawl_clock_now_ns() + STOP_NS_MAX);
    if (!is_running)
        end(join, PAWL_EXIT_INTERRUPTED, "");
}

static int open_join(struct join *join, const char *run_folder, struct pawl_err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct pawl_supervise_cfg set_cfg = {.child_count_max = 1,
                                         .equip = equip,
                                         .wants_again = wants_again,
                                         .on_event = on_child,
                                         .context = join};
    struct pawl_loop_cfg loop_cfg = pawl_loop_default_cfg();
    char path[PATH_MAX], config_path[PATH_MAX];
    int length = snprintf(join->socket_folder, sizeof(join->socket_folder), "%s/%s", run_folder,
                          PAWL_RUN_RUNTIME_NAME);
    int config_length =
        snprintf(config_path, sizeof(config_path), "%s/config.toml", run_folder);
    if (length >= PATH_MAX || config_length >= PATH_MAX)
        return pawl_err_set(err, ENAMETOOLONG, "%.60s...: the path is too long", run_folder);
    int status = pawl_run_role_find(PAWL_ROLE_ACTOR, path, err);
    if (status == 0)
        status = pawl_loop_open(&join->loop, &loop_cfg, err);
    if (status == 0)
        status = pawl_loop_add_signals(join->loop, signals, 3, on_signal, join, NULL, err);
    if (status == 0)
        status = pawl_supervise_open(&join->set, join->loop, &set_cfg, err);
    if (status != 0)
        return status;
    pawl_run_role_fill(&join->role, PAWL_ROLE_ACTOR, PAWL_HUB_ANY_INDEX, path, config_path,
                       pawl_clock_now_ns());
    const struct pawl_child_cfg child_cfg = {.name = join->role.name,
                                             .path = join->role.path,
                                             .argv = join->role.argv,
                                             .restart = pawl_restart_default_cfg()};
    return pawl_supervise_add(&join->set, &child_cfg, err);
}

int pawl_join_do(struct pawl_cli *cli, const char *run_folder)
{
    struct join join = {.cli = cli};
    struct pawl_err err = {0};
    int status = open_join(&join, run_folder, &err);
    if (status == -ENOENT)
        join.exit_code = PAWL_EXIT_MISSING;
    else if (status != 0)
        join.exit_code = PAWL_EXIT_FAILED;
    else
        pawl_supervise_start(&join.set, 0);
    while (status == 0 && !join.is_over) {
        int step = pawl_loop_step(join.loop, PAWL_LOOP_NO_DEADLINE, &err);
        status = step < 0 ? step : 0;
        join.exit_code = step < 0 ? PAWL_EXIT_FAILED : join.exit_code;
    }
    pawl_supervise_close(&join.set);
    pawl_loop_close(join.loop);
    if (err.code != 0)
        return pawl_cli_fail(cli, join.exit_code, "%s", err.text);
    if (join.failed_text[0])
        return pawl_cli_fail(cli, join.exit_code, "%s%s", join.failed_text,
                             join.is_run_over ? " (is the run still going on?)" : "");
    if (join.exit_code == PAWL_EXIT_DONE)
        fprintf(cli->out, "the run has ended\n");
    return join.exit_code;
}
