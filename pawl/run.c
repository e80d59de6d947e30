#include "pawl/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/log.h"

#define LAST_LEARNERS_MAX                                                                      \
    3u /* started while the run ends, in the place of one that was killed */

static bool is_running(const struct pawl_run *run, uint32_t index)
{
    return run->set.children[index].state == PAWL_CHILD_RUNNING;
}

static bool is_joined_actor(const struct pawl_run *run, const struct pawl_hub_peer *peer)
{
    return peer->incarnation != 0 && peer->is_welcome &&
           (peer->role == PAWL_ROLE_BRIDGE ||
            (peer->role == PAWL_ROLE_ACTOR && peer->index >= run->order.actor_count));
}

uint32_t pawl_run_joined_count(const struct pawl_run *run)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < run->hub.cfg.peer_count_max; i++)
        count += is_joined_actor(run, &run->hub.peers[i]);
    return count;
}

void pawl_run_check_children(struct pawl_run *run, int exit_code)
{
    const struct pawl_child *children = run->set.children;
    uint32_t alive_count = pawl_run_joined_count(run);
    if (run->phase != PAWL_RUN_ON)
        return;
    for (uint32_t i = 1; i < run->set.child_count; i++)
        alive_count +=
            children[i].state == PAWL_CHILD_RUNNING || children[i].state == PAWL_CHILD_PAUSED;
    enum pawl_child_state learner = children[PAWL_RUN_LEARNER].state;
    if (learner == PAWL_CHILD_ENDED || learner == PAWL_CHILD_QUARANTINED)
        pawl_run_stop(run, exit_code, PAWL_STOP_FAILED);
    else if (alive_count < run->order.actor_count_min) {
        pawl_run_fail(run, "actors", "%" PRIu32 " are left, the run needs %" PRIu32,
                      alive_count, run->order.actor_count_min);
        pawl_run_stop(run, exit_code, PAWL_STOP_FAILED);
    }
}

/* --- the order in which all ends: actors, then the learner, which takes in their last words
 * --- */

static void check_phase(struct pawl_run *run)
{
    if (run->phase == PAWL_RUN_STOPPING_ACTORS) {
        for (uint32_t i = 1; i < run->set.child_count; i++)
            if (is_running(run, i))
                return;
        if (pawl_run_joined_count(run) > 0 && pawl_clock_now_ns() < run->actors_deadline_ns)
            return;
        run->phase = PAWL_RUN_STOPPING_LEARNER;
        pawl_supervise_stop(&run->set, PAWL_RUN_LEARNER, run->learner_deadline_ns);
    }
    if (run->phase == PAWL_RUN_STOPPING_LEARNER && !is_running(run, PAWL_RUN_LEARNER))
        run->phase = PAWL_RUN_OVER;
}

void pawl_run_stop(struct pawl_run *run, int exit_code, uint32_t reason)
{
    if (run->phase != PAWL_RUN_ON)
        return;
    uint64_t now_ns = pawl_clock_now_ns();
    uint64_t stop_ns = (uint64_t)(run->cfg->stop_s * (double)PAWL_NS_PER_S);
    run->phase = PAWL_RUN_STOPPING_ACTORS;
    run->exit_code = exit_code;
    run->stop_reason = reason;
    run->actors_deadline_ns = now_ns + stop_ns / 2;
    run->learner_deadline_ns = now_ns + stop_ns;
    pawl_log_info("stopping", "exit_code=%d", exit_code);
    /* One that has just died comes back to take in what is in the rings. */
    if (run->set.children[PAWL_RUN_LEARNER].state == PAWL_CHILD_PAUSED)
        pawl_supervise_start(&run->set, PAWL_RUN_LEARNER);
    for (uint32_t i = 1; i < run->set.child_count; i++)
        pawl_supervise_stop(&run->set, i, run->actors_deadline_ns);
    for (uint32_t i = 0; i < run->hub.cfg.peer_count_max; i++)
        if (is_joined_actor(run, &run->hub.peers[i]))
            pawl_hub_tell_stop(&run->hub, run->hub.peers[i].incarnation, reason,
                               run->actors_deadline_ns);
}

