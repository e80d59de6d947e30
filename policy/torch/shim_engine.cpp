/* shim_engine.cpp: runs the lists of a plan with libtorch.
 *
 * On the CPU the arenas are what the host sees. On CUDA they are in the device's memory, and
 * the host has a copy of three of them:
 *
 *     INPUT    the host writes its copy; run() puts what its list reads of it into one of a
 *              few places that the device copies from when it gets there, so that the host may
 *              write on at once
 *     OUTPUT   finish() brings it
 *     STATE    fetch() brings it, restore() takes it
 *
 * There the first run of a list is plain, so that libtorch loads its kernels; the second is
 * recorded, and from then on a run is one launch of that record. A list that cannot be recorded
 * goes on as it began, and so do all that come to it later in the process.
 */
#include "policy/torch/engine.hpp"
#include "policy/torch/guard.hpp"
#include "policy/torch/steps.hpp"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

/* A test has "cpu": what the host has is a copy there too, and needs no GPU. */
#ifndef PAWL_TORCH_DEVICE
#define PAWL_TORCH_DEVICE "cuda"
#endif

namespace pawl
{

namespace
{

constexpr uint32_t PLACE_COUNT = 4; /* runs whose inputs are on their way */
static_assert(PLACE_COUNT <= PAWL_TORCH_MARKS_MAX, "a mark for each place");

/* Calls a function of the CUDA half. */
template <typename Function, typename... Given> void call(Function function, Given... given)
{
    pawl_err err{};
    if (function(given..., &err) != 0)
        throw failed{err};
}

struct list {
    std::vector<step> steps;
    int64_t input_first = 0, input_count = 0; /* floats of INPUT that it reads */
    uint64_t run_count = 0;
    bool is_tried = false;             /* recording it, once */
    pawl_torch_graph *graph = nullptr; /* NULL: its steps are run one by one */
};

struct engine : pawl_engine {
    arenas on_device;
    at::Tensor on_host[PAWL_ARENA_COUNT]; /* on the CPU the same tensors */
    float *host[PAWL_ARENA_COUNT] = {};   /* what is in them; NULL: the host has no copy */
    at::Tensor places[PLACE_COUNT];
    uint32_t place = 0;
    std::vector<list> lists;
    pawl_torch_stream *stream = nullptr; /* NULL: on the CPU */

    explicit engine(const pawl_engine_ops *table)
    {
        ops = table;
    }
    engine(const engine &) = delete;
    engine &operator=(const engine &) = delete;

    ~engine()
    {
        for (list &l : lists) {
            if (l.graph)
                around.cuda->graph_close(l.graph);
        }
        if (stream)
            around.cuda->stream_close(stream);
    }

    void enter() const
    {
        if (stream)
            call(around.cuda->stream_enter, stream);
    }

    void wait() const
    {
        if (stream)
            call(around.cuda->stream_wait, stream);
    }

