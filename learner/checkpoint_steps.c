#include "learner/checkpoint_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/fault.h"

/* Of a file beside its parts: open, sync, close; and parts that are longer than an operation.
 */
#define OPS_BESIDES_PARTS  (3 * PAWL_CHECKPOINT_FILES_MAX + 64)
#define OPS_OF_OTHER_STEPS (3 * FOLDERS_MAX + PAWL_CHECKPOINT_FILES_MAX + 16)

unsigned pawl_checkpoint_ops_max(size_t part_count_max)
{
    size_t writes = OPS_BESIDES_PARTS + part_count_max;
    return (unsigned)(writes > OPS_OF_OTHER_STEPS ? writes : OPS_OF_OTHER_STEPS);
}

/* --- names --- */

static int add_folders_of(struct pawl_checkpoint_writer *writer, const char *path,
                          struct pawl_err *err)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        size_t i = 0;
        while (i < writer->folder_count && (strncmp(writer->folders[i], path, length) != 0 ||
                                            writer->folders[i][length] != '\0'))
            i++;
        if (i < writer->folder_count)
            continue;
        if (i == FOLDERS_MAX || length == 0)
            return pawl_err_set(err, EINVAL, "%s: no path of a file in a checkpoint", path);
        memcpy(writer->folders[i], path, length);
        writer->folders[i][length] = '\0';
        writer->folder_count++;
    }
    return 0;
}

/* The names of all files and folders below `top`. */
static void put_names(struct pawl_checkpoint_writer *writer, const char *top)
{
    uint32_t count = writer->manifest.file_count;
    for (uint32_t i = 0; i < count; i++)
        snprintf(writer->file_names[i], NAME_BYTES, "%.60s/%s", top,
                 writer->manifest.files[i].path);
    snprintf(writer->file_names[count], NAME_BYTES, "%.60s/%s", top, PAWL_CHECKPOINT_MANIFEST);
    for (size_t i = 0; i < writer->folder_count; i++)
        snprintf(writer->folder_names[i], NAME_BYTES, "%.60s/%s", top, writer->folders[i]);
}

int pawl_checkpoint_names(struct pawl_checkpoint_writer *writer, uint64_t step,
                          struct pawl_err *err)
{
    writer->folder_count = 0;
    memset(writer->folders, 0, sizeof(writer->folders));
    for (uint32_t i = 0; i < writer->manifest.file_count; i++) {
        int code = add_folders_of(writer, writer->manifest.files[i].path, err);
        if (code != 0)
            return code;
    }
    pawl_checkpoint_name(step, writer->final_name);
    snprintf(writer->temp_name, sizeof(writer->temp_name), TEMP_PREFIX "%s-%016" PRIx64,
             writer->final_name, writer->nonce);
    snprintf(writer->trash_name, sizeof(writer->trash_name), TRASH_PREFIX "%s-%016" PRIx64,
             writer->final_name, writer->nonce++);
    put_names(writer, writer->temp_name);
    return 0;
}

/* --- operations --- */

static struct pawl_io_op *add_op(struct pawl_checkpoint_writer *writer,
                                 enum pawl_io_op_kind kind, const char *name)
{
    if (writer->op_count == writer->op_count_max)
        return NULL;
    struct pawl_io_op *op = &writer->ops[writer->op_count++];
    *op = (struct pawl_io_op){.kind = kind, .folder = writer->folder, .name = name};
    return op;
}

static void add_mkdir(struct pawl_checkpoint_writer *writer, const char *name)
{
    add_op(writer, PAWL_IO_OP_MKDIR, name)->mode = 0777;
}

static void add_open(struct pawl_checkpoint_writer *writer, const char *name, int flags)
{
    struct pawl_io_op *op = add_op(writer, PAWL_IO_OP_OPEN, name);
    op->flags = flags;
    op->mode = 0666;
}

static void add_folder_sync(struct pawl_checkpoint_writer *writer, const char *name)
{
    add_open(writer, name, O_RDONLY | O_DIRECTORY);
    add_op(writer, PAWL_IO_OP_SYNC_SLOT, name);
    add_op(writer, PAWL_IO_OP_CLOSE, name);
}

static void fill_mkdir(struct pawl_checkpoint_writer *writer)
{
    add_mkdir(writer, writer->temp_name);
    for (size_t i = 0; i < writer->folder_count; i++)
        add_mkdir(writer, writer->folder_names[i]);
}

/* All before the first byte is written: a disk that is full says so at once. */
static void fill_allocate(struct pawl_checkpoint_writer *writer)
{
    for (uint32_t i = 0; i < writer->manifest.file_count; i++) {
        uint64_t size_bytes = writer->manifest.files[i].size_bytes;
        const char *name = writer->file_names[i];
        add_open(writer, name, O_WRONLY | O_CREAT | O_EXCL);
        if (size_bytes > 0)
            add_op(writer, PAWL_IO_OP_ALLOCATE, name)->offset_bytes = size_bytes;
        add_op(writer, PAWL_IO_OP_CLOSE, name);
    }
}

