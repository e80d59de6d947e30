#include "runtime/io.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fault.h"

/* Evaluates to what CALL returns, between the fault points of one table call. */
#define PASS(point, result, call)                                                              \
    do {                                                                                       \
        int fault_ = PAWL_FAULT_ERRNO("io.before");                                            \
        if (!fault_)                                                                           \
            fault_ = PAWL_FAULT_ERRNO(point);                                                  \
        (result) = fault_ ? -fault_ : (call);                                                  \
        PAWL_FAULT("io.after");                                                                \
    } while (0)

#define PASS_RETRYING(point, result, call)                                                     \
    do {                                                                                       \
        for (int try_ = 0; try_ < PAWL_IO_INTERRUPTS_MAX; try_++) {                            \
            PASS(point, result, call);                                                         \
            if ((result) != -EINTR)                                                            \
                break;                                                                         \
        }                                                                                      \
    } while (0)

int pawl_io_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode)
{
    int fd = -EINTR;
    PASS_RETRYING("io.open", fd, io->open(io, folder, name, flags, mode));
    return fd;
}

int64_t pawl_io_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                     uint64_t offset_bytes)
{
    int64_t moved = -EINTR;
    PASS_RETRYING("io.read", moved, io->read(io, fd, bytes, byte_count, offset_bytes));
    return moved;
}

int64_t pawl_io_write(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                      uint64_t offset_bytes)
{
    int64_t moved = -EINTR;
    PASS_RETRYING("io.write", moved, io->write(io, fd, bytes, byte_count, offset_bytes));
    return moved;
}

int pawl_io_allocate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    int code = -EINTR;
    PASS_RETRYING("io.allocate", code, io->allocate(io, fd, size_bytes));
    return code;
}

int pawl_io_truncate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    int code = -EINTR;
    PASS_RETRYING("io.truncate", code, io->truncate(io, fd, size_bytes));
    return code;
}

int pawl_io_size(struct pawl_io *io, int fd, uint64_t *size_bytes)
{
    int code = -EINTR;
    PASS_RETRYING("io.size", code, io->size(io, fd, size_bytes));
    return code;
}

int pawl_io_rename(struct pawl_io *io, int folder, const char *from, const char *to)
{
    int code = -EINTR;
    PASS_RETRYING("io.rename", code, io->rename(io, folder, from, to));
    return code;
}

int pawl_io_exchange(struct pawl_io *io, int folder, const char *one, const char *other)
{
    int code = -EINTR;
    PASS_RETRYING("io.exchange", code, io->exchange(io, folder, one, other));
    return code;
}

int pawl_io_unlink(struct pawl_io *io, int folder, const char *name)
{
    int code = -EINTR;
    PASS_RETRYING("io.unlink", code, io->unlink(io, folder, name));
    return code;
}

int pawl_io_mkdir(struct pawl_io *io, int folder, const char *name, mode_t mode)
{
    int code = -EINTR;
    PASS_RETRYING("io.mkdir", code, io->mkdir(io, folder, name, mode));
    return code;
}

int pawl_io_rmdir(struct pawl_io *io, int folder, const char *name)
{
    int code = -EINTR;
    PASS_RETRYING("io.rmdir", code, io->rmdir(io, folder, name));
    return code;
}

int pawl_io_symlink(struct pawl_io *io, int folder, const char *target, const char *name)
{
    int code = -EINTR;
    PASS_RETRYING("io.symlink", code, io->symlink(io, folder, target, name));
    return code;
}

int pawl_io_readlink(struct pawl_io *io, int folder, const char *name, char *target,
                     size_t target_bytes)
{
    int code = -EINTR;
    PASS_RETRYING("io.readlink", code, io->readlink(io, folder, name, target, target_bytes));
    return code;
}

int pawl_io_list(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                 void *arg)
{
    int code;
    PASS("io.list", code, io->list(io, folder, each, arg));
    return code;
}

int pawl_io_sync(struct pawl_io *io, int fd)
{
    int code;
    PASS("io.sync", code, io->sync(io, fd));
    return code;
}

int pawl_io_sync_folder(struct pawl_io *io, int folder)
{
    int code = -EINTR;
    PASS_RETRYING("io.sync_folder", code, io->sync_folder(io, folder));
    return code;
}

int pawl_io_close(struct pawl_io *io, int fd)
{
    /* No PASS(): a call that is to fail still has to give the descriptor back. */
    int fault = PAWL_FAULT_ERRNO("io.before");
    if (!fault)
        fault = PAWL_FAULT_ERRNO("io.close");
    int code = io->close(io, fd);
    PAWL_FAULT("io.after");
    return fault ? -fault : code;
}

int pawl_io_open_folder_of(struct pawl_io *io, const char *path, const char **name,
                           struct pawl_err *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char folder_path[PATH_MAX] = ".";

    *name = slash ? slash + 1 : path;
    if (**name == '\0')
        return pawl_err_set(err, EISDIR, "\"%s\" names a folder, not a file", path);
    if (length >= sizeof(folder_path))
        return pawl_err_set(err, ENAMETOOLONG,
                            "%.40s...: a folder's path of %zu bytes, at most %d", path, length,
                            PATH_MAX - 1);
    if (slash)
        snprintf(folder_path, sizeof(folder_path), "%.*s", length ? (int)length : 1, path);

    int folder = pawl_io_open(io, PAWL_IO_CWD, folder_path, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return pawl_err_set(err, -folder, "open folder %s: %s", folder_path, strerror(-folder));
    return folder;
}

int pawl_io_write_all(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                      uint64_t offset_bytes)
{
    const char *at = bytes;

    while (byte_count > 0) {
        int64_t moved = pawl_io_write(io, fd, at, byte_count, offset_bytes);
        if (moved < 0)
            return (int)moved;
        if (moved == 0)
            return -EIO;
        at += moved;
        offset_bytes += (uint64_t)moved;
        byte_count -= (size_t)moved;
    }
    return 0;
}

int64_t pawl_io_read_up_to(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                           uint64_t offset_bytes)
{
    char *to = bytes;
    size_t done = 0;

    while (done < byte_count) {
        int64_t moved = pawl_io_read(io, fd, to + done, byte_count - done, offset_bytes + done);
        if (moved < 0)
            return moved;
        if (moved == 0)
            break;
        done += (size_t)moved;
    }
    return (int64_t)done;
}
