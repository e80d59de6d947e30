/* trainer.h: the learning half of a method, which the learner drives.
 *
 *     ops->open(&trainer, &setup, err);
 *     ops->update(trainer, &sampler, &report, err);   one optimization step
 *     ops->fetch(trainer, err);                       what it has learnt, for all that looks
 *     ops->publish(trainer, index, data);             a tensor of the policy's manifest
 *     ops->close(trainer);
 *
 * All that a trainer goes on from (parameters, targets, moments, counters) is one flat block of
 * memory with a table of named tensors in it. So a warm copy is one memcpy, a checkpoint is the
 * table, and who puts an older block back has gone back to that instant, bit for bit. Random
 * numbers are a function of (seed, number of the update): there is no generator to save.
 *
 * Names of the tensors in the block:
 *
 *     model/NAME                        a parameter or target under LeRobot's name
 *     optimizer/OPT/state/I/exp_avg     Adam's moments of the I-th parameter of optimizer OPT,
 *               .../exp_avg_sq, /step   as LeRobot's files number them
 *     pawl/normalize_inputs.NAME        what inputs are normalised with: the parameters mean
 *                                       nothing without it
 *     pawl/NAME                         what else only Pawl has: counters of the run
 *
 * Thread safety: a trainer belongs to one thread.
 */
#ifndef PAWL_POLICY_TRAINER_H
#define PAWL_POLICY_TRAINER_H

#include "policy/batch.h"
#include "runtime/cfg.h"
#include "runtime/err.h"
#include "runtime/json.h"
#include "runtime/spec.h"
#include "runtime/tensor.h"

#define PAWL_TRAINER_FIGURES_MAX 32u
#define PAWL_TRAINER_NORM        "pawl/normalize_inputs."

struct pawl_trainer {
    const struct pawl_trainer_ops *ops;
};

struct pawl_trainer_setup {
    const struct pawl_cfg *cfg;   /* constant while the trainer is open */
    const struct pawl_spec *spec; /* likewise */
    uint32_t choice_count;        /* of the action's last component; 0: it has none */
    uint32_t batch_count;         /* transitions of one batch */
    uint64_t seed;
    const char *device; /* "cpu", "cuda", or for comparison "torch": libtorch on the CPU;
                           "auto": CUDA where it can be opened, else the CPU, and where there is
                           a driver the log says why */
    uint32_t thread_count;
};

/* What one update did. */
struct pawl_trainer_report {
    bool is_skipped;  /* a loss or a gradient was not finite: that step was not made, nor any
                         behind it in this update */
    double grad_norm; /* the largest of the update */
    uint32_t figure_count;
    struct {
        const char *name; /* as in metrics.jsonl: "loss/critic" */
        double value;
    } figures[PAWL_TRAINER_FIGURES_MAX];
};

/* Another name of a tensor of the model, e.g. of an encoder that two networks share. */
struct pawl_trainer_alias {
    const char *name, *of; /* without "model/" */
};

/* What LeRobot's files say of an optimizer besides its moments. */
struct pawl_trainer_optimizer {
    const char *name; /* OPT of the tensors' names: "actor" */
    double learning_rate;
    uint32_t param_count; /* those without moments too */
};

/* Texts for other tools that a checkpoint holds. */
enum pawl_trainer_text {
    PAWL_TRAINER_CONFIG,       /* pretrained_model/config.json */
    PAWL_TRAINER_TRAIN_CONFIG, /* pretrained_model/train_config.json */
};

#define PAWL_TRAINER_WORDS_MAX  48u
#define PAWL_TRAINER_WORD_BYTES 2048u
#define PAWL_TRAINER_NOTE_BYTES 512u

/* Overrides of the configuration, KEY=VALUE each. */
struct pawl_trainer_words {
    uint32_t count;
    char note[PAWL_TRAINER_NOTE_BYTES]; /* what is not as the text has it; "" when all is */
    char words[PAWL_TRAINER_WORDS_MAX][PAWL_TRAINER_WORD_BYTES];
};

struct pawl_trainer_ops {
    /* Allocates all that update() needs, and sets first values: the same for the same seed. On
     * failure *trainer is NULL. */
    int (*open)(struct pawl_trainer **trainer, const struct pawl_trainer_setup *setup,
                struct pawl_err *err);

    /* NULL is left alone. */
    void (*close)(struct pawl_trainer *trainer);

    /* The one that it learns on: never "auto". */
    const char *(*device)(const struct pawl_trainer *trainer);

    /* One optimization step with as many batches as the method wants. No allocation. -EAGAIN
     * from the sampler comes through, with nothing changed. */
    int (*update)(struct pawl_trainer *trainer, const struct pawl_sampler *sampler,
                  struct pawl_trainer_report *report, struct pawl_err *err);

    /* What a step later is worth, for n-step returns: 0 to 1. */
    double (*discount)(const struct pawl_trainer *trainer);

    /* Updates since the run began. */
    uint64_t (*update_count)(const struct pawl_trainer *trainer);

    /* The block in the host's memory; constant while the trainer is open. What is there is what
     * fetch() has brought or somebody has written; first values at first. */
    void *(*state)(struct pawl_trainer *trainer, size_t *byte_count);

    /* Brings the block there as the last update left it; valid until the next. On failure what
     * is there is of no use. */
    int (*fetch)(struct pawl_trainer *trainer, struct pawl_err *err);

    /* What is where in the block: data points into it. The table is constant. */
    const struct pawl_tensor *(*tensors)(const struct pawl_trainer *trainer, size_t *count);

    /* Somebody has written the block, all of it or after a fetch: it counts from now on.
     * Refuses, with the tensor's name, what is not finite. */
    int (*restore)(struct pawl_trainer *trainer, struct pawl_err *err);

    /* Tensor `index` of the method's manifest (policy.h), for the actors; as of the last
     * fetch. */
    void (*publish)(const struct pawl_trainer *trainer, size_t index, void *data);

    /* For tools that read LeRobot's tree. NULL: none. */
    const struct pawl_trainer_alias *(*aliases)(const struct pawl_trainer *trainer,
                                                size_t *count);
    const struct pawl_trainer_optimizer *(*optimizers)(const struct pawl_trainer *trainer,
                                                       size_t *count);
    int (*describe)(const struct pawl_trainer *trainer, enum pawl_trainer_text which,
                    struct pawl_json_writer *writer, struct pawl_err *err);

    /* The other way: what a config.json says of this method's keys, for a run that begins with
     * what was learnt there. is_ours: Pawl's own state lies with it, so that nobody else has
     * trained it since. `source` names the text in errors and in the note. NULL: nothing is
     * taken from there. */
    int (*recall)(struct pawl_trainer_words *words, const char *text, size_t length_bytes,
                  bool is_ours, const char *source, struct pawl_err *err);
};

/* The first tensor that has a number in `block` which is not finite; NULL: none has. block is
 * laid out as `state`, what the trainer's state() gave, and may be that. */
const struct pawl_tensor *pawl_trainer_find_spoilt(const struct pawl_trainer *trainer,
                                                   const void *state, const void *block);

#endif
