/* sysinfo.h: what the machine and the kernel offer, for `pawl info`, the run folder and advice.
 *
 *     struct pawl_sysinfo info;
 *     pawl_sysinfo_read(&info, "");
 *     printf("%s, %ld cores\n", info.cpu_model, info.cores_allowed_count);
 *
 * Reading never fails: what cannot be found is 0 or "". Files are read below `root`, so that a
 * test brings another machine's /proc and /sys.
 */
#ifndef PAWL_RUNTIME_SYSINFO_H
#define PAWL_RUNTIME_SYSINFO_H

#include <stdbool.h>
#include <stdint.h>

#define PAWL_SYSINFO_TEXT_BYTES 128
#define PAWL_SYSINFO_NO_LIMIT   UINT64_MAX

struct pawl_sysinfo {
    char kernel[PAWL_SYSINFO_TEXT_BYTES];       /* "Linux 6.1.0-13-amd64 x86_64" */
    char distribution[PAWL_SYSINFO_TEXT_BYTES]; /* "Debian GNU/Linux 12 (bookworm)" */

    char cpu_model[PAWL_SYSINFO_TEXT_BYTES];
    uint64_t cores_online_count;  /* hardware threads */
    uint64_t cores_allowed_count; /* those that this process may run on */
    bool smt_is_on;               /* two hardware threads share a core */
    uint64_t l2_bytes, l3_bytes;  /* one cache each, as core 0 sees it */
    bool tsc_is_invariant;
    char clock_source[PAWL_SYSINFO_TEXT_BYTES];

    uint64_t memory_total_bytes, memory_available_bytes;
    uint64_t huge_page_bytes, huge_pages_reserved_count, huge_pages_free_count;
    char transparent_huge_pages[PAWL_SYSINFO_TEXT_BYTES];       /* the setting: "madvise" */
    char transparent_huge_pages_shmem[PAWL_SYSINFO_TEXT_BYTES]; /* for shared memory */
    uint64_t dev_shm_total_bytes, dev_shm_free_bytes;

    uint64_t locked_memory_limit_bytes; /* PAWL_SYSINFO_NO_LIMIT where there is none */
    uint64_t descriptor_limit_count;

    int io_uring_errno;                            /* 0: a ring was made */
    char io_uring_reason[PAWL_SYSINFO_TEXT_BYTES]; /* why there is none, with the way out */

    uint64_t nvidia_gpu_count;
    char nvidia_gpu[PAWL_SYSINFO_TEXT_BYTES];    /* the model of the first */
    char nvidia_driver[PAWL_SYSINFO_TEXT_BYTES]; /* its version */
};

/* root: "" for this machine. Limits, cores allowed and io_uring are those of this process in
 * any case. */
void pawl_sysinfo_read(struct pawl_sysinfo *info, const char *root);

/* The reason sentence for an errno of io_uring_queue_init(); `disabled` is the setting
 * kernel.io_uring_disabled. */
const char *pawl_sysinfo_io_uring_reason(int errno_code, int disabled);

#endif
