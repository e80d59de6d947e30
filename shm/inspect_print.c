#include "shm/inspect.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/clock.h"
#include "runtime/print.h"
#include "shm/distance.h"

#define OWNER_COLUMNS 12
#define CELL_BYTES    40

/* One table: cells of fixed width, so that every line fits. */
struct sheet {
    FILE *out;
    bool has_color;
};

static void title(const struct sheet *sheet, const char *text)
{
    fprintf(sheet->out, "\n%s%s%s\n", sheet->has_color ? "\x1b[1m" : "", text,
            sheet->has_color ? "\x1b[0m" : "");
}

static void warn(const struct sheet *sheet, const char *text, int columns)
{
    fprintf(sheet->out, "%s%-*s%s", sheet->has_color ? "\x1b[31m" : "", columns, text,
            sheet->has_color ? "\x1b[0m" : "");
}

static void owner(const struct sheet *sheet, const struct pawl_inspect_segment *segment)
{
    fprintf(sheet->out, "%-*.*s", OWNER_COLUMNS, OWNER_COLUMNS - 1, segment->owner);
}

/* At most 6 characters. */
static const char *short_number(char cell[CELL_BYTES], double value)
{
    static const char units[] = " kMGTPE";
    size_t unit = 0;
    if (value < 0)
        return "-";
    for (; value >= 9999.5 && unit + 2 < sizeof(units); unit++)
        value /= 1000;
    if (value >= 9999.5) /* nobody counted so far */
        return "huge";
    if (unit == 0)
        snprintf(cell, CELL_BYTES,
                 value < 9.95 && value > 0 && value != (double)(uint64_t)value ? "%.1f"
                                                                               : "%.0f",
                 value);
    else
        snprintf(cell, CELL_BYTES, "%.0f %c", value, units[unit]);
    return cell;
}

