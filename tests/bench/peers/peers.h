/* peers.h: other ways to carry a record between two processes, for bench_ring.c alone. Those
 * that need a library are there when it was found.
 */
#ifndef PAWL_BENCH_PEERS_H
#define PAWL_BENCH_PEERS_H

#include "shm/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct pawl_bench_way peer_pipe;
extern const struct pawl_bench_way peer_unix;
extern const struct pawl_bench_way peer_ck;
extern const struct pawl_bench_way peer_boost;
extern const struct pawl_bench_way peer_iceoryx;

#ifdef __cplusplus
}
#endif

#endif
