/* tally.h: what the learner has counted, in memory that outlives it.
 *
 * The memory is a STORE segment: the hub hands it to the next learner, which goes on where the
 * dead one was, to the record. For that, all that one batch of records changes comes true at
 * once: each entry exists twice, a batch writes the copy that is not in use, and one word says
 * up to which batch everything counts:
 *
 *     entry = pawl_tally_edit_lane(&tally, i);    the batch's copy of it
 *     entry->return_sum += reward;
 *     pawl_tally_commit(&tally);                  now, and with one store, it is so
 *
 *     committed = 7        lane 0: [batch 5][batch 7*]      * in use
 *                          lane 1: [batch 6*][batch 8]      8 was under way when it died
 *
 * A learner that is killed before the commit has not counted any of the batch, and its records
 * are still in the ring, or come again because the ring's tail had not moved: both learners
 * see from `next` which records are counted. What is in files belongs to a batch too: the sizes
 * here say how long they are without what was under way.
 *
 * Thread safety: one thread, of one process at a time.
 */
#ifndef PAWL_LEARNER_TALLY_H
#define PAWL_LEARNER_TALLY_H

#include "runtime/err.h"
#include "shm/hub_msg.h"
#include "shm/segment.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_TALLY_RINGS_MAX  1024u
#define PAWL_TALLY_LANES_MAX  8192u
#define PAWL_TALLY_TEXT_BYTES 458752u
#define PAWL_TALLY_STORES     2u /* the replay, and the one of demonstrations */
#define PAWL_TALLY_NO_ENTRY   UINT32_MAX
#define PAWL_TALLY_LABEL      "learner tally"
#define PAWL_TALLY_LAYOUT     4u /* raised with every change of the structs below */

/* Of the run, all learners together. */
struct pawl_tally_totals {
    uint64_t batch;
    uint64_t record_count; /* taken: STEP and FINAL, without those refused */
    uint64_t step_count;
    uint64_t episode_count; /* with an end, cut ones too */
    uint64_t refused_count;
    uint64_t gap_count;
    uint64_t text_bytes;          /* of lines that count and are not in episodes.jsonl yet */
    uint64_t episodes_bytes;      /* of episodes.jsonl */
    uint64_t ledger_bytes;        /* of ledger.jsonl */
    uint64_t frame_count;         /* put into the replay (replay.h) */
    uint64_t offline_frame_count; /* put into the one of demonstrations */
};

/* A ring that is being read. */
struct pawl_tally_ring {
    uint64_t batch;
    uint64_t id;   /* the hub's name for it; 0: free */
    uint64_t next; /* position of the first record that is not counted */
    uint64_t actor_step_next;
    uint32_t crc32c;   /* of all records so far; only with a ledger */
    uint32_t is_ended; /* 1: all records are counted; the hub may not know yet */
};

/* A lane of a ring, with the episode it is in. */
struct pawl_tally_lane {
    uint64_t batch;
    uint64_t ring_id; /* 0: free */
    double return_sum;
    uint32_t lane;
    uint32_t episode;
    uint32_t step_count;
    uint32_t refused_count;
    uint32_t is_open; /* 0 or 1: an episode is under way */
    uint32_t flags;   /* PAWL_RECORD_SUCCESS, _INTERVENTION of its steps so far */
    /* The frame of its last step in the replay and among the demonstrations, counted from 1;
     * 0: what comes next follows no frame. */
    uint64_t frame;
    uint64_t offline_frame;
    uint32_t frame_episode; /* which that step was */
    uint32_t frame_step;
};

/* What checkpoints have of the replay and of the demonstrations: their journals keep it. And
 * when the last one was begun, so that the next is not put off by each learner that dies. */
struct pawl_tally_saved {
    uint64_t batch;
    uint64_t update_count; /* of the last one; without one, what the run began with */
    uint64_t begun_ns;     /* likewise, pawl_clock_now_ns(); 0: no learner has begun to learn */
    struct pawl_tally_saved_store {
        uint64_t is_known;  /* 0: there is no checkpoint */
        uint64_t head;      /* of the last one */
        uint64_t keep_head; /* of the one before it, should that be damaged */
    } stores[PAWL_TALLY_STORES];
};

