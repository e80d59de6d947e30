#include "actor/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/log.h"

#define LOOKS_PER_LIMIT 8u
#define LAST_WORDS_NS   (200 * PAWL_NS_PER_MS)

/* Sleeps; true when it is to stop. */
static bool sleep_is_last(struct pawl_watchdog *dog, uint64_t sleep_ns)
{
    uint64_t until_ns = pawl_clock_now_ns() + sleep_ns;
    struct timespec until = {.tv_sec = (time_t)(until_ns / PAWL_NS_PER_S),
                             .tv_nsec = (long)(until_ns % PAWL_NS_PER_S)};
    int code = 0;

    pthread_mutex_lock(&dog->mutex);
    while (!dog->is_stopping && code == 0)
        code = pthread_cond_timedwait(&dog->wake, &dog->mutex, &until);
    bool is_last = dog->is_stopping;
    pthread_mutex_unlock(&dog->mutex);
    return is_last;
}

__attribute__((noreturn)) static void bite(const struct pawl_watchdog *dog, double still_s,
                                           bool is_patient)
{
    dog->cfg.make_safe(dog->cfg.context);
    pawl_log_error("environment hung", "still_s=%.1f in=%s", still_s,
                   is_patient ? "reset" : "step");
    pawl_log_flush(LAST_WORDS_NS);
    _exit(1); /* nothing that the hung thread holds is asked for */
}

static void *watch(void *argument)
{
    struct pawl_watchdog *dog = argument;
    uint64_t look_ns = dog->cfg.limit_ns / LOOKS_PER_LIMIT + 1;
    uint64_t seen = 0, still_ns = 0;

    while (!sleep_is_last(dog, look_ns)) {
        /* Relaxed: whether it changes is all that matters. */
        uint64_t now = atomic_load_explicit(dog->cfg.heartbeat, memory_order_relaxed);
        bool is_patient = atomic_load_explicit(dog->cfg.is_patient, memory_order_relaxed);
        still_ns = now == seen ? still_ns + look_ns : 0;
        seen = now;
        if (still_ns > (is_patient ? dog->cfg.patient_limit_ns : dog->cfg.limit_ns))
            bite(dog, (double)still_ns * 1e-9, is_patient);
    }
    return NULL;
}

int pawl_watchdog_start(struct pawl_watchdog *dog, const struct pawl_watchdog_cfg *cfg,
                        struct pawl_err *err)
{
    pthread_condattr_t attributes;
    sigset_t all, before;

    *dog = (struct pawl_watchdog){.cfg = *cfg};
    if (cfg->limit_ns == 0)
        return 0;
    pthread_mutex_init(&dog->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&dog->thread, NULL, watch, dog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        pthread_cond_destroy(&dog->wake);
        pthread_mutex_destroy(&dog->mutex);
        return pawl_err_set(err, code, "watchdog: %s", strerror(code));
    }
    dog->is_started = true;
    return 0;
}

void pawl_watchdog_stop(struct pawl_watchdog *dog)
{
    if (!dog->is_started)
        return;
    pthread_mutex_lock(&dog->mutex);
    dog->is_stopping = true;
    pthread_cond_signal(&dog->wake);
    pthread_mutex_unlock(&dog->mutex);
    pthread_join(dog->thread, NULL);
    pthread_cond_destroy(&dog->wake);
    pthread_mutex_destroy(&dog->mutex);
    dog->is_started = false;
}
