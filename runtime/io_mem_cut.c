/* io_mem_cut.c: which changes are certain, and what a power cut leaves of the others. */
#include "runtime/io_mem_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- syncs --- */

int pawl_io_mem_sync(struct pawl_io *io, int fd)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, fd, false);
    if (!open)
        return -EBADF;

    bool is_settled[PAWL_IO_MEM_PENDING_MAX];
    bool is_lost = ++mem->sync_count == mem->fail_sync_at;
    struct pawl_io_mem_file *file = &mem->files[open->file_index];
    for (unsigned i = 0; i < mem->change_count; i++) {
        const struct pawl_io_mem_change *change = &mem->changes[i];
        is_settled[i] =
            !pawl_io_mem_is_name_change(change) && change->file_index == open->file_index;
        if (!is_settled[i] || is_lost)
            continue;
        if (change->kind == PAWL_IO_MEM_WRITE)
            pawl_io_mem_put(&file->synced, change->bytes, change->byte_count,
                            change->offset_bytes);
        else
            pawl_io_mem_resize(&file->synced, (size_t)change->offset_bytes);
    }
    pawl_io_mem_forget_changes(mem, is_settled);
    return is_lost ? -EIO : 0;
}

int pawl_io_mem_sync_folder(struct pawl_io *io, int folder)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, folder, true);
    if (!open)
        return -EBADF;

    bool is_settled[PAWL_IO_MEM_PENDING_MAX];
    for (unsigned i = 0; i < mem->change_count; i++) {
        const struct pawl_io_mem_change *change = &mem->changes[i];
        is_settled[i] =
            pawl_io_mem_is_name_change(change) && change->to.folder_index == open->file_index;
        if (is_settled[i])
            pawl_io_mem_apply_name_change(mem->synced_names, change);
    }
    pawl_io_mem_forget_changes(mem, is_settled);
    return 0;
}

/* --- the cut --- */

static void copy(struct pawl_io_mem_bytes *to, const struct pawl_io_mem_bytes *from)
{
    pawl_io_mem_resize(to, 0);
    pawl_io_mem_put(to, from->data, from->size_bytes, 0);
}

void pawl_io_mem_cut_after(struct pawl_io_mem *mem, uint64_t call_count)
{
    mem->cut_after = call_count;
}

/* Steele, Lea and Flood's SplitMix64: enough for a test's choices. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Carries out a change on what is certain; of a write that is torn, a random part. */
static void settle(struct pawl_io_mem *mem, const struct pawl_io_mem_change *change,
                   bool is_torn, uint64_t *random)
{
    struct pawl_io_mem_bytes *synced = &mem->files[change->file_index].synced;

    if (pawl_io_mem_is_name_change(change)) {
        pawl_io_mem_apply_name_change(mem->synced_names, change);
    } else if (change->kind == PAWL_IO_MEM_TRUNCATE) {
        pawl_io_mem_resize(synced, (size_t)change->offset_bytes);
    } else {
        size_t count = change->byte_count;
        if (is_torn && count > 0)
            count = (size_t)(next_random(random) % count);
        pawl_io_mem_put(synced, change->bytes, count, change->offset_bytes);
    }
}

void pawl_io_mem_restart(struct pawl_io_mem *mem, enum pawl_io_cut cut, uint64_t seed)
{
    uint64_t random = seed;
    unsigned prefix_count =
        mem->change_count == 0 ? 0 : (unsigned)(next_random(&random) % mem->change_count) + 1;

    for (unsigned i = 0; i < mem->change_count; i++) {
        const struct pawl_io_mem_change *change = &mem->changes[i];
        bool is_kept = cut == PAWL_IO_CUT_ALL ||
                       (cut == PAWL_IO_CUT_PREFIX && i < prefix_count) ||
                       (cut == PAWL_IO_CUT_SUBSET && next_random(&random) % 2 == 0);
        bool is_torn = (cut == PAWL_IO_CUT_PREFIX && i + 1 == prefix_count) ||
                       (cut == PAWL_IO_CUT_SUBSET && next_random(&random) % 4 == 0);
        if (is_kept)
            settle(mem, change, is_torn, &random);
        free(change->bytes);
    }
    mem->change_count = 0;

    memcpy(mem->names, mem->synced_names, sizeof(mem->names));
    for (unsigned i = 0; i < mem->file_count; i++)
        copy(&mem->files[i].now, &mem->files[i].synced);
    memset(mem->fds, 0, sizeof(mem->fds));
    mem->call_count = 0;
    mem->cut_after = UINT64_MAX;
    mem->sync_count = 0;
}
