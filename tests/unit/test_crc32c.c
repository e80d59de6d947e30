#include "runtime/crc32c.h"

#include <string.h>

#include "support/test.h"

static uint32_t (*const both[])(uint32_t, const void *, size_t) = {pawl_crc32c,
                                                                   pawl_crc32c_by_table};

START_TEST(the_published_check_values_come_out)
{
    uint8_t data[32];
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(both[i](0, "123456789", 9), 0xe3069283);
        ck_assert_uint_eq(both[i](0, NULL, 0), 0);

        /* RFC 3720, B.4 */
        memset(data, 0, sizeof(data));
        ck_assert_uint_eq(both[i](0, data, sizeof(data)), 0x8a9136aa);
        memset(data, 0xff, sizeof(data));
        ck_assert_uint_eq(both[i](0, data, sizeof(data)), 0x62a8ab43);
        for (uint8_t j = 0; j < sizeof(data); j++)
            data[j] = j;
        ck_assert_uint_eq(both[i](0, data, sizeof(data)), 0x46dd794e);
    }
}
END_TEST

START_TEST(the_instruction_and_the_table_agree_at_every_length_and_alignment)
{
    uint8_t data[200];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i + 31 * i);
    for (size_t from = 0; from < 16; from++)
        for (size_t length = 0; length + from <= sizeof(data); length++)
            ck_assert_uint_eq(pawl_crc32c(0x12345678, data + from, length),
                              pawl_crc32c_by_table(0x12345678, data + from, length));
}
END_TEST

START_TEST(a_checksum_goes_on_from_the_one_before)
{
    const char *text = "one record and the next, which are checked as if they were one";
    size_t length = strlen(text);
    for (size_t i = 0; i < 2; i++)
        for (size_t cut = 0; cut <= length; cut++)
            ck_assert_uint_eq(both[i](both[i](0, text, cut), text + cut, length - cut),
                              both[i](0, text, length));
}
END_TEST

START_TEST(every_single_bit_flip_is_seen)
{
    uint8_t data[64] = {1, 2, 3};
    uint32_t crc = pawl_crc32c(0, data, sizeof(data));
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_uint_ne(pawl_crc32c(0, data, sizeof(data)), crc);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

PAWL_TEST_MAIN("crc32c", the_published_check_values_come_out,
               the_instruction_and_the_table_agree_at_every_length_and_alignment,
               a_checksum_goes_on_from_the_one_before, every_single_bit_flip_is_seen)
