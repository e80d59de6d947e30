#include "runtime/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "support/temp.h"
#include "support/test.h"

#define HANG_GUARD_NS (30 * PAWL_NS_PER_S)
#define CYCLE_COUNT   1000

static uint64_t soon(void)
{
    return pawl_clock_now_ns() + HANG_GUARD_NS;
}

/* A configuration that runs a shell script; valid until the next call. */
static struct pawl_proc_cfg shell(const char *script)
{
    static const char *argv[5];
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    cfg.path = "/bin/sh";
    cfg.argv = argv;
    return cfg;
}

static void start(struct pawl_proc *proc, const struct pawl_proc_cfg *cfg)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_proc_start(proc, cfg, &err) == 0, "%s", err.text);
}

static const char *end(struct pawl_proc *proc)
{
    static char text[64];
    struct pawl_err err = {0};
    ck_assert_msg(pawl_proc_wait(proc, soon(), &err) == 0, "%d %s", err.code, err.text);
    pawl_proc_exit_text(&proc->exit, text, sizeof(text));
    pawl_proc_close(proc);
    return text;
}

/* Runs cfg with a pipe as its stdout and returns what it says. */
static const char *output_of(struct pawl_proc_cfg cfg)
{
    static char text[4096];
    int pipes[2];
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    struct pawl_proc_fd fds[8];
    for (size_t i = 0; i < cfg.fd_count; i++)
        fds[i] = cfg.fds[i];
    fds[cfg.fd_count++] = (struct pawl_proc_fd){.fd = pipes[1], .number = 1};
    cfg.fds = fds;

    struct pawl_proc proc;
    start(&proc, &cfg);
    close(pipes[1]);
    size_t length = 0;
    ssize_t count;
    while ((count = read(pipes[0], text + length, sizeof(text) - 1 - length)) > 0)
        length += (size_t)count;
    text[length] = '\0';
    close(pipes[0]);
    ck_assert_str_eq(end(&proc), "exit 0");
    return text;
}

/* Starts a script that says one line when it is ready; the line goes to `line`. */
static void start_and_listen(struct pawl_proc *proc, const char *script, char line[64])
{
    int pipes[2];
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    struct pawl_proc_cfg cfg = shell(script);
    struct pawl_proc_fd out = {.fd = pipes[1], .number = 1};
    cfg.fds = &out;
    cfg.fd_count = 1;
    start(proc, &cfg);
    close(pipes[1]);
    ssize_t count = read(pipes[0], line, 63);
    ck_assert_int_gt(count, 0);
    line[count] = '\0';
    close(pipes[0]);
}

static void expect_ended(int pidfd)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    ck_assert_int_eq(poll(&ended, 1, HANG_GUARD_NS / PAWL_NS_PER_MS), 1);
}

static void expect_no_child(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

/* Starting cfg must fail with this code and a text that contains this, and leave nothing. */
static void expect_refused(const struct pawl_proc_cfg *cfg, int code, const char *text)
{
    int before = temp_fd_count();
    struct pawl_proc proc;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_proc_start(&proc, cfg, &err), -code);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" is not in \"%s\"", text, err.text);
    ck_assert(!proc.is_open);
    ck_assert_int_eq(temp_fd_count(), before);
    expect_no_child();
}

START_TEST(a_child_has_its_arguments_environment_and_folder)
{
    struct pawl_proc_cfg cfg = shell("echo $0 $WORD $HOME; pwd");
    ((const char **)cfg.argv)[3] = "zero";
    cfg.env = (const char *const[]){"WORD=word", NULL};
    cfg.folder = "/usr/bin";
    ck_assert_str_eq(output_of(cfg), "zero word\n/usr/bin\n");
}
END_TEST

START_TEST(a_child_has_the_given_descriptors_and_no_others)
{
    int leak = open("/dev/null", O_RDWR); /* not close-on-exec, on purpose */
    ck_assert_int_ge(dup2(leak, 40), 0);
    ck_assert_int_ge(dup2(leak, 900), 0);
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    cfg.path = "/bin/ls";
    cfg.argv = (const char *const[]){"ls", "/proc/self/fd", NULL};
    cfg.fds = (const struct pawl_proc_fd[]){{leak, 20}, {leak, 7}, {leak, 9}};
    cfg.fd_count = 3;
    cfg.env = (const char *const[]){NULL};
    /* 3 is the folder that ls reads. */
    ck_assert_str_eq(output_of(cfg), "0\n1\n2\n20\n3\n7\n9\n");
}
END_TEST

