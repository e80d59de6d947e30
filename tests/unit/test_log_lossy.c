#include "runtime/log.h"

#include "runtime/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "support/log_file.h"
#include "support/test.h"

static void warn_below_target(int count)
{
    for (int i = 0; i < count; i++)
        pawl_log_warn("below target", "hz=%d", i);
}

START_TEST(a_full_queue_drops_and_a_line_says_how_many)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    pawl_log_flush(GUARD_NS);
    for (int i = 0; i < 20000; i++)
        pawl_log_info("a");
    ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
    uint64_t dropped = pawl_log_read_counts().dropped_full_count;
    ck_assert_uint_gt(dropped, 0);
    stopped_file();

    uint64_t told = 0;
    for (const char *at = text; (at = strstr(at, "log lines were lost count=")); at++)
        told += strtoul(strchr(at, '=') + 1, NULL, 10);
    ck_assert_uint_eq(told, dropped);
    ck_assert_uint_eq(count_of(text, " info learner a\n"), 20000 - dropped);
    ck_assert_ptr_nonnull(strstr(text, "error=\"the queue was full\"\n"));
}
END_TEST

START_TEST(repeated_warnings_are_counted_instead)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.repeat_window_ns = 150 * PAWL_NS_PER_MS;
    start(&cfg);
    warn_below_target(45);
    pawl_log_warn("another place", "hz=%d", 1);
    wait_for(" warn learner below target, 37 times in the last 0.15 s\n", 1);
    ck_assert_uint_eq(count_of(text, "below target hz="), 8);
    ck_assert_uint_eq(count_of(text, "another place hz=1\n"), 1);
    ck_assert_uint_eq(pawl_log_read_counts().held_back_count, 37);
    stopped_file();
}
END_TEST

START_TEST(what_stays_so_is_shown_once)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    for (int i = 0; i < 5; i++)
        pawl_log_warn_once("disk full", "i=%d", i);
    stopped_file();
    ck_assert_uint_eq(count_of(text, "disk full i="), 1);
    ck_assert_uint_eq(count_of(text, " warn learner disk full, 4 times in the last 10 s\n"), 1);
}
END_TEST

START_TEST(what_goes_on_repeating_is_one_line_per_window)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.repeat_window_ns = 100 * PAWL_NS_PER_MS;
    start(&cfg);
    warn_below_target(9);
    wait_for("below target, 1 time in the last 0.1 s\n", 1);
    warn_below_target(5);
    wait_for("below target, 5 times in the last 0.1 s\n", 1);
    ck_assert_uint_eq(count_of(text, "below target hz="), 8);
    stopped_file();
}
END_TEST

START_TEST(after_a_quiet_window_warnings_are_shown_again)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.repeat_window_ns = 100 * PAWL_NS_PER_MS;
    start(&cfg);
    warn_below_target(9);
    wait_for("below target, 1 time in the last 0.1 s\n", 1);
    uint64_t end_ns = pawl_clock_now_ns() + GUARD_NS;
    do {
        ck_assert_uint_lt(pawl_clock_now_ns(), end_ns);
        usleep(250000);
        warn_below_target(1);
        pawl_log_flush(GUARD_NS);
    } while (count_of(read_file(), "below target hz=") < 9);
    stopped_file();
}
END_TEST

START_TEST(what_was_held_back_is_told_at_the_end)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    for (int i = 0; i < 11; i++)
        pawl_log_error("broken", "i=%d", i);
    stopped_file();
    ck_assert_ptr_nonnull(strstr(text, " error learner broken, 3 times in the last 10 s\n"));
}
END_TEST

START_TEST(what_was_held_back_is_told_before_the_last_word)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    for (int round = 1; round <= 2; round++) {
        warn_below_target(11);
        ck_assert_int_eq(pawl_log_settle(GUARD_NS), 0);
    }
    pawl_log_error("failed", "reason=%s", "it is over");
    stopped_file();
    ck_assert_ptr_nonnull(strstr(text, "below target, 3 times in the last 10 s\n"));
    ck_assert_ptr_nonnull(strstr(text, "below target, 11 times in the last 10 s\n"));
    ck_assert_str_eq(strstr(text, " error learner failed "),
                     " error learner failed reason=\"it is over\"\n");
}
END_TEST

START_TEST(a_full_disk_loses_lines_and_nobody_waits)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    unlink(path);
    cfg.path = "/dev/full";
    cfg.stderr_level = PAWL_LOG_INFO;
    int fd = redirect_stderr();
    start(&cfg);
    for (int i = 0; i < 100; i++)
        pawl_log_info("a");
    ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
    ck_assert_int_eq(pawl_log_stop(), 0);
    ck_assert_uint_eq(pawl_log_read_counts().dropped_file_count, 100);
    ck_assert_uint_eq(pawl_log_read_counts().written_count, 0);

    drop_stderr();
    read_fd(fd);
    ck_assert_uint_eq(count_of(text, " info learner a\n"), 100);
    ck_assert_uint_eq(count_of(text, "log lines are lost sink=file "
                                     "error=\"No space left on device\"\n"),
                      1);
}
END_TEST

