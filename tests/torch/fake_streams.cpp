#include "support/fake_streams.h"

#include "policy/torch/shim.h"

#include <c10/core/InferenceMode.h>

#include <cerrno>
#include <cstdio>
#include <memory>

struct pawl_torch_stream {
    std::unique_ptr<c10::InferenceMode> outside;
};

struct pawl_torch_graph {
};

namespace
{

fake_streams it;

int fail(bool fails, pawl_err *err)
{
    return fails ? pawl_err_set(err, EIO, "as the test wants it") : 0;
}

int device_count(uint32_t *count, pawl_err *)
{
    *count = 1;
    return 0;
}

int device(uint32_t, pawl_torch_device *device, pawl_err *)
{
    std::snprintf(device->name, sizeof(device->name), "none");
    return 0;
}

int is_lost()
{
    return it.is_lost;
}

int stream_open(pawl_torch_stream **stream, pawl_err *)
{
    *stream = new pawl_torch_stream;
    return 0;
}

void stream_close(pawl_torch_stream *stream)
{
    delete stream;
}

int stream_enter(pawl_torch_stream *, pawl_err *)
{
    return 0;
}

int wait(pawl_err *err)
{
    return it.wait_code ? pawl_err_set(err, it.wait_code, "as the test wants it") : 0;
}

int stream_wait(pawl_torch_stream *, pawl_err *err)
{
    return wait(err);
}

int mark(pawl_torch_stream *, uint32_t, pawl_err *)
{
    return 0;
}

int mark_wait(pawl_torch_stream *, uint32_t, pawl_err *err)
{
    return wait(err);
}

int record_begin(pawl_torch_stream *stream, pawl_err *err)
{
    it.begin_count++;
    if (it.fails_begin)
        return fail(true, err);
    /* Tensors that were made in this mode cannot be written outside of it. */
    if (it.fails_inside)
        stream->outside = std::make_unique<c10::InferenceMode>(false);
    return 0;
}

int record_end(pawl_torch_stream *stream, pawl_torch_graph **graph, pawl_err *err)
{
    *graph = nullptr;
    stream->outside.reset();
    if (it.fails_end)
        return fail(true, err);
    it.graph_count++;
    *graph = new pawl_torch_graph;
    return 0;
}

int replay(pawl_torch_graph *, pawl_err *)
{
    it.replay_count++;
    return 0;
}

void graph_close(pawl_torch_graph *graph)
{
    it.closed_count += graph != nullptr;
    delete graph;
}

const pawl_torch_cuda door = {
    PAWL_TORCH_ABI, sizeof(door), device_count, device,      is_lost,
    stream_open,    stream_close, stream_enter, stream_wait, mark,
    mark_wait,      record_begin, record_end,   replay,      graph_close,
};

} // namespace

fake_streams *fake_streams_get()
{
    return &it;
}

extern "C" const void *pawl_torch_cuda_door()
{
    return &door;
}
