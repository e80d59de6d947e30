#include "policy/engine_cpu.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/blas.h"
#include "runtime/clock.h"
#include "runtime/log.h"

#define ALIGN_BYTES 64u

struct cpu_engine {
    struct pawl_engine engine; /* first: what the caller holds */
    const struct pawl_plan *plan;
    const struct pawl_cpu_kernels *kernels;
    const struct pawl_blas *blas; /* NULL: the products are the kernels', too */
    float *room;                  /* of those */
    struct pawl_cpu_memory memory;
    uint64_t *took_ns; /* NULL: nobody asks */
};

static struct cpu_engine *of(struct pawl_engine *engine)
{
    return (struct cpu_engine *)engine;
}

static void cpu_close(struct pawl_engine *engine)
{
    if (!engine)
        return;
    for (size_t i = 0; i < PAWL_ARENA_COUNT; i++)
        free(of(engine)->memory.base[i]);
    free(of(engine)->room);
    free(engine);
}

static int allocate(float **base, uint64_t float_count, struct pawl_err *err)
{
    size_t bytes = (size_t)float_count * sizeof(float);
    bytes = (bytes + ALIGN_BYTES) / ALIGN_BYTES * ALIGN_BYTES; /* never nothing */
    *base = aligned_alloc(ALIGN_BYTES, bytes);
    if (!*base)
        return pawl_err_set(err, ENOMEM, "cpu engine: no %zu bytes of memory", bytes);
    memset(*base, 0, bytes);
    return 0;
}

/* Once in a process: who has the wrong library has it for every engine. */
static void warn_of(const struct pawl_blas *blas, uint32_t thread_count)
{
    static bool has_warned;
    if (has_warned)
        return;
    has_warned = true;
    if (blas && blas->warning)
        pawl_log_warn("another BLAS library is better here", "library=%s reason=%s", blas->path,
                      blas->warning);
    if (!blas && thread_count > 1)
        pawl_log_warn("learner.threads counts for nothing: without a BLAS library that is fast "
                      "matrix products have one thread; as root: " PAWL_BLAS_INSTALL,
                      "threads=%u", thread_count);
}

int pawl_engine_cpu_open_with(struct pawl_engine **engine, const struct pawl_plan *plan,
                              const struct pawl_engine_setup *setup,
                              const struct pawl_cpu_kernels *kernels, struct pawl_err *err)
{
    const struct pawl_blas *blas = NULL;
    *engine = NULL;
    if (pawl_blas_choose(&blas, kernels, setup->thread_count, err) != 0)
        return pawl_err_wrap(err, "cpu engine");

    struct cpu_engine *cpu = calloc(1, sizeof(*cpu));
    if (!cpu)
        return pawl_err_set(err, ENOMEM, "cpu engine: out of memory");
    cpu->engine.ops = &pawl_engine_cpu;
    cpu->plan = plan;
    cpu->blas = blas;
    cpu->kernels = kernels;
    if (allocate(&cpu->room, PAWL_CPU_ROOM_FLOATS, err) != 0) {
        cpu_close(&cpu->engine);
        return pawl_err_wrap(err, "open");
    }
    for (size_t i = 0; i < PAWL_ARENA_COUNT; i++) {
        uint64_t count = pawl_plan_float_count(plan, (enum pawl_arena)i);
        if (allocate(&cpu->memory.base[i], count, err) != 0) {
            cpu_close(&cpu->engine);
            return pawl_err_wrap(err, "open");
        }
    }
    warn_of(blas, setup->thread_count);
    *engine = &cpu->engine;
    return 0;
}

static int cpu_open(struct pawl_engine **engine, const struct pawl_plan *plan,
                    const struct pawl_engine_setup *setup, struct pawl_err *err)
{
    return pawl_engine_cpu_open_with(engine, plan, setup, pawl_cpu_kernels(0), err);
}

static bool is_outside(struct cpu_engine *cpu, struct pawl_view view)
{
    if (!pawl_view_is(view) || view.arena >= PAWL_ARENA_COUNT)
        return true;
    uint64_t extent = pawl_view_extent(view);
    uint64_t limit = pawl_plan_float_count(cpu->plan, (enum pawl_arena)view.arena);
    return view.cols > view.stride || extent > limit || view.at > limit - extent;
}

static int cpu_read(struct pawl_engine *engine, struct pawl_view view, float *rows,
                    struct pawl_err *err)
{
    struct cpu_engine *cpu = of(engine);
    if (is_outside(cpu, view))
        return pawl_err_set(err, EINVAL, "cpu engine: read outside an arena");
    const float *from = pawl_cpu_at(&cpu->memory, view);
    for (size_t r = 0; r < view.rows; r++, from += view.stride, rows += view.cols)
        memcpy(rows, from, view.cols * sizeof(float));
    return 0;
}

static int cpu_write(struct pawl_engine *engine, struct pawl_view view, const float *rows,
                     struct pawl_err *err)
{
    struct cpu_engine *cpu = of(engine);
    if (is_outside(cpu, view))
        return pawl_err_set(err, EINVAL, "cpu engine: write outside an arena");
    float *to = pawl_cpu_at(&cpu->memory, view);
    for (size_t r = 0; r < view.rows; r++, to += view.stride, rows += view.cols)
        memcpy(to, rows, view.cols * sizeof(float));
    return 0;
}

static float *cpu_input(struct pawl_engine *engine, struct pawl_view view)
{
    assert(view.arena == PAWL_INPUT && !is_outside(of(engine), view));
    return pawl_cpu_at(&of(engine)->memory, view);
}

static const float *cpu_output(const struct pawl_engine *engine, struct pawl_view view)
{
    const struct cpu_engine *cpu = (const struct cpu_engine *)engine;
    assert(view.arena == PAWL_OUTPUT);
    return pawl_cpu_at(&cpu->memory, view);
}

