#include "runtime/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2) /* Linux 5.11 */
#endif

#define FD_ENTRY_COUNT_MAX (PAWL_PROC_FD_COUNT_MAX + 3)
#define SIGNAL_MAX         64

struct pawl_proc_cfg pawl_proc_default_cfg(void)
{
    return (struct pawl_proc_cfg){.nice = PAWL_PROC_KEEP,
                                  .oom_score_adj = PAWL_PROC_KEEP,
                                  .death_signal = SIGTERM,
                                  .is_group = true,
                                  .start_ns_max = 10 * PAWL_NS_PER_S};
}

/* --- in the child, before execve() --- */

enum step {
    STEP_GROUP,
    STEP_DEATH_SIGNAL,
    STEP_FDS,
    STEP_CLOSE,
    STEP_FOLDER,
    STEP_CPUS,
    STEP_NICE,
    STEP_OOM,
    STEP_EXEC
};

/* All that the child needs, made before it is: another thread may have held any lock then, so
 * the child only makes system calls. */
struct plan {
    const struct pawl_proc_cfg *cfg;
    struct pawl_proc_fd entries[FD_ENTRY_COUNT_MAX]; /* by rising number, each number once */
    size_t entry_count;
    char oom_text[16];
    pid_t parent;
    int null_fd;
    int report_fd; /* the child's end of the pipe that says what failed; closed by execve() */
};

struct report {
    int step;
    int code;
};

__attribute__((noreturn)) static void give_up(int report_fd, enum step step)
{
    struct report report = {.step = (int)step, .code = errno};
    if (write(report_fd, &report, sizeof(report)) < 0)
        _exit(126);
    _exit(127);
}

/* An ignored signal stays ignored through execve(); everything starts with the defaults. By the
 * system call: sigaction() refuses 32 and 33, which glibc keeps for itself and its
 * posix_spawn() leaves ignored, so that they are in whatever ninja or Python has started. */
static void child_reset_signals(void)
{
    static const unsigned long fresh[8]; /* the kernel's struct: SIG_DFL, no flag, no mask */
    for (int i = 1; i <= SIGNAL_MAX; i++)
        syscall(SYS_rt_sigaction, i, fresh, NULL, SIGNAL_MAX / 8); /* fails for SIGKILL */
}

/* First out of the way of all numbers, then each to its own: so entries may swap numbers, and
 * one descriptor may go to many. */
static bool child_move_fds(const struct plan *plan, int *report_fd)
{
    int beyond = plan->entries[plan->entry_count - 1].number + 1;
    int aside[FD_ENTRY_COUNT_MAX];

    *report_fd = fcntl(plan->report_fd, F_DUPFD_CLOEXEC, beyond);
    if (*report_fd < 0) {
        *report_fd = plan->report_fd;
        return false;
    }
    for (size_t i = 0; i < plan->entry_count; i++) {
        aside[i] = fcntl(plan->entries[i].fd, F_DUPFD_CLOEXEC, beyond);
        if (aside[i] < 0)
            return false;
    }
    for (size_t i = 0; i < plan->entry_count; i++) {
        if (dup2(aside[i], plan->entries[i].number) < 0)
            return false;
    }
    return true;
}

static bool close_range_on_exec(unsigned first, unsigned last)
{
    return first > last || syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) == 0;
}

static bool child_close_others(const struct plan *plan)
{
    unsigned next = 0;
    for (size_t i = 0; i < plan->entry_count; i++) {
        unsigned number = (unsigned)plan->entries[i].number;
        if (number > next && !close_range_on_exec(next, number - 1))
            return false;
        next = number + 1;
    }
    return close_range_on_exec(next, UINT_MAX);
}

static bool child_set_oom(const char *text)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) >= 0;
}

