/* resume.h: what a resumed run goes on from besides the trainer's state:
 * training_state/pawl.json of a checkpoint.
 *
 *     {"pawl":1,
 *      "updates":5000,"draw_offset":0,
 *      "ratio":{"step_count":0,"credit":0.0},
 *      "counts":{"records":5100,"steps":5100,"episodes":25,"refused":0,"gaps":0,
 *                "episodes_bytes":4000,"ledger_bytes":0,"frames":5125,"offline_frames":0},
 *      "version_next":626,
 *      "actors":[{"actor":0,"epoch":"9f...","next":5125}]}
 *
 * `actors` says up to which record of which incarnation the counts go: nothing reads it back,
 * as a resumed run has new actors; it is the proof of what was counted.
 *
 * Thread safety: no state.
 */
#ifndef PAWL_LEARNER_RESUME_H
#define PAWL_LEARNER_RESUME_H

#include <limits.h>

#include "learner/ingest.h"
#include "learner/warm.h"
#include "runtime/json.h"

struct pawl_resume {
    struct pawl_warm_mark mark;
    struct pawl_tally_totals totals;
    uint64_t version_next;
};

/* Where it is found: the newest valid checkpoint of the run. Which that is, is known after all
 * its bytes have been read, so nobody looks before it is needed: the memory of a dead learner
 * is newer. */
struct pawl_resume_source {
    struct pawl_io *io;
    const char *folder; /* of the run */
    bool is_found;
    struct pawl_resume resume; /* once found */
    char path[PATH_MAX];       /* of the checkpoint, likewise */
};

/* Finds it, at the first call. Each checkpoint that is skipped is logged. -ENOENT: there is
 * none. */
int pawl_resume_find(struct pawl_resume_source *source, struct pawl_err *err);

void pawl_resume_write(struct pawl_json_writer *out, const struct pawl_warm_mark *mark,
                       const struct pawl_ingest *ingest);

/* Strict: every number is there and in its range. `source` names the file in errors. */
int pawl_resume_parse(struct pawl_resume *resume, const char *text, size_t length_bytes,
                      const char *source, struct pawl_err *err);

#endif
