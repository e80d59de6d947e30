#include "runtime/io_mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FD_FIRST 1000 /* unlike any descriptor of the process, should one get mixed up */

static struct pawl_io_mem *mem_of(struct pawl_io *io)
{
    return (struct pawl_io_mem *)io; /* io is the first member */
}

/* False once the power is cut. */
static bool enter(struct pawl_io_mem *mem)
{
    if (mem->call_count >= mem->cut_after)
        return false;
    mem->call_count++;
    return true;
}

static void *must(void *memory)
{
    if (!memory)
        abort(); /* a test's disk: there is nothing to go on with */
    return memory;
}

/* Bytes. */

static void resize(struct pawl_io_mem_bytes *bytes, size_t size_bytes)
{
    if (size_bytes > bytes->capacity_bytes) {
        bytes->capacity_bytes = size_bytes * 2;
        bytes->data = must(realloc(bytes->data, bytes->capacity_bytes));
    }
    if (size_bytes > bytes->size_bytes)
        memset(bytes->data + bytes->size_bytes, 0, size_bytes - bytes->size_bytes);
    bytes->size_bytes = size_bytes;
}

static void put(struct pawl_io_mem_bytes *bytes, const void *from, size_t byte_count,
                uint64_t offset_bytes)
{
    if (byte_count == 0)
        return;
    if (offset_bytes + byte_count > bytes->size_bytes)
        resize(bytes, (size_t)offset_bytes + byte_count);
    memcpy(bytes->data + offset_bytes, from, byte_count);
}

static void copy(struct pawl_io_mem_bytes *to, const struct pawl_io_mem_bytes *from)
{
    resize(to, 0);
    put(to, from->data, from->size_bytes, 0);
}

/* Descriptors. */

static struct pawl_io_mem_fd *fd_of(struct pawl_io_mem *mem, int fd, bool is_folder)
{
    int i = fd - FD_FIRST;
    if (i < 0 || i >= PAWL_IO_MEM_FDS_MAX || !mem->fds[i].is_open ||
        mem->fds[i].is_folder != is_folder)
        return NULL;
    return &mem->fds[i];
}

/* Names. */

static bool is_same(const struct pawl_io_mem_place *a, const struct pawl_io_mem_place *b)
{
    return a->folder_index == b->folder_index && strcmp(a->name, b->name) == 0;
}

static struct pawl_io_mem_name *find(struct pawl_io_mem_name *names,
                                     const struct pawl_io_mem_place *place)
{
    for (unsigned i = 0; i < PAWL_IO_MEM_FILES_MAX; i++)
        if (names[i].place.name[0] != '\0' && is_same(&names[i].place, place))
            return &names[i];
    return NULL;
}

static void forget_name(struct pawl_io_mem_name *names, const struct pawl_io_mem_place *place)
{
    struct pawl_io_mem_name *name = find(names, place);
    if (name)
        name->place.name[0] = '\0';
}

static void set_name(struct pawl_io_mem_name *names, const struct pawl_io_mem_place *place,
                     unsigned file_index)
{
    struct pawl_io_mem_name *name = find(names, place);
    for (unsigned i = 0; !name && i < PAWL_IO_MEM_FILES_MAX; i++)
        if (names[i].place.name[0] == '\0')
            name = &names[i];
    must(name);
    name->place = *place;
    name->file_index = file_index;
}

static bool has_names(const struct pawl_io_mem *mem, unsigned folder_index)
{
    for (unsigned i = 0; i < PAWL_IO_MEM_FILES_MAX; i++)
        if (mem->names[i].place.name[0] != '\0' &&
            mem->names[i].place.folder_index == folder_index)
            return true;
    return false;
}

