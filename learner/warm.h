/* warm.h: what a learner that is killed leaves to the next: its trainer's state, a few updates
 * old.
 *
 *     pawl_warm_create(&warm, block_bytes, &err);        offer warm.segment
 *     pawl_warm_put(&warm, PAWL_WARM_LATEST, block, &mark);    every few updates
 *     pawl_warm_attach(&warm, fd, total_bytes, block_bytes, &err);
 *     pawl_warm_get(&warm, PAWL_WARM_LATEST, is_sound, arg, block, &mark)
 *
 * The memory is a STORE segment (tally.h). Of each kind there are two slots, and put writes the
 * older one: whoever dies in it leaves the other. A slot counts when its generation is not 0
 * and its checksum is right.
 *
 *     LATEST   for the next learner
 *     GOOD     for going back when training has gone wrong (guard.h)
 *
 * Thread safety: one thread, of one process at a time.
 */
#ifndef PAWL_LEARNER_WARM_H
#define PAWL_LEARNER_WARM_H

#include "learner/guard.h"
#include "runtime/err.h"
#include "shm/segment.h"

#include <stdbool.h>
#include <stdint.h>

#define PAWL_WARM_LABEL "learner warm state"
#define PAWL_WARM_LAYOUT                                                                       \
    2u /* raised with every change of the structs below, and of the guard */

enum pawl_warm_kind { PAWL_WARM_LATEST, PAWL_WARM_GOOD, PAWL_WARM_KIND_COUNT };

/* What goes with the block. */
struct pawl_warm_mark {
    uint64_t update_count;
    uint64_t draw_offset;      /* added to the number of each batch: raised by going back */
    uint64_t ratio_step_count; /* ratio.h's mark */
    double ratio_credit;
    struct pawl_guard guard; /* what is known of the training that led here */
};

struct pawl_warm_slot {
    uint64_t generation; /* 0: never written, or being written */
    uint32_t crc32c;     /* of the mark and the block */
    uint32_t reserved;
    struct pawl_warm_mark mark;
};

_Static_assert(sizeof(struct pawl_warm_slot) == 88, "layout 2");

/* Zeroed: closed. */
struct pawl_warm {
    struct pawl_segment segment; /* segment.fd is what the hub gets; -1 after attach */
    uint64_t block_bytes;
    uint64_t slot_bytes;
};

int pawl_warm_create(struct pawl_warm *warm, uint64_t block_bytes, struct pawl_err *err);

/* -EPROTO when it was made for a block of another size. fd stays the caller's. */
int pawl_warm_attach(struct pawl_warm *warm, int fd, uint64_t total_bytes, uint64_t block_bytes,
                     struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_warm_close(struct pawl_warm *warm);

/* A copy and a checksum. */
void pawl_warm_put(struct pawl_warm *warm, enum pawl_warm_kind kind, const void *block,
                   const struct pawl_warm_mark *mark);

/* The newest of the kind that is whole and of which is_sound(arg, block) says yes: it sees the
 * slot itself; NULL: of any. False: there is none, block and mark are untouched. */
bool pawl_warm_get(const struct pawl_warm *warm, enum pawl_warm_kind kind,
                   bool (*is_sound)(void *arg, const void *block), void *arg, void *block,
                   struct pawl_warm_mark *mark);

#endif
