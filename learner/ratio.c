#include "learner/ratio.h"

#include <math.h>
#include <stddef.h>

/* What is earned is a product of decimals like 0.1: an update that is due but for the last
 * digit is due. */
#define ROUNDING 1e-9

void pawl_ratio_open(struct pawl_ratio *ratio, const struct pawl_ratio_cfg *cfg,
                     const struct pawl_ratio_mark *mark)
{
    *ratio = (struct pawl_ratio){.cfg = *cfg};
    if (mark)
        ratio->mark = *mark;
}

double pawl_ratio_credit(const struct pawl_ratio *ratio, uint64_t step_count)
{
    uint64_t from = ratio->mark.step_count;
    if (from < ratio->cfg.learning_starts)
        from = ratio->cfg.learning_starts;
    if (step_count <= from)
        return ratio->mark.credit;
    return ratio->mark.credit + ratio->cfg.updates_per_step * (double)(step_count - from);
}

double pawl_ratio_owed(const struct pawl_ratio *ratio, uint64_t step_count,
                       uint64_t update_count)
{
    return pawl_ratio_credit(ratio, step_count) - (double)update_count + ROUNDING;
}

uint64_t pawl_ratio_room(const struct pawl_ratio *ratio, uint64_t step_count,
                         uint64_t update_count)
{
    if (!ratio->cfg.is_learner_waited_for || ratio->cfg.updates_per_step == 0.0)
        return UINT64_MAX;
    uint64_t free_count =
        step_count < ratio->cfg.learning_starts ? ratio->cfg.learning_starts - step_count : 0;
    double owed = pawl_ratio_owed(ratio, step_count, update_count);
    if (owed >= 1.0)
        return 0;
    double room = ceil((1.0 - owed) / ratio->cfg.updates_per_step - ROUNDING);
    return room > 1e15 ? UINT64_MAX : free_count + (room < 1.0 ? 1 : (uint64_t)room);
}
