#include "runtime/sysinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1 << 16) /* the first cores of /proc/cpuinfo are enough */

/* The start of a file below root, as text; "" when it cannot be read. */
static void read_text(const char *root, const char *path, char *text, size_t text_bytes)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof(whole), "%s%s", root, path);
    text[0] = '\0';
    int fd = open(whole, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    size_t length = 0;
    while (length < text_bytes - 1) {
        ssize_t count = read(fd, text + length, text_bytes - 1 - length);
        if (count <= 0)
            break;
        length += (size_t)count;
    }
    close(fd);
    text[length] = '\0';
}

static void trim(char *text)
{
    size_t length = strlen(text);
    while (length && strchr(" \t\n\"", text[length - 1]))
        text[--length] = '\0';
    size_t begin = strspn(text, " \t\n\"");
    memmove(text, text + begin, length - begin + 1);
}

static void read_line(const char *root, const char *path, char text[PAWL_SYSINFO_TEXT_BYTES])
{
    read_text(root, path, text, PAWL_SYSINFO_TEXT_BYTES);
    text[strcspn(text, "\n")] = '\0';
    trim(text);
}

/* The value of the line "NAME<blanks>SEPARATOR value" of a text; false when there is none. */
static bool find_value(const char *text, const char *name, char separator, char *value,
                       size_t value_bytes)
{
    size_t name_length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_length) != 0)
            continue;
        const char *at = line + name_length;
        at += strspn(at, " \t");
        if (*at != separator)
            continue;
        at++;
        snprintf(value, value_bytes, "%.*s", (int)strcspn(at, "\n"), at);
        trim(value);
        return true;
    }
    return false;
}

/* "512 kB", "1024K", "32M", "7". */
static uint64_t parse_bytes(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    end += *end == ' ';
    if (*end == 'k' || *end == 'K')
        return number << 10;
    return *end == 'M' ? number << 20 : number;
}

static uint64_t find_bytes(const char *text, const char *name)
{
    char value[64];
    return find_value(text, name, ':', value, sizeof(value)) ? parse_bytes(value) : 0;
}

