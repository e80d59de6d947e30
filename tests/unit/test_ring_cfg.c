#include "shm/ring_cfg.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

static struct pawl_ring_table_cfg table;
static struct pawl_ring_cfg ring;
static struct pawl_err err;

static int make(uint64_t record_bytes, uint32_t slot_count_min)
{
    return pawl_ring_cfg_make(&ring, &table, record_bytes, slot_count_min, &err);
}

static uint64_t body_bytes(void)
{
    struct pawl_ring_geometry geometry;
    ck_assert_int_eq(pawl_ring_layout(&geometry, &ring, &err), 0);
    return geometry.body_bytes;
}

START_TEST(as_many_slots_as_fit_into_the_memory)
{
    ck_assert_int_eq(pawl_cfg_default(&pawl_ring_table, &table, &err), 0);
    ck_assert_int_eq(make(100, 4), 0);
    ck_assert_uint_le(body_bytes(), 4u << 20);
    ck_assert_uint_gt(2 * body_bytes(), 4u << 20);
    ck_assert_uint_eq(ring.data_bytes, 100);
    ck_assert_uint_eq(ring.policy, PAWL_RING_BLOCK);
}
END_TEST

START_TEST(large_records_have_the_slots_that_the_lanes_need)
{
    ck_assert_int_eq(pawl_cfg_default(&pawl_ring_table, &table, &err), 0);
    ck_assert_int_eq(make(10 << 20, 12), 0);
    ck_assert_uint_eq(ring.slot_count, 16);
}
END_TEST

START_TEST(a_number_of_slots_is_taken_or_refused_with_the_rule)
{
    ck_assert_int_eq(pawl_cfg_default(&pawl_ring_table, &table, &err), 0);
    table.slots = 64;
    table.full = PAWL_RING_FULL_DROP_NEWEST;
    ck_assert_int_eq(make(100, 64), 0);
    ck_assert_uint_eq(ring.slot_count, 64);
    ck_assert_uint_eq(ring.policy, PAWL_RING_DROP_NEWEST);
    ck_assert_int_eq(make(100, 65), -EINVAL);
    ck_assert_str_eq(err.text, "ring.slots = 64: these lanes need at least 65");
}
END_TEST

PAWL_TEST_MAIN("ring_cfg", as_many_slots_as_fit_into_the_memory,
               large_records_have_the_slots_that_the_lanes_need,
               a_number_of_slots_is_taken_or_refused_with_the_rule)