/* Whether anything still knows the file, before a cut or after it. */
static bool is_in_use(const struct pawl_io_mem *mem, unsigned file_index)
{
    for (unsigned i = 0; i < PAWL_IO_MEM_FILES_MAX; i++)
        if ((mem->names[i].place.name[0] != '\0' && mem->names[i].file_index == file_index) ||
            (mem->synced_names[i].place.name[0] != '\0' &&
             (mem->synced_names[i].file_index == file_index ||
              mem->synced_names[i].place.folder_index == file_index)))
            return true;
    for (unsigned i = 0; i < mem->change_count; i++)
        if (mem->changes[i].file_index == file_index ||
            mem->changes[i].other_index == file_index ||
            mem->changes[i].to.folder_index == file_index)
            return true;
    for (unsigned i = 0; i < PAWL_IO_MEM_FDS_MAX; i++)
        if (mem->fds[i].is_open && mem->fds[i].file_index == file_index)
            return true;
    return false;
}

/* A file of no name yet, or -ENOSPC. */
static int make_file(struct pawl_io_mem *mem, enum pawl_io_mem_kind kind)
{
    unsigned i = 1;
    while (i < mem->file_count && is_in_use(mem, i))
        i++;
    if (i == PAWL_IO_MEM_FILES_MAX)
        return -ENOSPC;
    if (i == mem->file_count)
        mem->file_count++;
    struct pawl_io_mem_file *file = &mem->files[i];
    file->kind = kind;
    resize(&file->now, 0);
    resize(&file->synced, 0);
    return (int)i;
}

/* The place that a path names, below an open folder. */
static int resolve(struct pawl_io_mem *mem, int folder, const char *path,
                   struct pawl_io_mem_place *place)
{
    const struct pawl_io_mem_fd *open = folder == PAWL_IO_CWD ? NULL : fd_of(mem, folder, true);
    if (folder != PAWL_IO_CWD && !open)
        return -EBADF;
    *place = (struct pawl_io_mem_place){.folder_index = open ? open->file_index : 0};

    for (bool is_first = true;; is_first = false) {
        path += strspn(path, "/");
        size_t length = strcspn(path, "/");
        if (length == 0)
            return 0;
        if (length >= PAWL_IO_MEM_NAME_MAX)
            return -ENAMETOOLONG;
        if (!is_first && place->name[0] != '\0') { /* what came before is a folder */
            const struct pawl_io_mem_name *name = find(mem->names, place);
            int index = name ? (int)name->file_index : -ENOENT;
            if (!name && !open) {
                index = make_file(mem, PAWL_IO_MEM_FOLDER);
                if (index > 0) {
                    set_name(mem->names, place, (unsigned)index);
                    set_name(mem->synced_names, place, (unsigned)index);
                }
            }
            if (index < 0)
                return index;
            if (mem->files[index].kind != PAWL_IO_MEM_FOLDER)
                return -ENOTDIR;
            *place = (struct pawl_io_mem_place){.folder_index = (unsigned)index};
        }
        if (length > 1 || path[0] != '.') {
            memcpy(place->name, path, length);
            place->name[length] = '\0';
        }
        path += length;
    }
}

/* Changes. */

static struct pawl_io_mem_change *add_change(struct pawl_io_mem *mem,
                                             enum pawl_io_mem_change_kind kind)
{
    if (mem->change_count == PAWL_IO_MEM_PENDING_MAX)
        abort(); /* a test that never syncs */
    struct pawl_io_mem_change *change = &mem->changes[mem->change_count++];
    memset(change, 0, sizeof(*change));
    change->kind = kind;
    return change;
}

static void apply_name_change(struct pawl_io_mem_name *names,
                              const struct pawl_io_mem_change *change)
{
    if (change->kind == PAWL_IO_MEM_UNLINK) {
        forget_name(names, &change->to);
        return;
    }
    if (change->kind == PAWL_IO_MEM_EXCHANGE)
        set_name(names, &change->from, change->other_index);
    else if (change->from.name[0] != '\0')
        forget_name(names, &change->from);
    set_name(names, &change->to, change->file_index);
}

static bool is_name_change(const struct pawl_io_mem_change *change)
{
    return change->kind == PAWL_IO_MEM_LINK || change->kind == PAWL_IO_MEM_EXCHANGE ||
           change->kind == PAWL_IO_MEM_UNLINK;
}

