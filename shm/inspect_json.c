#include "shm/inspect.h"

#include <math.h>

#include "runtime/json.h"
#include "shm/distance.h"

#define JSON_BYTES_MAX (64u << 20)

/* Broken writers have any number: above 2^63 - 1 many readers of JSON would stumble, so those
 * are null. */
static void put(struct pawl_json_writer *out, const char *key, uint64_t value)
{
    if (value <= INT64_MAX)
        pawl_json_put_u64(out, key, value);
    else
        pawl_json_put_null(out, key);
}

static void put_age(struct pawl_json_writer *out, const char *key, uint64_t age_ns)
{
    if (age_ns == PAWL_INSPECT_UNKNOWN)
        pawl_json_put_null(out, key);
    else
        pawl_json_put_f64(out, key, (double)age_ns / 1e9);
}

/* Negative: not known. */
static void put_rate(struct pawl_json_writer *out, const char *key, double value)
{
    pawl_json_put_f64_or_null(out, key, value < 0 ? NAN : value);
}

static void put_rule(struct pawl_json_writer *out, const char *key,
                     const struct pawl_inspect_rule *rule)
{
    pawl_json_begin_object(out, key);
    pawl_json_put_string(out, "verdict",
                         rule->is_broken   ? "broken"
                         : rule->is_moving ? "moving"
                                           : "ok");
    put(out, "left", rule->left);
    put(out, "right", rule->right);
    pawl_json_end(out);
}

static void put_ring(struct pawl_json_writer *out, const struct pawl_inspect_ring *ring)
{
    static const char *const policies[] = {"block", "drop_newest", "overwrite"};
    const struct pawl_ring_counts *counts = &ring->counts;
    pawl_json_put_string(out, "policy", policies[ring->geometry.policy]);
    put(out, "slot_count", ring->geometry.slot_count);
    put(out, "data_bytes", ring->geometry.data_bytes);
    pawl_json_put_bool(out, "has_reader", ring->has_reader);
    put_rate(out, "rate_hz", ring->rate_hz);
    put_rate(out, "bytes_hz", ring->bytes_hz);
    put_rate(out, "blocked_share", ring->blocked_share);
    put(out, "in_ring", ring->in_ring);
    put(out, "in_ring_max", counts->lag_max);
    pawl_json_put_f64(out, "lag_s", (double)ring->lag_ns / 1e9);
    put(out, "attempted", counts->attempted);
    put(out, "committed", counts->committed);
    put(out, "dropped", counts->dropped_newest);
    put(out, "aborted", counts->aborted);
    put(out, "claimed", counts->claimed);
    put(out, "consumed", counts->consumed);
    put(out, "overwritten", counts->lost);
    put(out, "corrupt", counts->corrupt);
    put(out, "bytes", counts->bytes);
    put(out, "blocked_count", counts->blocked_count);
    put(out, "blocked_ns", counts->blocked_ns);
    put(out, "block_timeouts", counts->block_timeouts);
    put(out, "wakes", counts->wakes_sent);
    put(out, "late_wakes", counts->late_wakes);
    put(out, "version", ring->version);
    put(out, "versions_behind", ring->behind_count);
    put_age(out, "version_age_s", ring->version_age_ns);
    put_age(out, "heartbeat_age_s", ring->heartbeat_age_ns);
    put(out, "distance_ns", counts->distance_ns);
    pawl_json_put_string(out, "distance", pawl_distance_class(counts->distance_ns));
    pawl_json_put_string(out, "copy_method", pawl_copy_method_name(counts->copy_method));
    put_rule(out, "sum_attempted", &ring->attempted);
    put_rule(out, "sum_committed", &ring->committed);
}

static void put_board(struct pawl_json_writer *out, const struct pawl_inspect *inspect,
                      const struct pawl_inspect_segment *segment)
{
    const struct pawl_inspect_board *board = &segment->board;
    uint32_t slot_index;
    put(out, "version", board->counts.generation);
    put_age(out, "age_s", board->age_ns);
    put(out, "published", board->counts.published);
    put(out, "skipped", board->counts.skipped);
    put(out, "wakes", board->counts.wakes);
    put(out, "readers", board->counts.readers);
    put(out, "slot_count", board->geometry.slot_count);
    put(out, "data_bytes", board->geometry.data_bytes);
    put(out, "tensor_count", board->tensor_count);
    pawl_json_begin_array(out, "pins");
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        const struct pawl_inspect_segment *ring = &inspect->segments[i];
        if (ring->problem[0] || ring->segment.header.kind != PAWL_SEGMENT_RING ||
            !pawl_inspect_pins(segment, ring, &slot_index))
            continue;
        pawl_json_begin_object(out, NULL);
        pawl_json_put_string(out, "owner", ring->owner);
        put(out, "version", ring->ring.pin_word >> PAWL_BOARD_SLOT_BITS);
        put(out, "slot", slot_index);
        pawl_json_end(out);
    }
    pawl_json_end(out);
}

