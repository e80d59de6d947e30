#include "shm/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* The number after `key` at the start of a line; all files read here are the kernel's. */
static bool read_number(const char *path, const char *key, uint64_t *value)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[256];
    bool is_found = false;
    size_t key_bytes = strlen(key);
    while (!is_found && fgets(line, sizeof(line), file))
        is_found = strncmp(line, key, key_bytes) == 0 &&
                   sscanf(line + key_bytes, "%" SCNu64, value) == 1;
    fclose(file);
    return is_found;
}

static uint64_t machine_free_bytes(void)
{
    uint64_t available_kib, swap_kib = 0;
    if (!read_number("/proc/meminfo", "MemAvailable:", &available_kib))
        return UINT64_MAX;
    read_number("/proc/meminfo", "SwapFree:", &swap_kib);
    return (available_kib + swap_kib) * 1024;
}

static uint64_t cgroup_free_bytes(const char *folder)
{
    char path[512];
    uint64_t limit, used, cached_active = 0, cached_inactive = 0;

    snprintf(path, sizeof(path), "%s/memory.max", folder);
    if (!read_number(path, "", &limit)) /* "max", or no such controller */
        return UINT64_MAX;
    snprintf(path, sizeof(path), "%s/memory.current", folder);
    if (!read_number(path, "", &used))
        return UINT64_MAX;
    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    read_number(path, "active_file ", &cached_active);
    read_number(path, "inactive_file ", &cached_inactive);

    uint64_t cached = cached_active + cached_inactive; /* given back before anyone is killed */
    used = used > cached ? used - cached : 0;
    return limit > used ? limit - used : 0;
}

uint64_t pawl_memory_free_bytes(void)
{
    uint64_t free_bytes = machine_free_bytes();
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return free_bytes;
    char line[256], folder[sizeof(line) + sizeof(CGROUP_ROOT)] = "";
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "0::/", 4) == 0) { /* the unified hierarchy */
            line[strcspn(line, "\n")] = '\0';
            snprintf(folder, sizeof(folder), CGROUP_ROOT "%s", line + 3);
        }
    fclose(file);

    while (strlen(folder) >= strlen(CGROUP_ROOT)) {
        uint64_t here = cgroup_free_bytes(folder);
        if (here < free_bytes)
            free_bytes = here;
        *strrchr(folder, '/') = '\0';
    }
    return free_bytes;
}

uint64_t pawl_memory_free_huge_pages(void)
{
    uint64_t count = 0;
    read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "", &count);
    return count;
}
