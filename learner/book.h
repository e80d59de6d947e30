/* book.h: the accounts of a run: from records to episodes, each counted once.
 *
 *     pawl_book_open(&book, &cfg, &tally, &err);   a new tally or a dead learner's
 *     pawl_book_add_ring(&book, &ring, ...);
 *     pawl_book_take(&book, &ring, &record, reward, is_sound);    for some records in order
 *     pawl_book_commit(&book, &ring, next, &err);  now they count, and their lines are there
 *
 * A line of episodes.jsonl:
 *
 *     {"env_step":4200,"actor":0,"lane":1,"episode":20,"length":200,"return":-812.5,
 *      "end":"truncated","success":false,"intervention":false,"wall":1700000000.25}
 *
 * `end` is terminated, truncated, or cut: the actor gave it up, died or was stopped. Lengths of
 * all lines and of the episodes under way add up to the steps of the run. "refused" counts its
 * records that broke a rule, "missing" its steps that never came; each only where it is not 0.
 *
 * A line of ledger.jsonl, when it is wanted, says what was counted: records `first` to `last`
 * of an actor's incarnation, and a checksum of all its records up to there:
 *
 *     {"actor":0,"epoch":"9f...","first":0,"last":255,"crc32c":1234}
 *     {"actor":0,"epoch":"9f...","end":256,"crc32c":1234}          and that there were no more
 *
 * While the disk takes them, lines are written before the commit that makes them count; what a
 * learner that died in between has written is cut off by the next one, which takes the same
 * records and writes the same lines. Lines of episodes that the disk does not take yet, or that
 * wait until what was cut off is so for good, are in the tally, where they count. So neither
 * file has a line twice or lacks one, whenever the learner dies.
 *
 * A ledger is for tests of that: nothing is promised of it when the power fails.
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_BOOK_H
#define PAWL_LEARNER_BOOK_H

#include "learner/keeper.h"
#include "learner/tally.h"
#include "runtime/err.h"
#include "runtime/json.h"
#include "runtime/linefile.h"
#include "shm/ring.h"

#include <stdbool.h>
#include <stdint.h>

/* Most records between two commits, so that their lines have room. */
#define PAWL_BOOK_BATCH_MAX 256u

struct pawl_book_cfg {
    const char *folder; /* of the run */
    bool has_ledger;
    bool has_times;     /* false: equal runs have equal lines */
    uint64_t step_goal; /* no STEP is taken beyond it; 0: none */
    struct pawl_io *io;
    struct pawl_keeper *keeper; /* syncs episodes.jsonl; NULL: the book does, when it opens and
                                   closes */
};

/* What the book knows of a ring. The first four are the caller's. */
struct pawl_book_ring {
    uint64_t id;
    uint32_t actor;
    uint8_t epoch[PAWL_HUB_EPOCH_BYTES];
    bool may_miss;       /* its writer may give records up */
    uint32_t entry;      /* in the tally */
    uint32_t lane_count; /* known so far, in the order in which they came */
    uint32_t lane_room;
    uint32_t lane_hint;  /* the next record is probably of this one */
    uint32_t lane_taken; /* entry of the lane of the record taken last; PAWL_TALLY_NO_ENTRY: it
                            was refused */
    uint32_t *lane_entries;
};

/* Of this learner alone. */
struct pawl_book_counts {
    uint64_t records, steps, episodes, refused, gaps;
};

/* Zeroed: closed. */
struct pawl_book {
    struct pawl_book_cfg cfg;
    struct pawl_tally *tally; /* borrowed */
    struct pawl_linefile episodes, ledger;
    char *text; /* in the tally: lines of episodes.jsonl that are not in the file yet */
    size_t text_bytes;
    bool is_refused;     /* the disk has not taken them */
    uint64_t told_ns;    /* when that was said */
    uint64_t lost_count; /* lines that there was no room for meanwhile */
    char ledger_line[256];
    size_t ledger_line_bytes;
    struct pawl_book_counts counts;
    uint64_t mean_count; /* episodes in the means: those that were not cut */
    double return_mean;  /* of the last episodes that came to an end */
    double length_mean;
};

/* Opens the files, and takes back from them what does not count. A file that is shorter than
 * what counts, as after a power cut, is said and goes on from its end. */
int pawl_book_open(struct pawl_book *book, const struct pawl_book_cfg *cfg,
                   struct pawl_tally *tally, struct pawl_err *err);

/* Makes episodes.jsonl durable where there is no keeper. A zeroed one is left alone. */
void pawl_book_close(struct pawl_book *book);

/* Finds the ring in the tally, or enters it, to be read from `start` on. *next is the first
 * record that is not counted: those before it came already. -ENOSPC: too many rings. */
int pawl_book_add_ring(struct pawl_book *book, struct pawl_book_ring *ring, uint64_t start,
                       uint64_t *next, struct pawl_err *err);

/* Whether a record with these flags can be taken: false for a STEP beyond the goal. */
bool pawl_book_wants(const struct pawl_book *book, uint32_t flags);

/* Whether the goal is reached. */
bool pawl_book_is_done(const struct pawl_book *book);

/* The next record of the ring. What is not sound counts as refused and adds nothing to its
 * episode but its step. data: its payload, for the ledger's checksum. -ENOSPC: there are too
 * many lanes. */
int pawl_book_take(struct pawl_book *book, struct pawl_book_ring *ring,
                   const struct pawl_ring_record *record, const unsigned char *data,
                   float reward, bool is_sound, struct pawl_err *err);

/* Everything taken since the last commit counts, up to the record before `next`. A disk that
 * takes no line of an episode stops nothing: it is told, the lines wait for the next commit,
 * and when there are too many the newest are lost and counted. Only a ledger has to be
 * complete: where it cannot be written nothing counts yet, and commit may be tried again. */
int pawl_book_commit(struct pawl_book *book, struct pawl_book_ring *ring, uint64_t next,
                     struct pawl_err *err);

/* Between two batches: writes lines whose time of waiting is over. */
void pawl_book_turn(struct pawl_book *book);

/* No record of this ring will come any more: its episodes under way are cut. May be tried again
 * after a failure, and by a later learner. */
int pawl_book_end_ring(struct pawl_book *book, struct pawl_book_ring *ring,
                       struct pawl_err *err);

/* The hub knows that the ring has ended: strikes it off the tally. */
void pawl_book_strike_ring(struct pawl_book *book, struct pawl_book_ring *ring);

/* Gives memory back; in the tally the ring stays as it is. */
void pawl_book_drop_ring(struct pawl_book_ring *ring);

#endif
