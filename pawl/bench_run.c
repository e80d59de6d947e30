#include "pawl/bench_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor/bench_step.h"
#include "pawl/run.h"
#include "runtime/clock.h"
#include "shm/bench_pair.h"
#include "shm/peer.h"
#include "shm/ring.h"
#include "shm/run_stats.h"

#define RATE_ROUNDS    5
#define RATE_NS        (400 * PAWL_NS_PER_MS)
#define RATE_WARM_NS   (300 * PAWL_NS_PER_MS)
#define START_ROUNDS   11
#define RESTART_ROUNDS 51
#define LEARNER_ROUNDS 21
#define LOAD_BYTES     ((size_t)4 << 20) /* between two fsyncs of who loads the disk */
#define HANG_NS        (30 * PAWL_NS_PER_S)
#define LOOK_US        200
#define WORDS_MAX      24
#define SAID_NAME      "said.txt" /* in the folder: what it wrote to standard error */

/* A run, seen from outside: the newest ring of its actor, and the learner's figures. */
struct seen_run {
    char folder[64]; /* a temporary one, for everything */
    char runtime_path[PATH_MAX];
    struct pawl_proc proc;
    struct pawl_peer peer;
    struct pawl_segment ring;
    uint32_t actor_pid, ring_count, learner_pid, learner_count;
    struct pawl_stats_view learner;
    uint64_t start_ns;
};

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void close_run(struct seen_run *run)
{
    pawl_proc_stop(&run->proc, 5 * PAWL_NS_PER_S, NULL);
    pawl_proc_close(&run->proc);
    pawl_peer_close(&run->peer);
    pawl_segment_close(&run->ring);
    pawl_stats_detach(&run->learner);
    if (run->folder[0])
        nftw(run->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int start_process(struct seen_run *run, const char *const *words, struct pawl_err *err)
{
    char config[96], dir[96], said[96], path[PATH_MAX];
    const char *argv[WORDS_MAX] = {"pawl", "train", config, dir};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    snprintf(config, sizeof(config), "%s/bench.toml", run->folder);
    snprintf(dir, sizeof(dir), "run.dir=%s/runs", run->folder);
    snprintf(said, sizeof(said), "%s/" SAID_NAME, run->folder);
    for (int i = 0; words[i] && i < WORDS_MAX - 5; i++)
        argv[4 + i] = words[i];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[length > 0 ? length : 0] = '\0';
    int empty = open(config, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    /* It warns of the kills that are measured; what else it said is told when it fails. */
    int err_out = open(said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const struct pawl_proc_fd fds[] = {{.fd = out, .number = STDOUT_FILENO},
                                       {.fd = err_out, .number = STDERR_FILENO}};
    cfg.path = path;
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = sizeof(fds) / sizeof(fds[0]);
    run->start_ns = pawl_clock_now_ns();
    int code = empty < 0 || out < 0 || err_out < 0
                   ? pawl_err_set(err, errno, "%s: %s", config, strerror(errno))
                   : pawl_proc_start(&run->proc, &cfg, err);
    if (empty >= 0)
        close(empty);
    if (out >= 0)
        close(out);
    if (err_out >= 0)
        close(err_out);
    return code;
}

/* The last line that the run wrote to standard error; "" when there is none. */
static void last_words(const struct seen_run *run, char text[PAWL_ERR_TEXT_BYTES / 2])
{
    char path[96];
    snprintf(path, sizeof(path), "%s/" SAID_NAME, run->folder);
    FILE *said = fopen(path, "re");
    text[0] = '\0';
    while (said && fgets(text, PAWL_ERR_TEXT_BYTES / 2, said))
        continue;
    if (said)
        fclose(said);
    text[strcspn(text, "\n")] = '\0';
}

/* The one entry of a folder; false while there is none. */
static bool enter_only(char path[PATH_MAX])
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    bool is_there = false;
    while (folder && !is_there && (entry = readdir(folder))) {
        size_t length = strlen(path);
        if (entry->d_name[0] == '.')
            continue;
        is_there = true;
        snprintf(path + length, PATH_MAX - length, "/%s", entry->d_name);
    }
    if (folder)
        closedir(folder);
    return is_there;
}

/* Neither dead nor too late. */
static int check_time(struct seen_run *run, uint64_t since_ns, const char *what,
                      struct pawl_err *err)
{
    char how[64], words[PAWL_ERR_TEXT_BYTES / 2];
    if (pawl_proc_wait(&run->proc, 0, NULL) == 0) {
        last_words(run, words);
        return pawl_err_set(err, ECHILD, "the run has ended (%s) before %s: %s",
                            pawl_proc_exit_text(&run->proc.exit, how, sizeof(how)), what,
                            words[0] ? words : "it said nothing");
    }
    if (pawl_clock_now_ns() - since_ns > HANG_NS)
        return pawl_err_set(err, ETIMEDOUT, "no sign of %s for 30 s", what);
    usleep(LOOK_US);
    return 0;
}

static int open_peer(struct seen_run *run, struct pawl_err *err)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    int code = 0;
    for (;;) {
        snprintf(run->runtime_path, sizeof(run->runtime_path), "%s/runs", run->folder);
        bool is_there = enter_only(run->runtime_path) && enter_only(run->runtime_path);
        size_t length = strlen(run->runtime_path);
        snprintf(run->runtime_path + length, PATH_MAX - length, "/" PAWL_RUN_RUNTIME_NAME);
        cfg.role = PAWL_ROLE_INSPECTOR;
        cfg.folder = run->runtime_path;
        if (is_there && pawl_peer_open(&run->peer, &cfg, NULL) == 0)
            return 0;
        if ((code = check_time(run, run->start_ns, "its socket", err)) != 0)
            return code;
    }
}

static int take_offer(struct seen_run *run, const struct pawl_peer_event *event,
                      struct pawl_err *err)
{
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_RING};
    if (event->offer.kind == PAWL_SEGMENT_STATS && event->offer.role == PAWL_ROLE_LEARNER) {
        pawl_stats_detach(&run->learner);
        int attached = pawl_stats_attach(&run->learner, event->fds[0], err);
        if (attached == 0)
            run->learner_pid =
                ((const struct pawl_segment_header *)run->learner.segment.base)->pid;
        run->learner_count++;
        return attached;
    }
    if (event->offer.kind != PAWL_SEGMENT_RING)
        return 0;
    pawl_segment_close(&run->ring);
    run->ring_count++;
    int code = pawl_segment_attach(&run->ring, event->fds[0], &want, err);
    if (code == 0)
        run->actor_pid = ((const struct pawl_segment_header *)run->ring.base)->pid;
    return code;
}

static int hear(struct seen_run *run, struct pawl_err *err)
{
    struct pawl_peer_event event;
    int code;
    do {
        code = pawl_peer_poll(&run->peer, &event, err);
        if (code == 0 && event.kind == PAWL_PEER_OFFER)
            code = take_offer(run, &event, err);
        pawl_peer_event_drop(&event);
    } while (code == 0 && event.kind != PAWL_PEER_NONE && event.kind != PAWL_PEER_HANGUP);
    return code;
}

/* Until the run's ring_count-th ring has a record. */
static int wait_for_record(struct seen_run *run, uint32_t ring_count, struct pawl_err *err)
{
    uint64_t since_ns = pawl_clock_now_ns();
    for (;;) {
        int code = hear(run, err);
        if (code != 0)
            return code;
        const struct pawl_ring_page *page = (const void *)run->ring.body;
        /* Relaxed: that it is there, not what is in it. */
        if (run->ring_count >= ring_count &&
            atomic_load_explicit(&page->head, memory_order_relaxed) > 0)
            return 0;
        if ((code = check_time(run, since_ns, "a record", err)) != 0)
            return code;
    }
}

/* Starts a run and waits for its first record. */
static int open_run(struct seen_run *run, const char *const *words, struct pawl_err *err)
{
    *run = (struct seen_run){.folder = "/tmp/pawl-bench-XXXXXX", .ring.fd = -1};
    if (!mkdtemp(run->folder)) {
        int code = errno;
        run->folder[0] = '\0';
        return pawl_err_set(err, code, "no folder in /tmp: %s", strerror(code));
    }
    int code = start_process(run, words, err);
    if (code == 0)
        code = open_peer(run, err);
    return code ? code : wait_for_record(run, 1, err);
}

static uint64_t steps_taken(const struct seen_run *run)
{
    return run->learner.rows ? pawl_stats_count(&run->learner, PAWL_LEARNER_STAT_STEPS_INGESTED)
                             : 0;
}

/* Adds the steps/s that the learner has taken in over a while. */
static int add_rate(struct seen_run *run, uint64_t duration_ns,
                    struct pawl_bench_samples *samples, struct pawl_err *err)
{
    int code = hear(run, err);
    uint64_t before = steps_taken(run), start_ns = pawl_clock_now_ns(), now_ns = start_ns;
    while (code == 0 && now_ns - start_ns < duration_ns) {
        usleep(10000); /* the two cores are for those that are measured */
        code = hear(run, err);
        now_ns = pawl_clock_now_ns();
    }
    if (samples)
        pawl_bench_add(samples,
                       (double)(steps_taken(run) - before) * 1e9 / (double)(now_ns - start_ns));
    return code;
}

static int measure_rate(const char *name, const char *const *words, FILE *out,
                        struct pawl_err *err)
{
    struct pawl_bench_samples samples = {.count = 0};
    struct seen_run run;
    int code = open_run(&run, words, err);
    if (code == 0)
        code = add_rate(&run, RATE_WARM_NS, NULL, err);
    for (int i = 0; i < RATE_ROUNDS && code == 0; i++)
        code = add_rate(&run, RATE_NS, &samples, err);
    close_run(&run);
    if (code == 0)
        pawl_bench_print_samples(out, name, &samples, true, "per_s");
    return code;
}

static double since_ms(uint64_t start_ns)
{
    return (double)(pawl_clock_now_ns() - start_ns) / (double)PAWL_NS_PER_MS;
}

static int measure_start(const char *const *words, FILE *out, struct pawl_err *err)
{
    struct pawl_bench_samples samples = {.count = 0};
    int code = 0;
    for (int i = 0; i < START_ROUNDS && code == 0; i++) {
        struct seen_run run;
        code = open_run(&run, words, err);
        pawl_bench_add(&samples, since_ms(run.start_ns));
        close_run(&run);
    }
    if (code == 0)
        pawl_bench_print_samples(out, "run_start_ms", &samples, false, "ms");
    return code;
}

static int measure_restart(const char *const *words, FILE *out, struct pawl_err *err)
{
    struct pawl_bench_samples samples = {.count = 0};
    struct seen_run run;
    int code = open_run(&run, words, err);
    for (int i = 0; i < RESTART_ROUNDS && code == 0; i++) {
        usleep(20000); /* past the window in which a crash counts as one more in a row */
        uint64_t killed_ns = pawl_clock_now_ns();
        kill((pid_t)run.actor_pid, SIGKILL);
        code = wait_for_record(&run, run.ring_count + 1, err);
        pawl_bench_add(&samples, since_ms(killed_ns));
    }
    close_run(&run);
    if (code != 0)
        return code;
    pawl_bench_print_samples(out, "run_acts_again_ms", &samples, false, "ms");
    fprintf(out, "run_acts_again_ms_p99 %.1f ms\n", samples.values[RESTART_ROUNDS * 99 / 100]);
    return 0;
}

/* Until the run's learner_count-th learner has taken something in. */
static int wait_for_ingest(struct seen_run *run, uint32_t learner_count, struct pawl_err *err)
{
    uint64_t since_ns = pawl_clock_now_ns();
    for (;;) {
        int code = hear(run, err);
        if (code != 0)
            return code;
        if (run->learner_count >= learner_count && steps_taken(run) > 0)
            return 0;
        if ((code = check_time(run, since_ns, "a step taken in", err)) != 0)
            return code;
    }
}

/* Writes and syncs in the folder until it is killed. -1: there is no such process. */
static pid_t load_disk(const char *folder)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/load", folder);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char *bytes = calloc(1, LOAD_BYTES);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (bytes && fd >= 0 && pwrite(fd, bytes, LOAD_BYTES, 0) == (ssize_t)LOAD_BYTES &&
           fsync(fd) == 0)
        continue;
    _exit(1);
}

