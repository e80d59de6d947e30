/* guard.h: whether training still goes well, judged after every update.
 *
 *     switch (pawl_guard_judge(&guard, is_skipped, grad_norm)) {
 *     case PAWL_GUARD_GOOD:      keep a copy of this state to go back to
 *     case PAWL_GUARD_ROLL_BACK: go back to that copy, and draw other batches
 *     case PAWL_GUARD_GIVE_UP:   it does not help
 *     }
 *
 * Trouble is PAWL_GUARD_BAD_MAX updates in a row whose loss or gradient was not finite, or
 * PAWL_GUARD_HIGH_MAX whose gradient norm was more than PAWL_GUARD_HIGH_FACTOR times what it
 * has been. A state is good after PAWL_GUARD_GOOD_COUNT updates without either. Three times
 * back without a good state in between is the end.
 *
 * A number that is not finite may be where no loss shows it: who looks at the whole state, to
 * save it, says what it found. Then three times back without a sound state as far on is the
 * end.
 *
 * Thread safety: a value like any other, without pointers: it goes with the warm state
 * (warm.h), whose layout is its own too.
 */
#ifndef PAWL_LEARNER_GUARD_H
#define PAWL_LEARNER_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define PAWL_GUARD_BAD_MAX       3u
#define PAWL_GUARD_HIGH_MAX      20u
#define PAWL_GUARD_HIGH_FACTOR   100.0
#define PAWL_GUARD_GOOD_COUNT    100u
#define PAWL_GUARD_ROLLBACKS_MAX 3u

enum pawl_guard_verdict {
    PAWL_GUARD_GO_ON,
    PAWL_GUARD_GOOD,
    PAWL_GUARD_ROLL_BACK,
    PAWL_GUARD_GIVE_UP,
};

/* Zeroed: nothing seen yet. */
struct pawl_guard {
    double norm_mean; /* of finite gradient norms, exponential; 0: none yet */
    uint32_t bad_count;
    uint32_t high_count;
    uint32_t good_count;     /* updates in a row without trouble */
    uint32_t rollback_count; /* since the last good state */
    uint32_t spoilt_count;   /* since a sound state as far on as spoilt_update */
    uint32_t reserved;
    uint64_t spoilt_update; /* the highest with a number that was not finite */
};

/* The last update was not finite, or its gradient far above what it has been: whether that
 * passes or ends in a way back is not known yet, so the state is nothing to keep. */
bool pawl_guard_is_in_trouble(const struct pawl_guard *guard);

enum pawl_guard_verdict pawl_guard_judge(struct pawl_guard *guard, bool is_skipped,
                                         double grad_norm);

/* The state of this update has a number that is not finite: ROLL_BACK or GIVE_UP. */
enum pawl_guard_verdict pawl_guard_judge_spoilt(struct pawl_guard *guard,
                                                uint64_t update_count);

/* It has none. */
void pawl_guard_note_sound(struct pawl_guard *guard, uint64_t update_count);

#endif
