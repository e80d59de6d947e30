/* publish.h: the learner's parameters on their way to the actors.
 *
 *     pawl_publisher_open(&publisher, &cfg, &err);
 *     pawl_publisher_add(&publisher, ring_page, pin, &err);    before the actor is bound
 *     offer publisher.segment
 *     pawl_publisher_publish(&publisher, step, &err);          version 1, 2, ...
 *
 * The tensors are those of the run's method, by its names, as its trainer has them; without a
 * trainer they keep their first values. A method without parameters publishes how many steps
 * have been taken, as `learner.steps`. What is not finite is not published.
 *
 * Generations go up over all learners of a run (tally.h). A version that finds no slot free is
 * skipped and counted by the board: the learner never waits for a reader.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_PUBLISH_H
#define PAWL_LEARNER_PUBLISH_H

#include "learner/tally.h"
#include "policy/policy.h"
#include "runtime/err.h"
#include "shm/board.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_PUBLISHER_STEPS_NAME "learner.steps" /* int64, a single value */

struct pawl_publisher_cfg {
    const struct pawl_policy_ops *ops;
    struct pawl_policy_setup setup; /* spec and cfg outlive the publisher */
    uint32_t reader_count;          /* most actors; the index of one is below it */
    uint32_t slot_count;
    struct pawl_tally *tally;     /* borrowed */
    struct pawl_trainer *trainer; /* likewise; NULL: the method does not learn */
};

/* Zeroed: closed. */
struct pawl_publisher {
    bool is_open;
    struct pawl_publisher_cfg cfg;
    struct pawl_policy *policy; /* NULL: a method without parameters */
    struct pawl_manifest manifest;
    struct pawl_segment segment; /* segment.fd goes to the hub */
    struct pawl_board_tx tx;
    unsigned char *blob;
    uint32_t *readers;      /* the board's index of each reader + 1; 0: none */
    uint64_t version;       /* published last; 0: none */
    uint64_t refused_count; /* versions that had a number that is none */
};

int pawl_publisher_open(struct pawl_publisher *publisher, const struct pawl_publisher_cfg *cfg,
                        struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_publisher_close(struct pawl_publisher *publisher);

/* From now on the pin counts, until it is removed; the page it is in stays mapped until then.
 */
int pawl_publisher_add(struct pawl_publisher *publisher, uint32_t index,
                       const struct pawl_pin *pin, struct pawl_err *err);
void pawl_publisher_remove(struct pawl_publisher *publisher, uint32_t index);

/* The generation, or 0 when the version was skipped or refused; -errno: the trainer's device
 * does not give its parameters. Never waits for a reader. */
int64_t pawl_publisher_publish(struct pawl_publisher *publisher, uint64_t step,
                               struct pawl_err *err);

#endif
