/* pawl shm on a run of real processes: live, stopped, bereft of its supervisor, and ended. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/board.h"
#include "shm/hub.h"
#include "shm/park.h"
#include "shm/peer.h"
#include "shm/process.h"
#include "shm/ring.h"
#include "shm/stats.h"

#include "support/scratch.h"
#include "support/test.h"

#define HANG_GUARD_NS (30 * PAWL_NS_PER_S)

#define LEARNER_HUB_FD      100
#define LEARNER_LIFELINE_FD 101

enum { SUPERVISOR, LEARNER, ACTOR, PROCESS_COUNT };

static struct scratch scratch;
static char runtime_folder[128];
static _Atomic pid_t *pids; /* in memory of all: the supervisor starts the learner */
static int lifeline[2];     /* the learner's sign that the test lives */
static struct pawl_err err;
static char out_text[1 << 18], err_text[1 << 16];

/* --- the three programs; they outlive their supervisor, and die with the test --- */

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, err.text);
    _exit(1);
}

/* As the roles of a run have its configuration. */
static void use_run_folder(void)
{
    if (open(scratch_path(&scratch, "config.toml"), O_CREAT | O_RDONLY | O_CLOEXEC, 0600) < 0)
        die("open");
}

static void join(struct pawl_peer *peer)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    cfg.role = PAWL_ROLE_ACTOR;
    cfg.folder = runtime_folder;
    for (uint64_t start_ns = pawl_clock_now_ns(); pawl_peer_open(peer, &cfg, &err) != 0;) {
        if (pawl_clock_now_ns() - start_ns > HANG_GUARD_NS)
            die("join");
        err = (struct pawl_err){0};
        poll(NULL, 0, 5);
    }
}

static void next_event(struct pawl_peer *peer, struct pawl_peer_event *event)
{
    struct pollfd look = {.fd = peer->fd, .events = POLLIN};
    poll(&look, peer->is_open ? 1 : 0, 10);
    if (pawl_peer_poll(peer, event, &err) != 0)
        die("poll");
}

/* Reads one record in ten milliseconds; publishes parameters once. */
static void be_learner(void)
{
    static struct pawl_peer peer;
    static struct pawl_board_tx board_tx;
    struct pawl_segment acks, board, ring = {0};
    struct pawl_manifest manifest = {0};
    struct pawl_board_cfg board_cfg = pawl_board_default_cfg();
    struct pawl_ring_rx rx = {0};
    const uint64_t shape = 4;
    const float blob[16] = {0};
    uint64_t acks_id, board_id;
    int bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct pawl_peer_cfg peer_cfg = pawl_peer_default_cfg();
    peer_cfg.role = PAWL_ROLE_LEARNER;
    peer_cfg.fd = LEARNER_HUB_FD;
    use_run_folder();
    board_cfg.manifest = &manifest;
    board_cfg.label = "params";
    if (pawl_peer_open(&peer, &peer_cfg, &err) != 0 ||
        pawl_ring_acks_create(&acks, 4, false, &err) != 0 ||
        pawl_manifest_add(&manifest, "w", PAWL_F32, 1, &shape, &err) != 0 ||
        pawl_board_create(&board_tx, &board, &board_cfg, &err) != 0 ||
        pawl_peer_offer(&peer, &acks, bell_fd, &acks_id, &err) != 0 ||
        pawl_peer_offer(&peer, &board, -1, &board_id, &err) != 0)
        die("learner");
    pawl_board_put(&board_tx, blob, 7);
    for (;;) {
        struct pawl_peer_event event;
        next_event(&peer, &event);
        if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_RING) {
            const struct pawl_ring_rx_cfg rx_cfg = {.flush_count = 1};
            if (pawl_ring_attach(&rx, &ring, event.fds[0], &acks, &rx_cfg, &err) != 0 ||
                pawl_peer_bind(&peer, event.offer.id, acks_id, 0, &err) != 0)
                die("learner");
        }
        pawl_peer_event_drop(&event);
        if (ring.base && pawl_ring_peek(&rx))
            pawl_ring_release(&rx);
        struct pollfd test = {.fd = LEARNER_LIFELINE_FD};
        if (poll(&test, 1, 0) > 0)
            _exit(0);
    }
}

