#include "learner/learner_cfg.h"

#include "learner/book.h"
#include "learner/tally.h"

#include <stddef.h>

#define LEARNER struct pawl_learner_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_F64_ROW(LEARNER, "learner.publish_period_s", publish_period_s, 4.0, 0.001, 3600.0,
                     "s", "Time between two publications of the actors' parameters."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.publish_every", publish_every, 1000, 1,
                     PAWL_CFG_I64_HIGHEST, "steps",
                     "Likewise in a deterministic run, which knows no time."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.version_slots", version_slots, 8, 2, 1022, "",
                     "Versions of the parameters that have room; readers use up to one each."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.rings_max", rings_max, 64, 1, PAWL_TALLY_RINGS_MAX - 4,
                     "", "Actors that may be read at a time, the dead ones until drained."),
    PAWL_CFG_I64_ROW(LEARNER, "learner.batch", batch, PAWL_BOOK_BATCH_MAX, 1,
                     PAWL_BOOK_BATCH_MAX, "records",
                     "Records taken from a ring before the next ring has its turn."),
    PAWL_CFG_BOOL_ROW(LEARNER, "learner.ledger", ledger, false,
                      "Write ledger.jsonl: which records were counted, with checksums."),
    PAWL_CFG_I64_LIST_ROW(LEARNER, "learner.cpus", cpus, "[]", 0, 1023, 0, "",
                          "Processors that the learner may use, all of them; empty: any."),
};

const struct pawl_cfg_table pawl_learner_table = {
    .name = "learner",
    .help = "How records are taken in and parameters handed out.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(LEARNER),
};