/* At most 7, as the next. */
static const char *short_bytes(char cell[CELL_BYTES], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    if (bytes < 0)
        return "-";
    for (; bytes >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1024;
    if (bytes >= 999.5)
        return "huge";
    snprintf(cell, CELL_BYTES, bytes < 9.95 && unit ? "%.1f %s" : "%.0f %s", bytes,
             units[unit]);
    return cell;
}

static const char *short_time(char cell[CELL_BYTES], uint64_t time_ns)
{
    double seconds = (double)time_ns / 1e9;
    if (time_ns == PAWL_INSPECT_UNKNOWN)
        return "-";
    if (seconds < 0.0995)
        snprintf(cell, CELL_BYTES, "%.1f ms", seconds * 1e3);
    else if (seconds < 999.5)
        snprintf(cell, CELL_BYTES, "%.1f s", seconds);
    else if (seconds < 360000)
        snprintf(cell, CELL_BYTES, "%.1f h", seconds / 3600);
    else
        snprintf(cell, CELL_BYTES, "%.0f d", seconds / 86400);
    return cell;
}

static bool is_shown(const struct pawl_inspect_segment *segment, uint32_t kind)
{
    return !segment->problem[0] && segment->segment.header.kind == kind;
}

static uint32_t count_of(const struct pawl_inspect *inspect, uint32_t kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        count += is_shown(&inspect->segments[i], kind);
    return count;
}

#define EACH(segment, inspect, kind)                                                           \
    const struct pawl_inspect_segment *segment = (inspect)->segments;                          \
    segment < (inspect)->segments + (inspect)->segment_count;                                  \
    segment++)                                                                                 \
        if (is_shown(segment, kind)

static void put_state(const struct sheet *sheet, const struct pawl_inspect_segment *segment)
{
    const char *name = pawl_inspect_state_name(segment->state);
    fprintf(sheet->out, "%8u ", segment->segment.header.pid % 100000000);
    if (segment->state == PAWL_INSPECT_RUNNING)
        fprintf(sheet->out, "%-7s", name);
    else
        warn(sheet, name, 7);
}

static const char *page_name(const struct pawl_inspect_segment *segment)
{
    return segment->segment.page_bytes > PAWL_SEGMENT_PAGE_BYTES ? "2 MiB" : "4 KiB";
}

/* --- rings --- */

/* "12/64", or a percentage where that has no room. */
static const char *fill_of(char cell[CELL_BYTES], const struct pawl_inspect_ring *ring)
{
    char in_ring[CELL_BYTES], slots[CELL_BYTES];
    int length =
        snprintf(cell, CELL_BYTES, "%.8s/%.8s", short_number(in_ring, (double)ring->in_ring),
                 short_number(slots, (double)ring->geometry.slot_count));
    if (length > 10)
        snprintf(cell, CELL_BYTES, "%.0f %%",
                 100 * (double)ring->in_ring / (double)ring->geometry.slot_count);
    return cell;
}

static const char *blocked_of(char cell[CELL_BYTES], const struct pawl_inspect_ring *ring)
{
    if (ring->blocked_share < 0)
        return "-";
    /* The two clocks that it comes from are read one after the other. */
    snprintf(cell, CELL_BYTES, "%.1f %%",
             ring->blocked_share > 1 ? 100.0 : 100 * ring->blocked_share);
    return cell;
}

static const char *distance_of(char cell[CELL_BYTES], const struct pawl_inspect_ring *ring)
{
    uint32_t distance_ns = ring->counts.distance_ns;
    if (!ring->has_reader)
        return "none";
    if (distance_ns == 0)
        return pawl_distance_class(0);
    snprintf(cell, CELL_BYTES, "%s %u", pawl_distance_class(distance_ns),
             distance_ns > 9999 ? 9999 : distance_ns);
    return cell;
}

static void put_flow(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char cells[6][CELL_BYTES];
    title(sheet, "RINGS            pid state    rate/s  bytes/s    in ring    most     lag "
                 "blocked");
    for (EACH(segment, inspect, PAWL_SEGMENT_RING)) {
        const struct pawl_inspect_ring *ring = &segment->ring;
        owner(sheet, segment);
        put_state(sheet, segment);
        fprintf(sheet->out, " %7s %8s %10s %7s %7s %7s\n",
                short_number(cells[0], ring->rate_hz), short_bytes(cells[1], ring->bytes_hz),
                fill_of(cells[2], ring), short_number(cells[3], (double)ring->counts.lag_max),
                short_time(cells[4], ring->lag_ns), blocked_of(cells[5], ring));
    }
}

static void put_losses(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char cells[8][CELL_BYTES];
    title(sheet,
          "             dropped abort  wakes params behind     age   heart reader   copy");
    for (EACH(segment, inspect, PAWL_SEGMENT_RING)) {
        const struct pawl_inspect_ring *ring = &segment->ring;
        owner(sheet, segment);
        fprintf(
            sheet->out, " %7s %5s %6s %6s %6s %7s %7s %-8s %s\n",
            short_number(cells[0], (double)ring->counts.dropped_newest),
            short_number(cells[1], (double)ring->counts.aborted),
            short_number(cells[2], (double)ring->counts.wakes_sent),
            short_number(cells[3], (double)ring->version),
            short_number(cells[4], (double)ring->behind_count),
            short_time(cells[5], ring->version ? ring->version_age_ns : PAWL_INSPECT_UNKNOWN),
            short_time(cells[6], ring->heartbeat_age_ns), distance_of(cells[7], ring),
            ring->counts.copy_method == PAWL_COPY_PLAIN ? "plain" : "stream");
    }
}

/* The line is OWNER_COLUMNS wide. */
static void put_rule(const struct sheet *sheet, const struct pawl_inspect_rule *rule,
                     const char *sum)
{
    if (rule->is_broken)
        warn(sheet, "BROKEN", 6);
    else
        fprintf(sheet->out, "%-6s", rule->is_moving ? "moving" : "ok");
    pawl_print_wrapped(sheet->out, sum, OWNER_COLUMNS + 6, OWNER_COLUMNS + 7, "");
}

static void put_sums(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char sum[256];
    title(sheet, "SUMS");
    for (EACH(segment, inspect, PAWL_SEGMENT_RING)) {
        const struct pawl_inspect_ring *ring = &segment->ring;
        const struct pawl_ring_counts *counts = &ring->counts;
        owner(sheet, segment);
        snprintf(sum, sizeof(sum),
                 "attempted %" PRIu64 " = %" PRIu64 " committed + %" PRIu64
                 " dropped + %" PRIu64 " aborted + %" PRIu64 " claimed",
                 ring->attempted.left, counts->committed, counts->dropped_newest,
                 counts->aborted, counts->claimed);
        put_rule(sheet, &ring->attempted, sum);
        fprintf(sheet->out, "%*s", OWNER_COLUMNS, "");
        snprintf(sum, sizeof(sum),
                 "committed %" PRIu64 " = %" PRIu64 " consumed + %" PRIu64 " in ring + %" PRIu64
                 " overwritten",
                 ring->committed.left, counts->consumed, ring->in_ring, counts->lost);
        put_rule(sheet, &ring->committed, sum);
    }
}

/* --- the others --- */

static void put_pins(const struct sheet *sheet, const struct pawl_inspect *inspect,
                     const struct pawl_inspect_segment *board)
{
    uint32_t slot_index;
    for (EACH(ring, inspect, PAWL_SEGMENT_RING))
        if (pawl_inspect_pins(board, ring, &slot_index))
            fprintf(sheet->out, "%*s%-13.13s pins version %" PRIu64 " in slot %u\n",
                    OWNER_COLUMNS, "", ring->owner, ring->ring.pin_word >> PAWL_BOARD_SLOT_BITS,
                    slot_index);
}

static void put_boards(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char cells[5][CELL_BYTES];
    title(sheet,
          "PARAMETERS       pid state  version     age  count skipped readers slots    size");
    for (EACH(segment, inspect, PAWL_SEGMENT_BOARD)) {
        const struct pawl_inspect_board *board = &segment->board;
        owner(sheet, segment);
        put_state(sheet, segment);
        fprintf(sheet->out, " %6s %7s %6s %7s %7s %5" PRIu64 " %7s\n",
                short_number(cells[0], (double)board->counts.generation),
                short_time(cells[1], board->age_ns),
                short_number(cells[2], (double)board->counts.published),
                short_number(cells[3], (double)board->counts.skipped),
                short_number(cells[4], (double)board->counts.readers),
                board->geometry.slot_count,
                short_bytes((char[CELL_BYTES]){0}, (double)board->geometry.data_bytes));
        put_pins(sheet, inspect, segment);
    }
}

static void put_readers(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char cells[4][CELL_BYTES];
    title(sheet, "READERS          pid state    sleeps  for nothing  late   heart");
    for (EACH(segment, inspect, PAWL_SEGMENT_ACK)) {
        const struct pawl_inspect_acks *acks = &segment->acks;
        owner(sheet, segment);
        put_state(sheet, segment);
        fprintf(
            sheet->out, " %7s %12s %5s %7s%s\n", short_number(cells[0], (double)acks->sleeps),
            short_number(cells[1], (double)acks->spurious),
            short_number(cells[2], (double)acks->late_wakes),
            short_time(cells[3], acks->heartbeat_age_ns), acks->is_asleep ? "  asleep" : "");
    }
}

static void put_stat(const struct sheet *sheet, const struct pawl_stats_view *view,
                     uint32_t index)
{
    static struct pawl_hist_copy hist;
    const struct pawl_stats_view_row *row = &view->rows[index];
    fprintf(sheet->out, "  %-40.40s ", row->name);
    if (row->kind == PAWL_STAT_COUNTER)
        fprintf(sheet->out, "%20" PRIu64, pawl_stats_count(view, index));
    else if (row->kind == PAWL_STAT_GAUGE)
        fprintf(sheet->out, "%20.9g", pawl_stats_value(view, index));
    else {
        char cells[4][CELL_BYTES];
        pawl_stats_hist(view, index, &hist);
        fprintf(sheet->out, "%20" PRIu64 " values\n%24s p50 %s, p99 %s, max %s", hist.count, "",
                short_number(cells[0], (double)pawl_hist_percentile(&hist, 50)),
                short_number(cells[1], (double)pawl_hist_percentile(&hist, 99)),
                short_number(cells[2], (double)hist.max));
    }
    fprintf(sheet->out, "%s%s\n", row->unit[0] ? " " : "", row->unit);
}

static void put_stats(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char line[96];
    for (EACH(segment, inspect, PAWL_SEGMENT_STATS)) {
        snprintf(line, sizeof(line), "STATS %s, process %u, %s", segment->owner,
                 segment->segment.header.pid, pawl_inspect_state_name(segment->state));
        title(sheet, line);
        for (uint32_t i = 0; i < segment->stats.row_count; i++)
            put_stat(sheet, &segment->stats, i);
    }
}

static void put_memory(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char size[CELL_BYTES];
    title(sheet, "MEMORY           pid state   kind      size pages  label");
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        const struct pawl_inspect_segment *segment = &inspect->segments[i];
        char label[PAWL_SEGMENT_LABEL_BYTES];
        if (segment->problem[0])
            continue;
        pawl_hub_set_text(label, sizeof(label), segment->segment.header.label);
        owner(sheet, segment);
        put_state(sheet, segment);
        fprintf(sheet->out, " %-6s %7s %s  %.31s\n",
                pawl_segment_kind_name(segment->segment.header.kind),
                short_bytes(size, (double)segment->segment.total_bytes), page_name(segment),
                label);
    }
}

