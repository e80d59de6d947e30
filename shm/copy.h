/* copy.h: how a large record is written by one core and read by another.
 *
 * Between cores that share a last-level cache (plain), memcpy is the fastest way in: the reader
 * finds the lines in the cache. On the way out it waits for each of them, and through a mapping
 * that it may not write, as every reader's is, they come a tenth slower (Zen 4: the same pages
 * mapped writable, nothing else changed); asking for them a little ahead makes up for it.
 *
 * Between cores that do not (streaming), every line of a plain copy is fetched from far by the
 * writer and again by the reader: stores that go around the writer's cache are several times
 * faster, and the reader leaves the order of its loads to the processor.
 *
 * Which it is, is measured when the two ends meet (distance.h).
 */
#ifndef PAWL_SHM_COPY_H
#define PAWL_SHM_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum pawl_copy_method {
    PAWL_COPY_PLAIN,
    PAWL_COPY_STREAMING,
};

/* Below this size streaming gains nothing. */
#define PAWL_COPY_STREAMING_BYTES_MIN 1024u

/* Below this memcpy is as fast on the way out. */
#define PAWL_COPY_AHEAD_BYTES_MIN 1024u

/* "plain" or "streaming". */
const char *pawl_copy_method_name(uint32_t method);

/* As memcpy, with stores that bypass the cache where the machine has them; dst is aligned to 16
 * bytes. When it returns, the copied bytes are ordered before any later release store (a
 * release alone does not order such stores on x86). */
void pawl_copy_streaming(void *dst, const void *src, size_t bytes);

/* As memcpy, asking for src a little ahead. */
void pawl_copy_ahead(void *dst, const void *src, size_t bytes);

/* Into a slot, aligned to 16 bytes, and out of one; method: the ring's. */
static inline void pawl_copy_in(uint32_t method, void *slot, const void *src, size_t bytes)
{
    if (method == PAWL_COPY_STREAMING && bytes >= PAWL_COPY_STREAMING_BYTES_MIN)
        pawl_copy_streaming(slot, src, bytes);
    else
        memcpy(slot, src, bytes);
}

static inline void pawl_copy_out(uint32_t method, void *dst, const void *slot, size_t bytes)
{
    if (method == PAWL_COPY_PLAIN && bytes >= PAWL_COPY_AHEAD_BYTES_MIN)
        pawl_copy_ahead(dst, slot, bytes);
    else
        memcpy(dst, slot, bytes);
}

#endif
