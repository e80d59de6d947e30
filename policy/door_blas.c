#include "policy/door_blas.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define BLAS "libblas.so.3"

/* Above its first thresholds malloc gives the memory of large tensors back to the kernel, which
 * then has to be faulted in again: a fifth of a training step. */
#define MMAP_THRESHOLD_BYTES (32 << 20)
#define TRIM_THRESHOLD_BYTES (1 << 30)

const char *pawl_door_blas_asked(void)
{
    const char *asked = getenv(PAWL_BLAS_ENV);
    return asked && asked[0] ? asked : NULL;
}

static void load_best(void)
{
    const char *asked = pawl_door_blas_asked();
    if (asked) {
        dlopen(asked, RTLD_NOW | RTLD_GLOBAL);
        return;
    }
    /* By their paths: under the same names the system may have the other flavour. The second
     * needs the first. */
    static const char *const names[] = {"libopenblas.so.0", BLAS};
    char path[PATH_MAX];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/usr/lib/%s/openblas-openmp/%s",
                 PAWL_LIBRARY_ARCHITECTURE, names[i]);
        if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL))
            return;
    }
}

void pawl_door_blas_prepare(uint32_t thread_count)
{
    if (thread_count) {
        char count[16];
        snprintf(count, sizeof(count), "%u", thread_count);
        setenv("OPENBLAS_NUM_THREADS", count, 1);
        setenv("OMP_NUM_THREADS", count, 1);
        /* Threads that spin for each other keep the one they wait for off a shared processor:
         * an update then takes a hundred times as long. */
        setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
    }
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
    load_best();
}
