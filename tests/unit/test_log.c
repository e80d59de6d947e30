#include "runtime/log.h"

#include "runtime/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>

#include "support/log_file.h"
#include "support/test.h"

START_TEST(a_line_reaches_the_file)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    pawl_log_info("published", "version=%" PRIu64 " bytes=%zu", (uint64_t)41, (size_t)1048576);
    pawl_log_info("stopping");
    stopped_file();
    ck_assert_ptr_nonnull(strstr(text, " info learner published version=41 bytes=1048576\n"));
    ck_assert_ptr_nonnull(strstr(text, " info learner stopping\n"));
    ck_assert_uint_eq(count_of(text, "\n"), 2);
}
END_TEST

START_TEST(lines_are_appended_to_what_is_there)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    for (int i = 0; i < 3; i++) {
        start(&cfg);
        pawl_log_info("started", "i=%d", i);
        ck_assert_int_eq(pawl_log_stop(), 0);
    }
    read_file();
    unlink(path);
    ck_assert_uint_eq(count_of(text, " info learner started i="), 3);
}
END_TEST

START_TEST(time_counts_from_the_start_of_the_run)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.start_ns = 1; /* a run that began when the machine did */
    uint64_t before_ns = pawl_clock_now_ns();
    start(&cfg);
    pawl_log_info("a");
    stopped_file();
    double logged_ms = strtod(text, NULL) * 1e3;
    ck_assert(logged_ms >= (double)(before_ns / PAWL_NS_PER_MS) - 1);
    ck_assert(logged_ms <= (double)(pawl_clock_now_ns() / PAWL_NS_PER_MS) + 1);
}
END_TEST

START_TEST(stderr_gets_the_same_lines)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.stderr_level = PAWL_LOG_WARN;
    int fd = redirect_stderr();
    start(&cfg);
    pawl_log_info("not there");
    pawl_log_warn("peer lost", "name=%s", "a b");
    stopped_file();
    ck_assert_uint_eq(count_of(text, "\n"), 2);
    drop_stderr();
    read_fd(fd);
    ck_assert_ptr_nonnull(strstr(text, " warn learner peer lost name=\"a b\"\n"));
    ck_assert_uint_eq(count_of(text, "\n"), 1);
    ck_assert_uint_eq(count_of(text, "\033"), 0);
}
END_TEST

static int evaluated_count;

static int evaluated(void)
{
    return ++evaluated_count;
}

START_TEST(a_level_that_nobody_wants_is_not_even_evaluated)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.level = PAWL_LOG_WARN;
    start(&cfg);
    pawl_log_info("a", "n=%d", evaluated());
    pawl_log_debug("b", "n=%d", evaluated());
    pawl_log_error("c", "n=%d", evaluated());
    stopped_file();
    ck_assert_int_eq(evaluated_count, 1);
    ck_assert_uint_eq(count_of(text, "\n"), 1);
}
END_TEST

START_TEST(at_level_debug_each_line_names_its_place)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.level = PAWL_LOG_DEBUG;
    start(&cfg);
    pawl_log_debug("a", "n=%d", 1);
    pawl_log_info("b");
    stopped_file();
    ck_assert_ptr_nonnull(strstr(text, " debug learner a n=1 at=test_log.c:"));
    ck_assert_ptr_nonnull(strstr(text, " info learner b at=test_log.c:"));
}
END_TEST

/* A writer that nothing wakes but what has to. */
static void start_sleepy(void)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.write_wait_ns = 3600 * PAWL_NS_PER_S;
    start(&cfg);
}

START_TEST(an_error_is_written_at_once)
{
    start_sleepy();
    for (size_t i = 1; i <= 5; i++) {
        pawl_log_error("broken");
        wait_for(" error learner broken\n", i);
    }
    stopped_file();
}
END_TEST

START_TEST(a_half_full_queue_is_written_at_once)
{
    start_sleepy();
    for (size_t round = 0; round < 5; round++) {
        /* 100 are either taken by a writer that is still awake, or leave it half a queue. */
        for (int i = 0; i < 250; i++)
            pawl_log_info("a");
        wait_for(" info learner a\n", round * 250 + 100);
        ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
    }
    stopped_file();
}
END_TEST

START_TEST(other_lines_are_written_without_being_asked_for)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    for (size_t i = 1; i <= 3; i++) {
        pawl_log_info("a");
        wait_for(" info learner a\n", i);
    }
    stopped_file();
}
END_TEST

START_TEST(flush_returns_when_the_lines_are_in_the_file)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    for (size_t i = 1; i < 20; i++) {
        pawl_log_info("a");
        ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
        ck_assert_uint_eq(count_of(read_file(), "\n"), i);
    }
    stopped_file();
}
END_TEST

