#include "runtime/hist.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#define VALUE_COUNT 20000

static struct pawl_hist hist;
static struct pawl_hist_copy copy, other;
static uint64_t values[VALUE_COUNT];

static uint64_t random_state = 1;

static uint64_t random_word(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Records the values, then holds every percentile against the sorted array. */
static void check_against_sorted(size_t value_count)
{
    static const uint64_t parts[] = {1,      10,     1000,   10000,  250000, 333333,
                                     500000, 750000, 900000, 990000, 999000, 999900};

    memset(&hist, 0, sizeof(hist));
    uint64_t sum = 0;
    for (size_t i = 0; i < value_count; i++) {
        pawl_hist_record(&hist, values[i]);
        sum += values[i];
    }
    pawl_hist_read(&hist, &copy);
    qsort(values, value_count, sizeof(values[0]), compare);

    ck_assert_uint_eq(copy.count, value_count);
    ck_assert_uint_eq(copy.sum, sum);
    ck_assert_uint_eq(copy.min, values[0]);
    ck_assert_uint_eq(copy.max, values[value_count - 1]);
    ck_assert_uint_eq(copy.over_count, 0);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 0), values[0]);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 100), values[value_count - 1]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t rank = (size_t)((parts[i] * value_count + 999999) / 1000000);
        uint64_t exact = values[rank - 1];
        uint64_t got = pawl_hist_percentile(&copy, (double)parts[i] / 1e4);
        ck_assert_uint_ge(got, exact);
        ck_assert_uint_le((got - exact) * 1024, exact < 2048 ? 0 : exact);
    }
}

START_TEST(percentiles_of_small_values_are_exact)
{
    for (size_t i = 0; i < VALUE_COUNT; i++)
        values[i] = random_word() % 2048;
    check_against_sorted(VALUE_COUNT);
}
END_TEST

START_TEST(percentiles_of_a_uniform_distribution_are_within_a_1024th)
{
    for (size_t i = 0; i < VALUE_COUNT; i++)
        values[i] = random_word() % 1000000007;
    check_against_sorted(VALUE_COUNT);
}
END_TEST

START_TEST(percentiles_over_all_octaves_are_within_a_1024th)
{
    for (size_t i = 0; i < VALUE_COUNT; i++)
        values[i] = random_word() >> (24 + random_word() % 40);
    check_against_sorted(VALUE_COUNT);
}
END_TEST

START_TEST(percentiles_of_two_far_modes_are_within_a_1024th)
{
    for (size_t i = 0; i < VALUE_COUNT; i++)
        values[i] = i % 100 ? 1500 + random_word() % 4000
                            : UINT64_C(30000000000) + random_word() % 1000000;
    check_against_sorted(VALUE_COUNT);
}
END_TEST

START_TEST(percentiles_of_a_constant_are_that_constant)
{
    for (size_t i = 0; i < 1000; i++)
        values[i] = 123456789;
    check_against_sorted(1000);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 50), 123456789);
}
END_TEST

START_TEST(percentiles_of_few_values_are_nearest_rank)
{
    for (size_t value_count = 1; value_count < 20; value_count++) {
        for (size_t i = 0; i < value_count; i++)
            values[i] = random_word() % 100000;
        check_against_sorted(value_count);
    }
}
END_TEST

START_TEST(every_bucket_edge_is_within_a_1024th)
{
    for (uint32_t octave = 0; octave < PAWL_HIST_VALUE_BITS; octave++) {
        uint64_t low = UINT64_C(1) << octave, high = 2 * low - 1;
        uint64_t step = octave > PAWL_HIST_SUB_BITS ? low >> PAWL_HIST_SUB_BITS : 1;
        ck_assert_uint_eq(pawl_hist_bucket_of(high) + 1, octave + 1 < PAWL_HIST_VALUE_BITS
                                                             ? pawl_hist_bucket_of(high + 1)
                                                             : PAWL_HIST_BUCKET_COUNT);
        ck_assert_uint_eq(pawl_hist_bucket_of(low), pawl_hist_bucket_of(low + step - 1));
        ck_assert_uint_eq(pawl_hist_bucket_of(low) + 1, pawl_hist_bucket_of(low + step));
    }
}
END_TEST

START_TEST(a_rank_is_not_moved_by_rounding)
{
    for (uint64_t i = 1; i <= 1000; i++)
        pawl_hist_record(&hist, i);
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 99.9), 999);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 99.90001), 999); /* four decimals */
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 99.9001), 1000);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, -1), 1);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 101), 1000);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 0.0 / 0.0), 1);
}
END_TEST

