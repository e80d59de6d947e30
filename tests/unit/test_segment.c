#include "shm/segment.h"

#include "runtime/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temp.h"
#include "support/test.h"

#define BODY_BYTES 10000

static const char spec_text[] =
    "obs.state float32 [4]\naction float32 [1]\nreward float32 []\n";

static struct pawl_segment_cfg example_cfg(void)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_RING;
    cfg.label = "test";
    cfg.body_bytes = BODY_BYTES;
    cfg.spec = spec_text;
    cfg.spec_bytes = strlen(spec_text);
    cfg.geometry[0] = 42;
    return cfg;
}

static struct pawl_segment_want any_ring(void)
{
    return (struct pawl_segment_want){.kind = PAWL_SEGMENT_RING};
}

static struct pawl_segment create_example(void)
{
    struct pawl_segment segment;
    struct pawl_err err = {0};
    struct pawl_segment_cfg cfg = example_cfg();
    ck_assert_msg(pawl_segment_create(&segment, &cfg, &err) == 0, "%s", err.text);
    return segment;
}

static void attach_fails_with(int fd, const struct pawl_segment_want *want, int code,
                              const char *part)
{
    struct pawl_segment reader;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_segment_attach(&reader, fd, want, &err), -code);
    ck_assert_msg(strstr(err.text, part) != NULL, "\"%s\" is not in: %s", part, err.text);
    ck_assert_ptr_null(reader.base);
}

