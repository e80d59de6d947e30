/* checkpoint.c: the states of a save, each a chain of file operations; polls move from one to
 * the next. What operations a step consists of is in checkpoint_steps.c, how the folder is
 * opened in checkpoint_open.c. */
#include "learner/checkpoint_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/clock.h"
#include "runtime/crc32c.h"

#define CRC_SLICE_BYTES ((size_t)256 << 10) /* some 30 us of one poll */
#define RETRIES_MAX     8
#define BACK_OFF_S_MAX  60

void pawl_checkpoint_name(uint64_t step, char name[PAWL_CHECKPOINT_NAME_BYTES])
{
    snprintf(name, PAWL_CHECKPOINT_NAME_BYTES, "%06" PRIu64, step);
}

/* --- when --- */

bool pawl_checkpoint_is_busy(const struct pawl_checkpoint *saver)
{
    const struct pawl_checkpoint_writer *writer = saver->writer;
    return writer &&
           (writer->step != STEP_RESTING || writer->folder < 0 || writer->has_replaced);
}

bool pawl_checkpoint_is_durability_lost(const struct pawl_checkpoint *saver)
{
    return saver->failures_in_row >= PAWL_CHECKPOINT_FAILURES_LOST;
}

bool pawl_checkpoint_is_due(struct pawl_checkpoint *saver, uint64_t now_ns,
                            uint64_t update_count)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    const struct pawl_checkpoint_cfg *cfg = &writer->cfg;
    /* The result is to be taken first, and what was replaced to go. */
    if (writer->is_ended || writer->folder < 0 || writer->has_replaced)
        return false;
    if (saver->failures_in_row > 0) {
        if ((now_ns != 0 ? now_ns : pawl_clock_now_ns()) < writer->retry_ns)
            return false;
        if (now_ns != 0)
            return !pawl_checkpoint_is_busy(saver);
    }
    if (writer->is_wanted)
        return !pawl_checkpoint_is_busy(saver);
    bool is_due = update_count > writer->begun_step &&
                  ((cfg->every_updates > 0 &&
                    update_count - writer->begun_step >= (uint64_t)cfg->every_updates) ||
                   (cfg->period_s > 0 && now_ns != 0 &&
                    (double)(int64_t)(now_ns - writer->begun_ns) / (double)PAWL_NS_PER_S >=
                        cfg->period_s));
    if (!is_due || !pawl_checkpoint_is_busy(saver))
        return is_due;
    saver->skipped_count++;
    writer->begun_step = update_count;
    writer->begun_ns = now_ns;
    return false;
}

void pawl_checkpoint_note_rollback(struct pawl_checkpoint *saver, uint64_t rollback_count)
{
    saver->writer->rollback_count = rollback_count;
    saver->writer->is_wanted = true;
}

/* --- begin --- */

static int check_files(const struct pawl_checkpoint_writer *writer,
                       const struct pawl_checkpoint_file *files, size_t file_count,
                       struct pawl_err *err)
{
    size_t part_count = 0;
    if (file_count == 0 || file_count > PAWL_CHECKPOINT_FILES_MAX)
        return pawl_err_set(err, EINVAL, "a checkpoint of %zu files: 1 to %u are possible",
                            file_count, PAWL_CHECKPOINT_FILES_MAX);
    for (size_t i = 0; i < file_count; i++) {
        part_count += files[i].part_count;
        if (strlen(files[i].path) >= PAWL_CHECKPOINT_PATH_BYTES)
            return pawl_err_set(err, ENAMETOOLONG, "%s: a path of %zu bytes, at most %u",
                                files[i].path, strlen(files[i].path),
                                PAWL_CHECKPOINT_PATH_BYTES - 1);
    }
    if (part_count > writer->part_count_max)
        return pawl_err_set(err, EINVAL, "a checkpoint of %zu parts, at most %zu", part_count,
                            writer->part_count_max);
    return 0;
}

