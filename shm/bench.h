/* bench.h: what a record costs from one process to another, and what parameters cost.
 *
 * A way is one means of carrying records: our ring, or in the tests' bench another one beside
 * it. All ways do the same: copy a record in, copy it out, look at its first word. Two
 * processes are pinned to two cores, at real-time priority where that is allowed, in bursts of
 * some 10 ms, and all ways take turns within one run. How far apart the cores are is probed
 * before and after every trial; a trial whose class changed is dropped, figures of different
 * classes never meet.
 *
 *     const struct pawl_bench_cfg cfg = {.ways = ways, .way_count = 2, .round_count = 9};
 *     pawl_bench_ring(&cfg, stdout, &err);
 *
 * Every line is `name value unit`. The best and the median of the rounds are printed: others
 * use the machine as well, and only the best is free of them.
 *
 * Thread safety: one bench at a time; it forks.
 */
#ifndef PAWL_SHM_BENCH_H
#define PAWL_SHM_BENCH_H

#include "runtime/err.h"
#include "runtime/tsc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_BENCH_ROUNDS_MAX   101u
#define PAWL_BENCH_ROUNDS       9u
#define PAWL_BENCH_RECORD_BYTES (512u << 10) /* the largest */
#define PAWL_BENCH_WRONG        UINT64_MAX

struct pawl_bench_size {
    const char *name;
    uint32_t bytes, slot_count, record_count, trip_count;
};

extern const struct pawl_bench_size pawl_bench_sizes[];
extern const size_t pawl_bench_size_count;

/* A link carries one way; the two processes share it by fork. */
struct pawl_bench_way {
    const char *name; /* "ring_plain" */
    uint32_t bytes_min;
    int (*open)(void **link, const struct pawl_bench_size *size, struct pawl_err *err);
    void (*close)(void *link);
    void (*send)(void *link, const struct pawl_bench_size *size);
    /* Nanoseconds for the records after the first tenth; PAWL_BENCH_WRONG: one was not what was
     * sent. */
    uint64_t (*receive)(void *link, const struct pawl_bench_size *size);
    /* trips_ns: of each round trip. */
    void (*ping)(void *there, void *back, const struct pawl_bench_size *size, double *trips_ns);
    void (*pong)(void *there, void *back, const struct pawl_bench_size *size);
};

struct pawl_bench_cfg {
    const struct pawl_bench_way *const *ways;
    size_t way_count;
    uint32_t round_count; /* at most PAWL_BENCH_ROUNDS_MAX */
};

/* Our ring, with plain stores and with streaming stores. */
extern const struct pawl_bench_way pawl_bench_ring_plain;
extern const struct pawl_bench_way pawl_bench_ring_streaming;

int pawl_bench_ring(const struct pawl_bench_cfg *cfg, FILE *out, struct pawl_err *err);

/* A record to a reader that sleeps, and what 16 producers cost that have nothing to do. */
int pawl_bench_sleep(uint32_t round_count, FILE *out, struct pawl_err *err);

/* Acquiring parameters and publishing them; versions of 1 GiB where there is memory for it. */
int pawl_bench_params(FILE *out, struct pawl_err *err);

/* --- for ways --- */

extern struct pawl_tsc pawl_bench_tsc;
extern unsigned char pawl_bench_out[PAWL_BENCH_RECORD_BYTES];
extern unsigned char pawl_bench_in[PAWL_BENCH_RECORD_BYTES];

/* To be called in each turn of a loop that waits for the other process. */
void pawl_bench_relax(uint32_t *looks);

static inline double pawl_bench_since_ns(uint64_t start_ticks)
{
    return (double)(pawl_tsc_to_ns(&pawl_bench_tsc, pawl_tsc_read(&pawl_bench_tsc)) -
                    pawl_tsc_to_ns(&pawl_bench_tsc, start_ticks));
}

/* The sizes as constants, so that the copies are inlined as a user's copy of his own struct. */
#define PAWL_BENCH_FOR_SIZE(size_bytes, CALL)                                                  \
    switch (size_bytes) {                                                                      \
    case 64:                                                                                   \
        CALL(64);                                                                              \
        break;                                                                                 \
    case 1024:                                                                                 \
        CALL(1024);                                                                            \
        break;                                                                                 \
    case 65536:                                                                                \
        CALL(65536);                                                                           \
        break;                                                                                 \
    default:                                                                                   \
        CALL(524288);                                                                          \
    }

/* The four loops of a way, from `void PREFIX_put(void *link, uint64_t value, uint32_t bytes)`
 * and `bool PREFIX_take(void *link, uint64_t value, uint32_t bytes)`, both always inlined. */
#define PAWL_BENCH_PUT(n)                                                                      \
    for (uint64_t i = 0; i < size->record_count; i++)                                          \
    PAWL_BENCH_NAME(put)(link, i, n)
#define PAWL_BENCH_TAKE(n)                                                                     \
    for (uint64_t i = 0; i < size->record_count; i++) {                                        \
        is_right = PAWL_BENCH_NAME(take)(link, i, n) && is_right;                              \
        if (i == size->record_count / 10)                                                      \
            start_ticks = pawl_tsc_read(&pawl_bench_tsc);                                      \
    }
#define PAWL_BENCH_PING(n)                                                                     \
    for (uint64_t i = 0; i < size->trip_count; i++) {                                          \
        uint64_t start_ticks = pawl_tsc_read(&pawl_bench_tsc);                                 \
        PAWL_BENCH_NAME(put)(there, i, n);                                                     \
        PAWL_BENCH_NAME(take)(back, i, n);                                                     \
        trips_ns[i] = pawl_bench_since_ns(start_ticks);                                        \
    }
#define PAWL_BENCH_PONG(n)                                                                     \
    for (uint64_t i = 0; i < size->trip_count; i++) {                                          \
        PAWL_BENCH_NAME(take)(there, i, n);                                                    \
        PAWL_BENCH_NAME(put)(back, i, n);                                                      \
    }
#define PAWL_BENCH_LOOPS                                                                       \
    static void PAWL_BENCH_NAME(send_all)(void *link, const struct pawl_bench_size *size)      \
    {                                                                                          \
        PAWL_BENCH_FOR_SIZE(size->bytes, PAWL_BENCH_PUT)                                       \
    }                                                                                          \
    static uint64_t PAWL_BENCH_NAME(receive_all)(void *link,                                   \
                                                 const struct pawl_bench_size *size)           \
    {                                                                                          \
        bool is_right = true;                                                                  \
        uint64_t start_ticks = 0;                                                              \
        PAWL_BENCH_FOR_SIZE(size->bytes, PAWL_BENCH_TAKE)                                      \
        return is_right ? (uint64_t)pawl_bench_since_ns(start_ticks) : PAWL_BENCH_WRONG;       \
    }                                                                                          \
    static void PAWL_BENCH_NAME(ping)(void *there, void *back,                                 \
                                      const struct pawl_bench_size *size, double *trips_ns)    \
    {                                                                                          \
        PAWL_BENCH_FOR_SIZE(size->bytes, PAWL_BENCH_PING)                                      \
    }                                                                                          \
    static void PAWL_BENCH_NAME(pong)(void *there, void *back,                                 \
                                      const struct pawl_bench_size *size)                      \
    {                                                                                          \
        PAWL_BENCH_FOR_SIZE(size->bytes, PAWL_BENCH_PONG)                                      \
    }

#ifdef __cplusplus
}
#endif

#endif
