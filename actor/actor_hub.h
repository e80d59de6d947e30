/* actor_hub.h: what an actor hears from the hub of its run, as a state of affairs.
 *
 *     pawl_actor_hub_open(&hub, fd, index, &err);
 *     pawl_actor_hub_offer(&hub, &ring_segment, &tx, &stats_segment, &params, &err);
 *     pawl_actor_hub_listen(&hub, &err);        attaches and binds what has come
 *     if (hub.is_hung_up) ...
 *
 * Thread safety: one thread, the ring's writer, and not within a wait for room.
 */
#ifndef PAWL_ACTOR_ACTOR_HUB_H
#define PAWL_ACTOR_ACTOR_HUB_H

#include "actor/params.h"
#include "runtime/err.h"
#include "shm/peer.h"
#include "shm/ring.h"

#include <stdbool.h>
#include <stdint.h>

/* A run has one learner; those of its predecessors are in use until it has its own. */
#define PAWL_ACTOR_HUB_ACKS_MAX 4

/* A learner's segment of acknowledgements. */
struct pawl_actor_acks {
    uint64_t id; /* 0: none */
    struct pawl_segment segment;
    int doorbell_fd;
    bool is_gone; /* its learner has ended */
};

/* Zeroed: closed. The flags stay once they are set. */
struct pawl_actor_hub {
    struct pawl_peer peer;
    uint64_t ring_id;
    struct pawl_ring_tx *tx;
    struct pawl_params *params;
    struct pawl_actor_acks acks[PAWL_ACTOR_HUB_ACKS_MAX];
    uint64_t acks_bound; /* the id; 0: nobody reads the ring yet */
    uint64_t gone_ns;    /* since when there is no learner that reads; 0: there is one, or none
                            has come yet */
    uint32_t state;      /* as last told */
    bool is_stopping;
    uint64_t stop_deadline_ns;
    bool is_hung_up;
    bool is_rejected;
    struct pawl_err why; /* of is_rejected */
};

int pawl_actor_hub_open(struct pawl_actor_hub *hub, int fd, uint32_t index,
                        struct pawl_err *err);
void pawl_actor_hub_close(struct pawl_actor_hub *hub);

/* Hands the ring and the figures to the run. All are borrowed until close. */
int pawl_actor_hub_offer(struct pawl_actor_hub *hub, const struct pawl_segment *ring,
                         struct pawl_ring_tx *tx, const struct pawl_segment *stats,
                         struct pawl_params *params, struct pawl_err *err);

/* Takes in all that has come, without waiting. A failure is of the parameters or of the ring;
 * the connection's own is is_hung_up. */
int pawl_actor_hub_listen(struct pawl_actor_hub *hub, struct pawl_err *err);

/* Returns when something has come, or after the time. */
void pawl_actor_hub_wait(const struct pawl_actor_hub *hub, uint64_t timeout_ns);

/* Tells a state that is not the last told. */
void pawl_actor_hub_tell(struct pawl_actor_hub *hub, uint32_t state, uint64_t step_count,
                         const char *text);

#endif