/* Writes whenever there is room, and counts. */
static void be_actor(void)
{
    static struct pawl_peer peer;
    static const struct pawl_stat_row rows[] = {
        {"actor.steps", PAWL_STAT_COUNTER, "steps", "Steps."},
    };
    struct pawl_ring_tx tx;
    struct pawl_segment ring, acks = {0};
    struct pawl_stats stats;
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    uint64_t id;
    cfg.slot_count = 16;
    cfg.data_bytes = 64;
    cfg.label = "the actor";
    join(&peer);
    if (pawl_ring_create(&tx, &ring, &cfg, &err) != 0 ||
        pawl_stats_create(&stats, "the actor's", rows, 1, &err) != 0 ||
        pawl_peer_offer(&peer, &ring, -1, &id, &err) != 0 ||
        pawl_peer_offer(&peer, &stats.segment, -1, &id, &err) != 0)
        die("actor");
    for (;;) {
        struct pawl_peer_event event;
        next_event(&peer, &event);
        if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_ACK &&
            pawl_ring_acks_attach(&acks, event.fds[0], &err) != 0)
            die("actor");
        if (event.kind == PAWL_PEER_BIND &&
            pawl_ring_bind(&tx, &acks, event.bind.acks_page, -1, &err) != 0)
            die("actor");
        pawl_peer_event_drop(&event);
        for (struct pawl_ring_slot *slot; (slot = pawl_ring_claim(&tx));) {
            slot->record =
                (struct pawl_ring_record){.bytes = 64, .capture_ns = pawl_clock_now_ns()};
            pawl_ring_publish(&tx);
            pawl_stats_add(&stats, 0, 1);
        }
        atomic_store(&tx.page->heartbeat_ns, pawl_clock_now_ns());
    }
}

static void be_supervisor(void)
{
    static struct pawl_hub hub;
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    int child_fd = -1;
    cfg.folder = runtime_folder;
    signal(SIGCHLD, SIG_IGN);
    if (pawl_hub_open(&hub, &cfg, &err) != 0 ||
        pawl_hub_invite(&hub, PAWL_ROLE_LEARNER, 0, &child_fd, &err) != 0)
        die("supervisor");
    pid_t child = fork();
    if (child == 0) {
        /* As after an exec: nothing of the supervisor's is kept. */
        dup2(child_fd, LEARNER_HUB_FD);
        dup2(lifeline[0], LEARNER_LIFELINE_FD);
        close_range(STDERR_FILENO + 1, LEARNER_HUB_FD - 1, 0);
        close_range(LEARNER_LIFELINE_FD + 1, ~0u, 0);
        be_learner();
    }
    atomic_store(&pids[LEARNER], child);
    close(child_fd);
    for (;;) {
        struct pollfd look = {.fd = hub.fd, .events = POLLIN};
        poll(&look, 1, 100);
        if (pawl_hub_serve(&hub, &err) != 0)
            die("supervisor");
    }
}

static void start(int which, void (*be)(void))
{
    pid_t test = getpid();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child != 0)
        atomic_store(&pids[which], child);
    if (child == 0) {
        close(lifeline[1]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != test)
            _exit(1);
        be();
    }
}

/* The learner is the supervisor's child, and ours when that is dead. */
static void kill_process(int which)
{
    struct pawl_process process;
    pid_t pid = atomic_exchange(&pids[which], 0);
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    kill(pid, SIGCONT);
    while (pawl_process_read(&process, (uint32_t)pid) == 0) {
        waitpid(pid, NULL, WNOHANG);
        poll(NULL, 0, 1);
    }
}

/* --- the program under test --- */

static void slurp(const char *name, char *text, size_t text_bytes)
{
    size_t byte_count;
    char *bytes = scratch_read(scratch_path(&scratch, name), &byte_count);
    snprintf(text, text_bytes, "%s", bytes ? bytes : "");
    free(bytes);
}

static int shm(const char *arguments)
{
    char line[2048];
    snprintf(line, sizeof(line), "timeout -s KILL 60 %s/pawl shm %s >%s/out 2>%s/err",
             PAWL_BIN_DIR, arguments, scratch.path, scratch.path);
    int status = system(line);
    slurp("out", out_text, sizeof(out_text));
    slurp("err", err_text, sizeof(err_text));
    ck_assert_msg(WIFEXITED(status), "%s", line);
    return WEXITSTATUS(status);
}

static int shm_of(const char *options, long pid)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "%s %ld", options, pid);
    return shm(arguments);
}

static void assert_shows(const char *words)
{
    ck_assert_msg(strstr(out_text, words), "no \"%s\" in:\n%s%s", words, out_text, err_text);
}

static void assert_shows_not(const char *words)
{
    ck_assert_msg(!strstr(out_text, words), "\"%s\" in:\n%s", words, out_text);
}

