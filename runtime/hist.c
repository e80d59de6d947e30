#include "runtime/hist.h"

#include <math.h>
#include <string.h>

#define SUB_COUNT (UINT32_C(1) << PAWL_HIST_SUB_BITS)

static uint64_t bucket_low(uint32_t index)
{
    if (index < 2 * SUB_COUNT)
        return index;
    uint32_t shift = (index >> PAWL_HIST_SUB_BITS) - 1;
    return (uint64_t)((index & (SUB_COUNT - 1)) + SUB_COUNT) << shift;
}

static uint64_t bucket_high(uint32_t index)
{
    if (index < 2 * SUB_COUNT)
        return index;
    uint32_t shift = (index >> PAWL_HIST_SUB_BITS) - 1;
    return bucket_low(index) + (UINT64_C(1) << shift) - 1;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static uint64_t narrow(unsigned __int128 wide)
{
    return wide > UINT64_MAX ? UINT64_MAX : (uint64_t)wide;
}

/* From the buckets, what the other words can be; what they cannot be is moved to the nearest
 * that can. */
static void make_consistent(struct pawl_hist_copy *copy)
{
    uint32_t last = PAWL_HIST_BUCKET_COUNT - 1;
    uint32_t lowest = UINT32_MAX, highest = 0;
    unsigned __int128 sum_low = 0, sum_high = 0;

    copy->count = 0;
    for (uint32_t i = 0; i <= last; i++) {
        uint64_t in_bucket = copy->buckets[i];
        if (!in_bucket)
            continue;
        if (lowest == UINT32_MAX)
            lowest = i;
        highest = i;
        copy->count = add_saturated(copy->count, in_bucket);
        sum_low += (unsigned __int128)bucket_low(i) * in_bucket;
        sum_high += (unsigned __int128)bucket_high(i) * in_bucket;
    }
    if (!copy->count) {
        memset(copy, 0, sizeof(*copy));
        return;
    }
    copy->over_count = clamp(copy->over_count, 0, copy->buckets[last]);
    uint64_t top = highest == last && copy->over_count ? UINT64_MAX : bucket_high(highest);
    copy->max = clamp(copy->max, bucket_low(highest), top);
    top = lowest == last && copy->over_count == copy->count ? UINT64_MAX : bucket_high(lowest);
    copy->min = clamp(copy->min, bucket_low(lowest), top);
    if (copy->min > copy->max)
        copy->min = copy->max;
    copy->sum = clamp(copy->sum, narrow(sum_low), narrow(sum_high));
}

uint64_t pawl_hist_count(const struct pawl_hist *hist)
{
    return atomic_load_explicit(&hist->count,
                                memory_order_relaxed); /* as in pawl_hist_add_() */
}

void pawl_hist_read(const struct pawl_hist *hist, struct pawl_hist_copy *copy)
{
    /* Relaxed, as in pawl_hist_add_(): each word is a fact of its own moment, and
     * make_consistent() takes the buckets for the truth. */
    copy->sum = atomic_load_explicit(&hist->sum, memory_order_relaxed);
    copy->max = atomic_load_explicit(&hist->max, memory_order_relaxed);
    copy->min = ~atomic_load_explicit(&hist->min_complement, memory_order_relaxed);
    copy->over_count = atomic_load_explicit(&hist->over_count, memory_order_relaxed);
    for (uint32_t i = 0; i < PAWL_HIST_BUCKET_COUNT; i++)
        copy->buckets[i] = atomic_load_explicit(&hist->buckets[i], memory_order_relaxed);
    make_consistent(copy);
}

void pawl_hist_merge(struct pawl_hist_copy *into, const struct pawl_hist_copy *from)
{
    if (!from->count)
        return;
    into->min = into->count && into->min < from->min ? into->min : from->min;
    into->max = into->count && into->max > from->max ? into->max : from->max;
    into->count = add_saturated(into->count, from->count);
    into->sum = add_saturated(into->sum, from->sum);
    into->over_count = add_saturated(into->over_count, from->over_count);
    for (uint32_t i = 0; i < PAWL_HIST_BUCKET_COUNT; i++)
        into->buckets[i] = add_saturated(into->buckets[i], from->buckets[i]);
}

/* ceil(percent / 100 * count) in integers: in doubles 99.9 % of 1000 would be the 1000th. */
static uint64_t rank_of(double percent, uint64_t count)
{
    const uint64_t whole = 1000000;
    double clamped = percent > 0.0 ? (percent < 100.0 ? percent : 100.0) : 0.0; /* NaN: 0 */
    uint64_t parts = (uint64_t)llround(clamped * 1e4);
    return (uint64_t)(((unsigned __int128)parts * count + whole - 1) / whole);
}

uint64_t pawl_hist_percentile(const struct pawl_hist_copy *copy, double percent)
{
    if (!copy->count)
        return 0;
    uint64_t rank = rank_of(percent, copy->count);
    if (rank == 0)
        return copy->min;
    if (rank == copy->count)
        return copy->max;

    uint64_t seen = 0;
    for (uint32_t i = 0; i < PAWL_HIST_BUCKET_COUNT; i++) {
        seen = add_saturated(seen, copy->buckets[i]);
        if (seen >= rank)
            return clamp(bucket_high(i), copy->min, copy->max);
    }
    return copy->max; /* counts that saturated in a merge */
}

double pawl_hist_mean(const struct pawl_hist_copy *copy)
{
    return copy->count ? (double)copy->sum / (double)copy->count : 0.0;
}
