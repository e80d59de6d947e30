/* ratio.h: how many updates the environment steps so far are worth, and who has to wait.
 *
 *     pawl_ratio_open(&ratio, &cfg, &mark);
 *     owed = pawl_ratio_owed(&ratio, step_count, update_count);
 *     owed >= 1: an update is due; less than 1: the learner waits for steps
 *     room = pawl_ratio_room(&ratio, step_count, update_count);
 *                                       steps that may be taken in before an update is due
 *
 * A step is worth `updates_per_step` updates from step `learning_starts` on:
 *
 *     owed = credit + updates_per_step * (steps beyond the mark) - updates done
 *
 * It is a function of the counters alone: a learner that was killed, or a run that is resumed,
 * owes what it owed. The mark is where the price changed last: a run that is resumed with
 * another ratio does not pay it for the steps of before.
 *
 * Thread safety: a value like any other.
 */
#ifndef PAWL_LEARNER_RATIO_H
#define PAWL_LEARNER_RATIO_H

#include <stdbool.h>
#include <stdint.h>

struct pawl_ratio_cfg {
    double updates_per_step;
    uint64_t learning_starts;   /* steps that are worth nothing, at the start of the run */
    bool is_learner_waited_for; /* no step is taken in while an update is due */
};

/* What a checkpoint holds of it: at `step_count`, `credit` updates had been earned. */
struct pawl_ratio_mark {
    uint64_t step_count;
    double credit;
};

struct pawl_ratio {
    struct pawl_ratio_cfg cfg;
    struct pawl_ratio_mark mark;
};

/* mark: of a checkpoint; NULL: a new run. */
void pawl_ratio_open(struct pawl_ratio *ratio, const struct pawl_ratio_cfg *cfg,
                     const struct pawl_ratio_mark *mark);

/* Updates earned by so many steps. */
double pawl_ratio_credit(const struct pawl_ratio *ratio, uint64_t step_count);

/* Negative: more have been done than were earned. */
double pawl_ratio_owed(const struct pawl_ratio *ratio, uint64_t step_count,
                       uint64_t update_count);

/* 0 while an update is due; UINT64_MAX where the learner is not waited for. */
uint64_t pawl_ratio_room(const struct pawl_ratio *ratio, uint64_t step_count,
                         uint64_t update_count);

#endif