static struct pawl_checkpoint_entry *find_entry(struct pawl_checkpoint_writer *writer,
                                                uint64_t step)
{
    for (size_t i = 0; i < writer->entry_count; i++)
        if (writer->entries[i].step == step)
            return &writer->entries[i];
    return NULL;
}

static void describe_files(struct pawl_checkpoint_writer *writer,
                           const struct pawl_checkpoint_file *files, size_t file_count)
{
    struct pawl_checkpoint_manifest *manifest = &writer->manifest;
    manifest->file_count = (uint32_t)file_count;
    writer->total_bytes = 0;
    for (size_t i = 0; i < file_count; i++) {
        writer->files[i] = files[i];
        struct pawl_checkpoint_manifest_file *file = &manifest->files[i];
        *file = (struct pawl_checkpoint_manifest_file){0};
        strcpy(file->path, files[i].path);
        for (size_t k = 0; k < files[i].part_count; k++)
            file->size_bytes += files[i].parts[k].iov_len;
        writer->total_bytes += file->size_bytes;
    }
}

static void begin_step(struct pawl_checkpoint *saver, enum step step);
static void end_step(struct pawl_checkpoint *saver);

int pawl_checkpoint_begin(struct pawl_checkpoint *saver, uint64_t step, double score,
                          const struct pawl_checkpoint_file *files, size_t file_count,
                          uint64_t now_ns, struct pawl_err *err)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    if (pawl_checkpoint_is_busy(saver) || writer->is_ended) {
        saver->skipped_count++;
        return pawl_err_set(err, EBUSY, "a checkpoint is being written");
    }
    const struct pawl_checkpoint_entry *entry = find_entry(writer, step);
    if (!entry && writer->entry_count == PAWL_CHECKPOINT_ENTRIES_MAX)
        return pawl_err_set(err, ENOSPC, "%u checkpoints in one run; let fewer be kept",
                            PAWL_CHECKPOINT_ENTRIES_MAX);
    int code = check_files(writer, files, file_count, err);
    if (code == 0) {
        describe_files(writer, files, file_count);
        code = pawl_checkpoint_names(writer, step, err);
    }
    if (code != 0)
        return code;

    writer->is_replacing = entry != NULL;
    writer->has_no_exchange = false;
    writer->manifest.step = step;
    writer->manifest.rollback_count = writer->rollback_count;
    writer->manifest.score = score;
    writer->manifest.saved_unix_s = (uint64_t)time(NULL);
    writer->crc_file = writer->crc_part = writer->crc_at = 0;
    writer->failure = (struct pawl_err){0};
    writer->retry_count = 0;
    writer->begun_step = step;
    writer->begun_ns = now_ns != 0 ? now_ns : writer->begun_ns;
    saver->begun_ns = writer->begun_ns;
    writer->write_begun_ns = pawl_clock_now_ns();
    saver->warning[0] = '\0';
    begin_step(saver, STEP_MKDIR);
    return 0;
}

/* --- checksums, a slice a time --- */

static bool has_checksums(const struct pawl_checkpoint_writer *writer)
{
    return writer->crc_file == writer->manifest.file_count;
}

static void sum_slice(struct pawl_checkpoint_writer *writer, size_t left_bytes)
{
    while (left_bytes > 0 && !has_checksums(writer)) {
        const struct pawl_checkpoint_file *file = &writer->files[writer->crc_file];
        if (writer->crc_part == file->part_count) {
            writer->crc_file++;
            writer->crc_part = 0;
            continue;
        }
        const struct iovec *part = &file->parts[writer->crc_part];
        size_t count = part->iov_len - writer->crc_at;
        count = count < left_bytes ? count : left_bytes;
        uint32_t *crc = &writer->manifest.files[writer->crc_file].crc32c;
        if (count > 0)
            *crc = pawl_crc32c(*crc, (const char *)part->iov_base + writer->crc_at, count);
        writer->crc_at += count;
        left_bytes -= count;
        if (writer->crc_at == part->iov_len) {
            writer->crc_part++;
            writer->crc_at = 0;
        }
    }
}

/* --- the ends --- */