/* Forgets the changes of which keep[i] is false, in place. */
static void forget_changes(struct pawl_io_mem *mem, const bool *is_settled)
{
    unsigned kept_count = 0;
    for (unsigned i = 0; i < mem->change_count; i++) {
        if (is_settled[i])
            free(mem->changes[i].bytes);
        else
            mem->changes[kept_count++] = mem->changes[i];
    }
    mem->change_count = kept_count;
}

/* The table. */

/* Names a new file; certain once the folder is synced. */
static int make_named(struct pawl_io_mem *mem, const struct pawl_io_mem_place *place,
                      enum pawl_io_mem_kind kind)
{
    int index = make_file(mem, kind);
    if (index < 0)
        return index;
    struct pawl_io_mem_change *change = add_change(mem, PAWL_IO_MEM_LINK);
    change->file_index = (unsigned)index;
    change->to = *place;
    apply_name_change(mem->names, change);
    return index;
}

/* The file of an open; -errno. */
static int open_file(struct pawl_io_mem *mem, int folder, const struct pawl_io_mem_place *place,
                     int flags)
{
    bool wants_folder = (flags & O_DIRECTORY) != 0;
    if (place->name[0] == '\0')
        return wants_folder ? (int)place->folder_index : -EISDIR;

    const struct pawl_io_mem_name *name = find(mem->names, place);
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
    if (wants_folder && folder == PAWL_IO_CWD) {
        int index = make_file(mem, PAWL_IO_MEM_FOLDER);
        if (index > 0) {
            set_name(mem->names, place, (unsigned)index);
            set_name(mem->synced_names, place, (unsigned)index);
        }
        return index;
    }
    if (wants_folder || !(flags & O_CREAT))
        return -ENOENT;
    return make_named(mem, place, PAWL_IO_MEM_PLAIN);
}

static int mem_open(struct pawl_io *io, int folder, const char *name, int flags, mode_t mode)
{
    (void)mode;
    struct pawl_io_mem *mem = mem_of(io);
    struct pawl_io_mem_place place;
    if (!enter(mem))
        return -EIO;
    int index = resolve(mem, folder, name, &place);
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
        return FD_FIRST + i;
    }
    return -EMFILE;
}

static int64_t mem_read(struct pawl_io *io, int fd, void *bytes, size_t byte_count,
                        uint64_t offset_bytes)
{
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = fd_of(mem, fd, false);
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
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = fd_of(mem, fd, false);
    if (!open)
        return -EBADF;

    put(&mem->files[open->file_index].now, bytes, byte_count, offset_bytes);
    struct pawl_io_mem_change *change = add_change(mem, PAWL_IO_MEM_WRITE);
    change->file_index = open->file_index;
    change->offset_bytes = offset_bytes;
    change->byte_count = byte_count;
    change->bytes = must(malloc(byte_count + 1));
    memcpy(change->bytes, bytes, byte_count);
    return (int64_t)byte_count;
}

static int set_size(struct pawl_io_mem *mem, int fd, uint64_t size_bytes, bool only_grow)
{
    const struct pawl_io_mem_fd *open = fd_of(mem, fd, false);
    if (!open)
        return -EBADF;
    struct pawl_io_mem_bytes *now = &mem->files[open->file_index].now;
    if (only_grow && size_bytes <= now->size_bytes)
        return 0;
    resize(now, (size_t)size_bytes);
    struct pawl_io_mem_change *change = add_change(mem, PAWL_IO_MEM_TRUNCATE);
    change->file_index = open->file_index;
    change->offset_bytes = size_bytes;
    return 0;
}

static int mem_allocate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    return enter(mem_of(io)) ? set_size(mem_of(io), fd, size_bytes, true) : -EIO;
}

static int mem_truncate(struct pawl_io *io, int fd, uint64_t size_bytes)
{
    return enter(mem_of(io)) ? set_size(mem_of(io), fd, size_bytes, false) : -EIO;
}

