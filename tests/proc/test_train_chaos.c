/* `pawl train` with the real roles, whose processes are killed at random: an actor, the
 * learner, both, the supervisor.
 *
 *     proc_train_chaos [--kills=N] [--seed=N] [--verbose]
 *
 * An inspector of the run keeps a map of every actor's ring, so that what an actor had
 * committed when it died is known from its own page; the learner's ledger says what was
 * counted. In the end each ring was counted from its first record to its last, once, and of
 * what an actor had begun at most the step in flight is missing. Prints how soon a dead actor
 * acts again. */
#include <inttypes.h>

#include "shm/peer.h"
#include "shm/ring.h"
#include "support/ledger_file.h"
#include "support/temp.h"
#include "support/train.h"

#ifdef PAWL_FAULTS
#define CHAOS_HAS_POINTS true
#else
#define CHAOS_HAS_POINTS false
#endif

#define ACTOR_COUNT   2
#define LANE_COUNT    2
#define RUN_KILLS_MAX 50 /* of actors and learners; then the run itself ends */
#define RINGS_MAX     (4 * RUN_KILLS_MAX)
#define TIMES_MAX     20000
#define SOON_NS       (30 * PAWL_NS_PER_S)

/* A ring that was seen. */
struct seen {
    unsigned actor;
    char epoch[33];
    struct pawl_segment segment;
};

static struct {
    uint64_t kill_count_max, kill_count, seed, random_state;
    bool is_verbose;
    char folder[TEMP_BYTES];
    struct train train;
    struct pawl_peer peer;
    struct seen rings[RINGS_MAX];
    size_t ring_count;
    double again_ms[TIMES_MAX];
    size_t again_count;
    struct ledger_file ledger;
} chaos;

static uint64_t random_below(uint64_t limit)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = chaos.random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % limit;
}

#define DEMAND(condition, ...)                                                                 \
    do {                                                                                       \
        bool is_so = (condition);                                                              \
        if (!is_so)                                                                            \
            fprintf(stderr, "kill %" PRIu64 ", seed %" PRIu64 ", %s: ", chaos.kill_count,      \
                    chaos.seed, chaos.train.run_folder);                                       \
        TRAIN_DEMAND(is_so, __VA_ARGS__);                                                      \
    } while (0)

static void take_ring(const struct pawl_peer_event *event)
{
    struct seen *seen = &chaos.rings[chaos.ring_count++];
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_RING};
    struct pawl_err err = {0};
    DEMAND(chaos.ring_count <= RINGS_MAX, "too many rings");
    seen->actor = event->offer.index;
    for (size_t i = 0; i < PAWL_HUB_EPOCH_BYTES; i++)
        snprintf(seen->epoch + 2 * i, 3, "%02x", event->offer.epoch[i]);
    DEMAND(pawl_segment_attach(&seen->segment, event->fds[0], &want, &err) == 0, "%s",
           err.text);
}

/* What the hub has to say; false: it is gone. */
static bool hear(void)
{
    struct pawl_peer_event event;
    do {
        struct pawl_err err = {0};
        DEMAND(pawl_peer_poll(&chaos.peer, &event, &err) == 0, "%s", err.text);
        if (event.kind == PAWL_PEER_OFFER && event.offer.kind == PAWL_SEGMENT_RING)
            take_ring(&event);
        pawl_peer_event_drop(&event);
    } while (event.kind != PAWL_PEER_NONE && event.kind != PAWL_PEER_HANGUP);
    return event.kind != PAWL_PEER_HANGUP;
}

static const struct pawl_ring_page *page_of(const struct seen *seen)
{
    return (const struct pawl_ring_page *)(const void *)seen->segment.body;
}

static uint64_t head_of(const struct seen *seen)
{
    return atomic_load(&page_of(seen)->head);
}

/* The newest ring of an actor; NULL while there is none. */
static const struct seen *newest_ring(unsigned actor)
{
    for (size_t i = chaos.ring_count; i-- > 0;)
        if (chaos.rings[i].actor == actor)
            return &chaos.rings[i];
    return NULL;
}

