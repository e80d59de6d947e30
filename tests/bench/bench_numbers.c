/* bench_numbers.c: what a draw of each kind costs, and what a checksum costs per byte. */
#include "runtime/crc32c.h"
#include "runtime/philox.h"
#include "runtime/rng.h"
#include "runtime/sha256.h"

#include "support/bench.h"

#define RUN_COUNT  301
#define DRAW_COUNT 4096
#define DATA_BYTES 65536

static struct pawl_rng rng;
static struct pawl_philox philox;
static unsigned char data[DATA_BYTES];
static volatile double sink; /* keeps the draws from being optimised away */

static void print_draws(const char *name, double run(void), double parts, const char *unit)
{
    static double took_ns[RUN_COUNT];

    for (int i = 0; i < RUN_COUNT; i++) {
        double start = bench_now_ns();
        sink = run();
        took_ns[i] = (bench_now_ns() - start) / parts;
    }
    bench_print_spread(name, took_ns, RUN_COUNT, 1.0, unit);
}

#define DRAWS(name, draw)                                                                      \
    static double name(void)                                                                   \
    {                                                                                          \
        double sum = 0;                                                                        \
        for (int i = 0; i < DRAW_COUNT; i++)                                                   \
            sum += (double)(draw);                                                             \
        return sum;                                                                            \
    }

DRAWS(pcg64_doubles, pawl_rng_double(&rng))
DRAWS(pcg64_integers, pawl_rng_integer(&rng, 0, 999))
DRAWS(pcg64_normals, pawl_rng_normal(&rng))
DRAWS(philox_doubles, pawl_philox_double(&philox))
DRAWS(philox_normals, pawl_philox_normal(&philox))

static double crc32c_of_data(void)
{
    return pawl_crc32c(0, data, sizeof(data));
}

static double crc32c_by_table_of_data(void)
{
    return pawl_crc32c_by_table(0, data, sizeof(data));
}

static double sha256_of_data(void)
{
    uint8_t digest[PAWL_SHA256_BYTES];
    pawl_sha256(data, sizeof(data), digest);
    return digest[0];
}

int main(void)
{
    pawl_rng_seed(&rng, 1);
    pawl_philox_open(&philox, 1, 0, 0);
    double start = bench_now_ns();
    sink = pawl_rng_normal(&rng);
    bench_print("normal_first_us", (bench_now_ns() - start) / 1e3, "us");
    print_draws("pcg64_double_ns", pcg64_doubles, DRAW_COUNT, "ns");
    print_draws("pcg64_integer_ns", pcg64_integers, DRAW_COUNT, "ns");
    print_draws("pcg64_normal_ns", pcg64_normals, DRAW_COUNT, "ns");
    print_draws("philox_double_ns", philox_doubles, DRAW_COUNT, "ns");
    print_draws("philox_normal_ns", philox_normals, DRAW_COUNT, "ns");
    print_draws("crc32c_ns_per_byte", crc32c_of_data, DATA_BYTES, "ns");
    print_draws("crc32c_by_table_ns_per_byte", crc32c_by_table_of_data, DATA_BYTES, "ns");
    print_draws("sha256_ns_per_byte", sha256_of_data, DATA_BYTES, "ns");
    return 0;
}
