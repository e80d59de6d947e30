/* scratch.h: the files of one test: a folder of its own, and what is in them.
 *
 *     struct scratch scratch;
 *     scratch_open(&scratch);
 *     scratch_path(&scratch, "x")          valid until the fourth call after
 *     scratch_close(&scratch);
 */
#ifndef PAWL_TEST_SCRATCH_H
#define PAWL_TEST_SCRATCH_H

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temp.h"

struct scratch {
    char path[TEMP_BYTES];
};

static inline void scratch_open(struct scratch *scratch)
{
    temp_folder_make(scratch->path);
}

static inline void scratch_close(struct scratch *scratch)
{
    temp_folder_remove(scratch->path);
}

static inline const char *scratch_path(const struct scratch *scratch, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", scratch->path, name);
    return path;
}

/* How many files there are. */
static inline int scratch_file_count(const struct scratch *scratch)
{
    return temp_entry_count(scratch->path) - 2; /* . and .. */
}

static inline void scratch_write(const char *path, const void *bytes, size_t byte_count)
{
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, byte_count, file), byte_count);
    ck_assert_int_eq(fclose(file), 0);
}

/* The content and a zero byte, to be freed; NULL when there is no such file. */
static inline char *scratch_read(const char *path, size_t *byte_count)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    struct stat status;
    ck_assert_int_eq(fstat(fileno(file), &status), 0);
    *byte_count = (size_t)status.st_size;
    char *bytes = malloc(*byte_count + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *byte_count, file), *byte_count);
    bytes[*byte_count] = '\0';
    fclose(file);
    return bytes;
}

/* The file is there and holds the text, no byte more. */
static inline void scratch_expect(const char *path, const char *text)
{
    size_t byte_count = 0;
    char *bytes = scratch_read(path, &byte_count);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(byte_count, strlen(text));
    ck_assert_str_eq(bytes, text);
    free(bytes);
}

#endif
