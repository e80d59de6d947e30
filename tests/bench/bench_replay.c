/* bench_replay.c: what a batch of 256 transitions costs: of a robot arm's state (18 and 4
 * numbers) and of two cameras of 128 x 128, beside copying the same bytes in one piece; and
 * what a frame costs when it comes. */
#include "learner/replay_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/record.h"
#include "support/bench.h"

#define RUN_COUNT   201
#define BATCH_COUNT 256u
#define LANE_COUNT  8u
#define LENGTH      500u /* steps of an episode */

static struct pawl_err err;
static struct pawl_spec spec;
static struct pawl_replay replay;
static double took_ns[RUN_COUNT];

static void demand(bool is_so)
{
    if (is_so)
        return;
    fprintf(stderr, "bench_replay: %s\n", err.text);
    exit(1);
}

static void make_spec(bool has_cameras)
{
    const uint32_t shape[] = {3, 128, 128};
    spec = (struct pawl_spec){0};
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){18}, &err);
    if (has_cameras) {
        pawl_spec_add(&spec, "obs.front", PAWL_U8, 3, shape, &err);
        pawl_spec_add(&spec, "obs.wrist", PAWL_U8, 3, shape, &err);
    }
    pawl_spec_add(&spec, PAWL_RECORD_ACTION_NAME, PAWL_F32, 1, (uint32_t[]){4}, &err);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, &err);
    pawl_spec_add(&spec, PAWL_RECORD_TERMINATED_NAME, PAWL_BOOL, 0, NULL, &err);
    pawl_spec_add(&spec, PAWL_RECORD_TRUNCATED_NAME, PAWL_BOOL, 0, NULL, &err);
    demand(err.code == 0);
}

/* Lanes come round and round. */
static void fill_store(uint64_t capacity, const char *name)
{
    const struct pawl_replay_setup setup = {
        .label = PAWL_REPLAY_LABEL, .spec = &spec, .capacity = capacity};
    unsigned char *payload = calloc(1, spec.record_bytes);
    uint64_t prev[LANE_COUNT];

    demand(payload && pawl_replay_create(&replay, &setup, &err) == 0);
    memset(prev, 0xff, sizeof(prev)); /* PAWL_REPLAY_NONE */
    double start_ns = bench_now_ns();
    for (uint64_t i = 0; i < capacity; i++) {
        uint32_t lane = (uint32_t)(i % LANE_COUNT);
        uint64_t step = i / LANE_COUNT % (LENGTH + 1);
        struct pawl_replay_frame frame = {.prev = prev[lane],
                                          .lane = lane,
                                          .episode = (uint32_t)(i / LANE_COUNT / (LENGTH + 1)),
                                          .step = (uint32_t)step,
                                          .flags = step == LENGTH ? PAWL_RECORD_FINAL |
                                                                        PAWL_RECORD_TRUNCATED
                                                                  : PAWL_RECORD_STEP};
        prev[lane] = pawl_replay_put(&replay, &frame, payload);
        pawl_replay_commit(&replay);
    }
    bench_print(name, (bench_now_ns() - start_ns) / (double)capacity, "ns");
    free(payload);
}

static struct pawl_batch batch;
static uint64_t batch_bytes;

static void make_batch(void)
{
    static float reward[BATCH_COUNT], discount[BATCH_COUNT], weight[BATCH_COUNT];
    static uint64_t frame[BATCH_COUNT];

    batch = (struct pawl_batch){.count = BATCH_COUNT,
                                .reward = reward,
                                .discount = discount,
                                .weight = weight,
                                .frame = frame};
    batch_bytes = 0;
    for (uint32_t i = 0; i < spec.field_count; i++) {
        const struct pawl_spec_field *field = &spec.fields[i];
        bool is_obs = strncmp(field->name, PAWL_RECORD_OBS_PREFIX, 4) == 0;
        if (!is_obs && strcmp(field->name, PAWL_RECORD_ACTION_NAME) != 0)
            continue;
        for (int is_next = 0; is_next <= is_obs; is_next++) {
            struct pawl_batch_column *column = &batch.columns[batch.column_count++];
            *column = (struct pawl_batch_column){
                .field = i,
                .is_next = is_next != 0,
                .rows = aligned_alloc(64, (BATCH_COUNT * field->size_bytes)),
                .stride = field->size_bytes};
            demand(column->rows != NULL);
            memset(column->rows, 1, BATCH_COUNT * field->size_bytes);
            batch_bytes += BATCH_COUNT * field->size_bytes;
        }
    }
}

static double sample_ns(const char *name, bool is_prioritized)
{
    static struct pawl_replay_sampler sampler;
    const struct pawl_replay_sampler_cfg cfg = {.seed = 1,
                                                .batch_count_max = BATCH_COUNT,
                                                .n_step = 1,
                                                .discount = 0.99,
                                                .is_prioritized = is_prioritized,
                                                .alpha = 0.6,
                                                .beta = 0.4};
    demand(pawl_replay_sampler_open(&sampler, &cfg, &replay, NULL, &err) == 0);
    for (uint64_t run = 0; run < RUN_COUNT; run++) {
        double start_ns = bench_now_ns();
        demand(sampler.base.fill(sampler.base.arg, &batch, run, &err) == 0);
        took_ns[run] = bench_now_ns() - start_ns;
    }
    bench_print_spread(name, took_ns, RUN_COUNT, 1e-3, "us");
    pawl_replay_sampler_close(&sampler);
    return bench_percentile(took_ns, RUN_COUNT, 50);
}

/* The same bytes in one piece, from one place to another. */
static double copy_ns(const char *name)
{
    unsigned char *from = aligned_alloc(64, batch_bytes / 64 * 64 + 64);
    unsigned char *to = aligned_alloc(64, batch_bytes / 64 * 64 + 64);
    demand(from && to);
    memset(from, 1, batch_bytes);
    memset(to, 1, batch_bytes);
    for (size_t run = 0; run < RUN_COUNT; run++) {
        double start_ns = bench_now_ns();
        memcpy(to, from, batch_bytes);
        took_ns[run] = bench_now_ns() - start_ns;
        from[run] = to[run + 1];
    }
    bench_print_spread(name, took_ns, RUN_COUNT, 1e-3, "us");
    free(from);
    free(to);
    return bench_percentile(took_ns, RUN_COUNT, 50);
}

static void close_all(void)
{
    for (uint32_t i = 0; i < batch.column_count; i++)
        free(batch.columns[i].rows);
    pawl_replay_close(&replay);
}

int main(void)
{
    make_spec(false);
    fill_store(100000, "replay_put_state_ns");
    make_batch();
    sample_ns("replay_sample256_state_us", false);
    sample_ns("replay_sample256_state_prioritized_us", true);
    copy_ns("replay_copy256_state_us");
    close_all();

    make_spec(true);
    fill_store(6000, "replay_put_cameras_ns");
    make_batch();
    double sampled_ns = sample_ns("replay_sample256_cameras_us", false);
    double copied_ns = copy_ns("replay_copy256_cameras_us");
    bench_print("replay_sample256_cameras_of_copy", 100.0 * copied_ns / sampled_ns, "%");
    close_all();
    return 0;
}
