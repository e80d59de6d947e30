/* train.h: the verbs that start a run or take part in one. */
#ifndef PAWL_PAWL_TRAIN_H
#define PAWL_PAWL_TRAIN_H

#include "runtime/cli.h"

extern const struct pawl_cli_verb pawl_verb_train, pawl_verb_learner, pawl_verb_actor;

#endif
