/* eval_target.h: what people mean by "that run" or "that checkpoint".
 *
 * Thread safety: no state.
 */
#ifndef PAWL_PAWL_EVAL_TARGET_H
#define PAWL_PAWL_EVAL_TARGET_H

#include "runtime/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pawl_eval_target {
    char checkpoint[PATH_MAX]; /* the folder that has pretrained_model; "" for one alone */
    char model[PATH_MAX];      /* the folder that has model.safetensors */
    char config[PATH_MAX];     /* config.toml of the run it is of; "": it is of none */
    bool has_step;
    uint64_t step; /* updates */
};

/* `path`: a run (its newest valid checkpoint is taken, and each newer one that is not valid is
 * told on `warnings`), a checkpoint or `last`, or a pretrained_model folder, of anywhere. A
 * checkpoint of ours is taken only when all its bytes are as written. -ENOENT and -ENOTDIR: it
 * is none of these; -ENODATA: a run without a valid checkpoint; -EINVAL: a broken checkpoint.
 */
int pawl_eval_target_find(struct pawl_eval_target *target, const char *path, FILE *warnings,
                          struct pawl_err *err);

#endif
