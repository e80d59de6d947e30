/* bench_stats.c: what one figure costs the process that records it. */
#include "shm/stats.h"

#include "runtime/clock.h"

#include <stdio.h>
#include <stdlib.h>

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

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

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
            uint64_t start_ns = pawl_clock_now_ns();
            record_all(index);
            took_ns[run] = (double)(pawl_clock_now_ns() - start_ns) / RECORD_COUNT;
        }
        qsort(took_ns, RUN_COUNT, sizeof(took_ns[0]), compare);
        printf("stats_%s_p50 %.2f ns\n", rows[index].name + sizeof("bench.") - 1,
               took_ns[RUN_COUNT / 2]);
        printf("stats_%s_p99 %.2f ns\n", rows[index].name + sizeof("bench.") - 1,
               took_ns[RUN_COUNT * 99 / 100]);
    }
    pawl_stats_close(&stats);
    return 0;
}