#define THREAD_COUNT 4
#define THREAD_LINES 2000

static void *log_many(void *arg)
{
    int thread = *(int *)arg;
    for (int i = 0; i < THREAD_LINES; i++) {
        pawl_log_info("step", "thread=%d line=%d pad=%s", thread, i,
                      "xxxxxxxxxxxxxxxxxxxxxxxx");
        if (i % 32 == 31)
            pawl_log_flush(GUARD_NS);
    }
    return NULL;
}

START_TEST(lines_of_many_threads_are_whole_and_in_each_threads_order)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    pthread_t threads[THREAD_COUNT];
    int numbers[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
    struct pawl_log_counts counts = pawl_log_read_counts();
    stopped_file();

    int next[THREAD_COUNT] = {0};
    size_t line_count = 0, lost_count = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line;) {
        int thread, number;
        unsigned long lost;
        if (sscanf(line, "%*f warn learner log lines were lost count=%lu", &lost) == 1) {
            lost_count += lost;
            continue;
        }
        ck_assert_int_eq(
            sscanf(line, "%*f info learner step thread=%d line=%d pad=xxxxxxxxxxxxxxxxxxxxxxxx",
                   &thread, &number),
            2);
        ck_assert_int_ge(number, next[thread]);
        next[thread] = number + 1;
        line_count++;
    }
    /* Nothing is lost without being counted. */
    ck_assert_uint_eq(line_count + lost_count, THREAD_COUNT * THREAD_LINES);
    ck_assert_uint_eq(counts.dropped_full_count, lost_count);
}
END_TEST

#ifdef PAWL_FAULTS

START_TEST(without_a_thread_the_log_does_not_start)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    ck_assert_int_eq(pawl_fault_arm("log.thread:error=EAGAIN", NULL), 0);
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_log_start(&cfg, &err), -EAGAIN);
    ck_assert_str_eq(err.text, "log: start the writer: Resource temporarily unavailable");
    start(&cfg);
    stopped_file();
}
END_TEST
#endif

START_TEST(before_the_start_lines_go_straight_to_stderr)
{
    int fd = redirect_stderr();
    errno = ENOENT;
    pawl_log_warn("early", "a=%d", 1);
    ck_assert_int_eq(errno, ENOENT);
    pawl_log_debug("not wanted");
    drop_stderr();
    ck_assert_str_eq(read_fd(fd), "0.000 warn unit_log early a=1\n");
}
END_TEST

START_TEST(after_the_stop_lines_go_straight_to_stderr)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    stopped_file();
    int fd = redirect_stderr();
    pawl_log_error("late");
    drop_stderr();
    ck_assert_ptr_nonnull(strstr(read_fd(fd), " error learner late\n"));
    ck_assert_int_eq(pawl_log_stop(), 0);
    ck_assert_int_eq(pawl_log_flush(0), 0);
}
END_TEST

START_TEST(a_forked_child_neither_repeats_lines_nor_waits_for_a_writer)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    pawl_log_info("of the parent");
    int fd = redirect_stderr();
    pid_t child = fork();
    if (child == 0) {
        pawl_log_error("of the child");
        exit(pawl_log_flush(GUARD_NS) + pawl_log_stop());
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    drop_stderr();
    ck_assert_ptr_nonnull(strstr(read_fd(fd), " error learner of the child\n"));
    stopped_file();
    ck_assert_uint_eq(count_of(text, "of the parent\n"), 1);
    ck_assert_uint_eq(count_of(text, "of the child"), 0);
}
END_TEST

START_TEST(a_program_that_just_exits_loses_nothing)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    pid_t child = fork();
    if (child == 0) {
        start(&cfg);
        pawl_log_info("a");
        exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(count_of(read_file(), " info learner a\n"), 1);
    unlink(path);
}
END_TEST

/* What a terminal gets when a warning is logged. */
static const char *on_a_terminal(enum pawl_log_colour colour)
{
    int fd, terminal;
    ck_assert_int_eq(openpty(&fd, &terminal, NULL, NULL, NULL), 0);
    ck_assert_int_eq(dup2(terminal, STDERR_FILENO), STDERR_FILENO);
    close(terminal);
    struct pawl_log_cfg cfg = pawl_log_default_cfg("learner");
    cfg.colour = colour;
    start(&cfg);
    pawl_log_warn("a b", "c=%d", 1);
    pawl_log_info("d");
    ck_assert_int_eq(pawl_log_stop(), 0);
    drop_stderr();
    read_fd(fd);
    close(fd);
    return text;
}