START_TEST(descriptors_may_swap_their_numbers)
{
    int a[2];
    int b[2];
    ck_assert(pipe(a) == 0 && pipe(b) == 0);
    ck_assert(dup2(a[1], 50) == 50 && dup2(b[1], 51) == 51);
    struct pawl_proc_cfg cfg =
        shell("printf 50 >/proc/self/fd/50; printf 51 >/proc/self/fd/51; printf 8 "
              ">/proc/self/fd/8");
    cfg.fds = (const struct pawl_proc_fd[]){{50, 51}, {51, 50}, {50, 8}};
    cfg.fd_count = 3;
    struct pawl_proc proc;
    start(&proc, &cfg);
    ck_assert_str_eq(end(&proc), "exit 0");
    char text[8] = {0};
    ck_assert_int_eq(read(a[0], text, sizeof(text)), 3);
    ck_assert_str_eq(text, "518");
    ck_assert_int_eq(read(b[0], text, sizeof(text)), 2);
    ck_assert_mem_eq(text, "50", 2);
}
END_TEST

START_TEST(a_child_reads_nothing_from_our_stdin)
{
    ck_assert_str_eq(output_of(shell("readlink /proc/self/fd/0")), "/dev/null\n");
}
END_TEST

START_TEST(a_closed_stderr_of_ours_is_nothing_to_the_child)
{
    int saved = dup(2);
    close(2);
    struct pawl_proc_cfg cfg = shell("readlink /proc/self/fd/2");
    const char *text = output_of(cfg);
    dup2(saved, 2);
    ck_assert_str_eq(text, "/dev/null\n");
}
END_TEST

START_TEST(a_child_starts_with_no_signal_blocked_or_ignored)
{
    sigset_t blocked;
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* As whatever was started by posix_spawn(): glibc's own signals, which sigaction() refuses.
     */
    const unsigned long ignore[8] = {(unsigned long)SIG_IGN};
    for (int i = 32; i <= 33; i++)
        ck_assert_int_eq(syscall(SYS_rt_sigaction, i, ignore, NULL, 8), 0);
    const char *text = output_of(shell("exec grep -E 'Sig(Blk|Ign)' /proc/self/status"));
    ck_assert_str_eq(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}
END_TEST

START_TEST(our_signal_mask_is_as_before)
{
    sigset_t mine;
    sigset_t after;
    sigemptyset(&mine);
    sigaddset(&mine, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mine, NULL);
    output_of(shell(":"));
    sigprocmask(SIG_SETMASK, NULL, &after);
    ck_assert(sigismember(&after, SIGUSR1) && !sigismember(&after, SIGUSR2));
}
END_TEST

START_TEST(a_child_has_the_given_cpus_nice_and_oom_score)
{
    cpu_set_t cpus;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &cpus))
        cpu++;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    struct pawl_proc_cfg cfg = shell("nice; cat /proc/self/oom_score_adj; exec grep "
                                     "Cpus_allowed_list /proc/self/status");
    cfg.cpus = &cpus;
    cfg.nice = 11;
    cfg.oom_score_adj = 321;
    char expected[64];
    snprintf(expected, sizeof(expected), "11\n321\nCpus_allowed_list:\t%zu\n", cpu);
    ck_assert_str_eq(output_of(cfg), expected);
}
END_TEST

START_TEST(a_program_that_cannot_run_is_a_sentence)
{
    struct pawl_proc_cfg cfg = shell("");
    cfg.path = "/nowhere/x";
    expect_refused(&cfg, ENOENT, "start /nowhere/x: run it: No such file or directory");
    cfg.path = "/etc/passwd";
    expect_refused(&cfg, EACCES, "start /etc/passwd: run it: Permission denied");
}
END_TEST

