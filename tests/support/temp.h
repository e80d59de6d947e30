/* temp.h: a folder of a test's own. */
#ifndef PAWL_TEST_TEMP_H
#define PAWL_TEST_TEMP_H

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define TEMP_BYTES 64

/* Makes a new folder of mode 0700, in TMPDIR where that is said, and writes its path. */
static inline void temp_folder_make(char path[TEMP_BYTES])
{
    const char *root = getenv("TMPDIR");
    int length = snprintf(path, TEMP_BYTES, "%s/pawl-test-XXXXXX", root ? root : "/tmp");
    ck_assert_int_lt(length, TEMP_BYTES);
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static inline int temp_remove_one(const char *path, const struct stat *info, int kind,
                                  struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void temp_folder_remove(const char *path)
{
    ck_assert_int_eq(nftw(path, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* How many entries a folder has; of /proc/self/fd: how many descriptors are open. */
static inline int temp_entry_count(const char *path)
{
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static inline int temp_fd_count(void)
{
    return temp_entry_count("/proc/self/fd");
}

#endif