struct pawl_tally_shared {
    _Atomic uint64_t committed; /* batch */
    _Atomic uint64_t
        version_next; /* generation that no board has had yet; belongs to no batch */
    struct pawl_tally_totals totals[2];
    struct pawl_tally_ring rings[PAWL_TALLY_RINGS_MAX][2];
    struct pawl_tally_lane lanes[PAWL_TALLY_LANES_MAX][2];
    struct pawl_tally_saved saved[2];
    char text[PAWL_TALLY_TEXT_BYTES]; /* its first totals.text_bytes count */
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in an atomic is private to one process");
_Static_assert(sizeof(struct pawl_tally_totals) == 88, "layout 4");
_Static_assert(sizeof(struct pawl_tally_ring) == 40, "layout 4");
_Static_assert(sizeof(struct pawl_tally_lane) == 72, "layout 4");
_Static_assert(sizeof(struct pawl_tally_saved) == 72, "layout 4");
_Static_assert(offsetof(struct pawl_tally_shared, totals) == 16, "layout 4");

/* Zeroed: closed. */
struct pawl_tally {
    struct pawl_segment segment; /* segment.fd is what the hub gets; -1 after attach */
    struct pawl_tally_shared *shared;
    uint64_t batch; /* under way */
    /* Which copy is in use, or written by the batch under way. */
    uint8_t totals_at, saved_at;
    uint8_t rings_at[PAWL_TALLY_RINGS_MAX];
    uint8_t lanes_at[PAWL_TALLY_LANES_MAX];
    uint32_t lanes_end; /* no lane from here on is in use */
};

/* Everything is 0. */
int pawl_tally_create(struct pawl_tally *tally, struct pawl_err *err);

/* Goes on with what a dead learner left; fd stays the caller's. What it had under way is
 * forgotten. */
int pawl_tally_attach(struct pawl_tally *tally, int fd, uint64_t total_bytes,
                      struct pawl_err *err);

/* A zeroed one is left alone. What is under way is forgotten. */
void pawl_tally_close(struct pawl_tally *tally);

/* A new tally goes on from the counts of a checkpoint; no board has had version_next. */
void pawl_tally_restore(struct pawl_tally *tally, const struct pawl_tally_totals *totals,
                        uint64_t version_next);

/* As the batch under way has left them. */
const struct pawl_tally_totals *pawl_tally_totals(const struct pawl_tally *tally);
const struct pawl_tally_saved *pawl_tally_saved(const struct pawl_tally *tally);
const struct pawl_tally_ring *pawl_tally_ring(const struct pawl_tally *tally, uint32_t index);
const struct pawl_tally_lane *pawl_tally_lane(const struct pawl_tally *tally, uint32_t index);

/* To be changed by the batch under way. Valid until commit; `batch` is not to be touched. */
struct pawl_tally_totals *pawl_tally_edit_totals(struct pawl_tally *tally);
struct pawl_tally_saved *pawl_tally_edit_saved(struct pawl_tally *tally);
struct pawl_tally_ring *pawl_tally_edit_ring(struct pawl_tally *tally, uint32_t index);
struct pawl_tally_lane *pawl_tally_edit_lane(struct pawl_tally *tally, uint32_t index);

/* The entry of a ring; PAWL_TALLY_NO_ENTRY when there is none. */
uint32_t pawl_tally_find_ring(const struct pawl_tally *tally, uint64_t id);

/* A free entry made theirs by the batch under way; PAWL_TALLY_NO_ENTRY when all are in use. An
 * ended ring gives its place up when there is no other. */
uint32_t pawl_tally_add_ring(struct pawl_tally *tally, uint64_t id);
uint32_t pawl_tally_add_lane(struct pawl_tally *tally, uint64_t ring_id, uint32_t lane);

/* All edits since the last commit count from now on. */
void pawl_tally_commit(struct pawl_tally *tally);

/* A generation that no board of the run has had. */
uint64_t pawl_tally_version_next(const struct pawl_tally *tally);

/* To be said before a version is published: no later learner uses its generation again. */
void pawl_tally_reserve_version(struct pawl_tally *tally, uint64_t version);

#endif
