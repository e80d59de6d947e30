#include "policy/blas.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cpu.h"
#include "policy/door_blas.h"
#include "runtime/fault.h"

static struct {
    struct pawl_blas blas;
    char path[PATH_MAX], config[256];
    void (*set_threads)(int count);
    int (*get_threads)(void);
    struct pawl_err missing; /* code 0: it is open, or nobody has tried */
} state;

/* A function pointer from dlsym() without a cast that ISO C does not know. */
static void find(void *library, const char *name, void *pointer)
{
    void *symbol = dlsym(library, name);
    memcpy(pointer, &symbol, sizeof(symbol));
}

/* Reference BLAS has no symbol of its own; the others are known by theirs. */
static void describe_other(void *library)
{
    static const struct {
        const char *symbol, *name;
    } known[] = {
        {"bli_info_get_version_str", "BLIS"},
        {"mkl_get_version", "MKL"},
        {"ATL_buildinfo", "ATLAS"},
        {"armpl_get_version", "Arm Performance Libraries"},
    };
    state.blas.flavour = PAWL_BLAS_OTHER;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        state.blas.name = known[i].name;
        if (dlsym(library, known[i].symbol))
            return;
    }
    state.blas.flavour = PAWL_BLAS_REFERENCE;
    state.blas.name = "reference BLAS";
    state.blas.warning =
        "the matrix products come from reference BLAS, which is 35 times slower "
        "than OpenBLAS; as root: " PAWL_BLAS_INSTALL;
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
    find(library, "openblas_get_num_threads", &state.get_threads);
    memcpy(&symbol, &blas->sgemm, sizeof(symbol));
    if (dladdr(symbol, &info) && info.dli_fname && !realpath(info.dli_fname, state.path))
        state.path[0] = '\0';
    if (config)
        snprintf(state.config, sizeof(state.config), "%s", config());
    blas->path = state.path;
    blas->config = state.config;

    if (!config || !parallel) {
        describe_other(library);
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
                        "libraries'; as root: " PAWL_BLAS_INSTALL;
    }
}

static int load(uint32_t thread_count, struct pawl_err *err)
{
    /* The user's, or what pawl_door_blas_prepare() has found; only then the system's choice. */
    const char *asked = pawl_door_blas_asked();
    const struct {
        const char *name;
        int flags;
    } candidates[] = {
        {asked ? asked : "libblas.so.3",
         asked ? RTLD_NOW | RTLD_GLOBAL : RTLD_NOW | RTLD_NOLOAD},
        {"libopenblas.so.0", RTLD_NOW | RTLD_GLOBAL},
        {"libblas.so.3", RTLD_NOW | RTLD_GLOBAL},
    };
    size_t count = asked ? 1 : sizeof(candidates) / sizeof(candidates[0]);
    const char *reason = "";

    if (PAWL_FAULT_ERRNO("blas.load"))
        return pawl_err_set(err, ENOENT, "no BLAS library; as root: " PAWL_BLAS_INSTALL);
    pawl_door_blas_prepare(thread_count);
    for (size_t i = 0; i < count; i++) {
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
    if (asked)
        return pawl_err_set(err, ENOENT,
                            PAWL_BLAS_ENV "=%s is no BLAS library: %s; name one that is there, "
                                          "or unset " PAWL_BLAS_ENV,
                            asked, reason);
    return pawl_err_set(err, ENOENT, "no BLAS library: %s; as root: " PAWL_BLAS_INSTALL,
                        reason);
}

/* Before a library is loaded, which costs time. */
static bool is_looked_for(const struct pawl_cpu_kernels *kernels, uint32_t thread_count)
{
    return kernels->is_blas_better || thread_count != 1 || pawl_door_blas_asked();
}

bool pawl_blas_is_taken(const struct pawl_blas *blas, const struct pawl_cpu_kernels *kernels,
                        uint32_t thread_count)
{
    if (!blas || !is_looked_for(kernels, thread_count))
        return false;
    return pawl_door_blas_asked() || blas->flavour != PAWL_BLAS_REFERENCE;
}

const struct pawl_blas *pawl_blas_open(uint32_t thread_count, struct pawl_err *err)
{
    if (!state.blas.sgemm && state.missing.code == 0)
        load(thread_count, &state.missing);
    if (!state.blas.sgemm) {
        pawl_err_set(err, state.missing.code, "%s", state.missing.text);
        return NULL;
    }
    if (thread_count && state.set_threads)
        state.set_threads((int)thread_count);
    state.blas.thread_count = state.get_threads ? (uint32_t)state.get_threads() : 1;
    return &state.blas;
}

int pawl_blas_choose(const struct pawl_blas **blas, const struct pawl_cpu_kernels *kernels,
                     uint32_t thread_count, struct pawl_err *err)
{
    struct pawl_err why = {0};

    *blas = NULL;
    if (!is_looked_for(kernels, thread_count))
        return 0;
    const struct pawl_blas *opened = pawl_blas_open(thread_count, &why);
    if (!opened && pawl_door_blas_asked())
        return pawl_err_set(err, why.code, "%s", why.text);
    if (pawl_blas_is_taken(opened, kernels, thread_count))
        *blas = opened;
    return 0;
}

static const char *who_multiplies(const struct pawl_blas *blas,
                                  const struct pawl_cpu_kernels *kernels)
{
    if (pawl_blas_is_taken(blas, kernels, 1))
        return "the library's";
    return pawl_blas_is_taken(blas, kernels, 2) ? "the kernels'; the library's with more"
                                                : "the kernels', whatever learner.threads is";
}

static void read_facts(void (*put)(void *sink, const char *key, const char *text), void *sink)
{
    const struct pawl_cpu_kernels *kernels = pawl_cpu_kernels(0);
    struct pawl_err err = {0};
    char threads[16];

    put(sink, "kernels", kernels->name);
    const struct pawl_blas *blas = pawl_blas_open(0, &err);
    put(sink, "one_thread", who_multiplies(blas, kernels));
    if (!blas) {
        put(sink, "library", err.text);
        return;
    }
    put(sink, "library", blas->name);
    put(sink, "path", blas->path);
    if (blas->config[0])
        put(sink, "config", blas->config);
    snprintf(threads, sizeof(threads), "%u", blas->thread_count);
    put(sink, "threads", threads);
    if (blas->warning && pawl_blas_is_taken(blas, kernels, 2))
        put(sink, "warning", blas->warning);
}

const struct pawl_cli_facts pawl_blas_facts = {.section = "products", .read = read_facts};