static int mem_size(struct pawl_io *io, int fd, uint64_t *size_bytes)
{
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = fd_of(mem, fd, false);
    if (!open)
        return -EBADF;
    *size_bytes = mem->files[open->file_index].now.size_bytes;
    return 0;
}

static int mem_sync(struct pawl_io *io, int fd)
{
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = fd_of(mem, fd, false);
    if (!open)
        return -EBADF;

    bool is_settled[PAWL_IO_MEM_PENDING_MAX];
    bool is_lost = ++mem->sync_count == mem->fail_sync_at;
    struct pawl_io_mem_file *file = &mem->files[open->file_index];
    for (unsigned i = 0; i < mem->change_count; i++) {
        const struct pawl_io_mem_change *change = &mem->changes[i];
        is_settled[i] = !is_name_change(change) && change->file_index == open->file_index;
        if (!is_settled[i] || is_lost)
            continue;
        if (change->kind == PAWL_IO_MEM_WRITE)
            put(&file->synced, change->bytes, change->byte_count, change->offset_bytes);
        else
            resize(&file->synced, (size_t)change->offset_bytes);
    }
    forget_changes(mem, is_settled);
    return is_lost ? -EIO : 0;
}

static int mem_sync_folder(struct pawl_io *io, int folder)
{
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = fd_of(mem, folder, true);
    if (!open)
        return -EBADF;

    bool is_settled[PAWL_IO_MEM_PENDING_MAX];
    for (unsigned i = 0; i < mem->change_count; i++) {
        const struct pawl_io_mem_change *change = &mem->changes[i];
        is_settled[i] = is_name_change(change) && change->to.folder_index == open->file_index;
        if (is_settled[i])
            apply_name_change(mem->synced_names, change);
    }
    forget_changes(mem, is_settled);
    return 0;
}

/* Whether a rename may put a file in the place of another. */
static int check_replaced(const struct pawl_io_mem *mem, unsigned from_index, unsigned to_index)
{
    bool is_from_folder = mem->files[from_index].kind == PAWL_IO_MEM_FOLDER;
    bool is_to_folder = mem->files[to_index].kind == PAWL_IO_MEM_FOLDER;
    if (is_from_folder != is_to_folder)
        return is_to_folder ? -EISDIR : -ENOTDIR;
    return is_to_folder && has_names(mem, to_index) ? -ENOTEMPTY : 0;
}

static int mem_rename(struct pawl_io *io, int folder, const char *from, const char *to)
{
    struct pawl_io_mem *mem = mem_of(io);
    struct pawl_io_mem_place from_place;
    struct pawl_io_mem_place to_place;
    if (!enter(mem))
        return -EIO;
    int code = resolve(mem, folder, from, &from_place);
    if (code == 0)
        code = resolve(mem, folder, to, &to_place);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = find(mem->names, &from_place);
    if (!name)
        return -ENOENT;
    const struct pawl_io_mem_name *replaced = find(mem->names, &to_place);
    if (replaced && (code = check_replaced(mem, name->file_index, replaced->file_index)) != 0)
        return code;

    struct pawl_io_mem_change *change = add_change(mem, PAWL_IO_MEM_LINK);
    change->file_index = name->file_index;
    change->to = to_place;
    change->from = from_place;
    apply_name_change(mem->names, change);
    return 0;
}

static int mem_exchange(struct pawl_io *io, int folder, const char *one, const char *other)
{
    struct pawl_io_mem *mem = mem_of(io);
    struct pawl_io_mem_place places[2];
    if (!enter(mem))
        return -EIO;
    int code = resolve(mem, folder, one, &places[0]);
    if (code == 0)
        code = resolve(mem, folder, other, &places[1]);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = find(mem->names, &places[0]);
    const struct pawl_io_mem_name *other_name = find(mem->names, &places[1]);
    if (!name || !other_name)
        return -ENOENT;

    struct pawl_io_mem_change *change = add_change(mem, PAWL_IO_MEM_EXCHANGE);
    change->file_index = name->file_index;
    change->other_index = other_name->file_index;
    change->to = places[1];
    change->from = places[0];
    apply_name_change(mem->names, change);
    return 0;
}