static int measure_learner_restart(const char *name, bool is_loaded, const char *const *words,
                                   FILE *out, struct pawl_err *err)
{
    struct pawl_bench_samples samples = {.count = 0};
    struct seen_run run;
    int code = open_run(&run, words, err);
    pid_t loader = is_loaded && code == 0 ? load_disk(run.folder) : -1;
    if (code == 0)
        code = wait_for_ingest(&run, 1, err);
    for (int i = 0; i < LEARNER_ROUNDS && code == 0; i++) {
        usleep(200000); /* there is something to lose, and something under way */
        uint64_t killed_ns = pawl_clock_now_ns();
        kill((pid_t)run.learner_pid, SIGKILL);
        code = wait_for_ingest(&run, run.learner_count + 1, err);
        pawl_bench_add(&samples, since_ms(killed_ns));
    }
    if (loader > 0) {
        kill(loader, SIGKILL);
        waitpid(loader, NULL, 0);
    }
    close_run(&run);
    if (code != 0)
        return code;
    pawl_bench_print_samples(out, name, &samples, false, "ms");
    fprintf(out, "%s_max %.1f ms\n", name, samples.values[samples.count - 1]);
    return 0;
}

/* Words that pin the actor to the first and the learner to the second core that we may use. */
static void pin_words(char actor[32], char learner[32])
{
    cpu_set_t allowed;
    int found_count = 0, cpus[2] = {0, 0};
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE && found_count < 2; cpu++)
            if (CPU_ISSET((size_t)cpu, &allowed))
                cpus[found_count++] = cpu;
    if (found_count < 2)
        cpus[1] = cpus[0];
    snprintf(actor, 32, "actor.cpus=[%d]", cpus[0]);
    snprintf(learner, 32, "learner.cpus=[%d]", cpus[1]);
}

