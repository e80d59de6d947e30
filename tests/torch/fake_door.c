/* fake_door.c: a pawl_torch.so that is good or, in one way each, is not. */
#include "policy/torch/shim.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef FAKE_ABI
#define FAKE_ABI PAWL_TORCH_ABI
#endif
#ifndef FAKE_MORE_BYTES
#define FAKE_MORE_BYTES 0u
#endif

#ifdef FAKE_NEEDS_LIBRARY
int fake_libtorch(void);
#endif
#ifdef FAKE_GPU
#include "support/fake_gpu.h"
#endif

#ifdef FAKE_STRANGER
int stranger(void);

int stranger(void)
{
    return 0;
}
#else

static uint32_t threads;

static int start(const struct pawl_torch_host *host, const struct pawl_torch_cuda *cuda,
                 uint32_t thread_count, struct pawl_err *err)
{
    (void)host;
    (void)err;
    threads = thread_count;
#ifdef FAKE_GPU
    return cuda ? 0 : -EINVAL;
#else
    return cuda ? -EINVAL : 0;
#endif
}

/* Tells what the environment was when the module ran. */
static int about(struct pawl_torch_about *about, struct pawl_err *err)
{
    const char *openblas = getenv("OPENBLAS_NUM_THREADS");
    const char *openmp = getenv("OMP_NUM_THREADS");
    (void)err;
    *about = (struct pawl_torch_about){.version = "0.0", .thread_count = threads};
    snprintf(about->blas_own, sizeof(about->blas_own), "%s %s", openblas ? openblas : "unset",
             openmp ? openmp : "unset");
#ifdef FAKE_NEEDS_LIBRARY
    about->device_count = (uint32_t)fake_libtorch();
#endif
#ifdef FAKE_GPU
    about->device_count = fake_gpu()->device_count;
    snprintf(about->cuda_why, sizeof(about->cuda_why), "no CUDA-capable device is detected");
#endif
    return 0;
}

const void *pawl_torch_door(void)
{
    static const struct pawl_torch door = {
        .abi = FAKE_ABI,
        .byte_count = (uint32_t)sizeof(door) + FAKE_MORE_BYTES,
        .start = start,
        .about = about,
#ifdef FAKE_GPU
        .engine_cuda = &fake_gpu_engine,
#endif
    };
    return &door;
}

#endif