START_TEST(values_over_the_limit_are_clamped_and_counted_as_such)
{
    pawl_hist_record(&hist, 5);
    pawl_hist_record(&hist, PAWL_HIST_VALUE_LIMIT - 1);
    pawl_hist_record(&hist, PAWL_HIST_VALUE_LIMIT);
    pawl_hist_record(&hist, UINT64_MAX);
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.count, 4);
    ck_assert_uint_eq(copy.over_count, 2);
    ck_assert_uint_eq(copy.buckets[PAWL_HIST_BUCKET_COUNT - 1], 3);
    ck_assert_uint_eq(copy.max, UINT64_MAX);
    ck_assert_uint_eq(copy.sum, 5 + 3 * (PAWL_HIST_VALUE_LIMIT - 1));
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 75), PAWL_HIST_VALUE_LIMIT - 1);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 100), UINT64_MAX);
}
END_TEST

START_TEST(the_min_of_values_all_over_the_limit_is_kept)
{
    pawl_hist_record(&hist, PAWL_HIST_VALUE_LIMIT + 7);
    pawl_hist_record(&hist, PAWL_HIST_VALUE_LIMIT + 9);
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.min, PAWL_HIST_VALUE_LIMIT + 7);
    ck_assert_uint_eq(copy.max, PAWL_HIST_VALUE_LIMIT + 9);
}
END_TEST

START_TEST(zeroed_memory_is_an_empty_histogram)
{
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(pawl_hist_count(&hist), 0);
    ck_assert_uint_eq(copy.count, 0);
    ck_assert_uint_eq(copy.min, 0);
    ck_assert_uint_eq(copy.max, 0);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 50), 0);
    ck_assert(pawl_hist_mean(&copy) == 0.0);

    pawl_hist_record(&hist, 0);
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.count, 1);
    ck_assert_uint_eq(copy.min, 0);
}
END_TEST

START_TEST(a_merge_is_what_one_histogram_of_both_would_be)
{
    static struct pawl_hist both, second;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        uint64_t value = 1 + (random_word() >> (20 + random_word() % 44));
        pawl_hist_record(i % 3 ? &hist : &second, value);
        pawl_hist_record(&both, value);
    }
    static struct pawl_hist_copy merged;
    pawl_hist_read(&hist, &copy);
    pawl_hist_merge(&merged, &copy); /* into an empty one */
    pawl_hist_read(&second, &copy);
    pawl_hist_merge(&merged, &copy);
    pawl_hist_merge(&merged, &other); /* an empty one into it */
    pawl_hist_read(&both, &copy);
    ck_assert_mem_eq(&merged, &copy, sizeof(copy));
    ck_assert_uint_gt(copy.over_count, 0);
}
END_TEST

START_TEST(a_merge_saturates)
{
    copy.buckets[7] = copy.count = copy.sum = UINT64_MAX - 1;
    copy.min = copy.max = 7;
    other = copy;
    pawl_hist_merge(&copy, &other);
    ck_assert_uint_eq(copy.count, UINT64_MAX);
    ck_assert_uint_eq(copy.buckets[7], UINT64_MAX);
    ck_assert_uint_eq(copy.sum, UINT64_MAX);
    ck_assert_uint_eq(pawl_hist_percentile(&copy, 50), 7);
}
END_TEST

static void check_consistent(void)
{
    if (!copy.count)
        return;
    uint64_t limit = PAWL_HIST_VALUE_LIMIT, last = copy.min;
    ck_assert_uint_gt(
        copy.buckets[pawl_hist_bucket_of(copy.min < limit ? copy.min : limit - 1)], 0);
    ck_assert_uint_gt(
        copy.buckets[pawl_hist_bucket_of(copy.max < limit ? copy.max : limit - 1)], 0);
    ck_assert_uint_le(copy.over_count, copy.buckets[PAWL_HIST_BUCKET_COUNT - 1]);
    for (double percent = 0; percent <= 100; percent += 12.5) {
        uint64_t value = pawl_hist_percentile(&copy, percent);
        ck_assert_uint_ge(value, last);
        ck_assert_uint_le(value, copy.max);
        last = value;
    }
    /* A mean out of range would be a sum that does not belong to the buckets. */
    if (copy.count < UINT64_MAX && copy.sum < UINT64_MAX) {
        ck_assert(pawl_hist_mean(&copy) >= (double)copy.min * (1 - 1.0 / 1000));
        ck_assert(pawl_hist_mean(&copy) <= (double)copy.max * (1 + 1.0 / 1000));
    }
}

