#include "runtime/io.h"

#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "runtime/io_faulty.h"
#include "runtime/io_mem.h"
#include "runtime/io_queue.h"
#include "support/scratch.h"
#include "support/test.h"

static struct pawl_io_mem mem;

static uint64_t soon_ns(void)
{
    return pawl_clock_now_ns() + 30 * PAWL_NS_PER_S;
}

/* The table, on the system's files and on those in memory. */
static void use_the_table(struct pawl_io *io, const char *folder_path)
{
    int folder = pawl_io_open(io, PAWL_IO_CWD, folder_path, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(folder, 0);
    ck_assert_int_eq(pawl_io_open(io, folder, "x", O_RDWR, 0), -ENOENT);
    int fd = pawl_io_open(io, folder, "x", O_RDWR | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pawl_io_open(io, folder, "x", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);

    ck_assert_int_eq(pawl_io_allocate(io, fd, 8), 0);
    uint64_t size_bytes = 0;
    ck_assert_int_eq(pawl_io_size(io, fd, &size_bytes), 0);
    ck_assert_uint_eq(size_bytes, 8);
    ck_assert_int_eq(pawl_io_write_all(io, fd, "abcdef", 6, 4), 0);
    ck_assert_int_eq(pawl_io_truncate(io, fd, 7), 0);
    char bytes[16];
    ck_assert_int_eq(pawl_io_read_up_to(io, fd, bytes, sizeof(bytes), 0), 7);
    ck_assert_int_eq(memcmp(bytes, "\0\0\0\0abc", 7), 0);
    ck_assert_int_eq(pawl_io_read_up_to(io, fd, bytes, sizeof(bytes), 100), 0);
    ck_assert_int_eq(pawl_io_sync(io, fd), 0);

    ck_assert_int_eq(pawl_io_rename(io, folder, "x", "y"), 0);
    ck_assert_int_eq(pawl_io_rename(io, folder, "x", "y"), -ENOENT);
    ck_assert_int_eq(pawl_io_sync_folder(io, folder), 0);
    ck_assert_int_eq(pawl_io_unlink(io, folder, "x"), -ENOENT);
    ck_assert_int_eq(pawl_io_unlink(io, folder, "y"), 0);
    ck_assert_int_eq(pawl_io_close(io, fd), 0);
    ck_assert_int_eq(pawl_io_close(io, folder), 0);
}

static int note_name(void *arg, const char *name)
{
    strcat(arg, name);
    return 0;
}

/* Folders and links, likewise. */
static void use_folders(struct pawl_io *io, const char *folder_path)
{
    int folder = pawl_io_open(io, PAWL_IO_CWD, folder_path, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(folder, 0);
    ck_assert_int_eq(pawl_io_open(io, folder, "a", O_RDONLY | O_DIRECTORY, 0), -ENOENT);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "a/b", 0700), -ENOENT);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "a", 0700), 0);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "a", 0700), -EEXIST);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "a/b", 0700), 0);
    int fd = pawl_io_open(io, folder, "a/b/x", O_WRONLY | O_CREAT | O_EXCL, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pawl_io_write_all(io, fd, "text", 4, 0), 0);
    ck_assert_int_eq(pawl_io_close(io, fd), 0);

    ck_assert_int_eq(pawl_io_open(io, folder, "a/b/x/y", O_RDONLY, 0), -ENOTDIR);
    ck_assert_int_eq(pawl_io_open(io, folder, "a/b/x", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    ck_assert_int_eq(pawl_io_unlink(io, folder, "a"), -EISDIR);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "a"), -ENOTEMPTY);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "a/b/x"), -ENOTDIR);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "full", 0700), 0);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "full/x", 0700), 0);
    ck_assert_int_eq(pawl_io_rename(io, folder, "a", "full"), -ENOTEMPTY);
    ck_assert_int_eq(pawl_io_rename(io, folder, "a/b/x", "full"), -EISDIR);
    ck_assert_int_eq(pawl_io_rename(io, folder, "a", "a/b/x"),
                     io == pawl_io_sys() ? -EINVAL : -ENOTDIR);
    ck_assert_int_eq(pawl_io_rename(io, folder, "a", "c"), 0);
    ck_assert_int_eq(pawl_io_open(io, folder, "a/b/x", O_RDONLY, 0), -ENOENT);
    int moved = pawl_io_open(io, folder, "c/b", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(moved, 0);
    char names[64] = "";
    ck_assert_int_eq(pawl_io_list(io, moved, note_name, names), 0);
    ck_assert_str_eq(names, "x");
    ck_assert_int_eq(pawl_io_sync_folder(io, moved), 0);
    ck_assert_int_eq(pawl_io_close(io, moved), 0);

    char target[8];
    ck_assert_int_eq(pawl_io_readlink(io, folder, "last", target, sizeof(target)), -ENOENT);
    ck_assert_int_eq(pawl_io_symlink(io, folder, "c", "last"), 0);
    ck_assert_int_eq(pawl_io_symlink(io, folder, "d", "last"), -EEXIST);
    ck_assert_int_eq(pawl_io_symlink(io, folder, "000500", "new"), 0);
    ck_assert_int_eq(pawl_io_exchange(io, folder, "new", "none"), -ENOENT);
    ck_assert_int_eq(pawl_io_exchange(io, folder, "none", "new"), -ENOENT);
    ck_assert_int_eq(pawl_io_exchange(io, folder, "full", "c"), 0);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "c/x"), 0);
    ck_assert_int_eq(pawl_io_exchange(io, folder, "full", "c"), 0);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "full"), 0);
    ck_assert_int_eq(pawl_io_rename(io, folder, "new", "last"), 0);
    ck_assert_int_eq(pawl_io_readlink(io, folder, "last", target, sizeof(target)), 0);
    ck_assert_str_eq(target, "000500");
    ck_assert_int_eq(pawl_io_readlink(io, folder, "last", target, 4), 0);
    ck_assert_str_eq(target, "000");
    ck_assert_int_eq(pawl_io_readlink(io, folder, "c", target, sizeof(target)), -EINVAL);
    ck_assert_int_eq(pawl_io_unlink(io, folder, "last"), 0);
    ck_assert_int_eq(pawl_io_unlink(io, folder, "c/b/x"), 0);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "c/b"), 0);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "c"), 0);
    ck_assert_int_eq(pawl_io_rmdir(io, folder, "c"), -ENOENT);
    ck_assert_int_eq(pawl_io_close(io, folder), 0);
}