START_TEST(a_terminal_gets_colour)
{
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    on_a_terminal(PAWL_LOG_COLOUR_AUTO);
    ck_assert_ptr_nonnull(strstr(text, " \033[33mwarn\033[0m learner a b c=1"));
    ck_assert_uint_eq(count_of(text, "\033"), 2);
}
END_TEST

START_TEST(a_terminal_that_wants_none_gets_none)
{
    static const struct {
        const char *term, *no_color;
    } cases[] = {{"xterm", "1"}, {"dumb", ""}, {"", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("TERM", cases[i].term, 1);
        setenv("NO_COLOR", cases[i].no_color, 1);
        on_a_terminal(PAWL_LOG_COLOUR_AUTO);
        ck_assert_uint_eq(count_of(text, "\033"), 0);
        ck_assert_ptr_nonnull(strstr(text, " warn learner a b c=1"));
    }
}
END_TEST

START_TEST(colour_can_be_wanted_or_not_whatever_the_terminal_says)
{
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    on_a_terminal(PAWL_LOG_COLOUR_NEVER);
    ck_assert_uint_eq(count_of(text, "\033"), 0);
    setenv("NO_COLOR", "1", 1);
    on_a_terminal(PAWL_LOG_COLOUR_ALWAYS);
    ck_assert_uint_eq(count_of(text, "\033"), 2);
}
END_TEST

START_TEST(what_cannot_be_started_is_refused_with_a_sentence)
{
    struct pawl_err err = {0};
    struct pawl_log_cfg cfg = pawl_log_default_cfg("two words");
    ck_assert_int_eq(pawl_log_start(&cfg, &err), -EINVAL);
    ck_assert_str_eq(
        err.text, "log: role \"two words\" is not a word of 1 to 31 letters, digits, -, _, .");
    cfg.role = NULL;
    ck_assert_int_eq(pawl_log_start(&cfg, NULL), -EINVAL);
    cfg.role = "a";
    cfg.repeat_window_ns = 0;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_log_start(&cfg, &err), -EINVAL);
    ck_assert_str_eq(err.text, "log: a window of 0 s holds no repeated warnings");

    cfg = pawl_log_default_cfg("a");
    cfg.path = "/nowhere/log.txt";
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_log_start(&cfg, &err), -ENOENT);
    ck_assert_str_eq(err.text, "log: open /nowhere/log.txt: No such file or directory");
}
END_TEST

START_TEST(a_wrong_value_does_not_compile)
{
    static const struct {
        const char *statement;
        bool compiles;
    } cases[] = {
        {"pawl_log_info(\"a\");", true},
        {"pawl_log_info(\"a\", \"b=%d\", 1);", true},
        {"pawl_log_info(\"a\", \"b=%d\", \"text\");", false},
        {"pawl_log_info(\"a\", \"b=%d c=%d\", 1);", false},
        {"pawl_log_info(\"a\", \"b=%d\", 1, 2);", false},
        {"const char *b = \"b=%d\"; pawl_log_info(\"a\", b, 1);", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char command[512];
        snprintf(command, sizeof(command),
                 "echo 'void f(void); void f(void) {%s}' | cc -std=c17 -Wall -Werror "
                 "-fsyntax-only -I '%s' -include runtime/log.h -xc - 2>/dev/null",
                 cases[i].statement, PAWL_SOURCE_DIR);
        ck_assert_msg((system(command) == 0) == cases[i].compiles, "%s", cases[i].statement);
    }
}
END_TEST

#ifdef PAWL_FAULTS
#define FAULT_TESTS , without_a_thread_the_log_does_not_start
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("log", a_line_reaches_the_file, lines_are_appended_to_what_is_there,
               time_counts_from_the_start_of_the_run, stderr_gets_the_same_lines,
               a_level_that_nobody_wants_is_not_even_evaluated,
               at_level_debug_each_line_names_its_place, an_error_is_written_at_once,
               a_half_full_queue_is_written_at_once,
               other_lines_are_written_without_being_asked_for,
               flush_returns_when_the_lines_are_in_the_file,
               lines_of_many_threads_are_whole_and_in_each_threads_order,
               before_the_start_lines_go_straight_to_stderr,
               after_the_stop_lines_go_straight_to_stderr,
               a_forked_child_neither_repeats_lines_nor_waits_for_a_writer,
               a_program_that_just_exits_loses_nothing, a_terminal_gets_colour,
               a_terminal_that_wants_none_gets_none,
               colour_can_be_wanted_or_not_whatever_the_terminal_says,
               what_cannot_be_started_is_refused_with_a_sentence,
               a_wrong_value_does_not_compile FAULT_TESTS)
