/* engine.h: what runs the lists of a plan.
 *
 *     pawl_engine_cpu.open(&engine, plan, &setup, err);
 *     engine->ops->write(engine, w, first_values, err);
 *     for each step:
 *         fill the rows of engine->ops->input(engine, x)
 *         engine->ops->run(engine, forward, err);
 *         engine->ops->finish(engine, err);
 *         read engine->ops->output(engine, loss)[0]
 *     engine->ops->close(engine);
 *
 * What fails in run(), finish(), fetch() or restore() fails at work, after all was found and
 * opened: no code of theirs means the configuration or what the machine does not have.
 *
 * Thread safety: an engine belongs to one thread.
 */
#ifndef PAWL_POLICY_ENGINE_H
#define PAWL_POLICY_ENGINE_H

#include "policy/plan.h"
#include "runtime/err.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pawl_engine {
    const struct pawl_engine_ops *ops;
};

struct pawl_engine_setup {
    uint32_t thread_count; /* at least 1; more only on cores that nobody else uses */
};

struct pawl_engine_ops {
    const char *name; /* "cpu" */

    /* Allocates all that run() needs; every arena is zeros. The plan is finished and stays
     * until the close. On failure *engine is NULL. -ENOMEM, -ENXIO: there is no room, or the
     * device does not open, which may pass where somebody else has had it. */
    int (*open)(struct pawl_engine **engine, const struct pawl_plan *plan,
                const struct pawl_engine_setup *setup, struct pawl_err *err);

    /* NULL is left alone. */
    void (*close)(struct pawl_engine *engine);

    /* Copies a view of any arena to, or from, rows without gaps. Waits for what runs. For first
     * values, publication and tests. */
    int (*read)(struct pawl_engine *engine, struct pawl_view view, float *rows,
                struct pawl_err *err);
    int (*write)(struct pawl_engine *engine, struct pawl_view view, const float *rows,
                 struct pawl_err *err);

    /* Where the host puts the rows of a view of INPUT, with the view's stride; constant while
     * the engine is open. run() has taken them when it returns. */
    float *(*input)(struct pawl_engine *engine, struct pawl_view view);

    /* Where the host finds a view of OUTPUT, with the view's stride; constant while the engine
     * is open, as of the last finish(). */
    const float *(*output)(const struct pawl_engine *engine, struct pawl_view view);

    /* Runs a list, or begins to; lists run in the order of the calls. Ours allocates nothing.
     * The torch door takes room for what is between from libtorch's store, which asks the
     * system for more in the first two runs of each list. */
    int (*run)(struct pawl_engine *engine, uint32_t list, struct pawl_err *err);

    /* Waits until all has been run and OUTPUT is there. */
    int (*finish)(struct pawl_engine *engine, struct pawl_err *err);

    /* All of STATE in the host's memory; constant while the engine is open. What is there is
     * what fetch() has brought or the host has written; zeros at first. */
    float *(*state)(struct pawl_engine *engine);

    /* Brings it there as the last run left it, after waiting for it; the values stay until the
     * next run(). */
    int (*fetch)(struct pawl_engine *engine, struct pawl_err *err);

    /* The host has written all of it: it counts from now on. */
    int (*restore)(struct pawl_engine *engine, struct pawl_err *err);
};

extern const struct pawl_engine_ops pawl_engine_cpu;

#ifdef __cplusplus
}
#endif

#endif
