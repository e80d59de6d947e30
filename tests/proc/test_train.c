/* pawl train, learner and actor as people start them, with role_fake.c in the place of the
 * roles: what happens when processes die, are refused, or do not listen. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/json.h"
#include "support/scratch.h"
#include "support/test.h"

#define HANG_GUARD_NS (40 * PAWL_NS_PER_S)
#define WORDS_MAX     16

static struct scratch scratch;
static char run_folder[PATH_MAX];
static uint64_t give_up_ns;

/* One pawl that runs. */
struct pawl_process {
    pid_t pid;
    char out[64], err[64]; /* files in the scratch folder */
};

static char *text_of(const char *path)
{
    size_t bytes;
    char *text = scratch_read(path, &bytes);
    return text ? text : strdup("");
}

static bool has(const char *path, const char *wanted)
{
    char *text = text_of(path);
    bool is_there = strstr(text, wanted) != NULL;
    free(text);
    return is_there;
}

static void pause_a_moment(void)
{
    ck_assert_msg(pawl_clock_now_ns() < give_up_ns, "hangs; the run said:\n%s\n%s",
                  text_of(scratch_path(&scratch, "1.out")),
                  text_of(scratch_path(&scratch, "1.err")));
    usleep(2000);
}

static void open_test(const char *fake)
{
    scratch_open(&scratch);
    give_up_ns = pawl_clock_now_ns() + HANG_GUARD_NS;
    ck_assert_int_eq(chdir(scratch.path), 0);
    ck_assert_int_eq(mkdir("roles", 0700), 0);
    ck_assert_int_eq(symlink(PAWL_ROLE_FAKE, "roles/pawl-learner"), 0);
    ck_assert_int_eq(symlink(PAWL_ROLE_FAKE, "roles/pawl-actor"), 0);
    setenv("PAWL_LIBEXEC", scratch_path(&scratch, "roles"), 1);
    setenv("FAKE", fake, 1);
    scratch_write("run.toml", "[run]\nstop_s = 30\n", strlen("[run]\nstop_s = 30\n"));
}

/* Starts pawl with these words; NULL ends them. */
static void start(struct pawl_process *process, ...)
{
    static int count;
    char *argv[WORDS_MAX + 1] = {"pawl"};
    va_list words;
    va_start(words, process);
    for (int i = 1; i < WORDS_MAX && (argv[i] = va_arg(words, char *)); i++)
        ;
    va_end(words);
    count++;
    snprintf(process->out, sizeof(process->out), "%d.out", count);
    snprintf(process->err, sizeof(process->err), "%d.err", count);
    process->pid = fork();
    ck_assert_int_ge(process->pid, 0);
    if (process->pid == 0) {
        int out = open(process->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int err = open(process->err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(out, 1);
        dup2(err, 2);
        execv(PAWL_BIN_DIR "/pawl", argv);
        _exit(127);
    }
}

/* Learns where the run is. */
static void wait_for_folder(const struct pawl_process *process)
{
    for (;;) {
        char *text = text_of(process->out);
        const char *line = strstr(text, "run folder  ");
        bool is_there =
            line && strchr(line, '\n') && sscanf(line, "run folder  %4000s", run_folder) == 1;
        free(text);
        if (is_there)
            return;
        pause_a_moment();
    }
}

static const char *in_run(const char *name)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/%s", run_folder, name);
    return path;
}

/* How often this role has been started; *pid is the last one's. */
static int starts_of(const char *role, pid_t *pid)
{
    char *text = text_of(in_run("starts")), *rest = text, name[64];
    int count = 0, number;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (sscanf(line, "%63s %d", name, &number) == 2 && strcmp(name, role) == 0) {
            count++;
            *pid = number;
        }
    }
    free(text);
    return count;
}

static pid_t wait_for_start(const char *role, int count)
{
    pid_t pid = 0;
    while (starts_of(role, &pid) < count)
        pause_a_moment();
    return pid;
}

static void wait_for_text(const char *path, const char *wanted)
{
    while (!has(path, wanted))
        pause_a_moment();
}