START_TEST(what_the_writer_stores_the_reader_sees)
{
    struct pawl_segment writer = create_example(), reader;
    struct pawl_segment_want want = any_ring();
    struct pawl_err err = {0};
    want.spec = spec_text;
    want.spec_bytes = strlen(spec_text);
    want.total_bytes = writer.total_bytes;
    want.writer_epoch = writer.header.writer_epoch;
    ck_assert_msg(pawl_segment_attach(&reader, writer.fd, &want, &err) == 0, "%s", err.text);
    ck_assert_uint_ge(reader.body_bytes, BODY_BYTES);
    ck_assert_uint_eq((uintptr_t)reader.body % PAWL_SEGMENT_PAGE_BYTES, 0);
    for (size_t i = 0; i < reader.body_bytes; i++)
        ck_assert_uint_eq(reader.body[i], 0);
    memset(writer.body, 7, writer.body_bytes);
    ck_assert_int_eq(memcmp(reader.body, writer.body, writer.body_bytes), 0);
    ck_assert_uint_eq(reader.header.geometry[0], 42);
    ck_assert_uint_eq(reader.header.pid, (uint32_t)getpid());
    ck_assert_str_eq(reader.header.label, "test");
    ck_assert_int_eq(strncmp(pawl_segment_spec(&reader), spec_text, reader.header.spec_bytes),
                     0);
    pawl_segment_close(&reader);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(a_reader_keeps_the_memory_after_the_writer_closed_it)
{
    struct pawl_segment writer = create_example(), reader;
    struct pawl_segment_want want = any_ring();
    ck_assert_int_eq(pawl_segment_attach(&reader, writer.fd, &want, NULL), 0);
    writer.body[5] = 9;
    pawl_segment_close(&writer);
    ck_assert_uint_eq(reader.body[5], 9);
    pawl_segment_close(&reader);
}
END_TEST

START_TEST(closing_a_zeroed_segment_does_nothing)
{
    struct pawl_segment segment = {0};
    pawl_segment_close(&segment);
    ck_assert_int_ge(fcntl(0, F_GETFD), -1);
    ck_assert_int_ge(fcntl(1, F_GETFD), 0);
    pawl_segment_close(&segment);
}
END_TEST

START_TEST(every_way_to_write_for_a_reader_is_refused)
{
    struct pawl_segment writer = create_example(), reader;
    struct pawl_segment_want want = any_ring();
    size_t bytes = writer.total_bytes;
    int fd = writer.fd;
    char path[64];

    ck_assert_ptr_eq(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    ck_assert_ptr_eq(mmap(NULL, bytes, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);

    ck_assert_int_eq(pawl_segment_attach(&reader, fd, &want, NULL), 0);
    ck_assert_int_eq(mprotect(reader.base, bytes, PROT_READ | PROT_WRITE), -1);
    ck_assert_int_eq(errno, EACCES);
    ck_assert_int_eq(madvise(reader.base, bytes, MADV_REMOVE), -1);

    ck_assert_int_eq(pwrite(fd, "x", 1, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes * 2), -1);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fallocate(fd, 0, 0, (off_t)bytes * 2), -1);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_eq(errno, EPERM);

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR | O_CLOEXEC);
    if (again >= 0) {
        ck_assert_int_eq(pwrite(again, "x", 1, 0), -1);
        ck_assert_ptr_eq(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0),
                         MAP_FAILED);
        close(again);
    }
    again = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    ck_assert_int_eq(again, -1);

    int self = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (self >= 0) {
        ck_assert_int_lt(pwrite(self, "x", 1, (off_t)(uintptr_t)reader.body), 1);
        close(self);
    }
    char byte = 'x';
    struct iovec from = {&byte, 1}, to = {reader.body, 1};
    ck_assert_int_eq(process_vm_writev(getpid(), &from, 1, &to, 1, 0), -1);

    ck_assert_uint_eq(reader.body[0], 0);
    ck_assert_int_eq(memcmp(reader.base, &writer.header, sizeof(writer.header)), 0);
    pawl_segment_close(&reader);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(a_store_through_the_readers_map_is_a_fault_of_the_storing_process_alone)
{
    struct pawl_segment writer = create_example(), reader;
    struct pawl_segment_want want = any_ring();
    ck_assert_int_eq(pawl_segment_attach(&reader, writer.fd, &want, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile unsigned char *)reader.body = 1;
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) != 0, "the store went through");
    ck_assert_uint_eq(writer.body[0], 0);
    pawl_segment_close(&reader);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(the_writer_itself_cannot_take_memory_away)
{
    struct pawl_segment writer = create_example();
    ck_assert_int_eq(madvise(writer.base, writer.total_bytes, MADV_REMOVE), -1);
    ck_assert_int_eq(ftruncate(writer.fd, 0), -1);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(a_file_without_seals_is_refused_by_the_name_of_the_seal)
{
    struct pawl_segment writer = create_example();
    struct pawl_segment_want want = any_ring();
    int fd = memfd_create("bare", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(pwrite(fd, writer.base, writer.total_bytes, 0),
                     (ssize_t)writer.total_bytes);
    attach_fails_with(fd, &want, EPERM, "seal SEAL is missing");
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_FUTURE_WRITE), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
    attach_fails_with(fd, &want, EPERM, "seal SHRINK is missing");
    close(fd);

    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    attach_fails_with(pipe_fds[0], &want, EPERM, "no seals");
    attach_fails_with(-1, &want, EPERM, "no seals");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(a_difference_is_named_with_both_sides)
{
    struct pawl_segment writer = create_example();
    struct pawl_segment_want want = any_ring();
    uint8_t other[32] = {0xde, 0xad, 0xbe, 0xef};

    want.kind = PAWL_SEGMENT_BOARD;
    attach_fails_with(writer.fd, &want, EPROTO, "kind 1 (ring), wanted 3 (board)");
    want = any_ring();
    want.total_bytes = 4096;
    attach_fails_with(writer.fd, &want, EPROTO,
                      "4096 bytes were announced, the file has 20480");
    want = any_ring();
    want.writer_epoch = other;
    attach_fails_with(writer.fd, &want, EPROTO, "announced deadbeef");
    want = any_ring();
    want.spec_hash = other;
    attach_fails_with(writer.fd, &want, EPROTO, "this program has deadbeef");
    want = any_ring();
    want.is_shared_writable = true;
    attach_fails_with(writer.fd, &want, EPROTO, "not a shared-writable segment");
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(another_spec_is_refused_with_the_line_that_differs)
{
    static const char wide[] = "obs.state float32 [4]\naction float32 [2]\nreward float32 []\n";
    static const char longer[] =
        "obs.state float32 [4]\naction float32 [1]\nreward float32 []\nextra.x float32 []\n";
    struct pawl_segment writer = create_example();
    struct pawl_segment_want want = any_ring();

    want.spec = wide;
    want.spec_bytes = strlen(wide);
    attach_fails_with(
        writer.fd, &want, EPROTO,
        "line 2 is \"action float32 [1]\", this program has \"action float32 [2]\"");
    want.spec = longer;
    want.spec_bytes = strlen(longer);
    attach_fails_with(writer.fd, &want, EPROTO,
                      "line 4 is \"\", this program has \"extra.x float32 []\"");
    want.spec = "";
    want.spec_bytes = 0;
    attach_fails_with(writer.fd, &want, EPROTO, "line 1 is \"obs.state float32 [4]\"");
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(every_flipped_bit_of_a_header_is_refused)
{
    struct pawl_segment writer = create_example();
    struct pawl_segment_want want = any_ring();
    for (size_t bit = 0; bit < 8 * sizeof(writer.header); bit++) {
        struct pawl_segment_header header = writer.header;
        struct pawl_err err = {0};
        ((unsigned char *)&header)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        ck_assert_msg(pawl_segment_check(&header, writer.total_bytes, &want, &err) == -EPROTO,
                      "bit %zu", bit);
        ck_assert_uint_gt(strlen(err.text), 10);
    }
    ck_assert_int_eq(pawl_segment_check(&writer.header, writer.total_bytes, &want, NULL), 0);
    ck_assert_int_eq(pawl_segment_check(&writer.header, writer.total_bytes - 4096, &want, NULL),
                     -EPROTO);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(a_flipped_bit_with_a_matching_checksum_never_reaches_outside)
{
    struct pawl_segment writer = create_example();
    struct pawl_segment_want want = {0};
    for (size_t bit = 0; bit < 8 * offsetof(struct pawl_segment_header, reserved); bit++) {
        struct pawl_segment_header header = writer.header;
        ((unsigned char *)&header)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        header.crc32c = pawl_segment_header_crc32c(&header);
        if (pawl_segment_check(&header, writer.total_bytes, &want, NULL) != 0)
            continue;
        ck_assert_uint_le(header.spec_offset + header.spec_bytes, writer.total_bytes);
        ck_assert_uint_le(header.body_offset + header.body_bytes, writer.total_bytes);
        ck_assert_uint_eq(header.total_bytes, writer.total_bytes);
        ck_assert_uint_le(strnlen(header.label, sizeof(header.label)),
                          PAWL_SEGMENT_LABEL_BYTES - 1);
    }
    pawl_segment_close(&writer);
}
END_TEST

/* What a test asks for in vain must never be had, should the refusal ever be broken: it would
 * be the whole machine's memory. */
static void limit_file_bytes(uint64_t bytes)
{
    const struct rlimit limit = {bytes, bytes};
    ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(too_little_memory_names_the_bytes_needed_and_free)
{
    struct pawl_segment segment;
    struct pawl_segment_cfg cfg = example_cfg();
    struct pawl_err err = {0};
    limit_file_bytes(1 << 20);
    cfg.body_bytes = 1ull << 45;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), -ENOSPC);
    ck_assert_msg(strstr(err.text, "35184372097024 bytes of shared memory needed") != NULL,
                  "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, " free: "));
    ck_assert_ptr_null(segment.base);
}
END_TEST

START_TEST(a_file_size_limit_is_an_error_and_not_a_signal)
{
    struct pawl_segment segment;
    struct pawl_segment_cfg cfg = example_cfg();
    struct pawl_err err = {0};
    limit_file_bytes(1 << 20);
    signal(SIGXFSZ, SIG_DFL);
    cfg.body_bytes = 2 << 20;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), -EFBIG);
    ck_assert_msg(strstr(err.text, "above the file size limit of 1048576 (ulimit -f)") != NULL,
                  "%s", err.text);
}
END_TEST

START_TEST(a_shared_store_is_written_by_its_next_owner)
{
    struct pawl_segment first, second;
    struct pawl_segment_cfg cfg = example_cfg();
    struct pawl_segment_want want = {.kind = PAWL_SEGMENT_STORE, .is_shared_writable = true};
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.is_shared_writable = true;
    ck_assert_int_eq(pawl_segment_create(&first, &cfg, NULL), 0);
    ck_assert_int_eq(pawl_segment_attach(&second, first.fd, &want, NULL), 0);
    second.body[3] = 4;
    ck_assert_uint_eq(first.body[3], 4);
    ck_assert_int_eq(ftruncate(first.fd, 0), -1);

    want.is_shared_writable = false;
    attach_fails_with(first.fd, &want, EPERM, "seal FUTURE_WRITE is missing");
    pawl_segment_close(&second);
    pawl_segment_close(&first);
}
END_TEST

START_TEST(huge_pages_are_had_or_the_reason_is_kept)
{
    struct pawl_segment writer, reader;
    struct pawl_segment_cfg cfg = example_cfg();
    struct pawl_segment_want want = any_ring();
    cfg.wants_huge_pages = true;
    ck_assert_int_eq(pawl_segment_create(&writer, &cfg, NULL), 0);
    if (writer.page_bytes == PAWL_SEGMENT_PAGE_BYTES)
        ck_assert_ptr_nonnull(strstr(writer.page_note, "huge pages of 2 MiB needed"));
    else
        ck_assert_str_eq(writer.page_note, "");
    ck_assert_int_eq(pawl_segment_attach(&reader, writer.fd, &want, NULL), 0);
    writer.body[BODY_BYTES - 1] = 1;
    ck_assert_uint_eq(reader.body[BODY_BYTES - 1], 1);
    pawl_segment_close(&reader);
    pawl_segment_close(&writer);
}
END_TEST

START_TEST(a_configuration_that_cannot_be_is_refused_with_its_rule)
{
    struct pawl_segment segment;
    struct pawl_err err = {0};
    struct pawl_segment_cfg cfg = example_cfg();
    cfg.kind = 0;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "kind 0: must be 1 to 5"));
    cfg = example_cfg();
    cfg.body_bytes = 0;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, NULL), -EINVAL);
    cfg = example_cfg();
    cfg.label = "a label of more than thirty-one bytes";
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, NULL), -EINVAL);
    cfg = example_cfg();
    cfg.spec_bytes = PAWL_SEGMENT_SPEC_BYTES_MAX + 1;
    ck_assert_int_eq(pawl_segment_create(&segment, &cfg, NULL), -EINVAL);
}
END_TEST

