#include "runtime/linefile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/clock.h"

#define SCAN_BYTES ((size_t)64 << 10)

struct pawl_linefile_cfg pawl_linefile_default_cfg(void)
{
    return (struct pawl_linefile_cfg){
        .line_bytes_max = (size_t)64 << 10,
        .sync_period_ns = PAWL_NS_PER_S,
    };
}

/* Finds the end of the last line that may stay, piece by piece from the end of the file. A zero
 * byte is a hole where a write was lost: from its line on nothing is in order any more. A piece
 * without a hole ends the search, once a line's end is found there or behind it. */
static int find_end(struct pawl_linefile *file, uint64_t size_bytes, uint64_t *end_bytes)
{
    char *piece = malloc(SCAN_BYTES);
    if (!piece)
        return -ENOMEM;

    int code = 0;
    bool has_hole = false;
    *end_bytes = 0;
    for (uint64_t stop = size_bytes; stop > 0 && (*end_bytes == 0 || has_hole);) {
        uint64_t start = stop > SCAN_BYTES ? stop - SCAN_BYTES : 0;
        size_t count = (size_t)(stop - start);
        int64_t got = pawl_io_read_up_to(file->io, file->fd, piece, count, start);
        if (got != (int64_t)count) {
            code = got < 0 ? (int)got : -EIO;
            break;
        }

        const char *hole = memchr(piece, '\0', count);
        has_hole = hole != NULL;
        if (has_hole)
            *end_bytes = 0;
        if (*end_bytes == 0) {
            const char *newline = memrchr(piece, '\n', hole ? (size_t)(hole - piece) : count);
            if (newline)
                *end_bytes = start + (uint64_t)(newline - piece) + 1;
        }
        stop = start;
    }
    free(piece);
    return code;
}

/* An interrupted sync may be repeated: one that lost pages is reported as EIO. */
static int sync_content(struct pawl_linefile *file)
{
    int code = -EINTR;
    for (int i = 0; i < PAWL_IO_INTERRUPTS_MAX && code == -EINTR; i++)
        code = pawl_io_sync(file->io, file->fd);
    return code;
}

/* Nothing behind size_bytes; durable before the next line, lest what is cut off here comes back
 * under it. */
static int cut_to_size(struct pawl_linefile *file)
{
    int code = pawl_io_truncate(file->io, file->fd, file->size_bytes);
    if (code != 0 || file->cfg.syncs == PAWL_LINEFILE_SYNCS_NEVER)
        return code;
    if (file->cfg.syncs == PAWL_LINEFILE_SYNCS)
        return sync_content(file);
    file->cut_count++;
    file->is_cut_uncertain = true;
    return 0;
}

/* Drops the torn end and makes durable what stays, its name too: after this, or once who syncs
 * has done so, the promises of the header hold for the whole file, whatever its last writer had
 * synced. */
static int settle(struct pawl_linefile *file, int folder)
{
    uint64_t size_bytes;
    int code = pawl_io_size(file->io, file->fd, &size_bytes);
    if (code == 0)
        code = find_end(file, size_bytes, &file->size_bytes);
    if (code != 0)
        return code;

    file->dropped_bytes = size_bytes - file->size_bytes;
    if (file->cfg.syncs != PAWL_LINEFILE_SYNCS)
        return file->dropped_bytes > 0 ? cut_to_size(file) : 0;
    code = file->dropped_bytes > 0 ? cut_to_size(file) : sync_content(file);
    if (code != 0)
        return code;
    file->synced_bytes = file->size_bytes;
    code = pawl_io_sync_folder(file->io, folder);
    /* Some file systems cannot sync a folder; they order such changes themselves. */
    return code == -EINVAL || code == -EOPNOTSUPP ? 0 : code;
}

int pawl_linefile_open(struct pawl_linefile *file, struct pawl_io *io, const char *path,
                       const struct pawl_linefile_cfg *cfg, struct pawl_err *err)
{
    *file = (struct pawl_linefile){.io = io, .cfg = *cfg, .fd = -1};
    if (cfg->line_bytes_max == 0 || cfg->line_bytes_max > INT32_MAX) {
        file->io = NULL;
        return pawl_err_set(err, EINVAL, "%s: lines of at most %zu bytes: 1 to %d are possible",
                            path, cfg->line_bytes_max, INT32_MAX);
    }

    const char *name;
    int folder = pawl_io_open_folder_of(io, path, &name, err);
    int code = folder < 0 ? folder : 0;
    if (code != 0)
        goto fail;
    file->buffer = malloc(cfg->line_bytes_max + 1);
    if (!file->buffer) {
        code = pawl_err_set(err, ENOMEM, "%s: no memory for a line of %zu bytes", path,
                            cfg->line_bytes_max);
        goto fail;
    }
    file->fd = pawl_io_open(io, folder, name, O_RDWR, 0);
    bool is_new = file->fd == -ENOENT;
    if (is_new)
        file->fd = pawl_io_open(io, folder, name, O_RDWR | O_CREAT, 0666);
    code = file->fd < 0 ? file->fd : settle(file, folder);
    file->is_cut_uncertain = !is_new && cfg->syncs == PAWL_LINEFILE_SYNCS_ELSEWHERE;
    if (code != 0) {
        pawl_err_set(err, -code, "open %s: %s", path, strerror(-code));
        goto fail;
    }
    pawl_io_close(io, folder);
    file->last_sync_ns = pawl_clock_now_ns();
    return 0;

fail:
    if (folder >= 0)
        pawl_io_close(io, folder);
    pawl_linefile_close(file);
    return code;
}

