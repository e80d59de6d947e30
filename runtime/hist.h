/* hist.h: a histogram of durations in fixed memory, that other processes read while it is
 * written.
 *
 *     struct pawl_hist *hist = ...;                   zeroed memory is an empty histogram
 *     pawl_hist_record(hist, took_ns);                the one writer, a few plain instructions
 *
 *     static struct pawl_hist_copy copy;              any reader, any process, also after the
 *     pawl_hist_read(hist, &copy);                    writer's death
 *     uint64_t p99_ns = pawl_hist_percentile(&copy, 99.0);
 *
 * Log-linear: values below 2048 have a bucket each; every octave above is cut into 1024 equal
 * buckets. So a value that stands for a bucket is wrong by at most 1/1024 of it (three
 * significant digits) up to 2^40 (18 minutes in ns). A value of 2^40 or more is counted in the
 * last bucket and in over_count.
 *
 * Memory: PAWL_HIST_BYTES, without a pointer, wherever the caller wants it. Pages that no value
 * fell into are never touched, so a histogram of a narrow distribution costs a few pages.
 *
 * Thread safety: one writer; any number of readers. A reader may see a record half done (also
 * for ever, when the writer died in it): the copy is made consistent, see pawl_hist_read().
 */
#ifndef PAWL_RUNTIME_HIST_H
#define PAWL_RUNTIME_HIST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_HIST_SUB_BITS    10 /* 2^10 buckets per octave: 1/1024 < 10^-3 */
#define PAWL_HIST_VALUE_BITS  40
#define PAWL_HIST_VALUE_LIMIT (UINT64_C(1) << PAWL_HIST_VALUE_BITS)
#define PAWL_HIST_BUCKET_COUNT                                                                 \
    ((PAWL_HIST_VALUE_BITS - PAWL_HIST_SUB_BITS + 1) << PAWL_HIST_SUB_BITS)
#define PAWL_HIST_BYTES 254016

/* Every word is written by the one writer only and counts for itself; no order between them is
 * promised or needed. A change of the layout raises the version of the segment that holds it.
 */
struct pawl_hist {
    _Alignas(64) _Atomic uint64_t count;
    _Atomic uint64_t sum;            /* of the values, those over the limit as limit - 1 */
    _Atomic uint64_t max;            /* as recorded, so it may be over the limit */
    _Atomic uint64_t min_complement; /* ~min, so that zero means "none yet" */
    _Atomic uint64_t over_count;     /* how many were clamped */
    uint64_t reserved[3];
    _Atomic uint64_t buckets[PAWL_HIST_BUCKET_COUNT];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in an atomic is private to one process");
_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "layout v1");
_Static_assert(offsetof(struct pawl_hist, count) == 0, "layout v1");
_Static_assert(offsetof(struct pawl_hist, sum) == 8, "layout v1");
_Static_assert(offsetof(struct pawl_hist, max) == 16, "layout v1");
_Static_assert(offsetof(struct pawl_hist, min_complement) == 24, "layout v1");
_Static_assert(offsetof(struct pawl_hist, over_count) == 32, "layout v1");
_Static_assert(offsetof(struct pawl_hist, buckets) == 64, "layout v1");
_Static_assert(sizeof(struct pawl_hist) == PAWL_HIST_BYTES, "layout v1");

/* What a reader owns. 248 KiB: static or on the heap, not on a small stack. Zeroed, it is the
 * copy of an empty histogram. Consistent: count is the sum of the buckets, min and max lie in
 * the first and last bucket that is not empty, sum is possible for these buckets. */
struct pawl_hist_copy {
    uint64_t count;
    uint64_t sum;
    uint64_t max; /* 0 when count is 0 */
    uint64_t min; /* 0 when count is 0 */
    uint64_t over_count;
    uint64_t buckets[PAWL_HIST_BUCKET_COUNT];
};

/* The bucket of a value; a value over the limit is the caller's to clamp. */
static inline uint32_t pawl_hist_bucket_of(uint64_t value)
{
    uint32_t octave = 63u - (uint32_t)__builtin_clzll(value | (1u << PAWL_HIST_SUB_BITS));
    uint32_t shift = octave - PAWL_HIST_SUB_BITS;
    return (shift << PAWL_HIST_SUB_BITS) + (uint32_t)(value >> shift);
}

/* Adds to a word that nobody else writes: a load and a store, without the bus lock of a
 * read-modify-write. Relaxed: a reader takes each word alone and pawl_hist_read() mends what
 * does not fit together, so there is no partner. */
static inline void pawl_hist_add_(_Atomic uint64_t *word, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, old + amount, memory_order_relaxed);
}

/* The writer only. Allocates nothing, never waits. */
static inline void pawl_hist_record(struct pawl_hist *hist, uint64_t value)
{
    /* Relaxed as in pawl_hist_add_(). */
    if (value > atomic_load_explicit(&hist->max, memory_order_relaxed))
        atomic_store_explicit(&hist->max, value, memory_order_relaxed);
    if (~value > atomic_load_explicit(&hist->min_complement, memory_order_relaxed))
        atomic_store_explicit(&hist->min_complement, ~value, memory_order_relaxed);
    if (__builtin_expect(value >= PAWL_HIST_VALUE_LIMIT, 0)) {
        pawl_hist_add_(&hist->over_count, 1);
        value = PAWL_HIST_VALUE_LIMIT - 1;
    }
    pawl_hist_add_(&hist->buckets[pawl_hist_bucket_of(value)], 1);
    pawl_hist_add_(&hist->sum, value);
    pawl_hist_add_(&hist->count, 1);
}

/* How many values were recorded, without a copy; for rates. Any process. */
uint64_t pawl_hist_count(const struct pawl_hist *hist);

/* Copies the histogram. Nothing in it is trusted: whatever the words hold (a record half done,
 * a writer that is broken or hostile), the copy is consistent as its struct says, every
 * percentile is in range, and counts saturate instead of wrapping. */
void pawl_hist_read(const struct pawl_hist *hist, struct pawl_hist_copy *copy);

/* Adds `from` to `into`; the result is the copy of a histogram that recorded both. */
void pawl_hist_merge(struct pawl_hist_copy *into, const struct pawl_hist_copy *from);

/* The value that `percent` of the values do not exceed (nearest rank), 0 when there are none.
 * With e the exact one from a sorted array, e <= result <= e + e / 1024, and result == e for
 * e < 2048, 0 % (min) and 100 % (max). Percent is clamped to 0..100 and read to four decimals;
 * a rank among the clamped values that is not the last gives the limit - 1. */
uint64_t pawl_hist_percentile(const struct pawl_hist_copy *copy, double percent);

/* sum / count; 0 when there are none. */
double pawl_hist_mean(const struct pawl_hist_copy *copy);

#endif