/* Shared memory that has everything: the ring is full and its reader known. */
static void open_run(void)
{
    scratch_open(&scratch);
    snprintf(runtime_folder, sizeof(runtime_folder), "%s/runtime", scratch.path);
    pids = mmap(NULL, PROCESS_COUNT * sizeof(*pids), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(pids, MAP_FAILED);
    ck_assert_int_eq(pipe2(lifeline, O_CLOEXEC), 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    start(SUPERVISOR, be_supervisor);
    start(ACTOR, be_actor);
    for (uint64_t start_ns = pawl_clock_now_ns();;) {
        if (shm(scratch.path) == 0 && strstr(out_text, "16/16") && strstr(out_text, "unknown"))
            return;
        ck_assert_msg(pawl_clock_now_ns() - start_ns < HANG_GUARD_NS, "%s%s", out_text,
                      err_text);
    }
}

static void close_run(void)
{
    for (int i = 0; i < PROCESS_COUNT; i++)
        kill_process(i);
    close(lifeline[0]);
    close(lifeline[1]);
    scratch_close(&scratch);
}

START_TEST(a_live_run_is_shown_by_its_folders_and_by_any_of_its_processes)
{
    open_run();
    ck_assert_int_eq(shm(runtime_folder), 0);
    assert_shows("actor 0");
    for (int i = 0; i < PROCESS_COUNT; i++) {
        ck_assert_int_eq(shm_of("", pids[i]), 0);
        assert_shows("PARAMETERS");
        assert_shows("READERS");
        assert_shows("actor.steps");
        assert_shows("running");
        assert_shows("ok     attempted");
        assert_shows("ok     committed");
        assert_shows_not("BROKEN");
        assert_shows_not("\x1b");
        ck_assert_str_eq(err_text, "");
    }
    close_run();
}
END_TEST

START_TEST(one_object_of_json_is_what_a_script_gets)
{
    open_run();
    ck_assert_int_eq(shm_of("--json", pids[SUPERVISOR]), 0);
    ck_assert_int_eq(out_text[0], '{');
    assert_shows("\"has_supervisor\": true");
    assert_shows("\"kind\": \"ring\"");
    assert_shows("\"verdict\": \"ok\"");
    assert_shows("\"name\": \"actor.steps\"");
    close_run();
}
END_TEST

START_TEST(a_stopped_supervisor_is_done_without)
{
    open_run();
    kill(pids[SUPERVISOR], SIGSTOP);
    ck_assert_int_eq(shm(scratch.path), 0);
    assert_shows("the supervisor does not answer");
    assert_shows("the actor");
    assert_shows("/16");
    assert_shows("ok     committed");
    kill(pids[SUPERVISOR], SIGCONT);
    ck_assert_int_eq(shm(scratch.path), 0);
    assert_shows_not("the supervisor does not answer");
    close_run();
}
END_TEST

START_TEST(a_stopped_process_is_called_stopped)
{
    open_run();
    kill(pids[ACTOR], SIGSTOP);
    ck_assert_int_eq(shm(scratch.path), 0);
    assert_shows("stopped");
    assert_shows_not("BROKEN");
    close_run();
}
END_TEST

START_TEST(when_the_supervisor_is_dead_the_others_are_shown_through_each_other)
{
    open_run();
    kill_process(SUPERVISOR);
    ck_assert_int_eq(shm_of("", pids[LEARNER]), 0);
    assert_shows("no supervisor; found through /proc");
    assert_shows("the actor");
    assert_shows("ok     attempted");
    assert_shows("params");
    close_run();
}
END_TEST

START_TEST(the_folder_of_a_dead_supervisor_leads_to_those_that_use_it)
{
    open_run();
    kill_process(SUPERVISOR);
    ck_assert_int_eq(shm(scratch.path), 0);
    assert_shows("the supervisor has ended; found through /proc");
    assert_shows("the actor");
    assert_shows("ok     attempted");
    assert_shows("params");
    /* Nobody has a file of this one. */
    ck_assert_int_eq(shm(runtime_folder), 2);
    ck_assert_ptr_nonnull(strstr(err_text, "its supervisor, process"));
    ck_assert_ptr_nonnull(strstr(err_text, "Give one of these numbers"));
    close_run();
}
END_TEST

START_TEST(what_dead_children_had_is_shown_by_the_supervisor)
{
    open_run();
    kill_process(ACTOR);
    kill_process(LEARNER);
    ck_assert_int_eq(shm(scratch.path), 0);
    assert_shows("actor 0");
    assert_shows("learner 0");
    assert_shows("ended");
    assert_shows("ok     committed");
    assert_shows_not("running");
    close_run();
}
END_TEST

START_TEST(the_last_process_is_enough)
{
    open_run();
    kill_process(SUPERVISOR);
    kill_process(LEARNER);
    ck_assert_int_eq(shm_of("", pids[ACTOR]), 0);
    assert_shows("the actor");
    assert_shows("ok     attempted");
    close_run();
}
END_TEST

START_TEST(a_folder_above_runs_is_none_of_them)
{
    char above[PATH_MAX];
    open_run();
    snprintf(above, sizeof(above), "%s", scratch.path);
    *strrchr(above, '/') = '\0';
    ck_assert_int_eq(shm(above), 2);
    ck_assert_msg(strstr(err_text, "no run folder: it has no run.lock"), "%s", err_text);
    ck_assert_str_eq(out_text, "");
    close_run();
}
END_TEST

START_TEST(of_an_ended_run_nothing_is_left_and_that_is_said)
{
    open_run();
    pid_t actor = pids[ACTOR];
    for (int i = 0; i < PROCESS_COUNT; i++)
        kill_process(i);
    ck_assert_int_eq(shm_of("", actor), 2);
    ck_assert_ptr_nonnull(strstr(err_text, "leaves no shared memory, by design"));
    ck_assert_int_eq(shm(scratch.path), 2);
    ck_assert_ptr_nonnull(strstr(err_text, "has ended"));
    ck_assert_int_eq(shm("no-such-run"), 2);
    ck_assert_ptr_nonnull(strstr(err_text, "give the run folder"));
    ck_assert_str_eq(out_text, "");
    close_run();
}
END_TEST

/* pawl shm --watch on a terminal, until it has shown `wanted`; returns the process. */
static pid_t watch_until(const char *wanted, int *terminal_fd)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    size_t length = 0;
    pid_t child = forkpty(terminal_fd, NULL, NULL, &size);
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("TERM", "xterm", 1);
        unsetenv("NO_COLOR");
        execl(PAWL_BIN_DIR "/pawl", "pawl", "shm", "--watch", runtime_folder, (char *)NULL);
        _exit(127);
    }
    for (;;) {
        struct pollfd look = {.fd = *terminal_fd, .events = POLLIN};
        ck_assert_int_gt(poll(&look, 1, (int)(HANG_GUARD_NS / PAWL_NS_PER_MS)), 0);
        ssize_t got = read(*terminal_fd, out_text + length, sizeof(out_text) - 1 - length);
        ck_assert_int_gt(got, 0);
        length += (size_t)got;
        out_text[length] = '\0';
        if (strstr(out_text, wanted))
            return child;
    }
}

