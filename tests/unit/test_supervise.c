#include "runtime/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "support/temp.h"
#include "support/test.h"

#define HANG_GUARD_NS   (20 * PAWL_NS_PER_S)
#define CHILD_COUNT_MAX 4
#define EVENT_COUNT_MAX 256

static struct pawl_loop *loop;
static struct pawl_supervise set;
static const char *argvs[CHILD_COUNT_MAX][4];

static struct seen {
    enum pawl_supervise_event_kind kind;
    uint32_t index;
    char text[256];
} seen[EVENT_COUNT_MAX];
static size_t seen_count;

static void note(void *context, const struct pawl_supervise_event *event)
{
    (void)context;
    ck_assert_uint_lt(seen_count, EVENT_COUNT_MAX);
    struct seen *to = &seen[seen_count++];
    to->kind = event->kind;
    to->index = event->index;
    snprintf(to->text, sizeof(to->text), "%s", event->text);
}

static size_t count_of(enum pawl_supervise_event_kind kind, uint32_t index)
{
    size_t count = 0;
    for (size_t i = 0; i < seen_count; i++)
        count += seen[i].kind == kind && seen[i].index == index;
    return count;
}

static void open_set(struct pawl_supervise_cfg cfg)
{
    struct pawl_loop_cfg loop_cfg = pawl_loop_default_cfg();
    struct pawl_err err = {0};
    ck_assert_msg(pawl_loop_open(&loop, &loop_cfg, &err) == 0, "%s", err.text);
    cfg.child_count_max = CHILD_COUNT_MAX;
    cfg.on_event = note;
    ck_assert_msg(pawl_supervise_open(&set, loop, &cfg, &err) == 0, "%s", err.text);
}

static void close_set(void)
{
    pawl_supervise_close(&set);
    ck_assert_uint_eq(pawl_loop_watch_count(loop), 0);
    pawl_loop_close(loop);
}

/* Adds a shell script with quick restarts; returns its index. */
static uint32_t add(const char *script)
{
    struct pawl_err err = {0};
    uint32_t index = set.child_count;
    argvs[index][0] = "sh";
    argvs[index][1] = "-c";
    argvs[index][2] = script;
    struct pawl_child_cfg cfg = {.name = "shell",
                                 .path = "/bin/sh",
                                 .argv = argvs[index],
                                 .restart = pawl_restart_default_cfg()};
    cfg.restart.pause_ns_min = PAWL_NS_PER_MS;
    cfg.restart.pause_ns_max = 2 * PAWL_NS_PER_MS;
    ck_assert_msg(pawl_supervise_add(&set, &cfg, &err) == 0, "%s", err.text);
    return index;
}

static void step_until(bool (*is_reached)(void))
{
    uint64_t deadline_ns = pawl_clock_now_ns() + HANG_GUARD_NS;
    while (!is_reached()) {
        ck_assert_msg(pawl_clock_now_ns() < deadline_ns, "hangs");
        ck_assert_int_ge(pawl_loop_step(loop, deadline_ns, NULL), 0);
    }
}

static bool nobody_is_alive(void)
{
    return pawl_supervise_alive_count(&set) == 0;
}

static bool the_first_has_spoken(void)
{
    return count_of(PAWL_SUPERVISE_LINE, 0) > 0;
}

static bool the_first_runs_for_the_second_time(void)
{
    return set.children[0].start_count == 2 && set.children[0].state == PAWL_CHILD_RUNNING;
}

START_TEST(a_child_that_returns_0_has_ended)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("exit 0"));
    step_until(nobody_is_alive);
    ck_assert_int_eq(set.children[0].state, PAWL_CHILD_ENDED);
    ck_assert_uint_eq(set.children[0].start_count, 1);
    ck_assert_uint_eq(count_of(PAWL_SUPERVISE_ENDED, 0), 1);
    close_set();
}
END_TEST

START_TEST(a_child_that_is_killed_is_started_again)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("echo up >&2; exec sleep 100"));
    step_until(the_first_has_spoken);
    pid_t first = set.children[0].proc.pid;
    ck_assert_int_eq(kill(first, SIGKILL), 0);
    step_until(the_first_runs_for_the_second_time);
    ck_assert_int_eq(set.children[0].exit.signal, SIGKILL);
    ck_assert_int_ne(set.children[0].proc.pid, first);
    close_set();
}
END_TEST

START_TEST(who_keeps_dying_is_left_alone_and_the_others_go_on)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("echo no robot >&2; exit 7"));
    pawl_supervise_start(&set, add("exec sleep 100"));
    while (set.children[0].state != PAWL_CHILD_QUARANTINED)
        ck_assert_int_gt(pawl_loop_step(loop, pawl_clock_now_ns() + HANG_GUARD_NS, NULL), 0);
    ck_assert_uint_eq(set.children[0].start_count, 5);
    ck_assert_int_eq(set.children[0].exit.code, 7);
    ck_assert_str_eq(set.children[0].last_line, "no robot");
    ck_assert_int_eq(set.children[1].state, PAWL_CHILD_RUNNING);
    ck_assert_uint_eq(set.children[1].start_count, 1);
    close_set();
}
END_TEST

