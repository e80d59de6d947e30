/* replay.h: the frames a learner learns from, in memory that outlives it.
 *
 * One frame per step, each stored once: a STEP record, or the FINAL one with an episode's last
 * observation. Frames are numbered from 0 in the order in which they came, all lanes together;
 * the store keeps the last `capacity` of them. A frame knows its lane's frame before it, and so
 * each frame finds the one that follows:
 *
 *     number    40      41      42      43      44      45      46
 *     lane      0 STEP  1 STEP  0 STEP  1 STEP  0 FINAL 1 STEP  0 STEP ...
 *                \_______________/ \_______________/              a new episode: no link
 *                        \_______________/ \_______________/
 *
 * A frame is a transition when it terminated, or when the frame that follows is here: the next
 * step's, or at a truncation or a cut the FINAL's. Where a step is missing, was refused or
 * never came because its actor died, there is no link and what precedes it is no transition.
 *
 *     pawl_replay_create(&replay, &setup, &err);      or attach to a dead learner's
 *     number = pawl_replay_put(&replay, &frame, payload);
 *     ... the tally says in one store, with all else: replay.next is the head ...
 *     pawl_replay_commit(&replay);                    now they can be sampled
 *
 *     number:    head - slot_count        head - capacity                head      next
 *                |                        |                              |         |
 *     slots:     [not counted: they may be under way in a dead learner]..[window]..[under way]
 *
 * A frame that was put and not committed counts for nothing. Its slot lies outside the window,
 * so whoever dies while it is written leaves no torn frame: the next learner attaches with the
 * head that the tally has, gets the same records again and puts them at the same numbers.
 *
 * Thread safety: one thread, of one process at a time.
 */
#ifndef PAWL_LEARNER_REPLAY_H
#define PAWL_LEARNER_REPLAY_H

#include "learner/book.h"
#include "runtime/err.h"
#include "runtime/spec.h"
#include "shm/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_REPLAY_LABEL         "replay"
#define PAWL_REPLAY_OFFLINE_LABEL "replay-offline"
#define PAWL_REPLAY_LAYOUT        1u /* raised with every change of the structs below */
#define PAWL_REPLAY_NONE          UINT64_MAX

/* Frames between two commits have slots of their own beside the window. */
#define PAWL_REPLAY_GUARD PAWL_BOOK_BATCH_MAX

/* A link is a distance in 31 bits. */
#define PAWL_REPLAY_CAPACITY_MAX (1u << 30)

/* What is known of a frame besides its payload; as in the slot's header of a ring (record.h).
 * Layout 1, in the segment and in journals. */
struct pawl_replay_frame {
    uint64_t number;         /* set by put */
    uint64_t prev;           /* number of the lane's frame before, or PAWL_REPLAY_NONE */
    uint64_t policy_version; /* that chose the action */
    uint32_t lane;
    uint32_t episode;
    uint32_t step;
    uint32_t flags; /* PAWL_RECORD_...; 0: there is nothing in this place */
};

_Static_assert(sizeof(struct pawl_replay_frame) == 40, "layout 1");
_Static_assert(offsetof(struct pawl_replay_frame, lane) == 24, "layout 1");

struct pawl_replay_setup {
    const char *label;            /* PAWL_REPLAY_LABEL or PAWL_REPLAY_OFFLINE_LABEL */
    const struct pawl_spec *spec; /* of the run */
    uint64_t capacity;            /* frames, 1 to PAWL_REPLAY_CAPACITY_MAX */
};

struct pawl_replay_shared; /* in replay.c */

/* Zeroed: closed. */
struct pawl_replay {
    struct pawl_segment segment; /* segment.fd is what the hub gets; -1 after attach */
    struct pawl_spec spec;
    uint64_t capacity;
    uint64_t slot_count; /* capacity and the guard */
    uint64_t slot_bytes; /* a frame and its payload */