/* Unlink and rmdir. */
static int remove_name(struct pawl_io_mem *mem, int folder, const char *path, bool is_folder)
{
    struct pawl_io_mem_place place;
    int code = resolve(mem, folder, path, &place);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = find(mem->names, &place);
    if (!name)
        return -ENOENT;
    if ((mem->files[name->file_index].kind == PAWL_IO_MEM_FOLDER) != is_folder)
        return is_folder ? -ENOTDIR : -EISDIR;
    if (is_folder && has_names(mem, name->file_index))
        return -ENOTEMPTY;

    struct pawl_io_mem_change *change = add_change(mem, PAWL_IO_MEM_UNLINK);
    change->file_index = name->file_index;
    change->to = place;
    apply_name_change(mem->names, change);
    return 0;
}

static int mem_unlink(struct pawl_io *io, int folder, const char *name)
{
    return enter(mem_of(io)) ? remove_name(mem_of(io), folder, name, false) : -EIO;
}

static int mem_rmdir(struct pawl_io *io, int folder, const char *name)
{
    return enter(mem_of(io)) ? remove_name(mem_of(io), folder, name, true) : -EIO;
}

/* A folder or a link: its index, or -errno. */
static int make_new(struct pawl_io_mem *mem, int folder, const char *path,
                    enum pawl_io_mem_kind kind)
{
    struct pawl_io_mem_place place;
    int code = resolve(mem, folder, path, &place);
    if (code != 0)
        return code;
    if (place.name[0] == '\0' || find(mem->names, &place))
        return -EEXIST;
    return make_named(mem, &place, kind);
}

static int mem_mkdir(struct pawl_io *io, int folder, const char *name, mode_t mode)
{
    (void)mode;
    if (!enter(mem_of(io)))
        return -EIO;
    int index = make_new(mem_of(io), folder, name, PAWL_IO_MEM_FOLDER);
    return index < 0 ? index : 0;
}

static int mem_symlink(struct pawl_io *io, int folder, const char *target, const char *name)
{
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    int index = make_new(mem, folder, name, PAWL_IO_MEM_SYMLINK);
    if (index < 0)
        return index;
    put(&mem->files[index].now, target, strlen(target) + 1, 0);
    put(&mem->files[index].synced, target, strlen(target) + 1, 0); /* its name is what counts */
    return 0;
}

static int mem_readlink(struct pawl_io *io, int folder, const char *path, char *target,
                        size_t target_bytes)
{
    struct pawl_io_mem *mem = mem_of(io);
    struct pawl_io_mem_place place;
    if (!enter(mem))
        return -EIO;
    int code = resolve(mem, folder, path, &place);
    if (code != 0)
        return code;
    const struct pawl_io_mem_name *name = find(mem->names, &place);
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
    struct pawl_io_mem *mem = mem_of(io);
    if (!enter(mem))
        return -EIO;
    const struct pawl_io_mem_fd *open = fd_of(mem, folder, true);
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
    struct pawl_io_mem *mem = mem_of(io);
    bool is_on = enter(mem);
    int i = fd - FD_FIRST;
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
        .sync = mem_sync,
        .sync_folder = mem_sync_folder,
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
    mem->changes = must(calloc(PAWL_IO_MEM_PENDING_MAX, sizeof(*mem->changes)));
    mem->files[0].kind = PAWL_IO_MEM_FOLDER;
    mem->file_count = 1;
    mem->cut_after = UINT64_MAX;
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

    if (is_name_change(change)) {
        apply_name_change(mem->synced_names, change);
    } else if (change->kind == PAWL_IO_MEM_TRUNCATE) {
        resize(synced, (size_t)change->offset_bytes);
    } else {
        size_t count = change->byte_count;
        if (is_torn && count > 0)
            count = (size_t)(next_random(random) % count);
        put(synced, change->bytes, count, change->offset_bytes);
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
