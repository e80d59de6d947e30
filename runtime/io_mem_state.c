/* io_mem_state.c: what is on the disk in memory: bytes, names, and the changes that no sync has
 * made certain. */
#include "runtime/io_mem_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pawl_io_mem *pawl_io_mem_of(struct pawl_io *io)
{
    return (struct pawl_io_mem *)io; /* io is the first member */
}

bool pawl_io_mem_enter(struct pawl_io_mem *mem)
{
    if (mem->call_count >= mem->cut_after)
        return false;
    mem->call_count++;
    return true;
}

void *pawl_io_mem_must(void *memory)
{
    if (!memory)
        abort(); /* a test's disk: there is nothing to go on with */
    return memory;
}

/* --- bytes --- */

void pawl_io_mem_resize(struct pawl_io_mem_bytes *bytes, size_t size_bytes)
{
    if (size_bytes > bytes->capacity_bytes) {
        bytes->capacity_bytes = size_bytes * 2;
        bytes->data = pawl_io_mem_must(realloc(bytes->data, bytes->capacity_bytes));
    }
    if (size_bytes > bytes->size_bytes)
        memset(bytes->data + bytes->size_bytes, 0, size_bytes - bytes->size_bytes);
    bytes->size_bytes = size_bytes;
}

void pawl_io_mem_put(struct pawl_io_mem_bytes *bytes, const void *from, size_t byte_count,
                     uint64_t offset_bytes)
{
    if (byte_count == 0)
        return;
    if (offset_bytes + byte_count > bytes->size_bytes)
        pawl_io_mem_resize(bytes, (size_t)offset_bytes + byte_count);
    memcpy(bytes->data + offset_bytes, from, byte_count);
}

/* --- descriptors --- */

struct pawl_io_mem_fd *pawl_io_mem_fd_of(struct pawl_io_mem *mem, int fd, bool is_folder)
{
    int i = fd - PAWL_IO_MEM_FD_FIRST;
    if (i < 0 || i >= PAWL_IO_MEM_FDS_MAX || !mem->fds[i].is_open ||
        mem->fds[i].is_folder != is_folder)
        return NULL;
    return &mem->fds[i];
}

/* --- names --- */

static bool is_same(const struct pawl_io_mem_place *a, const struct pawl_io_mem_place *b)
{
    return a->folder_index == b->folder_index && strcmp(a->name, b->name) == 0;
}

struct pawl_io_mem_name *pawl_io_mem_find(struct pawl_io_mem_name *names,
                                          const struct pawl_io_mem_place *place)
{
    for (unsigned i = 0; i < PAWL_IO_MEM_FILES_MAX; i++)
        if (names[i].place.name[0] != '\0' && is_same(&names[i].place, place))
            return &names[i];
    return NULL;
}

static void forget_name(struct pawl_io_mem_name *names, const struct pawl_io_mem_place *place)
{
    struct pawl_io_mem_name *name = pawl_io_mem_find(names, place);
    if (name)
        name->place.name[0] = '\0';
}

static void set_name(struct pawl_io_mem_name *names, const struct pawl_io_mem_place *place,
                     unsigned file_index)
{
    struct pawl_io_mem_name *name = pawl_io_mem_find(names, place);
    for (unsigned i = 0; !name && i < PAWL_IO_MEM_FILES_MAX; i++)
        if (names[i].place.name[0] == '\0')
            name = &names[i];
    pawl_io_mem_must(name);
    name->place = *place;
    name->file_index = file_index;
}

bool pawl_io_mem_has_names(const struct pawl_io_mem *mem, unsigned folder_index)
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

int pawl_io_mem_make_file(struct pawl_io_mem *mem, enum pawl_io_mem_kind kind)
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
    pawl_io_mem_resize(&file->now, 0);
    pawl_io_mem_resize(&file->synced, 0);
    return (int)i;
}

int pawl_io_mem_make_certain_folder(struct pawl_io_mem *mem,
                                    const struct pawl_io_mem_place *place)
{
    int index = pawl_io_mem_make_file(mem, PAWL_IO_MEM_FOLDER);
    if (index > 0) {
        set_name(mem->names, place, (unsigned)index);
        set_name(mem->synced_names, place, (unsigned)index);
    }
    return index;
}

int pawl_io_mem_resolve(struct pawl_io_mem *mem, int folder, const char *path,
                        struct pawl_io_mem_place *place)
{
    const struct pawl_io_mem_fd *open =
        folder == PAWL_IO_CWD ? NULL : pawl_io_mem_fd_of(mem, folder, true);
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
            const struct pawl_io_mem_name *name = pawl_io_mem_find(mem->names, place);
            int index = name ? (int)name->file_index : -ENOENT;
            if (!name && !open)
                index = pawl_io_mem_make_certain_folder(mem, place);
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

/* --- changes --- */

struct pawl_io_mem_change *pawl_io_mem_add_change(struct pawl_io_mem *mem,
                                                  enum pawl_io_mem_change_kind kind)
{
    if (mem->change_count == PAWL_IO_MEM_PENDING_MAX)
        abort(); /* a test that never syncs */
    struct pawl_io_mem_change *change = &mem->changes[mem->change_count++];
    memset(change, 0, sizeof(*change));
    change->kind = kind;
    return change;
}

void pawl_io_mem_apply_name_change(struct pawl_io_mem_name *names,
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

bool pawl_io_mem_is_name_change(const struct pawl_io_mem_change *change)
{
    return change->kind == PAWL_IO_MEM_LINK || change->kind == PAWL_IO_MEM_EXCHANGE ||
           change->kind == PAWL_IO_MEM_UNLINK;
}

void pawl_io_mem_forget_changes(struct pawl_io_mem *mem, const bool *is_settled)
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
