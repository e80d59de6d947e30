#include "runtime/crash.h"

#include "runtime/log.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

static char text[1 << 16];

static const char *read_all(int fd)
{
    size_t length = 0;
    for (ssize_t count; (count = read(fd, text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)count;
    text[length] = '\0';
    close(fd);
    return text;
}

static int overflow_the_stack(int depth)
{
    char big[65536];
    memset(big, depth & 1, sizeof(big));
    __asm__ volatile("" : : "r"(big) : "memory");
    return depth ? overflow_the_stack(depth - 1) + big[0] : 0;
}

static int *_Atomic nowhere = (int *)0x10;

static void *write_nowhere(void *arg)
{
    *atomic_load(&nowhere) = 1;
    return arg;
}

static void crash_by(int signal)
{
    switch (signal) {
    case SIGSEGV:
        write_nowhere(NULL);
        break;
    case SIGSTKFLT:
        overflow_the_stack(INT_MAX);
        break;
    case SIGABRT:
        abort();
    case SIGUSR1: {
        pthread_t thread;
        pthread_create(&thread, NULL, write_nowhere, NULL);
        pthread_join(thread, NULL);
        break;
    }
    default:
        raise(signal);
    }
}

/* Logs, then dies in a child; what is left in the file. */
static const char *file_after_crash(int signal, int expected_signal)
{
    char path[] = "/tmp/pawl_test_crash_XXXXXX";
    int fd = mkstemp(path), ends[2];
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        /* Without a sanitizer's own handlers, and check's. */
        static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
            sigaction(signals[i], &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(ends[1], STDERR_FILENO);
        struct pawl_log_cfg cfg = pawl_log_default_cfg("learner");
        cfg.path = path;
        cfg.stderr_level = PAWL_LOG_OFF;
        if (pawl_log_start(&cfg, NULL) != 0)
            _exit(1);
        for (int i = 0; i < 100; i++)
            pawl_log_info("before", "i=%d", i);
        crash_by(signal);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), expected_signal);
    close(ends[1]);
    ck_assert_ptr_nonnull(strstr(read_all(ends[0]), " error learner crashed signal="));
    read_all(fd);
    unlink(path);
    for (int i = 0; i < 100; i++) {
        char line[64];
        snprintf(line, sizeof(line), " info learner before i=%d\n", i);
        ck_assert_msg(strstr(text, line) != NULL, "%s is not in the file", line);
    }
    return text;
}

START_TEST(a_crash_writes_what_waited_and_says_its_last_words)
{
    file_after_crash(SIGSEGV, SIGSEGV);
    const char *last = strstr(text, "before i=99\n");
    ck_assert_ptr_nonnull(last);
    ck_assert_ptr_nonnull(strstr(last, " error learner crashed signal=SIGSEGV addr=0x10\n"));
}
END_TEST

START_TEST(each_deadly_signal_has_last_words)
{
    static const struct {
        int signal;
        const char *says;
    } cases[] = {{SIGABRT, "crashed signal=SIGABRT addr=0x0\n"},
                 {SIGBUS, "crashed signal=SIGBUS addr=0x0\n"},
                 {SIGFPE, "crashed signal=SIGFPE addr=0x0\n"},
                 {SIGILL, "crashed signal=SIGILL addr=0x0\n"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_ptr_nonnull(
            strstr(file_after_crash(cases[i].signal, cases[i].signal), cases[i].says));
}
END_TEST

START_TEST(an_overflown_stack_has_last_words)
{
    ck_assert_ptr_nonnull(
        strstr(file_after_crash(SIGSTKFLT, SIGSEGV), "crashed signal=SIGSEGV addr=0x"));
}
END_TEST

START_TEST(a_crash_of_another_thread_has_last_words)
{
    ck_assert_ptr_nonnull(
        strstr(file_after_crash(SIGUSR1, SIGSEGV), "crashed signal=SIGSEGV addr=0x10\n"));
}
END_TEST

static void say_it(int signal, const void *address)
{
    (void)signal;
    (void)address;
    static const char words[] = "last words\n";
    if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
        _exit(2);
}

static void exit_with_9(int signal)
{
    (void)signal;
    _exit(9);
}

START_TEST(who_handled_the_signal_before_still_does)
{
    int ends[2], status;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        sigaction(SIGSEGV, &(struct sigaction){.sa_handler = exit_with_9}, NULL);
        pawl_crash_install(say_it);
        pawl_crash_install(say_it);
        write_nowhere(NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    close(ends[1]);
    ck_assert_str_eq(read_all(ends[0]), "last words\n");
}
END_TEST

PAWL_TEST_MAIN("crash", a_crash_writes_what_waited_and_says_its_last_words,
               each_deadly_signal_has_last_words, an_overflown_stack_has_last_words,
               a_crash_of_another_thread_has_last_words,
               who_handled_the_signal_before_still_does)
