#include "shm/bench_pair.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/distance.h"

#define PROBE_NS    (200 * PAWL_NS_PER_MS)
#define CORE_NS_MAX 35 /* 25 is what a core shows */

static cpu_set_t allowed; /* none: not asked yet */

int pawl_bench_pair_open(struct pawl_bench_pair *pair, uint32_t slot_count, uint32_t data_bytes,
                         bool never_sleeps, struct pawl_err *err)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    const struct pawl_ring_rx_cfg rx_cfg = {0};
    cfg.slot_count = slot_count;
    cfg.data_bytes = data_bytes;
    *pair = (struct pawl_bench_pair){0};
    if (pawl_ring_create(&pair->tx, &pair->ring, &cfg, err) != 0 ||
        pawl_ring_acks_create(&pair->acks, 1, never_sleeps, err) != 0 ||
        pawl_ring_bind(&pair->tx, &pair->acks, 0, -1, err) != 0 ||
        pawl_ring_attach(&pair->rx, &pair->ring_seen, pair->ring.fd, &pair->acks, &rx_cfg,
                         err) != 0) {
        pawl_bench_pair_close(pair);
        return pawl_err_wrap(err, "bench");
    }
    return 0;
}

void pawl_bench_pair_close(struct pawl_bench_pair *pair)
{
    pawl_segment_close(&pair->ring_seen);
    pawl_segment_close(&pair->ring);
    pawl_segment_close(&pair->acks);
}

bool pawl_bench_pin(int index, bool at_real_time)
{
    cpu_set_t one;
    if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return false;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && index-- == 0)
            CPU_SET(cpu, &one);
    if (CPU_COUNT(&one) == 0)
        return false;
    sched_setaffinity(0, sizeof(one), &one);
    struct sched_param priority = {.sched_priority = 1};
    if (at_real_time)
        sched_setscheduler(0, SCHED_FIFO, &priority);
    return true;
}

void pawl_bench_unpin(void)
{
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_OTHER, &none);
}

void pawl_bench_release_cores(void)
{
    if (CPU_COUNT(&allowed))
        sched_setaffinity(0, sizeof(allowed), &allowed);
}

int pawl_bench_distance(uint32_t *distance_ns, struct pawl_err *err)
{
    struct pawl_bench_pair pair;
    *distance_ns = 0;
    int status = pawl_bench_pair_open(&pair, 2, 64, true, err);
    if (status)
        return status;
    /* As in bench_ring.c: the child begins on its own core. */
    pid_t child = pawl_bench_pin(1, false) ? fork() : -1;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pawl_bench_pin(1, true);
        _exit(!pawl_distance_answer(&pair.rx, PROBE_NS));
    }
    if (child > 0) {
        pawl_bench_pin(0, true);
        *distance_ns = pawl_distance_probe(&pair.tx, PROBE_NS);
        pawl_bench_unpin();
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    pawl_bench_pair_close(&pair);
    return child > 0 ? 0 : pawl_err_set(err, ENOTSUP, "bench: needs two cores");
}

const char *pawl_bench_class(uint32_t distance_ns)
{
    return distance_ns && distance_ns <= CORE_NS_MAX ? "core"
                                                     : pawl_distance_class(distance_ns);
}

void pawl_bench_add(struct pawl_bench_samples *samples, double value)
{
    if (samples->count < PAWL_BENCH_ROUNDS_MAX)
        samples->values[samples->count++] = value;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void pawl_bench_sort(double *values, size_t count)
{
    qsort(values, count, sizeof(values[0]), ascending);
}

void pawl_bench_print_samples(FILE *out, const char *name, struct pawl_bench_samples *samples,
                              bool is_rate, const char *unit)
{
    if (!samples->count)
        return;
    pawl_bench_sort(samples->values, samples->count);
    fprintf(out, "%s_best %.1f %s\n", name, samples->values[is_rate ? samples->count - 1 : 0],
            unit);
    fprintf(out, "%s_median %.1f %s\n", name, samples->values[samples->count / 2], unit);
}
