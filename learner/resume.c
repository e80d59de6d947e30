#include "learner/resume.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "learner/checkpoint_find.h"
#include "learner/checkpoint_tree.h"
#include "runtime/log.h"

#include "runtime/text.h"

#define LAYOUT 1

static void write_counts(struct pawl_json_writer *out, const struct pawl_tally_totals *totals)
{
    pawl_json_begin_object(out, "counts");
    pawl_json_put_u64(out, "records", totals->record_count);
    pawl_json_put_u64(out, "steps", totals->step_count);
    pawl_json_put_u64(out, "episodes", totals->episode_count);
    pawl_json_put_u64(out, "refused", totals->refused_count);
    pawl_json_put_u64(out, "gaps", totals->gap_count);
    pawl_json_put_u64(out, "episodes_bytes", totals->episodes_bytes);
    pawl_json_put_u64(out, "ledger_bytes", totals->ledger_bytes);
    pawl_json_put_u64(out, "frames", totals->frame_count);
    pawl_json_put_u64(out, "offline_frames", totals->offline_frame_count);
    pawl_json_end(out);
}

static void write_actors(struct pawl_json_writer *out, const struct pawl_ingest *ingest)
{
    pawl_json_begin_array(out, "actors");
    for (uint32_t i = 0; i < ingest->ring_end; i++) {
        const struct pawl_ingest_ring *ring = &ingest->rings[i];
        char epoch[2 * PAWL_HUB_EPOCH_BYTES + 1];
        if (ring->state == PAWL_INGEST_FREE)
            continue;
        pawl_text_hex(ring->book.epoch, PAWL_HUB_EPOCH_BYTES, epoch);
        pawl_json_begin_object(out, NULL);
        pawl_json_put_u64(out, "actor", ring->book.actor);
        pawl_json_put_string(out, "epoch", epoch);
        pawl_json_put_u64(out, "next", pawl_tally_ring(&ingest->tally, ring->book.entry)->next);
        pawl_json_end(out);
    }
    pawl_json_end(out);
}

void pawl_resume_write(struct pawl_json_writer *out, const struct pawl_warm_mark *mark,
                       const struct pawl_ingest *ingest)
{
    pawl_json_begin_object(out, NULL);
    pawl_json_put_i64(out, "pawl", LAYOUT);
    pawl_json_put_u64(out, "updates", mark->update_count);
    pawl_json_put_u64(out, "draw_offset", mark->draw_offset);
    pawl_json_begin_object(out, "ratio");
    pawl_json_put_u64(out, "step_count", mark->ratio_step_count);
    pawl_json_put_f64(out, "credit", mark->ratio_credit);
    pawl_json_end(out);
    write_counts(out, pawl_tally_totals(&ingest->tally));
    pawl_json_put_u64(out, "version_next", pawl_tally_version_next(&ingest->tally));
    write_actors(out, ingest);
    pawl_json_end(out);
}

static int get_count(const struct pawl_json_at *at, const char *key, uint64_t min,
                     uint64_t *value, struct pawl_err *err)
{
    int64_t number = 0;
    int code = pawl_json_get_i64(at, key, (int64_t)min, INT64_MAX, &number, err);
    if (code == 0)
        *value = (uint64_t)number;
    return code;
}

static int read_counts(struct pawl_tally_totals *totals, const struct pawl_json_at *root,
                       struct pawl_err *err)
{
    struct pawl_json_at counts;
    if (pawl_json_get_object(root, "counts", &counts, err) != 0)
        return -err->code;
    const struct {
        const char *key;
        uint64_t *value;
    } keys[] = {
        {"records", &totals->record_count},
        {"steps", &totals->step_count},
        {"episodes", &totals->episode_count},
        {"refused", &totals->refused_count},
        {"gaps", &totals->gap_count},
        {"episodes_bytes", &totals->episodes_bytes},
        {"ledger_bytes", &totals->ledger_bytes},
        {"frames", &totals->frame_count},
        {"offline_frames", &totals->offline_frame_count},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (get_count(&counts, keys[i].key, 0, keys[i].value, err) != 0)
            return -err->code;
    return 0;
}

static int read_all(struct pawl_resume *resume, const struct pawl_json_at *root,
                    struct pawl_err *err)
{
    struct pawl_json_at ratio;
    int64_t layout;

    if (pawl_json_get_i64(root, "pawl", LAYOUT, LAYOUT, &layout, err) != 0 ||
        get_count(root, "updates", 0, &resume->mark.update_count, err) != 0 ||
        get_count(root, "draw_offset", 0, &resume->mark.draw_offset, err) != 0 ||
        pawl_json_get_object(root, "ratio", &ratio, err) != 0 ||
        get_count(&ratio, "step_count", 0, &resume->mark.ratio_step_count, err) != 0 ||
        pawl_json_get_f64(&ratio, "credit", -DBL_MAX, DBL_MAX, &resume->mark.ratio_credit,
                          err) != 0 ||
        get_count(root, "version_next", 1, &resume->version_next, err) != 0)
        return -err->code;
    return read_counts(&resume->totals, root, err);
}

int pawl_resume_parse(struct pawl_resume *resume, const char *text, size_t length_bytes,
                      const char *source, struct pawl_err *err)
{
    const struct pawl_json_limits limits = {.bytes_max = 16u << 20, .depth_max = 4};
    struct pawl_json doc;
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *resume = (struct pawl_resume){0};
    if (pawl_json_open_text(&doc, text, length_bytes, source, &limits, err) != 0)
        return -err->code;
    struct pawl_json_at root = pawl_json_root(&doc);
    int code = read_all(resume, &root, err);
    pawl_json_close(&doc);
    return code;
}

static void note_skipped(void *arg, const char *sentence)
{
    (void)arg;
    pawl_log_info("checkpoint skipped", "reason=%s", sentence); /* `pawl train` tells people */
}

int pawl_resume_find(struct pawl_resume_source *source, struct pawl_err *err)
{
    char *text = NULL;
    size_t length = 0;

    if (source->is_found)
        return 0;
    struct pawl_checkpoint_info *info = calloc(1, sizeof(*info));
    if (!info)
        return pawl_err_set(err, ENOMEM, "out of memory");
    int code = pawl_checkpoint_find(source->io, source->folder, PAWL_CHECKPOINT_NEWEST_VALID,
                                    note_skipped, NULL, info, err);
    if (code == 0)
        code = pawl_checkpoint_read(source->io, info->path, PAWL_CHECKPOINT_PAWL_JSON,
                                    PAWL_CHECKPOINT_PAWL_JSON_MAX, &text, &length, err);
    if (code == 0)
        code = pawl_resume_parse(&source->resume, text, length, PAWL_CHECKPOINT_PAWL_JSON, err);
    if (code == 0) {
        source->is_found = true;
        snprintf(source->path, sizeof(source->path), "%s", info->path);
        pawl_log_info("resume", "from=%s updates=%" PRIu64 " steps=%" PRIu64, info->path,
                      source->resume.mark.update_count, source->resume.totals.step_count);
    }
    free(text);
    free(info);
    return code == 0 ? 0 : pawl_err_wrap(err, "resume %s", source->folder);
}
