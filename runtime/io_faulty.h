/* io_faulty.h: a table whose n-th call fails, for tests.
 *
 *     struct pawl_io_faulty faulty;
 *     pawl_io_faulty_open(&faulty, pawl_io_sys());
 *     save(&faulty.io);                                a clean run counts the calls
 *     for (uint64_t n = 1; n <= faulty.call_count; n++) {
 *         pawl_io_faulty_arm(&faulty, n, EIO, PAWL_IO_ONCE);
 *         save(&faulty.io);
 *     }
 *
 * A call that fails does nothing, except close: the descriptor is gone as it is on Linux. Calls
 * made by threads are counted together; there must be one at a time.
 */
#ifndef PAWL_RUNTIME_IO_FAULTY_H
#define PAWL_RUNTIME_IO_FAULTY_H

#include <stdbool.h>

#include "runtime/io.h"

#define PAWL_IO_TRACE_MAX 256

enum pawl_io_call {
    PAWL_IO_CALL_OPEN,
    PAWL_IO_CALL_READ,
    PAWL_IO_CALL_WRITE,
    PAWL_IO_CALL_ALLOCATE,
    PAWL_IO_CALL_TRUNCATE,
    PAWL_IO_CALL_SIZE,
    PAWL_IO_CALL_SYNC,
    PAWL_IO_CALL_SYNC_FOLDER,
    PAWL_IO_CALL_RENAME,
    PAWL_IO_CALL_EXCHANGE,
    PAWL_IO_CALL_UNLINK,
    PAWL_IO_CALL_MKDIR,
    PAWL_IO_CALL_RMDIR,
    PAWL_IO_CALL_SYMLINK,
    PAWL_IO_CALL_READLINK,
    PAWL_IO_CALL_LIST,
    PAWL_IO_CALL_CLOSE,
    PAWL_IO_CALL_COUNT,
};

enum pawl_io_persistence { PAWL_IO_ONCE, PAWL_IO_FOR_EVER };

struct pawl_io_traced {
    enum pawl_io_call call;
    int fd;         /* the descriptor or folder passed in; the one returned by open */
    int64_t result; /* what the caller saw */
};

struct pawl_io_faulty {
    struct pawl_io io; /* first; pass its address */
    struct pawl_io *under;

    uint64_t call_count; /* since open or arm */
    uint64_t fail_at;    /* the call that fails, counted from 1; 0: none */
    int fail_code;       /* a positive errno value */
    enum pawl_io_persistence persistence;
    size_t write_bytes_max; /* a write moves at most so many; 0: as many as asked */

    /* The calls since open or arm; those past the end of the array are counted, not kept. */
    struct pawl_io_traced trace[PAWL_IO_TRACE_MAX];
};

/* Nothing fails yet. `under` makes the calls and stays the caller's. */
void pawl_io_faulty_open(struct pawl_io_faulty *faulty, struct pawl_io *under);

/* Counts and traces anew; the call number fail_at (0: none) fails with `code`, and with
 * PAWL_IO_FOR_EVER every later one too. */
void pawl_io_faulty_arm(struct pawl_io_faulty *faulty, uint64_t fail_at, int code,
                        enum pawl_io_persistence persistence);

/* "open", "sync_folder"; never NULL. */
const char *pawl_io_call_name(enum pawl_io_call call);

/* How many calls of that kind are in the trace. */
uint64_t pawl_io_faulty_count(const struct pawl_io_faulty *faulty, enum pawl_io_call call);

#endif
