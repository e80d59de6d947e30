/* role_fake.c: stands in for pawl-learner and pawl-actor in the tests of the supervisor: it
 * speaks to the hub as they do and counts, and does nothing else. How it misbehaves is said by
 * the environment variable FAKE, words like
 *
 *     actor0:exit=7      ends at once with this code, and the wish in the last line of its log
 *     actor:held         says that "the ring is full: waits for the learner", counts nothing
 *     actor:deaf         ignores stop and SIGTERM
 *     actor:mute         never says hello
 *     learner:refuse=1   refuses the ring of actor 1
 *     learner:done=500   says that the run is done when that many records are ingested
 *     learner:dirty      ends with code 1 when it is told to stop
 *     learner:killed=2   kills itself instead, unless two have done so
 *
 * where "actor" means all actors. Each start adds a line "NAME PID" to the file starts in the
 * folder of the run ("NAME PID resumed" where it is told --resume), one to joined when it is
 * known to the hub, and each end in order a line "NAME PID stop" or "NAME PID hangup" to ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/peer.h"
#include "shm/run_stats.h"

static struct pawl_peer peer;
static struct pawl_stats stats;
static struct pawl_segment ring;
static char name[32];
static bool is_learner;
static volatile sig_atomic_t is_terminated;

/* The value of a word NAME:WHAT or ROLE:WHAT[=VALUE]; -1 when it is not there. */
static long wish(const char *what)
{
    const char *all = getenv("FAKE");
    char words[256], *rest = words;
    snprintf(words, sizeof(words), "%s", all ? all : "");
    for (char *word; (word = strsep(&rest, " "));) {
        char *colon = strchr(word, ':');
        if (!colon)
            continue;
        *colon = '\0';
        bool is_ours =
            strcmp(word, name) == 0 || strcmp(word, is_learner ? "learner" : "actor") == 0;
        char *value = colon + 1;
        value[strcspn(value, "=")] = '\0';
        if (is_ours && strcmp(value, what) == 0)
            return strtol(value + strlen(value) + 1, NULL, 10);
    }
    return -1;
}

static void note(const char *config_path, const char *file, const char *what)
{
    char path[512], line[128];
    const char *slash = strrchr(config_path, '/');
    snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - config_path), config_path, file);
    int length =
        snprintf(line, sizeof(line), "%s %d%s%s\n", name, getpid(), what[0] ? " " : "", what);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)length) != length)
        _exit(99);
    close(fd);
}

/* How many lines a file in the folder of the run has. */
static long lines_of(const char *config_path, const char *file)
{
    char path[512];
    const char *slash = strrchr(config_path, '/');
    snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - config_path), config_path, file);
    FILE *in = fopen(path, "re");
    long count = 0;
    for (int c; in && (c = fgetc(in)) != EOF;)
        count += c == '\n';
    if (in)
        fclose(in);
    return count;
}

static void on_term(int signal)
{
    is_terminated = signal;
}

static void die(const struct pawl_err *err)
{
    fprintf(stderr, "fake %s: %s\n", name, err->text);
    exit(1);
}

static void open_all(uint32_t index)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    struct pawl_segment_cfg ring_cfg = pawl_segment_default_cfg();
    struct pawl_err err = {0};
    uint64_t id;
    cfg.role = is_learner ? PAWL_ROLE_LEARNER : PAWL_ROLE_ACTOR;
    cfg.index = index;
    cfg.fd = 3;
    if (pawl_peer_open(&peer, &cfg, &err) != 0)
        die(&err);
    int status = is_learner ? pawl_stats_create(&stats, name, pawl_learner_stat_rows,
                                                PAWL_LEARNER_STAT_COUNT, &err)
                            : pawl_stats_create(&stats, name, pawl_actor_stat_rows,
                                                PAWL_ACTOR_STAT_COUNT, &err);
    if (status != 0 || pawl_peer_offer(&peer, &stats.segment, -1, &id, &err) != 0)
        die(&err);
    ring_cfg.kind = PAWL_SEGMENT_RING;
    ring_cfg.label = name;
    ring_cfg.body_bytes = PAWL_SEGMENT_PAGE_BYTES;
    if (!is_learner && (pawl_segment_create(&ring, &ring_cfg, &err) != 0 ||
                        pawl_peer_offer(&peer, &ring, -1, &id, &err) != 0))
        die(&err);
    uint32_t state = wish("held") >= 0 ? PAWL_STATE_HELD : PAWL_STATE_RUNNING;
    if (pawl_peer_state(&peer, state, 0,
                        state == PAWL_STATE_HELD ? "the ring is full: waits for the learner"
                                                 : "",
                        &err) != 0)
        die(&err);
}