static bool never_again(void *context, uint32_t index, const struct pawl_proc_exit *how)
{
    (void)context;
    (void)index;
    return how->code != 2;
}

START_TEST(the_owner_says_which_ends_are_final)
{
    open_set((struct pawl_supervise_cfg){.wants_again = never_again});
    pawl_supervise_start(&set, add("exit 2"));
    step_until(nobody_is_alive);
    ck_assert_int_eq(set.children[0].state, PAWL_CHILD_ENDED);
    ck_assert_uint_eq(set.children[0].start_count, 1);
    close_set();
}
END_TEST

START_TEST(a_child_that_listens_ends_when_it_is_asked)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("trap 'exit 0' TERM; echo up >&2; i=0; while [ $i -lt 3000 "
                                   "]; do i=$((i+1)); sleep 0.01; done"));
    step_until(the_first_has_spoken);
    pawl_supervise_stop(&set, 0, pawl_clock_now_ns() + HANG_GUARD_NS);
    step_until(nobody_is_alive);
    ck_assert_int_eq(set.children[0].exit.code, 0);
    ck_assert_int_eq(set.children[0].exit.signal, 0);
    ck_assert(!set.children[0].was_killed);
    close_set();
}
END_TEST

START_TEST(a_child_that_does_not_listen_is_killed_at_the_deadline)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("trap '' TERM; echo up >&2; i=0; while [ $i -lt 3000 ]; do "
                                   "i=$((i+1)); sleep 0.01; done"));
    step_until(the_first_has_spoken);
    pawl_supervise_stop(&set, 0, pawl_clock_now_ns() + 50 * PAWL_NS_PER_MS);
    step_until(nobody_is_alive);
    ck_assert_int_eq(set.children[0].exit.signal, SIGKILL);
    ck_assert(set.children[0].was_killed);
    ck_assert_uint_eq(count_of(PAWL_SUPERVISE_KILLED, 0), 1);
    close_set();
}
END_TEST

START_TEST(a_stopped_child_is_woken_to_hear_that_it_should_end)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("trap 'exit 0' TERM; echo up >&2; i=0; while [ $i -lt 3000 "
                                   "]; do i=$((i+1)); sleep 0.01; done"));
    step_until(the_first_has_spoken);
    ck_assert_int_eq(kill(set.children[0].proc.pid, SIGSTOP), 0);
    pawl_supervise_stop(&set, 0, pawl_clock_now_ns() + HANG_GUARD_NS);
    step_until(nobody_is_alive);
    ck_assert(!set.children[0].was_killed);
    close_set();
}
END_TEST

static uint32_t asked_count;

static void ask_nothing(void *context, uint32_t index, uint64_t deadline_ns)
{
    (void)context;
    (void)index;
    (void)deadline_ns;
    asked_count++;
}

START_TEST(a_child_that_ignores_words_is_told_by_signal_before_it_is_killed)
{
    open_set((struct pawl_supervise_cfg){.ask = ask_nothing});
    pawl_supervise_start(&set, add("trap 'exit 0' TERM; echo up >&2; i=0; while [ $i -lt 3000 "
                                   "]; do i=$((i+1)); sleep 0.01; done"));
    step_until(the_first_has_spoken);
    pawl_supervise_stop(&set, 0, pawl_clock_now_ns() + 400 * PAWL_NS_PER_MS);
    ck_assert_uint_eq(asked_count, 1);
    step_until(nobody_is_alive);
    ck_assert_uint_eq(count_of(PAWL_SUPERVISE_ENDED, 0), 1);
    close_set();
}
END_TEST

START_TEST(a_deadline_that_has_passed_kills_at_once)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(&set, add("exec sleep 100"));
    pawl_supervise_stop(&set, 0, 0);
    step_until(nobody_is_alive);
    ck_assert_int_eq(set.children[0].exit.signal, SIGKILL);
    close_set();
}
END_TEST

START_TEST(a_child_in_its_pause_does_not_come_back_when_all_stop)
{
    open_set((struct pawl_supervise_cfg){0});
    uint32_t index = add("exit 1");
    set.children[index].restart.cfg.pause_ns_min = 1000 * PAWL_NS_PER_S;
    set.children[index].restart.cfg.pause_ns_max = 1000 * PAWL_NS_PER_S;
    pawl_supervise_start(&set, index);
    while (set.children[0].state != PAWL_CHILD_PAUSED)
        ck_assert_int_ge(pawl_loop_step(loop, pawl_clock_now_ns() + HANG_GUARD_NS, NULL), 0);
    pawl_supervise_stop(&set, 0, pawl_clock_now_ns() + HANG_GUARD_NS);
    ck_assert(nobody_is_alive());
    close_set();
}
END_TEST

