/* crash.h: last words of a process that dies by its own fault.
 *
 *     pawl_crash_install(say_last_words);
 *
 * On SIGSEGV, SIGBUS, SIGABRT, SIGFPE and SIGILL the function runs once, on a stack of its own,
 * and then the signal does what it would have done without us: the exit status, the core and a
 * sanitizer's report stay.
 *
 * The stack of its own belongs to the thread that installed; on another thread the function
 * runs on that thread's stack, so that an overflow of that one dies without words.
 */
#ifndef PAWL_RUNTIME_CRASH_H
#define PAWL_RUNTIME_CRASH_H

/* `last_words` may do only what a signal handler may. A second call replaces the function. */
void pawl_crash_install(void (*last_words)(int signal, const void *address));

#endif
