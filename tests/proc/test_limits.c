/* Where a machine gives less than is asked for: each shortage is one sentence, never a signal.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "shm/board.h"
#include "shm/memory.h"
#include "shm/ring.h"
#include "shm/segment.h"

#include "support/sanitizer.h"
#include "support/scratch.h"
#include "support/test.h"

#define MIB (UINT64_C(1) << 20)

static struct pawl_err err;

static int create(struct pawl_segment *segment, uint64_t body_bytes, bool wants_huge_pages)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.label = "limits";
    cfg.body_bytes = body_bytes;
    cfg.wants_huge_pages = wants_huge_pages;
    cfg.is_shared_writable = true;
    err = (struct pawl_err){0};
    return pawl_segment_create(segment, &cfg, &err);
}

static void limit(__rlimit_resource_t resource, rlim_t value)
{
    const struct rlimit rlimit = {.rlim_cur = value, .rlim_max = value};
    ck_assert_int_eq(setrlimit(resource, &rlimit), 0);
}

/* What a child does under a limit: exit code 0, or the failed assertion's output and not 0. */
static int in_child(void (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void expect(bool is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "%s: %s\n", what, err.text);
        _exit(1);
    }
}

/* A /dev/shm of 64 MB, as containers have, where this user may mount one; exit code 77: not. */
static void in_small_dev_shm(void)
{
    struct pawl_segment segment;
    struct statvfs info;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=64m") != 0)
        _exit(77);
    expect(statvfs("/dev/shm", &info) == 0 && info.f_blocks * info.f_frsize == 64 * MIB,
           "/dev/shm is not small");
    expect(create(&segment, 128 * MIB, false) == 0, "a segment above /dev/shm");
    memset(segment.body, 1, segment.body_bytes);
    pawl_segment_close(&segment);
}

START_TEST(a_small_dev_shm_limits_nothing)
{
    /* A memfd is not in /dev/shm. */
    int code = in_child(in_small_dev_shm);
    ck_assert_msg(code == 0 || code == 77, "exit code %d", code);
    if (code == 77) { /* nothing of ours is ever there: the same promise, seen from outside */
        struct pawl_segment segment;
        int before = temp_entry_count("/dev/shm");
        ck_assert_int_eq(create(&segment, MIB, false), 0);
        ck_assert_int_eq(temp_entry_count("/dev/shm"), before);
        pawl_segment_close(&segment);
    }
}
END_TEST

START_TEST(more_memory_than_there_is_names_both_sizes)
{
    struct pawl_segment segment;
    char needed[32];
    int before = temp_fd_count();
    ck_assert_int_eq(create(&segment, PAWL_SEGMENT_BODY_BYTES_MAX, false), -ENOSPC);
    snprintf(needed, sizeof(needed), "%llu bytes",
             (unsigned long long)PAWL_SEGMENT_BODY_BYTES_MAX + PAWL_SEGMENT_HEADER_BYTES);
    ck_assert_ptr_nonnull(strstr(err.text, needed));
    ck_assert_ptr_nonnull(strstr(err.text, " free: make the rings or the replay smaller"));
    ck_assert_int_eq(temp_fd_count(), before);
}
END_TEST

#define CGROUP "/sys/fs/cgroup/pawl-test-limits"

static bool put_number(const char *path, uint64_t value)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool is_put = fprintf(file, "%llu", (unsigned long long)value) > 0;
    return fclose(file) == 0 && is_put;
}

/* A memory cgroup of 64 MB; exit code 77: this user may not make one. */
static void in_small_cgroup(void)
{
    struct pawl_segment segment;
    int status;
    if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0 || mkdir(CGROUP, 0700) != 0)
        _exit(77);
    pid_t child = fork(); /* the folder can be removed only once nobody is in it */
    if (child == 0) {
        if (!put_number(CGROUP "/memory.max", 64 * MIB) ||
            !put_number(CGROUP "/cgroup.procs", (uint64_t)getpid()))
            _exit(77);
        expect(create(&segment, 512 * MIB, false) == -ENOSPC, "above the limit");
        expect(strstr(err.text, " free: make the rings") != NULL, "the sentence");
        expect(create(&segment, 8 * MIB, false) == 0, "below the limit");
        _exit(0);
    }
    waitpid(child, &status, 0);
    rmdir(CGROUP);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

START_TEST(a_memory_cgroup_is_asked_before_the_kernel_kills)
{
    int code = in_child(in_small_cgroup);
    if (code == 77) { /* no cgroup to be had here: the address space is the limit instead */
        struct pawl_segment segment;
        if (TEST_HAS_SANITIZER)
            return; /* its own map is above any limit */
        limit(RLIMIT_AS, 256 * MIB);
        ck_assert_int_eq(create(&segment, 512 * MIB, false), -ENOMEM);
        ck_assert_ptr_nonnull(strstr(err.text, "bytes of shared memory"));
        ck_assert_int_eq(create(&segment, 8 * MIB, false), 0);
        return;
    }
    ck_assert_int_eq(code, 0);
}
END_TEST

START_TEST(too_few_descriptors_name_the_limit_to_raise)
{
    struct pawl_segment segment;
    int last_fd = -1;
    limit(RLIMIT_NOFILE, (rlim_t)temp_fd_count() + 1);
    for (int fd; (fd = dup(STDERR_FILENO)) >= 0;)
        last_fd = fd;
    ck_assert_int_eq(create(&segment, MIB, false), -EMFILE);
    ck_assert_ptr_nonnull(strstr(err.text, "ulimit -n"));
    close(last_fd); /* the leak sanitizer opens files at the end */
}
END_TEST

START_TEST(a_ring_says_the_same_as_its_segment)
{
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    struct pawl_ring_tx tx;
    struct pawl_segment segment;
    limit(RLIMIT_FSIZE, MIB);
    cfg.slot_count = 1024;
    cfg.data_bytes = 65536;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_ring_create(&tx, &segment, &cfg, &err), -EFBIG);
    ck_assert_ptr_nonnull(strstr(err.text, "ulimit -f"));
}
END_TEST

START_TEST(without_huge_pages_there_are_small_ones_and_the_reason)
{
    struct pawl_segment segment;
    uint64_t page_count = pawl_memory_free_huge_pages() + 8;
    ck_assert_int_eq(create(&segment, page_count * 2 * MIB, true), 0);
    ck_assert_uint_eq(segment.page_bytes, PAWL_SEGMENT_PAGE_BYTES);
    ck_assert_ptr_nonnull(strstr(segment.page_note, "4 KiB pages"));
    ck_assert_ptr_nonnull(strstr(segment.page_note, "vm.nr_hugepages"));
    pawl_segment_close(&segment);
}
END_TEST

START_TEST(no_memory_may_be_locked_and_none_needs_to_be)
{
    struct pawl_segment segment;
    limit(RLIMIT_MEMLOCK, 0);
    ck_assert_msg(create(&segment, 64 * MIB, false) == 0, "%s", err.text);
    memset(segment.body, 1, segment.body_bytes);
    pawl_segment_close(&segment);
}
END_TEST

PAWL_TEST_MAIN("limits", a_small_dev_shm_limits_nothing,
               more_memory_than_there_is_names_both_sizes,
               a_memory_cgroup_is_asked_before_the_kernel_kills,
               too_few_descriptors_name_the_limit_to_raise, a_ring_says_the_same_as_its_segment,
               without_huge_pages_there_are_small_ones_and_the_reason,
               no_memory_may_be_locked_and_none_needs_to_be)
