#include "runtime/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "support/test.h"

/* A file of so many bytes, read from its beginning. */
static int file_of(size_t byte_count)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    for (size_t i = 0; i < byte_count; i++)
        ck_assert_int_eq(write(fd, &(char){(char)('a' + i % 26)}, 1), 1);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

START_TEST(a_file_is_read_to_its_end_or_one_byte_beyond_the_limit)
{
    static const size_t limits[] = {0, 1, 9, 10, 11, 20, 1 << 20};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int fd = file_of(10);
        char *bytes = NULL;
        size_t count = 0, expected = limits[i] < 10 ? limits[i] + 1 : 10;
        ck_assert_int_eq(pawl_file_read(fd, limits[i], &bytes, &count), 0);
        ck_assert_uint_eq(count, expected);
        ck_assert_mem_eq(bytes, "abcdefghij", expected);
        free(bytes);
        close(fd);
    }
}
END_TEST

START_TEST(a_file_larger_than_a_piece_is_whole)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    size_t size = 1000001, count = 0;
    char *text = malloc(size), *bytes = NULL;
    for (size_t i = 0; i < size; i++)
        text[i] = (char)(i * 31 + i / 997);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    for (size_t limit = size - 1; limit <= size + 1; limit++) {
        lseek(fd, 0, SEEK_SET);
        ck_assert_int_eq(pawl_file_read(fd, limit, &bytes, &count), 0);
        ck_assert_uint_eq(count, size);
        ck_assert_int_eq(memcmp(bytes, text, size), 0);
        free(bytes);
    }
    free(text);
    close(fd);
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error)
{
    char *bytes = NULL;
    size_t count = 0;
    ck_assert_int_eq(pawl_file_read(-1, 10, &bytes, &count), -EBADF);
    ck_assert_ptr_null(bytes);
}
END_TEST

#ifdef PAWL_FAULTS
START_TEST(an_interrupted_read_goes_on)
{
    int fd = file_of(10);
    char *bytes = NULL;
    size_t count = 0;
    ck_assert_int_eq(pawl_fault_arm("file.read:error=EINTR@1", NULL), 0);
    ck_assert_int_eq(pawl_file_read(fd, 10, &bytes, &count), 0);
    ck_assert_uint_eq(count, 10);
    free(bytes);
    ck_assert_int_eq(pawl_fault_arm("file.read:error=EIO@1", NULL), 0);
    ck_assert_int_eq(pawl_file_read(fd, 10, &bytes, &count), -EIO);
    close(fd);
}
END_TEST
#define FAULT_TESTS , an_interrupted_read_goes_on
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN("file", a_file_is_read_to_its_end_or_one_byte_beyond_the_limit,
               a_file_larger_than_a_piece_is_whole, what_cannot_be_read_is_an_error FAULT_TESTS)
