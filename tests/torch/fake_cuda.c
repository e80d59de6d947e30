/* fake_cuda.c: a pawl_torch_cuda.so that can be loaded, and nothing more. */
#include "policy/torch/shim.h"

#ifndef FAKE_ABI
#define FAKE_ABI PAWL_TORCH_ABI
#endif

static int is_lost(void)
{
    return 0;
}

const void *pawl_torch_cuda_door(void)
{
    static const struct pawl_torch_cuda cuda = {
        .abi = FAKE_ABI, .byte_count = sizeof(cuda), .is_lost = is_lost};
    return &cuda;
}
