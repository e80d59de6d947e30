#include "shm/run_progress.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/clock.h"

#define SHORT_WINDOW_S 10u

static double seconds(uint64_t ns)
{
    return (double)ns / (double)PAWL_NS_PER_S;
}

static struct pawl_run_progress_sample sample_of(const struct pawl_run_figures *figures,
                                                 uint64_t now_ns)
{
    return (struct pawl_run_progress_sample){
        .at_ns = now_ns,
        .steps = pawl_run_figures_sum(figures, "actor.env_steps").count,
        .ingested = pawl_run_figures_sum(figures, "learner.steps_ingested").count,
        .updates = pawl_run_figures_sum(figures, "learner.updates").count,
    };
}

/* Whatever moves raises this. */
static uint64_t moving_sum(const struct pawl_run_figures *figures)
{
    static const char *const moving[] = {"actor.env_steps", "learner.records_ingested",
                                         "learner.updates"};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(moving) / sizeof(moving[0]); i++)
        sum += pawl_run_figures_sum(figures, moving[i]).count;
    return sum;
}

void pawl_run_progress_start(struct pawl_run_progress *progress,
                             const struct pawl_run_figures *figures, uint64_t now_ns)
{
    *progress = (struct pawl_run_progress){
        .start_ns = now_ns, .moved_ns = now_ns, .moved_sum = moving_sum(figures)};
    progress->samples[0] = sample_of(figures, now_ns);
    progress->sample_count = 1;
}

void pawl_run_progress_sample(struct pawl_run_progress *progress,
                              const struct pawl_run_figures *figures, uint64_t now_ns)
{
    uint64_t sum = moving_sum(figures);
    if (sum != progress->moved_sum) {
        if (progress->is_still_told)
            progress->still_ended_ns = now_ns - progress->moved_ns;
        progress->is_still_told = false;
        progress->moved_sum = sum;
        progress->moved_ns = now_ns;
    }
    progress->samples[progress->sample_count++ % PAWL_RUN_PROGRESS_SAMPLES_MAX] =
        sample_of(figures, now_ns);
}

bool pawl_run_progress_has_moved(const struct pawl_run_progress *progress)
{
    return progress->moved_ns > progress->start_ns;
}

uint64_t pawl_run_progress_still_ns(struct pawl_run_progress *progress, uint64_t now_ns,
                                    uint64_t still_ns_min)
{
    uint64_t still_ns = now_ns - progress->moved_ns;
    if (progress->is_still_told || still_ns < still_ns_min)
        return 0;
    progress->is_still_told = true;
    return still_ns;
}

uint64_t pawl_run_progress_moved_ns(struct pawl_run_progress *progress)
{
    uint64_t still_ns = progress->still_ended_ns;
    progress->still_ended_ns = 0;
    return still_ns;
}

/* The last sample, or one from so many before it. */
static const struct pawl_run_progress_sample *
sample_at(const struct pawl_run_progress *progress, uint64_t back)
{
    uint64_t last = progress->sample_count - 1;
    return &progress->samples[(last > back ? last - back : 0) % PAWL_RUN_PROGRESS_SAMPLES_MAX];
}

double pawl_run_progress_rate_hz(const struct pawl_run_progress *progress, uint32_t window_s)
{
    uint64_t back = window_s < PAWL_RUN_PROGRESS_SAMPLES_MAX ? window_s : 1;
    const struct pawl_run_progress_sample *now = sample_at(progress, 0);
    const struct pawl_run_progress_sample *then = sample_at(progress, back);
    if (now->at_ns <= then->at_ns)
        return 0.0;
    return (double)(now->steps - then->steps) / seconds(now->at_ns - then->at_ns);
}

double pawl_run_progress_update_hz(const struct pawl_run_progress *progress)
{
    const struct pawl_run_progress_sample *now = sample_at(progress, 0);
    const struct pawl_run_progress_sample *then = sample_at(progress, SHORT_WINDOW_S);
    if (now->at_ns <= then->at_ns)
        return 0.0;
    return (double)(now->updates - then->updates) / seconds(now->at_ns - then->at_ns);
}

double pawl_run_progress_ratio(const struct pawl_run_progress *progress)
{
    const struct pawl_run_progress_sample *now = sample_at(progress, 0);
    /* Not over the time before the first update, in which steps are worth nothing. */
    for (uint64_t back = SHORT_WINDOW_S; back > 0; back--) {
        const struct pawl_run_progress_sample *then = sample_at(progress, back);
        if (then->updates > 0 && now->ingested > then->ingested)
            return (double)(now->updates - then->updates) /
                   (double)(now->ingested - then->ingested);
    }
    return -1.0;
}

const char *pawl_run_progress_number(double number, char text[PAWL_RUN_PROGRESS_TEXT_BYTES])
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;
    for (; (number >= 999.5 || number <= -999.5) && unit + 1 < sizeof(units) / sizeof(units[0]);
         unit++)
        number /= 1000.0;
    bool is_whole = unit == 0 && number == (double)(int64_t)number;
    snprintf(text, PAWL_RUN_PROGRESS_TEXT_BYTES, is_whole ? "%.0f%s" : "%.1f%s", number,
             units[unit]);
    return text;
}

/* "  NAME VALUE", or nothing for 0. */
static void print_if_any(FILE *out, const char *name, uint64_t count)
{
    char text[PAWL_RUN_PROGRESS_TEXT_BYTES];
    if (count > 0)
        fprintf(out, "  %s %s", name, pawl_run_progress_number((double)count, text));
}