bool pawl_run_is_asked_again(uint64_t *asked_ns)
{
    uint64_t now_ns = pawl_clock_now_ns();
    if (*asked_ns == 0)
        *asked_ns = now_ns;
    return now_ns >= *asked_ns + PAWL_RUN_AGAIN_NS;
}

static void on_signal(void *context, const struct pawl_loop_event *event)
{
    struct pawl_run *run = context;
    FILE *out = run->order.cli->out;
    bool is_first = run->asked_ns == 0;
    bool is_again = pawl_run_is_asked_again(&run->asked_ns);
    if (is_first) { /* also of a run that is ending by itself */
        fprintf(out, "stopping (SIG%s); once more ends it at once\n",
                sigabbrev_np(event->signal));
        fflush(out);
        pawl_run_stop(run, PAWL_EXIT_INTERRUPTED, PAWL_STOP_ASKED);
    }
    if (!is_again)
        return;
    pawl_run_fail(run, "supervisor", "ended at once by a second signal");
    run->is_hard = run->is_unclean = true;
    run->phase = PAWL_RUN_OVER;
}

/* --- what children do --- */

static int equip(void *context, uint32_t index, struct pawl_proc_fd *fds, size_t *fd_count,
                 struct pawl_err *err)
{
    struct pawl_run *run = context;
    struct pawl_run_child *child = &run->children[index];
    bool is_learner = index == PAWL_RUN_LEARNER;
    int status = pawl_hub_invite(&run->hub, is_learner ? PAWL_ROLE_LEARNER : PAWL_ROLE_ACTOR,
                                 is_learner ? 0 : index - 1, &fds[0].fd, err);
    if (status != 0)
        return status;
    fds[0].number = PAWL_RUN_HUB_FD;
    *fd_count = 1;
    if (is_learner) {
        /* Without a supervisor it still drains and saves; nobody else may begin meanwhile. */
        fds[1].fd = fcntl(run->folder.lock_fd, F_DUPFD_CLOEXEC, 0);
        fds[1].number = PAWL_RUN_LOCK_FD;
        if (fds[1].fd >= 0)
            *fd_count = 2;
    }
    child->incarnation = run->hub.incarnation_last;
    child->is_welcome = false;
    child->lost_ns = pawl_clock_now_ns();
    child->state = 0;
    pawl_run_role_set_life(&child->role, (uint64_t)run->resume_number * PAWL_RUN_LIVES_MAX +
                                             run->set.children[index].start_count - 1);
    return 0;
}

static bool is_final(const struct pawl_proc_exit *how)
{
    return how->is_known && how->signal == 0 &&
           (how->code == PAWL_EXIT_DONE || how->code == PAWL_EXIT_USAGE ||
            how->code == PAWL_EXIT_MISSING || how->code == PAWL_EXIT_FINAL);
}

static bool wants_again(void *context, uint32_t index, const struct pawl_proc_exit *how)
{
    const struct pawl_run *run = context;
    return run->phase == PAWL_RUN_ON && !run->children[index].is_refused && !is_final(how);
}

static void ask(void *context, uint32_t index, uint64_t deadline_ns)
{
    struct pawl_run *run = context;
    pawl_hub_tell_stop(&run->hub, run->children[index].incarnation,
                       run->stop_reason ? run->stop_reason : PAWL_STOP_FAILED, deadline_ns);
}

/* A learner that is killed while the run ends: what has been committed waits for the next one,
 * which drains it in the time that is left. One that ends with an error would do so again. */
static bool is_finished_by_another(struct pawl_run *run, uint32_t index,
                                   const struct pawl_child *child)
{
    if (index != PAWL_RUN_LEARNER || child->was_killed || !child->exit.is_known ||
        child->exit.signal == 0 || run->last_learner_count == LAST_LEARNERS_MAX ||
        pawl_clock_now_ns() >= run->learner_deadline_ns)
        return false;
    run->last_learner_count++;
    pawl_supervise_start(&run->set, index);
    if (!is_running(run, index))
        return false;
    if (run->phase == PAWL_RUN_STOPPING_LEARNER)
        pawl_supervise_stop(&run->set, index, run->learner_deadline_ns);
    return true;
}

