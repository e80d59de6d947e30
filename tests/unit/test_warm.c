/* What warm.h promises. */
#include "learner/warm.h"

#include <errno.h>
#include <string.h>

#include "support/test.h"

#define BLOCK_BYTES 1000

static struct pawl_warm warm, next;
static struct pawl_err err;
static struct pawl_warm_mark mark;
static unsigned char block[BLOCK_BYTES], got[BLOCK_BYTES];

static void make(void)
{
    ck_assert_msg(pawl_warm_create(&warm, BLOCK_BYTES, &err) == 0, "%s", err.text);
}

static void put(enum pawl_warm_kind kind, int value)
{
    memset(block, value, sizeof(block));
    mark = (struct pawl_warm_mark){.update_count = (uint64_t)value};
    pawl_warm_put(&warm, kind, block, &mark);
}

static bool is_not(void *arg, const void *at)
{
    return *(const unsigned char *)at != *(const unsigned char *)arg;
}

static unsigned char unsound; /* a block of it is of no use */

/* What a learner after this one finds; 0: nothing. */
static uint64_t find(enum pawl_warm_kind kind)
{
    ck_assert_msg(pawl_warm_attach(&next, warm.segment.fd, 0, BLOCK_BYTES, &err) == 0, "%s",
                  err.text);
    mark = (struct pawl_warm_mark){0};
    bool is_there = pawl_warm_get(&next, kind, is_not, &unsound, got, &mark);
    pawl_warm_close(&next);
    for (size_t i = 0; is_there && i < BLOCK_BYTES; i++)
        ck_assert_uint_eq(got[i], mark.update_count);
    return mark.update_count;
}

START_TEST(a_new_one_has_nothing)
{
    make();
    ck_assert_uint_eq(find(PAWL_WARM_LATEST), 0);
    ck_assert_uint_eq(find(PAWL_WARM_GOOD), 0);
}
END_TEST

START_TEST(the_next_learner_finds_what_was_put_last)
{
    make();
    for (int i = 1; i <= 5; i++) {
        put(PAWL_WARM_LATEST, i);
        ck_assert_uint_eq(find(PAWL_WARM_LATEST), (uint64_t)i);
    }
}
END_TEST

START_TEST(the_kinds_do_not_touch_each_other)
{
    make();
    put(PAWL_WARM_GOOD, 1);
    put(PAWL_WARM_LATEST, 2);
    put(PAWL_WARM_LATEST, 3);
    ck_assert_uint_eq(find(PAWL_WARM_GOOD), 1);
    ck_assert_uint_eq(find(PAWL_WARM_LATEST), 3);
}
END_TEST

START_TEST(a_slot_that_was_being_written_does_not_count)
{
    make();
    put(PAWL_WARM_LATEST, 1);
    put(PAWL_WARM_LATEST, 2);
    /* As a learner that dies in the third put leaves the older slot. */
    ((struct pawl_warm_slot *)(void *)warm.segment.body)->generation = 0;
    ck_assert_uint_eq(find(PAWL_WARM_LATEST), 2);
}
END_TEST

START_TEST(a_slot_with_a_wrong_checksum_does_not_count)
{
    make();
    put(PAWL_WARM_LATEST, 1);
    put(PAWL_WARM_LATEST, 2);
    warm.segment.body[warm.slot_bytes + sizeof(struct pawl_warm_slot) + 17] ^= 1;
    ck_assert_uint_eq(find(PAWL_WARM_LATEST), 1);
}
END_TEST

START_TEST(a_block_of_no_use_is_passed_over_and_not_copied)
{
    make();
    put(PAWL_WARM_LATEST, 1);
    put(PAWL_WARM_LATEST, 2);
    unsound = 2;
    ck_assert_uint_eq(find(PAWL_WARM_LATEST), 1);
    put(PAWL_WARM_GOOD, 2);
    memset(got, 7, sizeof(got));
    ck_assert_uint_eq(find(PAWL_WARM_GOOD), 0);
    ck_assert_uint_eq(got[0], 7);
}
END_TEST

START_TEST(a_block_of_another_size_is_refused)
{
    make();
    ck_assert_int_eq(pawl_warm_attach(&next, warm.segment.fd, 0, BLOCK_BYTES + 4, &err),
                     -EPROTO);
    ck_assert_str_eq(err.text,
                     "attach the warm state: it holds 1000 bytes, the trainer has 1004");
}
END_TEST

START_TEST(a_slot_with_a_wrong_mark_does_not_count)
{
    make();
    put(PAWL_WARM_LATEST, 1);
    put(PAWL_WARM_LATEST, 2);
    ((struct pawl_warm_slot *)(void *)(warm.segment.body + warm.slot_bytes))
        ->mark.draw_offset ^= 1;
    ck_assert_uint_eq(find(PAWL_WARM_LATEST), 1);
}
END_TEST

PAWL_TEST_MAIN("warm", a_new_one_has_nothing, the_next_learner_finds_what_was_put_last,
               the_kinds_do_not_touch_each_other, a_slot_that_was_being_written_does_not_count,
               a_slot_with_a_wrong_checksum_does_not_count,
               a_block_of_no_use_is_passed_over_and_not_copied,
               a_block_of_another_size_is_refused, a_slot_with_a_wrong_mark_does_not_count)
