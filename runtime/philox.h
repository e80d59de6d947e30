/* philox.h: random streams that are named, not handed out: Philox 4x32-10.
 *
 *     struct pawl_philox noise;
 *     pawl_philox_open(&noise, run_seed, ROLE_EXPLORATION, lane_index);
 *     double z = pawl_philox_normal(&noise);
 *
 * The stream of (seed, role, index) is the same whoever makes it, when, and beside how many
 * others; so a result does not depend on scheduling or on the number of processes. No two
 * streams of a seed share a block: seed is the key, and (role, index, number of the block) is
 * the counter of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A
 * stream has 2^66 words of 32 bits.
 *
 * The struct is plain memory and the whole state; a copy continues where the original was.
 * Thread safety: a stream belongs to one thread.
 */
#ifndef PAWL_RUNTIME_PHILOX_H
#define PAWL_RUNTIME_PHILOX_H

#include <stdint.h>

struct pawl_philox {
    uint64_t seed;
    uint32_t role;
    uint32_t index;
    uint64_t block_index; /* of the next block */
    uint32_t block[4];
    uint32_t left_count; /* words of `block` that were not given yet, the last ones */
    uint32_t reserved;   /* 0 */
};

_Static_assert(sizeof(struct pawl_philox) == 48, "no gaps: a copy is the whole state");

/* The block function itself: no state. */
void pawl_philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4]);

/* The beginning of the stream. What a role is, its users agree on. */
void pawl_philox_open(struct pawl_philox *philox, uint64_t seed, uint32_t role, uint32_t index);

/* Goes to a block of the stream (four 32-bit words each) without making those before it. */
void pawl_philox_seek(struct pawl_philox *philox, uint64_t block_index);

uint32_t pawl_philox_next32(struct pawl_philox *philox);

/* Two words, the low half first. */
uint64_t pawl_philox_next64(struct pawl_philox *philox);

/* In [0, 1), a multiple of 2^-53. */
double pawl_philox_double(struct pawl_philox *philox);

/* As in ziggurat.h. */
double pawl_philox_normal(struct pawl_philox *philox);

#endif
