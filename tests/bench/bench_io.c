/* What a durable write costs the caller, and what it takes in all; name value unit per line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/durable.h"
#include "runtime/linefile.h"
#include "support/bench.h"

#define RUN_COUNT   100
#define BIG_BYTES   ((size_t)16 << 20)
#define SMALL_BYTES ((size_t)4 << 10)
#define LINE_COUNT  20000

static const char path[] = "bench_io.tmp";
static unsigned char *bytes;

static void print(const char *prefix, const char *what, double *values_ns, size_t count,
                  double scale, const char *unit)
{
    char name[96];
    snprintf(name, sizeof(name), "%s_%s_%s", prefix, what, unit);
    bench_print_spread(name, values_ns, count, scale, unit);
}

static void give_up(const struct pawl_err *err)
{
    fprintf(stderr, "bench_io: %s\n", err->text);
    unlink(path);
    exit(1);
}

/* Begins, then polls every 200 us like a loop that has other work. */
static void measure(const char *prefix, enum pawl_io_queue_kind kind, size_t byte_count)
{
    static double begin_ns[RUN_COUNT], begin_cpu_ns[RUN_COUNT], polls_cpu_ns[RUN_COUNT],
        total_ns[RUN_COUNT];
    struct pawl_durable durable;
    struct pawl_err err = {0};
    if (pawl_durable_open(&durable, pawl_io_sys(), kind, path, &err) != 0)
        give_up(&err);
    printf("# %s: %zu bytes, %s (%s)\n", prefix, byte_count, pawl_io_queue_name(&durable.queue),
           durable.queue.reason);

    for (int i = 0; i < RUN_COUNT; i++) {
        struct iovec part = {bytes, byte_count};
        double start_cpu_ns = bench_cpu_ns();
        double start_ns = bench_now_ns();
        if (pawl_durable_begin(&durable, &part, 1, &err) != 0)
            give_up(&err);
        begin_ns[i] = bench_now_ns() - start_ns;
        begin_cpu_ns[i] = bench_cpu_ns() - start_cpu_ns;

        enum pawl_durable_state state;
        polls_cpu_ns[i] = 0;
        do {
            usleep(200);
            double before_ns = bench_cpu_ns();
            state = pawl_durable_poll(&durable, &err);
            double took_ns = bench_cpu_ns() - before_ns;
            if (took_ns > polls_cpu_ns[i])
                polls_cpu_ns[i] = took_ns;
        } while (state == PAWL_DURABLE_BUSY);
        total_ns[i] = bench_now_ns() - start_ns;
        if (state != PAWL_DURABLE_DONE)
            give_up(&err);
    }
    print(prefix, "submit", begin_ns, RUN_COUNT, 1e-3, "us");
    print(prefix, "submit_cpu", begin_cpu_ns, RUN_COUNT, 1e-3, "us");
    print(prefix, "worst_poll_cpu", polls_cpu_ns, RUN_COUNT, 1e-3, "us");
    print(prefix, "total", total_ns, RUN_COUNT, 1e-6, "ms");
    pawl_durable_close(&durable);
}

static void measure_lines(void)
{
    static double append_ns[LINE_COUNT];
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    struct pawl_linefile file;
    struct pawl_err err = {0};
    static const char text[] = "{\"step\": 123456, \"loss\": 0.123456789, \"fps\": 1234.5}";
    if (pawl_linefile_open(&file, pawl_io_sys(), path, &cfg, &err) != 0)
        give_up(&err);
    for (int i = 0; i < LINE_COUNT; i++) {
        double begun_ns = bench_now_ns();
        if (pawl_linefile_append(&file, text, sizeof(text) - 1, &err) != 0)
            give_up(&err);
        append_ns[i] = bench_now_ns() - begun_ns;
    }
    print("linefile", "append", append_ns, LINE_COUNT, 1e-3, "us");
    pawl_linefile_close(&file);
}

int main(void)
{
    bytes = malloc(BIG_BYTES);
    if (!bytes)
        return 1;
    memset(bytes, 'x', BIG_BYTES);
    measure("durable", PAWL_IO_QUEUE_AUTO, BIG_BYTES);
    measure("durable_small", PAWL_IO_QUEUE_AUTO, SMALL_BYTES);
    measure("durable_thread", PAWL_IO_QUEUE_THREAD, BIG_BYTES);
    measure("durable_thread_small", PAWL_IO_QUEUE_THREAD, SMALL_BYTES);
    measure("durable_inline", PAWL_IO_QUEUE_INLINE, BIG_BYTES);
    measure("durable_inline_small", PAWL_IO_QUEUE_INLINE, SMALL_BYTES);
    unlink(path);
    measure_lines();
    unlink(path);
    free(bytes);
    return 0;
}
