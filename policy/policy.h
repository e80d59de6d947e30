/* policy.h: what a method is: how it acts and, in the learner, how it learns.
 *
 *     const struct pawl_policy_ops *ops = pawl_policy_find("sac", err);
 *     ops->declare(setup, &spec, err);        the fields it needs in every record
 *     ops->open(&policy, setup, err);
 *     ops->bind(policy, tensors, count, err); newer parameters, read where they lie
 *     ops->act(policy, records, lane_count);  an action into each record
 *     ops->close(policy);
 *
 * A record is laid out by the run's spec (runtime/spec.h): obs.* is there, act() writes
 * `action` and the method's own extra.* fields. An action is a row of float32 in units of the
 * policy: each component within -1..1, which the actor scales to the environment's bounds. With
 * a choice_count the last component is the number of a choice.
 *
 * A policy knows neither rings nor files: parameters reach it as tensors, and random numbers
 * come from streams named by (seed, lane), so a result depends on neither scheduling nor the
 * number of processes.
 *
 * Thread safety: a policy belongs to one thread; the table and its functions keep no state.
 */
#ifndef PAWL_POLICY_POLICY_H
#define PAWL_POLICY_POLICY_H

#include "runtime/cfg.h"
#include "runtime/err.h"
#include "runtime/spec.h"
#include "runtime/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_POLICY_TENSOR_COUNT_MAX 256

/* The role of a Philox stream (runtime/philox.h), so that no two uses share one. */
#define PAWL_STREAM_EXPLORATION 1u /* index: the lane in the run */
#define PAWL_STREAM_PARAMETERS  2u /* index: the tensor, as the method counts them */
#define PAWL_STREAM_LEARNING    3u /* index: what is drawn (sac_trainer.h) */

struct pawl_trainer_ops;

struct pawl_policy {
    const struct pawl_policy_ops *ops;
};

struct pawl_policy_setup {
    const struct pawl_cfg *cfg;   /* constant while the policy is open */
    const struct pawl_spec *spec; /* of a record; likewise */
    uint32_t choice_count;        /* of the action's last component; 0: it has none */
    uint32_t lane_count;          /* most records of one act() */
    uint32_t lane_first;          /* the first lane's number in the run: names its stream */
    uint64_t seed;
    bool is_greedy; /* the most likely action instead of a sample: evaluation */
};

struct pawl_policy_ops {
    const char *name; /* as in the file: policy.type = "sac" */
    const char *help; /* one sentence, for the manual */

    /* Adds the extra.* fields that records must hold. NULL: none. */
    int (*declare)(const struct pawl_policy_setup *setup, struct pawl_spec *spec,
                   struct pawl_err *err);

    /* Allocates all that act() needs. On failure *policy is NULL. */
    int (*open)(struct pawl_policy **policy, const struct pawl_policy_setup *setup,
                struct pawl_err *err);

    /* NULL is left alone. */
    void (*close)(struct pawl_policy *policy);

    /* The tensors that act() reads, names and shapes, data NULL; valid while the policy is
     * open. NULL: acts without parameters. */
    const struct pawl_tensor *(*manifest)(const struct pawl_policy *policy, size_t *count);

    /* Fills tensor `index` of the manifest with its first value, the same for the same seed.
     * Learner only; NULL as manifest. */
    void (*init)(const struct pawl_policy *policy, size_t index, void *data);

    /* Acts on these tensors from now on, in place: they must stay until the next bind. Refused,
     * with the name, when one of the manifest is missing or has another form; then the policy
     * acts as before. No allocation, no copy. NULL as manifest. */
    int (*bind)(struct pawl_policy *policy, const struct pawl_tensor *tensors, size_t count,
                struct pawl_err *err);

    /* How it learns from replay (trainer.h). NULL: it does not. */
    const struct pawl_trainer_ops *trainer;

    /* Writes an action and the extra fields into each of lane_count records. Called once per
     * step: no allocation, no lock, no message, no system call. With a manifest, only after a
     * bind that succeeded. */
    void (*act)(struct pawl_policy *policy, unsigned char *const *records, uint32_t lane_count);
};

extern const struct pawl_policy_ops pawl_null_policy;
extern const struct pawl_policy_ops pawl_random_policy;
extern const struct pawl_policy_ops pawl_sac_policy;

/* The table of all methods, NULL behind the last. */
extern const struct pawl_policy_ops *const pawl_policies[];

/* NULL, with the known names in *err, when there is none of this name. */
const struct pawl_policy_ops *pawl_policy_find(const char *name, struct pawl_err *err);

/* Finds each tensor of the manifest among `tensors` and puts its data into data[], in the order
 * of the manifest: what bind() is made of. Order and further tensors do not matter. */
int pawl_policy_match(const struct pawl_tensor *manifest, size_t manifest_count,
                      const struct pawl_tensor *tensors, size_t count, const void **data,
                      struct pawl_err *err);

#endif
