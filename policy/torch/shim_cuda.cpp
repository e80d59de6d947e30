/* shim_cuda.cpp: pawl_torch_cuda.so: what needs CUDA's own headers. Loading it loads libtorch's
 * CUDA library, too, which registers itself with libtorch. */
#include "policy/torch/guard.hpp"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdio>

namespace
{

[[noreturn]] void fail(cudaError_t error, const char *what)
{
    pawl::failed e{};
    pawl_err_set(&e.err, error == cudaErrorMemoryAllocation ? ENOMEM : EIO, "%s: %s", what,
                 cudaGetErrorString(error));
    throw e;
}

void check(cudaError_t error, const char *what)
{
    if (error != cudaSuccess)
        fail(error, what);
}

/* An error that stays is still there after it was taken. */
int is_lost()
{
    cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess)
        return 0;
    if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver)
        return 0;
    return cudaDeviceSynchronize() != cudaSuccess;
}

template <typename Body> int guard(pawl_err *err, const char *what, Body &&body) noexcept
{
    return pawl::guard(err, what, is_lost, body);
}

int device_count(uint32_t *count, pawl_err *err)
{
    *count = 0;
    return guard(err, "count the devices of CUDA", [&] {
        int found = 0;
        check(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
        *count = static_cast<uint32_t>(found);
    });
}

int device(uint32_t index, pawl_torch_device *device, pawl_err *err)
{
    return guard(err, "look at a device of CUDA", [&] {
        cudaDeviceProp properties{};
        check(cudaGetDeviceProperties(&properties, static_cast<int>(index)),
              "cudaGetDeviceProperties");
        std::snprintf(device->name, sizeof(device->name), "%s", properties.name);
        device->memory_bytes = properties.totalGlobalMem;
    });
}

} // namespace

struct pawl_torch_graph {
    at::cuda::CUDAGraph graph;
};

struct pawl_torch_stream {
    c10::cuda::CUDAStream stream;
    cudaEvent_t marks[PAWL_TORCH_MARKS_MAX];
    pawl_torch_graph *recording; /* NULL: nothing is recorded */
};

namespace
{

void close_stream(pawl_torch_stream *stream)
{
    for (cudaEvent_t mark : stream->marks) {
        if (mark)
            cudaEventDestroy(mark);
    }
    delete stream;
}

int stream_open(pawl_torch_stream **to, pawl_err *err)
{
    *to = nullptr;
    return guard(err, "open a CUDA stream", [&] {
        /* Not the default stream: nothing on that can be recorded. */
        auto *made = new pawl_torch_stream{c10::cuda::getStreamFromPool(), {}, nullptr};
        *to = made;
        for (cudaEvent_t &mark : made->marks) {
            cudaError_t error = cudaEventCreateWithFlags(&mark, cudaEventDisableTiming);
            if (error != cudaSuccess) {
                close_stream(made);
                *to = nullptr;
                fail(error, "cudaEventCreate");
            }
        }
    });
}

void stream_close(pawl_torch_stream *stream)
{
    close_stream(stream);
}

int stream_enter(pawl_torch_stream *stream, pawl_err *err)
{
    return guard(err, "enter a CUDA stream",
                 [&] { c10::cuda::setCurrentCUDAStream(stream->stream); });
}

int stream_wait(pawl_torch_stream *stream, pawl_err *err)
{
    return guard(err, "wait for a CUDA stream", [&] {
        check(cudaStreamSynchronize(stream->stream.stream()), "cudaStreamSynchronize");
    });
}

int mark(pawl_torch_stream *stream, uint32_t index, pawl_err *err)
{
    return guard(err, "mark a CUDA stream", [&] {
        check(cudaEventRecord(stream->marks[index], stream->stream.stream()),
              "cudaEventRecord");
    });
}

/* An event that was never recorded is over. */
int mark_wait(pawl_torch_stream *stream, uint32_t index, pawl_err *err)
{
    return guard(err, "wait for a mark of a CUDA stream", [&] {
        check(cudaEventSynchronize(stream->marks[index]), "cudaEventSynchronize");
    });
}

/* A graph whose record failed is never freed. libtorch's allocator asks a graph about each
 * allocation from before the capture until it has ended well; where the capture does not begin,
 * or does not end well, nothing takes that back, and the graph has to outlive it. There is one
 * in a process at most: after a failure nobody records again (shim_engine.cpp). */
int record_begin(pawl_torch_stream *stream, pawl_err *err)
{
    return guard(err, "record a CUDA graph", [&] {
        auto *graph = new pawl_torch_graph;
        graph->graph.capture_begin();
        stream->recording = graph;
    });
}

int record_end(pawl_torch_stream *stream, pawl_torch_graph **to, pawl_err *err)
{
    *to = nullptr;
    return guard(err, "record a CUDA graph", [&] {
        pawl_torch_graph *graph = stream->recording;
        stream->recording = nullptr;
        graph->graph.capture_end();
        *to = graph;
    });
}

int replay(pawl_torch_graph *graph, pawl_err *err)
{
    return guard(err, "run a CUDA graph", [&] { graph->graph.replay(); });
}

void graph_close(pawl_torch_graph *graph)
{
    delete graph;
}

const pawl_torch_cuda door = {
    PAWL_TORCH_ABI, sizeof(door), device_count, device,      is_lost,
    stream_open,    stream_close, stream_enter, stream_wait, mark,
    mark_wait,      record_begin, record_end,   replay,      graph_close,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const void *pawl_torch_cuda_door()
{
    return &door;
}
