#include "learner/replay_sample.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"
#include "shm/copy.h"
#include "shm/record.h"

/* Streams of draws (philox.h); their index is the low half of draw. */
#define STREAM_ONLINE  0x7265706cu /* "repl" */
#define STREAM_OFFLINE 0x7265706fu /* "repo" */

/* The high half of draw: this many blocks of the stream further. */
#define STREAM_DRAW_SHIFT 32

/* Draws of one row before the next transition behind the last draw is taken. With half of the
 * frames transitions, as in episodes of one step, that is one row in 2^64. */
#define TRIES_MAX 64

/* A transition that the method was right about is drawn now and then. */
#define PRIORITY_LEAST 1e-6

/* Rows of this size are not read again from the cache they would be written to. */
#define STREAMING_BYTES_MIN 16384u
#define STREAMING_ALIGN     16u

#define CACHELINE_BYTES 64u

/* Frames up to this size are fetched ahead as a whole. */
#define FETCH_BYTES_MAX 512u

static uint64_t slot_of(const struct pawl_replay *replay, uint64_t number)
{
    return number % replay->slot_count;
}

static double weight_of(const struct pawl_replay_source *source, uint64_t number)
{
    double priority = (double)pawl_replay_priority(source->replay, number);
    return pow(priority + PRIORITY_LEAST, source->alpha);
}

static void on_change(void *arg, uint64_t number, bool is_transition)
{
    struct pawl_replay_source *source = arg;
    pawl_sum_tree_set(&source->tree, slot_of(source->replay, number),
                      is_transition ? weight_of(source, number) : 0.0);
}

static int open_source(struct pawl_replay_source *source, struct pawl_replay *replay,
                       const struct pawl_replay_sampler_cfg *cfg, struct pawl_err *err)
{
    source->replay = replay;
    source->alpha = cfg->alpha;
    if (!replay || !cfg->is_prioritized)
        return 0;
    if (pawl_sum_tree_open(&source->tree, replay->slot_count, err) != 0)
        return -ENOMEM;
    for (uint64_t number = pawl_replay_first(replay); number < replay->head; number++)
        if (pawl_replay_is_transition(replay, number))
            on_change(source, number, true);
    replay->changed = on_change;
    replay->changed_arg = source;
    return 0;
}

static void close_source(struct pawl_replay_source *source)
{
    if (source->replay && source->replay->changed_arg == source) {
        source->replay->changed = NULL;
        source->replay->changed_arg = NULL;
    }
    pawl_sum_tree_close(&source->tree);
}

/* A source without a transition has no part in a batch. */
static uint64_t transitions(const struct pawl_replay_source *source)
{
    return source->replay ? source->replay->sample_count : 0;
}

static uint64_t below(struct pawl_philox *stream, uint64_t count)
{
    /* The high half of a product: off by less than count / 2^64. */
    return (uint64_t)(((unsigned __int128)pawl_philox_next64(stream) * count) >> 64);
}

static uint64_t pick_uniform(const struct pawl_replay *replay, struct pawl_philox *stream)
{
    uint64_t first = pawl_replay_first(replay), size = pawl_replay_size(replay);
    uint64_t at = 0;

    for (int i = 0; i < TRIES_MAX; i++) {
        at = below(stream, size);
        if (pawl_replay_is_transition(replay, first + at))
            return first + at;
    }
    /* There is one, so this ends. */
    do
        at = at + 1 < size ? at + 1 : 0;
    while (!pawl_replay_is_transition(replay, first + at));
    return first + at;
}

static uint64_t pick_prioritized(const struct pawl_replay_source *source, double point,
                                 double *probability)
{
    const struct pawl_replay *replay = source->replay;
    double total = pawl_sum_tree_total(&source->tree);
    uint64_t slot = pawl_sum_tree_find(&source->tree, point * total);
    uint64_t head_slot = slot_of(replay, replay->head);
    uint64_t behind =
        slot < head_slot ? head_slot - slot : head_slot + replay->slot_count - slot;

    *probability =
        pawl_sum_tree_get(&source->tree, slot) / total * (double)replay->sample_count;
    return replay->head - behind;
}