START_TEST(the_system_and_the_memory_do_the_same)
{
    struct scratch scratch;
    scratch_open(&scratch);
    int fd_count = temp_fd_count();
    use_the_table(pawl_io_sys(), scratch.path);
    use_folders(pawl_io_sys(), scratch.path);
    ck_assert_int_eq(temp_fd_count(), fd_count);
    pawl_io_mem_open(&mem);
    use_the_table(&mem.io, "run");
    use_folders(&mem.io, "run");
    ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0);
    pawl_io_mem_close(&mem);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_descriptor_that_is_none_is_an_error_of_every_call)
{
    struct pawl_io *tables[2] = {pawl_io_sys(), &mem.io};
    char byte = 0;
    char text[8];
    uint64_t size_bytes;
    pawl_io_mem_open(&mem);
    for (int i = 0; i < 2; i++) {
        struct pawl_io *io = tables[i];
        ck_assert_int_eq(pawl_io_open(io, 999, "x", O_RDONLY, 0), -EBADF);
        ck_assert_int_eq(pawl_io_read(io, 999, &byte, 1, 0), -EBADF);
        ck_assert_int_eq(pawl_io_write_all(io, 999, &byte, 1, 0), -EBADF);
        ck_assert_int_eq(pawl_io_read_up_to(io, 999, &byte, 1, 0), -EBADF);
        ck_assert_int_eq(pawl_io_allocate(io, 999, 1), -EBADF);
        ck_assert_int_eq(pawl_io_truncate(io, 999, 1), -EBADF);
        ck_assert_int_eq(pawl_io_size(io, 999, &size_bytes), -EBADF);
        ck_assert_int_eq(pawl_io_sync(io, 999), -EBADF);
        ck_assert_int_eq(pawl_io_sync_folder(io, 999), -EBADF);
        ck_assert_int_eq(pawl_io_rename(io, 999, "x", "y"), -EBADF);
        ck_assert_int_eq(pawl_io_unlink(io, 999, "x"), -EBADF);
        ck_assert_int_eq(pawl_io_mkdir(io, 999, "x", 0700), -EBADF);
        ck_assert_int_eq(pawl_io_rmdir(io, 999, "x"), -EBADF);
        ck_assert_int_eq(pawl_io_symlink(io, 999, "x", "y"), -EBADF);
        ck_assert_int_eq(pawl_io_readlink(io, 999, "x", text, sizeof(text)), -EBADF);
        ck_assert_int_eq(pawl_io_list(io, 999, NULL, NULL), -EBADF);
        ck_assert_int_eq(pawl_io_close(io, 999), -EBADF);
    }
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(the_folder_of_a_path_is_found)
{
    static const struct {
        const char *path;
        const char *folder_path;
        const char *name;
    } cases[] = {{"x", ".", "x"}, {"/x", "/", "x"}, {"/tmp/x", "/tmp", "x"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pawl_err err = {0};
        const char *name;
        int folder = pawl_io_open_folder_of(pawl_io_sys(), cases[i].path, &name, &err);
        ck_assert_int_ge(folder, 0);
        ck_assert_str_eq(name, cases[i].name);
        struct stat found, expected;
        ck_assert_int_eq(fstat(folder, &found), 0);
        ck_assert_int_eq(stat(cases[i].folder_path, &expected), 0);
        ck_assert_uint_eq(found.st_ino, expected.st_ino);
        pawl_io_close(pawl_io_sys(), folder);
    }

    char path[PATH_MAX + 8];
    memset(path, 'a', sizeof(path));
    memcpy(path + sizeof(path) - 3, "/x", 3);
    struct pawl_err err = {0};
    const char *name;
    ck_assert_int_eq(pawl_io_open_folder_of(pawl_io_sys(), path, &name, &err), -ENAMETOOLONG);
}
END_TEST

static int stop_at_second(void *arg, const char *name)
{
    int *count = arg;
    ck_assert_int_eq(name[0], 'f');
    return ++*count == 2 ? 7 : 0;
}

START_TEST(listing_stops_when_told)
{
    struct scratch scratch;
    scratch_open(&scratch);
    scratch_write(scratch_path(&scratch, "f1"), "", 0);
    scratch_write(scratch_path(&scratch, "f2"), "", 0);
    scratch_write(scratch_path(&scratch, "f3"), "", 0);
    struct pawl_io *io = pawl_io_sys();
    int folder = pawl_io_open(io, PAWL_IO_CWD, scratch.path, O_RDONLY | O_DIRECTORY, 0);
    int count = 0;
    ck_assert_int_eq(pawl_io_list(io, folder, stop_at_second, &count), 7);
    ck_assert_int_eq(count, 2);
    pawl_io_close(io, folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(an_interrupted_call_is_retried_but_not_for_ever)
{
    struct pawl_io_faulty faulty;
    char byte = 'x';
    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    int fd = pawl_io_open(&faulty.io, PAWL_IO_CWD, "x", O_RDWR | O_CREAT, 0600);
    pawl_io_faulty_arm(&faulty, 1, EINTR, PAWL_IO_ONCE);
    ck_assert_int_eq(pawl_io_write(&faulty.io, fd, &byte, 1, 0), 1);
    ck_assert_uint_eq(faulty.call_count, 2);
    pawl_io_faulty_arm(&faulty, 1, EINTR, PAWL_IO_FOR_EVER);
    ck_assert_int_eq(pawl_io_write(&faulty.io, fd, &byte, 1, 0), -EINTR);
    ck_assert_uint_eq(faulty.call_count, PAWL_IO_INTERRUPTS_MAX);
    pawl_io_faulty_arm(&faulty, 1, EINTR, PAWL_IO_FOR_EVER);
    ck_assert_int_eq(pawl_io_sync(&faulty.io, fd), -EINTR);
    ck_assert_uint_eq(faulty.call_count, 1); /* a sync is never repeated behind one's back */
    ck_assert_str_eq(pawl_io_call_name(PAWL_IO_CALL_COUNT), "unknown");
    pawl_io_close(&mem.io, fd);
    pawl_io_mem_close(&mem);
}
END_TEST

#ifdef PAWL_FAULTS
START_TEST(fault_points_are_around_every_call)
{
    struct pawl_err err = {0};
    pawl_io_mem_open(&mem);
    ck_assert_int_eq(pawl_fault_arm("io.before:error=EIO@2;io.rename:error=ENOSPC@1;"
                                    "io.close:error=EDQUOT@1;io.after:delay=1us@99",
                                    &err),
                     0);
    int folder = pawl_io_open(&mem.io, PAWL_IO_CWD, "run", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(folder, 0);
    ck_assert_int_eq(pawl_io_sync_folder(&mem.io, folder), -EIO);
    ck_assert_int_eq(pawl_io_rename(&mem.io, folder, "x", "y"), -ENOSPC);
    ck_assert_int_eq(pawl_io_close(&mem.io, folder), -EDQUOT);
    ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0); /* given back all the same */
    ck_assert_uint_eq(pawl_fault_passages("io.before"), 4);
    ck_assert_uint_eq(pawl_fault_passages("io.after"), 4);
    pawl_fault_disarm();
    pawl_io_mem_close(&mem);
}
END_TEST
#endif

/* Memory that forgets. */

static void put_file(struct pawl_io *io, const char *path, const char *text, bool with_sync)
{
    int fd = pawl_io_open(io, PAWL_IO_CWD, path, O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pawl_io_write_all(io, fd, text, strlen(text), 0), 0);
    if (with_sync)
        ck_assert_int_eq(pawl_io_sync(io, fd), 0);
    pawl_io_close(io, fd);
}

static void sync_run_folder(struct pawl_io *io)
{
    int folder = pawl_io_open(io, PAWL_IO_CWD, "run", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_eq(pawl_io_sync_folder(io, folder), 0);
    pawl_io_close(io, folder);
}

static int64_t file_bytes(struct pawl_io *io, const char *path)
{
    int fd = pawl_io_open(io, PAWL_IO_CWD, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    char bytes[64];
    int64_t count = pawl_io_read_up_to(io, fd, bytes, sizeof(bytes), 0);
    pawl_io_close(io, fd);
    return count;
}

START_TEST(a_cut_takes_names_and_content_that_were_not_synced)
{
    pawl_io_mem_open(&mem);
    put_file(&mem.io, "run/name_unsynced", "text", true);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    ck_assert_int_eq(file_bytes(&mem.io, "run/name_unsynced"), -ENOENT);

    put_file(&mem.io, "run/content_unsynced", "text", false);
    put_file(&mem.io, "other/x", "text", true);
    sync_run_folder(&mem.io);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    ck_assert_int_eq(file_bytes(&mem.io, "run/content_unsynced"), 0);
    ck_assert_int_eq(file_bytes(&mem.io, "other/x"), -ENOENT);

    put_file(&mem.io, "run/all", "text", false);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_ALL, 0);
    ck_assert_int_eq(file_bytes(&mem.io, "run/all"), 4);
    pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
    ck_assert_int_eq(file_bytes(&mem.io, "run/all"), 4);
    pawl_io_mem_close(&mem);
    pawl_io_mem_close(&mem);
}
END_TEST

/* A folder with a file in it; what is synced, is told by the letters: f the file, i the inner
 * folder, o the outer one. */
static void put_in_folder(struct pawl_io *io, const char *synced)
{
    int folder = pawl_io_open(io, PAWL_IO_CWD, "run", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_eq(pawl_io_mkdir(io, folder, "tmp", 0700), 0);
    put_file(io, "run/tmp/x", "text", strchr(synced, 'f') != NULL);
    int inner = pawl_io_open(io, folder, "tmp", O_RDONLY | O_DIRECTORY, 0);
    if (strchr(synced, 'i'))
        ck_assert_int_eq(pawl_io_sync_folder(io, inner), 0);
    ck_assert_int_eq(pawl_io_rename(io, folder, "tmp", "000001"), 0);
    if (strchr(synced, 'o'))
        ck_assert_int_eq(pawl_io_sync_folder(io, folder), 0);
    pawl_io_close(io, inner);
    pawl_io_close(io, folder);
}

START_TEST(a_cut_takes_a_folder_whose_name_was_not_synced_with_all_in_it)
{
    static const struct {
        const char *synced;
        int64_t count; /* of bytes in the file, or -errno */
    } cases[] = {{"fi", -ENOENT}, {"fo", -ENOENT}, {"io", 0}, {"fio", 4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pawl_io_mem_open(&mem);
        put_in_folder(&mem.io, cases[i].synced);
        ck_assert_int_eq(file_bytes(&mem.io, "run/000001/x"), 4);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SYNCED, 0);
        ck_assert_int_eq(file_bytes(&mem.io, "run/000001/x"), cases[i].count);
        pawl_io_mem_close(&mem);
    }
}
END_TEST

START_TEST(files_that_nobody_names_make_room_for_others)
{
    pawl_io_mem_open(&mem);
    for (int i = 0; i < 3 * PAWL_IO_MEM_FILES_MAX; i++) {
        put_file(&mem.io, "run/x", "text", true);
        int folder = pawl_io_open(&mem.io, PAWL_IO_CWD, "run", O_RDONLY | O_DIRECTORY, 0);
        ck_assert_int_eq(pawl_io_unlink(&mem.io, folder, "x"), 0);
        ck_assert_int_eq(pawl_io_sync_folder(&mem.io, folder), 0);
        pawl_io_close(&mem.io, folder);
    }
    pawl_io_mem_close(&mem);
}
END_TEST

START_TEST(a_rename_without_a_sync_can_lose_both_contents)
{
    /* What makes the order in durable.h necessary: the model must be able to show it. */
    bool is_lost_seen = false;
    for (uint64_t seed = 0; seed < 64; seed++) {
        pawl_io_mem_open(&mem);
        put_file(&mem.io, "x", "old", true);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_ALL, 0);
        put_file(&mem.io, "x.new", "new!", false);
        ck_assert_int_eq(pawl_io_rename(&mem.io, PAWL_IO_CWD, "x.new", "x"), 0);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SUBSET, seed);
        int64_t count = file_bytes(&mem.io, "x");
        is_lost_seen |= count >= 0 && count < 3;
        pawl_io_mem_close(&mem);
    }
    ck_assert(is_lost_seen);
}
END_TEST

START_TEST(names_are_exchanged_both_or_neither_whatever_the_cut)
{
    for (uint64_t seed = 0; seed < 64; seed++) {
        pawl_io_mem_open(&mem);
        put_file(&mem.io, "run/x", "old", true);
        put_file(&mem.io, "run/y", "newer", true);
        sync_run_folder(&mem.io);
        int folder = pawl_io_open(&mem.io, PAWL_IO_CWD, "run", O_RDONLY | O_DIRECTORY, 0);
        ck_assert_int_eq(pawl_io_exchange(&mem.io, folder, "x", "y"), 0);
        ck_assert_int_eq(file_bytes(&mem.io, "run/x"), 5);
        ck_assert_int_eq(file_bytes(&mem.io, "run/y"), 3);
        pawl_io_mem_restart(&mem, PAWL_IO_CUT_SUBSET, seed);
        ck_assert_int_eq(file_bytes(&mem.io, "run/x") + file_bytes(&mem.io, "run/y"), 8);
        pawl_io_mem_close(&mem);
    }
}
END_TEST

START_TEST(after_a_cut_no_call_succeeds_and_descriptors_can_be_closed)
{
    pawl_io_mem_open(&mem);
    int fd = pawl_io_open(&mem.io, PAWL_IO_CWD, "x", O_RDWR | O_CREAT, 0600);
    pawl_io_mem_cut_after(&mem, 1);
    char byte = 0;
    char text[8];
    uint64_t size_bytes;
    ck_assert_int_eq(pawl_io_open(&mem.io, PAWL_IO_CWD, "y", O_CREAT, 0600), -EIO);
    ck_assert_int_eq(pawl_io_read(&mem.io, fd, &byte, 1, 0), -EIO);
    ck_assert_int_eq(pawl_io_write(&mem.io, fd, &byte, 1, 0), -EIO);
    ck_assert_int_eq(pawl_io_allocate(&mem.io, fd, 1), -EIO);
    ck_assert_int_eq(pawl_io_truncate(&mem.io, fd, 1), -EIO);
    ck_assert_int_eq(pawl_io_size(&mem.io, fd, &size_bytes), -EIO);
    ck_assert_int_eq(pawl_io_sync(&mem.io, fd), -EIO);
    ck_assert_int_eq(pawl_io_rename(&mem.io, PAWL_IO_CWD, "x", "y"), -EIO);
    ck_assert_int_eq(pawl_io_exchange(&mem.io, PAWL_IO_CWD, "x", "y"), -EIO);
    ck_assert_int_eq(pawl_io_unlink(&mem.io, PAWL_IO_CWD, "x"), -EIO);
    ck_assert_int_eq(pawl_io_mkdir(&mem.io, PAWL_IO_CWD, "z", 0700), -EIO);
    ck_assert_int_eq(pawl_io_rmdir(&mem.io, PAWL_IO_CWD, "z"), -EIO);
    ck_assert_int_eq(pawl_io_symlink(&mem.io, PAWL_IO_CWD, "z", "y"), -EIO);
    ck_assert_int_eq(pawl_io_readlink(&mem.io, PAWL_IO_CWD, "y", text, sizeof(text)), -EIO);
    ck_assert_int_eq(pawl_io_list(&mem.io, fd, NULL, NULL), -EIO);
    ck_assert_int_eq(pawl_io_sync_folder(&mem.io, fd), -EIO);
    ck_assert_int_eq(pawl_io_close(&mem.io, fd), -EIO);
    ck_assert_uint_eq(pawl_io_mem_open_count(&mem), 0);
    pawl_io_mem_close(&mem);
}
END_TEST

/* Queues. */

static const enum pawl_io_queue_kind kinds[] = {PAWL_IO_QUEUE_URING, PAWL_IO_QUEUE_THREAD,
                                                PAWL_IO_QUEUE_INLINE};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* False where io_uring is refused: there is nothing to test then. */
static bool open_queue(struct pawl_io_queue *queue, enum pawl_io_queue_kind kind)
{
    struct pawl_err err = {0};
    int code = pawl_io_queue_open(queue, pawl_io_sys(), kind, &err);
    ck_assert_msg(code == 0 || kind == PAWL_IO_QUEUE_URING, "%s", err.text);
    return code == 0;
}

static void run(struct pawl_io_queue *queue, struct pawl_io_op *ops, unsigned op_count,
                enum pawl_io_failure failure)
{
    ck_assert_int_eq(pawl_io_queue_begin(queue, ops, op_count, failure, NULL), 0);
    ck_assert(pawl_io_queue_wait(queue, soon_ns()));
}

static struct pawl_io_op op_open(int folder, const char *name)
{
    return (struct pawl_io_op){.kind = PAWL_IO_OP_OPEN,
                               .folder = folder,
                               .name = name,
                               .flags = O_WRONLY | O_CREAT | O_CLOEXEC,
                               .mode = 0600};
}

/* The device has no room, no blocks and no sync; a pipe is no folder. */
START_TEST(a_failed_operation_of_any_kind_cancels_the_rest_in_every_runner)
{
    struct scratch scratch;
    scratch_open(&scratch);
    int folder = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int pipe_fds[2];
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    int fd_count = temp_fd_count();
    const struct pawl_io_op failing[] = {
        {.kind = PAWL_IO_OP_OPEN, .slot = 1, .folder = folder, .name = "missing"},
        {.kind = PAWL_IO_OP_ALLOCATE, .offset_bytes = 4},
        {.kind = PAWL_IO_OP_WRITE, .bytes = "text", .byte_count = 4},
        {.kind = PAWL_IO_OP_SYNC},
        {.kind = PAWL_IO_OP_CLOSE, .slot = 2},
        {.kind = PAWL_IO_OP_RENAME, .folder = folder, .name = "missing", .to = "y"},
        {.kind = PAWL_IO_OP_EXCHANGE, .folder = folder, .name = "x", .to = "missing"},
        {.kind = PAWL_IO_OP_UNLINK, .folder = folder, .name = "missing"},
        {.kind = PAWL_IO_OP_SYNC_FOLDER, .folder = pipe_fds[0]},
        {.kind = PAWL_IO_OP_SYNC_SLOT},
        {.kind = PAWL_IO_OP_MKDIR, .folder = folder, .name = "missing/y", .mode = 0700},
        {.kind = PAWL_IO_OP_RMDIR, .folder = folder, .name = "x"},
        {.kind = PAWL_IO_OP_SYMLINK, .folder = folder, .name = "x", .to = "y"},
    };

    for (size_t i = 0; i < KIND_COUNT; i++) {
        for (size_t kind = 0; kind < sizeof(failing) / sizeof(failing[0]); kind++) {
            struct pawl_io_queue queue;
            if (!open_queue(&queue, kinds[i]))
                continue;
            scratch_write(scratch_path(&scratch, "x"), "", 0);
            struct pawl_io_op ops[] = {
                {.kind = PAWL_IO_OP_OPEN,
                 .folder = PAWL_IO_CWD,
                 .name = "/dev/full",
                 .flags = O_WRONLY},
                failing[kind],
                {.kind = PAWL_IO_OP_UNLINK, .folder = folder, .name = "x"},
                {.kind = PAWL_IO_OP_CLOSE},
            };
            run(&queue, ops, 4, PAWL_IO_STOP_AT_FAILURE);
            ck_assert_int_eq(ops[0].result, 0);
            ck_assert_int_lt(ops[1].result, 0);
            ck_assert_int_ne(ops[1].result, -ECANCELED);
            ck_assert_int_eq(ops[2].result, -ECANCELED);
            ck_assert_int_eq(ops[3].result, -ECANCELED);
            ck_assert_int_eq(access(scratch_path(&scratch, "x"), F_OK), 0);

            run(&queue, ops + 1, 3, PAWL_IO_GO_ON_AFTER_FAILURE);
            ck_assert_int_lt(ops[1].result, 0);
            ck_assert_int_eq(ops[2].result, 0);
            ck_assert_int_eq(ops[3].result, 0);
            pawl_io_queue_close(&queue);
            pawl_io_queue_close(&queue);
            ck_assert_str_eq(pawl_io_queue_name(&queue), "closed");
            ck_assert_int_eq(temp_fd_count(), fd_count);
        }
    }
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_chain_makes_folders_and_links_in_every_runner)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct pawl_io_queue queue;
        if (!open_queue(&queue, kinds[i]))
            continue;
        struct scratch scratch;
        scratch_open(&scratch);
        int folder = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct pawl_io_op ops[] = {
            {.kind = PAWL_IO_OP_MKDIR, .folder = folder, .name = "a", .mode = 0700},
            {.kind = PAWL_IO_OP_MKDIR, .folder = folder, .name = "a/b", .mode = 0700},
            {.kind = PAWL_IO_OP_OPEN,
             .folder = folder,
             .name = "a",
             .flags = O_RDONLY | O_DIRECTORY},
            {.kind = PAWL_IO_OP_SYNC_SLOT},
            {.kind = PAWL_IO_OP_CLOSE},
            {.kind = PAWL_IO_OP_RMDIR, .folder = folder, .name = "a/b"},
            {.kind = PAWL_IO_OP_SYMLINK, .folder = folder, .name = "last", .to = "a"},
        };
        unsigned count = sizeof(ops) / sizeof(ops[0]);
        run(&queue, ops, count, PAWL_IO_STOP_AT_FAILURE);
        for (unsigned k = 0; k < count; k++)
            ck_assert_int_eq(ops[k].result, 0);
        pawl_io_queue_close(&queue);
        char target[8];
        ck_assert_int_eq(
            pawl_io_readlink(pawl_io_sys(), folder, "last", target, sizeof(target)), 0);
        ck_assert_str_eq(target, "a");
        ck_assert_int_eq(scratch_file_count(&scratch), 2);
        close(folder);
        scratch_close(&scratch);
    }
}
END_TEST

START_TEST(a_short_write_cancels_the_rest_in_every_runner)
{
    /* A file may have 1 MiB: the write of 2 MiB is cut there. It is the kernel that is tested
     * here, for durable.c relies on it. */
    struct scratch scratch;
    scratch_open(&scratch);
    int folder = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    char *bytes = calloc(2, 1 << 20);
    ck_assert_ptr_nonnull(bytes);

    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct pawl_io_queue queue;
        if (!open_queue(&queue, kinds[i]))
            continue;
        struct pawl_io_op ops[] = {
            op_open(folder, "x"),
            {.kind = PAWL_IO_OP_WRITE, .bytes = bytes, .byte_count = 2 << 20},
            {.kind = PAWL_IO_OP_SYNC},
            {.kind = PAWL_IO_OP_RENAME, .folder = folder, .name = "x", .to = "y"},
        };
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        run(&queue, ops, 4, PAWL_IO_STOP_AT_FAILURE);
        ck_assert_int_eq(ops[1].result, 1 << 20);
        ck_assert_int_eq(ops[2].result, -ECANCELED);
        ck_assert_int_eq(ops[3].result, -ECANCELED);
        ck_assert_int_ne(access(scratch_path(&scratch, "y"), F_OK), 0);
        pawl_io_queue_close(&queue);
        unlink(scratch_path(&scratch, "x"));
    }
    free(bytes);
    close(folder);
    scratch_close(&scratch);
}
END_TEST

START_TEST(closing_a_queue_waits_and_closes_its_files)
{
    struct scratch scratch;
    scratch_open(&scratch);
    int fd_count = temp_fd_count();
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct pawl_io_queue queue;
        if (!open_queue(&queue, kinds[i]))
            continue;
        const char *path = scratch_path(&scratch, "x");
        struct pawl_io_op ops[] = {
            op_open(PAWL_IO_CWD, path),
            {.kind = PAWL_IO_OP_WRITE, .bytes = "text", .byte_count = 4},
            {.kind = PAWL_IO_OP_SYNC},
            {.kind = PAWL_IO_OP_ALLOCATE, .offset_bytes = 8},
        };
        ck_assert_int_eq(pawl_io_queue_begin(&queue, ops, 4, PAWL_IO_STOP_AT_FAILURE, NULL), 0);
        pawl_io_queue_close(&queue);
        ck_assert_int_eq(ops[3].result, 0);
        ck_assert_int_eq(temp_fd_count(), fd_count);
        unlink(path);
    }
    scratch_close(&scratch);
}
END_TEST