static void put_problems(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    for (uint32_t i = 0; i < inspect->segment_count; i++)
        if (inspect->segments[i].problem[0]) {
            fprintf(sheet->out, "\n");
            warn(sheet, "cannot be read: ", 0);
            fprintf(sheet->out, "%s: ", inspect->segments[i].owner);
            pawl_print_wrapped(sheet->out, inspect->segments[i].problem,
                               18 + (int)strlen(inspect->segments[i].owner), 4, "");
        }
    if (inspect->unopened_count)
        fprintf(sheet->out,
                "\n%u more segments are only mapped by the processes that are left; to open\n"
                "those takes CAP_SYS_ADMIN: try it as root.\n",
                inspect->unopened_count);
}

/* An owner that lives and makes no progress. */
static void put_silent(const struct sheet *sheet, const struct pawl_inspect *inspect)
{
    char age[CELL_BYTES], line[160];
    for (uint32_t i = 0; i < inspect->segment_count; i++) {
        const struct pawl_inspect_segment *segment = &inspect->segments[i];
        if (segment->state != PAWL_INSPECT_SILENT)
            continue;
        uint64_t age_ns = is_shown(segment, PAWL_SEGMENT_RING) ? segment->ring.heartbeat_age_ns
                                                               : segment->acks.heartbeat_age_ns;
        snprintf(line, sizeof(line), "%s: process %u lives, and has shown no progress for %s.",
                 segment->owner, segment->segment.header.pid, short_time(age, age_ns));
        fputs("\n", sheet->out);
        pawl_print_wrapped(sheet->out, line, 0, 4, "");
    }
}

void pawl_inspect_print(const struct pawl_inspect *inspect, FILE *out, bool has_color)
{
    const struct sheet sheet = {.out = out, .has_color = has_color};
    fprintf(out, "run %.76s\n", inspect->run);
    if (inspect->note[0])
        pawl_print_wrapped(out, inspect->note, 0, 0, "");
    if (inspect->segment_count == 0)
        fprintf(out, "\nNo segments yet: its processes have not offered any.\n");
    if (count_of(inspect, PAWL_SEGMENT_RING)) {
        put_flow(&sheet, inspect);
        put_losses(&sheet, inspect);
        put_sums(&sheet, inspect);
    }
    if (count_of(inspect, PAWL_SEGMENT_BOARD))
        put_boards(&sheet, inspect);
    if (count_of(inspect, PAWL_SEGMENT_ACK))
        put_readers(&sheet, inspect);
    put_stats(&sheet, inspect);
    if (inspect->segment_count)
        put_memory(&sheet, inspect);
    put_silent(&sheet, inspect);
    put_problems(&sheet, inspect);
}