/* A child that was asked to end and one that ended by itself, before anything is done. */
static void take_end(struct pawl_run *run, uint32_t index, const struct pawl_child *child)
{
    char how[64], text[160];
    bool is_clean = is_final(&child->exit) && child->exit.code == PAWL_EXIT_DONE;
    pawl_proc_exit_text(&child->exit, how, sizeof(how));
    if (run->phase != PAWL_RUN_ON) {
        if (is_clean || child->was_killed || run->children[index].is_refused)
            return;
        if (is_finished_by_another(run, index, child)) {
            pawl_log_warn("learner died while the run was ending", "how=%s", how);
            return;
        }
        run->is_unclean = true;
        snprintf(text, sizeof(text), "%s while the run was ending", how);
        pawl_run_fail_child(run, child, text);
        return;
    }
    if (child->state == PAWL_CHILD_PAUSED)
        pawl_log_warn("child died", "child=%s how=%s starts=%" PRIu64, child->name, how,
                      child->start_count);
    else if (child->state == PAWL_CHILD_QUARANTINED) {
        pawl_log_error("child is left alone", "child=%s how=%s", child->name, how);
        snprintf(text, sizeof(text), "died %" PRIu32 " times within %.0f s; the last time: %s",
                 child->cfg.restart.crash_count_max,
                 (double)child->cfg.restart.window_ns / (double)PAWL_NS_PER_S, how);
        pawl_run_fail_child(run, child, text);
    } else if (!is_clean && !run->children[index].is_refused)
        pawl_run_fail_child(run, child, how);
    else
        pawl_log_info("child ended", "child=%s how=%s", child->name, how);

    if (is_clean && index == PAWL_RUN_LEARNER)
        pawl_run_stop(run, PAWL_EXIT_DONE, PAWL_STOP_DONE);
    int exit_code = is_final(&child->exit) && !is_clean ? child->exit.code : PAWL_EXIT_CHILD;
    pawl_run_check_children(run, exit_code == PAWL_EXIT_FINAL ? PAWL_EXIT_FAILED : exit_code);
}

static void on_child(void *context, const struct pawl_supervise_event *event)
{
    struct pawl_run *run = context;
    const struct pawl_child *child = event->child;
    switch (event->kind) {
    case PAWL_SUPERVISE_STARTED:
        pawl_log_info("child started", "child=%s pid=%ld starts=%" PRIu64, child->name,
                      (long)child->proc.pid, child->start_count);
        break;
    case PAWL_SUPERVISE_FAILED:
        pawl_log_error("child did not start", "child=%s error=%s", child->name, event->text);
        if (child->state == PAWL_CHILD_QUARANTINED)
            pawl_run_fail(run, child->name, "%s", event->text);
        pawl_run_check_children(run, PAWL_EXIT_CHILD);
        break;
    case PAWL_SUPERVISE_ENDED:
        take_end(run, event->index, child);
        break;
    case PAWL_SUPERVISE_LINE:
        pawl_run_forward_line(run->order.cli, child->name, event->text);
        break;
    case PAWL_SUPERVISE_KILLED:
        if (run->is_hard || run->children[event->index].is_refused)
            break;
        run->is_unclean = true;
        pawl_run_fail(run, child->name, "did not end in time and was killed");
        break;
    }
}

/* --- time --- */

/* A process that is there and cannot be talked to is of no use, and its successor may be. */
static void end_the_lost(struct pawl_run *run, uint64_t now_ns)
{
    uint64_t lost_ns_max = (uint64_t)(run->cfg->start_s * (double)PAWL_NS_PER_S);
    for (uint32_t i = 0; i < run->set.child_count && run->phase == PAWL_RUN_ON; i++) {
        struct pawl_run_child *child = &run->children[i];
        if (!is_running(run, i) || child->lost_ns == 0 || now_ns < child->lost_ns + lost_ns_max)
            continue;
        pawl_log_error("child is out of touch", "child=%s said_hello=%d", child->role.name,
                       child->is_welcome);
        child->lost_ns = now_ns; /* once for each time */
        pawl_proc_signal(&run->set.children[i].proc, SIGKILL, NULL);
    }
}

