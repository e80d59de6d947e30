/* distance.h: how far apart the cores of the two ends of a ring are.
 *
 * One line goes to and fro between their pages; what that takes tells whether the cores share a
 * last-level cache. The writer chooses its copy method by it.
 *
 *     writer, bound the first time     reader, at about the same time
 *     pawl_distance_meet_reader(&tx);  pawl_distance_meet_writer(&rx);
 */
#ifndef PAWL_SHM_DISTANCE_H
#define PAWL_SHM_DISTANCE_H

#include "shm/copy.h"
#include "shm/ring.h"

#define PAWL_DISTANCE_ROUNDS 3000u

/* One way up to this: one last-level cache. Seen on Zen 4: 25 between the threads of a core, 58
 * to 66 within one cache, 250 to 270 between two. */
#define PAWL_DISTANCE_NEAR_NS_MAX 100u

/* How long the ends wait for each other when they meet. The writer comes when it next looks at
 * its messages, which a loop that acts does a few times a second; then it is not held up long.
 */
#define PAWL_DISTANCE_WRITER_WAIT_NS 50000000ull
#define PAWL_DISTANCE_READER_WAIT_NS 150000000ull

/* For the first reader of a ring, and where records are large enough for it to matter (others
 * do nothing): measures, and sets the ring's copy method. A later reader takes over at any
 * time, when nobody should wait for it; the ring keeps what was measured. */
void pawl_distance_meet_reader(struct pawl_ring_tx *tx);
void pawl_distance_meet_writer(struct pawl_ring_rx *rx);

/* Nanoseconds one way, median of many round trips, halved; 0: not measured in time. tx is bound
 * to its reader. */
uint32_t pawl_distance_probe(struct pawl_ring_tx *tx, uint64_t timeout_ns);

/* Answers the writer's probe until it ends: true. False when it did not come or end in time. */
bool pawl_distance_answer(struct pawl_ring_rx *rx, uint64_t timeout_ns);

/* "near", "far", or "unknown" for 0. */
const char *pawl_distance_class(uint32_t distance_ns);

/* Plain when near; streaming when far, and when unknown, since it is the one that is never slow
 * by much. */
enum pawl_copy_method pawl_distance_copy_method(uint32_t distance_ns);

#endif
