/* test_chaos.c: the producers and the consumer of the example (pair.h) are killed at random
 * instants and at every named fault point, stopped and continued, and started again.
 * test_chaos_hub.c kills the hub.
 *
 *     proc_chaos [--kills=N] [--seed=N] [--producer=FILE] [--consumer=FILE] [--expect-caught]
 *
 * Whatever is killed: no record whose publish returned is lost, none is stored twice or torn,
 * no parameters are torn, nobody hangs, and nothing is left behind. What became of each record
 * is read from the ledger. The seed gives the same choices again; the instants depend on the
 * machine. */
#include "chaos.h"
#include "shm/hub.h"

enum { CONSUMER, PRODUCER_0, PRODUCER_COUNT = 2, PROGRAM_COUNT = 1 + PRODUCER_COUNT };

#define KILLS_PER_POINT_KILL 8
#define MID_RECORD_PERCENT   15
#define FLUSH_COUNT          (PAIR_SLOT_COUNT / 8) /* records a tail may lag behind */

/* PRODUCER_0 stands for any producer. */
static const struct point points[] = {
    {"peer.hello", 1, PRODUCER_0, false},        {"peer.tell", 1, PRODUCER_0, false},
    {"segment.allocate", 1, PRODUCER_0, false},  {"segment.create", 1, PRODUCER_0, false},
    {"segment.map", 1, PRODUCER_0, false},       {"segment.seal", 1, PRODUCER_0, false},
    {"ring.claim.P1", 40, PRODUCER_0, false},    {"ring.claim.P2", 40, PRODUCER_0, false},
    {"ring.publish.P3", 40, PRODUCER_0, false},  {"ring.publish.P4", 40, PRODUCER_0, false},
    {"ring.publish.P5", 40, PRODUCER_0, false},  {"ring.publish.P6", 40, PRODUCER_0, false},
    {"ring.wait.B1", 1, PRODUCER_0, true},       {"board.acquire.R1", 40, PRODUCER_0, false},
    {"board.acquire.R2", 40, PRODUCER_0, false}, {"board.acquire.R3", 40, PRODUCER_0, false},
    {"board.acquire.R4", 40, PRODUCER_0, false}, {"board.acquire.R5", 40, PRODUCER_0, false},
    {"board.release.R6", 40, PRODUCER_0, false}, {"board.wait.R7", 1, PRODUCER_0, false},
    {"peer.hello", 1, CONSUMER, false},          {"peer.tell", 4, CONSUMER, false},
    {"segment.allocate", 2, CONSUMER, false},    {"segment.create", 2, CONSUMER, false},
    {"segment.map", 2, CONSUMER, false},         {"segment.seal", 2, CONSUMER, false},
    {"ring.peek.C1", 99, CONSUMER, false},       {"ring.peek.C2", 99, CONSUMER, false},
    {"ring.release.C3", 20, CONSUMER, false},    {"ring.sleep.C4", 4, CONSUMER, false},
    {"board.claim.W1", 9, CONSUMER, false},      {"board.claim.W2", 9, CONSUMER, false},
    {"board.publish.W3", 9, CONSUMER, false},    {"board.publish.W4", 9, CONSUMER, false},
    {"board.publish.wake", 9, CONSUMER, false},
};
#define POINT_COUNT (sizeof(points) / sizeof(points[0]))

struct program {
    struct pawl_proc proc;
    uint64_t incarnation;
    bool is_to_die; /* its death is no surprise */
    bool has_ended;
};

static struct pawl_hub hub;
static struct program programs[PROGRAM_COUNT];
static bool is_random_kill[PAIR_INCARNATION_COUNT]; /* of a producer, by incarnation */
static uint64_t point_kill_count, stop_count, consumer_death_count;
static unsigned hits[POINT_COUNT];

static struct pair_life *life_of(const struct program *program)
{
    return &chaos.ledger->lives[program->incarnation];
}

/* --- programs --- */

static void start(int i, const struct point *point)
{
    struct program *program = &programs[i];
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_err err = {0};
    int fd;

    demand(pawl_hub_invite(&hub, i == CONSUMER ? PAWL_ROLE_LEARNER : PAWL_ROLE_ACTOR,
                           i == CONSUMER ? 0 : (uint32_t)(i - PRODUCER_0), &fd, &err) == 0,
           "invite", &err);
    program->incarnation = hub.incarnation_last;
    program->is_to_die = point != NULL;
    program->has_ended = false;
    demand(program->incarnation < PAIR_INCARNATION_COUNT, "more lives than the ledger has",
           NULL);
    cfg.path = i == CONSUMER ? chaos.consumer_path : chaos.producer_path;
    cfg.argv = (const char *const[]){cfg.path, chaos.label, NULL};
    cfg.env = environment(point);
    cfg.fds = (const struct pawl_proc_fd[]){{.fd = fd, .number = PAIR_HUB_FD},
                                            {.fd = chaos.ledger_fd, .number = PAIR_LEDGER_FD}};
    cfg.fd_count = 2;
    demand(pawl_proc_start(&program->proc, &cfg, &err) == 0, "start", &err);
    close(fd);
}

