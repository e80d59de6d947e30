/* bench_stats.c: what one figure costs the process that records it. */
#include "shm/stats.h"

#include <stdio.h>

#include "support/bench.h"

#define RUN_COUNT    1001
#define RECORD_COUNT 4096

enum { COUNTER, GAUGE, HIST, ROW_COUNT };

static const struct pawl_stat_row rows[] = {
    [COUNTER] = {"bench.counter", PAWL_STAT_COUNTER, "", "A counter."},
    [GAUGE] = {"bench.gauge", PAWL_STAT_GAUGE, "", "A gauge."},
    [HIST] = {"bench.hist", PAWL_STAT_HIST, "ns", "A histogram."},
};

static struct pawl_stats stats;
static uint64_t values[RECORD_COUNT];

static void record_all(uint32_t index)
{
    for (size_t i = 0; i < RECORD_COUNT; i++) {
        if (index == COUNTER)
            pawl_stats_add(&stats, COUNTER, values[i]);
        else if (index == GAUGE)
            pawl_stats_set(&stats, GAUGE, (double)values[i]);
        else
            pawl_stats_record(&stats, HIST, values[i]);
        __asm__ volatile("" ::: "memory"); /* each one is stored */
    }
}

int main(void)
{
    static double took_ns[RUN_COUNT];
    struct pawl_err err = {0};
    uint64_t state = 1;
    if (pawl_stats_create(&stats, "bench", rows, ROW_COUNT, &err) != 0) {
        fprintf(stderr, "bench_stats: %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < RECORD_COUNT; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = 1000 + (state >> 33) % 16000;
    }
    for (uint32_t index = 0; index < ROW_COUNT; index++) {
        for (size_t run = 0; run < RUN_COUNT; run++) {
            double start_ns = bench_now_ns();
            record_all(index);
            took_ns[run] = (bench_now_ns() - start_ns) / RECORD_COUNT;
        }
        char name[64];
        snprintf(name, sizeof(name), "stats_%s_ns", rows[index].name + sizeof("bench.") - 1);
        bench_print_spread(name, took_ns, RUN_COUNT, 1.0, "ns");
    }
    pawl_stats_close(&stats);
    return 0;
}
