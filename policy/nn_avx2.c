/* nn_avx2.c: built with -mavx2 -mfma (CMakeLists.txt); pawl_nn_avx2() asks the processor before
 * anything in here runs. */
#if defined(__AVX2__) && defined(__FMA__)
#include "policy/nn_kernels.h"

const struct pawl_nn pawl_nn_avx2_table = {.name = "avx2", .layer = layer_forward};
#else
#include "policy/nn.h"
#endif