START_TEST(what_cannot_be_set_up_is_a_sentence)
{
    struct pawl_proc_cfg cfg = shell("");
    cfg.folder = "/nowhere";
    expect_refused(&cfg, ENOENT, "start /bin/sh: run in folder /nowhere: No such file");

    cfg = shell("");
    cpu_set_t none;
    CPU_ZERO(&none);
    cfg.cpus = &none;
    expect_refused(&cfg, EINVAL, "bind it to its CPUs");

    cfg = shell("");
    cfg.oom_score_adj = 5000;
    expect_refused(&cfg, EINVAL, "set oom_score_adj 5000 (-1000 to 1000");

    cfg = shell("");
    cfg.death_signal = 999;
    expect_refused(&cfg, EINVAL, "ask for signal 999 at our death");
}
END_TEST

START_TEST(impossible_descriptors_are_refused)
{
    struct pawl_proc_cfg cfg = shell("");
    struct pawl_proc_fd fds[PAWL_PROC_FD_COUNT_MAX + 1] = {{0, 5}, {2, 5}};
    cfg.fds = fds;
    cfg.fd_count = 2;
    expect_refused(&cfg, EINVAL, "two descriptors for the child's number 5");
    fds[1].fd = 9999;
    expect_refused(&cfg, EBADF, "descriptor 9999 for the child's number 5 is not open");
    fds[0].number = PAWL_PROC_FD_NUMBER_MAX + 1;
    expect_refused(&cfg, EINVAL, "descriptor number 1024: expected 0 to 1023");
    cfg.fd_count = PAWL_PROC_FD_COUNT_MAX + 1;
    expect_refused(&cfg, EINVAL, "65 descriptors for a child: at most 64");
}
END_TEST

START_TEST(how_it_ended_is_a_sentence)
{
    static const struct {
        const char *script;
        const char *text;
    } rows[] = {
        {"exit 0", "exit 0"},
        {"exit 3", "exit 3"},
        {"ulimit -c 0; kill -SEGV $$", "killed by SIGSEGV"},
        {"kill -TERM $$", "killed by SIGTERM"},
        {"kill -40 $$", "killed by signal 40"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pawl_proc proc;
        struct pawl_proc_cfg cfg = shell(rows[i].script);
        start(&proc, &cfg);
        ck_assert_str_eq(end(&proc), rows[i].text);
    }
    char text[64];
    struct pawl_proc_exit how = {.is_known = true, .signal = SIGABRT, .has_core = true};
    ck_assert_str_eq(pawl_proc_exit_text(&how, text, sizeof(text)),
                     "killed by SIGABRT (core dumped)");
}
END_TEST

START_TEST(somebody_else_may_have_waited)
{
    signal(SIGCHLD, SIG_IGN);
    struct pawl_proc proc;
    struct pawl_proc_cfg cfg = shell("exit 3");
    start(&proc, &cfg);
    ck_assert_str_eq(end(&proc), "ended, nobody knows how");
}
END_TEST

START_TEST(waiting_ends_at_the_deadline)
{
    struct pawl_proc proc;
    struct pawl_proc_cfg cfg = shell("exec sleep 1000");
    start(&proc, &cfg);
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_proc_wait(&proc, 0, &err), -EAGAIN);
    uint64_t deadline_ns = pawl_clock_now_ns() + 5 * PAWL_NS_PER_MS;
    ck_assert_int_eq(pawl_proc_wait(&proc, deadline_ns, &err), -EAGAIN);
    ck_assert_uint_ge(pawl_clock_now_ns(), deadline_ns);
    ck_assert_int_eq(err.code, 0);
    pawl_proc_close(&proc);
    pawl_proc_close(&proc);
    expect_no_child();
}
END_TEST

START_TEST(stopping_asks_first)
{
    struct pawl_proc proc;
    char line[64];
    start_and_listen(&proc, "trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done",
                     line);
    struct pawl_err err = {0};
    ck_assert_msg(pawl_proc_stop(&proc, HANG_GUARD_NS, &err) == 0, "%s", err.text);
    ck_assert_str_eq(end(&proc), "exit 5");
}
END_TEST