    uint64_t base; /* no frame before it was ever here */
    uint64_t head; /* committed: frames below it are there; the tally's word after a crash */
    uint64_t next; /* number of the next put; what the tally has to be told at a commit */
    uint64_t sample_count; /* transitions in the window */

    struct pawl_replay_shared *shared;
    unsigned char *slots;
    uint32_t *links;   /* per slot, private: made anew from the frames by attach */
    float *priorities; /* per slot: |error| as last told */

    /* For a sampler that keeps a sum of its own: called by commit for each frame that becomes a
     * transition or stops being one. NULL: nobody. */
    void (*changed)(void *arg, uint64_t number, bool is_transition);
    void *changed_arg;

    uint64_t reward_offset;
    uint64_t cut_count; /* links that put refused, since open */
};

/* Bytes of memory for such a store; -EINVAL with the rule for one that cannot be. For the print
 * before a start. */
int pawl_replay_bytes(const struct pawl_replay_setup *setup, uint64_t *bytes,
                      struct pawl_err *err);

/* -ENOMEM with both numbers when `bytes` are more than the machine or the cgroup of this
 * process still has. `what` is a word for the sentence. */
int pawl_replay_check_memory(uint64_t bytes, const char *what, struct pawl_err *err);

/* An empty store. -ENOMEM as check_memory. */
int pawl_replay_create(struct pawl_replay *replay, const struct pawl_replay_setup *setup,
                       struct pawl_err *err);

/* Goes on with what a dead learner left, up to the head that was committed; fd stays the
 * caller's. Empty, at `head`, when that learner was still loading frames. The capacity is the
 * store's own. -EPROTO: it is not as it must be or has another spec, or `head` cannot be its
 * head. */
int pawl_replay_attach(struct pawl_replay *replay, int fd, uint64_t total_bytes, uint64_t head,
                       const struct pawl_replay_setup *setup, struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_replay_close(struct pawl_replay *replay);

/* Copies a frame in, and returns its number; at most PAWL_REPLAY_GUARD between two commits.
 * payload: spec.record_bytes, sound (finite.h). The link is cut, and frame->prev then does not
 * matter, unless prev is in the store and is the step before this one: same lane and episode,
 * and not the end of one where a STEP follows. */
uint64_t pawl_replay_put(struct pawl_replay *replay, const struct pawl_replay_frame *frame,
                         const void *payload);

/* All that was put can be sampled from now on. To be called after the tally's commit. */
void pawl_replay_commit(struct pawl_replay *replay);

/* Goes on at a later number; the places in between are empty. For a resume whose frames are not
 * all there. Commits. */
void pawl_replay_skip_to(struct pawl_replay *replay, uint64_t number);

/* First number of the window; replay->head is its end. */
uint64_t pawl_replay_first(const struct pawl_replay *replay);

/* Frames in the window, FINAL ones and empty places too. */
uint64_t pawl_replay_size(const struct pawl_replay *replay);

/* Frames with one of these numbers are in the window. */
bool pawl_replay_has(const struct pawl_replay *replay, uint64_t number);

/* Whether the frame, which is in the window, is a transition. */
bool pawl_replay_is_transition(const struct pawl_replay *replay, uint64_t number);

/* The frame that follows, or PAWL_REPLAY_NONE. number is in the window. */
uint64_t pawl_replay_next(const struct pawl_replay *replay, uint64_t number);

/* Of a frame in the store; valid until slot_count more have been put. */
const struct pawl_replay_frame *pawl_replay_frame(const struct pawl_replay *replay,
                                                  uint64_t number);
const unsigned char *pawl_replay_payload(const struct pawl_replay *replay, uint64_t number);

/* Of a transition: how wrong the method was about it, at least 0; new frames have the largest
 * there was. What is not finite, or has left the window, is ignored. */
void pawl_replay_set_priority(struct pawl_replay *replay, uint64_t number, float error);
float pawl_replay_priority(const struct pawl_replay *replay, uint64_t number);

#endif