START_TEST(a_chain_that_cannot_be_is_refused_with_the_rule)
{
    struct pawl_io_queue queue;
    struct pawl_err err = {0};
    struct pawl_io_op ops[PAWL_IO_QUEUE_OPS_MAX + 1] = {{.kind = PAWL_IO_OP_SYNC, .slot = 4}};
    ck_assert(open_queue(&queue, PAWL_IO_QUEUE_INLINE));
    ck_assert_int_eq(pawl_io_queue_begin(&queue, ops, 0, PAWL_IO_STOP_AT_FAILURE, NULL),
                     -EINVAL);
    ck_assert_int_eq(pawl_io_queue_begin(&queue, ops, PAWL_IO_QUEUE_OPS_MAX + 1,
                                         PAWL_IO_STOP_AT_FAILURE, NULL),
                     -EINVAL);
    ck_assert_int_eq(pawl_io_queue_begin(&queue, ops, 1, PAWL_IO_STOP_AT_FAILURE, &err),
                     -EINVAL);
    ck_assert_str_eq(err.text, "operation 0: slot 4 is not below 4");
    ops[0] = (struct pawl_io_op){.kind = PAWL_IO_OP_WRITE, .byte_count = (size_t)1 << 31};
    ck_assert_int_eq(pawl_io_queue_begin(&queue, ops, 1, PAWL_IO_STOP_AT_FAILURE, NULL),
                     -EINVAL);
    pawl_io_queue_close(&queue);
}
END_TEST

