/* fault.h: named places where a test makes the program die, stop, fail or wait.
 *
 *     PAWL_FAULT("ring.publish.commit");                     die, stop or wait here
 *     if ((code = PAWL_FAULT_ERRNO("segment.allocate")))     or fail here as the system would
 *         return pawl_err_set(err, code, ...);
 *
 * A test arms points by the environment or by pawl_fault_arm(), in one text:
 *
 *     PAWL_FAULT="ring.publish.commit:kill@3;segment.allocate:error=ENOSPC@1+;loop.wait:delay=5ms@2"
 *
 * i.e. at the third passage die by SIGKILL; from the first passage on fail with ENOSPC; wait 5
 * ms at the second. Actions: kill, stop (SIGSTOP), error=ERRNO, delay=N{us,ms,s}. `@n` is one
 * passage, `@n+` that one and all later ones; without it, the first. Without PAWL_FAULTS
 * nothing of this is compiled.
 *
 * A line `NAME PASSAGE` is appended to the file that the environment variable PAWL_FAULT_TOLD
 * names when a point is about to act for the first time: who moves a point on until it is never
 * reached learns that way that it is not.
 *
 * Thread safety: arm before threads start; points may be passed by any thread.
 */
#ifndef PAWL_RUNTIME_FAULT_H
#define PAWL_RUNTIME_FAULT_H

#ifdef PAWL_FAULTS

#include "runtime/err.h"

#include <stdatomic.h>
#include <stdbool.h>

extern _Atomic bool pawl_fault_is_armed;

/* Adds the points of the text to those armed. -EINVAL names the part that cannot be read. */
int pawl_fault_arm(const char *text, struct pawl_err *err);

/* Arms what the environment variable PAWL_FAULT says; every main calls it first. */
int pawl_fault_arm_from_env(struct pawl_err *err);

void pawl_fault_disarm(void);

/* How often the point was passed since it was armed; 0 for one that is not armed. */
unsigned long pawl_fault_passages(const char *name);

/* 0, or the errno value to fail with. */
int pawl_fault_pass(const char *name);

#define PAWL_FAULT_ERRNO(name)                                                                 \
    (__builtin_expect(atomic_load_explicit(&pawl_fault_is_armed, memory_order_relaxed), 0)     \
         ? pawl_fault_pass(name)                                                               \
         : 0)
#define PAWL_FAULT(name) ((void)PAWL_FAULT_ERRNO(name))

#else

#define PAWL_FAULT_ERRNO(name) 0
#define PAWL_FAULT(name)       ((void)0)

#endif
#endif