static int wait_for_end(struct pawl_process *process)
{
    int status;
    while (waitpid(process->pid, &status, WNOHANG) == 0)
        pause_a_moment();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void assert_end(struct pawl_process *process, int exit_code)
{
    int code = wait_for_end(process);
    ck_assert_msg(code == exit_code, "exit code %d, must be %d\n%s\n%s", code, exit_code,
                  text_of(process->out), text_of(process->err));
}

/* Every role that was ever started has ended, and the socket is gone. */
static void wait_for_nothing_left(void)
{
    char *text = text_of(in_run("starts")), *rest = text, name[64];
    int pid;
    for (char *line; (line = strsep(&rest, "\n"));)
        while (sscanf(line, "%63s %d", name, &pid) == 2 && kill(pid, 0) == 0)
            pause_a_moment();
    free(text);
}

static void assert_last_line(const char *path, const char *line)
{
    char *text = text_of(path);
    size_t length = strlen(text);
    ck_assert_msg(length > 0 && text[length - 1] == '\n', "no last line: %s", text);
    text[length - 1] = '\0';
    const char *last = strrchr(text, '\n');
    last = last ? last + 1 : text;
    ck_assert_str_eq(last, line);
    free(text);
}

static void close_test(void)
{
    ck_assert_int_eq(access(in_run("runtime"), F_OK), -1);
    wait_for_nothing_left();
    ck_assert_int_eq(chdir("/"), 0);
    scratch_close(&scratch);
}

static void assert_exit_json(int64_t exit_code, const char *outcome, const char *role)
{
    static const struct pawl_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    struct pawl_json doc;
    struct pawl_err err = {0};
    const char *text;
    int64_t code;
    size_t byte_count = 0;
    char *json = scratch_read(in_run("exit.json"), &byte_count);
    ck_assert_msg(pawl_json_open_text(&doc, json, byte_count, "exit.json", &limits, &err) == 0,
                  "%s", err.text);
    free(json);
    struct pawl_json_at root = pawl_json_root(&doc), error;
    ck_assert_int_eq(pawl_json_get_i64(&root, "exit_code", 0, 255, &code, &err), 0);
    ck_assert_int_eq(code, exit_code);
    ck_assert_int_eq(pawl_json_get_string(&root, "outcome", &text, &err), 0);
    ck_assert_str_eq(text, outcome);
    ck_assert_int_eq(pawl_json_get_object(&root, "first_error", &error, NULL) == 0,
                     role != NULL);
    if (role) {
        ck_assert_int_eq(pawl_json_get_string(&error, "role", &text, &err), 0);
        ck_assert_str_eq(text, role);
    }
    pawl_json_close(&doc);
}

/* --- the tests --- */

START_TEST(a_run_that_reaches_its_goal_is_done_and_leaves_its_folder)
{
    struct pawl_process run;
    open_test("learner:done=200");
    start(&run, "train", "run.toml", "--run.name=it works", "actor.count=2", NULL);
    assert_end(&run, 0);
    wait_for_folder(&run);
    ck_assert(has(run.out, "done after"));
    assert_exit_json(0, "done", NULL);
    ck_assert(has(in_run("config.toml"), "count = 2"));
    ck_assert(has(in_run("config.toml"), "command line"));
    ck_assert(
        has(in_run("command.txt"), "train run.toml '--run.name=it works' actor.count=2\n"));
    ck_assert(has(in_run("system.json"), "\"kernel\""));
    ck_assert(has(in_run("log.txt"), "child started"));
    ck_assert(has(in_run("log.txt"), "begins folder=") && has(in_run("log.txt"), "waits_by="));
    ck_assert(has(in_run("ends"), "learner "));
    ck_assert(has(in_run("ends"), " stop\n"));
    close_test();
}
END_TEST

START_TEST(an_end_that_cannot_be_written_is_told)
{
    struct pawl_process run;
    open_test("");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    wait_for_start("learner", 1);
    ck_assert_int_eq(mkdir(in_run("exit.json"), 0700), 0); /* nothing takes its place */
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    ck_assert(has(run.err, "exit.json not written reason="));
    ck_assert(has(run.err, "pawl train: supervisor: exit.json not written: "));
    close_test();
}
END_TEST

START_TEST(a_killed_actor_is_started_again_and_the_others_go_on)
{
    struct pawl_process run;
    pid_t pid;
    open_test("");
    start(&run, "train", "run.toml", "actor.count=2", NULL);
    wait_for_folder(&run);
    wait_for_start("actor0", 1);
    ck_assert_int_eq(kill(wait_for_start("actor1", 1), SIGKILL), 0);
    wait_for_start("actor1", 2);
    ck_assert_int_eq(starts_of("actor0", &pid), 1);
    ck_assert_int_eq(starts_of("learner", &pid), 1);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    assert_exit_json(130, "interrupted", NULL);
    ck_assert(has(run.err, "child died child=\"actor 1\" how=\"killed by SIGKILL\""));
    close_test();
}
END_TEST

START_TEST(a_killed_learner_is_started_again_and_actors_go_on)
{
    struct pawl_process run;
    pid_t pid;
    open_test("");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    wait_for_start("actor0", 1);
    ck_assert_int_eq(kill(wait_for_start("learner", 1), SIGKILL), 0);
    wait_for_start("learner", 2);
    ck_assert_int_eq(starts_of("actor0", &pid), 1);
    ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
    assert_end(&run, 130);
    close_test();
}
END_TEST

START_TEST(actors_end_before_the_learner)
{
    struct pawl_process run;
    open_test("");
    start(&run, "train", "run.toml", "actor.count=3", NULL);
    wait_for_folder(&run);
    for (int i = 0; i < 3; i++)
        wait_for_start((const char *[]){"actor0", "actor1", "actor2"}[i], 1);
    wait_for_start("learner", 1);
    ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
    assert_end(&run, 130);
    char *ends = text_of(in_run("ends")), *learner = strstr(ends, "learner");
    ck_assert_ptr_nonnull(learner);
    ck_assert_ptr_null(strstr(learner, "actor"));
    free(ends);
    close_test();
}
END_TEST

START_TEST(an_actor_that_keeps_dying_ends_a_run_that_needs_it)
{
    struct pawl_process run;
    open_test("actor0:exit=7");
    start(&run, "train", "run.toml", NULL);
    assert_end(&run, 4);
    wait_for_folder(&run);
    assert_last_line(run.err,
                     "pawl train: actor 0: died 5 times within 60 s; the last time: exit "
                     "7: the wish is \"exit 7\"");
    assert_exit_json(4, "a child died for good", "actor 0");
    ck_assert(has(in_run("ends"), "learner "));
    close_test();
}
END_TEST

START_TEST(an_actor_that_keeps_dying_is_left_alone_where_the_others_are_enough)
{
    struct pawl_process run;
    pid_t pid;
    open_test("actor0:exit=7");
    start(&run, "train", "run.toml", "actor.count=2", NULL);
    wait_for_folder(&run);
    wait_for_text(run.err, "child is left alone child=\"actor 0\"");
    ck_assert_int_eq(starts_of("actor0", &pid), 5);
    ck_assert_int_eq(kill(wait_for_start("actor1", 1), 0), 0);
    ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
    assert_end(&run, 130);
    assert_exit_json(130, "interrupted", "actor 0");
    close_test();
}
END_TEST

START_TEST(a_learner_that_keeps_dying_ends_the_run)
{
    struct pawl_process run;
    open_test("learner:exit=1");
    start(&run, "train", "run.toml", NULL);
    assert_end(&run, 4);
    wait_for_folder(&run);
    assert_exit_json(4, "a child died for good", "learner 0");
    close_test();
}
END_TEST

START_TEST(an_actor_whose_device_is_missing_is_not_started_again)
{
    struct pawl_process run;
    pid_t pid;
    open_test("actor0:exit=3");
    start(&run, "train", "run.toml", NULL);
    assert_end(&run, 3);
    wait_for_folder(&run);
    ck_assert_int_eq(starts_of("actor0", &pid), 1);
    assert_last_line(run.err, "pawl train: actor 0: exit 3: the wish is \"exit 3\"");
    close_test();
}
END_TEST

START_TEST(a_refused_actor_is_not_started_again_and_the_reason_is_the_last_line)
{
    struct pawl_process run;
    pid_t pid;
    open_test("learner:refuse=0");
    start(&run, "train", "run.toml", NULL);
    assert_end(&run, 4);
    wait_for_folder(&run);
    ck_assert_int_eq(starts_of("actor0", &pid), 1);
    assert_last_line(run.err, "pawl train: actor 0: field obs.state: 4 floats, must be 3");
    close_test();
}
END_TEST

START_TEST(a_refused_actor_does_not_end_a_run_that_has_others)
{
    struct pawl_process run;
    pid_t pid;
    open_test("learner:refuse=1");
    start(&run, "train", "run.toml", "actor.count=2", NULL);
    wait_for_folder(&run);
    wait_for_text(run.err, "child is refused child=\"actor 1\"");
    ck_assert_int_eq(kill(wait_for_start("actor0", 1), 0), 0);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    ck_assert_int_eq(starts_of("actor1", &pid), 1);
    close_test();
}
END_TEST

START_TEST(a_process_that_never_says_hello_is_ended_and_named)
{
    struct pawl_process run;
    open_test("actor0:mute");
    start(&run, "train", "run.toml", "--run.start_s=2", "--run.crash_count_max=1", NULL);
    assert_end(&run, 4);
    wait_for_folder(&run);
    assert_last_line(run.err, "pawl train: actor 0: died 1 times within 60 s; the last time: "
                              "killed by SIGKILL");
    ck_assert(has(run.err, "child is out of touch child=\"actor 0\" said_hello=0"));
    close_test();
}
END_TEST

START_TEST(who_does_not_listen_is_killed_and_the_run_has_failed)
{
    struct pawl_process run;
    open_test("actor0:deaf");
    start(&run, "train", "run.toml", "--run.stop_s=0.4", NULL);
    wait_for_folder(&run);
    wait_for_start("actor0", 1);
    wait_for_start("learner", 1);
    wait_for_text(in_run("log.txt"), "child=\"actor 0\"");
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 1);
    assert_last_line(run.err, "pawl train: actor 0: did not end in time and was killed");
    close_test();
}
END_TEST