static int slow_sync(struct pawl_io *io, int fd)
{
    (void)io;
    (void)fd;
    usleep(100000);
    return 0;
}

START_TEST(waiting_is_bounded_and_a_second_chain_is_busy)
{
    struct pawl_io slow = *pawl_io_sys();
    struct pawl_io_queue queue;
    struct pawl_err err = {0};
    slow.sync = slow_sync;
    ck_assert_int_eq(pawl_io_queue_open(&queue, &slow, PAWL_IO_QUEUE_THREAD, &err), 0);
    struct pawl_io_op op = {.kind = PAWL_IO_OP_SYNC};
    ck_assert_int_eq(pawl_io_queue_begin(&queue, &op, 1, PAWL_IO_STOP_AT_FAILURE, &err), 0);
    ck_assert(!pawl_io_queue_poll(&queue));
    ck_assert(!pawl_io_queue_wait(&queue, pawl_clock_now_ns() + PAWL_NS_PER_MS));
    ck_assert_int_eq(pawl_io_queue_begin(&queue, &op, 1, PAWL_IO_STOP_AT_FAILURE, &err),
                     -EBUSY);
    ck_assert_str_eq(err.text, "a chain of 1 operations is still in flight");
    pawl_io_queue_close(&queue);
}
END_TEST

