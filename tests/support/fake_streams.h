/* fake_streams.h: the streams and records of a CUDA half without CUDA
 * (tests/torch/fake_streams.cpp). With it the door's engine for CUDA runs on the CPU, with its
 * copies for the host apart: what is recorded there is done at once, and a replay does nothing.
 *
 *     struct fake_streams *streams = ...;         dlsym(module, "fake_streams_get")()
 *     streams->fails_begin = true;
 */
#ifndef PAWL_TEST_FAKE_STREAMS_H
#define PAWL_TEST_FAKE_STREAMS_H

#ifdef __cplusplus
extern "C" {
#endif

#include <stdbool.h>
#include <stdint.h>

struct fake_streams {
    bool fails_begin, fails_end; /* of a record */
    bool fails_inside; /* no operation of libtorch's works while something is recorded */
    bool is_lost;
    int wait_code; /* of waits; 0: they go well */
    uint32_t begin_count, replay_count, graph_count, closed_count;
};

struct fake_streams *fake_streams_get(void);

#ifdef __cplusplus
}
#endif

#endif
