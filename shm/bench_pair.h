/* bench_pair.h: what the benches share: a ring with both ends, two cores, samples and lines. */
#ifndef PAWL_SHM_BENCH_PAIR_H
#define PAWL_SHM_BENCH_PAIR_H

#include "shm/bench.h"
#include "shm/ring.h"

/* Both ends in one process, until it forks. */
struct pawl_bench_pair {
    struct pawl_segment ring, ring_seen, acks;
    struct pawl_ring_tx tx;
    struct pawl_ring_rx rx;
};

int pawl_bench_pair_open(struct pawl_bench_pair *pair, uint32_t slot_count, uint32_t data_bytes,
                         bool never_sleeps, struct pawl_err *err);
void pawl_bench_pair_close(struct pawl_bench_pair *pair);

/* Pins to the index-th core that this process may use; false when there are fewer. At real-time
 * priority, if asked for and allowed: without it the figures are noisier. */
bool pawl_bench_pin(int index, bool at_real_time);
/* Back to normal priority, and then to all cores that it could use at first. */
void pawl_bench_unpin(void);
void pawl_bench_release_cores(void);

/* Nanoseconds one way between the first two cores (distance.h); 0: not measured in time. Uses
 * pin, so release_cores() follows. */
int pawl_bench_distance(uint32_t *distance_ns, struct pawl_err *err);

/* "core" for two threads of one core, which share all caches; or else distance.h's. */
const char *pawl_bench_class(uint32_t distance_ns);

struct pawl_bench_samples {
    double values[PAWL_BENCH_ROUNDS_MAX];
    size_t count;
};

void pawl_bench_add(struct pawl_bench_samples *samples, double value);
void pawl_bench_sort(double *values, size_t count);

/* NAME_best and NAME_median; nothing when there are no samples. The best is the highest of a
 * rate, the lowest of a time. */
void pawl_bench_print_samples(FILE *out, const char *name, struct pawl_bench_samples *samples,
                              bool is_rate, const char *unit);

#endif