static void on_second(void *context, const struct pawl_loop_event *event)
{
    struct pawl_run *run = context;
    uint64_t now_ns = pawl_clock_now_ns();
    (void)event;
    if (!run->has_facts)
        pawl_run_write_facts(run);
    end_the_lost(run, now_ns);
    pawl_run_progress_sample(&run->progress, &run->figures, now_ns);
    uint64_t still_ns = pawl_run_progress_still_ns(&run->progress, now_ns, PAWL_RUN_STILL_NS);
    if (still_ns > 0)
        pawl_run_print_still(run, still_ns, now_ns);
    still_ns = pawl_run_progress_moved_ns(&run->progress);
    if (still_ns > 0)
        fprintf(run->order.cli->out, "moving again after %.1f s\n",
                (double)still_ns / (double)PAWL_NS_PER_S);
    if (!run->has_told_memory && pawl_run_progress_has_moved(&run->progress))
        pawl_run_print_memory(run);
    fflush(run->order.cli->out);
}

static void on_period(void *context, const struct pawl_loop_event *event)
{
    struct pawl_run *run = context;
    (void)event;
    /* The line of the memory comes first, once something has moved. */
    if (run->phase != PAWL_RUN_ON || !run->has_told_memory)
        return;
    pawl_run_print_progress(run);
    fflush(run->order.cli->out);
}

/* The hub is served after each step; this only ends the wait. */
static void on_hub_ready(void *context, const struct pawl_loop_event *event)
{
    (void)context;
    (void)event;
}

/* --- open, run, close --- */

/* Every segment of every program is a descriptor here. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int start_log(struct pawl_run *run, struct pawl_err *err)
{
    const struct pawl_run_log_cfg *log = pawl_cfg_fields(run->order.cfg, &pawl_log_table);
    struct pawl_log_cfg cfg = pawl_log_default_cfg("supervisor");
    char path[PATH_MAX];
    cfg.level = (enum pawl_log_level)(PAWL_LOG_ERROR + log->level);
    cfg.stderr_level =
        cfg.level < PAWL_LOG_WARN || cfg.level == PAWL_LOG_DEBUG ? cfg.level : PAWL_LOG_WARN;
    cfg.colour = (enum pawl_log_colour)log->color;
    cfg.path = log->file ? pawl_run_folder_path(&run->folder, "log.txt", path) : NULL;
    cfg.start_ns = run->start_ns;
    return pawl_log_start(&cfg, err);
}

static int open_hub(struct pawl_run *run, struct pawl_err *err)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    char folder[PATH_MAX];
    cfg.folder = pawl_run_folder_path(&run->folder, PAWL_RUN_RUNTIME_NAME, folder);
    cfg.joined_index_min = run->order.actor_count;
    cfg.on_event = pawl_run_on_hub;
    cfg.context = run;
    int status = pawl_hub_open(&run->hub, &cfg, err);
    return status
               ? status
               : pawl_loop_add_fd(run->loop, run->hub.fd, POLLIN, on_hub_ready, run, NULL, err);
}

static int add_children(struct pawl_run *run, const char *learner_path, const char *actor_path,
                        struct pawl_err *err)
{
    char config_path[PATH_MAX];
    pawl_run_folder_path(&run->folder, "config.toml", config_path);
    for (uint32_t i = 0; i < 1 + run->order.actor_count; i++) {
        struct pawl_run_role *role = &run->children[i].role;
        bool is_learner = i == PAWL_RUN_LEARNER;
        pawl_run_role_fill(role, is_learner ? PAWL_ROLE_LEARNER : PAWL_ROLE_ACTOR,
                           is_learner ? 0 : i - 1, is_learner ? learner_path : actor_path,
                           config_path, run->start_ns);
        if (is_learner && run->resume_number > 0)
            pawl_run_role_set_resumed(role);
        struct pawl_child_cfg cfg = {
            .name = role->name,
            .path = role->path,
            .argv = role->argv,
            .oom_score_adj = is_learner ? 200 : 400, /* the supervisor is the last to go */
            .restart = pawl_restart_default_cfg(),
        };
        cfg.restart.pause_ns_min =
            (uint64_t)(run->cfg->restart_pause_s * (double)PAWL_NS_PER_S);
        cfg.restart.crash_count_max = (uint32_t)run->cfg->crash_count_max;
        cfg.restart.window_ns = (uint64_t)(run->cfg->crash_window_s * (double)PAWL_NS_PER_S);
        int status = pawl_supervise_add(&run->set, &cfg, err);
        if (status != 0)
            return status;
    }
    return 0;
}