static void end_done(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    writer->is_ended = true;
    writer->is_trash_due = true;
    if (writer->manifest.rollback_count == writer->rollback_count)
        writer->is_wanted = false;
    saver->done_count++;
    saver->failures_in_row = 0;
    saver->done_step = writer->manifest.step;
    saver->done_bytes = writer->total_bytes;
    saver->done_ns = pawl_clock_now_ns();
    saver->took_ns = saver->done_ns - writer->write_begun_ns;
    writer->step = STEP_RESTING;
}

void pawl_checkpoint_note_unbegun(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    saver->failed_count++;
    saver->failures_in_row++;
    uint64_t pause_s = 1;
    for (uint64_t i = 1; i < saver->failures_in_row && pause_s < BACK_OFF_S_MAX; i++)
        pause_s *= 2;
    if (pause_s > BACK_OFF_S_MAX)
        pause_s = BACK_OFF_S_MAX;
    writer->retry_ns = pawl_clock_now_ns() + pause_s * PAWL_NS_PER_S;
}

static void end_failed(struct pawl_checkpoint *saver)
{
    pawl_checkpoint_note_unbegun(saver);
    saver->writer->is_ended = true;
    saver->writer->step = STEP_RESTING;
}

/* The folder has its number. */
static void note_entry(struct pawl_checkpoint_writer *writer, bool is_committed)
{
    struct pawl_checkpoint_entry *entry = find_entry(writer, writer->manifest.step);
    if (!entry)
        entry = &writer->entries[writer->entry_count++];
    *entry = (struct pawl_checkpoint_entry){
        .step = writer->manifest.step,
        .rollback_count = writer->manifest.rollback_count,
        .score = writer->manifest.score,
        .is_committed = is_committed,
    };
}

/* --- from step to step --- */

static void warn(struct pawl_checkpoint *saver, int code, const char *what)
{
    snprintf(saver->warning, sizeof(saver->warning), "checkpoint %s: %.160s: %s",
             saver->writer->final_name, what, strerror(code));
}

static void fail(struct pawl_checkpoint *saver, int code, const char *what)
{
    struct pawl_checkpoint_writer *writer = saver->writer;

    switch (writer->step) {
    case STEP_LINK: /* it is committed; the link is only a hint */
        warn(saver, code, what);
        end_done(saver);
        break;
    case STEP_TRASH:
    case STEP_REMOVE: /* after the next save it is tried again, or by the next open */
        warn(saver, code, what);
        writer->is_trash_due = false;
        writer->step = STEP_RESTING;
        break;
    default:
        pawl_err_set(&writer->failure, code, "checkpoint %s: %.400s: %s", writer->final_name,
                     what, strerror(code));
        if (writer->is_renamed)
            note_entry(writer, false); /* whether it survives a power cut, nobody knows */
        writer->has_replaced = false;  /* nor, then, which of the two has the number */
        begin_step(saver, STEP_ABANDON);
    }
}

static void begin_chain(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    unsigned left = writer->op_count - writer->op_next;
    struct pawl_err err = {0};

    writer->op_flight = left < PAWL_IO_QUEUE_OPS_MAX ? left : PAWL_IO_QUEUE_OPS_MAX;
    bool goes_on = writer->step == STEP_ABANDON || writer->step == STEP_REMOVE;
    int code = pawl_io_queue_begin(
        &writer->queue, writer->ops + writer->op_next, writer->op_flight,
        goes_on ? PAWL_IO_GO_ON_AFTER_FAILURE : PAWL_IO_STOP_AT_FAILURE, &err);
    writer->is_in_flight = code == 0;
    if (code == 0)
        return;
    if (writer->step == STEP_ABANDON)
        end_failed(saver); /* what is left is a leftover for the next open */
    else
        fail(saver, -code, err.text);
}