static void listen_for(uint64_t ns)
{
    uint64_t until_ns = pawl_clock_now_ns() + ns;
    do {
        uint64_t now_ns = pawl_clock_now_ns();
        struct pollfd look = {.fd = chaos.peer.fd, .events = POLLIN};
        int wait_ms = now_ns < until_ns ? (int)((until_ns - now_ns) / PAWL_NS_PER_MS) : 0;
        poll(&look, 1, wait_ms > 20 ? 20 : wait_ms);
        DEMAND(hear(), "the supervisor is gone: %s", train_read(chaos.train.out_path));
    } while (pawl_clock_now_ns() < until_ns);
}

/* Until the actor has a ring other than `before` with a record in it. */
static void wait_until_acting(unsigned actor, const struct seen *before, uint64_t since_ns)
{
    for (;;) {
        const struct seen *ring = newest_ring(actor);
        if (ring && ring != before && head_of(ring) > 0)
            return;
        DEMAND(pawl_clock_now_ns() - since_ns < SOON_NS, "actor %u does not act again: %s",
               actor, train_read(chaos.train.out_path));
        listen_for(PAWL_NS_PER_MS / 2);
    }
}

/* Where a process dies by itself, after a number of passages in this range: it lives long
 * enough not to be started later and later. */
static const struct {
    const char *name;
    uint64_t passage_min, passage_max;
} points[] = {
    {"learner.ingest", 30, 100},  {"learner.write_episodes", 30, 100},
    {"learner.commit", 30, 100},  {"tally.commit", 30, 100},
    {"ring.release.C3", 30, 100}, {"learner.publish", 4, 20},
    {"board.publish.W4", 4, 20},  {"ring.publish.P4", 50, 200},
    {"ring.publish.P5", 50, 200}, {NULL, 0, 0},
};

static void arm_points(void)
{
    size_t i = random_below(sizeof(points) / sizeof(points[0]));
    char text[128];
    if (!points[i].name || !CHAOS_HAS_POINTS) {
        unsetenv("PAWL_FAULT");
        return;
    }
    snprintf(text, sizeof(text), "%s:kill@%" PRIu64, points[i].name,
             points[i].passage_min +
                 random_below(points[i].passage_max - points[i].passage_min));
    setenv("PAWL_FAULT", text, 1);
    if (chaos.is_verbose)
        fprintf(stderr, "%s\n", text);
}

static void start_run(void)
{
    static const char config[] =
        "[env]\ntype = \"dummy\"\nlanes = 2\ntarget_hz = 400\nsteps_max = 50\n"
        "[policy]\ntype = \"null\"\n[actor]\ncount = 2\n[log]\nperiod_s = 0.5\n"
        "[learner]\nledger = true\npublish_period_s = 0.01\n"
        /* Killing is no reason for a quarantine here. */
        "[run]\ncrash_window_s = 0.01\nrestart_pause_s = 0.005\n";
    char socket_folder[PATH_MAX + 64];
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    struct pawl_err err = {0};
    uint64_t began_ns = pawl_clock_now_ns();
    chaos.ring_count = 0;
    arm_points();
    train_start(&chaos.train, PAWL_BIN_DIR "/pawl", chaos.folder, config, NULL);
    snprintf(socket_folder, sizeof(socket_folder), "%s/runtime", chaos.train.run_folder);
    cfg.role = PAWL_ROLE_INSPECTOR;
    cfg.folder = socket_folder;
    while (pawl_peer_open(&chaos.peer, &cfg, &err) != 0) {
        DEMAND(pawl_clock_now_ns() - began_ns < SOON_NS, "%s", err.text);
        err = (struct pawl_err){0};
        usleep(1000);
    }
    for (unsigned i = 0; i < ACTOR_COUNT; i++)
        wait_until_acting(i, NULL, pawl_clock_now_ns());
}

static void kill_one(const struct train_child *child)
{
    if (child && kill(child->pid, SIGKILL) == 0)
        chaos.kill_count++;
}