static atomic_bool is_disk_dead;

static int hang_in_sync(struct pawl_io *io, int fd)
{
    (void)io;
    (void)fd;
    while (atomic_load(&is_disk_dead))
        usleep(1000);
    return 0;
}

START_TEST(closing_gives_up_on_a_disk_that_does_not_answer)
{
    struct pawl_io dead = *pawl_io_sys();
    struct pawl_io_queue queue;
    struct pawl_err err = {0};
    dead.sync = hang_in_sync;
    atomic_store(&is_disk_dead, true);
    ck_assert_int_eq(pawl_io_queue_open(&queue, &dead, PAWL_IO_QUEUE_THREAD, &err), 0);
    struct pawl_io_op op = {.kind = PAWL_IO_OP_SYNC};
    ck_assert_int_eq(pawl_io_queue_begin(&queue, &op, 1, PAWL_IO_STOP_AT_FAILURE, &err), 0);
    ck_assert_int_eq(pawl_io_queue_close(&queue), -ETIMEDOUT);
    ck_assert_int_eq(op.result, -ECANCELED); /* still in use, as is the queue */
    atomic_store(&is_disk_dead, false);
    ck_assert_int_eq(pawl_io_queue_close(&queue), 0);
    ck_assert_int_eq(op.result, 0);
}
END_TEST