START_TEST(a_line_cut_by_a_full_disk_is_ended_before_the_next)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    start(&cfg);
    pawl_log_info("first");
    ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
    /* The kernel cuts at the limit of a file's size as it does at a full disk. */
    struct stat stat_before;
    ck_assert_int_eq(stat(path, &stat_before), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = (rlim_t)stat_before.st_size + 10,
                           .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    pawl_log_info("second");
    ck_assert_int_eq(pawl_log_flush(GUARD_NS), 0);
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    pawl_log_info("third");
    stopped_file();
    ck_assert_uint_eq(count_of(text, "\n"), 4);
    ck_assert_ptr_null(strstr(text, "second"));
    ck_assert_ptr_nonnull(strstr(text, " info learner third\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "log lines were lost count=1 error=\"File too large\"\n"));
}
END_TEST

START_TEST(a_reader_that_stopped_reading_holds_nobody)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.stderr_level = PAWL_LOG_INFO;
    int fd = redirect_stderr();
    ck_assert_int_ge(fcntl(fd, F_SETPIPE_SZ, 4096), 0);
    start(&cfg);
    for (int i = 0; i < 200; i++)
        pawl_log_info("a", "i=%d", i);
    ck_assert_int_eq(pawl_log_stop(), 0);
    ck_assert_uint_gt(pawl_log_read_counts().dropped_stderr_count, 0);
    read_file();
    unlink(path);
    ck_assert_uint_eq(count_of(text, " info learner a i="), 200);
    ck_assert_uint_eq(count_of(text, "log lines are lost sink=stderr "), 1);
    close(fd);
}
END_TEST

START_TEST(a_closed_stderr_is_not_the_end)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    cfg.stderr_level = PAWL_LOG_INFO;
    int fd = redirect_stderr();
    start(&cfg);
    close(fd);
    pawl_log_info("a");
    stopped_file();
    ck_assert_uint_eq(count_of(text, " info learner a\n"), 1);
    ck_assert_uint_eq(count_of(text, "log lines are lost sink=stderr error=\"Broken pipe\""),
                      1);
}
END_TEST

#ifdef PAWL_FAULTS
START_TEST(when_there_is_room_again_the_file_says_what_it_lacks)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    ck_assert_int_eq(pawl_fault_arm("log.write:error=ENOSPC@2;log.write:error=ENOSPC@3", NULL),
                     0);
    start(&cfg);
    for (int i = 0; i < 5; i++)
        pawl_log_info("a", "i=%d", i);
    stopped_file();
    ck_assert_uint_eq(count_of(text, "a i=1\n") + count_of(text, "a i=2\n"), 0);
    ck_assert_ptr_nonnull(strstr(text, "a i=3\n"));
    ck_assert_ptr_nonnull(strstr(text, " warn learner log lines were lost count=2 "
                                       "error=\"No space left on device\"\n"));
}
END_TEST

START_TEST(an_interrupted_write_goes_on)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    ck_assert_int_eq(pawl_fault_arm("log.write:error=EINTR", NULL), 0);
    start(&cfg);
    pawl_log_info("a");
    stopped_file();
    ck_assert_uint_eq(count_of(text, " info learner a\n"), 1);
    ck_assert_uint_eq(pawl_log_read_counts().dropped_file_count, 0);
}
END_TEST

START_TEST(a_disk_that_hangs_holds_neither_callers_nor_the_stop)
{
    struct pawl_log_cfg cfg = quiet_cfg();
    ck_assert_int_eq(pawl_fault_arm("log.write:delay=3600s", NULL), 0);
    start(&cfg);
    for (int i = 0; i < 1000; i++)
        pawl_log_info("a");
    ck_assert_int_eq(pawl_log_flush(PAWL_NS_PER_MS), -ETIMEDOUT);
    ck_assert_int_eq(pawl_log_stop(), -ETIMEDOUT);
    uint64_t before = pawl_log_read_counts().dropped_full_count;
    pawl_log_info("b");
    ck_assert_uint_eq(pawl_log_read_counts().dropped_full_count, before + 1);
    ck_assert_int_eq(pawl_log_stop(), -ETIMEDOUT);
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_log_start(&cfg, &err), -EBUSY);
    ck_assert_str_eq(err.text, "log: already started");
    unlink(path);
    _exit(0); /* the writer still hangs; a test that came here has passed */
}
END_TEST

#define FAULT_TESTS                                                                            \
    , when_there_is_room_again_the_file_says_what_it_lacks, an_interrupted_write_goes_on,      \
        a_disk_that_hangs_holds_neither_callers_nor_the_stop
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("log_lossy", a_full_queue_drops_and_a_line_says_how_many,
               repeated_warnings_are_counted_instead, what_stays_so_is_shown_once,
               what_goes_on_repeating_is_one_line_per_window,
               after_a_quiet_window_warnings_are_shown_again,
               what_was_held_back_is_told_at_the_end,
               what_was_held_back_is_told_before_the_last_word,
               a_full_disk_loses_lines_and_nobody_waits,
               a_line_cut_by_a_full_disk_is_ended_before_the_next,
               a_reader_that_stopped_reading_holds_nobody,
               a_closed_stderr_is_not_the_end FAULT_TESTS)
