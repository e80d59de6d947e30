/* bench_ring.c: two processes, and all ways of carrying a record between them, in turn. */
#include "shm/bench.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/bench_pair.h"
#include "shm/distance.h"

#define PROBE_NS       (200 * PAWL_NS_PER_MS)
#define TRIP_COUNT_MAX 10000

/* Depth and counts: a ring above twice one core's second-level cache where the record is large,
 * and a trial of 10 to 20 ms. */
const struct pawl_bench_size pawl_bench_sizes[] = {
    {"64B", 64, 4096, 400000, 10000},
    {"1KiB", 1024, 1024, 150000, 6000},
    {"64KiB", 65536, 32, 6000, 1000},
    {"512KiB", 524288, 8, 800, 200},
};
const size_t pawl_bench_size_count = sizeof(pawl_bench_sizes) / sizeof(pawl_bench_sizes[0]);
#define SIZE_COUNT (sizeof(pawl_bench_sizes) / sizeof(pawl_bench_sizes[0]))

enum { CLASS_COUNT = 3 };
static const char *const class_names[CLASS_COUNT] = {"core", "near", "far"};

struct pawl_tsc pawl_bench_tsc;
unsigned char pawl_bench_out[PAWL_BENCH_RECORD_BYTES];
unsigned char pawl_bench_in[PAWL_BENCH_RECORD_BYTES];

struct figures {
    struct pawl_bench_samples rate[CLASS_COUNT], trip_ns[CLASS_COUNT];
};

/* All of one run. */
struct bench {
    const struct pawl_bench_cfg *cfg;
    FILE *out;
    struct figures *figures; /* of each way, each size */
    struct pawl_bench_samples distance_ns[CLASS_COUNT];
    uint64_t *throughput_ns; /* shared: what the other process found */
    size_t dropped_count;
    double trips_ns[TRIP_COUNT_MAX];
};

void pawl_bench_relax(uint32_t *looks)
{
    if (++*looks % 65536 == 0)
        sched_yield();
}

/* --- our ring --- */

#define PAWL_BENCH_NAME(name) ring_##name

static inline __attribute__((always_inline)) void ring_put(void *link, uint64_t value,
                                                           uint32_t bytes)
{
    struct pawl_ring_tx *tx = &((struct pawl_bench_pair *)link)->tx;
    struct pawl_ring_slot *slot;
    uint32_t looks = 0;
    while (!(slot = pawl_ring_claim(tx)))
        pawl_bench_relax(&looks);
    memcpy(pawl_bench_out, &value, sizeof(value));
    pawl_copy_in(tx->copy_method, slot->data, pawl_bench_out, bytes);
    slot->record.bytes = bytes;
    pawl_ring_publish(tx);
}

static inline __attribute__((always_inline)) bool ring_take(void *link, uint64_t value,
                                                            uint32_t bytes)
{
    struct pawl_ring_rx *rx = &((struct pawl_bench_pair *)link)->rx;
    const struct pawl_ring_slot *slot;
    uint32_t looks = 0;
    uint64_t got;
    while (!(slot = pawl_ring_peek(rx)))
        pawl_bench_relax(&looks);
    pawl_copy_out(pawl_ring_copy_method(rx), pawl_bench_in, slot->data, bytes);
    pawl_ring_release(rx);
    memcpy(&got, pawl_bench_in, sizeof(got));
    return got == value;
}

PAWL_BENCH_LOOPS

static int open_ring(void **link, const struct pawl_bench_size *size, uint32_t method,
                     struct pawl_err *err)
{
    struct pawl_bench_pair *pair = malloc(sizeof(*pair));
    if (!pair)
        return pawl_err_set(err, ENOMEM, "bench: out of memory");
    int status = pawl_bench_pair_open(pair, size->slot_count, size->bytes, true, err);
    if (status) {
        free(pair);
        return status;
    }
    pawl_ring_set_copy_method(&pair->tx, (enum pawl_copy_method)method, 0);
    *link = pair;
    return 0;
}

