/* cuda_try.cpp: compiles where the headers of CUDA fit libtorch; cmake/torch.cmake tries it. */
#include <cuda_runtime_api.h>

#if CUDART_VERSION / 1000 != PAWL_CUDA_MAJOR
#error "these headers are of another major version of CUDA"
#endif

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

int main()
{
    return 0;
}