/* What a line leaves out that has no room, the first before the next. */
enum leave_out {
    LEAVE_NOTHING,
    LEAVE_LONG_RATE,
    LEAVE_VERSION,
    LEAVE_NO_MISSES,
    LEAVE_RING,
    LEAVE_SIZES,
    LEAVE_RATIO,
    LEAVE_LAST,
};

/* What a learner that learns does. */
static void print_learning(const struct pawl_run_progress *progress,
                           const struct pawl_run_figures *figures, enum leave_out left,
                           FILE *out)
{
    char count[PAWL_RUN_PROGRESS_TEXT_BYTES], rate[PAWL_RUN_PROGRESS_TEXT_BYTES];
    uint64_t update_count = pawl_run_figures_sum(figures, "learner.updates").count;
    struct pawl_run_sum asked = pawl_run_figures_sum(figures, "learner.update_ratio");
    struct pawl_run_sum owed = pawl_run_figures_sum(figures, "learner.updates_owed");
    struct pawl_run_sum replay = pawl_run_figures_sum(figures, "learner.replay_size");
    struct pawl_run_sum offline = pawl_run_figures_sum(figures, "learner.offline_size");
    double ratio = pawl_run_progress_ratio(progress);

    if (update_count > 0)
        fprintf(out, "  updates %s  %s/s",
                pawl_run_progress_number((double)update_count, count),
                pawl_run_progress_number(pawl_run_progress_update_hz(progress), rate));
    if (ratio >= 0.0 && left < LEAVE_RATIO)
        fprintf(out, "  ratio %.2f", ratio);
    if (ratio >= 0.0 && left < LEAVE_RATIO && asked.gauge_max > 0.0)
        fprintf(out, " of %g", asked.gauge_max);
    /* A step's worth is always on its way. */
    if (owed.gauge_max >= 1.0 + asked.gauge_max)
        print_if_any(out, "owed", (uint64_t)owed.gauge_max);
    if (left >= LEAVE_SIZES)
        return;
    print_if_any(out, "replay", (uint64_t)replay.gauge_max);
    print_if_any(out, "offline", (uint64_t)offline.gauge_max);
}

static void print_line(const struct pawl_run_progress *progress,
                       const struct pawl_run_figures *figures,
                       const struct pawl_run_progress_recent *recent, uint64_t now_ns,
                       enum leave_out left, FILE *out)
{
    char steps[PAWL_RUN_PROGRESS_TEXT_BYTES], short_rate[PAWL_RUN_PROGRESS_TEXT_BYTES],
        long_rate[PAWL_RUN_PROGRESS_TEXT_BYTES];
    uint64_t step_count = pawl_run_figures_sum(figures, "actor.env_steps").count;
    uint64_t episode_count = pawl_run_figures_sum(figures, "actor.episodes").count;
    struct pawl_run_sum fill = pawl_run_figures_sum(figures, "actor.ring_fill");
    struct pawl_run_sum learner_fill = pawl_run_figures_sum(figures, "learner.ring_fill");
    struct pawl_run_sum version = pawl_run_figures_sum(figures, "learner.version");

    fprintf(out, "%6.0f s  %s steps  %s/s (10 s)", seconds(now_ns - progress->start_ns),
            pawl_run_progress_number((double)step_count, steps),
            pawl_run_progress_number(pawl_run_progress_rate_hz(progress, 10), short_rate));
    if (left < LEAVE_LONG_RATE)
        fprintf(out, "  %s/s (60 s)",
                pawl_run_progress_number(pawl_run_progress_rate_hz(progress, 60), long_rate));
    fprintf(out, "  episodes %" PRIu64, episode_count);
    if (recent->count > 0)
        fprintf(out, "  return %.1f", recent->return_mean);
    if (recent->count > 0 && pawl_run_figures_sum(figures, "actor.successes").count > 0)
        fprintf(out, "  success %.2f", (double)recent->success_count / recent->count);
    print_learning(progress, figures, left, out);
    if (learner_fill.gauge_count > 0 && learner_fill.gauge_max > fill.gauge_max)
        fill = learner_fill;
    if (fill.gauge_count > 0 && left < LEAVE_RING)
        fprintf(out, "  ring %.0f %%", 100.0 * fill.gauge_max);
    if (version.gauge_count > 0 && left < LEAVE_VERSION)
        fprintf(out, "  version %.0f", version.gauge_max);
    uint64_t miss_count = pawl_run_figures_sum(figures, "actor.deadline_misses").count;
    if (miss_count > 0 || left < LEAVE_NO_MISSES)
        fprintf(out, "  misses %" PRIu64, miss_count);
    print_if_any(out, "clamped", pawl_run_figures_sum(figures, "actor.actions_clamped").count);
    print_if_any(out, "held", pawl_run_figures_sum(figures, "actor.actions_held").count);
    print_if_any(out, "dropped", pawl_run_figures_sum(figures, "actor.records_dropped").count);
    print_if_any(out, "gaps", pawl_run_figures_sum(figures, "learner.sequence_gaps").count);
}

void pawl_run_progress_print(const struct pawl_run_progress *progress,
                             const struct pawl_run_figures *figures,
                             const struct pawl_run_progress_recent *recent, uint64_t now_ns,
                             uint32_t width, FILE *out)
{
    char line[512];
    for (int left = LEAVE_NOTHING; left < LEAVE_LAST; left++) {
        FILE *text = fmemopen(line, sizeof(line), "w");
        if (!text)
            return;
        print_line(progress, figures, recent, now_ns, (enum leave_out)left, text);
        fclose(text);
        line[sizeof(line) - 1] = '\0';
        if (width == 0 || strlen(line) <= width)
            break;
    }
    fprintf(out, "%s\n", line);
}
