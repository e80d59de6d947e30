/* park.h: waiting for the other end of a ring, without missing its wake-up and not for ever.
 *
 * Both ends first spin, which is what fast exchanges live on, then say in their own page that
 * they wait, look once more, and sleep. The reader sleeps on one doorbell for all its rings, an
 * eventfd that fits an event loop; the writer on a word of the reader's page.
 *
 *     reader, on its own                          reader, in an event loop
 *     code = pawl_bell_wait(&bell, look, x,       pawl_bell_arm(&bell);
 *                           &wait, &err);         if (every ring is empty)
 *                                                     sleep on bell.fd and others, bounded;
 *     writer of a `block` ring                    pawl_bell_disarm(&bell);
 *     slot = pawl_ring_claim(&tx);                drain all rings;
 *     if (!slot) code = pawl_ring_wait_room(&tx, 1, &wait, &err);
 *
 * Every wait has a bound and the error says for whom it waited. Nothing relies on the bound:
 * who finds something only because a bound ran out counts it (late_wakes), and tests hold that
 * at 0.
 *
 * Thread safety: a bell belongs to the reader's thread, as tx to the writer's.
 */
#ifndef PAWL_SHM_PARK_H
#define PAWL_SHM_PARK_H

#include "runtime/err.h"
#include "shm/ring.h"

#define PAWL_PARK_SPIN_COUNT 2000u
/* The writer looks at least so often whether it still should wait. */
#define PAWL_PARK_SLICE_NS 100000000ull

struct pawl_wait {
    const char *whom;    /* "the learner": ends the sentence "waited 2.0 s for ..." */
    uint64_t timeout_ns; /* from the call; 0: only look */
    uint32_t spin_count; /* looks before sleeping; see pawl_park_spin_count */
    const _Atomic bool *is_stopping; /* NULL: never; true ends the wait with -ECANCELED */
};

/* The reader's side of the doorbell. */
struct pawl_bell {
    struct pawl_ring_bell *shared; /* NULL: not open */
    int fd;                        /* readable when somebody rang; to be sent to producers */
    uint32_t sleep_number;
    uint64_t sleeps, spurious, late_wakes;
};

/* A wait that began at start_ns and has found nothing so far: 0, and *sleep_ns for which to
 * sleep before the next look; or ECANCELED or ETIMEDOUT. For the waits below and board.h's. */
int pawl_wait_go_on(const struct pawl_wait *wait, uint64_t start_ns, uint64_t *sleep_ns);

/* The sentence of a wait that ended so: "waited 2.0 s for room in the ring of the learner:
 * nothing came". Returns -code. */
int pawl_wait_give_up(const struct pawl_wait *wait, int code, uint64_t start_ns,
                      const char *what, struct pawl_err *err);

/* Between two looks of a spin: lets the other thread of the core run. */
void pawl_park_pause(void);

/* Sleeps while *word is `seen`, at most sleep_ns; through a map that can only be read, too.
 * True when the bound ran out. */
bool pawl_park_sleep(const _Atomic uint32_t *word, uint32_t seen, uint64_t sleep_ns);

/* Wakes who sleeps on the word, at most count. */
void pawl_park_wake(const _Atomic uint32_t *word, int count);

/* Looks before sleeping: PAWL_PARK_SPIN_COUNT, or 0 when this process may use no more cores
 * than busy_thread_count, so that spinning would keep the other end from running. */
uint32_t pawl_park_spin_count(uint32_t busy_thread_count);

/* The bell of a segment of acks that this process made; it must outlive the bell. */
int pawl_bell_open(struct pawl_bell *bell, const struct pawl_segment *acks,
                   struct pawl_err *err);
void pawl_bell_close(struct pawl_bell *bell);

/* Says that the reader may sleep. Look at every ring after this and before sleeping. */
void pawl_bell_arm(struct pawl_bell *bell);

/* Says that the reader is awake, and empties the doorbell: true when somebody rang. Look at
 * every ring after this. */
bool pawl_bell_disarm(struct pawl_bell *bell);

/* Waits until look(context) is true: 0. look peeks at every ring of this bell. -ETIMEDOUT and
 * -ECANCELED say for whom it waited. */
int pawl_bell_wait(struct pawl_bell *bell, bool (*look)(void *context), void *context,
                   const struct pawl_wait *wait, struct pawl_err *err);

/* Waits until wanted_count records fit: 0, and a claim succeeds. The next reader can be bound
 * only between two waits, so an owner that listens for one waits in short pieces. -ETIMEDOUT,
 * -ECANCELED; -ENOTCONN: no reader yet; -EPROTO: the reader is under quarantine. */
int pawl_ring_wait_room(struct pawl_ring_tx *tx, uint64_t wanted_count,
                        const struct pawl_wait *wait, struct pawl_err *err);

#endif
