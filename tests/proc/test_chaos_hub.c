/* test_chaos_hub.c: the hub of the example (pair.h) is killed, at random instants and at every
 * named fault point. Its programs see the hang-up: the producers end, the consumer drains what
 * they have written and ends, each of them in order, and nothing is left behind.
 *
 *     proc_chaos_hub [--kills=N] [--seed=N]
 */
#include <sys/prctl.h>

#include "chaos.h"

static const struct point points[] = {
    {"hub.serve", 4, 0, false}, {"hub.offer", 4, 0, false},   {"hub.bind", 2, 0, false},
    {"hub.tell", 8, 0, false},  {"hub.drained", 1, 0, false},
};
#define POINT_COUNT (sizeof(points) / sizeof(points[0]))

enum { LIFE_COUNT = 64 }; /* of the programs of one hub */

static pid_t killed_pid; /* the program of the hub that we killed; 0: none */

/* What a dead hub has started is ours now: all of it has ended, and in order. */
static void reap_orphans(void)
{
    char text[64];
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, 0)) > 0) {
        struct pawl_proc_exit how = {.is_known = true,
                                     .code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                                     .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
        if (pid == killed_pid)
            killed_pid = 0;
        else if (how.code || how.signal)
            fail("after the hub was killed, a program ended: %s",
                 pawl_proc_exit_text(&how, text, sizeof(text)));
    }
}

/* Until all that the hub has started is gone: they have the pipe. What they write is a
 * failure. */
static void wait_for_silence(int pipe_fd)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + CHAOS_WATCHDOG_NS;
    for (;;) {
        struct pollfd look = {.fd = pipe_fd, .events = POLLIN};
        char text[256];
        if (pawl_clock_now_ns() >= deadline_ns) {
            fail("stuck: the hub was killed and its programs do not end");
            return;
        }
        if (poll(&look, 1, 100) <= 0)
            continue;
        ssize_t length = read(pipe_fd, text, sizeof(text) - 1);
        if (length <= 0)
            return;
        text[length] = '\0';
        fail("after the hub was killed: %s", text);
    }
}

static uint64_t sum_stored(void)
{
    uint64_t sum = 0;
    for (int i = 1; i < LIFE_COUNT; i++)
        sum += chaos.ledger->lives[i].stored;
    return sum;
}

/* So that the hub has a ring to see drained. Its hub has not started another one yet. */
static void kill_first_producer(void)
{
    for (int i = 1; i < LIFE_COUNT; i++) {
        uint32_t pid = atomic_exchange(&chaos.ledger->lives[i].pid, 0);
        if (pid == 0)
            continue;
        killed_pid = (pid_t)pid;
        kill((pid_t)pid, SIGKILL);
        return;
    }
}

static void start_hub(struct pawl_proc *proc, const struct point *point, int pipe_fd)
{
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_err err = {0};
    cfg.path = chaos.hub_path;
    cfg.argv = (const char *const[]){"pair_hub", chaos.producer_path, chaos.consumer_path,
                                     chaos.label, NULL};
    cfg.env = environment(point);
    cfg.fds = (const struct pawl_proc_fd[]){{.fd = pipe_fd, .number = 1},
                                            {.fd = pipe_fd, .number = 2},
                                            {.fd = chaos.ledger_fd, .number = PAIR_HUB_FD}};
    cfg.fd_count = 3;
    cfg.is_group = false; /* its children are not killed with it */
    demand(pawl_proc_start(proc, &cfg, &err) == 0, "start the hub", &err);
}

/* One life of a hub, to its end at a point (NULL: at random), and of all that it started. */
static void kill_hub(const struct point *point)
{
    struct pawl_proc proc;
    int pipe_fds[2];
    uint64_t wanted_count = random_below(200);

    open_ledger();
    demand(pipe2(pipe_fds, O_CLOEXEC) == 0, "make a pipe", NULL);
    start_hub(&proc, point, pipe_fds[1]);
    close(pipe_fds[1]);

    bool needs_dead_ring = point && strcmp(point->name, "hub.drained") == 0;
    uint64_t deadline_ns = pawl_clock_now_ns() + CHAOS_WATCHDOG_NS;
    while (pawl_proc_wait(&proc, 0, NULL) != 0) {
        poll(NULL, 0, 1);
        if (needs_dead_ring && sum_stored() > 0) {
            kill_first_producer();
            needs_dead_ring = false;
        }
        if (!point && sum_stored() >= wanted_count) {
            spin(random_below(500000));
            pawl_proc_signal(&proc, SIGKILL, NULL);
        }
        if (pawl_clock_now_ns() < deadline_ns)
            continue;
        fail("stuck: the hub, before %s", point ? point->name : "its programs did something");
        break;
    }
    pawl_proc_close(&proc);
    chaos.kill_count++;
    wait_for_silence(pipe_fds[0]);
    close(pipe_fds[0]);
    if (chaos.failure_count == 0)
        reap_orphans();
    check_no_damage(LIFE_COUNT);
    check_lives(LIFE_COUNT, false);
    close_ledger();
}

int main(int argc, char **argv)
{
    unsigned hits[POINT_COUNT] = {0};
    chaos_open(argc, argv, CHAOS_KILL_COUNT);
    demand(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "become a subreaper", NULL);
    for (uint64_t i = 0; i < chaos.kill_count_max && chaos.failure_count == 0; i++) {
        size_t which = i / 2 % POINT_COUNT;
        bool is_at_point = CHAOS_HAS_POINTS && i % 2;
        kill_hub(is_at_point ? &points[which] : NULL);
        hits[which] += is_at_point;
    }
    for (size_t i = 0; i < POINT_COUNT && chaos.failure_count == 0; i++)
        if (CHAOS_HAS_POINTS && chaos.kill_count_max >= 2 * POINT_COUNT && hits[i] == 0)
            fail("no hub died at %s", points[i].name);
    return chaos_close();
}
