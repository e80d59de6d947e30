/* io.h: everything that writes a file goes through one small table of functions.
 *
 * The table is what tests exchange: pawl_io_sys() makes system calls, io_faulty.h lets the n-th
 * call fail, io_mem.h forgets at a power cut what was not synced. Callers use the functions
 * below, which retry an interrupted call and pass the fault points.
 *
 *     struct pawl_io *io = pawl_io_sys();
 *     int fd = pawl_io_open(io, PAWL_IO_CWD, "x", O_WRONLY | O_CREAT | O_EXCL, 0666);
 *     int code = pawl_io_write_all(io, fd, bytes, byte_count, 0);
 *     if (code == 0)
 *         code = pawl_io_sync(io, fd);
 *     pawl_io_close(io, fd);
 *
 * All return -errno on failure; most set no text, for the caller knows path and purpose. A
 * file is worth nothing after a power cut before pawl_io_sync() of the file and
 * pawl_io_sync_folder() of its folder have returned 0; durable.h has that order right.
 *
 * Fault points (fault.h): "io.before" and "io.after" are passed by every call, in that order
 * around it; "io.OPERATION" (io.open, io.sync_folder, ...) before calls of that kind. Thread
 * safety: a table may be used by several threads unless its maker says otherwise.
 */
#ifndef PAWL_RUNTIME_IO_H
#define PAWL_RUNTIME_IO_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/err.h"

/* As `folder`: names are relative to the working directory. */
#define PAWL_IO_CWD AT_FDCWD

/* How often in a row a call may be interrupted by a signal before that is reported as -EINTR:
 * nothing is retried for ever. */
#define PAWL_IO_INTERRUPTS_MAX 8

struct pawl_io {
    const char *name; /* "system"; for messages */

    /* A descriptor, close-on-exec, or -errno. `folder` is a descriptor or PAWL_IO_CWD. */
    int (*open)(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode);

    /* The number of bytes moved, which may be fewer than asked, or -errno. */
    int64_t (*read)(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                    uint64_t offset_bytes);
    int64_t (*write)(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                     uint64_t offset_bytes);

    /* Reserves the blocks of the first size_bytes and makes the file at least that long.
     * -EOPNOTSUPP where the file system cannot. */
    int (*allocate)(struct pawl_io *io, int fd, uint64_t size_bytes);

    int (*truncate)(struct pawl_io *io, int fd, uint64_t size_bytes);
    int (*size)(struct pawl_io *io, int fd, uint64_t *size_bytes);

    /* The content and length of a file; the entries of a folder. */
    int (*sync)(struct pawl_io *io, int fd);
    int (*sync_folder)(struct pawl_io *io, int folder);

    int (*rename)(struct pawl_io *io, int folder, const char *from, const char *to);

    /* Both names are there and change places, at once. -EINVAL where the file system cannot. */
    int (*exchange)(struct pawl_io *io, int folder, const char *one, const char *other);

    int (*unlink)(struct pawl_io *io, int folder, const char *name);

    int (*mkdir)(struct pawl_io *io, int folder, const char *name, mode_t mode);
    int (*rmdir)(struct pawl_io *io, int folder, const char *name);

    /* A symbolic link; its text is what readlink returns, cut at target_bytes with a closing
     * zero. */
    int (*symlink)(struct pawl_io *io, int folder, const char *target, const char *name);
    int (*readlink)(struct pawl_io *io, int folder, const char *name, char *target,
                    size_t target_bytes);

    /* Calls each() with every name of the folder but "." and ".."; each() may unlink. Stops at
     * the first non-zero answer and returns it. */
    int (*list)(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                void *arg);

    /* The descriptor is gone, whatever is returned. */
    int (*close)(struct pawl_io *io, int fd);
};

/* Plain system calls. Never NULL, no state, any thread. */
struct pawl_io *pawl_io_sys(void);

/* The functions of the table, as their comments there say, with interrupted calls retried. */
int pawl_io_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode);
int64_t pawl_io_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                     uint64_t offset_bytes);
int64_t pawl_io_write(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                      uint64_t offset_bytes);
int pawl_io_allocate(struct pawl_io *io, int fd, uint64_t size_bytes);
int pawl_io_truncate(struct pawl_io *io, int fd, uint64_t size_bytes);
int pawl_io_size(struct pawl_io *io, int fd, uint64_t *size_bytes);
int pawl_io_rename(struct pawl_io *io, int folder, const char *from, const char *to);
int pawl_io_exchange(struct pawl_io *io, int folder, const char *one, const char *other);
int pawl_io_unlink(struct pawl_io *io, int folder, const char *name);
int pawl_io_mkdir(struct pawl_io *io, int folder, const char *name, mode_t mode);
int pawl_io_rmdir(struct pawl_io *io, int folder, const char *name);
int pawl_io_symlink(struct pawl_io *io, int folder, const char *target, const char *name);
int pawl_io_readlink(struct pawl_io *io, int folder, const char *name, char *target,
                     size_t target_bytes);
int pawl_io_list(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                 void *arg);

/* Not retried: after a failed sync the kernel may have dropped the very pages it could not
 * write, and a second sync would report success without them. -EINTR reaches the caller. */
int pawl_io_sync(struct pawl_io *io, int fd);

int pawl_io_sync_folder(struct pawl_io *io, int folder);
int pawl_io_close(struct pawl_io *io, int fd);

/* Opens the folder that holds `path`, as *name (which points into path), so that both can be
 * given to the functions above and the folder be synced. A descriptor or -errno with a text. */
int pawl_io_open_folder_of(struct pawl_io *io, const char *path, const char **name,
                           struct pawl_err *err);

/* All bytes or an error: finishes short writes. -EIO when a write moves nothing. */
int pawl_io_write_all(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                      uint64_t offset_bytes);

/* Reads until byte_count bytes or the end of the file; returns how many, or -errno. */
int64_t pawl_io_read_up_to(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                           uint64_t offset_bytes);

#endif
