/* engine.hpp: the engine behind the torch door, on the CPU or on CUDA. */
#ifndef PAWL_POLICY_TORCH_ENGINE_HPP
#define PAWL_POLICY_TORCH_ENGINE_HPP

#include "policy/torch/shim.h"

namespace pawl
{

/* What pawl_torch.so was started with; constant after that. */
struct surroundings {
    const pawl_torch_host *host;
    const pawl_torch_cuda *cuda; /* NULL: opened without */
};
extern surroundings around;

int is_lost();

extern const pawl_engine_ops engine_cpu;
extern const pawl_engine_ops engine_cuda;

} // namespace pawl

#endif