static void put_acks(struct pawl_json_writer *out, const struct pawl_inspect_acks *acks)
{
    put(out, "sleeps", acks->sleeps);
    put(out, "spurious_wakes", acks->spurious);
    put(out, "late_wakes", acks->late_wakes);
    pawl_json_put_bool(out, "is_asleep", acks->is_asleep);
    put_age(out, "heartbeat_age_s", acks->heartbeat_age_ns);
}

static void put_stats(struct pawl_json_writer *out, const struct pawl_stats_view *view)
{
    static const char *const kinds[] = {"counter", "gauge", "hist"};
    static struct pawl_hist_copy hist;
    pawl_json_begin_array(out, "values");
    for (uint32_t i = 0; i < view->row_count; i++) {
        const struct pawl_stats_view_row *row = &view->rows[i];
        pawl_json_begin_object(out, NULL);
        pawl_json_put_string(out, "name", row->name);
        pawl_json_put_string(out, "kind", kinds[row->kind]);
        pawl_json_put_string(out, "unit", row->unit);
        if (row->kind == PAWL_STAT_GAUGE)
            pawl_json_put_f64_or_null(out, "value", pawl_stats_value(view, i));
        else if (row->kind == PAWL_STAT_COUNTER)
            put(out, "value", pawl_stats_count(view, i));
        else {
            pawl_stats_hist(view, i, &hist);
            put(out, "count", hist.count);
            pawl_json_put_f64(out, "mean", pawl_hist_mean(&hist));
            put(out, "min", hist.min);
            put(out, "p50", pawl_hist_percentile(&hist, 50));
            put(out, "p99", pawl_hist_percentile(&hist, 99));
            put(out, "max", hist.max);
        }
        pawl_json_end(out);
    }
    pawl_json_end(out);
}

static void put_segment(struct pawl_json_writer *out, const struct pawl_inspect *inspect,
                        const struct pawl_inspect_segment *segment)
{
    const struct pawl_segment_header *header = &segment->segment.header;
    char label[PAWL_SEGMENT_LABEL_BYTES];
    pawl_hub_set_text(label, sizeof(label), segment->problem[0] ? "" : header->label);
    pawl_json_begin_object(out, NULL);
    pawl_json_put_string(out, "kind", pawl_segment_kind_name(header->kind));
    pawl_json_put_string(out, "owner", segment->owner);
    pawl_json_put_string(out, "label", label);
    put(out, "pid", header->pid);
    pawl_json_put_string(out, "state", pawl_inspect_state_name(segment->state));
    put(out, "total_bytes", segment->segment.total_bytes);
    put(out, "page_bytes", segment->segment.page_bytes);
    pawl_json_put_string(out, "problem", segment->problem[0] ? segment->problem : NULL);
    if (!segment->problem[0]) {
        if (header->kind == PAWL_SEGMENT_RING)
            put_ring(out, &segment->ring);
        else if (header->kind == PAWL_SEGMENT_ACK)
            put_acks(out, &segment->acks);
        else if (header->kind == PAWL_SEGMENT_BOARD)
            put_board(out, inspect, segment);
        else if (header->kind == PAWL_SEGMENT_STATS)
            put_stats(out, &segment->stats);
    }
    pawl_json_end(out);
}

int pawl_inspect_json(const struct pawl_inspect *inspect, FILE *out, unsigned indent_count,
                      struct pawl_err *err)
{
    struct pawl_json_writer json;
    pawl_json_open_growing(&json, JSON_BYTES_MAX);
    json.indent_count = indent_count;
    pawl_json_begin_object(&json, NULL);
    pawl_json_put_string(&json, "run", inspect->run);
    pawl_json_put_bool(&json, "has_supervisor", inspect->peer.is_open);
    pawl_json_put_string(&json, "note", inspect->note[0] ? inspect->note : NULL);
    put(&json, "unopened_count", inspect->unopened_count);
    pawl_json_begin_array(&json, "segments");
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        put_segment(&json, inspect, &inspect->segments[i]);
    pawl_json_end(&json);
    pawl_json_end(&json);
    const char *text = pawl_json_finish(&json, NULL, err);
    if (text)
        fprintf(out, "%s\n", text);
    pawl_json_close_writer(&json);
    return text ? 0 : -err->code;
}