START_TEST(every_step_that_fails_leaves_nothing_behind)
{
#ifdef PAWL_FAULTS
    static const struct {
        const char *fault, *text;
        int code;
    } steps[] = {
        {"segment.create:error=EMFILE", "ulimit -n", EMFILE},
        {"segment.create:error=ENOMEM", "create shared memory", ENOMEM},
        {"segment.allocate:error=ENOSPC", "bytes of shared memory needed", ENOSPC},
        {"segment.allocate:error=EIO", "allocate", EIO},
        {"segment.map:error=ENOMEM", "map", ENOMEM},
        {"segment.seal:error=EINVAL", "Linux 5.1", EINVAL},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct pawl_segment segment;
        struct pawl_segment_cfg cfg = example_cfg();
        struct pawl_err err = {0};
        int before = temp_fd_count();
        ck_assert_int_eq(pawl_fault_arm(steps[i].fault, &err), 0);
        ck_assert_int_eq(pawl_segment_create(&segment, &cfg, &err), -steps[i].code);
        ck_assert_msg(strstr(err.text, steps[i].text) != NULL, "%s", err.text);
        ck_assert_ptr_null(segment.base);
        pawl_fault_disarm();
        ck_assert_int_eq(temp_fd_count(), before);
    }
#endif
    int before = temp_fd_count();
    struct pawl_segment segment = create_example();
    pawl_segment_close(&segment);
    ck_assert_int_eq(temp_fd_count(), before);
}
END_TEST

PAWL_TEST_MAIN("segment", what_the_writer_stores_the_reader_sees,
               a_reader_keeps_the_memory_after_the_writer_closed_it,
               closing_a_zeroed_segment_does_nothing,
               every_way_to_write_for_a_reader_is_refused,
               a_store_through_the_readers_map_is_a_fault_of_the_storing_process_alone,
               the_writer_itself_cannot_take_memory_away,
               a_file_without_seals_is_refused_by_the_name_of_the_seal,
               a_difference_is_named_with_both_sides,
               another_spec_is_refused_with_the_line_that_differs,
               every_flipped_bit_of_a_header_is_refused,
               a_flipped_bit_with_a_matching_checksum_never_reaches_outside,
               too_little_memory_names_the_bytes_needed_and_free,
               a_file_size_limit_is_an_error_and_not_a_signal,
               a_shared_store_is_written_by_its_next_owner,
               huge_pages_are_had_or_the_reason_is_kept,
               a_configuration_that_cannot_be_is_refused_with_its_rule,
               every_step_that_fails_leaves_nothing_behind)