START_TEST(a_learner_that_fails_while_ending_fails_the_run)
{
    struct pawl_process run;
    open_test("learner:dirty");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    wait_for_start("learner", 1);
    wait_for_start("actor0", 1);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 1);
    assert_exit_json(1, "failed", "learner 0");
    close_test();
}
END_TEST

START_TEST(a_learner_killed_while_the_run_ends_is_started_once_more)
{
    struct pawl_process run;
    pid_t pid;
    open_test("learner:killed=2");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    wait_for_start("learner", 1);
    wait_for_start("actor0", 1);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    assert_exit_json(130, "interrupted", NULL);
    ck_assert_int_eq(starts_of("learner", &pid), 3);
    ck_assert(has(run.err, "learner died while the run was ending"));
    close_test();
}
END_TEST

START_TEST(a_learner_killed_before_the_actors_have_ended_is_started_once_more)
{
    struct pawl_process run;
    pid_t pid;
    open_test("actor0:deaf");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    pid_t learner = wait_for_start("learner", 1);
    pid_t actor = wait_for_start("actor0", 1);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    wait_for_text(run.out, "once more ends it at once");
    ck_assert_int_eq(kill(learner, SIGKILL), 0);
    wait_for_start("learner", 2);
    ck_assert_int_eq(kill(actor, SIGKILL), 0); /* whom the learner outlives */
    assert_end(&run, 1);
    assert_exit_json(1, "failed", "actor 0");
    ck_assert_int_eq(starts_of("learner", &pid), 2);
    ck_assert(has(in_run("ends"), "learner "));
    close_test();
}
END_TEST