START_TEST(stopping_insists)
{
    struct pawl_proc proc;
    char line[64];
    start_and_listen(&proc, "trap '' TERM; echo ready; while :; do sleep 0.02; done", line);
    struct pawl_err err = {0};
    ck_assert_msg(pawl_proc_stop(&proc, 20 * PAWL_NS_PER_MS, &err) == 0, "%s", err.text);
    ck_assert_int_eq(pawl_proc_stop(&proc, 0, NULL), 0);
    ck_assert_int_eq(pawl_proc_signal(&proc, SIGTERM, &err), -ESRCH);
    ck_assert_str_eq(end(&proc), "killed by SIGKILL");
}
END_TEST

START_TEST(stopping_asks_also_a_process_that_is_held)
{
    struct pawl_proc proc;
    char line[64];
    start_and_listen(&proc, "trap 'exit 6' TERM; echo ready; kill -STOP $$; exit 7", line);
    siginfo_t info;
    ck_assert_int_eq(waitid(P_PIDFD, (id_t)proc.pidfd, &info, WSTOPPED), 0);
    struct pawl_err err = {0};
    ck_assert_msg(pawl_proc_stop(&proc, HANG_GUARD_NS, &err) == 0, "%s", err.text);
    ck_assert_str_eq(end(&proc), "exit 6");
}
END_TEST

START_TEST(a_signal_reaches_the_child)
{
    struct pawl_proc proc;
    struct pawl_proc_cfg cfg = shell("exec sleep 1000");
    start(&proc, &cfg);
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_proc_signal(&proc, 999, &err), -EINVAL);
    ck_assert_int_eq(pawl_proc_signal(&proc, SIGUSR1, NULL), 0);
    ck_assert_str_eq(end(&proc), "killed by SIGUSR1");
}
END_TEST

START_TEST(what_a_child_leaves_in_its_group_ends_with_it)
{
    struct pawl_proc proc;
    char line[64];
    start_and_listen(&proc, "sleep 1000 & echo $!; exit 0", line);
    int pidfd = pidfd_open((pid_t)atol(line), 0);
    ck_assert_int_ge(pidfd, 0);
    ck_assert_str_eq(end(&proc), "exit 0");
    expect_ended(pidfd);
}
END_TEST

START_TEST(a_thousand_starts_and_kills_leave_nothing)
{
    /* Orphans of our children become ours, so that they are seen. */
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    int before = temp_fd_count();
    for (int i = 0; i < CYCLE_COUNT; i++) {
        struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
        cfg.path = "/bin/sleep";
        cfg.argv = (const char *const[]){"sleep", "1000", NULL};
        struct pawl_proc proc;
        struct pawl_err err = {0};
        start(&proc, &cfg);
        if (i % 2 == 0)
            ck_assert_msg(pawl_proc_stop(&proc, HANG_GUARD_NS, &err) == 0, "%s", err.text);
        pawl_proc_close(&proc);
    }
    ck_assert_int_eq(temp_fd_count(), before);
    expect_no_child();
}
END_TEST

/* Forks a parent that starts `sleep 1000` with cfg and says its number; a pidfd of the child.
 */
