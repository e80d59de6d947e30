#include "shm/inspect_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "shm/process.h"

#define MEMFD_PREFIX     "/memfd:pawl:"
#define ANCESTOR_COUNT   16
#define RUN_PASS_COUNT   64
#define LINK_BYTES       4096
#define MAPS_LINE_BYTES  4608
#define LISTED_COUNT_MAX 8

static int add(struct pawl_sightings *found, const struct pawl_sighting *sighting,
               struct pawl_err *err)
{
    if (found->count == PAWL_FIND_SIGHTINGS_MAX)
        return pawl_err_set(err, E2BIG, "more than %u descriptors and maps of segments",
                            PAWL_FIND_SIGHTINGS_MAX);
    if (found->count == found->room) {
        size_t room = found->room ? 2 * found->room : 64;
        struct pawl_sighting *all = realloc(found->all, room * sizeof(*all));
        if (!all)
            return pawl_err_set(err, ENOMEM, "list of segments: out of memory");
        found->all = all;
        found->room = room;
    }
    found->all[found->count++] = *sighting;
    return 0;
}

/* The target of a link in /proc; false when it cannot be read. */
static bool read_link(const char *path, char target[LINK_BYTES])
{
    ssize_t length = readlink(path, target, LINK_BYTES - 1);
    target[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static int look_at_fds(struct pawl_sightings *found, uint32_t pid, struct pawl_err *err)
{
    char path[80], target[LINK_BYTES];
    struct stat file;
    int status = 0;
    snprintf(path, sizeof(path), "/proc/%u/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return 0; /* it has ended, or it is not ours to look at */
    for (const struct dirent *entry; status == 0 && (entry = readdir(folder));) {
        struct pawl_sighting sighting = {.pid = pid};
        snprintf(sighting.path, sizeof(sighting.path), "/proc/%u/fd/%.32s", pid, entry->d_name);
        if (!read_link(sighting.path, target) ||
            strncmp(target, MEMFD_PREFIX, strlen(MEMFD_PREFIX)) != 0 ||
            stat(sighting.path, &file) != 0)
            continue;
        sighting.device = file.st_dev;
        sighting.inode = file.st_ino;
        status = add(found, &sighting, err);
    }
    closedir(folder);
    return status;
}

/* A descriptor is often closed once the segment is mapped. */
static int look_at_maps(struct pawl_sightings *found, uint32_t pid, struct pawl_err *err)
{
    char path[80], line[MAPS_LINE_BYTES];
    int status = 0;
    snprintf(path, sizeof(path), "/proc/%u/maps", pid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        return 0;
    while (status == 0 && fgets(line, sizeof(line), maps)) {
        struct pawl_sighting sighting = {.pid = pid};
        char range[40];
        unsigned int major_number, minor_number;
        uint64_t inode;
        int name_at = 0;
        if (sscanf(line, "%39s %*s %*s %x:%x %" SCNu64 " %n", range, &major_number,
                   &minor_number, &inode, &name_at) != 4 ||
            strncmp(line + name_at, MEMFD_PREFIX, strlen(MEMFD_PREFIX)) != 0)
            continue;
        sighting.device = makedev(major_number, minor_number);
        sighting.inode = (ino_t)inode;
        snprintf(sighting.path, sizeof(sighting.path), "/proc/%u/map_files/%s", pid, range);
        if (access(sighting.path, R_OK) != 0)
            sighting.path[0] = '\0';
        status = add(found, &sighting, err);
    }
    fclose(maps);
    return status;
}

static bool is_ours(uint32_t pid)
{
    char path[32];
    struct stat info;
    snprintf(path, sizeof(path), "/proc/%u", pid);
    return stat(path, &info) == 0 && info.st_uid == geteuid();
}

int pawl_sightings_find(struct pawl_sightings *found, struct pawl_err *err)
{
    int status = 0;
    *found = (struct pawl_sightings){0};
    DIR *folder = opendir("/proc");
    if (!folder)
        return pawl_err_set(err, errno, "open /proc: %s", strerror(errno));
    for (const struct dirent *entry; status == 0 && (entry = readdir(folder));) {
        uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);
        if (pid == 0 || pid == (uint32_t)getpid() || !is_ours(pid))
            continue;
        status = look_at_fds(found, pid, err);
        if (status == 0)
            status = look_at_maps(found, pid, err);
    }
    closedir(folder);
    if (status)
        pawl_sightings_close(found);
    return status;
}

static bool is_same(const struct pawl_sighting *a, const struct pawl_sighting *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* By segment, and of one segment those first that open it. */
static int by_segment(const void *left, const void *right)
{
    const struct pawl_sighting *a = left, *b = right;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    if ((a->path[0] == '\0') != (b->path[0] == '\0'))
        return a->path[0] == '\0' ? 1 : -1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

static int by_pid(const void *left, const void *right)
{
    const struct pawl_sighting *a = left, *b = right;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* What is in the run takes all with it that has the same segment, or the same process. Returns
 * whether anything was added. */
static bool spread(struct pawl_sightings *found, bool by_process)
{
    bool has_grown = false;
    qsort(found->all, found->count, sizeof(*found->all), by_process ? by_pid : by_segment);
    for (size_t start = 0, end; start < found->count; start = end) {
        bool is_in_run = false;
        for (end = start; end < found->count; end++) {
            const struct pawl_sighting *a = &found->all[start], *b = &found->all[end];
            if (by_process ? a->pid != b->pid : !is_same(a, b))
                break;
            is_in_run = is_in_run || b->is_in_run;
        }
        for (size_t i = start; i < end && is_in_run; i++) {
            has_grown = has_grown || !found->all[i].is_in_run;
            found->all[i].is_in_run = true;
        }
    }
    return has_grown;
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static bool has_argument_below(uint32_t pid, const char *folder)
{
    char path[80];
    char *word = NULL;
    size_t room = 0;
    bool has = false;
    snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
    FILE *words = fopen(path, "re");
    while (words && !has && getdelim(&word, &room, '\0', words) > 0)
        has = is_below(word, folder);
    free(word);
    if (words)
        fclose(words);
    return has;
}

static bool has_open_below(uint32_t pid, const char *folder)
{
    char path[80], target[LINK_BYTES];
    bool has = false;
    snprintf(path, sizeof(path), "/proc/%u/fd", pid);
    DIR *fds = opendir(path);
    for (const struct dirent *entry; fds && !has && (entry = readdir(fds));) {
        snprintf(path, sizeof(path), "/proc/%u/fd/%.32s", pid, entry->d_name);
        has = read_link(path, target) && is_below(target, folder);
    }
    if (fds)
        closedir(fds);
    return has;
}

static bool is_seed(uint32_t pid, uint32_t seed_pid, const char *folder)
{
    return pid == seed_pid ||
           (folder && (has_argument_below(pid, folder) || has_open_below(pid, folder)));
}

size_t pawl_sightings_mark_run(struct pawl_sightings *found, uint32_t seed_pid,
                               const char *folder)
{
    size_t segment_count = 0;
    if (found->count == 0)
        return 0;
    qsort(found->all, found->count, sizeof(*found->all), by_pid);
    for (size_t i = 0; i < found->count; i++) {
        struct pawl_sighting *sighting = &found->all[i];
        sighting->is_in_run = i > 0 && sighting->pid == sighting[-1].pid
                                  ? sighting[-1].is_in_run
                                  : is_seed(sighting->pid, seed_pid, folder);
    }
    for (int pass = 0; pass < RUN_PASS_COUNT; pass++) {
        bool has_grown = spread(found, false);
        if (!spread(found, true) && !has_grown)
            break;
    }
    qsort(found->all, found->count, sizeof(*found->all), by_segment);
    for (size_t i = 0; i < found->count; i++) {
        bool is_first = i == 0 || !is_same(&found->all[i], &found->all[i - 1]);
        found->all[i].is_chosen = found->all[i].is_in_run && is_first;
        segment_count += found->all[i].is_chosen;
    }
    return segment_count;
}

void pawl_sightings_list(const struct pawl_sightings *found, char *text, size_t text_bytes)
{
    size_t used = 0;
    int listed_count = 0;
    text[0] = '\0';
    for (size_t i = 0; i < found->count && listed_count <= LISTED_COUNT_MAX; i++) {
        struct pawl_process process;
        bool is_new = true;
        for (size_t j = 0; j < i && is_new; j++)
            is_new = found->all[j].pid != found->all[i].pid;
        if (!is_new || pawl_process_read(&process, found->all[i].pid) != 0)
            continue;
        int length = listed_count == LISTED_COUNT_MAX
                         ? snprintf(text + used, text_bytes - used, " and more")
                         : snprintf(text + used, text_bytes - used, "%sprocess %u (%s)",
                                    listed_count ? ", " : "", process.pid, process.name);
        used += (size_t)length < text_bytes - used ? (size_t)length : text_bytes - used - 1;
        listed_count++;
    }
}

void pawl_sightings_close(struct pawl_sightings *found)
{
    free(found->all);
    *found = (struct pawl_sightings){0};
}

/* The hub keeps the lock beside its socket open for as long as it lives. */
static bool has_hub(uint32_t pid, char *folder_path, size_t folder_bytes)
{
    char path[80], target[LINK_BYTES];
    bool has = false;
    snprintf(path, sizeof(path), "/proc/%u/fd", pid);
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && !has && (entry = readdir(folder));) {
        snprintf(path, sizeof(path), "/proc/%u/fd/%.32s", pid, entry->d_name);
        if (!read_link(path, target))
            continue;
        char *slash = strrchr(target, '/');
        has = slash && strcmp(slash + 1, PAWL_HUB_LOCK_NAME) == 0;
        if (has) {
            *slash = '\0';
            has = snprintf(folder_path, folder_bytes, "%s", target) < (int)folder_bytes;
        }
    }
    if (folder)
        closedir(folder);
    return has;
}

bool pawl_find_hub_folder(uint32_t pid, char *folder, size_t folder_bytes)
{
    struct pawl_process process;
    for (int i = 0; i < ANCESTOR_COUNT && pid > 1; i++) {
        if (has_hub(pid, folder, folder_bytes))
            return true;
        if (pawl_process_read(&process, pid) != 0)
            return false;
        pid = process.parent_pid;
    }
    return false;
}

uint32_t pawl_find_hub_pid(const char *folder)
{
    char path[LINK_BYTES], text[16] = {0};
    if (snprintf(path, sizeof(path), "%s/" PAWL_HUB_LOCK_NAME, folder) >= (int)sizeof(path))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    return length > 0 ? (uint32_t)strtoul(text, NULL, 10) : 0;
}
