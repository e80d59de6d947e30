/* checkpoint_tree.h: what is in a checkpoint: LeRobot's tree and ours, from a trainer's table.
 *
 *     pawl_checkpoint_tree_open(&tree, &setup, &err);
 *     ...
 *     pawl_checkpoint_tree_snap(&tree, &counts, pawl_json, pawl_json_bytes, &err);    one
 * memcpy pawl_checkpoint_begin(&saver, counts.step, score, tree.files, tree.file_count, ...);
 *     ... training goes on; the next snap only after DONE or FAILED ...
 *     pawl_checkpoint_tree_close(&tree);
 *
 *     resume:  pawl_checkpoint_tree_load(io, info.path, trainer, PAWL_CHECKPOINT_OURS, &loaded,
 *                                        &err);
 *              loaded.pawl_json is what the caller gave to snap
 *
 *     pretrained_model/config.json, train_config.json     by the trainer's describe()
 *     pretrained_model/model.safetensors                  model/..., aliases in __metadata__
 *     training_state/training_step.json                   {"step", "interaction_step"}
 *     training_state/rng_state.safetensors                generators of Python, NumPy and torch
 *     training_state/OPT/optimizer_state.safetensors      optimizer/OPT/...
 *     training_state/OPT/optimizer_param_groups.json
 *     training_state/pawl_state.safetensors               pawl/...
 *     training_state/pawl.json                            the caller's text
 *
 * Pawl draws its random numbers from counters (trainer.h), so rng_state is there for LeRobot
 * alone, which takes a missing one for a reason to start at step 0: generators seeded with the
 * run's seed. LeRobot 0.4.4's training_state.pt is not written: it is a pickle, LeRobot does
 * without it (its interaction step counts from 0 then), and Pawl writes no pickle to disk.
 *
 * Thread safety: one thread per tree.
 */
#ifndef PAWL_LEARNER_CHECKPOINT_TREE_H
#define PAWL_LEARNER_CHECKPOINT_TREE_H

#include "learner/checkpoint.h"
#include "policy/trainer.h"

#define PAWL_CHECKPOINT_PAWL_JSON      "training_state/pawl.json"
#define PAWL_CHECKPOINT_STATE          "training_state/pawl_state.safetensors" /* Pawl's alone */
#define PAWL_CHECKPOINT_PAWL_JSON_MAX  (16u << 20)                             /* bytes */
#define PAWL_CHECKPOINT_OPTIMIZERS_MAX 8u

struct pawl_checkpoint_tree_setup {
    struct pawl_trainer *trainer;
    uint64_t seed;
};

struct pawl_checkpoint_counts {
    uint64_t step;             /* updates */
    uint64_t interaction_step; /* environment steps */
};

struct pawl_checkpoint_tree_files; /* checkpoint_tree.c */

/* Zeroed: closed. */
struct pawl_checkpoint_tree {
    struct pawl_checkpoint_tree_files *made;
    struct pawl_checkpoint_file files[PAWL_CHECKPOINT_FILES_MAX]; /* as of the last snap */
    size_t file_count;
    size_t part_count; /* of all files: part_count_max of the saver */
};

/* Allocates room for a copy of the trainer's block, touched, and all texts but the caller's.
 * The trainer stays open and its table constant while the tree is. */
int pawl_checkpoint_tree_open(struct pawl_checkpoint_tree *tree,
                              const struct pawl_checkpoint_tree_setup *setup,
                              struct pawl_err *err);

/* Copies the trainer's block and fills files. pawl_json (at most PAWL_CHECKPOINT_PAWL_JSON_MAX)
 * is copied; the copy's memory is kept for the next. -EDOM: the state has a number that is not
 * finite, and the files are not to be saved. */
int pawl_checkpoint_tree_snap(struct pawl_checkpoint_tree *tree,
                              const struct pawl_checkpoint_counts *counts,
                              const char *pawl_json, size_t pawl_json_bytes,
                              struct pawl_err *err);

void pawl_checkpoint_tree_close(struct pawl_checkpoint_tree *tree);

/* Where the networks here are not those of a checkpoint. */
#define PAWL_CHECKPOINT_UNFIT                                                                  \
    "its networks are others: policy.sac.hidden, latent_dim or network, or the fields of "     \
    "env.type are not as in its pretrained_model/config.json; leave such keys out"

enum pawl_checkpoint_origin {
    PAWL_CHECKPOINT_OURS,    /* every tensor of the table, no other, pawl.json */
    PAWL_CHECKPOINT_FOREIGN, /* another run's, or LeRobot's: `_orig_mod.`, aliases, and of
                                pawl/ at most what inputs are normalised with */
};

struct pawl_checkpoint_loaded {
    struct pawl_checkpoint_counts counts;
    char *pawl_json; /* NUL-terminated, the caller's to free; NULL: there is none */
    size_t pawl_json_bytes;
    uint32_t
        missing_count; /* tensors of the table that a foreign checkpoint lacks: as before */
    char missing[256]; /* their names, cut with "..." */
};

/* Reads into the trainer's block and calls its restore(). Refuses another shape with the
 * tensor's name and both shapes, and what is not finite, before anything is written. A foreign
 * checkpoint has to hold all of `model/`; a target that it lacks is copied from what it
 * follows, optimizers that it lacks are counted as missing. A foreign one
 * that has a manifest of ours is verified by it; ours has been verified by the caller. */
int pawl_checkpoint_tree_load(struct pawl_io *io, const char *path,
                              struct pawl_trainer *trainer, enum pawl_checkpoint_origin origin,
                              struct pawl_checkpoint_loaded *loaded, struct pawl_err *err);

#endif
