#include "learner/quarantine.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"
#include "runtime/log.h"
#include "runtime/text.h"
#include "shm/hub_msg.h"

/* A spec may be all escapes; else the data are the most. */
#define WAITING_BYTES  (64u << 10)
#define LINE_BYTES_MAX (2u * PAWL_SPEC_TEXT_BYTES + 2u * PAWL_QUARANTINE_DATA_BYTES + 1024u)

static void give_up(struct pawl_quarantine *quarantine, const char *reason)
{
    pawl_log_warn("no more refused records are kept", "file=%s reason=%s", PAWL_QUARANTINE_NAME,
                  reason);
    pawl_quarantine_close(quarantine);
    quarantine->is_over = true;
}

static int append(struct pawl_quarantine *quarantine, struct pawl_json_writer *out,
                  struct pawl_err *err)
{
    size_t length = 0;
    char *text = quarantine->line;
    if (!pawl_json_finish(out, &length, err))
        return -err->code;
    if (!pawl_linefile_is_waiting(&quarantine->file) && quarantine->waiting_bytes == 0)
        return pawl_linefile_append(&quarantine->file, text, length, err);
    if (quarantine->waiting_bytes + length + 1 > WAITING_BYTES)
        return 0;
    char *to = text + LINE_BYTES_MAX + quarantine->waiting_bytes;
    memcpy(to, text, length);
    to[length] = '\n';
    quarantine->waiting_bytes += length + 1;
    return 0;
}

static int append_spec(struct pawl_quarantine *quarantine, const struct pawl_spec *spec,
                       struct pawl_err *err)
{
    struct pawl_json_writer out;
    char text[PAWL_SPEC_TEXT_BYTES];
    pawl_spec_text(spec, text);
    pawl_json_open_fixed(&out, quarantine->line, LINE_BYTES_MAX);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_u64(&out, "format", 1);
    pawl_json_put_string(&out, "spec", text);
    pawl_json_end(&out);
    return append(quarantine, &out, err);
}

static int open_file(struct pawl_quarantine *quarantine,
                     const struct pawl_quarantine_cfg *where, struct pawl_err *err)
{
    struct pawl_linefile_cfg cfg = pawl_linefile_default_cfg();
    char path[PATH_MAX];
    if (quarantine->file.io)
        return 0;
    cfg.sync_period_ns = 0; /* the learner's thread waits for no disk */
    cfg.syncs = where->keeper ? PAWL_LINEFILE_SYNCS_ELSEWHERE : PAWL_LINEFILE_SYNCS;
    cfg.line_bytes_max = LINE_BYTES_MAX;
    if ((size_t)snprintf(path, sizeof(path), "%s/" PAWL_QUARANTINE_NAME, where->folder) >=
        sizeof(path))
        return pawl_err_set(err, ENAMETOOLONG, "the path is too long");
    quarantine->line = malloc(LINE_BYTES_MAX + WAITING_BYTES);
    if (!quarantine->line)
        return pawl_err_set(err, ENOMEM, "out of memory");
    int code = pawl_linefile_open(&quarantine->file, where->io, path, &cfg, err);
    if (code != 0)
        return code;
    quarantine->keeper = where->keeper;
    if (where->keeper)
        pawl_keeper_add(where->keeper, PAWL_QUARANTINE_NAME, &quarantine->file);
    if (quarantine->file.size_bytes == 0)
        code = append_spec(quarantine, where->spec, err);
    return code;
}

static int append_case(struct pawl_quarantine *quarantine,
                       const struct pawl_quarantine_case *refused, struct pawl_err *err)
{
    const struct pawl_ring_record *record = refused->record;
    struct pawl_json_writer out;
    char epoch[2 * PAWL_HUB_EPOCH_BYTES + 1], data[2 * PAWL_QUARANTINE_DATA_BYTES + 1];
    pawl_text_hex(refused->epoch, PAWL_HUB_EPOCH_BYTES, epoch);
    pawl_text_hex(refused->data,
                  refused->data_bytes < PAWL_QUARANTINE_DATA_BYTES ? refused->data_bytes
                                                                   : PAWL_QUARANTINE_DATA_BYTES,
                  data);
    pawl_json_open_fixed(&out, quarantine->line, LINE_BYTES_MAX);
    pawl_json_begin_object(&out, NULL);
    pawl_json_put_u64(&out, "actor", refused->actor);
    pawl_json_put_string(&out, "epoch", epoch);
    pawl_json_put_u64(&out, "sequence", refused->sequence);
    if (record) {
        pawl_json_put_u64(&out, "lane", record->lane);
        pawl_json_put_u64(&out, "episode", record->episode);
        pawl_json_put_u64(&out, "step", record->step);
        pawl_json_put_u64(&out, "flags", record->flags);
        pawl_json_put_u64(&out, "version", record->policy_version);
    }
    pawl_json_put_string(&out, "reason", refused->reason);
    pawl_json_put_u64(&out, "bytes", refused->data_bytes);
    pawl_json_put_string(&out, "data", data);
    pawl_json_end(&out);
    return append(quarantine, &out, err);
}

void pawl_quarantine_add(struct pawl_quarantine *quarantine,
                         const struct pawl_quarantine_cfg *cfg,
                         const struct pawl_quarantine_case *refused)
{
    struct pawl_err err = {0};
    if (quarantine->is_over)
        return;
    if (open_file(quarantine, cfg, &err) != 0)
        give_up(quarantine, err.text);
    else if (quarantine->file.size_bytes + quarantine->waiting_bytes + LINE_BYTES_MAX >
             PAWL_QUARANTINE_BYTES_MAX)
        give_up(quarantine, "it has grown to its limit");
    else if (append_case(quarantine, refused, &err) != 0)
        give_up(quarantine, err.text);
}

void pawl_quarantine_turn(struct pawl_quarantine *quarantine)
{
    struct pawl_err err = {0};
    if (quarantine->waiting_bytes == 0 || pawl_linefile_is_waiting(&quarantine->file))
        return;
    size_t count = quarantine->waiting_bytes;
    quarantine->waiting_bytes = 0;
    if (pawl_linefile_append_lines(&quarantine->file, quarantine->line + LINE_BYTES_MAX, count,
                                   &err) != 0)
        give_up(quarantine, err.text);
}

void pawl_quarantine_close(struct pawl_quarantine *quarantine)
{
    if (quarantine->keeper)
        pawl_keeper_remove(quarantine->keeper, &quarantine->file);
    if (quarantine->file.io)
        pawl_linefile_close(&quarantine->file);
    free(quarantine->line);
    *quarantine = (struct pawl_quarantine){0};
}
