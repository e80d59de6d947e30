/* What a line costs the thread that logs it: while the writer sleeps, while it is writing, and
 * when the line is not wanted, or an error that wakes the writer. */
#include "runtime/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "support/bench.h"

#define LINE_COUNT 2000

static double samples[LINE_COUNT];
static atomic_bool is_enough;

static void nap_us(long duration_us)
{
    nanosleep(&(struct timespec){.tv_nsec = duration_us * 1000}, NULL);
}

static void bench_idle_with_a_fraction(void)
{
    for (uint64_t i = 0; i < LINE_COUNT; i++) {
        double before_ns = bench_now_ns();
        pawl_log_info("published", "version=%" PRIu64 " took_ms=%.1f", i, 3.2);
        samples[i] = bench_now_ns() - before_ns;
        nap_us(1000);
    }
    bench_print_spread("log_line_fraction_ns", samples, LINE_COUNT, 1.0, "ns");
}

static void bench(const char *name, long pause_us)
{
    for (uint64_t i = 0; i < LINE_COUNT; i++) {
        double before_ns = bench_now_ns();
        pawl_log_info("published", "version=%" PRIu64 " bytes=%zu", i, (size_t)1048576);
        samples[i] = bench_now_ns() - before_ns;
        if (pause_us)
            nap_us(pause_us);
        else if (i % 64 == 63)
            pawl_log_flush(PAWL_NS_PER_S); /* a burst that the queue holds */
    }
    bench_print_spread(name, samples, LINE_COUNT, 1.0, "ns");
}

/* Keeps the writer at work: a flush wakes it. */
static void *keep_busy(void *arg)
{
    while (!atomic_load(&is_enough)) {
        for (int i = 0; i < 16; i++)
            pawl_log_info("busy", "i=%d", i);
        pawl_log_flush(PAWL_NS_PER_S);
    }
    return arg;
}

static void bench_busy(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, keep_busy, NULL) != 0)
        exit(1);
    bench("log_line_busy_writer_ns", 100);
    atomic_store(&is_enough, true);
    pthread_join(thread, NULL);
}

static void bench_unwanted(void)
{
    for (uint64_t i = 0; i < LINE_COUNT; i++) {
        double before_ns = bench_now_ns();
        for (int j = 0; j < 100; j++)
            pawl_log_debug("not wanted", "i=%d", j);
        samples[i] = (bench_now_ns() - before_ns) / 100;
    }
    bench_print_spread("log_line_unwanted_ns", samples, LINE_COUNT, 1.0, "ns");
}

static void bench_wake(void)
{
    /* From several places, or they would only be counted. */
    size_t count = 0;
    for (int i = 0; i < 8; i++) {
        double at_ns[6];
        at_ns[0] = bench_now_ns();
        pawl_log_error("a", "i=%d", i);
        at_ns[1] = bench_now_ns();
        nap_us(2000);
        at_ns[2] = bench_now_ns();
        pawl_log_error("b", "i=%d", i);
        at_ns[3] = bench_now_ns();
        nap_us(2000);
        at_ns[4] = bench_now_ns();
        pawl_log_error("c", "i=%d", i);
        at_ns[5] = bench_now_ns();
        nap_us(2000);
        for (int j = 0; j < 6; j += 2)
            samples[count++] = at_ns[j + 1] - at_ns[j];
    }
    bench_print_spread("log_error_line_ns", samples, count, 1.0, "ns");
}

int main(void)
{
    char path[] = "/tmp/pawl_bench_log_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    struct pawl_log_cfg cfg = pawl_log_default_cfg("bench");
    cfg.path = path;
    cfg.stderr_level = PAWL_LOG_OFF;
    struct pawl_err err = {0};
    if (pawl_log_start(&cfg, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }

    bench("log_line_ns", 1000);
    bench_idle_with_a_fraction();
    bench("log_line_burst_ns", 0);
    bench_busy();
    bench_unwanted();
    bench_wake();

    struct pawl_log_counts counts = pawl_log_read_counts();
    bench_print("log_dropped", (double)counts.dropped_full_count, "count");
    pawl_log_stop();
    unlink(path);
    return 0;
}
