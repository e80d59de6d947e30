#include "shm/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES 256u

/* Index of each number in a segment's geometry; layout 1. */
enum { GEOMETRY_ROW_COUNT, GEOMETRY_TEXT_BYTES };

_Static_assert(PAWL_STATS_NAME_BYTES + PAWL_STATS_UNIT_BYTES + PAWL_STATS_HELP_BYTES +
                       sizeof("counter") <=
                   LINE_BYTES,
               "a row fits its line");

static const char *const kind_names[] = {"counter", "gauge", "hist"};
#define KIND_COUNT (sizeof(kind_names) / sizeof(kind_names[0]))

/* Where things are in the body: the text, a word for each row, the histograms. */
struct layout {
    uint64_t words_offset, hists_offset, body_bytes;
};

static struct layout lay_out(uint64_t text_bytes, uint32_t row_count, uint32_t hist_count)
{
    const uint64_t page = PAWL_SEGMENT_PAGE_BYTES;
    struct layout layout;
    layout.words_offset = (text_bytes + page - 1) / page * page;
    layout.hists_offset =
        (layout.words_offset + 8u * (uint64_t)row_count + page - 1) / page * page;
    layout.body_bytes = layout.hists_offset + (uint64_t)hist_count * sizeof(struct pawl_hist);
    return layout;
}

static bool is_name(const char *name)
{
    size_t length = strnlen(name, PAWL_STATS_NAME_BYTES);
    if (length == 0 || length == PAWL_STATS_NAME_BYTES || name[length - 1] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool is_dot = c == '.' && i > 0 && name[i - 1] != '.';
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || is_dot))
            return false;
    }
    return true;
}

static bool is_text(const char *text, size_t room_bytes, char first)
{
    size_t length = strnlen(text, room_bytes);
    if (length == room_bytes)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] < first || text[i] > '~')
            return false;
    return true;
}

size_t pawl_stats_line(const struct pawl_stat_row *row, char line[LINE_BYTES],
                       struct pawl_err *err)
{
    const char *rule = NULL;
    if (!row->name || !is_name(row->name))
        rule = "a name has 1 to 63 of a-z, 0-9 and _, in words with . between them";
    else if ((size_t)row->kind >= KIND_COUNT)
        rule = "a kind is counter, gauge or hist";
    else if (!row->unit || !is_text(row->unit, PAWL_STATS_UNIT_BYTES, '!') ||
             strcmp(row->unit, "-") == 0)
        rule = "a unit is one word of at most 15 characters, and not -";
    else if (!row->help || !row->help[0] || row->help[0] == ' ' ||
             !is_text(row->help, PAWL_STATS_HELP_BYTES, ' '))
        rule = "help is a sentence of at most 159 characters";
    if (rule) {
        pawl_err_set(err, EINVAL, "stat '%s': %s",
                     row->name && is_name(row->name) ? row->name : "", rule);
        return 0;
    }
    return (size_t)snprintf(line, LINE_BYTES, "%s %s %s %s\n", row->name, kind_names[row->kind],
                            row->unit[0] ? row->unit : "-", row->help);
}

static int write_text(const struct pawl_stat_row *rows, uint32_t row_count, char *text,
                      size_t *text_bytes, uint32_t *hist_count, struct pawl_err *err)
{
    *text_bytes = 0;
    *hist_count = 0;
    for (uint32_t i = 0; i < row_count; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (rows[i].name && strcmp(rows[i].name, rows[j].name) == 0)
                return pawl_err_set(err, EINVAL, "stat '%s' is there twice", rows[i].name);
        size_t line_bytes = pawl_stats_line(&rows[i], text + *text_bytes, err);
        if (line_bytes == 0)
            return -EINVAL;
        *text_bytes += line_bytes;
        *hist_count += rows[i].kind == PAWL_STAT_HIST;
    }
    return 0;
}

