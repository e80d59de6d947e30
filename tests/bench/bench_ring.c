/* What a record costs from one process to another: throughput, and one way of a ping-pong, with
 * a copy in and a copy out as every user has them.
 *
 *     bench_ring [ROUNDS]
 *     bench_ring instructions       for ring_instructions.sh: fills and drains, prints nothing
 *
 * The two processes are pinned to two cores and run at real-time priority where that is
 * allowed, in bursts of some 10 ms. How far apart the cores are is probed before and after
 * every trial; a trial whose class changed is dropped, figures of different classes never meet.
 * Every line is `name value unit`; best and median of the rounds. */
#include "shm/distance.h"
#include "shm/park.h"

#include "runtime/clock.h"
#include "runtime/tsc.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/bench.h"

#define ROUNDS_DEFAULT 9
#define ROUNDS_MAX     101
#define WAKE_COUNT     300
#define COUNTED_ROUNDS 10 /* of slot_count records, as in ring_instructions.sh */
#define PROBE_NS       (200 * PAWL_NS_PER_MS)
#define TRIP_COUNT_MAX 10000
#define BUFFER_BYTES   (512u << 10)

struct size {
    const char *name;
    uint32_t bytes, slot_count, record_count, trip_count;
};

/* Depth and counts: a ring above twice one core's second-level cache where the record is large,
 * and a trial of 10 to 20 ms. */
static const struct size sizes[] = {
    {"64B", 64, 4096, 400000, 10000},
    {"1KiB", 1024, 1024, 150000, 6000},
    {"64KiB", 65536, 32, 6000, 1000},
    {"512KiB", 524288, 8, 800, 200},
};
#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]))

enum { PLAIN, STREAMING, METHOD_COUNT };
enum { NEAR, FAR, CLASS_COUNT };
static const char *const class_names[] = {"near", "far"};

struct link {
    struct pawl_segment ring, ring_seen, acks;
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
};

/* What the other process found; read after it has ended. */
struct control {
    uint64_t throughput_ns; /* for the records after the first tenth */
};

struct samples {
    double values[ROUNDS_MAX];
    size_t count;
};

struct figures {
    struct samples rate[CLASS_COUNT], trip_ns[CLASS_COUNT];
};

static struct figures all[SIZE_COUNT][METHOD_COUNT];
static struct samples distance_ns[CLASS_COUNT], wake_ns;
static size_t dropped_count;
static struct pawl_tsc tsc;
static unsigned char out_buffer[BUFFER_BYTES], in_buffer[BUFFER_BYTES];
static double trips[TRIP_COUNT_MAX];

static void give_up(const char *what)
{
    fprintf(stderr, "bench_ring: %s\n", what);
    exit(1);
}

static void add(struct samples *samples, double value)
{
    if (samples->count < ROUNDS_MAX)
        samples->values[samples->count++] = value;
}

static void open_link(struct link *link, const struct size *size, int method)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    const struct pawl_ring_rx_cfg rx_cfg = {0};
    struct pawl_err err = {0};
    cfg.slot_count = size->slot_count;
    cfg.data_bytes = size->bytes;
    if (pawl_ring_create(&link->tx, &link->ring, &cfg, &err) != 0 ||
        pawl_ring_acks_create(&link->acks, 1, true, &err) != 0 ||
        pawl_ring_bind(&link->tx, &link->acks, 0, -1, &err) != 0 ||
        pawl_ring_attach(&link->rx, &link->ring_seen, link->ring.fd, &link->acks, &rx_cfg,
                         &err) != 0)
        give_up(err.text);
    pawl_ring_set_copy_method(&link->tx, (enum pawl_copy_method)method, 0);
}

static void close_link(struct link *link)
{
    pawl_segment_close(&link->ring_seen);
    pawl_segment_close(&link->ring);
    pawl_segment_close(&link->acks);
}

static void relax(uint32_t *looks)
{
    if (++*looks % 65536 == 0)
        sched_yield();
}

