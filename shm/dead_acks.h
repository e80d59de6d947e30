/* dead_acks.h: where readers that died have stopped, for the one that goes on.
 *
 *     offer of a segment of acks:   pawl_dead_acks_add(&dead, id, fd, total_bytes, &err);
 *     offer of a ring:              pawl_dead_acks_find_start(&dead, &offer, &rx_cfg, &err);
 *                                   pawl_ring_attach(&rx, &segment, fd, &acks, &rx_cfg, &err);
 *     GONE of that id:              pawl_dead_acks_remove(&dead, id);
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_SHM_DEAD_ACKS_H
#define PAWL_SHM_DEAD_ACKS_H

#include "runtime/err.h"
#include "shm/hub_msg.h"
#include "shm/ring.h"

#include <stdint.h>

#define PAWL_DEAD_ACKS_MAX 8u

/* Zeroed: there are none. */
struct pawl_dead_acks {
    struct {
        uint64_t id; /* the hub's; 0: free */
        struct pawl_segment segment;
    } all[PAWL_DEAD_ACKS_MAX];
};

/* fd stays the caller's. total_bytes: as announced, 0: not. -ENOSPC: there are too many. */
int pawl_dead_acks_add(struct pawl_dead_acks *dead, uint64_t id, int fd, uint64_t total_bytes,
                       struct pawl_err *err);

/* Nothing when it is not there. */
void pawl_dead_acks_remove(struct pawl_dead_acks *dead, uint64_t id);

/* Sets the position to read on from, for a ring that had a reader. -EPROTO: that one's acks
 * have not been added. */
int pawl_dead_acks_find_start(const struct pawl_dead_acks *dead,
                              const struct pawl_hub_offer *ring, struct pawl_ring_rx_cfg *cfg,
                              struct pawl_err *err);

void pawl_dead_acks_close(struct pawl_dead_acks *dead);

#endif