static int start_in_another_parent(pid_t *parent, int death_signal)
{
    int pipes[2];
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    *parent = fork();
    if (*parent == 0) {
        struct pawl_proc proc;
        struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
        cfg.path = "/bin/sleep";
        cfg.argv = (const char *const[]){"sleep", "1000", NULL};
        cfg.death_signal = death_signal;
        if (pawl_proc_start(&proc, &cfg, NULL) != 0 ||
            write(pipes[1], &proc.pid, sizeof(proc.pid)) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    pid_t child = 0;
    close(pipes[1]);
    ck_assert_int_eq(read(pipes[0], &child, sizeof(child)), sizeof(child));
    close(pipes[0]);
    int pidfd = pidfd_open(child, 0);
    ck_assert_int_ge(pidfd, 0);
    return pidfd;
}

START_TEST(a_child_ends_when_its_parent_is_killed)
{
    pid_t parent;
    int pidfd = start_in_another_parent(&parent, SIGTERM);
    uint64_t killed_ns = pawl_clock_now_ns();
    ck_assert_int_eq(kill(parent, SIGKILL), 0);
    expect_ended(pidfd);
    printf("child_gone_after_parent_kill %.3f ms\n",
           (double)(pawl_clock_now_ns() - killed_ns) / (double)PAWL_NS_PER_MS);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
}
END_TEST

START_TEST(a_child_outlives_its_parent_when_told_so)
{
    pid_t parent;
    int pidfd = start_in_another_parent(&parent, 0);
    ck_assert_int_eq(kill(parent, SIGKILL), 0);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    ck_assert_int_eq(poll(&ended, 1, 50), 0);
    ck_assert_int_eq(pidfd_send_signal(pidfd, SIGKILL, NULL, 0), 0);
    expect_ended(pidfd);
}
END_TEST

#ifdef PAWL_FAULTS

START_TEST(a_program_that_does_not_run_in_time_is_ended)
{
    ck_assert_int_eq(pawl_fault_arm("proc.child:delay=30s", NULL), 0);
    struct pawl_proc_cfg cfg = shell("");
    cfg.start_ns_max = 20 * PAWL_NS_PER_MS;
    expect_refused(&cfg, ETIMEDOUT, "the program did not run within 0.02 s");
}
END_TEST

START_TEST(no_room_for_another_process_is_a_sentence)
{
    ck_assert_int_eq(pawl_fault_arm("proc.fork:error=EAGAIN", NULL), 0);
    struct pawl_proc_cfg cfg = shell("");
    expect_refused(&cfg, EAGAIN, "start /bin/sh: fork: Resource temporarily unavailable");
}
END_TEST

/* The first child of a process, once it has one. */
static pid_t child_of(pid_t parent)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    for (uint64_t deadline_ns = soon(); pawl_clock_now_ns() < deadline_ns; usleep(1000)) {
        char text[64] = {0};
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t count = read(fd, text, sizeof(text) - 1);
        close(fd);
        if (count > 0)
            return (pid_t)atol(text);
    }
    return 0;
}

START_TEST(a_parent_that_dies_before_the_child_asks_is_noticed)
{
    pid_t parent = fork();
    if (parent == 0) {
        struct pawl_proc proc;
        struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
        cfg.path = "/bin/sleep";
        cfg.argv = (const char *const[]){"sleep", "1000", NULL};
        pawl_fault_arm("proc.child:delay=300ms", NULL);
        pawl_proc_start(&proc, &cfg, NULL);
        _exit(0);
    }
    pid_t child = child_of(parent);
    ck_assert_int_gt(child, 0);
    int pidfd = pidfd_open(child, 0);
    ck_assert_int_ge(pidfd, 0);
    ck_assert_int_eq(kill(parent, SIGKILL), 0);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int ended_count = poll(&ended, 1, 10000);
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    ck_assert_int_eq(ended_count, 1);
}
END_TEST

#define FAULT_TESTS                                                                            \
    , a_program_that_does_not_run_in_time_is_ended, no_room_for_another_process_is_a_sentence, \
        a_parent_that_dies_before_the_child_asks_is_noticed
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("proc", a_child_has_its_arguments_environment_and_folder,
               a_child_has_the_given_descriptors_and_no_others,
               descriptors_may_swap_their_numbers, a_child_reads_nothing_from_our_stdin,
               a_closed_stderr_of_ours_is_nothing_to_the_child,
               a_child_starts_with_no_signal_blocked_or_ignored, our_signal_mask_is_as_before,
               a_child_has_the_given_cpus_nice_and_oom_score,
               a_program_that_cannot_run_is_a_sentence, what_cannot_be_set_up_is_a_sentence,
               impossible_descriptors_are_refused, how_it_ended_is_a_sentence,
               somebody_else_may_have_waited, waiting_ends_at_the_deadline, stopping_asks_first,
               stopping_insists, stopping_asks_also_a_process_that_is_held,
               a_signal_reaches_the_child, what_a_child_leaves_in_its_group_ends_with_it,
               a_thousand_starts_and_kills_leave_nothing,
               a_child_ends_when_its_parent_is_killed,
               a_child_outlives_its_parent_when_told_so FAULT_TESTS)