START_TEST(waiting_for_the_kernel_is_bounded_too)
{
    /* Opening a pipe nobody reads waits for ever: the kernel's worker, not the caller. */
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_queue queue;
    const char *path = scratch_path(&scratch, "pipe");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    if (open_queue(&queue, PAWL_IO_QUEUE_URING)) {
        struct pawl_io_op ops[] = {
            {.kind = PAWL_IO_OP_OPEN, .folder = PAWL_IO_CWD, .name = path, .flags = O_WRONLY},
            {.kind = PAWL_IO_OP_CLOSE},
        };
        ck_assert_int_eq(pawl_io_queue_begin(&queue, ops, 2, PAWL_IO_STOP_AT_FAILURE, NULL), 0);
        ck_assert(!pawl_io_queue_poll(&queue));
        ck_assert(!pawl_io_queue_wait(&queue, pawl_clock_now_ns() + 10 * PAWL_NS_PER_MS));
        int reader = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert(pawl_io_queue_wait(&queue, soon_ns()));
        ck_assert_int_eq(ops[1].result, 0);
        close(reader);
        pawl_io_queue_close(&queue);
    }
    scratch_close(&scratch);
}
END_TEST

START_TEST(another_table_is_not_for_the_kernel)
{
    struct pawl_io_faulty faulty;
    struct pawl_io_queue queue;
    struct pawl_err err = {0};
    pawl_io_faulty_open(&faulty, pawl_io_sys());
    ck_assert_int_eq(pawl_io_queue_open(&queue, &faulty.io, PAWL_IO_QUEUE_URING, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "faulty io table"));
    ck_assert_int_eq(pawl_io_queue_open(&queue, &faulty.io, PAWL_IO_QUEUE_AUTO, NULL), 0);
    ck_assert_str_eq(pawl_io_queue_name(&queue), "thread");
    ck_assert_ptr_nonnull(strstr(queue.reason, "faulty io table"));
    pawl_io_queue_close(&queue);
}
END_TEST

