#include "runtime/errand.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

struct pawl_errand_state {
    pthread_t thread;
    pthread_mutex_t mutex; /* covers is_done; who sees it set has the rest */
    pthread_cond_t changed;
    bool is_done, has_thread;
    int (*run)(void *arg, struct pawl_err *err);
    void *arg;
    int code;
    struct pawl_err err;
};

static void *thread_main(void *arg)
{
    struct pawl_errand_state *state = arg;
    state->code = state->run(state->arg, &state->err);
    pthread_mutex_lock(&state->mutex);
    state->is_done = true;
    pthread_cond_signal(&state->changed);
    pthread_mutex_unlock(&state->mutex);
    return NULL;
}

static bool start_thread(struct pawl_errand_state *state)
{
    /* The program's signals are for its own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&state->thread, NULL, thread_main, state);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0;
}

int pawl_errand_begin(struct pawl_errand *errand, int (*run)(void *arg, struct pawl_err *err),
                      void *arg, struct pawl_err *err)
{
    int fault = PAWL_FAULT_ERRNO("errand.begin");
    struct pawl_errand_state *state = fault ? NULL : calloc(1, sizeof(*state));
    if (!state)
        return pawl_err_set(err, ENOMEM, "out of memory");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&state->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&state->mutex, NULL);
    state->run = run;
    state->arg = arg;
    errand->state = state;
    state->has_thread = start_thread(state);
    if (!state->has_thread)
        (void)thread_main(state);
    return 0;
}

bool pawl_errand_wait(struct pawl_errand *errand, uint64_t deadline_ns)
{
    struct pawl_errand_state *state = errand->state;
    const struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / PAWL_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % PAWL_NS_PER_S),
    };
    if (!state)
        return true;
    pthread_mutex_lock(&state->mutex);
    int code = 0;
    while (!state->is_done && deadline_ns != 0 && code == 0)
        code = pthread_cond_timedwait(&state->changed, &state->mutex, &deadline);
    bool is_done = state->is_done;
    pthread_mutex_unlock(&state->mutex);
    return is_done;
}

bool pawl_errand_poll(struct pawl_errand *errand)
{
    return pawl_errand_wait(errand, 0);
}

int pawl_errand_end(struct pawl_errand *errand, struct pawl_err *err)
{
    struct pawl_errand_state *state = errand->state;
    if (state->has_thread)
        pthread_join(state->thread, NULL);
    int code = state->code;
    if (code != 0)
        pawl_err_set(err, state->err.code ? state->err.code : -code, "%s", state->err.text);
    pthread_cond_destroy(&state->changed);
    pthread_mutex_destroy(&state->mutex);
    free(state);
    errand->state = NULL;
    return code;
}
