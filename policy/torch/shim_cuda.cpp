/* shim_cuda.cpp: pawl_torch_cuda.so: what needs CUDA's own headers. Loading it loads libtorch's
 * CUDA library, too, which registers itself with libtorch. */
#include "policy/torch/guard.hpp"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdio>

namespace
{

[[noreturn]] void fail(cudaError_t error, const char *what)
{
    pawl::failed e{};
    pawl_err_set(&e.err, error == cudaErrorMemoryAllocation ? ENOMEM : EIO, "%s: %s", what,
                 cudaGetErrorString(error));
    throw e;
}

void check(cudaError_t error, const char *what)
{
    if (error != cudaSuccess)
        fail(error, what);
}

/* An error that stays is still there after it was taken. */
int is_lost()
{
    cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess)
        return 0;
    if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver)
        return 0;
    return cudaDeviceSynchronize() != cudaSuccess;
}

template <typename Body> int guard(pawl_err *err, const char *what, Body &&body) noexcept
{
    return pawl::guard(err, what, is_lost, body);
}

int device_count(uint32_t *count, pawl_err *err)
{
    *count = 0;
    return guard(err, "count the devices of CUDA", [&] {
        int found = 0;
        check(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
        *count = static_cast<uint32_t>(found);
    });
}

int device(uint32_t index, pawl_torch_device *device, pawl_err *err)
{
    return guard(err, "look at a device of CUDA", [&] {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, static_cast<int>(index)),
              "cudaGetDeviceProperties");
        std::snprintf(device->name, sizeof(device->name), "%s", properties.name);
        device->memory_bytes = properties.totalGlobalMem;
    });
}

const pawl_torch_cuda door = {
    PAWL_TORCH_ABI, sizeof(door), device_count, device, is_lost,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const void *pawl_torch_cuda_door()
{
    return &door;
}
