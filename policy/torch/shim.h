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
 * any more until the process starts anew. -ENXIO: a device does not open. -EREMOTEIO: an engine
 * failed at its work (run, finish, fetch, restore); another start may go well.
 *
 * Thread safety: one thread at a time, always the same one.
 */
#ifndef PAWL_POLICY_TORCH_SHIM_H
#define PAWL_POLICY_TORCH_SHIM_H

#include "policy/engine.h"
#include "policy/plan.h"
#include "runtime/err.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_TORCH_ABI         2u /* of both tables and all they name */
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

/* What the program gives to pawl_torch.so: how to read a plan. */
struct pawl_torch_host {
    uint32_t op_byte_count; /* of struct pawl_op */
    uint32_t op_kind_count;
    uint32_t (*list_count)(const struct pawl_plan *plan);
    const struct pawl_op *(*ops)(const struct pawl_plan *plan, uint32_t list, size_t *count);
    uint64_t (*float_count)(const struct pawl_plan *plan, enum pawl_arena arena);
    const struct pawl_op_form *(*op_form)(enum pawl_op_kind kind);
};

struct pawl_torch_stream; /* never defined in C */
struct pawl_torch_graph;

#define PAWL_TORCH_MARKS_MAX 8u

/* What pawl_torch_cuda.so gives to pawl_torch.so. The first two fields of both tables never
 * move. */
struct pawl_torch_cuda {
    uint32_t abi;
    uint32_t byte_count; /* of this struct */

    int (*device_count)(uint32_t *count, struct pawl_err *err);
    int (*device)(uint32_t index, struct pawl_torch_device *device, struct pawl_err *err);

    /* Whether CUDA has failed in a way that stays. */
    int (*is_lost)(void);

    /* A stream of the device that is current. Between enter and the next enter all that
     * libtorch does in this thread is queued on it. */
    int (*stream_open)(struct pawl_torch_stream **stream, struct pawl_err *err);
    void (*stream_close)(struct pawl_torch_stream *stream);
    int (*stream_enter)(struct pawl_torch_stream *stream, struct pawl_err *err);
    int (*stream_wait)(struct pawl_torch_stream *stream, struct pawl_err *err);

    /* Marks the end of the queue; waits for what stood before a mark that was made. */
    int (*mark)(struct pawl_torch_stream *stream, uint32_t index, struct pawl_err *err);
    int (*mark_wait)(struct pawl_torch_stream *stream, uint32_t index, struct pawl_err *err);

    /* What is queued between begin and end is recorded and not done; replay does it. After a
     * failed end *graph is NULL. */
    int (*record_begin)(struct pawl_torch_stream *stream, struct pawl_err *err);
    int (*record_end)(struct pawl_torch_stream *stream, struct pawl_torch_graph **graph,
                      struct pawl_err *err);
    int (*replay)(struct pawl_torch_graph *graph, struct pawl_err *err);
    void (*graph_close)(struct pawl_torch_graph *graph);
};

struct pawl_torch {
    uint32_t abi;
    uint32_t byte_count;

    /* First of all calls; host and cuda are constant and stay, or cuda is NULL. thread_count 0:
     * as many as libtorch takes by itself. Refuses a host with other operations. */
    int (*start)(const struct pawl_torch_host *host, const struct pawl_torch_cuda *cuda,
                 uint32_t thread_count, struct pawl_err *err);

    int (*about)(struct pawl_torch_about *about, struct pawl_err *err);
    int (*device)(uint32_t index, struct pawl_torch_device *device, struct pawl_err *err);

    /* Multiplies two matrices on "cpu" or "cuda" and looks at the product. */
    int (*self_test)(const char *device, struct pawl_err *err);

    /* What runs the lists of a plan; cuda only with a CUDA half. */
    const struct pawl_engine_ops *engine_cpu, *engine_cuda;
};

/* The two symbols. */
const void *pawl_torch_door(void);
const void *pawl_torch_cuda_door(void);

#ifdef __cplusplus
}
#endif

#endif
