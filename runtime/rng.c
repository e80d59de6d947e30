/* rng.c: SeedSequence after M. O'Neill's seed_seq_fe (pcg-random.org, 2015) as NumPy changed
 * it; PCG64 is PCG XSL RR 128/64 (O'Neill, HMC-CS-2014-0905); bounded integers after Lemire
 * (arXiv 1805.10941). */
#include "runtime/rng.h"

#include <assert.h>
#include <errno.h>

#include "runtime/ziggurat.h"

#ifdef __clang__ /* gcc does not contract in ISO mode, and does not know the pragma */
#pragma STDC FP_CONTRACT OFF
#endif

#define POOL_WORDS 4

struct pool {
    uint32_t words[POOL_WORDS];
    uint32_t hash_const;
    size_t fed_count;
};

static uint32_t hash_mix(struct pool *pool, uint32_t value)
{
    value ^= pool->hash_const;
    pool->hash_const *= 0x931e8875u;
    value *= pool->hash_const;
    return value ^ value >> 16;
}

static void mix_into(struct pool *pool, size_t to, uint32_t value)
{
    uint32_t mixed = 0xca01f9ddu * pool->words[to] - 0x4973f715u * hash_mix(pool, value);
    pool->words[to] = mixed ^ mixed >> 16;
}

static void feed_word(struct pool *pool, uint32_t word)
{
    size_t fed_count = pool->fed_count++;

    if (fed_count >= POOL_WORDS) {
        for (size_t to = 0; to < POOL_WORDS; to++)
            mix_into(pool, to, word);
        return;
    }
    pool->words[fed_count] = hash_mix(pool, word);
    if (fed_count + 1 < POOL_WORDS)
        return;
    for (size_t from = 0; from < POOL_WORDS; from++)
        for (size_t to = 0; to < POOL_WORDS; to++)
            if (from != to)
                mix_into(pool, to, pool->words[from]);
}

/* An integer is as many 32-bit words, low ones first, as it needs; zero is one word. */
static void feed_integers(struct pool *pool, const uint64_t *integers, size_t integer_count)
{
    for (size_t i = 0; i < integer_count; i++) {
        feed_word(pool, (uint32_t)integers[i]);
        if (integers[i] >> 32)
            feed_word(pool, (uint32_t)(integers[i] >> 32));
    }
}

void pawl_seed_sequence(const uint64_t *entropy, size_t entropy_count,
                        const uint64_t *spawn_key, size_t spawn_key_count, uint32_t *words,
                        size_t word_count)
{
    struct pool pool = {.hash_const = 0x43b0d7e5u};

    /* Zeros up to the pool's size stand between short entropy and a spawn key, as they fill the
     * pool where there is no key. */
    feed_integers(&pool, entropy, entropy_count);
    while (pool.fed_count < POOL_WORDS)
        feed_word(&pool, 0);
    feed_integers(&pool, spawn_key, spawn_key_count);

    uint32_t hash_const = 0x8b51f9ddu;
    for (size_t i = 0; i < word_count; i++) {
        uint32_t value = pool.words[i % POOL_WORDS] ^ hash_const;
        hash_const *= 0x58f38dedu;
        value *= hash_const;
        words[i] = value ^ value >> 16;
    }
}

static unsigned __int128 join(uint64_t high, uint64_t low)
{
    return (unsigned __int128)high << 64 | low;
}

static void step(struct pawl_rng *rng)
{
    const unsigned __int128 multiplier = join(0x2360ed051fc65da4u, 0x4385df649fccf645u);
    unsigned __int128 state = join(rng->state_high, rng->state_low) * multiplier +
                              join(rng->increment_high, rng->increment_low);

    rng->state_high = (uint64_t)(state >> 64);
    rng->state_low = (uint64_t)state;
}

void pawl_rng_seed(struct pawl_rng *rng, uint64_t seed)
{
    pawl_rng_seed_spawned(rng, &seed, 1, NULL, 0);
}

void pawl_rng_seed_spawned(struct pawl_rng *rng, const uint64_t *entropy, size_t entropy_count,
                           const uint64_t *spawn_key, size_t spawn_key_count)
{
    uint32_t words[8];
    uint64_t seed[4];

    pawl_seed_sequence(entropy, entropy_count, spawn_key, spawn_key_count, words, 8);
    for (int i = 0; i < 4; i++)
        seed[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];

    *rng = (struct pawl_rng){
        .increment_high = seed[2] << 1 | seed[3] >> 63,
        .increment_low = seed[3] << 1 | 1,
    };
    step(rng);
    unsigned __int128 state = join(rng->state_high, rng->state_low) + join(seed[0], seed[1]);
    rng->state_high = (uint64_t)(state >> 64);
    rng->state_low = (uint64_t)state;
    step(rng);
}

uint64_t pawl_rng_next64(struct pawl_rng *rng)
{
    step(rng);
    uint64_t folded = rng->state_high ^ rng->state_low;
    unsigned rotation = (unsigned)(rng->state_high >> 58);
    return folded >> rotation | folded << (-rotation & 63);
}

uint32_t pawl_rng_next32(struct pawl_rng *rng)
{
    if (rng->has_buffered) {
        rng->has_buffered = 0;
        return rng->buffered;
    }
    uint64_t bits = pawl_rng_next64(rng);
    rng->has_buffered = 1;
    rng->buffered = (uint32_t)(bits >> 32);
    return (uint32_t)bits;
}

double pawl_rng_double(struct pawl_rng *rng)
{
    return (double)(pawl_rng_next64(rng) >> 11) * 0x1p-53;
}

double pawl_rng_uniform(struct pawl_rng *rng, double low, double high)
{
    return low + (high - low) * pawl_rng_double(rng);
}

/* In 0..last: the high half of a product; the low half says when a draw would be one too many
 * for its value. */
static uint32_t below32(struct pawl_rng *rng, uint32_t last)
{
    uint32_t count = last + 1;
    uint64_t product = (uint64_t)pawl_rng_next32(rng) * count;

    if ((uint32_t)product < count) {
        uint32_t threshold = -count % count;
        while ((uint32_t)product < threshold)
            product = (uint64_t)pawl_rng_next32(rng) * count;
    }
    return (uint32_t)(product >> 32);
}

static uint64_t below64(struct pawl_rng *rng, uint64_t last)
{
    uint64_t count = last + 1;
    unsigned __int128 product = (unsigned __int128)pawl_rng_next64(rng) * count;

    if ((uint64_t)product < count) {
        uint64_t threshold = -count % count;
        while ((uint64_t)product < threshold)
            product = (unsigned __int128)pawl_rng_next64(rng) * count;
    }
    return (uint64_t)(product >> 64);
}

int64_t pawl_rng_integer(struct pawl_rng *rng, int64_t first, int64_t last)
{
    assert(first <= last);
    uint64_t span = (uint64_t)last - (uint64_t)first;
    uint64_t offset;

    if (span == 0)
        offset = 0;
    else if (span < UINT32_MAX)
        offset = below32(rng, (uint32_t)span);
    else if (span == UINT32_MAX)
        offset = pawl_rng_next32(rng);
    else if (span < UINT64_MAX)
        offset = below64(rng, span);
    else
        offset = pawl_rng_next64(rng);
    return (int64_t)((uint64_t)first + offset);
}

static uint64_t next64(void *rng)
{
    return pawl_rng_next64(rng);
}

double pawl_rng_normal(struct pawl_rng *rng)
{
    return pawl_ziggurat_normal(next64, rng);
}
