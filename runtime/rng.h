/* rng.h: random numbers that are NumPy's, bit for bit: default_rng(seed), PCG64, SeedSequence.
 *
 *     struct pawl_rng rng;
 *     pawl_rng_seed(&rng, 7);                 np.random.default_rng(7)
 *     pawl_rng_double(&rng)                   .random()
 *     pawl_rng_uniform(&rng, -1.0, 1.0)       .uniform(-1.0, 1.0)
 *     pawl_rng_integer(&rng, 0, 9)            .integers(10)
 *     pawl_rng_normal(&rng)                   .standard_normal()
 *
 * So an environment that is re-written here starts where Gymnasium's does. For streams that
 * belong to a part of the program rather than to a model in Python, see philox.h.
 *
 * The struct is plain memory and the whole state: a copy of it continues exactly where the
 * original was, in this or another process, also between the halves of a 64-bit draw.
 *
 * Thread safety: a generator belongs to one thread.
 */
#ifndef PAWL_RUNTIME_RNG_H
#define PAWL_RUNTIME_RNG_H

#include <stddef.h>
#include <stdint.h>

struct pawl_rng {
    uint64_t state_high, state_low;
    uint64_t increment_high, increment_low; /* odd */
    uint32_t buffered;                      /* the half of a draw that next32 has yet to give */
    uint32_t has_buffered;                  /* 0 or 1 */
};

_Static_assert(sizeof(struct pawl_rng) == 40, "no gaps: a copy is the whole state");

/* np.random.SeedSequence(entropy, spawn_key=...).generate_state(word_count), where entropy and
 * spawn key are lists of non-negative integers (an integer of Python's is a list of one).
 * Either may be empty (count 0, pointer NULL). */
void pawl_seed_sequence(const uint64_t *entropy, size_t entropy_count,
                        const uint64_t *spawn_key, size_t spawn_key_count, uint32_t *words,
                        size_t word_count);

void pawl_rng_seed(struct pawl_rng *rng, uint64_t seed);

/* np.random.Generator(PCG64(SeedSequence(entropy, spawn_key=spawn_key))): the i-th child of
 * SeedSequence(7).spawn() is entropy {7}, spawn key {i}. */
void pawl_rng_seed_spawned(struct pawl_rng *rng, const uint64_t *entropy, size_t entropy_count,
                           const uint64_t *spawn_key, size_t spawn_key_count);

uint64_t pawl_rng_next64(struct pawl_rng *rng);
uint32_t pawl_rng_next32(struct pawl_rng *rng);

/* In [0, 1), a multiple of 2^-53. */
double pawl_rng_double(struct pawl_rng *rng);

double pawl_rng_uniform(struct pawl_rng *rng, double low, double high);

/* In first..last, both included, first <= last; every 64-bit range. NumPy's for the dtypes
 * int64 (its default) and int32; those of 8 and 16 bits draw otherwise. */
int64_t pawl_rng_integer(struct pawl_rng *rng, int64_t first, int64_t last);

double pawl_rng_normal(struct pawl_rng *rng);

#endif
