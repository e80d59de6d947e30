/* What estate.h promises. */
#include "learner/estate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

static struct pawl_estate estate;
static struct pawl_err err;

static int make(char content)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    ck_assert_int_eq(write(fd, &content, 1), 1);
    return fd;
}

static char content_of(const struct pawl_heirloom *heirloom)
{
    char content = 0;
    ck_assert_int_eq(pread(heirloom->fd, &content, 1, 0), 1);
    return content;
}

START_TEST(what_was_left_is_found_by_its_label)
{
    int a = make('a'), b = make('b');
    ck_assert_int_eq(pawl_estate_add(&estate, "replay", a, 10, &err), 0);
    ck_assert_int_eq(pawl_estate_add(&estate, "warm", b, 20, &err), 0);
    close(a);
    close(b);
    ck_assert_int_eq(content_of(pawl_estate_find(&estate, "replay")), 'a');
    ck_assert_uint_eq(pawl_estate_find(&estate, "warm")->total_bytes, 20);
    ck_assert_ptr_null(pawl_estate_find(&estate, "other"));
    pawl_estate_close(&estate);
}
END_TEST

START_TEST(of_two_with_one_label_the_later_counts)
{
    int a = make('a'), b = make('b');
    ck_assert_int_eq(pawl_estate_add(&estate, "replay", a, 10, &err), 0);
    ck_assert_int_eq(pawl_estate_add(&estate, "replay", b, 10, &err), 0);
    ck_assert_int_eq(content_of(pawl_estate_find(&estate, "replay")), 'b');
}
END_TEST

START_TEST(more_than_there_is_room_for_are_refused)
{
    int fd = make('a');
    for (uint32_t i = 0; i < PAWL_ESTATE_COUNT_MAX; i++)
        ck_assert_int_eq(pawl_estate_add(&estate, "replay", fd, 10, &err), 0);
    ck_assert_int_eq(pawl_estate_add(&estate, "replay", fd, 10, &err), -ENOSPC);
}
END_TEST

START_TEST(close_gives_every_descriptor_back)
{
    int fd = make('a');
    pawl_estate_add(&estate, "replay", fd, 10, &err);
    int copy = pawl_estate_find(&estate, "replay")->fd;
    pawl_estate_close(&estate);
    ck_assert_int_eq(fcntl(copy, F_GETFD), -1);
    ck_assert_ptr_null(pawl_estate_find(&estate, "replay"));
}
END_TEST

PAWL_TEST_MAIN("estate", what_was_left_is_found_by_its_label,
               of_two_with_one_label_the_later_counts, more_than_there_is_room_for_are_refused,
               close_gives_every_descriptor_back)
