#include "shm/dead_acks.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

static struct pawl_dead_acks dead;
static struct pawl_segment acks;
static struct pawl_err err;

static void open_acks(void)
{
    dead = (struct pawl_dead_acks){0};
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_ring_acks_create(&acks, 2, true, NULL), 0);
    atomic_store(&pawl_ring_acks_page(&acks, 1)->tail, 41);
}

static void close_acks(void)
{
    pawl_dead_acks_close(&dead);
    pawl_segment_close(&acks);
}

START_TEST(a_ring_is_read_on_where_its_reader_died)
{
    const struct pawl_hub_offer ring = {.acks_id = 7, .acks_page = 1};
    struct pawl_ring_rx_cfg cfg = {0};
    open_acks();
    ck_assert_int_eq(pawl_dead_acks_add(&dead, 7, acks.fd, acks.total_bytes, NULL), 0);
    ck_assert_int_eq(pawl_dead_acks_find_start(&dead, &ring, &cfg, NULL), 0);
    ck_assert(cfg.has_start);
    ck_assert_uint_eq(cfg.start, 41);
    close_acks();
}
END_TEST

START_TEST(a_ring_without_a_reader_is_read_from_its_first_record)
{
    const struct pawl_hub_offer ring = {.acks_id = 0, .acks_page = 1};
    struct pawl_ring_rx_cfg cfg = {0};
    open_acks();
    ck_assert_int_eq(pawl_dead_acks_find_start(&dead, &ring, &cfg, NULL), 0);
    ck_assert(!cfg.has_start);
    close_acks();
}
END_TEST

START_TEST(acks_that_are_gone_or_have_no_such_page_are_an_error)
{
    const struct pawl_hub_offer rings[] = {{.acks_id = 7, .acks_page = 2}, {.acks_id = 7}};
    struct pawl_ring_rx_cfg cfg = {0};
    open_acks();
    ck_assert_int_eq(pawl_dead_acks_add(&dead, 7, acks.fd, 0, NULL), 0);
    ck_assert_int_eq(pawl_dead_acks_find_start(&dead, &rings[0], &cfg, NULL), -EPROTO);
    pawl_dead_acks_remove(&dead, 7);
    ck_assert_int_eq(pawl_dead_acks_find_start(&dead, &rings[1], &cfg, NULL), -EPROTO);
    close_acks();
}
END_TEST

START_TEST(a_segment_of_another_size_than_announced_is_refused)
{
    open_acks();
    ck_assert_int_eq(pawl_dead_acks_add(&dead, 7, acks.fd, acks.total_bytes + 1, &err),
                     -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "were announced"));
    ck_assert_uint_eq(dead.all[0].id, 0);
    close_acks();
}
END_TEST

START_TEST(there_is_a_bound_and_removing_makes_room)
{
    open_acks();
    for (uint64_t id = 1; id <= PAWL_DEAD_ACKS_MAX; id++)
        ck_assert_int_eq(pawl_dead_acks_add(&dead, id, acks.fd, 0, NULL), 0);
    ck_assert_int_eq(pawl_dead_acks_add(&dead, 99, acks.fd, 0, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "more than 8"));
    pawl_dead_acks_remove(&dead, 3);
    ck_assert_int_eq(pawl_dead_acks_add(&dead, 99, acks.fd, 0, NULL), 0);
    close_acks();
}
END_TEST

PAWL_TEST_MAIN("dead_acks", a_ring_is_read_on_where_its_reader_died,
               a_ring_without_a_reader_is_read_from_its_first_record,
               acks_that_are_gone_or_have_no_such_page_are_an_error,
               a_segment_of_another_size_than_announced_is_refused,
               there_is_a_bound_and_removing_makes_room)
