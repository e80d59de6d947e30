/* proc.h: start a process, see it end, make it end.
 *
 *     struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
 *     cfg.path = "/usr/libexec/pawl-actor";
 *     cfg.argv = (const char *const[]){"pawl-actor", "--fd=3", NULL};
 *     cfg.fds = (const struct pawl_proc_fd[]){{.fd = their_end, .number = 3}};
 *     cfg.fd_count = 1;
 *     pawl_proc_start(&proc, &cfg, &err);
 *     ... proc.pidfd is readable once it has ended ...
 *     pawl_proc_stop(&proc, 5 * PAWL_NS_PER_S, &err);
 *     pawl_proc_exit_text(&proc.exit, text, sizeof(text));     "killed by SIGSEGV"
 *     pawl_proc_close(&proc);
 *
 * A child has the descriptors it was given and no others, no blocked or ignored signal, and
 * ends when its parent does. That it could not be set up or its program not be run is an error
 * of pawl_proc_start(), with the reason; there is then no child.
 *
 * The child is named by its pidfd, so nothing here can hit another process that has got its
 * number. The program must not wait for children it does not know (wait(), or SIGCHLD ignored):
 * how ours ended is then lost.
 *
 * Thread safety: different processes from different threads.
 */
#ifndef PAWL_RUNTIME_PROC_H
#define PAWL_RUNTIME_PROC_H

#include "runtime/err.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAWL_PROC_FD_COUNT_MAX  64
#define PAWL_PROC_FD_NUMBER_MAX 1023
#define PAWL_PROC_KEEP          INT_MIN /* as the parent has it */

struct pawl_proc_fd {
    int fd;     /* ours */
    int number; /* under which the child has it, 0 to PAWL_PROC_FD_NUMBER_MAX */
};

/* Everything is borrowed for the duration of pawl_proc_start(). */
struct pawl_proc_cfg {
    const char *path;        /* of the program; PATH is not searched */
    const char *const *argv; /* ends with NULL */
    const char *const *env;  /* ends with NULL; NULL: ours */
    const char *folder;      /* to run in; NULL: ours */

    /* Where 0 is not among them the child reads /dev/null; where 1 or 2 is not, it has ours
     * (or /dev/null too, where ours is closed). */
    const struct pawl_proc_fd *fds;
    size_t fd_count;

    const cpu_set_t *cpus; /* NULL: ours */
    int nice;
    int oom_score_adj;

    /* Sent to the child when the THREAD that started it ends, however it ends; 0 for none. So a
     * process starts children from a thread that lives as long as itself. A program that needs
     * time to end in order catches it. */
    int death_signal;

    /* A process group of its own: Ctrl-C of the terminal does not reach it, and what it has
     * started and left behind in the group is killed when it ends. */
    bool is_group;

    uint64_t start_ns_max; /* how long until the program runs, or it is an error */
};

/* SIGTERM at the parent's death, a group of its own, 10 s to start; the rest as the parent. */
struct pawl_proc_cfg pawl_proc_default_cfg(void);

struct pawl_proc_exit {
    bool is_known; /* false when somebody else waited for the process */
    int code;      /* what it returned, when signal is 0 */
    int signal;    /* that killed it, or 0 */
    bool has_core;
};

struct pawl_proc {
    bool is_open; /* false in a zeroed process, which may be closed */
    pid_t pid;
    int pidfd; /* readable once it has ended */
    bool is_group;
    bool has_ended;
    struct pawl_proc_exit exit; /* once has_ended */
};

int pawl_proc_start(struct pawl_proc *proc, const struct pawl_proc_cfg *cfg,
                    struct pawl_err *err);

/* 0: it has ended, and proc->exit says how. -EAGAIN: it has not until deadline_ns (a time of
 * pawl_clock_now_ns(); 0: do not wait), and *err is as it was. */
int pawl_proc_wait(struct pawl_proc *proc, uint64_t deadline_ns, struct pawl_err *err);

/* Sends a signal; -ESRCH when the process is known to have ended. */
int pawl_proc_signal(struct pawl_proc *proc, int signal, struct pawl_err *err);

/* Asks with SIGTERM (also a process that is stopped), gives it polite_ns, then kills it.
 * Returns once it has ended, at the latest PAWL_PROC_KILL_NS_MAX after that with -ETIMEDOUT. */
int pawl_proc_stop(struct pawl_proc *proc, uint64_t polite_ns, struct pawl_err *err);

#define PAWL_PROC_KILL_NS_MAX 10000000000ull

/* Kills the process if it runs, at once. */
void pawl_proc_close(struct pawl_proc *proc);

/* How it ended, as in "exit 3" or "killed by SIGSEGV (core dumped)". Returns text. */
const char *pawl_proc_exit_text(const struct pawl_proc_exit *how, char *text, size_t bytes);

#endif
