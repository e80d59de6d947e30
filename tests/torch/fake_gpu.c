#include "support/fake_gpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/engine_cpu.h"

struct gpu_engine {
    struct pawl_engine engine;  /* first */
    struct pawl_engine *device; /* its arenas are the device's memory */
    const struct pawl_plan *plan;
    float *host[PAWL_ARENA_COUNT];
};

static const char *const names[FAKE_GPU_CALL_COUNT] = {"open", "run", "finish", "fetch",
                                                       "restore"};

static struct gpu_engine *of(struct pawl_engine *engine)
{
    return (struct gpu_engine *)engine;
}

static void read_environment(struct fake_gpu *gpu)
{
    const char *text = getenv("FAKE_GPU");
    char name[16];
    unsigned long long at;
    int code;
    if (!text || sscanf(text, "%15s %llu %d", name, &at, &code) != 3)
        return;
    for (int i = 0; i < FAKE_GPU_CALL_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            gpu->fail = (struct fake_gpu_fail){(enum fake_gpu_call)i, at, code};
}

struct fake_gpu *fake_gpu(void)
{
    static struct fake_gpu gpu;
    static bool is_read;
    if (!is_read) {
        gpu.device_count = 1;
        read_environment(&gpu);
    }
    is_read = true;
    return &gpu;
}

static int enter(enum fake_gpu_call call, struct pawl_err *err)
{
    struct fake_gpu *gpu = fake_gpu();
    uint64_t number = ++gpu->calls[call];
    if (gpu->is_lost)
        return pawl_err_set(err, ENOTRECOVERABLE, "%s: the device is lost", names[call]);
    if (gpu->fail.call != call || gpu->fail.at != number)
        return 0;
    gpu->is_lost = gpu->fail.code == ENOTRECOVERABLE;
    return pawl_err_set(err, gpu->fail.code, "%s: the device fails at call %llu", names[call],
                        (unsigned long long)number);
}

static uint64_t float_count(const struct gpu_engine *gpu, enum pawl_arena arena)
{
    return pawl_plan_float_count(gpu->plan, arena);
}

/* All of an arena as one row. */
static struct pawl_view whole(const struct gpu_engine *gpu, enum pawl_arena arena)
{
    uint32_t count = (uint32_t)float_count(gpu, arena);
    return (struct pawl_view){.arena = arena, .rows = 1, .cols = count, .stride = count};
}

static int to_device(struct gpu_engine *gpu, enum pawl_arena arena, struct pawl_err *err)
{
    if (float_count(gpu, arena) == 0)
        return 0;
    return gpu->device->ops->write(gpu->device, whole(gpu, arena), gpu->host[arena], err);
}

static int to_host(struct gpu_engine *gpu, enum pawl_arena arena, struct pawl_err *err)
{
    if (float_count(gpu, arena) == 0)
        return 0;
    return gpu->device->ops->read(gpu->device, whole(gpu, arena), gpu->host[arena], err);
}

/* What the host has is of no use until it is brought again: no number. */
static void spoil(struct gpu_engine *gpu, enum pawl_arena arena)
{
    memset(gpu->host[arena], 0xff, float_count(gpu, arena) * sizeof(float));
}

static void gpu_close(struct pawl_engine *engine)
{
    if (!engine)
        return;
    if (of(engine)->device)
        of(engine)->device->ops->close(of(engine)->device);
    for (int i = 0; i < PAWL_ARENA_COUNT; i++)
        free(of(engine)->host[i]);
    free(engine);
}

static int gpu_open(struct pawl_engine **engine, const struct pawl_plan *plan,
                    const struct pawl_engine_setup *setup, struct pawl_err *err)
{
    *engine = NULL;
    int code = enter(FAKE_GPU_OPEN, err);
    if (code != 0)
        return code;
    struct gpu_engine *gpu = calloc(1, sizeof(*gpu));
    if (!gpu)
        return pawl_err_set(err, ENOMEM, "no memory");
    gpu->engine.ops = &fake_gpu_engine;
    gpu->plan = plan;
    for (int i = 0; i < PAWL_ARENA_COUNT; i++)
        gpu->host[i] = calloc(float_count(gpu, (enum pawl_arena)i) + 1, sizeof(float));
    code = pawl_engine_cpu.open(&gpu->device, plan, setup, err);
    if (code != 0) {
        gpu_close(&gpu->engine);
        return code;
    }
    *engine = &gpu->engine;
    return 0;
}

/* INPUT is what the host has of it. */
static int gpu_read(struct pawl_engine *engine, struct pawl_view view, float *rows,
                    struct pawl_err *err)
{
    struct gpu_engine *gpu = of(engine);
    int code = view.arena == PAWL_INPUT ? to_device(gpu, PAWL_INPUT, err) : 0;
    return code == 0 ? gpu->device->ops->read(gpu->device, view, rows, err) : code;
}

static int gpu_write(struct pawl_engine *engine, struct pawl_view view, const float *rows,
                     struct pawl_err *err)
{
    struct gpu_engine *gpu = of(engine);
    bool is_input = view.arena == PAWL_INPUT;
    int code = is_input ? to_device(gpu, PAWL_INPUT, err) : 0;
    if (code == 0)
        code = gpu->device->ops->write(gpu->device, view, rows, err);
    return code == 0 && is_input ? to_host(gpu, PAWL_INPUT, err) : code;
}

static float *gpu_input(struct pawl_engine *engine, struct pawl_view view)
{
    return of(engine)->host[view.arena] + view.at;
}

static const float *gpu_output(const struct pawl_engine *engine, struct pawl_view view)
{
    return ((const struct gpu_engine *)engine)->host[view.arena] + view.at;
}

static int gpu_run(struct pawl_engine *engine, uint32_t list, struct pawl_err *err)
{
    struct gpu_engine *gpu = of(engine);
    int code = enter(FAKE_GPU_RUN, err);
    if (code == 0)
        code = to_device(gpu, PAWL_INPUT, err);
    if (code != 0)
        return code;
    spoil(gpu, PAWL_OUTPUT);
    spoil(gpu, PAWL_STATE);
    return gpu->device->ops->run(gpu->device, list, err);
}

static int gpu_finish(struct pawl_engine *engine, struct pawl_err *err)
{
    int code = enter(FAKE_GPU_FINISH, err);
    return code == 0 ? to_host(of(engine), PAWL_OUTPUT, err) : code;
}

static float *gpu_state(struct pawl_engine *engine)
{
    return of(engine)->host[PAWL_STATE];
}

static int gpu_fetch(struct pawl_engine *engine, struct pawl_err *err)
{
    int code = enter(FAKE_GPU_FETCH, err);
    return code == 0 ? to_host(of(engine), PAWL_STATE, err) : code;
}

static int gpu_restore(struct pawl_engine *engine, struct pawl_err *err)
{
    int code = enter(FAKE_GPU_RESTORE, err);
    return code == 0 ? to_device(of(engine), PAWL_STATE, err) : code;
}

const struct pawl_engine_ops fake_gpu_engine = {
    .name = "cuda",
    .open = gpu_open,
    .close = gpu_close,
    .read = gpu_read,
    .write = gpu_write,
    .input = gpu_input,
    .output = gpu_output,
    .run = gpu_run,
    .finish = gpu_finish,
    .state = gpu_state,
    .fetch = gpu_fetch,
    .restore = gpu_restore,
};
