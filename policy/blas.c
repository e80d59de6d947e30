#include "policy/blas.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/door_blas.h"

#define INSTALL "apt install libopenblas0-openmp"

static struct {
    struct pawl_blas blas;
    char path[512], config[256];
    void (*set_threads)(int count);
} state;

/* A function pointer from dlsym() without a cast that ISO C does not know. */
static void find(void *library, const char *name, void *pointer)
{
    void *symbol = dlsym(library, name);
    memcpy(pointer, &symbol, sizeof(symbol));
}

static void describe(void *library)
{
    struct pawl_blas *blas = &state.blas;
    int (*parallel)(void);
    char *(*config)(void);
    Dl_info info;
    void *symbol;

    find(library, "openblas_get_parallel", &parallel);
    find(library, "openblas_get_config", &config);
    find(library, "openblas_set_num_threads", &state.set_threads);
    memcpy(&symbol, &blas->sgemm, sizeof(symbol));
    if (dladdr(symbol, &info) && info.dli_fname)
        snprintf(state.path, sizeof(state.path), "%s", info.dli_fname);
    if (config)
        snprintf(state.config, sizeof(state.config), "%s", config());
    blas->path = state.path;
    blas->config = state.config;

    if (!config || !parallel) {
        /* Reference BLAS of Debian says nothing of itself and lies in a folder of its own. */
        bool is_reference =
            strstr(state.path, "/blas/") != NULL || dlsym(library, "xerbla_array_");
        blas->flavour = is_reference ? PAWL_BLAS_REFERENCE : PAWL_BLAS_OTHER;
        blas->name = is_reference ? "reference BLAS" : "unknown BLAS";
        if (is_reference)
            blas->warning = "the matrix products come from reference BLAS, which is 15 times "
                            "slower than needed; as root: " INSTALL;
        return;
    }
    switch (parallel()) {
    case 0:
        blas->flavour = PAWL_BLAS_OPENBLAS_SERIAL;
        blas->name = "OpenBLAS, one thread only";
        break;
    case 2:
        blas->flavour = PAWL_BLAS_OPENBLAS_OPENMP;
        blas->name = "OpenBLAS, OpenMP threads";
        break;
    default:
        blas->flavour = PAWL_BLAS_OPENBLAS_PTHREAD;
        blas->name = "OpenBLAS, threads of its own";
        blas->warning = "this OpenBLAS has threads of its own, which get into the way of other "
                        "libraries'; as root: " INSTALL;
    }
}

static int load(uint32_t thread_count, struct pawl_err *err)
{
    /* The first is what pawl_door_blas_prepare() has found; only then the system's choice. */
    static const struct {
        const char *name;
        int flags;
    } candidates[] = {
        {"libblas.so.3", RTLD_NOW | RTLD_NOLOAD},
        {"libopenblas.so.0", RTLD_NOW | RTLD_GLOBAL},
        {"libblas.so.3", RTLD_NOW | RTLD_GLOBAL},
    };
    const char *reason = "";

    pawl_door_blas_prepare(thread_count);
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        void *library = dlopen(candidates[i].name, candidates[i].flags);
        if (!library) {
            reason = candidates[i].flags & RTLD_NOLOAD ? "" : dlerror();
            continue;
        }
        find(library, "cblas_sgemm", &state.blas.sgemm);
        if (state.blas.sgemm) {
            describe(library);
            return 0;
        }
        dlclose(library);
        reason = "a BLAS without cblas_sgemm";
    }
    return pawl_err_set(err, ENOENT, "no BLAS library: %s; as root: " INSTALL, reason);
}

const struct pawl_blas *pawl_blas_open(uint32_t thread_count, struct pawl_err *err)
{
    if (thread_count == 0)
        thread_count = 1;
    if (!state.blas.sgemm && load(thread_count, err) != 0)
        return NULL;
    if (state.set_threads && state.blas.flavour != PAWL_BLAS_OPENBLAS_SERIAL) {
        state.set_threads((int)thread_count);
        state.blas.thread_count = thread_count;
    } else {
        state.blas.thread_count = 1;
    }
    return &state.blas;
}