__attribute__((noreturn)) static void child_run(const struct plan *plan)
{
    const struct pawl_proc_cfg *cfg = plan->cfg;
    int report_fd = plan->report_fd;

    child_reset_signals();
    PAWL_FAULT("proc.child");
    if (cfg->is_group && setpgid(0, 0) != 0)
        give_up(report_fd, STEP_GROUP);
    if (cfg->death_signal != 0) {
        if (prctl(PR_SET_PDEATHSIG, cfg->death_signal) != 0)
            give_up(report_fd, STEP_DEATH_SIGNAL);
        if (getppid() != plan->parent) /* it died before we asked, so nobody will tell us */
            _exit(126);
    }
    if (!child_move_fds(plan, &report_fd))
        give_up(report_fd, STEP_FDS);
    if (!child_close_others(plan))
        give_up(report_fd, STEP_CLOSE);
    if (cfg->folder && chdir(cfg->folder) != 0)
        give_up(report_fd, STEP_FOLDER);
    if (cfg->cpus && sched_setaffinity(0, sizeof(*cfg->cpus), cfg->cpus) != 0)
        give_up(report_fd, STEP_CPUS);
    if (cfg->nice != PAWL_PROC_KEEP && setpriority(PRIO_PROCESS, 0, cfg->nice) != 0)
        give_up(report_fd, STEP_NICE);
    if (cfg->oom_score_adj != PAWL_PROC_KEEP && !child_set_oom(plan->oom_text))
        give_up(report_fd, STEP_OOM);

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(cfg->path, (char *const *)cfg->argv, cfg->env ? (char *const *)cfg->env : environ);
    give_up(report_fd, STEP_EXEC);
}

/* --- in the parent --- */

static int compare_numbers(const void *a, const void *b)
{
    return ((const struct pawl_proc_fd *)a)->number - ((const struct pawl_proc_fd *)b)->number;
}

static void plan_add(struct plan *plan, int fd, int number)
{
    plan->entries[plan->entry_count++] = (struct pawl_proc_fd){.fd = fd, .number = number};
}

static int plan_fds(struct plan *plan, const struct pawl_proc_cfg *cfg, struct pawl_err *err)
{
    bool is_given[3] = {false};

    if (cfg->fd_count > PAWL_PROC_FD_COUNT_MAX)
        return pawl_err_set(err, EINVAL, "%zu descriptors for a child: at most %d",
                            cfg->fd_count, PAWL_PROC_FD_COUNT_MAX);
    for (size_t i = 0; i < cfg->fd_count; i++) {
        const struct pawl_proc_fd *entry = &cfg->fds[i];
        if (entry->number < 0 || entry->number > PAWL_PROC_FD_NUMBER_MAX)
            return pawl_err_set(err, EINVAL, "descriptor number %d: expected 0 to %d",
                                entry->number, PAWL_PROC_FD_NUMBER_MAX);
        if (fcntl(entry->fd, F_GETFD) < 0)
            return pawl_err_set(err, EBADF,
                                "descriptor %d for the child's number %d is not open",
                                entry->fd, entry->number);
        plan_add(plan, entry->fd, entry->number);
        if (entry->number < 3)
            is_given[entry->number] = true;
    }
    if (!is_given[0])
        plan_add(plan, plan->null_fd, 0);
    for (int number = 1; number < 3; number++) {
        /* Close-on-exec: ours was closed, and something else has got its number. */
        int flags = fcntl(number, F_GETFD);
        bool is_ours = flags >= 0 && !(flags & FD_CLOEXEC);
        if (!is_given[number])
            plan_add(plan, is_ours ? number : plan->null_fd, number);
    }

    qsort(plan->entries, plan->entry_count, sizeof(plan->entries[0]), compare_numbers);
    for (size_t i = 1; i < plan->entry_count; i++) {
        if (plan->entries[i].number == plan->entries[i - 1].number)
            return pawl_err_set(err, EINVAL, "two descriptors for the child's number %d",
                                plan->entries[i].number);
    }
    return 0;
}

