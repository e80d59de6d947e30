/* env_dummy.h: an environment of any size that costs a given time: for benchmarks, and for
 * tests that look for torn records.
 *
 * Every number of an observation is the same u in [0, 1), and every byte of its images the same
 * floor(256 u); u follows from the seed of the episode and the number of the step by
 * pawl_env_dummy_number(), and is the reward too. So whoever reads a record knows whether it is
 * whole, and whose it is. No action changes anything and no episode ends by itself.
 */
#ifndef PAWL_ACTOR_ENV_DUMMY_H
#define PAWL_ACTOR_ENV_DUMMY_H

#include <stdint.h>

struct pawl_env_dummy_cfg {
    int64_t obs_count;    /* numbers of obs.state */
    int64_t action_count; /* numbers of the action, the choice included */
    int64_t choice_count; /* 0: none; otherwise the last number is one of so many */
    int64_t image_count;  /* obs.images.0 and so on */
    int64_t image_height; /* pixels; three bytes each */
    int64_t image_width;
    double busy_us;    /* how long a step keeps the processor busy, at least */
    int64_t steps_max; /* 0: no limit */
};

/* A multiple of 2^-24. */
float pawl_env_dummy_number(uint64_t seed, uint64_t step);

#endif
