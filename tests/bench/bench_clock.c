/* What a reading costs, and how late a 1 kHz loop is: with a plain sleep (the floor that the
 * kernel gives), the same without timer slack, and with pace. */
#include "runtime/pace.h"
#include "runtime/tsc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define READ_COUNT 20000
#define RUN_COUNT  101
#define TICK_COUNT 3000
#define WARM_UP    1500 /* the tail is learned meanwhile */
#define SLACK_NS   50000ul
#define PERIOD_NS  PAWL_NS_PER_MS

static uint64_t samples[TICK_COUNT];

/* Keeps a loop whose results nobody reads. */
static void keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, size_t count, double scale, const char *unit)
{
    qsort(samples, count, sizeof(samples[0]), ascending);
    printf("%s_p50 %.2f %s\n", name, (double)samples[count / 2] * scale, unit);
    printf("%s_p99 %.2f %s\n", name, (double)samples[count * 99 / 100] * scale, unit);
}

static void bench_reading(void)
{
    struct pawl_tsc tsc;
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    printf("tsc_is_used %d bool\n", tsc.fallback_reason == NULL);

    for (int run = 0; run < RUN_COUNT; run++) {
        uint64_t before_ns = pawl_clock_now_ns();
        for (int i = 0; i < READ_COUNT; i++)
            keep(pawl_clock_now_ns());
        samples[run] = pawl_clock_now_ns() - before_ns;
    }
    print("clock_now_ns", RUN_COUNT, 1.0 / READ_COUNT, "ns");
    for (int run = 0; run < RUN_COUNT; run++) {
        uint64_t before_ns = pawl_clock_now_ns();
        for (int i = 0; i < READ_COUNT; i++)
            keep(pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc)));
        samples[run] = pawl_clock_now_ns() - before_ns;
    }
    print("tsc_read_to_ns", RUN_COUNT, 1.0 / READ_COUNT, "ns");
}

static void bench_plain_sleep(const char *name, unsigned long slack_ns)
{
    prctl(PR_SET_TIMERSLACK, slack_ns);
    uint64_t due_ns = pawl_clock_now_ns() + PERIOD_NS;
    for (int i = 0; i < TICK_COUNT; i++, due_ns += PERIOD_NS) {
        struct timespec due = {.tv_sec = (time_t)(due_ns / PAWL_NS_PER_S),
                               .tv_nsec = (long)(due_ns % PAWL_NS_PER_S)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
            ;
        samples[i] = pawl_clock_now_ns() - due_ns;
    }
    print(name, TICK_COUNT, 1e-3, "us");
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * PAWL_NS_PER_S +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * PAWL_NS_PER_US;
}

static void bench_pace(void)
{
    struct pawl_pace_cfg cfg = pawl_pace_default_cfg(PERIOD_NS);
    struct pawl_pace pace;
    struct pawl_err err = {0};
    if (pawl_pace_start(&pace, &cfg, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    for (int i = 0; i < WARM_UP; i++)
        pawl_pace_wait(&pace);
    uint64_t cpu_before_ns = cpu_ns(), before_ns = pawl_clock_now_ns();
    for (int i = 0; i < TICK_COUNT; i++)
        samples[i] = pawl_pace_wait(&pace).lateness_ns;
    uint64_t cpu_used_ns = cpu_ns() - cpu_before_ns;
    uint64_t wall_ns = pawl_clock_now_ns() - before_ns;
    print("pace_lateness", TICK_COUNT, 1e-3, "us");
    printf("pace_spin_tail %.1f us\n", (double)pace.spin_ns * 1e-3);
    printf("pace_skipped %llu count\n", (unsigned long long)pace.skipped_count);
    printf("pace_cpu %.1f %%\n", 100.0 * (double)cpu_used_ns / (double)wall_ns);
}

int main(void)
{
    bench_reading();
    bench_plain_sleep("nanosleep_lateness", SLACK_NS);
    bench_plain_sleep("nanosleep_no_slack_lateness", 1);
    bench_pace();
    return 0;
}