/* Takes away what a failed append may have left. */
static int repair_end(struct pawl_linefile *file)
{
    uint64_t size_bytes;
    int code = pawl_io_size(file->io, file->fd, &size_bytes);
    if (code == 0 && size_bytes != file->size_bytes)
        code = cut_to_size(file);
    if (code == 0)
        file->is_end_torn = false;
    return code;
}

/* Lines that are checked, newlines included, at the end of the file. */
static int append_text(struct pawl_linefile *file, const char *text, size_t length,
                       struct pawl_err *err)
{
    int code = file->is_end_torn ? repair_end(file) : 0;
    if (code != 0)
        return pawl_err_set(err, -code, "remove a torn line: %s", strerror(-code));
    if (pawl_linefile_is_waiting(file))
        return pawl_err_set(err, EAGAIN, "an end that was cut off has to be synced first");

    code = pawl_io_write_all(file->io, file->fd, text, length, file->size_bytes);
    if (code != 0) {
        file->is_end_torn = true;
        repair_end(file); /* or before the next append */
        return pawl_err_set(err, -code, "append a line of %zu bytes: %s", length - 1,
                            strerror(-code));
    }
    file->size_bytes += length;

    if (file->cfg.sync_period_ns == 0 || file->is_sync_lost ||
        pawl_clock_now_ns() - file->last_sync_ns < file->cfg.sync_period_ns)
        return 0;
    return pawl_linefile_sync(file, err);
}

int pawl_linefile_append(struct pawl_linefile *file, const char *text, size_t length,
                         struct pawl_err *err)
{
    if (length > file->cfg.line_bytes_max)
        return pawl_err_set(err, EINVAL, "a line of %zu bytes, at most %zu", length,
                            file->cfg.line_bytes_max);
    if (memchr(text, '\n', length) || memchr(text, '\0', length))
        return pawl_err_set(err, EINVAL, "a line with a newline or a zero byte inside");
    memcpy(file->buffer, text, length);
    file->buffer[length] = '\n';
    return append_text(file, file->buffer, length + 1, err);
}

int pawl_linefile_append_lines(struct pawl_linefile *file, const char *text, size_t length,
                               struct pawl_err *err)
{
    if (length == 0)
        return 0;
    if (text[length - 1] != '\n' || memchr(text, '\0', length))
        return pawl_err_set(err, EINVAL, "lines that do not end, or with a zero byte inside");
    return append_text(file, text, length, err);
}

int pawl_linefile_cut(struct pawl_linefile *file, uint64_t size_bytes, struct pawl_err *err)
{
    if (size_bytes > file->size_bytes)
        return pawl_err_set(err, ERANGE, "cut to %" PRIu64 " bytes: there are only %" PRIu64,
                            size_bytes, file->size_bytes);
    if (size_bytes == file->size_bytes)
        return 0;
    file->size_bytes = size_bytes;
    file->is_end_torn = true;
    int code = repair_end(file);
    return code ? pawl_err_set(err, -code, "cut to %" PRIu64 " bytes: %s", size_bytes,
                               strerror(-code))
                : 0;
}

int pawl_linefile_sync(struct pawl_linefile *file, struct pawl_err *err)
{
    if (file->is_sync_lost)
        return pawl_err_set(err, EIO,
                            "an earlier sync failed: only the first %" PRIu64
                            " bytes are known to be on the disk",
                            file->synced_bytes);

    int code = sync_content(file);
    file->last_sync_ns = pawl_clock_now_ns();
    if (code != 0) {
        file->is_sync_lost = true;
        return pawl_err_set(err, -code,
                            "sync: %s; only the first %" PRIu64
                            " bytes are known to be on the disk",
                            strerror(-code), file->synced_bytes);
    }
    file->synced_bytes = file->size_bytes;
    return 0;
}

bool pawl_linefile_is_waiting(const struct pawl_linefile *file)
{
    return file->is_cut_uncertain && !file->is_sync_lost;
}

struct pawl_linefile_mark pawl_linefile_mark(const struct pawl_linefile *file)
{
    return (struct pawl_linefile_mark){.size_bytes = file->size_bytes,
                                       .cut_count = file->cut_count};
}

void pawl_linefile_synced(struct pawl_linefile *file, const struct pawl_linefile_mark *mark,
                          int code)
{
    if (code != 0)
        file->is_sync_lost = true;
    if (file->is_sync_lost || mark->cut_count != file->cut_count)
        return;
    file->is_cut_uncertain = false;
    file->synced_bytes = mark->size_bytes;
}

void pawl_linefile_close(struct pawl_linefile *file)
{
    if (!file->io)
        return;
    if (file->fd >= 0)
        pawl_io_close(file->io, file->fd);
    free(file->buffer);
    *file = (struct pawl_linefile){0};
}
