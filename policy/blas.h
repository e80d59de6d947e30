/* blas.h: the matrix product of the best BLAS library of this machine, opened at run time.
 *
 *     pawl_blas_choose(&blas, kernels, thread_count, err);
 *     if (blas)
 *         blas->sgemm(PAWL_BLAS_ROW_MAJOR, ...);
 *     else
 *         kernels->product(&product, room);
 *
 * Nothing is linked: a program that computes nothing starts without it, and the settings that a
 * BLAS reads once, when it is loaded, are made before. OpenBLAS' OpenMP flavour comes first: of
 * Debian's three it is the one that shares its threads with a tensor library loaded later. The
 * library stays open to the end of the process, with its symbols open to all, so that a tensor
 * library takes the same one (policy/door_blas.h, where a library of the user's choice comes in
 * too).
 *
 * Thread safety: pawl_blas_open() belongs to the thread that sets up the process; the functions
 * it gives may be called from any.
 */
#ifndef PAWL_POLICY_BLAS_H
#define PAWL_POLICY_BLAS_H

#include "runtime/cli.h"
#include "runtime/err.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_cpu_kernels; /* policy/cpu.h */

#define PAWL_BLAS_ROW_MAJOR 101 /* the numbers of cblas.h */
#define PAWL_BLAS_AS_IS     111
#define PAWL_BLAS_TRANSPOSE 112

enum pawl_blas_flavour {
    PAWL_BLAS_OPENBLAS_OPENMP,
    PAWL_BLAS_OPENBLAS_PTHREAD,
    PAWL_BLAS_OPENBLAS_SERIAL,
    PAWL_BLAS_OTHER,
    PAWL_BLAS_REFERENCE, /* 35 times slower than OpenBLAS, six times than our plainest kernels
                          */
};

struct pawl_blas {
    enum pawl_blas_flavour flavour;
    const char *name;      /* "OpenBLAS, OpenMP threads" */
    const char *path;      /* of the library */
    const char *config;    /* what the library says of itself; "" when nothing */
    const char *warning;   /* a sentence with the command that mends it; NULL: all is well */
    uint32_t thread_count; /* that a product uses at most */

    /* C (m, n) = alpha op(A) op(B) + beta C, as cblas_sgemm. */
    void (*sgemm)(int order, int op_a, int op_b, int m, int n, int k, float alpha,
                  const float *a, int stride_a, const float *b, int stride_b, float beta,
                  float *c, int stride_c);
};

#define PAWL_BLAS_INSTALL "apt install libopenblas0-openmp" /* as root, for OpenBLAS */

/* Whether a plan's products are to be this library's; NULL: there is none. With AVX-512 and one
 * thread those of the kernels are better: nine tenths of OpenBLAS' time on Zen 4
 * (bench_products). Reference BLAS is worse than any kernels. A library of the user's choice
 * is always taken. */
bool pawl_blas_is_taken(const struct pawl_blas *blas, const struct pawl_cpu_kernels *kernels,
                        uint32_t thread_count);

/* *blas is the library that is taken, opened; NULL: none, and products have one thread. An
 * error only where the user's choice is no library. With the same arguments the answer is the
 * same for all the life of a process. */
int pawl_blas_choose(const struct pawl_blas **blas, const struct pawl_cpu_kernels *kernels,
                     uint32_t thread_count, struct pawl_err *err);

/* Opens it at the first call, and sets the number of threads at each; 0: as the environment has
 * it. NULL with *err set: there is none, and the text has the command that installs one; it
 * stays so. */
const struct pawl_blas *pawl_blas_open(uint32_t thread_count, struct pawl_err *err);

/* For `pawl info`, after those of the torch door: loading a BLAS settles its threads. */
extern const struct pawl_cli_facts pawl_blas_facts;

#ifdef __cplusplus
}
#endif

#endif
