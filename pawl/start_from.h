/* start_from.h: the configuration of what a new run begins with, learner.start_from, taken
 * where the run's own says nothing: a policy of LeRobot that was made with other bounds, rates
 * or networks goes on with them.
 *
 *     pawl_cfg_open(&cfg, tables, &source, &err);
 *     pawl_start_from_read(&from, cfg, &err);
 *     if (from.base.word_count > 0)
 *         open it again on top of from.base, and print from.words.note
 */
#ifndef PAWL_PAWL_START_FROM_H
#define PAWL_PAWL_START_FROM_H

#include <limits.h>

#include "policy/trainer.h"
#include "runtime/cfg.h"

struct pawl_start_from {
    struct pawl_trainer_words words;
    char *pointers[PAWL_TRAINER_WORDS_MAX]; /* to them */
    char origin[PATH_MAX];
    struct pawl_cfg_base base; /* all of it */
};

/* No words: there is no learner.start_from, or its file is missing, which the learner tells, or
 * the method takes nothing from there. It must not be moved. */
int pawl_start_from_read(struct pawl_start_from *from, const struct pawl_cfg *cfg,
                         struct pawl_err *err);

#endif