static void begin_step(struct pawl_checkpoint *saver, enum step step)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    writer->step = step;
    writer->op_count = writer->op_next = 0;

    int fault = pawl_checkpoint_pass_fault(step);
    if (fault && step != STEP_ABANDON) {
        fail(saver, fault, pawl_checkpoint_step_name(step));
        return;
    }
    if (step == STEP_MKDIR) {
        writer->is_temp_there = true;
        writer->is_renamed = false;
    }
    int code = pawl_checkpoint_fill_ops(writer);
    if (code != 0)
        fail(saver, -code, pawl_checkpoint_step_name(step));
    else if (writer->op_count > 0)
        begin_chain(saver);
    else if (step != STEP_AWAIT_CHECKSUMS)
        end_step(saver);
}

/* The operations of the step have all been done. */
static void end_step(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;

    switch (writer->step) {
    case STEP_RENAME:
        note_entry(writer, true);
        begin_step(saver, STEP_LINK);
        break;
    case STEP_LINK:
        end_done(saver);
        break;
    case STEP_TRASH:
        writer->entries[writer->victim] = writer->entries[--writer->entry_count];
        begin_step(saver, STEP_REMOVE);
        break;
    case STEP_REMOVE:
        saver->removed_count++;
        writer->step = STEP_RESTING;
        break;
    case STEP_ABANDON:
        writer->is_temp_there = false;
        end_failed(saver);
        break;
    default: /* in the order of the enumeration */
        begin_step(saver, (enum step)(writer->step + 1));
    }
}

/* The new folder has its number; what had it before is to go. */
static void note_renamed(struct pawl_checkpoint_writer *writer, enum pawl_io_op_kind kind)
{
    writer->is_renamed = true;
    writer->has_replaced = writer->is_replacing;
    writer->is_temp_there = false;
    if (kind == PAWL_IO_OP_EXCHANGE)
        strcpy(writer->trash_name, writer->temp_name);
}

/* The file system has no such thing, or somebody has taken the older one away. */
static bool cannot_exchange(int code)
{
    return code == EINVAL || code == ENOSYS || code == EOPNOTSUPP || code == ENOENT;
}

/* What stays of an old checkpoint that was to go; others' files in it are no surprise. */
static void note_unremoved(struct pawl_checkpoint *saver, const struct pawl_io_op *op)
{
    int code = (int)-op->result;
    char what[PAWL_ERR_TEXT_BYTES];
    if (saver->writer->step != STEP_REMOVE || saver->warning[0] || pawl_io_op_is_complete(op) ||
        code == ENOENT || code == ENOTEMPTY)
        return;
    pawl_checkpoint_describe_op(op, what, sizeof(what));
    warn(saver, code, what);
}

/* The chain has ended, or was cut. */
static void take_results(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    unsigned end = writer->op_next + writer->op_flight;
    bool goes_on = writer->step == STEP_ABANDON || writer->step == STEP_REMOVE;
    writer->is_in_flight = false;

    while (writer->op_next < end) {
        struct pawl_io_op *op = &writer->ops[writer->op_next];
        note_unremoved(saver, op);
        if (pawl_io_op_is_complete(op) || goes_on ||
            pawl_checkpoint_is_dispensable(op, (int)-op->result)) {
            if (writer->step == STEP_RENAME && op->name == writer->temp_name)
                note_renamed(writer, op->kind);
            bool was_cut = !goes_on && !pawl_io_op_is_complete(op);
            writer->op_next++;
            if (was_cut)
                break;
        } else if (op->kind == PAWL_IO_OP_WRITE && op->result > 0) { /* short: the rest */
            op->bytes = (const char *)op->bytes + op->result;
            op->offset_bytes += (uint64_t)op->result;
            op->byte_count -= (size_t)op->result;
            break;
        } else {
            int code = op->result == 0 ? EIO : (int)-op->result;
            bool is_sync = op->kind == PAWL_IO_OP_SYNC || op->kind == PAWL_IO_OP_SYNC_SLOT;
            if ((code == EINTR || code == EAGAIN) && !is_sync &&
                writer->retry_count++ < RETRIES_MAX)
                break;
            if (op->kind == PAWL_IO_OP_EXCHANGE && cannot_exchange(code)) {
                writer->has_no_exchange = true;
                begin_step(saver, STEP_RENAME);
                return;
            }
            char what[PAWL_ERR_TEXT_BYTES];
            pawl_checkpoint_describe_op(op, what, sizeof(what));
            fail(saver, code, what);
            return;
        }
    }
    if (writer->op_next < writer->op_count)
        begin_chain(saver);
    else
        end_step(saver);
}

