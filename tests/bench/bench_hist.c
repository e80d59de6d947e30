/* bench_hist.c: what one record costs its writer, over values of four octaves. */
#include "runtime/hist.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUN_COUNT    1001
#define RECORD_COUNT 4096

static struct pawl_hist hist;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static uint64_t values[RECORD_COUNT];
    static double took_ns[RUN_COUNT];
    uint64_t state = 1;

    for (size_t i = 0; i < RECORD_COUNT; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = 1000 + (state >> 33) % 16000;
    }
    for (size_t run = 0; run < RUN_COUNT; run++) {
        double start = now_ns();
        for (size_t i = 0; i < RECORD_COUNT; i++)
            pawl_hist_record(&hist, values[i]);
        took_ns[run] = (now_ns() - start) / RECORD_COUNT;
    }
    qsort(took_ns, RUN_COUNT, sizeof(took_ns[0]), compare);
    printf("hist_record_ns %.2f ns\n", took_ns[RUN_COUNT / 2]);
    printf("hist_record_p99_ns %.2f ns\n", took_ns[RUN_COUNT * 99 / 100]);

    static struct pawl_hist_copy copy;
    double start = now_ns();
    pawl_hist_read(&hist, &copy);
    printf("hist_read_us %.1f us\n", (now_ns() - start) / 1e3);
    return copy.count == (uint64_t)RUN_COUNT * RECORD_COUNT ? 0 : 1;
}
