/* Everything here is compared bit for bit with what NumPy gave (tests/golden/rng/make_rng.py).
 */
#include "runtime/rng.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#define SEED_COUNT 1000
#define DRAW_COUNT 6

static struct pawl_rng rng;

/* As RANGES in make_rng.py. */
static const struct {
    int64_t first, last;
} ranges[DRAW_COUNT] = {
    {7, 7},
    {0, 9},
    {-5, (INT64_C(3) << 30) - 6},
    {INT32_MIN, INT32_MAX},
    {INT64_MIN, (INT64_C(1) << 62) - 1},
    {INT64_MIN, INT64_MAX},
};

static FILE *open_golden(const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/tests/golden/rng/%s", PAWL_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file, "%s: %s", path, strerror(errno));
    return file;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

enum kind { DOUBLES, INTEGERS, NORMALS };

static uint64_t draw(enum kind kind, int i)
{
    if (kind == DOUBLES)
        return bits_of(pawl_rng_double(&rng));
    if (kind == INTEGERS)
        return (uint64_t)pawl_rng_integer(&rng, ranges[i].first, ranges[i].last);
    return bits_of(pawl_rng_normal(&rng));
}

static void check_draws(enum kind kind)
{
    static uint64_t golden[SEED_COUNT][3][DRAW_COUNT];
    FILE *file = open_golden("draws.bin");
    ck_assert_uint_eq(fread(golden, 1, sizeof(golden), file), sizeof(golden));
    ck_assert_int_eq(fgetc(file), EOF);
    fclose(file);
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        pawl_rng_seed(&rng, seed);
        for (int i = 0; i < DRAW_COUNT; i++) {
            uint64_t got = draw(kind, i);
            ck_assert_msg(got == golden[seed][kind][i],
                          "seed %" PRIu64 " draw %d: %016" PRIx64 ", NumPy has %016" PRIx64,
                          seed, i, got, golden[seed][kind][i]);
        }
    }
}

START_TEST(doubles_of_1000_seeds_are_those_of_numpy)
{
    check_draws(DOUBLES);
}
END_TEST

START_TEST(integers_of_1000_seeds_are_those_of_numpy)
{
    check_draws(INTEGERS);
}
END_TEST

START_TEST(normals_of_1000_seeds_are_those_of_numpy)
{
    check_draws(NORMALS);
}
END_TEST

START_TEST(kinds_of_draws_in_turn_are_those_of_numpy)
{
    FILE *file = open_golden("mixed.txt");
    uint64_t seed, seed_before = UINT64_MAX, golden;
    int kind, line_count = 0;

    while (fscanf(file, "%" SCNu64 " %d %" SCNx64 "\n", &seed, &kind, &golden) == 3) {
        if (seed != seed_before)
            pawl_rng_seed_spawned(&rng, (uint64_t[]){seed, UINT64_C(1) << 40}, 2, NULL, 0);
        seed_before = seed;
        uint64_t got = kind == 0   ? bits_of(pawl_rng_double(&rng))
                       : kind == 1 ? bits_of(pawl_rng_normal(&rng))
                       : kind == 2 ? bits_of(pawl_rng_uniform(&rng, -0.3, 1.7))
                       : kind == 3 ? (uint64_t)pawl_rng_integer(&rng, 0, 999)
                                   : (uint64_t)pawl_rng_integer(&rng, 0, 99);
        ck_assert_uint_eq(got, golden);
        line_count++;
    }
    ck_assert_int_eq(line_count, 600);
    fclose(file);
}
END_TEST

static size_t read_integers(FILE *file, uint64_t *integers, size_t count_max)
{
    size_t count = 0;
    if (fscanf(file, "%zu", &count) != 1)
        return SIZE_MAX;
    ck_assert_uint_le(count, count_max);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(fscanf(file, "%" SCNu64, &integers[i]), 1);
    return count;
}

START_TEST(seed_sequences_with_lists_and_spawn_keys_are_those_of_numpy)
{
    FILE *file = open_golden("seeds.txt");
    uint64_t entropy[64], key[64], golden_double;
    int line_count = 0;

    for (;;) {
        size_t entropy_count = read_integers(file, entropy, 64);
        if (entropy_count == SIZE_MAX)
            break;
        size_t key_count = read_integers(file, key, 64);
        uint32_t words[8], golden;
        pawl_seed_sequence(entropy, entropy_count, key, key_count, words, 8);
        for (int i = 0; i < 8; i++) {
            ck_assert_int_eq(fscanf(file, "%" SCNx32, &golden), 1);
            ck_assert_uint_eq(words[i], golden);
        }
        ck_assert_int_eq(fscanf(file, "%" SCNx64, &golden_double), 1);
        pawl_rng_seed_spawned(&rng, entropy, entropy_count, key, key_count);
        ck_assert_uint_eq(bits_of(pawl_rng_double(&rng)), golden_double);
        line_count++;
    }
    ck_assert_int_eq(line_count, 16);
    fclose(file);
}
END_TEST

/* A generator whose next two draws are given, as Crafted in make_rng.py. */
static struct pawl_rng crafted(uint64_t draw1, uint64_t draw2)
{
    unsigned __int128 multiplier =
        (unsigned __int128)0x2360ed051fc65da4 << 64 | 0x4385df649fccf645;
    unsigned __int128 inverse = 1, increment = 0;