static int fill_write(struct pawl_checkpoint_writer *writer)
{
    for (uint32_t i = 0; i < writer->manifest.file_count; i++) {
        const struct pawl_checkpoint_file *file = &writer->files[i];
        const char *name = writer->file_names[i];
        uint64_t at = 0;
        add_open(writer, name, O_WRONLY);
        for (size_t k = 0; k < file->part_count; k++) {
            const char *from = file->parts[k].iov_base;
            for (size_t left = file->parts[k].iov_len, count; left > 0; left -= count) {
                struct pawl_io_op *op = add_op(writer, PAWL_IO_OP_WRITE, name);
                if (!op || writer->op_count + 2 > writer->op_count_max)
                    return -EFBIG;
                count = left < PAWL_IO_OP_BYTES_MAX ? left : PAWL_IO_OP_BYTES_MAX;
                op->bytes = from;
                op->byte_count = count;
                op->offset_bytes = at;
                from += count;
                at += count;
            }
        }
        add_op(writer, PAWL_IO_OP_SYNC, name);
        add_op(writer, PAWL_IO_OP_CLOSE, name);
    }
    return 0;
}

static void fill_sync(struct pawl_checkpoint_writer *writer)
{
    for (size_t i = writer->folder_count; i-- > 0;)
        add_folder_sync(writer, writer->folder_names[i]);
}

static int fill_manifest(struct pawl_checkpoint_writer *writer)
{
    const char *name = writer->file_names[writer->manifest.file_count];
    int code = pawl_checkpoint_manifest_write(&writer->manifest, writer->manifest_text,
                                              sizeof(writer->manifest_text),
                                              &writer->manifest_bytes, NULL);
    if (code != 0)
        return code;
    add_open(writer, name, O_WRONLY | O_CREAT | O_EXCL);
    add_op(writer, PAWL_IO_OP_ALLOCATE, name)->offset_bytes = writer->manifest_bytes;
    struct pawl_io_op *op = add_op(writer, PAWL_IO_OP_WRITE, name);
    op->bytes = writer->manifest_text;
    op->byte_count = writer->manifest_bytes;
    add_op(writer, PAWL_IO_OP_SYNC, name);
    add_op(writer, PAWL_IO_OP_CLOSE, name);
    add_folder_sync(writer, writer->temp_name);
    return 0;
}

/* At no instant is there neither the older one nor the newer, where names can be exchanged. */
static void fill_rename(struct pawl_checkpoint_writer *writer)
{
    enum pawl_io_op_kind kind = PAWL_IO_OP_RENAME;
    if (writer->is_replacing && writer->has_no_exchange)
        add_op(writer, PAWL_IO_OP_RENAME, writer->final_name)->to = writer->trash_name;
    else if (writer->is_replacing)
        kind = PAWL_IO_OP_EXCHANGE;
    add_op(writer, kind, writer->temp_name)->to = writer->final_name;
    add_op(writer, PAWL_IO_OP_SYNC_FOLDER, PAWL_CHECKPOINT_FOLDER);
}

static void fill_link(struct pawl_checkpoint_writer *writer)
{
    add_op(writer, PAWL_IO_OP_UNLINK, LAST_NEW);
    add_op(writer, PAWL_IO_OP_SYMLINK, LAST_NEW)->to = writer->final_name;
    add_op(writer, PAWL_IO_OP_RENAME, LAST_NEW)->to = PAWL_CHECKPOINT_LAST;
    add_op(writer, PAWL_IO_OP_SYNC_FOLDER, PAWL_CHECKPOINT_FOLDER);
}

static void fill_trash(struct pawl_checkpoint_writer *writer)
{
    pawl_checkpoint_name(writer->entries[writer->victim].step, writer->final_name);
    snprintf(writer->trash_name, sizeof(writer->trash_name), TRASH_PREFIX "%s-%016" PRIx64,
             writer->final_name, writer->nonce++);
    add_op(writer, PAWL_IO_OP_RENAME, writer->final_name)->to = writer->trash_name;
    add_op(writer, PAWL_IO_OP_SYNC_FOLDER, PAWL_CHECKPOINT_FOLDER);
}

/* Of files that the newest checkpoint has too; a folder that holds others stays for the next
 * open to remove. */
static void fill_remove(struct pawl_checkpoint_writer *writer, const char *top)
{
    put_names(writer, top);
    for (uint32_t i = 0; i <= writer->manifest.file_count; i++)
        add_op(writer, PAWL_IO_OP_UNLINK, writer->file_names[i]);
    for (size_t i = writer->folder_count; i-- > 0;)
        add_op(writer, PAWL_IO_OP_RMDIR, writer->folder_names[i]);
    add_op(writer, PAWL_IO_OP_RMDIR, top);
}

