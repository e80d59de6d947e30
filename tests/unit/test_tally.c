#include "learner/tally.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "support/test.h"

static struct pawl_tally tally, next;
static struct pawl_err err;

static void make(void)
{
    ck_assert_msg(pawl_tally_create(&tally, &err) == 0, "%s", err.text);
}

/* The next learner, while the memory of the dead one is as it left it. */
static void succeed(void)
{
    ck_assert_msg(pawl_tally_attach(&next, tally.segment.fd, tally.segment.total_bytes, &err) ==
                      0,
                  "%s", err.text);
}

START_TEST(a_new_tally_has_nothing)
{
    make();
    ck_assert_uint_eq(pawl_tally_totals(&tally)->step_count, 0);
    ck_assert_uint_eq(pawl_tally_find_ring(&tally, 7), PAWL_TALLY_NO_ENTRY);
    ck_assert_uint_eq(tally.lanes_end, 0);
    ck_assert_uint_eq(pawl_tally_version_next(&tally), 1);
}
END_TEST

START_TEST(what_was_committed_is_there_for_the_next)
{
    make();
    uint32_t ring = pawl_tally_add_ring(&tally, 7), lane = pawl_tally_add_lane(&tally, 7, 3);
    pawl_tally_edit_totals(&tally)->step_count = 5;
    pawl_tally_edit_ring(&tally, ring)->next = 6;
    pawl_tally_edit_lane(&tally, lane)->return_sum = 1.5;
    pawl_tally_commit(&tally);
    succeed();
    ck_assert_uint_eq(pawl_tally_totals(&next)->step_count, 5);
    ck_assert_uint_eq(pawl_tally_ring(&next, pawl_tally_find_ring(&next, 7))->next, 6);
    ck_assert_uint_eq(pawl_tally_lane(&next, lane)->ring_id, 7);
    ck_assert_uint_eq(pawl_tally_lane(&next, lane)->lane, 3);
    ck_assert_double_eq(pawl_tally_lane(&next, lane)->return_sum, 1.5);
    ck_assert_uint_eq(next.lanes_end, 1);
}
END_TEST

START_TEST(when_the_last_checkpoint_was_begun_is_there_for_the_next)
{
    make();
    pawl_tally_edit_saved(&tally)->begun_ns = 7;
    pawl_tally_edit_saved(&tally)->update_count = 500;
    pawl_tally_commit(&tally);
    pawl_tally_edit_saved(&tally)->begun_ns = 8;
    succeed();
    ck_assert_uint_eq(pawl_tally_saved(&next)->begun_ns, 7);
    ck_assert_uint_eq(pawl_tally_saved(&next)->update_count, 500);
}
END_TEST

START_TEST(what_was_under_way_counts_for_nothing)
{
    make();
    uint32_t lane = pawl_tally_add_lane(&tally, 7, 3);
    pawl_tally_edit_lane(&tally, lane)->return_sum = 1.0;
    pawl_tally_commit(&tally);
    pawl_tally_edit_lane(&tally, lane)->return_sum = 2.0;
    pawl_tally_edit_totals(&tally)->step_count = 9;
    pawl_tally_add_ring(&tally, 8);
    succeed();
    ck_assert_double_eq(pawl_tally_lane(&next, lane)->return_sum, 1.0);
    ck_assert_uint_eq(pawl_tally_totals(&next)->step_count, 0);
    ck_assert_uint_eq(pawl_tally_find_ring(&next, 8), PAWL_TALLY_NO_ENTRY);
}
END_TEST

START_TEST(what_was_under_way_does_not_come_true_with_the_next_batch)
{
    make();
    uint32_t lane = pawl_tally_add_lane(&tally, 7, 3);
    pawl_tally_commit(&tally);
    pawl_tally_edit_lane(&tally, lane)->return_sum = 2.0;
    pawl_tally_add_ring(&tally, 8);
    succeed();
    pawl_tally_edit_totals(&next)->step_count = 1; /* of the same number as the dead batch */
    pawl_tally_commit(&next);
    ck_assert_double_eq(pawl_tally_lane(&next, lane)->return_sum, 0.0);
    pawl_tally_close(&next);
    succeed();
    ck_assert_double_eq(pawl_tally_lane(&next, lane)->return_sum, 0.0);
    ck_assert_uint_eq(pawl_tally_find_ring(&next, 8), PAWL_TALLY_NO_ENTRY);
    ck_assert_uint_eq(pawl_tally_totals(&next)->step_count, 1);
}
END_TEST

START_TEST(an_entry_may_be_edited_often_in_a_batch)
{
    make();
    uint32_t lane = pawl_tally_add_lane(&tally, 7, 3);
    for (int batch = 1; batch <= 5; batch++) {
        for (int i = 0; i < 3; i++)
            pawl_tally_edit_lane(&tally, lane)->return_sum += 1.0;
        pawl_tally_commit(&tally);
        succeed();
        ck_assert_double_eq(pawl_tally_lane(&next, lane)->return_sum, 3.0 * batch);
        pawl_tally_close(&next);
    }
}
END_TEST

