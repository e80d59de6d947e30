#include "policy/nn.h"

#include <stddef.h>

#ifdef PAWL_NN_HAS_AVX2
const struct pawl_nn *pawl_nn_avx2(void)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &pawl_nn_avx2_table;
    return NULL;
}
#else
const struct pawl_nn *pawl_nn_avx2(void)
{
    return NULL;
}
#endif

const struct pawl_nn *pawl_nn_best(void)
{
    const struct pawl_nn *nn = pawl_nn_avx2();
    return nn ? nn : &pawl_nn_baseline;
}
