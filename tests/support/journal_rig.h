/* journal_rig.h: a store, a disk in memory that can fail, and a journal between them. */
#ifndef PAWL_TEST_JOURNAL_RIG_H
#define PAWL_TEST_JOURNAL_RIG_H

#include <stdio.h>
#include <stdlib.h>

#include "learner/journal.h"
#include "learner/journal_file.h"
#include "runtime/clock.h"
#include "runtime/io_faulty.h"
#include "runtime/io_mem.h"
#include "support/replay_model.h"

static struct pawl_io_mem mem;
static struct pawl_io_faulty faulty;
static struct pawl_replay replay, other;
static struct pawl_journal journal;
static struct pawl_journal_loaded loaded;
static struct pawl_err err;
static struct replay_rig_lane lane;
static float observation;
static uint64_t now_ns;

static inline void open_disk(void)
{
    pawl_io_mem_open(&mem);
    pawl_io_faulty_open(&faulty, &mem.io);
    now_ns = pawl_clock_now_ns();
}

static inline struct pawl_journal_cfg small_cfg(void)
{
    struct pawl_journal_cfg cfg = pawl_journal_default_cfg();
    cfg.io = &faulty.io;
    cfg.queue_kind = PAWL_IO_QUEUE_INLINE;
    cfg.folder = "run/replay";
    cfg.chunk_bytes_max = 1000;
    cfg.file_bytes_max = 20000;
    return cfg;
}

static inline void open_journal(const struct pawl_journal_cfg *cfg)
{
    err = (struct pawl_err){0};
    ck_assert_msg(pawl_journal_open(&journal, cfg, &replay, &err) == 0, "%s", err.text);
}

/* A turn of a loop, a second later. */
static inline void turn(void)
{
    now_ns += PAWL_NS_PER_S;
    pawl_journal_poll(&journal, now_ns);
}

static inline void turns(int count)
{
    for (int i = 0; i < count; i++)
        turn();
}

/* Steps of one lane, in episodes of 20. */
static inline void put(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool is_final = lane.step == 20;
        replay_rig_put(&replay, &lane, observation, observation,
                       is_final ? PAWL_RECORD_FINAL : PAWL_RECORD_STEP);
        observation += 1.0f;
        pawl_replay_commit(&replay);
    }
}

static inline void open_store(uint64_t capacity)
{
    lane = replay_rig_lane(0);
    observation = 0.0f;
    replay_rig_open(&replay, capacity);
}

static inline void load(struct pawl_io *io, uint64_t capacity, uint64_t head)
{
    err = (struct pawl_err){0};
    replay_rig_open(&other, capacity);
    ck_assert_msg(pawl_journal_load(io, "run/replay", &other, head, &loaded, &err) == 0, "%s",
                  err.text);
}

static inline void flush(void)
{
    err = (struct pawl_err){0};
    ck_assert_msg(
        pawl_journal_flush(&journal, pawl_clock_now_ns() + 20 * PAWL_NS_PER_S, &err) == 0, "%s",
        err.text);
}

/* What was loaded is what was put, as far as both go. */
static inline void expect_same(uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++) {
        ck_assert(pawl_replay_has(&other, i));
        ck_assert_mem_eq(pawl_replay_frame(&replay, i), pawl_replay_frame(&other, i),
                         offsetof(struct pawl_replay_frame, prev));
        ck_assert_mem_eq(pawl_replay_payload(&replay, i), pawl_replay_payload(&other, i),
                         replay.spec.record_bytes);
        uint64_t next = pawl_replay_next(&replay, i);
        if (next < end)
            ck_assert_uint_eq(pawl_replay_next(&other, i), next);
    }
}

static inline void close_all(void)
{
    pawl_journal_close(&journal);
    pawl_replay_close(&replay);
    pawl_replay_close(&other);
    pawl_io_mem_close(&mem);
}

/* Journals in the folder. */
static inline uint32_t file_count(void)
{
    uint64_t *sequences;
    uint32_t count;
    int folder = pawl_io_open(&mem.io, PAWL_IO_CWD, "run/replay", O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(folder, 0);
    ck_assert_int_eq(pawl_journal_list(&mem.io, folder, &sequences, &count, NULL), 0);
    free(sequences);
    pawl_io_close(&mem.io, folder);
    return count;
}

#endif
