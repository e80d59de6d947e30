/* batch.h: what an update learns from: transitions as arrays, gathered by whoever keeps them.
 *
 * The learner of a method says which fields it wants and where their rows go; the keeper fills
 * them for `count` transitions:
 *
 *     columns[c]   the field of a frame, or of the frame that follows it, or the sum of the
 *                  field over n steps, made as the reward is
 *     reward       r_0 + g r_1 + ... of the n steps from the frame on, g the discount
 *     discount     g^n, or 0 where the last of these steps terminated: what the value of the
 *                  following frame is worth; with n steps it is the frame n steps on
 *     weight       1, or what corrects for a sampling that is not uniform
 *     frame        which they are, for pawl_sampler.prioritise
 *
 * Arrays belong to the learner of the method and have room for `count` rows.
 */
#ifndef PAWL_POLICY_BATCH_H
#define PAWL_POLICY_BATCH_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_BATCH_COLUMNS_MAX 32u

struct pawl_batch_column {
    uint32_t field; /* its index in the run's spec */
    bool is_next;   /* of the frame that follows */
    bool is_summed; /* one float32, added up over the steps as rewards are */
    void *rows;     /* of the field's dtype */
    size_t stride;  /* bytes from row to row; at least the field's */
};

struct pawl_batch {
    uint32_t count;
    uint32_t column_count;
    struct pawl_batch_column columns[PAWL_BATCH_COLUMNS_MAX];
    float *reward;
    float *discount;
    float *weight;   /* NULL: not wanted */
    uint64_t *frame; /* NULL: not wanted */
};

/* Where batches come from. */
struct pawl_sampler {
    void *arg;

    /* Fills the batch. `draw` is the number of this batch among all of the run: the same draw
     * from the same store gives the same batch, so a resumed run goes on as it would have.
     * -EAGAIN: the store does not hold one transition yet. */
    int (*fill)(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err);

    /* How wrong the method was about each of these frames. NULL: nobody asks. */
    void (*prioritise)(void *arg, const uint64_t *frames, const float *errors, uint32_t count);
};

#endif