START_TEST(a_learner_that_is_killed_each_time_fails_the_run)
{
    struct pawl_process run;
    pid_t pid;
    open_test("learner:killed=100");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    wait_for_start("learner", 1);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 1);
    assert_exit_json(1, "failed", "learner 0");
    ck_assert_int_eq(starts_of("learner", &pid), 4);
    assert_last_line(run.err,
                     "pawl train: learner 0: killed by SIGKILL while the run was ending");
    close_test();
}
END_TEST

START_TEST(a_second_signal_ends_it_at_once)
{
    struct pawl_process run;
    open_test("actor:deaf learner:deaf");
    start(&run, "train", "run.toml", "--run.stop_s=1000", NULL);
    wait_for_folder(&run);
    wait_for_start("actor0", 1);
    wait_for_start("learner", 1);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    wait_for_text(run.out, "once more ends it at once");
    usleep(600000); /* sooner, it would be the first one's echo */
    ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
    assert_end(&run, 1);
    assert_last_line(run.err, "pawl train: supervisor: ended at once by a second signal");
    close_test();
}
END_TEST

/* As `timeout` does: to the process, and then to all of its group. */
START_TEST(signals_at_nearly_the_same_time_are_one_wish)
{
    struct pawl_process run, actor;
    open_test("");
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    wait_for_start("actor0", 1);
    wait_for_start("learner", 1);
    start(&actor, "actor", "--join", run_folder, NULL);
    wait_for_start("actor1024", 1);
    ck_assert_int_eq(kill(actor.pid, SIGTERM), 0);
    ck_assert_int_eq(kill(actor.pid, SIGHUP), 0);
    assert_end(&actor, 130);
    ck_assert_int_eq(kill(run.pid, SIGTERM), 0);
    ck_assert_int_eq(kill(run.pid, SIGHUP), 0);
    assert_end(&run, 130);
    assert_exit_json(130, "interrupted", NULL);
    close_test();
}
END_TEST