/* Inlined with a constant size, as a user's copy of his own struct is. */
static inline __attribute__((always_inline)) void send_record(struct pawl_ring_tx *tx,
                                                              uint64_t value, uint32_t bytes)
{
    struct pawl_ring_slot *slot;
    uint32_t looks = 0;
    while (!(slot = pawl_ring_claim(tx)))
        relax(&looks);
    memcpy(out_buffer, &value, sizeof(value));
    if (tx->copy_method == PAWL_COPY_STREAMING && bytes >= PAWL_COPY_STREAMING_BYTES_MIN)
        pawl_copy_streaming(slot->data, out_buffer, bytes);
    else
        memcpy(slot->data, out_buffer, bytes);
    slot->record.bytes = bytes;
    pawl_ring_publish(tx);
}

static inline __attribute__((always_inline)) void receive_record(struct pawl_ring_rx *rx,
                                                                 uint64_t value, uint32_t bytes)
{
    const struct pawl_ring_slot *slot;
    uint32_t looks = 0;
    uint64_t got;
    while (!(slot = pawl_ring_peek(rx)))
        relax(&looks);
    memcpy(in_buffer, slot->data, bytes);
    pawl_ring_release(rx);
    memcpy(&got, in_buffer, sizeof(got));
    if (got != value)
        give_up("a record is not what was sent");
}

#define FOR_SIZE(bytes, call)                                                                  \
    switch (bytes) {                                                                           \
    case 64:                                                                                   \
        call(64);                                                                              \
        break;                                                                                 \
    case 1024:                                                                                 \
        call(1024);                                                                            \
        break;                                                                                 \
    case 65536:                                                                                \
        call(65536);                                                                           \
        break;                                                                                 \
    default:                                                                                   \
        call(524288);                                                                          \
    }

static void send_all(struct pawl_ring_tx *tx, const struct size *size)
{
#define SEND(bytes)                                                                            \
    for (uint64_t i = 0; i < size->record_count; i++)                                          \
    send_record(tx, i, bytes)
    FOR_SIZE(size->bytes, SEND)
}

static uint64_t receive_all(struct pawl_ring_rx *rx, const struct size *size)
{
    uint64_t start_ticks = 0, warm_count = size->record_count / 10;
#define RECEIVE(bytes)                                                                         \
    for (uint64_t i = 0; i < size->record_count; i++) {                                        \
        receive_record(rx, i, bytes);                                                          \
        if (i == warm_count)                                                                   \
            start_ticks = pawl_tsc_read(&tsc);                                                 \
    }
    FOR_SIZE(size->bytes, RECEIVE)
    return pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc)) - pawl_tsc_to_ns(&tsc, start_ticks);
}

static void play_ping(struct link *there, struct link *back, const struct size *size)
{
#define PING(bytes)                                                                            \
    for (uint64_t i = 0; i < size->trip_count; i++) {                                          \
        uint64_t start_ticks = pawl_tsc_read(&tsc);                                            \
        send_record(&there->tx, i, bytes);                                                     \
        receive_record(&back->rx, i, bytes);                                                   \
        trips[i] = (double)(pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc)) -                        \
                            pawl_tsc_to_ns(&tsc, start_ticks));                                \
    }
    FOR_SIZE(size->bytes, PING)
}

static void play_pong(struct link *there, struct link *back, const struct size *size)
{
#define PONG(bytes)                                                                            \
    for (uint64_t i = 0; i < size->trip_count; i++) {                                          \
        receive_record(&there->rx, i, bytes);                                                  \
        send_record(&back->tx, i, bytes);                                                      \
    }
    FOR_SIZE(size->bytes, PONG)
}

static void pin(int index, bool at_real_time)
{
    static cpu_set_t allowed;
    cpu_set_t one;
    if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        give_up("sched_getaffinity");
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && index-- == 0)
            CPU_SET(cpu, &one);
    if (CPU_COUNT(&one) == 0)
        give_up("needs two cores");
    sched_setaffinity(0, sizeof(one), &one);
    struct sched_param priority = {.sched_priority = 1};
    if (at_real_time) /* allowed or not: without it the figures are noisier */
        sched_setscheduler(0, SCHED_FIFO, &priority);
}

