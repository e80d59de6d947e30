/* io_mem_state.h: what is on the disk in memory, for io_mem_state.c (bytes, names, changes),
 * io_mem.c (the calls) and io_mem_cut.c (syncs and power cuts). Nobody else includes it. */
#ifndef PAWL_RUNTIME_IO_MEM_STATE_H
#define PAWL_RUNTIME_IO_MEM_STATE_H

#include "runtime/io_mem.h"

#define PAWL_IO_MEM_FD_FIRST 1000 /* unlike any of the process's, should they get mixed up */

struct pawl_io_mem *pawl_io_mem_of(struct pawl_io *io);

/* Counts a call. False once the power is cut. */
bool pawl_io_mem_enter(struct pawl_io_mem *mem);

/* The memory, or the end of the test that has none. */
void *pawl_io_mem_must(void *memory);

/* Bytes; what they grow by is zero. */
void pawl_io_mem_resize(struct pawl_io_mem_bytes *bytes, size_t size_bytes);
void pawl_io_mem_put(struct pawl_io_mem_bytes *bytes, const void *from, size_t byte_count,
                     uint64_t offset_bytes);

/* NULL: not open, or not of this kind. */
struct pawl_io_mem_fd *pawl_io_mem_fd_of(struct pawl_io_mem *mem, int fd, bool is_folder);

/* The place that a path names, below an open folder; -errno. */
int pawl_io_mem_resolve(struct pawl_io_mem *mem, int folder, const char *path,
                        struct pawl_io_mem_place *place);

/* Names, of mem->names or mem->synced_names. NULL: no such name. */
struct pawl_io_mem_name *pawl_io_mem_find(struct pawl_io_mem_name *names,
                                          const struct pawl_io_mem_place *place);
bool pawl_io_mem_has_names(const struct pawl_io_mem *mem, unsigned folder_index);

/* A file's index, or -ENOSPC: one of no name yet; a folder that no cut takes away. */
int pawl_io_mem_make_file(struct pawl_io_mem *mem, enum pawl_io_mem_kind kind);
int pawl_io_mem_make_certain_folder(struct pawl_io_mem *mem,
                                    const struct pawl_io_mem_place *place);

/* A change that is not certain yet; the caller fills it in. */
struct pawl_io_mem_change *pawl_io_mem_add_change(struct pawl_io_mem *mem,
                                                  enum pawl_io_mem_change_kind kind);
bool pawl_io_mem_is_name_change(const struct pawl_io_mem_change *change);
void pawl_io_mem_apply_name_change(struct pawl_io_mem_name *names,
                                   const struct pawl_io_mem_change *change);

/* Forgets the changes of which is_settled[i] is true, in place. */
void pawl_io_mem_forget_changes(struct pawl_io_mem *mem, const bool *is_settled);

/* The calls that make changes certain. */
int pawl_io_mem_sync(struct pawl_io *io, int fd);
int pawl_io_mem_sync_folder(struct pawl_io *io, int folder);

#endif