START_TEST(watching_ends_with_the_screen_as_it_was)
{
    int terminal_fd, status;
    char last[1 << 16] = "";
    size_t length = 0;
    open_run();
    pid_t child = watch_until("MEMORY", &terminal_fd);
    assert_shows("\x1b[?1049h");
    assert_shows_not("\x1b[?1049l");
    ck_assert_int_eq(write(terminal_fd, "\x03", 1), 1); /* Ctrl-C */
    for (ssize_t got; length < sizeof(last) - 1 &&
                      (got = read(terminal_fd, last + length, sizeof(last) - 1 - length)) > 0;)
        length += (size_t)got;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_ptr_nonnull(strstr(last, "\x1b[?1049l"));
    close(terminal_fd);
    close_run();
}
END_TEST

START_TEST(watching_without_a_terminal_has_no_escape_bytes_and_ends_with_the_run)
{
    char line[512];
    open_run();
    snprintf(line, sizeof(line), "timeout -s KILL 60 %s/pawl shm --watch %s >%s/out 2>%s/err",
             PAWL_BIN_DIR, runtime_folder, scratch.path, scratch.path);
    FILE *watch = popen(line, "r");
    ck_assert_ptr_nonnull(watch);
    out_text[0] = '\0';
    for (uint64_t start_ns = pawl_clock_now_ns(); !strstr(out_text, "/s");) {
        ck_assert(pawl_clock_now_ns() - start_ns < HANG_GUARD_NS);
        poll(NULL, 0, 50);
        slurp("out", out_text, sizeof(out_text));
    }
    for (int i = 0; i < PROCESS_COUNT; i++)
        kill_process(i);
    ck_assert_int_eq(pclose(watch), 0);
    slurp("out", out_text, sizeof(out_text));
    assert_shows_not("\x1b");
    assert_shows("The run has ended.");
    close_run();
}
END_TEST

PAWL_TEST_MAIN("pawl_shm", a_live_run_is_shown_by_its_folders_and_by_any_of_its_processes,
               one_object_of_json_is_what_a_script_gets, a_stopped_supervisor_is_done_without,
               a_stopped_process_is_called_stopped,
               when_the_supervisor_is_dead_the_others_are_shown_through_each_other,
               the_folder_of_a_dead_supervisor_leads_to_those_that_use_it,
               what_dead_children_had_is_shown_by_the_supervisor, the_last_process_is_enough,
               a_folder_above_runs_is_none_of_them,
               of_an_ended_run_nothing_is_left_and_that_is_said,
               watching_ends_with_the_screen_as_it_was,
               watching_without_a_terminal_has_no_escape_bytes_and_ends_with_the_run)