/* Kills somebody, and waits until all act again. */
static void kill_some(void)
{
    unsigned actor = (unsigned)random_below(ACTOR_COUNT);
    uint64_t what = random_below(10);
    bool kills_actor = what < 7, kills_learner = what >= 5;

    listen_for(random_below(15 * PAWL_NS_PER_MS));
    train_find_children(&chaos.train);
    const struct train_child *victim = train_child_of(&chaos.train, false, actor);
    const struct seen *ring = newest_ring(actor);
    uint64_t began_ns = pawl_clock_now_ns();
    if (kills_learner)
        kill_one(train_child_of(&chaos.train, true, 0));
    if (!kills_actor || !victim)
        return;
    kill_one(victim);
    wait_until_acting(actor, ring, began_ns);
    if (chaos.again_count < TIMES_MAX && !getenv("PAWL_FAULT")) /* it died once */
        chaos.again_ms[chaos.again_count++] =
            (double)(pawl_clock_now_ns() - began_ns) / (double)PAWL_NS_PER_MS;
}

/* What the lines of episodes.jsonl stand for: steps, and records, that is a FINAL more for each
 * episode that is not cut. One that is cut has a FINAL when its actor was asked to stop. */
static uint64_t count_in_episodes(uint64_t *step_count)
{
    char *text = train_read(train_path(&chaos.train, "episodes.jsonl"));
    uint64_t count = 0;
    *step_count = 0;
    for (const char *at = text; (at = strstr(at, "\"length\":")); at++) {
        uint64_t length = strtoull(at + strlen("\"length\":"), NULL, 10);
        *step_count += length;
        count += length;
        count += strncmp(strstr(at, "\"end\":"), "\"end\":\"cut\"", 11) != 0;
    }
    free(text);
    return count;
}

/* The steps that the last learner had counted when it ended, all lives of the learner together.
 */
static uint64_t count_of_learner(void)
{
    char *text = train_read(train_path(&chaos.train, "log.txt")), *last = NULL;
    for (char *at = text; (at = strstr(at, " learner ended steps=")); at++)
        last = at;
    DEMAND(last != NULL, "no learner has ended in order");
    uint64_t count = strtoull(strchr(last, '=') + 1, NULL, 10);
    free(text);
    return count;
}

/* Each ring was counted from its first record to its last. is_whole: the run ended in order, so
 * that nothing may be left. */
static void check_run(bool is_whole)
{
    const char *wrong = ledger_read(&chaos.ledger, train_path(&chaos.train, "ledger.jsonl"));
    DEMAND(wrong == NULL, "%s", wrong);
    for (size_t i = 0; i < chaos.ring_count; i++) {
        struct seen *seen = &chaos.rings[i];
        uint64_t head = head_of(seen), counted = 0;
        uint64_t lost = atomic_load(&page_of(seen)->resv) - head;
        for (size_t k = 0; k < chaos.ledger.source_count; k++)
            if (strcmp(chaos.ledger.sources[k].epoch, seen->epoch) == 0)
                counted = chaos.ledger.sources[k].next;
        /* A writer that dies between a record's commit and its count has one more there. */
        bool is_right = counted == head || (counted > head && counted - head <= 2 * LANE_COUNT);
        DEMAND(is_whole ? is_right : counted <= head + 2 * LANE_COUNT,
               "actor %u committed %" PRIu64 " records, %" PRIu64 " are counted", seen->actor,
               head, counted);
        /* A step in flight: each lane's record, with the FINAL and the next that go with it. */
        DEMAND(lost <= 4 * LANE_COUNT, "actor %u lost %" PRIu64 " records", seen->actor, lost);
        pawl_segment_close(&seen->segment);
    }
    if (!is_whole)
        return;
    uint64_t step_count, in_episodes = count_in_episodes(&step_count);
    uint64_t learner_count = count_of_learner();
    DEMAND(step_count == learner_count,
           "%" PRIu64 " steps are in episodes, the learner has counted %" PRIu64, step_count,
           learner_count);
    DEMAND(chaos.ledger.record_count >= in_episodes &&
               chaos.ledger.record_count - in_episodes <= ACTOR_COUNT * LANE_COUNT,
           "%lu records are counted, in the episodes there are %" PRIu64,
           chaos.ledger.record_count, in_episodes);
}

