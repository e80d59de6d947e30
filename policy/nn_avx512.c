/* nn_avx512.c: built with -mavx512f and its relatives (CMakeLists.txt); pawl_nn_avx512() asks
 * the processor before anything in here runs. */
#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include "policy/nn_kernels.h"

const struct pawl_nn pawl_nn_avx512_table = {.name = "avx512", .layer = layer_forward};
#else
#include "policy/nn.h"
#endif