static void unpin_priority(void)
{
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_OTHER, &none);
}

static void echo(struct link *there, struct link *back, const struct size *size,
                 struct control *control)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(1, true);
    if (!pawl_distance_answer(&there->rx, PROBE_NS))
        _exit(1);
    control->throughput_ns = receive_all(&there->rx, size);
    play_pong(there, back, size);
    if (!pawl_distance_answer(&there->rx, PROBE_NS))
        _exit(1);
    _exit(0);
}

static int class_of(uint32_t ns)
{
    return ns <= PAWL_DISTANCE_NEAR_NS_MAX ? NEAR : FAR;
}

static void run_trial(const struct size *size, int method, struct control *control,
                      struct figures *figures)
{
    struct link there, back;
    int status;
    open_link(&there, size, method);
    open_link(&back, size, method);
    /* The child begins on its own core: on ours it would wait until we stop spinning. */
    pin(1, false);
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0)
        echo(&there, &back, size, control);
    pin(0, true);
    uint32_t before_ns = pawl_distance_probe(&there.tx, PROBE_NS);
    uint32_t after_ns = 0;
    if (before_ns) {
        send_all(&there.tx, size);
        play_ping(&there, &back, size);
        after_ns = pawl_distance_probe(&there.tx, PROBE_NS);
    }
    unpin_priority();
    if (!after_ns)
        kill(child, SIGKILL);
    waitpid(child, &status, 0);
    int class = class_of(before_ns);
    if (!after_ns || class != class_of(after_ns)) {
        dropped_count++;
    } else {
        uint64_t timed_count = size->record_count - size->record_count / 10 - 1;
        bench_sort(trips, size->trip_count);
        add(&figures->rate[class], (double)timed_count * 1e9 / (double)control->throughput_ns);
        add(&figures->trip_ns[class], trips[size->trip_count / 2] / 2);
        add(&distance_ns[class], before_ns);
    }
    close_link(&there);
    close_link(&back);
}

static bool has_record(void *context)
{
    return pawl_ring_peek(context) != NULL;
}

static void wait_for_record(struct pawl_bell *bell, struct pawl_ring_rx *rx)
{
    const struct pawl_wait wait = {.whom = "the other process", .timeout_ns = PAWL_NS_PER_S};
    struct pawl_err err = {0};
    if (pawl_bell_wait(bell, has_record, rx, &wait, &err) != 0)
        give_up(err.text);
    pawl_ring_release(rx);
}

static void open_sleeping(struct link *link, struct pawl_bell *bell)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    const struct pawl_ring_rx_cfg rx_cfg = {0};
    struct pawl_err err = {0};
    if (pawl_ring_create(&link->tx, &link->ring, &cfg, &err) != 0 ||
        pawl_ring_acks_create(&link->acks, 1, false, &err) != 0 ||
        pawl_bell_open(bell, &link->acks, &err) != 0 ||
        pawl_ring_bind(&link->tx, &link->acks, 0, bell->fd, &err) != 0 ||
        pawl_ring_attach(&link->rx, &link->ring_seen, link->ring.fd, &link->acks, &rx_cfg,
                         &err) != 0)
        give_up(err.text);
}

/* Both sides sleep on their doorbell for every record. */
static void run_wakes(void)
{
    struct link there, back;
    struct pawl_bell there_bell, back_bell;
    int status;
    open_sleeping(&there, &there_bell);
    open_sleeping(&back, &back_bell);
    /* The child begins on its own core: on ours it would wait until we stop spinning. */
    pin(1, false);
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    pin(child == 0, true);
    for (int i = 0; i < WAKE_COUNT; i++) {
        if (child == 0)
            wait_for_record(&there_bell, &there.rx);
        uint64_t start_ticks = pawl_tsc_read(&tsc);
        struct pawl_ring_tx *tx = child == 0 ? &back.tx : &there.tx;
        pawl_ring_claim(tx)->record.bytes = 0;
        pawl_ring_publish(tx);
        if (child != 0)
            wait_for_record(&back_bell, &back.rx);
        trips[i] = (double)(pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc)) -
                            pawl_tsc_to_ns(&tsc, start_ticks));
    }
    if (child == 0)
        _exit(0);
    unpin_priority();
    waitpid(child, &status, 0);
    bench_sort(trips, WAKE_COUNT);
    add(&wake_ns, trips[WAKE_COUNT / 2] / 2);
    pawl_bell_close(&there_bell);
    pawl_bell_close(&back_bell);
    close_link(&there);
    close_link(&back);
}