START_TEST(an_entry_that_is_free_again_is_empty)
{
    make();
    uint32_t lane = pawl_tally_add_lane(&tally, 7, 3);
    pawl_tally_edit_lane(&tally, lane)->return_sum = 4.0;
    pawl_tally_edit_lane(&tally, lane)->ring_id = 0;
    pawl_tally_commit(&tally);
    ck_assert_uint_eq(pawl_tally_add_lane(&tally, 9, 1), lane);
    ck_assert_double_eq(pawl_tally_lane(&tally, lane)->return_sum, 0.0);
    ck_assert_uint_eq(pawl_tally_lane(&tally, lane)->lane, 1);
}
END_TEST

START_TEST(too_many_rings_and_lanes_are_said_to_be)
{
    make();
    for (uint32_t i = 0; i < PAWL_TALLY_RINGS_MAX; i++)
        ck_assert_uint_eq(pawl_tally_add_ring(&tally, i + 1), i);
    ck_assert_uint_eq(pawl_tally_add_ring(&tally, 5000), PAWL_TALLY_NO_ENTRY);
    pawl_tally_edit_ring(&tally, 77)->is_ended = 1; /* which nobody needs any more */
    ck_assert_uint_eq(pawl_tally_add_ring(&tally, 5000), 77);
    for (uint32_t i = 0; i < PAWL_TALLY_LANES_MAX; i++)
        ck_assert_uint_eq(pawl_tally_add_lane(&tally, 1, i), i);
    ck_assert_uint_eq(pawl_tally_add_lane(&tally, 1, 9999), PAWL_TALLY_NO_ENTRY);
}
END_TEST

START_TEST(generations_are_used_once)
{
    make();
    pawl_tally_reserve_version(&tally, 1);
    pawl_tally_reserve_version(&tally, 2);
    pawl_tally_reserve_version(&tally, 1);
    succeed();
    ck_assert_uint_eq(pawl_tally_version_next(&next), 3);
}
END_TEST

START_TEST(a_store_of_another_kind_is_refused)
{
    struct pawl_segment other;
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.label = "test";
    cfg.body_bytes = sizeof(struct pawl_tally_shared);
    cfg.is_shared_writable = true;
    ck_assert_int_eq(pawl_segment_create(&other, &cfg, &err), 0);
    ck_assert_int_eq(pawl_tally_attach(&next, other.fd, 0, &err), -EPROTO);
    ck_assert_str_eq(err.text, "attach the learner's tally: layout 0, this program has 4");
}
END_TEST

START_TEST(what_a_successor_has_under_way_counts_for_nothing_either)
{
    make();
    uint32_t lane = pawl_tally_add_lane(&tally, 7, 3);
    pawl_tally_edit_lane(&tally, lane)->return_sum = 1.0;
    pawl_tally_edit_totals(&tally)->step_count = 4;
    pawl_tally_commit(&tally);
    succeed();
    pawl_tally_edit_lane(&next, lane)->return_sum = 2.0;
    pawl_tally_edit_totals(&next)->step_count = 9;
    pawl_tally_close(&next);
    succeed();
    ck_assert_double_eq(pawl_tally_lane(&next, lane)->return_sum, 1.0);
    ck_assert_uint_eq(pawl_tally_totals(&next)->step_count, 4);
}
END_TEST

START_TEST(a_ring_in_the_place_of_one_that_has_ended_begins_anew)
{
    make();
    for (uint32_t i = 0; i < PAWL_TALLY_RINGS_MAX; i++)
        pawl_tally_add_ring(&tally, i + 1);
    pawl_tally_edit_ring(&tally, 77)->next = 5;
    pawl_tally_edit_ring(&tally, 77)->is_ended = 1;
    pawl_tally_commit(&tally);
    uint32_t ring = pawl_tally_add_ring(&tally, 5000);
    ck_assert_uint_eq(pawl_tally_ring(&tally, ring)->next, 0);
    ck_assert_uint_eq(pawl_tally_ring(&tally, ring)->is_ended, 0);
}
END_TEST

START_TEST(what_a_checkpoint_says_is_there_for_the_next)
{
    make();
    pawl_tally_edit_totals(&tally)->step_count = 1;
    pawl_tally_commit(&tally);
    const struct pawl_tally_totals saved = {.batch = 1000, .step_count = 50}; /* of its time */
    pawl_tally_restore(&tally, &saved, 8);
    succeed();
    ck_assert_uint_eq(pawl_tally_totals(&next)->step_count, 50);
    ck_assert_uint_eq(pawl_tally_version_next(&next), 8);
    pawl_tally_edit_totals(&next)->step_count = 51; /* under way */
    pawl_tally_close(&next);
    succeed();
    ck_assert_uint_eq(pawl_tally_totals(&next)->step_count, 50);
}
END_TEST

PAWL_TEST_MAIN("tally", a_new_tally_has_nothing, what_was_committed_is_there_for_the_next,
               when_the_last_checkpoint_was_begun_is_there_for_the_next,
               what_was_under_way_counts_for_nothing,
               what_was_under_way_does_not_come_true_with_the_next_batch,
               an_entry_may_be_edited_often_in_a_batch, an_entry_that_is_free_again_is_empty,
               too_many_rings_and_lanes_are_said_to_be, generations_are_used_once,
               a_store_of_another_kind_is_refused,
               what_a_successor_has_under_way_counts_for_nothing_either,
               a_ring_in_the_place_of_one_that_has_ended_begins_anew,
               what_a_checkpoint_says_is_there_for_the_next)
