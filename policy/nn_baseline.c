#include "policy/nn_kernels.h"

const struct pawl_nn pawl_nn_baseline = {.name = "baseline", .layer = layer_forward};