int pawl_stats_create(struct pawl_stats *stats, const char *label,
                      const struct pawl_stat_row *rows, uint32_t row_count,
                      struct pawl_err *err)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();
    uint32_t hist_count;
    size_t text_bytes;
    memset(stats, 0, sizeof(*stats));
    stats->segment.fd = -1;
    if (row_count < 1 || row_count > PAWL_STATS_ROWS_MAX)
        return pawl_err_set(err, EINVAL, "%u stats: must be 1 to %u", row_count,
                            PAWL_STATS_ROWS_MAX);
    char *text = malloc((size_t)row_count * LINE_BYTES);
    if (!text)
        return pawl_err_set(err, ENOMEM, "%u stats: out of memory", row_count);
    int code = write_text(rows, row_count, text, &text_bytes, &hist_count, err);
    if (code != 0)
        goto done;
    struct layout layout = lay_out(text_bytes, row_count, hist_count);
    cfg.kind = PAWL_SEGMENT_STATS;
    cfg.label = label;
    cfg.body_bytes = layout.body_bytes;
    cfg.geometry[GEOMETRY_ROW_COUNT] = row_count;
    cfg.geometry[GEOMETRY_TEXT_BYTES] = text_bytes;
    code = pawl_segment_create(&stats->segment, &cfg, err);
    if (code != 0)
        goto done;

    unsigned char *body = stats->segment.body;
    memcpy(body, text, text_bytes);
    stats->words = (_Atomic uint64_t *)(void *)(body + layout.words_offset);
    stats->row_count = row_count;
    struct pawl_hist *hist = (struct pawl_hist *)(void *)(body + layout.hists_offset);
    for (uint32_t i = 0; i < row_count; i++)
        if (rows[i].kind == PAWL_STAT_HIST)
            stats->hists[i] = hist++;
done:
    free(text);
    return code;
}

void pawl_stats_close(struct pawl_stats *stats)
{
    pawl_segment_close(&stats->segment);
    memset(stats, 0, sizeof(*stats));
    stats->segment.fd = -1;
}

/* The next word of the line, up to a space; false when there is none or it does not fit. */
static bool take_word(const char **at, const char *end, char *word, size_t room_bytes)
{
    const char *space = memchr(*at, ' ', (size_t)(end - *at));
    if (!space || (size_t)(space - *at) >= room_bytes)
        return false;
    memcpy(word, *at, (size_t)(space - *at));
    *at = space + 1;
    return true;
}

static bool read_line(struct pawl_stats_view_row *row, const char *line, const char *end,
                      struct pawl_err *err)
{
    char kind[8] = {0}, wanted[LINE_BYTES];
    const char *at = line;
    *row = (struct pawl_stats_view_row){.kind = (enum pawl_stat_kind)KIND_COUNT};
    if (!take_word(&at, end, row->name, sizeof(row->name)) ||
        !take_word(&at, end, kind, sizeof(kind)) ||
        !take_word(&at, end, row->unit, sizeof(row->unit)) ||
        (size_t)(end - at) >= sizeof(row->help))
        return false;
    memcpy(row->help, at, (size_t)(end - at));
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(kind, kind_names[i]) == 0)
            row->kind = (enum pawl_stat_kind)i;
    if (strcmp(row->unit, "-") == 0)
        row->unit[0] = '\0';
    const struct pawl_stat_row again = {row->name, row->kind, row->unit, row->help};
    size_t wanted_bytes = pawl_stats_line(&again, wanted, err);
    return wanted_bytes == (size_t)(end + 1 - line) && memcmp(wanted, line, wanted_bytes) == 0;
}

static bool is_new_name(const struct pawl_stats_view_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, rows[count].name) == 0)
            return false;
    return true;
}

int pawl_stats_parse(struct pawl_stats_view_row **rows, uint32_t *row_count, const char *text,
                     size_t length_bytes, struct pawl_err *err)
{
    struct pawl_err unread = {0};
    uint32_t count = 0, hist_count = 0;
    err = err ? err : &unread;
    *rows = NULL;
    *row_count = 0;
    size_t line_count = 0;
    for (size_t i = 0; i < length_bytes; i++)
        line_count += text[i] == '\n';
    if (line_count < 1 || line_count > PAWL_STATS_ROWS_MAX)
        return pawl_err_set(err, EPROTO, "%zu stats: must be 1 to %u", line_count,
                            PAWL_STATS_ROWS_MAX);
    struct pawl_stats_view_row *read = calloc(line_count, sizeof(*read));
    if (!read)
        return pawl_err_set(err, ENOMEM, "%zu stats: out of memory", line_count);

    for (const char *line = text, *all_end = text + length_bytes; line < all_end; count++) {
        const char *end = memchr(line, '\n', (size_t)(all_end - line));
        if (!end || !read_line(&read[count], line, end, err) || !is_new_name(read, count)) {
            free(read);
            if (!err->code)
                pawl_err_set(err, EPROTO, "must be NAME KIND UNIT HELP, each name once");
            return pawl_err_wrap(err, "stats, line %u", count + 1);
        }
        if (read[count].kind == PAWL_STAT_HIST)
            read[count].hist_index = hist_count++;
        line = end + 1;
    }
    *rows = read;
    *row_count = count;
    return 0;
}

