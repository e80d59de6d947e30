/* weights.h: what a policy acts with, out of a checkpoint's model.safetensors.
 *
 *     struct pawl_weights weights;
 *     pawl_weights_open(&weights, "runs/x/checkpoints/000500/pretrained_model", policy, &err);
 *     policy->ops->bind(policy, weights.tensors, weights.count, &err);
 *     ...
 *     pawl_weights_close(&weights);               once the policy is closed
 *
 * A tensor of the policy's manifest stands in the file as actor.NAME, or as NAME, or under the
 * name of the one it is shared with. What only normalises observations may be missing there:
 * then it is what the configuration says, as in training.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_PAWL_WEIGHTS_H
#define PAWL_PAWL_WEIGHTS_H

#include "policy/policy.h"
#include "runtime/err.h"

#include <stddef.h>

/* Zeroed: closed. */
struct pawl_weights {
    struct pawl_tensor *tensors; /* as the manifest; copies of the file's */
    size_t count;
    void *numbers;
};

/* `folder` is the pretrained_model of a checkpoint. -ENOENT: no such file, or a tensor is
 * missing in it; -EINVAL: the file is none, or a number is not finite. All name the file. */
int pawl_weights_open(struct pawl_weights *weights, const char *folder,
                      const struct pawl_policy *policy, struct pawl_err *err);

void pawl_weights_close(struct pawl_weights *weights);

#endif