static void note_end(int i)
{
    struct program *program = &programs[i];
    const struct pawl_proc_exit *how = &program->proc.exit;
    char text[64];
    program->has_ended = true;
    consumer_death_count += i == CONSUMER;
    if (!program->is_to_die || (how->signal != SIGKILL && (how->signal || how->code)))
        fail("%s ended: %s", i == CONSUMER ? "the consumer" : "a producer",
             pawl_proc_exit_text(how, text, sizeof(text)));
    pawl_proc_close(&program->proc);
}

/* Serves the hub and sees who ends, for a moment. */
static void tend(int timeout_ms)
{
    struct pollfd looks[1 + PROGRAM_COUNT] = {{.fd = hub.fd, .events = POLLIN}};
    struct pawl_err err = {0};
    for (int i = 0; i < PROGRAM_COUNT; i++) {
        const struct program *program = &programs[i];
        looks[1 + i].fd = program->has_ended ? -1 : program->proc.pidfd;
        looks[1 + i].events = POLLIN;
    }
    poll(looks, 1 + PROGRAM_COUNT, timeout_ms);
    demand(pawl_hub_serve(&hub, &err) == 0, "serve", &err);
    for (int i = 0; i < PROGRAM_COUNT; i++)
        if (looks[1 + i].revents && pawl_proc_wait(&programs[i].proc, 0, NULL) == 0)
            note_end(i);
}

/* False, and a failure, when the watchdog has bitten: somebody waits for ever. */
static bool wait_for(bool (*is_so)(int i, uint64_t value), int i, uint64_t value,
                     const char *what)
{
    uint64_t deadline_ns = pawl_clock_now_ns() + CHAOS_WATCHDOG_NS;
    while (!is_so(i, value)) {
        tend(1);
        if (chaos.failure_count > 0)
            return false; /* the program that is waited for may be the one that failed */
        if (pawl_clock_now_ns() >= deadline_ns) {
            fail("stuck: %s of program %d, incarnation %" PRIu64, what, i,
                 programs[i].incarnation);
            return false;
        }
    }
    return true;
}

static bool has_ended(int i, uint64_t value)
{
    (void)value;
    return programs[i].has_ended;
}

static bool has_done(int i, uint64_t count)
{
    const struct pair_life *life = life_of(&programs[i]);
    return (i == CONSUMER ? life->progress : life->published) >= count;
}

/* The consumer has bound the producer's ring, and read from it. */
static bool is_read(int i, uint64_t count)
{
    return life_of(&programs[i])->stored >= count;
}

static void send_signal(int i, int signal)
{
    if (!programs[i].has_ended)
        pawl_proc_signal(&programs[i].proc, signal, NULL);
}

/* --- ways to die --- */

static void kill_now(int i)
{
    programs[i].is_to_die = true;
    send_signal(i, SIGKILL);
    chaos.kill_count++;
    wait_for(has_ended, i, 0, "end");
}

static void kill_at_random(int i)
{
    wait_for(has_done, i, random_below(i == CONSUMER ? 100 : 20), "progress");
    spin(random_below(150000));
    is_random_kill[programs[i].incarnation] = i != CONSUMER;
    kill_now(i);
}

static void kill_and_start(int i)
{
    kill_at_random(i);
    start(i, NULL);
}

/* The consumer and a producer at once; who comes back first is chance. */
static void kill_two(void)
{
    int producer = PRODUCER_0 + (int)random_below(PRODUCER_COUNT);
    kill_at_random(producer);
    kill_now(CONSUMER);
    bool is_producer_first = random_below(2);
    start(is_producer_first ? producer : CONSUMER, NULL);
    if (random_below(2))
        tend(1);
    start(is_producer_first ? CONSUMER : producer, NULL);
}

/* Stopped for a while, the others going on; then continued, or killed in its sleep. */
static void stop_for_a_while(int i)
{
    wait_for(has_done, i, random_below(20), "progress");
    send_signal(i, SIGSTOP);
    stop_count++;
    for (uint64_t turn = random_below(4); turn > 0; turn--)
        tend(1);
    if (random_below(2)) {
        send_signal(i, SIGCONT);
        return;
    }
    is_random_kill[programs[i].incarnation] = i != CONSUMER;
    kill_now(i);
    start(i, NULL);
}

static void kill_at_point(size_t which)
{
    const struct point *point = &points[which];
    int i = CONSUMER;
    if (point->program != CONSUMER)
        i = PRODUCER_0 + (int)random_below(PRODUCER_COUNT);
    kill_at_random(i);
    start(i, point);
    if (point->needs_full_ring) {
        wait_for(is_read, i, 1, "first record");
        send_signal(CONSUMER, SIGSTOP);
    }
    bool was_hit = wait_for(has_ended, i, 0, point->name);
    if (point->needs_full_ring)
        send_signal(CONSUMER, SIGCONT);
    hits[which] += was_hit;
    chaos.kill_count++;
    point_kill_count++;
    start(i, NULL);
}