START_TEST(a_record_half_done_is_mended)
{
    /* Only the bucket was reached: the writer died there in its first record. */
    atomic_store(&hist.buckets[pawl_hist_bucket_of(5000)], 1);
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.count, 1);
    ck_assert_uint_eq(copy.min, 5000); /* buckets of octave 12 are 4 wide */
    ck_assert_uint_eq(copy.max, 5000);
    ck_assert_uint_eq(copy.sum, 5000);
    check_consistent();

    /* The bucket of the first record was reached, but min is still that of nobody. */
    atomic_store(&hist.buckets[pawl_hist_bucket_of(9000)], 1);
    atomic_store(&hist.max, 9001);
    atomic_store(&hist.min_complement, ~UINT64_C(9001));
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.min, 5003);
    ck_assert_uint_eq(copy.max, 9001);

    /* Only min and max were reached. */
    memset(&hist, 0, sizeof(hist));
    atomic_store(&hist.max, 77);
    atomic_store(&hist.min_complement, ~UINT64_C(77));
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.count, 0);
    ck_assert_uint_eq(copy.max, 0);
}
END_TEST

START_TEST(garbage_gives_a_consistent_copy)
{
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(hist) / 8; i++) {
            uint64_t word = random_word() % (round % 4 + 1) ? 0 : random_word();
            memcpy((char *)&hist + i * 8, &word, 8);
        }
        pawl_hist_read(&hist, &copy);
        check_consistent();
    }
    memset(&hist, 0xff, sizeof(hist));
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.count, UINT64_MAX);
    check_consistent();
}
END_TEST

static atomic_bool is_stopping;

static void *record_until_stopped(void *arg)
{
    struct pawl_hist *target = arg;
    /* Relaxed: the flag carries nothing but itself. */
    for (uint64_t i = 0; !atomic_load_explicit(&is_stopping, memory_order_relaxed); i++)
        pawl_hist_record(target, 1000 + i % 100000);
    return NULL;
}

START_TEST(a_reader_beside_the_writer_sees_a_consistent_and_growing_histogram)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, record_until_stopped, &hist), 0);
    uint64_t count = 0;
    for (int i = 0; i < 50; i++) {
        pawl_hist_read(&hist, &copy);
        ck_assert_uint_ge(copy.count, count);
        count = copy.count;
        if (count)
            ck_assert_uint_ge(copy.min, 1000);
        ck_assert_uint_lt(copy.max, 101000);
        check_consistent();
    }
    atomic_store_explicit(&is_stopping, true, memory_order_relaxed); /* as above */
    pthread_join(thread, NULL);
    pawl_hist_read(&hist, &copy);
    ck_assert_uint_eq(copy.count, pawl_hist_count(&hist));
}
END_TEST

START_TEST(the_histogram_of_a_killed_process_is_readable)
{
    struct pawl_hist *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        record_until_stopped(shared);
    while (pawl_hist_count(shared) < 1000)
        usleep(100);
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);

    pawl_hist_read(shared, &copy);
    other = copy;
    pawl_hist_read(shared, &copy);
    ck_assert_mem_eq(&copy, &other, sizeof(copy));
    ck_assert_uint_ge(copy.count, 1000);
    ck_assert_uint_ge(copy.count + 1, pawl_hist_count(shared)); /* at most the one it died in */
    ck_assert_uint_le(copy.count, pawl_hist_count(shared) + 1);
    check_consistent();
    munmap(shared, sizeof(*shared));
}
END_TEST

PAWL_TEST_MAIN("hist", percentiles_of_small_values_are_exact,
               percentiles_of_a_uniform_distribution_are_within_a_1024th,
               percentiles_over_all_octaves_are_within_a_1024th,
               percentiles_of_two_far_modes_are_within_a_1024th,
               percentiles_of_a_constant_are_that_constant,
               percentiles_of_few_values_are_nearest_rank, every_bucket_edge_is_within_a_1024th,
               a_rank_is_not_moved_by_rounding,
               values_over_the_limit_are_clamped_and_counted_as_such,
               the_min_of_values_all_over_the_limit_is_kept,
               zeroed_memory_is_an_empty_histogram,
               a_merge_is_what_one_histogram_of_both_would_be, a_merge_saturates,
               a_record_half_done_is_mended, garbage_gives_a_consistent_copy,
               a_reader_beside_the_writer_sees_a_consistent_and_growing_histogram,
               the_histogram_of_a_killed_process_is_readable)
