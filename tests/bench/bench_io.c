/* What a durable write costs the caller, and what it takes in all; name value unit per line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/durable.h"
#include "runtime/linefile.h"

#define RUN_COUNT   100
#define BIG_BYTES   ((size_t)16 << 20)
#define SMALL_BYTES ((size_t)4 << 10)
#define LINE_COUNT  20000

static const char path[] = "bench_io.tmp";
static unsigned char *bytes;

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* NAME_UNIT is the median, NAME_p99_UNIT the 99th percentile. */
static void print(const char *prefix, const char *name, uint64_t *values_ns, size_t count,
                  double unit_ns, const char *unit)
{
    qsort(values_ns, count, sizeof(*values_ns), compare);
    printf("%s_%s_%s %.2f %s\n", prefix, name, unit, (double)values_ns[count / 2] / unit_ns,
           unit);
    printf("%s_%s_p99_%s %.2f %s\n", prefix, name, unit,
           (double)values_ns[count * 99 / 100] / unit_ns, unit);
}

/* The processor time of this thread: what the call costs it, without being preempted. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * PAWL_NS_PER_S + (uint64_t)now.tv_nsec;
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
    static uint64_t begin_ns[RUN_COUNT], begin_cpu_ns[RUN_COUNT], polls_cpu_ns[RUN_COUNT],
        total_ns[RUN_COUNT];
    struct pawl_durable durable;
    struct pawl_err err = {0};
    if (pawl_durable_open(&durable, pawl_io_sys(), kind, path, &err) != 0)
        give_up(&err);
    printf("# %s: %zu bytes, %s (%s)\n", prefix, byte_count, pawl_io_queue_name(&durable.queue),
           durable.queue.reason);

    for (int i = 0; i < RUN_COUNT; i++) {
        struct iovec part = {bytes, byte_count};
        uint64_t start_cpu_ns = cpu_ns();
        uint64_t start_ns = pawl_clock_now_ns();
        if (pawl_durable_begin(&durable, &part, 1, &err) != 0)
            give_up(&err);
        begin_ns[i] = pawl_clock_now_ns() - start_ns;
        begin_cpu_ns[i] = cpu_ns() - start_cpu_ns;

        enum pawl_durable_state state;
        polls_cpu_ns[i] = 0;
        do {
            usleep(200);
            uint64_t before_ns = cpu_ns();
            state = pawl_durable_poll(&durable, &err);
            uint64_t took_ns = cpu_ns() - before_ns;
            if (took_ns > polls_cpu_ns[i])
                polls_cpu_ns[i] = took_ns;
        } while (state == PAWL_DURABLE_BUSY);
        total_ns[i] = pawl_clock_now_ns() - start_ns;
        if (state != PAWL_DURABLE_DONE)
            give_up(&err);
    }
    print(prefix, "submit", begin_ns, RUN_COUNT, 1e3, "us");
    print(prefix, "submit_cpu", begin_cpu_ns, RUN_COUNT, 1e3, "us");
    print(prefix, "worst_poll_cpu", polls_cpu_ns, RUN_COUNT, 1e3, "us");
    print(prefix, "total", total_ns, RUN_COUNT, 1e6, "ms");
    pawl_durable_close(&durable);
}

static void measure_lines(void)
{
    static uint64_t append_ns[LINE_COUNT];
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    struct pawl_linefile file;
    struct pawl_err err = {0};
    static const char text[] = "{\"step\": 123456, \"loss\": 0.123456789, \"fps\": 1234.5}";
    if (pawl_linefile_open(&file, pawl_io_sys(), path, &cfg, &err) != 0)
        give_up(&err);
    for (int i = 0; i < LINE_COUNT; i++) {
        uint64_t begun_ns = pawl_clock_now_ns();
        if (pawl_linefile_append(&file, text, sizeof(text) - 1, &err) != 0)
            give_up(&err);
        append_ns[i] = pawl_clock_now_ns() - begun_ns;
    }
    print("linefile", "append", append_ns, LINE_COUNT, 1e3, "us");
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