/* Makes one system call fail in this process from now on: check gives each test its own. */
static void refuse(int call_number, int code)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call_number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = filter};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* The same for io_uring_register() of one kind. */
static void refuse_register(unsigned kind, int code)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kind, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 6, .filter = filter};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void a_thread_takes_over(const char *reason)
{
    struct scratch scratch;
    scratch_open(&scratch);
    struct pawl_io_queue queue;
    char text[160];
    ck_assert(!pawl_io_uring_works(text, sizeof(text)));
    ck_assert_msg(strstr(text, reason) != NULL, "%s", text);
    ck_assert_int_eq(pawl_io_queue_open(&queue, pawl_io_sys(), PAWL_IO_QUEUE_AUTO, NULL), 0);
    ck_assert_str_eq(pawl_io_queue_name(&queue), "thread");
    ck_assert_str_eq(queue.reason, text);
    struct pawl_io_op ops[] = {op_open(PAWL_IO_CWD, scratch_path(&scratch, "x")),
                               {.kind = PAWL_IO_OP_CLOSE}};
    run(&queue, ops, 2, PAWL_IO_STOP_AT_FAILURE);
    ck_assert_int_eq(access(scratch_path(&scratch, "x"), F_OK), 0);
    pawl_io_queue_close(&queue);
    scratch_close(&scratch);
}

