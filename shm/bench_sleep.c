/* bench_sleep.c: what waiting costs: a wake-up, and being idle. */
#include "shm/bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/bench_pair.h"
#include "shm/park.h"

#define WAKE_COUNT 300
#define IDLE_COUNT 16
#define IDLE_NS    PAWL_NS_PER_S
#define HANG_NS    (20 * PAWL_NS_PER_S)

/* A ring whose reader sleeps on a bell. */
struct sleeper {
    struct pawl_bench_pair pair;
    struct pawl_bell bell;
};

static int open_sleeper(struct sleeper *sleeper, struct pawl_err *err)
{
    int status = pawl_bench_pair_open(&sleeper->pair, 64, 64, false, err);
    if (status == 0)
        status = pawl_bell_open(&sleeper->bell, &sleeper->pair.acks, err);
    if (status == 0)
        status =
            pawl_ring_bind(&sleeper->pair.tx, &sleeper->pair.acks, 0, sleeper->bell.fd, err);
    return status;
}

static void close_sleeper(struct sleeper *sleeper)
{
    pawl_bell_close(&sleeper->bell);
    pawl_bench_pair_close(&sleeper->pair);
}

static bool has_record(void *context)
{
    return pawl_ring_peek(context) != NULL;
}

static int take(struct sleeper *sleeper, struct pawl_err *err)
{
    const struct pawl_wait wait = {.whom = "the other process", .timeout_ns = HANG_NS};
    int status = pawl_bell_wait(&sleeper->bell, has_record, &sleeper->pair.rx, &wait, err);
    if (status == 0)
        pawl_ring_release(&sleeper->pair.rx);
    return status;
}

static void put(struct sleeper *sleeper)
{
    pawl_ring_claim(&sleeper->pair.tx)->record.bytes = 0;
    pawl_ring_publish(&sleeper->pair.tx);
}

static int ping_asleep(struct sleeper *there, struct sleeper *back, double *trips_ns,
                       struct pawl_err *err)
{
    int status = 0;
    for (int i = 0; i < WAKE_COUNT && status == 0; i++) {
        double start_ns = (double)pawl_clock_now_ns();
        put(there);
        status = take(back, err);
        trips_ns[i] = (double)pawl_clock_now_ns() - start_ns;
    }
    return status;
}

/* Both sides sleep on their doorbell for every record. */
static int run_wakes(struct sleeper *there, struct sleeper *back,
                     struct pawl_bench_samples *wakes, struct pawl_err *err)
{
    double trips_ns[WAKE_COUNT];
    if (!pawl_bench_pin(1, false))
        return pawl_err_set(err, ENOTSUP, "bench: needs two cores");
    pid_t child = fork();
    if (child < 0)
        return pawl_err_set(err, errno, "fork: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pawl_bench_pin(1, true);
        for (int i = 0; i < WAKE_COUNT; i++) {
            if (take(there, NULL) != 0)
                _exit(1);
            put(back);
        }
        _exit(0);
    }
    pawl_bench_pin(0, true);
    int status = ping_asleep(there, back, trips_ns, err);
    pawl_bench_unpin();
    if (status)
        kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (status == 0) {
        pawl_bench_sort(trips_ns, WAKE_COUNT);
        pawl_bench_add(wakes, trips_ns[WAKE_COUNT / 2] / 2);
    }
    return status;
}

static int bench_wakes(uint32_t round_count, FILE *out, struct pawl_err *err)
{
    struct pawl_bench_samples wakes = {.count = 0};
    int status = 0;
    for (uint32_t round = 0; round < round_count && status == 0; round++) {
        struct sleeper there = {0}, back = {0};
        status = open_sleeper(&there, err);
        if (status == 0)
            status = open_sleeper(&back, err);
        if (status == 0)
            status = run_wakes(&there, &back, &wakes, err);
        close_sleeper(&there);
        close_sleeper(&back);
    }
    if (status == 0)
        pawl_bench_print_samples(out, "ring_wake_one_way_p50", &wakes, false, "ns");
    return status;
}

/* A producer whose ring is full, for as long as the bench looks. */
static void be_idle(void)
{
    const struct pawl_wait wait = {.whom = "a reader that does not read",
                                   .timeout_ns = HANG_NS,
                                   .spin_count = pawl_park_spin_count(IDLE_COUNT + 1)};
    struct pawl_bench_pair pair;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pawl_bench_pair_open(&pair, 2, 64, false, NULL) != 0)
        _exit(1);
    while (pawl_ring_claim(&pair.tx))
        pawl_ring_publish(&pair.tx);
    pawl_ring_wait_room(&pair.tx, 1, &wait, NULL);
    _exit(1); /* it has to be killed before */
}

static double cpu_ns_of_children(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
}

/* The processor time of IDLE_COUNT producers that live for so long; with their start and end.
 */
static int idle_for(uint64_t time_ns, double *cpu_ns, struct pawl_err *err)
{
    pid_t children[IDLE_COUNT];
    int child_count = 0, status = 0;
    double before_ns = cpu_ns_of_children();
    for (; child_count < IDLE_COUNT && status == 0; child_count++) {
        children[child_count] = fork();
        if (children[child_count] == 0)
            be_idle();
        if (children[child_count] < 0)
            status = pawl_err_set(err, errno, "fork: %s", strerror(errno));
    }
    if (status)
        child_count--;
    poll(NULL, 0, (int)(time_ns / PAWL_NS_PER_MS));
    for (int i = 0; i < child_count; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    *cpu_ns = cpu_ns_of_children() - before_ns;
    return status;
}

/* The difference of two lives, so that what fork and exit cost does not count. */
static int bench_idle(FILE *out, struct pawl_err *err)
{
    double short_ns, long_ns;
    int status = idle_for(IDLE_NS / 2, &short_ns, err);
    if (status == 0)
        status = idle_for(IDLE_NS / 2 + 2 * IDLE_NS, &long_ns, err);
    if (status == 0)
        fprintf(out, "ring_idle_%d_producers %.3f percent_of_a_core\n", IDLE_COUNT,
                long_ns > short_ns ? 100 * (long_ns - short_ns) / (2.0 * (double)IDLE_NS) : 0);
    return status;
}

int pawl_bench_sleep(uint32_t round_count, FILE *out, struct pawl_err *err)
{
    fflush(out);
    int status = bench_wakes(round_count, out, err);
    pawl_bench_release_cores();
    fflush(out);
    return status ? status : bench_idle(out, err);
}
