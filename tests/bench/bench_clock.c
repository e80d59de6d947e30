/* What a reading costs, and how late a 1 kHz loop is: with a plain sleep (the floor that the
 * kernel gives), the same without timer slack, and with pace. */
#include "runtime/pace.h"
#include "runtime/tsc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "support/bench.h"

#define READ_COUNT 20000
#define RUN_COUNT  101
#define TICK_COUNT 3000
#define WARM_UP    1500 /* the tail is learned meanwhile */
#define SLACK_NS   50000ul
#define PERIOD_NS  PAWL_NS_PER_MS

static double samples[TICK_COUNT];

/* Keeps a loop whose results nobody reads. */
static void keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}

static void bench_reading(void)
{
    struct pawl_tsc tsc;
    pawl_tsc_calibrate(&tsc, PAWL_TSC_WINDOW_NS, NULL);
    bench_print("tsc_is_used", tsc.fallback_reason == NULL, "bool");

    for (int run = 0; run < RUN_COUNT; run++) {
        double before_ns = bench_now_ns();
        for (int i = 0; i < READ_COUNT; i++)
            keep(pawl_clock_now_ns());
        samples[run] = (bench_now_ns() - before_ns) / READ_COUNT;
    }
    bench_print_spread("clock_now_ns", samples, RUN_COUNT, 1.0, "ns");
    for (int run = 0; run < RUN_COUNT; run++) {
        double before_ns = bench_now_ns();
        for (int i = 0; i < READ_COUNT; i++)
            keep(pawl_tsc_to_ns(&tsc, pawl_tsc_read(&tsc)));
        samples[run] = (bench_now_ns() - before_ns) / READ_COUNT;
    }
    bench_print_spread("tsc_read_to_ns", samples, RUN_COUNT, 1.0, "ns");
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
        samples[i] = (double)(pawl_clock_now_ns() - due_ns);
    }
    bench_print_spread(name, samples, TICK_COUNT, 1e-3, "us");
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
    double cpu_before_ns = bench_cpu_ns(), before_ns = bench_now_ns();
    for (int i = 0; i < TICK_COUNT; i++)
        samples[i] = (double)pawl_pace_wait(&pace).lateness_ns;
    double cpu_used_ns = bench_cpu_ns() - cpu_before_ns;
    double wall_ns = bench_now_ns() - before_ns;
    bench_print_spread("pace_lateness_us", samples, TICK_COUNT, 1e-3, "us");
    bench_print("pace_spin_tail_us", (double)pace.spin_ns * 1e-3, "us");
    bench_print("pace_skipped", (double)pace.skipped_count, "count");
    bench_print("pace_cpu", 100.0 * cpu_used_ns / wall_ns, "%");
}

int main(void)
{
    bench_reading();
    bench_plain_sleep("nanosleep_lateness_us", SLACK_NS);
    bench_plain_sleep("nanosleep_no_slack_lateness_us", 1);
    bench_pace();
    return 0;
}
