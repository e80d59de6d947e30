/* safetensors.h: files of named arrays: u64 length (little-endian), a JSON header, the numbers.
 *
 *     writing: the header is made once, the numbers are written from where they are
 *         struct pawl_safetensors_layout layout;
 *         pawl_safetensors_layout_open(&layout, tensors, tensor_count, metas, meta_count,
 * &err); write layout.parts[0 .. layout.part_count)          as often as wanted
 *         pawl_safetensors_layout_close(&layout);
 *
 *     reading: bytes of anybody
 *         struct pawl_safetensors file;
 *         if (pawl_safetensors_open(&file, bytes, byte_count, byte_count, "m.safetensors",
 * &err)) "m.safetensors: actor.weight: 16 bytes for F32 of 2 x 3, which are 24" const struct
 * pawl_tensor *tensor = pawl_safetensors_find(&file, "actor.weight");
 *         pawl_safetensors_close(&file);
 *
 * The reader is strict: the data of the tensors follow one another without a hole or an overlap
 * and end with the file; every product is checked; no name twice; header text of at most
 * PAWL_SAFETENSORS_HEADER_MAX; `__metadata__` holds texts alone. Our own limits beside the
 * format's: at most PAWL_SPEC_RANK_MAX extents below 2^32 each, names shorter than
 * PAWL_TENSOR_NAME_BYTES, the dtypes of spec.h.
 *
 * Thread safety: one thread per object; an open one may be read by several.
 */
#ifndef PAWL_RUNTIME_SAFETENSORS_H
#define PAWL_RUNTIME_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "runtime/err.h"
#include "runtime/tensor.h"

#define PAWL_SAFETENSORS_LENGTH_BYTES 8u         /* before the header's text */
#define PAWL_SAFETENSORS_HEADER_MAX   (1u << 20) /* bytes of text; the format allows 100 MB */
#define PAWL_SAFETENSORS_TENSORS_MAX  16384u

/* A pair of texts from `__metadata__`. */
struct pawl_safetensors_meta {
    const char *key, *value;
};

/* --- writing --- */

/* Zeroed: closed. */
struct pawl_safetensors_layout {
    char *header; /* with the length before it */
    size_t header_bytes;
    struct iovec *parts; /* the header, then the data; neighbours in memory are one part */
    size_t part_count;
    uint64_t file_bytes;
};

/* Names, forms and places of `data` are fixed here, the numbers are read when written. A NULL
 * `data` is allowed for a tensor without elements. Wider dtypes come first in the file, so that
 * all data are aligned there. -EINVAL for what the reader would refuse. */
int pawl_safetensors_layout_open(struct pawl_safetensors_layout *layout,
                                 const struct pawl_tensor *tensors, size_t tensor_count,
                                 const struct pawl_safetensors_meta *metas, size_t meta_count,
                                 struct pawl_err *err);

void pawl_safetensors_layout_close(struct pawl_safetensors_layout *layout);

/* --- reading --- */

/* Zeroed: closed. */
struct pawl_safetensors {
    uint64_t data_offset_bytes; /* of the numbers, in the file */
    size_t tensor_count;
    struct pawl_tensor *tensors; /* in the order of the data */
    uint64_t *offsets_bytes;     /* of each tensor's data, in the file */
    uint64_t *sizes_bytes;
    size_t meta_count;
    struct pawl_safetensors_meta *metas;
    char *texts; /* behind metas */
};

/* `bytes` is the beginning of a file of file_bytes, with its whole header at least. Where it is
 * the whole file, the tensors' data point into it (unaligned when the writer did not care),
 * else they are NULL. `source` names the file in messages. */
int pawl_safetensors_open(struct pawl_safetensors *file, const void *bytes, size_t byte_count,
                          uint64_t file_bytes, const char *source, struct pawl_err *err);

/* How many bytes from the beginning pawl_safetensors_open() needs, from the first
 * PAWL_SAFETENSORS_LENGTH_BYTES. -EFBIG beyond the limit, -EINVAL beyond the file. */
int pawl_safetensors_header_bytes(const void *bytes, uint64_t file_bytes, const char *source,
                                  size_t *header_bytes, struct pawl_err *err);

/* NULL when there is none of this name. Valid until close. */
const struct pawl_tensor *pawl_safetensors_find(const struct pawl_safetensors *file,
                                                const char *name);
const char *pawl_safetensors_meta(const struct pawl_safetensors *file, const char *key);

void pawl_safetensors_close(struct pawl_safetensors *file);

/* "F32"; NULL for a value that is no dtype. */
const char *pawl_safetensors_dtype_name(enum pawl_dtype dtype);

#endif
