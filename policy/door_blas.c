#include "policy/door_blas.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLAS "libblas.so.3"

/* Above its first thresholds malloc gives the memory of large tensors back to the kernel, which
 * then has to be faulted in again: a fifth of a training step. The kernel's limit for the first
 * of the two is half a heap of a thread. */
#define MMAP_THRESHOLD_BYTES (32 << 20)
#define TRIM_THRESHOLD_BYTES (1 << 30)

static void load_openmp(void)
{
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
    }
    mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
    load_openmp();
}

/* "OpenBLAS 0.3.21 ..." up to its second blank. */
static int version_length(const char *config)
{
    const char *end = strchr(config, ' ');
    end = end ? strchr(end + 1, ' ') : NULL;
    return (int)(end ? (size_t)(end - config) : strlen(config));
}

void pawl_door_blas_describe(char *text, size_t size)
{
    static const char *const flavours[] = {"no threads",
                                           ("threads of its own: install "
                                            "libopenblas0-openmp for those of libtorch"),
                                           "OpenMP"};
    char *(*config)(void) = NULL;
    int (*parallel)(void) = NULL;
    void *blas = dlopen(BLAS, RTLD_NOW | RTLD_NOLOAD);
    if (!blas) {
        snprintf(text, size, "none is loaded");
        return;
    }
    void *found = dlsym(blas, "openblas_get_config");
    memcpy(&config, &found, sizeof(config)); /* C has no cast from an object to a function */
    found = dlsym(blas, "openblas_get_parallel");
    memcpy(&parallel, &found, sizeof(parallel));
    if (config && parallel) {
        int flavour = parallel();
        const char *version = config();
        snprintf(text, size, "%.*s, %s", version_length(version), version,
                 flavours[flavour < 0 || flavour > 2 ? 0 : flavour]);
    } else if (dlsym(blas, "bli_info_get_version_str")) {
        snprintf(text, size, "BLIS");
    } else {
        snprintf(text, size,
                 "reference BLAS, which takes ten times as long as another: apt-get install "
                 "libopenblas0-openmp");
    }
    dlclose(blas);
}