static void fetch_frame(const struct pawl_replay *replay, uint64_t number)
{
    const unsigned char *frame = (const unsigned char *)pawl_replay_frame(replay, number);
    uint64_t bytes = replay->slot_bytes;

    if (bytes > FETCH_BYTES_MAX) {
        const unsigned char *reward =
            frame + sizeof(struct pawl_replay_frame) + replay->reward_offset;
        __builtin_prefetch(frame);
        __builtin_prefetch(reward);
        return;
    }
    for (uint64_t at = 0; at < bytes; at += CACHELINE_BYTES)
        __builtin_prefetch(frame + at);
    __builtin_prefetch(frame + bytes - 1);
}

/* Draws rows from one store, and has them fetched. */
static void pick_rows(const struct pawl_replay_sampler *sampler,
                      const struct pawl_replay_source *source, struct pawl_replay_pick *picks,
                      uint32_t count, uint64_t draw, uint32_t role)
{
    struct pawl_philox stream;

    pawl_philox_open(&stream, sampler->cfg.seed, role, (uint32_t)draw);
    if (draw >> 32)
        pawl_philox_seek(&stream, (draw >> 32) << STREAM_DRAW_SHIFT);
    for (uint32_t i = 0; i < count; i++) {
        struct pawl_replay_pick *pick = &picks[i];
        *pick = (struct pawl_replay_pick){.replay = source->replay, .probability = 1.0};
        if (sampler->cfg.is_prioritized) {
            double point = ((double)i + pawl_philox_double(&stream)) / (double)count;
            pick->number = pick_prioritized(source, point, &pick->probability);
        } else {
            pick->number = pick_uniform(source->replay, &stream);
        }
        fetch_frame(source->replay, pick->number);
        pick->next = pawl_replay_next(source->replay, pick->number);
        if (pick->next != PAWL_REPLAY_NONE)
            fetch_frame(source->replay, pick->next);
    }
}

static double value_of(const struct pawl_replay *replay, uint64_t number, size_t offset)
{
    float value;
    memcpy(&value, pawl_replay_payload(replay, number) + offset, sizeof(value));
    return (double)value;
}

/* Walks the links: pick->next is where the walk ends. */
static void walk(const struct pawl_replay_sampler *sampler, struct pawl_replay_pick *pick,
                 float *reward, float *discount)
{
    const struct pawl_replay *replay = pick->replay;
    uint64_t number = pick->number;
    double sum = 0.0, worth = 1.0;

    for (uint32_t step = 1;; step++) {
        sum += worth * value_of(replay, number, replay->reward_offset);
        worth *= sampler->cfg.discount;
        pick->step_count = step;
        uint64_t next = pawl_replay_next(replay, number);
        if (pawl_replay_frame(replay, number)->flags & PAWL_RECORD_TERMINATED) {
            /* Without a last observation: worth nothing, so any will do. */
            pick->next = next != PAWL_REPLAY_NONE ? next : number;
            worth = 0.0;
            break;
        }
        pick->next = next;
        if (step == sampler->cfg.n_step || !pawl_replay_is_transition(replay, next))
            break;
        number = next;
    }
    *reward = (float)sum;
    *discount = (float)worth;
}

static void copy_row(unsigned char *row, const unsigned char *value, size_t bytes)
{
    if (bytes >= STREAMING_BYTES_MIN && (uintptr_t)row % STREAMING_ALIGN == 0)
        pawl_copy_streaming(row, value, bytes);
    else
        memcpy(row, value, bytes);
}

/* The field over the steps of each walk, as its rewards. */
static void sum_column(const struct pawl_replay_sampler *sampler,
                       const struct pawl_batch_column *column, uint32_t count)
{
    size_t offset = sampler->online.replay->spec.fields[column->field].offset_bytes;
    unsigned char *row = column->rows;

    for (uint32_t i = 0; i < count; i++, row += column->stride) {
        const struct pawl_replay_pick *pick = &sampler->picks[i];
        uint64_t number = pick->number;
        double worth = 1.0, sum = value_of(pick->replay, number, offset);
        for (uint32_t step = 1; step < pick->step_count; step++) {
            number = pawl_replay_next(pick->replay, number);
            worth *= sampler->cfg.discount;
            sum += worth * value_of(pick->replay, number, offset);
        }
        float value = (float)sum;
        memcpy(row, &value, sizeof(value));
    }
}