static int watch_time(struct pawl_run *run, struct pawl_err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct pawl_run_log_cfg *log = pawl_cfg_fields(run->order.cfg, &pawl_log_table);
    uint64_t period_ns = (uint64_t)(log->period_s * (double)PAWL_NS_PER_S);
    int status = pawl_loop_add_signals(run->loop, signals, 3, on_signal, run, NULL, err);
    if (status == 0)
        status = pawl_loop_add_timer(run->loop, run->start_ns + PAWL_NS_PER_S, PAWL_NS_PER_S,
                                     on_second, run, NULL, err);
    if (status == 0)
        status = pawl_loop_add_timer(run->loop, run->start_ns + period_ns, period_ns, on_period,
                                     run, NULL, err);
    return status;
}

static int create_folder(struct pawl_run *run, const char *owner, struct pawl_err *err)
{
    struct pawl_err why = {0};
    char origin[PATH_MAX];
    if (pawl_run_folder_create(&run->folder, run->cfg->dir, run->cfg->name, owner, &why) == 0)
        return 0;
    pawl_cfg_origin(run->order.cfg, "run.dir", origin, sizeof(origin));
    bool is_broken = why.code == ENOSPC || why.code == EIO || why.code == ENOMEM;
    return pawl_err_set(err, is_broken ? why.code : EINVAL,
                        "run.dir = \"%s\" (%s): %s; run.dir=FOLDER on this line names another "
                        "place",
                        run->cfg->dir, origin, why.text);
}

/* Nothing is made before the programs have been found. */
static int open_run(struct pawl_run *run, struct pawl_err *err)
{
    struct pawl_loop_cfg loop_cfg = pawl_loop_default_cfg();
    struct pawl_supervise_cfg set_cfg = {.child_count_max = 1 + run->order.actor_count,
                                         .equip = equip,
                                         .wants_again = wants_again,
                                         .ask = ask,
                                         .on_event = on_child,
                                         .context = run};
    char learner_path[PATH_MAX], actor_path[PATH_MAX];
    int status = pawl_run_role_find(PAWL_ROLE_LEARNER, learner_path, err);
    if (status == 0)
        status = pawl_run_role_find(PAWL_ROLE_ACTOR, actor_path, err);
    if (status == 0) {
        raise_fd_limit();
        char owner[64];
        snprintf(owner, sizeof(owner), "pawl %s", run->order.cli->verb->name);
        status = run->order.resumed_path ? pawl_run_resume(run, owner, err)
                                         : create_folder(run, owner, err);
    }
    if (status == 0 && run->has_nothing_to_do)
        return 0;
    if (status == 0)
        status = pawl_run_write_config(run, err);
    loop_cfg.watch_count_max = 16 + 5 * set_cfg.child_count_max;
    if (status == 0)
        status = pawl_loop_open(&run->loop, &loop_cfg, err);
    if (status == 0) /* before the log's thread starts, which inherits the mask */
        status = watch_time(run, err);
    if (status == 0)
        status = start_log(run, err);
    if (status == 0)
        pawl_log_info("begins", "folder=%s waits_by=%s", run->folder.path,
                      pawl_loop_backend_text(run->loop));
    if (status == 0)
        status = open_hub(run, err);
    if (status == 0)
        status = pawl_supervise_open(&run->set, run->loop, &set_cfg, err);
    return status ? status : add_children(run, learner_path, actor_path, err);
}