static void multiply(struct cpu_engine *cpu, const struct pawl_cpu_product *p)
{
    /* Packing a single row or column costs a BLAS more than the product. */
    if (!cpu->blas || p->m == 1 || p->n == 1) {
        cpu->kernels->product(p, cpu->room);
        return;
    }
    /* A BLAS begins by scaling y: the bias goes there instead, and is added for nothing. */
    for (size_t row = 0; p->bias && row < p->m; row++)
        memcpy(p->y + row * p->y_stride, p->bias, p->n * sizeof(float));
    cpu->blas->sgemm(PAWL_BLAS_ROW_MAJOR,
                     p->a_is_turned ? PAWL_BLAS_TRANSPOSE : PAWL_BLAS_AS_IS,
                     p->b_is_turned ? PAWL_BLAS_TRANSPOSE : PAWL_BLAS_AS_IS, (int)p->m,
                     (int)p->n, (int)p->k, 1.0f, p->a, (int)p->a_stride, p->b, (int)p->b_stride,
                     p->accumulate || p->bias ? 1.0f : 0.0f, p->y, (int)p->y_stride);
}

/* y = a b; the caller says what is turned, and what is added. */
static struct pawl_cpu_product product_of(const struct cpu_engine *cpu, struct pawl_view y,
                                          struct pawl_view a, struct pawl_view b)
{
    return (struct pawl_cpu_product){.y = pawl_cpu_at(&cpu->memory, y),
                                     .a = pawl_cpu_at(&cpu->memory, a),
                                     .b = pawl_cpu_at(&cpu->memory, b),
                                     .y_stride = y.stride,
                                     .a_stride = a.stride,
                                     .b_stride = b.stride,
                                     .m = y.rows,
                                     .n = y.cols};
}

static void linear(struct cpu_engine *cpu, const struct pawl_op_linear *op)
{
    struct pawl_cpu_product product = product_of(cpu, op->y, op->x, op->w);
    product.k = op->w.cols;
    product.b_is_turned = true;
    product.bias = pawl_cpu_at(&cpu->memory, op->b);
    multiply(cpu, &product);
}

static void linear_dx(struct cpu_engine *cpu, const struct pawl_op_linear_dx *op)
{
    struct pawl_cpu_product product = product_of(cpu, op->dx, op->dy, op->w);
    product.k = op->w.rows;
    product.accumulate = op->accumulate;
    multiply(cpu, &product);
}

static void linear_dw(struct cpu_engine *cpu, const struct pawl_op_linear_dw *op)
{
    struct pawl_cpu_product product = product_of(cpu, op->dw, op->dy, op->x);
    product.k = op->dy.rows;
    product.a_is_turned = true;
    product.accumulate = op->accumulate;
    multiply(cpu, &product);
}

/* False: not a matrix product. */
static bool run_product(struct cpu_engine *cpu, const struct pawl_op *op)
{
    switch (op->kind) {
    case PAWL_OP_LINEAR:
        linear(cpu, &op->linear);
        return true;
    case PAWL_OP_LINEAR_DX:
        linear_dx(cpu, &op->linear_dx);
        return true;
    case PAWL_OP_LINEAR_DW:
        linear_dw(cpu, &op->linear_dw);
        return true;
    default:
        return false;
    }
}

static void run_op(struct cpu_engine *cpu, const struct pawl_op *op)
{
    if (!run_product(cpu, op))
        cpu->kernels->run[op->kind](op, &cpu->memory);
    else if (op->kind == PAWL_OP_LINEAR_DW && pawl_view_is(op->linear_dw.db))
        cpu->kernels->column_sums(op->linear_dw.db, op->linear_dw.dy, op->linear_dw.accumulate,
                                  &cpu->memory);
}

/* Not the clock of the wall: a profile is of a busy machine too. */
static uint64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * PAWL_NS_PER_S + (uint64_t)now.tv_nsec;
}

static int cpu_run(struct pawl_engine *engine, uint32_t list, struct pawl_err *err)
{
    struct cpu_engine *cpu = of(engine);
    size_t count;

    if (list >= pawl_plan_list_count(cpu->plan))
        return pawl_err_set(err, EINVAL, "cpu engine: list %u of %u", list,
                            pawl_plan_list_count(cpu->plan));
    const struct pawl_op *ops = pawl_plan_ops(cpu->plan, list, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t start_ns = cpu->took_ns ? processor_ns() : 0;
        run_op(cpu, &ops[i]);
        if (cpu->took_ns)
            cpu->took_ns[ops[i].kind] += processor_ns() - start_ns;
    }
    return 0;
}

void pawl_engine_cpu_products(struct pawl_engine *engine, uint32_t list)
{
    struct cpu_engine *cpu = of(engine);
    size_t count;
    const struct pawl_op *ops = pawl_plan_ops(cpu->plan, list, &count);
    for (size_t i = 0; i < count; i++)
        run_product(cpu, &ops[i]);
}

void pawl_engine_cpu_profile(struct pawl_engine *engine, uint64_t *took_ns)
{
    of(engine)->took_ns = took_ns;
}

static int cpu_finish(struct pawl_engine *engine, struct pawl_err *err)
{
    (void)engine;
    (void)err;
    return 0;
}

static float *cpu_state(struct pawl_engine *engine)
{
    return of(engine)->memory.base[PAWL_STATE];
}

const struct pawl_engine_ops pawl_engine_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .read = cpu_read,
    .write = cpu_write,
    .input = cpu_input,
    .output = cpu_output,
    .run = cpu_run,
    .finish = cpu_finish,
    .state = cpu_state,
    .fetch = cpu_finish,
    .restore = cpu_finish,
};
