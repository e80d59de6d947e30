#include "runtime/sysinfo.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static char root[] = "/tmp/pawl_sysinfo_XXXXXX";
static struct pawl_sysinfo info;

static void put_file(const char *path, const char *text)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void remove_root(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(another_machine_is_read_from_its_files)
{
    ck_assert_ptr_nonnull(mkdtemp(root));
    put_file("/etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
    put_file("/proc/cpuinfo",
             "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu "
             "constant_tsc nonstop_tsc sse\n\nprocessor\t: 1\nmodel name\t: No\n");
    put_file("/sys/devices/system/cpu/online", "0-3,8,10-11\n");
    put_file("/sys/devices/system/cpu/smt/active", "1\n");
    put_file("/sys/devices/system/cpu/cpu0/cache/index0/level", "1\n");
    put_file("/sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n");
    put_file("/sys/devices/system/cpu/cpu0/cache/index2/level", "2\n");
    put_file("/sys/devices/system/cpu/cpu0/cache/index2/size", "512K\n");
    put_file("/sys/devices/system/cpu/cpu0/cache/index3/level", "3\n");
    put_file("/sys/devices/system/cpu/cpu0/cache/index3/size", "32M\n");
    put_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    put_file("/proc/meminfo", "MemTotal:       24684084 kB\nMemFree: 1 kB\n"
                              "MemAvailable:   24247480 kB\nHugePages_Total:      16\n"
                              "HugePages_Free:       12\nHugepagesize:       2048 kB\n");
    put_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    put_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
             "always within_size advise [never] deny force\n");
    put_file("/proc/driver/nvidia/version",
             "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 2023\n");
    put_file("/proc/driver/nvidia/gpus/0000:01:00.0/information",
             "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ: 1\n");
    put_file("/proc/driver/nvidia/gpus/0000:02:00.0/information",
             "Model: \t\t NVIDIA GeForce RTX 4090\n");

    pawl_sysinfo_read(&info, root);
    ck_assert_str_eq(info.distribution, "Debian GNU/Linux 12 (bookworm)");
    ck_assert_str_eq(info.cpu_model, "Some CPU @ 3 GHz");
    ck_assert_uint_eq(info.cores_online_count, 7);
    ck_assert(info.smt_is_on);
    ck_assert(info.tsc_is_invariant);
    ck_assert_uint_eq(info.l2_bytes, 512 << 10);
    ck_assert_uint_eq(info.l3_bytes, 32 << 20);
    ck_assert_str_eq(info.clock_source, "hpet");
    ck_assert_uint_eq(info.memory_total_bytes, 24684084ull << 10);
    ck_assert_uint_eq(info.memory_available_bytes, 24247480ull << 10);
    ck_assert_uint_eq(info.huge_page_bytes, 2 << 20);
    ck_assert_uint_eq(info.huge_pages_reserved_count, 16);
    ck_assert_uint_eq(info.huge_pages_free_count, 12);
    ck_assert_str_eq(info.transparent_huge_pages, "madvise");
    ck_assert_str_eq(info.transparent_huge_pages_shmem, "never");
    ck_assert_uint_eq(info.nvidia_gpu_count, 2);
    ck_assert_str_eq(info.nvidia_gpu, "NVIDIA GeForce RTX 4090");
    ck_assert_str_eq(info.nvidia_driver, "535.104.05");
    remove_root();
}
END_TEST

START_TEST(a_tsc_that_stops_is_not_invariant)
{
    strcpy(root, "/tmp/pawl_sysinfo_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    put_file("/proc/cpuinfo", "flags\t\t: fpu constant_tsc nonstop_tsc_s3\n");
    pawl_sysinfo_read(&info, root);
    ck_assert(!info.tsc_is_invariant);
    remove_root();
}
END_TEST

START_TEST(what_is_not_there_is_empty)
{
    pawl_sysinfo_read(&info, "/nonexistent");
    ck_assert_str_eq(info.cpu_model, "");
    ck_assert_uint_eq(info.cores_online_count, 0);
    ck_assert_uint_eq(info.memory_total_bytes, 0);
    ck_assert_uint_eq(info.dev_shm_total_bytes, 0);
    ck_assert_uint_eq(info.nvidia_gpu_count, 0);
    ck_assert(!info.tsc_is_invariant);
}
END_TEST

START_TEST(this_machine_has_a_kernel_cores_memory_and_limits)
{
    pawl_sysinfo_read(&info, "");
    ck_assert_int_eq(strncmp(info.kernel, "Linux ", 6), 0);
    ck_assert_uint_gt(info.cores_online_count, 0);
    ck_assert_uint_gt(info.cores_allowed_count, 0);
    ck_assert_uint_gt(info.memory_total_bytes, 1 << 20);
    ck_assert_uint_gt(info.memory_total_bytes, info.memory_available_bytes);
    ck_assert_uint_gt(info.descriptor_limit_count, 0);
    ck_assert_int_eq(info.io_uring_errno == 0, info.io_uring_reason[0] == '\0');
}
END_TEST

START_TEST(a_refused_io_uring_is_explained_with_the_way_out)
{
    ck_assert_str_eq(pawl_sysinfo_io_uring_reason(0, 0), "");
    ck_assert_ptr_nonnull(strstr(pawl_sysinfo_io_uring_reason(EPERM, 2), "io_uring_disabled"));
    ck_assert_ptr_nonnull(strstr(pawl_sysinfo_io_uring_reason(EPERM, 0), "seccomp"));
    ck_assert_ptr_nonnull(strstr(pawl_sysinfo_io_uring_reason(ENOSYS, 0), "no io_uring"));
    ck_assert_ptr_nonnull(strstr(pawl_sysinfo_io_uring_reason(ENOMEM, 0), "ulimit -l"));
    ck_assert_str_eq(pawl_sysinfo_io_uring_reason(EMFILE, 0), strerror(EMFILE));
}
END_TEST

PAWL_TEST_MAIN("sysinfo", another_machine_is_read_from_its_files,
               a_tsc_that_stops_is_not_invariant, what_is_not_there_is_empty,
               this_machine_has_a_kernel_cores_memory_and_limits,
               a_refused_io_uring_is_explained_with_the_way_out)
