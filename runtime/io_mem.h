/* io_mem.h: files in memory that forget at a power cut what was not synced, for tests.
 *
 *     struct pawl_io_mem mem;
 *     pawl_io_mem_open(&mem);
 *     pawl_io_mem_cut_after(&mem, 7);                  the power fails after the 7th call
 *     save(&mem.io);                                   calls fail with EIO from then on
 *     pawl_io_mem_restart(&mem, PAWL_IO_CUT_SUBSET, seed);
 *     load(&mem.io);                                   what a disk could hold now
 *     pawl_io_mem_close(&mem);
 *
 * What is certain after a cut: the content of a file as of its last pawl_io_sync(), the names
 * of a folder as of its last pawl_io_sync_folder(). Everything since may have reached the disk
 * or not, each write and each name for itself; a lost write before a kept one leaves zeros. A
 * rename is atomic. That is more than any one file system does to its users, so what holds here
 * holds on all.
 *
 * A folder made by mkdir is a name of the folder above it, and as certain. What is opened
 * relative to PAWL_IO_CWD has its folders made on the way, and certain at once: tests need no
 * preparation. A rename takes a folder along with all in it. Links are read, not followed.
 * Thread safety: one call at a time.
 */
#ifndef PAWL_RUNTIME_IO_MEM_H
#define PAWL_RUNTIME_IO_MEM_H

#include <stdbool.h>

#include "runtime/io.h"

#define PAWL_IO_MEM_FILES_MAX   512 /* folders and links too */
#define PAWL_IO_MEM_FDS_MAX     32
#define PAWL_IO_MEM_NAME_MAX    256
#define PAWL_IO_MEM_PENDING_MAX 4096

enum pawl_io_cut {
    PAWL_IO_CUT_SYNCED, /* only what was synced stays */
    PAWL_IO_CUT_PREFIX, /* a random number of the changes, in order, the last perhaps torn */
    PAWL_IO_CUT_SUBSET, /* each change at random, writes perhaps torn */
    PAWL_IO_CUT_ALL,    /* everything stays: the process died, the power did not */
};

struct pawl_io_mem_bytes {
    unsigned char *data;
    size_t size_bytes;
    size_t capacity_bytes;
};

struct pawl_io_mem_file {
    enum pawl_io_mem_kind { PAWL_IO_MEM_PLAIN, PAWL_IO_MEM_FOLDER, PAWL_IO_MEM_SYMLINK } kind;
    struct pawl_io_mem_bytes now;    /* what a reader sees; of a link, its text */
    struct pawl_io_mem_bytes synced; /* what is certain */
};

/* Where a name is: in the folder whose file has this index. */
struct pawl_io_mem_place {
    unsigned folder_index;
    char name[PAWL_IO_MEM_NAME_MAX]; /* "": none */
};

struct pawl_io_mem_name {
    struct pawl_io_mem_place place; /* without a name, this entry is free */
    unsigned file_index;
};

/* A change that no sync has made certain. */
struct pawl_io_mem_change {
    enum pawl_io_mem_change_kind {
        PAWL_IO_MEM_WRITE,
        PAWL_IO_MEM_TRUNCATE, /* also what allocate does to the size */
        PAWL_IO_MEM_LINK,     /* `to` now names the file; `from`, if any, no longer does */
        PAWL_IO_MEM_EXCHANGE, /* likewise; `from` names the other file */
        PAWL_IO_MEM_UNLINK,
    } kind;
    unsigned file_index;
    unsigned other_index;  /* of an exchange */
    uint64_t offset_bytes; /* or the new size */
    unsigned char *bytes;  /* of a write; owned */
    size_t byte_count;
    struct pawl_io_mem_place to;
    struct pawl_io_mem_place from;
};

struct pawl_io_mem_fd {
    bool is_open;
    bool is_folder;
    unsigned file_index;
};

struct pawl_io_mem {
    struct pawl_io io; /* first; pass its address */

    struct pawl_io_mem_file files[PAWL_IO_MEM_FILES_MAX];
    unsigned file_count; /* the first is the working directory */
    struct pawl_io_mem_name names[PAWL_IO_MEM_FILES_MAX];        /* what a reader sees */
    struct pawl_io_mem_name synced_names[PAWL_IO_MEM_FILES_MAX]; /* what is certain */
    struct pawl_io_mem_change *changes;
    unsigned change_count;
    struct pawl_io_mem_fd fds[PAWL_IO_MEM_FDS_MAX];

    uint64_t call_count;
    uint64_t cut_after; /* calls; UINT64_MAX: never */

    /* The sync of a file with this number, counted from 1, fails with EIO, and the pages it
     * should have written are lost: readers go on seeing them, no later sync writes them. That
     * is what Linux does. 0: none. */
    uint64_t fail_sync_at;
    uint64_t sync_count;
};

/* An empty disk, of some 3 MiB; aborts when memory is out. */
void pawl_io_mem_open(struct pawl_io_mem *mem);

/* Call number call_count + 1 (counted from 1 since the last open or restart), and all later
 * ones, do nothing and return -EIO. */
void pawl_io_mem_cut_after(struct pawl_io_mem *mem, uint64_t call_count);

/* The power comes back: descriptors are gone, and the disk holds what `cut` and the seed say,
 * all of which is certain then. Counts calls anew; no cut is planned. */
void pawl_io_mem_restart(struct pawl_io_mem *mem, enum pawl_io_cut cut, uint64_t seed);

/* How many descriptors are open. */
unsigned pawl_io_mem_open_count(const struct pawl_io_mem *mem);

void pawl_io_mem_close(struct pawl_io_mem *mem);

#endif
