/* bench_sleep.c: what waiting costs: a wake-up, and being idle. */
#include "shm/bench.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
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

/* One direction of being woken, by one of the wakers. */
struct link {
    struct pawl_bench_pair pair; /* a ring whose reader sleeps on a bell */
    struct pawl_bell bell;
    int fd;                 /* an eventfd and nothing else */
    _Atomic uint32_t *word; /* a word to sleep on and nothing else */
    uint32_t seen;
};

/* The bare ones are what the kernel takes for it: no ring can be faster. */
struct waker {
    const char *name;
    int (*open)(struct link *link, struct pawl_err *err);
    void (*close)(struct link *link);
    void (*wake)(struct link *link);
    bool (*wait)(struct link *link); /* false: nobody came */
};

static int open_ring(struct link *link, struct pawl_err *err)
{
    int status = pawl_bench_pair_open(&link->pair, 64, 64, false, err);
    if (status == 0)
        status = pawl_bell_open(&link->bell, &link->pair.acks, err);
    if (status == 0)
        status = pawl_ring_bind(&link->pair.tx, &link->pair.acks, 0, link->bell.fd, err);
    return status;
}

static void close_ring(struct link *link)
{
    pawl_bell_close(&link->bell);
    pawl_bench_pair_close(&link->pair);
}

static void wake_ring(struct link *link)
{
    pawl_ring_claim(&link->pair.tx)->record.bytes = 0;
    pawl_ring_publish(&link->pair.tx);
}

static bool has_record(void *context)
{
    return pawl_ring_peek(context) != NULL;
}

static bool wait_ring(struct link *link)
{
    const struct pawl_wait wait = {.whom = "the other process", .timeout_ns = HANG_NS};
    if (pawl_bell_wait(&link->bell, has_record, &link->pair.rx, &wait, NULL) != 0)
        return false;
    pawl_ring_release(&link->pair.rx);
    return true;
}

static int open_eventfd(struct link *link, struct pawl_err *err)
{
    link->fd = eventfd(0, EFD_CLOEXEC);
    return link->fd < 0 ? pawl_err_set(err, errno, "eventfd: %s", strerror(errno)) : 0;
}

static void close_eventfd(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
}

static void wake_eventfd(struct link *link)
{
    const uint64_t one = 1;
    ssize_t put = write(link->fd, &one, sizeof(one));
    (void)put; /* the other side finds out */
}

static bool wait_eventfd(struct link *link)
{
    uint64_t count;
    return read(link->fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static int open_futex(struct link *link, struct pawl_err *err)
{
    void *word = mmap(NULL, sizeof(*link->word), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED)
        return pawl_err_set(err, errno, "bench: map: %s", strerror(errno));
    link->word = word;
    return 0;
}

static void close_futex(struct link *link)
{
    if (link->word)
        munmap((void *)(uintptr_t)link->word, sizeof(*link->word));
}

static void wake_futex(struct link *link)
{
    /* The word is all there is to see; release and acquire for form's sake. */
    atomic_fetch_add_explicit(link->word, 1, memory_order_release);
    pawl_park_wake(link->word, 1);
}

static bool wait_futex(struct link *link)
{
    bool is_over = false;
    while (atomic_load_explicit(link->word, memory_order_acquire) == link->seen && !is_over)
        is_over = pawl_park_sleep(link->word, link->seen, HANG_NS);
    link->seen++;
    return !is_over;
}

static const struct waker wakers[] = {
    {"ring", open_ring, close_ring, wake_ring, wait_ring},
    {"eventfd", open_eventfd, close_eventfd, wake_eventfd, wait_eventfd},
    {"futex", open_futex, close_futex, wake_futex, wait_futex},
};
#define WAKER_COUNT (sizeof(wakers) / sizeof(wakers[0]))

static bool ping_asleep(const struct waker *waker, struct link *there, struct link *back,
                        double *trips_ns)
{
    for (int i = 0; i < WAKE_COUNT; i++) {
        double start_ns = (double)pawl_clock_now_ns();
        waker->wake(there);
        if (!waker->wait(back))
            return false;
        trips_ns[i] = (double)pawl_clock_now_ns() - start_ns;
    }
    return true;
}

/* Both sides sleep for every record. */
static int run_wakes(const struct waker *waker, struct link *there, struct link *back,
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
            if (!waker->wait(there))
                _exit(1);
            waker->wake(back);
        }
        _exit(0);
    }
    pawl_bench_pin(0, true);
    bool is_whole = ping_asleep(waker, there, back, trips_ns);
    pawl_bench_unpin();
    if (!is_whole)
        kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (!is_whole)
        return pawl_err_set(err, ETIMEDOUT, "bench: %s: the other process did not wake us",
                            waker->name);
    pawl_bench_sort(trips_ns, WAKE_COUNT);
    pawl_bench_add(wakes, trips_ns[WAKE_COUNT / 2] / 2);
    return 0;
}

static int bench_wakes(uint32_t round_count, FILE *out, struct pawl_err *err)
{
    static struct pawl_bench_samples wakes[WAKER_COUNT];
    int status = 0;
    memset(wakes, 0, sizeof(wakes));
    for (uint32_t i = 0; i < round_count * WAKER_COUNT && status == 0; i++) {
        const struct waker *waker = &wakers[i % WAKER_COUNT];
        struct link there = {.fd = -1}, back = {.fd = -1};
        status = waker->open(&there, err);
        if (status == 0)
            status = waker->open(&back, err);
        if (status == 0)
            status = run_wakes(waker, &there, &back, &wakes[i % WAKER_COUNT], err);
        waker->close(&there);
        waker->close(&back);
    }
    for (size_t i = 0; i < WAKER_COUNT && status == 0; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s_wake_one_way_p50", wakers[i].name);
        pawl_bench_print_samples(out, name, &wakes[i], false, "ns");
    }
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