static int measure_runs(FILE *out, struct pawl_err *err)
{
    static const struct {
        const char *name, *env, *policy, *lanes, *hidden;
    } subjects[] = {
        {"run_dummy_random_lanes1_rate", "dummy", "random", "1", "256, 256"},
        {"run_dummy_random_lanes16_rate", "dummy", "random", "16", "256, 256"},
        {"run_pendulum_sac2_lanes1_rate", "pendulum", "sac", "1", "256"},
        {"run_pendulum_sac2_lanes16_rate", "pendulum", "sac", "16", "256"},
        {"run_pendulum_sac3_lanes16_rate", "pendulum", "sac", "16", "256, 256"},
    };
    char actor[32], learner[32], env[32], policy[32], lanes[32], hidden[48];
    /* A method that learns takes records in, and no more. */
    const char *const words[] = {actor,
                                 learner,
                                 env,
                                 policy,
                                 lanes,
                                 hidden,
                                 "learner.update_ratio=0",
                                 "replay.journal=false",
                                 NULL};
    /* Killing is no reason for a quarantine or a longer pause here. */
    const char *const plain[] = {
        "env.type=dummy",          "env.target_hz=1000",         "policy.type=null",
        "run.crash_window_s=0.01", "learner.publish_period_s=1", NULL};
    const char *const learns[] = {
        "env.type=pendulum",       "env.target_hz=200",          "policy.type=sac",
        "policy.sac.hidden=[64]",  "learner.learning_starts=20", "learner.batch_size=32",
        "checkpoint.period_s=0.5", "run.crash_window_s=0.01",    NULL};
    int code = 0;
    pin_words(actor, learner);
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]) && code == 0; i++) {
        snprintf(env, sizeof(env), "env.type=%s", subjects[i].env);
        snprintf(policy, sizeof(policy), "policy.type=%s", subjects[i].policy);
        snprintf(lanes, sizeof(lanes), "env.lanes=%s", subjects[i].lanes);
        snprintf(hidden, sizeof(hidden), "policy.sac.hidden=[%s]", subjects[i].hidden);
        code = measure_rate(subjects[i].name, words, out, err);
        fflush(out);
    }
    if (code == 0)
        code = measure_start(plain, out, err);
    if (code == 0)
        code = measure_restart(plain, out, err);
    if (code == 0)
        code = measure_learner_restart("run_learns_again_ms", false, learns, out, err);
    return code ? code
                : measure_learner_restart("run_learns_again_loaded_ms", true, learns, out, err);
}

