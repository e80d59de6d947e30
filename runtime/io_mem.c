/* io_mem.c: the calls on the disk in memory. Which of their changes are certain is in
 * io_mem_cut.c. */
#include "runtime/io_mem_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names a new file; certain once the folder is synced. */
static int make_named(struct pawl_io_mem *mem, const struct pawl_io_mem_place *place,
                      enum pawl_io_mem_kind kind)
{
    int index = pawl_io_mem_make_file(mem, kind);
    if (index < 0)
        return index;
    struct pawl_io_mem_change *change = pawl_io_mem_add_change(mem, PAWL_IO_MEM_LINK);
    change->file_index = (unsigned)index;
    change->to = *place;
    pawl_io_mem_apply_name_change(mem->names, change);
    return index;
}

/* The file of an open; -errno. */
static int open_file(struct pawl_io_mem *mem, int folder, const struct pawl_io_mem_place *place,
                     int flags)
{
    bool wants_folder = (flags & O_DIRECTORY) != 0;
    if (place->name[0] == '\0')
        return wants_folder ? (int)place->folder_index : -EISDIR;

    const struct pawl_io_mem_name *name = pawl_io_mem_find(mem->names, place);
    if (name) {
        bool is_folder = mem->files[name->file_index].kind == PAWL_IO_MEM_FOLDER;
        if (flags & O_EXCL)
            return -EEXIST;
        if (mem->files[name->file_index].kind == PAWL_IO_MEM_SYMLINK)
            return -ELOOP;
        if (is_folder != wants_folder)
            return is_folder ? -EISDIR : -ENOTDIR;
        return (int)name->file_index;
    }
    if (wants_folder && folder == PAWL_IO_CWD)
        return pawl_io_mem_make_certain_folder(mem, place);
    if (wants_folder || !(flags & O_CREAT))
        return -ENOENT;
    return make_named(mem, place, PAWL_IO_MEM_PLAIN);
}

static int mem_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode)
{
    (void)mode;
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    struct pawl_io_mem_place place;
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    int index = pawl_io_mem_resolve(mem, folder, name, &place);
    if (index == 0)
        index = open_file(mem, folder, &place, flags);
    if (index < 0)
        return index;

    for (int i = 0; i < PAWL_IO_MEM_FDS_MAX; i++) {
        if (mem->fds[i].is_open)
            continue;
        mem->fds[i] = (struct pawl_io_mem_fd){
            .is_open = true,
            .is_folder = mem->files[index].kind == PAWL_IO_MEM_FOLDER,
            .file_index = (unsigned)index,
        };
        return PAWL_IO_MEM_FD_FIRST + i;
    }
    return -EMFILE;
}

static int64_t mem_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                        uint64_t offset_bytes)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, fd, false);
    if (!open)
        return -EBADF;
    const struct pawl_io_mem_bytes *now = &mem->files[open->file_index].now;
    if (offset_bytes >= now->size_bytes)
        return 0;
    size_t left = now->size_bytes - (size_t)offset_bytes;
    size_t count = byte_count < left ? byte_count : left;
    memcpy(bytes, now->data + offset_bytes, count);
    return (int64_t)count;
}

static int64_t mem_write(struct pawl_io *io, int fd, const void *bytes, size_t byte_count,
                         uint64_t offset_bytes)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, fd, false);
    if (!open)
        return -EBADF;

    pawl_io_mem_put(&mem->files[open->file_index].now, bytes, byte_count, offset_bytes);
    struct pawl_io_mem_change *change = pawl_io_mem_add_change(mem, PAWL_IO_MEM_WRITE);
    change->file_index = open->file_index;
    change->offset_bytes = offset_bytes;
    change->byte_count = byte_count;
    change->bytes = pawl_io_mem_must(malloc(byte_count + 1));
    memcpy(change->bytes, bytes, byte_count);
    return (int64_t)byte_count;
}

static int set_size(struct pawl_io_mem *mem, int fd, uint64_t size_bytes, bool only_grow)
{
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, fd, false);
    if (!open)
        return -EBADF;
    struct pawl_io_mem_bytes *now = &mem->files[open->file_index].now;
    if (only_grow && size_bytes <= now->size_bytes)
        return 0;
    pawl_io_mem_resize(now, (size_t)size_bytes);
    struct pawl_io_mem_change *change = pawl_io_mem_add_change(mem, PAWL_IO_MEM_TRUNCATE);
    change->file_index = open->file_index;
    change->offset_bytes = size_bytes;
    return 0;
}

