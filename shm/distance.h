/* distance.h: how far apart the cores of the two ends of a ring are.
 *
 * One line goes to and fro between their pages; what that takes tells whether the cores share a
 * last-level cache. The writer chooses its copy method by it.
 *
 *     writer                                      reader, at about the same time
 *     ns = pawl_distance_probe(&tx, timeout_ns);  pawl_distance_answer(&rx, timeout_ns);
 *     pawl_ring_set_copy_method(&tx, pawl_distance_copy_method(ns), ns);
 */
#ifndef PAWL_SHM_DISTANCE_H
#define PAWL_SHM_DISTANCE_H

#include "shm/copy.h"
#include "shm/ring.h"

#define PAWL_DISTANCE_ROUNDS 3000u

/* One way up to this: one last-level cache. Seen on Zen 4: 25 between the threads of a core, 58
 * to 66 within one cache, 250 to 270 between two. */
#define PAWL_DISTANCE_NEAR_NS_MAX 100u

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
