#include "shm/copy.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

const char *pawl_copy_method_name(uint32_t method)
{
    return method == PAWL_COPY_STREAMING ? "streaming" : "plain";
}

#if defined(__SSE2__) && !defined(PAWL_TSAN)

void pawl_copy_streaming(void *dst, const void *src, size_t bytes)
{
    unsigned char *to = dst;
    const unsigned char *from = src;
    /* Fetched ahead without a place in the caches, which is where the time goes when the source
     * is not in them; past the end it fetches nothing. */
    const size_t ahead_bytes = 1024;
    /* Whole lines, so that the write-combining buffers never flush a part of one. */
    for (; bytes >= 64; bytes -= 64, to += 64, from += 64) {
        _mm_prefetch((const char *)((uintptr_t)from + ahead_bytes), _MM_HINT_NTA);
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
        __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
        _mm_stream_si128((__m128i *)(void *)to, a);
        _mm_stream_si128((__m128i *)(void *)(to + 16), b);
        _mm_stream_si128((__m128i *)(void *)(to + 32), c);
        _mm_stream_si128((__m128i *)(void *)(to + 48), d);
    }
    memcpy(to, from, bytes);
    _mm_sfence();
}

/* On Zen 4 anything from 1 to 2 KiB is equally good for 64 KiB and for 512 KiB; 4 KiB is worse
 * for the larger. */
#define AHEAD_BYTES ((size_t)1536)

static inline void copy_line(unsigned char *to, const unsigned char *from)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
    _mm_storeu_si128((__m128i *)(void *)to, a);
    _mm_storeu_si128((__m128i *)(void *)(to + 16), b);
    _mm_storeu_si128((__m128i *)(void *)(to + 32), c);
    _mm_storeu_si128((__m128i *)(void *)(to + 48), d);
}

void pawl_copy_ahead(void *dst, const void *src, size_t bytes)
{
    unsigned char *to = dst;
    const unsigned char *from = src;
    /* Not past the end: the writer may be at work there. */
    for (; bytes >= AHEAD_BYTES + 64; bytes -= 64, to += 64, from += 64) {
        _mm_prefetch((const char *)from + AHEAD_BYTES, _MM_HINT_T1);
        copy_line(to, from);
    }
    for (; bytes >= 64; bytes -= 64, to += 64, from += 64)
        copy_line(to, from);
    memcpy(to, from, bytes);
}

#else

/* No streaming stores here; the thread sanitizer would not see them either. */
void pawl_copy_streaming(void *dst, const void *src, size_t bytes)
{
    memcpy(dst, src, bytes);
}

void pawl_copy_ahead(void *dst, const void *src, size_t bytes)
{
    memcpy(dst, src, bytes);
}

#endif
