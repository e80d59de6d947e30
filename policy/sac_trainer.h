/* sac_trainer.h: what tests see of SAC's learning half beyond trainer.h: its matrices, and
 * where its random numbers come from.
 */
#ifndef PAWL_POLICY_SAC_TRAINER_H
#define PAWL_POLICY_SAC_TRAINER_H

#include "policy/engine.h"
#include "policy/sac_steps.h"
#include "policy/trainer.h"

/* Which draw of normal numbers, or (chosen) of critics; the value names its stream. */
enum pawl_sac_noise {
    PAWL_SAC_NOISE_NEXT,
    PAWL_SAC_NOISE_ACTOR,
    PAWL_SAC_NOISE_TEMPERATURE,
    PAWL_SAC_NOISE_CHOSEN,
};

/* Has `fill` draw in the place of the streams of the seed, until the close: `count` floats,
 * normal ones; for CHOSEN 1 for the critics that count and 0 for the others. `draw` is the
 * number of the batch, or of the actor's step, in the run. */
void pawl_sac_trainer_noise(struct pawl_trainer *trainer,
                            void (*fill)(void *arg, enum pawl_sac_noise which, uint64_t draw,
                                         float *out, uint32_t count),
                            void *arg);

const struct pawl_sac_steps *pawl_sac_trainer_steps(const struct pawl_trainer *trainer);
struct pawl_engine *pawl_sac_trainer_engine(const struct pawl_trainer *trainer);

extern const struct pawl_trainer_ops pawl_sac_trainer;

#endif
