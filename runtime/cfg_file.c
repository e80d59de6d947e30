/* cfg_file.c: whole files in memory, kept so that a problem can show the line. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/cfg_internal.h"
#include "runtime/fault.h"
#include "runtime/file.h"

static int fill(struct pawl_cfg_file *file, struct pawl_err *err)
{
    struct stat status;
    int code = PAWL_FAULT_ERRNO("cfg.file.open");
    int fd = code ? -1 : open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        code = code ? code : errno;
        return pawl_err_set(err, code, "%s", strerror(code));
    }
    code = fstat(fd, &status) != 0
               ? -errno
               : pawl_file_read(fd, PAWL_CFG_FILE_BYTES_MAX, &file->text, &file->text_bytes);
    close(fd);
    if (code != 0)
        return pawl_err_set(err, -code, "%s", strerror(-code));
    if (file->text_bytes > PAWL_CFG_FILE_BYTES_MAX)
        return pawl_err_set(err, EFBIG, "it has more than %u bytes", PAWL_CFG_FILE_BYTES_MAX);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return 0;
}

int pawl_cfg_file_read(struct pawl_cfg *cfg, const char *path, uint32_t parent_index,
                       uint32_t *file_index, struct pawl_err *err)
{
    if (cfg->file_count == PAWL_CFG_FILE_COUNT_MAX)
        return pawl_err_set(err, EMFILE, "a configuration has at most %d files",
                            PAWL_CFG_FILE_COUNT_MAX);

    struct pawl_cfg_file *file = &cfg->files[cfg->file_count];
    *file = (struct pawl_cfg_file){.path = strdup(path), .parent_index = parent_index};
    if (!file->path)
        return pawl_err_set(err, ENOMEM, "out of memory");
    *file_index = cfg->file_count++;
    return fill(file, err);
}

void pawl_cfg_files_free(struct pawl_cfg *cfg)
{
    for (uint32_t i = 0; i < cfg->file_count; i++) {
        free(cfg->files[i].path);
        free(cfg->files[i].text);
    }
    cfg->file_count = 0;
}

const char *pawl_cfg_file_line(const struct pawl_cfg_file *file, uint32_t line,
                               size_t *line_bytes)
{
    const char *at = file->text, *end = file->text + file->text_bytes;

    if (!at)
        return NULL;
    /* A byte order mark is no character of the first line. */
    if (file->text_bytes >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    for (uint32_t i = 1; i < line; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            return NULL;
        at = newline + 1;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *line_bytes = (size_t)((newline ? newline : end) - at);
    if (*line_bytes && at[*line_bytes - 1] == '\r')
        --*line_bytes;
    return at;
}