static int run_step(struct pawl_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct pawl_err err = {0};
    double load[1] = {0.0};
    getloadavg(load, 1);
    fprintf(cli->out, "load_average %.2f 1\n", load[0]);
    if (pawl_bench_step(cli->out, &err) != 0 || measure_runs(cli->out, &err) != 0)
        return pawl_cli_fail(cli, PAWL_EXIT_FAILED, "%s", err.text);
    return PAWL_EXIT_DONE;
}

const struct pawl_cli_verb pawl_verb_bench_step = {
    .name = "bench step",
    .help = "Steps: what they cost an actor, and what whole runs do.",
    .details =
        "First an actor's loop alone, in processor time for each step: the random policy and "
        "two networks, by the number of lanes, and what is left when policy and environment "
        "are "
        "taken away; and how late a schedule of 1 kHz is, beside the machine's own timer. sac2 "
        "is two layers of 256, sac3 three of them.\n"
        "Then runs of `pawl train` with an actor and a null learner on a core each: steps/s "
        "that the learner has taken in, the time from the start to the first record, and from "
        "the kill of an actor to the first record of the next (run.restart_pause_s is in it); "
        "and from the kill of a learner that learns to the first record that the next has "
        "taken "
        "in, on a quiet disk and beside a process that writes and syncs there.\n"
        "It takes a minute. What else the machine does meanwhile is in the figures of "
        "the runs.",
    .run = run_step,
};
