/* keeper.h: makes the files of a run durable every now and then, while the learner goes on.
 *
 *     pawl_keeper_open(&keeper, pawl_io_sys(), folder, PAWL_KEEPER_PERIOD_NS, &err);
 *     pawl_keeper_add(&keeper, "episodes.jsonl", &file);    its syncs are made here from now on
 *     pawl_keeper_poll(&keeper, now_ns);                    each turn of the loop; never waits
 *     pawl_keeper_remove(&keeper, &file);                   before it is closed
 *     pawl_keeper_close(&keeper);
 *
 * Lines are whole in the kernel as soon as they are written (runtime/linefile.h), so a killed
 * learner loses none. What the power takes with it are the lines since the last sync that was
 * finished: two periods of them at most, on a disk that answers. The syncs run beside the
 * learner (runtime/io_queue.h). Where a file has lines that wait for a sync, it begins at once.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_KEEPER_H
#define PAWL_LEARNER_KEEPER_H

#include "runtime/clock.h"
#include "runtime/err.h"
#include "runtime/io_queue.h"
#include "runtime/linefile.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_KEEPER_PERIOD_NS (2 * PAWL_NS_PER_S)
#define PAWL_KEEPER_FILES_MAX PAWL_IO_QUEUE_SLOTS_MAX

struct pawl_keeper_state; /* in keeper.c */

/* Zeroed: closed. */
struct pawl_keeper {
    struct pawl_keeper_state *state; /* NULL: closed */
    uint64_t begun_ns;
    uint64_t sync_count; /* finished */
    bool is_syncing;
};

/* folder: of the run. */
int pawl_keeper_open(struct pawl_keeper *keeper, struct pawl_io *io, const char *folder,
                     uint64_t period_ns, struct pawl_err *err);

/* name: of the file in the folder, constant; file: opened with PAWL_LINEFILE_SYNCS_ELSEWHERE,
 * borrowed until it is removed or the keeper closed. At most PAWL_KEEPER_FILES_MAX. */
void pawl_keeper_add(struct pawl_keeper *keeper, const char *name, struct pawl_linefile *file);

/* Nothing for one that was not added, and for a keeper that is closed. */
void pawl_keeper_remove(struct pawl_keeper *keeper, const struct pawl_linefile *file);

/* Begins a sync of all files when one is due. A file that cannot be opened, say, is tried again
 * when the next one is. After a failed fsync there is none of that file any more, for it has
 * lost what it lost (linefile.h); the others go on. Both are logged when they begin. */
void pawl_keeper_poll(struct pawl_keeper *keeper, uint64_t now_ns);

/* Waits for the sync under way, or until deadline_ns; then begins one if lines wait for it, be
 * it that the last has failed. */
void pawl_keeper_wait(struct pawl_keeper *keeper, uint64_t deadline_ns);

/* Syncs all once more, and waits for it until deadline_ns. -ETIMEDOUT: the disk does not
 * answer, which is logged; what the sync uses is left to the end of the process. */
int pawl_keeper_close(struct pawl_keeper *keeper, uint64_t deadline_ns);

#endif
