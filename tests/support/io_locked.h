/* io_locked.h: an io table that one thread at a time is in, for those that say they need it.
 *
 *     struct io_locked locked;
 *     io_locked_open(&locked, &mem.io);
 *     use &locked.io from any thread; hold the lock to look at mem
 */
#ifndef PAWL_TEST_IO_LOCKED_H
#define PAWL_TEST_IO_LOCKED_H

#include <pthread.h>

#include "runtime/io.h"

struct io_locked {
    struct pawl_io io; /* first; pass its address */
    struct pawl_io *inner;
    pthread_mutex_t lock; /* recursive: what a folder is listed for may be more calls */
};

#define IO_LOCKED(type, call, parameters, ...)                                                 \
    static inline type io_locked_call_##call parameters                                        \
    {                                                                                          \
        struct io_locked *locked = (struct io_locked *)io;                                     \
        pthread_mutex_lock(&locked->lock);                                                     \
        type result = locked->inner->call(locked->inner, __VA_ARGS__);                         \
        pthread_mutex_unlock(&locked->lock);                                                   \
        return result;                                                                         \
    }

IO_LOCKED(int, open,
          (struct pawl_io * io, int folder, const char *name, int flags, mode_t mode), folder,
          name, flags, mode)
IO_LOCKED(int64_t, read,
          (struct pawl_io * io, int fd, void *bytes, size_t count, uint64_t offset), fd, bytes,
          count, offset)
IO_LOCKED(int64_t, write,
          (struct pawl_io * io, int fd, const void *bytes, size_t count, uint64_t offset), fd,
          bytes, count, offset)
IO_LOCKED(int, allocate, (struct pawl_io * io, int fd, uint64_t size), fd, size)
IO_LOCKED(int, truncate, (struct pawl_io * io, int fd, uint64_t size), fd, size)
IO_LOCKED(int, size, (struct pawl_io * io, int fd, uint64_t *size), fd, size)
IO_LOCKED(int, sync, (struct pawl_io * io, int fd), fd)
IO_LOCKED(int, sync_folder, (struct pawl_io * io, int folder), folder)
IO_LOCKED(int, rename, (struct pawl_io * io, int folder, const char *from, const char *to),
          folder, from, to)
IO_LOCKED(int, exchange, (struct pawl_io * io, int folder, const char *one, const char *other),
          folder, one, other)
IO_LOCKED(int, unlink, (struct pawl_io * io, int folder, const char *name), folder, name)
IO_LOCKED(int, mkdir, (struct pawl_io * io, int folder, const char *name, mode_t mode), folder,
          name, mode)
IO_LOCKED(int, rmdir, (struct pawl_io * io, int folder, const char *name), folder, name)
IO_LOCKED(int, symlink, (struct pawl_io * io, int folder, const char *target, const char *name),
          folder, target, name)
IO_LOCKED(int, readlink,
          (struct pawl_io * io, int folder, const char *name, char *target, size_t bytes),
          folder, name, target, bytes)
IO_LOCKED(int, list,
          (struct pawl_io * io, int folder, int (*each)(void *, const char *), void *arg),
          folder, each, arg)
IO_LOCKED(int, close, (struct pawl_io * io, int fd), fd)

static inline void io_locked_open(struct io_locked *locked, struct pawl_io *inner)
{
    pthread_mutexattr_t attributes;
    *locked = (struct io_locked){
        .io =
            {
                .name = "locked",
                .open = io_locked_call_open,
                .read = io_locked_call_read,
                .write = io_locked_call_write,
                .allocate = io_locked_call_allocate,
                .truncate = io_locked_call_truncate,
                .size = io_locked_call_size,
                .sync = io_locked_call_sync,
                .sync_folder = io_locked_call_sync_folder,
                .rename = io_locked_call_rename,
                .exchange = io_locked_call_exchange,
                .unlink = io_locked_call_unlink,
                .mkdir = io_locked_call_mkdir,
                .rmdir = io_locked_call_rmdir,
                .symlink = io_locked_call_symlink,
                .readlink = io_locked_call_readlink,
                .list = io_locked_call_list,
                .close = io_locked_call_close,
            },
        .inner = inner,
    };
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&locked->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

#endif
