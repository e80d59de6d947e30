#include "runtime/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define STACK_BYTES  65536 /* far above what the kernel needs to save a processor's state */
#define SIGNAL_COUNT 5

static const int signals[SIGNAL_COUNT] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
static struct sigaction old_actions[SIGNAL_COUNT];
static bool is_installed;
static unsigned char stack[STACK_BYTES];

/* Release in install pairs with acquire in the handler, for what the function reads. */
static void (*_Atomic words)(int signal, const void *address);
static atomic_flag has_begun = ATOMIC_FLAG_INIT;

static void restore_all(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], &old_actions[i], NULL);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (atomic_flag_test_and_set_explicit(&has_begun, memory_order_relaxed)) {
        /* Another thread is speaking, and the process ends with it; not waited for for ever. */
        nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    } else {
        void (*last_words)(int, const void *) =
            atomic_load_explicit(&words, memory_order_acquire);
        /* An address is there only for what the processor itself reported. */
        last_words(signal, info->si_code > 0 ? info->si_addr : NULL);
    }
    restore_all();
    raise(signal); /* blocked here; comes at our return, at the place of the fault */
}

void pawl_crash_install(void (*last_words)(int signal, const void *address))
{
    atomic_store_explicit(&words, last_words, memory_order_release);
    if (is_installed)
        return;
    is_installed = true;

    /* None of these calls can fail with these arguments. */
    stack_t current;
    if (sigaltstack(NULL, &current) == 0 && (current.ss_flags & SS_DISABLE))
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);

    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], &action, &old_actions[i]);
}