START_TEST(children_end_by_themselves_when_the_supervisor_is_killed)
{
    struct pawl_process run;
    open_test("");
    start(&run, "train", "run.toml", "actor.count=2", NULL);
    wait_for_folder(&run);
    wait_for_start("actor0", 1);
    wait_for_start("actor1", 1);
    wait_for_start("learner", 1);
    ck_assert_int_eq(kill(run.pid, SIGKILL), 0);
    assert_end(&run, -SIGKILL);
    wait_for_nothing_left();
    ck_assert_int_eq(access(in_run("exit.json"), F_OK), -1);
    ck_assert_int_eq(unlink(in_run("runtime/hub")), 0);
    temp_folder_remove(in_run("runtime"));
    close_test();
}
END_TEST

START_TEST(a_wrong_configuration_starts_nothing_and_makes_nothing)
{
    struct pawl_process run;
    open_test("");
    start(&run, "train", "run.toml", "--actor.count=0", "--run.nmae=x", NULL);
    assert_end(&run, 2);
    ck_assert(has(run.err, "run.nmae"));
    ck_assert(has(run.err, "actor.count"));
    ck_assert_int_eq(access("runs", F_OK), -1);
    snprintf(run_folder, sizeof(run_folder), "runs");
    close_test();
}
END_TEST

START_TEST(a_missing_program_is_named_before_anything_is_made)
{
    struct pawl_process run;
    open_test("");
    ck_assert_int_eq(unlink("roles/pawl-actor"), 0);
    start(&run, "train", "run.toml", NULL);
    assert_end(&run, 3);
    ck_assert(has(run.err, "roles/pawl-actor: No such file"));
    ck_assert_int_eq(access("runs", F_OK), -1);
    snprintf(run_folder, sizeof(run_folder), "runs");
    close_test();
}
END_TEST

