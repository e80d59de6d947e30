/* acting.h: the acting loop: observe, act, step, record.
 *
 *     pawl_acting_open(&acting, &cfg, &err);
 *     for (;;) {
 *         switch (pawl_acting_round(acting, &err)) {
 *         case PAWL_ACTING_STEPPED: break;             every lane took one step
 *         case PAWL_ACTING_FULL: wait for room; break;
 *         case PAWL_ACTING_NO_PARAMS: wait for the learner; break;
 *         case PAWL_ACTING_FAILED: end, err says why
 *         }
 *     }
 *     pawl_acting_cut(acting);                         all episodes end here
 *
 * One round, for all lanes at once:
 *
 *     infer     the policy writes an action into each lane's record, whose observation is there
 *     step      the action, brought within its bounds, goes to the environment, which writes
 *               what it observes then into the lane's next record
 *     observe   that observation is checked; reward and flags complete the record; an episode
 *               that has ended gets its FINAL record and the next one begins
 *     push      what is complete is committed
 *
 * A record is written where the learner will read it. In a round nothing is allocated, locked
 * or sent, and no system call is made, by us: an environment does what it does.
 *
 * No action that is not finite or not within the bounds reaches an environment. A component
 * that is not finite is replaced by the one executed before (0 at the begin of an episode); one
 * that is too large is clamped, or replaced likewise. A record holds what was executed.
 *
 * An observation or reward that may not be in a record, or an environment that fails, ends the
 * episode: the record whose action led there becomes the FINAL record, and its action is
 * forgotten, for what followed is not known. The third time in a row in one lane is the actor's
 * failure. Such a FINAL record is neither TERMINATED nor TRUNCATED, as one of an episode that
 * is cut: nothing says that its future is worth nothing.
 *
 * Thread safety: one thread; pawl_acting_safe() from any.
 */
#ifndef PAWL_ACTOR_ACTING_H
#define PAWL_ACTOR_ACTING_H

#include "actor/lanes.h"
#include "actor/outbox.h"
#include "actor/params.h"
#include "actor/record.h"
#include "policy/policy.h"
#include "runtime/err.h"
#include "runtime/tsc.h"
#include "shm/run_stats.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PAWL_ACTING_FAILURES_MAX 3u /* in a row, in one lane */

/* When newer parameters are taken. */
enum pawl_acting_adopt {
    PAWL_ACTING_ADOPT_STEP,    /* before any step */
    PAWL_ACTING_ADOPT_CHUNK,   /* before every chunk_steps-th step of an episode */
    PAWL_ACTING_ADOPT_EPISODE, /* before the first one */
};

enum pawl_acting_excess {
    PAWL_ACTING_EXCESS_CLAMP,
    PAWL_ACTING_EXCESS_HOLD,
};

struct pawl_acting_cfg {
    /* All borrowed, and used by nobody else until close. */
    struct pawl_lanes *lanes;
    const struct pawl_record_layout *layout;
    struct pawl_policy *policy;
    struct pawl_params *params;
    struct pawl_outbox *outbox;
    struct pawl_stats *stats; /* of pawl_actor_stat_rows */
    struct pawl_tsc *tsc;

    enum pawl_acting_adopt adopt; /* CHUNK and EPISODE: of lane 0, so for one lane */
    uint32_t chunk_steps;
    enum pawl_acting_excess excess;
    bool has_times; /* false: capture_ns is 0, so that equal runs have equal records */
};

enum pawl_acting_result {
    PAWL_ACTING_STEPPED,
    PAWL_ACTING_FULL,
    PAWL_ACTING_NO_PARAMS, /* the policy needs some, and no version was published yet */
    PAWL_ACTING_FAILED,
};

struct pawl_acting;

/* Begins no episode: the first round does. */
int pawl_acting_open(struct pawl_acting **acting, const struct pawl_acting_cfg *cfg,
                     struct pawl_err *err);
void pawl_acting_close(struct pawl_acting *acting); /* NULL is fine */

/* One step of every lane. On FAILED, and only then, err is set; the rounds are over. */
enum pawl_acting_result pawl_acting_round(struct pawl_acting *acting, struct pawl_err *err);

/* Ends every episode with a FINAL record and pushes all there is. The next round begins new
 * episodes. */
void pawl_acting_cut(struct pawl_acting *acting);

/* Makes the environments safe. From any thread, also during a round. */
void pawl_acting_safe(struct pawl_acting *acting);

/* True while an environment is reset, which may take longer than a step. For any thread. */
const _Atomic bool *pawl_acting_is_resetting(const struct pawl_acting *acting);

/* The clock as it was at the end of the last round: ticks of cfg.tsc, free to read. */
uint64_t pawl_acting_ticks(const struct pawl_acting *acting);

/* STEP records so far, one for each step of a lane. */
uint64_t pawl_acting_step_count(const struct pawl_acting *acting);

#endif