static void copy_column(const struct pawl_replay_sampler *sampler,
                        const struct pawl_batch_column *column, uint32_t count)
{
    const struct pawl_spec_field *field = &sampler->online.replay->spec.fields[column->field];
    unsigned char *row = column->rows;

    for (uint32_t i = 0; i < count; i++, row += column->stride) {
        const struct pawl_replay_pick *pick = &sampler->picks[i];
        uint64_t number = column->is_next ? pick->next : pick->number;
        copy_row(row, pawl_replay_payload(pick->replay, number) + field->offset_bytes,
                 field->size_bytes);
    }
}

static void set_weights(const struct pawl_replay_sampler *sampler, float *weight,
                        uint32_t count, uint64_t draw)
{
    const struct pawl_replay_sampler_cfg *cfg = &sampler->cfg;
    double largest = 0.0;
    double way = cfg->beta_draws && draw < cfg->beta_draws
                     ? (double)draw / (double)cfg->beta_draws
                     : 1.0;
    double beta = cfg->beta_draws ? cfg->beta + (1.0 - cfg->beta) * way : cfg->beta;

    for (uint32_t i = 0; i < count; i++) {
        double value = cfg->is_prioritized ? pow(sampler->picks[i].probability, -beta) : 1.0;
        weight[i] = (float)value;
        largest = fmax(largest, value);
    }
    for (uint32_t i = 0; i < count; i++)
        weight[i] = (float)((double)weight[i] / largest);
}

static int check_batch(const struct pawl_replay_sampler *sampler,
                       const struct pawl_batch *batch, struct pawl_err *err)
{
    const struct pawl_spec *spec = &sampler->online.replay->spec;

    if (batch->count > sampler->cfg.batch_count_max)
        return pawl_err_set(err, EINVAL, "a batch of %u transitions: at most %u", batch->count,
                            sampler->cfg.batch_count_max);
    if (batch->column_count > PAWL_BATCH_COLUMNS_MAX)
        return pawl_err_set(err, EINVAL, "%u columns: at most %u", batch->column_count,
                            PAWL_BATCH_COLUMNS_MAX);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct pawl_batch_column *column = &batch->columns[i];
        if (column->field >= spec->field_count)
            return pawl_err_set(err, EINVAL, "column %u: field %u, the spec has %u", i,
                                column->field, spec->field_count);
        const struct pawl_spec_field *field = &spec->fields[column->field];
        if (column->is_summed && (field->dtype != PAWL_F32 || field->rank != 0))
            return pawl_err_set(err, EINVAL, "column %u: '%s' is not one float32, so no sum", i,
                                field->name);
        if (column->stride < field->size_bytes)
            return pawl_err_set(err, EINVAL,
                                "column %u: %zu bytes from row to row, '%s' has %" PRIu64, i,
                                column->stride, field->name, field->size_bytes);
    }
    return 0;
}

/* How many rows come from the offline store. */
static uint32_t offline_rows(const struct pawl_replay_sampler *sampler, uint32_t count)
{
    if (transitions(&sampler->offline) == 0)
        return 0;
    if (transitions(&sampler->online) == 0)
        return count;
    return (uint32_t)lround((double)count * sampler->cfg.offline_ratio);
}