/* The choice in force of a file such as "always [madvise] never". */
static void read_setting(const char *root, const char *path, char text[PAWL_SYSINFO_TEXT_BYTES])
{
    read_line(root, path, text);
    char *begin = strchr(text, '[');
    char *end = begin ? strchr(begin, ']') : NULL;
    if (!end)
        return;
    *end = '\0';
    memmove(text, begin + 1, (size_t)(end - begin));
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void read_caches(struct pawl_sysinfo *info, const char *root)
{
    for (int index = 0; index < 8; index++) {
        char path[80];
        char level[PAWL_SYSINFO_TEXT_BYTES];
        char size[PAWL_SYSINFO_TEXT_BYTES];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", index);
        read_line(root, path, level);
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
        read_line(root, path, size);
        if (strcmp(level, "2") == 0)
            info->l2_bytes = parse_bytes(size);
        else if (strcmp(level, "3") == 0)
            info->l3_bytes = parse_bytes(size);
    }
}

/* "0-3,8,10-11" -> 7 */
static uint64_t count_of_list(const char *list)
{
    uint64_t count = 0;
    while (*list >= '0' && *list <= '9') {
        char *end;
        uint64_t first = strtoull(list, &end, 10);
        uint64_t last = *end == '-' ? strtoull(end + 1, &end, 10) : first;
        if (last >= first)
            count += last - first + 1;
        list = *end == ',' ? end + 1 : end;
    }
    return count;
}

static void read_cpu(struct pawl_sysinfo *info, const char *root)
{
    char *text = malloc(FILE_BYTES_MAX);
    char line[PAWL_SYSINFO_TEXT_BYTES];

    if (text) {
        static char flags[4096];
        read_text(root, "/proc/cpuinfo", text, FILE_BYTES_MAX);
        find_value(text, "model name", ':', info->cpu_model, sizeof(info->cpu_model));
        if (find_value(text, "flags", ':', flags, sizeof(flags)))
            info->tsc_is_invariant =
                has_word(flags, "constant_tsc") && has_word(flags, "nonstop_tsc");
        free(text);
    }
    read_line(root, "/sys/devices/system/cpu/online", line);
    info->cores_online_count = count_of_list(line);
    read_line(root, "/sys/devices/system/cpu/smt/active", line);
    info->smt_is_on = strcmp(line, "1") == 0;
    read_caches(info, root);
    read_line(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
              info->clock_source);
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        info->cores_allowed_count = (uint64_t)CPU_COUNT(&allowed);
}

static void read_memory(struct pawl_sysinfo *info, const char *root)
{
    char text[8192];
    read_text(root, "/proc/meminfo", text, sizeof(text));
    info->memory_total_bytes = find_bytes(text, "MemTotal");
    info->memory_available_bytes = find_bytes(text, "MemAvailable");
    info->huge_page_bytes = find_bytes(text, "Hugepagesize");
    info->huge_pages_reserved_count = find_bytes(text, "HugePages_Total");
    info->huge_pages_free_count = find_bytes(text, "HugePages_Free");
    read_setting(root, "/sys/kernel/mm/transparent_hugepage/enabled",
                 info->transparent_huge_pages);
    read_setting(root, "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
                 info->transparent_huge_pages_shmem);

    char path[PATH_MAX];
    struct statvfs shm;
    snprintf(path, sizeof(path), "%s/dev/shm", root);
    if (statvfs(path, &shm) == 0) {
        info->dev_shm_total_bytes = (uint64_t)shm.f_blocks * shm.f_frsize;
        info->dev_shm_free_bytes = (uint64_t)shm.f_bavail * shm.f_frsize;
    }
}

static uint64_t limit_of(__rlimit_resource_t resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return 0;
    return limit.rlim_cur == RLIM_INFINITY ? PAWL_SYSINFO_NO_LIMIT : (uint64_t)limit.rlim_cur;
}

const char *pawl_sysinfo_io_uring_reason(int errno_code, int disabled)
{
    switch (errno_code) {
    case 0:
        return "";
    case ENOSYS:
        return "this kernel has no io_uring, or a container filter hides it";
    case EPERM:
        return disabled ? "forbidden here: set sysctl kernel.io_uring_disabled to 0"
                        : "forbidden here, most likely by a container's seccomp filter";
    case ENOMEM:
        return "the locked-memory limit is too small: raise it with ulimit -l";
    default:
        return strerror(errno_code);
    }
}

static void try_io_uring(struct pawl_sysinfo *info, const char *root)
{
    struct io_uring ring;
    char disabled[PAWL_SYSINFO_TEXT_BYTES];
    int code = io_uring_queue_init(8, &ring, 0);

    if (code == 0)
        io_uring_queue_exit(&ring);
    read_line(root, "/proc/sys/kernel/io_uring_disabled", disabled);
    info->io_uring_errno = -code;
    snprintf(info->io_uring_reason, sizeof(info->io_uring_reason), "%s",
             pawl_sysinfo_io_uring_reason(-code, atoi(disabled)));
}

static void read_gpu(struct pawl_sysinfo *info, const char *root)
{
    char text[1024];
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/proc/driver/nvidia/gpus", root);
    DIR *gpus = opendir(path);
    if (!gpus)
        return;
    const struct dirent *gpu;
    while ((gpu = readdir(gpus))) {
        if (gpu->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/driver/nvidia/gpus/%s/information", gpu->d_name);
        read_text(root, path, text, sizeof(text));
        if (info->nvidia_gpu_count++ == 0)
            find_value(text, "Model", ':', info->nvidia_gpu, sizeof(info->nvidia_gpu));
    }
    closedir(gpus);
    /* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 ...": the version
     * is the first word with digits around a point. */
    read_text(root, "/proc/driver/nvidia/version", text, sizeof(text));
    for (char *word = strtok(text, " \t\n"); word; word = strtok(NULL, " \t\n")) {
        size_t digits = strspn(word, "0123456789");
        if (digits && word[digits] == '.') {
            snprintf(info->nvidia_driver, sizeof(info->nvidia_driver), "%.*s",
                     (int)strspn(word, "0123456789."), word);
            break;
        }
    }
}

void pawl_sysinfo_read(struct pawl_sysinfo *info, const char *root)
{
    *info = (struct pawl_sysinfo){0};
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(info->kernel, sizeof(info->kernel), "%.20s %.80s %.20s", name.sysname,
                 name.release, name.machine);
    char text[4096];
    read_text(root, "/etc/os-release", text, sizeof(text));
    find_value(text, "PRETTY_NAME", '=', info->distribution, sizeof(info->distribution));
    read_cpu(info, root);
    read_memory(info, root);
    info->locked_memory_limit_bytes = limit_of(RLIMIT_MEMLOCK);
    info->descriptor_limit_count = limit_of(RLIMIT_NOFILE);
    try_io_uring(info, root);
    read_gpu(info, root);
}
