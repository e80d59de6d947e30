/* ingest.h: the learner's end of all rings: every record is taken once, in order, and checked.
 *
 *     pawl_ingest_open(&ingest, &cfg, &err);
 *     pawl_ingest_adopt(&ingest, fd, bytes, &err);     a dead learner's tally, if there is one
 *     pawl_ingest_begin(&ingest, &err);                from here on rings
 *     pawl_ingest_add_ring(&ingest, &offer, fd, &err); tell BIND of ring->page, then
 *     for (;;) {
 *         count = pawl_ingest_drain(&ingest, limit, &err);    takes some records of each ring
 *         ... learn from them, publish what follows
 *         if (count == 0) sleep on ingest.bell
 *     }
 *
 * The first ring gives the run its spec; a ring with another is refused with the field that
 * differs. A record is refused that has a number which is none, by the field's name; it is
 * counted, and its neighbours are taken. A ring whose writer breaks the protocol is read no
 * more. What a record does to the run's accounts is the book's (book.h).
 *
 * Records are given back to their rings by the drain after the one that took them: an actor in
 * lock-step, which acts when its ring is empty, so finds what was published from them. The last
 * records of a goal that is reached are not given back in lock-step, so that nobody acts beyond
 * it.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_INGEST_H
#define PAWL_LEARNER_INGEST_H

#include "learner/book.h"
#include "learner/finite.h"
#include "learner/quarantine.h"
#include "learner/tally.h"
#include "runtime/err.h"
#include "runtime/spec.h"
#include "shm/dead_acks.h"
#include "shm/park.h"
#include "shm/ring.h"

#include <stdbool.h>
#include <stdint.h>

/* Who else gets every record that is counted, besides the book. */
struct pawl_ingest_sink {
    void *arg;
    /* In order, before the commit that makes it count: what is changed in the tally by it
     * belongs to the same batch. lane: the entry of its lane in the tally. NULL: nobody. */
    void (*take)(void *arg, const struct pawl_ring_record *record, const unsigned char *data,
                 uint32_t lane);
    /* After the commit of what was taken. */
    void (*committed)(void *arg);
};

struct pawl_ingest_cfg {
    uint32_t ring_count_max;
    uint32_t batch_count; /* records of a ring before the next has its turn; at most
                             PAWL_BOOK_BATCH_MAX */
    bool is_lockstep;     /* the actor acts when its ring is empty */
    struct pawl_book_cfg book;
    struct pawl_ingest_sink sink;
};

enum pawl_ingest_ring_state {
    PAWL_INGEST_FREE,
    PAWL_INGEST_READ,   /* its writer lives */
    PAWL_INGEST_GONE,   /* its writer has ended; what is in it is taken */
    PAWL_INGEST_ENDED,  /* and nothing is left: DRAINED may be told */
    PAWL_INGEST_BROKEN, /* its writer broke the protocol; to be refused */
};

struct pawl_ingest_ring {
    enum pawl_ingest_ring_state state;
    struct pawl_book_ring book; /* id, actor, epoch */
    uint32_t page;              /* of acks */
    struct pawl_segment segment;
    struct pawl_ring_rx rx;
    uint64_t skip_until;   /* records before it came to an earlier learner */
    uint64_t held_count;   /* taken by the last drain, not yet given back */
    bool has_met;          /* its writer (shm/distance.h) */
    struct pawl_err fault; /* why it is BROKEN */
};

/* Of this learner. */
struct pawl_ingest_counts {
    uint64_t redelivered; /* came again, and were counted before */
    uint64_t drains;
};

/* Zeroed: closed. */
struct pawl_ingest {
    struct pawl_ingest_cfg cfg;
    struct pawl_segment acks;
    struct pawl_bell bell;
    struct pawl_tally tally;
    struct pawl_book book;
    struct pawl_quarantine quarantine;
    struct pawl_ingest_ring *rings; /* ring_count_max; the index is the page in acks */
    uint32_t ring_end;              /* those from here on are free */
    uint32_t turn;                  /* the next drain begins with this ring */
    struct pawl_dead_acks pasts;
    struct pawl_spec spec; /* no fields: no ring yet */
    struct pawl_finite finite;
    uint64_t reward_offset;
    unsigned char *copy; /* of the record that is looked at, where a sink keeps it */
    struct pawl_ingest_ring *pending; /* whose batch could not be committed yet */
    bool is_begun;
    bool is_held; /* the last drain could not make something count */
    struct pawl_ingest_counts counts;
};

/* Makes acks and bell. */
int pawl_ingest_open(struct pawl_ingest *ingest, const struct pawl_ingest_cfg *cfg,
                     struct pawl_err *err);
void pawl_ingest_close(struct pawl_ingest *ingest);

/* Before begin: goes on with a dead learner's tally. fds stay the caller's, here and below. */
int pawl_ingest_adopt(struct pawl_ingest *ingest, int fd, uint64_t total_bytes,
                      struct pawl_err *err);

/* Likewise: a run that is resumed goes on with a checkpoint's counts. */
int pawl_ingest_restore(struct pawl_ingest *ingest, const struct pawl_tally_totals *totals,
                        uint64_t version_next, struct pawl_err *err);

/* Opens the books. Without a tally to go on with it makes one: tally.segment.fd is not -1 then
 * and goes to the hub before any ring is read. */
int pawl_ingest_begin(struct pawl_ingest *ingest, struct pawl_err *err);

/* Who else gets records from now on. */
void pawl_ingest_set_sink(struct pawl_ingest *ingest, struct pawl_ingest_sink sink);

/* A dead learner's acks segment, which offers of rings refer to. */
int pawl_ingest_add_past(struct pawl_ingest *ingest, uint64_t id, int fd, uint64_t total_bytes,
                         struct pawl_err *err);
void pawl_ingest_remove_past(struct pawl_ingest *ingest, uint64_t id);

/* The ring that is offered, from the first record that no learner has counted; NULL on failure:
 * -EINVAL for another spec, -EPROTO for what is no sound ring (both to be refused), -ENOSPC. */
struct pawl_ingest_ring *pawl_ingest_add_ring(struct pawl_ingest *ingest,
                                              const struct pawl_hub_offer *offer, int fd,
                                              struct pawl_err *err);

/* NULL when there is none. */
struct pawl_ingest_ring *pawl_ingest_find_ring(struct pawl_ingest *ingest, uint64_t id);

/* The writer has ended. */
void pawl_ingest_ring_gone(struct pawl_ingest_ring *ring);

/* Takes up to a batch of each ring, and no more than `limit` in all: how many records were
 * taken. Negative when a batch cannot be committed (a disk that is full): it is kept, and the
 * next drain tries again. */
int64_t pawl_ingest_drain(struct pawl_ingest *ingest, uint64_t limit, struct pawl_err *err);

/* Whether a drain would find something; false after one that failed, which is to be tried again
 * after a while. */
bool pawl_ingest_has_work(struct pawl_ingest *ingest);

/* Each turn of the loop: writes lines that had to wait for the disk. Never waits itself. */
void pawl_ingest_turn(struct pawl_ingest *ingest);

/* How full the fullest ring is, 0 to 1. */
double pawl_ingest_fill(const struct pawl_ingest *ingest);

/* Lets an ended ring go, once the hub has been told; or a broken one, whose episodes are cut.
 * On failure, as drain: it is still there. */
int pawl_ingest_remove_ring(struct pawl_ingest *ingest, struct pawl_ingest_ring *ring,
                            struct pawl_err *err);

#endif
