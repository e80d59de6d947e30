/* model.h: what lets the programs of this folder run under GenMC, which looks at every
 * execution that the memory model allows, and as ordinary threads, which look at a few.
 *
 * GenMC wants small programs: MODEL_BIG is the number for it and the larger one for threads. A
 * wait is a loop for threads; GenMC drops the executions in which it would go on. */
#ifndef PAWL_TESTS_MODEL_H
#define PAWL_TESTS_MODEL_H

#include <assert.h>
#include <pthread.h>
#include <stdint.h>

#ifdef PAWL_GENMC

void __VERIFIER_assume(int condition);
#define PAWL_BOARD_RETRIES_MAX      5u
#define MODEL_WAIT_UNTIL(condition) __VERIFIER_assume(condition)
#define MODEL_BIG(small, big)       (small)
#define MODEL_ASSERT(condition)     assert(condition)

#else

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#define MODEL_WAIT_UNTIL(condition)                                                            \
    while (!(condition))                                                                       \
    sched_yield()
#define MODEL_BIG(small, big) (big)
/* As assert, also where NDEBUG is defined. */
#define MODEL_ASSERT(condition)                                                                \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                    \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

#endif

/* Runs both to the end. */
static inline void model_run(void *(*a)(void *), void *(*b)(void *))
{
    pthread_t thread_a, thread_b;
    pthread_create(&thread_a, NULL, a, NULL);
    pthread_create(&thread_b, NULL, b, NULL);
    pthread_join(thread_a, NULL);
    pthread_join(thread_b, NULL);
}

#endif
