/* memory.h: how much memory this process can still have.
 *
 * Shared memory is charged when it is allocated. Asking the kernel for more than there is does
 * not always fail: it may kill. So whoever allocates much asks here first.
 */
#ifndef PAWL_SHM_MEMORY_H
#define PAWL_SHM_MEMORY_H

#include <stdint.h>

/* Bytes that can be had without killing anyone: what the machine has free or can free, and no
 * more than the memory cgroup of this process, or one above it, still allows. UINT64_MAX when
 * /proc does not say. */
uint64_t pawl_memory_free_bytes(void);

/* Free huge pages of 2 MiB; 0 when the kernel has none or does not say. */
uint64_t pawl_memory_free_huge_pages(void);

#endif