static const char *step_text(const struct pawl_proc_cfg *cfg, int step, char *text,
                             size_t bytes)
{
    switch ((enum step)step) {
    case STEP_GROUP:
        return "make its process group";
    case STEP_DEATH_SIGNAL:
        snprintf(text, bytes, "ask for signal %d at our death", cfg->death_signal);
        return text;
    case STEP_FDS:
        return "hand it its descriptors";
    case STEP_CLOSE:
        return "close its other descriptors (needs Linux 5.11)";
    case STEP_FOLDER:
        snprintf(text, bytes, "run in folder %s", cfg->folder);
        return text;
    case STEP_CPUS:
        return "bind it to its CPUs";
    case STEP_NICE:
        snprintf(text, bytes, "set nice %d (below ours it needs root or a limit \"nice\")",
                 cfg->nice);
        return text;
    case STEP_OOM:
        snprintf(text, bytes, "set oom_score_adj %d (-1000 to 1000, below ours it needs root)",
                 cfg->oom_score_adj);
        return text;
    case STEP_EXEC:
        return "run it";
    }
    return "set it up";
}

/* 0, -EAGAIN when the deadline has passed, or what poll says. */
static int wait_readable(int fd, uint64_t deadline_ns)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (;;) {
        uint64_t now_ns = pawl_clock_now_ns();
        uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        struct timespec left = {.tv_sec = (time_t)(left_ns / PAWL_NS_PER_S),
                                .tv_nsec = (long)(left_ns % PAWL_NS_PER_S)};
        int ready_count = ppoll(&readable, 1, &left, NULL);
        if (ready_count >= 0)
            return ready_count > 0 ? 0 : -EAGAIN;
        if (errno != EINTR)
            return -errno;
    }
}

/* Waits until execve() has closed the pipe or the child has said what failed. */
static int read_report(int fd, const struct pawl_proc_cfg *cfg, struct pawl_err *err)
{
    int result = wait_readable(fd, pawl_clock_now_ns() + cfg->start_ns_max);
    if (result == -EAGAIN)
        return pawl_err_set(err, ETIMEDOUT, "the program did not run within %.2f s",
                            (double)cfg->start_ns_max / (double)PAWL_NS_PER_S);
    if (result < 0)
        return pawl_err_set(err, -result, "wait for the program to run: %s", strerror(-result));

    struct report report;
    if (read(fd, &report, sizeof(report)) != sizeof(report))
        return 0;
    char text[512];
    return pawl_err_set(err, report.code, "%s: %s",
                        step_text(cfg, report.step, text, sizeof(text)), strerror(report.code));
}

/* As fork(), but with the pidfd from the same system call: one opened by number afterwards may
 * be of another process already where SIGCHLD is ignored. All signals are blocked meanwhile, so
 * that the child takes none before it has reset the handlers it got from us. */
static pid_t fork_with_pidfd(const struct plan *plan, int *pidfd)
{
    errno = PAWL_FAULT_ERRNO("proc.fork");
    if (errno != 0)
        return -1;

    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, NULL);
    if (pid == 0)
        child_run(plan);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

static int start_planned(struct pawl_proc *proc, struct plan *plan, struct pawl_err *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return pawl_err_set(err, errno, "make a pipe: %s", strerror(errno));
    plan->report_fd = pipe_fds[1];

    int result = 0;
    int pidfd;
    pid_t pid = fork_with_pidfd(plan, &pidfd);
    if (pid < 0)
        result = pawl_err_set(err, errno, "fork: %s", strerror(errno));
    close(pipe_fds[1]); /* before we read: the end of the pipe is the news */
    if (pid > 0) {
        *proc = (struct pawl_proc){
            .is_open = true, .pid = pid, .pidfd = pidfd, .is_group = plan->cfg->is_group};
        result = read_report(pipe_fds[0], plan->cfg, err);
        if (result != 0)
            pawl_proc_close(proc);
    }
    close(pipe_fds[0]);
    return result;
}

int pawl_proc_start(struct pawl_proc *proc, const struct pawl_proc_cfg *cfg,
                    struct pawl_err *err)
{
    *proc = (struct pawl_proc){0};