START_TEST(a_thread_takes_over_when_rings_are_not_permitted)
{
    refuse(SYS_io_uring_setup, EPERM);
    a_thread_takes_over("setting up a ring: Operation not permitted");
}
END_TEST

START_TEST(a_thread_takes_over_when_rings_do_not_exist)
{
    refuse(SYS_io_uring_setup, ENOSYS);
    a_thread_takes_over("setting up a ring: Function not implemented");
}
END_TEST

START_TEST(a_thread_takes_over_when_a_ring_may_not_be_entered)
{
    if (pawl_io_uring_works(NULL, 0)) {
        refuse(SYS_io_uring_enter, EACCES);
        a_thread_takes_over("submitting: Permission denied");
    }
}
END_TEST

START_TEST(a_thread_takes_over_when_a_ring_may_not_be_equipped)
{
    if (pawl_io_uring_works(NULL, 0)) {
        refuse(SYS_io_uring_register, EPERM);
        a_thread_takes_over("asking for its operations: Operation not permitted");
    }
}
END_TEST

START_TEST(the_kernels_own_reason_is_told)
{
    if (pawl_io_uring_works(NULL, 0)) {
        refuse_register(IORING_REGISTER_FILES, EMFILE);
        a_thread_takes_over("registering file slots: Too many open files");
        refuse_register(IORING_REGISTER_PROBE, ENOMEM);
        a_thread_takes_over("asking for its operations: Cannot allocate memory");
    }
}
END_TEST

START_TEST(a_ring_that_fails_later_loses_one_chain_and_is_made_anew)
{
    struct pawl_io_queue queue;
    struct pawl_err err = {0};
    if (!open_queue(&queue, PAWL_IO_QUEUE_URING))
        return;
    refuse(SYS_io_uring_enter, EAGAIN);
    struct pawl_io_op op = {.kind = PAWL_IO_OP_SYNC_FOLDER, .folder = -1};
    ck_assert_int_eq(pawl_io_queue_begin(&queue, &op, 1, PAWL_IO_STOP_AT_FAILURE, &err),
                     -EAGAIN);
    ck_assert_ptr_nonnull(strstr(err.text, "submitting"));
    for (int i = 0; i < 2; i++) { /* the new ring fails its trial */
        err = (struct pawl_err){0};
        ck_assert_int_eq(pawl_io_queue_begin(&queue, &op, 1, PAWL_IO_STOP_AT_FAILURE, &err),
                         -EAGAIN);
    }
    ck_assert(pawl_io_queue_poll(&queue));
    pawl_io_queue_close(&queue);
}
END_TEST

#ifdef PAWL_FAULTS
#define FAULT_TESTS fault_points_are_around_every_call,
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN(
    "io", the_system_and_the_memory_do_the_same,
    a_descriptor_that_is_none_is_an_error_of_every_call, the_folder_of_a_path_is_found,
    listing_stops_when_told, an_interrupted_call_is_retried_but_not_for_ever,
    FAULT_TESTS a_cut_takes_names_and_content_that_were_not_synced,
    a_cut_takes_a_folder_whose_name_was_not_synced_with_all_in_it,
    files_that_nobody_names_make_room_for_others,
    a_rename_without_a_sync_can_lose_both_contents,
    names_are_exchanged_both_or_neither_whatever_the_cut,
    after_a_cut_no_call_succeeds_and_descriptors_can_be_closed,
    a_failed_operation_of_any_kind_cancels_the_rest_in_every_runner,
    a_chain_makes_folders_and_links_in_every_runner,
    a_short_write_cancels_the_rest_in_every_runner, closing_a_queue_waits_and_closes_its_files,
    a_chain_that_cannot_be_is_refused_with_the_rule,
    waiting_is_bounded_and_a_second_chain_is_busy,
    closing_gives_up_on_a_disk_that_does_not_answer, waiting_for_the_kernel_is_bounded_too,
    another_table_is_not_for_the_kernel, a_thread_takes_over_when_rings_are_not_permitted,
    a_thread_takes_over_when_rings_do_not_exist,
    a_thread_takes_over_when_a_ring_may_not_be_entered,
    a_thread_takes_over_when_a_ring_may_not_be_equipped, the_kernels_own_reason_is_told,
    a_ring_that_fails_later_loses_one_chain_and_is_made_anew)
