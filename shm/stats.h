/* stats.h: what a process counts and measures, in memory that others read while it lives and
 * after it died.
 *
 * A table of rows names every value once; its index is how the program records:
 *
 *     enum { STEPS, LOSS, STEP_NS };
 *     static const struct pawl_stat_row rows[] = {
 *         [STEPS] = {"actor.steps", PAWL_STAT_COUNTER, "steps", "Environment steps taken."},
 *         [LOSS] = {"sac.critic_loss", PAWL_STAT_GAUGE, "", "Loss of the last update."},
 *         [STEP_NS] = {"actor.step_ns", PAWL_STAT_HIST, "ns", "Time of one step."},
 *     };
 *     pawl_stats_create(&stats, "actor 3", rows, 3, &err);
 *     pawl_stats_add(&stats, STEPS, 1);
 *     pawl_stats_set(&stats, LOSS, 0.25);
 *     pawl_stats_record(&stats, STEP_NS, took_ns);
 *
 * A reader that was sent the descriptor needs no table: the rows are in the segment.
 *
 *     pawl_stats_attach(&view, fd, &err);
 *     for (i = 0; i < view.row_count; i++) ... view.rows[i].name, pawl_stats_value(&view, i)
 *
 * Each value is right for itself; no order between two of them is promised. Recording is a few
 * plain instructions: no system call, no lock, no allocation.
 *
 * Thread safety: one writing thread per segment (a thread with its own figures has its own);
 * any number of readers, in any process.
 */
#ifndef PAWL_SHM_STATS_H
#define PAWL_SHM_STATS_H

#include "runtime/err.h"
#include "runtime/hist.h"
#include "shm/segment.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define PAWL_STATS_ROWS_MAX       512u
#define PAWL_STATS_NAME_BYTES     64u /* with the closing zero, as all */
#define PAWL_STATS_UNIT_BYTES     16u
#define PAWL_STATS_HELP_BYTES     160u
#define PAWL_STATS_TEXT_BYTES_MAX (PAWL_STATS_ROWS_MAX * 256u)

/* The values are part of the text: "counter", "gauge", "hist". */
enum pawl_stat_kind {
    PAWL_STAT_COUNTER, /* a sum that only grows, modulo 2^64 */
    PAWL_STAT_GAUGE,   /* a double, the last one set; 0.0 before */
    PAWL_STAT_HIST,    /* a distribution of integers (runtime/hist.h), 248 KiB each */
};

struct pawl_stat_row {
    const char *name; /* words of a-z, 0-9 and _ with . between them */
    enum pawl_stat_kind kind;
    const char *unit; /* "ns", "bytes", "steps"; "" for a bare number */
    const char *help; /* one sentence of ASCII */
};

/* The writer's end. */
struct pawl_stats {
    _Atomic uint64_t *words; /* one for each row */
    struct pawl_hist *hists[PAWL_STATS_ROWS_MAX];
    uint32_t row_count;
    struct pawl_segment segment; /* segment.fd is what readers are sent */
};

/* As read from a segment: a private copy, checked. */
struct pawl_stats_view_row {
    char name[PAWL_STATS_NAME_BYTES];
    char unit[PAWL_STATS_UNIT_BYTES];
    char help[PAWL_STATS_HELP_BYTES];
    enum pawl_stat_kind kind;
    uint32_t hist_index;
};

struct pawl_stats_view {
    struct pawl_stats_view_row *rows; /* owned */
    uint32_t row_count;
    const _Atomic uint64_t *words;
    const struct pawl_hist *hists;
    struct pawl_segment segment;
};

/* Checks the table (-EINVAL names the row and the rule) and makes the segment. Every value is
 * 0. The rows are copied. */
int pawl_stats_create(struct pawl_stats *stats, const char *label,
                      const struct pawl_stat_row *rows, uint32_t row_count,
                      struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_stats_close(struct pawl_stats *stats);

/* A load and a store: nobody else writes the word. Relaxed here and below: each value stands
 * for itself, so there is no partner. */
static inline void pawl_stats_add(struct pawl_stats *stats, uint32_t index, uint64_t amount)
{
    _Atomic uint64_t *word = &stats->words[index];
    atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static inline void pawl_stats_set(struct pawl_stats *stats, uint32_t index, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    atomic_store_explicit(&stats->words[index], bits, memory_order_relaxed);
}

static inline void pawl_stats_record(struct pawl_stats *stats, uint32_t index, uint64_t value)
{
    pawl_hist_record(stats->hists[index], value);
}

/* Maps what another process writes, or wrote. fd stays the caller's. */
int pawl_stats_attach(struct pawl_stats_view *view, int fd, struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_stats_detach(struct pawl_stats_view *view);

/* The index of the name; -1 when there is none. */
int pawl_stats_find(const struct pawl_stats_view *view, const char *name);

/* A counter's sum, the count of a histogram; 0 for a gauge. */
uint64_t pawl_stats_count(const struct pawl_stats_view *view, uint32_t index);

/* A gauge's value, or the number above as a double. */
double pawl_stats_value(const struct pawl_stats_view *view, uint32_t index);

/* A consistent copy of a histogram; an empty one for any other kind. */
void pawl_stats_hist(const struct pawl_stats_view *view, uint32_t index,
                     struct pawl_hist_copy *copy);

/* The rows of a text, which may come from anybody. Strict: what create would not write, byte
 * for byte, is refused. The rows are the caller's to free. */
int pawl_stats_parse(struct pawl_stats_view_row **rows, uint32_t *row_count, const char *text,
                     size_t length_bytes, struct pawl_err *err);

/* The canonical text of one row, as a line; 0 when the row breaks a rule (err says which). */
size_t pawl_stats_line(const struct pawl_stat_row *row, char line[256], struct pawl_err *err);

#endif