static int fill(void *arg, struct pawl_batch *batch, uint64_t draw, struct pawl_err *err)
{
    struct pawl_replay_sampler *sampler = arg;
    struct pawl_replay_pick *picks = sampler->picks;

    if (check_batch(sampler, batch, err) != 0)
        return -EINVAL;
    if (transitions(&sampler->online) == 0 && transitions(&sampler->offline) == 0)
        return pawl_err_set(err, EAGAIN, "the replay holds no transition yet");
    uint32_t offline_count = offline_rows(sampler, batch->count);
    uint32_t online_count = batch->count - offline_count;
    uint64_t pick = sampler->draw_offset + draw;
    pick_rows(sampler, &sampler->online, picks, online_count, pick, STREAM_ONLINE);
    pick_rows(sampler, &sampler->offline, picks + online_count, offline_count, pick,
              STREAM_OFFLINE);

    for (uint32_t i = 0; i < batch->count; i++)
        walk(sampler, &picks[i], &batch->reward[i], &batch->discount[i]);
    for (uint32_t i = 0; i < batch->column_count; i++)
        if (batch->columns[i].is_summed)
            sum_column(sampler, &batch->columns[i], batch->count);
        else
            copy_column(sampler, &batch->columns[i], batch->count);
    if (batch->weight)
        set_weights(sampler, batch->weight, batch->count, draw);
    for (uint32_t i = 0; batch->frame && i < batch->count; i++)
        batch->frame[i] = picks[i].number | (i < online_count ? 0 : PAWL_REPLAY_IS_OFFLINE);
    return 0;
}

static void prioritise(void *arg, const uint64_t *frames, const float *errors, uint32_t count)
{
    struct pawl_replay_sampler *sampler = arg;

    for (uint32_t i = 0; i < count; i++) {
        bool is_offline = (frames[i] & PAWL_REPLAY_IS_OFFLINE) != 0;
        struct pawl_replay_source *source = is_offline ? &sampler->offline : &sampler->online;
        uint64_t number = frames[i] & ~PAWL_REPLAY_IS_OFFLINE;
        if (!source->replay || !pawl_replay_has(source->replay, number) ||
            !pawl_replay_is_transition(source->replay, number))
            continue;
        pawl_replay_set_priority(source->replay, number, errors[i]);
        on_change(source, number, true);
    }
}

static int check_cfg(const struct pawl_replay_sampler_cfg *cfg, struct pawl_err *err)
{
    if (cfg->n_step < 1 || cfg->batch_count_max < 1)
        return pawl_err_set(err, EINVAL, "batches of up to %u transitions of %u steps",
                            cfg->batch_count_max, cfg->n_step);
    if (!(cfg->discount >= 0.0 && cfg->discount <= 1.0) ||
        !(cfg->offline_ratio >= 0.0 && cfg->offline_ratio <= 1.0))
        return pawl_err_set(err, EINVAL, "discount %g and offline_ratio %g must be 0 to 1",
                            cfg->discount, cfg->offline_ratio);
    if (cfg->is_prioritized && !(cfg->alpha >= 0.0 && cfg->beta >= 0.0 && cfg->beta <= 1.0))
        return pawl_err_set(err, EINVAL, "alpha %g must be at least 0, beta %g 0 to 1",
                            cfg->alpha, cfg->beta);
    return 0;
}

int pawl_replay_sampler_open(struct pawl_replay_sampler *sampler,
                             const struct pawl_replay_sampler_cfg *cfg,
                             struct pawl_replay *online, struct pawl_replay *offline,
                             struct pawl_err *err)
{
    struct pawl_err unread = {0};

    err = err ? err : &unread;
    *sampler = (struct pawl_replay_sampler){.cfg = *cfg};
    if (check_cfg(cfg, err) != 0)
        goto fail;
    if (offline && pawl_spec_match(&online->spec, &offline->spec, err) != 0)
        goto fail;
    if (open_source(&sampler->online, online, cfg, err) != 0 ||
        open_source(&sampler->offline, offline, cfg, err) != 0)
        goto fail;
    sampler->picks = calloc(cfg->batch_count_max, sizeof(*sampler->picks));
    if (!sampler->picks) {
        pawl_err_set(err, ENOMEM, "no memory for a batch of %u", cfg->batch_count_max);
        goto fail;
    }
    sampler->base = (struct pawl_sampler){
        .arg = sampler, .fill = fill, .prioritise = cfg->is_prioritized ? prioritise : NULL};
    return 0;

fail:
    pawl_replay_sampler_close(sampler);
    return pawl_err_wrap(err, "open the replay's sampler");
}

void pawl_replay_sampler_close(struct pawl_replay_sampler *sampler)
{
    close_source(&sampler->online);
    close_source(&sampler->offline);
    free(sampler->picks);
    *sampler = (struct pawl_replay_sampler){0};
}