static int open_plain(void **link, const struct pawl_bench_size *size, struct pawl_err *err)
{
    return open_ring(link, size, PAWL_COPY_PLAIN, err);
}

static int open_streaming(void **link, const struct pawl_bench_size *size, struct pawl_err *err)
{
    return open_ring(link, size, PAWL_COPY_STREAMING, err);
}

static void close_ring(void *link)
{
    pawl_bench_pair_close(link);
    free(link);
}

#define OUR_RING                                                                               \
    .close = close_ring, .send = ring_send_all, .receive = ring_receive_all,                   \
    .ping = ring_ping, .pong = ring_pong

const struct pawl_bench_way pawl_bench_ring_plain = {
    .name = "ring_plain", .open = open_plain, OUR_RING};

const struct pawl_bench_way pawl_bench_ring_streaming = {.name = "ring_streaming",
                                                         .bytes_min =
                                                             PAWL_COPY_STREAMING_BYTES_MIN,
                                                         .open = open_streaming,
                                                         OUR_RING};

/* --- one trial --- */

static void echo(const struct pawl_bench_way *way, void *there, void *back,
                 struct pawl_bench_pair *probe, const struct pawl_bench_size *size,
                 uint64_t *throughput_ns)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pawl_bench_pin(1, true);
    if (!pawl_distance_answer(&probe->rx, PROBE_NS))
        _exit(1);
    *throughput_ns = way->receive(there, size);
    way->pong(there, back, size);
    _exit(!pawl_distance_answer(&probe->rx, PROBE_NS));
}

static int class_of(uint32_t ns)
{
    int class = 0;
    while (class < CLASS_COUNT - 1 && strcmp(class_names[class], pawl_bench_class(ns)) != 0)
        class ++;
    return class;
}

static int record_trial(struct bench *bench, const struct pawl_bench_size *size,
                        struct figures *figures, uint32_t before_ns, uint32_t after_ns,
                        struct pawl_err *err)
{
    int class = class_of(before_ns);
    if (!before_ns || !after_ns || class != class_of(after_ns)) {
        bench->dropped_count++;
        return 0;
    }
    if (*bench->throughput_ns == PAWL_BENCH_WRONG)
        return pawl_err_set(err, EIO, "bench: a record is not what was sent");
    uint64_t timed_count = size->record_count - size->record_count / 10 - 1;
    pawl_bench_sort(bench->trips_ns, size->trip_count);
    pawl_bench_add(&figures->rate[class],
                   (double)timed_count * 1e9 / (double)*bench->throughput_ns);
    pawl_bench_add(&figures->trip_ns[class], bench->trips_ns[size->trip_count / 2] / 2);
    pawl_bench_add(&bench->distance_ns[class], before_ns);
    return 0;
}

static int run_between(struct bench *bench, const struct pawl_bench_way *way, void *there,
                       void *back, struct pawl_bench_pair *probe,
                       const struct pawl_bench_size *size, struct figures *figures,
                       struct pawl_err *err)
{
    uint32_t before_ns, after_ns = 0;
    int status;
    /* The child begins on its own core: on ours it would wait until we stop spinning. */
    if (!pawl_bench_pin(1, false))
        return pawl_err_set(err, ENOTSUP, "bench: needs two cores");
    fflush(bench->out);
    pid_t child = fork();
    if (child < 0)
        return pawl_err_set(err, errno, "fork: %s", strerror(errno));
    if (child == 0)
        echo(way, there, back, probe, size, bench->throughput_ns);
    pawl_bench_pin(0, true);
    before_ns = pawl_distance_probe(&probe->tx, PROBE_NS);
    if (before_ns) {
        way->send(there, size);
        way->ping(there, back, size, bench->trips_ns);
        after_ns = pawl_distance_probe(&probe->tx, PROBE_NS);
    }
    pawl_bench_unpin();
    if (!after_ns)
        kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return record_trial(bench, size, figures, before_ns, after_ns, err);
}

