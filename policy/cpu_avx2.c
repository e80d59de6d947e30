/* cpu_avx2.c: built with -mavx2 -mfma (CMakeLists.txt); pawl_cpu_kernels() asks the processor
 * before anything in here runs. */
#if defined(__AVX2__) && defined(__FMA__)
#include "policy/cpu_kernels.h"

const struct pawl_cpu_kernels pawl_cpu_avx2 = PAWL_CPU_TABLE("avx2", true);
#else
#include "policy/cpu.h"
#endif
