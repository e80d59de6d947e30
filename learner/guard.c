#include "learner/guard.h"

#include <math.h>

#define NORM_WEIGHT 0.01 /* of one update in the mean */

static enum pawl_guard_verdict roll_back(struct pawl_guard *guard)
{
    guard->bad_count = guard->high_count = guard->good_count = 0;
    guard->rollback_count++;
    return guard->rollback_count > PAWL_GUARD_ROLLBACKS_MAX ? PAWL_GUARD_GIVE_UP
                                                            : PAWL_GUARD_ROLL_BACK;
}

bool pawl_guard_is_in_trouble(const struct pawl_guard *guard)
{
    return guard->bad_count > 0 || guard->high_count > 0;
}

enum pawl_guard_verdict pawl_guard_judge(struct pawl_guard *guard, bool is_skipped,
                                         double grad_norm)
{
    if (is_skipped || !isfinite(grad_norm)) {
        guard->good_count = 0;
        return ++guard->bad_count >= PAWL_GUARD_BAD_MAX ? roll_back(guard) : PAWL_GUARD_GO_ON;
    }
    guard->bad_count = 0;
    if (guard->norm_mean > 0.0 && grad_norm > PAWL_GUARD_HIGH_FACTOR * guard->norm_mean) {
        guard->good_count = 0;
        return ++guard->high_count >= PAWL_GUARD_HIGH_MAX ? roll_back(guard) : PAWL_GUARD_GO_ON;
    }
    /* What is far above the mean does not move it: it would become the measure of itself. */
    guard->high_count = 0;
    guard->norm_mean = guard->norm_mean > 0.0
                           ? guard->norm_mean + NORM_WEIGHT * (grad_norm - guard->norm_mean)
                           : grad_norm;
    if (++guard->good_count < PAWL_GUARD_GOOD_COUNT)
        return PAWL_GUARD_GO_ON;
    guard->good_count = 0;
    guard->rollback_count = 0;
    return PAWL_GUARD_GOOD;
}

enum pawl_guard_verdict pawl_guard_judge_spoilt(struct pawl_guard *guard, uint64_t update_count)
{
    guard->bad_count = guard->high_count = guard->good_count = 0;
    if (update_count > guard->spoilt_update)
        guard->spoilt_update = update_count;
    return ++guard->spoilt_count > PAWL_GUARD_ROLLBACKS_MAX ? PAWL_GUARD_GIVE_UP
                                                            : PAWL_GUARD_ROLL_BACK;
}

void pawl_guard_note_sound(struct pawl_guard *guard, uint64_t update_count)
{
    if (update_count >= guard->spoilt_update)
        guard->spoilt_count = 0;
}