static int serve(struct pawl_run *run, struct pawl_err *err)
{
    for (uint32_t i = 0; i < run->set.child_count; i++)
        pawl_supervise_start(&run->set, i);
    while (run->phase != PAWL_RUN_OVER) {
        uint64_t deadline_ns = pawl_hub_deadline_ns(&run->hub);
        if (run->phase == PAWL_RUN_STOPPING_ACTORS && run->actors_deadline_ns < deadline_ns)
            deadline_ns = run->actors_deadline_ns;
        PAWL_FAULT("run.step");
        int status = pawl_loop_step(run->loop, deadline_ns, err);
        if (status >= 0)
            status = pawl_hub_serve(&run->hub, err);
        if (status < 0)
            return status;
        pawl_run_figures_update(&run->figures, &run->hub.table);
        check_phase(run);
    }
    return 0;
}

static void close_run(struct pawl_run *run)
{
    char path[PATH_MAX];
    pawl_supervise_close(&run->set);
    pawl_loop_close(run->loop);
    pawl_hub_close(&run->hub);
    pawl_run_figures_close(&run->figures);
    pawl_log_stop();
    if (run->folder.is_open)
        rmdir(pawl_run_folder_path(&run->folder, PAWL_RUN_RUNTIME_NAME, path));
    pawl_run_folder_close(&run->folder);
    free(run->children);
}

/* Of a supervisor that could not begin, or not go on. */
static int exit_code_of(const struct pawl_run *run, int status)
{
    if (run->folder.is_open)
        return PAWL_EXIT_FAILED;
    /* A program is missing; the folder cannot be one, or somebody else has it. */
    return status == -ENOENT                       ? PAWL_EXIT_MISSING
           : status == -EINVAL || status == -EBUSY ? PAWL_EXIT_USAGE
                                                   : PAWL_EXIT_FAILED;
}

int pawl_run_do(const struct pawl_run_order *order)
{
    struct pawl_run run = {.order = *order,
                           .cfg = pawl_cfg_fields(order->cfg, &pawl_run_table),
                           .start_ns = pawl_clock_now_ns(),
                           .start_wall_s = (int64_t)time(NULL)};
    struct pawl_err err = {0};
    run.children = calloc(1 + order->actor_count, sizeof(*run.children));
    int status = run.children ? open_run(&run, &err)
                              : pawl_err_set(&err, ENOMEM, "children: out of memory");
    if (status == 0 && !run.has_nothing_to_do) {
        pawl_run_progress_start(&run.progress, &run.figures, run.start_ns);
        pawl_run_print_start(&run);
        status = serve(&run, &err);
    }
    if (status != 0) {
        pawl_run_fail(&run, "supervisor", "%s", err.text);
        run.exit_code = exit_code_of(&run, status);
    }
    if (run.is_unclean &&
        (run.exit_code == PAWL_EXIT_DONE || run.exit_code == PAWL_EXIT_INTERRUPTED))
        run.exit_code = PAWL_EXIT_FAILED;
    for (uint32_t i = 0; i < run.set.child_count; i++)
        pawl_supervise_stop(&run.set, i, 0);
    bool is_refused = pawl_run_is_refused(&run);
    struct pawl_err exit_err = {0};
    if (!is_refused && run.folder.is_open && pawl_run_write_exit(&run, &exit_err) != 0) {
        /* Beside the first error, which stays the last line. */
        pawl_log_error("exit.json not written", "reason=%s", exit_err.text);
        pawl_run_fail(&run, "supervisor", "exit.json not written: %s", exit_err.text);
        run.exit_code = run.exit_code == PAWL_EXIT_DONE ? PAWL_EXIT_FAILED : run.exit_code;
    }
    pawl_log_settle(PAWL_NS_PER_S);
    if (is_refused)
        pawl_run_put_back(&run);
    pawl_run_print_end(&run);
    int exit_code = run.exit_code;
    close_run(&run);
    return exit_code;
}
