/* bench_products.c: matrix products of a learner, by the kernels of this processor and by the
 * BLAS in turn, one thread: which of them pawl_blas_choose() should take.
 *
 *     product_nt_256_256_22_own_us      y (256, 256) = a (256, 22) b^T, median
 *     product_nt_256_256_22_blas_us
 *     product_nt_256_256_22_ratio       own over BLAS, the median over pairs
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/blas.h"
#include "policy/cpu.h"
#include "runtime/philox.h"
#include "support/bench.h"

#define RUN_COUNT    51
#define FLOATS_MAX   (1024u * 1024u)
#define RUN_FLOPS    2e7 /* the products of a run together, at least */
#define REPEAT_COUNT 64u

static const struct pawl_cpu_kernels *kernels;
static const struct pawl_blas *blas;
static float *a, *b, *y, *room;

/* a or b is turned: 't', not: 'n'; rows and columns of y, and what is summed over. */
static const struct shape {
    char a, b;
    uint32_t m, n, k;
} shapes[] = {
    {'n', 't', 256, 256, 256},   {'n', 'n', 256, 256, 256},   {'t', 'n', 256, 256, 256},
    {'n', 't', 256, 512, 22},    {'t', 'n', 512, 22, 256},    {'n', 't', 256, 8, 256},
    {'n', 'n', 256, 4, 512},     {'n', 't', 64, 256, 256},    {'n', 'n', 64, 256, 256},
    {'t', 'n', 256, 256, 64},    {'n', 't', 256, 512, 512},   {'n', 't', 256, 1024, 1024},
    {'n', 'n', 256, 1024, 1024}, {'t', 'n', 1024, 1024, 256}, {'n', 'n', 256, 18, 256},
};

static void run_own(const struct shape *shape)
{
    struct pawl_cpu_product product = {
        .y = y,
        .a = a,
        .b = b,
        .y_stride = shape->n,
        .a_stride = shape->a == 't' ? shape->m : shape->k,
        .b_stride = shape->b == 't' ? shape->k : shape->n,
        .m = shape->m,
        .n = shape->n,
        .k = shape->k,
        .a_is_turned = shape->a == 't',
        .b_is_turned = shape->b == 't',
    };
    kernels->product(&product, room);
}

static void run_blas(const struct shape *shape)
{
    blas->sgemm(PAWL_BLAS_ROW_MAJOR, shape->a == 't' ? PAWL_BLAS_TRANSPOSE : PAWL_BLAS_AS_IS,
                shape->b == 't' ? PAWL_BLAS_TRANSPOSE : PAWL_BLAS_AS_IS, (int)shape->m,
                (int)shape->n, (int)shape->k, 1.0f, a,
                (int)(shape->a == 't' ? shape->m : shape->k), b,
                (int)(shape->b == 't' ? shape->k : shape->n), 0.0f, y, (int)shape->n);
}

static double took_ns(void (*run)(const struct shape *shape), const struct shape *shape)
{
    double flops = 2.0 * shape->m * shape->n * shape->k;
    uint32_t count =
        flops * REPEAT_COUNT < RUN_FLOPS ? REPEAT_COUNT : 1 + (uint32_t)(RUN_FLOPS / flops);
    double start_ns = bench_cpu_ns();
    for (uint32_t i = 0; i < count; i++)
        run(shape);
    return (bench_cpu_ns() - start_ns) / count;
}

static void measure(const struct shape *shape)
{
    static double own_ns[RUN_COUNT], blas_ns[RUN_COUNT], ratio[RUN_COUNT];
    char name[64], of[48];

    for (size_t run = 0; run < RUN_COUNT; run++) {
        own_ns[run] = took_ns(run_own, shape);
        blas_ns[run] = took_ns(run_blas, shape);
        ratio[run] = own_ns[run] / blas_ns[run];
    }
    snprintf(of, sizeof(of), "product_%c%c_%u_%u_%u", shape->a, shape->b, shape->m, shape->n,
             shape->k);
    snprintf(name, sizeof(name), "%s_own_us", of);
    bench_print_spread(name, own_ns, RUN_COUNT, 1e-3, "us");
    snprintf(name, sizeof(name), "%s_blas_us", of);
    bench_print_spread(name, blas_ns, RUN_COUNT, 1e-3, "us");
    snprintf(name, sizeof(name), "%s_ratio", of);
    bench_print_spread(name, ratio, RUN_COUNT, 1.0, "x");
}

int main(void)
{
    struct pawl_philox stream;
    struct pawl_err err = {0};

    kernels = pawl_cpu_kernels(0);
    blas = pawl_blas_open(1, &err);
    if (!blas) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    float *memory = aligned_alloc(64, (3 * FLOATS_MAX + PAWL_CPU_ROOM_FLOATS) * sizeof(float));
    if (!memory)
        return 1;
    a = memory;
    b = a + FLOATS_MAX;
    y = b + FLOATS_MAX;
    room = y + FLOATS_MAX;
    pawl_philox_open(&stream, 1, 0, 0);
    for (size_t i = 0; i < 2 * FLOATS_MAX; i++)
        memory[i] = (float)(2.0 * pawl_philox_double(&stream) - 1.0);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        measure(&shapes[i]);
    free(memory);
    return 0;
}