    for (int i = 0; i < 7; i++) /* Newton: the number of right bits doubles */
        inverse *= 2 - multiplier * inverse;
    for (uint64_t high = 0; high < 2 && !(increment & 1); high++)
        increment = ((unsigned __int128)high << 64 | (draw2 ^ high)) - draw1 * multiplier;
    unsigned __int128 state = (draw1 - increment) * inverse;
    return (struct pawl_rng){
        .state_high = (uint64_t)(state >> 64),
        .state_low = (uint64_t)state,
        .increment_high = (uint64_t)(increment >> 64),
        .increment_low = (uint64_t)increment,
    };
}

/* How many draws a normal took that begins with these two; 3 for more. */
static int draws_taken(uint64_t draw1, uint64_t draw2, double *normal)
{
    struct pawl_rng one = crafted(draw1, draw2);
    ck_assert_uint_eq(pawl_rng_next64(&one), draw1);
    struct pawl_rng two = one;
    ck_assert_uint_eq(pawl_rng_next64(&two), draw2);
    rng = crafted(draw1, draw2);
    *normal = pawl_rng_normal(&rng);
    return memcmp(&rng, &one, sizeof(rng)) == 0   ? 1
           : memcmp(&rng, &two, sizeof(rng)) == 0 ? 2
                                                  : 3;
}

START_TEST(every_layer_of_the_ziggurat_has_numpys_edges)
{
    FILE *file = open_golden("ziggurat.txt");
    uint64_t layer, k, u, u2, x;
    uint64_t line_count = 0;
    double normal;

    while (fscanf(file, "%" SCNu64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 "\n", &layer,
                  &k, &u, &u2, &x) == 5) {
        ck_assert_uint_eq(layer, line_count++);
        if (k > 0)
            ck_assert_int_eq(draws_taken(layer | (k - 1) << 9, 0, &normal), 1);
        ck_assert_int_gt(draws_taken(layer | k << 9, 0, &normal), 1);
        if (layer > 0) {
            ck_assert_int_eq(draws_taken(layer | u << 9, u2 << 11, &normal), 3);
            u2--;
        }
        ck_assert_int_le(draws_taken(layer | u << 9, u2 << 11, &normal), 2);
        ck_assert_uint_eq(bits_of(normal), x);
        ck_assert_int_le(draws_taken(layer | 0x100 | u << 9, u2 << 11, &normal), 2);
        ck_assert_uint_eq(bits_of(-normal), x);
    }
    ck_assert_uint_eq(line_count, 256);
    fclose(file);
}
END_TEST

START_TEST(normals_beyond_the_last_layer_are_those_of_numpy)
{
    FILE *file = open_golden("tails.txt");
    struct pawl_rng start = {0};
    uint64_t golden, golden_next;
    int line_count = 0, negative_count = 0;

    while (fscanf(file,
                  "%16" SCNx64 "%16" SCNx64 " %16" SCNx64 "%16" SCNx64 " %" SCNx64 " %" SCNx64
                  "\n",
                  &start.state_high, &start.state_low, &start.increment_high,
                  &start.increment_low, &golden, &golden_next) == 6) {
        rng = start;
        double normal = pawl_rng_normal(&rng);
        ck_assert_uint_eq(bits_of(normal), golden);
        ck_assert_uint_eq(pawl_rng_next64(&rng), golden_next);
        negative_count += normal < 0;
        line_count++;
    }
    ck_assert_int_eq(line_count, 200);
    ck_assert(negative_count > 50 && negative_count < 150);
    fclose(file);
}
END_TEST

START_TEST(a_copy_continues_where_the_original_was)
{
    pawl_rng_seed(&rng, 3);
    pawl_rng_integer(&rng, 0, 9); /* leaves half a draw in the buffer */
    struct pawl_rng copy = rng;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(pawl_rng_integer(&rng, 0, 9), pawl_rng_integer(&copy, 0, 9));
        ck_assert_uint_eq(bits_of(pawl_rng_normal(&rng)), bits_of(pawl_rng_normal(&copy)));
    }
}
END_TEST

START_TEST(integers_stay_in_their_range_at_its_ends)
{
    pawl_rng_seed(&rng, 5);
    bool saw_first = false, saw_last = false;
    for (int i = 0; i < 1000; i++) {
        int64_t value = pawl_rng_integer(&rng, INT64_MAX - 3, INT64_MAX);
        ck_assert_int_ge(value, INT64_MAX - 3);
        saw_first |= value == INT64_MAX - 3;
        saw_last |= value == INT64_MAX;
    }
    ck_assert(saw_first && saw_last);
    ck_assert_int_eq(pawl_rng_integer(&rng, INT64_MIN, INT64_MIN), INT64_MIN);
}
END_TEST

static void *first_normal(void *result)
{
    struct pawl_rng own;
    pawl_rng_seed(&own, 11);
    *(double *)result = pawl_rng_normal(&own);
    return NULL;
}

START_TEST(the_first_normals_of_a_process_may_be_drawn_by_threads_at_once)
{
    pthread_t threads[8];
    double results[8];
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, first_normal, &results[i]), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    first_normal(&results[0]);
    for (int i = 1; i < 8; i++)
        ck_assert_uint_eq(bits_of(results[i]), bits_of(results[0]));
}
END_TEST

PAWL_TEST_MAIN("rng", doubles_of_1000_seeds_are_those_of_numpy,
               integers_of_1000_seeds_are_those_of_numpy,
               normals_of_1000_seeds_are_those_of_numpy,
               kinds_of_draws_in_turn_are_those_of_numpy,
               seed_sequences_with_lists_and_spawn_keys_are_those_of_numpy,
               every_layer_of_the_ziggurat_has_numpys_edges,
               normals_beyond_the_last_layer_are_those_of_numpy,
               a_copy_continues_where_the_original_was,
               integers_stay_in_their_range_at_its_ends,
               the_first_normals_of_a_process_may_be_drawn_by_threads_at_once)
