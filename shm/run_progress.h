/* run_progress.h: what a run says about itself while it goes on: one line per period, and one
 * when nothing moves.
 *
 *     20 s  96.1 k steps  4.9 k/s (10 s)  4.8 k/s (60 s)  episodes 480  ring 3 %  misses 0
 *
 * and with a learner that learns, behind the episodes:
 *
 *     return -214.3  updates 9.6 k  480/s  ratio 1.00 of 1  replay 9.8 k
 *
 * Thread safety: one thread per object.
 */
#ifndef PAWL_SHM_RUN_PROGRESS_H
#define PAWL_SHM_RUN_PROGRESS_H

#include "shm/run_figures.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PAWL_RUN_PROGRESS_SAMPLES_MAX 64u /* one for each second */
#define PAWL_RUN_PROGRESS_TEXT_BYTES  16u

struct pawl_run_progress {
    uint64_t start_ns;
    struct pawl_run_progress_sample {
        uint64_t at_ns, steps, ingested, updates;
    } samples[PAWL_RUN_PROGRESS_SAMPLES_MAX];
    uint64_t sample_count; /* since the start; a ring */

    uint64_t moved_ns; /* when a figure last changed */
    uint64_t moved_sum;
    bool is_still_told;
    uint64_t still_ended_ns; /* how long a still time was that was told of and is over */
};

/* Of the episodes that came last, as the caller knows them. */
struct pawl_run_progress_recent {
    uint32_t count; /* 0: none has ended */
    uint32_t success_count;
    double return_mean;
};

/* figures: what there was before, in a run that is resumed. */
void pawl_run_progress_start(struct pawl_run_progress *progress,
                             const struct pawl_run_figures *figures, uint64_t now_ns);

/* To be called once a second. */
void pawl_run_progress_sample(struct pawl_run_progress *progress,
                              const struct pawl_run_figures *figures, uint64_t now_ns);

/* Whether anything has moved since the start, not counting what there was before. */
bool pawl_run_progress_has_moved(const struct pawl_run_progress *progress);

/* How long nothing has moved, if that is longer than still_ns_min and has not been said yet;
 * else 0. */
uint64_t pawl_run_progress_still_ns(struct pawl_run_progress *progress, uint64_t now_ns,
                                    uint64_t still_ns_min);

/* How long nothing had moved, if that was said and is over now; else 0. */
uint64_t pawl_run_progress_moved_ns(struct pawl_run_progress *progress);

/* Steps for each second, over the last window_s seconds or the time there was. */
double pawl_run_progress_rate_hz(const struct pawl_run_progress *progress, uint32_t window_s);

/* Updates for each second, likewise over 10 s. */
double pawl_run_progress_update_hz(const struct pawl_run_progress *progress);

/* Updates for each step that was taken in, since the first update or over the last 10 s;
 * negative: not known yet. */
double pawl_run_progress_ratio(const struct pawl_run_progress *progress);

/* "4.9 k", "312". Returns text. */
const char *pawl_run_progress_number(double number, char text[PAWL_RUN_PROGRESS_TEXT_BYTES]);

/* The line of a period, with its newline. width: of the terminal, in columns, which what counts
 * least is left out for; 0: there is none. */
void pawl_run_progress_print(const struct pawl_run_progress *progress,
                             const struct pawl_run_figures *figures,
                             const struct pawl_run_progress_recent *recent, uint64_t now_ns,
                             uint32_t width, FILE *out);

#endif