/* Between two chains: the next one, when what it needs is there. */
static void go_on(struct pawl_checkpoint *saver)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    if (writer->step == STEP_AWAIT_CHECKSUMS && has_checksums(writer)) {
        begin_step(saver, STEP_MANIFEST);
    } else if (writer->step == STEP_RESTING && !writer->is_ended && writer->has_replaced) {
        writer->has_replaced = false;
        begin_step(saver, STEP_REMOVE);
    } else if (writer->step == STEP_RESTING && !writer->is_ended && writer->is_trash_due) {
        writer->victim = pawl_checkpoint_find_victim(writer);
        writer->is_trash_due = writer->victim >= 0;
        if (writer->is_trash_due)
            begin_step(saver, STEP_TRASH);
    }
}

static enum pawl_checkpoint_state report(struct pawl_checkpoint *saver, struct pawl_err *err)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    if (!writer->is_ended)
        return writer->folder >= 0 && writer->step == STEP_RESTING && !writer->is_trash_due &&
                       !writer->has_replaced
                   ? PAWL_CHECKPOINT_IDLE
                   : PAWL_CHECKPOINT_BUSY;
    writer->is_ended = false;
    if (!writer->failure.code)
        return PAWL_CHECKPOINT_DONE;
    pawl_err_set(err, writer->failure.code, "%s", writer->failure.text);
    return PAWL_CHECKPOINT_FAILED;
}

/* A turn of finding out what is in the folder. */
static bool turn_survey(struct pawl_checkpoint *saver, uint64_t deadline_ns)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    int code = 0;
    if (!writer->errand.state && pawl_clock_now_ns() < writer->retry_ns)
        return false;
    writer->failure = (struct pawl_err){0};
    if (!writer->errand.state)
        code = pawl_checkpoint_begin_survey(saver, &writer->failure);
    if (code == 0 && !pawl_errand_wait(&writer->errand, deadline_ns))
        return false;
    if (code == 0)
        code = pawl_checkpoint_end_survey(saver, &writer->failure);
    if (code != 0)
        end_failed(saver);
    return true;
}

/* One turn; false: the deadline has passed. */
static bool turn(struct pawl_checkpoint *saver, size_t sum_bytes, uint64_t deadline_ns)
{
    struct pawl_checkpoint_writer *writer = saver->writer;
    if (writer->folder < 0)
        return turn_survey(saver, deadline_ns);
    if (writer->step >= STEP_MKDIR && writer->step <= STEP_AWAIT_CHECKSUMS)
        sum_slice(writer, sum_bytes);
    if (!writer->is_in_flight) {
        go_on(saver);
        return true;
    }
    if (!pawl_io_queue_wait(&writer->queue, deadline_ns))
        return false;
    take_results(saver);
    return true;
}

enum pawl_checkpoint_state pawl_checkpoint_poll(struct pawl_checkpoint *saver,
                                                struct pawl_err *err)
{
    turn(saver, CRC_SLICE_BYTES, 0);
    return report(saver, err);
}

enum pawl_checkpoint_state pawl_checkpoint_wait(struct pawl_checkpoint *saver,
                                                uint64_t deadline_ns, struct pawl_err *err)
{
    if (saver->writer->folder < 0)
        saver->writer->retry_ns = 0;
    for (;;) {
        if (!turn(saver, 64 * CRC_SLICE_BYTES, deadline_ns))
            return PAWL_CHECKPOINT_BUSY;
        enum pawl_checkpoint_state state = report(saver, err);
        if (state != PAWL_CHECKPOINT_BUSY)
            return state;
    }
}
