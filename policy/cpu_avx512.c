/* cpu_avx512.c: built with -mavx512f and its relatives (CMakeLists.txt); pawl_cpu_kernels()
 * asks the processor before anything in here runs. */
#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include "policy/cpu_kernels.h"

const struct pawl_cpu_kernels pawl_cpu_avx512 = PAWL_CPU_TABLE("avx512", false);
#else
#include "policy/cpu.h"
#endif
