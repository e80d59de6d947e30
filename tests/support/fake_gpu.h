/* fake_gpu.h: the device of a fake door (fake_door.c), whose memory is not the host's. Its
 * kernels are those of our own engine for the CPU, so a run on it is one on the CPU to the bit
 * where nobody looks at memory that was not brought.
 *
 *     struct fake_gpu *gpu = ...;                    dlsym(module, "fake_gpu")()
 *     gpu->fail = (struct fake_gpu_fail){FAKE_GPU_FETCH, gpu->calls[FAKE_GPU_FETCH] + 1, EIO};
 *
 * A process that a test starts has it from the environment: FAKE_GPU="fetch 3 5", the call,
 * which of them, and the error. ENOTRECOVERABLE stays: no call works after it.
 */
#ifndef PAWL_TEST_FAKE_GPU_H
#define PAWL_TEST_FAKE_GPU_H

#include "policy/engine.h"

#include <stdbool.h>
#include <stdint.h>

enum fake_gpu_call {
    FAKE_GPU_OPEN,
    FAKE_GPU_RUN,
    FAKE_GPU_FINISH,
    FAKE_GPU_FETCH,
    FAKE_GPU_RESTORE,
    FAKE_GPU_CALL_COUNT,
};

struct fake_gpu_fail {
    enum fake_gpu_call call;
    uint64_t at; /* 1: the first; 0: never */
    int code;
};

struct fake_gpu {
    uint32_t device_count;
    uint64_t calls[FAKE_GPU_CALL_COUNT]; /* so far */
    struct fake_gpu_fail fail;
    bool is_lost;
};

struct fake_gpu *fake_gpu(void);

extern const struct pawl_engine_ops fake_gpu_engine;

#endif
