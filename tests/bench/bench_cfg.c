/* Loading a configuration of 1 MB: every line a known key, every value checked and kept. */
#include "runtime/cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/bench.h"

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

int main(void)
{
    char path[] = "/tmp/pawl_bench_cfg_XXXXXX";
    double took_ns[RUN_COUNT], cpu_ns[RUN_COUNT];
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
        double start_ns = bench_now_ns();
        double cpu_start_ns = bench_cpu_ns();

        if (pawl_cfg_open(&cfg, tables, &source, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            unlink(path);
            return 1;
        }
        took_ns[i] = bench_now_ns() - start_ns;
        cpu_ns[i] = bench_cpu_ns() - cpu_start_ns;
        pawl_cfg_close(cfg);
    }
    unlink(path);
    bench_print_spread("cfg_parse_1mb_ms", took_ns, RUN_COUNT, 1e-6, "ms");
    bench_print_spread("cfg_parse_1mb_cpu_ms", cpu_ns, RUN_COUNT, 1e-6, "ms");
    return 0;
}
