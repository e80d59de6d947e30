#include "policy/cpu_kernels.h"

const struct pawl_cpu_kernels pawl_cpu_baseline = PAWL_CPU_TABLE("baseline", true);
