/* sanitizer.h: whether a sanitizer is in this program, with an allocator of its own. */
#ifndef PAWL_TEST_SANITIZER_H
#define PAWL_TEST_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PAWL_TEST_HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PAWL_TEST_HAS_SANITIZER 1
#endif
#endif
#ifndef PAWL_TEST_HAS_SANITIZER
#define PAWL_TEST_HAS_SANITIZER 0
#endif

/* The same for an if, and for a header that is checked alone. */
enum { TEST_HAS_SANITIZER = PAWL_TEST_HAS_SANITIZER };

#endif
