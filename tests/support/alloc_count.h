/* alloc_count.h: how often this program has allocated, whoever asked.
 *
 *     unsigned long before = alloc_count();
 *     ... a thousand steps ...
 *     ck_assert_uint_eq(alloc_count(), before);
 *
 * Include it in one file of a test. A sanitizer has an allocator of its own that may not be
 * replaced; the count stays 0 there, and ALLOC_COUNT_WORKS says so.
 */
#ifndef PAWL_TEST_ALLOC_COUNT_H
#define PAWL_TEST_ALLOC_COUNT_H

#include <stdatomic.h>
#include <stddef.h>

#include "support/sanitizer.h"

#define ALLOC_COUNT_WORKS (!PAWL_TEST_HAS_SANITIZER)

static _Atomic unsigned long alloc_counter;

static inline unsigned long alloc_count(void)
{
    return atomic_load(&alloc_counter);
}

#if ALLOC_COUNT_WORKS

/* glibc's own; free() stays as it is. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *old, size_t bytes);

void *malloc(size_t bytes)
{
    atomic_fetch_add(&alloc_counter, 1);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add(&alloc_counter, 1);
    return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    atomic_fetch_add(&alloc_counter, 1);
    return __libc_realloc(old, bytes);
}

#endif
#endif