static void kill_something(void)
{
    static size_t next_point;
    uint64_t choice = random_below(100);
    if (CHAOS_HAS_POINTS && chaos.kill_count / KILLS_PER_POINT_KILL > point_kill_count)
        kill_at_point(next_point++ % POINT_COUNT);
    else if (choice < 70)
        kill_and_start(PRODUCER_0 + (int)random_below(PRODUCER_COUNT));
    else if (choice < 88)
        kill_and_start(CONSUMER);
    else if (choice < 94)
        kill_two();
    else
        stop_for_a_while((int)random_below(PROGRAM_COUNT));
}

/* --- what has to be so --- */

static uint64_t sum_again(uint64_t life_count)
{
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= life_count; i++)
        sum += chaos.ledger->lives[i].again;
    return sum;
}

static void check_mid_record(uint64_t life_count, unsigned *percent)
{
    uint64_t kill_count = 0, mid_count = 0;
    for (uint64_t i = 1; i <= life_count; i++) {
        kill_count += is_random_kill[i];
        mid_count += is_random_kill[i] && chaos.ledger->lives[i].was_mid_record;
    }
    *percent = (unsigned)(kill_count ? mid_count * 100 / kill_count : 0);
    if (kill_count >= 100 && *percent < MID_RECORD_PERCENT)
        fail("only %u %% of %" PRIu64 " kills hit a producer within a record, must be %d %%",
             *percent, kill_count, MID_RECORD_PERCENT);
}

/* --- the campaign --- */

static uint64_t count_rings(void)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < hub.table.used_count; i++) {
        const struct pawl_hub_entry *entry = &hub.table.entries[i];
        count += entry->id != 0 && !entry->is_dropped && entry->kind == PAWL_SEGMENT_RING;
    }
    return count;
}

/* The consumer last: then it has every record. */
static void end_programs(void)
{
    for (int i = PROGRAM_COUNT; i-- > 0 && chaos.failure_count == 0;) {
        struct program *program = &programs[i];
        program->is_to_die = true;
        pawl_hub_tell_stop(&hub, program->incarnation, PAWL_STOP_DONE,
                           pawl_clock_now_ns() + CHAOS_WATCHDOG_NS);
        wait_for(has_ended, i, 0, "end in order");
    }
    tend(0); /* the last words of who has ended */
    if (chaos.failure_count == 0 && count_rings() > 0)
        fail("%" PRIu64 " rings are left at the hub", count_rings());
    for (int i = 0; i < PROGRAM_COUNT; i++)
        if (!programs[i].has_ended)
            pawl_proc_close(&programs[i].proc);
}

static void on_event(void *context, const struct pawl_hub_event *event)
{
    (void)context;
    if (event->kind == PAWL_HUB_REJECTED || event->kind == PAWL_HUB_REFUSED ||
        event->kind == PAWL_HUB_LIMIT)
        fail("the hub: %s", event->text);
}

static void kill_programs(uint64_t kill_count, unsigned *mid_percent, uint64_t *again_count)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    struct pawl_err err = {0};
    cfg.on_event = on_event;
    open_ledger();
    demand(pawl_hub_open(&hub, &cfg, &err) == 0, "open hub", &err);
    for (int i = 0; i < PROGRAM_COUNT; i++)
        start(i, NULL);
    while (chaos.kill_count < kill_count && chaos.failure_count == 0) {
        kill_something();
        if (chaos.kill_count % 16 == 0)
            check_no_damage(hub.incarnation_last);
    }
    uint64_t life_count = hub.incarnation_last;
    end_programs();
    check_no_damage(life_count);
    *again_count = sum_again(life_count);
    if (*again_count > consumer_death_count * PAIR_ACK_COUNT * FLUSH_COUNT)
        fail("%" PRIu64 " records came again after %" PRIu64 " deaths of the consumer",
             *again_count, consumer_death_count);
    if (chaos.failure_count == 0) {
        check_lives(life_count, true);
        check_mid_record(life_count, mid_percent);
        for (size_t i = 0; i < POINT_COUNT; i++)
            if (CHAOS_HAS_POINTS && kill_count >= 1000 && hits[i] == 0)
                fail("nothing died at %s", points[i].name);
    }
    pawl_hub_close(&hub);
    close_ledger();
}

int main(int argc, char **argv)
{
    unsigned mid_percent = 0;
    uint64_t again_count = 0;
    chaos_open(argc, argv, CHAOS_KILL_COUNT);
    kill_programs(chaos.kill_count_max, &mid_percent, &again_count);
    printf("at fault points %" PRIu64 ", stops %" PRIu64
           ", producers hit within a record %u %%, "
           "redelivered and stored once %" PRIu64 "\n",
           point_kill_count, stop_count, mid_percent, again_count);
    return chaos_close();
}
