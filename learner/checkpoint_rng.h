/* checkpoint_rng.h: the generators that LeRobot wants to find in a checkpoint.
 *
 * LeRobot restores Python's, NumPy's and torch's generator when it resumes, and takes a file
 * that it cannot read for a reason to start at step 0. Pawl has none of them, so these are
 * freshly seeded ones. All three are the Mersenne twister MT19937 (Matsumoto and Nishimura
 * 1998) in different clothes.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_LEARNER_CHECKPOINT_RNG_H
#define PAWL_LEARNER_CHECKPOINT_RNG_H

#include <stdint.h>

#include "runtime/tensor.h"

#define PAWL_CHECKPOINT_RNG_TENSORS     7u
#define PAWL_CHECKPOINT_RNG_WORDS       624u  /* of the generator's state */
#define PAWL_CHECKPOINT_RNG_TORCH_BYTES 5056u /* torch's CPUGeneratorImplState */

struct pawl_checkpoint_rng {
    int64_t py_version[1];
    int64_t py_state[PAWL_CHECKPOINT_RNG_WORDS + 1]; /* and the place in it */
    int64_t np_values[PAWL_CHECKPOINT_RNG_WORDS];
    int64_t np_index[1];
    int64_t np_has_gauss[1];
    float np_cached_gaussian[1];
    uint8_t torch_state[PAWL_CHECKPOINT_RNG_TORCH_BYTES];
    struct pawl_tensor tensors[PAWL_CHECKPOINT_RNG_TENSORS]; /* of the above */
};

/* *rng has to stay where it is: the tensors point into it. */
void pawl_checkpoint_rng_seed(struct pawl_checkpoint_rng *rng, uint64_t seed);

#endif