/* Until the learner takes records in. */
static void wait_until_counting(void)
{
    const char *path = train_path(&chaos.train, "ledger.jsonl");
    uint64_t began_ns = pawl_clock_now_ns();
    off_t size = -1;
    for (int changes = 0; changes < 4;) {
        struct stat info;
        listen_for(PAWL_NS_PER_MS);
        if (stat(path, &info) == 0 && info.st_size != size) {
            size = info.st_size;
            changes++;
        }
        DEMAND(pawl_clock_now_ns() - began_ns < SOON_NS, "the learner does not count again");
    }
}

static void end_run(void)
{
    uint64_t began_ns = pawl_clock_now_ns();
    bool is_killed = random_below(2) == 0;
    if (!is_killed && random_below(2) == 0)
        wait_until_counting();
    train_find_children(&chaos.train);
    kill(chaos.train.proc.pid, is_killed ? SIGKILL : SIGTERM);
    chaos.kill_count += is_killed;
    while (hear())
        usleep(200); /* the last rings of actors that were just starting */
    int code = train_wait(&chaos.train);
    char *text = train_read(chaos.train.out_path);
    DEMAND(code == (is_killed ? -SIGKILL : 130), "exit %d: %s", code, text);
    free(text);
    while (train_has_processes(&chaos.train)) {
        DEMAND(pawl_clock_now_ns() - began_ns < SOON_NS, "a process of the run is left over");
        usleep(1000);
    }
    pawl_peer_close(&chaos.peer);
    check_run(!is_killed);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    chaos.kill_count_max = CHAOS_KILL_COUNT;
    chaos.seed = pawl_clock_wall_ns();
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--kills=", 8) == 0)
            chaos.kill_count_max = strtoull(argv[i] + 8, NULL, 10);
        else if (strncmp(argv[i], "--seed=", 7) == 0)
            chaos.seed = strtoull(argv[i] + 7, NULL, 10);
        else if (strcmp(argv[i], "--verbose") == 0)
            chaos.is_verbose = true;
        else
            TRAIN_DEMAND(false, "unknown option %s", argv[i]);
    }
    chaos.random_state = chaos.seed;
    snprintf(chaos.folder, sizeof(chaos.folder), "/tmp/pawl-train-chaos-XXXXXX");
    TRAIN_DEMAND(mkdtemp(chaos.folder) != NULL, "no folder in /tmp");
    uint64_t began_ns = pawl_clock_now_ns(), record_count = 0, run_count = 0;
    while (chaos.kill_count < chaos.kill_count_max) {
        uint64_t run_kill_count = chaos.kill_count + 10 + random_below(RUN_KILLS_MAX - 10);
        start_run();
        while (chaos.kill_count < run_kill_count && chaos.kill_count < chaos.kill_count_max)
            kill_some();
        end_run();
        run_count++;
        record_count += chaos.ledger.record_count;
        if (chaos.is_verbose)
            fprintf(stderr, "%" PRIu64 " kills, %zu rings\n", chaos.kill_count,
                    chaos.ring_count);
    }
    nftw(chaos.folder, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    qsort(chaos.again_ms, chaos.again_count, sizeof(double), compare);
    printf("train_chaos_kills %" PRIu64 " 1\n", chaos.kill_count);
    printf("train_chaos_runs %" PRIu64 " 1\n", run_count);
    printf("train_chaos_records %" PRIu64 " 1\n", record_count);
    if (chaos.again_count) {
        printf("train_chaos_acts_again_p50 %.1f ms\n", chaos.again_ms[chaos.again_count / 2]);
        printf("train_chaos_acts_again_p99 %.1f ms\n",
               chaos.again_ms[chaos.again_count * 99 / 100]);
    }
    printf("train_chaos_time %.1f s\n",
           (double)(pawl_clock_now_ns() - began_ns) / (double)PAWL_NS_PER_S);
    return 0;
}