int pawl_checkpoint_fill_ops(struct pawl_checkpoint_writer *writer)
{
    switch (writer->step) {
    case STEP_MKDIR:
        fill_mkdir(writer);
        break;
    case STEP_ALLOCATE:
        fill_allocate(writer);
        break;
    case STEP_WRITE:
        return fill_write(writer);
    case STEP_SYNC:
        fill_sync(writer);
        break;
    case STEP_MANIFEST:
        return fill_manifest(writer);
    case STEP_RENAME:
        fill_rename(writer);
        break;
    case STEP_LINK:
        fill_link(writer);
        break;
    case STEP_TRASH:
        fill_trash(writer);
        break;
    case STEP_REMOVE:
        fill_remove(writer, writer->trash_name);
        break;
    case STEP_ABANDON:
        add_op(writer, PAWL_IO_OP_CLOSE, writer->temp_name); /* where one is open */
        if (!writer->is_renamed)
            fill_remove(writer, writer->temp_name);
        break;
    case STEP_RESTING:
    case STEP_AWAIT_CHECKSUMS:
        break;
    }
    return 0;
}

bool pawl_checkpoint_is_dispensable(const struct pawl_io_op *op, int code)
{
    switch (op->kind) {
    case PAWL_IO_OP_ALLOCATE:
        return code == EOPNOTSUPP || code == ENOSYS;
    case PAWL_IO_OP_SYNC_FOLDER:
    case PAWL_IO_OP_SYNC_SLOT:
        return code == EINVAL || code == EOPNOTSUPP; /* such a one orders renames itself */
    case PAWL_IO_OP_CLOSE: /* what had to be synced is, and the descriptor is gone */
        return code != ECANCELED;
    case PAWL_IO_OP_UNLINK:
        return code == ENOENT;
    case PAWL_IO_OP_RENAME: /* the one to be replaced is away already */
        return code == ENOENT && strncmp(op->to, TRASH_PREFIX, strlen(TRASH_PREFIX)) == 0;
    default:
        return false;
    }
}

void pawl_checkpoint_describe_op(const struct pawl_io_op *op, char *text, size_t text_bytes)
{
    static const char *const verbs[] = {
        [PAWL_IO_OP_OPEN] = "open",
        [PAWL_IO_OP_ALLOCATE] = "allocate",
        [PAWL_IO_OP_WRITE] = "write",
        [PAWL_IO_OP_SYNC] = "sync",
        [PAWL_IO_OP_CLOSE] = "close",
        [PAWL_IO_OP_RENAME] = "rename",
        [PAWL_IO_OP_EXCHANGE] = "exchange",
        [PAWL_IO_OP_UNLINK] = "remove",
        [PAWL_IO_OP_SYNC_FOLDER] = "sync folder",
        [PAWL_IO_OP_SYNC_SLOT] = "sync folder",
        [PAWL_IO_OP_MKDIR] = "make folder",
        [PAWL_IO_OP_RMDIR] = "remove folder",
        [PAWL_IO_OP_SYMLINK] = "make link",
    };
    const char *name = op->name ? op->name : "";
    if (op->kind == PAWL_IO_OP_ALLOCATE)
        snprintf(text, text_bytes, "allocate %" PRIu64 " bytes of %s", op->offset_bytes, name);
    else
        snprintf(text, text_bytes, "%s %s%s%s", verbs[op->kind], name, op->to ? " to " : "",
                 op->to ? op->to : "");
}

const char *pawl_checkpoint_step_name(enum step step)
{
    static const char *const names[] = {
        [STEP_RESTING] = "rest",      [STEP_MKDIR] = "make folders",
        [STEP_ALLOCATE] = "allocate", [STEP_WRITE] = "write",
        [STEP_SYNC] = "sync folders", [STEP_AWAIT_CHECKSUMS] = "checksums",
        [STEP_MANIFEST] = "manifest", [STEP_RENAME] = "rename",
        [STEP_LINK] = "replace link", [STEP_TRASH] = "set aside",
        [STEP_REMOVE] = "remove",     [STEP_ABANDON] = "abandon",
    };
    return names[step];
}

int pawl_checkpoint_pass_fault(enum step step)
{
    switch (step) {
    case STEP_MKDIR:
        return PAWL_FAULT_ERRNO("checkpoint.mkdir");
    case STEP_ALLOCATE:
        return PAWL_FAULT_ERRNO("checkpoint.allocate");
    case STEP_WRITE:
        return PAWL_FAULT_ERRNO("checkpoint.write");
    case STEP_SYNC:
        return PAWL_FAULT_ERRNO("checkpoint.sync");
    case STEP_MANIFEST:
        return PAWL_FAULT_ERRNO("checkpoint.manifest");
    case STEP_RENAME:
        return PAWL_FAULT_ERRNO("checkpoint.rename");
    case STEP_LINK:
        return PAWL_FAULT_ERRNO("checkpoint.link");
    case STEP_TRASH:
        return PAWL_FAULT_ERRNO("checkpoint.trash");
    case STEP_REMOVE:
        return PAWL_FAULT_ERRNO("checkpoint.remove");
    default:
        return 0;
    }
}
