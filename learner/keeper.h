/* keeper.h: makes the files of a run durable every now and then, while the learner goes on.
 *
 *     pawl_keeper_open(&keeper, pawl_io_sys(), folder, PAWL_KEEPER_PERIOD_NS, &err);
 *     pawl_keeper_poll(&keeper, now_ns);            each turn of the loop; never waits
 *
 * Lines are whole in the kernel as soon as they are written (runtime/linefile.h), so a killed
 * learner loses none. What the power takes with it are the lines since the last sync that was
 * finished: two periods of them at most, on a disk that answers. The syncs run beside the
 * learner (runtime/io_queue.h).
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_KEEPER_H
#define PAWL_LEARNER_KEEPER_H

#include "runtime/clock.h"
#include "runtime/err.h"
#include "runtime/io_queue.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_KEEPER_PERIOD_NS   (2 * PAWL_NS_PER_S)
#define PAWL_KEEPER_NAMES_COUNT 2 /* episodes.jsonl, metrics.jsonl */

/* Zeroed: closed. */
struct pawl_keeper {
    struct pawl_io_queue queue;
    struct pawl_io_op ops[3 * PAWL_KEEPER_NAMES_COUNT];
    int folder;
    uint64_t period_ns, begun_ns;
    uint64_t sync_count; /* finished */
    bool is_open, is_syncing, has_failed;
};

/* folder: of the run. */
int pawl_keeper_open(struct pawl_keeper *keeper, struct pawl_io *io, const char *folder,
                     uint64_t period_ns, struct pawl_err *err);

/* Begins a sync when one is due. The first that fails is logged, and the last: a file that
 * could not be synced once has lost what it lost (linefile.h). */
void pawl_keeper_poll(struct pawl_keeper *keeper, uint64_t now_ns);

/* Waits a moment for the sync under way. */
void pawl_keeper_close(struct pawl_keeper *keeper);

#endif
