#include "runtime/philox.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

static struct pawl_philox stream, other;

START_TEST(the_known_answers_of_random123_come_out)
{
    /* kat_vectors, philox4x32 10 */
    static const struct {
        uint32_t counter[4], key[2], block[4];
    } rows[] = {
        {{0}, {0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t block[4];
        pawl_philox_block(rows[i].counter, rows[i].key, block);
        ck_assert_mem_eq(block, rows[i].block, sizeof(block));
    }
}
END_TEST

START_TEST(a_stream_is_the_blocks_of_its_name)
{
    pawl_philox_open(&stream, 0x299f31d0a4093822, 0x03707344, 0x13198a2e);
    pawl_philox_seek(&stream, 0x85a308d3243f6a88);
    ck_assert_uint_eq(pawl_philox_next32(&stream), 0xd16cfe09);
    ck_assert_uint_eq(pawl_philox_next32(&stream), 0x94fdcceb);
    ck_assert_uint_eq(pawl_philox_next64(&stream), 0x24126ea15001e420);

    uint32_t block[4];
    pawl_philox_block((uint32_t[]){0x243f6a89, 0x85a308d3, 0x13198a2e, 0x03707344},
                      (uint32_t[]){0xa4093822, 0x299f31d0}, block);
    ck_assert_uint_eq(pawl_philox_next32(&stream), block[0]);
}
END_TEST

START_TEST(each_part_of_a_name_gives_another_stream)
{
    static const struct {
        uint64_t seed;
        uint32_t role, index;
    } names[] = {{1, 2, 3}, {2, 2, 3}, {1 + (UINT64_C(1) << 32), 2, 3},
                 {1, 3, 3}, {1, 2, 4}, {1, 3, 2}};
    uint64_t first[6];
    for (int i = 0; i < 6; i++) {
        pawl_philox_open(&stream, names[i].seed, names[i].role, names[i].index);
        first[i] = pawl_philox_next64(&stream);
        for (int j = 0; j < i; j++)
            ck_assert_uint_ne(first[i], first[j]);
    }
}
END_TEST

START_TEST(a_stream_does_not_depend_on_what_others_draw)
{
    double alone[20];
    pawl_philox_open(&stream, 7, 1, 0);
    for (int i = 0; i < 20; i++)
        alone[i] = pawl_philox_normal(&stream);

    pawl_philox_open(&stream, 7, 1, 0);
    pawl_philox_open(&other, 7, 1, 1);
    for (int i = 0; i < 20; i++) {
        for (int j = 0; j < i; j++)
            pawl_philox_next32(&other);
        double value = pawl_philox_normal(&stream);
        ck_assert_mem_eq(&value, &alone[i], sizeof(value));
    }
}
END_TEST

START_TEST(seeking_is_drawing_without_the_work)
{
    pawl_philox_open(&stream, 7, 1, 0);
    other = stream;
    for (int i = 0; i < 4 * 10; i++)
        pawl_philox_next32(&stream);
    pawl_philox_next32(&other);
    pawl_philox_seek(&other, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(pawl_philox_next32(&stream), pawl_philox_next32(&other));
}
END_TEST

START_TEST(doubles_are_in_the_unit_interval_and_normals_have_mean_0_and_variance_1)
{
    double sum = 0, sum_normal = 0, squares = 0;
    const int draw_count = 100000;
    pawl_philox_open(&stream, 42, 0, 0);
    for (int i = 0; i < draw_count; i++) {
        double uniform = pawl_philox_double(&stream), normal = pawl_philox_normal(&stream);
        ck_assert(uniform >= 0.0 && uniform < 1.0);
        sum += uniform;
        sum_normal += normal;
        squares += normal * normal;
    }
    /* Five standard deviations; the seed is fixed, so this holds or not, once and for all. */
    ck_assert_double_eq_tol(sum / draw_count, 0.5, 0.0046);
    ck_assert_double_eq_tol(sum_normal / draw_count, 0.0, 0.016);
    ck_assert_double_eq_tol(squares / draw_count, 1.0, 0.023);
}
END_TEST

START_TEST(a_copy_continues_where_the_original_was)
{
    pawl_philox_open(&stream, 7, 1, 0);
    pawl_philox_next32(&stream);
    other = stream;
    for (int i = 0; i < 20; i++)
        ck_assert_uint_eq(pawl_philox_next32(&stream), pawl_philox_next32(&other));
}
END_TEST

PAWL_TEST_MAIN("philox", the_known_answers_of_random123_come_out,
               a_stream_is_the_blocks_of_its_name, each_part_of_a_name_gives_another_stream,
               a_stream_does_not_depend_on_what_others_draw,
               seeking_is_drawing_without_the_work,
               doubles_are_in_the_unit_interval_and_normals_have_mean_0_and_variance_1,
               a_copy_continues_where_the_original_was)
