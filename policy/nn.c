#include "policy/nn.h"

#include <stddef.h>

#ifdef PAWL_NN_HAS_X86
const struct pawl_nn *pawl_nn_avx2(void)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &pawl_nn_avx2_table;
    return NULL;
}

const struct pawl_nn *pawl_nn_avx512(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && pawl_nn_avx2())
        return &pawl_nn_avx512_table;
    return NULL;
}
#else
const struct pawl_nn *pawl_nn_avx2(void)
{
    return NULL;
}

const struct pawl_nn *pawl_nn_avx512(void)
{
    return NULL;
}
#endif

const struct pawl_nn *pawl_nn_best(void)
{
    if (pawl_nn_avx512())
        return pawl_nn_avx512();
    return pawl_nn_avx2() ? pawl_nn_avx2() : &pawl_nn_baseline;
}
