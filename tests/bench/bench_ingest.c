/* bench_ingest.c: what the learner's side of one record costs: look, check every number, count,
 * commit, give back. Rings of records as of a robot arm (18 and 4 numbers), by the number of
 * lanes and of records that one drain finds; and an image. */
#include "learner/ingest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/record.h"
#include "support/bench.h"

#define RUN_COUNT  51
#define SLOT_COUNT 4096

static char folder[] = "/tmp/pawl-bench-ingest-XXXXXX";
static struct pawl_ingest ingest;
static struct pawl_ring_tx tx;
static struct pawl_segment segment;
static struct pawl_spec spec;
static struct pawl_err err;

static void demand(bool is_so)
{
    if (is_so)
        return;
    fprintf(stderr, "bench_ingest: %s\n", err.text);
    exit(1);
}

static void make_spec(uint32_t image_bytes)
{
    spec = (struct pawl_spec){0};
    if (image_bytes)
        pawl_spec_add(&spec, "obs.image", PAWL_U8, 1, &image_bytes, &err);
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){18}, &err);
    pawl_spec_add(&spec, PAWL_RECORD_ACTION_NAME, PAWL_F32, 1, (uint32_t[]){4}, &err);
    pawl_spec_add(&spec, PAWL_RECORD_REWARD_NAME, PAWL_F32, 0, NULL, &err);
    pawl_spec_add(&spec, PAWL_RECORD_TERMINATED_NAME, PAWL_BOOL, 0, NULL, &err);
    pawl_spec_add(&spec, PAWL_RECORD_TRUNCATED_NAME, PAWL_BOOL, 0, NULL, &err);
    demand(err.code == 0);
}

static void open_ring(uint32_t slot_count, bool has_ledger)
{
    char text[PAWL_SPEC_TEXT_BYTES];
    struct pawl_ring_cfg cfg = pawl_ring_default_cfg();
    const struct pawl_ingest_cfg ingest_cfg = {
        .ring_count_max = 4,
        .batch_count = PAWL_BOOK_BATCH_MAX,
        .book = {.folder = folder, .has_ledger = has_ledger, .io = pawl_io_sys()}};
    cfg.slot_count = slot_count;
    cfg.data_bytes = (uint32_t)spec.record_bytes;
    cfg.label = "bench";
    cfg.spec = text;
    cfg.spec_bytes = pawl_spec_text(&spec, text);
    demand(pawl_ring_create(&tx, &segment, &cfg, &err) == 0);
    demand(pawl_ingest_open(&ingest, &ingest_cfg, &err) == 0);
    demand(pawl_ingest_begin(&ingest, &err) == 0);
    const struct pawl_hub_offer offer = {.id = 1,
                                         .kind = PAWL_SEGMENT_RING,
                                         .role = PAWL_ROLE_ACTOR,
                                         .total_bytes = segment.total_bytes};
    struct pawl_ingest_ring *ring = pawl_ingest_add_ring(&ingest, &offer, segment.fd, &err);
    demand(ring && pawl_ring_bind(&tx, &ingest.acks, ring->page, -1, &err) == 0);
}

static void close_ring(void)
{
    pawl_ingest_close(&ingest);
    pawl_segment_close(&segment);
}

/* Rounds of lane_count steps, in episodes of 1000. */
static void fill(uint64_t count, uint32_t lane_count, uint64_t *written)
{
    for (uint64_t i = 0; i < count; i++, ++*written) {
        struct pawl_ring_slot *slot = pawl_ring_claim(&tx);
        uint64_t step = *written / lane_count % 1001;
        demand(slot != NULL);
        slot->record = (struct pawl_ring_record){
            .bytes = (uint32_t)spec.record_bytes,
            .flags =
                step == 1000 ? PAWL_RECORD_FINAL | PAWL_RECORD_TRUNCATED : PAWL_RECORD_STEP,
            .lane = (uint32_t)(*written % lane_count),
            .episode = (uint32_t)(*written / lane_count / 1001),
            .step = (uint32_t)step,
        };
        memset(slot->data, 0, spec.record_bytes);
        pawl_ring_publish(&tx);
    }
}

static void measure(const char *what, uint32_t slot_count, uint32_t drain_count,
                    uint32_t lane_count, bool has_ledger)
{
    static double took_ns[RUN_COUNT];
    uint64_t written = 0;
    char name[96];
    open_ring(slot_count, has_ledger);
    for (size_t run = 0; run < RUN_COUNT; run++) {
        uint32_t repeat_count = 1024 / drain_count ? 1024 / drain_count : 1;
        took_ns[run] = 0.0;
        for (uint32_t i = 0; i < repeat_count; i++) {
            fill(drain_count, lane_count, &written);
            double start_ns = bench_now_ns();
            while (pawl_ingest_drain(&ingest, UINT64_MAX, &err) > 0)
                continue;
            took_ns[run] += bench_now_ns() - start_ns;
        }
        took_ns[run] /= (double)(repeat_count * drain_count);
    }
    snprintf(name, sizeof(name), "ingest_%s_lanes%u_found%u_ns", what, lane_count, drain_count);
    bench_print_spread(name, took_ns, RUN_COUNT, 1.0, "ns");
    demand(ingest.book.counts.gaps == 0 && ingest.book.counts.refused == 0);
    close_ring();
}

int main(void)
{
    demand(mkdtemp(folder) != NULL);
    make_spec(0);
    measure("arm", SLOT_COUNT, 1024, 1, false);
    measure("arm", SLOT_COUNT, 16, 1, false);
    measure("arm", SLOT_COUNT, 1, 1, false);
    measure("arm", SLOT_COUNT, 1024, 16, false);
    measure("arm", SLOT_COUNT, 1024, 256, false);
    measure("arm_ledger", SLOT_COUNT, 1024, 1, true);
    make_spec(128 * 128 * 3);
    measure("image", 64, 32, 1, false);
    for (int i = 0; i < 2; i++) {
        char path[sizeof(folder) + 32];
        snprintf(path, sizeof(path), "%s/%s", folder, i ? "ledger.jsonl" : "episodes.jsonl");
        unlink(path);
    }
    rmdir(folder);
    return 0;
}