START_TEST(an_actor_joins_leaves_and_comes_back)
{
    struct pawl_process run, actor;
    open_test("");
    start(&run, "learner", "run.toml", NULL);
    wait_for_folder(&run);
    for (int i = 0; i < 2; i++) {
        start(&actor, "actor", "--join", run_folder, NULL);
        wait_for_start("actor1024", i + 1);
        wait_for_text(in_run("log.txt"), "joined who=actor index=0");
        ck_assert_int_eq(kill(actor.pid, SIGINT), 0);
        assert_end(&actor, 130);
    }
    start(&actor, "actor", "--join", run_folder, NULL);
    pid_t pid = wait_for_start("actor1024", 3);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    wait_for_start("actor1024", 4);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    assert_end(&actor, 0);
    close_test();
}
END_TEST

START_TEST(nobody_joins_a_run_that_is_over)
{
    struct pawl_process run, actor;
    open_test("learner:done=10");
    start(&run, "train", "run.toml", NULL);
    assert_end(&run, 0);
    wait_for_folder(&run);
    start(&actor, "actor", "--join", run_folder, NULL);
    assert_end(&actor, 2);
    ck_assert(has(actor.err, "is the run still going on?"));
    close_test();
}
END_TEST

START_TEST(figures_are_printed_each_period_and_go_on_over_a_restart)
{
    struct pawl_process run;
    open_test("");
    start(&run, "train", "run.toml", "--log.period_s=0.1", NULL);
    wait_for_folder(&run);
    wait_for_text(run.out, "/s (10 s)");
    wait_for_text(run.out, "memory      ");
    ck_assert_int_eq(kill(wait_for_start("actor0", 1), SIGKILL), 0);
    wait_for_start("actor0", 2);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    close_test();
}
END_TEST

START_TEST(when_nothing_moves_a_line_says_who_waits_for_whom)
{
    struct pawl_process run;
    open_test("actor0:held"); /* the learner moves until it is stopped */
    start(&run, "train", "run.toml", NULL);
    wait_for_folder(&run);
    pid_t learner = wait_for_start("learner", 1);
    wait_for_text(in_run("joined"), "learner ");
    wait_for_text(in_run("joined"), "actor0 ");
    ck_assert_int_eq(kill(learner, SIGSTOP), 0);
    wait_for_text(run.out, "is stopped by a signal");
    char *text = text_of(run.out);
    ck_assert_msg(strstr(text, "nothing has moved for"), "%s", text);
    ck_assert_msg(strstr(text, "actor 0 says: the ring is full: waits for the learner"), "%s",
                  text);
    free(text);
    ck_assert_int_eq(kill(run.pid, SIGINT), 0);
    assert_end(&run, 130);
    close_test();
}
END_TEST

PAWL_TEST_MAIN("train", a_run_that_reaches_its_goal_is_done_and_leaves_its_folder,
               an_end_that_cannot_be_written_is_told,
               a_killed_actor_is_started_again_and_the_others_go_on,
               a_killed_learner_is_started_again_and_actors_go_on,
               actors_end_before_the_learner,
               an_actor_that_keeps_dying_ends_a_run_that_needs_it,
               an_actor_that_keeps_dying_is_left_alone_where_the_others_are_enough,
               a_learner_that_keeps_dying_ends_the_run,
               an_actor_whose_device_is_missing_is_not_started_again,
               a_refused_actor_is_not_started_again_and_the_reason_is_the_last_line,
               a_refused_actor_does_not_end_a_run_that_has_others,
               a_process_that_never_says_hello_is_ended_and_named,
               who_does_not_listen_is_killed_and_the_run_has_failed,
               a_learner_that_fails_while_ending_fails_the_run,
               a_learner_killed_while_the_run_ends_is_started_once_more,
               a_learner_killed_before_the_actors_have_ended_is_started_once_more,
               a_learner_that_is_killed_each_time_fails_the_run,
               a_second_signal_ends_it_at_once, signals_at_nearly_the_same_time_are_one_wish,
               children_end_by_themselves_when_the_supervisor_is_killed,
               a_wrong_configuration_starts_nothing_and_makes_nothing,
               a_missing_program_is_named_before_anything_is_made,
               an_actor_joins_leaves_and_comes_back, nobody_joins_a_run_that_is_over,
               figures_are_printed_each_period_and_go_on_over_a_restart,
               when_nothing_moves_a_line_says_who_waits_for_whom)
