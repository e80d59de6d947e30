#include "runtime/io_faulty.h"

static struct pawl_io_faulty *faulty_of(struct pawl_io *io)
{
    return (struct pawl_io_faulty *)io; /* io is the first member */
}

/* Counts the call; 0, or what it has to fail with. */
static int enter(struct pawl_io_faulty *faulty)
{
    uint64_t number = ++faulty->call_count;
    bool is_hit =
        number == faulty->fail_at || (faulty->persistence == PAWL_IO_FOR_EVER &&
                                      faulty->fail_at != 0 && number > faulty->fail_at);
    return is_hit ? -faulty->fail_code : 0;
}

static int64_t leave(struct pawl_io_faulty *faulty, enum pawl_io_call call, int fd,
                     uint64_t number, int64_t result)
{
    if (number <= PAWL_IO_TRACE_MAX)
        faulty->trace[number - 1] =
            (struct pawl_io_traced){.call = call, .fd = fd, .result = result};
    return result;
}

/* The body of a call that does nothing when it has to fail. */
#define FORWARD(call, fd, forwarded)                                                           \
    do {                                                                                       \
        struct pawl_io_faulty *faulty = faulty_of(io);                                         \
        int64_t result = enter(faulty);                                                        \
        uint64_t number = faulty->call_count;                                                  \
        if (result == 0)                                                                       \
            result = (forwarded);                                                              \
        return (__typeof__(forwarded))leave(faulty, call, fd, number, result);                 \
    } while (0)

static int faulty_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode)
{
    struct pawl_io_faulty *faulty = faulty_of(io);
    int fd = enter(faulty);
    uint64_t number = faulty->call_count;
    if (fd == 0)
        fd = faulty->under->open(faulty->under, folder, name, flags, mode);
    return (int)leave(faulty, PAWL_IO_CALL_OPEN, fd, number, fd);
}

static int64_t faulty_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                           uint64_t offset_bytes)
{
    FORWARD(PAWL_IO_CALL_READ, fd,
            faulty->under->read(faulty->under, fd, bytes, byte_count, offset_bytes));
}

static int64_t faulty_write(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                            uint64_t offset_bytes)
{
    size_t max = faulty_of(io)->write_bytes_max;
    if (max != 0 && byte_count > max)
        byte_count = max;
    FORWARD(PAWL_IO_CALL_WRITE, fd,
            faulty->under->write(faulty->under, fd, bytes, byte_count, offset_bytes));
}

static int faulty_allocate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    FORWARD(PAWL_IO_CALL_ALLOCATE, fd, faulty->under->allocate(faulty->under, fd, size_bytes));
}

static int faulty_truncate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    FORWARD(PAWL_IO_CALL_TRUNCATE, fd, faulty->under->truncate(faulty->under, fd, size_bytes));
}

static int faulty_size(struct pawl_io *io, int fd, uint64_t *size_bytes)
{
    FORWARD(PAWL_IO_CALL_SIZE, fd, faulty->under->size(faulty->under, fd, size_bytes));
}

static int faulty_sync(struct pawl_io *io, int fd)
{
    FORWARD(PAWL_IO_CALL_SYNC, fd, faulty->under->sync(faulty->under, fd));
}

static int faulty_sync_folder(struct pawl_io *io, int folder)
{
    FORWARD(PAWL_IO_CALL_SYNC_FOLDER, folder,
            faulty->under->sync_folder(faulty->under, folder));
}

static int faulty_rename(struct pawl_io *io, int folder, const char *from, const char *to)
{
    FORWARD(PAWL_IO_CALL_RENAME, folder,
            faulty->under->rename(faulty->under, folder, from, to));
}

static int faulty_exchange(struct pawl_io *io, int folder, const char *one, const char *other)
{
    FORWARD(PAWL_IO_CALL_EXCHANGE, folder,
            faulty->under->exchange(faulty->under, folder, one, other));
}

static int faulty_unlink(struct pawl_io *io, int folder, const char *name)
{
    FORWARD(PAWL_IO_CALL_UNLINK, folder, faulty->under->unlink(faulty->under, folder, name));
}

static int faulty_mkdir(struct pawl_io *io, int folder, const char *name, mode_t mode)
{
    FORWARD(PAWL_IO_CALL_MKDIR, folder,
            faulty->under->mkdir(faulty->under, folder, name, mode));
}

static int faulty_rmdir(struct pawl_io *io, int folder, const char *name)
{
    FORWARD(PAWL_IO_CALL_RMDIR, folder, faulty->under->rmdir(faulty->under, folder, name));
}

static int faulty_symlink(struct pawl_io *io, int folder, const char *target, const char *name)
{
    FORWARD(PAWL_IO_CALL_SYMLINK, folder,
            faulty->under->symlink(faulty->under, folder, target, name));
}

static int faulty_readlink(struct pawl_io *io, int folder, const char *name, char *target,
                           size_t target_bytes)
{
    FORWARD(PAWL_IO_CALL_READLINK, folder,
            faulty->under->readlink(faulty->under, folder, name, target, target_bytes));
}

static int faulty_list(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                       void *arg)
{
    FORWARD(PAWL_IO_CALL_LIST, folder, faulty->under->list(faulty->under, folder, each, arg));
}

static int faulty_close(struct pawl_io *io, int fd)
{
    struct pawl_io_faulty *faulty = faulty_of(io);
    int failure = enter(faulty);
    uint64_t number = faulty->call_count;
    int code = faulty->under->close(faulty->under, fd);
    return (int)leave(faulty, PAWL_IO_CALL_CLOSE, fd, number, failure ? failure : code);
}

void pawl_io_faulty_open(struct pawl_io_faulty *faulty, struct pawl_io *under)
{
    *faulty = (struct pawl_io_faulty){
        .io =
            {
                .name = "faulty",
                .open = faulty_open,
                .read = faulty_read,
                .write = faulty_write,
                .allocate = faulty_allocate,
                .truncate = faulty_truncate,
                .size = faulty_size,
                .sync = faulty_sync,
                .sync_folder = faulty_sync_folder,
                .rename = faulty_rename,
                .exchange = faulty_exchange,
                .unlink = faulty_unlink,
                .mkdir = faulty_mkdir,
                .rmdir = faulty_rmdir,
                .symlink = faulty_symlink,
                .readlink = faulty_readlink,
                .list = faulty_list,
                .close = faulty_close,
            },
        .under = under,
    };
}

void pawl_io_faulty_arm(struct pawl_io_faulty *faulty, uint64_t fail_at, int code,
                        enum pawl_io_persistence persistence)
{
    faulty->call_count = 0;
    faulty->fail_at = fail_at;
    faulty->fail_code = code;
    faulty->persistence = persistence;
}

const char *pawl_io_call_name(enum pawl_io_call call)
{
    static const char *const names[PAWL_IO_CALL_COUNT] = {
        "open",  "read",        "write",    "allocate", "truncate", "size",
        "sync",  "sync_folder", "rename",   "exchange", "unlink",   "mkdir",
        "rmdir", "symlink",     "readlink", "list",     "close",
    };
    return (unsigned)call < PAWL_IO_CALL_COUNT ? names[call] : "unknown";
}

uint64_t pawl_io_faulty_count(const struct pawl_io_faulty *faulty, enum pawl_io_call call)
{
    uint64_t kept =
        faulty->call_count < PAWL_IO_TRACE_MAX ? faulty->call_count : PAWL_IO_TRACE_MAX;
    uint64_t count = 0;
    for (uint64_t i = 0; i < kept; i++)
        count += faulty->trace[i].call == call;
    return count;
}
