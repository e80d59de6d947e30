/* actor.h: an actor of a run: its environments, its policy, its ring, and what it hears from
 * the hub.
 *
 *     struct pawl_actor_start start = {.cfg = cfg, .index = 3, .hub_fd = 3};
 *     pawl_actor_open(&actor, &start, &err);
 *     code = pawl_actor_run(actor, &err);             until it is told to stop, or cannot go on
 *     pawl_actor_close(actor);
 *
 * Free-running, it does nothing but rounds (acting.h); every 10 ms it looks whether the hub has
 * something to say. With env.target_hz it keeps a schedule and waits for nobody. In lock-step
 * (run.deterministic) it acts only when everything it wrote has been read, and takes whatever
 * version of the parameters there is then: a learner that lets go of a record only after all
 * that follows from it, publishing included, makes equal runs of equal seeds.
 *
 *     learner dies          goes on, with its last parameters and into the same ring; after
 *                           actor.param_age_s_max it holds
 *     next learner          goes on from the record that the last one read
 *     ring full             waits, or what ring.full says; held after a second
 *     told to stop          ends the step and the episodes, makes safe, hands over all records
 *     supervisor dies       makes safe at once, then as above
 *     environment hangs     makes safe and ends, without the hung thread (watchdog.h)
 *     SIGKILL               the next one begins a new ring and new episodes
 *
 * Held means: episodes are ended, environments are safe, and the hub knows for whom it waits.
 *
 * Thread safety: one thread; pawl_actor_ask_to_stop() also from a signal handler.
 */
#ifndef PAWL_ACTOR_ACTOR_H
#define PAWL_ACTOR_ACTOR_H

#include "runtime/cfg.h"
#include "runtime/err.h"

#include <stdint.h>

/* The tables that an actor reads, NULL behind the last. */
extern const struct pawl_cfg_table *const pawl_actor_tables[];

#define PAWL_ACTOR_LIFE_UNKNOWN UINT32_MAX

struct pawl_actor_start {
    const struct pawl_cfg *cfg; /* of pawl_actor_tables; borrowed until close */
    uint32_t index;
    int hub_fd; /* taken over, also on failure */
    /* How many times this actor has been started before: no episode has the seed of one in an
     * earlier life. UNKNOWN: 0 in a deterministic run, elsewhere the connection's number. */
    uint32_t life;
};

struct pawl_actor;

/* -EINVAL: what the configuration asks for cannot be; -ENODEV: the environment is not there. */
int pawl_actor_open(struct pawl_actor **actor, const struct pawl_actor_start *start,
                    struct pawl_err *err);
void pawl_actor_close(struct pawl_actor *actor); /* NULL is fine */

/* 0: told to stop, and all records are handed over or counted as dropped. -EPIPE: the
 * supervisor is gone. -EINVAL: the learner refuses this actor's records. Others: it cannot act.
 */
int pawl_actor_run(struct pawl_actor *actor, struct pawl_err *err);

void pawl_actor_ask_to_stop(struct pawl_actor *actor);

#endif
