/* io_sys.c: the table of plain system calls. */
#include "runtime/io.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int sys_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode)
{
    (void)io;
    int fd = openat(folder, name, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

static int64_t sys_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                        uint64_t offset_bytes)
{
    (void)io;
    ssize_t moved = pread(fd, bytes, byte_count, (off_t)offset_bytes);
    return moved < 0 ? -errno : moved;
}

static int64_t sys_write(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                         uint64_t offset_bytes)
{
    (void)io;
    ssize_t moved = pwrite(fd, bytes, byte_count, (off_t)offset_bytes);
    return moved < 0 ? -errno : moved;
}

static int sys_allocate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    (void)io;
    /* Not posix_fallocate(): where the file system cannot, that writes into every block. */
    return fallocate(fd, 0, 0, (off_t)size_bytes) != 0 ? -errno : 0;
}

static int sys_truncate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    (void)io;
    return ftruncate(fd, (off_t)size_bytes) != 0 ? -errno : 0;
}

static int sys_size(struct pawl_io *io, int fd, uint64_t *size_bytes)
{
    (void)io;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    *size_bytes = (uint64_t)status.st_size;
    return 0;
}

static int sys_sync(struct pawl_io *io, int fd)
{
    (void)io;
    return fdatasync(fd) != 0 ? -errno : 0;
}

static int sys_sync_folder(struct pawl_io *io, int folder)
{
    (void)io;
    return fsync(folder) != 0 ? -errno : 0;
}

static int sys_rename(struct pawl_io *io, int folder, const char *from, const char *to)
{
    (void)io;
    return renameat(folder, from, folder, to) != 0 ? -errno : 0;
}

static int sys_exchange(struct pawl_io *io, int folder, const char *one, const char *other)
{
    (void)io;
    return renameat2(folder, one, folder, other, RENAME_EXCHANGE) != 0 ? -errno : 0;
}

static int sys_unlink(struct pawl_io *io, int folder, const char *name)
{
    (void)io;
    return unlinkat(folder, name, 0) != 0 ? -errno : 0;
}

static int sys_mkdir(struct pawl_io *io, int folder, const char *name, mode_t mode)
{
    (void)io;
    return mkdirat(folder, name, mode) != 0 ? -errno : 0;
}

static int sys_rmdir(struct pawl_io *io, int folder, const char *name)
{
    (void)io;
    return unlinkat(folder, name, AT_REMOVEDIR) != 0 ? -errno : 0;
}

static int sys_symlink(struct pawl_io *io, int folder, const char *target, const char *name)
{
    (void)io;
    return symlinkat(target, folder, name) != 0 ? -errno : 0;
}

static int sys_readlink(struct pawl_io *io, int folder, const char *name, char *target,
                        size_t target_bytes)
{
    (void)io;
    ssize_t length = readlinkat(folder, name, target, target_bytes - 1);
    target[length < 0 ? 0 : length] = '\0';
    return length < 0 ? -errno : 0;
}

static int sys_list(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                    void *arg)
{
    (void)io;
    /* A descriptor of its own: closedir() closes it, and its position is not the caller's. */
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *entries = fdopendir(fd);
    if (!entries) {
        int code = -errno;
        close(fd);
        return code;
    }

    int code = 0;
    while (code == 0) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (!entry) {
            code = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            code = each(arg, entry->d_name);
    }
    closedir(entries);
    return code;
}

static int sys_close(struct pawl_io *io, int fd)
{
    (void)io;
    return close(fd) != 0 ? -errno : 0;
}

static struct pawl_io sys = {
    .name = "system",
    .open = sys_open,
    .read = sys_read,
    .write = sys_write,
    .allocate = sys_allocate,
    .truncate = sys_truncate,
    .size = sys_size,
    .sync = sys_sync,
    .sync_folder = sys_sync_folder,
    .rename = sys_rename,
    .exchange = sys_exchange,
    .unlink = sys_unlink,
    .mkdir = sys_mkdir,
    .rmdir = sys_rmdir,
    .symlink = sys_symlink,
    .readlink = sys_readlink,
    .list = sys_list,
    .close = sys_close,
};

struct pawl_io *pawl_io_sys(void)
{
    return &sys;
}
