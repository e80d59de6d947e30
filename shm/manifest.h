/* manifest.h: which tensors a flat block of parameters holds, and where.
 *
 *     struct pawl_manifest manifest = {0};
 *     pawl_manifest_add(&manifest, "actor.net.0.weight", PAWL_F32, 2,
 *                       (uint64_t[]){256, 18}, err);
 *     pawl_manifest_add(&manifest, "actor.net.0.bias", PAWL_F32, 1, (uint64_t[]){256}, err);
 *     ... manifest.blob_bytes, pawl_manifest_find(&manifest, "actor.net.0.bias")->offset_bytes
 *     pawl_manifest_close(&manifest);
 *
 * Its canonical text has one line per tensor, in the order of the block:
 *
 *     actor.net.0.weight float32[256,18] @0
 *     actor.net.0.bias float32[256] @18432
 *
 * Layout: tensors follow each other in the order they were added, each at the next multiple of
 * 64 bytes. The text alone says everything, so a reader needs no other agreement.
 *
 * Thread safety: a manifest belongs to one thread, or is read by any.
 */
#ifndef PAWL_SHM_MANIFEST_H
#define PAWL_SHM_MANIFEST_H

#include "runtime/err.h"
#include "runtime/spec.h"

#include <stddef.h>
#include <stdint.h>

#define PAWL_MANIFEST_TENSORS_MAX    8192u
#define PAWL_MANIFEST_NAME_BYTES     192u /* with the closing zero */
#define PAWL_MANIFEST_RANK_MAX       8u
#define PAWL_MANIFEST_ALIGN          64u
#define PAWL_MANIFEST_BLOB_BYTES_MAX (UINT64_C(1) << 40)

/* NAME DTYPE[A,...] @OFFSET\n: 191 + 1 + 8 + 2 + 8 * 14 + 2 + 13 + 1 and some room, no number
 * having more than 13 digits. */
#define PAWL_MANIFEST_LINE_BYTES_MAX 352u
#define PAWL_MANIFEST_TEXT_BYTES_MAX (PAWL_MANIFEST_TENSORS_MAX * PAWL_MANIFEST_LINE_BYTES_MAX)

struct pawl_manifest_tensor {
    char name[PAWL_MANIFEST_NAME_BYTES];
    enum pawl_dtype dtype;
    uint32_t rank; /* 0: a single value */
    uint64_t shape[PAWL_MANIFEST_RANK_MAX];
    uint64_t offset_bytes; /* in the block; a multiple of 64 */
    uint64_t size_bytes;
};

/* Zeroed, it has no tensors. Owns `tensors`. */
struct pawl_manifest {
    struct pawl_manifest_tensor *tensors;
    uint32_t tensor_count, tensor_room;
    uint64_t blob_bytes; /* to the end of the last tensor */
};

/* Adds a tensor at the end. A name has 1 to 191 letters, digits, `.`, `_`, `-` and `/` and
 * occurs once; every extent is at least 1 (shape may be NULL when rank is 0). -EINVAL, -E2BIG
 * or -ENOMEM with the rule; the manifest is then as before. */
int pawl_manifest_add(struct pawl_manifest *manifest, const char *name, enum pawl_dtype dtype,
                      uint32_t rank, const uint64_t *shape, struct pawl_err *err);

/* NULL when there is none of this name. Valid until the manifest changes. */
const struct pawl_manifest_tensor *pawl_manifest_find(const struct pawl_manifest *manifest,
                                                      const char *name);

/* Writes the canonical text and returns its length; without a closing zero. text has room for
 * room_bytes; a length above that says how much is needed, and nothing more was written. */
size_t pawl_manifest_text(const struct pawl_manifest *manifest, char *text, size_t room_bytes);

/* The manifest of a canonical text, which may come from anybody and need not end in a zero.
 * Strict: what pawl_manifest_text() would not write, byte for byte, is refused, with the number
 * of the line. On failure the manifest is empty. */
int pawl_manifest_parse(struct pawl_manifest *manifest, const char *text, size_t length_bytes,
                        struct pawl_err *err);

/* A zeroed manifest is left alone. */
void pawl_manifest_close(struct pawl_manifest *manifest);

#endif
