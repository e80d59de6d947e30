#include "shm/run_stats.h"

#define ROW(word, name_, kind_, unit_, help_)                                                  \
    {.name = name_, .kind = PAWL_STAT_##kind_, .unit = unit_, .help = help_},

const struct pawl_stat_row pawl_actor_stat_rows[] = {PAWL_ACTOR_STATS(ROW)};
const struct pawl_stat_row pawl_learner_stat_rows[] = {PAWL_LEARNER_STATS(ROW)};