    struct plan plan = {.cfg = cfg, .parent = getpid(), .null_fd = -1};
    snprintf(plan.oom_text, sizeof(plan.oom_text), "%d", cfg->oom_score_adj);
    plan.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int result = plan.null_fd < 0
                     ? pawl_err_set(err, errno, "open /dev/null: %s", strerror(errno))
                     : plan_fds(&plan, cfg, err);
    if (result == 0)
        result = start_planned(proc, &plan, err);
    if (plan.null_fd >= 0)
        close(plan.null_fd);
    if (result != 0)
        pawl_err_wrap(err, "start %s", cfg->path);
    return result;
}

int pawl_proc_wait(struct pawl_proc *proc, uint64_t deadline_ns, struct pawl_err *err)
{
    if (proc->has_ended)
        return 0;
    int result = wait_readable(proc->pidfd, deadline_ns);
    if (result == -EAGAIN)
        return result;
    if (result < 0)
        return pawl_err_set(err, -result, "wait for process %d: %s", proc->pid,
                            strerror(-result));

    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)proc->pidfd, &info, WEXITED | WNOWAIT) != 0) {
        if (errno != ECHILD)
            return pawl_err_set(err, errno, "wait for process %d: %s", proc->pid,
                                strerror(errno));
        proc->has_ended = true;
        return 0;
    }
    /* Now, while the number is still its own: once it is reaped another group may have it. */
    if (proc->is_group)
        kill(-proc->pid, SIGKILL);
    waitid(P_PIDFD, (id_t)proc->pidfd, &info, WEXITED);

    bool is_killed = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    proc->exit = (struct pawl_proc_exit){.is_known = true,
                                         .code = is_killed ? 0 : info.si_status,
                                         .signal = is_killed ? info.si_status : 0,
                                         .has_core = info.si_code == CLD_DUMPED};
    proc->has_ended = true;
    return 0;
}

int pawl_proc_signal(struct pawl_proc *proc, int signal, struct pawl_err *err)
{
    if (proc->has_ended)
        return pawl_err_set(err, ESRCH, "signal process %d: it has ended", proc->pid);
    if (pidfd_send_signal(proc->pidfd, signal, NULL, 0) != 0)
        return pawl_err_set(err, errno, "send signal %d to process %d: %s", signal, proc->pid,
                            strerror(errno));
    return 0;
}

static int stop_hard(struct pawl_proc *proc, struct pawl_err *err)
{
    pidfd_send_signal(proc->pidfd, SIGKILL, NULL, 0);
    int result = pawl_proc_wait(proc, pawl_clock_now_ns() + PAWL_PROC_KILL_NS_MAX, err);
    if (result == -EAGAIN)
        return pawl_err_set(err, ETIMEDOUT,
                            "process %d has not ended %llu s after SIGKILL: it hangs in the "
                            "kernel",
                            proc->pid, PAWL_PROC_KILL_NS_MAX / PAWL_NS_PER_S);
    return result;
}

int pawl_proc_stop(struct pawl_proc *proc, uint64_t polite_ns, struct pawl_err *err)
{
    if (proc->has_ended)
        return 0;
    /* A failure to ask is no reason not to insist. */
    pidfd_send_signal(proc->pidfd, SIGTERM, NULL, 0);
    pidfd_send_signal(proc->pidfd, SIGCONT, NULL, 0);
    int result = pawl_proc_wait(proc, pawl_clock_now_ns() + polite_ns, err);
    return result == -EAGAIN ? stop_hard(proc, err) : result;
}

void pawl_proc_close(struct pawl_proc *proc)
{
    if (!proc->is_open)
        return;
    if (!proc->has_ended)
        stop_hard(proc, NULL);
    close(proc->pidfd);
    *proc = (struct pawl_proc){0};
}

const char *pawl_proc_exit_text(const struct pawl_proc_exit *how, char *text, size_t bytes)
{
    const char *name = sigabbrev_np(how->signal);
    const char *core = how->has_core ? " (core dumped)" : "";
    if (!how->is_known)
        snprintf(text, bytes, "ended, nobody knows how");
    else if (how->signal == 0)
        snprintf(text, bytes, "exit %d", how->code);
    else if (name)
        snprintf(text, bytes, "killed by SIG%s%s", name, core);
    else
        snprintf(text, bytes, "killed by signal %d%s", how->signal, core);
    return text;
}
