/* errand.h: one function call that waits for a disk, made beside its caller.
 *
 *     static int look(void *arg, struct pawl_err *err);    on a thread of its own
 *
 *     pawl_errand_begin(&errand, look, found);
 *     ... go on; leave `found` alone ...
 *     if (pawl_errand_poll(&errand))
 *         code = pawl_errand_end(&errand, &err);    what look() returned; `found` is ours again
 *
 * It is for what an io_queue (a chain of operations known in advance) cannot do: to read, and
 * to decide by what was read. Where no thread can be made, begin makes the call itself.
 *
 * Thread safety: an errand belongs to one thread, and so does its `arg` but while it runs.
 * After fork() the child must not touch it.
 */
#ifndef PAWL_RUNTIME_ERRAND_H
#define PAWL_RUNTIME_ERRAND_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stdint.h>

struct pawl_errand_state; /* in errand.c */

/* Zeroed: there is none. */
struct pawl_errand {
    struct pawl_errand_state *state;
};

/* run: 0, or a negative code with its text. -ENOMEM: it was not called. Fault point
 * "errand.begin". */
int pawl_errand_begin(struct pawl_errand *errand, int (*run)(void *arg, struct pawl_err *err),
                      void *arg, struct pawl_err *err);

/* Whether it has returned; true when there is none. Waits until deadline_ns
 * (pawl_clock_now_ns()); poll does not wait. */
bool pawl_errand_poll(struct pawl_errand *errand);
bool pawl_errand_wait(struct pawl_errand *errand, uint64_t deadline_ns);

/* Its result, once it has returned; there is none then. */
int pawl_errand_end(struct pawl_errand *errand, struct pawl_err *err);

#endif
