/* copy.h: two ways to write a large record.
 *
 * Between cores that share a last-level cache, memcpy is fastest: the reader finds the lines in
 * the cache. Between cores that do not, every line of a plain copy is fetched from far by the
 * writer and again by the reader; streaming stores go around the writer's cache and are several
 * times faster. Which it is, is measured when the two ends meet (distance.h).
 */
#ifndef PAWL_SHM_COPY_H
#define PAWL_SHM_COPY_H

#include <stddef.h>
#include <stdint.h>

enum pawl_copy_method {
    PAWL_COPY_PLAIN,
    PAWL_COPY_STREAMING,
};

/* Below this size streaming gains nothing. */
#define PAWL_COPY_STREAMING_BYTES_MIN 1024u

/* "plain" or "streaming". */
const char *pawl_copy_method_name(uint32_t method);

/* As memcpy, with stores that bypass the cache where the machine has them; dst is aligned to 16
 * bytes. When it returns, the copied bytes are ordered before any later release store (a
 * release alone does not order such stores on x86). */
void pawl_copy_streaming(void *dst, const void *src, size_t bytes);

#endif