/* The best is the highest of a rate, the lowest of a time. */
static void print(const char *name, struct samples *samples, bool is_rate, const char *unit)
{
    if (!samples->count)
        return;
    bench_sort(samples->values, samples->count);
    printf("%s_best %.1f %s\n", name, samples->values[is_rate ? samples->count - 1 : 0], unit);
    printf("%s_median %.1f %s\n", name, samples->values[samples->count / 2], unit);
}

static void print_all(void)
{
    char name[96];
    for (int class = NEAR; class <= FAR; class ++) {
        snprintf(name, sizeof(name), "ring_distance_%s", class_names[class]);
        print(name, &distance_ns[class], false, "ns");
        printf("ring_trials_%s %zu count\n", class_names[class], distance_ns[class].count);
        for (size_t s = 0; s < SIZE_COUNT; s++)
            for (int method = PLAIN; method < METHOD_COUNT; method++) {
                const char *method_name = pawl_copy_method_name((uint32_t)method);
                snprintf(name, sizeof(name), "ring_%s_%s_%s_rate", sizes[s].name, method_name,
                         class_names[class]);
                print(name, &all[s][method].rate[class], true, "records/s");
                snprintf(name, sizeof(name), "ring_%s_%s_%s_one_way_p50", sizes[s].name,
                         method_name, class_names[class]);
                print(name, &all[s][method].trip_ns[class], false, "ns");
            }
    }
    printf("ring_trials_dropped %zu count\n", dropped_count);
    print("ring_wake_one_way_p50", &wake_ns, false, "ns");
}

/* Counted one by one by callgrind, so they are functions of their own. The reader never sleeps
 * and the payload is left out: what remains is the ring. */
static __attribute__((noinline)) void fill_ring(struct pawl_ring_tx *tx, uint32_t count)
{
    while (count-- > 0) {
        pawl_ring_claim(tx)->record.bytes = 0;
        pawl_ring_publish(tx);
    }
}

static __attribute__((noinline)) uint64_t drain_ring(struct pawl_ring_rx *rx, uint32_t count)
{
    uint64_t sum = 0;
    while (count-- > 0) {
        sum += pawl_ring_peek(rx)->record.bytes;
        pawl_ring_release(rx);
    }
    return sum;
}

static void run_for_instructions(void)
{
    struct link link;
    uint64_t sum = 0;
    open_link(&link, &sizes[0], PLAIN);
    for (int i = 0; i < COUNTED_ROUNDS; i++) {
        fill_ring(&link.tx, sizes[0].slot_count);
        sum += drain_ring(&link.rx, sizes[0].slot_count);
    }
    if (sum != 0)
        give_up("a record is not what was sent");
    close_link(&link);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "instructions") == 0) {
        run_for_instructions();
        return 0;
    }
    long round_count = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    if (round_count < 1 || round_count > ROUNDS_MAX)
        give_up("ROUNDS must be 1 to 101");
    struct control *control =
        mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED)
        give_up("mmap");
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    memset(out_buffer, 1, sizeof(out_buffer));
    memset(in_buffer, 1, sizeof(in_buffer));
    for (long round = 0; round < round_count; round++) {
        for (size_t s = 0; s < SIZE_COUNT; s++)
            for (int method = PLAIN; method < METHOD_COUNT; method++)
                if (method == PLAIN || sizes[s].bytes >= PAWL_COPY_STREAMING_BYTES_MIN)
                    run_trial(&sizes[s], method, control, &all[s][method]);
        run_wakes();
    }
    print_all();
    munmap(control, sizeof(*control));
    return 0;
}
