#include "policy/cpu.h"

#include "policy/nn.h"

const struct pawl_cpu_kernels *pawl_cpu_kernels(size_t index)
{
    const struct pawl_cpu_kernels *known[4] = {NULL};
    size_t count = 0;

#ifdef PAWL_NN_HAS_X86
    if (pawl_nn_avx512())
        known[count++] = &pawl_cpu_avx512;
    if (pawl_nn_avx2())
        known[count++] = &pawl_cpu_avx2;
#endif
    known[count++] = &pawl_cpu_baseline;
    return index < count ? known[index] : NULL;
}
