/* door_blas.h: which BLAS a libtorch that has none of its own computes with.
 *
 * Debian's libtorch takes what is loaded as libblas.so.3. A BLAS is taken out of its package's
 * folder before libtorch is loaded, so that neither the system's choice of libblas.so.3 nor its
 * default, reference BLAS, counts where a better one is installed: OpenBLAS with OpenMP, the
 * only one whose threads are those of libtorch.
 */
#ifndef PAWL_POLICY_DOOR_BLAS_H
#define PAWL_POLICY_DOOR_BLAS_H

#include <stdint.h>

/* The path of a library to take instead, for comparisons. */
#define PAWL_BLAS_ENV "PAWL_BLAS"

/* What it says; NULL when it is not set, or empty. */
const char *pawl_door_blas_asked(void);

/* Before the first library that computes is loaded: number of threads (0: as the environment
 * has it) and the BLAS. What is not there is not an error. */
void pawl_door_blas_prepare(uint32_t thread_count);

#endif