    float *host_at(const pawl_view &view) const noexcept
    {
        return host[view.arena] ? host[view.arena] + view.at : nullptr;
    }
};

engine &of(pawl_engine *e)
{
    return *static_cast<engine *>(e);
}

/* The whole floats that a list reads of INPUT, as one range. */
void find_input(list &l, const pawl_op *ops, size_t op_count)
{
    uint64_t first = UINT64_MAX, end = 0;
    for (size_t i = 0; i < op_count; i++) {
        const struct pawl_op_form *form = around.host->op_form(ops[i].kind);
        for (uint32_t v = 0; v < form->view_count; v++) {
            const pawl_view &view = ops[i].views[v];
            if (!pawl_view_is(view) || view.arena != PAWL_INPUT)
                continue;
            first = std::min(first, view.at);
            end = std::max(end, view.at + pawl_view_extent(view));
        }
    }
    if (end > first) {
        l.input_first = static_cast<int64_t>(first);
        l.input_count = static_cast<int64_t>(end - first);
    }
}

/* The most floats that a view of the plan has. */
int64_t find_largest(const pawl_plan *plan)
{
    uint64_t most = 1;
    for (uint32_t i = 0; i < around.host->list_count(plan); i++) {
        size_t op_count;
        const pawl_op *ops = around.host->ops(plan, i, &op_count);
        for (size_t k = 0; k < op_count; k++) {
            const struct pawl_op_form *form = around.host->op_form(ops[k].kind);
            for (uint32_t v = 0; v < form->view_count; v++)
                most = std::max(most, pawl_view_count(ops[k].views[v]));
        }
    }
    return static_cast<int64_t>(most);
}

void allocate(engine &e, const pawl_plan *plan, const at::Device &device)
{
    at::TensorOptions there = at::TensorOptions(device).dtype(at::kFloat);
    at::TensorOptions here = at::TensorOptions().dtype(at::kFloat);
    here = here.pinned_memory(!device.is_cpu()); /* a GPU copies from nothing else by itself */
    for (uint32_t i = 0; i < PAWL_ARENA_COUNT; i++) {
        auto arena = static_cast<pawl_arena>(i);
        auto count = static_cast<int64_t>(around.host->float_count(plan, arena));
        e.on_device.of[i] = at::zeros({std::max<int64_t>(count, 1)}, there);
        if (!e.stream)
            e.on_host[i] = e.on_device.of[i];
        else if (arena != PAWL_WORK)
            e.on_host[i] = at::empty({std::max<int64_t>(count, 1)}, here).zero_();
        if (e.on_host[i].defined())
            e.host[i] = e.on_host[i].data_ptr<float>();
    }
    for (at::Tensor &spare : e.on_device.spare)
        spare = at::empty({find_largest(plan)}, there);
    if (e.stream) {
        for (at::Tensor &place : e.places)
            place = at::empty_like(e.on_host[PAWL_INPUT], here);
    }
}

void make_lists(engine &e, const pawl_plan *plan)
{
    e.lists.resize(around.host->list_count(plan));
    for (uint32_t i = 0; i < e.lists.size(); i++) {
        size_t op_count;
        const pawl_op *ops = around.host->ops(plan, i, &op_count);
        for (size_t k = 0; k < op_count; k++)
            e.lists[i].steps.push_back(make_step(e.on_device, ops[k]));
        find_input(e.lists[i], ops, op_count);
    }
}

int open(pawl_engine **to, const pawl_plan *plan, const pawl_engine_setup *setup, pawl_err *err,
         const pawl_engine_ops *table, const char *device)
{
    *to = nullptr;
    return guard(err, "open the torch engine", is_lost, [&] {
        c10::InferenceMode no_gradients;
        at::Device where{std::string(device)};
        auto e = std::make_unique<engine>(table);
        at::set_num_threads(static_cast<int>(setup->thread_count));
        if (table == &engine_cuda) {
            if (!around.cuda)
                throw failed{{ENODEV, "the door was opened without its CUDA half"}};
            call(around.cuda->stream_open, &e->stream);
            e->enter();
        }
        allocate(*e, plan, where);
        make_lists(*e, plan);
        e->wait();
        *to = e.release();
    });
}

int open_cpu(pawl_engine **to, const pawl_plan *plan, const pawl_engine_setup *setup,
             pawl_err *err)
{
    return open(to, plan, setup, err, &engine_cpu, "cpu");
}

/* Nothing of the configuration comes here, so what libtorch calls a wrong argument is a device
 * that does not open. */
int open_cuda(pawl_engine **to, const pawl_plan *plan, const pawl_engine_setup *setup,
              pawl_err *err)
{
    pawl_err inner{};
    if (open(to, plan, setup, &inner, &engine_cuda, PAWL_TORCH_DEVICE) == 0)
        return 0;
    bool is_cudas = inner.code == EINVAL || inner.code == EIO;
    return pawl_err_set(err, is_cudas ? ENXIO : inner.code, "%s", inner.text);
}

void close(pawl_engine *e)
{
    delete static_cast<engine *>(e);
}

/* INPUT is what the host has of it; the device's is a copy. */
at::Tensor master(const engine &e, const pawl_view &view)
{
    if (view.arena != PAWL_INPUT)
        return e.on_device.view(view);
    arenas host;
    host.of[PAWL_INPUT] = e.on_host[PAWL_INPUT];
    return host.view(view);
}

int read(pawl_engine *to, pawl_view view, float *rows, pawl_err *err)
{
    return guard(err, "read a view", is_lost, [&] {
        c10::InferenceMode no_gradients;
        of(to).enter();
        at::Tensor dense = master(of(to), view).contiguous().cpu();
        std::memcpy(rows, dense.data_ptr<float>(), pawl_view_count(view) * sizeof(float));
    });
}

int write(pawl_engine *to, pawl_view view, const float *rows, pawl_err *err)
{
    return guard(err, "write a view", is_lost, [&] {
        c10::InferenceMode no_gradients;
        of(to).enter();
        at::Tensor dense = at::empty({view.rows, view.cols}, at::kFloat);
        std::memcpy(dense.data_ptr<float>(), rows, pawl_view_count(view) * sizeof(float));
        master(of(to), view).copy_(dense);
    });
}

float *input(pawl_engine *e, pawl_view view)
{
    return of(e).host_at(view);
}

const float *output(const pawl_engine *e, pawl_view view)
{
    return static_cast<const engine *>(e)->host_at(view);
}

void take_input(engine &e, const list &l)
{
    if (!e.stream || l.input_count == 0)
        return;
    uint32_t place = e.place++ % PLACE_COUNT;
    call(around.cuda->mark_wait, e.stream, place); /* the copy before the last few is done */
    std::memcpy(e.places[place].data_ptr<float>() + l.input_first,
                e.host[PAWL_INPUT] + l.input_first,
                static_cast<size_t>(l.input_count) * sizeof(float));
    at::Tensor from = e.places[place].narrow(0, l.input_first, l.input_count);
    e.on_device.of[PAWL_INPUT].narrow(0, l.input_first, l.input_count).copy_(from, true);
    call(around.cuda->mark, e.stream, place);
}

void run_steps(const list &l)
{
    for (const step &s : l.steps)
        s();
}

/* NULL: it could not be recorded, or not all of it. */
pawl_torch_graph *recorded(engine &e, const list &l)
{
    pawl_err ignored{};
    pawl_torch_graph *graph = nullptr;
    bool is_whole = true;
    if (around.cuda->record_begin(e.stream, &ignored) != 0)
        return nullptr;
    try {
        run_steps(l);
    } catch (...) {
        is_whole = false;
    }
    if (around.cuda->record_end(e.stream, &graph, &ignored) != 0)
        return nullptr;
    if (is_whole)
        return graph;
    around.cuda->graph_close(graph); /* of half a list */
    return nullptr;
}

/* What goes wrong here leaves the list as it is, and its steps will say whether that is all. It
 * may leave libtorch's allocator in a capture that is none (shim_cuda.cpp): what it gave into
 * another one then would be that one's. So one failure is the last of the process. */
void record(engine &e, list &l)
{
    static bool has_failed;
    if (has_failed)
        return;
    l.is_tried = true;
    l.graph = recorded(e, l);
    has_failed = !l.graph;
}

/* A failure at work says nothing about the configuration or the machine, whatever libtorch
 * calls it: another start may go well. */
template <typename Body> int work(pawl_err *err, const char *what, Body &&body) noexcept
{
    pawl_err inner{};
    if (guard(&inner, what, is_lost, body) == 0)
        return 0;
    int code = inner.code == ENOTRECOVERABLE ? ENOTRECOVERABLE : EREMOTEIO;
    return pawl_err_set(err, code, "%s", inner.text);
}

int run(pawl_engine *to, uint32_t index, pawl_err *err)
{
    return work(err, "run a list", [&] {
        c10::InferenceMode no_gradients;
        engine &e = of(to);
        list &l = e.lists.at(index);
        e.enter();
        take_input(e, l);
        if (e.stream && l.run_count > 0 && !l.is_tried)
            record(e, l);
        if (l.graph)
            call(around.cuda->replay, l.graph);
        else
            run_steps(l);
        l.run_count++;
    });
}

int finish(pawl_engine *to, pawl_err *err)
{
    return work(err, "finish the lists", [&] {
        c10::InferenceMode no_gradients;
        engine &e = of(to);
        e.enter();
        if (e.stream)
            e.on_host[PAWL_OUTPUT].copy_(e.on_device.of[PAWL_OUTPUT], true);
        e.wait();
    });
}

float *state(pawl_engine *to)
{
    return of(to).host[PAWL_STATE];
}

int fetch(pawl_engine *to, pawl_err *err)
{
    return work(err, "bring the state", [&] {
        c10::InferenceMode no_gradients;
        engine &e = of(to);
        e.enter();
        if (e.stream)
            e.on_host[PAWL_STATE].copy_(e.on_device.of[PAWL_STATE], true);
        e.wait();
    });
}

int restore(pawl_engine *to, pawl_err *err)
{
    return work(err, "restore the state", [&] {
        c10::InferenceMode no_gradients;
        engine &e = of(to);
        e.enter();
        if (e.stream)
            e.on_device.of[PAWL_STATE].copy_(e.on_host[PAWL_STATE], true);
        e.wait();
    });
}

} // namespace

const pawl_engine_ops engine_cpu = {
    "torch", open_cpu, close, read, write, input, output, run, finish, state, fetch, restore,
};

const pawl_engine_ops engine_cuda = {
    "cuda", open_cuda, close, read, write, input, output, run, finish, state, fetch, restore,
};

} // namespace pawl
