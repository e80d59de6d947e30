/* torch/shim.h: what the modules of the torch door export: the only way to libtorch.
 *
 * pawl_torch.so is C++ that sees tensors; the program that opens it is C and has none of its
 * symbols but one, PAWL_TORCH_SYMBOL, a function that returns the table below. The other half,
 * pawl_torch_cuda.so, is there only where a libtorch with CUDA was given to the build. It must
 * be opened before pawl_torch.so is asked anything: libtorch decides on its first use, and for
 * good, whether the process has CUDA. policy/door.h does all that.
 *
 * Every function here catches what libtorch throws and returns 0 or -errno with a sentence in
 * *err. -ENOTRECOVERABLE: CUDA has failed in a way that stays, so nothing on the device works
 * any more until the process starts anew.
 *
 * Thread safety: one thread at a time, always the same one.
 */
#ifndef PAWL_POLICY_TORCH_SHIM_H
#define PAWL_POLICY_TORCH_SHIM_H

#include "runtime/err.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_TORCH_ABI         1u /* of both tables and all they name */
#define PAWL_TORCH_SYMBOL      "pawl_torch_door"
#define PAWL_TORCH_CUDA_SYMBOL "pawl_torch_cuda_door"

#define PAWL_TORCH_TEXT_BYTES 256

struct pawl_torch_about {
    char version[PAWL_TORCH_TEXT_BYTES];  /* "1.13.0" */
    char library[PAWL_TORCH_TEXT_BYTES];  /* the path of the libtorch_cpu.so that is loaded */
    char blas_own[PAWL_TORCH_TEXT_BYTES]; /* the BLAS inside of libtorch: "MKL 2024.2"; "": it
                                             takes that of libblas.so.3 */
    char cuda_why[PAWL_TORCH_TEXT_BYTES]; /* why there is no device; "": there is */
    uint32_t thread_count;                /* of its pool */
    uint32_t device_count;                /* of CUDA */
};

struct pawl_torch_device {
    char name[PAWL_TORCH_TEXT_BYTES]; /* "NVIDIA RTX 4090" */
    uint64_t memory_bytes;
};

/* What pawl_torch_cuda.so gives to pawl_torch.so. The first two fields of both tables never
 * move. */
struct pawl_torch_cuda {
    uint32_t abi;
    uint32_t byte_count; /* of this struct */

    int (*device_count)(uint32_t *count, struct pawl_err *err);
    int (*device)(uint32_t index, struct pawl_torch_device *device, struct pawl_err *err);

    /* Whether CUDA has failed in a way that stays. */
    int (*is_lost)(void);
};

struct pawl_torch {
    uint32_t abi;
    uint32_t byte_count;

    /* First of all calls; cuda is constant and stays, or is NULL. thread_count 0: as many as
     * libtorch takes by itself. */
    int (*start)(const struct pawl_torch_cuda *cuda, uint32_t thread_count,
                 struct pawl_err *err);

    int (*about)(struct pawl_torch_about *about, struct pawl_err *err);
    int (*device)(uint32_t index, struct pawl_torch_device *device, struct pawl_err *err);

    /* Multiplies two matrices on "cpu" or "cuda" and looks at the product. */
    int (*self_test)(const char *device, struct pawl_err *err);
};

/* The two symbols. */
const void *pawl_torch_door(void);
const void *pawl_torch_cuda_door(void);

#ifdef __cplusplus
}
#endif

#endif