START_TEST(what_is_no_program_is_a_failed_start_and_ends_in_quarantine)
{
    struct pawl_err err = {0};
    open_set((struct pawl_supervise_cfg){0});
    struct pawl_child_cfg cfg = {.name = "nothing",
                                 .path = "/nowhere/program",
                                 .argv = (const char *const[]){"program", NULL},
                                 .restart = pawl_restart_default_cfg()};
    cfg.restart.pause_ns_min = cfg.restart.pause_ns_max = PAWL_NS_PER_MS;
    ck_assert_int_eq(pawl_supervise_add(&set, &cfg, &err), 0);
    pawl_supervise_start(&set, 0);
    step_until(nobody_is_alive);
    ck_assert_int_eq(set.children[0].state, PAWL_CHILD_QUARANTINED);
    ck_assert_uint_eq(count_of(PAWL_SUPERVISE_FAILED, 0), 5);
    ck_assert_ptr_nonnull(strstr(seen[0].text, "/nowhere/program"));
    close_set();
}
END_TEST

START_TEST(lines_come_whole_and_a_long_one_is_cut)
{
    open_set((struct pawl_supervise_cfg){0});
    pawl_supervise_start(
        &set, add("printf 'one\\ntw\\033o\\n\\n' >&2; head -c 5000 /dev/zero | tr '\\0' x >&2;"
                  "printf '\\nlast' >&2"));
    step_until(nobody_is_alive);
    ck_assert_uint_eq(count_of(PAWL_SUPERVISE_LINE, 0), 4);
    ck_assert_str_eq(seen[1].text, "one");
    ck_assert_str_eq(seen[2].text, "tw o");
    ck_assert_uint_eq(strspn(seen[3].text, "x"), sizeof(seen[3].text) - 1);
    ck_assert_str_eq(set.children[0].last_line, "last");
    close_set();
}
END_TEST

static int give_a_pipe(void *context, uint32_t index, struct pawl_proc_fd *fds,
                       size_t *fd_count, struct pawl_err *err)
{
    (void)index;
    (void)err;
    int *ends = context;
    fds[0] = (struct pawl_proc_fd){.fd = dup(ends[1]), .number = 3};
    *fd_count = 1;
    return 0;
}

START_TEST(a_child_has_what_it_was_given_and_no_descriptor_is_left_here)
{
    int ends[2];
    char word[8] = {0};
    ck_assert_int_eq(pipe(ends), 0);
    int before = temp_fd_count();
    open_set((struct pawl_supervise_cfg){.equip = give_a_pipe, .context = ends});
    pawl_supervise_start(&set, add("echo hi >&3"));
    step_until(nobody_is_alive);
    ck_assert_int_eq(read(ends[0], word, sizeof(word)), 3);
    ck_assert_str_eq(word, "hi\n");
    close_set();
    ck_assert_int_eq(temp_fd_count(), before);
}
END_TEST

START_TEST(closing_the_table_leaves_no_process)
{
    open_set((struct pawl_supervise_cfg){0});
    for (int i = 0; i < CHILD_COUNT_MAX; i++)
        pawl_supervise_start(&set, add("trap '' TERM; exec sleep 100"));
    pid_t pid = set.children[2].proc.pid;
    close_set();
    ck_assert_int_eq(kill(pid, 0), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

START_TEST(a_full_table_says_so)
{
    struct pawl_err err = {0};
    open_set((struct pawl_supervise_cfg){0});
    for (int i = 0; i < CHILD_COUNT_MAX; i++)
        add("exit 0");
    struct pawl_child_cfg cfg = {.name = "one more", .restart = pawl_restart_default_cfg()};
    ck_assert_int_eq(pawl_supervise_add(&set, &cfg, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "one more"));
    close_set();
}
END_TEST

PAWL_TEST_MAIN("supervise", a_child_that_returns_0_has_ended,
               a_child_that_is_killed_is_started_again,
               who_keeps_dying_is_left_alone_and_the_others_go_on,
               the_owner_says_which_ends_are_final, a_child_that_listens_ends_when_it_is_asked,
               a_child_that_does_not_listen_is_killed_at_the_deadline,
               a_stopped_child_is_woken_to_hear_that_it_should_end,
               a_child_that_ignores_words_is_told_by_signal_before_it_is_killed,
               a_deadline_that_has_passed_kills_at_once,
               a_child_in_its_pause_does_not_come_back_when_all_stop,
               what_is_no_program_is_a_failed_start_and_ends_in_quarantine,
               lines_come_whole_and_a_long_one_is_cut,
               a_child_has_what_it_was_given_and_no_descriptor_is_left_here,
               closing_the_table_leaves_no_process, a_full_table_says_so)
