/* engine_rig.h: one operation on random matrices, run by the CPU engine with each set of
 * kernels that the machine has.
 *
 *     for (size_t k = 0; rig_begin(k); ) {      false behind the last set of kernels
 *         y = rig_new(8, 5); x = rig_new(8, 5);  in WORK, columns of something wider
 *         pawl_plan_copy(rig.plan, &(struct pawl_op_copy){.y = y, .x = x});
 *         rig_open(); rig_go();
 *         check rig_get(y), which are doubles without gaps, against rig_get(x)
 *         k = rig_end();                         what nobody may write is as it was
 *     }
 *
 * Inputs are to be read before the run when the operation changes them.
 */
#ifndef PAWL_TEST_ENGINE_RIG_H
#define PAWL_TEST_ENGINE_RIG_H

#include <math.h>
#include <string.h>

#include "policy/engine_cpu.h"
#include "runtime/philox.h"
#include "support/test.h"

#define RIG_PAD        3u /* columns before and behind a view */
#define RIG_VIEWS_MAX  24
#define RIG_POOL_COUNT 400000
#define RIG_SENTINEL   -77.25f

static struct {
    struct pawl_plan *plan;
    struct pawl_engine *engine;
    size_t kernel_index;
    uint32_t list;
    struct pawl_view outer[RIG_VIEWS_MAX], inner[RIG_VIEWS_MAX];
    int view_count;
    double pool[RIG_POOL_COUNT];
    size_t pool_used;
    struct pawl_philox philox;
} rig;

static inline bool rig_begin(size_t kernel_index)
{
    if (!pawl_cpu_kernels(kernel_index))
        return false;
    memset(&rig, 0, sizeof(rig));
    rig.kernel_index = kernel_index;
    pawl_philox_open(&rig.philox, 7, 1, 1);
    ck_assert_int_eq(pawl_plan_open(&rig.plan, NULL), 0);
    rig.list = pawl_plan_begin(rig.plan, "test");
    return true;
}

/* Columns of a wider matrix, so that each view has a stride and neighbours. */
static inline struct pawl_view rig_new(uint32_t rows, uint32_t cols)
{
    ck_assert_int_lt(rig.view_count, RIG_VIEWS_MAX);
    struct pawl_view outer = pawl_plan_new(rig.plan, PAWL_WORK, rows, cols + 2 * RIG_PAD);
    struct pawl_view inner = pawl_view_cols(outer, RIG_PAD, cols);
    rig.outer[rig.view_count] = outer;
    rig.inner[rig.view_count++] = inner;
    return inner;
}

static inline void rig_set(struct pawl_view view, const double *values)
{
    static float rows[RIG_POOL_COUNT];
    for (uint64_t i = 0; i < pawl_view_count(view); i++)
        rows[i] = (float)values[i];
    ck_assert_int_eq(rig.engine->ops->write(rig.engine, view, rows, NULL), 0);
}

/* Valid until rig_end(). */
static inline double *rig_get(struct pawl_view view)
{
    static float rows[RIG_POOL_COUNT];
    double *values = rig.pool + rig.pool_used;
    rig.pool_used += pawl_view_count(view);
    ck_assert_uint_le(rig.pool_used, RIG_POOL_COUNT);
    ck_assert_int_eq(rig.engine->ops->read(rig.engine, view, rows, NULL), 0);
    for (uint64_t i = 0; i < pawl_view_count(view); i++)
        values[i] = (double)rows[i];
    return values;
}

static inline void rig_fill(struct pawl_view view, double value)
{
    static double values[RIG_POOL_COUNT];
    for (uint64_t i = 0; i < pawl_view_count(view); i++)
        values[i] = value;
    rig_set(view, values);
}

/* Opens the engine; every view has normal numbers, and its neighbours the sentinel. */
static inline void rig_open(void)
{
    static double values[RIG_POOL_COUNT];
    struct pawl_err err = {0};
    struct pawl_engine_setup setup = {.thread_count = 1};
    int rc = pawl_plan_finish(rig.plan, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = pawl_engine_cpu_open_with(&rig.engine, rig.plan, &setup,
                                   pawl_cpu_kernels(rig.kernel_index), &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    for (int v = 0; v < rig.view_count; v++) {
        rig_fill(rig.outer[v], (double)RIG_SENTINEL);
        for (uint64_t i = 0; i < pawl_view_count(rig.inner[v]); i++)
            values[i] = pawl_philox_normal(&rig.philox);
        rig_set(rig.inner[v], values);
    }
}

static inline void rig_go(void)
{
    ck_assert_int_eq(rig.engine->ops->run(rig.engine, rig.list, NULL), 0);
    ck_assert_int_eq(rig.engine->ops->finish(rig.engine, NULL), 0);
}

/* Returns the next set of kernels. */
static inline size_t rig_end(void)
{
    for (int v = 0; v < rig.view_count; v++) {
        struct pawl_view outer = rig.outer[v];
        const double *values = rig_get(outer);
        for (uint32_t r = 0; r < outer.rows; r++)
            for (uint32_t c = 0; c < outer.cols; c++)
                if (c < RIG_PAD || c >= outer.cols - RIG_PAD)
                    ck_assert_msg(values[(size_t)r * outer.cols + c] == (double)RIG_SENTINEL,
                                  "view %d: row %u, column %d was written", v, r,
                                  (int)c - (int)RIG_PAD);
    }
    rig.engine->ops->close(rig.engine);
    pawl_plan_close(rig.plan);
    return rig.kernel_index + 1;
}

static inline void rig_check(const char *what, const double *got, const double *want,
                             size_t count, double tolerance)
{
    double largest = 1.0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - want[i]) <= tolerance * largest,
                      "%s with %s kernels: [%zu] is %.9g, must be %.9g", what,
                      pawl_cpu_kernels(rig.kernel_index)->name, i, got[i], want[i]);
}

/* want[i] = d f / d x[i], by central differences of f in float64. */
static inline void rig_differentiate(double (*f)(void), double *x, size_t count, double *want)
{
    const double h = 1e-5;
    for (size_t i = 0; i < count; i++) {
        double at = x[i];
        x[i] = at + h;
        double above = f();
        x[i] = at - h;
        double below = f();
        x[i] = at;
        want[i] = (above - below) / (2 * h);
    }
}

#endif