/* Returns what ends it, or NULL. */
static const char *hear(void)
{
    struct pawl_peer_event event;
    struct pawl_err err = {0};
    if (pawl_peer_poll(&peer, &event, &err) != 0)
        die(&err);
    const char *end = NULL;
    switch (event.kind) {
    case PAWL_PEER_OFFER:
        if (is_learner && event.offer.kind == PAWL_SEGMENT_RING &&
            (long)event.offer.index == wish("refuse")) {
            const struct pawl_err why = {.code = EPROTO,
                                         .text = "field obs.state: 4 floats, must be 3"};
            pawl_peer_refuse(&peer, event.offer.id, &why, NULL);
        }
        break;
    case PAWL_PEER_STOP:
        end = "stop";
        break;
    case PAWL_PEER_REJECT:
        fprintf(stderr, "fake %s: %s\n", name, event.reject.text);
        exit(1);
    case PAWL_PEER_HANGUP:
        end = "hangup";
        break;
    default:
        break;
    }
    pawl_peer_event_drop(&event);
    if (is_terminated && !end)
        end = "term";
    return wish("deaf") >= 0 && end && strcmp(end, "hangup") != 0 ? NULL : end;
}

static void work(void)
{
    uint32_t step = is_learner ? (uint32_t)PAWL_LEARNER_STAT_RECORDS_INGESTED
                               : (uint32_t)PAWL_ACTOR_STAT_ENV_STEPS;
    static bool is_done;
    if (wish("held") >= 0)
        return;
    pawl_stats_add(&stats, step, 10);
    uint64_t count = atomic_load_explicit(&stats.words[step], memory_order_relaxed);
    if (wish("done") >= 0 && !is_done && (long)count >= wish("done")) {
        is_done = true;
        pawl_peer_state(&peer, PAWL_STATE_DONE, count, "", NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc < 9 || strcmp(argv[1], "--config") != 0 || strcmp(argv[3], "--index") != 0 ||
        strcmp(argv[5], "--hub") != 0 || strcmp(argv[6], "3") != 0)
        return 98;
    const char *slash = strrchr(argv[0], '/');
    is_learner = strcmp(slash ? slash + 1 : argv[0], "pawl-learner") == 0;
    uint32_t index = (uint32_t)atoi(argv[4]);
    if (is_learner)
        snprintf(name, sizeof(name), "learner");
    else
        snprintf(name, sizeof(name), "actor%u", index);
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    alarm(120); /* whatever a test does, nothing is left for long */
    note(argv[2], "starts", strcmp(argv[argc - 1], "--resume") == 0 ? "resumed" : "");
    if (wish("exit") >= 0) {
        fprintf(stderr, "0.5 error fake cannot go on error=\"the wish is \\\"exit %ld\\\"\"\n",
                wish("exit"));
        return (int)wish("exit");
    }
    while (wish("mute") >= 0)
        pause();
    open_all(index);
    note(argv[2], "joined", "");
    const char *end;
    while (!(end = hear())) {
        work();
        usleep(2000);
    }
    if (lines_of(argv[2], "killed") < wish("killed")) {
        note(argv[2], "killed", "");
        raise(SIGKILL);
    }
    if (strcmp(end, "hangup") != 0)
        pawl_peer_bye(&peer, 0, NULL);
    note(argv[2], "ends", end);
    return wish("dirty") >= 0 ? 1 : 0;
}