static int mem_allocate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    return pawl_io_mem_enter(pawl_io_mem_of(io))
               ? set_size(pawl_io_mem_of(io), fd, size_bytes, true)
               : -EIO;
}

static int mem_truncate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    return pawl_io_mem_enter(pawl_io_mem_of(io))
               ? set_size(pawl_io_mem_of(io), fd, size_bytes, false)
               : -EIO;
}

static int mem_size(struct pawl_io *io, int fd, uint64_t *size_bytes)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, fd, false);
    if (!open)
        return -EBADF;
    *size_bytes = mem->files[open->file_index].now.size_bytes;
    return 0;
}

/* Whether a rename may put a file in the place of another. */
static int check_replaced(const struct pawl_io_mem *mem, unsigned from_index, unsigned to_index)
{
    bool is_from_folder = mem->files[from_index].kind == PAWL_IO_MEM_FOLDER;
    bool is_to_folder = mem->files[to_index].kind == PAWL_IO_MEM_FOLDER;
    if (is_from_folder != is_to_folder)
        return is_to_folder ? -EISDIR : -ENOTDIR;
    return is_to_folder && pawl_io_mem_has_names(mem, to_index) ? -ENOTEMPTY : 0;
}

static int mem_rename(struct pawl_io *io, int folder, const char *from, const char *to)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    struct pawl_io_mem_place from_place;
    struct pawl_io_mem_place to_place;
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    int code = pawl_io_mem_resolve(mem, folder, from, &from_place);
    if (code == 0)
        code = pawl_io_mem_resolve(mem, folder, to, &to_place);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = pawl_io_mem_find(mem->names, &from_place);
    if (!name)
        return -ENOENT;
    const struct pawl_io_mem_name *replaced = pawl_io_mem_find(mem->names, &to_place);
    if (replaced && (code = check_replaced(mem, name->file_index, replaced->file_index)) != 0)
        return code;

    struct pawl_io_mem_change *change = pawl_io_mem_add_change(mem, PAWL_IO_MEM_LINK);
    change->file_index = name->file_index;
    change->to = to_place;
    change->from = from_place;
    pawl_io_mem_apply_name_change(mem->names, change);
    return 0;
}

static int mem_exchange(struct pawl_io *io, int folder, const char *one, const char *other)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    struct pawl_io_mem_place places[2];
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    int code = pawl_io_mem_resolve(mem, folder, one, &places[0]);
    if (code == 0)
        code = pawl_io_mem_resolve(mem, folder, other, &places[1]);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = pawl_io_mem_find(mem->names, &places[0]);
    const struct pawl_io_mem_name *other_name = pawl_io_mem_find(mem->names, &places[1]);
    if (!name || !other_name)
        return -ENOENT;

    struct pawl_io_mem_change *change = pawl_io_mem_add_change(mem, PAWL_IO_MEM_EXCHANGE);
    change->file_index = name->file_index;
    change->other_index = other_name->file_index;
    change->to = places[1];
    change->from = places[0];
    pawl_io_mem_apply_name_change(mem->names, change);
    return 0;
}

/* Unlink and rmdir. */
static int remove_name(struct pawl_io_mem *mem, int folder, const char *path, bool is_folder)
{
    struct pawl_io_mem_place place;
    int code = pawl_io_mem_resolve(mem, folder, path, &place);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = pawl_io_mem_find(mem->names, &place);
    if (!name)
        return -ENOENT;
    if ((mem->files[name->file_index].kind == PAWL_IO_MEM_FOLDER) != is_folder)
        return is_folder ? -ENOTDIR : -EISDIR;
    if (is_folder && pawl_io_mem_has_names(mem, name->file_index))
        return -ENOTEMPTY;

    struct pawl_io_mem_change *change = pawl_io_mem_add_change(mem, PAWL_IO_MEM_UNLINK);
    change->file_index = name->file_index;
    change->to = place;
    pawl_io_mem_apply_name_change(mem->names, change);
    return 0;
}

static int mem_unlink(struct pawl_io *io, int folder, const char *name)
{
    return pawl_io_mem_enter(pawl_io_mem_of(io))
               ? remove_name(pawl_io_mem_of(io), folder, name, false)
               : -EIO;
}

static int mem_rmdir(struct pawl_io *io, int folder, const char *name)
{
    return pawl_io_mem_enter(pawl_io_mem_of(io))
               ? remove_name(pawl_io_mem_of(io), folder, name, true)
               : -EIO;
}