static int read_rows(struct pawl_stats_view *view, struct pawl_err *err)
{
    const uint64_t *geometry = view->segment.header.geometry;
    uint64_t text_bytes = geometry[GEOMETRY_TEXT_BYTES];
    if (text_bytes > PAWL_STATS_TEXT_BYTES_MAX || text_bytes > view->segment.body_bytes)
        return pawl_err_set(err, EPROTO, "text of %" PRIu64 " bytes in a body of %" PRIu64,
                            text_bytes, view->segment.body_bytes);
    /* A private copy: the writer could change the text while it is read. */
    char *text = malloc(text_bytes + 1);
    if (!text)
        return pawl_err_set(err, ENOMEM, "text of %" PRIu64 " bytes: out of memory",
                            text_bytes);
    memcpy(text, view->segment.body, text_bytes);
    int code = pawl_stats_parse(&view->rows, &view->row_count, text, text_bytes, err);
    free(text);
    if (code != 0)
        return code;
    uint32_t hist_count = 0;
    for (uint32_t i = 0; i < view->row_count; i++)
        hist_count += view->rows[i].kind == PAWL_STAT_HIST;
    struct layout layout = lay_out(text_bytes, view->row_count, hist_count);
    if (view->row_count != geometry[GEOMETRY_ROW_COUNT] ||
        layout.body_bytes > view->segment.body_bytes)
        return pawl_err_set(err, EPROTO,
                            "%" PRIu64 " rows announced and %u found, which need %" PRIu64
                            " bytes of %" PRIu64,
                            geometry[GEOMETRY_ROW_COUNT], view->row_count, layout.body_bytes,
                            view->segment.body_bytes);
    const unsigned char *body = view->segment.body;
    view->words = (const _Atomic uint64_t *)(const void *)(body + layout.words_offset);
    view->hists = (const struct pawl_hist *)(const void *)(body + layout.hists_offset);
    return 0;
}

int pawl_stats_attach(struct pawl_stats_view *view, int fd, struct pawl_err *err)
{
    const struct pawl_segment_want want = {.kind = PAWL_SEGMENT_STATS};
    struct pawl_err unread = {0};
    err = err ? err : &unread;
    *view = (struct pawl_stats_view){.segment = {.fd = -1}};
    if (pawl_segment_attach(&view->segment, fd, &want, err) != 0)
        return pawl_err_wrap(err, "attach stats");
    if (read_rows(view, err) != 0) {
        pawl_stats_detach(view);
        return pawl_err_wrap(err, "attach stats");
    }
    return 0;
}

void pawl_stats_detach(struct pawl_stats_view *view)
{
    free(view->rows);
    pawl_segment_close(&view->segment);
    *view = (struct pawl_stats_view){.segment = {.fd = -1}};
}

int pawl_stats_find(const struct pawl_stats_view *view, const char *name)
{
    for (uint32_t i = 0; i < view->row_count; i++)
        if (strcmp(view->rows[i].name, name) == 0)
            return (int)i;
    return -1;
}

uint64_t pawl_stats_count(const struct pawl_stats_view *view, uint32_t index)
{
    const struct pawl_stats_view_row *row = &view->rows[index];
    if (row->kind == PAWL_STAT_HIST)
        return pawl_hist_count(&view->hists[row->hist_index]);
    if (row->kind == PAWL_STAT_GAUGE)
        return 0;
    return atomic_load_explicit(&view->words[index], memory_order_relaxed);
}

double pawl_stats_value(const struct pawl_stats_view *view, uint32_t index)
{
    if (view->rows[index].kind != PAWL_STAT_GAUGE)
        return (double)pawl_stats_count(view, index);
    uint64_t bits = atomic_load_explicit(&view->words[index], memory_order_relaxed);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void pawl_stats_hist(const struct pawl_stats_view *view, uint32_t index,
                     struct pawl_hist_copy *copy)
{
    const struct pawl_stats_view_row *row = &view->rows[index];
    if (row->kind == PAWL_STAT_HIST)
        pawl_hist_read(&view->hists[row->hist_index], copy);
    else
        memset(copy, 0, sizeof(*copy));
}
