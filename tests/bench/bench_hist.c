/* bench_hist.c: what one record costs its writer, over values of four octaves. */
#include "runtime/hist.h"

#include "support/bench.h"

#define RUN_COUNT    1001
#define RECORD_COUNT 4096

static struct pawl_hist hist;

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
        double start = bench_now_ns();
        for (size_t i = 0; i < RECORD_COUNT; i++)
            pawl_hist_record(&hist, values[i]);
        took_ns[run] = (bench_now_ns() - start) / RECORD_COUNT;
    }
    bench_print_spread("hist_record_ns", took_ns, RUN_COUNT, 1.0, "ns");

    static struct pawl_hist_copy copy;
    double start = bench_now_ns();
    pawl_hist_read(&hist, &copy);
    bench_print("hist_read_us", (bench_now_ns() - start) / 1e3, "us");
    return copy.count == (uint64_t)RUN_COUNT * RECORD_COUNT ? 0 : 1;
}