/* A folder or a link: its index, or -errno. */
static int make_new(struct pawl_io_mem *mem, int folder, const char *path,
                    enum pawl_io_mem_kind kind)
{
    struct pawl_io_mem_place place;
    int code = pawl_io_mem_resolve(mem, folder, path, &place);
    if (code != 0)
        return code;
    if (place.name[0] == '\0' || pawl_io_mem_find(mem->names, &place))
        return -EEXIST;
    return make_named(mem, &place, kind);
}

static int mem_mkdir(struct pawl_io *io, int folder, const char *name, mode_t mode)
{
    (void)mode;
    if (!pawl_io_mem_enter(pawl_io_mem_of(io)))
        return -EIO;
    int index = make_new(pawl_io_mem_of(io), folder, name, PAWL_IO_MEM_FOLDER);
    return index < 0 ? index : 0;
}

static int mem_symlink(struct pawl_io *io, int folder, const char *target, const char *name)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    int index = make_new(mem, folder, name, PAWL_IO_MEM_SYMLINK);
    if (index < 0)
        return index;
    pawl_io_mem_put(&mem->files[index].now, target, strlen(target) + 1, 0);
    pawl_io_mem_put(&mem->files[index].synced, target, strlen(target) + 1,
                    0); /* its name is what counts */
    return 0;
}

static int mem_readlink(struct pawl_io *io, int folder, const char *path, char *target,
                        size_t target_bytes)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    struct pawl_io_mem_place place;
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    int code = pawl_io_mem_resolve(mem, folder, path, &place);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = pawl_io_mem_find(mem->names, &place);
    if (!name)
        return -ENOENT;
    if (mem->files[name->file_index].kind != PAWL_IO_MEM_SYMLINK)
        return -EINVAL;
    snprintf(target, target_bytes, "%s", (const char *)mem->files[name->file_index].now.data);
    return 0;
}

static int mem_list(struct pawl_io *io, int folder, int (*each)(void *arg, const char *name),
                    void *arg)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    if (!pawl_io_mem_enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = pawl_io_mem_fd_of(mem, folder, true);
    if (!open)
        return -EBADF;

    int code = 0;
    for (unsigned i = 0; i < PAWL_IO_MEM_FILES_MAX && code == 0; i++) {
        struct pawl_io_mem_place place = mem->names[i].place;
        if (place.name[0] != '\0' && place.folder_index == open->file_index)
            code = each(arg, place.name);
    }
    return code;
}

static int mem_close(struct pawl_io *io, int fd)
{
    struct pawl_io_mem *mem = pawl_io_mem_of(io);
    bool is_on = pawl_io_mem_enter(mem);
    int i = fd - PAWL_IO_MEM_FD_FIRST;
    if (i < 0 || i >= PAWL_IO_MEM_FDS_MAX || !mem->fds[i].is_open)
        return -EBADF;
    mem->fds[i].is_open = false;
    return is_on ? 0 : -EIO;
}

void pawl_io_mem_open(struct pawl_io_mem *mem)
{
    memset(mem, 0, sizeof(*mem));
    mem->io = (struct pawl_io){
        .name = "memory",
        .open = mem_open,
        .read = mem_read,
        .write = mem_write,
        .allocate = mem_allocate,
        .truncate = mem_truncate,
        .size = mem_size,
        .sync = pawl_io_mem_sync,
        .sync_folder = pawl_io_mem_sync_folder,
        .rename = mem_rename,
        .exchange = mem_exchange,
        .unlink = mem_unlink,
        .mkdir = mem_mkdir,
        .rmdir = mem_rmdir,
        .symlink = mem_symlink,
        .readlink = mem_readlink,
        .list = mem_list,
        .close = mem_close,
    };
    mem->changes = pawl_io_mem_must(calloc(PAWL_IO_MEM_PENDING_MAX, sizeof(*mem->changes)));
    mem->files[0].kind = PAWL_IO_MEM_FOLDER;
    mem->file_count = 1;
    mem->cut_after = UINT64_MAX;
}

unsigned pawl_io_mem_open_count(const struct pawl_io_mem *mem)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PAWL_IO_MEM_FDS_MAX; i++)
        count += mem->fds[i].is_open;
    return count;
}

void pawl_io_mem_close(struct pawl_io_mem *mem)
{
    if (!mem->changes)
        return;
    for (unsigned i = 0; i < mem->change_count; i++)
        free(mem->changes[i].bytes);
    free(mem->changes);
    for (unsigned i = 0; i < mem->file_count; i++) {
        free(mem->files[i].now.data);
        free(mem->files[i].synced.data);
    }
    memset(mem, 0, sizeof(*mem));
}