static int run_trial(struct bench *bench, const struct pawl_bench_way *way,
                     const struct pawl_bench_size *size, struct figures *figures,
                     struct pawl_err *err)
{
    struct pawl_bench_pair probe;
    void *there, *back;
    int status = pawl_bench_pair_open(&probe, 2, 64, true, err);
    if (status)
        return status;
    status = way->open(&there, size, err);
    if (status == 0) {
        status = way->open(&back, size, err);
        if (status == 0) {
            status = run_between(bench, way, there, back, &probe, size, figures, err);
            way->close(back);
        }
        way->close(there);
    }
    pawl_bench_pair_close(&probe);
    return status;
}

/* --- all --- */

static void print_class(struct bench *bench, int class)
{
    char name[96];
    snprintf(name, sizeof(name), "ring_distance_%s", class_names[class]);
    pawl_bench_print_samples(bench->out, name, &bench->distance_ns[class], false, "ns");
    fprintf(bench->out, "ring_trials_%s %zu count\n", class_names[class],
            bench->distance_ns[class].count);
    for (size_t s = 0; s < SIZE_COUNT; s++)
        for (size_t w = 0; w < bench->cfg->way_count; w++) {
            struct figures *figures = &bench->figures[w * SIZE_COUNT + s];
            snprintf(name, sizeof(name), "%s_%s_%s_rate", bench->cfg->ways[w]->name,
                     pawl_bench_sizes[s].name, class_names[class]);
            pawl_bench_print_samples(bench->out, name, &figures->rate[class], true,
                                     "records/s");
            snprintf(name, sizeof(name), "%s_%s_%s_one_way_p50", bench->cfg->ways[w]->name,
                     pawl_bench_sizes[s].name, class_names[class]);
            pawl_bench_print_samples(bench->out, name, &figures->trip_ns[class], false, "ns");
        }
}

static int run_rounds(struct bench *bench, struct pawl_err *err)
{
    const struct pawl_bench_cfg *cfg = bench->cfg;
    int status = 0;
    for (uint32_t round = 0; round < cfg->round_count; round++)
        for (size_t s = 0; s < SIZE_COUNT; s++)
            for (size_t w = 0; w < cfg->way_count && status == 0; w++)
                if (pawl_bench_sizes[s].bytes >= cfg->ways[w]->bytes_min)
                    status = run_trial(bench, cfg->ways[w], &pawl_bench_sizes[s],
                                       &bench->figures[w * SIZE_COUNT + s], err);
    return status;
}

int pawl_bench_ring(const struct pawl_bench_cfg *cfg, FILE *out, struct pawl_err *err)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct figures *figures = calloc(cfg->way_count * SIZE_COUNT, sizeof(*figures));
    uint64_t *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    if (!bench || !figures || shared == MAP_FAILED) {
        status = pawl_err_set(err, ENOMEM, "bench: out of memory");
    } else {
        bench->cfg = cfg;
        bench->out = out;
        bench->figures = figures;
        bench->throughput_ns = shared;
        pawl_tsc_calibrate(&pawl_bench_tsc, PAWL_TSC_WINDOW_NS, NULL);
        memset(pawl_bench_out, 1, sizeof(pawl_bench_out));
        memset(pawl_bench_in, 1, sizeof(pawl_bench_in));
        status = run_rounds(bench, err);
        pawl_bench_release_cores();
    }
    for (int class = 0; class < CLASS_COUNT && status == 0; class ++)
        print_class(bench, class);
    if (status == 0)
        fprintf(out, "ring_trials_dropped %zu count\n", bench->dropped_count);
    if (shared != MAP_FAILED)
        munmap(shared, sizeof(*shared));
    free(figures);
    free(bench);
    return status;
}
