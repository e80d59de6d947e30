/* spec.h: the named fields of a record, so that two programs can see whether they mean the
 * same.
 *
 *     struct pawl_spec spec = {0};
 *     pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){18}, err);
 *     pawl_spec_add(&spec, "reward", PAWL_F32, 0, NULL, err);
 *     ... spec.record_bytes, spec.fields[i].offset_bytes
 *
 * Its canonical text has one line per field, in the order of the record:
 *
 *     obs.state float32[18] @0
 *     reward float32 @72
 *
 * The SHA-256 of that text is in every segment, checkpoint and data set. Who finds another hash
 * parses the text beside it, and pawl_spec_match() says which field differs.
 *
 * Layout: fields follow each other in the order they were added, each at the next multiple of
 * the size of its type; a record is a multiple of 8 bytes long and begins at one.
 *
 * Thread safety: a spec is a plain value; no function keeps state. Nothing allocates.
 */
#ifndef PAWL_RUNTIME_SPEC_H
#define PAWL_RUNTIME_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/err.h"
#include "runtime/sha256.h"

#define PAWL_SPEC_FIELDS_MAX       64
#define PAWL_SPEC_RANK_MAX         4
#define PAWL_SPEC_NAME_BYTES       64 /* with the closing zero */
#define PAWL_SPEC_RECORD_BYTES_MAX (UINT64_C(1) << 30)
#define PAWL_SPEC_RECORD_ALIGN     8

/* NAME DTYPE[A,B,C,D] @OFFSET\n: 63 + 1 + 8 + 2 + 4 * 10 + 3 + 2 + 10 + 1, no number having
 * more than 10 digits. */
#define PAWL_SPEC_LINE_BYTES_MAX 130
#define PAWL_SPEC_TEXT_BYTES     (PAWL_SPEC_FIELDS_MAX * PAWL_SPEC_LINE_BYTES_MAX + 1)

/* Numbered for good: the values may be stored. */
enum pawl_dtype {
    PAWL_BOOL = 1, /* one byte, 0 or 1 */
    PAWL_U8 = 2,
    PAWL_I8 = 3,
    PAWL_U16 = 4,
    PAWL_I16 = 5,
    PAWL_U32 = 6,
    PAWL_I32 = 7,
    PAWL_U64 = 8,
    PAWL_I64 = 9,
    PAWL_F16 = 10,
    PAWL_BF16 = 11,
    PAWL_F32 = 12,
    PAWL_F64 = 13,
};

struct pawl_spec_field {
    char name[PAWL_SPEC_NAME_BYTES];
    enum pawl_dtype dtype;
    uint32_t rank; /* 0: a single value */
    uint32_t shape[PAWL_SPEC_RANK_MAX];
    uint64_t offset_bytes; /* in the record */
    uint64_t size_bytes;
};

/* Zeroed, it has no fields. */
struct pawl_spec {
    uint32_t field_count;
    uint64_t record_bytes;
    struct pawl_spec_field fields[PAWL_SPEC_FIELDS_MAX];
};

/* The name as NumPy spells it ("float32"); NULL for a value that is no dtype. */
const char *pawl_dtype_name(enum pawl_dtype dtype);

/* 0 for a value that is no dtype. */
size_t pawl_dtype_bytes(enum pawl_dtype dtype);

/* Adds a field at the end. A name is words of letters, digits, `_` and `-` with a `.` between
 * them, the first beginning with a letter, no name twice; a shape has at most four extents,
 * each at least 1 (shape may be NULL when rank is 0). -EINVAL or -E2BIG (more fields or bytes
 * than the limits above) with the rule; the spec is then as before. */
int pawl_spec_add(struct pawl_spec *spec, const char *name, enum pawl_dtype dtype,
                  uint32_t rank, const uint32_t *shape, struct pawl_err *err);

/* NULL when there is none of this name. Valid until the spec changes. */
const struct pawl_spec_field *pawl_spec_find(const struct pawl_spec *spec, const char *name);

/* The canonical text with a closing zero; returns its length in bytes, without it. */
size_t pawl_spec_text(const struct pawl_spec *spec, char text[PAWL_SPEC_TEXT_BYTES]);

/* The SHA-256 of the canonical text. */
void pawl_spec_hash(const struct pawl_spec *spec, uint8_t hash[PAWL_SHA256_BYTES]);

/* The spec of a canonical text, which may come from anybody and need not end in a zero. Strict:
 * what pawl_spec_text() would not write, byte for byte, is refused, with the number of the
 * line. On failure the spec is empty. */
int pawl_spec_parse(struct pawl_spec *spec, const char *text, size_t length_bytes,
                    struct pawl_err *err);

/* 0 when both have the same fields in the same order; else -EINVAL and the first difference:
 * "field 'obs.state': float32[18] here, float32[17] there". */
int pawl_spec_match(const struct pawl_spec *here, const struct pawl_spec *there,
                    struct pawl_err *err);

#endif
