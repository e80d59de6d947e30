/* Loading a configuration of 1 MB: every line a known key, every value checked and kept. */
#include "runtime/cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROW_COUNT  24000
#define RUN_COUNT  15
#define KEY_BYTES  32
#define FILE_BYTES 1000000

struct fields {
    double values[ROW_COUNT];
};

static char keys[ROW_COUNT][KEY_BYTES];
static struct pawl_cfg_row rows[ROW_COUNT];
static const struct pawl_cfg_table table = {.name = "bench",
                                            .help = "Many keys.",
                                            .rows = rows,
                                            .row_count = ROW_COUNT,
                                            .fields_bytes = sizeof(struct fields)};
static const struct pawl_cfg_table *const tables[] = {&table, NULL};

static void make_rows(void)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        snprintf(keys[i], KEY_BYTES, "bench.some_setting_%zu", i);
        rows[i] = (struct pawl_cfg_row){.key = keys[i],
                                        .type = PAWL_CFG_F64,
                                        .offset = i * sizeof(double),
                                        .field_bytes = sizeof(double),
                                        .max.f64 = 1e9,
                                        .standard_text = "",
                                        .unit = "",
                                        .help = "A setting."};
    }
}

static void write_file(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        abort();
    fprintf(file, "[bench]\n");
    for (size_t i = 0; i < ROW_COUNT; i++)
        fprintf(file, "some_setting_%zu = %.6f  # line\n", i, (double)i * 1.001);
    while (ftell(file) < FILE_BYTES)
        fprintf(file, "# filled up to a megabyte\n");
    if (fclose(file) != 0)
        abort();
}

static double now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(void)
{
    char path[] = "/tmp/pawl_bench_cfg_XXXXXX";
    double took_ms[RUN_COUNT], cpu_ms[RUN_COUNT];
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    make_rows();
    write_file(path);
    for (int i = 0; i < RUN_COUNT; i++) {
        struct pawl_cfg *cfg;
        struct pawl_err err = {0};
        struct pawl_cfg_source source = {.path = path};
        double start_ms = now_ms(CLOCK_MONOTONIC);
        double cpu_start_ms = now_ms(CLOCK_THREAD_CPUTIME_ID);

        if (pawl_cfg_open(&cfg, tables, &source, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            unlink(path);
            return 1;
        }
        took_ms[i] = now_ms(CLOCK_MONOTONIC) - start_ms;
        cpu_ms[i] = now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu_start_ms;
        pawl_cfg_close(cfg);
    }
    unlink(path);
    qsort(took_ms, RUN_COUNT, sizeof(took_ms[0]), compare);
    qsort(cpu_ms, RUN_COUNT, sizeof(cpu_ms[0]), compare);
    printf("cfg_parse_1mb_ms %.1f ms\n", took_ms[RUN_COUNT / 2]);
    printf("cfg_parse_1mb_cpu_ms %.1f ms\n", cpu_ms[RUN_COUNT / 2]);
    printf("cfg_parse_1mb_max_ms %.1f ms\n", took_ms[RUN_COUNT - 1]);
    return 0;
}
